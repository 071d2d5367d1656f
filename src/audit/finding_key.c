/*
 * Key exchange, groups and signatures, and what single probes say. Invariant: a probe that was not made, or
 * that this server could not be asked, is no finding.
 */

#include <openssl/bn.h>
#include <string.h>

#include "audit/finding_internal.h"

#define PRIME_BITS_LEAST 1024 /* below this a prime has been worked out in public: Logjam */
#define PRIME_BITS_SHARED                                                                          \
	1024                  /* a prime of this size may be worked out once for all who share it */
#define PRIME_BITS_TRIED 4096 /* a look takes some ms, and more the larger it is */

static bool find_logjam(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.bits > 0 && c->facts->dh.bits < PRIME_BITS_LEAST &&
		audit_detail(to, "Diffie-Hellman of %u bits", (unsigned)c->facts->dh.bits);
}

static bool find_weak_dh(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.bits >= PRIME_BITS_LEAST && c->facts->dh.bits < c->profile->dh_bits &&
		audit_detail(to, "Diffie-Hellman of %u bits", (unsigned)c->facts->dh.bits);
}

static bool find_common_dh(const struct context *c, char *to, unsigned how)
{
	const struct audit_dh *dh = &c->facts->dh;
	const char *name = dh->bits > 0 ? audit_dh_prime_name(dh->prime, dh->len) : NULL;
	(void)how;
	/* Large shared primes are what RFC 7919 asks for. */
	return name != NULL && dh->bits <= PRIME_BITS_SHARED &&
		audit_detail(to, "the prime of %s", name);
}

/* By Fermat to base 2: NO is certain, which is all that is told. */
static enum audit_answer looks_prime(const BIGNUM *n, BN_CTX *ctx)
{
	enum audit_answer answer = AUDIT_UNKNOWN;
	BIGNUM *two = BN_new(), *power = BN_new(), *less = BN_dup(n);
	if (!BN_is_odd(n)) {
		answer = AUDIT_NO;
		goto out;
	}
	if (two == NULL || power == NULL || less == NULL || BN_set_word(two, 2) != 1 ||
		BN_sub_word(less, 1) != 1 || BN_mod_exp(power, two, less, n, ctx) != 1)
		goto out;
	answer = BN_is_one(power) ? AUDIT_YES : AUDIT_NO;
out:
	BN_free(two);
	BN_free(power);
	BN_free(less);
	return answer;
}

/* how 0: is the modulus no prime at all? 1: is half of it none, so that there are small subgroups? */
static bool find_odd_prime(const struct context *c, char *to, unsigned how)
{
	const struct audit_dh *dh = &c->facts->dh;
	enum audit_answer whole = AUDIT_UNKNOWN, half = AUDIT_UNKNOWN;
	if (dh->bits < PRIME_BITS_LEAST || dh->bits > PRIME_BITS_TRIED)
		return false;
	BN_CTX *ctx = BN_CTX_new();
	BIGNUM *p = BN_bin2bn(dh->prime, (int)dh->len, NULL), *q = BN_new();
	if (ctx != NULL && p != NULL && q != NULL && BN_rshift1(q, p) == 1) {
		whole = looks_prime(p, ctx);
		half = how == 1 && whole == AUDIT_YES ? looks_prime(q, ctx) : AUDIT_UNKNOWN;
	}
	BN_free(p);
	BN_free(q);
	BN_CTX_free(ctx);
	if (how == 0)
		return whole == AUDIT_NO &&
			audit_detail(to, "the modulus of %u bits has factors", (unsigned)dh->bits);
	return half == AUDIT_NO &&
		audit_detail(
			to, "of the prime p of %u bits, (p - 1) / 2 is none", (unsigned)dh->bits);
}

static bool find_dh_reuse(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.is_reused == AUDIT_YES &&
		audit_detail(to, "the same public value twice");
}

