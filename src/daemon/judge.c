/*
 * The server procedure, step by step. Invariant: no answer of any kind before the signature was verified,
 * and nothing known of a stranger but a counter.
 */

#include "daemon/judge.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/proof.h"

#define SOURCE_SLOTS 65536
#define IDENTITY_SLOTS 65536
#define RESEND_SLOTS 1024
#define REFUSED_SLOTS 1024 /* a power of two */
#define REFUSED_EVERY_MS 10000
#define REFUSALS_A_SECOND 100
#define CLOCK_STEP_MS 1000

const char *judge_drop_name(unsigned drop)
{
	static const char *const names[] = {
		[JUDGE_DROP_NONE - SPA_REJECT_COUNT] = "none",
		[JUDGE_DROP_RATE - SPA_REJECT_COUNT] = "source-rate",
		[JUDGE_DROP_NO_EPOCH - SPA_REJECT_COUNT] = "no-epoch-rate",
		[JUDGE_DROP_IDENTITY - SPA_REJECT_COUNT] = "identity-unknown",
		[JUDGE_DROP_SIGNATURE - SPA_REJECT_COUNT] = "signature",
		[JUDGE_DROP_REPLAY - SPA_REJECT_COUNT] = "replay",
		[JUDGE_DROP_REFUSAL_RATE - SPA_REJECT_COUNT] = "refusal-rate",
		[JUDGE_DROP_BUSY - SPA_REJECT_COUNT] = "busy",
		[JUDGE_DROP_IDENTITY_RATE - SPA_REJECT_COUNT] = "identity-rate",
	};
	if (drop < SPA_REJECT_COUNT)
		return spa_reject_name((enum spa_reject)drop);
	return drop < JUDGE_DROP_COUNT ? names[drop - SPA_REJECT_COUNT] : "unknown";
}

void judge_case_wipe(struct judge_case *c)
{
	hpke_context_wipe(&c->context);
	c->has_context = false;
	sodium_memzero(c->plain, sizeof(c->plain));
}

static void draw_instance(struct judge *j)
{
	do
		randombytes_buf(&j->instance, sizeof(j->instance));
	while (j->instance == 0);
}

int judge_init(struct judge *j, const struct boot *boot, uint64_t mono_ms)
{
	const struct config_server *s = &boot->config->server;
	uint32_t source_rate = 1, no_epoch_rate = 1;
	uint8_t seed[16];

	*j = (struct judge){ .boot = boot, .start_mono_ms = mono_ms };
	for (size_t i = 0; i < boot->config->door_count; i++) {
		const struct config_spa *spa = &boot->config->doors[i].spa;
		if (spa->source_rate > source_rate)
			source_rate = spa->source_rate;
		if (spa->no_epoch_rate > no_epoch_rate)
			no_epoch_rate = spa->no_epoch_rate;
	}
	draw_instance(j);
	randombytes_buf(seed, sizeof(seed));
	j->source = limiter_new(SOURCE_SLOTS, source_rate, 2 * source_rate, seed);
	j->no_epoch = limiter_new(16, no_epoch_rate, no_epoch_rate, seed);
	j->identity = limiter_new(IDENTITY_SLOTS, s->identity_rate, s->identity_rate, seed);
	j->refusals = limiter_new(16, REFUSALS_A_SECOND, REFUSALS_A_SECOND, seed);
	j->resend = resend_new(RESEND_SLOTS, seed);
	j->refused_ms = calloc(REFUSED_SLOTS, sizeof(j->refused_ms[0]));
	if (identify_init(&j->identify, boot) < 0 || j->source == NULL || j->no_epoch == NULL ||
		j->identity == NULL || j->refusals == NULL || j->resend == NULL ||
		j->refused_ms == NULL) {
		judge_deinit(j);
		return -ENOMEM;
	}
	return 0;
}

void judge_deinit(struct judge *j)
{
	identify_deinit(&j->identify);
	limiter_free(j->source);
	limiter_free(j->no_epoch);
	limiter_free(j->identity);
	limiter_free(j->refusals);
	resend_free(j->resend);
	free(j->refused_ms);
	sodium_memzero(&j->cookies, sizeof(j->cookies));
	j->source = j->no_epoch = j->identity = j->refusals = NULL;
	j->resend = NULL;
	j->refused_ms = NULL;
}

