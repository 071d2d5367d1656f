/*
 * What the knock process is told. Nothing is queued as bytes: each connection knows what is owed about it, and
 * it is said when the channel takes it. So a knock process that is slow, or not there, costs no memory, and
 * one that comes anew is told all that counts.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "relay/internal.h"

static void head(const struct connection *c, enum relay_msg_type type, struct relay_msg *m)
{
	*m = (struct relay_msg){ .type = type,
		.id = c->id,
		.source = c->source,
		.source_port = c->source_port,
		.inner_addr = c->inner_addr,
		.to_inner = c->to_inner,
		.to_client = c->to_client,
		.to_inner_rate = c->rate_inner,
		.to_client_rate = c->rate_client,
		.count = 1 };
	memcpy(m->passthru, c->passthru->rules.name, sizeof(m->passthru));
	uint64_t until = c->state == STATE_ENDED ? c->ended_ms : c->relay->now_ms;
	m->took_ms = c->is_through ? until - c->through_ms : 0;
}

/* The first of what is owed becomes m. */
static unsigned next_owed(struct connection *c, struct relay_msg *m)
{
	struct relay *r = c->relay;
	unsigned what = c->owed & -c->owed;
	switch ((enum owed)what) {
	case OWED_ASK:
		head(c, RELAY_ASK, m);
		if (c->ssl != NULL)
			m->chain = span_of(r->chain, tls_chain(c->ssl, r->chain));
		break;
	case OWED_HELD:
		head(c, RELAY_HELD, m);
		m->who = c->who;
		break;
	case OWED_THROUGH:
		head(c, RELAY_THROUGH, m);
		break;
	case OWED_CAUGHT:
	case OWED_ENDED:
		head(c, what == OWED_CAUGHT ? RELAY_CAUGHT : RELAY_ENDED, m);
		memcpy(m->reason, c->reason, sizeof(m->reason));
		memcpy(m->text, c->text, sizeof(m->text));
		break;
	}
	return what;
}

static void said(struct connection *c, unsigned what)
{
	c->owed &= ~what;
	if (what == OWED_ASK || what == OWED_HELD)
		c->is_asked = true;
	if (what == OWED_ENDED)
		c->is_asked = false;
	if (what == OWED_THROUGH)
		connection_recorded(c);
}

/* False when the channel takes no more. */
static bool tell(struct relay *r, const struct relay_msg *m)
{
	if (r->judge == NULL || r->judge->is_full)
		return false;
	int rc = relay_msg_send(r->judge->fd, m, -1);
	if (rc == 0)
		return true;
	if (rc == -EAGAIN)
		r->judge->is_full = true;
	else
		report_close(r);
	return false;
}

static void dequeue(struct relay *r)
{
	struct connection *c = r->owing;
	r->owing = c->owing_next;
	if (r->owing == NULL)
		r->owing_last = NULL;
	c->owing_next = NULL;
	c->is_owing = false;
}

void report_owe(struct connection *c, unsigned what)
{
	struct relay *r = c->relay;
	c->owed |= what;
	relay_wake(r);
	if (c->is_owing)
		return;
	c->is_owing = true;
	c->owing_next = NULL;
	if (r->owing_last != NULL)
		r->owing_last->owing_next = c;
	else
		r->owing = c;
	r->owing_last = c;
}

/* Who stayed in the row would stay in memory until all before it were told: for as long as nobody listens. */
void report_disown(struct connection *c)
{
	struct relay *r = c->relay;
	struct connection *before = NULL;
	c->owed = 0;
	if (!c->is_owing)
		return;
	for (struct connection *o = r->owing; o != c; o = o->owing_next)
		before = o;
	if (before != NULL)
		before->owing_next = c->owing_next;
	else
		r->owing = c->owing_next;
	if (r->owing_last == c)
		r->owing_last = before;
	c->owing_next = NULL;
	c->is_owing = false;
}

/* One LISTED for each that is carried, by number; then the last. */
static void go_on_listing(struct relay *r)
{
	struct relay_msg m;
	for (const struct connection *c = r->first; c != NULL && r->is_listing; c = c->next) {
		if (c->state != STATE_CARRYING || c->id <= r->listed_id)
			continue;
		head(c, RELAY_LISTED, &m);
		if (!tell(r, &m))
			return;
		r->listed_id = c->id;
	}
	m = (struct relay_msg){ .type = RELAY_LISTED };
	if (r->is_listing && tell(r, &m))
		r->is_listing = false;
}

