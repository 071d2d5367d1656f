/* Which signature satisfies which line of a directory, and counters that must grow. */

#include <errno.h>
#include <sodium.h>

#include "daemon/proof.h"
#include "knock/sshsig.h"
#include "store/place.h"
#include "test.h"

static const struct span transcript = { (const uint8_t *)"postern knock signature v1", 26 };

struct key {
	uint8_t pk[32], sk[64];
};

static struct key key_of(uint8_t first)
{
	uint8_t seed[32] = { first };
	struct key k;
	crypto_sign_seed_keypair(k.pk, k.sk, seed);
	return k;
}

static struct directory_entry entry_of(enum directory_key kind, const struct key *k)
{
	struct directory_entry e = { .key = kind, .application_len = 4, .requires_up = true };
	memcpy(e.pk, k->pk, sizeof(e.pk));
	memcpy(e.application, "ssh:", 4);
	return e;
}

/* A signature of this type, made by hand. */
static struct spa_request signed_by(
	const struct key *k, enum spa_signature type, uint8_t flags, uint8_t signature[64])
{
	struct spa_request q = { .signature_type = type, .signature = span_of(signature, 64) };
	uint8_t data[SSHSIG_DATA_LEN], message[69];
	sshsig_data(transcript, data);
	if (type == SPA_SIG_ED25519) {
		crypto_sign_detached(signature, NULL, transcript.data, transcript.len, k->sk);
	} else if (type == SPA_SIG_SSHSIG) {
		crypto_sign_detached(signature, NULL, data, sizeof(data), k->sk);
	} else {
		crypto_hash_sha256(message, (const uint8_t *)"ssh:", 4);
		memcpy(message + 32, (const uint8_t[]){ flags, 0, 0, 0, 9 }, 5);
		crypto_hash_sha256(message + 37, data, sizeof(data));
		crypto_sign_detached(signature, NULL, message, sizeof(message), k->sk);
		q.fido_flags = flags;
		q.fido_counter = 9;
	}
	return q;
}

static void test_kinds(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum directory_key kind;
		enum spa_signature type;
		bool want;
	} cases[] = {
		{ "plain line, plain signature", DIRECTORY_ED25519, SPA_SIG_ED25519, true },
		{ "plain line, agent", DIRECTORY_ED25519, SPA_SIG_SSHSIG, true },
		{ "plain line, token", DIRECTORY_ED25519, SPA_SIG_SK, false },
		{ "token line, plain signature", DIRECTORY_SK_ED25519, SPA_SIG_ED25519, false },
		{ "token line, agent", DIRECTORY_SK_ED25519, SPA_SIG_SSHSIG, false },
		{ "token line, token", DIRECTORY_SK_ED25519, SPA_SIG_SK, true },
		{ "no key in the line", DIRECTORY_KEY_ID_ONLY, SPA_SIG_ED25519, false },
	};
	struct key k = key_of(1), other = key_of(2);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t signature[64];
		struct spa_request q = signed_by(&k, cases[i].type, 1, signature);
		struct directory_entry e = entry_of(cases[i].kind, &k);
		TEST_CASE(cases[i].name, proof_holds(&e, &q, transcript) == cases[i].want);
		struct directory_entry not = entry_of(cases[i].kind, &other);
		TEST_CASE(cases[i].name, !proof_holds(&not, &q, transcript));
		/* One kind of signature never serves as another. */
		for (int t = SPA_SIG_ED25519; t <= SPA_SIG_SK; t++) {
			struct spa_request mixed = q;
			mixed.signature_type = (enum spa_signature)t;
			if (t != (int)cases[i].type)
				TEST_CASE(cases[i].name, !proof_holds(&e, &mixed, transcript));
		}
	}
}

