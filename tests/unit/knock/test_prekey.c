/* Prekey records: bytes, signature, and which one a client takes. */

#include "fixture.h"
#include "knock/prekey.h"

static struct prekey make(const struct fixture *x, uint8_t id, uint64_t from, uint64_t to)
{
	struct prekey k = { .id = id, .not_before_ms = from, .not_after_ms = to };
	memcpy(k.pk, x->target.prekey, sizeof(k.pk));
	prekey_sign(&k, x->server_sign);
	return k;
}

static void test_bytes(void **state)
{
	(void)state;
	struct fixture x;
	uint8_t to[PREKEY_LEN];
	fixture_init(&x);
	struct prekey k = make(&x, 7, 0x0102030405060708, 0x1112131415161718);
	k.psk_slot = 3;
	prekey_sign(&k, x.server_sign);
	prekey_encode(&k, to);
	assert_memory_equal(to, "postern prekey v1\0", 18);
	assert_memory_equal(to + 18, x.sid, 32);
	assert_memory_equal(
		to + 50, "\x07\x03\1\2\3\4\5\6\7\10\x11\x12\x13\x14\x15\x16\x17\x18", 18);
	assert_memory_equal(to + 68, x.target.prekey, 32);
	assert_int_equal(crypto_sign_verify_detached(to + 100, to, 100, x.server_pk), 0);

	struct prekey back;
	assert_int_equal(prekey_decode(SPAN_OF(to), &back), SPA_OK);
	assert_int_equal(back.id, 7);
	assert_int_equal(back.psk_slot, 3);
	assert_int_equal(back.not_after_ms, 0x1112131415161718);
	assert_true(prekey_verify(&back, x.server_pk));
	assert_false(prekey_verify(&back, x.client_pk));
}

static void test_every_flip_and_truncation(void **state)
{
	(void)state;
	struct fixture x;
	struct prekey back;
	uint8_t to[PREKEY_LEN + 1] = { 0 };
	fixture_init(&x);
	struct prekey k = make(&x, 7, 1, 2);
	prekey_encode(&k, to);
	for (size_t bit = 0; bit < 8 * PREKEY_LEN; bit++) {
		to[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (prekey_decode(span_of(to, PREKEY_LEN), &back) == SPA_OK)
			assert_false(prekey_verify(&back, x.server_pk));
		to[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < PREKEY_LEN; len++)
		assert_int_equal(prekey_decode(span_of(to, len), &back), SPA_LENGTH);
	assert_int_equal(prekey_decode(span_of(to, PREKEY_LEN + 1), &back), SPA_LENGTH);
	assert_int_equal(prekey_decode(span_of(to, PREKEY_LEN), &back), SPA_OK);
}

static void test_decode_table(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at;
		uint8_t value;
		enum spa_reject want;
	} cases[] = {
		{ "as it is", 0, 'p', SPA_OK },
		{ "version 2", 16, '2', SPA_INNER_VERSION },
		{ "no NUL", 17, 'x', SPA_INNER_VERSION },
		{ "slot 15", 51, 15, SPA_OK },
		{ "slot 16", 51, 16, SPA_PREKEY },
		{ "ends before it begins", 52, 1, SPA_PREKEY },
	};
	struct fixture x;
	fixture_init(&x);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t to[PREKEY_LEN];
		struct prekey back, k = make(&x, 1, 5, 10);
		prekey_encode(&k, to);
		to[cases[i].at] = cases[i].value;
		TEST_CASE(cases[i].name, prekey_decode(SPAN_OF(to), &back) == cases[i].want);
	}
}

static void test_choice(void **state)
{
	(void)state;
	struct fixture x;
	fixture_init(&x);
	struct card *c = calloc(1, sizeof(*c));
	assert_non_null(c);
	assert_null(card_prekey(c, 50));
	assert_null(card_prekey_fallback(c));
	c->prekeys[0] = make(&x, 1, 10, 20);
	c->prekeys[1] = make(&x, 0, 0, 15);
	c->prekeys[2] = make(&x, 2, 10, 30);
	c->prekeys[3] = make(&x, 3, 25, 40);
	c->prekey_count = 4;

	static const struct {
		const char *name;
		uint64_t wall_ms;
		uint8_t want;
	} cases[] = {
		{ "before all", 9, 0 },
		{ "first ms", 10, 2 },
		{ "latest end wins", 15, 2 },
		{ "only one left", 24, 2 },
		{ "the next", 25, 3 },
		{ "last ms", 40, 3 },
		{ "after all, fall-back past its own end", 41, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct prekey *k = card_prekey(c, cases[i].wall_ms);
		TEST_CASE(cases[i].name, k != NULL && k->id == cases[i].want);
	}
	assert_ptr_equal(card_prekey_fallback(c), &c->prekeys[1]);
	c->prekeys[1].id = 9;
	assert_null(card_prekey(c, 41));
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_every_flip_and_truncation),
		cmocka_unit_test(test_decode_table),
		cmocka_unit_test(test_choice),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
