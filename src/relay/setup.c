/*
 * Taking up a configuration. It is told in pieces and counts as a whole: until COMMIT nothing changes, and one
 * that cannot be taken up leaves the one before as it was.
 */

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/internal.h"

static void wipe_identity(struct draft *d)
{
	sodium_memzero(d->seed, sizeof(d->seed));
	free(d->chain);
	d->chain = NULL;
	d->has_identity = false;
}

void setup_forget(struct relay *r)
{
	struct draft *d = r->draft;
	if (d == NULL)
		return;
	for (size_t i = 0; i < d->count; i++)
		if (d->fds[i] >= 0)
			close(d->fds[i]);
	wipe_identity(d);
	free(d);
	r->draft = NULL;
}

/* One that was begun and not committed is forgotten: its teller began anew. */
int setup_begin(struct relay *r, const struct relay_msg *m)
{
	setup_forget(r);
	r->draft = calloc(1, sizeof(*r->draft));
	if (r->draft == NULL)
		return -ENOMEM;
	r->draft->connections_max = m->connections_max;
	return 0;
}

int setup_identity(struct relay *r, const struct relay_msg *m)
{
	struct draft *d = r->draft;
	if (d == NULL || d->has_identity || m->chain.len == 0)
		return -EPROTO;
	d->chain = malloc(m->chain.len);
	if (d->chain == NULL)
		return -ENOMEM;
	memcpy(d->chain, m->chain.data, m->chain.len);
	d->chain_len = m->chain.len;
	memcpy(d->seed, m->seed, sizeof(d->seed));
	d->has_identity = true;
	return 0;
}

static struct rules rules_of(const struct relay_msg *m)
{
	struct rules to = { .port = m->port,
		.encrypt = m->encrypt,
		.speaks = (enum config_speaks)m->speaks,
		.client = m->client,
		.inner = m->inner,
		.knock = m->knock,
		.connections_max = m->passthru_connections_max,
		.name_connections_max = m->name_connections_max,
		.idle_s = m->idle_s,
		.addr_count = m->addr_count };
	memcpy(to.name, m->passthru, sizeof(to.name));
	memcpy(to.host, m->host, sizeof(to.host));
	memcpy(to.addrs, m->addrs, sizeof(to.addrs));
	return to;
}

int setup_passthru(struct relay *r, const struct relay_msg *m, int fd)
{
	struct draft *d = r->draft;
	bool is_good = d != NULL && d->count < CONFIG_PASSTHRUS_MAX && m->port != 0;
	for (size_t i = 0; is_good && i < d->count; i++)
		is_good = strcmp(d->rules[i].name, m->passthru) != 0;
	if (!is_good) {
		close(fd);
		return -EPROTO;
	}
	d->rules[d->count] = rules_of(m);
	d->fds[d->count++] = fd;
	return 0;
}

static void set_target(struct rules *to, const struct relay_msg *m)
{
	if (strcmp(to->name, m->passthru) != 0)
		return;
	to->addr_count = m->addr_count;
	memcpy(to->addrs, m->addrs, sizeof(to->addrs));
}

/* Of the configuration that is being told when there is one, and of what is in force: names were resolved for both. */
int setup_target(struct relay *r, const struct relay_msg *m)
{
	for (size_t i = 0; r->draft != NULL && i < r->draft->count; i++)
		set_target(&r->draft->rules[i], m);
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		set_target(&p->rules, m);
	return 0;
}

static struct passthru *find(struct relay *r, const char *name)
{
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		if (strcmp(p->rules.name, name) == 0)
			return p;
	return NULL;
}

/* Out of the list and away, when nobody has it any more. */
static void drop(struct passthru *p)
{
	struct passthru **at = &p->relay->passthrus;
	if (p->users > 0 || p->is_named)
		return;
	while (*at != p)
		at = &(*at)->next;
	*at = p->next;
	free(p);
}

void passthru_leave(struct passthru *p)
{
	assert(p->users > 0);
	p->users--;
	drop(p);
}

static struct passthru *find_or_add(struct relay *r, const char *name)
{
	struct passthru *p = find(r, name);
	if (p != NULL)
		return p;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return NULL;
	p->relay = r;
	memcpy(p->rules.name, name, sizeof(p->rules.name));
	p->next = r->passthrus;
	r->passthrus = p;
	return p;
}

/* All that can fail, before anything changes but for passthrus that nobody names yet. */
static int prepare(struct relay *r, struct draft *d, SSL_CTX **ret_tls, struct fault *f)
{
	bool needs_tls = false;
	for (size_t i = 0; i < d->count; i++) {
		needs_tls = needs_tls || d->rules[i].encrypt;
		if (find_or_add(r, d->rules[i].name) == NULL) {
			fault_set(f, "there is no memory for the passthrus");
			return -ENOMEM;
		}
	}
	if (!needs_tls)
		return 0;
	if (!d->has_identity) {
		fault_set(f, "a passthru encrypts, but the relay has no ID");
		return -EINVAL;
	}
	*ret_tls = tls_context_new(d->seed, span_of(d->chain, d->chain_len), f);
	return *ret_tls != NULL ? 0 : -EINVAL;
}

static void drop_unnamed(struct relay *r)
{
	struct passthru *next;
	for (struct passthru *p = r->passthrus; p != NULL; p = next) {
		next = p->next;
		if (p->is_named)
			continue;
		listen_stop(p);
		drop(p);
	}
}

static int take_up(struct relay *r, struct draft *d)
{
	int rc = 0;
	r->connections_max = d->connections_max;
	for (struct passthru *p = r->passthrus; p != NULL; p = p->next)
		p->is_named = false;
	for (size_t i = 0; i < d->count; i++) {
		struct passthru *p = find(r, d->rules[i].name);
		p->rules = d->rules[i];
		p->is_named = true;
		listen_stop(p);
		int failed = listen_start(p, d->fds[i]);
		d->fds[i] = -1;
		if (failed < 0)
			rc = failed;
	}
	return rc;
}

int setup_commit(struct relay *r)
{
	struct draft *d = r->draft;
	struct relay_msg taken = { .type = RELAY_TAKEN };
	SSL_CTX *tls = NULL;
	struct fault f = { "" };
	if (d == NULL)
		return -EPROTO;
	int rc = prepare(r, d, &tls, &f);
	if (rc == 0) {
		SSL_CTX_free(r->tls);
		r->tls = tls;
		rc = take_up(r, d);
		if (rc < 0)
			fault_set(&f, "a port cannot be watched: %s", strerror(-rc));
	}
	drop_unnamed(r);
	setup_forget(r);
	taken.result = rc;
	memcpy(taken.text, f.text,
		sizeof(f.text) < sizeof(taken.text) ? sizeof(f.text) : sizeof(taken.text));
	taken.text[sizeof(taken.text) - 1] = '\0';
	if (rc < 0)
		log_error("%s", f.text);
	return relay_msg_send(r->monitor, &taken, -1);
}
