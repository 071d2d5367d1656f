/* Every keyword from both sides of its bounds, through a whole file. */

#include "base/file.h"
#include "helper.h"

struct bound {
	const char *block, *statement;
	const char *want; /* "" when good, else the mistake without its place */
};

static const struct bound bounds[] = {
	{ "server", "store = /a", "" },
	{ "server", "store = a", "store: \"a\" is not an absolute path; begin it with /" },
	{ "server", "store = \"\"", "store: is empty" },
	{ "server", "id-key = /k", "" },
	{ "server", "id-key = \"credential:postern.key_1-a\"", "" },
	{ "server", "id-key = \"credential:\"",
		"id-key: \"credential:\" is not the name of a credential" },
	{ "server", "id-key = \"credential:../k\"",
		"id-key: \"credential:../k\" is not the name of a credential" },
	{ "server", "id-key = \"credential:a/k\"",
		"id-key: \"credential:a/k\" is not the name of a credential" },
	{ "server", "id-key = \"credential:.\"",
		"id-key: \"credential:.\" is not the name of a credential" },
	{ "server", "stealth = \"credential:k\"",
		"stealth: \"credential:k\" is not an absolute path; begin it with /" },
	{ "server", "stealth = /s", "" },
	{ "server", "stealth = s", "stealth: \"s\" is not an absolute path; begin it with /" },
	{ "server", "id-key = k", "id-key: \"k\" is not an absolute path; begin it with /" },
	{ "server", "trust = {/a, /b}", "" },
	{ "server", "trust = {}", "" },
	{ "server", "trust = {/a, b}", "trust: \"b\" is not an absolute path; begin it with /" },
	{ "server", "trust = {\"\"}", "trust: an entry is empty; remove it" },
	{ "server", "allow = {\"*\", Admins}", "" },
	{ "server", "allow = {\"\"}", "allow: an entry is empty; remove it" },
	{ "server", "deny = {\"\"}", "deny: an entry is empty; remove it" },
	{ "server", "user = nobody", "" },
	{ "server", "user = _p0-x", "" },
	{ "server", "user = 0", "user: \"0\" is not a user name" },
	{ "server", "user = Root", "user: \"Root\" is not a user name" },
	{ "server", "user = abcdefghijklmnopqrstuvwxyz01234", "" },
	{ "server", "user = abcdefghijklmnopqrstuvwxyz012345",
		"user: \"abcdefghijklmnopqrstuvwxyz012345\" is not a user name" },
	{ "server", "key-check = off", "" },
	{ "server", "key-check = listed", "" },
	{ "server", "key-check = all", "" },
	{ "server", "key-check = on",
		"key-check: \"on\" is not supported; choose from: off, listed, all" },
	{ "server", "reveal = yes", "" },
	{ "server", "reveal = no", "" },
	{ "server", "reveal = true", "reveal: \"true\" is neither yes nor no" },
	{ "server", "compat-open-lists = yes", "" },
	{ "server", "compat-open-lists = 1", "compat-open-lists: \"1\" is neither yes nor no" },
	{ "server", "metrics = '127.0.0.1:9462'", "" },
	{ "server", "metrics = '[::1]:1'", "" },
	{ "server", "metrics = '127.9.8.7:65535'", "" },
	{ "server", "metrics = '10.0.0.1:9462'",
		"metrics: \"10.0.0.1:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '127.0.0.1'",
		"metrics: \"127.0.0.1\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '127.0.0.1:0'",
		"metrics: \"127.0.0.1:0\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '127.0.0.1:65536'",
		"metrics: \"127.0.0.1:65536\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '[127.0.0.1]:9462'",
		"metrics: \"[127.0.0.1]:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '::1:9462'",
		"metrics: \"::1:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '[::2]:9462'",
		"metrics: \"[::2]:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '[::1]'",
		"metrics: \"[::1]\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = 'localhost:9462'",
		"metrics: \"localhost:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '0.0.0.0:9462'",
		"metrics: \"0.0.0.0:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = ':9462'",
		"metrics: \":9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "metrics = '[::ffff:127.0.0.1]:9462'",
		"metrics: \"[::ffff:127.0.0.1]:9462\" is not a loopback address and port; write one like 127.0.0.1:9462" },
	{ "server", "journal-log = syslog", "" },
	{ "server", "journal-log = file",
		"journal-log: \"file\" is not supported; choose from: none, syslog, journald" },
	{ "server", "retention = 1d", "" },
	{ "server", "retention = 86399s", "retention: 86399s is below 1d" },
	{ "server", "retention = 3650d", "" },
	{ "server", "retention = 3651d", "retention: 3651d is above 3650d" },
	{ "server", "gates-max = 1", "" },
	{ "server", "gates-max = 0", "gates-max: 0 is below 1" },
	{ "server", "gates-max = 65536", "" },
	{ "server", "gates-max = 65537", "gates-max: 65537 is above 65536" },
	{ "server", "gates-max = 99999999999999999999",
		"gates-max: 99999999999999999999 is above 65536" },
	{ "server", "gates-max = -1", "gates-max: \"-1\" is not a number" },
	{ "server", "gates-max = 0x10", "gates-max: \"0x10\" is not a number" },
	{ "server", "gates-max = \" 1\"", "gates-max: \" 1\" is not a number" },
	{ "server", "identity-gates-max = 1", "" },
	{ "server", "identity-gates-max = 0", "identity-gates-max: 0 is below 1" },
	{ "server", "identity-gates-max = 65536", "" },
	{ "server", "identity-gates-max = 65537", "identity-gates-max: 65537 is above 65536" },
	{ "server", "identity-rate = 1", "" },
	{ "server", "identity-rate = 0", "identity-rate: 0 is below 1" },
	{ "server", "identity-rate = 10000", "" },
	{ "server", "identity-rate = 10001", "identity-rate: 10001 is above 10000" },
	{ "server", "mark-base = 0x01000000", "" },
	{ "server", "mark-base = 0xff000000", "" },
	{ "server", "mark-base = 0x0",
		"mark-base: 0x0 has bits outside the high eight, or none; write one like "
		"0x50000000" },
	{ "server", "mark-base = 0x50000001",
		"mark-base: 0x50000001 has bits outside the high eight, or none; write one like "
		"0x50000000" },
	{ "server", "mark-base = 0x150000000",
		"mark-base: \"0x150000000\" is not a mark; write one like 0x50000000" },
	{ "server", "mark-base = 50000000",
		"mark-base: \"50000000\" is not a mark; write one like 0x50000000" },
	{ "server", "log-group = 0", "" },
	{ "server", "log-group = 65535", "" },
	{ "server", "log-group = 65536", "log-group: 65536 is above 65535" },
	{ "door", "capture = pcap", "" },
	{ "door", "capture = nflog group = 5", "" },
	{ "door", "capture = nflog group = 0", "" },
	{ "door", "capture = nflog group = 65535", "" },
	{ "door", "capture = nflog group = 65536", "group: 65536 is above 65535" },
	{ "door", "capture = nflog", "group: missing; capture = nflog needs it" },
	{ "door", "capture = nflog group = 7",
		"group: 7 is the server's log-group, on which gates are reported; choose another" },
	{ "door", "group = 5", "group: means nothing with capture = pcap; remove it" },
	{ "door", "file = /f", "file: means nothing with capture = pcap; remove it" },
	{ "door", "capture = nflog group = 1 file = /f",
		"file: means nothing with capture = nflog; remove it" },
	{ "door", "capture = bpf",
		"capture: \"bpf\" is not supported; choose from: pcap, nflog, log" },
	{ "door", "sources = 64", "" },
	{ "door", "sources = 63", "sources: 63 is below 64" },
	{ "door", "sources = 1048576", "" },
	{ "door", "sources = 1048577", "sources: 1048577 is above 1048576" },
	{ "door", "allow = {\"*\"} deny = {}", "" },
	{ "door", "deny = {\"\"}", "deny: an entry is empty; remove it" },
	{ "spa", "udp = 1", "" },
	{ "spa", "udp = 0", "udp: 0 is below 1" },
	{ "spa", "udp = 65535", "" },
	{ "spa", "udp = 65536", "udp: 65536 is above 65535" },
	{ "spa", "window = 5s", "" },
	{ "spa", "window = 4s", "window: 4s is below 5s" },
	{ "spa", "window = 300", "" },
	{ "spa", "window = 301", "window: 301 is above 5m" },
	{ "spa", "window = 20y", "window: \"20y\" is not a time; write 30s, 5m, 8h or 2d" },
	{ "spa", "source-rate = 1", "" },
	{ "spa", "source-rate = 0", "source-rate: 0 is below 1" },
	{ "spa", "source-rate = 10000", "" },
	{ "spa", "source-rate = 10001", "source-rate: 10001 is above 10000" },
	{ "spa", "no-epoch-rate = 1", "" },
	{ "spa", "no-epoch-rate = 0", "no-epoch-rate: 0 is below 1" },
	{ "spa", "no-epoch-rate = 10000", "" },
	{ "spa", "no-epoch-rate = 10001", "no-epoch-rate: 10001 is above 10000" },
	{ "service", "open = once", "" },
	{ "service", "open = window", "" },
	{ "service", "open = twice",
		"open: \"twice\" is not supported; choose from: once, window, times" },
	{ "service", "open = times times = 2", "" },
	{ "service", "open = times times = 1", "times: 1 is below 2" },
	{ "service", "open = times times = 1000", "" },
	{ "service", "open = times times = 1001", "times: 1001 is above 1000" },
	{ "service", "open = window prefix-v4 = 24", "" },
	{ "service", "open = window prefix-v4 = 23", "prefix-v4: 23 is below 24" },
	{ "service", "prefix-v4 = 32", "" },
	{ "service", "prefix-v4 = 33", "prefix-v4: 33 is above 32" },
	{ "service", "open = window prefix-v6 = 48", "" },
	{ "service", "open = window prefix-v6 = 47", "prefix-v6: 47 is below 48" },
	{ "service", "prefix-v6 = 128", "" },
	{ "service", "prefix-v6 = 129", "prefix-v6: 129 is above 128" },
	{ "service", "wait = 1s", "" },
	{ "service", "wait = 0s", "wait: 0s is below 1s" },
	{ "service", "wait = 1d lease = 1d", "" },
	{ "service", "wait = 86401 lease = 2d", "wait: 86401 is above 1d" },
	{ "service", "lease = 30", "" },
	{ "service", "wait = 1 lease = 1", "" },
	{ "service", "wait = 1 lease = 0", "lease: 0 is below 1s" },
	{ "service", "lease = 30d", "" },
	{ "service", "lease = 31d", "lease: 31d is above 30d" },
	{ "service", "lease = none", "" },
	{ "service", "lease = None",
		"lease: \"None\" is not a time; write 30s, 5m, 8h or 2d, or none" },
	{ "service", "bind = no", "" },
	{ "service", "bind = required", "" },
	{ "service", "bind = yes", "bind: \"yes\" is not supported; choose from: no, required" },
	{ "service", "gates-max = 1", "" },
	{ "service", "gates-max = 0", "gates-max: 0 is below 1" },
	{ "service", "gates-max = 65536", "" },
	{ "service", "gates-max = 65537", "gates-max: 65537 is above 65536" },
	{ "service", "deny = {\"a/VSD\"}", "" },
	{ "group", "", "" },
};

