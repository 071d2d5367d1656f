/*
 * Half an edge server for tests of the client: TLS 1.3 and frames on loopback, and then whatever is asked for is
 * looked for on loopback too. It judges nobody; which certificate came, it prints.
 *
 *   edge relay.id relay.key MODE [KNOCK-PORT]
 *
 * MODE: relay, or how it misbehaves: the name of a status to be refused with; tls12, no-alpn, plain, silent, cut
 * (after the handshake), junk (instead of frames), chatter (answers to knocks that never
 * were). Prints its port, then lines of what it is asked.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/through_carry.h"
#include "identity/idfile.h"

#define LIFE_S 120
#define WAIT_MS 20000

static const char *const statuses[FRAME_STATUS_COUNT] = { "relay", "denied", "elsewhere",
	"no-inner", "busy", "trouble" };

struct edge {
	const char *mode;
	uint16_t knock;
	SSL_CTX *ctx;
};

__attribute__((noreturn)) static void die(const char *why)
{
	fprintf(stderr, "edge: %s\n", why);
	_exit(1);
}

static uint8_t *slurp(const char *path, size_t *ret_len)
{
	struct fault f;
	uint8_t *data = NULL;
	if (file_read(path, FILE_SECRET, IDFILE_MAX, &data, ret_len, &f) < 0)
		die(f.text);
	return data;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned in_len, void *arg)
{
	const struct edge *e = arg;
	static const char want[] = "\x0f" FRAME_ALPN;
	(void)ssl;
	if (strcmp(e->mode, "no-alpn") == 0 || in_len != sizeof(want) - 1 ||
		memcmp(in, want, in_len) != 0)
		return SSL_TLSEXT_ERR_NOACK;
	*out = in + 1;
	*out_len = in[0];
	return SSL_TLSEXT_ERR_OK;
}

static int take_anybody(X509_STORE_CTX *store, void *arg)
{
	(void)store;
	(void)arg;
	return 1;
}

static void use_id(SSL_CTX *ctx, const char *id_path, const char *key_path)
{
	static struct idfile_secrets secrets;
	struct idfile *id = NULL;
	struct fault f;
	size_t id_len, key_len;
	uint8_t *text = slurp(id_path, &id_len), *key = slurp(key_path, &key_len);

	if (key_len != IDFILE_KEY_LEN ||
		idfile_parse(span_of(text, id_len), &id, &f) != IDFILE_OK ||
		idfile_unlock_key(id, key, &secrets, NULL) != IDFILE_OK)
		die("not an ID file and its key");
	for (size_t i = 0; i < idfile_cert_count(id); i++) {
		const uint8_t *at = idfile_cert(id, i).data;
		X509 *x = d2i_X509(NULL, &at, (long)idfile_cert(id, i).len);
		if (x == NULL ||
			(i == 0 ? SSL_CTX_use_certificate(ctx, x)
				: SSL_CTX_add1_chain_cert(ctx, x)) != 1)
			die("a certificate is none");
		X509_free(x);
	}
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, secrets.seed, 32);
	if (SSL_CTX_use_PrivateKey(ctx, pkey) != 1)
		die("the key is not the certificate's");
	EVP_PKEY_free(pkey);
	idfile_free(id);
	free(text);
	free(key);
}

static void make_context(struct edge *e, const char *id, const char *key)
{
	bool is_old = strcmp(e->mode, "tls12") == 0;
	e->ctx = SSL_CTX_new(TLS_server_method());
	use_id(e->ctx, id, key);
	SSL_CTX_set_min_proto_version(e->ctx, is_old ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(e->ctx, is_old ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_verify(e->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(e->ctx, take_anybody, NULL);
	SSL_CTX_set_alpn_select_cb(e->ctx, choose_alpn, e);
	SSL_CTX_set_num_tickets(e->ctx, 0);
	SSL_CTX_set_mode(
		e->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void wait_read(struct through_tls *t)
{
	struct pollfd p = { .fd = t->fd, .events = POLLIN };
	if (poll(&p, 1, WAIT_MS) <= 0)
		die("the client says nothing");
}

/* The next frame of the client. */
static void next(struct through_tls *t, struct frame *ret)
{
	for (;;) {
		size_t len = 0;
		memmove(t->bytes, t->bytes + t->used, t->len - t->used);
		t->len -= t->used;
		t->used = 0;
		enum frame_result r =
			frame_decode(span_of(t->bytes, t->len), FRAME_FROM_CLIENT, ret, &len);
		if (r == FRAME_BROKEN)
			die("a broken frame");
		t->used = len;
		if (r == FRAME_WHOLE)
			return;
		int n = SSL_read(t->ssl, t->bytes + t->len, (int)(sizeof(t->bytes) - t->len));
		if (n > 0)
			t->len += (size_t)n;
		else if (SSL_get_error(t->ssl, n) == SSL_ERROR_WANT_READ)
			wait_read(t);
		else
			_exit(0);
	}
}

