/*
 * Hierarchical names. Invariant: a name that passed name_check prints to text that name_parse reads
 * back as the same name, so that what a person reads and what is compared are one thing.
 */

#include "identity/name.h"

#include <string.h>
#include <strings.h>

#include "base/span.h"

static const char *const reject_texts[NAME_REJECT_COUNT] = {
	[NAME_OK] = "the name is well formed",
	[NAME_EMPTY] = "the name is empty",
	[NAME_VALUE_LENGTH] = "a component has 1 to 64 bytes",
	[NAME_CHARACTER] = "a component holds no / = * + , and no control character",
	[NAME_INVISIBLE] =
		"a component holds no invisible character and no space but the plain one",
	[NAME_SPACE] = "a component has no leading, trailing or double space",
	[NAME_UTF8] = "a component is valid UTF-8",
	[NAME_DEPTH] = "a name has at most four organisational units",
	[NAME_KEYWORD] = "a canonical name is CN=, OU=, O=, C= in this order",
	[NAME_NO_ORGANISATION] = "an organisation is missing; two letters at the end are a country",
	[NAME_NO_COMMON_NAME] = "a person or server needs a common name",
	[NAME_SHORT_ORGANISATION] = "an organisation has three or more characters",
	[NAME_COUNTRY] = "a country is two letters",
	[NAME_HAS_COMMON_NAME] = "a certifier has no common name",
};

static const char *const keywords[] = {
	[NAME_C] = "C",
	[NAME_O] = "O",
	[NAME_OU] = "OU",
	[NAME_CN] = "CN",
};

const char *name_reject_text(enum name_reject reason)
{
	return reason < NAME_REJECT_COUNT ? reject_texts[reason] : "the name is not valid";
}

/* One code point (RFC 3629): the shortest form only, no surrogate, nothing past U+10FFFF. */
static bool utf8_take(struct reader *r, uint32_t *ret)
{
	uint8_t first = reader_u8(r);
	if (first < 0x80) {
		*ret = first;
		return !r->is_short;
	}
	size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
	if (first < 0xc2 || first > 0xf4)
		return false;
	uint32_t c = first & (0x3fu >> more);
	for (size_t i = 0; i < more; i++) {
		uint8_t next = reader_u8(r);
		if ((next & 0xc0) != 0x80)
			return false;
		c = c << 6 | (next & 0x3fu);
	}
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return false;
	*ret = c;
	return true;
}

static bool is_forbidden(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f))
		return true;
	return c == '/' || c == '=' || c == '*' || c == '+' || c == ',';
}

/*
 * With these, two names could be one to the eye, or a name be read backwards: what Unicode calls
 * default-ignorable or bidirectional formatting, and its other spaces. Ascending.
 */
static bool is_invisible(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {
		{ 0xa0, 0xa0 },
		{ 0xad, 0xad },
		{ 0x34f, 0x34f },
		{ 0x61c, 0x61c },
		{ 0x115f, 0x1160 },
		{ 0x1680, 0x1680 },
		{ 0x17b4, 0x17b5 },
		{ 0x180b, 0x180f },
		{ 0x2000, 0x200f },
		{ 0x2028, 0x202f },
		{ 0x205f, 0x206f },
		{ 0x3000, 0x3000 },
		{ 0x3164, 0x3164 },
		{ 0xfe00, 0xfe0f },
		{ 0xfeff, 0xfeff },
		{ 0xffa0, 0xffa0 },
		{ 0xfff0, 0xfffb },
		{ 0x1bca0, 0x1bca3 },
		{ 0x1d173, 0x1d17a },
		{ 0xe0000, 0xe0fff },
	};
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]) && ranges[i].first <= c; i++)
		if (c <= ranges[i].last)
			return true;
	return false;
}

