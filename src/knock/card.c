/*
 * The server card: what a client must hold to knock, as signed PEM text. Invariant: card_parse
 * returns a card only when the identity key in it signed every prekey and the card as a whole, and
 * card_format returns only what card_parse takes.
 */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "knock/internal.h"
#include "knock/prekey.h"

#define CARD_VERSION 1
#define CARD_FLAG_STEALTH 1
#define BODY_MAX CARD_CERT_LEN_MAX /* the longest of the blocks */
#define CARD_LABEL_TEXT "postern card v1"
#define SIGNED_LEN (sizeof(CARD_LABEL_TEXT) + crypto_hash_sha256_BYTES)

struct parser {
	struct card card;
	crypto_hash_sha256_state hash; /* over the blocks so far */
	size_t stage; /* index into steps of the last block, plus one; 0 at first */
	struct fault *f;
	unsigned line;
};

/* ------------------------------------------------------------------ text fields */

static bool is_host(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];
		bool is_word =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		bool is_mark = c == '.' || c == ':' || c == '_' || (c == '-' && i > 0) ||
			(c == '%' && i > 0);
		if (!is_word && !is_mark)
			return false;
	}
	return true;
}

/*
 * One character of UTF-8 (RFC 3629 4: shortest form, no surrogate), neither a C0 or C1 control nor
 * DEL: the name goes to terminals.
 */
static bool take_character(struct reader *r)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	uint8_t first = reader_u8(r);
	size_t more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
	static const uint8_t lead[] = { 0x00, 0xc0, 0xe0, 0xf0 };
	static const uint8_t bits[] = { 0x7f, 0x1f, 0x0f, 0x07 };

	if ((first & (uint8_t)~bits[more]) != lead[more])
		return false;
	uint32_t c = first & bits[more];
	for (size_t i = 0; i < more; i++) {
		uint8_t next = reader_u8(r);
		if ((next & 0xc0) != 0x80)
			return false;
		c = c << 6 | (next & 0x3fu);
	}
	if (c < least[more] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return false;
	return c >= 0x20 && (c < 0x7f || c > 0x9f);
}

static bool is_name(struct span s)
{
	struct reader r = reader_init(s);
	while (r.left > 0)
		if (!take_character(&r))
			return false;
	return s.len > 0;
}

