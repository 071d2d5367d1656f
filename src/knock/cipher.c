/*
 * Enciphered sequences. Invariant: nothing of a plaintext is returned but of one whose padding and
 * checksum are both whole and whose address may be asked for. CBC is done here, a block at a time, so that
 * a window with the wrong padding costs one block at most, and windows that end alike share it.
 */

#include "knock/cipher.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/window.h"

#define BLOCK LEGACY_BLOCK_LEN
#define TEXT_MAX (CIPHER_IV_LEN + CIPHER_CONTENT_MAX)

struct cipher {
	struct legacy_blowfish *blowfish;
	uint8_t iv[CIPHER_IV_LEN];
	uint16_t port_first;
	uint32_t within_ms;
	bool wide, random_iv, third_party;
};

/* address, port, time 1, checksum 1; the rest of the cipher text is padding. */
struct form {
	size_t address_len, port_len, cipher_len;
};

static const struct form compatible = { 4, 1, 8 };
static const struct form wide_v4 = { 4, 2, 16 };
static const struct form wide_v6 = { 16, 2, 24 };

const char *cipher_reject_name(enum cipher_reject reason)
{
	static const char *const names[CIPHER_REJECT_COUNT] = {
		[CIPHER_OK] = "ok",
		[CIPHER_OTHER] = "other",
		[CIPHER_FEW] = "few",
		[CIPHER_PADDING] = "padding",
		[CIPHER_CHECKSUM] = "checksum",
		[CIPHER_ADDRESS] = "address",
		[CIPHER_TROUBLE] = "trouble",
	};
	return reason < CIPHER_REJECT_COUNT ? names[reason] : "unknown";
}

/* MD5 of the passphrase, then of all that there is so far, until there are 56 bytes. */
static bool make_key(struct legacy *l, struct span passphrase, uint8_t key[LEGACY_BLOWFISH_KEY_LEN])
{
	uint8_t chain[4 * LEGACY_MD5_LEN];
	bool is_ok = legacy_md5(l, passphrase, chain);
	for (size_t at = LEGACY_MD5_LEN; at < sizeof(chain) && is_ok; at += LEGACY_MD5_LEN)
		is_ok = legacy_md5(l, span_of(chain, at), chain + at);
	memcpy(key, chain, LEGACY_BLOWFISH_KEY_LEN);
	sodium_memzero(chain, sizeof(chain));
	return is_ok;
}

int cipher_new(struct legacy *l, const struct cipher_how *how, struct cipher **ret, struct fault *f)
{
	uint8_t key[LEGACY_BLOWFISH_KEY_LEN] = { 0 };
	int rc;

	if (how->passphrase.len == 0) {
		fault_set(f, "the passphrase is empty; write one");
		return -EINVAL;
	}
	if (how->port_first > WINDOW_PORT_FIRST_MAX) {
		fault_set(f, "256 ports from %u on do not exist; begin at %d or below",
			(unsigned)how->port_first, WINDOW_PORT_FIRST_MAX);
		return -EINVAL;
	}
	struct cipher *c = calloc(1, sizeof(*c));
	if (c == NULL || !make_key(l, how->passphrase, key)) {
		fault_set(f, "no key can be made of the passphrase: no memory");
		rc = -ENOMEM;
		goto out;
	}
	rc = legacy_blowfish_new(l, key, &c->blowfish, f);
	if (rc < 0)
		goto out;
	memcpy(c->iv, how->iv, sizeof(c->iv));
	c->port_first = how->port_first;
	c->within_ms = how->within_ms;
	c->wide = how->wide;
	c->random_iv = how->random_iv;
	c->third_party = how->third_party;
	*ret = c;
	c = NULL;
out:
	sodium_memzero(key, sizeof(key));
	cipher_free(c);
	return rc;
}

void cipher_free(struct cipher *c)
{
	if (c == NULL)
		return;
	legacy_blowfish_free(c->blowfish);
	sodium_memzero(c, sizeof(*c));
	free(c);
}

/* ------------------------------------------------------------------ reading */

struct attempt {
	struct cipher *c;
	const struct form *form;
	const struct addr *source;
	uint8_t text[TEXT_MAX]; /* IV, then ciphertext */
	bool has_last; /* the last block deciphered so far is that of the window before, too */
	uint8_t last_from[BLOCK], last_to[BLOCK]; /* not yet chained */
};

static bool decipher_last(struct attempt *a)
{
	const uint8_t *from = a->text + CIPHER_IV_LEN + a->form->cipher_len - BLOCK;
	if (a->has_last && memcmp(from, a->last_from, BLOCK) == 0)
		return true;
	memcpy(a->last_from, from, BLOCK);
	a->has_last = legacy_blowfish_decrypt(a->c->blowfish, from, a->last_to);
	return a->has_last;
}

/* PKCS#7 with a known length: every byte of the padding has its length for value. */
static bool is_padded(const struct attempt *a)
{
	size_t pad = a->form->cipher_len - a->form->address_len - a->form->port_len - 2;
	const uint8_t *chain = a->text + a->form->cipher_len - BLOCK; /* the block before */
	uint8_t wrong = 0;
	for (size_t i = BLOCK - pad; i < BLOCK; i++)
		wrong |= (uint8_t)((a->last_to[i] ^ chain[i]) ^ pad);
	return wrong == 0;
}

static bool decipher_all(struct attempt *a, uint8_t plain[CIPHER_CONTENT_MAX])
{
	size_t len = a->form->cipher_len;
	for (size_t at = 0; at + BLOCK < len; at += BLOCK)
		if (!legacy_blowfish_decrypt(
			    a->c->blowfish, a->text + CIPHER_IV_LEN + at, plain + at))
			return false;
	memcpy(plain + len - BLOCK, a->last_to, BLOCK);
	for (size_t i = 0; i < len; i++)
		plain[i] ^= a->text[i];
	return true;
}

