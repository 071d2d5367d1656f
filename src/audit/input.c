/*
 * What people write for a gateway: a@b, host, host:port, [v6]:port, scheme://host. Invariant: a name that
 * comes out is of letters, digits, '-', '_' and '.', in lower case, within the bounds of DNS.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/domain.h"

#define LABEL_MAX 63

static bool refuse(char why[256], const char *text, const char *clause)
{
	char shown[80];
	size_t n = 0;
	for (; text[n] != '\0' && n + 1 < sizeof(shown); n++)
		shown[n] = text[n] >= ' ' && text[n] < 0x7f ? text[n] : '?';
	shown[n] = '\0';
	snprintf(why, 256, "%s: %s", shown, clause);
	return false;
}

/* NULL, or what is wrong with it. */
static const char *check_name(const char *name)
{
	size_t label = 0, len = strlen(name);
	bool is_number = true; /* the last part of it */
	if (len == 0)
		return "there is no name in it";
	if (len > AUDIT_HOST_MAX)
		return "a name has at most 253 characters";
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];
		if (c >= 0x80)
			return "a name with other letters than a-z is written in its xn-- form";
		if (c == '.') {
			if (label == 0)
				return "a part of the name is empty";
			label = 0;
			is_number = true;
			continue;
		}
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
			return "a name is of letters, digits, - and .";
		if (++label > LABEL_MAX)
			return "a part of a name has at most 63 characters";
		is_number = is_number && c >= '0' && c <= '9';
	}
	if (label == 0)
		return "a part of the name is empty";
	return is_number ? "it looks like an address and is none" : NULL;
}

/* One dot at the end says that the name is whole; it always is here. */
static void drop_dot(char *name)
{
	size_t len = strlen(name);
	if (len > 1 && name[len - 1] == '.')
		name[len - 1] = '\0';
}

static bool parse_port(const char *text, uint16_t *ret)
{
	char *end = NULL;
	unsigned long n = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || n < 1 || n > 65535)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* host, host:port, [v6], [v6]:port or a bare IPv6 address: the parts of it, in place. */
static const char *split(char *text, char **ret_host, char **ret_port)
{
	struct addr a;
	*ret_host = text;
	*ret_port = NULL;
	if (addr_parse(text, &a))
		return NULL;
	if (text[0] == '[') {
		char *close = strchr(text, ']');
		if (close == NULL)
			return "the ] is missing";
		*close = '\0';
		*ret_host = text + 1;
		if (close[1] == ':')
			*ret_port = close + 2;
		else if (close[1] != '\0')
			return "behind ] only :PORT may stand";
		return addr_parse(*ret_host, &a) ? NULL
						 : "between [ and ] there is no IPv6 address";
	}
	char *colon = strrchr(text, ':');
	if (colon != NULL) {
		*colon = '\0';
		*ret_port = colon + 1;
	}
	return NULL;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text = (char)(*text + ('a' - 'A'));
}

/* TLS from the first byte on ports of their own. */
static const struct {
	const char *scheme;
	uint16_t port;
} direct[] = {
	{ "smtps", 465 },
	{ "submissions", 465 },
	{ "imaps", 993 },
	{ "pop3s", 995 },
	{ "ldaps", 636 },
	{ "ftps", 990 },
	{ "nntps", 563 },
	{ "ircs", 6697 },
};

static bool parse_scheme(const char *scheme, struct audit_input *in)
{
	for (size_t i = 0; i < sizeof(direct) / sizeof(direct[0]); i++) {
		if (strcmp(scheme, direct[i].scheme) == 0) {
			in->starttls = AUDIT_DIRECT;
			in->port = direct[i].port;
			return true;
		}
	}
	if (!audit_starttls_parse(scheme, &in->starttls))
		return false;
	/* The word for mail from people has its own port. */
	in->port = strcmp(scheme, "submission") == 0 ? 587 : audit_starttls_port(in->starttls);
	return true;
}

/* "smtp://" in front, and what is behind the next '/'. False: another word than we know. */
static bool take_scheme(char **text, struct audit_input *in)
{
	char *end = strstr(*text, "://");
	if (end == NULL)
		return true;
	*end = '\0';
	if (!parse_scheme(*text, in))
		return false;
	in->kind = AUDIT_INPUT_SERVICE;
	*text = end + 3;
	char *path = strchr(*text, '/');
	if (path != NULL)
		*path = '\0';
	return true;
}

