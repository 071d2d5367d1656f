#ifndef POSTERN_TEST_PEOPLE_H
#define POSTERN_TEST_PEOPLE_H

/* A configuration and a directory from text, as the processes of the daemon have them, and gates in it. */

#include <sodium.h>

#include "config/internal.h"
#include "daemon/boot.h"
#include "store/store.h"
#include "test.h"

#define PEOPLE_WALL 1795000000000ull /* November 2026 */

static const uint8_t people_seed[32] = "the organisation VSD certifies.";

static inline void people_certify(const char *name, enum cert_kind kind, const uint8_t pk[32],
	uint8_t der[CERT_LEN_MAX], size_t *ret_len)
{
	uint8_t sk[64];
	struct fault f;
	struct cert_order o = { .kind = kind,
		.not_before_ms = PEOPLE_WALL - 1000,
		.not_after_ms = PEOPLE_WALL + 86400000,
		.issuer_seed = people_seed };
	crypto_sign_seed_keypair(o.issuer_pk, sk, people_seed);
	memcpy(o.pk, pk != NULL ? pk : o.issuer_pk, 32);
	assert_int_equal(name_parse("VSD", true, &o.issuer), NAME_OK);
	assert_int_equal(name_parse(name, kind == CERT_CERTIFIER, &o.subject), NAME_OK);
	assert_int_equal(cert_issue(&o, der, ret_len, &f), 0);
}

/* The server is Gate/VSD, so VSD is trusted. */
static inline struct trust *people_trust(void)
{
	static const uint8_t pk[32] = { 9 };
	static struct trust_faults faults;
	uint8_t der[2][CERT_LEN_MAX];
	size_t len[2];
	people_certify("Gate/VSD", CERT_SERVER, pk, der[0], &len[0]);
	people_certify("VSD", CERT_CERTIFIER, NULL, der[1], &len[1]);
	const struct trust_item own[] = { { span_of(der[0], len[0]), "server.id" },
		{ span_of(der[1], len[1]), "server.id" } };
	const struct trust_material m = { .own_count = 2, .own = own };
	struct trust *t = trust_new(&m, &faults);
	assert_non_null(t);
	return t;
}

static inline struct boot people_boot(const char *config, const char *directory)
{
	static struct directory_faults faults;
	struct config_report r = { 0 };
	struct boot b = { .config = config_parse_text(
				  "t.conf", span_of(config, strlen(config)), &r) };
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b.config);
	b.directory = directory_parse(span_of(directory, strlen(directory)), &faults);
	if (faults.count > 0)
		print_error("%s\n", faults.items[0].text);
	assert_non_null(b.directory);
	b.policy = policy_new(b.config, b.directory, &r);
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b.policy);
	config_report_deinit(&r);
	b.trust = people_trust();
	return b;
}

static inline void people_free(struct boot *b)
{
	trust_free(b->trust);
	policy_free(b->policy);
	directory_free(b->directory);
	config_free(b->config);
}

/* A directory's line; the key id is 32 times the byte. */
static inline void people_line(char *to, size_t cap, const char *options, const char *name, int key)
{
	char hex[65] = "";
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned)key);
	size_t len = strlen(to);
	snprintf(to + len, cap - len, "%s%sname=\"%s\" postern-key sha256:%s\n", options,
		options[0] != '\0' ? "," : "", name, hex);
}

/* A gate of a minute, opened just now. Whatever number of certificates led to VSD, did so. */
static inline struct store_gate people_gate(
	uint64_t grant_id, const char *name, int key, const struct config_service *s)
{
	struct store_gate g = {
		.grant_id = grant_id,
		.mark = 0x50000000u | (uint32_t)grant_id,
		.state = STORE_GATE_OPEN,
		.proto = s->proto,
		.port = s->port,
		.is_once = s->open == CONFIG_OPEN_ONCE,
		.opened_ms = PEOPLE_WALL,
		.until_ms = PEOPLE_WALL + 60000,
		.lease_until_ms = PEOPLE_WALL + 3600000,
		.door = "wan",
		.not_after_ms = UINT64_MAX,
	};
	snprintf(g.name, sizeof(g.name), "%s", name);
	snprintf(g.service, sizeof(g.service), "%s", s->name);
	memset(g.key_id, key, sizeof(g.key_id));
	assert_true(addr_parse("192.0.2.7", &g.source));
	g.source.b[15] = (uint8_t)grant_id;
	uint8_t pk[32], sk[64];
	crypto_sign_seed_keypair(pk, sk, people_seed);
	for (size_t i = 0; i < CHAIN_STEPS_MAX; i++)
		cert_key_identifier(pk, g.path[i].issuer_key_identifier);
	return g;
}

#endif
