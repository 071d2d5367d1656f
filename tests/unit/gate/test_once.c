/*
 * Exactly one, and exactly as many as a gate is for: first packets of one source, sent at the same moment on
 * two processors. Deleting the ticket in the rule lets one too many in now and then; its limit does not.
 */

#include <pthread.h>
#include <stdatomic.h>

#include "gate/traffic.h"

#define SSH 22
#define ROUNDS 2000
#define SENDERS 2
#define EACH_MAX 4
#define TIMES 3

struct race {
	unsigned each, expected; /* packets of a sender, and how many of all are let in */
	int raw;
	struct addr from;
	cpu_set_t cpus;
	atomic_uint round; /* the one that may begin */
	atomic_uint sent;  /* by the second sender */
};

/* The number-th of the processors in all, for the calling thread alone. */
static void pin(const cpu_set_t *all, unsigned number)
{
	cpu_set_t one;
	unsigned seen = 0;
	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, all) && seen++ == number % (unsigned)CPU_COUNT(all))
			CPU_SET(cpu, &one);
	}
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
}

static void send_first(const struct race *r, unsigned round, unsigned sender)
{
	for (unsigned i = 0; i < r->each; i++) {
		unsigned number = (round * SENDERS + sender) * EACH_MAX + i;
		struct segment syn = { r->from, (uint16_t)(2000 + number), SSH, TH_SYN, round };
		if (!send_segment(r->raw, &syn))
			abort();
	}
}

/* The second sender spins, so that it begins within a fraction of a packet's time. */
static void *run(void *arg)
{
	struct race *r = arg;
	pin(&r->cpus, 1);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		while (atomic_load(&r->round) < round)
			sched_yield();
		send_first(r, round, 1);
		atomic_store(&r->sent, round);
	}
	return NULL;
}

/* All packets of a round have been judged: how many were let in. */
static uint64_t admitted(struct gate *g, struct gate_counts before, unsigned sent)
{
	for (uint64_t end = clock_mono_ms() + PATIENCE_MS; clock_mono_ms() < end; sched_yield()) {
		struct gate_counts now = counts(g);
		if (now.opened - before.opened + now.dropped - before.dropped == sent)
			return now.opened - before.opened;
	}
	fail_msg("packets were lost");
	return 0;
}

static void race(struct net *n, struct gate *g, int family, enum gate_kind kind)
{
	struct race r = { .raw = raw_socket(n, family), .from = host(family, 2) };
	r.each = kind == GATE_TIMES ? 2 : 1;
	r.expected = kind == GATE_TIMES ? TIMES : 1;
	pthread_t second;
	unsigned wrong = 0;

	assert_int_equal(sched_getaffinity(0, sizeof(r.cpus), &r.cpus), 0);
	pin(&r.cpus, 0);
	assert_int_equal(pthread_create(&second, NULL, run, &r), 0);
	for (unsigned round = 1; round <= ROUNDS; round++) {
		struct gate_counts before = counts(g);
		struct gate_order o = opening(kind, r.from, SSH, 0x50000000u + round);
		o.times = TIMES;
		apply(g, o);
		atomic_store(&r.round, round);
		send_first(&r, round, 0);
		while (atomic_load(&r.sent) < round)
			sched_yield();
		if (admitted(g, before, SENDERS * r.each) != r.expected)
			wrong++;
	}
	pthread_join(second, NULL);
	assert_int_equal(sched_setaffinity(0, sizeof(r.cpus), &r.cpus), 0);
	close(r.raw);
	assert_int_equal(wrong, 0);
}

static void race_of(void **state, enum gate_kind kind)
{
	static const int services[] = { SSH };
	struct gate *g = start_gate(services, 1);
	for (size_t i = 0; i < TEST_LEN(families); i++)
		race(*state, g, families[i], kind);
	gate_free(g);
}

static void test_race(void **state)
{
	NEED_ROOT(state);
	race_of(state, GATE_ONCE);
}

static void test_race_of_times(void **state)
{
	NEED_ROOT(state);
	race_of(state, GATE_TIMES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_race),
		NET_TEST(test_race_of_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
