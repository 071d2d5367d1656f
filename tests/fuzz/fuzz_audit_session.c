/*
 * One whole handshake of the audit. In the first mode the input is all that a server ever sends; in the second a
 * libssl server answers, the input is what it says within TLS, and some of its bytes are changed on the way. There is
 * no randomness but a counter: what was recorded once is answered alike. How the bytes are cut changes nothing,
 * what is sent and kept has its bounds, and an answer rests on a line that was said.
 */

#define OPENSSL_SUPPRESS_DEPRECATED /* RAND_set_rand_method: the only place for a counter instead of chance */

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

#include "audit/hello.h"
#include "audit/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/*
 * The first bytes of an input: what is asked, how the bytes are cut, and in the second mode which bytes of the
 * server are changed, three times position (big-endian) and what is flipped there.
 */
#define HEADER_LEN 2
#define CHANGES 3
#define LIVE_LEN (HEADER_LEN + 3 * CHANGES)
#define SAID_MAX 2048
#define ROUNDS_MAX 64
#define REPLY_MAX (1 << 16) /* of a client to 2 MiB of a server at the very most */

struct control {
	enum audit_session_kind kind;
	struct audit_target target;
	bool is_live, is_closed;
	int version; /* of a live server */
	size_t piece;
	struct {
		size_t at;
		uint8_t flip;
	} changes[CHANGES];
	struct span bytes; /* of the server, or what it says within */
};

struct outcome {
	bool is_open, is_kept;
	enum audit_answer answer;
	size_t cert_count, sent;
};

static uint64_t counter;

/* A linear congruence: its upper bits look random enough to libssl. */
static int random_bytes(unsigned char *to, int len)
{
	for (int i = 0; i < len; i++) {
		counter = counter * UINT64_C(6364136223846793005) + 1;
		to[i] = (unsigned char)(counter >> 56);
	}
	return 1;
}

static int random_status(void)
{
	return 1;
}

static const RAND_METHOD no_chance = {
	.bytes = random_bytes, .pseudorand = random_bytes, .status = random_status
};

/* ---------------------------------------------------------------- the server of the second mode */

static SSL_CTX *server_ctx;

static void make_server(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *x = X509_new();
	server_ctx = SSL_CTX_new(TLS_server_method());
	if (key == NULL || x == NULL || server_ctx == NULL)
		abort();
	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 7);
	ASN1_TIME_set_string(X509_getm_notBefore(x), "20260101000000Z");
	ASN1_TIME_set_string(X509_getm_notAfter(x), "20360101000000Z");
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
		(const unsigned char *)"mail.test", -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	if (X509_sign(x, key, EVP_sha256()) <= 0 || SSL_CTX_use_certificate(server_ctx, x) != 1 ||
		SSL_CTX_use_PrivateKey(server_ctx, key) != 1)
		abort();
	SSL_CTX_set_options(server_ctx, SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_session_cache_mode(server_ctx, SSL_SESS_CACHE_OFF);
	X509_free(x);
	EVP_PKEY_free(key);
}

struct server {
	SSL *ssl;
	BIO *in, *out; /* of ssl */
	bool is_said;
	size_t sent;
};

static void server_init(struct server *s, const struct control *c)
{
	*s = (struct server){
		.ssl = SSL_new(server_ctx), .in = BIO_new(BIO_s_mem()), .out = BIO_new(BIO_s_mem())
	};
	if (s->ssl == NULL || s->in == NULL || s->out == NULL)
		abort();
	SSL_set_min_proto_version(s->ssl, c->version);
	SSL_set_max_proto_version(s->ssl, c->version);
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_accept_state(s->ssl);
}

