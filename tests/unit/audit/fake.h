#ifndef TEST_AUDIT_FAKE_H
#define TEST_AUDIT_FAKE_H

/*
 * A server made of tables: it reads the bytes of a ClientHello and answers with the flight that a real one
 * would have sent. What it accepts is the truth that a scan has to find.
 */

#include <string.h>

#include "audit/enumerate.h"
#include "audit/suite.h"
#include "base/span.h"
#include "test.h"

#define FAKE_NONE UINT32_MAX

enum fake_refusal { FAKE_ALERT, FAKE_CLOSE, FAKE_RESET, FAKE_SILENCE };

struct fake {
	bool has[AUDIT_VERSION_COUNT];
	size_t count[AUDIT_VERSION_COUNT];
	uint32_t suites[AUDIT_VERSION_COUNT][AUDIT_SUITES_MAX]; /* as it prefers */
	size_t group_count;
	uint16_t groups[AUDIT_GROUPS_MAX];
	bool has_order, has_group_order;
	bool prioritizes_chacha;           /* those come first for who names one first */
	enum fake_refusal refusal;         /* of suites */
	enum fake_refusal version_refusal; /* of versions */
	enum audit_version tolerates;      /* drops hellos of newer versions; 0: all are read */
	enum fake_refusal intolerance;     /* how */
	size_t len_max;                    /* drops longer hellos; 0: any */
	bool hangs_at_256;                 /* drops messages of 256 to 511 bytes */
	bool is_bare_only;                 /* drops hellos with extensions */
	bool signs_only_asked;             /* who names no signatures gets suites without one */
	bool hates_grease, needs_name, has_scsv, has_heartbeat, reuses_keys, picks_foreign;
	unsigned drop_percent;
	unsigned limit;     /* hellos that are answered; 0: all */
	unsigned limit_end; /* and from that one on they are again; 0: never */
	enum fake_refusal limited;
	unsigned lose_each; /* every n-th is lost; 0: none */
	enum fake_refusal lost;
	uint64_t random;
	unsigned hellos;
	struct audit_flight flight;
	struct audit_words words;
};

struct fake_hello {
	uint16_t version;
	size_t suite_count;
	uint32_t suites[AUDIT_SUITES_MAX];
	bool is_ssl2, has_extensions, has_groups, has_name, has_versions, has_scsv, has_grease;
	size_t group_count;
	uint16_t groups[AUDIT_GROUPS_MAX * 2];
	size_t version_count;
	uint16_t versions[16];
	size_t len;
};

static inline uint32_t fake_random(struct fake *s)
{
	s->random = s->random * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(s->random >> 33);
}

static inline bool fake_is_grease(uint16_t n)
{
	return (n & 0x0f0f) == 0x0a0a && n >> 8 == (n & 0xff);
}

static inline void fake_read_extension(struct fake_hello *h, uint16_t type, struct span value)
{
	struct reader r = reader_init(value);
	if (type == 0)
		h->has_name = true;
	if (fake_is_grease(type))
		h->has_grease = true;
	if (type == 10) {
		reader_u16(&r);
		for (h->has_groups = true; r.left >= 2;)
			h->groups[h->group_count++] = reader_u16(&r);
	}
	if (type == 43) {
		reader_u8(&r);
		for (h->has_versions = true; r.left >= 2;)
			h->versions[h->version_count++] = reader_u16(&r);
	}
}

