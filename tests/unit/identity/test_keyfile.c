#include <openssl/evp.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <sodium.h>

#include "base/file.h"
#include "base/pem.h"
#include "identity/keyfile.h"
#include "test.h"

/* Files written by ssh-keygen and openssl; the passphrase of the locked ones is "secret". */
static struct span vector(const char *name)
{
	char path[300];
	uint8_t *data = NULL;
	size_t len = 0;
	struct fault f;
	snprintf(path, sizeof(path), "%s/identity/%s", TEST_VECTORS, name);
	assert_int_equal(file_read(path, FILE_ANY, KEYFILE_MAX, &data, &len, &f), 0);
	return span_of(data, len);
}

static void drop(struct span s)
{
	free((void *)(uintptr_t)s.data);
}

static struct span words(const char *text)
{
	return span_of(text, strlen(text));
}

static const uint8_t pkcs8_seed[32] = { 0x11, 0x16, 0x5b, 0xcc, 0x2e, 0x1d, 0x68, 0x4c, 0x3a, 0x12,
	0x04, 0xf5, 0xdd, 0x2e, 0x77, 0xef, 0xc0, 0x49, 0x0b, 0x0a, 0x56, 0x41, 0x8c, 0x1a, 0xad,
	0x01, 0xd2, 0xc4, 0xf4, 0x60, 0x8d, 0xe0 };

static void test_read(void **state)
{
	static const struct {
		const char *file;
		bool is_ssh;
		const char *password;
		enum keyfile_result want;
	} cases[] = {
		{ "ssh-key", true, NULL, KEYFILE_OK },
		{ "ssh-key-locked", true, NULL, KEYFILE_ENCRYPTED },
		{ "ssh-key-ecdsa", true, NULL, KEYFILE_KIND },
		{ "pkcs8.pem", true, NULL, KEYFILE_FORMAT },
		{ "ssh-key", false, NULL, KEYFILE_FORMAT },
		{ "pkcs8.pem", false, NULL, KEYFILE_OK },
		{ "pkcs8-locked.pem", false, NULL, KEYFILE_ENCRYPTED },
		{ "pkcs8-locked.pem", false, "wrong", KEYFILE_PASSWORD },
		{ "pkcs8-locked.pem", false, "secret", KEYFILE_OK },
		{ "vsd.pem", false, NULL, KEYFILE_FORMAT },
		{ "names", true, NULL, KEYFILE_FORMAT },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t seed[32] = { 0 };
		struct span text = vector(cases[i].file);
		struct span password = { 0 };
		if (cases[i].password != NULL)
			password = words(cases[i].password);
		enum keyfile_result got = cases[i].is_ssh
			? keyfile_ssh_read(text, seed)
			: keyfile_pkcs8_read(text, password, seed);
		TEST_CASE(cases[i].file, got == cases[i].want);
		TEST_CASE(cases[i].file, (got == KEYFILE_OK) != span_is_zero(SPAN_OF(seed)));
		if (got == KEYFILE_OK && !cases[i].is_ssh && cases[i].password == NULL)
			assert_memory_equal(seed, pkcs8_seed, 32);
		assert_int_equal(keyfile_result_text(got)[0] == '\0', got == KEYFILE_OK);
		drop(text);
	}
}

static void test_ssh_public(void **state)
{
	uint8_t seed[32];
	struct span text = vector("ssh-key"), want = vector("ssh-key.pub");
	(void)state;
	assert_int_equal(keyfile_ssh_read(text, seed), KEYFILE_OK);
	char *line = keyfile_ssh_public(seed, "jane@laptop");
	assert_string_equal(line, (const char *)want.data);
	free(line);
	drop(text);
	drop(want);
}

static void test_ssh_encode(void **state)
{
	uint8_t seed[32], body[KEYFILE_SSH_LEN_MAX], again[32];
	char longer[KEYFILE_COMMENT_MAX + 2];
	(void)state;
	randombytes_buf(seed, sizeof(seed));
	for (size_t len = 0; len <= KEYFILE_COMMENT_MAX; len++) {
		memset(longer, 'c', sizeof(longer));
		longer[len] = '\0';
		size_t n = keyfile_ssh_encode(seed, longer, 7, body);
		assert_true(n > 0);
		assert_int_equal(keyfile_ssh_decode(span_of(body, n), again), KEYFILE_OK);
		assert_memory_equal(seed, again, 32);
	}
	memset(longer, 'c', sizeof(longer));
	longer[KEYFILE_COMMENT_MAX + 1] = '\0';
	assert_int_equal(keyfile_ssh_encode(seed, longer, 7, body), 0);
	assert_null(keyfile_ssh_write(seed, longer));
	assert_null(keyfile_ssh_public(seed, "two\nlines"));
	char *text = keyfile_ssh_write(seed, "two words");
	assert_non_null(text);
	assert_int_equal(keyfile_ssh_read(words(text), again), KEYFILE_OK);
	assert_memory_equal(seed, again, 32);
	free(text);
}

