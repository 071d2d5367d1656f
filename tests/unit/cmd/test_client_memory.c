/* The memory file: what is written reads back, and nothing else is taken for one. */

#include "base/text.h"
#include "cmd/client_memory.h"
#include "test.h"

#define KEY "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static struct span span_text(const char *text)
{
	return span_of(text, strlen(text));
}

static struct postern_memory sample(void)
{
	struct postern_memory m = {
		.instance = 0x0123456789abcdef,
		.offset_ms = -95123,
		.prekey_id = 7,
		.prekey_not_after_ms = 1800000000000,
		.last_address = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7 },
		.identity = POSTERN_IDENTITY_CHAIN,
	};
	for (size_t i = 0; i < 32; i++)
		m.prekey[i] = (uint8_t)i;
	return m;
}

static bool same(const struct postern_memory *a, const struct postern_memory *b)
{
	return a->instance == b->instance && a->offset_ms == b->offset_ms &&
		a->prekey_id == b->prekey_id && a->prekey_not_after_ms == b->prekey_not_after_ms &&
		memcmp(a->prekey, b->prekey, 32) == 0 &&
		memcmp(a->last_address, b->last_address, 16) == 0 && a->identity == b->identity;
}

static void reads_back(void **state)
{
	char text[CLIENT_MEMORY_LEN_MAX];
	struct postern_memory m = sample(), zero = { 0 }, back;
	(void)state;

	size_t len = client_memory_format("Gate1/VSD", &m, text);
	assert_true(client_memory_parse(span_of(text, len), &back));
	assert_true(same(&m, &back));
	assert_non_null(strstr(text, "address 192.0.2.7\n"));
	assert_non_null(strstr(text, "identity chain\n"));

	m.identity = POSTERN_IDENTITY_KEY;
	len = client_memory_format("Gate1/VSD", &m, text);
	assert_true(client_memory_parse(span_of(text, len), &back));
	assert_true(same(&m, &back));
	m.identity = 77; /* what no session leaves behind is not written */
	client_memory_format("Gate1/VSD", &m, text);
	assert_null(strstr(text, "identity"));
	m.identity = POSTERN_IDENTITY_AUTO;

	len = client_memory_format("Gate1/VSD", &zero, text);
	assert_true(client_memory_parse(span_of(text, len), &back));
	assert_true(same(&zero, &back));

	m.offset_ms = INT64_C(3162240000000);
	len = client_memory_format("Gate1/VSD", &m, text);
	assert_true(client_memory_parse(span_of(text, len), &back));
	assert_true(same(&m, &back));
}

static void refuses(void **state)
{
	static const struct {
		const char *name, *text;
	} cases[] = {
		{ "no line end", "offset-ms 5" },
		{ "unknown key", "colour red\n" },
		{ "key without value", "instance\n" },
		{ "instance too short", "instance 0123\n" },
		{ "instance not hex", "instance 0123456789abcdeg\n" },
		{ "offset not a number", "offset-ms x\n" },
		{ "offset with a tail", "offset-ms 5s\n" },
		{ "offset two signs", "offset-ms --5\n" },
		{ "offset past a century", "offset-ms 3162240000001\n" },
		{ "offset past 64 bits", "offset-ms 99999999999999999999\n" },
		{ "prekey without key", "prekey 1 1800000000000\n" },
		{ "prekey id past 255", "prekey 256 1800000000000 " KEY "\n" },
		{ "prekey with a tail", "prekey 1 1800000000000 " KEY " x\n" },
		{ "prekey key too long", "prekey 1 1800000000000 " KEY "00\n" },
		{ "address not numeric", "address gw\n" },
		{ "identity of no kind", "identity auto\n" },
		{ "identity with a tail", "identity key x\n" },
		{ "twice", "offset-ms 5\noffset-ms 5\n" },
		{ "a later line is bad", "offset-ms 5\naddress x\n" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct postern_memory m = sample(), before = m;
		TEST_CASE(cases[i].name, !client_memory_parse(span_text(cases[i].text), &m));
		TEST_CASE(cases[i].name, same(&m, &before));
	}
	struct postern_memory m;
	assert_false(client_memory_parse(span_of("offset-ms 5\0\n", 13), &m));
}

/* Every prefix that ends inside a line is refused; nothing reads outside. */
static void prefixes(void **state)
{
	char text[CLIENT_MEMORY_LEN_MAX];
	struct postern_memory m = sample(), back;
	(void)state;
	size_t len = client_memory_format("Gate1/VSD", &m, text);
	for (size_t n = 0; n < len; n++) {
		uint8_t *cut = malloc(n + 1);
		assert_non_null(cut);
		memcpy(cut, text, n);
		bool is_whole = n == 0 || text[n - 1] == '\n';
		assert_int_equal(client_memory_parse(span_of(cut, n), &back), is_whole);
		free(cut);
	}
}

/* A missing file is a server never met; a broken one is said so. */
static void files(void **state)
{
	char folder[] = "/tmp/memory-XXXXXX", path[64];
	struct postern_memory m = sample(), back;
	struct fault f;
	(void)state;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/sid", folder);
	assert_int_equal(client_memory_load(path, &back, &f), 0);
	assert_int_equal(back.instance, 0);
	assert_int_equal(client_memory_store(path, "Gate1/VSD", &m, &f), 0);
	assert_int_equal(client_memory_load(path, &back, &f), 0);
	assert_true(same(&m, &back));

	FILE *out = fopen(path, "w");
	assert_non_null(out);
	fputs("offset-ms", out);
	fclose(out);
	assert_true(client_memory_load(path, &back, &f) < 0);
	assert_non_null(strstr(f.text, "not a memory file"));
	assert_int_equal(back.instance, 0);
	remove(path);
	remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_back),
		cmocka_unit_test(refuses),
		cmocka_unit_test(prefixes),
		cmocka_unit_test(files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
