#ifndef POSTERN_KNOCK_CIPHER_H
#define POSTERN_KNOCK_CIPHER_H

/*
 * Enciphered sequences, doc/protocol.md "Classic knocks": address, port, time and checksum under
 * Blowfish-CBC with a key made of a passphrase by MD5, one knock a byte on port_first + byte.
 *
 *   form       plaintext                             knocks   +random-iv
 *   compatible ip 4, port 1, time 1, checksum 1           8           16
 *   wide v4    ip 4, port 2, time 1, checksum 1          16           24
 *   wide v6    ip 16, port 2, time 1, checksum 1         24           32
 *
 * Nothing but redundancy authenticates. The chance that one window of knocks which nobody made from the
 * key is taken for a good one, before the address is compared:
 *
 *   compatible 2^-16 (one byte of padding, checksum); wide v4 2^-72; wide v6 2^-40
 *
 * The address must be the source's own unless third_party is on: 2^-48 in the compatible form, at up to
 * CIPHER_TRIES_8 windows a knock. With third_party on the compatible form takes noise about once in 1800
 * knocks, for an address and port that nobody chose; what follows is left to the list of services.
 *
 * An observer can play back a whole sequence from its source unless the accepted ones are remembered
 * (content). With random_iv an observer can moreover change the first block as he likes, by changing the
 * IV, which goes in the clear: in the compatible form that is everything, in the wide forms the IPv4
 * address, port and time. That is why content is the ciphertext without the IV, and why random_iv
 * without such a memory is worse than a fixed IV.
 *
 * Pure, and no allocation after cipher_new. A knock in the range costs 3 microseconds in the compatible
 * form, 30 in the dearest, on a machine of 2020 or so.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "knock/legacy.h"
#include "knock/track.h"

#define CIPHER_IV_LEN 8
#define CIPHER_CONTENT_MAX 24
#define CIPHER_PORTS_MAX 32
#define CIPHER_TIME_UNTIL_CLOSED 0
#define CIPHER_TIME_CLOSE 255

/* Windows that one knock may make us try: 1 + (n-1) + n(n-1)/2 for n knocks. Wide tries v4 and v6. */
#define CIPHER_TRIES_8 36
#define CIPHER_TRIES_16 136
#define CIPHER_TRIES_24 300
#define CIPHER_TRIES_32 528

struct cipher_how {
	struct span passphrase;    /* borrowed; without the end of the line */
	uint8_t iv[CIPHER_IV_LEN]; /* unused with random_iv */
	uint16_t port_first;       /* at most 65280 */
	uint32_t within_ms;        /* from the first knock of a window to the last */
	bool wide, random_iv, third_party;
};

struct cipher; /* holds the key schedule, not the passphrase */

/* l outlives the cipher. Needs no file, works in the sandbox. 0, -EINVAL (empty passphrase, ports),
 * -ENOTSUP, -ENOMEM; with *f. */
__attribute__((warn_unused_result)) int cipher_new(
	struct legacy *l, const struct cipher_how *how, struct cipher **ret, struct fault *f);
void cipher_free(struct cipher *c); /* wiped */

enum cipher_reject {
	CIPHER_OK = 0,
	CIPHER_OTHER,    /* the latest knock is on none of its ports */
	CIPHER_FEW,      /* not yet as many knocks as it takes */
	CIPHER_PADDING,  /* no window has the right padding */
	CIPHER_CHECKSUM, /* one has, but the checksum is wrong */
	CIPHER_ADDRESS,  /* one has both, but another address than the source's */
	CIPHER_TROUBLE,  /* OpenSSL failed */
	CIPHER_REJECT_COUNT,
};

const char *cipher_reject_name(enum cipher_reject reason);

struct cipher_wish {
	struct addr address;
	uint16_t port;
	uint8_t time;                        /* 0 until closed, 1..254 minutes, 255 close */
	uint8_t content[CIPHER_CONTENT_MAX]; /* the ciphertext, for the memory of accepted ones */
	size_t content_len;
};

/*
 * Read the window of knocks that the latest one ends, then those with one and with two knocks in between
 * left out, newest first: a spoofed packet or two do not kill an attempt. Knocks outside the 256 ports
 * are not looked at. The reason is that of the window that came farthest. *ret is written only with
 * CIPHER_OK; clear the track then.
 *
 * c is not const because the key schedule is OpenSSL's; nothing of one call shows in the next.
 */
enum cipher_reject cipher_read(struct cipher *c, const struct track *t, struct cipher_wish *ret);

/*
 * The knocks for w (address, port, time): ports in their order. iv: 8 random bytes, used with random_iv
 * only. The form follows from wide and the address. 0; -EINVAL when the form cannot say it (IPv6 or a
 * port above 255 without wide, port 0), -EIO when OpenSSL failed.
 */
__attribute__((warn_unused_result)) int cipher_write(struct cipher *c, const struct cipher_wish *w,
	const uint8_t iv[CIPHER_IV_LEN], uint16_t ret[CIPHER_PORTS_MAX], size_t *ret_count);

#endif
