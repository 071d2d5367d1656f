/* Who would have the relay to himself: clients that cost more than they say, and what waits behind others. */

#include <sched.h>

#include "stage.h"

/* ------------------------------------------------------------------ without a process of its own */

/* Enough of a relay for connections that are made by hand. */
struct bare {
	struct relay relay;
	struct passthru *passthru;
};

static void bare_begin(struct bare *b, const char *addresses[], size_t count, uint16_t port)
{
	memset(b, 0, sizeof(*b));
	assert_int_equal(uv_loop_init(&b->relay.loop), 0);
	assert_int_equal(uv_timer_init(&b->relay.loop, &b->relay.tick), 0);
	assert_int_equal(uv_idle_init(&b->relay.loop, &b->relay.idle), 0);
	b->relay.tick.data = b->relay.idle.data = &b->relay;
	b->relay.now_ms = clock_mono_ms();
	b->passthru = calloc(1, sizeof(*b->passthru));
	assert_non_null(b->passthru);
	b->relay.passthrus = b->passthru;
	b->passthru->relay = &b->relay;
	b->passthru->is_named = true;
	b->passthru->rules = (struct rules){ .name = "notes",
		.host = "mail.inner",
		.port = port,
		.connections_max = 10,
		.name_connections_max = 10,
		.idle_s = 60,
		.addr_count = count };
	for (size_t i = 0; i < count; i++)
		assert_true(addr_parse(addresses[i], &b->passthru->rules.addrs[i]));
}

static struct connection *bare_connection(struct bare *b, int *ret_client)
{
	struct addr source;
	int ends[2];
	assert_true(addr_parse("192.0.2.7", &source));
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	struct connection *c = connection_new(b->passthru, ends[0], &source, 50014);
	assert_non_null(c);
	*ret_client = ends[1];
	return c;
}

static void bare_end(struct bare *b)
{
	uv_close((uv_handle_t *)&b->relay.tick, NULL);
	uv_close((uv_handle_t *)&b->relay.idle, NULL);
	for (struct connection *c = b->relay.first; c != NULL; c = c->next) {
		connection_end(c, "relay-stopped", "", false);
		c->owed = 0;
		c->is_asked = c->is_again = c->is_owing = false;
	}
	uv_run(&b->relay.loop, UV_RUN_DEFAULT);
	while (b->relay.first != NULL)
		connection_settle(b->relay.first);
	assert_int_equal(uv_loop_close(&b->relay.loop), 0);
	buffer_forget();
	free(b->passthru);
}

/* What a knock process is to hear of one does not keep the others, of whom it hears nothing. */
static void test_nothing_owed(void **state)
{
	(void)state;
	struct bare b;
	int fd;
	bare_begin(&b, NULL, 0, 22);
	struct connection *c = bare_connection(&b, &fd);
	c->is_through = true;
	connection_end(c, "closed", "", true);
	close(fd);
	for (int i = 0; i < 20; i++) {
		c = bare_connection(&b, &fd);
		connection_step(c);
		assert_int_equal(c->state, STATE_ASKING);
		connection_end(c, "relay-trouble", "", false);
		close(fd);
		uv_run(&b.relay.loop, UV_RUN_NOWAIT);
		uv_run(&b.relay.loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(b.relay.connections, 1);
	bare_end(&b);
}

/* A new configuration leads elsewhere: who is on the way to the machine behind goes on to the same one. */
static void test_target_changes(void **state)
{
	static const char *addresses[] = { "127.0.0.1", "127.0.0.1" };
	(void)state;
	struct bare b;
	uint16_t port, other;
	int fd, listener = listen_on_loopback(&port), elsewhere = listen_on_loopback(&other);
	bare_begin(&b, addresses, 2, port);
	struct connection *c = bare_connection(&b, &fd);
	inner_begin(c);
	int first = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(first >= 0);
	b.passthru->rules.port = other;
	inner_next(c);
	expect_silence(elsewhere, 50);
	int second = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(second >= 0);
	close(first);
	close(second);
	close(fd);
	close(listener);
	close(elsewhere);
	bare_end(&b);
}

/* ------------------------------------------------------------------ clients */

static bool update_key(struct client *c)
{
	return SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
		SSL_do_handshake(c->ssl) == 1;
}

/* Each costs the relay a new key and carries nothing; the library would take them as long as some are there. */
static void test_key_updates(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	char got[3];
	int inner;
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	for (int i = 0; i < 200; i++) {
		assert_true(update_key(&c));
		client_say(&c, "new", 3);
		inner_hear(inner, "new");
	}
	inner_say(inner, "old");
	client_hear(&c, got, sizeof(got));
	for (int i = 0; i < 20000 && update_key(&c); i++)
		;
	expect_ended(&s, id, "relay-client", &m);
	client_expect_end(&c, 0);
	client_drop(&c);
	close(inner);
	stage_end(&s);
}

/* ------------------------------------------------------------------ the clock */

static int shift_boottime(void)
{
	static const char text[] = "boottime 86400 0\n";
	if (unshare(CLONE_NEWTIME) < 0)
		return -errno;
	int fd = open("/proc/self/timens_offsets", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int rc = write(fd, text, sizeof(text) - 1) < 0 ? -errno : 0;
	close(fd);
	return rc;
}

/* After a machine has slept, its two clocks are apart; who comes then has as long as any other. */
static void test_after_sleep(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		int status = -1;
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFEXITED(status));
		assert_int_equal(WEXITSTATUS(status), 0);
		return;
	}
	/* Where there are no namespaces of time, nothing is seen. */
	if (shift_boottime() < 0)
		_exit(0);
	stage_begin(&s);
	int gone = connect_to(s.port);
	close(gone);
	expect_caught(&s, "relay-handshake", &m);
	struct client c = client_new(&s, &as_raw_bob);
	usleep(600000);
	assert_int_equal(SSL_connect(c.ssl), 1);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, true, UINT64_MAX);
	hear_knock(&s, RELAY_THROUGH, &m);
	client_drop(&c);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
	_exit(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_owed),
		cmocka_unit_test(test_target_changes),
		cmocka_unit_test(test_key_updates),
		cmocka_unit_test(test_after_sleep),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
