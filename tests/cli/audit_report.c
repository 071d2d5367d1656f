/*
 * audit_report FOLDER: reports of made-up gateways in every form, for tests that look at them from outside.
 * Some of their words are what a hostile server would send.
 */

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/report.h"
#include "audit/suite.h"

#define NOW INT64_C(1795000000)
#define DAY INT64_C(86400)
#define GATEWAYS 5
#define EVIL                                                                                       \
	"<script>document.title='x'</script>\"'><img src=x onerror=alert(1)>&\xe2\x80\xae\033[2J"

#define EVIL_NAME "<script>document.title='x'</script>\"'&\xe2\x80\xae,=1+1" /* at most 64 */

static void die(const char *what)
{
	fprintf(stderr, "audit_report: %s\n", what);
	exit(1);
}

static void add_chain(struct audit_facts *f, const char *name, int64_t to_s)
{
	X509 *x = X509_new();
	EVP_PKEY *key = EVP_EC_gen("P-256");
	unsigned char *der = NULL;
	if (x == NULL || key == NULL)
		die("no memory");
	X509_set_version(x, 2);
	ASN1_INTEGER_set_int64(X509_get_serialNumber(x), INT64_C(0x7766554433221100));
	X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	ASN1_TIME_set(X509_getm_notBefore(x), NOW - 30 * DAY);
	ASN1_TIME_set(X509_getm_notAfter(x), to_s);
	X509_set_pubkey(x, key);
	X509_sign(x, key, EVP_sha256());
	int len = i2d_X509(x, &der);
	struct audit_chain c = {
		.version = AUDIT_TLS12, .count = 1, .certs = { { (size_t)len, der } }
	};
	if (len <= 0 || !audit_facts_add_chain(f, &c))
		die("no certificate");
	OPENSSL_free(der);
	EVP_PKEY_free(key);
	X509_free(x);
}

static void accept_all(struct audit_facts *f, enum audit_version v, const char *const *names)
{
	struct audit_protocol *p = &f->protocols[v];
	p->offered = AUDIT_YES;
	for (; *names != NULL; names++) {
		const struct audit_suite *s = audit_suite_by_name(*names);
		if (s == NULL || s->first > v || s->last < v)
			continue;
		struct audit_accepted a = { .suite = s->id };
		if (!audit_facts_accept(p, &a))
			abort();
	}
	p->preferred = p->suite_count > 0 ? p->suites[0].suite : 0;
}

static const char *const good[] = { "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
	"TLS_AES_128_GCM_SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305",
	"ECDHE-RSA-AES128-GCM-SHA256", NULL };
static const char *const many[] = { "ECDHE-RSA-AES256-GCM-SHA384", "DHE-RSA-AES256-SHA",
	"AES256-SHA", "AES128-SHA", "DES-CBC3-SHA", "RC4-SHA", "RC4-MD5", "EXP-RC4-MD5",
	"ADH-AES128-SHA", "SSL_CK_RC4_128_WITH_MD5", NULL };

static struct audit_facts *gateway(const char *host, const char *address, uint16_t port)
{
	struct audit_target t = { .port = port, .starttls = audit_starttls_of_port(port) };
	snprintf(t.host, sizeof(t.host), "%s", host);
	snprintf(t.given, sizeof(t.given), "%s", host);
	snprintf(t.domain, sizeof(t.domain), "example.org");
	if (!addr_parse(address, &t.addr))
		die("not an address");
	struct audit_facts *f = audit_facts_new(&t);
	if (f == NULL)
		die("no memory");
	f->end = AUDIT_END_COMPLETE;
	f->connections = 23;
	f->wall_ms = 1234;
	f->groups[f->group_count++] = 4588;
	f->groups[f->group_count++] = 29;
	return f;
}

static void make_gateways(struct audit_facts *all[GATEWAYS], bool is_later)
{
	all[0] = gateway("mail.example.org", "192.0.2.1", 25);
	accept_all(all[0], AUDIT_TLS12, good);
	accept_all(all[0], AUDIT_TLS13, good);
	add_chain(all[0], "mail.example.org", NOW + (is_later ? 90 : 60) * DAY);
	all[1] = gateway("old.example.org", "192.0.2.2", 25);
	for (int v = AUDIT_SSL2; v <= (is_later ? AUDIT_TLS10 : AUDIT_TLS12); v++)
		accept_all(all[1], (enum audit_version)v, many);
	all[1]->protocols[AUDIT_TLS13].offered = AUDIT_NO;
	if (is_later)
		all[1]->protocols[AUDIT_TLS11].offered = all[1]->protocols[AUDIT_TLS12].offered =
			AUDIT_NO;
	add_chain(all[1], EVIL_NAME, NOW - DAY);
	all[2] = gateway("refusing.example.org", "2001:db8::25", 25);
	all[2]->end = AUDIT_END_RATE;
	all[2]->words.code = 421;
	snprintf(all[2]->words.text, sizeof(all[2]->words.text), "421 RP-001 %s", EVIL);
	all[3] = gateway("plain.example.org", "192.0.2.4", 25);
	all[3]->end = AUDIT_END_NO_STARTTLS;
	snprintf(all[3]->words.keywords, sizeof(all[3]->words.keywords), "PIPELINING SIZE");
	all[4] = gateway(
		"a-name-that-is-quite-long-and-has-no-place-to-break.subdomain.of.a.domain.example.org",
		"192.0.2.5", 443);
	accept_all(all[4], AUDIT_TLS12, good);
	all[4]->end = AUDIT_END_INCOMPLETE;
	snprintf(all[4]->incomplete, sizeof(all[4]->incomplete), "=cmd|' /C calc'!A0 %s", EVIL);
}

