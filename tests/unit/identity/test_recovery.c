/*
 * Recovery authorities, lists and blocks: the vector, what is made and read back, every bit of it
 * changed, and what M people can do that M - 1 cannot.
 */

#include <errno.h>
#include <sodium.h>

#include "identity/recovery.h"
#include "knock/spa.h"
#include "knock/vector.h"
#include "test.h"

static struct vector value(const char *name)
{
	return vector_get("../identity/recovery.txt", name);
}

static struct vector numbered(const char *name, unsigned i)
{
	char text[32];
	snprintf(text, sizeof(text), "%s%u", name, i);
	return value(text);
}

static void keys_of(uint8_t fill, uint8_t pk[32], uint8_t sk[64])
{
	uint8_t seed[32];
	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
}

static struct hpke_secret x25519_of(uint8_t fill)
{
	struct hpke_secret s;
	memset(s.b, fill, sizeof(s.b));
	return s;
}

/* ------------------------------------------------------------------ the vector */

static void test_authority_vector(void **state)
{
	(void)state;
	static const char *const names[] = { "Ann/VSD", "Bob/Sales/VSD", "CN=Cy/O=VSD" };
	for (unsigned i = 0; i < 3; i++) {
		struct vector v = numbered("authority", i + 1);
		struct recovery_authority a;
		struct fault f = { "" };
		uint8_t pk[32], sk[64], again[RECOVERY_AUTHORITY_LEN_MAX], x25519[32];
		struct hpke_secret secret = x25519_of((uint8_t)(0x31 + i));
		keys_of((uint8_t)(0x21 + i), pk, sk);
		hpke_public_key(&secret, x25519);
		assert_int_equal(recovery_authority_decode(vector_span(&v), &a, &f), 0);
		assert_string_equal(a.name, names[i]);
		assert_memory_equal(a.pk, pk, 32);
		assert_memory_equal(a.x25519, x25519, 32);
		assert_true(a.created_ms == UINT64_C(1750000000000) + i);
		assert_int_equal(recovery_authority_encode(&a, sk, again), v.len);
		assert_memory_equal(again, v.b, v.len);
	}
}

static void test_list_vector(void **state)
{
	(void)state;
	struct vector v = value("list"), records[3];
	struct span spans[3];
	static struct recovery_list l;
	struct fault f = { "" };
	uint8_t pk[32], sk[64], again[RECOVERY_LIST_LEN_MAX];
	keys_of(0x41, pk, sk);
	assert_int_equal(recovery_list_decode(vector_span(&v), &l, &f), 0);
	assert_string_equal(l.certifier, "VSD");
	assert_memory_equal(l.certifier_pk, pk, 32);
	assert_int_equal(l.m, 2);
	assert_int_equal(l.n, 3);
	assert_string_equal(l.authorities[1].name, "Bob/Sales/VSD");
	for (unsigned i = 0; i < 3; i++) {
		records[i] = numbered("authority", i + 1);
		spans[i] = vector_span(&records[i]);
	}
	assert_int_equal(recovery_list_encode(&l, spans, sk, again), v.len);
	assert_memory_equal(again, v.b, v.len);
}

static struct recovery block_of(const struct vector *v)
{
	struct vector key = value("id_key");
	struct recovery r;
	struct fault f = { "" };
	if (recovery_decode(vector_span(v), key.b, &r, &f) != 0)
		fail_msg("%s", f.text);
	return r;
}

