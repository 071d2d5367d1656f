#ifndef POSTERN_CMD_CERTIFIER_H
#define POSTERN_CMD_CERTIFIER_H

/* What the parts of postern certifier share: their command lines, the certifier, and files of PEM blocks. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "cmd/fileset.h"
#include "cmd/id_certifier.h"
#include "cmd/issue.h"
#include "cmd/say.h"
#include "identity/cert.h"
#include "identity/idfile.h"
#include "identity/request.h"

#define CERTIFIER_REVOKE_MAX 64
#define CERTIFIER_CERTS_MAX 16
#define CERTIFIER_FILE_MAX ((size_t)6 << 20) /* a list of the longest kind as PEM */
#define CERTIFIER_YEARS_CERTIFIER 100
#define CERTIFIER_YEARS_SERVER 10
#define CERTIFIER_YEARS_USER 2
#define CERTIFIER_YEARS_CROSS 10

/* The vals of the options in the table of a part; -o and -h are letters. */
enum certifier_option {
	CERTIFIER_OPT_CERTIFIER = 256,
	CERTIFIER_OPT_YEARS,
	CERTIFIER_OPT_DAYS,
	CERTIFIER_OPT_NAME,
	CERTIFIER_OPT_FOR,
	CERTIFIER_OPT_FINGERPRINT,
	CERTIFIER_OPT_YES,
	CERTIFIER_OPT_CERTIFICATE,
	CERTIFIER_OPT_SERIAL,
	CERTIFIER_OPT_CRL,
	CERTIFIER_OPT_JSON,
	CERTIFIER_OPT_PASSWORD_FILE,
	CERTIFIER_OPT_CERTIFIER_PASSWORD_FILE,
	CERTIFIER_OPT_KEY_FILE,
	CERTIFIER_OPT_KDF_MEM,
};

/* Which certificate of a chain is cross-certified. */
enum certifier_for { CERTIFIER_FOR_NAME = 0, CERTIFIER_FOR_UNIT, CERTIFIER_FOR_ORG };

/* One part of the command, as its command line is understood. All text is borrowed. */
struct certifier_command {
	const char *name; /* "certifier sign" */
	const char *help;
	const char *operand; /* "REQUEST"; NULL: it has none */
	bool needs_certifier;
	const struct option *options;
};

struct certifier_args {
	const char *operand, *certifier, *out, *name, *crl;
	const char *folder; /* for a file whose name was not given; NULL: the one we are in */
	const char *password_file, *certifier_password_file, *key_file;
	unsigned years, days; /* 0: the default */
	uint32_t mem_kib;     /* 0: the default */
	enum certifier_for for_whom;
	bool has_fingerprint;
	uint8_t fingerprint[32];
	bool is_yes, is_json, is_help;
	size_t revoke_count;
	struct {
		const char *certificate; /* NULL: by serial */
		uint8_t serial[8];
	} revoke[CERTIFIER_REVOKE_MAX];
};

/* EXIT_DONE, or EXIT_USAGE after saying why. ret->is_help: the help was printed, nothing is left to do. */
int certifier_parse(
	const struct certifier_command *c, int argc, char **argv, struct certifier_args *ret);

/* 0 to EXIT_DONE, -EDOM and -EKEYREJECTED to EXIT_REFUSED, others to EXIT_LOCAL; with f said. */
int certifier_end(int rc, const struct fault *f);

/* An issuer's ID file, first locked, then open. Zero at first, closed by certifier_close. */
struct certifier {
	const char *path;
	struct idfile *file;
	struct cert cert; /* its own */
	struct issue *issue;
};

/* Read it; with is_certifier only a certifier's. 0, or -errno with *f. */
__attribute__((warn_unused_result)) int certifier_load(
	const char *path, bool is_certifier, struct certifier *ret, struct fault *f);

/* Ask for its password, or read it, and open it. 0, or -errno with *f. */
__attribute__((warn_unused_result)) int certifier_unlock(
	struct certifier *c, const char *password_file, struct fault *f);

void certifier_close(struct certifier *c);

/* The same as one that names are settled by; it borrows the file. */
struct id_certifier certifier_above(const struct certifier *c);

/* The certificates of a file of PEM blocks: a chain, an ID file, a server card. */
struct certifier_certs {
	size_t count;
	struct {
		struct cert c;
		size_t len;
		uint8_t der[CERT_LEN_MAX];
	} items[CERTIFIER_CERTS_MAX];
};

/* At least one, malloc'd. 0; -errno, or -EDOM when one is refused, with *f naming file and line. */
__attribute__((warn_unused_result)) int certifier_read_certs(
	const char *path, struct certifier_certs **ret, struct fault *f);

/* Is one certificate what keeps its subject's name under another key, or a foreign one? */
bool certifier_is_rollover(const struct cert *c);
bool certifier_is_cross(const struct cert *c);

/* "certifier", "user", "server" */
const char *certifier_kind_text(enum cert_kind kind);

/* DER blocks with one label as PEM text, malloc'd, or NULL. */
char *certifier_pem(const char *label, const struct span *blocks, size_t count);

/* "jane-doe.pem" of "Jane Doe/VSD": the last component in lower case. */
void certifier_file_name(const struct name *n, const char *suffix, char *to, size_t cap);

/* "vsd.crl" of "vsd.id": the name of a file beside an ID file. */
void certifier_beside(const char *path, const char *suffix, char *to, size_t cap);

/* Add text, which may be NULL, to a set of new files. */
void certifier_add(struct fileset *s, const char *path, char *text, mode_t mode, const char *note);

/* Refuse paths that exist, before a password is asked for: NULL ends them. 0, or -EEXIST, -ENOMEM. */
__attribute__((warn_unused_result)) int certifier_check_free(
	const char *const *paths, struct fault *f);

/* Lines of a report: key id and fingerprint, and the files of a set. */
void certifier_tell_key(const uint8_t pk[32]);
void certifier_tell_fingerprint(struct span der);
void certifier_tell_files(const struct fileset *s);

/* Parts of the command; argv[0] is the name of the part. They return exit codes. */
int certifier_new(int argc, char **argv);
int certifier_sign(int argc, char **argv);
int certifier_cross(int argc, char **argv);

/* The same for a command line that was understood already. a->certifier is set. */
int certifier_cross_run(const struct certifier_args *a);

int certifier_revoke(int argc, char **argv);
int certifier_crl(int argc, char **argv);
int certifier_show(int argc, char **argv);
int certifier_rollover(int argc, char **argv);
int certifier_recovery(int argc, char **argv);

#endif
