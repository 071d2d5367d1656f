/*
 * fwknop packets whole: those of the peer's client are read, and written again to the character; every
 * cut, every flipped bit and every other spelling of one is refused; nothing allocates on the way.
 */

#include <openssl/crypto.h>
#include <sodium.h>

#include "fwknop_vector.h"
#include "knock/fwknop_internal.h"

static size_t allocations;

static void *counted_malloc(size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return malloc(n);
}

static void *counted_realloc(void *p, size_t n, const char *file, int line)
{
	(void)file;
	(void)line;
	allocations++;
	return realloc(p, n);
}

static void counted_free(void *p, const char *file, int line)
{
	(void)file;
	(void)line;
	free(p);
}

static enum fwknop_reject read_text(const struct fwknop_vector *v, const char *wire,
	int64_t later_s, struct fwknop_message *ret)
{
	struct fwknop_key *k = fwknop_vector_key(v);
	struct fwknop_text t;
	enum fwknop_reject reason =
		fwknop_text_take(FWKNOP_BY_UDP, span_of(wire, strlen(wire)), &t);
	if (reason == FWKNOP_OK)
		reason = fwknop_read(
			&k, 1, &t, (uint64_t)((int64_t)fwknop_vector_time(v) + later_s), ret);
	fwknop_key_free(k);
	return reason;
}

static enum fwknop_reject wanted(const struct fwknop_vector *v)
{
	if (strcmp(v->name, "v5") == 0)
		return FWKNOP_MAC;
	return strcmp(v->name, "v6") == 0 ? FWKNOP_COMMAND : FWKNOP_OK;
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		struct fwknop_message m = { 0 };
		TEST_CASE(vectors[i].name,
			read_text(&vectors[i], vectors[i].wire, 0, &m) == wanted(&vectors[i]));
	}
}

/* The salt stands in the first characters, the random digits in the plaintext. */
static struct fwknop_dice dice_of(const struct fwknop_vector *v)
{
	struct fwknop_dice d = { .digest = fwknop_hash(v->digest) };
	char head[25];
	uint8_t blob[18];
	size_t len;

	snprintf(head, sizeof(head), "U2FsdGVkX1%.14s", v->wire);
	assert_int_equal(sodium_base642bin(blob, sizeof(blob), head, 24, NULL, &len, NULL,
				 sodium_base64_VARIANT_ORIGINAL_NO_PADDING),
		0);
	memcpy(d.salt, blob + 8, sizeof(d.salt));
	for (size_t i = 0; i < sizeof(d.random); i++)
		d.random[i] = (uint8_t)(v->plain[i] - '0');
	return d;
}

static void test_written_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < vector_count; i++) {
		const struct fwknop_vector *v = &vectors[i];
		struct fwknop_dice dice = dice_of(v);
		struct fwknop_message m;
		struct fwknop_text t;
		if (wanted(v) != FWKNOP_OK)
			continue;
		assert_int_equal(read_text(v, v->wire, 0, &m), FWKNOP_OK);
		struct fwknop_key *k = fwknop_vector_key(v);
		TEST_CASE(v->name, fwknop_write(k, &m, &dice, &t));
		TEST_CASE(v->name, t.len == strlen(v->wire) && memcmp(t.text, v->wire, t.len) == 0);
		fwknop_key_free(k);
	}
}

static bool has_access(const struct fwknop_message *m, size_t i, uint8_t proto, uint16_t port)
{
	return i < m->access_count && m->accesses[i].proto == proto && m->accesses[i].port == port;
}

