/*
 * Changes of an ID file: each alone, what it leaves where it stood, and what is refused. The file is
 * put together from pieces of text, so that the expected text can be put together the same way.
 */

#include <sodium.h>

#include "base/pem.h"
#include "identity/internal.h"
#include "knock/spa.h"
#include "test.h"

static const uint8_t password[] = "correct horse";
static uint8_t raw_key[IDFILE_KEY_LEN] = { 7, 7, 7 };
static struct idfile_secrets secrets;
static struct idfile_key file_key = { { 0x66, 1 } };
static struct idfile_header header;

static struct idfile *parsed(const char *text)
{
	struct idfile *id = NULL;
	struct fault f = { "" };
	if (idfile_parse(span_of(text, strlen(text)), &id, &f) != IDFILE_OK)
		fail_msg("%s in\n%s", f.text, text);
	return id;
}

static void key_id_of(const uint8_t seed[32], uint8_t ret[32])
{
	uint8_t pk[32], sk[64];
	crypto_sign_seed_keypair(pk, sk, seed);
	spa_key_id(pk, ret);
}

#define GAP_1 "# before the certificates\n"
#define UNKNOWN_1                                                                                  \
	"-----BEGIN FROM LATER-----\nYWJj\n-----END FROM LATER-----\n\n# among the slots\n"
#define UNKNOWN_2                                                                                  \
	"-----BEGIN NOT BASE64-----\n!!!!\n-----END NOT BASE64-----\n"                             \
	"-----BEGIN FROM LATER-----\nYWJkZQ==\n-----END FROM LATER-----\n"
#define TAIL "\n# the end\n"

/* The pieces of a file, in the order in which they stand. */
enum { ID, CERTS, PASSWORD, KEY, RECOVERY, SEALED, PIECES };
static char *pieces[PIECES];

static char *blocks_of(const char *text, const char *label)
{
	struct pem_reader r = pem_reader_init(span_of(text, strlen(text)));
	struct pem_block b;
	char *to = calloc(1, IDFILE_MAX);
	assert_non_null(to);
	while (pem_next(&r, &b) == PEM_BLOCK)
		if (strcmp(b.label, label) == 0)
			strncat(to, (const char *)b.text.data, b.text.len);
	return to;
}

static struct idfile_new new_file(void)
{
	struct idfile_new n = {
		.header = header,
		.cert_count = 2,
		.certs = { span_of("own", 3), span_of("above", 5) },
		.secrets = &secrets,
		.raw_key = raw_key,
		.key = &file_key,
		.recovery = span_of("recovery", 8),
	};
	return n;
}

static void make_pieces(void)
{
	secrets = (struct idfile_secrets){ .seed = { 9 }, .has_x25519 = true };
	header = (struct idfile_header){ .kind = IDFILE_USER, .created_ms = 5 };
	strcpy(header.name, "John Smith/VSD");
	key_id_of(secrets.seed, header.key_id);
	struct idfile_new n = new_file();
	char *text = idfile_format(&n);
	assert_non_null(text);
	pieces[ID] = blocks_of(text, "POSTERN ID");
	pieces[CERTS] = blocks_of(text, "CERTIFICATE");
	pieces[KEY] = blocks_of(text, "POSTERN WRAPPED KEY");
	pieces[RECOVERY] = blocks_of(text, "POSTERN RECOVERY");
	pieces[SEALED] = blocks_of(text, "POSTERN SEALED DATA");
	free(text);
	n.has_password = true;
	n.password = SPAN_OF(password);
	n.ops = 1;
	n.mem_kib = 8;
	n.raw_key = NULL;
	text = idfile_format(&n);
	assert_non_null(text);
	pieces[PASSWORD] = blocks_of(text, "POSTERN WRAPPED KEY");
	free(text);
}

/* Fresh bytes in the named pieces of a changed text are taken over; all else must be as expected. */
struct expected {
	const char *id, *certs, *more, *password, *unknown_1, *key, *unknown_2, *recovery;
};

