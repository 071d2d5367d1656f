/*
 * A server's first flight, piece by piece: records are taken off, handshake messages collected in one
 * buffer, and each message is read once it is whole. Invariants: no more is kept or read than the bounds say,
 * and no more is allocated than came, whatever lengths are claimed; where the buffer moves, the spans into it
 * move with it.
 */

#include "audit/flight.h"

#include <stdlib.h>
#include <string.h>

#include "audit/flight_message.h"
#include "audit/flight_ssl2.h"

#define RECORD_HEADER_LEN 5
#define RECORD_LEN_MAX (16384 + 2048) /* RFC 5246 6.2.3 */
#define MESSAGES_LEN_MAX (AUDIT_CERT_LEN_MAX + 65536)
#define MESSAGES_LEN_MIN 2048
#define ALERT_LEN 2
#define ALERT_FATAL 2
#define ALERT_NO_CERTIFICATE 41
#define ALERT_CERTIFICATE_UNKNOWN 46
#define ALERT_USER_CANCELED 90
#define ALERT_NO_RENEGOTIATION 100
#define ALERT_UNRECOGNIZED_NAME 112

enum record {
	RECORD_CHANGE_CIPHER = 20,
	RECORD_ALERT,
	RECORD_HANDSHAKE,
	RECORD_DATA,
	RECORD_HEARTBEAT
};

enum kind { KIND_UNDECIDED, KIND_TLS, KIND_SSL2, KIND_NONE };

struct audit_flight_state {
	bool is_ssl2_hello;
	enum kind kind;
	size_t total;
	size_t header_len;
	uint8_t header[RECORD_HEADER_LEN];
	size_t record_left; /* bytes of the record that are still to come */
	size_t alert_len;
	uint8_t alert[ALERT_LEN];
	size_t cap, len, at; /* of messages: room, there, read */
	uint8_t *messages;
};

struct audit_flight *audit_flight_new(bool is_ssl2)
{
	struct audit_flight *f = calloc(1, sizeof(*f));
	if (f == NULL)
		return NULL;
	f->state = calloc(1, sizeof(*f->state));
	if (f->state == NULL) {
		audit_flight_free(f);
		return NULL;
	}
	f->state->is_ssl2_hello = is_ssl2;
	return f;
}

void audit_flight_free(struct audit_flight *f)
{
	if (f == NULL)
		return;
	if (f->state != NULL)
		free(f->state->messages);
	free(f->state);
	free(f);
}

static void broken(struct audit_flight *f, const char *why)
{
	f->end = AUDIT_FLIGHT_BROKEN;
	f->why = why;
}

/* Between the hello and the key exchange there are certificates alone. */
static void too_long(struct audit_flight *f, const char *why)
{
	f->is_chain_cut =
		f->is_chain_cut || (f->has_hello && f->cert_count == 0 && !f->has_key_exchange);
	broken(f, why);
}

static void move_span(struct span *s, const uint8_t *from, const uint8_t *to)
{
	if (s->data != NULL)
		s->data = to + (s->data - from);
}

/* Keep these bytes behind those that are there. False when it was the end of the flight. */
static bool keep(struct audit_flight *f, struct span part)
{
	struct audit_flight_state *s = f->state;
	size_t cap = s->cap > 0 ? s->cap : MESSAGES_LEN_MIN;
	while (cap - s->len < part.len)
		cap *= 2;
	if (cap > s->cap) {
		uint8_t *to = malloc(cap);
		if (to == NULL) {
			broken(f, "there is no memory for all of it");
			return false;
		}
		if (s->len > 0)
			memcpy(to, s->messages, s->len);
		for (size_t i = 0; i < f->cert_count; i++)
			move_span(&f->certs[i], s->messages, to);
		move_span(&f->staple, s->messages, to);
		free(s->messages);
		s->messages = to;
		s->cap = cap;
	}
	memcpy(s->messages + s->len, part.data, part.len);
	s->len += part.len;
	return true;
}

/* What no server of TLS begins with. */
static bool is_record(const uint8_t *header)
{
	return header[0] >= RECORD_CHANGE_CIPHER && header[0] <= RECORD_HEARTBEAT && header[1] == 3;
}

static void begin_record(struct audit_flight *f)
{
	struct audit_flight_state *s = f->state;
	size_t len = (size_t)s->header[3] << 8 | s->header[4];
	s->record_left = len;
	if (len > RECORD_LEN_MAX)
		broken(f, "a record is longer than records may be");
}

/*
 * RFC 5246 7.2: these may be warnings, after which the handshake goes on; the others end it, and RFC 8446 6
 * lets their level say what it likes.
 */
static bool may_be_warning(uint8_t code)
{
	return (code >= ALERT_NO_CERTIFICATE && code <= ALERT_CERTIFICATE_UNKNOWN) ||
		code == ALERT_USER_CANCELED || code == ALERT_NO_RENEGOTIATION ||
		code >= ALERT_UNRECOGNIZED_NAME;
}

static void read_alert(struct audit_flight *f)
{
	struct audit_flight_state *s = f->state;
	f->has_alert = true;
	f->alert_level = s->alert[0];
	f->alert_code = s->alert[1];
	s->alert_len = 0;
	if (f->alert_level != ALERT_FATAL && may_be_warning(f->alert_code))
		return;
	/* A suite that was chosen was accepted, whatever went wrong afterwards. */
	f->end = f->has_hello ? AUDIT_FLIGHT_HELLO : AUDIT_FLIGHT_ALERT;
}