/* No bit of a key goes wrong unseen: what is still read gives the same seed (comment, check number). */
static void test_ssh_damage(void **state)
{
	uint8_t seed[32], body[KEYFILE_SSH_LEN_MAX], got[32];
	(void)state;
	randombytes_buf(seed, sizeof(seed));
	size_t len = keyfile_ssh_encode(seed, "janejane", 0x01020304, body), taken = 0;
	for (size_t n = 0; n < len; n++)
		assert_int_not_equal(keyfile_ssh_decode(span_of(body, n), got), KEYFILE_OK);
	for (size_t bit = 0; bit < len * 8; bit++) {
		body[bit / 8] ^= (uint8_t)(1u << (bit % 8));
		if (keyfile_ssh_decode(span_of(body, len), got) == KEYFILE_OK) {
			assert_memory_equal(seed, got, 32);
			taken++;
		}
		body[bit / 8] ^= (uint8_t)(1u << (bit % 8));
	}
	assert_int_equal(taken, strlen("janejane") * 8);
	body[len] = 0;
	assert_int_equal(keyfile_ssh_decode(span_of(body, len + 1), got), KEYFILE_FORMAT);
}

static void test_ssh_text_damage(void **state)
{
	uint8_t got[32];
	struct span text = vector("ssh-key");
	(void)state;
	for (size_t n = 0; n < text.len; n++)
		assert_int_not_equal(keyfile_ssh_read(span_of(text.data, n), got), KEYFILE_OK);
	drop(text);
}

static void test_pkcs8_round(void **state)
{
	uint8_t seed[32], again[32];
	(void)state;
	randombytes_buf(seed, sizeof(seed));
	char *text = keyfile_pkcs8_write(seed, words("a password"));
	assert_non_null(text);
	assert_int_equal(keyfile_pkcs8_read(words(text), words("a password"), again), KEYFILE_OK);
	assert_memory_equal(seed, again, 32);
	assert_int_equal(
		keyfile_pkcs8_read(words(text), words("a passwore"), again), KEYFILE_PASSWORD);
	assert_null(keyfile_pkcs8_write(seed, words("")));
	free(text);
}

static void test_pkcs8_damage(void **state)
{
	uint8_t seed[32];
	struct span good = vector("pkcs8.pem");
	(void)state;
	for (size_t n = 0; n < good.len; n++)
		assert_int_not_equal(
			keyfile_pkcs8_read(span_of(good.data, n), words(""), seed), KEYFILE_OK);
	drop(good);
}

/* ------------------------------------------------------------------ PKCS#12 */

static EVP_PKEY *new_key(bool is_rsa)
{
	return is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
}

static X509 *new_cert(EVP_PKEY *key)
{
	X509 *x = X509_new();
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"jane", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	X509_set_pubkey(x, key);
	assert_true(X509_sign(x, key, EVP_sha256()) > 0);
	return x;
}

static size_t make_pkcs12(EVP_PKEY *key, X509 *cert, bool is_tagged, uint8_t **ret)
{
	PKCS12 *p = PKCS12_create(
		"secret", "jane", key, cert, NULL, 0, 0, 1000, is_tagged ? 1000 : -1, 0);
	assert_non_null(p);
	*ret = NULL;
	int len = i2d_PKCS12(p, ret);
	PKCS12_free(p);
	assert_true(len > 0);
	return (size_t)len;
}

