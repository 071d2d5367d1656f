#ifndef POSTERN_KNOCK_SPA_H
#define POSTERN_KNOCK_SPA_H

/*
 * The one-packet knock and its sealed answer, doc/protocol.md sections 3 to 5, byte by byte. Decoding,
 * opening and verifying are separate steps; none of them knows who anybody is.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/span.h"
#include "knock/hpke.h"

#define SPA_TYPE_REQUEST 0x11
#define SPA_TYPE_REPLY 0x12
#define SPA_TYPE_TOKEN 0x13 /* reserved: overload token */
#define SPA_SUITE 1

#define SPA_HEADER_LEN 64
#define SPA_AAD_LEN 8
#define SPA_SMALL_LEN 320  /* class S */
#define SPA_LARGE_LEN 1232 /* class L */
#define SPA_INNER_SMALL_LEN 240
#define SPA_INNER_LARGE_LEN 1152
#define SPA_INNER_FIXED_LEN 68
#define SPA_SELECTOR_MAX 63
#define SPA_SIGNATURE_LEN 64
#define SPA_NONCE_LEN 16
#define SPA_KEY_ID_LEN 32
#define SPA_CHAIN_CERTS_MAX 8
#define SPA_SID_LEN 32
/* Room for selector and identity, with signatures of type 1 and 2. */
#define SPA_ROOM_SMALL (SPA_INNER_SMALL_LEN - SPA_INNER_FIXED_LEN - SPA_SIGNATURE_LEN)
#define SPA_ROOM_LARGE (SPA_INNER_LARGE_LEN - SPA_INNER_FIXED_LEN - SPA_SIGNATURE_LEN)
#define SPA_COOKIE_KEY_LEN 16
#define SPA_REPLY_HEADER_LEN 40
#define SPA_REPLY_INNER_LEN 264 /* class S reply: the only length this version sends */
#define SPA_REPLY_SIGNED_LEN 104
#define SPA_EPOCH_S 256

/* Why a datagram is not a knock for us; the order is that of doc/protocol.md section 4. */
enum spa_reject {
	SPA_OK = 0,
	SPA_SHORT,
	SPA_TYPE,     /* not 0x11 */
	SPA_LENGTH,   /* neither class, or not the payload's length */
	SPA_RESERVED, /* a reserved byte or padding byte is not zero */
	SPA_EPOCH,    /* hint is none of the epochs now valid */
	SPA_COOKIE,
	SPA_SUITE_REFUSED,
	SPA_PREKEY, /* prekey id or PSK slot unknown */
	SPA_SEAL,   /* does not open: low-order point or tag mismatch */
	SPA_INNER_VERSION,
	SPA_OP, /* operation of a request, status of a reply */
	SPA_FLAGS,
	SPA_ADDRESS, /* address mode, prefix or bytes contradict each other */
	SPA_SELECTOR,
	SPA_IDENTITY,       /* identity type or length */
	SPA_SIGNATURE_TYPE, /* unknown, or one that such an identity cannot make */
	SPA_TLV,            /* unknown critical or malformed TLV */
	SPA_REJECT_COUNT,
};

const char *spa_reject_name(enum spa_reject reason);

enum spa_op { SPA_OPEN = 0, SPA_RENEW = 1, SPA_CLOSE = 2, SPA_PROBE = 3 };

enum spa_flag {
	SPA_FLAG_EXPLICIT = 1,
	SPA_FLAG_WANT_SIGNATURE = 2,
	SPA_FLAG_WANT_PREKEY = 4,
	SPA_FLAG_AFTER_STALE = 8,
	SPA_FLAG_AFTER_BIND = 16,
};

enum spa_selector { SPA_SELECT_NAME = 1, SPA_SELECT_PORT = 2, SPA_SELECT_RANGE = 3 };
enum spa_identity { SPA_ID_KEY = 1, SPA_ID_CHAIN = 2, SPA_ID_TEMPLATE = 3, SPA_ID_SSH = 4 };
enum spa_signature { SPA_SIG_ED25519 = 1, SPA_SIG_SSHSIG = 2, SPA_SIG_SK = 3 };

enum spa_status {
	SPA_STATUS_OK = 0,
	SPA_STATUS_STALE = 1,
	SPA_STATUS_RETRY = 2,
	SPA_STATUS_BIND = 3,
	SPA_STATUS_DENIED = 4,
	SPA_STATUS_EXPIRED = 5,
	SPA_STATUS_BUSY = 6,
	SPA_STATUS_UNKNOWN_SERVICE = 7,
	SPA_STATUS_LIMIT = 8,
	SPA_STATUS_COUNT,
};

const char *spa_status_name(enum spa_status status); /* "OK", "STALE", ... */

/* True for 1 to 63 of a-z, 0-9 and '-': how a service may be called in a selector and in a card. */
bool spa_is_service_name(struct span s);

