/*
 * One layer of TLS. Invariant: a handshake ends well only when lib/edge.h has judged the chain, its key is
 * the one that the handshake was signed with, and the other side speaks the frames of a relay.
 */

#include "cmd/through_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "lib/edge.h"

#define READ_AHEAD ((size_t)32 << 10)

/* ------------------------------------------------------------------ a layer as the way of another */

static int below_write(BIO *b, const char *bytes, size_t len, size_t *ret)
{
	struct through_tls *below = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	if (len == 0)
		return 0;
	int n = through_tls_write(below, (const uint8_t *)bytes, len);
	if (n == -EAGAIN && below->events == POLLIN)
		BIO_set_retry_read(b);
	else if (n == -EAGAIN)
		BIO_set_retry_write(b);
	*ret = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static int below_read(BIO *b, char *to, size_t cap, size_t *ret)
{
	struct through_tls *below = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	int n = through_tls_read(below, (uint8_t *)to, cap);
	if (n == -EAGAIN && below->events == POLLOUT)
		BIO_set_retry_write(b);
	else if (n == -EAGAIN)
		BIO_set_retry_read(b);
	*ret = n > 0 ? (size_t)n : 0;
	return n > 0;
}

static long below_control(BIO *b, int command, long number, void *pointer)
{
	const struct through_tls *below = BIO_get_data(b);
	(void)number;
	(void)pointer;
	if (command == BIO_CTRL_FLUSH)
		return 1;
	if (command == BIO_CTRL_EOF)
		return (SSL_get_shutdown(below->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
	return 0;
}

/* Made once, kept for ever. NULL without memory. */
static const BIO_METHOD *below_method(void)
{
	static BIO_METHOD *method;
	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "postern through");
	if (method == NULL)
		return NULL;
	BIO_meth_set_write_ex(method, below_write);
	BIO_meth_set_read_ex(method, below_read);
	BIO_meth_set_ctrl(method, below_control);
	return method;
}

static BIO *make_way(int fd, struct through_tls *below)
{
	if (below == NULL)
		return BIO_new_socket(fd, BIO_NOCLOSE);
	const BIO_METHOD *method = below_method();
	BIO *b = method != NULL ? BIO_new(method) : NULL;
	if (b == NULL)
		return NULL;
	BIO_set_data(b, below);
	BIO_set_init(b, 1);
	return b;
}

/* ------------------------------------------------------------------ the two identities */

/* DER of what the edge sent, leaf first, into room. */
static bool take_chain(STACK_OF(X509) * certs, uint8_t *room, size_t cap, struct chain *ret)
{
	size_t at = 0;
	int count = sk_X509_num(certs);
	*ret = (struct chain){ 0 };
	if (count < 1 || count > CHAIN_CERTS_MAX)
		return false;
	for (int i = 0; i < count; i++) {
		const X509 *x = sk_X509_value(certs, i);
		uint8_t *to = room + at;
		int len = i2d_X509(x, NULL);
		if (len <= 0 || (size_t)len > cap - at || i2d_X509(x, &to) != len)
			return false;
		ret->der[ret->count++] = span_of(room + at, (size_t)len);
		at += (size_t)len;
	}
	return true;
}

/* What signs the handshake is the leaf's key as OpenSSL reads it: it must be what we have judged. */
static bool is_key(X509 *leaf, const uint8_t pk[32])
{
	uint8_t raw[32];
	size_t len = sizeof(raw);
	const EVP_PKEY *key = X509_get0_pubkey(leaf);
	return key != NULL && EVP_PKEY_get_id(key) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_public_key(key, raw, &len) == 1 && len == sizeof(raw) &&
		memcmp(raw, pk, sizeof(raw)) == 0;
}

/* In the place of the verification of OpenSSL, whose rules are not ours. */
static int judge(X509_STORE_CTX *store, void *unused)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct through_tls *t = SSL_get_app_data(ssl);
	STACK_OF(X509) *certs = X509_STORE_CTX_get0_untrusted(store);
	uint8_t pk[32];
	struct chain chain;

	(void)unused;
	uint8_t *room = malloc(CHAIN_CERTS_MAX * CERT_LEN_MAX);
	bool is_good = room != NULL && certs != NULL &&
		take_chain(certs, room, CHAIN_CERTS_MAX * CERT_LEN_MAX, &chain);
	if (!is_good)
		fault_set(&t->fault, "its certificates are not of the kind that postern uses");
	else if (lib_edge_judge(t->id, &chain, t->name, clock_wall_ms(), pk, &t->fault) < 0)
		is_good = false;
	else if (!is_key(sk_X509_value(certs, 0), pk)) {
		fault_set(&t->fault, "its certificate has another key than it says");
		is_good = false;
	}
	free(room);
	X509_STORE_CTX_set_error(store, is_good ? X509_V_OK : X509_V_ERR_APPLICATION_VERIFICATION);
	return is_good;
}

static bool use_chain(SSL_CTX *ctx, const struct chain *c)
{
	for (size_t i = 0; i < c->count; i++) {
		const uint8_t *at = c->der[i].data;
		X509 *x = d2i_X509(NULL, &at, (long)c->der[i].len);
		bool is_used = x != NULL &&
			(i == 0 ? SSL_CTX_use_certificate(ctx, x)
				: SSL_CTX_add1_chain_cert(ctx, x)) == 1;
		X509_free(x);
		if (!is_used)
			return false;
	}
	return true;
}

static bool use_proof(SSL_CTX *ctx, const struct lib_edge_proof *p)
{
	EVP_PKEY *key =
		EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, p->seed, sizeof(p->seed));
	bool is_used = key != NULL && use_chain(ctx, &p->chain) &&
		SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
	EVP_PKEY_free(key);
	return is_used;
}

