/*
 * From facts to findings: a table of checks, each a question to the facts whose answer is a short detail.
 * Invariant: a check that cannot know says nothing.
 */

#include "audit/finding.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "audit/finding_internal.h"
#include "audit/suite.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define DAY_S INT64_C(86400)
#define SOON_DAYS 30
#define SERIAL_LEN_MIN 8
#define SECURE_PRIME_BITS 1024

const char *audit_severity_name(enum audit_severity s)
{
	static const char *const names[AUDIT_SEVERITY_COUNT] = { "off", "info", "low", "medium",
		"high", "critical" };
	return s < AUDIT_SEVERITY_COUNT ? names[s] : "unknown";
}

bool audit_severity_parse(const char *name, enum audit_severity *ret)
{
	for (int s = 0; s < AUDIT_SEVERITY_COUNT; s++) {
		if (strcmp(audit_severity_name((enum audit_severity)s), name) == 0) {
			*ret = (enum audit_severity)s;
			return true;
		}
	}
	return false;
}

/* The words of a list, as far as they fit; what does not is counted. */
struct words {
	char *to;
	size_t len, left_out;
};

static void add_word(struct words *w, const char *word)
{
	size_t need = strlen(word) + (w->len > 0 ? 2 : 0);
	if (w->left_out > 0 || w->len + need + 16 > AUDIT_DETAIL_MAX) {
		w->left_out++;
		return;
	}
	w->len += (size_t)snprintf(
		w->to + w->len, AUDIT_DETAIL_MAX - w->len, "%s%s", w->len > 0 ? ", " : "", word);
}

static bool end_words(struct words *w)
{
	if (w->left_out > 0)
		snprintf(w->to + w->len, AUDIT_DETAIL_MAX - w->len, " and %zu more", w->left_out);
	return w->len > 0;
}

static bool say(char *to, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static bool say(char *to, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(to, AUDIT_DETAIL_MAX, fmt, ap);
	va_end(ap);
	return true;
}

static bool offers(const struct audit_facts *f, enum audit_version v)
{
	return f->protocols[v].offered == AUDIT_YES;
}

static bool speaks_tls(const struct audit_facts *f)
{
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		if (offers(f, (enum audit_version)v))
			return true;
	return false;
}

static bool find_version(const struct context *c, char *to, unsigned v)
{
	return offers(c->facts, (enum audit_version)v) && !c->profile->is_version_allowed[v] &&
		say(to, "%s is offered", audit_version_name((enum audit_version)v));
}

static bool lacks_version(const struct context *c, char *to, unsigned v)
{
	return speaks_tls(c->facts) && c->facts->protocols[v].offered == AUDIT_NO &&
		c->profile->is_version_wanted[v] &&
		say(to, "%s is not offered", audit_version_name((enum audit_version)v));
}

bool audit_suite_is_weak(const struct audit_suite *s, enum audit_weakness w)
{
	switch (w) {
	case AUDIT_WEAK_NULL:
		return s->bits == 0;
	case AUDIT_WEAK_ANONYMOUS:
		return s->auth == AUDIT_AUTH_NULL;
	case AUDIT_WEAK_EXPORT:
		return s->is_export;
	case AUDIT_WEAK_DES:
		return strcmp(s->cipher, "DES") == 0 && !s->is_export;
	case AUDIT_WEAK_RC2:
		return strcmp(s->cipher, "RC2") == 0 && !s->is_export;
	case AUDIT_WEAK_RC4:
		return strcmp(s->cipher, "RC4") == 0;
	case AUDIT_WEAK_IDEA:
		return strcmp(s->cipher, "IDEA") == 0;
	case AUDIT_WEAK_3DES:
		return strcmp(s->cipher, "3DES") == 0;
	case AUDIT_WEAK_MD5:
		return strcmp(s->mac, "MD5") == 0;
	case AUDIT_WEAK_STATIC:
		return !s->has_forward_secrecy;
	case AUDIT_WEAK_CBC:
		return s->is_cbc;
	case AUDIT_WEAK_SHA1:
		return strcmp(s->mac, "SHA1") == 0;
	case AUDIT_WEAK_ODD:
		return s->kx == AUDIT_KX_PSK || s->kx == AUDIT_KX_DHE_PSK ||
			s->kx == AUDIT_KX_ECDHE_PSK || s->kx == AUDIT_KX_RSA_PSK ||
			s->kx == AUDIT_KX_SRP || s->kx == AUDIT_KX_KRB5 || s->kx == AUDIT_KX_GOST ||
			s->kx == AUDIT_KX_ECCPWD || s->kx == AUDIT_KX_SM2;
	case AUDIT_WEAK_COUNT:
		break;
	}
	return false;
}

/* Each suite once, whatever versions accept it. */
static bool is_told(const struct audit_facts *f, unsigned version, size_t i)
{
	uint32_t suite = f->protocols[version].suites[i].suite;
	for (unsigned v = 0; v <= version; v++)
		for (size_t k = 0; k < f->protocols[v].suite_count && (v < version || k < i); k++)
			if (f->protocols[v].suites[k].suite == suite)
				return true;
	return false;
}

typedef bool suite_test(const struct context *c, const struct audit_suite *s, unsigned how);

static bool list_suites(const struct context *c, char *to, suite_test *test, unsigned how,
	unsigned from, unsigned last)
{
	struct words w = { .to = to };
	for (unsigned v = from; v <= last; v++) {
		const struct audit_protocol *p = &c->facts->protocols[v];
		for (size_t i = 0; i < p->suite_count; i++) {
			const struct audit_suite *s = audit_suite_by_id(p->suites[i].suite);
			char name[64];
			if (s != NULL && test(c, s, how) && !is_told(c->facts, v, i))
				add_word(&w, audit_suite_text(s->id, name));
		}
	}
	return end_words(&w);
}

static bool is_weak(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)c;
	return audit_suite_is_weak(s, (enum audit_weakness)how);
}

