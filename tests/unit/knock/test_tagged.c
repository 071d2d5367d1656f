/*
 * Tagged sequences: vectors of every hash both ways, any order, spoofed knocks up to the bounds, damage, and
 * the file of keys.
 */

#include <errno.h>
#include <sodium.h>

#include "classic.h"
#include "knock/tagged.h"

#define FILE_NAME "tagged.txt"
#define TAG_AT 1795316502u

static const char *const vectors[] = { "sha256", "blake2b", "md5", "v6", "observed" };
static const struct tagged_limits around = { TAG_AT - 30, TAG_AT + 30 };
static const struct tagged_limits any = { 0, UINT32_MAX };

static struct legacy *legacy;

struct example {
	struct tagged g;
	struct tagged_keys keys;
	uint8_t key[TAGGED_KEY_LEN];
	struct tagged_wish wish;
	struct addr source;
	uint16_t ports[CLASSIC_PORTS_MAX];
};

/* Filled in place: g points into it. */
static void example(struct example *x, const char *which)
{
	static const uint8_t us[] = { 192, 0, 2, 10 };
	struct vector frame = classic_get(FILE_NAME, which, "frame");
	struct reader r = reader_init(vector_span(&frame));

	*x = (struct example){ .g = { .observed = true, .service_count = 4 } };
	x->g.hash = (enum tagged_hash)classic_get(FILE_NAME, which, "hash").b[0];
	x->g.md5 = legacy;
	x->g.base = classic_u16(FILE_NAME, which, "base");
	x->g.keys = &x->keys;
	memcpy(x->g.sid, classic_get(FILE_NAME, which, "sid").b, sizeof(x->g.sid));
	memcpy(x->key, classic_get(FILE_NAME, which, "key").b, sizeof(x->key));
	x->wish.slot = reader_u8(&r);
	x->wish.tag = reader_u32(&r);
	x->wish.service = reader_u8(&r);
	x->source = classic_addr(FILE_NAME, which);
	x->wish.is_observed = addr_is_zero(&x->source);
	if (x->wish.is_observed)
		x->source = addr_v4(us);
	x->keys.slot[x->wish.slot].is_set = true;
	memcpy(x->keys.slot[x->wish.slot].key, x->key, sizeof(x->key));
	assert_int_equal(classic_ports(FILE_NAME, which, x->ports), TAGGED_KNOCKS);
}

static enum tagged_reject knock(struct example *x, struct track *t, uint16_t port, uint64_t at_ms,
	const struct tagged_limits *limits, struct tagged_wish *got)
{
	classic_knock(t, port, at_ms);
	return tagged_read(&x->g, limits, t, got);
}

/* The knocks one by one in the order given, 50 ms apart; NULL: as they are. */
static enum tagged_reject knock_all(
	struct example *x, struct track *t, const uint8_t *order, struct tagged_wish *got)
{
	enum tagged_reject r = TAGGED_FEW;
	for (size_t i = 0; i < TAGGED_KNOCKS; i++) {
		TEST_CASE("before the last", r == TAGGED_FEW);
		r = knock(x, t, x->ports[order != NULL ? order[i] : i], 1000 + 50 * i, &any, got);
	}
	return r;
}

static bool is_wanted(const struct example *x, const struct tagged_wish *got)
{
	return got->slot == x->wish.slot && got->tag == x->wish.tag &&
		got->service == x->wish.service && got->is_observed == x->wish.is_observed;
}

