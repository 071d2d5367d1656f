#ifndef POSTERN_BASE_CLOCK_H
#define POSTERN_BASE_CLOCK_H

/*
 * Time is passed in: everything that decides takes now as an argument, and only the outermost loop asks
 * the system. Wall time is what peers talk about; monotonic time is what intervals are measured with.
 */

#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_MAX 32

uint64_t clock_wall_ms(void); /* ms since 1970 UTC, CLOCK_REALTIME */
uint64_t clock_mono_ms(void); /* ms, CLOCK_BOOTTIME: goes on while the machine sleeps */
uint64_t clock_mono_us(void); /* the same clock in microseconds, for round-trip times */

/* "2026-11-22T10:04:05Z" (UTC, seconds). Returns to. */
const char *time_format_utc(uint64_t wall_ms, char to[TIME_TEXT_MAX]);

/* "10:04:05" in local time. Returns to. */
const char *time_format_local(uint64_t wall_ms, char to[TIME_TEXT_MAX]);

/* "30s", "5m", "8h", "2d": the largest unit that divides. Returns to. */
const char *duration_format(uint64_t seconds, char to[TIME_TEXT_MAX]);

/* "30s", "5m", "8h", "2d" or bare seconds. Returns 0, or -EINVAL (not of the form), -ERANGE (past 10 years). */
int duration_parse(const char *text, uint32_t *ret_s);

#endif
