/* What is carried: both ways, whole, in order, with back-pressure, and what ends it. */

#include "stage.h"

#define BULK (64u << 20)
#define CHUNK 30000

/* The nth byte of a direction. */
static uint8_t byte_at(size_t n, uint8_t salt)
{
	return (uint8_t)(n * 2654435761u >> 13 ^ salt);
}

static void fill(uint8_t *to, size_t len, size_t from, uint8_t salt)
{
	for (size_t i = 0; i < len; i++)
		to[i] = byte_at(from + i, salt);
}

static size_t check(const uint8_t *got, ssize_t len, size_t from, uint8_t salt)
{
	for (ssize_t i = 0; i < len; i++)
		if (got[i] != byte_at(from + (size_t)i, salt))
			fail_msg("byte %zu is another", from + (size_t)i);
	return len > 0 ? from + (size_t)len : from;
}

static void set_nonblocking(int fd)
{
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

/* One round of each of the four flows, with what can be done without waiting. */
struct flows {
	size_t client_said, client_heard, inner_said, inner_heard, most;
};

static void flow_inner(int fd, struct flows *f)
{
	uint8_t bytes[CHUNK];
	size_t len = f->most - f->inner_said < CHUNK ? f->most - f->inner_said : CHUNK;
	fill(bytes, len, f->inner_said, 7);
	ssize_t n = len > 0 ? send(fd, bytes, len, MSG_NOSIGNAL) : 0;
	if (n > 0)
		f->inner_said += (size_t)n;
	n = recv(fd, bytes, sizeof(bytes), 0);
	f->inner_heard = check(bytes, n, f->inner_heard, 9);
}

static void flow_client(struct client *c, struct flows *f)
{
	uint8_t bytes[CHUNK];
	size_t len = f->most - f->client_said < CHUNK ? f->most - f->client_said : CHUNK;
	fill(bytes, len, f->client_said, 9);
	int n = len > 0 ? SSL_write(c->ssl, bytes, (int)len) : 0;
	if (n > 0)
		f->client_said += (size_t)n;
	n = SSL_read(c->ssl, bytes, sizeof(bytes));
	f->client_heard = check(bytes, n, f->client_heard, 7);
}

static void test_bulk(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	struct flows f = { .most = BULK };
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	set_nonblocking(c.fd);
	set_nonblocking(inner);
	SSL_set_mode(c.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	while (f.client_heard < BULK || f.inner_heard < BULK) {
		struct pollfd p[2] = { { .fd = c.fd, .events = POLLIN },
			{ .fd = inner, .events = POLLIN } };
		p[0].events |= f.client_said < BULK ? POLLOUT : 0;
		p[1].events |= f.inner_said < BULK ? POLLOUT : 0;
		assert_true(poll(p, 2, WAIT_MS) > 0);
		flow_client(&c, &f);
		flow_inner(inner, &f);
	}
	SSL_shutdown(c.ssl);
	close(inner);
	expect_ended(&s, id, "closed", &m);
	assert_int_equal(m.to_inner, BULK);
	assert_int_equal(m.to_client, BULK);
	client_drop(&c);
	stage_end(&s);
}

/* The client is done first: what it said arrives, then the end; the way back stays open. */
static void test_half_closed_by_client(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	char byte;
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	client_say(&c, "last words", 10);
	assert_int_equal(SSL_shutdown(c.ssl), 0);
	inner_hear(inner, "last words");
	assert_int_equal(recv(inner, &byte, 1, 0), 0);
	for (int i = 0; i < 100; i++)
		inner_say(inner, "still here");
	for (int i = 0; i < 1000; i++)
		client_hear(&c, &byte, 1);
	close(inner);
	client_expect_end(&c, true);
	expect_ended(&s, id, "closed", &m);
	assert_int_equal(m.to_client, 1000);
	client_drop(&c);
	stage_end(&s);
}

static void test_half_closed_by_inner(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	char byte, got[10];
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	inner_say(inner, "last words");
	shutdown(inner, SHUT_WR);
	client_hear(&c, got, 10);
	client_expect_end(&c, true);
	client_say(&c, "still here", 10);
	inner_hear(inner, "still here");
	assert_int_equal(SSL_shutdown(c.ssl), 1);
	assert_int_equal(recv(inner, &byte, 1, 0), 0);
	expect_ended(&s, id, "closed", &m);
	close(inner);
	client_drop(&c);
	stage_end(&s);
}

/* A connection that was broken off never looks like one that was ended. */
static void test_reset(void **state)
{
	(void)state;
	const struct linger reset = { 1, 0 };
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	char byte;
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	assert_int_equal(setsockopt(inner, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	close(inner);
	client_expect_end(&c, false);
	expect_ended(&s, id, "relay-inner", &m);
	client_drop(&c);

	id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	/* Its TCP ends without TLS having ended. */
	client_drop(&c);
	assert_int_equal(recv(inner, &byte, 1, 0), -1);
	expect_ended(&s, id, "relay-client", &m);
	close(inner);
	stage_end(&s);
}

static long resident_kb(pid_t pid)
{
	char path[64], line[256];
	long kb = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "VmRSS: %ld", &kb) == 1)
			break;
	fclose(f);
	return kb;
}

/* Processor time of the process, in ticks of which a second has a hundred. */
static unsigned long ticks_of(pid_t pid)
{
	char path[64];
	unsigned long user = 0, system = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*d %*s %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
				 &user, &system),
		2);
	fclose(f);
	return user + system;
}

