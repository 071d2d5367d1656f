#ifndef POSTERN_DAEMON_KEYS_H
#define POSTERN_DAEMON_KEYS_H

/*
 * The server's private keys: identity (Ed25519), prekey 0 (X25519, from the ID file), rotating prekeys
 * (made here, kept in the store, erased 48 h after their end), pre-shared keys, and the secret that keys
 * cookies. Wiped when freed.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/anchors.h"
#include "knock/prekey.h"
#include "knock/spa.h"
#include "store/store.h"

#define KEYS_STEALTH_LEN 32
#define KEYS_ROTATING_MAX 8
#define KEYS_ROTATE_MS (24ull * 3600 * 1000)
#define KEYS_KEEP_MS (48ull * 3600 * 1000)

struct server_prekey {
	struct hpke_secret sk;
	struct prekey record; /* signed */
};

struct server_keys {
	char name[CARD_NAME_MAX + 1];
	uint64_t not_after_ms;  /* of the server's certificate; UINT64_MAX when it has none */
	struct anchors_own own; /* public: the certificates of the ID file */
	uint8_t sid[SPA_SID_LEN];
	uint8_t cookie_secret[KEYS_STEALTH_LEN]; /* the stealth secret, or sid */
	uint8_t pk[32];
	uint8_t sk[64];
	struct server_prekey fallback; /* id 0 */
	size_t rotating_count;
	struct server_prekey rotating[KEYS_ROTATING_MAX]; /* oldest first */
	size_t psk_count;
	struct {
		uint8_t slot;
		uint8_t key[HPKE_PSK_LEN];
	} psks[15];
};

/*
 * Unlock the server ID at id_path with the raw key that the file key_path holds ("credential:NAME": the file
 * NAME in $CREDENTIALS_DIRECTORY), and read the stealth secret at stealth_path unless that is NULL. Returns
 * keys the caller frees, or NULL with *f.
 */
struct server_keys *keys_load(
	const char *id_path, const char *key_path, const char *stealth_path, struct fault *f);
void keys_free(struct server_keys *k);

/* An ID file, and the option of the configuration that names its key file. */
struct keys_source {
	const char *id_path;
	const char *key_path; /* as in keys_load; NULL: none is named, a mistake */
	const char *key_option;
};

/* Read it and unlock it into *ret, which the caller wipes also on failure. The caller's, or NULL with *f. */
struct idfile *keys_open(
	const struct keys_source *from, struct idfile_secrets *ret, struct fault *f);

/* The prekey that a request names (id and PSK slot), or NULL. */
const struct server_prekey *keys_find(const struct server_keys *k, uint8_t id);

/* The pre-shared key of a slot, or NULL. */
const uint8_t *keys_psk(const struct server_keys *k, uint8_t slot);

/* The newest prekey to offer at wall_ms; never NULL (prekey 0 when none rotates). */
const struct server_prekey *keys_newest(const struct server_keys *k, uint64_t wall_ms);

/* Read the rotating prekeys back from the store, without those past their end. */
__attribute__((warn_unused_result)) int keys_restore(
	struct server_keys *k, struct store *s, uint64_t wall_ms);

/*
 * Make a new rotating prekey when the newest has less than half of its day left (or more than two: the
 * clock was set back), and drop those past their keeping time. Returns 1 when one was made, 0 when nothing was due, or -errno of the store.
 */
__attribute__((warn_unused_result)) int keys_rotate(
	struct server_keys *k, struct store *s, uint64_t wall_ms);

#endif
