/* A knock with certificates, class L: the vector of tests/vectors/knock/spa_chain.txt and what is near it. */

#include "fixture.h"
#include "identity/template.h"

#define FILE_NAME "spa_chain.txt"
#define TEMPLATE_AT (SPA_INNER_FIXED_LEN + 3)

struct large {
	struct fixture x;
	struct vector template;
};

static void large_init(struct large *l)
{
	fixture_init(&l->x);
	l->template = vector_get(FILE_NAME, "template");
	l->x.request.identity_type = SPA_ID_TEMPLATE;
	l->x.request.identity = vector_span(&l->template);
}

static void put_cookie(const struct large *l, uint8_t *datagram)
{
	struct writer w = writer_init(datagram + 8, 8);
	uint8_t key[SPA_COOKIE_KEY_LEN];
	spa_cookie_key(SPAN_OF(l->x.sid), 6640625, key);
	writer_u64(&w, spa_cookie(key, span_of(datagram, SPA_LARGE_LEN)));
}

/* As a server takes it, up to the plaintext. */
static enum spa_reject take(const struct large *l, struct span datagram,
	uint8_t plain[SPA_INNER_LARGE_LEN], struct spa_request *q)
{
	struct spa_cookie_keys keys = { 0 };
	struct hpke_context ctx;
	struct spa_header h;
	size_t len;

	spa_cookie_keys_update(&keys, SPAN_OF(l->x.sid), FIXTURE_MS);
	enum spa_reject reason = spa_header_decode(datagram, &h);
	if (reason == SPA_OK)
		reason = spa_header_check(&h, &keys);
	if (reason == SPA_OK)
		reason = spa_open(&h, l->x.sid, &l->x.prekey, NULL, plain, &len, &ctx);
	return reason == SPA_OK ? spa_request_decode(span_of(plain, len), q) : reason;
}

static void test_vector(void **state)
{
	(void)state;
	struct large l;
	struct vector want = vector_get(FILE_NAME, "request");
	struct vector inner = vector_get(FILE_NAME, "inner");
	uint8_t plain[SPA_INNER_LARGE_LEN], transcript[SPA_TRANSCRIPT_MAX];
	struct spa_request q;

	large_init(&l);
	assert_int_equal(want.len, SPA_LARGE_LEN);
	assert_int_equal(fixture_build(&l.x), SPA_LARGE_LEN);
	assert_memory_equal(l.x.datagram, want.b, want.len);
	assert_int_equal(take(&l, vector_span(&want), plain, &q), SPA_OK);
	assert_int_equal(inner.len, sizeof(plain));
	assert_memory_equal(plain, inner.b, inner.len);
	assert_int_equal(q.identity_type, SPA_ID_TEMPLATE);
	assert_int_equal(q.signature_type, SPA_SIG_ED25519);
	assert_true(span_equal(q.identity, vector_span(&l.template)));
	assert_int_equal(q.signed_part.len, SPA_INNER_LARGE_LEN - SPA_SIGNATURE_LEN);
	size_t n = spa_transcript(l.x.sid, l.x.target.prekey, span_of(want.b, 8),
		span_of(want.b + 32, 32), q.signed_part, transcript);
	assert_int_equal(n, SPA_TRANSCRIPT_MAX - SPA_SIGNATURE_LEN);
	assert_int_equal(
		crypto_sign_verify_detached(q.signature.data, transcript, n, l.x.client_pk), 0);
}

/* The short form in the vector says the two certificates that stand beside it. */
static void test_template(void **state)
{
	(void)state;
	struct vector template = vector_get(FILE_NAME, "template");
	struct vector leaf = vector_get(FILE_NAME, "leaf_der"),
		      unit = vector_get(FILE_NAME, "unit_der");
	struct chain c = { .count = 2, .der = { vector_span(&leaf), vector_span(&unit) } }, back;
	struct template_room *room = calloc(1, sizeof(*room));
	uint8_t to[SPA_ROOM_LARGE];

	assert_int_equal(template_encode(&c, to, sizeof(to)), template.len);
	assert_memory_equal(to, template.b, template.len);
	assert_int_equal(template_decode(vector_span(&template), room, &back), CHAIN_OK);
	assert_int_equal(back.count, 2);
	assert_true(span_equal(back.der[0], c.der[0]));
	assert_true(span_equal(back.der[1], c.der[1]));
	free(room);
}

