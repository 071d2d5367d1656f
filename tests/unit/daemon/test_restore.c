/* What stood before, put back or put out: the store and the mirror beside a gate process that says yes. */

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "daemon/knockd_internal.h"
#include "gate/gate.h"
#include "people.h"

#define CONFIG                                                                                     \
	"server { id = /s directory = /d allow = {\"*\"} }\n"                                      \
	"door wan { interface = e spa { } }\n"                                                     \
	"service wiki { port = tcp/8443 allow = {\"*\"} open = window wait = 1d lease = 2d }\n"    \
	"service ssh { port = tcp/22 allow = {\"*\"} open = once wait = 60s lease = 1h }\n"
#define ANN 0xaa
#define BOB 0xbb
#define ORDERS_MAX 32

struct bench {
	char folder[64], path[96];
	struct boot boot;
	struct knockd_start start;
	struct knockd *k;
	int gate; /* the other end */
	pthread_t thread;
	int result; /* that the gate process gives */
	size_t order_count;
	struct msg orders[ORDERS_MAX];
	size_t record_count;
	struct store_record records[ORDERS_MAX];
	size_t gate_count;
	struct store_gate gates[ORDERS_MAX];
};

/* The gate process: every order is done, with the result that the test wants. */
static void *obey(void *arg)
{
	struct bench *b = arg;
	struct pollfd p = { .fd = b->gate, .events = POLLIN };
	struct msg m;
	while (poll(&p, 1, -1) == 1 &&
		msg_receive(b->gate, MSG_FROM_KNOCK, MSG_FROM_GATE, &m) > 0) {
		struct msg done = { .type = MSG_DONE, .seq = m.seq, .result = b->result };
		if (b->order_count < ORDERS_MAX)
			b->orders[b->order_count++] = m;
		if (msg_send(b->gate, &done) < 0)
			break;
	}
	return NULL;
}

static void load(struct bench *b, const char *config, const char *bob_options)
{
	char directory[512] = "";
	people_line(directory, sizeof(directory), "", "Ann/VSD", ANN);
	if (bob_options != NULL)
		people_line(directory, sizeof(directory), bob_options, "Bob/VSD", BOB);
	b->boot = people_boot(config, directory);
	b->start.boot = &b->boot;
	b->k->config = b->boot.config;
	b->k->live = live_new(b->boot.config);
}

static void unload(struct bench *b)
{
	live_free(b->k->live);
	b->k->live = NULL;
	people_free(&b->boot);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	struct fault f;
	int fds[2];
	snprintf(b->folder, sizeof(b->folder), "/tmp/postern-restore-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/db", b->folder);
	b->k = calloc(1, sizeof(*b->k));
	b->k->start = &b->start;
	b->k->review_wall_ms = UINT64_MAX;
	assert_int_equal(store_open(b->path, &b->k->store, &f), 0);
	b->k->lockout = lockout_new();
	assert_int_equal(priv_channel(fds), 0);
	b->start.gate = fds[0];
	b->gate = fds[1];
	load(b, CONFIG, "");
	*state = b;
	return pthread_create(&b->thread, NULL, obey, b);
}

