/*
 * ID files as text: blocks in, and how they unlock. Invariant: a parsed file keeps its text, so that
 * whoever writes it again (idfile_format.c) can leave alone what was not to change.
 */

#include "identity/idfile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "identity/internal.h"
#include "knock/spa.h"

static const struct {
	const char *label;
	size_t min, max;
} parts[IDFILE_PART_COUNT] = {
	[IDFILE_PART_ID] = { "POSTERN ID", 1, 1 },
	[IDFILE_PART_CERT] = { "CERTIFICATE", 0, IDFILE_CERTS_MAX },
	[IDFILE_PART_SLOT] = { "POSTERN WRAPPED KEY", 0, IDFILE_SLOTS_MAX },
	[IDFILE_PART_RECOVERY] = { "POSTERN RECOVERY", 0, 1 },
	[IDFILE_PART_SEALED] = { "POSTERN SEALED DATA", 1, 1 },
};

/* What a parse knows besides the file it fills. */
struct progress {
	enum idfile_part stage; /* of the last known block */
	size_t counts[IDFILE_PART_COUNT];
	crypto_hash_sha256_state aad;
};

/* Each returns what is wrong with the block, or NULL. */
static const char *add_id(struct idfile *id, struct progress *p, struct span body)
{
	pem_hash_body(&p->aad, body);
	return idfile_header_decode(body, &id->header) ? NULL : "the header is not of version 1";
}

static const char *add_cert(struct idfile *id, struct progress *p, struct span body)
{
	if (body.len == 0 || body.len > IDFILE_CERT_LEN_MAX)
		return "a certificate has 1 to 2048 bytes";
	pem_hash_body(&p->aad, body);
	id->certs[id->cert_count++] = body;
	return NULL;
}

static const char *add_slot(struct idfile *id, const struct pem_block *b, struct span body)
{
	struct idfile_slot *s = &id->slots[id->slot_count];
	if (!idfile_slot_decode(body, s))
		return "the wrapped key is malformed or its cost is out of bounds";
	if (s->ops != 0 && id->password_slot != IDFILE_SLOT_NONE)
		return "a file has one password slot";
	if (s->ops != 0) {
		id->password_slot = id->slot_count;
		id->password_text = b->text;
	}
	id->slot_count++;
	return NULL;
}

static const char *add_sealed(struct idfile *id, struct span body)
{
	if (body.len < IDFILE_SEAL_EXTRA)
		return "the sealed data is too short";
	id->sealed = body;
	return NULL;
}

static const char *add_extra(struct idfile *id, const char *label, struct span body)
{
	if (id->extra_count == IDFILE_EXTRA_MAX)
		return "too many other blocks";
	struct idfile_extra *e = &id->extras[id->extra_count++];
	memcpy(e->label, label, strlen(label) + 1);
	e->body = body;
	return NULL;
}

static struct span decode(struct idfile *id, const struct pem_block *b, bool *is_good)
{
	size_t len;
	uint8_t *at = id->bytes + id->bytes_len;
	*is_good = pem_decode(b, at, id->text_len - id->bytes_len, &len);
	if (!*is_good)
		return span_of(NULL, 0);
	id->bytes_len += len;
	return span_of(at, len);
}

static const char *add_known(
	struct idfile *id, struct progress *p, const struct pem_block *b, enum idfile_part part)
{
	bool is_good;
	struct span body = decode(id, b, &is_good);
	if (!is_good)
		return "the block is not base64";
	if (part <= IDFILE_PART_SLOT)
		id->slots_end = (size_t)(b->text.data - id->text) + b->text.len;
	switch (part) {
	case IDFILE_PART_ID:
		return add_id(id, p, body);
	case IDFILE_PART_CERT:
		return add_cert(id, p, body);
	case IDFILE_PART_SLOT:
		return add_slot(id, b, body);
	case IDFILE_PART_SEALED:
		return add_sealed(id, body);
	case IDFILE_PART_RECOVERY:
		return add_extra(id, b->label, body);
	case IDFILE_PART_COUNT:
		break;
	}
	return NULL;
}

