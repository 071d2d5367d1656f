#ifndef POSTERN_IDENTITY_DIRECTORY_H
#define POSTERN_IDENTITY_DIRECTORY_H

/*
 * The directory: who is known, by key id. A text file in the style of authorized_keys, one entry a
 * line, options first (comma separated, values quoted):
 *
 *   name="Admin/VSD",kind=user,expires=2028-11-22,certified-equivalent ssh-ed25519 AAAAC3... comment
 *   name="John Smith/UB/QN/VSD",require="up,uv" sk-ssh-ed25519@openssh.com AAAAG... yubikey
 *   name="Gate1/QN/VSD",kind=server,key-next=sha256:... postern-key sha256:744f36cc...
 *
 * Options: name (required), kind (user, server; default user), expires (date, last day included,
 * UTC), from ("prefix,prefix"), disabled, locked, key-next (sha256:hex), require ("up", "up,uv";
 * tokens only, "up" unless said), certified-equivalent, document-key (x25519:hex, of files for this
 * person). Each at most once. In a quoted value \" stands for a quote and \\ for a backslash. Fields
 * are separated by spaces or tabs; what follows the key is a comment. Blank lines and lines that
 * begin with # mean nothing.
 *
 * Key ids: of an ssh-ed25519 key the SHA-256 of its SubjectPublicKeyInfo, of an
 * sk-ssh-ed25519@openssh.com key the SHA-256 of its whole key blob, of a postern-key the id itself.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "identity/name.h"

#define DIRECTORY_LINE_MAX 4096
#define DIRECTORY_FROM_MAX 8
#define DIRECTORY_APPLICATION_MAX 64
#define DIRECTORY_FILE_MAX ((size_t)512 << 20)
#define DIRECTORY_FAULTS_MAX 100
#define DIRECTORY_DAY_MS UINT64_C(86400000) /* expires counts whole days */

enum directory_kind { DIRECTORY_USER, DIRECTORY_SERVER };
enum directory_key { DIRECTORY_ED25519, DIRECTORY_SK_ED25519, DIRECTORY_KEY_ID_ONLY };

/*
 * What a line says. A directory keeps each entry only as far as it is used: to the last byte of its name,
 * unless it has an application or a from. So what a directory gave out is read by its counts and
 * lengths, and compared field by field, never as so many bytes; copying it whole is fine.
 */
struct directory_entry {
	uint8_t key_id[32];
	uint8_t pk[32];           /* not for DIRECTORY_KEY_ID_ONLY */
	uint8_t key_next[32];     /* when has_next */
	uint8_t document_key[32]; /* X25519, identity/document.h; when has_document_key */
	uint64_t expires_ms;      /* first ms at which it is expired; UINT64_MAX: never */
	unsigned line;
	enum directory_kind kind;
	enum directory_key key;
	bool has_next, has_document_key;
	bool is_disabled, is_locked, is_certified_equivalent;
	bool requires_up, requires_uv;
	uint8_t application_len;
	uint8_t from_count;
	struct name name;
	/* of a token ("ssh:"), printable ASCII, not terminated; its signatures cover it */
	char application[DIRECTORY_APPLICATION_MAX];
	struct prefix from[DIRECTORY_FROM_MAX];
};

struct directory;

/* Mistakes, all of them counted, in the order of their lines: "what is wrong; what to do". */
struct directory_faults {
	size_t count, kept;
	struct directory_fault {
		unsigned line; /* from 1; 0: of no line */
		char text[256];
	} items[DIRECTORY_FAULTS_MAX];
};

/*
 * Parse one line (no line end). Returns 1 and *ret for an entry, 0 for a blank or comment line,
 * -EINVAL with *f. Pure.
 */
int directory_line_parse(struct span line, struct directory_entry *ret, struct fault *f);

/* What follows the key of a line that directory_line_parse took as an entry; borrowed from it. */
struct span directory_line_comment(struct span line);

/*
 * An entry as a line with LF, terminated; comment may be NULL. Returns its length without the NUL,
 * 0 when it does not fit to, or a line, or the comment has a control character (which could be a
 * second line).
 */
size_t directory_line_format(
	const struct directory_entry *e, const char *comment, char *to, size_t cap);

/*
 * Parse a whole file's text. Two entries of one key id (key or key-next), or of one name, are
 * mistakes. Returns NULL with at least one fault, else a directory owned by the caller. An empty
 * directory is valid, and so is a last line without LF.
 */
struct directory *directory_parse(struct span text, struct directory_faults *faults);
void directory_free(struct directory *d);

size_t directory_count(const struct directory *d);
const struct directory_entry *directory_at(const struct directory *d, size_t i);

/*
 * The entry with this key id (key or key-next), or NULL. Constant time on average, no allocation.
 */
const struct directory_entry *directory_find(const struct directory *d, const uint8_t key_id[32]);
const struct directory_entry *directory_find_name(const struct directory *d, const struct name *n);

#endif
