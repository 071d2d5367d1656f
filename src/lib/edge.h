#ifndef POSTERN_LIB_EDGE_H
#define POSTERN_LIB_EDGE_H

/*
 * What an unlocked ID is for TLS with an edge server: its chain and key for one side, the judgement of the
 * other side's chain for the other. Not part of libpostern; no TLS in here.
 */

#include "base/file.h"
#include "identity/chain.h"
#include "postern/postern.h"

/* Holds a secret: lib_edge_wipe. */
struct lib_edge_proof {
	uint8_t seed[32];
	struct chain chain; /* leaf first; borrowed from the ID */
};

/* 0, or -ENOKEY with *f: a key in an agent, or an ID that nobody has certified. */
__attribute__((warn_unused_result)) int lib_edge_prove(
	const struct postern_id *id, struct lib_edge_proof *ret, struct fault *f);
void lib_edge_wipe(struct lib_edge_proof *p);

/*
 * Is this the chain of the server of that name, by those whom the ID trusts, at wall_ms? 0 and its key, or
 * -EKEYREJECTED with *f, a clause about "its certificate".
 */
__attribute__((warn_unused_result)) int lib_edge_judge(const struct postern_id *id,
	const struct chain *c, const char *name, uint64_t wall_ms, uint8_t ret_pk[32],
	struct fault *f);

#endif
