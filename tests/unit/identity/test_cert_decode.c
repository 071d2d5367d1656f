/*
 * The strict certificate reader: vectors made elsewhere, every reason to refuse, and damage. The reader on
 * OpenSSL gives its verdict on each case too.
 */

#define VECTOR_FOLDER "identity"

#include <sodium.h>

#include "der_text.h"
#include "identity/cert_decode.h"
#include "knock/vector.h"

#define FILE_NAME "cert.txt"

#define ALGORITHM "30{06{2b6570}}"
#define C_DE "31{30{06{550406} 0c{'DE'}}}"
#define O_VSD "31{30{06{55040a} 0c{'VSD'}}}"
#define OU_QN "31{30{06{55040b} 0c{'QN'}}}"
#define CN_JOHN "31{30{06{550403} 0c{'John'}}}"
#define FROM_2026 "17{'260101000000Z'}"
#define TO_2028 "17{'280101000000Z'}"
#define PK "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
#define PK_IDENTIFIER "34750f98bd59fcfc946da45aaabe933be154a4b5"
#define ISSUER_IDENTIFIER "6a3803d5f059902a1c6dafbc9ba4729212f7caac"
#define SIGNATURE_HALF "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SIGNATURE "03{00" SIGNATURE_HALF SIGNATURE_HALF "}"
#define BASIC "30{06{551d13} 0101ff 04{30{0101ff 0201"
#define USAGE_CERTIFIER "30{06{551d0f} 0101ff 04{03020106}}"
#define USAGE_LEAF "30{06{551d0f} 0101ff 04{03020780}}"
#define PURPOSE_CLIENT "30{06{551d25} 04{30{06{2b06010505070302}}}}"
#define SUBTREE(name) "30{06{551d1e} 0101ff 04{30{a0{30{a4{30{" name "}}}}}}}"
#define SUBJECT_KEY "30{06{551d0e} 04{0414" PK_IDENTIFIER "}}"
#define ISSUER_KEY(id) "30{06{551d23} 04{30{80{" id "}}}}"

#define CERT(issuer, subject, extensions)                                                          \
	"30{30{a0{020102} 02{4001020304050607}" ALGORITHM "30{" issuer "}30{" FROM_2026 TO_2028    \
	"}30{" subject "}30{" ALGORITHM "03{00" PK "}}a3{30{" extensions "}}}" ALGORITHM SIGNATURE \
	"}"

#define LEAF_EXTENSIONS USAGE_LEAF PURPOSE_CLIENT ISSUER_KEY(ISSUER_IDENTIFIER)

static const char leaf[] = CERT(O_VSD OU_QN, O_VSD OU_QN CN_JOHN, LEAF_EXTENSIONS);
static const char unit[] = CERT(O_VSD, O_VSD OU_QN,
	BASIC "03}}}" USAGE_CERTIFIER SUBTREE(O_VSD OU_QN)
		SUBJECT_KEY ISSUER_KEY(ISSUER_IDENTIFIER));
static const char root[] =
	CERT(O_VSD, O_VSD, BASIC "04}}}" USAGE_CERTIFIER SUBJECT_KEY ISSUER_KEY(PK_IDENTIFIER));
static const char rollover[] =
	CERT(O_VSD, O_VSD, BASIC "04}}}" USAGE_CERTIFIER SUBJECT_KEY ISSUER_KEY(ISSUER_IDENTIFIER));
/* John of another organisation trusts this one. */
static const char cross[] = CERT("31{30{06{55040a} 0c{'ACME'}}}" CN_JOHN, O_VSD,
	BASIC "04}}}" USAGE_CERTIFIER SUBTREE(O_VSD) SUBJECT_KEY ISSUER_KEY(ISSUER_IDENTIFIER));

#define X64 "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'"
#define OU_X "31{30{06{55040b} 0c{'x'}}}"

