/* The relay's ID: under the server's name, with another key, certified. */

#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/relay_keys.h"
#include "identity/cert.h"
#include "people.h"

#define DAY_MS 86400000ull
#define WALL 1795000000000ull

struct party {
	struct name name;
	uint8_t seed[32], pk[32], sk[64], key_id[32];
	size_t len;
	uint8_t der[CERT_LEN_MAX];
};

static struct party vsd, unit, server, com;
static char folder[64], id_path[96], key_path[96];
static const uint8_t raw_key[IDFILE_KEY_LEN] = { 7 };

static void make_keys(struct party *p, const char *name, bool is_certifier, uint8_t seed)
{
	memset(p->seed, seed, sizeof(p->seed));
	crypto_sign_seed_keypair(p->pk, p->sk, p->seed);
	spa_key_id(p->pk, p->key_id);
	assert_int_equal(name_parse(name, is_certifier, &p->name), NAME_OK);
}

static void certify(struct party *p, enum cert_kind kind, const struct party *by, uint64_t to_ms)
{
	struct cert_order o = {
		.subject = p->name,
		.kind = kind,
		.not_before_ms = WALL - 9 * DAY_MS,
		.not_after_ms = to_ms,
		.issuer = by->name,
		.issuer_seed = by->seed,
	};
	struct fault f;
	memcpy(o.pk, p->pk, 32);
	memcpy(o.issuer_pk, by->pk, 32);
	assert_int_equal(cert_issue(&o, p->der, &p->len, &f), 0);
}

static void write_file(const char *path, const void *data, size_t len)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(data, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, 0600), 0);
}

/* An ID file of p with those certificates. */
static void write_id(const struct party *p, enum idfile_kind kind, const struct party *above)
{
	static struct idfile_secrets secrets;
	struct idfile_new n = { .header = { .kind = kind, .created_ms = WALL },
		.secrets = &secrets,
		.raw_key = raw_key };
	memcpy(secrets.seed, p->seed, 32);
	memcpy(n.header.key_id, p->key_id, 32);
	name_format(&p->name, n.header.name);
	if (p->len > 0)
		n.certs[n.cert_count++] = span_of(p->der, p->len);
	if (above != NULL)
		n.certs[n.cert_count++] = span_of(above->der, above->len);
	char *text = idfile_format(&n);
	assert_non_null(text);
	write_file(id_path, text, strlen(text));
	free(text);
}

static int setup(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/postern-relay-keys-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(id_path, sizeof(id_path), "%s/relay.id", folder);
	snprintf(key_path, sizeof(key_path), "%s/relay.key", folder);
	write_file(key_path, raw_key, sizeof(raw_key));
	make_keys(&vsd, "VSD", true, 1);
	make_keys(&unit, "NN/VSD", true, 2);
	make_keys(&com, "COM", true, 3);
	make_keys(&server, "Edge/NN/VSD", false, 4);
	certify(&vsd, CERT_CERTIFIER, &vsd, WALL + 900 * DAY_MS);
	certify(&unit, CERT_CERTIFIER, &vsd, WALL + 900 * DAY_MS);
	certify(&com, CERT_CERTIFIER, &com, WALL + 900 * DAY_MS);
	certify(&server, CERT_SERVER, &unit, WALL + 900 * DAY_MS);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(id_path);
	unlink(key_path);
	return rmdir(folder);
}

static struct trust *make_trust(void)
{
	const struct trust_item own[] = {
		{ span_of(server.der, server.len), "server.id" },
		{ span_of(unit.der, unit.len), "server.id" },
		{ span_of(vsd.der, vsd.len), "server.id" },
	};
	const struct trust_material m = { .own_count = 3, .own = own };
	static struct trust_faults faults;
	struct trust *t = trust_new(&m, &faults);
	assert_non_null(t);
	return t;
}

static struct relay_keys *load(struct fault *f)
{
	static struct config c;
	static struct server_keys keys;
	struct trust *t = make_trust();
	c.file = "t.conf";
	c.server.relay_id = id_path;
	c.server.relay_key = key_path;
	snprintf(keys.name, sizeof(keys.name), "Edge/NN/VSD");
	memcpy(keys.pk, server.pk, 32);
	struct relay_keys *k = relay_keys_load(&c, &keys, t, WALL, f);
	trust_free(t);
	return k;
}

static void test_loads(void **state)
{
	struct party relay = { .len = 0 };
	struct fault f;
	(void)state;
	make_keys(&relay, "Edge/NN/VSD", false, 9);
	for (int is_expired = 0; is_expired < 2; is_expired++) {
		uint64_t end = is_expired ? WALL - DAY_MS : WALL + 300 * DAY_MS;
		certify(&relay, CERT_SERVER, &unit, end);
		write_id(&relay, IDFILE_SERVER, &unit);
		struct relay_keys *k = load(&f);
		assert_non_null(k);
		assert_memory_equal(k->seed, relay.seed, 32);
		assert_int_equal(k->chain_len, relay.len + unit.len);
		assert_memory_equal(k->chain, relay.der, relay.len);
		assert_true(k->not_after_ms == end);
		relay_keys_free(k);
	}
}

static void test_refused(void **state)
{
	static const struct {
		const char *name, *id_name;
		uint8_t seed; /* 4: the server's own */
		const struct party *by;
		enum cert_kind cert;
		enum idfile_kind kind;
		bool has_unit, has_cert;
		const char *want;
	} cases[] = {
		{ "the server's key", "Edge/NN/VSD", 4, &unit, CERT_SERVER, IDFILE_SERVER, true,
			true, "has the key of the server's own ID" },
		{ "another name", "Other/NN/VSD", 9, &unit, CERT_SERVER, IDFILE_SERVER, true, true,
			"is not of a server called Edge/NN/VSD" },
		{ "a person's certificate", "Edge/NN/VSD", 9, &unit, CERT_USER, IDFILE_SERVER, true,
			true, "is not of a server called Edge/NN/VSD" },
		{ "a person's ID", "Edge/NN/VSD", 9, &unit, CERT_SERVER, IDFILE_USER, true, true,
			"is no server ID with a certificate" },
		{ "no certificate", "Edge/NN/VSD", 9, &unit, CERT_SERVER, IDFILE_SERVER, false,
			false, "is no server ID with a certificate" },
		{ "without the unit's", "Edge/NN/VSD", 9, &unit, CERT_SERVER, IDFILE_SERVER, false,
			true, "do not reach up to its organisation" },
		{ "foreign", "Edge/COM", 9, &com, CERT_SERVER, IDFILE_SERVER, false, true,
			"its certificates do not hold: no certifier that is trusted issued them" },
	};
	struct fault f;
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct party relay = { .len = 0 };
		make_keys(&relay, cases[i].id_name, false, cases[i].seed);
		if (cases[i].has_cert)
			certify(&relay, cases[i].cert, cases[i].by, WALL + 300 * DAY_MS);
		write_id(&relay, cases[i].kind, cases[i].has_unit ? &unit : NULL);
		f.text[0] = '\0';
		struct relay_keys *k = load(&f);
		TEST_CASE(cases[i].name, k == NULL && strstr(f.text, cases[i].want) != NULL);
		relay_keys_free(k);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_loads),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
