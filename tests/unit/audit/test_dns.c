/* Answers of name servers: good ones, lies, each prefix and each flipped bit. */

#include "audit/dns.h"
#include "base/text.h"
#include "test.h"

/* The header of an answer with AD, one question, n records. */
#define HEAD "123481a00001000%s00000000"
/* mail.example.org */
#define NAME "046d61696c076578616d706c65036f726700"
#define PTR "c00c"
#define MX "000f0001"
#define A "00010001"
#define AAAA "001c0001"
#define TXT "00100001"
#define CNAME "00050001"
#define TLSA "00340001"
#define CAA "01010001"
#define TTL "00000e10"

static const struct {
	const char *name;
	enum audit_dns_type type;
	const char *count; /* one digit */
	const char *rest;  /* behind the name of the question */
	bool is_good;
	size_t records;
	const char *end; /* name that has them */
} cases[] = {
	{ "nothing", AUDIT_DNS_A, "0", A, true, 0, "mail.example.org" },
	{ "an address", AUDIT_DNS_A, "1", A PTR A TTL "0004c0000201", true, 1, "mail.example.org" },
	{ "other case", AUDIT_DNS_A, "1",
		A "044d41494c074558414d504c45034f524700" A TTL "0004c0000201", true, 1,
		"mail.example.org" },
	{ "other name", AUDIT_DNS_A, "1", A "0378797a00" A TTL "0004c0000201", true, 0,
		"mail.example.org" },
	{ "other class", AUDIT_DNS_A, "1", A PTR "00010003" TTL "0004c0000201", true, 0,
		"mail.example.org" },
	{ "other type", AUDIT_DNS_A, "1", A PTR AAAA TTL "0004c0000201", true, 0,
		"mail.example.org" },
	{ "an alias and its address", AUDIT_DNS_A, "2",
		A PTR CNAME TTL "00040178c011"
				"0178c011" A TTL "0004c0000201",
		true, 1, "x.example.org" },
	{ "the address before the alias", AUDIT_DNS_A, "2",
		A "0178c011" A TTL "0004c0000201" PTR CNAME TTL "00040178c011", true, 1,
		"x.example.org" },
	{ "an alias of itself", AUDIT_DNS_A, "1", A PTR CNAME TTL "0002c00c", false, 0, "" },
	{ "an alias and more behind it", AUDIT_DNS_A, "1", A PTR CNAME TTL "0005c00c000000", true,
		0, "mail.example.org" },
	{ "a record fewer than said", AUDIT_DNS_A, "2", A PTR A TTL "0004c0000201", false, 0, "" },
	{ "data beyond the end", AUDIT_DNS_A, "1", A PTR A TTL "0005c0000201", false, 0, "" },
	{ "a pointer to itself", AUDIT_DNS_A, "1", A "c022" A TTL "0004c0000201", false, 0, "" },
	{ "a pointer ahead", AUDIT_DNS_A, "1", A "c0ff" A TTL "0004c0000201", false, 0, "" },
	{ "a label of 64", AUDIT_DNS_A, "1", A "40" A TTL "0004c0000201", false, 0, "" },
	{ "answers another type", AUDIT_DNS_A, "0", AAAA, false, 0, "" },
	{ "answers another class", AUDIT_DNS_A, "0", "00010003", false, 0, "" },
};

static size_t build(const char *count, const char *rest, uint8_t *to, size_t cap)
{
	char hex[2048];
	snprintf(hex, sizeof(hex), HEAD NAME "%s", count, rest);
	size_t len = strlen(hex) / 2;
	assert_true(len <= cap && text_unhex(hex, to, len));
	return len;
}

static void test_parse(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t bytes[1024];
		struct audit_dns d;
		size_t len = build(cases[i].count, cases[i].rest, bytes, sizeof(bytes));
		bool is_good =
			audit_dns_parse(span_of(bytes, len), "mail.example.org", cases[i].type, &d);
		TEST_CASE(cases[i].name, is_good == cases[i].is_good);
		if (!is_good)
			continue;
		TEST_CASE(cases[i].name, d.count == cases[i].records);
		TEST_CASE(cases[i].name, strcmp(d.name, cases[i].end) == 0);
		TEST_CASE(cases[i].name, d.is_authenticated && !d.is_cut && d.rcode == 0);
	}
}

