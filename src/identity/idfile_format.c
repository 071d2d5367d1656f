/*
 * ID files as text: blocks out. Invariant: what is written was read back and unlocked with its key
 * before it is handed out when it takes the place of a file, and of that file no byte is changed but
 * those of the blocks that were to change.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/internal.h"

/* ------------------------------------------------------------------ what every text is made of */

static bool default_cost(uint32_t *ops, uint32_t *mem_kib)
{
	if (*ops == 0)
		*ops = IDFILE_OPS_DEFAULT;
	if (*mem_kib == 0)
		*mem_kib = IDFILE_MEM_KIB_DEFAULT;
	return idfile_cost_is_good(*ops, *mem_kib);
}

static void put_part(struct writer *w, enum idfile_part part, struct span body)
{
	pem_write(w, idfile_part_label(part), body);
}

static void put_header(struct writer *w, const struct idfile_header *h)
{
	uint8_t body[IDFILE_HEADER_LEN_MAX];
	put_part(w, IDFILE_PART_ID, span_of(body, idfile_header_encode(h, body)));
}

static void put_certs(struct writer *w, const struct span *certs, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put_part(w, IDFILE_PART_CERT, certs[i]);
}

static void put_slot(struct writer *w, const struct idfile_slot *s)
{
	uint8_t body[IDFILE_SLOT_LEN];
	idfile_slot_encode(s, body);
	put_part(w, IDFILE_PART_SLOT, SPAN_OF(body));
}

static bool put_password_slot(struct writer *w, const uint8_t key_id[32],
	const struct idfile_key *key, struct span password, uint32_t ops, uint32_t mem_kib)
{
	struct idfile_slot s;
	if (!default_cost(&ops, &mem_kib) ||
		!idfile_slot_make_password(key_id, key, password, ops, mem_kib, &s))
		return false;
	put_slot(w, &s);
	return true;
}

static void put_key_slot(struct writer *w, const uint8_t key_id[32], const struct idfile_key *key,
	const uint8_t raw[IDFILE_KEY_LEN])
{
	struct idfile_slot s;
	idfile_slot_make_key(key_id, key, raw, &s);
	put_slot(w, &s);
}

/* What the seal binds: header and certificates. */
static void make_aad(
	const struct idfile_header *h, const struct span *certs, size_t cert_count, uint8_t ret[32])
{
	uint8_t header[IDFILE_HEADER_LEN_MAX];
	crypto_hash_sha256_state state;
	crypto_hash_sha256_init(&state);
	pem_hash_body(&state, span_of(header, idfile_header_encode(h, header)));
	for (size_t i = 0; i < cert_count; i++)
		pem_hash_body(&state, certs[i]);
	crypto_hash_sha256_final(&state, ret);
}

static bool put_sealed(struct writer *w, const struct idfile_secrets *secrets,
	const struct idfile_key *key, const uint8_t aad[32])
{
	size_t len;
	uint8_t *sealed = idfile_seal(secrets, key, aad, &len);
	if (sealed == NULL)
		return false;
	put_part(w, IDFILE_PART_SEALED, span_of(sealed, len));
	free(sealed);
	return true;
}

/* The rules of the header, and the key it names is the one that is sealed. */
static bool header_is_good(const struct idfile_header *h, const struct idfile_secrets *secrets)
{
	return strnlen(h->name, sizeof(h->name)) <= IDFILE_NAME_MAX && idfile_header_is_good(h) &&
		idfile_seed_has_id(secrets->seed, h->key_id);
}

static bool certs_are_good(const struct span *certs, size_t count)
{
	if (count > IDFILE_CERTS_MAX)
		return false;
	for (size_t i = 0; i < count; i++)
		if (certs[i].len == 0 || certs[i].len > IDFILE_CERT_LEN_MAX)
			return false;
	return true;
}

static struct writer writer_new(void)
{
	return writer_init(malloc(IDFILE_MAX + 1), IDFILE_MAX);
}

/*
 * The text that was written, terminated; room for the NUL was kept. NULL and freed unless is_good.
 */
static char *finish(struct writer *w, bool is_good)
{
	if (!is_good) {
		free(w->start);
		return NULL;
	}
	w->start[w->len] = '\0';
	return (char *)w->start;
}

/* ------------------------------------------------------------------ a new file */

static bool put_slots(struct writer *w, const struct idfile_new *n, const struct idfile_key *key)
{
	if (n->has_password &&
		!put_password_slot(w, n->header.key_id, key, n->password, n->ops, n->mem_kib))
		return false;
	if (n->raw_key != NULL)
		put_key_slot(w, n->header.key_id, key, n->raw_key);
	return true;
}

