/*
 * Signatures by plain keys, keys in agents, and tokens. Invariant: nothing that a token says of itself
 * is looked at before its signature holds.
 */

#include "daemon/proof.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "knock/sshsig.h"

static bool holds_ed25519(const uint8_t pk[32], const struct spa_request *q, struct span message)
{
	return crypto_sign_verify_detached(q->signature.data, message.data, message.len, pk) == 0;
}

static bool holds_token(
	const struct directory_entry *e, const struct spa_request *q, struct span data)
{
	const struct sshsig_token t = {
		.application = span_of(e->application, e->application_len),
		.flags = q->fido_flags,
		.counter = q->fido_counter,
	};
	return sshsig_verify_token(e->pk, &t, data, q->signature.data);
}

bool proof_holds(
	const struct directory_entry *e, const struct spa_request *q, struct span transcript)
{
	bool is_token = e->key == DIRECTORY_SK_ED25519;

	if (e->key == DIRECTORY_KEY_ID_ONLY || is_token != (q->signature_type == SPA_SIG_SK))
		return false;
	if (!is_token)
		return proof_holds_key(e->pk, q, transcript);
	uint8_t data[SSHSIG_DATA_LEN];
	sshsig_data(transcript, data);
	return holds_token(e, q, SPAN_OF(data));
}

bool proof_holds_key(const uint8_t pk[32], const struct spa_request *q, struct span transcript)
{
	uint8_t data[SSHSIG_DATA_LEN];
	if (q->signature_type == SPA_SIG_ED25519)
		return holds_ed25519(pk, q, transcript);
	if (q->signature_type != SPA_SIG_SSHSIG)
		return false;
	sshsig_data(transcript, data);
	return holds_ed25519(pk, q, SPAN_OF(data));
}

const char *proof_lack(const struct directory_entry *e, const struct spa_request *q)
{
	if (q->signature_type != SPA_SIG_SK)
		return NULL;
	if ((q->fido_flags & SSHSIG_FLAG_UP) == 0)
		return "fido-touch";
	return e->requires_uv && (q->fido_flags & SSHSIG_FLAG_UV) == 0 ? "fido-pin" : NULL;
}

int proof_counter(struct store *s, const struct store_claim *before, size_t n,
	const uint8_t key_id[32], uint32_t counter)
{
	uint32_t last = 0;
	int rc = store_counter_get(s, key_id, &last);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < n; i++)
		if (before[i].counter_id != NULL && memcmp(before[i].counter_id, key_id, 32) == 0)
			last = before[i].counter;
	/* WebAuthn 7.2, step 22: a token that once counted does not stop doing so. */
	if (counter == 0 && last == 0)
		return 0;
	return counter > last ? 1 : -ESTALE;
}

const char *proof_text(const char *reason)
{
	static const struct {
		const char *reason, *text;
	} texts[] = {
		{ "fido-touch", "the token signed without being touched" },
		{ "fido-pin", "the token signed without its PIN, which its line requires" },
		{ PROOF_COUNTER, "the token's counter did not grow: there may be a copy of it" },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(texts[i].reason, reason) == 0)
			return texts[i].text;
	return "";
}
