/* The plaintext of a knock: one line a case, each a change to a good plaintext. */

#include "fixture.h"

/* A change: bytes put at an offset of the good inner plaintext. */
struct edit {
	size_t at;
	const char *hex;
};

struct request_case {
	const char *name;
	struct edit edits[6];
	enum spa_reject want;
};

/* The identity of the vector stands at 68 + 3; TLVs begin at TAIL. */
#define TAIL (68 + 3 + 32)
#define ADDRESS 44
#define V4 "00000000000000000000ffff0a000001"
#define V4_NET "00000000000000000000ffff0a000000"
#define V6 "20010db8000000000000000000000001"
#define V6_NET "20010db8000000000000000000000000"

static const struct request_case cases[] = {
	{ "as it is", { { 0, "01" } }, SPA_OK },
	{ "version 0", { { 0, "00" } }, SPA_INNER_VERSION },
	{ "version 2", { { 0, "02" } }, SPA_INNER_VERSION },
	{ "renew", { { 1, "01" } }, SPA_OK },
	{ "close", { { 1, "02" } }, SPA_OK },
	{ "probe", { { 1, "03" } }, SPA_OK },
	{ "operation 4", { { 1, "04" } }, SPA_OP },
	{ "operation 255", { { 1, "ff" } }, SPA_OP },
	{ "all flags but explicit", { { 2, "001e" } }, SPA_OK },
	{ "flag 32", { { 2, "0020" } }, SPA_FLAGS },
	{ "flag 0x8000", { { 2, "8000" } }, SPA_FLAGS },
	{ "explicit flag, observed mode", { { 2, "0001" } }, SPA_ADDRESS },
	{ "observed, address given", { { ADDRESS, V4 } }, SPA_ADDRESS },
	{ "observed, prefix 127", { { 41, "7f" } }, SPA_ADDRESS },
	{ "observed, prefix 0", { { 41, "00" } }, SPA_ADDRESS },
	{ "observed, prefix 129", { { 41, "81" } }, SPA_ADDRESS },
	{ "IPv4 host", { { 2, "0001" }, { 40, "04" }, { ADDRESS, V4 } }, SPA_OK },
	{ "IPv4 without flag", { { 40, "04" }, { ADDRESS, V4 } }, SPA_ADDRESS },
	{ "IPv4 mode, IPv6 address", { { 2, "0001" }, { 40, "04" }, { ADDRESS, V6 } },
		SPA_ADDRESS },
	{ "IPv4 mode, no address", { { 2, "0001" }, { 40, "04" } }, SPA_ADDRESS },
	{ "IPv4 /24", { { 2, "0001" }, { 40, "0478" }, { ADDRESS, V4_NET } }, SPA_OK },
	{ "IPv4 /24, host bits", { { 2, "0001" }, { 40, "0478" }, { ADDRESS, V4 } }, SPA_ADDRESS },
	{ "IPv4 /0",
		{ { 2, "0001" }, { 40, "0460" }, { ADDRESS, "00000000000000000000ffff00000000" } },
		SPA_OK },
	{ "IPv4 prefix 95",
		{ { 2, "0001" }, { 40, "045f" }, { ADDRESS, "00000000000000000000fffe00000000" } },
		SPA_ADDRESS },
	{ "IPv4 prefix 129", { { 2, "0001" }, { 40, "0481" }, { ADDRESS, V4 } }, SPA_ADDRESS },
	{ "IPv6 host", { { 2, "0001" }, { 40, "06" }, { ADDRESS, V6 } }, SPA_OK },
	{ "IPv6 mode, IPv4 address", { { 2, "0001" }, { 40, "06" }, { ADDRESS, V4 } },
		SPA_ADDRESS },
	{ "IPv6 /64", { { 2, "0001" }, { 40, "0640" }, { ADDRESS, V6_NET } }, SPA_OK },
	{ "IPv6 /64, host bits", { { 2, "0001" }, { 40, "0640" }, { ADDRESS, V6 } }, SPA_ADDRESS },
	{ "IPv6 prefix 129", { { 2, "0001" }, { 40, "0681" }, { ADDRESS, V6 } }, SPA_ADDRESS },
	{ "IPv6 prefix 255", { { 2, "0001" }, { 40, "06ff" }, { ADDRESS, V6 } }, SPA_ADDRESS },
	{ "IPv6 ::/0", { { 2, "0001" }, { 40, "0600" } }, SPA_ADDRESS },
	{ "IPv6 ::", { { 2, "0001" }, { 40, "0680" } }, SPA_ADDRESS },
	{ "IPv6 net around all IPv4",
		{ { 2, "0001" }, { 40, "0651" }, { ADDRESS, "00000000000000000000800000000000" } },
		SPA_ADDRESS },
	{ "IPv6 net beside IPv4",
		{ { 2, "0001" }, { 40, "0651" }, { ADDRESS, "00000000000000010000800000000000" } },
		SPA_OK },
	{ "address mode 5", { { 2, "0001" }, { 40, "05" }, { ADDRESS, V6 } }, SPA_ADDRESS },
	{ "selector type 0", { { 60, "00" } }, SPA_SELECTOR },
	{ "selector type 4", { { 60, "04" } }, SPA_SELECTOR },
	{ "selector empty", { { 61, "00" } }, SPA_SELECTOR },
	{ "selector 64", { { 61, "40" } }, SPA_SELECTOR },
	{ "selector 255", { { 61, "ff" } }, SPA_SELECTOR },
	{ "selector upper case", { { 68, "53" } }, SPA_SELECTOR },
	{ "selector NUL", { { 70, "00" } }, SPA_SELECTOR },
	{ "selector with '-' and '9'", { { 68, "2d3961" } }, SPA_OK },
	{ "selector '/'", { { 68, "2f" } }, SPA_SELECTOR },
	{ "selector '_'", { { 68, "5f" } }, SPA_SELECTOR },
	{ "selector '{'", { { 68, "7b" } }, SPA_SELECTOR },
	{ "selector ':'", { { 68, "3a" } }, SPA_SELECTOR },
	{ "tcp/22", { { 60, "02" }, { 68, "060016" } }, SPA_OK },
	{ "udp/53", { { 60, "02" }, { 68, "110035" } }, SPA_OK },
	{ "port 0", { { 60, "02" }, { 68, "060000" } }, SPA_SELECTOR },
	{ "protocol 1", { { 60, "02" }, { 68, "010016" } }, SPA_SELECTOR },
	{ "port of length 2", { { 60, "0202" }, { 68, "0600" } }, SPA_SELECTOR },
	{ "identity type 0", { { 62, "00" } }, SPA_IDENTITY },
	{ "identity type 5", { { 62, "05" } }, SPA_IDENTITY },
	{ "key id of 31", { { 64, "001f" } }, SPA_IDENTITY },
	{ "key id of 33", { { 64, "0021" } }, SPA_IDENTITY },
	{ "identity past the end", { { 64, "006a" } }, SPA_IDENTITY },
	{ "identity of 65535", { { 64, "ffff" } }, SPA_IDENTITY },
	{ "identity empty", { { 64, "0000" } }, SPA_IDENTITY },
	{ "SSH key id", { { 62, "0402" } }, SPA_OK },
	{ "SSH key id, plain signature", { { 62, "0401" } }, SPA_OK },
	{ "SSH key id, FIDO signature", { { 62, "0403" } }, SPA_OK },
	{ "SSH key id of 31", { { 62, "0402001f" } }, SPA_IDENTITY },
	{ "signature over SSHSIG", { { 63, "02" } }, SPA_OK },
	{ "FIDO signature of a plain key", { { 63, "03" } }, SPA_SIGNATURE_TYPE },
	{ "signature type 0", { { 63, "00" } }, SPA_SIGNATURE_TYPE },
	{ "signature type 4", { { 63, "04" } }, SPA_SIGNATURE_TYPE },
	{ "reserved 66", { { 66, "01" } }, SPA_RESERVED },
	{ "reserved 67", { { 67, "80" } }, SPA_RESERVED },
	{ "critical TLV", { { TAIL, "0100" } }, SPA_TLV },
	{ "critical TLV 127", { { TAIL, "7f02aabb" } }, SPA_TLV },
	{ "other TLV", { { TAIL, "8002aabb" } }, SPA_OK },
	{ "two other TLVs", { { TAIL, "8002aabbff00" } }, SPA_OK },
	{ "critical after other", { { TAIL, "800105010000" } }, SPA_TLV },
	{ "TLV to the last byte", { { TAIL, "8047" } }, SPA_OK },
	{ "TLV one too long", { { TAIL, "8048" } }, SPA_TLV },
	{ "TLV of 255", { { TAIL, "80ff" } }, SPA_TLV },
	{ "TLV type in the last byte", { { TAIL, "8046" }, { 175, "80" } }, SPA_TLV },
	{ "padding not zero", { { TAIL, "0001" } }, SPA_RESERVED },
	{ "last padding byte", { { 175, "01" } }, SPA_RESERVED },
	{ "FIDO bytes are no padding", { { 62, "0403" }, { 171, "0500000007" } }, SPA_OK },
	{ "padding before FIDO bytes", { { 62, "0403" }, { 170, "01" } }, SPA_RESERVED },
	{ "TLV up to FIDO bytes", { { 62, "0403" }, { TAIL, "8042" } }, SPA_OK },
	{ "TLV into FIDO bytes", { { 62, "0403" }, { TAIL, "8043" } }, SPA_TLV },
};

