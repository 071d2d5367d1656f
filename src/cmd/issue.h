#ifndef POSTERN_CMD_ISSUE_H
#define POSTERN_CMD_ISSUE_H

/*
 * Issuing: a new key, its certificate, and the ID file that holds both. Certificates begin and end at
 * midnight UTC, so that a directory line, which counts whole days, says the same as the certificate.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/span.h"
#include "cmd/password.h"
#include "identity/cert.h"
#include "identity/directory.h"
#include "identity/idfile.h"
#include "identity/name.h"

#define ISSUE_CERTS_MAX (NAME_OU_MAX + 4) /* own, up to four OU, O, and rollovers */

/* An identity whose secrets are open. Made by issue_new or issue_load, wiped and freed by issue_free. */
struct issue {
	struct name name;
	enum cert_kind kind;
	uint8_t pk[32];
	uint64_t not_after_ms;
	struct idfile_secrets secrets;
	size_t cert_count; /* own, its rollover, then ancestors up to the O certifier */
	size_t cert_len[ISSUE_CERTS_MAX];
	uint8_t certs[ISSUE_CERTS_MAX][CERT_LEN_MAX];
};

struct issue_order {
	const struct name *name;
	enum cert_kind kind;
	uint64_t now_ms;
	uint64_t not_after_ms;
	const struct issue *by; /* the certifier; NULL: certifies itself */
};

/* First ms of the day after now plus years and days (UTC): a life of "2y" that begins today ends before. */
uint64_t issue_end_ms(uint64_t now_ms, unsigned years, unsigned days);

/* Who signs, all borrowed, and what. */
struct issue_signer {
	const struct name *name;
	const uint8_t *pk;   /* 32 bytes */
	const uint8_t *seed; /* 32 bytes */
};

struct issue_grant {
	enum cert_role role;
	const struct name *name;
	enum cert_kind kind;
	const uint8_t *pk;
	uint64_t now_ms;       /* it begins at the midnight before */
	uint64_t not_after_ms; /* the last moment: see issue_last_ms */
};

struct issue_signer issue_signer(const struct issue *i);

/* The last moment of what ends at end_ms (issue_end_ms), which is not beyond the issuer's own (0: none). */
uint64_t issue_last_ms(uint64_t end_ms, uint64_t issuer_not_after_ms);

/* Certify a key that somebody else holds. As cert_issue; der holds CERT_LEN_MAX bytes. */
__attribute__((warn_unused_result)) int issue_certify(const struct issue_signer *by,
	const struct issue_grant *g, uint8_t *der, size_t *ret_len, struct fault *f);

/* A new identity. 0, or -errno with *f (-EINVAL: the profile forbids it). A server gets an X25519 key too. */
__attribute__((warn_unused_result)) int issue_new(
	const struct issue_order *o, struct issue **ret, struct fault *f);

/*
 * What an ID file says about itself before any password: its own certificate, of the key it names; with
 * is_certifier only a certifier's. 0, or -EINVAL with *f.
 */
__attribute__((warn_unused_result)) int issue_own_cert(const char *path, const struct idfile *id,
	bool is_certifier, struct cert *ret, struct fault *f);

/*
 * Open a certifier's ID file text with its password. 0, or -EACCES, -EINVAL, -ENOMEM with *f.
 * issue_load_any opens a person's too, who may issue cross-certificates.
 */
__attribute__((warn_unused_result)) int issue_load(const char *path, const struct idfile *id,
	const struct password *password, struct issue **ret, struct fault *f);
__attribute__((warn_unused_result)) int issue_load_any(const char *path, const struct idfile *id,
	const struct password *password, struct issue **ret, struct fault *f);

/* Of an ID file that is open already: secrets are copied. 0, or -EINVAL, -ENOMEM with *f. */
__attribute__((warn_unused_result)) int issue_of_open(const char *path, const struct idfile *id,
	const struct idfile_secrets *secrets, struct issue **ret, struct fault *f);

void issue_free(struct issue *i);

/* How an ID file is locked: by a password (and its Argon2id memory, 0 = default) or a raw 32-byte key. */
struct issue_lock {
	const struct password *password;
	uint8_t quality_min;
	uint32_t mem_kib;
	const uint8_t *raw_key;
};

/* The ID file as text, malloc'd; NULL when memory (Argon2id's too) is short. */
char *issue_idfile(const struct issue *i, const struct issue_lock *lock, uint64_t now_ms);

/* The server card of a server as text, malloc'd, with prekey 0; NULL with *f. With stealth it is secret. */
struct issue_card {
	const char *host;
	const char *service;
	uint16_t port;
	uint64_t now_ms;
	const uint8_t *stealth; /* 32 bytes; NULL: none */
};
#define ISSUE_STEALTH_LEN 32
char *issue_server_card(const struct issue *server, const struct issue_card *c, struct fault *f);

/* Read a stealth secret, ISSUE_STEALTH_LEN bytes, from a file that nobody else can read. 0, or -errno with *f. */
__attribute__((warn_unused_result)) int issue_read_stealth(
	const char *path, uint8_t to[ISSUE_STEALTH_LEN], struct fault *f);

/* What a card may be read by. */
mode_t issue_card_mode(bool has_stealth);

/* The certificate as a PEM file, malloc'd, or NULL. */
char *issue_certificate_pem(const struct issue *i);

/* The directory entry that makes it known. */
void issue_entry(const struct issue *i, struct directory_entry *ret);

/* The same for a certificate: its name, kind, key and last whole day. */
void issue_entry_of_cert(const struct cert *c, struct directory_entry *ret);

#endif
