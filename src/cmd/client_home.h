#ifndef POSTERN_CMD_CLIENT_HOME_H
#define POSTERN_CMD_CLIENT_HOME_H

/*
 * Where a client keeps its files: cards, the ID and trust files in the client folder ($POSTERN_HOME, else
 * $XDG_CONFIG_HOME/postern, else ~/.config/postern), what it remembers of servers in the state folder
 * ($XDG_STATE_HOME/postern, else ~/.local/state/postern). root falls back on what setup left in
 * /etc/postern.
 */

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"

struct client_files {
	char card[PATH_MAX];
	char id[PATH_MAX];
	bool is_nickname; /* the card was found under the name HOST.card: it may name the real host */
};

/*
 * The card for host and the ID, as named by an option (NULL: look for it). 0, or -ENOENT (-ENAMETOOLONG,
 * -EEXIST for two cards of one host) with *f saying where was looked and what to do.
 */
__attribute__((warn_unused_result)) int client_home_find(const char *host, const char *card,
	const char *id, struct client_files *ret, struct fault *f);

/* The ID alone, where client_home_find looks for it. As that. */
__attribute__((warn_unused_result)) int client_home_id(char to[PATH_MAX], struct fault *f);

/* The folder of trust files; made (0700) when is_made. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int client_home_trust(
	bool is_made, char to[PATH_MAX], struct fault *f);

/* The file of profiles; its folder made (0700) when is_made. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int client_home_profiles(
	bool is_made, char to[PATH_MAX], struct fault *f);

/*
 * The state file of one server; its folders are made (0700) when is_made. 0 or -errno with *f.
 */
__attribute__((warn_unused_result)) int client_home_state(
	const uint8_t sid[32], bool is_made, char to[PATH_MAX], struct fault *f);

#endif
