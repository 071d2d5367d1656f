/*
 * posternctl's end of the knock process. Invariant: only root gets here (socket mode), one request a
 * connection, a few connections at a time, and none of it on the packet path.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/control_internal.h"
#include "daemon/report.h"

struct control {
	uv_pipe_t listener;
	bool is_waiting; /* somebody, until a client leaves; libuv holds everybody behind */
	bool is_closing;
	struct client clients[CONTROL_CLIENTS_MAX];
};

static void admit(struct control *control);

static void on_closed(uv_handle_t *h)
{
	struct client *c = h->data;
	c->is_used = false;
	if (c->k->control->is_waiting)
		admit(c->k->control);
}

static void client_close(struct client *c)
{
	if (c->is_closing)
		return;
	c->is_closing = true;
	c->waits = WAIT_NOTHING;
	uv_close((uv_handle_t *)&c->pipe, on_closed);
}

static void on_written(uv_write_t *w, int status)
{
	(void)status;
	free(w->data);
	free(w);
}

static void on_last_written(uv_write_t *w, int status)
{
	struct client *c = w->handle->data;
	on_written(w, status);
	client_close(c);
}

/* Write one object as a line; takes the reference. */
static void say_then(struct client *c, json_t *object, uv_write_cb cb)
{
	char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;
	json_decref(object);
	size_t len = text != NULL ? strlen(text) : 0;
	char *line = text != NULL ? realloc(text, len + 2) : NULL;
	uv_write_t *w = malloc(sizeof(*w));
	if (line == NULL || w == NULL) {
		free(line);
		free(w);
		client_close(c);
		return;
	}
	line[len] = '\n';
	w->data = line;
	uv_buf_t b = uv_buf_init(line, (unsigned)len + 1);
	if (c->is_closing || uv_write(w, (uv_stream_t *)&c->pipe, &b, 1, cb) < 0) {
		free(line);
		free(w);
		client_close(c);
	}
}

void control_say(struct client *c, json_t *object)
{
	say_then(c, object, on_written);
}

void control_finish(struct client *c, int result, const char *text)
{
	c->waits = WAIT_NOTHING;
	say_then(c, json_pack("{s:i, s:s}", "result", result, "text", text), on_last_written);
}

uint32_t control_seq(const struct client *c)
{
	return SEQ_CONTROL | (uint32_t)(c - c->k->control->clients + 1);
}

const char *control_text(const json_t *q, const char *key)
{
	const char *text = json_string_value(json_object_get(q, key));
	return text != NULL ? text : "";
}

/* Every order was answered: how many of what. */
static void conclude(struct client *c)
{
	char text[sizeof(c->said) + 64];
	if (c->result < 0) {
		control_finish(c, c->result,
			c->trouble != NULL ? c->trouble : "the kernel did not close every gate");
		return;
	}
	int n = snprintf(text, sizeof(text), "%s%s%zu closed", c->said,
		c->said[0] != '\0' ? "; " : "", c->closed);
	if (c->cut > 0)
		snprintf(text + n, sizeof(text) - (size_t)n, ", %zu cut", c->cut);
	control_finish(c, c->result, text);
}

void control_await(struct client *c)
{
	if (c->awaiting == 0)
		conclude(c);
	else
		c->waits = WAIT_DONE;
}

struct telling {
	struct client *c;
	uint64_t grant_id; /* of the gate whose connections are told; 0: those of no open gate */
	size_t count;
};

static void say_relayed(void *arg, const struct relays_line *l)
{
	struct telling *t = arg;
	bool is_of_gate =
		l->grant_id != 0 && live_find_grant(t->c->k->live, l->grant_id) != SIZE_MAX;
	if (is_of_gate ? l->grant_id != t->grant_id : t->grant_id != 0)
		return;
	control_say(t->c, report_relayed(l));
	t->count++;
}

/* Each gate, below it the connections that it let through a passthru, and at the end those that outlived
 * theirs. */
