/*
 * Reading revocation lists: vectors made elsewhere, every reason to refuse, and damage.
 */

#define VECTOR_FOLDER "identity"

#include <sodium.h>

#include "der_text.h"
#include "identity/crl.h"
#include "knock/vector.h"

#define FILE_NAME "crl.txt"

#define ALGORITHM "30{06{2b6570}}"
#define O_VSD "31{30{06{55040a} 0c{'VSD'}}}"
#define CN_JOHN "31{30{06{550403} 0c{'John'}}}"
#define FROM "17{'260101000000Z'}"
#define TO "17{'260201000000Z'}"
#define ENTRY(serial) "30{02{" serial "}17{'251231235959Z'}}"
#define FIRST "4001020304050607"
#define SECOND "4001020304050608"
#define ENTRIES "30{" ENTRY(FIRST) ENTRY(SECOND) "}"
#define IDENTIFIER "34750f98bd59fcfc946da45aaabe933be154a4b5"
#define ISSUER_KEY "30{06{551d23} 04{30{80{" IDENTIFIER "}}}}"
#define NUMBER(n) "30{06{551d14} 04{02{" n "}}}"
#define EXTENSIONS ISSUER_KEY NUMBER("05")
#define SIGNATURE_HALF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SIGNATURE "03{00" SIGNATURE_HALF SIGNATURE_HALF "}"
#define CRL(entries)                                                                               \
	"30{30{020101" ALGORITHM "30{" O_VSD "}" FROM TO entries "a0{30{" EXTENSIONS               \
	"}}}" ALGORITHM SIGNATURE "}"

static const char list[] = CRL(ENTRIES);
static const char empty[] = CRL("");

static const struct {
	const char *name, *of, *from, *to;
	enum cert_reject expected;
} cases[] = {
	{ "list", list, NULL, NULL, CERT_OK },
	{ "empty list", empty, NULL, NULL, CERT_OK },
	{ "nothing", list, list, "", CERT_SHORT },
	{ "an empty SEQUENCE", list, list, "30{}", CERT_SHORT },
	{ "inner length past the end", list, "0c{'VSD'}", "0c04'VSD'", CERT_SHORT },
	{ "entries there but empty", list, ENTRIES, "30{}", CERT_SHORT },
	{ "an entry without date", list, ENTRY(FIRST), "30{02{" FIRST "}}", CERT_SHORT },
	{ "a byte after it", list, SIGNATURE "}", SIGNATURE "}00", CERT_TRAILING },
	{ "an entry extension", list, "'251231235959Z'}}", "'251231235959Z'}30{}}", CERT_TRAILING },
	{ "something after the extensions", list, NUMBER("05") "}}", NUMBER("05") "}}0500",
		CERT_TRAILING },
	{ "two lists of extensions", list, NUMBER("05") "}", NUMBER("05") "}30{}", CERT_TRAILING },
	{ "SET of entries", list, "30{30{02{40", "31{30{02{40", CERT_TAG },
	{ "no next update", empty, TO, "", CERT_TAG },
	{ "extensions of a certificate", list, "a0{30", "a3{30", CERT_TAG },
	{ "an entry as SET", list, ENTRY(SECOND), "31{}", CERT_TAG },
	{ "a date as string", list, TO, "0c{'260201000000Z'}", CERT_TAG },
	{ "long form", list, "0c{'VSD'}", "0c8103'VSD'", CERT_LENGTH },
	{ "indefinite", list, "0c{'VSD'}", "0c80'VSD'0000", CERT_LENGTH },
	{ "version 1", list, "020101", "", CERT_VERSION },
	{ "version 3", list, "020101", "020102", CERT_VERSION },
	{ "version of two bytes", list, "020101", "02020001", CERT_VERSION },
	{ "serial of 7 bytes", list, FIRST, "40010203040506", CERT_SERIAL },
	{ "serial of 9 bytes", list, FIRST, FIRST "00", CERT_SERIAL },
	{ "negative serial", list, FIRST, "8001020304050607", CERT_SERIAL },
	{ "zero first", list, FIRST, "0001020304050607", CERT_SERIAL },
	{ "one serial twice", list, SECOND, FIRST, CERT_SERIAL },
	{ "descending", list, SECOND, "4001020304050606", CERT_SERIAL },
	{ "far below", list, SECOND, "0101020304050608", CERT_SERIAL },
	{ "Ed448", list, "2b6570", "2b6571", CERT_ALGORITHM },
	{ "NULL as parameters", list, "06{2b6570}}03", "06{2b6570}0500}03", CERT_ALGORITHM },
	{ "signature of 63 bytes", list, "03{000011", "03{0011", CERT_ALGORITHM },
	{ "issued by a user", list, O_VSD, O_VSD CN_JOHN, CERT_NAME },
	{ "no issuer", list, O_VSD, "", CERT_NAME },
	{ "slash", list, "'VSD'", "'V/D'", CERT_NAME },
	{ "T61String", list, "0c{'VSD'}", "14{'VSD'}", CERT_STRING },
	{ "PrintableString", list, "0c{'VSD'}", "13{'VSD'}", CERT_OK },
	{ "ends when it begins", list, TO, FROM, CERT_TIME },
	{ "GeneralizedTime in 2026", list, TO, "18{'20260201000000Z'}", CERT_TIME },
	{ "and in 2050", list, TO, "18{'20500201000000Z'}", CERT_OK },
	{ "revoked on the 32nd", list, "'251231235959Z'", "'251232235959Z'", CERT_TIME },
	{ "revoked later than it was made", list, "'251231235959Z'", "'291231235959Z'", CERT_OK },
	{ "no extensions", list, "a0{30{" EXTENSIONS "}}", "", CERT_EXTENSION },
	{ "empty extensions", list, EXTENSIONS, "", CERT_EXTENSION },
	{ "no number", list, NUMBER("05"), "", CERT_EXTENSION },
	{ "no issuer key", list, ISSUER_KEY, "", CERT_EXTENSION },
	{ "out of order", list, EXTENSIONS, NUMBER("05") ISSUER_KEY, CERT_EXTENSION },
	{ "number twice", list, NUMBER("05"), NUMBER("05") NUMBER("05"), CERT_EXTENSION },
	{ "critical number", list, "06{551d14} ", "06{551d14}0101ff", CERT_EXTENSION },
	{ "issuingDistributionPoint", list, NUMBER("05"),
		NUMBER("05") "30{06{551d1c} 0101ff 04{30{}}}", CERT_EXTENSION },
	{ "deltaCRLIndicator for number", list, "551d14", "551d1b", CERT_EXTENSION },
	{ "issuer key of 19 bytes", list, "80{34", "80{", CERT_KEY_IDENTIFIER },
	{ "number 0", list, "04{02{05}}", "04{02{00}}", CERT_NUMBER },
	{ "number of no bytes", list, "04{02{05}}", "04{02{}}", CERT_NUMBER },
	{ "negative number", list, "04{02{05}}", "04{02{85}}", CERT_NUMBER },
	{ "number in a longer form", list, "04{02{05}}", "04{02{0005}}", CERT_NUMBER },
	{ "number 128", list, "04{02{05}}", "04{02{0080}}", CERT_OK },
	{ "number of 8 bytes", list, "04{02{05}}", "04{02{7fffffffffffffff}}", CERT_OK },
	{ "number of 9 bytes", list, "04{02{05}}", "04{02{008000000000000000}}", CERT_NUMBER },
	{ "number as ENUMERATED", list, "04{02{05}}", "04{0a{05}}", CERT_NUMBER },
	{ "number and more", list, "04{02{05}}", "04{02{05}0500}", CERT_NUMBER },
};

