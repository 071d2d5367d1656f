/* Lines of a log: good ones of each form, each of them with one thing wrong, and what strangers write. */

#include <netinet/in.h>

#include "capture/logline.h"
#include "test.h"

#define LINES_MAX 64
#define LINE_MAX_LEN 512

struct vector {
	char name[32], interface[16], text[LINE_MAX_LEN];
	struct sighting want;
};

static struct vector vectors[LINES_MAX];
static size_t vector_count;

static uint8_t flag_of(char c)
{
	switch (c) {
	case 'S':
		return SIGHTING_SYN;
	case 'A':
		return SIGHTING_ACK;
	case 'R':
		return SIGHTING_RST;
	case 'F':
		return SIGHTING_FIN;
	case 'P':
		return SIGHTING_PSH;
	case 'U':
		return SIGHTING_URG;
	default:
		return 0;
	}
}

static void take_endpoint(char *text, struct addr *ret, uint16_t *ret_port)
{
	char *space = strchr(text, ' ');
	assert_non_null(space);
	*space = '\0';
	assert_true(addr_parse(text, ret));
	*ret_port = (uint16_t)atoi(space + 1);
}

static void add(char *line)
{
	struct vector *v = &vectors[vector_count];
	char *word[7], *rest = line;

	assert_in_range(vector_count, 0, LINES_MAX - 1);
	for (size_t i = 0; i < TEST_LEN(word); i++) {
		word[i] = strsep(&rest, "|");
		assert_non_null(rest);
	}
	rest[strcspn(rest, "\n")] = '\0';
	snprintf(v->name, sizeof(v->name), "%s", word[0]);
	v->want.proto = (uint8_t)atoi(word[1]);
	take_endpoint(word[2], &v->want.src, &v->want.src_port);
	take_endpoint(word[3], &v->want.dst, &v->want.dst_port);
	snprintf(v->interface, sizeof(v->interface), "%s", word[4]);
	for (const char *c = word[5]; *c != '\0'; c++)
		v->want.tcp_flags |= flag_of(*c);
	v->want.has_seq = word[6][0] != '-';
	v->want.tcp_seq = v->want.has_seq ? (uint32_t)strtoul(word[6], NULL, 10) : 0;
	snprintf(v->text, sizeof(v->text), "%s", rest);
	vector_count++;
}

static int load(void **state)
{
	char line[LINE_MAX_LEN + 128];

	(void)state;
	FILE *in = fopen(TEST_VECTORS "/capture_logline.txt", "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL)
		if (line[0] != '#')
			add(line);
	fclose(in);
	return 0;
}

static const struct vector *find(const char *name)
{
	for (size_t i = 0; i < vector_count; i++)
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	fail_msg("no vector is called \"%s\"", name);
	return NULL;
}

/* A heap copy of the exact size, so that a sanitizer sees one byte too many. */
static enum capture_reject decode(const char *text, size_t len, struct logline *ret)
{
	char *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy + 1, text, len);
	enum capture_reject reason = capture_logline_decode(span_of(copy + 1, len), ret);
	if (reason == CAPTURE_OK)
		ret->interface.data =
			(const uint8_t *)text + (ret->interface.data - (uint8_t *)copy - 1);
	free(copy);
	return reason;
}

static void check(const char *name, const struct logline *got, const struct vector *v)
{
	const struct sighting *s = &got->seen;
	TEST_CASE(name, s->proto == v->want.proto && s->tcp_flags == v->want.tcp_flags);
	TEST_CASE(name, addr_equal(&s->src, &v->want.src) && addr_equal(&s->dst, &v->want.dst));
	TEST_CASE(name, s->src_port == v->want.src_port && s->dst_port == v->want.dst_port);
	TEST_CASE(name, s->has_seq == v->want.has_seq && s->tcp_seq == v->want.tcp_seq);
	TEST_CASE(name, s->payload.len == 0 && s->door == 0 && s->interface == 0);
	TEST_CASE(name, span_equal(got->interface, span_of(v->interface, strlen(v->interface))));
}

static void good_lines(void **state)
{
	(void)state;
	assert_true(vector_count > 25);
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		struct logline l;
		enum capture_reject reason = decode(v->text, strlen(v->text), &l);
		if (reason != CAPTURE_OK)
			fail_msg("case \"%s\": %s", v->name, capture_reject_name(reason));
		check(v->name, &l, v);
	}
}

