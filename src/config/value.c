/*
 * The text of one option to its typed field and back. A field is written only after its text passed
 * every check, and what is printed reads back as the same value.
 */

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/internal.h"

#define PATH_LEN_MAX 4095
#define CREDENTIAL_LEN_MAX 255
#define SOCKET_LEN_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)
#define USER_LEN_MAX 31
#define MARK_LOW_BITS UINT32_C(0x00ffffff)
#define QUOTED_MAX 80

__attribute__((format(printf, 2, 3))) static bool refuse(
	char why[CONFIG_WHY_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static const char *quoted(const char *text, char to[QUOTED_MAX])
{
	return text_quote(span_of(text, strlen(text)), to, QUOTED_MAX);
}

const char *config_bound_format(const struct config_keyword *k, uint32_t v, char to[CONFIG_WHY_MAX])
{
	char d[TIME_TEXT_MAX];
	if (k->type == CONFIG_TYPE_DURATION || k->type == CONFIG_TYPE_LEASE)
		snprintf(to, CONFIG_WHY_MAX, "%s", duration_format(v, d));
	else
		snprintf(to, CONFIG_WHY_MAX, "%" PRIu32, v);
	return to;
}

/* Decimal digits only: no sign, blank or prefix. -ERANGE past 32 bits. */
static int number_parse(const char *text, uint32_t *ret)
{
	uint64_t v = 0;
	if (*text == '\0')
		return -EINVAL;
	for (const char *p = text; *p != '\0'; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > UINT32_MAX)
			return -ERANGE;
	}
	*ret = (uint32_t)v;
	return 0;
}

static bool check_bounds(
	const struct config_keyword *k, const char *text, uint32_t *ret, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX], bound[CONFIG_WHY_MAX];
	bool is_time = k->type == CONFIG_TYPE_DURATION || k->type == CONFIG_TYPE_LEASE;
	uint32_t v = 0;
	int rc = is_time ? duration_parse(text, &v) : number_parse(text, &v);

	if (rc == -EINVAL && is_time)
		return refuse(why, "\"%s\" is not a time; write 30s, 5m, 8h or 2d%s",
			quoted(text, q), k->type == CONFIG_TYPE_LEASE ? ", or none" : "");
	if (rc == -EINVAL)
		return refuse(why, "\"%s\" is not a number", quoted(text, q));
	if (rc < 0 || v > k->max)
		return refuse(
			why, "%.40s is above %.40s", text, config_bound_format(k, k->max, bound));
	if (v < k->min)
		return refuse(
			why, "%.40s is below %.40s", text, config_bound_format(k, k->min, bound));
	*ret = v;
	return true;
}

static bool check_path(const char *text, size_t len_max, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	if (text[0] != '/')
		return refuse(
			why, "\"%s\" is not an absolute path; begin it with /", quoted(text, q));
	if (strlen(text) > len_max)
		return refuse(why, "the path is longer than %zu bytes", len_max);
	return true;
}

/* One file name, and never the folder itself or the one above it. */
static bool check_secret(const char *text, char why[CONFIG_WHY_MAX])
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
	char q[QUOTED_MAX];
	if (strncmp(text, CONFIG_CREDENTIAL, strlen(CONFIG_CREDENTIAL)) != 0)
		return check_path(text, PATH_LEN_MAX, why);
	const char *name = text + strlen(CONFIG_CREDENTIAL);
	size_t len = strlen(name);
	if (len > 0 && len <= CREDENTIAL_LEN_MAX && name[0] != '.' && strspn(name, good) == len)
		return true;
	return refuse(why, "\"%s\" is not the name of a credential", quoted(text, q));
}

static bool check_user(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	static const char first[] = "abcdefghijklmnopqrstuvwxyz_";
	static const char rest[] = "abcdefghijklmnopqrstuvwxyz_0123456789-";
	size_t len = strlen(text);
	if (len < 1 || len > USER_LEN_MAX || strchr(first, text[0]) == NULL ||
		strspn(text, rest) != len)
		return refuse(why, "\"%s\" is not a user name", quoted(text, q));
	return true;
}

