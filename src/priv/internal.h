#ifndef POSTERN_PRIV_INTERNAL_H
#define POSTERN_PRIV_INTERNAL_H

/* Shared by the files of the sandbox: one process's system calls, and Landlock. */

#include <stddef.h>
#include <stdint.h>

/* True when (argument & mask) == value. A mask of 0 is always true. */
struct priv_test {
	unsigned arg;
	uint64_t mask;
	uint64_t value;
};

/* One system call allowed when both are true; it answers EPERM otherwise. */
struct priv_checked {
	int nr;
	struct priv_test first, second;
};

/* New TCP connections, by Landlock. */
enum priv_net { PRIV_NET_NONE, PRIV_NET_CONNECT };

/* What one kind of process may do, on top of what every one may. */
struct priv_profile {
	const int *calls;
	size_t call_count;
	const struct priv_checked *checked;
	size_t checked_count;
	enum priv_net net;
};

/*
 * Load the system call filters for this process and all its threads. Calls of the profile work;
 * those that a library may try out of habit answer EPERM; any other ends the process (SIGSYS). 0 or
 * -errno.
 */
__attribute__((warn_unused_result)) int priv_seccomp_load(const struct priv_profile *p);

/* Load a filter under which every call works but these n, which answer EPERM, making user namespaces and
 * the like. Programs that are run inherit it. 0 or -errno. */
__attribute__((warn_unused_result)) int priv_seccomp_refuse(const int *calls, size_t n);

/*
 * Handle every right that the running kernel's Landlock knows and grant none, but with PRIV_NET_CONNECT that
 * to connect by TCP. Descriptors open already keep working. *ret_abi is the kernel's version, 0 where there
 * is none. 0 or -errno.
 */
__attribute__((warn_unused_result)) int priv_landlock_close(enum priv_net net, int *ret_abi);

#endif