/* u8 length and bytes to a terminated string; the bytes are returned for checking. */
static struct span take_text(struct reader *r, char *to, size_t max)
{
	uint8_t len = reader_u8(r);
	if (len > max)
		r->is_short = true;
	struct span s = reader_take(r, r->is_short ? 0 : len);
	if (s.len != 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	return s;
}

/* ------------------------------------------------------------------ reading */

static bool bad(struct parser *p, const char *why)
{
	fault_set(p->f, "line %u: %s; ask for the card again", p->line, why);
	return false;
}

static bool read_card(struct parser *p, struct span body)
{
	struct card *c = &p->card;
	struct reader r = reader_init(body);

	uint8_t version = reader_u8(&r);
	uint8_t flags = reader_u8(&r);
	c->port = reader_u16(&r);
	reader_copy(&r, c->identity_pk, sizeof(c->identity_pk));
	struct span name = take_text(&r, c->name, CARD_NAME_MAX);
	struct span service = take_text(&r, c->service, SPA_SELECTOR_MAX);
	struct span host = take_text(&r, c->host, CARD_HOST_MAX);
	c->has_stealth = (flags & CARD_FLAG_STEALTH) != 0;
	if (c->has_stealth)
		reader_copy(&r, c->stealth, sizeof(c->stealth));

	if (body.len > 0 && version != CARD_VERSION)
		return bad(p, "this card is of a version that is not known here");
	if ((flags & ~CARD_FLAG_STEALTH) != 0)
		return bad(p, "the card has flags that are not known here");
	if (!reader_done(&r))
		return bad(p, "the card has the wrong length");
	if (c->port == 0)
		return bad(p, "the card names UDP port 0");
	if (!is_name(name))
		return bad(p, "the server's name is empty or not printable");
	if (service.len != 0 && !spa_is_service_name(service))
		return bad(p, "the default service is not of the characters a-z, 0-9 and -");
	if (!is_host(host))
		return bad(p, "the host is not a host name or an address");
	return true;
}

static bool read_prekey(struct parser *p, struct span body)
{
	struct card *c = &p->card;
	struct prekey k;
	if (c->prekey_count == CARD_PREKEYS_MAX)
		return bad(p, "the card has too many prekeys");
	if (prekey_decode(body, &k) != SPA_OK)
		return bad(p, "the prekey is malformed");
	if (!prekey_verify(&k, c->identity_pk))
		return bad(p, "the prekey is not signed by the server's identity key");
	c->prekeys[c->prekey_count++] = k;
	return true;
}

static bool read_cert(struct parser *p, struct span body)
{
	struct card *c = &p->card;
	if (c->cert_count == CARD_CERTS_MAX)
		return bad(p, "the card has too many certificates");
	if (body.len == 0)
		return bad(p, "the certificate is empty");
	memcpy(c->certs[c->cert_count], body.data, body.len);
	c->cert_len[c->cert_count++] = body.len;
	return true;
}

static void signed_bytes(const crypto_hash_sha256_state *hash, uint8_t to[SIGNED_LEN])
{
	crypto_hash_sha256_state st = *hash;
	memcpy(to, CARD_LABEL_TEXT, sizeof(CARD_LABEL_TEXT));
	crypto_hash_sha256_final(&st, to + sizeof(CARD_LABEL_TEXT));
}

static bool read_signature(struct parser *p, struct span body)
{
	uint8_t to[SIGNED_LEN];
	signed_bytes(&p->hash, to);
	if (body.len != SPA_SIGNATURE_LEN ||
		crypto_sign_verify_detached(body.data, to, sizeof(to), p->card.identity_pk) != 0)
		return bad(p, "the card's signature does not hold");
	return true;
}

/* Blocks in their order. */
static const struct step {
	const char *label;
	bool is_many;
	bool (*read)(struct parser *p, struct span body);
} steps[] = {
	{ "POSTERN CARD", false, read_card },
	{ "POSTERN PREKEY", true, read_prekey },
	{ "CERTIFICATE", true, read_cert },
	{ "POSTERN CARD SIGNATURE", false, read_signature },
};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

static bool read_block(struct parser *p, const struct pem_block *b)
{
	uint8_t body[BODY_MAX];
	size_t len;
	size_t i = 0;

	p->line = b->line;
	while (i < STEPS && strcmp(b->label, steps[i].label) != 0)
		i++;
	if (i == STEPS)
		return bad(p, "a card has no block of this kind");
	/* Not before its turn, not twice unless it may be, and the card itself before all others. */
	if (i + 1 < p->stage || (i + 1 == p->stage && !steps[i].is_many) ||
		(i > 0 && p->stage == 0))
		return bad(p, "this block stands in the wrong place");
	if (!pem_decode(b, body, sizeof(body), &len))
		return bad(p, "the block is not base64 or is too long");
	p->stage = i + 1;
	bool is_good = steps[i].read(p, span_of(body, len));
	pem_hash_body(&p->hash, span_of(body, len));
	sodium_memzero(body, sizeof(body)); /* the stealth secret passes through */
	return is_good;
}

static bool read_text(struct parser *p, struct span text)
{
	struct pem_reader pem = pem_reader_init(text);
	struct pem_block b;

	if (text.len > CARD_FILE_MAX) {
		fault_set(p->f, "longer than a card may be; ask for the card again");
		return false;
	}
	for (;;) {
		switch (pem_next(&pem, &b)) {
		case PEM_BLOCK:
			if (!read_block(p, &b))
				return false;
			break;
		case PEM_END:
			p->line = pem.line;
			if (p->stage == 0)
				return bad(p, "this is not a server card");
			if (p->stage != STEPS)
				return bad(p, "the card ends before its signature");
			if (p->card.prekey_count == 0)
				return bad(p, "the card has no prekey");
			return true;
		case PEM_BAD:
			p->line = pem.line;
			return bad(p, pem.why);
		}
	}
}

int card_parse(struct span text, struct card *ret, struct fault *f)
{
	struct parser p = { .f = f };
	crypto_hash_sha256_init(&p.hash);
	bool is_good = read_text(&p, text);
	if (is_good)
		*ret = p.card;
	sodium_memzero(&p, sizeof(p));
	return is_good ? 0 : -EINVAL;
}

/* ------------------------------------------------------------------ writing */

struct formatter {
	struct writer text;
	crypto_hash_sha256_state hash;
};

static void put_block(struct formatter *o, const char *label, struct span body)
{
	pem_hash_body(&o->hash, body);
	pem_write(&o->text, label, body);
}

static void put_text(struct writer *w, const char *text)
{
	size_t len = strlen(text);
	writer_u8(w, (uint8_t)len);
	writer_put(w, text, len);
}

static void put_card(struct formatter *o, const struct card *c)
{
	uint8_t body[BODY_MAX];
	struct writer w = writer_init(body, sizeof(body));
	writer_u8(&w, CARD_VERSION);
	writer_u8(&w, c->has_stealth ? CARD_FLAG_STEALTH : 0);
	writer_u16(&w, c->port);
	writer_put(&w, c->identity_pk, sizeof(c->identity_pk));
	put_text(&w, c->name);
	put_text(&w, c->service);
	put_text(&w, c->host);
	if (c->has_stealth)
		writer_put(&w, c->stealth, sizeof(c->stealth));
	put_block(o, steps[0].label, writer_span(&w));
	sodium_memzero(body, sizeof(body));
}

static void put_prekeys(struct formatter *o, const struct card *c)
{
	for (size_t i = 0; i < c->prekey_count; i++) {
		uint8_t body[PREKEY_LEN];
		prekey_encode(&c->prekeys[i], body);
		put_block(o, steps[1].label, SPAN_OF(body));
	}
}

static void put_certs(struct formatter *o, const struct card *c)
{
	for (size_t i = 0; i < c->cert_count; i++)
		put_block(o, steps[2].label, span_of(c->certs[i], c->cert_len[i]));
}

static void put_signature(struct formatter *o, const uint8_t sign_sk[64])
{
	uint8_t to[SIGNED_LEN];
	uint8_t signature[SPA_SIGNATURE_LEN];
	signed_bytes(&o->hash, to);
	crypto_sign_detached(signature, NULL, to, sizeof(to), sign_sk);
	pem_write(&o->text, steps[3].label, SPAN_OF(signature));
}

char *card_format(const struct card *c, const uint8_t sign_sk[64])
{
	struct fault f;
	struct card seen;

	if (c->prekey_count > CARD_PREKEYS_MAX || c->cert_count > CARD_CERTS_MAX)
		return NULL;
	for (size_t i = 0; i < c->cert_count; i++)
		if (c->cert_len[i] > CARD_CERT_LEN_MAX)
			return NULL;
	uint8_t *text = malloc(CARD_FILE_MAX + 1);
	if (text == NULL)
		return NULL;
	struct formatter o = { .text = writer_init(text, CARD_FILE_MAX) };
	crypto_hash_sha256_init(&o.hash);
	put_card(&o, c);
	put_prekeys(&o, c);
	put_certs(&o, c);
	put_signature(&o, sign_sk);
	bool is_good = !o.text.is_full && card_parse(writer_span(&o.text), &seen, &f) == 0;
	sodium_memzero(&seen, sizeof(seen));
	if (!is_good) {
		sodium_memzero(text, CARD_FILE_MAX);
		free(text);
		return NULL;
	}
	text[o.text.len] = '\0';
	return (char *)text;
}
