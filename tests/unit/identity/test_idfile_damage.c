/*
 * ID files that were put together wrongly, and good ones with one byte changed. Files are built
 * from bodies, so that each mistake stands alone.
 */

#include <sodium.h>

#include "base/pem.h"
#include "identity/internal.h"
#include "test.h"

#define BODY_MAX 4096

enum { HEADER, CERT, SLOT, KEY_SLOT, SEALED, PARTS };

struct part {
	const char *label;
	size_t len;
	uint8_t body[BODY_MAX];
};

static struct part good[PARTS]; /* of vectors/identity/user.id, the first of each kind */
static uint8_t raw_key[IDFILE_KEY_LEN];
static char text[2 * IDFILE_MAX];

static void load_parts(void)
{
	static const char *const labels[PARTS] = { "POSTERN ID", "CERTIFICATE",
		"POSTERN WRAPPED KEY", "POSTERN WRAPPED KEY", "POSTERN SEALED DATA" };
	FILE *f = fopen(TEST_VECTORS "/identity/certifier.id", "rb");
	struct pem_block b;
	assert_non_null(f);
	size_t len = fread(text, 1, IDFILE_MAX, f);
	fclose(f);
	struct pem_reader r = pem_reader_init(span_of(text, len));
	while (pem_next(&r, &b) == PEM_BLOCK)
		for (size_t i = 0; i < PARTS; i++)
			if (strcmp(b.label, labels[i]) == 0) {
				good[i].label = labels[i];
				assert_true(pem_decode(&b, good[i].body, BODY_MAX, &good[i].len));
			}
	/* A key-file slot for the same file: K is 66.. in every vector. */
	struct idfile_key key;
	struct idfile_slot s;
	memset(key.b, 0x66, sizeof(key.b));
	idfile_slot_make_key(good[HEADER].body + 2, &key, raw_key, &s);
	good[KEY_SLOT].len = IDFILE_SLOT_LEN;
	idfile_slot_encode(&s, good[KEY_SLOT].body);
}

static struct span join(const struct part *const *parts, size_t count)
{
	struct writer w = writer_init(text, sizeof(text));
	for (size_t i = 0; i < count; i++)
		pem_write(&w, parts[i]->label, span_of(parts[i]->body, parts[i]->len));
	return writer_span(&w);
}

/* The good file with one part replaced. */
static struct span file_with(size_t at, const struct part *instead)
{
	const struct part *parts[PARTS];
	for (size_t i = 0; i < PARTS; i++)
		parts[i] = i == at ? instead : &good[i];
	return join(parts, PARTS);
}

static void check_refused(const char *name, struct span file, const char *expected)
{
	struct idfile *id = NULL;
	struct fault f = { "" };
	enum idfile_result result = idfile_parse(file, &id, &f);
	if (result != IDFILE_BAD_FORMAT || strstr(f.text, expected) == NULL ||
		strncmp(f.text, "line ", 5) != 0 || id != NULL)
		fail_msg("case \"%s\": %d \"%s\"", name, (int)result, f.text);
}

