/*
 * Tagged sequences. Invariant: the MAC over the prefix, the server and the address is compared with what was
 * knocked before the prefix means anything to the caller, and at most TAGGED_TRIES are computed a knock.
 */

#include "knock/tagged.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define PREFIX_LEN 6
#define MAC_LEN (TAGGED_KNOCKS - PREFIX_LEN)
#define HASH_LEN 32
#define AT_SLOT 0
#define AT_TAG 1
#define AT_SERVICE 5
#define PORTS_EACH 256

static const uint8_t label[14] = "postern tag v1";
static const struct addr nobody; /* sixteen zero bytes: whoever sends it */

static_assert(crypto_auth_hmacsha256_KEYBYTES == TAGGED_KEY_LEN, "one length for every hash");

#define TEXT_LEN (sizeof(label) + TAGGED_SID_LEN + PREFIX_LEN + sizeof(struct addr))

const char *tagged_reject_name(enum tagged_reject reason)
{
	static const char *const names[TAGGED_REJECT_COUNT] = {
		[TAGGED_OK] = "ok",
		[TAGGED_OTHER] = "other",
		[TAGGED_FEW] = "few",
		[TAGGED_KEY] = "key",
		[TAGGED_TIME] = "time",
		[TAGGED_SERVICE] = "service",
		[TAGGED_MAC] = "mac",
	};
	return reason < TAGGED_REJECT_COUNT ? names[reason] : "unknown";
}

/* ------------------------------------------------------------------ the MAC */

/* False only when OpenSSL failed; mac is then zeros and means nothing. */
static bool make_mac(const struct tagged *g, const uint8_t key[TAGGED_KEY_LEN],
	const uint8_t prefix[PREFIX_LEN], const struct addr *address, uint8_t mac[MAC_LEN])
{
	uint8_t text[TEXT_LEN], whole[HASH_LEN] = { 0 };
	struct writer w = writer_init(text, sizeof(text));
	bool is_made = true;

	writer_put(&w, label, sizeof(label));
	writer_put(&w, g->sid, sizeof(g->sid));
	writer_put(&w, prefix, PREFIX_LEN);
	writer_put(&w, address->b, sizeof(address->b));
	assert(w.len == sizeof(text) && !w.is_full);
	switch (g->hash) {
	case TAGGED_SHA256:
		crypto_auth_hmacsha256(whole, text, sizeof(text), key);
		break;
	case TAGGED_BLAKE2B:
		crypto_generichash(whole, sizeof(whole), text, sizeof(text), key, TAGGED_KEY_LEN);
		break;
	case TAGGED_MD5:
		is_made =
			legacy_hmac_md5(g->md5, span_of(key, TAGGED_KEY_LEN), SPAN_OF(text), whole);
		break;
	}
	memcpy(mac, whole, MAC_LEN);
	sodium_memzero(whole, sizeof(whole));
	return is_made;
}

/* ------------------------------------------------------------------ what was knocked */

/* Put value first; those before it move up, the last one or the same value falls out. */
static void remember(struct track_tag *tag, size_t place, uint8_t value, uint32_t at_ms)
{
	uint8_t *byte = tag->byte[place];
	uint32_t *at = tag->at_ms[place];
	size_t gap = 0;
	while (gap < tag->count[place] && byte[gap] != value)
		gap++;
	if (gap == TRACK_TAG_CANDIDATES)
		gap--;
	else if (gap == tag->count[place])
		tag->count[place]++;
	memmove(byte + 1, byte, gap);
	memmove(at + 1, at, gap * sizeof(*at));
	byte[0] = value;
	at[0] = at_ms;
}

bool tagged_note(struct track_tag *tag, uint16_t base, const struct track_mark *mark)
{
	if (mark->port < base || mark->port - base >= TAGGED_KNOCKS * PORTS_EACH)
		return false;
	unsigned port = (unsigned)(mark->port - base);
	remember(tag, port / PORTS_EACH, (uint8_t)(port % PORTS_EACH), (uint32_t)mark->at_ms);
	return true;
}

/* Let go what is too old. False when a place has nothing left. */
static bool refresh(struct track_tag *tag, uint64_t now_ms)
{
	bool is_whole = true;
	for (size_t i = 0; i < TRACK_TAG_BYTES; i++) {
		while (tag->count[i] > 0 &&
			(uint32_t)now_ms - tag->at_ms[i][tag->count[i] - 1] >= TAGGED_LIFE_MS)
			tag->count[i]--;
		is_whole &= tag->count[i] > 0;
	}
	return is_whole;
}

static bool is_empty(const struct track_tag *tag)
{
	return span_is_zero(SPAN_OF(tag->count));
}

/* Note the latest mark, or all when this is the first that is ours. */
static bool note(const struct tagged *g, struct track *t)
{
	size_t first = is_empty(&t->tag) ? 0 : t->count - 1;
	bool is_ours = false;
	for (size_t i = first; i < t->count; i++)
		is_ours = tagged_note(&t->tag, g->base, &t->marks[i]);
	return is_ours;
}

void tagged_clear(struct track *t)
{
	t->tag = (struct track_tag){ 0 };
	track_clear(t);
}

