/* Ask the daemon one thing over its Unix socket, and show what comes back line by line as it comes. */

#include "cmd/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/control_show.h"
#include "cmd/say.h"

/* A daemon between two tries to start hears, but answers later; a reload takes its time. */
#define WAIT_S 20
#define WAIT_RELOAD_S 120

static bool is_command(const json_t *request, const char *name)
{
	return strcmp(json_string_value(json_object_get(request, "command")), name) == 0;
}

static int connect_to(const char *path, time_t wait_s)
{
	const struct timeval wait = { .tv_sec = wait_s };
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) < 0 ||
		connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static bool send_request(int fd, json_t *request)
{
	char *text = json_dumps(request, JSON_COMPACT);
	bool ok = text != NULL && dprintf(fd, "%s\n", text) > 0;
	free(text);
	return ok;
}

/* A reload that was refused says all mistakes, one a line. */
static void say_lines(const char *text)
{
	for (; *text != '\0'; text += strspn(text, "\n")) {
		int len = (int)strcspn(text, "\n");
		say_trouble("%.*s", len, text);
		text += len;
	}
}

/* The last line says how it went. */
static int conclude(const json_t *o, bool is_json)
{
	int result = (int)json_integer_value(json_object_get(o, "result"));
	const char *text = json_string_value(json_object_get(o, "text"));
	if (text == NULL)
		text = "";
	if (is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else if (result < 0) {
		say_lines(text);
	} else if (*text != '\0') {
		puts(text);
	}
	return result < 0 ? EXIT_REFUSED : EXIT_DONE;
}

static int read_answer(int fd, bool is_json, control_show *show)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	bool first = true;
	int status = EXIT_LOCAL;
	if (in == NULL) {
		close(fd);
		return status;
	}
	errno = 0;
	while (status == EXIT_LOCAL && getline(&line, &cap, in) > 0) {
		json_error_t err;
		json_t *o = json_loads(line, 0, &err);
		if (json_object_get(o, "result") != NULL) {
			status = conclude(o, is_json);
		} else if (is_json) {
			fputs(line, stdout);
		} else if (o != NULL) {
			show(o, first);
			first = false;
		}
		json_decref(o);
	}
	if (status == EXIT_LOCAL && first && errno == EAGAIN) {
		say_trouble("the daemon does not answer; look into its log");
		status = EXIT_SILENT;
	} else if (status == EXIT_LOCAL) {
		say_trouble("the daemon broke off; look into its log");
	}
	free(line);
	fclose(in);
	return status;
}

static time_t wait_for(const json_t *request)
{
	bool is_long = is_command(request, "reload") || is_command(request, "trial");
	return is_long ? WAIT_RELOAD_S : WAIT_S;
}

int control_fetch(const char *socket_path, json_t *request, json_t **ret)
{
	char *line = NULL;
	size_t cap = 0;
	bool is_whole = false;
	int fd = connect_to(socket_path, wait_for(request));
	FILE *in = NULL;
	json_t *list = json_array();
	if (fd >= 0 && send_request(fd, request))
		in = fdopen(fd, "r");
	json_decref(request);
	while (in != NULL && !is_whole && getline(&line, &cap, in) > 0) {
		json_error_t err;
		json_t *o = json_loads(line, 0, &err);
		is_whole = json_object_get(o, "result") != NULL;
		if (o != NULL)
			json_array_append_new(list, o);
	}
	free(line);
	if (in != NULL)
		fclose(in);
	else if (fd >= 0)
		close(fd);
	if (is_whole) {
		*ret = list;
		return 0;
	}
	json_decref(list);
	return fd < 0 ? fd : -ETIMEDOUT;
}

int control_ask(const char *socket_path, json_t *request, bool is_json, control_show *show)
{
	int fd = connect_to(socket_path, wait_for(request));
	if (fd < 0) {
		/* The caller reads the store instead. */
		bool is_journal = is_command(request, "journal") ||
			(is_command(request, "why") && json_object_get(request, "service") == NULL);
		json_decref(request);
		if (fd == -EACCES || fd == -EPERM) {
			say_trouble("%s: only root may speak to the daemon; use sudo", socket_path);
			return EXIT_LOCAL;
		}
		if (!is_journal)
			say_trouble("%s: no daemon answers (%s); start posternd, or name its "
				    "socket with --socket",
				socket_path, strerror(-fd));
		return CONTROL_NO_DAEMON;
	}
	bool ok = send_request(fd, request);
	json_decref(request);
	if (!ok) {
		close(fd);
		say_trouble("%s: the daemon does not listen; look into its log", socket_path);
		return EXIT_LOCAL;
	}
	return read_answer(fd, is_json, show);
}
