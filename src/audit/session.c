/*
 * libssl between two memory BIOs. Invariant: it never touches a socket, never waits, and what it decrypts is
 * looked at for one question and thrown away.
 */

#include "audit/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "audit/dialogue.h"
#include "audit/hello.h"

#define INSIDE_MAX 4096 /* bytes looked at behind the handshake */
#define RECORD_FIRST 20 /* RFC 8446 B.1: ContentType */
#define RECORD_LAST 24

/*
 * What is sent ahead, how it shows that it was answered, and what is said inside to end the wait. POP3 servers
 * differ in what they take before a login, so they get what none knows.
 */
static const struct test {
	enum audit_starttls kind;
	const char *ahead;
	const char
		*mark; /* begins a line of the answer to that; NULL: any line before the last one */
	const char *inside;
	const char *last; /* begins the answer to what was said inside */
} tests[] = {
	{ AUDIT_SMTP, "RSET\r\n", "250", "QUIT\r\n", "221" },
	{ AUDIT_LMTP, "RSET\r\n", "250", "QUIT\r\n", "221" },
	{ AUDIT_IMAP, "a3 NOOP\r\n", "a3 ", "a4 LOGOUT\r\n", "a4 " },
	{ AUDIT_POP3, "XNOOP\r\n", "-ERR", "QUIT\r\n", "+OK" },
	{ AUDIT_FTP, "NOOP\r\n", NULL, "QUIT\r\n", "221" },
	{ AUDIT_NNTP, "DATE\r\n", NULL, "QUIT\r\n", "205" },
	{ AUDIT_SIEVE, "NOOP \"ahead\"\r\n", "OK (TAG \"ahead\"", "NOOP \"inside\"\r\n",
		"OK (TAG \"inside\"" },
};

struct audit_session {
	enum audit_session_kind kind;
	const struct test *test;
	bool has_ctx;
	SSL *ssl;
	BIO *in, *out; /* owned by ssl */
	bool is_open, is_asked, is_hit, is_answered;
	bool is_refused;   /* it would not begin TLS with what had been sent ahead */
	bool is_too_large; /* its chain is over the bound */
	size_t line_len, total;
	size_t came; /* bytes of TLS */
	uint8_t line[256];
};

/* Made with the first of the sessions that are there at a time, gone with the last. */
static struct {
	SSL_CTX *ctx;
	size_t users;
} shared;

static const struct test *find_test(enum audit_starttls kind)
{
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		if (tests[i].kind == kind)
			return &tests[i];
	return NULL;
}

const char *audit_session_injected(enum audit_starttls kind)
{
	const struct test *t = find_test(kind);
	return t != NULL ? t->ahead : NULL;
}

