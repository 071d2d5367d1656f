#ifndef POSTERN_DAEMON_ANNOUNCE_H
#define POSTERN_DAEMON_ANNOUNCE_H

/*
 * Records of the journal, told to the log of the machine as well: to journald in its native protocol, a
 * field for each fact, or to syslog as one line of words. Only what the journal has: packets of strangers
 * are never here.
 */

#include <stdint.h>

#include "base/file.h"
#include "base/span.h"
#include "config/config.h"
#include "store/store.h"

#define ANNOUNCE_LEN_MAX 4096

struct announcer {
	enum config_journal_log to;
	int fd;        /* -1: nowhere */
	uint64_t lost; /* records that the log did not take */
};

/* Connect, before the sandbox. 0 or -errno with *f; then nothing is told. */
__attribute__((warn_unused_result)) int announce_open(
	enum config_journal_log to, struct announcer *ret, struct fault *f);
void announce_close(struct announcer *a);

/* Tell it and go on, whether it is heard or not. */
void announce(struct announcer *a, const struct store_record *r);

/* The datagrams themselves; at is the time of a line, in the form that syslog wants. Return the length. */
size_t announce_encode_journald(const struct store_record *r, uint8_t to[ANNOUNCE_LEN_MAX]);
size_t announce_encode_syslog(
	const struct store_record *r, const char *at, uint8_t to[ANNOUNCE_LEN_MAX]);

#endif
