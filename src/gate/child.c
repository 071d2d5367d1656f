/*
 * libnftables, in a child, because it answers some inputs with abort(). The child has one pipe to
 * complain into and no other descriptor; whatever becomes of it, the parent has a sentence within
 * CHILD_TIMEOUT_MS and no child left.
 */

#include <errno.h>
#include <nftables/libnftables.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "gate/internal.h"

#define CHILD_TIMEOUT_MS 15000
#define COMPLAINT_MAX 2048

enum child_exit { CHILD_OK, CHILD_REFUSED, CHILD_NO_CONTEXT };

static void complain(const char *text)
{
	size_t len = strlen(text);
	while (len > 0) {
		ssize_t n = write(STDERR_FILENO, text, len);
		if (n <= 0)
			return;
		text += n;
		len -= (size_t)n;
	}
}

static enum child_exit run(const char *text, bool is_trial)
{
	struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (nft == NULL)
		return CHILD_NO_CONTEXT;
	nft_ctx_set_dry_run(nft, is_trial);
	nft_ctx_buffer_error(nft);
	nft_ctx_buffer_output(nft);
	if (nft_run_cmd_from_buffer(nft, text) == 0)
		return CHILD_OK;
	complain(nft_ctx_get_error_buffer(nft));
	return CHILD_REFUSED;
}

__attribute__((noreturn)) static void child_main(const char *text, bool is_trial, int fd)
{
	const struct rlimit none = { 0, 0 };

	/* An abort() is foreseen, so it leaves its last words in the pipe and no core. */
	setrlimit(RLIMIT_CORE, &none);
	signal(SIGABRT, SIG_DFL);
	signal(SIGPIPE, SIG_DFL);
	if (dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
		_exit(CHILD_NO_CONTEXT);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	_exit((int)run(text, is_trial));
}

/* Read until end of file or the deadline; what does not fit is read and forgotten. */
static int read_complaint(int fd, int timeout_ms, char to[COMPLAINT_MAX])
{
	uint64_t deadline = clock_mono_ms() + (uint64_t)timeout_ms;
	size_t len = 0;

	to[0] = '\0';
	for (;;) {
		char part[256];
		struct pollfd p = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_mono_ms();
		if (now >= deadline)
			return -ETIMEDOUT;
		int ready = poll(&p, 1, (int)(deadline - now));
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (ready <= 0)
			continue;
		ssize_t n = read(fd, part, sizeof(part));
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n == 0)
			return 0;
		for (ssize_t i = 0; i < n && len < COMPLAINT_MAX - 1; i++)
			to[len++] = part[i];
		to[len] = '\0';
	}
}

static int reap(pid_t pid, int *ret_status)
{
	while (waitpid(pid, ret_status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

/* "PLACE: Error: WHY\nCOMMAND\n   ^^^\n": why, and which command. */
static void explain(const char *complaint, struct fault *f)
{
	const char *why = strstr(complaint, "Error: ");
	why = why != NULL ? why + strlen("Error: ") : complaint;
	int why_len = (int)strcspn(why, "\n");
	const char *command = why[why_len] == '\n' ? why + why_len + 1 : "";
	int command_len = (int)strcspn(command, "\n");
	if (why_len == 0)
		fault_set(f, "libnftables gave no reason");
	else if (command_len == 0)
		fault_set(f, "%.*s", why_len, why);
	else
		fault_set(f, "%.*s: %.*s", why_len, why, command_len, command);
}

int gate_child_wait(pid_t pid, int fd, int timeout_ms, struct fault *f)
{
	char complaint[COMPLAINT_MAX];
	int status = 0;

	int rc = read_complaint(fd, timeout_ms, complaint);
	close(fd);
	if (rc < 0)
		kill(pid, SIGKILL);
	int reaped = reap(pid, &status);
	if (rc < 0) {
		fault_set(f, "libnftables did not finish within %d seconds and was killed",
			timeout_ms / 1000);
		return rc;
	}
	if (reaped < 0) {
		fault_set(f, "the child that ran libnftables was lost: %s", strerror(-reaped));
		return reaped;
	}
	if (WIFSIGNALED(status)) {
		fault_set(f, "libnftables died by signal %d (%s): %.*s", WTERMSIG(status),
			strsignal(WTERMSIG(status)), (int)strcspn(complaint, "\n"), complaint);
		return -EREMOTEIO;
	}
	if (WEXITSTATUS(status) == CHILD_OK)
		return 0;
	if (WEXITSTATUS(status) == CHILD_REFUSED)
		explain(complaint, f);
	else
		fault_set(f, "libnftables could not be started");
	return -EREMOTEIO;
}

int gate_child_run(const char *text, bool is_trial, struct fault *f)
{
	int fds[2];
	if (pipe(fds) < 0) {
		int rc = -errno;
		fault_set(f, "no pipe to a child: %s", strerror(-rc));
		return rc;
	}
	pid_t pid = fork();
	if (pid < 0) {
		int rc = -errno;
		close(fds[0]);
		close(fds[1]);
		fault_set(f, "no child to run libnftables in: %s", strerror(-rc));
		return rc;
	}
	if (pid == 0)
		child_main(text, is_trial, fds[1]);
	close(fds[1]);
	return gate_child_wait(pid, fds[0], CHILD_TIMEOUT_MS, f);
}