static bool find_weak(const struct context *c, char *to, unsigned how)
{
	return list_suites(c, to, is_weak, how, AUDIT_SSL2, AUDIT_TLS13);
}

static bool is_unlisted(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)how;
	for (size_t i = 0; i < c->profile->suite_count; i++)
		if (c->profile->suites[i] == s->id)
			return false;
	return c->profile->suite_count > 0;
}

static bool find_unlisted(const struct context *c, char *to, unsigned how)
{
	return list_suites(c, to, is_unlisted, how, AUDIT_SSL2, AUDIT_TLS13);
}

/* CBC up to TLS 1.2: POODLE in SSLv3, BEAST in TLS 1.0, Lucky Thirteen in all of them. */
static bool find_cbc(const struct context *c, char *to, unsigned how)
{
	unsigned last = how == AUDIT_SSL2 ? AUDIT_TLS12 : how;
	unsigned from = how == AUDIT_SSL2 ? AUDIT_SSL3 : how;
	if (how == AUDIT_SSL2 && c->facts->probes.encrypt_then_mac == AUDIT_YES)
		return false;
	return list_suites(c, to, is_weak, AUDIT_WEAK_CBC, from, last);
}

static bool is_short_block(const struct context *c, const struct audit_suite *s, unsigned how)
{
	(void)c;
	(void)how;
	return s->block_bits == 64;
}

static bool find_sweet32(const struct context *c, char *to, unsigned how)
{
	return list_suites(c, to, is_short_block, how, AUDIT_SSL3, AUDIT_TLS12);
}

static bool find_freak(const struct context *c, char *to, unsigned how)
{
	(void)how;
	for (unsigned v = 0; v < AUDIT_VERSION_COUNT; v++) {
		const struct audit_protocol *p = &c->facts->protocols[v];
		for (size_t i = 0; i < p->suite_count; i++) {
			const struct audit_suite *s = audit_suite_by_id(p->suites[i].suite);
			char name[64];
			if (s != NULL && s->kx == AUDIT_KX_RSA_EXPORT)
				return say(to, "%s, RSA key of %u bits",
					audit_suite_text(s->id, name),
					(unsigned)p->suites[i].rsa_bits);
		}
	}
	return false;
}

