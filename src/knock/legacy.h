#ifndef POSTERN_KNOCK_LEGACY_H
#define POSTERN_KNOCK_LEGACY_H

/*
 * The two old primitives that the classic knocks are made of: MD5 and Blowfish, by OpenSSL's default and
 * legacy providers in a library context of their own, which no configuration file of the system alters.
 * The legacy provider is a file that is loaded: legacy_open before the sandbox; all else works inside.
 * Blowfish allocates nothing when it is used; MD5 takes and returns one small context each time, which is
 * how OpenSSL begins a hash: the one exception on the path of a packet, and only with the MD5 of tagged
 * sequences. One thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "base/span.h"

#define LEGACY_MD5_LEN 16
#define LEGACY_BLOCK_LEN 8
#define LEGACY_BLOWFISH_KEY_LEN 56

struct legacy;
struct legacy_blowfish;

/*
 * Load both. A system without the legacy provider still has MD5: that is no failure here, but
 * legacy_blowfish_new will say so. 0 or -ENOMEM, -ENOTSUP with *f.
 */
__attribute__((warn_unused_result)) int legacy_open(struct legacy **ret, struct fault *f);
void legacy_close(struct legacy *l); /* after the ciphers made from it */

/* False only when OpenSSL fails; ret is then zeros. */
__attribute__((warn_unused_result)) bool legacy_md5(
	struct legacy *l, struct span s, uint8_t ret[LEGACY_MD5_LEN]);

/* RFC 2104 with MD5; a key of at most 64 bytes. */
__attribute__((warn_unused_result)) bool legacy_hmac_md5(
	struct legacy *l, struct span key, struct span s, uint8_t ret[LEGACY_MD5_LEN]);

/* Key schedule of both directions. 0, -ENOTSUP without the provider, -ENOMEM; with *f. */
__attribute__((warn_unused_result)) int legacy_blowfish_new(struct legacy *l,
	const uint8_t key[LEGACY_BLOWFISH_KEY_LEN], struct legacy_blowfish **ret, struct fault *f);
void legacy_blowfish_free(struct legacy_blowfish *b); /* wiped */

/* One block, no chaining. False only when OpenSSL fails. */
__attribute__((warn_unused_result)) bool legacy_blowfish_encrypt(struct legacy_blowfish *b,
	const uint8_t from[LEGACY_BLOCK_LEN], uint8_t to[LEGACY_BLOCK_LEN]);
__attribute__((warn_unused_result)) bool legacy_blowfish_decrypt(struct legacy_blowfish *b,
	const uint8_t from[LEGACY_BLOCK_LEN], uint8_t to[LEGACY_BLOCK_LEN]);

#endif