/* What is not said whole is not believed; the older form has nothing behind its last port. */
static void truncations(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		const char *end = strstr(v->text, "URGP=");
		if (end == NULL)
			end = strstr(v->text, " LEN=9");
		bool is_older = end == NULL;
		if (is_older)
			end = strstr(v->text, ":7000") + 1;
		else
			end += 5;
		for (size_t len = 0; v->text + len < end; len++) {
			struct logline l;
			TEST_CASE(v->name, decode(v->text, len, &l) != CAPTURE_OK);
		}
	}
}

/* A changed bit makes another line: refused, or one that says exactly what its letters do. */
static void bit_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		char text[LINE_MAX_LEN];
		const struct vector *v = &vectors[i];
		size_t len = strlen(v->text);
		memcpy(text, v->text, len);
		for (size_t bit = 0; bit < 8 * len; bit++) {
			struct logline l;
			memset(&l, 0xa5, sizeof(l));
			struct logline before = l;
			text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
			enum capture_reject reason = decode(text, len, &l);
			if (reason != CAPTURE_OK)
				TEST_CASE(v->name, memcmp(&l, &before, sizeof(l)) == 0);
			else
				TEST_CASE(v->name,
					l.seen.proto == IPPROTO_TCP || l.seen.proto == IPPROTO_UDP);
			text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		}
	}
}

