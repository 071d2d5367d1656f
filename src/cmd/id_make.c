/* New ID files. Invariant: a key that was made here is in guarded memory or in a locked ID file. */

#include "cmd/id_make.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "cmd/setup.h"
#include "identity/request.h"

int id_make_bare(const struct name *name, enum cert_kind kind, const uint8_t *seed,
	struct issue **ret, struct fault *f)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	struct issue *i = sodium_malloc(sizeof(*i));
	if (i == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	memset(i, 0, sizeof(*i));
	i->name = *name;
	i->kind = kind;
	if (seed != NULL)
		memcpy(i->secrets.seed, seed, sizeof(i->secrets.seed));
	else
		randombytes_buf(i->secrets.seed, sizeof(i->secrets.seed));
	crypto_sign_seed_keypair(i->pk, sk, i->secrets.seed);
	sodium_memzero(sk, sizeof(sk));
	if (kind == CERT_SERVER) {
		i->secrets.has_x25519 = true;
		randombytes_buf(i->secrets.x25519, sizeof(i->secrets.x25519));
	}
	*ret = i;
	return 0;
}

char *id_make_request(
	const struct name *name, enum cert_kind kind, const uint8_t seed[32], struct fault *f)
{
	uint8_t der[REQUEST_LEN_MAX];
	size_t len = 0;
	if (request_make(name, kind, seed, der, &len, f) < 0)
		return NULL;
	size_t cap = pem_written_len(REQUEST_PEM_LABEL, len) + 1;
	char *text = malloc(cap);
	if (text == NULL) {
		fault_set(f, "there is not enough memory");
		return NULL;
	}
	struct writer w = writer_init(text, cap);
	pem_write(&w, REQUEST_PEM_LABEL, span_of(der, len));
	writer_u8(&w, '\0');
	return text;
}

void id_make_add_text(
	struct fileset *s, const char *path, char *text, mode_t mode, const char *note)
{
	fileset_add(s, NULL, path, text, text != NULL ? strlen(text) : 0, mode, note);
}

void id_make_beside(const char *out, const char *suffix, char *to, size_t cap)
{
	size_t len = strlen(out);
	if (len > 3 && strcmp(out + len - 3, ".id") == 0)
		len -= 3;
	snprintf(to, cap, "%.*s%s", (int)len, out, suffix);
}

void id_make_file_name(const struct name *name, char *to, size_t cap)
{
	const struct name_part *last = &name->parts[name->count - 1];
	setup_file_name(last->value, last->len, ".id", to, cap);
	for (char *p = to; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
}

static void add_server(const struct id_make_file *m, const struct issue *i, struct fileset *s)
{
	char path[PATH_MAX];
	char *raw = malloc(IDFILE_KEY_LEN);
	if (raw == NULL) {
		s->is_short = true;
		return;
	}
	randombytes_buf(raw, IDFILE_KEY_LEN);
	struct issue_lock lock = { .raw_key = (const uint8_t *)raw };
	id_make_add_text(
		s, m->out, issue_idfile(i, &lock, m->now_ms), 0600, "the server's ID file");
	id_make_beside(m->out, ".key", path, sizeof(path));
	fileset_add(s, NULL, path, raw, IDFILE_KEY_LEN, 0600, "secret: opens the ID file");
}

int id_make_add(
	const struct id_make_file *m, const struct issue *i, struct fileset *s, struct fault *f)
{
	struct password_source from = { .file = m->password_file, .line = 1 };
	struct password password = { 0 };
	char name[NAME_TEXT_MAX];

	if (i->kind == CERT_SERVER) {
		add_server(m, i, s);
		return 0;
	}
	unsigned quality =
		i->kind == CERT_CERTIFIER ? PASSWORD_QUALITY_CERTIFIER : PASSWORD_QUALITY_USER;
	int rc = password_choose(&from, name_format(&i->name, name), quality, &password, f);
	if (rc == 0) {
		struct issue_lock lock = {
			.password = &password,
			.quality_min = (uint8_t)quality,
			.mem_kib = m->mem_kib,
		};
		id_make_add_text(s, m->out, issue_idfile(i, &lock, m->now_ms), 0600, "the ID file");
	}
	password_wipe(&password);
	return rc;
}

void id_make_print_server(const char *path, bool is_new_key)
{
	fputs(is_new_key ? "\nAll clients need a new card: once posternd runs with the new key, "
			   "no knock with\nthe old card is understood. It is made with:\n"
			 : "\nClients keep their card until the certificate in it ends. A new one "
			   "is made with:\n",
		stdout);
	printf("\n  postern id card %s --like OLD.card -o NEW.card\n\n"
	       "Then restart posternd, which has read the old file.\n",
		path);
}

void id_make_print_line(const struct cert *c)
{
	char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry e;
	if (c->kind == CERT_CERTIFIER)
		return;
	issue_entry_of_cert(c, &e);
	if (directory_line_format(&e, NULL, line, sizeof(line)) > 0)
		printf("\nThe line for the directory of a server (postern directory add adds it):\n\n%s",
			line);
}
