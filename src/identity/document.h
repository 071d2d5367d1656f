#ifndef POSTERN_IDENTITY_DOCUMENT_H
#define POSTERN_IDENTITY_DOCUMENT_H

/*
 * Files for named people, doc/protocol.md section 8.2. libsodium only; works in pieces, so a file may
 * be of any size. Each ID has document keys (X25519; the newest is used, older ones still open old
 * files); their public half stands in the directory (document-key=x25519:HEX) and, signed, in a
 * POSTERN DOCUMENT KEY block of the ID file.
 *
 *   head   "postern document v1\n" 20, recipients u8 1..64, then for each: first 8 bytes of
 *          SHA-256(document key) 8, HPKE enc 32, file key sealed 48 (mode base, info "postern
 *          document v1", aad empty); sender's Ed25519 key 32; sender's name u16 + bytes;
 *          secretstream header 24; signature 64 by the sender over "postern document v1\0" ||
 *          SHA-256(all before)
 *   body   libsodium crypto_secretstream_xchacha20poly1305 messages: u32 length (of the ciphertext)
 *          and ciphertext; each carries at most 65536 bytes, aad of the first = SHA-256(head). The
 *          last one has the tag FINAL, carries 64 bytes more behind its own, the sender's signature
 *          over "postern document body v1\0" || SHA-256(SHA-256(head) || the whole plain text), and
 *          nothing follows it
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "identity/idfile.h"

#define DOCUMENT_RECIPIENTS_MAX 64
#define DOCUMENT_PIECE_MAX 65536
#define DOCUMENT_HEAD_MAX 8192
#define DOCUMENT_ROOM_MAX (DOCUMENT_PIECE_MAX + 64) /* a piece and the signature behind it */
#define DOCUMENT_WIRE_MAX (DOCUMENT_ROOM_MAX + 21)  /* as it is written */
#define DOCUMENT_KEY_LABEL "POSTERN DOCUMENT KEY"

/*
 * The public half in an ID file: key id 32, created u64 ms, X25519 32, signature 64 by the ID's key
 * over "postern document key v1\0" || all before. Decoding is false for anything but that, by pk.
 */
#define DOCUMENT_KEY_LEN 136
struct document_key {
	uint8_t key_id[32];
	uint64_t created_ms;
	uint8_t x25519[32];
};
void document_key_encode(
	const struct document_key *k, const uint8_t sk[64], uint8_t to[DOCUMENT_KEY_LEN]);
__attribute__((warn_unused_result)) bool document_key_decode(
	struct span s, const uint8_t pk[32], struct document_key *ret);

struct document_sender {
	char name[IDFILE_NAME_MAX + 1];
	uint8_t pk[32];
};

struct document_writer;
struct document_reader;

struct document_recipient {
	uint8_t x25519[32]; /* public */
};

/* 0, -EINVAL or -ENOMEM with *f. *ret_head is borrowed until the writer is freed. */
__attribute__((warn_unused_result)) int document_writer_new(
	const struct document_recipient *recipients, size_t count,
	const struct document_sender *sender, const uint8_t sk[64], struct document_writer **ret,
	struct span *ret_head, struct fault *f);
/*
 * One piece of at most DOCUMENT_PIECE_MAX bytes; to holds DOCUMENT_WIRE_MAX. Returns its length.
 * Nothing may follow the last one.
 */
size_t document_write(struct document_writer *w, struct span piece, bool is_last, uint8_t *to);
void document_writer_free(struct document_writer *w);

/*
 * s: at least the head (more may follow; *ret_head_len says how long it was). The keys are the secret
 * halves in the ID. 0, -EINVAL it is no such file or was changed, -EAGAIN s is too short (never with
 * DOCUMENT_HEAD_MAX bytes), -EACCES it is not for this ID, -ENOMEM; with *f. The caller compares
 * *ret_sender with the directory.
 */
__attribute__((warn_unused_result)) int document_reader_new(struct span s,
	const struct idfile_secrets *secrets, struct document_reader **ret,
	struct document_sender *ret_sender, size_t *ret_head_len, struct fault *f);
/*
 * One piece from the start of s; to holds DOCUMENT_ROOM_MAX. 0, -EAGAIN s is too short (the file was
 * cut when there is no more), -EBADMSG changed, or after the last one, or not what the sender signed;
 * *ret_used and *ret_len, *ret_is_last. Until the last one is there it is not known whether the sender
 * wrote the others: with several recipients, any of them can write them.
 */
__attribute__((warn_unused_result)) int document_read(struct document_reader *r, struct span s,
	size_t *ret_used, uint8_t *to, size_t *ret_len, bool *ret_is_last);
void document_reader_free(struct document_reader *r);

#endif
