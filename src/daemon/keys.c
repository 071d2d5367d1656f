/*
 * Server keys. Invariant: every prekey in the table is signed by the identity key, and a rotating one is
 * in the store before a client can hear of it, so that a restart does not make a learnt prekey useless.
 */

#include "daemon/keys.h"

#include <errno.h>
#include <limits.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "identity/cert.h"
#include "identity/idfile.h"

/* Prekey 0 has no end of its own: it is for clients whose learnt prekey is gone. */
#define FALLBACK_NOT_AFTER UINT64_MAX

static void sign_prekey(struct server_keys *k, struct server_prekey *p, uint8_t id,
	uint64_t not_before_ms, uint64_t not_after_ms)
{
	p->record.id = id;
	p->record.psk_slot = 0;
	p->record.not_before_ms = not_before_ms;
	p->record.not_after_ms = not_after_ms;
	hpke_public_key(&p->sk, p->record.pk);
	prekey_sign(&p->record, k->sk);
}

_Static_assert(IDFILE_KEY_LEN == KEYS_STEALTH_LEN, "both are files of 32 bytes");

/* 32 secret bytes. what to do names the way to a new file. */
static int read_secret(
	const char *path, const char *what_to_do, uint8_t raw[IDFILE_KEY_LEN], struct fault *f)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_SECRET, 64, &data, &len, f);
	if (rc < 0)
		return rc;
	if (len == IDFILE_KEY_LEN) {
		memcpy(raw, data, IDFILE_KEY_LEN);
	} else {
		fault_set(f, "%s: holds %zu bytes, a key file holds %d; %s", path, len,
			IDFILE_KEY_LEN, what_to_do);
		rc = -EINVAL;
	}
	sodium_memzero(data, len);
	free(data);
	return rc;
}

/*
 * What systemd passed on under name, systemd.exec(5) "Credentials": a file in a folder that only this
 * service sees.
 */
static int read_credential(const struct keys_source *from, const char *name,
	uint8_t raw[IDFILE_KEY_LEN], struct fault *f)
{
	char path[PATH_MAX];
	struct fault why;
	const char *folder = secure_getenv("CREDENTIALS_DIRECTORY");
	if (folder == NULL) {
		fault_set(f,
			"%s: %s is the credential %s, but nothing was passed on; start posternd "
			"by systemd, with LoadCredentialEncrypted=%s:FILE in its unit",
			from->id_path, from->key_option, name, name);
		return -ENOENT;
	}
	int n = snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (n < 0 || (size_t)n >= sizeof(path)) {
		fault_set(f, "%s: the path of the credential %s is too long", from->id_path, name);
		return -ENAMETOOLONG;
	}
	int rc = read_secret(path, "encrypt the right file", raw, &why);
	if (rc == -ENOENT)
		fault_set(f,
			"%s: %s is the credential %s, but systemd did not pass on that one; put "
			"LoadCredentialEncrypted=%s:FILE into the unit",
			from->id_path, from->key_option, name, name);
	else if (rc < 0)
		*f = why;
	return rc;
}

static int read_key(const struct keys_source *from, uint8_t raw[IDFILE_KEY_LEN], struct fault *f)
{
	size_t len = strlen(CONFIG_CREDENTIAL);
	if (strncmp(from->key_path, CONFIG_CREDENTIAL, len) == 0)
		return read_credential(from, from->key_path + len, raw, f);
	return read_secret(from->key_path, "make the server ID anew", raw, f);
}

