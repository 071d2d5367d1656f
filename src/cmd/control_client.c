/* Ask the daemon one thing over its Unix socket, and show what comes back line by line as it comes. */

#include "cmd/control_client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "cmd/control_show.h"
#include "daemon/report.h"
#include "store/store.h"

static int connect_to(const char *path)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	memcpy(sun.sun_path, path, strlen(path));
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0) {
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
	} else if (*text != '\0') {
		fprintf(result < 0 ? stderr : stdout, "%s\n", text);
	}
	return result < 0 ? 1 : 0;
}

static int read_answer(int fd, bool is_json, control_show *show)
{
	FILE *in = fdopen(fd, "r");
	char *line = NULL;
	size_t cap = 0;
	bool first = true;
	int status = 4;
	if (in == NULL) {
		close(fd);
		return status;
	}
	while (status == 4 && getline(&line, &cap, in) > 0) {
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
	if (status == 4)
		fputs("posternctl: the daemon broke off; look into its log\n", stderr);
	free(line);
	fclose(in);
	return status;
}

int control_ask(const char *socket_path, json_t *request, bool is_json, control_show *show)
{
	int fd = connect_to(socket_path);
	if (fd < 0) {
		bool is_journal = strcmp(json_string_value(json_object_get(request, "command")),
					  "journal") == 0;
		json_decref(request);
		if (fd == -EACCES || fd == -EPERM) {
			fprintf(stderr,
				"posternctl: %s: only root may speak to the daemon; use sudo\n",
				socket_path);
			return 4;
		}
		if (!is_journal)
			fprintf(stderr,
				"posternctl: %s: no daemon answers (%s); start posternd, or name its "
				"socket with --socket\n",
				socket_path, strerror(-fd));
		return CONTROL_NO_DAEMON;
	}
	bool ok = send_request(fd, request);
	json_decref(request);
	if (!ok) {
		close(fd);
		fprintf(stderr, "posternctl: %s: the daemon does not listen\n", socket_path);
		return 4;
	}
	return read_answer(fd, is_json, show);
}

struct showing {
	bool is_json, first;
};

static void show_record(void *arg, const struct store_record *r)
{
	struct showing *s = arg;
	json_t *o = report_record(r);
	if (s->is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		control_show_record(o, s->first);
	}
	s->first = false;
	json_decref(o);
}

int control_read_store(const char *path, uint64_t since_ms, const char *name, const char *address,
	uint32_t limit, bool is_json)
{
	struct store *store = NULL;
	struct fault f;
	struct store_query q = { .since_ms = since_ms, .limit = limit };
	struct showing s = { is_json, true };
	snprintf(q.name, sizeof(q.name), "%s", name);
	if (*address != '\0' && !addr_parse(address, &q.source)) {
		fprintf(stderr, "posternctl: --address %s: not an address in numbers\n", address);
		return 2;
	}
	if (store_open_reader(path, &store, &f) < 0) {
		fprintf(stderr, "posternctl: no daemon answers, and %s\n", f.text);
		return CONTROL_NO_DAEMON;
	}
	int rc = store_journal(store, &q, show_record, &s);
	store_close(store);
	if (rc < 0) {
		fprintf(stderr, "posternctl: %s: cannot be read: %s\n", path, strerror(-rc));
		return 4;
	}
	return 0;
}
