#ifndef POSTERN_IDENTITY_KEYFILE_H
#define POSTERN_IDENTITY_KEYFILE_H

/*
 * Private keys in the files of other programs: OpenSSH's own form, PKCS#8 (RFC 5958, 8410) and PKCS#12
 * (RFC 7292). Ed25519 only, but for what a PKCS#12 file holds, which is not interpreted here.
 *
 * OpenSSH, PEM label "OPENSSH PRIVATE KEY", base64 lines of any length, integers big-endian, string =
 * u32 length + bytes:
 *
 *   "openssh-key-v1" NUL, string cipher, string kdf, string kdf options, u32 count = 1,
 *   string { string "ssh-ed25519", string key 32 },
 *   string { u32 check, u32 the same, string "ssh-ed25519", string key 32, string seed 32 || key 32,
 *            string comment, 0 to 7 bytes 1, 2, 3 .. up to a multiple of 8 }
 *
 * Only cipher "none" with kdf "none" and no options is read and written: the passphrase of OpenSSH is
 * stretched by bcrypt, which no library here has.
 */

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define KEYFILE_MAX 65536 /* a key file of any form */
#define KEYFILE_SSH_LEN_MAX 1536
#define KEYFILE_COMMENT_MAX 512 /* a name */
#define KEYFILE_SEED_LEN 32
#define KEYFILE_PASSWORD_MAX 1024
#define KEYFILE_DER_MAX 4096 /* a certificate, or a key as PKCS#8 DER, out of a PKCS#12 file */

enum keyfile_result {
	KEYFILE_OK = 0,
	KEYFILE_FORMAT,    /* not a private key of this form */
	KEYFILE_ENCRYPTED, /* locked, and no password was given or can be used */
	KEYFILE_PASSWORD,  /* the password is wrong */
	KEYFILE_CIPHER,    /* the password is right, but what it unlocks is not known here */
	KEYFILE_COST,      /* one try of a password would take more work than any file is worth */
	KEYFILE_KIND,      /* not an Ed25519 key */
	KEYFILE_MISMATCH, /* private and public part, or key and certificate, do not belong together */
	KEYFILE_SIZE,     /* a certificate or key longer than KEYFILE_DER_MAX */
	KEYFILE_MEMORY,
};

const char *keyfile_result_text(enum keyfile_result r); /* a clause: "it is not an Ed25519 key" */

/* The bytes inside the PEM block. ret, 32 secret bytes, is written only on KEYFILE_OK. Pure. */
__attribute__((warn_unused_result)) enum keyfile_result keyfile_ssh_decode(
	struct span body, uint8_t ret[KEYFILE_SEED_LEN]);

/* A whole OpenSSH private key file. */
__attribute__((warn_unused_result)) enum keyfile_result keyfile_ssh_read(
	struct span text, uint8_t ret[KEYFILE_SEED_LEN]);

/*
 * The same key as bytes; check is a random number. Returns their length, 0 when the comment is longer
 * than KEYFILE_COMMENT_MAX or has a control character. Wipe them.
 */
size_t keyfile_ssh_encode(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment, uint32_t check,
	uint8_t to[KEYFILE_SSH_LEN_MAX]);

/* The file, and the public line that belongs to it; malloc'd, or NULL. Wipe the first. */
char *keyfile_ssh_write(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment);
char *keyfile_ssh_public(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment);

/*
 * PKCS#8 in PEM, "PRIVATE KEY" or "ENCRYPTED PRIVATE KEY". password: empty data NULL for none, which
 * gives KEYFILE_ENCRYPTED for a locked one.
 */
__attribute__((warn_unused_result)) enum keyfile_result keyfile_pkcs8_read(
	struct span text, struct span password, uint8_t ret[KEYFILE_SEED_LEN]);

/* Locked with PBES2: scrypt N = 16384, r = 8, p = 8, and AES-256-CBC. PEM text, malloc'd, or NULL. */
char *keyfile_pkcs8_write(const uint8_t seed[KEYFILE_SEED_LEN], struct span password);

/* A certificate with its key, both DER, the key as PKCS#8. Secret. */
struct keyfile_pair {
	size_t cert_len, key_len;
	uint8_t cert[KEYFILE_DER_MAX], key[KEYFILE_DER_MAX];
	size_t others; /* further certificates in the file, left out */
};

/* password has no NUL inside; at most KEYFILE_PASSWORD_MAX bytes. A file without a tag is refused. */
__attribute__((warn_unused_result)) enum keyfile_result keyfile_pkcs12_read(
	struct span der, struct span password, struct keyfile_pair *ret);

/* Locked with PBES2 (PBKDF2, AES-256-CBC). malloc'd bytes, or NULL with *ret_len untouched. */
uint8_t *keyfile_pkcs12_write(
	const struct keyfile_pair *p, const char *name, struct span password, size_t *ret_len);

#endif
