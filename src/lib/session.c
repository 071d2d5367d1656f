/*
 * One knock from first packet to final answer, doc/protocol.md section 4, client procedure.
 * Invariants: a retransmission is the identical datagram; each kind of correction is made once at
 * most; only an answer sealed for an outstanding request changes anything. No clock, no socket:
 * both are the caller's.
 */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

#define ATTEMPTS_MAX 8
#define LAST_WAIT_MS 2000u
#define OFFSET_MAX_MS (UINT64_C(100) * 366 * 86400 * 1000) /* a century */

_Static_assert((int)POSTERN_LIMIT == (int)SPA_STATUS_LIMIT && SPA_STATUS_COUNT == 9 &&
		(int)POSTERN_PROBE == (int)SPA_PROBE,
	"the public names are those of the wire");

/* After the first sending, at these times, the same again. */
static const uint32_t again_ms[] = { 1000, 2000, 4000 };
#define AGAIN_COUNT (sizeof(again_ms) / sizeof(again_ms[0]))

/* Bits of the queue. */
#define FIRST 1u
#define SECOND 2u

enum phase {
	PHASE_BUILD, /* a new request is to be made, and has not been sent yet */
	PHASE_SENT,
	PHASE_DONE,
	PHASE_SILENT,
	PHASE_FAILED,
};

struct postern_session {
	struct lib_wish wish;
	struct postern_memory *memory;
	struct postern_memory own; /* for a caller that wants nothing remembered */
	struct addr known_address; /* memory's, before this session */
	enum phase phase;

	/* The next or current request. */
	unsigned fixes;
	bool is_hint_zero, is_fallback;
	bool is_last_try;    /* the current one is sent once and followed by none */
	bool has_asked_zero; /* the one try without epoch, after silence, was made */

	/* Requests that may be answered; a ring, the oldest is forgotten first. */
	size_t attempt_count;
	struct lib_attempt attempts[ATTEMPTS_MAX];

	/*
	 * The current request, once for each way to say who we are (wish.identities): NULL until it is
	 * made. queue has a bit for each that is to be sent now.
	 */
	struct lib_attempt *current[2];
	unsigned queue;

	/* When the current one goes out again; monotonic. */
	uint64_t first_ms, due_ms;
	size_t again; /* index into again_ms */
	bool is_last_wait;

	struct postern_answer answer;
	struct fault fault; /* of PHASE_FAILED */
};

static unsigned all(const struct postern_session *s)
{
	return s->wish.identity_count == 2 ? FIRST | SECOND : FIRST;
}

/* A new request: of the ways to say who we are, the first; the other follows if nothing comes. */
static void begin(struct postern_session *s)
{
	s->phase = PHASE_BUILD;
	s->current[0] = s->current[1] = NULL;
	s->queue = s->is_last_try ? all(s) : FIRST;
}

int postern_session_new(const struct postern_card *card, const struct postern_id *id,
	const struct postern_request *request, struct postern_memory *memory,
	struct postern_session **ret, struct postern_error *err)
{
	struct fault f = { "" };
	struct postern_session *s = calloc(1, sizeof(*s));
	if (s == NULL || sodium_init() < 0) {
		free(s);
		fault_set(&f, "no memory to knock; close something and try again");
		return lib_fail(err, -ENOMEM, NULL, &f);
	}
	int rc = lib_card_verify(card, id, 0, &f);
	if (rc >= 0)
		rc = lib_wish_init(&s->wish, card, id, request, &f);
	if (rc < 0) {
		postern_session_free(s);
		return lib_fail(err, rc, NULL, &f);
	}
	s->memory = memory != NULL ? memory : &s->own;
	memcpy(s->known_address.b, s->memory->last_address, sizeof(s->known_address.b));
	if (s->wish.identity_count == 2 && s->memory->identity == POSTERN_IDENTITY_CHAIN) {
		s->wish.identities[0] = POSTERN_IDENTITY_CHAIN;
		s->wish.identities[1] = POSTERN_IDENTITY_KEY;
	}
	begin(s);
	*ret = s;
	return 0;
}

void postern_session_free(struct postern_session *s)
{
	if (s == NULL)
		return;
	sodium_memzero(s, sizeof(*s));
	free(s);
}

/* ------------------------------------------------------------------ sending */

/* When to act next; a caller that comes late sends once, not once for each time missed. */
static void schedule(struct postern_session *s, uint64_t mono_ms)
{
	while (s->again < AGAIN_COUNT && s->first_ms + again_ms[s->again] <= mono_ms)
		s->again++;
	s->is_last_wait = s->again == AGAIN_COUNT;
	s->due_ms = s->is_last_wait ? mono_ms + LAST_WAIT_MS : s->first_ms + again_ms[s->again];
}

