/*
 * Groups, signature algorithms, extensions, alerts and well-known primes by number: the IANA registries "TLS
 * Supported Groups", "TLS SignatureScheme", "TLS ExtensionType Values" and "TLS Alerts", and the RFCs that
 * define finite-field groups. Tables alone.
 */

#include <openssl/bn.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "audit/suite.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define SAFE_PRIME_BITS_MAX 2048 /* more takes seconds */

/* Those that servers choose come first. */
static const struct audit_group groups[] = {
	{ 29, "x25519", 253, false, false },
	{ 23, "secp256r1", 256, false, false },
	{ 4588, "X25519MLKEM768", 253, false, true },
	{ 24, "secp384r1", 384, false, false },
	{ 25, "secp521r1", 521, false, false },
	{ 30, "x448", 448, false, false },
	{ 256, "ffdhe2048", 2048, true, false },
	{ 257, "ffdhe3072", 3072, true, false },
	{ 258, "ffdhe4096", 4096, true, false },
	{ 259, "ffdhe6144", 6144, true, false },
	{ 260, "ffdhe8192", 8192, true, false },
	{ 4587, "SecP256r1MLKEM768", 256, false, true },
	{ 4589, "SecP384r1MLKEM1024", 384, false, true },
	{ 26, "brainpoolP256r1", 256, false, false },
	{ 27, "brainpoolP384r1", 384, false, false },
	{ 28, "brainpoolP512r1", 512, false, false },
	{ 31, "brainpoolP256r1tls13", 256, false, false },
	{ 32, "brainpoolP384r1tls13", 384, false, false },
	{ 33, "brainpoolP512r1tls13", 512, false, false },
	{ 22, "secp256k1", 256, false, false },
	{ 21, "secp224r1", 224, false, false },
	{ 20, "secp224k1", 224, false, false },
	{ 19, "secp192r1", 192, false, false },
	{ 18, "secp192k1", 192, false, false },
	{ 17, "secp160r2", 160, false, false },
	{ 16, "secp160r1", 160, false, false },
	{ 15, "secp160k1", 160, false, false },
	{ 14, "sect571r1", 571, false, false },
	{ 13, "sect571k1", 571, false, false },
	{ 12, "sect409r1", 409, false, false },
	{ 11, "sect409k1", 409, false, false },
	{ 10, "sect283r1", 283, false, false },
	{ 9, "sect283k1", 283, false, false },
	{ 8, "sect239k1", 239, false, false },
	{ 7, "sect233r1", 233, false, false },
	{ 6, "sect233k1", 233, false, false },
	{ 5, "sect193r2", 193, false, false },
	{ 4, "sect193r1", 193, false, false },
	{ 3, "sect163r2", 163, false, false },
	{ 2, "sect163r1", 163, false, false },
	{ 1, "sect163k1", 163, false, false },
	{ 34, "GC256A", 256, false, false },
	{ 35, "GC256B", 256, false, false },
	{ 36, "GC256C", 256, false, false },
	{ 37, "GC256D", 256, false, false },
	{ 38, "GC512A", 512, false, false },
	{ 39, "GC512B", 512, false, false },
	{ 40, "GC512C", 512, false, false },
	{ 41, "curveSM2", 256, false, false },
	{ 512, "MLKEM512", 0, false, true },
	{ 513, "MLKEM768", 0, false, true },
	{ 514, "MLKEM1024", 0, false, true },
	{ 4590, "curveSM2MLKEM768", 256, false, true },
	{ 25497, "X25519Kyber768Draft00", 253, false, true },
	{ 25498, "SecP256r1Kyber768Draft00", 256, false, true },
	{ 65281, "arbitrary_explicit_prime_curves", 0, false, false },
	{ 65282, "arbitrary_explicit_char2_curves", 0, false, false },
};