static const struct {
	const char *name, *of, *from, *to;
	enum cert_reject expected;
} cases[] = {
	{ "leaf", leaf, NULL, NULL, CERT_OK },
	{ "unit", unit, NULL, NULL, CERT_OK },
	{ "root", root, NULL, NULL, CERT_OK },
	{ "rollover", rollover, NULL, NULL, CERT_OK },
	{ "cross-certificate of a user", cross, NULL, NULL, CERT_OK },

	{ "nothing", leaf, leaf, "", CERT_SHORT },
	{ "header alone", leaf, leaf, "30", CERT_SHORT },
	{ "half a length", leaf, leaf, "3082 01", CERT_SHORT },
	{ "empty", leaf, leaf, "30{}", CERT_SHORT },
	{ "inner length past the end", leaf, "0c{'John'}", "0c05'John'", CERT_SHORT },
	{ "no signature", leaf, SIGNATURE, "", CERT_SHORT },
	{ "a byte after it", leaf, SIGNATURE "}", SIGNATURE "}00", CERT_TRAILING },
	{ "a field after the signature", leaf, SIGNATURE, SIGNATURE "0500", CERT_TRAILING },
	{ "a third date", leaf, TO_2028, TO_2028 TO_2028, CERT_TRAILING },
	{ "a field after a value", leaf, "0c{'John'}", "0c{'John'}0500", CERT_TRAILING },
	{ "a field after the key", leaf, PK "}", PK "}0500", CERT_TRAILING },
	{ "a field after an extension", leaf, "04{03020780}", "04{03020780}0500", CERT_TRAILING },
	{ "SET", leaf, "30{30{a0", "31{30{a0", CERT_TAG },
	{ "what is signed as SET", leaf, "30{30{a0", "30{31{a0", CERT_TAG },
	{ "serial as OCTET STRING", leaf, "02{40", "04{40", CERT_TAG },
	{ "a date as string", leaf, TO_2028, "0c{'280101000000Z'}", CERT_TAG },
	{ "issuerUniqueID", leaf, "a3{", "81{00ff} a3{", CERT_TAG },
	{ "extension value as BIT STRING", leaf, "04{03020780}", "03{03020780}", CERT_TAG },
	{ "an extension's OID as INTEGER", leaf, "06{551d0f}", "02{551d0f}", CERT_TAG },
	{ "long form for 4", leaf, "0c{'John'}", "0c8104'John'", CERT_LENGTH },
	{ "longer form than needed", leaf, "0c{'John'}", "0c820004'John'", CERT_LENGTH },
	{ "indefinite", leaf, "0c{'John'}", "0c80'John'0000", CERT_LENGTH },
	{ "length of four bytes", leaf, leaf, "3084 00000100", CERT_LENGTH },
	{ "reserved length", leaf, leaf, "30ff", CERT_LENGTH },

	{ "version 2", leaf, "a0{020102}", "a0{020101}", CERT_VERSION },
	{ "version 1", leaf, "a0{020102}", "", CERT_VERSION },
	{ "version of two bytes", leaf, "a0{020102}", "a0{02020002}", CERT_VERSION },
	{ "serial of 7 bytes", leaf, "02{4001", "02{40", CERT_SERIAL },
	{ "serial of 9 bytes", leaf, "02{4001", "02{400101", CERT_SERIAL },
	{ "negative serial", leaf, "02{40", "02{80", CERT_SERIAL },
	{ "serial with a zero first", leaf, "02{40", "02{00", CERT_SERIAL },
	{ "no serial", leaf, "02{4001020304050607}", "02{}", CERT_SERIAL },
	{ "Ed448 inside", leaf, "2b6570}}30{31", "2b6571}}30{31", CERT_ALGORITHM },
	{ "Ed448 outside", leaf, ALGORITHM "03{0000", "30{06{2b6571}}03{0000", CERT_ALGORITHM },
	{ "X25519 key", leaf, ALGORITHM "03{008a", "30{06{2b656e}}03{008a", CERT_ALGORITHM },
	{ "NULL as parameters", leaf, "30{06{2b6570}}", "30{06{2b6570}0500}", CERT_ALGORITHM },
	{ "signature of 63 bytes", leaf, "03{000011", "03{0011", CERT_ALGORITHM },
	{ "signature of 65 bytes", leaf, "03{000011", "03{00000011", CERT_ALGORITHM },
	{ "signature of 505 bits", leaf, "03{000011", "03{010011", CERT_ALGORITHM },

	{ "two letters", leaf, "'VSD'", "'VS'", CERT_NAME },
	{ "slash", leaf, "'John'", "'J/hn'", CERT_NAME },
	{ "two spaces", leaf, "'John'", "'J  n'", CERT_NAME },
	{ "line end", leaf, "'John'", "'Jo'0a'n'", CERT_NAME },
	{ "C1 control", leaf, "'John'", "'Jo'c285", CERT_NAME },
	{ "overlong UTF-8", leaf, "'John'", "'J'c0af'n'", CERT_NAME },
	{ "surrogate", leaf, "'John'", "'J'eda080", CERT_NAME },
	{ "past U+10FFFF", leaf, "'John'", "f4908080", CERT_NAME },
	{ "UTF-8 cut short", leaf, "'John'", "'Joh'c3", CERT_NAME },
	{ "a value of 64 bytes", leaf, "'John'", X64, CERT_OK },
	{ "a value of 65 bytes", leaf, "'John'", X64 "'x'", CERT_NAME },
	{ "an empty value", leaf, "'John'", "", CERT_NAME },
	{ "an empty name", leaf, "30{" O_VSD OU_QN CN_JOHN "}", "30{}", CERT_NAME },
	{ "an empty issuer", leaf, "30{" O_VSD OU_QN "}", "30{}", CERT_NAME },
	{ "user without CN", leaf, CN_JOHN, "", CERT_NAME },
	{ "certifier with CN", unit, O_VSD OU_QN "}", O_VSD CN_JOHN "}", CERT_NAME },
	{ "locality", leaf, "06{550403}", "06{550407}", CERT_NAME },
	{ "another arc", leaf, "06{550403}", "06{550503}", CERT_NAME },
	{ "long OID", leaf, "06{550403}", "06{55040303}", CERT_NAME },
	{ "two attributes on a level", leaf, "0c{'John'}}", "0c{'John'}}30{06{550403} 0c{'J'}}",
		CERT_NAME },
	{ "country last", leaf, CN_JOHN, C_DE CN_JOHN, CERT_NAME },
	{ "five units", leaf, CN_JOHN, OU_X OU_X OU_X OU_X CN_JOHN, CERT_NAME },
	{ "eight levels", leaf, OU_QN "}30{17", OU_X OU_X OU_X OU_X OU_X OU_X OU_X "}30{17",
		CERT_NAME },
	{ "issued by a user to itself", leaf, OU_QN "}30{17", OU_QN CN_JOHN "}30{17", CERT_NAME },
	{ "issued by a user in other case", leaf, OU_QN "}30{17",
		OU_QN "31{30{06{550403} 0c{'JOHN'}}}}30{17", CERT_NAME },
	{ "issued by another user", leaf, OU_QN "}30{17",
		OU_QN "31{30{06{550403} 0c{'Jane'}}}}30{17", CERT_OK },
	{ "issued by another certifier", leaf, OU_QN "}30{17", OU_X "}30{17", CERT_OK },
	{ "country first", leaf, OU_QN "}30{17", "}30{17", CERT_OK },
	{ "PrintableString", leaf, "0c{'John'}", "13{'Jo-n (1)'}", CERT_OK },
	{ "PrintableString with @", leaf, "0c{'John'}", "13{'Jo@n'}", CERT_STRING },
	{ "PrintableString with &", leaf, "0c{'John'}", "13{'Jo&n'}", CERT_STRING },
	{ "PrintableString in UTF-8", leaf, "0c{'John'}", "13{'J'c3b6'n'}", CERT_STRING },
	{ "PrintableString with NUL", leaf, "0c{'John'}", "13{'Joh'00}", CERT_STRING },
	{ "PrintableString with *", leaf, "0c{'John'}", "13{'Jo*n'}", CERT_STRING },
	{ "T61String", leaf, "0c{'John'}", "14{'John'}", CERT_STRING },
	{ "BMPString", leaf, "0c{'John'}", "1e{'John'}", CERT_STRING },
	{ "IA5String", leaf, "0c{'John'}", "16{'John'}", CERT_STRING },

	{ "ends when it begins", leaf, TO_2028, FROM_2026, CERT_TIME },
	{ "the first second", leaf, FROM_2026, "17{'700101000000Z'}", CERT_OK },
	{ "one before", leaf, FROM_2026, "17{'691231235959Z'}", CERT_TIME },
	{ "leap day", leaf, FROM_2026, "17{'240229235959Z'}", CERT_OK },
	{ "leap day of no leap year", leaf, FROM_2026, "17{'250229000000Z'}", CERT_TIME },
	{ "day 0", leaf, FROM_2026, "17{'260100000000Z'}", CERT_TIME },
	{ "31 April", leaf, FROM_2026, "17{'260431000000Z'}", CERT_TIME },
	{ "month 0", leaf, FROM_2026, "17{'260001000000Z'}", CERT_TIME },
	{ "month 13", leaf, FROM_2026, "17{'261301000000Z'}", CERT_TIME },
	{ "hour 24", leaf, FROM_2026, "17{'260101240000Z'}", CERT_TIME },
	{ "minute 60", leaf, FROM_2026, "17{'260101006000Z'}", CERT_TIME },
	{ "second 60", leaf, FROM_2026, "17{'260101000060Z'}", CERT_TIME },
	{ "no seconds", leaf, FROM_2026, "17{'2601010000Z'}", CERT_TIME },
	{ "fractions", leaf, TO_2028, "18{'20500101000000.5Z'}", CERT_TIME },
	{ "an offset", leaf, FROM_2026, "17{'260101000000+0100'}", CERT_TIME },
	{ "no Z", leaf, FROM_2026, "17{'260101000000'}", CERT_TIME },
	{ "lower z", leaf, FROM_2026, "17{'260101000000z'}", CERT_TIME },
	{ "a space for a digit", leaf, FROM_2026, "17{'26 101000000Z'}", CERT_TIME },
	{ "GeneralizedTime in 2049", leaf, TO_2028, "18{'20491231235959Z'}", CERT_TIME },
	{ "and in 2050", leaf, TO_2028, "18{'20500101000000Z'}", CERT_OK },
	{ "leap day of 2400", leaf, TO_2028, "18{'24000229000000Z'}", CERT_OK },
	{ "none in 2100", leaf, TO_2028, "18{'21000229000000Z'}", CERT_TIME },
	{ "the last second", leaf, TO_2028, "18{'99991231235959Z'}", CERT_OK },
	{ "UTCTime of four digits", leaf, TO_2028, "17{'20500101000000Z'}", CERT_TIME },

	{ "key of 31 bytes", leaf, "03{008a", "03{00", CERT_KEY },
	{ "key of 33 bytes", leaf, "03{008a", "03{00008a", CERT_KEY },
	{ "key of 255 bits", leaf, "03{008a", "03{018a", CERT_KEY },

	{ "no extensions", leaf, "a3{30{" LEAF_EXTENSIONS "}}", "", CERT_EXTENSION },
	{ "empty extensions", leaf, LEAF_EXTENSIONS, "", CERT_EXTENSION },
	{ "no keyUsage", leaf, USAGE_LEAF, "", CERT_EXTENSION },
	{ "no extKeyUsage", leaf, PURPOSE_CLIENT, "", CERT_EXTENSION },
	{ "no issuer key", leaf, ISSUER_KEY(ISSUER_IDENTIFIER), "", CERT_EXTENSION },
	{ "no nameConstraints", unit, SUBTREE(O_VSD OU_QN), "", CERT_EXTENSION },
	{ "nameConstraints on the root", root, SUBJECT_KEY, SUBTREE(O_VSD) SUBJECT_KEY,
		CERT_EXTENSION },
	{ "no nameConstraints on a cross-certificate", cross, SUBTREE(O_VSD), "", CERT_EXTENSION },
	{ "no subject key", unit, SUBJECT_KEY, "", CERT_EXTENSION },
	{ "keyUsage not critical", leaf, "0101ff 04{0302", "04{0302", CERT_EXTENSION },
	{ "critical 01", leaf, "0101ff 04{0302", "010101 04{0302", CERT_EXTENSION },
	{ "critical of two bytes", leaf, "0101ff 04{0302", "0102ffff 04{0302", CERT_EXTENSION },
	{ "critical extKeyUsage", leaf, "06{551d25} ", "06{551d25}0101ff", CERT_EXTENSION },
	{ "FALSE written out", leaf, "06{551d25} ", "06{551d25}010100", CERT_EXTENSION },
	{ "keyUsage twice", leaf, USAGE_LEAF, USAGE_LEAF USAGE_LEAF, CERT_EXTENSION },
	{ "one more", leaf, ISSUER_KEY(ISSUER_IDENTIFIER),
		ISSUER_KEY(ISSUER_IDENTIFIER) "30{06{551d11} 04{30{82{'a'}}}}", CERT_EXTENSION },
	{ "out of order", leaf, USAGE_LEAF PURPOSE_CLIENT, PURPOSE_CLIENT USAGE_LEAF,
		CERT_EXTENSION },
	{ "leaf with subject key", leaf, PURPOSE_CLIENT, PURPOSE_CLIENT SUBJECT_KEY,
		CERT_EXTENSION },

	{ "CA 01", unit, "0101ff 0201", "010101 0201", CERT_BASIC },
	{ "CA FALSE", unit, "0101ff 0201", "010100 0201", CERT_BASIC },
	{ "CA absent", unit, "0101ff 0201", "0201", CERT_BASIC },
	{ "longer path", unit, "020103", "020104", CERT_BASIC },
	{ "shorter path", unit, "020103", "020102", CERT_BASIC },
	{ "no path length", unit, "0101ff 020103", "0101ff", CERT_BASIC },
	{ "root with the path of a unit", root, "020104", "020103", CERT_BASIC },
	{ "one use more", leaf, "03020780", "030206c0", CERT_USAGE },
	{ "uses of a certifier", leaf, "03020780", "03020106", CERT_USAGE },
	{ "uses of a leaf", unit, "03020106", "03020780", CERT_USAGE },
	{ "zero bits at the end", leaf, "03020780", "03020080", CERT_USAGE },
	{ "serverAuth", leaf, "070302}", "070301}", CERT_OK },
	{ "emailProtection", leaf, "070302}", "070304}", CERT_USAGE },
	{ "two purposes", leaf, "06{2b06010505070302}", "06{2b06010505070302}06{2b06010505070301}",
		CERT_USAGE },
	{ "no purpose", leaf, "06{2b06010505070302}", "", CERT_USAGE },
	{ "wider subtree", unit, SUBTREE(O_VSD OU_QN), SUBTREE(O_VSD), CERT_SUBTREE },
	{ "subtree in other case", unit, SUBTREE(O_VSD OU_QN),
		SUBTREE(O_VSD "31{30{06{55040b} 0c{'qn'}}}"), CERT_SUBTREE },
	{ "excluded", unit, "04{30{a0{", "04{30{a1{", CERT_SUBTREE },
	{ "two subtrees", unit, "a0{30{a4{", "a0{30{a4{30{" O_VSD "}}}30{a4{", CERT_SUBTREE },
	{ "DNS name", unit, "a4{30", "a2{30", CERT_SUBTREE },
	{ "minimum written out", unit, O_VSD OU_QN "}}}", O_VSD OU_QN "}}800100}", CERT_SUBTREE },
	{ "empty nameConstraints", unit, SUBTREE(O_VSD OU_QN), "30{06{551d1e} 0101ff 04{30{}}}",
		CERT_SUBTREE },
	{ "another subject key", unit, "0414" PK_IDENTIFIER, "0414" ISSUER_IDENTIFIER,
		CERT_KEY_IDENTIFIER },
	{ "subject key of 19 bytes", unit, "041434", "0413", CERT_KEY_IDENTIFIER },
	{ "issuer key of 19 bytes", leaf, "80{6a", "80{", CERT_KEY_IDENTIFIER },
	{ "issuer key of 21 bytes", leaf, "80{6a", "80{006a", CERT_KEY_IDENTIFIER },
	{ "issuer key and serial", leaf, "80{" ISSUER_IDENTIFIER "}",
		"80{" ISSUER_IDENTIFIER "}820101", CERT_KEY_IDENTIFIER },
};

