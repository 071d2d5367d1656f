/*
 * The sandboxes, tried from inside by a child that is nobody: what must not work answers EPERM or
 * ends the process, what must work works. Calls are named, so that one this machine lacks is left
 * out.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "child.h"
#include "test.h"

typedef int sandbox_fn(int *ret_landlock, struct fault *f);

static sandbox_fn *const sandboxes[] = { priv_sandbox_knock, priv_sandbox_gate,
	priv_sandbox_relay };

/* Made before the sandbox closes. */
static int tcp_fd, file_fd, self_pid;
static uint8_t *page;

static const char passwd[] = "/etc/passwd";
static const char nowhere[] = "/tmp/postern-test-nowhere";
static const char *const no_args[] = { "true", NULL };
static const struct sockaddr_in loopback = { .sin_family = AF_INET };
static const struct rlimit small = { 1, 1 };

#define P(x) (long)(uintptr_t)(x)

struct attempt {
	const char *name;
	const char *call;
	long arg[6];
};

/* Arguments that are only known at run time. */
#define TCP_FD -1000
#define FILE_FD -1001
#define SELF -1002
#define PAGE -1003

static long resolve(long arg)
{
	switch (arg) {
	case TCP_FD:
		return tcp_fd;
	case FILE_FD:
		return file_fd;
	case SELF:
		return self_pid;
	case PAGE:
		return P(page);
	default:
		return arg;
	}
}

static long attempt(const struct attempt *a, bool *ret_is_known)
{
	int nr = seccomp_syscall_resolve_name(a->call);
	*ret_is_known = nr >= 0;
	if (nr < 0)
		return -1;
	errno = 0;
	return syscall(nr, resolve(a->arg[0]), resolve(a->arg[1]), resolve(a->arg[2]),
		resolve(a->arg[3]), resolve(a->arg[4]), resolve(a->arg[5]));
}

/* Constant expressions only where the language asks for them: the tables are filled at first use.
 * */