static bool find_logjam(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.bits > 0 && c->facts->dh.bits < SECURE_PRIME_BITS &&
		say(to, "Diffie-Hellman of %u bits", (unsigned)c->facts->dh.bits);
}

static bool find_weak_dh(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.bits >= SECURE_PRIME_BITS && c->facts->dh.bits < c->profile->dh_bits &&
		say(to, "Diffie-Hellman of %u bits", (unsigned)c->facts->dh.bits);
}

static bool find_common_dh(const struct context *c, char *to, unsigned how)
{
	const struct audit_dh *dh = &c->facts->dh;
	const char *name = dh->bits > 0 ? audit_dh_prime_name(dh->prime, dh->len) : NULL;
	(void)how;
	/* Large shared primes are what RFC 7919 asks for. */
	return name != NULL && dh->bits <= SECURE_PRIME_BITS && say(to, "the prime of %s", name);
}

/* One of the facts' answers is YES (or NO). */
static enum audit_answer answer_at(const struct context *c, unsigned offset)
{
	enum audit_answer a;
	memcpy(&a, (const char *)&c->facts->probes + offset, sizeof(a));
	return a;
}

static bool find_yes(const struct context *c, char *to, unsigned offset)
{
	return answer_at(c, offset) == AUDIT_YES && say(to, "%s", "");
}

static bool find_no(const struct context *c, char *to, unsigned offset)
{
	return answer_at(c, offset) == AUDIT_NO && say(to, "%s", "");
}

static bool find_dh_reuse(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dh.is_reused == AUDIT_YES && say(to, "the same public value twice");
}

static bool find_client_order(const struct context *c, char *to, unsigned how)
{
	struct words w = { .to = to };
	(void)how;
	for (int v = AUDIT_SSL3; v <= AUDIT_TLS12; v++)
		if (c->facts->protocols[v].server_order == AUDIT_NO)
			add_word(&w, audit_version_name((enum audit_version)v));
	return end_words(&w);
}

/* DROWN: SSLv2 here, or elsewhere under the same key. */
static bool find_drown(const struct context *c, char *to, unsigned how)
{
	(void)how;
	if (offers(c->facts, AUDIT_SSL2))
		return say(to, "SSLv2 is offered");
	if (!c->leaf.is_readable)
		return false;
	for (size_t i = 0; i < c->other_count; i++) {
		const struct audit_facts *o = c->others[i];
		struct audit_cert_facts leaf;
		if (o == c->facts || !offers(o, AUDIT_SSL2) || o->chain_count == 0)
			continue;
		audit_cert_read(
			span_of(o->chains[0].certs[0].der, o->chains[0].certs[0].len), &leaf);
		if (memcmp(leaf.spki_sha256, c->leaf.spki_sha256, sizeof(leaf.spki_sha256)) == 0)
			return say(to, "%s port %u has the same key and offers SSLv2",
				o->target.host, (unsigned)o->target.port);
	}
	return false;
}

static bool find_groups(const struct context *c, char *to, unsigned how)
{
	struct words w = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->group_count && c->profile->group_count > 0; i++) {
		const struct audit_group *g = audit_group_by_id(c->facts->groups[i]);
		bool is_listed = false;
		for (size_t k = 0; k < c->profile->group_count; k++)
			is_listed = is_listed || c->profile->groups[k] == c->facts->groups[i];
		if (!is_listed)
			add_word(&w, g != NULL ? g->name : "an unknown group");
	}
	return end_words(&w);
}

static bool find_weak_groups(const struct context *c, char *to, unsigned how)
{
	struct words w = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(c->facts->groups[i]);
		if (g != NULL && !g->is_finite_field && g->bits > 0 &&
			g->bits < c->profile->ec_bits)
			add_word(&w, g->name);
	}
	return end_words(&w);
}

static bool find_no_quantum(const struct context *c, char *to, unsigned how)
{
	(void)how;
	for (size_t i = 0; i < c->facts->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(c->facts->groups[i]);
		if (g != NULL && g->is_post_quantum)
			return false;
	}
	return c->facts->group_count > 0 && !c->facts->is_group_list_incomplete &&
		say(to, "no hybrid group is offered");
}

