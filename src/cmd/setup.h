#ifndef POSTERN_CMD_SETUP_H
#define POSTERN_CMD_SETUP_H

/* What a first server is made of, decided before anything is made. */

#include <limits.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "identity/name.h"

#define SETUP_GUARDS_MAX 32
#define SETUP_HOST_MAX 253
#define SETUP_KNOCK_PORT 62201
#define SETUP_PASSTHRUS_MAX 16
#define SETUP_INNERS_MAX 16
#define SETUP_TO_MAX (SETUP_HOST_MAX + 8)

struct setup_guard {
	uint8_t proto;
	uint16_t port;
	char name[64];
};

/* A port of an edge from which people are let through to another machine. */
struct setup_passthru {
	struct setup_guard at;
	char to[SETUP_TO_MAX + 1];
};

/* A certifier of an inner organisation that the organisation of an edge trusts. */
struct setup_inner {
	struct name name;
	uint8_t pk[32];
	char fingerprint[80];
	char file[NAME_MAX + 1]; /* of the cross-certificate, in folder/trust */
};

/* Where the key that opens server.id is kept. */
enum setup_key {
	SETUP_KEY_FILE,       /* server.key beside it */
	SETUP_KEY_CREDENTIAL, /* systemd passes it on; a file to be encrypted for it is written */
	SETUP_KEY_ELSEWHERE,  /* a path somebody named: a stick, a mount */
};

#define SETUP_CREDENTIAL "postern-server-key"
#define SETUP_CREDENTIAL_FILE "server.cred.key"

struct setup_plan {
	struct name organisation;
	bool has_unit;
	struct name unit; /* the certifier of people and servers: the organisation without a unit */
	struct name server;
	struct name admin;
	size_t guard_count;
	struct setup_guard guards[SETUP_GUARDS_MAX];
	char folder[PATH_MAX]; /* absolute */
	char apart[PATH_MAX];  /* where what certifies, and people's IDs go: with is_edge
					  * a folder that does not stay on the machine, else folder */
	bool is_edge;          /* lets people of inner organisations through */
	size_t inner_count;
	struct setup_inner inners[SETUP_INNERS_MAX];
	size_t passthru_count;
	struct setup_passthru passthrus[SETUP_PASSTHRUS_MAX];
	char trust[NAME_VALUE_MAX + 16]; /* file name in folder/trust */
	char interface[IF_NAMESIZE];
	char host[SETUP_HOST_MAX + 1];
	const char *user; /* of the knock process */
	bool is_user_own; /* a user made for postern, not shared with others */
	enum setup_key key;
	const char *key_path; /* SETUP_KEY_ELSEWHERE: absolute, borrowed */
	bool is_stealth;      /* cards hold a secret, without which the server hears nobody */
	uint32_t mem_kib;
	uint64_t now_ms;
};

/* "tcp/22=ssh". 0, or -EINVAL with *f. Pure. */
__attribute__((warn_unused_result)) int setup_guard_parse(
	const char *text, struct setup_guard *ret, struct fault *f);

/* "tcp/1352=notes=mail.inner:1352". 0, or -EINVAL with *f. Pure. */
__attribute__((warn_unused_result)) int setup_passthru_parse(
	const char *text, struct setup_passthru *ret, struct fault *f);

/*
 * Add the certifier whose certificate is the first in a PEM file. 0, or -errno with *f: -EDOM when it is none,
 * is of the edge's own organisation, ended or was added already.
 */
__attribute__((warn_unused_result)) int setup_inner_read(
	const char *path, struct setup_plan *p, struct fault *f);

/* Does folder a lie in folder b, or is it the same? Both absolute; those that are there are followed. */
bool setup_is_within(const char *a, const char *b);

/* postern.conf for the plan, malloc'd, or NULL. Pure. */
char *setup_config_format(const struct setup_plan *p);

/*
 * Carry a plan out: passwords, keys, certificates, files, report. password_file: line 1 the certifier's
 * password, line 2 the administrator's; NULL: asked for. Returns an exit code; nothing is written unless
 * it is EXIT_DONE.
 */
int setup_make(const struct setup_plan *p, const char *password_file);

/* A value made fit for a file name: letters, digits, . _ - and bytes above ASCII stay, others become '-'. */
void setup_file_name(const char *value, size_t len, const char *suffix, char *to, size_t cap);

#endif