/* Flags, counter, application and namespace are all under a token's signature. */
static void test_token_parts(void **state)
{
	(void)state;
	struct key k = key_of(1);
	uint8_t signature[64];
	struct directory_entry e = entry_of(DIRECTORY_SK_ED25519, &k);
	struct spa_request q = signed_by(&k, SPA_SIG_SK, 1, signature);
	assert_true(proof_holds(&e, &q, transcript));
	q.fido_flags = 5;
	assert_false(proof_holds(&e, &q, transcript));
	q.fido_flags = 1;
	q.fido_counter = 10;
	assert_false(proof_holds(&e, &q, transcript));
	q.fido_counter = 9;
	e.application_len = 3;
	assert_false(proof_holds(&e, &q, transcript));
	e.application_len = 4;
	for (size_t bit = 0; bit < 8 * sizeof(signature); bit++) {
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(proof_holds(&e, &q, transcript));
		signature[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* A signature for a file, or for a login, by the same key. */
static void test_other_namespace(void **state)
{
	(void)state;
	struct key k = key_of(1);
	uint8_t signature[64], data[SSHSIG_DATA_LEN];
	struct spa_request q = { .signature_type = SPA_SIG_SSHSIG,
		.signature = SPAN_OF(signature) };
	struct directory_entry e = entry_of(DIRECTORY_ED25519, &k);
	sshsig_data(transcript, data);
	crypto_sign_detached(signature, NULL, data, sizeof(data), k.sk);
	assert_true(proof_holds(&e, &q, transcript));
	memcpy(data + 10, "login", 5);
	crypto_sign_detached(signature, NULL, data, sizeof(data), k.sk);
	assert_false(proof_holds(&e, &q, transcript));
}

static void test_lack(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum directory_key kind;
		bool requires_uv;
		uint8_t flags;
		const char *want;
	} cases[] = {
		{ "plain key", DIRECTORY_ED25519, false, 0, NULL },
		{ "touched", DIRECTORY_SK_ED25519, false, 1, NULL },
		{ "touched and PIN", DIRECTORY_SK_ED25519, true, 5, NULL },
		{ "PIN not required", DIRECTORY_SK_ED25519, false, 5, NULL },
		{ "nothing", DIRECTORY_SK_ED25519, false, 0, "fido-touch" },
		{ "PIN, no touch", DIRECTORY_SK_ED25519, true, 4, "fido-touch" },
		{ "touched, no PIN", DIRECTORY_SK_ED25519, true, 1, "fido-pin" },
		{ "other flags", DIRECTORY_SK_ED25519, true, 0xfa, "fido-touch" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct directory_entry e = { .key = cases[i].kind,
			.requires_uv = cases[i].requires_uv };
		struct spa_request q = {
			.fido_flags = cases[i].flags,
			.signature_type = cases[i].kind == DIRECTORY_SK_ED25519 ? SPA_SIG_SK
										: SPA_SIG_ED25519,
		};
		const char *got = proof_lack(&e, &q);
		TEST_CASE(cases[i].name, (got == NULL) == (cases[i].want == NULL));
		TEST_CASE(cases[i].name, got == NULL || strcmp(got, cases[i].want) == 0);
		TEST_CASE(cases[i].name, got == NULL || proof_text(got)[0] != '\0');
	}
	assert_string_equal(proof_text("grant"), "");
	assert_string_not_equal(proof_text(PROOF_COUNTER), "");
}

/* A store that remembers this counter of the key; 0: none. */
static struct store *store_with(const struct place *p, const uint8_t *key_id, uint32_t counter)
{
	struct store_claim c = place_claim(1, 1);
	enum store_answer got;
	unlink(p->path);
	struct store *s = place_open(p->path);
	assert_non_null(s);
	c.counter_id = key_id;
	c.counter = counter;
	if (counter != 0)
		assert_int_equal(store_claim_batch(s, &c, 1, &got), 0);
	return s;
}

static void test_counter(void **state)
{
	static const uint8_t mine[32] = { 1 }, other[32] = { 2 };
	static const struct {
		const char *name;
		uint32_t stored;
		const uint8_t *before; /* whose claim goes first, with counter 50 */
		uint32_t counter;
		int want;
	} cases[] = {
		{ "first", 0, NULL, 1, 1 },
		{ "does not count", 0, NULL, 0, 0 },
		{ "grows", 9, NULL, 10, 1 },
		{ "stays", 9, NULL, 9, -ESTALE },
		{ "falls", 9, NULL, 8, -ESTALE },
		{ "stops counting", 9, NULL, 0, -ESTALE },
		{ "past an earlier claim of the batch", 9, mine, 51, 1 },
		{ "as an earlier claim of the batch", 9, mine, 50, -ESTALE },
		{ "before it", 0, mine, 49, -ESTALE },
		{ "another's claim", 9, other, 10, 1 },
		{ "the greatest", UINT32_MAX - 1, NULL, UINT32_MAX, 1 },
		{ "around the end", UINT32_MAX, NULL, 1, -ESTALE },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct store_claim before[2] = { { .counter_id = NULL },
			{ .counter_id = cases[i].before, .counter = 50 } };
		struct store *s = store_with(*state, mine, cases[i].stored);
		TEST_CASE(cases[i].name,
			proof_counter(s, before, 2, mine, cases[i].counter) == cases[i].want);
		store_close(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_token_parts),
		cmocka_unit_test(test_other_namespace),
		cmocka_unit_test(test_lack),
		cmocka_unit_test_setup_teardown(test_counter, place_make, place_remove),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