/* A good line with one text in it replaced by another. */
static void one_thing_wrong(void **state)
{
	static const struct {
		const char *name, *line, *from, *to;
		enum capture_reject want;
	} cases[] = {
		{ "another tag", "iptables", "kernel:", "sshd:", CAPTURE_FOREIGN },
		{ "tag with a number", "iptables", "kernel:", "kernel[1]:", CAPTURE_FOREIGN },
		{ "tag behind another", "iptables",
			"kernel:", "sshd[7]: kernel:", CAPTURE_FOREIGN },
		{ "no host", "iptables", "mail kernel:", "kernel:", CAPTURE_FOREIGN },
		{ "no month", "iptables", "Jan", "jan", CAPTURE_FOREIGN },
		{ "no clock", "iptables", "12:34:56", "noon", CAPTURE_FOREIGN },
		{ "day 32", "iptables", "Jan  5", "Jan 32", CAPTURE_FOREIGN },
		{ "instant of letters", "instant", "12:34:56", "ab:cd:ef", CAPTURE_FOREIGN },
		{ "text before a bare line", "bare", "IN=eth0", "x IN=eth0", CAPTURE_FOREIGN },
		{ "text before the older form", "older-bare", "DENY", "x DENY", CAPTURE_FOREIGN },
		{ "level of letters", "level", "<4>", "<x>", CAPTURE_FOREIGN },
		{ "stamp of letters", "ring-buffer", "[12345.678901]", "[rack]", CAPTURE_FOREIGN },
		{ "stamp without a dot", "ring-buffer", "12345.", "12345", CAPTURE_FOREIGN },
		{ "prefix of 129", "iptables", "KNOCK: ",
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			CAPTURE_FOREIGN },
		{ "prefix of 128", "iptables", "KNOCK: ",
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
			CAPTURE_OK },
		{ "sent by us", "iptables",
			"IN=eth0 OUT= MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00",
			"IN= OUT=eth0", CAPTURE_FOREIGN },
		{ "long interface", "iptables", "IN=eth0", "IN=abcdefghijklmnop", CAPTURE_FOREIGN },
		{ "fields out of order", "bare", "OUT= MAC=02:00",
			"MAC=02:00 OUT=", CAPTURE_FOREIGN },
		{ "field between", "bare", "OUT= MAC", "OUT= USER=x MAC", CAPTURE_FOREIGN },
		{ "control in MAC", "bare", "MAC=02:00", "MAC=02\t00", CAPTURE_FOREIGN },
		{ "no source", "bare", "SRC=203.0.113.7 ", "", CAPTURE_FOREIGN },
		{ "empty source", "bare", "SRC=203.0.113.7", "SRC=", CAPTURE_FIELD },
		{ "source of 5", "bare", "SRC=203.0.113.7", "SRC=203.0.113.7.1", CAPTURE_FIELD },
		{ "source of 3", "bare", "SRC=203.0.113.7", "SRC=203.0.113", CAPTURE_FIELD },
		{ "source of 256", "bare", "SRC=203.0.113.7", "SRC=203.0.113.256", CAPTURE_FIELD },
		{ "source with a dot", "bare", "SRC=203.0.113.7", "SRC=203.0.113.7.",
			CAPTURE_FIELD },
		{ "source with two", "bare", "SRC=203.0.113.7", "SRC=203.0..7", CAPTURE_FIELD },
		{ "source with a name", "bare", "SRC=203.0.113.7", "SRC=mail", CAPTURE_FIELD },
		{ "source of 6", "bare", "SRC=203.0.113.7", "SRC=2001:db8::7", CAPTURE_FIELD },
		{ "source too long", "tcp6",
			"SRC=2001:", "SRC=2001:0000:0000:0000:", CAPTURE_FIELD },
		{ "source with a zone", "tcp6", "0007 ", "0007%eth0 ", CAPTURE_FIELD },
		{ "mapped source", "tcp6", "SRC=2001:0db8:0000:0000:0000:0000:0000:0007",
			"SRC=0000:0000:0000:0000:0000:ffff:cb00:7107", CAPTURE_SOURCE },
		{ "loopback", "bare", "SRC=203.0.113.7", "SRC=127.0.0.1", CAPTURE_SOURCE },
		{ "multicast", "bare", "SRC=203.0.113.7", "SRC=224.0.0.1", CAPTURE_SOURCE },
		{ "unspecified 6", "tcp6", "SRC=2001:0db8:0000:0000:0000:0000:0000:0007",
			"SRC=::", CAPTURE_SOURCE },
		{ "no destination", "bare", "DST=198.51.100.2 ", "", CAPTURE_FIELD },
		{ "icmp", "udp", "PROTO=UDP", "PROTO=ICMP", CAPTURE_PROTOCOL },
		{ "icmp6", "udp6", "PROTO=UDP SPT=40001 DPT=7000 LEN=9",
			"PROTO=ICMPv6 TYPE=128 CODE=0 ID=7 SEQ=1", CAPTURE_PROTOCOL },
		{ "by number", "udp", "PROTO=UDP", "PROTO=132", CAPTURE_PROTOCOL },
		{ "udp-lite", "udp", "PROTO=UDP", "PROTO=UDPLITE", CAPTURE_PROTOCOL },
		{ "echo of ours", "udp", "PROTO=UDP",
			"PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.7 DST=198.51.100.2 PROTO=UDP",
			CAPTURE_PROTOCOL },
		{ "bracket before", "udp", "PROTO=UDP", "[PROTO=ICMP ] PROTO=UDP", CAPTURE_FIELD },
		{ "first fragment", "udp", "ID=1", "ID=1 MF", CAPTURE_FRAGMENT },
		{ "later fragment", "udp", "ID=1", "ID=1 FRAG:8", CAPTURE_FRAGMENT },
		{ "fragment 6", "udp6", "FLOWLBL=0", "FLOWLBL=0 FRAG:0 ID:00000001",
			CAPTURE_FRAGMENT },
		{ "no ports", "udp", "SPT=65535 DPT=65535 ", "", CAPTURE_FIELD },
		{ "port 65536", "udp", "DPT=65535", "DPT=65536", CAPTURE_FIELD },
		{ "port of 11 digits", "udp", "DPT=65535", "DPT=00000007000", CAPTURE_FIELD },
		{ "port with a sign", "udp", "DPT=65535", "DPT=+7000", CAPTURE_FIELD },
		{ "empty port", "udp", "DPT=65535", "DPT=", CAPTURE_FIELD },
		{ "port to the end", "udp", " LEN=9 ", "", CAPTURE_SHORT },
		{ "incomplete", "bare", "WINDOW=64240", "INCOMPLETE [8 bytes]", CAPTURE_FIELD },
		{ "text among flags", "bare", "SYN", "SYN x", CAPTURE_FIELD },
		{ "sequence of letters", "sequence", "SEQ=3735928559", "SEQ=x", CAPTURE_FIELD },
		{ "sequence past 32 bits", "sequence", "SEQ=3735928559", "SEQ=4294967296",
			CAPTURE_FIELD },
		{ "sequence alone", "sequence", "ACK=0 ", "", CAPTURE_FIELD },
		{ "older, accepted", "older", "DENY", "ACCEPT", CAPTURE_FOREIGN },
		{ "older, no protocol", "older", "PROTO=6 ", "", CAPTURE_FOREIGN },
		{ "older, a name", "older", "PROTO=6", "PROTO=TCP", CAPTURE_FIELD },
		{ "older, icmp", "older", "PROTO=6", "PROTO=1", CAPTURE_PROTOCOL },
		{ "older, no port", "older", "198.51.100.2:7000", "198.51.100.2", CAPTURE_FIELD },
		{ "older, loopback", "older", "203.0.113.7", "127.0.0.1", CAPTURE_SOURCE },
		{ "older, no bracket", "older-v6", "[2001:db8::7]", "2001:db8::7", CAPTURE_FIELD },
		{ "older, half a bracket", "older-v6", "[2001:db8::7]", "[2001:db8::7",
			CAPTURE_FIELD },
		{ "older, two families", "older-v6", "[2001:db8:1::2]", "198.51.100.2",
			CAPTURE_FIELD },
		{ "older, 4 in brackets", "older", "203.0.113.7", "[203.0.113.7]", CAPTURE_FIELD },
		{ "older, mapped", "older-v6", "[2001:db8::7]", "[::ffff:203.0.113.7]",
			CAPTURE_SOURCE },
		{ "older, nothing more", "older-bare", " 203.0.113.7:40001 198.51.100.2:7000", "",
			CAPTURE_SHORT },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[2 * LINE_MAX_LEN];
		const struct vector *v = find(cases[i].line);
		const char *at = strstr(v->text, cases[i].from);
		struct logline l;
		TEST_CASE(cases[i].name, at != NULL);
		int len = snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - v->text), v->text,
			cases[i].to, at + strlen(cases[i].from));
		enum capture_reject got = decode(text, (size_t)len, &l);
		if (got != cases[i].want)
			fail_msg("case \"%s\": %s, not %s", cases[i].name, capture_reject_name(got),
				capture_reject_name(cases[i].want));
	}
}

