/*
 * What a job's next hello says. Invariant: no more suites than the most timid stacks read, no length between
 * 256 and 511 bytes with extensions (RFC 7685), and everything from the seed.
 */

#include <sodium.h>
#include <string.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

#define RECORD_HEADER_LEN 5
#define PAD_FROM 256 /* RFC 7685 1: some hang at handshake messages of these lengths */
#define PAD_TO 512
#define SMALL_LIST 8 /* groups and signatures of a short hello */

/* What a hello borrows while it is written. */
struct lists {
	uint32_t suites[AUDIT_SUITES_MAX];
	uint16_t groups[AUDIT_GROUPS_MAX];
	uint16_t signatures[AUDIT_SIGNATURES_MAX];
};

/* RFC 8701 reserves these for nobody. */
static const uint32_t nobodys[] = { 0x2a2a, 0x6a6a, 0xaaaa };
/* SSLv2 has no such kind. */
static const uint32_t nobodys_ssl2[] = { 0x0f0180 };

bool audit_scan_uses_name(const struct audit_scan *s)
{
	struct addr numeric;
	const char *host = s->facts->target.host;
	return !s->no_name && host[0] != '\0' && !addr_parse(host, &numeric);
}

bool audit_scan_knows_group(const struct audit_scan *s, uint16_t group)
{
	for (size_t i = 0; i < s->facts->group_count; i++)
		if (s->facts->groups[i] == group)
			return true;
	return false;
}

size_t audit_scan_groups(const struct audit_scan *s, bool with_known, uint16_t *to, size_t cap)
{
	size_t n = 0;
	for (size_t i = 0; i < audit_group_count() && n < cap; i++)
		if (!audit_scan_knows_group(s, audit_group_at(i)->id))
			to[n++] = audit_group_at(i)->id;
	for (size_t i = 0; with_known && i < s->facts->group_count && n < cap; i++)
		to[n++] = s->facts->groups[i];
	return n;
}

static bool knows_signature(const struct audit_scan *s, uint16_t id)
{
	for (size_t i = 0; i < s->facts->signature_count; i++)
		if (s->facts->signatures[i] == id)
			return true;
	return false;
}

/* Those not seen yet come first: a server that follows us shows another one each time. */
static size_t list_signatures(const struct audit_scan *s, uint16_t *to)
{
	size_t n = 0;
	for (size_t i = 0; i < audit_signature_count() && n < AUDIT_SIGNATURES_MAX; i++)
		if (!knows_signature(s, audit_signature_at(i)->id))
			to[n++] = audit_signature_at(i)->id;
	for (size_t i = 0; i < s->facts->signature_count && n < AUDIT_SIGNATURES_MAX; i++)
		to[n++] = s->facts->signatures[i];
	return n;
}

static size_t widen(const uint16_t *from, size_t n, uint32_t *to)
{
	for (size_t i = 0; i < n; i++)
		to[i] = from[i];
	return n;
}

/* TLS 1.3's, and in front of the rest of a version those that a track of it offers first. */
static size_t canary_suites(const struct audit_job *j, uint32_t *to)
{
	size_t n = j->step == 0 ? audit_suites_of(AUDIT_TLS13, to, AUDIT_CHUNK_MAX) : 0;
	return n +
		audit_suites_of(j->version < AUDIT_TLS12 ? AUDIT_TLS10 : AUDIT_TLS12, to + n,
			AUDIT_CHUNK_MAX - n);
}

static size_t list_suites(const struct audit_scan *s, struct audit_job *j, uint32_t *to)
{
	uint16_t narrow[AUDIT_CHUNK_MAX];
	switch (j->purpose) {
	case AUDIT_DO_CANARY:
		return canary_suites(j, to);
	case AUDIT_DO_TRACK:
	case AUDIT_DO_RANK:
		return widen(j->suites, j->count, to);
	case AUDIT_DO_MODERN:
		return widen(narrow, audit_modern_suites(s, j, narrow), to);
	case AUDIT_DO_SSL2:
		return audit_suites_of(AUDIT_SSL2, to, AUDIT_SUITES_MAX);
	case AUDIT_DO_CALIBRATE:
		if (j->step > 0)
			return audit_single_suites(s, j, to);
		if (j->version == AUDIT_SSL2) {
			to[0] = nobodys_ssl2[0];
			return 1;
		}
		memcpy(to, nobodys, sizeof(nobodys));
		return sizeof(nobodys) / sizeof(nobodys[0]);
	case AUDIT_DO_ORDER:
		return audit_order_accepted(s, j->version, to, 0);
	case AUDIT_DO_GROUPS:
	case AUDIT_DO_FALLBACK:
	case AUDIT_DO_NAMELESS:
	case AUDIT_DO_HEARTBLEED:
	case AUDIT_DO_CCS:
	case AUDIT_DO_ROBOT:
		return audit_single_suites(s, j, to);
	case AUDIT_DO_INJECTION:
	case AUDIT_DO_FETCH:
		break;
	}
	return 0;
}

/* Some servers prefer ChaCha20 for those alone who name it first: then their order would be two orders. */
static void move_chacha(uint32_t *suites, size_t n)
{
	size_t i = 0;
	while (i < n && audit_order_is_chacha(suites[i]))
		i++;
	if (i == n || i == 0)
		return;
	uint32_t first = suites[i];
	memmove(&suites[1], &suites[0], i * sizeof(suites[0]));
	suites[0] = first;
}

