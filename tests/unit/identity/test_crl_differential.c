/*
 * The reader of revocation lists against OpenSSL, over mutants of good lists (mutate.h). The other side
 * is made here: what OpenSSL decoded, if its values obey the profile, is written again with OpenSSL; the
 * list is of the profile when that gives the same bytes up to the signature.
 */

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <time.h>

#include "cert_agree.h"
#include "identity/crl.h"
#include "mutate.h"

#define SIGNATURE_LEN 64
#define ENTRIES_MAX 16

static const uint8_t seed[32] = { 1 };

/* What a list says, as read or to be written. */
struct list {
	struct name issuer;
	int strings[NAME_PARTS_MAX];
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint64_t number, this_update_ms, next_update_ms;
	size_t count;
	struct crl_entry entries[ENTRIES_MAX];
};

static const int nids[] = {
	[NAME_C] = NID_countryName,
	[NAME_O] = NID_organizationName,
	[NAME_OU] = NID_organizationalUnitName,
	[NAME_CN] = NID_commonName,
};

static X509_NAME *write_name(const struct list *l)
{
	X509_NAME *n = X509_NAME_new();
	assert_non_null(n);
	for (size_t i = 0; i < l->issuer.count; i++) {
		const struct name_part *p = &l->issuer.parts[i];
		assert_int_equal(X509_NAME_add_entry_by_NID(n, nids[p->type], l->strings[i],
					 (const unsigned char *)p->value, p->len, -1, 0),
			1);
	}
	return n;
}

static void write_entry(X509_CRL *x, const struct crl_entry *e)
{
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *n = BN_bin2bn(e->serial, CRL_SERIAL_LEN, NULL);
	ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(n, NULL);
	ASN1_TIME *when = ASN1_TIME_adj(NULL, (time_t)(e->revoked_ms / 1000), 0, 0);
	assert_true(X509_REVOKED_set_serialNumber(r, serial) == 1 &&
		X509_REVOKED_set_revocationDate(r, when) == 1 && X509_CRL_add0_revoked(x, r) == 1);
	ASN1_TIME_free(when);
	ASN1_INTEGER_free(serial);
	BN_free(n);
}

static void write_extensions(X509_CRL *x, const struct list *l)
{
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	ASN1_INTEGER *number = ASN1_INTEGER_new();
	aki->keyid = ASN1_OCTET_STRING_new();
	assert_true(ASN1_OCTET_STRING_set(aki->keyid, l->key_identifier, CERT_KEY_IDENTIFIER_LEN) ==
			1 &&
		ASN1_INTEGER_set_uint64(number, l->number) == 1);
	assert_true(X509_CRL_add1_ext_i2d(x, NID_authority_key_identifier, aki, 0, 0) == 1 &&
		X509_CRL_add1_ext_i2d(x, NID_crl_number, number, 0, 0) == 1);
	ASN1_INTEGER_free(number);
	AUTHORITY_KEYID_free(aki);
}

static void write_list(const struct list *l, struct mutant *ret)
{
	X509_CRL *x = X509_CRL_new();
	X509_NAME *issuer = write_name(l);
	ASN1_TIME *begin = ASN1_TIME_adj(NULL, (time_t)(l->this_update_ms / 1000), 0, 0);
	ASN1_TIME *end = ASN1_TIME_adj(NULL, (time_t)(l->next_update_ms / 1000), 0, 0);
	EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, 32);
	unsigned char *to = ret->b;
	assert_true(X509_CRL_set_version(x, X509_CRL_VERSION_2) == 1 &&
		X509_CRL_set_issuer_name(x, issuer) == 1 &&
		X509_CRL_set1_lastUpdate(x, begin) == 1 && X509_CRL_set1_nextUpdate(x, end) == 1);
	for (size_t i = 0; i < l->count; i++)
		write_entry(x, &l->entries[i]);
	write_extensions(x, l);
	assert_true(X509_CRL_sign(x, key, NULL) > 0);
	assert_in_range(i2d_X509_CRL(x, NULL), 1, MUTANT_MAX);
	ret->len = (size_t)i2d_X509_CRL(x, &to);
	EVP_PKEY_free(key);
	ASN1_TIME_free(end);
	ASN1_TIME_free(begin);
	X509_NAME_free(issuer);
	X509_CRL_free(x);
}