static void test_meaning(void **state)
{
	(void)state;
	const uint8_t bytes[4] = { 192, 0, 2, 10 };
	struct addr host = addr_v4(bytes);
	struct fwknop_message m;

	assert_int_equal(read_text(&vectors[0], vectors[0].wire, 0, &m), FWKNOP_OK);
	assert_int_equal(m.type, FWKNOP_TYPE_ACCESS);
	assert_string_equal(m.user, "alice");
	assert_int_equal(m.time_s, 1795316502);
	assert_true(addr_equal(&m.address, &host));
	assert_int_equal(m.access_count, 1);
	assert_true(has_access(&m, 0, 6, 22));
	assert_int_equal(m.nat_port, 0);
	assert_int_equal(m.key, 0);

	assert_int_equal(read_text(&vectors[1], vectors[1].wire, 0, &m), FWKNOP_OK);
	assert_int_equal(m.type, FWKNOP_TYPE_ACCESS_TIMEOUT);
	assert_int_equal(m.timeout_s, 90);
	assert_true(m.access_count == 2 && has_access(&m, 1, 17, 1194));

	assert_int_equal(read_text(&vectors[2], vectors[2].wire, 0, &m), FWKNOP_OK);
	assert_int_equal(m.type, FWKNOP_TYPE_NAT);
	assert_string_equal(m.nat_host, "10.1.1.2");
	assert_int_equal(m.nat_port, 55000);

	assert_int_equal(read_text(&vectors[3], vectors[3].wire, 0, &m), FWKNOP_OK);
	assert_int_equal(m.type, FWKNOP_TYPE_LOCAL_NAT_TIMEOUT);
	assert_true(has_access(&m, 0, 6, 40022));
	assert_string_equal(m.nat_host, "127.0.0.1");
	assert_int_equal(m.nat_port, 22);
	assert_int_equal(m.timeout_s, 45);

	const struct fwknop_vector *v = fwknop_vector("observed");
	assert_int_equal(read_text(v, v->wire, 0, &m), FWKNOP_OK);
	assert_true(addr_is_zero(&m.address));
	v = fwknop_vector("timeout-nat");
	assert_int_equal(read_text(v, v->wire, 0, &m), FWKNOP_OK);
	assert_int_equal(m.type, FWKNOP_TYPE_NAT_TIMEOUT);
	assert_string_equal(m.nat_host, "inner.example.org");
}

/* Other spellings of good packets, and what other daemons were seen to take. */
static void test_variants(void **state)
{
	(void)state;
	const char *v1 = vectors[0].wire, *v5 = fwknop_vector("v5")->wire;
	static const struct {
		const char *name;
		bool is_v5;
		const char *before, *after;
		enum fwknop_reject want;
	} cases[] = {
		{ "as it is", false, "", "", FWKNOP_OK },
		{ "padded", false, "", "=", FWKNOP_ALPHABET },
		{ "padded and more", false, "", "==A", FWKNOP_ALPHABET },
		{ "one more", false, "", "A", FWKNOP_MAC },
		{ "prefix", false, "U2FsdGVkX1", "", FWKNOP_PREFIX },
		{ "line end", false, "", "\n", FWKNOP_ALPHABET },
		{ "blank", false, " ", "", FWKNOP_ALPHABET },
		{ "no MAC", true, "", "", FWKNOP_MAC },
		{ "no MAC, padded and more", true, "", "==A", FWKNOP_ALPHABET },
	};
	char text[2 * FWKNOP_TEXT_MAX + 64];
	struct fwknop_message m;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		snprintf(text, sizeof(text), "%s%s%s", cases[i].before, cases[i].is_v5 ? v5 : v1,
			cases[i].after);
		TEST_CASE(cases[i].name, read_text(&vectors[0], text, 0, &m) == cases[i].want);
	}
	snprintf(text, sizeof(text), "%s%s", v1, v1);
	assert_int_equal(read_text(&vectors[0], text, 0, &m), FWKNOP_MAC);
	/* The last character of a MAC of 32 bytes has two bits that mean nothing. */
	snprintf(text, sizeof(text), "%s", v1);
	text[strlen(text) - 1]++;
	assert_int_equal(read_text(&vectors[0], text, 0, &m), FWKNOP_MAC);
	/* A URL's alphabet is HTTP's alone. */
	snprintf(text, sizeof(text), "%s", v1);
	*strchr(text, '+') = '-';
	assert_int_equal(read_text(&vectors[0], text, 0, &m), FWKNOP_ALPHABET);
}

