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

static size_t find(const struct live *l, const char *source, uint8_t bits, uint16_t source_port,
	uint16_t service)
{
	const struct live_place p = { address(source), bits, source_port, service };
	return live_find(l, &p);
}

/* The grant through which a connection comes, or 0. */
static uint64_t through(
	const struct live *l, const char *source, uint16_t source_port, uint16_t port)
{
	const struct live_arrival a = { address(source), source_port, IPPROTO_TCP, port };
	size_t i = live_find_arrival(l, &a);
	return i != SIZE_MAX ? live_at(l, i)->grant_id : 0;
}

static bool add(struct live *l, uint64_t grant_id, const char *source, uint8_t bits,
	uint16_t source_port, uint16_t service)
{
	const struct live_gate g = { .grant_id = grant_id,
		.kind = CONFIG_OPEN_WINDOW,
		.place = { address(source), bits, source_port, service } };
	return live_add(l, &g);
}

static void test_live(void **state)
{
	struct config *c = parse();
	struct live *l = live_new(c);
	static const uint8_t nobody[32];
	(void)state;
	assert_int_equal(find(l, "192.0.2.7", 128, 0, 0), SIZE_MAX);
	assert_true(add(l, 1, "192.0.2.7", 128, 0, 0));
	assert_true(add(l, 2, "192.0.2.7", 128, 0, 1));
	assert_true(add(l, 3, "2001:db8::7", 128, 0, 1));
	assert_int_equal(live_count_service(l, 1), 2);
	assert_int_equal(live_count_identity(l, nobody), 3);
	assert_int_equal(through(l, "2001:db8::7", 4000, 8443), 3);
	assert_int_equal(through(l, "2001:db8::7", 4000, 22), 0);
	live_remove(l, 0);
	assert_int_equal(live_at(l, find(l, "2001:db8::7", 128, 0, 1))->grant_id, 3);
	assert_true(add(l, 4, "192.0.2.9", 128, 0, 1));
	assert_true(add(l, 5, "192.0.2.10", 128, 0, 1));
	assert_false(add(l, 6, "192.0.2.11", 128, 0, 1));
	live_free(l);
	config_free(c);
}

/* The closest gate: for the port, for the host, for the narrowest network. */
static void test_live_arrival(void **state)
{
	struct config *c = parse();
	struct live *l = live_new(c);
	(void)state;
	assert_true(add(l, 1, "192.0.2.0", 96 + 24, 0, 1));
	assert_true(add(l, 2, "192.0.2.0", 96 + 28, 0, 1));
	assert_true(add(l, 3, "192.0.2.7", 128, 0, 1));
	assert_true(add(l, 4, "192.0.2.7", 128, 4000, 1));
	assert_int_equal(through(l, "192.0.2.7", 4000, 8443), 4);
	assert_int_equal(through(l, "192.0.2.7", 4001, 8443), 3);
	assert_int_equal(through(l, "192.0.2.8", 4000, 8443), 2);
	assert_int_equal(through(l, "192.0.2.99", 4000, 8443), 1);
	assert_int_equal(through(l, "192.0.3.7", 4000, 8443), 0);
	assert_int_equal(find(l, "192.0.2.0", 96 + 28, 0, 1), 1);
	assert_int_equal(find(l, "192.0.2.0", 128, 0, 1), SIZE_MAX);
	live_free(l);
	config_free(c);
}

static void test_live_use(void **state)
{
	struct config *c = parse();
	struct live *l = live_new(c);
	struct live_gate g = { .place = { address("192.0.2.7"), 128, 0, 0 } };
	(void)state;
	assert_true(live_add(l, &g));
	assert_int_equal(live_use(l, 0), 0);
	live_remove(l, 0);
	g.kind = CONFIG_OPEN_WINDOW;
	assert_true(live_add(l, &g));
	assert_int_equal(live_use(l, 0), UINT16_MAX);
	assert_true(live_at(l, 0)->is_used);
	live_remove(l, 0);
	g.kind = CONFIG_OPEN_TIMES;
	g.uses_left = 2;
	assert_true(live_add(l, &g));
	assert_int_equal(live_use(l, 0), 1);
	assert_int_equal(live_use(l, 0), 0);
	assert_int_equal(live_use(l, 0), 0);
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
		.bits = 128,
		.mark = 0x50000001,
		.wait_ms = 30000,
		.lease_ms = 3600000 };
	struct {
		const char *name;
		struct msg m;
		int want;
	} cases[16];
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
	cases[10].name = "a source port", cases[10].m.source_port = 4000, cases[10].want = 0;
	cases[11].name = "a network", cases[11].m.addr = address("192.0.2.0"),
	cases[11].m.bits = 120, cases[11].want = -EPERM;
	cases[12].name = "host bits", cases[12].m.bits = 120, cases[12].want = -EINVAL;
	cases[13].name = "no bits", cases[13].m.bits = 0, cases[13].want = -EINVAL;
	cases[14].name = "times", cases[14].m.kind = GATE_TIMES, cases[14].want = -EPERM;
	cases[15].name = "a lease without an end", cases[15].m.lease_ms = UINT64_MAX,
	cases[15].want = -EPERM;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name, gated_check(c, &cases[i].m) == cases[i].want);
	config_free(c);
}

