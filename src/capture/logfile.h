#ifndef POSTERN_CAPTURE_LOGFILE_H
#define POSTERN_CAPTURE_LOGFILE_H

/*
 * A log file that is followed through descriptors that others open: it grows, is cut to nothing, or another
 * file takes its place. Fixed memory whatever the file holds, nothing is opened by name, nothing allocated
 * after capture_logfile_new.
 */

#include "capture/capture.h"
#include "capture/logline.h"

struct capture_logfile;

struct capture_log {
	uint16_t door;            /* put into every sighting */
	const char *interface;    /* where packets must have come in; NULL: anywhere */
	unsigned interface_index; /* put into every sighting; 0 where not known */
	struct capture_want want; /* only syns and all_udp can be had of a log, and udp ports */
};

/* NULL without memory. */
struct capture_logfile *capture_logfile_new(const struct capture_log *l);
void capture_logfile_free(struct capture_logfile *l);

/*
 * Go on with another descriptor, which is owned from here on: from its end (lines of before are nobody's
 * attempts any more) or from its beginning. The one before is read to its end first, and is let go when
 * the new one has its first bytes, for a logger goes on writing to a renamed file until it is told. A third
 * one meanwhile takes the place of the second. 0, or -errno when its size cannot be had; then it is closed.
 */
__attribute__((warn_unused_result)) int capture_logfile_hand_over(
	struct capture_logfile *l, int fd, bool from_end);

bool capture_logfile_is_open(const struct capture_logfile *l);

/*
 * Deliver what was written, at most some hundred KiB. 1 when more waits, 0 when not, or -errno. A line counts
 * when its end is there. wall_ms goes into every sighting: a log's own times are not looked at. A file that
 * is shorter than what was read of it begins anew; one that was cut and has grown past that meanwhile
 * cannot be told from one that just grew.
 */
__attribute__((warn_unused_result)) int capture_logfile_read(
	struct capture_logfile *l, uint64_t wall_ms, capture_seen *seen, void *arg);

const struct capture_counts *capture_logfile_counts(const struct capture_logfile *l);

#endif