static const struct audit_signature signatures[] = {
	{ 0x0403, "ecdsa_secp256r1_sha256", false },
	{ 0x0804, "rsa_pss_rsae_sha256", false },
	{ 0x0401, "rsa_pkcs1_sha256", false },
	{ 0x0503, "ecdsa_secp384r1_sha384", false },
	{ 0x0805, "rsa_pss_rsae_sha384", false },
	{ 0x0501, "rsa_pkcs1_sha384", false },
	{ 0x0806, "rsa_pss_rsae_sha512", false },
	{ 0x0601, "rsa_pkcs1_sha512", false },
	{ 0x0603, "ecdsa_secp521r1_sha512", false },
	{ 0x0807, "ed25519", false },
	{ 0x0808, "ed448", false },
	{ 0x0809, "rsa_pss_pss_sha256", false },
	{ 0x080a, "rsa_pss_pss_sha384", false },
	{ 0x080b, "rsa_pss_pss_sha512", false },
	{ 0x0201, "rsa_pkcs1_sha1", true },
	{ 0x0203, "ecdsa_sha1", true },
	{ 0x0202, "dsa_sha1", true },
	{ 0x0402, "dsa_sha256", false },
	{ 0x0502, "dsa_sha384", false },
	{ 0x0602, "dsa_sha512", false },
	{ 0x0301, "rsa_pkcs1_sha224", false },
	{ 0x0303, "ecdsa_sha224", false },
	{ 0x0302, "dsa_sha224", false },
	{ 0x0101, "rsa_pkcs1_md5", true },
	{ 0x0103, "ecdsa_md5", true },
	{ 0x0102, "dsa_md5", true },
	{ 0x081a, "ecdsa_brainpoolP256r1tls13_sha256", false },
	{ 0x081b, "ecdsa_brainpoolP384r1tls13_sha384", false },
	{ 0x081c, "ecdsa_brainpoolP512r1tls13_sha512", false },
	{ 0x0708, "sm2sig_sm3", false },
	{ 0x0904, "mldsa44", false },
	{ 0x0905, "mldsa65", false },
	{ 0x0906, "mldsa87", false },
	{ 0x0704, "eccsi_sha256", false },
	{ 0x0709, "gostr34102012_256a", false },
	{ 0x070a, "gostr34102012_256b", false },
	{ 0x070b, "gostr34102012_256c", false },
	{ 0x070c, "gostr34102012_256d", false },
	{ 0x070d, "gostr34102012_512a", false },
	{ 0x070e, "gostr34102012_512b", false },
	{ 0x070f, "gostr34102012_512c", false },
};

struct number {
	uint16_t id;
	const char *name;
};

static const struct number extensions[] = {
	{ 0, "server_name" },
	{ 1, "max_fragment_length" },
	{ 2, "client_certificate_url" },
	{ 3, "trusted_ca_keys" },
	{ 4, "truncated_hmac" },
	{ 5, "status_request" },
	{ 6, "user_mapping" },
	{ 7, "client_authz" },
	{ 8, "server_authz" },
	{ 9, "cert_type" },
	{ 10, "supported_groups" },
	{ 11, "ec_point_formats" },
	{ 12, "srp" },
	{ 13, "signature_algorithms" },
	{ 14, "use_srtp" },
	{ 15, "heartbeat" },
	{ 16, "application_layer_protocol_negotiation" },
	{ 17, "status_request_v2" },
	{ 18, "signed_certificate_timestamp" },
	{ 19, "client_certificate_type" },
	{ 20, "server_certificate_type" },
	{ 21, "padding" },
	{ 22, "encrypt_then_mac" },
	{ 23, "extended_master_secret" },
	{ 24, "token_binding" },
	{ 25, "cached_info" },
	{ 27, "compress_certificate" },
	{ 28, "record_size_limit" },
	{ 34, "delegated_credential" },
	{ 35, "session_ticket" },
	{ 41, "pre_shared_key" },
	{ 42, "early_data" },
	{ 43, "supported_versions" },
	{ 44, "cookie" },
	{ 45, "psk_key_exchange_modes" },
	{ 47, "certificate_authorities" },
	{ 48, "oid_filters" },
	{ 49, "post_handshake_auth" },
	{ 50, "signature_algorithms_cert" },
	{ 51, "key_share" },
	{ 13172, "next_protocol_negotiation" },
	{ 65037, "encrypted_client_hello" },
	{ 65281, "renegotiation_info" },
};

