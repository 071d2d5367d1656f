/*
 * One program at a time from the fork on, and the pool that watches over some. Invariants: nothing but
 * three descriptors, the environment given and the user named reaches a program; and what is told of as
 * ended is gone with its whole process group.
 */

#include "priv/run.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_FD 3
#define DRAIN_MAX 64 /* reads of one turn, so that a flood does not keep the others waiting */

struct run_slot {
	pid_t pid; /* 0: free */
	int pidfd, output;
	uint32_t tag;
	uint64_t began_mono_ms, until_mono_ms;
	bool is_overdue, is_cut;
	size_t len;
	uint8_t text[RUN_OUTPUT_MAX];
};

const char *run_end_text(enum run_how how, uint8_t detail, char to[RUN_END_TEXT_MAX])
{
	switch (how) {
	case RUN_EXIT:
		snprintf(to, RUN_END_TEXT_MAX, "exit status %u", (unsigned)detail);
		break;
	case RUN_SIGNAL:
		snprintf(to, RUN_END_TEXT_MAX, "signal %u", (unsigned)detail);
		break;
	case RUN_TIMEOUT:
		snprintf(to, RUN_END_TEXT_MAX, "its time limit");
		break;
	case RUN_TROUBLE:
		snprintf(to, RUN_END_TEXT_MAX, "not being started");
		break;
	}
	return to;
}

/* One component of the way to the program, or the program itself. */
static int check_owner(const char *path, const struct stat *st, struct fault *f)
{
	bool is_sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) != 0;
	if (st->st_uid != 0) {
		fault_set(f, "%s: does not belong to root; chown root %s", path, path);
		return -EPERM;
	}
	if ((st->st_mode & (S_IWGRP | S_IWOTH)) != 0 && !is_sticky) {
		fault_set(f, "%s: others than root may change it; chmod go-w %s", path, path);
		return -EPERM;
	}
	return 0;
}

