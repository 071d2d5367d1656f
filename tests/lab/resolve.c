/*
 * What audit/domain.h says of its arguments, as lines of JSON: for the tests with real name servers.
 * resolve [-4 | -6] [-n] [-r RESOLVER] [-c CA] [-t POLICY_MS] [-x GIVE_UP_MS] NAME...
 */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "audit/domain.h"
#include "base/text.h"

static const char *answer(enum audit_answer a)
{
	static const char *const names[] = { "unknown", "no", "yes" };
	return names[a];
}

static json_t *of_tlsa(const struct audit_dane *d)
{
	json_t *all = json_array();
	for (size_t i = 0; i < d->count; i++) {
		char hex[2 * sizeof(d->records[0].data) + 1];
		const struct audit_tlsa *t = &d->records[i];
		json_array_append_new(all,
			json_sprintf("%d %d %d %s", t->usage, t->selector, t->matching,
				text_hex(span_of(t->data, t->len), hex)));
	}
	return all;
}

static json_t *of_target(const struct audit_target *t, const struct audit_dane *d)
{
	char text[ADDR_TEXT_MAX];
	return json_pack("{s:s s:s s:s s:i s:s s:i s:s s:s s:b s:o}", "domain", t->domain, "host",
		t->host, "addr", addr_format(&t->addr, text), "port", t->port, "starttls",
		audit_starttls_name(t->starttls), "preference", t->preference, "secure",
		answer(d->is_secure), "host_secure", answer(d->is_host_secure), "failed",
		d->is_failed, "tlsa", of_tlsa(d));
}

static json_t *of_mx(const struct audit_domain *d)
{
	json_t *all = json_array();
	for (size_t i = 0; i < d->mx_count; i++) {
		const struct audit_mx *m = &d->mx[i];
		json_array_append_new(all,
			json_pack("{s:s s:i s:b s:b s:b s:b s:s}", "host", m->host, "preference",
				m->preference, "cname", m->is_cname, "address", m->is_address, "v4",
				m->has_v4, "v6", m->has_v6, "sts", answer(m->matches_sts)));
	}
	return all;
}

static json_t *of_caa(const struct audit_domain *d)
{
	json_t *all = json_array();
	for (size_t i = 0; i < d->caa_count; i++)
		json_array_append_new(all,
			json_sprintf("%d %s %s", d->caa[i].flags, d->caa[i].tag, d->caa[i].value));
	return all;
}

static json_t *of_domain(const struct audit_domain *d)
{
	json_t *patterns = json_array();
	if (d == NULL) {
		json_decref(patterns);
		return json_null();
	}
	for (size_t i = 0; i < d->sts_mx_count; i++)
		json_array_append_new(patterns, json_string(d->sts_mx[i]));
	return json_pack("{s:s s:b s:b s:s s:s s:s s:o s:i s:s s:I s:s s:o s:s s:o s:[iiii]}",
		"name", d->name, "null", d->is_null_mx, "implicit", d->is_implicit_mx, "secure",
		answer(d->is_mx_secure), "text", d->text, "dnssec_text", d->dnssec_text, "mx",
		of_mx(d), "sts", d->sts, "sts_id", d->sts_id, "sts_max_age",
		(json_int_t)d->sts_max_age_s, "sts_text", d->sts_text, "sts_mx", patterns,
		"tls_rpt", d->tls_rpt, "caa", of_caa(d), "looks", d->mx_look, d->sts_look,
		d->tls_rpt_look, d->caa_look);
}

static void on_resolved(void *arg, const struct audit_resolved *r)
{
	json_t *targets = json_array();
	(void)arg;
	for (size_t i = 0; i < r->target_count; i++)
		json_array_append_new(targets, of_target(&r->targets[i], &r->dane[i]));
	json_t *all = json_pack("{s:s s:s? s:o s:o}", "given", r->input->given, "error", r->error,
		"domain", of_domain(r->domain), "targets", targets);
	json_dumpf(all, stdout, JSON_COMPACT);
	puts("");
	json_decref(all);
}

static void on_give_up(uv_timer_t *t)
{
	struct audit_resolver **r = t->data;
	audit_resolver_free(*r);
	*r = NULL;
	uv_close((uv_handle_t *)t, NULL);
}

static bool parse(int argc, char **argv, struct audit_domain_options *o, int *ret_give_up_ms)
{
	*o = (struct audit_domain_options){ .has_policy = true };
	for (int c; (c = getopt(argc, argv, "46nr:c:t:x:")) != -1;) {
		o->is_v4_only = o->is_v4_only || c == '4';
		o->is_v6_only = o->is_v6_only || c == '6';
		if (c == 'n')
			o->has_policy = false;
		if (c == 'r')
			o->resolver = optarg;
		if (c == 'c')
			o->sts_ca = optarg;
		if (c == 't')
			o->policy_timeout_ms = (uint32_t)atoi(optarg);
		if (c == 'x')
			*ret_give_up_ms = atoi(optarg);
		if (c == '?')
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	struct audit_domain_options o;
	char why[256];
	int give_up_ms = 0;
	uv_timer_t timer;
	if (!parse(argc, argv, &o, &give_up_ms))
		return 2;
	uv_loop_t *loop = uv_default_loop();
	struct audit_resolver *r = audit_resolver_new(loop, &o, why);
	if (r == NULL) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	for (int i = optind; i < argc; i++) {
		struct audit_input in;
		if (!audit_input_parse(argv[i], &in, why))
			fprintf(stderr, "%s\n", why);
		else if (audit_resolve(r, &in, on_resolved, NULL) != 0)
			return 1;
	}
	if (give_up_ms > 0) {
		uv_timer_init(loop, &timer);
		timer.data = &r;
		uv_timer_start(&timer, on_give_up, (uint64_t)give_up_ms, 0);
	}
	uv_run(loop, UV_RUN_DEFAULT);
	audit_resolver_free(r);
	uv_run(loop, UV_RUN_DEFAULT);
	return uv_loop_close(loop) == 0 ? 0 : 1;
}
