#ifndef POSTERN_TEST_LIB_WORLD_H
#define POSTERN_TEST_LIB_WORLD_H

/* A server made of the same wire code, and a client with both clocks and the wire in our hands. */

#include <sodium.h>

#include "lib/internal.h"
#include "test.h"

#define START_MS 1700000000000u
#define WINDOW_MS 30000
#define SENDS_MAX 32
#define PREKEYS 3 /* ids 0, 1 and 7 */

static const uint8_t prekey_ids[PREKEYS] = { 0, 1, 7 };
static const uint8_t observed_v4[4] = { 192, 0, 2, 7 };

struct server {
	uint8_t pk[32], sign[64], sid[SPA_SID_LEN];
	uint8_t client_pk[32];
	struct hpke_secret prekeys[PREKEYS];
	const struct hpke_psk *psk;
	struct span cookie_secret;
	/* How it behaves. */
	int64_t offset_ms; /* its clock minus the client's */
	int64_t drift_ms;  /* added at every answer */
	uint64_t instance;
	bool wants_instance, wants_bind, is_deaf_to_epochs;
	bool is_prekey_lost[PREKEYS];
	bool is_deaf_to_keys, is_deaf_to_chains; /* does not know us so */
	bool forgets_address;                    /* answers BIND without an address */
	bool signs_wrongly;
	enum spa_status status;
	uint64_t prekey_life_ms;
	/* What it saw. */
	unsigned opened;
	struct spa_request last;
	uint8_t last_plain[SPA_INNER_LARGE_LEN];
	uint8_t last_prekey_id, last_hint, last_slot;
};

struct world {
	struct server server;
	struct postern_card *card;
	struct postern_id *id;
	struct postern_memory memory;
	struct postern_request request;
	struct postern_session *session;
	uint64_t wall_ms, mono_ms;
	/* The wire: bit n set loses the nth request, or the answer to it. */
	uint64_t lost_requests, lost_answers;
	uint8_t sent[SENDS_MAX][SPA_LARGE_LEN];
	size_t sent_len[SENDS_MAX];
	uint64_t sent_ms[SENDS_MAX];
	uint8_t answers[SENDS_MAX][SPA_SMALL_LEN];
	bool has_answer[SENDS_MAX];
	unsigned sends;
};

/* ------------------------------------------------------------------ the server */

static const struct hpke_secret *prekey_of(const struct server *v, uint8_t id)
{
	for (size_t i = 0; i < PREKEYS; i++)
		if (prekey_ids[i] == id && !v->is_prekey_lost[i])
			return &v->prekeys[i];
	return NULL;
}

static inline bool is_signed(const struct server *v, const struct spa_header *h,
	const struct hpke_secret *sk, const struct spa_request *q)
{
	uint8_t pk[32], t[SPA_TRANSCRIPT_MAX];
	hpke_public_key(sk, pk);
	size_t n = spa_transcript(v->sid, pk, h->aad, h->enc, q->signed_part, t);
	return crypto_sign_verify_detached(q->signature.data, t, n, v->client_pk) == 0;
}

static inline enum spa_status judge(
	const struct server *v, const struct spa_request *q, uint64_t now_ms)
{
	uint64_t skew = q->time_ms > now_ms ? q->time_ms - now_ms : now_ms - q->time_ms;
	if (v->wants_instance && q->instance != v->instance)
		return SPA_STATUS_RETRY;
	if (skew > WINDOW_MS)
		return SPA_STATUS_STALE;
	if (v->wants_bind && q->address_mode == 0)
		return SPA_STATUS_BIND;
	return v->status;
}

/* A prekey of id 7 whenever one is asked for. */
static inline void give_prekey(const struct server *v, struct span request, struct spa_reply *r)
{
	uint8_t t[SPA_REPLY_TRANSCRIPT_LEN];
	r->has_prekey = r->has_signature = true;
	r->prekey_id = 7;
	r->prekey_not_after_ms = r->time_ms + v->prekey_life_ms;
	hpke_public_key(&v->prekeys[2], r->prekey);
	spa_reply_transcript(r, request, t);
	crypto_sign_detached(r->signature, NULL, t, sizeof(t), v->sign);
	if (v->signs_wrongly)
		r->signature[3] ^= 1;
}

