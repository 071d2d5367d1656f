/* Who is let through a passthru, with a relay process that is played at the other end of the channel. */

#include <sodium.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/knockd_internal.h"
#include "daemon/relays.h"
#include "identity/cert.h"
#include "people.h"

#define DAY_MS 86400000ull
#define RECORDS_MAX 128

enum { VSD, COM, CERTIFIERS };
enum { ANN, BOB, EVE, LATE, EARLY, PEOPLE };

struct party {
	struct name name;
	uint8_t seed[32], pk[32], sk[64], key_id[32];
	size_t len;
	uint8_t der[CERT_LEN_MAX];
};

struct bench {
	char folder[64], path[96];
	struct party certifiers[CERTIFIERS], people[PEOPLE], server;
	struct boot boot;
	struct knockd_start start;
	struct knockd *k;
	int relay;   /* the other end of the channel */
	int monitor; /* and of the monitor's */
	size_t record_count;
	struct store_record records[RECORDS_MAX];
	uint8_t buffer[RELAY_LEN_MAX];
};

static const char config_text[] =
	"server { id = /s relay-id = /r directory = /d allow = {\"*\"} deny = {%s}\n"
	"  relay-connections-max = 4 identity-rate = 10 key-check = off }\n"
	"door wan { interface = e spa { } allow = {\"*\"} }\n"
	"door lan { interface = f spa { udp = 62202 } allow = {\"*\"} deny = {\"Ann/VSD\"} }\n"
	"passthru notes { listen = tcp/1352 to = \"mail.inner:1352\" allow = {%s} lease = 1h }\n"
	"passthru mute { listen = tcp/23 to = \"10.0.0.8:23\" encrypt = no allow = {\"*\"} }\n";

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
	static const char *const people[] = { "Ann/VSD", "Bob/VSD", "Eve/COM", "Late/VSD",
		"Early/VSD" };
	uint64_t now = clock_wall_ms();
	make_keys(&b->certifiers[VSD], "VSD", true, 1);
	make_keys(&b->certifiers[COM], "COM", true, 2);
	for (int i = 0; i < CERTIFIERS; i++)
		certify(&b->certifiers[i], CERT_CERTIFIER, &b->certifiers[i], now - 10 * DAY_MS,
			now + 900 * DAY_MS);
	for (int i = 0; i < PEOPLE; i++) {
		make_keys(&b->people[i], people[i], false, (uint8_t)(20 + i));
		certify(&b->people[i], CERT_USER, &b->certifiers[i == EVE ? COM : VSD],
			i == EARLY ? now + DAY_MS : now - 2 * DAY_MS,
			i == LATE ? now - DAY_MS : now + 300 * DAY_MS);
	}
	make_keys(&b->server, "Edge/VSD", false, 40);
	certify(&b->server, CERT_SERVER, &b->certifiers[VSD], now - DAY_MS, now + DAY_MS);
}

static struct trust *make_trust(struct bench *b)
{
	struct party *vsd = &b->certifiers[VSD];
	const struct trust_item own[] = {
		{ span_of(b->server.der, b->server.len), "server.id" },
		{ span_of(vsd->der, vsd->len), "server.id" },
	};
	const struct trust_material m = { .own_count = 2, .own = own };
	static struct trust_faults faults;
	return trust_new(&m, &faults);
}

static void load(struct bench *b, const char *deny, const char *allow)
{
	char config[2048], directory[1024], hex[65];
	snprintf(config, sizeof(config), config_text, deny, allow);
	for (size_t i = 0, len = 0; i < PEOPLE; i++) {
		char name[NAME_TEXT_MAX];
		const struct party *p = &b->people[i];
		len += (size_t)snprintf(directory + len, sizeof(directory) - len,
			"name=\"%s\" postern-key sha256:%s\n", name_format(&p->name, name),
			text_hex(SPAN_OF(p->key_id), hex));
	}
	b->boot = people_boot(config, directory);
	b->boot.trust = make_trust(b);
	assert_non_null(b->boot.trust);
	b->start.boot = &b->boot;
	b->k->config = b->boot.config;
	b->k->live = live_new(b->boot.config);
	assert_int_equal(judge_init(&b->k->judge, &b->boot, clock_mono_ms()), 0);
	b->k->judge.store = b->k->store;
	b->k->judge.lockout = b->k->lockout;
}

