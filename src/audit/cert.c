/*
 * A certificate of a stranger, by OpenSSL. Invariant: whatever the bytes are, there are facts or "not
 * readable"; every text is printable and cut.
 */

#include "audit/cert.h"

#include <inttypes.h>
#include <openssl/asn1.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sodium.h>
#include <string.h>

#include "audit/dialogue.h"

#define RSA_BITS_MIN 2048
#define EC_BITS_MIN 224
#define SCT_LIST_MAX 65536
#define SERIAL_LEN_MAX 48 /* RFC 5280 4.1.2.2 allows 20 */
#define NUMBER_BITS_MAX 32768
#define LINE_MAX_LEN 8192

static X509 *parse(struct span der)
{
	const unsigned char *at = der.data;
	if (der.len == 0 || der.len > AUDIT_CERT_LEN_MAX)
		return NULL;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	if (x != NULL && at != der.data + der.len) {
		X509_free(x);
		return NULL;
	}
	return x;
}

/* "/C=DE/CN=mail", whatever was in it. */
static void name_text(const X509_NAME *name, char *to, size_t cap)
{
	char text[AUDIT_CERT_NAME_MAX];
	if (X509_NAME_oneline(name, text, sizeof(text)) == NULL)
		text[0] = '\0';
	audit_quote(span_of(text, strlen(text)), to, cap);
}

static void serial_text(const ASN1_INTEGER *serial, struct audit_cert_facts *ret)
{
	/* The time to write decimal digits grows with the square of their number. */
	if (ASN1_STRING_length(serial) > SERIAL_LEN_MAX) {
		ret->serial_len = (size_t)ASN1_STRING_length(serial);
		ret->is_serial_negative = ASN1_STRING_type(serial) == V_ASN1_NEG_INTEGER;
		snprintf(ret->serial, sizeof(ret->serial), "too long: %zu bytes", ret->serial_len);
		return;
	}
	BIGNUM *n = ASN1_INTEGER_to_BN(serial, NULL);
	char *text = n != NULL ? BN_bn2dec(n) : NULL;
	ret->serial_len = n != NULL ? (size_t)BN_num_bytes(n) : 0;
	ret->is_serial_negative = n != NULL && BN_is_negative(n);
	snprintf(ret->serial, sizeof(ret->serial), "%s", text != NULL ? text : "unreadable");
	OPENSSL_free(text);
	BN_free(n);
}

static int64_t time_s(const ASN1_TIME *t)
{
	int days = 0, seconds = 0;
	ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
	int64_t s = INT64_MIN;
	if (epoch != NULL && ASN1_TIME_diff(&days, &seconds, epoch, t) == 1)
		s = (int64_t)days * 86400 + seconds;
	ASN1_TIME_free(epoch);
	return s;
}

static void read_key(const X509 *x, struct audit_cert_facts *ret)
{
	X509_PUBKEY *pub = X509_get_X509_PUBKEY(x);
	ASN1_OBJECT *algorithm = NULL;
	if (X509_PUBKEY_get0_param(&algorithm, NULL, NULL, NULL, pub) == 1)
		OBJ_obj2txt(ret->key, sizeof(ret->key), algorithm, 0);
	EVP_PKEY *key = X509_get0_pubkey(x);
	if (key == NULL)
		return;
	int bits = EVP_PKEY_get_bits(key), kind = EVP_PKEY_get_base_id(key);
	ret->key_bits = bits > 0 ? (unsigned)bits : 0;
	if (kind == EVP_PKEY_EC)
		EVP_PKEY_get_utf8_string_param(
			key, OSSL_PKEY_PARAM_GROUP_NAME, ret->curve, sizeof(ret->curve), NULL);
	ret->is_weak_key = (kind == EVP_PKEY_RSA || kind == EVP_PKEY_DSA)
		? ret->key_bits < RSA_BITS_MIN
		: kind == EVP_PKEY_EC && ret->key_bits < EC_BITS_MIN;
}

static void read_signature(const X509 *x, struct audit_cert_facts *ret)
{
	const X509_ALGOR *algorithm = NULL;
	const ASN1_OBJECT *object = NULL;
	int digest = NID_undef;
	X509_get0_signature(NULL, &algorithm, x);
	X509_ALGOR_get0(&object, NULL, NULL, algorithm);
	OBJ_obj2txt(ret->signature, sizeof(ret->signature), object, 0);
	if (OBJ_find_sigid_algs(OBJ_obj2nid(object), &digest, NULL) == 1)
		ret->is_weak_signature = digest == NID_sha1 || digest == NID_md5 ||
			digest == NID_md4 || digest == NID_md2 || digest == NID_sha;
}

