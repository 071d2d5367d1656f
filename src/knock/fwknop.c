/*
 * Reading a fwknop packet: MAC, decryption, inner digest, fields, age, in this order, under one key after
 * another. Invariant: of a text without a right MAC nothing is decrypted, and what makes a text new is
 * computed from exactly the characters that the MAC covers.
 */

#include "knock/fwknop.h"

#include <sodium.h>
#include <string.h>

#include "knock/fwknop_internal.h"
#include "knock/internal.h"

const char *fwknop_reject_name(enum fwknop_reject reason)
{
	static const char *const names[FWKNOP_REJECT_COUNT] = {
		[FWKNOP_OK] = "ok",
		[FWKNOP_CARRIER] = "carrier",
		[FWKNOP_LENGTH] = "length",
		[FWKNOP_ALPHABET] = "alphabet",
		[FWKNOP_PREFIX] = "prefix",
		[FWKNOP_GPG] = "gpg",
		[FWKNOP_MAC] = "mac",
		[FWKNOP_BASE64] = "base64",
		[FWKNOP_CIPHER] = "cipher",
		[FWKNOP_PADDING] = "padding",
		[FWKNOP_PLAIN] = "plaintext",
		[FWKNOP_DIGEST] = "digest",
		[FWKNOP_FIELDS] = "fields",
		[FWKNOP_RANDOM] = "random",
		[FWKNOP_USER] = "user",
		[FWKNOP_TIME] = "time",
		[FWKNOP_VERSION] = "version",
		[FWKNOP_TYPE] = "type",
		[FWKNOP_COMMAND] = "command",
		[FWKNOP_ACCESS] = "access",
		[FWKNOP_NAT] = "nat",
		[FWKNOP_AUTH] = "auth",
		[FWKNOP_TIMEOUT] = "timeout",
		[FWKNOP_AGE] = "age",
		[FWKNOP_CLAIMED] = "claimed-user",
	};
	return reason < FWKNOP_REJECT_COUNT ? names[reason] : "?";
}

/* A text without its MAC. */
static struct span body_of(const struct fwknop_key *k, const struct fwknop_text *text)
{
	size_t tag_len = fwknop_hash_chars(k->hmac);
	return span_of(text->text, text->len > tag_len ? text->len - tag_len : 0);
}

enum fwknop_reject fwknop_authenticate(struct fwknop_key *k, const struct fwknop_text *text)
{
	char tag[FWKNOP_HASH_TEXT_MAX + 1];
	struct span body = body_of(k, text);

	if (body.len >= FWKNOP_GPG_LEN)
		return FWKNOP_GPG;
	size_t len = body.len > 0 ? fwknop_mac_text(k, body, tag) : 0;
	if (len == 0 || sodium_memcmp(tag, text->text + body.len, len) != 0)
		return FWKNOP_MAC;
	return FWKNOP_OK;
}

struct plain {
	size_t len;
	uint8_t b[FWKNOP_BLOB_MAX];
};

/* PKCS#7, which every mode has here. */
static bool strip_padding(struct plain *p)
{
	size_t n = p->b[p->len - 1];

	if (n == 0 || n > FWKNOP_BLOCK)
		return false;
	for (size_t i = p->len - n; i < p->len; i++)
		if (p->b[i] != n)
			return false;
	p->len -= n;
	return true;
}

static enum fwknop_reject decrypt(struct fwknop_key *k, struct span body, struct plain *ret)
{
	char text[FWKNOP_PREFIX_LEN + FWKNOP_BODY_MAX];
	uint8_t blob[FWKNOP_BLOB_MAX];
	size_t len;

	memcpy(text, FWKNOP_PREFIX_TEXT, FWKNOP_PREFIX_LEN);
	memcpy(text + FWKNOP_PREFIX_LEN, body.data, body.len);
	if (!fwknop_unbase64(span_of(text, FWKNOP_PREFIX_LEN + body.len), blob, sizeof(blob), &len))
		return FWKNOP_BASE64;
	struct reader r = reader_init(span_of(blob, len));
	struct span mark = reader_take(&r, FWKNOP_MARK_LEN);
	struct span salt = reader_take(&r, FWKNOP_SALT_LEN);
	struct span cipher = reader_rest(&r);
	if (r.is_short || !span_equal(mark, KNOCK_TEXT(FWKNOP_SALT_MARK)) || cipher.len == 0 ||
		cipher.len % FWKNOP_BLOCK != 0)
		return FWKNOP_CIPHER;
	if (!fwknop_decrypt(k, salt.data, cipher, ret->b))
		return FWKNOP_CIPHER;
	ret->len = cipher.len;
	return strip_padding(ret) ? FWKNOP_OK : FWKNOP_PADDING;
}

