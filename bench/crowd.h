#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

/* A directory of any size. The keys are numbers that nobody has the secret half of. */

#include <stddef.h>

/* Room for text that is added, beside that of count people. */
#define CROWD_LINE_MAX 256ul

/* The text of count people's lines, malloc'd, or the end. */
char *crowd_text(unsigned long count, size_t *ret_len);

#endif
