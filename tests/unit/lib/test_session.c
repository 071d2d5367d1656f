/* Client sessions: losses, corrections, answers too late, and what is remembered. */

#include "world.h"

/* ------------------------------------------------------------------ one line a case */

static const struct {
	const char *name;
	struct {
		int64_t offset_ms, drift_ms;
		bool wants_instance, wants_bind, is_deaf_to_epochs;
		enum spa_status status;
	} server;
	uint64_t lost_requests, lost_answers;
	enum postern_step want;
	enum postern_status status;
	unsigned round_trips, sends;
	uint64_t took_ms;
} cases[] = {
	{ "plain", { 0 }, 0, 0, POSTERN_DONE, POSTERN_OK, 1, 1, 0 },
	{ "first lost", { 0 }, 1, 0, POSTERN_DONE, POSTERN_OK, 1, 2, 1000 },
	{ "two lost", { 0 }, 3, 0, POSTERN_DONE, POSTERN_OK, 1, 3, 2000 },
	{ "three lost", { 0 }, 7, 0, POSTERN_DONE, POSTERN_OK, 1, 4, 4000 },
	{ "four lost", { 0 }, 15, 0, POSTERN_DONE, POSTERN_OK, 1, 5, 6000 },
	{ "all lost", { 0 }, 31, 0, POSTERN_SILENT, POSTERN_OK, 0, 5, 8000 },
	{ "first answer lost", { 0 }, 0, 1, POSTERN_DONE, POSTERN_OK, 1, 2, 1000 },
	{ "clock a minute behind", { .offset_ms = 60000 }, 0, 0, POSTERN_DONE, POSTERN_OK, 2, 2,
		0 },
	{ "clock a minute ahead", { .offset_ms = -60000 }, 0, 0, POSTERN_DONE, POSTERN_OK, 2, 2,
		0 },
	{ "inside the window", { .offset_ms = 30000 }, 0, 0, POSTERN_DONE, POSTERN_OK, 1, 1, 0 },
	{ "clock a year behind", { .offset_ms = 31536000000 }, 0, 0, POSTERN_DONE, POSTERN_OK, 2, 6,
		6000 },
	{ "clock in 1970", { .offset_ms = -(int64_t)START_MS + 90000 }, 0, 0, POSTERN_DONE,
		POSTERN_OK, 2, 6, 6000 },
	{ "clock runs away", { .offset_ms = 60000, .drift_ms = 60000 }, 0, 0, POSTERN_DONE,
		POSTERN_STALE, 2, 2, 0 },
	{ "new instance", { .wants_instance = true }, 0, 0, POSTERN_DONE, POSTERN_OK, 2, 2, 0 },
	{ "bind", { .wants_bind = true }, 0, 0, POSTERN_DONE, POSTERN_OK, 2, 2, 0 },
	{ "all three", { .offset_ms = 60000, .wants_instance = true, .wants_bind = true }, 0, 0,
		POSTERN_DONE, POSTERN_OK, 4, 4, 0 },
	{ "all three, a year off",
		{ .offset_ms = 31536000000, .wants_instance = true, .wants_bind = true }, 0, 0,
		POSTERN_DONE, POSTERN_OK, 4, 8, 6000 },
	{ "two centuries off", { .offset_ms = 6311520000000 }, 0, 0, POSTERN_DONE, POSTERN_STALE, 1,
		5, 6000 },
	{ "bind, then corrected one lost once", { .wants_bind = true }, 2, 0, POSTERN_DONE,
		POSTERN_OK, 2, 3, 1000 },
	{ "bind, then silence", { .wants_bind = true }, ~(uint64_t)1, 0, POSTERN_SILENT, POSTERN_OK,
		1, 6, 8000 },
	{ "only without epoch", { .is_deaf_to_epochs = true }, 0, 0, POSTERN_DONE, POSTERN_OK, 1, 5,
		6000 },
	{ "bind, only without epoch", { .wants_bind = true, .is_deaf_to_epochs = true }, 0, 0,
		POSTERN_DONE, POSTERN_OK, 2, 6, 6000 },
	{ "denied", { .status = SPA_STATUS_DENIED }, 0, 0, POSTERN_DONE, POSTERN_DENIED, 1, 1, 0 },
	{ "expired", { .status = SPA_STATUS_EXPIRED }, 0, 0, POSTERN_DONE, POSTERN_EXPIRED, 1, 1,
		0 },
	{ "busy", { .status = SPA_STATUS_BUSY }, 0, 0, POSTERN_DONE, POSTERN_BUSY, 1, 1, 0 },
	{ "limit", { .status = SPA_STATUS_LIMIT }, 0, 0, POSTERN_DONE, POSTERN_LIMIT, 1, 1, 0 },
	{ "unknown service", { .status = SPA_STATUS_UNKNOWN_SERVICE }, 0, 0, POSTERN_DONE,
		POSTERN_UNKNOWN_SERVICE, 1, 1, 0 },
	{ "retry for ever", { .status = SPA_STATUS_RETRY }, 0, 0, POSTERN_DONE, POSTERN_RETRY, 2, 2,
		0 },
	{ "stale for ever", { .status = SPA_STATUS_STALE }, 0, 0, POSTERN_DONE, POSTERN_STALE, 2, 2,
		0 },
	{ "bind for ever", { .status = SPA_STATUS_BIND }, 0, 0, POSTERN_DONE, POSTERN_BIND, 2, 2,
		0 },
};

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct world w;
		world_init(&w);
		w.server.offset_ms = cases[i].server.offset_ms;
		w.server.drift_ms = cases[i].server.drift_ms;
		w.server.wants_instance = cases[i].server.wants_instance;
		w.server.wants_bind = cases[i].server.wants_bind;
		w.server.is_deaf_to_epochs = cases[i].server.is_deaf_to_epochs;
		w.server.status = cases[i].server.status;
		w.lost_requests = cases[i].lost_requests;
		w.lost_answers = cases[i].lost_answers;
		start(&w);
		uint64_t began_ms = w.mono_ms;
		TEST_CASE(cases[i].name, run(&w) == cases[i].want);
		struct postern_answer a = answer_of(&w);
		TEST_CASE(cases[i].name, a.status == cases[i].status);
		if (a.round_trips != cases[i].round_trips || w.sends != cases[i].sends ||
			w.mono_ms - began_ms != cases[i].took_ms)
			fail_msg("case \"%s\": %u round trips, %u sent, %llu ms", cases[i].name,
				a.round_trips, w.sends, (unsigned long long)(w.mono_ms - began_ms));
		/* Asked again, it says the same; and no answer is taken any more. */
		TEST_CASE(cases[i].name, run(&w) == cases[i].want);
		if (w.has_answer[0])
			TEST_CASE(cases[i].name,
				!postern_session_offer(w.session, w.answers[0], 320, w.wall_ms));
		world_deinit(&w);
	}
}

