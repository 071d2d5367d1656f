#ifndef POSTERN_DAEMON_MONITOR_INTERNAL_H
#define POSTERN_DAEMON_MONITOR_INTERNAL_H

/* What the monitor's files share: monitor.c has the loop, monitor_generation.c the processes, monitor_trial.c
 * the trials, monitor_log.c the log files, monitor_relay.c the relay process, monitor_listen.c its ports. */

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "daemon/boot.h"
#include "priv/priv.h"
#include "relay/message.h"

#define MONITOR_RETIRED_MAX 8
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 30000
#define HEALTHY_MS 30000 /* a generation that lived this long starts the back-off anew */

struct child {
	pid_t pid; /* 0: none */
	int fd;    /* our end of its channel; -1 */
};

struct generation {
	struct child knock, gate, action;
	bool is_new_table;
	uint64_t began_mono_ms;
};

/* What runs on trial, or instead of what was not confirmed. */
struct monitor_trial {
	uint64_t until_mono_ms; /* 0: no trial runs */
	struct boot *before;    /* what ran before it; NULL: what is on the disk, or nothing */
	bool is_asked;          /* it begins with this start */
	bool is_fallback;       /* the confirmed configuration runs, not that of path */
};

/* What was said of a log file last. */
enum monitor_log_trouble {
	MONITOR_LOG_FINE,
	MONITOR_LOG_MISSING,
	MONITOR_LOG_NO_FILE,
	MONITOR_LOG_WRITABLE,
	MONITOR_LOG_UNREADABLE,
};

/* A port of a passthru: bound before anything changes, so that a reload can be refused, and listened on
 * once it is guarded. The relay process has a duplicate. */
struct monitor_listener {
	uint16_t port;
	int fd;
	bool is_listening;
};

/* Addresses of a host, as last heard. */
struct monitor_host {
	char host[CONFIG_HOST_MAX + 1];
	uint8_t count;
	struct addr addrs[RELAY_ADDRS_MAX];
	bool is_told; /* that it has none */
};

/* The relay process, which is of no generation: it outlives them. */
struct monitor_relay {
	struct child child;
	const struct boot *told; /* the configuration that it has; NULL: none */
	bool is_leaving;         /* no passthru is left: it was told to stop */
	uint64_t began_mono_ms;
	uint64_t retry_at_mono_ms; /* when it is started anew; 0: it runs, or is not needed */
	uint64_t backoff_ms;
	size_t listener_count;
	struct monitor_listener listeners[2 * CONFIG_PASSTHRUS_MAX]; /* of two configurations */
	struct child resolver;
	const struct boot *asked;    /* the configuration whose names it looks up */
	uint64_t resolve_at_mono_ms; /* when names are asked for again; 0: there are none */
	size_t host_count;
	struct monitor_host hosts[CONFIG_PASSTHRUS_MAX];
};

/* The file that the running knock process reads for a door. */
struct monitor_log {
	bool is_open;
	dev_t dev;
	ino_t ino;
	bool has_inotify;
	int inotify;
	enum monitor_log_trouble told;
};

struct monitor {
	const char *path;
	struct boot *boot;
	struct boot *old; /* of the running generation, while another one replaces it */
	uint32_t number;
	int control;
	int metrics;      /* -1: none */
	uint32_t reloads; /* that were taken up */
	int signals;
	sigset_t old_mask;
	struct generation now;
	bool lost[CONFIG_DOORS_MAX]; /* doors that wait for their interface */
	bool is_stopping;
	pid_t retired[MONITOR_RETIRED_MAX]; /* action processes that see what they run to its end */
	bool is_unguarded;     /* a trial of guarding at all was not confirmed: the table is gone */
	bool is_table_lost;    /* the next gate process makes it anew */
	uint64_t lost_mono_ms; /* when it was, the last time; 0: never */
	uint64_t retry_at_mono_ms; /* 0: nothing to retry */
	uint64_t backoff_ms;
	uint64_t look_at_mono_ms,
		look_ms;            /* no interface is looked for before; and the pause after */
	uint64_t reload_at_mono_ms; /* 0: none is asked for */
	uint64_t reloaded_mono_ms;
	struct monitor_trial trial;
	struct monitor_log logs[CONFIG_DOORS_MAX]; /* by door */
	uint64_t log_look_at_mono_ms; /* when the paths are looked at; 0: there is no log door */
	struct monitor_relay relay;
};

/* monitor_generation.c */

/* From nothing, with m->boot. 0 or -errno. */
__attribute__((warn_unused_result)) int monitor_start_generation(struct monitor *m);
/* Returns the exit status of the gate process. What the action process runs goes on, except at the end. */
int monitor_stop_generation(struct monitor *m, struct generation *g);

/* The next generation with m->boot, saying why. -errno: the running one goes on, untouched. */
__attribute__((warn_unused_result)) int monitor_replace_generation(
	struct monitor *m, const char *why);

/* A generation ended by itself, or must: stop what is left of it and try again soon. gate_status: of a gate
 * process that ended by itself, else 0. */
