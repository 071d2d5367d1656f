/*
 * The secrets of an ID as TLVs. Invariant: a type this version does not interpret survives a decode
 * and an encode byte for byte, so an older program never loses what a newer one put there.
 */

#include <sodium.h>
#include <string.h>

#include "identity/internal.h"

enum tlv_type {
	TLV_SEED = 1,
	TLV_PENDING = 2,
	TLV_RETIRED = 3,
	TLV_X25519 = 4,
	TLV_DOCUMENT_KEY = 5,
	TLV_PSK = 6,
	TLV_INTERNET = 7,
};

static void put_head(struct writer *w, enum tlv_type type, size_t len)
{
	writer_u8(w, (uint8_t)type);
	writer_u32(w, (uint32_t)len);
}

static void put_key(struct writer *w, enum tlv_type type, const uint8_t key[32])
{
	put_head(w, type, 32);
	writer_put(w, key, 32);
}

/* What is kept verbatim must be whole TLVs of types not written from fields. */
static bool other_is_good(struct span other)
{
	struct reader r = reader_init(other);
	while (r.left > 0) {
		uint8_t type = reader_u8(&r);
		uint32_t len = reader_u32(&r);
		reader_take(&r, len);
		if (type >= TLV_SEED && type <= TLV_INTERNET)
			return false;
	}
	return !r.is_short;
}

/* Both or neither, and within bounds. */
static bool internet_is_good(size_t cert_len, size_t key_len)
{
	if (cert_len > IDFILE_INTERNET_MAX || key_len > IDFILE_INTERNET_MAX)
		return false;
	return (cert_len == 0) == (key_len == 0);
}

static bool secrets_are_good(const struct idfile_secrets *s)
{
	if (s->retired_count > IDFILE_RETIRED_MAX || s->psk_count > IDFILE_PSKS_MAX ||
		s->document_count > IDFILE_DOCUMENTS_MAX || s->other_len > sizeof(s->other))
		return false;
	for (size_t i = 0; i < s->psk_count; i++)
		if (s->psks[i].slot < 1 || s->psks[i].slot > 15)
			return false;
	return internet_is_good(s->internet_cert_len, s->internet_key_len) &&
		other_is_good(span_of(s->other, s->other_len));
}

static void put_dated(struct writer *w, enum tlv_type type, uint64_t ms, const uint8_t key[32])
{
	put_head(w, type, 40);
	writer_u64(w, ms);
	writer_put(w, key, 32);
}

static void put_psks(struct writer *w, const struct idfile_secrets *s)
{
	for (size_t i = 0; i < s->psk_count; i++) {
		put_head(w, TLV_PSK, 65);
		writer_put(w, s->psks[i].sid, 32);
		writer_u8(w, s->psks[i].slot);
		writer_put(w, s->psks[i].key, 32);
	}
}

static void put_internet(struct writer *w, const struct idfile_secrets *s)
{
	if (s->internet_cert_len == 0)
		return;
	put_head(w, TLV_INTERNET, 4 + s->internet_cert_len + s->internet_key_len);
	writer_u16(w, (uint16_t)s->internet_cert_len);
	writer_put(w, s->internet_cert, s->internet_cert_len);
	writer_u16(w, (uint16_t)s->internet_key_len);
	writer_put(w, s->internet_key, s->internet_key_len);
}

bool idfile_secrets_encode(const struct idfile_secrets *s, struct writer *w)
{
	if (!secrets_are_good(s))
		return false;
	put_key(w, TLV_SEED, s->seed);
	if (s->has_pending)
		put_key(w, TLV_PENDING, s->pending_seed);
	for (size_t i = 0; i < s->retired_count; i++)
		put_dated(w, TLV_RETIRED, s->retired[i].retired_ms, s->retired[i].seed);
	if (s->has_x25519)
		put_key(w, TLV_X25519, s->x25519);
	for (size_t i = 0; i < s->document_count; i++)
		put_dated(w, TLV_DOCUMENT_KEY, s->documents[i].created_ms, s->documents[i].seed);
	put_psks(w, s);
	put_internet(w, s);
	writer_put(w, s->other, s->other_len);
	return !w->is_full;
}

