/*
 * Certificates, staples and what DNS says of them. Invariant: dates are compared with the time that was
 * passed in; a chain that was not judged, or no chain, is no finding.
 */

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "audit/finding_internal.h"

#define DAY_S INT64_C(86400)
#define SOON_DAYS 30
#define SOON_PART 4 /* short-lived ones are renewed late: the last quarter of their life */
/* 64 random bits begin with a byte of zeros now and then, with two hardly ever. */
#define SERIAL_LEN_MIN 7

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

static bool is_expired(const struct context *c)
{
	return c->leaf.is_readable && has_date(c->leaf.not_after_s) &&
		c->leaf.not_after_s < c->now_s;
}

static bool is_early(const struct context *c)
{
	return c->leaf.is_readable && has_date(c->leaf.not_before_s) &&
		c->leaf.not_before_s > c->now_s;
}

static bool find_expired(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	return is_expired(c) &&
		audit_detail(to, "it ended on %s", date_text(c->leaf.not_after_s, date));
}

static bool find_soon(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	if (!c->leaf.is_readable || !has_date(c->leaf.not_after_s) ||
		!has_date(c->leaf.not_before_s) || is_expired(c))
		return false;
	int64_t left = c->leaf.not_after_s - c->now_s;
	int64_t life = c->leaf.not_after_s - c->leaf.not_before_s;
	return left < SOON_DAYS * DAY_S && left < life / SOON_PART &&
		audit_detail(to, "it ends on %s", date_text(c->leaf.not_after_s, date));
}

static bool find_not_yet(const struct context *c, char *to, unsigned how)
{
	char date[32];
	(void)how;
	return is_early(c) &&
		audit_detail(to, "it begins on %s", date_text(c->leaf.not_before_s, date));
}

bool audit_is_vouched(const struct audit_facts *f)
{
	bool is_mail = f->target.starttls == AUDIT_SMTP || f->target.starttls == AUDIT_LMTP;
	if (!is_mail || f->dane.is_secure != AUDIT_YES)
		return false;
	for (size_t i = 0; i < f->dane.count; i++)
		if (f->dane.records[i].state == AUDIT_TLSA_MATCH)
			return true;
	return false;
}

/* Is there a chain that no certifier stands behind, and that needs one? */
static bool is_untrusted(const struct context *c)
{
	const struct audit_verify *v = &c->facts->verify;
	return v->is_done && v->error != 0 && !audit_is_vouched(c->facts);
}

static bool find_self_signed(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return is_untrusted(c) && c->leaf.is_self_signed &&
		audit_detail(to, "%.200s", c->leaf.subject);
}

/* A certifier that nobody sent: one certificate alone came, whose issuer is not known here. */
static bool lacks_intermediate(const struct context *c)
{
	return c->facts->verify.lacks_intermediate == AUDIT_YES && c->facts->chain_count > 0 &&
		c->facts->chains[0].count == 1 && !c->leaf.is_self_signed;
}

static bool find_untrusted(const struct context *c, char *to, unsigned how)
{
	(void)how;
	/* Dates, and who signed itself, have findings of their own. */
	return is_untrusted(c) && !c->leaf.is_self_signed && !is_expired(c) && !is_early(c) &&
		!lacks_intermediate(c) && audit_detail(to, "%s", c->facts->verify.text);
}

static bool find_intermediate(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return is_untrusted(c) && lacks_intermediate(c) &&
		audit_detail(to, "%.200s is neither sent nor known here", c->leaf.issuer);
}

static bool find_order(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->verify.is_done && c->facts->verify.order_right == AUDIT_NO &&
		audit_detail(to, "a certificate does not certify the one before it");
}

static bool find_name(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	(void)how;
	return f->verify.name_matches == AUDIT_NO && f->target.host[0] != '\0' &&
		!audit_is_vouched(f) && audit_detail(to, "it does not name %.200s", f->target.host);
}

static unsigned least_bits(const struct context *c)
{
	if (strncmp(c->leaf.key, "rsa", 3) == 0 || strncmp(c->leaf.key, "dsa", 3) == 0)
		return c->profile->rsa_bits;
	return c->leaf.curve[0] != '\0' ? c->profile->ec_bits : 0;
}

static bool find_weak_key(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_readable && c->leaf.key_bits > 0 && c->leaf.key_bits < least_bits(c) &&
		audit_detail(to, "%s of %u bits", c->leaf.key, c->leaf.key_bits);
}