static void test_block_vector(void **state)
{
	(void)state;
	struct vector v = value("block"), list = value("list");
	struct recovery r = block_of(&v);
	struct recovery_share shares[3];
	struct idfile_key key;
	struct fault f = { "" };
	assert_true(span_equal(r.list_der, vector_span(&list)));
	for (uint8_t i = 0; i < 3; i++) {
		struct vector want = numbered("share", i + 1u);
		struct hpke_secret x25519 = x25519_of((uint8_t)(0x31 + i));
		assert_int_equal(
			recovery_open_share(&r, r.list.authorities[i].pk, &x25519, &shares[i], &f),
			0);
		assert_int_equal(shares[i].x, i + 1);
		assert_memory_equal(shares[i].b, want.b, 32);
	}
	assert_int_equal(recovery_combine(&r, shares + 1, 2, &key, &f), 0);
	for (size_t i = 0; i < sizeof(key.b); i++)
		assert_int_equal(key.b[i], 0x66);
}

/* ------------------------------------------------------------------ bytes changed */

static int decode_authority(struct span s, struct fault *f)
{
	struct recovery_authority a;
	return recovery_authority_decode(s, &a, f);
}

static int decode_list(struct span s, struct fault *f)
{
	static struct recovery_list l;
	return recovery_list_decode(s, &l, f);
}

static int decode_block(struct span s, struct fault *f)
{
	static struct vector key;
	static struct recovery r;
	if (key.len == 0)
		key = value("id_key");
	return recovery_decode(s, key.b, &r, f);
}