static enum name_reject check_value(struct span value, size_t *ret_characters)
{
	if (value.len == 0 || value.len > NAME_VALUE_MAX)
		return NAME_VALUE_LENGTH;
	struct reader r = reader_init(value);
	uint32_t before = ' '; /* so that a leading space is a double one */
	size_t count = 0;
	for (; r.left > 0; count++) {
		uint32_t c;
		if (!utf8_take(&r, &c))
			return NAME_UTF8;
		if (is_forbidden(c))
			return NAME_CHARACTER;
		if (is_invisible(c))
			return NAME_INVISIBLE;
		if (c == ' ' && before == ' ')
			return NAME_SPACE;
		before = c;
	}
	*ret_characters = count;
	return before == ' ' ? NAME_SPACE : NAME_OK;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_country(const char *value, size_t len)
{
	return len == 2 && is_letter(value[0]) && is_letter(value[1]);
}

static enum name_reject check_part(const struct name_part *p)
{
	size_t characters;
	enum name_reject reason = check_value(span_of(p->value, p->len), &characters);
	if (reason != NAME_OK)
		return reason;
	if (p->type == NAME_C && !is_country(p->value, p->len))
		return NAME_COUNTRY;
	if (p->type == NAME_O && characters < 3)
		return NAME_SHORT_ORGANISATION;
	return NAME_OK;
}

/* C before O before OU before CN, each at most once but OU. */
static enum name_reject check_order(const struct name *n)
{
	size_t units = 0;
	for (size_t i = 0; i < n->count; i++) {
		uint8_t type = n->parts[i].type;
		uint8_t before = i == 0 ? 0 : n->parts[i - 1].type;
		if (type < NAME_C || type > NAME_CN || type < before)
			return NAME_KEYWORD;
		if (type == before && type != NAME_OU)
			return NAME_KEYWORD;
		if (type == NAME_OU)
			units++;
	}
	return units > NAME_OU_MAX ? NAME_DEPTH : NAME_OK;
}

enum name_reject name_check(const struct name *n, bool is_certifier)
{
	if (n->count == 0)
		return NAME_EMPTY;
	if (n->count > NAME_PARTS_MAX)
		return NAME_DEPTH;
	for (size_t i = 0; i < n->count; i++) {
		enum name_reject reason = check_part(&n->parts[i]);
		if (reason != NAME_OK)
			return reason;
	}
	enum name_reject reason = check_order(n);
	if (reason != NAME_OK)
		return reason;
	size_t root = n->parts[0].type == NAME_C ? 1 : 0;
	if (root >= n->count || n->parts[root].type != NAME_O)
		return NAME_NO_ORGANISATION;
	bool has_cn = n->parts[n->count - 1].type == NAME_CN;
	if (is_certifier && has_cn)
		return NAME_HAS_COMMON_NAME;
	return !is_certifier && !has_cn ? NAME_NO_COMMON_NAME : NAME_OK;
}

/* One part more towards the leaf; its value must have been seen to fit. */
static void push(struct name *n, uint8_t type, struct span value)
{
	struct name_part *p = &n->parts[n->count++];
	memset(p, 0, sizeof(*p));
	p->type = type;
	p->len = (uint8_t)value.len;
	if (value.len > 0)
		memcpy(p->value, value.data, value.len);
}

/* Components in the order written, leaf first. */
struct components {
	size_t count;
	struct span items[NAME_PARTS_MAX];
};

static enum name_reject split(const char *text, struct components *ret)
{
	ret->count = 0;
	if (text[0] == '\0')
		return NAME_EMPTY;
	for (;;) {
		size_t len = strcspn(text, "/");
		if (ret->count == NAME_PARTS_MAX)
			return NAME_DEPTH;
		ret->items[ret->count++] = span_of(text, len);
		if (text[len] == '\0')
			return NAME_OK;
		text += len + 1;
	}
}

/* "OU=Sales" to its type and value; 0 when the keyword is none of ours. */
static uint8_t take_keyword(struct span *component)
{
	const char *text = (const char *)component->data;
	for (uint8_t type = NAME_C; type <= NAME_CN; type++) {
		size_t len = strlen(keywords[type]);
		if (component->len > len && text[len] == '=' &&
			strncasecmp(text, keywords[type], len) == 0) {
			*component = span_slice(*component, len + 1, component->len);
			return type;
		}
	}
	return 0;
}

static enum name_reject read_canonical(const struct components *c, struct name *ret)
{
	for (size_t i = c->count; i > 0; i--) {
		struct span value = c->items[i - 1];
		uint8_t type = take_keyword(&value);
		if (type == 0)
			return NAME_KEYWORD;
		if (value.len > NAME_VALUE_MAX)
			return NAME_VALUE_LENGTH;
		push(ret, type, value);
	}
	return NAME_OK;
}

/*
 * Positions decide: a last part of two letters is C, the next O, the first CN unless a certifier's.
 */
static enum name_reject read_abbreviated(
	const struct components *c, bool is_certifier, struct name *ret)
{
	size_t left = c->count;
	for (size_t i = 0; i < c->count; i++)
		if (c->items[i].len > NAME_VALUE_MAX)
			return NAME_VALUE_LENGTH;
	struct span last = c->items[left - 1];
	if (is_country((const char *)last.data, last.len)) {
		push(ret, NAME_C, last);
		left--;
	}
	if (left < (is_certifier ? 1 : 2))
		return NAME_NO_ORGANISATION;
	push(ret, NAME_O, c->items[--left]);
	while (left > (is_certifier ? 0 : 1))
		push(ret, NAME_OU, c->items[--left]);
	if (!is_certifier)
		push(ret, NAME_CN, c->items[0]);
	return NAME_OK;
}

enum name_reject name_parse(const char *text, bool is_certifier, struct name *ret)
{
	struct components c;
	struct name n = { 0 };
	enum name_reject reason = split(text, &c);
	if (reason != NAME_OK)
		return reason;
	reason = strchr(text, '=') != NULL ? read_canonical(&c, &n)
					   : read_abbreviated(&c, is_certifier, &n);
	if (reason == NAME_OK)
		reason = name_check(&n, is_certifier);
	if (reason == NAME_OK)
		*ret = n;
	return reason;
}

static const char *format(const struct name *n, bool with_keywords, char to[NAME_TEXT_MAX])
{
	struct writer w = writer_init(to, NAME_TEXT_MAX - 1);
	size_t count = n->count < NAME_PARTS_MAX ? n->count : NAME_PARTS_MAX;
	for (size_t i = count; i > 0; i--) {
		const struct name_part *p = &n->parts[i - 1];
		if (i < count)
			writer_u8(&w, '/');
		if (with_keywords && p->type >= NAME_C && p->type <= NAME_CN) {
			writer_put(&w, keywords[p->type], strlen(keywords[p->type]));
			writer_u8(&w, '=');
		}
		writer_put(&w, p->value, p->len < NAME_VALUE_MAX ? p->len : NAME_VALUE_MAX);
	}
	to[w.len] = '\0';
	return to;
}

const char *name_format_canonical(const struct name *n, char to[NAME_TEXT_MAX])
{
	return format(n, true, to);
}

static bool is_same(const struct name *a, const struct name *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		const struct name_part *p = &a->parts[i], *q = &b->parts[i];
		if (p->type != q->type ||
			!span_equal(span_of(p->value, p->len), span_of(q->value, q->len)))
			return false;
	}
	return true;
}