static void test_vectors(void **state)
{
	(void)state;
	static const uint8_t back[] = { 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0 };
	static const uint8_t mixed[] = { 3, 9, 0, 15, 7, 1, 12, 4, 10, 2, 14, 6, 8, 13, 5, 11 };
	static const uint8_t *const orders[] = { NULL, back, mixed };
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x;
		uint16_t ports[TAGGED_KNOCKS];
		example(&x, vectors[i]);
		TEST_CASE(vectors[i], tagged_write(&x.g, x.key, &x.wish, &x.source, ports));
		assert_memory_equal(ports, x.ports, sizeof(ports));
		for (size_t k = 0; k < TEST_LEN(orders); k++) {
			struct track t = { .source = x.source };
			struct tagged_wish got = { 0 };
			TEST_CASE(vectors[i], knock_all(&x, &t, orders[k], &got) == TAGGED_OK);
			TEST_CASE(vectors[i], is_wanted(&x, &got));
			/* Until it is cleared the same is read again: the tag is what stops it. */
			TEST_CASE(vectors[i],
				knock(&x, &t, x.ports[5], 3000, &any, &got) == TAGGED_OK);
			tagged_clear(&t);
			TEST_CASE(vectors[i], t.count == 0);
			TEST_CASE(vectors[i],
				knock(&x, &t, x.ports[5], 3000, &any, &got) == TAGGED_FEW);
		}
	}
}

/* The first knock of a source is seen only together with the second; both are read. */
static void test_first_two(void **state)
{
	(void)state;
	struct example x;
	struct tagged_wish got;
	enum tagged_reject r = TAGGED_OTHER;
	example(&x, "sha256");
	struct track t = { .source = x.source };
	classic_knock(&t, x.ports[0], 1000);
	for (size_t i = 1; i < TAGGED_KNOCKS; i++)
		r = knock(&x, &t, x.ports[i], 1000, &any, &got);
	assert_int_equal(r, TAGGED_OK);
}

static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x;
		example(&x, vectors[i]);
		for (size_t k = 0; k < TAGGED_SLOTS; k++)
			x.keys.slot[k] = x.keys.slot[x.wish.slot];
		for (size_t bit = 0; bit < 8 * TAGGED_KNOCKS; bit++) {
			struct track t = { .source = x.source };
			struct tagged_wish got;
			uint16_t *port = &x.ports[bit / 8], was = *port;
			*port = (uint16_t)(x.g.base + ((*port - x.g.base) ^ (1 << bit % 8)));
			enum tagged_reject r = knock_all(&x, &t, NULL, &got);
			TEST_CASE(vectors[i], r == TAGGED_MAC || r == TAGGED_SERVICE);
			*port = was;
		}
	}
}

static void test_reasons(void **state)
{
	(void)state;
	static const struct {
		const char *name, *which, *source;
		uint32_t first, last;
		size_t services;
		bool is_strange; /* another server */
		bool has_no_key, is_not_observed;
		enum tagged_reject want;
	} cases[] = {
		{ "good", "sha256", "192.0.2.10", TAG_AT, TAG_AT, 1, 0, 0, 0, TAGGED_OK },
		{ "early", "sha256", "192.0.2.10", TAG_AT + 1, UINT32_MAX, 1, 0, 0, 0,
			TAGGED_TIME },
		{ "late", "sha256", "192.0.2.10", 0, TAG_AT - 1, 1, 0, 0, 0, TAGGED_TIME },
		{ "no service", "sha256", "192.0.2.10", 0, UINT32_MAX, 0, 0, 0, 0, TAGGED_SERVICE },
		{ "service past the last", "observed", "192.0.2.10", 0, 9, 3, 0, 0, 0,
			TAGGED_SERVICE },
		{ "close", "v6", "2001:db8::17", 0, UINT32_MAX, 0, 0, 0, 0, TAGGED_OK },
		{ "another source", "sha256", "192.0.2.11", 0, UINT32_MAX, 1, 0, 0, 0, TAGGED_MAC },
		{ "another server", "sha256", "192.0.2.10", 0, UINT32_MAX, 1, 1, 0, 0, TAGGED_MAC },
		{ "no key", "sha256", "192.0.2.10", 0, UINT32_MAX, 1, 0, 1, 0, TAGGED_KEY },
		{ "observed", "observed", "198.51.100.9", 0, 0, 4, 0, 0, 0, TAGGED_OK },
		{ "observed, not allowed", "observed", "198.51.100.9", 0, 0, 4, 0, 0, 1,
			TAGGED_MAC },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct example x;
		struct track t = { 0 };
		struct tagged_wish got = { .tag = 77 };
		struct tagged_limits limits = { cases[i].first, cases[i].last };
		enum tagged_reject r = TAGGED_OTHER;
		example(&x, cases[i].which);
		assert_true(addr_parse(cases[i].source, &t.source));
		x.g.service_count = cases[i].services;
		x.g.sid[0] ^= cases[i].is_strange;
		x.g.observed = !cases[i].is_not_observed;
		if (cases[i].has_no_key)
			x.keys.slot[x.wish.slot].is_set = false;
		for (size_t k = 0; k < TAGGED_KNOCKS; k++)
			r = knock(&x, &t, x.ports[k], 1000, &limits, &got);
		TEST_CASE(cases[i].name, r == cases[i].want);
		TEST_CASE(cases[i].name, r == TAGGED_OK || got.tag == 77);
	}
	for (unsigned r = 0; r < TAGGED_REJECT_COUNT; r++)
		assert_non_null(tagged_reject_name((enum tagged_reject)r));
}

