/*
 * The directory: the vector file field by field, every mistake with its sentence, every truncation
 * and bit flip of a good line, and lookups in a large one.
 */

#include "base/text.h"
#include "identity/directory.h"
#include "test.h"

#define PK "AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define KEY "ssh-ed25519 " PK
#define SK                                                                                             \
	"sk-ssh-ed25519@openssh.com "                                                                  \
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYMAAAA" \
	"BHNzaDo="
#define ID_A "sha256:313caffd0edb20236f7ae9b2ea265148afa8e44d3c9c1c6f5634b4b20a3ec8d2"
#define ID_B "sha256:c6c1c9a9c8543f1e4cd980064cf1625eeb61a90703b2464fff039f21682508b3"
#define PK_ID "06e3fd8fda29bb60ab59557de61edb0aecdb231134be30e75b455f8e1b792fa9"

#define DOC "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"

static struct directory_faults faults;

static struct span text_span(const char *text)
{
	return span_of(text, strlen(text));
}

static uint8_t *slurp(const char *path, size_t *ret_len)
{
	uint8_t *data = malloc(65536);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_non_null(data);
	*ret_len = fread(data, 1, 65536, f);
	fclose(f);
	return data;
}

static void check_hex(const uint8_t bytes[32], const char *hex)
{
	char to[65];
	assert_string_equal(text_hex(span_of(bytes, 32), to), hex);
}

static void check_name(const struct directory_entry *e, const char *expected)
{
	char to[NAME_TEXT_MAX];
	assert_string_equal(name_format(&e->name, to), expected);
}

static struct directory *load_vectors(void)
{
	size_t len;
	uint8_t *text = slurp(TEST_VECTORS "/identity/directory", &len);
	struct directory *d = directory_parse(span_of(text, len), &faults);
	free(text);
	assert_non_null(d);
	assert_int_equal(directory_count(d), 6);
	return d;
}

