/*
 * A card as text; or, when the first byte is 0, the body of a card that is then signed as it should
 * be, so that what lies behind the signature is reached. Property: a card that parses has every
 * count and string inside its bounds, and is written and read again as the same card.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "knock/prekey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void check(const struct card *c)
{
	must(c->port != 0);
	must(c->prekey_count > 0 && c->prekey_count <= CARD_PREKEYS_MAX);
	must(c->cert_count <= CARD_CERTS_MAX);
	for (size_t i = 0; i < c->cert_count; i++)
		must(c->cert_len[i] > 0 && c->cert_len[i] <= CARD_CERT_LEN_MAX);
	must(strnlen(c->name, sizeof(c->name)) <= CARD_NAME_MAX && c->name[0] != '\0');
	must(strnlen(c->service, sizeof(c->service)) <= SPA_SELECTOR_MAX);
	must(strnlen(c->host, sizeof(c->host)) <= CARD_HOST_MAX);
	for (const char *p = c->name; *p != '\0'; p++)
		must((unsigned char)*p >= 0x20 && *p != 0x7f);
	for (size_t i = 0; i < c->prekey_count; i++)
		must(prekey_verify(&c->prekeys[i], c->identity_pk));
	const struct prekey *k = card_prekey(c, 1000);
	must(k == NULL || (k >= c->prekeys && k < c->prekeys + c->prekey_count));
}

static void parse(struct span text, const uint8_t *sign_sk)
{
	static struct card c, again;
	struct fault f = { "" };

	if (card_parse(text, &c, &f) != 0) {
		must(strnlen(f.text, sizeof(f.text)) > 0);
		return;
	}
	check(&c);
	if (sign_sk == NULL)
		return;
	char *written = card_format(&c, sign_sk);
	must(written != NULL);
	must(card_parse(span_of(written, strlen(written)), &again, &f) == 0);
	must(strcmp(c.name, again.name) == 0 && strcmp(c.host, again.host) == 0);
	must(strcmp(c.service, again.service) == 0 && c.port == again.port);
	must(c.has_stealth == again.has_stealth && memcmp(c.stealth, again.stealth, 32) == 0);
	free(written);
}

struct signer {
	struct writer text;
	crypto_hash_sha256_state hash;
};

static void put(struct signer *s, const char *label, struct span body)
{
	const uint8_t len_be[4] = { 0, 0, (uint8_t)(body.len >> 8), (uint8_t)body.len };
	crypto_hash_sha256_update(&s->hash, len_be, sizeof(len_be));
	crypto_hash_sha256_update(&s->hash, body.data, body.len);
	pem_write(&s->text, label, body);
}

static void parse_signed(uint8_t *body, size_t len)
{
	static uint8_t text[8192];
	uint8_t pk[32], sk[64], seed[32] = { 1 }, record[PREKEY_LEN];
	uint8_t to_sign[16 + 32] = "postern card v1", signature[SPA_SIGNATURE_LEN];
	struct prekey k = { .id = 1, .not_after_ms = 2000, .pk = { 9 } };
	struct signer s = { .text = writer_init(text, sizeof(text)) };

	crypto_sign_seed_keypair(pk, sk, seed);
	prekey_sign(&k, sk);
	prekey_encode(&k, record);
	if (len >= 36)
		memcpy(body + 4, pk, sizeof(pk));
	crypto_hash_sha256_init(&s.hash);
	put(&s, "POSTERN CARD", span_of(body, len));
	put(&s, "POSTERN PREKEY", SPAN_OF(record));
	crypto_hash_sha256_final(&s.hash, to_sign + 16);
	crypto_sign_detached(signature, NULL, to_sign, sizeof(to_sign), sk);
	pem_write(&s.text, "POSTERN CARD SIGNATURE", SPAN_OF(signature));
	must(!s.text.is_full);
	parse(writer_span(&s.text), sk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t body[2048];
	if (len == 0 || data[0] != 0) {
		parse(span_of(data, len), NULL);
		return 0;
	}
	if (len - 1 > sizeof(body))
		return 0;
	memcpy(body, data + 1, len - 1);
	parse_signed(body, len - 1);
	return 0;
}
