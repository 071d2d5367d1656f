/* The sealed answer: the published vector, everything near it, and one line a case for the
 * plaintext. */

#include "fixture.h"

struct exchange {
	struct fixture x;
	struct spa_header h;
	struct hpke_context server_ctx;
	struct spa_reply reply;
	uint8_t nonce[32];
	uint8_t datagram[SPA_SMALL_LEN];
};

static void exchange_init(struct exchange *e)
{
	uint8_t plain[SPA_INNER_LARGE_LEN];
	size_t len;
	memset(e, 0, sizeof(*e));
	fixture_init(&e->x);
	assert_int_equal(fixture_build(&e->x), SPA_SMALL_LEN);
	assert_int_equal(spa_header_decode(fixture_datagram(&e->x), &e->h), SPA_OK);
	assert_int_equal(
		spa_open(&e->h, e->x.sid, &e->x.prekey, NULL, plain, &len, &e->server_ctx), SPA_OK);
	memcpy(e->nonce, vector_get(FIXTURE_FILE, "reply_nonce").b, 32);
}

static void build(struct exchange *e)
{
	assert_int_equal(spa_reply_build(&e->reply, &e->h, &e->server_ctx, e->nonce, e->datagram),
		SPA_SMALL_LEN);
}

static enum spa_reject open_reply(
	const struct exchange *e, struct span datagram, struct spa_reply *ret)
{
	return spa_reply_open(datagram, e->x.datagram + 32, 0x01, &e->x.client_ctx, ret);
}

static void test_reply_vector(void **state)
{
	(void)state;
	struct exchange e;
	struct vector want = vector_get(FIXTURE_FILE, "reply");
	exchange_init(&e);
	assert_int_equal(open_reply(&e, vector_span(&want), &e.reply), SPA_OK);
	assert_int_equal(e.reply.status, SPA_STATUS_OK);
	assert_int_equal(e.reply.time_ms, 1700000000123);
	assert_int_equal(e.reply.observed_family, 4);
	char text[ADDR_TEXT_MAX];
	assert_string_equal(addr_format(&e.reply.observed, text), "127.0.0.1");
	assert_int_equal(e.reply.observed_port, 40000);
	assert_true(e.reply.has_signature);
	assert_false(e.reply.has_prekey);

	uint8_t transcript[SPA_REPLY_TRANSCRIPT_LEN];
	spa_reply_transcript(&e.reply, fixture_datagram(&e.x), transcript);
	assert_int_equal(crypto_sign_verify_detached(
				 e.reply.signature, transcript, sizeof(transcript), e.x.server_pk),
		0);
	/* The signature's own flag is covered even when the caller sets it later. */
	e.reply.has_signature = false;
	uint8_t again[SPA_REPLY_TRANSCRIPT_LEN];
	spa_reply_transcript(&e.reply, fixture_datagram(&e.x), again);
	assert_memory_equal(transcript, again, sizeof(again));
	e.reply.has_signature = true;

	build(&e);
	assert_memory_equal(e.datagram, want.b, want.len);
}