bool config_loopback_parse(const char *text, struct addr *ret, uint16_t *ret_port)
{
	static const uint8_t v4_start[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };
	static const uint8_t v6_start[15] = { 0 };
	char host[ADDR_TEXT_MAX];
	struct addr a;
	uint32_t port = 0;
	const char *colon = strrchr(text, ':');
	bool is_bracketed = text[0] == '[' && colon != NULL && colon > text && colon[-1] == ']';
	const char *start = is_bracketed ? text + 1 : text;
	size_t len = colon == NULL ? 0 : (size_t)(colon - start) - is_bracketed;
	if (len == 0 || len >= sizeof(host) || number_parse(colon + 1, &port) < 0 || port < 1 ||
		port > 65535)
		return false;
	memcpy(host, start, len);
	host[len] = '\0';
	if (!addr_parse(host, &a) || addr_is_v4(&a) == is_bracketed)
		return false;
	bool is_loopback = addr_is_v4(&a)
		? memcmp(a.b, v4_start, sizeof(v4_start)) == 0
		: memcmp(a.b, v6_start, sizeof(v6_start)) == 0 && a.b[15] == 1;
	if (!is_loopback)
		return false;
	*ret = a;
	*ret_port = (uint16_t)port;
	return true;
}

static bool check_loopback(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct addr a;
	uint16_t port;
	if (config_loopback_parse(text, &a, &port))
		return true;
	return refuse(why,
		"\"%s\" is not a loopback address and port; write one like 127.0.0.1:9462",
		quoted(text, q));
}

