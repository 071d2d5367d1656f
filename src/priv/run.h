#ifndef POSTERN_PRIV_RUN_H
#define POSTERN_PRIV_RUN_H

/*
 * Programs of the administrator: a fixed command line without a shell, a bounded time, a bounded
 * output, and nothing of ours but what it is given. For processes that do nothing else.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "base/span.h"
#include "priv/priv.h"

#define RUN_PARALLEL_MAX 8
#define RUN_INPUT_MAX 4096  /* fits into a pipe without anybody reading */
#define RUN_OUTPUT_MAX 4096 /* kept; what comes after is read and forgotten */
#define RUN_POLL_MAX (2 * RUN_PARALLEL_MAX)
#define RUN_START_MS 2000 /* within which a program must have begun */

struct run_program {
	const char *const *argv; /* argv[0] is its absolute path; NULL at the end */
	const char *const *env;  /* all of its environment; NULL at the end */
	const struct priv_user
		*user;     /* with no other group and no capability; NULL: as the caller is */
	struct span input; /* its standard input; empty: /dev/null */
	uint32_t timeout_ms;
};

/* How it ended. */
enum run_how { RUN_EXIT = 1, RUN_SIGNAL = 2, RUN_TIMEOUT = 3, RUN_TROUBLE = 4 };

struct run_end {
	enum run_how how;
	uint8_t detail; /* exit status or signal */
	uint64_t took_ms;
	struct span output; /* standard output and error, as they came; borrowed */
	bool is_cut;        /* there was more of it */
};

/* "exit status 3", "signal 9", "its time limit". to holds RUN_END_TEXT_MAX bytes. Returns to. */
#define RUN_END_TEXT_MAX 32
const char *run_end_text(enum run_how how, uint8_t detail, char to[RUN_END_TEXT_MAX]);

/*
 * May this file be run on the administrator's behalf: regular, executable, and it and every folder
 * above it root's, with nobody else allowed to change them (a folder like /tmp, in which nobody may
 * rename what is root's, will do). 0 or -errno with *f: "PATH: what is wrong; what to do".
 */
__attribute__((warn_unused_result)) int run_check(const char *path, struct fault *f);

/* The last word on one program. The slot is free again when this is called. */
typedef void run_done(void *arg, uint32_t tag, const struct run_end *end);

struct run_slot;
struct run_pool {
	struct run_slot *slots; /* RUN_PARALLEL_MAX of them */
	run_done *fn;
	void *arg;
};

__attribute__((warn_unused_result)) int run_pool_init(struct run_pool *p, run_done *fn, void *arg);
void run_pool_deinit(struct run_pool *p); /* kills what still runs, without a word */

size_t run_pool_count(const struct run_pool *p); /* that run */

/*
 * Check and start. Returns 0, and fn will be called with the tag; or -errno with *f, and it will
 * not (-EAGAIN: as many run as may). Waits until the program has begun, at most RUN_START_MS.
 */
__attribute__((warn_unused_result)) int run_pool_start(struct run_pool *p,
	const struct run_program *program, uint32_t tag, uint64_t mono_ms, struct fault *f);

/* What to poll for, and how long at most (-1: for ever). p holds RUN_POLL_MAX; returns how many. */
size_t run_pool_poll(
	const struct run_pool *p, struct pollfd *to, uint64_t mono_ms, int *ret_wait_ms);

/* After the poll: take output, end what is over its time with all that it started, tell of what ended. */
void run_pool_work(struct run_pool *p, uint64_t mono_ms);

#endif
