/*
 * Any text, read as a person's and as a certifier's name. What is accepted passes name_check,
 * prints, and reads back as the same name from both of its texts.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void read_back(const char *text, bool is_certifier, const struct name *n)
{
	struct name again;
	if (name_parse(text, is_certifier, &again) != NAME_OK ||
		memcmp(&again, n, sizeof(again)) != 0)
		abort();
}

static void try(const char *text, bool is_certifier)
{
	struct name n;
	char to[NAME_TEXT_MAX];
	if (name_parse(text, is_certifier, &n) != NAME_OK)
		return;
	if (name_check(&n, is_certifier) != NAME_OK || name_check(&n, !is_certifier) == NAME_OK)
		abort();
	if (!name_equal(&n, &n) || name_is_below(&n, &n))
		abort();
	read_back(name_format(&n, to), is_certifier, &n);
	read_back(name_format_canonical(&n, to), is_certifier, &n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *text = malloc(len + 1);
	if (text == NULL)
		return 0;
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	try(text, false);
	try(text, true);
	free(text);
	return 0;
}
