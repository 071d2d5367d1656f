/*
 * The agent protocol. Invariant: an answer is taken whole or not at all, and nothing in it makes a
 * loop longer than the bytes that came.
 */

#include "lib/agent_wire.h"

#include <string.h>

#define ASK_LIST 11
#define SAY_LIST 12
#define ASK_SIGN 13
#define SAY_SIGN 14
#define SIGN_FLAGS 0

#define TYPE_ED25519 "ssh-ed25519"
#define TYPE_TOKEN "sk-ssh-ed25519@openssh.com"

/* RFC 4251 5 "string" */
static struct span take_string(struct reader *r)
{
	uint32_t len = reader_u32(r);
	return reader_take(r, len);
}

static void put_string(struct writer *w, struct span s)
{
	writer_u32(w, (uint32_t)s.len);
	writer_put(w, s.data, s.len);
}

static bool is_text(struct span s, const char *text)
{
	return span_equal(s, span_of(text, strlen(text)));
}

/* The one that a directory line can hold. */
static bool is_application(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x21 || s.data[i] > 0x7e)
			return false;
	return s.len > 0 && s.len <= AGENT_APPLICATION_MAX;
}

struct agent_key agent_key_read(struct span blob)
{
	struct agent_key other = { .kind = AGENT_OTHER, .blob = blob };
	struct agent_key k = other;
	struct reader r = reader_init(blob);
	struct span type = take_string(&r);

	k.pk = take_string(&r);
	if (is_text(type, TYPE_ED25519)) {
		k.kind = AGENT_ED25519;
	} else if (is_text(type, TYPE_TOKEN)) {
		k.kind = AGENT_TOKEN;
		k.application = take_string(&r);
	}
	if (!reader_done(&r) || k.pk.len != 32)
		return other;
	return k.kind == AGENT_TOKEN && !is_application(k.application) ? other : k;
}

void agent_list_write(struct writer *w)
{
	writer_u8(w, ASK_LIST);
}

/* 5 is SSH_AGENT_FAILURE; the others said the same in agents before it was agreed on. */
static bool is_refusal(uint8_t type)
{
	return type == 5 || type == 30 || type == 102;
}

static enum agent_answer answer_type(struct reader *r, uint8_t want)
{
	uint8_t type = reader_u8(r);
	if (r->is_short)
		return AGENT_MALFORMED;
	if (type == want)
		return AGENT_OK;
	return is_refusal(type) ? AGENT_REFUSED : AGENT_MALFORMED;
}

enum agent_answer agent_list_read(struct span answer, struct agent_list *ret)
{
	struct reader r = reader_init(answer);
	enum agent_answer a = answer_type(&r, SAY_LIST);
	if (a != AGENT_OK)
		return a;
	uint32_t count = reader_u32(&r);
	struct agent_list l = { .r = r, .left = count };
	/* Each round takes eight bytes of the answer at least. */
	for (uint32_t i = 0; i < count && !r.is_short; i++) {
		take_string(&r);
		take_string(&r);
	}
	if (!reader_done(&r))
		return AGENT_MALFORMED;
	*ret = l;
	return AGENT_OK;
}

bool agent_list_next(struct agent_list *l, struct agent_key *ret)
{
	if (l->left == 0)
		return false;
	l->left--;
	struct span blob = take_string(&l->r);
	*ret = agent_key_read(blob);
	ret->comment = take_string(&l->r);
	return true;
}

void agent_sign_write(struct writer *w, struct span blob, struct span data)
{
	writer_u8(w, ASK_SIGN);
	put_string(w, blob);
	put_string(w, data);
	writer_u32(w, SIGN_FLAGS);
}

enum agent_answer agent_sign_read(struct span answer, enum agent_kind kind, struct spa_proof *ret)
{
	struct spa_proof p = { 0 };
	struct reader r = reader_init(answer);
	enum agent_answer a = answer_type(&r, SAY_SIGN);
	if (a != AGENT_OK)
		return a;
	struct reader s = reader_init(take_string(&r));
	struct span type = take_string(&s);
	struct span signature = take_string(&s);
	if (kind == AGENT_TOKEN) {
		p.fido_flags = reader_u8(&s);
		p.fido_counter = reader_u32(&s);
	}
	if (!reader_done(&r) || !reader_done(&s) || signature.len != sizeof(p.signature) ||
		!is_text(type, kind == AGENT_TOKEN ? TYPE_TOKEN : TYPE_ED25519))
		return AGENT_MALFORMED;
	memcpy(p.signature, signature.data, sizeof(p.signature));
	*ret = p;
	return AGENT_OK;
}
