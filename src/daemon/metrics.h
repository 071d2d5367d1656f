#ifndef POSTERN_DAEMON_METRICS_H
#define POSTERN_DAEMON_METRICS_H

/* Counters in the OpenMetrics text form (version 1.0.0). Names and labels are an interface: posternctl(8). */

#include <stddef.h>
#include <stdint.h>

#define METRICS_TEXT_MAX ((size_t)192 << 10)
#define HISTOGRAM_BUCKETS 13

/* How long something took, by upper bounds that are the same for all. */
struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* the last: longer than every bound */
	uint64_t sum_us;
};

void histogram_add(struct histogram *h, uint64_t us);

struct knockd;

/* The text, terminated; malloc'd, or NULL when memory is short. */
char *metrics_text(const struct knockd *k);

/* scrape.c: answer on the listening socket that the monitor opened, from the event loop. 0 or -errno. */
int scrape_start(struct knockd *k);
void scrape_tick(struct knockd *k, uint64_t mono_ms); /* who takes too long goes */
void scrape_free(struct knockd *k);                   /* after the loop was closed */

#endif