static void test_vectors(void **state)
{
	(void)state;
	struct directory *d = load_vectors();
	const struct directory_entry *e = directory_at(d, 0);
	check_name(e, "Admin/VSD");
	assert_int_equal(e->line, 2);
	assert_int_equal(e->key, DIRECTORY_ED25519);
	assert_true(e->is_certified_equivalent);
	assert_true(e->expires_ms == UINT64_C(1858550400000)); /* 2028-11-23T00:00:00Z */
	check_hex(e->pk, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
	check_hex(e->key_id, PK_ID);

	e = directory_at(d, 1);
	check_name(e, "John Smith/UB/QN/VSD");
	assert_int_equal(e->key, DIRECTORY_SK_ED25519);
	assert_true(e->requires_up && e->requires_uv);
	assert_int_equal(e->application_len, 4);
	assert_memory_equal(e->application, "ssh:", 4);
	check_hex(e->key_id, "8c0ad98c74cd92d9056398452d3bde921029549a17b599469632a46aca1464e6");
	assert_true(e->expires_ms == UINT64_MAX);

	e = directory_at(d, 2);
	check_name(e, "Gate1/QN/VSD");
	assert_int_equal(e->kind, DIRECTORY_SERVER);
	assert_int_equal(e->key, DIRECTORY_KEY_ID_ONLY);
	assert_true(e->has_next);
	check_hex(e->key_id, &ID_A[7]);
	check_hex(e->key_next, &ID_B[7]);
	assert_ptr_equal(directory_find(d, e->key_id), e);
	assert_ptr_equal(directory_find(d, e->key_next), e);

	e = directory_at(d, 3);
	assert_true(e->is_disabled && e->is_locked);
	assert_true(e->expires_ms == UINT64_C(86400000));

	e = directory_at(d, 4);
	check_name(e, "J\xc3\xb6rg \"J\\\" Wei\xc3\x9f/VSD/de");
	assert_int_equal(e->from_count, 3);
	struct addr inside = { { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7 } };
	assert_true(prefix_contains(&e->from[2], &inside));
	assert_false(prefix_contains(&e->from[1], &inside));

	assert_false(e->has_document_key);
	e = directory_at(d, 5);
	check_name(e, "Jane Doe/VSD");
	assert_true(e->has_document_key);
	check_hex(e->document_key, DOC); /* RFC 7748 6.1, the key of Bob */

	uint8_t stranger[32] = { 1 };
	assert_null(directory_find(d, stranger));
	struct name n;
	assert_int_equal(name_parse("JOHN smith/ub/qn/vsd", false, &n), NAME_OK);
	assert_ptr_equal(directory_find_name(d, &n), directory_at(d, 1));
	assert_int_equal(name_parse("Nobody/VSD", false, &n), NAME_OK);
	assert_null(directory_find_name(d, &n));
	assert_null(directory_at(d, 6));
	directory_free(d);
}

#define N "name=\"Admin/VSD\""
#define X10 "xxxxxxxxxx"

static const struct {
	const char *name, *line, *expected;
} mistakes[] = {
	{ "no options", KEY, "no options before the key" },
	{ "no options, token", SK, "no options before the key" },
	{ "no options, id", "postern-key " ID_A, "no options before the key" },
	{ "no name", "kind=user " KEY, "no name" },
	{ "no key", N, "no key" },
	{ "no key but a space", N " ", "no key" },
	{ "key type alone", N " ssh-ed25519", "nothing stands after" },
	{ "unknown option", N ",frmo=\"10.0.0.0/8\" " KEY, "\"frmo\" is unknown" },
	{ "upper-case option", "NAME=\"Admin/VSD\" " KEY, "\"NAME\" is unknown" },
	{ "very long option", N "," X10 X10 X10 X10 " " KEY, "is unknown; correct" },
	{ "hostile option and value", "a\xff=\"x " KEY, "\"a\\xff\" is unknown" },
	{ "option in hostile bytes", N ",a\xff\xfe=1 " KEY, "\"a\\xff\\xfe\" is unknown" },
	{ "twice", N "," N " " KEY, "name stands twice" },
	{ "flag twice", N ",locked,locked " KEY, "locked stands twice" },
	{ "empty option", N ",, " KEY, "an option is empty" },
	{ "trailing comma", N ", " KEY, "an option is empty" },
	{ "space after the comma", N ", locked " KEY, "an option is empty" },
	{ "only a value", "=x " KEY, "an option is empty" },
	{ "name without value", "name " KEY, "name needs a value" },
	{ "flag with value", N ",locked=yes " KEY, "locked takes no value" },
	{ "unclosed quote", "name=\"Admin/VSD " KEY, "no closing quote" },
	{ "escaped closing quote", "name=\"Admin/VSD\\\" " KEY, "no closing quote" },
	{ "lone backslash", "name=\"A\\dmin/VSD\" " KEY, "lone backslash" },
	{ "backslash at the end", "name=\"A\\", "lone backslash" },
	{ "text after the quote", N "x " KEY, "follows the closing quote" },
	{ "quote in a bare value", "name=a\"b/VSD " KEY, "needs quotes" },
	{ "refused name", "name=\"Admin\" " KEY, "an organisation is missing" },
	{ "name of a certifier", "name=\"O=VSD\" " KEY, "needs a common name" },
	{ "empty name", "name=\"\" " KEY, "the name is empty" },
	{ "short organisation", "name=\"CN=a/O=QN\" " KEY, "three or more characters" },
	{ "unknown kind", N ",kind=admin " KEY, "write user or server" },
	{ "empty kind", N ",kind= " KEY, "write user or server" },
	{ "31 November", N ",expires=2028-11-31 " KEY, "is no date" },
	{ "29 February", N ",expires=2027-02-29 " KEY, "is no date" },
	{ "month 13", N ",expires=2027-13-01 " KEY, "is no date" },
	{ "day 0", N ",expires=2027-12-00 " KEY, "is no date" },
	{ "before 1970", N ",expires=1969-12-31 " KEY, "is no date" },
	{ "date and time", N ",expires=2028-11-19T00 " KEY, "is no date" },
	{ "signed year", N ",expires=+028-11-19 " KEY, "is no date" },
	{ "slashes", N ",expires=2028/11/19 " KEY, "is no date" },
	{ "from a host name", N ",from=\"gw.example\" " KEY, "is no prefix" },
	{ "from with host bits", N ",from=\"10.0.0.1/8\" " KEY, "is no prefix" },
	{ "from too long", N ",from=\"10.0.0.0/33\" " KEY, "is no prefix" },
	{ "from empty", N ",from=\"\" " KEY, "is no prefix" },
	{ "from, a hole", N ",from=\"10.0.0.0/8,,::/0\" " KEY, "is no prefix" },
	{ "from, very long", N ",from=\"" X10 X10 X10 X10 X10 X10 "\" " KEY, "is no prefix" },
	{ "nine prefixes", N ",from=\"::1,::2,::3,::4,::5,::6,::7,::8,::9\" " KEY, "more than 8" },
	{ "key-next bare hex", N ",key-next=00 " KEY, "is no key id" },
	{ "key-next short", N ",key-next=sha256:00 " KEY, "is no key id" },
	{ "key-next is the key", N ",key-next=sha256:" PK_ID " " KEY, "the key itself" },
	{ "document-key bare hex", N ",document-key=" DOC " " KEY, "is no key; write x25519:" },
	{ "document-key short", N ",document-key=x25519:00 " KEY, "is no key; write x25519:" },
	{ "document-key zero", N ",document-key=x25519:" ZERO " " KEY, "is no key; write x25519:" },
	{ "document-key no value", N ",document-key " KEY, "document-key needs a value" },
	{ "require unknown", N ",require=\"uv\" " SK, "touch and PIN" },
	{ "require without a token", N ",require=\"up\" " KEY, "cannot show a touch" },
	{ "require with an id", N ",require=\"up\" postern-key " ID_A, "cannot show a touch" },
	{ "RSA", N " ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAA", "\"ssh-rsa\" is not accepted" },
	{ "not base64", N " ssh-ed25519 AAAA_", "no base64" },
	{ "cut base64", N " ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA", "not of type ssh-ed25519" },
	{ "one byte more", N " " KEY "AAAA", "not of type ssh-ed25519" },
	{ "key too long for any", N " " KEY PK PK, "no base64" },
	{ "token's blob as plain",
		N " ssh-ed25519 AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAID1AF8"
		  "PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYMAAAABHNzaDo=",
		"not of type ssh-ed25519" },
	{ "plain blob as a token's", N " sk-ssh-ed25519@openssh.com " PK, "not of type sk-" },
	{ "token without application",
		N " sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc"
		  "2guY29tAAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYMAAAAAA==",
		"application" },
	{ "id without sha256:", N " postern-key 313caffd0edb2023", "is no key id" },
	{ "id cut", N " postern-key sha256:313caffd0edb2023", "is no key id" },
	{ "id with a letter too many", N " postern-key " ID_A "0", "is no key id" },
	{ "carriage return", N " " KEY "\r", "carriage return" },
	{ "control character", N " " KEY " a\x01z", "control character" },
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(mistakes); i++) {
		struct directory_entry e, before;
		struct fault f = { "" };
		memset(&e, 0x5a, sizeof(e));
		before = e;
		int rc = directory_line_parse(text_span(mistakes[i].line), &e, &f);
		if (rc >= 0 || strstr(f.text, mistakes[i].expected) == NULL ||
			strlen(f.text) >= sizeof(faults.items[0].text))
			fail_msg("case \"%s\": %d \"%s\"", mistakes[i].name, rc, f.text);
		assert_memory_equal(&e, &before, sizeof(e));
	}
}

