#ifndef POSTERN_PRIV_PRIV_H
#define POSTERN_PRIV_PRIV_H

/*
 * Privilege: giving it up, and the messages between the processes that differ in it.
 *
 * Order in every child: open what is needed, then priv_drop (setgroups, setresgid, setresuid,
 * capabilities, no_new_privs), then the sandbox, then the first byte of input.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"

struct priv_user {
	uid_t uid;
	gid_t gid;
};

/* Look up an unprivileged user by name. -ENOENT, -EINVAL (uid 0) with *f. */
__attribute__((warn_unused_result)) int priv_user_find(
	const char *name, struct priv_user *ret, struct fault *f);

/* True when the calling process holds every capability named by bits 1 << CAP_x. */
bool priv_has_caps(uint64_t caps);

/*
 * Become u with exactly the capabilities in keep (1 << CAP_x ...) permitted and effective, an empty
 * bounding, inheritable and ambient set, no supplementary groups, no_new_privs, not dumpable, no
 * core. Verifies that nothing can be regained. 0 or -errno with *f: after a failure only exit is
 * left.
 */
__attribute__((warn_unused_result)) int priv_drop(
	const struct priv_user *u, uint64_t keep, struct fault *f);

/*
 * Sandboxes: Landlock (no file system access, and where the kernel can no TCP bind or connect and
 * no signals to outside) and a seccomp allow list. Opening a file, making a socket, a process, an
 * executable page, exec, ptrace and the like answer EPERM; what is on no list kills the process.
 * After priv_drop, in a process of one thread.
 *
 * knock: reads and writes descriptors it has, accepts on the control socket, sends on raw sockets,
 * maps memory, SQLite's file calls on open descriptors, epoll, timers, clocks, random. gate:
 * sendmsg/recvmsg on its netlink socket and channels, epoll.
 *
 * A kernel without Landlock is no error: *ret_landlock is the version had, or 0. 0 or -errno with
 * *f: after a failure only exit is left.
 */
__attribute__((warn_unused_result)) int priv_sandbox_knock(int *ret_landlock, struct fault *f);
__attribute__((warn_unused_result)) int priv_sandbox_gate(int *ret_landlock, struct fault *f);

/*
 * relay: connections that it accepts on sockets it has, stream and datagram sockets of its own for IPv4 and
 * IPv6 (no bind, no listen), its channels, epoll, timers, random; no file.
 */
__attribute__((warn_unused_result)) int priv_sandbox_relay(int *ret_landlock, struct fault *f);

/*
 * For a process that starts programs of the administrator (priv/run.h): no_new_privs, of the
 * capabilities only those in keep, also after an exec as root; and for it and all it starts a filter
 * that refuses (EPERM) to look into other processes, to load code into the kernel, to mount, to make
 * or enter namespaces and to set the clock. 0 or -errno with *f.
 */
__attribute__((warn_unused_result)) int priv_sandbox_runner(uint64_t keep, struct fault *f);

/* The version of Landlock that the running kernel has; 0: none. */
int priv_landlock_version(void);

/* Close every descriptor but 0, 1, 2 and the n in keep. */
void priv_close_others(const int *keep, size_t n);

/* A connected pair of non-blocking close-on-exec SOCK_SEQPACKET sockets. 0 or -errno. */
__attribute__((warn_unused_result)) int priv_channel(int fds[2]);

/* Messages. Fixed fields for each type (only the texts vary in length); one datagram each; unknown,
 * out of turn, of the wrong length or not wholly consumed means the sender is broken or hostile:
 * the receiver stops trusting it and exits. */
enum msg_type {
	MSG_NONE = 0,
	/* knock -> gate */
	MSG_OPEN,
	MSG_CLOSE,
	MSG_CUT,
	MSG_BEAT,
	MSG_LIST,
	/* gate -> knock */
	MSG_DONE,
	MSG_BEATEN,
	MSG_LISTED,
	/* knock -> monitor; READY also gate -> monitor */
	MSG_READY,
	MSG_RELOAD,
	MSG_DOOR_LOST,
	/* monitor -> knock and gate */
	MSG_GO,
	MSG_STOP,
	MSG_RELOADED,
	/* knock -> gate, when the table was made anew */
	MSG_LEASE,  /* a connection goes on for the rest of its lease */
	MSG_SETTLE, /* all that was live is restored */
	/* gate -> knock, and the answer, which shows that the loop which decodes goes round */
	MSG_ASK,
	MSG_WELL,
	/* knock -> monitor: an administrator's word about a trial; which one, only the disk says */
	MSG_TRIAL_BEGIN,
	MSG_TRIAL_CONFIRM,
	MSG_TRIAL_ABORT,
	MSG_KEPT, /* knock -> gate: is there still a lease without an end with this mark? */
	/* knock -> action, and the answer */
	MSG_RUN,
	MSG_RAN,
	MSG_LOG, /* monitor -> knock: what a log door reads next; with descriptors, see msg_receive_with */
	MSG_RELAY, /* monitor -> knock: the channel to the relay process; with one descriptor */
	MSG_RELAY_BROKEN, /* knock -> monitor: what the relay process says is no message */
	MSG_TYPE_COUNT,
};

