/*
 * The two sandboxes. Invariant: once one of these returned 0, this process can open nothing, reach
 * nobody new and run nothing else; it works with what it holds. The gate process gets less: it has
 * a capability, and therefore no files, no new connections and no socket options.
 */

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "priv/internal.h"
#include "priv/priv.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MASK_INT UINT64_C(0xffffffff)

/* The store's file and log, the control socket's visitors, packets in bulk. */
static const int knock_calls[] = {
	SCMP_SYS(pread64),
	SCMP_SYS(pwrite64),
	SCMP_SYS(fsync),
	SCMP_SYS(fdatasync),
	SCMP_SYS(ftruncate),
	SCMP_SYS(fallocate),
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(recvmmsg),
	SCMP_SYS(sendmmsg),
};

static const struct priv_checked knock_checked[] = {
	/* The store's locks. */
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_GETLK }, { 0 } },
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_SETLK }, { 0 } },
	/* A door that is given other ports gets another filter; SO_LOCK_FILTER forbids it where
	 * none may. */
	{ SCMP_SYS(setsockopt), { 1, MASK_INT, SOL_SOCKET }, { 2, MASK_INT, SO_ATTACH_FILTER } },
};

static const struct priv_profile knock_profile = {
	knock_calls,
	LEN(knock_calls),
	knock_checked,
	LEN(knock_checked),
};

static const struct priv_profile gate_profile = { NULL, 0, NULL, 0 };

static int enter(const struct priv_profile *p, int *ret_landlock, struct fault *f)
{
	/* The C library would look for the time zone's file at the first local time. */
	tzset();
	int rc = priv_landlock_close(ret_landlock);
	if (rc < 0) {
		fault_set(f, "sandbox: Landlock cannot be switched on: %s", strerror(-rc));
		return rc;
	}
	rc = priv_seccomp_load(p);
	if (rc < 0)
		fault_set(f,
			"sandbox: the system call filter cannot be loaded: %s; the kernel needs"
			" CONFIG_SECCOMP_FILTER",
			strerror(-rc));
	return rc;
}

int priv_sandbox_knock(int *ret_landlock, struct fault *f)
{
	return enter(&knock_profile, ret_landlock, f);
}

int priv_sandbox_gate(int *ret_landlock, struct fault *f)
{
	return enter(&gate_profile, ret_landlock, f);
}
