/*
 * The two secrets of a fwknop stanza, as base64 or as the lines of a key file. Invariant: a secret that is
 * returned has both keys; of one that is refused nothing is left in memory, and no message shows it.
 */

#include <sodium.h>
#include <string.h>

#include "knock/fwknop.h"
#include "knock/internal.h"

#define BASE64_CHARS_MAX 256

static bool decode(struct span text, uint8_t *to, size_t cap, size_t *ret_len)
{
	static const int variants[] = { sodium_base64_VARIANT_ORIGINAL,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING };

	for (size_t i = 0; i < 2 && text.len <= BASE64_CHARS_MAX; i++)
		if (sodium_base642bin(to, cap, (const char *)text.data, text.len, NULL, ret_len,
			    NULL, variants[i]) == 0 &&
			*ret_len > 0)
			return true;
	return false;
}

static bool take_key(struct span text, struct fwknop_secret *s)
{
	return decode(text, s->key, sizeof(s->key), &s->key_len);
}

static bool take_hmac_key(struct span text, struct fwknop_secret *s)
{
	return decode(text, s->hmac_key, sizeof(s->hmac_key), &s->hmac_key_len);
}

static bool refuse(struct fwknop_secret *s)
{
	sodium_memzero(s, sizeof(*s));
	return false;
}

bool fwknop_secret_from_base64(
	const char *key, const char *hmac_key, struct fwknop_secret *ret, struct fault *f)
{
	sodium_memzero(ret, sizeof(*ret));
	if (!take_key(span_of(key, strlen(key)), ret)) {
		fault_set(f, "the key is not base64 of 1 to 32 bytes; copy it again");
		return refuse(ret);
	}
	if (!take_hmac_key(span_of(hmac_key, strlen(hmac_key)), ret)) {
		fault_set(f, "the MAC key is not base64 of 1 to 128 bytes; copy it again");
		return refuse(ret);
	}
	return true;
}

/* ------------------------------------------------------------------ key file */

static bool copy(struct span text, uint8_t *to, size_t cap, size_t *ret_len)
{
	if (text.len == 0 || text.len > cap)
		return false;
	memcpy(to, text.data, text.len);
	*ret_len = text.len;
	return true;
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span trim(struct span s)
{
	while (s.len > 0 && is_blank(s.data[0]))
		s = span_slice(s, 1, s.len);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	return s;
}

static struct span until(struct span s, uint8_t a, uint8_t b)
{
	size_t i = 0;
	while (i < s.len && s.data[i] != a && s.data[i] != b)
		i++;
	return span_slice(s, 0, i);
}

/* One line "WORD VALUE" or "WORD VALUE;"; why it is refused, or NULL. */
static const char *take_line(struct span line, struct fwknop_secret *s)
{
	struct span word = until(line, ' ', '\t');
	struct span value = trim(until(span_slice(line, word.len, line.len), ';', '\n'));
	bool is_text = span_equal(word, KNOCK_TEXT("KEY"));
	bool is_hmac_text = span_equal(word, KNOCK_TEXT("HMAC_KEY"));

	if (is_text || span_equal(word, KNOCK_TEXT("KEY_BASE64"))) {
		if (s->key_len != 0)
			return "a second key; keep one";
		if (is_text ? !copy(value, s->key, sizeof(s->key), &s->key_len)
			    : !take_key(value, s))
			return "the key has not 1 to 32 bytes or is not base64; copy it again";
		return NULL;
	}
	if (is_hmac_text || span_equal(word, KNOCK_TEXT("HMAC_KEY_BASE64"))) {
		if (s->hmac_key_len != 0)
			return "a second MAC key; keep one";
		if (is_hmac_text ? !copy(value, s->hmac_key, sizeof(s->hmac_key), &s->hmac_key_len)
				 : !take_hmac_key(value, s))
			return "the MAC key has not 1 to 128 bytes or is not base64; copy it again";
		return NULL;
	}
	return "not KEY, KEY_BASE64, HMAC_KEY or HMAC_KEY_BASE64; remove the line";
}

bool fwknop_secret_parse(struct span text, struct fwknop_secret *ret, struct fault *f)
{
	sodium_memzero(ret, sizeof(*ret));
	for (unsigned n = 1; text.len > 0; n++) {
		struct span whole = until(text, '\n', '\n');
		struct span line = trim(whole);
		text = span_slice(text, whole.len + 1, text.len);
		if (line.len == 0 || line.data[0] == '#')
			continue;
		const char *why = take_line(line, ret);
		if (why != NULL) {
			fault_set(f, "line %u: %s", n, why);
			return refuse(ret);
		}
	}
	if (ret->key_len == 0 || ret->hmac_key_len == 0) {
		fault_set(
			f, "one of the two keys is missing; write KEY_BASE64 and HMAC_KEY_BASE64");
		return refuse(ret);
	}
	return true;
}