/* A group that was used lately first: is its key the same again? */
static size_t groups_seen_first(const struct audit_scan *s, uint16_t *to)
{
	size_t n = audit_scan_groups(s, true, to, AUDIT_GROUPS_MAX);
	size_t last = s->seen_count;
	while (last > 0 && s->seen[last - 1].is_dh)
		last--;
	for (size_t i = 0; last > 0 && i < n; i++) {
		if (to[i] != s->seen[last - 1].group)
			continue;
		memmove(&to[1], &to[0], i * sizeof(to[0]));
		to[0] = s->seen[last - 1].group;
		break;
	}
	return n;
}

static size_t list_groups(const struct audit_scan *s, struct audit_job *j, uint16_t *to)
{
	if (j->purpose == AUDIT_DO_MODERN)
		return audit_modern_groups(s, j, to, AUDIT_GROUPS_MAX);
	if (j->purpose == AUDIT_DO_CCS || j->purpose == AUDIT_DO_NAMELESS)
		return groups_seen_first(s, to);
	return audit_scan_groups(s, j->purpose != AUDIT_DO_GROUPS, to, AUDIT_GROUPS_MAX);
}

/* The newest version and, with TLS 1.3, the oldest that is offered. */
static void set_versions(const struct audit_job *j, struct audit_hello *h)
{
	h->max = j->version;
	h->min = j->version;
	if (j->purpose == AUDIT_DO_CANARY && j->version == AUDIT_TLS13)
		h->min = AUDIT_TLS10;
}

static bool is_small(const struct audit_scan *s, const struct audit_job *j)
{
	return j->is_small || s->versions[j->version].is_small;
}

static void set_extensions(
	const struct audit_scan *s, struct audit_job *j, struct audit_hello *h, struct lists *l)
{
	const struct audit_target *t = &s->facts->target;
	bool is_old = h->max < AUDIT_TLS13;
	h->is_bare = h->max <= AUDIT_SSL3 || j->is_bare || s->versions[j->version].is_bare;
	h->groups = l->groups;
	h->group_count = list_groups(s, j, l->groups);
	h->signatures = l->signatures;
	h->signature_count = h->max >= AUDIT_TLS12 ? list_signatures(s, l->signatures) : 0;
	if (is_small(s, j)) {
		h->group_count = h->group_count < SMALL_LIST ? h->group_count : SMALL_LIST;
		h->signature_count =
			h->signature_count < SMALL_LIST ? h->signature_count : SMALL_LIST;
	}
	/* CCS looks at the server without its name as well: one connection less. */
	bool is_nameless =
		j->purpose == AUDIT_DO_NAMELESS || (j->purpose == AUDIT_DO_CCS && j->step == 0);
	if (audit_scan_uses_name(s) && !is_nameless)
		h->server_name = t->host;
	/* Elsewhere there is no name that every server of the protocol knows. */
	if (t->starttls == AUDIT_DIRECT && t->port == 443 && !s->no_alpn)
		h->alpn = "http/1.1";
	h->ems = h->status_request = true;
	h->etm = h->ticket = is_old || j->purpose == AUDIT_DO_CANARY;
	h->heartbeat = is_old && j->purpose != AUDIT_DO_CCS;
	h->grease = j->is_greasy;
}

bool audit_scan_write(struct audit_scan *s, struct audit_job *j, struct audit_ask *ret)
{
	struct audit_hello h = { .deflate = true, .renegotiation_scsv = true };
	struct lists l;
	uint8_t seed[randombytes_SEEDBYTES], random[64];

	if (j->purpose == AUDIT_DO_TRACK && j->version == AUDIT_TLS12 && !j->is_rare &&
		j->found > 0 && !j->has_asked_grease && j->drops == 0 &&
		j->trial == AUDIT_TRIAL_NONE) {
		j->is_greasy = true;
		j->has_asked_grease = true;
	}
	set_versions(j, &h);
	h.suites = l.suites;
	h.suite_count = list_suites(s, j, l.suites);
	/* Whose order counts is asked by who stands first. */
	if (j->purpose != AUDIT_DO_ORDER && j->purpose != AUDIT_DO_MODERN)
		move_chacha(l.suites, h.suite_count);
	if (h.suite_count == 0)
		return false;
	j->asked_count = 0;
	for (size_t i = 0; i < h.suite_count && i < AUDIT_CHUNK_MAX; i++)
		j->asked[j->asked_count++] = (uint16_t)l.suites[i];
	set_extensions(s, j, &h, &l);
	h.fallback_scsv = j->purpose == AUDIT_DO_FALLBACK;
	memcpy(seed, s->options.seed, sizeof(seed));
	for (unsigned i = 0; i < 4; i++)
		seed[i] ^= (uint8_t)(ret->id >> 8 * i);
	randombytes_buf_deterministic(random, sizeof(random), seed);
	memcpy(h.random, random, sizeof(h.random));
	if (h.max == AUDIT_TLS13) { /* RFC 8446 appendix D.4 */
		memcpy(h.session_id, random + sizeof(h.random), sizeof(h.session_id));
		h.session_id_len = sizeof(h.session_id);
	}
	ret->hello_len = audit_hello_write(&h, ret->hello, sizeof(ret->hello));
	size_t message_len = ret->hello_len > 0 ? ret->hello_len - RECORD_HEADER_LEN : 0;
	j->is_plain = !h.is_bare && !is_small(s, j);
	if (j->is_plain && message_len >= PAD_FROM && message_len < PAD_TO) {
		h.pad_to = PAD_TO;
		ret->hello_len = audit_hello_write(&h, ret->hello, sizeof(ret->hello));
	}
	return ret->hello_len > 0;
}
