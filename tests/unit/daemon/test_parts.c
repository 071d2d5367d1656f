/* The small parts of the daemon: memory of answers, table of open gates, answers as packets, checked orders. */

#include <errno.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <unistd.h>

#include "capture/capture.h"
#include "config/internal.h"
#include "daemon/answer.h"
#include "daemon/gated.h"
#include "daemon/keys.h"
#include "daemon/live.h"
#include "daemon/resend.h"
#include "gate/gate.h"
#include "priv/priv.h"
#include "test.h"

static const char conf[] =
	"server { id = \"/x/server.id\" id-key = \"/x/server.key\" directory = \"/x/directory\"\n"
	"  allow = {\"*/VSD\"} gates-max = 4 }\n"
	"door wan { interface = \"eth0\" spa { udp = 62201 } }\n"
	"service ssh { port = tcp/22 allow = {\"Ann/VSD\"} open = once wait = 30s lease = 1h }\n"
	"service wiki { port = tcp/8443 allow = {\"Ann/VSD\"} open = window wait = 10s lease = 2h }\n";

static struct config *parse(void)
{
	struct config_report r = { 0 };
	struct config *c = config_parse_text("postern.conf", span_of(conf, sizeof(conf) - 1), &r);
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(c);
	return c;
}

static struct addr address(const char *text)
{
	struct addr a;
	assert_true(addr_parse(text, &a));
	return a;
}

