/* What agents answer: one line a case, then every prefix and every single-bit flip of good ones. */

#include "base/text.h"
#include "lib/agent_wire.h"
#include "test.h"

#define KEY_ED "0000000b7373682d65643235353139"
#define KEY_SK "0000001a736b2d7373682d65643235353139406f70656e7373682e636f6d"
#define PK "00000020" P32
#define P32 "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebf"
#define SIG "00000040" P32 P32
#define APP "000000047373683a"
#define BLOB_ED KEY_ED PK     /* 51 bytes, 0x33 */
#define BLOB_SK KEY_SK PK APP /* 74 bytes, 0x4a */
#define ONE_ED                                                                                     \
	"0c00000001"                                                                               \
	"00000033" BLOB_ED "0000000461406263"
#define ONE_SK                                                                                     \
	"0c00000001"                                                                               \
	"0000004a" BLOB_SK "00000000"

struct bytes {
	uint8_t b[1024];
	size_t len;
};

static struct bytes unhex(const char *hex)
{
	struct bytes v = { .len = strlen(hex) / 2 };
	assert_true(v.len <= sizeof(v.b) && (v.len == 0 || text_unhex(hex, v.b, v.len)));
	return v;
}

static void test_lists(void **state)
{
	(void)state;
	static const struct {
		const char *name, *hex;
		enum agent_answer want;
		uint32_t keys;
		enum agent_kind last;
	} cases[] = {
		{ "none", "0c00000000", AGENT_OK, 0, AGENT_OTHER },
		{ "plain key", ONE_ED, AGENT_OK, 1, AGENT_ED25519 },
		{ "token", ONE_SK, AGENT_OK, 1, AGENT_TOKEN },
		{ "empty key",
			"0c00000001"
			"0000000000000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "another type",
			"0c00000001"
			"0000000b"
			"000000077373682d727361"
			"00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "plain key with more",
			"0c00000001"
			"00000034" BLOB_ED "00"
			"00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "token without application",
			"0c00000001"
			"00000042" KEY_SK PK "00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "token with an empty one",
			"0c00000001"
			"00000046" KEY_SK PK "00000000"
			"00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "application with a blank",
			"0c00000001"
			"00000047" KEY_SK PK "0000000120"
			"00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "key of 31",
			"0c00000001"
			"00000013" KEY_ED "00000000"
			"00000000",
			AGENT_OK, 1, AGENT_OTHER },
		{ "nothing at all", "", AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "no count", "0c", AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "fewer than said",
			"0c00000002"
			"00000033" BLOB_ED "00000000",
			AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "many more than said",
			"0cffffffff"
			"00000000",
			AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "something behind",
			"0c00000000"
			"00",
			AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "comment past the end",
			"0c00000001"
			"00000000"
			"00000001",
			AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "a signature", "0e00000000", AGENT_MALFORMED, 0, AGENT_OTHER },
		{ "no", "05", AGENT_REFUSED, 0, AGENT_OTHER },
		{ "no, of old", "1e", AGENT_REFUSED, 0, AGENT_OTHER },
		{ "no, older", "66", AGENT_REFUSED, 0, AGENT_OTHER },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct bytes v = unhex(cases[i].hex);
		struct agent_list l = { .left = 77 };
		struct agent_key k = { .kind = AGENT_OTHER };
		uint32_t n = 0;
		enum agent_answer got = agent_list_read(span_of(v.b, v.len), &l);
		TEST_CASE(cases[i].name, got == cases[i].want);
		TEST_CASE(cases[i].name, got == AGENT_OK || l.left == 77);
		while (got == AGENT_OK && agent_list_next(&l, &k))
			n++;
		TEST_CASE(cases[i].name, n == cases[i].keys && k.kind == cases[i].last);
	}
}

static void test_parts(void **state)
{
	(void)state;
	struct bytes v = unhex(ONE_SK);
	struct agent_list l;
	struct agent_key k;
	assert_int_equal(agent_list_read(span_of(v.b, v.len), &l), AGENT_OK);
	assert_true(agent_list_next(&l, &k));
	assert_ptr_equal(k.blob.data, v.b + 9);
	assert_int_equal(k.blob.len, 74);
	assert_int_equal(k.pk.data[31], 0xbf);
	assert_true(span_equal(k.application, span_of("ssh:", 4)));
	assert_int_equal(k.comment.len, 0);
	assert_false(agent_list_next(&l, &k));
}

#define SIGNED_ED                                                                                  \
	"0e"                                                                                       \
	"00000053" KEY_ED SIG
#define SIGNED_SK                                                                                  \
	"0e"                                                                                       \
	"00000067" KEY_SK SIG "0500000102"