static const struct expected *as_it_was(void)
{
	static struct expected e;
	e = (struct expected){ pieces[ID], pieces[CERTS], "", pieces[PASSWORD], UNKNOWN_1,
		pieces[KEY], UNKNOWN_2, pieces[RECOVERY] };
	return &e;
}

static void compose(const struct expected *e, const char *sealed, char *to)
{
	snprintf(to, IDFILE_MAX, "# head\n%s" GAP_1 "%s%s%s%s%s%s%s%s" TAIL, e->id, e->certs,
		e->more, e->password, e->unknown_1, e->key, e->unknown_2, e->recovery, sealed);
}

static struct idfile *the_file(void)
{
	static char text[IDFILE_MAX];
	compose(as_it_was(), pieces[SEALED], text);
	return parsed(text);
}

static char *changed(const struct idfile_change *c)
{
	struct idfile *id = the_file();
	char *text = idfile_format_change(id, &file_key, c);
	idfile_free(id);
	return text;
}

/* text is e, but for its sealed data, which must differ from the old. */
static void check_text(const char *text, const struct expected *e)
{
	static char want[IDFILE_MAX];
	char *sealed = blocks_of(text, "POSTERN SEALED DATA");
	assert_string_not_equal(sealed, pieces[SEALED]);
	compose(e, sealed, want);
	assert_string_equal(text, want);
	free(sealed);
}

/* Header, certificates and cipher text are under one seal: no one of them goes without the others. */
static void check_sealed(const char *text)
{
	char *const old[] = { pieces[ID], pieces[CERTS], pieces[SEALED] };
	static const char *const labels[] = { "POSTERN ID", "CERTIFICATE", "POSTERN SEALED DATA" };
	static char mixed[2 * IDFILE_MAX];
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_unlock_file_key(id, &file_key, NULL), IDFILE_OK);
	idfile_free(id);
	for (size_t i = 0; i < TEST_LEN(old); i++) {
		char *now = blocks_of(text, labels[i]);
		const char *at = strstr(text, now);
		if (*now == '\0' || at == NULL || strcmp(now, old[i]) == 0) {
			free(now);
			continue;
		}
		snprintf(mixed, sizeof(mixed), "%.*s%s%s", (int)(at - text), text, old[i],
			at + strlen(now));
		/* With the old data under a header and certificates that did not change it opens. */
		bool is_all_old = i == 2 && strstr(text, pieces[ID]) != NULL &&
			strstr(text, pieces[CERTS]) != NULL;
		id = parsed(mixed);
		if ((idfile_unlock_file_key(id, &file_key, NULL) == IDFILE_OK) != is_all_old)
			fail_msg("old %s", labels[i]);
		idfile_free(id);
		free(now);
	}
}

static void test_nothing_but_the_seal(void **state)
{
	(void)state;
	struct idfile_change c = { .secrets = &secrets };
	char *text = changed(&c);
	assert_non_null(text);
	check_text(text, as_it_was());
	check_sealed(text);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(text);
}

static void test_secrets_only(void **state)
{
	(void)state;
	static struct idfile_secrets more, got;
	more = secrets;
	more.document_count = 1;
	more.documents[0].created_ms = 77;
	more.has_pending = true;
	struct idfile_change c = { .secrets = &more };
	char *text = changed(&c);
	assert_non_null(text);
	check_text(text, as_it_was());
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), &got, NULL), IDFILE_OK);
	assert_true(got.has_pending && got.document_count == 1);
	assert_true(got.documents[0].created_ms == 77);
	idfile_free(id);
	free(text);
}

