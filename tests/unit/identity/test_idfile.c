/*
 * ID files: the vector files, writing and reading back, a new password, and what each function
 * refuses.
 */

#include <sodium.h>

#include "base/pem.h"
#include "identity/idfile.h"
#include "knock/spa.h"
#include "test.h"

static const uint8_t password[] = { 'c', 'o', 'r', 'r', 'e', 'c', 't', ' ', 'h', 'o', 'r', 's',
	'e' };
static uint8_t raw_key[IDFILE_KEY_LEN];

static char *slurp(const char *name)
{
	char path[512];
	snprintf(path, sizeof(path), "%s/identity/%s", TEST_VECTORS, name);
	char *text = calloc(1, IDFILE_MAX + 1);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_non_null(text);
	assert_true(fread(text, 1, IDFILE_MAX, f) > 0);
	fclose(f);
	return text;
}

static struct idfile *parsed(const char *text)
{
	struct idfile *id = NULL;
	struct fault f = { "" };
	if (idfile_parse(span_of(text, strlen(text)), &id, &f) != IDFILE_OK)
		fail_msg("%s", f.text);
	return id;
}

static struct idfile *load(const char *name)
{
	char *text = slurp(name);
	struct idfile *id = parsed(text);
	free(text);
	return id;
}

static bool is_filled(const uint8_t b[32], uint8_t with)
{
	for (size_t i = 0; i < 32; i++)
		if (b[i] != with)
			return false;
	return true;
}

static void check_user_secrets(const struct idfile_secrets *s)
{
	static const uint8_t other[] = "\x09\0\0\0\x14"
				       "from a later version";
	assert_true(is_filled(s->seed, 0x11));
	assert_true(s->has_pending && is_filled(s->pending_seed, 0x12));
	assert_int_equal(s->retired_count, 2);
	assert_true(is_filled(s->retired[0].seed, 0x13) && is_filled(s->retired[1].seed, 0x14));
	assert_true(s->retired[0].retired_ms == UINT64_C(1700000000000));
	assert_true(s->retired[1].retired_ms == UINT64_C(1710000000000));
	assert_true(s->has_x25519 && is_filled(s->x25519, 0x15));
	assert_int_equal(s->psk_count, 1);
	assert_true(is_filled(s->psks[0].sid, 0x16) && is_filled(s->psks[0].key, 0x17));
	assert_int_equal(s->psks[0].slot, 1);
	assert_int_equal(s->document_count, 1);
	assert_true(s->documents[0].created_ms == UINT64_C(1720000000000));
	assert_true(is_filled(s->documents[0].seed, 0x18));
	assert_int_equal(s->internet_cert_len, 33);
	assert_memory_equal(s->internet_cert, "internet certificate, opaque here", 33);
	assert_int_equal(s->internet_key_len, 7);
	assert_memory_equal(s->internet_key, "its key", 7);
	assert_int_equal(s->other_len, sizeof(other) - 1);
	assert_memory_equal(s->other, other, sizeof(other) - 1);
}

static void test_user_vector(void **state)
{
	(void)state;
	struct idfile *id = load("user.id");
	const struct idfile_header *h = idfile_header(id);
	struct idfile_secrets s;
	struct idfile_key key;

	assert_int_equal(h->kind, IDFILE_USER);
	assert_string_equal(h->name, "John Smith/UB/QN/VSD");
	assert_true(h->created_ms == UINT64_C(1760000000000));
	assert_int_equal(h->quality_min, 8);
	assert_int_equal(h->recovery_m, 2);
	assert_int_equal(h->recovery_n, 3);
	assert_int_equal(idfile_cert_count(id), 2);
	assert_memory_equal(idfile_cert(id, 0).data, "own certificate", 15);
	assert_int_equal(idfile_cert(id, 1).len, 31);
	assert_int_equal(idfile_cert(id, 2).len, 0);

	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), &s, &key), IDFILE_OK);
	check_user_secrets(&s);
	assert_true(is_filled(key.b, 0x66));
	idfile_secrets_wipe(&s);
	assert_true(is_filled(s.seed, 0));
	assert_int_equal(idfile_unlock_key(id, raw_key, &s, NULL), IDFILE_OK);
	check_user_secrets(&s);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
}