/* A value that is one 32-byte key and stands at most once. */
static bool take_key(struct reader *value, bool *has, uint8_t to[32])
{
	if (*has)
		return false;
	*has = true;
	reader_copy(value, to, 32);
	return reader_done(value);
}

static bool take_retired(struct reader *value, struct idfile_secrets *s)
{
	if (s->retired_count == IDFILE_RETIRED_MAX)
		return false;
	size_t i = s->retired_count++;
	s->retired[i].retired_ms = reader_u64(value);
	reader_copy(value, s->retired[i].seed, 32);
	return reader_done(value);
}

static bool take_document(struct reader *value, struct idfile_secrets *s)
{
	if (s->document_count == IDFILE_DOCUMENTS_MAX)
		return false;
	size_t i = s->document_count++;
	s->documents[i].created_ms = reader_u64(value);
	reader_copy(value, s->documents[i].seed, 32);
	return reader_done(value);
}

static bool take_internet(struct reader *value, struct idfile_secrets *s)
{
	if (s->internet_cert_len != 0)
		return false;
	struct span cert = reader_take(value, reader_u16(value));
	struct span key = reader_take(value, reader_u16(value));
	if (!reader_done(value) || cert.len == 0 || !internet_is_good(cert.len, key.len))
		return false;
	memcpy(s->internet_cert, cert.data, cert.len);
	memcpy(s->internet_key, key.data, key.len);
	s->internet_cert_len = cert.len;
	s->internet_key_len = key.len;
	return true;
}

static bool take_psk(struct reader *value, struct idfile_secrets *s)
{
	if (s->psk_count == IDFILE_PSKS_MAX)
		return false;
	size_t i = s->psk_count++;
	reader_copy(value, s->psks[i].sid, 32);
	s->psks[i].slot = reader_u8(value);
	reader_copy(value, s->psks[i].key, 32);
	return reader_done(value) && s->psks[i].slot >= 1 && s->psks[i].slot <= 15;
}

static bool keep(uint8_t type, struct span value, struct idfile_secrets *s)
{
	struct writer w = writer_init(s->other + s->other_len, sizeof(s->other) - s->other_len);
	writer_u8(&w, type);
	writer_u32(&w, (uint32_t)value.len);
	writer_put(&w, value.data, value.len);
	s->other_len += w.len;
	return !w.is_full;
}

static bool take_tlv(uint8_t type, struct span value, struct idfile_secrets *s, bool *has_seed)
{
	struct reader r = reader_init(value);
	switch (type) {
	case TLV_SEED:
		return take_key(&r, has_seed, s->seed);
	case TLV_PENDING:
		return take_key(&r, &s->has_pending, s->pending_seed);
	case TLV_RETIRED:
		return take_retired(&r, s);
	case TLV_X25519:
		return take_key(&r, &s->has_x25519, s->x25519);
	case TLV_DOCUMENT_KEY:
		return take_document(&r, s);
	case TLV_PSK:
		return take_psk(&r, s);
	case TLV_INTERNET:
		return take_internet(&r, s);
	default:
		return keep(type, value, s);
	}
}

bool idfile_secrets_decode(struct span plain, struct idfile_secrets *ret)
{
	struct idfile_secrets s = { 0 };
	struct reader r = reader_init(plain);
	bool has_seed = false, is_good = true;
	while (is_good && r.left > 0) {
		uint8_t type = reader_u8(&r);
		uint32_t len = reader_u32(&r);
		struct span value = reader_take(&r, len);
		is_good = !r.is_short && take_tlv(type, value, &s, &has_seed);
	}
	is_good = is_good && has_seed;
	if (is_good)
		*ret = s;
	idfile_secrets_wipe(&s);
	return is_good;
}

void idfile_secrets_wipe(struct idfile_secrets *s)
{
	sodium_memzero(s, sizeof(*s));
}