static void test_certificates_only(void **state)
{
	(void)state;
	struct idfile_change c = { .secrets = &secrets,
		.has_certs = true,
		.cert_count = 3,
		.certs = { span_of("new", 3), span_of("above", 5), span_of("top", 3) } };
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *certs = blocks_of(text, "CERTIFICATE");
	e.certs = certs;
	check_text(text, &e);
	check_sealed(text);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_cert_count(id), 3);
	assert_memory_equal(idfile_cert(id, 2).data, "top", 3);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);

	/* And none at all, and some where there were none. */
	c.cert_count = 0;
	char *bare = idfile_format_change(id, &file_key, &c);
	assert_non_null(bare);
	e.certs = "";
	check_text(bare, &e);
	idfile_free(id);
	id = parsed(bare);
	c.cert_count = 1;
	char *again = idfile_format_change(id, &file_key, &c);
	assert_non_null(again);
	idfile_free(id);
	id = parsed(again);
	assert_int_equal(idfile_cert_count(id), 1);
	assert_memory_equal(idfile_cert(id, 0).data, "new", 3);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(again);
	free(bare);
	free(certs);
	free(text);
}

static void test_header_of_the_same_key(void **state)
{
	(void)state;
	struct idfile_header h = header;
	strcpy(h.name, "Jane Smith/VSD");
	h.recovery_m = 2;
	h.recovery_n = 3;
	struct idfile_change c = { .secrets = &secrets, .header = &h };
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *id_block = blocks_of(text, "POSTERN ID");
	assert_string_not_equal(id_block, e.id);
	e.id = id_block;
	check_text(text, &e);
	check_sealed(text);
	struct idfile *id = parsed(text);
	assert_string_equal(idfile_header(id)->name, "Jane Smith/VSD");
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(id_block);
	free(text);
}

static void test_password_and_key_file(void **state)
{
	(void)state;
	uint8_t other_raw[IDFILE_KEY_LEN] = { 3 };
	struct idfile_change c = { .secrets = &secrets,
		.has_password = true,
		.password = span_of("next", 4),
		.ops = 1,
		.mem_kib = 8 };
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *slots = blocks_of(text, "POSTERN WRAPPED KEY");
	assert_string_equal(slots + strlen(slots) - strlen(e.key), e.key);
	slots[strlen(slots) - strlen(e.key)] = '\0';
	e.password = slots;
	check_text(text, &e);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_unlock_password(id, span_of("next", 4), NULL, NULL), IDFILE_OK);
	assert_int_equal(
		idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_WRONG_PASSWORD);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(slots);
	free(text);

	c.has_password = false;
	c.raw_key = other_raw;
	text = changed(&c);
	assert_non_null(text);
	e = *as_it_was();
	slots = blocks_of(text, "POSTERN WRAPPED KEY");
	assert_memory_equal(slots, e.password, strlen(e.password));
	e.key = slots + strlen(e.password);
	check_text(text, &e);
	id = parsed(text);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_WRONG_KEY);
	assert_int_equal(idfile_unlock_key(id, other_raw, NULL, NULL), IDFILE_OK);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(slots);
	free(text);
}

