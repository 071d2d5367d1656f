/*
 * Unlocked IDs. Invariant: secrets pass from the ID file to a postern_id through guarded memory
 * only, which is wiped when it is freed.
 */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

struct postern_id *lib_id_new(const char *name, const struct idfile_secrets *secrets)
{
	uint8_t pk[crypto_sign_PUBLICKEYBYTES];
	struct postern_id *id = sodium_malloc(sizeof(*id));
	if (id == NULL)
		return NULL;
	memset(id, 0, sizeof(*id));
	strncpy(id->name, name, sizeof(id->name) - 1);
	crypto_sign_seed_keypair(pk, id->sign_sk, secrets->seed);
	spa_key_id(pk, id->key_id);
	id->identity_type = SPA_ID_KEY;
	id->signature_type = SPA_SIG_ED25519;
	for (size_t i = 0; i < secrets->psk_count && i < IDFILE_PSKS_MAX; i++) {
		memcpy(id->psks[i].sid, secrets->psks[i].sid, SPA_SID_LEN);
		memcpy(id->psks[i].key, secrets->psks[i].key, HPKE_PSK_LEN);
		id->psks[i].slot = secrets->psks[i].slot;
		id->psk_count++;
	}
	return id;
}

/* Why an ID file does not unlock, with what to do; *f keeps the reader's own words on its format. */
static int refusal(enum idfile_result result, struct fault *f)
{
	switch (result) {
	case IDFILE_OK:
		return 0;
	case IDFILE_BAD_FORMAT:
		return -EINVAL;
	case IDFILE_WRONG_PASSWORD:
	case IDFILE_WRONG_KEY:
		fault_set(f, "the password is wrong; try again");
		return -EACCES;
	case IDFILE_NO_SLOT:
		fault_set(f,
			"this ID has no password, it opens with a key file; "
			"give it one with \"postern id passwd\"");
		return -ENOKEY;
	case IDFILE_TAMPERED:
		fault_set(f, "this ID was changed after it was sealed; use a copy that was not");
		return -EBADMSG;
	case IDFILE_NO_MEMORY:
		fault_set(f, "too little memory to unlock this ID; close something and try again");
		return -ENOMEM;
	}
	return -EINVAL;
}

/* What its certificates are good for. An ID that nobody certified yet has none. */
static int take_certificates(struct postern_id *id, const struct idfile *file, struct fault *f)
{
	if (idfile_cert_count(file) == 0)
		return 0;
	int rc = lib_trust_new(file, &id->trust, f);
	if (rc == 0)
		lib_id_set_chain(id);
	return rc;
}

/* Unlock file into *ret. That the key is the one its header names, idfile checks. */
static int unlock(
	const struct idfile *file, struct span password, struct postern_id **ret, struct fault *f)
{
	const struct idfile_header *h = idfile_header(file);
	struct postern_id *id = NULL;
	struct idfile_secrets *secrets = sodium_malloc(sizeof(*secrets));
	int rc;

	if (secrets == NULL) {
		rc = refusal(IDFILE_NO_MEMORY, f);
		goto out;
	}
	rc = refusal(idfile_unlock_password(file, password, secrets, NULL), f);
	if (rc < 0)
		goto out;
	id = lib_id_new(h->name, secrets);
	if (id == NULL) {
		rc = refusal(IDFILE_NO_MEMORY, f);
		goto out;
	}
	rc = take_certificates(id, file, f);
	if (rc < 0)
		goto out;
	*ret = id;
	id = NULL;
out:
	sodium_free(secrets);
	postern_id_free(id);
	return rc;
}

int postern_id_load(const char *path, const char *password, size_t len, struct postern_id **ret,
	struct postern_error *err)
{
	struct fault f = { "" };
	struct idfile *file = NULL;
	uint8_t *text = NULL;
	size_t text_len = 0;

	int rc = file_read(path, FILE_SECRET, IDFILE_MAX, &text, &text_len, &f);
	if (rc < 0)
		return lib_fail(err, rc, NULL, &f);
	if (sodium_init() < 0) {
		rc = -ENOSYS;
		fault_set(&f, "the system gives no random numbers; unlock the ID on another one");
		goto out;
	}
	rc = refusal(idfile_parse(span_of(text, text_len), &file, &f), &f);
	if (rc < 0)
		goto out;
	if (idfile_header(file)->kind == IDFILE_CERTIFIER) {
		rc = -EINVAL;
		fault_set(&f,
			"this is a certifier's ID, which signs names and never knocks; "
			"use a person's or a server's");
		goto out;
	}
	rc = unlock(file, span_of(password, len), ret, &f);
out:
	idfile_free(file);
	free(text);
	return rc < 0 ? lib_fail(err, rc, path, &f) : 0;
}

void postern_id_free(struct postern_id *id)
{
	if (id == NULL)
		return;
	lib_trust_free(id->trust);
	sodium_free(id);
}

const char *postern_id_name(const struct postern_id *id)
{
	return id->name;
}

bool postern_id_wants_touch(const struct postern_id *id)
{
	return id->signature_type == SPA_SIG_SK;
}

int lib_id_sign(const struct postern_id *id, const struct spa_draft *draft, struct spa_proof *ret,
	struct fault *f)
{
	const struct span data = span_of(draft->to_sign, draft->to_sign_len);
	if (id->is_agent)
		return lib_agent_sign(&id->agent, data, ret, f);
	*ret = (struct spa_proof){ 0 };
	crypto_sign_detached(ret->signature, NULL, data.data, data.len, id->sign_sk);
	return 0;
}
