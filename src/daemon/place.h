#ifndef POSTERN_DAEMON_PLACE_H
#define POSTERN_DAEMON_PLACE_H

/* The monitor's dealings with the machine around it: folders, the control socket, interfaces, systemd. */

#include <stdbool.h>
#include <sys/types.h>

#include "base/file.h"

/* Make the folder that path lies in (its parents too) with this mode; an existing one is left alone. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int place_make_folder(
	const char *path, mode_t mode, struct fault *f);

/* Listen on a Unix stream socket, mode 0600. A socket nobody listens on is replaced; one that answers is
 * -EADDRINUSE: another daemon runs; anything else there is -EEXIST and stays. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int place_listen(
	const char *path, int *ret_fd, struct fault *f);

/* Listen on a TCP port of a loopback address, written as in postern.conf(5). 0 or -errno with *f. */
__attribute__((warn_unused_result)) int place_listen_tcp(
	const char *endpoint, int *ret_fd, struct fault *f);

bool place_interface_is_up(const char *name);

/* Tell systemd (NOTIFY_SOCKET), when there is one. */
void place_notify(const char *state);

/* Remember where main's argv lies; then, in a child that needs no environment, overwrite both so that ps shows title. */
void place_keep_argv(int argc, char **argv);
void place_set_title(const char *title);

#endif