static void write_domain(struct audit_domain *d)
{
	*d = (struct audit_domain){ .mx_count = 1, .sts = AUDIT_STS_BROKEN, .caa_count = 1 };
	d->mx_look = d->sts_look = d->caa_look = AUDIT_LOOK_DONE;
	d->tls_rpt_look = AUDIT_LOOK_FAILED;
	snprintf(d->name, sizeof(d->name), "example.org");
	snprintf(d->mx[0].host, sizeof(d->mx[0].host), "mail.example.org");
	snprintf(d->sts_text, sizeof(d->sts_text), "%s", EVIL);
	snprintf(d->caa[0].tag, sizeof(d->caa[0].tag), "issue");
	snprintf(d->caa[0].value, sizeof(d->caa[0].value), "%s", EVIL);
}

static FILE *create(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *out = fopen(path, "w");
	if (out == NULL)
		die("cannot write the folder");
	return out;
}

static void write_json(const char *folder, const char *name, const json_t *j)
{
	FILE *out = create(folder, name);
	if (j == NULL || json_dumpf(j, out, JSON_INDENT(1)) != 0 || fclose(out) != 0)
		die("no JSON");
}

static void write_all(const char *folder, const struct audit_report *r)
{
	struct audit_text_options plain = { 0 },
				  classic = { .has_colour = true, .is_classic = true };
	FILE *text = create(folder, "report.txt"), *old = create(folder, "classic.txt"),
	     *csv = create(folder, "report.csv"), *html = create(folder, "report.html");
	audit_csv_header(csv);
	for (size_t i = 0; i < r->entry_count; i++) {
		audit_text_gateway(text, &r->entries[i], &plain);
		audit_text_gateway(old, &r->entries[i], &classic);
		audit_csv_gateway(csv, &r->entries[i]);
	}
	audit_text_domain(text, &r->domains[0], &plain);
	audit_text_summary(text, r, &plain);
	audit_html(html, r);
	if (fclose(text) != 0 || fclose(old) != 0 || fclose(csv) != 0 || fclose(html) != 0)
		die("cannot write");
}

static json_t *report(const char *folder, const struct audit_profile *p, bool is_later)
{
	static struct audit_findings found[GATEWAYS + 1];
	static struct audit_domain domain;
	struct audit_facts *all[GATEWAYS];
	const struct audit_facts *others[GATEWAYS];
	struct audit_entry entries[GATEWAYS];
	struct audit_domain_entry one = { &domain, &found[GATEWAYS] };
	struct audit_report r = { audit_profile_name(p), audit_profile_note(p), NOW, false,
		GATEWAYS, 1, entries, &one };
	make_gateways(all, is_later);
	write_domain(&domain);
	for (size_t i = 0; i < GATEWAYS; i++)
		others[i] = all[i];
	for (size_t i = 0; i < GATEWAYS; i++) {
		struct audit_others o = { others, GATEWAYS };
		audit_find_at(p, all[i], &o, NOW, &found[i]);
		entries[i] = (struct audit_entry){ all[i], &found[i] };
	}
	audit_find_domain(p, &domain, &found[GATEWAYS]);
	if (!is_later)
		write_all(folder, &r);
	json_t *j = audit_json(&r);
	write_json(folder, is_later ? "later.json" : "report.json", j);
	for (size_t i = 0; i < GATEWAYS; i++)
		audit_facts_free(all[i]);
	return j;
}

int main(int argc, char **argv)
{
	struct fault fault;
	if (argc != 3)
		die("usage: audit_report FOLDER PROFILE");
	struct audit_profile *p = audit_profile_load(argv[2], &fault);
	if (p == NULL)
		die(fault.text);
	json_t *before = report(argv[1], p, false), *now = report(argv[1], p, true);
	FILE *out = create(argv[1], "compare.txt");
	fprintf(out, "%zu changes\n", audit_compare(out, before, now));
	if (fclose(out) != 0 || audit_compare(stderr, now, now) != 0)
		die("the same is not the same");
	json_decref(before);
	json_decref(now);
	audit_profile_free(p);
	return 0;
}
