/* Many gateways in made-up time: complete where limits allow it, gentle, within the deadline, each reported once. */

#include <string.h>

#include "audit/schedule.h"
#include "audit/schedule_pace.h"
#include "fake.h"

#define SERVERS_MAX 600
#define LINKS_MAX 600

struct server {
	struct fake fake;
	struct audit_target target;
	uint32_t took_ms;    /* of a handshake */
	unsigned parallel;   /* 421 to more at a time; 0: any */
	unsigned a_minute;   /* 421 to more; 0: any */
	unsigned greylisted; /* 421 to the first so many */
	unsigned reset_each; /* every n-th connection, before a word is said */
	unsigned drips_from; /* that connection on: no answer becomes whole; 0: never */
	bool is_mute, is_closed_port;
	unsigned open, connections, refused, most_open, reports;
	uint64_t minute_ms;
	unsigned in_minute;
	struct audit_facts *facts;
};

struct link {
	bool is_used, is_cancelled, is_dripping;
	void *ticket;
	struct server *server;
	uint64_t at_ms;
	struct audit_ask ask;
};

struct world {
	struct audit_schedule *schedule;
	uint64_t now_ms, wake_ms;
	struct link *links;
	size_t open, most_open, links_max;
	struct server *servers;
	size_t count, reports, progresses;
	bool is_ended;
	uint64_t last_start_ms;
};

static struct server *server_of(struct world *w, const struct audit_target *t)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->servers[i].target.port == t->port)
			return &w->servers[i];
	fail_msg("no such server");
	return NULL;
}

static uint64_t now_ms(void *arg)
{
	return ((struct world *)arg)->now_ms;
}

static int64_t wall_s(void *arg)
{
	(void)arg;
	return 1795000000;
}

static void fill_random(void *arg, uint8_t *to, size_t len)
{
	(void)arg;
	memset(to, 5, len);
}

static void *start(void *arg, const struct audit_errand *e)
{
	struct world *w = arg;
	for (size_t i = 0; i < w->links_max; i++) {
		struct link *l = &w->links[i];
		if (l->is_used)
			continue;
		struct server *s = server_of(w, e->target);
		*l = (struct link){ .is_used = true,
			.ticket = e->ticket,
			.server = s,
			.at_ms = w->now_ms + (s->is_mute ? 30000 : s->took_ms) };
		l->ask = *e->ask;
		s->open++;
		s->connections++;
		l->is_dripping = s->drips_from != 0 && s->connections >= s->drips_from;
		if (l->is_dripping)
			l->at_ms = w->now_ms + 10000;
		s->most_open = s->open > s->most_open ? s->open : s->most_open;
		w->last_start_ms = w->now_ms;
		if (++w->open > w->most_open)
			w->most_open = w->open;
		return l;
	}
	return NULL;
}

static void cancel(void *arg, void *link)
{
	struct world *w = arg;
	struct link *l = link;
	l->is_cancelled = true;
	l->at_ms = w->now_ms;
}

static void wake(void *arg, uint64_t at_ms)
{
	((struct world *)arg)->wake_ms = at_ms;
}

/* Does a limit of the server meet this connection? */
static bool is_limited(struct world *w, struct server *s)
{
	if (w->now_ms >= s->minute_ms + 60000) {
		s->minute_ms = w->now_ms;
		s->in_minute = 0;
	}
	s->in_minute++;
	return (s->a_minute != 0 && s->in_minute > s->a_minute) ||
		(s->parallel != 0 && s->open > s->parallel) || s->connections <= s->greylisted;
}

