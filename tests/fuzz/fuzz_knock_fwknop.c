/*
 * fwknop packets, with a key of our own. The first byte says what the rest is: a payload; a text that gets
 * a right MAC; a plaintext that gets digest, padding, encryption and MAC. Property: what is read can be
 * written again and says the same, and with one character changed it is of no key.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/fwknop_internal.h"

#define NOW_S 1795316502

static struct fwknop_key *key;

static void set_up(void)
{
	struct fwknop_secret secret = { .key_len = 32, .hmac_key_len = 64 };
	struct fwknop_settings s = { .secret = &secret,
		.hmac = CONFIG_HMAC_SHA256,
		.mode = CONFIG_AES_CBC,
		.max_age_s = 120 };
	struct fault f;
	for (size_t i = 0; i < 64; i++)
		secret.hmac_key[i] = (uint8_t)(0x40 + i);
	for (size_t i = 0; i < 32; i++)
		secret.key[i] = (uint8_t)i;
	if (sodium_init() < 0)
		abort();
	key = fwknop_key_new(&s, &f);
	if (key == NULL)
		abort();
}

static void add_mac(struct fwknop_text *t)
{
	char tag[FWKNOP_HASH_TEXT_MAX + 1];
	size_t len = fwknop_mac_text(key, span_of(t->text, t->len), tag);
	memcpy(t->text + t->len, tag, len);
	t->len += len;
}

static enum fwknop_reject seal(struct span plain, struct fwknop_text *ret)
{
	uint8_t blob[FWKNOP_BLOB_MAX] = FWKNOP_SALT_MARK "12345678";
	uint8_t padded[FWKNOP_BLOB_MAX];
	char text[2 * FWKNOP_BLOB_MAX], digest[FWKNOP_HASH_TEXT_MAX + 1];
	struct writer w = writer_init(padded, FWKNOP_BLOB_MAX - 32);

	writer_put(&w, plain.data, plain.len);
	writer_put(&w, ":", 1);
	writer_put(&w, digest, fwknop_hash_text(key, CONFIG_HMAC_SHA256, plain, digest));
	if (w.is_full)
		return FWKNOP_LENGTH;
	size_t pad = FWKNOP_BLOCK - w.len % FWKNOP_BLOCK;
	memset(padded + w.len, (int)pad, pad);
	if (!fwknop_encrypt(key, blob + FWKNOP_MARK_LEN, span_of(padded, w.len + pad), blob + 16))
		abort();
	sodium_bin2base64(text, sizeof(text), blob, 16 + w.len + pad,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	ret->len = strlen(text) - FWKNOP_PREFIX_LEN;
	memcpy(ret->text, text + FWKNOP_PREFIX_LEN, ret->len);
	add_mac(ret);
	return FWKNOP_OK;
}

static enum fwknop_reject make_text(uint8_t kind, struct span data, struct fwknop_text *ret)
{
	if (kind < 3)
		return fwknop_text_take((enum fwknop_carrier)kind, data, ret);
	if (kind != 3)
		return seal(data, ret);
	if (data.len > FWKNOP_TEXT_MAX - FWKNOP_HASH_TEXT_MAX)
		return FWKNOP_LENGTH;
	ret->len = data.len;
	if (data.len != 0)
		memcpy(ret->text, data.data, data.len);
	add_mac(ret);
	return FWKNOP_OK;
}

static void check_written_again(const struct fwknop_message *m)
{
	struct fwknop_dice dice = { .digest = CONFIG_HMAC_SHA256 };
	struct fwknop_message back;
	struct fwknop_text t;

	/* A field that is not kept may have made it longer than the writer allows, but not shorter. */
	if (!fwknop_write(key, m, &dice, &t) ||
		fwknop_read(&key, 1, &t, m->time_s, &back) != FWKNOP_OK)
		abort();
	memcpy(back.replay, m->replay, sizeof(back.replay));
	if (memcmp(&back, m, sizeof(back)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fwknop_message m = { 0 };
	struct fwknop_text t = { 0 };

	if (key == NULL)
		set_up();
	if (size == 0 || make_text(data[0] % 5, span_of(data + 1, size - 1), &t) != FWKNOP_OK)
		return 0;
	if (fwknop_read(&key, 1, &t, NOW_S, &m) != FWKNOP_OK)
		return 0;
	check_written_again(&m);
	size_t at = m.replay[0] * 7u % t.len;
	t.text[at] = t.text[at] == 'A' ? 'B' : 'A';
	if (fwknop_read(&key, 1, &t, NOW_S, &m) != FWKNOP_MAC)
		abort();
	return 0;
}
