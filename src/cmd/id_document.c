/*
 * Document keys of an ID. Invariant: the block that shows a key to others is about the newest one, for
 * the others encrypt to what they are shown.
 */

#include "cmd/id_document.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "knock/hpke.h"

static void public_half(const uint8_t seed[32], uint8_t ret[32])
{
	struct hpke_secret s;
	memcpy(s.b, seed, sizeof(s.b));
	hpke_public_key(&s, ret);
	sodium_memzero(&s, sizeof(s));
}

void id_document_block(const struct idfile_secrets *s, const uint8_t key_id[32],
	const uint8_t sk[64], uint8_t to[DOCUMENT_KEY_LEN])
{
	size_t newest = s->document_count - 1;
	struct document_key k = { .created_ms = s->documents[newest].created_ms };
	memcpy(k.key_id, key_id, sizeof(k.key_id));
	public_half(s->documents[newest].seed, k.x25519);
	document_key_encode(&k, sk, to);
}

/* The block stands there and is about the newest key. */
static bool is_shown(const struct id_open *o)
{
	struct document_key k;
	uint8_t newest[32];
	if (!document_key_decode(idfile_block(o->file, DOCUMENT_KEY_LABEL), o->pk, &k))
		return false;
	public_half(o->secrets.documents[o->secrets.document_count - 1].seed, newest);
	return memcmp(newest, k.x25519, sizeof(newest)) == 0;
}

static int add_key(struct id_open *o, const struct id_document_order *order, struct fault *f)
{
	struct idfile_secrets *s = &o->secrets;
	if (s->document_count == IDFILE_DOCUMENTS_MAX && !order->is_oldest_given) {
		fault_set(f,
			"%s: it has %d document keys, the most there can be; --drop-oldest gives up "
			"the oldest, and all files that only it opens",
			o->path, IDFILE_DOCUMENTS_MAX);
		return -EDOM;
	}
	if (s->document_count == IDFILE_DOCUMENTS_MAX) {
		memmove(&s->documents[0], &s->documents[1],
			sizeof(s->documents) - sizeof(s->documents[0]));
		s->document_count--;
	}
	size_t i = s->document_count++;
	s->documents[i].created_ms = order->now_ms;
	randombytes_buf(s->documents[i].seed, sizeof(s->documents[i].seed));
	return 0;
}

int id_document_need(struct id_open *o, const struct id_document_order *order, bool *ret_is_changed,
	struct fault *f)
{
	uint8_t block[DOCUMENT_KEY_LEN];
	bool is_missing = o->secrets.document_count == 0;
	*ret_is_changed = false;
	if (is_missing || order->is_new) {
		int rc = add_key(o, order, f);
		if (rc < 0)
			return rc;
	} else if (is_shown(o)) {
		return 0;
	}
	id_document_block(&o->secrets, idfile_header(o->file)->key_id, o->sk, block);
	struct idfile_change c = { .block_count = 1,
		.blocks = { { DOCUMENT_KEY_LABEL, SPAN_OF(block) } } };
	*ret_is_changed = true;
	return id_open_save(o, &c, f);
}
