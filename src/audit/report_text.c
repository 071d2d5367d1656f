/*
 * The report as text, in the form that administrators have known since 2011: a block a gateway. Invariant:
 * colour goes around words and is never the only one to say something.
 */

#include <ctype.h>
#include <string.h>

#include "audit/cert.h"
#include "audit/dialogue.h"
#include "audit/finding_internal.h"
#include "audit/report_internal.h"

#define WIDTH 80
#define RED "\033[31m"
#define BLUE "\033[34m"
#define BOLD "\033[1m"
#define PLAIN "\033[0m"

/* Words of strangers once more: whatever filled the facts, no control reaches a terminal. */
static void put_safe(FILE *out, const char *text)
{
	char line[2048];
	fputs(audit_quote(span_of(text, strlen(text)), line, sizeof(line)), out);
}

/* Words broken at blanks; indent before every line but the first. at: where the first begins. */
static void put_wrapped(FILE *out, const char *text, size_t at, size_t indent)
{
	char safe[2048];
	audit_quote(span_of(text, strlen(text)), safe, sizeof(safe));
	for (const char *word = safe; *word != '\0';) {
		size_t len = strcspn(word, " ");
		if (at + len > WIDTH && at > indent) {
			fprintf(out, "\n%*s", (int)indent, "");
			at = indent;
		}
		fprintf(out, "%.*s", (int)len, word);
		at += len;
		word += len;
		if (*word == ' ') {
			word++;
			if (at + 1 + strcspn(word, " ") <= WIDTH) {
				fputc(' ', out);
				at++;
			} else {
				fprintf(out, "\n%*s", (int)indent, "");
				at = indent;
			}
		}
	}
	fputc('\n', out);
}

static const char *colour_of(enum audit_strength s)
{
	return s == AUDIT_STRENGTH_NONE ? RED : s == AUDIT_STRENGTH_WEAK ? BLUE : "";
}

/* Triple DES was counted by the length of its keys. */
static unsigned bits_of(const struct audit_suite *s, bool is_classic)
{
	if (s == NULL)
		return 0;
	return is_classic && strcmp(s->cipher, "3DES") == 0 ? 168 : s->bits;
}

static void put_suite(FILE *out, const char *before, enum audit_version v, uint32_t suite,
	const struct audit_text_options *o)
{
	char name[64];
	const char *colour = o->has_colour ? colour_of(audit_suite_strength(v, suite)) : "";
	fprintf(out, "%s%s%s %u bits %s%s\n", colour, before, audit_version_name(v),
		bits_of(audit_suite_by_id(suite), o->is_classic), audit_suite_text(suite, name),
		colour[0] != '\0' ? PLAIN : "");
}

static void put_suites(FILE *out, const struct audit_facts *f, const struct audit_text_options *o)
{
	fputs("Supported Server Cipher(s):\n", out);
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		for (size_t i = 0; i < f->protocols[v].suite_count; i++)
			put_suite(out, "Accepted ", (enum audit_version)v,
				f->protocols[v].suites[i].suite, o);
	fprintf(out, "%s Server Cipher(s):\n", o->is_classic ? "Prefered" : "Preferred");
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		if (f->protocols[v].offered == AUDIT_YES && f->protocols[v].preferred != 0)
			put_suite(out, "", (enum audit_version)v, f->protocols[v].preferred, o);
}

/* Whose order decides in each version, and whether the list above is in it. */
static void put_orders(FILE *out, const struct audit_facts *f)
{
	bool is_any = false;
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++) {
		const struct audit_protocol *p = &f->protocols[v];
		if (p->suite_count < 2 || p->server_order == AUDIT_UNKNOWN)
			continue;
		if (!is_any)
			fputs("Order of Cipher(s):\n", out);
		is_any = true;
		fprintf(out, "%s %s\n", audit_version_name((enum audit_version)v),
			p->server_order == AUDIT_NO ? "the client's"
				: p->is_order_known
				? "the server's, as listed"
				: "the server's, not known in full; --order asks for it");
	}
}

