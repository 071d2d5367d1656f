/*
 * What a session asks for, and how one request of it is made. Invariant: an ephemeral key is used
 * for one request and wiped before this file returns it.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "lib/internal.h"

#define PREKEY_SOON_MS ((uint64_t)12 * 3600 * 1000)
#define PROTO_TCP 6
#define PROTO_UDP 17

static bool set_name(struct lib_wish *w, const char *name)
{
	size_t len = strnlen(name, SPA_SELECTOR_MAX + 1);
	if (!spa_is_service_name(span_of(name, len)))
		return false;
	memcpy(w->selector, name, len);
	w->request.selector_type = SPA_SELECT_NAME;
	w->request.selector = span_of(w->selector, len);
	return true;
}

static int set_port(
	struct lib_wish *w, uint8_t proto, uint16_t port, uint16_t last, struct fault *f)
{
	struct writer to = writer_init(w->selector, sizeof(w->selector));
	bool is_range = last != 0 && last != port;
	if ((proto != PROTO_TCP && proto != PROTO_UDP) || port == 0 || (is_range && last < port)) {
		fault_set(f, "a service is a name, or TCP or UDP and a port from 1 to 65535");
		return -EINVAL;
	}
	writer_u8(&to, proto);
	writer_u16(&to, port);
	if (is_range)
		writer_u16(&to, last);
	w->request.selector_type = is_range ? SPA_SELECT_RANGE : SPA_SELECT_PORT;
	w->request.selector = writer_span(&to);
	return 0;
}

static int set_action(struct lib_wish *w, const struct postern_request *q, struct fault *f)
{
	char what[SPA_FLAW_TEXT_MAX];
	struct spa_flaw flaw = { 0 };
	size_t len = q->message != NULL ? q->message_len : 0;

	if (q->service == NULL || !set_name(w, q->service)) {
		fault_set(f,
			"an action has a name of 1 to 63 of the characters a-z, 0-9 and -; "
			"check the spelling");
		return -EINVAL;
	}
	if (len > SPA_MESSAGE_MAX) {
		fault_set(f, "the message has %zu bytes, and %d are the most; shorten it", len,
			SPA_MESSAGE_MAX);
		return -EMSGSIZE;
	}
	if (len > 0)
		memcpy(w->message, q->message, len);
	enum spa_text is = spa_message_check(span_of(w->message, len), &flaw);
	if (is != SPA_TEXT_OK) {
		fault_set(f, "the message has %s; leave it out", spa_flaw_text(is, &flaw, what));
		return -EILSEQ;
	}
	memcpy(w->request.nonce, q->action_id, sizeof(w->request.nonce));
	if (span_is_zero(SPAN_OF(w->request.nonce)))
		lib_wish_draw_id(w);
	return spa_message_split(span_of(w->message, len), &w->request) ? 0 : -EMSGSIZE;
}

void lib_wish_draw_id(struct lib_wish *w)
{
	randombytes_buf(w->request.nonce, sizeof(w->request.nonce));
}

static int set_selector(struct lib_wish *w, const struct postern_request *q, struct fault *f)
{
	const char *name = q->service;

	if (name == NULL && q->proto != 0)
		return set_port(w, q->proto, q->port, q->port_last, f);
	if (name == NULL)
		name = w->card->card.service;
	/* A probe asks about no service, but the format has a place for one that must be filled. */
	if (name[0] == '\0' && q->op == POSTERN_PROBE)
		name = "probe";
	if (name[0] == '\0') {
		fault_set(f, "the server's card names no default service; say which one you want");
		return -EINVAL;
	}
	if (!set_name(w, name)) {
		fault_set(f,
			"a service name has 1 to 63 of the characters a-z, 0-9 and -; "
			"check the spelling");
		return -EINVAL;
	}
	return 0;
}

/* The network of so many bits, in the terms of its family, that the address is in. */
static int set_prefix(struct spa_request *r, uint8_t bits, struct fault *f)
{
	bool is_v4 = r->address_mode == 4;
	if (bits == 0)
		return 0;
	if (bits > (is_v4 ? 32 : 128)) {
		fault_set(f, "an %s prefix has at most %d bits", is_v4 ? "IPv4" : "IPv6",
			is_v4 ? 32 : 128);
		return -EINVAL;
	}
	if (r->source_port != 0) {
		fault_set(f, "a network has no one source port; leave one of them out");
		return -EINVAL;
	}
	r->prefix_bits = (uint8_t)(is_v4 ? 96 + bits : bits);
	for (unsigned i = r->prefix_bits; i < 128; i++)
		r->address.b[i / 8] = (uint8_t)(r->address.b[i / 8] & ~(0x80u >> i % 8));
	return 0;
}

