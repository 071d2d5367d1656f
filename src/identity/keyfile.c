/*
 * OpenSSH private keys. Invariant: a seed is handed out only when the public key that the file names
 * twice is the one that belongs to it; what was decoded on the way is wiped.
 */

#include "identity/keyfile.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC "openssh-key-v1"
#define KIND "ssh-ed25519"
#define BEGIN_LINE "-----BEGIN OPENSSH PRIVATE KEY-----\n"
#define END_LINE "-----END OPENSSH PRIVATE KEY-----\n"
#define LINE_LEN 70
#define BLOCK_LEN 8 /* what the cipher "none" pads to */

const char *keyfile_result_text(enum keyfile_result r)
{
	switch (r) {
	case KEYFILE_OK:
		break;
	case KEYFILE_FORMAT:
		return "it is not a private key in a form known here";
	case KEYFILE_ENCRYPTED:
		return "it is locked with a passphrase";
	case KEYFILE_PASSWORD:
		return "the password is wrong; try again";
	case KEYFILE_COST:
		return "a try of its password would take minutes or hours; have it made anew";
	case KEYFILE_CIPHER:
		return "it is locked with a cipher that is not known here";
	case KEYFILE_KIND:
		return "its key is not of kind Ed25519";
	case KEYFILE_MISMATCH:
		return "the parts of the key in it do not belong together";
	case KEYFILE_SIZE:
		return "the certificate or the key in it is longer than 4096 bytes";
	case KEYFILE_MEMORY:
		return "there is not enough memory to read it";
	}
	return "";
}

/* ------------------------------------------------------------------ reading */

static struct span take_string(struct reader *r)
{
	uint32_t len = reader_u32(r);
	return reader_take(r, len);
}

static bool is_text(struct span s, const char *text)
{
	return span_equal(s, span_of(text, strlen(text)));
}

/* "none", "none", no options. */
static enum keyfile_result read_lock(struct reader *r)
{
	struct span magic = reader_take(r, sizeof(MAGIC));
	struct span cipher = take_string(r), kdf = take_string(r), options = take_string(r);
	if (r->is_short || !span_equal(magic, span_of(MAGIC, sizeof(MAGIC))))
		return KEYFILE_FORMAT;
	if (!is_text(cipher, "none") || !is_text(kdf, "none"))
		return KEYFILE_ENCRYPTED;
	return options.len == 0 ? KEYFILE_OK : KEYFILE_FORMAT;
}

static enum keyfile_result read_public(struct span blob, struct span *ret_pk)
{
	struct reader r = reader_init(blob);
	struct span kind = take_string(&r);
	if (!r.is_short && !is_text(kind, KIND))
		return KEYFILE_KIND;
	*ret_pk = take_string(&r);
	return reader_done(&r) && ret_pk->len == 32 ? KEYFILE_OK : KEYFILE_FORMAT;
}

static bool padding_is_good(struct span private, struct span padding)
{
	if (private.len % BLOCK_LEN != 0 || padding.len >= BLOCK_LEN)
		return false;
	for (size_t i = 0; i < padding.len; i++)
		if (padding.data[i] != i + 1)
			return false;
	return true;
}

static bool belong_together(struct span secret, struct span pk, struct span outer_pk)
{
	uint8_t made[32], sk[64];
	crypto_sign_seed_keypair(made, sk, secret.data);
	bool is_good = sodium_memcmp(sk, secret.data, sizeof(sk)) == 0 &&
		span_equal(pk, SPAN_OF(made)) && span_equal(outer_pk, SPAN_OF(made));
	sodium_memzero(sk, sizeof(sk));
	return is_good;
}

static enum keyfile_result read_private(
	struct span private, struct span outer_pk, uint8_t ret[KEYFILE_SEED_LEN])
{
	struct reader r = reader_init(private);
	uint32_t check = reader_u32(&r), again = reader_u32(&r);
	struct span kind = take_string(&r), pk = take_string(&r), secret = take_string(&r);
	struct span comment = take_string(&r);
	struct span padding = reader_rest(&r);
	(void)comment;
	if (r.is_short || check != again || !padding_is_good(private, padding))
		return KEYFILE_FORMAT;
	if (!is_text(kind, KIND))
		return KEYFILE_KIND;
	if (pk.len != 32 || secret.len != 64)
		return KEYFILE_FORMAT;
	if (!belong_together(secret, pk, outer_pk))
		return KEYFILE_MISMATCH;
	memcpy(ret, secret.data, KEYFILE_SEED_LEN);
	return KEYFILE_OK;
}

enum keyfile_result keyfile_ssh_decode(struct span body, uint8_t ret[KEYFILE_SEED_LEN])
{
	struct reader r = reader_init(body);
	struct span pk = { 0 };
	enum keyfile_result result = read_lock(&r);
	if (result != KEYFILE_OK)
		return result;
	uint32_t count = reader_u32(&r);
	struct span public = take_string(&r), private = take_string(&r);
	if (!reader_done(&r) || count != 1)
		return KEYFILE_FORMAT;
	result = read_public(public, &pk);
	return result == KEYFILE_OK ? read_private(private, pk, ret) : result;
}

static bool starts_with(struct span s, const char *text)
{
	return s.len >= strlen(text) && memcmp(s.data, text, strlen(text)) == 0;
}