static void check_damage(
	const char *what, const struct vector *v, int (*decode)(struct span s, struct fault *f))
{
	static uint8_t copy[VECTOR_MAX + 1];
	struct fault f;
	assert_int_equal(decode(vector_span(v), &f), 0);
	for (size_t n = 0; n < v->len; n++)
		if (decode(span_of(v->b, n), &f) != -EINVAL)
			fail_msg("%s cut at %zu", what, n);
	memcpy(copy, v->b, v->len);
	copy[v->len] = 0;
	TEST_CASE(what, decode(span_of(copy, v->len + 1), &f) == -EINVAL);
	for (size_t bit = 0; bit < 8 * v->len; bit++) {
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
		f.text[0] = '\0';
		if (decode(span_of(copy, v->len), &f) != -EINVAL || f.text[0] == '\0')
			fail_msg("%s bit %zu", what, bit);
		copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static void test_damage(void **state)
{
	(void)state;
	struct vector authority = numbered("authority", 2), list = value("list"),
		      block = value("block");
	check_damage("authority", &authority, decode_authority);
	check_damage("list", &list, decode_list);
	check_damage("block", &block, decode_block);
	assert_int_equal(decode_authority(span_of(NULL, 0), &(struct fault){ "" }), -EINVAL);
}

static void test_block_of_another_key(void **state)
{
	(void)state;
	struct vector block = value("block");
	uint8_t pk[32], sk[64];
	static struct recovery r;
	struct fault f;
	keys_of(0x52, pk, sk);
	assert_int_equal(recovery_decode(vector_span(&block), pk, &r, &f), -EINVAL);
	assert_string_equal(
		f.text, "the recovery block is of another ID; take the file from a backup");
}

/* ------------------------------------------------------------------ made here */

struct made {
	uint8_t n;
	struct hpke_secret x25519[RECOVERY_AUTHORITIES_MAX];
	uint8_t pk[32], sk[64], key_id[32];
	struct idfile_key key;
	size_t list_len, len;
	uint8_t list[RECOVERY_LIST_LEN_MAX], block[RECOVERY_LEN_MAX];
	struct recovery r;
};

static size_t make_record(uint8_t i, const char *name, uint8_t to[RECOVERY_AUTHORITY_LEN_MAX])
{
	struct recovery_authority a = { .created_ms = i };
	uint8_t sk[64];
	struct hpke_secret x25519 = x25519_of((uint8_t)(0x80 + i));
	keys_of((uint8_t)(1 + i), a.pk, sk);
	hpke_public_key(&x25519, a.x25519);
	strcpy(a.name, name);
	return recovery_authority_encode(&a, sk, to);
}

static size_t make_list(uint8_t m, uint8_t n, const char *name, uint8_t *to)
{
	static uint8_t records[RECOVERY_AUTHORITIES_MAX][RECOVERY_AUTHORITY_LEN_MAX];
	struct span spans[RECOVERY_AUTHORITIES_MAX];
	static struct recovery_list l;
	uint8_t sk[64];
	for (uint8_t i = 0; i < n; i++) {
		spans[i] = span_of(records[i], make_record(i, name, records[i]));
		assert_true(spans[i].len > 0);
	}
	l = (struct recovery_list){ .certifier = "VSD", .m = m, .n = n };
	keys_of(0xcc, l.certifier_pk, sk);
	return recovery_list_encode(&l, spans, sk, to);
}

static struct made *made_of(uint8_t m, uint8_t n, const char *name)
{
	static struct made k;
	struct fault f = { "" };
	k = (struct made){ .n = n, .key = { { 0x77, m, n } } };
	for (uint8_t i = 0; i < n; i++)
		k.x25519[i] = x25519_of((uint8_t)(0x80 + i));
	keys_of(0xdd, k.pk, k.sk);
	spa_key_id(k.pk, k.key_id);
	k.list_len = make_list(m, n, name, k.list);
	assert_true(k.list_len > 0);
	k.len = recovery_make(span_of(k.list, k.list_len), k.key_id, &k.key, k.sk, k.block);
	assert_true(k.len > 0);
	if (recovery_decode(span_of(k.block, k.len), k.pk, &k.r, &f) != 0)
		fail_msg("%s", f.text);
	return &k;
}

static struct recovery_share open_share(const struct made *k, uint8_t i)
{
	struct recovery_share s;
	struct fault f = { "" };
	if (recovery_open_share(&k->r, k->r.list.authorities[i].pk, &k->x25519[i], &s, &f) != 0)
		fail_msg("%s", f.text);
	assert_int_equal(s.x, i + 1);
	assert_true(recovery_share_is_good(&k->r, &s));
	return s;
}

static void check_m_of_n(uint8_t m, uint8_t n)
{
	struct made *k = made_of(m, n, "Ann/VSD");
	struct recovery_share all[RECOVERY_AUTHORITIES_MAX], some[RECOVERY_AUTHORITIES_MAX];
	for (uint8_t i = 0; i < n; i++)
		all[i] = open_share(k, i);
	for (unsigned set = 0; set < 1u << n; set++) {
		struct idfile_key key;
		struct fault f;
		size_t count = 0;
		for (unsigned i = n; i-- > 0;)
			if ((set >> i & 1u) != 0)
				some[count++] = all[i];
		int rc = recovery_combine(&k->r, some, count, &key, &f);
		if (rc != (count >= m ? 0 : -EINVAL))
			fail_msg("%u of %u, set %x", (unsigned)m, (unsigned)n, set);
		if (rc == 0)
			assert_memory_equal(&key, &k->key, sizeof(key));
	}
}

static void test_any_m_of_n(void **state)
{
	(void)state;
	static const uint8_t cases[][2] = { { 1, 1 }, { 1, 3 }, { 2, 2 }, { 2, 3 }, { 3, 5 },
		{ 5, 5 } };
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		check_m_of_n(cases[i][0], cases[i][1]);
}

static void test_sixteen_with_long_names(void **state)
{
	(void)state;
	char name[IDFILE_NAME_MAX + 1] = "";
	for (size_t i = 0; i < 6; i++) {
		static const char *const keys[] = { "CN=", "/OU=", "/OU=", "/OU=", "/OU=", "/O=" };
		strcat(name, keys[i]);
		for (size_t k = 0; k < 64; k++)
			strcat(name, "n");
	}
	struct made *k = made_of(16, 16, name);
	struct recovery_share all[16];
	struct idfile_key key;
	struct fault f;
	for (uint8_t i = 0; i < 16; i++)
		all[i] = open_share(k, i);
	assert_int_equal(recovery_combine(&k->r, all, 15, &key, &f), -EINVAL);
	assert_string_equal(f.text, "there are 15 shares; between 16 and 16 are needed");
	assert_int_equal(recovery_combine(&k->r, all, 16, &key, &f), 0);
	assert_memory_equal(&key, &k->key, sizeof(key));
}

static void test_nothing_is_made_twice(void **state)
{
	(void)state;
	struct recovery_share a = open_share(made_of(2, 3, "Ann/VSD"), 0);
	struct made *k = made_of(2, 3, "Ann/VSD");
	struct recovery_share b = open_share(k, 0);
	assert_memory_not_equal(&a, &b, sizeof(a));
	assert_false(recovery_share_is_good(&k->r, &a));
}

static void test_wrong_shares(void **state)
{
	(void)state;
	struct made *k = made_of(2, 3, "Ann/VSD");
	struct recovery_share s[4] = { open_share(k, 0), open_share(k, 1), open_share(k, 2) };
	struct idfile_key key = { { 1 } }, before = key;
	struct fault f;
	s[1].b[31] ^= 1;
	assert_false(recovery_share_is_good(&k->r, &s[1]));
	assert_int_equal(recovery_combine(&k->r, s, 2, &key, &f), -EINVAL);
	assert_string_equal(f.text, "share 2 is not of this file; ask for it again");
	s[1].b[31] ^= 1;
	s[1].x = 3;
	assert_false(recovery_share_is_good(&k->r, &s[1]));
	s[1].x = 0;
	assert_false(recovery_share_is_good(&k->r, &s[1]));
	s[1].x = 4;
	assert_false(recovery_share_is_good(&k->r, &s[1]));
	s[1] = s[0];
	assert_int_equal(recovery_combine(&k->r, s, 2, &key, &f), -EINVAL);
	assert_string_equal(f.text, "shares 1 and 2 are the same one");
	assert_int_equal(recovery_combine(&k->r, s, 4, &key, &f), -EINVAL);
	assert_int_equal(recovery_combine(&k->r, s, 0, &key, &f), -EINVAL);
	assert_memory_equal(&key, &before, sizeof(key));
}

/* A block signed by its owner but with a wrong share, key or file key in it. */
static void test_signed_but_wrong(void **state)
{
	(void)state;
	struct made *k = made_of(2, 3, "Ann/VSD");
	struct recovery_share s[2] = { open_share(k, 0), open_share(k, 1) }, got;
	struct idfile_key key;
	struct fault f;
	k->r.wrapped[0] ^= 1;
	assert_int_equal(recovery_combine(&k->r, s, 2, &key, &f), -EBADMSG);
	k->r.shares[0].cipher[3] ^= 1;
	assert_int_equal(
		recovery_open_share(&k->r, k->r.list.authorities[0].pk, &k->x25519[0], &got, &f),
		-EBADMSG);
	k->r.shares[1].commitment[3] ^= 1;
	assert_int_equal(
		recovery_open_share(&k->r, k->r.list.authorities[1].pk, &k->x25519[1], &got, &f),
		-EBADMSG);
	memset(k->r.shares[2].enc, 0, 32);
	assert_int_equal(
		recovery_open_share(&k->r, k->r.list.authorities[2].pk, &k->x25519[2], &got, &f),
		-EBADMSG);
}

static void test_not_an_authority(void **state)
{
	(void)state;
	struct made *k = made_of(2, 3, "Ann/VSD");
	struct recovery_share got = { .x = 9 };
	struct fault f;
	assert_int_equal(recovery_open_share(&k->r, k->pk, &k->x25519[0], &got, &f), -ENOENT);
	assert_string_equal(f.text, "this ID is none of the 3 recovery authorities of the file");
	/* Another's key, and a share sealed for another place. */
	assert_int_equal(
		recovery_open_share(&k->r, k->r.list.authorities[0].pk, &k->x25519[1], &got, &f),
		-EBADMSG);
	k->r.shares[0] = k->r.shares[1];
	assert_int_equal(
		recovery_open_share(&k->r, k->r.list.authorities[0].pk, &k->x25519[1], &got, &f),
		-EBADMSG);
	assert_int_equal(got.x, 9);
}

static void test_encoding_refuses(void **state)
{
	(void)state;
	struct recovery_authority a = { .name = "Ann/VSD" };
	uint8_t sk[64], to[RECOVERY_LIST_LEN_MAX], pk[32];
	keys_of(1, a.pk, sk);
	assert_true(recovery_authority_encode(&a, sk, to) > 0);
	strcpy(a.name, "Ann=VSD");
	assert_int_equal(recovery_authority_encode(&a, sk, to), 0);
	strcpy(a.name, "");
	assert_int_equal(recovery_authority_encode(&a, sk, to), 0);
	memset(a.name, 'a', sizeof(a.name));
	assert_int_equal(recovery_authority_encode(&a, sk, to), 0);
	strcpy(a.name, "Ann/VSD");
	a.pk[0] ^= 1;
	assert_int_equal(recovery_authority_encode(&a, sk, to), 0);

	uint8_t record[RECOVERY_AUTHORITY_LEN_MAX];
	struct span records[2];
	records[0] = records[1] = span_of(record, make_record(3, "Ann/VSD", record));
	static struct recovery_list l;
	l = (struct recovery_list){ .certifier = "VSD", .m = 1, .n = 1 };
	keys_of(0xcc, l.certifier_pk, sk);
	assert_true(recovery_list_encode(&l, records, sk, to) > 0);
	l.n = 2;
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0); /* one key twice */
	l.n = 1;
	l.m = 0;
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0);
	l.m = 2;
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0);
	l.m = 1;
	l.n = 17;
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0);
	l.n = 1;
	records[0].len--;
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0);
	records[0].len++;
	keys_of(0xcd, pk, sk);
	assert_int_equal(recovery_list_encode(&l, records, sk, to), 0);
}

