/*
 * System call filters from tables. Two are loaded, and the kernel obeys the stricter: the first
 * ends the process at a call that no table names, the second answers EPERM to all but what is
 * allowed. So a call is allowed, refused or fatal, and an allowed one with an argument that is not
 * is refused.
 */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "priv/internal.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define MASK_INT UINT64_C(0xffffffff) /* the kernel reads an int or an unsigned int */
#define MASK_ALL UINT64_MAX

/* Calls that work: descriptors one has, memory, time, waiting, one's own identity. */
static const int common[] = {
	SCMP_SYS(read),
	SCMP_SYS(write),
	SCMP_SYS(readv),
	SCMP_SYS(writev),
	SCMP_SYS(close),
	SCMP_SYS(fstat),
	SCMP_SYS(lseek),
	SCMP_SYS(recvfrom),
	SCMP_SYS(recvmsg),
	SCMP_SYS(sendto),
	SCMP_SYS(sendmsg),
	SCMP_SYS(shutdown),
	SCMP_SYS(getsockname),
	SCMP_SYS(getpeername),
	SCMP_SYS(getsockopt),
	SCMP_SYS(poll),
	SCMP_SYS(ppoll),
	SCMP_SYS(epoll_create1),
	SCMP_SYS(epoll_ctl),
	SCMP_SYS(epoll_wait),
	SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2),
	SCMP_SYS(eventfd2),
	SCMP_SYS(pipe2),
	SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_getres),
	SCMP_SYS(gettimeofday),
	SCMP_SYS(time),
	SCMP_SYS(nanosleep),
	SCMP_SYS(clock_nanosleep),
	SCMP_SYS(getrandom),
	SCMP_SYS(brk),
	SCMP_SYS(munmap),
	SCMP_SYS(mremap),
	SCMP_SYS(madvise),
	SCMP_SYS(mlock),
	SCMP_SYS(munlock),
	SCMP_SYS(futex),
	SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq),
	SCMP_SYS(sched_yield),
	SCMP_SYS(getcpu),
	SCMP_SYS(restart_syscall),
	SCMP_SYS(rt_sigaction),
	SCMP_SYS(rt_sigprocmask),
	SCMP_SYS(rt_sigreturn),
	SCMP_SYS(sigaltstack),
	SCMP_SYS(getpid),
	SCMP_SYS(getppid),
	SCMP_SYS(gettid),
	SCMP_SYS(getuid),
	SCMP_SYS(geteuid),
	SCMP_SYS(getgid),
	SCMP_SYS(getegid),
	SCMP_SYS(getrlimit),
	SCMP_SYS(getrusage),
	SCMP_SYS(uname),
	SCMP_SYS(sysinfo),
	SCMP_SYS(exit),
	SCMP_SYS(exit_group),
};

