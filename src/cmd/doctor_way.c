/* "If I log out now, can I come back?" Answered by the same policy that a knock meets. */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/doctor.h"
#include "daemon/why.h"
#include "store/store.h"

#define PARENTS_MAX 32
#define ENVIRON_MAX 65536
#define SSH_PORT 22
#define ASK_ALL_MAX 200

bool doctor_session_parse(const char *text, struct doctor_session *ret)
{
	char from[ADDR_TEXT_MAX], to[ADDR_TEXT_MAX];
	unsigned from_port, port;
	struct doctor_session s = { 0 };
	int used = 0;
	if (sscanf(text, "%45s %5u %45s %5u%n", from, &from_port, to, &port, &used) != 4 ||
		text[used] != '\0' || port == 0 || port > UINT16_MAX)
		return false;
	/* A link-local address has its interface behind it. */
	from[strcspn(from, "%")] = '\0';
	if (!addr_parse(from, &s.from))
		return false;
	s.port = (uint16_t)port;
	*ret = s;
	return true;
}

static bool find_in_environ(pid_t pid, struct doctor_session *ret)
{
	static const char key[] = "SSH_CONNECTION=";
	char path[64];
	bool is_found = false;
	snprintf(path, sizeof(path), "/proc/%d/environ", (int)pid);
	char *text = malloc(ENVIRON_MAX);
	FILE *f = text != NULL ? fopen(path, "re") : NULL;
	size_t len = f != NULL ? fread(text, 1, ENVIRON_MAX - 1, f) : 0;
	for (size_t at = 0; !is_found && at < len; at += strlen(text + at) + 1) {
		text[len] = '\0';
		if (strncmp(text + at, key, sizeof(key) - 1) == 0)
			is_found = doctor_session_parse(text + at + sizeof(key) - 1, ret);
	}
	if (f != NULL)
		fclose(f);
	free(text);
	return is_found;
}

static pid_t parent_of(pid_t pid)
{
	char path[64], text[512];
	int parent = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	size_t len = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[len] = '\0';
	/* The name in parentheses may hold anything. */
	const char *end = strrchr(text, ')');
	if (end == NULL || sscanf(end + 1, " %*c %d", &parent) != 1)
		return 0;
	return parent;
}

bool doctor_session_find(struct doctor_session *ret)
{
	const char *own = getenv("SSH_CONNECTION");
	if (own != NULL)
		return doctor_session_parse(own, ret);
	pid_t pid = getppid();
	for (int i = 0; pid > 1 && i < PARENTS_MAX; i++, pid = parent_of(pid))
		if (find_in_environ(pid, ret))
			return true;
	return false;
}

struct answer {
	bool is_granted;
	char door[CONFIG_NAME_MAX + 1];
	char text[256];
};

static void take_answer(void *arg, json_t *o)
{
	struct answer *a = arg;
	const char *verdict = json_string_value(json_object_get(o, "verdict"));
	const char *text = json_string_value(json_object_get(o, "text"));
	const char *door = json_string_value(json_object_get(o, "door"));
	if (!a->is_granted && verdict != NULL && strcmp(verdict, "grant") == 0) {
		a->is_granted = true;
		snprintf(a->door, sizeof(a->door), "%s", door != NULL ? door : "");
	} else if (!a->is_granted) {
		snprintf(a->text, sizeof(a->text), "%s", text != NULL ? text : "refused");
	}
	json_decref(o);
}

struct way {
	struct doctor *d;
	struct store *store;
	const struct config_service *service;
	char address[ADDR_TEXT_MAX]; /* "": not known */
};

static bool ask(const struct way *w, const char *name, struct answer *ret)
{
	const struct why_question q = { name, w->service->name, w->address, "" };
	struct fault f;
	*ret = (struct answer){ 0 };
	if (why_answer(w->d->boot, w->store, &q, w->d->wall_ms, take_answer, ret, &f) < 0)
		snprintf(ret->text, sizeof(ret->text), "%.255s", f.text);
	return ret->is_granted;
}

static const char *from(const struct way *w)
{
	return w->address[0] != '\0' ? w->address : "where the directory allows";
}

