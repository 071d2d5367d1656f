#ifndef POSTERN_TEST_RELAY_STAGE_H
#define POSTERN_TEST_RELAY_STAGE_H

/*
 * A relay process on loopback, with a monitor, a knock process and an inner machine that are the test itself.
 * Its loop runs in a child without the sandbox; every wait of the test ends after WAIT_MS with a failure.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "identity/cert.h"
#include "priv/priv.h"
#include "relay/internal.h"
#include "relay/relayd.h"
#include "test.h"

#define WAIT_MS 20000
#define NAME "Bob/VSD"

struct person {
	uint8_t seed[32], pk[32];
	uint8_t der[CERT_LEN_MAX];
	size_t len;
};

struct stage {
	int monitor, knock; /* our ends */
	pid_t relay;
	int listener, inner; /* listening: the relay's port, and the machine behind */
	uint16_t port, inner_port;
	struct relay_msg passthru;
	uint8_t buffer[RELAY_LEN_MAX];
};

static struct person certifier, edge, bob;

static struct name name_of(const char *text, bool is_certifier)
{
	struct name n;
	assert_int_equal(name_parse(text, is_certifier, &n), NAME_OK);
	return n;
}

static void certify(struct person *p, const char *name, enum cert_kind kind,
	const struct person *by, const char *issuer)
{
	struct fault f = { "" };
	uint8_t secret[64];
	if (p != by || sodium_is_zero(p->seed, sizeof(p->seed))) {
		randombytes_buf(p->seed, sizeof(p->seed));
		crypto_sign_seed_keypair(p->pk, secret, p->seed);
	}
	struct cert_order o = { .role = CERT_BELOW,
		.subject = name_of(name, kind == CERT_CERTIFIER),
		.kind = kind,
		.issuer = name_of(issuer, true),
		.not_before_ms = 1000,
		.not_after_ms = UINT64_C(4000000000000),
		.issuer_seed = by->seed };
	memcpy(o.pk, p->pk, sizeof(o.pk));
	memcpy(o.issuer_pk, by->pk, sizeof(o.issuer_pk));
	if (cert_issue(&o, p->der, &p->len, &f) < 0)
		fail_msg("%s", f.text);
}

static void certify_all(void)
{
	if (certifier.len > 0)
		return;
	assert_true(sodium_init() >= 0);
	certify(&certifier, "VSD", CERT_CERTIFIER, &certifier, "VSD");
	certify(&edge, "Edge/VSD", CERT_SERVER, &certifier, "VSD");
	certify(&bob, NAME, CERT_USER, &certifier, "VSD");
}

static int listen_on_loopback(uint16_t *ret_port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(fd, 1024), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	*ret_port = ntohs(in.sin_port);
	return fd;
}

static void wait_for(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	if (poll(&p, 1, WAIT_MS) != 1)
		fail_msg("nothing came");
}

static void tell(int channel, const struct relay_msg *m, int fd)
{
	assert_int_equal(relay_msg_send(channel, m, fd), 0);
}

static void hear(struct stage *s, int channel, enum relay_peer as, enum relay_msg_type want,
	struct relay_msg *ret)
{
	int fd;
	wait_for(channel, POLLIN);
	int rc = relay_msg_receive(channel, RELAY_RELAY, as, s->buffer, ret, &fd);
	if (rc != 1 || ret->type != want)
		fail_msg("not message %d but %d (%d): %s %s", (int)want,
			rc == 1 ? (int)ret->type : 0, rc, rc == 1 ? ret->reason : "",
			rc == 1 ? ret->text : "");
}

static void hear_knock(struct stage *s, enum relay_msg_type want, struct relay_msg *ret)
{
	hear(s, s->knock, RELAY_KNOCK, want, ret);
}

static void expect_silence(int channel, int ms)
{
	struct pollfd p = { .fd = channel, .events = POLLIN };
	assert_int_equal(poll(&p, 1, ms), 0);
}

/* A new knock process. */
static void stage_channel(struct stage *s)
{
	const struct relay_msg m = { .type = RELAY_CHANNEL };
	int ends[2];
	assert_int_equal(priv_channel(ends), 0);
	if (s->knock >= 0)
		close(s->knock);
	s->knock = ends[0];
	tell(s->monitor, &m, ends[1]);
	close(ends[1]);
}

/* The configuration: one passthru, s->passthru. */
static int stage_configure(struct stage *s, uint32_t connections_max, char text[RELAY_TEXT_MAX + 1])
{
	static uint8_t chain[2 * CERT_LEN_MAX];
	struct relay_msg m = { .type = RELAY_BEGIN, .connections_max = connections_max };
	tell(s->monitor, &m, -1);
	memcpy(chain, edge.der, edge.len);
	memcpy(chain + edge.len, certifier.der, certifier.len);
	m = (struct relay_msg){ .type = RELAY_IDENTITY,
		.chain = span_of(chain, edge.len + certifier.len) };
	memcpy(m.seed, edge.seed, sizeof(m.seed));
	tell(s->monitor, &m, -1);
	tell(s->monitor, &s->passthru, s->listener);
	m = (struct relay_msg){ .type = RELAY_COMMIT };
	tell(s->monitor, &m, -1);
	hear(s, s->monitor, RELAY_MONITOR, RELAY_TAKEN, &m);
	if (text != NULL)
		memcpy(text, m.text, sizeof(m.text));
	return m.result;
}