static void test_cases(void **state)
{
	(void)state;
	bool is_number_met = false;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct der_text t;
		struct crl c, before;
		struct span der = der_text_make(&t, cases[i].of, cases[i].from, cases[i].to);
		memset(&c, 0x5a, sizeof(c));
		memcpy(&before, &c, sizeof(c));
		enum cert_reject reason = crl_decode(der, &c);
		if (reason != cases[i].expected)
			fail_msg("case \"%s\": %s", cases[i].name, cert_reject_text(reason));
		if (reason != CERT_OK)
			assert_memory_equal(&c, &before, sizeof(c));
		is_number_met = is_number_met || reason == CERT_NUMBER;
	}
	assert_true(is_number_met);
}

static const struct {
	const char *name, *issuer;
	uint8_t seed;
	uint64_t number, this_update_ms, next_update_ms;
	size_t count;
	struct crl_entry entries[2];
} vectors[] = {
	{ "empty", "VSD", 1, 1, UINT64_C(1767225600000), UINT64_C(1769904000000), 0,
		{ { { 0 }, 0 } } },
	{ "two", "QN/VSD", 2, UINT64_C(0x0102030405060708), UINT64_C(1767225600000),
		UINT64_C(2524608000000), 2,
		{ { { 1, 1, 1, 1, 1, 1, 1, 1 }, UINT64_C(1767225599000) },
			{ { 0x7f, 255, 255, 255, 255, 255, 255, 255 },
				UINT64_C(2524608000000) } } },
	{ "country", "Renovations/US", 5, 128, UINT64_C(951782400000), UINT64_C(253402300799000), 1,
		{ { { 0x40, 1, 2, 3, 4, 5, 6, 7 }, UINT64_C(946684800000) } } },
};

static void decode_vector(const char *name, struct vector *v, struct crl *c)
{
	*v = vector_get(FILE_NAME, name);
	enum cert_reject reason = crl_decode(vector_span(v), c);
	if (reason != CERT_OK)
		fail_msg("%s: %s", name, cert_reject_text(reason));
}

static void issuer_key(uint8_t fill, uint8_t pk[32])
{
	uint8_t seed[32], sk[64];
	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
}