static int set_address(struct lib_wish *w, const char *text, uint8_t prefix, struct fault *f)
{
	struct spa_request *r = &w->request;
	r->prefix_bits = 128;
	if (text == NULL && prefix != 0) {
		fault_set(f, "a network needs an address in it; say which one");
		return -EINVAL;
	}
	if (text == NULL)
		return 0;
	static const uint8_t any[4] = { 0 };
	const struct addr v4_any = addr_v4(any);
	if (!addr_parse(text, &r->address) || addr_is_zero(&r->address) ||
		addr_equal(&r->address, &v4_any)) {
		fault_set(f, "the address to open to must be one numeric IPv4 or IPv6 address");
		return -EINVAL;
	}
	r->address_mode = addr_is_v4(&r->address) ? 4 : 6;
	r->flags |= SPA_FLAG_EXPLICIT;
	return set_prefix(r, prefix, f);
}

/* The pre-shared key for this server: the slot that its card names, else any that the ID holds. */
static int set_psk(struct lib_wish *w, struct fault *f)
{
	const struct card *c = &w->card->card;
	uint8_t slot = 0;

	for (size_t i = 0; i < c->prekey_count && slot == 0; i++)
		slot = c->prekeys[i].psk_slot;
	for (size_t i = 0; i < w->id->psk_count && !w->has_psk; i++) {
		if (memcmp(w->id->psks[i].sid, w->card->sid, SPA_SID_LEN) != 0)
			continue;
		if (slot != 0 && w->id->psks[i].slot != slot)
			continue;
		w->has_psk = true;
		w->psk_slot = w->id->psks[i].slot;
		memcpy(w->psk.key, w->id->psks[i].key, HPKE_PSK_LEN);
		w->psk.id = spa_psk_id(w->psk_slot, w->psk_id);
	}
	/* Falling back to no key would give up what the card promises. */
	if (slot != 0 && !w->has_psk) {
		fault_set(f,
			"the server wants the pre-shared key of slot %u, which your ID does not "
			"hold; ask the server's administrator for it",
			slot);
		return -ENOKEY;
	}
	return 0;
}

static void add_identity(struct lib_wish *w, enum postern_identity identity)
{
	w->identities[w->identity_count++] = identity;
}

/* Certificates are left out of what nobody asked for when there are none, or no room for them. */
static int set_identities(struct lib_wish *w, enum postern_identity wanted, struct fault *f)
{
	bool has_chain = w->id->chain_len != 0;
	size_t message_len = 0;
	for (size_t i = 0; i < w->request.message_count; i++)
		message_len += 2 + w->request.message[i].len;
	bool fits = w->request.selector.len + w->id->chain_len + message_len <= SPA_ROOM_LARGE;

	if (wanted != POSTERN_IDENTITY_CHAIN)
		add_identity(w, POSTERN_IDENTITY_KEY);
	if (wanted != POSTERN_IDENTITY_KEY && has_chain && fits)
		add_identity(w, POSTERN_IDENTITY_CHAIN);
	if (w->identity_count > 0)
		return 0;
	if (has_chain)
		fault_set(f,
			"your certificates%s are too long for one packet; knock with the key id "
			"and have the server's administrator put you into its directory",
			message_len > 0 ? " and the message" : "");
	else
		fault_set(f,
			"there is no certificate to knock with; knock with the key id, or use "
			"an ID file that a certifier signed");
	return -EINVAL;
}

int lib_wish_init(struct lib_wish *ret, const struct postern_card *card,
	const struct postern_id *id, const struct postern_request *request, struct fault *f)
{
	memset(ret, 0, sizeof(*ret));
	ret->card = card;
	ret->id = id;
	if ((unsigned)request->op > POSTERN_ACTION ||
		(unsigned)request->identity > POSTERN_IDENTITY_CHAIN) {
		fault_set(f,
			"a knock can open, renew, close, probe or ask for an action, by key id or certificates, "
			"nothing else");
		return -EINVAL;
	}
	ret->request.op = (enum spa_op)request->op;
	ret->request.seconds = request->seconds;
	ret->request.source_port = request->source_port;
	ret->request.signature_type = id->signature_type;
	int rc = request->op == POSTERN_ACTION ? set_action(ret, request, f)
					       : set_selector(ret, request, f);
	if (rc == 0)
		rc = set_address(ret, request->address, request->prefix, f);
	if (rc == 0)
		rc = set_psk(ret, f);
	if (rc == 0)
		rc = set_identities(ret, request->identity, f);
	return rc;
}

