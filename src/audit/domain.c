/*
 * From what the user wrote to targets: MX, addresses, TLSA, and beside them what the domain promises.
 * Invariant: a job holds one place in r->active while questions of it are in the air, and its caller is
 * told from the pump alone, once.
 */

#include "audit/domain.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/domain_internal.h"

#define RUNNING_MAX 64  /* inputs at a time; each has a few questions in the air */
#define TARGETS_MAX 128 /* of one input */
#define TIMEOUT_MS 3000
#define POLICY_TIMEOUT_MS 30000
#define RCODE_NO_NAME 3

void audit_say(char to[AUDIT_WORDS_MAX + 1], const char *fmt, ...)
{
	va_list ap;
	size_t n = strlen(to);
	if (n > 0 && n + 2 < AUDIT_WORDS_MAX)
		n += (size_t)snprintf(to + n, AUDIT_WORDS_MAX + 1 - n, "; ");
	va_start(ap, fmt);
	vsnprintf(to + n, AUDIT_WORDS_MAX + 1 - n, fmt, ap);
	va_end(ap);
}

bool audit_is_host_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	return name[0] != '\0' && name[strspn(name, letters)] == '\0';
}

static void free_job(struct audit_job *j)
{
	for (size_t i = 0; i < j->host_count; i++)
		free(j->hosts[i]);
	free(j->hosts);
	free(j);
}

static void take_out(struct audit_job **list, const struct audit_job *j)
{
	while (*list != j)
		list = &(*list)->next;
	*list = j->next;
}

static void on_pump(uv_timer_t *t);

void audit_job_release(struct audit_job *j)
{
	struct audit_resolver *r = j->resolver;
	if (--j->pending > 0)
		return;
	take_out(&r->active, j);
	j->next = r->done;
	r->done = j;
	uv_timer_start(&r->pump, on_pump, 0, 0);
}

/* A host of j, at place i. Its questions are asked at once. */
static bool add_host(struct audit_job *j, size_t i, const char *name, uint16_t port)
{
	j->hosts[i] = audit_host_new(j, name, port);
	if (j->hosts[i] == NULL)
		audit_say(j->error, "no memory for %s", name);
	return j->hosts[i] != NULL;
}

static bool make_hosts(struct audit_job *j, size_t count)
{
	j->hosts = calloc(count, sizeof(struct audit_host *));
	j->host_count = j->hosts != NULL ? count : 0;
	if (j->hosts == NULL)
		audit_say(j->error, "no memory for %s", j->input.host);
	return j->hosts != NULL;
}

/* The name itself, as a service. */
static void ask_service(struct audit_job *j)
{
	const struct audit_input *in = &j->input;
	if (!make_hosts(j, 1) || !add_host(j, 0, in->host, in->port))
		return;
	struct audit_host *h = j->hosts[0];
	if (in->is_address) {
		h->name[0] = '\0';
		h->addresses[h->address_count++] = in->addr;
		return;
	}
	h->address_count =
		audit_lookup_hosts(j->resolver->lookup, h->name, h->addresses, AUDIT_ADDRESSES_MAX);
	if (h->address_count == 0)
		audit_host_ask(h);
}

/* A bare name that no mail goes to. */
static void ask_web(struct audit_job *j)
{
	j->is_domain = false;
	j->input.port = audit_starttls_port(AUDIT_DIRECT);
	j->input.starttls = AUDIT_DIRECT;
	ask_service(j);
}

/* By preference, those alike as they came. */
static void insert_mx(struct audit_domain *d, const struct audit_mx *mx)
{
	size_t at = d->mx_count++;
	for (; at > 0 && d->mx[at - 1].preference > mx->preference; at--)
		d->mx[at] = d->mx[at - 1];
	d->mx[at] = *mx;
}

static bool is_twice(struct audit_domain *d, const struct audit_mx *mx)
{
	for (size_t i = 0; i < d->mx_count; i++) {
		if (strcmp(d->mx[i].host, mx->host) != 0)
			continue;
		audit_say(d->text, "%s is listed twice among its MX records", mx->host);
		if (mx->preference < d->mx[i].preference) {
			/* The better place counts. */
			memmove(&d->mx[i], &d->mx[i + 1], (--d->mx_count - i) * sizeof(d->mx[0]));
			insert_mx(d, mx);
		}
		return true;
	}
	return false;
}