static void test_what_is_sent(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.lost_requests = 15;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	/* The same datagram at 0, 1, 2 and 4 s; then a fresh one. */
	static const uint64_t at_ms[] = { 0, 1000, 2000, 4000, 6000 };
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(w.sent_ms[i], 5000 + at_ms[i]);
	for (size_t i = 1; i < 4; i++)
		assert_memory_equal(w.sent[0], w.sent[i], SPA_SMALL_LEN);
	assert_memory_not_equal(w.sent[0] + 32, w.sent[4] + 32, 32); /* another ephemeral key */
	assert_int_equal(w.sent[0][3], 1);
	assert_int_equal(w.sent[4][1], 0); /* no epoch */
	assert_int_equal(w.sent[4][3], 0); /* the long-lived prekey */
	struct postern_answer a = answer_of(&w);
	assert_int_equal(a.granted_s, 30);
	assert_int_equal(a.granted_port, 22);
	assert_int_equal(a.grant_id, 99);
	assert_int_equal(a.observed_port, 40000);
	assert_int_equal(a.server_time_ms, START_MS + 6000);
	assert_true(span_equal(w.server.last.selector, span_of("ssh", 3)));
	assert_true(span_equal(w.server.last.identity, SPAN_OF(w.id->key_id)));
	assert_int_equal(w.server.last.seconds, 30);
	world_deinit(&w);
}