static bool find_weak_signatures(const struct context *c, char *to, unsigned how)
{
	struct words w = { .to = to };
	(void)how;
	for (size_t i = 0; i < c->facts->signature_count; i++) {
		const struct audit_signature *s = audit_signature_by_id(c->facts->signatures[i]);
		if (s != NULL && s->is_weak)
			add_word(&w, s->name);
	}
	return end_words(&w);
}

/* Certificates. */
static bool has_date(int64_t s)
{
	return s != INT64_MIN;
}

static const char *date_text(int64_t s, char to[32])
{
	time_t t = (time_t)s;
	struct tm tm;
	if (gmtime_r(&t, &tm) == NULL || strftime(to, 32, "%Y-%m-%d", &tm) == 0)
		snprintf(to, 32, "an impossible date");
	return to;
}

static bool find_expired(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	return c->leaf.is_readable && has_date(c->leaf.not_after_s) &&
		c->leaf.not_after_s < c->now_s &&
		say(to, "it ended on %s", date_text(c->leaf.not_after_s, date));
}

static bool find_soon(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	return c->leaf.is_readable && has_date(c->leaf.not_after_s) &&
		c->leaf.not_after_s >= c->now_s &&
		c->leaf.not_after_s - c->now_s < SOON_DAYS * DAY_S &&
		say(to, "it ends on %s", date_text(c->leaf.not_after_s, date));
}

static bool find_not_yet(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	return c->leaf.is_readable && has_date(c->leaf.not_before_s) &&
		c->leaf.not_before_s > c->now_s &&
		say(to, "it begins on %s", date_text(c->leaf.not_before_s, date));
}

static bool find_self_signed(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_self_signed && say(to, "%.200s", c->leaf.subject);
}

static bool find_untrusted(const struct context *c, char *to, unsigned how)
{
	const struct audit_verify *v = &c->facts->verify;
	(void)how;
	/* Dates, and who signed itself, have findings of their own. */
	return v->is_done && v->error != 0 && !c->leaf.is_self_signed &&
		!(c->leaf.not_after_s < c->now_s) && v->lacks_intermediate != AUDIT_YES &&
		say(to, "%s", v->text);
}

static bool find_intermediate(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->verify.is_done && c->facts->verify.lacks_intermediate == AUDIT_YES &&
		!c->leaf.is_self_signed && say(to, "%.200s is not sent", c->leaf.issuer);
}

static bool find_order(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->verify.order_right == AUDIT_NO &&
		say(to, "a certificate does not certify the one before it");
}

static bool find_name(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->verify.name_matches == AUDIT_NO &&
		say(to, "it does not name %.200s", c->facts->target.host);
}

static bool find_weak_key(const struct context *c, char *to, unsigned how)
{
	unsigned least = strcmp(c->leaf.key, "rsaEncryption") == 0 ? c->profile->rsa_bits
		: c->leaf.curve[0] != '\0'                         ? c->profile->ec_bits
								   : 0;
	(void)how;
	return c->leaf.is_readable && c->leaf.key_bits > 0 && c->leaf.key_bits < least &&
		say(to, "%s of %u bits", c->leaf.key, c->leaf.key_bits);
}

static bool find_weak_signature(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_weak_signature && say(to, "%s", c->leaf.signature);
}

static bool find_serial(const struct context *c, char *to, unsigned how)
{
	bool is_it = how == 0 ? c->leaf.is_serial_negative
			      : c->leaf.serial_len < SERIAL_LEN_MIN && !c->leaf.is_self_signed;
	return c->leaf.is_readable && is_it && say(to, "%s", c->leaf.serial);
}

static bool find_long(const struct context *c, char *to, unsigned how)
{
	(void)how;
	if (!c->leaf.is_readable || !has_date(c->leaf.not_before_s) ||
		!has_date(c->leaf.not_after_s) || c->profile->days_max == 0)
		return false;
	int64_t days = (c->leaf.not_after_s - c->leaf.not_before_s) / DAY_S;
	return days > c->profile->days_max && say(to, "valid for %" PRId64 " days", days);
}

