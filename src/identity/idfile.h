#ifndef POSTERN_IDENTITY_IDFILE_H
#define POSTERN_IDENTITY_IDFILE_H

/*
 * ID files, doc/protocol.md section 6: PEM blocks POSTERN ID, CERTIFICATE, POSTERN WRAPPED KEY, POSTERN
 * RECOVERY, POSTERN SEALED DATA, in this order; unknown blocks are kept where they stood. Certificates
 * are opaque here (identity/cert.h reads them). libsodium only.
 *
 * The 32-byte file key K seals the data (XChaCha20-Poly1305, aad = SHA-256 over blocks 1 and 2). K is
 * wrapped in slots: a password slot (Argon2id) and key-file slots (opslimit 0: a raw 32-byte key).
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"

#define IDFILE_MAX 65536
#define IDFILE_CERTS_MAX 16
#define IDFILE_CERT_LEN_MAX 2048
#define IDFILE_SLOTS_MAX 4
#define IDFILE_EXTRA_MAX 16 /* unknown and recovery blocks kept */
#define IDFILE_NAME_MAX 512
#define IDFILE_RETIRED_MAX 8
#define IDFILE_PSKS_MAX 15
#define IDFILE_KEY_LEN 32
#define IDFILE_OPS_DEFAULT 3u          /* Argon2id passes */
#define IDFILE_MEM_KIB_DEFAULT 262144u /* 256 MiB */

enum idfile_kind { IDFILE_USER = 1, IDFILE_SERVER = 2, IDFILE_CERTIFIER = 3 };

enum idfile_result {
	IDFILE_OK = 0,
	IDFILE_BAD_FORMAT,     /* not an ID file; f says which line */
	IDFILE_WRONG_PASSWORD, /* no slot opens (said after the full Argon2id time) */
	IDFILE_WRONG_KEY,      /* no key-file slot opens */
	IDFILE_NO_SLOT,        /* the file has no slot of that kind */
	IDFILE_TAMPERED,       /* the seal does not fit header and certificates */
	IDFILE_NO_MEMORY,
};

/* Secrets of an unlocked ID. Its own struct, no formatter; wipe with idfile_secrets_wipe. */
struct idfile_secrets {
	uint8_t seed[32]; /* active Ed25519 seed */
	bool has_pending;
	uint8_t pending_seed[32];
	size_t retired_count;
	struct {
		uint8_t seed[32];
		uint64_t retired_ms;
	} retired[IDFILE_RETIRED_MAX];
	bool has_x25519;
	uint8_t x25519[32]; /* server: prekey 0; authority: recovery record */
	size_t psk_count;
	struct {
		uint8_t sid[32];
		uint8_t slot; /* 1..15 */
		uint8_t key[32];
	} psks[IDFILE_PSKS_MAX];
	/* TLVs this version does not interpret (document keys, internet certificate ...), kept verbatim. */
	size_t other_len;
	uint8_t other[16384];
};

struct idfile; /* a parsed, still locked file */

struct idfile_header {
	enum idfile_kind kind;
	uint8_t key_id[32];
	char name[IDFILE_NAME_MAX + 1]; /* abbreviated */
	uint64_t created_ms;
	uint8_t quality_min; /* 0..16 */
	uint8_t recovery_m, recovery_n;
};

/* Parse text. *ret is owned by the caller. IDFILE_OK or IDFILE_BAD_FORMAT with *f ("line N: ..."). */
__attribute__((warn_unused_result)) enum idfile_result idfile_parse(
	struct span text, struct idfile **ret, struct fault *f);
void idfile_free(struct idfile *id);

const struct idfile_header *idfile_header(const struct idfile *id);
size_t idfile_cert_count(const struct idfile *id);
struct span idfile_cert(
	const struct idfile *id, size_t i); /* DER, borrowed; 0 = own, then ancestors */

/* The file key, needed to write the file again. Wipe it. */
struct idfile_key {
	uint8_t b[IDFILE_KEY_LEN];
};

/* Unlock. password is bytes as typed, without line end. Both fill *ret and *ret_key (may be NULL). */
__attribute__((warn_unused_result)) enum idfile_result idfile_unlock_password(
	const struct idfile *id, struct span password, struct idfile_secrets *ret,
	struct idfile_key *ret_key);
__attribute__((warn_unused_result)) enum idfile_result idfile_unlock_key(const struct idfile *id,
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_secrets *ret, struct idfile_key *ret_key);

void idfile_secrets_wipe(struct idfile_secrets *s);

/* What a new file is made of. */
struct idfile_new {
	struct idfile_header header; /* key_id and created are the caller's */
	size_t cert_count;
	struct span certs[IDFILE_CERTS_MAX];
	const struct idfile_secrets *secrets;
	bool has_password;
	struct span password;
	uint32_t ops, mem_kib;  /* Argon2id cost; 0 = defaults. Tests use small ones. */
	const uint8_t *raw_key; /* 32 bytes for a key-file slot, or NULL */
};

/* A new ID file as text, malloc'd and owned by the caller; NULL when memory (Argon2id's too) is short. */
char *idfile_format(const struct idfile_new *n);

/*
 * The text of id with its password slot replaced (added when there was none); everything else byte for
 * byte as it was. NULL when memory is short.
 */
char *idfile_format_password(const struct idfile *id, const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib);

/* Password quality 0..16, doc/design.md: length, more for variety, less for repetition and common words. */
unsigned idfile_password_quality(struct span password);

#endif