static void take(const struct attempt *a, struct span plain, struct cipher_wish *ret)
{
	struct reader r = reader_init(plain);
	struct span address = reader_take(&r, a->form->address_len);
	*ret = (struct cipher_wish){ .content_len = a->form->cipher_len };
	ret->address = address.len == 4 ? addr_v4(address.data) : addr_v6(address.data);
	ret->port = a->form->port_len == 1 ? reader_u8(&r) : reader_u16(&r);
	ret->time = reader_u8(&r);
	memcpy(ret->content, a->text + CIPHER_IV_LEN, a->form->cipher_len);
}

/* An IPv4 address has one way to be written, the short one. */
static bool is_allowed(const struct attempt *a, const struct addr *address)
{
	if (a->form->address_len == 16 && addr_is_v4(address))
		return false;
	return a->c->third_party || addr_equal(address, a->source);
}

static enum cipher_reject read_text(struct attempt *a, struct cipher_wish *ret)
{
	uint8_t plain[CIPHER_CONTENT_MAX] = { 0 };
	struct cipher_wish wish;
	size_t len = a->form->address_len + a->form->port_len + 2;

	if (!decipher_last(a))
		return CIPHER_TROUBLE;
	if (!is_padded(a))
		return CIPHER_PADDING;
	if (!decipher_all(a, plain))
		return CIPHER_TROUBLE;
	if (window_checksum(plain, len - 1) != plain[len - 1])
		return CIPHER_CHECKSUM;
	take(a, span_of(plain, len), &wish);
	if (!is_allowed(a, &wish.address))
		return CIPHER_ADDRESS;
	*ret = wish;
	return CIPHER_OK;
}

static enum cipher_reject read_form(struct cipher *c, const struct form *form,
	const struct window *w, const struct addr *source, struct cipher_wish *ret)
{
	struct attempt a = { .c = c, .form = form, .source = source };
	size_t iv_len = c->random_iv ? CIPHER_IV_LEN : 0;
	struct window_pick pick = { .len = iv_len + form->cipher_len };
	enum cipher_reject farthest = CIPHER_FEW;

	memcpy(a.text, c->iv, CIPHER_IV_LEN);
	while (window_pick_next(w, &pick, a.text + CIPHER_IV_LEN - iv_len)) {
		enum cipher_reject reason = read_text(&a, ret);
		if (reason == CIPHER_OK || reason == CIPHER_TROUBLE)
			return reason;
		if (reason > farthest)
			farthest = reason;
	}
	return farthest;
}

enum cipher_reject cipher_read(struct cipher *c, const struct track *t, struct cipher_wish *ret)
{
	struct window w;

	if (!window_init(&w, t, c->port_first, c->within_ms))
		return CIPHER_OTHER;
	if (!c->wide)
		return read_form(c, &compatible, &w, &t->source, ret);
	enum cipher_reject v4 = read_form(c, &wide_v4, &w, &t->source, ret);
	if (v4 == CIPHER_OK || v4 == CIPHER_TROUBLE)
		return v4;
	enum cipher_reject v6 = read_form(c, &wide_v6, &w, &t->source, ret);
	return v6 == CIPHER_OK || v6 > v4 ? v6 : v4;
}

/* ------------------------------------------------------------------ writing */

/* NULL when no form can say it. */
static const struct form *form_of(const struct cipher *c, const struct cipher_wish *w)
{
	if (w->port == 0)
		return NULL;
	if (c->wide)
		return addr_is_v4(&w->address) ? &wide_v4 : &wide_v6;
	return addr_is_v4(&w->address) && w->port <= UINT8_MAX ? &compatible : NULL;
}

/* Plaintext with its padding; the length is the form's. */
static void lay_out(const struct form *form, const struct cipher_wish *w, uint8_t *to)
{
	struct writer out = writer_init(to, CIPHER_CONTENT_MAX);
	writer_put(&out, w->address.b + 16 - form->address_len, form->address_len);
	if (form->port_len == 2)
		writer_u16(&out, w->port);
	else
		writer_u8(&out, (uint8_t)w->port);
	writer_u8(&out, w->time);
	writer_u8(&out, window_checksum(to, out.len));
	uint8_t pad = (uint8_t)(form->cipher_len - out.len);
	while (out.len < form->cipher_len)
		writer_u8(&out, pad);
}

int cipher_write(struct cipher *c, const struct cipher_wish *w, const uint8_t iv[CIPHER_IV_LEN],
	uint16_t ret[CIPHER_PORTS_MAX], size_t *ret_count)
{
	uint8_t text[TEXT_MAX] = { 0 }; /* IV, then ciphertext in the place of plaintext */
	const struct form *form = form_of(c, w);

	if (form == NULL)
		return -EINVAL;
	memcpy(text, c->random_iv ? iv : c->iv, CIPHER_IV_LEN);
	lay_out(form, w, text + CIPHER_IV_LEN);
	for (size_t at = CIPHER_IV_LEN; at < CIPHER_IV_LEN + form->cipher_len; at += BLOCK) {
		for (size_t i = 0; i < BLOCK; i++)
			text[at + i] ^= text[at - BLOCK + i];
		if (!legacy_blowfish_encrypt(c->blowfish, text + at, text + at))
			return -EIO;
	}
	size_t from = c->random_iv ? 0 : CIPHER_IV_LEN;
	*ret_count = CIPHER_IV_LEN + form->cipher_len - from;
	for (size_t i = 0; i < *ret_count; i++)
		ret[i] = (uint16_t)(c->port_first + text[from + i]);
	return 0;
}
