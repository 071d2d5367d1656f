#ifndef POSTERN_AUDIT_CERT_H
#define POSTERN_AUDIT_CERT_H

/* Certificates of strangers: facts, text, chains, names, TLSA. By OpenSSL; any bytes are taken. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "audit/facts.h"
#include "base/span.h"

#define AUDIT_CERT_NAME_MAX 1024

struct audit_cert_facts {
	bool is_readable; /* false: no certificate; nothing else is set */
	unsigned version; /* 1, 2, 3 as people count */
	char subject[AUDIT_CERT_NAME_MAX], issuer[AUDIT_CERT_NAME_MAX]; /* "/CN=mail", printable */
	char serial[128];                                               /* decimal, with its sign */
	size_t serial_len;                                              /* bytes */
	bool is_serial_negative;
	char signature[64]; /* "sha1WithRSAEncryption" */
	char key[64];       /* "rsaEncryption" */
	unsigned key_bits;
	char curve[32];
	int64_t not_before_s, not_after_s; /* since 1970; INT64_MIN: unreadable */
	uint8_t sha256[32], spki_sha256[32];
	bool is_self_signed, is_ca, has_san, must_staple, is_weak_signature, is_weak_key,
		is_wildcard;
	unsigned sct_count;
};

void audit_cert_read(struct span der, struct audit_cert_facts *ret);

/* The block "SSL Certificate:" of the text form, without findings. */
void audit_cert_print(struct span der, FILE *out);

struct audit_anchors; /* whom to believe: the system's store, or a file or folder */
struct audit_anchors *audit_anchors_new(
	const char *path, char why[256]); /* NULL path: the system's */
void audit_anchors_free(struct audit_anchors *a);

/* Fill f->verify for chains[0]. */
void audit_verify(struct audit_facts *f, const struct audit_anchors *a, int64_t now_s);

/* Does the leaf name this host (RFC 6125, RFC 9525)? */
enum audit_answer audit_cert_names(struct span der, const char *host);

/*
 * Fill f->dane.records[].state from the chains (RFC 6698, 7671, 7672): MATCH where a client would be content.
 * That asks for the name, too, of all usages but 3, and for f->verify (fill it before) of usages 0 and 1.
 */
void audit_dane_match(struct audit_facts *f);

enum audit_staple {
	AUDIT_STAPLE_NONE,
	AUDIT_STAPLE_GOOD,
	AUDIT_STAPLE_REVOKED,
	AUDIT_STAPLE_UNKNOWN,
	AUDIT_STAPLE_OLD,
	AUDIT_STAPLE_BROKEN,
};
/* By the clock of this machine. */
enum audit_staple audit_staple_read(const struct audit_chain *c);

#endif
