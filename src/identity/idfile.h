#ifndef POSTERN_IDENTITY_IDFILE_H
#define POSTERN_IDENTITY_IDFILE_H

/*
 * ID files, doc/protocol.md section 6. Text of PEM blocks (base/pem.h): POSTERN ID first,
 * CERTIFICATE x 0..16, POSTERN WRAPPED KEY x 0..4, POSTERN RECOVERY x 0..1, POSTERN SEALED DATA, in
 * this order. Blocks with other labels may stand anywhere after the first and are kept where they
 * stood. Certificates and recovery are opaque here. libsodium only. Integers are big-endian.
 *
 * POSTERN ID: version u8 = 1, kind u8 (1 user, 2 server, 3 certifier), key id 32, name u16 length +
 * bytes (abbreviated), created u64 (ms), password quality minimum u8 (0..16), recovery M u8, N u8
 * (both 0, or 1 <= M <= N <= 16).
 *
 * POSTERN WRAPPED KEY, 96 bytes: salt 16, opslimit u32, memlimit u32 (KiB), nonce 24, and the file
 * key K sealed with XChaCha20-Poly1305 (IETF) under W: 32 + 16 bytes, aad = "postern wrapped key
 * v1" || key id (54 bytes, no NUL).
 *
 *   password slot   at most one; W = Argon2id 1.3(password, salt, opslimit 1..16, memlimit 8 KiB
 *                   .. 4 GiB), one lane, 32 bytes
 *   key-file slot   opslimit = memlimit = 0, salt all zero; W = the 32 bytes of the key file
 *
 * POSTERN SEALED DATA: nonce 24, ciphertext: XChaCha20-Poly1305 (IETF) under K of TLVs, aad =
 * SHA-256(u32 length || decoded body of POSTERN ID, then u32 length || decoded body of each
 * CERTIFICATE, in order). TLV: type u8, length u32, value:
 *
 *   1  active seed 32, exactly once         5  document key: u64 created ms, X25519 seed 32; up to 8
 *   2  pending seed 32, at most once        6  PSK: sid 32, slot u8 (1..15), key 32; up to 15
 *   3  retired: u64 ms, seed 32; up to 8    7  internet: u16 length + certificate DER, u16 length +
 *   4  X25519 seed 32, at most once            PKCS#8 key DER, each 1 to 4096; at most once
 *
 * Types that are not interpreted here are kept as whole TLVs, in order, after all others.
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
#define IDFILE_DOCUMENTS_MAX 8
#define IDFILE_INTERNET_MAX 4096
#define IDFILE_KEY_LEN 32
#define IDFILE_OPS_DEFAULT 3u          /* Argon2id passes */
#define IDFILE_MEM_KIB_DEFAULT 262144u /* 256 MiB */

enum idfile_kind { IDFILE_USER = 1, IDFILE_SERVER = 2, IDFILE_CERTIFIER = 3 };

enum idfile_result {
	IDFILE_OK = 0,
	IDFILE_BAD_FORMAT, /* not an ID file; f says which line. On unlock: sealed by its owner, not
				* understood by this version */
	IDFILE_WRONG_PASSWORD, /* no slot opens (said after the full Argon2id time) */
	IDFILE_WRONG_KEY,      /* no key-file slot opens */
	IDFILE_NO_SLOT,        /* the file has no slot of that kind */
	IDFILE_TAMPERED, /* the seal does not fit header and certificates, or the key its id */
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
	/* X25519 seeds of document keys (identity/document.h), oldest first */
	size_t document_count;
	struct {
		uint64_t created_ms;
		uint8_t seed[32];
	} documents[IDFILE_DOCUMENTS_MAX];
	/*
	 * An X.509 internet certificate (DER) with its key (PKCS#8 DER), not interpreted here. Both
	 * lengths are 0 when there is none.
	 */
	size_t internet_cert_len, internet_key_len;
	uint8_t internet_cert[IDFILE_INTERNET_MAX], internet_key[IDFILE_INTERNET_MAX];
	/* Whole TLVs this version does not interpret, kept verbatim. */
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

/*
 * Parse text. *ret is owned by the caller. IDFILE_OK, IDFILE_BAD_FORMAT with *f ("line N: ...") or
 * IDFILE_NO_MEMORY with *f.
 */
__attribute__((warn_unused_result)) enum idfile_result idfile_parse(
	struct span text, struct idfile **ret, struct fault *f);
void idfile_free(struct idfile *id);

const struct idfile_header *idfile_header(const struct idfile *id);
size_t idfile_cert_count(const struct idfile *id);
/* DER, borrowed; 0 = own, then ancestors. Empty past the last. */
struct span idfile_cert(const struct idfile *id, size_t i);

/* How the file opens: Argon2id's cost of a password slot, or ops 0 for a key-file slot. */
struct idfile_cost {
	uint32_t ops;
	uint32_t mem_kib;
};
size_t idfile_slot_count(const struct idfile *id);
struct idfile_cost idfile_slot_cost(const struct idfile *id, size_t i);

/* The file key, needed to write the file again. Wipe it. */
struct idfile_key {
	uint8_t b[IDFILE_KEY_LEN];
};

/*
 * Unlock. password is bytes as typed, without line end. On IDFILE_OK both fill *ret and *ret_key,
 * each of which may be NULL; otherwise neither is touched.
 */
__attribute__((warn_unused_result)) enum idfile_result idfile_unlock_password(
	const struct idfile *id, struct span password, struct idfile_secrets *ret,
	struct idfile_key *ret_key);
__attribute__((warn_unused_result)) enum idfile_result idfile_unlock_key(const struct idfile *id,
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_secrets *ret, struct idfile_key *ret_key);

/*
 * The same with the file key itself, which recovery gives: the seal, and whether the header speaks of
 * the key that was sealed. IDFILE_TAMPERED when it is not the key of this file.
 */
__attribute__((warn_unused_result)) enum idfile_result idfile_unlock_file_key(
	const struct idfile *id, const struct idfile_key *key, struct idfile_secrets *ret);

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
	/*
	 * The file key to use, NULL: a fresh one. For who must seal it elsewhere too (recovery):
	 * then recovery is the body of POSTERN RECOVERY, and header.recovery_m and _n are set.
	 */
	const struct idfile_key *key;
	struct span recovery; /* empty: none */
};

