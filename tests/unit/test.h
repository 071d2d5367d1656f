#ifndef POSTERN_TEST_H
#define POSTERN_TEST_H

/* What every unit test includes. Tables of cases name themselves in failures through TEST_CASE. */

/* cmocka.h needs the ones before it, so they are not sorted. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
/* clang-format on */

#define TEST_CASE(name, cond)                                                                      \
	do {                                                                                       \
		if (!(cond))                                                                       \
			fail_msg("case \"%s\": %s", name, #cond);                                  \
	} while (0)

#define TEST_LEN(array) (sizeof(array) / sizeof((array)[0]))

#endif