static void take_one_mx(struct audit_domain *d, const struct audit_dns *dns, size_t i)
{
	struct audit_mx mx;
	struct addr a;
	if (!audit_dns_mx(dns, i, &mx)) {
		audit_say(d->text, "an MX record of it is broken");
		return;
	}
	if (mx.host[0] == '\0') {
		/* RFC 7505 3: one alone says that no mail is taken. */
		d->is_null_mx = dns->count == 1;
		if (!d->is_null_mx)
			audit_say(d->text, "a null MX stands beside other MX records");
		return;
	}
	mx.is_address = addr_parse(mx.host, &a);
	if (!mx.is_address && !audit_is_host_name(mx.host))
		audit_say(d->text, "an MX record names what is no host name");
	else if (!is_twice(d, &mx)) {
		if (d->mx_count == AUDIT_MX_MAX)
			return;
		insert_mx(d, &mx);
	}
}

static void take_mx(struct audit_job *j, const struct audit_dns *dns)
{
	struct audit_domain *d = &j->domain;
	for (size_t i = 0; i < dns->count; i++)
		take_one_mx(d, dns, i);
	if (dns->count > AUDIT_MX_MAX || dns->is_cut)
		audit_say(d->text, "more than %d MX records, the rest is left out", AUDIT_MX_MAX);
	if (dns->count == 0) {
		/* RFC 5321 5.1: then the domain is its own gateway. */
		d->is_implicit_mx = true;
		d->mx_count = 1;
		snprintf(d->mx[0].host, sizeof(d->mx[0].host), "%s", d->name);
	}
}

static void ask_gateways(struct audit_job *j)
{
	struct audit_domain *d = &j->domain;
	uint16_t port = audit_starttls_port(AUDIT_SMTP);
	if (d->mx_count == 0 || !make_hosts(j, d->mx_count))
		return;
	for (size_t i = 0; i < d->mx_count; i++) {
		if (d->mx[i].is_address || !add_host(j, i, d->mx[i].host, port))
			continue;
		j->hosts[i]->preference = d->mx[i].preference;
		audit_host_ask(j->hosts[i]);
	}
}

static void on_mx(void *arg, const struct audit_lookup_reply *r)
{
	struct audit_job *j = arg;
	struct audit_domain *d = &j->domain;
	const char *name = j->input.host;
	d->dns_error = r->error;
	d->mx_look = r->error != 0 ? AUDIT_LOOK_FAILED : AUDIT_LOOK_DONE;
	d->is_mx_secure = r->is_secure;
	if (r->error != 0) {
		audit_say(j->error, "%s: its MX records: %s", name, r->why);
		audit_say(d->text, "the MX records of %s: %s", name, r->why);
		/* Name servers that do not say where mail goes are not asked what is promised of it. */
		if (j->resolver->options.has_policy)
			d->sts_look = d->tls_rpt_look = d->caa_look = AUDIT_LOOK_FAILED;
	} else if (r->dns->rcode == RCODE_NO_NAME) {
		audit_say(j->error, "%s: there is no such name in DNS", name);
	} else {
		take_mx(j, r->dns);
		if (j->input.kind == AUDIT_INPUT_HOST && (d->is_implicit_mx || d->is_null_mx)) {
			ask_web(j);
		} else {
			ask_gateways(j);
			if (j->resolver->options.has_policy)
				audit_policy_ask(j);
		}
	}
	audit_job_release(j);
}

