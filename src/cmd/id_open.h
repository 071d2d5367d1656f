#ifndef POSTERN_CMD_ID_OPEN_H
#define POSTERN_CMD_ID_OPEN_H

/*
 * An ID file that its owner has opened: what it says, what is sealed in it, and what opened it, so that
 * it can be written again. All of it stands in guarded memory and is wiped by id_open_free.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/span.h"
#include "cmd/password.h"
#include "identity/cert.h"
#include "identity/idfile.h"

/* How to open one: by the key file when one is named, else by the password. */
struct id_way {
	const char *password_file;         /* NULL: asked on the terminal */
	const char *key_file;              /* 32 bytes; NULL: by password */
	const struct idfile_key *file_key; /* what recovery gave: then neither is asked for */
};

struct id_open_cert {
	struct span der; /* borrowed from the file */
	bool is_good;    /* cert_read took it */
	struct cert c;   /* when is_good */
};

struct id_open {
	const char *path;    /* borrowed */
	struct stat st;      /* of the file when it was opened */
	struct idfile *file; /* as it was parsed */
	struct idfile_secrets secrets;
	struct idfile_key key;
	bool has_password, has_raw_key; /* which of these opened it */
	struct password password;
	uint8_t raw_key[IDFILE_KEY_LEN];
	uint8_t pk[32], sk[64]; /* of the active key */
	size_t cert_count;
	struct id_open_cert certs[IDFILE_CERTS_MAX]; /* 0 = own, then ancestors, then others */
};

/*
 * Open path, which must outlive *ret. 0, or -errno with *f: -EACCES wrong password or key, changed after
 * it was sealed, or nothing it opens with was named; -EINVAL not an ID file; else as file_read and
 * password_get. The caller frees *ret.
 */
__attribute__((warn_unused_result)) int id_open_file(
	const char *path, const struct id_way *way, struct id_open **ret, struct fault *f);

/*
 * Whoever replaces the active key makes every slot anew: open *o by the kind of slot it was not opened by
 * too, if it has one. 0, or -errno with *f: -ENOKEY when way names no key file for a key-file slot.
 */
__attribute__((warn_unused_result)) int id_open_more(
	struct id_open *o, const struct id_way *way, struct fault *f);

void id_open_free(struct id_open *o);

/* Its own certificate; NULL when it has none yet, or one that cannot be read or is of another key. */
const struct cert *id_open_own(const struct id_open *o);

/*
 * Put text, an ID file made of *o, in its place: whole or not at all, with the mode it had. text is freed in
 * every case; NULL means that memory was short when it was made. 0, or -errno with *f;
 * -EAGAIN when the file is no longer the one that was opened.
 */
__attribute__((warn_unused_result)) int id_open_replace(
	const struct id_open *o, char *text, struct fault *f);

/*
 * Write a change of *o: id_open_replace with the text of idfile_format_change. c->secrets NULL: those of
 * *o. When c->header has another key id, the slots that opened *o are made anew, at the cost they had, and
 * others fall away: see id_open_more.
 */
__attribute__((warn_unused_result)) int id_open_save(
	const struct id_open *o, const struct idfile_change *c, struct fault *f);

#endif
