/*
 * Secrets and names of the classic knocks, before any process starts. Invariant: a mistake in any of these
 * files is found here, while the old processes run; and a secret is in no memory but the one that uses it.
 */

#include "daemon/classic_keys.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/classic_lines.h"
#include "knock/pad.h"

#define SECRET_MAX 4096
#define KEYS_FILE_MAX ((size_t)1 << 20)

struct loader {
	const struct config *config;
	const struct directory *directory;
	struct config_report *report;
	struct classic_keys *keys;
};

/* ------------------------------------------------------------------ who */

/* where: the place in words, for what is in no line of the configuration. */
static void load_who(struct loader *l, const char *text, const char *where, struct classic_who *ret)
{
	enum name_reject r = name_parse(text, false, &ret->name);
	if (r != NAME_OK) {
		config_report_add(
			l->report, NULL, "%s: \"%s\": %s", where, text, name_reject_text(r));
		return;
	}
	ret->entry = directory_find_name(l->directory, &ret->name);
}

static void load_as(
	struct loader *l, const char *text, const struct config_text *at, struct classic_who *ret)
{
	char where[512];
	snprintf(where, sizeof(where), "%s:%u: as", at->file, at->line);
	load_who(l, text, where, ret);
}

/* ------------------------------------------------------------------ secrets */

static bool read_secret(struct loader *l, const char *path, const struct config_text *at,
	size_t max, uint8_t **ret, size_t *ret_len)
{
	struct fault f;
	if (file_read(path, FILE_SECRET, max, ret, ret_len, &f) == 0)
		return true;
	config_report_add(l->report, at, "%s", f.text);
	return false;
}

static void drop_secret(uint8_t *text, size_t len)
{
	sodium_memzero(text, len);
	free(text);
}

/* One name for a secret, from which nothing of it follows. */
static void make_id(const char *label, struct span secret, uint8_t ret[CLASSIC_ID_LEN])
{
	crypto_generichash_state st;
	crypto_generichash_init(&st, NULL, 0, CLASSIC_ID_LEN);
	crypto_generichash_update(&st, (const uint8_t *)label, strlen(label));
	crypto_generichash_update(&st, secret.data, secret.len);
	crypto_generichash_final(&st, ret, CLASSIC_ID_LEN);
	sodium_memzero(&st, sizeof(st));
}

static void load_pad(struct loader *l, const struct config_cipher *c)
{
	struct pad *p = NULL;
	struct fault f;
	if (pad_open(c->pad, &p, &f) < 0)
		config_report_add(l->report, &c->at, "pad: %s", f.text);
	else
		pad_close(p);
}

static void load_cipher(struct loader *l, const struct config_cipher *c, struct cipher **ret,
	uint8_t ret_id[CLASSIC_ID_LEN])
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	if (!read_secret(l, c->key_file, &c->at, SECRET_MAX, &text, &len))
		return;
	size_t used = len;
	if (used > 0 && text[used - 1] == '\n')
		used--;
	if (used > 0 && text[used - 1] == '\r')
		used--;
	struct cipher_how how = {
		.passphrase = span_of(text, used),
		.port_first = c->port_first,
		.within_ms = c->within_s * 1000,
		.wide = c->wide,
		.random_iv = c->random_iv,
		.third_party = c->third_party,
	};
	memcpy(how.iv, c->iv, sizeof(how.iv));
	if (cipher_new(l->keys->legacy, &how, ret, &f) < 0)
		config_report_add(l->report, &c->at, "%s: %s", c->key_file, f.text);
	make_id("postern cipher", how.passphrase, ret_id);
	drop_secret(text, len);
}

static void load_tagged(
	struct loader *l, const struct config_tagged *t, struct classic_door_keys *k)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	if (!read_secret(l, t->keys, &t->at, KEYS_FILE_MAX, &text, &len))
		return;
	int rc = tagged_keys_parse(t->keys, span_of(text, len), k->tagged, &f);
	drop_secret(text, len);
	if (rc < 0) {
		config_report_add(l->report, NULL, "%s", f.text);
		return;
	}
	for (size_t i = 0; i < TAGGED_SLOTS; i++) {
		const struct tagged_key *key = &k->tagged->slot[i];
		if (!key->is_set)
			continue;
		char where[512];
		snprintf(where, sizeof(where), "%.480s: slot %zu", t->keys, i);
		load_who(l, key->name, where, &k->tagged_who[i]);
		if (k->tagged_who[i].entry == NULL && l->keys->warning[0] == '\0')
			snprintf(l->keys->warning, sizeof(l->keys->warning),
				"%.200s: the directory does not list %.200s, so its knocks are refused",
				where, key->name);
		make_id("postern tagged", SPAN_OF(key->key), k->tagged_id[i]);
	}
}

static bool load_fwknop_secret(
	struct loader *l, const struct config_fwknop *c, struct fwknop_secret *ret)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	if (c->key_file == NULL) {
		if (fwknop_secret_from_base64(c->key_base64, c->hmac_key_base64, ret, &f))
			return true;
		config_report_add(l->report, &c->at, "%s", f.text);
		return false;
	}
	if (!read_secret(l, c->key_file, &c->at, SECRET_MAX, &text, &len))
		return false;
	bool is_good = fwknop_secret_parse(span_of(text, len), ret, &f);
	drop_secret(text, len);
	if (!is_good)
		config_report_add(l->report, &c->at, "%s: %s", c->key_file, f.text);
	return is_good;
}