/* Only the reader on OpenSSL wants a certificate of its own key signed. */
static bool cert_read_accepts(struct span der, struct cert *ret)
{
	struct fault f = { "" };
	return cert_read(der, ret, &f) == 0 || strstr(f.text, "its own key did not sign") != NULL;
}

static void test_cases(void **state)
{
	(void)state;
	unsigned met[CERT_REJECT_COUNT] = { 0 };
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct der_text t;
		struct cert c, before, other;
		struct cert_parts p;
		struct span der = der_text_make(&t, cases[i].of, cases[i].from, cases[i].to);
		memset(&c, 0x5a, sizeof(c));
		memcpy(&before, &c, sizeof(c));
		enum cert_reject reason = cert_decode(der, &c, &p);
		if (reason != cases[i].expected)
			fail_msg("case \"%s\": %s", cases[i].name, cert_reject_text(reason));
		if (reason != CERT_OK)
			assert_memory_equal(&c, &before, sizeof(c));
		TEST_CASE(cases[i].name, cert_read_accepts(der, &other) == (reason == CERT_OK));
		met[reason]++;
	}
	for (size_t i = 0; i < CERT_REJECT_COUNT; i++)
		TEST_CASE(cert_reject_text((enum cert_reject)i),
			met[i] > 0 || i == CERT_NUMBER); /* a list's: test_crl.c */
}