static void say_gates(struct client *c)
{
	struct telling t = { c, 0, 0 };
	for (size_t i = 0; i < live_count(c->k->live); i++) {
		const struct live_gate *g = live_at(c->k->live, i);
		control_say(c, report_gate(g, c->k->config));
		t.grant_id = g->grant_id;
		relays_each(c->k, say_relayed, &t);
	}
	t.grant_id = 0;
	relays_each(c->k, say_relayed, &t);
	control_finish(c, 0, live_count(c->k->live) == 0 && t.count == 0 ? "no gate is open" : "");
}

static void do_gates(struct client *c)
{
	if (relays_list(c->k))
		c->waits = WAIT_RELAYS;
	else
		say_gates(c);
}

void control_relays_listed(struct knockd *k)
{
	for (size_t i = 0; k->control != NULL && i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &k->control->clients[i];
		if (c->is_used && c->waits == WAIT_RELAYS)
			say_gates(c);
	}
}

static void say_record(void *arg, const struct store_record *r)
{
	control_say(arg, report_record(r));
}

static void do_journal(struct client *c, json_t *q)
{
	struct store_query query = {
		.after_id = (uint64_t)json_integer_value(json_object_get(q, "after")),
		.since_ms = (uint64_t)json_integer_value(json_object_get(q, "since_ms")),
		.until_ms = (uint64_t)json_integer_value(json_object_get(q, "until_ms")),
		.limit = (uint32_t)json_integer_value(json_object_get(q, "limit")),
	};
	const char *address = control_text(q, "address"), *event = control_text(q, "event");
	snprintf(query.name, sizeof(query.name), "%s", control_text(q, "name"));
	snprintf(query.service, sizeof(query.service), "%s", control_text(q, "service"));
	if (*event != '\0' && !store_event_parse(event, &query.event)) {
		control_finish(c, -EINVAL, "there is no such event");
		return;
	}
	if (*address != '\0' && !addr_parse(address, &query.source)) {
		control_finish(c, -EINVAL, "the address is none; write it in numbers");
		return;
	}
	bool is_cut = query.limit > CONTROL_JOURNAL_MAX;
	if (is_cut)
		query.limit = CONTROL_JOURNAL_MAX;
	int rc = store_journal(c->k->store, &query, say_record, c);
	control_finish(c, rc,
		rc < 0           ? "the journal cannot be read"
			: is_cut ? "the daemon tells the newest 1000 at most; name the store with "
				   "--store for more"
				 : "");
}

/* what: "" is everything, else a grant id, an address or a name. */
static bool is_meant(
	const char *what, uint64_t grant_id, const struct prefix *source, const char *name)
{
	struct addr a;
	char *end = NULL;
	if (*what == '\0')
		return true;
	if (addr_parse(what, &a))
		return prefix_contains(source, &a);
	unsigned long long id = strtoull(what, &end, 10);
	if (*end == '\0')
		return id == grant_id;
	return strcasecmp(what, name) == 0;
}

struct cutting {
	struct client *c;
	const char *what;
	uint32_t seq;
};

static const struct closing by_administrator = {
	.reason = "administrator", .text = "by the administrator", .is_cut = true
};

/* A gate that was used may have a connection: its lease goes, and with it the connection. */
static void cut_one(void *arg, const struct store_gate *g)
{
	struct cutting *cut = arg;
	struct client *c = cut->c;
	const struct prefix source = { g->source, g->bits };
	if (g->state != STORE_GATE_USED || !is_meant(cut->what, g->grant_id, &source, g->name))
		return;
	int rc = c->result == 0 ? mirror_cut(c->k, g, cut->seq, &by_administrator) : 0;
	if (rc < 0 || c->result < 0) {
		c->result = c->result < 0 ? c->result : rc;
		return;
	}
	c->awaiting++;
	c->cut++;
}

/* The kernel's cut leaves the relay with half a connection, and of one that came by no gate it knows nothing. */
static bool is_meant_relayed(void *arg, const struct relays_line *l)
{
	const struct prefix source = { l->source, 128 };
	return is_meant(arg, l->grant_id, &source, l->name);
}

