/* Knocks whose key is in an agent or a token, against vectors that ssh-keygen and others made. */

#include "fixture.h"
#include "knock/sshsig.h"

#define PLAIN "spa_sshsig.txt"
#define TOKEN "spa_sk.txt"

static void test_data(void **state)
{
	(void)state;
	static const char *const files[] = { PLAIN, TOKEN };
	for (size_t i = 0; i < TEST_LEN(files); i++) {
		struct vector transcript = vector_get(files[i], "transcript");
		struct vector want = vector_get(files[i], "data");
		uint8_t got[SSHSIG_DATA_LEN];
		sshsig_data(vector_span(&transcript), got);
		TEST_CASE(files[i], span_equal(SPAN_OF(got), vector_span(&want)));
	}
}

/* Fill the request that the vectors are about. */
static void prepare(struct fixture *x, const char *file, enum spa_signature type)
{
	fixture_init(x);
	memcpy(x->key_id, vector_get(file, "keyid").b, sizeof(x->key_id));
	x->request.identity_type = SPA_ID_SSH;
	x->request.signature_type = type;
}

static void test_plain_key(void **state)
{
	(void)state;
	struct fixture x;
	struct vector want = vector_get(PLAIN, "request"), data = vector_get(PLAIN, "data");
	struct spa_draft d;
	struct spa_proof p = { 0 };

	prepare(&x, PLAIN, SPA_SIG_SSHSIG);
	assert_true(spa_request_prepare(&x.target, &x.request, &x.ephemeral, FIXTURE_MS, &d));
	assert_true(span_equal(span_of(d.to_sign, d.to_sign_len), vector_span(&data)));
	memcpy(p.signature, vector_get(PLAIN, "signature").b, sizeof(p.signature));
	assert_int_equal(spa_request_finish(&d, &p, x.datagram, &x.client_ctx), SPA_SMALL_LEN);
	assert_true(span_equal(fixture_datagram(&x), vector_span(&want)));
	/* An ID file's key signs the same. */
	memset(x.datagram, 0, sizeof(x.datagram));
	assert_int_equal(fixture_build(&x), SPA_SMALL_LEN);
	assert_true(span_equal(fixture_datagram(&x), vector_span(&want)));
}

static void test_token(void **state)
{
	(void)state;
	struct fixture x;
	struct vector want = vector_get(TOKEN, "request"), data = vector_get(TOKEN, "data");
	struct spa_draft d;
	struct spa_proof p = { .fido_flags = 5, .fido_counter = 0x01020304 };

	prepare(&x, TOKEN, SPA_SIG_SK);
	assert_int_equal(fixture_build(&x), 0); /* no key of ours can sign as a token */
	assert_true(spa_request_prepare(&x.target, &x.request, &x.ephemeral, FIXTURE_MS, &d));
	assert_true(span_equal(span_of(d.to_sign, d.to_sign_len), vector_span(&data)));
	memcpy(p.signature, vector_get(TOKEN, "signature").b, sizeof(p.signature));
	assert_int_equal(spa_request_finish(&d, &p, x.datagram, &x.client_ctx), SPA_SMALL_LEN);
	assert_true(span_equal(fixture_datagram(&x), vector_span(&want)));
	spa_draft_wipe(&d);
	assert_true(span_is_zero(span_of(&d, sizeof(d))));
}

/* A selector of any length leaves room for the five bytes of a token. */
static void test_always_fits(void **state)
{
	(void)state;
	static const char name[] =
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
	struct fixture x;
	struct spa_draft d;
	struct spa_proof p = { 0 };
	prepare(&x, TOKEN, SPA_SIG_SK);
	for (size_t len = 1; len <= SPA_SELECTOR_MAX + 1; len++) {
		bool fits = len <= SPA_SELECTOR_MAX;
		x.request.selector = span_of(name, len);
		assert_int_equal(
			spa_request_prepare(&x.target, &x.request, &x.ephemeral, FIXTURE_MS, &d),
			fits);
		if (fits)
			assert_int_equal(spa_request_finish(&d, &p, x.datagram, &x.client_ctx),
				SPA_SMALL_LEN);
	}
}

/* What our own decoder would refuse is not sealed. */
static void test_mismatch_is_not_sealed(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum spa_identity identity;
		enum spa_signature signature;
		bool is_good;
	} cases[] = {
		{ "key id, plain", SPA_ID_KEY, SPA_SIG_ED25519, true },
		{ "key id, agent", SPA_ID_KEY, SPA_SIG_SSHSIG, true },
		{ "key id, token", SPA_ID_KEY, SPA_SIG_SK, false },
		{ "SSH, plain", SPA_ID_SSH, SPA_SIG_ED25519, true },
		{ "SSH, agent", SPA_ID_SSH, SPA_SIG_SSHSIG, true },
		{ "SSH, token", SPA_ID_SSH, SPA_SIG_SK, true },
		{ "chain", SPA_ID_CHAIN, SPA_SIG_ED25519, false },
		{ "no signature", SPA_ID_SSH, (enum spa_signature)0, false },
	};
	struct fixture x;
	struct spa_draft d;
	struct spa_proof p = { 0 };
	fixture_init(&x);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		x.request.identity_type = cases[i].identity;
		x.request.signature_type = cases[i].signature;
		bool is_made =
			spa_request_prepare(&x.target, &x.request, &x.ephemeral, FIXTURE_MS, &d) &&
			spa_request_finish(&d, &p, x.datagram, &x.client_ctx) == SPA_SMALL_LEN;
		TEST_CASE(cases[i].name, is_made == cases[i].is_good);
	}
}

static void test_verify_token(void **state)
{
	(void)state;
	struct vector data = vector_get(TOKEN, "data"), signature = vector_get(TOKEN, "signature");
	uint8_t pk[32], sk[64];
	crypto_sign_seed_keypair(pk, sk, vector_get(TOKEN, "token_seed").b);
	const struct sshsig_token good = { span_of("ssh:", 4), 5, 0x01020304 };
	struct sshsig_token t = good;

	assert_true(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
	t.flags = 4;
	assert_false(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
	t = good;
	t.counter++;
	assert_false(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
	t = good;
	t.application = span_of("web:", 4);
	assert_false(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
	t = good;
	for (size_t bit = 0; bit < 8 * data.len; bit++) {
		data.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
		data.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	for (size_t bit = 0; bit < 8 * signature.len; bit++) {
		signature.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(sshsig_verify_token(pk, &t, vector_span(&data), signature.b));
		signature.b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data),
		cmocka_unit_test(test_plain_key),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_always_fits),
		cmocka_unit_test(test_mismatch_is_not_sealed),
		cmocka_unit_test(test_verify_token),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
