#ifndef POSTERN_DAEMON_RESEND_H
#define POSTERN_DAEMON_RESEND_H

/*
 * Memory of recent answers, so that a client whose answer got lost is answered again without anything
 * being decided again (doc/protocol.md section 4, step 8). Fixed size; the oldest of a few places is overwritten.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "knock/spa.h"
#include "store/store.h"

#define RESEND_TIMES 3

struct resend;

struct resend *resend_new(size_t slots, const uint8_t seed[16]);
void resend_free(struct resend *r);

/* Remember the answer given to the request with this replay key from this source. */
void resend_put(struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN], const struct addr *src,
	uint16_t src_port, const uint8_t reply[SPA_SMALL_LEN], uint64_t mono_ms);

enum resend_answer {
	RESEND_UNKNOWN, /* never answered (or long ago) */
	RESEND_AGAIN,   /* *ret_reply is to be sent once more */
	RESEND_SILENT,  /* answered before; another source, or often enough */
};

enum resend_answer resend_get(struct resend *r, const uint8_t key[STORE_REPLAY_KEY_LEN],
	const struct addr *src, uint64_t mono_ms, const uint8_t **ret_reply);

#endif
