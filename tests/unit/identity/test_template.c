/*
 * Templates: what they rebuild bit for bit, what they cannot say, sizes, and every kind of damage.
 */

#include "base/text.h"
#include "identity/cert_write.h"
#include "identity/template.h"
#include "pki.h"
#include "test.h"

static const char *const sayable[] = {
	"john", "srv qn", "john qn", "john qn vsd", "anna ub qn", "deep u4 u3 ub qn",
	"boss2 vsd2-by-1", "john2 qn2-by-1 qn", "boss3 vsd3-by-2 vsd2-by-1", "vsd",
	"carl2 acme2-by-1", "", /* the longest names */
};

/* A person below four units, names as long as they get, dates past 2050. */
static struct chain longest(void)
{
	static struct pki_cert made[2];
	struct chain c = { .count = 2 };
	struct name ou = { .count = 6 };
	static const uint8_t types[] = { NAME_C, NAME_O, NAME_OU, NAME_OU, NAME_OU, NAME_OU };
	for (size_t i = 0; i < 6; i++) {
		ou.parts[i].type = types[i];
		ou.parts[i].len = i == 0 ? 2 : NAME_VALUE_MAX;
		memset(ou.parts[i].value, 'A' + (int)i, ou.parts[i].len);
	}
	struct cert cert = { .kind = CERT_CERTIFIER, .subject = ou, .issuer = ou };
	cert.issuer.count--;
	cert.not_before_ms = UINT64_C(2524607999000);
	cert.not_after_ms = UINT64_C(253402300799000);
	memcpy(cert.serial, "\x01\xff\xff\xff\xff\xff\xff\xff", 8);
	for (size_t i = 0; i < 2; i++) {
		uint8_t seed[32];
		pki_seed(90 + (int)i, seed);
		pki_pk(91 + (int)i, cert.pk);
		X509 *x = cert_shape(&cert, NULL);
		assert_true(x != NULL && cert_sign(x, seed, made[i].der, &made[i].len));
		X509_free(x);
		if (i == 1)
			break;
		cert.kind = CERT_SERVER;
		cert.issuer = ou;
		cert.subject.parts[cert.subject.count] = ou.parts[5];
		cert.subject.parts[cert.subject.count++].type = NAME_CN;
		cert_key_identifier(cert.pk, cert.issuer_key_identifier);
	}
	c.der[0] = span_of(made[1].der, made[1].len);
	c.der[1] = span_of(made[0].der, made[0].len);
	return c;
}

static struct chain chain_of(const char *ids)
{
	return ids[0] == '\0' ? longest() : pki_chain(ids);
}

static void test_round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(sayable); i++) {
		static struct template_room room;
		uint8_t t[4096], exact[4096];
		struct chain c = chain_of(sayable[i]), again = { 0 };
		size_t len = template_encode(&c, t, sizeof(t));
		TEST_CASE(sayable[i], len > 0);
		TEST_CASE(sayable[i], template_decode(span_of(t, len), &room, &again) == CHAIN_OK);
		TEST_CASE(sayable[i], again.count == c.count);
		for (size_t k = 0; k < c.count; k++)
			TEST_CASE(sayable[i], span_equal(again.der[k], c.der[k]));
		/* It fits exactly, or not at all. */
		TEST_CASE(sayable[i], template_encode(&c, exact, len) == len);
		TEST_CASE(sayable[i], memcmp(exact, t, len) == 0);
		TEST_CASE(sayable[i], template_encode(&c, exact, len - 1) == 0);
	}
}

static size_t issuer_len(const struct cert *c)
{
	size_t len = CERT_KEY_IDENTIFIER_LEN + 1;
	for (size_t i = 0; i < c->issuer.count; i++)
		len += 2u + c->issuer.parts[i].len;
	return len;
}