static const struct attempt *refused_table(size_t *ret_count)
{
	static struct attempt table[128];
	const struct attempt all[] = {
		{ "open to read", "open", { P(passwd), O_RDONLY } },
		{ "openat to read", "openat", { AT_FDCWD, P(passwd), O_RDONLY } },
		{ "openat to make", "openat", { AT_FDCWD, P(nowhere), O_WRONLY | O_CREAT, 0600 } },
		{ "openat2", "openat2", { AT_FDCWD, P(passwd), P(page), 24 } },
		{ "creat", "creat", { P(nowhere), 0600 } },
		{ "stat", "stat", { P(passwd), PAGE } },
		{ "newfstatat of a name", "newfstatat", { AT_FDCWD, P(passwd), PAGE, 0 } },
		{ "statx", "statx", { AT_FDCWD, P(passwd), 0, 0, PAGE } },
		{ "access", "access", { P(passwd), R_OK } },
		{ "readlink", "readlink", { P("/proc/self/exe"), PAGE, 100 } },
		{ "getcwd", "getcwd", { PAGE, 4096 } },
		{ "chdir", "chdir", { P("/") } },
		{ "unlink", "unlink", { P(nowhere) } },
		{ "unlinkat", "unlinkat", { AT_FDCWD, P(nowhere), 0 } },
		{ "rename", "rename", { P(nowhere), P(nowhere) } },
		{ "link", "link", { P(passwd), P(nowhere) } },
		{ "symlink", "symlink", { P(passwd), P(nowhere) } },
		{ "mkdir", "mkdir", { P(nowhere), 0700 } },
		{ "rmdir", "rmdir", { P(nowhere) } },
		{ "mknod", "mknod", { P(nowhere), S_IFIFO | 0600 } },
		{ "chmod", "chmod", { P(nowhere), 0600 } },
		{ "fchmod", "fchmod", { FILE_FD, 0666 } },
		{ "chown", "chown", { P(nowhere), 1, 1 } },
		{ "mount", "mount", { 0, P("/"), 0, 0, 0 } },
		{ "umount2", "umount2", { P("/"), 0 } },
		{ "chroot", "chroot", { P("/") } },
		{ "socket inet stream", "socket", { AF_INET, SOCK_STREAM, 0 } },
		{ "socket inet datagram", "socket", { AF_INET, SOCK_DGRAM, 0 } },
		{ "socket inet raw", "socket", { AF_INET, SOCK_RAW, IPPROTO_ICMP } },
		{ "socket inet6", "socket", { AF_INET6, SOCK_STREAM, 0 } },
		{ "socket unix", "socket", { AF_UNIX, SOCK_STREAM, 0 } },
		{ "socket netlink", "socket", { AF_NETLINK, SOCK_RAW, 0 } },
		{ "socket packet", "socket", { AF_PACKET, SOCK_RAW, 0 } },
		{ "socket vsock", "socket", { AF_VSOCK, SOCK_STREAM, 0 } },
		{ "socket alg", "socket", { AF_ALG, SOCK_SEQPACKET, 0 } },
		{ "socketpair", "socketpair", { AF_UNIX, SOCK_STREAM, 0, PAGE } },
		{ "bind", "bind", { TCP_FD, P(&loopback), sizeof(loopback) } },
		{ "connect", "connect", { TCP_FD, P(&loopback), sizeof(loopback) } },
		{ "listen", "listen", { TCP_FD, 1 } },
		{ "execve", "execve", { P("/bin/true"), P(no_args), P(no_args + 1) } },
		{ "execveat", "execveat",
			{ AT_FDCWD, P("/bin/true"), P(no_args), P(no_args + 1), 0 } },
		{ "fork", "fork", { 0 } },
		{ "clone of a process", "clone", { SIGCHLD, 0, 0, 0, 0 } },
		{ "clone3", "clone3", { PAGE, 88 } },
		{ "ptrace", "ptrace", { PTRACE_TRACEME, 0, 0, 0 } },
		{ "process_vm_readv", "process_vm_readv", { SELF, 0, 0, 0, 0, 0 } },
		{ "kill init", "kill", { 1, 0 } },
		{ "kill itself", "kill", { SELF, 0 } },
		{ "tgkill another", "tgkill", { 1, 1, 0 } },
		{ "pidfd_open", "pidfd_open", { SELF, 0 } },
		{ "setuid", "setuid", { 0 } },
		{ "setresuid", "setresuid", { 0, 0, 0 } },
		{ "setresgid", "setresgid", { 0, 0, 0 } },
		{ "setgroups", "setgroups", { 0, 0 } },
		{ "setsid", "setsid", { 0 } },
		{ "capset", "capset", { PAGE, PAGE } },
		{ "prctl dumpable", "prctl", { PR_SET_DUMPABLE, 1, 0, 0, 0 } },
		{ "prctl name", "prctl", { PR_SET_NAME, P("x"), 0, 0, 0 } },
		{ "seccomp", "seccomp", { 1, 0, 0 } },
		{ "personality", "personality", { 0x0400000 } },
		{ "unshare", "unshare", { CLONE_NEWUSER } },
		{ "setns", "setns", { FILE_FD, 0 } },
		{ "mmap to execute", "mmap",
			{ 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0 } },
		{ "mmap a file to execute", "mmap",
			{ 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, FILE_FD, 0 } },
		{ "mprotect to execute", "mprotect", { PAGE, 4096, PROT_READ | PROT_EXEC } },
		{ "pkey_mprotect", "pkey_mprotect", { PAGE, 4096, PROT_READ | PROT_EXEC, -1 } },
		{ "memfd_create", "memfd_create", { P("x"), 0 } },
		{ "ioctl TIOCSTI", "ioctl", { 0, TIOCSTI, PAGE } },
		{ "ioctl TIOCGWINSZ", "ioctl", { 0, TIOCGWINSZ, PAGE } },
		{ "ioctl SIOCGIFFLAGS", "ioctl", { TCP_FD, 0x8913, PAGE } },
		{ "ioctl past 32 bits", "ioctl", { 0, TIOCSTI | (long)(UINT64_C(1) << 40), PAGE } },
		{ "fcntl F_SETOWN", "fcntl", { TCP_FD, F_SETOWN, 1 } },
		{ "fcntl F_SETSIG", "fcntl", { TCP_FD, 10, SIGKILL } },
		{ "fcntl F_DUPFD", "fcntl", { 0, F_DUPFD, 0 } },
		{ "dup", "dup", { 0 } },
		{ "dup2", "dup2", { 0, 50 } },
		{ "setrlimit", "setrlimit", { RLIMIT_NOFILE, P(&small) } },
		{ "prlimit64 to set", "prlimit64", { 0, RLIMIT_NOFILE, P(&small), 0 } },
		{ "inotify_init1", "inotify_init1", { 0 } },
		{ "timerfd_create", "timerfd_create", { 0, 0 } },
	};
	memcpy(table, all, sizeof(all));
	*ret_count = TEST_LEN(all);
	return table;
}

