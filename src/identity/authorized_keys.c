/*
 * One line of authorized_keys, as sshd(8) has it. Invariant: every option is known here, and is carried
 * over, listed as dropped, or refuses the line; a restriction is never made weaker.
 */

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"
#include "identity/directory_import.h"
#include "identity/internal.h"

#define QUOTED_MAX 80

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct reader *r)
{
	while (r->left > 0 && is_blank(*r->at))
		reader_u8(r);
}

static struct span take_word(struct reader *r)
{
	size_t len = 0;
	while (len < r->left && !is_blank(r->at[len]))
		len++;
	return reader_take(r, len);
}

static const char *quote(struct span s, char to[QUOTED_MAX])
{
	return text_quote(s, to, QUOTED_MAX);
}

static bool is_key_type(struct span word)
{
	static const char *const starts[] = { "ssh-", "sk-ssh-", "ecdsa-", "sk-ecdsa-" };
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		size_t len = strlen(starts[i]);
		if (word.len > len && memcmp(word.data, starts[i], len) == 0)
			return true;
	}
	return false;
}

/* ------------------------------------------------------------------ options */

/* What an option means here. */
struct context {
	struct import_item *item;
	unsigned seen;
	bool requires_uv;
};

static int as_option(
	struct context *c, const char *name, const struct directory_option *o, struct fault *f)
{
	struct directory_option ours = *o;
	memcpy(ours.name, name, strlen(name) + 1);
	return directory_option_apply(&c->item->entry, &ours, &c->seen, f);
}

static int take_from(struct context *c, const struct directory_option *o, struct fault *f)
{
	char q[QUOTED_MAX];
	if (strpbrk(o->value, "*?!") != NULL) {
		fault_set(f,
			"from=\"%s\" has patterns or negations, which are not carried over; write "
			"addresses or prefixes",
			quote(span_of(o->value, strlen(o->value)), q));
		return -EINVAL;
	}
	return as_option(c, "from", o, f);
}

static bool is_digits(const char *text, size_t len)
{
	return strspn(text, "0123456789") >= len;
}

/* YYYYMMDD[HHMM[SS]][Z] with a sensible time; what day it is, directory_option_apply says. */
static bool is_time(const char *text)
{
	size_t len = strspn(text, "0123456789");
	if ((len != 8 && len != 12 && len != 14) ||
		strcmp(text + len + (text[len] == 'Z'), "") != 0)
		return false;
	return (len < 12 || (memcmp(text + 8, "24", 2) < 0 && text[10] < '6')) &&
		(len < 14 || text[12] < '7');
}

/*
 * A day of ours is whole. So that nobody gets longer than sshd would give, the last one is the day
 * before: a date alone means its first moment.
 */
static int take_expiry(struct context *c, const struct directory_option *o, struct fault *f)
{
	char q[QUOTED_MAX];
	struct directory_option day = *o;
	if (!is_time(o->value) || !is_digits(o->value, 8)) {
		fault_set(f, "expiry-time \"%s\" is no time; write YYYYMMDD or YYYYMMDDHHMM",
			quote(span_of(o->value, strlen(o->value)), q));
		return -EINVAL;
	}
	struct writer w = writer_init(day.value, sizeof(day.value));
	writer_put(&w, o->value, 4);
	writer_u8(&w, '-');
	writer_put(&w, o->value + 4, 2);
	writer_u8(&w, '-');
	writer_put(&w, o->value + 6, 2);
	writer_u8(&w, '\0');
	int rc = as_option(c, "expires", &day, f);
	if (rc < 0)
		return rc;
	if (c->item->entry.expires_ms < 2 * DIRECTORY_DAY_MS) {
		fault_set(f, "expiry-time \"%.20s\" is before 1970; remove the line", o->value);
		return -EINVAL;
	}
	c->item->entry.expires_ms -= DIRECTORY_DAY_MS;
	return 0;
}

static int take_verify(struct context *c, const struct directory_option *o, struct fault *f)
{
	(void)o;
	(void)f;
	c->requires_uv = true;
	return 0;
}

static int refuse_no_touch(struct context *c, const struct directory_option *o, struct fault *f)
{
	(void)c;
	(void)o;
	fault_set(f,
		"no-touch-required: a token that nobody touches could be used by any program; "
		"remove the option, or the line");
	return -EINVAL;
}

