/*
 * The server procedure against requests built by the client side, with a clock of the test's own.
 */

#include <netinet/in.h>
#include <sodium.h>

#include "config/internal.h"
#include "daemon/judge.h"
#include "test.h"

#define WALL 1700000000000ull
#define MONO 5000000ull
#define WARM (MONO + 61000) /* two windows and a second after the start */

static const char conf[] =
	"server { id = \"/x/server.id\" id-key = \"/x/server.key\" directory = \"/x/directory\"\n"
	"  allow = {\"*/VSD\"} identity-rate = 3 }\n"
	"door wan { interface = \"eth0\" spa { udp = 62201 source-rate = 50 no-epoch-rate = 2 } }\n"
	"service ssh { port = tcp/22 allow = {\"Ann/VSD\", \"Tess/VSD\"} open = once wait = 30s lease = 1h }\n"
	"service bound { port = tcp/2200 allow = {\"*/VSD\"} bind = required open = once wait = 30s lease = 1h }\n"
	"service range { port = tcp/6000-6010 allow = {\"*/VSD\"} open = window prefix-v4 = 24"
	" prefix-v6 = 56 }\n"
	"action note { journal-only = yes message = required allow = {\"Ann/VSD\"} }\n"
	"action bare { run = {/bin/x} user = nobody allow = {\"Ann/VSD\"} }\n"
	"action open { run = {/bin/x} user = nobody message = optional allow = {\"Bob/VSD\"} }\n";

struct person {
	uint8_t pk[32], sk[64], key_id[32];
	const char *options;
};

static struct person ann = { .options = "name=\"Ann/VSD\",certified-equivalent" };
static struct person bob = { .options = "name=\"Bob/VSD\",certified-equivalent" };
static struct person old = { .options =
				     "name=\"Old/VSD\",certified-equivalent,expires=2020-01-01" };
static struct person tess = { .options = "name=\"Tess/VSD\",certified-equivalent" };
static struct person tied = { .options = "name=\"Tied/VSD\",certified-equivalent,"
					 "from=\"192.0.2.0/25\"" };
static struct person nobody = { .options = NULL };

struct bench {
	struct boot boot;
	struct judge judge;
	struct judge_case *judged;
	struct spa_target target;
	uint8_t cookie_secret[32];
	/* the last request */
	uint8_t datagram[SPA_LARGE_LEN];
	size_t len;
	uint8_t enc[32];
	struct hpke_context context;
};

static void make_person(struct person *p, uint8_t seed)
{
	uint8_t s[32];
	memset(s, seed, sizeof(s));
	crypto_sign_seed_keypair(p->pk, p->sk, s);
	spa_key_id(p->pk, p->key_id);
}

/* The key blob of a token. Returns its length. */
static size_t token_blob(const uint8_t pk[32], uint8_t to[74])
{
	static const char type[] = "\0\0\0\032sk-ssh-ed25519@openssh.com\0\0\0 ";
	memcpy(to, type, 34);
	memcpy(to + 34, pk, 32);
	memcpy(to + 66, "\0\0\0\4ssh:", 8);
	return 74;
}

static void make_token(struct person *p, uint8_t seed)
{
	uint8_t blob[74];
	make_person(p, seed);
	crypto_hash_sha256(p->key_id, blob, token_blob(p->pk, blob));
}

static size_t token_line(const struct person *p, char *to, size_t cap)
{
	uint8_t blob[74];
	char b64[120];
	sodium_bin2base64(
		b64, sizeof(b64), blob, token_blob(p->pk, blob), sodium_base64_VARIANT_ORIGINAL);
	return (size_t)snprintf(to, cap, "%s sk-ssh-ed25519@openssh.com %s\n", p->options, b64);
}

static size_t person_line(const struct person *p, char *to, size_t cap)
{
	uint8_t blob[51] = { 0, 0, 0, 11, 's', 's', 'h', '-', 'e', 'd', '2', '5', '5', '1', '9', 0,
		0, 0, 32 };
	char b64[100];
	memcpy(blob + 19, p->pk, 32);
	sodium_bin2base64(b64, sizeof(b64), blob, sizeof(blob), sodium_base64_VARIANT_ORIGINAL);
	return (size_t)snprintf(to, cap, "%s ssh-ed25519 %s\n", p->options, b64);
}