static void put_groups(FILE *out, const struct audit_facts *f)
{
	if (f->group_count > 0)
		fputs("Key Exchange Group(s):\n", out);
	for (size_t i = 0; i < f->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(f->groups[i]);
		if (g != NULL)
			fprintf(out, "%s\n", g->name);
		else
			fprintf(out, "0x%04X\n", (unsigned)f->groups[i]);
	}
	if (f->dh.bits > 0)
		fprintf(out, "Diffie-Hellman of %u bits at least\n", (unsigned)f->dh.bits);
}

static void put_cut(FILE *out, const char *what)
{
	if (what != NULL)
		fprintf(out, "INCOMPLETE: %s\n", what);
}

static void put_tlsa(FILE *out, const struct audit_dane *d)
{
	char record[64];
	if (d->is_asked && (d->is_failed || d->count == 0))
		fprintf(out, "TLSA: %s\n", d->is_failed ? "could not be looked up" : "none");
	for (size_t i = 0; i < d->count; i++)
		fprintf(out, "TLSA: %s\n", audit_tlsa_text(&d->records[i], record));
	if (d->count > 0)
		fprintf(out, "DNSSEC of TLSA: %s\n", audit_answer_text(d->is_secure));
}

static void put_certificates(FILE *out, const struct audit_facts *f, bool is_classic)
{
	for (size_t i = 0; i < f->chain_count && (i == 0 || !is_classic); i++) {
		const struct audit_cert *leaf = &f->chains[i].certs[0];
		if (i > 0 && f->chains[i].is_without_name)
			fputs("Without a server name:\n", out);
		audit_cert_print(span_of(leaf->der, leaf->len), out);
		put_cut(out, audit_chain_cut_text(f, i));
	}
	put_cut(out, audit_chain_cut_text(f, f->chain_count));
	if (f->chain_count > 0 && f->verify.is_done) {
		fputs("Verify Certificate:\n", out);
		put_safe(out,
			f->verify.error == 0 ? "Certificate passed verification" : f->verify.text);
		fputc('\n', out);
	}
}

static const char *severity_colour(enum audit_severity s)
{
	return s >= AUDIT_HIGH ? RED : s >= AUDIT_LOW ? BLUE : "";
}

static void put_findings(
	FILE *out, const struct audit_findings *found, const struct audit_text_options *o)
{
	if (found->count == 0) {
		fprintf(out, "Findings by profile %s: none\n", found->profile);
		return;
	}
	fprintf(out, "Findings by profile %s:\n", found->profile);
	for (size_t i = 0; i < found->count; i++) {
		const struct audit_finding *f = &found->items[i];
		const char *colour = o->has_colour ? severity_colour(f->severity) : "";
		char line[AUDIT_DETAIL_MAX + 64];
		fprintf(out, "%s%-8s%s  ", colour, audit_severity_name(f->severity),
			colour[0] != '\0' ? PLAIN : "");
		snprintf(line, sizeof(line), "%s%s%s", f->id, f->detail[0] != '\0' ? ": " : "",
			f->detail);
		put_wrapped(out, line, 10, 10);
		fputs("          ", out);
		put_wrapped(out, f->advice, 10, 10);
	}
}

static void put_error(FILE *out, const struct audit_facts *f, const struct audit_text_options *o)
{
	char sentence[AUDIT_SENTENCE_MAX];
	char words[AUDIT_WORDS_MAX + 16];
	audit_words_text(&f->words, words);
	const char *meaning = audit_refusal_meaning(words);
	/* One line, however long: people search for it. */
	fprintf(out, "%sERROR: ", o->has_colour ? RED : "");
	put_safe(out, audit_end_sentence(f, sentence));
	fprintf(out, "%s\n", o->has_colour ? PLAIN : "");
	if (strstr(sentence, words) == NULL) {
		fputs("It said: ", out);
		put_wrapped(out, words, 9, 9);
	}
	if (meaning != NULL) {
		fputs("Meaning: ", out);
		put_wrapped(out, meaning, 9, 9);
	}
}

