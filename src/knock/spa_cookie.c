/*
 * The cookie: what tells a packet of somebody who holds the server card from noise, for the price
 * of one SipHash. It authenticates nobody. Invariant: a struct spa_cookie_keys that was updated
 * once never holds a key that was not derived from the secret.
 */

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"
#include "knock/spa.h"

#define COOKIE_AT 8
#define COOKIE_LEN 8
#define EPOCH_MS ((uint64_t)SPA_EPOCH_S * 1000)

uint8_t spa_epoch_hint(uint64_t epoch)
{
	return (uint8_t)(epoch % 255 + 1);
}

void spa_cookie_key(struct span secret, uint32_t epoch, uint8_t ret[SPA_COOKIE_KEY_LEN])
{
	const struct span label = KNOCK_TEXT("postern cookie v1");
	uint8_t epoch_be[4];
	uint8_t mac[crypto_auth_hmacsha256_BYTES];
	struct writer w = writer_init(epoch_be, sizeof(epoch_be));
	crypto_auth_hmacsha256_state st;

	writer_u32(&w, epoch);
	crypto_auth_hmacsha256_init(&st, secret.data, secret.len);
	crypto_auth_hmacsha256_update(&st, label.data, label.len);
	crypto_auth_hmacsha256_update(&st, epoch_be, sizeof(epoch_be));
	crypto_auth_hmacsha256_final(&st, mac);
	memcpy(ret, mac, SPA_COOKIE_KEY_LEN);
	sodium_memzero(mac, sizeof(mac));
	sodium_memzero(&st, sizeof(st));
}

void spa_cookie_keys_update(struct spa_cookie_keys *k, struct span secret, uint64_t wall_ms)
{
	uint64_t epoch = wall_ms / EPOCH_MS;
	/* A machine without a clock battery starts in epoch 0, which a fresh struct also says. */
	if (epoch == k->epoch && epoch != 0)
		return;
	k->epoch = epoch;
	spa_cookie_key(secret, 0, k->key[0]);
	spa_cookie_key(secret, epoch == 0 ? 0 : (uint32_t)(epoch - 1), k->key[1]);
	spa_cookie_key(secret, (uint32_t)epoch, k->key[2]);
	spa_cookie_key(secret, (uint32_t)(epoch + 1), k->key[3]);
}

uint64_t spa_cookie(const uint8_t key[SPA_COOKIE_KEY_LEN], struct span datagram)
{
	uint8_t covered[SPA_LARGE_LEN];
	uint8_t mac[COOKIE_LEN];
	struct span head = span_slice(datagram, 0, COOKIE_AT);
	struct span tail = span_slice(datagram, COOKIE_AT + COOKIE_LEN, SPA_LARGE_LEN);
	struct writer w = writer_init(covered, sizeof(covered));

	writer_put(&w, head.data, head.len);
	writer_put(&w, tail.data, tail.len);
	crypto_shorthash_siphash24(mac, covered, w.len, key);
	struct reader r = reader_init(SPAN_OF(mac));
	return reader_u64(&r);
}

/* The key that a hint names, or NULL. */
static const uint8_t *key_of_hint(const struct spa_cookie_keys *k, uint8_t hint)
{
	if (hint == 0)
		return k->key[0];
	if (hint == spa_epoch_hint(k->epoch))
		return k->key[2];
	if (k->epoch != 0 && hint == spa_epoch_hint(k->epoch - 1))
		return k->key[1];
	if (hint == spa_epoch_hint(k->epoch + 1))
		return k->key[3];
	return NULL;
}

enum spa_reject spa_header_check(const struct spa_header *h, const struct spa_cookie_keys *k)
{
	const uint8_t *key = key_of_hint(k, h->epoch_hint);
	if (key == NULL)
		return SPA_EPOCH;
	uint64_t want = spa_cookie(key, h->datagram);
	return sodium_memcmp(&want, &h->cookie, sizeof(want)) == 0 ? SPA_OK : SPA_COOKIE;
}