static void deliver(struct world *w, struct link *l)
{
	static const struct audit_words words = { .code = 421, .text = "421 RP-001 too fast" };
	static const struct audit_words no_words = { .code = 0 };
	static const struct audit_flight no_flight = { .end = AUDIT_FLIGHT_MORE };
	struct server *s = l->server;
	struct audit_probe_result r = { 0 };
	if (l->is_cancelled) {
		r.end = AUDIT_PROBE_CANCELLED;
	} else if (l->is_dripping) {
		r = (struct audit_probe_result){
			.end = AUDIT_PROBE_TIMEOUT, .stage = AUDIT_STAGE_HELLO, .flight = &no_flight
		};
	} else if (s->is_closed_port) {
		r = (struct audit_probe_result){ .end = AUDIT_PROBE_CONNECT,
			.error = UV_ECONNREFUSED };
	} else if (s->is_mute) {
		r = (struct audit_probe_result){ .end = AUDIT_PROBE_TIMEOUT,
			.stage = AUDIT_STAGE_DIALOGUE };
	} else if (is_limited(w, s)) {
		s->refused++;
		r = (struct audit_probe_result){ .end = AUDIT_PROBE_DIALOGUE,
			.stage = AUDIT_STAGE_DIALOGUE,
			.dialogue_end = AUDIT_END_RATE,
			.is_temporary = true,
			.words = &words };
	} else if (s->reset_each != 0 && s->connections % s->reset_each == 0) {
		r = (struct audit_probe_result){ .end = AUDIT_PROBE_RESET,
			.stage = AUDIT_STAGE_DIALOGUE,
			.error = UV_ECONNRESET,
			.words = &no_words };
	} else if (l->ask.kind == AUDIT_ASK_INJECTION || l->ask.kind == AUDIT_ASK_FETCH) {
		r.stage = AUDIT_STAGE_HELLO;
	} else {
		fake_answer(&s->fake, &l->ask, &r);
	}
	r.total_ms = s->took_ms;
	s->open--;
	w->open--;
	l->is_used = false;
	audit_schedule_done(w->schedule, l->ticket, &r, AUDIT_NO);
}

static void on_gateway(void *arg, struct audit_facts *f)
{
	struct world *w = arg;
	struct server *s = server_of(w, &f->target);
	w->reports++;
	s->reports++;
	audit_facts_free(s->facts);
	s->facts = f;
}

static void on_progress(void *arg, const struct audit_progress *p)
{
	struct world *w = arg;
	w->progresses++;
	assert_true(p->done <= p->targets);
	assert_true(p->running <= p->targets);
}

static void on_end(void *arg)
{
	struct world *w = arg;
	assert_false(w->is_ended);
	w->is_ended = true;
}

static void setup(struct world *w, size_t count, const struct audit_run_options *o)
{
	*w = (struct world){
		.now_ms = 1000000, .wake_ms = UINT64_MAX, .count = count, .links_max = LINKS_MAX
	};
	w->servers = calloc(count, sizeof(*w->servers));
	w->links = calloc(LINKS_MAX, sizeof(*w->links));
	assert_non_null(w->servers);
	assert_non_null(w->links);
	struct audit_world world = { w, now_ms, wall_s, fill_random, start, cancel, wake };
	struct audit_run_calls calls = { on_gateway, on_progress, on_end, w };
	w->schedule = audit_schedule_new(&world, o, &calls);
	assert_non_null(w->schedule);
	for (size_t i = 0; i < count; i++) {
		struct server *s = &w->servers[i];
		s->target.port = (uint16_t)(1000 + i);
		s->target.starttls = AUDIT_SMTP;
		snprintf(s->target.host, sizeof(s->target.host), "mx%zu.example.org", i);
		s->took_ms = 100;
		s->fake.random = i + 1;
		for (size_t k = 0; k < 3; k++)
			s->fake.groups[s->fake.group_count++] = audit_group_at(k)->id;
		fake_fill(&s->fake, AUDIT_TLS12, 15, 0);
	}
}

static void add_all(struct world *w)
{
	for (size_t i = 0; i < w->count; i++)
		assert_int_equal(audit_schedule_add(w->schedule, &w->servers[i].target), 0);
	audit_schedule_close(w->schedule);
}