static const struct number alerts[] = {
	{ 0, "close_notify" },
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 21, "decryption_failed" },
	{ 22, "record_overflow" },
	{ 30, "decompression_failure" },
	{ 40, "handshake_failure" },
	{ 41, "no_certificate" },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 60, "export_restriction" },
	{ 70, "protocol_version" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 100, "no_renegotiation" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 111, "certificate_unobtainable" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 114, "bad_certificate_hash_value" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 120, "no_application_protocol" },
	{ 121, "ech_required" },
};

/* SHA-256 of the prime, big-endian without leading zeros. */
static const struct {
	const char *name;
	uint8_t hash[crypto_hash_sha256_BYTES];
} primes[] = {
	{ "RFC 2409 group 1, 768 bits",
		{ 0xb5, 0x2b, 0xa6, 0xa3, 0x02, 0x65, 0x20, 0xa6, 0xc4, 0x9d, 0x37, 0xe4, 0x58,
			0x76, 0x01, 0x80, 0x1b, 0xee, 0x50, 0x01, 0x23, 0xb3, 0x25, 0x9b, 0x6b,
			0xf0, 0x3e, 0x7c, 0xec, 0xc3, 0xe6, 0x3d } },
	{ "RFC 2409 group 2, 1024 bits",
		{ 0x3f, 0x35, 0xa3, 0xf5, 0xf6, 0xc4, 0x37, 0x6a, 0x74, 0x4a, 0xca, 0xd4, 0x09,
			0xbb, 0x22, 0xf8, 0xd8, 0x97, 0xf9, 0x49, 0xd2, 0x31, 0x1d, 0x88, 0x5a,
			0xda, 0xa8, 0x90, 0x98, 0x1b, 0x67, 0xa0 } },
	{ "RFC 3526 group 5, 1536 bits",
		{ 0x64, 0xfc, 0xc8, 0x3e, 0xc4, 0x03, 0x93, 0x0b, 0xf1, 0x83, 0x93, 0xdb, 0xc8,
			0x83, 0xcc, 0xaa, 0x1f, 0xbb, 0x08, 0xac, 0x87, 0x6f, 0x77, 0xf7, 0xaa,
			0x99, 0x74, 0x8c, 0xa9, 0x45, 0x01, 0x9b } },
	{ "RFC 3526 group 14, 2048 bits",
		{ 0xd6, 0x64, 0x36, 0xf7, 0x9b, 0xbd, 0x6b, 0x2e, 0x38, 0xc0, 0xff, 0xbd, 0x07,
			0x9b, 0xe9, 0x04, 0xd2, 0x64, 0x14, 0x15, 0xe2, 0xe6, 0x71, 0x40, 0xe0,
			0x94, 0x48, 0xbe, 0x9a, 0x60, 0x89, 0x0e } },
	{ "RFC 3526 group 15, 3072 bits",
		{ 0x48, 0xcf, 0x8b, 0x09, 0x2f, 0xbc, 0xe4, 0x35, 0x9d, 0x98, 0x71, 0xab, 0xf7,
			0x4f, 0x98, 0xe2, 0x5b, 0x61, 0x63, 0x37, 0x9e, 0xaa, 0x15, 0xcd, 0x90,
			0x87, 0xe8, 0x00, 0xc6, 0xd1, 0xc5, 0x5c } },
	{ "RFC 3526 group 16, 4096 bits",
		{ 0x4e, 0xe9, 0x51, 0x87, 0x68, 0x2b, 0xcb, 0x23, 0x0a, 0xd2, 0x6a, 0x95, 0x20,
			0x5f, 0x69, 0x20, 0xe8, 0x47, 0x08, 0xf6, 0x25, 0x1b, 0x38, 0x94, 0x32,
			0x9b, 0x09, 0xec, 0x23, 0x91, 0x9e, 0x33 } },
	{ "RFC 3526 group 17, 6144 bits",
		{ 0xd1, 0xbf, 0xe6, 0xd0, 0x92, 0x5c, 0xe7, 0xe4, 0xda, 0x26, 0x2b, 0x62, 0x86,
			0x15, 0x14, 0xa7, 0x75, 0x5e, 0x35, 0x83, 0x1e, 0x42, 0x9f, 0x34, 0x3e,
			0x7b, 0x86, 0x48, 0x48, 0x65, 0x7e, 0xfd } },
	{ "RFC 3526 group 18, 8192 bits",
		{ 0x39, 0xab, 0x4f, 0xea, 0xb9, 0x50, 0xa3, 0x12, 0x8f, 0xb7, 0x1a, 0xcc, 0xb9,
			0xfc, 0x39, 0x65, 0xd8, 0x57, 0x01, 0x2e, 0x08, 0x19, 0x98, 0xa8, 0x59,
			0x96, 0xe3, 0xea, 0x8b, 0x3c, 0x3b, 0xcf } },
	{ "RFC 5114 2.1, 1024 bits",
		{ 0x44, 0xc5, 0x5c, 0xfe, 0xe5, 0xc0, 0x75, 0x92, 0x7c, 0xf6, 0x82, 0xda, 0x5b,
			0x68, 0x1b, 0xde, 0xcb, 0xd5, 0xc3, 0xeb, 0x07, 0x84, 0xc1, 0x4f, 0x5d,
			0xce, 0x76, 0x10, 0xf0, 0xef, 0x13, 0x3d } },
	{ "RFC 5114 2.2, 2048 bits",
		{ 0xbf, 0xe5, 0x45, 0x86, 0x2c, 0xa1, 0x02, 0xad, 0x1e, 0xed, 0xdb, 0x5f, 0xbf,
			0xa5, 0xbf, 0x85, 0x5a, 0xc4, 0x99, 0x5c, 0x56, 0xa8, 0xb4, 0x08, 0xce,
			0x3f, 0xe0, 0x99, 0xdc, 0xe9, 0x3a, 0x9d } },
	{ "RFC 5114 2.3, 2048 bits",
		{ 0x0b, 0x78, 0x35, 0x72, 0x2c, 0xb6, 0x19, 0x82, 0x76, 0x10, 0xc2, 0x54, 0x9f,
			0xdd, 0xa5, 0x58, 0x74, 0x21, 0x68, 0x6c, 0x44, 0x09, 0xa1, 0x38, 0x65,
			0xe7, 0x62, 0x25, 0x52, 0x2d, 0xdc, 0xc9 } },
	{ "RFC 7919 ffdhe2048",
		{ 0x9c, 0xd3, 0xb7, 0xf3, 0x36, 0x87, 0x2f, 0x46, 0xc0, 0x94, 0x28, 0xd1, 0xbb,
			0xc1, 0x98, 0x77, 0xa4, 0xd4, 0x40, 0x51, 0x2c, 0xda, 0x8d, 0x1c, 0x1c,
			0xf0, 0xcd, 0x6e, 0x33, 0x69, 0x89, 0x66 } },
	{ "RFC 7919 ffdhe3072",
		{ 0x0e, 0xaf, 0x67, 0xdb, 0x3a, 0x83, 0x91, 0x56, 0xd5, 0x01, 0x34, 0x94, 0xa5,
			0x31, 0x8a, 0x77, 0x2b, 0x56, 0x97, 0xd2, 0x70, 0xd7, 0x21, 0xf3, 0x7f,
			0x09, 0x2e, 0xfc, 0x69, 0xea, 0x5a, 0x17 } },
	{ "RFC 7919 ffdhe4096",
		{ 0x46, 0x48, 0x41, 0x42, 0x24, 0xac, 0x88, 0x1b, 0x3d, 0x0d, 0xc5, 0x9b, 0x46,
			0x6f, 0x96, 0xd0, 0x6a, 0x55, 0x82, 0x78, 0x77, 0x68, 0x07, 0x79, 0x7e,
			0xcf, 0x1f, 0x66, 0xff, 0x39, 0x7b, 0x3e } },
	{ "RFC 7919 ffdhe6144",
		{ 0x22, 0x7a, 0xc9, 0x06, 0x6b, 0x3d, 0xdd, 0x9e, 0x19, 0x36, 0x70, 0xcd, 0xa2,
			0x38, 0x8f, 0xa8, 0x84, 0xf6, 0x5b, 0xa0, 0xcf, 0x98, 0xb7, 0x42, 0xd1,
			0xfe, 0x77, 0xa6, 0x68, 0x7c, 0x79, 0xc7 } },
	{ "RFC 7919 ffdhe8192",
		{ 0x77, 0x0b, 0x14, 0xef, 0xaf, 0x6f, 0x04, 0x99, 0x29, 0xc5, 0x23, 0x11, 0x3b,
			0x3f, 0xa9, 0x9a, 0x8d, 0x11, 0xda, 0xb1, 0xb1, 0x8a, 0xf3, 0x60, 0x95,
			0x90, 0x12, 0x20, 0x75, 0xd1, 0x98, 0x33 } },
};

