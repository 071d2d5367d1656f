#ifndef POSTERN_CMD_ASK_H
#define POSTERN_CMD_ASK_H

/* Questions on the terminal whose answers may be seen while they are typed. */

#include <stddef.h>

#include "base/file.h"

/*
 * One line, without its line end, terminated; to holds cap bytes. 0; -ENXIO without a terminal, -EINTR at
 * the end of input, -EMSGSIZE when the line is longer, else -errno; with *f.
 */
__attribute__((warn_unused_result)) int ask_line(
	const char *prompt, char *to, size_t cap, struct fault *f);

/* "question (yes/no) ", until it is one of them. 0 for yes, -ECANCELED for no; else as ask_line. */
__attribute__((warn_unused_result)) int ask_yes(const char *question, struct fault *f);

#endif
