/*
 * The framing of SSH signatures. Invariant: what is built here begins with "SSHSIG" or with a hash,
 * never with the text of another kind of signature by the same key.
 */

#include "knock/sshsig.h"

#include <sodium.h>

#include "knock/internal.h"

#define TOKEN_DATA_LEN (32 + 1 + 4 + 32)

_Static_assert(sizeof(SSHSIG_NAMESPACE) - 1 == 13, "SSHSIG_DATA_LEN counts it");

/* RFC 4251 5 "string" */
static void put_string(struct writer *w, struct span s)
{
	writer_u32(w, (uint32_t)s.len);
	writer_put(w, s.data, s.len);
}

void sshsig_data(struct span message, uint8_t to[SSHSIG_DATA_LEN])
{
	const struct span magic = KNOCK_TEXT("SSHSIG");
	uint8_t hash[crypto_hash_sha512_BYTES];
	struct writer w = writer_init(to, SSHSIG_DATA_LEN);

	crypto_hash_sha512(hash, message.data, message.len);
	writer_put(&w, magic.data, magic.len);
	put_string(&w, KNOCK_TEXT(SSHSIG_NAMESPACE));
	put_string(&w, KNOCK_TEXT("")); /* reserved */
	put_string(&w, KNOCK_TEXT("sha512"));
	put_string(&w, SPAN_OF(hash));
}

bool sshsig_verify_token(const uint8_t pk[32], const struct sshsig_token *t, struct span data,
	const uint8_t signature[SSHSIG_SIGNATURE_LEN])
{
	uint8_t hash[crypto_hash_sha256_BYTES], message[TOKEN_DATA_LEN];
	struct writer w = writer_init(message, sizeof(message));

	crypto_hash_sha256(hash, t->application.data, t->application.len);
	writer_put(&w, hash, sizeof(hash));
	writer_u8(&w, t->flags);
	writer_u32(&w, t->counter);
	crypto_hash_sha256(hash, data.data, data.len);
	writer_put(&w, hash, sizeof(hash));
	return crypto_sign_verify_detached(signature, message, w.len, pk) == 0;
}