/* 0 in a child behind the sandbox. */
static int enter(sandbox_fn *sandbox)
{
	int landlock = -1;
	struct fault f = { "" };

	self_pid = getpid();
	tcp_fd = socket(AF_INET, SOCK_STREAM, 0);
	file_fd = open(passwd, O_RDONLY);
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (tcp_fd < 0 || file_fd < 0 || page == MAP_FAILED || child_drop(0) < 0)
		return -1;
	int rc = sandbox(&landlock, &f);
	if (rc < 0)
		fprintf(stderr, "%s\n", f.text);
	return rc < 0 || landlock < 0 ? -1 : 0;
}

static int try_refused(void *arg)
{
	sandbox_fn *const *sandbox = arg;
	size_t n = 0;
	int bad = 0;
	if (enter(*sandbox) < 0)
		return 200;
	const struct attempt *table = refused_table(&n);
	for (size_t i = 0; i < n; i++) {
		bool is_known;
		/* The one of them that the relay lives on. */
		if (*sandbox == priv_sandbox_relay && strcmp(table[i].call, "connect") == 0)
			continue;
		long rc = attempt(&table[i], &is_known);
		if (!is_known || (rc == -1 && (errno == EPERM || errno == EACCES)))
			continue;
		fprintf(stderr, "%s: answers %ld, %s\n", table[i].name, rc, strerror(errno));
		bad++;
	}
	return bad;
}

static void test_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < TEST_LEN(sandboxes); i++) {
		sandbox_fn *sandbox = sandboxes[i];
		assert_int_equal(child_run(try_refused, &sandbox), 0);
	}
}

struct fatal {
	sandbox_fn *sandbox;
	const struct attempt *what;
};

static int try_fatal(void *arg)
{
	const struct fatal *f = arg;
	bool is_known;
	if (enter(f->sandbox) < 0)
		return 200;
	attempt(f->what, &is_known);
	return is_known ? 1 : 2;
}

static void expect_killed(sandbox_fn *sandbox, const struct attempt *what)
{
	struct fatal f = { sandbox, what };
	int ended = child_run(try_fatal, &f);
	if (ended != 2 && ended != 1000 + SIGSYS)
		fail_msg("case \"%s\": ended with %d", what->name, ended);
}

static void test_fatal(void **state)
{
	static const struct attempt calls[] = {
		{ "reboot", "reboot", { 0 } },
		{ "kexec_load", "kexec_load", { 0 } },
		{ "init_module", "init_module", { 0 } },
		{ "bpf", "bpf", { 0 } },
		{ "perf_event_open", "perf_event_open", { 0 } },
		{ "userfaultfd", "userfaultfd", { 0 } },
		{ "io_uring_setup", "io_uring_setup", { 1, 0 } },
		{ "keyctl", "keyctl", { 0 } },
		{ "add_key", "add_key", { 0 } },
		{ "swapon", "swapon", { 0 } },
		{ "settimeofday", "settimeofday", { 0 } },
		{ "open_by_handle_at", "open_by_handle_at", { 0 } },
		{ "shmget", "shmget", { 0 } },
		{ "splice", "splice", { 0 } },
	};
	static const struct attempt gate_only[] = {
		{ "accept4", "accept4", { 0 } },
		{ "setsockopt", "setsockopt", { 0 } },
		{ "pwrite64", "pwrite64", { 0 } },
		{ "ftruncate", "ftruncate", { 0 } },
	};
	static const struct attempt relay_not[] = {
		{ "pwrite64", "pwrite64", { 0 } },
		{ "ftruncate", "ftruncate", { 0 } },
	};
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < TEST_LEN(sandboxes); i++)
		for (size_t k = 0; k < TEST_LEN(calls); k++)
			expect_killed(sandboxes[i], &calls[k]);
	for (size_t k = 0; k < TEST_LEN(gate_only); k++)
		expect_killed(priv_sandbox_gate, &gate_only[k]);
	for (size_t k = 0; k < TEST_LEN(relay_not); k++)
		expect_killed(priv_sandbox_relay, &relay_not[k]);
}

