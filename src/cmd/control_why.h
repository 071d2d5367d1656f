#ifndef POSTERN_CMD_CONTROL_WHY_H
#define POSTERN_CMD_CONTROL_WHY_H

/* posternctl why: shown, and without a daemon answered. */

#include <jansson.h>
#include <stdbool.h>

#include "daemon/why.h"

/* A control_show. */
void control_show_why(const json_t *o, bool first);

/* Load the configuration at path and answer from it and from the store it names. Returns an exit status. */
int control_answer_why(const char *path, const struct why_question *q, bool is_json);

#endif
