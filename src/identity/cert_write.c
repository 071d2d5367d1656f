/*
 * The profile as DER, inside out: the content of a structure is written to a buffer of its own, then
 * goes behind its tag and length. Invariant: the same struct cert always gives the same bytes, those
 * that cert_shape.c gives.
 */

#include "identity/cert_write.h"

#include <string.h>
#include <time.h>

#include "identity/der.h"

#define TAG_VERSION DER_CONTEXT_CONSTRUCTED   /* TBSCertificate: [0] version */
#define TAG_PERMITTED DER_CONTEXT_CONSTRUCTED /* NameConstraints: [0] permittedSubtrees */
#define TAG_EXTENSIONS (DER_CONTEXT_CONSTRUCTED + 3)
#define TAG_DIRECTORY_NAME (DER_CONTEXT_CONSTRUCTED + 4) /* explicit: Name is a CHOICE */
#define TAG_KEY_IDENTIFIER DER_CONTEXT                   /* AuthorityKeyIdentifier: [0] */

#define NAME_DER_MAX 600 /* seven levels of at most 75 bytes, and a header */
#define EXTENSIONS_DER_MAX 900

static void put_tlv(struct writer *w, uint8_t tag, struct span content)
{
	writer_u8(w, tag);
	if (content.len < 0x80) {
		writer_u8(w, (uint8_t)content.len);
	} else if (content.len <= 0xff) {
		writer_u8(w, 0x81);
		writer_u8(w, (uint8_t)content.len);
	} else {
		writer_u8(w, 0x82);
		writer_u16(w, (uint16_t)content.len);
	}
	writer_put(w, content.data, content.len);
}

/* What was written to from becomes the content of one value of w. */
static void wrap(struct writer *w, uint8_t tag, const struct writer *from)
{
	put_tlv(w, tag, writer_span(from));
	if (from->is_full)
		w->is_full = true;
}

static void put_algorithm(struct writer *w)
{
	static const uint8_t ed25519[] = { 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70 };
	writer_put(w, ed25519, sizeof(ed25519));
}

static void put_bits(struct writer *w, uint8_t unused, struct span bits)
{
	uint8_t buffer[1 + CERT_SIGNATURE_LEN];
	struct writer content = writer_init(buffer, sizeof(buffer));
	writer_u8(&content, unused);
	writer_put(&content, bits.data, bits.len);
	wrap(w, DER_BIT_STRING, &content);
}

/* RelativeDistinguishedName: a SET of one attribute. */
static void put_part(struct writer *w, const struct name_part *p)
{
	/* id-at-countryName and its neighbours, 2.5.4.x */
	static const uint8_t last_arc[] = {
		[NAME_C] = 6, [NAME_O] = 10, [NAME_OU] = 11, [NAME_CN] = 3
	};
	uint8_t a[NAME_VALUE_MAX + 16], b[NAME_VALUE_MAX + 16];
	const uint8_t oid[] = { 0x55, 0x04, last_arc[p->type] };
	struct writer attribute = writer_init(a, sizeof(a)), level = writer_init(b, sizeof(b));
	put_tlv(&attribute, DER_OID, SPAN_OF(oid));
	put_tlv(&attribute, DER_UTF8_STRING, span_of(p->value, p->len));
	wrap(&level, DER_SEQUENCE, &attribute);
	wrap(w, DER_SET, &level);
}

static void put_name(struct writer *w, const struct name *n)
{
	uint8_t buffer[NAME_DER_MAX];
	struct writer levels = writer_init(buffer, sizeof(buffer));
	for (size_t i = 0; i < n->count; i++)
		put_part(&levels, &n->parts[i]);
	wrap(w, DER_SEQUENCE, &levels);
}

