/*
 * Files that matter: who may write them decides whether they are read, and a failed replacement leaves
 * the old one whole and nothing beside it.
 */

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "test.h"

#define STRANGER 65533 /* neither root nor who runs this */

static char folder[64];
static char path[96];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/postern-file-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/it", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	if (unlink(path) != 0)
		rmdir(path);
	return rmdir(folder); /* fails when anything else was left */
}

static void make(const char *text, mode_t mode)
{
	unlink(path); /* the last one may not be writable */
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void expect(const char *text)
{
	uint8_t *data = NULL;
	size_t len = 0;
	struct fault f = { "" };

	if (file_read(path, FILE_ANY, 1000, &data, &len, &f) != 0)
		fail_msg("%s", f.text);
	assert_int_equal(len, strlen(text));
	assert_string_equal(data, text);
	free(data);
}

static unsigned entries(void)
{
	unsigned n = 0;
	DIR *d = opendir(folder);
	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	closedir(d);
	return n - 2;
}

static int read_as(enum file_need need, size_t max, struct fault *f)
{
	uint8_t *data = NULL;
	size_t len = 99;

	int rc = file_read(path, need, max, &data, &len, f);
	if (rc != 0) {
		assert_null(data);
		assert_int_equal(len, 99);
		assert_non_null(strstr(f->text, path));
	}
	free(data);
	return rc;
}

static void modes(void **state)
{
	static const struct {
		mode_t mode;
		int trusted, secret;
	} cases[] = {
		{ 0600, 0, 0 },
		{ 0400, 0, 0 },
		{ 0700, 0, 0 },
		{ 0644, 0, -EPERM },
		{ 0640, 0, -EPERM },
		{ 0604, 0, -EPERM },
		{ 0610, 0, -EPERM },
		{ 0620, -EPERM, -EPERM },
		{ 0602, -EPERM, -EPERM },
		{ 0660, -EPERM, -EPERM },
		{ 0666, -EPERM, -EPERM },
	};
	struct fault f = { "" };

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		make("x", cases[i].mode);
		char name[8];
		snprintf(name, sizeof(name), "%o", (unsigned)cases[i].mode);
		TEST_CASE(name, read_as(FILE_TRUSTED, 9, &f) == cases[i].trusted);
		TEST_CASE(name, read_as(FILE_SECRET, 9, &f) == cases[i].secret);
		TEST_CASE(name, read_as(FILE_ANY, 9, &f) == 0);
	}
	make("x", 0620);
	assert_int_equal(read_as(FILE_TRUSTED, 9, &f), -EPERM);
	assert_non_null(strstr(f.text, "chmod go-w"));
	make("x", 0640);
	assert_int_equal(read_as(FILE_SECRET, 9, &f), -EPERM);
	assert_non_null(strstr(f.text, "chmod go-rwx"));
}

static void owners(void **state)
{
	struct fault f = { "" };

	(void)state;
	if (geteuid() != 0)
		skip();
	make("x", 0600);
	assert_int_equal(chown(path, STRANGER, STRANGER), 0);
	assert_int_equal(read_as(FILE_ANY, 9, &f), 0);
	assert_int_equal(read_as(FILE_TRUSTED, 9, &f), -EPERM);
	assert_non_null(strstr(f.text, "65533"));
	/* Its owner may have it, and so may others what root gives them. */
	assert_int_equal(seteuid(STRANGER), 0);
	int own = read_as(FILE_SECRET, 9, &f);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(own, -EACCES); /* the folder is root's, 0700 */
	assert_int_equal(chmod(folder, 0755), 0);
	assert_int_equal(seteuid(STRANGER), 0);
	own = read_as(FILE_SECRET, 9, &f);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(own, 0);
	assert_int_equal(chown(path, 0, STRANGER), 0);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(seteuid(STRANGER), 0);
	own = read_as(FILE_TRUSTED, 9, &f);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(own, 0);
}

static void lengths(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		int want;
	} cases[] = {
		{ "", 0, 0 },
		{ "", 1, 0 },
		{ "1", 0, -EFBIG },
		{ "123", 3, 0 },
		{ "1234", 3, -EFBIG },
		{ "1234", SIZE_MAX, 0 },
	};
	struct fault f = { "" };

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		make(cases[i].text, 0600);
		TEST_CASE(cases[i].text, read_as(FILE_SECRET, cases[i].max, &f) == cases[i].want);
	}
}

