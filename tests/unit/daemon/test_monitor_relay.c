/* Addresses of inner hosts: those that were asked for by one configuration are nothing to another. */

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/monitor_internal.h"
#include "daemon/resolve.h"
#include "people.h"

#define HEAD                                                                                       \
	"server { id = /s relay-id = /r directory = /d allow = {\"*\"} }\n"                        \
	"door wan { interface = e spa { } }\n"
#define ONE "passthru one { listen = tcp/1001 to = \"a.inner:1\" allow = {\"*\"} }\n"
#define TWO "passthru two { listen = tcp/1002 to = \"b.inner:2\" allow = {\"*\"} }\n"

/* What a resolver that knows the address of the first host says. */
static void say(struct monitor *m, int *ret_fd)
{
	struct resolve_answer a = { .index = 0, .count = 1 };
	uint8_t data[RESOLVE_ANSWER_MAX];
	int ends[2];
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	assert_true(addr_parse("10.0.0.8", &a.addrs[0]));
	size_t len = resolve_encode(&a, data);
	assert_int_equal(send(ends[1], data, len, 0), (ssize_t)len);
	m->relay.resolver = (struct child){ .pid = 0, .fd = ends[0] };
	*ret_fd = ends[1];
}

static void test_of_another(void **state)
{
	struct boot one = people_boot(HEAD ONE TWO, ""), other = people_boot(HEAD TWO ONE, "");
	static struct monitor m;
	int fd;
	(void)state;
	m.boot = &one;
	m.relay.asked = &one;
	say(&m, &fd);
	monitor_relay_resolved(&m);
	assert_int_equal(m.relay.host_count, 1);
	assert_string_equal(m.relay.hosts[0].host, "a.inner");
	assert_true(m.relay.resolver.fd >= 0);
	monitor_child_forget(&m.relay.resolver);
	close(fd);

	/* Rolled back meanwhile: its first host is another, and has not this address. */
	say(&m, &fd);
	m.boot = &other;
	monitor_relay_resolved(&m);
	assert_int_equal(m.relay.host_count, 1);
	assert_int_equal(m.relay.resolver.fd, -1);
	close(fd);
	people_free(&one);
	people_free(&other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_of_another),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
