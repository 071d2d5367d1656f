#ifndef POSTERN_TEST_VECTOR_H
#define POSTERN_TEST_VECTOR_H

/*
 * Values of tests/vectors/knock/, or of VECTOR_FOLDER: one a line, "name hex"; '#' begins a comment, '-' is
 * no bytes.
 */

#include "base/span.h"
#include "base/text.h"
#include "test.h"

#define VECTOR_MAX 2048

#ifndef VECTOR_FOLDER
#define VECTOR_FOLDER "knock"
#endif

struct vector {
	uint8_t b[VECTOR_MAX];
	size_t len;
};

static inline struct span vector_span(const struct vector *v)
{
	return span_of(v->b, v->len);
}

/* The value of name in file; the test fails when it is not there. */
static inline struct vector vector_get(const char *file, const char *name)
{
	char path[4096], line[2 * VECTOR_MAX + 64];
	struct vector v = { .len = 0 };
	size_t name_len = strlen(name);

	snprintf(path, sizeof(path), "%s/%s/%s", TEST_VECTORS, VECTOR_FOLDER, file);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		fail_msg("%s: cannot be opened", path);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (strncmp(line, name, name_len) != 0 || line[name_len] != ' ')
			continue;
		char *hex = line + name_len + 1;
		hex[strcspn(hex, "\n")] = '\0';
		v.len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
		if (v.len > sizeof(v.b) || (v.len != 0 && !text_unhex(hex, v.b, v.len)))
			fail_msg("%s: %s is not hexadecimal", path, name);
		fclose(f);
		return v;
	}
	fail_msg("%s: no value %s", path, name);
	return v;
}

#endif