/* The library copies the name. An address is none. */
static bool name_server(SSL *ssl, const char *host)
{
	char name[AUDIT_HOST_MAX + 1];
	struct addr a;
	if (host[0] == '\0' || addr_parse(host, &a))
		return true;
	memcpy(name, host, sizeof(name));
	return SSL_set_tlsext_host_name(ssl, name) == 1;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_min_proto_version(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_LEGACY_SERVER_CONNECT | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_max_cert_list(ctx, AUDIT_CERT_LEN_MAX);
	if (SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0") == 1)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static bool share_ctx(struct audit_session *s)
{
	if (shared.ctx == NULL)
		shared.ctx = new_ctx();
	s->has_ctx = shared.ctx != NULL;
	shared.users += s->has_ctx ? 1 : 0;
	return s->has_ctx;
}

static void release_ctx(const struct audit_session *s)
{
	if (!s->has_ctx || --shared.users > 0)
		return;
	SSL_CTX_free(shared.ctx);
	shared.ctx = NULL;
}

static bool make(struct audit_session *s, const struct audit_target *t)
{
	if (!share_ctx(s))
		return false;
	s->ssl = SSL_new(shared.ctx);
	s->in = BIO_new(BIO_s_mem());
	s->out = BIO_new(BIO_s_mem());
	if (s->ssl == NULL || s->in == NULL || s->out == NULL) {
		BIO_free(s->in);
		BIO_free(s->out);
		return false;
	}
	SSL_set_bio(s->ssl, s->in, s->out);
	SSL_set_tlsext_status_type(s->ssl, TLSEXT_STATUSTYPE_ocsp);
	return name_server(s->ssl, t->host);
}

static size_t take_out(struct audit_session *s, uint8_t *to, size_t cap)
{
	int n = BIO_read(s->out, to, cap < INT32_MAX ? (int)cap : INT32_MAX);
	return n > 0 ? (size_t)n : 0;
}

struct audit_session *audit_session_new(
	enum audit_session_kind kind, const struct audit_target *t, uint8_t *hello, size_t *ret_len)
{
	struct audit_session *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	s->kind = kind;
	s->test = find_test(t->starttls);
	if (!make(s, t)) {
		ERR_clear_error();
		audit_session_free(s);
		return NULL;
	}
	SSL_connect(s->ssl);
	ERR_clear_error();
	*ret_len = take_out(s, hello, AUDIT_HELLO_MAX);
	return s;
}

void audit_session_free(struct audit_session *s)
{
	if (s == NULL)
		return;
	SSL_free(s->ssl);
	release_ctx(s);
	free(s);
}

/* One line from within. True when it is the last that is waited for. */
static bool read_line(struct audit_session *s)
{
	struct span line = span_of(s->line, s->line_len);
	s->line_len = 0;
	if (audit_begins(line, s->test->last)) {
		s->is_answered = true;
		return true;
	}
	if (s->test->mark == NULL || audit_begins(line, s->test->mark))
		s->is_hit = true;
	return false;
}

/* What was said within TLS so far. False when it is enough. */
static bool read_inside(struct audit_session *s)
{
	uint8_t bytes[512];
	int n;
	while ((n = SSL_read(s->ssl, bytes, sizeof(bytes))) > 0) {
		s->total += (size_t)n;
		for (int i = 0; i < n; i++) {
			if (bytes[i] == '\n') {
				if (read_line(s))
					return false;
			} else if (s->line_len < sizeof(s->line)) {
				s->line[s->line_len++] = bytes[i];
			}
		}
		if (s->total > INSIDE_MAX)
			return false;
	}
	int why = SSL_get_error(s->ssl, n);
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/*
 * Alerts that say "this is no hello". Others may speak of versions and suites: nothing is known of commands
 * then.
 */
static bool is_puzzled(unsigned long error)
{
	static const int codes[] = { SSL_AD_UNEXPECTED_MESSAGE, SSL_AD_RECORD_OVERFLOW,
		SSL_AD_DECODE_ERROR };
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (ERR_GET_REASON(error) == SSL_AD_REASON_OFFSET + codes[i])
			return true;
	return false;
}

static bool handshake(struct audit_session *s)
{
	int rc = SSL_connect(s->ssl);
	s->is_open = rc == 1;
	if (s->is_open)
		return s->kind == AUDIT_SESSION_INJECTION && s->test != NULL;
	int why = SSL_get_error(s->ssl, rc);
	if (why == SSL_ERROR_SSL && is_puzzled(ERR_peek_last_error()))
		s->is_refused = true;
	if (why == SSL_ERROR_SSL &&
		ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_EXCESSIVE_MESSAGE_SIZE)
		s->is_too_large = true;
	return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

bool audit_session_more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len)
{
	struct audit_session *s = arg;
	bool goes_on = true;
	(void)f;
	*ret_len = 0;
	/* Tickets and new keys could go on for ever. */
	if (bytes.len > AUDIT_FLIGHT_MAX - s->came)
		return false;
	if (bytes.len > 0 && BIO_write(s->in, bytes.data, (int)bytes.len) != (int)bytes.len)
		return false;
	/* Its answer to the command, in plain text: no record of a handshake or an alert begins so. */
	if (s->came == 0 && bytes.len > 0 &&
		(bytes.data[0] < RECORD_FIRST || bytes.data[0] > RECORD_LAST))
		s->is_refused = true;
	s->came += bytes.len;
	ERR_clear_error();
	if (!s->is_open)
		goes_on = handshake(s);
	if (goes_on && s->is_open && !s->is_asked) {
		s->is_asked = true;
		goes_on = SSL_write(s->ssl, s->test->inside, (int)strlen(s->test->inside)) > 0;
	}
	if (goes_on && s->is_open)
		goes_on = read_inside(s);
	ERR_clear_error();
	*ret_len = take_out(s, to, cap);
	return goes_on && !is_closed;
}

bool audit_session_is_open(const struct audit_session *s)
{
	return s->is_open;
}

void audit_session_end(struct audit_session *s, const struct audit_probe_result *r)
{
	bool is_gone = r->end == AUDIT_PROBE_CLOSED || r->end == AUDIT_PROBE_RESET;
	if (r->stage == AUDIT_STAGE_HELLO && is_gone && s->came == 0)
		s->is_refused = true;
	if (r->stage != AUDIT_STAGE_DIALOGUE || !r->is_asked)
		return;
	/* A 4xx may have other reasons. */
	bool is_said = r->end == AUDIT_PROBE_DIALOGUE && r->dialogue_end == AUDIT_END_REFUSED &&
		(r->words->code == 0 || r->words->code >= 500);
	s->is_refused = s->is_refused || is_said || is_gone;
}

enum audit_answer audit_session_answer(const struct audit_session *s)
{
	if (s->kind != AUDIT_SESSION_INJECTION || s->test == NULL)
		return AUDIT_UNKNOWN;
	if (s->is_hit)
		return AUDIT_YES;
	return s->is_answered || s->is_refused ? AUDIT_NO : AUDIT_UNKNOWN;
}

static enum audit_version version_of(const SSL *ssl)
{
	int code = SSL_version(ssl);
	for (int v = AUDIT_SSL3; v < AUDIT_VERSION_COUNT; v++)
		if (audit_version_code((enum audit_version)v) == code)
			return (enum audit_version)v;
	return AUDIT_TLS12;
}

bool audit_session_chain(struct audit_session *s, struct audit_facts *f)
{
	struct audit_chain c = { 0 };
	STACK_OF(X509) *sent = SSL_get_peer_cert_chain(s->ssl);
	unsigned char *staple = NULL;
	bool is_kept = false;
	for (int i = 0; sent != NULL && i < sk_X509_num(sent) && c.count < AUDIT_CHAIN_MAX; i++) {
		int len = i2d_X509(sk_X509_value(sent, i), &c.certs[c.count].der);
		if (len <= 0)
			break;
		c.certs[c.count++].len = (size_t)len;
	}
	c.is_cut = sent != NULL && c.count < (size_t)sk_X509_num(sent);
	long staple_len = SSL_get_tlsext_status_ocsp_resp(s->ssl, &staple);
	if (staple_len > 0) {
		c.staple = staple;
		c.staple_len = (size_t)staple_len;
	}
	c.version = version_of(s->ssl);
	c.is_without_name = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name) == NULL;
	if (c.count > 0)
		is_kept = audit_facts_add_chain(f, &c);
	else if (s->is_too_large)
		f->is_chain_list_cut = true;
	for (size_t i = 0; i < c.count; i++)
		OPENSSL_free(c.certs[i].der);
	return is_kept;
}
