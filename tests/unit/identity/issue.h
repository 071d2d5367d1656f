#ifndef TEST_IDENTITY_ISSUE_H
#define TEST_IDENTITY_ISSUE_H

/* Keys, orders and certificates for the tests of issuing, and the openssl program as their judge. */

#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pem.h"
#include "identity/cert.h"
#include "test.h"

#define BEGIN_MS UINT64_C(1767225600000) /* 2026-01-01 */
#define END_MS UINT64_C(1830297600000)   /* 2028-01-01 */
#define DURING "1798761600"              /* 2027-01-01, for openssl -attime */

struct holder {
	uint8_t seed[32], pk[32];
};

struct issued {
	uint8_t der[CERT_LEN_MAX];
	size_t len;
};

static inline struct holder holder(uint8_t fill)
{
	struct holder h;
	uint8_t sk[64];
	memset(h.seed, fill, sizeof(h.seed));
	crypto_sign_seed_keypair(h.pk, sk, h.seed);
	return h;
}

static inline struct name name_of(const char *text, bool is_certifier)
{
	struct name n = { 0 };
	if (name_parse(text, is_certifier, &n) != NAME_OK)
		fail_msg("\"%s\" is not read", text);
	return n;
}

static inline struct cert_order order(const char *subject, enum cert_kind kind,
	const struct holder *h, const char *issuer, const struct holder *by)
{
	struct cert_order o = {
		.subject = name_of(subject, kind == CERT_CERTIFIER),
		.kind = kind,
		.not_before_ms = BEGIN_MS,
		.not_after_ms = END_MS,
		.issuer = name_of(issuer, true),
		.issuer_seed = by->seed,
	};
	memcpy(o.pk, h->pk, 32);
	memcpy(o.issuer_pk, by->pk, 32);
	return o;
}

static inline struct span issue(const struct cert_order *o, struct issued *to)
{
	struct fault f = { "" };
	if (cert_issue(o, to->der, &to->len, &f) != 0)
		fail_msg("%s", f.text);
	return span_of(to->der, to->len);
}

static inline struct cert read_back(struct span der)
{
	struct cert c;
	struct fault f = { "" };
	if (cert_read(der, &c, &f) != 0)
		fail_msg("%s", f.text);
	return c;
}

/* Append a block to a file of folder. */
static inline void save(const char *folder, const char *file, const char *label, struct span der)
{
	static uint8_t text[65536];
	char path[256];
	struct writer w = writer_init(text, sizeof(text));
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	pem_write(&w, label, der);
	assert_false(w.is_full);
	FILE *f = fopen(path, "ab");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, w.len, f), w.len);
	fclose(f);
}

static inline void remove_folder(const char *folder)
{
	char command[256];
	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

/* The exit status of the openssl program with the words of line (no quotes), run in folder. */
static inline int openssl(const char *folder, const char *line)
{
	char words[1024], *argv[64], *at = words, *word;
	size_t argc = 0;
	snprintf(words, sizeof(words), "openssl %s", line);
	while ((word = strsep(&at, " ")) != NULL && argc < 63)
		argv[argc++] = word;
	argv[argc] = NULL;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (chdir(folder) != 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		execv("/usr/bin/openssl", argv);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static inline bool has_openssl(void)
{
	return access("/usr/bin/openssl", X_OK) == 0;
}

#endif