static void do_close(struct client *c, json_t *q)
{
	const char *text = json_string_value(json_object_get(q, "what"));
	char what[CONTROL_LINE_MAX];
	bool is_cut = json_is_true(json_object_get(q, "cut"));
	struct knockd *k = c->k;
	if (text == NULL) {
		control_finish(c, -EINVAL, "say what to close");
		return;
	}
	snprintf(what, sizeof(what), "%s", text);
	struct closing closing = by_administrator;
	closing.is_cut = is_cut;
	uint32_t seq = control_seq(c);
	struct cutting cutting = { c, what, seq };
	size_t relayed = 0;
	if (is_cut) {
		int rc = store_gates(k->store, clock_wall_ms(), cut_one, &cutting);
		if (rc < 0)
			c->result = rc;
		relayed = relays_cut(k, is_meant_relayed, what, &by_administrator);
		c->cut += relayed;
	}
	for (size_t i = live_count(k->live); i > 0; i--) {
		const struct live_gate *g = live_at(k->live, i - 1);
		const struct prefix source = { g->place.source, g->place.bits };
		if (!is_meant(what, g->grant_id, &source, g->name))
			continue;
		int rc = mirror_close(k, i - 1, seq, &closing);
		if (rc < 0) {
			c->result = rc;
			break;
		}
		c->awaiting++;
		c->closed++;
	}
	events_write(k);
	if (c->awaiting == 0 && relayed > 0)
		control_await(c);
	else if (c->awaiting == 0)
		control_finish(c, c->result < 0 ? c->result : -ENOENT,
			c->result < 0 ? "the gate process takes no orders now; try again"
				: is_cut
				? "no such gate is open and no such connection is in"
				: "no such gate is open; posternctl gates lists those that are");
	else
		c->waits = WAIT_DONE;
}

static void do_status(struct client *c)
{
	struct msg m = { .type = MSG_LIST, .seq = SEQ_CONTROL };
	if (msg_send(c->k->start->gate, &m) < 0)
		control_finish(c, -EAGAIN, "the gate process takes no orders now; try again");
	else
		c->waits = WAIT_LISTED;
}

static void do_reload(struct client *c)
{
	struct msg m = { .type = MSG_RELOAD };
	if (msg_send(c->k->start->monitor, &m) < 0)
		control_finish(c, -EAGAIN, "the monitor takes no orders now; try again");
	else
		c->waits = WAIT_RELOADED;
}

static void do_trial(struct client *c, const json_t *q)
{
	static const struct {
		const char *word;
		enum msg_type type;
	} words[] = { { "begin", MSG_TRIAL_BEGIN }, { "confirm", MSG_TRIAL_CONFIRM },
		{ "abort", MSG_TRIAL_ABORT } };
	const char *word = control_text(q, "do");
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct msg m = { .type = words[i].type };
		if (strcmp(word, words[i].word) != 0)
			continue;
		if (msg_send(c->k->start->monitor, &m) < 0)
			control_finish(c, -EAGAIN, "the monitor takes no orders now; try again");
		else
			c->waits = WAIT_RELOADED;
		return;
	}
	control_finish(c, -EINVAL, "say begin, confirm or abort");
}

static void obey(struct client *c)
{
	json_error_t err;
	json_t *q = json_loads(c->line, 0, &err);
	const char *command = json_string_value(json_object_get(q, "command"));
	if (command == NULL)
		control_finish(c, -EINVAL, "not a request");
	else if (strcmp(command, "status") == 0)
		do_status(c);
	else if (strcmp(command, "metrics") == 0) {
		c->is_metrics = true;
		do_status(c);
	} else if (strcmp(command, "gates") == 0)
		do_gates(c);
	else if (strcmp(command, "close") == 0)
		do_close(c, q);
	else if (strcmp(command, "journal") == 0)
		do_journal(c, q);
	else if (strcmp(command, "reload") == 0)
		do_reload(c);
	else if (strcmp(command, "trial") == 0)
		do_trial(c, q);
	else if (strcmp(command, "revoke") == 0)
		control_revoke(c, q);
	else if (strcmp(command, "restore") == 0)
		control_restore(c, q);
	else if (strcmp(command, "lockouts") == 0)
		control_lockouts(c);
	else if (strcmp(command, "why") == 0)
		control_why(c, q);
	else
		control_finish(c, -EINVAL, "no such command");
	json_decref(q);
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	struct client *c = h->data;
	(void)suggested;
	*ret = uv_buf_init(c->line + c->len, (unsigned)(sizeof(c->line) - 1 - c->len));
}