static void test_signatures(void **state)
{
	(void)state;
	static const struct {
		const char *name, *hex;
		enum agent_kind kind;
		enum agent_answer want;
	} cases[] = {
		{ "plain", SIGNED_ED, AGENT_ED25519, AGENT_OK },
		{ "token", SIGNED_SK, AGENT_TOKEN, AGENT_OK },
		{ "plain for a token", SIGNED_ED, AGENT_TOKEN, AGENT_MALFORMED },
		{ "token for a plain key", SIGNED_SK, AGENT_ED25519, AGENT_MALFORMED },
		{ "no counter",
			"0e"
			"00000062" KEY_SK SIG,
			AGENT_TOKEN, AGENT_MALFORMED },
		{ "half a counter",
			"0e"
			"00000065" KEY_SK SIG "050000",
			AGENT_TOKEN, AGENT_MALFORMED },
		{ "more inside",
			"0e"
			"00000054" KEY_ED SIG "00",
			AGENT_ED25519, AGENT_MALFORMED },
		{ "more behind", SIGNED_ED "00", AGENT_ED25519, AGENT_MALFORMED },
		{ "short signature",
			"0e"
			"00000033" KEY_ED PK,
			AGENT_ED25519, AGENT_MALFORMED },
		{ "empty", "0e00000000", AGENT_ED25519, AGENT_MALFORMED },
		{ "nothing", "", AGENT_ED25519, AGENT_MALFORMED },
		{ "a list", "0c00000000", AGENT_ED25519, AGENT_MALFORMED },
		{ "no", "05", AGENT_ED25519, AGENT_REFUSED },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct bytes v = unhex(cases[i].hex);
		struct spa_proof p = { .fido_flags = 77 };
		enum agent_answer got = agent_sign_read(span_of(v.b, v.len), cases[i].kind, &p);
		TEST_CASE(cases[i].name, got == cases[i].want);
		TEST_CASE(cases[i].name, got == AGENT_OK || p.fido_flags == 77);
		if (got == AGENT_OK)
			TEST_CASE(cases[i].name, p.signature[63] == 0xbf);
		if (got == AGENT_OK && cases[i].kind == AGENT_TOKEN)
			TEST_CASE(cases[i].name, p.fido_flags == 5 && p.fido_counter == 0x102);
	}
}

static void test_prefixes(void **state)
{
	(void)state;
	static const char *const good[] = { ONE_ED, ONE_SK, SIGNED_ED, SIGNED_SK };
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		struct bytes v = unhex(good[i]);
		struct agent_list l;
		struct spa_proof p;
		for (size_t len = 0; len < v.len; len++) {
			struct span s = span_of(v.b, len);
			assert_int_not_equal(agent_list_read(s, &l), AGENT_OK);
			assert_int_not_equal(agent_sign_read(s, AGENT_ED25519, &p), AGENT_OK);
			assert_int_not_equal(agent_sign_read(s, AGENT_TOKEN, &p), AGENT_OK);
		}
	}
}

/* A flip in a length or a type word is refused; of a signature only the 64 bytes are free. */
static void test_flips(void **state)
{
	(void)state;
	struct bytes v = unhex(SIGNED_ED);
	struct spa_proof p;
	for (size_t bit = 0; bit < 8 * v.len; bit++) {
		v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		bool is_free = bit / 8 >= v.len - 64;
		assert_int_equal(
			agent_sign_read(span_of(v.b, v.len), AGENT_ED25519, &p) == AGENT_OK,
			is_free);
		v.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	v = unhex(ONE_ED);
	for (size_t bit = 0; bit < 8 * v.len; bit++) {
		struct agent_list l;
		struct agent_key k = { .kind = AGENT_OTHER };
		size_t at = bit / 8;
		v.b[at] ^= (uint8_t)(1u << bit % 8);
		bool is_read = agent_list_read(span_of(v.b, v.len), &l) == AGENT_OK;
		if (is_read)
			assert_true(agent_list_next(&l, &k));
		/* Only key and comment are free. */
		bool is_free = (at >= 28 && at < 60) || at >= 64;
		assert_int_equal(is_read && k.kind == AGENT_ED25519, is_free);
		v.b[at] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_questions(void **state)
{
	(void)state;
	uint8_t to[64];
	struct writer w = writer_init(to, sizeof(to));
	agent_list_write(&w);
	assert_int_equal(w.len, 1);
	assert_int_equal(to[0], 11);
	struct bytes want = unhex("0d"
				  "000000026b6b"
				  "0000000164"
				  "00000000");
	w = writer_init(to, sizeof(to));
	agent_sign_write(&w, span_of("kk", 2), span_of("d", 1));
	assert_true(span_equal(writer_span(&w), span_of(want.b, want.len)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_parts),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_questions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