static bool find_no_san(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_readable && !c->leaf.has_san && say(to, "no subjectAltName");
}

static bool find_ca_leaf(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_readable && c->leaf.is_ca && !c->leaf.is_self_signed &&
		say(to, "basicConstraints says CA");
}

static bool find_staple(const struct context *c, char *to, unsigned how)
{
	static const char *const words[] = { "", "", "it says that the certificate is revoked",
		"it says that the certificate is not known", "it is out of date", "it is broken" };
	if (c->facts->chain_count == 0)
		return false;
	enum audit_staple s = audit_staple_read(&c->facts->chains[0]);
	if (how == 0)
		return s == AUDIT_STAPLE_NONE && c->leaf.must_staple &&
			say(to, "the certificate demands one");
	return s > AUDIT_STAPLE_GOOD && say(to, "%s", words[s]);
}

/* DANE. */
static size_t count_tlsa(const struct audit_facts *f, enum audit_tlsa_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < f->dane.count; i++)
		n += f->dane.records[i].state == state;
	return n;
}

static bool find_tlsa_mismatch(const struct context *c, char *to, unsigned how)
{
	size_t miss = count_tlsa(c->facts, AUDIT_TLSA_MISMATCH);
	(void)how;
	return c->facts->chain_count > 0 && c->facts->dane.is_secure == AUDIT_YES && miss > 0 &&
		count_tlsa(c->facts, AUDIT_TLSA_MATCH) == 0 &&
		say(to, "none of %zu TLSA records fits the certificate", c->facts->dane.count);
}

static bool find_tlsa_unusable(const struct context *c, char *to, unsigned how)
{
	size_t n = count_tlsa(c->facts, AUDIT_TLSA_UNUSABLE);
	(void)how;
	return n > 0 && say(to, "%zu of %zu TLSA records", n, c->facts->dane.count);
}

static bool find_tlsa_insecure(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.count > 0 && c->facts->dane.is_secure == AUDIT_NO &&
		say(to, "the TLSA records are not signed");
}

static bool find_tlsa_missing(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.count == 0 && c->facts->dane.is_host_secure == AUDIT_YES &&
		c->facts->target.starttls == AUDIT_SMTP && say(to, "the zone is signed");
}

/* The end of the scan. */
static bool find_end(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	const char *words = f->end == AUDIT_END_INCOMPLETE ? f->incomplete : f->words.text;
	return f->end == (enum audit_end)how && say(to, "%.200s", words);
}

#define PROBE(member) (unsigned)offsetof(struct audit_probes, member)

