/*
 * Enciphered sequences: the published example and vectors of every form, both ways; spoofed knocks in
 * between, damage, and what the bounds cost.
 */

#include <errno.h>
#include <malloc.h>

#include "classic.h"
#include "knock/cipher.h"

#define FILE_NAME "cipher.txt"

static struct legacy *legacy;

static const char *const vectors[] = {
	"published",
	"until_closed",
	"close",
	"random_iv",
	"wide_v4",
	"wide_v6",
	"wide_v4_iv",
	"wide_v6_iv",
};

struct example {
	struct cipher *cipher;
	uint8_t iv[CIPHER_IV_LEN];
	struct cipher_wish wish;
	struct vector content;
	uint16_t first;
	size_t count;
	uint16_t ports[CLASSIC_PORTS_MAX];
};

static struct example example(const char *which, bool third_party)
{
	struct example x = { 0 };
	struct fault f = { "" };
	struct vector phrase = classic_get(FILE_NAME, which, "passphrase");
	struct vector iv = classic_get(FILE_NAME, which, "iv");
	struct vector form = classic_get(FILE_NAME, which, "form");

	x.first = classic_u16(FILE_NAME, which, "first");
	memcpy(x.iv, iv.b, sizeof(x.iv));
	struct cipher_how how = {
		.passphrase = vector_span(&phrase),
		.port_first = x.first,
		.within_ms = 60000,
		.wide = form.b[0] != 0,
		.random_iv = form.b[1] != 0,
		.third_party = third_party,
	};
	if (!how.random_iv)
		memcpy(how.iv, x.iv, sizeof(how.iv));
	assert_int_equal(cipher_new(legacy, &how, &x.cipher, &f), 0);
	x.wish.address = classic_addr(FILE_NAME, which);
	x.wish.port = classic_u16(FILE_NAME, which, "port");
	x.wish.time = classic_get(FILE_NAME, which, "time").b[0];
	x.content = classic_get(FILE_NAME, which, "cipher");
	x.count = classic_ports(FILE_NAME, which, x.ports);
	return x;
}

static void check_wish(const char *which, const struct example *x, const struct cipher_wish *got)
{
	TEST_CASE(which, addr_equal(&got->address, &x->wish.address));
	TEST_CASE(which, got->port == x->wish.port && got->time == x->wish.time);
	TEST_CASE(which, got->content_len == x->content.len);
	assert_memory_equal(got->content, x->content.b, x->content.len);
}

static void test_published(void **state)
{
	(void)state;
	static const uint16_t want[] = { 966, 914, 795, 964, 831, 862, 807, 932 };
	static const uint8_t us[] = { 142, 103, 205, 1 };
	struct example x = example("published", false);
	struct cipher_wish wish = { .address = addr_v4(us), .port = 22, .time = 15 }, got;
	uint16_t ports[CIPHER_PORTS_MAX];
	size_t count;

	assert_int_equal(cipher_write(x.cipher, &wish, x.iv, ports, &count), 0);
	assert_int_equal(count, 8);
	assert_memory_equal(ports, want, sizeof(want));
	struct track t = classic_track(&wish.address, want, 8);
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	assert_true(addr_equal(&got.address, &wish.address));
	assert_int_equal(got.port, 22);
	assert_int_equal(got.time, 15);
	cipher_free(x.cipher);
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i], false);
		struct cipher_wish got;
		uint16_t ports[CIPHER_PORTS_MAX];
		size_t count;
		int rc = cipher_write(x.cipher, &x.wish, x.iv, ports, &count);
		TEST_CASE(vectors[i], rc == 0 && count == x.count);
		assert_memory_equal(ports, x.ports, count * sizeof(ports[0]));

		struct track t = classic_track(&x.wish.address, x.ports, x.count);
		TEST_CASE(vectors[i], cipher_read(x.cipher, &t, &got) == CIPHER_OK);
		check_wish(vectors[i], &x, &got);
		/* Each prefix is too short; each knock elsewhere is none of ours. */
		for (size_t n = 1; n < x.count; n++) {
			t = classic_track(&x.wish.address, x.ports, n);
			enum cipher_reject r = cipher_read(x.cipher, &t, &got);
			TEST_CASE(vectors[i], r == CIPHER_FEW || (r == CIPHER_PADDING && n >= 16));
		}
		classic_knock(&t, (uint16_t)(x.first - 1), 99);
		TEST_CASE(vectors[i], cipher_read(x.cipher, &t, &got) == CIPHER_OTHER);
		cipher_free(x.cipher);
	}
}

