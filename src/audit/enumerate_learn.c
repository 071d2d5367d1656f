/*
 * What flights show for nothing: certificates, groups, primes, signatures, extensions, keys that come again.
 * Invariant: lists of the facts never grow past their bounds; a full one is marked.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

#define YEAR_S (365 * 24 * 3600)
#define PLACES_FIRST 16

void audit_scan_learn_group(struct audit_scan *s, uint16_t group)
{
	struct audit_facts *f = s->facts;
	if (audit_group_by_id(group) == NULL || audit_scan_knows_group(s, group))
		return;
	if (f->group_count == AUDIT_GROUPS_MAX)
		f->is_group_list_incomplete = true;
	else
		f->groups[f->group_count++] = group;
}

static void learn_number(uint16_t *list, size_t *count, size_t cap, uint16_t n)
{
	for (size_t i = 0; i < *count; i++)
		if (list[i] == n)
			return;
	if (*count < cap)
		list[(*count)++] = n;
}

size_t audit_scan_index(const struct audit_scan *s, enum audit_version v, uint32_t suite)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	for (size_t i = 0; i < p->suite_count; i++)
		if (p->suites[i].suite == suite)
			return i;
	return SIZE_MAX;
}

/* Room for the place of the suite at i. */
static bool make_place(struct audit_version_state *v, size_t i)
{
	if (i < v->place_room)
		return true;
	size_t room = v->place_room == 0 ? PLACES_FIRST : 2 * v->place_room;
	struct audit_place *more = reallocarray(v->places, room, sizeof(*more));
	if (more == NULL)
		return false;
	v->places = more;
	v->place_room = room;
	return true;
}

bool audit_scan_learn_suite(struct audit_scan *s, enum audit_version v,
	const struct audit_flight *f, struct audit_place place)
{
	struct audit_protocol *p = &s->facts->protocols[v];
	struct audit_accepted a = {
		.suite = f->suite,
		.group = f->group,
		.dh_bits = f->dh.bits,
		.rsa_bits = f->export_rsa_bits,
	};
	if (audit_scan_index(s, v, f->suite) != SIZE_MAX)
		return false;
	if (!make_place(&s->versions[v], p->suite_count) || !audit_facts_accept(p, &a)) {
		p->is_incomplete = true;
		return false;
	}
	p->offered = AUDIT_YES;
	s->versions[v].places[p->suite_count - 1] = place;
	return true;
}

static void learn_chain(
	struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f)
{
	bool is_nameless =
		j->purpose == AUDIT_DO_NAMELESS || (j->purpose == AUDIT_DO_CCS && j->step == 0);
	struct audit_chain c = { .version = f->version,
		.is_without_name = is_nameless && audit_scan_uses_name(s),
		.is_cut = f->is_chain_cut };
	for (size_t i = 0; i < f->cert_count && i < AUDIT_CHAIN_MAX; i++) {
		if (f->certs[i].len == 0 || f->certs[i].len > AUDIT_CERT_LEN_MAX) {
			c.is_cut = true;
			break;
		}
		/* Copied there; the facts want bytes that could be changed, which nobody does. */
		c.certs[i] = (struct audit_cert){ f->certs[i].len, NULL };
		memcpy(&c.certs[i].der, &f->certs[i].data, sizeof(c.certs[i].der));
		c.count++;
	}
	c.staple_len = f->staple.len;
	memcpy(&c.staple, &f->staple.data, sizeof(c.staple));
	if (c.count > 0)
		audit_facts_add_chain(s->facts, &c);
	else if (c.is_cut)
		s->facts->is_chain_list_cut = true;
}

static void learn_dh(struct audit_scan *s, const struct audit_dh *dh)
{
	struct audit_dh *known = &s->facts->dh;
	if (dh->bits == 0 || (known->bits != 0 && known->bits <= dh->bits))
		return;
	enum audit_answer is_reused = known->is_reused;
	*known = *dh;
	known->is_reused = is_reused;
}

static void answer(enum audit_answer *known, bool is_yes)
{
	if (is_yes)
		*known = AUDIT_YES;
	else if (*known == AUDIT_UNKNOWN)
		*known = AUDIT_NO;
}

/* The same public value twice in a group: the key lives longer than one handshake. */
static void learn_public(struct audit_scan *s, const struct audit_flight *f)
{
	bool is_dh = f->dh.bits > 0, has_other = false, has_same = false;
	if (!f->has_public || f->export_rsa_bits > 0 || (!is_dh && f->group == 0))
		return;
	uint16_t group = is_dh ? f->dh.bits : f->group;
	for (size_t i = 0; i < s->seen_count; i++) {
		if (s->seen[i].group != group || s->seen[i].is_dh != is_dh)
			continue;
		bool is_same = memcmp(s->seen[i].hash, f->public_hash, sizeof(f->public_hash)) == 0;
		has_same = has_same || is_same;
		has_other = has_other || !is_same;
	}
	if (has_same || has_other)
		answer(is_dh ? &s->facts->dh.is_reused : &s->facts->probes.ecdh_reuse, has_same);
	if (s->seen_count == AUDIT_SEEN_MAX)
		memmove(&s->seen[0], &s->seen[1], --s->seen_count * sizeof(s->seen[0]));
	s->seen[s->seen_count].group = group;
	s->seen[s->seen_count].is_dh = is_dh;
	memcpy(s->seen[s->seen_count++].hash, f->public_hash, sizeof(f->public_hash));
}