static const struct row {
	struct audit_check check;
	bool (*find)(const struct context *c, char *to, unsigned how);
	unsigned how;
} rows[] = {
	{ { "ssl2", AUDIT_CRITICAL, "Switch SSLv2 off; nothing has needed it for decades." },
		find_version, AUDIT_SSL2 },
	{ { "ssl3", AUDIT_HIGH, "Switch SSLv3 off." }, find_version, AUDIT_SSL3 },
	{ { "tls10", AUDIT_MEDIUM, "Switch TLS 1.0 off, unless old clients must be served." },
		find_version, AUDIT_TLS10 },
	{ { "tls11", AUDIT_MEDIUM, "Switch TLS 1.1 off; hardly any client has it as its best." },
		find_version, AUDIT_TLS11 },
	{ { "no-tls12", AUDIT_HIGH,
		  "Offer TLS 1.2, the version that most others expect at least." },
		lacks_version, AUDIT_TLS12 },
	{ { "no-tls13", AUDIT_LOW, "Offer TLS 1.3 as well." }, lacks_version, AUDIT_TLS13 },
	{ { "suite-null", AUDIT_CRITICAL, "Remove suites that do not encrypt." }, find_weak,
		AUDIT_WEAK_NULL },
	{ { "suite-anonymous", AUDIT_HIGH, "Remove suites without authentication (ADH, AECDH)." },
		find_weak, AUDIT_WEAK_ANONYMOUS },
	{ { "suite-export", AUDIT_CRITICAL, "Remove export suites: they are broken in minutes." },
		find_weak, AUDIT_WEAK_EXPORT },
	{ { "suite-des", AUDIT_HIGH, "Remove suites with single DES." }, find_weak,
		AUDIT_WEAK_DES },
	{ { "suite-rc2", AUDIT_HIGH, "Remove suites with RC2." }, find_weak, AUDIT_WEAK_RC2 },
	{ { "suite-rc4", AUDIT_HIGH, "Remove suites with RC4, which RFC 7465 forbids." }, find_weak,
		AUDIT_WEAK_RC4 },
	{ { "suite-idea", AUDIT_MEDIUM, "Remove suites with IDEA." }, find_weak, AUDIT_WEAK_IDEA },
	{ { "suite-3des", AUDIT_MEDIUM, "Remove suites with Triple DES." }, find_weak,
		AUDIT_WEAK_3DES },
	{ { "suite-md5", AUDIT_HIGH, "Remove suites that authenticate records with MD5." },
		find_weak, AUDIT_WEAK_MD5 },
	{ { "suite-static", AUDIT_LOW,
		  "Prefer suites with ECDHE or DHE: a key that leaks later opens recorded sessions." },
		find_weak, AUDIT_WEAK_STATIC },
	{ { "suite-cbc", AUDIT_INFO, "Prefer AEAD suites (GCM, ChaCha20-Poly1305) to CBC." },
		find_weak, AUDIT_WEAK_CBC },
	{ { "suite-sha1", AUDIT_INFO,
		  "Prefer suites whose records are not authenticated by SHA-1." },
		find_weak, AUDIT_WEAK_SHA1 },
	{ { "suite-odd", AUDIT_LOW,
		  "Remove suites of PSK, SRP, Kerberos and the like unless clients have such keys." },
		find_weak, AUDIT_WEAK_ODD },
	{ { "suite-not-listed", AUDIT_MEDIUM, "Offer only suites that the profile lists." },
		find_unlisted, 0 },
	{ { "poodle", AUDIT_HIGH, "Switch SSLv3 off (POODLE, CVE-2014-3566)." }, find_cbc,
		AUDIT_SSL3 },
	{ { "beast", AUDIT_LOW, "Switch TLS 1.0 off (BEAST, CVE-2011-3389)." }, find_cbc,
		AUDIT_TLS10 },
	{ { "lucky13", AUDIT_INFO,
		  "Prefer AEAD suites, or have encrypt-then-MAC (Lucky Thirteen, CVE-2013-0169)." },
		find_cbc, AUDIT_SSL2 },
	{ { "sweet32", AUDIT_MEDIUM,
		  "Remove suites with blocks of 64 bits (SWEET32, CVE-2016-2183)." },
		find_sweet32, 0 },
	{ { "freak", AUDIT_CRITICAL, "Remove RSA export suites (FREAK, CVE-2015-0204)." },
		find_freak, 0 },
	{ { "logjam", AUDIT_CRITICAL,
		  "Use a Diffie-Hellman prime of 2048 bits, or ECDHE alone (Logjam, CVE-2015-4000)." },
		find_logjam, 0 },
	{ { "drown", AUDIT_CRITICAL,
		  "Switch SSLv2 off wherever this key is used (DROWN, CVE-2016-0800)." },
		find_drown, 0 },
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
		  "Update the server: it runs commands that came before TLS (CVE-2011-0411)." },
		find_yes, PROBE(starttls_injection) },
	{ { "early-plain", AUDIT_LOW,
		  "The server says more in plain text behind its go-ahead for TLS than it should." },
		find_yes, PROBE(early_plain) },
	{ { "no-secure-renegotiation", AUDIT_MEDIUM,
		  "Update the TLS library: it lacks RFC 5746 (CVE-2009-3555)." },
		find_no, PROBE(secure_renegotiation) },
	{ { "no-fallback-scsv", AUDIT_LOW,
		  "Have the downgrade signal of RFC 7507, or one version." },
		find_no, PROBE(fallback_scsv) },
	{ { "no-ems", AUDIT_INFO, "Have the extended master secret of RFC 7627." }, find_no,
		PROBE(extended_master_secret) },
	{ { "grease", AUDIT_LOW, "Unknown values in a hello must be ignored (RFC 8701)." }, find_no,
		PROBE(grease) },
	{ { "needs-name", AUDIT_INFO, "Clients that send no server name are refused." }, find_yes,
		PROBE(needs_name) },
	{ { "client-order", AUDIT_INFO, "Let the server's order of suites decide." },
		find_client_order, 0 },
	{ { "dh-weak", AUDIT_MEDIUM, "Use a Diffie-Hellman prime of 2048 bits or more." },
		find_weak_dh, 0 },
	{ { "dh-common", AUDIT_MEDIUM,
		  "Use a prime that not everybody uses, or a larger one: this one may be worked out." },
		find_common_dh, 0 },
	{ { "dh-reused", AUDIT_LOW, "Make a new Diffie-Hellman key for each connection." },
		find_dh_reuse, 0 },
	{ { "ecdh-reused", AUDIT_LOW, "Make a new key for each connection." }, find_yes,
		PROBE(ecdh_reuse) },
	{ { "group-weak", AUDIT_MEDIUM, "Remove curves that are too small." }, find_weak_groups,
		0 },
	{ { "group-not-listed", AUDIT_LOW, "Offer only groups that the profile lists." },
		find_groups, 0 },
	{ { "no-post-quantum", AUDIT_INFO,
		  "Offer X25519MLKEM768: what is recorded today may be read when there are such machines." },
		find_no_quantum, 0 },
	{ { "signature-weak", AUDIT_LOW, "Do not sign with SHA-1 or MD5." }, find_weak_signatures,
		0 },
	{ { "cert-expired", AUDIT_HIGH, "Renew the certificate." }, find_expired, 0 },
	{ { "cert-soon", AUDIT_LOW, "Renew the certificate soon." }, find_soon, 0 },
	{ { "cert-not-yet", AUDIT_HIGH, "Set the clock right, or wait to use the certificate." },
		find_not_yet, 0 },
	{ { "cert-self-signed", AUDIT_MEDIUM, "Have the certificate signed by a certifier." },
		find_self_signed, 0 },
	{ { "cert-untrusted", AUDIT_MEDIUM, "Have a certificate that leads to a known certifier." },
		find_untrusted, 0 },
	{ { "cert-intermediate", AUDIT_MEDIUM,
		  "Send the certifier's certificate behind your own." },
		find_intermediate, 0 },
	{ { "cert-order", AUDIT_LOW,
		  "Send the certificates in order, each behind the one it certifies." },
		find_order, 0 },
	{ { "cert-name", AUDIT_MEDIUM, "Have a certificate that names this host." }, find_name, 0 },
	{ { "cert-weak-key", AUDIT_HIGH, "Make a larger key: RSA 2048 bits, or P-256." },
		find_weak_key, 0 },
	{ { "cert-weak-signature", AUDIT_HIGH,
		  "Have the certificate signed with SHA-256 or better." },
		find_weak_signature, 0 },
	{ { "cert-serial-negative", AUDIT_INFO, "A serial number is positive (RFC 5280 4.1.2.2)." },
		find_serial, 0 },
	{ { "cert-serial-short", AUDIT_INFO, "A serial number has 64 random bits at least." },
		find_serial, 1 },
	{ { "cert-long", AUDIT_LOW, "Use certificates that are valid for a shorter time." },
		find_long, 0 },
	{ { "cert-no-san", AUDIT_MEDIUM,
		  "Name the host in subjectAltName; the subject is not looked at." },
		find_no_san, 0 },
	{ { "cert-ca", AUDIT_LOW, "Do not use a certifier's certificate for a server." },
		find_ca_leaf, 0 },
	{ { "staple-missing", AUDIT_MEDIUM,
		  "Switch OCSP stapling on: the certificate demands it." },
		find_staple, 0 },
	{ { "staple-bad", AUDIT_MEDIUM, "Mend the stapled OCSP response." }, find_staple, 1 },
	{ { "dane-mismatch", AUDIT_HIGH,
		  "Publish the TLSA record of this certificate: senders that check refuse to deliver." },
		find_tlsa_mismatch, 0 },
	{ { "dane-unusable", AUDIT_LOW, "Mail needs TLSA records with usage 2 or 3 (RFC 7672)." },
		find_tlsa_unusable, 0 },
	{ { "dane-insecure", AUDIT_MEDIUM,
		  "Sign the zone: TLSA records without DNSSEC mean nothing." },
		find_tlsa_insecure, 0 },
	{ { "dane-missing", AUDIT_INFO, "Publish TLSA records: the zone is signed already." },
		find_tlsa_missing, 0 },
	{ { "no-starttls", AUDIT_HIGH, "Switch STARTTLS on: everything goes in plain text." },
		find_end, AUDIT_END_NO_STARTTLS },
	{ { "starttls-refused", AUDIT_HIGH, "See why the server refuses to go on." }, find_end,
		AUDIT_END_REFUSED },
	{ { "rate-limited", AUDIT_INFO, "Ask again later, or from another address." }, find_end,
		AUDIT_END_RATE },
	{ { "mute", AUDIT_MEDIUM, "The server takes connections and says nothing." }, find_end,
		AUDIT_END_MUTE },
	{ { "not-tls", AUDIT_MEDIUM, "Something else than TLS answers here." }, find_end,
		AUDIT_END_NOT_TLS },
	{ { "no-connect", AUDIT_MEDIUM, "See whether the server runs and can be reached." },
		find_end, AUDIT_END_NO_CONNECT },
	{ { "incomplete", AUDIT_INFO, "Ask again: a list may be short." }, find_end,
		AUDIT_END_INCOMPLETE },
};

