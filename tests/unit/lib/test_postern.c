/* Files into handles: cards and IDs that load, and one line for each that does not. */

#include <errno.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/internal.h"
#include "test.h"

static char folder[] = "/tmp/postern-test-XXXXXX";
static char path[64];

static void write_file(const char *text, mode_t mode)
{
	struct fault f;
	assert_int_equal(file_write(path, text, strlen(text), mode, false, &f), 0);
}

static char *card_text(void)
{
	struct card *c = calloc(1, sizeof(*c));
	uint8_t sk[64], seed[32] = { 1 };
	struct hpke_secret prekey = { { 3 } };
	crypto_sign_seed_keypair(c->identity_pk, sk, seed);
	c->port = 62201;
	strcpy(c->name, "Gate1/QN/VSD");
	strcpy(c->service, "ssh");
	strcpy(c->host, "gate1.example.org");
	c->prekeys[0].not_after_ms = 1000;
	hpke_public_key(&prekey, c->prekeys[0].pk);
	prekey_sign(&c->prekeys[0], sk);
	c->prekey_count = 1;
	char *text = card_format(c, sk);
	assert_non_null(text);
	free(c);
	return text;
}

static void test_card(void **state)
{
	(void)state;
	struct postern_card *card = NULL;
	struct postern_error err = { "" };
	char *text = card_text();
	uint8_t sid[SPA_SID_LEN];

	write_file(text, 0644);
	assert_int_equal(postern_card_load(path, &card, &err), 0);
	assert_string_equal(postern_card_name(card), "Gate1/QN/VSD");
	assert_string_equal(postern_card_host(card), "gate1.example.org");
	assert_string_equal(postern_card_service(card), "ssh");
	assert_int_equal(postern_card_port(card), 62201);
	spa_key_id(card->card.identity_pk, sid);
	assert_memory_equal(postern_card_sid(card), sid, sizeof(sid));
	postern_card_free(card);
	card = NULL;

	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(postern_card_load(path, &card, &err), -EPERM);
	text[40] = text[40] == 'A' ? 'B' : 'A';
	write_file(text, 0644);
	assert_int_equal(postern_card_load(path, &card, &err), -EINVAL);
	assert_memory_equal(err.text, path, strlen(path));
	assert_non_null(strstr(err.text, ": line "));
	assert_int_equal(postern_card_load(path, &card, NULL), -EINVAL);
	write_file("", 0644);
	assert_int_equal(postern_card_load(path, &card, &err), -EINVAL);
	assert_int_equal(postern_card_load(folder, &card, &err), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(postern_card_load(path, &card, &err), -ENOENT);
	assert_null(card);
	free(text);
}

struct id_case {
	const char *name;
	enum idfile_kind kind;
	mode_t mode;
	const char *password; /* of the file; NULL: only a key file opens it */
	const char *typed;
	int want;
};

static const struct id_case id_cases[] = {
	{ "person", IDFILE_USER, 0600, "correct horse", "correct horse", 0 },
	{ "server", IDFILE_SERVER, 0400, "correct horse", "correct horse", 0 },
	{ "wrong password", IDFILE_USER, 0600, "correct horse", "correct hors", -EACCES },
	{ "no password typed", IDFILE_USER, 0600, "correct horse", "", -EACCES },
	{ "others may read it", IDFILE_USER, 0644, "correct horse", "correct horse", -EPERM },
	{ "certifier", IDFILE_CERTIFIER, 0600, "correct horse", "correct horse", -EINVAL },
	{ "key file only", IDFILE_USER, 0600, NULL, "correct horse", -ENOKEY },
};

static char *id_text(const struct id_case *c, bool has_cert)
{
	static const uint8_t raw_key[IDFILE_KEY_LEN] = { 7 };
	static const uint8_t der[4] = { 0x30, 2, 5, 0 };
	struct idfile_secrets *secrets = calloc(1, sizeof(*secrets));
	struct idfile_new n = { .header = { .kind = c->kind, .created_ms = 1 } };
	uint8_t pk[32], sk[64];

	secrets->seed[0] = 9;
	secrets->psk_count = 1;
	secrets->psks[0].slot = 2;
	secrets->psks[0].key[5] = 0x55;
	crypto_sign_seed_keypair(pk, sk, secrets->seed);
	spa_key_id(pk, n.header.key_id);
	strcpy(n.header.name, c->kind == IDFILE_CERTIFIER ? "QN/VSD" : "Julia Herlihy/QN/VSD");
	n.cert_count = has_cert;
	n.certs[0] = SPAN_OF(der);
	n.secrets = secrets;
	n.has_password = c->password != NULL;
	if (n.has_password)
		n.password = span_of(c->password, strlen(c->password));
	n.ops = 1;
	n.mem_kib = 8;
	n.raw_key = n.has_password ? NULL : raw_key;
	char *text = idfile_format(&n);
	assert_non_null(text);
	free(secrets);
	return text;
}

static void test_ids(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(id_cases); i++) {
		const struct id_case *c = &id_cases[i];
		struct postern_id *id = NULL;
		struct postern_error err = { "" };
		char *text = id_text(c, false);
		write_file(text, c->mode);
		int rc = postern_id_load(path, c->typed, strlen(c->typed), &id, &err);
		if (rc != c->want)
			fail_msg("case \"%s\": %d, %s", c->name, rc, err.text);
		TEST_CASE(c->name, (rc == 0) == (id != NULL));
		TEST_CASE(c->name, rc == 0 || strncmp(err.text, path, strlen(path)) == 0);
		if (rc == 0) {
			TEST_CASE(
				c->name, strcmp(postern_id_name(id), "Julia Herlihy/QN/VSD") == 0);
			TEST_CASE(c->name, id->psk_count == 1 && id->psks[0].slot == 2);
			TEST_CASE(c->name, id->psks[0].key[5] == 0x55);
		}
		postern_id_free(id);
		free(text);
	}
}

