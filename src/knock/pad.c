/*
 * Sequences under a one-time pad. Invariant: a wish is returned only of a window whose tag is right under a
 * message of the pad that is whole; which message that was, the caller must make unusable before it acts.
 */

#include "knock/pad.h"

#include <sodium.h>
#include <string.h>

#include "knock/window.h"

#define HIDDEN_LEN PAD_MASK_LEN
#define TAG_LEN (PAD_KNOCKS - HIDDEN_LEN)

const char *pad_reject_name(enum pad_reject reason)
{
	static const char *const names[PAD_REJECT_COUNT] = {
		[PAD_OK] = "ok",
		[PAD_OTHER] = "other",
		[PAD_FEW] = "few",
		[PAD_TAG] = "tag",
		[PAD_ADDRESS] = "address",
		[PAD_SPENT] = "spent",
	};
	return reason < PAD_REJECT_COUNT ? names[reason] : "unknown";
}

bool pad_is_spent(const struct pad_message *m)
{
	bool is_spent = sodium_is_zero(m->mask, sizeof(m->mask));
	for (size_t at = 0; at < sizeof(m->key); at += 8)
		is_spent |= sodium_is_zero(m->key + at, 8);
	return is_spent;
}

/* The source is part of what is authenticated where the plaintext has no room for it. */
static void make_tag(const struct pad_message *m, const uint8_t hidden[HIDDEN_LEN],
	const struct addr *source, uint8_t tag[TAG_LEN])
{
	crypto_onetimeauth_state st;
	uint8_t whole[crypto_onetimeauth_BYTES];
	crypto_onetimeauth_init(&st, m->key);
	crypto_onetimeauth_update(&st, hidden, HIDDEN_LEN);
	if (!addr_is_v4(source))
		crypto_onetimeauth_update(&st, source->b, sizeof(source->b));
	crypto_onetimeauth_final(&st, whole);
	memcpy(tag, whole, TAG_LEN);
	sodium_memzero(&st, sizeof(st));
	sodium_memzero(whole, sizeof(whole));
}

static uint64_t number(const uint8_t b[8])
{
	struct reader r = reader_init(span_of(b, 8));
	return reader_u64(&r);
}

/*
 * The checksum, of one number: 256 leaves 1 modulo 255, so a number leaves what the sum of its bytes does.
 * It says nothing about who wrote the window; it spares us the tags of windows that nobody wrote.
 */
static bool is_summed(uint64_t plain)
{
	return (plain >> 8) % 255 == (plain & 0xff);
}

static enum pad_reject read_plain(
	uint64_t plain, const struct pad_how *how, const struct addr *source, struct pad_wish *ret)
{
	uint8_t b[HIDDEN_LEN];
	struct writer w = writer_init(b, sizeof(b));
	writer_u64(&w, plain);
	struct addr address = addr_is_v4(source) ? addr_v4(b) : *source;
	if (addr_is_v4(source) ? !how->third_party && !addr_equal(&address, source)
			       : !span_is_zero(span_of(b, 4)))
		return PAD_ADDRESS;
	ret->address = address;
	ret->port = (uint16_t)(plain >> 16);
	ret->time = (uint8_t)(plain >> 8);
	return PAD_OK;
}

struct search {
	const struct pad_message *ahead;
	size_t count;
	uint64_t mask[PAD_AHEAD]; /* of ahead, as numbers */
	const struct pad_how *how;
	const struct addr *source;
};

/* One window under one message. */
static enum pad_reject read_under(
	const struct search *s, size_t i, const uint8_t text[PAD_KNOCKS], struct pad_wish *ret)
{
	const struct pad_message *m = &s->ahead[i];
	uint8_t tag[TAG_LEN];
	if (pad_is_spent(m))
		return PAD_TAG;
	make_tag(m, text, s->source, tag);
	if (sodium_memcmp(tag, text + HIDDEN_LEN, TAG_LEN) != 0)
		return PAD_TAG;
	enum pad_reject reason = read_plain(number(text) ^ s->mask[i], s->how, s->source, ret);
	if (reason == PAD_OK) {
		ret->index = i;
		memcpy(ret->content, text, PAD_KNOCKS);
	}
	return reason;
}

/* One window under every message. */
static enum pad_reject read_window(
	const struct search *s, const uint8_t text[PAD_KNOCKS], struct pad_wish *ret)
{
	const uint64_t hidden = number(text);
	enum pad_reject farthest = PAD_TAG;
	for (size_t i = 0; i < s->count; i++) {
		if (!is_summed(hidden ^ s->mask[i]))
			continue;
		enum pad_reject reason = read_under(s, i, text, ret);
		if (reason == PAD_OK)
			return PAD_OK;
		if (reason > farthest)
			farthest = reason;
	}
	return farthest;
}

enum pad_reject pad_read(const struct pad_message *ahead, size_t count, const struct pad_how *how,
	const struct track *t, struct pad_wish *ret)
{
	struct search s = { .ahead = ahead, .how = how, .source = &t->source };
	struct window w;
	struct window_pick pick = { .len = PAD_KNOCKS };
	uint8_t text[PAD_KNOCKS];
	enum pad_reject farthest = PAD_FEW;

	if (!window_init(&w, t, how->port_first, how->within_ms))
		return PAD_OTHER;
	if (count == 0)
		return PAD_SPENT;
	s.count = count < PAD_AHEAD ? count : PAD_AHEAD;
	for (size_t i = 0; i < s.count; i++)
		s.mask[i] = number(ahead[i].mask);
	while (farthest != PAD_OK && window_pick_next(&w, &pick, text)) {
		enum pad_reject reason = read_window(&s, text, ret);
		if (reason == PAD_OK || reason > farthest)
			farthest = reason;
	}
	sodium_memzero(s.mask, sizeof(s.mask));
	return farthest;
}

void pad_write(const struct pad_message *m, const struct pad_wish *w, uint16_t port_first,
	uint16_t ret[PAD_KNOCKS])
{
	uint8_t text[PAD_KNOCKS];
	struct writer out = writer_init(text, HIDDEN_LEN);
	if (addr_is_v4(&w->address))
		writer_put(&out, w->address.b + 12, 4);
	else
		writer_zero(&out, 4);
	writer_u16(&out, w->port);
	writer_u8(&out, w->time);
	writer_u8(&out, window_checksum(text, out.len));
	for (size_t i = 0; i < HIDDEN_LEN; i++)
		text[i] ^= m->mask[i];
	make_tag(m, text, &w->address, text + HIDDEN_LEN);
	for (size_t i = 0; i < PAD_KNOCKS; i++)
		ret[i] = (uint16_t)(port_first + text[i]);
}