void monitor_on_death(struct monitor *m, int gate_status);

/* True when this child of the running generation has ended. Its exit status is left alone where it has not,
 * or was killed. */
bool monitor_child_ended(struct child *c, int *ret_status);

/* Action processes of generations before, that see what they run to its end. */
void monitor_reap_retired(struct monitor *m);
void monitor_kill_retired(const struct monitor *m);

/* fork() with a channel. In the child *ret_fd is its end and 0 is returned; else 1 and *ret, or -errno. */
__attribute__((warn_unused_result)) int monitor_fork_child(struct child *ret, int *ret_fd);

/* In a child: signals are the monitor's; descriptors are only those named. */
void monitor_child_settle(struct monitor *m, const char *who, const int *keep, size_t n);

/* Name the process for ps: both the short name and the command line. */
void monitor_name_process(const char *who);

/* Wait for one child's end, at most ms; then kill it. Returns its exit status, or 128 + signal. */
int monitor_child_await(struct child *c, int ms);
void monitor_child_forget(struct child *c);

/* monitor_listen.c */

/* Bind what c needs and is not bound yet. 0, or -errno with *f, a sentence; what was bound stays. */
__attribute__((warn_unused_result)) int monitor_listen_bind(
	struct monitor *m, const struct config *c, struct fault *f);

/* The socket of a port, listening from now on: the gate process guards it. -1: there is none, which was said. */
int monitor_listen_on(struct monitor *m, const struct config_passthru *p);

/* Close those that m->boot does not name. */
void monitor_listen_trim(struct monitor *m);
void monitor_listen_end(struct monitor *m);

/* monitor_relay.c */

/* Names of m->boot are to be resolved, soon. Not waited for. */
void monitor_relay_resolve(struct monitor *m);

/* A generation is about to go: the relay process runs, if it is needed, and has m->boot; or it was said why
 * not, and it is tried again. The ports are guarded by now. */
void monitor_relay_begin(struct monitor *m);

/* It goes: knock and relay process get a channel to each other. */
void monitor_relay_connect(struct monitor *m);

/* What the relay process, or the one that resolves, has to say. */
void monitor_relay_heard(struct monitor *m);
void monitor_relay_resolved(struct monitor *m);

/* The knock process cannot understand it: it is killed, and started anew like one that died. */
void monitor_relay_broken(struct monitor *m);

/* Some child ended. */
void monitor_relay_reap(struct monitor *m);

/* What is due, and when the next thing is; 0: nothing. */
void monitor_relay_look(struct monitor *m, uint64_t now_mono_ms);
uint64_t monitor_relay_due_mono_ms(const struct monitor *m);

/* The daemon stops: connections may end by themselves for a while, which a second signal cuts short. */
void monitor_relay_stop(struct monitor *m);

/* monitor.c */

/* The same with another configuration: next becomes m->boot, the one before *ret_old, the caller's. */
__attribute__((warn_unused_result)) int monitor_swap(
	struct monitor *m, struct boot *next, struct boot **ret_old, const char *why);

/* Load and check what a running daemon may change to; NULL when it may not, which was said. */
struct boot *monitor_load_next(struct monitor *m, const char *path);

/* Answer who asked for a change, and log it. */
void monitor_tell(struct monitor *m, int result, const char *text);
void monitor_report_text(const struct config_report *r, char *to, size_t cap);

/* monitor_log.c */

/* A generation began: hand over the logs of its doors. And it ended. */
void monitor_log_begin(struct monitor *m);
void monitor_log_end(struct monitor *m);

/* Once a second, when it is time: is there another file? */
void monitor_log_look(struct monitor *m, uint64_t now_mono_ms);

/* The knock process's word that the file of a door, which may be of any kind, went elsewhere. */
void monitor_log_moved(struct monitor *m, uint16_t door);

/* monitor_trial.c */

/* Fill m->boot: with the configuration at m->path, what is to be tried, or the confirmed one. 0, 1 when
 * nothing is to be guarded, or -errno; it says why. */
__attribute__((warn_unused_result)) int monitor_trial_choose(struct monitor *m);

/* Just before the first generation: a trial that was asked for is on record from here on. 0 or -errno. */
__attribute__((warn_unused_result)) int monitor_trial_start(struct monitor *m);

/* A generation runs that was not begun by a trial: unless one runs, its configuration is the confirmed one. */
void monitor_trial_settled(struct monitor *m);

/* True, after saying so, while a trial runs: no reload then. */
bool monitor_trial_forbids(struct monitor *m);

/* MSG_TRIAL_BEGIN, _CONFIRM or _ABORT. */
void monitor_trial_word(struct monitor *m, enum msg_type word);

/* Roll back when the time is up. */
void monitor_trial_look(struct monitor *m, uint64_t now_mono_ms);

/* The daemon stops: true when a trial of guarding at all ends with it and the table was removed. */
bool monitor_trial_stop(struct monitor *m);

#endif