#define GATEWAY_ROWS LEN(rows)

size_t audit_check_count(void)
{
	return GATEWAY_ROWS + audit_domain_row_count;
}

const struct audit_check *audit_check_at(size_t i)
{
	if (i < GATEWAY_ROWS)
		return &rows[i].check;
	i -= GATEWAY_ROWS;
	return i < audit_domain_row_count ? &audit_domain_rows[i].check : NULL;
}

size_t audit_check_find(const char *id)
{
	for (size_t i = 0; i < audit_check_count(); i++)
		if (strcmp(audit_check_at(i)->id, id) == 0)
			return i;
	return AUDIT_FINDINGS_MAX;
}

static int by_severity(const void *a, const void *b)
{
	const struct audit_finding *x = a, *y = b;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void add(
	struct audit_findings *to, const struct audit_profile *p, size_t check, const char *detail)
{
	struct audit_finding *f = &to->items[to->count];
	enum audit_severity s = audit_profile_severity(p, check);
	if (s == AUDIT_OFF || to->count == AUDIT_FINDINGS_MAX)
		return;
	*f = (struct audit_finding){ .id = audit_check_at(check)->id,
		.severity = s,
		.advice = audit_profile_advice(p, check) };
	snprintf(f->detail, sizeof(f->detail), "%s", detail);
	to->count++;
}

void audit_find(const struct audit_profile *p, const struct audit_facts *f,
	const struct audit_facts *const *others, size_t other_count, struct audit_findings *ret)
{
	struct context c = { .profile = p,
		.facts = f,
		.others = others,
		.other_count = other_count,
		.now_s = (int64_t)time(NULL) };
	ret->count = 0;
	if (f->chain_count > 0)
		audit_cert_read(
			span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), &c.leaf);
	for (size_t i = 0; i < GATEWAY_ROWS; i++) {
		char detail[AUDIT_DETAIL_MAX] = "";
		if (rows[i].find(&c, detail, rows[i].how))
			add(ret, p, i, detail);
	}
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_severity);
}

void audit_find_domain(
	const struct audit_profile *p, const struct audit_domain *d, struct audit_findings *ret)
{
	ret->count = 0;
	for (size_t i = 0; i < audit_domain_row_count; i++) {
		char detail[AUDIT_DETAIL_MAX] = "";
		if (audit_domain_rows[i].find(d, detail))
			add(ret, p, GATEWAY_ROWS + i, detail);
	}
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_severity);
}
