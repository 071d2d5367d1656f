/*
 * Flights of real servers and made by hand (tests/vectors/audit/flights.txt), in any pieces, cut short, with
 * every bit turned; and what no vector has: long chains, lengths that lie, answers without an end.
 */

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "audit/flight.h"
#include "audit/suite.h"
#include "test.h"

#define BYTES_MAX 8192
#define TEXT_MAX 256

struct vector {
	char name[TEXT_MAX], want[TEXT_MAX];
	size_t len;
	uint8_t bytes[BYTES_MAX];
};

static bool read_line(FILE *file, char *to, size_t cap)
{
	do
		if (fgets(to, (int)cap, file) == NULL)
			return false;
	while (to[0] == '#');
	to[strcspn(to, "\n")] = '\0';
	return true;
}

static bool next_vector(FILE *file, struct vector *v)
{
	static char hex[2 * BYTES_MAX + 2];
	if (!read_line(file, v->name, sizeof(v->name)))
		return false;
	assert_true(read_line(file, v->want, sizeof(v->want)));
	assert_true(read_line(file, hex, sizeof(hex)));
	TEST_CASE(v->name,
		sodium_hex2bin(v->bytes, sizeof(v->bytes), hex, strlen(hex), NULL, &v->len, NULL) ==
			0);
	return true;
}

static void for_each(void (*test)(const struct vector *v))
{
	static struct vector v;
	FILE *file = fopen(TEST_VECTORS "/audit/flights.txt", "r");
	size_t n = 0;
	assert_non_null(file);
	for (; next_vector(file, &v); n++)
		test(&v);
	fclose(file);
	assert_true(n > 35);
}

static bool is_ssl2(const struct vector *v)
{
	return strstr(v->name, "ssl2") != NULL;
}

static void add(char *text, bool is, const char *word)
{
	if (is)
		snprintf(text + strlen(text), TEXT_MAX - strlen(text), " %s", word);
}

/* In the words of the vectors. */
static void describe(const struct audit_flight *f, char text[TEXT_MAX])
{
	snprintf(text, TEXT_MAX, "end %d", (int)f->end);
	if (f->end == AUDIT_FLIGHT_ALERT)
		snprintf(text, TEXT_MAX, "a %u", f->alert_code);
	if (f->end == AUDIT_FLIGHT_SSL2)
		snprintf(text, TEXT_MAX, "s %zu certs %zu", f->ssl2_suite_count, f->cert_count);
	if (f->end != AUDIT_FLIGHT_HELLO && f->end != AUDIT_FLIGHT_RETRY)
		return;
	snprintf(text, TEXT_MAX,
		"%s %s 0x%04x group %u dh %u signature 0x%04x certs %zu staple %zu",
		f->end == AUDIT_FLIGHT_HELLO ? "h" : "r", audit_version_name(f->version), f->suite,
		f->group, f->dh.bits, f->signature, f->cert_count, f->staple.len);
	add(text, f->has_renegotiation_info, "renegotiation");
	add(text, f->has_ems, "ems");
	add(text, f->has_etm, "etm");
	add(text, f->has_ticket, "ticket");
	add(text, f->has_status, "status");
	add(text, f->has_heartbeat, "heartbeat");
	add(text, f->has_alpn, "alpn");
	add(text, f->wants_certificate, "request");
	add(text, f->export_rsa_bits == 512, "export 512");
}

static void expect(const struct vector *v, size_t piece)
{
	char text[TEXT_MAX];
	struct audit_flight *f = audit_flight_new(is_ssl2(v));
	assert_non_null(f);
	for (size_t at = 0; at < v->len; at += piece)
		audit_flight_feed(f, span_slice(span_of(v->bytes, v->len), at, piece));
	describe(f, text);
	if (strcmp(text, v->want) != 0)
		fail_msg("%s in pieces of %zu: %s", v->name, piece, text);
	/* What a later handshake is compared by. */
	bool has_share = f->dh.bits > 0 || f->export_rsa_bits > 0 ||
		(f->group != 0 && f->version < AUDIT_TLS13 && f->group < 65000);
	TEST_CASE(v->name, f->has_public == has_share);
	audit_flight_free(f);
}