static void test_slots_are_added(void **state)
{
	(void)state;
	struct idfile_new n = new_file();
	n.cert_count = 0;
	char *text = idfile_format(&n);
	assert_non_null(text);
	struct idfile *id = parsed(text);
	struct idfile_change c = { .secrets = &secrets,
		.has_password = true,
		.password = span_of("next", 4),
		.ops = 1,
		.mem_kib = 8 };
	char *again = idfile_format_change(id, &file_key, &c);
	assert_non_null(again);
	idfile_free(id);
	id = parsed(again);
	assert_int_equal(idfile_slot_count(id), 2);
	assert_int_equal(idfile_slot_cost(id, 0).ops, 0);
	assert_int_equal(idfile_unlock_password(id, span_of("next", 4), NULL, NULL), IDFILE_OK);
	assert_int_equal(idfile_unlock_key(id, raw_key, NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(again);
	free(text);
}

static void test_new_key(void **state)
{
	(void)state;
	static struct idfile_secrets next, got;
	struct idfile_header h = header;
	next = secrets;
	next.seed[0] = 10;
	next.retired_count = 1;
	next.retired[0].seed[0] = 9;
	key_id_of(next.seed, h.key_id);
	struct idfile_change c = { .secrets = &next, .header = &h };
	assert_null(changed(&c)); /* no slot would be left */
	c.raw_key = raw_key;
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *id_block = blocks_of(text, "POSTERN ID");
	char *slots = blocks_of(text, "POSTERN WRAPPED KEY");
	e.id = id_block;
	e.password = ""; /* fell away: it was bound to the old key id */
	e.key = slots;
	e.recovery = "";
	check_text(text, &e);
	check_sealed(text);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_slot_count(id), 1);
	assert_int_equal(idfile_unlock_key(id, raw_key, &got, NULL), IDFILE_OK);
	assert_int_equal(got.seed[0], 10);
	assert_int_equal(got.retired_count, 1);
	idfile_free(id);
	free(id_block);
	free(slots);
	free(text);

	c.raw_key = NULL;
	c.has_password = true;
	c.password = SPAN_OF(password);
	c.ops = 1;
	c.mem_kib = 8;
	c.has_recovery = true;
	c.recovery = span_of("for the new key", 15);
	text = changed(&c);
	assert_non_null(text);
	id = parsed(text);
	assert_int_equal(idfile_slot_count(id), 1);
	assert_true(span_equal(idfile_block(id, "POSTERN RECOVERY"), c.recovery));
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, NULL), IDFILE_OK);
	idfile_free(id);
	free(text);

	struct idfile_key fresh = { { 0x77 } }, seen;
	c.new_key = &fresh;
	text = changed(&c);
	assert_non_null(text);
	id = parsed(text);
	assert_int_equal(idfile_unlock_password(id, SPAN_OF(password), NULL, &seen), IDFILE_OK);
	assert_memory_equal(&seen, &fresh, sizeof(seen));
	assert_int_equal(idfile_unlock_file_key(id, &file_key, NULL), IDFILE_TAMPERED);
	idfile_free(id);
	free(text);
	c = (struct idfile_change){ .secrets = &secrets, .new_key = &fresh, .raw_key = raw_key };
	assert_null(changed(&c)); /* old slots wrap the old file key */
}

static void test_recovery(void **state)
{
	(void)state;
	struct idfile_change c = {
		.secrets = &secrets, .has_recovery = true, .recovery = span_of("a newer one", 11)
	};
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *block = blocks_of(text, "POSTERN RECOVERY");
	e.recovery = block;
	check_text(text, &e);
	free(block);
	free(text);

	c.recovery = span_of(NULL, 0);
	text = changed(&c);
	assert_non_null(text);
	e.recovery = "";
	check_text(text, &e);
	struct idfile *id = parsed(text);
	assert_int_equal(idfile_block(id, "POSTERN RECOVERY").len, 0);
	c.recovery = span_of("the first", 9);
	char *again = idfile_format_change(id, &file_key, &c);
	assert_non_null(again);
	idfile_free(id);
	id = parsed(again);
	assert_true(span_equal(idfile_block(id, "POSTERN RECOVERY"), c.recovery));
	idfile_free(id);
	free(again);
	free(text);
}

