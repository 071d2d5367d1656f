/*
 * Property: an accepted plaintext has its signed bytes in their one form, sealing and opening it
 * gives the same answer, and bytes that were not sealed for a request never open.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/spa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const struct hpke_context ctx = { { 1 }, { 2 }, { 3 } };
static const uint8_t enc[HPKE_KEY_LEN] = { 4 };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_same(const struct spa_reply *a, const struct spa_reply *b)
{
	uint8_t ta[SPA_REPLY_TRANSCRIPT_LEN], tb[SPA_REPLY_TRANSCRIPT_LEN];
	spa_reply_transcript(a, (struct span){ NULL, 0 }, ta);
	spa_reply_transcript(b, (struct span){ NULL, 0 }, tb);
	return a->result == b->result && a->result_detail == b->result_detail &&
		memcmp(ta, tb, sizeof(ta)) == 0 && a->has_signature == b->has_signature &&
		memcmp(a->signature, b->signature, SPA_SIGNATURE_LEN) == 0;
}

static void seal_and_open(const struct spa_reply *r)
{
	static const uint8_t nonce[32] = { 5 };
	const struct spa_header h = { .psk_slot = 2, .enc = SPAN_OF(enc) };
	uint8_t datagram[SPA_SMALL_LEN];
	struct spa_reply back;

	must(spa_reply_build(r, &h, &ctx, nonce, datagram) == SPA_SMALL_LEN);
	must(spa_reply_open(SPAN_OF(datagram), enc, 0x21, &ctx, &back) == SPA_OK);
	must(is_same(r, &back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct spa_reply r;

	must(spa_reply_open(span_of(data, len), enc, 0x01, &ctx, &r) != SPA_OK);
	if (spa_reply_decode(span_of(data, len), &r) != SPA_OK)
		return 0;
	must(len == SPA_REPLY_INNER_LEN && r.status < SPA_STATUS_COUNT);
	must(!r.has_prekey || r.has_signature);
	uint8_t t[SPA_REPLY_TRANSCRIPT_LEN];
	spa_reply_transcript(&r, (struct span){ NULL, 0 }, t);
	/* The flag of the signature is always set in what it covers. */
	t[SPA_REPLY_TRANSCRIPT_LEN - SPA_REPLY_SIGNED_LEN + 3] &=
		(uint8_t)(r.has_signature ? 3 : 2);
	must(memcmp(t + SPA_REPLY_TRANSCRIPT_LEN - SPA_REPLY_SIGNED_LEN, data,
		     SPA_REPLY_SIGNED_LEN) == 0);
	seal_and_open(&r);
	return 0;
}