/* What is no plain file is refused, and without waiting for a writer. */
static void kinds(void **state)
{
	uint8_t *data = NULL;
	size_t len;
	struct fault f = { "" };

	(void)state;
	assert_int_equal(read_as(FILE_ANY, 9, &f), -ENOENT);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(read_as(FILE_ANY, 9, &f), -EPERM);
	assert_non_null(strstr(f.text, "not a regular file"));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(read_as(FILE_ANY, 9, &f), -EPERM);
	assert_int_equal(file_read("/dev/null", FILE_ANY, 9, &data, &len, &f), -EPERM);
	/* Longer than it says of itself, as a file that is being written. */
	assert_int_equal(file_read("/proc/self/status", FILE_ANY, 9, &data, &len, &f), -EAGAIN);
	assert_null(data);
}

static void replace(void **state)
{
	struct fault f = { "" };
	struct stat st;

	(void)state;
	mode_t old = umask(0077);
	assert_int_equal(file_write(path, "one", 3, 0644, false, &f), 0);
	umask(old);
	expect("one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0644); /* as asked, whatever the umask */
	assert_int_equal(file_write(path, "three", 5, 0600, false, &f), 0);
	expect("three");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(file_write(path, "", 0, 0600, false, &f), 0);
	expect("");
	assert_int_equal(entries(), 1);
}

static void is_new(void **state)
{
	struct fault f = { "" };

	(void)state;
	assert_int_equal(file_write(path, "one", 3, 0600, true, &f), 0);
	assert_int_equal(file_write(path, "two", 3, 0600, true, &f), -EEXIST);
	assert_non_null(strstr(f.text, "exists already"));
	expect("one");
	assert_int_equal(entries(), 1);
	/* A link that leads nowhere is there, too. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("nowhere", path), 0);
	assert_int_equal(file_write(path, "two", 3, 0600, true, &f), -EEXIST);
	assert_int_equal(entries(), 1);
}

static void cannot_write(void **state)
{
	static char name[PATH_MAX + 2];
	struct fault f = { "" };
	char inside[128];

	(void)state;
	snprintf(inside, sizeof(inside), "%s/missing/it", folder);
	assert_int_equal(file_write(inside, "x", 1, 0600, false, &f), -ENOENT);
	assert_non_null(strstr(f.text, inside));
	make("old", 0600);
	snprintf(inside, sizeof(inside), "%s/it", path);
	assert_int_equal(file_write(inside, "x", 1, 0600, false, &f), -ENOTDIR);
	memset(name, 'n', sizeof(name) - 1);
	assert_int_equal(file_write(name, "x", 1, 0600, false, &f), -ENAMETOOLONG);
	expect("old");
	/* rename() refuses: a folder stands under the name. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(file_write(path, "x", 1, 0600, false, &f), -EISDIR);
	assert_non_null(strstr(f.text, "nothing was changed"));
	assert_int_equal(entries(), 1);
}

/* The disk is full: what was written of the new file goes, the old one stays. */
static void disk_full(void **state)
{
	struct rlimit was, small = { .rlim_cur = 4096 };
	static char big[10000];
	struct fault f = { "" };

	(void)state;
	make("old", 0600);
	memset(big, 'b', sizeof(big));
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	small.rlim_max = was.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	int rc = file_write(path, big, sizeof(big), 0600, false, &f);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_int_equal(rc, -EFBIG);
	assert_non_null(strstr(f.text, "nothing was changed"));
	expect("old");
	assert_int_equal(entries(), 1);
}

/* A name without a folder is in the current one. */
static void bare_name(void **state)
{
	struct fault f = { "" };
	char before[PATH_MAX];

	(void)state;
	assert_non_null(getcwd(before, sizeof(before)));
	assert_int_equal(chdir(folder), 0);
	int rc = file_write("it", "here", 4, 0600, false, &f);
	assert_int_equal(chdir(before), 0);
	assert_int_equal(rc, 0);
	expect("here");
}

static void faults(void **state)
{
	struct fault f;
	char text[2 * FAULT_MAX];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	fault_set(&f, "%s", text);
	assert_int_equal(strlen(f.text), FAULT_MAX - 1);
	fault_set(&f, "%s:%d: no", "a", 3);
	assert_string_equal(f.text, "a:3: no");
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		IN_FOLDER(modes),
		IN_FOLDER(owners),
		IN_FOLDER(lengths),
		IN_FOLDER(kinds),
		IN_FOLDER(replace),
		IN_FOLDER(is_new),
		IN_FOLDER(cannot_write),
		IN_FOLDER(disk_full),
		IN_FOLDER(bare_name),
		cmocka_unit_test(faults),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
