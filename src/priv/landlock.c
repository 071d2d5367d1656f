/*
 * Landlock, by its system calls: the C library has no names for them. Rights are numbered by the
 * kernel once and for ever, and which of them a kernel knows is told by its version, so they are
 * written here as numbers and asked for at run time; nothing depends on the headers of the machine
 * that compiled it.
 */

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "priv/internal.h"
#include "priv/priv.h"

#define ASK_VERSION 1u

/* struct landlock_ruleset_attr as of version 6. Older kernels take it while the new fields are 0.
 * */
struct ruleset {
	uint64_t fs;
	uint64_t net;
	uint64_t scoped;
};

/* Bits 0 to n-1: rights are numbered without gaps. */
#define RIGHTS(n) ((UINT64_C(1) << (n)) - 1)

#define CONNECT_TCP (UINT64_C(1) << 1)

/* What each version of the interface can deny, by the number of rights it knows. */
static const struct ruleset versions[] = {
	[1] = { RIGHTS(13), 0, 0 },
	[2] = { RIGHTS(14), 0, 0 },                 /* linking and renaming across folders */
	[3] = { RIGHTS(15), 0, 0 },                 /* truncating */
	[4] = { RIGHTS(15), RIGHTS(2), 0 },         /* TCP bind and connect */
	[5] = { RIGHTS(16), RIGHTS(2), 0 },         /* ioctl on devices */
	[6] = { RIGHTS(16), RIGHTS(2), RIGHTS(2) }, /* abstract sockets, signals to outside */
};

#define VERSION_MAX ((int)(sizeof(versions) / sizeof(versions[0])) - 1)

static int ask_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, ASK_VERSION);
	if (v >= 0)
		return (int)v;
	return errno == ENOSYS || errno == EOPNOTSUPP ? 0 : -errno;
}

int priv_landlock_version(void)
{
	int abi = ask_version();
	return abi > 0 ? abi : 0;
}

int priv_landlock_close(enum priv_net net, int *ret_abi)
{
	int abi = ask_version();
	if (abi <= 0) {
		*ret_abi = 0;
		return abi;
	}
	struct ruleset rights = versions[abi < VERSION_MAX ? abi : VERSION_MAX];
	if (net == PRIV_NET_CONNECT)
		rights.net &= ~CONNECT_TCP;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof(rights), 0u);
	if (fd < 0)
		return -errno;
	int rc = syscall(SYS_landlock_restrict_self, fd, 0u) < 0 ? -errno : 0;
	close(fd);
	if (rc == 0)
		*ret_abi = abi;
	return rc;
}