#define FORGED                                                                                      \
	"IN=eth0 OUT= MAC=02:00 SRC=203.0.113.7 DST=198.51.100.2 LEN=40 TOS=0x00 PREC=0x00 TTL=64 " \
	"ID=1 PROTO=TCP SPT=40001 DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0 "

/* What other programs write of what strangers sent to them. */
static void strangers(void **state)
{
	static const char *const lines[] = {
		"",
		" ",
		"\n",
		"Jan  5 12:34:56 mail sshd[7]: Invalid user " FORGED " from 203.0.113.9 port 1",
		"Jan  5 12:34:56 mail sshd[7]: Invalid user kernel: " FORGED " from 203.0.113.9",
		"Jan  5 12:34:56 mail sshd[7]: kernel: " FORGED,
		"Jan  5 12:34:56 kernel: sshd[7]: x " FORGED,
		"2026-01-05T12:34:56+01:00 mail httpd: GET /kernel: " FORGED,
		"203.0.113.9 - - [05/Jan/2026:12:34:56 +0100] \"GET /" FORGED " HTTP/1.1\" 404 0",
		"[05/Jan/2026:12:34:56] " FORGED,
		"[error] " FORGED,
		"type=USER_LOGIN msg=audit(1.2:3): acct=\"" FORGED "\"",
		"user IN=eth0 said " FORGED,
		"knock: " FORGED,
		"Jan  5 12:34:56 mail kernel:" FORGED,
		"Jan  5 12:34:56 mail kernel: usb 1-1: Product: IN=eth0 OUT= and so on",
		"Jan  5 12:34:56 mail kernel: eth0: link up",
		"Jan  5 12:34:56 mail sshd[7]: user DENY eth1 PROTO=6 203.0.113.7:1 198.51.100.2:2 x",
		"-- Boot 0123456789abcdef0123456789abcdef --",
		"<",
		"<4>",
		"[",
		"[ ",
		"Jan",
		"Jan  5",
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(lines); i++) {
		struct logline l;
		enum capture_reject reason = decode(lines[i], strlen(lines[i]), &l);
		if (reason != CAPTURE_FOREIGN)
			fail_msg("\"%s\": %s", lines[i], capture_reject_name(reason));
	}
	assert_int_equal(
		capture_logline_decode(span_of(NULL, 0), &(struct logline){ 0 }), CAPTURE_FOREIGN);
}

/* A NUL is a byte like any other, and none that stands in a line of the kernel. */
static void nuls(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct vector *v = &vectors[i];
		const char *in = strstr(v->text, "SRC="), *end = strstr(v->text, "URGP=");
		char text[LINE_MAX_LEN];
		if (in == NULL || end == NULL)
			continue;
		for (const char *at = in; at < end; at++) {
			struct logline l;
			snprintf(text, sizeof(text), "%s", v->text);
			text[at - v->text] = '\0';
			enum capture_reject got = decode(text, strlen(v->text), &l);
			/* Among what is skipped it does not matter. */
			if (got == CAPTURE_OK)
				check(v->name, &l, v);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_lines),
		cmocka_unit_test(truncations),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(one_thing_wrong),
		cmocka_unit_test(strangers),
		cmocka_unit_test(nuls),
	};
	return cmocka_run_group_tests(tests, load, NULL);
}