static struct vector edited(const struct request_case *c)
{
	struct vector v = vector_get(FIXTURE_FILE, "inner");
	for (size_t i = 0; i < TEST_LEN(c->edits) && c->edits[i].hex != NULL; i++) {
		size_t len = strlen(c->edits[i].hex) / 2;
		TEST_CASE(c->name, text_unhex(c->edits[i].hex, v.b + c->edits[i].at, len));
	}
	return v;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct vector v = edited(&cases[i]);
		struct spa_request q, untouched;
		memset(&q, 0xa5, sizeof(q));
		memset(&untouched, 0xa5, sizeof(untouched));
		enum spa_reject got = spa_request_decode(vector_span(&v), &q);
		if (got != cases[i].want)
			fail_msg("case \"%s\": %s", cases[i].name, spa_reject_name(got));
		if (got != SPA_OK)
			TEST_CASE(cases[i].name, memcmp(&q, &untouched, sizeof(q)) == 0);
	}
}

static void test_lengths(void **state)
{
	(void)state;
	struct vector v = vector_get(FIXTURE_FILE, "inner");
	struct spa_request q;
	for (size_t len = 0; len < v.len; len++)
		assert_int_equal(spa_request_decode(span_of(v.b, len), &q), SPA_LENGTH);
	assert_int_equal(spa_request_decode(span_of(v.b, v.len + 1), &q), SPA_LENGTH);
	assert_int_equal(spa_request_decode(span_of(v.b, SPA_INNER_LARGE_LEN + 1), &q), SPA_LENGTH);
}