/* Calls that answer EPERM: a library tries them and can do without, or a person reads the error. */
static const int refused[] = {
	/* names of files */
	SCMP_SYS(open),
	SCMP_SYS(openat),
	SCMP_SYS(openat2),
	SCMP_SYS(creat),
	SCMP_SYS(stat),
	SCMP_SYS(lstat),
	SCMP_SYS(statx),
	SCMP_SYS(access),
	SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2),
	SCMP_SYS(readlink),
	SCMP_SYS(readlinkat),
	SCMP_SYS(getcwd),
	SCMP_SYS(chdir),
	SCMP_SYS(fchdir),
	SCMP_SYS(chroot),
	SCMP_SYS(getdents),
	SCMP_SYS(getdents64),
	SCMP_SYS(statfs),
	SCMP_SYS(fstatfs),
	SCMP_SYS(unlink),
	SCMP_SYS(unlinkat),
	SCMP_SYS(rename),
	SCMP_SYS(renameat),
	SCMP_SYS(renameat2),
	SCMP_SYS(link),
	SCMP_SYS(linkat),
	SCMP_SYS(symlink),
	SCMP_SYS(symlinkat),
	SCMP_SYS(mkdir),
	SCMP_SYS(mkdirat),
	SCMP_SYS(rmdir),
	SCMP_SYS(mknod),
	SCMP_SYS(mknodat),
	SCMP_SYS(truncate),
	SCMP_SYS(chmod),
	SCMP_SYS(fchmod),
	SCMP_SYS(fchmodat),
	SCMP_SYS(chown),
	SCMP_SYS(fchown),
	SCMP_SYS(lchown),
	SCMP_SYS(fchownat),
	SCMP_SYS(utimensat),
	SCMP_SYS(umask),
	SCMP_SYS(mount),
	SCMP_SYS(umount2),
	SCMP_SYS(pivot_root),
	/* new descriptors, peers and processes */
	SCMP_SYS(socket),
	SCMP_SYS(socketpair),
	SCMP_SYS(bind),
	SCMP_SYS(connect),
	SCMP_SYS(listen),
	SCMP_SYS(dup),
	SCMP_SYS(dup2),
	SCMP_SYS(dup3),
	SCMP_SYS(close_range),
	SCMP_SYS(memfd_create),
	SCMP_SYS(inotify_init1),
	SCMP_SYS(timerfd_create),
	SCMP_SYS(signalfd4),
	SCMP_SYS(fork),
	SCMP_SYS(vfork),
	SCMP_SYS(clone),
	SCMP_SYS(clone3),
	SCMP_SYS(execve),
	SCMP_SYS(execveat),
	SCMP_SYS(wait4),
	SCMP_SYS(waitid),
	/* other processes */
	SCMP_SYS(ptrace),
	SCMP_SYS(process_vm_readv),
	SCMP_SYS(process_vm_writev),
	SCMP_SYS(kill),
	SCMP_SYS(tkill),
	SCMP_SYS(rt_sigqueueinfo),
	SCMP_SYS(pidfd_open),
	SCMP_SYS(pidfd_getfd),
	SCMP_SYS(pidfd_send_signal),
	SCMP_SYS(setpriority),
	SCMP_SYS(sched_getaffinity),
	SCMP_SYS(sched_setaffinity),
	SCMP_SYS(sched_setscheduler),
	/* privilege */
	SCMP_SYS(setuid),
	SCMP_SYS(setgid),
	SCMP_SYS(setreuid),
	SCMP_SYS(setregid),
	SCMP_SYS(setresuid),
	SCMP_SYS(setresgid),
	SCMP_SYS(setfsuid),
	SCMP_SYS(setfsgid),
	SCMP_SYS(setgroups),
	SCMP_SYS(setsid),
	SCMP_SYS(setpgid),
	SCMP_SYS(capget),
	SCMP_SYS(capset),
	SCMP_SYS(prctl),
	SCMP_SYS(seccomp),
	SCMP_SYS(setrlimit),
	SCMP_SYS(personality),
	SCMP_SYS(setns),
	SCMP_SYS(unshare),
	SCMP_SYS(pkey_mprotect),
};

/* Allowed with these arguments, refused with others. A call may stand here once a value. */
static const struct priv_checked checked[] = {
	/* Memory that was data never becomes code. */
	{ SCMP_SYS(mmap), { 2, PROT_EXEC, 0 }, { 0 } },
	{ SCMP_SYS(mprotect), { 2, PROT_EXEC, 0 }, { 0 } },
	/* fstat() of the C library. With a name it tells of a file what stat() does, and no more.
	 * */
	{ SCMP_SYS(newfstatat), { 3, MASK_INT, AT_EMPTY_PATH }, { 0 } },
	{ SCMP_SYS(ioctl), { 1, MASK_INT, FIONREAD }, { 0 } },
	{ SCMP_SYS(ioctl), { 1, MASK_INT, FIONBIO }, { 0 } },
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_GETFD }, { 0 } },
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_SETFD }, { 0 } },
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_GETFL }, { 0 } },
	{ SCMP_SYS(fcntl), { 1, MASK_INT, F_SETFL }, { 0 } },
	/* Reading a limit: no new one is passed. */
	{ SCMP_SYS(prlimit64), { 2, MASK_ALL, 0 }, { 0 } },
};

