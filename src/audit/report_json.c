/*
 * The report as JSON, doc/audit.md "JSON". Invariant: strings are printable ASCII, whatever the facts hold;
 * out of memory gives NULL, never half an object.
 */

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "audit/cert.h"
#include "audit/dialogue.h"
#include "audit/finding_internal.h"
#include "audit/report_internal.h"
#include "base/text.h"

#define VERSION 1
#define FILE_LEN_MAX (256 << 20)

static json_t *text(const char *words)
{
	char safe[2048];
	return json_string(audit_quote(span_of(words, strlen(words)), safe, sizeof(safe)));
}

static json_t *hash_text(const uint8_t hash[32])
{
	char hex[65];
	return json_string(text_hex(span_of(hash, 32), hex));
}

static json_t *time_json(int64_t s)
{
	char iso[32];
	audit_time_text(s, iso);
	return iso[0] != '\0' ? json_string(iso) : json_null();
}

static json_t *id_text(uint32_t id)
{
	char hex[16];
	snprintf(hex, sizeof(hex), "0x%04X", (unsigned)id);
	return json_string(hex);
}

static json_t *answer(enum audit_answer a)
{
	return json_string(audit_answer_text(a));
}

/* Takes item; a list that could not be made stays NULL, and item goes. */
static void append(json_t **list, json_t *item)
{
	if (*list == NULL || item == NULL || json_array_append_new(*list, item) != 0) {
		if (*list == NULL)
			json_decref(item);
		json_decref(*list);
		*list = NULL;
	}
}

static json_t *suite_json(const struct audit_accepted *a)
{
	const struct audit_suite *s = audit_suite_by_id(a->suite);
	const struct audit_group *g = audit_group_by_id(a->group);
	return json_pack("{s:o, s:s, s:s?, s:i, s:s?, s:i, s:i}", "id", id_text(a->suite), "name",
		s != NULL ? s->name : "unknown", "openssl", s != NULL ? s->openssl : NULL, "bits",
		s != NULL ? (int)s->bits : 0, "group", g != NULL ? g->name : NULL, "dh_bits",
		(int)a->dh_bits, "rsa_bits", (int)a->rsa_bits);
}

static json_t *protocol_json(const struct audit_protocol *p)
{
	json_t *suites = json_array();
	char name[64];
	for (size_t i = 0; i < p->suite_count; i++)
		append(&suites, suite_json(&p->suites[i]));
	return json_pack("{s:o, s:b, s:s?, s:o, s:b, s:o}", "offered", answer(p->offered),
		"incomplete", p->is_incomplete, "preferred",
		p->preferred != 0 ? audit_suite_text(p->preferred, name) : NULL, "server_order",
		answer(p->server_order), "order_known", p->is_order_known, "suites", suites);
}

static json_t *protocols_json(const struct audit_facts *f)
{
	json_t *o = json_object();
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++) {
		if (json_object_set_new(o, audit_version_name((enum audit_version)v),
			    protocol_json(&f->protocols[v])) != 0) {
			json_decref(o);
			return NULL;
		}
	}
	return o;
}

static json_t *number_json(uint16_t id, const char *name)
{
	return json_pack("{s:o, s:s?}", "id", id_text(id), "name", name);
}

static json_t *groups_json(const struct audit_facts *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->group_count; i++) {
		const struct audit_group *g = audit_group_by_id(f->groups[i]);
		append(&list, number_json(f->groups[i], g != NULL ? g->name : NULL));
	}
	return list;
}

static json_t *signatures_json(const struct audit_facts *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->signature_count; i++) {
		const struct audit_signature *s = audit_signature_by_id(f->signatures[i]);
		append(&list, number_json(f->signatures[i], s != NULL ? s->name : NULL));
	}
	return list;
}

static json_t *extensions_json(const struct audit_facts *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->extension_count; i++)
		append(&list,
			number_json(f->extensions[i], audit_extension_name(f->extensions[i])));
	return list;
}