/* Who does not read stops who writes; the relay holds a bounded part, and the others do not notice. */
static void test_back_pressure(void **state)
{
	(void)state;
	struct stage s;
	struct client slow[8], other;
	struct relay_msg m;
	int inner[8], other_inner;
	static uint8_t bytes[1 << 16];
	stage_begin(&s);
	for (int i = 0; i < 8; i++) {
		let_through(&s, &slow[i], &as_bob, &inner[i], UINT64_MAX);
		set_nonblocking(inner[i]);
	}
	let_through(&s, &other, &as_bob, &other_inner, UINT64_MAX);
	long before = resident_kb(s.relay);
	size_t sent[8] = { 0 };
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 8; i++) {
			ssize_t n;
			while ((n = send(inner[i], bytes, sizeof(bytes), MSG_NOSIGNAL)) > 0 &&
				sent[i] < 100u << 20)
				sent[i] += (size_t)n;
		}
		usleep(1000);
	}
	for (int i = 0; i < 8; i++)
		assert_true(sent[i] > 0 && sent[i] < 100u << 20);
	assert_in_range(resident_kb(s.relay) - before + 1024, 0, 32768);
	client_say(&other, "through", 7);
	inner_hear(other_inner, "through");
	/* It spends no processor on waiting. */
	unsigned long ticks = ticks_of(s.relay);
	usleep(300000);
	assert_in_range(ticks_of(s.relay) - ticks, 0, 5);
	/* All of it comes when they read. */
	for (int i = 0; i < 8; i++) {
		close(inner[i]);
		size_t got = 0;
		int n;
		while ((n = SSL_read(slow[i].ssl, bytes, sizeof(bytes))) > 0)
			got += (size_t)n;
		assert_true(got >= sent[i]);
		client_drop(&slow[i]);
		hear_knock(&s, RELAY_ENDED, &m);
	}
	client_drop(&other);
	close(other_inner);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
}

static void test_lease(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	char byte;
	stage_begin(&s);
	uint64_t begun = clock_mono_ms();
	uint32_t id = let_through(&s, &c, &as_bob, &inner, 1000);
	/* A new knock process that says more does not make it longer. */
	stage_channel(&s);
	hear_knock(&s, RELAY_HELD, &m);
	answer(&s, id, true, 60000);
	expect_ended(&s, id, "relay-lease", &m);
	assert_in_range(clock_mono_ms() - begun, 900, 4000);
	assert_int_equal(recv(inner, &byte, 1, 0), -1);
	client_expect_end(&c, false);
	client_drop(&c);
	close(inner);
	stage_end(&s);
}