static struct server_keys *make_keys(void)
{
	struct server_keys *k = calloc(1, sizeof(*k));
	uint8_t seed[32];
	memset(seed, 0x11, sizeof(seed));
	crypto_sign_seed_keypair(k->pk, k->sk, seed);
	spa_key_id(k->pk, k->sid);
	memcpy(k->cookie_secret, k->sid, sizeof(k->cookie_secret));
	memset(k->fallback.sk.b, 0x33, 32);
	k->fallback.record = (struct prekey){ .id = 0, .not_after_ms = UINT64_MAX };
	hpke_public_key(&k->fallback.sk, k->fallback.record.pk);
	prekey_sign(&k->fallback.record, k->sk);
	return k;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct config_report r = { 0 };
	static struct directory_faults faults;
	char text[2048];
	size_t len = 0;

	make_person(&ann, 1);
	make_person(&bob, 2);
	make_person(&old, 3);
	make_person(&nobody, 4);
	make_person(&tied, 6);
	make_token(&tess, 5);
	len += person_line(&ann, text + len, sizeof(text) - len);
	len += person_line(&bob, text + len, sizeof(text) - len);
	len += person_line(&old, text + len, sizeof(text) - len);
	len += person_line(&tied, text + len, sizeof(text) - len);
	len += token_line(&tess, text + len, sizeof(text) - len);
	b->boot.config = config_parse_text("postern.conf", span_of(conf, sizeof(conf) - 1), &r);
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b->boot.config);
	b->boot.directory = directory_parse(span_of(text, len), &faults);
	assert_non_null(b->boot.directory);
	b->boot.policy = policy_new(b->boot.config, b->boot.directory, &r);
	assert_non_null(b->boot.policy);
	b->boot.keys = make_keys();
	b->judged = calloc(1, sizeof(*b->judged));
	assert_int_equal(judge_init(&b->judge, &b->boot, MONO), 0);
	memcpy(b->target.sid, b->boot.keys->sid, 32);
	memcpy(b->target.prekey, b->boot.keys->fallback.record.pk, 32);
	memcpy(b->cookie_secret, b->boot.keys->sid, 32);
	b->target.cookie_secret = span_of(b->cookie_secret, 32);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	struct bench *b = *state;
	judge_deinit(&b->judge);
	keys_free(b->boot.keys);
	policy_free(b->boot.policy);
	directory_free(b->boot.directory);
	config_free(b->boot.config);
	free(b->judged);
	free(b);
	return 0;
}

static struct spa_request ask(
	const struct person *p, const char *service, uint64_t time_ms, uint64_t instance)
{
	struct spa_request q = {
		.op = SPA_OPEN,
		.time_ms = time_ms,
		.instance = instance,
		.prefix_bits = 128,
		.selector_type = SPA_SELECT_NAME,
		.selector = span_of(service, strlen(service)),
		.identity_type = SPA_ID_KEY,
		.identity = span_of(p->key_id, 32),
		.signature_type = SPA_SIG_ED25519,
	};
	randombytes_buf(q.nonce, sizeof(q.nonce));
	return q;
}

static void build(
	struct bench *b, const struct person *p, const struct spa_request *q, uint64_t epoch_ms)
{
	struct hpke_secret eph;
	randombytes_buf(eph.b, sizeof(eph.b));
	b->len = spa_request_build(&b->target, q, p->sk, &eph, epoch_ms, b->datagram, &b->context);
	assert_int_equal(b->len, q->message_count > 0 ? SPA_LARGE_LEN : SPA_SMALL_LEN);
	memcpy(b->enc, b->datagram + 32, 32);
}

/* As a token that says this of itself. */
static void build_token(
	struct bench *b, const struct person *p, struct spa_request *q, uint8_t flags)
{
	struct hpke_secret eph;
	struct spa_draft d;
	struct spa_proof proof = { .fido_flags = flags, .fido_counter = 7 };
	uint8_t message[69];
	randombytes_buf(eph.b, sizeof(eph.b));
	q->identity_type = SPA_ID_SSH;
	q->signature_type = SPA_SIG_SK;
	assert_true(spa_request_prepare(&b->target, q, &eph, WALL, &d));
	crypto_hash_sha256(message, (const uint8_t *)"ssh:", 4);
	memcpy(message + 32, (const uint8_t[]){ flags, 0, 0, 0, 7 }, 5);
	crypto_hash_sha256(message + 37, d.to_sign, d.to_sign_len);
	crypto_sign_detached(proof.signature, NULL, message, sizeof(message), p->sk);
	b->len = spa_request_finish(&d, &proof, b->datagram, &b->context);
	assert_int_equal(b->len, SPA_SMALL_LEN);
	memcpy(b->enc, b->datagram + 32, 32);
}

