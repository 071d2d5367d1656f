#ifndef POSTERN_DAEMON_THREATS_H
#define POSTERN_DAEMON_THREATS_H

/*
 * What posternd --check says of each kind of knock that a configuration lets in, and of each passthru: how much a stranger has
 * to guess, and what others can do with what they see. doc/threat-model.md has the same as a table.
 */

#include <stdio.h>

#include "config/config.h"
#include "identity/directory.h"
#include "policy/policy.h"

#define THREATS_TEXT_MAX 320

/* Whole sentences, without their end. */
struct threats {
	char stranger[THREATS_TEXT_MAX]; /* blind: how many guesses, with the arithmetic */
	const char *observer;            /* on the path, who sees everything */
	const char *scanner;             /* who tries all ports */
	const char *spoofer;             /* who sends with addresses of others */
	const char *replayer;            /* who kept what he saw */
	const char *neighbour;           /* who shares the address of somebody let in */
	const char *warning; /* what the writer of the file should think over; or NULL */
};

struct threats threats_spa(void);
struct threats threats_sequence(const struct config_sequence *q);
struct threats threats_structured(const struct config_structured *s);
struct threats threats_cipher(const struct config_cipher *p);
struct threats threats_tagged(const struct config_tagged *t);
struct threats threats_fwknop(const struct config_fwknop *f);
struct threats threats_passthru(const struct config_passthru *p);

/* All of c, as comments of a configuration. Keys that stand in it must not be wiped yet: their length counts. */
void threats_print(const struct config *c, FILE *out);

/* The names that knocks are taken for (as): not one that cannot be a name, each with its line. */
void threats_check_names(const struct config *c, struct config_report *r);

/*
 * Names that nothing would open for: the directory does not list them, or a list, asked as at a knock, refuses
 * them. A sentence for each and for each of its services, "FILE:LINE: ...". Not an error: whoever is taken out
 * of a directory or a list must not stop a reload.
 */
void threats_warn_names(const struct config *c, const struct directory *d, const struct policy *p,
	uint64_t wall_ms, FILE *out);

/* Passthrus that let nobody through: a sentence for each. */
void threats_warn_passthrus(const struct config *c, FILE *out);

#endif