static int refuse_authority(struct context *c, const struct directory_option *o, struct fault *f)
{
	(void)c;
	(void)o;
	fault_set(f,
		"cert-authority: an SSH certificate authority is nobody who knocks; give its "
		"people IDs or list their keys");
	return -EINVAL;
}

static int drop(struct context *c, const struct directory_option *o, struct fault *f)
{
	char *to = c->item->dropped;
	size_t used = strlen(to), len = strlen(o->name);
	(void)f;
	if (used + 2 + len >= sizeof(c->item->dropped))
		return 0; /* full after twenty of them: the list has said enough */
	if (used > 0) {
		memcpy(to + used, ", ", 2);
		used += 2;
	}
	memcpy(to + used, o->name, len + 1);
	return 0;
}

static const struct rule {
	const char *name;
	bool has_value;
	int (*take)(struct context *c, const struct directory_option *o, struct fault *f);
} rules[] = {
	{ "from", true, take_from },
	{ "expiry-time", true, take_expiry },
	{ "verify-required", false, take_verify },
	{ "no-touch-required", false, refuse_no_touch },
	{ "cert-authority", false, refuse_authority },
	{ "agent-forwarding", false, drop },
	{ "command", true, drop },
	{ "environment", true, drop },
	{ "no-agent-forwarding", false, drop },
	{ "no-port-forwarding", false, drop },
	{ "no-pty", false, drop },
	{ "no-user-rc", false, drop },
	{ "no-x11-forwarding", false, drop },
	{ "permitlisten", true, drop },
	{ "permitopen", true, drop },
	{ "port-forwarding", false, drop },
	{ "principals", true, drop },
	{ "pty", false, drop },
	{ "restrict", false, drop },
	{ "tunnel", true, drop },
	{ "user-rc", false, drop },
	{ "x11-forwarding", false, drop },
};

static int apply(struct context *c, const struct directory_option *o, struct fault *f)
{
	char q[QUOTED_MAX];
	size_t i = 0;
	while (i < sizeof(rules) / sizeof(rules[0]) && strcmp(rules[i].name, o->name) != 0)
		i++;
	if (i == sizeof(rules) / sizeof(rules[0])) {
		fault_set(f, "option \"%s\" is unknown; correct or remove it",
			quote(span_of(o->name, strlen(o->name)), q));
		return -EINVAL;
	}
	if (rules[i].has_value == o->has_value)
		return rules[i].take(c, o, f);
	fault_set(f, "option %s %s", rules[i].name,
		rules[i].has_value ? "needs a value; write it in quotes" : "takes no value");
	return -EINVAL;
}

/* In quotes \" is a quote, and any other backslash is itself. */
static int read_value(struct reader *r, struct directory_option *o, struct fault *f)
{
	struct writer w = writer_init(o->value, DIRECTORY_OPTION_VALUE_MAX);
	reader_u8(r);
	if (r->left == 0 || *r->at != '"') {
		fault_set(f, "the value of %s needs quotes", o->name);
		return -EINVAL;
	}
	reader_u8(r);
	while (r->left > 0 && *r->at != '"') {
		uint8_t b = reader_u8(r);
		if (b == '\\' && r->left > 0 && *r->at == '"')
			b = reader_u8(r);
		writer_u8(&w, b);
	}
	if (r->left == 0 || w.is_full) {
		fault_set(f, "the value of %s %s", o->name,
			w.is_full ? "is too long" : "has no closing quote; add one");
		return -EINVAL;
	}
	reader_u8(r);
	o->value[w.len] = '\0';
	return 0;
}

static int read_option(struct reader *r, struct directory_option *o, struct fault *f)
{
	char q[QUOTED_MAX];
	size_t len = 0;
	while (len < r->left && (isalnum(r->at[len]) || r->at[len] == '-'))
		len++;
	struct span name = reader_take(r, len);
	if (len == 0 || len > DIRECTORY_OPTION_NAME_MAX) {
		fault_set(f, "\"%s\" is neither a key type nor an option",
			quote(len == 0 ? reader_rest(r) : name, q));
		return -EINVAL;
	}
	/* sshd compares them without case. */
	for (size_t i = 0; i < len; i++)
		o->name[i] = (char)tolower(name.data[i]);
	o->name[len] = '\0';
	o->value[0] = '\0';
	o->has_value = r->left > 0 && *r->at == '=';
	return o->has_value ? read_value(r, o, f) : 0;
}

