/* Ports of passthrus: bound before, listened on after, kept over reloads. In a network namespace of its own. */

#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/monitor_internal.h"
#include "people.h"

#define HEAD                                                                                       \
	"server { id = /s relay-id = /r directory = /d allow = {\"*\"} }\n"                        \
	"door wan { interface = e spa { } }\n"
#define ONE "passthru one { listen = tcp/1001 to = \"10.0.0.8:1\" allow = {\"*\"} }\n"
#define TWO "passthru two { listen = tcp/1002 to = \"10.0.0.8:2\" allow = {\"*\"} }\n"

static bool is_listening(int fd)
{
	int on = 0;
	socklen_t len = sizeof(on);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &on, &len), 0);
	return on != 0;
}

static void test_listen(void **state)
{
	struct boot both = people_boot(HEAD ONE TWO, ""), one = people_boot(HEAD ONE, "");
	static struct monitor m;
	struct fault f;
	(void)state;
	m.boot = &one;
	assert_int_equal(monitor_listen_bind(&m, one.config, &f), 0);
	assert_int_equal(m.relay.listener_count, 1);
	int fd = m.relay.listeners[0].fd;
	assert_false(is_listening(fd));
	assert_int_equal(monitor_listen_on(&m, &one.config->passthrus[0]), fd);
	assert_true(is_listening(fd));

	/* Another configuration that is not taken up leaves nothing behind. */
	assert_int_equal(monitor_listen_bind(&m, both.config, &f), 0);
	assert_int_equal(m.relay.listener_count, 2);
	monitor_listen_trim(&m);
	assert_int_equal(m.relay.listener_count, 1);
	assert_int_equal(m.relay.listeners[0].fd, fd);

	/* One that is keeps the socket of the port that stays. */
	assert_int_equal(monitor_listen_bind(&m, both.config, &f), 0);
	m.boot = &both;
	monitor_listen_trim(&m);
	assert_int_equal(m.relay.listener_count, 2);
	assert_int_equal(monitor_listen_on(&m, &both.config->passthrus[0]), fd);
	assert_int_not_equal(monitor_listen_on(&m, &both.config->passthrus[1]), fd);
	monitor_listen_end(&m);
	assert_int_equal(m.relay.listener_count, 0);
	people_free(&both);
	people_free(&one);
}

static void test_taken(void **state)
{
	struct boot both = people_boot(HEAD ONE TWO, "");
	static struct monitor m;
	struct fault f;
	const struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(1002) };
	(void)state;
	int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(other, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(other, 1), 0);
	assert_int_equal(monitor_listen_bind(&m, both.config, &f), -EADDRINUSE);
	assert_string_equal(f.text,
		"t.conf:4: passthru two: cannot listen on tcp port 1002: Address already in use; "
		"stop what has it, or choose another port");
	assert_int_equal(monitor_listen_on(&m, &both.config->passthrus[1]), -1);
	close(other);
	monitor_listen_end(&m);
	people_free(&both);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_taken),
	};
	if (unshare(CLONE_NEWNET) < 0)
		return 77; /* skipped: only root may */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