/* Messages that are whole by now. */
static void read_messages(struct audit_flight *f)
{
	struct audit_flight_state *s = f->state;
	while (f->end == AUDIT_FLIGHT_MORE && s->len - s->at >= AUDIT_MESSAGE_HEADER_LEN) {
		struct reader r = reader_init(span_of(s->messages + s->at, s->len - s->at));
		uint8_t type = reader_u8(&r);
		size_t len = (size_t)reader_u8(&r) << 16;
		len |= reader_u16(&r);
		if (len > MESSAGES_LEN_MAX - s->at - AUDIT_MESSAGE_HEADER_LEN) {
			too_long(f, "a handshake message is longer than one mebibyte");
			return;
		}
		if (len > r.left)
			return;
		s->at += AUDIT_MESSAGE_HEADER_LEN + len;
		const char *why = audit_message_read(f, type, reader_take(&r, len));
		if (why != NULL)
			broken(f, why);
	}
}

static void take_handshake(struct audit_flight *f, struct span part)
{
	struct audit_flight_state *s = f->state;
	if (part.len > MESSAGES_LEN_MAX - s->len) {
		too_long(f, "the handshake is longer than one mebibyte");
		return;
	}
	if (keep(f, part))
		read_messages(f);
}

/* A part of a record's body, not empty. */
static void take_body(struct audit_flight *f, struct span part)
{
	struct audit_flight_state *s = f->state;
	switch ((enum record)s->header[0]) {
	case RECORD_HANDSHAKE:
		take_handshake(f, part);
		return;
	case RECORD_ALERT:
		for (size_t i = 0; i < part.len && f->end == AUDIT_FLIGHT_MORE; i++) {
			s->alert[s->alert_len++] = part.data[i];
			if (s->alert_len == ALERT_LEN)
				read_alert(f);
		}
		return;
	case RECORD_CHANGE_CIPHER:
	case RECORD_HEARTBEAT:
		return;
	case RECORD_DATA:
		break;
	}
	broken(f, "data comes before the handshake is over");
}

static void take_first(struct audit_flight *f, struct span bytes)
{
	size_t n = sizeof(f->first) - f->first_len;
	if (n > bytes.len)
		n = bytes.len;
	memcpy(f->first + f->first_len, bytes.data, n);
	f->first_len += n;
}

static void feed_records(struct audit_flight *f, struct span bytes)
{
	struct audit_flight_state *s = f->state;
	struct reader r = reader_init(bytes);
	while (f->end == AUDIT_FLIGHT_MORE && r.left > 0) {
		if (s->header_len < RECORD_HEADER_LEN) {
			s->header[s->header_len++] = reader_u8(&r);
			if (s->header_len < RECORD_HEADER_LEN)
				continue;
			if (!is_record(s->header)) {
				broken(f, "what follows a record is none");
				return;
			}
			begin_record(f);
		} else {
			size_t n = s->record_left < r.left ? s->record_left : r.left;
			s->record_left -= n;
			take_body(f, reader_take(&r, n));
		}
		if (s->header_len == RECORD_HEADER_LEN && s->record_left == 0)
			s->header_len = 0;
	}
}

/* Which of them it is shows in the first bytes; an SSLv2 answer is looked for only where it was asked for. */
static enum kind kind_of(const struct audit_flight *f)
{
	const struct audit_flight_state *s = f->state;
	struct span first = span_of(f->first, f->first_len);
	if (first.len >= 2 && is_record(f->first))
		return KIND_TLS;
	if (first.len < 2 && first.data[0] >= RECORD_CHANGE_CIPHER &&
		first.data[0] <= RECORD_HEARTBEAT)
		return KIND_UNDECIDED;
	if (!s->is_ssl2_hello)
		return KIND_NONE;
	if (first.len < AUDIT_SSL2_HEADER_MAX)
		return KIND_UNDECIDED;
	return audit_ssl2_is_answer(first) ? KIND_SSL2 : KIND_NONE;
}

static void feed_ssl2(struct audit_flight *f, struct span bytes)
{
	struct audit_flight_state *s = f->state;
	size_t n = AUDIT_SSL2_RECORD_MAX - s->len < bytes.len ? AUDIT_SSL2_RECORD_MAX - s->len
							      : bytes.len;
	if (n == 0 || !keep(f, span_of(bytes.data, n)))
		return;
	const char *why = audit_ssl2_read(f, span_of(s->messages, s->len));
	if (why != NULL)
		broken(f, why);
}

static void feed_kind(struct audit_flight *f, struct span bytes)
{
	if (f->state->kind == KIND_SSL2)
		feed_ssl2(f, bytes);
	else
		feed_records(f, bytes);
}

enum audit_flight_end audit_flight_feed(struct audit_flight *f, struct span bytes)
{
	struct audit_flight_state *s = f->state;
	size_t had = f->first_len;
	if (f->end != AUDIT_FLIGHT_MORE || bytes.len == 0)
		return f->end;
	if (bytes.len > AUDIT_FLIGHT_MAX - s->total) {
		broken(f, "the answer has no end");
		return f->end;
	}
	s->total += bytes.len;
	take_first(f, bytes);
	if (s->kind == KIND_UNDECIDED) {
		s->kind = kind_of(f);
		if (s->kind == KIND_NONE)
			f->end = AUDIT_FLIGHT_NOT_TLS;
		if (s->kind == KIND_NONE || s->kind == KIND_UNDECIDED)
			return f->end;
		/* What did not decide it is less than first holds. */
		feed_kind(f, span_of(f->first, had));
	}
	feed_kind(f, bytes);
	return f->end;
}
