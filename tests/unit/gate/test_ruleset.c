/* The text and its digest. Whether it does what it says is test_gate.c's business. */

#include "gate/internal.h"
#include "gate/traffic.h"

static void test_text(void **state)
{
	(void)state;
	static const struct gate_shape narrow = { 1234, 32, 128 };
	char *text = gate_ruleset_text("other", &narrow);
	assert_non_null(text);
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
}

static void test_version(void **state)
{
	(void)state;
	char a[GATE_VERSION_MAX], b[GATE_VERSION_MAX], other[GATE_VERSION_MAX];
	static const struct gate_shape shape = { 7, 32, 128 }, group = { 8, 32, 128 };
	static const struct gate_shape v4 = { 7, 24, 128 }, v6 = { 7, 32, 64 };
	assert_true(gate_ruleset_version(&shape, a));
	assert_true(gate_ruleset_version(&shape, b));
	assert_true(gate_ruleset_version(&v4, other));
	assert_string_not_equal(a, other);
	assert_true(gate_ruleset_version(&v6, other));
	assert_string_not_equal(a, other);
	assert_true(gate_ruleset_version(&group, other));
	assert_string_equal(a, b);
	assert_string_not_equal(a, other);
	assert_memory_equal(a, "postern rule set 1 ", 19);
	assert_int_equal(strlen(a), 19 + 12);
}

/* A map and a rule for each prefix length that is allowed, none for others. */
static void test_nets(void **state)
{
	(void)state;
	static const struct gate_shape narrow = { 7, 32, 128 }, wide = { 7, 24, 48 };
	char *text = gate_ruleset_text("other", &narrow);
	assert_non_null(text);
	assert_null(strstr(text, "@net"));
	free(text);
	text = gate_ruleset_text("other", &wide);
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