static struct sighting from(const struct bench *b, const char *address)
{
	struct sighting s = { .proto = IPPROTO_UDP, .src_port = 4000, .dst_port = 62201 };
	assert_true(addr_parse(address, &s.src));
	assert_true(addr_parse("192.0.2.1", &s.dst));
	s.payload = span_of(b->datagram, b->len);
	return s;
}

static enum judge_outcome judge_at(
	struct bench *b, const char *address, uint64_t wall, uint64_t mono)
{
	struct sighting s = from(b, address);
	return judge_sighting(&b->judge, &s, wall, mono, b->judged);
}

static struct spa_reply answer(struct bench *b, uint64_t wall, uint64_t mono)
{
	uint8_t reply[SPA_SMALL_LEN];
	struct spa_reply r;
	size_t len = judge_answer(&b->judge, b->judged, 77, wall, mono, reply);
	assert_int_equal(
		spa_reply_open(span_of(reply, len), b->enc, b->datagram[2], &b->context, &r),
		SPA_OK);
	return r;
}

static void test_grant(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL + 29000, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO + 1), JUDGE_OPEN);
	assert_int_equal(b->judged->verdict.granted_s, 30);
	struct spa_reply r = answer(b, WALL, MONO + 1);
	assert_int_equal(r.status, SPA_STATUS_OK);
	assert_int_equal(r.granted_s, 30);
	assert_int_equal(r.granted_port, 22);
	assert_int_equal(r.grant_id, 77);
	assert_int_equal(r.observed_port, 4000);
	assert_int_equal(r.observed_family, 4);
}

static void test_actions(void **state)
{
	static const struct {
		const char *name, *action, *message; /* NULL: none */
		const struct person *who;
		enum judge_outcome want;
		enum spa_status status;
		const char *reason;
	} cases[] = {
		{ "note", "note", "hello", &ann, JUDGE_RUN, SPA_STATUS_OK, "grant" },
		{ "note without", "note", NULL, &ann, JUDGE_RECORD, SPA_STATUS_DENIED,
			"message-missing" },
		{ "bare", "bare", NULL, &ann, JUDGE_RUN, SPA_STATUS_OK, "grant" },
		{ "bare with", "bare", "x", &ann, JUDGE_RECORD, SPA_STATUS_DENIED,
			"message-unwanted" },
		{ "optional with", "open", "x", &bob, JUDGE_RUN, SPA_STATUS_OK, "grant" },
		{ "optional without", "open", NULL, &bob, JUDGE_RUN, SPA_STATUS_OK, "grant" },
		{ "of another", "open", NULL, &ann, JUDGE_RECORD, SPA_STATUS_DENIED,
			"not-allowed-service" },
		{ "none of that name", "ssh", NULL, &ann, JUDGE_RECORD, SPA_STATUS_DENIED,
			"unknown-service" },
		{ "not UTF-8", "open", "a\xc3", &bob, JUDGE_RECORD, SPA_STATUS_DENIED,
			"message-utf8" },
		{ "escape", "open", "\x1b[2J", &bob, JUDGE_RECORD, SPA_STATUS_DENIED,
			"message-control" },
		{ "of another, not UTF-8", "open", "\xff", &ann, JUDGE_RECORD, SPA_STATUS_DENIED,
			"not-allowed-service" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		void *fresh = NULL;
		setup(&fresh);
		struct bench *b = fresh;
		const char *text = cases[i].message;
		struct spa_request q = ask(cases[i].who, cases[i].action, WALL, b->judge.instance);
		q.op = SPA_SEND;
		assert_true(spa_message_split(span_of(text, text != NULL ? strlen(text) : 0), &q));
		build(b, cases[i].who, &q, WALL);
		TEST_CASE(cases[i].name, judge_at(b, "192.0.2.7", WALL, MONO + 1) == cases[i].want);
		TEST_CASE(cases[i].name, b->judged->status == cases[i].status);
		TEST_CASE(cases[i].name, strcmp(b->judged->reason, cases[i].reason) == 0);
		TEST_CASE(cases[i].name, b->judged->verdict.granted_s == 0);
		TEST_CASE(cases[i].name, strcmp(b->judged->service, cases[i].action) == 0);
		bool is_flaw = strncmp(cases[i].reason, "message", 7) == 0;
		TEST_CASE(cases[i].name, (b->judged->flaw[0] != '\0') == is_flaw);
		b->judged->result = SPA_RESULT_EXIT;
		b->judged->result_detail = 9;
		struct spa_reply r = answer(b, WALL, MONO + 1);
		TEST_CASE(
			cases[i].name, r.granted_port == 0 && r.grant_id == 0 && r.granted_s == 0);
		TEST_CASE(cases[i].name, r.result == SPA_RESULT_EXIT && r.result_detail == 9);
		teardown(&fresh);
	}
}

/* Sealed anew it is the same request; a gate's is another one. */
static void test_action_sealed_twice(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "bare", WALL, b->judge.instance);
	q.op = SPA_SEND;
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RUN);
	/* Not the last word: it is not what a copy is answered with. */
	b->judged->result = SPA_RESULT_RUNNING;
	answer(b, WALL, MONO);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RUN);
	b->judged->result = SPA_RESULT_EXIT;
	answer(b, WALL, MONO);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.8", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RESEND);

	q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO + 5000), JUDGE_OPEN);
	answer(b, WALL, MONO + 5000);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO + 5000), JUDGE_OPEN);
}

