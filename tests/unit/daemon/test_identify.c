/*
 * Who asks, by key id and by certificates: what is believed, what the directory adds, what the cache does.
 */

#include <sodium.h>
#include <unistd.h>

#include "base/text.h"
#include "config/internal.h"
#include "daemon/identify.h"
#include "identity/crl.h"
#include "test.h"

#define WALL UINT64_C(1700000000000)
#define YEAR_MS (UINT64_C(365) * 86400000)

enum { VSD, NN, COM, CERTIFIERS };
enum { ANN, BOB, EVE, GONE, LATE, PEOPLE };

struct party {
	struct name name;
	uint8_t seed[32], pk[32], sk[64], key_id[32];
	size_t len;
	uint8_t der[CERT_LEN_MAX];
};

struct bench {
	struct party certifiers[CERTIFIERS];
	struct party people[PEOPLE];
	struct party server;
	uint8_t *crl;
	size_t crl_len;
	struct boot boot;
	struct identify identify;
	struct chain_identity chain;
	struct claim claim;
	uint64_t wall_ms; /* of the next request */
};

static const char conf[] =
	"server { id = \"/x/server.id\" id-key = \"/x/server.key\" directory = \"/x/directory\"\n"
	"  allow = {\"*/VSD\", \"*/COM\"} key-check = %s key-check-log = listed }\n"
	"door wan { interface = \"eth0\" spa { udp = 62201 } }\n"
	"service ssh { port = tcp/22 allow = {\"*/VSD\", \"*/COM\"} open = once wait = 30s lease = 1h }\n";

static const char transcript_text[] = "what is signed";

static void make_keys(struct party *p, const char *name, bool is_certifier, uint8_t seed)
{
	memset(p->seed, seed, sizeof(p->seed));
	crypto_sign_seed_keypair(p->pk, p->sk, p->seed);
	spa_key_id(p->pk, p->key_id);
	assert_int_equal(name_parse(name, is_certifier, &p->name), NAME_OK);
}

static void certify(struct party *p, enum cert_kind kind, const struct party *by, uint64_t from_ms,
	uint64_t to_ms)
{
	struct cert_order o = {
		.subject = p->name,
		.kind = kind,
		.not_before_ms = from_ms,
		.not_after_ms = to_ms,
		.issuer = by->name,
		.issuer_seed = by->seed,
	};
	struct fault f;
	memcpy(o.pk, p->pk, 32);
	memcpy(o.issuer_pk, by->pk, 32);
	assert_int_equal(cert_issue(&o, p->der, &p->len, &f), 0);
}

static void make_world(struct bench *b)
{
	static const char *const certifiers[] = { "VSD", "NN/VSD", "COM" };
	static const char *const people[] = { "Ann/NN/VSD", "Bob/NN/VSD", "Eve/COM", "Gone/NN/VSD",
		"Late/NN/VSD" };
	for (int i = 0; i < CERTIFIERS; i++)
		make_keys(&b->certifiers[i], certifiers[i], true, (uint8_t)(1 + i));
	for (int i = 0; i < PEOPLE; i++)
		make_keys(&b->people[i], people[i], false, (uint8_t)(20 + i));
	make_keys(&b->server, "Gate/VSD", false, 40);
	for (int i = 0; i < CERTIFIERS; i++)
		certify(&b->certifiers[i], CERT_CERTIFIER, &b->certifiers[i == NN ? VSD : i],
			WALL - YEAR_MS, WALL + 9 * YEAR_MS);
	for (int i = 0; i < PEOPLE; i++)
		certify(&b->people[i], CERT_USER, &b->certifiers[i == EVE ? COM : NN],
			i == LATE ? WALL - 2 * YEAR_MS : WALL - YEAR_MS,
			i == LATE ? WALL - YEAR_MS : WALL + YEAR_MS);
	certify(&b->server, CERT_SERVER, &b->certifiers[VSD], WALL - YEAR_MS, WALL + YEAR_MS);
}

