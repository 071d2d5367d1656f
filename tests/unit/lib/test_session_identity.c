/* By key id or by certificates: what is sent when, to servers that know us by either, both or neither. */

#include "world.h"

#define K SPA_SMALL_LEN
#define C SPA_LARGE_LEN

/* The chain of the vector of doc/protocol.md is long enough; nobody here looks into it. */
static void give_chain(struct world *w)
{
	w->id->chain_type = SPA_ID_TEMPLATE;
	memset(w->id->chain, 0, sizeof(w->id->chain));
	w->id->chain_len = 20 + 1 + 117 + 10;
	w->id->chain[20 + 1 + 1 + 8 + 5 + 5 + 1] = 10; /* the length of the one record's value */
}

struct sending {
	uint64_t after_ms;
	size_t len; /* 0: the end */
};

static const struct identity_case {
	const char *name;
	enum postern_identity wanted;
	uint8_t remembered;
	bool is_deaf_to_keys, is_deaf_to_chains;
	uint64_t lost;
	enum postern_step want;
	uint8_t learnt;
	struct sending sent[12];
} cases[] = {
	{ "key known at once", POSTERN_IDENTITY_AUTO, 0, false, true, 0, POSTERN_DONE, 1,
		{ { 0, K } } },
	{ "chain known", POSTERN_IDENTITY_AUTO, 0, true, false, 0, POSTERN_DONE, 2,
		{ { 0, K }, { 1000, C } } },
	{ "both known, first lost", POSTERN_IDENTITY_AUTO, 0, false, false, 1, POSTERN_DONE, 2,
		{ { 0, K }, { 1000, C } } },
	{ "key known, first lost", POSTERN_IDENTITY_AUTO, 0, false, true, 1, POSTERN_DONE, 1,
		{ { 0, K }, { 1000, C }, { 2000, K } } },
	{ "chain known, its first lost", POSTERN_IDENTITY_AUTO, 0, true, false, 2, POSTERN_DONE, 2,
		{ { 0, K }, { 1000, C }, { 2000, K }, { 2000, C } } },
	{ "neither known", POSTERN_IDENTITY_AUTO, 0, true, true, 0, POSTERN_SILENT, 0,
		{ { 0, K }, { 1000, C }, { 2000, K }, { 2000, C }, { 4000, K }, { 4000, C },
			{ 6000, K }, { 6000, C } } },
	{ "chain remembered", POSTERN_IDENTITY_AUTO, 2, true, false, 0, POSTERN_DONE, 2,
		{ { 0, C } } },
	{ "chain remembered, first lost", POSTERN_IDENTITY_AUTO, 2, true, false, 1, POSTERN_DONE, 2,
		{ { 0, C }, { 1000, C } } },
	{ "chain remembered, key known now", POSTERN_IDENTITY_AUTO, 2, false, true, 0, POSTERN_DONE,
		1, { { 0, C }, { 1000, C }, { 1000, K } } },
	{ "key remembered, first lost", POSTERN_IDENTITY_AUTO, 1, false, true, 1, POSTERN_DONE, 1,
		{ { 0, K }, { 1000, K } } },
	{ "key remembered, chain known now", POSTERN_IDENTITY_AUTO, 1, true, false, 0, POSTERN_DONE,
		2, { { 0, K }, { 1000, K }, { 1000, C } } },
	{ "key remembered, neither known", POSTERN_IDENTITY_AUTO, 1, true, true, 0, POSTERN_SILENT,
		1,
		{ { 0, K }, { 1000, K }, { 1000, C }, { 2000, K }, { 2000, C }, { 4000, K },
			{ 4000, C }, { 6000, K }, { 6000, C } } },
	{ "nonsense remembered", POSTERN_IDENTITY_AUTO, 77, false, false, 0, POSTERN_DONE, 1,
		{ { 0, K } } },
	{ "key wanted", POSTERN_IDENTITY_KEY, 2, true, false, 0, POSTERN_SILENT, 2,
		{ { 0, K }, { 1000, K }, { 2000, K }, { 4000, K }, { 6000, K } } },
	{ "chain wanted", POSTERN_IDENTITY_CHAIN, 1, false, false, 0, POSTERN_DONE, 2,
		{ { 0, C } } },
	{ "chain wanted, not known", POSTERN_IDENTITY_CHAIN, 0, false, true, 0, POSTERN_SILENT, 0,
		{ { 0, C }, { 1000, C }, { 2000, C }, { 4000, C }, { 6000, C } } },
};

static void check_sent(const struct world *w, const struct identity_case *c)
{
	unsigned n = 0;
	while (c->sent[n].len != 0) {
		bool is_right = n < w->sends && w->sent_len[n] == c->sent[n].len &&
			w->sent_ms[n] == 5000 + c->sent[n].after_ms;
		if (!is_right)
			fail_msg("case \"%s\": sending %u", c->name, n);
		n++;
	}
	TEST_CASE(c->name, w->sends == n);
}

