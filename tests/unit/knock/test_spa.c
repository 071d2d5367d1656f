/* Header, cookie, seal and building of a knock: the published vector and everything near it. */

#include "fixture.h"

static void test_ids(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	assert_memory_equal(x.sid, vector_get(FIXTURE_FILE, "sid").b, 32);
	assert_memory_equal(x.key_id, vector_get(FIXTURE_FILE, "keyid").b, 32);
	assert_memory_equal(x.target.prekey, vector_get(FIXTURE_FILE, "server_x25519_pk").b, 32);
	uint8_t key[SPA_COOKIE_KEY_LEN];
	spa_cookie_key(SPAN_OF(x.sid), 6640625, key);
	assert_memory_equal(key, vector_get(FIXTURE_FILE, "cookie_key").b, sizeof(key));
	assert_int_equal(spa_epoch_hint(6640625), 0xab);
}

static void test_request_vector(void **state)
{
	(void)state;
	struct fixture x;
	struct vector want = vector_get(FIXTURE_FILE, "request");
	struct vector inner = vector_get(FIXTURE_FILE, "inner");
	fixture_init(&x);
	assert_int_equal(want.len, SPA_SMALL_LEN);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	assert_memory_equal(x.datagram, want.b, want.len);

	struct spa_header h;
	struct spa_cookie_keys keys = { 0 };
	struct hpke_context ctx;
	uint8_t plain[SPA_INNER_LARGE_LEN];
	size_t len;
	assert_int_equal(spa_header_decode(vector_span(&want), &h), SPA_OK);
	assert_int_equal(h.epoch_hint, 0xab);
	assert_int_equal(h.prekey_id, 1);
	assert_int_equal(h.psk_slot, 0);
	spa_cookie_keys_update(&keys, SPAN_OF(x.sid), FIXTURE_MS);
	assert_int_equal(spa_header_check(&h, &keys), SPA_OK);
	assert_int_equal(spa_open(&h, x.sid, &x.prekey, NULL, plain, &len, &ctx), SPA_OK);
	assert_int_equal(len, inner.len);
	assert_memory_equal(plain, inner.b, inner.len);
	assert_memory_equal(&ctx, &x.client_ctx, sizeof(ctx));

	struct spa_request q;
	uint8_t transcript[SPA_TRANSCRIPT_MAX];
	assert_int_equal(spa_request_decode(span_of(plain, len), &q), SPA_OK);
	size_t n = spa_transcript(x.sid, x.target.prekey, h.aad, h.enc, q.signed_part, transcript);
	assert_int_equal(
		crypto_sign_verify_detached(q.signature.data, transcript, n, x.client_pk), 0);
	assert_true(span_equal(q.selector, span_of("ssh", 3)));
	assert_true(span_equal(q.identity, SPAN_OF(x.key_id)));
	assert_int_equal(q.time_ms, FIXTURE_MS);
	assert_int_equal(q.seconds, 30);
}

/* Header, cookie and seal of a datagram, as a server takes them. */
static enum spa_reject take(
	const struct fixture *x, struct span datagram, const struct hpke_psk *psk)
{
	struct spa_header h;
	struct spa_cookie_keys keys = { 0 };
	struct hpke_context ctx;
	struct spa_request q;
	uint8_t plain[SPA_INNER_LARGE_LEN];
	size_t len;

	spa_cookie_keys_update(&keys, SPAN_OF(x->sid), FIXTURE_MS);
	enum spa_reject reason = spa_header_decode(datagram, &h);
	if (reason == SPA_OK)
		reason = spa_header_check(&h, &keys);
	if (reason == SPA_OK && h.prekey_id != 1)
		reason = SPA_PREKEY;
	if (reason == SPA_OK)
		reason = spa_open(&h, x->sid, &x->prekey, psk, plain, &len, &ctx);
	if (reason == SPA_OK)
		reason = spa_request_decode(span_of(plain, len), &q);
	return reason;
}

static void test_every_bit_flip(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	for (size_t bit = 0; bit < 8 * SPA_SMALL_LEN; bit++) {
		x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum spa_reject reason = take(&x, fixture_datagram(&x), NULL);
		/* None gets past the cookie to cost a Diffie-Hellman. */
		if (reason == SPA_OK || reason > SPA_SUITE_REFUSED)
			fail_msg("bit %zu: %s", bit, spa_reject_name(reason));
		x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_OK);
}

