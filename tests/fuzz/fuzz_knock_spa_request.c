/*
 * Property: spans of an accepted request lie inside the plaintext, and building a request from what
 * was decoded gives the same bytes again, up to the TLVs that this version does not write.
 */

#include <stdlib.h>
#include <string.h>

#include "knock/spa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_inside(struct span s, const uint8_t *data, size_t len)
{
	return s.data >= data && s.len <= len && (size_t)(s.data - data) <= len - s.len;
}

/* What fits into the smaller class goes there, whatever it came in. */
static bool is_small(const struct spa_request *q)
{
	size_t fido_len = q->signature_type == SPA_SIG_SK ? 5 : 0;
	return q->selector.len + q->identity.len + fido_len <= SPA_ROOM_SMALL;
}

/* Build with the signature it came with, open, and compare with the plaintext it was decoded from. */
static void again(const struct spa_request *q, const uint8_t *data)
{
	static const struct hpke_secret prekey = { { 3 } }, ephemeral = { { 4 } };
	struct spa_target t = { .sid = { 5 }, .prekey_id = 1, .cookie_secret = SPAN_OF(t.sid) };
	struct spa_proof proof = { .fido_flags = q->fido_flags, .fido_counter = q->fido_counter };
	uint8_t datagram[SPA_LARGE_LEN], plain[SPA_INNER_LARGE_LEN];
	struct hpke_context client, server;
	struct spa_draft draft;
	struct spa_request seen;
	struct spa_header h;
	size_t plain_len;

	hpke_public_key(&prekey, t.prekey);
	memcpy(proof.signature, q->signature.data, sizeof(proof.signature));
	must(spa_request_prepare(&t, q, &ephemeral, 0, &draft));
	size_t len = spa_request_finish(&draft, &proof, datagram, &client);
	must(spa_header_decode(span_of(datagram, len), &h) == SPA_OK);
	must(spa_open(&h, t.sid, &prekey, NULL, plain, &plain_len, &server) == SPA_OK);
	must((plain_len == SPA_INNER_SMALL_LEN) == is_small(q));
	must(memcmp(plain, data, SPA_INNER_FIXED_LEN + q->selector.len + q->identity.len) == 0);
	must(spa_request_decode(span_of(plain, plain_len), &seen) == SPA_OK);
	must(span_equal(seen.signature, q->signature));
	must(seen.fido_flags == q->fido_flags && seen.fido_counter == q->fido_counter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct spa_request q;

	if (spa_request_decode(span_of(data, len), &q) != SPA_OK)
		return 0;
	must(len == SPA_INNER_SMALL_LEN || len == SPA_INNER_LARGE_LEN);
	must(is_inside(q.selector, data, len) && q.selector.len <= SPA_SELECTOR_MAX);
	must(is_inside(q.identity, data, len) && q.identity.len > 0);
	bool is_chain = q.identity_type == SPA_ID_CHAIN || q.identity_type == SPA_ID_TEMPLATE;
	must(is_chain || q.identity.len == SPA_KEY_ID_LEN);
	size_t fido_len = q.signature_type == SPA_SIG_SK ? 5 : 0;
	must(q.signed_part.data == data && q.signed_part.len == len - SPA_SIGNATURE_LEN - fido_len);
	must(q.signature.data == data + len - SPA_SIGNATURE_LEN &&
		q.signature.len == SPA_SIGNATURE_LEN);
	must(fido_len != 0 || (q.fido_flags == 0 && q.fido_counter == 0));
	must(q.op <= SPA_PROBE);
	must(is_chain || q.identity_type == SPA_ID_KEY || q.identity_type == SPA_ID_SSH);
	must(q.identity_type == SPA_ID_SSH || q.signature_type != SPA_SIG_SK);
	must((q.address_mode != 0) == ((q.flags & SPA_FLAG_EXPLICIT) != 0));
	must((q.address_mode == 0) == addr_is_zero(&q.address));
	must(q.address_mode != 4 || addr_is_v4(&q.address));
	must(q.address_mode != 6 || !addr_is_v4(&q.address));
	again(&q, data);
	return 0;
}
