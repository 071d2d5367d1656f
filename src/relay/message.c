/*
 * Messages of the relay process. One table says who may send each type to whom and which fields it has, in
 * order; encoding and decoding both walk it. Layout, big-endian:
 *
 *     type u8, version u8 = 1, zero u16, then the fields of the type
 *
 * Invariant: there is exactly one encoding of each message, and relay_msg_decode takes nothing else.
 */

#include "relay/message.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define VERSION 1
#define RESULT_MAX 4095 /* the kernel's errno values end there */

enum field {
	FIELD_NONE,
	FIELD_ID,       /* u32, not 0 */
	FIELD_ID_LAST,  /* u32; 0: nothing follows */
	FIELD_PASSTHRU, /* u8 length, not 0, then a-z 0-9 - */
	FIELD_MAX,      /* u32 */
	FIELD_SEED,     /* 32 bytes */
	FIELD_CHAIN,    /* u16 length, then bytes */
	FIELD_TO,       /* u8 length, not 0, then the host's letters; u16 port */
	FIELD_RULES,    /* u8 encrypt, u8 speaks, twice u8 length and bytes, u16, 3 times u32 */
	FIELD_ADDRS,    /* u8 count, then 16 bytes each */
	FIELD_GRACE,    /* u32 */
	FIELD_RESULT,   /* u32: 0, or an errno without its sign */
	FIELD_SOURCE,   /* 16 bytes, u16 */
	FIELD_WHO,      /* see put_who */
	FIELD_VERDICT,  /* u8 0 or 1, u64 */
	FIELD_WHY,      /* u8 length and a-z 0-9 -, u8 length and printable ASCII */
	FIELD_TEXT,     /* the second half of it */
	FIELD_COUNT,    /* u32, not 0 */
	FIELD_INNER,    /* 16 bytes */
	FIELD_BYTES,    /* 3 times u64 */
	FIELD_RATES,    /* 2 times u64 */
};

#define FIELDS_MAX 6

/* Bits 1 << RELAY_x. */
#define MONITOR (1u << RELAY_MONITOR)
#define KNOCK (1u << RELAY_KNOCK)
#define RELAY (1u << RELAY_RELAY)

static const struct {
	unsigned from, to;
	enum field fields[FIELDS_MAX];
} types[RELAY_MSG_COUNT] = {
	[RELAY_BEGIN] = { MONITOR, RELAY, { FIELD_MAX } },
	[RELAY_IDENTITY] = { MONITOR, RELAY, { FIELD_SEED, FIELD_CHAIN } },
	[RELAY_PASSTHRU] = { MONITOR, RELAY,
		{ FIELD_PASSTHRU, FIELD_TO, FIELD_RULES, FIELD_ADDRS } },
	[RELAY_TARGET] = { MONITOR, RELAY, { FIELD_PASSTHRU, FIELD_ADDRS } },
	[RELAY_COMMIT] = { MONITOR, RELAY, { FIELD_NONE } },
	[RELAY_CHANNEL] = { MONITOR, RELAY, { FIELD_NONE } },
	[RELAY_STOP] = { MONITOR, RELAY, { FIELD_GRACE } },
	[RELAY_TAKEN] = { RELAY, MONITOR, { FIELD_RESULT, FIELD_TEXT } },
	[RELAY_ASK] = { RELAY, KNOCK, { FIELD_ID, FIELD_PASSTHRU, FIELD_SOURCE, FIELD_CHAIN } },
	[RELAY_HELD] = { RELAY, KNOCK, { FIELD_ID, FIELD_PASSTHRU, FIELD_SOURCE, FIELD_WHO } },
	[RELAY_THROUGH] = { RELAY, KNOCK, { FIELD_ID, FIELD_PASSTHRU, FIELD_INNER } },
	[RELAY_CAUGHT] = { RELAY, KNOCK,
		{ FIELD_ID, FIELD_PASSTHRU, FIELD_SOURCE, FIELD_WHY, FIELD_COUNT } },
	[RELAY_ENDED] = { RELAY, KNOCK,
		{ FIELD_ID, FIELD_PASSTHRU, FIELD_SOURCE, FIELD_WHY, FIELD_BYTES } },
	[RELAY_LISTED] = { RELAY, KNOCK,
		{ FIELD_ID_LAST, FIELD_PASSTHRU, FIELD_SOURCE, FIELD_INNER, FIELD_BYTES,
			FIELD_RATES } },
	[RELAY_ANSWER] = { KNOCK, RELAY, { FIELD_ID, FIELD_VERDICT, FIELD_WHO, FIELD_WHY } },
	[RELAY_CUT] = { KNOCK, RELAY, { FIELD_ID, FIELD_WHY } },
	[RELAY_LIST] = { KNOCK, RELAY, { FIELD_NONE } },
};