static bool check_interface(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	size_t len = strlen(text);
	if (len < 1 || len >= IFNAMSIZ || strpbrk(text, "/ :") != NULL || text[0] == '-' ||
		strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
		return refuse(why, "\"%s\" is not the name of an interface", quoted(text, q));
	return true;
}

static bool check_choice(
	const struct config_keyword *k, const char *text, uint32_t *ret, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	for (uint32_t i = 0; k->choices[i] != NULL; i++) {
		if (strcmp(k->choices[i], text) == 0) {
			*ret = i + k->min;
			return true;
		}
	}
	refuse(why, "\"%s\" is not supported; choose from: ", quoted(text, q));
	for (size_t i = 0; k->choices[i] != NULL; i++) {
		size_t at = strlen(why);
		snprintf(why + at, CONFIG_WHY_MAX - at, "%s%s", i == 0 ? "" : ", ", k->choices[i]);
	}
	return false;
}

static bool check_bool(const char *text, uint32_t *ret, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return refuse(why, "\"%s\" is neither yes nor no", quoted(text, q));
	*ret = text[0] == 'y';
	return true;
}

static bool check_mark(const char *text, uint32_t *ret, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	const char *digits = text + 2;
	if (strncmp(text, "0x", 2) != 0 || strlen(digits) < 1 || strlen(digits) > 8 ||
		strspn(digits, "0123456789abcdefABCDEF") != strlen(digits))
		return refuse(
			why, "\"%s\" is not a mark; write one like 0x50000000", quoted(text, q));
	uint32_t v = (uint32_t)strtoul(digits, NULL, 16);
	if (v == 0 || (v & MARK_LOW_BITS) != 0)
		return refuse(why,
			"%s has bits outside the high eight, or none; write one like 0x50000000",
			text);
	*ret = v;
	return true;
}

/* A number from 1 to 65535 of len digits; what is too long for one counts as above. -EINVAL: no number. */
static int port_parse(const char *text, size_t len, uint32_t *ret)
{
	char digits[16];
	if (len == 0 || strspn(text, "0123456789") < len)
		return -EINVAL;
	*ret = UINT32_MAX;
	if (len >= sizeof(digits))
		return 0;
	memcpy(digits, text, len);
	digits[len] = '\0';
	(void)number_parse(digits, ret);
	return 0;
}

static bool check_port(const char *text, size_t len, uint32_t port, char why[CONFIG_WHY_MAX])
{
	int shown = len < 40 ? (int)len : 40;
	if (port > 65535)
		return refuse(why, "%.*s is above 65535", shown, text);
	if (port < 1)
		return refuse(why, "%.*s is below 1", shown, text);
	return true;
}

static bool check_range(uint32_t first, uint32_t last, char why[CONFIG_WHY_MAX])
{
	if (last <= first)
		return refuse(why, "a range from %u cannot end at %u; write the lower port first",
			(unsigned)first, (unsigned)last);
	if (last - first >= CONFIG_RANGE_MAX)
		return refuse(why, "a range has at most %d ports, not %u", CONFIG_RANGE_MAX,
			(unsigned)(last - first + 1));
	return true;
}

static bool set_port(const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	bool is_tcp = strncmp(text, "tcp/", 4) == 0;
	const char *first = is_tcp || strncmp(text, "udp/", 4) == 0 ? text + 4 : "";
	size_t first_len = strcspn(first, "-");
	bool is_range = first[first_len] == '-';
	const char *last = is_range ? first + first_len + 1 : "1";
	size_t last_len = strlen(last);
	uint32_t port = 0, port_last = 0;
	if (port_parse(first, first_len, &port) < 0 || port_parse(last, last_len, &port_last) < 0)
		return refuse(why, "\"%s\" is not a port; write one like tcp/22 or udp/51820",
			quoted(text, q));
	if (!check_port(first, first_len, port, why) || !check_port(last, last_len, port_last, why))
		return false;
	if (is_range && !check_range(port, port_last, why))
		return false;
	if (base != NULL) {
		struct config_service *s = base;
		s->proto = is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
		s->port = (uint16_t)port;
		s->port_last = is_range ? (uint16_t)port_last : 0;
	}
	return true;
}

bool config_endpoint_parse(const char *text, struct config_endpoint *ret)
{
	uint32_t port = 0;
	bool is_tcp = strncmp(text, "tcp/", 4) == 0;
	if ((!is_tcp && strncmp(text, "udp/", 4) != 0) || number_parse(text + 4, &port) < 0 ||
		port < 1 || port > 65535)
		return false;
	*ret = (struct config_endpoint){ is_tcp ? IPPROTO_TCP : IPPROTO_UDP, (uint16_t)port };
	return true;
}

static bool set_endpoint(
	const struct config_keyword *k, const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct config_endpoint e;
	if (!config_endpoint_parse(text, &e))
		return refuse(why, "\"%s\" is not a port; write one like tcp/22 or udp/51820",
			quoted(text, q));
	if (base != NULL)
		memcpy((char *)base + k->offset, &e, sizeof(e));
	return true;
}

static bool check_opening(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct config_endpoint e;
	if (strcmp(text, CONFIG_ECHO) != 0 && !config_endpoint_parse(text, &e))
		return refuse(why, "\"%s\" is no port; write tcp/80, udp/53 or " CONFIG_ECHO,
			quoted(text, q));
	return true;
}

static bool check_label(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	return config_is_label(text) ||
		refuse(why, "\"%s\" is not the name of a service", quoted(text, q));
}

static bool check_step(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct config_endpoint e;
	return config_step_parse(text, &e) ||
		refuse(why, "\"%s\" is not a knock; write 7000 or 7000/udp", quoted(text, q));
}

static bool check_prefix(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct prefix p;
	if (!prefix_parse(text, &p))
		return refuse(why,
			"\"%s\" is not a prefix; write one like 203.0.113.7/32 or 2001:db8::/48",
			quoted(text, q));
	return true;
}

bool config_target_parse(const char *text, struct config_target *ret)
{
	char host[CONFIG_HOST_MAX + 1];
	struct config_target t;
	bool is_bracketed = false;
	if (!config_place_split(text, host, &is_bracketed, &t.port) || !addr_parse(host, &t.addr))
		return false;
	if ((strchr(host, ':') != NULL) != is_bracketed)
		return false;
	*ret = t;
	return true;
}

static bool check_target(const char *text, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	struct config_target t;
	if (!config_target_parse(text, &t))
		return refuse(why,
			"\"%s\" is not an address and a port; write 10.0.0.8:443 or [2001:db8::8]:443",
			quoted(text, q));
	return true;
}

/* An unsigned field of whatever width; an enum is as wide as unsigned. */
static void put_number(const struct config_keyword *k, void *base, uint32_t v)
{
	char *at = (char *)base + k->offset;
	bool b = v != 0;
	uint16_t v16 = (uint16_t)v;
	if (k->size == sizeof(b) && k->type == CONFIG_TYPE_BOOL)
		memcpy(at, &b, sizeof(b));
	else if (k->size == sizeof(v16))
		memcpy(at, &v16, sizeof(v16));
	else if (k->size == sizeof(v))
		memcpy(at, &v, sizeof(v));
}

static uint32_t get_number(const struct config_keyword *k, const void *base)
{
	const char *at = (const char *)base + k->offset;
	bool b = false;
	uint16_t v16 = 0;
	uint32_t v = 0;
	if (k->type == CONFIG_TYPE_BOOL) {
		memcpy(&b, at, sizeof(b));
		return b;
	}
	if (k->size == sizeof(v16)) {
		memcpy(&v16, at, sizeof(v16));
		return v16;
	}
	if (k->size == sizeof(v))
		memcpy(&v, at, sizeof(v));
	return v;
}

bool config_value_keep(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX])
{
	if (base == NULL)
		return true;
	const char *kept = config_arena_keep(arena, text, strlen(text));
	if (kept == NULL)
		return refuse(why, "no memory to keep it");
	memcpy((char *)base + k->offset, &kept, sizeof(kept));
	return true;
}