/* What stands between the BEGIN and the END line, which is the last. */
static bool cut_lines(struct span text, struct span *ret)
{
	const size_t begin = strlen(BEGIN_LINE), end = strlen(END_LINE);
	if (!starts_with(text, BEGIN_LINE) || text.len < begin + end)
		return false;
	struct span tail = span_slice(text, text.len - end, end);
	*ret = span_slice(text, begin, text.len - begin - end);
	return starts_with(tail, END_LINE) && ret->len > 0 && ret->data[ret->len - 1] == '\n';
}

enum keyfile_result keyfile_ssh_read(struct span text, uint8_t ret[KEYFILE_SEED_LEN])
{
	struct span lines;
	size_t len = 0;
	const char *end = NULL;

	if (text.len > KEYFILE_MAX || !cut_lines(text, &lines))
		return KEYFILE_FORMAT;
	uint8_t *body = malloc(lines.len);
	if (body == NULL)
		return KEYFILE_MEMORY;
	enum keyfile_result result = KEYFILE_FORMAT;
	if (sodium_base642bin(body, lines.len, (const char *)lines.data, lines.len, "\n", &len,
		    &end, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		end == (const char *)lines.data + lines.len)
		result = keyfile_ssh_decode(span_of(body, len), ret);
	sodium_memzero(body, lines.len);
	free(body);
	return result;
}

/* ------------------------------------------------------------------ writing */

static void put_string(struct writer *w, const void *data, size_t len)
{
	writer_u32(w, (uint32_t)len);
	writer_put(w, data, len);
}

static void put_public(struct writer *w, const uint8_t pk[32])
{
	put_string(w, KIND, strlen(KIND));
	put_string(w, pk, 32);
}

static bool comment_is_good(const char *comment)
{
	size_t len = strlen(comment);
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)comment[i] < 0x20 || comment[i] == 0x7f)
			return false;
	return len <= KEYFILE_COMMENT_MAX;
}

static void put_private(struct writer *w, const uint8_t pk[32], const uint8_t sk[64],
	const char *comment, uint32_t check)
{
	size_t start = w->len;
	writer_u32(w, check);
	writer_u32(w, check);
	put_public(w, pk);
	put_string(w, sk, 64);
	put_string(w, comment, strlen(comment));
	for (uint8_t i = 1; (w->len - start) % BLOCK_LEN != 0 && !w->is_full; i++)
		writer_u8(w, i);
}

size_t keyfile_ssh_encode(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment, uint32_t check,
	uint8_t to[KEYFILE_SSH_LEN_MAX])
{
	uint8_t pk[32], sk[64], public[64], private[KEYFILE_SSH_LEN_MAX];
	struct writer w = writer_init(to, KEYFILE_SSH_LEN_MAX);
	struct writer inner = writer_init(public, sizeof(public));

	if (!comment_is_good(comment))
		return 0;
	crypto_sign_seed_keypair(pk, sk, seed);
	writer_put(&w, MAGIC, sizeof(MAGIC));
	put_string(&w, "none", 4);
	put_string(&w, "none", 4);
	put_string(&w, "", 0);
	writer_u32(&w, 1);
	put_public(&inner, pk);
	put_string(&w, public, inner.len);
	inner = writer_init(private, sizeof(private));
	put_private(&inner, pk, sk, comment, check);
	put_string(&w, private, inner.len);
	sodium_memzero(sk, sizeof(sk));
	sodium_memzero(private, sizeof(private));
	return w.is_full || inner.is_full ? 0 : w.len;
}

static char *armour(const uint8_t *body, size_t len)
{
	char base64[sodium_base64_ENCODED_LEN(KEYFILE_SSH_LEN_MAX, sodium_base64_VARIANT_ORIGINAL)];
	size_t cap = sizeof(base64) + sizeof(base64) / LINE_LEN + sizeof(BEGIN_LINE END_LINE) + 1;
	struct writer w = writer_init(malloc(cap), cap);
	if (w.start == NULL)
		return NULL;
	sodium_bin2base64(base64, sizeof(base64), body, len, sodium_base64_VARIANT_ORIGINAL);
	writer_put(&w, BEGIN_LINE, strlen(BEGIN_LINE));
	for (size_t at = 0, end = strlen(base64); at < end; at += LINE_LEN) {
		writer_put(&w, base64 + at, end - at < LINE_LEN ? end - at : LINE_LEN);
		writer_u8(&w, '\n');
	}
	writer_put(&w, END_LINE, sizeof(END_LINE));
	sodium_memzero(base64, sizeof(base64));
	return (char *)w.start;
}

char *keyfile_ssh_write(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment)
{
	uint8_t body[KEYFILE_SSH_LEN_MAX];
	size_t len = keyfile_ssh_encode(seed, comment, randombytes_random(), body);
	char *text = len > 0 ? armour(body, len) : NULL;
	sodium_memzero(body, sizeof(body));
	return text;
}

char *keyfile_ssh_public(const uint8_t seed[KEYFILE_SEED_LEN], const char *comment)
{
	uint8_t pk[32], sk[64], blob[64];
	char base64[sodium_base64_ENCODED_LEN(sizeof(blob), sodium_base64_VARIANT_ORIGINAL)];
	char *text = NULL;
	struct writer w = writer_init(blob, sizeof(blob));

	if (!comment_is_good(comment))
		return NULL;
	crypto_sign_seed_keypair(pk, sk, seed);
	sodium_memzero(sk, sizeof(sk));
	put_public(&w, pk);
	sodium_bin2base64(base64, sizeof(base64), blob, w.len, sodium_base64_VARIANT_ORIGINAL);
	return asprintf(&text, KIND " %s %s\n", base64, comment) < 0 ? NULL : text;
}