static bool read_time(const ASN1_TIME *t, uint64_t *ret_ms)
{
	struct tm tm;
	if (t == NULL || ASN1_TIME_to_tm(t, &tm) != 1)
		return false;
	time_t s = timegm(&tm);
	*ret_ms = (uint64_t)s * 1000;
	return s >= 0;
}

static bool read_issuer(const X509_NAME *x, struct list *l)
{
	if (X509_NAME_entry_count(x) > NAME_PARTS_MAX)
		return false;
	for (int i = 0; i < X509_NAME_entry_count(x); i++) {
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(x, i);
		const ASN1_STRING *s = X509_NAME_ENTRY_get_data(entry);
		struct name_part *p = &l->issuer.parts[l->issuer.count++];
		int nid = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
		int len = ASN1_STRING_length(s), string = ASN1_STRING_type(s);
		for (uint8_t type = NAME_C; type <= NAME_CN; type++)
			p->type = nids[type] == nid ? type : p->type;
		if (p->type == 0 || len > NAME_VALUE_MAX)
			return false;
		const unsigned char *data = ASN1_STRING_get0_data(s);
		if (string != V_ASN1_UTF8STRING &&
			(string != V_ASN1_PRINTABLESTRING ||
				ASN1_PRINTABLE_type(data, len) != V_ASN1_PRINTABLESTRING))
			return false;
		l->strings[i] = string;
		p->len = (uint8_t)len;
		memcpy(p->value, data, (size_t)len);
	}
	return name_check(&l->issuer, true) == NAME_OK;
}

static bool read_entries(X509_CRL *x, struct list *l)
{
	STACK_OF(X509_REVOKED) *all = X509_CRL_get_REVOKED(x);
	if (sk_X509_REVOKED_num(all) > ENTRIES_MAX)
		fail_msg("ENTRIES_MAX is too small");
	for (int i = 0; i < sk_X509_REVOKED_num(all); i++) {
		const X509_REVOKED *r = sk_X509_REVOKED_value(all, i);
		const ASN1_INTEGER *serial = X509_REVOKED_get0_serialNumber(r);
		const unsigned char *data = ASN1_STRING_get0_data(serial);
		struct crl_entry *e = &l->entries[l->count++];
		if (ASN1_STRING_type(serial) != V_ASN1_INTEGER ||
			ASN1_STRING_length(serial) != CRL_SERIAL_LEN || data[0] > 0x7f)
			return false;
		memcpy(e->serial, data, CRL_SERIAL_LEN);
		if (!read_time(X509_REVOKED_get0_revocationDate(r), &e->revoked_ms))
			return false;
		if (i > 0 && memcmp(e[-1].serial, e->serial, CRL_SERIAL_LEN) >= 0)
			return false;
	}
	return true;
}

static bool read_extensions(X509_CRL *x, struct list *l)
{
	AUTHORITY_KEYID *aki = X509_CRL_get_ext_d2i(x, NID_authority_key_identifier, NULL, NULL);
	ASN1_INTEGER *number = X509_CRL_get_ext_d2i(x, NID_crl_number, NULL, NULL);
	bool is_good = aki != NULL && aki->keyid != NULL && number != NULL &&
		ASN1_STRING_length(aki->keyid) == CERT_KEY_IDENTIFIER_LEN &&
		ASN1_INTEGER_get_uint64(&l->number, number) == 1 && l->number >= 1 &&
		l->number <= INT64_MAX;
	if (is_good)
		memcpy(l->key_identifier, ASN1_STRING_get0_data(aki->keyid),
			CERT_KEY_IDENTIFIER_LEN);
	ASN1_INTEGER_free(number);
	AUTHORITY_KEYID_free(aki);
	return is_good;
}

static bool oracle_accepts(struct span der, struct list *l)
{
	const unsigned char *at = der.data;
	X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)der.len);
	struct mutant again = { .len = 0 };
	memset(l, 0, sizeof(*l));
	bool is_good = x != NULL && at == der.data + der.len &&
		read_issuer(X509_CRL_get_issuer(x), l) &&
		read_time(X509_CRL_get0_lastUpdate(x), &l->this_update_ms) &&
		read_time(X509_CRL_get0_nextUpdate(x), &l->next_update_ms) &&
		l->next_update_ms > l->this_update_ms && read_entries(x, l) &&
		read_extensions(x, l);
	if (is_good) {
		write_list(l, &again);
		is_good = der.len == again.len &&
			memcmp(der.data, again.b, der.len - SIGNATURE_LEN) == 0;
	}
	X509_CRL_free(x);
	ERR_clear_error();
	return is_good;
}

