#ifndef POSTERN_CMD_KNOCK_OPTION_H
#define POSTERN_CMD_KNOCK_OPTION_H

/*
 * The options of knock, close, connect, tunnel and send, one row each: for which commands and schemes it is, and
 * how its text becomes a field. The same rows are the keys of profiles.
 */

#include <stdbool.h>
#include <stddef.h>

#include "cmd/knock_args.h"
#include "cmd/profile.h"

enum knock_option_id {
	/* The scheme comes first: others mean different things in different schemes. */
	KNOCK_OPTION_SCHEME,
	KNOCK_OPTION_HOST,
	KNOCK_OPTION_SERVICE,
	KNOCK_OPTION_FOR,
	KNOCK_OPTION_ADDRESS,
	KNOCK_OPTION_ID,
	KNOCK_OPTION_AGENT,
	KNOCK_OPTION_AGENT_KEY,
	KNOCK_OPTION_ALLOW_FORWARDED,
	KNOCK_OPTION_IDENTITY,
	KNOCK_OPTION_CARD,
	KNOCK_OPTION_PASSWORD_FILE,
	KNOCK_OPTION_PORT,
	KNOCK_OPTION_SOURCE_PORT,
	KNOCK_OPTION_THROUGH,
	KNOCK_OPTION_PREFIX,
	KNOCK_OPTION_SEQUENCE,
	KNOCK_OPTION_ONE_TIME,
	KNOCK_OPTION_BASE,
	KNOCK_OPTION_MINUTES,
	KNOCK_OPTION_KEY_FILE,
	KNOCK_OPTION_IV,
	KNOCK_OPTION_PORTS,
	KNOCK_OPTION_WIDE,
	KNOCK_OPTION_RANDOM_IV,
	KNOCK_OPTION_PAD,
	KNOCK_OPTION_ALLOW,
	KNOCK_OPTION_SLOT,
	KNOCK_OPTION_SERVICE_SLOT,
	KNOCK_OPTION_HASH,
	KNOCK_OPTION_SERVER,
	KNOCK_OPTION_COUNTER,
	KNOCK_OPTION_ACCESS,
	KNOCK_OPTION_HMAC,
	KNOCK_OPTION_MODE,
	KNOCK_OPTION_CARRIER,
	KNOCK_OPTION_USER,
	KNOCK_OPTION_NAT,
	KNOCK_OPTION_DELAY,
	KNOCK_OPTION_IPV4,
	KNOCK_OPTION_IPV6,
	KNOCK_OPTION_WAIT,
	/* Those before may stand in a profile, and are its keys. */
	KNOCK_OPTION_KEPT,
	KNOCK_OPTION_CLOSE = KNOCK_OPTION_KEPT,
	KNOCK_OPTION_MESSAGE,
	KNOCK_OPTION_PROBE,
	KNOCK_OPTION_SAVE,
	KNOCK_OPTION_DRY_RUN,
	KNOCK_OPTION_JSON,
	KNOCK_OPTION_QUIET,
	KNOCK_OPTION_VERBOSE,
	KNOCK_OPTION_COUNT,
};

/* Text of an option and where it stood; file NULL: on the command line of command. */
struct knock_value {
	const struct knock_option *option;
	const char *text; /* of a flag "yes" */
	const char *file;
	unsigned line;
	enum knock_command command;
};

enum knock_option_kind { KNOCK_TAKES_NOTHING, KNOCK_TAKES_TEXT, KNOCK_TAKES_FILE };

struct knock_option {
	const char *name;
	enum knock_option_kind kind;
	unsigned commands; /* that have it on their command line */
	unsigned schemes;
	size_t offset; /* without take: of a bool, or of a const char * */
	int (*take)(const struct knock_value *v, struct knock_args *a);
};

const struct knock_option *knock_option_row(enum knock_option_id id);

/* Text to its field of *a, whose scheme is known. EXIT_DONE, or another exit code after saying why. */
int knock_option_take(const struct knock_value *v, struct knock_args *a);

/* Say what is wrong with a value, and where it stood. Returns EXIT_USAGE, or EXIT_LOCAL for a profile's. */
__attribute__((format(printf, 2, 3))) int knock_option_bad(
	const struct knock_value *v, const char *fmt, ...);

/* What may stand in a profile. */
const struct profile_keys *knock_option_keys(void);

void knock_help_print(enum knock_command command);

#endif