/* The clear header; spans borrow the datagram. */
struct spa_header {
	uint8_t epoch_hint;
	uint8_t psk_slot; /* 0 = mode base */
	uint8_t prekey_id;
	uint16_t len;
	uint64_t cookie;
	struct span aad; /* bytes 0..7 */
	struct span enc; /* 32 */
	struct span cipher;
	struct span datagram;
};

/* The plaintext request. Spans borrow the plaintext buffer. */
struct spa_request {
	enum spa_op op;
	uint16_t flags;
	uint64_t time_ms;
	uint8_t nonce[SPA_NONCE_LEN];
	uint64_t instance;
	uint32_t seconds;
	uint8_t address_mode; /* 0 observed, 4, 6 */
	uint8_t prefix_bits;
	uint16_t source_port; /* 0 = any */
	struct addr address;  /* zero if observed */
	enum spa_selector selector_type;
	struct span selector; /* name bytes; or proto u8, port u16 [, last port u16] */
	enum spa_identity identity_type;
	/* a key id; type 2: u16 length and DER, leaf first; type 3: a template, identity/template.h */
	struct span identity;
	enum spa_signature signature_type;
	struct span signed_part; /* inner bytes up to the signature (or up to the FIDO bytes) */
	struct span signature;   /* 64 bytes */
	uint8_t fido_flags;      /* signature type 3 only */
	uint32_t fido_counter;
};

/* The plaintext answer. */
struct spa_reply {
	enum spa_status status;
	uint64_t time_ms;
	uint64_t instance;
	uint32_t granted_s;
	uint16_t retry_after_s;
	uint8_t observed_family; /* 0, 4 or 6 */
	struct addr observed;
	uint16_t observed_port;
	uint16_t granted_port;
	uint64_t grant_id;
	bool has_prekey;
	uint64_t prekey_not_after_ms;
	uint8_t prekey_id;
	uint8_t prekey[HPKE_KEY_LEN];
	bool has_signature;
	uint8_t signature
		[SPA_SIGNATURE_LEN]; /* by the server's identity key; the caller verifies or makes it */
};

/* Cookie keys of one server: hint 0, and the epochs before, at and after now. */
struct spa_cookie_keys {
	uint64_t epoch;                     /* of now; keys[2] */
	uint8_t key[4][SPA_COOKIE_KEY_LEN]; /* 0: hint 0; 1: epoch-1; 2: epoch; 3: epoch+1 */
};

uint8_t spa_epoch_hint(uint64_t epoch); /* (epoch mod 255) + 1 */

/* Key of one epoch (0 for hint 0): first 16 bytes of HMAC-SHA256(secret, "postern cookie v1" || u32 epoch). secret is sid, or the stealth secret. */
void spa_cookie_key(struct span secret, uint32_t epoch, uint8_t ret[SPA_COOKIE_KEY_LEN]);

/* Recompute *k for now; cheap when the epoch is unchanged. */
void spa_cookie_keys_update(struct spa_cookie_keys *k, struct span secret, uint64_t wall_ms);

/* Cookie of a whole datagram under one key: SipHash-2-4-64 over bytes 0..7 and 16..end. */
uint64_t spa_cookie(const uint8_t key[SPA_COOKIE_KEY_LEN], struct span datagram);

/* Step 1a: the fixed header. Nothing is authenticated yet. *ret is written only on SPA_OK. Pure. */
enum spa_reject spa_header_decode(struct span payload, struct spa_header *ret);

/* Step 1b: SPA_OK, SPA_EPOCH or SPA_COOKIE. */
enum spa_reject spa_header_check(const struct spa_header *h, const struct spa_cookie_keys *k);

/*
 * Step 4: open the seal. sid names the server, sk is the private half of the prekey named in h, psk is
 * NULL in mode base. plain holds at least SPA_INNER_LARGE_LEN bytes; *ret_len is 240 or 1152. *ret_ctx
 * keeps the context for the reply; wipe it. SPA_OK or SPA_SEAL.
 */
enum spa_reject spa_open(const struct spa_header *h, const uint8_t sid[SPA_SID_LEN],
	const struct hpke_secret *sk, const struct hpke_psk *psk, uint8_t *plain, size_t *ret_len,
	struct hpke_context *ret_ctx);

/*
 * Step 5: the plaintext, strictly. *ret is written only on SPA_OK and borrows inner. Of certificates only
 * the lengths are looked at: 1 to SPA_CHAIN_CERTS_MAX of them, which fill the identity. Pure.
 */
enum spa_reject spa_request_decode(struct span inner, struct spa_request *ret);

/* The PSK id of a slot, "postern psk" || slot; to holds 12 bytes. */
struct span spa_psk_id(uint8_t slot, uint8_t to[12]);

/*
 * The signed transcript: "postern knock signature v1\0" || sid || server X25519 pk || header bytes
 * 0..7 || enc || signed_part. to holds at least SPA_TRANSCRIPT_MAX bytes; returns its length.
 */