/* Each bit of each knock changed. */
static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i], false);
		for (size_t bit = 0; bit < 8 * x.count; bit++) {
			uint16_t ports[CLASSIC_PORTS_MAX];
			struct cipher_wish got = { .port = 1 };
			memcpy(ports, x.ports, sizeof(ports));
			ports[bit / 8] =
				(uint16_t)(x.first + ((ports[bit / 8] - x.first) ^ (1 << bit % 8)));
			struct track t = classic_track(&x.wish.address, ports, x.count);
			TEST_CASE(vectors[i], cipher_read(x.cipher, &t, &got) != CIPHER_OK);
			TEST_CASE(vectors[i], got.port == 1);
		}
		cipher_free(x.cipher);
	}
}

/* What comes of x's knocks with spoofed ones put in before those numbered by at[0] and at[1]. */
static enum cipher_reject read_spoofed(
	struct example *x, const size_t *at, size_t spoofed, struct cipher_wish *got)
{
	struct track t = { .source = x->wish.address };
	enum cipher_reject r = CIPHER_FEW;
	for (size_t i = 0; i < x->count; i++) {
		for (size_t k = 0; k < spoofed; k++)
			if (at[k] == i)
				classic_knock(&t, (uint16_t)(x->first + (i * 37 + k) % 256), 1);
		classic_knock(&t, 22, 1); /* elsewhere: does not count */
		classic_knock(&t, x->ports[i], 1);
		r = cipher_read(x->cipher, &t, got);
	}
	return r;
}

static void test_spoofed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i], false);
		if (2 * x.count + 2 > TRACK_MARKS) {
			cipher_free(x.cipher);
			continue;
		}
		for (size_t a = 1; a < x.count; a++)
			for (size_t b = a; b < x.count; b++) {
				const size_t at[] = { a, b };
				struct cipher_wish got;
				TEST_CASE(vectors[i], read_spoofed(&x, at, 2, &got) == CIPHER_OK);
				check_wish(vectors[i], &x, &got);
				TEST_CASE(vectors[i], read_spoofed(&x, at, 1, &got) == CIPHER_OK);
			}
		const size_t three[] = { 2, 4, 6 };
		struct cipher_wish got;
		TEST_CASE(vectors[i], read_spoofed(&x, three, 3, &got) != CIPHER_OK);
		cipher_free(x.cipher);
	}
}

static void test_before_and_time(void **state)
{
	(void)state;
	struct example x = example("published", false);
	struct cipher_wish got;
	/* Any number of knocks in range before the attempt. */
	struct track t = { .source = x.wish.address };
	for (unsigned i = 0; i < 100; i++)
		classic_knock(&t, (uint16_t)(745 + i), 1);
	for (size_t i = 0; i < x.count; i++)
		classic_knock(&t, x.ports[i], 1000 + i);
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	/* From the first to the last knock of the window, 60 s and no more. */
	t = classic_track(&x.wish.address, x.ports, x.count);
	t.marks[7].at_ms = t.marks[0].at_ms + 60000;
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	t.marks[7].at_ms++;
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_FEW);
	t.count = 0;
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OTHER);
	cipher_free(x.cipher);
}

static void test_third_party(void **state)
{
	(void)state;
	static const uint8_t them[] = { 198, 51, 100, 9 };
	const struct addr source = addr_v4(them);
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct cipher_wish got;
		struct example x = example(vectors[i], false);
		struct track t = classic_track(&source, x.ports, x.count);
		TEST_CASE(vectors[i], cipher_read(x.cipher, &t, &got) == CIPHER_ADDRESS);
		cipher_free(x.cipher);
		x = example(vectors[i], true);
		TEST_CASE(vectors[i], cipher_read(x.cipher, &t, &got) == CIPHER_OK);
		check_wish(vectors[i], &x, &got);
		cipher_free(x.cipher);
	}
}

