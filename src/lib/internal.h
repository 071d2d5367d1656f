#ifndef POSTERN_LIB_INTERNAL_H
#define POSTERN_LIB_INTERNAL_H

/* What stands behind the handles of postern/postern.h. */

#include "base/file.h"
#include "identity/idfile.h"
#include "knock/prekey.h"
#include "lib/agent.h"
#include "lib/trust.h"
#include "postern/postern.h"

struct postern_card {
	struct card card;
	uint8_t sid[SPA_SID_LEN];
};

/* Holds secrets: made with lib_id_new, freed with postern_id_free, which wipes it. */
struct postern_id {
	bool is_agent;
	uint8_t sign_sk[64];    /* not of an agent */
	struct lib_agent agent; /* only of an agent */
	uint8_t key_id[SPA_KEY_ID_LEN];
	enum spa_identity identity_type;
	enum spa_signature signature_type;
	/* Certificates for whoever does not know the key id; chain_len 0: none. */
	enum spa_identity chain_type;
	size_t chain_len;
	uint8_t chain[SPA_ROOM_LARGE];
	struct lib_trust
		*trust; /* owned; NULL: no certificates, a card is taken for what it says */
	char name[IDFILE_NAME_MAX + 1];
	size_t psk_count;
	struct {
		uint8_t sid[SPA_SID_LEN];
		uint8_t slot; /* 1..15 */
		uint8_t key[HPKE_PSK_LEN];
	} psks[IDFILE_PSKS_MAX];
};

/* Sign what a draft asks for. 0, or -errno with *f when the agent fails. */
__attribute__((warn_unused_result)) int lib_id_sign(const struct postern_id *id,
	const struct spa_draft *draft, struct spa_proof *ret, struct fault *f);

/* What an ID shows of its certificates, leaf first; borrowed from its trust. False when it has none. */
bool lib_id_chain(const struct postern_id *id, struct chain *ret);

/* Fill *id's chain from them; leave it empty when they do not fit a packet. */
void lib_id_set_chain(struct postern_id *id);

/* As postern_card_verify. */
int lib_card_verify(const struct postern_card *card, const struct postern_id *id, uint64_t wall_ms,
	struct fault *f);

/* An ID of these secrets, in guarded memory; NULL when there is none. */
struct postern_id *lib_id_new(const char *name, const struct idfile_secrets *secrets);

/* Put a fault into err, which may be NULL, behind "path: " when path is not NULL. Returns rc. */
int lib_fail(struct postern_error *err, int rc, const char *path, const struct fault *f);

/* Corrections a request was built with, one bit each; see lib_attempt. */
#define LIB_FIX(status) (1u << (status))

/* One request that was sent and may still be answered. */
struct lib_attempt {
	enum postern_identity identity; /* never AUTO */
	bool is_open;                   /* its answer has not come */
	bool is_hint_zero;              /* sent without an epoch */
	unsigned fixes;                 /* what earlier answers had made us correct before */
	struct hpke_context ctx;
	size_t len;
	uint8_t datagram[SPA_LARGE_LEN];
};

/* What every request of one session says; secret because of the pre-shared key. */
struct lib_wish {
	const struct postern_card *card;
	const struct postern_id *id;
	struct spa_request
		request; /* all but identity, time, instance and, unless of an action, nonce */
	/* Ways to say who we are, in the order they are tried: one or two. */
	enum postern_identity identities[2];
	size_t identity_count;
	uint8_t selector[SPA_SELECTOR_MAX];
	uint8_t message[SPA_MESSAGE_MAX];
	bool has_psk;
	uint8_t psk_slot;
	uint8_t psk_id[12];
	struct hpke_psk psk;
};

/* Check what the caller asks for and fill *ret, which must stay where it is. 0 or -errno with *f. */
int lib_wish_init(struct lib_wish *ret, const struct postern_card *card,
	const struct postern_id *id, const struct postern_request *request, struct fault *f);

/* What all requests of an action share; another one when an answer asks for a corrected request. */
void lib_wish_draw_id(struct lib_wish *w);

/*
 * A fresh request into *ret: new ephemeral key, nonce and signature. identity, fixes and is_hint_zero are
 * the caller's, in *ret; is_fallback asks for the card's long-lived prekey. 0, -EINVAL when that server
 * key cannot be used, or what lib_id_sign says; with *f.
 */
__attribute__((warn_unused_result)) int lib_attempt_build(const struct lib_wish *w,
	const struct postern_memory *m, bool is_fallback, uint64_t wall_ms, struct lib_attempt *ret,
	struct fault *f);

#endif
