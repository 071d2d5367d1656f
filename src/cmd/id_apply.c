/*
 * New certificates, or the next key with them, in an ID file. Invariant: header, certificates and sealed
 * data change in one write, and what was bound to the old key or name is either bound to the new one in
 * the same write, or the file stays as it was.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/id_document.h"
#include "cmd/id_path.h"
#include "identity/recovery.h"
#include "knock/spa.h"

/* The file to be, apart from its secrets: those are changed in the opened ID itself. */
struct next {
	struct idfile_header header;
	struct name name;
	uint8_t pk[32], sk[64]; /* of the key that is active afterwards */
	bool is_other;          /* another name or key than before */
	struct idfile_key key;  /* of the file, when the key is another */
	size_t cross_count;
	struct id_path_cert cross[IDFILE_CERTS_MAX];
	uint8_t recovery[RECOVERY_LEN_MAX];
	uint8_t document[DOCUMENT_KEY_LEN];
	struct idfile_change change;
};

/* The active key becomes the last retired one; of too many the oldest is forgotten. */
static void retire(struct idfile_secrets *s, uint64_t now_ms)
{
	if (s->retired_count == IDFILE_RETIRED_MAX) {
		memmove(&s->retired[0], &s->retired[1],
			(IDFILE_RETIRED_MAX - 1) * sizeof(s->retired[0]));
		s->retired_count--;
	}
	memcpy(s->retired[s->retired_count].seed, s->seed, sizeof(s->seed));
	s->retired[s->retired_count++].retired_ms = now_ms;
	memcpy(s->seed, s->pending_seed, sizeof(s->seed));
	sodium_memzero(s->pending_seed, sizeof(s->pending_seed));
	s->has_pending = false;
}

static int settle(struct id_open *o, const struct id_path *p, uint64_t now_ms, struct next *n,
	struct fault *f)
{
	char text[NAME_TEXT_MAX];
	const struct cert *own = id_open_own(o);
	n->header = *idfile_header(o->file);
	if (p->is_pending)
		retire(&o->secrets, now_ms);
	crypto_sign_seed_keypair(n->pk, n->sk, o->secrets.seed);
	spa_key_id(n->pk, n->header.key_id);
	if (p->count > 0)
		n->name = p->certs[0].c.subject;
	else if (own != NULL)
		n->name = own->subject;
	n->is_other = p->is_pending || (own != NULL && !name_equal(&n->name, &own->subject));
	if (p->count == 0)
		return 0;
	int len =
		snprintf(n->header.name, sizeof(n->header.name), "%s", name_format(&n->name, text));
	if (len >= 0 && (size_t)len < sizeof(n->header.name))
		return 0;
	fault_set(f, "the name in the certificate is too long for an ID file");
	return -EINVAL;
}

/* ------------------------------------------------------------------ certificates this ID issued */

/* Once more, by the name and key of today. */
static int issue_again(
	const struct cert *c, const struct next *n, struct id_path_cert *to, struct fault *f)
{
	struct cert_order order = {
		.role = CERT_CROSS,
		.subject = c->subject,
		.kind = c->kind,
		.not_before_ms = c->not_before_ms,
		.not_after_ms = c->not_after_ms,
		.issuer = n->name,
		.issuer_seed = n->sk, /* the seed is the first half of a secret key */
	};
	memcpy(order.pk, c->pk, sizeof(order.pk));
	memcpy(order.issuer_pk, n->pk, sizeof(order.issuer_pk));
	return cert_issue(&order, to->der, &to->len, f);
}

static bool is_issued_by(const struct id_open_cert *c, const struct cert *own)
{
	return c->is_good && own != NULL && name_equal(&c->c.issuer, &own->subject) &&
		!name_equal(&c->c.subject, &own->subject) && cert_signed_by(c->der, own->pk);
}

