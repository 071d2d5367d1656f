/* Who is let through and who is not: the relay process against real TLS clients. */

#include "stage.h"

static void test_granted(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	char got[5] = "";
	stage_begin(&s);
	c = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	assert_string_equal(m.passthru, "notes");
	assert_int_equal(m.chain.len, bob.len + certifier.len);
	assert_memory_equal(m.chain.data, bob.der, bob.len);
	struct addr loopback;
	addr_parse("127.0.0.1", &loopback);
	assert_true(addr_equal(&m.source, &loopback) && m.source_port != 0);
	answer(&s, m.id, true, 90000);
	client_ask(&c, "MAIL.inner", s.inner_port);
	int inner = inner_accept(&s);
	hear_knock(&s, RELAY_THROUGH, &m);
	assert_true(addr_equal(&m.inner_addr, &loopback));
	struct frame f = client_heard(&c);
	assert_int_equal(f.status, FRAME_OK);
	assert_in_range(f.lease_s, 85, 90);
	client_say(&c, "hello", 5);
	inner_hear(inner, "hello");
	inner_say(inner, "world");
	client_hear(&c, got, 5);
	assert_memory_equal(got, "world", 5);
	const struct relay_msg list = { .type = RELAY_LIST };
	tell(s.knock, &list, -1);
	hear_knock(&s, RELAY_LISTED, &m);
	assert_int_equal(m.to_inner, 5);
	assert_int_equal(m.to_client, 5);
	assert_true(addr_equal(&m.inner_addr, &loopback));
	hear_knock(&s, RELAY_LISTED, &m);
	assert_int_equal(m.id, 0);
	/* The edge's own certificate came, with its certifier's. */
	assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(c.ssl)), 2);
	client_drop(&c);
	close(inner);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
}

/* A TLS client of any make: carried from the first byte. */
static void test_raw(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner;
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_raw_bob, &inner, UINT64_MAX);
	client_say(&c, "raw", 3);
	inner_hear(inner, "raw");
	assert_int_equal(SSL_shutdown(c.ssl), 0);
	close(inner);
	expect_ended(&s, id, "closed", &m);
	client_drop(&c);
	stage_end(&s);
}

static void test_plain(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	char byte;
	stage_process(&s);
	s.passthru.encrypt = false;
	stage_start(&s);
	int fd = connect_to(s.port);
	assert_int_equal(send(fd, "early", 5, 0), 5);
	hear_knock(&s, RELAY_ASK, &m);
	assert_int_equal(m.chain.len, 0);
	answer(&s, m.id, true, UINT64_MAX);
	int inner = inner_accept(&s);
	hear_knock(&s, RELAY_THROUGH, &m);
	inner_hear(inner, "early");
	inner_say(inner, "x");
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	shutdown(fd, SHUT_WR);
	assert_int_equal(recv(inner, &byte, 1, 0), 0);
	inner_say(inner, "y");
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	close(inner);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	expect_ended(&s, m.id, "closed", &m);
	assert_int_equal(m.to_inner, 5);
	assert_int_equal(m.to_client, 2);
	close(fd);

	fd = connect_to(s.port);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, false, 0);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	close(fd);
	expect_silence(s.inner, 50);
	stage_end(&s);
}

static void test_denied(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	stage_begin(&s);
	struct client c = client_open(&s, &as_bob);
	client_ask(&c, "", 0);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, false, 0);
	struct frame f = client_heard(&c);
	assert_int_equal(f.status, FRAME_DENIED);
	assert_string_equal(f.text, "");
	client_expect_end(&c, true);
	client_drop(&c);
	/* The knock process refused it and knows. */
	expect_silence(s.knock, 100);
	expect_silence(s.inner, 0);
	stage_end(&s);
}

/* An RSA certificate, or one of another shape: nobody of ours. */
static EVP_PKEY *foreign_key(bool is_rsa)
{
	return is_rsa ? EVP_RSA_gen(2048) : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static X509 *foreign_cert(EVP_PKEY *key, bool is_rsa)
{
	X509 *x = X509_new();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), 0);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)NAME, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	assert_true(X509_sign(x, key, is_rsa ? EVP_sha256() : NULL) > 0);
	return x;
}