static void start(struct audit_job *j)
{
	struct addr a;
	const struct audit_input *in = &j->input;
	struct audit_lookup *l = j->resolver->lookup;
	const char *doubt = audit_lookup_doubt(l);
	j->pending = 1; /* until all is asked that can be asked at once */
	if (in->kind == AUDIT_INPUT_SERVICE || in->is_address) {
		ask_service(j);
	} else if (in->kind == AUDIT_INPUT_HOST && audit_lookup_hosts(l, in->host, &a, 1) > 0) {
		ask_web(j);
	} else {
		j->is_domain = true;
		snprintf(j->domain.name, sizeof(j->domain.name), "%s", in->host);
		audit_say(j->domain.dnssec_text, "%s", doubt != NULL ? doubt : "");
		j->pending++;
		audit_lookup_ask(l, in->host, AUDIT_DNS_MX, on_mx, j);
	}
	audit_job_release(j);
}

static bool is_wanted(const struct audit_domain_options *o, const struct addr *a)
{
	return addr_is_v4(a) ? !o->is_v6_only : !o->is_v4_only;
}

/* The targets of a job, with DANE beside them. */
struct made {
	size_t count;
	struct audit_target *targets;
	struct audit_dane *dane;
};

static void make_target(
	struct made *m, const struct audit_job *j, const struct audit_host *h, const struct addr *a)
{
	struct audit_target *t = &m->targets[m->count];
	*t = (struct audit_target){ .addr = *a, .port = h->port, .preference = h->preference };
	t->starttls = j->is_domain ? AUDIT_SMTP : j->input.starttls;
	snprintf(t->given, sizeof(t->given), "%s", j->input.given);
	snprintf(t->domain, sizeof(t->domain), "%s", j->is_domain ? j->domain.name : "");
	snprintf(t->host, sizeof(t->host), "%s", h->name);
	m->dane[m->count++] = h->dane;
}

static void make_targets(struct made *m, struct audit_job *j)
{
	size_t room = 0;
	for (size_t i = 0; i < j->host_count; i++)
		room += j->hosts[i] != NULL ? j->hosts[i]->address_count : 0;
	room = room < TARGETS_MAX ? room : TARGETS_MAX;
	if (room == 0)
		return;
	m->targets = calloc(room, sizeof(*m->targets));
	m->dane = calloc(room, sizeof(*m->dane));
	if (m->targets == NULL || m->dane == NULL) {
		audit_say(j->error, "no memory for the targets of %s", j->input.host);
		return;
	}
	for (size_t i = 0; i < j->host_count; i++) {
		const struct audit_host *h = j->hosts[i];
		for (size_t k = 0; h != NULL && k < h->address_count; k++) {
			if (!is_wanted(&j->resolver->options, &h->addresses[k]))
				continue;
			if (m->count == room) {
				audit_say(j->domain.text,
					"more than %d addresses of gateways, the rest is left out",
					TARGETS_MAX);
				return;
			}
			make_target(m, j, h, &h->addresses[k]);
		}
	}
}

/* What was learned of each gateway's host, into the facts of the domain. */
static void finish_mx(struct audit_job *j)
{
	struct audit_domain *d = &j->domain;
	for (size_t i = 0; i < j->host_count; i++) {
		const struct audit_host *h = j->hosts[i];
		if (h == NULL)
			continue;
		/* The domain itself may be an alias, what its MX record names may not. */
		d->mx[i].is_cname = h->is_alias && !d->is_implicit_mx;
		d->mx[i].has_v4 = h->has_v4;
		d->mx[i].has_v6 = h->has_v6;
		d->mx[i].is_v6_failed = h->is_v6_failed;
		if (h->error[0] != '\0')
			audit_say(d->text, "%s", h->error);
	}
	audit_policy_finish(j);
}

/* Why there is no target at all. */
static void explain(struct audit_job *j)
{
	const struct audit_domain_options *o = &j->resolver->options;
	const char *family = o->is_v4_only ? "IPv4 " : o->is_v6_only ? "IPv6 " : "";
	const struct audit_host *h = j->host_count > 0 ? j->hosts[0] : NULL;
	if (j->error[0] != '\0' || (j->is_domain && j->domain.is_null_mx))
		return;
	if (j->is_domain)
		audit_say(j->error, "%s: none of its gateways has an %saddress%s%.300s",
			j->input.host, family, j->domain.text[0] != '\0' ? ": " : "",
			j->domain.text);
	else if (h != NULL && h->error[0] != '\0')
		audit_say(j->error, "%s", h->error);
	else if (j->input.is_address)
		audit_say(j->error, "%s: that is no %saddress", j->input.given, family);
	else
		audit_say(j->error, "%s: it has no %saddress in DNS", j->input.host, family);
}