static bool has_prekey(const struct postern_memory *m, uint64_t server_ms)
{
	return m->prekey_not_after_ms != 0 && server_ms <= m->prekey_not_after_ms;
}

/* The server key to seal to; what the server told us last goes before what the card says. */
static void set_prekey(struct spa_target *t, const struct card *c, const struct postern_memory *m,
	bool is_fallback, uint64_t server_ms)
{
	if (!is_fallback && has_prekey(m, server_ms)) {
		t->prekey_id = m->prekey_id;
		memcpy(t->prekey, m->prekey, sizeof(t->prekey));
		return;
	}
	const struct prekey *k = is_fallback ? card_prekey_fallback(c) : NULL;
	if (k == NULL)
		k = card_prekey(c, server_ms);
	/* Of a card whose keys have all run out the first is as good as any: our clock may be
	 * wrong. */
	if (k == NULL)
		k = &c->prekeys[0];
	t->prekey_id = k->id;
	memcpy(t->prekey, k->pk, sizeof(t->prekey));
}

static void set_identity(
	struct spa_request *r, const struct postern_id *id, enum postern_identity identity)
{
	bool is_chain = identity == POSTERN_IDENTITY_CHAIN;
	r->identity_type = is_chain ? id->chain_type : id->identity_type;
	r->identity = is_chain ? span_of(id->chain, id->chain_len) : SPAN_OF(id->key_id);
}

/* The datagram of these fields, with an ephemeral key of its own. */
static int seal(const struct postern_id *id, const struct spa_target *t,
	const struct spa_request *r, uint64_t epoch_wall_ms, struct lib_attempt *ret,
	struct fault *f)
{
	struct hpke_secret eph;
	struct spa_draft draft;
	struct spa_proof proof;

	randombytes_buf(eph.b, sizeof(eph.b));
	bool is_made = spa_request_prepare(t, r, &eph, epoch_wall_ms, &draft);
	sodium_memzero(&eph, sizeof(eph));
	if (!is_made) {
		fault_set(f, "the server's card holds no key that can be used; get a new card");
		return -EINVAL;
	}
	int rc = lib_id_sign(id, &draft, &proof, f);
	if (rc < 0)
		goto out;
	ret->len = spa_request_finish(&draft, &proof, ret->datagram, &ret->ctx);
	if (ret->len == 0) {
		rc = -EBADMSG;
		fault_set(f, "no knock can be made of this request");
		goto out;
	}
	ret->is_open = true;
out:
	spa_draft_wipe(&draft);
	return rc;
}

int lib_attempt_build(const struct lib_wish *w, const struct postern_memory *m, bool is_fallback,
	uint64_t wall_ms, struct lib_attempt *ret, struct fault *f)
{
	const struct card *c = &w->card->card;
	/* Modulo 2^64 like the offset itself, so that no stored value can overflow. */
	uint64_t server_ms = wall_ms + (uint64_t)m->offset_ms;
	struct spa_request r = w->request;
	struct spa_target t = { 0 };

	memcpy(t.sid, w->card->sid, sizeof(t.sid));
	t.psk_slot = w->psk_slot;
	t.psk = w->has_psk ? &w->psk : NULL;
	t.cookie_secret = c->has_stealth ? SPAN_OF(c->stealth) : SPAN_OF(w->card->sid);
	set_prekey(&t, c, m, is_fallback, server_ms);

	set_identity(&r, w->id, ret->identity);
	r.time_ms = server_ms;
	r.instance = m->instance;
	if (r.op != SPA_SEND)
		randombytes_buf(r.nonce, sizeof(r.nonce));
	if (is_fallback || !has_prekey(m, server_ms) ||
		m->prekey_not_after_ms - server_ms < PREKEY_SOON_MS)
		r.flags |= SPA_FLAG_WANT_PREKEY;
	if ((ret->fixes & LIB_FIX(POSTERN_STALE)) != 0)
		r.flags |= SPA_FLAG_AFTER_STALE;
	if ((ret->fixes & LIB_FIX(POSTERN_BIND)) != 0)
		r.flags |= SPA_FLAG_AFTER_BIND;

	return seal(w->id, &t, &r, ret->is_hint_zero ? 0 : server_ms, ret, f);
}
