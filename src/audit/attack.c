/*
 * Probes behind a first flight. Invariant: bytes are sent once on a connection, and of what comes back only
 * record headers, alerts and the type of a heartbeat are looked at.
 */

#include "audit/attack.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#include "audit/suite.h"

#define RECORD_CHANGE_CIPHER 20
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define RECORD_HEARTBEAT 24
#define RECORD_LEN_MAX (16384 + 2048)
#define MESSAGE_CERTIFICATE 11
#define MESSAGE_CLIENT_KEY_EXCHANGE 16
#define ALERT_WARNING 1
#define ALERT_CLOSE_NOTIFY 0
#define ALERT_NO_CERTIFICATE 41
#define ALERT_BAD_RECORD_MAC 20
#define ALERT_DECRYPTION_FAILED 21
#define HEARTBEAT_REQUEST 1
#define HEARTBEAT_RESPONSE 2
#define HEARTBEAT_SENT_LEN 3
#define HEARTBEAT_CLAIM 0x4000
#define PREMASTER_LEN 48
#define RSA_LEN_MIN 64
#define RSA_LEN_MAX 1024
#define FINISHED_LEN 64 /* whole blocks of each cipher, and room for its MAC */

void audit_attack_init(struct audit_attack *a, enum audit_attack_kind kind, unsigned variant)
{
	*a = (struct audit_attack){ .kind = kind, .variant = variant };
}

static void put_record(struct writer *w, uint8_t type, const struct audit_flight *f, size_t len)
{
	writer_u8(w, type);
	writer_u16(w, audit_version_code(f->version));
	writer_u16(w, (uint16_t)len);
}

static void put_change_cipher(struct writer *w, const struct audit_flight *f)
{
	put_record(w, RECORD_CHANGE_CIPHER, f, 1);
	writer_u8(w, 1);
}

static void put_heartbeat(struct writer *w, const struct audit_flight *f)
{
	put_record(w, RECORD_HEARTBEAT, f, HEARTBEAT_SENT_LEN);
	writer_u8(w, HEARTBEAT_REQUEST);
	writer_u16(w, HEARTBEAT_CLAIM);
	/* A sound server says nothing to that. The end of the connection behind it spares the wait. */
	put_record(w, RECORD_ALERT, f, 2);
	writer_u8(w, ALERT_WARNING);
	writer_u8(w, ALERT_CLOSE_NOTIFY);
}

/*
 * PKCS#1 v1.5, type 2, of a premaster secret; wrong in one place by variant: 1 the first bytes, 2 a zero
 * within the padding, 3 no zero at all, 4 the version.
 */
static void pad(uint8_t *block, size_t len, unsigned variant, uint16_t version)
{
	size_t zero = len - PREMASTER_LEN - 1;
	for (size_t i = 0; i < len; i++)
		block[i] = (uint8_t)(1 + randombytes_uniform(255));
	block[0] = 0;
	block[1] = 2;
	block[zero] = 0;
	block[zero + 1] = (uint8_t)(version >> 8);
	block[zero + 2] = (uint8_t)version;
	if (variant == 1) {
		block[0] = 0x41;
		block[1] = 0x17;
	} else if (variant == 2) {
		block[3] = 0;
	} else if (variant == 3) {
		block[zero] = 0x11;
		block[zero + 2] |= 1; /* of SSLv3 it is a zero */
	} else if (variant == 4) {
		block[zero + 1] = 0x02;
		block[zero + 2] = 0x02;
	}
}

/* block^e mod n of the certificate's key, in place. The length of n, or 0. */
static size_t encrypt(
	struct span der, uint8_t block[RSA_LEN_MAX], unsigned variant, uint16_t version)
{
	const unsigned char *at = der.data;
	size_t len = 0, ret = 0;
	BIGNUM *n = NULL, *e = NULL, *m = NULL;
	BN_CTX *ctx = BN_CTX_new();
	X509 *cert = der.len > 0 && der.len <= AUDIT_CERT_LEN_MAX
		? d2i_X509(NULL, &at, (long)der.len)
		: NULL;
	EVP_PKEY *key = cert != NULL ? X509_get0_pubkey(cert) : NULL;

