/*
 * The certificates of an ID file in the order of a path, its own first. Invariant: each one is above the one
 * before it by name and key; nothing is said of signatures.
 */

#include <string.h>

#include "identity/chain.h"
#include "identity/idfile.h"

struct link {
	struct cert cert;
	struct cert_parts parts;
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
};

static bool read_link(struct span der, struct link *ret)
{
	if (cert_decode(der, &ret->cert, &ret->parts) != CERT_OK)
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
static bool find_above(
	const struct span *own, size_t count, const struct link *of, struct link *ret)
{
	struct link l;
	bool is_found = false;
	for (size_t i = 1; i < count; i++) {
		if (!read_link(own[i], &l) || !is_issuer(&l, of))
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

bool chain_of_own(const struct span *own, size_t count, struct chain *ret)
{
	struct link at, above;
	*ret = (struct chain){ 0 };
	if (count == 0 || !read_link(own[0], &at))
		return false;
	ret->der[ret->count++] = at.parts.der;
	while (ret->count < CHAIN_CERTS_MAX && find_above(own, count, &at, &above)) {
		at = above;
		ret->der[ret->count++] = at.parts.der;
	}
	return true;
}

bool chain_of_idfile(const struct idfile *file, struct chain *ret)
{
	struct span own[IDFILE_CERTS_MAX];
	size_t n = idfile_cert_count(file);
	for (size_t i = 0; i < n && i < IDFILE_CERTS_MAX; i++)
		own[i] = idfile_cert(file, i);
	return chain_of_own(own, n < IDFILE_CERTS_MAX ? n : IDFILE_CERTS_MAX, ret);
}
