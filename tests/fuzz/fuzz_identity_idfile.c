/*
 * Any text, read as an ID file. What parses has a header within its bounds; what the key of the
 * vectors unlocks has a seed that fits its key id; and a new password slot, or a changed block, changes
 * nothing but itself.
 */

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/idfile.h"
#include "knock/spa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_header(const struct idfile_header *h)
{
	size_t n = strnlen(h->name, sizeof(h->name));
	if (n == 0 || n > IDFILE_NAME_MAX || h->quality_min > 16 || h->recovery_m > h->recovery_n ||
		h->recovery_n > 16 || h->kind < IDFILE_USER || h->kind > IDFILE_CERTIFIER)
		abort();
}

static void check_same(const struct idfile *a, const struct idfile *b)
{
	const struct idfile_header *p = idfile_header(a), *q = idfile_header(b);
	if (p->kind != q->kind || memcmp(p->key_id, q->key_id, 32) != 0 ||
		strcmp(p->name, q->name) != 0 || p->created_ms != q->created_ms ||
		p->quality_min != q->quality_min || p->recovery_m != q->recovery_m ||
		p->recovery_n != q->recovery_n || idfile_cert_count(a) != idfile_cert_count(b))
		abort();
	for (size_t i = 0; i < idfile_cert_count(a); i++) {
		if (!span_equal(idfile_cert(a, i), idfile_cert(b, i)) || idfile_cert(a, i).len == 0)
			abort();
	}
}

static void check_new_password(const struct idfile *id, const struct idfile_key *key)
{
	static const uint8_t password[] = "new";
	struct idfile *again;
	struct fault f;
	char *text = idfile_format_password(id, key, SPAN_OF(password), 1, 8);
	if (text == NULL)
		return; /* no room for one slot more */
	if (idfile_parse(span_of(text, strlen(text)), &again, &f) != IDFILE_OK)
		abort();
	check_same(id, again);
	if (idfile_unlock_password(again, SPAN_OF(password), NULL, NULL) != IDFILE_OK)
		abort();
	idfile_free(again);
	free(text);
}

/* A block more and a new seal: the rest is as it was, and the same key file opens it. */
static void check_change(const struct idfile *id, const struct idfile_key *key,
	const struct idfile_secrets *s, const uint8_t raw[IDFILE_KEY_LEN])
{
	struct idfile_change c = {
		.secrets = s, .block_count = 1, .blocks = { { "FUZZ", span_of("fuzz", 4) } }
	};
	struct idfile *again;
	struct fault f;
	char *text = idfile_format_change(id, key, &c);
	if (text == NULL)
		return; /* no room for one block more */
	if (idfile_parse(span_of(text, strlen(text)), &again, &f) != IDFILE_OK)
		abort();
	check_same(id, again);
	if (!span_equal(idfile_block(again, "FUZZ"), c.blocks[0].body) ||
		!span_equal(idfile_block(id, "POSTERN RECOVERY"),
			idfile_block(again, "POSTERN RECOVERY")))
		abort();
	if (idfile_unlock_key(again, raw, NULL, NULL) != IDFILE_OK ||
		idfile_slot_count(id) != idfile_slot_count(again))
		abort();
	idfile_free(again);
	free(text);
}

static void check_unlock(const struct idfile *id)
{
	static struct idfile_secrets s;
	struct idfile_key key;
	uint8_t raw[IDFILE_KEY_LEN], pk[32], sk[64], key_id[32];
	for (size_t i = 0; i < sizeof(raw); i++)
		raw[i] = (uint8_t)i;
	if (idfile_unlock_key(id, raw, &s, &key) != IDFILE_OK)
		return;
	crypto_sign_seed_keypair(pk, sk, s.seed);
	spa_key_id(pk, key_id);
	if (memcmp(key_id, idfile_header(id)->key_id, 32) != 0)
		abort();
	check_new_password(id, &key);
	check_change(id, &key, &s, raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct idfile *id;
	struct fault f = { "" };
	if (idfile_parse(span_of(data, len), &id, &f) != IDFILE_OK) {
		if (f.text[0] == '\0')
			abort();
		return 0;
	}
	check_header(idfile_header(id));
	check_unlock(id);
	idfile_free(id);
	return 0;
}
