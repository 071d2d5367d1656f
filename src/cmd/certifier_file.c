/*
 * The files that certifiers work with. Invariant: a certificate is used only after cert_read took it, and
 * an ID file is refused for what it plainly is before its password is asked for.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "base/text.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/setup.h"
#include "knock/spa.h"

int certifier_end(int rc, const struct fault *f)
{
	if (rc == 0)
		return EXIT_DONE;
	say_trouble("%s", f->text);
	return rc == -EDOM || rc == -EKEYREJECTED ? EXIT_REFUSED : EXIT_LOCAL;
}

/* ------------------------------------------------------------------ the issuer */

int certifier_load(const char *path, bool is_certifier, struct certifier *ret, struct fault *f)
{
	ret->path = path;
	int rc = id_file_load(path, FILE_SECRET, &ret->file, f);
	return rc < 0 ? rc : issue_own_cert(path, ret->file, is_certifier, &ret->cert, f);
}

int certifier_unlock(struct certifier *c, const char *password_file, struct fault *f)
{
	struct password_source from = { .file = password_file, .line = 1 };
	struct password password;
	int rc = password_get(&from, idfile_header(c->file)->name, &password, f);
	if (rc < 0)
		return rc;
	rc = issue_load_any(c->path, c->file, &password, &c->issue, f);
	password_wipe(&password);
	return rc;
}

void certifier_close(struct certifier *c)
{
	idfile_free(c->file);
	issue_free(c->issue);
	*c = (struct certifier){ 0 };
}

struct id_certifier certifier_above(const struct certifier *c)
{
	return (struct id_certifier){ c->path, c->file, c->cert.subject };
}

/* ------------------------------------------------------------------ certificates of others */

static int take_cert(
	const char *path, const struct pem_block *b, struct certifier_certs *certs, struct fault *f)
{
	struct fault why;
	size_t i = certs->count;
	if (i == CERTIFIER_CERTS_MAX) {
		fault_set(f, "%s:%u: more than %d certificates in one file", path, b->line,
			CERTIFIER_CERTS_MAX);
		return -EDOM;
	}
	if (!pem_decode(b, certs->items[i].der, CERT_LEN_MAX, &certs->items[i].len)) {
		fault_set(f,
			"%s:%u: the block is not base64 of at most %d bytes; copy the file again",
			path, b->line, CERT_LEN_MAX);
		return -EDOM;
	}
	struct span der = span_of(certs->items[i].der, certs->items[i].len);
	if (cert_read(der, &certs->items[i].c, &why) < 0) {
		fault_set(f, "%s:%u: %.400s", path, b->line, why.text);
		return -EDOM;
	}
	certs->count++;
	return 0;
}

static int take_certs(
	const char *path, struct span text, struct certifier_certs *certs, struct fault *f)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	enum pem_result got;
	while ((got = pem_next(&r, &b)) == PEM_BLOCK) {
		if (strcmp(b.label, "CERTIFICATE") != 0)
			continue;
		int rc = take_cert(path, &b, certs, f);
		if (rc < 0)
			return rc;
	}
	if (got == PEM_BAD) {
		fault_set(f, "%s:%u: %s; name a file of PEM blocks", path, r.line, r.why);
		return -EDOM;
	}
	if (certs->count > 0)
		return 0;
	fault_set(f, "%s: there is no certificate in it", path);
	return -EDOM;
}

int certifier_read_certs(const char *path, struct certifier_certs **ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_ANY, IDFILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	struct certifier_certs *certs = calloc(1, sizeof(*certs));
	if (certs == NULL) {
		fault_set(f, "%s: there is not enough memory to read it", path);
		rc = -ENOMEM;
	} else {
		rc = take_certs(path, span_of(text, len), certs, f);
	}
	free(text);
	if (rc < 0)
		free(certs);
	else
		*ret = certs;
	return rc;
}

bool certifier_is_rollover(const struct cert *c)
{
	uint8_t own[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(c->pk, own);
	return name_equal(&c->subject, &c->issuer) &&
		memcmp(own, c->issuer_key_identifier, sizeof(own)) != 0;
}

bool certifier_is_cross(const struct cert *c)
{
	return !name_equal(&c->subject, &c->issuer) && !name_is_below(&c->subject, &c->issuer);
}

const char *certifier_kind_text(enum cert_kind kind)
{
	switch (kind) {
	case CERT_SERVER:
		return "server";
	case CERT_CERTIFIER:
		return "certifier";
	case CERT_USER:
		break;
	}
	return "user";
}

/* ------------------------------------------------------------------ new files */

char *certifier_pem(const char *label, const struct span *blocks, size_t count)
{
	size_t cap = 1;
	for (size_t i = 0; i < count; i++)
		cap += pem_written_len(label, blocks[i].len);
	char *text = malloc(cap);
	if (text == NULL)
		return NULL;
	struct writer w = writer_init(text, cap);
	for (size_t i = 0; i < count; i++)
		pem_write(&w, label, blocks[i]);
	writer_u8(&w, '\0');
	return text;
}

void certifier_file_name(const struct name *n, const char *suffix, char *to, size_t cap)
{
	const struct name_part *last = &n->parts[n->count - 1];
	setup_file_name(last->value, last->len, suffix, to, cap);
	for (char *p = to; *p != '\0'; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
}

void certifier_beside(const char *path, const char *suffix, char *to, size_t cap)
{
	size_t len = strlen(path);
	if (len > 3 && strcmp(path + len - 3, ".id") == 0)
		len -= 3;
	snprintf(to, cap, "%.*s%s", (int)len, path, suffix);
}

void certifier_add(struct fileset *s, const char *path, char *text, mode_t mode, const char *note)
{
	fileset_add(s, NULL, path, text, text != NULL ? strlen(text) : 0, mode, note);
}

int certifier_check_free(const char *const *paths, struct fault *f)
{
	struct fileset s = { 0 };
	for (; *paths != NULL; paths++)
		certifier_add(&s, *paths, strdup(""), 0600, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

/* ------------------------------------------------------------------ reports */

void certifier_tell_key(const uint8_t pk[32])
{
	uint8_t id[32];
	char hex[65];
	spa_key_id(pk, id);
	text_hex(SPAN_OF(id), hex);
	printf("  key id        %.32s\n                %s\n", hex, hex + 32);
}

void certifier_tell_fingerprint(struct span der)
{
	char print[80];
	cert_fingerprint(der, print);
	/* Sixteen groups would just pass the edge of a terminal. */
	printf("  fingerprint   %.39s\n                %s\n", print, print + 40);
}

void certifier_tell_files(const struct fileset *s)
{
	for (size_t i = 0; i < s->count; i++)
		printf("  %-24s %s\n", s->items[i].path, s->items[i].note);
}