static json_t *cert_json(const struct audit_cert *der)
{
	struct audit_cert_facts c;
	audit_cert_read(span_of(der->der, der->len), &c);
	if (!c.is_readable)
		return json_pack("{s:b, s:I}", "readable", 0, "len", (json_int_t)der->len);
	return json_pack("{s:b, s:i, s:o, s:o, s:o, s:o, s:o, s:i, s:o, s:o, s:o, s:o, s:o, "
			 "s:b, s:b, s:b, s:b, s:i}",
		"readable", 1, "version", (int)c.version, "subject", text(c.subject), "issuer",
		text(c.issuer), "serial", text(c.serial), "signature", text(c.signature), "key",
		text(c.key), "key_bits", (int)c.key_bits, "curve", text(c.curve), "not_before",
		time_json(c.not_before_s), "not_after", time_json(c.not_after_s), "sha256",
		hash_text(c.sha256), "spki_sha256", hash_text(c.spki_sha256), "self_signed",
		c.is_self_signed, "ca", c.is_ca, "wildcard", c.is_wildcard, "must_staple",
		c.must_staple, "scts", (int)c.sct_count);
}

static json_t *chain_json(const struct audit_chain *c)
{
	static const char *const staples[] = { "none", "good", "revoked", "unknown", "old",
		"broken" };
	json_t *certs = json_array();
	for (size_t i = 0; i < c->count; i++)
		append(&certs, cert_json(&c->certs[i]));
	return json_pack("{s:s, s:b, s:s, s:b, s:o}", "version", audit_version_name(c->version),
		"without_name", c->is_without_name, "staple", staples[audit_staple_read(c)], "cut",
		c->is_cut, "certificates", certs);
}

static json_t *chains_json(const struct audit_facts *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->chain_count; i++)
		append(&list, chain_json(&f->chains[i]));
	return list;
}

static json_t *verify_json(const struct audit_verify *v)
{
	if (!v->is_done)
		return json_null();
	return json_pack("{s:i, s:o, s:o, s:o, s:o}", "error", v->error, "text", text(v->text),
		"name_matches", answer(v->name_matches), "order_right", answer(v->order_right),
		"lacks_intermediate", answer(v->lacks_intermediate));
}

static json_t *dh_json(const struct audit_dh *d)
{
	if (d->bits == 0)
		return json_null();
	return json_pack("{s:i, s:i, s:s?, s:o}", "bits", (int)d->bits, "generator",
		(int)d->generator, "prime", audit_dh_prime_name(d->prime, d->len), "reused",
		answer(d->is_reused));
}

static json_t *probes_json(const struct audit_probes *p)
{
	const struct {
		const char *name;
		enum audit_answer answer;
	} rows[] = {
		{ "secure_renegotiation", p->secure_renegotiation },
		{ "compression", p->compression },
		{ "fallback_scsv", p->fallback_scsv },
		{ "extended_master_secret", p->extended_master_secret },
		{ "encrypt_then_mac", p->encrypt_then_mac },
		{ "session_ticket", p->session_ticket },
		{ "session_id", p->session_id },
		{ "ecdh_reuse", p->ecdh_reuse },
		{ "heartbeat", p->heartbeat },
		{ "heartbleed", p->heartbleed },
		{ "ccs_injection", p->ccs_injection },
		{ "robot", p->robot },
		{ "starttls_injection", p->starttls_injection },
		{ "early_plain", p->early_plain },
		{ "grease", p->grease },
		{ "alpn", p->alpn },
		{ "needs_name", p->needs_name },
	};
	json_t *skew = p->clock_skew_s == INT32_MAX ? json_null() : json_integer(p->clock_skew_s);
	json_t *o = json_pack("{s:o}", "clock_skew_s", skew);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && o != NULL; i++) {
		if (json_object_set_new(o, rows[i].name, answer(rows[i].answer)) != 0) {
			json_decref(o);
			o = NULL;
		}
	}
	return o;
}

static json_t *tlsa_json(const struct audit_tlsa *t)
{
	static const char *const states[] = { "none", "match", "mismatch", "unusable" };
	char hex[2 * sizeof(t->data) + 1];
	text_hex(span_of(t->data, t->len < sizeof(t->data) ? t->len : sizeof(t->data)), hex);
	return json_pack("{s:i, s:i, s:i, s:s, s:s}", "usage", (int)t->usage, "selector",
		(int)t->selector, "matching", (int)t->matching, "state",
		t->state <= AUDIT_TLSA_UNUSABLE ? states[t->state] : "none", "data", hex);
}

static json_t *dane_json(const struct audit_dane *d)
{
	json_t *records = json_array();
	for (size_t i = 0; i < d->count; i++)
		append(&records, tlsa_json(&d->records[i]));
	return json_pack("{s:b, s:o, s:o, s:b, s:o}", "asked", d->is_asked, "secure",
		answer(d->is_secure), "host_secure", answer(d->is_host_secure), "failed",
		d->is_failed, "records", records);
}