static void test_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < CERT_REJECT_COUNT; i++)
		assert_non_null(cert_reject_text((enum cert_reject)i));
	assert_string_equal(cert_reject_text(CERT_REJECT_COUNT), "it is not valid");
}

static void test_too_long(void **state)
{
	(void)state;
	static uint8_t der[CERT_LEN_MAX + 1] = { 0x30, 0x82, 0x07, 0xfd };
	struct cert c;
	struct cert_parts p;
	assert_int_equal(cert_decode(SPAN_OF(der), &c, &p), CERT_LENGTH);
	assert_int_equal(cert_decode(span_of(NULL, 0), &c, &p), CERT_SHORT);
}

static void test_parts(void **state)
{
	(void)state;
	struct der_text t;
	struct cert c;
	struct cert_parts p;
	struct span der = der_text_make(&t, leaf, NULL, NULL);
	assert_int_equal(cert_decode(der, &c, &p), CERT_OK);
	assert_true(span_equal(p.der, der));
	assert_ptr_equal(p.tbs.data, der.data + 4);
	assert_int_equal(p.tbs.len, der.len - 4 - 7 - 3 - 64);
	assert_ptr_equal(p.signature.data, der.data + der.len - 64);
	assert_int_equal(p.signature.len, 64);
	assert_memory_equal(p.issuer.data + p.issuer.len - 4, "\x0c\x02QN", 4);
	assert_memory_equal(p.subject.data + p.subject.len - 6, "\x0c\x04John", 6);
	assert_int_equal(p.issuer.data[0], 0x30);
	assert_int_equal(p.subject.data[0], 0x30);
}