static int fill(struct server_keys *k, const struct idfile *id, const struct idfile_secrets *s,
	const char *path, struct fault *f)
{
	const struct idfile_header *h = idfile_header(id);
	if (h->kind != IDFILE_SERVER) {
		fault_set(f, "%s: is not a server ID; name the one that postern setup wrote", path);
		return -EINVAL;
	}
	if (!s->has_x25519) {
		fault_set(f,
			"%s: holds no X25519 key, which a server needs to be knocked at; make it "
			"anew with postern setup",
			path);
		return -EINVAL;
	}
	crypto_sign_seed_keypair(k->pk, k->sk, s->seed);
	spa_key_id(k->pk, k->sid);
	memcpy(k->fallback.sk.b, s->x25519, sizeof(k->fallback.sk.b));
	sign_prekey(k, &k->fallback, 0, 0, FALLBACK_NOT_AFTER);
	for (size_t i = 0; i < s->psk_count && i < 15; i++) {
		k->psks[i].slot = s->psks[i].slot;
		memcpy(k->psks[i].key, s->psks[i].key, HPKE_PSK_LEN);
		k->psk_count++;
	}
	size_t len = strlen(h->name);
	memcpy(k->name, h->name, len < CARD_NAME_MAX ? len : CARD_NAME_MAX);

	k->own.count = idfile_cert_count(id);
	for (size_t i = 0; i < k->own.count; i++) {
		struct span der = idfile_cert(id, i);
		k->own.len[i] = der.len;
		memcpy(k->own.der[i], der.data, der.len);
	}
	k->not_after_ms = UINT64_MAX;
	struct cert cert;
	if (idfile_cert_count(id) > 0) {
		struct fault why;
		if (cert_read(idfile_cert(id, 0), &cert, &why) < 0) {
			fault_set(f, "%s: its certificate is broken: %.300s", path, why.text);
			return -EINVAL;
		}
		k->not_after_ms = cert.not_after_ms;
	}
	return 0;
}

static void set_unlock_fault(const struct keys_source *from, enum idfile_result r, struct fault *f)
{
	if (r == IDFILE_NO_SLOT)
		fault_set(f, "%s: cannot be opened by a key file; make it anew with postern setup",
			from->id_path);
	else if (r == IDFILE_TAMPERED)
		fault_set(f, "%s: was changed after it was sealed; restore it from a backup",
			from->id_path);
	else if (r == IDFILE_NO_MEMORY)
		fault_set(f, "%s: cannot be opened for want of memory", from->id_path);
	else
		fault_set(f, "%s: is not opened by the key file %s names; name the right one",
			from->id_path, from->key_option);
}

struct idfile *keys_open(
	const struct keys_source *from, struct idfile_secrets *ret, struct fault *f)
{
	struct idfile *id = NULL, *opened = NULL;
	uint8_t *text = NULL;
	size_t len = 0;
	uint8_t raw[IDFILE_KEY_LEN] = { 0 };
	struct fault why;

	if (from->key_path == NULL) {
		fault_set(f, "%s: needs a key file to be opened at start; set %s", from->id_path,
			from->key_option);
		return NULL;
	}
	if (file_read(from->id_path, FILE_SECRET, IDFILE_MAX, &text, &len, f) < 0)
		return NULL;
	if (idfile_parse(span_of(text, len), &id, &why) != IDFILE_OK) {
		fault_set(f, "%s: %.400s", from->id_path, why.text);
		goto out;
	}
	if (read_key(from, raw, f) < 0)
		goto out;
	enum idfile_result r = idfile_unlock_key(id, raw, ret, NULL);
	if (r != IDFILE_OK) {
		set_unlock_fault(from, r, f);
		goto out;
	}
	opened = id;
	id = NULL;
out:
	sodium_memzero(raw, sizeof(raw));
	idfile_free(id);
	free(text);
	return opened;
}

struct server_keys *keys_load(
	const char *id_path, const char *key_path, const char *stealth_path, struct fault *f)
{
	const struct keys_source from = { id_path, key_path, "id-key" };
	struct server_keys *k = calloc(1, sizeof(*k)), *ret = NULL;
	struct idfile_secrets *secrets = calloc(1, sizeof(*secrets));
	struct idfile *id = NULL;

	if (k == NULL || secrets == NULL) {
		fault_set(f, "%s: no memory to open it", id_path);
		goto out;
	}
	id = keys_open(&from, secrets, f);
	if (id == NULL || fill(k, id, secrets, id_path, f) < 0)
		goto out;
	memcpy(k->cookie_secret, k->sid, sizeof(k->cookie_secret));
	if (stealth_path != NULL &&
		read_secret(stealth_path,
			"write 32 random bytes into it and put them into the server cards",
			k->cookie_secret, f) < 0)
		goto out;
	ret = k;
	k = NULL;
out:
	if (secrets != NULL)
		idfile_secrets_wipe(secrets);
	free(secrets);
	idfile_free(id);
	keys_free(k);
	return ret;
}

