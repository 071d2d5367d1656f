/* include("..."): spliced where it stands, with its own name in every message. */

#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

static char folder[] = "/tmp/postern-include-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
	FILE *f = fopen(in_folder(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(in_folder(name), mode), 0);
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) == NULL ? -1 : 0;
}

static int remove_folder(void **state)
{
	(void)state;
	static const char *const names[] = { "main.conf", "a.conf", "b.conf" };
	for (size_t i = 0; i < TEST_LEN(names); i++)
		unlink(in_folder(names[i]));
	return rmdir(folder);
}

/* Load main.conf and compare; %1$s stands for the folder. */
static void expect(const char *name, const char *main_text, const char *want)
{
	struct config_report r = { 0 };
	put("main.conf", main_text, 0600);
	struct config *c = config_load(in_folder("main.conf"), &r);
	char *got = join_report(&r);
	char *at = got;
	char shown[2048] = "";
	/* The folder's random name becomes "~". */
	for (char *hit; (hit = strstr(at, folder)) != NULL; at = hit + strlen(folder)) {
		strncat(shown, at, (size_t)(hit - at));
		strcat(shown, "~");
	}
	strcat(shown, at);
	if (strcmp(shown, want) != 0)
		fail_msg("case \"%s\": got\n%swant\n%s", name, shown, want);
	TEST_CASE(name, (c == NULL) == (want[0] != '\0'));
	free(got);
	config_free(c);
	config_report_deinit(&r);
}

static void test_include(void **state)
{
	(void)state;
	put("a.conf", DOOR SERVICE, 0600);
	expect("blocks", SERVER "include(\"a.conf\")\n", "");
	expect("no such file", SERVER DOOR SERVICE "include(\"c.conf\")\n",
		"~/main.conf:4: include: ~/c.conf: cannot be read: No such file or directory\n");

	put("a.conf", "interface = eth0\nspa { window = 1s }\nwhat = 3\n", 0600);
	expect("inside a block, own name and lines",
		SERVER "door wan {\ninclude(\"a.conf\")\nnot = 1\n}\n" SERVICE,
		"~/a.conf:2: window: 1s is below 5s\n"
		"~/a.conf:3: what: unknown in a door block; known are capture, interface, group, "
		"file, sources, allow, deny, spa, sequence, structured, cipher, tagged, fwknop, include\n"
		"~/main.conf:4: not: unknown in a door block; known are capture, interface, "
		"group, file, sources, allow, deny, spa, sequence, structured, cipher, tagged, "
		"fwknop, include\n");

	put("b.conf", "service two { port = tcp/0 allow = {} }\n", 0600);
	put("a.conf", "\n\ninclude(\"b.conf\") service ssh { port = tcp/22 }", 0600);
	expect("nested", SERVER DOOR "include(a.conf)\n",
		"~/b.conf:1: port: 0 is below 1\n"
		"~/a.conf:3: service ssh: nobody could ever use it; add allow = {...}\n");
}

static void test_refused(void **state)
{
	(void)state;
	put("a.conf", DOOR, 0620);
	expect("others may write it", SERVER SERVICE "include(\"a.conf\")\n",
		"~/main.conf:3: include: ~/a.conf: others may write it; chmod go-w it\n"
		"~/main.conf: no door, so no knock is seen; add door NAME { interface = ... spa "
		"{ } }\n");

	put("a.conf", "}\n", 0600);
	expect("closes a block of its includer",
		SERVER SERVICE "door wan { interface = eth0\ninclude(\"a.conf\")\n",
		"~/a.conf:1: this } closes nothing that was opened in this file\n");

	put("a.conf", "spa {\n", 0600);
	expect("leaves a block open",
		SERVER SERVICE "door wan { interface = eth0\ninclude(\"a.conf\")\n}}",
		"~/a.conf:2: the file ends inside a block; a } is missing\n");

	put("a.conf", "include(\"a.conf\")\n", 0600);
	expect("includes itself", SERVER DOOR SERVICE "include(\"a.conf\")\n",
		"~/a.conf:1: include: nested more than 8 deep; does it include itself?\n");

	put("a.conf", "\xc3", 0600);
	expect("not UTF-8", SERVER DOOR SERVICE "include(\"a.conf\")\n",
		"~/main.conf:4: include: ~/a.conf: is not UTF-8 text\n");

	expect("no parenthesis", SERVER DOOR SERVICE "include \"a.conf\"\n",
		"~/main.conf:4: include: write include(\"FILE\")\n");
	expect("two files", SERVER DOOR SERVICE "include(\"a.conf\", \"b.conf\")\n",
		"~/main.conf:4: include: write include(\"FILE\")\n");
	expect("empty name", SERVER DOOR SERVICE "include(\"\")\n",
		"~/main.conf:4: include: the file name is empty\n");
	expect("a folder", SERVER DOOR SERVICE "include(\"/tmp\")\n",
		"~/main.conf:4: include: /tmp: not a regular file; name one\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_include),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