static int check_folders(const char *path, struct fault *f)
{
	char folder[PATH_MAX];
	struct stat st;
	for (const char *slash = strchr(path, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		size_t len = slash == path ? 1 : (size_t)(slash - path);
		memcpy(folder, path, len);
		folder[len] = '\0';
		if (stat(folder, &st) < 0) {
			int rc = -errno;
			fault_set(f, "%s: %s", folder, strerror(-rc));
			return rc;
		}
		int rc = check_owner(folder, &st, f);
		if (rc < 0)
			return rc;
	}
	return 0;
}

int run_check(const char *path, struct fault *f)
{
	char real[PATH_MAX];
	struct stat st;
	/* A link's own folders count for nothing when where it leads may be changed, and the reverse. */
	if (strlen(path) >= PATH_MAX || realpath(path, real) == NULL || stat(real, &st) < 0) {
		int rc = strlen(path) >= PATH_MAX ? -ENAMETOOLONG : -errno;
		fault_set(f, "%.300s: %s; put the program there", path, strerror(-rc));
		return rc;
	}
	if (!S_ISREG(st.st_mode)) {
		fault_set(f, "%s: is no file; name a program", path);
		return -EINVAL;
	}
	int rc = check_owner(real, &st, f);
	if (rc == 0)
		rc = check_folders(path, f);
	if (rc == 0)
		rc = check_folders(real, f);
	if (rc == 0 && (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
		fault_set(f, "%s: is not executable; chmod +x %s", path, path);
		rc = -EACCES;
	}
	return rc;
}

/* ------------------------------------------------------------------ in the child */

__attribute__((noreturn)) static void child_fail(const char *text)
{
	ssize_t ignored = write(STATUS_FD, text, strlen(text));
	(void)ignored;
	_exit(127);
}

static void reset_signals(void)
{
	sigset_t none;
	sigemptyset(&none);
	for (int s = 1; s < NSIG; s++)
		signal(s, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Descriptors 0 to 3 and no more. The ends that are given may have any number. */
static bool settle_descriptors(int input, int output, int status)
{
	int in = fcntl(input, F_DUPFD, STATUS_FD + 1);
	int out = fcntl(output, F_DUPFD, STATUS_FD + 1);
	int st = fcntl(status, F_DUPFD, STATUS_FD + 1);
	if (in < 0 || out < 0 || st < 0)
		return false;
	if (dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0 || dup2(st, STATUS_FD) < 0)
		return false;
	close_range(STATUS_FD + 1, ~0u, 0);
	return fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC) == 0;
}

/* execve() changes neither the words nor the array; its type is older than const. */
static char *const *words(const char *const *v)
{
	union {
		const char *const *given;
		char *const *taken;
	} u = { .given = v };
	return u.taken;
}

__attribute__((noreturn)) static void child_main(
	const struct run_program *p, pid_t parent, int input, int output, int status)
{
	const struct rlimit no_core = { 0, 0 };
	struct fault f;

	setsid();
	reset_signals();
	if (!settle_descriptors(input, output, status))
		_exit(127);
	setrlimit(RLIMIT_CORE, &no_core);
	umask(022);
	if (chdir("/") < 0)
		child_fail("the root folder cannot be entered");
	if (p->user != NULL && priv_drop(p->user, 0, &f) < 0)
		child_fail(f.text);
	/* After the change of user, which clears it: without its watcher nothing bounds its time. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	execve(p->argv[0], words(p->argv), words(p->env));
	fault_set(&f, "%s: cannot be run: %s", p->argv[0], strerror(errno));
	child_fail(f.text);
}

/* ------------------------------------------------------------------ starting */

struct ends {
	int input, output[2], status[2]; /* read end first; -1: closed */
};

static void shut(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void ends_close(struct ends *e)
{
	shut(&e->input);
	for (int i = 0; i < 2; i++) {
		shut(&e->output[i]);
		shut(&e->status[i]);
	}
}

/* All the input is in the pipe before anybody reads. */
static int open_input(struct span input)
{
	int pair[2];
	if (input.len == 0)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (input.len > RUN_INPUT_MAX) {
		errno = EMSGSIZE;
		return -1;
	}
	if (pipe2(pair, O_CLOEXEC) < 0)
		return -1;
	ssize_t n = write(pair[1], input.data, input.len);
	close(pair[1]);
	if (n == (ssize_t)input.len)
		return pair[0];
	close(pair[0]);
	return -1;
}

static int ends_open(struct ends *e, struct span input)
{
	*e = (struct ends){ -1, { -1, -1 }, { -1, -1 } };
	e->input = open_input(input);
	if (e->input >= 0 && pipe2(e->output, O_CLOEXEC) == 0 && pipe2(e->status, O_CLOEXEC) == 0 &&
		fcntl(e->output[0], F_SETFL, O_NONBLOCK) == 0)
		return 0;
	int rc = -errno;
	ends_close(e);
	return rc;
}

/* The end of the child's status pipe says that it became the program; anything else, why not. */
static int await_begin(int fd, struct fault *f)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[FAULT_MAX];
	if (poll(&p, 1, RUN_START_MS) <= 0) {
		fault_set(f, "the program did not begin within %d seconds", RUN_START_MS / 1000);
		return -ETIMEDOUT;
	}
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n == 0)
		return 0;
	text[n < 0 ? 0 : n] = '\0';
	fault_set(f, "%s", n < 0 ? "the program did not begin" : text);
	return -ENOEXEC;
}

static void end_group(pid_t pid)
{
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
}

static int begin(const struct run_program *p, struct run_slot *s, struct fault *f)
{
	struct ends e;
	pid_t parent = getpid();
	int rc = ends_open(&e, p->input);
	pid_t pid = rc == 0 ? fork() : -1;
	if (pid == 0)
		child_main(p, parent, e.input, e.output[1], e.status[1]);
	if (pid < 0) {
		rc = rc < 0 ? rc : -errno;
		fault_set(f, "%s: cannot be started: %s", p->argv[0], strerror(-rc));
		ends_close(&e);
		return rc;
	}
	shut(&e.output[1]);
	shut(&e.status[1]);
	rc = await_begin(e.status[0], f);
	int pidfd = rc == 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
	if (rc == 0 && pidfd < 0) {
		rc = -errno;
		fault_set(f, "%s: cannot be watched: %s", p->argv[0], strerror(-rc));
	}
	if (rc < 0) {
		end_group(pid);
		waitpid(pid, NULL, 0);
	} else {
		*s = (struct run_slot){ .pid = pid, .pidfd = pidfd, .output = e.output[0] };
		e.output[0] = -1;
	}
	ends_close(&e);
	return rc;
}

/* ------------------------------------------------------------------ the pool */

int run_pool_init(struct run_pool *p, run_done *fn, void *arg)
{
	*p = (struct run_pool){ .fn = fn, .arg = arg };
	p->slots = calloc(RUN_PARALLEL_MAX, sizeof(p->slots[0]));
	return p->slots == NULL ? -ENOMEM : 0;
}

static void slot_free(struct run_slot *s)
{
	shut(&s->pidfd);
	shut(&s->output);
	s->pid = 0;
}

void run_pool_deinit(struct run_pool *p)
{
	for (size_t i = 0; p->slots != NULL && i < RUN_PARALLEL_MAX; i++) {
		struct run_slot *s = &p->slots[i];
		if (s->pid == 0)
			continue;
		end_group(s->pid);
		waitpid(s->pid, NULL, 0);
		slot_free(s);
	}
	free(p->slots);
	p->slots = NULL;
}

size_t run_pool_count(const struct run_pool *p)
{
	size_t n = 0;
	for (size_t i = 0; i < RUN_PARALLEL_MAX; i++)
		n += p->slots[i].pid != 0;
	return n;
}

int run_pool_start(struct run_pool *p, const struct run_program *program, uint32_t tag,
	uint64_t mono_ms, struct fault *f)
{
	struct run_slot *s = NULL;
	for (size_t i = 0; i < RUN_PARALLEL_MAX && s == NULL; i++)
		if (p->slots[i].pid == 0)
			s = &p->slots[i];
	if (s == NULL) {
		fault_set(f, "%d programs run already", RUN_PARALLEL_MAX);
		return -EAGAIN;
	}
	/* Looked at each time: what was in order at the start may have been changed. */
	int rc = run_check(program->argv[0], f);
	if (rc == 0)
		rc = begin(program, s, f);
	if (rc < 0)
		return rc;
	s->tag = tag;
	s->began_mono_ms = mono_ms;
	s->until_mono_ms = mono_ms + program->timeout_ms;
	return 0;
}

size_t run_pool_poll(
	const struct run_pool *p, struct pollfd *to, uint64_t mono_ms, int *ret_wait_ms)
{
	size_t n = 0;
	*ret_wait_ms = -1;
	for (size_t i = 0; i < RUN_PARALLEL_MAX; i++) {
		const struct run_slot *s = &p->slots[i];
		if (s->pid == 0)
			continue;
		to[n++] = (struct pollfd){ .fd = s->pidfd, .events = POLLIN };
		if (s->output >= 0)
			to[n++] = (struct pollfd){ .fd = s->output, .events = POLLIN };
		uint64_t left = s->until_mono_ms > mono_ms ? s->until_mono_ms - mono_ms : 0;
		if (!s->is_overdue && (*ret_wait_ms < 0 || left < (uint64_t)*ret_wait_ms))
			*ret_wait_ms = (int)left;
	}
	return n;
}

/* Take what is there; at its end, or on an error, there is no more to come. */
static void take_output(struct run_slot *s)
{
	uint8_t part[4096];
	for (int i = 0; s->output >= 0 && i < DRAIN_MAX; i++) {
		ssize_t n = read(s->output, part, sizeof(part));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			shut(&s->output);
			return;
		}
		size_t room = sizeof(s->text) - s->len;
		size_t kept = (size_t)n < room ? (size_t)n : room;
		memcpy(s->text + s->len, part, kept);
		s->len += kept;
		s->is_cut |= kept < (size_t)n;
	}
}

static void finish(struct run_pool *p, struct run_slot *s, int status, uint64_t mono_ms)
{
	struct run_end end = {
		.how = s->is_overdue        ? RUN_TIMEOUT
			: WIFEXITED(status) ? RUN_EXIT
					    : RUN_SIGNAL,
		.took_ms = mono_ms - s->began_mono_ms,
		.is_cut = s->is_cut,
	};
	if (end.how == RUN_EXIT)
		end.detail = (uint8_t)WEXITSTATUS(status);
	else if (end.how == RUN_SIGNAL)
		end.detail = (uint8_t)WTERMSIG(status);
	struct run_slot was = *s;
	end.output = span_of(was.text, was.len);
	slot_free(s);
	p->fn(p->arg, was.tag, &end);
}

void run_pool_work(struct run_pool *p, uint64_t mono_ms)
{
	for (size_t i = 0; i < RUN_PARALLEL_MAX; i++) {
		struct run_slot *s = &p->slots[i];
		siginfo_t info = { 0 };
		int status = 0;
		if (s->pid == 0)
			continue;
		take_output(s);
		if (!s->is_overdue && mono_ms >= s->until_mono_ms) {
			s->is_overdue = true;
			end_group(s->pid);
		}
		/* Its number is its group's as long as nobody has waited for it. */
		if (waitid(P_PID, (id_t)s->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0 ||
			info.si_pid == 0)
			continue;
		end_group(s->pid);
		waitpid(s->pid, &status, 0);
		take_output(s);
		finish(p, s, status, mono_ms);
	}
}