static void test_age_and_user(void **state)
{
	(void)state;
	static const struct {
		int64_t later_s;
		enum fwknop_reject want;
	} cases[] = {
		{ -121, FWKNOP_AGE },
		{ -120, FWKNOP_OK },
		{ 0, FWKNOP_OK },
		{ 120, FWKNOP_OK },
		{ 121, FWKNOP_AGE },
		{ -1795316502, FWKNOP_AGE },
		{ 1ll << 33, FWKNOP_AGE },
	};
	struct fwknop_message m;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		assert_int_equal(read_text(&vectors[0], vectors[0].wire, cases[i].later_s, &m),
			cases[i].want);

	struct fwknop_secret secret;
	struct fault f;
	assert_true(fwknop_secret_from_base64(vectors[0].key, vectors[0].hmac_key, &secret, &f));
	struct fwknop_settings s = { &secret, CONFIG_HMAC_SHA256, CONFIG_AES_CBC, "alice", 120 };
	struct fwknop_key *alice = fwknop_key_new(&s, &f);
	s.user = "bob";
	struct fwknop_key *bob = fwknop_key_new(&s, &f);
	struct fwknop_key *both[] = { bob, alice };
	struct fwknop_text t = fwknop_text_of(vectors[0].wire);
	assert_int_equal(fwknop_read(&bob, 1, &t, 1795316502, &m), FWKNOP_CLAIMED);
	assert_int_equal(fwknop_read(&alice, 1, &t, 1795316502, &m), FWKNOP_OK);
	assert_int_equal(fwknop_read(both, 2, &t, 1795316502, &m), FWKNOP_OK);
	assert_int_equal(m.key, 1);
	fwknop_key_free(alice);
	fwknop_key_free(bob);
}

/* Keys of all vectors that have a MAC of their own at once: each packet finds its own key. */
static void test_many_keys(void **state)
{
	(void)state;
	struct fwknop_key *keys[FWKNOP_VECTORS_MAX];
	struct fwknop_message m;
	size_t n = 0;

	for (size_t i = 0; i < vector_count; i++)
		if (strncmp(vectors[i].name, "long-", 5) == 0)
			keys[n++] = fwknop_vector_key(&vectors[i]);
	for (size_t i = 0, at = 0; i < vector_count; i++) {
		if (strncmp(vectors[i].name, "long-", 5) != 0)
			continue;
		struct fwknop_text t = fwknop_text_of(vectors[i].wire);
		assert_int_equal(
			fwknop_read(keys, n, &t, fwknop_vector_time(&vectors[i]), &m), FWKNOP_OK);
		assert_int_equal(m.key, at++);
	}
	struct fwknop_text t = fwknop_text_of(vectors[0].wire);
	assert_int_equal(fwknop_read(keys, n, &t, 1795316502, &m), FWKNOP_MAC);
	assert_int_equal(fwknop_read(keys, 0, &t, 1795316502, &m), FWKNOP_MAC);
	/* As long as only a text of OpenPGP. */
	memset(t.text, 'A', sizeof(t.text));
	t.len = 1300;
	assert_int_equal(fwknop_read(keys, n, &t, 1795316502, &m), FWKNOP_GPG);
	t.len = 410;
	assert_int_equal(fwknop_read(keys, n, &t, 1795316502, &m), FWKNOP_MAC);
	for (size_t i = 0; i < n; i++)
		fwknop_key_free(keys[i]);
}

static void test_every_flip_and_cut(void **state)
{
	(void)state;
	struct fwknop_key *k = fwknop_vector_key(&vectors[0]);
	struct fwknop_message m;
	struct fwknop_text t;
	char wire[FWKNOP_TEXT_MAX + 1];
	size_t len = strlen(vectors[0].wire);

	memcpy(wire, vectors[0].wire, len);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		wire[bit / 8] = (char)(wire[bit / 8] ^ (1 << bit % 8));
		if (fwknop_text_take(FWKNOP_BY_UDP, span_of(wire, len), &t) == FWKNOP_OK)
			assert_int_equal(fwknop_read(&k, 1, &t, 1795316502, &m), FWKNOP_MAC);
		wire[bit / 8] = (char)(wire[bit / 8] ^ (1 << bit % 8));
	}
	for (size_t n = 0; n < len; n++) {
		char *cut = malloc(n + 1);
		memcpy(cut, wire, n);
		enum fwknop_reject reason = fwknop_text_take(FWKNOP_BY_UDP, span_of(cut, n), &t);
		assert_int_equal(reason, n < FWKNOP_TEXT_MIN ? FWKNOP_LENGTH : FWKNOP_OK);
		if (reason == FWKNOP_OK)
			assert_int_equal(fwknop_read(&k, 1, &t, 1795316502, &m), FWKNOP_MAC);
		free(cut);
	}
	assert_int_equal(fwknop_text_take(FWKNOP_BY_UDP, span_of(wire, len), &t), FWKNOP_OK);
	assert_int_equal(fwknop_read(&k, 1, &t, 1795316502, &m), FWKNOP_OK);
	fwknop_key_free(k);
}

