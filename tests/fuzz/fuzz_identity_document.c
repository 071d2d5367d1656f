/*
 * Files for named people. The first byte says what the rest is: 0 such a file, 1 a document key, 2 such
 * a file whose head is signed anew by the key of the vectors where its signature stands when there is one
 * recipient, so that damage in front of it is not always found by it. What opens has a sender with a name,
 * pieces within their bounds, and ends once.
 */

#include <errno.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/document.h"
#include "knock/spa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 262144

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void keys_of(uint8_t fill, uint8_t pk[32], uint8_t sk[64])
{
	uint8_t seed[32];
	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
}

static void read_pieces(struct document_reader *d, struct span rest)
{
	static uint8_t to[DOCUMENT_ROOM_MAX];
	bool is_last = false;
	while (!is_last) {
		size_t used = 0, len = 0;
		int rc = document_read(d, rest, &used, to, &len, &is_last);
		must(rc == 0 || rc == -EAGAIN || rc == -EBADMSG);
		if (rc != 0)
			return;
		must(used <= rest.len && used == len + 21 + (is_last ? 64 : 0) &&
			len <= DOCUMENT_PIECE_MAX);
		rest = span_slice(rest, used, rest.len);
	}
	size_t used, len;
	must(document_read(d, rest, &used, to, &len, &is_last) == -EBADMSG);
}

static void check_document(struct span s)
{
	struct idfile_secrets *secrets = calloc(1, sizeof(*secrets));
	struct document_sender sender;
	struct document_reader *d = NULL;
	struct fault f = { "" };
	size_t head_len = 0;
	must(secrets != NULL);
	secrets->document_count = 2;
	memset(secrets->documents[0].seed, 0x32, 32);
	memset(secrets->documents[1].seed, 0x31, 32);
	int rc = document_reader_new(s, secrets, &d, &sender, &head_len, &f);
	free(secrets);
	if (rc != 0) {
		must(f.text[0] != '\0' && d == NULL);
		must(rc != -EAGAIN || s.len < DOCUMENT_HEAD_MAX);
		return;
	}
	must(head_len <= s.len && head_len <= DOCUMENT_HEAD_MAX && sender.name[0] != '\0');
	read_pieces(d, span_slice(s, head_len, s.len));
	document_reader_free(d);
}

/* Where the signature stands: 20 + 1 + 88 + 32 + 2 + name + 24. */
static void sign_again(uint8_t *b, size_t len)
{
	uint8_t pk[32], sk[64], bytes[20 + 32] = "postern document v1";
	if (len < 143)
		return;
	size_t at = 143 + ((size_t)b[141] << 8 | b[142]) + 24;
	if (at + 64 > len)
		return;
	keys_of(0x21, pk, sk);
	crypto_hash_sha256(bytes + 20, b, at);
	crypto_sign_detached(b + at, NULL, bytes, sizeof(bytes), sk);
}

static void check_key(struct span s)
{
	struct document_key k;
	uint8_t pk[32], sk[64], key_id[32], again[DOCUMENT_KEY_LEN];
	keys_of(0x51, pk, sk);
	if (!document_key_decode(s, pk, &k))
		return;
	spa_key_id(pk, key_id);
	must(memcmp(key_id, k.key_id, 32) == 0);
	document_key_encode(&k, sk, again);
	must(span_equal(SPAN_OF(again), s));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len < 1 || len > INPUT_MAX || data[0] > 2)
		return 0;
	uint8_t *copy = malloc(len);
	must(copy != NULL);
	memcpy(copy, data + 1, len - 1);
	if (data[0] == 2)
		sign_again(copy, len - 1);
	if (data[0] == 1)
		check_key(span_of(copy, len - 1));
	else
		check_document(span_of(copy, len - 1));
	free(copy);
	return 0;
}
