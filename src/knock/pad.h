#ifndef POSTERN_KNOCK_PAD_H
#define POSTERN_KNOCK_PAD_H

/*
 * Sequences under a one-time pad, doc/protocol.md "Classic knocks". Each message uses 40 bytes of the
 * pad up: 8 hide the plaintext (IPv4 address, port 2, time, checksum), 32 are the key of a Poly1305 tag,
 * cut to 8 bytes. 16 knocks, one a byte, on port_first + byte.
 *
 * An IPv6 source writes four zero bytes for its address, and the tag is made over the 8 bytes and then
 * its 16: it can ask for itself alone. An IPv4 source's tag is over the 8 bytes.
 *
 * A forged window passes with 2^-64 for each tag that is computed: for a window with a wrong checksum
 * none is, so for noise about 34 of at most 136 * 64 a knock, which takes 20 microseconds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "knock/track.h"

#define PAD_MASK_LEN 8
#define PAD_KEY_LEN 32
#define PAD_MESSAGE_LEN (PAD_MASK_LEN + PAD_KEY_LEN)
#define PAD_KNOCKS 16
#define PAD_AHEAD 64 /* messages that the server looks ahead */
#define PAD_MESSAGES_MAX 100000

/* Bytes of the pad for one message. Secret: its owner wipes it. */
struct pad_message {
	uint8_t mask[PAD_MASK_LEN];
	uint8_t key[PAD_KEY_LEN];
};

struct pad_how {
	uint16_t port_first; /* at most 65280 */
	uint32_t within_ms;  /* from the first knock of a window to the last */
	bool third_party;    /* IPv4 sources only */
};

struct pad_wish {
	size_t index; /* of the message among those ahead; written by pad_read alone */
	struct addr address;
	uint16_t port;
	uint8_t time;                /* 0 until closed, 1..254 minutes, 255 close */
	uint8_t content[PAD_KNOCKS]; /* for the memory of accepted ones; by pad_read alone */
};

enum pad_reject {
	PAD_OK = 0,
	PAD_OTHER,   /* the latest knock is on none of its ports */
	PAD_FEW,     /* not yet sixteen knocks */
	PAD_TAG,     /* no window is of any message ahead */
	PAD_ADDRESS, /* one is, but for another address than the source's */
	PAD_SPENT,   /* no message is left */
	PAD_REJECT_COUNT,
};

const char *pad_reject_name(enum pad_reject reason);

/* True when m was overwritten, wholly or in part (a message has no eight zero bytes in a row, at a
 * multiple of eight): nothing is accepted under it. */
bool pad_is_spent(const struct pad_message *m);

/*
 * Read the 16 knocks that the latest one ends, also with up to two in between left out, under each of the
 * count messages ahead (at most PAD_AHEAD). *ret is written only with PAD_OK. Pure.
 */
enum pad_reject pad_read(const struct pad_message *ahead, size_t count, const struct pad_how *how,
	const struct track *t, struct pad_wish *ret);

/* The knocks for w (address, port, time) under m. address: IPv4, or the IPv6 address that the knocks will
 * come from. */
void pad_write(const struct pad_message *m, const struct pad_wish *w, uint16_t port_first,
	uint16_t ret[PAD_KNOCKS]);

/*
 * ---- pad_file.c: the two copies. A header, then the messages. A message that was overwritten is used up,
 * and so are all before it: there is no counter that could be wrong.
 *
 *   0 magic 12 "postern pad\n", 12 version u8 = 1, 13 role u8, 14 zero 2, 16 messages u32, 20 pad id 16,
 *   36 BLAKE2b-224 of all that 28
 */

#define PAD_HEADER_LEN 64
#define PAD_ID_LEN 16

enum pad_role { PAD_SERVER = 1, PAD_CLIENT = 2 };

struct pad_header {
	enum pad_role role;
	uint32_t messages; /* 1..PAD_MESSAGES_MAX */
	uint8_t id[PAD_ID_LEN];
};

void pad_header_encode(const struct pad_header *h, uint8_t to[PAD_HEADER_LEN]);

/* False (ret untouched) for anything that pad_header_encode does not write. Pure. */
bool pad_header_decode(struct span s, struct pad_header *ret);

/*
 * Make the two copies of a new pad, mode 0600; neither may exist. messages:
 * 1..PAD_MESSAGES_MAX. 0 or -errno with *f; the server's is removed again when the client's cannot be
 * made.
 */
__attribute__((warn_unused_result)) int pad_make(
	const char *server_path, const char *client_path, uint32_t messages, struct fault *f);

struct pad; /* the server's: a descriptor, and the next PAD_AHEAD messages in memory */

/*
 * Open the server's copy for reading and writing, before the sandbox. What stands before the first
 * message that may still be used is wiped again. 0; -EPERM (others may read it), -EBADMSG (no pad, the
 * client's copy, damaged), or another -errno; with *f. A pad that is used up opens.
 */
__attribute__((warn_unused_result)) int pad_open(
	const char *path, struct pad **ret, struct fault *f);

/* The same of a descriptor that somebody opened for both; fd is ours from the call on, whatever comes of
 * it. path is for the sentence. */
__attribute__((warn_unused_result)) int pad_adopt(
	int fd, const char *path, struct pad **ret, struct fault *f);
void pad_close(struct pad *p);        /* NULL is fine; memory is wiped */
size_t pad_left(const struct pad *p); /* messages; those skipped over do not come back */

/* pad_read over the messages ahead of p. */
enum pad_reject pad_find(const struct pad *p, const struct pad_how *how, const struct track *t,
	struct pad_wish *ret);

/*
 * Use up message index of pad_find, and all before it: their bytes are overwritten on disk before this
 * returns 0, and only then may a gate open. -EALREADY: another process has used it up meanwhile. After
 * any other -errno the message may or may not be used up on disk; in memory it is. Uses pread, pwrite
 * and fdatasync only.
 */
__attribute__((warn_unused_result)) int pad_spend(struct pad *p, size_t index);

/*
 * Take the next message of the client's copy: it is overwritten on disk before it is given out, so no
 * crash makes it go out twice. *ret_left: messages that are left. 0; -ENODATA: all are used; else as
 * pad_open. Two at the same time wait for each other.
 */
__attribute__((warn_unused_result)) int pad_take(
	const char *path, struct pad_message *ret, uint32_t *ret_left, struct fault *f);

#endif
