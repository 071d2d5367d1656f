/*
 * Revocation lists as they are issued: their bytes, what is refused, and what the openssl program says
 * of them and, with them, of certificates.
 */

#include <errno.h>

#include "identity/crl.h"
#include "issue.h"

#define NEXT_MS (BEGIN_MS + UINT64_C(2592000000))

static struct crl_order list_of(const struct holder *by, const struct crl_entry *e, size_t count)
{
	struct crl_order o = {
		.issuer = name_of("QN/VSD", true),
		.issuer_seed = by->seed,
		.number = 1,
		.this_update_ms = BEGIN_MS,
		.next_update_ms = NEXT_MS,
		.count = count,
		.entries = e,
	};
	memcpy(o.issuer_pk, by->pk, 32);
	return o;
}

/* The bytes are the caller's to free. */
static struct span made(const struct crl_order *o)
{
	struct fault f = { "" };
	uint8_t *der = NULL;
	size_t len = 0;
	if (crl_issue(o, &der, &len, &f) != 0)
		fail_msg("%s", f.text);
	return span_of(der, len);
}

static void release(struct span der)
{
	free((void *)(uintptr_t)der.data);
}

static bool has(struct span der, const void *bytes, size_t len)
{
	return memmem(der.data, der.len, bytes, len) != NULL;
}

#define ENTRY(first)                                                                               \
	{                                                                                          \
		{ first, 1, 2, 3, 4, 5, 6, 7 }, BEGIN_MS                                           \
	}

static void test_bytes(void **state)
{
	(void)state;
	struct holder by = holder(1);
	const struct crl_entry entries[] = { ENTRY(0x7f), ENTRY(1), ENTRY(0x42) };
	/* 260101000000Z after each serial, ascending whatever their order was. */
#define WHEN 0x17, 13, '2', '6', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z'
#define LINE(first) 0x30, 0x19, 2, 8, first, 1, 2, 3, 4, 5, 6, 7, WHEN
	static const uint8_t sorted[] = { 0x30, 81, LINE(1), LINE(0x42), LINE(0x7f) };
	/* authorityKeyIdentifier { [0] 20 bytes }, cRLNumber: neither critical. */
	static const uint8_t aki[] = { 0x30, 0x1f, 6, 3, 0x55, 0x1d, 0x23, 4, 0x18, 0x30, 0x16,
		0x80, 0x14 };
	static const uint8_t number[] = { 0x30, 0x0a, 6, 3, 0x55, 0x1d, 0x14, 4, 3, 2, 1, 1 };
	struct crl_order o = list_of(&by, entries, TEST_LEN(entries));
	struct span der = made(&o);
	uint8_t id[CERT_KEY_IDENTIFIER_LEN];
	cert_key_identifier(by.pk, id);

	assert_true(has(der, sorted, sizeof(sorted)));
	assert_true(has(der, number, sizeof(number)));
	const uint8_t *at = memmem(der.data, der.len, aki, sizeof(aki));
	assert_non_null(at);
	assert_memory_equal(at + sizeof(aki), id, sizeof(id));
	assert_memory_equal(at + sizeof(aki) + sizeof(id), number, sizeof(number));

	/* Signed over the whole TBS: the signature is the last 64 bytes. */
	size_t tbs_len = der.len - 4 - 7 - 67;
	assert_int_equal(
		crypto_sign_verify_detached(der.data + der.len - 64, der.data + 4, tbs_len, by.pk),
		0);
	release(der);
}