static void test_good(void **state)
{
	(void)state;
	struct idfile *id;
	struct fault f;
	assert_int_equal(idfile_parse(file_with(PARTS, NULL), &id, &f), IDFILE_OK);
	assert_int_equal(idfile_unlock_password(id, span_of(NULL, 0), NULL, NULL), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
}

static void test_blocks(void **state)
{
	(void)state;
	static struct part other = { "SOMETHING ELSE", 3, "abc" };
	static struct part recovery = { "POSTERN RECOVERY", 3, "abc" };
	const struct part *h = &good[HEADER], *c = &good[CERT], *s = &good[SLOT],
			  *k = &good[KEY_SLOT], *d = &good[SEALED], *o = &other, *r = &recovery;
	const struct {
		const char *name, *expected;
		const struct part *parts[24];
	} cases[] = {
		{ "nothing", "without a POSTERN ID block", { NULL } },
		{ "other block first", "line 1: the first block", { o, h, d } },
		{ "certificate first", "the first block is not POSTERN ID", { c, h, d } },
		{ "two headers", "one block too many", { h, h, d } },
		{ "header late", "out of order", { h, c, h, d } },
		{ "certificate after slot", "out of order", { h, s, c, d } },
		{ "slot after recovery", "out of order", { h, r, s, d } },
		{ "slot after seal", "out of order", { h, s, d, k } },
		{ "two password slots", "one password slot", { h, s, s, d } },
		{ "five slots", "one block too many", { h, k, k, k, k, k, d } },
		{ "two recoveries", "one block too many", { h, r, r, d } },
		{ "two seals", "one block too many", { h, d, d } },
		{ "no seal", "without a POSTERN SEALED DATA", { h, c, s } },
		{ "17 certificates", "one block too many",
			{ h, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, c, d } },
		{ "17 others", "too many other blocks",
			{ h, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, d } },
		{ "16 others and recovery", "too many other blocks",
			{ h, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, o, r, d } },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t n = 0;
		while (cases[i].parts[n] != NULL)
			n++;
		check_refused(cases[i].name, join(cases[i].parts, n), cases[i].expected);
	}
}

static void test_bodies(void **state)
{
	(void)state;
	static const char header[] = "the header is not", slot[] = "wrapped key is malformed",
			  seal[] = "sealed data is too short", cert[] = "1 to 2048 bytes";
	static const struct {
		const char *name;
		int part;
		int grow; /* bytes more (of 0) or fewer */
		size_t at;
		int value; /* -1: as it is */
		const char *expected;
	} cases[] = {
		{ "version", HEADER, 0, 0, 2, header },
		{ "kind 0", HEADER, 0, 1, 0, header },
		{ "kind 4", HEADER, 0, 1, 4, header },
		{ "name length high", HEADER, 0, 34, 2, header },
		{ "name one shorter", HEADER, 0, 35, 5, header },
		{ "NUL in the name", HEADER, 0, 40, 0, header },
		{ "star in the name", HEADER, 0, 40, '*', header },
		{ "quality 17", HEADER, 0, 50, 17, header },
		{ "M without N", HEADER, 0, 51, 1, header },
		{ "N without M", HEADER, 0, 52, 1, header },
		{ "header shorter", HEADER, -1, 0, -1, header },
		{ "header longer", HEADER, 1, 0, -1, header },
		{ "empty certificate", CERT, -84, 0, -1, cert },
		{ "certificate too long", CERT, 2049 - 84, 0, -1, cert },
		{ "slot shorter", SLOT, -1, 0, -1, slot },
		{ "slot longer", SLOT, 1, 0, -1, slot },
		{ "no passes but a salt", SLOT, 0, 19, 0, slot },
		{ "17 passes", SLOT, 0, 19, 17, slot },
		{ "2^24 passes", SLOT, 0, 16, 1, slot },
		{ "4 KiB of memory", SLOT, 0, 23, 4, slot },
		{ "past 4 GiB of memory", SLOT, 0, 20, 1, slot },
		{ "key slot with a salt", KEY_SLOT, 0, 3, 1, slot },
		{ "key slot with memory", KEY_SLOT, 0, 23, 8, slot },
		{ "key slot with passes", KEY_SLOT, 0, 19, 1, slot },
		{ "seal of 39 bytes", SEALED, 39 - 77, 0, -1, seal },
	};
	assert_int_equal(good[HEADER].len, 53);
	assert_int_equal(good[CERT].len, 84);
	assert_int_equal(good[SEALED].len, 77);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		static struct part p;
		p = good[cases[i].part];
		p.len = (size_t)((int)p.len + cases[i].grow);
		if (cases[i].value >= 0)
			p.body[cases[i].at] = (uint8_t)cases[i].value;
		check_refused(
			cases[i].name, file_with((size_t)cases[i].part, &p), cases[i].expected);
	}
}

static void test_texts(void **state)
{
	(void)state;
	char *copy = malloc(2 * IDFILE_MAX);
	assert_non_null(copy);
	struct span file = file_with(PARTS, NULL);
	check_refused("no line end", span_of(text, file.len - 1), "no END line");
	check_refused("cut block", span_of(text, file.len - 30), "END");

	memcpy(copy, text, file.len);
	memcpy(copy + file.len, "stray\n", 6);
	check_refused("text outside", span_of(copy, file.len + 6), "text outside a block");
	memcpy(copy + file.len, "#a\0b\n", 5);
	check_refused("zero byte", span_of(copy, file.len + 5), "zero byte");
	memset(copy + file.len, '\n', IDFILE_MAX);
	check_refused("large", span_of(copy, IDFILE_MAX + 1), "larger than 64 KiB");
	struct idfile *id;
	struct fault f;
	assert_int_equal(idfile_parse(span_of(copy, IDFILE_MAX), &id, &f), IDFILE_OK);
	idfile_free(id);
	char *bad = memchr(copy, '\n', file.len);
	bad[1] = '!';
	check_refused("not base64", span_of(copy, file.len), "line 1: the block is not base64");
	free(copy);
}

/* True when neither slot gives anything from this file. Costs are small or it is not asked. */
static bool is_found_out(struct span file, bool by_password)
{
	struct idfile *id;
	struct fault f;
	if (idfile_parse(file, &id, &f) != IDFILE_OK)
		return true;
	enum idfile_result result = by_password
		? idfile_unlock_password(id, span_of(NULL, 0), NULL, NULL)
		: idfile_unlock_key(id, raw_key, NULL, NULL);
	idfile_free(id);
	return result != IDFILE_OK;
}

