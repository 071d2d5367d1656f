#ifndef POSTERN_CMD_ID_CERTIFIER_H
#define POSTERN_CMD_ID_CERTIFIER_H

/* The certifier that a command is told to use: its name first, its key only when all else is settled. */

#include "base/file.h"
#include "cmd/issue.h"
#include "identity/idfile.h"
#include "identity/name.h"

struct id_certifier {
	const char *path; /* borrowed */
	struct idfile *file;
	struct name name; /* from its own certificate, not yet proved */
};

/* Read path, without a password. 0, or -errno with *f. End with id_certifier_deinit. */
__attribute__((warn_unused_result)) int id_certifier_load(
	const char *path, struct id_certifier *ret, struct fault *f);
void id_certifier_deinit(struct id_certifier *c);

/*
 * The name meant by text: a full one ("Jane Doe/VSD"), or just the level below the certifier ("Jane Doe"),
 * which is of the type leaf. 0, or -EDOM with *f when it is refused or not directly below the certifier.
 */
__attribute__((warn_unused_result)) int id_certifier_settle(const struct id_certifier *c,
	const char *text, enum name_type leaf, struct name *ret, struct fault *f);

/* 0, or -EDOM with *f: name is not directly below the certifier. */
__attribute__((warn_unused_result)) int id_certifier_check(
	const struct id_certifier *c, const struct name *name, struct fault *f);

/* Its key, by the password (password_file NULL: asked). 0, or -errno with *f. The caller frees *ret. */
__attribute__((warn_unused_result)) int id_certifier_open(const struct id_certifier *c,
	const char *password_file, struct issue **ret, struct fault *f);

#endif