static void test_corrections_are_fresh(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.server.offset_ms = 60000;
	w.server.wants_instance = true;
	w.server.wants_bind = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 4);
	for (unsigned i = 1; i < 4; i++)
		for (unsigned k = 0; k < i; k++)
			assert_memory_not_equal(w.sent[i] + 32, w.sent[k] + 32, 32);
	assert_int_equal(w.server.last.flags & (SPA_FLAG_AFTER_STALE | SPA_FLAG_AFTER_BIND),
		SPA_FLAG_AFTER_STALE | SPA_FLAG_AFTER_BIND);
	struct addr want = addr_v4(observed_v4);
	assert_int_equal(w.server.last.address_mode, 4);
	assert_true(addr_equal(&w.server.last.address, &want));
	assert_int_equal(w.memory.offset_ms, 60000);
	assert_int_equal(w.memory.instance, 0x1234);
	assert_memory_equal(w.memory.last_address, want.b, 16);

	/* What was learned makes the next knock a single round trip. */
	w.server.wants_bind = false;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	assert_int_equal(answer_of(&w).round_trips, 1);
	assert_false(answer_of(&w).is_address_new);
	world_deinit(&w);
}

static void test_address_new(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.server.wants_bind =
		true; /* the memory changes within the session: the question is before it */
	start(&w);
	run(&w);
	assert_true(answer_of(&w).is_address_new);
	start(&w);
	run(&w);
	assert_false(answer_of(&w).is_address_new);
	w.memory.last_address[15] ^= 1;
	start(&w);
	run(&w);
	assert_true(answer_of(&w).is_address_new);
	w.server.forgets_address = true;
	w.memory.last_address[15] ^= 1;
	w.server.wants_bind = false;
	start(&w);
	run(&w);
	assert_false(answer_of(&w).is_address_new);
	assert_true(w.memory.last_address[15] != 0); /* no address is no news */
	world_deinit(&w);
}

static void test_bind_needs_an_address(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.server.wants_bind = true;
	w.server.forgets_address = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_BIND);
	assert_int_equal(w.sends, 1);

	/* An address that the user chose is not replaced by one that the server chose. */
	w.server.forgets_address = false;
	w.server.wants_bind = false;
	w.server.status = SPA_STATUS_BIND;
	w.request.address = "2001:db8::5";
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_BIND);
	assert_int_equal(w.sends, 1);
	assert_int_equal(w.server.last.address_mode, 6);
	assert_int_equal(w.server.last.flags & SPA_FLAG_EXPLICIT, SPA_FLAG_EXPLICIT);
	world_deinit(&w);
}

/* The step of one call, without acting on it. */
static enum postern_step step_of(struct world *w, const uint8_t **datagram)
{
	size_t len;
	uint32_t wait_ms;
	return postern_session_next(w->session, w->wall_ms, w->mono_ms, datagram, &len, &wait_ms);
}

