/* Which interface has the default route, from the kernel's own tables. */

#include "cmd/interface.h"
#include "test.h"

#define HEAD "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
#define ZERO "00000000000000000000000000000000"
#define LOCAL "fe800000000000000000000000000001"

static const struct {
	const char *name, *text, *expected; /* NULL: none */
} v4[] = {
	{ "one default",
		HEAD "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
		     "eth0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n",
		"eth0" },
	{ "smaller metric wins",
		HEAD "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
		     "enp3s0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n",
		"enp3s0" },
	{ "half of everything is no default",
		HEAD "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n", NULL },
	{ "a route that rejects",
		HEAD "eth0\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n", NULL },
	{ "a route that is down",
		HEAD "eth0\t00000000\t010011AC\t0002\t0\t0\t0\t00000000\t0\t0\t0\n", NULL },
	{ "only a head", HEAD, NULL },
	{ "nothing", "", NULL },
	{ "cut line", HEAD "eth0\t00000000\t0100", NULL },
	{ "no line end",
		HEAD "eth0\t00000000\t010011AC\t0003\t0\t0\t0\t00000000\t0\t0\t0", "eth0" },
}, v6[] = {
	{ "one default",
		ZERO " 00 " ZERO " 00 " LOCAL " 00000400 00000001 00000000 00450003     eth1\n",
		"eth1" },
	{ "the reject entry of every table",
		ZERO " 00 " ZERO " 00 " ZERO " ffffffff 00000001 00000000 00200200       lo\n",
		NULL },
	{ "longer prefix", ZERO " 40 " ZERO " 00 " LOCAL " 00000400 00000001 00000000 00450003 eth1\n",
		NULL },
	{ "smaller metric wins",
		ZERO " 00 " ZERO " 00 " LOCAL " 00000400 00000001 00000000 00450003 eth1\n" ZERO
		     " 00 " ZERO " 00 " LOCAL " 00000064 00000001 00000000 00450003 eth2\n",
		"eth2" },
};

static void routes(void **state)
{
	char to[IF_NAMESIZE];
	(void)state;
	for (size_t i = 0; i < TEST_LEN(v4); i++) {
		struct span text = span_of(v4[i].text, strlen(v4[i].text));
		TEST_CASE(v4[i].name, interface_from_route(text, to) == (v4[i].expected != NULL));
		TEST_CASE(v4[i].name, v4[i].expected == NULL || strcmp(to, v4[i].expected) == 0);
	}
	for (size_t i = 0; i < TEST_LEN(v6); i++) {
		struct span text = span_of(v6[i].text, strlen(v6[i].text));
		TEST_CASE(v6[i].name,
			interface_from_ipv6_route(text, to) == (v6[i].expected != NULL));
		TEST_CASE(v6[i].name, v6[i].expected == NULL || strcmp(to, v6[i].expected) == 0);
	}
}

static void names(void **state)
{
	static const char *const good[] = { "eth0", "enp0s31f6", "br-lan", "wg0.7", "a" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\"b", "a\\b", "eth0:1",
		"sixteen-bytes-xx", "tab\t" };
	(void)state;
	for (size_t i = 0; i < TEST_LEN(good); i++)
		TEST_CASE(good[i], interface_name_is_good(good[i]));
	for (size_t i = 0; i < TEST_LEN(bad); i++)
		TEST_CASE(bad[i], !interface_name_is_good(bad[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
