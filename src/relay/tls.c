/*
 * TLS with libssl. The library's judgement of certificates is replaced: it asks for one and verifies that the
 * peer has its key; here its shape is looked at, with the strict reader, and nothing else. Invariant: a
 * handshake that is done has a leaf of the profile whose key is the one that signed.
 */

#include "relay/tls.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <string.h>

#include "identity/cert_decode.h"
#include "identity/chain.h"
#include "relay/frame.h"
#include "relay/message.h"

#define CERTS_LEN_MAX (RELAY_CHAIN_MAX + 1024) /* of the peer's message */
#define READ_AHEAD (32 << 10)

#define UPDATES_MAX 32 /* new keys of the peer, beyond one for each read of its bytes */

static int updates_index; /* of their number, in an SSL */

static const char word_handshake[] = "relay-handshake";
static const char word_certificate[] = "relay-certificate";

void tls_init(void)
{
	OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_NO_ATEXIT, NULL);
	updates_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

static size_t updates_of(const SSL *ssl)
{
	return (size_t)(uintptr_t)SSL_get_ex_data(ssl, updates_index);
}

static void set_updates(SSL *ssl, size_t n)
{
	SSL_set_ex_data(ssl, updates_index, (void *)(uintptr_t)n);
}

/* RFC 8446 4.6.3: a peer may change its key whenever it likes. The library reads on as long as such messages
 * come, and nobody else would have a turn: it is told to stop when there are too many. */
static void count_updates(
	int is_sent, int version, int type, const void *message, size_t len, SSL *ssl, void *arg)
{
	(void)version;
	(void)arg;
	if (is_sent || type != SSL3_RT_HANDSHAKE || len < 1 ||
		*(const uint8_t *)message != SSL3_MT_KEY_UPDATE)
		return;
	set_updates(ssl, updates_of(ssl) + 1);
	if (updates_of(ssl) > UPDATES_MAX)
		SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
}

/* i2d of what was read gives back its bytes; nothing when it is longer than any of ours. */
static size_t der_of(X509 *x, uint8_t to[CERT_LEN_MAX])
{
	int len = i2d_X509(x, NULL);
	if (len <= 0 || len > CERT_LEN_MAX)
		return 0;
	uint8_t *at = to;
	return i2d_X509(x, &at) == len ? (size_t)len : 0;
}

static bool is_key_of(X509 *x, const uint8_t pk[32])
{
	uint8_t key[32];
	size_t len = sizeof(key);
	EVP_PKEY *public = X509_get0_pubkey(x);
	return public != NULL && EVP_PKEY_get_id(public) == EVP_PKEY_ED25519 &&
		EVP_PKEY_get_raw_public_key(public, key, &len) == 1 && len == sizeof(key) &&
		memcmp(key, pk, sizeof(key)) == 0;
}

/* NULL: it may be judged by whoever knows issuers. */
static const char *look_at(X509 *leaf, STACK_OF(X509) * all)
{
	uint8_t der[CERT_LEN_MAX];
	struct cert cert;
	struct cert_parts parts;
	size_t len = der_of(leaf, der);
	if (len == 0)
		return "its certificate is longer than any of ours";
	enum cert_reject reason = cert_decode(span_of(der, len), &cert, &parts);
	if (reason != CERT_OK)
		return cert_reject_text(reason);
	if (cert.kind == CERT_CERTIFIER)
		return "its certificate is a certifier's";
	if (!is_key_of(leaf, cert.pk))
		return "its certificate has another key";
	if (sk_X509_num(all) > CHAIN_CERTS_MAX)
		return "it sent more certificates than a path has";
	for (int i = 1; i < sk_X509_num(all); i++)
		if (der_of(sk_X509_value(all, i), der) == 0)
			return "one of its certificates is longer than any of ours";
	return NULL;
}