static struct trust *make_trust(struct bench *b)
{
	struct party *vsd = &b->certifiers[VSD], *nn = &b->certifiers[NN];
	struct cert gone;
	struct fault f;
	assert_int_equal(
		cert_read(span_of(b->people[GONE].der, b->people[GONE].len), &gone, &f), 0);
	struct crl_entry entry = { .revoked_ms = WALL - 1000 };
	memcpy(entry.serial, gone.serial, sizeof(entry.serial));
	struct crl_order o = {
		.issuer = nn->name,
		.issuer_seed = nn->seed,
		.number = 1,
		.this_update_ms = WALL - 1000,
		.next_update_ms = WALL + YEAR_MS,
		.count = 1,
		.entries = &entry,
	};
	memcpy(o.issuer_pk, nn->pk, 32);
	assert_int_equal(crl_issue(&o, &b->crl, &b->crl_len, &f), 0);
	const struct trust_item own[] = {
		{ span_of(b->server.der, b->server.len), "server.id" },
		{ span_of(vsd->der, vsd->len), "server.id" },
	};
	/* A unit's list can only be believed when its certificate is known. */
	const struct trust_item items[] = { { span_of(nn->der, nn->len), "nn.pem" } };
	const struct trust_item crls[] = { { span_of(b->crl, b->crl_len), "nn.crl" } };
	const struct trust_material m = {
		.own_count = 2,
		.own = own,
		.count = 1,
		.items = items,
		.crl_count = 1,
		.crls = crls,
		.crl_policy = TRUST_CRL_IF_PRESENT,
	};
	static struct trust_faults faults;
	struct trust *t = trust_new(&m, &faults);
	if (t == NULL)
		print_error("%s\n", faults.items[0].text);
	return t;
}

static size_t person_line(const struct party *p, const char *options, char *to, size_t cap)
{
	uint8_t blob[51] = { 0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5', '1', '9', 0,
		0, 0, 32 };
	char b64[100], name[NAME_TEXT_MAX];
	memcpy(blob + 19, p->pk, 32);
	sodium_bin2base64(b64, sizeof(b64), blob, sizeof(blob), sodium_base64_VARIANT_ORIGINAL);
	return (size_t)snprintf(to, cap, "name=\"%s\"%s ssh-ed25519 %s\n",
		name_format(&p->name, name), options, b64);
}

static struct bench *bench_new(const char *key_check)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct config_report r = { 0 };
	static struct directory_faults faults;
	char text[2048], config[1024];
	int len = snprintf(config, sizeof(config), conf, key_check);

	b->wall_ms = WALL;
	make_world(b);
	b->boot.config = config_parse_text("postern.conf", span_of(config, (size_t)len), &r);
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b->boot.config);
	/* Ann is listed with the key she has, Bob with another, the others not at all. */
	struct party other = b->people[BOB];
	memset(other.pk, 0x77, sizeof(other.pk));
	size_t n = person_line(&b->people[ANN], "", text, sizeof(text));
	n += person_line(&other, "", text + n, sizeof(text) - n);
	b->boot.directory = directory_parse(span_of(text, n), &faults);
	assert_non_null(b->boot.directory);
	b->boot.policy = policy_new(b->boot.config, b->boot.directory, &r);
	assert_non_null(b->boot.policy);
	b->boot.trust = make_trust(b);
	assert_non_null(b->boot.trust);
	assert_int_equal(identify_init(&b->identify, &b->boot), 0);
	return b;
}

static void bench_free(struct bench *b)
{
	identify_deinit(&b->identify);
	trust_free(b->boot.trust);
	policy_free(b->boot.policy);
	directory_free(b->boot.directory);
	config_free(b->boot.config);
	free(b->crl);
	free(b);
}

/* The chain of one person as identity type 2 or 3. Returns its length. */
static size_t make_identity(
	const struct bench *b, int who, enum spa_identity type, uint8_t *to, size_t cap)
{
	const struct party *p = &b->people[who];
	struct chain c = { .count = who == EVE ? 1 : 2,
		.der = { span_of(p->der, p->len),
			span_of(b->certifiers[NN].der, b->certifiers[NN].len) } };
	if (type == SPA_ID_TEMPLATE)
		return template_encode(&c, to, cap);
	struct writer w = writer_init(to, cap);
	for (size_t i = 0; i < c.count; i++) {
		writer_u16(&w, (uint16_t)c.der[i].len);
		writer_put(&w, c.der[i].data, c.der[i].len);
	}
	return w.is_full ? 0 : w.len;
}

