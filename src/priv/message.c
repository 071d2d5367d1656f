/*
 * Messages between the processes. One table says who may send each type to whom and which fields it
 * has, in order; encoding and decoding both walk it. Layout, big-endian:
 *
 *     type u8, version u8 = 1, zero u16, seq u32, then the fields of the type
 *
 * Invariant: there is exactly one encoding of each message, and msg_decode takes nothing else.
 */

#include <assert.h>
#include <string.h>

#include "priv/priv.h"
#include "priv/run.h"

#define MSG_VERSION 1
#define RESULT_MAX 4095 /* the kernel's errno values end there */

/* Fields, each with one width everywhere. */
enum field {
	FIELD_NONE,
	FIELD_SERVICE, /* u16 */
	FIELD_KIND,    /* u8, 0 to 2 */
	FIELD_ADDR,    /* 16 bytes */
	FIELD_FROM,    /* u8 prefix bits, 1 to 128, u16 source port, 16 bytes of address */
	FIELD_PORT,    /* u8 protocol, u16 port */
	FIELD_MARK,    /* u32 */
	FIELD_WAIT,    /* u32 */
	FIELD_LEASE,   /* u64 */
	FIELD_RESULT,  /* u32: 0, or an errno without its sign */
	FIELD_COUNTS,  /* 4 times u64 */
	FIELD_DOOR,    /* u16 */
	FIELD_NEW,     /* u8, 0 or 1 */
	FIELD_TEXT,    /* u16 length, then printable ASCII and line ends */
	FIELD_HOW,     /* u8 1 to 4, u8 */
	FIELD_NAME,    /* u16 length, not 0, then bytes without control characters */
	FIELD_DATA,    /* u16 length, then bytes */
};

#define FIELDS_MAX 6

/* Bits 1 << MSG_FROM_x. */
#define MONITOR (1u << MSG_FROM_MONITOR)
#define KNOCK (1u << MSG_FROM_KNOCK)
#define GATE (1u << MSG_FROM_GATE)
#define ACTION (1u << MSG_FROM_ACTION)

static const struct {
	unsigned from, to;
	enum field fields[FIELDS_MAX];
} types[MSG_TYPE_COUNT] = {
	[MSG_OPEN] = { KNOCK, GATE,
		{ FIELD_SERVICE, FIELD_KIND, FIELD_MARK, FIELD_WAIT, FIELD_LEASE, FIELD_FROM } },
	[MSG_CLOSE] = { KNOCK, GATE, { FIELD_PORT, FIELD_FROM } },
	[MSG_CUT] = { KNOCK, GATE, { FIELD_MARK } },
	[MSG_LEASE] = { KNOCK, GATE, { FIELD_SERVICE, FIELD_MARK, FIELD_LEASE } },
	[MSG_SETTLE] = { KNOCK, GATE, { FIELD_NONE } },
	[MSG_KEPT] = { KNOCK, GATE, { FIELD_MARK } },
	[MSG_ASK] = { GATE, KNOCK, { FIELD_NONE } },
	[MSG_WELL] = { KNOCK, GATE, { FIELD_NONE } },
	[MSG_BEAT] = { KNOCK, GATE, { FIELD_NONE } },
	[MSG_LIST] = { KNOCK, GATE, { FIELD_NONE } },
	[MSG_DONE] = { GATE, KNOCK, { FIELD_RESULT } },
	[MSG_BEATEN] = { GATE, KNOCK, { FIELD_NONE } },
	[MSG_LISTED] = { GATE, KNOCK, { FIELD_COUNTS } },
	[MSG_READY] = { KNOCK | GATE | ACTION, MONITOR, { FIELD_NEW } },
	[MSG_RELOAD] = { KNOCK, MONITOR, { FIELD_NONE } },
	[MSG_TRIAL_BEGIN] = { KNOCK, MONITOR, { FIELD_NONE } },
	[MSG_TRIAL_CONFIRM] = { KNOCK, MONITOR, { FIELD_NONE } },
	[MSG_TRIAL_ABORT] = { KNOCK, MONITOR, { FIELD_NONE } },
	[MSG_DOOR_LOST] = { KNOCK, MONITOR, { FIELD_DOOR, FIELD_TEXT } },
	[MSG_GO] = { MONITOR, KNOCK, { FIELD_NEW } },
	[MSG_STOP] = { MONITOR, KNOCK | GATE | ACTION, { FIELD_NONE } },
	[MSG_RUN] = { KNOCK, ACTION, { FIELD_SERVICE, FIELD_ADDR, FIELD_NAME, FIELD_DATA } },
	[MSG_RAN] = { ACTION, KNOCK, { FIELD_HOW } },
	[MSG_RELAY] = { MONITOR, KNOCK, { FIELD_NONE } },
	[MSG_RELAY_BROKEN] = { KNOCK, MONITOR, { FIELD_NONE } },
	[MSG_LOG] = { MONITOR, KNOCK, { FIELD_DOOR, FIELD_NEW } },
	[MSG_RELOADED] = { MONITOR, KNOCK | GATE, { FIELD_RESULT, FIELD_TEXT } },
};