static void test_lengths(void **state)
{
	(void)state;
	static char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry e;
	struct fault f;
	memset(line, 'x', sizeof(line));
	memcpy(line, N " " KEY " ", strlen(N " " KEY " "));
	assert_int_equal(directory_line_parse(span_of(line, DIRECTORY_LINE_MAX), &e, &f), 1);
	assert_true(directory_line_parse(span_of(line, DIRECTORY_LINE_MAX + 1), &e, &f) < 0);
	assert_non_null(strstr(f.text, "longer than"));
	line[0] = '#';
	assert_int_equal(directory_line_parse(span_of(line, sizeof(line)), &e, &f), 0);
	memcpy(line, "name=\"", 6);
	memset(line + 6, 'x', sizeof(line) - 6);
	assert_true(directory_line_parse(span_of(line, 2000), &e, &f) < 0);
	assert_non_null(strstr(f.text, "longer than"));
	memcpy(line, "name=x", 6);
	assert_true(directory_line_parse(span_of(line, 2000), &e, &f) < 0);
	assert_non_null(strstr(f.text, "needs quotes"));
	assert_int_equal(directory_line_parse(span_of(NULL, 0), &e, &f), 0);
	assert_int_equal(directory_line_parse(text_span(" \t "), &e, &f), 0);
}