void audit_text_gateway(FILE *out, const struct audit_entry *e, const struct audit_text_options *o)
{
	const struct audit_facts *f = e->facts;
	char host[AUDIT_HOST_MAX + 1], address[ADDR_TEXT_MAX], sentence[AUDIT_SENTENCE_MAX];

	fprintf(out, "%sTesting SSL server ", o->has_colour ? BOLD : "");
	put_safe(out, audit_host_text(&f->target, host));
	fprintf(out, " on port %u%s\n", (unsigned)f->target.port, o->has_colour ? PLAIN : "");
	if (!o->is_classic && f->target.host[0] != '\0')
		fprintf(out, "Address: %s\n", addr_format(&f->target.addr, address));
	if (audit_end_sentence(f, sentence)[0] != '\0') {
		put_error(out, f, o);
	} else {
		put_suites(out, f, o);
		if (!o->is_classic) {
			put_orders(out, f);
			put_groups(out, f);
		}
		put_certificates(out, f, o->is_classic);
	}
	if (!o->is_classic)
		put_tlsa(out, &f->dane);
	if (f->incomplete[0] != '\0' || f->end == AUDIT_END_INCOMPLETE) {
		fputs("INCOMPLETE: ", out);
		put_wrapped(out, f->incomplete[0] != '\0' ? f->incomplete : "a list may be short",
			12, 12);
	}
	put_findings(out, e->findings, o);
	fputc('\n', out);
}

static void put_promises(FILE *out, const struct audit_domain *d)
{
	fprintf(out, "DNSSEC: %s\n", audit_answer_text(d->is_mx_secure));
	fprintf(out, "MTA-STS: %s", audit_sts_words(d));
	if (d->sts == AUDIT_STS_TESTING || d->sts == AUDIT_STS_ENFORCE)
		fprintf(out, ", for %u days", (unsigned)(d->sts_max_age_s / 86400));
	fputs("\nTLS-RPT: ", out);
	put_safe(out, audit_tls_rpt_words(d));
	fputc('\n', out);
	if (d->caa_count == 0)
		fprintf(out, "CAA: %s\n", audit_look_words(d->caa_look, "none"));
	for (size_t i = 0; i < d->caa_count; i++) {
		fputs("CAA: ", out);
		put_safe(out, d->caa[i].tag);
		fputc(' ', out);
		put_safe(out, d->caa[i].value);
		fputc('\n', out);
	}
}

void audit_text_domain(
	FILE *out, const struct audit_domain_entry *e, const struct audit_text_options *o)
{
	const struct audit_domain *d = e->domain;
	fprintf(out, "%sMail of ", o->has_colour ? BOLD : "");
	put_safe(out, d->name);
	fprintf(out, "%s\n", o->has_colour ? PLAIN : "");
	for (size_t i = 0; i < d->mx_count; i++) {
		fprintf(out, "MX: %u ", (unsigned)d->mx[i].preference);
		put_safe(out, d->mx[i].host);
		fputc('\n', out);
	}
	if (d->mx_count == 0)
		fprintf(out, "MX: %s\n", audit_look_words(d->mx_look, "none"));
	put_promises(out, d);
	put_findings(out, e->findings, o);
	fputc('\n', out);
}

void audit_text_summary(FILE *out, const struct audit_report *r, const struct audit_text_options *o)
{
	size_t counts[AUDIT_SEVERITY_COUNT] = { 0 };
	for (size_t i = 0; i < r->entry_count; i++)
		for (size_t k = 0; k < r->entries[i].findings->count; k++)
			counts[r->entries[i].findings->items[k].severity]++;
	for (size_t i = 0; i < r->domain_count; i++)
		for (size_t k = 0; k < r->domains[i].findings->count; k++)
			counts[r->domains[i].findings->items[k].severity]++;
	fprintf(out, "%s%zu gateway%s%s:", o->has_colour ? BOLD : "", r->entry_count,
		r->entry_count == 1 ? "" : "s", o->has_colour ? PLAIN : "");
	for (int s = AUDIT_CRITICAL; s >= AUDIT_INFO; s--)
		fprintf(out, " %zu %s%s", counts[s], audit_severity_name((enum audit_severity)s),
			s > AUDIT_INFO ? "," : "");
	fputc('\n', out);
	if (r->is_incomplete)
		fputs("INCOMPLETE: stopped before the end\n", out);
	if (r->note != NULL && r->note[0] != '\0') {
		fputs("Note: ", out);
		put_wrapped(out, r->note, 6, 6);
	}
}
