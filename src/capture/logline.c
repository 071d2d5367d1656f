/*
 * Lines of a log, read once from left to right. Invariant: nothing is believed of a line whose beginning
 * somebody else than the kernel and its syslog daemon could have written, and no field is looked for: each
 * stands where the kernel writes it.
 */

#include "capture/logline.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "capture/internal.h"

#define OPTIONS_MAX                                                                                \
	64 /* words between two fields that matter: an IPv4 header has room for 40 bytes */

/* What is left of the line. */
struct rest {
	const char *at;
	size_t left;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static void advance(struct rest *r, size_t n)
{
	r->at += n;
	r->left -= n;
}

static bool begins_with(const struct rest *r, const char *text, size_t len)
{
	return r->left >= len && memcmp(r->at, text, len) == 0;
}

static bool take(struct rest *r, const char *text, size_t len)
{
	if (!begins_with(r, text, len))
		return false;
	advance(r, len);
	return true;
}

#define TAKE(r, text) take((r), (text), sizeof(text) - 1)

/* Up to the next space, which goes too; the line may end instead. */
static struct rest take_word(struct rest *r)
{
	const char *end = r->left > 0 ? memchr(r->at, ' ', r->left) : NULL;
	struct rest word = { r->at, end != NULL ? (size_t)(end - r->at) : r->left };

	advance(r, end != NULL ? word.left + 1 : word.left);
	return word;
}

static bool is_word(const struct rest *w, const char *text)
{
	size_t len = strlen(text);
	return w->left == len && memcmp(w->at, text, len) == 0;
}

/* A decimal number of at most max, digits and nothing else. */
static bool to_number(struct rest w, uint32_t max, uint32_t *ret)
{
	uint64_t v = 0;

	if (w.left == 0 || w.left > 10)
		return false;
	for (size_t i = 0; i < w.left; i++) {
		if (!is_digit(w.at[i]))
			return false;
		v = v * 10 + (uint64_t)(w.at[i] - '0');
	}
	if (v > max)
		return false;
	*ret = (uint32_t)v;
	return true;
}

static bool to_port(struct rest w, uint16_t *ret)
{
	uint32_t v;

	if (!to_number(w, UINT16_MAX, &v))
		return false;
	*ret = (uint16_t)v;
	return true;
}

/* Four decimal bytes with dots between them. */
static bool to_v4(struct rest w, struct addr *ret)
{
	uint8_t b[4];

	for (size_t i = 0; i < 4; i++) {
		const char *dot = i < 3 ? memchr(w.at, '.', w.left) : w.at + w.left;
		uint32_t v;
		if (dot == NULL || dot - w.at > 3)
			return false;
		size_t len = (size_t)(dot - w.at);
		if (!to_number((struct rest){ w.at, len }, UINT8_MAX, &v))
			return false;
		b[i] = (uint8_t)v;
		advance(&w, i < 3 ? len + 1 : len);
	}
	*ret = addr_v4(b);
	return w.left == 0;
}

/* Also as the kernel has it, with all 32 digits. No text for a mapped address passes for IPv4. */
static bool to_address(struct rest w, struct addr *ret)
{
	char text[ADDR_TEXT_MAX];

	if (w.left == 0 || w.left >= sizeof(text))
		return false;
	if (memchr(w.at, ':', w.left) == NULL)
		return to_v4(w, ret);
	/* addr_parse reads a string; a NUL in the middle would hide what is behind it. */
	if (memchr(w.at, '\0', w.left) != NULL)
		return false;
	memcpy(text, w.at, w.left);
	text[w.left] = '\0';
	return addr_parse(text, ret);
}

static bool is_interface(const struct rest *w)
{
	if (w->left == 0 || w->left > CAPTURE_LOGLINE_NAME_MAX)
		return false;
	for (size_t i = 0; i < w->left; i++)
		if (w->at[i] <= ' ' || w->at[i] > '~' || w->at[i] == '=')
			return false;
	return true;
}

/* "[12345.678901] ", the seconds padded with spaces; in brackets of one sort only. */
static bool take_uptime(struct rest *r)
{
	struct rest w = *r;

	if (!TAKE(&w, "["))
		return false;
	while (TAKE(&w, " "))
		;
	size_t digits = 0, dots = 0;
	for (; w.left > 0 && (is_digit(w.at[0]) || w.at[0] == '.'); advance(&w, 1)) {
		digits += is_digit(w.at[0]);
		dots += w.at[0] == '.';
	}
	if (digits == 0 || dots != 1 || !TAKE(&w, "] "))
		return false;
	*r = w;
	return true;
}

/* Digits, a colon and so on, as "hh:mm:ss" with a fraction or not. */
static bool is_clock(const struct rest *w)
{
	if (w->left < 8 || w->at[2] != ':' || w->at[5] != ':')
		return false;
	for (size_t i = 0; i < w->left; i++)
		if (!is_digit(w->at[i]) && w->at[i] != ':' && w->at[i] != '.')
			return false;
	return true;
}

/* "Jan  5 12:34:56 ". */
static bool take_day(struct rest *r)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	struct rest w = *r;
	bool is_month = false;

