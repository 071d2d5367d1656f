#ifndef POSTERN_DAEMON_CLASSIC_KEYS_H
#define POSTERN_DAEMON_CLASSIC_KEYS_H

/*
 * What the classic knocks of a configuration need before a process starts: passphrases, keys, and who is meant.
 * Loaded by root with all else (daemon/boot.h); a process that must not have it frees its copy.
 */

#include <stdint.h>

#include "config/config.h"
#include "identity/directory.h"
#include "knock/cipher.h"
#include "knock/fwknop.h"
#include "knock/legacy.h"
#include "knock/tagged.h"

/* Whose knock it is. */
struct classic_who {
	struct name name;
	const struct directory_entry
		*entry; /* borrowed; NULL: the directory does not list the name */
};

#define CLASSIC_ID_LEN 32

/* One of each for each block of a door, in their order. */
struct classic_door_keys {
	struct classic_who *sequences, *structured, *ciphers, *fwknops;
	struct cipher **cipher;               /* NULL where a pad is used */
	uint8_t (*cipher_id)[CLASSIC_ID_LEN]; /* names the key in the memory of replays */
	struct fwknop_key **fwknop;
	struct tagged_keys *tagged;           /* NULL: none */
	struct classic_who *tagged_who;       /* by slot */
	uint8_t (*tagged_id)[CLASSIC_ID_LEN]; /* by slot: names the key's counter */
};

struct classic_keys {
	const struct config *config; /* borrowed */
	struct legacy *legacy;
	struct classic_door_keys doors[CONFIG_DOORS_MAX];
	char warning
		[FAULT_MAX]; /* the first name of a file of keys that the directory does not list */
};

/* c and d are borrowed for its life. NULL with at least one mistake in r, which has all of them. Files that
 * are used up as they are used are only looked at. */
struct classic_keys *classic_keys_load(
	const struct config *c, const struct directory *d, struct config_report *r);
void classic_keys_free(struct classic_keys *k); /* wiped */

#endif