static bool put_file(struct writer *w, const struct idfile_new *n, const struct idfile_key *key)
{
	uint8_t aad[32];
	put_header(w, &n->header);
	put_certs(w, n->certs, n->cert_count);
	if (!put_slots(w, n, key))
		return false;
	if (n->recovery.len > 0)
		put_part(w, IDFILE_PART_RECOVERY, n->recovery);
	make_aad(&n->header, n->certs, n->cert_count, aad);
	return put_sealed(w, n->secrets, key, aad) && !w->is_full;
}

char *idfile_format(const struct idfile_new *n)
{
	if (!header_is_good(&n->header, n->secrets) || !certs_are_good(n->certs, n->cert_count) ||
		(!n->has_password && n->raw_key == NULL))
		return NULL;
	struct writer w = writer_new();
	if (w.start == NULL)
		return NULL;
	struct idfile_key key;
	if (n->key != NULL)
		key = *n->key;
	else
		randombytes_buf(key.b, sizeof(key.b));
	bool is_good = put_file(&w, n, &key);
	sodium_memzero(&key, sizeof(key));
	return finish(&w, is_good);
}

/* ------------------------------------------------------------------ a new password, nothing else */

char *idfile_format_password(const struct idfile *id, const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib)
{
	bool is_new = id->password_slot == IDFILE_SLOT_NONE;
	if (is_new && id->slot_count == IDFILE_SLOTS_MAX)
		return NULL;
	if (idfile_unlock_file_key(id, key, NULL) != IDFILE_OK)
		return NULL;
	struct writer w = writer_new();
	if (w.start == NULL)
		return NULL;
	size_t cut = is_new ? id->slots_end : (size_t)(id->password_text.data - id->text);
	size_t rest = cut + id->password_text.len;
	writer_put(&w, id->text, cut);
	bool is_good = put_password_slot(&w, id->header.key_id, key, password, ops, mem_kib);
	writer_put(&w, id->text + rest, id->text_len - rest);
	return finish(&w, is_good && !w.is_full);
}

/* ------------------------------------------------------------------ any change */

/* A walk along the blocks of the old text, in which each is copied, replaced or left out. */
struct walk {
	const struct idfile *id;
	const struct idfile_key *key;
	const struct idfile_change *c;
	struct idfile_header header; /* of the new text */
	const struct span *certs;
	size_t cert_count;
	bool is_rekeyed; /* another key id: slots and recovery were bound to the old one */
	struct writer w;
	size_t certs_seen, slots_seen;
	size_t slots_put;
	bool is_password_put, is_raw_key_put, is_recovery_put;
	bool is_block_put[IDFILE_CHANGE_BLOCKS_MAX];
};

static void copy(struct walk *k, const struct pem_block *b)
{
	writer_put(&k->w, b->text.data, b->text.len);
}

static void walk_cert(struct walk *k, const struct pem_block *b)
{
	bool is_first = k->certs_seen++ == 0;
	if (!k->c->has_certs)
		copy(k, b);
	else if (is_first)
		put_certs(&k->w, k->certs, k->cert_count);
}

static bool put_new_password(struct walk *k)
{
	k->is_password_put = true;
	k->slots_put++;
	return put_password_slot(
		&k->w, k->header.key_id, k->key, k->c->password, k->c->ops, k->c->mem_kib);
}

static void put_new_raw_key(struct walk *k)
{
	k->is_raw_key_put = true;
	k->slots_put++;
	put_key_slot(&k->w, k->header.key_id, k->key, k->c->raw_key);
}

static void put_new_blocks(struct walk *k)
{
	for (size_t i = 0; i < k->c->block_count; i++) {
		struct span body = k->c->blocks[i].body;
		if (idfile_has_block(k->id, k->c->blocks[i].label) || body.len == 0)
			continue;
		pem_write(&k->w, k->c->blocks[i].label, body);
	}
}

static bool walk_slot(struct walk *k, const struct pem_block *b)
{
	size_t i = k->slots_seen++;
	bool is_password = i == k->id->password_slot;
	if (i == 0)
		put_new_blocks(k);
	if (k->is_rekeyed)
		return true;
	if (is_password && k->c->has_password)
		return put_new_password(k);
	if (!is_password && k->c->raw_key != NULL) {
		if (!k->is_raw_key_put)
			put_new_raw_key(k);
		return true;
	}
	k->slots_put++;
	copy(k, b);
	return true;
}

/* Behind the last block that may stand before or among the slots: what had no place there yet. */
static bool walk_slots_end(struct walk *k)
{
	if (k->id->slot_count == 0)
		put_new_blocks(k);
	if (k->c->raw_key != NULL && !k->is_raw_key_put)
		put_new_raw_key(k);
	return !k->c->has_password || k->is_password_put || put_new_password(k);
}