static int build(struct postern_session *s, size_t which, uint64_t wall_ms)
{
	struct lib_attempt *a = &s->attempts[s->attempt_count++ % ATTEMPTS_MAX];
	sodium_memzero(a, sizeof(*a));
	a->identity = s->wish.identities[which];
	a->fixes = s->fixes;
	a->is_hint_zero = s->is_hint_zero;
	s->current[which] = a;
	int rc = lib_attempt_build(&s->wish, s->memory, s->is_fallback, wall_ms, a, &s->fault);
	if (rc != -EINVAL)
		return rc;
	/* A remembered key that cannot be used at all must not lock out. */
	s->is_fallback = true;
	return lib_attempt_build(&s->wish, s->memory, true, wall_ms, a, &s->fault);
}

static enum postern_step send_built(struct postern_session *s, size_t which, uint64_t mono_ms,
	const uint8_t **datagram, size_t *len)
{
	if (s->phase == PHASE_BUILD) {
		s->phase = PHASE_SENT;
		s->first_ms = mono_ms;
		s->again = s->is_last_try ? AGAIN_COUNT : 0;
	}
	s->queue &= ~(1u << which);
	schedule(s, mono_ms);
	*datagram = s->current[which]->datagram;
	*len = s->current[which]->len;
	return POSTERN_SEND;
}

/* The next of those that are due, made if it is not yet. */
static enum postern_step send_queued(struct postern_session *s, uint64_t wall_ms, uint64_t mono_ms,
	const uint8_t **datagram, size_t *len, uint32_t *wait_ms)
{
	size_t which = (s->queue & FIRST) != 0 ? 0 : 1;
	if (s->current[which] != NULL)
		return send_built(s, which, mono_ms, datagram, len);
	int rc = build(s, which, wall_ms);
	if (rc < 0) {
		s->phase = rc == -EINVAL ? PHASE_SILENT : PHASE_FAILED;
		return rc == -EINVAL ? POSTERN_SILENT : POSTERN_FAILED;
	}
	if (!s->wish.id->is_agent)
		return send_built(s, which, mono_ms, datagram, len);
	/* Signing may have taken a minute: the waiting begins now, not before it. */
	*wait_ms = 0;
	return POSTERN_WAIT;
}

/*
 * What goes out when nothing has come. As long as we know nothing of the server, it is more likely that it
 * does not know us by the first than that the packet was lost.
 */
static unsigned next_queue(const struct postern_session *s)
{
	bool is_guess = s->memory->identity == POSTERN_IDENTITY_AUTO;
	bool is_new = s->wish.identity_count == 2 && s->current[1] == NULL;
	return is_guess && is_new ? SECOND : all(s);
}

enum postern_step postern_session_next(struct postern_session *s, uint64_t wall_ms,
	uint64_t mono_ms, const uint8_t **datagram, size_t *len, uint32_t *wait_ms)
{
	if (s->phase == PHASE_DONE)
		return POSTERN_DONE;
	if (s->phase == PHASE_SILENT)
		return POSTERN_SILENT;
	if (s->phase == PHASE_FAILED)
		return POSTERN_FAILED;
	if (s->queue != 0)
		return send_queued(s, wall_ms, mono_ms, datagram, len, wait_ms);
	if (mono_ms < s->due_ms) {
		uint64_t wait = s->due_ms - mono_ms;
		*wait_ms = wait < LAST_WAIT_MS ? (uint32_t)wait : LAST_WAIT_MS;
		return POSTERN_WAIT;
	}
	if (!s->is_last_wait) {
		s->queue = next_queue(s);
	} else if (s->has_asked_zero) {
		s->phase = PHASE_SILENT;
		return POSTERN_SILENT;
	} else {
		/* Our clock may be wrong, or the server may have lost the prekey: ask without either. */
		s->is_last_try = s->is_hint_zero = s->is_fallback = s->has_asked_zero = true;
		begin(s);
	}
	return send_queued(s, wall_ms, mono_ms, datagram, len, wait_ms);
}

/* ------------------------------------------------------------------ answers */

/* A new prekey is kept when the identity key that our card names signed it for this very request. */
static void remember_prekey(
	struct postern_session *s, const struct lib_attempt *a, const struct spa_reply *r)
{
	uint8_t transcript[SPA_REPLY_TRANSCRIPT_LEN];

	if (!r->has_prekey || r->prekey_not_after_ms <= r->time_ms)
		return;
	spa_reply_transcript(r, span_of(a->datagram, a->len), transcript);
	if (crypto_sign_verify_detached(r->signature, transcript, sizeof(transcript),
		    s->wish.card->card.identity_pk) != 0)
		return;
	s->memory->prekey_id = r->prekey_id;
	memcpy(s->memory->prekey, r->prekey, sizeof(s->memory->prekey));
	s->memory->prekey_not_after_ms = r->prekey_not_after_ms;
}

