/* ClientHellos, read back by a strict reader of its own, and one by hand to the byte. */

#include <sodium.h>
#include <string.h>

#include "audit/hello.h"
#include "audit/suite.h"
#include "hello_check.h"
#include "test.h"

static const uint16_t groups[] = { 29, 23, 4588 }, signatures[] = { 0x0403, 0x0804 };
static uint32_t suites[AUDIT_SUITES_MAX];
static uint8_t out[AUDIT_HELLO_MAX];

static struct audit_hello plain(enum audit_version v)
{
	struct audit_hello h = { .max = v, .min = v, .suites = suites };
	h.suite_count = audit_suites_of(v, suites, 100);
	for (unsigned i = 0; i < 32; i++) {
		h.random[i] = (uint8_t)i;
		h.session_id[i] = (uint8_t)(0x80 + i);
		h.share[i] = (uint8_t)(0x40 + i);
	}
	return h;
}

static size_t expect(const char *name, const struct audit_hello *h)
{
	size_t len = audit_hello_write(h, out, sizeof(out));
	if (len == 0)
		fail_msg("%s: not written", name);
	const char *why = hello_check(h, out, len);
	if (why != NULL)
		fail_msg("%s: %s", name, why);
	return len;
}

static void set(struct audit_hello *h, unsigned bits)
{
	h->deflate = bits & 1;
	h->fallback_scsv = bits >> 1 & 1;
	h->renegotiation_scsv = bits >> 2 & 1;
	h->heartbeat = bits >> 3 & 1;
	h->ems = bits >> 4 & 1;
	h->etm = bits >> 5 & 1;
	h->ticket = bits >> 6 & 1;
	h->status_request = bits >> 7 & 1;
	h->grease = bits >> 8 & 1;
	h->is_bare = bits >> 9 & 1;
	h->server_name = bits >> 10 & 1 ? "mail.example.org" : NULL;
	h->alpn = bits >> 11 & 1 ? "http/1.1" : NULL;
	h->groups = groups;
	h->group_count = bits >> 12 & 1 ? TEST_LEN(groups) : 0;
	h->signatures = signatures;
	h->signature_count = bits >> 13 & 1 ? TEST_LEN(signatures) : 0;
	h->share_group = bits >> 14 & 1 ? 29 : 0;
	h->session_id_len = bits >> 15 & 1 ? 32 : 0;
}

/* Every switch alone, every pair, all of them, in every version. */
static void test_switches(void **state)
{
	(void)state;
	for (int v = AUDIT_SSL2; v < AUDIT_VERSION_COUNT; v++) {
		struct audit_hello h = plain((enum audit_version)v);
		expect("plain", &h);
		for (unsigned i = 0; i < 16; i++) {
			for (unsigned k = 0; k <= i; k++) {
				set(&h, 1u << i | 1u << k);
				expect("pair", &h);
				set(&h, 0xffff & ~(1u << i | 1u << k));
				expect("all but a pair", &h);
			}
		}
		set(&h, 0xffff & ~(1u << 9));
		expect("all", &h);
	}
}

static void test_ranges(void **state)
{
	(void)state;
	for (int v = AUDIT_SSL2; v <= AUDIT_TLS13; v++) {
		struct audit_hello h = plain(AUDIT_TLS13);
		h.min = (enum audit_version)v;
		expect("range", &h);
	}
}

static void test_padding(void **state)
{
	struct audit_hello h = plain(AUDIT_TLS12);
	(void)state;
	h.suite_count = 10;
	h.ems = true;
	size_t len = expect("as it comes", &h) - 5;
	for (size_t i = 0; i < 600; i++) {
		h.pad_to = i;
		size_t padded = expect("padded", &h) - 5;
		assert_int_equal(padded, i <= len ? len : i < len + 5 ? len + 5 : i);
	}
	/* Without another extension there is the list's own length as well. */
	h.ems = false;
	h.pad_to = 300;
	assert_int_equal(expect("padding alone", &h), 305);
}

/* Room is needed to the byte; without it nothing. */
static void test_room(void **state)
{
	(void)state;
	for (int v = AUDIT_SSL2; v < AUDIT_VERSION_COUNT; v++) {
		struct audit_hello h = plain((enum audit_version)v);
		set(&h, 0xffff & ~(1u << 9));
		size_t len = expect("whole", &h);
		assert_int_equal(audit_hello_write(&h, out, len), len);
		for (size_t cap = 0; cap < len; cap++)
			assert_int_equal(audit_hello_write(&h, out, cap), 0);
	}
}

static void test_refused(void **state)
{
	static char name[AUDIT_HOST_MAX + 2], protocol[257];
	struct audit_hello h = plain(AUDIT_TLS12);
	(void)state;
	memset(name, 'a', sizeof(name) - 1);
	memset(protocol, 'a', sizeof(protocol) - 1);
	h.server_name = name;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.server_name = name + 1;
	expect("longest name", &h);
	h.server_name = "";
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.server_name = NULL;
	h.alpn = protocol;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.alpn = NULL;
	h.session_id_len = 33;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.session_id_len = 0;
	suites[0] = 0x10080;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.max = AUDIT_SSL2;
	expect("three bytes", &h);
	suites[0] = 0x1000000;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
	h.suite_count = AUDIT_SUITES_MAX + 1;
	assert_int_equal(audit_hello_write(&h, out, sizeof(out)), 0);
}

/* By hand, from RFC 5246 and the SSL 2.0 specification. */
static void test_bytes(void **state)
{
	static const struct {
		const char *name;
		enum audit_version max;
		uint32_t suites[2];
		const char *hex;
	} cases[] = {
		{ "SSLv2", AUDIT_SSL2, { 0x010080, 0x0700c0 },
			"802f01"
			"0002"
			"0006"
			"0000"
			"0020"
			"010080"
			"0700c0"
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		{ "SSLv3", AUDIT_SSL3, { 0x0004, 0x000a },
			"160300002f"
			"0100002b"
			"0300"
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
			"00"
			"0004"
			"0004"
			"000a"
			"0100" },
		{ "TLSv1.2", AUDIT_TLS12, { 0xc02f, 0x002f },
			"160301002f"
			"0100002b"
			"0303"
			"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
			"00"
			"0004"
			"c02f"
			"002f"
			"0100" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_hello h = plain(cases[i].max);
		char hex[2 * 256 + 1];
		h.suites = cases[i].suites;
		h.suite_count = 2;
		size_t len = expect(cases[i].name, &h);
		assert_in_range(len, 1, 256);
		sodium_bin2hex(hex, sizeof(hex), out, len);
		TEST_CASE(cases[i].name, strcmp(hex, cases[i].hex) == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_switches),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_padding),
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