void judge_set_high_water(struct judge *j, uint64_t wall_ms)
{
	if (wall_ms > j->wall_high_ms)
		j->wall_high_ms = wall_ms;
}

static uint64_t window_ms(const struct judge *j, const struct judge_case *c)
{
	return (uint64_t)j->boot->config->doors[c->seen.door].spa.window_s * 1000;
}

/*
 * A wall clock that was set back makes packets fresh again that the replay memory has forgotten, and most
 * of them name the instance of then. So there is a new one, and until the old time is passed by two
 * windows only a request that names it will do.
 */
static void watch_clock(struct judge *j, uint64_t wall_ms, uint64_t window)
{
	if (wall_ms > j->wall_high_ms) {
		j->wall_high_ms = wall_ms;
	} else if (wall_ms + CLOCK_STEP_MS <= j->wall_high_ms) {
		uint64_t until = j->wall_high_ms + 2 * window;
		if (until > j->cold_until_wall_ms)
			j->cold_until_wall_ms = until;
		j->wall_high_ms = wall_ms;
		draw_instance(j);
	}
}

static enum judge_outcome drop(struct judge_case *c, unsigned why)
{
	c->drop = why;
	return JUDGE_IGNORE;
}

static enum judge_outcome finish(
	struct judge_case *c, enum judge_outcome o, enum spa_status status, const char *reason)
{
	c->status = status;
	c->reason = reason;
	return o;
}

/* Steps 1 to 3: shape, cookie, rates. Cheap, and all a stranger without the card ever reaches. */
static unsigned check_header(
	struct judge *j, struct judge_case *c, uint64_t wall_ms, uint64_t mono_ms)
{
	enum spa_reject r = spa_header_decode(c->seen.payload, &c->header);
	if (r != SPA_OK)
		return r;
	spa_cookie_keys_update(&j->cookies, SPAN_OF(j->boot->keys->cookie_secret), wall_ms);
	r = spa_header_check(&c->header, &j->cookies);
	if (r != SPA_OK)
		return r;
	if (j->is_offline)
		return SPA_OK;
	uint8_t key[16];
	limiter_source_key(&c->seen.src, key);
	if (!limiter_take(j->source, key, mono_ms))
		return JUDGE_DROP_RATE;
	static const uint8_t all[16];
	if (c->header.epoch_hint == 0 && !limiter_take(j->no_epoch, all, mono_ms))
		return JUDGE_DROP_NO_EPOCH;
	return SPA_OK;
}

/* Steps 4 and 5: prekey, seal, plaintext. */
static unsigned open_request(const struct judge *j, struct judge_case *c)
{
	const struct server_keys *k = j->boot->keys;
	const struct server_prekey *p = keys_find(k, c->header.prekey_id);
	uint8_t psk_text[12];
	struct hpke_psk psk;
	bool has_psk = c->header.psk_slot != 0;
	const uint8_t *psk_key = has_psk ? keys_psk(k, c->header.psk_slot) : NULL;
	if (p == NULL || (has_psk && psk_key == NULL))
		return SPA_PREKEY;
	if (has_psk) {
		memcpy(psk.key, psk_key, sizeof(psk.key));
		psk.id = spa_psk_id(c->header.psk_slot, psk_text);
	}
	size_t plain_len = 0;
	enum spa_reject r = spa_open(&c->header, k->sid, &p->sk, has_psk ? &psk : NULL, c->plain,
		&plain_len, &c->context);
	sodium_memzero(&psk.key, sizeof(psk.key));
	if (r != SPA_OK)
		return r;
	c->has_context = true;
	return spa_request_decode(span_of(c->plain, plain_len), &c->request);
}

/* Steps 6 and 7: who says so, and is it true. */
static unsigned authenticate(struct judge *j, struct judge_case *c, uint64_t wall_ms)
{
	const struct server_prekey *p = keys_find(j->boot->keys, c->header.prekey_id);
	uint8_t transcript[SPA_TRANSCRIPT_MAX];
	size_t len = spa_transcript(j->boot->keys->sid, p->record.pk, c->header.aad, c->header.enc,
		c->request.signed_part, transcript);
	switch (identify_request(&j->identify, &c->request, span_of(transcript, len), wall_ms,
		&c->claim, &c->chain)) {
	case IDENTIFY_OK:
		break;
	case IDENTIFY_UNKNOWN:
		return JUDGE_DROP_IDENTITY;
	case IDENTIFY_UNSIGNED:
		return JUDGE_DROP_SIGNATURE;
	}
	return SPA_OK;
}