const char *name_format(const struct name *n, char to[NAME_TEXT_MAX])
{
	struct name again;
	bool is_certifier = n->count == 0 || n->count > NAME_PARTS_MAX ||
		n->parts[n->count - 1].type != NAME_CN;
	format(n, false, to);
	if (name_parse(to, is_certifier, &again) == NAME_OK && is_same(n, &again))
		return to;
	return format(n, true, to);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

size_t name_fold(const struct name *n, uint8_t to[NAME_FOLDED_MAX])
{
	struct writer w = writer_init(to, NAME_FOLDED_MAX);
	for (size_t i = 0; i < n->count; i++) {
		const struct name_part *p = &n->parts[i];
		writer_u8(&w, p->type);
		writer_u8(&w, p->len);
		for (size_t k = 0; k < p->len; k++)
			writer_u8(&w, (uint8_t)lower(p->value[k]));
	}
	return w.len;
}

static bool part_equal(const struct name_part *a, const struct name_part *b)
{
	if (a->type != b->type || a->len != b->len)
		return false;
	for (size_t i = 0; i < a->len; i++)
		if (lower(a->value[i]) != lower(b->value[i]))
			return false;
	return true;
}

static bool starts_with(const struct name *n, const struct name *root)
{
	if (n->count < root->count)
		return false;
	for (size_t i = 0; i < root->count; i++)
		if (!part_equal(&n->parts[i], &root->parts[i]))
			return false;
	return true;
}

bool name_equal(const struct name *a, const struct name *b)
{
	return a->count == b->count && starts_with(a, b);
}

bool name_is_below(const struct name *n, const struct name *suffix)
{
	return suffix->count > 0 && n->count > suffix->count && starts_with(n, suffix);
}

bool name_is_child(const struct name *child, const struct name *parent)
{
	return child->count == parent->count + 1 && name_is_below(child, parent);
}

enum name_reject name_append(
	const struct name *parent, enum name_type type, const char *value, struct name *ret)
{
	size_t len = strlen(value);
	if (len == 0 || len > NAME_VALUE_MAX)
		return NAME_VALUE_LENGTH;
	if (parent->count >= NAME_PARTS_MAX)
		return NAME_DEPTH;
	struct name n = *parent;
	push(&n, (uint8_t)type, span_of(value, len));
	enum name_reject reason = name_check(&n, type != NAME_CN);
	if (reason == NAME_OK)
		*ret = n;
	return reason;
}
