#ifndef POSTERN_GATE_INTERNAL_H
#define POSTERN_GATE_INTERNAL_H

/* What the files of this folder share, bottom up: text, child, netlink, table, elements, gate. */

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/file.h"
#include "config/config.h"
#include "gate/gate.h"

#define GATE_TABLE "postern"
#define GATE_TABLE_COVER "postern-swap"
#define GATE_TABLE_TRIAL "postern-trial"
#define GATE_VERSION_MAX 64
#define GATE_COVER_S 10

/* ruleset.c */

/* libnftables commands that fill an existing, empty table, one a line, each under a '#' line that says
 * what it is for. Of c only log_group, the prefix lengths that services allow, and where something is
 * forwarded mark_base. malloc'd, or NULL. */
char *gate_ruleset_text(const char *table, const struct config *c);

/* What the table is marked with: a digest of the text, comments left out. False without memory. */
__attribute__((warn_unused_result)) bool gate_ruleset_version(
	const struct config *c, char to[GATE_VERSION_MAX]);

/* Commands that (re)make the cover: a table that drops everything to and from c's guarded ports until
 * it is removed or GATE_COVER_S have passed. malloc'd, or NULL. */
char *gate_ruleset_cover(const struct config *c);

/* child.c */

/* Run libnftables commands, in one transaction, in a child. is_trial: the kernel checks them and changes
 * nothing. 0 or -errno with *f: what libnftables said (-EREMOTEIO), or how the child ended. */
__attribute__((warn_unused_result)) int gate_child_run(
	const char *text, bool is_trial, struct fault *f);

/* Wait at most timeout_ms for a child that writes its complaint to fd; fd is closed and the child is
 * reaped. As gate_child_run. */
__attribute__((warn_unused_result)) int gate_child_wait(
	pid_t pid, int fd, int timeout_ms, struct fault *f);

/* netlink.c: one socket, one batch at a time. */

#define GATE_NL_BATCH_LEN (128 * 1024)
#define GATE_NL_MESSAGE_LEN (16 * 1024) /* the longest message: a whole guarded set */

struct gate_nl {
	int fd;
	uint32_t seq;         /* of the last message */
	uint32_t first_seq;   /* of the batch */
	size_t len;           /* of the batch without its last message */
	struct nlmsghdr *end; /* its last message */
	_Alignas(8) uint8_t batch[GATE_NL_BATCH_LEN];
};

/* fd is -1 after a failure. 0 or -errno. */
__attribute__((warn_unused_result)) int gate_nl_open(struct gate_nl *nl);
void gate_nl_close(struct gate_nl *nl);

void gate_nl_begin(struct gate_nl *nl);

/* The header of a new message (NFT_MSG_*, NLM_F_*) to which attributes are put. */
struct nlmsghdr *gate_nl_message(struct gate_nl *nl, uint16_t type, uint16_t flags);

/*
 * Send the batch and read every answer. *ret_refusal is 0 when the kernel did all of it, or the first
 * -errno it gave, and then it did nothing. Returns 0, or -errno when the socket failed and nobody knows
 * (-ENOBUFS: answers were lost).
 */
__attribute__((warn_unused_result)) int gate_nl_commit(struct gate_nl *nl, int *ret_refusal);

/* Ask one question: begin, message, attributes, then this. fn gets the answer. Otherwise as above. */
typedef void gate_nl_answer(void *arg, const struct nlmsghdr *answer);
__attribute__((warn_unused_result)) int gate_nl_ask(
	struct gate_nl *nl, gate_nl_answer *fn, void *arg, int *ret_refusal);

/* table.c */

struct gate_table {
	bool is_there;
	uint32_t flags;
	char version[GATE_VERSION_MAX]; /* "" when it has none, or one that is too long for ours */
};

#define GATE_TABLE_OWNER                                                                           \
	0x2 /* NFT_TABLE_F_OWNER: only the socket that set it may change the table */
#define GATE_TABLE_DORMANT 0x1 /* NFT_TABLE_F_DORMANT: there, and does nothing */
#define GATE_TABLE_PERSIST 0x4 /* NFT_TABLE_F_PERSIST, Linux 6.9: stays when that socket closes */

/* Each returns 0 or -errno, with *ret_refusal as in gate_nl_commit where there is one. */
__attribute__((warn_unused_result)) int gate_table_find(
	struct gate_nl *nl, const char *name, struct gate_table *ret, int *ret_refusal);

/* Does this kernel know PERSIST? Asked by a batch that makes a table and removes it again. */
__attribute__((warn_unused_result)) int gate_table_can_persist(struct gate_nl *nl, bool *ret);

