#ifndef POSTERN_DAEMON_CONTROL_H
#define POSTERN_DAEMON_CONTROL_H

/*
 * The control socket, as daemon and posternctl both see it. A Unix stream socket of mode 0600, so only
 * root speaks here. The client sends one JSON object on one line; the daemon answers with JSON objects, one a
 * line, and closes:
 *
 *   {"command": "status"}                                      one object
 *   {"command": "gates"}                                       one object a gate
 *   {"command": "close", "what": "NAME|ADDRESS|GRANT|", "cut": false}     "" is every gate
 *   {"command": "journal", "after": 0, "since_ms": 0, "name": "", "address": "", "limit": 100}
 *   {"command": "reload"}
 *   {"command": "trial", "do": "begin"}                        or "confirm", "abort"; daemon/trial.h
 *   {"command": "revoke", "name": "NAME", "by": "", "text": "why"}
 *   {"command": "restore", "name": "NAME", "by": ""}
 *   {"command": "lockouts"}                                    one object a name
 *   {"command": "why", "name": "NAME", "service": "SERVICE", "address": "", "door": ""}   one a door
 *
 * The last line is {"result": 0, "text": "..."}; result is 0 or a negative errno.
 */

#define CONTROL_LINE_MAX 4096

/* The daemon keeps what it says in memory until it is heard: of the journal no more records than these, the
 * newest. Who wants more reads the store. */
#define CONTROL_JOURNAL_MAX 1000

#endif
