#ifndef POSTERN_CMD_COMMANDS_H
#define POSTERN_CMD_COMMANDS_H

/*
 * The commands of the postern program. Each is given its own argument vector (argv[0] is the command's
 * name), prints for people on stdout, trouble in one sentence on stderr, and returns an exit code.
 */

enum exit_code {
	EXIT_DONE = 0,
	EXIT_REFUSED = 1, /* the server, or a rule of ours, says no; the reason is printed */
	EXIT_USAGE = 2,
	EXIT_SILENT = 3, /* nobody answered */
	EXIT_LOCAL = 4,  /* file, network, key or password */
};

int cmd_setup(int argc, char **argv);
int cmd_knock(int argc, char **argv);
int cmd_close(int argc, char **argv);
int cmd_send(int argc, char **argv);
int cmd_connect(int argc, char **argv);
int cmd_tunnel(int argc, char **argv);
int cmd_id(int argc, char **argv);
int cmd_directory(int argc, char **argv);
int cmd_certifier(int argc, char **argv);
int cmd_audit(int argc, char **argv);
int cmd_profile(int argc, char **argv);

#endif
