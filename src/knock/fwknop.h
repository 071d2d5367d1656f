#ifndef POSTERN_KNOCK_FWKNOP_H
#define POSTERN_KNOCK_FWKNOP_H

/*
 * The single packets of fwknop, protocol version 3.0.0, symmetric, with a MAC: doc/protocol.md "Classic
 * knocks", "fwknop packets". Two steps, so that who sees packets needs no key: fwknop_text_take finds the
 * text in a payload, fwknop_read authenticates it, decrypts it and reads its fields, in this order.
 * Without a MAC there is no reading, and nothing is decrypted before the MAC was compared.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "config/config.h"

#define FWKNOP_TEXT_MIN 140
#define FWKNOP_TEXT_MAX 1500
#define FWKNOP_KEY_MAX 32
#define FWKNOP_HMAC_KEY_MAX 128
#define FWKNOP_USER_MAX 48
#define FWKNOP_HOST_MAX 254
#define FWKNOP_ACCESS_MAX 16
#define FWKNOP_TIMEOUT_MAX 65536
#define FWKNOP_SALT_LEN 8
#define FWKNOP_RANDOM_LEN 16
#define FWKNOP_REPLAY_LEN 32

/* Why a payload is not a knock for us; the order is that of the checks. */
enum fwknop_reject {
	FWKNOP_OK = 0,
	FWKNOP_CARRIER,  /* begins like an HTTP request, but is not one that carries a text */
	FWKNOP_LENGTH,   /* the text is shorter than 140 or longer than 1500 characters */
	FWKNOP_ALPHABET, /* a character that base64 does not have, or padding */
	FWKNOP_PREFIX,   /* begins with what a sender strips off */
	FWKNOP_GPG,      /* as long as only a text made with OpenPGP is: not offered */
	FWKNOP_MAC,      /* of none of the keys */
	FWKNOP_BASE64,   /* not the one way to write these bytes */
	FWKNOP_CIPHER,   /* no salt in front, or not whole blocks */
	FWKNOP_PADDING,  /* another encryption key or mode */
	FWKNOP_PLAIN,    /* plaintext too short, too long or not printable */
	FWKNOP_DIGEST,
	FWKNOP_FIELDS, /* too few or too many */
	FWKNOP_RANDOM,
	FWKNOP_USER,
	FWKNOP_TIME,
	FWKNOP_VERSION,
	FWKNOP_TYPE,
	FWKNOP_COMMAND, /* type 0: commands are not run for anybody */
	FWKNOP_ACCESS,
	FWKNOP_NAT,
	FWKNOP_AUTH, /* the field for server authentication is not base64 */
	FWKNOP_TIMEOUT,
	FWKNOP_AGE,     /* sent too long ago, or in the future */
	FWKNOP_CLAIMED, /* claims another user name than the one required */
	FWKNOP_REJECT_COUNT,
};

const char *fwknop_reject_name(enum fwknop_reject reason); /* "mac", for counters and --read */

enum fwknop_carrier { FWKNOP_BY_UDP, FWKNOP_BY_TCP, FWKNOP_BY_ICMP };

/* A text as it is on the wire, in the alphabet with + and /. Nothing of it is authenticated yet. */
struct fwknop_text {
	size_t len;
	char text[FWKNOP_TEXT_MAX];
};

/*
 * Find the text in a payload: the payload itself, or, by TCP, the target of an HTTP GET request in either
 * form ("/TEXT", "http://HOST/TEXT"), in which - and _ stand for + and /. The headers of such a request
 * are not read. ret is written only when FWKNOP_OK is returned. Pure.
 */
enum fwknop_reject fwknop_text_take(
	enum fwknop_carrier carrier, struct span payload, struct fwknop_text *ret);

/* The secrets of a stanza; wipe with sodium_memzero. */
struct fwknop_secret {
	size_t key_len; /* 1..FWKNOP_KEY_MAX */
	uint8_t key[FWKNOP_KEY_MAX];
	size_t hmac_key_len; /* 1..FWKNOP_HMAC_KEY_MAX */
	uint8_t hmac_key[FWKNOP_HMAC_KEY_MAX];
};

/*
 * Both keys from base64, with or without padding; the lines KEY or KEY_BASE64 and HMAC_KEY or
 * HMAC_KEY_BASE64 of a key file, in which empty lines and lines beginning with # are skipped and a ; may
 * end a line. False with a sentence that begins without a file name; then nothing is left in *ret.
 */
__attribute__((warn_unused_result)) bool fwknop_secret_from_base64(
	const char *key, const char *hmac_key, struct fwknop_secret *ret, struct fault *f);
__attribute__((warn_unused_result)) bool fwknop_secret_parse(
	struct span text, struct fwknop_secret *ret, struct fault *f);

