#ifndef POSTERN_TEST_DER_TEXT_H
#define POSTERN_TEST_DER_TEXT_H

/*
 * DER from text: hexadecimal bytes, 'characters', and { } around a value, whose length in DER is put
 * before it: "0c{'VSD'}". A length that is wrong on purpose is written as bytes, without braces. A case
 * is a good text with one piece exchanged.
 */

#include "base/span.h"
#include "base/text.h"
#include "test.h"

#define DER_TEXT_MAX 8192

struct der_text {
	char text[DER_TEXT_MAX];
	uint8_t der[DER_TEXT_MAX];
	size_t len;
};

static inline void der_text_put_length(struct writer *w, size_t len)
{
	if (len >= 0x100) {
		writer_u8(w, 0x82);
		writer_u16(w, (uint16_t)len);
		return;
	}
	if (len >= 0x80)
		writer_u8(w, 0x81);
	writer_u8(w, (uint8_t)len);
}

/* From *at to the closing brace or the end. */
static inline void der_text_value(const char **at, struct writer *w)
{
	while (**at != '\0' && **at != '}') {
		uint8_t in[DER_TEXT_MAX];
		struct writer inner = writer_init(in, sizeof(in));
		char hex[3] = { 0 };
		uint8_t b;
		switch (**at) {
		case ' ':
			++*at;
			break;
		case '\'':
			for (++*at; **at != '\''; ++*at)
				writer_u8(w, (uint8_t) * *at);
			++*at;
			break;
		case '{':
			++*at;
			der_text_value(at, &inner);
			assert_int_equal(**at, '}');
			++*at;
			der_text_put_length(w, inner.len);
			writer_put(w, in, inner.len);
			break;
		default:
			memcpy(hex, *at, 2);
			if (!text_unhex(hex, &b, 1))
				fail_msg("not hexadecimal: %s", *at);
			writer_u8(w, b);
			*at += 2;
		}
	}
}

/* The text with the first from replaced by to, and its bytes. from NULL: as it is. */
static inline struct span der_text_make(
	struct der_text *t, const char *text, const char *from, const char *to)
{
	const char *at = text;
	if (from == NULL) {
		snprintf(t->text, sizeof(t->text), "%s", text);
	} else {
		at = strstr(text, from);
		if (at == NULL)
			fail_msg("\"%s\" is not in the text", from);
		snprintf(t->text, sizeof(t->text), "%.*s%s%s", (int)(at - text), text, to,
			at + strlen(from));
	}
	struct writer w = writer_init(t->der, sizeof(t->der));
	at = t->text;
	der_text_value(&at, &w);
	assert_int_equal(*at, '\0');
	assert_false(w.is_full);
	return writer_span(&w);
}

#endif
