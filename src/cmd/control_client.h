#ifndef POSTERN_CMD_CONTROL_CLIENT_H
#define POSTERN_CMD_CONTROL_CLIENT_H

/* The other end of the control socket (daemon/control.h). */

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define CONTROL_DEFAULT "/run/postern/control"
#define CONTROL_NO_DAEMON 3

/* Shows one object of an answer; first is true for the first of them. */
typedef void control_show(const json_t *object, bool first);

/*
 * Ask and show. Takes the reference of request. Returns an exit status: 0 done, 1 refused (the reason is
 * printed), 3 no daemon answers, 4 local trouble. "No daemon" is printed unless the caller may read the store.
 */
int control_ask(const char *socket_path, json_t *request, bool is_json, control_show *show);

/*
 * Ask and keep: *ret is an array of the answer's objects, the one with the result last; the caller's. Says
 * nothing. 0, or -errno: -ENOENT or -ECONNREFUSED when no daemon is there, -ETIMEDOUT when it does not answer.
 */
__attribute__((warn_unused_result)) int control_fetch(
	const char *socket_path, json_t *request, json_t **ret);

#endif
