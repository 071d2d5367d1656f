/*
 * Questions on the terminal. Invariant: what is asked and answered goes over /dev/tty, so that neither
 * mixes with what is piped through the program.
 */

#include "cmd/ask.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One byte at a time: what follows the line end is the next question's. */
static int read_line(int fd, char *to, size_t cap)
{
	size_t len = 0;
	for (;;) {
		char c;
		ssize_t n = read(fd, &c, 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return -EINTR;
		if (c == '\n')
			break;
		if (len + 1 == cap)
			return -EMSGSIZE;
		to[len++] = c;
	}
	to[len] = '\0';
	return 0;
}

int ask_line(const char *prompt, char *to, size_t cap, struct fault *f)
{
	int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		fault_set(f, "there is no terminal to ask on");
		return -ENXIO;
	}
	int rc = write(fd, prompt, strlen(prompt)) < 0 ? -errno : read_line(fd, to, cap);
	if (rc == -EINTR)
		fault_set(f, "no answer was given: the input ended");
	else if (rc == -EMSGSIZE)
		fault_set(f, "the answer is longer than any that could be right");
	else if (rc < 0)
		fault_set(f, "no answer was given: %s", strerror(-rc));
	close(fd);
	return rc;
}

int ask_yes(const char *question, struct fault *f)
{
	char prompt[FAULT_MAX], answer[16];
	snprintf(prompt, sizeof(prompt), "%s (yes/no) ", question);
	for (;;) {
		int rc = ask_line(prompt, answer, sizeof(answer), f);
		if (rc < 0)
			return rc;
		if (strcmp(answer, "yes") == 0)
			return 0;
		if (strcmp(answer, "no") == 0) {
			fault_set(f, "you said no; nothing was done");
			return -ECANCELED;
		}
	}
}