static void try_pieces(const struct vector *v)
{
	static const size_t pieces[] = { BYTES_MAX, 1, 2, 3, 5, 7, 64, 1460 };
	for (size_t i = 0; i < TEST_LEN(pieces); i++)
		expect(v, pieces[i]);
}

static void test_vectors(void **state)
{
	(void)state;
	for_each(try_pieces);
}

static size_t need_of(const struct vector *v)
{
	struct audit_flight *f = audit_flight_new(is_ssl2(v));
	size_t n = 0;
	while (n < v->len && f->end == AUDIT_FLIGHT_MORE)
		audit_flight_feed(f, span_of(v->bytes + n++, 1));
	audit_flight_free(f);
	return n;
}

/* Until it is whole it is not. */
static void try_prefixes(const struct vector *v)
{
	size_t need = need_of(v);
	for (size_t len = 0; len < need; len++) {
		struct audit_flight *f = audit_flight_new(is_ssl2(v));
		audit_flight_feed(f, span_of(v->bytes, len));
		if (f->end != AUDIT_FLIGHT_MORE)
			fail_msg("%s cut at %zu: end %d", v->name, len, (int)f->end);
		audit_flight_free(f);
	}
}

static void test_prefixes(void **state)
{
	(void)state;
	for_each(try_prefixes);
}

static unsigned touch(struct span s)
{
	unsigned sum = 0;
	for (size_t i = 0; i < s.len; i++)
		sum += s.data[i];
	return sum;
}

/* Whatever one bit says: bounds hold, spans can be read, a broken one says why, and pieces change nothing. */
static void try_bits(const struct vector *v)
{
	static uint8_t bytes[BYTES_MAX];
	char whole[TEXT_MAX], cut[TEXT_MAX];
	unsigned sum = 0;
	memcpy(bytes, v->bytes, v->len);
	for (size_t bit = 0; bit < v->len * 8; bit++) {
		struct audit_flight *f = audit_flight_new(is_ssl2(v));
		struct audit_flight *g = audit_flight_new(is_ssl2(v));
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		audit_flight_feed(f, span_of(bytes, v->len));
		for (size_t at = 0; at < v->len; at += 97)
			audit_flight_feed(g, span_slice(span_of(bytes, v->len), at, 97));
		describe(f, whole);
		describe(g, cut);
		TEST_CASE(v->name, strcmp(whole, cut) == 0);
		TEST_CASE(v->name, f->end != AUDIT_FLIGHT_BROKEN || f->why != NULL);
		TEST_CASE(v->name, f->cert_count <= AUDIT_CHAIN_MAX);
		for (size_t i = 0; i < f->cert_count; i++)
			sum += touch(f->certs[i]);
		sum += touch(f->staple);
		bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
		audit_flight_free(f);
		audit_flight_free(g);
	}
	assert_true(sum != 1);
}

static void test_bits(void **state)
{
	(void)state;
	for_each(try_bits);
}

/* A flight under construction. */
static uint8_t made[AUDIT_FLIGHT_MAX + 65536];

static struct writer begin(void)
{
	return writer_init(made, sizeof(made));
}

static void put_header(struct writer *w, uint8_t type, size_t len)
{
	writer_u8(w, type);
	writer_u16(w, 0x0303);
	writer_u16(w, (uint16_t)len);
}

/* Bytes of handshake in records of at most size. */
static void put_records(struct writer *w, struct span bytes, size_t size)
{
	for (size_t at = 0; at < bytes.len; at += size) {
		struct span part = span_slice(bytes, at, size);
		put_header(w, 22, part.len);
		writer_put(w, part.data, part.len);
	}
}

static void put_hello(struct writer *w, uint16_t version, uint16_t suite)
{
	put_header(w, 22, 42);
	writer_u32(w, 0x02000026);
	writer_u16(w, version);
	writer_zero(w, 32 + 1);
	writer_u16(w, suite);
	writer_u8(w, 0);
}

static void put_u24(struct writer *w, size_t v)
{
	writer_u8(w, (uint8_t)(v >> 16));
	writer_u16(w, (uint16_t)v);
}