const struct audit_group *audit_group_by_id(uint16_t id)
{
	for (size_t i = 0; i < LEN(groups); i++)
		if (groups[i].id == id)
			return &groups[i];
	return NULL;
}

size_t audit_group_count(void)
{
	return LEN(groups);
}

const struct audit_group *audit_group_at(size_t i)
{
	return i < LEN(groups) ? &groups[i] : NULL;
}

const struct audit_signature *audit_signature_by_id(uint16_t id)
{
	for (size_t i = 0; i < LEN(signatures); i++)
		if (signatures[i].id == id)
			return &signatures[i];
	return NULL;
}

size_t audit_signature_count(void)
{
	return LEN(signatures);
}

const struct audit_signature *audit_signature_at(size_t i)
{
	return i < LEN(signatures) ? &signatures[i] : NULL;
}

static const char *name_of(const struct number *numbers, size_t count, uint16_t id)
{
	for (size_t i = 0; i < count; i++)
		if (numbers[i].id == id)
			return numbers[i].name;
	return NULL;
}

const char *audit_extension_name(uint16_t id)
{
	return name_of(extensions, LEN(extensions), id);
}

const char *audit_alert_name(uint8_t code)
{
	return name_of(alerts, LEN(alerts), code);
}

const char *audit_dh_prime_name(const uint8_t *prime, size_t len)
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	while (len > 0 && *prime == 0) {
		prime++;
		len--;
	}
	crypto_hash_sha256(hash, prime, len);
	for (size_t i = 0; i < LEN(primes); i++)
		if (memcmp(primes[i].hash, hash, sizeof(hash)) == 0)
			return primes[i].name;
	return NULL;
}

enum audit_answer audit_dh_is_safe_prime(const uint8_t *prime, size_t len)
{
	enum audit_answer answer = AUDIT_UNKNOWN;
	BN_CTX *ctx = NULL;
	BIGNUM *p = NULL, *half = NULL;

	if (len > SAFE_PRIME_BITS_MAX / 8)
		return AUDIT_UNKNOWN;
	ctx = BN_CTX_new();
	p = BN_bin2bn(prime, (int)len, NULL);
	half = BN_new();
	if (ctx == NULL || p == NULL || half == NULL || BN_rshift1(half, p) != 1)
		goto out;
	int is_prime = BN_check_prime(p, ctx, NULL);
	if (is_prime == 1)
		is_prime = BN_check_prime(half, ctx, NULL);
	if (is_prime >= 0)
		answer = is_prime == 1 ? AUDIT_YES : AUDIT_NO;
out:
	BN_free(half);
	BN_free(p);
	BN_CTX_free(ctx);
	return answer;
}
