/* One line a message, written with one write(), so that lines of several processes do not mix. */

#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"

static const char *log_who = "postern";
static int log_is_journal;

void log_init(const char *who)
{
	log_who = who;
	log_is_journal = getenv("JOURNAL_STREAM") != NULL;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	static const int priority[] = { 3, 4, 6 };
	char line[1024];
	char when[TIME_TEXT_MAX];
	int n;

	if (log_is_journal)
		n = snprintf(line, sizeof(line), "<%d>%s: ", priority[level], log_who);
	else
		n = snprintf(line, sizeof(line), "%s %s: ", time_format_utc(clock_wall_ms(), when),
			log_who);
	size_t at = (size_t)n;
	va_list ap;
	va_start(ap, fmt);
	n = vsnprintf(line + at, sizeof(line) - at - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	at += (size_t)n;
	if (at > sizeof(line) - 2)
		at = sizeof(line) - 2;
	line[at++] = '\n';
	ssize_t ignored = write(STDERR_FILENO, line, at);
	(void)ignored;
}