static int keep_issued(const struct id_open *o, struct next *n, struct fault *f)
{
	const struct cert *own = id_open_own(o);
	for (size_t i = 1; i < o->cert_count; i++) {
		const struct id_open_cert *c = &o->certs[i];
		struct id_path_cert *to = &n->cross[n->cross_count];
		if (!is_issued_by(c, own))
			continue;
		n->cross_count++;
		to->len = c->der.len;
		memcpy(to->der, c->der.data, c->der.len);
		int rc = n->is_other ? issue_again(&c->c, n, to, f) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int too_many(struct fault *f)
{
	fault_set(f, "that makes more than the %d certificates an ID file holds", IDFILE_CERTS_MAX);
	return -EDOM;
}

static int add_new(const struct id_path *p, struct next *n, struct fault *f)
{
	for (size_t i = 0; i < p->cross_count; i++) {
		if (n->cross_count == IDFILE_CERTS_MAX)
			return too_many(f);
		struct id_path_cert *to = &n->cross[n->cross_count++];
		*to = p->cross[i];
		int rc = n->is_other ? issue_again(&p->cross[i].c, n, to, f) : 0;
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int add_cert(struct idfile_change *c, struct span der, struct fault *f)
{
	if (c->cert_count == IDFILE_CERTS_MAX)
		return too_many(f);
	c->certs[c->cert_count++] = der;
	return 0;
}

/* Own path first, what this ID issued after it. Without a new path the old certificates stay. */
static int put_certs(
	const struct id_open *o, const struct id_path *p, struct next *n, struct fault *f)
{
	int rc = 0;
	n->change.has_certs = true;
	for (size_t i = 0; i < p->count && rc == 0; i++)
		rc = add_cert(&n->change, span_of(p->certs[i].der, p->certs[i].len), f);
	for (size_t i = 0; i < o->cert_count && rc == 0 && p->count == 0; i++)
		rc = add_cert(&n->change, o->certs[i].der, f);
	for (size_t i = 0; i < n->cross_count && rc == 0; i++)
		rc = add_cert(&n->change, span_of(n->cross[i].der, n->cross[i].len), f);
	return rc;
}

/* ------------------------------------------------------------------ blocks that name the key */

/* Who opened an old copy has its file key: that must not open what is sealed from now on. */
static void renew_file_key(struct next *n)
{
	randombytes_buf(n->key.b, sizeof(n->key.b));
	n->change.new_key = &n->key;
}

/* A recovery block names the key; the same authorities are to be able to help with the new one. */
static int renew_recovery(const struct id_open *o, struct next *n, struct fault *f)
{
	struct fault why;
	struct span old = idfile_block(o->file, RECOVERY_LABEL);
	if (old.len == 0)
		return 0;
	struct recovery *r = malloc(sizeof(*r));
	if (r == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	size_t len = 0;
	/* An older block of this ID can be put back by whoever can write the file; the header is sealed. */
	if (recovery_decode(old, o->pk, r, &why) == 0 && r->list.m == n->header.recovery_m &&
		r->list.n == n->header.recovery_n)
		len = recovery_make(r->list_der, n->header.key_id, &n->key, n->sk, n->recovery);
	free(r);
	if (len == 0) {
		fault_set(f,
			"%s: its recovery block cannot be made anew for the new key; put a good "
			"one in with postern id protect first",
			o->path);
		return -EINVAL;
	}
	n->change.has_recovery = true;
	n->change.recovery = span_of(n->recovery, len);
	return 0;
}

/* The document keys stay; others have to be shown them under the new key. */
static void renew_document(const struct id_open *o, struct next *n)
{
	size_t i = n->change.block_count;
	if (o->secrets.document_count == 0)
		return;
	id_document_block(&o->secrets, n->header.key_id, n->sk, n->document);
	n->change.blocks[i].label = DOCUMENT_KEY_LABEL;
	n->change.blocks[i].body = SPAN_OF(n->document);
	n->change.block_count++;
}

/* ------------------------------------------------------------------ all of it */

static int prepare(struct id_open *o, const struct id_path *p, uint64_t now_ms, struct next *n,
	struct fault *f)
{
	int rc = settle(o, p, now_ms, n, f);
	if (rc == 0 && p->count > 0)
		rc = keep_issued(o, n, f);
	if (rc == 0)
		rc = add_new(p, n, f);
	if (rc == 0)
		rc = put_certs(o, p, n, f);
	if (rc == 0 && p->is_pending)
		renew_file_key(n);
	if (rc == 0 && p->is_pending)
		rc = renew_recovery(o, n, f);
	if (rc == 0 && p->is_pending)
		renew_document(o, n);
	n->change.header = &n->header;
	return rc;
}

int id_path_apply(struct id_open *o, const struct id_path *p, uint64_t now_ms, struct fault *f)
{
	struct next *n = sodium_malloc(sizeof(*n));
	if (n == NULL) {
		fault_set(f, "there is not enough memory");
		return -ENOMEM;
	}
	memset(n, 0, sizeof(*n));
	int rc = prepare(o, p, now_ms, n, f);
	if (rc == 0)
		rc = id_open_save(o, &n->change, f);
	sodium_free(n);
	return rc;
}
