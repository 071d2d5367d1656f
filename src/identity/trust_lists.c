/*
 * Revocation lists as they are asked on the packet path: verified once, then only serials in order.
 * Invariant: of one issuer and key there is one list, the one with the greatest number.
 */

#include <stdlib.h>
#include <string.h>

#include "identity/trust_build.h"

struct candidate {
	struct crl crl;
	struct span der;
	const char *where;
};

static bool is_of(const struct crl *a, const struct crl *b)
{
	return memcmp(a->issuer_key_identifier, b->issuer_key_identifier,
		       CERT_KEY_IDENTIFIER_LEN) == 0 &&
		span_equal(a->issuer_der, b->issuer_der);
}

/* Decoded, of a certifier that is believed, signed by it. */
static bool read_candidate(
	const struct trust_builder *b, const struct trust_item *item, struct candidate *ret)
{
	char issuer[NAME_TEXT_MAX];
	enum cert_reject reason = crl_decode(item->der, &ret->crl);
	ret->der = item->der;
	ret->where = item->where;
	if (reason != CERT_OK) {
		trust_fault(b->faults,
			"%s: is not a revocation list of the profile: %s; take it again from its "
			"certifier",
			item->where, cert_reject_text(reason));
		return false;
	}
	if (!b->has_own)
		return false;
	name_format(&ret->crl.issuer, issuer);
	const struct trust_node *by =
		trust_certifier(b, ret->crl.issuer_der, ret->crl.issuer_key_identifier);
	if (by == NULL)
		trust_fault(b->faults,
			"%s: is the revocation list of \"%.150s\", which is not trusted under that "
			"key; add the certificate of that certifier, or remove the list",
			item->where, issuer);
	else if (!crl_signed_by(&ret->crl, by->cert.pk))
		trust_fault(b->faults,
			"%s: the revocation list is not signed by \"%.150s\", which it names; take "
			"it again from its certifier",
			item->where, issuer);
	else
		return true;
	return false;
}

/* The serials are ascending as they stand (crl_decode saw to that). */
static bool keep(struct trust_lists *to, const struct candidate *c)
{
	const struct crl *crl = &c->crl;
	size_t len = crl->issuer_der.len + crl->count * CRL_SERIAL_LEN;
	struct trust_list *l = &to->items[to->count];
	struct writer w;
	uint8_t serial[CRL_SERIAL_LEN];
	uint64_t revoked_ms;
	l->bytes = malloc(len);
	if (l->bytes == NULL)
		return false;
	w = writer_init(l->bytes, len);
	writer_put(&w, crl->issuer_der.data, crl->issuer_der.len);
	l->issuer_der = writer_span(&w);
	l->serials = l->bytes + w.len;
	for (struct span at = crl->entries; crl_next(&at, serial, &revoked_ms);)
		writer_put(&w, serial, sizeof(serial));
	l->count = crl->count;
	l->this_update_ms = crl->this_update_ms;
	l->next_update_ms = crl->next_update_ms;
	memcpy(l->issuer_key_identifier, crl->issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN);
	to->count++;
	return true;
}

/* Of the others: none is newer, and the same one is not among those before it. */
static bool is_newest(const struct candidate *all, size_t count, size_t i)
{
	for (size_t k = 0; k < count; k++) {
		if (k == i || !is_of(&all[k].crl, &all[i].crl))
			continue;
		if (all[k].crl.number > all[i].crl.number ||
			(all[k].crl.number == all[i].crl.number && k < i))
			return false;
	}
	return true;
}

static void compare_numbers(
	const struct trust_builder *b, const struct candidate *all, size_t count, size_t i)
{
	char issuer[NAME_TEXT_MAX];
	for (size_t k = 0; k < i && k < count; k++) {
		if (!is_of(&all[k].crl, &all[i].crl) || all[k].crl.number != all[i].crl.number ||
			span_equal(all[k].der, all[i].der))
			continue;
		name_format(&all[i].crl.issuer, issuer);
		trust_fault(b->faults,
			"%s: \"%.100s\" gave this revocation list and another one (%.150s) the same "
			"number; issue a new list with \"postern certifier crl\" and remove both",
			all[i].where, issuer, all[k].where);
		return;
	}
}

bool trust_lists_read(
	struct trust_lists *to, const struct trust_builder *b, const struct trust_material *m)
{
	bool is_good = true;
	size_t count = 0;
	struct candidate *all = calloc(m->crl_count + 1, sizeof(*all));
	if (all == NULL)
		return false;
	to->policy = m->crl_policy;
	for (size_t i = 0; i < m->crl_count; i++)
		if (read_candidate(b, &m->crls[i], &all[count]))
			count++;
	for (size_t i = 0; is_good && i < count; i++) {
		compare_numbers(b, all, count, i);
		if (is_newest(all, count, i))
			is_good = keep(to, &all[i]);
	}
	free(all);
	return is_good;
}

void trust_lists_free(struct trust_lists *l)
{
	for (size_t i = 0; i < l->count; i++)
		free(l->items[i].bytes);
	l->count = 0;
}

static bool is_listed(const struct trust_list *l, const uint8_t serial[CRL_SERIAL_LEN])
{
	size_t low = 0, high = l->count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(l->serials + middle * CRL_SERIAL_LEN, serial, CRL_SERIAL_LEN);
		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static bool is_by(const struct trust_list *l, struct span issuer_der,
	const uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN])
{
	return memcmp(l->issuer_key_identifier, issuer_key_identifier, CERT_KEY_IDENTIFIER_LEN) ==
		0 &&
		(issuer_der.len == 0 || span_equal(l->issuer_der, issuer_der));
}

enum trust_revocation trust_lists_ask(const struct trust_lists *l, struct span issuer_der,
	const uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN], const uint8_t serial[8],
	uint64_t wall_ms, uint64_t *ret_until_ms)
{
	bool is_required = l->policy == TRUST_CRL_REQUIRE;
	uint64_t until_ms = is_required ? 0 : UINT64_MAX;
	for (size_t i = 0; l->policy != TRUST_CRL_OFF && i < l->count; i++) {
		const struct trust_list *list = &l->items[i];
		if (!is_by(list, issuer_der, issuer_key_identifier))
			continue;
		if (is_listed(list, serial))
			return TRUST_REVOKED;
		if (list->this_update_ms <= wall_ms && list->next_update_ms > until_ms)
			until_ms = list->next_update_ms;
	}
	if (until_ms <= wall_ms)
		return TRUST_NO_LIST;
	if (ret_until_ms != NULL)
		*ret_until_ms = until_ms;
	return TRUST_NOT_REVOKED;
}