/*
 * A flip leads to a refusal unless it is in a field of free values. A selector one byte shorter
 * (61) moves the key id, whose last byte then reads as an ignorable TLV.
 */
static void test_every_bit_flip_shows(void **state)
{
	(void)state;
	struct vector v = vector_get(FIXTURE_FILE, "inner");
	for (size_t bit = 0; bit < 8 * v.len; bit++) {
		struct spa_request q;
		v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		enum spa_reject got = spa_request_decode(vector_span(&v), &q);
		size_t at = bit / 8;
		bool is_free = (at >= 2 && at < 40) || (at >= 42 && at < 44) || at == 1 ||
			at == 61 || (at >= 68 && at < 103) || at >= 176;
		if (!is_free && got == SPA_OK && at != TAIL)
			fail_msg("bit %zu is taken", bit);
		v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_fields(void **state)
{
	(void)state;
	static const struct request_case c = { "fields",
		{ { 1, "020001" }, { 28, "0102030405060708" }, { 36, "0a0b0c0d" },
			{ 40, "04781234" }, { ADDRESS, V4_NET } },
		SPA_OK };
	struct vector v = edited(&c);
	struct spa_request q;
	assert_int_equal(spa_request_decode(vector_span(&v), &q), SPA_OK);
	assert_int_equal(q.op, SPA_CLOSE);
	assert_int_equal(q.flags, SPA_FLAG_EXPLICIT);
	assert_int_equal(q.instance, 0x0102030405060708);
	assert_int_equal(q.seconds, 0x0a0b0c0d);
	assert_int_equal(q.prefix_bits, 120);
	assert_int_equal(q.source_port, 0x1234);
	assert_true(addr_is_v4(&q.address));
	assert_ptr_equal(q.signed_part.data, v.b);
	assert_int_equal(q.signed_part.len, 176);
	assert_ptr_equal(q.signature.data, v.b + 176);
}

/* The FIDO bytes stand before the signature and are not signed themselves. */
static void test_fido_fields(void **state)
{
	(void)state;
	struct vector v = vector_get("spa_sk.txt", "inner");
	struct spa_request q;
	assert_int_equal(spa_request_decode(vector_span(&v), &q), SPA_OK);
	assert_int_equal(q.identity_type, SPA_ID_SSH);
	assert_int_equal(q.signature_type, SPA_SIG_SK);
	assert_int_equal(q.fido_flags, 5);
	assert_int_equal(q.fido_counter, 0x01020304);
	assert_int_equal(q.signed_part.len, SPA_INNER_SMALL_LEN - 69);
	assert_ptr_equal(q.signature.data, v.b + SPA_INNER_SMALL_LEN - 64);
}

/* A class L plaintext with this selector and identity. */
struct large {
	uint8_t b[SPA_INNER_LARGE_LEN];
	struct writer w; /* at the identity */
};

static void large_init(struct large *l, uint8_t identity_type)
{
	struct vector v = vector_get(FIXTURE_FILE, "inner");
	memset(l->b, 0, sizeof(l->b));
	memcpy(l->b, v.b, 71);
	l->b[62] = identity_type;
	l->w = writer_init(l->b + 71, sizeof(l->b) - 71);
}

static enum spa_reject large_decode(struct large *l)
{
	struct spa_request q;
	l->b[64] = (uint8_t)(l->w.len >> 8);
	l->b[65] = (uint8_t)l->w.len;
	return spa_request_decode(SPAN_OF(l->b), &q);
}

static void put_sized(struct large *l, size_t len)
{
	writer_u16(&l->w, (uint16_t)len);
	writer_zero(&l->w, len);
}

static void test_chains(void **state)
{
	(void)state;
	struct large l;
	large_init(&l, SPA_ID_CHAIN);
	put_sized(&l, 300);
	assert_int_equal(large_decode(&l), SPA_OK);
	put_sized(&l, 400);
	assert_int_equal(large_decode(&l), SPA_OK);
	l.b[71]++; /* the first would be 556 bytes: the second length is read elsewhere */
	assert_int_equal(large_decode(&l), SPA_IDENTITY);
	l.b[71]--;
	writer_u8(&l.w, 0);
	assert_int_equal(large_decode(&l), SPA_IDENTITY);

	large_init(&l, SPA_ID_CHAIN);
	for (int i = 0; i < SPA_CHAIN_CERTS_MAX; i++)
		put_sized(&l, 1);
	assert_int_equal(large_decode(&l), SPA_OK);
	put_sized(&l, 1);
	assert_int_equal(large_decode(&l), SPA_IDENTITY);

	large_init(&l, SPA_ID_CHAIN);
	assert_int_equal(large_decode(&l), SPA_IDENTITY);
	put_sized(&l, 0);
	assert_int_equal(large_decode(&l), SPA_IDENTITY);

	/* s + i = 1020 is the most: 3 + 1017. */
	large_init(&l, SPA_ID_CHAIN);
	put_sized(&l, 1017 - 2);
	assert_int_equal(large_decode(&l), SPA_OK);
	large_init(&l, SPA_ID_CHAIN);
	put_sized(&l, 1018 - 2);
	assert_int_equal(large_decode(&l), SPA_IDENTITY);
}

/* Up to the first record: an issuer with these lengths of components. */
static void put_issuer(struct large *l, const char *lens)
{
	writer_zero(&l->w, 20);
	writer_u8(&l->w, (uint8_t)strlen(lens));
	for (const char *p = lens; *p != '\0'; p++) {
		writer_u8(&l->w, 2);
		writer_u8(&l->w, (uint8_t)(*p - '0'));
		writer_zero(&l->w, (uint8_t)(*p - '0'));
	}
}

static void put_record(struct large *l, uint8_t value_len)
{
	writer_zero(&l->w, 20);
	writer_u8(&l->w, value_len);
	writer_zero(&l->w, value_len + 96u);
}

static void test_templates(void **state)
{
	(void)state;
	static const struct {
		const char *name, *issuer;
		int values[10]; /* up to the first negative */
		enum spa_reject want;
	} table[] = {
		{ "person of an organisation", "3", { 10, -1 }, SPA_OK },
		{ "no issuer", "", { 10, -1 }, SPA_OK },
		{ "person below four units", "3", { 2, 2, 2, 2, 10, -1 }, SPA_OK },
		{ "below a unit", "32", { 1, -1 }, SPA_OK },
		{ "rollover", "3", { 0, 10, -1 }, SPA_OK },
		{ "eight", "3", { 0, 0, 0, 0, 0, 0, 0, 1, -1 }, SPA_OK },
		{ "nine", "3", { 0, 0, 0, 0, 0, 0, 0, 0, 1, -1 }, SPA_IDENTITY },
		{ "no record", "3", { -1 }, SPA_IDENTITY },
		{ "longest value", "3", { 64, -1 }, SPA_OK },
		{ "value too long", "3", { 65, -1 }, SPA_IDENTITY },
		{ "seven components", "1111111", { 1, -1 }, SPA_OK },
		{ "eight components", "11111111", { 1, -1 }, SPA_IDENTITY },
		{ "component empty", "30", { 1, -1 }, SPA_IDENTITY },
	};
	for (size_t i = 0; i < TEST_LEN(table); i++) {
		struct large l;
		large_init(&l, SPA_ID_TEMPLATE);
		put_issuer(&l, table[i].issuer);
		for (const int *v = table[i].values; *v >= 0; v++)
			put_record(&l, (uint8_t)*v);
		TEST_CASE(table[i].name, !l.w.is_full);
		TEST_CASE(table[i].name, large_decode(&l) == table[i].want);
	}
}

/* Of the chain of the vector no part is one. */
static void test_template_cuts(void **state)
{
	(void)state;
	struct vector v = vector_get("spa_chain.txt", "template");
	struct large l;
	for (size_t len = 0; len <= v.len; len++) {
		large_init(&l, SPA_ID_TEMPLATE);
		writer_put(&l.w, v.b, len);
		bool is_record_end = len == v.len || len == v.len - (117 + 10);
		assert_int_equal(large_decode(&l), is_record_end ? SPA_OK : SPA_IDENTITY);
	}
}

static void test_chain_cuts(void **state)
{
	(void)state;
	struct vector leaf = vector_get("spa_chain.txt", "leaf_der");
	struct vector unit = vector_get("spa_chain.txt", "unit_der");
	uint8_t whole[1024];
	struct writer w = writer_init(whole, sizeof(whole));
	struct large l;
	writer_u16(&w, (uint16_t)leaf.len);
	writer_put(&w, leaf.b, leaf.len);
	writer_u16(&w, (uint16_t)unit.len);
	writer_put(&w, unit.b, unit.len);
	for (size_t len = 0; len <= w.len; len++) {
		large_init(&l, SPA_ID_CHAIN);
		writer_put(&l.w, whole, len);
		bool is_end = len == w.len || len == 2 + leaf.len;
		assert_int_equal(large_decode(&l), is_end ? SPA_OK : SPA_IDENTITY);
	}
}

/* A chain may be signed for by a plain key or by one in an agent, not by a token. */
static void test_chain_signatures(void **state)
{
	(void)state;
	static const enum spa_reject want[] = { SPA_SIGNATURE_TYPE, SPA_OK, SPA_OK,
		SPA_SIGNATURE_TYPE, SPA_SIGNATURE_TYPE };
	struct large l;
	large_init(&l, SPA_ID_CHAIN);
	put_sized(&l, 300);
	for (uint8_t type = 0; type < TEST_LEN(want); type++) {
		l.b[63] = type;
		assert_int_equal(large_decode(&l), want[type]);
	}
}

static void test_large_with_key_id(void **state)
{
	(void)state;
	struct large l;
	struct spa_request q;
	large_init(&l, SPA_ID_KEY);
	writer_zero(&l.w, 32);
	assert_int_equal(large_decode(&l), SPA_OK);
	assert_int_equal(spa_request_decode(SPAN_OF(l.b), &q), SPA_OK);
	assert_int_equal(q.signed_part.len, SPA_INNER_LARGE_LEN - 64);
	l.b[SPA_INNER_LARGE_LEN - 65] = 1;
	assert_int_equal(large_decode(&l), SPA_RESERVED);
}

static void test_range(void **state)
{
	(void)state;
	static const struct {
		const char *name, *hex;
		enum spa_reject want;
	} ranges[] = {
		{ "tcp/22-23", "0600160017", SPA_OK },
		{ "udp/1-65535", "110001ffff", SPA_OK },
		{ "one port", "0600160016", SPA_OK },
		{ "backwards", "0600170016", SPA_SELECTOR },
		{ "from 0", "0600000016", SPA_SELECTOR },
		{ "protocol 0", "0000160017", SPA_SELECTOR },
	};
	struct fixture x;
	uint8_t selector[5];
	fixture_init(&x);
	x.request.selector_type = SPA_SELECT_RANGE;
	x.request.selector = SPAN_OF(selector);
	for (size_t i = 0; i < TEST_LEN(ranges); i++) {
		assert_true(text_unhex(ranges[i].hex, selector, sizeof(selector)));
		TEST_CASE(ranges[i].name, (fixture_build(&x) != 0) == (ranges[i].want == SPA_OK));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_every_bit_flip_shows),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_fido_fields),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_templates),
		cmocka_unit_test(test_template_cuts),
		cmocka_unit_test(test_chain_cuts),
		cmocka_unit_test(test_chain_signatures),
		cmocka_unit_test(test_large_with_key_id),
		cmocka_unit_test(test_range),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