/*
 * Replay memory is keyed by identity and authenticated content. A request to act is one thing however
 * often it is sealed anew, as a client does that hears nothing: its nonce alone names it.
 */
static void make_replay_key(struct judge_case *c)
{
	static const uint8_t label[] = "action";
	crypto_generichash_state st;
	crypto_generichash_init(&st, NULL, 0, STORE_REPLAY_KEY_LEN);
	crypto_generichash_update(&st, c->claim.key_id, sizeof(c->claim.key_id));
	if (c->request.op == SPA_SEND)
		crypto_generichash_update(&st, label, sizeof(label));
	else
		crypto_generichash_update(&st, c->header.enc.data, c->header.enc.len);
	crypto_generichash_update(&st, c->request.nonce, SPA_NONCE_LEN);
	crypto_generichash_final(&st, c->replay_key, STORE_REPLAY_KEY_LEN);
}

/* Step 8: have we seen it? Before the clock is looked at, so that a replayed packet gets no STALE. */
static bool is_seen(
	struct judge *j, struct judge_case *c, uint64_t mono_ms, enum judge_outcome *ret)
{
	make_replay_key(c);
	switch (resend_get(j->resend, c->replay_key, &c->seen.src, mono_ms, &c->resend)) {
	case RESEND_AGAIN:
		*ret = JUDGE_RESEND;
		return true;
	case RESEND_SILENT:
		*ret = drop(c, JUDGE_DROP_REPLAY);
		return true;
	case RESEND_UNKNOWN:
		break;
	}
	/* A store that cannot say (negative) is asked again by the claim, which then fails. */
	if (j->store != NULL && store_replay_known(j->store, c->replay_key) == 1) {
		*ret = drop(c, JUDGE_DROP_REPLAY);
		return true;
	}
	return false;
}

/* STALE: at most one in ten seconds for an identity, a hundred a second in total. */
static bool may_refuse(struct judge *j, const struct judge_case *c, uint64_t mono_ms)
{
	uint16_t h = (uint16_t)(c->claim.key_id[0] << 8 | c->claim.key_id[1]);
	uint64_t *last = &j->refused_ms[h % REFUSED_SLOTS];
	static const uint8_t all[16];
	if (*last != 0 && mono_ms - *last < REFUSED_EVERY_MS)
		return false;
	if (!limiter_take(j->refusals, all, mono_ms))
		return false;
	*last = mono_ms;
	return true;
}

static bool is_stale(const struct judge *j, const struct judge_case *c, uint64_t wall_ms)
{
	uint64_t t = c->request.time_ms;
	return (t > wall_ms ? t - wall_ms : wall_ms - t) > window_ms(j, c);
}

/* Must it name our instance, and does it not? */
static bool is_foreign(
	const struct judge *j, const struct judge_case *c, uint64_t wall_ms, uint64_t mono_ms)
{
	/* The bound is strict, doc/protocol.md section 4: two windows exactly would let one packet in twice. */
	bool is_cold = mono_ms - j->start_mono_ms <= 2 * window_ms(j, c) ||
		wall_ms <= j->cold_until_wall_ms;
	return is_cold && c->request.instance != j->instance;
}

/*
 * Step 9: time, the identity's rate, instance. True when the request is fresh. An old packet can be sent
 * again by anybody for ever: so STALE is rare, and takes nothing from the rate of the one whose packet
 * it was. RETRY ends with the packet's time.
 */
static bool is_fresh(struct judge *j, struct judge_case *c, uint64_t wall_ms, uint64_t mono_ms,
	enum judge_outcome *ret)
{
	if (is_stale(j, c, wall_ms)) {
		*ret = j->is_offline || may_refuse(j, c, mono_ms)
			? finish(c, JUDGE_ANSWER, SPA_STATUS_STALE, "stale")
			: drop(c, JUDGE_DROP_REFUSAL_RATE);
		return false;
	}
	if (j->is_offline)
		return true;
	if (!limiter_take(j->identity, c->claim.key_id, mono_ms)) {
		c->retry_after_s = 1;
		*ret = finish(c, JUDGE_ANSWER, SPA_STATUS_LIMIT, "identity-rate");
		return false;
	}
	if (is_foreign(j, c, wall_ms, mono_ms)) {
		*ret = finish(c, JUDGE_ANSWER, SPA_STATUS_RETRY, "instance");
		return false;
	}
	return true;
}

