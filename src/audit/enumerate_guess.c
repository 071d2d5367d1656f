/*
 * In which order servers mostly have their suites: by the default of today's OpenSSL (forward secrecy and
 * AEAD first), or by strength alone, as it was before. A guess decides only which question comes next, never
 * what is reported. Invariant: a track is cut by a guess only where that agrees with what it has shown.
 */

#include <string.h>

#include "audit/enumerate_internal.h"
#include "audit/suite.h"

#define PAIRS_WRONG 10 /* one pair in so many may stand against the guess */

static unsigned strength_rank(const struct audit_suite *t)
{
	return t->bits < 256 ? (256U - t->bits) / 8 : 0;
}

static bool is_anonymous(const struct audit_suite *t)
{
	return t->auth == AUDIT_AUTH_NULL;
}

static unsigned cipher_rank(const struct audit_suite *t)
{
	static const char *const names[] = { "AESGCM", "CHACHA20", "AESCCM8", "AESCCM", "ARIAGCM",
		"AES" };
	unsigned i = 0;
	while (i < sizeof(names) / sizeof(names[0]) && strcmp(t->cipher, names[i]) != 0)
		i++;
	return i;
}

static unsigned exchange_rank(const struct audit_suite *t)
{
	switch (t->kx) {
	case AUDIT_KX_ANY:
	case AUDIT_KX_ECDHE:
		return is_anonymous(t) ? 2 : 0;
	case AUDIT_KX_DHE:
		return is_anonymous(t) ? 3 : 1;
	case AUDIT_KX_ECDH:
		return 4;
	case AUDIT_KX_RSA:
		return 5;
	case AUDIT_KX_NULL:
	case AUDIT_KX_RSA_EXPORT:
	case AUDIT_KX_DH:
	case AUDIT_KX_PSK:
	case AUDIT_KX_DHE_PSK:
	case AUDIT_KX_ECDHE_PSK:
	case AUDIT_KX_RSA_PSK:
	case AUDIT_KX_SRP:
	case AUDIT_KX_KRB5:
	case AUDIT_KX_GOST:
	case AUDIT_KX_ECCPWD:
	case AUDIT_KX_SM2:
		break;
	}
	return 6;
}

static unsigned age_rank(const struct audit_suite *t)
{
	return t->is_aead ? 0 : t->first >= AUDIT_TLS12 ? 1 : 2;
}

unsigned audit_guess_key(enum audit_guess g, uint32_t suite)
{
	const struct audit_suite *t = audit_suite_by_id(suite);
	if (t == NULL)
		return UINT32_MAX;
	unsigned strength = strength_rank(t), cipher = cipher_rank(t), exchange = exchange_rank(t);
	if (g == AUDIT_GUESS_STRENGTH)
		return strength << 16 | exchange << 12 | (cipher > 5 ? 1U : 0U) << 8 | age_rank(t);
	unsigned class = age_rank(t) + (t->has_forward_secrecy ? 0 : 3);
	return class << 24 | strength << 16 | (is_anonymous(t) ? 1U : 0U) << 12 | cipher << 8 |
		exchange;
}

/* Pairs whose order is known, and how many of them the guess has the wrong way round. */
static size_t count_wrong(
	const struct audit_scan *s, enum audit_version v, enum audit_guess g, size_t *ret_pairs)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	const struct audit_place *at = s->versions[v].places;
	size_t wrong = 0;
	*ret_pairs = 0;
	for (size_t a = 0; a < p->suite_count; a++)
		for (size_t b = 0; b < p->suite_count; b++) {
			if (!audit_order_is_before(s, &at[a], &at[b]))
				continue;
			++*ret_pairs;
			wrong += audit_guess_key(g, p->suites[a].suite) >
				audit_guess_key(g, p->suites[b].suite);
		}
	return wrong;
}

enum audit_guess audit_guess_best(const struct audit_scan *s, enum audit_version v, bool *ret_fits)
{
	size_t pairs;
	size_t by_class = count_wrong(s, v, AUDIT_GUESS_CLASS, &pairs);
	size_t by_strength = count_wrong(s, v, AUDIT_GUESS_STRENGTH, &pairs);
	size_t least = by_class <= by_strength ? by_class : by_strength;
	*ret_fits = pairs > 0 && least * PAIRS_WRONG <= pairs;
	return by_class <= by_strength ? AUDIT_GUESS_CLASS : AUDIT_GUESS_STRENGTH;
}

/* May the server accept it, as far as what it has accepted tells? */
static bool is_promising(const struct audit_scan *s, enum audit_version v, uint32_t suite)
{
	const struct audit_protocol *p = &s->facts->protocols[v];
	const struct audit_suite *t = audit_suite_by_id(suite);
	for (size_t i = 0; t != NULL && t->is_likely && i < p->suite_count; i++) {
		const struct audit_suite *known = audit_suite_by_id(p->suites[i].suite);
		if (known != NULL && known->auth == t->auth)
			return true;
	}
	return false;
}

size_t audit_guess_rest(const struct audit_scan *s, const struct audit_job *j)
{
	size_t n = 0;
	for (size_t i = 0; i < j->count; i++)
		n += is_promising(s, j->version, j->suites[i]);
	return n;
}

/* As many that promise something on either side, and no side empty. */
void audit_guess_cut(const struct audit_scan *s, const struct audit_job *j, bool *ret_is_late)
{
	bool fits;
	enum audit_guess g = audit_guess_best(s, j->version, &fits);
	size_t total = audit_guess_rest(s, j), sum = 0;
	uint16_t order[AUDIT_CHUNK_MAX];
	for (uint16_t i = 0; i < j->count; i++) {
		uint16_t k = i;
		for (; k > 0 &&
			audit_guess_key(g, j->suites[order[k - 1]]) >
				audit_guess_key(g, j->suites[i]);
			k--)
			order[k] = order[k - 1];
		order[k] = i;
	}
	for (size_t i = 0; i < j->count; i++) {
		bool is_late = total < 2 ? i >= j->count / 2U : 2 * sum >= total;
		ret_is_late[order[i]] = is_late && i > 0;
		sum += is_promising(s, j->version, j->suites[order[i]]);
	}
	ret_is_late[order[j->count - 1]] = true;
}
