/* Giving up privilege, looked at from inside a child with the kernel's own answers. */

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "child.h"
#include "test.h"

#define CAP(x) (UINT64_C(1) << (x))

static void skip_unless_root(void)
{
	if (geteuid() != 0)
		skip();
}

/* A line of /proc/self/status as hex. The file belongs to root by now, but everybody may read it.
 * */
static uint64_t status_bits(const char *name)
{
	char line[256];
	uint64_t bits = UINT64_MAX;
	FILE *f = fopen("/proc/self/status", "r");
	if (f == NULL)
		return bits;
	while (fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, strlen(name)) == 0)
			bits = strtoull(line + strlen(name) + 1, NULL, 16);
	fclose(f);
	return bits;
}

static bool has_exactly(uint64_t keep)
{
	return status_bits("CapPrm") == keep && status_bits("CapEff") == keep &&
		status_bits("CapInh") == 0 && status_bits("CapBnd") == 0 &&
		status_bits("CapAmb") == 0;
}

static int look_after_drop(void *arg)
{
	const uint64_t *keep = arg;
	struct rlimit core = { 1, 1 };
	uid_t uid[3];
	gid_t gid[3];

	if (child_drop(*keep) < 0)
		return 1;
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0)
		return 2;
	for (size_t i = 0; i < 3; i++)
		if (uid[i] != CHILD_NOBODY || gid[i] != CHILD_NOBODY)
			return 3;
	if (getgroups(0, NULL) != 0)
		return 4;
	if (!has_exactly(*keep))
		return 5;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE) != 0)
		return 6;
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max != 0)
		return 7;
	if (!priv_has_caps(*keep) || priv_has_caps(*keep | CAP(CAP_SYS_ADMIN)))
		return 8;
	return 0;
}

static void test_drop(void **state)
{
	static const struct {
		const char *name;
		uint64_t keep;
	} cases[] = {
		{ "nothing", 0 },
		{ "net admin", CAP(CAP_NET_ADMIN) },
		{ "net admin and raw", CAP(CAP_NET_ADMIN) | CAP(CAP_NET_RAW) },
	};
	(void)state;
	skip_unless_root();
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint64_t keep = cases[i].keep;
		int ended = child_run(look_after_drop, &keep);
		if (ended != 0)
			fail_msg("case \"%s\": step %d", cases[i].name, ended);
	}
}

/* Each returns true when it worked, which none may. */
static bool can_be_root(void)
{
	return setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0;
}

static bool can_read_shadow(void)
{
	return open("/etc/shadow", O_RDONLY) >= 0;
}

static bool can_raw(void)
{
	return socket(AF_INET, SOCK_RAW, IPPROTO_TCP) >= 0;
}

static bool can_signal_init(void)
{
	return kill(1, 0) == 0;
}

static bool can_change_root(void)
{
	return chroot("/") == 0;
}

static int try_all(void *arg)
{
	bool (*const tries[])(
		void) = { can_be_root, can_read_shadow, can_raw, can_signal_init, can_change_root };
	(void)arg;
	if (child_drop(0) < 0)
		return 100;
	for (size_t i = 0; i < TEST_LEN(tries); i++)
		if (tries[i]())
			return (int)i + 1;
	return 0;
}

static void test_nothing_left(void **state)
{
	(void)state;
	skip_unless_root();
	assert_int_equal(child_run(try_all, NULL), 0);
}

/* Once dropped there is nothing to drop to: the call fails and says so. */
static int drop_twice(void *arg)
{
	const struct priv_user other = { 1, 1 };
	struct fault f = { "" };
	(void)arg;
	if (child_drop(0) < 0)
		return 1;
	return priv_drop(&other, 0, &f) == -EPERM && f.text[0] != '\0' ? 0 : 2;
}

/* A way back that was kept is found. */
static int keep_way_back(void *arg)
{
	const struct priv_user nobody = { CHILD_NOBODY, CHILD_NOBODY };
	const uint64_t *keep = arg;
	struct fault f = { "" };
	return priv_drop(&nobody, *keep, &f) == -EPERM && f.text[0] != '\0' ? 0 : 1;
}

static void test_refused(void **state)
{
	const struct priv_user root = { 0, CHILD_NOBODY }, root_group = { CHILD_NOBODY, 0 };
	uint64_t back[] = { CAP(CAP_SETUID), CAP(CAP_SETGID) };
	struct fault f = { "" };
	(void)state;
	assert_int_equal(priv_drop(&root, 0, &f), -EINVAL);
	assert_int_equal(priv_drop(&root_group, 0, &f), -EINVAL);
	skip_unless_root();
	assert_int_equal(child_run(drop_twice, NULL), 0);
	for (size_t i = 0; i < TEST_LEN(back); i++)
		assert_int_equal(child_run(keep_way_back, &back[i]), 0);
}

static void test_user_find(void **state)
{
	struct priv_user u = { 0, 0 };
	struct fault f = { "" };
	(void)state;
	assert_int_equal(priv_user_find("nobody", &u, &f), 0);
	assert_true(u.uid != 0 && u.gid != 0);
	assert_int_equal(priv_user_find("root", &u, &f), -EINVAL);
	assert_non_null(strstr(f.text, "root"));
	assert_int_equal(priv_user_find("no-such-user-here", &u, &f), -ENOENT);
	assert_non_null(strstr(f.text, "useradd"));
	assert_true(u.uid != 0);
}

static void test_has_caps(void **state)
{
	(void)state;
	assert_true(priv_has_caps(0));
	assert_false(priv_has_caps(CAP(63)));
	skip_unless_root();
	assert_true(priv_has_caps(CAP(CAP_SETUID) | CAP(CAP_SETGID)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_nothing_left),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_user_find),
		cmocka_unit_test(test_has_caps),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
