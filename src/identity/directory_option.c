/*
 * The options of a directory line: a table of names, each with the function that gives its value a
 * meaning. Invariant: an option means something or is a mistake, and stands at most once.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "identity/internal.h"

#define QUOTED_MAX 80

/* For a sentence: short, and printable whatever it was. */
static const char *quote_text(const char *s, char to[QUOTED_MAX])
{
	return text_quote(span_of(s, strlen(s)), to, QUOTED_MAX);
}

static int set_name(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	enum name_reject reason = name_parse(value, false, &e->name);
	if (reason == NAME_OK)
		return 0;
	fault_set(f, "name \"%s\" is refused: %s; write it like \"Jane Doe/Sales/Example\"",
		quote_text(value, q), name_reject_text(reason));
	return -EINVAL;
}

static int set_kind(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	if (strcmp(value, "user") == 0)
		e->kind = DIRECTORY_USER;
	else if (strcmp(value, "server") == 0)
		e->kind = DIRECTORY_SERVER;
	else {
		fault_set(f, "kind \"%s\" is unknown; write user or server", quote_text(value, q));
		return -EINVAL;
	}
	return 0;
}

/* Exactly len digits; -1 otherwise. */
static int digits(const char *text, size_t len)
{
	int v = 0;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		v = 10 * v + (text[i] - '0');
	}
	return v;
}

/* "2028-11-19" to the first ms of the day after; false when there is no such day. */
static bool read_date(const char *text, uint64_t *ret_ms)
{
	if (strlen(text) != 10 || text[4] != '-' || text[7] != '-')
		return false;
	int year = digits(text, 4), month = digits(text + 5, 2), day = digits(text + 8, 2);
	if (year < 1970 || month < 1 || day < 1)
		return false;
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	time_t t = timegm(&tm);
	/* timegm carries the 31st of November over into December. */
	if (tm.tm_mon != month - 1 || tm.tm_mday != day)
		return false;
	*ret_ms = (uint64_t)t * 1000 + DIRECTORY_DAY_MS;
	return true;
}

static int set_expires(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	if (read_date(value, &e->expires_ms))
		return 0;
	fault_set(f, "expires \"%s\" is no date; write YYYY-MM-DD, the last day that counts",
		quote_text(value, q));
	return -EINVAL;
}

static int set_from(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX], text[PREFIX_TEXT_MAX];
	for (;;) {
		size_t len = strcspn(value, ",");
		if (e->from_count == DIRECTORY_FROM_MAX) {
			fault_set(f, "from has more than %d prefixes; give wider ones",
				DIRECTORY_FROM_MAX);
			return -EINVAL;
		}
		bool fits = len < sizeof(text);
		if (fits) {
			memcpy(text, value, len);
			text[len] = '\0';
		}
		if (!fits || !prefix_parse(text, &e->from[e->from_count])) {
			fault_set(f,
				"from \"%s\" is no prefix; write 10.0.0.0/8 or 2001:db8::/32, with "
				"no bit set beyond its length",
				text_quote(span_of(value, len), q, QUOTED_MAX));
			return -EINVAL;
		}
		e->from_count++;
		if (value[len] == '\0')
			return 0;
		value += len + 1;
	}
}

static int set_disabled(struct directory_entry *e, const char *value, struct fault *f)
{
	(void)value;
	(void)f;
	e->is_disabled = true;
	return 0;
}

static int set_locked(struct directory_entry *e, const char *value, struct fault *f)
{
	(void)value;
	(void)f;
	e->is_locked = true;
	return 0;
}

static int set_certified(struct directory_entry *e, const char *value, struct fault *f)
{
	(void)value;
	(void)f;
	e->is_certified_equivalent = true;
	return 0;
}

bool directory_key_id_parse(const char *text, uint8_t ret[32])
{
	return strncmp(text, "sha256:", 7) == 0 && text_unhex(text + 7, ret, 32);
}

static int set_key_next(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	e->has_next = directory_key_id_parse(value, e->key_next);
	if (e->has_next)
		return 0;
	fault_set(f, "key-next \"%s\" is no key id; write sha256: and 64 hexadecimal digits",
		quote_text(value, q));
	return -EINVAL;
}

static int set_document_key(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	e->has_document_key =
		strncmp(value, "x25519:", 7) == 0 && text_unhex(value + 7, e->document_key, 32);
	/* X25519 with the all-zero point gives a shared secret that everybody knows. */
	if (e->has_document_key && !span_is_zero(SPAN_OF(e->document_key)))
		return 0;
	fault_set(f,
		"document-key \"%s\" is no key; write x25519: and the 64 hexadecimal digits that "
		"postern id show prints",
		quote_text(value, q));
	return -EINVAL;
}

static int set_require(struct directory_entry *e, const char *value, struct fault *f)
{
	char q[QUOTED_MAX];
	e->requires_up = true;
	e->requires_uv = strcmp(value, "up,uv") == 0;
	if (e->requires_uv || strcmp(value, "up") == 0)
		return 0;
	fault_set(f, "require \"%s\" is unknown; write \"up\" (touch) or \"up,uv\" (touch and PIN)",
		quote_text(value, q));
	return -EINVAL;
}

struct option_rule {
	const char *name;
	bool needs_value;
	int (*apply)(struct directory_entry *e, const char *value, struct fault *f);
};

static const struct option_rule option_rules[] = {
	{ "name", true, set_name },
	{ "kind", true, set_kind },
	{ "expires", true, set_expires },
	{ "from", true, set_from },
	{ "disabled", false, set_disabled },
	{ "locked", false, set_locked },
	{ "key-next", true, set_key_next },
	{ "require", true, set_require },
	{ "certified-equivalent", false, set_certified },
	{ "document-key", true, set_document_key },
};

#define OPTION_RULES (sizeof(option_rules) / sizeof(option_rules[0]))

int directory_option_apply(struct directory_entry *e, const struct directory_option *o,
	unsigned *seen, struct fault *f)
{
	char q[QUOTED_MAX];
	size_t i = 0;
	while (i < OPTION_RULES && strcmp(option_rules[i].name, o->name) != 0)
		i++;
	if (i == OPTION_RULES) {
		fault_set(f,
			"option \"%s\" is unknown; known are name, kind, expires, from, disabled, "
			"locked, key-next, require, certified-equivalent, document-key",
			quote_text(o->name, q));
		return -EINVAL;
	}
	const struct option_rule *rule = &option_rules[i];
	if ((*seen & 1u << i) != 0) {
		fault_set(f, "option %s stands twice; keep one", rule->name);
		return -EINVAL;
	}
	*seen |= 1u << i;
	if (rule->needs_value && !o->has_value) {
		fault_set(f, "option %s needs a value; write %s=\"...\"", rule->name, rule->name);
		return -EINVAL;
	}
	if (!rule->needs_value && o->has_value) {
		fault_set(f, "option %s takes no value; write only its name, or remove it",
			rule->name);
		return -EINVAL;
	}
	return rule->apply(e, o->value, f);
}