static void connect_relay(struct bench *b)
{
	int fds[2];
	assert_int_equal(priv_channel(fds), 0);
	struct msg_fds came = { .count = 1, .fd = { fds[0] } };
	b->relay = fds[1];
	relays_take(b->k, &came);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct fault f;
	int fds[2];
	snprintf(b->folder, sizeof(b->folder), "/tmp/postern-relays-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/db", b->folder);
	b->k = calloc(1, sizeof(*b->k));
	b->k->start = &b->start;
	b->k->announcer.fd = -1;
	assert_int_equal(uv_loop_init(&b->k->loop), 0);
	assert_int_equal(store_open(b->path, &b->k->store, &f), 0);
	b->k->lockout = lockout_new();
	assert_int_equal(priv_channel(fds), 0);
	b->start.monitor = fds[0];
	b->monitor = fds[1];
	make_world(b);
	load(b, "", "\"*/VSD\"");
	connect_relay(b);
	*state = b;
	return 0;
}

static void unload(struct bench *b)
{
	relays_leave(b->k);
	uv_run(&b->k->loop, UV_RUN_DEFAULT);
	relays_free(b->k);
	judge_deinit(&b->k->judge);
	live_free(b->k->live);
	people_free(&b->boot);
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct bench *b = *state;
	unload(b);
	close(b->relay);
	close(b->start.monitor);
	close(b->monitor);
	assert_int_equal(uv_loop_close(&b->k->loop), 0);
	lockout_free(b->k->lockout);
	store_close(b->k->store);
	free(b->k);
	for (size_t i = 0; i < TEST_LEN(ends); i++) {
		char name[128];
		snprintf(name, sizeof(name), "%s%s", b->path, ends[i]);
		unlink(name);
	}
	int rc = rmdir(b->folder);
	free(b);
	return rc;
}

/* ------------------------------------------------------------------ the relay's part */

static void say(struct bench *b, struct relay_msg *m)
{
	if (m->passthru[0] == '\0')
		snprintf(m->passthru, sizeof(m->passthru), "notes");
	if (addr_is_zero(&m->source))
		assert_true(addr_parse("192.0.2.7", &m->source));
	m->source_port = 50014;
	assert_int_equal(relay_msg_send(b->relay, m, -1), 0);
}

static void turn(struct bench *b)
{
	uv_run(&b->k->loop, UV_RUN_NOWAIT);
}

static void ask(struct bench *b, uint32_t id, const struct party *who)
{
	struct relay_msg m = { .type = RELAY_ASK, .id = id };
	if (who != NULL)
		m.chain = span_of(who->der, who->len);
	say(b, &m);
}

static bool hear(struct bench *b, struct relay_msg *ret)
{
	int fd;
	return relay_msg_receive(b->relay, RELAY_KNOCK, RELAY_RELAY, b->buffer, ret, &fd) == 1;
}

static struct relay_msg expect(struct bench *b, enum relay_msg_type type, uint32_t id)
{
	struct relay_msg m;
	assert_true(hear(b, &m));
	assert_int_equal(m.type, type);
	assert_int_equal(m.id, id);
	return m;
}

static struct relay_msg answer(struct bench *b, uint32_t id)
{
	turn(b);
	return expect(b, RELAY_ANSWER, id);
}

static void keep_record(void *arg, const struct store_record *r)
{
	struct bench *b = arg;
	assert_true(b->record_count < RECORDS_MAX);
	b->records[b->record_count++] = *r;
}

static void look(struct bench *b)
{
	const struct store_query all = { .limit = RECORDS_MAX };
	b->record_count = 0;
	assert_int_equal(store_journal(b->k->store, &all, keep_record, b), 0);
}

