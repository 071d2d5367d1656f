/* posternctl disarm: the one way to open everything at once, so it asks, and says what that means. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/control_client.h"
#include "cmd/control_trial.h"
#include "cmd/say.h"
#include "gate/gate.h"

static bool is_agreed(void)
{
	char line[16];
	fputs("This removes the table inet postern from the kernel. Every port that was guarded is\n"
	      "then open to whoever the other rules of this machine let in, and connections are\n"
	      "no longer cut. The next start of posternd closes them again.\n"
	      "Remove it? Type yes: ",
		stdout);
	fflush(stdout);
	if (fgets(line, sizeof(line), stdin) == NULL)
		return false;
	return strcmp(line, "yes\n") == 0;
}

int control_disarm(const char *socket, bool is_yes)
{
	json_t *answer = NULL;
	struct fault f;
	int rc = control_fetch(socket, json_pack("{s:s}", "command", "status"), &answer);
	json_decref(answer);
	if (rc != -ENOENT && rc != -ECONNREFUSED) {
		say_trouble("posternd runs; stop it first: systemctl disable --now posternd");
		return EXIT_REFUSED;
	}
	if (!is_yes && !isatty(STDIN_FILENO))
		return say_usage("", "disarm asks on a terminal; without one it needs --yes");
	if (!is_yes && !is_agreed()) {
		puts("nothing was changed");
		return EXIT_REFUSED;
	}
	if (gate_remove(&f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	puts("removed: nothing is guarded any more");
	return EXIT_DONE;
}
