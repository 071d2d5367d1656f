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

static bool read_link(const struct idfile *file, size_t i, struct link *ret)
{
	if (cert_decode(idfile_cert(file, i), &ret->cert, &ret->parts) != CERT_OK)
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
static bool find_above(const struct idfile *file, const struct link *of, struct link *ret)
{
	struct link l;
	bool is_found = false;
	for (size_t i = 1; i < idfile_cert_count(file); i++) {
		if (!read_link(file, i, &l) || !is_issuer(&l, of))
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

static bool collect(const struct idfile *file, struct chain *ret)
{
	struct link at, above;
	if (idfile_cert_count(file) == 0 || !read_link(file, 0, &at))
		return false;
	ret->der[ret->count++] = at.parts.der;
	while (ret->count < CHAIN_CERTS_MAX && find_above(file, &at, &above)) {
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

void lib_id_set_chain(struct postern_id *id, const struct idfile *file)
{
	struct chain c = { 0 };

	id->chain_len = 0;
	if (!collect(file, &c))
		return;
	id->chain_type = SPA_ID_TEMPLATE;
	id->chain_len = template_encode(&c, id->chain, sizeof(id->chain));
	if (id->chain_len != 0)
		return;
	id->chain_type = SPA_ID_CHAIN;
	id->chain_len = put_der(&c, id->chain, sizeof(id->chain));
}
