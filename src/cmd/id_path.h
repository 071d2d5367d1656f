#ifndef POSTERN_CMD_ID_PATH_H
#define POSTERN_CMD_ID_PATH_H

/*
 * The certificates of an ID: found in what a certifier sent back, or made with a certifier's ID file, and
 * put into the owner's ID file in place of the old ones.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/file.h"
#include "cmd/id_open.h"
#include "cmd/issue.h"
#include "identity/cert.h"

struct id_path_cert {
	size_t len;
	uint8_t der[CERT_LEN_MAX];
	struct cert c;
};

/* What is to stand in an ID file. Public data; free() it. */
struct id_path {
	bool is_pending; /* the path is for the pending key, which becomes the active one */
	/*
	 * Own certificate, then its certifiers up to the organisation, each followed by those of its own
	 * name in which an older key of it vouches for this one. 0: what the ID has stays.
	 */
	size_t count;
	struct id_path_cert certs[ISSUE_CERTS_MAX];
	size_t top;         /* which is the organisation's own; set by id_path_read */
	size_t cross_count; /* cross-certificates this ID issued, to be added */
	struct id_path_cert cross[IDFILE_CERTS_MAX];
};

/*
 * Read a PEM file of certificates, and find in it the path of o's active or pending key, each signed by
 * the next up to an organisation that certifies itself (certifiers that the file leaves out are taken
 * from *o), and cross-certificates issued by *o. 0, or -errno with *f: -EDOM when one belongs to neither,
 * or the path does not hold; -EINVAL when it is not such a file. The caller frees *ret.
 */
__attribute__((warn_unused_result)) int id_path_read(
	const char *file, const struct id_open *o, struct id_path **ret, struct fault *f);

/* A path made at once with a certifier whose ID is open. */
struct id_path_order {
	struct name name;
	enum cert_kind kind;
	uint8_t pk[32];
	uint64_t now_ms;
	unsigned years; /* 0: what is usual for the kind */
	const struct issue *by;
};
/* 0, or -errno with *f. It ends with the certifier at the latest. The caller frees *ret. */
__attribute__((warn_unused_result)) int id_path_make(
	const struct id_path_order *o, struct id_path **ret, struct fault *f);

/* The path as PEM text, malloc'd, or NULL. */
char *id_path_format(const struct id_path *p);

/*
 * Put p into the ID file: header, certificates, secrets. Of the certificates there were, those issued by
 * this ID stay, issued anew when its name or key changes. With is_pending the old key is kept as retired
 * since now_ms, and what was bound to it (slots, recovery block) is made anew. *o is of no use any more
 * afterwards. 0, or -errno with *f.
 */
__attribute__((warn_unused_result)) int id_path_apply(
	struct id_open *o, const struct id_path *p, uint64_t now_ms, struct fault *f);

#endif