static bool agree_list(const struct crl *c, const struct list *l)
{
	struct span at = c->entries;
	struct crl_entry e;
	if (!agree_name(&c->issuer, &l->issuer) || c->number != l->number ||
		c->this_update_ms != l->this_update_ms || c->next_update_ms != l->next_update_ms ||
		memcmp(c->issuer_key_identifier, l->key_identifier, CERT_KEY_IDENTIFIER_LEN) != 0 ||
		c->count != l->count)
		return false;
	for (size_t i = 0; i < l->count; i++)
		if (!crl_next(&at, e.serial, &e.revoked_ms) ||
			memcmp(e.serial, l->entries[i].serial, CRL_SERIAL_LEN) != 0 ||
			e.revoked_ms != l->entries[i].revoked_ms)
			return false;
	return !crl_next(&at, e.serial, &e.revoked_ms);
}

static const char *check(struct span der, enum cert_reject *ret)
{
	struct crl c;
	struct list l;
	*ret = crl_decode(der, &c);
	bool is_accepted = oracle_accepts(der, &l);
	if (is_accepted != (*ret == CERT_OK))
		return is_accepted ? "OpenSSL alone accepts it" : "crl_decode alone accepts it";
	return is_accepted && !agree_list(&c, &l) ? "they read it differently" : NULL;
}

#define SAMPLES 4
static struct mutant samples[SAMPLES];

static void make_samples(void)
{
	static const struct {
		const char *issuer;
		int string;
		uint64_t number, begin_s, end_s;
		size_t count;
	} goods[SAMPLES] = {
		{ "VSD", V_ASN1_UTF8STRING, 1, 1767225600, 1769904000, 0 },
		{ "D/C/B/A/VSD", V_ASN1_UTF8STRING, UINT64_C(0x123456789a), 1767225600, 2524608000,
			2 },
		{ "QN\xc3\xb6/VSD/DE", V_ASN1_UTF8STRING, INT64_MAX, 0, 253402300799, 1 },
		{ "Renovations/US", V_ASN1_PRINTABLESTRING, 128, 2524607999, 2524608000, 4 },
	};
	for (size_t i = 0; i < SAMPLES; i++) {
		struct list l = { .number = goods[i].number, .count = goods[i].count };
		assert_int_equal(name_parse(goods[i].issuer, true, &l.issuer), NAME_OK);
		for (size_t k = 0; k < NAME_PARTS_MAX; k++)
			l.strings[k] = goods[i].string;
		l.this_update_ms = goods[i].begin_s * 1000;
		l.next_update_ms = goods[i].end_s * 1000;
		for (size_t k = 0; k < l.count; k++) {
			memset(l.entries[k].serial, (int)(0x11 * (k + 1)), CRL_SERIAL_LEN);
			l.entries[k].revoked_ms = UINT64_C(2524607999000) + k * 1000;
		}
		write_list(&l, &samples[i]);
	}
}

static void test_samples(void **state)
{
	(void)state;
	for (size_t i = 0; i < SAMPLES; i++) {
		enum cert_reject reason;
		const char *why = check(span_of(samples[i].b, samples[i].len), &reason);
		if (why != NULL || reason != CERT_OK)
			mutate_fail(&samples[i], i, why != NULL ? why : cert_reject_text(reason));
	}
}

static void test_mutants(void **state)
{
	(void)state;
	size_t met[CERT_REJECT_COUNT] = { 0 }, count = mutate_count(20000);
	uint64_t rng = 2;
	for (size_t i = 0; i < count; i++) {
		struct mutant m;
		mutate(&m, samples, SAMPLES, &rng);
		uint8_t *der = malloc(m.len == 0 ? 1 : m.len);
		assert_non_null(der);
		memcpy(der, m.b, m.len);
		enum cert_reject reason;
		const char *why = check(span_of(der, m.len), &reason);
		free(der);
		if (why != NULL)
			mutate_fail(&m, i, why);
		met[reason]++;
	}
	for (size_t i = 0; i < CERT_REJECT_COUNT; i++)
		print_message("%8zu  %s\n", met[i], cert_reject_text((enum cert_reject)i));
	assert_true(met[CERT_OK] * 10 >= count);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_mutants),
	};
	if (sodium_init() < 0)
		return 1;
	make_samples();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
