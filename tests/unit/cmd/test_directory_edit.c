/* Editing a directory: one line comes or goes, every other byte stays; options cannot smuggle others in. */

#include <errno.h>

#include "cmd/directory_edit.h"
#include "test.h"

#define KEY_A "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define KEY_B "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM"
#define KEY_SK                                                                                     \
	"sk-ssh-ed25519@openssh.com "                                                              \
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBfLefsrQSDysexl5BmNbgiyjoE/6wHkpACDm4XhgIDOAAAABHNzaDo="
#define ANN "name=\"Ann/VSD\",kind=user " KEY_A
#define BOB "name=\"Bob/VSD\",kind=user " KEY_B

static struct span span_text(const char *text)
{
	return span_of(text, strlen(text));
}

static struct directory_entry entry_of(const char *line)
{
	struct directory_entry e;
	struct fault f;
	assert_int_equal(directory_line_parse(span_text(line), &e, &f), 1);
	return e;
}

static void adds(void **state)
{
	static const struct {
		const char *name, *text, *comment, *expected, *fault; /* fault: refused */
	} cases[] = {
		{ "to nothing", "", NULL, BOB "\n", NULL },
		{ "after others", "# who\n\n" ANN " a@b\n", "bob@home",
			"# who\n\n" ANN " a@b\n" BOB " bob@home\n", NULL },
		{ "last line without LF", ANN, NULL, ANN "\n" BOB "\n", NULL },
		{ "name is there", "\n\n" BOB "\n", NULL, NULL,
			"Bob/VSD is there already, on line 3; say --replace, or remove that entry first" },
		{ "name in other case", "name=\"bob/vsd\" " KEY_A "\n", NULL, NULL,
			"bob/vsd is there already, on line 1; say --replace, or remove that entry first" },
		{ "key is there", "name=\"Eve/VSD\" " KEY_B "\n", NULL, NULL,
			"the key of Bob/VSD is there already, on line 1, as the key of Eve/VSD; "
			"one key is one person's" },
		{ "control character in the comment", "", "a\nname=\"Eve/VSD\"", NULL,
			"the entry does not fit on a line; shorten its comment (no control "
			"characters) or its options" },
	};
	struct directory_entry bob = entry_of(BOB);
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct directory_text t = { 0 };
		struct fault f = { { 0 } };
		int rc = directory_edit_add(
			span_text(cases[i].text), &bob, cases[i].comment, &t, &f);
		TEST_CASE(cases[i].name, (rc == 0) == (cases[i].fault == NULL));
		if (rc == 0)
			assert_string_equal(t.data, cases[i].expected);
		else
			assert_string_equal(f.text, cases[i].fault);
		free(t.data);
	}
}

/* A directory that is wrong already is not made longer. */
static void adds_to_no_broken_one(void **state)
{
	struct directory_entry bob = entry_of(BOB);
	struct directory_text t = { 0 };
	struct fault f;
	(void)state;
	assert_int_equal(
		directory_edit_add(span_text("\nnonsense\n"), &bob, NULL, &t, &f), -EEXIST);
	assert_memory_equal(f.text, "line 2 has a mistake: ", 22);
	assert_null(t.data);
}

static void removes(void **state)
{
	static const struct {
		const char *name, *text, *expected; /* NULL: not there */
	} cases[] = {
		{ "the only one", BOB "\n", "" },
		{ "between others", "# c\n" ANN "\n" BOB " x\n\n# end", "# c\n" ANN "\n\n# end" },
		{ "without LF", ANN "\n" BOB, ANN "\n" },
		{ "a broken line stays", "nonsense\n" BOB "\n", "nonsense\n" },
		{ "not there", ANN "\n", NULL },
		{ "commented out", "# " BOB "\n", NULL },
	};
	struct directory_entry bob = entry_of(BOB);
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct directory_text t = { 0 };
		struct fault f = { { 0 } };
		int rc = directory_edit_remove(span_text(cases[i].text), &bob.name, &t, &f);
		TEST_CASE(cases[i].name, rc == (cases[i].expected != NULL ? 0 : -ENOENT));
		if (rc == 0)
			assert_string_equal(t.data, cases[i].expected);
		else
			assert_string_equal(f.text, "nobody is named Bob/VSD there");
		free(t.data);
	}
}

