#ifndef POSTERN_DAEMON_MONITOR_H
#define POSTERN_DAEMON_MONITOR_H

/*
 * The monitor: root, reads the configuration, starts the gate and the knock process, starts them anew when
 * one dies, replaces both at a reload or when an interface comes back. Reads nothing a stranger sent.
 */

/* Run in the foreground until SIGTERM or SIGINT. Returns the exit status: 0 stopped, 4 could not start. */
int monitor_run(const char *config_path);

#endif
