/*
 * The ID of the relay process. Invariant: what leaves here is under the server's name and is not the
 * server's key.
 */

#include "daemon/relay_keys.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool relay_keys_are_needed(const struct config *c)
{
	for (size_t i = 0; i < c->passthru_count; i++)
		if (c->passthrus[i].encrypt)
			return true;
	return false;
}

static bool has_name(const char *text, const struct name *name)
{
	struct name n;
	return name_parse(text, false, &n) == NAME_OK && name_equal(&n, name);
}

/* Does the last one say that an organisation issued it? */
static bool reaches_organisation(const struct chain *c)
{
	struct cert cert;
	struct cert_parts parts;
	if (cert_decode(c->der[c->count - 1], &cert, &parts) != CERT_OK)
		return false;
	for (size_t i = 0; i < cert.issuer.count; i++)
		if (cert.issuer.parts[i].type != NAME_C && cert.issuer.parts[i].type != NAME_O)
			return false;
	return true;
}

/* What it shows of itself, as a client will follow it. */
static int check_chain(const char *path, const struct chain *c, const struct server_keys *server,
	const struct trust *trust, uint64_t wall_ms, struct relay_keys *k, struct fault *f)
{
	struct chain_identity who;
	enum chain_reject r = chain_verify(trust, c, wall_ms, &who);
	if (r != CHAIN_OK && r != CHAIN_EXPIRED) {
		fault_set(f, "%s: relay-id: its certificates do not hold: %s; certify it anew",
			path, chain_reject_text(r));
		return -EINVAL;
	}
	if (who.kind != CERT_SERVER || !has_name(server->name, &who.name)) {
		fault_set(f,
			"%s: relay-id: its certificate is not of a server called %s; make it with "
			"the name of the server's own ID",
			path, server->name);
		return -EINVAL;
	}
	if (!reaches_organisation(c)) {
		fault_set(f,
			"%s: relay-id: its certificates do not reach up to its organisation; merge "
			"those of the units above it into it",
			path);
		return -EINVAL;
	}
	k->not_after_ms = who.not_after_ms;
	return 0;
}

static int fill(struct relay_keys *k, const char *path, const struct idfile *id,
	const struct idfile_secrets *secrets, const struct server_keys *server,
	const struct trust *trust, uint64_t wall_ms, struct fault *f)
{
	struct chain c;
	uint8_t pk[32], sk[64];
	if (idfile_header(id)->kind != IDFILE_SERVER || !chain_of_idfile(id, &c)) {
		fault_set(f,
			"%s: relay-id: is no server ID with a certificate; certify one, with the name "
			"of the server's own",
			path);
		return -EINVAL;
	}
	crypto_sign_seed_keypair(pk, sk, secrets->seed);
	sodium_memzero(sk, sizeof(sk));
	if (sodium_memcmp(pk, server->pk, sizeof(pk)) == 0) {
		fault_set(f,
			"%s: relay-id: has the key of the server's own ID; make one with another key",
			path);
		return -EINVAL;
	}
	for (size_t i = 0; i < c.count; i++) {
		memcpy(k->chain + k->chain_len, c.der[i].data, c.der[i].len);
		k->chain_len += c.der[i].len;
	}
	memcpy(k->seed, secrets->seed, sizeof(k->seed));
	return check_chain(path, &c, server, trust, wall_ms, k, f);
}

struct relay_keys *relay_keys_load(const struct config *c, const struct server_keys *server,
	const struct trust *trust, uint64_t wall_ms, struct fault *f)
{
	const struct keys_source from = { c->server.relay_id, c->server.relay_key, "relay-key" };
	struct relay_keys *k = NULL, *ret = NULL;
	struct idfile_secrets *secrets = NULL;
	struct idfile *id = NULL;

	if (from.id_path == NULL) {
		fault_set(f,
			"%s: a passthru encrypts, which needs relay-id and relay-key in server",
			c->file);
		return NULL;
	}
	k = calloc(1, sizeof(*k));
	secrets = calloc(1, sizeof(*secrets));
	if (k == NULL || secrets == NULL) {
		fault_set(f, "%s: no memory to open it", from.id_path);
		goto out;
	}
	id = keys_open(&from, secrets, f);
	if (id == NULL || fill(k, from.id_path, id, secrets, server, trust, wall_ms, f) < 0)
		goto out;
	ret = k;
	k = NULL;
out:
	if (secrets != NULL)
		idfile_secrets_wipe(secrets);
	free(secrets);
	idfile_free(id);
	relay_keys_free(k);
	return ret;
}

void relay_keys_free(struct relay_keys *k)
{
	if (k == NULL)
		return;
	sodium_memzero(k, sizeof(*k));
	free(k);
}