static void test_sizes(void **state)
{
	(void)state;
	uint8_t t[4096];
	struct chain c = pki_chain("deep u4 u3 ub qn");
	struct cert top;
	struct cert_parts p;
	assert_int_equal(cert_decode(c.der[4], &top, &p), CERT_OK);
	size_t expected = issuer_len(&top);
	static const char *const values[] = { "QN", "UB", "U3", "U4", "Deep" };
	for (size_t i = 0; i < TEST_LEN(values); i++)
		expected += 117 + strlen(values[i]);
	assert_int_equal(template_encode(&c, t, sizeof(t)), expected);
	/* what a class L request has room for */
	assert_in_range(expected, 600, 1020);
}

/* The bytes of one certificate, by the table in the header. */
static void test_layout(void **state)
{
	(void)state;
	uint8_t t[512];
	struct chain c = pki_chain("john");
	struct cert john;
	struct cert_parts p;
	assert_int_equal(cert_decode(c.der[0], &john, &p), CERT_OK);
	size_t len = template_encode(&c, t, sizeof(t));
	struct reader r = reader_init(span_of(t, len));
	assert_memory_equal(reader_take(&r, 20).data, john.issuer_key_identifier, 20);
	static const uint8_t issuer[] = { 2, NAME_O, 3, 'V', 'S', 'D', NAME_OU, 2, 'Q', 'N' };
	assert_memory_equal(reader_take(&r, sizeof(issuer)).data, issuer, sizeof(issuer));
	assert_int_equal(reader_u8(&r), CERT_USER);
	assert_memory_equal(reader_take(&r, 8).data, john.serial, 8);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_u32(&r), PKI_BEGIN_MS / 1000);
	assert_int_equal(reader_u8(&r), 0);
	assert_int_equal(reader_u32(&r), PKI_END_MS / 1000);
	static const uint8_t name[] = { NAME_CN, 4, 'J', 'o', 'h', 'n' };
	assert_memory_equal(reader_take(&r, sizeof(name)).data, name, sizeof(name));
	assert_memory_equal(reader_take(&r, 32).data, john.pk, 32);
	assert_memory_equal(reader_take(&r, 64).data, p.signature.data, 64);
	assert_true(reader_done(&r));

	c = pki_chain("qn");
	len = template_encode(&c, t, sizeof(t));
	assert_int_equal(t[20 + 1 + 5], CERT_CERTIFIER | 3 << 4);
}

static void test_unsayable(void **state)
{
	(void)state;
	static const char *const cases[] = {
		"acme-by-vsd",  /* a cross-certificate */
		"bob-by-vsd",   /* of a single name */
		"acme-by-boss", /* by a person */
		"skip",         /* two levels below */
		"fold-subject", /* spells the levels above otherwise */
		"fold qn",      /* and this its issuer */
		"john qn2",     /* another key of the issuer */
		"anna qn",      /* not its issuer */
		"qn john",      /* upside down */
		"own-dn",       /* not of the profile */
	};
	uint8_t t[4096];
	struct chain c;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		c = pki_chain(cases[i]);
		TEST_CASE(cases[i], template_encode(&c, t, sizeof(t)) == 0);
	}
	c.count = 0;
	assert_int_equal(template_encode(&c, t, sizeof(t)), 0);
	c.count = CHAIN_CERTS_MAX + 1;
	assert_int_equal(template_encode(&c, t, sizeof(t)), 0);
	/* a PrintableString says no more than UTF8String, but its bytes differ */
	c = pki_chain("john");
	struct cert john;
	struct cert_parts p;
	struct cert_strings strings;
	struct pki_cert made;
	uint8_t seed[32];
	assert_int_equal(cert_decode(c.der[0], &john, &p), CERT_OK);
	for (size_t i = 0; i < NAME_PARTS_MAX; i++)
		strings.subject[i] = strings.issuer[i] = V_ASN1_PRINTABLESTRING;
	pki_seed(3, seed);
	X509 *x = cert_shape(&john, &strings);
	assert_true(x != NULL && cert_sign(x, seed, made.der, &made.len));
	X509_free(x);
	c.der[0] = span_of(made.der, made.len);
	assert_int_equal(cert_decode(c.der[0], &john, &p), CERT_OK);
	assert_int_equal(template_encode(&c, t, sizeof(t)), 0);
}