static int judge(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls_flaw *flaw = SSL_get_app_data(ssl);
	const char *text =
		look_at(X509_STORE_CTX_get0_cert(store), X509_STORE_CTX_get0_untrusted(store));
	if (text == NULL)
		return 1;
	*flaw = (struct tls_flaw){ word_certificate, text };
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
	return 0;
}

/* A client that offers other protocols, or none, is carried raw. */
static int choose(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
	const unsigned char *offered, unsigned int len, void *arg)
{
	static const char ours[] = FRAME_ALPN;
	struct reader r = reader_init(span_of(offered, len));
	(void)ssl;
	(void)arg;
	while (r.left > 0) {
		struct span s = reader_take(&r, reader_u8(&r));
		if (!r.is_short && span_equal(s, span_of(ours, sizeof(ours) - 1))) {
			*ret = s.data;
			*ret_len = (unsigned char)s.len;
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

static int use_key(SSL_CTX *context, const uint8_t seed[32])
{
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	int is_good = key != NULL && SSL_CTX_use_PrivateKey(context, key) == 1;
	EVP_PKEY_free(key);
	return is_good;
}

static int use_chain(SSL_CTX *context, struct span der)
{
	struct chain chain;
	if (chain_split(der, &chain) != CHAIN_OK)
		return 0;
	for (size_t i = 0; i < chain.count; i++) {
		const uint8_t *at = chain.der[i].data;
		X509 *x = d2i_X509(NULL, &at, (long)chain.der[i].len);
		int is_good = x != NULL &&
			(i == 0 ? SSL_CTX_use_certificate(context, x)
				: SSL_CTX_add1_chain_cert(context, x)) == 1;
		X509_free(x);
		if (!is_good)
			return 0;
	}
	return 1;
}

static int set_rules(SSL_CTX *c)
{
	SSL_CTX_set_options(c,
		SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_mode(c,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(c, judge, NULL);
	SSL_CTX_set_alpn_select_cb(c, choose, NULL);
	SSL_CTX_set_max_cert_list(c, CERTS_LEN_MAX);
	/* One read takes several records; without it each costs two calls of the kernel. */
	SSL_CTX_set_read_ahead(c, 1);
	SSL_CTX_set_default_read_buffer_len(c, READ_AHEAD);
	return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) == 1 &&
		SSL_CTX_set_num_tickets(c, 0) == 1 && SSL_CTX_set_max_early_data(c, 0) == 1 &&
		SSL_CTX_set_ciphersuites(c,
			"TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:"
			"TLS_AES_256_GCM_SHA384") == 1 &&
		SSL_CTX_set1_groups_list(c, "X25519:P-256") == 1 &&
		SSL_CTX_set1_sigalgs_list(c, "ed25519") == 1 &&
		SSL_CTX_set1_client_sigalgs_list(c, "ed25519") == 1;
}

SSL_CTX *tls_context_new(const uint8_t seed[32], struct span chain, struct fault *f)
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	if (c == NULL || !set_rules(c)) {
		fault_set(f, "the TLS library lacks what is needed: %s",
			ERR_reason_error_string(ERR_peek_last_error()));
		goto out;
	}
	if (!use_chain(c, chain)) {
		fault_set(f, "the certificates of the relay's ID cannot be used");
		goto out;
	}
	if (!use_key(c, seed) || SSL_CTX_check_private_key(c) != 1) {
		fault_set(f, "the key of the relay's ID is not that of its certificate");
		goto out;
	}
	return c;
out:
	ERR_clear_error();
	SSL_CTX_free(c);
	return NULL;
}

SSL *tls_new(SSL_CTX *context, int fd, struct tls_flaw *flaw)
{
	SSL *ssl = SSL_new(context);
	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1) {
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_app_data(ssl, flaw);
	SSL_set_msg_callback(ssl, count_updates);
	SSL_set_accept_state(ssl);
	return ssl;
}

static enum tls_result understand(SSL *ssl, int rc)
{
	switch (SSL_get_error(ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_OK;
	case SSL_ERROR_WANT_READ:
		return TLS_WANT_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANT_WRITE;
	case SSL_ERROR_ZERO_RETURN:
		return TLS_END;
	case SSL_ERROR_SYSCALL:
		return TLS_CUT;
	default:
		return ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING
			? TLS_CUT
			: TLS_BROKEN;
	}
}

/* What the library's error means to people; the certificate's flaw was set where it was looked at. */
static struct tls_flaw explain(enum tls_result result)
{
	if (result == TLS_CUT)
		return (struct tls_flaw){ word_handshake, "it went away in the handshake" };
	switch (ERR_GET_REASON(ERR_peek_error())) {
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return (struct tls_flaw){ word_certificate, "no Ed25519 certificate came" };
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_VERSION_TOO_LOW:
	case SSL_R_UNKNOWN_PROTOCOL:
		return (struct tls_flaw){ word_handshake, "it does not speak TLS 1.3" };
	case SSL_R_HTTP_REQUEST:
	case SSL_R_HTTPS_PROXY_REQUEST:
		return (struct tls_flaw){ word_handshake, "it speaks HTTP without TLS" };
	case SSL_R_NO_SHARED_CIPHER:
	case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
	case SSL_R_NO_SUITABLE_KEY_SHARE:
	case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
		return (struct tls_flaw){ word_handshake,
			"it offers no algorithm of ours (Ed25519, X25519)" };
	case SSL_R_EXCESSIVE_MESSAGE_SIZE:
		return (struct tls_flaw){ word_certificate, "its certificates are too long" };
	case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
	case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
	case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
	case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
		return (struct tls_flaw){ word_handshake, "it does not trust this edge" };
	default:
		return (struct tls_flaw){ word_handshake, "its handshake breaks the rules of TLS" };
	}
}

enum tls_result tls_handshake(SSL *ssl, struct tls_flaw *flaw)
{
	ERR_clear_error();
	int rc = SSL_do_handshake(ssl);
	enum tls_result result = understand(ssl, rc);
	if ((result == TLS_CUT || result == TLS_BROKEN || result == TLS_END) && flaw->word == NULL)
		*flaw = explain(result);
	ERR_clear_error();
	return result;
}

enum tls_result tls_read(SSL *ssl, uint8_t *to, size_t cap, size_t *ret_len)
{
	ERR_clear_error();
	int rc = SSL_read_ex(ssl, to, cap, ret_len);
	size_t updates = updates_of(ssl);
	if (updates > UPDATES_MAX)
		return TLS_BROKEN;
	if (updates > 0 && rc == 1)
		set_updates(ssl, updates - 1);
	return rc == 1 ? TLS_OK : understand(ssl, rc);
}

enum tls_result tls_write(SSL *ssl, const uint8_t *from, size_t len, size_t *ret_len)
{
	ERR_clear_error();
	int rc = SSL_write_ex(ssl, from, len, ret_len);
	return rc == 1 ? TLS_OK : understand(ssl, rc);
}

enum tls_result tls_close(SSL *ssl)
{
	ERR_clear_error();
	int rc = SSL_shutdown(ssl);
	return rc >= 0 ? TLS_OK : understand(ssl, rc);
}

bool tls_has_frames(SSL *ssl)
{
	const unsigned char *name;
	unsigned len;
	SSL_get0_alpn_selected(ssl, &name, &len);
	return len > 0;
}

size_t tls_chain(SSL *ssl, uint8_t *to)
{
	STACK_OF(X509) *others = SSL_get_peer_cert_chain(ssl);
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	size_t len = leaf != NULL ? der_of(leaf, to) : 0;
	for (int i = 0; len > 0 && others != NULL && i < sk_X509_num(others); i++)
		if (i + 1 < CHAIN_CERTS_MAX)
			len += der_of(sk_X509_value(others, i), to + len);
	return len;
}
