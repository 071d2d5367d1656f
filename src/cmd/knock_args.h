#ifndef POSTERN_CMD_KNOCK_ARGS_H
#define POSTERN_CMD_KNOCK_ARGS_H

/* What knock, close, connect and send are told on the command line. All text is borrowed from argv. */

#include <postern/postern.h>
#include <stdbool.h>
#include <stdint.h>

enum knock_command { KNOCK_OPEN = 1, KNOCK_CLOSE = 2, KNOCK_CONNECT = 4, KNOCK_SEND = 8 };

struct knock_args {
	enum knock_command command;
	const char *host;
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
	uint16_t udp_port;     /* 0: the card's */
	uint16_t source_port;
	enum postern_identity identity;
	bool is_agent, may_forward; /* a key in an SSH agent instead of an ID file */
	bool is_probe, is_dry_run, is_json, is_quiet, is_verbose;
};

/* EXIT_DONE, or EXIT_USAGE after saying why. *ret_is_help: the help was printed, nothing is left to do. */
int knock_args_parse(enum knock_command command, int argc, char **argv, struct knock_args *ret,
	bool *ret_is_help);

#endif
