/*
 * Paths of certificates. Invariant: a path that leaves this file begins with a certificate for a key of
 * the ID, holds one of each level up to the organisation, and each is signed by the next.
 */

#include "cmd/id_path.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"

#define TEXT_MAX 65536

/* ------------------------------------------------------------------ what a file holds */

/* Certificates of a file, and which of them have found their place. */
struct pool {
	const char *file;
	size_t count;
	struct id_path_cert certs[IDFILE_CERTS_MAX];
	bool is_used[IDFILE_CERTS_MAX];
};

static int add(struct pool *p, const struct pem_block *b, struct fault *f)
{
	struct id_path_cert *c = &p->certs[p->count];
	struct fault why;
	if (p->count == IDFILE_CERTS_MAX) {
		fault_set(f,
			"%s:%u: more than %d certificates in one file; take the one that came "
			"back and those above it",
			p->file, b->line, IDFILE_CERTS_MAX);
		return -EINVAL;
	}
	if (strcmp(b->label, "CERTIFICATE") != 0 ||
		!pem_decode(b, c->der, sizeof(c->der), &c->len)) {
		fault_set(f, "%s:%u: not a certificate; name the file the certifier sent back",
			p->file, b->line);
		return -EINVAL;
	}
	if (cert_read(span_of(c->der, c->len), &c->c, &why) < 0) {
		fault_set(f, "%s:%u: the certificate cannot be used: %.300s", p->file, b->line,
			why.text);
		return -EINVAL;
	}
	p->count++;
	return 0;
}

static int parse(struct span text, struct pool *p, struct fault *f)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	enum pem_result got;
	while ((got = pem_next(&r, &b)) == PEM_BLOCK) {
		int rc = add(p, &b, f);
		if (rc < 0)
			return rc;
	}
	if (got == PEM_BAD)
		fault_set(f, "%s:%u: %s; name the file the certifier sent back", p->file, r.line,
			r.why);
	else if (p->count == 0)
		fault_set(f, "%s: holds no certificate; name the file the certifier sent back",
			p->file);
	return got == PEM_BAD || p->count == 0 ? -EINVAL : 0;
}

static int load(const char *file, struct pool *p, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	p->file = file;
	int rc = file_read(file, FILE_ANY, TEXT_MAX, &text, &len, f);
	if (rc == 0)
		rc = parse(span_of(text, len), p, f);
	free(text);
	return rc;
}

/* ------------------------------------------------------------------ upwards */

static bool is_signed(const struct id_path_cert *child, const struct cert *by)
{
	return cert_signed_by(span_of(child->der, child->len), by->pk);
}

static bool is_organisation(const struct id_path_cert *c)
{
	return name_equal(&c->c.subject, &c->c.issuer) && is_signed(c, &c->c);
}

static bool is_parent(const struct id_path_cert *child, const struct cert *parent)
{
	return parent->kind == CERT_CERTIFIER && name_equal(&child->c.issuer, &parent->subject) &&
		name_is_child(&child->c.subject, &parent->subject) && is_signed(child, parent);
}

static bool put(struct id_path *ret, const struct id_path_cert *c)
{
	if (ret->count == ISSUE_CERTS_MAX)
		return false;
	ret->certs[ret->count++] = *c;
	return true;
}

/* The parent of child, put behind what is there. */
static bool take_parent(struct pool *p, const struct id_open *o, struct id_path *ret,
	const struct id_path_cert *child)
{
	for (size_t i = 0; i < p->count; i++) {
		if (!is_parent(child, &p->certs[i].c))
			continue;
		p->is_used[i] = true;
		return put(ret, &p->certs[i]);
	}
	for (size_t i = 0; i < o->cert_count; i++) {
		const struct id_open_cert *c = &o->certs[i];
		struct id_path_cert to;
		if (!c->is_good || c->der.len > sizeof(to.der) || !is_parent(child, &c->c))
			continue;
		to.len = c->der.len;
		memcpy(to.der, c->der.data, c->der.len);
		to.c = c->c;
		return put(ret, &to);
	}
	return false;
}