/* One request of who, signed by the key of signer. */
static enum identify_result ask(
	struct bench *b, int who, int signer, enum spa_identity type, enum spa_signature how)
{
	uint8_t identity[SPA_INNER_LARGE_LEN], signature[64];
	struct span transcript = span_of(transcript_text, sizeof(transcript_text));
	struct spa_request q = { .identity_type = type, .signature_type = how };
	if (type == SPA_ID_KEY)
		q.identity = SPAN_OF(b->people[who].key_id);
	else
		q.identity =
			span_of(identity, make_identity(b, who, type, identity, sizeof(identity)));
	assert_true(q.identity.len > 0);
	crypto_sign_detached(
		signature, NULL, transcript.data, transcript.len, b->people[signer].sk);
	q.signature = SPAN_OF(signature);
	b->claim = (struct claim){ .service = &b->boot.config->services[0] };
	return identify_request(&b->identify, &q, transcript, b->wall_ms, &b->claim, &b->chain);
}

static void test_who(void **state)
{
	static const struct {
		const char *what;
		int who, signer;
		enum spa_identity type;
		enum identify_result expected;
	} cases[] = {
		{ "listed, by key id", ANN, ANN, SPA_ID_KEY, IDENTIFY_OK },
		{ "listed with another key, by key id", BOB, BOB, SPA_ID_KEY, IDENTIFY_UNKNOWN },
		{ "by DER chain", ANN, ANN, SPA_ID_CHAIN, IDENTIFY_OK },
		{ "by template chain", ANN, ANN, SPA_ID_TEMPLATE, IDENTIFY_OK },
		{ "known to no directory", BOB, BOB, SPA_ID_TEMPLATE, IDENTIFY_OK },
		{ "signed by somebody else", ANN, BOB, SPA_ID_TEMPLATE, IDENTIFY_UNSIGNED },
		{ "signed by somebody else, DER", ANN, BOB, SPA_ID_CHAIN, IDENTIFY_UNSIGNED },
		{ "a foreign organisation", EVE, EVE, SPA_ID_TEMPLATE, IDENTIFY_UNKNOWN },
		{ "a foreign organisation, DER", EVE, EVE, SPA_ID_CHAIN, IDENTIFY_UNKNOWN },
		{ "revoked, genuine", GONE, GONE, SPA_ID_TEMPLATE, IDENTIFY_OK },
		{ "expired, genuine", LATE, LATE, SPA_ID_TEMPLATE, IDENTIFY_OK },
		{ "revoked, and not even theirs", GONE, ANN, SPA_ID_TEMPLATE, IDENTIFY_UNSIGNED },
	};
	struct bench *b = bench_new("all");
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int again = 0; again < 2; again++) {
			enum identify_result r = ask(
				b, cases[i].who, cases[i].signer, cases[i].type, SPA_SIG_ED25519);
			if (r != cases[i].expected)
				fail_msg("%s (%d): %d", cases[i].what, again, (int)r);
			if (b->claim.is_authenticated != (r == IDENTIFY_OK))
				fail_msg("%s: authenticated", cases[i].what);
		}
	bench_free(b);
}

static void test_claim(void **state)
{
	struct bench *b = bench_new("all");
	(void)state;
	assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
	assert_true(b->claim.is_certified);
	assert_true(name_equal(&b->claim.name, &b->people[ANN].name));
	assert_memory_equal(b->claim.key_id, b->people[ANN].key_id, 32);
	assert_int_equal(b->claim.not_after_ms, WALL + YEAR_MS);
	assert_non_null(b->claim.entry);
	assert_int_equal(b->chain.step_count, 2);
	assert_int_equal(ask(b, ANN, ANN, SPA_ID_KEY, SPA_SIG_ED25519), IDENTIFY_OK);
	assert_false(b->claim.is_certified); /* the line does not say certified-equivalent */
	assert_int_equal(b->chain.step_count, 0);
	bench_free(b);
}

static void test_cut(void **state)
{
	uint8_t identity[SPA_INNER_LARGE_LEN], signature[64] = { 0 };
	struct bench *b = bench_new("all");
	(void)state;
	for (int type = SPA_ID_CHAIN; type <= SPA_ID_TEMPLATE; type++) {
		size_t len =
			make_identity(b, ANN, (enum spa_identity)type, identity, sizeof(identity));
		for (size_t n = 0; n < len; n++) {
			struct spa_request q = { .identity_type = (enum spa_identity)type,
				.signature_type = SPA_SIG_ED25519,
				.identity = span_of(identity, n),
				.signature = SPAN_OF(signature) };
			enum identify_result r = identify_request(&b->identify, &q,
				span_of(transcript_text, 4), WALL, &b->claim, &b->chain);
			assert_int_not_equal(r, IDENTIFY_OK);
		}
	}
	bench_free(b);
}

