/*
 * ID files as text: blocks in and out. Invariant: a parsed file keeps its text, and writing it with
 * a new password changes one block of it and no other byte.
 */

#include "identity/idfile.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "identity/internal.h"
#include "knock/spa.h"

#define NO_SLOT SIZE_MAX

/* In the order in which they stand. */
enum block { BLOCK_ID, BLOCK_CERT, BLOCK_SLOT, BLOCK_RECOVERY, BLOCK_SEALED, BLOCK_COUNT };

static const struct {
	const char *label;
	size_t min, max;
} blocks[BLOCK_COUNT] = {
	[BLOCK_ID] = { "POSTERN ID", 1, 1 },
	[BLOCK_CERT] = { "CERTIFICATE", 0, IDFILE_CERTS_MAX },
	[BLOCK_SLOT] = { "POSTERN WRAPPED KEY", 0, IDFILE_SLOTS_MAX },
	[BLOCK_RECOVERY] = { "POSTERN RECOVERY", 0, 1 },
	[BLOCK_SEALED] = { "POSTERN SEALED DATA", 1, 1 },
};

struct idfile {
	struct idfile_header header;
	size_t cert_count;
	struct span certs[IDFILE_CERTS_MAX];
	size_t slot_count;
	struct idfile_slot slots[IDFILE_SLOTS_MAX];
	size_t password_slot;      /* NO_SLOT: there is none */
	struct span password_text; /* its block in text, empty when there is none */
	size_t slots_end;          /* where one slot more would stand in text */
	struct span sealed;
	uint8_t aad[32];
	uint8_t *text; /* owned; what the spans above point into, or bytes */
	size_t text_len;
	uint8_t *bytes; /* owned; decoded bodies, one after another */
	size_t bytes_len;
};