/* The same name and key, and another key of that name signed. */
static bool is_rollover(const struct id_path_cert *c, const struct cert *of)
{
	return c->c.kind == CERT_CERTIFIER && name_equal(&c->c.subject, &of->subject) &&
		name_equal(&c->c.issuer, &of->subject) &&
		memcmp(c->c.pk, of->pk, sizeof(of->pk)) == 0 && !is_signed(c, of);
}

static bool take_rollovers(struct pool *p, struct id_path *ret, const struct cert *of)
{
	for (size_t i = 0; i < p->count; i++) {
		if (p->is_used[i] || !is_rollover(&p->certs[i], of))
			continue;
		p->is_used[i] = true;
		if (!put(ret, &p->certs[i]))
			return false;
	}
	return true;
}

static int climb(struct pool *p, const struct id_open *o, struct id_path *ret, struct fault *f)
{
	char name[NAME_TEXT_MAX];
	for (;;) {
		const struct id_path_cert *c = &ret->certs[ret->top];
		if (!take_rollovers(p, ret, &c->c))
			break;
		if (is_organisation(c))
			return 0;
		size_t next = ret->count;
		if (!take_parent(p, o, ret, c))
			break;
		ret->top = next;
	}
	fault_set(f,
		"%s: the certificate that signed that of %.190s is missing; ask the "
		"certifier for the whole chain",
		p->file, name_format(&ret->certs[ret->top].c.subject, name));
	return -EDOM;
}

/* ------------------------------------------------------------------ which is ours */

static bool fits_kind(enum cert_kind kind, enum idfile_kind file)
{
	switch (kind) {
	case CERT_CERTIFIER:
		return file == IDFILE_CERTIFIER;
	case CERT_SERVER:
		return file == IDFILE_SERVER;
	case CERT_USER:
		break;
	}
	return file == IDFILE_USER;
}

static bool pending_key(const struct id_open *o, uint8_t pk[32])
{
	uint8_t sk[64];
	if (!o->secrets.has_pending)
		return false;
	crypto_sign_seed_keypair(pk, sk, o->secrets.pending_seed);
	sodium_memzero(sk, sizeof(sk));
	return true;
}

static bool find_leaf(struct pool *p, const uint8_t pk[32], struct id_path *ret)
{
	for (size_t i = 0; i < p->count; i++) {
		if (memcmp(p->certs[i].c.pk, pk, 32) != 0)
			continue;
		ret->certs[0] = p->certs[i];
		ret->count = 1;
		p->is_used[i] = true;
		return true;
	}
	return false;
}

/* Our certificate, for the next key rather than for the one there is, if the file has one. */
static int find_path(struct pool *p, const struct id_open *o, struct id_path *ret, struct fault *f)
{
	uint8_t next[32];
	char name[NAME_TEXT_MAX];
	ret->is_pending = pending_key(o, next) && find_leaf(p, next, ret);
	if (!ret->is_pending && !find_leaf(p, o->pk, ret))
		return 0;
	if (fits_kind(ret->certs[0].c.kind, idfile_header(o->file)->kind))
		return climb(p, o, ret, f);
	fault_set(f,
		"%s: the certificate of %.190s is of another kind than %s; ask the certifier for "
		"the right one",
		p->file, name_format(&ret->certs[0].c.subject, name), o->path);
	return -EDOM;
}

static bool is_cross(const struct id_path_cert *c, const struct id_open *o)
{
	const struct cert *own = id_open_own(o);
	return own != NULL && name_equal(&c->c.issuer, &own->subject) &&
		!name_equal(&c->c.subject, &own->subject) &&
		!name_is_below(&c->c.subject, &own->subject) && is_signed(c, own);
}

