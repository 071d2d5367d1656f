/* Following a log file: growth, rotation, truncation, lines without an end. */

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "capture/logfile.h"
#include "test.h"

#define LINE(port)                                                                                 \
	"Jan  5 12:34:56 mail kernel: IN=eth0 OUT= MAC=02:00 SRC=203.0.113.7 DST=198.51.100.2 "    \
	"LEN=40 TOS=0x00 PREC=0x00 TTL=64 ID=1 PROTO=TCP SPT=40001 DPT=" #port                     \
	" WINDOW=64240 RES=0x00 SYN URGP=0 \n"

static char folder[] = "/tmp/postern-log-XXXXXX";
static char path[64];

struct seen {
	size_t count;
	uint16_t ports[64];
};

static void keep(void *arg, const struct sighting *s)
{
	struct seen *to = arg;

	assert_in_range(to->count, 0, TEST_LEN(to->ports) - 1);
	assert_int_equal(s->door, 3);
	assert_int_equal(s->interface, 9);
	assert_true(s->wall_ms == 77);
	to->ports[to->count++] = s->dst_port;
}

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + sizeof(folder) - 7, "XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/log", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static void append(const char *text, size_t len)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	close(fd);
}

static void add(const char *text)
{
	append(text, strlen(text));
}

static int reopen(void)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static struct capture_logfile *follow(const char *interface, bool from_end)
{
	const struct capture_log log = {
		.door = 3,
		.interface = interface,
		.interface_index = 9,
		.want = { .syns = true },
	};
	struct capture_logfile *l = capture_logfile_new(&log);
	assert_non_null(l);
	assert_false(capture_logfile_is_open(l));
	assert_int_equal(capture_logfile_hand_over(l, reopen(), from_end), 0);
	assert_true(capture_logfile_is_open(l));
	return l;
}

/* All that waits must be exactly these ports, in order; 0 ends them. */
static void expect(struct capture_logfile *l, const uint16_t *ports)
{
	struct seen seen = { 0 };
	int rc;
	size_t n = 0;

	while ((rc = capture_logfile_read(l, 77, keep, &seen)) > 0)
		;
	assert_int_equal(rc, 0);
	for (; ports[n] != 0; n++)
		assert_int_equal(n < seen.count ? seen.ports[n] : 0, ports[n]);
	assert_int_equal(seen.count, n);
}

#define EXPECT(l, ...) expect((l), (const uint16_t[]){ __VA_ARGS__, 0 })

static void grows(void **state)
{
	static const char parts[] = LINE(3);

	(void)state;
	add(LINE(1));
	struct capture_logfile *l = follow(NULL, true);
	EXPECT(l, 0);
	add(LINE(2));
	EXPECT(l, 2);
	/* A line that comes byte by byte counts when its end is there. */
	for (size_t i = 0; i < sizeof(parts) - 2; i++) {
		append(parts + i, 1);
		EXPECT(l, 0);
	}
	add("\n");
	EXPECT(l, 3);
	add(LINE(4) "a line of somebody else\n\n" LINE(5));
	EXPECT(l, 4, 5);
	const struct capture_counts *c = capture_logfile_counts(l);
	assert_int_equal(c->seen, 6);
	assert_int_equal(c->rejected[CAPTURE_FOREIGN], 2);
	capture_logfile_free(l);
}

/* From the end means from the next line on. */
static void from_end(void **state)
{
	static const char line[] = LINE(1);

	(void)state;
	append(line, 50);
	struct capture_logfile *l = follow(NULL, true);
	append(line + 50, sizeof(line) - 1 - 50);
	add(LINE(2));
	EXPECT(l, 2);
	capture_logfile_free(l);
	l = follow(NULL, false);
	EXPECT(l, 1, 2);
	capture_logfile_free(l);
}