/* The same request again is the same datagram; the last try is another. */
static void check_repeats(const struct world *w, const struct identity_case *c)
{
	for (unsigned i = 0; i < w->sends; i++)
		for (unsigned k = 0; k < i; k++) {
			bool is_same = w->sent_len[i] == w->sent_len[k] &&
				memcmp(w->sent[i], w->sent[k], w->sent_len[i]) == 0;
			bool is_last_try = w->sent_ms[i] == 5000 + 6000;
			TEST_CASE(c->name,
				is_same == (w->sent_len[i] == w->sent_len[k] && !is_last_try));
		}
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct identity_case *c = &cases[i];
		struct world w;
		world_init(&w);
		give_chain(&w);
		w.request.identity = c->wanted;
		w.memory.identity = c->remembered;
		w.server.is_deaf_to_keys = c->is_deaf_to_keys;
		w.server.is_deaf_to_chains = c->is_deaf_to_chains;
		w.lost_requests = c->lost;
		start(&w);
		TEST_CASE(c->name, run(&w) == c->want);
		check_sent(&w, c);
		check_repeats(&w, c);
		TEST_CASE(c->name, w.memory.identity == c->learnt);
		world_deinit(&w);
	}
}

/* Corrections go on with what was answered, and only with that. */
static void test_corrections(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	give_chain(&w);
	w.server.is_deaf_to_keys = true;
	w.server.offset_ms = 60000;
	w.server.wants_instance = true;
	w.server.wants_bind = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	assert_int_equal(answer_of(&w).round_trips, 4);
	assert_int_equal(w.sends, 5);
	assert_int_equal(w.sent_len[0], K);
	for (unsigned i = 1; i < 5; i++)
		assert_int_equal(w.sent_len[i], C);
	assert_int_equal(w.sent_ms[4], 6000);
	assert_true(span_equal(w.server.last.identity, span_of(w.id->chain, w.id->chain_len)));
	assert_int_equal(w.memory.prekey_id, 7); /* signed for a request of class L */
	world_deinit(&w);
}

/* The first answers late, after the second was answered with a correction: it settles nothing again. */
static void test_late_answer(void **state)
{
	(void)state;
	struct world w;
	const uint8_t *datagram = NULL;
	size_t len = 0;
	uint32_t wait_ms = 0;
	uint8_t key_answer[SPA_SMALL_LEN], chain_answer[SPA_SMALL_LEN];

	world_init(&w);
	give_chain(&w);
	w.server.offset_ms = 60000;
	start(&w);
	assert_int_equal(
		postern_session_next(w.session, w.wall_ms, w.mono_ms, &datagram, &len, &wait_ms),
		POSTERN_SEND);
	assert_true(serve(&w.server, span_of(datagram, len), w.wall_ms + 60000, key_answer));
	w.mono_ms += 1000;
	assert_int_equal(
		postern_session_next(w.session, w.wall_ms, w.mono_ms, &datagram, &len, &wait_ms),
		POSTERN_SEND);
	assert_int_equal(len, C);
	assert_true(serve(&w.server, span_of(datagram, len), w.wall_ms + 60000, chain_answer));
	assert_true(postern_session_offer(w.session, chain_answer, SPA_SMALL_LEN, w.wall_ms));
	assert_true(postern_session_offer(w.session, key_answer, SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 1);
	assert_int_equal(w.sent_len[0], C);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	assert_int_equal(w.memory.identity, POSTERN_IDENTITY_CHAIN);
	world_deinit(&w);
}

static void test_without_chain(void **state)
{
	(void)state;
	struct world w;
	struct postern_error err = { "" };
	world_init(&w);

	/* Nothing to choose from: the key id, retransmitted as ever. */
	w.memory.identity = POSTERN_IDENTITY_CHAIN;
	w.server.is_deaf_to_keys = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_SILENT);
	assert_int_equal(w.sends, 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(w.sent_len[i], K);

	postern_session_free(w.session);
	w.session = NULL;
	w.request.identity = POSTERN_IDENTITY_CHAIN;
	assert_int_equal(
		postern_session_new(w.card, w.id, &w.request, &w.memory, &w.session, &err), -22);
	assert_non_null(strstr(err.text, "no certificate"));

	/* One that leaves no room for the service is as good as none. */
	w.id->chain_type = SPA_ID_TEMPLATE;
	w.id->chain_len = SPA_ROOM_LARGE - 2;
	assert_int_equal(
		postern_session_new(w.card, w.id, &w.request, &w.memory, &w.session, &err), -22);
	assert_non_null(strstr(err.text, "too long"));
	w.request.identity = POSTERN_IDENTITY_AUTO;
	w.server.is_deaf_to_keys = false;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 1);

	w.request.identity = (enum postern_identity)3;
	postern_session_free(w.session);
	w.session = NULL;
	assert_int_equal(
		postern_session_new(w.card, w.id, &w.request, &w.memory, &w.session, &err), -22);
	world_deinit(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_corrections),
		cmocka_unit_test(test_late_answer),
		cmocka_unit_test(test_without_chain),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