/* The leaf, and those certifiers whose signature somebody will look at. */
static bool find_weak_signature(const struct context *c, char *to, unsigned how)
{
	const struct audit_chain *chain = &c->facts->chains[0];
	(void)how;
	if (c->facts->chain_count == 0)
		return false;
	for (size_t i = 0; i < chain->count; i++) {
		struct audit_cert_facts x;
		audit_cert_read(span_of(chain->certs[i].der, chain->certs[i].len), &x);
		if (x.is_weak_signature && (i == 0 || !x.is_self_signed))
			return audit_detail(to, "%s under %.160s", x.signature, x.subject);
	}
	return false;
}

static bool find_serial(const struct context *c, char *to, unsigned how)
{
	bool is_it = how == 0 ? c->leaf.is_serial_negative
			      : c->leaf.serial_len < SERIAL_LEN_MIN && !c->leaf.is_self_signed;
	return c->leaf.is_readable && is_it && audit_detail(to, "%s", c->leaf.serial);
}

static bool find_long(const struct context *c, char *to, unsigned how)
{
	(void)how;
	if (!c->leaf.is_readable || !has_date(c->leaf.not_before_s) ||
		!has_date(c->leaf.not_after_s) || c->profile->days_max == 0)
		return false;
	int64_t days = (c->leaf.not_after_s - c->leaf.not_before_s) / DAY_S;
	return days > c->profile->days_max &&
		audit_detail(
			to, "valid for %" PRId64 " days, more than %u", days, c->profile->days_max);
}

static bool find_no_san(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_readable && !c->leaf.has_san && audit_detail(to, "no subjectAltName");
}

static bool find_ca_leaf(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->leaf.is_readable && c->leaf.is_ca && !c->leaf.is_self_signed &&
		audit_detail(to, "basicConstraints says CA");
}

static enum audit_staple staple_of(const struct context *c)
{
	const struct audit_facts *f = c->facts;
	return f->chain_count > 0 ? audit_staple_read(&f->chains[0]) : AUDIT_STAPLE_NONE;
}

static bool find_no_staple(const struct context *c, char *to, unsigned how)
{
	(void)how;
	/* In TLS 1.3 the staple is encrypted: not seen is not missing. */
	return c->leaf.is_readable && c->leaf.must_staple &&
		c->facts->chains[0].version != AUDIT_TLS13 && staple_of(c) == AUDIT_STAPLE_NONE &&
		audit_detail(to, "the certificate demands one");
}

static bool find_revoked(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return staple_of(c) == AUDIT_STAPLE_REVOKED &&
		audit_detail(to, "the stapled OCSP response says so");
}

static bool find_staple(const struct context *c, char *to, unsigned how)
{
	enum audit_staple s = staple_of(c);
	(void)how;
	if (s == AUDIT_STAPLE_UNKNOWN)
		return audit_detail(to, "the responder does not know the certificate");
	if (s == AUDIT_STAPLE_OLD)
		return audit_detail(to, "it is out of date");
	/* Without the certifier's certificate nobody can tell whether its signature is right. */
	return s == AUDIT_STAPLE_BROKEN && c->facts->chains[0].count > 1 &&
		audit_detail(to, "it is broken, or of another certificate");
}

static size_t count_tlsa(const struct audit_facts *f, enum audit_tlsa_state state)
{
	size_t n = 0;
	for (size_t i = 0; i < f->dane.count; i++)
		n += f->dane.records[i].state == state;
	return n;
}

static bool find_tlsa_mismatch(const struct context *c, char *to, unsigned how)
{
	const struct audit_facts *f = c->facts;
	(void)how;
	return f->chain_count > 0 && f->dane.is_secure == AUDIT_YES &&
		count_tlsa(f, AUDIT_TLSA_MISMATCH) > 0 && count_tlsa(f, AUDIT_TLSA_MATCH) == 0 &&
		audit_detail(to, "none of %zu TLSA records fits the certificate", f->dane.count);
}

static bool find_tlsa_unusable(const struct context *c, char *to, unsigned how)
{
	size_t n = count_tlsa(c->facts, AUDIT_TLSA_UNUSABLE);
	(void)how;
	return n > 0 && audit_detail(to, "%zu of %zu TLSA records", n, c->facts->dane.count);
}

static bool find_tlsa_insecure(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.count > 0 && c->facts->dane.is_secure == AUDIT_NO &&
		audit_detail(to, "the resolver could not validate the TLSA records");
}

static bool find_tlsa_missing(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.count == 0 && !c->facts->dane.is_failed &&
		c->facts->dane.is_host_secure == AUDIT_YES &&
		c->facts->target.starttls == AUDIT_SMTP &&
		audit_detail(to, "the host's zone is signed and has none");
}