/* Bytes of the client; once it says something within TLS, it is answered. */
static void server_feed(struct server *s, const struct control *c, const uint8_t *bytes, size_t len)
{
	char plain[256];
	BIO_write(s->in, bytes, (int)len);
	if (SSL_read(s->ssl, plain, sizeof(plain)) > 0 && !s->is_said && c->bytes.len > 0) {
		s->is_said = true;
		SSL_write(s->ssl, c->bytes.data, (int)c->bytes.len);
	}
	ERR_clear_error();
}

/* What it has to say, with the changes at their places in all that it ever sent. */
static size_t server_take(struct server *s, const struct control *c, uint8_t *to, size_t cap)
{
	int n = BIO_read(s->out, to, (int)cap);
	if (n <= 0)
		return 0;
	for (size_t i = 0; i < CHANGES; i++)
		if (c->changes[i].at >= s->sent && c->changes[i].at - s->sent < (size_t)n)
			to[c->changes[i].at - s->sent] ^= c->changes[i].flip;
	s->sent += (size_t)n;
	return (size_t)n;
}

/* ---------------------------------------------------------------- one session */

/* In pieces. False when the session has enough; *sent grows by what it sends, the last of which is in to. */
static bool feed(struct audit_session *s, struct span bytes, size_t piece, struct server *server,
	const struct control *c, struct outcome *o)
{
	uint8_t to[AUDIT_HELLO_MAX];
	bool goes_on = true;
	for (size_t at = 0; at < bytes.len && goes_on; at += piece) {
		size_t len = SIZE_MAX;
		goes_on = audit_session_more(
			s, NULL, span_slice(bytes, at, piece), false, to, sizeof(to), &len);
		if (len > sizeof(to) || ERR_peek_error() != 0)
			abort();
		o->sent += len;
		if (server != NULL)
			server_feed(server, c, to, len);
	}
	return goes_on;
}

static bool talk(struct audit_session *s, const struct control *c, size_t piece,
	const uint8_t *hello, size_t hello_len, struct outcome *o)
{
	uint8_t from[4096];
	struct server server;
	bool goes_on = true;
	size_t n;
	server_init(&server, c);
	server_feed(&server, c, hello, hello_len);
	for (int i = 0;
		i < ROUNDS_MAX && goes_on && (n = server_take(&server, c, from, sizeof(from))) > 0;
		i++)
		goes_on = feed(s, span_of(from, n), piece, &server, c, o);
	SSL_free(server.ssl);
	return goes_on;
}

static void look(struct audit_session *s, const struct control *c, struct outcome *o)
{
	struct audit_facts *f = audit_facts_new(&c->target);
	size_t len = 0;
	if (f == NULL)
		abort();
	o->is_open = audit_session_is_open(s);
	o->answer = audit_session_answer(s);
	o->is_kept = audit_session_chain(s, f);
	if (o->is_kept != (f->chain_count == 1) || f->chain_count > 1)
		abort();
	o->cert_count = f->chains[0].count;
	for (size_t i = 0; i < o->cert_count; i++)
		len += f->chains[0].certs[i].len;
	if (o->cert_count > AUDIT_CHAIN_MAX || len > AUDIT_CHAINS_LEN_MAX ||
		(o->is_open && !o->is_kept))
		abort();
	audit_facts_free(f);
}

static struct outcome run(const struct control *c, size_t piece)
{
	uint8_t hello[AUDIT_HELLO_MAX], to[AUDIT_HELLO_MAX];
	struct audit_probe_result closed = { .stage = AUDIT_STAGE_HELLO,
		.end = AUDIT_PROBE_CLOSED };
	struct outcome o = { 0 };
	size_t len = 0;
	counter = 1;
	struct audit_session *s = audit_session_new(c->kind, &c->target, hello, &len);
	if (s == NULL || len == 0 || len > sizeof(hello))
		abort();
	bool goes_on = c->is_live ? talk(s, c, piece, hello, len, &o)
				  : feed(s, c->bytes, piece, NULL, c, &o);
	if (goes_on && audit_session_more(s, NULL, span_of(NULL, 0), true, to, sizeof(to), &len))
		abort();
	if (c->is_closed)
		audit_session_end(s, &closed);
	look(s, c, &o);
	audit_session_free(s);
	return o;
}

