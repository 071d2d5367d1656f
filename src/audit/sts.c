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
		if (audit_is(value, modes[i].name)) {
			p->mode = modes[i].mode;
			p->has_mode = true;
			return NULL;
		}
	}
	return "its mode is none of enforce, testing and none";
}

static const char *read_mx(struct span value, struct audit_domain *d)
{
	if (value.len == 0 || value.len > AUDIT_HOST_MAX)
		return "an mx in it is empty or too long";
	if (d->sts_mx_count == AUDIT_MX_MAX)
		return "it lists more than 64 mx";
	audit_quote(value, d->sts_mx[d->sts_mx_count++], sizeof(d->sts_mx[0]));
	return NULL;
}

static const char *read_line(struct span line, struct policy *p, struct audit_domain *d)
{
	struct span value = line;
	struct span key = trim(cut(&value, ':'));
	value = trim(value);
	if (audit_is(key, "version")) {
		p->has_version = audit_is(value, "STSv1");
		return p->has_version ? NULL : "its version is not STSv1";
	}
	if (audit_is(key, "mode"))
		return read_mode(value, p);
	if (audit_is(key, "max_age")) {
		p->has_age = parse_age(value, &d->sts_max_age_s);
		return p->has_age ? NULL : "its max_age is no number of seconds";
	}
	if (audit_is(key, "mx"))
		return read_mx(value, d);
	return NULL; /* RFC 8461 3.2: what is not known is ignored */
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

/* "key=value; key=value": the value of a key, NULL span when it is not there. */
static struct span field(struct span record, const char *key)
{
	struct span rest = record;
	while (rest.len > 0) {
		struct span value = trim(cut(&rest, ';'));
		struct span name = trim(cut(&value, '='));
		if (audit_is(name, key))
			return trim(value);
	}
	return span_of(NULL, 0);
}

bool audit_sts_record(struct span txt, char id[33])
{
	if (!audit_begins(txt, "v=STSv1") ||
		(txt.len > 7 && txt.data[7] != ';' && txt.data[7] != ' '))
		return false;
	struct span value = field(txt, "id");
	/* Up to 32 letters and digits. */
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.data[i];
		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
			return false;
	}
	if (value.len == 0 || value.len > 32)
		return false;
	audit_quote(value, id, 33);
	return true;
}

bool audit_tls_rpt_record(struct span txt, char rua[AUDIT_WORDS_MAX + 1])
{
	if (!audit_begins(txt, "v=TLSRPTv1"))
		return false;
	struct span value = field(txt, "rua");
	if (!audit_begins(value, "mailto:") && !audit_begins(value, "https:"))
		return false;
	audit_quote(value, rua, AUDIT_WORDS_MAX + 1);
	return true;
}