	if (ctx == NULL || key == NULL || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA ||
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &n) != 1 ||
		EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_E, &e) != 1 || BN_num_bits(e) > 64)
		goto out;
	len = (size_t)BN_num_bytes(n);
	if (len < RSA_LEN_MIN || len > RSA_LEN_MAX)
		goto out;
	pad(block, len, variant, version);
	m = BN_bin2bn(block, (int)len, NULL);
	if (m == NULL || BN_mod_exp(m, m, e, n, ctx) != 1 || BN_bn2binpad(m, block, (int)len) < 0)
		goto out;
	ret = len;
out:
	BN_free(m);
	BN_free(e);
	BN_free(n);
	X509_free(cert);
	BN_CTX_free(ctx);
	return ret;
}

/* A server that asked for a certificate hears that there is none: RFC 5246 7.4.6, RFC 6101 5.6.6. */
static void put_no_certificate(struct writer *w, const struct audit_flight *f)
{
	if (f->version == AUDIT_SSL3) {
		put_record(w, RECORD_ALERT, f, 2);
		writer_u8(w, ALERT_WARNING);
		writer_u8(w, ALERT_NO_CERTIFICATE);
		return;
	}
	put_record(w, RECORD_HANDSHAKE, f, 7);
	writer_u8(w, MESSAGE_CERTIFICATE);
	writer_u8(w, 0);
	writer_u16(w, 3);
	writer_zero(w, 3);
}

static bool put_robot(struct writer *w, const struct audit_attack *a, const struct audit_flight *f)
{
	const struct audit_suite *s = audit_suite_by_id(f->suite);
	uint8_t block[RSA_LEN_MAX], finished[FINISHED_LEN];
	if (f->cert_count == 0 || s == NULL || s->kx != AUDIT_KX_RSA)
		return false;
	uint16_t version = audit_version_code(f->version);
	size_t len = encrypt(f->certs[0], block, a->variant, version);
	if (len == 0)
		return false;
	size_t prefix = f->version == AUDIT_SSL3 ? 0 : 2; /* RFC 5246 7.4.7.1 */
	if (f->wants_certificate)
		put_no_certificate(w, f);
	put_record(w, RECORD_HANDSHAKE, f, 4 + prefix + len);
	writer_u8(w, MESSAGE_CLIENT_KEY_EXCHANGE);
	writer_u8(w, 0);
	writer_u16(w, (uint16_t)(prefix + len));
	if (prefix > 0)
		writer_u16(w, (uint16_t)len);
	writer_put(w, block, len);
	put_change_cipher(w, f);
	randombytes_buf(finished, sizeof(finished));
	put_record(w, RECORD_HANDSHAKE, f, sizeof(finished));
	writer_put(w, finished, sizeof(finished));
	return !w->is_full;
}

static bool put_attack(struct writer *w, const struct audit_attack *a, const struct audit_flight *f)
{
	switch (a->kind) {
	case AUDIT_ATTACK_HEARTBLEED:
		put_heartbeat(w, f);
		return f->has_heartbeat;
	case AUDIT_ATTACK_CCS:
		put_change_cipher(w, f);
		put_change_cipher(w, f);
		return true;
	case AUDIT_ATTACK_ROBOT:
		return put_robot(w, a, f);
	}
	return false;
}

/* Returns false when what came decides. */
static bool read_header(struct audit_attack *a)
{
	size_t len = (size_t)a->header[3] << 8 | a->header[4];
	a->record_type = a->header[0];
	a->header_len = 0;
	a->body_left = len;
	a->body_at = 0;
	bool is_record = a->record_type >= RECORD_CHANGE_CIPHER &&
		a->record_type <= RECORD_HEARTBEAT && a->header[1] == 3 && len <= RECORD_LEN_MAX;
	if (is_record && (a->record_type == RECORD_ALERT || a->record_type == RECORD_HEARTBEAT))
		return true;
	a->reaction = AUDIT_REACTION_OTHER;
	return is_record && a->kind != AUDIT_ATTACK_ROBOT;
}

