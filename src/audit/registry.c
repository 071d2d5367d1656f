/*
 * Groups, signature algorithms, extensions and alerts by number: the IANA registries "TLS Supported Groups",
 * "TLS SignatureScheme", "TLS ExtensionType Values" and "TLS Alerts". Tables alone.
 */

#include "audit/suite.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

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
	{ 65072, "X25519Kyber512Draft00", 253, false, true }, /* unregistered, early 2022 */
	{ 65073, "X25519Kyber768Draft00_OLD", 253, false, true },
	{ 16696, "CECPQ2", 253, false, true }, /* an experiment of 2019 */
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
	{ 0x0705, "iso_ibs1", false },
	{ 0x0706, "iso_ibs2", false },
	{ 0x0707, "iso_chinese_ibs", false },
	{ 0x0840, "gostr34102012_256", false }, /* RFC 9189 */
	{ 0x0841, "gostr34102012_512", false },
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
