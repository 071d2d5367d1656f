#ifndef POSTERN_BASE_LOG_H
#define POSTERN_BASE_LOG_H

/*
 * Trouble goes to the log, decisions to the journal. Only src/cmd and the process handlers in src/daemon
 * call this. One line on standard error each: lower case, what and why, no stop at the end. Under
 * systemd (JOURNAL_STREAM set) a "<N>" priority stands in front instead of the time.
 */

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO };

/* Name of this process in each line, e.g. "posternd: knock". Borrowed for ever. */
void log_init(const char *who);

__attribute__((format(printf, 2, 3))) void log_line(enum log_level level, const char *fmt, ...);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_line(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)

#endif