#define SPA_TRANSCRIPT_MAX (27 + 32 + 32 + 8 + 32 + SPA_INNER_LARGE_LEN)
size_t spa_transcript(const uint8_t sid[SPA_SID_LEN], const uint8_t server_pk[HPKE_KEY_LEN],
	struct span aad, struct span enc, struct span signed_part, uint8_t *to);

/* SHA-256 of the 44-byte SubjectPublicKeyInfo of an Ed25519 public key: sid and key ids. */
void spa_key_id(const uint8_t ed25519_pk[32], uint8_t ret[SPA_KEY_ID_LEN]);

/* Everything the client needs to build one request. */
struct spa_target {
	uint8_t sid[SPA_SID_LEN];
	uint8_t prekey_id;
	uint8_t prekey[HPKE_KEY_LEN];
	uint8_t psk_slot;
	const struct hpke_psk *psk; /* NULL in mode base */
	struct span cookie_secret;  /* sid or stealth secret */
};

/*
 * One request waiting for its signature: whoever holds the key signs to_sign. Holds the plaintext and the
 * context of the reply: wipe with spa_draft_wipe.
 */
struct spa_draft {
	uint8_t to_sign[SPA_TRANSCRIPT_MAX]; /* the transcript; of types 2 and 3 its SSHSIG data */
	size_t to_sign_len;
	/* private */
	enum spa_signature signature_type;
	size_t inner_len; /* 240 or 1152: class S or L */
	uint8_t inner[SPA_INNER_LARGE_LEN];
	uint8_t header[SPA_HEADER_LEN];
	uint8_t cookie_key[SPA_COOKIE_KEY_LEN];
	struct hpke_context ctx;
};

/* A signature over to_sign; flags and counter are a token's, else zero. */
struct spa_proof {
	uint8_t signature[SPA_SIGNATURE_LEN];
	uint8_t fido_flags;
	uint32_t fido_counter;
};

/*
 * The first half of building: all but signature, seal and cookie. r->nonce, time and all plain fields
 * are the caller's, identity and signature type too; signed_part and signature of r are ignored. The
 * class is S when selector and identity fit into it (a key id always does), else L. epoch_wall_ms 0 means
 * hint 0. eph must be fresh and never used again. False, and nothing to wipe, when a field does not fit
 * the format or the server key is of low order.
 */
bool spa_request_prepare(const struct spa_target *t, const struct spa_request *r,
	const struct hpke_secret *eph, uint64_t epoch_wall_ms, struct spa_draft *ret);

/*
 * The second half, once a draft: one ephemeral key seals one plaintext. Whether the signature holds is
 * the caller's affair. Returns the length (320 or 1232), or 0 when our own decoder refuses the result. *ret_ctx
 * opens the reply; wipe it.
 */
size_t spa_request_finish(const struct spa_draft *d, const struct spa_proof *p,
	uint8_t to[SPA_LARGE_LEN], struct hpke_context *ret_ctx);

void spa_draft_wipe(struct spa_draft *d);

/*
 * Both halves, signed with the 64-byte libsodium Ed25519 secret key sign_sk (signature types 1 and 2;
 * r->identity is its key id or a chain for it). Returns as spa_request_finish; also 0 where prepare is false.
 */
size_t spa_request_build(const struct spa_target *t, const struct spa_request *r,
	const uint8_t sign_sk[64], const struct hpke_secret *eph, uint64_t epoch_wall_ms,
	uint8_t to[SPA_LARGE_LEN], struct hpke_context *ret_ctx);

/*
 * The bytes that the server's identity key signs, for making and for checking the signature:
 * "postern reply signature v1\0" || SHA-256(request datagram) || inner reply [0..104). The flag that says
 * a signature is present counts as set, whatever r->has_signature says.
 */
#define SPA_REPLY_TRANSCRIPT_LEN (27 + 32 + SPA_REPLY_SIGNED_LEN)
void spa_reply_transcript(
	const struct spa_reply *r, struct span request, uint8_t to[SPA_REPLY_TRANSCRIPT_LEN]);

/*
 * Seal a reply to the request h with ctx of that request and a fresh random nonce. Returns 320. r must be
 * what spa_reply_decode takes: a prekey only with a signature, an observed address of its family.
 */
size_t spa_reply_build(const struct spa_reply *r, const struct spa_header *h,
	const struct hpke_context *ctx, const uint8_t nonce[32], uint8_t to[SPA_SMALL_LEN]);

/*
 * Open and decode a reply to the request whose enc and context are given. SPA_OK, or the reason it is
 * not an answer to that request (ignore it then). Reserved bytes and padding must be zero; a prekey
 * without signature is refused (SPA_FLAGS). The signature is left to the caller.
 */
enum spa_reject spa_reply_open(struct span datagram, const uint8_t enc[HPKE_KEY_LEN],
	uint8_t suite_byte, const struct hpke_context *ctx, struct spa_reply *ret);

/* The plaintext of a reply, strictly; a step of spa_reply_open, exposed for tests and fuzzing. */
enum spa_reject spa_reply_decode(struct span inner, struct spa_reply *ret);

#endif