static void test_every_byte_counts(void **state)
{
	(void)state;
	for (size_t part = 0; part < PARTS; part++) {
		static struct part p;
		for (size_t bit = 0; bit < 8 * good[part].len; bit++) {
			bool is_slot = part == SLOT || part == KEY_SLOT;
			/* A larger cost would only make the test slow; it derives another key. */
			if (is_slot && bit / 8 >= 16 && bit / 8 < 24 && bit % 8 > 3)
				continue;
			if (is_slot && bit / 8 >= 20 && bit / 8 < 22)
				continue;
			p = good[part];
			p.body[bit / 8] ^= (uint8_t)(1u << bit % 8);
			struct span file = file_with(part, &p);
			if (part != KEY_SLOT && !is_found_out(file, true))
				fail_msg("part %zu bit %zu, by password", part, bit);
			if (part != SLOT && !is_found_out(file, false))
				fail_msg("part %zu bit %zu, by key", part, bit);
		}
	}
}

static void test_every_prefix_is_refused(void **state)
{
	(void)state;
	struct span file = file_with(PARTS, NULL);
	for (size_t n = 0; n < file.len; n++)
		assert_true(is_found_out(span_of(text, n), false));
}

static void test_certificates_cannot_be_swapped_or_dropped(void **state)
{
	(void)state;
	static struct part other = { "CERTIFICATE", 5, "other" };
	static struct part split[2];
	const struct part *swapped[] = { &good[HEADER], &other, &good[KEY_SLOT], &good[SEALED] };
	const struct part *more[] = { &good[HEADER], &good[CERT], &other, &good[KEY_SLOT],
		&good[SEALED] };
	assert_true(is_found_out(join(swapped, 4), false));
	assert_true(is_found_out(join(more, 5), false));
	const struct part *dropped[] = { &good[HEADER], &good[KEY_SLOT], &good[SEALED] };
	assert_true(is_found_out(join(dropped, 3), false));
	/* The lengths are sealed too: one certificate is not two halves of it. */
	split[0] = split[1] = good[CERT];
	split[0].len = 40;
	split[1].len = good[CERT].len - 40;
	memcpy(split[1].body, good[CERT].body + 40, split[1].len);
	const struct part *halves[] = { &good[HEADER], &split[0], &split[1], &good[KEY_SLOT],
		&good[SEALED] };
	assert_true(is_found_out(join(halves, 5), false));
}

static void seal_again(struct part *p, const uint8_t *plain, size_t len)
{
	uint8_t aad[32], be[4];
	crypto_hash_sha256_state h;
	crypto_hash_sha256_init(&h);
	for (size_t i = HEADER; i <= CERT; i++) {
		struct writer w = writer_init(be, 4);
		writer_u32(&w, (uint32_t)good[i].len);
		crypto_hash_sha256_update(&h, be, 4);
		crypto_hash_sha256_update(&h, good[i].body, good[i].len);
	}
	crypto_hash_sha256_final(&h, aad);
	struct idfile_key key;
	memset(key.b, 0x66, sizeof(key.b));
	*p = good[SEALED];
	p->len = len + IDFILE_SEAL_EXTRA;
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		p->body + 24, NULL, plain, len, aad, 32, NULL, p->body, key.b);
}

static void test_sealed_but_wrong(void **state)
{
	(void)state;
	static struct part p;
	struct idfile *id;
	struct fault f;
	uint8_t plain[37] = { 1, 0, 0, 0, 32 };
	memset(plain + 5, 0x11, 32);
	seal_again(&p, plain, sizeof(plain));
	assert_int_equal(idfile_parse(file_with(SEALED, &p), &id, &f), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	/* Another seed than the one the header names. */
	plain[5] = 0x12;
	seal_again(&p, plain, sizeof(plain));
	assert_int_equal(idfile_parse(file_with(SEALED, &p), &id, &f), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_TAMPERED);
	idfile_free(id);
	seal_again(&p, plain, 36);
	assert_int_equal(idfile_parse(file_with(SEALED, &p), &id, &f), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_BAD_FORMAT);
	idfile_free(id);
}

struct tlv {
	uint8_t type;
	uint32_t len;
	size_t times;
};

static bool decodes(const struct tlv *tlvs, size_t count)
{
	static uint8_t plain[65536];
	static struct idfile_secrets s;
	struct writer w = writer_init(plain, sizeof(plain));
	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < tlvs[i].times; n++) {
			writer_u8(&w, tlvs[i].type);
			writer_u32(&w, tlvs[i].len);
			for (size_t k = 0; k < tlvs[i].len; k++)
				writer_u8(&w, 1); /* also a good PSK slot */
		}
	assert_false(w.is_full);
	return idfile_secrets_decode(writer_span(&w), &s);
}

