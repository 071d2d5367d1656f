/*
 * The file of keys for tagged sequences. Invariant: a table is returned of a file without a single mistake,
 * or none at all; what was read of keys before a mistake is wiped.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "knock/tagged.h"

#define BASE64_LEN 44 /* of 32 bytes, with padding */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = span_of(s.data + 1, s.len - 1);
	while (s.len > 0 && (is_blank(s.data[s.len - 1]) || s.data[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* Cut the first of *s off at cut, or all of it; what follows stays in *s. */
static struct span next_line(struct span *s)
{
	const uint8_t *end = memchr(s->data, '\n', s->len);
	size_t len = end == NULL ? s->len : (size_t)(end - s->data);
	struct span line = span_of(s->data, len);
	size_t gone = end == NULL ? len : len + 1;
	*s = span_of(s->data + gone, s->len - gone);
	return line;
}

static struct span next_word(struct span *s)
{
	size_t len = 0;
	while (len < s->len && !is_blank(s->data[len]))
		len++;
	struct span word = span_of(s->data, len);
	*s = trim(span_of(s->data + len, s->len - len));
	return word;
}

static bool parse_slot(struct span word, unsigned *ret)
{
	unsigned n = 0;
	if (word.len == 0 || word.len > 3)
		return false;
	for (size_t i = 0; i < word.len; i++) {
		if (word.data[i] < '0' || word.data[i] > '9')
			return false;
		n = 10 * n + (unsigned)(word.data[i] - '0');
	}
	if (n >= TAGGED_SLOTS)
		return false;
	*ret = n;
	return true;
}

static bool parse_key(struct span word, uint8_t to[TAGGED_KEY_LEN])
{
	char text[BASE64_LEN + 1];
	size_t len;
	if (word.len != BASE64_LEN)
		return false;
	memcpy(text, word.data, BASE64_LEN);
	text[BASE64_LEN] = '\0';
	int rc = sodium_base642bin(to, TAGGED_KEY_LEN, text, BASE64_LEN, NULL, &len, NULL,
		sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(text, sizeof(text));
	return rc == 0 && len == TAGGED_KEY_LEN;
}

static bool parse_name(struct span rest, char to[TAGGED_NAME_MAX + 1])
{
	if (rest.len == 0 || rest.len > TAGGED_NAME_MAX)
		return false;
	for (size_t i = 0; i < rest.len; i++)
		if (rest.data[i] < 0x20 || rest.data[i] == 0x7f)
			return false;
	memcpy(to, rest.data, rest.len);
	to[rest.len] = '\0';
	return true;
}

/* What is wrong with the line, or NULL. No word of it is repeated: one is a key. */
static const char *parse_line(struct span line, struct tagged_keys *to)
{
	unsigned slot;
	if (!parse_slot(next_word(&line), &slot))
		return "the line does not begin with a slot; write a number from 0 to 255";
	struct tagged_key *k = &to->slot[slot];
	if (k->is_set)
		return "the slot has a key already; take another";
	if (!parse_key(next_word(&line), k->key))
		return "the key is not 32 bytes in base64; make one with \"head -c 32 /dev/urandom | base64\"";
	if (!parse_name(line, k->name))
		return "the name of whose key it is is missing, too long or no text; write it after the key";
	k->is_set = true;
	to->count++;
	return NULL;
}

int tagged_keys_parse(const char *path, struct span text, struct tagged_keys *ret, struct fault *f)
{
	*ret = (struct tagged_keys){ 0 };
	for (unsigned number = 1; text.len > 0; number++) {
		struct span line = trim(next_line(&text));
		if (line.len == 0 || line.data[0] == '#')
			continue;
		const char *wrong = parse_line(line, ret);
		if (wrong == NULL)
			continue;
		fault_set(f, "%s:%u: %s", path, number, wrong);
		sodium_memzero(ret, sizeof(*ret));
		return -EINVAL;
	}
	return 0;
}