/*
 * A new ID file as text with a new file key, malloc'd and owned by the caller. NULL when memory
 * (Argon2id's too) is short, and when n breaks the format: a name or number out of bounds, a key id
 * that is not that of the seed, no slot at all, or more than IDFILE_MAX bytes in all.
 */
char *idfile_format(const struct idfile_new *n);

/*
 * The text of id with its password slot replaced (added after the other slots when there was none);
 * everything else byte for byte as it was. malloc'd and owned by the caller. NULL when memory is
 * short, when key does not open this file (a new slot would then lock its owner out), or when there
 * is no room for a slot more. ops and mem_kib as in struct idfile_new.
 */
char *idfile_format_password(const struct idfile *id, const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib);

#define IDFILE_CHANGE_BLOCKS_MAX 4

/*
 * A change of an unlocked file. What is not named stays as it was, in its place, unknown blocks byte
 * for byte; the seal is always made anew.
 */
struct idfile_change {
	const struct idfile_secrets *secrets; /* required */
	/*
	 * NULL: as it was. Another key id (a rollover) makes every slot invalid: those given below
	 * are made, the others fall away; and a POSTERN RECOVERY block must be given anew or falls
	 * away.
	 */
	const struct idfile_header *header;
	/*
	 * With another key id only: seal the file under this file key from now on, so that who opened an
	 * older copy cannot open this one. NULL: as it was. A recovery block is to be made for it.
	 */
	const struct idfile_key *new_key;
	bool has_certs; /* these instead of all CERTIFICATE blocks */
	size_t cert_count;
	struct span certs[IDFILE_CERTS_MAX];
	bool has_password; /* a new password slot in place of the old */
	struct span password;
	uint32_t ops, mem_kib; /* as in struct idfile_new */
	/* A new key-file slot in place of the old ones; NULL: as they were. */
	const uint8_t *raw_key;
	/* recovery is the body of POSTERN RECOVERY; empty: none any more. M and N of the header are
	 * the caller's to set. */
	bool has_recovery;
	struct span recovery;
	/*
	 * Blocks of other labels, each label once: replaced where the first of that label stood
	 * (more of it fall away), added before the slots, or (empty) removed.
	 */
	size_t block_count;
	struct {
		const char *label;
		struct span body;
	} blocks[IDFILE_CHANGE_BLOCKS_MAX];
};

/*
 * The changed file as text, malloc'd and owned by the caller. NULL when memory is short, when key
 * does not open this file, when no slot would be left, when the header does not speak of the seed,
 * or when the result breaks the format's bounds. The text was read back and unlocked.
 */
char *idfile_format_change(
	const struct idfile *id, const struct idfile_key *key, const struct idfile_change *c);

/*
 * The decoded body of the first block with this label (POSTERN RECOVERY, or one unknown here),
 * borrowed; empty when there is none, or it is not base64.
 */
struct span idfile_block(const struct idfile *id, const char *label);

/*
 * Password quality 0..16, doc/design.md: its length in characters, where repetition, rows of the
 * alphabet or keyboard and common words count as one or two; 25 % more for one and 50 % more for
 * two or more of mixed case, digits beside others, and punctuation beside others. 0 only for an
 * empty one.
 */
unsigned idfile_password_quality(struct span password);

#endif
