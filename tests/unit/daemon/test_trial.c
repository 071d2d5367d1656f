/* The record of a trial: what is written is read back, and what nobody wrote is refused with a sentence. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/internal.h"
#include "daemon/trial.h"
#include "test.h"

static char folder[] = "/tmp/postern-trial-XXXXXX";

static int make_folder(void **state)
{
	(void)state;
	strcpy(folder + strlen(folder) - 6, "XXXXXX");
	return mkdtemp(folder) == NULL;
}

static int remove_folder(void **state)
{
	char path[PATH_MAX];
	(void)state;
	unlink(trial_file(folder, "trial", path));
	return rmdir(folder);
}

static void put(const char *text)
{
	char path[PATH_MAX];
	FILE *f = fopen(trial_file(folder, "trial", path), "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void test_round_trip(void **state)
{
	struct trial t = { TRIAL_RUNNING, "/etc/postern/new.conf", 300, 12345678901ull, "boot",
		"00ff", "because \"so\"" },
		     back;
	struct fault f;
	(void)state;
	assert_int_equal(trial_read(folder, &back, &f), 0);
	assert_int_equal(back.state, TRIAL_NONE);
	for (unsigned s = TRIAL_ASKED; s <= TRIAL_OVER; s++) {
		t.state = (enum trial_state)s;
		assert_int_equal(trial_write(folder, &t, &f), 0);
		assert_int_equal(trial_read(folder, &back, &f), 0);
		assert_int_equal(back.state, t.state);
		assert_string_equal(back.config, t.config);
		assert_int_equal(back.length_s, t.length_s);
		assert_int_equal(back.at_mono_ms, t.at_mono_ms);
		assert_string_equal(back.boot, t.boot);
		assert_string_equal(back.sum, t.sum);
		assert_string_equal(back.why, t.why);
	}
	assert_int_equal(trial_forget(folder, &f), 0);
	assert_int_equal(trial_forget(folder, &f), 0);
	assert_int_equal(trial_read(folder, &back, &f), 0);
	assert_int_equal(back.state, TRIAL_NONE);
}

static void test_no_record(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"{\"state\": \"running\"}",
		"{\"state\": \"running\", \"length_s\": 0, \"config\": \"/x\"}",
		"{\"state\": \"running\", \"length_s\": 86401, \"config\": \"/x\"}",
		"{\"state\": \"running\", \"length_s\": -1, \"config\": \"/x\"}",
		"{\"state\": \"running\", \"length_s\": 60, \"config\": \"\"}",
		"{\"state\": \"running\", \"length_s\": 60, \"config\": 7}",
		"{\"state\": \"none\", \"length_s\": 60, \"config\": \"/x\"}",
		"{\"state\": 1, \"length_s\": 60, \"config\": \"/x\"}",
	};
	struct trial t;
	struct fault f;
	char path[PATH_MAX];
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(texts[i]);
		assert_int_equal(trial_read(folder, &t, &f), -EINVAL);
		assert_int_equal(t.state, TRIAL_NONE);
		assert_non_null(strstr(f.text, "is no record of a trial; remove it"));
	}
	put("{\"state\": \"running\", \"length_s\": 60, \"config\": \"/x\"}");
	assert_int_equal(trial_read(folder, &t, &f), 0);
	assert_int_equal(chmod(trial_file(folder, "trial", path), 0666), 0);
	assert_int_equal(trial_read(folder, &t, &f), -EPERM);
}

static void test_fresh(void **state)
{
	static const struct {
		const char *boot;
		uint64_t asked, now;
		bool is_fresh;
	} cases[] = {
		{ "b", 1000, 1000, true },
		{ "b", 1000, 1000 + TRIAL_ASKED_MS, true },
		{ "b", 1000, 1001 + TRIAL_ASKED_MS, false },
		{ "b", 1001, 1000, false },
		{ "c", 1000, 1000, false },
		{ "", 1000, 1000, false },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct trial t = {
			.state = TRIAL_ASKED, .boot = "b", .at_mono_ms = cases[i].asked
		};
		assert_int_equal(
			trial_is_fresh(&t, cases[i].boot, cases[i].now), cases[i].is_fresh);
	}
}

/* Keys that stand in the configuration are kept, where nobody but root reads them. */
static void test_keep(void **state)
{
	static const char text[] =
		"server { id = /s.id directory = /dir }\n"
		"service ssh { port = tcp/22 allow = {} }\n"
		"door wan { interface = lo\n"
		"fwknop { key-base64 = \"AAEC\" hmac-key-base64 = \"QEFC\" services = {ssh}\n"
		"as = \"Ops/VSD\" } }\n";
	char path[PATH_MAX], directory[PATH_MAX];
	struct config_report r = { 0 };
	struct stat st;
	struct fault f;
	(void)state;
	struct boot b = { .config = config_parse_text("t.conf", span_of(text, strlen(text)), &r) };
	assert_non_null(b.config);
	/* The directory is where it is kept already. */
	b.config->server.directory = trial_file(folder, "confirmed.directory", directory);
	assert_int_equal(trial_keep(folder, &b, &f), 0);
	boot_forget_keys(&b);
	assert_string_equal(b.config->doors[0].fwknops[0].key_base64, "");
	assert_int_equal(stat(trial_file(folder, "confirmed.conf", path), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	struct config *kept = config_load(path, &r);
	assert_non_null(kept);
	assert_string_equal(kept->doors[0].fwknops[0].key_base64, "AAEC");
	assert_string_equal(kept->doors[0].fwknops[0].hmac_key_base64, "QEFC");
	config_free(kept);
	config_free(b.config);
	assert_int_equal(unlink(path), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_round_trip, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(test_no_record, make_folder, remove_folder),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test_setup_teardown(test_keep, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
