/* Which ports are closed: the kernel's lists as text, in pieces, and the lists of a namespace of our own. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/closed.h"
#include "test.h"

#define HEAD                                                                                          \
	"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout " \
	"inode                                                     \n"
#define REST " 00000000:00000000 00:00000000 00000000     0        0 1000 1 0 100 0 0 10 0\n"
#define NONE4 "00000000:0000"
#define NONE6 "00000000000000000000000000000000:0000"

/* An address as this machine's kernel prints it. */
static const char *as_printed(const char *address, char to[33])
{
	uint32_t words[4];
	int n = strchr(address, ':') != NULL ? 4 : 1;

	assert_int_equal(inet_pton(n == 4 ? AF_INET6 : AF_INET, address, words), 1);
	for (int i = 0; i < n; i++)
		snprintf(to + 8 * i, 9, "%08X", words[i]);
	return to;
}

static bool is_set(const uint8_t *map, uint16_t port)
{
	return (map[port / 8] >> port % 8 & 1) != 0;
}

static size_t count(const uint8_t *map)
{
	size_t n = 0;
	for (unsigned p = 0; p <= UINT16_MAX; p++)
		n += is_set(map, (uint16_t)p);
	return n;
}

static void lines(void **state)
{
	static const struct {
		const char *name, *address, *peer, *state;
		uint8_t proto;
		bool is_open, is_over;
	} cases[] = {
		{ "any", "0.0.0.0", NONE4, "0A", IPPROTO_TCP, true, false },
		{ "one address", "198.51.100.2", NONE4, "0A", IPPROTO_TCP, true, false },
		{ "loopback", "127.0.0.1", NONE4, "0A", IPPROTO_TCP, false, false },
		{ "another loopback", "127.0.0.53", NONE4, "0A", IPPROTO_TCP, false, false },
		{ "any of 6", "::", NONE6, "0A", IPPROTO_TCP, true, false },
		{ "loopback of 6", "::1", NONE6, "0A", IPPROTO_TCP, false, false },
		{ "mapped", "::ffff:198.51.100.2", NONE6, "0A", IPPROTO_TCP, true, false },
		{ "mapped loopback", "::ffff:127.0.0.1", NONE6, "0A", IPPROTO_TCP, false, false },
		{ "established", "198.51.100.2", "077100CB:9C41", "01", IPPROTO_TCP, false, true },
		{ "udp", "0.0.0.0", NONE4, "07", IPPROTO_UDP, true, false },
		{ "udp with a peer", "198.51.100.2", "077100CB:0035", "01", IPPROTO_UDP, false,
			false },
		{ "udp on loopback", "127.0.0.1", NONE4, "07", IPPROTO_UDP, false, false },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t map[CLOSED_MAP_LEN] = { 0 };
		char text[1024], address[33];
		bool is_over = false;
		int len = snprintf(text, sizeof(text), HEAD " 1234: %s:1B58 %s %s" REST,
			as_printed(cases[i].address, address), cases[i].peer, cases[i].state);
		size_t used =
			closed_parse(span_of(text, (size_t)len), cases[i].proto, map, &is_over);
		TEST_CASE(cases[i].name, is_set(map, 7000) == cases[i].is_open);
		TEST_CASE(cases[i].name, count(map) == cases[i].is_open);
		TEST_CASE(cases[i].name, is_over == cases[i].is_over && used == (size_t)len);
	}
}

/* Wherever a chunk ends, the line that it ends in is left for the next. */
static void pieces(void **state)
{
	static const char text[] =
		HEAD "   0: 00000000:0016 " NONE4 " 0A" REST "   1: 00000000:0050 " NONE4 " 0A" REST
		     "   2: 00000000:FFFF " NONE4 " 0A" REST;

	(void)state;
	for (size_t cut = 0; cut < sizeof(text); cut++) {
		uint8_t map[CLOSED_MAP_LEN] = { 0 };
		bool is_over = false;
		size_t used = closed_parse(span_of(text, cut), IPPROTO_TCP, map, &is_over);
		assert_true(used <= cut);
		closed_parse(
			span_of(text + used, sizeof(text) - 1 - used), IPPROTO_TCP, map, &is_over);
		assert_int_equal(count(map), 3);
		assert_true(is_set(map, 22) && is_set(map, 80) && is_set(map, 65535));
	}
}

/* What is no line of the list marks nothing. */
static void odd_lines(void **state)
{
	static const char *const texts[] = {
		"", "\n", "   \n", "0:\n", "0: \n", "0: 00000000\n", "0: 00000000:\n",
		"0: 00000000:001\n", "0: 00000000:0016\n", "0: 00000000:0016 " NONE4 "\n",
		"0: 00000000:0016 " NONE4 " \n", "0: 00000000:0016 " NONE4 " x\n",
		"0: 000000000:0016 " NONE4 " 0A" REST, "0: 0000000g:0016 " NONE4 " 0A" REST,
		"0: 00000000:00g6 " NONE4 " 0A" REST, "0: 00000000:0016 " NONE4 " 0A", /* no end */
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(texts); i++) {
		uint8_t map[CLOSED_MAP_LEN] = { 0 };
		bool is_over = false;
		closed_parse(span_of(texts[i], strlen(texts[i])), IPPROTO_TCP, map, &is_over);
		if (count(map) != 0 || is_over)
			fail_msg("case %zu", i);
	}
}

