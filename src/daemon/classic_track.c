/*
 * Attempts on ports: a track of each source, and every format of the door that reads it. Invariant: knocks that
 * were understood are forgotten at once, so that none of them acts a second time.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/classic_internal.h"
#include "daemon/door_want.h"
#include "daemon/keys.h"
#include "knock/window.h"

#define MINUTE_S 60
#define STRUCTURED_UNIT_S 600

/* ------------------------------------------------------------------ tables and files */

static void init_sequence(const struct config_sequence *q, struct sequence *s)
{
	s->count = q->step_count;
	for (size_t i = 0; i < q->step_count; i++)
		s->steps[i] = (struct sequence_step){ q->steps[i].port, q->steps[i].proto };
	s->within_ms = q->within_s * 1000;
	s->strict = q->strict;
}

static void init_tagged(const struct classic *x, struct classic_door *d)
{
	static const enum tagged_hash hashes[] = {
		[CONFIG_TAG_SHA256] = TAGGED_SHA256,
		[CONFIG_TAG_BLAKE2B] = TAGGED_BLAKE2B,
		[CONFIG_TAG_MD5] = TAGGED_MD5,
	};
	const struct config_tagged *t = &d->config->tagged;
	d->tagged = (struct tagged){
		.hash = hashes[t->hash],
		.md5 = t->hash == CONFIG_TAG_MD5 ? x->how.boot->classic->legacy : NULL,
		.base = t->base,
		.observed = t->observed,
		.service_count = t->services.len,
		.keys = d->keys->tagged,
	};
	memcpy(d->tagged.sid, x->how.boot->keys->sid, sizeof(d->tagged.sid));
}

static void slowest(struct classic_door *d, uint32_t within_s)
{
	if (within_s * 1000ull > d->max_age_ms)
		d->max_age_ms = within_s * 1000ull;
}

static int open_files(const struct classic *x, struct classic_door *d, struct fault *f)
{
	const struct config_door *c = d->config;
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < c->sequence_count; i++) {
		const struct config_sequence *q = &c->sequences[i];
		if (q->one_time == NULL)
			continue;
		rc = classic_lines_open(q, x->how.is_offline, &d->lines[i], f);
		if (rc == 0 && classic_lines_now(d->lines[i]) == NULL)
			classic_say(x,
				"%s: no sequence is left; it opens nothing until there are more",
				q->one_time);
	}
	for (size_t i = 0; rc == 0 && i < c->cipher_count; i++) {
		const char *path = c->ciphers[i].pad;
		if (path == NULL)
			continue;
		rc = pad_open(path, &d->pads[i], f);
		if (rc == 0 && pad_left(d->pads[i]) == 0)
			classic_say(x,
				"%s: the pad is used up; it opens nothing until there is another",
				path);
	}
	return rc;
}

int classic_track_init(struct classic *x, struct classic_door *d, struct fault *f)
{
	const struct config_door *c = d->config;
	uint8_t seed[16];
	if (!door_wants_attempts(c))
		return 0;
	randombytes_buf(seed, sizeof(seed));
	d->tracks = track_table_new(c->sources, seed);
	d->sequences = calloc(c->sequence_count + 1, sizeof(d->sequences[0]));
	d->lines = calloc(c->sequence_count + 1, sizeof(struct classic_lines *));
	d->pads = calloc(c->cipher_count + 1, sizeof(struct pad *));
	if (d->tracks == NULL || d->sequences == NULL || d->lines == NULL || d->pads == NULL) {
		fault_set(f, "door %s: no memory for the knocks of %u sources", c->name,
			(unsigned)c->sources);
		return -ENOMEM;
	}
	for (size_t i = 0; i < c->sequence_count; i++) {
		init_sequence(&c->sequences[i], &d->sequences[i]);
		slowest(d, c->sequences[i].within_s);
	}
	for (size_t i = 0; i < c->structured_count; i++)
		slowest(d, c->structured[i].within_s);
	for (size_t i = 0; i < c->cipher_count; i++)
		slowest(d, c->ciphers[i].within_s);
	if (c->tagged.is_on) {
		slowest(d, TAGGED_LIFE_MS / 1000);
		init_tagged(x, d);
	}
	return open_files(x, d, f);
}

void classic_track_deinit(struct classic_door *d)
{
	for (size_t i = 0; d->lines != NULL && i < d->config->sequence_count; i++)
		classic_lines_close(d->lines[i]);
	for (size_t i = 0; d->pads != NULL && i < d->config->cipher_count; i++)
		pad_close(d->pads[i]);
	track_table_free(d->tracks);
	free(d->sequences);
	free(d->lines);
	free(d->pads);
}