/* What was asked for: the service, by name or port. Fills c->service with the words for the journal. */
static void find_service(const struct judge *j, struct judge_case *c)
{
	const struct config *config = j->boot->config;
	struct reader r = reader_init(c->request.selector);
	if (c->request.selector_type == SPA_SELECT_NAME) {
		memcpy(c->service, c->request.selector.data, c->request.selector.len);
		c->service[c->request.selector.len] = '\0';
		c->claim.is_action = c->request.op == SPA_SEND;
		if (c->claim.is_action) {
			c->claim.action = config_action_by_name(config, c->service);
			return;
		}
		c->claim.service = config_service_by_name(config, c->service);
		return;
	}
	uint8_t proto = reader_u8(&r);
	uint16_t first = reader_u16(&r);
	uint16_t last = c->request.selector_type == SPA_SELECT_RANGE ? reader_u16(&r) : first;
	int n = snprintf(c->service, sizeof(c->service), "%s-%u",
		proto == IPPROTO_TCP ? "tcp" : "udp", (unsigned)first);
	if (last != first && n > 0)
		snprintf(c->service + n, sizeof(c->service) - (size_t)n, "-%u", (unsigned)last);
	/* All of what is asked for must be of one service, which then opens as a whole. */
	c->claim.service = config_service_by_port(config, proto, first);
	if (c->claim.service != NULL && last > config_service_last_port(c->claim.service))
		c->claim.service = NULL;
	if (c->claim.service != NULL)
		snprintf(c->service, sizeof(c->service), "%s", c->claim.service->name);
}

/* Step 10: the address to be opened. True when it is settled. */
static bool settle_address(struct judge_case *c, enum judge_outcome *ret)
{
	const struct spa_request *q = &c->request;
	const struct prefix asked = { q->address, q->prefix_bits };
	c->claim.source = c->seen.src;
	c->claim.source_bits = 128;
	c->claim.source_port = q->source_port;
	if (q->address_mode == 0) {
		if (c->claim.service == NULL || c->claim.service->bind != CONFIG_BIND_REQUIRED ||
			q->op == SPA_PROBE)
			return true;
		*ret = finish(c, JUDGE_RECORD, SPA_STATUS_BIND, "bind");
		return false;
	}
	if (!prefix_contains(&asked, &c->seen.src)) {
		*ret = finish(c, JUDGE_RECORD, SPA_STATUS_BIND, "address");
		return false;
	}
	c->claim.source = q->address;
	c->claim.source_bits = q->prefix_bits;
	return true;
}

/* A network no wider than the service allows, and then from any port. The host alone always may. */
static bool is_prefix_allowed(const struct claim *c)
{
	uint32_t widest =
		addr_is_v4(&c->source) ? 96 + c->service->prefix_v4 : c->service->prefix_v6;
	return c->source_bits == 128 || (c->source_bits >= widest && c->source_port == 0);
}

static enum spa_status status_of(const struct judge *j, enum policy_reason reason)
{
	switch (reason) {
	case POLICY_GRANT:
		return SPA_STATUS_OK;
	case POLICY_EXPIRED:
		return SPA_STATUS_EXPIRED;
	case POLICY_UNKNOWN_SERVICE:
		return j->boot->config->server.reveal ? SPA_STATUS_UNKNOWN_SERVICE
						      : SPA_STATUS_DENIED;
	case POLICY_NOT_AUTHENTICATED:
	case POLICY_LOCKED:
	case POLICY_DISABLED:
	case POLICY_REVOKED:
	case POLICY_NO_CRL:
	case POLICY_NOT_YET:
	case POLICY_SUPERSEDED:
	case POLICY_KEY_CHECK:
	case POLICY_FROM:
	case POLICY_DENY_SERVICE:
	case POLICY_DENY_SERVER:
	case POLICY_DENY_DOOR:
	case POLICY_NOT_ALLOWED_SERVICE:
	case POLICY_NOT_ALLOWED_SERVER:
	case POLICY_NOT_ALLOWED_DOOR:
	case POLICY_NO_LIST:
	case POLICY_REASON_COUNT:
		break;
	}
	return SPA_STATUS_DENIED;
}