static void test_identical_datagram(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	answer(b, WALL, MONO);
	/* Three times to its source, never to another, and also when its time is over. */
	assert_int_equal(judge_at(b, "192.0.2.8", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, JUDGE_DROP_REPLAY);
	for (int i = 0; i < RESEND_TIMES; i++)
		assert_int_equal(
			judge_at(b, "192.0.2.7", WALL + 40000, MONO + 40000), JUDGE_RESEND);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
}

static void test_time_and_instance(void **state)
{
	static const struct {
		const char *name;
		int64_t skew_ms;
		bool own_instance;
		uint64_t mono;
		enum judge_outcome want;
		enum spa_status status;
	} cases[] = {
		{ "fresh", 0, true, MONO, JUDGE_OPEN, SPA_STATUS_OK },
		{ "window, late", -30000, true, MONO, JUDGE_OPEN, SPA_STATUS_OK },
		{ "window, early", 30000, true, MONO, JUDGE_OPEN, SPA_STATUS_OK },
		{ "past the window", -30001, true, MONO, JUDGE_ANSWER, SPA_STATUS_STALE },
		{ "ahead of it", 30001, true, MONO, JUDGE_ANSWER, SPA_STATUS_STALE },
		{ "foreign instance, cold", 0, false, MONO + 100, JUDGE_ANSWER, SPA_STATUS_RETRY },
		{ "foreign instance, two windows", 0, false, MONO + 60000, JUDGE_ANSWER,
			SPA_STATUS_RETRY },
		{ "foreign instance, past them", 0, false, MONO + 60001, JUDGE_OPEN,
			SPA_STATUS_OK },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		void *fresh = NULL;
		setup(&fresh);
		struct bench *b = fresh;
		struct spa_request q =
			ask(&ann, "ssh", (uint64_t)((int64_t)WALL + cases[i].skew_ms),
				cases[i].own_instance ? b->judge.instance : b->judge.instance + 1);
		build(b, &ann, &q, WALL);
		TEST_CASE(cases[i].name,
			judge_at(b, "192.0.2.7", WALL, cases[i].mono) == cases[i].want);
		TEST_CASE(cases[i].name, b->judged->status == cases[i].status);
		teardown(&fresh);
	}
	(void)state;
}

static void test_refusals_are_rare(void **state)
{
	struct bench *b = *state;
	enum judge_outcome want[] = { JUDGE_ANSWER, JUDGE_IGNORE, JUDGE_ANSWER };
	uint64_t at[] = { WARM, WARM + 9999, WARM + 10000 };
	for (size_t i = 0; i < 3; i++) {
		struct spa_request q = ask(&ann, "ssh", WALL - 100000, 0);
		build(b, &ann, &q, WALL);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, at[i]), want[i]);
	}
}

static void test_clock_set_back(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, 0);
	build(b, &ann, &q, WALL);
	judge_set_high_water(&b->judge, WALL + 3600000);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, WARM), JUDGE_ANSWER);
	assert_int_equal(b->judged->status, SPA_STATUS_RETRY);
	q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, WARM), JUDGE_OPEN);
	/* Going on from there is no step. */
	uint64_t instance = b->judge.instance;
	assert_int_equal(judge_at(b, "192.0.2.7", WALL + 1000, WARM + 1000), JUDGE_OPEN);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL + 1, WARM + 1001), JUDGE_OPEN);
	assert_true(b->judge.instance == instance);
	/* The old time is passed by two windows: as ever. */
	uint64_t later = WALL + 3600000 + 60001;
	q = ask(&ann, "ssh", later, 0);
	build(b, &ann, &q, later);
	assert_int_equal(judge_at(b, "192.0.2.7", later, WARM + 3700000), JUDGE_OPEN);
}