static void put_new_recovery(struct walk *k)
{
	if (k->is_recovery_put)
		return;
	k->is_recovery_put = true;
	if (k->c->has_recovery && k->c->recovery.len > 0)
		put_part(&k->w, IDFILE_PART_RECOVERY, k->c->recovery);
}

static void walk_recovery(struct walk *k, const struct pem_block *b)
{
	if (k->c->has_recovery || k->is_rekeyed)
		put_new_recovery(k);
	else
		copy(k, b);
	k->is_recovery_put = true;
}

static bool walk_sealed(struct walk *k)
{
	uint8_t aad[32];
	put_new_recovery(k);
	make_aad(&k->header, k->certs, k->cert_count, aad);
	return put_sealed(&k->w, k->c->secrets, k->key, aad);
}

/* A block of another label: the first one is replaced, more of that label fall away with it. */
static void walk_other(struct walk *k, const struct pem_block *b)
{
	size_t i = 0;
	while (i < k->c->block_count && strcmp(k->c->blocks[i].label, b->label) != 0)
		i++;
	if (i == k->c->block_count) {
		copy(k, b);
		return;
	}
	if (!k->is_block_put[i] && k->c->blocks[i].body.len > 0)
		pem_write(&k->w, b->label, k->c->blocks[i].body);
	k->is_block_put[i] = true;
}

static bool walk_block(struct walk *k, const struct pem_block *b)
{
	switch (idfile_part_of(b->label)) {
	case IDFILE_PART_ID:
		put_header(&k->w, &k->header);
		if (k->id->cert_count == 0)
			put_certs(&k->w, k->certs, k->cert_count);
		return true;
	case IDFILE_PART_CERT:
		walk_cert(k, b);
		return true;
	case IDFILE_PART_SLOT:
		return walk_slot(k, b);
	case IDFILE_PART_RECOVERY:
		walk_recovery(k, b);
		return true;
	case IDFILE_PART_SEALED:
		return walk_sealed(k);
	case IDFILE_PART_COUNT:
		break;
	}
	walk_other(k, b);
	return true;
}

/* The whole text, blank lines and comments between blocks as they were. */
static bool walk_text(struct walk *k)
{
	struct span text = span_of(k->id->text, k->id->text_len);
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	size_t at = 0;
	bool is_good = true;
	while (is_good && pem_next(&r, &b) == PEM_BLOCK) {
		size_t start = (size_t)(b.text.data - text.data);
		writer_put(&k->w, text.data + at, start - at);
		at = start + b.text.len;
		is_good = walk_block(k, &b);
		if (is_good && at == k->id->slots_end)
			is_good = walk_slots_end(k);
	}
	writer_put(&k->w, text.data + at, text.len - at);
	return is_good && k->slots_put > 0 && !k->w.is_full;
}

static bool change_is_good(const struct walk *k)
{
	if (!header_is_good(&k->header, k->c->secrets) || !certs_are_good(k->certs, k->cert_count))
		return false;
	if (k->c->block_count > IDFILE_CHANGE_BLOCKS_MAX)
		return false;
	for (size_t i = 0; i < k->c->block_count; i++) {
		const char *label = k->c->blocks[i].label;
		if (idfile_part_of(label) != IDFILE_PART_COUNT)
			return false;
		for (size_t j = 0; j < i; j++)
			if (strcmp(k->c->blocks[j].label, label) == 0)
				return false;
	}
	return true;
}

/* The last look before a file is replaced by this text: it parses, and its key opens it. */
static bool reads_back(const struct writer *w, const struct idfile_key *key)
{
	struct idfile *again;
	struct fault f;
	if (idfile_parse(writer_span(w), &again, &f) != IDFILE_OK)
		return false;
	bool is_good = idfile_unlock_file_key(again, key, NULL) == IDFILE_OK;
	idfile_free(again);
	return is_good;
}

char *idfile_format_change(
	const struct idfile *id, const struct idfile_key *key, const struct idfile_change *c)
{
	struct walk k = {
		.id = id,
		.key = c->new_key != NULL ? c->new_key : key,
		.c = c,
		.header = c->header != NULL ? *c->header : id->header,
		.certs = c->has_certs ? c->certs : id->certs,
		.cert_count = c->has_certs ? c->cert_count : id->cert_count,
	};
	k.is_rekeyed = memcmp(k.header.key_id, id->header.key_id, 32) != 0;
	/* Slots that stay wrap the old one. */
	if (c->new_key != NULL && !k.is_rekeyed)
		return NULL;
	if (!change_is_good(&k) || idfile_unlock_file_key(id, key, NULL) != IDFILE_OK)
		return NULL;
	k.w = writer_new();
	if (k.w.start == NULL)
		return NULL;
	return finish(&k.w, walk_text(&k) && reads_back(&k.w, k.key));
}