/* ------------------------------------------------------------------ sequences */

/* Use up the line that was met. False when the disk may not have it: then nothing opens. */
static bool spend_line(const struct classic_moment *m, struct classic_lines *l, const char *path)
{
	int rc = classic_lines_spend(l);
	if (rc < 0) {
		m->x->counts.disk++;
		classic_say(m->x, "%s: a used sequence cannot be marked, so it does not open: %s",
			path, strerror(-rc));
	}
	if (classic_lines_now(l) == NULL)
		classic_say(m->x,
			"%s: the last sequence is used; it opens nothing until there are more",
			path);
	return rc == 0;
}

/*
 * A line that works once is remembered for ever as well: a copy of the file that was put in its place, with
 * the mark missing, does not make it new.
 */
static bool take_line(const struct classic_moment *m, size_t i, const struct sequence *s,
	uint8_t replay_key[STORE_REPLAY_KEY_LEN])
{
	const char *path = m->door->config->sequences[i].one_time;
	char text[SEQUENCE_TEXT_MAX];
	sequence_format(s, text);
	classic_replay_key("sequence", span_of(path, strlen(path) + 1), span_of(text, strlen(text)),
		0, replay_key);
	sodium_memzero(text, sizeof(text));
	if (!spend_line(m, m->door->lines[i], path))
		return false;
	if (!classic_is_replay(m->x, replay_key))
		return true;
	m->x->counts.replay[CLASSIC_REPLAY_SEQUENCE]++;
	return false;
}

static bool read_sequence(const struct classic_moment *m, size_t i, const struct track *t)
{
	const struct config_sequence *q = &m->door->config->sequences[i];
	struct classic_lines *l = m->door->lines[i];
	const struct sequence *s = l != NULL ? classic_lines_now(l) : &m->door->sequences[i];
	uint8_t replay_key[STORE_REPLAY_KEY_LEN];
	if (s == NULL || !sequence_is_met(s, t, m->mono_ms))
		return false;
	if (l != NULL && !take_line(m, i, s, replay_key))
		return true;
	struct judge_wish *w = classic_wish(m, &m->door->keys->sequences[i], "sequence%s%s",
		q->name != NULL ? " " : "", q->name != NULL ? q->name : "");
	if (w == NULL)
		return true;
	w->is_close = q->close != NULL;
	w->service =
		config_service_by_name(m->x->how.boot->config, w->is_close ? q->close : q->open);
	if (l != NULL) {
		memcpy(w->replay_key, replay_key, sizeof(w->replay_key));
		w->replay_until_ms = UINT64_MAX;
		w->is_once = true;
	}
	return true;
}

/* All that are met: one knock may end several. */
static bool read_sequences(const struct classic_moment *m, const struct track *t)
{
	bool is_met = false;
	for (size_t i = 0; i < m->door->config->sequence_count; i++)
		is_met |= read_sequence(m, i, t);
	return is_met;
}

/* ------------------------------------------------------------------ ports that say what is wanted */

static bool read_structured(const struct classic_moment *m, size_t i, const struct track *t)
{
	const struct config_structured *c = &m->door->config->structured[i];
	struct structured_rule rule = { c->base, c->within_s * 1000 };
	struct structured s;
	enum structured_reject r = structured_read(&rule, t, m->mono_ms, &s);
	m->x->counts.structured[r]++;
	if (r != STRUCTURED_OK)
		return false;
	const struct config_service *service =
		classic_service(m->x->how.boot->config, &c->services, 0, s.port);
	/* Anybody can ask for anything: no line for it. */
	if (service == NULL) {
		m->x->counts.service++;
		return true;
	}
	struct judge_wish *w = classic_wish(m, &m->door->keys->structured[i], "structured");
	if (w == NULL)
		return true;
	w->service = service;
	w->is_close = s.time == STRUCTURED_TIME_CLOSE;
	w->asked_s = w->is_close ? 0 : s.time * STRUCTURED_UNIT_S;
	return true;
}

/* What an enciphered message and one of a pad both say. */
struct said {
	const char *scheme;
	struct addr address;
	uint16_t port;
	uint8_t time;
	bool is_sure; /* that somebody with the key said it */
};