static inline void fake_read(struct fake_hello *h, struct span bytes)
{
	struct reader r = reader_init(bytes);
	memset(h, 0, sizeof(*h));
	h->len = bytes.len;
	if (bytes.data[0] & 0x80) {
		h->is_ssl2 = true;
		reader_u16(&r);
		reader_u8(&r);
		h->version = reader_u16(&r);
		uint16_t len = reader_u16(&r);
		reader_u32(&r);
		for (; len >= 3; len = (uint16_t)(len - 3)) {
			uint32_t high = (uint32_t)reader_u8(&r) << 16;
			h->suites[h->suite_count++] = high | reader_u16(&r);
		}
		return;
	}
	reader_take(&r, 5 + 4);
	h->version = reader_u16(&r);
	reader_take(&r, 32);
	reader_take(&r, reader_u8(&r));
	struct reader list = reader_init(reader_take(&r, reader_u16(&r)));
	while (list.left >= 2) {
		uint16_t suite = reader_u16(&list);
		h->has_scsv = h->has_scsv || suite == 0x5600;
		if (suite != 0x5600 && suite != 0x00ff && h->suite_count < AUDIT_SUITES_MAX)
			h->suites[h->suite_count++] = suite;
	}
	reader_take(&r, reader_u8(&r));
	assert_false(r.is_short);
	if (r.left == 0)
		return;
	h->has_extensions = true;
	struct reader all = reader_init(reader_take(&r, reader_u16(&r)));
	while (all.left > 0) {
		uint16_t type = reader_u16(&all);
		fake_read_extension(h, type, reader_take(&all, reader_u16(&all)));
	}
	assert_false(all.is_short);
	assert_true(reader_done(&r));
}

static inline size_t fake_find(const uint32_t *list, size_t n, uint32_t one)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == one)
			return i;
	return SIZE_MAX;
}

/* The group of its key exchange; 0: there is none in common. */
static inline uint16_t fake_group(
	const struct fake *s, const struct fake_hello *h, enum audit_version v)
{
	uint16_t best = 0;
	size_t best_at = SIZE_MAX;
	if (!h->has_groups)
		return 23;
	for (size_t i = 0; i < h->group_count; i++)
		for (size_t k = 0; k < s->group_count; k++) {
			const struct audit_group *g = audit_group_by_id(s->groups[k]);
			bool is_new = g->is_finite_field || g->is_post_quantum;
			if (h->groups[i] != s->groups[k] || (v < AUDIT_TLS13 && is_new))
				continue;
			size_t at = s->has_group_order ? k : i;
			if (at < best_at) {
				best = s->groups[k];
				best_at = at;
			}
		}
	return best;
}

static inline bool fake_can(
	const struct fake *s, const struct fake_hello *h, enum audit_version v, uint32_t id)
{
	const struct audit_suite *t = audit_suite_by_id(id);
	if (s->signs_only_asked && !h->has_extensions && t->has_forward_secrecy)
		return false;
	bool is_curve = t->kx == AUDIT_KX_ECDHE || t->kx == AUDIT_KX_ECDHE_PSK || v == AUDIT_TLS13;
	return !is_curve || fake_group(s, h, v) != 0;
}

static inline bool fake_is_chacha(uint32_t id)
{
	const struct audit_suite *t = audit_suite_by_id(id);
	return t != NULL && strcmp(t->cipher, "CHACHA20") == 0;
}

static inline uint32_t fake_suite(
	const struct fake *s, const struct fake_hello *h, enum audit_version v)
{
	uint32_t best = FAKE_NONE;
	size_t best_at = SIZE_MAX, first = 0;
	while (first < h->suite_count && audit_suite_by_id(h->suites[first]) == NULL)
		first++;
	bool has_two_orders =
		s->prioritizes_chacha && first < h->suite_count && fake_is_chacha(h->suites[first]);
	for (size_t i = 0; i < h->suite_count; i++) {
		size_t k = fake_find(s->suites[v], s->count[v], h->suites[i]);
		size_t at = s->has_order ? k : i;
		if (has_two_orders && k != SIZE_MAX && !fake_is_chacha(h->suites[i]))
			at += AUDIT_SUITES_MAX;
		if (k == SIZE_MAX || at >= best_at || !fake_can(s, h, v, h->suites[i]))
			continue;
		best = h->suites[i];
		best_at = at;
	}
	return best;
}