/* One byte of an alert or of a heartbeat. Returns false when it decides. */
static bool read_byte(struct audit_attack *a, uint8_t c)
{
	size_t at = a->body_at++;
	if (a->record_type == RECORD_ALERT && at == 1) {
		a->reaction = AUDIT_REACTION_ALERT;
		a->alert_code = c;
		return false;
	}
	if (a->record_type == RECORD_HEARTBEAT && at == 0 && c == HEARTBEAT_RESPONSE) {
		size_t len = a->body_left + 1;
		if (len > a->heartbeat_len)
			a->heartbeat_len = (uint16_t)len;
		return len <= HEARTBEAT_SENT_LEN;
	}
	return true;
}

static bool read_records(struct audit_attack *a, struct reader *r)
{
	while (r->left > 0) {
		uint8_t c = reader_u8(r);
		if (a->body_left == 0) {
			a->header[a->header_len++] = c;
			if (a->header_len == sizeof(a->header) && !read_header(a))
				return false;
			continue;
		}
		a->body_left--;
		if (!read_byte(a, c))
			return false;
	}
	return true;
}

bool audit_attack_more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len)
{
	struct audit_attack *a = arg;
	struct writer w = writer_init(to, cap);
	struct reader r = reader_init(bytes);
	if (a->is_sent) {
		bool goes_on = read_records(a, &r);
		if (is_closed)
			audit_attack_end(a, true, false);
		return goes_on && !is_closed;
	}
	if (is_closed)
		return false;
	/* Nothing was chosen, or nothing that this can be tried with. */
	if (f->end != AUDIT_FLIGHT_HELLO || f->version == AUDIT_TLS13 || !put_attack(&w, a, f) ||
		w.is_full)
		return false;
	a->is_sent = true;
	*ret_len = w.len;
	return true;
}

void audit_attack_end(struct audit_attack *a, bool is_closed, bool is_reset)
{
	if (a->reaction == AUDIT_REACTION_NONE && (is_closed || is_reset))
		a->reaction = AUDIT_REACTION_CLOSED;
}

enum audit_answer audit_attack_answer(const struct audit_attack *a)
{
	if (!a->is_sent || a->kind == AUDIT_ATTACK_ROBOT)
		return AUDIT_UNKNOWN;
	if (a->kind == AUDIT_ATTACK_HEARTBLEED)
		return a->heartbeat_len > HEARTBEAT_SENT_LEN ? AUDIT_YES : AUDIT_NO;
	if (a->reaction == AUDIT_REACTION_NONE || a->reaction == AUDIT_REACTION_OTHER)
		return AUDIT_UNKNOWN;
	bool is_hit = a->reaction == AUDIT_REACTION_ALERT &&
		(a->alert_code == ALERT_BAD_RECORD_MAC || a->alert_code == ALERT_DECRYPTION_FAILED);
	return is_hit ? AUDIT_YES : AUDIT_NO;
}

void audit_robot_keep(struct audit_attack *kept, const struct audit_attack *a)
{
	struct audit_attack before = *kept;
	*kept = *a;
	kept->has_before = before.is_sent;
	kept->reaction_before = before.reaction;
	kept->alert_before = before.alert_code;
}

static bool is_same(const struct audit_attack *a, const struct audit_attack *b)
{
	return a->reaction == b->reaction && a->alert_code == b->alert_code;
}

static bool is_steady(const struct audit_attack *a)
{
	return !a->has_before ||
		(a->reaction == a->reaction_before && a->alert_code == a->alert_before);
}

enum audit_answer audit_robot_answer(const struct audit_attack attacks[AUDIT_ROBOT_VARIANTS])
{
	bool is_oracle = false, was_steady = true;
	for (size_t i = 0; i < AUDIT_ROBOT_VARIANTS; i++) {
		if (!attacks[i].is_sent)
			return AUDIT_UNKNOWN;
		is_oracle = is_oracle || !is_same(&attacks[i], &attacks[0]);
		was_steady = was_steady && is_steady(&attacks[i]);
	}
	if (!is_oracle) /* no reaction at all says nothing */
		return attacks[0].reaction != AUDIT_REACTION_NONE ? AUDIT_NO : AUDIT_UNKNOWN;
	return was_steady ? AUDIT_YES : AUDIT_UNKNOWN;
}
