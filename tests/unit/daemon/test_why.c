/* posternctl why: the answer's verdict, what it assumes, and what would have to change, as people read it. */

#include <errno.h>
#include <unistd.h>

#include "daemon/why.h"
#include "people.h"

#define CONFIG                                                                                         \
	"server { id = /s directory = /etc/directory\n allow = {\"*\", \"*/VSD\"}\n deny = {Gone} }\n" \
	"door wan { interface = e spa { } }\n"                                                         \
	"door lan { interface = f spa { } allow = {\"*/NN/VSD\"} }\n"                                  \
	"service ssh { port = tcp/22 allow = {\"*/VSD\", \"Bob/VSD\"} wait = 30s }\n"                  \
	"group Gone { members = {\"Old/VSD\"} }\n"

static const char directory[] =
	"name=\"Bob/VSD\" ssh-ed25519 "
	"AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"
	"name=\"Ann/NN/VSD\",locked,disabled postern-key sha256:"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
	"name=\"Old/VSD\",expires=2026-01-01 postern-key sha256:"
	"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n"
	"name=\"Far/VSD\",from=\"198.51.100.0/24\" postern-key sha256:"
	"cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\n"
	"name=\"Eva/VSD\",key-next=sha256:"
	"eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee postern-key sha256:"
	"dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd\n"
	"name=\"Uwe/VSD\",key-next=sha256:"
	"9999999999999999999999999999999999999999999999999999999999999999 postern-key sha256:"
	"8888888888888888888888888888888888888888888888888888888888888888\n";

#define AT " of /etc/directory"

static const struct {
	const char *name, *service, *door, *address;
	const char *verdict;
	const char *changes; /* one a line */
	const char *assumes; /* words in it; "" for nothing */
} cases[] = {
	{ "Bob/VSD", "ssh", "wan", "", "grant", "", "" },
	{ "bob/vsd", "ssh", "lan", "", "not-allowed-door",
		"put the name, its group or */UNIT/ORGANISATION above it into door lan allow "
		"(t.conf:5)\n",
		"" },
	{ "Ann/NN/VSD", "ssh", "lan", "", "locked",
		"take locked out of line 2" AT "\ntake disabled out of line 2" AT "\n",
		"for the key of its line" },
	{ "Old/VSD", "ssh", "wan", "", "expired",
		"set a later expires= in line 3" AT "\n"
		"take \"Gone\" out of server deny (t.conf:3), or the name out of what it covers\n",
		"for the key of its line" },
	{ "Far/VSD", "ssh", "wan", "", "grant", "", "from= allows" },
	{ "Far/VSD", "ssh", "wan", "192.0.2.7", "from",
		"add the address to from= in line 4" AT "\n", "for the key of its line" },
	{ "Far/VSD", "ssh", "wan", "198.51.100.9", "grant", "", "for the key of its line" },
	{ "New/VSD", "ssh", "wan", "", "key-check",
		"list the name with its key in /etc/directory, or set key-check to listed or off\n",
		"not in the directory" },
	{ "Eva/VSD", "ssh", "wan", "", "grant", "", "the key before it is superseded" },
	{ "Uwe/VSD", "ssh", "wan", "", "grant", "", "for the key of its line" },
	{ "Bob/VSD", "web", "wan", "", "unknown-service",
		"name a service that the configuration has\n", "" },
	{ "Out/VSD", "ssh", "wan", "", "locked",
		"posternctl restore \"Out/VSD\"\n"
		"list the name with its key in /etc/directory, or set key-check to listed or off\n",
		"not in the directory" },
};

static void keep(void *arg, json_t *object)
{
	json_array_append_new(arg, object);
}

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