/* A text whose MAC is right, whatever stands before it. */
static struct fwknop_text with_mac(struct fwknop_key *k, const char *body)
{
	struct fwknop_text t = { .len = strlen(body) };
	char tag[FWKNOP_HASH_TEXT_MAX + 1];
	memcpy(t.text, body, t.len);
	size_t len = fwknop_mac_text(k, span_of(t.text, t.len), tag);
	memcpy(t.text + t.len, tag, len);
	t.len += len;
	return t;
}

/* The same of a padded plaintext, whole blocks. */
static struct fwknop_text sealed(struct fwknop_key *k, struct span padded)
{
	uint8_t blob[FWKNOP_BLOB_MAX] = FWKNOP_SALT_MARK "salt....";
	char text[FWKNOP_BLOB_MAX * 2];
	assert_true(fwknop_encrypt(k, blob + 8, padded, blob + 16));
	sodium_bin2base64(text, sizeof(text), blob, 16 + padded.len,
		sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	return with_mac(k, text + FWKNOP_PREFIX_LEN);
}

static enum fwknop_reject read_sealed(struct fwknop_key *k, const char *plain, size_t pad)
{
	uint8_t padded[FWKNOP_BLOB_MAX];
	size_t len = strlen(plain);
	struct fwknop_message m;
	memcpy(padded, plain, len);
	memset(padded + len, (int)pad, pad);
	struct fwknop_text t = sealed(k, span_of(padded, len + pad));
	return fwknop_read(&k, 1, &t, 1795316502, &m);
}

static void test_plaintexts(void **state)
{
	(void)state;
	static const struct {
		const char *plain;
		size_t pad;
		enum fwknop_reject want;
	} cases[] = {
		{ "0123456789abcdef0123456789abcdef012", 13, FWKNOP_PLAIN }, /* 35 characters */
		{ "0123456789abcdef0123456789abcdef0123", 12, FWKNOP_FIELDS },
		{ "0123456789abcdef0123456789abcdef012:", 12, FWKNOP_DIGEST },
		{ ":0123456789abcdef0123456789abcdef012", 12, FWKNOP_DIGEST },
		{ "0123456789abcdef0123456789abcdef\x01"
		  "123",
			12, FWKNOP_PLAIN },
		{ "0123456789abcdef0123456789abcdef\xff"
		  "123",
			12, FWKNOP_PLAIN },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef", 16, FWKNOP_FIELDS },
		{ "0123456789abcdef0123456789abcdef", 32, FWKNOP_PADDING },
		{ "0123456789abcdef0123456789abcdef0123456789abcdef", 0, FWKNOP_PADDING },
		{ "0123456789abcdef0123456789abcde\x02"
		  "0123456789abcd\x01\x02",
			0, FWKNOP_PADDING },
		{ "", 16, FWKNOP_PLAIN },
	};
	struct fwknop_key *k = fwknop_vector_key(&vectors[0]);
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].plain,
			read_sealed(k, cases[i].plain, cases[i].pad) == cases[i].want);

	/* The plaintext of a vector, and with one character of it changed. */
	char plain[FWKNOP_TEXT_MAX + 1];
	snprintf(plain, sizeof(plain), "%s", vectors[0].plain);
	size_t pad = 16 - strlen(plain) % 16;
	assert_int_equal(read_sealed(k, plain, pad), FWKNOP_OK);
	for (size_t i = 0; plain[i] != '\0'; i++) {
		char was = plain[i];
		plain[i] = was == 'A' ? 'B' : 'A';
		assert_int_not_equal(read_sealed(k, plain, pad), FWKNOP_OK);
		plain[i] = was;
	}
	fwknop_key_free(k);
}

