#ifndef POSTERN_CMD_CONTROL_SHOW_H
#define POSTERN_CMD_CONTROL_SHOW_H

/* The daemon's JSON as text for people, for 80 columns where names allow. */

#include <jansson.h>
#include <stdbool.h>

void control_show_status(const json_t *o, bool first);
void control_show_metrics(const json_t *o, bool first);
void control_show_gate(const json_t *o, bool first);
void control_show_record(const json_t *o, bool first);
void control_show_last(const json_t *o, bool first);
void control_show_lockout(const json_t *o, bool first);
void control_show_nothing(const json_t *o, bool first);

#endif