/* What policy makes of it under each setting of key-check. */
static void test_policy(void **state)
{
	static const struct {
		const char *key_check;
		int who;
		enum policy_reason expected;
	} cases[] = {
		{ "all", ANN, POLICY_GRANT },
		{ "all", BOB, POLICY_KEY_CHECK },
		{ "listed", ANN, POLICY_GRANT },
		{ "listed", BOB, POLICY_KEY_CHECK },
		{ "off", BOB, POLICY_GRANT },
		{ "off", GONE, POLICY_REVOKED },
		{ "listed", GONE, POLICY_REVOKED },
		{ "off", LATE, POLICY_EXPIRED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bench *b = bench_new(cases[i].key_check);
		assert_int_equal(
			ask(b, cases[i].who, cases[i].who, SPA_ID_TEMPLATE, SPA_SIG_ED25519),
			IDENTIFY_OK);
		struct verdict v = policy_decide(b->boot.policy, &b->claim, WALL);
		if (v.reason != cases[i].expected)
			fail_msg("%s %d: %s", cases[i].key_check, cases[i].who,
				policy_reason_name(v.reason));
		enum policy_key_match m = policy_key_match(b->boot.policy, &b->claim);
		assert_int_equal(policy_key_match_is_logged(b->boot.policy, m),
			cases[i].who == BOB); /* key-check-log = listed */
		bench_free(b);
	}
}

/* Another directory in place of the bench's. */
static void list(struct bench *b, const char *text)
{
	static struct directory_faults faults;
	struct config_report r = { 0 };
	struct config *config = (struct config *)b->boot.config;
	policy_free(b->boot.policy);
	directory_free(b->boot.directory);
	b->boot.directory = directory_parse(span_of(text, strlen(text)), &faults);
	if (faults.count > 0)
		print_error("%s\n", faults.items[0].text);
	assert_non_null(b->boot.directory);
	b->boot.policy = policy_new(config, b->boot.directory, &r);
	assert_non_null(b->boot.policy);
}

/* What was remembered of a path ends with its unit's certificate; the renewed one is good at once. */
static void test_renewed_above(void **state)
{
	struct bench *b = bench_new("off");
	(void)state;
	certify(&b->certifiers[NN], CERT_CERTIFIER, &b->certifiers[VSD], WALL - YEAR_MS,
		WALL + 86400000);
	for (int again = 0; again < 2; again++)
		assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
	b->wall_ms = WALL + 2 * UINT64_C(86400000);
	assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
	assert_int_equal(
		policy_decide(b->boot.policy, &b->claim, b->wall_ms).reason, POLICY_EXPIRED);
	certify(&b->certifiers[NN], CERT_CERTIFIER, &b->certifiers[VSD], WALL, WALL + YEAR_MS);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
		assert_int_equal(
			policy_decide(b->boot.policy, &b->claim, b->wall_ms).reason, POLICY_GRANT);
	}
	bench_free(b);
}

static enum identify_result ask_ann(struct bench *b)
{
	return ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519);
}

