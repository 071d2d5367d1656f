/*
 * The sandboxes. Invariant: once that of knock or gate returned 0, the process can open nothing, reach
 * nobody new and run nothing else; it works with what it holds. The relay connects, and no more than that. The gate process gets less: it has
 * a capability, and therefore no files, no new connections and no socket options.
 */

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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
	/* What the interface of a door is called now. */
	{ SCMP_SYS(ioctl), { 1, MASK_INT, SIOCGIFNAME }, { 0 } },
	/* A door that is given other ports gets another filter; SO_LOCK_FILTER forbids it where
	 * none may. */
	{ SCMP_SYS(setsockopt), { 1, MASK_INT, SOL_SOCKET }, { 2, MASK_INT, SO_ATTACH_FILTER } },
};

static const struct priv_profile knock_profile = {
	knock_calls,
	LEN(knock_calls),
	knock_checked,
	LEN(knock_checked),
	PRIV_NET_NONE,
};

static const struct priv_profile gate_profile = { NULL, 0, NULL, 0, PRIV_NET_NONE };

static const int relay_calls[] = {
	SCMP_SYS(accept),
	SCMP_SYS(accept4),
	SCMP_SYS(connect),
};

#define STREAM (SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC)
#define DATAGRAM (SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC)

static const struct priv_checked relay_checked[] = {
	/* To the machines behind. What may be connected to is not the relay's to choose: see relay/. */
	{ SCMP_SYS(socket), { 0, MASK_INT, AF_INET }, { 1, MASK_INT, STREAM } },
	{ SCMP_SYS(socket), { 0, MASK_INT, AF_INET }, { 1, MASK_INT, DATAGRAM } },
	{ SCMP_SYS(socket), { 0, MASK_INT, AF_INET6 }, { 1, MASK_INT, STREAM } },
	{ SCMP_SYS(socket), { 0, MASK_INT, AF_INET6 }, { 1, MASK_INT, DATAGRAM } },
	{ SCMP_SYS(setsockopt), { 1, MASK_INT, IPPROTO_TCP }, { 2, MASK_INT, TCP_NODELAY } },
	{ SCMP_SYS(setsockopt), { 1, MASK_INT, SOL_SOCKET }, { 2, MASK_INT, SO_KEEPALIVE } },
	/* Passing a reset on. */
	{ SCMP_SYS(setsockopt), { 1, MASK_INT, SOL_SOCKET }, { 2, MASK_INT, SO_LINGER } },
};

static const struct priv_profile relay_profile = {
	relay_calls,
	LEN(relay_calls),
	relay_checked,
	LEN(relay_checked),
	PRIV_NET_CONNECT,
};

static int enter(const struct priv_profile *p, int *ret_landlock, struct fault *f)
{
	/* The C library would look for the time zone's file at the first local time. */
	tzset();
	int rc = priv_landlock_close(p->net, ret_landlock);
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

int priv_sandbox_relay(int *ret_landlock, struct fault *f)
{
	return enter(&relay_profile, ret_landlock, f);
}

/* What no firewall script and no action of an administrator has to do. */
static const int runner_refused[] = {
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(perf_event_open),
	SCMP_SYS(userfaultfd),
	SCMP_SYS(bpf),
	SCMP_SYS(init_module),
	SCMP_SYS(finit_module),
	SCMP_SYS(delete_module),
	SCMP_SYS(kexec_load),
	SCMP_SYS(kexec_file_load),
	SCMP_SYS(iopl),
	SCMP_SYS(ioperm),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	SCMP_SYS(move_mount),
	SCMP_SYS(open_tree),
	SCMP_SYS(fsopen),
	SCMP_SYS(fsmount),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(open_by_handle_at),
	SCMP_SYS(swapon),
	SCMP_SYS(swapoff),
	SCMP_SYS(acct),
	SCMP_SYS(settimeofday),
	SCMP_SYS(clock_settime),
	SCMP_SYS(add_key),
	SCMP_SYS(request_key),
	SCMP_SYS(keyctl),
};

/* Still root, with these capabilities and no way to others. */
static int limit_caps(uint64_t keep)
{
	capng_clear(CAPNG_SELECT_BOTH);
	for (unsigned i = 0; i < 64; i++)
		if ((keep >> i & 1) != 0 &&
			capng_update(CAPNG_ADD,
				CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET, i) < 0)
			return -EINVAL;
	return capng_apply(CAPNG_SELECT_BOTH) < 0 ? -EPERM : 0;
}

int priv_sandbox_runner(uint64_t keep, struct fault *f)
{
	const struct rlimit none = { 0, 0 };
	int rc = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
			prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0
		? -errno
		: 0;
	if (rc == 0)
		rc = priv_seccomp_refuse(runner_refused, LEN(runner_refused));
	if (rc == 0 && keep != UINT64_MAX)
		rc = limit_caps(keep);
	if (rc < 0)
		fault_set(f,
			"sandbox: of the process that starts programs cannot be made: %s; start "
			"posternd as root",
			strerror(-rc));
	return rc;
}