/* What a service allows beyond one host, and no more than that. */
static void test_orders_of_kinds(void **state)
{
	static const char text[] =
		"server { id = /s directory = /d }\ndoor wan { interface = e spa { } }\n"
		"service w { port = tcp/6000-6010 allow = {} open = window lease = none "
		"prefix-v4 = 28 prefix-v6 = 64 }\n"
		"service t { port = tcp/22 allow = {} open = times times = 3 }\n";
	static const struct {
		const char *name;
		enum msg_type type;
		uint16_t service;
		uint8_t kind, bits;
		uint16_t source_port;
		const char *addr;
		uint64_t lease_ms;
		int want;
	} cases[] = {
		{ "host", MSG_OPEN, 0, GATE_WINDOW, 128, 0, "192.0.2.7", UINT64_MAX, 0 },
		{ "host and port", MSG_OPEN, 0, GATE_WINDOW, 128, 9, "192.0.2.7", 1000, 0 },
		{ "widest", MSG_OPEN, 0, GATE_WINDOW, 96 + 28, 0, "192.0.2.16", 1, 0 },
		{ "too wide", MSG_OPEN, 0, GATE_WINDOW, 96 + 27, 0, "192.0.2.0", 1, -EPERM },
		{ "network and port", MSG_OPEN, 0, GATE_WINDOW, 96 + 28, 9, "192.0.2.16", 1,
			-EPERM },
		{ "widest, IPv6", MSG_OPEN, 0, GATE_WINDOW, 64, 0, "2001:db8::", 1, 0 },
		{ "too wide, IPv6", MSG_OPEN, 0, GATE_WINDOW, 63, 0, "2001:db8::", 1, -EPERM },
		{ "all of IPv4", MSG_OPEN, 0, GATE_WINDOW, 96, 0, "::ffff:0:0", 1, -EPERM },
		{ "times", MSG_OPEN, 1, GATE_TIMES, 128, 0, "192.0.2.7", 1000, 0 },
		{ "not once", MSG_OPEN, 1, GATE_ONCE, 128, 0, "192.0.2.7", 1000, -EPERM },
		{ "network of another service", MSG_OPEN, 1, GATE_TIMES, 96 + 28, 0, "192.0.2.16",
			1000, -EPERM },
		{ "lease", MSG_LEASE, 0, 0, 128, 0, "192.0.2.7", UINT64_MAX, 0 },
		{ "lease of another", MSG_LEASE, 1, 0, 128, 0, "192.0.2.7", UINT64_MAX, -EPERM },
		{ "close what no service is", MSG_CLOSE, 9, 0, 96 + 20, 0, "192.0.0.0", 0, 0 },
		{ "close host bits", MSG_CLOSE, 0, 0, 96 + 20, 0, "192.0.2.0", 0, -EINVAL },
	};
	struct config_report r = { 0 };
	(void)state;
	struct config *c = config_parse_text("t", span_of(text, sizeof(text) - 1), &r);
	assert_non_null(c);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct msg m = { .type = cases[i].type,
			.service = cases[i].service,
			.kind = cases[i].kind,
			.bits = cases[i].bits,
			.source_port = cases[i].source_port,
			.addr = address(cases[i].addr),
			.mark = 0x50000001,
			.wait_ms = 1000,
			.lease_ms = cases[i].lease_ms };
		TEST_CASE(cases[i].name, gated_check(c, &m) == cases[i].want);
	}
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rotation),
		cmocka_unit_test(test_resend),
		cmocka_unit_test(test_live),
		cmocka_unit_test(test_live_arrival),
		cmocka_unit_test(test_live_use),
		cmocka_unit_test(test_answer_is_a_good_packet),
		cmocka_unit_test(test_orders_are_checked),
		cmocka_unit_test(test_orders_of_kinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
