/*
 * Opened ID files. Invariant: what was decrypted, and what it was decrypted with, stands in one guarded
 * block that is wiped when it is freed, whichever way that comes about.
 */

#include "cmd/id_open.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/id.h"

#define KEY_FILE_MAX                                                                               \
	64 /* more than any key file holds, so that a wrong one is told by its length */

static bool has_slot(const struct idfile *id, bool is_password)
{
	for (size_t i = 0; i < idfile_slot_count(id); i++)
		if ((idfile_slot_cost(id, i).ops != 0) == is_password)
			return true;
	return false;
}

static int read_key_file(const char *path, uint8_t raw[IDFILE_KEY_LEN], struct fault *f)
{
	uint8_t *data = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_SECRET, KEY_FILE_MAX, &data, &len, f);
	if (rc < 0)
		return rc;
	if (len == IDFILE_KEY_LEN) {
		memcpy(raw, data, IDFILE_KEY_LEN);
	} else {
		fault_set(f, "%s: holds %zu bytes, a key file holds %d; name the right file", path,
			len, IDFILE_KEY_LEN);
		rc = -EINVAL;
	}
	sodium_memzero(data, len);
	free(data);
	return rc;
}

static int unlock_by_key(struct id_open *o, const struct id_way *way, struct fault *f)
{
	if (!has_slot(o->file, false)) {
		fault_set(f, "%s: no key file opens it, only its password", o->path);
		return -EACCES;
	}
	int rc = read_key_file(way->key_file, o->raw_key, f);
	if (rc < 0)
		return rc;
	enum idfile_result r = idfile_unlock_key(o->file, o->raw_key, &o->secrets, &o->key);
	o->has_raw_key = r == IDFILE_OK;
	return id_unlock_fault(o->path, r, f);
}

static int unlock_by_password(struct id_open *o, const struct id_way *way, struct fault *f)
{
	struct password_source from = { .file = way->password_file, .line = 1 };
	/* Asking for a password that cannot serve would be unkind. */
	if (!has_slot(o->file, true))
		return id_unlock_fault(o->path, IDFILE_NO_SLOT, f);
	int rc = password_get(&from, idfile_header(o->file)->name, &o->password, f);
	if (rc < 0)
		return rc;
	enum idfile_result r =
		idfile_unlock_password(o->file, password_span(&o->password), &o->secrets, &o->key);
	o->has_password = r == IDFILE_OK;
	return id_unlock_fault(o->path, r, f);
}

static int unlock(struct id_open *o, const struct id_way *way, struct fault *f)
{
	if (way->file_key != NULL) {
		o->key = *way->file_key;
		return id_unlock_fault(
			o->path, idfile_unlock_file_key(o->file, &o->key, &o->secrets), f);
	}
	return way->key_file != NULL ? unlock_by_key(o, way, f) : unlock_by_password(o, way, f);
}

int id_open_more(struct id_open *o, const struct id_way *way, struct fault *f)
{
	if (!o->has_password && has_slot(o->file, true))
		return unlock_by_password(o, way, f);
	if (o->has_raw_key || !has_slot(o->file, false))
		return 0;
	if (way->key_file != NULL)
		return unlock_by_key(o, way, f);
	fault_set(f,
		"%s: opens with a key file too, and so shall the new key; name it with --key-file",
		o->path);
	return -ENOKEY;
}

static void take_certs(struct id_open *o)
{
	struct fault why;
	o->cert_count = idfile_cert_count(o->file);
	for (size_t i = 0; i < o->cert_count; i++) {
		o->certs[i].der = idfile_cert(o->file, i);
		o->certs[i].is_good = cert_read(o->certs[i].der, &o->certs[i].c, &why) == 0;
	}
}

static int fill(struct id_open *o, const struct id_way *way, struct fault *f)
{
	if (stat(o->path, &o->st) < 0) {
		int rc = -errno;
		fault_set(f, "%s: cannot be read: %s", o->path, strerror(-rc));
		return rc;
	}
	int rc = id_file_load(o->path, FILE_SECRET, &o->file, f);
	if (rc == 0)
		rc = unlock(o, way, f);
	if (rc < 0)
		return rc;
	crypto_sign_seed_keypair(o->pk, o->sk, o->secrets.seed);
	take_certs(o);
	return 0;
}

int id_open_file(const char *path, const struct id_way *way, struct id_open **ret, struct fault *f)
{
	struct id_open *o = sodium_malloc(sizeof(*o));
	if (o == NULL) {
		fault_set(f, "%s: there is not enough memory to open it", path);
		return -ENOMEM;
	}
	memset(o, 0, sizeof(*o));
	o->path = path;
	int rc = fill(o, way, f);
	if (rc < 0)
		id_open_free(o);
	else
		*ret = o;
	return rc;
}

void id_open_free(struct id_open *o)
{
	if (o == NULL)
		return;
	idfile_free(o->file);
	/* sodium_free wipes. */
	sodium_free(o);
}

const struct cert *id_open_own(const struct id_open *o)
{
	bool is_own = o->cert_count > 0 && o->certs[0].is_good &&
		memcmp(o->certs[0].c.pk, o->pk, sizeof(o->pk)) == 0;
	return is_own ? &o->certs[0].c : NULL;
}

/* Somebody may have changed the file while a password was typed. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

int id_open_replace(const struct id_open *o, char *text, struct fault *f)
{
	struct stat st;
	int rc;

	if (text == NULL) {
		fault_set(f,
			"%s: cannot be written anew: not enough memory (--kdf-mem takes less), or no "
			"room in the file",
			o->path);
		return -ENOMEM;
	}
	if (stat(o->path, &st) == 0 && is_same(&st, &o->st)) {
		rc = file_write(o->path, text, strlen(text), o->st.st_mode & 0777, false, f);
	} else {
		rc = -EAGAIN;
		fault_set(f, "%s: was changed by somebody else meanwhile; try again", o->path);
	}
	free(text);
	return rc;
}

/* The slots in a file of another key are bound to that key. */
static void renew_slots(const struct id_open *o, struct idfile_change *c)
{
	c->has_password = o->has_password;
	c->password = password_span(&o->password);
	for (size_t i = 0; i < idfile_slot_count(o->file); i++) {
		struct idfile_cost cost = idfile_slot_cost(o->file, i);
		if (cost.ops == 0)
			continue;
		c->ops = cost.ops;
		c->mem_kib = cost.mem_kib;
	}
	c->raw_key = o->has_raw_key ? o->raw_key : NULL;
}

int id_open_save(const struct id_open *o, const struct idfile_change *c, struct fault *f)
{
	struct idfile_change change = *c;
	if (change.secrets == NULL)
		change.secrets = &o->secrets;
	if (change.header != NULL &&
		memcmp(change.header->key_id, idfile_header(o->file)->key_id, 32) != 0)
		renew_slots(o, &change);
	return id_open_replace(o, idfile_format_change(o->file, &o->key, &change), f);
}
