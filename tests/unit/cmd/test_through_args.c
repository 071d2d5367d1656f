/* Edges and tunnels as people write them. */

#include "cmd/through_args.h"
#include "test.h"

#define LONG_63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG_253                                                                                   \
	LONG_63 "." LONG_63 "." LONG_63 "."                                                        \
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *text;
	size_t count; /* 0: refused */
	const char *hosts[THROUGH_MAX];
	uint16_t ports[THROUGH_MAX];
	const char *words; /* of the refusal */
} paths[] = {
	{ "edge", 1, { "edge" }, { 0 }, NULL },
	{ "edge:1352", 1, { "edge" }, { 1352 }, NULL },
	{ "edge.example.org:65535", 1, { "edge.example.org" }, { 65535 }, NULL },
	{ "192.0.2.1", 1, { "192.0.2.1" }, { 0 }, NULL },
	{ "192.0.2.1:22", 1, { "192.0.2.1" }, { 22 }, NULL },
	{ "2001:db8::1", 1, { "2001:db8::1" }, { 0 }, NULL },
	{ "[2001:db8::1]", 1, { "2001:db8::1" }, { 0 }, NULL },
	{ "[2001:db8::1]:22", 1, { "2001:db8::1" }, { 22 }, NULL },
	{ "a,b:2,[::1]:3,d", 4, { "a", "b", "::1", "d" }, { 0, 2, 3, 0 }, NULL },
	{ LONG_253 ":1", 1, { LONG_253 }, { 1 }, NULL },
	{ "", 0, { NULL }, { 0 }, "not an edge" },
	{ ",", 0, { NULL }, { 0 }, "not an edge" },
	{ "a,", 0, { NULL }, { 0 }, "not an edge" },
	{ ",a", 0, { NULL }, { 0 }, "not an edge" },
	{ "a b", 0, { NULL }, { 0 }, "not an edge" },
	{ ":22", 0, { NULL }, { 0 }, "not an edge" },
	{ "a:1:2", 0, { NULL }, { 0 }, "not an edge" },
	{ "[::1", 0, { NULL }, { 0 }, "not an edge" },
	{ "[::1]22", 0, { NULL }, { 0 }, "not an edge" },
	{ "[]:22", 0, { NULL }, { 0 }, "not an edge" },
	{ "fe80::1%eth0", 0, { NULL }, { 0 }, "not an edge" },
	{ LONG_253 "a", 0, { NULL }, { 0 }, "not an edge" },
	{ "a:", 0, { NULL }, { 0 }, "not a port" },
	{ "a:0", 0, { NULL }, { 0 }, "not a port" },
	{ "a:65536", 0, { NULL }, { 0 }, "not a port" },
	{ "a:ssh", 0, { NULL }, { 0 }, "not a port" },
	{ "a,b,c,d,e", 0, { NULL }, { 0 }, "more than 4 edges" },
};

static void test_paths(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(paths); i++) {
		struct through_path p = { 0 };
		struct fault f = { "" };
		bool is_good = through_parse_path(paths[i].text, &p, &f);
		TEST_CASE(paths[i].text, is_good == (paths[i].count != 0));
		TEST_CASE(paths[i].text, p.count == paths[i].count);
		TEST_CASE(paths[i].text, is_good || strstr(f.text, paths[i].words) != NULL);
		for (size_t k = 0; k < p.count; k++) {
			TEST_CASE(paths[i].text, strcmp(p.edges[k].host, paths[i].hosts[k]) == 0);
			TEST_CASE(paths[i].text, p.edges[k].port == paths[i].ports[k]);
		}
	}
}

static const struct {
	const char *text;
	struct through_tunnel want;
	const char *words;
} tunnels[] = {
	{ "1352:mail.inner:1352", { "localhost", 1352, "mail.inner", 1352 }, NULL },
	{ "127.0.0.2:1:h:2", { "127.0.0.2", 1, "h", 2 }, NULL },
	{ "*:1:h:2", { "*", 1, "h", 2 }, NULL },
	{ "[::1]:1:h:2", { "::1", 1, "h", 2 }, NULL },
	{ "1:[2001:db8::8]:2", { "localhost", 1, "2001:db8::8", 2 }, NULL },
	{ "[::]:65535:[2001:db8::8]:2", { "::", 65535, "2001:db8::8", 2 }, NULL },
	{ "", { "", 0, "", 0 }, "not a tunnel" },
	{ "1", { "", 0, "", 0 }, "not a tunnel" },
	{ "1:h", { "", 0, "", 0 }, "not a tunnel" },
	{ "a:1:h:2:3", { "", 0, "", 0 }, "not a tunnel" },
	{ "::1:1:h:2", { "", 0, "", 0 }, "not a tunnel" },
	{ "0:h:2", { "", 0, "", 0 }, "0: not a port" },
	{ "1:h:x", { "", 0, "", 0 }, "x: not a port" },
	{ "h:1:2", { "", 0, "", 0 }, "h: not a port" },
	{ "1::2", { "", 0, "", 0 }, "not a host" },
	{ "1:a b:2", { "", 0, "", 0 }, "not a host" },
	{ "1:*:2", { "", 0, "", 0 }, "not a host" },
	{ ":1:h:2", { "", 0, "", 0 }, "not an address to listen on" },
};

static void test_tunnels(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(tunnels); i++) {
		const struct through_tunnel *want = &tunnels[i].want;
		struct through_tunnel t = { 0 };
		struct fault f = { "" };
		bool is_good = through_parse_tunnel(tunnels[i].text, &t, &f);
		TEST_CASE(tunnels[i].text, is_good == (tunnels[i].words == NULL));
		TEST_CASE(tunnels[i].text, is_good || strstr(f.text, tunnels[i].words) != NULL);
		TEST_CASE(tunnels[i].text, t.listen == want->listen && t.port == want->port);
		TEST_CASE(tunnels[i].text, strcmp(t.bind, want->bind) == 0);
		TEST_CASE(tunnels[i].text, strcmp(t.host, want->host) == 0);
	}
}

/* Whatever the cut, it is read or refused, and what is read may stand in a frame. */
static void test_cut(void **state)
{
	static const char *const texts[] = { "[2001:db8::1]:22,edge.example.org:1352,c",
		"[::1]:1352:[2001:db8::8]:1352" };
	char cut[64];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(texts); i++)
		for (size_t len = 0; len <= strlen(texts[i]); len++) {
			struct through_path p = { 0 };
			struct through_tunnel t = { 0 };
			struct fault f;
			snprintf(cut, sizeof(cut), "%.*s", (int)len, texts[i]);
			if (through_parse_path(cut, &p, &f))
				for (size_t k = 0; k < p.count; k++)
					TEST_CASE(cut, through_is_host(p.edges[k].host));
			if (through_parse_tunnel(cut, &t, &f))
				TEST_CASE(cut, through_is_host(t.host) && t.port != 0);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_tunnels),
		cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
