/* What the doctor reads: sessions, tables of sockets, and the rule sets of others. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"
#include "test.h"

static void test_session(void **state)
{
	static const struct {
		const char *text, *from; /* NULL: none */
		unsigned port;
	} cases[] = {
		{ "192.0.2.7 50014 198.51.100.1 22", "192.0.2.7", 22 },
		{ "2001:db8::7 50014 2001:db8::1 2222", "2001:db8::7", 2222 },
		{ "fe80::1%eth0 50014 fe80::2%eth0 22", "fe80::1", 22 },
		{ "", NULL, 0 },
		{ "192.0.2.7", NULL, 0 },
		{ "192.0.2.7 50014 198.51.100.1", NULL, 0 },
		{ "192.0.2.7 50014 198.51.100.1 0", NULL, 0 },
		{ "192.0.2.7 50014 198.51.100.1 65536", NULL, 0 },
		{ "192.0.2.7 50014 198.51.100.1 22 x", NULL, 0 },
		{ "home 50014 198.51.100.1 22", NULL, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct doctor_session s;
		char text[ADDR_TEXT_MAX];
		bool is_one = doctor_session_parse(cases[i].text, &s);
		assert_int_equal(is_one, cases[i].from != NULL);
		if (!is_one)
			continue;
		assert_string_equal(addr_format(&s.from, text), cases[i].from);
		assert_int_equal(s.port, cases[i].port);
	}
}

#define TAIL "00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0"
#define V6_ANY "00000000000000000000000000000000"

static void test_listener(void **state)
{
	static const struct {
		const char *line;
		uint8_t proto;
		bool is_v6, is_one, is_local;
		unsigned port;
	} cases[] = {
		{ "   0: 00000000:0016 00000000:0000 0A " TAIL, IPPROTO_TCP, false, true, false,
			22 },
		{ "   0: 0100007F:0016 00000000:0000 0A " TAIL, IPPROTO_TCP, false, true, true,
			22 },
		{ "   0: 0100004D:0016 0200004D:C35E 01 " TAIL, IPPROTO_TCP, false, false, 0, 0 },
		{ "  12: 00000000:0035 00000000:0000 07 " TAIL, IPPROTO_UDP, false, true, false,
			53 },
		{ "   0: " V6_ANY ":01BB " V6_ANY ":0000 0A " TAIL, IPPROTO_TCP, true, true, false,
			443 },
		{ "   0: 00000000000000000000000001000000:01BB " V6_ANY ":0000 0A " TAIL,
			IPPROTO_TCP, true, true, true, 443 },
		{ "   0: 0000000000000000FFFF00000100007F:01BB " V6_ANY ":0000 0A " TAIL,
			IPPROTO_TCP, true, true, true, 443 },
		{ "   0: 00000000:01BB 00000000:0000 0A " TAIL, IPPROTO_TCP, true, false, 0, 0 },
		{ "  sl  local_address rem_address   st tx_queue rx_queue", IPPROTO_TCP, false,
			false, 0, 0 },
		{ "", IPPROTO_TCP, false, false, 0, 0 },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct doctor_listener l;
		bool is_one =
			doctor_listener_parse(cases[i].line, cases[i].proto, cases[i].is_v6, &l);
		assert_int_equal(is_one, cases[i].is_one);
		if (!is_one)
			continue;
		assert_int_equal(l.port, cases[i].port);
		assert_int_equal(l.is_local, cases[i].is_local);
	}
}