/* Only the process, and what the passthru would be. */
static void stage_process(struct stage *s)
{
	int ends[2];
	certify_all();
	signal(SIGPIPE, SIG_IGN);
	memset(s, 0, sizeof(*s));
	s->knock = -1;
	assert_int_equal(priv_channel(ends), 0);
	s->listener = listen_on_loopback(&s->port);
	s->inner = listen_on_loopback(&s->inner_port);
	s->relay = fork();
	assert_true(s->relay >= 0);
	if (s->relay == 0) {
		close(ends[0]);
		close(s->listener);
		close(s->inner);
		exit(relay_serve(ends[1]));
	}
	close(ends[1]);
	s->monitor = ends[0];
	s->passthru = (struct relay_msg){ .type = RELAY_PASSTHRU,
		.passthru = "notes",
		.host = "mail.inner",
		.port = s->inner_port,
		.encrypt = true,
		.passthru_connections_max = 100,
		.name_connections_max = 50,
		.idle_s = 3600,
		.addr_count = 1 };
	addr_parse("127.0.0.1", &s->passthru.addrs[0]);
}

static void stage_start(struct stage *s)
{
	char text[RELAY_TEXT_MAX + 1];
	if (stage_configure(s, 1000, text) != 0)
		fail_msg("%s", text);
	stage_channel(s);
}

static void stage_begin(struct stage *s)
{
	stage_process(s);
	stage_start(s);
}

static void close_ends(struct stage *s)
{
	close(s->monitor);
	if (s->knock >= 0)
		close(s->knock);
	close(s->listener);
	close(s->inner);
}

static void expect_exit(struct stage *s, int want)
{
	int status = -1;
	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(s->relay, &status, WNOHANG) == s->relay) {
			assert_true(WIFEXITED(status));
			assert_int_equal(WEXITSTATUS(status), want);
			return;
		}
		usleep(10000);
	}
	kill(s->relay, SIGKILL);
	fail_msg("the relay does not end");
}

/* Stop it, and see that it ends well: with a sanitizer, without a leak. */
static void stage_end(struct stage *s)
{
	const struct relay_msg m = { .type = RELAY_STOP, .grace_ms = 0 };
	tell(s->monitor, &m, -1);
	expect_exit(s, 0);
	close_ends(s);
}

static void answer(struct stage *s, uint32_t id, bool is_granted, uint64_t lease_ms)
{
	struct relay_msg m = { .type = RELAY_ANSWER,
		.id = id,
		.is_granted = is_granted,
		.lease_ms = lease_ms,
		.who = { .name = NAME, .is_certified = true, .grant_id = 77 },
		.reason = "grant" };
	if (!is_granted) {
		strcpy(m.reason, "denied");
		strcpy(m.text, "deny of passthru notes");
	}
	tell(s->knock, &m, -1);
}

/* ------------------------------------------------------------------ clients */

struct client {
	int fd;
	SSL_CTX *context;
	SSL *ssl;
};

struct manner {
	const struct person *person; /* NULL: no certificate */
	bool has_frames;
	int version; /* the newest spoken; 0: 1.3 */
};

static const struct manner as_bob = { &bob, true, 0 };
static const struct manner as_raw_bob = { &bob, false, 0 };

static int connect_to(uint16_t port)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { htonl(INADDR_LOOPBACK) } };
	const struct timeval wait = { WAIT_MS / 1000, 0 };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static void use_person(SSL_CTX *context, const struct person *p)
{
	const uint8_t *at = p->der;
	X509 *x = d2i_X509(NULL, &at, (long)p->len);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, p->seed, 32);
	assert_int_equal(SSL_CTX_use_certificate(context, x), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
	X509_free(x);
	EVP_PKEY_free(key);
	at = certifier.der;
	x = d2i_X509(NULL, &at, (long)certifier.len);
	assert_int_equal(SSL_CTX_add1_chain_cert(context, x), 1);
	X509_free(x);
}

/* The handshake has not begun. */
static struct client client_new(struct stage *s, const struct manner *how)
{
	static const uint8_t alpn[] = "\x0f" FRAME_ALPN;
	struct client c = { .context = SSL_CTX_new(TLS_client_method()) };
	assert_int_equal(sizeof(alpn) - 2, 15);
	if (how->person != NULL)
		use_person(c.context, how->person);
	if (how->has_frames)
		SSL_CTX_set_alpn_protos(c.context, alpn, sizeof(alpn) - 1);
	if (how->version != 0)
		SSL_CTX_set_max_proto_version(c.context, how->version);
	c.fd = connect_to(s->port);
	c.ssl = SSL_new(c.context);
	SSL_set_fd(c.ssl, c.fd);
	return c;
}