/* ------------------------------------------------------------------ choosing */

struct search {
	const struct tagged *g;
	const struct tagged_limits *limits;
	const struct addr *source;
	struct track_tag tag; /* with nothing but the latest knock in its place */
	unsigned tries;
	enum tagged_reject farthest;
};

/* Without an early end: how many bytes are right is nobody's business. */
static bool was_knocked(const struct track_tag *tag, const uint8_t mac[MAC_LEN])
{
	unsigned found_all = 1;
	for (size_t i = 0; i < MAC_LEN; i++) {
		unsigned found = 0;
		for (size_t k = 0; k < tag->count[PREFIX_LEN + i]; k++)
			found |= tag->byte[PREFIX_LEN + i][k] == mac[i];
		found_all &= found;
	}
	return found_all != 0;
}

static bool try_address(struct search *s, const struct tagged_key *key,
	const uint8_t prefix[PREFIX_LEN], const struct addr *address)
{
	uint8_t mac[MAC_LEN];
	if (s->tries == TAGGED_TRIES)
		return false;
	s->tries++;
	return make_mac(s->g, key->key, prefix, address, mac) && was_knocked(&s->tag, mac);
}

static uint32_t tag_of(const uint8_t prefix[PREFIX_LEN])
{
	struct reader r = reader_init(span_of(prefix + AT_TAG, 4));
	return reader_u32(&r);
}

/* What of a prefix could be meant at all; the cheapest first. */
static enum tagged_reject check_prefix(const struct search *s, const uint8_t prefix[PREFIX_LEN])
{
	uint32_t tag = tag_of(prefix);
	uint8_t service = prefix[AT_SERVICE];
	if (!s->g->keys->slot[prefix[AT_SLOT]].is_set)
		return TAGGED_KEY;
	if (tag < s->limits->first || tag > s->limits->last)
		return TAGGED_TIME;
	if (service >= s->g->service_count && service != TAGGED_SERVICE_CLOSE)
		return TAGGED_SERVICE;
	return TAGGED_OK;
}

static bool try_prefix(struct search *s, const uint8_t prefix[PREFIX_LEN], struct tagged_wish *ret)
{
	const struct tagged_key *key = &s->g->keys->slot[prefix[AT_SLOT]];
	enum tagged_reject reason = check_prefix(s, prefix);
	if (reason == TAGGED_OK)
		reason = TAGGED_MAC;
	if (reason > s->farthest)
		s->farthest = reason;
	if (reason != TAGGED_MAC)
		return false;
	bool is_mine = try_address(s, key, prefix, s->source);
	bool is_any = !is_mine && s->g->observed && try_address(s, key, prefix, &nobody);
	if (!is_mine && !is_any)
		return false;
	*ret = (struct tagged_wish){
		.slot = prefix[AT_SLOT],
		.tag = tag_of(prefix),
		.service = prefix[AT_SERVICE],
		.is_observed = is_any,
	};
	return true;
}

/* Count through the candidates of the prefix, the oldest changing last; at most 3^6. */
static enum tagged_reject search(struct search *s, struct tagged_wish *ret)
{
	uint8_t prefix[PREFIX_LEN], at[PREFIX_LEN] = { 0 };
	for (;;) {
		for (size_t i = 0; i < PREFIX_LEN; i++)
			prefix[i] = s->tag.byte[i][at[i]];
		if (try_prefix(s, prefix, ret))
			return TAGGED_OK;
		size_t place = 0;
		while (place < PREFIX_LEN && ++at[place] == s->tag.count[place])
			at[place++] = 0;
		if (place == PREFIX_LEN || s->tries == TAGGED_TRIES)
			return s->farthest;
	}
}

enum tagged_reject tagged_read(const struct tagged *g, const struct tagged_limits *limits,
	struct track *t, struct tagged_wish *ret)
{
	if (t->count == 0 || !note(g, t))
		return TAGGED_OTHER;
	const struct track_mark *latest = &t->marks[t->count - 1];
	if (!refresh(&t->tag, latest->at_ms))
		return TAGGED_FEW;
	struct search s = {
		.g = g,
		.limits = limits,
		.source = &t->source,
		.tag = t->tag,
		.farthest = TAGGED_KEY,
	};
	/* It stands first in its place; what does not contain it was tried before. */
	s.tag.count[(latest->port - g->base) / PORTS_EACH] = 1;
	return search(&s, ret);
}

/* ------------------------------------------------------------------ writing */

bool tagged_write(const struct tagged *g, const uint8_t key[TAGGED_KEY_LEN],
	const struct tagged_wish *w, const struct addr *address, uint16_t ret[TAGGED_KNOCKS])
{
	uint8_t frame[TAGGED_KNOCKS];
	struct writer out = writer_init(frame, PREFIX_LEN);
	writer_u8(&out, w->slot);
	writer_u32(&out, w->tag);
	writer_u8(&out, w->service);
	if (!make_mac(g, key, frame, w->is_observed ? &nobody : address, frame + PREFIX_LEN))
		return false;
	for (size_t i = 0; i < TAGGED_KNOCKS; i++)
		ret[i] = (uint16_t)(g->base + PORTS_EACH * i + frame[i]);
	return true;
}