static void watch(struct relay *r);

void report_flush(struct relay *r)
{
	struct relay_msg m;
	while (r->owing != NULL) {
		struct connection *c = r->owing;
		while (c->owed != 0) {
			unsigned what = next_owed(c, &m);
			if (!tell(r, &m))
				goto out;
			said(c, what);
		}
		dequeue(r);
		connection_settle(c);
	}
out:
	if (r->is_listing)
		go_on_listing(r);
	watch(r);
}

static void answer(struct relay *r, const struct relay_msg *m)
{
	struct connection *c = connection_find(r, m->id);
	/* One that has ended since: the word crossed with ours. */
	if (c == NULL)
		return;
	if (m->type == RELAY_ANSWER) {
		connection_answer(c, m);
		return;
	}
	if (c->state == STATE_CARRYING)
		connection_end(c, m->reason, m->text, false);
	else
		connection_refuse(c, FRAME_DENIED, m->reason, m->text);
	connection_step(c);
}

static void on_judge(uv_poll_t *poll, int status, int events)
{
	struct judge *j = poll->data;
	struct relay *r = j->relay;
	struct relay_msg m;
	int fd, rc = 1;
	(void)status;
	r->now_ms = clock_mono_ms();
	if ((events & UV_WRITABLE) != 0) {
		j->is_full = false;
		relay_wake(r);
	}
	for (int i = 0; i < 64 && rc > 0 && r->judge == j; i++) {
		rc = relay_msg_receive(j->fd, RELAY_KNOCK, RELAY_RELAY, r->buffer, &m, &fd);
		if (rc > 0 && m.type == RELAY_LIST)
			report_list(r);
		else if (rc > 0)
			answer(r, &m);
	}
	if (rc > 0 || rc == -EAGAIN || r->judge != j)
		return;
	if (rc < 0)
		log_error("the knock process sent what is no answer; not listening to it");
	report_close(r);
}

static void watch(struct relay *r)
{
	if (r->judge != NULL)
		uv_poll_start(&r->judge->poll, UV_READABLE | (r->judge->is_full ? UV_WRITABLE : 0),
			on_judge);
}

void report_list(struct relay *r)
{
	r->is_listing = true;
	r->listed_id = 0;
	relay_wake(r);
}

/* What the last one was asked for is not answered any more; what it was told of is told anew. */
static void present(struct connection *c)
{
	bool was_asked = c->is_asked;
	c->is_asked = false;
	switch (c->state) {
	case STATE_ASKING:
	case STATE_TALKING:
	case STATE_CONNECTING:
	case STATE_RECORDING:
		c->owed &= ~(unsigned)OWED_THROUGH;
		report_owe(c, OWED_ASK);
		break;
	case STATE_CARRYING:
		report_owe(c, OWED_HELD);
		break;
	case STATE_FAREWELL:
	case STATE_ENDED:
		if (c->owed & OWED_ENDED)
			report_owe(c, OWED_HELD);
		else if (was_asked && !c->is_through)
			report_owe(c, OWED_CAUGHT);
		break;
	case STATE_HANDSHAKE:
		break;
	}
}

static void on_judge_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void report_close(struct relay *r)
{
	struct judge *j = r->judge;
	if (j == NULL)
		return;
	r->judge = NULL;
	r->is_listing = false;
	uv_close((uv_handle_t *)&j->poll, on_judge_closed);
	close(j->fd);
}

void report_channel(struct relay *r, int fd)
{
	report_close(r);
	struct judge *j = calloc(1, sizeof(*j));
	if (j == NULL || uv_poll_init(&r->loop, &j->poll, fd) < 0) {
		log_error("the channel to the knock process cannot be used");
		free(j);
		close(fd);
		return;
	}
	j->poll.data = j;
	j->fd = fd;
	j->relay = r;
	r->judge = j;
	for (struct connection *c = r->first; c != NULL; c = c->next)
		present(c);
	relay_wake(r);
	watch(r);
}