/* ---------------------------------------------------------------- what must hold */

/* Does a line of SMTP begin so? */
static bool has_line(struct span said, const char *code)
{
	bool is_begin = true;
	for (size_t i = 0; i < said.len; i++) {
		if (is_begin && said.len - i >= 3 && memcmp(said.data + i, code, 3) == 0)
			return true;
		is_begin = said.data[i] == '\n';
	}
	return false;
}

static void check_live(const struct control *c, const struct outcome *o)
{
	bool is_changed = false;
	for (size_t i = 0; i < CHANGES; i++)
		is_changed = is_changed || c->changes[i].flip != 0;
	if (!is_changed && (!o->is_open || o->cert_count != 1))
		abort();
	if (c->kind != AUDIT_SESSION_INJECTION || c->target.starttls != AUDIT_SMTP)
		return;
	if (o->answer == AUDIT_YES && !has_line(c->bytes, "250"))
		abort();
	if (!is_changed && o->answer == AUDIT_NO && !has_line(c->bytes, "221"))
		abort();
	/* A line is one once it has ended. */
	if (!is_changed && c->bytes.len >= 4 && memcmp(c->bytes.data, "221\n", 4) == 0 &&
		o->answer != AUDIT_NO)
		abort();
}

static bool read_control(const uint8_t *data, size_t len, struct control *c)
{
	static const enum audit_starttls kinds[8] = { AUDIT_SMTP, AUDIT_LMTP, AUDIT_IMAP,
		AUDIT_POP3, AUDIT_FTP, AUDIT_NNTP, AUDIT_SIEVE, AUDIT_DIRECT };
	if (len < HEADER_LEN)
		return false;
	*c = (struct control){ .kind = data[0] & 1 ? AUDIT_SESSION_INJECTION : AUDIT_SESSION_FETCH,
		.target = { .port = 25, .starttls = kinds[data[0] >> 1 & 7] },
		.is_live = data[0] & 0x20,
		.version = data[0] & 0x40 ? TLS1_3_VERSION : TLS1_2_VERSION,
		.is_closed = data[0] & 0x80,
		.piece = (size_t)data[1] + 1 };
	if (data[0] & 0x10)
		memcpy(c->target.host, "mail.test", sizeof("mail.test"));
	c->bytes = span_of(data + HEADER_LEN, len - HEADER_LEN);
	if (!c->is_live)
		return true;
	if (len < LIVE_LEN || len - LIVE_LEN > SAID_MAX)
		return false;
	for (size_t i = 0; i < CHANGES; i++) {
		const uint8_t *at = data + HEADER_LEN + 3 * i;
		c->changes[i].at = (size_t)at[0] << 8 | at[1];
		c->changes[i].flip = at[2];
	}
	c->bytes = span_of(data + LIVE_LEN, len - LIVE_LEN);
	return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct control c;
	if (server_ctx == NULL) {
		RAND_set_rand_method(&no_chance);
		make_server();
	}
	if (!read_control(data, len, &c))
		return 0;
	struct outcome whole = run(&c, AUDIT_FLIGHT_MAX), cut = run(&c, c.piece);
	if (whole.is_open != cut.is_open || whole.is_kept != cut.is_kept ||
		whole.answer != cut.answer || whole.cert_count != cut.cert_count)
		abort();
	if (whole.sent > REPLY_MAX)
		abort();
	if (whole.answer != AUDIT_UNKNOWN &&
		(c.kind != AUDIT_SESSION_INJECTION || c.target.starttls == AUDIT_DIRECT))
		abort();
	if (whole.answer == AUDIT_YES && !whole.is_open)
		abort();
	if (c.is_live)
		check_live(&c, &whole);
	return 0;
}