/* Nobody remembers the answers of an hour ago. */
static void forget_answers(struct bench *b)
{
	static const uint8_t seed[16] = { 1 };
	resend_free(b->judge.resend);
	b->judge.resend = resend_new(16, seed);
	assert_non_null(b->judge.resend);
}

/* What was accepted names our own instance, and is fresh again when the clock goes back to its time. */
static void test_old_packet_after_clock_set_back(void **state)
{
	static const uint64_t back_ms[] = { 1000, 30000, 3600000 };
	struct bench *b = *state;
	uint64_t now = WALL, mono = WARM;
	for (size_t i = 0; i < TEST_LEN(back_ms); i++) {
		struct spa_request q = ask(&ann, "ssh", now, b->judge.instance);
		build(b, &ann, &q, now);
		assert_int_equal(judge_at(b, "192.0.2.7", now, mono), JUDGE_OPEN);
		answer(b, now, mono);
		judge_set_high_water(&b->judge, now + back_ms[i]);
		mono += back_ms[i] + 5000;
		forget_answers(b);
		assert_int_equal(judge_at(b, "192.0.2.8", now, mono), JUDGE_ANSWER);
		assert_int_equal(b->judged->status, SPA_STATUS_RETRY);
		/* Who was told the new instance gets in. */
		q = ask(&ann, "ssh", now, b->judge.instance);
		build(b, &ann, &q, now);
		assert_int_equal(judge_at(b, "192.0.2.7", now, mono), JUDGE_OPEN);
		/* The next round begins when all is quiet again. */
		now += back_ms[i] + 61000;
		mono += back_ms[i] + 61000;
	}
}

/* Whoever recorded old packets of somebody cannot use up that person's rate with them. */
static void test_old_packets_take_no_rate(void **state)
{
	struct bench *b = *state;
	for (unsigned i = 0; i < 40; i++) {
		struct spa_request q = ask(&ann, "ssh", WALL - 100000, 0);
		build(b, &ann, &q, WALL);
		enum judge_outcome o = judge_at(
			b, i % 2 == 0 ? "192.0.2.9" : "192.0.2.10", WALL, WARM + (unsigned)i);
		assert_int_equal(o, i == 0 ? JUDGE_ANSWER : JUDGE_IGNORE);
		if (i == 0)
			assert_int_equal(b->judged->status, SPA_STATUS_STALE);
	}
	struct spa_request q = ask(&ann, "ssh", WALL, 0);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, WARM + 40), JUDGE_OPEN);
}

/* Mode psk: the slot's key opens it and seals the answer; another key, another slot or none does not. */
static void test_pre_shared_key(void **state)
{
	struct bench *b = *state;
	struct hpke_psk psk = { 0 };
	uint8_t id[12];
	memset(psk.key, 0x77, sizeof(psk.key));
	psk.id = spa_psk_id(3, id);
	b->target.psk = &psk;
	b->target.psk_slot = 3;

	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, SPA_PREKEY);
	b->boot.keys->psk_count = 1;
	b->boot.keys->psks[0].slot = 3;
	memset(b->boot.keys->psks[0].key, 0x78, HPKE_PSK_LEN);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, SPA_SEAL);
	memset(b->boot.keys->psks[0].key, 0x77, HPKE_PSK_LEN);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	assert_int_equal(answer(b, WALL, MONO).status, SPA_STATUS_OK);
	b->boot.keys->psks[0].slot = 4;
	forget_answers(b);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, SPA_PREKEY);
}

/* With a stealth secret the server knows only cookies that were made with it, with or without epoch. */
static void test_stealth_secret(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	memset(b->boot.keys->cookie_secret, 0x5a, 32);
	for (unsigned i = 0; i < 2; i++) {
		build(b, &ann, &q, i == 0 ? WALL : 0);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
		assert_int_equal(b->judged->drop, SPA_COOKIE);
	}
	memset(b->cookie_secret, 0x5a, 32);
	for (unsigned i = 0; i < 2; i++) {
		build(b, &ann, &q, i == 0 ? WALL : 0);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	}
}