static void compare(const char *name, const char *text, const char *want)
{
	char line[CONFIG_WHY_MAX + 64];
	snprintf(line, sizeof(line), "t.conf:1: %s\n", want);
	expect_mistakes(name, text, want[0] == '\0' ? "" : line);
}

static const char *in(const struct bound *b, const char *block)
{
	return strcmp(b->block, block) == 0 ? b->statement : "";
}

static void test_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(bounds); i++) {
		char text[1024];
		const struct bound *b = &bounds[i];
		snprintf(text, sizeof(text),
			"server { id = /s.id directory = /dir %s } "
			"door wan { interface = eth0 %s spa { %s } } "
			"service ssh { port = tcp/22 allow = {\"*\"} %s } "
			"group g { members = {} %s }",
			in(b, "server"), in(b, "door"), in(b, "spa"), in(b, "service"),
			in(b, "group"));
		compare(b->statement, text, b->want);
	}
}

static void test_required_values(void **state)
{
	(void)state;
	static const struct {
		const char *port, *interface, *want;
	} cases[] = {
		{ "tcp/1", "eth0", "" },
		{ "tcp/65535", "eth0", "" },
		{ "udp/51820", "eth0", "" },
		{ "tcp/0", "eth0", "port: 0 is below 1" },
		{ "tcp/65536", "eth0", "port: 65536 is above 65535" },
		{ "22", "eth0", "port: \"22\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/", "eth0",
			"port: \"tcp/\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/ssh", "eth0",
			"port: \"tcp/ssh\" is not a port; write one like tcp/22 or udp/51820" },
		{ "sctp/22", "eth0",
			"port: \"sctp/22\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/22-", "eth0",
			"port: \"tcp/22-\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/-22", "eth0",
			"port: \"tcp/-22\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/1-2-3", "eth0",
			"port: \"tcp/1-2-3\" is not a port; write one like tcp/22 or udp/51820" },
		{ "tcp/22-65536", "eth0", "port: 65536 is above 65535" },
		{ "tcp/0-22", "eth0", "port: 0 is below 1" },
		{ "tcp/99999999999999999999", "eth0", "port: 99999999999999999999 is above 65535" },
		{ "tcp/22-22", "eth0",
			"port: a range from 22 cannot end at 22; write the lower port first" },
		{ "tcp/22-21", "eth0",
			"port: a range from 22 cannot end at 21; write the lower port first" },
		{ "\"tcp/1-256\" open = window", "eth0", "" },
		{ "tcp/1-257", "eth0", "port: a range has at most 256 ports, not 257" },
		{ "tcp/22", "any", "" },
		{ "tcp/22", "123456789012345", "" },
		{ "tcp/22", "1234567890123456",
			"interface: \"1234567890123456\" is not the name of an interface" },
		{ "tcp/22", "a/b", "interface: \"a/b\" is not the name of an interface" },
		{ "tcp/22", "..", "interface: \"..\" is not the name of an interface" },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[1024];
		snprintf(text, sizeof(text),
			"server { id = /s.id directory = /dir } "
			"door wan { interface = %s spa { } } "
			"service ssh { port = %s allow = {\"*\"} }",
			cases[i].interface, cases[i].port);
		compare(cases[i].want, text, cases[i].want);
	}
}