static enum audit_answer answer_at(const struct context *c, unsigned offset)
{
	enum audit_answer a;
	memcpy(&a, (const char *)&c->facts->probes + offset, sizeof(a));
	return a;
}

static bool find_yes(const struct context *c, char *to, unsigned offset)
{
	to[0] = '\0';
	return answer_at(c, offset) == AUDIT_YES;
}

static unsigned count_old(const struct audit_facts *f)
{
	unsigned n = 0;
	for (int v = AUDIT_SSL3; v <= AUDIT_TLS12; v++)
		n += audit_offers(f, (enum audit_version)v);
	return n;
}

static bool find_no(const struct context *c, char *to, unsigned offset)
{
	to[0] = '\0';
	return answer_at(c, offset) == AUDIT_NO;
}

/* What TLS 1.3 has built in is missed only where there is an older version. */
static bool find_no_below_tls13(const struct context *c, char *to, unsigned offset)
{
	return count_old(c->facts) > 0 && find_no(c, to, offset);
}

/* RFC 8446 4.1.3 signals the step down from TLS 1.3 by other means. */
static bool find_no_fallback(const struct context *c, char *to, unsigned offset)
{
	return count_old(c->facts) > 1 && find_no(c, to, offset);
}

static bool is_listed(const uint16_t *list, size_t count, uint16_t id)
{
	for (size_t i = 0; i < count; i++)
		if (list[i] == id)
			return true;
	return false;
}

static bool find_groups(const struct context *c, char *to, unsigned how)
{
	struct audit_list l = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->group_count && c->profile->group_count > 0; i++) {
		uint16_t id = c->facts->groups[i];
		const struct audit_group *g = audit_group_by_id(id);
		char number[16];
		snprintf(number, sizeof(number), "0x%04X", (unsigned)id);
		if (!is_listed(c->profile->groups, c->profile->group_count, id))
			audit_list_add(&l, g != NULL ? g->name : number);
	}
	return audit_list_end(&l);
}

static bool find_weak_groups(const struct context *c, char *to, unsigned how)
{
	struct audit_list l = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(c->facts->groups[i]);
		if (g == NULL || g->is_post_quantum || g->bits == 0)
			continue;
		if (g->bits < (g->is_finite_field ? c->profile->dh_bits : c->profile->ec_bits))
			audit_list_add(&l, g->name);
	}
	return audit_list_end(&l);
}

static bool find_no_quantum(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	(void)how;
	for (size_t i = 0; i < f->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(f->groups[i]);
		if (g != NULL && g->is_post_quantum)
			return false;
	}
	/* Such groups are of TLS 1.3 alone; without it, that is what to mend. */
	return f->group_count > 0 && !f->is_group_list_incomplete && audit_offers(f, AUDIT_TLS13) &&
		audit_detail(to, "no hybrid group is offered");
}

static bool find_weak_signatures(const struct context *c, char *to, unsigned how)
{
	struct audit_list l = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->signature_count; i++) {
		const struct audit_signature *s = audit_signature_by_id(c->facts->signatures[i]);
		if (s != NULL && s->is_weak)
			audit_list_add(&l, s->name);
	}
	return audit_list_end(&l);
}

static bool find_signatures(const struct context *c, char *to, unsigned how)
{
	const struct audit_profile *p = c->profile;
	struct audit_list l = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->signature_count && p->signature_count > 0; i++) {
		uint16_t id = c->facts->signatures[i];
		const struct audit_signature *s = audit_signature_by_id(id);
		char number[16];
		snprintf(number, sizeof(number), "0x%04X", (unsigned)id);
		if (!is_listed(p->signatures, p->signature_count, id))
			audit_list_add(&l, s != NULL ? s->name : number);
	}
	return audit_list_end(&l);
}

#define PROBE(member) (unsigned)offsetof(struct audit_probes, member)