/* One field of "john" changed: where, to what, and what comes of it. */
static void test_malformed(void **state)
{
	(void)state;
	enum { RECORD = 20 + 10, TIMES = RECORD + 9, PART = TIMES + 10 };
	static const struct {
		const char *name;
		size_t at, len;
		uint8_t bytes[10];
	} cases[] = {
		{ "no component", 20, 1, { 0 } },
		{ "eight components", 20, 1, { 8 } },
		{ "issuer's type", 21, 1, { 9 } },
		{ "issuer is a person", 26, 1, { NAME_CN } },
		{ "issuer's empty component", 21, 2, { NAME_O, 0 } },
		{ "issuer's character", 23, 1, { '/' } },
		{ "issuer's component too long", 22, 1, { 65 } },
		{ "kind", RECORD, 1, { 3 } },
		{ "a certifier's path length", RECORD, 1, { 0x10 | CERT_USER } },
		{ "a certifier with a common name", RECORD, 1, { CERT_CERTIFIER | 0x20 } },
		{ "serial zero", RECORD + 1, 1, { 0 } },
		{ "serial negative", RECORD + 1, 1, { 0x80 } },
		{ "ends as it begins", TIMES, 10, { 0, 1, 2, 3, 4, 0, 1, 2, 3, 4 } },
		{ "ends before it begins", TIMES, 10, { 0, 1, 2, 3, 5, 0, 1, 2, 3, 4 } },
		{ "year 10000", TIMES + 5, 5, { 0x3a, 0xff, 0xf4, 0x41, 0x80 } },
		{ "end of time", TIMES + 5, 5, { 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ "type 0 with a value", PART, 1, { 0 } },
		{ "type 5", PART, 1, { 5 } },
		{ "a second O", PART, 1, { NAME_O } },
		{ "a unit as a person", PART, 1, { NAME_OU } },
		{ "a line end in the name", PART + 2, 1, { '\n' } },
		{ "broken UTF-8", PART + 2, 1, { 0xff } },
	};
	static struct template_room room;
	uint8_t good[512], t[512];
	struct chain c = pki_chain("john"), ret = { .count = 77 };
	size_t len = template_encode(&c, good, sizeof(good));
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		memcpy(t, good, len);
		memcpy(t + cases[i].at, cases[i].bytes, cases[i].len);
		TEST_CASE(
			cases[i].name, template_decode(span_of(t, len), &room, &ret) == CHAIN_CERT);
	}
	assert_int_equal(template_decode(span_of(NULL, 0), &room, &ret), CHAIN_EMPTY);
	assert_int_equal(template_decode(span_of(good, RECORD), &room, &ret), CHAIN_EMPTY);
	assert_int_equal(ret.count, 77); /* untouched */

	/* Below a person nobody stands, not even that name again as a certifier. */
	memcpy(t, good, len);
	memcpy(t + len, good + RECORD, len - RECORD);
	t[len] = CERT_CERTIFIER | 3 << 4;
	memset(t + len + PART - RECORD, 0, 2);
	memcpy(t + len + PART - RECORD + 2, good + PART + 6, 96);
	assert_int_equal(
		template_decode(span_of(t, len + len - RECORD - 4), &room, &ret), CHAIN_CERT);

	/* The last second there is. */
	memcpy(t, good, len);
	memcpy(t + TIMES + 5, "\x3a\xff\xf4\x41\x7f", 5);
	assert_int_equal(template_decode(span_of(t, len), &room, &ret), CHAIN_OK);
}