static bool is_text_byte(uint8_t c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\n';
}

/* What cannot be sent becomes '?', so that every message we build can be read. */
static void put_text(struct writer *w, const char *text)
{
	size_t len = strnlen(text, MSG_TEXT_MAX);
	writer_u16(w, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, is_text_byte((uint8_t)text[i]) ? (uint8_t)text[i] : '?');
}

static bool take_text(struct reader *r, char *to)
{
	size_t len = reader_u16(r);
	struct span s = reader_take(r, len);
	if (r->is_short || len > MSG_TEXT_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_text_byte(s.data[i]))
			return false;
		to[i] = (char)s.data[i];
	}
	to[s.len] = '\0';
	return true;
}

static bool is_name_byte(uint8_t c)
{
	return c >= 0x20 && c != 0x7f;
}

static void put_name(struct writer *w, const char *name)
{
	size_t len = strnlen(name, MSG_NAME_MAX);
	assert(len > 0);
	writer_u16(w, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, is_name_byte((uint8_t)name[i]) ? (uint8_t)name[i] : '?');
}

static bool take_name(struct reader *r, char *to)
{
	size_t len = reader_u16(r);
	struct span s = reader_take(r, len);
	if (r->is_short || len == 0 || len > MSG_NAME_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (!is_name_byte(s.data[i]))
			return false;
		to[i] = (char)s.data[i];
	}
	to[s.len] = '\0';
	return true;
}

static bool take_data(struct reader *r, struct msg *m)
{
	m->data_len = reader_u16(r);
	if (m->data_len > MSG_DATA_MAX)
		return false;
	reader_copy(r, m->data, m->data_len);
	return true;
}

static bool take_how(struct reader *r, struct msg *m)
{
	m->how = reader_u8(r);
	m->detail = reader_u8(r);
	return m->how >= RUN_EXIT && m->how <= RUN_TROUBLE;
}

/* A result is 0 or -errno; anything else we might be given is some failure. */
static uint32_t result_out(int32_t result)
{
	if (result == 0)
		return 0;
	return result < 0 && result >= -RESULT_MAX ? (uint32_t)-result : RESULT_MAX;
}

static bool take_result(struct reader *r, int32_t *ret)
{
	uint32_t v = reader_u32(r);
	if (v > RESULT_MAX)
		return false;
	*ret = -(int32_t)v;
	return true;
}

static bool take_flag(struct reader *r, uint8_t *ret)
{
	*ret = reader_u8(r);
	return *ret <= 1;
}

