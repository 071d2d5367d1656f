#ifndef POSTERN_CMD_SCHEME_H
#define POSTERN_CMD_SCHEME_H

/*
 * Knocks of the classic schemes, doc/protocol.md "Classic knocks": from what was asked to what is sent.
 * Nothing ever answers them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "cmd/exchange.h"
#include "cmd/knock_args.h"
#include "knock/fwknop.h"
#include "knock/sequence.h"

/* Where the knocks go, and the address they go from. */
struct scheme_route {
	struct exchange_peer peer; /* its port is not set */
	struct addr source;
};

/*
 * The first of the host's addresses to which there is a way. family: AF_INET, AF_INET6 or AF_UNSPEC. 0, or -errno with
 * *f.
 */
__attribute__((warn_unused_result)) int scheme_route_find(
	const char *host, int family, struct scheme_route *ret, struct fault *f);

#define SCHEME_KNOCKS_MAX 32

/* What is sent: ports in their order, or a text. Secret until it was sent: wipe it. */
struct scheme_plan {
	size_t count;
	struct sequence_step knocks[SCHEME_KNOCKS_MAX];
	struct fwknop_text text; /* of scheme fwknop; else empty */
	unsigned left;           /* of a pad or a one-time file, after this one */
	bool has_left;
};

/* What a plan is made of besides the options. */
struct scheme_world {
	const struct scheme_route *route; /* NULL: the host was not looked up */
	uint64_t wall_ms;
};

/* Does the plan depend on the way to the host? */
bool scheme_needs_route(const struct knock_args *a);

/*
 * Make the plan. What works only once is used up on disk before this returns 0, unless it is a dry run.
 * 0, or -errno with *f.
 */
__attribute__((warn_unused_result)) int scheme_plan_make(const struct knock_args *a,
	const struct scheme_world *w, struct scheme_plan *ret, struct fault *f);

/* The parts of scheme_plan_make. allow: whom to open for; zero where the server observes it. */
__attribute__((warn_unused_result)) int scheme_sequence(
	const struct knock_args *a, struct scheme_plan *ret, struct fault *f);
__attribute__((warn_unused_result)) int scheme_structured(
	const struct knock_args *a, struct scheme_plan *ret, struct fault *f);
__attribute__((warn_unused_result)) int scheme_cipher(const struct knock_args *a,
	const struct addr *allow, struct scheme_plan *ret, struct fault *f);
__attribute__((warn_unused_result)) int scheme_tagged(const struct knock_args *a,
	const struct addr *allow, uint64_t wall_ms, struct scheme_plan *ret, struct fault *f);
__attribute__((warn_unused_result)) int scheme_fwknop(const struct knock_args *a,
	const struct addr *allow, uint64_t wall_ms, struct scheme_plan *ret, struct fault *f);

/* "966 914 100:udp": one line for --dry-run, or the text. malloc'd; NULL without memory. */
char *scheme_plan_format(const struct scheme_plan *p);

/*
 * Send the plan. TCP: one SYN each, of a socket that is closed at once, so that it is not sent again; UDP:
 * one zero byte. A text goes as the carrier has it. 0, or -errno with *f; some knocks may have been sent
 * then.
 */
__attribute__((warn_unused_result)) int scheme_send(const struct knock_args *a,
	const struct scheme_route *r, const struct scheme_plan *p, struct fault *f);

/*
 * Try to connect to a TCP port again and again until it opens, at most timeout_ms. Returns a non-blocking
 * socket the caller closes, or -ETIMEDOUT.
 */
__attribute__((warn_unused_result)) int scheme_wait(
	const struct scheme_route *r, uint16_t port, unsigned timeout_ms);

/* knock and close in a classic scheme, whole. Returns an exit code. */
int scheme_knock(const struct knock_args *a);

/* The knocks of connect; then the way to the service. EXIT_DONE, or another exit code after saying why. */
int scheme_open(const struct knock_args *a, struct scheme_route *ret);

#endif