static void test_flags(void **state)
{
	uint8_t bytes[1024];
	struct audit_dns d;
	(void)state;
	size_t len = build("0", A, bytes, sizeof(bytes));
	bytes[2] = 0x83; /* cut */
	bytes[3] = 0x83; /* no AD, no such name */
	assert_true(audit_dns_parse(span_of(bytes, len), "Mail.Example.org", AUDIT_DNS_A, &d));
	assert_true(d.is_cut && !d.is_authenticated && d.rcode == 3);
	assert_false(audit_dns_parse(span_of(bytes, len), "mail.example.com", AUDIT_DNS_A, &d));
	bytes[2] = 0x03; /* a question */
	assert_false(audit_dns_parse(span_of(bytes, len), "mail.example.org", AUDIT_DNS_A, &d));
}

static void parse_one(
	const char *rest, enum audit_dns_type type, uint8_t bytes[1024], struct audit_dns *d)
{
	size_t len = build("1", rest, bytes, 1024);
	assert_true(audit_dns_parse(span_of(bytes, len), "mail.example.org", type, d));
	assert_int_equal(d->count, 1);
}

static void test_mx(void **state)
{
	uint8_t bytes[1024];
	struct audit_dns d;
	struct audit_mx mx;
	(void)state;
	parse_one(MX PTR MX TTL "0006000a0162c011", AUDIT_DNS_MX, bytes, &d);
	assert_true(audit_dns_mx(&d, 0, &mx));
	assert_int_equal(mx.preference, 10);
	assert_string_equal(mx.host, "b.example.org");
	parse_one(MX PTR MX TTL "0003000000", AUDIT_DNS_MX, bytes, &d);
	assert_true(audit_dns_mx(&d, 0, &mx));
	assert_string_equal(mx.host, "");
	parse_one(MX PTR MX TTL "0007000a0162c01100", AUDIT_DNS_MX, bytes, &d);
	assert_false(audit_dns_mx(&d, 0, &mx));
	parse_one(MX PTR MX TTL "00010a", AUDIT_DNS_MX, bytes, &d);
	assert_false(audit_dns_mx(&d, 0, &mx));
	/* A dot, a blank and a byte above ASCII within a label are none of a name. */
	parse_one(MX PTR MX TTL "0008000a03412ee420"
				"00",
		AUDIT_DNS_MX, bytes, &d);
	assert_false(audit_dns_mx(&d, 0, &mx));
	parse_one(MX PTR MX TTL "0007000a03412ee400", AUDIT_DNS_MX, bytes, &d);
	assert_true(audit_dns_mx(&d, 0, &mx));
	assert_string_equal(mx.host, "a??");
}

static void test_address(void **state)
{
	static const struct {
		enum audit_dns_type type;
		const char *rest, *text;
	} addresses[] = {
		{ AUDIT_DNS_A, A PTR A TTL "0004c0000201", "192.0.2.1" },
		{ AUDIT_DNS_A, A PTR A TTL "0003c00002", NULL },
		{ AUDIT_DNS_A, A PTR A TTL "001020010db8000000000000000000000001", NULL },
		{ AUDIT_DNS_AAAA, AAAA PTR AAAA TTL "001020010db8000000000000000000000001",
			"2001:db8::1" },
		{ AUDIT_DNS_AAAA, AAAA PTR AAAA TTL "0004c0000201", NULL },
		/* IPv4 in IPv6 clothes */
		{ AUDIT_DNS_AAAA, AAAA PTR AAAA TTL "001000000000000000000000ffffc0000201", NULL },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(addresses); i++) {
		uint8_t bytes[1024];
		char text[ADDR_TEXT_MAX];
		struct audit_dns d;
		struct addr a;
		parse_one(addresses[i].rest, addresses[i].type, bytes, &d);
		bool is_good = audit_dns_address(&d, 0, &a);
		TEST_CASE(addresses[i].rest, is_good == (addresses[i].text != NULL));
		if (is_good)
			assert_string_equal(addr_format(&a, text), addresses[i].text);
	}
}

