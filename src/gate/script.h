#ifndef POSTERN_GATE_SCRIPT_H
#define POSTERN_GATE_SCRIPT_H

/*
 * Another firewall, by a program of the administrator: the same orders as gate.h takes, but answered when
 * the program has ended. It opens and closes; when, is remembered here, since nothing closes by itself.
 *
 *   PROGRAM open|renew|close ID FAMILY ADDRESS PROTO PORT SECONDS
 *   PROGRAM list             the ID of each gate it has open, one a line
 *   PROGRAM reset            close all of them
 *
 * ID is a number that names a gate until it is closed, FAMILY 4 or 6, PROTO 6 or 17, SECONDS what is left
 * (0 of close). Exit status 0: done. Each may be asked for again. At most one program runs for a gate.
 */

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "config/config.h"
#include "gate/gate.h"
#include "priv/run.h"

struct gate_script;

/* An order's answer: 0, or -errno (-EREMOTEIO: the program failed, and the log says how). */
typedef void gate_script_done(void *arg, uint32_t seq, int result);

/*
 * user NULL: the program runs as root. passed: variables for its environment, NULL at the end. All is
 * borrowed. 0 or -ENOMEM.
 */
#define GATE_SCRIPT_PASSED_MAX 16
__attribute__((warn_unused_result)) int gate_script_new(const struct config *c,
	const struct priv_user *user, const char *const *passed, gate_script_done *fn, void *arg,
	struct gate_script **ret);

/* Ends the programs that run; what is open stays open. */
void gate_script_free(struct gate_script *g);

/* Close everything, and see that nothing is left: the first and the last thing to do. Waits for it, at most
 * twice max_ms. 0 or -errno with *f. */
__attribute__((warn_unused_result)) int gate_script_reset(
	struct gate_script *g, uint32_t max_ms, struct fault *f);

/*
 * Take an order (GATE_OPEN of kind GATE_WINDOW, or GATE_CLOSE). Its answer comes from here or from
 * gate_script_work(): -EBUSY when this gate waits for a program and another order already, -ENFILE when
 * there are gates-max of them. A gate that was opened is closed when its time is over, and one that may
 * have been opened by a program that failed, too; what fails is tried again, with growing pauses, until
 * it is done.
 */
void gate_script_order(struct gate_script *g, const struct gate_order *o, const char *service,
	uint32_t seq, uint64_t mono_ms);

/* As run_pool_poll() and run_pool_work(). */
size_t gate_script_poll(
	const struct gate_script *g, struct pollfd *to, uint64_t mono_ms, int *ret_wait_ms);
void gate_script_work(struct gate_script *g, uint64_t mono_ms);

/* Opened so far, and gates that should be closed and could not be yet. */
uint64_t gate_script_opened(const struct gate_script *g);
size_t gate_script_stuck(const struct gate_script *g);

#endif
