/*
 * Property: an answer that is taken is what its own parts, written again, give; keys of a kind that can
 * knock have parts inside the answer and of their lengths.
 */

#include <stdlib.h>
#include <string.h>

#include "lib/agent_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void put_string(struct writer *w, struct span s)
{
	writer_u32(w, (uint32_t)s.len);
	writer_put(w, s.data, s.len);
}

static bool is_inside(struct span s, struct span whole)
{
	return s.len == 0 ||
		(s.data >= whole.data && (size_t)(s.data - whole.data) <= whole.len - s.len);
}

static void check_key(const struct agent_key *k, struct span answer)
{
	if (k->kind == AGENT_OTHER)
		return;
	must(k->blob.len <= AGENT_BLOB_MAX && is_inside(k->pk, k->blob) && k->pk.len == 32);
	must(is_inside(k->blob, answer) && is_inside(k->application, k->blob));
	must((k->kind == AGENT_TOKEN) == (k->application.len != 0));
	must(k->application.len <= AGENT_APPLICATION_MAX);
}

static void list(struct span answer)
{
	static uint8_t again[AGENT_MESSAGE_MAX];
	struct writer w = writer_init(again, sizeof(again));
	struct agent_list l;
	struct agent_key k;

	if (agent_list_read(answer, &l) != AGENT_OK)
		return;
	writer_u8(&w, 12);
	writer_u32(&w, l.left);
	while (agent_list_next(&l, &k)) {
		check_key(&k, answer);
		put_string(&w, k.blob);
		put_string(&w, k.comment);
	}
	must(span_equal(writer_span(&w), answer));
}

static void sign(struct span answer, enum agent_kind kind)
{
	static const char *const types[] = { "", "ssh-ed25519", "sk-ssh-ed25519@openssh.com" };
	uint8_t again[256], inner[128];
	struct writer w = writer_init(again, sizeof(again)), i = writer_init(inner, sizeof(inner));
	struct spa_proof p;

	if (agent_sign_read(answer, kind, &p) != AGENT_OK)
		return;
	put_string(&i, span_of(types[kind], strlen(types[kind])));
	put_string(&i, SPAN_OF(p.signature));
	if (kind == AGENT_TOKEN) {
		writer_u8(&i, p.fido_flags);
		writer_u32(&i, p.fido_counter);
	} else {
		must(p.fido_flags == 0 && p.fido_counter == 0);
	}
	writer_u8(&w, 14);
	put_string(&w, writer_span(&i));
	must(span_equal(writer_span(&w), answer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span answer = span_of(data, len);
	if (len > AGENT_MESSAGE_MAX)
		return 0;
	list(answer);
	sign(answer, AGENT_ED25519);
	sign(answer, AGENT_TOKEN);
	return 0;
}