/* The newest record. */
static const struct store_record *last(struct bench *b)
{
	look(b);
	assert_true(b->record_count > 0);
	return &b->records[b->record_count - 1];
}

static void give_gate(struct bench *b, uint64_t grant_id, const struct party *who, size_t service,
	const char *door)
{
	const struct config_service *s = &b->boot.config->services[service];
	char name[NAME_TEXT_MAX];
	struct store_gate g = people_gate(grant_id, name_format(&who->name, name), 0, s);
	struct store_claim c = { .replay_until_ms = UINT64_MAX, .gate = &g };
	enum store_answer a;
	memcpy(g.key_id, who->key_id, sizeof(g.key_id));
	assert_true(addr_parse("192.0.2.7", &g.source));
	snprintf(g.door, sizeof(g.door), "%s", door);
	g.opened_ms = clock_wall_ms();
	g.until_ms = g.opened_ms + 60000;
	g.lease_until_ms = g.opened_ms + 1800000;
	memcpy(c.replay_key, &g.grant_id, sizeof(g.grant_id));
	assert_int_equal(store_claim_batch(b->k->store, &c, 1, &a), 0);
	struct live_gate l = {
		.grant_id = grant_id,
		.mark = g.mark,
		.place = { g.source, 128, 0, (uint16_t)service },
		.kind = g.kind,
		.until_mono_ms = clock_mono_ms() + 60000,
	};
	memcpy(l.key_id, g.key_id, sizeof(l.key_id));
	assert_true(live_add(b->k->live, &l));
}

/* ------------------------------------------------------------------ */

static void test_through_and_ended(void **state)
{
	struct bench *b = *state;
	give_gate(b, 17, &b->people[ANN], 0, "wan");
	ask(b, 5, &b->people[ANN]);
	struct relay_msg a = answer(b, 5);
	assert_true(a.is_granted);
	assert_string_equal(a.who.name, "Ann/VSD");
	assert_memory_equal(a.who.key_id, b->people[ANN].key_id, 32);
	assert_string_equal(a.who.door, "wan");
	assert_int_equal(a.who.grant_id, 17);
	assert_int_equal(a.who.path_count, 1);
	assert_true(a.who.is_certified);
	/* The gate's lease is shorter than the passthru's. */
	assert_true(a.lease_ms > 1700000 && a.lease_ms <= 1800000);
	const struct store_record *r = last(b);
	assert_int_equal(r->event, STORE_RELAYED);
	assert_string_equal(r->name, "Ann/VSD");
	assert_string_equal(r->service, "notes");
	assert_string_equal(r->door, "wan");
	assert_string_equal(r->text, "to mail.inner port 1352");
	assert_int_equal(r->source_port, 50014);
	assert_int_equal(r->grant_id, 17);
	assert_true(r->until_ms > clock_wall_ms());
	assert_int_equal(relays_count(b->k), 1);

	struct relay_msg through = { .type = RELAY_THROUGH, .id = 5 };
	assert_true(addr_parse("10.0.0.9", &through.inner_addr));
	say(b, &through);
	struct relay_msg ended = { .type = RELAY_ENDED,
		.id = 5,
		.reason = "client",
		.text = "the client closed",
		.took_ms = 12345,
		.to_inner = 4312,
		.to_client = 93000 };
	say(b, &ended);
	turn(b);
	r = last(b);
	assert_int_equal(r->event, STORE_RELAY_ENDED);
	assert_string_equal(r->name, "Ann/VSD");
	assert_int_equal(r->grant_id, 17);
	assert_string_equal(r->reason, "client");
	assert_string_equal(r->text, "the client closed, 4312 B in, 93 kB out, 12s");
	assert_int_equal(relays_count(b->k), 0);
	struct relays_counts n;
	relays_counts(b->k, &n);
	assert_int_equal(n.through[0], 1);
	assert_int_equal(n.to_inner, 4312);
	assert_int_equal(n.to_client, 93000);
}