static void test_empty(void **state)
{
	(void)state;
	struct holder by = holder(1);
	struct crl_order o = list_of(&by, NULL, 0);
	o.number = INT64_MAX;
	o.next_update_ms = UINT64_C(253402300799000);
	static const uint8_t after_times[] = { 0x18, 15, '9', '9', '9', '9', '1', '2', '3', '1',
		'2', '3', '5', '9', '5', '9', 'Z', 0xa0 };
	static const uint8_t number[] = { 2, 8, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct span der = made(&o);
	/* No revokedCertificates at all (RFC 5280 5.1.2.6), the extensions follow at once. */
	assert_true(has(der, after_times, sizeof(after_times)));
	assert_true(has(der, number, sizeof(number)));
	release(der);
}

/* What is issued is what the strict reader reads. */
static void test_read_back(void **state)
{
	(void)state;
	enum { MANY = 500 };
	struct holder by = holder(1), other = holder(2);
	static struct crl_entry entries[MANY];
	for (size_t i = 0; i < MANY; i++)
		entries[i] = (struct crl_entry){ { 0x40, 0, 0, 0, 0, 0, (uint8_t)((MANY - i) >> 8),
							 (uint8_t)(MANY - i) },
			BEGIN_MS - i * 1000 };
	static const size_t counts[] = { 0, 1, 2, MANY };
	for (size_t i = 0; i < TEST_LEN(counts); i++) {
		struct crl_order o = list_of(&by, entries, counts[i]);
		o.number = 129 + i; /* two bytes, the first one zero */
		struct span der = made(&o);
		struct crl c;
		uint8_t serial[CRL_SERIAL_LEN];
		uint64_t ms;
		size_t n = 0;
		assert_int_equal(crl_decode(der, &c), CERT_OK);
		assert_true(c.number == o.number && c.count == counts[i]);
		assert_true(c.this_update_ms == BEGIN_MS && c.next_update_ms == NEXT_MS);
		assert_true(name_equal(&c.issuer, &o.issuer));
		assert_true(crl_signed_by(&c, by.pk) && !crl_signed_by(&c, other.pk));
		for (struct span at = c.entries; crl_next(&at, serial, &ms); n++) {
			const struct crl_entry *e = &entries[counts[i] - 1 - n];
			assert_memory_equal(serial, e->serial, sizeof(serial));
			assert_true(ms == e->revoked_ms);
		}
		assert_int_equal(n, counts[i]);
		release(der);
	}
}

static void check_refused(const char *name, const struct crl_order *o, const char *expected)
{
	struct fault f = { "" };
	uint8_t *der = NULL;
	size_t len = 7;
	int rc = crl_issue(o, &der, &len, &f);
	if (rc != -EINVAL || strstr(f.text, expected) == NULL)
		fail_msg("case \"%s\": \"%s\"", name, f.text);
	TEST_CASE(name, der == NULL && len == 7);
}

static void test_refused(void **state)
{
	(void)state;
	struct holder by = holder(1), other = holder(2);
	const struct crl_entry good[] = { ENTRY(0x7f), ENTRY(1) };
	const struct crl_entry twice[] = { ENTRY(0x42), ENTRY(1), ENTRY(0x42) };
	const struct crl_entry negative[] = { ENTRY(0x80) };
	const struct crl_entry short_one[] = { ENTRY(0) };
	struct crl_entry late[] = { ENTRY(1) };
	struct crl_order o = list_of(&by, good, 2);

	o.number = 0;
	check_refused("number 0", &o, "its number is not");
	o.number = (uint64_t)INT64_MAX + 1;
	check_refused("number of nine bytes", &o, "its number is not");
	o = list_of(&by, good, 2);
	o.next_update_ms = o.this_update_ms + 999;
	check_refused("no second long", &o, "end before it begins");
	o.next_update_ms = UINT64_C(253402300800000);
	check_refused("past the year 9999", &o, "year 9999");
	o = list_of(&by, good, 2);
	o.issuer_seed = other.seed;
	check_refused("another's key", &o, "private key is not");
	o = list_of(&by, good, 2);
	o.issuer = name_of("Jane/VSD", false);
	check_refused("a person", &o, "no common name");
	o = list_of(&by, twice, 3);
	check_refused("twice", &o, "stands in it twice");
	o = list_of(&by, negative, 1);
	check_refused("negative", &o, "not a positive number of 8 bytes");
	o = list_of(&by, short_one, 1);
	check_refused("seven bytes", &o, "not a positive number of 8 bytes");
	late[0].revoked_ms = UINT64_C(253402300800000);
	o = list_of(&by, late, 1);
	check_refused("an entry past the year 9999", &o, "entry is from after");
	o = list_of(&by, good, (size_t)1 << 20);
	check_refused("too many", &o, "too many entries");
}

#define VERIFY                                                                                     \
	"verify -x509_strict -crl_check -attime 1767312000 -no-CApath -no-CAstore -partial_chain "

/* A day after both began; Joe's certificate is revoked in the second list, not in the first. */
static void test_openssl(void **state)
{
	(void)state;
	if (!has_openssl())
		skip();
	char folder[] = "/tmp/postern-crl-XXXXXX";
	assert_non_null(mkdtemp(folder));
	struct holder vsd = holder(1), qn = holder(2), joe = holder(3);
	struct issued a;
	struct cert_order unit = order("QN/VSD", CERT_CERTIFIER, &qn, "VSD", &vsd);
	struct cert_order user = order("Joe/QN/VSD", CERT_USER, &joe, "QN/VSD", &qn);
	save(folder, "qn", "CERTIFICATE", issue(&unit, &a));
	save(folder, "joe", "CERTIFICATE", issue(&user, &a));
	struct cert c = read_back(span_of(a.der, a.len));

	struct crl_entry entries[] = { ENTRY(1), ENTRY(2) };
	struct crl_order o = list_of(&qn, entries, 2);
	struct span der = made(&o);
	save(folder, "crl1", "X509 CRL", der);
	release(der);
	memcpy(entries[1].serial, c.serial, sizeof(c.serial));
	o.number = 2;
	der = made(&o);
	save(folder, "crl2", "X509 CRL", der);
	uint8_t bad[4096];
	memcpy(bad, der.data, der.len);
	bad[der.len - 100] ^= 1;
	save(folder, "bad", "X509 CRL", span_of(bad, der.len));
	release(der);

	assert_int_equal(openssl(folder, "crl -in crl1 -CAfile qn -verify -noout"), 0);
	assert_int_equal(openssl(folder, VERIFY "-CAfile qn -CRLfile crl1 joe"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile qn -CRLfile crl2 joe"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile qn -CRLfile bad joe"), 0);
	assert_int_not_equal(openssl(folder, VERIFY "-CAfile qn joe"), 0);
	remove_folder(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_openssl),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