static void test_other_vectors(void **state)
{
	(void)state;
	struct idfile_secrets s;
	struct idfile *id = load("server.id");
	assert_int_equal(idfile_header(id)->kind, IDFILE_SERVER);
	assert_int_equal(idfile_cert_count(id), 0);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), &s, NULL), IDFILE_NO_SLOT);
	assert_int_equal(idfile_unlock_key(id, raw_key, &s, NULL), IDFILE_OK);
	assert_true(s.has_x25519 && !s.has_pending && s.psk_count == 0 && s.other_len == 0);
	idfile_free(id);

	id = load("certifier.id");
	assert_int_equal(idfile_header(id)->kind, IDFILE_CERTIFIER);
	assert_string_equal(idfile_header(id)->name, "QN/VSD");
	assert_int_equal(idfile_unlock_key(id, raw_key, &s, NULL), IDFILE_NO_SLOT);
	assert_int_equal(idfile_unlock_password(id, span_of(NULL, 0), &s, NULL), IDFILE_OK);
	idfile_free(id);
	idfile_free(NULL);
}

static void test_wrong_secret_leaves_ret_alone(void **state)
{
	(void)state;
	struct idfile *id = load("user.id");
	static struct idfile_secrets s, before;
	struct idfile_key key = { { 0x5a } }, key_before = key;
	uint8_t wrong[IDFILE_KEY_LEN] = { 1 };
	memset(&s, 0x5a, sizeof(s));
	before = s;
	assert_int_equal(
		idfile_unlock_password(id, span_of(password, 12), &s, &key), IDFILE_WRONG_PASSWORD);
	assert_int_equal(
		idfile_unlock_password(id, span_of(NULL, 0), &s, &key), IDFILE_WRONG_PASSWORD);
	assert_int_equal(idfile_unlock_key(id, wrong, &s, &key), IDFILE_WRONG_KEY);
	assert_memory_equal(&s, &before, sizeof(s));
	assert_memory_equal(&key, &key_before, sizeof(key));
	idfile_free(id);
}

static void key_id_of(const uint8_t seed[32], uint8_t ret[32])
{
	uint8_t pk[32], sk[64];
	crypto_sign_seed_keypair(pk, sk, seed);
	spa_key_id(pk, ret);
}

static struct idfile_new a_new_file(struct idfile_secrets *s)
{
	*s = (struct idfile_secrets){ .seed = { 7 }, .has_x25519 = true, .x25519 = { 8 } };
	struct idfile_new n = {
		.header = { .kind = IDFILE_SERVER, .name = "Gate1/VSD", .created_ms = 5 },
		.cert_count = 1,
		.certs = { span_of("certificate", 11) },
		.secrets = s,
		.has_password = true,
		.password = SPAN_OF(password),
		.ops = 1,
		.mem_kib = 8,
		.raw_key = raw_key,
	};
	key_id_of(s->seed, n.header.key_id);
	return n;
}

static void fill_secrets(struct idfile_secrets *s)
{
	s->has_pending = true;
	s->retired_count = IDFILE_RETIRED_MAX;
	s->psk_count = IDFILE_PSKS_MAX;
	for (size_t i = 0; i < IDFILE_RETIRED_MAX; i++)
		s->retired[i].retired_ms = i;
	for (size_t i = 0; i < IDFILE_PSKS_MAX; i++)
		s->psks[i].slot = (uint8_t)(i + 1);
	s->document_count = IDFILE_DOCUMENTS_MAX;
	for (size_t i = 0; i < IDFILE_DOCUMENTS_MAX; i++)
		s->documents[i].created_ms = 100 + i;
	s->internet_cert_len = s->internet_key_len = IDFILE_INTERNET_MAX;
	memset(s->internet_cert, 0xc0, IDFILE_INTERNET_MAX);
	memset(s->internet_key, 0xc1, IDFILE_INTERNET_MAX);
	/* One TLV of type 8 that fills the rest to the last byte. */
	s->other_len = sizeof(s->other);
	s->other[0] = 8;
	s->other[3] = (sizeof(s->other) - 5) >> 8;
	s->other[4] = (sizeof(s->other) - 5) & 0xff;
	s->other[sizeof(s->other) - 1] = 9;
}

static void check_same_header(const struct idfile_header *a, const struct idfile_header *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_memory_equal(a->key_id, b->key_id, 32);
	assert_string_equal(a->name, b->name);
	assert_true(a->created_ms == b->created_ms);
	assert_int_equal(a->quality_min, b->quality_min);
	assert_int_equal(a->recovery_m, b->recovery_m);
	assert_int_equal(a->recovery_n, b->recovery_n);
}