static void test_who_may(void **state)
{
	static const struct {
		const char *name, *deny, *allow, *gate_door;
		int who; /* PEOPLE: no certificate */
		bool is_locked_out;
		const char *reason, *in_journal;
	} cases[] = {
		{ "fine, by no gate", "", "\"*/VSD\"", NULL, BOB, false, "grant", "Bob/VSD" },
		{ "not in the list", "", "\"Bob/VSD\"", NULL, ANN, false, "not-allowed-service",
			"Ann/VSD" },
		{ "a blank list", "", "", NULL, ANN, false, "not-allowed-service", "Ann/VSD" },
		{ "denied by the server", "\"Ann/VSD\"", "\"*\"", NULL, ANN, false, "deny-server",
			"Ann/VSD" },
		{ "denied by the door of the gate", "", "\"*\"", "lan", ANN, false, "deny-door",
			"Ann/VSD" },
		{ "a door that is no more", "", "\"*\"", "old", ANN, false, "not-allowed-door",
			"Ann/VSD" },
		{ "locked out", "", "\"*\"", NULL, ANN, true, "locked", "Ann/VSD" },
		{ "expired", "", "\"*\"", NULL, LATE, false, "expired", "Late/VSD" },
		{ "not yet valid", "", "\"*\"", NULL, EARLY, false, "not-yet", "Early/VSD" },
		{ "foreign", "", "\"*\"", NULL, EVE, false, "relay-certificate", "" },
		{ "no certificate", "", "\"*\"", NULL, PEOPLE, false, "relay-certificate", "" },
	};
	struct bench *b = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		teardown(state);
		setup(state);
		b = *state;
		unload(b);
		close(b->relay);
		load(b, cases[i].deny, cases[i].allow);
		connect_relay(b);
		if (cases[i].gate_door != NULL)
			give_gate(b, 3, &b->people[ANN], 0, cases[i].gate_door);
		if (cases[i].is_locked_out) {
			uint8_t folded[NAME_FOLDED_MAX];
			size_t len = name_fold(&b->people[ANN].name, folded);
			assert_true(lockout_put(b->k->lockout, folded, len));
		}
		ask(b, 9, cases[i].who < PEOPLE ? &b->people[cases[i].who] : NULL);
		struct relay_msg a = answer(b, 9);
		bool is_granted = strcmp(cases[i].reason, "grant") == 0;
		TEST_CASE(cases[i].name, a.is_granted == is_granted);
		TEST_CASE(cases[i].name, strcmp(a.reason, cases[i].reason) == 0);
		const struct store_record *r = last(b);
		TEST_CASE(cases[i].name, r->event == (is_granted ? STORE_RELAYED : STORE_REFUSED));
		TEST_CASE(cases[i].name, strcmp(r->name, cases[i].in_journal) == 0);
		TEST_CASE(cases[i].name, strcmp(r->reason, cases[i].reason) == 0);
		TEST_CASE(cases[i].name, relays_count(b->k) == is_granted);
	}
}

/* Without encryption nothing but the gate says who it is. */
static void test_in_the_clear(void **state)
{
	struct bench *b = *state;
	struct relay_msg m = { .type = RELAY_ASK, .id = 1, .passthru = "mute" };
	say(b, &m);
	struct relay_msg a = answer(b, 1);
	assert_false(a.is_granted);
	assert_string_equal(a.reason, "relay-gate");
	assert_string_equal(last(b)->name, "");
	give_gate(b, 4, &b->people[ANN], 1, "wan");
	m.id = 2;
	say(b, &m);
	a = answer(b, 2);
	assert_true(a.is_granted);
	assert_string_equal(a.who.name, "Ann/VSD");
	assert_int_equal(a.who.path_count, 0);
	assert_string_equal(last(b)->text, "to 10.0.0.8 port 23, without encryption");
	/* A certificate says nothing there. */
	m = (struct relay_msg){ .type = RELAY_ASK, .id = 3, .passthru = "mute" };
	assert_true(addr_parse("192.0.2.8", &m.source));
	m.chain = span_of(b->people[ANN].der, b->people[ANN].len);
	say(b, &m);
	a = answer(b, 3);
	assert_false(a.is_granted);
	m = (struct relay_msg){ .type = RELAY_ASK, .id = 4, .passthru = "gone" };
	say(b, &m);
	a = answer(b, 4);
	assert_string_equal(a.reason, "unknown-service");
}