/* The other table of system calls that this machine has (x32), or none: both end the process. */
static int try_other_table(void *arg)
{
	sandbox_fn *const *sandbox = arg;
	if (enter(*sandbox) < 0)
		return 200;
	syscall(0x40000000 | 39);
	return 1;
}

static int try_abort(void *arg)
{
	sandbox_fn *const *sandbox = arg;
	if (enter(*sandbox) < 0)
		return 200;
	abort();
}

static void test_ends(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	for (size_t i = 0; i < TEST_LEN(sandboxes); i++) {
		sandbox_fn *sandbox = sandboxes[i];
		assert_int_equal(child_run(try_other_table, &sandbox), 1000 + SIGSYS);
		assert_int_equal(child_run(try_abort, &sandbox), 1000 + SIGABRT);
	}
}

/* What both processes need: channel, waiting, time, memory, random, local time, a log line. */
static int use_common(const int channel[2])
{
	struct msg m = { .type = MSG_BEAT, .seq = 5 }, got;
	struct epoll_event e = { .events = EPOLLIN };
	struct timespec ts;
	struct stat st;
	struct tm tm;
	time_t now = 0;
	uint8_t random[16];

	int ep = epoll_create1(EPOLL_CLOEXEC);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, channel[1], &e) < 0)
		return 1;
	if (epoll_wait(ep, &e, 1, 0) != 0 || msg_send(channel[0], &m) < 0)
		return 2;
	if (epoll_wait(ep, &e, 1, 1000) != 1)
		return 3;
	if (msg_receive(channel[1], MSG_FROM_KNOCK, MSG_FROM_GATE, &got) != 1 || got.seq != 5)
		return 4;
	if (clock_gettime(CLOCK_BOOTTIME, &ts) < 0 || getrandom(random, sizeof(random), 0) != 16)
		return 5;
	void *big = malloc(8 << 20);
	if (big == NULL)
		return 6;
	memset(big, 1, 8 << 20);
	big = realloc(big, 16 << 20);
	free(big);
	if (big == NULL || localtime_r(&now, &tm) == NULL || fstat(file_fd, &st) < 0)
		return 7;
	if (isatty(file_fd) != 0 || (fcntl(channel[0], F_GETFL) & O_NONBLOCK) == 0)
		return 8;
	return 0;
}

static int use_sockets(int raw, int udp, uint16_t port, int listener)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	uint8_t datagram[12] = { 0x12, 0x34, (uint8_t)(port >> 8), (uint8_t)port, 0, 12, 0, 0, 'a',
		'b', 'c', 'd' };
	uint8_t got[16] = { 0 };
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	struct sock_fprog program = { 1, &all };
	int value = 0;
	socklen_t len = sizeof(value);

	if (sendto(raw, datagram, sizeof(datagram), 0, (struct sockaddr *)&to, sizeof(to)) != 12)
		return 20;
	if (recv(udp, got, sizeof(got), 0) != 4 || memcmp(got, "abcd", 4) != 0)
		return 21;
	if (setsockopt(udp, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		return 22;
	if (setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &value, len) == 0 || errno != EPERM)
		return 23;
	if (setsockopt(udp, IPPROTO_IP, SO_ATTACH_FILTER, &value, len) == 0 || errno != EPERM)
		return 24;
	if (getsockopt(udp, SOL_SOCKET, SO_ERROR, &value, &len) < 0)
		return 25;
	int visitor = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (visitor < 0 || read(visitor, got, 4) != 4 || write(visitor, got, 4) != 4)
		return 26;
	return 0;
}

static int use_file(int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1 };
	char byte = 'x';
	if (fcntl(fd, F_SETLK, &lock) < 0 || pwrite(fd, &byte, 1, 9) != 1 || fdatasync(fd) < 0)
		return 40;
	if (ftruncate(fd, 4096) < 0 || pread(fd, &byte, 1, 9) != 1 || byte != 'x')
		return 41;
	void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	return map == MAP_FAILED || munmap(map, 4096) < 0 ? 42 : 0;
}