/* Tell the caller of one job. The last step: the resolver may be gone behind it. */
static void deliver(struct audit_job *j)
{
	struct made m = { 0 };
	make_targets(&m, j);
	if (j->is_domain)
		finish_mx(j);
	if (m.count == 0)
		explain(j);
	const struct audit_resolved r = {
		.input = &j->input,
		.domain = j->is_domain ? &j->domain : NULL,
		.target_count = m.count,
		.targets = m.targets,
		.dane = m.dane,
		.error = j->error[0] != '\0' ? j->error : NULL,
	};
	j->fn(j->arg, &r);
	free(m.targets);
	free(m.dane);
	free_job(j);
}

static struct audit_job *take_waiting(struct audit_resolver *r)
{
	struct audit_job *j = r->waiting;
	r->waiting = j->next;
	if (r->waiting == NULL)
		r->waiting_end = &r->waiting;
	return j;
}

static void on_pump(uv_timer_t *t)
{
	struct audit_resolver *r = t->data;
	struct audit_job *done = r->done;
	if (done != NULL) {
		r->done = done->next;
		r->running--;
	}
	while (r->waiting != NULL && r->running < RUNNING_MAX) {
		struct audit_job *j = take_waiting(r);
		j->next = r->active;
		r->active = j;
		r->running++;
		start(j);
	}
	if (r->done != NULL)
		uv_timer_start(&r->pump, on_pump, 0, 0);
	if (done != NULL)
		deliver(done);
}

int audit_resolve(
	struct audit_resolver *r, const struct audit_input *input, audit_resolved_fn *fn, void *arg)
{
	struct audit_job *j = calloc(1, sizeof(*j));
	if (j == NULL)
		return -ENOMEM;
	j->resolver = r;
	j->input = *input;
	j->fn = fn;
	j->arg = arg;
	*r->waiting_end = j;
	r->waiting_end = &j->next;
	uv_timer_start(&r->pump, on_pump, 0, 0);
	return 0;
}

struct audit_resolver *audit_resolver_new(
	uv_loop_t *loop, const struct audit_domain_options *o, char why[256])
{
	struct audit_resolver *r = calloc(1, sizeof(*r));
	if (r == NULL) {
		snprintf(why, 256, "no memory for the resolver");
		return NULL;
	}
	r->options = *o;
	r->waiting_end = &r->waiting;
	uv_timer_init(loop, &r->pump);
	r->pump.data = r;
	r->lookup = audit_lookup_new(
		loop, o->resolver, o->timeout_ms != 0 ? o->timeout_ms : TIMEOUT_MS, why);
	if (r->lookup == NULL)
		goto fail;
	if (o->has_policy)
		r->fetch = audit_fetch_new(loop, o->sts_ca,
			o->policy_timeout_ms != 0 ? o->policy_timeout_ms : POLICY_TIMEOUT_MS);
	if (!o->has_policy || r->fetch != NULL)
		return r;
	snprintf(why, 256, "no memory to fetch policies");
fail:
	audit_resolver_free(r);
	return NULL;
}

static void free_list(struct audit_job *j)
{
	while (j != NULL) {
		struct audit_job *next = j->next;
		free_job(j);
		j = next;
	}
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void audit_resolver_free(struct audit_resolver *r)
{
	if (r == NULL)
		return;
	/* No answer comes any more once these are gone. */
	audit_lookup_free(r->lookup);
	audit_fetch_free(r->fetch);
	free_list(r->waiting);
	free_list(r->active);
	free_list(r->done);
	uv_close((uv_handle_t *)&r->pump, on_closed);
}

const char *audit_resolver_doubt(const struct audit_resolver *r)
{
	return audit_lookup_doubt(r->lookup);
}
