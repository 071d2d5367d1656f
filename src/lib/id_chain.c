/*
 * What an ID sends of its certificates: its own and the units' above it, up to but without the organisation
 * that vouches for itself, which a server that is to believe them knows. Short form if they can be said so.
 */

#include <string.h>

#include "identity/chain.h"
#include "identity/template.h"
#include "lib/internal.h"

struct link {
	struct cert cert;
	struct cert_parts parts;
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
};

static bool read_link(const struct lib_certs *own, size_t i, struct link *ret)
{
	if (cert_decode(own->der[i], &ret->cert, &ret->parts) != CERT_OK)
		return false;
	cert_key_identifier(ret->cert.pk, ret->key_identifier);
	return true;
}

static bool is_key(
	const uint8_t a[CERT_KEY_IDENTIFIER_LEN], const uint8_t b[CERT_KEY_IDENTIFIER_LEN])
{
	return memcmp(a, b, CERT_KEY_IDENTIFIER_LEN) == 0;
}

static bool is_issuer(const struct link *above, const struct link *of)
{
	return span_equal(above->parts.subject, of->parts.issuer) &&
		is_key(above->key_identifier, of->cert.issuer_key_identifier);
}

/*
 * The certificate above: one by the next certifier up, else one by which an older or newer key of the same
 * certifier vouches for this one. Not an organisation that vouches for itself.
 */
static bool find_above(const struct lib_certs *own, const struct link *of, struct link *ret)
{
	struct link l;
	bool is_found = false;
	for (size_t i = 1; i < own->count; i++) {
		if (!read_link(own, i, &l) || !is_issuer(&l, of))
			continue;
		bool is_own_level = span_equal(l.parts.subject, l.parts.issuer);
		if (is_own_level && is_key(l.key_identifier, l.cert.issuer_key_identifier))
			continue;
		/* Two keys of one certifier may vouch for each other: that leads nowhere. */
		if (is_own_level && span_equal(of->parts.subject, of->parts.issuer))
			continue;
		if (is_own_level && is_found)
			continue;
		*ret = l;
		is_found = true;
		if (!is_own_level)
			break;
	}
	return is_found;
}

bool lib_id_chain(const struct postern_id *id, struct chain *ret)
{
	struct lib_certs certs, *own = &certs;
	struct link at, above;

	*ret = (struct chain){ 0 };
	if (id->trust == NULL)
		return false;
	lib_trust_own(id->trust, own);
	if (own->count == 0 || !read_link(own, 0, &at))
		return false;
	ret->der[ret->count++] = at.parts.der;
	while (ret->count < CHAIN_CERTS_MAX && find_above(own, &at, &above)) {
		at = above;
		ret->der[ret->count++] = at.parts.der;
	}
	return true;
}

/* u16 length and DER, leaf first. */
static size_t put_der(const struct chain *c, uint8_t *to, size_t cap)
{
	struct writer w = writer_init(to, cap);
	for (size_t i = 0; i < c->count; i++) {
		writer_u16(&w, (uint16_t)c->der[i].len);
		writer_put(&w, c->der[i].data, c->der[i].len);
	}
	return w.is_full ? 0 : w.len;
}

void lib_id_set_chain(struct postern_id *id)
{
	struct chain c;

	id->chain_len = 0;
	if (!lib_id_chain(id, &c))
		return;
	id->chain_type = SPA_ID_TEMPLATE;
	id->chain_len = template_encode(&c, id->chain, sizeof(id->chain));
	if (id->chain_len != 0)
		return;
	id->chain_type = SPA_ID_CHAIN;
	id->chain_len = put_der(&c, id->chain, sizeof(id->chain));
}
