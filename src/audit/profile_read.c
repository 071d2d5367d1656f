/*
 * A profile from JSON. Invariant: what is not known is refused, with the line where it stands, so that a
 * misspelt word is never a check that is silently not made.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/profile.h"
#include "audit/suite.h"

#define FORMAT 1
#define BITS_MAX 65535
#define DAYS_MAX 36525

struct reading {
	const char *path;
	const char *text;
	size_t len;
	struct fault *fault;
	struct audit_profile *profile;
};

static unsigned line_at(const struct reading *r, size_t offset)
{
	unsigned line = 1;
	for (size_t i = 0; i < offset; i++)
		line += r->text[i] == '\n';
	return line;
}

/*
 * Where does a word stand in quotes, at from or behind it? jansson keeps no places, and words of profiles
 * need no escapes. from itself when it is nowhere.
 */
static size_t find_quoted(const struct reading *r, size_t from, const char *word)
{
	char quoted[128];
	int n = snprintf(quoted, sizeof(quoted), "\"%s\"", word);
	if (n < 0 || (size_t)n >= sizeof(quoted))
		return from;
	const char *at = memmem(r->text + from, r->len - from, quoted, (size_t)n);
	return at != NULL ? (size_t)(at - r->text) : from;
}

/* FILE:LINE: key: what. within and key say where; either may be NULL. Always false. */
static bool refuse(const struct reading *r, const char *within, const char *key, const char *what)
{
	size_t at = within != NULL ? find_quoted(r, 0, within) : 0;
	if (key != NULL)
		at = find_quoted(r, at, key);
	fault_set(r->fault, "%s:%u: %s%s%s", r->path, line_at(r, at), key != NULL ? key : "",
		key != NULL ? ": " : "", what);
	return false;
}

static bool read_text(
	const struct reading *r, const char *key, const json_t *value, char *to, size_t cap)
{
	const char *text = json_string_value(value);
	if (text == NULL || json_string_length(value) >= cap || strlen(text) == 0)
		return refuse(r, NULL, key, "must be a text, and not a long one");
	for (const char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			return refuse(r, NULL, key, "may have printable ASCII alone");
	snprintf(to, cap, "%s", text);
	return true;
}

static bool find_version(const char *name, enum audit_version *ret)
{
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++) {
		if (strcmp(audit_version_name((enum audit_version)v), name) == 0) {
			*ret = (enum audit_version)v;
			return true;
		}
	}
	return false;
}

static bool read_version_list(
	const struct reading *r, const char *key, const json_t *list, bool to[AUDIT_VERSION_COUNT])
{
	size_t i;
	json_t *item;
	if (!json_is_array(list))
		return refuse(r, "versions", key, "must be a list of versions");
	memset(to, 0, sizeof(bool) * AUDIT_VERSION_COUNT);
	json_array_foreach(list, i, item)
	{
		enum audit_version v;
		const char *name = json_string_value(item);
		if (name == NULL)
			return refuse(r, "versions", key, "must be a list of versions");
		if (!find_version(name, &v))
			return refuse(r, key, name,
				"is no version; use SSLv2, SSLv3, TLSv1, TLSv1.1, TLSv1.2 or TLSv1.3");
		to[v] = true;
	}
	return true;
}

static bool read_versions(struct reading *r, const char *key, const json_t *value)
{
	const char *name;
	json_t *list;
	if (!json_is_object(value))
		return refuse(r, NULL, key, "must have \"allowed\" and \"wanted\"");
	json_object_foreach((json_t *)(uintptr_t)value, name, list)
	{
		bool *to = strcmp(name, "allowed") == 0 ? r->profile->is_version_allowed
			: strcmp(name, "wanted") == 0   ? r->profile->is_version_wanted
							: NULL;
		if (to == NULL)
			return refuse(r, key, name, "is not known; use \"allowed\" or \"wanted\"");
		if (!read_version_list(r, name, list, to))
			return false;
	}
	return true;
}

/* By name in one of the registries. */
static bool find_suite(const char *name, uint32_t *ret)
{
	const struct audit_suite *s = audit_suite_by_name(name);
	if (s != NULL)
		*ret = s->id;
	return s != NULL;
}

static bool find_group(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < audit_group_count(); i++) {
		if (strcmp(audit_group_at(i)->name, name) == 0) {
			*ret = audit_group_at(i)->id;
			return true;
		}
	}
	return false;
}

