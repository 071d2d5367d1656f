/*
 * A file of profiles is whatever stands in it. What is understood has good names, none twice, and values
 * that, written down again, are read as they were.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/knock_option.h"
#include "cmd/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void expect(bool is_so)
{
	if (!is_so)
		abort();
}

static void check(const struct profile *p, const struct profile_keys *keys)
{
	struct profiles *again = NULL;
	struct fault f;
	char *text = profile_format(p);
	expect(profile_name_is_good(p->name));
	expect(text != NULL &&
		profiles_parse("p", span_of(text, strlen(text)), keys, &again, &f) == 0);
	const struct profile *q = profiles_find(again, p->name);
	expect(again->count == 1 && q != NULL && q->count == p->count);
	for (size_t i = 0; i < p->count; i++)
		expect(strcmp(q->values[i].key, p->values[i].key) == 0 &&
			strcmp(q->values[i].text, p->values[i].text) == 0);
	profiles_free(again);
	free(text);
}

/* Taking one out leaves the others, or is refused. */
static void remove_first(
	struct span text, const struct profiles *p, const struct profile_keys *keys)
{
	struct profiles *left = NULL;
	struct fault f;
	char *now = NULL;
	if (profile_text_remove(text, p->items[0]->name, keys, &now, &f) < 0)
		return;
	expect(profiles_parse("p", span_of(now, strlen(now)), keys, &left, &f) == 0);
	expect(left->count == p->count - 1);
	profiles_free(left);
	free(now);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const struct profile_keys *keys = knock_option_keys();
	struct profiles *p = NULL;
	struct fault f;
	if (len > 4096 || profiles_parse("p", span_of(data, len), keys, &p, &f) < 0)
		return 0;
	for (size_t i = 0; i < p->count; i++) {
		for (size_t k = i + 1; k < p->count; k++)
			expect(strcmp(p->items[i]->name, p->items[k]->name) != 0);
		check(p->items[i], keys);
	}
	if (p->count > 0)
		remove_first(span_of(data, len), p, keys);
	profiles_free(p);
	return 0;
}
