#ifndef POSTERN_CMD_SAY_H
#define POSTERN_CMD_SAY_H

/* How the programs speak, and how they hear their options: one sentence of trouble on stderr, never two. */

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>

/* Which program speaks; "postern" when nobody says. Borrowed for ever. */
void say_as(const char *program);

/* "postern: " and the sentence, on stderr. */
__attribute__((format(printf, 1, 2))) void say_trouble(const char *fmt, ...);

/* "postern knock: " and the sentence, and where the help is; command may be "". Returns EXIT_USAGE. */
__attribute__((format(printf, 2, 3))) int say_usage(const char *command, const char *fmt, ...);

/* EXIT_LOCAL after saying so when what was printed did not all get out and rc is EXIT_DONE; else rc. */
int say_end(int rc);

/*
 * The next option of a command: its val, of which a letter is also the short option; -1 when there are no more (operands start at argv[optind]), or
 * SAY_BAD_OPTION after saying what is wrong with it. Options may stand before and after operands.
 */
#define SAY_BAD_OPTION '?'
int say_next_option(const char *command, int argc, char **argv, const struct option *options);

/* 1..max from decimal text, at most nine digits; false otherwise. */
bool say_parse_number(const char *text, unsigned long max, unsigned long *ret);

/* 1..65535 from decimal text; false otherwise. */
bool say_parse_port(const char *text, uint16_t *ret);

/* A number of MiB for Argon2id, 1..4096, to KiB; false otherwise. */
bool say_parse_mem(const char *text, uint32_t *ret_kib);

#endif