/* Write the cookie that belongs to the datagram's hint. */
static void recompute_cookie(const struct fixture *x, uint8_t *datagram, size_t len)
{
	uint8_t key[SPA_COOKIE_KEY_LEN];
	uint32_t epoch = 6640625;
	if (datagram[1] == 0)
		epoch = 0;
	else if (datagram[1] == spa_epoch_hint(epoch - 1))
		epoch--;
	else if (datagram[1] == spa_epoch_hint(epoch + 1))
		epoch++;
	spa_cookie_key(SPAN_OF(x->sid), epoch, key);
	struct writer w = writer_init(datagram + 8, 8);
	writer_u64(&w, spa_cookie(key, span_of(datagram, len)));
}

static void test_every_bit_flip_with_cookie(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	for (size_t bit = 0; bit < 8 * SPA_SMALL_LEN; bit++) {
		if (bit / 8 >= 8 && bit / 8 < 16)
			continue; /* the cookie itself: the test above */
		assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
		x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		recompute_cookie(&x, x.datagram, SPA_SMALL_LEN);
		enum spa_reject reason = take(&x, fixture_datagram(&x), NULL);
		bool is_token = bit / 8 >= 16 && bit / 8 < 32;
		if (is_token != (reason == SPA_OK))
			fail_msg("bit %zu: %s", bit, spa_reject_name(reason));
	}
}

static void test_every_truncation(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	for (size_t len = 0; len < SPA_SMALL_LEN; len++) {
		/* A copy of the exact size, so that sanitizers see one byte too many. */
		uint8_t *cut = malloc(len + 1);
		memcpy(cut, x.datagram, len);
		enum spa_reject reason = take(&x, span_of(cut, len), NULL);
		assert_int_equal(reason, len < SPA_HEADER_LEN ? SPA_SHORT : SPA_LENGTH);
		free(cut);
	}
	assert_int_equal(take(&x, span_of(x.datagram, SPA_SMALL_LEN + 1), NULL), SPA_LENGTH);
	assert_int_equal(take(&x, (struct span){ NULL, 0 }, NULL), SPA_SHORT);
}

static void test_header_table(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		enum spa_reject want;
	} cases[] = {
		{ "as it is", 0, 0x11, SPA_OK },
		{ "reply's type", 0, 0x12, SPA_TYPE },
		{ "token's type", 0, 0x13, SPA_TYPE },
		{ "length of class L", 4, 0x04, SPA_LENGTH },
		{ "length one more", 5, 0x41, SPA_LENGTH },
		{ "reserved 6", 6, 1, SPA_RESERVED },
		{ "reserved 7", 7, 0x80, SPA_RESERVED },
		{ "suite 0", 2, 0x00, SPA_SUITE_REFUSED },
		{ "suite 2", 2, 0x02, SPA_SUITE_REFUSED },
		{ "hint two epochs old", 1, 0xab - 2, SPA_EPOCH },
		{ "hint two epochs ahead", 1, 0xab + 2, SPA_EPOCH },
		{ "hint before", 1, 0xab - 1, SPA_COOKIE },
		{ "hint after", 1, 0xab + 1, SPA_COOKIE },
		{ "hint 0", 1, 0, SPA_COOKIE },
		{ "slot 1", 2, 0x11, SPA_COOKIE },
		{ "prekey 2", 3, 2, SPA_COOKIE },
	};
	struct fixture x;
	fixture_init(&x);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
		x.datagram[cases[i].at] = cases[i].value;
		TEST_CASE(cases[i].name, take(&x, fixture_datagram(&x), NULL) == cases[i].want);
	}
}

