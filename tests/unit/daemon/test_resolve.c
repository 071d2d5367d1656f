/* What a resolving process may say, and what it may not. */

#include "daemon/resolve.h"
#include "people.h"

static const char config_text[] =
	"server { id = /s relay-id = /r directory = /d allow = {\"*\"} }\n"
	"door wan { interface = e spa { } }\n"
	"passthru fixed { listen = tcp/1 to = \"10.0.0.8:1\" allow = {\"*\"} }\n"
	"passthru named { listen = tcp/2 to = \"mail.inner:2\" allow = {\"*\"} }\n";

static struct resolve_answer two(void)
{
	struct resolve_answer a = { .index = 1, .count = 2 };
	assert_true(addr_parse("10.0.0.9", &a.addrs[0]));
	assert_true(addr_parse("2001:db8::9", &a.addrs[1]));
	return a;
}

static void test_round(void **state)
{
	struct boot b = people_boot(config_text, "");
	struct resolve_answer a = two(), got;
	uint8_t data[RESOLVE_ANSWER_MAX];
	(void)state;
	assert_true(resolve_is_needed_for_any(b.config));
	assert_false(resolve_is_needed(&b.config->passthrus[0]));
	size_t len = resolve_encode(&a, data);
	assert_int_equal(len, 3 + 2 * 16);
	assert_true(resolve_decode(span_of(data, len), b.config, &got));
	assert_memory_equal(&got, &a, sizeof(a));
	for (size_t n = 0; n < len; n++)
		assert_false(resolve_decode(span_of(data, n), b.config, &got));
	people_free(&b);
}

/* Whatever is taken is whole and about a host's addresses. */
static void test_flipped(void **state)
{
	struct boot b = people_boot(config_text, "");
	struct resolve_answer a = two(), got;
	uint8_t data[RESOLVE_ANSWER_MAX], again[RESOLVE_ANSWER_MAX];
	(void)state;
	size_t len = resolve_encode(&a, data);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (resolve_decode(span_of(data, len), b.config, &got)) {
			assert_true(bit >= 24);
			assert_int_equal(resolve_encode(&got, again), len);
			assert_memory_equal(again, data, len);
		}
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	people_free(&b);
}

static void test_refused(void **state)
{
	static const struct {
		const char *name;
		uint8_t data[3 + 17];
		size_t len;
	} cases[] = {
		{ "empty", { 0 }, 0 },
		{ "of a passthru that there is not", { 0, 2, 0 }, 3 },
		{ "of one whose address is known", { 0, 0, 0 }, 3 },
		{ "too many", { 0, 1, RELAY_ADDRS_MAX + 1 }, 3 },
		{ "no address", { 0, 1, 1 }, 19 },
		{ "a multicast address",
			{ 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 224, 0, 0, 1 }, 19 },
		{ "more after it", { 0, 1, 0, 0 }, 4 },
	};
	struct boot b = people_boot(config_text, "");
	struct resolve_answer got;
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name,
			!resolve_decode(span_of(cases[i].data, cases[i].len), b.config, &got));
	people_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round),
		cmocka_unit_test(test_flipped),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