static int teardown(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	struct bench *b = *state;
	close(b->start.gate);
	pthread_join(b->thread, NULL);
	close(b->gate);
	unload(b);
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

static void store_one(struct bench *b, const struct store_gate *g)
{
	struct store_claim c = { .replay_until_ms = UINT64_MAX, .gate = g };
	enum store_answer answer;
	memcpy(c.replay_key, &g->grant_id, sizeof(g->grant_id));
	assert_int_equal(store_claim_batch(b->k->store, &c, 1, &answer), 0);
	assert_int_equal(answer, STORE_ACCEPTED);
}

/* Ann's and Bob's windows, and a connection of each that came through a spent gate: grants 1 to 4. */
static void fill(struct bench *b)
{
	const struct config_service *wiki = &b->boot.config->services[0],
				    *ssh = &b->boot.config->services[1];
	struct store_gate gates[] = { people_gate(1, "Ann/VSD", ANN, wiki),
		people_gate(2, "Bob/VSD", BOB, wiki), people_gate(3, "Ann/VSD", ANN, ssh),
		people_gate(4, "Bob/VSD", BOB, ssh) };
	for (size_t i = 0; i < TEST_LEN(gates); i++) {
		gates[i].until_ms = PEOPLE_WALL + (i < 2 ? 86400000 : 60000);
		gates[i].lease_until_ms = PEOPLE_WALL + (i < 2 ? 2 * 86400000 : 3600000);
		if (i >= 2)
			gates[i].state = STORE_GATE_USED;
		store_one(b, &gates[i]);
	}
}

static void keep_record(void *arg, const struct store_record *r)
{
	struct bench *b = arg;
	assert_true(b->record_count < ORDERS_MAX);
	b->records[b->record_count++] = *r;
}

static void keep_gate(void *arg, const struct store_gate *g)
{
	struct bench *b = arg;
	b->gates[b->gate_count++] = *g;
}

/* Read back what the store says now. */
static void look(struct bench *b)
{
	const struct store_query all = { .limit = 100 };
	b->record_count = b->gate_count = 0;
	assert_int_equal(store_journal(b->k->store, &all, keep_record, b), 0);
	assert_int_equal(store_gates(b->k->store, PEOPLE_WALL, keep_gate, b), 0);
}

static size_t orders(const struct bench *b, enum msg_type type)
{
	size_t n = 0;
	for (size_t i = 0; i < b->order_count; i++)
		n += b->orders[i].type == type;
	return n;
}

/* Orders to come still: an answer of the gate process for each. */
static void settle(struct bench *b)
{
	struct msg m;
	struct pollfd p = { .fd = b->start.gate, .events = POLLIN };
	while (poll(&p, 1, 200) == 1)
		assert_true(msg_receive(b->start.gate, MSG_FROM_GATE, MSG_FROM_KNOCK, &m) > 0);
}

static void test_everybody_stays(void **state)
{
	struct bench *b = *state;
	fill(b);
	restore_gates(b->k, false, PEOPLE_WALL, 1000);
	look(b);
	assert_int_equal(b->order_count, 0);
	assert_int_equal(b->record_count, 0);
	assert_int_equal(b->gate_count, 4);
	assert_int_equal(live_count(b->k->live), 2);
	assert_true(b->k->review_wall_ms == UINT64_MAX);
}

static void check_bob_is_out(struct bench *b, const char *reason)
{
	look(b);
	assert_int_equal(b->gate_count, 2);
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(b->gates[i].name, "Ann/VSD");
	assert_int_equal(b->record_count, 2);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(b->records[i].event, STORE_CLOSED);
		assert_string_equal(b->records[i].name, "Bob/VSD");
		assert_string_equal(b->records[i].reason, reason);
		assert_int_equal(b->records[i].grant_id, 2 + 2 * i);
	}
	assert_int_equal(live_count(b->k->live), 1);
	assert_int_equal(live_at(b->k->live, 0)->grant_id, 1);
}

static void test_one_is_put_out(void **state)
{
	struct bench *b = *state;
	fill(b);
	unload(b);
	load(b, CONFIG, "locked");
	restore_gates(b->k, false, PEOPLE_WALL, 1000);
	check_bob_is_out(b, "locked");
	assert_int_equal(orders(b, MSG_CLOSE), 1);
	assert_int_equal(orders(b, MSG_CUT), 2);
	assert_int_equal(b->orders[0].type, MSG_CLOSE);
	assert_int_equal(b->orders[0].port, 8443);
	assert_int_equal(b->orders[0].bits, 128);
	assert_string_equal(
		b->records[0].text, "because the identity is locked out, with its connections");
	assert_string_equal(
		b->records[1].text, "its connection is cut because the identity is locked out");
}

/* In a new table there is nothing to close, and nothing of Bob's is put into it. */
static void test_new_table(void **state)
{
	struct bench *b = *state;
	fill(b);
	unload(b);
	load(b, CONFIG, NULL);
	restore_gates(b->k, true, PEOPLE_WALL, 1000);
	check_bob_is_out(b, "key-check");
	assert_int_equal(orders(b, MSG_CLOSE) + orders(b, MSG_CUT), 0);
	assert_int_equal(orders(b, MSG_OPEN), 1);
	assert_int_equal(orders(b, MSG_LEASE), 1);
	assert_int_equal(orders(b, MSG_SETTLE), 1);
}