/* The old file is written to until the logger is told, and after that no more. */
static void rotated(void **state)
{
	char old[80];

	(void)state;
	add(LINE(1));
	struct capture_logfile *l = follow(NULL, true);
	snprintf(old, sizeof(old), "%s.1", path);
	int writer = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	assert_true(writer >= 0);
	assert_int_equal(rename(path, old), 0);
	add("");
	assert_int_equal(capture_logfile_hand_over(l, reopen(), false), 0);
	EXPECT(l, 0);
	assert_true(write(writer, LINE(2), sizeof(LINE(2)) - 1) > 0);
	EXPECT(l, 2);
	assert_true(write(writer, LINE(3), sizeof(LINE(3)) - 1) > 0);
	add(LINE(4));
	EXPECT(l, 3, 4);
	/* Half a line at the end of a file that is gone is none. */
	close(writer);
	add("Jan  5 12:34:56 mail kernel: IN=eth0");
	EXPECT(l, 0);
	assert_int_equal(rename(path, old), 0);
	add(LINE(5));
	assert_int_equal(capture_logfile_hand_over(l, reopen(), false), 0);
	EXPECT(l, 5);
	/* Twice before we look. */
	assert_int_equal(rename(path, old), 0);
	add("");
	assert_int_equal(capture_logfile_hand_over(l, reopen(), false), 0);
	assert_int_equal(rename(path, old), 0);
	add(LINE(6));
	assert_int_equal(capture_logfile_hand_over(l, reopen(), false), 0);
	EXPECT(l, 6);
	capture_logfile_free(l);
	unlink(old);
}

static void truncated(void **state)
{
	(void)state;
	add(LINE(1) LINE(2));
	struct capture_logfile *l = follow(NULL, true);
	add("half a line");
	EXPECT(l, 0);
	assert_int_equal(truncate(path, 0), 0);
	EXPECT(l, 0);
	add(LINE(3));
	EXPECT(l, 3);
	/* Cut and written to before we look. */
	add(LINE(4) LINE(5));
	EXPECT(l, 4, 5);
	assert_int_equal(truncate(path, 0), 0);
	add(LINE(6));
	EXPECT(l, 6);
	capture_logfile_free(l);
}

/* Ten megabytes without an end, NULs, and lines as long as may be. */
static void endless(void **state)
{
	static char block[1 << 20];
	static char longest[CAPTURE_LOGLINE_MAX + 2];

	(void)state;
	add("");
	struct capture_logfile *l = follow(NULL, true);
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 10; i++)
		append(block, sizeof(block));
	EXPECT(l, 0);
	add(LINE(1) LINE(2));
	EXPECT(l, 2);
	memset(block, 0, sizeof(block));
	append(block, sizeof(block));
	add("\n" LINE(3));
	EXPECT(l, 3);
	assert_int_equal(capture_logfile_counts(l)->rejected[CAPTURE_LENGTH], 2);
	/* What is behind the end of a good line may be long. */
	memset(longest, ' ', sizeof(longest));
	memcpy(longest, LINE(4), sizeof(LINE(4)) - 2);
	longest[CAPTURE_LOGLINE_MAX] = '\n';
	append(longest, CAPTURE_LOGLINE_MAX + 1);
	longest[CAPTURE_LOGLINE_MAX] = ' ';
	longest[CAPTURE_LOGLINE_MAX + 1] = '\n';
	append(longest, CAPTURE_LOGLINE_MAX + 2);
	EXPECT(l, 4);
	assert_int_equal(capture_logfile_counts(l)->rejected[CAPTURE_LENGTH], 3);
	capture_logfile_free(l);
}

/* One call reads so much and no more; the next goes on where it stopped. */
static void bounded(void **state)
{
	static char block[1 << 20];
	struct seen seen = { 0 };
	int calls = 1;

	(void)state;
	memset(block, '\n', sizeof(block));
	append(block, sizeof(block));
	add(LINE(1));
	struct capture_logfile *l = follow(NULL, false);
	while (capture_logfile_read(l, 77, keep, &seen) == 1)
		calls++;
	assert_int_equal(seen.count, 1);
	assert_in_range(calls, 3, 20);
	capture_logfile_free(l);
}

static void other_interface(void **state)
{
	(void)state;
	add(LINE(1));
	struct capture_logfile *l = follow("eth1", false);
	EXPECT(l, 0);
	assert_int_equal(capture_logfile_counts(l)->other, 1);
	capture_logfile_free(l);
	l = follow("eth0", false);
	EXPECT(l, 1);
	capture_logfile_free(l);
}

static void bad_descriptor(void **state)
{
	const struct capture_log log = { .door = 3 };
	struct seen seen = { 0 };

	(void)state;
	struct capture_logfile *l = capture_logfile_new(&log);
	assert_non_null(l);
	assert_int_equal(capture_logfile_read(l, 77, keep, &seen), 0);
	assert_int_equal(capture_logfile_hand_over(l, 1000, false), -EBADF);
	assert_false(capture_logfile_is_open(l));
	capture_logfile_free(l);
	capture_logfile_free(NULL);
	add("");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(grows, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(from_end, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(rotated, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(truncated, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(endless, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(bounded, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(other_interface, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(bad_descriptor, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