	for (size_t i = 0; i < 12 && w.left >= 3; i++)
		is_month = is_month || memcmp(w.at, months + 3 * i, 3) == 0;
	if (!is_month)
		return false;
	advance(&w, 3);
	if (!TAKE(&w, " "))
		return false;
	(void)TAKE(&w, " ");
	uint32_t day;
	if (!to_number(take_word(&w), 31, &day))
		return false;
	struct rest clock = take_word(&w);
	if (!is_clock(&clock))
		return false;
	*r = w;
	return true;
}

/* "2026-01-05T12:34:56.123456+01:00 ". */
static bool take_instant(struct rest *r)
{
	struct rest w = *r, word = take_word(&w);

	if (word.left < 20 || word.at[4] != '-' || word.at[7] != '-' || word.at[10] != 'T')
		return false;
	for (size_t i = 0; i < word.left; i++)
		if (!is_digit(word.at[i]) && memchr("-T:.+Z", word.at[i], 6) == NULL)
			return false;
	*r = w;
	return true;
}

/* One word without control characters. */
static bool take_host(struct rest *r)
{
	struct rest word = take_word(r);

	for (size_t i = 0; i < word.left; i++)
		if (word.at[i] <= ' ' || word.at[i] > '~')
			return false;
	return word.left > 0;
}

enum front { FRONT_NONE, FRONT_BARE, FRONT_KERNEL };

/*
 * What stands in front of the kernel's words. BARE: nothing does, so the form must begin at once, for
 * whoever else writes into this file would have his words taken for the rule's.
 */
static enum front take_front(struct rest *r)
{
	if (take_day(r) || take_instant(r)) {
		if (!take_host(r) || !TAKE(r, "kernel: "))
			return FRONT_NONE;
		(void)take_uptime(r);
		return FRONT_KERNEL;
	}
	if (TAKE(r, "<")) {
		while (r->left > 0 && is_digit(r->at[0]))
			advance(r, 1);
		if (!TAKE(r, ">"))
			return FRONT_NONE;
	}
	return take_uptime(r) ? FRONT_KERNEL : FRONT_BARE;
}

/* Words of which none matters, until one that begins with key; it is left to be taken. */
static enum capture_reject skip_to(struct rest *r, const char *key, bool *is_fragment)
{
	size_t len = strlen(key);

	for (size_t i = 0; i < OPTIONS_MAX; i++) {
		if (r->left == 0)
			return CAPTURE_SHORT;
		if (begins_with(r, key, len))
			return CAPTURE_OK;
		struct rest word = take_word(r);
		/* What comes back in an error message stands in square brackets. */
		if (memchr(word.at, '[', word.left) != NULL)
			return CAPTURE_FIELD;
		*is_fragment = *is_fragment || is_word(&word, "MF") ||
			(word.left > 5 && memcmp(word.at, "FRAG:", 5) == 0);
	}
	return CAPTURE_FIELD;
}

/* "KEY=VALUE " with a value that may be empty, where there is one. */
static bool take_field(struct rest *r, const char *key, struct rest *ret)
{
	if (!take(r, key, strlen(key)))
		return false;
	*ret = take_word(r);
	return true;
}

/* Where it came in, and from which card: "IN=eth0 OUT= MAC=... ". */
static bool take_path(struct rest *r, struct rest *ret_interface)
{
	static const char *const optional[] = { "PHYSIN=", "PHYSOUT=", "MAC=", "MACSRC=", "MACDST=",
		"VPROTO=", "VID=", "MACPROTO=", "TUNNEL=" };
	struct rest ignored;

	if (!take_field(r, "IN=", ret_interface) || !is_interface(ret_interface))
		return false;
	if (!take_field(r, "OUT=", &ignored) || (ignored.left > 0 && !is_interface(&ignored)))
		return false;
	for (size_t i = 0; i < sizeof(optional) / sizeof(optional[0]); i++) {
		if (!take_field(r, optional[i], &ignored))
			continue;
		for (size_t k = 0; k < ignored.left; k++)
			if (ignored.at[k] <= ' ' || ignored.at[k] > '~')
				return false;
	}
	return true;
}