static void test_class_l(void **state)
{
	(void)state;
	struct fixture x;
	struct spa_header h;
	fixture_init(&x);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	x.datagram[4] = SPA_LARGE_LEN >> 8;
	x.datagram[5] = SPA_LARGE_LEN & 255;
	assert_int_equal(spa_header_decode(SPAN_OF(x.datagram), &h), SPA_OK);
	assert_int_equal(h.cipher.len, SPA_INNER_LARGE_LEN + HPKE_TAG_LEN);
	recompute_cookie(&x, x.datagram, SPA_LARGE_LEN);
	assert_int_equal(take(&x, SPAN_OF(x.datagram), NULL), SPA_SEAL);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_LENGTH);
}

static void test_epochs(void **state)
{
	(void)state;
	/* When the server's clock stands at now, is a knock with a hint of the client's clock
	 * taken? */
	static const struct {
		const char *name;
		uint64_t client_ms, server_ms;
		enum spa_reject want;
	} cases[] = {
		{ "same epoch", FIXTURE_MS, FIXTURE_MS, SPA_OK },
		{ "client one epoch behind", FIXTURE_MS, FIXTURE_MS + 256000, SPA_OK },
		{ "client one epoch ahead", FIXTURE_MS + 256000, FIXTURE_MS, SPA_OK },
		{ "client two epochs behind", FIXTURE_MS, FIXTURE_MS + 512000, SPA_EPOCH },
		{ "client two epochs ahead", FIXTURE_MS + 512000, FIXTURE_MS, SPA_EPOCH },
		{ "same hint, 255 epochs later", FIXTURE_MS, FIXTURE_MS + 255 * 256000,
			SPA_COOKIE },
		{ "no epoch", 0, FIXTURE_MS, SPA_OK },
		{ "no epoch, server in 1970", 0, 5000, SPA_OK },
		{ "epoch 0 of 1970", 4000, 5000, SPA_OK },
		{ "hint of before 1970", 254 * 256000, 5000, SPA_EPOCH },
	};
	struct fixture x;
	fixture_init(&x);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct spa_cookie_keys keys = { 0 };
		struct spa_header h;
		assert_int_equal(
			spa_request_build(&x.target, &x.request, x.client_sign, &x.ephemeral,
				cases[i].client_ms, x.datagram, &x.client_ctx),
			SPA_SMALL_LEN);
		spa_cookie_keys_update(&keys, SPAN_OF(x.sid), cases[i].server_ms);
		assert_int_equal(spa_header_decode(fixture_datagram(&x), &h), SPA_OK);
		TEST_CASE(cases[i].name, spa_header_check(&h, &keys) == cases[i].want);
		/* A second update without a new epoch keeps the keys. */
		struct spa_cookie_keys again = keys;
		spa_cookie_keys_update(&again, SPAN_OF(x.sid), cases[i].server_ms + 1);
		TEST_CASE(cases[i].name, memcmp(&again, &keys, sizeof(keys)) == 0);
	}
}

static void test_stealth_secret(void **state)
{
	(void)state;
	static const uint8_t stealth[32] = { 9, 9, 9 };
	struct fixture x;
	struct spa_header h;
	struct spa_cookie_keys keys = { 0 };
	fixture_init(&x);
	x.target.cookie_secret = SPAN_OF(stealth);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_COOKIE);
	assert_int_equal(spa_header_decode(fixture_datagram(&x), &h), SPA_OK);
	spa_cookie_keys_update(&keys, SPAN_OF(stealth), FIXTURE_MS);
	assert_int_equal(spa_header_check(&h, &keys), SPA_OK);
}

static void test_psk_mode(void **state)
{
	(void)state;
	struct fixture x;
	uint8_t id[12];
	struct hpke_psk psk = { .key = { 5 }, .id = spa_psk_id(3, id) };
	assert_true(span_equal(psk.id, span_of("postern psk\x03", 12)));
	fixture_init(&x);
	x.target.psk_slot = 3;
	assert_int_equal(fixture_build(&x), 0); /* a slot without its key */
	x.target.psk = &psk;
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	assert_int_equal(x.datagram[2], 0x31);
	assert_int_equal(take(&x, fixture_datagram(&x), &psk), SPA_OK);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_SEAL);
	psk.key[0] ^= 1;
	assert_int_equal(take(&x, fixture_datagram(&x), &psk), SPA_SEAL);
	psk.key[0] ^= 1;
	/* The slot cannot be taken off on the way. */
	x.datagram[2] = 0x01;
	recompute_cookie(&x, x.datagram, SPA_SMALL_LEN);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_SEAL);
	assert_int_equal(take(&x, fixture_datagram(&x), &psk), SPA_SEAL);
	/* Nor is a key of no slot, or a slot over 15, built. */
	x.target.psk_slot = 0;
	assert_int_equal(fixture_build(&x), 0);
	x.target.psk_slot = 16;
	assert_int_equal(fixture_build(&x), 0);
}