const struct audit_row audit_key_rows[] = {
	{ { "logjam", AUDIT_CRITICAL,
		  "Use a Diffie-Hellman prime of 2048 bits, or ECDHE alone (Logjam, CVE-2015-4000)." },
		find_logjam, 0 },
	{ { "dh-weak", AUDIT_MEDIUM, "Use a larger Diffie-Hellman prime, or ECDHE alone." },
		find_weak_dh, 0 },
	{ { "dh-common", AUDIT_MEDIUM,
		  "Use a larger prime: one that many share is worth working out." },
		find_common_dh, 0 },
	{ { "dh-composite", AUDIT_CRITICAL,
		  "Replace the Diffie-Hellman parameters: whoever knows the factors reads along." },
		find_odd_prime, 0 },
	{ { "dh-unsafe-prime", AUDIT_LOW,
		  "Use a safe prime, such as those of RFC 7919: this one has small subgroups." },
		find_odd_prime, 1 },
	{ { "dh-reused", AUDIT_LOW,
		  "Make a new Diffie-Hellman key for each connection (Raccoon, CVE-2020-1968)." },
		find_dh_reuse, 0 },
	{ { "ecdh-reused", AUDIT_LOW, "Make a new ECDH key for each connection." }, find_yes,
		PROBE(ecdh_reuse) },
	{ { "group-weak", AUDIT_MEDIUM, "Remove groups that are too small." }, find_weak_groups,
		0 },
	{ { "group-not-listed", AUDIT_LOW, "Offer only groups that the profile lists." },
		find_groups, 0 },
	{ { "no-post-quantum", AUDIT_INFO,
		  "Offer X25519MLKEM768: what is recorded today may be read one day." },
		find_no_quantum, 0 },
	{ { "signature-weak", AUDIT_LOW, "Do not sign key exchanges with SHA-1 or MD5." },
		find_weak_signatures, 0 },
	{ { "signature-not-listed", AUDIT_LOW, "Sign only as the profile lists." }, find_signatures,
		0 },
	{ { "crime", AUDIT_HIGH, "Switch TLS compression off (CRIME, CVE-2012-4929)." }, find_yes,
		PROBE(compression) },
	{ { "heartbleed", AUDIT_CRITICAL,
		  "Update the TLS library now, then replace keys and passwords (CVE-2014-0160)." },
		find_yes, PROBE(heartbleed) },
	{ { "ccs-injection", AUDIT_CRITICAL, "Update the TLS library (CVE-2014-0224)." }, find_yes,
		PROBE(ccs_injection) },
	{ { "robot", AUDIT_CRITICAL,
		  "Remove suites with RSA key exchange, or update the TLS library (ROBOT)." },
		find_yes, PROBE(robot) },
	{ { "starttls-injection", AUDIT_HIGH,
		  "Update the server: it obeys commands that came before TLS (CVE-2011-0411)." },
		find_yes, PROBE(starttls_injection) },
	{ { "early-plain", AUDIT_LOW,
		  "Update the server: it talks on in plain text behind its go-ahead for TLS." },
		find_yes, PROBE(early_plain) },
	{ { "no-secure-renegotiation", AUDIT_MEDIUM,
		  "Update the TLS library: it lacks RFC 5746 (CVE-2009-3555)." },
		find_no_below_tls13, PROBE(secure_renegotiation) },
	{ { "no-fallback-scsv", AUDIT_LOW,
		  "Heed the downgrade signal of RFC 7507, or offer one version." },
		find_no_fallback, PROBE(fallback_scsv) },
	{ { "no-ems", AUDIT_INFO, "Have the extended master secret of RFC 7627." },
		find_no_below_tls13, PROBE(extended_master_secret) },
	{ { "grease", AUDIT_LOW, "Ignore unknown values in a hello, as RFC 8701 asks." }, find_no,
		PROBE(grease) },
	{ { "needs-name", AUDIT_INFO, "Clients that send no server name are refused." }, find_yes,
		PROBE(needs_name) },
};
const size_t audit_key_row_count = sizeof(audit_key_rows) / sizeof(audit_key_rows[0]);