static void check_name(const struct way *w, const char *name)
{
	struct answer a;
	if (ask(w, name, &a))
		doctor_note(w->d, DOCTOR_OK, "way",
			"%s would be let in to %s through door %s, from %s", name, w->service->name,
			a.door, from(w));
	else
		doctor_note(w->d, DOCTOR_FAIL, "way",
			"%s would not be let in to %s from %s: %s; posternctl why \"%s\" %s says what "
			"to change",
			name, w->service->name, from(w), a.text, name, w->service->name);
}

/* Nobody was named: is there anybody at all? */
static void check_anybody(const struct way *w)
{
	const struct directory *dir = w->d->boot->directory;
	size_t asked = 0, let_in = 0;
	char name[NAME_TEXT_MAX];
	for (size_t i = 0; i < directory_count(dir) && asked < ASK_ALL_MAX; i++) {
		const struct directory_entry *e = directory_at(dir, i);
		struct answer a;
		if (e->kind != DIRECTORY_USER)
			continue;
		asked++;
		let_in += ask(w, name_format(&e->name, name), &a);
	}
	if (let_in == 0)
		doctor_note(w->d, DOCTOR_FAIL, "way",
			"nobody in the directory would be let in to %s from %s; see posternctl why "
			"NAME %s",
			w->service->name, from(w), w->service->name);
	else
		doctor_note(w->d, DOCTOR_WARN, "way",
			"%zu of %zu people in the directory would be let in to %s from %s; name "
			"yourself with --as NAME",
			let_in, asked, w->service->name, from(w));
}

static void check_ways(struct way *w)
{
	const struct doctor_options *o = w->d->options;
	struct fault f;
	if (store_open_reader(w->d->boot->config->server.store, &w->store, &f) < 0)
		w->store = NULL;
	for (size_t i = 0; i < o->name_count; i++)
		check_name(w, o->names[i]);
	if (o->name_count == 0)
		check_anybody(w);
	store_close(w->store);
}

/* Where a person logs in when this is no SSH session: the port 22, or a service that is called so. */
static const struct config_service *guess_service(const struct config *c)
{
	const struct config_service *s = config_service_by_port(c, IPPROTO_TCP, SSH_PORT);
	return s != NULL ? s : config_service_by_name(c, "ssh");
}

/* For the day when the daemon is dead and the machine is not. */
static void check_rescue(struct doctor *d, const struct doctor_session *session)
{
	const struct config_rescue *r = &d->boot->config->rescue;
	char after[TIME_TEXT_MAX];
	bool is_covered = session == NULL;
	if (!r->is_on) {
		doctor_note(d, DOCTOR_WARN, "rescue",
			"no rescue is configured: while the daemon is dead nobody gets in; add a "
			"rescue block with an address you can always come from");
		return;
	}
	for (size_t i = 0; session != NULL && i < r->prefix_count; i++)
		is_covered = is_covered || prefix_contains(&r->prefixes[i], &session->from);
	doctor_note(d, is_covered ? DOCTOR_OK : DOCTOR_WARN, "rescue",
		"%zu addresses or networks may come to %s port %u when the daemon was dead for %s%s",
		r->prefix_count, r->to.proto == IPPROTO_TCP ? "tcp" : "udp", (unsigned)r->to.port,
		duration_format(r->after_s, after),
		is_covered ? ""
			   : ", but not the address of this session; add it if it stays yours");
}

void doctor_way(struct doctor *d)
{
	struct doctor_session session;
	struct way w = { .d = d };
	if (d->boot == NULL)
		return;
	bool is_ssh = doctor_session_find(&session);
	if (is_ssh) {
		addr_format(&session.from, w.address);
		w.service = config_service_by_port(d->boot->config, IPPROTO_TCP, session.port);
		if (w.service == NULL)
			doctor_note(d, DOCTOR_OK, "way",
				"this session came in by tcp port %u, which is not guarded: no knock is "
				"needed to come back",
				(unsigned)session.port);
	} else {
		w.service = guess_service(d->boot->config);
		doctor_note(d, DOCTOR_OK, "way", "this is no SSH session%s%s",
			w.service != NULL ? "; asking for service " : "",
			w.service != NULL ? w.service->name : ", and no service is called ssh");
	}
	if (w.service != NULL)
		check_ways(&w);
	check_rescue(d, is_ssh ? &session : NULL);
}