static bool find_signature(const char *name, uint32_t *ret)
{
	for (size_t i = 0; i < audit_signature_count(); i++) {
		if (strcmp(audit_signature_at(i)->name, name) == 0) {
			*ret = audit_signature_at(i)->id;
			return true;
		}
	}
	return false;
}

struct names {
	bool (*find)(const char *name, uint32_t *ret);
	const char *unknown;
	size_t max;
};

static bool read_names(const struct reading *r, const char *key, const json_t *list,
	const struct names *n, uint32_t *to)
{
	size_t i;
	json_t *item;
	if (!json_is_array(list) || json_array_size(list) > n->max)
		return refuse(r, NULL, key,
			"must be a list of names, and not a longer one than there are");
	json_array_foreach(list, i, item)
	{
		const char *name = json_string_value(item);
		if (name == NULL)
			return refuse(r, NULL, key, "must be a list of names");
		if (!n->find(name, &to[i]))
			return refuse(r, key, name, n->unknown);
	}
	return true;
}

static bool read_suites(struct reading *r, const char *key, const json_t *value)
{
	static const struct names n = { find_suite,
		"is no suite; use its name in the IANA registry", AUDIT_SUITES_MAX };
	if (!read_names(r, key, value, &n, r->profile->suites))
		return false;
	r->profile->suite_count = json_array_size(value);
	return true;
}

static bool read_short_list(const struct reading *r, const char *key, const json_t *value,
	const struct names *n, uint16_t *to)
{
	uint32_t ids[AUDIT_PROFILE_LIST_MAX];
	if (!read_names(r, key, value, n, ids))
		return false;
	for (size_t i = 0; i < json_array_size(value); i++)
		to[i] = (uint16_t)ids[i];
	return true;
}

static bool read_groups(struct reading *r, const char *key, const json_t *value)
{
	static const struct names n = { find_group,
		"is no group; use its name in the IANA registry", AUDIT_PROFILE_LIST_MAX };
	if (!read_short_list(r, key, value, &n, r->profile->groups))
		return false;
	r->profile->group_count = json_array_size(value);
	return true;
}

static bool read_signatures(struct reading *r, const char *key, const json_t *value)
{
	static const struct names n = { find_signature,
		"is no signature algorithm; use its name in the IANA registry",
		AUDIT_PROFILE_LIST_MAX };
	if (!read_short_list(r, key, value, &n, r->profile->signatures))
		return false;
	r->profile->signature_count = json_array_size(value);
	return true;
}

static bool read_number(
	const struct reading *r, const char *key, const json_t *value, unsigned max, unsigned *ret)
{
	json_int_t n = json_integer_value(value);
	if (!json_is_integer(value) || n < 0 || n > (json_int_t)max)
		return refuse(r, NULL, key, "must be a number, and a sensible one");
	*ret = (unsigned)n;
	return true;
}

static bool read_bits(struct reading *r, const char *key, const json_t *value)
{
	const char *name;
	json_t *number;
	if (!json_is_object(value))
		return refuse(r, NULL, key, "must have \"rsa\", \"ec\" and \"dh\"");
	json_object_foreach((json_t *)(uintptr_t)value, name, number)
	{
		unsigned *to = strcmp(name, "rsa") == 0 ? &r->profile->rsa_bits
			: strcmp(name, "ec") == 0       ? &r->profile->ec_bits
			: strcmp(name, "dh") == 0       ? &r->profile->dh_bits
							: NULL;
		if (to == NULL)
			return refuse(r, key, name, "is not known; use \"rsa\", \"ec\" or \"dh\"");
		if (!read_number(r, name, number, BITS_MAX, to))
			return false;
	}
	return true;
}

static bool read_days(struct reading *r, const char *key, const json_t *value)
{
	return read_number(r, key, value, DAYS_MAX, &r->profile->days_max);
}

static bool read_severities(struct reading *r, const char *key, const json_t *value)
{
	const char *id;
	json_t *word;
	if (!json_is_object(value))
		return refuse(r, NULL, key, "must give findings a severity each");
	json_object_foreach((json_t *)(uintptr_t)value, id, word)
	{
		size_t check = audit_check_find(id);
		const char *name = json_string_value(word);
		if (check == AUDIT_FINDINGS_MAX)
			return refuse(r, key, id, "is no finding; doc/audit.md lists them");
		if (name == NULL || !audit_severity_parse(name, &r->profile->severity[check]))
			return refuse(r, key, id,
				"its severity is one of off, info, low, medium, high and critical");
	}
	return true;
}