static void test_every_bit_flip(void **state)
{
	(void)state;
	struct exchange e;
	struct spa_reply r, untouched;
	exchange_init(&e);
	build(&e);
	memset(&r, 0xa5, sizeof(r));
	memset(&untouched, 0xa5, sizeof(untouched));
	for (size_t bit = 0; bit < 8 * SPA_SMALL_LEN; bit++) {
		e.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum spa_reject reason = open_reply(&e, SPAN_OF(e.datagram), &r);
		if (reason == SPA_OK || (bit / 8 >= 8 && reason != SPA_SEAL))
			fail_msg("bit %zu: %s", bit, spa_reject_name(reason));
		e.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_memory_equal(&r, &untouched, sizeof(r));
	assert_int_equal(open_reply(&e, SPAN_OF(e.datagram), &r), SPA_OK);
}

static void test_every_truncation(void **state)
{
	(void)state;
	struct exchange e;
	struct spa_reply r;
	exchange_init(&e);
	build(&e);
	for (size_t len = 0; len < SPA_SMALL_LEN; len++) {
		uint8_t *cut = malloc(len + 1);
		memcpy(cut, e.datagram, len);
		assert_int_equal(open_reply(&e, span_of(cut, len), &r),
			len < SPA_REPLY_HEADER_LEN ? SPA_SHORT : SPA_LENGTH);
		free(cut);
	}
}

static void test_other_request(void **state)
{
	(void)state;
	struct exchange e, other;
	struct spa_reply r;
	exchange_init(&e);
	build(&e);
	/* Another ephemeral key, and the same key with another enc in the salt. */
	exchange_init(&other);
	other.x.ephemeral.b[5] ^= 1;
	assert_int_equal(fixture_build(&other.x), SPA_SMALL_LEN);
	assert_int_equal(open_reply(&other, SPAN_OF(e.datagram), &r), SPA_SEAL);
	assert_int_equal(spa_reply_open(SPAN_OF(e.datagram), other.x.datagram + 32, 0x01,
				 &e.x.client_ctx, &r),
		SPA_SEAL);
	assert_int_equal(
		spa_reply_open(SPAN_OF(e.datagram), e.x.datagram + 32, 0x31, &e.x.client_ctx, &r),
		SPA_SUITE_REFUSED);
	/* The request itself, sent back. */
	assert_int_equal(open_reply(&e, fixture_datagram(&e.x), &r), SPA_TYPE);
}

static void test_round_trip(void **state)
{
	(void)state;
	static const uint8_t v4[4] = { 192, 0, 2, 7 };
	struct exchange e;
	struct spa_reply r;
	exchange_init(&e);
	e.reply = (struct spa_reply){
		.status = SPA_STATUS_LIMIT,
		.time_ms = 0x0102030405060708,
		.instance = 0x1112131415161718,
		.granted_s = 0x21222324,
		.retry_after_s = 0x3132,
		.observed_family = 4,
		.observed = addr_v4(v4),
		.observed_port = 0x4142,
		.granted_port = 0x5152,
		.grant_id = 0x6162636465666768,
		.has_prekey = true,
		.prekey_not_after_ms = 0x7172737475767778,
		.prekey_id = 0x81,
		.prekey = { 0x91, 0x92 },
		.has_signature = true,
		.signature = { 0xa1 },
	};
	build(&e);
	memset(&r, 0, sizeof(r));
	assert_int_equal(open_reply(&e, SPAN_OF(e.datagram), &r), SPA_OK);
	uint8_t want[SPA_REPLY_TRANSCRIPT_LEN], got[SPA_REPLY_TRANSCRIPT_LEN];
	spa_reply_transcript(&e.reply, fixture_datagram(&e.x), want);
	spa_reply_transcript(&r, fixture_datagram(&e.x), got);
	assert_memory_equal(want, got, sizeof(want));
	assert_int_equal(r.grant_id, e.reply.grant_id);
	assert_int_equal(r.granted_port, 0x5152);
	assert_memory_equal(r.signature, e.reply.signature, 64);
	/* A prekey without a signature is refused by the one who opens it. */
	e.reply.has_signature = false;
	build(&e);
	assert_int_equal(open_reply(&e, SPAN_OF(e.datagram), &r), SPA_FLAGS);
}

/* Offsets are those of the inner reply; the base is version 1 and nothing else. */
static const struct {
	const char *name;
	struct {
		size_t at;
		uint8_t value;
	} edits[4];
	enum spa_reject want;
} cases[] = {
	{ "empty answer", { { 0, 1 } }, SPA_OK },
	{ "version 0", { { 0, 0 } }, SPA_INNER_VERSION },
	{ "version 2", { { 0, 2 } }, SPA_INNER_VERSION },
	{ "last status", { { 0, 1 }, { 1, 8 } }, SPA_OK },
	{ "status 9", { { 0, 1 }, { 1, 9 } }, SPA_OP },
	{ "status 255", { { 0, 1 }, { 1, 255 } }, SPA_OP },
	{ "signature flag", { { 0, 1 }, { 3, 1 } }, SPA_OK },
	{ "prekey without signature", { { 0, 1 }, { 3, 2 } }, SPA_FLAGS },
	{ "prekey and signature", { { 0, 1 }, { 3, 3 } }, SPA_OK },
	{ "chain", { { 0, 1 }, { 3, 4 } }, SPA_FLAGS },
	{ "flag 8", { { 0, 1 }, { 3, 8 } }, SPA_FLAGS },
	{ "flag 0x100", { { 0, 1 }, { 2, 1 } }, SPA_FLAGS },
	{ "family 4, no address", { { 0, 1 }, { 26, 4 } }, SPA_ADDRESS },
	{ "family 6, no address", { { 0, 1 }, { 26, 6 } }, SPA_ADDRESS },
	{ "family 6", { { 0, 1 }, { 26, 6 }, { 28, 0x20 } }, SPA_OK },
	{ "family 6, IPv4", { { 0, 1 }, { 26, 6 }, { 38, 255 }, { 39, 255 } }, SPA_ADDRESS },
	{ "family 4", { { 0, 1 }, { 26, 4 }, { 38, 255 }, { 39, 255 } }, SPA_OK },
	{ "family 4, IPv6", { { 0, 1 }, { 26, 4 }, { 28, 0x20 } }, SPA_ADDRESS },
	{ "family 0, address", { { 0, 1 }, { 28, 0x20 } }, SPA_ADDRESS },
	{ "family 0, port", { { 0, 1 }, { 45, 1 } }, SPA_ADDRESS },
	{ "family 5", { { 0, 1 }, { 26, 5 }, { 28, 0x20 } }, SPA_ADDRESS },
	{ "reserved 27", { { 0, 1 }, { 27, 1 } }, SPA_RESERVED },
	{ "prekey end without prekey", { { 0, 1 }, { 56, 1 } }, SPA_RESERVED },
	{ "prekey id without prekey", { { 0, 1 }, { 64, 1 } }, SPA_RESERVED },
	{ "reserved 65", { { 0, 1 }, { 65, 1 } }, SPA_RESERVED },
	{ "reserved 71 beside a prekey", { { 0, 1 }, { 3, 3 }, { 71, 1 } }, SPA_RESERVED },
	{ "prekey bytes without prekey", { { 0, 1 }, { 103, 1 } }, SPA_RESERVED },
	{ "signature without flag", { { 0, 1 }, { 104, 1 } }, SPA_RESERVED },
	{ "last signature byte without flag", { { 0, 1 }, { 167, 1 } }, SPA_RESERVED },
	{ "critical TLV", { { 0, 1 }, { 168, 5 } }, SPA_TLV },
	{ "other TLV", { { 0, 1 }, { 168, 0x85 }, { 169, 2 }, { 170, 9 } }, SPA_OK },
	{ "TLV to the end", { { 0, 1 }, { 168, 0x85 }, { 169, 94 } }, SPA_OK },
	{ "TLV past the end", { { 0, 1 }, { 168, 0x85 }, { 169, 95 } }, SPA_TLV },
	{ "padding", { { 0, 1 }, { 263, 1 } }, SPA_RESERVED },
	{ "result without a kind", { { 0, 1 }, { 168, 2 }, { 169, 2 } }, SPA_TLV },
	{ "exit status 0", { { 0, 1 }, { 168, 2 }, { 169, 2 }, { 170, 1 } }, SPA_OK },
	{ "running", { { 0, 1 }, { 168, 2 }, { 169, 2 }, { 170, 6 } }, SPA_OK },
	{ "result past the kinds", { { 0, 1 }, { 168, 2 }, { 169, 2 }, { 170, 7 } }, SPA_TLV },
	{ "result of one byte", { { 0, 1 }, { 168, 2 }, { 169, 1 }, { 170, 1 } }, SPA_TLV },
	{ "result of three bytes", { { 0, 1 }, { 168, 2 }, { 169, 3 }, { 170, 1 } }, SPA_TLV },
	{ "message in a reply", { { 0, 1 }, { 168, 1 }, { 169, 2 }, { 170, 1 } }, SPA_TLV },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t inner[SPA_REPLY_INNER_LEN] = { 0 };
		struct spa_reply r;
		for (size_t k = 0; k < TEST_LEN(cases[i].edits); k++)
			if (k == 0 || cases[i].edits[k].at != 0)
				inner[cases[i].edits[k].at] = cases[i].edits[k].value;
		enum spa_reject got = spa_reply_decode(SPAN_OF(inner), &r);
		if (got != cases[i].want)
			fail_msg("case \"%s\": %s", cases[i].name, spa_reject_name(got));
		for (size_t len = 0; len < sizeof(inner); len++)
			TEST_CASE(cases[i].name,
				spa_reply_decode(span_of(inner, len), &r) == SPA_LENGTH);
	}
}