static void test_who(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&nobody, "ssh", WALL, b->judge.instance);
	build(b, &nobody, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, JUDGE_DROP_IDENTITY);
	/* Ann's name under Bob's signature. */
	q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &bob, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	assert_int_equal(b->judged->drop, JUDGE_DROP_SIGNATURE);
	q = ask(&bob, "ssh", WALL, b->judge.instance);
	build(b, &bob, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_DENIED);
	q = ask(&old, "ssh", WALL, b->judge.instance);
	build(b, &old, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_EXPIRED);
	/* Unknown services look like forbidden ones unless reveal is set. */
	q = ask(&ann, "nothing", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_DENIED);
	b->boot.config->server.reveal = true;
	q = ask(&ann, "nothing", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_UNKNOWN_SERVICE);
}

/* By the name alone, from the next knock on, and only as long as it is in the table. */
static void test_locked_out(void **state)
{
	struct bench *b = *state;
	struct lockout *l = lockout_new();
	uint8_t folded[NAME_FOLDED_MAX];
	struct name n;
	assert_int_equal(name_parse("ANN/vsd", false, &n), NAME_OK);
	b->judge.lockout = l;
	for (uint64_t i = 0; i < 3; i++) {
		bool is_out = i == 1;
		if (is_out)
			assert_true(lockout_put(l, folded, name_fold(&n, folded)));
		else
			lockout_remove(l, &n);
		struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
		build(b, &ann, &q, WALL);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO + i),
			is_out ? JUDGE_RECORD : JUDGE_OPEN);
		assert_int_equal(b->judged->status, is_out ? SPA_STATUS_DENIED : SPA_STATUS_OK);
		assert_string_equal(b->judged->reason, is_out ? "locked" : "grant");
	}
	lockout_free(l);
}

static void test_agents_and_tokens(void **state)
{
	static const struct {
		const char *name;
		const struct person *who, *key; /* whose id, whose signature */
		enum spa_signature type;
		uint8_t flags;
		enum judge_outcome want;
		const char *reason; /* of JUDGE_RECORD */
	} cases[] = {
		{ "agent", &ann, &ann, SPA_SIG_SSHSIG, 0, JUDGE_OPEN, NULL },
		{ "agent, another key", &ann, &bob, SPA_SIG_SSHSIG, 0, JUDGE_IGNORE, NULL },
		{ "agent, token's line", &tess, &tess, SPA_SIG_SSHSIG, 0, JUDGE_IGNORE, NULL },
		{ "plain, token's line", &tess, &tess, SPA_SIG_ED25519, 0, JUDGE_IGNORE, NULL },
		{ "token", &tess, &tess, SPA_SIG_SK, 1, JUDGE_OPEN, NULL },
		{ "token, another key", &tess, &ann, SPA_SIG_SK, 1, JUDGE_IGNORE, NULL },
		{ "token, plain line", &ann, &ann, SPA_SIG_SK, 1, JUDGE_IGNORE, NULL },
		{ "token, not touched", &tess, &tess, SPA_SIG_SK, 0, JUDGE_RECORD, "fido-touch" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		void *fresh = NULL;
		setup(&fresh);
		struct bench *b = fresh;
		struct spa_request q = ask(cases[i].who, "ssh", WALL, b->judge.instance);
		q.signature_type = cases[i].type;
		if (cases[i].type == SPA_SIG_SK)
			build_token(b, cases[i].key, &q, cases[i].flags);
		else
			build(b, cases[i].key, &q, WALL);
		TEST_CASE(cases[i].name, judge_at(b, "192.0.2.7", WALL, MONO) == cases[i].want);
		if (cases[i].want == JUDGE_IGNORE)
			TEST_CASE(cases[i].name, b->judged->drop == JUDGE_DROP_SIGNATURE);
		if (cases[i].reason != NULL)
			TEST_CASE(cases[i].name,
				b->judged->status == SPA_STATUS_DENIED &&
					strcmp(b->judged->reason, cases[i].reason) == 0);
		/* The packet again: from elsewhere nothing, whatever became of it. */
		if (cases[i].want != JUDGE_IGNORE) {
			answer(b, WALL, MONO);
			TEST_CASE(cases[i].name,
				judge_at(b, "192.0.2.8", WALL, MONO) == JUDGE_IGNORE);
		}
		teardown(&fresh);
	}
	(void)state;
}

static void test_token_bit_flips(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&tess, "ssh", WALL, b->judge.instance);
	build_token(b, &tess, &q, 1);
	for (size_t bit = 0; bit < 8 * b->len; bit++) {
		b->datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
		b->datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
}

static void test_bind(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "bound", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_BIND);
	struct spa_reply r = answer(b, WALL, MONO);
	assert_int_equal(r.granted_s, 0);
	q = ask(&ann, "bound", WALL, b->judge.instance);
	q.flags = SPA_FLAG_EXPLICIT;
	q.address_mode = 4;
	q.address = r.observed;
	build(b, &ann, &q, WALL);
	/* From elsewhere the signed address does not open; from there it does. */
	assert_int_equal(judge_at(b, "192.0.2.8", WALL, MONO), JUDGE_RECORD);
	assert_int_equal(b->judged->status, SPA_STATUS_BIND);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
}