static bool is_wildcard(const GENERAL_NAME *n)
{
	if (n->type != GEN_DNS || n->d.dNSName == NULL)
		return false;
	return ASN1_STRING_length(n->d.dNSName) > 2 &&
		memcmp(ASN1_STRING_get0_data(n->d.dNSName), "*.", 2) == 0;
}

static void read_names(const X509 *x, struct audit_cert_facts *ret)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
	ret->has_san = names != NULL;
	for (int i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++)
		ret->is_wildcard = ret->is_wildcard || is_wildcard(sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
}

/* RFC 7633: status_request (5) among the features. */
static void read_features(const X509 *x, struct audit_cert_facts *ret)
{
	TLS_FEATURE *features = X509_get_ext_d2i(x, NID_tlsfeature, NULL, NULL);
	for (int i = 0; features != NULL && i < sk_ASN1_INTEGER_num(features); i++)
		if (ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == 5)
			ret->must_staple = true;
	sk_ASN1_INTEGER_pop_free(features, ASN1_INTEGER_free);
}

/* RFC 6962 3.3: an OCTET STRING that holds a list of timestamps, each behind its length. */
static void count_scts(const X509 *x, struct audit_cert_facts *ret)
{
	ASN1_OCTET_STRING *list = NULL;
	int at = X509_get_ext_by_NID(x, NID_ct_precert_scts, -1);
	if (at < 0)
		return;
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(x, at));
	const unsigned char *der = ASN1_STRING_get0_data(value);
	list = d2i_ASN1_OCTET_STRING(NULL, &der, ASN1_STRING_length(value));
	if (list == NULL || ASN1_STRING_length(list) > SCT_LIST_MAX)
		goto out;
	struct reader r =
		reader_init(span_of(ASN1_STRING_get0_data(list), (size_t)ASN1_STRING_length(list)));
	reader_u16(&r);
	while (r.left > 0) {
		reader_take(&r, reader_u16(&r));
		if (r.is_short)
			break;
		ret->sct_count++;
	}
out:
	ASN1_OCTET_STRING_free(list);
}

static void read_hashes(X509 *x, struct span der, struct audit_cert_facts *ret)
{
	unsigned char *spki = NULL;
	crypto_hash_sha256(ret->sha256, der.data, der.len);
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(x), &spki);
	if (len > 0)
		crypto_hash_sha256(ret->spki_sha256, spki, (unsigned long long)len);
	OPENSSL_free(spki);
}

void audit_cert_read(struct span der, struct audit_cert_facts *ret)
{
	*ret = (struct audit_cert_facts){ .not_before_s = INT64_MIN, .not_after_s = INT64_MIN };
	X509 *x = parse(der);
	if (x == NULL) {
		ERR_clear_error();
		return;
	}
	ret->is_readable = true;
	ret->version = (unsigned)X509_get_version(x) + 1;
	name_text(X509_get_subject_name(x), ret->subject, sizeof(ret->subject));
	name_text(X509_get_issuer_name(x), ret->issuer, sizeof(ret->issuer));
	serial_text(X509_get0_serialNumber(x), ret);
	read_signature(x, ret);
	read_key(x, ret);
	ret->not_before_s = time_s(X509_get0_notBefore(x));
	ret->not_after_s = time_s(X509_get0_notAfter(x));
	read_names(x, ret);
	read_features(x, ret);
	count_scts(x, ret);
	read_hashes(x, der, ret);
	ret->is_ca = X509_check_ca(x) == 1;
	ret->is_self_signed =
		X509_NAME_cmp(X509_get_subject_name(x), X509_get_issuer_name(x)) == 0 &&
		X509_self_signed(x, 1) == 1;
	X509_free(x);
	ERR_clear_error();
}

/* Lines of a BIO that are not empty, printable, indented. */
static void print_lines(FILE *out, BIO *bio, const char *indent)
{
	char *text = NULL;
	long len = BIO_get_mem_data(bio, &text);
	struct reader r = reader_init(span_of(text, len > 0 ? (size_t)len : 0));
	while (r.left > 0) {
		char line[LINE_MAX_LEN];
		const uint8_t *from = r.at;
		size_t n = 0;
		while (n < r.left && from[n] != '\n')
			n++;
		if (n > 0)
			fprintf(out, "%s%s\n", indent,
				audit_quote(span_of(from, n), line, sizeof(line)));
		reader_take(&r, n < r.left ? n + 1 : n);
	}
}

