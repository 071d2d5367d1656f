#ifndef POSTERN_DAEMON_CLASSIC_H
#define POSTERN_DAEMON_CLASSIC_H

/*
 * Classic knocks, doc/protocol.md "Classic knocks": sightings of a door to wishes, which daemon/judge.h then
 * judges. Which formats look at a sighting is the configuration's; each of them is in knock/, and knows
 * neither names nor services nor what was accepted before. This does.
 *
 * Nothing is answered, and nothing that a stranger sends makes a line of the log or the journal: it is
 * counted by reason. No allocation once it is made.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/capture.h"
#include "daemon/boot.h"
#include "daemon/judge.h"
#include "store/store.h"

#define CLASSIC_WISHES_MAX 16 /* of one sighting */

/* Trouble with a file of sequences or a pad, in a sentence. */
typedef void classic_tell(void *arg, const char *text);

/* Does nobody listen on the port? */
typedef bool classic_is_closed(void *arg, uint8_t proto, uint16_t port);

struct classic_how {
	const struct boot *boot;
	struct store *store; /* NULL: no memory of what was accepted */
	bool is_offline;     /* files are not written to, and rates do not apply */
	classic_tell *tell;
	void *tell_arg;
	classic_is_closed *is_closed; /* NULL: every port is closed */
	void *closed_arg;
};

struct classic;

/*
 * Opens the files that are written to as they are used: with privilege, after a predecessor has let go of
 * them. All else is borrowed for its life. 0, or -errno with *f.
 */
__attribute__((warn_unused_result)) int classic_new(
	const struct classic_how *how, struct classic **ret, struct fault *f);
void classic_free(struct classic *x); /* NULL is fine; wiped */

/* Is the sighting for the classic knocks alone? Else it may be a datagram for spa. */
bool classic_owns(const struct classic *x, const struct sighting *s);

/*
 * Look at one sighting. Returns the wishes that it completes, *ret_count of them, valid until the next call:
 * what makes each of them work once (a line, a message of a pad) has been used up on disk. Accepted
 * before, as far as the store knows already, is counted and is no wish.
 */
const struct judge_wish *classic_seen(struct classic *x, const struct sighting *s, uint64_t wall_ms,
	uint64_t mono_ms, size_t *ret_count);

/* Counts, each under a name that never changes: "cipher-padding". Those of ignored knocks, of all doors. */
typedef void classic_count_fn(void *arg, const char *name, uint64_t n);
void classic_each_ignored(const struct classic *x, classic_count_fn *fn, void *arg);

/* What came at all: "knocks", "texts", "understood". */
void classic_each_seen(const struct classic *x, classic_count_fn *fn, void *arg);

#endif
