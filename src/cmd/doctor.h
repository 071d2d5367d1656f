#ifndef POSTERN_CMD_DOCTOR_H
#define POSTERN_CMD_DOCTOR_H

/*
 * posternctl doctor: what stands between the owner of this machine and coming back to it. Every check adds
 * findings, each one sentence that says what is and, unless it is good, what to do. Nothing is changed.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "daemon/boot.h"

#define DOCTOR_NAMES_MAX 16

enum doctor_level { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

struct doctor_options {
	const char *socket, *config;
	bool is_json;
	size_t name_count;
	const char *names[DOCTOR_NAMES_MAX]; /* who wants to come back: --as */
};

struct doctor {
	const struct doctor_options *options;
	struct boot *boot; /* NULL: the configuration has mistakes, which were reported */
	json_t *status;    /* what the daemon says; NULL: none answers */
	uint64_t wall_ms;
	size_t counts[DOCTOR_FAIL + 1];
};

/* One finding. check is a word for programs. */
__attribute__((format(printf, 4, 5))) void doctor_note(
	struct doctor *d, enum doctor_level level, const char *check, const char *fmt, ...);

/* Returns an exit status: 0 when nothing failed, 1 otherwise. */
int doctor_run(const struct doctor_options *o);

/* The groups of checks, each in a file of its own. */
void doctor_way(struct doctor *d);     /* can I come back? */
void doctor_daemon(struct doctor *d);  /* processes, table, store, unit */
void doctor_network(struct doctor *d); /* interfaces and listening ports */
void doctor_rules(struct doctor *d);   /* the rule sets of others */
void doctor_dates(struct doctor *d);   /* clock, and what expires */
void doctor_kernel(struct doctor *d);  /* capabilities and features */

/* The session that this process belongs to, as its SSH_CONNECTION says, or that of a process above it: sudo
 * takes variables away. */
struct doctor_session {
	struct addr from;
	uint16_t port; /* of this machine */
};
bool doctor_session_find(struct doctor_session *ret);

/* "192.0.2.7 50014 198.51.100.1 22". Pure. */
bool doctor_session_parse(const char *text, struct doctor_session *ret);

/* A socket that waits for strangers. */
struct doctor_listener {
	uint8_t proto;
	bool is_v6;
	bool is_local; /* on a loopback address */
	uint16_t port;
};

/* One line of /proc/net/tcp, tcp6, udp or udp6; false when it is no listener. Pure. */
bool doctor_listener_parse(
	const char *line, uint8_t proto, bool is_v6, struct doctor_listener *ret);

/* All of them; *ret is malloc'd. Returns their number. */
size_t doctor_listeners(struct doctor_listener **ret);

/* What a new connection to this port would meet in the chains of others (libnftables' JSON). */
enum doctor_flow {
	DOCTOR_PASSES,
	DOCTOR_PASSES_SOME, /* dropped, unless an earlier rule that asks for more lets it in */
	DOCTOR_DROPPED,
};

/* where names the chain that drops. Pure. */
enum doctor_flow doctor_rules_judge(const json_t *ruleset, uint8_t proto, uint16_t port,
	const char *interface, char *where, size_t cap);

/* Does a rule of others set connection marks, or look at those of base (high 8 bits)? where says which. Pure. */
bool doctor_rules_marks(const json_t *ruleset, uint32_t base, char *where, size_t cap);

#endif
