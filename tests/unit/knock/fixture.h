#ifndef POSTERN_TEST_KNOCK_FIXTURE_H
#define POSTERN_TEST_KNOCK_FIXTURE_H

/* The two parties of tests/vectors/knock/spa_small.txt and the request that the client makes there. */

#include <sodium.h>

#include "knock/spa.h"
#include "vector.h"

#define FIXTURE_FILE "spa_small.txt"
#define FIXTURE_MS 1700000000000u

struct fixture {
	uint8_t server_pk[32], server_sign[64]; /* identity */
	uint8_t client_pk[32], client_sign[64];
	uint8_t sid[SPA_SID_LEN], key_id[SPA_KEY_ID_LEN];
	struct hpke_secret prekey, ephemeral;
	struct spa_target target;
	struct spa_request request;
	uint8_t datagram[SPA_LARGE_LEN];
	struct hpke_context client_ctx;
};

static inline void fixture_init(struct fixture *x)
{
	memset(x, 0, sizeof(*x));
	crypto_sign_seed_keypair(
		x->server_pk, x->server_sign, vector_get(FIXTURE_FILE, "server_seed").b);
	crypto_sign_seed_keypair(
		x->client_pk, x->client_sign, vector_get(FIXTURE_FILE, "client_seed").b);
	spa_key_id(x->server_pk, x->sid);
	spa_key_id(x->client_pk, x->key_id);
	memcpy(x->prekey.b, vector_get(FIXTURE_FILE, "server_x25519").b, 32);
	memcpy(x->ephemeral.b, vector_get(FIXTURE_FILE, "ephemeral").b, 32);

	memcpy(x->target.sid, x->sid, sizeof(x->sid));
	x->target.prekey_id = 1;
	hpke_public_key(&x->prekey, x->target.prekey);
	x->target.cookie_secret = SPAN_OF(x->sid);

	x->request.op = SPA_OPEN;
	x->request.time_ms = FIXTURE_MS;
	memcpy(x->request.nonce, vector_get(FIXTURE_FILE, "nonce").b, SPA_NONCE_LEN);
	x->request.seconds = 30;
	x->request.prefix_bits = 128;
	x->request.selector_type = SPA_SELECT_NAME;
	x->request.selector = span_of("ssh", 3);
	x->request.identity_type = SPA_ID_KEY;
	x->request.identity = SPAN_OF(x->key_id);
	x->request.signature_type = SPA_SIG_ED25519;
}

/* Build the request into x->datagram; its length, or 0. */
static inline size_t fixture_build(struct fixture *x)
{
	return spa_request_build(&x->target, &x->request, x->client_sign, &x->ephemeral, FIXTURE_MS,
		x->datagram, &x->client_ctx);
}

static inline struct span fixture_datagram(const struct fixture *x)
{
	return span_of(x->datagram, SPA_SMALL_LEN);
}

#endif