/* The message, now that it is known who wrote it. False, and *ret, when it is not taken. */
static bool take_message(struct judge_case *c, enum judge_outcome *ret)
{
	uint8_t text[SPA_MESSAGE_MAX];
	char what[SPA_FLAW_TEXT_MAX];
	struct spa_flaw flaw = { 0 };
	enum config_message wanted = c->claim.action->message;
	bool has_message = c->request.message_count > 0;

	if (wanted == (has_message ? CONFIG_MESSAGE_NONE : CONFIG_MESSAGE_REQUIRED)) {
		snprintf(c->flaw, sizeof(c->flaw), "%s",
			has_message ? "the action takes no message" : "the action needs a message");
		*ret = finish(c, JUDGE_RECORD, SPA_STATUS_DENIED,
			has_message ? "message-unwanted" : "message-missing");
		return false;
	}
	size_t len = spa_message_join(&c->request, text);
	enum spa_text is = spa_message_check(span_of(text, len), &flaw);
	if (is == SPA_TEXT_OK)
		return true;
	snprintf(c->flaw, sizeof(c->flaw), "the message has %s", spa_flaw_text(is, &flaw, what));
	*ret = finish(c, JUDGE_RECORD, SPA_STATUS_DENIED,
		is == SPA_TEXT_UTF8 ? "message-utf8" : "message-control");
	return false;
}

/* A forwarded service stands where it is forwarded to, over this version of IP or not at all. */
static bool has_family(const struct config_service *s, const struct addr *source)
{
	if (!config_is_forwarded(s))
		return true;
	return (addr_is_v4(source) ? s->forward4.port : s->forward6.port) != 0;
}

enum judge_outcome judge_decide(const struct judge *j, struct judge_case *c, uint64_t wall_ms)
{
	c->claim.is_locked_out = identify_is_locked_out(j->lockout, &c->claim);
	c->claim.is_superseded = identify_is_superseded(j->store, &c->claim);
	c->verdict = policy_decide(j->boot->policy, &c->claim, wall_ms);
	c->key_match = policy_key_match(j->boot->policy, &c->claim);
	/* Whom the directory does not list is told only what it was granted, unless told otherwise. */
	if (c->verdict.reason != POLICY_GRANT && !j->boot->config->server.reveal &&
		policy_listed(&c->claim) == NULL)
		c->is_silent = true;
	if (c->verdict.reason != POLICY_GRANT)
		return finish(c, JUDGE_RECORD, status_of(j, c->verdict.reason),
			policy_reason_name(c->verdict.reason));
	if (c->claim.is_action) {
		enum judge_outcome o;
		return take_message(c, &o) ? finish(c, JUDGE_RUN, SPA_STATUS_OK, "grant") : o;
	}
	/* Refused, not made narrower: who asks for a network would find out only from the others in it. */
	if (!is_prefix_allowed(&c->claim) && c->request.op != SPA_CLOSE) {
		c->verdict.granted_s = 0;
		return finish(c, JUDGE_RECORD, SPA_STATUS_DENIED, "prefix");
	}
	/* A program is told of no source port: refused, not made wider. */
	if (j->boot->config->server.backend == CONFIG_BACKEND_SCRIPT && c->claim.source_port != 0 &&
		c->request.op != SPA_CLOSE) {
		c->verdict.granted_s = 0;
		return finish(c, JUDGE_RECORD, SPA_STATUS_DENIED, "source-port");
	}
	if (!has_family(c->claim.service, &c->claim.source) && c->request.op != SPA_CLOSE) {
		c->verdict.granted_s = 0;
		return finish(c, JUDGE_RECORD, SPA_STATUS_DENIED, "family");
	}
	if (c->request.op == SPA_CLOSE) {
		c->verdict.granted_s = 0;
		return finish(c, JUDGE_CLOSE, SPA_STATUS_OK, "close");
	}
	return finish(c, JUDGE_OPEN, SPA_STATUS_OK, "grant");
}

void judge_begin(struct judge_case *c, const struct sighting *s)
{
	c->drop = JUDGE_DROP_NONE;
	c->has_context = false;
	c->chain.step_count = 0;
	c->is_silent = false;
	c->key_match = POLICY_KEY_MATCHES;
	c->resend = NULL;
	c->service[0] = '\0';
	c->retry_after_s = 0;
	c->result = SPA_RESULT_NONE;
	c->result_detail = 0;
	c->flaw[0] = '\0';
	c->scheme[0] = '\0';
	c->is_all = c->has_counter = false;
	c->claim = (struct claim){ .door = s->door };
	c->verdict = (struct verdict){
		.reason = POLICY_NOT_AUTHENTICATED, .list = "", .entry = "", .text = ""
	};
	c->seen = *s;
}