static bool set_rules(SSL_CTX *ctx)
{
	/* RFC 7301 3.1: each name behind its length. */
	static const uint8_t alpn[] = "\x0f" FRAME_ALPN;
	_Static_assert(sizeof(FRAME_ALPN) - 1 == 0x0f, "the length of the name");

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, judge, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	/* One read takes several records; without it each costs two calls of the kernel. */
	SSL_CTX_set_read_ahead(ctx, 1);
	SSL_CTX_set_default_read_buffer_len(ctx, READ_AHEAD);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set1_sigalgs_list(ctx, "ed25519") == 1 &&
		SSL_CTX_set_alpn_protos(ctx, alpn, sizeof(alpn) - 1) == 0;
}

int through_identity_init(
	const struct postern_id *id, struct through_identity *ret, struct fault *f)
{
	struct lib_edge_proof proof;
	int rc = lib_edge_prove(id, &proof, f);
	if (rc < 0)
		return rc;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	bool is_made = ctx != NULL && set_rules(ctx) && use_proof(ctx, &proof);
	lib_edge_wipe(&proof);
	if (!is_made) {
		fault_set(f, "TLS cannot be prepared: %s",
			ERR_peek_error() != 0 ? ERR_reason_error_string(ERR_peek_error())
					      : "no memory");
		SSL_CTX_free(ctx);
		return -ENOMEM;
	}
	*ret = (struct through_identity){ .id = id, .ctx = ctx };
	return 0;
}

void through_identity_deinit(struct through_identity *i)
{
	SSL_CTX_free(i->ctx);
	i->ctx = NULL;
}

/* ------------------------------------------------------------------ one layer */

int through_tls_init(struct through_tls *t, const struct through_identity *i, int fd,
	struct through_tls *below, const char *name, struct fault *f)
{
	BIO *way = make_way(fd, below);

	*t = (struct through_tls){ .fd = fd, .below = below, .id = i->id, .name = name };
	t->ssl = way != NULL ? SSL_new(i->ctx) : NULL;
	if (t->ssl == NULL) {
		BIO_free(way);
		fault_set(f, "no memory for another connection; close something and try again");
		return -ENOMEM;
	}
	SSL_set_bio(t->ssl, way, way);
	SSL_set_app_data(t->ssl, t);
	SSL_set_connect_state(t->ssl);
	return 0;
}

void through_tls_deinit(struct through_tls *t)
{
	SSL_free(t->ssl);
	t->ssl = NULL;
	sodium_memzero(t->bytes, sizeof(t->bytes));
}

int through_tls_wait(const struct through_tls *t, uint64_t deadline_ms)
{
	struct pollfd p = { .fd = t->fd, .events = t->events };
	uint64_t now_ms = clock_mono_ms();
	if (now_ms >= deadline_ms)
		return 0;
	uint64_t left_ms = deadline_ms - now_ms;
	return poll(&p, 1, left_ms > 60000 ? 60000 : (int)left_ms) != 0 ||
		clock_mono_ms() < deadline_ms;
}

/* What a peer means that sends an alert; others are told as they are called. */
static const char *alert_text(int reason)
{
	switch (reason) {
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNSUPPORTED_SSL_VERSION:
		return "it does not speak TLS 1.3; is its passthru there, and does it encrypt?";
	case SSL_R_TLSV1_ALERT_NO_APPLICATION_PROTOCOL:
		return "it speaks TLS, but is no passthru of postern";
	case SSL_R_SSLV3_ALERT_NO_CERTIFICATE:
	case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
		return "it did not take this ID's certificate";
	case SSL_R_UNEXPECTED_EOF_WHILE_READING:
		return "it ended the connection without a word";
	default:
		return NULL;
	}
}

/* Say why it broke, once, from what the layers below and the library know. */
static void explain(struct through_tls *t, int error, int saved_errno)
{
	unsigned long e = ERR_peek_last_error();
	const char *text = e != 0 ? alert_text(ERR_GET_REASON(e)) : NULL;
	const char *reason = e != 0 ? ERR_reason_error_string(e) : NULL;

	if (t->fault.text[0] != '\0')
		return;
	if (t->below != NULL && t->below->fault.text[0] != '\0')
		fault_set(&t->fault, "%.400s", t->below->fault.text);
	else if (error == SSL_ERROR_SSL && text != NULL)
		fault_set(&t->fault, "%s", text);
	else if (error == SSL_ERROR_SSL && reason != NULL)
		fault_set(&t->fault, "TLS failed: %s", reason);
	else if (error == SSL_ERROR_SYSCALL && saved_errno != 0)
		fault_set(&t->fault, "%s", strerror(saved_errno));
	else
		fault_set(&t->fault, "it ended the connection without a word");
}

