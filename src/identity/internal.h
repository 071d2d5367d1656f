#ifndef POSTERN_IDENTITY_INTERNAL_H
#define POSTERN_IDENTITY_INTERNAL_H

/* What only the files of this folder need of each other. */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "base/pem.h"
#include "identity/directory.h"
#include "identity/idfile.h"

#define DIRECTORY_OPTION_NAME_MAX 31
#define DIRECTORY_OPTION_VALUE_MAX 1023

/* One option of a directory line as it stood, quotes and escapes removed. */
struct directory_option {
	char name[DIRECTORY_OPTION_NAME_MAX + 1];
	bool has_value;
	char value[DIRECTORY_OPTION_VALUE_MAX + 1];
};

/*
 * Give one option its meaning in *e. *seen, 0 before the first, remembers which ones stood already.
 * Returns 0, or -EINVAL with *f.
 */
int directory_option_apply(struct directory_entry *e, const struct directory_option *o,
	unsigned *seen, struct fault *f);

/*
 * The next two words, a key type and a key, into e->key, key_id, pk and application. Returns 0, or
 * -EINVAL with *f.
 */
int directory_key_read(struct reader *r, struct directory_entry *e, struct fault *f);

/* What no option and no key can see alone, after both were read. 0, or -EINVAL with *f. */
int directory_entry_check(struct directory_entry *e, struct fault *f);

/* "sha256:" and 64 hex digits; false (ret untouched) for anything else. */
bool directory_key_id_parse(const char *text, uint8_t ret[32]);

#define IDFILE_HEADER_LEN_MAX (1 + 1 + 32 + 2 + IDFILE_NAME_MAX + 8 + 3)

/* The body of POSTERN ID. Decoding fails (ret untouched) on what breaks its table. */
bool idfile_header_is_good(const struct idfile_header *h);
bool idfile_header_decode(struct span body, struct idfile_header *ret);
size_t idfile_header_encode(const struct idfile_header *h, uint8_t to[IDFILE_HEADER_LEN_MAX]);

#define IDFILE_SLOT_LEN 96
#define IDFILE_SEAL_EXTRA 40 /* nonce and tag */

/* One POSTERN WRAPPED KEY block. */
struct idfile_slot {
	uint8_t salt[16];
	uint32_t ops; /* 0: a key-file slot */
	uint32_t mem_kib;
	uint8_t nonce[24];
	uint8_t cipher[48];
};

/* A block's body to a slot; false when it breaks the format or its cost is out of bounds. */
bool idfile_slot_decode(struct span body, struct idfile_slot *ret);
void idfile_slot_encode(const struct idfile_slot *s, uint8_t to[IDFILE_SLOT_LEN]);
bool idfile_cost_is_good(uint32_t ops, uint32_t mem_kib);

/* IDFILE_OK, IDFILE_WRONG_PASSWORD or IDFILE_NO_MEMORY. */
enum idfile_result idfile_slot_open_password(const struct idfile_slot *s, const uint8_t key_id[32],
	struct span password, struct idfile_key *ret);
bool idfile_slot_open_key(const struct idfile_slot *s, const uint8_t key_id[32],
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_key *ret);

/*
 * New slots with fresh salt and nonce. ops and mem_kib within bounds. False when memory is short.
 */
bool idfile_slot_make_password(const uint8_t key_id[32], const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib, struct idfile_slot *ret);
void idfile_slot_make_key(const uint8_t key_id[32], const struct idfile_key *key,
	const uint8_t raw[IDFILE_KEY_LEN], struct idfile_slot *ret);

/* The blocks of an ID file that mean something here, in the order in which they stand. */
enum idfile_part {
	IDFILE_PART_ID,
	IDFILE_PART_CERT,
	IDFILE_PART_SLOT,
	IDFILE_PART_RECOVERY,
	IDFILE_PART_SEALED,
	IDFILE_PART_COUNT, /* any other label */
};
enum idfile_part idfile_part_of(const char *label);
const char *idfile_part_label(enum idfile_part part);

#define IDFILE_SLOT_NONE SIZE_MAX

struct idfile {
	struct idfile_header header;
	size_t cert_count;
	struct span certs[IDFILE_CERTS_MAX];
	size_t slot_count;
	struct idfile_slot slots[IDFILE_SLOTS_MAX];
	size_t password_slot;      /* IDFILE_SLOT_NONE: there is none */
	struct span password_text; /* its block in text, empty when there is none */
	size_t slots_end;          /* where one slot more would stand in text */
	struct span sealed;
	uint8_t aad[32];
	size_t extra_count; /* recovery and other labels */
	struct idfile_extra {
		char label[PEM_LABEL_MAX + 1];
		struct span body; /* empty when it is not base64 */
	} extras[IDFILE_EXTRA_MAX];
	uint8_t *text; /* owned; what the spans above point into, or bytes */
	size_t text_len;
	uint8_t *bytes; /* owned; decoded bodies, one after another */
	size_t bytes_len;
};

bool idfile_has_block(const struct idfile *id, const char *label); /* among the extras */

bool idfile_seed_has_id(const uint8_t seed[32], const uint8_t key_id[32]);

/* The body of POSTERN SEALED DATA, malloc'd, from secrets and back. */
uint8_t *idfile_seal(const struct idfile_secrets *s, const struct idfile_key *key,
	const uint8_t aad[32], size_t *ret_len);
enum idfile_result idfile_unseal(struct span body, const struct idfile_key *key,
	const uint8_t aad[32], struct idfile_secrets *ret);

/*
 * The TLVs of doc/protocol.md section 6. Decoding fails (ret untouched) on what breaks its table.
 */
#define IDFILE_SECRETS_LEN_MAX 28672
bool idfile_secrets_encode(const struct idfile_secrets *s, struct writer *w);
bool idfile_secrets_decode(struct span plain, struct idfile_secrets *ret);

/*
 * Signatures of records: Ed25519 by sk (64 bytes, libsodium) over label, its NUL and body. Signing
 * asserts, verifying is false, for more than RECORD_SIGNED_MAX bytes in all.
 */
#define RECORD_SIGNED_MAX 16640
void record_sign(const char *label, struct span body, const uint8_t sk[64], uint8_t ret[64]);
__attribute__((warn_unused_result)) bool record_verify(
	const char *label, struct span body, const uint8_t pk[32], const uint8_t signature[64]);

/*
 * A name in a record: u16 length and bytes, one that name_parse takes as somebody's or a certifier's. Taking
 * gives false for anything else; putting returns false (nothing written) for what could not be taken.
 */
__attribute__((warn_unused_result)) bool record_take_name(
	struct reader *r, char ret[IDFILE_NAME_MAX + 1]);
__attribute__((warn_unused_result)) bool record_put_name(
	struct writer *w, const char name[IDFILE_NAME_MAX + 1]);

#endif