/* A chain filter/input at the hook, with this policy and these rules (each a list of statements). */
static json_t *chain(const char *policy, const char *rules)
{
	char text[4096];
	json_error_t err;
	snprintf(text, sizeof(text),
		"{'nftables': [{'chain': {'family': 'inet', 'table': 'filter', 'name': 'input', "
		"'type': 'filter', 'hook': 'input', 'prio': 0, 'policy': '%s'}}%s%s]}",
		policy, *rules != '\0' ? ", " : "", rules);
	for (char *p = text; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	json_t *o = json_loads(text, 0, &err);
	assert_non_null(o);
	return o;
}

#define RULE(expr)                                                                                 \
	"{'rule': {'family': 'inet', 'table': 'filter', 'chain': 'input', 'expr': [" expr "]}}"
#define SIDE(expr)                                                                                 \
	"{'rule': {'family': 'inet', 'table': 'filter', 'chain': 'side', 'expr': [" expr "]}}"
#define MATCH(op, left, right) "{'match': {'op': '" op "', 'left': " left ", 'right': " right "}}"
#define PORT(right) MATCH("==", "{'payload': {'protocol': 'tcp', 'field': 'dport'}}", right)
#define FROM MATCH("==", "{'payload': {'protocol': 'ip', 'field': 'saddr'}}", "'10.0.0.1'")
#define STATE(right) MATCH("in", "{'ct': {'key': 'state'}}", right)
#define INTO(name) MATCH("==", "{'meta': {'key': 'iifname'}}", name)
#define ACCEPT "{'accept': null}"
#define DROP "{'drop': null}"

static void test_rules(void **state)
{
	static const struct {
		const char *policy, *rules;
		enum doctor_flow flow;
	} cases[] = {
		{ "accept", "", DOCTOR_PASSES },
		{ "drop", "", DOCTOR_DROPPED },
		{ "drop", RULE(PORT("22") ", " ACCEPT), DOCTOR_PASSES },
		{ "drop", RULE(PORT("23") ", " ACCEPT), DOCTOR_DROPPED },
		{ "drop", RULE(PORT("{'set': [80, 22]}") ", " ACCEPT), DOCTOR_PASSES },
		{ "drop", RULE(PORT("{'range': [20, 25]}") ", " ACCEPT), DOCTOR_PASSES },
		{ "drop", RULE(PORT("{'set': [{'range': [80, 90]}]}") ", " ACCEPT),
			DOCTOR_DROPPED },
		{ "drop", RULE(PORT("'@ports'") ", " ACCEPT), DOCTOR_PASSES_SOME },
		{ "drop", RULE(FROM ", " PORT("22") ", " ACCEPT), DOCTOR_PASSES_SOME },
		{ "drop", RULE(FROM ", " PORT("23") ", " ACCEPT), DOCTOR_DROPPED },
		{ "drop", RULE(STATE("['established', 'related']") ", " ACCEPT), DOCTOR_DROPPED },
		{ "drop", RULE(STATE("'new'") ", " ACCEPT), DOCTOR_PASSES },
		{ "drop", RULE(INTO("'lo'") ", " ACCEPT), DOCTOR_DROPPED },
		{ "drop", RULE(INTO("'eth*'") ", " ACCEPT), DOCTOR_PASSES },
		{ "accept", RULE(PORT("22") ", " DROP), DOCTOR_DROPPED },
		{ "accept", RULE(PORT("22") ", {'counter': {'packets': 0}}, {'reject': null}"),
			DOCTOR_DROPPED },
		{ "accept", RULE(FROM ", " DROP), DOCTOR_PASSES },
		{ "accept", RULE("{'limit': {'rate': 1}}, " DROP), DOCTOR_PASSES },
		{ "accept", RULE(FROM ", " ACCEPT) ", " RULE(DROP), DOCTOR_PASSES_SOME },
		{ "accept",
			RULE(MATCH("!=", "{'payload': {'protocol': 'tcp', 'field': 'dport'}}",
				"80") ", " DROP),
			DOCTOR_DROPPED },
		{ "accept", RULE("{'jump': {'target': 'side'}}") ", " SIDE(PORT("22") ", " DROP),
			DOCTOR_DROPPED },
		{ "drop", RULE("{'jump': {'target': 'side'}}") ", " SIDE(PORT("22") ", " ACCEPT),
			DOCTOR_PASSES },
		{ "drop", RULE(FROM ", {'jump': {'target': 'side'}}") ", " SIDE(ACCEPT),
			DOCTOR_PASSES_SOME },
		{ "drop", RULE("{'goto': {'target': 'side'}}") ", " RULE(ACCEPT), DOCTOR_DROPPED },
		{ "drop", RULE("{'jump': {'target': 'input'}}"), DOCTOR_DROPPED },
		{ "drop",
			RULE("{'vmap': {'key': {'payload': {'protocol': 'tcp', 'field': 'dport'}}, "
			     "'data': {'set': [[80, {'drop': null}], [22, {'accept': null}]]}}}"),
			DOCTOR_PASSES },
		{ "drop", RULE("{'xt': null}, " ACCEPT), DOCTOR_PASSES_SOME },
		{ "drop", RULE("7"), DOCTOR_DROPPED },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char where[256];
		json_t *o = chain(cases[i].policy, cases[i].rules);
		enum doctor_flow flow =
			doctor_rules_judge(o, IPPROTO_TCP, 22, "eth0", where, sizeof(where));
		if (flow != cases[i].flow)
			fail_msg("case %zu: %d, not %d", i, (int)flow, (int)cases[i].flow);
		if (flow != DOCTOR_PASSES)
			assert_non_null(strstr(where, "of chain input in table inet filter"));
		json_decref(o);
	}
}

static void test_marks(void **state)
{
#define MARK "{'ct': {'key': 'mark'}}"
	static const struct {
		const char *rules;
		bool is_marking;
	} cases[] = {
		{ RULE(ACCEPT), false },
		{ RULE("{'mangle': {'key': " MARK ", 'value': 1}}"), true },
		{ RULE("{'mangle': {'key': {'meta': {'key': 'mark'}}, 'value': 1}}"), false },
		{ RULE(MATCH("==", MARK, "1")), false },
		{ RULE(MATCH("==", MARK, "1342177281")), true },
		{ RULE(MATCH("==", "{'&': [" MARK ", 255]}", "1")), true },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char where[256];
		json_t *o = chain("accept", cases[i].rules);
		assert_int_equal(doctor_rules_marks(o, 0x50000000, where, sizeof(where)),
			cases[i].is_marking);
		json_decref(o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_session),
		cmocka_unit_test(test_listener),
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_marks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