static void test_making_refuses(void **state)
{
	(void)state;
	struct made *k = made_of(2, 3, "Ann/VSD");
	static uint8_t to[RECOVERY_LEN_MAX];
	struct span list = span_of(k->list, k->list_len);
	k->key_id[0] ^= 1;
	assert_int_equal(recovery_make(list, k->key_id, &k->key, k->sk, to), 0);
	k->key_id[0] ^= 1;
	list.len--;
	assert_int_equal(recovery_make(list, k->key_id, &k->key, k->sk, to), 0);

	/* An authority with a key of low order. */
	struct recovery_authority a = { .name = "Ann/VSD" };
	uint8_t sk[64], record[RECOVERY_AUTHORITY_LEN_MAX];
	static struct recovery_list l;
	keys_of(1, a.pk, sk);
	struct span records[] = { span_of(record, recovery_authority_encode(&a, sk, record)) };
	l = (struct recovery_list){ .certifier = "VSD", .m = 1, .n = 1 };
	keys_of(0xcc, l.certifier_pk, sk);
	list = span_of(k->list, recovery_list_encode(&l, records, sk, k->list));
	assert_true(list.len > 0);
	assert_int_equal(recovery_make(list, k->key_id, &k->key, k->sk, to), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_authority_vector),
		cmocka_unit_test(test_list_vector),
		cmocka_unit_test(test_block_vector),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_block_of_another_key),
		cmocka_unit_test(test_any_m_of_n),
		cmocka_unit_test(test_sixteen_with_long_names),
		cmocka_unit_test(test_nothing_is_made_twice),
		cmocka_unit_test(test_wrong_shares),
		cmocka_unit_test(test_signed_but_wrong),
		cmocka_unit_test(test_not_an_authority),
		cmocka_unit_test(test_encoding_refuses),
		cmocka_unit_test(test_making_refuses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
