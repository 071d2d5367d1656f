/*
 * Property: what the header decoder takes has one of the two lengths and spans inside the datagram,
 * and the check takes exactly the cookie that belongs to an accepted hint.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/spa.h"

#define NOW_MS 1700000000000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_inside(struct span s, const uint8_t *data, size_t len)
{
	return s.data >= data && s.len <= len && (size_t)(s.data - data) <= len - s.len;
}

static const uint8_t *key_of(const struct spa_cookie_keys *k, uint8_t hint)
{
	for (uint64_t i = 0; i < 3; i++)
		if (hint == spa_epoch_hint(k->epoch - 1 + i))
			return k->key[1 + i];
	return hint == 0 ? k->key[0] : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t sid[SPA_SID_LEN] = { 1 };
	struct spa_cookie_keys keys = { 0 };
	struct spa_header h;

	if (spa_header_decode(span_of(data, len), &h) != SPA_OK)
		return 0;
	must(len == SPA_SMALL_LEN || len == SPA_LARGE_LEN);
	must(h.len == len && h.datagram.data == data && h.datagram.len == len);
	must(h.aad.data == data && h.aad.len == SPA_AAD_LEN);
	must(is_inside(h.enc, data, len) && h.enc.len == HPKE_KEY_LEN);
	must(is_inside(h.cipher, data, len) && h.cipher.len == len - SPA_HEADER_LEN);
	must(h.psk_slot < 16);

	spa_cookie_keys_update(&keys, SPAN_OF(sid), NOW_MS);
	const uint8_t *key = key_of(&keys, h.epoch_hint);
	enum spa_reject got = spa_header_check(&h, &keys);
	if (key == NULL) {
		must(got == SPA_EPOCH);
		return 0;
	}
	must((got == SPA_OK) == (spa_cookie(key, h.datagram) == h.cookie));
	h.cookie = spa_cookie(key, h.datagram);
	must(spa_header_check(&h, &keys) == SPA_OK);
	h.cookie ^= 1;
	must(spa_header_check(&h, &keys) == SPA_COOKIE);
	return 0;
}