/* Let time pass until the end; stop_ms: then it is stopped. Returns how long it took. */
static uint64_t play(struct world *w, uint64_t stop_ms)
{
	uint64_t began_ms = w->now_ms;
	while (!w->is_ended) {
		struct link *first = NULL;
		for (size_t i = 0; i < w->links_max; i++) {
			struct link *l = &w->links[i];
			if (l->is_used && (first == NULL || l->at_ms < first->at_ms))
				first = l;
		}
		uint64_t at_ms =
			first != NULL && first->at_ms < w->wake_ms ? first->at_ms : w->wake_ms;
		assert_true(at_ms != UINT64_MAX);
		if (stop_ms != 0 && at_ms > began_ms + stop_ms) {
			audit_schedule_stop(w->schedule, "interrupted");
			stop_ms = 0;
			continue;
		}
		w->now_ms = at_ms > w->now_ms ? at_ms : w->now_ms;
		assert_true(w->now_ms < began_ms + 3600000);
		if (first != NULL && first->at_ms <= w->wake_ms) {
			deliver(w, first);
		} else {
			w->wake_ms = UINT64_MAX;
			audit_schedule_tick(w->schedule);
		}
	}
	assert_int_equal(w->open, 0);
	return w->now_ms - began_ms;
}

static void teardown(struct world *w)
{
	audit_schedule_free(w->schedule);
	for (size_t i = 0; i < w->count; i++)
		audit_facts_free(w->servers[i].facts);
	free(w->servers);
	free(w->links);
}

static bool is_complete(const struct server *s)
{
	const struct audit_protocol *p = &s->facts->protocols[AUDIT_TLS12];
	return s->facts->end == AUDIT_END_COMPLETE && p->suite_count == s->fake.count[AUDIT_TLS12];
}

static struct audit_run_options options(uint32_t deadline_s)
{
	return (struct audit_run_options){ .deadline_s = deadline_s, .has_probes = true };
}

/* One gateway each, with a limit of its own. */
static void test_limits(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		unsigned parallel, a_minute, greylisted, drop_percent, reset_each;
		uint32_t deadline_s, most_s;
		bool is_complete;
		unsigned most_refused;
	} cases[] = {
		{ "no limit", 0, 0, 0, 0, 0, 60, 2, true, 0 },
		{ "three at once", 3, 0, 0, 0, 0, 60, 4, true, 2 },
		{ "one at once", 1, 0, 0, 0, 0, 60, 120, true, 4 },
		{ "twenty a minute", 0, 20, 0, 0, 0, 0, 400, true, 14 },
		{ "twenty a minute, in one", 0, 20, 0, 0, 0, 60, 60, false, 14 },
		{ "greylisted", 0, 0, 1, 0, 0, 60, 8, true, 1 },
		{ "never lets in", 0, 0, 10000, 0, 0, 0, 70, false, 4 },
		{ "lossy", 0, 0, 0, 5, 0, 60, 30, true, 0 },
		{ "every seventh reset", 0, 0, 0, 0, 7, 60, 8, true, 0 },
		{ "every fifth reset", 0, 0, 0, 0, 5, 60, 10, true, 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_run_options o = options(cases[i].deadline_s);
		struct world w;
		setup(&w, 1, &o);
		struct server *s = &w.servers[0];
		s->parallel = cases[i].parallel;
		s->a_minute = cases[i].a_minute;
		s->greylisted = cases[i].greylisted;
		s->fake.drop_percent = cases[i].drop_percent;
		s->reset_each = cases[i].reset_each;
		add_all(&w);
		uint64_t took_ms = play(&w, 0);
		TEST_CASE(cases[i].name, s->reports == 1);
		TEST_CASE(cases[i].name, is_complete(s) == cases[i].is_complete);
		TEST_CASE(cases[i].name, took_ms <= cases[i].most_s * 1000ULL + 1);
		TEST_CASE(cases[i].name, s->refused <= cases[i].most_refused);
		TEST_CASE(cases[i].name, s->most_open <= 8);
		if (cases[i].greylisted > 10)
			TEST_CASE(cases[i].name, s->facts->end == AUDIT_END_RATE);
		teardown(&w);
	}
}