static json_t *words_json(const struct audit_words *w)
{
	char words[AUDIT_WORDS_MAX + 16];
	const char *meaning = audit_refusal_meaning(audit_words_text(w, words));
	return json_pack("{s:i, s:o, s:o, s:o, s:I, s:s?}", "code", w->code, "text", text(w->text),
		"greeting", text(w->greeting), "keywords", text(w->keywords), "greeting_ms",
		(json_int_t)w->greeting_ms, "meaning", meaning);
}

static json_t *findings_json(const struct audit_findings *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->count; i++)
		append(&list,
			json_pack("{s:s, s:s, s:o, s:o}", "id", f->items[i].id, "severity",
				audit_severity_name(f->items[i].severity), "detail",
				text(f->items[i].detail), "advice", text(f->items[i].advice)));
	return list;
}

static json_t *target_json(const struct audit_target *t)
{
	char address[ADDR_TEXT_MAX];
	return json_pack("{s:o, s:o, s:o, s:s, s:i, s:s, s:i}", "given", text(t->given), "domain",
		text(t->domain), "host", text(t->host), "address", addr_format(&t->addr, address),
		"port", (int)t->port, "starttls", audit_starttls_name(t->starttls), "preference",
		(int)t->preference);
}

json_t *audit_json_gateway(const struct audit_entry *e)
{
	const struct audit_facts *f = e->facts;
	json_t *o = target_json(&f->target);
	json_t *rest = json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:b, s:o, s:o, "
				 "s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}",
		"end", audit_end_text(f->end), "incomplete", text(f->incomplete), "words",
		words_json(&f->words), "connections", (json_int_t)f->connections, "lost",
		(json_int_t)f->lost, "retried", (json_int_t)f->retried, "wall_ms",
		(json_int_t)f->wall_ms, "protocols", protocols_json(f), "groups", groups_json(f),
		"groups_incomplete", f->is_group_list_incomplete, "signatures", signatures_json(f),
		"extensions", extensions_json(f), "chains", chains_json(f), "chains_incomplete",
		f->is_chain_list_cut, "verify", verify_json(&f->verify), "dh", dh_json(&f->dh),
		"probes", probes_json(&f->probes), "dane", dane_json(&f->dane), "profile",
		text(e->findings->profile), "findings", findings_json(e->findings));
	if (o == NULL || rest == NULL || json_object_update(o, rest) != 0) {
		json_decref(o);
		o = NULL;
	}
	json_decref(rest);
	return o;
}

static json_t *mx_json(const struct audit_mx *m)
{
	return json_pack("{s:i, s:o, s:b, s:b, s:b, s:b, s:o}", "preference", (int)m->preference,
		"host", text(m->host), "cname", m->is_cname, "address", m->is_address, "ipv4",
		m->has_v4, "ipv6", m->has_v6, "matches_sts", answer(m->matches_sts));
}

static json_t *sts_json(const struct audit_domain *d)
{
	static const char *const modes[] = { "none", "testing", "enforce", "off", "broken" };
	const char *mode = d->sts <= AUDIT_STS_BROKEN ? modes[d->sts] : "broken";
	json_t *mx = json_array();
	for (size_t i = 0; i < d->sts_mx_count; i++)
		append(&mx, text(d->sts_mx[i]));
	return json_pack("{s:s, s:s, s:o, s:I, s:o, s:o}", "lookup", audit_look_name(d->sts_look),
		"mode", d->sts_look == AUDIT_LOOK_DONE ? mode : "unknown", "id", text(d->sts_id),
		"max_age_s", (json_int_t)d->sts_max_age_s, "text", text(d->sts_text), "mx", mx);
}

static json_t *caa_json(const struct audit_domain *d)
{
	json_t *list = json_array();
	for (size_t i = 0; i < d->caa_count; i++)
		append(&list,
			json_pack("{s:i, s:o, s:o}", "flags", (int)d->caa[i].flags, "tag",
				text(d->caa[i].tag), "value", text(d->caa[i].value)));
	return list;
}

