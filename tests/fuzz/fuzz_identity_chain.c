/*
 * Any bytes as the certificates of somebody who knocks, under a trust with units, a rollover and
 * cross-certificates. What is accepted OpenSSL accepts too, and its first certificate is one that was
 * issued, byte for byte. The corpus holds chains of tests/unit/identity/scenarios.h.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/identity/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct pki_material material;

static struct trust *make_trust(void)
{
	struct trust_faults faults;
	pki_material(&material, "gate nn vsd", "acme-by-vsd bob-by-vsd vsd2-by-1 acme2-by-1", NULL,
		TRUST_CRL_OFF);
	struct trust *t = trust_new(&material.m, &faults);
	if (t == NULL)
		abort();
	return t;
}

static void check_issued(struct span der)
{
	for (size_t i = 0; i < PKI_COUNT; i++)
		if (span_equal(der, span_of(pki_certs[i].der, pki_certs[i].len)))
			return;
	abort();
}

/* A single name that was cross-certified: what was presented only names it. */
static void check_single(const struct chain_identity *id)
{
	struct cert bob;
	struct cert_parts parts;
	if (cert_decode(pki("bob-by-vsd"), &bob, &parts) != CERT_OK ||
		!name_equal(&id->name, &bob.subject) || memcmp(id->pk, bob.pk, 32) != 0)
		abort();
}

static void check_openssl(const struct chain *c)
{
	struct span anchors[] = { pki("nn"), pki("vsd") };
	struct span untrusted[CHAIN_CERTS_MAX + 8];
	struct judge j = {
		.anchors = anchors,
		.anchor_count = 2,
		.untrusted = untrusted,
		.target = c->der[0],
		.at_ms = PKI_NOW_MS,
	};
	for (size_t i = 0; i < material.m.count; i++)
		untrusted[j.untrusted_count++] = material.items[i].der;
	for (size_t i = 1; i < c->count; i++)
		untrusted[j.untrusted_count++] = c->der[i];
	if (judge(&j) != X509_V_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct trust *t;
	struct chain_identity id;
	struct chain_path path;
	struct chain c;
	if (t == NULL)
		t = make_trust();
	if (chain_split(span_of(data, len), &c) != CHAIN_OK ||
		chain_resolve(t, &c, &path) != CHAIN_OK ||
		chain_walk(t, &path, PKI_NOW_MS, &id) != CHAIN_OK)
		return 0;
	if (path.count == 0) {
		check_single(&id);
		return 0;
	}
	check_issued(c.der[0]);
	check_openssl(&c);
	if (id.kind == CERT_CERTIFIER || id.step_count > CHAIN_STEPS_MAX)
		abort();
	return 0;
}