/* What the gate process did not do is not written down as done, and is tried again. */
static void test_gate_process_fails(void **state)
{
	struct bench *b = *state;
	fill(b);
	unload(b);
	load(b, CONFIG, "disabled");
	b->result = -EIO;
	restore_gates(b->k, false, PEOPLE_WALL, 1000);
	look(b);
	assert_int_equal(b->gate_count, 4);
	assert_int_equal(b->record_count, 0);
	assert_true(b->k->review_wall_ms <= PEOPLE_WALL + 1000);
	b->result = 0;
	restore_review(b->k, PEOPLE_WALL + 1000);
	settle(b);
	events_write(b->k);
	check_bob_is_out(b, "disabled");
}

/* A line got an end while gates stood that last longer: they end with it, at that moment. */
static void test_time_ends(void **state)
{
	static const uint64_t midnight = 1795046400000ull;
	struct bench *b = *state;
	fill(b);
	unload(b);
	load(b, CONFIG, "expires=2026-11-18");
	restore_gates(b->k, false, PEOPLE_WALL, 1000);
	assert_int_equal(b->order_count, 0);
	assert_true(b->k->review_wall_ms == midnight);
	restore_review(b->k, midnight - 1);
	assert_int_equal(b->order_count, 0);
	restore_review(b->k, midnight);
	settle(b);
	events_write(b->k);
	assert_int_equal(orders(b, MSG_CLOSE), 1);
	assert_int_equal(orders(b, MSG_CUT), 1); /* the connection of an hour is over by then */
	assert_true(b->k->review_wall_ms == UINT64_MAX);
	look(b);
	assert_int_equal(b->record_count, 1);
	assert_int_equal(b->records[0].grant_id, 2);
	assert_string_equal(b->records[0].reason, "expired");
	restore_review(b->k, midnight + 5000);
	assert_int_equal(b->order_count, 2);
}

static void test_service_changes(void **state)
{
	static const struct {
		const char *name, *wiki;
		size_t closes, cuts, lasting; /* gates of the store that may be judged again */
		const char *reason;
	} cases[] = {
		{ "renamed", "service docs { port = tcp/8443 allow = {\"*\"} open = window }\n", 2,
			0, 4, "service-changed" },
		{ "renamed, for nobody",
			"service docs { port = tcp/8443 allow = {} open = window }\n", 2, 2, 2,
			"not-allowed-service" },
		{ "gone", "", 2, 2, 2, "unknown-service" },
		{ "elsewhere", "service wiki { port = tcp/8444 allow = {\"*\"} open = window }\n",
			2, 2, 2, "unknown-service" },
		{ "more ports",
			"service wiki { port = tcp/8443-8444 allow = {\"*\"} open = window }\n", 2,
			0, 4, "service-changed" },
		{ "once", "service wiki { port = tcp/8443 allow = {\"*\"} open = once }\n", 2, 0, 4,
			"service-changed" },
		{ "times",
			"service wiki { port = tcp/8443 allow = {\"*\"} open = times times = 9 }\n",
			2, 0, 4, "service-changed" },
	};
	struct bench *b = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char config[1024];
		if (i > 0) {
			assert_int_equal(teardown(state), 0);
			assert_int_equal(setup(state), 0);
			b = *state;
		}
		fill(b);
		unload(b);
		snprintf(config, sizeof(config),
			"server { id = /s directory = /d allow = {\"*\"} }\n"
			"door wan { interface = e spa { } }\n%s"
			"service ssh { port = tcp/22 allow = {\"*\"} open = once }\n",
			cases[i].wiki);
		load(b, config, "");
		restore_gates(b->k, false, PEOPLE_WALL, 1000);
		look(b);
		TEST_CASE(cases[i].name, orders(b, MSG_CLOSE) == cases[i].closes);
		TEST_CASE(cases[i].name, orders(b, MSG_CUT) == cases[i].cuts);
		TEST_CASE(cases[i].name, b->gate_count == cases[i].lasting);
		TEST_CASE(cases[i].name, live_count(b->k->live) == 0);
		TEST_CASE(cases[i].name, b->record_count == 2);
		TEST_CASE(cases[i].name, strcmp(b->records[0].reason, cases[i].reason) == 0);
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_everybody_stays),
		TEST(test_one_is_put_out),
		TEST(test_new_table),
		TEST(test_gate_process_fails),
		TEST(test_time_ends),
		TEST(test_service_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