static void test_many(void **state)
{
	(void)state;
	struct audit_run_options o = options(600);
	struct world w;
	setup(&w, SERVERS_MAX, &o);
	for (size_t i = 0; i < w.count; i++) {
		w.servers[i].is_mute = i % 50 == 7;
		w.servers[i].is_closed_port = i % 50 == 8;
		w.servers[i].took_ms = 50 + (uint32_t)(i % 7) * 30;
	}
	add_all(&w);
	uint64_t took_ms = play(&w, 0);
	assert_true(w.most_open <= 500);
	assert_true(took_ms < 90000);
	assert_true(w.progresses > 10);
	for (size_t i = 0; i < w.count; i++) {
		const struct server *s = &w.servers[i];
		assert_int_equal(s->reports, 1);
		if (s->is_mute || s->is_closed_port) {
			assert_int_equal(s->connections, 1);
			assert_int_equal(
				s->facts->end, s->is_mute ? AUDIT_END_MUTE : AUDIT_END_NO_CONNECT);
		} else {
			assert_true(is_complete(s));
		}
	}
	teardown(&w);
}

/* Whatever happens it is over in time, everyone is reported, and what is short says so. */
static void test_deadline(void **state)
{
	(void)state;
	for (unsigned stop = 0; stop < 2; stop++) {
		struct audit_run_options o = options(stop ? 0 : 10);
		struct world w;
		setup(&w, 400, &o);
		for (size_t i = 0; i < w.count; i++)
			w.servers[i].took_ms = 700;
		add_all(&w);
		uint64_t took_ms = play(&w, stop ? 10000 : 0);
		assert_true(took_ms <= 11000);
		size_t complete = 0;
		for (size_t i = 0; i < w.count; i++) {
			const struct server *s = &w.servers[i];
			assert_int_equal(s->reports, 1);
			complete += is_complete(s);
			if (is_complete(s))
				continue;
			assert_true(s->facts->incomplete[0] != '\0');
			assert_true(s->facts->end == AUDIT_END_INCOMPLETE ||
				s->facts->end == AUDIT_END_NONE);
		}
		assert_true(complete < w.count);
		teardown(&w);
	}
}

/* Hundreds that hold their connections and say nothing do not keep the others waiting. */
static void test_share(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < 3; kind++) {
		struct audit_run_options o = options(60);
		struct world w;
		setup(&w, SERVERS_MAX, &o);
		for (size_t i = 0; i < 400; i++) {
			w.servers[i].is_mute = kind == 0;
			w.servers[i].drips_from = kind == 0 ? 0 : kind == 1 ? 1 : 5;
		}
		add_all(&w);
		assert_true(play(&w, 0) <= 60001);
		for (size_t i = 0; i < w.count; i++) {
			const struct server *s = &w.servers[i];
			assert_int_equal(s->reports, 1);
			if (i >= 400)
				assert_true(is_complete(s));
			else
				assert_int_not_equal(s->facts->end, AUDIT_END_COMPLETE);
		}
		teardown(&w);
	}
}

/* Near the end rare suites are left out, likely ones are there, and it is said. */
static void test_rare(void **state)
{
	(void)state;
	struct audit_run_options o = options(6);
	struct world w;
	setup(&w, 1, &o);
	w.servers[0].took_ms = 950;
	o.concurrency_max = 1;
	audit_schedule_free(w.schedule);
	struct audit_world world = { &w, now_ms, wall_s, fill_random, start, cancel, wake };
	struct audit_run_calls calls = { on_gateway, NULL, on_end, &w };
	w.schedule = audit_schedule_new(&world, &o, &calls);
	assert_non_null(w.schedule);
	w.servers[0].fake.count[AUDIT_TLS12] = 0;
	fake_add(&w.servers[0].fake, AUDIT_TLS12, 0xc02f);
	add_all(&w);
	assert_true(play(&w, 0) <= 6001);
	const struct audit_facts *f = w.servers[0].facts;
	assert_int_equal(f->protocols[AUDIT_TLS12].suite_count, 1);
	assert_true(f->protocols[AUDIT_TLS12].is_incomplete);
	assert_int_equal(f->end, AUDIT_END_INCOMPLETE);
	teardown(&w);
}

