/*
 * A rollover in one write: what was bound to the old key opens, verifies and recovers with the new one, and
 * nothing of an ID that was refused is changed.
 */

#include <errno.h>
#include <sodium.h>
#include <unistd.h>

#include "cmd/id_make.h"
#include "cmd/id_path.h"
#include "identity/document.h"
#include "identity/recovery.h"
#include "knock/hpke.h"
#include "knock/spa.h"
#include "test.h"

#define NOW UINT64_C(1795000000000)

static char folder[] = "/tmp/postern-apply.XXXXXX";
static char id_path[64], password_path[64];
static const uint8_t raw_key[IDFILE_KEY_LEN] = { 1, 2, 3 };
static struct issue *organisation;
static uint8_t header_n = 1; /* authorities, by the header of a protected file */

static void write_file(const char *path, const void *data, size_t len)
{
	struct fault f;
	assert_int_equal(file_write(path, data, len, 0600, false, &f), 0);
}

static void sk_of(const uint8_t seed[32], uint8_t sk[64])
{
	uint8_t pk[32];
	crypto_sign_seed_keypair(pk, sk, seed);
}

/* One authority, whose X25519 seed is all 7, decides for all IDs of the organisation. */
static size_t make_list(uint8_t to[RECOVERY_LIST_LEN_MAX])
{
	static struct recovery_list list;
	uint8_t seed[32] = { 9 }, pk[32], sk[64], record[RECOVERY_AUTHORITY_LEN_MAX];
	struct hpke_secret secret;
	struct recovery_authority a = { .name = "Ann/VSD", .created_ms = NOW };

	memset(secret.b, 7, sizeof(secret.b));
	hpke_public_key(&secret, a.x25519);
	crypto_sign_seed_keypair(pk, sk, seed);
	memcpy(a.pk, pk, sizeof(a.pk));
	size_t len = recovery_authority_encode(&a, sk, record);
	assert_true(len > 0);
	struct span records[1] = { span_of(record, len) };
	snprintf(list.certifier, sizeof(list.certifier), "VSD");
	memcpy(list.certifier_pk, organisation->pk, 32);
	list.created_ms = NOW;
	list.m = list.n = 1;
	list.authorities[0] = a;
	sk_of(organisation->secrets.seed, sk);
	return recovery_list_encode(&list, records, sk, to);
}

/* An ID with everything: two slots, a pending key, a document key and, if wanted, a recovery block. */
static void make_id(bool is_protected)
{
	static uint8_t list[RECOVERY_LIST_LEN_MAX], block[RECOVERY_LEN_MAX];
	struct issue *i = NULL;
	struct name name;
	struct fault f;
	struct idfile_key key;
	uint8_t sk[64];

	assert_int_equal(name_append(&organisation->name, NAME_CN, "Jane", &name), NAME_OK);
	struct issue_order o = { &name, CERT_USER, NOW, issue_end_ms(NOW, 2, 0), organisation };
	assert_int_equal(issue_new(&o, &i, &f), 0);
	i->secrets.has_pending = true;
	memset(i->secrets.pending_seed, 5, 32);
	i->secrets.document_count = 1;
	i->secrets.documents[0].created_ms = NOW;
	memset(i->secrets.documents[0].seed, 6, 32);
	randombytes_buf(key.b, sizeof(key.b));
	struct idfile_new n = {
		.header = { .kind = IDFILE_USER, .name = "Jane/VSD", .created_ms = NOW },
		.cert_count = i->cert_count,
		.secrets = &i->secrets,
		.has_password = true,
		.password = span_of("password", 8),
		.ops = 2,
		.mem_kib = 8,
		.raw_key = raw_key,
		.key = &key,
	};
	spa_key_id(i->pk, n.header.key_id);
	for (size_t c = 0; c < i->cert_count; c++)
		n.certs[c] = span_of(i->certs[c], i->cert_len[c]);
	if (is_protected) {
		sk_of(i->secrets.seed, sk);
		n.header.recovery_m = 1;
		n.header.recovery_n = header_n;
		size_t len = recovery_make(
			span_of(list, make_list(list)), n.header.key_id, &key, sk, block);
		assert_true(len > 0);
		n.recovery = span_of(block, len);
	}
	char *text = idfile_format(&n);
	assert_non_null(text);
	write_file(id_path, text, strlen(text));
	free(text);
	issue_free(i);
}

