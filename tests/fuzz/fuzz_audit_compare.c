/* Two reports, whatever is in them, with a line "---" between: what is told is printable. */

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"

static void compare(const json_t *before, const json_t *now)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return;
	size_t changes = audit_compare(out, before, now);
	fclose(out);
	if ((changes == 0) != (len == 0))
		abort();
	for (size_t i = 0; i < len; i++)
		if (text[i] != '\n' && (text[i] < ' ' || text[i] > '~'))
			abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *cut = size > 0 ? memmem(data, size, "\n---\n", 5) : NULL;
	size_t first = cut != NULL ? (size_t)(cut - data) : size;
	json_t *before = json_loadb((const char *)data, first, 0, NULL), *now = NULL;
	if (cut != NULL)
		now = json_loadb((const char *)cut + 5, size - first - 5, 0, NULL);
	compare(before, now);
	compare(now, before);
	compare(before, before);
	json_decref(before);
	json_decref(now);
	return 0;
}