static void check_same_secrets(const struct idfile_secrets *a, const struct idfile_secrets *b)
{
	assert_memory_equal(a->seed, b->seed, 32);
	assert_int_equal(a->has_pending, b->has_pending);
	assert_memory_equal(a->pending_seed, b->pending_seed, 32);
	assert_int_equal(a->retired_count, b->retired_count);
	assert_memory_equal(a->retired, b->retired, sizeof(a->retired));
	assert_int_equal(a->has_x25519, b->has_x25519);
	assert_memory_equal(a->x25519, b->x25519, 32);
	assert_int_equal(a->psk_count, b->psk_count);
	assert_memory_equal(a->psks, b->psks, sizeof(a->psks));
	assert_int_equal(a->document_count, b->document_count);
	assert_memory_equal(a->documents, b->documents, sizeof(a->documents));
	assert_int_equal(a->internet_cert_len, b->internet_cert_len);
	assert_memory_equal(a->internet_cert, b->internet_cert, a->internet_cert_len);
	assert_int_equal(a->internet_key_len, b->internet_key_len);
	assert_memory_equal(a->internet_key, b->internet_key, a->internet_key_len);
	assert_int_equal(a->other_len, b->other_len);
	assert_memory_equal(a->other, b->other, a->other_len);
}

static void test_written_and_read(void **state)
{
	(void)state;
	static struct idfile_secrets s, got;
	struct idfile_new n = a_new_file(&s);
	fill_secrets(&s);
	char *text = idfile_format(&n);
	assert_non_null(text);
	struct idfile *id = parsed(text);
	check_same_header(idfile_header(id), &n.header);
	assert_true(span_equal(idfile_cert(id, 0), n.certs[0]));
	struct idfile_key a, b;
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), &got, &a), IDFILE_OK);
	check_same_secrets(&got, &s);
	assert_int_equal(idfile_unlock_key(id, raw_key, &got, &b), IDFILE_OK);
	check_same_secrets(&got, &s);
	assert_memory_equal(&a, &b, sizeof(a));
	idfile_free(id);

	/* Neither key, salts nor nonces are used twice. */
	char *other = idfile_format(&n);
	assert_non_null(other);
	assert_string_not_equal(text, other);
	id = parsed(other);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, &b), IDFILE_OK);
	assert_memory_not_equal(&a, &b, sizeof(a));
	idfile_free(id);
	free(other);
	free(text);
}

static void test_new_file_is_checked(void **state)
{
	(void)state;
	static struct idfile_secrets s;
	struct idfile_new n = a_new_file(&s);
	n.header.key_id[0] ^= 1;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.has_password = false;
	n.raw_key = NULL;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.cert_count = IDFILE_CERTS_MAX + 1;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.certs[0].len = 0;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.header.kind = IDFILE_CERTIFIER; /* a certifier has no common name */
	assert_string_equal(n.header.name, "Gate1/VSD");
	char *text = idfile_format(&n); /* OU=Gate1/O=VSD */
	assert_non_null(text);
	free(text);
	strcpy(n.header.name, "CN=Gate1/O=VSD");
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	memset(n.header.name, 'a', sizeof(n.header.name));
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.header.quality_min = 17;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.ops = 17;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	n.mem_kib = 7;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	s.psk_count = 1; /* with slot 0 */
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	s.other_len = 5; /* type 0, length 0 */
	text = idfile_format(&n);
	assert_non_null(text);
	free(text);
	s.other[0] = 1; /* a second seed */
	assert_null(idfile_format(&n));
	s.other[0] = 5; /* what has a field of its own is written from there */
	assert_null(idfile_format(&n));
	s.other_len = 4; /* half a TLV */
	assert_null(idfile_format(&n));

	n = a_new_file(&s);
	s.internet_cert_len = 1; /* without its key */
	assert_null(idfile_format(&n));
	s.internet_key_len = IDFILE_INTERNET_MAX + 1;
	assert_null(idfile_format(&n));
	n = a_new_file(&s);
	s.document_count = IDFILE_DOCUMENTS_MAX + 1;
	assert_null(idfile_format(&n));

	static const uint8_t big[IDFILE_CERT_LEN_MAX];
	n = a_new_file(&s);
	n.cert_count = IDFILE_CERTS_MAX;
	for (size_t i = 0; i < n.cert_count; i++)
		n.certs[i] = SPAN_OF(big);
	fill_secrets(&s);
	assert_null(idfile_format(&n)); /* larger than IDFILE_MAX */
}