/* RFC 5280 4.1.2.5: UTCTime up to 2049, GeneralizedTime from then on. */
static void put_time(struct writer *w, uint64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	struct tm tm = { 0 };
	char text[32];
	gmtime_r(&s, &tm);
	size_t len = strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	size_t skip = tm.tm_year < 150 ? 2 : 0;
	put_tlv(w, skip > 0 ? DER_UTC_TIME : DER_GENERALIZED_TIME,
		span_of(text + skip, len - skip));
}

static void put_validity(struct writer *w, const struct cert *c)
{
	uint8_t buffer[64];
	struct writer times = writer_init(buffer, sizeof(buffer));
	put_time(&times, c->not_before_ms);
	put_time(&times, c->not_after_ms);
	wrap(w, DER_SEQUENCE, &times);
}

static void put_key(struct writer *w, const uint8_t pk[32])
{
	uint8_t buffer[64];
	struct writer key = writer_init(buffer, sizeof(buffer));
	put_algorithm(&key);
	put_bits(&key, 0, span_of(pk, 32));
	wrap(w, DER_SEQUENCE, &key);
}

/* ------------------------------------------------------------------ extensions */

/* arc: the last of id-ce, 2.5.29.x. value: what stands in the OCTET STRING. */
static void put_extension(
	struct writer *w, uint8_t arc, bool is_critical, const struct writer *value)
{
	static const uint8_t yes[] = { 0xff }; /* X.690 11.1: TRUE is ff */
	const uint8_t oid[] = { 0x55, 0x1d, arc };
	uint8_t buffer[NAME_DER_MAX + 32];
	struct writer content = writer_init(buffer, sizeof(buffer));
	put_tlv(&content, DER_OID, SPAN_OF(oid));
	if (is_critical)
		put_tlv(&content, DER_BOOLEAN, SPAN_OF(yes));
	wrap(&content, DER_OCTET_STRING, value);
	wrap(w, DER_SEQUENCE, &content);
}

static void put_basic_constraints(struct writer *w, const struct cert *c)
{
	const uint8_t value[] = { 0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01,
		cert_path_length(&c->subject) };
	uint8_t buffer[sizeof(value)];
	struct writer v = writer_init(buffer, sizeof(buffer));
	writer_put(&v, value, sizeof(value));
	put_extension(w, 19, true, &v);
}

static void put_key_usage(struct writer *w, const struct cert *c)
{
	/* RFC 5280 4.2.1.3: keyCertSign is bit 5, cRLSign 6, digitalSignature 0 */
	static const uint8_t certifies[] = { 0x06 }, signs[] = { 0x80 };
	bool is_certifier = c->kind == CERT_CERTIFIER;
	uint8_t buffer[8];
	struct writer v = writer_init(buffer, sizeof(buffer));
	put_bits(&v, is_certifier ? 1 : 7, is_certifier ? SPAN_OF(certifies) : SPAN_OF(signs));
	put_extension(w, 15, true, &v);
}

static void put_extended_usage(struct writer *w, const struct cert *c)
{
	/* id-kp-serverAuth 1.3.6.1.5.5.7.3.1, clientAuth ...2 */
	const uint8_t oid[] = { 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
		c->kind == CERT_SERVER ? 1 : 2 };
	uint8_t a[16], b[16];
	struct writer purposes = writer_init(a, sizeof(a)), v = writer_init(b, sizeof(b));
	put_tlv(&purposes, DER_OID, SPAN_OF(oid));
	wrap(&v, DER_SEQUENCE, &purposes);
	put_extension(w, 37, false, &v);
}

static void put_name_constraints(struct writer *w, const struct cert *c)
{
	uint8_t a[NAME_DER_MAX], b[NAME_DER_MAX], d[NAME_DER_MAX], e[NAME_DER_MAX], g[NAME_DER_MAX];
	struct writer name = writer_init(a, sizeof(a)), base = writer_init(b, sizeof(b));
	struct writer subtree = writer_init(d, sizeof(d)), permitted = writer_init(e, sizeof(e));
	struct writer v = writer_init(g, sizeof(g));
	put_name(&name, &c->subject);
	wrap(&base, TAG_DIRECTORY_NAME, &name);
	wrap(&subtree, DER_SEQUENCE, &base);
	wrap(&permitted, TAG_PERMITTED, &subtree);
	wrap(&v, DER_SEQUENCE, &permitted);
	put_extension(w, 30, true, &v);
}