/* What only an owner of the keys can send: the MAC is right, what it covers is not. */
static void test_behind_the_mac(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum fwknop_reject want;
	} cases[] = {
		{ "", FWKNOP_MAC },     /* too short to have a body */
		{ "A", FWKNOP_CIPHER }, /* "Salted_\x50": not the mark */
		{ "8", FWKNOP_CIPHER }, /* the mark and nothing else */
		{ "9", FWKNOP_BASE64 }, /* bits that mean nothing */
		{ "8AAAAAAAAAA", FWKNOP_BASE64 },
		{ "8AAAAAAAAAAA", FWKNOP_CIPHER }, /* a salt and nothing else */
		{ "8AAAAAAAAAAAAAAA", FWKNOP_CIPHER },
	};
	struct fwknop_key *k = fwknop_vector_key(&vectors[0]);
	struct fwknop_secret secret;
	struct fault f;
	struct fwknop_message m;
	struct fwknop_text t;

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		t = with_mac(k, cases[i].body);
		enum fwknop_reject got = fwknop_read(&k, 1, &t, 1795316502, &m);
		if (got != cases[i].want)
			fail_msg("\"%s\": %s", cases[i].body, fwknop_reject_name(got));
	}
	/* Another encryption key. */
	assert_true(fwknop_secret_from_base64("AAAA", vectors[0].hmac_key, &secret, &f));
	struct fwknop_settings s = { &secret, CONFIG_HMAC_SHA256, CONFIG_AES_CBC, NULL, 120 };
	struct fwknop_key *other = fwknop_key_new(&s, &f);
	t = fwknop_text_of(vectors[0].wire);
	assert_int_equal(fwknop_read(&other, 1, &t, 1795316502, &m), FWKNOP_PADDING);
	struct fwknop_key *both[] = { other, k };
	assert_int_equal(fwknop_read(both, 2, &t, 1795316502, &m), FWKNOP_OK);
	assert_int_equal(m.key, 1);
	t = with_mac(k, "A");
	assert_int_equal(fwknop_read(both, 2, &t, 1795316502, &m), FWKNOP_CIPHER);
	fwknop_key_free(other);
	fwknop_key_free(k);
}

static void test_replay(void **state)
{
	(void)state;
	struct fwknop_message a, b;
	assert_int_equal(read_text(&vectors[0], vectors[0].wire, 0, &a), FWKNOP_OK);
	assert_int_equal(read_text(&vectors[0], vectors[0].wire, 60, &b), FWKNOP_OK);
	assert_memory_equal(a.replay, b.replay, sizeof(a.replay));
	assert_int_equal(read_text(&vectors[2], vectors[2].wire, 0, &b), FWKNOP_OK);
	assert_memory_not_equal(a.replay, b.replay, sizeof(a.replay));

	char covered[512];
	uint8_t hash[32];
	snprintf(covered, sizeof(covered), "U2FsdGVkX1%.161s", vectors[0].wire);
	crypto_hash_sha256(hash, (const uint8_t *)covered, strlen(covered));
	assert_memory_equal(a.replay, hash, sizeof(hash));
}

/* Strangers cost no memory, as long as the MAC is of one of the two hashes that everybody uses. */
static void test_allocates_nothing(void **state)
{
	(void)state;
	struct fwknop_text t = fwknop_text_of(fwknop_vector("many-ports")->wire);
	size_t tried = 0;

	t.text[0]++;
	for (size_t i = 0; i < vector_count; i++) {
		enum config_hmac hmac = fwknop_hash(vectors[i].hmac);
		if (hmac != CONFIG_HMAC_SHA256 && hmac != CONFIG_HMAC_SHA512)
			continue;
		struct fwknop_key *k = fwknop_vector_key(&vectors[i]);
		struct fwknop_message m;
		size_t before = allocations;
		TEST_CASE(vectors[i].name, fwknop_read(&k, 1, &t, 0, &m) == FWKNOP_MAC);
		TEST_CASE(vectors[i].name, allocations == before);
		fwknop_key_free(k);
		tried++;
	}
	assert_true(allocations > 0 && tried > 0);
}