/* Numbers of every kind. */
static bool set_number(
	const struct config_keyword *k, const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	uint32_t v = 0;
	bool is_good;
	if (k->type == CONFIG_TYPE_CHOICE)
		is_good = check_choice(k, text, &v, why);
	else if (k->type == CONFIG_TYPE_BOOL)
		is_good = check_bool(text, &v, why);
	else if (k->type == CONFIG_TYPE_MARK)
		is_good = check_mark(text, &v, why);
	else if (k->type == CONFIG_TYPE_LEASE && strcmp(text, "none") == 0)
		is_good = (v = CONFIG_LEASE_NONE) != 0;
	else
		is_good = check_bounds(k, text, &v, why);
	if (is_good && base != NULL)
		put_number(k, base, v);
	return is_good;
}

bool config_value_set(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX])
{
	if (text[0] == '\0')
		return refuse(why, "is empty");
	switch (k->type) {
	case CONFIG_TYPE_PATH:
		return check_path(text, PATH_LEN_MAX, why) &&
			config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_SECRET:
		return check_secret(text, why) && config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_SOCKET:
		return check_path(text, SOCKET_LEN_MAX, why) &&
			config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_USER:
		return check_user(text, why) && config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_LOOPBACK:
		return check_loopback(text, why) && config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_INTERFACE:
		return check_interface(text, why) && config_value_keep(k, text, base, arena, why);
	case CONFIG_TYPE_BOOL:
	case CONFIG_TYPE_NUMBER:
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_CHOICE:
	case CONFIG_TYPE_MARK:
	case CONFIG_TYPE_LEASE:
		return set_number(k, text, base, why);
	case CONFIG_TYPE_PORT:
		return set_port(text, base, why);
	case CONFIG_TYPE_ENDPOINT:
		return set_endpoint(k, text, base, why);
	case CONFIG_TYPE_NAMES:
	case CONFIG_TYPE_PATHS:
	case CONFIG_TYPE_COMMAND:
	case CONFIG_TYPE_PREFIXES:
	case CONFIG_TYPE_TARGETS:
	case CONFIG_TYPE_OPENINGS:
	case CONFIG_TYPE_SERVICES:
	case CONFIG_TYPE_STEPS:
		break;
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_LABEL:
	case CONFIG_TYPE_OPTPORT:
	case CONFIG_TYPE_CIPHER_RANGE:
	case CONFIG_TYPE_IV:
	case CONFIG_TYPE_KEY:
	case CONFIG_TYPE_AES:
		return config_classic_set(k, text, base, arena, why);
	case CONFIG_TYPE_TCP_PORT:
	case CONFIG_TYPE_UDP_PORT:
	case CONFIG_TYPE_PLACE:
	case CONFIG_TYPE_SPEAKS:
		return config_passthru_set(k, text, base, arena, why);
	}
	return refuse(why, "is a list");
}

bool config_value_check_item(
	const struct config_keyword *k, const char *text, char why[CONFIG_WHY_MAX])
{
	if (text[0] == '\0')
		return refuse(why, "an entry is empty; remove it");
	if (k->type == CONFIG_TYPE_PATHS)
		return check_path(text, PATH_LEN_MAX, why);
	if (k->type == CONFIG_TYPE_PREFIXES)
		return check_prefix(text, why);
	if (k->type == CONFIG_TYPE_TARGETS)
		return check_target(text, why);
	if (k->type == CONFIG_TYPE_OPENINGS)
		return check_opening(text, why);
	if (k->type == CONFIG_TYPE_SERVICES)
		return check_label(text, why);
	if (k->type == CONFIG_TYPE_STEPS)
		return check_step(text, why);
	return true;
}

/* In quotes that need the least: the single ones when a ${ would be read as a variable. */
void config_quoted_print(const char *text, FILE *out)
{
	char quote = strstr(text, "${") != NULL ? '\'' : '"';
	fputc(quote, out);
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == quote || *p == '\\')
			fputc('\\', out);
		fputc(*p, out);
	}
	fputc(quote, out);
}

