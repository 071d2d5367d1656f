#ifndef POSTERN_DAEMON_RELAY_KEYS_H
#define POSTERN_DAEMON_RELAY_KEYS_H

/*
 * Who the relay process is: a key of its own, certified under the name of the server, so that a client
 * finds the name of its card there, and the process that talks TLS to strangers does not hold the key that
 * knocks are sealed to. Loaded at boot, wiped when freed.
 */

#include "daemon/keys.h"
#include "relay/message.h"

struct relay_keys {
	uint8_t seed[32];      /* Ed25519; secret */
	uint64_t not_after_ms; /* of its certificates, the least */
	size_t chain_len;
	uint8_t chain[RELAY_CHAIN_MAX]; /* DER, leaf first, without the organisation */
};

/* Does a passthru of c need them? */
bool relay_keys_are_needed(const struct config *c);

/*
 * Unlock relay-id of c and check it beside the server's own keys and trust: the same name, another key, and
 * certificates that lead to somebody whom the server itself trusts. One that has expired is loaded all the
 * same: clients will not have it, but the ports that it has nothing to do with must open. The caller frees;
 * NULL with *f.
 */
struct relay_keys *relay_keys_load(const struct config *c, const struct server_keys *server,
	const struct trust *trust, uint64_t wall_ms, struct fault *f);
void relay_keys_free(struct relay_keys *k);

#endif