void keys_free(struct server_keys *k)
{
	if (k == NULL)
		return;
	sodium_memzero(k, sizeof(*k));
	free(k);
}

const struct server_prekey *keys_find(const struct server_keys *k, uint8_t id)
{
	if (id == 0)
		return &k->fallback;
	for (size_t i = k->rotating_count; i > 0; i--)
		if (k->rotating[i - 1].record.id == id)
			return &k->rotating[i - 1];
	return NULL;
}

const uint8_t *keys_psk(const struct server_keys *k, uint8_t slot)
{
	for (size_t i = 0; i < k->psk_count; i++)
		if (k->psks[i].slot == slot)
			return k->psks[i].key;
	return NULL;
}

const struct server_prekey *keys_newest(const struct server_keys *k, uint64_t wall_ms)
{
	if (k->rotating_count > 0) {
		const struct server_prekey *p = &k->rotating[k->rotating_count - 1];
		if (p->record.not_after_ms > wall_ms)
			return p;
	}
	return &k->fallback;
}

static void add(struct server_keys *k, const struct store_prekey *p)
{
	if (k->rotating_count == KEYS_ROTATING_MAX) {
		memmove(&k->rotating[0], &k->rotating[1],
			(KEYS_ROTATING_MAX - 1) * sizeof(k->rotating[0]));
		k->rotating_count--;
	}
	struct server_prekey *to = &k->rotating[k->rotating_count++];
	memcpy(to->sk.b, p->sk, sizeof(to->sk.b));
	sign_prekey(k, to, p->id, p->not_before_ms, p->not_after_ms);
}

struct restore {
	struct server_keys *keys;
	uint64_t wall_ms;
};

static void restore_one(void *arg, const struct store_prekey *p)
{
	struct restore *r = arg;
	if (p->erase_ms > r->wall_ms && p->id != 0)
		add(r->keys, p);
}

int keys_restore(struct server_keys *k, struct store *s, uint64_t wall_ms)
{
	struct restore r = { k, wall_ms };
	k->rotating_count = 0;
	return store_prekeys(s, restore_one, &r);
}

static void forget_old(struct server_keys *k, uint64_t wall_ms)
{
	size_t kept = 0;
	for (size_t i = 0; i < k->rotating_count; i++)
		if (k->rotating[i].record.not_after_ms + KEYS_KEEP_MS > wall_ms)
			k->rotating[kept++] = k->rotating[i];
	for (size_t i = kept; i < k->rotating_count; i++)
		sodium_memzero(&k->rotating[i], sizeof(k->rotating[i]));
	k->rotating_count = kept;
}

int keys_rotate(struct server_keys *k, struct store *s, uint64_t wall_ms)
{
	forget_old(k, wall_ms);
	uint8_t last = 0;
	if (k->rotating_count > 0) {
		const struct prekey *newest = &k->rotating[k->rotating_count - 1].record;
		last = newest->id;
		/* One from the future was made by a clock that has been set back, and would live too long. */
		if (newest->not_after_ms > wall_ms + KEYS_ROTATE_MS / 2 &&
			newest->not_after_ms <= wall_ms + 2 * KEYS_ROTATE_MS)
			return 0;
	}
	struct store_prekey p = {
		.id = (uint8_t)(last % 255 + 1),
		.not_before_ms = wall_ms,
		.not_after_ms = wall_ms + KEYS_ROTATE_MS,
		.erase_ms = wall_ms + KEYS_ROTATE_MS + KEYS_KEEP_MS,
	};
	randombytes_buf(p.sk, sizeof(p.sk));
	int rc = store_prekey_put(s, &p);
	if (rc == 0)
		add(k, &p);
	sodium_memzero(&p, sizeof(p));
	return rc == 0 ? 1 : rc;
}