/* The last field is the hash of those before it; which hash, its length says, SHA-2 before SHA-3. */
static enum fwknop_reject check_digest(
	struct fwknop_key *k, const struct plain *p, struct span *ret)
{
	char digest[FWKNOP_HASH_TEXT_MAX + 1];
	size_t left = p->len;

	while (left > 0 && p->b[left - 1] != ':')
		left--;
	if (left == 0)
		return FWKNOP_FIELDS;
	struct span fields = span_of(p->b, left - 1);
	struct span sent = span_of(p->b + left, p->len - left);
	for (int type = CONFIG_HMAC_MD5; type <= CONFIG_HMAC_SHA3_512; type++) {
		enum config_hmac t = (enum config_hmac)type;
		if (fwknop_hash_chars(t) != sent.len ||
			fwknop_hash_text(k, t, fields, digest) != sent.len ||
			sodium_memcmp(digest, sent.data, sent.len) != 0)
			continue;
		*ret = fields;
		return FWKNOP_OK;
	}
	return FWKNOP_DIGEST;
}

static bool is_plain(const struct plain *p)
{
	for (size_t i = 0; i < p->len; i++)
		if (p->b[i] < 0x20 || p->b[i] > 0x7e)
			return false;
	return p->len >= FWKNOP_PLAIN_MIN;
}

static enum fwknop_reject check_claims(
	const struct fwknop_key *k, const struct fwknop_message *m, uint64_t now_s)
{
	uint64_t apart = now_s > m->time_s ? now_s - m->time_s : m->time_s - now_s;

	if (apart > k->max_age_s)
		return FWKNOP_AGE;
	if (k->user != NULL && strcmp(k->user, m->user) != 0)
		return FWKNOP_CLAIMED;
	return FWKNOP_OK;
}

/* What stands in a text that k authenticates. */
static enum fwknop_reject read_body(
	struct fwknop_key *k, struct span body, uint64_t now_s, struct fwknop_message *ret)
{
	struct plain p;
	struct span fields;
	enum fwknop_reject reason = decrypt(k, body, &p);

	if (reason == FWKNOP_OK && !is_plain(&p))
		reason = FWKNOP_PLAIN;
	if (reason == FWKNOP_OK)
		reason = check_digest(k, &p, &fields);
	if (reason == FWKNOP_OK)
		reason = fwknop_fields_decode(fields, ret);
	if (reason == FWKNOP_OK)
		reason = check_claims(k, ret, now_s);
	sodium_memzero(&p, sizeof(p));
	return reason;
}

static void hash_body(struct span body, uint8_t ret[FWKNOP_REPLAY_LEN])
{
	crypto_hash_sha256_state st;

	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const uint8_t *)FWKNOP_PREFIX_TEXT, FWKNOP_PREFIX_LEN);
	crypto_hash_sha256_update(&st, body.data, body.len);
	crypto_hash_sha256_final(&st, ret);
}

enum fwknop_reject fwknop_read(struct fwknop_key *const *keys, size_t count,
	const struct fwknop_text *text, uint64_t now_s, struct fwknop_message *ret)
{
	enum fwknop_reject first = FWKNOP_MAC;

	for (size_t i = 0; i < count; i++) {
		struct fwknop_message m = { 0 };
		enum fwknop_reject reason = fwknop_authenticate(keys[i], text);
		if (reason == FWKNOP_OK)
			reason = read_body(keys[i], body_of(keys[i], text), now_s, &m);
		if (reason == FWKNOP_OK) {
			m.key = i;
			hash_body(body_of(keys[i], text), m.replay);
			*ret = m;
			return FWKNOP_OK;
		}
		/* A reason from behind the MAC says more than that a MAC was another's. */
		if (first == FWKNOP_MAC || (first == FWKNOP_GPG && reason != FWKNOP_MAC))
			first = reason;
	}
	return first;
}