static void test_settings(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		int mode, hmac;
		size_t key_len, hmac_key_len;
		const char *want;
	} cases[] = {
		{ "good", 2, 3, 32, 128, NULL },
		{ "shortest", 6, 7, 1, 1, NULL },
		{ "pcbc", 4, 3, 32, 64, "pcbc" },
		{ "gpg", 7, 3, 32, 64, "OpenPGP" },
		{ "legacy", 8, 3, 32, 64, "legacy" },
		{ "mode 0", 0, 3, 32, 64, "mode" },
		{ "mode 9", 9, 3, 32, 64, "mode" },
		{ "no MAC", 2, 0, 32, 64, "MAC" },
		{ "hash 8", 2, 8, 32, 64, "MAC" },
		{ "no key", 2, 3, 0, 64, "key" },
		{ "key too long", 2, 3, 33, 64, "key" },
		{ "no MAC key", 2, 3, 32, 0, "MAC key" },
		{ "MAC key too long", 2, 3, 32, 129, "MAC key" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fwknop_secret secret = { .key_len = cases[i].key_len,
			.hmac_key_len = cases[i].hmac_key_len };
		struct fwknop_settings s = { .secret = &secret,
			.mode = (enum config_aes)cases[i].mode,
			.hmac = (enum config_hmac)cases[i].hmac };
		struct fault f = { "" };
		struct fwknop_key *k = fwknop_key_new(&s, &f);
		TEST_CASE(cases[i].name, (k != NULL) == (cases[i].want == NULL));
		TEST_CASE(cases[i].name,
			cases[i].want == NULL || strstr(f.text, cases[i].want) != NULL);
		fwknop_key_free(k);
	}
	fwknop_key_free(NULL);
}

static void test_writer_refuses(void **state)
{
	(void)state;
	struct fwknop_key *k = fwknop_vector_key(&vectors[0]);
	struct fwknop_dice dice = { .digest = CONFIG_HMAC_SHA256 };
	struct fwknop_text t;
	struct fwknop_message good, m;

	assert_int_equal(read_text(&vectors[2], vectors[2].wire, 0, &good), FWKNOP_OK);
	assert_true(fwknop_write(k, &good, &dice, &t));
	m = good;
	m.type = FWKNOP_TYPE_COMMAND;
	assert_false(fwknop_write(k, &m, &dice, &t));
	assert_int_equal(t.len, 0);
	m = good;
	m.type = FWKNOP_TYPE_ACCESS; /* has no nat field */
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	m.access_count = 0;
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	m.accesses[0].proto = 99;
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	memcpy(m.user, "a:b", 4);
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	m.address = (struct addr){ { 0x20, 1 } };
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	m.timeout_s = 5;
	assert_false(fwknop_write(k, &m, &dice, &t));
	m = good;
	dice.digest = (enum config_hmac)8;
	assert_false(fwknop_write(k, &m, &dice, &t));
	/* Host names up to where a text would be taken for one of OpenPGP. */
	dice.digest = CONFIG_HMAC_SHA512;
	size_t longest = 0;
	for (size_t n = 1; n <= FWKNOP_HOST_MAX; n++) {
		memset(m.nat_host, 'h', n);
		m.nat_host[n] = '\0';
		struct fwknop_message back;
		bool is_written = fwknop_write(k, &m, &dice, &t);
		if (!is_written)
			continue;
		assert_int_equal(longest, n - 1);
		longest = n;
		assert_int_equal(fwknop_read(&k, 1, &t, m.time_s, &back), FWKNOP_OK);
		assert_string_equal(back.nat_host, m.nat_host);
		assert_true(t.len < 400 + 43);
	}
	assert_in_range(longest, 40, 200);
	fwknop_key_free(k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_written_again),
		cmocka_unit_test(test_meaning),
		cmocka_unit_test(test_variants),
		cmocka_unit_test(test_age_and_user),
		cmocka_unit_test(test_many_keys),
		cmocka_unit_test(test_every_flip_and_cut),
		cmocka_unit_test(test_plaintexts),
		cmocka_unit_test(test_behind_the_mac),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_allocates_nothing),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_writer_refuses),
	};
	/* Before the library's first allocation, or it is too late. */
	if (CRYPTO_set_mem_functions(counted_malloc, counted_realloc, counted_free) != 1 ||
		sodium_init() < 0)
		return 1;
	fwknop_vectors_load();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