static struct judge_wish *wish_said(
	const struct classic_moment *m, size_t i, const struct said *said)
{
	const struct config_cipher *c = &m->door->config->ciphers[i];
	const struct config_service *service =
		classic_service(m->x->how.boot->config, &c->services, 0, said->port);
	if (service == NULL && !said->is_sure) {
		m->x->counts.service++;
		return NULL;
	}
	struct judge_wish *w = classic_wish(m, &m->door->keys->ciphers[i], "%s", said->scheme);
	if (w == NULL)
		return NULL;
	w->service = service;
	snprintf(w->asked_for, sizeof(w->asked_for), "port-%u", (unsigned)said->port);
	w->has_address = true;
	w->address = said->address;
	w->is_third_party = c->third_party;
	w->is_close = said->time == CIPHER_TIME_CLOSE;
	w->asked_s = w->is_close ? 0 : (uint32_t)said->time * MINUTE_S;
	return w;
}

static bool read_cipher(const struct classic_moment *m, size_t i, const struct track *t)
{
	const struct config_cipher *c = &m->door->config->ciphers[i];
	uint8_t key[STORE_REPLAY_KEY_LEN];
	struct cipher_wish got;
	enum cipher_reject r = cipher_read(m->door->keys->cipher[i], t, &got);
	m->x->counts.cipher[r]++;
	if (r != CIPHER_OK)
		return false;
	classic_replay_key("cipher", SPAN_OF(m->door->keys->cipher_id[i]),
		span_of(got.content, got.content_len), 0, key);
	if (c->one_time && classic_is_replay(m->x, key)) {
		m->x->counts.replay[CLASSIC_REPLAY_CIPHER]++;
		return true;
	}
	struct said said = { "cipher", got.address, got.port, got.time,
		c->wide || !c->third_party };
	struct judge_wish *w = wish_said(m, i, &said);
	if (w != NULL && c->one_time) {
		memcpy(w->replay_key, key, sizeof(w->replay_key));
		w->replay_until_ms = UINT64_MAX;
		w->is_once = true;
	}
	return true;
}

/* What was used up is remembered for ever as well, for the same reason as a line is. */
static bool read_pad(const struct classic_moment *m, size_t i, const struct track *t)
{
	const struct config_cipher *c = &m->door->config->ciphers[i];
	uint8_t key[STORE_REPLAY_KEY_LEN];
	struct pad_how how = { c->port_first, c->within_s * 1000, c->third_party };
	struct pad *p = m->door->pads[i];
	struct pad_wish got;
	enum pad_reject r = pad_find(p, &how, t, &got);
	m->x->counts.pad[r]++;
	if (r != PAD_OK)
		return false;
	int rc = m->x->how.is_offline ? 0 : pad_spend(p, got.index);
	if (rc < 0) {
		m->x->counts.disk++;
		classic_say(m->x,
			"%s: a message of the pad cannot be used up, so it does not open: %s",
			c->pad, strerror(-rc));
		return true;
	}
	if (pad_left(p) == 0)
		classic_say(m->x, "%s: the pad is used up; it opens nothing until there is another",
			c->pad);
	classic_replay_key("pad", span_of(NULL, 0), SPAN_OF(got.content), 0, key);
	if (classic_is_replay(m->x, key)) {
		m->x->counts.replay[CLASSIC_REPLAY_PAD]++;
		return true;
	}
	struct said said = { "pad", got.address, got.port, got.time, true };
	struct judge_wish *w = wish_said(m, i, &said);
	if (w != NULL) {
		memcpy(w->replay_key, key, sizeof(w->replay_key));
		w->replay_until_ms = UINT64_MAX;
		w->is_once = true;
	}
	return true;
}

/* ------------------------------------------------------------------ tagged */

static struct tagged_limits limits_of(const struct config_tagged *t, uint64_t wall_ms)
{
	uint64_t now = wall_ms / 1000;
	if (t->tag == CONFIG_TAG_COUNTER)
		return (struct tagged_limits){ 0, UINT32_MAX };
	return (struct tagged_limits){
		.first = now > t->window_s ? (uint32_t)(now - t->window_s) : 0,
		.last = (uint32_t)(now + t->window_s),
	};
}

/* Not above the last one accepted, as far as is known. A store that cannot say accepts nothing. */
static bool is_old(const struct classic *x, const uint8_t id[CLASSIC_ID_LEN], uint32_t tag)
{
	uint32_t last = 0;
	if (x->how.store == NULL)
		return false;
	int rc = store_counter_get(x->how.store, id, &last);
	return rc < 0 || (rc == 1 && tag <= last) || tag == 0;
}