static void test_names_the_other_line(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *expected;
		unsigned line;
	} cases[] = {
		{ "equal keys", "name=a/VSD " KEY "\n#\nname=b/VSD " KEY "\n",
			"stands on line 1 already; remove", 3 },
		{ "same key as SSH key and as id",
			"name=a/VSD " KEY "\nname=b/VSD postern-key sha256:" PK_ID "\n",
			"stands on line 1 already; remove", 2 },
		{ "key-next is another's key",
			"name=a/VSD postern-key " ID_A "\nname=b/VSD,key-next=" ID_A " " KEY "\n",
			"stands on line 1 already; remove", 2 },
		{ "key is another's key-next",
			"name=a/VSD,key-next=" ID_A " " KEY "\nname=b/VSD postern-key " ID_A "\n",
			"stands on line 1 already; remove", 2 },
		{ "equal names", "\nname=a/VSD " KEY "\nname=\"CN=A/O=vsd\" postern-key " ID_A "\n",
			"name \"A/vsd\" stands on line 2 already", 3 },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct directory *d = directory_parse(text_span(cases[i].text), &faults);
		TEST_CASE(cases[i].name, d == NULL && faults.count == 1 && faults.kept == 1);
		TEST_CASE(cases[i].name, faults.items[0].line == cases[i].line);
		TEST_CASE(cases[i].name, strstr(faults.items[0].text, cases[i].expected) != NULL);
	}
}

static void test_all_mistakes_are_counted(void **state)
{
	(void)state;
	static char text[150 * 8];
	for (size_t i = 0; i < 150; i++)
		memcpy(text + 8 * i, "what=??\n", 8);
	assert_null(directory_parse(span_of(text, sizeof(text)), &faults));
	assert_int_equal(faults.count, 150);
	assert_int_equal(faults.kept, DIRECTORY_FAULTS_MAX);
	assert_int_equal(faults.items[99].line, 100);

	/* Found in two passes, told in the order of lines. */
	assert_null(directory_parse(
		text_span("name=a/VSD " KEY "\nname=b/VSD " KEY "\nnonsense\n"), &faults));
	assert_int_equal(faults.count, 2);
	assert_int_equal(faults.items[0].line, 2);
	assert_int_equal(faults.items[1].line, 3);
}

static void test_empty(void **state)
{
	(void)state;
	static const char *const texts[] = { "", "\n", "# nobody", "\n\n  \n#x\n" };
	for (size_t i = 0; i < TEST_LEN(texts); i++) {
		uint8_t id[32] = { 0 };
		struct directory *d = directory_parse(text_span(texts[i]), &faults);
		assert_non_null(d);
		assert_int_equal(directory_count(d), 0);
		assert_null(directory_find(d, id));
		directory_free(d);
	}
	directory_free(NULL);
	struct directory *d = directory_parse(text_span("name=a/VSD " KEY), &faults);
	assert_non_null(d);
	assert_int_equal(directory_count(d), 1);
	directory_free(d);
}

/* Names to the case of their letters; what is behind a count is nobody's. */
static bool is_same(const struct directory_entry *a, const struct directory_entry *b)
{
	char p[NAME_TEXT_MAX], q[NAME_TEXT_MAX];
	return strcmp(name_format_canonical(&a->name, p), name_format_canonical(&b->name, q)) ==
		0 &&
		a->kind == b->kind && a->key == b->key && memcmp(a->key_id, b->key_id, 32) == 0 &&
		memcmp(a->pk, b->pk, 32) == 0 && a->application_len == b->application_len &&
		memcmp(a->application, b->application, a->application_len) == 0 &&
		a->has_next == b->has_next && memcmp(a->key_next, b->key_next, 32) == 0 &&
		a->has_document_key == b->has_document_key &&
		memcmp(a->document_key, b->document_key, 32) == 0 &&
		a->is_disabled == b->is_disabled && a->is_locked == b->is_locked &&
		a->is_certified_equivalent == b->is_certified_equivalent &&
		a->requires_up == b->requires_up && a->requires_uv == b->requires_uv &&
		a->expires_ms == b->expires_ms && a->from_count == b->from_count &&
		memcmp(a->from, b->from, a->from_count * sizeof(a->from[0])) == 0;
}

/* Entries are as long as what they use; each kind of end, first, last and between others. */
static void test_lengths_of_entries(void **state)
{
	(void)state;
	static const char *const lines[] = {
		"name=\"a/VSD\" postern-key " ID_A,
		"name=\"CN=b/OU=" X10 "/OU=" X10 "/OU=" X10 "/OU=" X10 "/O=VSD/C=de\" " SK,
		"name=\"c/VSD\",from=\"10.0.0.0/8\" " KEY,
		"name=\"d/VSD\",from=\"::1,::2,::3,::4,::5,::6,::7,::8\" postern-key " ID_B,
	};
	char text[4 * TEST_LEN(lines) * 256];
	for (size_t turn = 0; turn < TEST_LEN(lines); turn++) {
		size_t len = 0;
		for (size_t i = 0; i < TEST_LEN(lines); i++)
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s\n",
				lines[(turn + i) % TEST_LEN(lines)]);
		struct directory *d = directory_parse(span_of(text, len), &faults);
		assert_non_null(d);
		for (size_t i = 0; i < TEST_LEN(lines); i++) {
			const char *line = lines[(turn + i) % TEST_LEN(lines)];
			struct directory_entry e, copy = *directory_at(d, i);
			struct fault f;
			assert_int_equal(directory_line_parse(text_span(line), &e, &f), 1);
			assert_true(is_same(&e, directory_at(d, i)));
			assert_true(is_same(&e, &copy));
			assert_int_equal(copy.line, i + 1);
		}
		directory_free(d);
	}
}