static int read_options(struct reader *r, struct context *c, struct fault *f)
{
	for (;;) {
		struct directory_option o;
		int rc = read_option(r, &o, f);
		if (rc == 0)
			rc = apply(c, &o, f);
		if (rc < 0)
			return rc;
		if (r->left == 0 || is_blank(*r->at))
			return 0;
		if (reader_u8(r) != ',') {
			fault_set(f, "something follows option %s; put a comma or a space", o.name);
			return -EINVAL;
		}
	}
}

/* ------------------------------------------------------------------ the line */

static int read_name(struct span comment, const struct import_rule *rule, struct directory_entry *e,
	struct fault *f)
{
	char text[NAME_TEXT_MAX], q[QUOTED_MAX];
	struct span s = comment;
	const uint8_t *at = s.len > 0 ? memchr(s.data, '@', s.len) : NULL;

	if (!rule->is_whole_comment && at != NULL)
		s.len = (size_t)(at - s.data);
	while (s.len > 0 && is_blank(s.data[s.len - 1]))
		s.len--;
	if (s.len == 0) {
		fault_set(f, "there is no comment to take a name from; add one behind the key");
		return -EINVAL;
	}
	if (s.len >= sizeof(text) || memchr(s.data, '\0', s.len) != NULL) {
		fault_set(f, "\"%s\" is too long to be a name", quote(s, q));
		return -EINVAL;
	}
	memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	enum name_reject reason = rule->under != NULL
		? name_append(rule->under, NAME_CN, text, &e->name)
		: name_parse(text, false, &e->name);
	if (reason == NAME_OK)
		return 0;
	fault_set(f, "\"%s\" makes no name: %s%s", quote(s, q), name_reject_text(reason),
		rule->under == NULL ? "; say --under for names without an organisation" : "");
	return -EINVAL;
}

static int read_key(struct reader *r, struct context *c, struct fault *f)
{
	char q[QUOTED_MAX];
	struct directory_entry *e = &c->item->entry;
	struct reader ahead = *r;
	struct span type = take_word(&ahead);
	if (type.len == 0) {
		fault_set(f, "no key");
		return -EINVAL;
	}
	if (!span_equal(type, span_of("ssh-ed25519", 11)) &&
		!span_equal(type, span_of("sk-ssh-ed25519@openssh.com", 26))) {
		fault_set(f,
			"key type \"%s\" is not accepted; only ssh-ed25519 and sk-ssh-ed25519 keys "
			"knock",
			quote(type, q));
		return -EINVAL;
	}
	int rc = directory_key_read(r, e, f);
	if (rc < 0)
		return rc;
	if (c->requires_uv && e->key == DIRECTORY_SK_ED25519)
		e->requires_up = e->requires_uv = true;
	else if (c->requires_uv) /* sshd passes over it too when the key is no token's */
		rc = drop(c, &(struct directory_option){ .name = "verify-required" }, f);
	return rc;
}

int import_authorized_key(
	struct span line, const struct import_rule *rule, struct import_item *ret, struct fault *f)
{
	struct reader r = reader_init(line);
	struct context c = { .item = ret };

	memset(ret, 0, sizeof(*ret));
	ret->entry.expires_ms = UINT64_MAX;
	skip_blanks(&r);
	if (r.left == 0 || *r.at == '#')
		return 0;
	struct reader ahead = r;
	int rc = is_key_type(take_word(&ahead)) ? 0 : read_options(&r, &c, f);
	skip_blanks(&r);
	if (rc == 0)
		rc = read_key(&r, &c, f);
	if (rc < 0)
		return rc;
	skip_blanks(&r);
	struct span comment = reader_rest(&r);
	rc = import_comment(comment, ret->comment, f);
	if (rc == 0)
		rc = read_name(comment, rule, &ret->entry, f);
	ret->entry.is_certified_equivalent = rule->is_certified_equivalent;
	if (rc == 0)
		rc = directory_entry_check(&ret->entry, f);
	return rc < 0 ? rc : 1;
}