/* True when it answers. */
static inline bool serve(struct server *v, struct span datagram, uint64_t now_ms, uint8_t *answer)
{
	struct spa_header h;
	struct spa_cookie_keys keys = { 0 };
	struct hpke_context ctx;
	size_t len;
	uint8_t nonce[32];

	spa_cookie_keys_update(&keys, v->cookie_secret, now_ms);
	assert_int_equal(spa_header_decode(datagram, &h), SPA_OK);
	if (spa_header_check(&h, &keys) != SPA_OK || (v->is_deaf_to_epochs && h.epoch_hint != 0))
		return false;
	const struct hpke_secret *sk = prekey_of(v, h.prekey_id);
	const struct hpke_psk *psk = h.psk_slot != 0 ? v->psk : NULL;
	if (sk == NULL || (h.psk_slot != 0) != (v->psk != NULL))
		return false;
	assert_int_equal(spa_open(&h, v->sid, sk, psk, v->last_plain, &len, &ctx), SPA_OK);
	assert_int_equal(spa_request_decode(span_of(v->last_plain, len), &v->last), SPA_OK);
	assert_true(is_signed(v, &h, sk, &v->last));
	bool is_chain = v->last.identity_type == SPA_ID_TEMPLATE;
	if (is_chain ? v->is_deaf_to_chains : v->is_deaf_to_keys)
		return false;
	v->opened++;
	v->last_prekey_id = h.prekey_id;
	v->last_hint = h.epoch_hint;
	v->last_slot = h.psk_slot;

	struct spa_reply r = { .status = judge(v, &v->last, now_ms), .time_ms = now_ms };
	r.instance = v->instance;
	r.granted_s = r.status == SPA_STATUS_OK ? 30 : 0;
	r.granted_port = r.status == SPA_STATUS_OK ? 22 : 0;
	r.grant_id = r.status == SPA_STATUS_OK ? 99 : 0;
	r.retry_after_s = 5;
	if (!v->forgets_address) {
		r.observed_family = 4;
		r.observed = addr_v4(observed_v4);
		r.observed_port = 40000;
	}
	if ((v->last.flags & SPA_FLAG_WANT_PREKEY) != 0 && v->prekey_life_ms != 0)
		give_prekey(v, datagram, &r);
	randombytes_buf(nonce, sizeof(nonce));
	spa_reply_build(&r, &h, &ctx, nonce, answer);
	v->offset_ms += v->drift_ms;
	return true;
}

/* ------------------------------------------------------------------ the world */

static inline void make_card(struct world *w)
{
	struct server *v = &w->server;
	struct card *c = &w->card->card;
	c->port = 62201;
	memcpy(c->identity_pk, v->pk, 32);
	memcpy(w->card->sid, v->sid, sizeof(v->sid));
	strcpy(c->name, "Gate1/QN/VSD");
	for (size_t i = 0; i < 2; i++) {
		c->prekeys[i].id = prekey_ids[i];
		c->prekeys[i].not_before_ms = START_MS - 1000;
		c->prekeys[i].not_after_ms = START_MS + 86400000;
		hpke_public_key(&v->prekeys[i], c->prekeys[i].pk);
		prekey_sign(&c->prekeys[i], v->sign);
	}
	c->prekey_count = 2;
}

static inline void world_init(struct world *w)
{
	struct idfile_secrets *secrets = calloc(1, sizeof(*secrets));
	uint8_t seed[32] = { 1 };

	memset(w, 0, sizeof(*w));
	crypto_sign_seed_keypair(w->server.pk, w->server.sign, seed);
	spa_key_id(w->server.pk, w->server.sid);
	w->server.cookie_secret = SPAN_OF(w->server.sid);
	w->server.instance = 0x1234;
	w->server.prekey_life_ms = 86400000;
	for (size_t i = 0; i < PREKEYS; i++)
		memset(w->server.prekeys[i].b, (int)(0x20 + i), 32);
	w->card = calloc(1, sizeof(*w->card));
	make_card(w);
	secrets->seed[0] = 2;
	w->id = lib_id_new("Julia Herlihy/QN/VSD", secrets);
	assert_non_null(w->id);
	memcpy(w->server.client_pk, w->id->sign_sk + 32, 32);
	free(secrets);
	w->request =
		(struct postern_request){ .op = POSTERN_OPEN, .service = "ssh", .seconds = 30 };
	w->wall_ms = START_MS;
	w->mono_ms = 5000;
}

static inline void world_deinit(struct world *w)
{
	postern_session_free(w->session);
	postern_id_free(w->id);
	postern_card_free(w->card);
}

static inline void start(struct world *w)
{
	struct postern_error err = { "" };
	postern_session_free(w->session);
	w->session = NULL;
	w->sends = 0;
	int rc = postern_session_new(w->card, w->id, &w->request, &w->memory, &w->session, &err);
	if (rc != 0)
		fail_msg("session: %s", err.text);
}

static inline void deliver(struct world *w, const uint8_t *datagram, size_t len)
{
	unsigned n = w->sends++;
	assert_true(n < SENDS_MAX);
	assert_true(len == SPA_SMALL_LEN || len == SPA_LARGE_LEN);
	memcpy(w->sent[n], datagram, len);
	w->sent_len[n] = len;
	w->sent_ms[n] = w->mono_ms;
	w->has_answer[n] = false;
	if ((w->lost_requests >> n & 1) != 0)
		return;
	uint64_t server_ms = w->wall_ms + (uint64_t)w->server.offset_ms;
	w->has_answer[n] = serve(&w->server, span_of(datagram, len), server_ms, w->answers[n]);
	if (w->has_answer[n] && (w->lost_answers >> n & 1) == 0)
		assert_true(postern_session_offer(
			w->session, w->answers[n], SPA_SMALL_LEN, w->wall_ms));
}

static inline enum postern_step run(struct world *w)
{
	for (;;) {
		const uint8_t *datagram = NULL;
		size_t len = 0;
		uint32_t wait_ms = 0;
		enum postern_step step = postern_session_next(
			w->session, w->wall_ms, w->mono_ms, &datagram, &len, &wait_ms);
		if (step == POSTERN_SEND)
			deliver(w, datagram, len);
		else if (step != POSTERN_WAIT)
			return step;
		assert_true(step == POSTERN_SEND || wait_ms > 0);
		w->wall_ms += wait_ms;
		w->mono_ms += wait_ms;
	}
}

static inline struct postern_answer answer_of(const struct world *w)
{
	struct postern_answer a;
	postern_session_answer(w->session, &a);
	return a;
}

#endif