static void test_format(void **state)
{
	(void)state;
	struct directory *d = load_vectors();
	char line[DIRECTORY_LINE_MAX + 2];
	for (size_t i = 0; i < directory_count(d); i++) {
		struct directory_entry again;
		struct fault f;
		size_t n = directory_line_format(directory_at(d, i), "a \"b\"", line, sizeof(line));
		assert_int_equal(n, strlen(line));
		assert_int_equal(directory_line_parse(span_of(line, n - 1), &again, &f), 1);
		assert_true(is_same(&again, directory_at(d, i)));
		assert_int_equal(directory_line_format(&again, "a \"b\"", line, n), 0);
		assert_int_equal(directory_line_format(&again, "a \"b\"", line, n + 1), n);
		assert_int_equal(directory_line_format(&again, "a\nname=x", line, sizeof(line)), 0);
	}
	directory_line_format(directory_at(d, 0), NULL, line, sizeof(line));
	assert_string_equal(line,
		"name=\"Admin/VSD\",kind=user,expires=2028-11-22,certified-equivalent " KEY "\n");
	directory_free(d);
}

/*
 * A damaged line is refused, or is an entry that differs; it is never the same entry with less
 * said.
 */
static void test_damage(void **state)
{
	(void)state;
	static const char good[] =
		"name=\"Admin/VSD\",expires=2028-11-22,from=\"10.0.0.0/8\",locked " KEY;
	struct directory_entry whole, e;
	struct fault f;
	char line[sizeof(good)];
	size_t len = sizeof(good) - 1;
	assert_int_equal(directory_line_parse(span_of(good, len), &whole, &f), 1);
	for (size_t n = 1; n < len; n++)
		assert_true(directory_line_parse(span_of(good, n), &e, &f) < 0);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		memcpy(line, good, sizeof(good));
		line[bit / 8] = (char)(line[bit / 8] ^ 1 << bit % 8);
		if (line[0] == '#' || directory_line_parse(span_of(line, len), &e, &f) < 0)
			continue;
		/* Letters of the name may change case, which compares equal. */
		bool is_case = bit % 8 == 5 && name_equal(&e.name, &whole.name);
		assert_true(is_case || !is_same(&e, &whole));
		assert_true(e.is_locked && e.from_count == 1 && e.expires_ms != UINT64_MAX);
	}
}

static void test_large(void **state)
{
	(void)state;
	size_t count = 20000, len = 0;
	char *text = malloc(count * 256);
	assert_non_null(text);
	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, 256,
			"name=u%zu/VSD,key-next=sha256:1%063zx postern-key sha256:0%063zx\n", i, i,
			i);
	struct directory *d = directory_parse(span_of(text, len), &faults);
	free(text);
	if (d == NULL)
		fail_msg("line %u: %s", faults.items[0].line, faults.items[0].text);
	assert_int_equal(directory_count(d), count);
	for (size_t i = 0; i < count; i++) {
		const struct directory_entry *e = directory_at(d, i);
		assert_ptr_equal(directory_find(d, e->key_id), e);
		assert_ptr_equal(directory_find(d, e->key_next), e);
		assert_ptr_equal(directory_find_name(d, &e->name), e);
		uint8_t other[32];
		memcpy(other, e->key_id, 32);
		other[0] ^= 0xf0;
		assert_null(directory_find(d, other));
	}
	directory_free(d);
}

static void test_too_large(void **state)
{
	(void)state;
	/* The length is looked at before any byte is. */
	assert_null(directory_parse(span_of("", DIRECTORY_FILE_MAX + 1), &faults));
	assert_int_equal(faults.items[0].line, 0);
	assert_non_null(strstr(faults.items[0].text, "512 MiB"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_names_the_other_line),
		cmocka_unit_test(test_all_mistakes_are_counted),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_lengths_of_entries),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_too_large),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
