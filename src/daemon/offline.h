#ifndef POSTERN_DAEMON_OFFLINE_H
#define POSTERN_DAEMON_OFFLINE_H

#include <stdbool.h>

/*
 * posternd --read: what each knock in a saved capture would have done, judged at the time it was captured.
 * Opens nothing, writes nothing. Rates, instance ids and gates of the running daemon do not count; a
 * datagram that stands in the file twice is a replay. Returns the exit status.
 */
int offline_read(const char *config_path, const char *capture_path, bool is_json);

/* posternd --check: 0 and the effective configuration on stdout, or 4 and every mistake on stderr. */
int offline_check(const char *config_path);

#endif
