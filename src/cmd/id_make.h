#ifndef POSTERN_CMD_ID_MAKE_H
#define POSTERN_CMD_ID_MAKE_H

/* New ID files: locked and put among the files to be written; and IDs that have no certificate yet. */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "cmd/fileset.h"
#include "cmd/issue.h"

/*
 * An identity without a certificate: a fresh key, or that of seed. 0, or -errno with *f. The caller frees
 * *ret with issue_free.
 */
__attribute__((warn_unused_result)) int id_make_bare(const struct name *name, enum cert_kind kind,
	const uint8_t *seed, struct issue **ret, struct fault *f);

/* A certification request as a PEM file, malloc'd; NULL with *f. */
char *id_make_request(
	const struct name *name, enum cert_kind kind, const uint8_t seed[32], struct fault *f);

struct id_make_file {
	const char *out;           /* the ID file */
	const char *password_file; /* of the new password; NULL: asked */
	uint32_t mem_kib;          /* 0: usual */
	uint64_t now_ms;
};

/*
 * Add i's ID file to s: under a new password, or, for a server, under a new key file that is added beside
 * it. 0, or -errno with *f; is_short of s is the caller's to look at.
 */
__attribute__((warn_unused_result)) int id_make_add(
	const struct id_make_file *m, const struct issue *i, struct fileset *s, struct fault *f);

/* The name of a file beside an ID file: "gate2.id" gives "gate2.key". */
void id_make_beside(const char *out, const char *suffix, char *to, size_t cap);

/* "jane-doe.id" of "Jane Doe/VSD": the default for a new file. */
void id_make_file_name(const struct name *name, char *to, size_t cap);

/* Text of any length as a file of the set; NULL marks it short. */
void id_make_add_text(
	struct fileset *s, const char *path, char *text, mode_t mode, const char *note);

/*
 * What is to be done when the ID file of a server was changed, on stdout: restart, and new cards. A new key
 * makes the old cards useless.
 */
void id_make_print_server(const char *path, bool is_new_key);

/* The line of a directory that makes the owner of a certificate known, on stdout. */
void id_make_print_line(const struct cert *c);

#endif