static void check_entries(size_t i, const struct crl *c)
{
	struct span at = c->entries;
	struct crl_entry e;
	assert_int_equal(c->count, vectors[i].count);
	for (size_t k = 0; k < vectors[i].count; k++) {
		assert_true(crl_next(&at, e.serial, &e.revoked_ms));
		assert_memory_equal(e.serial, vectors[i].entries[k].serial, CRL_SERIAL_LEN);
		TEST_CASE(vectors[i].name, e.revoked_ms == vectors[i].entries[k].revoked_ms);
	}
	assert_false(crl_next(&at, e.serial, &e.revoked_ms));
	assert_false(crl_next(&at, e.serial, &e.revoked_ms));
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct vector v;
		struct crl c;
		char text[NAME_TEXT_MAX];
		uint8_t pk[32], other[32], id[CERT_KEY_IDENTIFIER_LEN];
		decode_vector(vectors[i].name, &v, &c);
		issuer_key(vectors[i].seed, pk);
		issuer_key(99, other);
		cert_key_identifier(pk, id);
		assert_string_equal(name_format(&c.issuer, text), vectors[i].issuer);
		assert_memory_equal(c.issuer_key_identifier, id, sizeof(id));
		TEST_CASE(vectors[i].name, c.number == vectors[i].number);
		TEST_CASE(vectors[i].name, c.this_update_ms == vectors[i].this_update_ms);
		TEST_CASE(vectors[i].name, c.next_update_ms == vectors[i].next_update_ms);
		TEST_CASE(vectors[i].name, c.issuer_der.data[0] == 0x30);
		TEST_CASE(vectors[i].name, c.tbs.data > v.b && c.tbs.data[0] == 0x30);
		TEST_CASE(vectors[i].name, crl_signed_by(&c, pk));
		TEST_CASE(vectors[i].name, !crl_signed_by(&c, other));
		check_entries(i, &c);
	}
}

static void test_damage(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct vector v;
		struct crl c;
		uint8_t pk[32];
		issuer_key(vectors[i].seed, pk);
		decode_vector(vectors[i].name, &v, &c);
		for (size_t n = 0; n < v.len; n++)
			assert_int_equal(crl_decode(span_of(v.b, n), &c), CERT_SHORT);
		v.b[v.len] = 0;
		assert_int_equal(crl_decode(span_of(v.b, v.len + 1), &c), CERT_TRAILING);
		for (size_t bit = 0; bit < 8 * v.len; bit++) {
			v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (crl_decode(vector_span(&v), &c) == CERT_OK)
				assert_false(crl_signed_by(&c, pk));
			v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

#define ENTRY_LEN 25

static void put_header(struct writer *w, uint8_t tag, size_t len)
{
	writer_u8(w, tag);
	writer_u8(w, 0x83);
	writer_u8(w, (uint8_t)(len >> 16));
	writer_u16(w, (uint16_t)len);
}

static void put_entry(struct writer *w, uint64_t serial)
{
	writer_u8(w, 0x30);
	writer_u8(w, ENTRY_LEN);
	writer_u16(w, 0x0208);
	writer_u64(w, serial);
	writer_u16(w, 0x170d);
	writer_put(w, "260101000000Z", 13);
}

/* As many entries as fit, and one more. */
static void test_large(void **state)
{
	(void)state;
	struct der_text head, tail;
	struct span before =
		der_text_make(&head, "020101" ALGORITHM "30{" O_VSD "}" FROM TO, NULL, NULL);
	struct span after = der_text_make(&tail, "a0{30{" EXTENSIONS "}}", NULL, NULL);
	struct der_text end;
	struct span signature = der_text_make(&end, ALGORITHM SIGNATURE, NULL, NULL);
	size_t fixed = 15 + before.len + after.len + signature.len;
	size_t most = (CRL_LEN_MAX - fixed) / (2 + ENTRY_LEN);
	size_t cap = CRL_LEN_MAX + 2 + ENTRY_LEN;
	uint8_t *der = malloc(cap);
	assert_non_null(der);
	for (size_t count = most; count <= most + 1; count++) {
		struct crl c;
		struct writer w = writer_init(der, cap);
		size_t entries_len = count * (2 + ENTRY_LEN);
		size_t tbs_len = before.len + 5 + entries_len + after.len;
		put_header(&w, 0x30, 5 + tbs_len + signature.len);
		put_header(&w, 0x30, tbs_len);
		writer_put(&w, before.data, before.len);
		put_header(&w, 0x30, entries_len);
		for (size_t i = 0; i < count; i++)
			put_entry(&w, UINT64_C(0x4000000000000000) + i);
		writer_put(&w, after.data, after.len);
		writer_put(&w, signature.data, signature.len);
		assert_false(w.is_full);
		enum cert_reject reason = crl_decode(writer_span(&w), &c);
		assert_int_equal(reason, count == most ? CERT_OK : CERT_LENGTH);
		if (reason == CERT_OK)
			assert_int_equal(c.count, count);
	}
	free(der);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_large),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