static void test_ports_and_age(void **state)
{
	(void)state;
	struct example x;
	struct tagged_wish got;
	example(&x, "sha256");
	struct track t = { .source = x.source };
	assert_int_equal(tagged_read(&x.g, &any, &t, &got), TAGGED_OTHER);
	assert_int_equal(knock(&x, &t, 39999, 1, &any, &got), TAGGED_OTHER);
	assert_int_equal(knock(&x, &t, 40000 + 4096, 1, &any, &got), TAGGED_OTHER);
	assert_int_equal(knock(&x, &t, 40000 + 4095, 1, &any, &got), TAGGED_FEW);

	/* Ten seconds for each byte by itself, whatever somebody knocked before. The low bits of the
	 * time may run over meanwhile. */
	static const struct {
		uint64_t began, last;
		enum tagged_reject want;
	} cases[] = {
		{ 1000, 10999, TAGGED_OK },
		{ 1000, 11000, TAGGED_FEW },
		{ UINT32_MAX - (uint64_t)5000, (uint64_t)UINT32_MAX + 4999, TAGGED_OK },
		{ UINT32_MAX - (uint64_t)5000, (uint64_t)UINT32_MAX + 5000, TAGGED_FEW },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		t = (struct track){ .source = x.source };
		(void)knock(&x, &t, 40000, cases[i].began - 500, &any, &got);
		for (size_t k = 0; k + 1 < TAGGED_KNOCKS; k++)
			(void)knock(&x, &t, x.ports[k], cases[i].began, &any, &got);
		assert_int_equal(
			knock(&x, &t, x.ports[TAGGED_KNOCKS - 1], cases[i].last, &any, &got),
			cases[i].want);
		/* Sent again, the old ones come back to life. */
		enum tagged_reject r = TAGGED_FEW;
		for (size_t k = 0; k + 1 < TAGGED_KNOCKS; k++)
			r = knock(&x, &t, x.ports[k], cases[i].last, &any, &got);
		assert_int_equal(r, TAGGED_OK);
	}
}