enum idfile_part idfile_part_of(const char *label)
{
	int part = 0;
	while (part < IDFILE_PART_COUNT && strcmp(parts[part].label, label) != 0)
		part++;
	return (enum idfile_part)part;
}

const char *idfile_part_label(enum idfile_part part)
{
	return parts[part].label;
}

static const char *add_block(struct idfile *id, struct progress *p, const struct pem_block *b)
{
	enum idfile_part part = idfile_part_of(b->label);
	bool is_good;
	if (p->counts[IDFILE_PART_ID] == 0 && part != IDFILE_PART_ID)
		return "the first block is not POSTERN ID";
	/* What is not ours need not be base64 either: it only stays. */
	if (part == IDFILE_PART_COUNT)
		return add_extra(id, b->label, decode(id, b, &is_good));
	if (part < p->stage)
		return "the block is out of order";
	if (p->counts[part]++ == parts[part].max)
		return "one block too many of its kind";
	p->stage = part;
	return add_known(id, p, b, part);
}

static enum idfile_result refuse(struct fault *f, unsigned line, const char *why)
{
	fault_set(f, "line %u: %s; take the file from a backup", line, why);
	return IDFILE_BAD_FORMAT;
}

static enum idfile_result read_blocks(struct idfile *id, struct fault *f)
{
	struct pem_reader r = pem_reader_init(span_of(id->text, id->text_len));
	struct progress p = { .stage = IDFILE_PART_ID };
	struct pem_block b;
	enum pem_result got;
	crypto_hash_sha256_init(&p.aad);
	while ((got = pem_next(&r, &b)) == PEM_BLOCK) {
		const char *why = add_block(id, &p, &b);
		if (why != NULL)
			return refuse(f, b.line, why);
	}
	if (got == PEM_BAD)
		return refuse(f, r.line, r.why);
	for (int part = 0; part < IDFILE_PART_COUNT; part++)
		if (p.counts[part] < parts[part].min) {
			fault_set(f,
				"line %u: the file ends without a %s block; take it from a "
				"backup",
				r.line, parts[part].label);
			return IDFILE_BAD_FORMAT;
		}
	crypto_hash_sha256_final(&p.aad, id->aad);
	return IDFILE_OK;
}

static struct idfile *idfile_of(struct span text)
{
	struct idfile *id = calloc(1, sizeof(*id));
	if (id == NULL)
		return NULL;
	id->password_slot = IDFILE_SLOT_NONE;
	id->text = malloc(text.len + 1);
	id->bytes = malloc(text.len + 1); /* bodies are shorter than their base64 */
	if (id->text == NULL || id->bytes == NULL) {
		idfile_free(id);
		return NULL;
	}
	if (text.len > 0)
		memcpy(id->text, text.data, text.len);
	id->text_len = text.len;
	return id;
}

enum idfile_result idfile_parse(struct span text, struct idfile **ret, struct fault *f)
{
	if (text.len > IDFILE_MAX)
		return refuse(f, 1, "the file is larger than 64 KiB");
	/* It could stand in a comment, and end there for whoever takes the text as a string. */
	if (text.len > 0 && memchr(text.data, 0, text.len) != NULL)
		return refuse(f, 1, "the file has a zero byte");
	struct idfile *id = idfile_of(text);
	if (id == NULL) {
		fault_set(f, "not enough memory for an ID file; free some");
		return IDFILE_NO_MEMORY;
	}
	enum idfile_result result = read_blocks(id, f);
	if (result == IDFILE_OK)
		*ret = id;
	else
		idfile_free(id);
	return result;
}

void idfile_free(struct idfile *id)
{
	if (id == NULL)
		return;
	free(id->text);
	free(id->bytes);
	free(id);
}