json_t *audit_json_domain(const struct audit_domain_entry *e)
{
	const struct audit_domain *d = e->domain;
	json_t *mx = json_array();
	for (size_t i = 0; i < d->mx_count; i++)
		append(&mx, mx_json(&d->mx[i]));
	return json_pack(
		"{s:o, s:b, s:b, s:o, s:o, s:i, s:o, s:s, s:o, s:o, s:s, s:o, s:s, s:o, s:o, s:o}",
		"name", text(d->name), "null_mx", d->is_null_mx, "implicit_mx", d->is_implicit_mx,
		"mx_secure", answer(d->is_mx_secure), "dnssec_text", text(d->dnssec_text),
		"dns_error", d->dns_error, "text", text(d->text), "mx_lookup",
		audit_look_name(d->mx_look), "mx", mx, "mta_sts", sts_json(d), "tls_rpt_lookup",
		audit_look_name(d->tls_rpt_look), "tls_rpt", text(d->tls_rpt), "caa_lookup",
		audit_look_name(d->caa_look), "caa", caa_json(d), "profile",
		text(e->findings->profile), "findings", findings_json(e->findings));
}

static json_t *document(const struct audit_report *r, json_t *gateways)
{
	json_t *domains = json_array();
	for (size_t i = 0; i < r->domain_count; i++)
		append(&domains, audit_json_domain(&r->domains[i]));
	return json_pack("{s:s, s:i, s:s, s:o, s:s?, s:s?, s:b, s:s, s:o, s:o}", "format",
		"postern-audit", "version", VERSION, "program", "postern " POSTERN_VERSION, "at",
		time_json(r->at_s), "profile", r->profile, "note", r->note, "incomplete",
		r->is_incomplete, "worst", audit_severity_name(audit_report_worst(r)), "gateways",
		gateways, "domains", domains);
}

json_t *audit_json(const struct audit_report *r)
{
	json_t *gateways = json_array();
	for (size_t i = 0; i < r->entry_count; i++)
		append(&gateways, audit_json_gateway(&r->entries[i]));
	return document(r, gateways);
}

/* Where values stand in the document: so many blanks behind each end of a line. */
struct indent {
	FILE *out;
	int blanks;
};

/* Texts have no ends of lines in them, those are escaped. */
static int put_indented(const char *bytes, size_t len, void *arg)
{
	const struct indent *to = arg;
	for (size_t i = 0; i < len; i++) {
		putc(bytes[i], to->out);
		if (bytes[i] == '\n')
			fprintf(to->out, "%*s", to->blanks, "");
	}
	return ferror(to->out) != 0 ? -1 : 0;
}

/* False without memory, or when it could not be written. */
static bool put_value(FILE *out, const json_t *value, int blanks)
{
	struct indent to = { out, blanks };
	return value != NULL &&
		json_dump_callback(value, put_indented, &to, JSON_INDENT(2) | JSON_ENCODE_ANY) == 0;
}

static bool put_gateways(FILE *out, const struct audit_report *r)
{
	bool is_good = true;
	putc('[', out);
	for (size_t i = 0; i < r->entry_count && is_good; i++) {
		json_t *o = audit_json_gateway(&r->entries[i]);
		fputs(i > 0 ? ",\n    " : "\n    ", out);
		is_good = put_value(out, o, 4);
		json_decref(o);
	}
	fputs(r->entry_count > 0 ? "\n  ]" : "]", out);
	return is_good;
}

bool audit_json_write(FILE *out, const struct audit_report *r)
{
	json_t *o = document(r, json_array()), *value;
	const char *key;
	bool is_good = o != NULL, is_first = true;
	json_object_foreach(o, key, value)
	{
		fprintf(out, "%s\n  \"%s\": ", is_first ? "{" : ",", key);
		is_first = false;
		is_good = is_good &&
			(strcmp(key, "gateways") == 0 ? put_gateways(out, r)
						      : put_value(out, value, 2));
	}
	fputs("\n}", out);
	json_decref(o);
	return is_good && ferror(out) == 0;
}

json_t *audit_json_load(const char *path, struct fault *f)
{
	json_error_t error;
	uint8_t *bytes = NULL;
	size_t len = 0;
	if (file_read(path, FILE_ANY, FILE_LEN_MAX, &bytes, &len, f) != 0)
		return NULL;
	json_t *root = json_loadb((const char *)bytes, len, 0, &error);
	free(bytes);
	if (root == NULL) {
		fault_set(f, "%s:%d: not JSON: %s", path, error.line > 0 ? error.line : 1,
			error.text);
		return NULL;
	}
	const char *format = json_string_value(json_object_get(root, "format"));
	if (format == NULL || strcmp(format, "postern-audit") != 0 ||
		json_integer_value(json_object_get(root, "version")) != VERSION) {
		fault_set(f,
			"%s: not a report of this version; name a file that postern audit --json wrote",
			path);
		json_decref(root);
		return NULL;
	}
	return root;
}