static int listen_on(int family, int type, const char *address, uint16_t port)
{
	struct addr a;
	struct sockaddr_storage ss;

	assert_true(addr_parse(address, &a));
	int fd = socket(family, type | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	if (family == AF_INET6) {
		struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
		assert_int_equal(bind(fd, (struct sockaddr *)&six, sizeof(six)), 0);
	} else {
		socklen_t len = addr_to_sockaddr(&a, port, &ss);
		assert_int_equal(bind(fd, (struct sockaddr *)&ss, len), 0);
	}
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 8), 0);
	return fd;
}

/* The lists of the kernel, read again through the same descriptors. */
static void of_this_kernel(void **state)
{
	struct config config = {
		.service_count = 2,
		.services = {
			{ .proto = IPPROTO_TCP, .port = 22 },
			{ .proto = IPPROTO_UDP, .port = 6000, .port_last = 6002 },
		},
	};
	struct closed *c = NULL;
	struct fault f = { "" };

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
		skip();
	assert_int_equal(closed_new(&config, &c, &f), 0);
	assert_string_equal(f.text, "");
	assert_true(closed_has(c, IPPROTO_TCP, 80) && closed_has(c, IPPROTO_UDP, 53));
	/* Ports that programs get by themselves. */
	assert_false(closed_has(c, IPPROTO_UDP, 40000));
	assert_true(closed_has(c, IPPROTO_TCP, 40000));
	int fds[] = {
		listen_on(AF_INET, SOCK_STREAM, "0.0.0.0", 80),
		listen_on(AF_INET6, SOCK_STREAM, "::", 443),
		listen_on(AF_INET, SOCK_STREAM, "127.0.0.1", 25),
		listen_on(AF_INET, SOCK_STREAM, "0.0.0.0", 22),
		listen_on(AF_INET, SOCK_DGRAM, "0.0.0.0", 53),
		listen_on(AF_INET6, SOCK_DGRAM, "::", 123),
		listen_on(AF_INET, SOCK_DGRAM, "0.0.0.0", 6002),
	};
	assert_true(closed_has(c, IPPROTO_TCP, 80));
	closed_refresh(c);
	static const struct {
		uint8_t proto;
		uint16_t port;
		bool is_closed;
	} cases[] = {
		{ IPPROTO_TCP, 80, false },
		{ IPPROTO_TCP, 443, false },
		{ IPPROTO_TCP, 25, true },
		{ IPPROTO_TCP, 22, true }, /* guarded */
		{ IPPROTO_TCP, 53, true },
		{ IPPROTO_UDP, 53, false },
		{ IPPROTO_UDP, 123, false },
		{ IPPROTO_UDP, 80, true },
		{ IPPROTO_UDP, 6002, true },
		{ IPPROTO_TCP, 0, true },
		{ IPPROTO_TCP, 65535, true },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		if (closed_has(c, cases[i].proto, cases[i].port) != cases[i].is_closed)
			fail_msg("protocol %u port %u", cases[i].proto, cases[i].port);
	for (size_t i = 0; i < TEST_LEN(fds); i++)
		close(fds[i]);
	closed_refresh(c);
	assert_true(closed_has(c, IPPROTO_TCP, 80) && closed_has(c, IPPROTO_UDP, 53));
	closed_free(c);
}

/* More sockets than one chunk holds. */
static void many(void **state)
{
	enum { FIRST = 2000, N = 600 };
	static int fds[N];
	struct config config = { 0 };
	struct closed *c = NULL;
	struct fault f = { "" };

	(void)state;
	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
		skip();
	for (int i = 0; i < N; i++)
		fds[i] = listen_on(AF_INET, SOCK_STREAM, "0.0.0.0", (uint16_t)(FIRST + i));
	assert_int_equal(closed_new(&config, &c, &f), 0);
	for (unsigned p = FIRST - 10; p < FIRST + N + 10; p++)
		assert_true(
			closed_has(c, IPPROTO_TCP, (uint16_t)p) == (p < FIRST || p >= FIRST + N));
	closed_free(c);
	for (int i = 0; i < N; i++)
		close(fds[i]);
}

static void nobody_asks(void **state)
{
	(void)state;
	closed_refresh(NULL);
	closed_free(NULL);
	assert_true(closed_has(NULL, IPPROTO_TCP, 80));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines),
		cmocka_unit_test(pieces),
		cmocka_unit_test(odd_lines),
		cmocka_unit_test(of_this_kernel),
		cmocka_unit_test(many),
		cmocka_unit_test(nobody_asks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