static struct audit_flight *feed(const struct writer *w, size_t piece)
{
	struct audit_flight *f = audit_flight_new(false);
	struct span bytes = writer_span(w);
	assert_non_null(f);
	assert_false(w->is_full);
	for (size_t at = 0; at < bytes.len; at += piece)
		audit_flight_feed(f, span_slice(bytes, at, piece));
	return f;
}

/* count certificates of len bytes each, in records of size. */
static struct audit_flight *feed_chain(size_t count, size_t len, size_t size)
{
	static uint8_t message[AUDIT_FLIGHT_MAX];
	struct writer m = writer_init(message, sizeof(message)), w = begin();
	writer_u8(&m, 11);
	put_u24(&m, 3 + count * (3 + len));
	put_u24(&m, count * (3 + len));
	for (size_t i = 0; i < count; i++) {
		put_u24(&m, len);
		writer_u8(&m, (uint8_t)i);
		writer_zero(&m, len - 1);
	}
	writer_u32(&m, 0x0e000000);
	assert_false(m.is_full);
	put_hello(&w, 0x0303, 0x002f);
	put_records(&w, writer_span(&m), size);
	return feed(&w, 1448);
}

static void test_chains(void **state)
{
	static const struct {
		const char *name;
		size_t count, len, size;
		enum audit_flight_end end;
		size_t kept;
		bool is_cut;
	} cases[] = {
		{ "as many as are kept", 16, 1000, 16384, AUDIT_FLIGHT_HELLO, 16, false },
		{ "one more", 17, 1000, 16384, AUDIT_FLIGHT_HELLO, 16, true },
		{ "hundreds", 700, 1400, 16384, AUDIT_FLIGHT_HELLO, 16, true },
		{ "one mebibyte", 1, 1 << 20, 16384, AUDIT_FLIGHT_HELLO, 1, false },
		{ "small records", 2, 30000, 1, AUDIT_FLIGHT_HELLO, 2, false },
		{ "too long", 1, (1 << 20) + 70000, 16384, AUDIT_FLIGHT_BROKEN, 0, true },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct audit_flight *f = feed_chain(cases[i].count, cases[i].len, cases[i].size);
		TEST_CASE(cases[i].name, f->end == cases[i].end);
		TEST_CASE(cases[i].name, f->cert_count == cases[i].kept);
		TEST_CASE(cases[i].name, f->is_chain_cut == cases[i].is_cut);
		for (size_t k = 0; k < f->cert_count; k++)
			TEST_CASE(cases[i].name,
				f->certs[k].len == cases[i].len && f->certs[k].data[0] == k);
		TEST_CASE(cases[i].name, f->has_hello && f->suite == 0x002f);
		audit_flight_free(f);
	}
}

/* What was read stays where it can be read, however much follows. */
static void test_moves(void **state)
{
	static uint8_t much[30000];
	static const uint8_t head[] = { 11, 0, 0, 6, 0, 0, 3, 0, 0, 0, 22, 0, 0, 5, 1, 0, 0, 1,
		77 };
	static const uint8_t pair[] = { 11, 0, 0, 11, 0, 0, 8, 0, 0, 1, 88, 0, 0, 1, 99 };
	static const uint8_t done[] = { 14, 0, 0, 0 };
	struct writer w = begin();
	(void)state;
	memcpy(much, "\x63\x00\x75\x2c", 4);
	put_hello(&w, 0x0303, 0x2f);
	put_records(&w, SPAN_OF(head), 100);
	put_records(&w, SPAN_OF(pair), 100);
	for (int i = 0; i < 20; i++)
		put_records(&w, SPAN_OF(much), 16000);
	put_records(&w, SPAN_OF(done), 100);
	struct audit_flight *f = feed(&w, 1000);
	assert_int_equal(f->end, AUDIT_FLIGHT_HELLO);
	assert_int_equal(f->cert_count, 2);
	assert_int_equal(f->certs[0].data[0], 88);
	assert_int_equal(f->certs[1].data[0], 99);
	assert_int_equal(f->staple.len, 1);
	assert_int_equal(f->staple.data[0], 77);
	audit_flight_free(f);
}