/* Each vector: who, by whom (a name of cert.txt, whose key must have signed it), until when. */
static const struct {
	const char *name, *subject, *issuer, *signer;
	enum cert_kind kind;
	uint64_t not_after_ms;
} vectors[] = {
	{ "root", "VSD", "VSD", "root", CERT_CERTIFIER, UINT64_C(2524607999000) },
	{ "unit", "QN/VSD", "VSD", "root", CERT_CERTIFIER, UINT64_C(2524608000000) },
	{ "user", "J\xc3\xb6rg M\xc3\xbcller/QN/VSD", "QN/VSD", "unit", CERT_USER,
		UINT64_C(1830297600000) },
	{ "server", "Gate1/Renovations/US", "Renovations/US", "country", CERT_SERVER,
		UINT64_C(951868799000) },
	{ "country", "Renovations/US", "Renovations/US", "country", CERT_CERTIFIER,
		UINT64_C(253402300799000) },
	{ "deepest", "D/C/B/A/VSD", "C/B/A/VSD", "unit", CERT_CERTIFIER, UINT64_C(1830297600000) },
	{ "rollover", "VSD", "VSD", "country", CERT_CERTIFIER, UINT64_C(1830297600000) },
	{ "unit_rollover", "QN/VSD", "QN/VSD", "country", CERT_CERTIFIER, UINT64_C(1830297600000) },
	{ "cross", "Renovations/US", "VSD", "root", CERT_CERTIFIER, UINT64_C(1830297600000) },
	{ "cross_user", "Gate1/Renovations/US", "J\xc3\xb6rg M\xc3\xbcller/QN/VSD", "user",
		CERT_SERVER, UINT64_C(1830297600000) },
};