static void load_fwknop(struct loader *l, const struct config_fwknop *c, struct fwknop_key **ret)
{
	struct fwknop_secret secret;
	struct fault f;
	if (!load_fwknop_secret(l, c, &secret))
		return;
	struct fwknop_settings s = {
		.secret = &secret,
		.hmac = c->hmac,
		.mode = c->mode,
		.user = c->user,
		.max_age_s = c->max_age_s,
	};
	*ret = fwknop_key_new(&s, &f);
	sodium_memzero(&secret, sizeof(secret));
	if (*ret == NULL)
		config_report_add(l->report, &c->at, "fwknop: %s", f.text);
}

/* ------------------------------------------------------------------ doors */

static bool allocate(const struct config_door *d, struct classic_door_keys *k)
{
	size_t slots = d->tagged.is_on ? TAGGED_SLOTS : 0;
	k->sequences = calloc(d->sequence_count + 1, sizeof(k->sequences[0]));
	k->structured = calloc(d->structured_count + 1, sizeof(k->structured[0]));
	k->ciphers = calloc(d->cipher_count + 1, sizeof(k->ciphers[0]));
	k->cipher = calloc(d->cipher_count + 1, sizeof(struct cipher *));
	k->cipher_id = calloc(d->cipher_count + 1, sizeof(k->cipher_id[0]));
	k->fwknops = calloc(d->fwknop_count + 1, sizeof(k->fwknops[0]));
	k->fwknop = calloc(d->fwknop_count + 1, sizeof(struct fwknop_key *));
	k->tagged_who = calloc(slots + 1, sizeof(k->tagged_who[0]));
	k->tagged_id = calloc(slots + 1, sizeof(k->tagged_id[0]));
	k->tagged = slots > 0 ? calloc(1, sizeof(*k->tagged)) : NULL;
	return k->sequences != NULL && k->structured != NULL && k->ciphers != NULL &&
		k->cipher != NULL && k->cipher_id != NULL && k->fwknops != NULL &&
		k->fwknop != NULL && k->tagged_who != NULL && k->tagged_id != NULL &&
		(slots == 0 || k->tagged != NULL);
}

static void load_door(struct loader *l, const struct config_door *d, struct classic_door_keys *k)
{
	for (size_t i = 0; i < d->sequence_count; i++) {
		const struct config_sequence *q = &d->sequences[i];
		load_as(l, q->as, &q->as_at, &k->sequences[i]);
		if (q->one_time != NULL)
			classic_lines_check(q, l->report);
	}
	for (size_t i = 0; i < d->structured_count; i++)
		load_as(l, d->structured[i].as, &d->structured[i].as_at, &k->structured[i]);
	for (size_t i = 0; i < d->cipher_count; i++) {
		const struct config_cipher *c = &d->ciphers[i];
		load_as(l, c->as, &c->as_at, &k->ciphers[i]);
		if (c->pad != NULL)
			load_pad(l, c);
		else
			load_cipher(l, c, &k->cipher[i], k->cipher_id[i]);
	}
	if (d->tagged.is_on)
		load_tagged(l, &d->tagged, k);
	for (size_t i = 0; i < d->fwknop_count; i++) {
		load_as(l, d->fwknops[i].as, &d->fwknops[i].as_at, &k->fwknops[i]);
		load_fwknop(l, &d->fwknops[i], &k->fwknop[i]);
	}
}

static bool needs_legacy(const struct config *c)
{
	for (size_t i = 0; i < c->door_count; i++)
		if (c->doors[i].cipher_count > 0 ||
			(c->doors[i].tagged.is_on && c->doors[i].tagged.hash == CONFIG_TAG_MD5))
			return true;
	return false;
}

struct classic_keys *classic_keys_load(
	const struct config *c, const struct directory *d, struct config_report *r)
{
	struct classic_keys *k = calloc(1, sizeof(*k));
	struct loader l = { c, d, r, k };
	size_t before = r->count;
	struct fault f;
	bool has_room = k != NULL;
	if (has_room)
		k->config = c;
	for (size_t i = 0; has_room && i < c->door_count; i++)
		has_room = allocate(&c->doors[i], &k->doors[i]);
	if (!has_room)
		config_report_add(r, NULL, "%s: no memory for the keys of its knocks", c->file);
	else if (needs_legacy(c) && legacy_open(&k->legacy, &f) < 0)
		config_report_add(r, NULL, "%s", f.text);
	bool is_ready = r->count == before;
	for (size_t i = 0; is_ready && i < c->door_count; i++)
		load_door(&l, &c->doors[i], &k->doors[i]);
	if (r->count == before)
		return k;
	classic_keys_free(k);
	return NULL;
}

static void free_door(const struct config_door *d, struct classic_door_keys *k)
{
	for (size_t i = 0; k->cipher != NULL && i < d->cipher_count; i++)
		cipher_free(k->cipher[i]);
	for (size_t i = 0; k->fwknop != NULL && i < d->fwknop_count; i++)
		fwknop_key_free(k->fwknop[i]);
	if (k->tagged != NULL)
		sodium_memzero(k->tagged, sizeof(*k->tagged));
	free(k->tagged);
	free(k->sequences);
	free(k->structured);
	free(k->ciphers);
	free(k->cipher);
	free(k->cipher_id);
	free(k->fwknops);
	free(k->fwknop);
	free(k->tagged_who);
	free(k->tagged_id);
}

void classic_keys_free(struct classic_keys *k)
{
	if (k == NULL)
		return;
	for (size_t i = 0; i < k->config->door_count; i++)
		free_door(&k->config->doors[i], &k->doors[i]);
	legacy_close(k->legacy);
	free(k);
}