/* What a parse knows besides the file it fills. */
struct progress {
	enum block stage; /* of the last known block */
	size_t counts[BLOCK_COUNT];
	size_t extra;
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
	if (s->ops != 0 && id->password_slot != NO_SLOT)
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

static const char *add_known(
	struct idfile *id, struct progress *p, const struct pem_block *b, enum block kind)
{
	size_t len;
	uint8_t *at = id->bytes + id->bytes_len;
	if (!pem_decode(b, at, id->text_len - id->bytes_len, &len))
		return "the block is not base64";
	id->bytes_len += len;
	struct span body = span_of(at, len);
	if (kind <= BLOCK_SLOT)
		id->slots_end = (size_t)(b->text.data - id->text) + b->text.len;
	switch (kind) {
	case BLOCK_ID:
		return add_id(id, p, body);
	case BLOCK_CERT:
		return add_cert(id, p, body);
	case BLOCK_SLOT:
		return add_slot(id, b, body);
	case BLOCK_SEALED:
		return add_sealed(id, body);
	case BLOCK_RECOVERY:
	case BLOCK_COUNT:
		break;
	}
	return NULL;
}

static enum block kind_of(const char *label)
{
	int kind = 0;
	while (kind < BLOCK_COUNT && strcmp(blocks[kind].label, label) != 0)
		kind++;
	return (enum block)kind;
}

static const char *add_block(struct idfile *id, struct progress *p, const struct pem_block *b)
{
	enum block kind = kind_of(b->label);
	if (p->counts[BLOCK_ID] == 0 && kind != BLOCK_ID)
		return "the first block is not POSTERN ID";
	if (kind == BLOCK_COUNT || kind == BLOCK_RECOVERY) {
		if (p->extra++ == IDFILE_EXTRA_MAX)
			return "too many other blocks";
	}
	if (kind == BLOCK_COUNT)
		return NULL;
	if (kind < p->stage)
		return "the block is out of order";
	if (p->counts[kind]++ == blocks[kind].max)
		return "one block too many of its kind";
	p->stage = kind;
	return add_known(id, p, b, kind);
}

static enum idfile_result refuse(struct fault *f, unsigned line, const char *why)
{
	fault_set(f, "line %u: %s; take the file from a backup", line, why);
	return IDFILE_BAD_FORMAT;
}

static enum idfile_result read_blocks(struct idfile *id, struct fault *f)
{
	struct pem_reader r = pem_reader_init(span_of(id->text, id->text_len));
	struct progress p = { .stage = BLOCK_ID };
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
	for (int kind = 0; kind < BLOCK_COUNT; kind++)
		if (p.counts[kind] < blocks[kind].min) {
			fault_set(f,
				"line %u: the file ends without a %s block; take it from a "
				"backup",
				r.line, blocks[kind].label);
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
	id->password_slot = NO_SLOT;
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

static bool seed_has_id(const uint8_t seed[32], const uint8_t key_id[32])
{
	uint8_t pk[32], sk[64], made[32];
	crypto_sign_seed_keypair(pk, sk, seed);
	sodium_memzero(sk, sizeof(sk));
	spa_key_id(pk, made);
	return memcmp(made, key_id, 32) == 0;
}

/* With K in hand: the seal, and whether the header speaks of the key that was sealed. */
static enum idfile_result open_seal(
	const struct idfile *id, const struct idfile_key *key, struct idfile_secrets *ret)
{
	struct idfile_secrets *s = malloc(sizeof(*s));
	if (s == NULL)
		return IDFILE_NO_MEMORY;
	enum idfile_result result = idfile_unseal(id->sealed, key, id->aad, s);
	if (result == IDFILE_OK && !seed_has_id(s->seed, id->header.key_id))
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
	enum idfile_result result = open_seal(id, key, ret);
	if (result == IDFILE_OK && ret_key != NULL)
		*ret_key = *key;
	sodium_memzero(key, sizeof(*key));
	return result;
}

enum idfile_result idfile_unlock_password(const struct idfile *id, struct span password,
	struct idfile_secrets *ret, struct idfile_key *ret_key)
{
	struct idfile_key key;
	if (id->password_slot == NO_SLOT)
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

static bool default_cost(uint32_t *ops, uint32_t *mem_kib)
{
	if (*ops == 0)
		*ops = IDFILE_OPS_DEFAULT;
	if (*mem_kib == 0)
		*mem_kib = IDFILE_MEM_KIB_DEFAULT;
	return idfile_cost_is_good(*ops, *mem_kib);
}

static bool new_is_good(const struct idfile_new *n)
{
	if (strnlen(n->header.name, sizeof(n->header.name)) > IDFILE_NAME_MAX ||
		!idfile_header_is_good(&n->header) || n->cert_count > IDFILE_CERTS_MAX)
		return false;
	for (size_t i = 0; i < n->cert_count; i++)
		if (n->certs[i].len == 0 || n->certs[i].len > IDFILE_CERT_LEN_MAX)
			return false;
	if (!n->has_password && n->raw_key == NULL)
		return false;
	return seed_has_id(n->secrets->seed, n->header.key_id);
}

static void put_slot(struct writer *w, const struct idfile_slot *s)
{
	uint8_t body[IDFILE_SLOT_LEN];
	idfile_slot_encode(s, body);
	pem_write(w, blocks[BLOCK_SLOT].label, SPAN_OF(body));
}

static bool put_slots(struct writer *w, const struct idfile_new *n, const struct idfile_key *key)
{
	struct idfile_slot s;
	if (n->has_password) {
		uint32_t ops = n->ops, mem_kib = n->mem_kib;
		if (!default_cost(&ops, &mem_kib) ||
			!idfile_slot_make_password(
				n->header.key_id, key, n->password, ops, mem_kib, &s))
			return false;
		put_slot(w, &s);
	}
	if (n->raw_key != NULL) {
		idfile_slot_make_key(n->header.key_id, key, n->raw_key, &s);
		put_slot(w, &s);
	}
	return true;
}

static bool put_file(struct writer *w, const struct idfile_new *n, const struct idfile_key *key)
{
	uint8_t header[IDFILE_HEADER_LEN_MAX], aad[32];
	crypto_hash_sha256_state state;
	struct span head = span_of(header, idfile_header_encode(&n->header, header));

	crypto_hash_sha256_init(&state);
	pem_hash_body(&state, head);
	pem_write(w, blocks[BLOCK_ID].label, head);
	for (size_t i = 0; i < n->cert_count; i++) {
		pem_hash_body(&state, n->certs[i]);
		pem_write(w, blocks[BLOCK_CERT].label, n->certs[i]);
	}
	crypto_hash_sha256_final(&state, aad);
	if (!put_slots(w, n, key))
		return false;
	size_t len;
	uint8_t *sealed = idfile_seal(n->secrets, key, aad, &len);
	if (sealed == NULL)
		return false;
	pem_write(w, blocks[BLOCK_SEALED].label, span_of(sealed, len));
	free(sealed);
	return !w->is_full;
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

char *idfile_format(const struct idfile_new *n)
{
	if (!new_is_good(n))
		return NULL;
	struct writer w = writer_init(malloc(IDFILE_MAX + 1), IDFILE_MAX);
	if (w.start == NULL)
		return NULL;
	struct idfile_key key;
	randombytes_buf(key.b, sizeof(key.b));
	bool is_good = put_file(&w, n, &key);
	sodium_memzero(&key, sizeof(key));
	return finish(&w, is_good);
}

char *idfile_format_password(const struct idfile *id, const struct idfile_key *key,
	struct span password, uint32_t ops, uint32_t mem_kib)
{
	struct idfile_slot s;
	if (id->password_slot == NO_SLOT && id->slot_count == IDFILE_SLOTS_MAX)
		return NULL;
	if (open_seal(id, key, NULL) != IDFILE_OK || !default_cost(&ops, &mem_kib) ||
		!idfile_slot_make_password(id->header.key_id, key, password, ops, mem_kib, &s))
		return NULL;
	struct writer w = writer_init(malloc(IDFILE_MAX + 1), IDFILE_MAX);
	if (w.start == NULL)
		return NULL;
	size_t cut = id->password_slot == NO_SLOT ? id->slots_end
						  : (size_t)(id->password_text.data - id->text);
	size_t rest = cut + id->password_text.len;
	writer_put(&w, id->text, cut);
	put_slot(&w, &s);
	writer_put(&w, id->text + rest, id->text_len - rest);
	return finish(&w, !w.is_full);
}