static const char *take_host(char *text, struct audit_input *in)
{
	char *host = NULL, *port = NULL;
	const char *why = split(text, &host, &port);
	if (why != NULL)
		return why;
	if (port != NULL && !parse_port(port, &in->port))
		return "a port is a number from 1 to 65535";
	if (port != NULL && in->kind != AUDIT_INPUT_SERVICE) {
		in->kind = AUDIT_INPUT_SERVICE;
		in->starttls = audit_starttls_of_port(in->port);
	}
	if (addr_parse(host, &in->addr)) {
		in->is_address = true;
		if (in->kind == AUDIT_INPUT_HOST) {
			in->kind = AUDIT_INPUT_SERVICE;
			in->port = audit_starttls_port(AUDIT_DIRECT);
		}
		snprintf(in->host, sizeof(in->host), "%s", host);
		return NULL;
	}
	drop_dot(host);
	why = check_name(host);
	if (why == NULL)
		snprintf(in->host, sizeof(in->host), "%s", host);
	return why;
}

bool audit_input_parse(const char *text, struct audit_input *ret, char why[256])
{
	char copy[AUDIT_HOST_MAX + 64];
	struct audit_input in = { .kind = AUDIT_INPUT_HOST };
	const char *clause = NULL;
	if (strlen(text) >= sizeof(copy))
		return refuse(why, text, "too long for a target");
	snprintf(copy, sizeof(copy), "%s", text);
	snprintf(in.given, sizeof(in.given), "%s", text);
	lower(copy);
	char *at = copy, *mail = strrchr(copy, '@');
	if (mail != NULL && strstr(copy, "://") == NULL) {
		in.kind = AUDIT_INPUT_MAIL;
		at = mail + 1;
		drop_dot(at);
		clause = check_name(at);
		if (clause == NULL && mail == copy)
			clause = "there is nobody before the @";
		snprintf(in.host, sizeof(in.host), "%s", clause == NULL ? at : "");
	} else if (!take_scheme(&at, &in)) {
		clause =
			"only smtp, lmtp, imap, pop3, ftp, ldap, xmpp, postgres, mysql, nntp, sieve, "
			"irc, https and their direct forms may stand before ://";
	} else {
		clause = take_host(at, &in);
	}
	if (clause != NULL)
		return refuse(why, text, clause);
	*ret = in;
	return true;
}

/* The line without what is behind a #, and without blanks around it. */
static struct span bare(struct span line)
{
	const void *mark = line.len > 0 ? memchr(line.data, '#', line.len) : NULL;
	if (mark != NULL)
		line.len = (size_t)((const uint8_t *)mark - line.data);
	while (line.len > 0 && line.data[line.len - 1] <= ' ')
		line.len--;
	while (line.len > 0 && line.data[0] <= ' ')
		line = span_slice(line, 1, line.len);
	return line;
}

static bool take_line(
	const char *path, unsigned number, struct span line, const struct audit_input_calls *calls)
{
	char text[AUDIT_HOST_MAX + 64], why[256], where[512];
	struct audit_input in;
	/* Too long a line is cut where it is still too long for a target. */
	size_t len = line.len < sizeof(text) ? line.len : sizeof(text) - 1;
	memcpy(text, line.data, len);
	text[len] = '\0';
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = '?';
	if (audit_input_parse(text, &in, why)) {
		calls->input(calls->arg, &in);
		return true;
	}
	snprintf(where, sizeof(where), "%.200s:%u: %s", path, number, why);
	calls->wrong(calls->arg, where);
	return false;
}

size_t audit_input_list(const char *path, struct span text, const struct audit_input_calls *calls)
{
	size_t wrong = 0;
	unsigned number = 0;
	while (text.len > 0) {
		const void *end = memchr(text.data, '\n', text.len);
		size_t len = end != NULL ? (size_t)((const uint8_t *)end - text.data) : text.len;
		struct span line = bare(span_slice(text, 0, len));
		number++;
		if (line.len > 0 && !take_line(path, number, line, calls))
			wrong++;
		text = span_slice(text, len + (end != NULL ? 1 : 0), text.len);
	}
	return wrong;
}
