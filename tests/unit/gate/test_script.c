/* Gates by a program: what is run when, with a program that notes its words and fails when it is told to. */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "gate/script.h"
#include "test.h"

#define ANSWERS_MAX 32
#define SERVICE "ssh"

static const char program[] = "#!/bin/sh\n"
			      "cd \"$POSTERN_D\" || exit 9\n"
			      "echo \"$POSTERN_SERVICE $*\" >>calls\n"
			      "if [ -e \"slow\" ]; then sleep 0.2; fi\n"
			      "[ ! -e \"fail-$1\" ]\n";

struct bench {
	struct config *config;
	struct gate_script *gate;
	char folder[64], path[96], calls[96], variable[96];
	const char *passed[2];
	size_t answers;
	uint32_t seqs[ANSWERS_MAX];
	int results[ANSWERS_MAX];
};

static void on_done(void *arg, uint32_t seq, int result)
{
	struct bench *b = arg;
	assert_true(b->answers < ANSWERS_MAX);
	b->seqs[b->answers] = seq;
	b->results[b->answers++] = result;
}

static void touch(const struct bench *b, const char *name, bool is_there)
{
	char path[160];
	snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	if (!is_there) {
		unlink(path);
		return;
	}
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	close(fd);
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	strcpy(b->folder, "/tmp/postern-script-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	snprintf(b->path, sizeof(b->path), "%s/program", b->folder);
	snprintf(b->calls, sizeof(b->calls), "%s/calls", b->folder);
	snprintf(b->variable, sizeof(b->variable), "POSTERN_D=%s", b->folder);
	b->passed[0] = b->variable;
	int fd = open(b->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0755);
	assert_int_equal(write(fd, program, sizeof(program) - 1), sizeof(program) - 1);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	b->config = calloc(1, sizeof(*b->config));
	b->config->server.script = b->path;
	b->config->server.script_timeout_s = 5;
	b->config->server.gates_max = 10;
	assert_int_equal(gate_script_new(b->config, NULL, b->passed, on_done, b, &b->gate), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "program", "calls", "slow", "fail-open", "fail-close",
		"fail-renew", "fail-reset" };
	struct bench *b = *state;
	gate_script_free(b->gate);
	for (size_t i = 0; i < TEST_LEN(names); i++)
		touch(b, names[i], false);
	rmdir(b->folder);
	free(b->config);
	free(b);
	return 0;
}

static void order(
	struct bench *b, enum gate_verb verb, uint8_t host, uint64_t wait_ms, uint32_t seq)
{
	const uint8_t v4[4] = { 192, 0, 2, host };
	const struct gate_order o = { .verb = verb,
		.kind = GATE_WINDOW,
		.addr = addr_v4(v4),
		.proto = 6,
		.port = 22,
		.mark = 100u + host,
		.wait_ms = wait_ms };
	gate_script_order(b->gate, &o, SERVICE, seq, clock_mono_ms());
}

static void turn(struct bench *b, int most_ms)
{
	struct pollfd p[RUN_POLL_MAX];
	int wait_ms;
	size_t n = gate_script_poll(b->gate, p, clock_mono_ms(), &wait_ms);
	poll(p, n, wait_ms < 0 || wait_ms > most_ms ? most_ms : wait_ms);
	gate_script_work(b->gate, clock_mono_ms());
}

static void await(struct bench *b, size_t answers)
{
	uint64_t until = clock_mono_ms() + 20000;
	while (b->answers < answers) {
		assert_true(clock_mono_ms() < until);
		turn(b, 1000);
	}
}

/* What was run so far, and forget it. */
static const char *calls(const struct bench *b, char to[2048])
{
	int fd = open(b->calls, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, to, 2047);
	to[n] = '\0';
	if (fd >= 0)
		close(fd);
	unlink(b->calls);
	return to;
}

static void test_words(void **state)
{
	struct bench *b = *state;
	char text[2048];
	struct fault f;
	assert_int_equal(gate_script_reset(b->gate, 5000, &f), 0);
	assert_string_equal(calls(b, text), " reset\n list\n");
	order(b, GATE_OPEN, 7, 30000, 1);
	await(b, 1);
	order(b, GATE_OPEN, 7, 60001, 2);
	await(b, 2);
	order(b, GATE_CLOSE, 7, 0, 3);
	await(b, 3);
	/* Closed: nothing is there to close. */
	order(b, GATE_CLOSE, 7, 0, 4);
	assert_int_equal(b->answers, 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_true(b->seqs[i] == i + 1 && b->results[i] == 0);
	assert_string_equal(calls(b, text),
		"ssh open 107 4 192.0.2.7 6 22 30\nssh renew 107 4 192.0.2.7 6 22 61\n"
		"ssh close 107 4 192.0.2.7 6 22 0\n");
	assert_int_equal(gate_script_opened(b->gate), 2);
}

static void test_time(void **state)
{
	struct bench *b = *state;
	char text[2048];
	order(b, GATE_OPEN, 7, 300, 1);
	await(b, 1);
	uint64_t until = clock_mono_ms() + 2000;
	while (clock_mono_ms() < until && strstr(calls(b, text), "close") == NULL)
		turn(b, 100);
	assert_non_null(strstr(text, "ssh close 107 "));
	assert_int_equal(b->answers, 1);
	assert_int_equal(gate_script_stuck(b->gate), 0);
}

static void test_failures(void **state)
{
	struct bench *b = *state;
	char text[2048];
	touch(b, "fail-open", true);
	touch(b, "fail-close", true);
	order(b, GATE_OPEN, 7, 30000, 1);
	await(b, 1);
	assert_int_equal(b->results[0], -EREMOTEIO);
	/* Perhaps it is open: closed at once, and that fails as well; again after a second, then after two. */
	uint64_t began = clock_mono_ms();
	while (gate_script_stuck(b->gate) == 0)
		turn(b, 100);
	assert_true(clock_mono_ms() - began < 900);
	calls(b, text);
	while (calls(b, text)[0] == '\0')
		turn(b, 100);
	assert_true(clock_mono_ms() - began >= 900);
	touch(b, "fail-close", false);
	while (gate_script_stuck(b->gate) > 0)
		turn(b, 100);
	assert_true(clock_mono_ms() - began >= 2900);
	assert_string_equal(calls(b, text), "ssh close 107 4 192.0.2.7 6 22 0\n");
	/* A renewal that failed leaves the time it had. */
	touch(b, "fail-open", false);
	order(b, GATE_OPEN, 8, 600, 2);
	await(b, 2);
	touch(b, "fail-renew", true);
	order(b, GATE_OPEN, 8, 60000, 3);
	await(b, 3);
	assert_int_equal(b->results[2], -EREMOTEIO);
	began = clock_mono_ms();
	while (strstr(calls(b, text), "close") == NULL && clock_mono_ms() - began < 3000)
		turn(b, 100);
	assert_non_null(strstr(text, "close 108"));
	/* A program that is gone fails like any other. */
	unlink(b->path);
	order(b, GATE_OPEN, 9, 600, 4);
	assert_int_equal(b->results[3], -EREMOTEIO);
	while (gate_script_stuck(b->gate) == 0)
		turn(b, 100);
}

/* One program for a gate, one order behind it, and no more gates than there may be. */
static void test_one_at_a_time(void **state)
{
	struct bench *b = *state;
	char text[2048];
	touch(b, "slow", true);
	order(b, GATE_OPEN, 7, 30000, 1);
	order(b, GATE_CLOSE, 7, 0, 2);
	assert_int_equal(b->answers, 0);
	order(b, GATE_OPEN, 7, 30000, 3);
	assert_int_equal(b->answers, 1);
	assert_true(b->seqs[0] == 3 && b->results[0] == -EBUSY);
	await(b, 3);
	assert_string_equal(calls(b, text),
		"ssh open 107 4 192.0.2.7 6 22 30\nssh close 107 4 192.0.2.7 6 22 0\n");
	b->answers = 0;
	for (uint8_t i = 1; i <= 11; i++)
		order(b, GATE_OPEN, i, 30000, i);
	assert_int_equal(b->answers, 1);
	assert_true(b->seqs[0] == 11 && b->results[0] == -ENFILE);
	await(b, 11);
	for (size_t i = 1; i < 11; i++)
		assert_int_equal(b->results[i], 0);
}

static void test_reset_fails(void **state)
{
	struct bench *b = *state;
	struct fault f;
	touch(b, "fail-reset", true);
	assert_int_equal(gate_script_reset(b->gate, 5000, &f), -EREMOTEIO);
	assert_non_null(strstr(f.text, "reset: did not succeed"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_at_a_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset_fails, setup, teardown),
	};
	if (geteuid() != 0) {
		print_message("needs root; skipped\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
