/*
 * Whose cards an ID takes. Two organisations that know nothing of each other: VSD, where Julia is from, and
 * ACME, where she goes when a cross-certificate says so.
 */

#include <errno.h>
#include <sys/stat.h>

#include "identity/cert_shape.h"
#include "identity/crl.h"
#include "identity/issue.h"
#include "identity/template.h"
#include "lib/edge.h"
#include "lib/internal.h"

#define NOW_MS UINT64_C(1798761600000) /* 2027-01-01 */

enum who {
	VSD,
	VSD_NEW, /* the same organisation's next key */
	QN,
	JULIA,
	GATE1,
	GATE2,
	ACME,
	WEST,
	DOOR,
	GATE3,
	BOB,
	QN_NEW,      /* the unit, certified by the organisation's next key */
	JULIA_PLAIN, /* Julia, her name as a PrintableString */
	WHO_COUNT,
	VSD_OVER = WHO_COUNT, /* the organisation's next key, vouched for by the one before */
	VSD_BACK,             /* and the other way round */
	CERT_COUNT,
};

static const struct {
	const char *name;
	enum cert_kind kind;
	enum who by;
} people[WHO_COUNT] = {
	[VSD] = { "VSD", CERT_CERTIFIER, VSD },
	[VSD_NEW] = { "VSD", CERT_CERTIFIER, VSD_NEW },
	[QN] = { "QN/VSD", CERT_CERTIFIER, VSD },
	[JULIA] = { "Julia Herlihy/QN/VSD", CERT_USER, QN },
	[GATE1] = { "Gate1/QN/VSD", CERT_SERVER, QN },
	[GATE2] = { "Gate2/VSD", CERT_SERVER, VSD_NEW },
	[ACME] = { "ACME", CERT_CERTIFIER, ACME },
	[WEST] = { "West/ACME", CERT_CERTIFIER, ACME },
	[DOOR] = { "Door/ACME", CERT_SERVER, ACME },
	[GATE3] = { "Gate3/West/ACME", CERT_SERVER, WEST },
	[BOB] = { "Bob/West/ACME", CERT_USER, WEST },
	[QN_NEW] = { "QN/VSD", CERT_CERTIFIER, VSD_NEW },
	[JULIA_PLAIN] = { "Julia Herlihy/QN/VSD", CERT_USER, QN },
};

static struct holder keys[WHO_COUNT];
static struct issued certs[CERT_COUNT];
static char folder[] = "/tmp/postern-trust-XXXXXX";

static struct span cert_of(enum who w)
{
	return span_of(certs[w].der, certs[w].len);
}

static const char *path_of(const char *file)
{
	static char path[128];
	snprintf(path, sizeof(path), "%s/%s", folder, file);
	return path;
}

static void cross(const char *file, enum who by, enum who to)
{
	struct issued i;
	struct cert_order o = order(people[to].name, people[to].kind, &keys[to], "VSD", &keys[by]);
	o.role = CERT_CROSS;
	o.issuer = name_of(people[by].name, people[by].kind == CERT_CERTIFIER);
	save(folder, file, "CERTIFICATE", issue(&o, &i));
}

static void vouch(enum who for_key, enum who by_key, enum who ret)
{
	struct cert_order o = order("VSD", CERT_CERTIFIER, &keys[for_key], "VSD", &keys[by_key]);
	o.role = CERT_ROLLOVER;
	issue(&o, &certs[ret]);
}

static void roll_over(void)
{
	vouch(VSD_NEW, VSD, VSD_OVER);
	vouch(VSD, VSD_NEW, VSD_BACK);
	save(folder, "rollover.pem", "CERTIFICATE", cert_of(VSD_OVER));
}

/* The same certificate with strings that the short form has no way to say. */
static void make_plain(void)
{
	struct cert c = read_back(cert_of(JULIA_PLAIN));
	struct cert_strings strings;
	for (size_t i = 0; i < NAME_PARTS_MAX; i++)
		strings.subject[i] = strings.issuer[i] = V_ASN1_UTF8STRING;
	strings.subject[2] = V_ASN1_PRINTABLESTRING;
	X509 *x = cert_shape(&c, &strings);
	assert_non_null(x);
	assert_true(cert_sign(x, keys[QN].seed, certs[JULIA_PLAIN].der, &certs[JULIA_PLAIN].len));
	X509_free(x);
}