static void use_foreign(SSL *ssl, bool is_rsa)
{
	EVP_PKEY *key = foreign_key(is_rsa);
	X509 *x = foreign_cert(key, is_rsa);
	assert_int_equal(SSL_use_certificate(ssl, x), 1);
	assert_int_equal(SSL_use_PrivateKey(ssl, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* With TLS 1.3 a client believes to be done before the server has looked at its certificate. */
static void expect_broken(struct client *c)
{
	char byte;
	if (SSL_connect(c->ssl) == 1)
		assert_true(SSL_read(c->ssl, &byte, 1) <= 0);
}

static void test_unproven(void **state)
{
	enum { NOBODY, OLD, RSA, SHAPE, CERTIFIER };
	static const struct {
		const char *name;
		int how;
		const char *reason, *text;
	} cases[] = {
		{ "no certificate", NOBODY, "relay-certificate", "no Ed25519 certificate came" },
		{ "TLS 1.2", OLD, "relay-handshake", "it does not speak TLS 1.3" },
		{ "RSA", RSA, "relay-certificate", "no Ed25519 certificate came" },
		{ "shape", SHAPE, "relay-certificate", NULL },
		{ "a certifier", CERTIFIER, "relay-certificate",
			"its certificate is a certifier's" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct stage s;
		struct relay_msg m;
		stage_begin(&s);
		struct manner how = { NULL, true, cases[i].how == OLD ? TLS1_2_VERSION : 0 };
		if (cases[i].how == OLD)
			how.person = &bob;
		if (cases[i].how == CERTIFIER)
			how.person = &certifier;
		struct client c = client_new(&s, &how);
		if (cases[i].how == RSA || cases[i].how == SHAPE)
			use_foreign(c.ssl, cases[i].how == RSA);
		expect_broken(&c);
		expect_caught(&s, cases[i].reason, &m);
		if (cases[i].text != NULL)
			TEST_CASE(cases[i].name, strcmp(m.text, cases[i].text) == 0);
		TEST_CASE(cases[i].name, m.count == 1);
		client_drop(&c);
		expect_silence(s.inner, 0);
		stage_end(&s);
	}
}

static void test_no_tls(void **state)
{
	static const struct {
		const char *bytes, *text;
	} cases[] = {
		{ "GET / HTTP/1.1\r\n\r\n", "it speaks HTTP without TLS" },
		{ "SSH-2.0-OpenSSH_9.2\r\n", "it does not speak TLS 1.3" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct stage s;
		struct relay_msg m;
		char got[64];
		stage_begin(&s);
		int fd = connect_to(s.port);
		assert_true(send(fd, cases[i].bytes, strlen(cases[i].bytes), 0) > 0);
		expect_caught(&s, "relay-handshake", &m);
		TEST_CASE(cases[i].text, strcmp(m.text, cases[i].text) == 0);
		while (recv(fd, got, sizeof(got), 0) > 0)
			;
		close(fd);
		stage_end(&s);
	}
}

/* It waits for ten seconds and no longer; and who goes away is told of at once. */
static void test_silent(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	char byte;
	stage_begin(&s);
	int gone = connect_to(s.port);
	close(gone);
	expect_caught(&s, "relay-handshake", &m);
	uint64_t begun = clock_mono_ms();
	int fd = connect_to(s.port);
	assert_int_equal(recv(fd, &byte, 1, 0), 0);
	assert_in_range(clock_mono_ms() - begun, 9000, 15000);
	close(fd);
	stage_end(&s);
}

static void test_limits(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client first, second;
	int inner;
	stage_process(&s);
	s.passthru.name_connections_max = 1;
	stage_start(&s);
	uint32_t id = let_through(&s, &first, &as_bob, &inner, UINT64_MAX);
	second = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	uint32_t over = m.id;
	answer(&s, over, true, UINT64_MAX);
	client_expect(&second, FRAME_BUSY);
	expect_caught(&s, "relay-limit", &m);
	assert_int_equal(m.id, over);
	client_drop(&second);
	/* The first is not disturbed, and when it is over its place is free. */
	client_say(&first, "hi", 2);
	inner_hear(inner, "hi");
	client_drop(&first);
	expect_ended(&s, id, "relay-client", &m);
	close(inner);
	let_through(&s, &first, &as_bob, &inner, UINT64_MAX);
	client_drop(&first);
	close(inner);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
}

/* Sixteen of one address wait to be proved; the others are closed and counted, and who is through goes on. */
static void test_crowd(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client c;
	int inner, fds[200], closed = 0;
	stage_begin(&s);
	let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	for (size_t i = 0; i < TEST_LEN(fds); i++)
		fds[i] = connect_to(s.port);
	expect_caught(&s, "relay-busy", &m);
	assert_int_equal(m.count, 1);
	client_say(&c, "still", 5);
	inner_hear(inner, "still");
	expect_silence(s.knock, 100);
	for (size_t i = 0; i < TEST_LEN(fds); i++) {
		char byte;
		ssize_t n = recv(fds[i], &byte, 1, MSG_DONTWAIT);
		if (n == 0 || (n < 0 && errno == ECONNRESET))
			closed++;
		close(fds[i]);
	}
	assert_int_equal(closed, TEST_LEN(fds) - UNPROVEN_SOURCE_MAX);
	/* Those that went away as well. */
	expect_caught(&s, "relay-handshake", &m);
	client_drop(&c);
	close(inner);
	do
		wait_for(s.knock, POLLIN), hear_knock(&s, RELAY_ENDED, &m);
	while (m.type != RELAY_ENDED);
	stage_end(&s);
}

static void test_destination(void **state)
{
	static const struct {
		const char *host;
		int port; /* added to the right one */
		bool is_good;
	} cases[] = {
		{ "mail.inner", 0, true },
		{ "127.0.0.1", 0, true },
		{ "", 0, true },
		{ "mail.inner", 1, false },
		{ "other.inner", 0, false },
		{ "127.0.0.2", 0, false },
	};
	(void)state;
	struct stage s;
	struct relay_msg m;
	stage_begin(&s);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct client c = client_open(&s, &as_bob);
		hear_knock(&s, RELAY_ASK, &m);
		answer(&s, m.id, true, UINT64_MAX);
		client_ask(&c, cases[i].host, (uint16_t)(s.inner_port + cases[i].port));
		client_expect(&c, cases[i].is_good ? FRAME_OK : FRAME_ELSEWHERE);
		if (cases[i].is_good) {
			close(inner_accept(&s));
			hear_knock(&s, RELAY_THROUGH, &m);
			client_drop(&c);
			hear_knock(&s, RELAY_ENDED, &m);
		} else {
			expect_caught(&s, "relay-destination", &m);
			client_drop(&c);
		}
	}
	stage_end(&s);
}

static void test_no_inner(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	uint16_t port;
	stage_process(&s);
	close(listen_on_loopback(&port));
	s.passthru.port = port;
	stage_start(&s);
	for (int i = 0; i < 2; i++) {
		struct client c = client_open(&s, &as_bob);
		client_ask(&c, "", 0);
		hear_knock(&s, RELAY_ASK, &m);
		uint32_t id = m.id;
		answer(&s, id, true, UINT64_MAX);
		client_expect(&c, FRAME_NO_INNER);
		expect_caught(&s, "relay-inner", &m);
		assert_int_equal(m.id, id);
		assert_non_null(strstr(m.text, i == 0 ? "refused" : "no address"));
		client_drop(&c);
		/* Then its name has no address any more. */
		const struct relay_msg none = { .type = RELAY_TARGET, .passthru = "notes" };
		tell(s.monitor, &none, -1);
		usleep(50000);
	}
	stage_end(&s);
}

/* Addresses are tried in order until one answers. */
static void test_second_address(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client c;
	int inner;
	stage_process(&s);
	s.passthru.addr_count = 2;
	s.passthru.addrs[1] = s.passthru.addrs[0];
	addr_parse("127.0.0.77", &s.passthru.addrs[0]);
	stage_start(&s);
	let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	client_drop(&c);
	close(inner);
	hear_knock(&s, RELAY_ENDED, &m);
	stage_end(&s);
}

static void test_knocks(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	char got[64];
	int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(udp, (struct sockaddr *)&in, len), 0);
	assert_int_equal(getsockname(udp, (struct sockaddr *)&in, &len), 0);
	stage_process(&s);
	s.passthru.knock = ntohs(in.sin_port);
	stage_start(&s);
	struct client c = client_open(&s, &as_bob);
	struct frame f = { .type = FRAME_KNOCK, .datagram = span_of("knock", 5) };
	client_frame(&c, &f);
	hear_knock(&s, RELAY_ASK, &m);
	/* Not before the grant. */
	expect_silence(udp, 100);
	answer(&s, m.id, true, UINT64_MAX);
	wait_for(udp, POLLIN);
	struct sockaddr_in from;
	len = sizeof(from);
	assert_int_equal(recvfrom(udp, got, sizeof(got), 0, (struct sockaddr *)&from, &len), 5);
	assert_memory_equal(got, "knock", 5);
	assert_int_equal(sendto(udp, "reply", 5, 0, (struct sockaddr *)&from, len), 5);
	struct frame back = client_heard(&c);
	assert_int_equal(back.type, FRAME_KNOCKED);
	assert_true(span_equal(back.datagram, span_of("reply", 5)));
	for (int i = 1; i < FRAME_KNOCKS_MAX; i++)
		client_frame(&c, &f);
	client_frame(&c, &f);
	client_expect(&c, FRAME_BUSY);
	expect_caught(&s, "relay-limit", &m);
	client_drop(&c);
	close(udp);
	stage_end(&s);
}

/* What is no frame ends it; nothing reaches the machine behind. */
static void test_no_frame(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	stage_begin(&s);
	struct client c = client_open(&s, &as_bob);
	client_say(&c, "EHLO", 4);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, true, UINT64_MAX);
	client_expect(&c, FRAME_TROUBLE);
	expect_caught(&s, "relay-destination", &m);
	client_drop(&c);
	expect_silence(s.inner, 50);
	stage_end(&s);
}

/* A new knock process is told of everybody; who may no more is cut, and nobody else is. */
static void test_handed_over(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client stays, goes;
	int inner[2];
	stage_begin(&s);
	uint32_t a = let_through(&s, &stays, &as_bob, &inner[0], UINT64_MAX);
	uint32_t b = let_through(&s, &goes, &as_bob, &inner[1], UINT64_MAX);
	struct client waits = client_open(&s, &as_bob);
	client_ask(&waits, "", 0);
	hear_knock(&s, RELAY_ASK, &m);
	uint32_t w = m.id;
	close(s.knock);
	s.knock = -1;
	client_say(&stays, "meanwhile", 9);
	inner_hear(inner[0], "meanwhile");
	stage_channel(&s);
	for (int i = 0; i < 3; i++) {
		wait_for(s.knock, POLLIN);
		int fd;
		assert_int_equal(
			relay_msg_receive(s.knock, RELAY_RELAY, RELAY_KNOCK, s.buffer, &m, &fd), 1);
		assert_true(m.id == a || m.id == b || m.id == w);
		assert_int_equal(m.type, m.id == w ? RELAY_ASK : RELAY_HELD);
		if (m.type == RELAY_HELD) {
			assert_string_equal(m.who.name, NAME);
			assert_int_equal(m.who.grant_id, 77);
		}
	}
	answer(&s, a, true, UINT64_MAX);
	answer(&s, b, false, 0);
	answer(&s, w, false, 0);
	expect_ended(&s, b, "denied", &m);
	client_expect_end(&goes, false);
	client_expect(&waits, FRAME_DENIED);
	client_say(&stays, "after", 5);
	inner_hear(inner[0], "after");
	client_drop(&stays);
	client_drop(&goes);
	client_drop(&waits);
	close(inner[0]);
	close(inner[1]);
	expect_ended(&s, a, "relay-client", &m);
	stage_end(&s);
}

/* What ended while nobody could be told is told to the next one. */
static void test_ended_meanwhile(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client c;
	int inner;
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	client_say(&c, "abc", 3);
	inner_hear(inner, "abc");
	close(s.knock);
	s.knock = -1;
	usleep(50000);
	client_drop(&c);
	close(inner);
	usleep(100000);
	stage_channel(&s);
	hear_knock(&s, RELAY_HELD, &m);
	assert_int_equal(m.id, id);
	expect_ended(&s, id, "relay-client", &m);
	assert_int_equal(m.to_inner, 3);
	/* The same of one that was granted and had not come through. */
	c = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	id = m.id;
	answer(&s, id, true, UINT64_MAX);
	usleep(50000);
	close(s.knock);
	s.knock = -1;
	usleep(50000);
	client_drop(&c);
	usleep(100000);
	stage_channel(&s);
	expect_caught(&s, "relay-destination", &m);
	assert_int_equal(m.id, id);
	stage_end(&s);
}

/* Without a knock process a new connection waits for one, and is let through when it comes. */
static void test_waits_for_judge(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	stage_process(&s);
	assert_int_equal(stage_configure(&s, 10, NULL), 0);
	struct client c = client_open(&s, &as_bob);
	client_ask(&c, "", 0);
	usleep(200000);
	stage_channel(&s);
	hear_knock(&s, RELAY_ASK, &m);
	answer(&s, m.id, true, UINT64_MAX);
	hear_knock(&s, RELAY_THROUGH, &m);
	client_expect(&c, FRAME_OK);
	client_drop(&c);
	hear_knock(&s, RELAY_ENDED, &m);
	/* None comes. */
	close(s.knock);
	s.knock = -1;
	usleep(50000);
	c = client_open(&s, &as_bob);
	client_ask(&c, "", 0);
	client_expect(&c, FRAME_TROUBLE);
	client_drop(&c);
	stage_end(&s);
}

static void test_stop(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m, stop = { .type = RELAY_STOP, .grace_ms = 600 };
	struct client c, d;
	int inner[2];
	stage_begin(&s);
	uint32_t first = let_through(&s, &c, &as_bob, &inner[0], UINT64_MAX);
	uint32_t second = let_through(&s, &d, &as_bob, &inner[1], UINT64_MAX);
	struct client waits = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	tell(s.monitor, &stop, -1);
	client_expect(&waits, FRAME_TROUBLE);
	client_drop(&waits);
	/* What is carried goes on, */
	client_say(&c, "on", 2);
	inner_hear(inner[0], "on");
	close(inner[0]);
	SSL_shutdown(c.ssl);
	expect_ended(&s, first, "closed", &m);
	/* for a while. */
	expect_ended(&s, second, "relay-stopped", &m);
	client_expect_end(&d, false);
	expect_exit(&s, 0);
	client_drop(&c);
	client_drop(&d);
	close(inner[1]);
	close_ends(&s);
}

/* A configuration that cannot be taken up leaves the one before; a new one does not end what is carried. */
static void test_configured_anew(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client c;
	int inner;
	char text[RELAY_TEXT_MAX + 1];
	stage_begin(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	struct person right = edge;
	edge.seed[0] ^= 1;
	assert_true(stage_configure(&s, 10, text) < 0);
	assert_non_null(strstr(text, "key"));
	edge = right;
	client_say(&c, "one", 3);
	inner_hear(inner, "one");
	strcpy(s.passthru.passthru, "other");
	assert_int_equal(stage_configure(&s, 10, text), 0);
	client_say(&c, "two", 3);
	inner_hear(inner, "two");
	struct client next = client_open(&s, &as_bob);
	hear_knock(&s, RELAY_ASK, &m);
	assert_string_equal(m.passthru, "other");
	answer(&s, m.id, false, 0);
	client_expect(&next, FRAME_DENIED);
	client_drop(&next);
	const struct relay_msg cut = {
		.type = RELAY_CUT, .id = id, .reason = "closed-by-admin", .text = "cut"
	};
	tell(s.knock, &cut, -1);
	expect_ended(&s, id, "closed-by-admin", &m);
	client_drop(&c);
	close(inner);
	stage_end(&s);
}

/* What no monitor says ends it; what no knock process says is not listened to. */
static void test_broken_peers(void **state)
{
	(void)state;
	struct stage s;
	struct relay_msg m;
	struct client c;
	int inner;
	stage_begin(&s);
	let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	assert_int_equal(send(s.knock, "nonsense", 8, 0), 8);
	wait_for(s.knock, POLLIN);
	assert_int_equal(recv(s.knock, s.buffer, 10, 0), 0);
	client_say(&c, "on", 2);
	inner_hear(inner, "on");
	m = (struct relay_msg){ .type = RELAY_COMMIT };
	tell(s.monitor, &m, -1);
	expect_exit(&s, 1);
	client_drop(&c);
	close(inner);
	close_ends(&s);
}

/* The same behind the sandbox, as nobody. */
static void test_confined(void **state)
{
	(void)state;
	struct stage s;
	struct client c;
	struct relay_msg m;
	int inner, ends[2];
	if (geteuid() != 0)
		skip();
	stage_process(&s);
	kill(s.relay, SIGKILL);
	waitpid(s.relay, NULL, 0);
	close(s.monitor);
	assert_int_equal(priv_channel(ends), 0);
	s.relay = fork();
	if (s.relay == 0) {
		const struct relayd_start start = {
			.monitor = ends[1], .user = { 65534, 65534 }, .descriptors_max = 256
		};
		close(ends[0]);
		/* A sanitizer's last look at memory needs files. */
		_exit(relayd_run(&start));
	}
	close(ends[1]);
	s.monitor = ends[0];
	stage_start(&s);
	uint32_t id = let_through(&s, &c, &as_bob, &inner, UINT64_MAX);
	client_say(&c, "in", 2);
	inner_hear(inner, "in");
	client_drop(&c);
	expect_ended(&s, id, "relay-client", &m);
	close(inner);
	stage_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_granted),
		cmocka_unit_test(test_raw),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_denied),
		cmocka_unit_test(test_unproven),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_silent),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_crowd),
		cmocka_unit_test(test_destination),
		cmocka_unit_test(test_no_inner),
		cmocka_unit_test(test_second_address),
		cmocka_unit_test(test_knocks),
		cmocka_unit_test(test_no_frame),
		cmocka_unit_test(test_handed_over),
		cmocka_unit_test(test_ended_meanwhile),
		cmocka_unit_test(test_waits_for_judge),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_configured_anew),
		cmocka_unit_test(test_broken_peers),
		cmocka_unit_test(test_confined),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
