/*
 * The clear header of a knock and its seal. Invariant: spans of a decoded header lie inside the
 * datagram, whose length is one of the two classes; a plaintext leaves spa_open only when its tag
 * held.
 */

#include "knock/spa.h"

#include <sodium.h>
#include <string.h>

#include "knock/internal.h"

#define TOKEN_LEN 16

const char *spa_reject_name(enum spa_reject reason)
{
	static const char *const names[SPA_REJECT_COUNT] = {
		[SPA_OK] = "ok",
		[SPA_SHORT] = "short",
		[SPA_TYPE] = "type",
		[SPA_LENGTH] = "length",
		[SPA_RESERVED] = "reserved",
		[SPA_EPOCH] = "epoch",
		[SPA_COOKIE] = "cookie",
		[SPA_SUITE_REFUSED] = "suite",
		[SPA_PREKEY] = "prekey",
		[SPA_SEAL] = "seal",
		[SPA_INNER_VERSION] = "version",
		[SPA_OP] = "operation",
		[SPA_FLAGS] = "flags",
		[SPA_ADDRESS] = "address",
		[SPA_SELECTOR] = "selector",
		[SPA_IDENTITY] = "identity",
		[SPA_SIGNATURE_TYPE] = "signature-type",
		[SPA_TLV] = "tlv",
	};
	return reason < SPA_REJECT_COUNT ? names[reason] : "unknown";
}

const char *spa_status_name(enum spa_status status)
{
	static const char *const names[SPA_STATUS_COUNT] = {
		[SPA_STATUS_OK] = "OK",
		[SPA_STATUS_STALE] = "STALE",
		[SPA_STATUS_RETRY] = "RETRY",
		[SPA_STATUS_BIND] = "BIND",
		[SPA_STATUS_DENIED] = "DENIED",
		[SPA_STATUS_EXPIRED] = "EXPIRED",
		[SPA_STATUS_BUSY] = "BUSY",
		[SPA_STATUS_UNKNOWN_SERVICE] = "UNKNOWN_SERVICE",
		[SPA_STATUS_LIMIT] = "LIMIT",
	};
	return status < SPA_STATUS_COUNT ? names[status] : "unknown";
}

bool spa_is_service_name(struct span s)
{
	if (s.len == 0 || s.len > SPA_SELECTOR_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];
		if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-')
			return false;
	}
	return true;
}

enum spa_reject spa_header_decode(struct span payload, struct spa_header *ret)
{
	struct reader r = reader_init(payload);
	struct spa_header h = { .datagram = payload, .aad = span_slice(payload, 0, SPA_AAD_LEN) };

	uint8_t type = reader_u8(&r);
	h.epoch_hint = reader_u8(&r);
	uint8_t suite = reader_u8(&r);
	h.psk_slot = suite >> 4;
	h.prekey_id = reader_u8(&r);
	h.len = reader_u16(&r);
	uint16_t reserved = reader_u16(&r);
	h.cookie = reader_u64(&r);
	reader_take(&r, TOKEN_LEN); /* covered by the cookie alone; any value */
	h.enc = reader_take(&r, HPKE_KEY_LEN);
	h.cipher = reader_rest(&r);

	if (r.is_short)
		return SPA_SHORT;
	if (type != SPA_TYPE_REQUEST)
		return SPA_TYPE;
	if (h.len != payload.len || (h.len != SPA_SMALL_LEN && h.len != SPA_LARGE_LEN))
		return SPA_LENGTH;
	if (reserved != 0)
		return SPA_RESERVED;
	if ((suite & 15) != SPA_SUITE)
		return SPA_SUITE_REFUSED;
	*ret = h;
	return SPA_OK;
}

struct span knock_info(const uint8_t sid[SPA_SID_LEN], uint8_t to[KNOCK_INFO_LEN])
{
	const struct span label = KNOCK_LABEL("postern req v1");
	struct writer w = writer_init(to, KNOCK_INFO_LEN);
	writer_put(&w, label.data, label.len);
	writer_put(&w, sid, SPA_SID_LEN);
	return writer_span(&w);
}

enum spa_reject spa_open(const struct spa_header *h, const uint8_t sid[SPA_SID_LEN],
	const struct hpke_secret *sk, const struct hpke_psk *psk, uint8_t *plain, size_t *ret_len,
	struct hpke_context *ret_ctx)
{
	uint8_t info[KNOCK_INFO_LEN];

	/* A header that names a slot must not be opened without it, nor the other way round. */
	if ((h->psk_slot != 0) != (psk != NULL)) {
		hpke_context_wipe(ret_ctx);
		return SPA_SEAL;
	}
	if (!hpke_receiver(h->enc.data, sk, knock_info(sid, info), psk, ret_ctx))
		return SPA_SEAL;
	if (!hpke_open(ret_ctx, h->aad, h->cipher, plain)) {
		hpke_context_wipe(ret_ctx);
		return SPA_SEAL;
	}
	*ret_len = h->cipher.len - HPKE_TAG_LEN;
	return SPA_OK;
}

struct span spa_psk_id(uint8_t slot, uint8_t to[12])
{
	const struct span label = KNOCK_TEXT("postern psk");
	struct writer w = writer_init(to, 12);
	writer_put(&w, label.data, label.len);
	writer_u8(&w, slot);
	return writer_span(&w);
}

size_t spa_transcript(const uint8_t sid[SPA_SID_LEN], const uint8_t server_pk[HPKE_KEY_LEN],
	struct span aad, struct span enc, struct span signed_part, uint8_t *to)
{
	const struct span label = KNOCK_LABEL("postern knock signature v1");
	struct writer w = writer_init(to, SPA_TRANSCRIPT_MAX);
	writer_put(&w, label.data, label.len);
	writer_put(&w, sid, SPA_SID_LEN);
	writer_put(&w, server_pk, HPKE_KEY_LEN);
	writer_put(&w, aad.data, aad.len);
	writer_put(&w, enc.data, enc.len);
	writer_put(&w, signed_part.data, signed_part.len);
	return w.len;
}

void spa_key_id(const uint8_t ed25519_pk[32], uint8_t ret[SPA_KEY_ID_LEN])
{
	/* RFC 8410 4: SEQUENCE { SEQUENCE { 1.3.101.112 }, BIT STRING } is a fixed 12-byte prefix. */
	static const uint8_t prefix[] = { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
		0x03, 0x21, 0x00 };
	crypto_hash_sha256_state st;
	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, prefix, sizeof(prefix));
	crypto_hash_sha256_update(&st, ed25519_pk, 32);
	crypto_hash_sha256_final(&st, ret);
}