/* What another knock process let through is judged again, and is no new line unless it ends. */
static void test_held(void **state)
{
	struct bench *b = *state;
	struct relay_msg a, m = { .type = RELAY_HELD, .id = 7 };
	ask(b, 6, &b->people[ANN]);
	a = answer(b, 6);
	look(b);
	size_t before = b->record_count;
	m.who = a.who;
	say(b, &m);
	assert_true(answer(b, 7).is_granted);
	look(b);
	assert_int_equal(b->record_count, before);
	unload(b);
	close(b->relay);
	load(b, "", "\"Bob/VSD\"");
	connect_relay(b);
	say(b, &m);
	a = answer(b, 7);
	assert_false(a.is_granted);
	assert_string_equal(a.reason, "not-allowed-service");
	look(b);
	assert_int_equal(b->record_count, before);
	struct relay_msg ended = { .type = RELAY_ENDED, .id = 7 };
	snprintf(ended.reason, sizeof(ended.reason), "%s", a.reason);
	snprintf(ended.text, sizeof(ended.text), "%s", a.text);
	say(b, &ended);
	turn(b);
	const struct store_record *r = last(b);
	assert_int_equal(r->event, STORE_RELAY_ENDED);
	assert_string_equal(r->name, "Ann/VSD");
	assert_string_equal(r->list, "service notes allow");
}

static bool is_ann(void *arg, const struct relays_line *l)
{
	(void)arg;
	return strcmp(l->name, "Ann/VSD") == 0;
}

static void test_cut(void **state)
{
	static const struct closing why = { .reason = "revoked", .text = "by the administrator" };
	struct bench *b = *state;
	ask(b, 1, &b->people[ANN]);
	ask(b, 2, &b->people[BOB]);
	ask(b, 3, &b->people[ANN]);
	turn(b);
	for (uint32_t i = 1; i <= 3; i++)
		assert_true(expect(b, RELAY_ANSWER, i).is_granted);
	assert_int_equal(relays_cut(b->k, is_ann, NULL, &why), 2);
	struct relay_msg cut = expect(b, RELAY_CUT, 3);
	assert_string_equal(cut.reason, "revoked");
	assert_string_equal(cut.text, "cut by the administrator");
	(void)expect(b, RELAY_CUT, 1);
	assert_int_equal(relays_cut(b->k, is_ann, NULL, &why), 0);
	assert_false(hear(b, &cut));
}

/* Caught before it was through: with the name when that was known, and how often when it was not once. */
static void test_caught(void **state)
{
	struct bench *b = *state;
	ask(b, 1, &b->people[ANN]);
	struct relay_msg m = { .type = RELAY_CAUGHT,
		.id = 1,
		.count = 1,
		.reason = "relay-inner",
		.text = "the inner machine does not answer" };
	say(b, &m);
	assert_true(answer(b, 1).is_granted);
	const struct store_record *r = last(b);
	assert_int_equal(r->event, STORE_REFUSED);
	assert_string_equal(r->name, "Ann/VSD");
	assert_string_equal(r->reason, "relay-inner");
	assert_int_equal(b->records[b->record_count - 2].event, STORE_RELAYED);
	assert_int_equal(relays_count(b->k), 0);
	m = (struct relay_msg){ .type = RELAY_CAUGHT,
		.id = 8,
		.count = 12,
		.reason = "relay-handshake",
		.text = "no TLS 1.3" };
	say(b, &m);
	turn(b);
	r = last(b);
	assert_string_equal(r->name, "");
	assert_string_equal(r->text, "no TLS 1.3, 12 times");
	struct relays_counts n;
	relays_counts(b->k, &n);
	assert_int_equal(n.reason_count, 2);
	assert_string_equal(n.refused[0].word, "relay-inner");
}

