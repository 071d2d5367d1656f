/* HPKE against RFC 9180 A.2 and HKDF against RFC 5869, byte for byte. */

#include <sodium.h>

#include "knock/hpke.h"
#include "test.h"
#include "vector.h"

static void assert_bytes(
	const char *what, const struct vector *want, const uint8_t *got, size_t len)
{
	TEST_CASE(what, want->len == len);
	TEST_CASE(what, memcmp(want->b, got, len) == 0);
}

static void test_hkdf_vectors(void **state)
{
	(void)state;
	for (int i = 1; i <= 3; i++) {
		char name[8];
		uint8_t prk[32], okm[128];
		snprintf(name, sizeof(name), "ikm%d", i);
		struct vector ikm = vector_get("hkdf.txt", name);
		snprintf(name, sizeof(name), "salt%d", i);
		struct vector salt = vector_get("hkdf.txt", name);
		snprintf(name, sizeof(name), "info%d", i);
		struct vector info = vector_get("hkdf.txt", name);
		snprintf(name, sizeof(name), "prk%d", i);
		struct vector want_prk = vector_get("hkdf.txt", name);
		snprintf(name, sizeof(name), "okm%d", i);
		struct vector want_okm = vector_get("hkdf.txt", name);

		hkdf_extract(vector_span(&salt), vector_span(&ikm), prk);
		assert_bytes(name, &want_prk, prk, sizeof(prk));
		hkdf_expand(prk, vector_span(&info), okm, want_okm.len);
		assert_bytes(name, &want_okm, okm, want_okm.len);
	}
}

static void test_hkdf_longest(void **state)
{
	(void)state;
	static uint8_t all[255 * 32], part[255 * 32 - 5];
	uint8_t prk[32] = { 1 };
	hkdf_expand(prk, (struct span){ NULL, 0 }, all, sizeof(all));
	hkdf_expand(prk, (struct span){ NULL, 0 }, part, sizeof(part));
	assert_memory_equal(all, part, sizeof(part));
}

struct both {
	struct hpke_context sender, receiver;
	uint8_t enc[HPKE_KEY_LEN];
};

static struct both set_up(const char *file, const struct hpke_psk *psk)
{
	struct both b;
	struct hpke_secret sk_e, sk_r;
	uint8_t pk_r[HPKE_KEY_LEN];
	struct vector info = vector_get(file, "info");
	memcpy(sk_e.b, vector_get(file, "skE").b, 32);
	memcpy(sk_r.b, vector_get(file, "skR").b, 32);
	hpke_public_key(&sk_r, pk_r);
	assert_true(hpke_sender(pk_r, &sk_e, vector_span(&info), psk, b.enc, &b.sender));
	assert_true(hpke_receiver(b.enc, &sk_r, vector_span(&info), psk, &b.receiver));
	return b;
}

static void check_vectors(const char *file, const struct hpke_psk *psk)
{
	struct both b = set_up(file, psk);
	struct vector enc = vector_get(file, "enc"), key = vector_get(file, "key"),
		      nonce = vector_get(file, "base_nonce"),
		      exporter = vector_get(file, "exporter_secret"), ct = vector_get(file, "ct"),
		      pt = vector_get(file, "pt"), aad = vector_get(file, "aad"),
		      export = vector_get(file, "export");
	uint8_t cipher[64], plain[64], exported[32];

	assert_bytes("enc", &enc, b.enc, sizeof(b.enc));
	assert_bytes("key", &key, b.sender.key, 32);
	assert_bytes("nonce", &nonce, b.sender.base_nonce, 12);
	assert_bytes("exporter", &exporter, b.sender.exporter, 32);
	assert_memory_equal(&b.sender, &b.receiver, sizeof(b.sender));
	hpke_seal(&b.sender, vector_span(&aad), vector_span(&pt), cipher);
	assert_bytes("ct", &ct, cipher, pt.len + HPKE_TAG_LEN);
	assert_true(hpke_open(&b.receiver, vector_span(&aad), vector_span(&ct), plain));
	assert_bytes("pt", &pt, plain, pt.len);
	hpke_export(&b.receiver, (struct span){ NULL, 0 }, exported);
	assert_bytes("export", &export, exported, 32);
}

