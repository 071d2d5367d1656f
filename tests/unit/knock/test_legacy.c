/* MD5, HMAC-MD5 and Blowfish: published values, and what their use allocates. */

#include <openssl/crypto.h>

#include "base/text.h"
#include "knock/legacy.h"
#include "test.h"

static size_t allocations, live;

static void *count_malloc(size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	live++;
	return malloc(len);
}

static void *count_realloc(void *old, size_t len, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	live += old == NULL;
	return realloc(old, len);
}

static void count_free(void *old, const char *file, int line)
{
	(void)file;
	(void)line;
	live -= old != NULL;
	free(old);
}

static struct legacy *legacy;

static void test_md5(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		/* RFC 1321 A.5 */
		{ "", "d41d8cd98f00b204e9800998ecf8427e" },
		{ "abc", "900150983cd24fb0d6963f7d28e17f72" },
		{ "message digest", "f96b697d7cb7938d525a2f31aaf161d0" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t got[LEGACY_MD5_LEN];
		char hex[2 * LEGACY_MD5_LEN + 1];
		struct span text = span_of(cases[i].text, strlen(cases[i].text));
		assert_true(legacy_md5(legacy, text, got));
		assert_string_equal(text_hex(SPAN_OF(got), hex), cases[i].want);
	}
}

static void test_hmac_md5(void **state)
{
	(void)state;
	/* RFC 2202 2, cases 1 to 3. */
	uint8_t key[16], data[50], got[LEGACY_MD5_LEN];
	char hex[2 * LEGACY_MD5_LEN + 1];
	memset(key, 0x0b, sizeof(key));
	assert_true(legacy_hmac_md5(legacy, SPAN_OF(key), span_of("Hi There", 8), got));
	assert_string_equal(text_hex(SPAN_OF(got), hex), "9294727a3638bb1c13f48ef8158bfc9d");
	assert_true(legacy_hmac_md5(
		legacy, span_of("Jefe", 4), span_of("what do ya want for nothing?", 28), got));
	assert_string_equal(text_hex(SPAN_OF(got), hex), "750c783e6ab0b503eaa86e310a5db738");
	memset(key, 0xaa, sizeof(key));
	memset(data, 0xdd, sizeof(data));
	assert_true(legacy_hmac_md5(legacy, SPAN_OF(key), SPAN_OF(data), got));
	assert_string_equal(text_hex(SPAN_OF(got), hex), "56be34521d144c88dbb8c733f0e8b3f6");
}

static void test_blowfish(void **state)
{
	(void)state;
	/* A key of 56 bytes that repeats one of eight is the same key: Blowfish repeats it too. */
	static const struct {
		uint8_t key;
		const char *plain, *want;
	} cases[] = {
		{ 0x00, "0000000000000000", "4ef997456198dd78" },
		{ 0xff, "ffffffffffffffff", "51866fd5b85ecb8a" },
		{ 0x11, "1111111111111111", "2466dd878b963c9d" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t key[LEGACY_BLOWFISH_KEY_LEN], b[LEGACY_BLOCK_LEN], want[LEGACY_BLOCK_LEN];
		char hex[2 * LEGACY_BLOCK_LEN + 1];
		struct legacy_blowfish *fish = NULL;
		struct fault f;
		memset(key, cases[i].key, sizeof(key));
		assert_int_equal(legacy_blowfish_new(legacy, key, &fish, &f), 0);
		assert_true(text_unhex(cases[i].plain, want, sizeof(want)));
		memcpy(b, want, sizeof(b));
		assert_true(legacy_blowfish_encrypt(fish, b, b));
		assert_string_equal(text_hex(SPAN_OF(b), hex), cases[i].want);
		assert_true(legacy_blowfish_decrypt(fish, b, b));
		assert_memory_equal(b, want, sizeof(b));
		legacy_blowfish_free(fish);
	}
	legacy_blowfish_free(NULL);
}

static void test_allocations(void **state)
{
	(void)state;
	uint8_t key[LEGACY_BLOWFISH_KEY_LEN] = { 1 }, b[LEGACY_MD5_LEN] = { 0 };
	struct legacy_blowfish *fish = NULL;
	struct fault f;
	assert_int_equal(legacy_blowfish_new(legacy, key, &fish, &f), 0);
	assert_true(allocations > 0);
	size_t before = allocations;
	for (unsigned i = 0; i < 100; i++) {
		assert_true(legacy_blowfish_decrypt(fish, b, b));
		assert_true(legacy_blowfish_encrypt(fish, b, b));
	}
	assert_int_equal(allocations, before);
	/* At most one a hash, and none of them stays. */
	size_t live_before = live;
	for (unsigned i = 0; i < 100; i++)
		assert_true(legacy_hmac_md5(legacy, SPAN_OF(b), SPAN_OF(key), b));
	assert_true(allocations - before <= 200);
	assert_int_equal(live, live_before);
	legacy_blowfish_free(fish);
}

static int open_legacy(void **state)
{
	(void)state;
	struct fault f;
	return legacy_open(&legacy, &f);
}

static int close_legacy(void **state)
{
	(void)state;
	legacy_close(legacy);
	legacy_close(NULL);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_md5),
		cmocka_unit_test(test_hmac_md5),
		cmocka_unit_test(test_blowfish),
		cmocka_unit_test(test_allocations),
	};
	/* Before OpenSSL has allocated anything. */
	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		return 1;
	return cmocka_run_group_tests(tests, open_legacy, close_legacy);
}