/* What random-iv costs, as the header says: an observer moves the compatible form to his own address. */
static void test_iv_is_malleable(void **state)
{
	(void)state;
	struct example x = example("random_iv", false);
	struct addr mine = x.wish.address;
	uint16_t ports[CLASSIC_PORTS_MAX];
	struct cipher_wish got;

	memcpy(ports, x.ports, sizeof(ports));
	mine.b[15] ^= 1; /* 192.0.2.10 becomes .11: the checksum grows by one */
	uint8_t sum = classic_get(FILE_NAME, "random_iv", "plain").b[6];
	uint8_t change[8] = { 0, 0, 0, 1, 0, 0, (uint8_t)(sum ^ ((sum + 1) % 255)), 0 };
	for (size_t i = 0; i < 8; i++)
		ports[i] = (uint16_t)(x.first + ((ports[i] - x.first) ^ change[i]));
	struct track t = classic_track(&mine, ports, x.count);
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	/* The memory of accepted ones knows it all the same. */
	assert_memory_equal(got.content, x.content.b, x.content.len);
	cipher_free(x.cipher);
}

static void test_cannot_say(void **state)
{
	(void)state;
	static const struct {
		const char *name, *which, *address;
		uint16_t port;
	} cases[] = {
		{ "v6", "published", "2001:db8::1", 22 },
		{ "port above 255", "published", "192.0.2.1", 256 },
		{ "port 0", "published", "192.0.2.1", 0 },
		{ "port 0 wide", "wide_v6", "2001:db8::1", 0 },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct example x = example(cases[i].which, false);
		struct cipher_wish w = { .port = cases[i].port, .time = 1 };
		uint16_t ports[CIPHER_PORTS_MAX];
		size_t count = 7;
		assert_true(addr_parse(cases[i].address, &w.address));
		int rc = cipher_write(x.cipher, &w, x.iv, ports, &count);
		TEST_CASE(cases[i].name, rc == -EINVAL && count == 7);
		cipher_free(x.cipher);
	}
}

static void test_new(void **state)
{
	(void)state;
	struct cipher *c = NULL;
	struct fault f = { "" };
	struct cipher_how how = { .port_first = 745 };
	assert_int_equal(cipher_new(legacy, &how, &c, &f), -EINVAL);
	assert_string_equal(f.text, "the passphrase is empty; write one");
	how.passphrase = span_of("x", 1);
	how.port_first = 65281;
	assert_int_equal(cipher_new(legacy, &how, &c, &f), -EINVAL);
	assert_null(c);
	how.port_first = 65280;
	assert_int_equal(cipher_new(legacy, &how, &c, &f), 0);
	cipher_free(c);
	cipher_free(NULL);
	for (unsigned r = 0; r < CIPHER_REJECT_COUNT; r++)
		assert_non_null(cipher_reject_name((enum cipher_reject)r));
}

/* Nothing that reading does is kept: the heap is as large after a thousand knocks. */
static void test_no_growth(void **state)
{
	(void)state;
	struct example x = example("wide_v6_iv", false);
	struct track t = classic_track(&x.wish.address, x.ports, x.count);
	struct cipher_wish got;
	assert_int_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	size_t before = mallinfo2().uordblks;
	for (unsigned i = 0; i < 1000; i++) {
		classic_knock(&t, (uint16_t)(x.first + i % 256), 5000);
		assert_int_not_equal(cipher_read(x.cipher, &t, &got), CIPHER_OK);
	}
	assert_int_equal(mallinfo2().uordblks, before);
	cipher_free(x.cipher);
}

static int open_legacy(void **state)
{
	(void)state;
	struct fault f;
	return legacy_open(&legacy, &f);
}

static int close_legacy(void **state)
{
	(void)state;
	legacy_close(legacy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_published),
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_spoofed),
		cmocka_unit_test(test_before_and_time),
		cmocka_unit_test(test_third_party),
		cmocka_unit_test(test_iv_is_malleable),
		cmocka_unit_test(test_cannot_say),
		cmocka_unit_test(test_new),
		cmocka_unit_test(test_no_growth),
	};
	return cmocka_run_group_tests(tests, open_legacy, close_legacy);
}
