/*
 * Names that certificates of public ports give away: those of guarded services often stand among them.
 * Invariant: what is kept is printable, whatever the certificate holds.
 */

#include <errno.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "audit/dialogue.h"
#include "audit/hello.h"
#include "audit/probe.h"
#include "audit/session.h"
#include "audit/stealth.h"

static void add(struct audit_stealth_names *n, const ASN1_STRING *s)
{
	int len = ASN1_STRING_length(s);
	char name[AUDIT_HOST_MAX + 1];
	if (n->count == AUDIT_STEALTH_NAMES_MAX || len <= 0)
		return;
	audit_quote(span_of(ASN1_STRING_get0_data(s), (size_t)len), name, sizeof(name));
	for (size_t i = 0; i < n->count; i++)
		if (strcmp(n->names[i], name) == 0)
			return;
	memcpy(n->names[n->count++], name, sizeof(name));
}

void audit_stealth_names_of(struct span der, struct audit_stealth_names *ret)
{
	const unsigned char *at = der.data;
	X509 *x = der.len > 0 && der.len <= AUDIT_CERT_LEN_MAX ? d2i_X509(NULL, &at, (long)der.len)
							       : NULL;
	if (x == NULL)
		return;
	const X509_NAME *subject = X509_get_subject_name(x);
	GENERAL_NAMES *all = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	for (int i = -1; (i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) >= 0;)
		add(ret, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));
	for (int i = 0; all != NULL && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);
		if (g->type == GEN_DNS || g->type == GEN_EMAIL || g->type == GEN_URI)
			add(ret, g->d.ia5);
	}
	GENERAL_NAMES_free(all);
	X509_free(x);
}

struct peek {
	struct audit_session *session;
	struct audit_facts *facts;
	struct audit_stealth_names *names;
};

static void on_done(void *arg, const struct audit_probe_result *r)
{
	struct peek *p = arg;
	(void)r;
	if (!audit_session_chain(p->session, p->facts))
		return;
	const struct audit_cert *leaf = &p->facts->chains[0].certs[0];
	audit_stealth_names_of(span_of(leaf->der, leaf->len), p->names);
}

static int start(uv_loop_t *loop, const struct audit_target *t, struct peek *p)
{
	uint8_t hello[AUDIT_HELLO_MAX];
	size_t len = 0;
	p->facts = audit_facts_new(t);
	p->session = audit_session_new(AUDIT_SESSION_FETCH, t, hello, &len);
	if (p->facts == NULL || p->session == NULL)
		return -ENOMEM;
	struct audit_probe_ask ask = {
		.target = t,
		.hello = hello,
		.hello_len = len,
		.is_raw = true,
		.times = { .greeting_ms = 10000, .step_ms = 5000, .total_ms = 20000 },
		.more = audit_session_more,
		.more_arg = p->session,
		.done = on_done,
		.arg = p,
	};
	return audit_probe_start(loop, &ask) != NULL ? 0 : -ENOMEM;
}

int audit_stealth_read_names(
	const struct audit_target *targets, size_t count, struct audit_stealth_names *names)
{
	uv_loop_t loop;
	int rc = uv_loop_init(&loop);
	struct peek *peeks = calloc(count + 1, sizeof(*peeks));
	if (rc < 0 || peeks == NULL) {
		if (rc == 0)
			uv_loop_close(&loop);
		free(peeks);
		return -ENOMEM;
	}
	for (size_t i = 0; i < count && rc == 0; i++) {
		peeks[i].names = &names[i];
		names[i] = (struct audit_stealth_names){ .port = targets[i].port };
		rc = start(&loop, &targets[i], &peeks[i]);
	}
	/* Each ends within its times. */
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	for (size_t i = 0; i < count; i++) {
		audit_session_free(peeks[i].session);
		audit_facts_free(peeks[i].facts);
	}
	free(peeks);
	return rc;
}