static struct client client_open(struct stage *s, const struct manner *how)
{
	struct client c = client_new(s, how);
	assert_int_equal(SSL_connect(c.ssl), 1);
	return c;
}

/* As a program that dies would: without a word. */
static void client_drop(struct client *c)
{
	SSL_free(c->ssl);
	SSL_CTX_free(c->context);
	if (c->fd >= 0)
		close(c->fd);
	*c = (struct client){ .fd = -1 };
}

static void client_say(struct client *c, const void *data, size_t len)
{
	assert_int_equal(SSL_write(c->ssl, data, (int)len), (int)len);
}

static void client_hear(struct client *c, void *to, size_t len)
{
	size_t at = 0;
	while (at < len) {
		int n = SSL_read(c->ssl, (char *)to + at, (int)(len - at));
		if (n <= 0)
			fail_msg("the client hears %zu of %zu bytes", at, len);
		at += (size_t)n;
	}
}

static void client_frame(struct client *c, const struct frame *f)
{
	uint8_t bytes[FRAME_LEN_MAX];
	client_say(c, bytes, frame_encode(f, bytes));
}

static void client_ask(struct client *c, const char *host, uint16_t port)
{
	struct frame f = { .type = FRAME_OPEN, .port = port };
	snprintf(f.host, sizeof(f.host), "%s", host);
	client_frame(c, &f);
}

/* The next frame from the relay; its bytes live until the next call. */
static struct frame client_heard(struct client *c)
{
	static uint8_t bytes[FRAME_LEN_MAX];
	struct frame f;
	size_t used;
	client_hear(c, bytes, FRAME_HEADER_LEN);
	size_t len = (size_t)bytes[1] << 8 | bytes[2];
	assert_true(len <= FRAME_DATAGRAM_MAX);
	client_hear(c, bytes + FRAME_HEADER_LEN, len);
	assert_int_equal(
		frame_decode(span_of(bytes, FRAME_HEADER_LEN + len), FRAME_FROM_RELAY, &f, &used),
		FRAME_WHOLE);
	return f;
}

static void client_expect(struct client *c, enum frame_status want)
{
	struct frame f = client_heard(c);
	assert_int_equal(f.type, FRAME_OPENED);
	if (f.status != want)
		fail_msg("status %d, not %d: %s", (int)f.status, (int)want, f.text);
}

static void client_expect_end(struct client *c, int want)
{
	char byte;
	int n = SSL_read(c->ssl, &byte, 1);
	assert_true(n <= 0);
	assert_int_equal(SSL_get_error(c->ssl, n) == SSL_ERROR_ZERO_RETURN, want);
}

static int inner_accept(struct stage *s)
{
	const struct timeval wait = { WAIT_MS / 1000, 0 };
	wait_for(s->inner, POLLIN);
	int fd = accept4(s->inner, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)), 0);
	return fd;
}

static void inner_hear(int fd, const char *want)
{
	char got[256];
	size_t at = 0, len = strlen(want);
	while (at < len) {
		ssize_t n = recv(fd, got + at, len - at, 0);
		if (n <= 0)
			fail_msg("the inner machine hears %zu of %zu bytes", at, len);
		at += (size_t)n;
	}
	assert_memory_equal(got, want, len);
}

static void inner_say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* The whole way of one that is let through; returns its number. */
static uint32_t let_through(struct stage *s, struct client *c, const struct manner *how,
	int *ret_inner, uint64_t lease_ms)
{
	struct relay_msg m;
	*c = client_open(s, how);
	if (how->has_frames)
		client_ask(c, "mail.inner", s->inner_port);
	hear_knock(s, RELAY_ASK, &m);
	uint32_t id = m.id;
	answer(s, id, true, lease_ms);
	*ret_inner = inner_accept(s);
	hear_knock(s, RELAY_THROUGH, &m);
	assert_int_equal(m.id, id);
	if (how->has_frames)
		client_expect(c, FRAME_OK);
	return id;
}

static void expect_ended(struct stage *s, uint32_t id, const char *reason, struct relay_msg *ret)
{
	hear_knock(s, RELAY_ENDED, ret);
	assert_int_equal(ret->id, id);
	assert_string_equal(ret->reason, reason);
	assert_true(strlen(ret->text) > 0);
}

static void expect_caught(struct stage *s, const char *reason, struct relay_msg *ret)
{
	hear_knock(s, RELAY_CAUGHT, ret);
	if (strcmp(ret->reason, reason) != 0)
		fail_msg("caught %s (%s), not %s", ret->reason, ret->text, reason);
	assert_true(strlen(ret->text) > 0);
	assert_string_equal(ret->passthru, "notes");
}

#endif