static void test_socket_length(void **state)
{
	(void)state;
	char path[128], text[1024];
	for (size_t len = 107; len <= 108; len++) {
		memset(path, 'a', len);
		path[0] = '/';
		path[len] = '\0';
		snprintf(text, sizeof(text),
			"server { id = /s.id directory = /dir control = %s } " DOOR SERVICE, path);
		compare(path, text, len == 107 ? "" : "control: the path is longer than 107 bytes");
	}
}

/* A default outside its own bounds would be found by the first user. */
static void test_defaults(void **state)
{
	(void)state;
	for (int b = CONFIG_BLOCK_ROOT; b < CONFIG_BLOCK_COUNT; b++) {
		const struct config_block_def *def = config_block_def((enum config_block)b);
		for (size_t i = 0; i < def->keyword_count; i++) {
			char why[CONFIG_WHY_MAX];
			const struct config_keyword *k = &def->keywords[i];
			TEST_CASE(k->name, k->initial == NULL || !k->is_required);
			TEST_CASE(k->name, k->manual != NULL && k->manual[0] != '\0');
			if (k->initial != NULL)
				TEST_CASE(
					k->name, config_value_set(k, k->initial, NULL, NULL, why));
			TEST_CASE(k->name, config_keyword_find((enum config_block)b, k->name) == k);
		}
	}
}

static void test_manual(void **state)
{
	(void)state;
	char *text = config_format_manual();
	assert_non_null(text);
	size_t items = 0;
	for (const char *p = text; (p = strstr(p, ".It Ic ")) != NULL; p++)
		items++;
	size_t keywords = 0;
	for (int b = CONFIG_BLOCK_ROOT; b < CONFIG_BLOCK_COUNT; b++)
		keywords += config_block_def((enum config_block)b)->keyword_count;
	assert_int_equal(items, keywords);
	assert_non_null(strstr(text,
		".It Ic window\nHow far the clock of a knock may be from ours.\n"
		"From 5s to 5m.\nDefault:\n.Cm 30s .\n"));
	assert_non_null(strstr(text, "One of\n.Cm off ,\n.Cm listed ,\n.Cm all .\n"));

	uint8_t *page = NULL;
	size_t len = 0;
	struct fault f;
	assert_int_equal(file_read(TEST_VECTORS "/../../doc/man/postern.conf.5", FILE_ANY, 1 << 20,
				 &page, &len, &f),
		0);
	assert_non_null(strstr((const char *)page, text));
	free(page);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_required_values),
		cmocka_unit_test(test_socket_length),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_manual),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