static bool read_advice(struct reading *r, const char *key, const json_t *value)
{
	const char *id;
	json_t *sentence;
	if (!json_is_object(value))
		return refuse(r, NULL, key, "must give findings a sentence each");
	json_object_foreach((json_t *)(uintptr_t)value, id, sentence)
	{
		size_t check = audit_check_find(id);
		char text[AUDIT_ADVICE_MAX];
		if (check == AUDIT_FINDINGS_MAX)
			return refuse(r, key, id, "is no finding; doc/audit.md lists them");
		if (!read_text(r, id, sentence, text, sizeof(text)))
			return false;
		r->profile->advice[check] = strdup(text);
		if (r->profile->advice[check] == NULL)
			return refuse(r, key, id, "no memory for it");
	}
	return true;
}

static bool read_format(struct reading *r, const char *key, const json_t *value)
{
	if (!json_is_integer(value) || json_integer_value(value) != FORMAT)
		return refuse(r, NULL, key, "this postern reads format 1");
	return true;
}

static bool read_name(struct reading *r, const char *key, const json_t *value)
{
	return read_text(r, key, value, r->profile->name, sizeof(r->profile->name));
}

static bool read_title(struct reading *r, const char *key, const json_t *value)
{
	return read_text(r, key, value, r->profile->title, sizeof(r->profile->title));
}

static bool read_source(struct reading *r, const char *key, const json_t *value)
{
	return read_text(r, key, value, r->profile->source, sizeof(r->profile->source));
}

static bool read_note(struct reading *r, const char *key, const json_t *value)
{
	return read_text(r, key, value, r->profile->note, sizeof(r->profile->note));
}

static bool read_checked(struct reading *r, const char *key, const json_t *value)
{
	return read_text(r, key, value, r->profile->checked, sizeof(r->profile->checked));
}

static const struct {
	const char *key;
	bool (*read)(struct reading *r, const char *key, const json_t *value);
} keys[] = {
	{ "format", read_format },
	{ "name", read_name },
	{ "title", read_title },
	{ "source", read_source },
	{ "note", read_note },
	{ "checked", read_checked },
	{ "versions", read_versions },
	{ "suites", read_suites },
	{ "groups", read_groups },
	{ "signatures", read_signatures },
	{ "bits", read_bits },
	{ "certificate_days", read_days },
	{ "severity", read_severities },
	{ "advice", read_advice },
};

static bool read_key(struct reading *r, const char *key, const json_t *value)
{
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(keys[i].key, key) == 0)
			return keys[i].read(r, key, value);
	return refuse(r, NULL, key, "a profile has no such part; doc/audit.md lists them");
}

static bool read_all(struct reading *r, json_t *root)
{
	const char *key;
	json_t *value;
	if (!json_is_object(root))
		return refuse(r, NULL, NULL, "a profile is a JSON object");
	if (json_object_get(root, "format") == NULL)
		return refuse(r, NULL, NULL, "\"format\": 1 is missing");
	json_object_foreach(root, key, value) if (!read_key(r, key, value)) return false;
	if (r->profile->name[0] == '\0')
		return refuse(r, NULL, NULL, "\"name\" is missing");
	return true;
}

/* Where a profile says nothing: versions since TLS 1.2, sizes that hold today. */
static struct audit_profile *new_profile(void)
{
	struct audit_profile *p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	for (size_t i = 0; i < AUDIT_FINDINGS_MAX; i++)
		p->severity[i] = AUDIT_SEVERITY_COUNT;
	p->is_version_allowed[AUDIT_TLS12] = p->is_version_allowed[AUDIT_TLS13] = true;
	p->is_version_wanted[AUDIT_TLS12] = p->is_version_wanted[AUDIT_TLS13] = true;
	p->rsa_bits = p->dh_bits = 2048;
	p->ec_bits = 224;
	return p;
}

struct audit_profile *audit_profile_parse(
	const char *path, const char *text, size_t len, struct fault *f)
{
	json_error_t error;
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	struct reading r = { path, text, len, f, NULL };
	if (root == NULL) {
		fault_set(f, "%s:%d: not JSON: %s", path, error.line > 0 ? error.line : 1,
			error.text);
		return NULL;
	}
	r.profile = new_profile();
	if (r.profile == NULL) {
		fault_set(f, "%s: no memory for a profile", path);
	} else if (!read_all(&r, root)) {
		audit_profile_free(r.profile);
		r.profile = NULL;
	}
	json_decref(root);
	return r.profile;
}
