#ifndef POSTERN_CMD_INTERFACE_H
#define POSTERN_CMD_INTERFACE_H

/* Which interface faces the world: the one of the default route, else the only one there is. */

#include <net/if.h>
#include <stdbool.h>

#include "base/span.h"

/* False when neither rule names exactly one interface. */
bool interface_guess(char to[IF_NAMESIZE]);

/* A name the kernel would accept; whether it exists now is another matter. */
bool interface_name_is_good(const char *name);

/* The interface of the best default route in the text of /proc/net/route, /proc/net/ipv6_route. Pure. */
bool interface_from_route(struct span text, char to[IF_NAMESIZE]);
bool interface_from_ipv6_route(struct span text, char to[IF_NAMESIZE]);

#endif