static void test_rates(void **state)
{
	struct bench *b = *state;
	for (int i = 0; i < 3; i++) {
		struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
		build(b, &ann, &q, WALL);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	}
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_ANSWER);
	assert_int_equal(b->judged->status, SPA_STATUS_LIMIT);
	/* Without an epoch: two a second from everybody together. */
	unsigned dropped = 0;
	for (int i = 0; i < 4; i++) {
		q = ask(&bob, "ssh", WALL, b->judge.instance);
		build(b, &bob, &q, 0);
		if (judge_at(b, i % 2 ? "192.0.2.9" : "192.0.2.10", WALL, MONO) == JUDGE_IGNORE &&
			b->judged->drop == JUDGE_DROP_NO_EPOCH)
			dropped++;
	}
	assert_int_equal(dropped, 2);
}

static void test_source_port(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	q.source_port = 1234;
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	assert_int_equal(b->judged->claim.source_port, 1234);
	assert_int_equal(b->judged->claim.source_bits, 128);
	assert_int_equal(b->judged->verdict.granted_s, 30);
}

/* By name, by any port in it, by the range or a part of it; not by more than it. */
static void test_range(void **state)
{
	static const struct {
		const char *name;
		enum spa_selector type;
		const char *selector;
		size_t len;
		enum judge_outcome want;
		uint16_t port;
	} cases[] = {
		{ "name", SPA_SELECT_NAME, "range", 5, JUDGE_OPEN, 6000 },
		{ "first", SPA_SELECT_PORT, "\6\x17\x70", 3, JUDGE_OPEN, 6000 },
		{ "last", SPA_SELECT_PORT, "\6\x17\x7a", 3, JUDGE_OPEN, 6010 },
		{ "one more", SPA_SELECT_PORT, "\6\x17\x7b", 3, JUDGE_RECORD, 0 },
		{ "one less", SPA_SELECT_PORT, "\6\x17\x6f", 3, JUDGE_RECORD, 0 },
		{ "other protocol", SPA_SELECT_PORT, "\x11\x17\x70", 3, JUDGE_RECORD, 0 },
		{ "all", SPA_SELECT_RANGE, "\6\x17\x70\x17\x7a", 5, JUDGE_OPEN, 6000 },
		{ "some", SPA_SELECT_RANGE, "\6\x17\x72\x17\x73", 5, JUDGE_OPEN, 6002 },
		{ "too many", SPA_SELECT_RANGE, "\6\x17\x70\x17\x7b", 5, JUDGE_RECORD, 0 },
		{ "from below", SPA_SELECT_RANGE, "\6\x17\x6f\x17\x7a", 5, JUDGE_RECORD, 0 },
		{ "a single port as range", SPA_SELECT_RANGE, "\6\x08\x98\x08\x98", 5, JUDGE_RECORD,
			0 }, /* bound: an address is wanted, so it was found */
	};
	struct bench *b = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint64_t mono = MONO + 1000 * i;
		struct spa_request q = ask(&bob, "", WALL, b->judge.instance);
		q.selector_type = (uint8_t)cases[i].type;
		q.selector = span_of(cases[i].selector, cases[i].len);
		build(b, &bob, &q, WALL);
		TEST_CASE(cases[i].name, judge_at(b, "192.0.2.7", WALL, mono) == cases[i].want);
		if (cases[i].want == JUDGE_OPEN)
			TEST_CASE(
				cases[i].name, answer(b, WALL, mono).granted_port == cases[i].port);
	}
	assert_string_equal(b->judged->reason, "bind");
}