static inline bool fake_version(
	const struct fake *s, const struct fake_hello *h, enum audit_version *ret)
{
	for (int v = AUDIT_TLS13; v >= AUDIT_SSL3; v--) {
		uint16_t code = audit_version_code((enum audit_version)v);
		bool is_offered = code <= h->version && v < AUDIT_TLS13;
		if (h->has_versions && s->has[AUDIT_TLS13]) {
			is_offered = false;
			for (size_t i = 0; i < h->version_count; i++)
				is_offered = is_offered || h->versions[i] == code;
		}
		if (!s->has[v] || !is_offered)
			continue;
		*ret = (enum audit_version)v;
		return true;
	}
	return false;
}

static inline void fake_refuse(
	struct fake *s, enum fake_refusal how, uint8_t code, struct audit_probe_result *ret)
{
	static const enum audit_probe_end ends[] = { AUDIT_PROBE_FLIGHT, AUDIT_PROBE_CLOSED,
		AUDIT_PROBE_RESET, AUDIT_PROBE_TIMEOUT };
	ret->end = ends[how];
	s->flight.end = AUDIT_FLIGHT_MORE;
	if (how == FAKE_ALERT) {
		s->flight.end = AUDIT_FLIGHT_ALERT;
		s->flight.has_alert = true;
		s->flight.alert_level = 2;
		s->flight.alert_code = code;
	}
}

static inline void fake_accept(struct fake *s, const struct fake_hello *h, enum audit_version v,
	uint32_t suite, struct audit_probe_result *ret)
{
	static const uint8_t cert[] = { 0x30, 0 }, other[] = { 0x30, 1, 0 };
	struct audit_flight *f = &s->flight;
	const struct audit_suite *t = audit_suite_by_id(suite);
	ret->end = AUDIT_PROBE_FLIGHT;
	f->end = v == AUDIT_TLS13 ? AUDIT_FLIGHT_RETRY : AUDIT_FLIGHT_HELLO;
	f->has_hello = true;
	f->version = v;
	f->version_code = audit_version_code(v);
	f->suite = suite;
	f->has_heartbeat = s->has_heartbeat;
	f->has_ems = f->has_renegotiation_info = h->has_extensions;
	if (v == AUDIT_TLS13 || t->kx == AUDIT_KX_ECDHE || t->kx == AUDIT_KX_ECDHE_PSK)
		f->group = fake_group(s, h, v);
	if (t->kx == AUDIT_KX_DHE) {
		f->dh.bits = 1024;
		f->dh.len = 128;
	}
	f->has_public = v < AUDIT_TLS13 && (f->group != 0 || f->dh.bits != 0);
	if (!s->reuses_keys)
		for (size_t i = 0; i < sizeof(f->public_hash); i++)
			f->public_hash[i] = (uint8_t)fake_random(s);
	if (v < AUDIT_TLS13 && t->auth != AUDIT_AUTH_NULL) {
		f->certs[0] = h->has_name || s->needs_name ? SPAN_OF(cert) : SPAN_OF(other);
		f->cert_count = 1;
	}
}

static inline void fake_answer_ssl2(
	struct fake *s, const struct fake_hello *h, struct audit_probe_result *ret)
{
	if (!s->has[AUDIT_SSL2]) {
		fake_refuse(s, s->version_refusal, 70, ret);
		return;
	}
	(void)h;
	ret->end = AUDIT_PROBE_FLIGHT;
	s->flight.end = AUDIT_FLIGHT_SSL2;
	s->flight.has_hello = true;
	s->flight.version = AUDIT_SSL2;
	s->flight.ssl2_suite_count = s->count[AUDIT_SSL2];
	memcpy(s->flight.ssl2_suites, s->suites[AUDIT_SSL2], sizeof(s->flight.ssl2_suites));
}