/* A new prekey each half day, and none that lives for years by a clock that was wrong. */
static void test_rotation(void **state)
{
	static const uint64_t hour = 3600000, start = 1700000000000ull;
	static const struct {
		const char *name;
		uint64_t at_ms;
		int want;
		uint8_t newest;
	} steps[] = {
		{ "first", start, 1, 1 },
		{ "fresh", start + 11 * hour, 0, 1 },
		{ "half of its day", start + 12 * hour, 1, 2 },
		{ "a year ahead", start + 8760 * hour, 1, 1 },
		{ "back", start + 13 * hour, 1, 2 },
		{ "fresh again", start + 14 * hour, 0, 2 },
		{ "a little back", start + 12 * hour, 0, 2 },
	};
	char folder[] = "/tmp/postern-keys-XXXXXX", path[64];
	struct server_keys *k = calloc(1, sizeof(*k));
	struct store *s = NULL;
	struct fault f;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	assert_int_equal(store_open(path, &s, &f), 0);
	for (size_t i = 0; i < TEST_LEN(steps); i++) {
		int rc = keys_rotate(k, s, steps[i].at_ms);
		const struct server_prekey *p = keys_newest(k, steps[i].at_ms);
		TEST_CASE(steps[i].name, rc == steps[i].want);
		TEST_CASE(steps[i].name, p->record.id == steps[i].newest);
		TEST_CASE(steps[i].name, p->record.not_after_ms <= steps[i].at_ms + 48 * hour);
		TEST_CASE(steps[i].name, keys_find(k, steps[i].newest) == p);
	}
	store_close(s);
	keys_free(k);
	for (size_t i = 0; i < 3; i++) {
		static const char *const ends[] = { "", "-wal", "-shm" };
		snprintf(path, sizeof(path), "%s/db%s", folder, ends[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
}

static void test_resend(void **state)
{
	static const uint8_t seed[16] = { 1 };
	struct resend *r = resend_new(8, seed);
	struct addr a = address("192.0.2.7"), other = address("192.0.2.8");
	uint8_t key[STORE_REPLAY_KEY_LEN] = { 0 }, reply[SPA_SMALL_LEN] = { 0 };
	const uint8_t *got = NULL;
	(void)state;
	assert_int_equal(resend_get(r, key, &a, 0, &got), RESEND_UNKNOWN);
	reply[5] = 9;
	resend_put(r, key, &a, 4000, reply, 1000);
	assert_int_equal(resend_get(r, key, &other, 1000, &got), RESEND_SILENT);
	for (int i = 0; i < RESEND_TIMES; i++) {
		assert_int_equal(resend_get(r, key, &a, 1000, &got), RESEND_AGAIN);
		assert_int_equal(got[5], 9);
	}
	assert_int_equal(resend_get(r, key, &a, 1000, &got), RESEND_SILENT);
	/* Many more than fit: the newest is there, and nothing grows. */
	for (unsigned i = 1; i < 1000; i++) {
		key[0] = (uint8_t)i;
		key[1] = (uint8_t)(i >> 8);
		resend_put(r, key, &a, 4000, reply, 1000 + i);
		assert_int_equal(resend_get(r, key, &a, 1000 + i, &got), RESEND_AGAIN);
	}
	resend_free(r);
}

static void test_live(void **state)
{
	struct config *c = parse();
	struct live *l = live_new(c);
	struct live_gate g = {
		.grant_id = 1, .service = 0, .is_once = true, .source = address("192.0.2.7")
	};
	(void)state;
	assert_int_equal(live_find(l, &g.source, 0), SIZE_MAX);
	assert_true(live_add(l, &g));
	g.grant_id = 2;
	g.service = 1;
	assert_true(live_add(l, &g));
	g.grant_id = 3;
	g.source = address("2001:db8::7");
	assert_true(live_add(l, &g));
	assert_int_equal(live_count_service(l, 1), 2);
	assert_int_equal(live_count_identity(l, g.key_id), 3);
	assert_int_equal(live_find_port(l, &g.source, IPPROTO_TCP, 8443), 2);
	assert_int_equal(live_find_port(l, &g.source, IPPROTO_TCP, 22), SIZE_MAX);
	live_remove(l, 0);
	assert_int_equal(live_at(l, live_find(l, &g.source, 1))->grant_id, 3);
	g.source = address("192.0.2.9");
	assert_true(live_add(l, &g));
	g.source = address("192.0.2.10");
	assert_true(live_add(l, &g));
	g.source = address("192.0.2.11");
	assert_false(live_add(l, &g));
	live_free(l);
	config_free(c);
}

static void test_answer_is_a_good_packet(void **state)
{
	static const struct {
		const char *name, *from, *to;
	} cases[] = { { "IPv4", "192.0.2.1", "192.0.2.7" },
		{ "IPv6", "2001:db8::1", "2001:db8::7" } };
	uint8_t payload[320], packet[1400];
	(void)state;
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct answer_path p = { .from = address(cases[i].from),
			.to = address(cases[i].to),
			.from_port = 62201,
			.to_port = 4000 };
		struct sighting s;
		size_t len =
			answer_build(&p, span_of(payload, sizeof(payload)), packet, sizeof(packet));
		/* Read back with the checksums checked. */
		TEST_CASE(cases[i].name,
			capture_packet_decode(span_of(packet, len), DLT_RAW, true, &s) ==
				CAPTURE_OK);
		TEST_CASE(cases[i].name, addr_equal(&s.src, &p.from) && addr_equal(&s.dst, &p.to));
		TEST_CASE(cases[i].name, s.src_port == 62201 && s.dst_port == 4000);
		TEST_CASE(cases[i].name, span_equal(s.payload, SPAN_OF(payload)));
		for (size_t cap = 0; cap < len; cap++)
			TEST_CASE(cases[i].name,
				answer_build(&p, span_of(payload, sizeof(payload)), packet, cap) ==
					0);
	}
}

static void test_orders_are_checked(void **state)
{
	struct config *c = parse();
	const struct msg good = { .type = MSG_OPEN,
		.service = 0,
		.kind = GATE_ONCE,
		.addr = address("192.0.2.7"),
		.mark = 0x50000001,
		.wait_ms = 30000,
		.lease_ms = 3600000 };
	struct {
		const char *name;
		struct msg m;
		int want;
	} cases[10];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		cases[i].m = good;
	cases[0].name = "as configured", cases[0].want = 0;
	cases[1].name = "no such service", cases[1].m.service = 2, cases[1].want = -EPERM;
	cases[2].name = "another kind", cases[2].m.kind = GATE_WINDOW, cases[2].want = -EPERM;
	cases[3].name = "longer", cases[3].m.wait_ms = 30001, cases[3].want = -EPERM;
	cases[4].name = "no time", cases[4].m.wait_ms = 0, cases[4].want = -EPERM;
	cases[5].name = "longer lease", cases[5].m.lease_ms = 3600001, cases[5].want = -EPERM;
	cases[6].name = "a mark of others", cases[6].m.mark = 0x60000001, cases[6].want = -EPERM;
	cases[7].name = "no address", cases[7].m.addr = (struct addr){ { 0 } },
	cases[7].want = -EINVAL;
	cases[8].name = "cut", cases[8].m = (struct msg){ .type = MSG_CUT, .mark = 0x50000001 },
	cases[8].want = 0;
	cases[9].name = "cut others", cases[9].m = (struct msg){ .type = MSG_CUT, .mark = 1 },
	cases[9].want = -EPERM;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name, gated_check(c, &cases[i].m) == cases[i].want);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_resend),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_answer_is_a_good_packet),
		cmocka_unit_test(test_orders_are_checked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