const struct idfile_header *idfile_header(const struct idfile *id)
{
	return &id->header;
}

size_t idfile_cert_count(const struct idfile *id)
{
	return id->cert_count;
}

struct span idfile_cert(const struct idfile *id, size_t i)
{
	return i < id->cert_count ? id->certs[i] : (struct span){ NULL, 0 };
}

static const struct idfile_extra *extra_of(const struct idfile *id, const char *label)
{
	for (size_t i = 0; i < id->extra_count; i++)
		if (strcmp(id->extras[i].label, label) == 0)
			return &id->extras[i];
	return NULL;
}

bool idfile_has_block(const struct idfile *id, const char *label)
{
	return extra_of(id, label) != NULL;
}

struct span idfile_block(const struct idfile *id, const char *label)
{
	const struct idfile_extra *e = extra_of(id, label);
	return e != NULL ? e->body : span_of(NULL, 0);
}

size_t idfile_slot_count(const struct idfile *id)
{
	return id->slot_count;
}

struct idfile_cost idfile_slot_cost(const struct idfile *id, size_t i)
{
	struct idfile_cost none = { 0 };
	if (i >= id->slot_count)
		return none;
	return (struct idfile_cost){ id->slots[i].ops, id->slots[i].mem_kib };
}

bool idfile_seed_has_id(const uint8_t seed[32], const uint8_t key_id[32])
{
	uint8_t pk[32], sk[64], made[32];
	crypto_sign_seed_keypair(pk, sk, seed);
	sodium_memzero(sk, sizeof(sk));
	spa_key_id(pk, made);
	return memcmp(made, key_id, 32) == 0;
}

enum idfile_result idfile_unlock_file_key(
	const struct idfile *id, const struct idfile_key *key, struct idfile_secrets *ret)
{
	struct idfile_secrets *s = malloc(sizeof(*s));
	if (s == NULL)
		return IDFILE_NO_MEMORY;
	enum idfile_result result = idfile_unseal(id->sealed, key, id->aad, s);
	if (result == IDFILE_OK && !idfile_seed_has_id(s->seed, id->header.key_id))
		result = IDFILE_TAMPERED;
	if (result == IDFILE_OK && ret != NULL)
		*ret = *s;
	idfile_secrets_wipe(s);
	free(s);
	return result;
}

static enum idfile_result hand_out(const struct idfile *id, struct idfile_key *key,
	struct idfile_secrets *ret, struct idfile_key *ret_key)
{
	enum idfile_result result = idfile_unlock_file_key(id, key, ret);
	if (result == IDFILE_OK && ret_key != NULL)
		*ret_key = *key;
	sodium_memzero(key, sizeof(*key));
	return result;
}

enum idfile_result idfile_unlock_password(const struct idfile *id, struct span password,
	struct idfile_secrets *ret, struct idfile_key *ret_key)
{
	struct idfile_key key;
	if (id->password_slot == IDFILE_SLOT_NONE)
		return IDFILE_NO_SLOT;
	enum idfile_result result = idfile_slot_open_password(
		&id->slots[id->password_slot], id->header.key_id, password, &key);
	if (result != IDFILE_OK)
		return result;
	return hand_out(id, &key, ret, ret_key);
}

enum idfile_result idfile_unlock_key(const struct idfile *id, const uint8_t raw[IDFILE_KEY_LEN],
	struct idfile_secrets *ret, struct idfile_key *ret_key)
{
	struct idfile_key key;
	enum idfile_result result = IDFILE_NO_SLOT;
	for (size_t i = 0; i < id->slot_count; i++) {
		if (i == id->password_slot)
			continue;
		if (idfile_slot_open_key(&id->slots[i], id->header.key_id, raw, &key))
			return hand_out(id, &key, ret, ret_key);
		result = IDFILE_WRONG_KEY;
	}
	return result;
}