static void test_low_order_enc(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	memset(x.datagram + 32, 0, 32);
	recompute_cookie(&x, x.datagram, SPA_SMALL_LEN);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_SEAL);
	memset(x.target.prekey, 0, sizeof(x.target.prekey));
	assert_int_equal(fixture_build(&x), 0);
}

static void test_transcript_binds_server(void **state)
{
	(void)state;
	struct fixture x;
	uint8_t one[SPA_TRANSCRIPT_MAX], other[SPA_TRANSCRIPT_MAX];
	fixture_init(&x);
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	struct span aad = span_of(x.datagram, 8), enc = span_of(x.datagram + 32, 32);
	struct span part = span_of("abc", 3);
	size_t n = spa_transcript(x.sid, x.target.prekey, aad, enc, part, one);
	assert_int_equal(n, 27 + 32 + 32 + 8 + 32 + 3);
	assert_memory_equal(one, "postern knock signature v1\0", 27);
	assert_int_equal(spa_transcript(x.key_id, x.target.prekey, aad, enc, part, other), n);
	assert_memory_not_equal(one, other, n);
	assert_int_equal(spa_transcript(x.sid, x.sid, aad, enc, part, other), n);
	assert_memory_not_equal(one, other, n);
}

static void test_build_refuses(void **state)
{
	(void)state;
	static const uint8_t range_backwards[] = { 6, 0, 22, 0, 21 };
	static const struct addr v4 = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1 } };
	struct fixture x;

	fixture_init(&x);
	x.request.selector = span_of("Ssh", 3);
	assert_int_equal(fixture_build(&x), 0);
	x.request.selector_type = SPA_SELECT_RANGE;
	x.request.selector = SPAN_OF(range_backwards);
	assert_int_equal(fixture_build(&x), 0);
	fixture_init(&x);
	x.request.identity.len = 31;
	assert_int_equal(fixture_build(&x), 0);
	fixture_init(&x);
	x.request.address = v4;
	assert_int_equal(fixture_build(&x), 0);
	x.request.address_mode = 4;
	assert_int_equal(fixture_build(&x), 0);
	x.request.flags = SPA_FLAG_EXPLICIT;
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	static uint8_t long_name[64];
	memset(long_name, 'a', sizeof(long_name));
	x.request.selector = SPAN_OF(long_name);
	assert_int_equal(fixture_build(&x), 0);
	x.request.selector.len = 63;
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	assert_int_equal(take(&x, fixture_datagram(&x), NULL), SPA_OK);
}

static void test_names(void **state)
{
	(void)state;
	for (unsigned i = 0; i < SPA_REJECT_COUNT; i++)
		assert_true(strlen(spa_reject_name((enum spa_reject)i)) > 0);
	for (unsigned i = 0; i < SPA_STATUS_COUNT; i++)
		assert_true(strlen(spa_status_name((enum spa_status)i)) > 0);
	assert_string_equal(spa_status_name(SPA_STATUS_UNKNOWN_SERVICE), "UNKNOWN_SERVICE");
	assert_string_equal(spa_status_name((enum spa_status)200), "unknown");
	assert_string_equal(spa_reject_name((enum spa_reject)200), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_request_vector),
		cmocka_unit_test(test_every_bit_flip),
		cmocka_unit_test(test_every_bit_flip_with_cookie),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_header_table),
		cmocka_unit_test(test_class_l),
		cmocka_unit_test(test_epochs),
		cmocka_unit_test(test_stealth_secret),
		cmocka_unit_test(test_psk_mode),
		cmocka_unit_test(test_low_order_enc),
		cmocka_unit_test(test_transcript_binds_server),
		cmocka_unit_test(test_build_refuses),
		cmocka_unit_test(test_names),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
