#ifndef POSTERN_CMD_KNOCK_ARGS_H
#define POSTERN_CMD_KNOCK_ARGS_H

/*
 * What knock, close, connect, tunnel and send are told: on the command line, and by the profile that HOST names.
 * All text is borrowed from argv or belongs to the profiles.
 */

#include <postern/postern.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "cmd/profile.h"
#include "cmd/through_args.h"
#include "knock/fwknop.h"
#include "knock/tagged.h"

enum knock_command {
	KNOCK_OPEN = 1,
	KNOCK_CLOSE = 2,
	KNOCK_CONNECT = 4,
	KNOCK_SEND = 8,
	KNOCK_TUNNEL = 16,
};

enum knock_scheme {
	KNOCK_SPA = 1,
	KNOCK_SEQUENCE = 2,
	KNOCK_STRUCTURED = 4,
	KNOCK_CIPHER = 8,
	KNOCK_TAGGED = 16,
	KNOCK_FWKNOP = 32,
};

#define KNOCK_CLASSIC                                                                              \
	(KNOCK_SEQUENCE | KNOCK_STRUCTURED | KNOCK_CIPHER | KNOCK_TAGGED | KNOCK_FWKNOP)
#define KNOCK_SCHEME_TEXT_MAX 64
#define KNOCK_DELAY_USUAL UINT32_MAX

/* For whom a knock of a classic scheme opens. */
enum knock_allow {
	KNOCK_ALLOW_OURS, /* the address this machine sends from */
	KNOCK_ALLOW_OBSERVED,
	KNOCK_ALLOW_GIVEN,
};

enum knock_carrier { KNOCK_BY_UDP, KNOCK_BY_TCP, KNOCK_BY_HTTP, KNOCK_BY_ICMP };

/* What only classic schemes are told. */
struct knock_classic {
	const char *sequence, *one_time;
	bool has_minutes, has_iv, has_slot, has_service_slot;
	bool is_wide, is_random_iv, is_close, is_waiting, is_v4, is_v6;
	uint16_t base; /* 0: not said */
	uint16_t minutes;
	uint32_t delay_ms; /* KNOCK_DELAY_USUAL: not said */
	const char *key_file, *pad;
	uint8_t iv[8];
	uint16_t port_first, port_last;
	enum knock_allow allow;
	struct addr allowed; /* KNOCK_ALLOW_GIVEN */
	uint8_t slot, service_slot;
	enum tagged_hash hash;
	const char *server, *counter;
	size_t access_count;
	struct fwknop_access accesses[FWKNOP_ACCESS_MAX];
	enum config_hmac hmac;
	enum config_aes mode;
	enum knock_carrier carrier;
	const char *user;
	char nat_host[FWKNOP_HOST_MAX + 1];
	uint16_t nat_port; /* 0: none */
};

struct knock_args {
	enum knock_command command;
	enum knock_scheme scheme;
	const char *host;    /* of tunnel: the nearest edge */
	const char *message; /* of send; "-": standard input; NULL: none */
	const char *service; /* by name, NULL: by port, or the card's default when port is 0 too */
	uint8_t proto;
	uint16_t service_port;
	uint16_t service_port_last; /* of a range; 0: one port */
	uint32_t for_s;             /* 0: as long as the service gives */
	const char *address;        /* NULL: as the server observes it */
	uint8_t prefix;             /* of a network around address; 0: the address alone */
	const char *id, *card, *password_file;
	const char *agent_key; /* NULL: the agent's first that will do */
	uint16_t udp_port;     /* to knock on, of schemes with one packet; 0: the usual */
	uint16_t source_port;
	enum postern_identity identity;
	bool is_agent, may_forward; /* a key in an SSH agent instead of an ID file */
	bool is_probe, is_dry_run, is_json, is_quiet, is_verbose;
	struct through_path through;         /* count 0: straight */
	char through_text[THROUGH_TEXT_MAX]; /* all that the command line says of it */
	size_t tunnel_count;
	struct through_tunnel tunnels[TUNNELS_MAX];
	struct knock_classic classic;
	const char *save;          /* name of the profile to be written; NULL: none */
	struct profile saved;      /* what it is to say; borrowed */
	struct profiles *profiles; /* owned; NULL: there are none */
};

/*
 * EXIT_DONE, or another exit code after saying why. *ret_is_help: the help was printed, nothing is left to
 * do. To be freed with knock_args_free, whatever was returned.
 */
int knock_args_parse(enum knock_command command, int argc, char **argv, struct knock_args *ret,
	bool *ret_is_help);
void knock_args_free(struct knock_args *a);

/* Write the profile that --save names. EXIT_DONE, also when there is none, or EXIT_LOCAL after saying why. */
int knock_args_save(const struct knock_args *a);

/* "sequence", or of several "structured, cipher or tagged". Returns to. */
const char *knock_scheme_text(unsigned schemes, char to[KNOCK_SCHEME_TEXT_MAX]);

const char *knock_command_name(enum knock_command command);

#endif
