#ifndef POSTERN_DAEMON_GROUND_H
#define POSTERN_DAEMON_GROUND_H

/*
 * The ground the daemon stands on: what the machine must give, looked at before anything of it is changed,
 * so that a start that cannot succeed leaves the firewall as it was.
 */

#include "base/file.h"
#include "config/config.h"

/* The capabilities that the three processes need between them. 0 or -EPERM with *f. */
__attribute__((warn_unused_result)) int ground_check_caps(struct fault *f);

/* The user exists, and no other program holds a knock port. 0 or -errno with *f. May wait a second. */
__attribute__((warn_unused_result)) int ground_check(const struct config *c, struct fault *f);

/*
 * The store can be opened, or its trouble is one that passes (a full disk) or that must not open the ports
 * (damage): with those the daemon starts, keeps the ports closed and tries again. 0 or -errno with *f.
 */
__attribute__((warn_unused_result)) int ground_check_store(const char *path, struct fault *f);

#define GROUND_WARNINGS_MAX 2

/* What does not stop us, but something in c will not work: returns how many sentences. */
size_t ground_warn(const struct config *c, struct fault to[GROUND_WARNINGS_MAX]);

#endif