/*
 * RFC 5246 7.4.1.2: the first four bytes of a random were once the time. Most are random today: only two in
 * a row that agree to a few seconds, and are within a year of ours, tell the time.
 */
static void learn_time(struct audit_scan *s, const struct audit_flight *f, int64_t now_s)
{
	if (now_s == 0 || s->facts->probes.clock_skew_s != INT32_MAX)
		return;
	struct reader r = reader_init(span_of(f->random, sizeof(f->random)));
	int64_t skew = (int64_t)reader_u32(&r) - now_s;
	if (skew > YEAR_S || skew < -YEAR_S) {
		s->has_random_time = false;
		return;
	}
	int64_t change = skew - s->last_skew_s;
	if (s->has_random_time && change >= -2 && change <= 2)
		s->facts->probes.clock_skew_s = (int32_t)skew;
	s->has_random_time = true;
	s->last_skew_s = (int32_t)skew;
}

static void learn_old(struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f)
{
	struct audit_probes *p = &s->facts->probes;
	const struct audit_suite *suite = audit_suite_by_id(f->suite);
	answer(&p->session_id, f->session_id_len > 0);
	answer(&p->secure_renegotiation, f->has_renegotiation_info);
	/* Not offered beside TLS 1.3. */
	if (j->purpose != AUDIT_DO_CANARY || j->version < AUDIT_TLS13)
		answer(&p->compression, f->compression != 0);
	if (f->version == AUDIT_SSL3 || j->is_bare)
		return;
	answer(&p->extended_master_secret, f->has_ems);
	answer(&p->session_ticket, f->has_ticket);
	if (suite != NULL && suite->is_cbc)
		answer(&p->encrypt_then_mac, f->has_etm);
	if (j->purpose == AUDIT_DO_TRACK)
		answer(&p->heartbeat, f->has_heartbeat);
}

void audit_scan_learn(struct audit_scan *s, const struct audit_job *j, const struct audit_flight *f,
	int64_t now_s)
{
	struct audit_facts *to = s->facts;
	/* What TLS 1.3 says of its key share is the business of its own job: it may be an echo of ours. */
	if (!f->has_hello)
		return;
	for (size_t i = 0; i < f->extension_count; i++)
		learn_number(to->extensions, &to->extension_count, AUDIT_EXTENSIONS_MAX,
			f->extensions[i]);
	learn_chain(s, j, f);
	size_t before = to->group_count;
	audit_scan_learn_group(s, f->group);
	s->has_new_group = to->group_count > before;
	if (f->signature != 0)
		learn_number(
			to->signatures, &to->signature_count, AUDIT_SIGNATURES_MAX, f->signature);
	if (to->target.starttls == AUDIT_DIRECT && to->target.port == 443 && !s->no_alpn &&
		f->version <= AUDIT_TLS12)
		answer(&to->probes.alpn, f->has_alpn);
	if (f->version == AUDIT_TLS13 || f->version == AUDIT_SSL2)
		return;
	learn_dh(s, &f->dh);
	learn_public(s, f);
	learn_time(s, f, now_s);
	learn_old(s, j, f);
}

/* Why the end is not complete, when nothing else said it. */
static void say_lost(struct audit_scan *s)
{
	char why[128];
	snprintf(why, sizeof(why), "%u %s stayed without an answer", s->given_up,
		s->given_up == 1 ? "question" : "questions");
	audit_scan_say(s, why);
}

void audit_scan_finish_facts(struct audit_scan *s)
{
	struct audit_facts *f = s->facts;
	bool is_short = f->is_group_list_incomplete;
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++) {
		struct audit_protocol *p = &f->protocols[v];
		if (p->offered == AUDIT_UNKNOWN && s->versions[v].is_covered)
			p->offered = AUDIT_NO;
		is_short = is_short || p->is_incomplete;
	}
	audit_order_finish(s);
	if (f->probes.heartbeat == AUDIT_NO && f->probes.heartbleed == AUDIT_UNKNOWN)
		f->probes.heartbleed = AUDIT_NO;
	if (is_short)
		say_lost(s);
	if (f->end == AUDIT_END_NONE)
		f->end = is_short ? AUDIT_END_INCOMPLETE : AUDIT_END_COMPLETE;
}
