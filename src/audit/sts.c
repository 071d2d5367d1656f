/*
 * The policy of MTA-STS and the records that announce it and TLS reports: RFC 8461 3.1 and 3.2, RFC 8460 3.
 * Texts of strangers: bounded, printable, and wrong as a whole when a part of them is wrong.
 */

#include "audit/sts.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "audit/dialogue.h"
#include "audit/domain.h"

#define AGE_MAX 31557600 /* RFC 8461 3.2: a year */

static struct span trim(struct span s)
{
	while (s.len > 0 && (s.data[0] == ' ' || s.data[0] == '\t'))
		s = span_slice(s, 1, s.len);
	while (s.len > 0 &&
		(s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t' ||
			s.data[s.len - 1] == '\r'))
		s.len--;
	return s;
}

/* What stands before the next c, and the rest behind it. */
static struct span cut(struct span *rest, char c)
{
	const void *at = rest->len > 0 ? memchr(rest->data, c, rest->len) : NULL;
	struct span part = *rest;
	if (at == NULL) {
		*rest = span_of(NULL, 0);
		return part;
	}
	part.len = (size_t)((const uint8_t *)at - rest->data);
	*rest = span_slice(*rest, part.len + 1, rest->len);
	return part;
}

static bool parse_age(struct span s, uint32_t *ret)
{
	uint64_t n = 0;
	if (s.len == 0 || s.len > 10)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.data[i] < '0' || s.data[i] > '9')
			return false;
		n = 10 * n + (unsigned)(s.data[i] - '0');
	}
	*ret = (uint32_t)(n < AGE_MAX ? n : AGE_MAX);
	return n <= UINT32_MAX;
}

/* Case matters in all of it, RFC 8461 3. */
static bool is_exactly(struct span s, const char *text)
{
	return span_equal(s, span_of(text, strlen(text)));
}

struct policy {
	bool has_version, has_mode, has_age;
	enum audit_sts mode;
};

static const char *read_mode(struct span value, struct policy *p)
{
	static const struct {
		const char *name;
		enum audit_sts mode;
	} modes[] = { { "enforce", AUDIT_STS_ENFORCE }, { "testing", AUDIT_STS_TESTING },
		{ "none", AUDIT_STS_OFF } };
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (is_exactly(value, modes[i].name)) {
			p->mode = modes[i].mode;
			p->has_mode = true;
			return NULL;
		}
	}
	return "its mode is none of enforce, testing and none";
}

static bool is_label_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		c == '-' || c == '_';
}

/* A host's name, perhaps with "*." in front. */
static bool is_pattern(struct span s)
{
	bool is_label = false;
	if (s.len > 2 && s.data[0] == '*' && s.data[1] == '.')
		s = span_slice(s, 2, s.len);
	if (s.len == 0 || s.len > AUDIT_HOST_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		bool is_dot = s.data[i] == '.';
		if (is_dot ? !is_label : !is_label_byte(s.data[i]))
			return false;
		is_label = !is_dot;
	}
	return is_label;
}

static const char *read_mx(struct span value, struct audit_domain *d)
{
	if (!is_pattern(value))
		return "an mx in it is neither a name nor *. and a name";
	if (d->sts_mx_count == AUDIT_MX_MAX)
		return "it lists more than 64 mx";
	audit_quote(value, d->sts_mx[d->sts_mx_count++], sizeof(d->sts_mx[0]));
	return NULL;
}

/* RFC 8461 3.2: of what may be there once, the first counts. */
static const char *read_line(struct span line, struct policy *p, struct audit_domain *d)
{
	struct span value = line;
	struct span key = trim(cut(&value, ':'));
	if (key.len == line.len)
		return "a line in it has no colon";
	value = trim(value);
	if (is_exactly(key, "version") && !p->has_version) {
		p->has_version = is_exactly(value, "STSv1");
		return p->has_version ? NULL : "its version is not STSv1";
	}
	if (is_exactly(key, "mode") && !p->has_mode)
		return read_mode(value, p);
	if (is_exactly(key, "max_age") && !p->has_age) {
		p->has_age = parse_age(value, &d->sts_max_age_s);
		return p->has_age ? NULL : "its max_age is no number of seconds";
	}
	if (is_exactly(key, "mx"))
		return read_mx(value, d);
	return NULL; /* what is not known is ignored */
}

bool audit_sts_parse(const char *text, size_t len, struct audit_domain *d)
{
	struct span rest = span_of(text, len);
	struct policy p = { 0 };
	const char *why = NULL;
	d->sts_mx_count = 0;
	d->sts_max_age_s = 0;
	while (rest.len > 0 && why == NULL) {
		struct span line = trim(cut(&rest, '\n'));
		if (line.len > 0)
			why = read_line(line, &p, d);
	}
	if (why == NULL && !p.has_version)
		why = "it has no version";
	if (why == NULL && (!p.has_mode || !p.has_age))
		why = p.has_mode ? "it has no max_age" : "it has no mode";
	if (why == NULL && p.mode != AUDIT_STS_OFF && d->sts_mx_count == 0)
		why = "it lists no mx";
	d->sts = why == NULL ? p.mode : AUDIT_STS_BROKEN;
	snprintf(d->sts_text, sizeof(d->sts_text), "%s", why != NULL ? why : "");
	return why == NULL;
}

bool audit_sts_matches(const char *pattern, const char *host)
{
	/* RFC 8461 4.1: a wildcard stands for one label, the leftmost. */
	if (strncmp(pattern, "*.", 2) != 0)
		return strcasecmp(pattern, host) == 0;
	const char *dot = strchr(host, '.');
	return dot != NULL && dot != host && strcasecmp(pattern + 1, dot) == 0;
}

/*
 * "v=...; key=value; key=value": the value of a key, an empty span when it is not there. False when the
 * record does not begin with just that version, or a field has no '='.
 */
static bool read_record(struct span txt, const char *version, const char *key, struct span *ret)
{
	struct span rest = txt;
	*ret = span_of(NULL, 0);
	if (!is_exactly(trim(cut(&rest, ';')), version))
		return false;
	while (rest.len > 0) {
		struct span value = trim(cut(&rest, ';'));
		size_t len = value.len;
		if (len == 0)
			continue;
		struct span name = trim(cut(&value, '='));
		if (name.len == len)
			return false;
		if (ret->len == 0 && is_exactly(name, key))
			*ret = trim(value);
	}
	return ret->len > 0;
}

bool audit_sts_record(struct span txt, char id[33])
{
	struct span value;
	if (!read_record(txt, "v=STSv1", "id", &value) || value.len > 32)
		return false;
	for (size_t i = 0; i < value.len; i++)
		if (!is_label_byte(value.data[i]) || value.data[i] == '-' || value.data[i] == '_')
			return false;
	audit_quote(value, id, 33);
	return true;
}

bool audit_tls_rpt_record(struct span txt, char rua[AUDIT_WORDS_MAX + 1])
{
	struct span value;
	if (!read_record(txt, "v=TLSRPTv1", "rua", &value))
		return false;
	for (struct span rest = value; rest.len > 0;) {
		struct span uri = trim(cut(&rest, ','));
		/* RFC 3986 3.1: a scheme in either case. */
		if (!audit_begins(uri, "mailto:") && !audit_begins(uri, "https:"))
			return false;
	}
	audit_quote(value, rua, AUDIT_WORDS_MAX + 1);
	return true;
}