/* One message behind a hello of TLS 1.2, and what becomes of it. */
static void test_lies(void **state)
{
	static const struct {
		const char *name;
		uint16_t suite;
		const char *hex; /* of the message */
		enum audit_flight_end end;
	} cases[] = {
		{ "no certificate at all", 0x2f, "0b0000030000000e000000", AUDIT_FLIGHT_HELLO },
		{ "empty certificate", 0x2f, "0b0000060000030000000e000000", AUDIT_FLIGHT_HELLO },
		{ "list longer than message", 0x2f, "0b000003000001", AUDIT_FLIGHT_BROKEN },
		{ "list shorter than message", 0x2f, "0b00000400000000", AUDIT_FLIGHT_BROKEN },
		{ "certificate cut off", 0x2f, "0b000007000004000002aa", AUDIT_FLIGHT_BROKEN },
		{ "no length of a list", 0x2f, "0b00000100", AUDIT_FLIGHT_BROKEN },
		{ "message of 16 MiB", 0x2f, "0bffffff", AUDIT_FLIGHT_BROKEN },
		{ "second hello", 0x2f, "0200000100", AUDIT_FLIGHT_BROKEN },
		{ "staple of another kind", 0x2f,
			"1600000402000000"
			"0e000000",
			AUDIT_FLIGHT_HELLO },
		{ "staple cut off", 0x2f, "1600000401000001", AUDIT_FLIGHT_BROKEN },
		{ "unknown message", 0x2f, "63000001aa0e000000", AUDIT_FLIGHT_HELLO },
		{ "hello request", 0x2f, "000000000e000000", AUDIT_FLIGHT_HELLO },
		{ "no prime", 0x33, "0c000000", AUDIT_FLIGHT_BROKEN },
		{ "empty prime", 0x33, "0c000006000000000000", AUDIT_FLIGHT_BROKEN },
		{ "small prime", 0x34, "0c0000090001070001020001030e000000", AUDIT_FLIGHT_HELLO },
		{ "prime cut off", 0x33, "0c0000040040aabb", AUDIT_FLIGHT_BROKEN },
		{ "point cut off", 0xc02f, "0c00000503001d20aa", AUDIT_FLIGHT_BROKEN },
		{ "curve of no type", 0xc02f, "0c00000504001d0100", AUDIT_FLIGHT_BROKEN },
		{ "hint cut off", 0xc035, "0c0000030005aa", AUDIT_FLIGHT_BROKEN },
		{ "done that is not empty", 0x2f, "0e000001aa", AUDIT_FLIGHT_HELLO },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t message[64];
		size_t len = 0;
		struct writer w = begin();
		sodium_hex2bin(message, sizeof(message), cases[i].hex, strlen(cases[i].hex), NULL,
			&len, NULL);
		put_hello(&w, 0x0303, cases[i].suite);
		put_records(&w, span_of(message, len), 1000);
		struct audit_flight *f = feed(&w, 3);
		if (f->end != cases[i].end)
			fail_msg("%s: end %d %s", cases[i].name, (int)f->end, f->why);
		TEST_CASE(cases[i].name, f->has_hello && f->suite == cases[i].suite);
		audit_flight_free(f);
	}
}

static void test_records(void **state)
{
	static const struct {
		const char *name, *hex;
		enum audit_flight_end end;
	} cases[] = {
		{ "text", "323230206d61696c", AUDIT_FLIGHT_NOT_TLS },
		{ "one byte of it", "32", AUDIT_FLIGHT_NOT_TLS },
		{ "half a header", "160303", AUDIT_FLIGHT_MORE },
		{ "another major version", "1604", AUDIT_FLIGHT_NOT_TLS },
		{ "SSLv2 that nobody asked for", "8003000001", AUDIT_FLIGHT_NOT_TLS },
		{ "too long a record", "160303ffff", AUDIT_FLIGHT_BROKEN },
		{ "empty records", "1603030000160303000015030300020170", AUDIT_FLIGHT_MORE },
		{ "data", "1703030001aa", AUDIT_FLIGHT_BROKEN },
		{ "change of cipher, heartbeat", "1403030001011803030003010000",
			AUDIT_FLIGHT_MORE },
		{ "then nonsense", "14030300010148545450", AUDIT_FLIGHT_MORE },
		{ "all of it", "1403030001014854545020", AUDIT_FLIGHT_BROKEN },
		{ "warning", "15030300020170", AUDIT_FLIGHT_MORE },
		{ "close notify", "15030300020100", AUDIT_FLIGHT_ALERT },
		{ "fatal", "15030300020228", AUDIT_FLIGHT_ALERT },
		{ "certificate first", "16030300040b000000", AUDIT_FLIGHT_BROKEN },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t bytes[64];
		size_t len = 0;
		struct audit_flight *f = audit_flight_new(false);
		sodium_hex2bin(
			bytes, sizeof(bytes), cases[i].hex, strlen(cases[i].hex), NULL, &len, NULL);
		audit_flight_feed(f, span_of(bytes, len));
		if (f->end != cases[i].end)
			fail_msg("%s: end %d", cases[i].name, (int)f->end);
		if (f->end == AUDIT_FLIGHT_NOT_TLS)
			TEST_CASE(cases[i].name,
				f->first_len == len && memcmp(f->first, bytes, len) == 0);
		audit_flight_free(f);
	}
}