static void test_key_and_recovery_are_given(void **state)
{
	(void)state;
	static struct idfile_secrets s;
	struct idfile_new n = a_new_file(&s);
	struct idfile_key key = { { 0x5c, 1 } }, got;
	n.key = &key;
	n.recovery = span_of("a recovery block", 16);
	char *text = idfile_format(&n);
	assert_non_null(text);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, &got), IDFILE_OK);
	assert_memory_equal(&got, &key, sizeof(key));
	assert_true(span_equal(idfile_block(id, "POSTERN RECOVERY"), n.recovery));
	assert_int_equal(idfile_block(id, "CERTIFICATE").len, 0);
	assert_int_equal(idfile_block(id, "POSTERN").len, 0);
	idfile_free(id);
	free(text);
}

static void test_default_cost(void **state)
{
	(void)state;
	static struct idfile_secrets s;
	struct idfile_new n = a_new_file(&s);
	struct pem_block b = { .label = "" };
	uint8_t body[96];
	size_t len;
	n.ops = 0;
	n.mem_kib = 0;
	char *text = idfile_format(&n);
	assert_non_null(text);
	struct pem_reader r = pem_reader_init(span_of(text, strlen(text)));
	while (strcmp(b.label, "POSTERN WRAPPED KEY") != 0)
		assert_int_equal(pem_next(&r, &b), PEM_BLOCK);
	assert_true(pem_decode(&b, body, sizeof(body), &len));
	static const uint8_t cost[] = { 0, 0, 0, 3, 0, 4, 0, 0 };
	assert_memory_equal(body + 16, cost, 8);
	free(text);
}

/* Equal lines are taken off both ends; what is left in each is returned as a length. */
static size_t changed_len(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b), head = 0, tail = 0;
	while (head < n && head < m && a[head] == b[head])
		head++;
	while (tail < n - head && tail < m - head && a[n - 1 - tail] == b[m - 1 - tail])
		tail++;
	return m - head - tail;
}

static void test_password_is_replaced(void **state)
{
	(void)state;
	char *text = slurp("user.id");
	struct idfile *id = parsed(text);
	struct idfile_key key;
	struct idfile_secrets s;
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, &key), IDFILE_OK);
	char *again = idfile_format_password(id, &key, span_of("new one", 7), 2, 16);
	assert_non_null(again);
	assert_int_equal(strlen(again), strlen(text));
	/* Within the one block: 128 characters of base64 on two lines. */
	assert_in_range(changed_len(text, again), 100, 129);
	idfile_free(id);

	id = parsed(again);
	assert_int_equal(
		idfile_unlock_password(id, SPAN_OF(password), &s, NULL), IDFILE_WRONG_PASSWORD);
	assert_int_equal(idfile_unlock_password(id, span_of("new one", 7), &s, NULL), IDFILE_OK);
	check_user_secrets(&s);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	struct idfile_key wrong = key;
	wrong.b[31] ^= 1;
	assert_null(idfile_format_password(id, &wrong, span_of("x", 1), 1, 8));
	assert_null(idfile_format_password(id, &key, span_of("x", 1), 17, 8));
	assert_null(idfile_format_password(id, &key, span_of("x", 1), 1, 4194305));
	idfile_free(id);
	free(again);
	free(text);
}

static void test_password_is_added(void **state)
{
	(void)state;
	char *text = slurp("server.id");
	struct idfile *id = parsed(text);
	struct idfile_key key;
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, &key), IDFILE_OK);
	char *again = idfile_format_password(id, &key, SPAN_OF(password), 1, 8);
	assert_non_null(again);
	size_t more = pem_written_len("POSTERN WRAPPED KEY", 96);
	assert_int_equal(strlen(again), strlen(text) + more);
	const char *sealed = strstr(text, "-----BEGIN POSTERN SEALED");
	assert_memory_equal(again, text, (size_t)(sealed - text));
	assert_string_equal(again + (sealed - text) + more, sealed);
	idfile_free(id);
	id = parsed(again);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(again);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_user_vector),
		cmocka_unit_test(test_other_vectors),
		cmocka_unit_test(test_wrong_secret_leaves_ret_alone),
		cmocka_unit_test(test_written_and_read),
		cmocka_unit_test(test_new_file_is_checked),
		cmocka_unit_test(test_key_and_recovery_are_given),
		cmocka_unit_test(test_default_cost),
		cmocka_unit_test(test_password_is_replaced),
		cmocka_unit_test(test_password_is_added),
	};
	for (size_t i = 0; i < sizeof(raw_key); i++)
		raw_key[i] = (uint8_t)i;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
