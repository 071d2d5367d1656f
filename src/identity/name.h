#ifndef POSTERN_IDENTITY_NAME_H
#define POSTERN_IDENTITY_NAME_H

/*
 * Hierarchical names, doc/design.md "Names": CN / OU x 0..4 / O / C. Stored root first (C, O, OU..,
 * CN); written leaf first, abbreviated ("Julia Herlihy/Sales/East/Renovations/US") or canonical
 * ("CN=.../OU=.../O=..."). Values: UTF-8, 1 to 64 bytes, none of / = * + , and no control character
 * (C0, DEL, C1), no invisible one and no space but U+0020, no leading, trailing or double space.
 * Compared after lowering ASCII letters.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"

#define NAME_PARTS_MAX 7 /* C, O, four OU, CN */
#define NAME_VALUE_MAX 64
#define NAME_OU_MAX 4
#define NAME_TEXT_MAX (NAME_PARTS_MAX * (NAME_VALUE_MAX + 4) + 1)

enum name_type { NAME_C = 1, NAME_O, NAME_OU, NAME_CN };

struct name_part {
	uint8_t type; /* enum name_type */
	uint8_t len;
	char value[NAME_VALUE_MAX]; /* not terminated */
};

struct name {
	uint8_t count;
	struct name_part parts[NAME_PARTS_MAX]; /* root first */
};

enum name_reject {
	NAME_OK = 0,
	NAME_EMPTY,
	NAME_VALUE_LENGTH, /* a component is empty or longer than 64 bytes */
	NAME_CHARACTER,    /* / = * + , or a control character inside a component */
	NAME_INVISIBLE, /* a character that is not seen, turns the text round, or is another space */
	NAME_SPACE,     /* leading, trailing or double space */
	NAME_UTF8,      /* not valid UTF-8 */
	NAME_DEPTH,     /* more than four OU */
	NAME_KEYWORD,   /* canonical keyword unknown, missing or out of order */
	NAME_NO_ORGANISATION,
	NAME_NO_COMMON_NAME,     /* a person or server needs one */
	NAME_SHORT_ORGANISATION, /* an O has three or more characters */
	NAME_COUNTRY,            /* a C is two ASCII letters */
	NAME_HAS_COMMON_NAME,    /* a certifier has none */
	NAME_REJECT_COUNT,
};

const char *name_reject_text(
	enum name_reject reason); /* a clause: "an organisation has three or more characters" */

/*
 * Text, abbreviated or canonical, to name. is_certifier true: no CN (O, or OU.../O[/C]). A last
 * abbreviated component of two letters is the country. Text with a '=' is canonical: each component
 * has its keyword, in any case. *ret is written only on NAME_OK.
 */
enum name_reject name_parse(const char *text, bool is_certifier, struct name *ret);

/* Check the parts of a name that came from elsewhere (a certificate) by the same rules. */
enum name_reject name_check(const struct name *n, bool is_certifier);

/*
 * Abbreviated text, or canonical when the abbreviation would be read as another name (a certifier's
 * name is read as a certifier's). Returns to. Any struct name gives terminated text, also one never
 * checked.
 */
const char *name_format(const struct name *n, char to[NAME_TEXT_MAX]);
const char *name_format_canonical(const struct name *n, char to[NAME_TEXT_MAX]);

/*
 * The bytes that names are equal by, for a hash: types, lengths and lowered values. Returns their
 * length.
 */
#define NAME_FOLDED_MAX (NAME_PARTS_MAX * (NAME_VALUE_MAX + 2))
size_t name_fold(const struct name *n, uint8_t to[NAME_FOLDED_MAX]);

bool name_equal(const struct name *a, const struct name *b);

/*
 * True when suffix (a certifier's name) is a proper suffix of n, whole components: n lies below it.
 */
bool name_is_below(const struct name *n, const struct name *suffix);

/* True when child is parent plus exactly one component (the parent rule). */
bool name_is_child(const struct name *child, const struct name *parent);

/* parent plus one component; NAME_OK or a reason. */
enum name_reject name_append(
	const struct name *parent, enum name_type type, const char *value, struct name *ret);

#endif