static void test_base_vectors(void **state)
{
	(void)state;
	check_vectors("hpke_base.txt", NULL);
}

static struct hpke_psk vector_psk(const struct vector *id)
{
	struct hpke_psk psk = { .id = vector_span(id) };
	memcpy(psk.key, vector_get("hpke_psk.txt", "psk").b, HPKE_PSK_LEN);
	return psk;
}

static void test_psk_vectors(void **state)
{
	(void)state;
	struct vector id = vector_get("hpke_psk.txt", "psk_id");
	struct hpke_psk psk = vector_psk(&id);
	check_vectors("hpke_psk.txt", &psk);
}

static void test_psk_matters(void **state)
{
	(void)state;
	struct vector id = vector_get("hpke_psk.txt", "psk_id");
	struct hpke_psk psk = vector_psk(&id);
	struct both with = set_up("hpke_psk.txt", &psk);
	struct both without = set_up("hpke_psk.txt", NULL);
	assert_memory_not_equal(with.sender.key, without.sender.key, 32);
	psk.key[31] ^= 1;
	struct both other = set_up("hpke_psk.txt", &psk);
	assert_memory_not_equal(with.sender.key, other.sender.key, 32);
	psk.key[31] ^= 1;
	psk.id.len--;
	other = set_up("hpke_psk.txt", &psk);
	assert_memory_not_equal(with.sender.key, other.sender.key, 32);
}

static void test_open_refuses_changes(void **state)
{
	(void)state;
	struct both b = set_up("hpke_base.txt", NULL);
	struct vector ct = vector_get("hpke_base.txt", "ct"),
		      aad = vector_get("hpke_base.txt", "aad");
	uint8_t plain[64];

	for (size_t bit = 0; bit < 8 * ct.len; bit++) {
		ct.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(hpke_open(&b.receiver, vector_span(&aad), vector_span(&ct), plain));
		ct.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t len = 0; len < ct.len; len++)
		assert_false(hpke_open(&b.receiver, vector_span(&aad), span_of(ct.b, len), plain));
	for (size_t len = 0; len < aad.len; len++)
		assert_false(hpke_open(&b.receiver, span_of(aad.b, len), vector_span(&ct), plain));
	assert_true(hpke_open(&b.receiver, vector_span(&aad), vector_span(&ct), plain));
}

/* The points of small order on Curve25519 and its twist, and their non-canonical forms. */
static const char *const low_order[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void test_low_order_points(void **state)
{
	(void)state;
	const struct hpke_secret sk = { { 7 } };
	static const struct hpke_context zero;
	for (size_t i = 0; i < 2 * TEST_LEN(low_order); i++) {
		uint8_t point[32], enc[32];
		struct hpke_context c;
		memset(&c, 0xaa, sizeof(c));
		assert_true(text_unhex(low_order[i / 2], point, sizeof(point)));
		/* RFC 7748 5: the top bit is ignored. */
		point[31] |= i % 2 == 0 ? 0 : 0x80;
		TEST_CASE(low_order[i / 2],
			!hpke_sender(point, &sk, (struct span){ NULL, 0 }, NULL, enc, &c));
		TEST_CASE(low_order[i / 2], memcmp(&c, &zero, sizeof(c)) == 0);
		TEST_CASE(low_order[i / 2],
			!hpke_receiver(point, &sk, (struct span){ NULL, 0 }, NULL, &c));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hkdf_vectors),
		cmocka_unit_test(test_hkdf_longest),
		cmocka_unit_test(test_base_vectors),
		cmocka_unit_test(test_psk_vectors),
		cmocka_unit_test(test_psk_matters),
		cmocka_unit_test(test_open_refuses_changes),
		cmocka_unit_test(test_low_order_points),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