static const struct {
	const char *name;
	uint8_t flag;
} flags[] = {
	{ "SYN", SIGHTING_SYN },
	{ "ACK", SIGHTING_ACK },
	{ "PSH", SIGHTING_PSH },
	{ "FIN", SIGHTING_FIN },
	{ "RST", SIGHTING_RST },
	{ "URG", SIGHTING_URG },
};

static uint8_t flag_of(const struct rest *w)
{
	if (w->left != 3)
		return 0;
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (memcmp(w->at, flags[i].name, 3) == 0)
			return flags[i].flag;
	return 0;
}

/* "SEQ=1 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0 ": the first two where the rule asks for them. */
static enum capture_reject take_tcp(struct rest *r, struct sighting *s)
{
	struct rest word;
	uint32_t number;

	if (take_field(r, "SEQ=", &word)) {
		if (!to_number(word, UINT32_MAX, &s->tcp_seq) || !take_field(r, "ACK=", &word) ||
			!to_number(word, UINT32_MAX, &number))
			return CAPTURE_FIELD;
		s->has_seq = true;
	}
	if (r->left == 0)
		return CAPTURE_SHORT;
	if (!take_field(r, "WINDOW=", &word) || !to_number(word, UINT16_MAX, &number) ||
		!take_field(r, "RES=", &word) || word.left != 4)
		return CAPTURE_FIELD;
	while (!begins_with(r, "URGP=", 5)) {
		if (r->left == 0)
			return CAPTURE_SHORT;
		word = take_word(r);
		uint8_t flag = flag_of(&word);
		if (flag == 0 && !is_word(&word, "CWR") && !is_word(&word, "ECE"))
			return CAPTURE_FIELD;
		s->tcp_flags |= flag;
	}
	return CAPTURE_OK;
}

static enum capture_reject take_ports(struct rest *r, struct sighting *s)
{
	struct rest word;

	if (TAKE(r, "TCP "))
		s->proto = IPPROTO_TCP;
	else if (TAKE(r, "UDP "))
		s->proto = IPPROTO_UDP;
	else
		return r->left == 0 ? CAPTURE_SHORT : CAPTURE_PROTOCOL;
	if (!take_field(r, "SPT=", &word) || !to_port(word, &s->src_port))
		return CAPTURE_FIELD;
	if (!take_field(r, "DPT=", &word) || !to_port(word, &s->dst_port))
		return CAPTURE_FIELD;
	if (s->proto == IPPROTO_TCP)
		return take_tcp(r, s);
	/* Without its end the port may be the beginning of another one. */
	return begins_with(r, "LEN=", 4) ? CAPTURE_OK : CAPTURE_SHORT;
}

static enum capture_reject check_addresses(const struct sighting *s, bool is_v6)
{
	/* A mapped address is never on a wire, see the packet decoder. */
	if (addr_is_v4(&s->src) == is_v6 || addr_is_v4(&s->dst) == is_v6)
		return CAPTURE_SOURCE;
	return addr_is_host(&s->src) ? CAPTURE_OK : CAPTURE_SOURCE;
}

/* From "IN=" on. FOREIGN as long as it may have been something else. */
static enum capture_reject decode_kernel(struct rest r, struct logline *ret)
{
	struct logline l = { 0 };
	struct rest interface, word;
	bool is_fragment = false;

	if (!take_path(&r, &interface))
		return CAPTURE_FOREIGN;
	l.interface = span_of(interface.at, interface.left);
	if (!take_field(&r, "SRC=", &word))
		return CAPTURE_FOREIGN;
	bool is_v6 = word.left > 0 && memchr(word.at, ':', word.left) != NULL;
	if (!to_address(word, &l.seen.src) || !take_field(&r, "DST=", &word) ||
		!to_address(word, &l.seen.dst))
		return CAPTURE_FIELD;
	if (is_v6 != (word.left > 0 && memchr(word.at, ':', word.left) != NULL))
		return CAPTURE_FIELD;
	enum capture_reject reason = skip_to(&r, "PROTO=", &is_fragment);
	if (reason != CAPTURE_OK)
		return reason;
	advance(&r, strlen("PROTO="));
	if (is_fragment)
		return CAPTURE_FRAGMENT;
	reason = take_ports(&r, &l.seen);
	if (reason == CAPTURE_OK)
		reason = check_addresses(&l.seen, is_v6);
	if (reason == CAPTURE_OK)
		*ret = l;
	return reason;
}