static void test_foreign_datagrams(void **state)
{
	(void)state;
	struct world w, other;
	const uint8_t *datagram;
	uint8_t answer[SPA_SMALL_LEN], changed[SPA_SMALL_LEN], noise[2000];
	world_init(&w);
	world_init(&other);
	start(&w);
	start(&other);
	/* Before anything was sent nothing is an answer. */
	memset(noise, 0x12, sizeof(noise));
	assert_false(postern_session_offer(w.session, noise, SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_true(serve(&w.server, span_of(datagram, SPA_SMALL_LEN), START_MS, answer));
	run(&other);

	for (size_t len = 0; len < sizeof(noise); len += 37)
		assert_false(postern_session_offer(w.session, noise, len, w.wall_ms));
	assert_false(postern_session_offer(w.session, NULL, 0, w.wall_ms));
	assert_false(postern_session_offer(w.session, datagram, SPA_SMALL_LEN, w.wall_ms));
	assert_false(postern_session_offer(w.session, other.answers[0], SPA_SMALL_LEN, w.wall_ms));
	for (size_t bit = 0; bit < 8 * SPA_SMALL_LEN; bit++) {
		memcpy(changed, answer, sizeof(changed));
		changed[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(postern_session_offer(w.session, changed, sizeof(changed), w.wall_ms));
	}
	for (size_t len = 0; len < sizeof(answer); len++)
		assert_false(postern_session_offer(w.session, answer, len, w.wall_ms));
	assert_int_equal(w.memory.instance, 0);
	assert_true(postern_session_offer(w.session, answer, sizeof(answer), w.wall_ms));
	assert_false(postern_session_offer(w.session, answer, sizeof(answer), w.wall_ms));
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).round_trips, 1);
	world_deinit(&w);
	world_deinit(&other);
}

static void test_late_answers(void **state)
{
	(void)state;
	struct world w;
	const uint8_t *datagram;
	uint8_t stale[SPA_SMALL_LEN], again[SPA_SMALL_LEN], bind[SPA_SMALL_LEN];
	struct span one;
	uint8_t first[SPA_SMALL_LEN];

	/* The first request's answer comes after the try without epoch went out: it is the answer. */
	world_init(&w);
	w.lost_answers = 15;
	start(&w);
	while (w.sends < 4) {
		assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
		deliver(&w, datagram, SPA_SMALL_LEN);
		w.mono_ms += 2000;
	}
	assert_int_equal(w.sent[3][1], 0);
	assert_true(postern_session_offer(w.session, w.answers[0], SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	world_deinit(&w);

	/* Both say STALE: the second, of a request made before the correction, is no failure of it. */
	world_init(&w);
	w.server.offset_ms = 100000;
	w.server.wants_bind = true;
	start(&w);
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	memcpy(first, datagram, sizeof(first));
	one = SPAN_OF(first);
	assert_true(serve(&w.server, one, START_MS + 100000, stale));
	w.mono_ms += 20000; /* long enough to send once more, then to give up on the first */
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_memory_equal(datagram, first, sizeof(first));
	w.mono_ms += 2000;
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_int_equal(datagram[1], 0);
	assert_true(serve(&w.server, span_of(datagram, SPA_SMALL_LEN), START_MS + 100000, again));
	assert_true(postern_session_offer(w.session, stale, SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_true(serve(&w.server, span_of(datagram, SPA_SMALL_LEN), START_MS + 100000, bind));
	assert_true(postern_session_offer(w.session, again, SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(step_of(&w, &datagram), POSTERN_WAIT);
	assert_true(postern_session_offer(w.session, bind, SPA_SMALL_LEN, w.wall_ms));
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	world_deinit(&w);
}

static void test_late_caller(void **state)
{
	(void)state;
	struct world w;
	const uint8_t *datagram;
	world_init(&w);
	start(&w);
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	w.mono_ms += 3000; /* two times were missed: one packet, not two */
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_int_equal(step_of(&w, &datagram), POSTERN_WAIT);
	w.mono_ms += 1000;
	assert_int_equal(step_of(&w, &datagram), POSTERN_SEND);
	assert_int_equal(step_of(&w, &datagram), POSTERN_WAIT);
	w.mono_ms -= 8000; /* not a monotonic clock: wait, in small steps */
	const uint8_t *d;
	size_t len;
	uint32_t wait_ms = 0;
	assert_int_equal(postern_session_next(w.session, w.wall_ms, w.mono_ms, &d, &len, &wait_ms),
		POSTERN_WAIT);
	assert_true(wait_ms > 0 && wait_ms <= 2000);
	world_deinit(&w);
}

static void test_prekeys(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);

	/* First knock: the card's rotating key; the reply brings a new one, which the next knock
	 * uses. */
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.server.last_prekey_id, 1);
	assert_int_equal(w.server.last.flags & SPA_FLAG_WANT_PREKEY, SPA_FLAG_WANT_PREKEY);
	assert_int_equal(w.memory.prekey_id, 7);
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.server.last_prekey_id, 7);
	assert_int_equal(w.server.last.flags & SPA_FLAG_WANT_PREKEY, 0);

	/* Within 12 hours of its end a new one is asked for. */
	w.wall_ms = w.memory.prekey_not_after_ms - 12 * 3600000 + 1;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.server.last.flags & SPA_FLAG_WANT_PREKEY, SPA_FLAG_WANT_PREKEY);
	assert_int_equal(w.server.last_prekey_id, 7);

	/* The server lost it: silence, then the long-lived key; what comes back replaces it. */
	struct postern_memory before = w.memory;
	w.server.is_prekey_lost[2] = true;
	w.server.prekey_life_ms = 3600000;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 5);
	assert_int_equal(w.server.last_prekey_id, 0);
	assert_true(w.memory.prekey_not_after_ms < before.prekey_not_after_ms);

	/* Past its end it is not used; nor are the card's rotating ones past theirs. */
	w.server.prekey_life_ms = 0;
	w.wall_ms = START_MS + 100 * (uint64_t)86400000;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 1);
	assert_int_equal(w.server.last_prekey_id, 0);
	world_deinit(&w);
}

static void test_prekey_signature(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.server.signs_wrongly = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	assert_int_equal(w.memory.prekey_id, 0);
	assert_int_equal(w.memory.prekey_not_after_ms, 0);
	world_deinit(&w);
}

static void test_useless_memory(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	/* A low-order key, an absurd offset, a wrong instance: a spoiled file costs time, not
	 * access. */
	w.memory.prekey_id = 3;
	w.memory.prekey_not_after_ms = UINT64_MAX;
	w.memory.offset_ms = INT64_MIN;
	w.memory.instance = 77;
	w.server.wants_instance = true;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(answer_of(&w).status, POSTERN_OK);
	assert_int_equal(w.memory.prekey_id, 7);
	assert_true(w.memory.offset_ms > -1000 && w.memory.offset_ms < 1000);
	/* No memory at all. */
	postern_session_free(w.session);
	assert_int_equal(postern_session_new(w.card, w.id, &w.request, NULL, &w.session, NULL), 0);
	w.sends = 0;
	assert_int_equal(run(&w), POSTERN_DONE);
	world_deinit(&w);
}

static void test_psk(void **state)
{
	(void)state;
	struct world w;
	uint8_t id[12];
	struct postern_error err;
	struct hpke_psk psk = { .key = { 8 }, .id = spa_psk_id(4, id) };
	world_init(&w);
	w.server.psk = &psk;
	w.id->psk_count = 2;
	w.id->psks[0].slot = 4; /* another server's */
	memcpy(w.id->psks[1].sid, w.server.sid, SPA_SID_LEN);
	w.id->psks[1].slot = 4;
	w.id->psks[1].key[0] = 8;
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.server.last_slot, 4);
	start(&w); /* with a prekey that came in a reply as well */
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.server.last_slot, 4);
	assert_int_equal(w.server.last_prekey_id, 7);
	/* The card asks for a slot that the ID does not hold: said before anything is sent. */
	w.card->card.prekeys[1].psk_slot = 5;
	postern_session_free(w.session);
	w.session = NULL;
	assert_int_equal(
		postern_session_new(w.card, w.id, &w.request, &w.memory, &w.session, &err), -126);
	assert_non_null(strstr(err.text, "slot 5"));
	world_deinit(&w);
}