static void print_time(FILE *out, const char *label, const ASN1_TIME *t)
{
	char text[64];
	BIO *bio = BIO_new(BIO_s_mem());
	int n = 0;
	if (bio != NULL && ASN1_TIME_print(bio, t) == 1)
		n = BIO_read(bio, text, sizeof(text) - 1);
	text[n > 0 ? n : 0] = '\0';
	fprintf(out, "%s: %s\n", label, n > 0 ? text : "unreadable");
	BIO_free(bio);
}

static void print_number(FILE *out, const char *label, const EVP_PKEY *key, const char *param)
{
	BIGNUM *n = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	if (bio == NULL || EVP_PKEY_get_bn_param(key, param, &n) != 1)
		goto out;
	if (BN_num_bits(n) <= 32) {
		fprintf(out, "%s: %" PRIu64 " (0x%" PRIx64 ")\n", label, (uint64_t)BN_get_word(n),
			(uint64_t)BN_get_word(n));
		goto out;
	}
	if (BN_num_bits(n) > NUMBER_BITS_MAX) {
		fprintf(out, "%s: too long: %d bits\n", label, BN_num_bits(n));
		goto out;
	}
	fprintf(out, "%s:\n", label);
	ASN1_bn_print(bio, "", n, NULL, 0);
	print_lines(out, bio, "");
out:
	BN_free(n);
	BIO_free(bio);
}

static void print_key(FILE *out, const X509 *x, const struct audit_cert_facts *c)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	fprintf(out, "Public Key Algorithm: %s\n", c->key);
	if (key == NULL)
		return;
	if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
		fprintf(out, "RSA Public Key: (%u bit)\n", c->key_bits);
		print_number(out, "Modulus", key, OSSL_PKEY_PARAM_RSA_N);
		print_number(out, "Exponent", key, OSSL_PKEY_PARAM_RSA_E);
	} else if (c->curve[0] != '\0') {
		fprintf(out, "EC Public Key: (%u bit)\nCurve: %s\n", c->key_bits, c->curve);
	} else {
		fprintf(out, "Public Key: (%u bit)\n", c->key_bits);
	}
}

static void print_extensions(FILE *out, const X509 *x)
{
	int count = X509_get_ext_count(x);
	if (count > 0)
		fprintf(out, "X509v3 Extensions:\n");
	for (int i = 0; i < count; i++) {
		X509_EXTENSION *e = X509_get_ext(x, i);
		char name[128];
		OBJ_obj2txt(name, sizeof(name), X509_EXTENSION_get_object(e), 0);
		fprintf(out, "  %s:%s\n", name, X509_EXTENSION_get_critical(e) ? " critical" : "");
		BIO *bio = BIO_new(BIO_s_mem());
		if (bio != NULL && X509V3_EXT_print(bio, e, X509V3_EXT_DUMP_UNKNOWN, 0) == 1)
			print_lines(out, bio, "    ");
		BIO_free(bio);
	}
}

void audit_cert_print(struct span der, FILE *out)
{
	struct audit_cert_facts c;
	audit_cert_read(der, &c);
	fprintf(out, "SSL Certificate:\n");
	X509 *x = c.is_readable ? parse(der) : NULL;
	if (x == NULL) {
		fprintf(out, "not readable: %zu bytes that are no certificate\n", der.len);
		return;
	}
	fprintf(out, "Version: %u\nSerial Number: %s\nSignature Algorithm: %s\nIssuer: %s\n",
		c.version, c.serial, c.signature, c.issuer);
	print_time(out, "Not valid before", X509_get0_notBefore(x));
	print_time(out, "Not valid after", X509_get0_notAfter(x));
	fprintf(out, "Subject: %s\n", c.subject);
	print_key(out, x, &c);
	print_extensions(out, x);
	X509_free(x);
	ERR_clear_error();
}

enum audit_answer audit_cert_names(struct span der, const char *host)
{
	enum audit_answer answer = AUDIT_UNKNOWN;
	X509 *x = parse(der);
	/* A dot in front would stand for any name below, to OpenSSL. */
	if (x != NULL && host[0] != '\0' && host[0] != '.') {
		/* RFC 9525: subjectAltName alone counts, a wildcard stands for one label. */
		int rc = X509_check_ip_asc(x, host, 0);
		if (rc != 1)
			rc = X509_check_host(x, host, strlen(host),
				X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
					X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
				NULL);
		answer = rc == 1 ? AUDIT_YES : AUDIT_NO;
	}
	X509_free(x);
	ERR_clear_error();
	return answer;
}
