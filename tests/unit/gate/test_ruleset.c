/* The text and its digest. Whether it does what it says is test_gate.c's business. */

#include "gate/internal.h"
#include "gate/traffic.h"

static const int port = 22;

static void test_text(void **state)
{
	(void)state;
	struct config *c = configure(&port, 1);
	c->server.log_group = 1234;
	char *plain = gate_ruleset_text("other", c);
	assert_non_null(plain);
	assert_null(strstr(plain, "type nat"));
	free(plain);
	c->services[0].forward4.port = 443;
	char *text = gate_ruleset_text("other", c);
	assert_non_null(text);
	assert_non_null(strstr(text, "type nat"));
	assert_non_null(strstr(text, "ct mark and 0xff000000 == 0x50000000 jump"));
	assert_non_null(strstr(text, "add set inet other lease "));
	assert_non_null(strstr(text, "log group 1234 "));
	assert_null(strchr(text, '%'));
	assert_null(strstr(text, "add table"));
	/* Every line is a command for that table, or says why the next one is there. */
	size_t lines = 0;
	for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
		char what[16], table[16];
		bool is_command = sscanf(line, "add %15s inet %15s ", what, table) == 2;
		TEST_CASE(line, line[0] == '#' || (is_command && strcmp(table, "other") == 0));
	}
	assert_true(lines > 30);
	free(text);
	free(c);
}

static void test_version(void **state)
{
	(void)state;
	char a[GATE_VERSION_MAX], b[GATE_VERSION_MAX], other[GATE_VERSION_MAX];
	struct config *c = configure(&port, 1);
	assert_true(gate_ruleset_version(c, a));
	c->services[0].port++;
	c->services[0].port_last = 2000;
	c->server.mark_base = 0x60000000;
	assert_true(gate_ruleset_version(c, b));
	c->services[0].prefix_v4 = 24;
	assert_true(gate_ruleset_version(c, other));
	assert_string_not_equal(a, other);
	c->services[0].prefix_v4 = 32;
	c->services[0].prefix_v6 = 64;
	assert_true(gate_ruleset_version(c, other));
	assert_string_not_equal(a, other);
	c->services[0].prefix_v6 = 0;
	c->services[0].forward6.port = 443;
	assert_true(gate_ruleset_version(c, other));
	assert_string_not_equal(a, other);
	c->services[0].forward6.port = 0;
	c->server.log_group = 8;
	assert_true(gate_ruleset_version(c, other));
	free(c);
	assert_string_equal(a, b);
	assert_string_not_equal(a, other);
	assert_memory_equal(a, "postern rule set 1 ", 19);
	assert_int_equal(strlen(a), 19 + 12);
}

/* A map and a rule for each prefix length that is allowed, none for others. */
static void test_nets(void **state)
{
	(void)state;
	struct config *c = configure(&port, 1);
	char *text = gate_ruleset_text("other", c);
	assert_non_null(text);
	assert_null(strstr(text, "@net"));
	free(text);
	c->services[0].prefix_v4 = 24;
	c->services[0].prefix_v6 = 48;
	text = gate_ruleset_text("other", c);
	assert_non_null(text);
	assert_non_null(strstr(text, "add map inet other net4_24 { type ipv4_addr . mark : mark;"));
	assert_non_null(strstr(text, " ip saddr & 255.255.255.0 . ct mark map @net4_24 "));
	assert_non_null(strstr(text, " ip saddr & 255.255.255.254 . ct mark map @net4_31 "));
	assert_non_null(strstr(text, " ip6 saddr & ffff:ffff:ffff:: . ct mark map @net6_48 "));
	assert_non_null(strstr(text, "@net6_127 "));
	assert_null(strstr(text, "net4_23"));
	assert_null(strstr(text, "net4_32"));
	assert_null(strstr(text, "net6_47"));
	assert_null(strstr(text, "net6_128"));
	free(text);
	free(c);
}

static void test_cover(void **state)
{
	(void)state;
	static const int ports[] = { 22, -53 };
	struct config *c = configure(ports, 2);
	char *text = gate_ruleset_cover(c);
	assert_non_null(text);
	assert_non_null(strstr(text, "guarded { tcp . 22 timeout 10s }\n"));
	assert_non_null(strstr(text, "guarded { udp . 53 timeout 10s }\n"));
	assert_null(strstr(text, "hook forward"));
	free(text);
	c->services[0].forward4.port = 443;
	text = gate_ruleset_cover(c);
	assert_non_null(text);
	assert_non_null(strstr(text, "ours { 0x50000000-0x50ffffff timeout 10s }\n"));
	free(text);
	c->service_count = 0;
	text = gate_ruleset_cover(c);
	assert_non_null(text);
	assert_null(strstr(text, "add element"));
	free(text);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_version),
		cmocka_unit_test(test_nets),
		cmocka_unit_test(test_cover),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
