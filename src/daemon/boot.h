#ifndef POSTERN_DAEMON_BOOT_H
#define POSTERN_DAEMON_BOOT_H

/*
 * Everything the daemon needs to know before it starts a process: configuration, directory, trust,
 * policy and server keys, loaded and checked together. Loaded by the monitor (root); a child has a copy by fork, and
 * a process that must not hold the keys wipes its copy first.
 */

#include "config/config.h"
#include "daemon/classic_keys.h"
#include "daemon/keys.h"
#include "daemon/relay_keys.h"
#include "identity/directory.h"
#include "identity/trust.h"
#include "policy/policy.h"

struct boot {
	struct config *config;
	struct directory *directory;
	struct policy *policy;
	struct trust *trust; /* whose certificates are believed; NULL: nobody's */
	struct server_keys *keys;
	struct classic_keys *classic; /* of classic knocks */
	struct relay_keys *relay;     /* of the relay process; NULL: no passthru encrypts */
	char warning[FAULT_MAX]; /* something worth saying that does not stop us; "" for nothing */
};

/* Load everything that path names. NULL with at least one mistake in r. */
struct boot *boot_load(const char *path, struct config_report *r);
void boot_free(struct boot *b);

/* Wipe the server's private keys and those in the configuration, in a process that must not have them. */
void boot_forget_keys(struct boot *b);

/* The same of the relay's key alone, which the knock process has no use for. */
void boot_forget_relay(struct boot *b);

#endif
