#ifndef POSTERN_RELAY_TLS_H
#define POSTERN_RELAY_TLS_H

/*
 * The relay's side of TLS: 1.3 alone, Ed25519 certificates of both sides, no ticket, no resumption, no early
 * data. That the peer has the key of its certificate is proved here, and that the certificate is of the rigid
 * profile; who issued it and whether its owner may through is the knock process's to say (message.h).
 *
 * Everything is non-blocking, on the descriptor itself; SIGPIPE must be ignored.
 */

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"

enum tls_result {
	TLS_OK,
	TLS_WANT_READ,
	TLS_WANT_WRITE,
	TLS_END, /* the peer said that it sends no more */
	TLS_CUT, /* its connection ended without saying so, or was reset */
	TLS_BROKEN,
};

/* Why a handshake failed: word is "relay-handshake" or "relay-certificate", text a clause. Static. */
struct tls_flaw {
	const char *word, *text;
};

/*
 * The library's own beginning, once, before the sandbox: it reads no configuration file and registers
 * nothing that runs at exit.
 */
void tls_init(void);

/* The certificates (DER, leaf first) and the seed of the leaf's key. NULL with *f. */
SSL_CTX *tls_context_new(const uint8_t seed[32], struct span chain, struct fault *f);

/* A connection on fd, which stays the caller's; *flaw is borrowed while it lives. NULL: no memory. */
SSL *tls_new(SSL_CTX *context, int fd, struct tls_flaw *flaw);

/* TLS_OK: done. TLS_CUT or TLS_BROKEN: *flaw says why. */
enum tls_result tls_handshake(SSL *ssl, struct tls_flaw *flaw);

/* TLS_OK with *ret_len bytes, at least 1, or what stands in the way. A peer that changes its key again
 * and again is broken. */
enum tls_result tls_read(SSL *ssl, uint8_t *to, size_t cap, size_t *ret_len);
enum tls_result tls_write(SSL *ssl, const uint8_t *from, size_t len, size_t *ret_len);

/* Say that we send no more. */
enum tls_result tls_close(SSL *ssl);

/* Did the peer offer FRAME_ALPN? */
bool tls_has_frames(SSL *ssl);

/* The peer's certificates, DER, leaf first, into to (RELAY_CHAIN_MAX bytes); returns the length. */
size_t tls_chain(SSL *ssl, uint8_t *to);

#endif
