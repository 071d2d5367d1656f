#ifndef POSTERN_AUDIT_FLIGHT_H
#define POSTERN_AUDIT_FLIGHT_H

/*
 * What a server answers to a ClientHello, read as it comes, in whatever pieces: records, handshake
 * messages, alerts, SSLv2. Memory and work are bounded, whatever is sent; nothing is verified.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/facts.h"
#include "base/span.h"

#define AUDIT_FLIGHT_MAX (1 << 21) /* bytes of one flight that are read */
#define AUDIT_FIRST_MAX 64         /* bytes kept of what is no TLS */

enum audit_flight_end {
	AUDIT_FLIGHT_MORE,    /* not whole yet */
	AUDIT_FLIGHT_HELLO,   /* <= 1.2: through ServerHelloDone; 1.3: the ServerHello */
	AUDIT_FLIGHT_RETRY,   /* HelloRetryRequest */
	AUDIT_FLIGHT_SSL2,    /* an SSLv2 SERVER-HELLO */
	AUDIT_FLIGHT_ALERT,   /* that ends it before anything was chosen; of SSLv2 an error */
	AUDIT_FLIGHT_NOT_TLS, /* first[] has what came instead */
	AUDIT_FLIGHT_BROKEN,  /* TLS that contradicts itself, or too much of it */
};

struct audit_flight {
	enum audit_flight_end end;
	const char *why; /* BROKEN: a clause, static */
	/* alert; also after a ServerHello, then end stays MORE or HELLO */
	bool has_alert;
	uint8_t alert_level, alert_code;
	/* ServerHello or HelloRetryRequest */
	bool has_hello;
	enum audit_version version;
	uint16_t version_code; /* as sent, for versions that are none */
	uint32_t suite;
	uint8_t compression;
	uint8_t random[32];
	size_t session_id_len;
	size_t extension_count;
	uint16_t extensions[AUDIT_EXTENSIONS_MAX];
	uint16_t group; /* of key share, retry request or ServerKeyExchange; 0: none */
	bool has_renegotiation_info, has_ems, has_etm, has_ticket, has_status, has_heartbeat,
		has_alpn;
	/* ServerKeyExchange */
	bool has_key_exchange;
	uint16_t signature;       /* algorithm; 0: none or before TLS 1.2 */
	struct audit_dh dh;       /* bits 0: no finite field */
	uint16_t export_rsa_bits; /* 0: none */
	uint8_t public_hash[32];  /* SHA-256 of the server's public value, to see it again */
	bool has_public;
	bool wants_certificate; /* CertificateRequest */
	/* Certificate: spans into buffer */
	size_t cert_count;
	struct span certs[AUDIT_CHAIN_MAX];
	bool is_chain_cut; /* more certificates than that, or too long for a flight */
	struct span staple;
	/* SSLv2 */
	size_t ssl2_suite_count;
	uint32_t ssl2_suites[AUDIT_SUITES_MAX];
	/* not TLS */
	size_t first_len;
	uint8_t first[AUDIT_FIRST_MAX];
	/* private */
	struct audit_flight_state *state;
};

/* is_ssl2: the hello was an SSLv2 one. NULL without memory. */
struct audit_flight *audit_flight_new(bool is_ssl2);
void audit_flight_free(struct audit_flight *f);

/* Bytes as they came. Returns f->end; after anything but MORE further bytes are ignored. */
enum audit_flight_end audit_flight_feed(struct audit_flight *f, struct span bytes);

#endif
