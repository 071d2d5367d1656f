#ifndef POSTERN_IDENTITY_TRUST_BUILD_H
#define POSTERN_IDENTITY_TRUST_BUILD_H

/* What the files of trust share while a trust is built. */

#include "identity/crl.h"
#include "identity/trust.h"

/* How a certificate came to be believed, best first. */
enum trust_rank {
	TRUST_RANK_OWN,
	TRUST_RANK_ROLLOVER,
	TRUST_RANK_CROSS,
	TRUST_RANK_CROSS_ROLLOVER, /* another key of a cross-certified certifier */
	TRUST_RANK_KNOWN,          /* below a trusted one: no anchor, but its list is believed */
	TRUST_RANK_NONE,
};

struct trust_standing {
	enum trust_rank rank;
	uint64_t not_before_ms, not_after_ms;
	uint8_t pathlen_left;
	const struct trust_node *cross; /* the cross-certificate it hangs on, or NULL */
};

/* One certificate of the material. Borrows its DER. */
struct trust_node {
	struct cert cert;
	struct cert_parts parts;
	uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN];
	const char *where;
	bool is_own_file; /* from the ID file */
	bool is_above;    /* vouches for our own ID: found from it upwards */
	enum { TRUST_UNSEEN, TRUST_GOOD, TRUST_BAD } signature;
	struct trust_standing standing;
};

struct trust_builder {
	struct trust_node *nodes; /* the first is our own ID's, when has_own */
	size_t count;
	bool has_own;
	const struct trust_node *organisation; /* ours, self-signed */
	struct trust_faults *faults;
};

__attribute__((format(printf, 2, 3))) void trust_fault(
	struct trust_faults *to, const char *fmt, ...);

/* Read the certificates of m into the nodes, which are allocated. False when there is no memory. */
bool trust_read(struct trust_builder *b, const struct trust_material *m);

/* Give every node its standing; a fault for each that has none and should. */
void trust_resolve(struct trust_builder *b);

/* Better by rank, then by end, then by path length. */
bool trust_is_better(const struct trust_standing *a, const struct trust_standing *b);

/* A believed certifier of this name and key, or NULL. */
const struct trust_node *trust_certifier(const struct trust_builder *b, struct span subject,
	const uint8_t key_identifier[CERT_KEY_IDENTIFIER_LEN]);

/* A list that is kept: the newest of its issuer and key. */
struct trust_list {
	struct span issuer_der;
	uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN];
	uint64_t this_update_ms, next_update_ms;
	size_t count;
	uint8_t *bytes; /* owned: the issuer, then the serials, ascending */
	const uint8_t *serials;
};

struct trust_lists {
	enum trust_crl policy;
	size_t count;
	struct trust_list items[TRUST_CRLS_MAX];
};

/* Keep the lists of m; a fault for each that is not believed. False when there is no memory. */
bool trust_lists_read(
	struct trust_lists *to, const struct trust_builder *b, const struct trust_material *m);
void trust_lists_free(struct trust_lists *l);

enum trust_revocation trust_lists_ask(const struct trust_lists *l, struct span issuer_der,
	const uint8_t issuer_key_identifier[CERT_KEY_IDENTIFIER_LEN], const uint8_t serial[8],
	uint64_t wall_ms, uint64_t *ret_until_ms);

#endif