static void put_subject_key(struct writer *w, const struct cert *c)
{
	uint8_t id[CERT_KEY_IDENTIFIER_LEN], buffer[32];
	struct writer v = writer_init(buffer, sizeof(buffer));
	cert_key_identifier(c->pk, id);
	put_tlv(&v, DER_OCTET_STRING, SPAN_OF(id));
	put_extension(w, 14, false, &v);
}

static void put_issuer_key(struct writer *w, const struct cert *c)
{
	uint8_t a[32], b[32];
	struct writer id = writer_init(a, sizeof(a)), v = writer_init(b, sizeof(b));
	put_tlv(&id, TAG_KEY_IDENTIFIER, SPAN_OF(c->issuer_key_identifier));
	wrap(&v, DER_SEQUENCE, &id);
	put_extension(w, 35, false, &v);
}

/* The one kind of certifier without nameConstraints: see cert_shape.c. */
static bool is_self_issued_organisation(const struct cert *c)
{
	return c->subject.parts[c->subject.count - 1].type == NAME_O &&
		name_equal(&c->subject, &c->issuer);
}

static void put_extensions(struct writer *w, const struct cert *c)
{
	uint8_t a[EXTENSIONS_DER_MAX], b[EXTENSIONS_DER_MAX];
	struct writer all = writer_init(a, sizeof(a)), list = writer_init(b, sizeof(b));
	if (c->kind == CERT_CERTIFIER)
		put_basic_constraints(&all, c);
	put_key_usage(&all, c);
	if (c->kind != CERT_CERTIFIER)
		put_extended_usage(&all, c);
	else if (!is_self_issued_organisation(c))
		put_name_constraints(&all, c);
	if (c->kind == CERT_CERTIFIER)
		put_subject_key(&all, c);
	put_issuer_key(&all, c);
	wrap(&list, DER_SEQUENCE, &all);
	wrap(w, TAG_EXTENSIONS, &list);
}

/* ------------------------------------------------------------------ the whole */

static void put_tbs(struct writer *w, const struct cert *c)
{
	static const uint8_t version3[] = { TAG_VERSION, 0x03, DER_INTEGER, 0x01, 0x02 };
	uint8_t buffer[CERT_LEN_MAX];
	struct writer tbs = writer_init(buffer, sizeof(buffer));
	writer_put(&tbs, version3, sizeof(version3));
	put_tlv(&tbs, DER_INTEGER, SPAN_OF(c->serial));
	put_algorithm(&tbs);
	put_name(&tbs, &c->issuer);
	put_validity(&tbs, c);
	put_name(&tbs, &c->subject);
	put_key(&tbs, c->pk);
	put_extensions(&tbs, c);
	wrap(w, DER_SEQUENCE, &tbs);
}

uint8_t cert_path_length(const struct name *subject)
{
	uint8_t units = 0;
	for (size_t i = 0; i < subject->count; i++)
		if (subject->parts[i].type == NAME_OU)
			units++;
	return units < NAME_OU_MAX ? (uint8_t)(NAME_OU_MAX - units) : 0;
}

void cert_write(struct writer *w, const struct cert *c, const uint8_t signature[CERT_SIGNATURE_LEN])
{
	uint8_t buffer[CERT_LEN_MAX];
	struct writer all = writer_init(buffer, sizeof(buffer));
	put_tbs(&all, c);
	put_algorithm(&all);
	put_bits(&all, 0, span_of(signature, CERT_SIGNATURE_LEN));
	wrap(w, DER_SEQUENCE, &all);
}