/* After a call that did not do: -EAGAIN with events, 0 for the peer's end, or -EIO. */
static int judge_failure(struct through_tls *t, int rc)
{
	int saved_errno = errno;
	int error = SSL_get_error(t->ssl, rc);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		t->events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		return -EAGAIN;
	}
	if (error == SSL_ERROR_ZERO_RETURN)
		return 0;
	explain(t, error, saved_errno);
	return -EIO;
}

static void begin_call(void)
{
	ERR_clear_error();
	errno = 0;
}

static int read_raw(struct through_tls *t, uint8_t *to, size_t cap)
{
	size_t n = 0;
	begin_call();
	int rc = SSL_read_ex(t->ssl, to, cap, &n);
	return rc == 1 ? (int)n : judge_failure(t, rc);
}

static void drop_used(struct through_tls *t)
{
	if (t->used == 0)
		return;
	memmove(t->bytes, t->bytes + t->used, t->len - t->used);
	t->len -= t->used;
	t->used = 0;
}

int through_tls_read(struct through_tls *t, uint8_t *to, size_t cap)
{
	if (cap > INT32_MAX)
		cap = INT32_MAX;
	drop_used(t);
	if (t->len == 0)
		return read_raw(t, to, cap);
	size_t n = t->len < cap ? t->len : cap;
	memcpy(to, t->bytes, n);
	t->used = n;
	return (int)n;
}

int through_tls_write(struct through_tls *t, const uint8_t *bytes, size_t len)
{
	size_t n = 0;
	if (len > INT32_MAX)
		len = INT32_MAX;
	begin_call();
	int rc = SSL_write_ex(t->ssl, bytes, len, &n);
	if (rc == 1)
		return (int)n;
	rc = judge_failure(t, rc);
	if (rc == 0)
		explain(t, SSL_ERROR_SYSCALL, EPIPE);
	return rc == 0 ? -EIO : rc;
}

int through_tls_finish(struct through_tls *t)
{
	begin_call();
	int rc = SSL_shutdown(t->ssl);
	if (rc >= 0)
		return 0;
	rc = judge_failure(t, rc);
	return rc;
}

/* ------------------------------------------------------------------ what takes a while */

static int check_protocol(struct through_tls *t, struct fault *f)
{
	const uint8_t *name = NULL;
	unsigned len = 0;
	SSL_get0_alpn_selected(t->ssl, &name, &len);
	if (len == sizeof(FRAME_ALPN) - 1 && memcmp(name, FRAME_ALPN, len) == 0)
		return 0;
	fault_set(f, "it speaks TLS, but is no passthru of postern");
	return -EPROTO;
}

int through_tls_handshake(struct through_tls *t, int timeout_ms, struct fault *f)
{
	uint64_t deadline_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	for (;;) {
		begin_call();
		int rc = SSL_do_handshake(t->ssl);
		if (rc == 1)
			return check_protocol(t, f);
		rc = judge_failure(t, rc);
		if (rc == -EAGAIN && through_tls_wait(t, deadline_ms))
			continue;
		if (rc == -EAGAIN) {
			fault_set(f,
				"it did not end the TLS handshake within %d seconds; is its passthru "
				"there, and does it encrypt?",
				timeout_ms / 1000);
			return -ETIMEDOUT;
		}
		*f = t->fault;
		return SSL_get_verify_result(t->ssl) != X509_V_OK ? -EKEYREJECTED : -EPROTO;
	}
}

int through_tls_frame(struct through_tls *t, struct frame *ret)
{
	for (;;) {
		size_t len = 0;
		drop_used(t);
		enum frame_result r =
			frame_decode(span_of(t->bytes, t->len), FRAME_FROM_RELAY, ret, &len);
		if (r == FRAME_WHOLE) {
			t->used = len;
			return 1;
		}
		if (r == FRAME_BROKEN || t->len == sizeof(t->bytes)) {
			fault_set(&t->fault, "it says what no passthru of postern says");
			return -EIO;
		}
		int n = read_raw(t, t->bytes + t->len, sizeof(t->bytes) - t->len);
		if (n == 0)
			explain(t, SSL_ERROR_ZERO_RETURN, 0);
		if (n <= 0)
			return n == 0 ? -EIO : n;
		t->len += (size_t)n;
	}
}

int through_tls_send(struct through_tls *t, const struct frame *frame, int timeout_ms)
{
	uint64_t deadline_ms = clock_mono_ms() + (uint64_t)timeout_ms;
	uint8_t bytes[FRAME_LEN_MAX];
	size_t len = frame_encode(frame, bytes);
	for (size_t at = 0; at < len;) {
		int n = through_tls_write(t, bytes + at, len - at);
		if (n > 0)
			at += (size_t)n;
		else if (n != -EAGAIN)
			return n;
		else if (!through_tls_wait(t, deadline_ms)) {
			fault_set(&t->fault, "it takes nothing any more");
			return -EIO;
		}
	}
	return 0;
}