static void remember(
	struct postern_session *s, const struct lib_attempt *a, const struct spa_reply *r)
{
	/* The first answer of a session settles by what the server knows us. */
	if (s->wish.identity_count == 2) {
		s->wish.identities[0] = a->identity;
		s->wish.identity_count = 1;
	}
	s->memory->identity = (uint8_t)s->wish.identities[0];
	s->memory->instance = r->instance;
	if (r->observed_family != 0)
		memcpy(s->memory->last_address, r->observed.b, sizeof(s->memory->last_address));
	remember_prekey(s, a, r);
}

/* Sign the address that the server saw, which nobody but the server can have told us. */
static bool bind_address(struct spa_request *q, const struct spa_reply *r)
{
	if (q->address_mode != 0 || r->observed_family == 0)
		return false;
	q->address_mode = r->observed_family;
	q->address = r->observed;
	q->flags |= SPA_FLAG_EXPLICIT;
	return true;
}

/* What a server says of its clock is kept for the next knock too: a time that no clock shows is not. */
static bool take_time(struct postern_memory *m, uint64_t server_ms, uint64_t wall_ms)
{
	uint64_t apart_ms = server_ms > wall_ms ? server_ms - wall_ms : wall_ms - server_ms;
	if (apart_ms > OFFSET_MAX_MS)
		return false;
	m->offset_ms = (int64_t)(server_ms - wall_ms);
	return true;
}

/* Make the correction that an answer asks for. False when there is none or it cannot be made. */
static bool correct(struct postern_session *s, const struct spa_reply *r, uint64_t wall_ms)
{
	switch (r->status) {
	case SPA_STATUS_STALE:
		return take_time(s->memory, r->time_ms, wall_ms);
	case SPA_STATUS_RETRY:
		return true; /* remember() took the instance */
	case SPA_STATUS_BIND:
		return bind_address(&s->wish.request, r);
	case SPA_STATUS_OK:
	case SPA_STATUS_DENIED:
	case SPA_STATUS_EXPIRED:
	case SPA_STATUS_BUSY:
	case SPA_STATUS_UNKNOWN_SERVICE:
	case SPA_STATUS_LIMIT:
	case SPA_STATUS_COUNT:
		break;
	}
	return false;
}

static void finish(struct postern_session *s, const struct spa_reply *r)
{
	struct postern_answer *a = &s->answer;
	a->status = (enum postern_status)r->status;
	a->server_time_ms = r->time_ms;
	a->granted_s = r->granted_s;
	a->retry_after_s = r->retry_after_s;
	a->granted_port = r->granted_port;
	a->grant_id = r->grant_id;
	memcpy(a->observed, r->observed.b, sizeof(a->observed));
	a->observed_port = r->observed_port;
	a->is_address_new = r->observed_family != 0 && !addr_equal(&r->observed, &s->known_address);
	s->phase = PHASE_DONE;
}

static void take(struct postern_session *s, struct lib_attempt *a, const struct spa_reply *r,
	uint64_t wall_ms)
{
	const unsigned fix = LIB_FIX(r->status);

	a->is_open = false;
	hpke_context_wipe(&a->ctx);
	s->answer.round_trips++;
	remember(s, a, r);
	/* An earlier request's answer may ask late for what is corrected already: then the later
	 * one counts. */
	if ((s->fixes & fix) != 0 && (a->fixes & fix) == 0)
		return;
	if ((s->fixes & fix) != 0 || !correct(s, r, wall_ms)) {
		finish(s, r);
		return;
	}
	s->fixes |= fix;
	/* Without epoch was the way through; only a corrected clock makes the epoch right again. */
	s->is_hint_zero = a->is_hint_zero && r->status != SPA_STATUS_STALE;
	s->is_last_try = false;
	begin(s);
}

bool postern_session_offer(
	struct postern_session *s, const uint8_t *datagram, size_t len, uint64_t wall_ms)
{
	struct spa_reply r;

	if (s->phase == PHASE_DONE || s->phase == PHASE_SILENT || s->phase == PHASE_FAILED)
		return false;
	for (size_t i = 0; i < ATTEMPTS_MAX; i++) {
		struct lib_attempt *a = &s->attempts[i];
		if (!a->is_open)
			continue;
		const uint8_t suite = a->datagram[2];
		if (spa_reply_open(span_of(datagram, len), a->datagram + 32, suite, &a->ctx, &r) !=
			SPA_OK)
			continue;
		take(s, a, &r, wall_ms);
		return true;
	}
	return false;
}

void postern_session_answer(const struct postern_session *s, struct postern_answer *ret)
{
	*ret = s->answer;
}

const char *postern_session_error(const struct postern_session *s)
{
	return s->fault.text;
}