static void test_blocks(void **state)
{
	(void)state;
	struct idfile_change c = { .secrets = &secrets,
		.block_count = 3,
		.blocks = { { "FROM LATER", span_of("xyz", 3) }, { "PENDING", span_of("pp", 2) },
			{ "ABSENT", span_of(NULL, 0) } } };
	char *text = changed(&c);
	assert_non_null(text);
	struct expected e = *as_it_was();
	char *pending = blocks_of(text, "PENDING");
	e.more = pending;
	e.unknown_1 = "-----BEGIN FROM LATER-----\neHl6\n-----END FROM LATER-----\n\n"
		      "# among the slots\n";
	e.unknown_2 = "-----BEGIN NOT BASE64-----\n!!!!\n-----END NOT BASE64-----\n";
	check_text(text, &e);
	struct idfile *id = parsed(text);
	assert_memory_equal(idfile_block(id, "FROM LATER").data, "xyz", 3);
	assert_memory_equal(idfile_block(id, "PENDING").data, "pp", 2);
	assert_int_equal(idfile_block(id, "NOT BASE64").len, 0);
	free(pending);
	free(text);

	/* And away with both. */
	c.blocks[0].body = c.blocks[1].body = span_of(NULL, 0);
	text = idfile_format_change(id, &file_key, &c);
	assert_non_null(text);
	e.more = "";
	e.unknown_1 = "\n# among the slots\n";
	check_text(text, &e);
	idfile_free(id);
	free(text);

	/* One that is not base64 is replaced like any other. */
	c.block_count = 1;
	c.blocks[0].label = "NOT BASE64";
	c.blocks[0].body = span_of("abc", 3);
	text = changed(&c);
	assert_non_null(text);
	id = parsed(text);
	assert_memory_equal(idfile_block(id, "NOT BASE64").data, "abc", 3);
	assert_memory_equal(idfile_block(id, "FROM LATER").data, "abc", 3);
	idfile_free(id);
	free(text);
}

static void check_null(const char *name, const struct idfile_change *c)
{
	char *text = changed(c);
	if (text != NULL)
		fail_msg("case \"%s\"", name);
}

static void test_refused(void **state)
{
	(void)state;
	static const uint8_t big[IDFILE_CERT_LEN_MAX + 1];
	static uint8_t huge[IDFILE_MAX];
	static struct idfile_secrets other;
	struct idfile *id = the_file();
	struct idfile_change c = { .secrets = &secrets };
	struct idfile_key wrong = file_key;
	wrong.b[31] ^= 1;
	assert_null(idfile_format_change(id, &wrong, &c));
	idfile_free(id);

	other = secrets;
	other.seed[5] ^= 1;
	c.secrets = &other;
	check_null("another seed under the old header", &c);
	c.secrets = &secrets;
	struct idfile_header h = header;
	h.key_id[0] ^= 1;
	c.header = &h;
	c.raw_key = raw_key;
	check_null("another key id with the old seed", &c);
	h = header;
	h.quality_min = 17;
	check_null("header out of bounds", &c);
	c = (struct idfile_change){ .secrets = &secrets, .has_certs = true, .cert_count = 1 };
	check_null("empty certificate", &c);
	c.certs[0] = SPAN_OF(big);
	check_null("certificate too long", &c);
	c.cert_count = IDFILE_CERTS_MAX + 1;
	check_null("17 certificates", &c);
	c = (struct idfile_change){ .secrets = &secrets, .has_password = true, .ops = 17 };
	check_null("cost out of bounds", &c);
	c = (struct idfile_change){ .secrets = &secrets, .block_count = 1 };
	c.blocks[0].body = span_of("x", 1);
	static const char *const labels[] = { "POSTERN ID", "CERTIFICATE", "POSTERN WRAPPED KEY",
		"POSTERN RECOVERY", "POSTERN SEALED DATA", "small letters", "" };
	for (size_t i = 0; i < TEST_LEN(labels); i++) {
		c.blocks[0].label = labels[i];
		check_null(labels[i], &c);
	}
	c.blocks[0].label = c.blocks[1].label = "TWICE";
	c.block_count = 2;
	check_null("one label twice", &c);
	c.block_count = IDFILE_CHANGE_BLOCKS_MAX + 1;
	check_null("five blocks", &c);
	c.block_count = 1;
	c.blocks[0].body = SPAN_OF(huge);
	check_null("longer than a file may be", &c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_but_the_seal),
		cmocka_unit_test(test_secrets_only),
		cmocka_unit_test(test_certificates_only),
		cmocka_unit_test(test_header_of_the_same_key),
		cmocka_unit_test(test_password_and_key_file),
		cmocka_unit_test(test_slots_are_added),
		cmocka_unit_test(test_new_key),
		cmocka_unit_test(test_recovery),
		cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_refused),
	};
	make_pieces();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	for (size_t i = 0; i < PIECES; i++)
		free(pieces[i]);
	return failed;
}