static void revoke_in(const char *file, enum who by, enum who whom)
{
	struct crl_entry e = { .revoked_ms = BEGIN_MS };
	struct cert c = read_back(cert_of(whom));
	struct crl_order o = {
		.issuer = name_of(people[by].name, true),
		.issuer_seed = keys[by].seed,
		.number = 1,
		.this_update_ms = BEGIN_MS,
		.next_update_ms = BEGIN_MS + 86400000,
		.count = 1,
		.entries = &e,
	};
	struct fault f;
	uint8_t *der = NULL;
	size_t len = 0;
	memcpy(e.serial, c.serial, sizeof(e.serial));
	memcpy(o.issuer_pk, keys[by].pk, 32);
	assert_int_equal(crl_issue(&o, &der, &len, &f), 0);
	save(folder, file, "X509 CRL", span_of(der, len));
	free(der);
}

/* The password is "x". chain: who's certificates the file holds, own first. */
static struct postern_id *id_of(enum who own, const enum who *chain, size_t count)
{
	struct idfile_secrets *secrets = calloc(1, sizeof(*secrets));
	struct idfile_new n = { .header = { .kind = IDFILE_USER, .created_ms = 1 } };
	struct postern_id *id = NULL;
	struct postern_error err = { "" };
	struct fault f;

	memcpy(secrets->seed, keys[own].seed, 32);
	spa_key_id(keys[own].pk, n.header.key_id);
	strcpy(n.header.name, people[own].name);
	n.cert_count = count;
	for (size_t i = 0; i < count; i++)
		n.certs[i] = cert_of(chain[i]);
	n.secrets = secrets;
	n.has_password = true;
	n.password = span_of("x", 1);
	n.ops = 1;
	n.mem_kib = 8;
	char *text = idfile_format(&n);
	assert_non_null(text);
	assert_int_equal(file_write(path_of("me.id"), text, strlen(text), 0600, false, &f), 0);
	if (postern_id_load(path_of("me.id"), "x", 1, &id, &err) != 0)
		print_message("%s\n", err.text);
	free(text);
	free(secrets);
	return id;
}

static struct postern_id *julia(void)
{
	static const enum who chain[] = { JULIA, QN, VSD };
	struct postern_id *id = id_of(JULIA, chain, 3);
	assert_non_null(id);
	return id;
}

/* A card that says it is of name with key, and brings these certificates. */
static struct postern_card *card_of(
	const char *name, enum who key, const enum who *chain, size_t count)
{
	struct postern_card *card = calloc(1, sizeof(*card));
	struct card *c = &card->card;
	strcpy(c->name, name);
	memcpy(c->identity_pk, keys[key].pk, 32);
	spa_key_id(c->identity_pk, card->sid);
	for (size_t i = 0; i < count; i++) {
		struct span der = cert_of(chain[i]);
		memcpy(c->certs[i], der.data, der.len);
		c->cert_len[c->cert_count++] = der.len;
	}
	c->port = 1;
	strcpy(c->service, "ssh");
	c->prekey_count = 1;
	c->prekeys[0].pk[0] = 9;
	return card;
}