void relay_msg_wipe(struct relay_msg *m)
{
	sodium_memzero(m, sizeof(*m));
}

static bool is_word_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_host_byte(uint8_t c)
{
	return is_word_byte(c) || (c >= 'A' && c <= 'Z') || c == '.' || c == ':' || c == '_';
}

static bool is_text_byte(uint8_t c)
{
	return c >= 0x20 && c < 0x7f;
}

static bool is_name_byte(uint8_t c)
{
	return c >= 0x20 && c != 0x7f;
}

/* What cannot be sent becomes '?', so that every text we send can be read. */
static void put_text(struct writer *w, const char *text)
{
	size_t len = strnlen(text, RELAY_TEXT_MAX);
	writer_u8(w, (uint8_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, is_text_byte((uint8_t)text[i]) ? (uint8_t)text[i] : '?');
}

static void put_word(struct writer *w, const char *word, size_t max)
{
	size_t len = strnlen(word, max);
	writer_u8(w, (uint8_t)len);
	writer_put(w, word, len);
}

static bool is_every(struct span s, bool is_fit(uint8_t))
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_fit(s.data[i]))
			return false;
	return true;
}

/* The next len bytes as text, each of which must please is_fit; to holds max + 1. */
static bool take_chars(struct reader *r, size_t len, size_t max, bool is_fit(uint8_t), char *to)
{
	struct span s = reader_take(r, len);
	if (r->is_short || len > max || !is_every(s, is_fit))
		return false;
	if (s.len > 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	return true;
}

static bool take_word(struct reader *r, size_t max, bool is_fit(uint8_t), char *to)
{
	return take_chars(r, reader_u8(r), max, is_fit, to);
}

static void put_chain(struct writer *w, struct span chain)
{
	assert(chain.len <= RELAY_CHAIN_MAX);
	writer_u16(w, (uint16_t)chain.len);
	writer_put(w, chain.data, chain.len);
}

static bool take_chain(struct reader *r, struct span *ret)
{
	size_t len = reader_u16(r);
	*ret = reader_take(r, len);
	return len <= RELAY_CHAIN_MAX;
}

static void put_first_bytes(struct writer *w, const struct config_first_bytes *b)
{
	assert(b->len <= CONFIG_SPEAKS_HEX_MAX);
	writer_u8(w, b->len);
	writer_put(w, b->b, b->len);
}

static bool take_first_bytes(struct reader *r, struct config_first_bytes *ret)
{
	ret->len = reader_u8(r);
	if (ret->len > CONFIG_SPEAKS_HEX_MAX)
		return false;
	reader_copy(r, ret->b, ret->len);
	return true;
}

static void put_rules(struct writer *w, const struct relay_msg *m)
{
	assert(m->speaks <= CONFIG_SPEAKS_HEX);
	writer_u8(w, m->encrypt ? 1 : 0);
	writer_u8(w, m->speaks);
	put_first_bytes(w, &m->client);
	put_first_bytes(w, &m->inner);
	writer_u16(w, m->knock);
	writer_u32(w, m->passthru_connections_max);
	writer_u32(w, m->name_connections_max);
	writer_u32(w, m->idle_s);
}

static bool take_flag(struct reader *r, bool *ret)
{
	uint8_t v = reader_u8(r);
	*ret = v == 1;
	return v <= 1;
}

static bool take_rules(struct reader *r, struct relay_msg *m)
{
	if (!take_flag(r, &m->encrypt))
		return false;
	m->speaks = reader_u8(r);
	if (m->speaks > CONFIG_SPEAKS_HEX || !take_first_bytes(r, &m->client) ||
		!take_first_bytes(r, &m->inner))
		return false;
	m->knock = reader_u16(r);
	m->passthru_connections_max = reader_u32(r);
	m->name_connections_max = reader_u32(r);
	m->idle_s = reader_u32(r);
	return true;
}

static void put_addrs(struct writer *w, const struct relay_msg *m)
{
	assert(m->addr_count <= RELAY_ADDRS_MAX);
	writer_u8(w, m->addr_count);
	for (size_t i = 0; i < m->addr_count; i++)
		writer_put(w, m->addrs[i].b, sizeof(m->addrs[i].b));
}

static bool take_addrs(struct reader *r, struct relay_msg *m)
{
	m->addr_count = reader_u8(r);
	if (m->addr_count > RELAY_ADDRS_MAX)
		return false;
	for (size_t i = 0; i < m->addr_count; i++)
		reader_copy(r, m->addrs[i].b, sizeof(m->addrs[i].b));
	return true;
}

/* u16 length and name, 32 bytes, door, u8 certified, u64, u8 count of steps, 28 bytes each, u64. */
static void put_who(struct writer *w, const struct relay_who *who)
{
	size_t len = strnlen(who->name, RELAY_NAME_MAX);
	assert(who->path_count <= CHAIN_STEPS_MAX);
	writer_u16(w, (uint16_t)len);
	for (size_t i = 0; i < len; i++)
		writer_u8(w, is_name_byte((uint8_t)who->name[i]) ? (uint8_t)who->name[i] : '?');
	writer_put(w, who->key_id, sizeof(who->key_id));
	put_word(w, who->door, CONFIG_NAME_MAX);
	writer_u8(w, who->is_certified ? 1 : 0);
	writer_u64(w, who->not_after_ms);
	writer_u8(w, who->path_count);
	for (size_t i = 0; i < who->path_count; i++) {
		writer_put(w, who->path[i].issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN);
		writer_put(w, who->path[i].serial, sizeof(who->path[i].serial));
	}
	writer_u64(w, who->grant_id);
}

static bool take_who(struct reader *r, struct relay_who *who)
{
	if (!take_chars(r, reader_u16(r), RELAY_NAME_MAX, is_name_byte, who->name))
		return false;
	reader_copy(r, who->key_id, sizeof(who->key_id));
	if (!take_word(r, CONFIG_NAME_MAX, is_word_byte, who->door) ||
		!take_flag(r, &who->is_certified))
		return false;
	who->not_after_ms = reader_u64(r);
	who->path_count = reader_u8(r);
	if (who->path_count > CHAIN_STEPS_MAX)
		return false;
	for (size_t i = 0; i < who->path_count; i++) {
		reader_copy(r, who->path[i].issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN);
		reader_copy(r, who->path[i].serial, sizeof(who->path[i].serial));
	}
	who->grant_id = reader_u64(r);
	return true;
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
	*ret = v <= RESULT_MAX ? -(int32_t)v : 0;
	return v <= RESULT_MAX;
}

static void put_field(struct writer *w, enum field field, const struct relay_msg *m)
{
	switch (field) {
	case FIELD_NONE:
		break;
	case FIELD_ID:
		assert(m->id != 0);
		writer_u32(w, m->id);
		break;
	case FIELD_ID_LAST:
		writer_u32(w, m->id);
		break;
	case FIELD_PASSTHRU:
		assert(m->passthru[0] != '\0');
		put_word(w, m->passthru, CONFIG_NAME_MAX);
		break;
	case FIELD_MAX:
		writer_u32(w, m->connections_max);
		break;
	case FIELD_SEED:
		writer_put(w, m->seed, sizeof(m->seed));
		break;
	case FIELD_CHAIN:
		put_chain(w, m->chain);
		break;
	case FIELD_TO:
		assert(m->host[0] != '\0');
		put_word(w, m->host, CONFIG_HOST_MAX);
		writer_u16(w, m->port);
		break;
	case FIELD_RULES:
		put_rules(w, m);
		break;
	case FIELD_ADDRS:
		put_addrs(w, m);
		break;
	case FIELD_GRACE:
		writer_u32(w, m->grace_ms);
		break;
	case FIELD_RESULT:
		writer_u32(w, result_out(m->result));
		break;
	case FIELD_SOURCE:
		writer_put(w, m->source.b, sizeof(m->source.b));
		writer_u16(w, m->source_port);
		break;
	case FIELD_WHO:
		put_who(w, &m->who);
		break;
	case FIELD_VERDICT:
		writer_u8(w, m->is_granted ? 1 : 0);
		writer_u64(w, m->lease_ms);
		break;
	case FIELD_WHY:
		put_word(w, m->reason, RELAY_REASON_MAX);
		put_text(w, m->text);
		break;
	case FIELD_TEXT:
		put_text(w, m->text);
		break;
	case FIELD_COUNT:
		assert(m->count != 0);
		writer_u32(w, m->count);
		break;
	case FIELD_INNER:
		writer_put(w, m->inner_addr.b, sizeof(m->inner_addr.b));
		break;
	case FIELD_BYTES:
		writer_u64(w, m->took_ms);
		writer_u64(w, m->to_inner);
		writer_u64(w, m->to_client);
		break;
	case FIELD_RATES:
		writer_u64(w, m->to_inner_rate);
		writer_u64(w, m->to_client_rate);
		break;
	}
}

/* False when the value is one that no sender of ours gives. Shortness shows at the end. */
static bool take_field(struct reader *r, enum field field, struct relay_msg *m)
{
	switch (field) {
	case FIELD_NONE:
		return true;
	case FIELD_ID:
		m->id = reader_u32(r);
		return m->id != 0;
	case FIELD_ID_LAST:
		m->id = reader_u32(r);
		return true;
	case FIELD_PASSTHRU:
		return take_word(r, CONFIG_NAME_MAX, is_word_byte, m->passthru) &&
			m->passthru[0] != '\0';
	case FIELD_MAX:
		m->connections_max = reader_u32(r);
		return true;
	case FIELD_SEED:
		reader_copy(r, m->seed, sizeof(m->seed));
		return true;
	case FIELD_CHAIN:
		return take_chain(r, &m->chain);
	case FIELD_TO:
		if (!take_word(r, CONFIG_HOST_MAX, is_host_byte, m->host) || m->host[0] == '\0')
			return false;
		m->port = reader_u16(r);
		return true;
	case FIELD_RULES:
		return take_rules(r, m);
	case FIELD_ADDRS:
		return take_addrs(r, m);
	case FIELD_GRACE:
		m->grace_ms = reader_u32(r);
		return true;
	case FIELD_RESULT:
		return take_result(r, &m->result);
	case FIELD_SOURCE:
		reader_copy(r, m->source.b, sizeof(m->source.b));
		m->source_port = reader_u16(r);
		return true;
	case FIELD_WHO:
		return take_who(r, &m->who);
	case FIELD_VERDICT:
		if (!take_flag(r, &m->is_granted))
			return false;
		m->lease_ms = reader_u64(r);
		return true;
	case FIELD_WHY:
		return take_word(r, RELAY_REASON_MAX, is_word_byte, m->reason) &&
			take_word(r, RELAY_TEXT_MAX, is_text_byte, m->text);
	case FIELD_TEXT:
		return take_word(r, RELAY_TEXT_MAX, is_text_byte, m->text);
	case FIELD_COUNT:
		m->count = reader_u32(r);
		return m->count != 0;
	case FIELD_INNER:
		reader_copy(r, m->inner_addr.b, sizeof(m->inner_addr.b));
		return true;
	case FIELD_BYTES:
		m->took_ms = reader_u64(r);
		m->to_inner = reader_u64(r);
		m->to_client = reader_u64(r);
		return true;
	case FIELD_RATES:
		m->to_inner_rate = reader_u64(r);
		m->to_client_rate = reader_u64(r);
		return true;
	}
	return false;
}

static bool is_last(enum field field, const struct relay_msg *m)
{
	return field == FIELD_ID_LAST && m->id == 0;
}

size_t relay_msg_encode(const struct relay_msg *m, uint8_t *to)
{
	struct writer w = writer_init(to, RELAY_LEN_MAX);
	assert(m->type > RELAY_NONE && m->type < RELAY_MSG_COUNT);
	writer_u8(&w, (uint8_t)m->type);
	writer_u8(&w, VERSION);
	writer_u16(&w, 0);
	for (size_t i = 0; i < FIELDS_MAX; i++) {
		put_field(&w, types[m->type].fields[i], m);
		if (is_last(types[m->type].fields[i], m))
			break;
	}
	assert(!w.is_full);
	return w.len;
}

bool relay_msg_decode(
	struct span s, enum relay_peer from, enum relay_peer to, struct relay_msg *ret)
{
	struct reader r = reader_init(s);
	struct relay_msg m = { 0 };
	bool is_good = true;

	uint8_t type = reader_u8(&r);
	uint8_t version = reader_u8(&r);
	uint16_t zero = reader_u16(&r);
	if (r.is_short || version != VERSION || zero != 0 || type >= RELAY_MSG_COUNT)
		return false;
	if ((types[type].from & 1u << from) == 0 || (types[type].to & 1u << to) == 0)
		return false;
	m.type = (enum relay_msg_type)type;
	for (size_t i = 0; i < FIELDS_MAX && is_good; i++) {
		is_good = take_field(&r, types[type].fields[i], &m);
		if (is_last(types[type].fields[i], &m))
			break;
	}
	is_good = is_good && reader_done(&r);
	if (is_good)
		*ret = m;
	sodium_memzero(m.seed, sizeof(m.seed));
	return is_good;
}
