#ifndef POSTERN_AUDIT_SUITE_H
#define POSTERN_AUDIT_SUITE_H

/*
 * Cipher suites, groups, signature algorithms and alerts by number: the IANA TLS registries, the SSLv2
 * specification for its 24-bit kinds, and numbers that were used without a registration. Tables, nothing
 * else; pure.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit/facts.h"

enum audit_kx {
	AUDIT_KX_NULL,
	AUDIT_KX_RSA,
	AUDIT_KX_RSA_EXPORT,
	AUDIT_KX_DH, /* static, in the certificate */
	AUDIT_KX_DHE,
	AUDIT_KX_ECDH,
	AUDIT_KX_ECDHE,
	AUDIT_KX_PSK,
	AUDIT_KX_DHE_PSK,
	AUDIT_KX_ECDHE_PSK,
	AUDIT_KX_RSA_PSK,
	AUDIT_KX_SRP,
	AUDIT_KX_KRB5,
	AUDIT_KX_GOST,
	AUDIT_KX_ECCPWD,
	AUDIT_KX_SM2,
	AUDIT_KX_ANY, /* TLS 1.3: not part of the suite */
};

enum audit_auth {
	AUDIT_AUTH_NULL, /* anonymous */
	AUDIT_AUTH_RSA,
	AUDIT_AUTH_DSS,
	AUDIT_AUTH_ECDSA,
	AUDIT_AUTH_ECDH,
	AUDIT_AUTH_PSK,
	AUDIT_AUTH_SRP,
	AUDIT_AUTH_KRB5,
	AUDIT_AUTH_GOST,
	AUDIT_AUTH_SM2,
	AUDIT_AUTH_ECCPWD,
	AUDIT_AUTH_ANY,
};

struct audit_suite {
	uint32_t id;         /* 16 bits; of SSLv2 24 */
	const char *name;    /* IANA's, or that of its draft or specification */
	const char *openssl; /* OpenSSL's; NULL: it has none */
	enum audit_kx kx;
	enum audit_auth auth;
	const char *cipher;  /* "AES", "3DES", "RC4", "CHACHA20", "NULL", ... */
	uint16_t bits;       /* of the key as it protects: 40, 56, 112, 128, 256; 0 for NULL */
	uint16_t block_bits; /* 64: SWEET32; 0: a stream cipher, none or an AEAD stream */
	const char *mac;     /* "MD5", "SHA1", "SHA256", "SHA384", "AEAD", ... */
	bool is_export, is_aead, is_cbc, has_forward_secrecy;
	enum audit_version first, last; /* versions in which it may be chosen */
	bool is_likely;                 /* seen on public servers: offered early */
};

const struct audit_suite *audit_suite_by_id(uint32_t id);        /* NULL: not in the table */
const struct audit_suite *audit_suite_by_name(const char *name); /* of either name */
size_t audit_suite_count(void);
const struct audit_suite *audit_suite_at(size_t i);

/* All suites that may be chosen in this version, likely ones first. Returns how many; at most cap. */
size_t audit_suites_of(enum audit_version v, uint32_t *to, size_t cap);

/* "DHE-RSA-AES256-SHA", else IANA's name, else "0xC0FE". to holds 64 bytes. Returns to. */
const char *audit_suite_text(uint32_t id, char to[64]);

struct audit_group {
	uint16_t id;
	const char *name; /* "X25519MLKEM768", "secp256r1", "ffdhe2048" */
	uint16_t bits;    /* of its field, or of the prime; security of a hybrid is its curve's */
	bool is_finite_field, is_post_quantum;
};
const struct audit_group *audit_group_by_id(uint16_t id);
size_t audit_group_count(void);
const struct audit_group *audit_group_at(size_t i); /* likely ones first */

struct audit_signature {
	uint16_t id;
	const char *name; /* "rsa_pss_rsae_sha256", "ecdsa_sha1" for 0x0203, ... */
	bool is_weak;     /* MD5 or SHA-1 */
};
const struct audit_signature *audit_signature_by_id(uint16_t id);
size_t audit_signature_count(void);
const struct audit_signature *audit_signature_at(size_t i);

const char *audit_extension_name(uint16_t id); /* "server_name"; NULL: unknown */
const char *audit_alert_name(uint8_t code);    /* "handshake_failure"; NULL: unknown */

/* A prime that many servers share ("RFC 2409 group 2", "Apache 2.2 1024 bits"), or NULL. */
const char *audit_dh_prime_name(const uint8_t *prime, size_t len);

/* Is (p - 1) / 2 a prime as well, and p one? By OpenSSL; at most 2048 bits are tried, which may take half a second. */
enum audit_answer audit_dh_is_safe_prime(const uint8_t *prime, size_t len);

#endif