static inline bool fake_drops(const struct fake *s, const struct fake_hello *h)
{
	size_t message_len = h->len - 5;
	uint16_t newest = h->has_versions ? h->versions[0] : h->version;
	if (h->has_versions && fake_is_grease(newest))
		newest = h->versions[1];
	return (s->tolerates != 0 && newest > audit_version_code(s->tolerates)) ||
		(s->len_max != 0 && h->len > s->len_max) ||
		(s->hangs_at_256 && message_len >= 256 && message_len < 512) ||
		(s->is_bare_only && h->has_extensions) || (s->hates_grease && h->has_grease);
}

/* What becomes of a hello. The flight in ret is good until the next call. */
static inline void fake_answer(
	struct fake *s, const struct audit_ask *ask, struct audit_probe_result *ret)
{
	struct fake_hello h;
	enum audit_version v;
	memset(&s->flight, 0, sizeof(s->flight));
	*ret = (struct audit_probe_result){ .stage = AUDIT_STAGE_HELLO, .flight = &s->flight };
	s->hellos++;
	fake_read(&h, span_of(ask->hello, ask->hello_len));
	assert_true(h.suite_count <= 112);
	if (fake_random(s) % 100 < s->drop_percent) {
		fake_refuse(s, FAKE_SILENCE, 0, ret);
	} else if (s->lose_each != 0 && s->hellos % s->lose_each == 0) {
		fake_refuse(s, s->lost, 0, ret);
	} else if (s->limit != 0 && s->hellos > s->limit &&
		(s->limit_end == 0 || s->hellos < s->limit_end)) {
		fake_refuse(s, s->limited, 0, ret);
	} else if (h.is_ssl2) {
		fake_answer_ssl2(s, &h, ret);
	} else if (fake_drops(s, &h)) {
		fake_refuse(s, s->intolerance, 0, ret);
	} else if (s->needs_name && !h.has_name && h.has_extensions) {
		fake_refuse(s, FAKE_ALERT, 112, ret);
	} else if (!fake_version(s, &h, &v)) {
		fake_refuse(s, s->version_refusal, 70, ret);
	} else if (h.has_scsv && s->has_scsv &&
		((s->has[AUDIT_TLS13] && !h.has_versions) ||
			(h.version < 0x303 && s->has[AUDIT_TLS12]))) {
		fake_refuse(s, FAKE_ALERT, 86, ret);
	} else if (fake_suite(s, &h, v) == FAKE_NONE) {
		if (s->picks_foreign && s->count[v] > 0)
			fake_accept(s, &h, v, s->suites[v][0], ret);
		else
			fake_refuse(s, s->refusal, 40, ret);
	} else {
		fake_accept(s, &h, v, fake_suite(s, &h, v), ret);
	}
}

static inline void fake_add(struct fake *s, enum audit_version v, uint32_t suite)
{
	s->has[v] = true;
	if (fake_find(s->suites[v], s->count[v], suite) == SIZE_MAX)
		s->suites[v][s->count[v]++] = suite;
}

static inline void fake_shuffle(struct fake *s, uint32_t *list, size_t n)
{
	for (size_t i = n; i > 1; i--) {
		size_t k = fake_random(s) % i;
		uint32_t was = list[k];
		list[k] = list[i - 1];
		list[i - 1] = was;
	}
}

/* Some of the suites of a version, likely ones more often; at least one. */
static inline void fake_fill(struct fake *s, enum audit_version v, unsigned percent, unsigned rare)
{
	uint32_t all[AUDIT_SUITES_MAX];
	size_t n = audit_suites_of(v, all, AUDIT_SUITES_MAX);
	for (size_t i = 0; i < n; i++) {
		bool is_likely = audit_suite_by_id(all[i])->is_likely;
		if (fake_random(s) % 100 < (is_likely ? percent : rare))
			fake_add(s, v, all[i]);
	}
	fake_add(s, v, all[fake_random(s) % (v == AUDIT_TLS13 ? 3 : 40)]);
	fake_shuffle(s, s->suites[v], s->count[v]);
}

static inline size_t fake_total(const struct fake *s)
{
	size_t n = 0;
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++)
		n += s->count[v];
	return n;
}

#endif