/* Strangers cannot fill the journal, whose lines say how many had none. */
static void test_many_strangers(void **state)
{
	struct bench *b = *state;
	for (uint32_t i = 1; i <= 60; i++)
		ask(b, i, &b->people[EVE]);
	turn(b);
	for (uint32_t i = 1; i <= 60; i++)
		assert_false(expect(b, RELAY_ANSWER, i).is_granted);
	look(b);
	assert_true(b->record_count >= 5 && b->record_count <= 7);
	struct relays_counts n;
	relays_counts(b->k, &n);
	assert_int_equal(n.refused[0].count, 60);
}

/* A relay that was broken into names whom it likes: its lines are few, and then it is not believed. */
static void test_relay_makes_up(void **state)
{
	struct bench *b = *state;
	for (uint32_t i = 1; i <= 2000; i++) {
		struct relay_msg m = { .type = i % 3 == 0 ? RELAY_ENDED : RELAY_CAUGHT,
			.id = i,
			.count = 1,
			.reason = "relay-handshake",
			.source = { .b = { 0x20, 1, (uint8_t)(i >> 8), (uint8_t)i } } };
		if (i % 3 == 1)
			m = (struct relay_msg){ .type = RELAY_ASK, .id = i, .source = m.source };
		say(b, &m);
		if (i % 64 == 0)
			turn(b);
	}
	for (int i = 0; i < 40; i++)
		turn(b);
	look(b);
	assert_in_range(b->record_count, 1, 100);
	struct relay_msg a;
	while (hear(b, &a))
		;
	/* Those that it says were let through before have a line each. */
	for (uint32_t i = 1; i <= 4000; i++) {
		struct relay_msg m = { .type = RELAY_HELD,
			.id = 5000 + i,
			.passthru = "notes",
			.source_port = 7,
			.who = { .name = "Bob/VSD" } };
		assert_true(addr_parse("192.0.2.9", &m.source));
		if (relay_msg_send(b->relay, &m, -1) < 0)
			break;
		if (i % 32 == 0)
			turn(b);
		while (i % 32 == 0 && hear(b, &a))
			;
	}
	turn(b);
	assert_int_equal(relays_count(b->k), 0);
	struct msg m;
	assert_int_equal(msg_receive(b->monitor, MSG_FROM_KNOCK, MSG_FROM_MONITOR, &m), 1);
	assert_int_equal(m.type, MSG_RELAY_BROKEN);
}

/* One identity has its rate, and the table its end. */
static void test_limits(void **state)
{
	struct bench *b = *state;
	unsigned granted = 0, limited = 0, busy = 0;
	for (uint32_t i = 1; i <= 100; i++) {
		ask(b, i, &b->people[ANN]);
		struct relay_msg a = answer(b, i);
		granted += a.is_granted;
		limited += strcmp(a.reason, "relay-limit") == 0;
		busy += strcmp(a.reason, "relay-busy") == 0;
		if (i > 20)
			continue;
		struct relay_msg ended = { .type = RELAY_ENDED, .id = i };
		say(b, &ended);
	}
	assert_int_equal(granted + limited + busy, 100);
	assert_true(granted >= 40 && granted <= 45);
	assert_true(busy >= 50);
	assert_int_equal(limited, 0);
	for (uint32_t i = 1; i <= 68; i++) {
		struct relay_msg m = { .type = RELAY_HELD, .id = 1000 + i };
		snprintf(m.who.name, sizeof(m.who.name), "Bob/VSD");
		m.who.is_certified = true;
		m.who.not_after_ms = UINT64_MAX;
		say(b, &m);
		limited += strcmp(answer(b, 1000 + i).reason, "relay-limit") == 0;
	}
	assert_int_equal(relays_count(b->k), 68);
	assert_true(limited > 0);
}