static const struct card_case {
	const char *name;
	const char *file; /* of trust, NULL: none */
	const char *says; /* the card's name */
	enum who key;
	size_t count;
	enum who chain[3];
	uint64_t wall_ms;
	int want;
	const char *words; /* of the sentence */
} cases[] = {
	{ "own unit", NULL, "Gate1/QN/VSD", GATE1, 3, { GATE1, QN, VSD }, NOW_MS, 0, "" },
	{ "leaf alone", NULL, "Gate1/QN/VSD", GATE1, 1, { GATE1 }, NOW_MS, 0, "" },
	{ "in other case", NULL, "gate1/qn/vsd", GATE1, 1, { GATE1 }, NOW_MS, 0, "" },
	{ "ended", NULL, "Gate1/QN/VSD", GATE1, 1, { GATE1 }, END_MS + 1000, 1,
		"ended on 2028-01-01 by this machine's clock" },
	{ "not yet", NULL, "Gate1/QN/VSD", GATE1, 1, { GATE1 }, BEGIN_MS - 1000, 1,
		"not valid yet by this machine's clock" },
	{ "no certificate", NULL, "Gate1/QN/VSD", GATE1, 0, { 0 }, NOW_MS, -EKEYREJECTED,
		"shows whose it is" },
	{ "another name", NULL, "Gate2/QN/VSD", GATE1, 1, { GATE1 }, NOW_MS, -EKEYREJECTED,
		"says it is of Gate2/QN/VSD, but its certificate is of Gate1/QN/VSD" },
	{ "a name that is none", NULL, "Gate1", GATE1, 1, { GATE1 }, NOW_MS, -EKEYREJECTED,
		"but its certificate is of Gate1/QN/VSD" },
	{ "another key", NULL, "Gate1/QN/VSD", BOB, 1, { GATE1 }, NOW_MS, -EKEYREJECTED,
		"the key of this card is not the one" },
	{ "another key, ended", NULL, "Gate1/QN/VSD", BOB, 1, { GATE1 }, END_MS + 1000,
		-EKEYREJECTED, "the key of this card is not the one" },
	{ "a person", NULL, "Julia Herlihy/QN/VSD", JULIA, 1, { JULIA }, NOW_MS, -EKEYREJECTED,
		"is a person, not a server" },
	{ "a certifier", NULL, "QN/VSD", QN, 1, { QN }, NOW_MS, -EKEYREJECTED, "prove nothing" },
	{ "foreign", NULL, "Door/ACME", DOOR, 2, { DOOR, ACME }, NOW_MS, -EKEYREJECTED,
		"Door/ACME is certified by ACME, whom your ID does not trust" },
	{ "foreign unit", NULL, "Gate3/West/ACME", GATE3, 3, { GATE3, WEST, ACME }, NOW_MS,
		-EKEYREJECTED, "certified by West/ACME" },
	{ "organisation by a certifier", "vsd-acme.pem", "Gate3/West/ACME", GATE3, 3,
		{ GATE3, WEST, ACME }, NOW_MS, 0, "" },
	{ "unit missing", "vsd-acme.pem", "Gate3/West/ACME", GATE3, 1, { GATE3 }, NOW_MS,
		-EKEYREJECTED, "does not trust" },
	{ "organisation by the ID", "julia-acme.pem", "Door/ACME", DOOR, 2, { DOOR, ACME }, NOW_MS,
		0, "" },
	{ "unit by the ID", "julia-west.pem", "Gate3/West/ACME", GATE3, 3, { GATE3, WEST, ACME },
		NOW_MS, 0, "" },
	{ "unit by the ID, card of another", "julia-west.pem", "Door/ACME", DOOR, 2, { DOOR, ACME },
		NOW_MS, -EKEYREJECTED, "does not trust" },
	{ "one server by the ID", "julia-door.pem", "Door/ACME", DOOR, 2, { DOOR, ACME }, NOW_MS, 0,
		"" },
	{ "one server by the ID, card of another", "julia-door.pem", "Gate3/West/ACME", GATE3, 3,
		{ GATE3, WEST, ACME }, NOW_MS, -EKEYREJECTED, "does not trust" },
	{ "a person there", "julia-acme.pem", "Bob/West/ACME", BOB, 3, { BOB, WEST, ACME }, NOW_MS,
		-EKEYREJECTED, "is a person" },
	{ "the ID's cross-certificate has ended", "julia-acme.pem", "Door/ACME", DOOR, 2,
		{ DOOR, ACME }, END_MS + 1000, 1, "ended on" },
	{ "new key of the organisation", NULL, "Gate2/VSD", GATE2, 2, { GATE2, VSD_NEW }, NOW_MS,
		-EKEYREJECTED, "certified by VSD, whom your ID does not trust" },
	{ "new key, vouched for", "rollover.pem", "Gate2/VSD", GATE2, 2, { GATE2, VSD_NEW }, NOW_MS,
		0, "" },
	{ "revoked", "gate1.crl", "Gate1/QN/VSD", GATE1, 1, { GATE1 }, NOW_MS, -EKEYREJECTED,
		"was revoked" },
	{ "revoked, whatever the clock", "gate1.crl", "Gate1/QN/VSD", GATE1, 1, { GATE1 }, 0,
		-EKEYREJECTED, "was revoked" },
};

