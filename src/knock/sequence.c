/*
 * Simple sequences. A sequence is compared backwards with the end of a source's marks, so nothing has to
 * be kept about how far anybody got, and an attempt may begin inside another.
 */

#include "knock/sequence.h"

#include <netinet/in.h>
#include <stdio.h>

#define FEW 3
#define NARROW 16
#define BITS_A_STEP 15.999977986 /* log2(65535) */

/* ------------------------------------------------------------------ comparison */

static bool is_step(const struct track_mark *m, const struct sequence_step *s)
{
	return m->port == s->port && m->proto == s->proto;
}

static bool is_own(const struct sequence *s, const struct track_mark *m)
{
	for (size_t i = 0; i < s->count; i++)
		if (is_step(m, &s->steps[i]))
			return true;
	return false;
}

bool sequence_is_met(const struct sequence *s, const struct track *t, uint64_t now_ms)
{
	size_t left = s->count;
	const struct track_mark *first = NULL;
	for (size_t i = t->count; i > 0 && left > 0; i--) {
		const struct track_mark *m = &t->marks[i - 1];
		if (is_step(m, &s->steps[left - 1])) {
			first = m;
			left--;
		} else if (s->strict || first == NULL || is_own(s, m)) {
			return false;
		}
	}
	if (left > 0 || first == NULL)
		return false;
	return now_ms <= first->at_ms || now_ms - first->at_ms <= s->within_ms;
}

/* ------------------------------------------------------------------ text */

const char *sequence_reject_text(enum sequence_reject reason)
{
	static const char *const texts[SEQUENCE_REJECT_COUNT] = {
		[SEQUENCE_OK] = "it is a sequence",
		[SEQUENCE_EMPTY] = "no port is named",
		[SEQUENCE_TEXT] = "this is not ports between commas",
		[SEQUENCE_PORT] = "a port is not 1 to 65535",
		[SEQUENCE_PROTO] = "a protocol is neither tcp nor udp",
		[SEQUENCE_LONG] = "more than 32 ports are named",
	};
	return reason < SEQUENCE_REJECT_COUNT ? texts[reason] : "unknown";
}

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static uint8_t peek(const struct reader *r)
{
	return r->left > 0 ? *r->at : 0;
}

static bool skip_blanks(struct reader *r)
{
	size_t before = r->left;
	while (r->left > 0 && is_blank(*r->at))
		reader_u8(r);
	return r->left != before;
}

static enum sequence_reject read_port(struct reader *r, uint16_t *ret)
{
	uint32_t v = 0;
	size_t digits = 0;
	for (; r->left > 0 && *r->at >= '0' && *r->at <= '9'; digits++) {
		v = v * 10 + (uint32_t)(reader_u8(r) - '0');
		if (v > UINT16_MAX)
			return SEQUENCE_PORT;
	}
	if (digits == 0)
		return SEQUENCE_TEXT;
	if (v == 0)
		return SEQUENCE_PORT;
	*ret = (uint16_t)v;
	return SEQUENCE_OK;
}

/* ":udp", "/tcp" or nothing, in either case. */
static enum sequence_reject read_proto(struct reader *r, uint8_t *ret)
{
	*ret = IPPROTO_TCP;
	if (peek(r) != ':' && peek(r) != '/')
		return SEQUENCE_OK;
	reader_u8(r);
	uint8_t word[3] = { 0 };
	reader_copy(r, word, sizeof(word));
	for (size_t i = 0; i < sizeof(word); i++)
		word[i] |= 0x20;
	if (span_equal(SPAN_OF(word), span_of("udp", 3)))
		*ret = IPPROTO_UDP;
	else if (!span_equal(SPAN_OF(word), span_of("tcp", 3)))
		return SEQUENCE_PROTO;
	return SEQUENCE_OK;
}

static enum sequence_reject read_step(struct reader *r, struct sequence_step *ret)
{
	enum sequence_reject reason = read_port(r, &ret->port);
	return reason != SEQUENCE_OK ? reason : read_proto(r, &ret->proto);
}

/* What stands between two ports: blanks, a comma, or a comma among blanks. */
static bool read_separator(struct reader *r)
{
	bool is_there = skip_blanks(r);
	if (peek(r) == ',') {
		is_there = true;
		reader_u8(r);
		skip_blanks(r);
		return r->left > 0;
	}
	return is_there || r->left == 0;
}

enum sequence_reject sequence_parse(struct span text, struct sequence *ret)
{
	struct sequence s = { 0 };
	struct reader r = reader_init(text);
	skip_blanks(&r);
	while (r.left > 0) {
		struct sequence_step step = { 0 };
		enum sequence_reject reason = read_step(&r, &step);
		if (reason != SEQUENCE_OK)
			return reason;
		if (!read_separator(&r))
			return SEQUENCE_TEXT;
		if (s.count == SEQUENCE_STEPS_MAX)
			return SEQUENCE_LONG;
		s.steps[s.count++] = step;
	}
	if (s.count == 0)
		return SEQUENCE_EMPTY;
	ret->count = s.count;
	for (size_t i = 0; i < SEQUENCE_STEPS_MAX; i++)
		ret->steps[i] = s.steps[i];
	return SEQUENCE_OK;
}

const char *sequence_format(const struct sequence *s, char to[SEQUENCE_TEXT_MAX])
{
	size_t len = 0;
	to[0] = '\0';
	for (size_t i = 0; i < s->count && i < SEQUENCE_STEPS_MAX; i++) {
		const struct sequence_step *step = &s->steps[i];
		int n = snprintf(to + len, SEQUENCE_TEXT_MAX - len, "%s%u%s", i > 0 ? "," : "",
			step->port, step->proto == IPPROTO_UDP ? ":udp" : "");
		len += (size_t)n;
	}
	return to;
}

/* ------------------------------------------------------------------ worth */

struct shape {
	uint16_t min, max;
	bool goes_up, goes_down;
};

static struct shape shape_of(const struct sequence *s)
{
	struct shape sh = { .min = UINT16_MAX };
	for (size_t i = 0; i < s->count; i++) {
		uint16_t port = s->steps[i].port;
		sh.min = port < sh.min ? port : sh.min;
		sh.max = port > sh.max ? port : sh.max;
		if (i > 0) {
			sh.goes_up |= port > s->steps[i - 1].port;
			sh.goes_down |= port < s->steps[i - 1].port;
		}
	}
	return sh;
}

enum sequence_weakness sequence_weakness(const struct sequence *s)
{
	const struct shape sh = shape_of(s);
	if (s->count < FEW)
		return SEQUENCE_FEW;
	if (!sh.goes_up || !sh.goes_down)
		return SEQUENCE_MONOTONE;
	if (sh.max - sh.min < NARROW)
		return SEQUENCE_NARROW;
	return SEQUENCE_STRONG;
}

const char *sequence_weakness_text(enum sequence_weakness w)
{
	static const char *const texts[SEQUENCE_WEAKNESS_COUNT] = {
		[SEQUENCE_STRONG] = "it is not weak",
		[SEQUENCE_FEW] = "it has fewer than three knocks",
		[SEQUENCE_MONOTONE] = "its ports only rise or only fall, as those of a sweep do",
		[SEQUENCE_NARROW] = "its ports are all within 16 adjacent ones",
	};
	return w < SEQUENCE_WEAKNESS_COUNT ? texts[w] : "unknown";
}

double sequence_bits(const struct sequence *s)
{
	return (double)s->count * BITS_A_STEP;
}