static bool is_there(const struct id_path_cert *c, const struct id_open *o)
{
	for (size_t i = 0; i < o->cert_count; i++)
		if (span_equal(o->certs[i].der, span_of(c->der, c->len)))
			return true;
	return false;
}

static int find_rest(struct pool *p, const struct id_open *o, struct id_path *ret, struct fault *f)
{
	char name[NAME_TEXT_MAX];
	for (size_t i = 0; i < p->count; i++) {
		if (p->is_used[i] || is_there(&p->certs[i], o))
			continue;
		if (!is_cross(&p->certs[i], o)) {
			fault_set(f,
				"%s: the certificate of %.190s is neither for a key of %s, nor above "
				"it, nor issued by it; leave it out",
				p->file, name_format(&p->certs[i].c.subject, name), o->path);
			return -EDOM;
		}
		ret->cross[ret->cross_count++] = p->certs[i];
	}
	if (ret->count > 0 || ret->cross_count > 0)
		return 0;
	fault_set(f, "%s: nothing in it is new for %s", p->file, o->path);
	return -EDOM;
}

int id_path_read(const char *file, const struct id_open *o, struct id_path **ret, struct fault *f)
{
	struct pool *p = calloc(1, sizeof(*p));
	struct id_path *path = calloc(1, sizeof(*path));
	int rc = -ENOMEM;

	if (p == NULL || path == NULL)
		fault_set(f, "there is not enough memory");
	else
		rc = load(file, p, f);
	if (rc == 0)
		rc = find_path(p, o, path, f);
	if (rc == 0)
		rc = find_rest(p, o, path, f);
	if (rc == 0) {
		*ret = path;
		path = NULL;
	}
	free(path);
	free(p);
	return rc;
}

/* ------------------------------------------------------------------ made at once */

static unsigned usual_years(enum cert_kind kind)
{
	switch (kind) {
	case CERT_CERTIFIER:
		return 100;
	case CERT_SERVER:
		return 10;
	case CERT_USER:
		break;
	}
	return 2;
}

static int certify(const struct id_path_order *o, struct id_path_cert *to, struct fault *f)
{
	unsigned years = o->years != 0 ? o->years : usual_years(o->kind);
	struct issue_signer signer = issue_signer(o->by);
	struct issue_grant grant = {
		.role = CERT_BELOW,
		.name = &o->name,
		.kind = o->kind,
		.pk = o->pk,
		.now_ms = o->now_ms,
		.not_after_ms =
			issue_last_ms(issue_end_ms(o->now_ms, years, 0), o->by->not_after_ms),
	};
	int rc = issue_certify(&signer, &grant, to->der, &to->len, f);
	return rc < 0 ? rc : cert_read(span_of(to->der, to->len), &to->c, f);
}

int id_path_make(const struct id_path_order *o, struct id_path **ret, struct fault *f)
{
	struct id_path *path = calloc(1, sizeof(*path));
	if (path == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	int rc = certify(o, &path->certs[0], f);
	path->count = 1;
	for (size_t i = 0; i < o->by->cert_count && path->count < ISSUE_CERTS_MAX && rc == 0; i++) {
		struct id_path_cert *to = &path->certs[path->count++];
		to->len = o->by->cert_len[i];
		memcpy(to->der, o->by->certs[i], to->len);
		rc = cert_read(span_of(to->der, to->len), &to->c, f);
	}
	if (rc < 0)
		free(path);
	else
		*ret = path;
	return rc;
}

char *id_path_format(const struct id_path *p)
{
	size_t cap = 1;
	for (size_t i = 0; i < p->count; i++)
		cap += pem_written_len("CERTIFICATE", p->certs[i].len);
	char *text = malloc(cap);
	if (text == NULL)
		return NULL;
	struct writer w = writer_init(text, cap);
	for (size_t i = 0; i < p->count; i++)
		pem_write(&w, "CERTIFICATE", span_of(p->certs[i].der, p->certs[i].len));
	writer_u8(&w, '\0');
	return text;
}
