#ifndef POSTERN_CMD_ISSUE_H
#define POSTERN_CMD_ISSUE_H

/*
 * Issuing: a new key, its certificate, and the ID file that holds both. Certificates begin and end at
 * midnight UTC, so that a directory line, which counts whole days, says the same as the certificate.
 */

#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "cmd/password.h"
#include "identity/cert.h"
#include "identity/directory.h"
#include "identity/idfile.h"
#include "identity/name.h"

#define ISSUE_CERTS_MAX (NAME_OU_MAX + 2) /* own, up to four OU, O */

/* An identity whose secrets are open. Made by issue_new or issue_load, wiped and freed by issue_free. */
struct issue {
	struct name name;
	enum cert_kind kind;
	uint8_t pk[32];
	uint64_t not_after_ms;
	struct idfile_secrets secrets;
	size_t cert_count; /* own, then ancestors up to the O certifier */
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

/* A new identity. 0, or -errno with *f (-EINVAL: the profile forbids it). A server gets an X25519 key too. */
__attribute__((warn_unused_result)) int issue_new(
	const struct issue_order *o, struct issue **ret, struct fault *f);

/* Open a certifier's ID file text with its password. 0, or -EACCES, -EINVAL, -ENOMEM with *f. */
__attribute__((warn_unused_result)) int issue_load(const char *path, const struct idfile *id,
	const struct password *password, struct issue **ret, struct fault *f);

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
char *issue_server_card(const struct issue *server, const struct issue_card *c, struct fault *f);

/* The certificate as a PEM file, malloc'd, or NULL. */
char *issue_certificate_pem(const struct issue *i);

/* The directory entry that makes it known. */
void issue_entry(const struct issue *i, struct directory_entry *ret);

/* The same for a certificate: its name, kind, key and last whole day. */
void issue_entry_of_cert(const struct cert *c, struct directory_entry *ret);

#endif