/* Argument-independent rules. A call this architecture does not have needs none. */
static int allow(scmp_filter_ctx ctx, const int *calls, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, calls[i], 0, NULL);
		if (rc < 0 && rc != -EDOM)
			return rc;
	}
	return 0;
}

static struct scmp_arg_cmp compare(struct priv_test t)
{
	return (struct scmp_arg_cmp){ t.arg, SCMP_CMP_MASKED_EQ, t.mask, t.value };
}

static int allow_checked(
	scmp_filter_ctx ctx, const struct priv_checked *c, size_t n, bool is_any_argument)
{
	for (size_t i = 0; i < n; i++) {
		struct scmp_arg_cmp tests[2] = { compare(c[i].first), compare(c[i].second) };
		unsigned count = c[i].second.mask == 0 ? 1 : 2;
		int rc = seccomp_rule_add_array(
			ctx, SCMP_ACT_ALLOW, c[i].nr, is_any_argument ? 0 : count, tests);
		/* A call stands here once a value, but is named once without. */
		if (rc < 0 && rc != -EDOM && rc != -EEXIST)
			return rc;
	}
	return 0;
}

/* Raising SIGABRT in oneself, and in nobody else. */
static int allow_abort(scmp_filter_ctx ctx, bool is_any_argument)
{
	const struct priv_checked self = { SCMP_SYS(tgkill), { 0, MASK_INT, (uint64_t)getpid() },
		{ 0 } };
	return allow_checked(ctx, &self, 1, is_any_argument);
}

static int fill(scmp_filter_ctx ctx, const struct priv_profile *p, bool is_any_argument)
{
	int rc = allow(ctx, common, LEN(common));
	if (rc == 0)
		rc = allow(ctx, p->calls, p->call_count);
	if (rc == 0)
		rc = allow_checked(ctx, checked, LEN(checked), is_any_argument);
	if (rc == 0)
		rc = allow_checked(ctx, p->checked, p->checked_count, is_any_argument);
	if (rc == 0)
		rc = allow_abort(ctx, is_any_argument);
	return rc;
}

static int set_up(scmp_filter_ctx ctx)
{
	int rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_attr_set(ctx, SCMP_FLTATR_API_SYSRAWRC, 1);
	return rc;
}

/* Everything named in any table passes; the rest ends the process. */
static int load_known(const struct priv_profile *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_KILL_PROCESS);
	if (ctx == NULL)
		return -ENOMEM;
	int rc = set_up(ctx);
	if (rc == 0)
		rc = fill(ctx, p, true);
	if (rc == 0)
		rc = allow(ctx, refused, LEN(refused));
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

/* What is allowed passes; the rest answers EPERM. */
static int load_wanted(const struct priv_profile *p)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));
	if (ctx == NULL)
		return -ENOMEM;
	int rc = set_up(ctx);
	if (rc == 0)
		rc = fill(ctx, p, false);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}

int priv_seccomp_load(const struct priv_profile *p)
{
	/* In this order: the second filter refuses to load another. */
	int rc = load_known(p);
	return rc < 0 ? rc : load_wanted(p);
}

/* clone3() hides its flags behind a pointer: programs fall back to clone(), whose flags can be seen. */
static int refuse_namespaces(scmp_filter_ctx ctx)
{
	static const uint64_t flags[] = { CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWNET, CLONE_NEWPID,
		CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP };
	int rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0, NULL);
	for (size_t i = 0; i < LEN(flags) && rc == 0; i++) {
		struct scmp_arg_cmp test = { 0, SCMP_CMP_MASKED_EQ, flags[i], flags[i] };
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, &test);
	}
	return rc;
}

int priv_seccomp_refuse(const int *calls, size_t n)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
	if (ctx == NULL)
		return -ENOMEM;
	int rc = set_up(ctx);
	for (size_t i = 0; i < n && rc == 0; i++) {
		rc = seccomp_rule_add_array(ctx, SCMP_ACT_ERRNO(EPERM), calls[i], 0, NULL);
		if (rc == -EDOM)
			rc = 0;
	}
	if (rc == 0)
		rc = refuse_namespaces(ctx);
	if (rc == 0)
		rc = seccomp_load(ctx);
	seccomp_release(ctx);
	return rc;
}