static bool read_tagged(const struct classic_moment *m, struct track *t)
{
	const struct config *config = m->x->how.boot->config;
	const struct config_tagged *c = &m->door->config->tagged;
	struct tagged_limits limits = limits_of(c, m->wall_ms);
	struct tagged_wish got;
	enum tagged_reject r = tagged_read(&m->door->tagged, &limits, t, &got);
	m->x->counts.tagged[r]++;
	if (r != TAGGED_OK)
		return false;
	tagged_clear(t);
	const uint8_t *id = m->door->keys->tagged_id[got.slot];
	if (is_old(m->x, id, got.tag)) {
		m->x->counts.replay[CLASSIC_REPLAY_TAGGED]++;
		return true;
	}
	struct judge_wish *w = classic_wish(
		m, &m->door->keys->tagged_who[got.slot], "tagged slot %u", (unsigned)got.slot);
	if (w == NULL)
		return true;
	w->is_close = w->is_all = got.service == TAGGED_SERVICE_CLOSE;
	if (!w->is_all && got.service < c->services.len)
		w->service = config_service_by_name(config, c->services.items[got.service].text);
	snprintf(w->asked_for, sizeof(w->asked_for), "%s", w->is_all ? "" : "unknown");
	w->has_address = !got.is_observed;
	w->address = m->seen->src;
	w->is_once = true;
	w->has_counter = true;
	memcpy(w->counter_id, id, sizeof(w->counter_id));
	w->counter = got.tag;
	return true;
}

/* ------------------------------------------------------------------ one attempt */

static bool is_step(const struct classic_door *d, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < d->config->sequence_count; i++) {
		const struct sequence *s =
			d->lines[i] != NULL ? classic_lines_now(d->lines[i]) : &d->sequences[i];
		for (size_t n = 0; s != NULL && n < s->count; n++)
			if (s->steps[n].port == port && s->steps[n].proto == proto)
				return true;
	}
	return false;
}

static bool is_keyed(const struct config_door *c, uint16_t port)
{
	if (c->tagged.is_on && port >= c->tagged.base && port - c->tagged.base < TAGGED_PORTS)
		return true;
	for (size_t i = 0; i < c->cipher_count; i++)
		if (port >= c->ciphers[i].port_first &&
			port - c->ciphers[i].port_first < WINDOW_PORTS)
			return true;
	return false;
}

/* An attempt to begin something where nothing is. What goes to a listener is that listener's, but for ports that
 * a message may need: without one of its bytes it is none. */
static bool is_knock(const struct classic_moment *m)
{
	const struct sighting *s = m->seen;
	const struct classic_how *how = &m->x->how;
	if (s->proto == IPPROTO_TCP) {
		if ((s->tcp_flags & (SIGHTING_SYN | SIGHTING_ACK | SIGHTING_RST | SIGHTING_FIN)) !=
			SIGHTING_SYN)
			return false;
	} else if (s->proto != IPPROTO_UDP) {
		return false;
	}
	return how->is_closed == NULL || how->is_closed(how->closed_arg, s->proto, s->dst_port) ||
		is_step(m->door, s->proto, s->dst_port) || is_keyed(m->door->config, s->dst_port);
}

/*
 * May this knock cost what it costs to try all keys on it? With sixteen blocks of the dearest form that is a
 * millisecond, so one source must not come with thousands.
 */
static bool may_try(const struct classic_moment *m)
{
	uint8_t source[16];
	if (!is_keyed(m->door->config, m->seen->dst_port))
		return false;
	limiter_source_key(&m->seen->src, source);
	if (m->x->how.is_offline || limiter_take(m->x->knocks, source, m->mono_ms))
		return true;
	m->x->counts.knock_rate++;
	return false;
}

static bool read_ciphers(const struct classic_moment *m, const struct track *t)
{
	bool is_read = false;
	for (size_t i = 0; !is_read && i < m->door->config->cipher_count; i++)
		is_read = m->door->pads[i] != NULL ? read_pad(m, i, t) : read_cipher(m, i, t);
	return is_read;
}

void classic_track_seen(const struct classic_moment *m)
{
	const struct config_door *c = m->door->config;
	const struct sighting *s = m->seen;
	struct track_knock k = {
		.source = s->src,
		.proto = s->proto,
		.port = s->dst_port,
		.src_port = s->src_port,
		.has_seq = s->has_seq,
		.seq = s->tcp_seq,
	};
	if (!is_knock(m))
		return;
	struct track *t = track_note(m->door->tracks, &k, m->mono_ms, m->door->max_age_ms);
	if (t == NULL)
		return;
	bool is_read = c->sequence_count > 0 && read_sequences(m, t);
	for (size_t i = 0; !is_read && i < c->structured_count; i++)
		is_read = read_structured(m, i, t);
	if (!is_read && may_try(m))
		is_read = read_ciphers(m, t) || (c->tagged.is_on && read_tagged(m, t));
	if (is_read)
		track_clear(t);
}