/* What cannot be written down is not let through. */
static void test_store_fails(void **state)
{
	struct bench *b = *state;
	struct store *good = b->k->store;
	struct fault f;
	assert_int_equal(store_open_reader(b->path, &b->k->store, &f), 0);
	ask(b, 1, &b->people[ANN]);
	struct relay_msg a = answer(b, 1);
	assert_false(a.is_granted);
	assert_string_equal(a.reason, "store");
	assert_int_equal(relays_count(b->k), 0);
	assert_true(b->k->store_error != 0);
	store_close(b->k->store);
	b->k->store = good;
	ask(b, 2, &b->people[ANN]);
	assert_true(answer(b, 2).is_granted);
	assert_int_equal(b->k->store_error, 0);
}

/* The relay process dies: who was through is no more, and the next one has a channel of its own. */
static void test_relay_dies(void **state)
{
	struct bench *b = *state;
	ask(b, 1, &b->people[ANN]);
	assert_true(answer(b, 1).is_granted);
	close(b->relay);
	turn(b);
	const struct store_record *r = last(b);
	assert_int_equal(r->event, STORE_RELAY_ENDED);
	assert_string_equal(r->reason, "relay-lost");
	assert_string_equal(r->name, "Ann/VSD");
	assert_int_equal(relays_count(b->k), 0);
	assert_false(relays_list(b->k));
	connect_relay(b);
	ask(b, 1, &b->people[BOB]);
	assert_true(answer(b, 1).is_granted);
	assert_string_equal(last(b)->name, "Bob/VSD");
}

static void test_relay_talks_nonsense(void **state)
{
	struct bench *b = *state;
	struct msg m;
	ask(b, 1, &b->people[ANN]);
	assert_true(answer(b, 1).is_granted);
	assert_int_equal(write(b->relay, "nonsense", 8), 8);
	turn(b);
	assert_int_equal(msg_receive(b->monitor, MSG_FROM_KNOCK, MSG_FROM_MONITOR, &m), 1);
	assert_int_equal(m.type, MSG_RELAY_BROKEN);
	assert_int_equal(relays_count(b->k), 0);
	assert_string_equal(last(b)->reason, "relay-lost");
}

static void note_line(void *arg, const struct relays_line *l)
{
	*(struct relays_line *)arg = *l;
}

static void test_listed(void **state)
{
	struct bench *b = *state;
	struct relays_line line;
	assert_false(relays_list(b->k));
	ask(b, 1, &b->people[ANN]);
	assert_true(answer(b, 1).is_granted);
	assert_true(relays_list(b->k));
	struct relay_msg m;
	assert_true(hear(b, &m));
	assert_int_equal(m.type, RELAY_LIST);
	m = (struct relay_msg){ .type = RELAY_LISTED,
		.id = 1,
		.took_ms = 61000,
		.to_inner = 10,
		.to_client = 20,
		.to_inner_rate = 3,
		.to_client_rate = 4 };
	assert_true(addr_parse("10.0.0.9", &m.inner_addr));
	say(b, &m);
	m = (struct relay_msg){ .type = RELAY_LISTED };
	say(b, &m);
	turn(b);
	relays_each(b->k, note_line, &line);
	assert_int_equal(line.to_inner, 10);
	assert_int_equal(line.to_client_rate, 4);
	assert_int_equal(line.inner_port, 1352);
	struct relays_counts n;
	relays_counts(b->k, &n);
	assert_int_equal(n.to_client, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_through_and_ended, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_may, setup, teardown),
		cmocka_unit_test_setup_teardown(test_in_the_clear, setup, teardown),
		cmocka_unit_test_setup_teardown(test_held, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(test_caught, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_strangers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_store_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_makes_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_dies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_relay_talks_nonsense, setup, teardown),
		cmocka_unit_test_setup_teardown(test_listed, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