/* Put an empty table with this mark in the place of the one that is_there. */
__attribute__((warn_unused_result)) int gate_table_replace(
	struct gate_nl *nl, bool is_there, const char *version, uint32_t flags, int *ret_refusal);

/* Become the owner (flags as gate_table_can_persist allows) and make guarded and knock what c says, in
 * one transaction. -ENOENT refusal: the table lacks one of its sets. */
__attribute__((warn_unused_result)) int gate_table_adopt(
	struct gate_nl *nl, const struct config *c, uint32_t flags, int *ret_refusal);

/* 0 also when there is none. */
__attribute__((warn_unused_result)) int gate_table_remove(
	struct gate_nl *nl, const char *name, int *ret_refusal);

/* elements.c: add to the current batch. */

/* How an element goes that may or may not be there. */
enum gate_how {
	GATE_DESTROY,   /* by the message for that, Linux 6.3 */
	GATE_ADD_FIRST, /* by adding it, then deleting it: no good for a mark of another value */
	GATE_ALONE,     /* as before, but the caller removed what gate_elements_obstacle names */
};

/* What makes the order so, whatever was there before. */
void gate_elements_order(struct gate_nl *nl, const struct gate_order *o, enum gate_how how);

/* Every set in which an order may have its element. */
enum gate_place {
	GATE_IN_ONCE,
	GATE_IN_WINDOW,
	GATE_IN_TIMES,
	GATE_IN_MARKS,
	GATE_IN_LEASES,
	GATE_IN_KEPT,
	GATE_IN_ENDED,
	GATE_PLACE_COUNT,
};

/* Is what the order may have there in its way: to be removed, and not set anew? */
bool gate_elements_obstacle(const struct gate_order *o, enum gate_place place);

/* Remove the order's element from one set; the kernel answers -ENOENT when it is not there. */
void gate_elements_remove(struct gate_nl *nl, const struct gate_order *o, enum gate_place place);

/* The question for the order's element in one set, alone in the batch: for gate_nl_ask. */
void gate_elements_ask(struct gate_nl *nl, const struct gate_order *o, enum gate_place place);

/* Does this kernel know GATE_DESTROY? Asked of the lease set. 0 or -errno. */
__attribute__((warn_unused_result)) int gate_elements_can_destroy(struct gate_nl *nl, bool *ret);

/*
 * Elements that nobody orders: they come from the configuration. A key or a range of keys, in a map with
 * a value, with a time-out or without.
 */
struct gate_fixture {
	const char *set;
	uint8_t key[24], key_end[24]; /* key_end: the last one, of a range */
	uint16_t key_len;
	bool is_range;
	uint8_t value[24];
	uint16_t value_len;  /* 0: none */
	uint64_t timeout_ms; /* 0: none */
};

/* fixture.c: add to the current batch. */
void gate_fixture_flush(struct gate_nl *nl, const char *set);
void gate_fixture_add(struct gate_nl *nl, const struct gate_fixture *x);
/* Also when it is there already: its time counts anew. */
void gate_fixture_renew(struct gate_nl *nl, const struct gate_fixture *x, enum gate_how how);

/* proto . port from byte at of a key on; returns where it ends. */
uint16_t gate_fixture_endpoint(uint8_t *key, uint16_t at, const struct config_endpoint *e);

/* forward.c */
bool gate_forward_is_on(const struct config *c); /* does c forward anything? */
void gate_forward_elements(struct gate_nl *nl, const struct config *c); /* when it does */

/* lockdown.c */
void gate_lockdown_elements(struct gate_nl *nl, const struct config *c);

/* Empty guarded and knock and fill them from c. */
void gate_elements_guard(struct gate_nl *nl, const struct config *c);

/* watch.c: a socket that hears of changes to tables, chains, rules and sets, not of elements. */

/* The descriptor, or -errno. */
__attribute__((warn_unused_result)) int gate_watch_open(void);

/* gate.c and apply.c */

struct gate {
	bool is_owned;
	bool is_made; /* by us, just now: nothing in it is older */
	enum gate_how how;
	char version[GATE_VERSION_MAX];
	int watch;
	struct gate_nl nl;
};

/* How a gate is taken. is_unowned: as on a kernel that knows no PERSIST. */
struct gate_wish {
	bool is_anew, is_unowned;
};

/* gate_new and gate_new_anew. */
__attribute__((warn_unused_result)) int gate_take(const struct config *c,
	const struct gate_wish *wish, struct gate **ret, bool *ret_is_new, struct fault *f);

/* gate_apply as a kernel needs it that knows only this way (GATE_DESTROY or GATE_ADD_FIRST). */
__attribute__((warn_unused_result)) int gate_apply_how(
	struct gate *g, const struct gate_order *orders, size_t n, int *results, enum gate_how how);

#endif