static void entries(void **state)
{
	static const struct {
		const char *name, *pub;
		struct directory_words words;
		const char *expected; /* line, or NULL */
	} cases[] = {
		{ "plain", KEY_A " ann@laptop\n", { .name = "Ann/VSD" }, ANN "\n" },
		{ "CR LF", KEY_A " ann@laptop\r\n", { .name = "Ann/VSD" }, ANN "\n" },
		{ "no comment, no LF", KEY_A, { .name = "Ann/VSD" }, ANN "\n" },
		{ "all options", KEY_A,
			{ .name = "Gate1/VSD",
				.kind = "server",
				.expires = "2028-11-22",
				.from = "10.0.0.0/8,2001:db8::/32",
				.is_certified_equivalent = true },
			"name=\"Gate1/VSD\",kind=server,expires=2028-11-22,"
			"from=\"10.0.0.0/8,2001:db8::/32\",certified-equivalent " KEY_A "\n" },
		{ "a token", KEY_SK " yubikey", { .name = "Ann/VSD" },
			"name=\"Ann/VSD\",kind=user,require=\"up\" " KEY_SK "\n" },
		{ "a token with a PIN", KEY_SK, { .name = "Ann/VSD", .require = "up,uv" },
			"name=\"Ann/VSD\",kind=user,require=\"up,uv\" " KEY_SK "\n" },
		{ "a touch of what has no button", KEY_A, { .name = "Ann/VSD", .require = "up" },
			NULL },
		{ "an option in require", KEY_SK, { .name = "Ann/VSD", .require = "up\",locked" },
			NULL },
		{ "quotes in a name", KEY_A, { .name = "A \"B\" \\ C/VSD" },
			"name=\"A \\\"B\\\" \\\\ C/VSD\",kind=user " KEY_A "\n" },
		{ "an option in the name", KEY_A, { .name = "Ann/VSD\",locked,from=\"::/0" },
			NULL },
		{ "an option in the date", KEY_A,
			{ .name = "Ann/VSD", .expires = "2028-01-01,certified-equivalent" }, NULL },
		{ "an option in from", KEY_A,
			{ .name = "Ann/VSD", .from = "::/0\",certified-equivalent" }, NULL },
		{ "no such kind", KEY_A, { .name = "Ann/VSD", .kind = "user,locked" }, NULL },
		{ "no such day", KEY_A, { .name = "Ann/VSD", .expires = "2027-02-29" }, NULL },
		{ "empty date", KEY_A, { .name = "Ann/VSD", .expires = "" }, NULL },
		{ "bits past the prefix", KEY_A, { .name = "Ann/VSD", .from = "10.0.0.1/8" },
			NULL },
		{ "no name", KEY_A, { .name = "" }, NULL },
		{ "options of authorized_keys", "restrict " KEY_A, { .name = "Ann/VSD" }, NULL },
		{ "another type", "ssh-rsa AAAA x", { .name = "Ann/VSD" }, NULL },
		{ "empty", "", { .name = "Ann/VSD" }, NULL },
		{ "only a type", "ssh-ed25519 ", { .name = "Ann/VSD" }, NULL },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char line[DIRECTORY_LINE_MAX + 2];
		struct directory_entry e;
		struct span comment;
		struct fault f = { { 0 } };
		int rc = directory_edit_entry(
			span_text(cases[i].pub), &cases[i].words, &e, &comment, &f);
		TEST_CASE(cases[i].name, (rc == 0) == (cases[i].expected != NULL));
		TEST_CASE(cases[i].name, rc == 0 || f.text[0] != '\0');
		if (rc != 0)
			continue;
		assert_true(directory_line_format(&e, NULL, line, sizeof(line)) > 0);
		assert_string_equal(line, cases[i].expected);
	}
}

static void applies(void **state)
{
	struct directory_entry e = entry_of("name=\"Ann/VSD\",kind=server,expires=2028-11-22,"
					    "certified-equivalent " KEY_A);
	struct directory_entry before = e;
	struct directory_words none = { 0 }, bad = { .expires = "soon" };
	struct directory_words some = { .name = "Anne/VSD", .expires = "2027-01-31" };
	struct fault f;
	(void)state;

	assert_int_equal(directory_edit_apply(&none, &e, &f), 0);
	assert_memory_equal(&e, &before, sizeof(e));
	assert_int_equal(directory_edit_apply(&bad, &e, &f), -EINVAL);
	assert_memory_equal(&e, &before, sizeof(e));
	assert_int_equal(directory_edit_apply(&some, &e, &f), 0);
	assert_int_equal(e.kind, DIRECTORY_SERVER);
	assert_true(e.is_certified_equivalent);
	assert_int_equal(e.expires_ms, UINT64_C(1801440000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds),
		cmocka_unit_test(adds_to_no_broken_one),
		cmocka_unit_test(removes),
		cmocka_unit_test(entries),
		cmocka_unit_test(applies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