/* A network that the service allows and that holds who asks, all of it where they may come from. */
static void test_prefix(void **state)
{
	static const struct {
		const char *name, *service;
		const struct person *who;
		const char *address;
		uint8_t bits;
		uint16_t source_port;
		const char *observed;
		enum judge_outcome want;
		const char *reason;
	} cases[] = {
		{ "widest", "range", &bob, "192.0.2.0", 96 + 24, 0, "192.0.2.7", JUDGE_OPEN,
			"grant" },
		{ "narrower", "range", &bob, "192.0.2.4", 96 + 30, 0, "192.0.2.7", JUDGE_OPEN,
			"grant" },
		{ "wider", "range", &bob, "192.0.2.0", 96 + 23, 0, "192.0.2.7", JUDGE_RECORD,
			"prefix" },
		{ "all of it", "range", &bob, "192.0.2.0", 96 + 24, 9, "192.0.2.7", JUDGE_RECORD,
			"prefix" },
		{ "of a service for hosts", "bound", &bob, "192.0.2.0", 96 + 24, 0, "192.0.2.7",
			JUDGE_RECORD, "prefix" },
		{ "of others", "range", &bob, "192.0.3.0", 96 + 24, 0, "192.0.2.7", JUDGE_RECORD,
			"address" },
		{ "IPv6", "range", &bob, "2001:db8::", 56, 0, "2001:db8::7", JUDGE_OPEN, "grant" },
		{ "wider, IPv6", "range", &bob, "2001:db8::", 55, 0, "2001:db8::7", JUDGE_RECORD,
			"prefix" },
		{ "where they may come from", "range", &tied, "192.0.2.0", 96 + 25, 0, "192.0.2.7",
			JUDGE_OPEN, "grant" },
		{ "beyond that", "range", &tied, "192.0.2.0", 96 + 24, 0, "192.0.2.7", JUDGE_RECORD,
			"from" },
		{ "a service that is not", "nothing", &bob, "192.0.2.0", 96 + 24, 0, "192.0.2.7",
			JUDGE_RECORD, "unknown-service" },
	};
	struct bench *b = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct spa_request q = ask(cases[i].who, cases[i].service, WALL, b->judge.instance);
		assert_true(addr_parse(cases[i].address, &q.address));
		q.address_mode = addr_is_v4(&q.address) ? 4 : 6;
		q.flags = SPA_FLAG_EXPLICIT;
		q.prefix_bits = cases[i].bits;
		q.source_port = cases[i].source_port;
		build(b, cases[i].who, &q, WALL);
		TEST_CASE(cases[i].name,
			judge_at(b, cases[i].observed, WALL, MONO + 1000 * i) == cases[i].want);
		TEST_CASE(cases[i].name, strcmp(b->judged->reason, cases[i].reason) == 0);
		if (cases[i].want != JUDGE_OPEN)
			continue;
		TEST_CASE(cases[i].name, addr_equal(&b->judged->claim.source, &q.address));
		TEST_CASE(cases[i].name, b->judged->claim.source_bits == q.prefix_bits);
	}
}

static void test_every_bit_flip_and_truncation(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	build(b, &ann, &q, WALL);
	for (size_t bit = 0; bit < 8 * b->len; bit++) {
		b->datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
		b->datagram[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	size_t whole = b->len;
	for (b->len = 0; b->len < whole; b->len++)
		assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_IGNORE);
	b->len = whole;
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
}

static void test_prekey_is_offered_signed(void **state)
{
	struct bench *b = *state;
	struct spa_request q = ask(&ann, "ssh", WALL, b->judge.instance);
	uint8_t transcript[SPA_REPLY_TRANSCRIPT_LEN];
	q.flags = SPA_FLAG_WANT_PREKEY;
	build(b, &ann, &q, WALL);
	assert_int_equal(judge_at(b, "192.0.2.7", WALL, MONO), JUDGE_OPEN);
	struct spa_reply r = answer(b, WALL, MONO);
	assert_true(r.has_prekey && r.has_signature);
	spa_reply_transcript(&r, span_of(b->datagram, b->len), transcript);
	assert_int_equal(crypto_sign_verify_detached(
				 r.signature, transcript, sizeof(transcript), b->boot.keys->pk),
		0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_grant, setup, teardown),
		cmocka_unit_test_setup_teardown(test_actions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_action_sealed_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_identical_datagram, setup, teardown),
		cmocka_unit_test(test_time_and_instance),
		cmocka_unit_test_setup_teardown(test_refusals_are_rare, setup, teardown),
		cmocka_unit_test_setup_teardown(test_clock_set_back, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_old_packet_after_clock_set_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_old_packets_take_no_rate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pre_shared_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_stealth_secret, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who, setup, teardown),
		cmocka_unit_test_setup_teardown(test_locked_out, setup, teardown),
		cmocka_unit_test(test_agents_and_tokens),
		cmocka_unit_test_setup_teardown(test_token_bit_flips, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_source_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prefix, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_every_bit_flip_and_truncation, setup, teardown),
		cmocka_unit_test_setup_teardown(test_prekey_is_offered_signed, setup, teardown),
	};
	if (sodium_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