static void test_twins(void **state)
{
	(void)state;
	struct audit_run_options o = options(60);
	struct world w;
	setup(&w, 1, &o);
	struct audit_target t = w.servers[0].target;
	for (unsigned i = 0; i < 6; i++) {
		/* Three domains, each twice. */
		snprintf(t.domain, sizeof(t.domain), "d%u.example", i % 3);
		assert_int_equal(audit_schedule_add(w.schedule, &t), 0);
	}
	audit_schedule_close(w.schedule);
	play(&w, 0);
	assert_int_equal(w.servers[0].reports, 3);
	assert_true(w.servers[0].connections < 60);
	assert_true(is_complete(&w.servers[0]));
	teardown(&w);
}

/* Two names at one place are asked one after the other. */
static void test_names(void **state)
{
	(void)state;
	struct audit_run_options o = options(60);
	struct world w;
	setup(&w, 1, &o);
	w.servers[0].parallel = 8;
	struct audit_target t = w.servers[0].target;
	for (unsigned i = 0; i < 5; i++) {
		snprintf(t.host, sizeof(t.host), "name%u.example", i);
		assert_int_equal(audit_schedule_add(w.schedule, &t), 0);
	}
	audit_schedule_close(w.schedule);
	play(&w, 0);
	assert_int_equal(w.servers[0].reports, 5);
	assert_true(w.servers[0].most_open <= 8);
	assert_int_equal(w.servers[0].refused, 0);
	teardown(&w);
}

