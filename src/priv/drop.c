/*
 * Becoming an unprivileged user for good. Invariant: after priv_drop returned 0 the process has
 * exactly the capabilities it was to keep and no way to any other; every step is checked by its
 * effect, not by what the call answered.
 */

#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "priv/priv.h"

#define NAME_BUF 16384
#define CAP_BITS 64

int priv_user_find(const char *name, struct priv_user *ret, struct fault *f)
{
	char buf[NAME_BUF];
	struct passwd pw, *found = NULL;
	int rc = getpwnam_r(name, &pw, buf, sizeof(buf), &found);
	if (rc != 0) {
		fault_set(f, "user %s: cannot be looked up: %s", name, strerror(rc));
		return -rc;
	}
	if (found == NULL) {
		fault_set(
			f, "user %s: does not exist; make it with useradd --system %s", name, name);
		return -ENOENT;
	}
	if (pw.pw_uid == 0 || pw.pw_gid == 0) {
		fault_set(f, "user %s: is root or in root's group; name an unprivileged one", name);
		return -EINVAL;
	}
	*ret = (struct priv_user){ pw.pw_uid, pw.pw_gid };
	return 0;
}

/* The calling process's capabilities of one kind as bits; the library's state is refreshed before.
 * */
static uint64_t caps_of(capng_type_t which)
{
	uint64_t caps = 0;
	for (unsigned i = 0; i < CAP_BITS; i++)
		if (capng_have_capability(which, i) == 1)
			caps |= UINT64_C(1) << i;
	return caps;
}

bool priv_has_caps(uint64_t caps)
{
	if (capng_get_caps_process() < 0)
		return false;
	return (caps_of(CAPNG_EFFECTIVE) & caps) == caps;
}

static int change_id(const struct priv_user *u, uint64_t keep, struct fault *f)
{
	capng_clear(CAPNG_SELECT_ALL);
	for (unsigned i = 0; i < CAP_BITS; i++)
		if ((keep >> i & 1) != 0 &&
			capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, i) < 0) {
			fault_set(f, "capability %u: is not one of this machine's", i);
			return -EINVAL;
		}
	int rc = capng_change_id((int)u->uid, (int)u->gid,
		CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
	if (rc == 0)
		return 0;
	fault_set(f, "privilege: cannot become user %u (step %d failed); start this as root",
		(unsigned)u->uid, -rc);
	return -EPERM;
}

static int harden(struct fault *f)
{
	const struct rlimit none = { 0, 0 };
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 && setrlimit(RLIMIT_CORE, &none) == 0)
		return 0;
	int rc = -errno;
	fault_set(f, "privilege: no_new_privs and no core file cannot be set: %s", strerror(-rc));
	return rc;
}

static bool is_user(const struct priv_user *u)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;
	if (getresuid(&r, &e, &s) < 0 || getresgid(&rg, &eg, &sg) < 0)
		return false;
	return r == u->uid && e == u->uid && s == u->uid && rg == u->gid && eg == u->gid &&
		sg == u->gid && getgroups(0, NULL) == 0;
}

/* The bounding and ambient sets, asked of the kernel; it answers -1 past its last capability. */
static bool has_outer_caps(void)
{
	for (unsigned long i = 0; i < CAP_BITS; i++)
		if (prctl(PR_CAPBSET_READ, i, 0, 0, 0) > 0 ||
			prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, i, 0, 0) > 0)
			return true;
	return false;
}

static bool can_regain(void)
{
	return setresuid(0, 0, 0) == 0 || seteuid(0) == 0 || setresgid(0, 0, 0) == 0 ||
		setgroups(0, NULL) == 0;
}

/* What is not as it must be, or NULL. */
static const char *find_leftover(const struct priv_user *u, uint64_t keep)
{
	if (!is_user(u))
		return "the user, a group or a supplementary group is not the one asked for";
	if (capng_get_caps_process() < 0)
		return "the capabilities cannot be read";
	if (caps_of(CAPNG_EFFECTIVE) != keep || caps_of(CAPNG_PERMITTED) != keep)
		return "the capabilities are not those to be kept";
	if (caps_of(CAPNG_INHERITABLE) != 0 || has_outer_caps())
		return "an inheritable, bounding or ambient capability is left";
	if (can_regain())
		return "root could be had back";
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
		return "no_new_privs is not set or the process may be dumped";
	return NULL;
}

int priv_drop(const struct priv_user *u, uint64_t keep, struct fault *f)
{
	if (u->uid == 0 || u->gid == 0) {
		fault_set(f, "privilege: root is no user to drop to");
		return -EINVAL;
	}
	int rc = change_id(u, keep, f);
	if (rc == 0)
		rc = harden(f);
	if (rc < 0)
		return rc;
	const char *leftover = find_leftover(u, keep);
	if (leftover == NULL)
		return 0;
	fault_set(f, "privilege: %s; stopping", leftover);
	return -EPERM;
}