static void test_stealth(void **state)
{
	(void)state;
	struct world w;
	world_init(&w);
	w.card->card.has_stealth = true;
	memset(w.card->card.stealth, 0x77, 32);
	w.server.cookie_secret = SPAN_OF(w.card->card.stealth);
	start(&w);
	assert_int_equal(run(&w), POSTERN_DONE);
	assert_int_equal(w.sends, 1);
	world_deinit(&w);
}

static void test_requests(void **state)
{
	(void)state;
	static char long_name[80];
	static const struct {
		const char *name;
		struct postern_request request;
		const char *card_service;
		int want;
		const char *selector; /* hex */
	} table[] = {
		{ "name", { .service = "ssh" }, "", 0, "737368" },
		{ "tcp/22", { .proto = 6, .port = 22 }, "web", 0, "060016" },
		{ "udp/51820", { .proto = 17, .port = 51820 }, "", 0, "11ca6c" },
		{ "card's default", { .op = POSTERN_OPEN }, "web", 0, "776562" },
		{ "no service", { .op = POSTERN_OPEN }, "", -22, NULL },
		{ "close without service", { .op = POSTERN_CLOSE }, "", -22, NULL },
		{ "probe without service", { .op = POSTERN_PROBE }, "", 0, "70726f6265" },
		{ "probe of one", { .op = POSTERN_PROBE, .service = "ssh" }, "", 0, "737368" },
		{ "name empty", { .service = "" }, "web", -22, NULL },
		{ "name in upper case", { .service = "SSH" }, "", -22, NULL },
		{ "name too long", { .service = long_name }, "", -22, NULL },
		{ "port 0", { .proto = 6 }, "", -22, NULL },
		{ "protocol 1", { .proto = 1, .port = 7 }, "", -22, NULL },
		{ "operation 4", { .op = (enum postern_op)4, .service = "ssh" }, "", -22, NULL },
		{ "address", { .service = "ssh", .address = "10.0.0.1" }, "", 0, "737368" },
		{ "address a name", { .service = "ssh", .address = "localhost" }, "", -22, NULL },
		{ "address empty", { .service = "ssh", .address = "" }, "", -22, NULL },
		{ "address a network", { .service = "ssh", .address = "10.0.0.0/8" }, "", -22,
			NULL },
		{ "address 0.0.0.0", { .service = "ssh", .address = "0.0.0.0" }, "", -22, NULL },
		{ "address ::", { .service = "ssh", .address = "::" }, "", -22, NULL },
	};
	memset(long_name, 'a', 64);
	for (size_t i = 0; i < TEST_LEN(table); i++) {
		struct world w;
		struct postern_error err = { "" };
		char hex[2 * SPA_SELECTOR_MAX + 1];
		world_init(&w);
		strcpy(w.card->card.service, table[i].card_service);
		int rc = postern_session_new(
			w.card, w.id, &table[i].request, &w.memory, &w.session, &err);
		TEST_CASE(table[i].name, rc == table[i].want);
		TEST_CASE(table[i].name, (rc == 0) == (err.text[0] == '\0'));
		if (rc == 0) {
			TEST_CASE(table[i].name, run(&w) == POSTERN_DONE);
			for (size_t k = 0; k < w.server.last.selector.len; k++)
				snprintf(hex + 2 * k, 3, "%02x", w.server.last.selector.data[k]);
			TEST_CASE(table[i].name, strcmp(hex, table[i].selector) == 0);
			TEST_CASE(table[i].name,
				w.server.last.op == (enum spa_op)table[i].request.op);
		}
		world_deinit(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),
		cmocka_unit_test(test_what_is_sent),
		cmocka_unit_test(test_corrections_are_fresh),
		cmocka_unit_test(test_address_new),
		cmocka_unit_test(test_bind_needs_an_address),
		cmocka_unit_test(test_foreign_datagrams),
		cmocka_unit_test(test_late_answers),
		cmocka_unit_test(test_late_caller),
		cmocka_unit_test(test_prekeys),
		cmocka_unit_test(test_prekey_signature),
		cmocka_unit_test(test_useless_memory),
		cmocka_unit_test(test_psk),
		cmocka_unit_test(test_stealth),
		cmocka_unit_test(test_requests),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