#define MSG_KIND_MAX 2
#define MSG_TEXT_MAX 1024
#define MSG_NAME_MAX 512
#define MSG_DATA_MAX 900
#define MSG_LEN_MAX (MSG_NAME_MAX + MSG_DATA_MAX + 64)

struct msg {
	enum msg_type type;
	uint32_t seq;         /* echoed in the answer */
	uint16_t service;     /* OPEN, LEASE: index in the configuration; RUN: of an action */
	uint8_t kind;         /* OPEN: enum gate_kind */
	uint8_t proto;        /* CLOSE: of the service, which may be none any more */
	uint16_t port;        /* CLOSE: its first */
	struct addr addr;     /* OPEN, CLOSE, RUN */
	uint8_t bits;         /* OPEN, CLOSE: of addr; 128: one host */
	uint16_t source_port; /* OPEN, CLOSE: 0: any */
	uint32_t mark;        /* OPEN, CUT, LEASE, KEPT */
	uint32_t wait_ms;     /* OPEN */
	uint64_t lease_ms;    /* OPEN, LEASE */
	int32_t result;       /* DONE, RELOADED: 0 or -errno */
	uint64_t counts[4];   /* LISTED: live, opened, dropped, cut */
	uint16_t door;        /* DOOR_LOST, LOG */
	uint8_t is_new; /* READY from gate, GO: the table was made anew; 0 or 1. LOG: the file is
			       * to be read from its beginning */
	uint8_t how;    /* RAN: enum run_how */
	uint8_t detail; /* RAN: exit status or signal */
	char name[MSG_NAME_MAX + 1]; /* RUN: who asked; no control character, not empty */
	size_t data_len;             /* RUN: message; any bytes */
	uint8_t data[MSG_DATA_MAX];
	char text[MSG_TEXT_MAX + 1]; /* RELOADED, DOOR_LOST: what happened, for the administrator */
};

/* Who sends: decides which types are allowed. */
enum msg_from { MSG_FROM_MONITOR, MSG_FROM_KNOCK, MSG_FROM_GATE, MSG_FROM_ACTION };

/* Encode into to (MSG_LEN_MAX bytes); returns the length. Of text, what is neither printable ASCII
 * nor a line end is sent as '?'. */
size_t msg_encode(const struct msg *m, uint8_t *to);

/* Decode a datagram from a sender to a receiver. False when it is not exactly one allowed message.
 * Pure. */
bool msg_decode(struct span s, enum msg_from from, enum msg_from to, struct msg *ret);

/* Send one message; -EAGAIN when the channel is full, -EPIPE when the peer is gone. */
__attribute__((warn_unused_result)) int msg_send(int fd, const struct msg *m);

/* The same with descriptors, MSG_FDS_MAX at most, which stay the caller's. */
__attribute__((warn_unused_result)) int msg_send_with(
	int fd, const struct msg *m, const int *fds, size_t n);

/*
 * Receive one: 1 and *ret, 0 end of file, -EAGAIN nothing waits, -EPROTO broken peer, or -errno.
 * Descriptors that came with it are dropped by the kernel.
 */
__attribute__((warn_unused_result)) int msg_receive(
	int fd, enum msg_from from, enum msg_from to, struct msg *ret);

#define MSG_FDS_MAX 2

/* Descriptors that came with a message; owned by who received it. */
struct msg_fds {
	size_t count;
	int fd[MSG_FDS_MAX];
};

/*
 * The same for who takes the two types that have descriptors: MSG_LOG, the file and, the first time for its
 * door, an inotify descriptor; MSG_RELAY, a channel. Those that came with any other message, or with a broken
 * one, are closed. One of these without any, or with more, is -EPROTO.
 */
__attribute__((warn_unused_result)) int msg_receive_with(
	int fd, enum msg_from from, enum msg_from to, struct msg *ret, struct msg_fds *ret_fds);

void msg_fds_close(struct msg_fds *fds);

#endif