enum judge_outcome judge_sighting(struct judge *j, const struct sighting *s, uint64_t wall_ms,
	uint64_t mono_ms, struct judge_case *c)
{
	if (s->payload.len > sizeof(c->datagram))
		return drop(c, SPA_LENGTH);
	judge_begin(c, s);
	if (s->payload.len > 0)
		memcpy(c->datagram, s->payload.data, s->payload.len);
	c->seen.payload = span_of(c->datagram, s->payload.len);

	watch_clock(j, wall_ms, window_ms(j, c));
	unsigned why = check_header(j, c, wall_ms, mono_ms);
	if (why == SPA_OK)
		why = open_request(j, c);
	if (why == SPA_OK)
		why = authenticate(j, c, wall_ms);
	if (why != SPA_OK)
		return drop(c, why);

	enum judge_outcome o = JUDGE_IGNORE;
	if (is_seen(j, c, mono_ms, &o))
		return o;
	if (!is_fresh(j, c, wall_ms, mono_ms, &o))
		return o;
	find_service(j, c);
	const char *lack = proof_lack(c->claim.entry, &c->request);
	if (lack != NULL)
		return finish(c, JUDGE_RECORD, SPA_STATUS_DENIED, lack);
	if (c->request.op == SPA_PROBE)
		return finish(c, JUDGE_RECORD, SPA_STATUS_OK, "probe");
	c->claim.asked_s = c->request.seconds;
	if (!settle_address(c, &o))
		return o;
	return judge_decide(j, c, wall_ms);
}

static void add_prekey(const struct judge *j, struct spa_reply *r, uint64_t wall_ms)
{
	const struct server_prekey *p = keys_newest(j->boot->keys, wall_ms);
	r->has_prekey = true;
	r->prekey_id = p->record.id;
	r->prekey_not_after_ms = p->record.not_after_ms;
	memcpy(r->prekey, p->record.pk, sizeof(r->prekey));
}

/* The port that was asked for, which may be any of a range, else the service's first. */
static uint16_t granted_port(const struct judge_case *c)
{
	struct reader r = reader_init(c->request.selector);
	if (c->request.selector_type == SPA_SELECT_NAME)
		return c->claim.service->port;
	reader_u8(&r);
	return reader_u16(&r);
}

size_t judge_answer(struct judge *j, const struct judge_case *c, uint64_t grant_id,
	uint64_t wall_ms, uint64_t mono_ms, uint8_t to[SPA_SMALL_LEN])
{
	bool is_open = c->status == SPA_STATUS_OK && c->verdict.granted_s > 0;
	struct spa_reply r = {
		.status = c->status,
		.time_ms = wall_ms,
		.instance = j->instance,
		.granted_s = is_open ? c->verdict.granted_s : 0,
		.retry_after_s = c->retry_after_s,
		.observed_family = addr_is_v4(&c->seen.src) ? 4 : 6,
		.observed = c->seen.src,
		.observed_port = c->seen.src_port,
		.granted_port = is_open ? granted_port(c) : 0,
		.grant_id = is_open ? grant_id : 0,
		.result = c->result,
		.result_detail = c->result_detail,
	};
	if ((c->request.flags & SPA_FLAG_WANT_PREKEY) != 0)
		add_prekey(j, &r, wall_ms);
	if (r.has_prekey || (c->request.flags & SPA_FLAG_WANT_SIGNATURE) != 0) {
		uint8_t transcript[SPA_REPLY_TRANSCRIPT_LEN];
		r.has_signature = true;
		spa_reply_transcript(&r, c->seen.payload, transcript);
		crypto_sign_detached(
			r.signature, NULL, transcript, sizeof(transcript), j->boot->keys->sk);
	}
	uint8_t nonce[32];
	randombytes_buf(nonce, sizeof(nonce));
	size_t len = spa_reply_build(&r, &c->header, &c->context, nonce, to);
	/* What is not the last word is not what copies are answered with. */
	if (c->result != SPA_RESULT_RUNNING)
		resend_put(j->resend, c->replay_key, &c->seen.src, c->seen.src_port, to, mono_ms);
	return len;
}