static void test_results(void **state)
{
	(void)state;
	struct exchange e;
	struct spa_reply r;
	for (unsigned kind = 0; kind <= SPA_RESULT_COUNT; kind++)
		for (unsigned detail = 0; detail < 256; detail += 51) {
			bool has_detail = kind == SPA_RESULT_EXIT || kind == SPA_RESULT_SIGNAL;
			bool is_good = kind == 0 ||
				(kind < SPA_RESULT_COUNT && (detail == 0 || has_detail));
			exchange_init(&e);
			e.reply.result = (enum spa_result)kind;
			e.reply.result_detail = (uint8_t)detail;
			build(&e);
			enum spa_reject got = open_reply(&e, SPAN_OF(e.datagram), &r);
			assert_int_equal(got, is_good ? SPA_OK : SPA_TLV);
			if (is_good)
				assert_int_equal(r.result, kind);
			if (is_good && kind != 0)
				assert_int_equal(r.result_detail, detail);
		}
	/* Once at most. */
	uint8_t inner[SPA_REPLY_INNER_LEN] = { 1 };
	memcpy(inner + 168, "\2\2\1\0\2\2\1\0", 8);
	assert_int_equal(spa_reply_decode(SPAN_OF(inner), &r), SPA_TLV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reply_vector),
		cmocka_unit_test(test_every_bit_flip),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_other_request),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_results),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