static void test_others(void **state)
{
	uint8_t bytes[1024], flags = 0;
	char text[64], tag[16], value[AUDIT_HOST_MAX + 1];
	size_t len = 0;
	struct audit_dns d;
	struct audit_tlsa t;
	(void)state;
	parse_one(TLSA PTR TLSA TTL "0005030101abcd", AUDIT_DNS_TLSA, bytes, &d);
	assert_true(audit_dns_tlsa(&d, 0, &t));
	assert_true(t.usage == 3 && t.selector == 1 && t.matching == 1 && t.len == 2);
	assert_memory_equal(t.data, "\xab\xcd", 2);
	parse_one(TLSA PTR TLSA TTL "00020301", AUDIT_DNS_TLSA, bytes, &d);
	assert_false(audit_dns_tlsa(&d, 0, &t));
	parse_one(TXT PTR TXT TTL "0007026869"
				  "03796f75",
		AUDIT_DNS_TXT, bytes, &d);
	assert_true(audit_dns_txt(&d, 0, text, sizeof(text), &len));
	assert_int_equal(len, 5);
	assert_memory_equal(text, "hiyou", 5);
	assert_false(audit_dns_txt(&d, 0, text, 4, &len));
	parse_one(TXT PTR TXT TTL "0003056869", AUDIT_DNS_TXT, bytes, &d);
	assert_false(audit_dns_txt(&d, 0, text, sizeof(text), &len));
	parse_one(CAA PTR CAA TTL "000a80056973737565636161", AUDIT_DNS_CAA, bytes, &d);
	assert_true(audit_dns_caa(&d, 0, &flags, tag, value));
	assert_int_equal(flags, 128);
	assert_string_equal(tag, "issue");
	assert_string_equal(value, "caa");
	parse_one(CAA PTR CAA TTL "00038000"
				  "61",
		AUDIT_DNS_CAA, bytes, &d);
	assert_false(audit_dns_caa(&d, 0, &flags, tag, value));
	parse_one(CAA PTR CAA TTL "0003800961", AUDIT_DNS_CAA, bytes, &d);
	assert_false(audit_dns_caa(&d, 0, &flags, tag, value));
}

/* More records than are taken: the rest is left, and said. */
static void test_many(void **state)
{
	static uint8_t bytes[16384];
	static struct audit_dns d;
	uint8_t one[16];
	(void)state;
	size_t len = build("0", A, bytes, sizeof(bytes));
	assert_true(text_unhex(PTR A TTL "0004c0000201", one, sizeof(one)));
	bytes[6] = 400 >> 8;
	bytes[7] = 400 & 0xff;
	for (unsigned i = 0; i < 400; i++, len += sizeof(one))
		memcpy(bytes + len, one, sizeof(one));
	assert_true(audit_dns_parse(span_of(bytes, len), "mail.example.org", AUDIT_DNS_A, &d));
	assert_true(d.is_cut && d.count == AUDIT_DNS_RECORDS_MAX);
}

static void look_at(struct span s, enum audit_dns_type type)
{
	struct audit_dns d;
	struct audit_mx mx;
	struct addr a;
	struct audit_tlsa t;
	char text[64], tag[16], value[AUDIT_HOST_MAX + 1];
	uint8_t flags;
	size_t len;
	if (!audit_dns_parse(s, "mail.example.org", type, &d))
		return;
	for (size_t i = 0; i < d.count; i++) {
		if (audit_dns_mx(&d, i, &mx))
			assert_true(strlen(mx.host) <= AUDIT_HOST_MAX);
		(void)audit_dns_address(&d, i, &a);
		(void)audit_dns_tlsa(&d, i, &t);
		if (audit_dns_txt(&d, i, text, sizeof(text), &len))
			assert_true(len <= sizeof(text));
		(void)audit_dns_caa(&d, i, &flags, tag, value);
	}
}

static void test_prefixes_and_flips(void **state)
{
	static const struct {
		enum audit_dns_type type;
		const char *count, *rest;
	} good[] = {
		{ AUDIT_DNS_A, "2", A PTR CNAME TTL "00040178c0110178c011" A TTL "0004c0000201" },
		{ AUDIT_DNS_MX, "1", MX PTR MX TTL "0006000a0162c011" },
		{ AUDIT_DNS_TLSA, "1", TLSA PTR TLSA TTL "0005030101abcd" },
		{ AUDIT_DNS_TXT, "1", TXT PTR TXT TTL "000702686903796f75" },
		{ AUDIT_DNS_CAA, "1", CAA PTR CAA TTL "000a80056973737565636161" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(good); i++) {
		uint8_t bytes[1024];
		struct audit_dns d;
		size_t len = build(good[i].count, good[i].rest, bytes, sizeof(bytes));
		for (size_t n = 0; n < len; n++) {
			uint8_t *exact = malloc(n > 0 ? n : 1);
			memcpy(exact, bytes, n);
			TEST_CASE(good[i].rest,
				!audit_dns_parse(
					span_of(exact, n), "mail.example.org", good[i].type, &d));
			free(exact);
		}
		for (size_t bit = 0; bit < 8 * len; bit++) {
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			look_at(span_of(bytes, len), good[i].type);
			bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_mx),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_prefixes_and_flips),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