static void decode_vector(const char *name, struct vector *v, struct cert *c, struct cert_parts *p)
{
	*v = vector_get(FILE_NAME, name);
	enum cert_reject reason = cert_decode(vector_span(v), c, p);
	if (reason != CERT_OK)
		fail_msg("%s: %s", name, cert_reject_text(reason));
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct vector v, by;
		struct cert c, signer, other;
		struct cert_parts p, signer_parts;
		char text[NAME_TEXT_MAX];
		uint8_t id[CERT_KEY_IDENTIFIER_LEN];
		const char *name = vectors[i].name;
		decode_vector(vectors[i].signer, &by, &signer, &signer_parts);
		decode_vector(name, &v, &c, &p);
		assert_string_equal(name_format(&c.subject, text), vectors[i].subject);
		assert_string_equal(name_format(&c.issuer, text), vectors[i].issuer);
		TEST_CASE(name, c.kind == vectors[i].kind);
		TEST_CASE(name, c.not_after_ms == vectors[i].not_after_ms);
		TEST_CASE(name, c.not_before_ms == UINT64_C(946684800000)); /* 2000-01-01 */
		cert_key_identifier(signer.pk, id);
		assert_memory_equal(c.issuer_key_identifier, id, sizeof(id));
		TEST_CASE(name, cert_parts_signed_by(&p, signer.pk));
		TEST_CASE(name, cert_signed_by(vector_span(&v), signer.pk));
		TEST_CASE(name,
			strcmp(name, vectors[i].signer) == 0 || !cert_parts_signed_by(&p, c.pk));
		TEST_CASE(name, cert_read_accepts(vector_span(&v), &other));
	}
}