/* Nobody is listened to for ever. */
static void test_endless(void **state)
{
	static const uint8_t empty[] = { 20, 3, 3, 0, 1, 1 };
	struct audit_flight *f = audit_flight_new(false);
	size_t n = 0;
	(void)state;
	while (f->end == AUDIT_FLIGHT_MORE && n < AUDIT_FLIGHT_MAX) {
		audit_flight_feed(f, SPAN_OF(empty));
		n += sizeof(empty);
	}
	assert_int_equal(f->end, AUDIT_FLIGHT_BROKEN);
	audit_flight_free(f);
	audit_flight_free(NULL);
}

/* A second exchange is read for itself. */
static void test_generator(void **state)
{
	static const uint8_t exchange[] = { 12, 0, 0, 9, 0, 1, 7, 0, 1, 2, 0, 1, 3 };
	static const uint8_t great[] = { 12, 0, 0, 11, 0, 1, 7, 0, 3, 1, 0, 0, 0, 1, 3 };
	struct writer w = begin();
	(void)state;
	put_hello(&w, 0x0303, 0x34);
	put_records(&w, SPAN_OF(exchange), 100);
	put_records(&w, SPAN_OF(exchange), 100);
	struct audit_flight *f = feed(&w, 100);
	assert_int_equal(f->dh.generator, 2);
	assert_int_equal(f->dh.bits, 3);
	audit_flight_free(f);
	put_records(&w, SPAN_OF(great), 100);
	f = feed(&w, 100);
	assert_int_equal(f->dh.generator, 0);
	audit_flight_free(f);
}

static void test_ssl2(void **state)
{
	static const struct {
		const char *name, *hex;
		enum audit_flight_end end;
	} cases[] = {
		{ "of version 3", "800b0400010003000000000000", AUDIT_FLIGHT_BROKEN },
		{ "kinds that are none", "800d04000100020000000200000100", AUDIT_FLIGHT_BROKEN },
		{ "parts longer than it", "800b0400010002000500000000", AUDIT_FLIGHT_BROKEN },
		{ "parts shorter than it", "800c040001000200000000000000", AUDIT_FLIGHT_BROKEN },
		{ "all padding", "000303000000", AUDIT_FLIGHT_BROKEN },
		{ "text", "323230206d61696c", AUDIT_FLIGHT_NOT_TLS },
		{ "another message", "8003020001", AUDIT_FLIGHT_NOT_TLS },
		{ "TLS alert", "15030100020228", AUDIT_FLIGHT_ALERT },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t bytes[64];
		size_t len = 0;
		struct audit_flight *f = audit_flight_new(true);
		sodium_hex2bin(
			bytes, sizeof(bytes), cases[i].hex, strlen(cases[i].hex), NULL, &len, NULL);
		audit_flight_feed(f, span_of(bytes, len));
		if (f->end != cases[i].end)
			fail_msg("%s: end %d", cases[i].name, (int)f->end);
		audit_flight_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_prefixes),
		cmocka_unit_test(test_bits),
		cmocka_unit_test(test_chains),
		cmocka_unit_test(test_moves),
		cmocka_unit_test(test_lies),
		cmocka_unit_test(test_records),
		cmocka_unit_test(test_endless),
		cmocka_unit_test(test_generator),
		cmocka_unit_test(test_ssl2),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