static void test_cards(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct card_case *c = &cases[i];
		struct postern_request q = { .op = POSTERN_OPEN };
		struct postern_session *s = NULL;
		struct postern_error err = { "" };
		struct postern_id *id = julia();
		struct postern_card *card = card_of(c->says, c->key, c->chain, c->count);
		if (c->file != NULL && postern_trust_add(id, path_of(c->file), &err) != 0)
			fail_msg("case \"%s\": %s", c->name, err.text);
		int rc = postern_card_verify(card, id, c->wall_ms, &err);
		if (rc != c->want || strstr(err.text, c->words) == NULL ||
			(c->words[0] == '\0' && err.text[0] != '\0'))
			fail_msg("case \"%s\": %d \"%s\"", c->name, rc, err.text);
		/* Nobody gets past it, and nobody is kept out by a date. */
		rc = postern_session_new(card, id, &q, NULL, &s, &err);
		TEST_CASE(c->name, rc == (c->want < 0 ? c->want : 0));
		postern_session_free(s);
		postern_card_free(card);
		postern_id_free(id);
	}
}

/* A bit changed anywhere in the leaf: the card is damaged, and never another server's. */
static void test_forged_leaf(void **state)
{
	(void)state;
	static const enum who chain[] = { GATE1, QN };
	struct postern_id *id = julia();
	struct postern_card *card = card_of("Gate1/QN/VSD", GATE1, chain, 2);
	for (size_t bit = 0; bit < 8 * card->card.cert_len[0]; bit += 3) {
		card->card.certs[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(postern_card_verify(card, id, NOW_MS, NULL), -EKEYREJECTED);
		card->card.certs[0][bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(postern_card_verify(card, id, NOW_MS, NULL), 0);
	postern_card_free(card);
	postern_id_free(id);
}

static void test_no_certificates(void **state)
{
	(void)state;
	static const enum who chain[] = { DOOR, ACME };
	struct postern_error err = { "" };
	struct postern_id *id = id_of(JULIA, NULL, 0);
	struct postern_card *card = card_of("Door/ACME", DOOR, chain, 2);
	assert_non_null(id);
	assert_int_equal(postern_card_verify(card, id, NOW_MS, &err), 0);
	assert_int_equal(postern_trust_add(id, path_of("vsd-acme.pem"), &err), -EINVAL);
	assert_int_equal(id->chain_len, 0);
	postern_card_free(card);
	postern_id_free(id);
}

/* An ID whose own certificates do not lead to its organisation proves nothing to anybody. */
static void test_broken_ids(void **state)
{
	(void)state;
	static const enum who no_top[] = { JULIA, QN }, mixed[] = { JULIA, WEST, ACME };
	assert_null(id_of(JULIA, no_top, 2));
	assert_null(id_of(JULIA, mixed, 3));
}

static void test_trust_files(void **state)
{
	(void)state;
	struct postern_error err = { "" };
	static const struct {
		const char *name, *file;
		int want;
		const char *words;
	} table[] = {
		{ "another organisation", "acme.pem", -ENOKEY, "cross-certify" },
		{ "good", "vsd-acme.pem", 0, "" },
		{ "the same once more", "vsd-acme.pem", 0, "" },
		{ "another person's", "bob-door.pem", -ENOKEY, "" },
		{ "missing", "none.pem", -ENOENT, "none.pem" },
		{ "empty", "empty.pem", -EINVAL, "holds no certificate" },
		{ "text", "text.pem", -EINVAL, "text.pem:1: " },
		{ "another block", "key.pem", -EINVAL, "key.pem:1: neither a certificate" },
		{ "damaged", "damaged.pem", -EINVAL, "damaged.pem:1: " },
		{ "good, then damaged", "half.pem", -EINVAL, "half.pem:" },
		{ "others may write it", "open.pem", -EPERM, "open.pem" },
	};
	struct postern_id *id = julia();
	for (size_t i = 0; i < TEST_LEN(table); i++) {
		int rc = postern_trust_add(id, path_of(table[i].file), &err);
		if (rc != table[i].want || (rc != 0 && strstr(err.text, table[i].words) == NULL))
			fail_msg("case \"%s\": %d \"%s\"", table[i].name, rc, err.text);
	}
	postern_id_free(id);
}

/* Our organisation's next key says whom to trust, and is itself vouched for in a file that comes later. */
static void test_order_of_files(void **state)
{
	(void)state;
	static const enum who chain[] = { DOOR, ACME };
	struct postern_error err;
	struct postern_id *id = julia();
	struct postern_card *card = card_of("Door/ACME", DOOR, chain, 2);
	assert_int_equal(postern_trust_add(id, path_of("new-acme.pem"), &err), -ENOKEY);
	assert_int_equal(postern_card_verify(card, id, NOW_MS, &err), -EKEYREJECTED);
	assert_int_equal(postern_trust_add(id, path_of("rollover.pem"), &err), 0);
	assert_int_equal(postern_card_verify(card, id, NOW_MS, &err), 0);
	postern_card_free(card);
	postern_id_free(id);
}

/* What is sent of each file: never the organisation's own, and the file's order does not matter. */
static const struct chain_case {
	const char *name;
	enum who own;
	size_t count;
	enum who file[6];
	enum spa_identity type;
	size_t sent_count;
	enum who sent[4];
} chain_cases[] = {
	{ "person of a unit", JULIA, 3, { JULIA, QN, VSD }, SPA_ID_TEMPLATE, 2, { JULIA, QN } },
	{ "below the organisation", GATE2, 2, { GATE2, VSD_NEW }, SPA_ID_TEMPLATE, 1, { GATE2 } },
	{ "organisation rolled over", GATE2, 4, { GATE2, VSD_NEW, VSD_OVER, VSD_BACK },
		SPA_ID_TEMPLATE, 2, { GATE2, VSD_OVER } },
	{ "person of a unit, rolled over", JULIA, 5, { JULIA, QN_NEW, VSD_NEW, VSD_BACK, VSD_OVER },
		SPA_ID_TEMPLATE, 3, { JULIA, QN_NEW, VSD_OVER } },
	{ "PrintableString", JULIA, 3, { JULIA_PLAIN, QN, VSD }, SPA_ID_CHAIN, 2,
		{ JULIA_PLAIN, QN } },
};

static struct chain decode_sent(const struct postern_id *id, struct template_room *room)
{
	struct span sent = span_of(id->chain, id->chain_len);
	struct chain c = { 0 };
	if (id->chain_type == SPA_ID_TEMPLATE) {
		assert_int_equal(template_decode(sent, room, &c), CHAIN_OK);
		return c;
	}
	for (struct reader r = reader_init(sent); r.left > 0;) {
		uint16_t len = reader_u16(&r);
		c.der[c.count++] = reader_take(&r, len);
	}
	return c;
}

static void test_chain_sent(void **state)
{
	(void)state;
	struct template_room *room = calloc(1, sizeof(*room));
	for (size_t i = 0; i < TEST_LEN(chain_cases); i++) {
		const struct chain_case *c = &chain_cases[i];
		struct postern_id *id = id_of(c->own, c->file, c->count);
		TEST_CASE(c->name, id != NULL && id->chain_type == c->type);
		struct chain sent = decode_sent(id, room);
		TEST_CASE(c->name, sent.count == c->sent_count);
		for (size_t k = 0; k < sent.count; k++)
			TEST_CASE(c->name, span_equal(sent.der[k], cert_of(c->sent[k])));
		postern_id_free(id);
	}
	free(room);
}

/* ------------------------------------------------------------------ edge servers */

static const struct edge_case {
	const char *name;
	const char *file; /* of trust, NULL: none */
	const char *says; /* its card's name */
	size_t count;
	enum who chain[3];
	uint64_t wall_ms;
	const char *words; /* of the sentence; NULL: it is the one */
} edge_cases[] = {
	{ "own unit", NULL, "Gate1/QN/VSD", 3, { GATE1, QN, VSD }, NOW_MS, NULL },
	{ "leaf alone", NULL, "gate1/qn/vsd", 1, { GATE1 }, NOW_MS, NULL },
	{ "by a cross-certificate", "julia-acme.pem", "Door/ACME", 2, { DOOR, ACME }, NOW_MS,
		NULL },
	{ "nothing", NULL, "Gate1/QN/VSD", 0, { 0 }, NOW_MS, "prove nothing" },
	{ "wrong name", NULL, "Gate2/QN/VSD", 1, { GATE1 }, NOW_MS,
		"its certificate is of Gate1/QN/VSD, but its card is of Gate2/QN/VSD" },
	{ "a name that is none", NULL, "Gate1", 1, { GATE1 }, NOW_MS, "its certificate is of" },
	{ "ended", NULL, "Gate1/QN/VSD", 1, { GATE1 }, END_MS + 1000, "ended on 2028-01-01" },
	{ "wrong name, ended", NULL, "Gate2/QN/VSD", 1, { GATE1 }, END_MS + 1000,
		"its certificate is of Gate1/QN/VSD" },
	{ "not yet", NULL, "Gate1/QN/VSD", 1, { GATE1 }, BEGIN_MS - 1000, "not valid yet" },
	{ "revoked", "gate1.crl", "Gate1/QN/VSD", 1, { GATE1 }, NOW_MS, "was revoked" },
	{ "foreign", NULL, "Door/ACME", 2, { DOOR, ACME }, NOW_MS,
		"its certificate is by ACME, whom your ID does not trust" },
	{ "foreign unit, certifier missing", "julia-acme.pem", "Gate3/West/ACME", 1, { GATE3 },
		NOW_MS, "by West/ACME, whom your ID does not trust" },
	{ "a person", NULL, "Julia Herlihy/QN/VSD", 2, { JULIA, QN }, NOW_MS,
		"of a person, Julia Herlihy/QN/VSD" },
	{ "a certifier", NULL, "QN/VSD", 1, { QN }, NOW_MS, "prove nothing" },
	{ "in wrong order", NULL, "Gate1/QN/VSD", 2, { QN, GATE1 }, NOW_MS, "prove nothing" },
};

static void test_edges(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(edge_cases); i++) {
		const struct edge_case *c = &edge_cases[i];
		struct postern_id *id = julia();
		struct chain chain = { .count = c->count };
		struct fault f = { "" };
		uint8_t pk[32] = { 0 };
		for (size_t k = 0; k < c->count; k++)
			chain.der[k] = cert_of(c->chain[k]);
		if (c->file != NULL)
			TEST_CASE(c->name, postern_trust_add(id, path_of(c->file), NULL) == 0);
		int rc = lib_edge_judge(id, &chain, c->says, c->wall_ms, pk, &f);
		if (rc != (c->words == NULL ? 0 : -EKEYREJECTED) ||
			(c->words != NULL && strstr(f.text, c->words) == NULL))
			fail_msg("case \"%s\": %d \"%s\"", c->name, rc, f.text);
		TEST_CASE(c->name,
			rc == 0 ? memcmp(pk, keys[c->chain[0]].pk, 32) == 0
				: sodium_is_zero(pk, sizeof(pk)));
		postern_id_free(id);
	}
}

/* What is cut off or changed anywhere is not the edge's. */
static void test_forged_edge(void **state)
{
	(void)state;
	uint8_t der[CERT_LEN_MAX], pk[32];
	struct span good = cert_of(GATE1);
	struct postern_id *id = julia();
	struct chain chain = { .count = 1 };
	struct fault f;
	for (size_t len = 0; len < good.len; len++) {
		chain.der[0] = span_of(good.data, len);
		assert_int_equal(
			lib_edge_judge(id, &chain, "Gate1/QN/VSD", NOW_MS, pk, &f), -EKEYREJECTED);
	}
	memcpy(der, good.data, good.len);
	chain.der[0] = span_of(der, good.len);
	for (size_t bit = 0; bit < 8 * good.len; bit++) {
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_int_equal(
			lib_edge_judge(id, &chain, "Gate1/QN/VSD", NOW_MS, pk, &f), -EKEYREJECTED);
		der[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(lib_edge_judge(id, &chain, "Gate1/QN/VSD", NOW_MS, pk, &f), 0);
	postern_id_free(id);
}

static void test_prove(void **state)
{
	(void)state;
	struct postern_id *id = julia(), *plain = id_of(JULIA, NULL, 0);
	struct lib_edge_proof p;
	struct fault f = { "" };
	assert_int_equal(lib_edge_prove(id, &p, &f), 0);
	assert_memory_equal(p.seed, keys[JULIA].seed, 32);
	assert_int_equal(p.chain.count, 2);
	assert_true(span_equal(p.chain.der[0], cert_of(JULIA)));
	assert_true(span_equal(p.chain.der[1], cert_of(QN)));
	lib_edge_wipe(&p);
	assert_true(sodium_is_zero(p.seed, 32));
	assert_int_equal(lib_edge_prove(plain, &p, &f), -ENOKEY);
	assert_non_null(strstr(f.text, "Julia Herlihy/QN/VSD has no certificate"));
	plain->is_agent = true;
	assert_int_equal(lib_edge_prove(plain, &p, &f), -ENOKEY);
	assert_non_null(strstr(f.text, "SSH agent"));
	postern_id_free(plain);
	postern_id_free(id);
}

static void write_text(const char *file, const char *text, mode_t mode)
{
	struct fault f;
	assert_int_equal(file_write(path_of(file), text, strlen(text), mode, false, &f), 0);
}

static void make_files(void)
{
	uint8_t damaged[CERT_LEN_MAX];
	cross("vsd-acme.pem", VSD, ACME);
	cross("julia-acme.pem", JULIA, ACME);
	cross("julia-west.pem", JULIA, WEST);
	cross("julia-door.pem", JULIA, DOOR);
	cross("bob-door.pem", BOB, GATE1);
	cross("new-acme.pem", VSD_NEW, ACME);
	roll_over();
	make_plain();
	revoke_in("gate1.crl", QN, GATE1);
	save(folder, "gate1.crl", "CERTIFICATE", cert_of(QN));
	save(folder, "acme.pem", "CERTIFICATE", cert_of(ACME));
	save(folder, "key.pem", "PRIVATE KEY", cert_of(ACME));
	memcpy(damaged, certs[ACME].der, certs[ACME].len);
	damaged[9] ^= 1;
	save(folder, "damaged.pem", "CERTIFICATE", span_of(damaged, certs[ACME].len));
	cross("half.pem", VSD, WEST);
	save(folder, "half.pem", "CERTIFICATE", span_of(damaged, certs[ACME].len));
	cross("open.pem", VSD, ACME);
	assert_int_equal(chmod(path_of("open.pem"), 0666), 0);
	write_text("empty.pem", "# nothing yet\n", 0644);
	write_text("text.pem", "certificate\n", 0644);
}

static int set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	for (uint8_t i = 0; i < WHO_COUNT; i++)
		keys[i] = holder((uint8_t)(i + 1));
	keys[QN_NEW] = keys[QN];
	keys[JULIA_PLAIN] = keys[JULIA];
	for (size_t i = 0; i < WHO_COUNT; i++) {
		enum who by = people[i].by;
		struct cert_order o =
			order(people[i].name, people[i].kind, &keys[i], people[by].name, &keys[by]);
		issue(&o, &certs[i]);
	}
	make_files();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	remove_folder(folder);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cards),
		cmocka_unit_test(test_forged_leaf),
		cmocka_unit_test(test_no_certificates),
		cmocka_unit_test(test_broken_ids),
		cmocka_unit_test(test_trust_files),
		cmocka_unit_test(test_order_of_files),
		cmocka_unit_test(test_chain_sent),
		cmocka_unit_test(test_edges),
		cmocka_unit_test(test_forged_edge),
		cmocka_unit_test(test_prove),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