static int knock_works(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	struct sockaddr_un un = { .sun_family = AF_UNIX }; /* no name: the kernel gives one */
	socklen_t in_len = sizeof(in), un_len = sizeof(un);
	char temp[] = "/tmp/postern-test-XXXXXX";
	int channel[2];

	(void)arg;
	int raw = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (raw < 0 || bind(udp, (struct sockaddr *)&in, in_len) < 0 ||
		getsockname(udp, (struct sockaddr *)&in, &in_len) < 0)
		return 100;
	if (bind(listener, (struct sockaddr *)&un, sizeof(sa_family_t)) < 0 ||
		getsockname(listener, (struct sockaddr *)&un, &un_len) < 0 ||
		listen(listener, 1) < 0 || connect(client, (struct sockaddr *)&un, un_len) < 0 ||
		write(client, "ping", 4) != 4)
		return 101;
	int file = mkstemp(temp);
	unlink(temp);
	if (file < 0 || priv_channel(channel) < 0 || enter(priv_sandbox_knock) < 0)
		return 102;
	struct ifreq lo = { .ifr_ifindex = 1 };
	if (ioctl(udp, SIOCGIFNAME, &lo) < 0 || strcmp(lo.ifr_name, "lo") != 0)
		return 103;
	int rc = use_common(channel);
	if (rc == 0)
		rc = use_sockets(raw, udp, ntohs(in.sin_port), listener);
	return rc != 0 ? rc : use_file(file);
}

static int gate_works(void *arg)
{
	int channel[2];
	(void)arg;
	if (priv_channel(channel) < 0 || enter(priv_sandbox_gate) < 0)
		return 102;
	return use_common(channel);
}

#define NEW_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

/* Takes a connection, makes one, sends a datagram; other options and kinds of sockets are refused. */
static int use_relay(int listener, const struct sockaddr_in *to)
{
	const struct linger reset = { 1, 0 };
	int on = 1;
	int out = socket(AF_INET, SOCK_STREAM | NEW_FLAGS, 0);
	int six = socket(AF_INET6, SOCK_DGRAM | NEW_FLAGS, 0);
	int udp = socket(AF_INET, SOCK_DGRAM | NEW_FLAGS, 0);
	if (out < 0 || six < 0 || udp < 0 || socket(AF_INET6, SOCK_STREAM | NEW_FLAGS, 0) < 0)
		return 50;
	if (connect(out, (const struct sockaddr *)to, sizeof(*to)) < 0 && errno != EINPROGRESS)
		return 51;
	int in = accept4(listener, NULL, NULL, NEW_FLAGS);
	if (in < 0 || write(in, "ping", 4) != 4)
		return 52;
	if (setsockopt(out, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
		setsockopt(out, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)) < 0 ||
		setsockopt(out, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) < 0)
		return 53;
	if (setsockopt(out, SOL_SOCKET, SO_RCVBUF, &on, sizeof(on)) == 0 || errno != EPERM)
		return 54;
	if (setsockopt(out, IPPROTO_TCP, TCP_ULP, "tls", 3) == 0 || errno != EPERM)
		return 55;
	if (sendto(udp, "x", 1, 0, (const struct sockaddr *)to, sizeof(*to)) != 1)
		return 56;
	return shutdown(out, SHUT_WR) < 0 ? 57 : 0;
}

static int relay_works(void *arg)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);
	int channel[2];

	(void)arg;
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&in, len) < 0 || listen(listener, 1) < 0 ||
		getsockname(listener, (struct sockaddr *)&in, &len) < 0)
		return 100;
	if (priv_channel(channel) < 0 || enter(priv_sandbox_relay) < 0)
		return 102;
	int rc = use_common(channel);
	return rc != 0 ? rc : use_relay(listener, &in);
}

static void test_works(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child_run(knock_works, NULL), 0);
	assert_int_equal(child_run(gate_works, NULL), 0);
	assert_int_equal(child_run(relay_works, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_fatal),
		cmocka_unit_test(test_ends),
		cmocka_unit_test(test_works),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
