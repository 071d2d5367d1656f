/*
 * How the fake server takes what is sent behind its flight: heartbeats, early ChangeCipherSpec, RSA key
 * exchanges; sound or with the old fault, as the profile says.
 */

#include <openssl/rsa.h>
#include <string.h>

#include "fake.h"

#define BLEED_LEN 16000

static void heartbeat(struct fake_conn *c, const uint8_t *body, size_t len)
{
	static uint8_t leak[5 + BLEED_LEN];
	size_t claim = len >= 3 ? (size_t)body[1] << 8 | body[2] : 0;
	unsigned code = fake_version_code[c->version];
	if (c->profile->heartbeat == FAKE_NO_HEARTBEAT) {
		fake_alert(c, 10);
		return;
	}
	if (c->profile->heartbeat == FAKE_HEARTBEAT || claim + 19 <= len)
		return; /* RFC 6520 4: a wrong length is discarded silently */
	memset(leak, 'A', sizeof(leak));
	leak[0] = 24;
	leak[1] = (uint8_t)(code >> 8);
	leak[2] = (uint8_t)code;
	leak[3] = BLEED_LEN >> 8;
	leak[4] = BLEED_LEN & 0xff;
	leak[5] = 2;
	leak[6] = (uint8_t)(claim >> 8);
	leak[7] = (uint8_t)claim;
	fake_send(c, leak, sizeof(leak));
}

/* PKCS#1 v1.5 as it must be, with the version of the hello inside? */
static bool is_padded(const uint8_t *m, size_t n)
{
	if (n < 59 || m[0] != 0 || m[1] != 2)
		return false;
	for (size_t i = 2; i < n - 49; i++)
		if (m[i] == 0)
			return false;
	return m[n - 49] == 0;
}

static void key_exchange(struct fake_conn *c, const uint8_t *body, size_t len)
{
	uint8_t plain[1024];
	size_t skip = c->version == FAKE_SSL3 ? 0 : 2, plain_len = sizeof(plain);
	EVP_PKEY *key = c->profile->rsa.key;
	if (!c->profile->is_robot || key == NULL || len < 4 + skip)
		return;
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
	bool is_good = ctx != NULL && EVP_PKEY_decrypt_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) == 1 &&
		EVP_PKEY_decrypt(ctx, plain, &plain_len, body + 4 + skip, len - 4 - skip) == 1 &&
		is_padded(plain, plain_len);
	EVP_PKEY_CTX_free(ctx);
	if (!is_good)
		fake_alert(c, 51);
}

static void take_record(struct fake_conn *c, uint8_t type, const uint8_t *body, size_t len)
{
	if (type == 24)
		heartbeat(c, body, len);
	else if (type == 21)
		c->is_closing = true;
	else if (type == 22 && c->changes > 0)
		fake_alert(c, 20); /* a Finished that nobody can decrypt */
	else if (type == 22 && len > 4 && body[0] == 16) {
		key_exchange(c, body, len);
		c->suite.kx = FAKE_KX_COUNT; /* a key is there: a change may come */
	} else if (type == 20 && c->suite.kx != FAKE_KX_COUNT && !c->profile->is_ccs_open)
		fake_alert(c, 10);
	else if (type == 20 && c->changes++ > 0)
		fake_alert(c, 20);
	else if (type != 20)
		fake_alert(c, 10);
}

void fake_after(struct fake_conn *c)
{
	while (c->in_len >= 5 && !c->is_closing && c->state == FAKE_AFTER) {
		size_t len = (size_t)c->in[3] << 8 | c->in[4];
		if (c->in[0] < 20 || c->in[0] > 24 || len > 16384 + 256) {
			c->is_closing = true;
			return;
		}
		if (c->in_len < 5 + len)
			return;
		take_record(c, c->in[0], c->in + 5, len);
		fake_consume(c, 5 + len);
	}
}