static void put_field(struct writer *w, enum field field, const struct msg *m)
{
	switch (field) {
	case FIELD_NONE:
		break;
	case FIELD_SERVICE:
		writer_u16(w, m->service);
		break;
	case FIELD_KIND:
		assert(m->kind <= MSG_KIND_MAX);
		writer_u8(w, m->kind);
		break;
	case FIELD_FROM:
		assert(m->bits >= 1 && m->bits <= 128);
		writer_u8(w, m->bits);
		writer_u16(w, m->source_port);
		writer_put(w, m->addr.b, sizeof(m->addr.b));
		break;
	case FIELD_ADDR:
		writer_put(w, m->addr.b, sizeof(m->addr.b));
		break;
	case FIELD_PORT:
		writer_u8(w, m->proto);
		writer_u16(w, m->port);
		break;
	case FIELD_MARK:
		writer_u32(w, m->mark);
		break;
	case FIELD_WAIT:
		writer_u32(w, m->wait_ms);
		break;
	case FIELD_LEASE:
		writer_u64(w, m->lease_ms);
		break;
	case FIELD_RESULT:
		writer_u32(w, result_out(m->result));
		break;
	case FIELD_COUNTS:
		for (size_t i = 0; i < 4; i++)
			writer_u64(w, m->counts[i]);
		break;
	case FIELD_DOOR:
		writer_u16(w, m->door);
		break;
	case FIELD_NEW:
		assert(m->is_new <= 1);
		writer_u8(w, m->is_new);
		break;
	case FIELD_TEXT:
		put_text(w, m->text);
		break;
	case FIELD_HOW:
		assert(m->how >= RUN_EXIT && m->how <= RUN_TROUBLE);
		writer_u8(w, m->how);
		writer_u8(w, m->detail);
		break;
	case FIELD_NAME:
		put_name(w, m->name);
		break;
	case FIELD_DATA:
		assert(m->data_len <= MSG_DATA_MAX);
		writer_u16(w, (uint16_t)m->data_len);
		writer_put(w, m->data, m->data_len);
		break;
	}
}

/* False when the value is one that no sender of ours gives. Shortness shows at the end. */
static bool take_field(struct reader *r, enum field field, struct msg *m)
{
	switch (field) {
	case FIELD_NONE:
		return true;
	case FIELD_SERVICE:
		m->service = reader_u16(r);
		return true;
	case FIELD_KIND:
		m->kind = reader_u8(r);
		return m->kind <= MSG_KIND_MAX;
	case FIELD_FROM:
		m->bits = reader_u8(r);
		m->source_port = reader_u16(r);
		reader_copy(r, m->addr.b, sizeof(m->addr.b));
		return m->bits >= 1 && m->bits <= 128;
	case FIELD_ADDR:
		reader_copy(r, m->addr.b, sizeof(m->addr.b));
		return true;
	case FIELD_PORT:
		m->proto = reader_u8(r);
		m->port = reader_u16(r);
		return true;
	case FIELD_MARK:
		m->mark = reader_u32(r);
		return true;
	case FIELD_WAIT:
		m->wait_ms = reader_u32(r);
		return true;
	case FIELD_LEASE:
		m->lease_ms = reader_u64(r);
		return true;
	case FIELD_RESULT:
		return take_result(r, &m->result);
	case FIELD_COUNTS:
		for (size_t i = 0; i < 4; i++)
			m->counts[i] = reader_u64(r);
		return true;
	case FIELD_DOOR:
		m->door = reader_u16(r);
		return true;
	case FIELD_NEW:
		return take_flag(r, &m->is_new);
	case FIELD_TEXT:
		return take_text(r, m->text);
	case FIELD_HOW:
		return take_how(r, m);
	case FIELD_NAME:
		return take_name(r, m->name);
	case FIELD_DATA:
		return take_data(r, m);
	}
	return false;
}

size_t msg_encode(const struct msg *m, uint8_t *to)
{
	assert(m->type > MSG_NONE && m->type < MSG_TYPE_COUNT);
	struct writer w = writer_init(to, MSG_LEN_MAX);
	writer_u8(&w, (uint8_t)m->type);
	writer_u8(&w, MSG_VERSION);
	writer_u16(&w, 0);
	writer_u32(&w, m->seq);
	for (size_t i = 0; i < FIELDS_MAX; i++)
		put_field(&w, types[m->type].fields[i], m);
	assert(!w.is_full);
	return w.len;
}

bool msg_decode(struct span s, enum msg_from from, enum msg_from to, struct msg *ret)
{
	struct reader r = reader_init(s);
	struct msg m = { 0 };

	uint8_t type = reader_u8(&r);
	uint8_t version = reader_u8(&r);
	uint16_t zero = reader_u16(&r);
	m.seq = reader_u32(&r);
	if (r.is_short || type == MSG_NONE || type >= MSG_TYPE_COUNT)
		return false;
	if (version != MSG_VERSION || zero != 0)
		return false;
	if ((types[type].from & 1u << from) == 0 || (types[type].to & 1u << to) == 0)
		return false;
	m.type = (enum msg_type)type;
	for (size_t i = 0; i < FIELDS_MAX; i++)
		if (!take_field(&r, types[type].fields[i], &m))
			return false;
	if (!reader_done(&r))
		return false;
	*ret = m;
	return true;
}