static void check_one(size_t i, const json_t *o)
{
	char changes[1024] = "";
	size_t k;
	json_t *v;
	json_array_foreach(json_object_get(o, "refusals"), k, v) snprintf(changes + strlen(changes),
		sizeof(changes) - strlen(changes), "%s\n", text(v, "change"));
	if (strcmp(text(o, "verdict"), cases[i].verdict) != 0 ||
		strcmp(changes, cases[i].changes) != 0)
		fail_msg("%s: %s\n%s", cases[i].name, text(o, "verdict"), changes);
	char *assumes = json_dumps(json_object_get(o, "assumes"), 0);
	TEST_CASE(cases[i].name, strstr(assumes, cases[i].assumes) != NULL);
	if (cases[i].assumes[0] == '\0')
		TEST_CASE(cases[i].name, strcmp(assumes, "[]") == 0);
	free(assumes);
	size_t lists = json_array_size(json_object_get(o, "lists"));
	TEST_CASE(cases[i].name,
		lists == (strcmp(cases[i].verdict, "unknown-service") == 0 ? 0 : POLICY_STEPS));
	TEST_CASE(cases[i].name,
		(json_object_get(o, "locked_out") != NULL) ==
			(strcmp(cases[i].name, "Out/VSD") == 0));
	TEST_CASE(cases[i].name,
		json_is_true(json_object_get(json_object_get(o, "identity"), "superseded")) ==
			(strcmp(cases[i].name, "Eva/VSD") == 0));
}

static void lock_out(struct store *s, const char *name)
{
	struct store_lockout l = { .since_ms = PEOPLE_WALL };
	struct name n;
	assert_int_equal(name_parse(name, false, &n), NAME_OK);
	l.key_len = name_fold(&n, l.key);
	name_format(&n, l.name);
	assert_int_equal(store_lockout_put(s, &l, NULL), 0);
}

static void use_next_key(struct store *s, int key)
{
	uint8_t key_id[32];
	struct store_claim c = { .replay_until_ms = PEOPLE_WALL, .key_next = key_id };
	enum store_answer answer;
	memset(key_id, key, sizeof(key_id));
	assert_int_equal(store_claim_batch(s, &c, 1, &answer), 0);
}

static void test_answers(void **state)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	char folder[] = "/tmp/postern-why-XXXXXX", path[64];
	struct boot b = people_boot(CONFIG, directory);
	struct store *s = NULL;
	struct fault f;
	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/db", folder);
	assert_int_equal(store_open(path, &s, &f), 0);
	lock_out(s, "out/vsd");
	use_next_key(s, 0xee);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct why_question q = { cases[i].name, cases[i].service, cases[i].address,
			cases[i].door };
		json_t *got = json_array();
		assert_int_equal(why_answer(&b, s, &q, PEOPLE_WALL, keep, got, &f), 0);
		TEST_CASE(cases[i].name, json_array_size(got) == 1);
		check_one(i, json_array_get(got, 0));
		json_decref(got);
	}
	store_close(s);
	for (size_t i = 0; i < TEST_LEN(ends); i++) {
		snprintf(path, sizeof(path), "%s/db%s", folder, ends[i]);
		unlink(path);
	}
	assert_int_equal(rmdir(folder), 0);
	people_free(&b);
}

static void test_questions(void **state)
{
	static const struct {
		const char *name, *address, *door, *says;
		size_t answers;
	} questions[] = {
		{ "Bob/VSD", "", "", "", 2 },
		{ "Bob/VSD", "", "lan", "", 1 },
		{ "VSD", "", "", "\"VSD\" is no person's or server's name", 0 },
		{ "*/VSD", "", "", "is no person's or server's name", 0 },
		{ "a\033/VSD", "", "", "\"a\\x1b/VSD\"", 0 },
		{ "Bob/VSD", "home", "", "the address is none", 0 },
		{ "Bob/VSD", "", "back", "there is no such door", 0 },
	};
	struct boot b = people_boot(CONFIG, directory);
	(void)state;
	for (size_t i = 0; i < TEST_LEN(questions); i++) {
		const struct why_question q = { questions[i].name, "ssh", questions[i].address,
			questions[i].door };
		struct fault f;
		json_t *got = json_array();
		int rc = why_answer(&b, NULL, &q, PEOPLE_WALL, keep, got, &f);
		TEST_CASE(questions[i].name, rc == (questions[i].answers == 0 ? -EINVAL : 0));
		TEST_CASE(questions[i].name, json_array_size(got) == questions[i].answers);
		TEST_CASE(questions[i].name, strstr(f.text, questions[i].says) != NULL);
		char *all = json_dumps(got, 0);
		TEST_CASE(questions[i].name,
			questions[i].answers == 0 ||
				strstr(all, "the store cannot be read") != NULL);
		free(all);
		json_decref(got);
	}
	people_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_questions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