/* What one stanza says. */
struct fwknop_settings {
	const struct fwknop_secret *secret;
	enum config_hmac hmac;
	enum config_aes mode;
	const char *user;   /* that must be claimed; borrowed for the life of the key; NULL: any */
	uint32_t max_age_s; /* the clocks of both ends may be so far apart */
};

/* Keys and the contexts to use them with; the secret is copied, and wiped at the end. */
struct fwknop_key;

/* NULL with a sentence: a mode that is not offered, a key's length, or no memory. */
struct fwknop_key *fwknop_key_new(const struct fwknop_settings *s, struct fault *f);
void fwknop_key_free(struct fwknop_key *k);

enum fwknop_type {
	FWKNOP_TYPE_COMMAND = 0, /* is never accepted and never written */
	FWKNOP_TYPE_ACCESS = 1,
	FWKNOP_TYPE_NAT = 2,
	FWKNOP_TYPE_ACCESS_TIMEOUT = 3,
	FWKNOP_TYPE_NAT_TIMEOUT = 4,
	FWKNOP_TYPE_LOCAL_NAT = 5,
	FWKNOP_TYPE_LOCAL_NAT_TIMEOUT = 6,
};

/* A port that is asked for. */
struct fwknop_access {
	uint8_t proto; /* IPPROTO_TCP, IPPROTO_UDP, IPPROTO_ICMP, or 0: "none" */
	uint16_t port; /* never 0 */
};

struct fwknop_message {
	enum fwknop_type type;
	uint32_t time_s; /* since 1970, as the sender's clock has it */
	char user[FWKNOP_USER_MAX + 1];
	struct addr address; /* IPv4; zero: whoever sends this */
	size_t access_count; /* 1..FWKNOP_ACCESS_MAX */
	struct fwknop_access accesses[FWKNOP_ACCESS_MAX];
	char nat_host[FWKNOP_HOST_MAX + 1]; /* types 2, 4, 5, 6: name or IPv4 address; else empty */
	uint16_t nat_port;                  /* of these types never 0 */
	uint32_t timeout_s;                 /* types 3, 4, 6 */

	/* Of a message that was read: */
	size_t key;                        /* index of the key that authenticated it */
	uint8_t replay[FWKNOP_REPLAY_LEN]; /* what must never be accepted a second time */
};

/*
 * Read a text with the first of the keys that authenticates it and takes all of it; when none takes it,
 * the reason is that of the first key that authenticates it, or FWKNOP_MAC (or FWKNOP_GPG). The
 * caller looks whether ret->replay is new: it is SHA-256 of the authenticated characters, so another
 * spelling of the same message would have the same. now_s: wall time. ret is written only when FWKNOP_OK
 * is returned. The keys' contexts are used, so one thread at a time. A text that no key authenticates makes
 * nothing allocate where the MAC is of SHA-256 or SHA-512; OpenSSL 3.0 takes about a hundred bytes for
 * each other hash, and gives them back before this returns.
 */
enum fwknop_reject fwknop_read(struct fwknop_key *const *keys, size_t count,
	const struct fwknop_text *text, uint64_t now_s, struct fwknop_message *ret);

/* Does this key authenticate the text? FWKNOP_OK, FWKNOP_GPG or FWKNOP_MAC: the first step of fwknop_read. */
enum fwknop_reject fwknop_authenticate(struct fwknop_key *k, const struct fwknop_text *text);

/*
 * The plaintext after its digest field was checked and cut off with its colon: a step of fwknop_read,
 * exposed for tests and fuzzing. key, replay are left zero. ret is written only when FWKNOP_OK is returned.
 */
enum fwknop_reject fwknop_fields_decode(struct span fields, struct fwknop_message *ret);

/* What is random in a packet, and the hash of its digest field. */
struct fwknop_dice {
	uint8_t random[FWKNOP_RANDOM_LEN]; /* a digit is made of each */
	uint8_t salt[FWKNOP_SALT_LEN];
	enum config_hmac digest; /* CONFIG_HMAC_SHA256 is what everybody sends */
};

/*
 * Write the text that asks for m (type, time_s, user, address, accesses, nat, timeout_s). False when m is
 * not what fwknop_read would take, or too long for an AES text: then *ret is zero.
 */
__attribute__((warn_unused_result)) bool fwknop_write(struct fwknop_key *k,
	const struct fwknop_message *m, const struct fwknop_dice *dice, struct fwknop_text *ret);

/*
 * The HTTP request that carries a text to host: sent to it, or through a proxy (absolute form). Returns its
 * length, or 0 when it does not fit or host has a character that host names and addresses have not.
 */
#define FWKNOP_HTTP_MAX 2048
size_t fwknop_http(
	const struct fwknop_text *text, const char *host, bool by_proxy, char to[FWKNOP_HTTP_MAX]);

#endif