/* "192.0.2.7:1024 " or "[2001:db8::7]:1024 ". */
static bool take_endpoint(struct rest *r, struct addr *ret, uint16_t *ret_port, bool *ret_is_v6)
{
	struct rest word = take_word(r), address = word;

	*ret_is_v6 = TAKE(&address, "[");
	const char *colon = address.left > 0 ? memrchr(address.at, ':', address.left) : NULL;
	if (colon == NULL)
		return false;
	struct rest port = { colon + 1, (size_t)(address.at + address.left - colon - 1) };
	address.left = (size_t)(colon - address.at);
	if (*ret_is_v6) {
		if (address.left == 0 || address.at[address.left - 1] != ']')
			return false;
		address.left--;
	}
	if (memchr(address.at, ':', address.left) == NULL && *ret_is_v6)
		return false;
	return to_port(port, ret_port) &&
		(*ret_is_v6 ? to_address(address, ret) : to_v4(address, ret));
}

/* Words of flags may follow, among others; none at all is an attempt. */
static uint8_t older_flags(struct rest r)
{
	uint8_t found = 0;

	while (r.left > 0) {
		struct rest word = take_word(&r);
		found |= flag_of(&word);
	}
	return found != 0 ? found : SIGHTING_SYN;
}

/* From "DENY " or "REJECT " on. */
static enum capture_reject decode_older(struct rest r, struct logline *ret)
{
	struct logline l = { 0 };
	bool is_v6 = false, is_dst_v6 = false;
	uint32_t proto;

	(void)take_word(&r);
	struct rest interface = take_word(&r), word;
	if (!is_interface(&interface) || !take_field(&r, "PROTO=", &word))
		return CAPTURE_FOREIGN;
	if (!to_number(word, UINT8_MAX, &proto))
		return CAPTURE_FIELD;
	if (proto != IPPROTO_TCP && proto != IPPROTO_UDP)
		return CAPTURE_PROTOCOL;
	if (r.left == 0)
		return CAPTURE_SHORT;
	if (!take_endpoint(&r, &l.seen.src, &l.seen.src_port, &is_v6) ||
		!take_endpoint(&r, &l.seen.dst, &l.seen.dst_port, &is_dst_v6) || is_v6 != is_dst_v6)
		return CAPTURE_FIELD;
	enum capture_reject reason = check_addresses(&l.seen, is_v6);
	if (reason != CAPTURE_OK)
		return reason;
	l.seen.proto = (uint8_t)proto;
	if (proto == IPPROTO_TCP)
		l.seen.tcp_flags = older_flags(r);
	l.interface = span_of(interface.at, interface.left);
	*ret = l;
	return CAPTURE_OK;
}

/* A form where r begins: FOREIGN when it is none. */
static enum capture_reject decode_here(const struct rest *r, struct logline *ret)
{
	if (begins_with(r, "IN=", 3))
		return decode_kernel(*r, ret);
	if (begins_with(r, "DENY ", 5) || begins_with(r, "REJECT ", 7))
		return decode_older(*r, ret);
	return CAPTURE_FOREIGN;
}

enum capture_reject capture_logline_decode(struct span line, struct logline *ret)
{
	struct rest r = { (const char *)line.data, line.len };

	if (r.left == 0)
		return CAPTURE_FOREIGN;
	enum front front = take_front(&r);
	if (front == FRONT_NONE)
		return CAPTURE_FOREIGN;
	if (front == FRONT_BARE) {
		if (begins_with(&r, "Packet log: ", 12))
			front = FRONT_KERNEL;
		else
			return decode_here(&r, ret);
	}
	/* The rule's own text may hold the beginning of a form, but not all of it. */
	for (size_t i = 0; i <= CAPTURE_LOGLINE_PREFIX_MAX && r.left > 0; i++) {
		enum capture_reject reason = decode_here(&r, ret);
		if (reason != CAPTURE_FOREIGN)
			return reason;
		advance(&r, 1);
	}
	return CAPTURE_FOREIGN;
}
