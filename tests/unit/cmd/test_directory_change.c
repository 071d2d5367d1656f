/* Changes of one entry: its line is new, every other byte stays, and nothing that limits it gets lost. */

#include <errno.h>

#include "cmd/directory_edit.h"
#include "test.h"

#define KEY_A "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAINdamAGCsQq31Uv+08lkBzoO4XLz2qYjJa8CGmj3B1Ea"
#define KEY_B "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAID1AF8PoQ4lakrcKp00bfrycmCzPLsSWjMDNVfEq9GYM"
#define KEY_SK                                                                                     \
	"sk-ssh-ed25519@openssh.com "                                                              \
	"AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAIBfLefsrQSDysexl5BmNbgiyjoE/6wHkpACDm4XhgIDOAAAABHNzaDo="
#define ID_1 "sha256:313caffd0edb20236f7ae9b2ea265148afa8e44d3c9c1c6f5634b4b20a3ec8d2"
#define ID_2 "sha256:c6c1c9a9c8543f1e4cd980064cf1625eeb61a90703b2464fff039f21682508b3"
#define ANN "name=\"Ann/VSD\",kind=user"
#define DOC "x25519:de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"

static struct span span_text(const char *text)
{
	return span_of(text, strlen(text));
}

static struct name ann(void)
{
	struct name n;
	assert_int_equal(name_parse("ann/vsd", false, &n), NAME_OK);
	return n;
}

static void changes(void **state)
{
	static const struct {
		const char *name;
		int (*change)(struct directory_entry *e, const void *with, struct fault *f);
		const char *text, *comment, *expected, *fault;
		int rc;
	} cases[] = {
		{ "lock", directory_change_lock, "# x\n" ANN " " KEY_A " a  b\n\n# y", NULL,
			"# x\n" ANN ",locked " KEY_A " a  b\n\n# y", NULL, 0 },
		{ "lock, cut line", directory_change_lock, ANN " " KEY_A, NULL,
			ANN ",locked " KEY_A "\n", NULL, 0 },
		{ "lock, written oddly", directory_change_lock,
			"\tname=\"CN=Ann/O=VSD\",from=::1  " KEY_A "\t# c \n", NULL,
			ANN ",from=\"::1/128\",locked " KEY_A " # c \n", NULL, 0 },
		{ "blank in a quoted value", directory_change_lock,
			ANN ",from=\"::1\" " KEY_A " \"c\"\n", NULL,
			ANN ",from=\"::1/128\",locked " KEY_A " \"c\"\n", NULL, 0 },
		{ "locked already", directory_change_lock, ANN ",locked " KEY_A "\n", NULL, NULL,
			NULL, -EALREADY },
		{ "unlock", directory_change_unlock, ANN ",disabled,locked " KEY_A "\n", NULL,
			ANN ",disabled " KEY_A "\n", NULL, 0 },
		{ "disable", directory_change_disable, ANN " " KEY_SK "\n", NULL,
			ANN ",disabled,require=\"up\" " KEY_SK "\n", NULL, 0 },
		{ "enable", directory_change_enable, ANN ",disabled " KEY_A "\n", NULL,
			ANN " " KEY_A "\n", NULL, 0 },
		{ "enabled already", directory_change_enable, ANN " " KEY_A "\n", NULL, NULL, NULL,
			-EALREADY },
		{ "roll", directory_change_roll, ANN ",key-next=" ID_2 " postern-key " ID_1 " c\n",
			NULL, ANN " postern-key " ID_2 " c\n", NULL, 0 },
		{ "roll, no next", directory_change_roll, ANN " postern-key " ID_1 "\n", NULL, NULL,
			"the line has no key-next, so there is no key to move on to", -EINVAL },
		{ "roll, a public key", directory_change_roll, ANN ",key-next=" ID_2 " " KEY_A "\n",
			NULL, NULL,
			"the line holds a public key, and key-next only names one; give the new key "
			"with postern directory add FILE --replace",
			-EINVAL },
		{ "another comment", directory_change_lock, ANN " " KEY_A " a\n", "b",
			ANN ",locked " KEY_A " b\n", NULL, 0 },
		{ "nobody", directory_change_lock, "name=\"Bob/VSD\" " KEY_A "\n", NULL, NULL,
			"nobody is named Ann/VSD there", -ENOENT },
		{ "mistake elsewhere", directory_change_lock, "nonsense\n" ANN " " KEY_A "\n", NULL,
			NULL, "line 1 would have a mistake", -EINVAL },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct directory_change c = { cases[i].change, NULL, cases[i].comment };
		struct directory_text t = { 0 };
		struct fault f = { "" };
		struct name n = ann();
		int rc = directory_edit_change(span_text(cases[i].text), &n, &c, &t, &f);
		TEST_CASE(cases[i].name, rc == cases[i].rc);
		if (cases[i].expected != NULL)
			assert_string_equal(t.data, cases[i].expected);
		else
			assert_null(t.data);
		if (cases[i].fault != NULL && strcasestr(f.text, cases[i].fault) == NULL)
			fail_msg("case \"%s\": %s", cases[i].name, f.text);
		free(t.data);
	}
}

static void replaces(void **state)
{
	static const struct {
		const char *name, *old, *entry, *expected;
		struct directory_words words;
	} cases[] = {
		{ "limits stay",
			ANN ",expires=2028-11-22,from=\"::1\",disabled,locked,document-key=" DOC
			    " " KEY_A " c\n",
			ANN " " KEY_B,
			ANN ",expires=2028-11-22,from=\"::1/128\",disabled,locked,document-key=" DOC
			    " " KEY_B " c\n",
			{ 0 } },
		{ "what is said counts", ANN ",expires=2028-11-22,from=\"::1\" " KEY_A "\n",
			ANN ",expires=2030-01-01,from=\"::2\" " KEY_B,
			ANN ",expires=2030-01-01,from=\"::2/128\" " KEY_B "\n",
			{ .from = "::2", .expires = "2030-01-01" } },
		{ "a token's PIN", ANN ",require=\"up,uv\" " KEY_SK "\n", ANN " " KEY_SK,
			ANN ",require=\"up,uv\" " KEY_SK "\n", { 0 } },
		{ "a token's PIN, said otherwise", ANN ",require=\"up,uv\" " KEY_SK "\n",
			ANN ",require=up " KEY_SK, ANN ",require=\"up\" " KEY_SK "\n",
			{ .require = "up" } },
		{ "certified is said anew", ANN ",certified-equivalent " KEY_A "\n", ANN " " KEY_B,
			ANN " " KEY_B "\n", { 0 } },
		{ "the next key is gone", ANN ",key-next=" ID_2 " " KEY_A "\n", ANN " " KEY_B,
			ANN " " KEY_B "\n", { 0 } },
		{ "to a key id", ANN ",expires=2028-11-22 " KEY_A "\n", ANN " postern-key " ID_1,
			ANN " postern-key " ID_1 "\n", { 0 } },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct directory_entry e;
		struct directory_text t = { 0 };
		struct fault f = { "" };
		struct name n = ann();
		assert_int_equal(directory_line_parse(span_text(cases[i].entry), &e, &f), 1);
		const struct directory_replacement r = { &e, &cases[i].words };
		const struct directory_change c = { directory_change_replace, &r, NULL };
		int rc = directory_edit_change(span_text(cases[i].old), &n, &c, &t, &f);
		if (rc != 0 || strcmp(t.data, cases[i].expected) != 0)
			fail_msg("case \"%s\": %s%s", cases[i].name, f.text, rc == 0 ? t.data : "");
		free(t.data);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes),
		cmocka_unit_test(replaces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
