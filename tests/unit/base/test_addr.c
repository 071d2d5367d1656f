/* Addresses and prefixes: text both ways, containment, socket addresses. */

#include <netinet/in.h>

#include "base/addr.h"
#include "test.h"

static void addresses(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* NULL: refused */
	} cases[] = {
		{ "10.0.0.1", "10.0.0.1" },
		{ "0.0.0.0", "0.0.0.0" },
		{ "255.255.255.255", "255.255.255.255" },
		{ "2001:DB8::0:1", "2001:db8::1" },
		{ "::", "::" },
		{ "::1", "::1" },
		{ "::ffff:192.0.2.1", "192.0.2.1" },
		{ "::ffff:c000:201", "192.0.2.1" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" },
		{ "", NULL },
		{ "10.0.0", NULL },
		{ "10.0.0.256", NULL },
		{ "10.0.0.1 ", NULL },
		{ " 10.0.0.1", NULL },
		{ "010.0.0.1x", NULL },
		{ "10.0.0.1/32", NULL },
		{ "::1%lo", NULL },
		{ "[::1]", NULL },
		{ "localhost", NULL },
		{ "1", NULL },
		{ "0x7f.1", NULL },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct addr a, before;
		char text[ADDR_TEXT_MAX];
		memset(&a, 0x5a, sizeof(a));
		before = a;
		bool ok = addr_parse(cases[i].text, &a);
		TEST_CASE(cases[i].text, ok == (cases[i].want != NULL));
		if (ok)
			assert_string_equal(addr_format(&a, text), cases[i].want);
		else
			assert_memory_equal(&a, &before, sizeof(a));
	}
}

static void forms(void **state)
{
	static const uint8_t v4[4] = { 192, 0, 2, 1 };
	static const uint8_t v6[16] = { 0x20, 1, [15] = 1 };
	static const uint8_t mapped[16] = { [10] = 0xff, 0xff, 192, 0, 2, 1 };
	static const uint8_t zero[16] = { 0 };
	struct addr a = addr_v4(v4), b = addr_v6(v6), c = addr_v6(mapped), z = addr_v6(zero);

	(void)state;
	assert_true(addr_is_v4(&a));
	assert_false(addr_is_v4(&b));
	assert_false(addr_is_v4(&z));
	assert_true(addr_equal(&a, &c));
	assert_false(addr_equal(&a, &b));
	assert_true(addr_is_zero(&z));
	assert_false(addr_is_zero(&a));
}

static void prefixes(void **state)
{
	static const struct {
		const char *text;
		const char *want; /* NULL: refused */
		unsigned bits;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0/8", 104 },
		{ "0.0.0.0/0", "0.0.0.0/0", 96 },
		{ "192.0.2.1", "192.0.2.1/32", 128 },
		{ "192.0.2.128/25", "192.0.2.128/25", 121 },
		{ "2001:db8::/32", "2001:db8::/32", 32 },
		{ "2001:db8::1", "2001:db8::1/128", 128 },
		{ "::/0", "::/0", 0 },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8", 104 },
		{ "8000::/1", "8000::/1", 1 },
		{ "10.0.0.1/8", NULL, 0 },
		{ "192.0.2.129/25", NULL, 0 },
		{ "2001:db8::1/64", NULL, 0 },
		{ "10.0.0.0/33", NULL, 0 },
		{ "::/129", NULL, 0 },
		{ "10.0.0.0/", NULL, 0 },
		{ "10.0.0.0/ 8", NULL, 0 },
		{ "10.0.0.0/+8", NULL, 0 },
		{ "10.0.0.0/-1", NULL, 0 },
		{ "10.0.0.0/8x", NULL, 0 },
		{ "10.0.0.0/8/8", NULL, 0 },
		{ "10.0.0.0/18446744073709551624", NULL, 0 },
		{ "10.0.0.0/255.0.0.0", NULL, 0 },
		{ "/8", NULL, 0 },
		{ "", NULL, 0 },
		{ "10/8", NULL, 0 },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/8", NULL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct prefix p = { .bits = 77 };
		char text[PREFIX_TEXT_MAX];
		bool ok = prefix_parse(cases[i].text, &p);
		TEST_CASE(cases[i].text, ok == (cases[i].want != NULL));
		TEST_CASE(cases[i].text, p.bits == (ok ? cases[i].bits : 77));
		if (ok)
			assert_string_equal(prefix_format(&p, text), cases[i].want);
	}
}

static void containment(void **state)
{
	static const struct {
		const char *prefix, *addr;
		bool want;
	} cases[] = {
		{ "10.0.0.0/8", "10.255.255.255", true },
		{ "10.0.0.0/8", "11.0.0.0", false },
		{ "10.0.0.0/8", "::a00:1", false },
		{ "192.0.2.128/25", "192.0.2.128", true },
		{ "192.0.2.128/25", "192.0.2.127", false },
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.0", false },
		{ "0.0.0.0/0", "203.0.113.1", true },
		{ "0.0.0.0/0", "2001:db8::1", false },
		{ "::/0", "2001:db8::1", true },
		{ "2001:db8::/33", "2001:db8:7fff::1", true },
		{ "2001:db8::/33", "2001:db8:8000::1", false },
		{ "2001:db8::1", "2001:db8::2", false },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct prefix p;
		struct addr a;
		assert_true(prefix_parse(cases[i].prefix, &p));
		assert_true(addr_parse(cases[i].addr, &a));
		TEST_CASE(cases[i].addr, prefix_contains(&p, &a) == cases[i].want);
	}
}

static void sockets(void **state)
{
	static const char *const texts[] = { "192.0.2.1", "2001:db8::1" };

	(void)state;
	for (size_t i = 0; i < TEST_LEN(texts); i++) {
		struct sockaddr_storage ss;
		struct addr a, back;
		uint16_t port = 0;
		assert_true(addr_parse(texts[i], &a));
		socklen_t len = addr_to_sockaddr(&a, 62201, &ss);
		assert_int_equal(
			len, i == 0 ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(ss.ss_family, i == 0 ? AF_INET : AF_INET6);
		assert_true(addr_from_sockaddr(&ss, &back, &port));
		assert_true(addr_equal(&a, &back));
		assert_int_equal(port, 62201);
	}
	struct sockaddr_storage local = { .ss_family = AF_UNIX };
	struct addr a = { { 1 } };
	uint16_t port = 5;
	assert_false(addr_from_sockaddr(&local, &a, &port));
	assert_int_equal(port, 5);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(forms),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(containment),
		cmocka_unit_test(sockets),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