static struct id_open *open_id(bool is_more)
{
	struct id_open *o = NULL;
	struct fault f = { "" };
	char key_path[64];
	snprintf(key_path, sizeof(key_path), "%s/key", folder);
	write_file(key_path, raw_key, sizeof(raw_key));
	struct id_way way = { .password_file = password_path, .key_file = key_path };
	if (id_open_file(id_path, &way, &o, &f) < 0)
		fail_msg("%s", f.text);
	assert_true(o->has_raw_key && !o->has_password);
	if (is_more)
		assert_int_equal(id_open_more(o, &way, &f), 0);
	return o;
}

static struct id_path *path_for(const uint8_t pk[32])
{
	struct id_path *p = NULL;
	struct fault f;
	struct id_path_order order = { .kind = CERT_USER, .now_ms = NOW, .by = organisation };
	assert_int_equal(name_append(&organisation->name, NAME_CN, "Jane", &order.name), NAME_OK);
	memcpy(order.pk, pk, 32);
	assert_int_equal(id_path_make(&order, &p, &f), 0);
	return p;
}

static struct id_path *next_path(void)
{
	uint8_t seed[32], pk[32], sk[64];
	memset(seed, 5, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
	struct id_path *p = path_for(pk);
	p->is_pending = true;
	return p;
}

static void check_recovery(const struct id_open *o)
{
	struct recovery *r = calloc(1, sizeof(*r));
	struct recovery_share share;
	struct hpke_secret secret;
	struct idfile_key key;
	struct fault f = { "" };
	uint8_t seed[32] = { 9 }, pk[32], sk[64];

	crypto_sign_seed_keypair(pk, sk, seed);
	memset(secret.b, 7, sizeof(secret.b));
	if (recovery_decode(idfile_block(o->file, RECOVERY_LABEL), o->pk, r, &f) < 0)
		fail_msg("%s", f.text);
	assert_memory_equal(r->key_id, idfile_header(o->file)->key_id, 32);
	assert_int_equal(recovery_open_share(r, pk, &secret, &share, &f), 0);
	assert_int_equal(recovery_combine(r, &share, 1, &key, &f), 0);
	assert_memory_equal(key.b, o->key.b, sizeof(key.b));
	free(r);
}

static void test_rollover(void **state)
{
	(void)state;
	for (int is_protected = 0; is_protected < 2; is_protected++) {
		struct fault f = { "" };
		make_id(is_protected == 1);
		struct id_open *o = open_id(true);
		uint8_t old_seed[32];
		struct idfile_key old_key = o->key;
		memcpy(old_seed, o->secrets.seed, 32);
		struct id_path *p = next_path();
		if (id_path_apply(o, p, NOW + 1, &f) < 0)
			fail_msg("%s", f.text);
		id_open_free(o);

		o = open_id(true);
		assert_true(!o->secrets.has_pending && o->secrets.retired_count == 1);
		/* Who opened an old copy cannot open the new file with what was in it. */
		assert_int_equal(idfile_unlock_file_key(o->file, &old_key, NULL), IDFILE_TAMPERED);
		assert_true(o->secrets.retired[0].retired_ms == NOW + 1);
		assert_memory_equal(o->secrets.retired[0].seed, old_seed, 32);
		assert_int_equal(o->secrets.seed[0], 5);
		assert_memory_equal(id_open_own(o)->pk, o->pk, 32);
		assert_int_equal(idfile_slot_count(o->file), 2);
		/* The password slot, wherever it stands, costs what it did. */
		struct idfile_cost c0 = idfile_slot_cost(o->file, 0);
		struct idfile_cost c1 = idfile_slot_cost(o->file, 1);
		assert_int_equal(c0.mem_kib + c1.mem_kib, 8);
		assert_int_equal(c0.ops + c1.ops, 2);
		assert_int_equal(idfile_header(o->file)->recovery_n, is_protected);
		if (is_protected)
			check_recovery(o);
		id_open_free(o);
		free(p);
	}
}

/* A block of other authorities than the sealed header counts does not come along to the new key. */
static void test_recovery_put_back(void **state)
{
	struct fault f = { "" };
	(void)state;
	header_n = 3;
	make_id(true);
	header_n = 1;
	struct id_open *o = open_id(true);
	struct id_path *p = next_path();
	assert_int_equal(id_path_apply(o, p, NOW, &f), -EINVAL);
	assert_non_null(strstr(f.text, "its recovery block cannot be made anew"));
	id_open_free(o);
	free(p);
	o = open_id(false);
	assert_true(o->secrets.has_pending);
	id_open_free(o);
}

/* Eight retired keys are kept; of more the oldest is forgotten. */
static void test_many_rollovers(void **state)
{
	struct idfile_change c = { 0 };
	(void)state;
	make_id(true);
	for (unsigned i = 1; i <= IDFILE_RETIRED_MAX + 2; i++) {
		struct fault f = { "" };
		struct id_open *o = open_id(true);
		o->secrets.has_pending = true;
		memset(o->secrets.pending_seed, 5, 32);
		o->secrets.pending_seed[31] = (uint8_t)i;
		assert_int_equal(id_open_save(o, &c, &f), 0);
		id_open_free(o);
		o = open_id(true);
		uint8_t pk[32], sk[64];
		crypto_sign_seed_keypair(pk, sk, o->secrets.pending_seed);
		struct id_path *p = path_for(pk);
		p->is_pending = true;
		if (id_path_apply(o, p, NOW + i, &f) < 0)
			fail_msg("%s", f.text);
		id_open_free(o);
		free(p);
	}
	struct id_open *o = open_id(false);
	assert_int_equal(o->secrets.retired_count, IDFILE_RETIRED_MAX);
	assert_true(o->secrets.retired[0].retired_ms == NOW + 3);
	assert_true(o->secrets.retired[IDFILE_RETIRED_MAX - 1].retired_ms ==
		NOW + IDFILE_RETIRED_MAX + 2);
	check_recovery(o);
	id_open_free(o);
}

/* Somebody else wrote the file while a password was typed. */
static void test_changed_meanwhile(void **state)
{
	struct fault f = { "" };
	(void)state;
	make_id(false);
	struct id_open *o = open_id(true);
	make_id(false);
	struct id_path *p = next_path();
	assert_int_equal(id_path_apply(o, p, NOW, &f), -EAGAIN);
	assert_non_null(strstr(f.text, "was changed by somebody else meanwhile"));
	id_open_free(o);
	free(p);
	o = open_id(false);
	assert_true(o->secrets.has_pending);
	id_open_free(o);
}

static void test_document_key(void **state)
{
	uint8_t body[DOCUMENT_KEY_LEN];
	struct document_key k = { .created_ms = NOW }, got;
	struct hpke_secret secret;
	struct fault f = { "" };
	(void)state;

	make_id(false);
	struct id_open *o = open_id(true);
	memset(secret.b, 6, sizeof(secret.b));
	hpke_public_key(&secret, k.x25519);
	memcpy(k.key_id, idfile_header(o->file)->key_id, 32);
	document_key_encode(&k, o->sk, body);
	struct idfile_change c = { .block_count = 1,
		.blocks = { { DOCUMENT_KEY_LABEL, SPAN_OF(body) } } };
	assert_int_equal(id_open_save(o, &c, &f), 0);
	id_open_free(o);
	o = open_id(true);
	struct id_path *p = next_path();
	assert_int_equal(id_path_apply(o, p, NOW, &f), 0);
	id_open_free(o);
	free(p);
	o = open_id(false);
	assert_true(document_key_decode(idfile_block(o->file, DOCUMENT_KEY_LABEL), o->pk, &got));
	assert_memory_equal(got.x25519, k.x25519, 32);
	assert_memory_equal(got.key_id, idfile_header(o->file)->key_id, 32);
	id_open_free(o);
}

static int set_up(void **state)
{
	struct name name;
	struct fault f;
	(void)state;
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(id_path, sizeof(id_path), "%s/id", folder);
	snprintf(password_path, sizeof(password_path), "%s/password", folder);
	write_file(password_path, "password\n", 9);
	if (name_parse("VSD", true, &name) != NAME_OK)
		return -1;
	struct issue_order o = { &name, CERT_CERTIFIER, NOW, issue_end_ms(NOW, 100, 0), NULL };
	return issue_new(&o, &organisation, &f);
}

static int tear_down(void **state)
{
	char path[64];
	(void)state;
	snprintf(path, sizeof(path), "%s/key", folder);
	unlink(path);
	unlink(id_path);
	unlink(password_path);
	issue_free(organisation);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rollover),
		cmocka_unit_test(test_recovery_put_back),
		cmocka_unit_test(test_many_rollovers),
		cmocka_unit_test(test_changed_meanwhile),
		cmocka_unit_test(test_document_key),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
