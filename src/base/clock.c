/* The only place that asks the system what time it is. */

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#define DURATION_MAX_S (10u * 366u * 86400u)

static uint64_t read_ms(clockid_t id)
{
	struct timespec ts = { 0 };
	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

uint64_t clock_wall_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

uint64_t clock_mono_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

uint64_t clock_mono_us(void)
{
	struct timespec ts = { 0 };
	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

const char *time_format_utc(uint64_t wall_ms, char to[TIME_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL ||
		strftime(to, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		snprintf(to, TIME_TEXT_MAX, "%" PRIu64 "ms", wall_ms);
	return to;
}

const char *time_format_local(uint64_t wall_ms, char to[TIME_TEXT_MAX])
{
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm;
	if (localtime_r(&t, &tm) == NULL || strftime(to, TIME_TEXT_MAX, "%H:%M:%S", &tm) == 0)
		snprintf(to, TIME_TEXT_MAX, "%" PRIu64 "ms", wall_ms);
	return to;
}

const char *duration_format(uint64_t seconds, char to[TIME_TEXT_MAX])
{
	static const struct {
		char unit;
		uint32_t s;
	} units[] = { { 'd', 86400 }, { 'h', 3600 }, { 'm', 60 } };

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (seconds != 0 && seconds % units[i].s == 0) {
			snprintf(to, TIME_TEXT_MAX, "%" PRIu64 "%c", seconds / units[i].s,
				units[i].unit);
			return to;
		}
	}
	snprintf(to, TIME_TEXT_MAX, "%" PRIu64 "s", seconds);
	return to;
}

int duration_parse(const char *text, uint32_t *ret_s)
{
	uint64_t v = 0;
	const char *p = text;
	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > DURATION_MAX_S)
			return -ERANGE;
	}
	uint32_t unit = 1;
	switch (*p) {
	case '\0':
		break;
	case 's':
		p++;
		break;
	case 'm':
		unit = 60;
		p++;
		break;
	case 'h':
		unit = 3600;
		p++;
		break;
	case 'd':
		unit = 86400;
		p++;
		break;
	default:
		return -EINVAL;
	}
	if (*p != '\0')
		return -EINVAL;
	v *= unit;
	if (v > DURATION_MAX_S)
		return -ERANGE;
	*ret_s = (uint32_t)v;
	return 0;
}