static bool print_list(const struct config_list *l, FILE *out)
{
	if (!l->is_set)
		return false;
	fputc('{', out);
	for (size_t i = 0; i < l->len; i++) {
		fputs(i == 0 ? "" : ", ", out);
		config_quoted_print(l->items[i].text, out);
	}
	fputc('}', out);
	return true;
}

static bool print_text(const struct config_keyword *k, const void *base, FILE *out)
{
	const char *text = NULL;
	memcpy(&text, (const char *)base + k->offset, sizeof(text));
	if (text == NULL)
		return false;
	config_quoted_print(text, out);
	return true;
}

static void print_number(const struct config_keyword *k, const void *base, FILE *out)
{
	char d[TIME_TEXT_MAX];
	/* A choice without a field has one value in this version: the first. */
	uint32_t v = k->size == 0 ? k->min : get_number(k, base);
	if (k->type == CONFIG_TYPE_BOOL)
		fputs(v != 0 ? "yes" : "no", out);
	else if (k->type == CONFIG_TYPE_CHOICE)
		fputs(k->choices[v - k->min], out);
	else if (k->type == CONFIG_TYPE_MARK)
		fprintf(out, "0x%08" PRIx32, v);
	else if (k->type == CONFIG_TYPE_LEASE && v == CONFIG_LEASE_NONE)
		fputs("none", out);
	else if (k->type == CONFIG_TYPE_DURATION || k->type == CONFIG_TYPE_LEASE)
		fputs(duration_format(v, d), out);
	else
		fprintf(out, "%" PRIu32, v);
}

bool config_value_print(const struct config_keyword *k, const void *base, FILE *out)
{
	switch (k->type) {
	case CONFIG_TYPE_PATH:
	case CONFIG_TYPE_SECRET:
	case CONFIG_TYPE_LOOPBACK:
	case CONFIG_TYPE_SOCKET:
	case CONFIG_TYPE_USER:
	case CONFIG_TYPE_INTERFACE:
	case CONFIG_TYPE_NAME:
	case CONFIG_TYPE_LABEL:
	case CONFIG_TYPE_KEY:
		return print_text(k, base, out);
	case CONFIG_TYPE_OPTPORT:
	case CONFIG_TYPE_CIPHER_RANGE:
	case CONFIG_TYPE_IV:
	case CONFIG_TYPE_AES:
		return config_classic_print(k, base, out);
	case CONFIG_TYPE_TCP_PORT:
	case CONFIG_TYPE_UDP_PORT:
	case CONFIG_TYPE_PLACE:
	case CONFIG_TYPE_SPEAKS:
		return config_passthru_print(k, base, out);
	case CONFIG_TYPE_NAMES:
	case CONFIG_TYPE_PATHS:
	case CONFIG_TYPE_COMMAND:
	case CONFIG_TYPE_PREFIXES:
	case CONFIG_TYPE_TARGETS:
	case CONFIG_TYPE_OPENINGS:
	case CONFIG_TYPE_SERVICES:
	case CONFIG_TYPE_STEPS:
		return print_list((const void *)((const char *)base + k->offset), out);
	case CONFIG_TYPE_PORT: {
		const struct config_service *s = base;
		fprintf(out, "%s/%u", s->proto == IPPROTO_TCP ? "tcp" : "udp", s->port);
		if (s->port_last != 0)
			fprintf(out, "-%u", s->port_last);
		return true;
	}
	case CONFIG_TYPE_ENDPOINT: {
		struct config_endpoint e;
		memcpy(&e, (const char *)base + k->offset, sizeof(e));
		fprintf(out, "%s/%u", e.proto == IPPROTO_TCP ? "tcp" : "udp", e.port);
		return true;
	}
	case CONFIG_TYPE_NUMBER:
		/* Without a default, outside its bounds: it was left out. */
		if (k->initial == NULL &&
			(get_number(k, base) < k->min || get_number(k, base) > k->max))
			return false;
		break;
	case CONFIG_TYPE_BOOL:
	case CONFIG_TYPE_DURATION:
	case CONFIG_TYPE_CHOICE:
	case CONFIG_TYPE_MARK:
	case CONFIG_TYPE_LEASE:
		break;
	}
	print_number(k, base, out);
	return true;
}