static void test_pkcs12(void **state)
{
	static struct keyfile_pair pair, again;
	(void)state;
	for (int is_rsa = 0; is_rsa < 2; is_rsa++) {
		EVP_PKEY *key = new_key(is_rsa == 1);
		X509 *cert = new_cert(key);
		uint8_t *der, *ours;
		size_t len = make_pkcs12(key, cert, true, &der), ours_len = 0;

		assert_int_equal(keyfile_pkcs12_read(span_of(der, len), words("wrong"), &pair),
			KEYFILE_PASSWORD);
		assert_int_equal(
			keyfile_pkcs12_read(span_of(der, len), span_of("secret", 7), &pair),
			KEYFILE_PASSWORD);
		assert_int_equal(keyfile_pkcs12_read(span_of(der, len - 1), words("secret"), &pair),
			KEYFILE_FORMAT);
		assert_int_equal(
			keyfile_pkcs12_read(span_of(der, len), words("secret"), &pair), KEYFILE_OK);
		assert_true(pair.cert_len > 100 && pair.key_len > 100 && pair.others == 0);
		ours = keyfile_pkcs12_write(&pair, "jane", words("other"), &ours_len);
		assert_non_null(ours);
		assert_int_equal(
			keyfile_pkcs12_read(span_of(ours, ours_len), words("other"), &again),
			KEYFILE_OK);
		assert_true(again.cert_len == pair.cert_len && again.key_len == pair.key_len);
		assert_memory_equal(again.cert, pair.cert, pair.cert_len);
		assert_memory_equal(again.key, pair.key, pair.key_len);
		free(ours);
		OPENSSL_free(der);
		X509_free(cert);
		EVP_PKEY_free(key);
	}
}

/* A certificate of another key, and one that is too long. */
static void test_pkcs12_refused(void **state)
{
	static struct keyfile_pair pair;
	uint8_t big[KEYFILE_DER_MAX];
	EVP_PKEY *key = new_key(false);
	X509 *cert = new_cert(key);
	uint8_t *der;
	(void)state;

	ASN1_OCTET_STRING *filler = ASN1_OCTET_STRING_new();
	memset(big, 'x', sizeof(big));
	ASN1_OCTET_STRING_set(filler, big, sizeof(big));
	X509_add1_ext_i2d(cert, NID_netscape_comment, filler, 0, 0);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	size_t len = make_pkcs12(key, cert, true, &der);
	assert_int_equal(
		keyfile_pkcs12_read(span_of(der, len), words("secret"), &pair), KEYFILE_SIZE);
	OPENSSL_free(der);
	ASN1_OCTET_STRING_free(filler);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* Without a tag over the whole, a wrong password would show only by luck. */
static void test_pkcs12_untagged(void **state)
{
	static struct keyfile_pair pair;
	EVP_PKEY *key = new_key(false);
	X509 *cert = new_cert(key);
	uint8_t *der;
	(void)state;
	size_t len = make_pkcs12(key, cert, false, &der);
	assert_int_equal(
		keyfile_pkcs12_read(span_of(der, len), words("secret"), &pair), KEYFILE_FORMAT);
	OPENSSL_free(der);
	X509_free(cert);
	EVP_PKEY_free(key);
}

/* 100000 iterations, wherever they stand, become 8388607. */
static size_t make_costly(uint8_t *der, size_t len)
{
	static const uint8_t few[] = { 2, 3, 0x01, 0x86, 0xa0 },
			     many[] = { 2, 3, 0x7f, 0xff, 0xff };
	size_t found = 0;
	for (size_t i = 0; i + sizeof(few) <= len; i++)
		if (memcmp(der + i, few, sizeof(few)) == 0) {
			memcpy(der + i, many, sizeof(many));
			found++;
		}
	return found;
}

static void say_scrypt(X509_SIG *locked, uint64_t n, uint64_t r, uint64_t p)
{
	X509_ALGOR *how;
	ASN1_OCTET_STRING *unused;
	X509_SIG_getm(locked, &how, &unused);
	PBE2PARAM *two = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), how->parameter);
	X509_ALGOR *function = two->keyfunc;
	SCRYPT_PARAMS *kdf =
		ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), function->parameter);
	assert_int_equal(ASN1_INTEGER_set_uint64(kdf->costParameter, n), 1);
	assert_int_equal(ASN1_INTEGER_set_uint64(kdf->blockSize, r), 1);
	assert_int_equal(ASN1_INTEGER_set_uint64(kdf->parallelizationParameter, p), 1);
	assert_non_null(
		ASN1_TYPE_pack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), kdf, &function->parameter));
	assert_non_null(ASN1_TYPE_pack_sequence(ASN1_ITEM_rptr(PBE2PARAM), two, &how->parameter));
	SCRYPT_PARAMS_free(kdf);
	PBE2PARAM_free(two);
}