static void test_every_bit_flip(void **state)
{
	(void)state;
	struct large l;
	uint8_t plain[SPA_INNER_LARGE_LEN];
	struct spa_request q;
	large_init(&l);
	assert_int_equal(fixture_build(&l.x), SPA_LARGE_LEN);
	for (size_t bit = 0; bit < 8 * SPA_LARGE_LEN; bit++) {
		l.x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum spa_reject reason = take(&l, SPAN_OF(l.x.datagram), plain, &q);
		if (reason == SPA_OK || reason > SPA_SUITE_REFUSED)
			fail_msg("bit %zu: %s", bit, spa_reject_name(reason));
		l.x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* With the cookie made anew the seal tells, but for the token, which nothing uses yet. */
static void test_bit_flips_with_cookie(void **state)
{
	(void)state;
	struct large l;
	uint8_t plain[SPA_INNER_LARGE_LEN];
	struct spa_request q;
	large_init(&l);
	assert_int_equal(fixture_build(&l.x), SPA_LARGE_LEN);
	for (size_t bit = 16 * 8; bit < 8 * SPA_LARGE_LEN; bit += 7) {
		l.x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		put_cookie(&l, l.x.datagram);
		bool is_token = bit / 8 < 32;
		enum spa_reject want = is_token ? SPA_OK : SPA_SEAL;
		assert_int_equal(take(&l, SPAN_OF(l.x.datagram), plain, &q), want);
		l.x.datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* A flip inside the plaintext is refused, or is in a value that the signature holds. */
static void test_every_inner_bit_flip(void **state)
{
	(void)state;
	struct vector v = vector_get(FILE_NAME, "inner");
	struct vector template = vector_get(FILE_NAME, "template");
	size_t end = TEMPLATE_AT + template.len;
	for (size_t bit = 0; bit < 8 * v.len; bit++) {
		struct spa_request q;
		size_t at = bit / 8;
		v.b[at] ^= (uint8_t)(1u << bit % 8);
		bool is_free = (at >= 1 && at < 40) || (at >= 42 && at < 44) ||
			(at >= 62 && at < 64) || (at >= SPA_INNER_FIXED_LEN && at < end) ||
			at >= v.len - SPA_SIGNATURE_LEN;
		/* A TLV that may be ignored can begin where the padding did. */
		bool is_tlv = at == end && v.b[at] >= 128;
		if (spa_request_decode(vector_span(&v), &q) == SPA_OK && !is_free && !is_tlv)
			fail_msg("bit %zu is taken", bit);
		v.b[at] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_every_truncation(void **state)
{
	(void)state;
	struct large l;
	struct spa_header h;
	large_init(&l);
	assert_int_equal(fixture_build(&l.x), SPA_LARGE_LEN);
	for (size_t len = 0; len < SPA_LARGE_LEN; len++) {
		uint8_t *cut = malloc(len + 1);
		memcpy(cut, l.x.datagram, len);
		assert_int_equal(spa_header_decode(span_of(cut, len), &h),
			len < SPA_HEADER_LEN ? SPA_SHORT : SPA_LENGTH);
		free(cut);
	}
}

/* Which class is built, and what fits into neither. */
static void test_classes(void **state)
{
	(void)state;
	static uint8_t name[SPA_SELECTOR_MAX], bytes[SPA_ROOM_LARGE];
	static const struct {
		const char *name;
		enum spa_identity type;
		size_t selector_len, identity_len;
		size_t want;
	} table[] = {
		{ "key id, longest name", SPA_ID_KEY, 63, 32, SPA_SMALL_LEN },
		{ "key id of another length", SPA_ID_KEY, 3, 33, 0 },
		{ "DER that fits class S", SPA_ID_CHAIN, 3, 105, SPA_SMALL_LEN },
		{ "DER, one byte more", SPA_ID_CHAIN, 3, 106, SPA_LARGE_LEN },
		{ "DER that fills class L", SPA_ID_CHAIN, 3, 1017, SPA_LARGE_LEN },
		{ "DER, too long", SPA_ID_CHAIN, 3, 1018, 0 },
		{ "DER, too long with this name", SPA_ID_CHAIN, 4, 1017, 0 },
	};
	memset(name, 'a', sizeof(name));
	for (size_t i = 0; i < TEST_LEN(table); i++) {
		struct large l;
		large_init(&l);
		bytes[0] = (uint8_t)((table[i].identity_len - 2) >> 8);
		bytes[1] = (uint8_t)(table[i].identity_len - 2);
		l.x.request.selector = span_of(name, table[i].selector_len);
		l.x.request.identity_type = table[i].type;
		l.x.request.identity = span_of(bytes, table[i].identity_len);
		TEST_CASE(table[i].name, fixture_build(&l.x) == table[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_template),
		cmocka_unit_test(test_every_bit_flip),
		cmocka_unit_test(test_bit_flips_with_cookie),
		cmocka_unit_test(test_every_inner_bit_flip),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_classes),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