/* Every end is too early, and one byte more too late. */
static void test_truncation(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct vector v;
		struct cert c;
		struct cert_parts p;
		decode_vector(vectors[i].name, &v, &c, &p);
		for (size_t n = 0; n < v.len; n++)
			assert_int_equal(cert_decode(span_of(v.b, n), &c, &p), CERT_SHORT);
		v.b[v.len] = 0;
		assert_int_equal(cert_decode(span_of(v.b, v.len + 1), &c, &p), CERT_TRAILING);
	}
}

/* A flipped bit is refused, or a different value that the other reader reads too; never signed. */
static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct vector v, by;
		struct cert good, signer, c, other;
		struct cert_parts p, signer_parts;
		decode_vector(vectors[i].signer, &by, &signer, &signer_parts);
		decode_vector(vectors[i].name, &v, &good, &p);
		for (size_t bit = 0; bit < 8 * v.len; bit++) {
			v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
			if (cert_decode(vector_span(&v), &c, &p) == CERT_OK) {
				assert_true(cert_read_accepts(vector_span(&v), &other));
				assert_false(cert_parts_signed_by(&p, signer.pk));
				bool is_signature = bit / 8 >= v.len - 64;
				bool is_same = memcmp(&c, &good, sizeof(c)) == 0;
				assert_int_equal(is_signature, is_same);
			}
			v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void test_take(void **state)
{
	(void)state;
	uint8_t bytes[2 * VECTOR_MAX];
	struct vector a = vector_get(FILE_NAME, "user"), b = vector_get(FILE_NAME, "unit");
	struct writer w = writer_init(bytes, sizeof(bytes));
	writer_put(&w, a.b, a.len);
	writer_put(&w, b.b, b.len);
	struct span chain = writer_span(&w), first, kept;
	assert_int_equal(cert_take(&chain, &first), CERT_OK);
	assert_true(span_equal(first, vector_span(&a)));
	assert_int_equal(cert_take(&chain, &first), CERT_OK);
	assert_true(span_equal(first, vector_span(&b)));
	assert_int_equal(chain.len, 0);
	assert_int_equal(cert_take(&chain, &first), CERT_SHORT);

	kept = chain = span_of(bytes, a.len - 1);
	assert_int_equal(cert_take(&chain, &first), CERT_SHORT);
	assert_true(chain.data == kept.data && chain.len == kept.len);
	assert_true(span_equal(first, vector_span(&b)));
	chain = span_of("\x31\x00", 2);
	assert_int_equal(cert_take(&chain, &first), CERT_TAG);
	chain = span_of("\x30\x81\x01\x00", 4);
	assert_int_equal(cert_take(&chain, &first), CERT_LENGTH);
	static uint8_t large[CERT_LEN_MAX + 1] = { 0x30, 0x82, 0x07, 0xfd };
	chain = SPAN_OF(large);
	assert_int_equal(cert_take(&chain, &first), CERT_LENGTH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_take),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