static void say(struct through_tls *t, const struct frame *f)
{
	if (through_tls_send(t, f, WAIT_MS) < 0)
		die("the client takes nothing");
}

static int open_udp(uint16_t port)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(port) };
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&there, sizeof(there)) < 0)
		die("no socket for knocks");
	return fd;
}

/* Hand a knock on, and its answer back; an unanswered one is lost. */
static void hand_on(const struct edge *e, struct through_tls *t, struct span datagram)
{
	static int fd = -1;
	uint8_t answer[FRAME_DATAGRAM_MAX];
	if (e->knock == 0)
		return;
	if (fd < 0)
		fd = open_udp(e->knock);
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (send(fd, datagram.data, datagram.len, 0) < 0 || poll(&p, 1, 1000) <= 0)
		return;
	ssize_t n = recv(fd, answer, sizeof(answer), 0);
	if (n > 0)
		say(t,
			&(struct frame){
				.type = FRAME_KNOCKED, .datagram = span_of(answer, (size_t)n) });
}

static int open_inner(uint16_t port)
{
	struct sockaddr_in there = { .sin_family = AF_INET, .sin_port = htons(port) };
	there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&there, sizeof(there)) == 0)
		return fd;
	return -1;
}

static void let_through(struct through_tls *t, const struct frame *open)
{
	struct through_way way = { .fd = t->fd, .count = 1, .layers = { t } };
	struct frame f = { .type = FRAME_OPENED, .status = FRAME_OK };
	struct fault fault;
	int inner = open_inner(open->port);
	if (inner < 0)
		f.status = FRAME_NO_INNER;
	say(t, &f);
	int rc = inner >= 0 ? through_carry(&way, inner, inner, &fault) : 0;
	printf("ended %s\n", rc < 0 ? fault.text : "well");
}

static void tell_peer(SSL *ssl)
{
	char name[256] = "nobody";
	X509 *x = SSL_get0_peer_certificate(ssl);
	if (x != NULL)
		X509_NAME_oneline(X509_get_subject_name(x), name, sizeof(name));
	printf("peer %s chain %d\n", name, sk_X509_num(SSL_get_peer_cert_chain(ssl)));
}

static void serve(const struct edge *e, int fd)
{
	static struct through_tls t;
	struct frame f;

	if (strcmp(e->mode, "silent") == 0)
		pause();
	if (strcmp(e->mode, "plain") == 0 && write(fd, "SSH-2.0-edge\r\n", 14) == 14)
		return;
	t.ssl = SSL_new(e->ctx);
	t.fd = fd;
	SSL_set_fd(t.ssl, fd);
	if (SSL_accept(t.ssl) != 1)
		return;
	tell_peer(t.ssl);
	if (strcmp(e->mode, "junk") == 0) {
		SSL_write(t.ssl, "\x77hello", 6);
		wait_read(&t);
	}
	while (strcmp(e->mode, "chatter") == 0 && SSL_write(t.ssl, "\x81\0\1x", 4) == 4)
		;
	if (strcmp(e->mode, "chatter") == 0 || strcmp(e->mode, "cut") == 0 ||
		strcmp(e->mode, "junk") == 0)
		return;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (next(&t, &f); f.type == FRAME_KNOCK; next(&t, &f))
		hand_on(e, &t, f.datagram);
	printf("open %s %u\n", f.host, (unsigned)f.port);
	for (int i = 1; i < FRAME_STATUS_COUNT; i++)
		if (strcmp(e->mode, statuses[i]) == 0) {
			say(&t,
				&(struct frame){
					.type = FRAME_OPENED, .status = (enum frame_status)i });
			SSL_shutdown(t.ssl);
			return;
		}
	let_through(&t, &f);
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t len = sizeof(here);
	struct edge e = { .knock = 0 };

	if ((argc != 4 && argc != 5) || sodium_init() < 0)
		die("usage: edge relay.id relay.key MODE [KNOCK-PORT]");
	e.mode = argv[3];
	e.knock = argc == 5 ? (uint16_t)atoi(argv[4]) : 0;
	make_context(&e, argv[1], argv[2]);
	setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	alarm(LIFE_S);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
		getsockname(fd, (struct sockaddr *)&here, &len) < 0 || listen(fd, 32) < 0)
		die("no socket");
	printf("%u\n", (unsigned)ntohs(here.sin_port));
	for (;;) {
		int client = accept(fd, NULL, NULL);
		if (client < 0)
			continue;
		pid_t pid = fork();
		if (pid == 0) {
			alarm(LIFE_S);
			serve(&e, client);
			fflush(stdout);
			_exit(0);
		}
		close(client);
	}
}