static void test_idle(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	stage_process(&s);
	s.passthru.idle_s = 1;
	stage_start(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	for (int i = 0; i < 4; i++) {
		usleep(500000);
		inner_say(inner, "x");
	}
	uint64_t begun = clock_mono_ms();
	expect_ended(&s, id, "relay-idle", &m);
	assert_in_range(clock_mono_ms() - begun, 700, 3000);
	assert_in_range(m.took_ms, 2500, 6000);
	client_drop(&c);
	close(inner);
	stage_end(&s);
}

static void test_cut(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m, cut = { .type = RELAY_CUT, .reason = "locked", .text = "locked out" };
	int inner;
	stage_begin(&s);
	cut.id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	tell(s.knock, &cut, -1);
	expect_ended(&s, cut.id, "locked", &m);
	assert_string_equal(m.text, "locked out");
	client_expect_end(&c, false);
	client_drop(&c);
	close(inner);
	/* Granted, and cut before it said where to. */
	c = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	cut.id = m.id;
	answer(&s, cut.id, true, UINT64_MAX);
	tell(s.knock, &cut, -1);
	client_expect(&c, FRAME_DENIED);
	expect_caught(&s, "locked", &m);
	assert_int_equal(m.id, cut.id);
	client_drop(&c);
	stage_end(&s);
}

static void speaking(struct stage *s, enum config_speaks kind)
{
	stage_process(s);
	s->passthru.speaks = (uint8_t)kind;
	stage_start(s);
}

static void test_fits(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	char got[64];
	speaking(&s, CONFIG_SPEAKS_SSH);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	/* A piece that fits so far waits for the rest. */
	client_say(&c, "SSH-", 4);
	expect_silence(inner, 100);
	client_say(&c, "2.0-OpenSSH_9.2\r\nmore", 21);
	inner_hear(inner, "SSH-2.0-OpenSSH_9.2\r\nmore");
	inner_say(inner, "SSH-2.0-x\r\nall the rest");
	client_hear(&c, got, 23);
	assert_memory_equal(got, "SSH-2.0-x\r\nall the rest", 23);
	SSL_shutdown(c.ssl);
	close(inner);
	expect_ended(&s, id, "closed", &m);
	assert_int_equal(m.to_inner, 25);
	assert_int_equal(m.to_client, 23);
	client_drop(&c);
	stage_end(&s);
}

/* Another protocol, from either side: not a byte of it arrives, and the journal is told which side. */
static void test_misfits(void **state)
{
	static const struct {
		const char *name, *client, *inner, *side;
	} cases[] = {
		{ "HTTP client", "GET / HTTP/1.1\r\n\r\n", NULL, "client" },
		{ "HTTP server", NULL, "HTTP/1.1 200 OK\r\n\r\n" /* once more */ "\r\n", NULL },
		{ "a beginning and no more", "SSH-", NULL, "client" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct stage s;
		struct client c;
		struct relay_msg m;
		int inner;
		char byte;
		speaking(&s, CONFIG_SPEAKS_SSH);
		uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
		if (cases[i].client != NULL) {
			client_say(&c, cases[i].client, strlen(cases[i].client));
			SSL_shutdown(c.ssl);
		} else {
			inner_say(inner, cases[i].inner);
			shutdown(inner, SHUT_WR);
		}
		expect_ended(&s, id, "relay-protocol", &m);
		TEST_CASE(cases[i].name,
			strstr(m.text, cases[i].side != NULL ? cases[i].side : "inner") != NULL);
		TEST_CASE(cases[i].name, m.to_inner == 0 && m.to_client == 0);
		TEST_CASE(cases[i].name, recv(inner, &byte, 1, 0) <= 0);
		client_expect_end(&c, false);
		client_drop(&c);
		close(inner);
		stage_end(&s);
	}
}

/* What came together with the question where to is the connection's beginning, once it was looked at. */
static void test_early_bytes(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	uint8_t bytes[FRAME_LEN_MAX + 32];
	speaking(&s, CONFIG_SPEAKS_SSH);
	c = client_open(&s, &as_bob);
	const struct frame open = { .type = FRAME_OPEN };
	size_t len = frame_encode(&open, bytes);
	memcpy(bytes + len, "SSH-2.0-early\r\n", 15);
	client_say(&c, bytes, len + 15);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, true, UINT64_MAX);
	int inner = inner_accept(&s);
	inner_hear(inner, "SSH-2.0-early\r\n");
	hear_knock(&s, RELAY_THROUGH, &m);
	client_expect(&c, FRAME_OK);
	client_drop(&c);
	close(inner);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
}

/* Many at once, each in its own order; and nothing is kept of them. */
static void test_many(void **state)
{
	(void)state;
	struct stage s;
	struct client c[40];
	struct relay_msg m;
	int inner[40];
	char got[8];
	stage_begin(&s);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 40; i++)
			let_through(&s, &c[i], &as_bob, &inner[i], UINT64_MAX);
		for (int i = 0; i < 40; i++) {
			char text[8];
			snprintf(text, sizeof(text), "no %03d", i);
			client_say(&c[i], text, 6);
			inner_say(inner[i], text);
			inner_hear(inner[i], text);
			client_hear(&c[i], got, 6);
			assert_memory_equal(got, text, 6);
		}
		for (int i = 0; i < 40; i++) {
			SSL_shutdown(c[i].ssl);
			close(inner[i]);
			hear_knock(&s, RELAY_ENDED, &m);
			assert_string_equal(m.reason, "closed");
			client_drop(&c[i]);
		}
	}
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bulk),
		cmocka_unit_test(test_half_closed_by_client),
		cmocka_unit_test(test_half_closed_by_inner),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_back_pressure),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_idle),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_fits),
		cmocka_unit_test(test_misfits),
		cmocka_unit_test(test_early_bytes),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