static void test_tlvs(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		struct tlv tlvs[3];
		bool expected;
	} cases[] = {
		{ "seed", { { 1, 32, 1 } }, true },
		{ "nothing", { { 0, 0, 0 } }, false },
		{ "no seed", { { 2, 32, 1 } }, false },
		{ "two seeds", { { 1, 32, 2 } }, false },
		{ "short seed", { { 1, 31, 1 } }, false },
		{ "long seed", { { 1, 33, 1 } }, false },
		{ "two pending", { { 1, 32, 1 }, { 2, 32, 2 } }, false },
		{ "any order", { { 4, 32, 1 }, { 2, 32, 1 }, { 1, 32, 1 } }, true },
		{ "two X25519", { { 1, 32, 1 }, { 4, 32, 2 } }, false },
		{ "short X25519", { { 1, 32, 1 }, { 4, 31, 1 } }, false },
		{ "8 retired", { { 1, 32, 1 }, { 3, 40, 8 } }, true },
		{ "9 retired", { { 1, 32, 1 }, { 3, 40, 9 } }, false },
		{ "short retired", { { 1, 32, 1 }, { 3, 39, 1 } }, false },
		{ "15 PSKs", { { 1, 32, 1 }, { 6, 65, 15 } }, true },
		{ "16 PSKs", { { 1, 32, 1 }, { 6, 65, 16 } }, false },
		{ "long PSK", { { 1, 32, 1 }, { 6, 66, 1 } }, false },
		{ "others to the brim", { { 1, 32, 1 }, { 200, 16379, 1 } }, true },
		{ "others past it", { { 1, 32, 1 }, { 200, 16379, 1 }, { 0, 0, 1 } }, false },
		{ "one other too long", { { 1, 32, 1 }, { 8, 16380, 1 } }, false },
		{ "8 document keys", { { 1, 32, 1 }, { 5, 40, 8 } }, true },
		{ "9 document keys", { { 1, 32, 1 }, { 5, 40, 9 } }, false },
		{ "short document key", { { 1, 32, 1 }, { 5, 39, 1 } }, false },
		{ "long document key", { { 1, 32, 1 }, { 5, 41, 1 } }, false },
		/* Every byte is 1, so the lengths inside are 257. */
		{ "internet", { { 1, 32, 1 }, { 7, 518, 1 } }, true },
		{ "short internet", { { 1, 32, 1 }, { 7, 517, 1 } }, false },
		{ "long internet", { { 1, 32, 1 }, { 7, 519, 1 } }, false },
		{ "two internets", { { 1, 32, 1 }, { 7, 518, 2 } }, false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name, decodes(cases[i].tlvs, 3) == cases[i].expected);

	static const uint8_t lying[] = { 1, 0xff, 0xff, 0xff, 0xff, 1, 2, 3 };
	struct idfile_secrets s;
	assert_false(idfile_secrets_decode(SPAN_OF(lying), &s));
}

static bool takes_internet(size_t cert_len, size_t key_len)
{
	static uint8_t plain[16384];
	static struct idfile_secrets s;
	struct writer w = writer_init(plain, sizeof(plain));
	writer_u8(&w, 1);
	writer_u32(&w, 32);
	writer_zero(&w, 32);
	writer_u8(&w, 7);
	writer_u32(&w, (uint32_t)(4 + cert_len + key_len));
	writer_u16(&w, (uint16_t)cert_len);
	writer_zero(&w, cert_len);
	writer_u16(&w, (uint16_t)key_len);
	writer_zero(&w, key_len);
	assert_false(w.is_full);
	return idfile_secrets_decode(writer_span(&w), &s) && s.internet_cert_len == cert_len &&
		s.internet_key_len == key_len;
}

static void test_internet_bounds(void **state)
{
	(void)state;
	assert_true(takes_internet(1, 1));
	assert_true(takes_internet(IDFILE_INTERNET_MAX, IDFILE_INTERNET_MAX));
	assert_false(takes_internet(0, 1));
	assert_false(takes_internet(1, 0));
	assert_false(takes_internet(0, 0));
	assert_false(takes_internet(IDFILE_INTERNET_MAX + 1, 1));
	assert_false(takes_internet(1, IDFILE_INTERNET_MAX + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_every_byte_counts),
		cmocka_unit_test(test_every_prefix_is_refused),
		cmocka_unit_test(test_certificates_cannot_be_swapped_or_dropped),
		cmocka_unit_test(test_sealed_but_wrong),
		cmocka_unit_test(test_tlvs),
		cmocka_unit_test(test_internet_bounds),
	};
	for (size_t i = 0; i < sizeof(raw_key); i++)
		raw_key[i] = (uint8_t)i;
	load_parts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