static void test_damaged_id(void **state)
{
	(void)state;
	struct postern_id *id = NULL;
	struct postern_error err = { "" };
	char *text = id_text(&id_cases[0], true);
	write_file("this is no ID\n", 0600);
	assert_int_equal(postern_id_load(path, "x", 1, &id, &err), -EINVAL);
	assert_non_null(strstr(err.text, "line 1"));
	/* What it holds for a certificate is none. */
	write_file(text, 0600);
	assert_int_equal(postern_id_load(path, "correct horse", 13, &id, &err), -EINVAL);
	assert_non_null(strstr(err.text, ": certificate 1: "));
	/* Another certificate of the same length under the same seal. */
	char *der = strstr(text, "MAIFAA==");
	assert_non_null(der);
	memcpy(der, "MAIFAQ==", 8);
	write_file(text, 0600);
	assert_int_equal(postern_id_load(path, "correct horse", 13, &id, &err), -EBADMSG);
	assert_null(id);
	free(text);
}

static void test_files_to_first_packet(void **state)
{
	(void)state;
	struct postern_card *card = NULL;
	struct postern_id *id = NULL;
	struct postern_session *s = NULL;
	struct postern_memory memory = { 0 };
	struct postern_request q = { .op = POSTERN_OPEN };
	const uint8_t *datagram = NULL;
	size_t len = 0;
	uint32_t wait_ms = 0;
	char *text = card_text();

	write_file(text, 0600);
	assert_int_equal(postern_card_load(path, &card, NULL), 0);
	free(text);
	text = id_text(&id_cases[0], false);
	write_file(text, 0600);
	assert_int_equal(postern_id_load(path, "correct horse", 13, &id, NULL), 0);
	free(text);
	assert_int_equal(postern_session_new(card, id, &q, &memory, &s, NULL), 0);
	assert_int_equal(
		postern_session_next(s, 1700000000000, 1, &datagram, &len, &wait_ms), POSTERN_SEND);
	assert_int_equal(len, SPA_SMALL_LEN);
	assert_int_equal(
		postern_session_next(s, 1700000000000, 1, &datagram, &len, &wait_ms), POSTERN_WAIT);
	assert_int_equal(wait_ms, 1000);
	postern_session_free(s);
	postern_id_free(id);
	postern_card_free(card);
}

static void test_words(void **state)
{
	(void)state;
	assert_string_equal(postern_status_name(POSTERN_OK), "OK");
	assert_string_equal(postern_status_name(POSTERN_LIMIT), "LIMIT");
	assert_string_equal(postern_status_name((enum postern_status)77), "unknown");
	for (int i = POSTERN_OK; i <= POSTERN_LIMIT; i++)
		for (int k = POSTERN_OK; k < i; k++)
			assert_string_not_equal(postern_status_advice((enum postern_status)i),
				postern_status_advice((enum postern_status)k));
	assert_non_null(strstr(postern_status_advice((enum postern_status)77), "update"));
}

static int set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/file", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_card),
		cmocka_unit_test(test_ids),
		cmocka_unit_test(test_damaged_id),
		cmocka_unit_test(test_files_to_first_packet),
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