/* RFC 7672 2.1.1 and 2.2.2: where the host's zone is signed, no answer stops those who check. */
static bool find_tlsa_failed(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.is_failed && c->facts->dane.is_host_secure == AUDIT_YES &&
		audit_detail(to, "the question for TLSA records had no answer");
}

static bool find_tlsa_alone(const struct context *c, char *to, unsigned how)
{
	(void)how;
	return c->facts->dane.count > 0 && c->facts->dane.is_secure == AUDIT_YES &&
		c->facts->end == AUDIT_END_NO_STARTTLS &&
		audit_detail(to, "%zu TLSA records, and no STARTTLS", c->facts->dane.count);
}

static bool find_long_chain(const struct context *c, char *to, unsigned how)
{
	(void)how;
	for (size_t i = 0; i < c->facts->chain_count; i++)
		if (c->facts->chains[i].is_cut)
			return audit_detail(to,
				"more than the %zu certificates that were looked at",
				c->facts->chains[i].count);
	return c->facts->is_chain_list_cut &&
		audit_detail(to, "a chain that was not looked at: too many, or too large");
}

const struct audit_row audit_cert_rows[] = {
	{ { "cert-expired", AUDIT_HIGH, "Renew the certificate." }, find_expired, 0 },
	{ { "cert-soon", AUDIT_LOW, "Renew the certificate soon." }, find_soon, 0 },
	{ { "cert-not-yet", AUDIT_HIGH, "Set the clock right, or wait to use the certificate." },
		find_not_yet, 0 },
	{ { "cert-revoked", AUDIT_CRITICAL, "Make a new key and have it certified." }, find_revoked,
		0 },
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
	{ { "cert-chain-long", AUDIT_LOW, "Send the certificate and its intermediates alone." },
		find_long_chain, 0 },
	{ { "cert-name", AUDIT_MEDIUM, "Have a certificate that names this host." }, find_name, 0 },
	{ { "cert-weak-key", AUDIT_HIGH, "Make a larger key, or one on P-256." }, find_weak_key,
		0 },
	{ { "cert-weak-signature", AUDIT_HIGH,
		  "Have the certificate signed with SHA-256 or better." },
		find_weak_signature, 0 },
	{ { "cert-serial-negative", AUDIT_INFO,
		  "Have a certificate with a positive serial number (RFC 5280 4.1.2.2)." },
		find_serial, 0 },
	{ { "cert-serial-short", AUDIT_INFO,
		  "Have a certificate whose serial number has 64 random bits." },
		find_serial, 1 },
	{ { "cert-long", AUDIT_LOW, "Use certificates that are valid for a shorter time." },
		find_long, 0 },
	{ { "cert-no-san", AUDIT_MEDIUM,
		  "Name the host in subjectAltName: nobody looks at the subject." },
		find_no_san, 0 },
	{ { "cert-ca", AUDIT_LOW, "Do not use a certifier's certificate for a server." },
		find_ca_leaf, 0 },
	{ { "staple-missing", AUDIT_MEDIUM, "Switch OCSP stapling on." }, find_no_staple, 0 },
	{ { "staple-bad", AUDIT_MEDIUM, "Mend the stapled OCSP response." }, find_staple, 0 },
	{ { "dane-mismatch", AUDIT_HIGH,
		  "Publish the TLSA record of this certificate: senders that check do not deliver." },
		find_tlsa_mismatch, 0 },
	{ { "dane-no-starttls", AUDIT_HIGH,
		  "Switch STARTTLS on or remove the TLSA records: senders that check do not deliver." },
		find_tlsa_alone, 0 },
	{ { "dane-failed", AUDIT_HIGH,
		  "Mend the name servers: senders that check cannot ask, and do not deliver." },
		find_tlsa_failed, 0 },
	{ { "dane-unusable", AUDIT_LOW, "Use TLSA records with usage 2 or 3 for mail (RFC 7672)." },
		find_tlsa_unusable, 0 },
	{ { "dane-insecure", AUDIT_MEDIUM,
		  "Sign the zone, or ask a resolver that validates: TLSA records rest on DNSSEC." },
		find_tlsa_insecure, 0 },
	{ { "dane-missing", AUDIT_INFO, "Publish TLSA records: the zone is signed already." },
		find_tlsa_missing, 0 },
};
const size_t audit_cert_row_count = sizeof(audit_cert_rows) / sizeof(audit_cert_rows[0]);