/* The same for scrypt, whose p OpenSSL leaves open; sixteen times what we write is as far as it goes. */
static void test_costly_scrypt(void **state)
{
	static const struct {
		const char *name;
		uint64_t n, r, p;
		enum keyfile_result expected;
	} cases[] = {
		{ "ours", 16384, 8, 8, KEYFILE_OK },
		{ "small, many times", 16, 1, 1024, KEYFILE_OK },
		{ "sixteen times ours and one more", 16384, 8, 129, KEYFILE_COST },
		{ "hours", 16384, 8, 16384, KEYFILE_COST },
		{ "small, without end", 2, 8, 1u << 26, KEYFILE_COST },
		{ "p past all bounds", 16384, 8, UINT64_MAX, KEYFILE_COST },
		{ "a product that goes round", 1ull << 32, 1ull << 31, 2, KEYFILE_COST },
	};
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(
		EVP_PKEY_ED25519, NULL, pkcs8_seed, sizeof(pkcs8_seed));
	uint8_t salt[16] = { 1 }, seed[32];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		/* Locked for little, and then said to be locked for more: only what is let pass is tried. */
		bool is_good = cases[i].expected == KEYFILE_OK;
		PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
		X509_ALGOR *how = PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), salt, sizeof(salt), NULL,
			is_good ? cases[i].n : 16, is_good ? cases[i].r : 1,
			is_good ? cases[i].p : 1);
		assert_non_null(how);
		X509_SIG *locked = PKCS8_set0_pbe("secret", 6, info, how);
		assert_non_null(locked);
		if (!is_good)
			say_scrypt(locked, cases[i].n, cases[i].r, cases[i].p);
		uint8_t *der = NULL, *text = calloc(1, 4096);
		int len = i2d_X509_SIG(locked, &der);
		struct writer w = writer_init(text, 4096);
		pem_write(&w, "ENCRYPTED PRIVATE KEY", span_of(der, (size_t)len));
		TEST_CASE(cases[i].name,
			keyfile_pkcs8_read(writer_span(&w), words("secret"), seed) ==
				cases[i].expected);
		free(text);
		OPENSSL_free(der);
		X509_SIG_free(locked);
		PKCS8_PRIV_KEY_INFO_free(info);
	}
	EVP_PKEY_free(key);
}

/* A file that would keep the machine busy is told so at once, before its password is tried. */
static void test_costly(void **state)
{
	static struct keyfile_pair pair;
	EVP_PKEY *key = new_key(false);
	X509 *cert = new_cert(key);
	uint8_t *der, *ours, *text, seed[32];
	size_t ours_len = 0;
	(void)state;
	size_t len = make_pkcs12(key, cert, true, &der);
	assert_int_equal(
		keyfile_pkcs12_read(span_of(der, len), words("secret"), &pair), KEYFILE_OK);
	ours = keyfile_pkcs12_write(&pair, "jane", words("secret"), &ours_len);
	assert_non_null(ours);
	assert_true(make_costly(ours, ours_len) > 0);
	assert_int_equal(
		keyfile_pkcs12_read(span_of(ours, ours_len), words("secret"), &pair), KEYFILE_COST);
	free(ours);
	OPENSSL_free(der);

	PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(key);
	X509_SIG *locked = PKCS8_encrypt(-1, EVP_aes_256_cbc(), "secret", 6, NULL, 0, 100000, info);
	assert_non_null(locked);
	ours = NULL;
	int locked_len = i2d_X509_SIG(locked, &ours);
	assert_true(locked_len > 0 && make_costly(ours, (size_t)locked_len) == 1);
	text = calloc(1, 4096);
	struct writer w = writer_init(text, 4096);
	pem_write(&w, "ENCRYPTED PRIVATE KEY", span_of(ours, (size_t)locked_len));
	assert_int_equal(keyfile_pkcs8_read(writer_span(&w), words("secret"), seed), KEYFILE_COST);
	assert_int_equal(
		keyfile_pkcs8_read(writer_span(&w), span_of(NULL, 0), seed), KEYFILE_ENCRYPTED);
	free(text);
	OPENSSL_free(ours);
	X509_SIG_free(locked);
	PKCS8_PRIV_KEY_INFO_free(info);
	X509_free(cert);
	EVP_PKEY_free(key);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_read),
		cmocka_unit_test(test_ssh_public),
		cmocka_unit_test(test_ssh_encode),
		cmocka_unit_test(test_ssh_damage),
		cmocka_unit_test(test_ssh_text_damage),
		cmocka_unit_test(test_pkcs8_round),
		cmocka_unit_test(test_pkcs8_damage),
		cmocka_unit_test(test_pkcs12),
		cmocka_unit_test(test_pkcs12_refused),
		cmocka_unit_test(test_pkcs12_untagged),
		cmocka_unit_test(test_costly),
		cmocka_unit_test(test_costly_scrypt),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
