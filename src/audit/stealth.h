#ifndef POSTERN_AUDIT_STEALTH_H
#define POSTERN_AUDIT_STEALTH_H

/*
 * What a stranger sees of ports that should not be seen: connect() for TCP, datagrams for UDP, and the
 * kernel's error queue for ICMP. Needs no privilege. Silence is said only after several tries with a pause
 * between; ports that nobody uses are tried as well, for a silence that stands out is none.
 */

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "audit/facts.h"
#include "base/addr.h"
#include "base/span.h"

#define AUDIT_STEALTH_PORTS_MAX 1024 /* of one address */
#define AUDIT_STEALTH_OTHERS 3       /* ports for comparison, of each kind */

enum audit_sight {
	AUDIT_SIGHT_SILENT,      /* nothing came back */
	AUDIT_SIGHT_OPEN,        /* TCP: a connection; UDP: an answer */
	AUDIT_SIGHT_REFUSES,     /* TCP: a reset; UDP: ICMP port unreachable of the host itself */
	AUDIT_SIGHT_UNREACHABLE, /* any other ICMP error: a filter, or a router on the way */
	AUDIT_SIGHT_FAILED,      /* could not be tried from here: error says why */
	AUDIT_SIGHT_COUNT,
};
const char *audit_sight_name(enum audit_sight s);

struct audit_stealth_port {
	uint16_t port;
	bool is_udp;
	bool is_other; /* for comparison */
	enum audit_sight sight;
	unsigned tries; /* packets that got no answer */
	int error;      /* FAILED: errno */
	bool has_icmp;
	uint8_t icmp_type, icmp_code;
	struct addr icmp_from;
	uint8_t ttl; /* of an answer, as it arrived; 0: not seen */
	uint32_t rtt_us;
};

struct audit_stealth_options {
	uint32_t
		wait_ms; /* of one round; default 2500: a lost SYN is sent again after one second */
	unsigned rounds; /* default 2 */
	unsigned at_once; /* default 128 sockets */
};

/* Fill the ports; returns 0 or -errno when nothing could be tried at all. Takes up to rounds * wait_ms. */
__attribute__((warn_unused_result)) int audit_stealth_look(const struct addr *to,
	struct audit_stealth_port *ports, size_t count, const struct audit_stealth_options *o);

struct audit_stealth_view {
	struct addr addr;
	size_t port_count;
	struct audit_stealth_port ports[AUDIT_STEALTH_PORTS_MAX];
};

/* Ports for comparison behind those that are there: high ones that are not in the list, by seed. Pure. */
void audit_stealth_add_others(struct audit_stealth_view *v, uint32_t seed);

struct audit_stealth_verdict {
	size_t counts[AUDIT_SIGHT_COUNT]; /* of the ports asked about */
	bool is_silent;                   /* every one of them */
	bool is_untried;                  /* some could not be tried */
	enum audit_answer
		stands_out; /* silent ports among others that answer; UNKNOWN: nothing is silent */
};

/* Pure. */
struct audit_stealth_verdict audit_stealth_judge(const struct audit_stealth_view *v);

/* One sentence a port: "tcp/22: silent after 4 tries". Returns to. */
const char *audit_stealth_text(const struct audit_stealth_port *p, char to[256]);

#define AUDIT_STEALTH_NAMES_MAX 64

/* What the certificate of a port that is public gives away: the names in it, printable. */
struct audit_stealth_names {
	uint16_t port;
	size_t count;
	char names[AUDIT_STEALTH_NAMES_MAX][AUDIT_HOST_MAX + 1];
};

/* One whole handshake with each target, all at once; fills names[i] of targets[i]. 0 or -ENOMEM. */
__attribute__((warn_unused_result)) int audit_stealth_read_names(
	const struct audit_target *targets, size_t count, struct audit_stealth_names *names);

/* The names of one certificate. Pure. */
void audit_stealth_names_of(struct span der, struct audit_stealth_names *ret);

/* For people, and for programs (a new reference, NULL without memory). host: as it was given. */
void audit_stealth_print(FILE *out, const char *host, const struct audit_stealth_view *v);
json_t *audit_stealth_json(const char *host, const struct audit_stealth_view *v);

#endif