static void test_rate(void **state)
{
	(void)state;
	static const struct {
		uint32_t rate, rate_total;
		bool is_polite;
		size_t servers;
		unsigned least_ms; /* for a connection, over all */
		unsigned most_open;
	} cases[] = {
		{ 5, 0, false, 1, 200, 1 },
		{ 0, 10, false, 4, 100, 2 },
		{ 0, 0, true, 1, 0, 2 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_run_options o = options(0);
		struct world w;
		o.rate = cases[i].rate;
		o.rate_total = cases[i].rate_total;
		o.is_polite = cases[i].is_polite;
		setup(&w, cases[i].servers, &o);
		add_all(&w);
		uint64_t took_ms = play(&w, 0);
		unsigned n = 0;
		for (size_t k = 0; k < w.count; k++)
			n += w.servers[k].connections;
		assert_true(took_ms >= (uint64_t)(n - 1) * cases[i].least_ms);
		assert_true(w.most_open <= cases[i].most_open);
		assert_true(is_complete(&w.servers[0]));
		teardown(&w);
	}
}

/* Fewer descriptors than it thought: it goes on with those there are. */
static void test_descriptors(void **state)
{
	(void)state;
	struct audit_run_options o = options(0);
	struct world w;
	setup(&w, 20, &o);
	w.links_max = 7;
	add_all(&w);
	play(&w, 0);
	assert_int_equal(w.most_open, 7);
	for (size_t i = 0; i < w.count; i++)
		assert_true(is_complete(&w.servers[i]));
	teardown(&w);
}

/* Lost connections with one between them that was let in are not in a row. */
static void test_pace_let_in(void **state)
{
	(void)state;
	struct audit_pace p;
	audit_pace_init(&p, 1, 0, false);
	for (unsigned i = 0; i < 12; i++) {
		if (i % 3 == 2)
			audit_pace_let_in(&p);
		audit_pace_lost(&p, p.brakes, 1000);
	}
	assert_int_equal(p.spacing_ms, 0);
	for (unsigned i = 0; i < 3; i++)
		audit_pace_lost(&p, p.brakes, 1000);
	assert_int_equal(p.spacing_ms, 2000);
}

static void test_pace(void **state)
{
	(void)state;
	struct audit_pace p;
	audit_pace_init(&p, 8, 0, false);
	assert_int_equal(p.window, 3);
	for (unsigned i = 0; i < 100; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.window, 8);
	/* Two that were in the air together are one sign. */
	audit_pace_limited(&p, 0, 1000);
	audit_pace_limited(&p, 0, 1000);
	assert_int_equal(p.window, 4);
	for (unsigned i = 0; i < 4 + 5 + 6 + 7; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.window, 7);
	for (unsigned i = 0; i < 100; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.window, 8);
	/* What is refused again is tried more rarely. */
	audit_pace_limited(&p, p.brakes, 1000);
	for (unsigned i = 0; i < 4 + 5 + 6 + 15; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.window, 7);
	audit_pace_good(&p, 100);
	assert_int_equal(p.window, 8);
	/* Handshakes that take longer mean that it is enough. */
	audit_pace_init(&p, 8, 0, false);
	audit_pace_good(&p, 100);
	for (unsigned i = 0; i < 100; i++)
		audit_pace_good(&p, 300);
	assert_int_equal(p.window, 3);
	/* Down to one, and below. */
	audit_pace_limited(&p, p.brakes, 2000);
	assert_int_equal(p.window, 1);
	audit_pace_limited(&p, p.brakes, 3000);
	assert_int_equal(p.spacing_ms, 2000);
	assert_false(audit_pace_allows(&p, 0, 4999));
	assert_true(audit_pace_allows(&p, 0, 5000));
	audit_pace_limited(&p, p.brakes, 6000);
	assert_int_equal(p.spacing_ms, 10000);
	audit_pace_good(&p, 100);
	assert_int_equal(p.spacing_ms, 2000);
	/* And up again. */
	for (unsigned i = 0; i < 4; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.spacing_ms, 1000);
	/* Refused once more: it takes twice as many to try it again. */
	audit_pace_limited(&p, p.brakes, 9000);
	assert_int_equal(p.spacing_ms, 10000);
	for (unsigned i = 0; i < 8; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.spacing_ms, 2000);
	for (unsigned i = 0; i < 1 + 8 + 8; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.spacing_ms, 0);
	assert_int_equal(p.window, 1);
	for (unsigned i = 0; i < 200; i++)
		audit_pace_good(&p, 100);
	assert_int_equal(p.window, 8);
}

/* One here and there costs little; one after the other is a limit. */
static void test_pace_lost(void **state)
{
	(void)state;
	struct audit_pace p;
	audit_pace_init(&p, 8, 0, false);
	unsigned long sum = 0;
	for (unsigned i = 1; i <= 700; i++) {
		if (i % 7 == 0)
			audit_pace_lost(&p, p.brakes, 1000);
		else
			audit_pace_good(&p, 100);
		sum += p.window;
		assert_int_equal(p.spacing_ms, 0);
	}
	assert_true(sum >= 700 * 2);
	audit_pace_init(&p, 8, 0, false);
	for (unsigned i = 0; i < 3; i++)
		audit_pace_lost(&p, p.brakes, 1000);
	assert_int_equal(p.window, 1);
	assert_int_equal(p.spacing_ms, 0);
	for (unsigned i = 0; i < 2; i++)
		audit_pace_lost(&p, p.brakes, 1000);
	assert_int_equal(p.window, 1);
	assert_int_equal(p.spacing_ms, 10000);
	assert_false(audit_pace_allows(&p, 0, 10999));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pace),
		cmocka_unit_test(test_pace_let_in),
		cmocka_unit_test(test_pace_lost),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_rare),
		cmocka_unit_test(test_twins),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