static void test_too_long(void **state)
{
	(void)state;
	static struct template_room room;
	uint8_t t[4096], one[512];
	struct chain c = pki_chain("vsd2-by-1"), ret;
	size_t len = template_encode(&c, one, sizeof(one));
	size_t start = 20 + 1 + 5;
	struct writer w = writer_init(t, sizeof(t));
	writer_put(&w, one, start);
	for (size_t i = 1; i <= CHAIN_CERTS_MAX; i++) {
		writer_put(&w, one + start, len - start);
		assert_int_equal(template_decode(writer_span(&w), &room, &ret), CHAIN_OK);
		assert_int_equal(ret.count, i);
	}
	writer_put(&w, one + start, len - start);
	assert_int_equal(template_decode(writer_span(&w), &room, &ret), CHAIN_TOO_LONG);
}

/* Cut anywhere but between records it is refused; a flipped bit is refused or gives another chain. */
static void test_damage(void **state)
{
	(void)state;
	static struct template_room room;
	uint8_t good[2048], t[2048], again[2048];
	struct chain c = pki_chain("anna ub qn"), ret;
	size_t len = template_encode(&c, good, sizeof(good)), whole = 0;
	for (size_t n = 0; n < len; n++) {
		enum chain_reject got = template_decode(span_of(good, n), &room, &ret);
		assert_true(got == CHAIN_OK || got == CHAIN_EMPTY || got == CHAIN_CERT);
		whole += got == CHAIN_OK ? 1 : 0;
	}
	assert_int_equal(whole, 2);
	memcpy(t, good, len);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		t[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (template_decode(span_of(t, len), &room, &ret) == CHAIN_OK) {
			struct cert cert;
			struct cert_parts p;
			for (size_t i = 0; i < ret.count; i++)
				assert_int_equal(cert_decode(ret.der[i], &cert, &p), CERT_OK);
			assert_int_equal(template_encode(&ret, again, sizeof(again)), len);
			assert_memory_equal(again, t, len);
		}
		t[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

/* The writer and OpenSSL's give the same bytes for every certificate there is. */
static void test_writer(void **state)
{
	(void)state;
	pki_init();
	for (size_t i = 0; i < PKI_COUNT; i++) {
		uint8_t der[CERT_LEN_MAX];
		struct writer w = writer_init(der, sizeof(der));
		struct cert c;
		struct cert_parts p;
		if (cert_decode(pki(pki_specs[i].id), &c, &p) != CERT_OK)
			continue;
		cert_write(&w, &c, p.signature.data);
		TEST_CASE(pki_specs[i].id, span_equal(writer_span(&w), p.der));
		w = writer_init(der, p.der.len - 1);
		cert_write(&w, &c, p.signature.data);
		TEST_CASE(pki_specs[i].id, w.is_full);
	}
}

/* A template made elsewhere: hex of the template, then of each certificate, leaf first. */
static void test_vectors(void **state)
{
	(void)state;
	static struct template_room room;
	char line[8192];
	FILE *f = fopen(TEST_VECTORS "/identity/template.txt", "r");
	size_t cases = 0;
	struct chain c = { .count = 0 };
	size_t at = 0;
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		uint8_t bytes[4096];
		char word[16], hex[8000];
		if (line[0] == '#' || sscanf(line, "%15s %7999s", word, hex) != 2)
			continue;
		size_t len = strlen(hex) / 2;
		assert_true(len <= sizeof(bytes) && text_unhex(hex, bytes, len));
		if (strcmp(word, "template") == 0) {
			assert_int_equal(at, c.count);
			assert_int_equal(template_decode(span_of(bytes, len), &room, &c), CHAIN_OK);
			at = 0;
			cases++;
			uint8_t again[4096];
			assert_int_equal(template_encode(&c, again, sizeof(again)), len);
			assert_memory_equal(again, bytes, len);
		} else {
			assert_in_range(at, 0, c.count - 1);
			assert_true(span_equal(c.der[at], span_of(bytes, len)));
			at++;
		}
	}
	fclose(f);
	assert_int_equal(at, c.count);
	assert_int_equal(cases, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_layout),
		cmocka_unit_test(test_unsayable),
		cmocka_unit_test(test_malformed),
		cmocka_unit_test(test_too_long),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_writer),
		cmocka_unit_test(test_vectors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