static void on_line(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct client *c = stream->data;
	(void)buf;
	if (n < 0) {
		client_close(c);
		return;
	}
	c->len += (size_t)n;
	char *lf = memchr(c->line, '\n', c->len);
	if (lf != NULL) {
		*lf = '\0';
		uv_read_stop(stream);
		obey(c);
	} else if (c->len == sizeof(c->line) - 1) {
		client_close(c);
	}
}

static void admit(struct control *control)
{
	struct knockd *k = control->listener.data;
	struct client *c = NULL;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX && c == NULL; i++)
		if (!control->clients[i].is_used)
			c = &control->clients[i];
	control->is_waiting = c == NULL;
	if (c == NULL || control->is_closing)
		return;
	*c = (struct client){ .k = k, .is_used = true };
	if (uv_pipe_init(&k->loop, &c->pipe, 0) < 0) {
		c->is_used = false;
		return;
	}
	c->pipe.data = c;
	if (uv_accept((uv_stream_t *)&control->listener, (uv_stream_t *)&c->pipe) < 0 ||
		uv_read_start((uv_stream_t *)&c->pipe, on_room, on_line) < 0)
		client_close(c);
}

static void on_client(uv_stream_t *listener, int status)
{
	struct knockd *k = listener->data;
	if (status == 0)
		admit(k->control);
}

int control_start(struct knockd *k)
{
	k->control = calloc(1, sizeof(*k->control));
	if (k->control == NULL)
		return -ENOMEM;
	int rc = uv_pipe_init(&k->loop, &k->control->listener, 0);
	if (rc == 0)
		rc = uv_pipe_open(&k->control->listener, k->start->control);
	k->control->listener.data = k;
	if (rc == 0)
		rc = uv_listen(
			(uv_stream_t *)&k->control->listener, CONTROL_CLIENTS_MAX, on_client);
	return rc;
}

void control_done(struct knockd *k, const struct msg *m)
{
	uint32_t i = m->seq & ~SEQ_CONTROL;
	if (i == 0 || i > CONTROL_CLIENTS_MAX)
		return;
	struct client *c = &k->control->clients[i - 1];
	if (!c->is_used || c->waits != WAIT_DONE)
		return;
	if (m->result < 0)
		c->result = m->result;
	if (--c->awaiting == 0)
		conclude(c);
}

static void say_metrics(struct client *c)
{
	char *text = metrics_text(c->k);
	control_say(c, text != NULL ? json_pack("{s:s}", "metrics", text) : NULL);
	free(text);
}

void control_listed(struct knockd *k, const struct msg *m)
{
	memcpy(k->kernel, m->counts, sizeof(k->kernel));
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &k->control->clients[i];
		if (!c->is_used || c->waits != WAIT_LISTED)
			continue;
		if (c->is_metrics)
			say_metrics(c);
		else
			control_say(c, report_status(k, m));
		control_finish(c, 0, "");
	}
}

void control_reloaded(struct knockd *k, const struct msg *m)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *c = &k->control->clients[i];
		if (c->is_used && c->waits == WAIT_RELOADED)
			control_finish(c, m->result, m->text);
	}
}

static void on_gone(uv_handle_t *h)
{
	(void)h;
}

static void close_one(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, on_gone);
}

/* At the end: let pending answers leave, then close every handle of the loop. */
void control_close_all(struct knockd *k)
{
	uv_run(&k->loop, UV_RUN_NOWAIT);
	k->control->is_closing = true;
	uv_walk(&k->loop, close_one, NULL);
	uv_run(&k->loop, UV_RUN_DEFAULT);
	uv_loop_close(&k->loop);
	free(k->control);
	k->control = NULL;
}