/* A small generator: the cases are the same in every run. */
static uint32_t draw(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* A spoofed byte at place, not the true one; smart: such as a spoofer writes who knows how it is made. */
static uint16_t spoof(const struct example *x, size_t place, bool is_smart, uint32_t *seed)
{
	uint8_t truth = (uint8_t)(x->ports[place] - x->g.base), b;
	do
		b = (uint8_t)draw(seed);
	while (b == truth);
	if (is_smart && place == 4)
		b = (uint8_t)(truth + (draw(seed) % 2 != 0 ? 7 : -7));
	if (is_smart && place == 5)
		b = (uint8_t)(1 + draw(seed) % 3);
	return (uint16_t)(x->g.base + 256 * place + b);
}

static enum tagged_reject attempt_amid(struct example *x, size_t before, size_t amid, bool is_smart,
	uint32_t *seed, struct tagged_wish *got)
{
	struct track t = { .source = x->source };
	enum tagged_reject r = TAGGED_FEW;
	uint8_t room[TAGGED_KNOCKS];
	memset(room, TRACK_TAG_CANDIDATES - 1, sizeof(room));
	for (size_t i = 0; i < before; i++)
		(void)knock(x, &t, spoof(x, draw(seed) % TAGGED_KNOCKS, is_smart, seed), 900,
			&around, got);
	for (size_t i = 0; i < TAGGED_KNOCKS; i++) {
		r = knock(x, &t, x->ports[i], 1000, &around, got);
		if (r == TAGGED_OK)
			return r;
		for (size_t k = 0; k < amid; k++) {
			size_t place = draw(seed) % TAGGED_KNOCKS;
			if (room[place] > 0 && place <= i) {
				room[place]--;
				r = knock(
					x, &t, spoof(x, place, is_smart, seed), 1000, &around, got);
				TEST_CASE("spoofed", r != TAGGED_OK);
			}
		}
	}
	return r;
}

/* Every slot has a key, as the worst case has it; the clock limits the tag. */
static void test_spoofed(void **state)
{
	(void)state;
	struct example x;
	struct tagged_wish got;
	uint32_t seed = 1;
	example(&x, "sha256");
	for (size_t k = 0; k < TAGGED_SLOTS; k++)
		x.keys.slot[k] = x.keys.slot[x.wish.slot];
	for (unsigned run = 0; run < 300; run++) {
		/* None, sixteen or very many before; and up to two at every place amid the attempt. */
		size_t before = run % 3 == 0 ? 0 : run % 3 == 1 ? 16 : 2000;
		size_t amid = run % 5;
		TEST_CASE("amid",
			attempt_amid(&x, before, amid, run % 2 != 0, &seed, &got) == TAGGED_OK);
		TEST_CASE("amid", is_wanted(&x, &got));
	}
}

/* Both spoofed bytes at every place, after the true one: 48 candidates, of which the last knock is one. */
static void test_two_at_every_place(void **state)
{
	(void)state;
	for (size_t last = 0; last < TAGGED_KNOCKS; last++) {
		struct example x;
		struct tagged_wish got;
		uint32_t seed = 7;
		example(&x, "sha256");
		struct track t = { .source = x.source };
		for (size_t k = 0; k < TAGGED_SLOTS; k++)
			x.keys.slot[k] = x.keys.slot[x.wish.slot];
		for (size_t i = 0; i < TAGGED_KNOCKS; i++) {
			if (i != last)
				(void)knock(&x, &t, x.ports[i], 1000, &around, &got);
			(void)knock(&x, &t, spoof(&x, i, true, &seed), 1000, &around, &got);
			(void)knock(&x, &t, spoof(&x, i, true, &seed), 1000, &around, &got);
		}
		assert_int_equal(knock(&x, &t, x.ports[last], 1000, &around, &got), TAGGED_OK);
		assert_true(is_wanted(&x, &got));
	}
}

/* Where the bound lies: a third one at a place pushes the true byte out; sent again, it comes back. */
static void test_three_at_a_place(void **state)
{
	(void)state;
	struct example x;
	struct tagged_wish got;
	example(&x, "sha256");
	struct track t = { .source = x.source };
	for (size_t i = 0; i + 1 < TAGGED_KNOCKS; i++)
		(void)knock(&x, &t, x.ports[i], 1000, &around, &got);
	for (uint16_t i = 1; i <= 3; i++)
		(void)knock(&x, &t, (uint16_t)(x.ports[6] ^ i), 1000, &around, &got);
	assert_int_equal(knock(&x, &t, x.ports[15], 1000, &around, &got), TAGGED_MAC);
	assert_int_equal(knock(&x, &t, x.ports[6], 1000, &around, &got), TAGGED_OK);
}

/* Without a clock more than 64 choices may be left: then an attempt dies, and costs no more than the 64. */
static void test_counter_bound(void **state)
{
	(void)state;
	struct example x;
	struct tagged_wish got;
	example(&x, "sha256");
	for (size_t places = 3; places <= 4; places++) {
		struct track t = { .source = x.source };
		enum tagged_reject r = TAGGED_FEW;
		for (size_t i = 0; i + 1 < TAGGED_KNOCKS; i++)
			(void)knock(&x, &t, x.ports[i], 1000, &any, &got);
		/* 3^3 tags by two addresses; then 3^4. */
		for (size_t i = 1; i <= places; i++)
			for (uint16_t k = 1; k <= 2; k++)
				(void)knock(&x, &t,
					(uint16_t)(x.g.base + 256 * i +
						((x.ports[i] - x.g.base + k) & 0xff)),
					1000, &any, &got);
		r = knock(&x, &t, x.ports[15], 1000, &any, &got);
		assert_int_equal(r, places == 3 ? TAGGED_OK : TAGGED_MAC);
	}
}

/* ------------------------------------------------------------------ the file of keys */

#define KEY_A "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="

static void test_keys(void **state)
{
	(void)state;
	static struct tagged_keys keys;
	struct fault f = { "" };
	const char *text = "# who may knock\n\n7 " KEY_A " Ops/VSD\n  255\t" KEY_B
			   "  CN=Ann Other/O=VSD \r\n000 " KEY_B " x";
	assert_int_equal(tagged_keys_parse("keys", span_of(text, strlen(text)), &keys, &f), 0);
	assert_int_equal(keys.count, 3);
	assert_true(keys.slot[7].is_set && keys.slot[255].is_set && keys.slot[0].is_set);
	assert_string_equal(keys.slot[7].name, "Ops/VSD");
	assert_string_equal(keys.slot[255].name, "CN=Ann Other/O=VSD");
	for (uint8_t i = 0; i < TAGGED_KEY_LEN; i++) {
		assert_int_equal(keys.slot[7].key[i], i);
		assert_int_equal(keys.slot[0].key[i], 0x20 + i);
	}
	assert_int_equal(tagged_keys_parse("keys", span_of(NULL, 0), &keys, &f), 0);
	assert_int_equal(keys.count, 0);
}

static void test_keys_refused(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "word", "x " KEY_A " Ops", "keys:1: the line does not begin with a slot" },
		{ "256", "# a\n256 " KEY_A " Ops", "keys:2: the line does not begin with a slot" },
		{ "minus", "-1 " KEY_A " Ops", "keys:1: the line does not begin with a slot" },
		{ "long", "0007 " KEY_A " Ops", "keys:1: the line does not begin with a slot" },
		{ "twice", "1 " KEY_A " Ops\n1 " KEY_B " Ops", "keys:2: the slot has a key" },
		{ "no key", "1", "keys:1: the key is not" },
		{ "short", "1 AAECAwQF Ops", "keys:1: the key is not" },
		{ "no padding", "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8 Ops",
			"keys:1: the key is not" },
		{ "loose bits", "1 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9= Ops",
			"keys:1: the key is not" },
		{ "url", "1 __ECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Ops",
			"keys:1: the key is not" },
		{ "no name", "1 " KEY_A " ", "keys:1: the name of" },
		{ "control", "1 " KEY_A " a\x1b[1m", "keys:1: the name of" },
	};
	static struct tagged_keys keys;
	static const struct tagged_keys none;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fault f = { "" };
		struct span text = span_of(cases[i].text, strlen(cases[i].text));
		TEST_CASE(cases[i].name, tagged_keys_parse("keys", text, &keys, &f) == -EINVAL);
		TEST_CASE(
			cases[i].name, strncmp(f.text, cases[i].want, strlen(cases[i].want)) == 0);
		assert_memory_equal(&keys, &none, sizeof(none));
		assert_null(strstr(f.text, "AAEC"));
	}
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
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_first_two),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_ports_and_age),
		cmocka_unit_test(test_spoofed),
		cmocka_unit_test(test_two_at_every_place),
		cmocka_unit_test(test_three_at_a_place),
		cmocka_unit_test(test_counter_bound),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_keys_refused),
	};
	return cmocka_run_group_tests(tests, open_legacy, close_legacy);
}
