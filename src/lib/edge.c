/*
 * An ID and an edge server. Invariant: an edge is taken only when its certificates reach a certifier whom the
 * ID trusts and are, today and unrevoked, of a server of the very name that its card says. Its key is not the
 * card's: the process that speaks TLS does not hold the one that knocks are sealed to.
 */

#include "lib/edge.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "lib/internal.h"

int lib_edge_prove(const struct postern_id *id, struct lib_edge_proof *ret, struct fault *f)
{
	if (id->is_agent) {
		fault_set(f,
			"a key in an SSH agent cannot be used for TLS; leave --agent out and use an "
			"ID file with a certificate");
		return -ENOKEY;
	}
	if (!lib_id_chain(id, &ret->chain)) {
		fault_set(f,
			"%s has no certificate, and an edge server asks for one; ask for it with "
			"\"postern id renew\"",
			id->name);
		return -ENOKEY;
	}
	crypto_sign_ed25519_sk_to_seed(ret->seed, id->sign_sk);
	return 0;
}

void lib_edge_wipe(struct lib_edge_proof *p)
{
	sodium_memzero(p, sizeof(*p));
}

static void tell_stranger(const struct chain *c, struct fault *f)
{
	char issuer[NAME_TEXT_MAX] = "";
	struct cert leaf;
	struct cert_parts parts;
	if (cert_decode(c->der[0], &leaf, &parts) == CERT_OK)
		name_format(&leaf.issuer, issuer);
	fault_set(f,
		"its certificate is by %.200s, whom your ID does not trust; this is not the server of "
		"its card",
		issuer);
}

static void tell(enum chain_reject reason, const struct chain *c, const struct chain_identity *i,
	struct fault *f)
{
	char when[TIME_TEXT_MAX];
	if (reason == CHAIN_NO_ANCHOR)
		tell_stranger(c, f);
	else if (reason == CHAIN_EXPIRED)
		fault_set(f,
			"its certificate ended on %.10s by this machine's clock; its administrator "
			"renews it, or set the clock",
			time_format_utc(i->not_after_ms, when));
	else if (reason == CHAIN_NOT_YET)
		fault_set(f,
			"its certificate is not valid yet by this machine's clock; set the clock");
	else if (reason == CHAIN_REVOKED)
		fault_set(f, "its certificate was revoked; ask its administrator");
	else
		fault_set(f, "its certificates prove nothing: %s; ask its administrator",
			chain_reject_text(reason));
}

static bool compare(const struct chain_identity *i, const char *text, struct fault *f)
{
	char certified[NAME_TEXT_MAX];
	struct name name;

	name_format(&i->name, certified);
	if (name_parse(text, false, &name) != NAME_OK || !name_equal(&name, &i->name))
		fault_set(f,
			"its certificate is of %.200s, but its card is of %.200s; somebody else "
			"answers, or the card is not its own",
			certified, text);
	else if (i->kind != CERT_SERVER)
		fault_set(f, "its certificate is of a person, %.200s; only a server may be an edge",
			certified);
	else
		return true;
	return false;
}

int lib_edge_judge(const struct postern_id *id, const struct chain *c, const char *name,
	uint64_t wall_ms, uint8_t ret_pk[32], struct fault *f)
{
	struct chain_identity i;

	if (id->trust == NULL) {
		fault_set(f, "your ID has no certificate, so nobody whom it trusts");
		return -EKEYREJECTED;
	}
	const struct trust *trust = lib_trust_get(id->trust);
	enum chain_reject reason = chain_verify(trust, c, wall_ms, &i);
	bool is_genuine = reason == CHAIN_OK || reason >= CHAIN_NOT_YET;
	/* Whose it is comes before whether it still is. */
	if (is_genuine && !compare(&i, name, f))
		return -EKEYREJECTED;
	if (reason == CHAIN_OK)
		reason = chain_recheck(trust, &i, wall_ms);
	if (reason != CHAIN_OK) {
		tell(reason, c, &i, f);
		return -EKEYREJECTED;
	}
	memcpy(ret_pk, i.pk, sizeof(i.pk));
	return 0;
}
