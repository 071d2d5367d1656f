/*
 * Passwords. Invariant: the terminal has its echo back before this returns, and before a signal that
 * arrived meanwhile is acted on.
 */

#include "cmd/password.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "identity/idfile.h"

#define FILE_LEN_MAX 8192
#define TRIES 3

struct span password_span(const struct password *p)
{
	return span_of(p->b, p->len);
}

void password_wipe(struct password *p)
{
	sodium_memzero(p, sizeof(*p));
}

static const int caught[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP };
#define CAUGHT_COUNT (sizeof(caught) / sizeof(caught[0]))

static volatile sig_atomic_t caught_signal;

static void on_signal(int number)
{
	caught_signal = number;
}

struct signals {
	struct sigaction action[CAUGHT_COUNT];
	sigset_t mask;
};

/* From here on they wait, but for the moments in which read_line lets them in. */
static void catch_signals(struct signals *old)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t block;

	sigemptyset(&sa.sa_mask);
	sigemptyset(&block);
	caught_signal = 0;
	for (size_t i = 0; i < CAUGHT_COUNT; i++)
		sigaddset(&block, caught[i]);
	sigprocmask(SIG_BLOCK, &block, &old->mask);
	for (size_t i = 0; i < CAUGHT_COUNT; i++) {
		sigaction(caught[i], NULL, &old->action[i]);
		/* What the parent process had ignored stays ignored. */
		if (old->action[i].sa_handler != SIG_IGN)
			sigaction(caught[i], &sa, NULL);
	}
}

static void release_signals(const struct signals *old)
{
	for (size_t i = 0; i < CAUGHT_COUNT; i++)
		sigaction(caught[i], &old->action[i], NULL);
	sigprocmask(SIG_SETMASK, &old->mask, NULL);
}

/* A signal ends the waiting, at whatever moment it comes: that is what ppoll is for. */
static int read_line(int fd, const sigset_t *mask, struct password *ret)
{
	ret->len = 0;
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char c;
		if (ppoll(&p, 1, NULL, mask) < 0)
			return -errno;
		ssize_t n = read(fd, &c, 1);
		if (n < 0)
			return -errno;
		if (n == 0)
			return ret->len == 0 ? -EINTR : 0;
		if (c == '\n')
			return 0;
		if (ret->len == sizeof(ret->b))
			return -EMSGSIZE;
		ret->b[ret->len++] = c;
	}
}

/* One question with echo off. -EINTR with caught_signal set, or at the end of input without it. */
static int ask_once(int fd, const char *prompt, struct password *ret)
{
	struct termios shown, hidden;
	struct signals old;

	if (tcgetattr(fd, &shown) < 0)
		return -ENXIO;
	catch_signals(&old);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
	int rc = tcsetattr(fd, TCSAFLUSH, &hidden) < 0 ? -errno : 0;
	if (rc == 0 && write(fd, prompt, strlen(prompt)) < 0)
		rc = -errno;
	if (rc == 0)
		rc = read_line(fd, &old.mask, ret);
	tcsetattr(fd, TCSAFLUSH, &shown);
	if (write(fd, "\n", 1) < 0 && rc == 0)
		rc = -errno;
	release_signals(&old);
	return rc;
}

static int ask(const char *prompt, struct password *ret, struct fault *f)
{
	int rc;
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		fault_set(f,
			"there is no terminal to ask for the password on; "
			"name a file with --password-file");
		return -ENXIO;
	}
	do {
		rc = ask_once(fd, prompt, ret);
		/* The signal does now what it would have done; only after a stop is there more. */
		if (rc == -EINTR && caught_signal != 0)
			raise(caught_signal);
	} while (rc == -EINTR && caught_signal == SIGTSTP);
	if (rc < 0) {
		password_wipe(ret);
		fault_set(f, "no password was given: %s",
			rc == -EINTR ? "the input ended" : strerror(-rc));
	}
	close(fd);
	return rc;
}

/* Line number of text, from 1; the last one when there are fewer and that is enough. */
static bool pick_line(struct span text, const struct password_source *from, struct span *ret)
{
	struct span line = { 0 };
	unsigned count = 0;
	for (size_t at = 0; at < text.len && count < from->line;) {
		const uint8_t *start = text.data + at;
		const uint8_t *lf = memchr(start, '\n', text.len - at);
		line = span_of(start, lf != NULL ? (size_t)(lf - start) : text.len - at);
		at += line.len + 1;
		count++;
	}
	*ret = line;
	return count == from->line || (count > 0 && from->is_last_line_enough);
}

static int from_file(const struct password_source *from, struct password *ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct span line;

	int rc = file_read(from->file, FILE_SECRET, FILE_LEN_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	if (!pick_line(span_of(text, len), from, &line) || line.len == 0) {
		fault_set(
			f, "%s: line %u holds no password; write it there", from->file, from->line);
		rc = -ENODATA;
	} else if (line.len > sizeof(ret->b)) {
		fault_set(f, "%s: line %u is longer than the %zu bytes of the longest password",
			from->file, from->line, sizeof(ret->b));
		rc = -EMSGSIZE;
	} else {
		memcpy(ret->b, line.data, line.len);
		ret->len = line.len;
	}
	sodium_memzero(text, len);
	free(text);
	return rc;
}

int password_get(
	const struct password_source *from, const char *what, struct password *ret, struct fault *f)
{
	char prompt[FAULT_MAX];
	if (from->file != NULL)
		return from_file(from, ret, f);
	snprintf(prompt, sizeof(prompt), "Password of %s: ", what);
	return ask(prompt, ret, f);
}

static int check_quality(
	const struct password *p, const char *what, unsigned quality_min, struct fault *f)
{
	unsigned quality = idfile_password_quality(password_span(p));
	if (quality >= quality_min)
		return 0;
	fault_set(f,
		"the password of %s is too easy to guess (%u of 16, at least %u is needed); "
		"take a longer one, a few unrelated words for example",
		what, quality, quality_min);
	return -EKEYREJECTED;
}

static int choose_once(
	const char *what, unsigned quality_min, struct password *ret, struct fault *f)
{
	char prompt[FAULT_MAX];
	struct password again = { 0 };

	snprintf(prompt, sizeof(prompt), "New password of %s: ", what);
	int rc = ask(prompt, ret, f);
	if (rc == 0)
		rc = check_quality(ret, what, quality_min, f);
	if (rc < 0)
		return rc;
	rc = ask("The same once more: ", &again, f);
	if (rc == 0 && (again.len != ret->len || sodium_memcmp(again.b, ret->b, again.len) != 0)) {
		fault_set(f, "the two passwords are not the same");
		rc = -EKEYREJECTED;
	}
	password_wipe(&again);
	return rc;
}

int password_choose(const struct password_source *from, const char *what, unsigned quality_min,
	struct password *ret, struct fault *f)
{
	int rc;
	if (from->file != NULL) {
		rc = from_file(from, ret, f);
		return rc < 0 ? rc : check_quality(ret, what, quality_min, f);
	}
	for (int i = 1;; i++) {
		rc = choose_once(what, quality_min, ret, f);
		if (rc != -EKEYREJECTED || i == TRIES)
			return rc;
		fprintf(stderr, "%s\n", f->text);
	}
}