/* What is remembered of certifiers makes nothing good that is not. */
static void test_forged(void **state)
{
	struct bench *b = bench_new("off");
	struct party *nn = &b->certifiers[NN], *ann = &b->people[ANN];
	(void)state;
	for (int is_known = 0; is_known < 2; is_known++) {
		nn->der[nn->len - 60] ^= 1;
		for (int again = 0; again < 2; again++)
			assert_int_equal(ask_ann(b), IDENTIFY_UNKNOWN);
		nn->der[nn->len - 60] ^= 1;
		ann->der[ann->len - 60] ^= 1;
		for (int again = 0; again < 2; again++)
			assert_int_equal(ask_ann(b), IDENTIFY_UNKNOWN);
		ann->der[ann->len - 60] ^= 1;
		if (is_known == 0)
			assert_int_equal(
				ask(b, BOB, BOB, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
	}
	assert_int_equal(ask_ann(b), IDENTIFY_OK);
	bench_free(b);
}

/* A key that is locked under one name does not come in as another that it was certified for. */
static void test_locked_key(void **state)
{
	static const struct {
		const char *options;
		enum policy_reason expected;
	} cases[] = {
		{ "", POLICY_GRANT },
		{ ",locked", POLICY_LOCKED },
		{ ",disabled", POLICY_DISABLED },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct bench *b = bench_new("off");
		struct party rob = b->people[ANN], other = b->people[ANN];
		char text[2048];
		assert_int_equal(name_parse("Rob/VSD", false, &rob.name), NAME_OK);
		memset(other.pk, 0x77, sizeof(other.pk));
		size_t n = person_line(&rob, cases[i].options, text, sizeof(text));
		person_line(&other, "", text + n, sizeof(text) - n);
		list(b, text);
		assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
		TEST_CASE(cases[i].options,
			policy_decide(b->boot.policy, &b->claim, WALL).reason == cases[i].expected);
		bench_free(b);
	}
}

/* posternctl revoke of the name that a key has in the directory, and of the one it comes with. */
static void test_lockout_by_key(void **state)
{
	static const char *const names[] = { "Rob/VSD", "ann/nn/vsd", "Bob/NN/VSD" };
	struct bench *b = bench_new("off");
	struct party rob = b->people[ANN];
	char text[1024];
	(void)state;
	assert_int_equal(name_parse("Rob/VSD", false, &rob.name), NAME_OK);
	person_line(&rob, "", text, sizeof(text));
	list(b, text);
	assert_int_equal(ask(b, ANN, ANN, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
	assert_false(identify_is_locked_out(NULL, &b->claim));
	for (size_t i = 0; i < TEST_LEN(names); i++) {
		struct lockout *l = lockout_new();
		uint8_t folded[NAME_FOLDED_MAX];
		struct name n;
		assert_int_equal(name_parse(names[i], false, &n), NAME_OK);
		assert_true(lockout_put(l, folded, name_fold(&n, folded)));
		TEST_CASE(names[i], identify_is_locked_out(l, &b->claim) == (i < 2));
		lockout_free(l);
	}
	bench_free(b);
}

/* A line with key-next: its key is good until the next one was accepted, also after a restart. */
static void test_key_next(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char folder[] = "/tmp/postern-next-XXXXXX", path[64], options[100], text[512], hex[65];
	struct bench *b = bench_new("all");
	struct party next = b->people[BOB];
	struct store *s = NULL;
	struct store_claim c = { .replay_until_ms = WALL, .key_next = next.key_id };
	enum store_answer answer;
	struct fault f;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	assert_int_equal(store_open(path, &s, &f), 0);
	snprintf(options, sizeof(options), ",key-next=sha256:%s",
		text_hex(SPAN_OF(next.key_id), hex));
	person_line(&b->people[ANN], options, text, sizeof(text));
	list(b, text);
	/* The next key is certified for Ann's name. */
	b->people[BOB].name = b->people[ANN].name;
	certify(&b->people[BOB], CERT_USER, &b->certifiers[NN], WALL - YEAR_MS, WALL + YEAR_MS);
	for (int round = 0; round < 3; round++) {
		bool is_ended = round > 0;
		for (int type = SPA_ID_KEY; type <= SPA_ID_TEMPLATE; type++) {
			assert_int_equal(ask(b, ANN, ANN, (enum spa_identity)type, SPA_SIG_ED25519),
				IDENTIFY_OK);
			assert_false(identify_is_next(&b->claim));
			b->claim.is_superseded = identify_is_superseded(s, &b->claim);
			if (type != SPA_ID_KEY)
				assert_int_equal(
					policy_decide(b->boot.policy, &b->claim, WALL).reason,
					is_ended ? POLICY_SUPERSEDED : POLICY_GRANT);
			assert_true(b->claim.is_superseded == is_ended);
			assert_false(identify_is_superseded(NULL, &b->claim));
		}
		assert_int_equal(ask(b, BOB, BOB, SPA_ID_TEMPLATE, SPA_SIG_ED25519), IDENTIFY_OK);
		assert_true(identify_is_next(&b->claim));
		assert_false(identify_is_superseded(s, &b->claim));
		assert_int_equal(
			policy_decide(b->boot.policy, &b->claim, WALL).reason, POLICY_GRANT);
		if (round == 0)
			assert_int_equal(store_claim_batch(s, &c, 1, &answer), 0);
		store_close(s);
		assert_int_equal(store_open(path, &s, &f), 0);
	}
	store_close(s);
	for (size_t i = 0; i < TEST_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s/db%s", folder, ends[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
	bench_free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who),
		cmocka_unit_test(test_claim),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_renewed_above),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_locked_key),
		cmocka_unit_test(test_lockout_by_key),
		cmocka_unit_test(test_key_next),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
