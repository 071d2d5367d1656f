#ifndef TEST_IDENTITY_SCENARIOS_H
#define TEST_IDENTITY_SCENARIOS_H

/*
 * Chains, good and bad, with what we and OpenSSL must say of them. Certificates are named as in pki.h.
 */

#include "pki.h"

enum scenario_openssl {
	SAME,  /* accepts when we do, and refuses when we do */
	LAXER, /* accepts what we refuse: a trap */
	TIED, /* refuses what we accept: it applies a unit's nameConstraints to its cross-certificates */
	UNASKED /* has no such notion */
};

struct scenario {
	const char *name;
	const char *own, *items, *crls;
	enum trust_crl policy;
	const char *chain;
	uint64_t at_ms; /* 0: PKI_NOW_MS */
	enum chain_reject expected;
	enum scenario_openssl openssl;
	const char *anchors; /* for OpenSSL; NULL: vsd */
	const char *target;  /* for OpenSSL; NULL: the chain's first */
};

#define GATE "gate nn vsd"
#define BOSS "boss vsd"
#define OFF TRUST_CRL_OFF
#define IF TRUST_CRL_IF_PRESENT
#define MUST TRUST_CRL_REQUIRE
static const struct scenario scenarios[] = {
	/* inside one organisation */
	{ "a colleague", GATE, 0, 0, OFF, "mate", 0, CHAIN_OK, SAME, "nn", 0 },
	{ "under the organisation", GATE, 0, 0, OFF, "boss", 0, CHAIN_OK, SAME, 0, 0 },
	{ "a unit beside ours", GATE, 0, 0, OFF, "john qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "a server there", GATE, 0, 0, OFF, "srv qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "two units", GATE, 0, 0, OFF, "anna ub qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "four units", GATE, 0, 0, OFF, "deep u4 u3 ub qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "more than is needed", GATE, 0, 0, OFF, "john qn vsd", 0, CHAIN_OK, SAME, 0, 0 },
	{ "above the anchor nothing counts", GATE, 0, 0, OFF, "mate forged-nn carl", 0, CHAIN_OK,
		UNASKED, 0, 0 },
	{ "five units", GATE, 0, 0, OFF, "deeper u5 u4 u3 ub qn", 0, CHAIN_CERT, SAME, 0, 0 },
	{ "one is missing", GATE, 0, 0, OFF, "anna qn", 0, CHAIN_ORDER, SAME, 0, 0 },
	{ "the upper one is missing", GATE, 0, 0, OFF, "anna ub", 0, CHAIN_NO_ANCHOR, SAME, 0, 0 },
	{ "another unit's", GATE, 0, 0, OFF, "john qnx", 0, CHAIN_ORDER, SAME, 0, 0 },
	{ "upside down", GATE, 0, 0, OFF, "qn john", 0, CHAIN_KIND, UNASKED, 0, 0 },
	{ "a certifier knocks", GATE, 0, 0, OFF, "qn", 0, CHAIN_KIND, UNASKED, 0, 0 },
	{ "a person certifies", GATE, 0, 0, OFF, "by-user john qn", 0, CHAIN_KIND, SAME, 0, 0 },
	{ "middle ones swapped", GATE, 0, 0, OFF, "deep u3 u4 ub qn", 0, CHAIN_ORDER, UNASKED, 0,
		0 },
	{ "a level skipped", GATE, 0, 0, OFF, "skip qn", 0, CHAIN_PARENT, LAXER, 0, 0 },
	{ "a unit's level skipped", GATE, 0, 0, OFF, "anna skip-ou", 0, CHAIN_PARENT, LAXER, 0, 0 },
	{ "the unit's own name", GATE, 0, 0, OFF, "own-dn qn", 0, CHAIN_CERT, LAXER, 0, 0 },
	{ "a name of the level above", GATE, 0, 0, OFF, "up qn", 0, CHAIN_PARENT, SAME, 0, 0 },
	{ "a name that only begins alike", GATE, 0, 0, OFF, "sibling qn", 0, CHAIN_PARENT, SAME, 0,
		0 },
	{ "a unit of that name", GATE, 0, 0, OFF, "eve-qnx sibling-ou qn", 0, CHAIN_PARENT, SAME, 0,
		0 },
	{ "issuer in small letters", GATE, 0, 0, OFF, "fold qn", 0, CHAIN_ORDER, LAXER, 0, 0 },
	{ "subject in small letters", GATE, 0, 0, OFF, "fold-subject qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "a stranger", GATE, 0, 0, OFF, "carl", 0, CHAIN_NO_ANCHOR, SAME, 0, 0 },
	{ "a stranger with everything", GATE, 0, 0, OFF, "bob r acme", 0, CHAIN_NO_ANCHOR, SAME, 0,
		0 },
	{ "nobody is trusted", 0, 0, 0, OFF, "john qn vsd", 0, CHAIN_NO_ANCHOR, UNASKED, 0, 0 },

	/* several keys of one name */
	{ "new unit key", GATE, 0, 0, OFF, "john2 qn2", 0, CHAIN_OK, SAME, 0, 0 },
	{ "the wrong one of two", GATE, 0, 0, OFF, "john2 qn", 0, CHAIN_ORDER, SAME, 0, 0 },
	{ "both, as OpenSSL gets them", GATE, "qn", 0, OFF, "john2 qn2", 0, CHAIN_OK, SAME, 0, 0 },
	{ "unit rolls over", GATE, 0, 0, OFF, "john2 qn2-by-1 qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "old to new", GATE, "vsd2-by-1", 0, OFF, "boss2", 0, CHAIN_OK, SAME, 0, 0 },
	{ "old to new, presented", GATE, 0, 0, OFF, "boss2 vsd2-by-1", 0, CHAIN_OK, SAME, 0, 0 },
	{ "new to old", "gate2 vsd2", "vsd1-by-2", 0, OFF, "john qn", 0, CHAIN_OK, SAME, "vsd2",
		0 },
	{ "new to old, presented", "gate2 vsd2", 0, 0, OFF, "boss vsd1-by-2", 0, CHAIN_OK, SAME,
		"vsd2", 0 },
	{ "twice", GATE, 0, 0, OFF, "boss3 vsd3-by-2 vsd2-by-1", 0, CHAIN_OK, SAME, 0, 0 },
	{ "no one vouches", GATE, 0, 0, OFF, "boss2", 0, CHAIN_NO_ANCHOR, SAME, 0, 0 },
	{ "it vouches for itself", GATE, 0, 0, OFF, "boss2 vsd2", 0, CHAIN_NO_ANCHOR, SAME, 0, 0 },
	{ "from the other side only", GATE, 0, 0, OFF, "boss2 vsd1-by-2", 0, CHAIN_NO_ANCHOR, SAME,
		0, 0 },

	/* cross-certificates */
	{ "organisation", GATE, "acme-by-vsd", 0, OFF, "bob r", 0, CHAIN_OK, SAME, 0, 0 },
	{ "its person", GATE, "acme-by-vsd", 0, OFF, "carl", 0, CHAIN_OK, SAME, 0, 0 },
	{ "by our unit", GATE, "acme-by-nn", 0, OFF, "bob r", 0, CHAIN_OK, TIED, "nn", 0 },
	{ "unit", GATE, "r-by-vsd", 0, OFF, "bob", 0, CHAIN_OK, SAME, 0, 0 },
	{ "unit, not its organisation", GATE, "r-by-vsd", 0, OFF, "carl", 0, CHAIN_NO_ANCHOR, SAME,
		0, 0 },
	{ "one person", GATE, "bob-by-vsd", 0, OFF, "bob r", 0, CHAIN_OK, SAME, 0, "bob-by-vsd" },
	{ "one person, by the certificate", GATE, "bob-by-vsd", 0, OFF, "bob-by-vsd", 0, CHAIN_OK,
		SAME, 0, 0 },
	{ "one person, another key", GATE, "bob-by-vsd", 0, OFF, "bob-other-key r", 0,
		CHAIN_NO_ANCHOR, SAME, 0, 0 },
	{ "one person, not another", GATE, "bob-by-vsd", 0, OFF, "carl", 0, CHAIN_NO_ANCHOR, SAME,
		0, 0 },
	{ "by a person", BOSS, "acme-by-boss", 0, OFF, "bob r", 0, CHAIN_OK, UNASKED, 0, 0 },
	{ "of a person by a person", BOSS, "bob-by-boss", 0, OFF, "bob", 0, CHAIN_OK, UNASKED, 0,
		0 },
	{ "presented by the stranger", GATE, 0, 0, OFF, "bob r acme-by-vsd", 0, CHAIN_PARENT, LAXER,
		0, 0 },
	{ "forged local name", GATE, "acme-by-vsd", 0, OFF, "forged", 0, CHAIN_SUBTREE, SAME, 0,
		0 },
	{ "forged local unit", GATE, "acme-by-vsd", 0, OFF, "forged-mate forged-nn", 0,
		CHAIN_SUBTREE, SAME, 0, 0 },
	{ "not transitive", GATE, "acme-by-vsd", 0, OFF, "pete third-by-acme", 0, CHAIN_SUBTREE,
		SAME, 0, 0 },
	{ "three units below", GATE, "acme-by-vsd", 0, OFF, "dora a3 a2 r", 0, CHAIN_OK, SAME, 0,
		0 },
	{ "four units below", GATE, "acme-by-vsd", 0, OFF, "emil a4 a3 a2 r", 0, CHAIN_PATH_LENGTH,
		SAME, 0, 0 },
	{ "three, by our unit", GATE, "acme-by-nn", 0, OFF, "dora a3 a2 r", 0, CHAIN_PATH_LENGTH,
		SAME, "nn", 0 },
	{ "foreign rollover", GATE, "acme-by-vsd", 0, OFF, "carl2 acme2-by-1", 0, CHAIN_OK, SAME, 0,
		0 },
	{ "foreign rollover in our files", GATE, "acme-by-vsd acme2-by-1", 0, OFF, "carl2", 0,
		CHAIN_OK, SAME, 0, 0 },

	/* dates: at the first millisecond, before it, at the last, after it */
	{ "leaf ends", GATE, 0, 0, OFF, "john-soon qn", PKI_SOON_MS, CHAIN_EXPIRED, SAME, 0, 0 },
	{ "leaf is about to end", GATE, 0, 0, OFF, "john-soon qn", PKI_SOON_MS - 1000, CHAIN_OK,
		SAME, 0, 0 },
	{ "leaf begins", GATE, 0, 0, OFF, "john-later qn", PKI_SOON_MS, CHAIN_OK, SAME, 0, 0 },
	{ "leaf is about to begin", GATE, 0, 0, OFF, "john-later qn", PKI_SOON_MS - 1000,
		CHAIN_NOT_YET, SAME, 0, 0 },
	{ "unit ends", GATE, 0, 0, OFF, "john qn-soon", PKI_SOON_MS, CHAIN_EXPIRED, SAME, 0, 0 },
	{ "unit has not begun", GATE, 0, 0, OFF, "john qn-later", 0, CHAIN_NOT_YET, SAME, 0, 0 },
	{ "our unit ends", "gate nn-soon vsd", 0, 0, OFF, "mate", PKI_SOON_MS, CHAIN_EXPIRED, SAME,
		"nn-soon", 0 },
	{ "organisation ends", "gate nn vsd-soon", 0, 0, OFF, "boss", PKI_SOON_MS, CHAIN_EXPIRED,
		SAME, "vsd-soon", 0 },
	{ "organisation above our unit ends", "gate nn vsd-soon", 0, 0, OFF, "mate", PKI_SOON_MS,
		CHAIN_EXPIRED, UNASKED, 0, 0 },
	{ "cross-certificate ends", GATE, "acme-by-vsd-soon", 0, OFF, "bob r", PKI_SOON_MS,
		CHAIN_EXPIRED, SAME, 0, 0 },
	{ "all end", GATE, 0, 0, OFF, "john qn", PKI_END_MS, CHAIN_EXPIRED, SAME, 0, 0 },
	{ "none has begun", GATE, 0, 0, OFF, "john qn", PKI_BEGIN_MS - 1, CHAIN_NOT_YET, SAME, 0,
		0 },

	/* lists */
	{ "leaf revoked", GATE, "qn", "qn-john", IF, "john qn", 0, CHAIN_REVOKED, UNASKED, 0, 0 },
	{ "its renewed certificate is not", GATE, "qn", "qn-john", IF, "john-b qn", 0, CHAIN_OK,
		UNASKED, 0, 0 },
	{ "one serial of another issuer", GATE, "qn", "qn-john", IF, "anna ub qn", 0, CHAIN_OK,
		UNASKED, 0, 0 },
	{ "unit revoked", GATE, 0, "vsd-qn", IF, "john qn", 0, CHAIN_REVOKED, UNASKED, 0, 0 },
	{ "under the anchor", GATE, 0, "nn-mate", IF, "mate", 0, CHAIN_REVOKED, UNASKED, 0, 0 },
	{ "policy off", GATE, 0, "vsd-qn", OFF, "john qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "no list is needed", GATE, 0, 0, IF, "john qn", 0, CHAIN_OK, SAME, 0, 0 },
	{ "outdated list still revokes", GATE, 0, "vsd-old", IF, "boss", 0, CHAIN_REVOKED, UNASKED,
		0, 0 },
	{ "outdated list is no obstacle", GATE, 0, "vsd-old", IF, "john qn", 0, CHAIN_OK, UNASKED,
		0, 0 },
	{ "all lists there", GATE, "qn", "vsd-none qn-none", MUST, "john qn", 0, CHAIN_OK, SAME, 0,
		0 },
	{ "three lists there", GATE, "qn ub", "vsd-none qn-none ub-none", MUST, "anna ub qn", 0,
		CHAIN_OK, SAME, 0, 0 },
	{ "lists there, leaf revoked", GATE, "qn", "vsd-none qn-john", MUST, "john qn", 0,
		CHAIN_REVOKED, SAME, 0, 0 },
	{ "lists there, unit revoked", GATE, "qn", "vsd-qn qn-none", MUST, "john qn", 0,
		CHAIN_REVOKED, SAME, 0, 0 },
	{ "none there", GATE, 0, 0, MUST, "john qn", 0, CHAIN_NO_CRL, SAME, 0, 0 },
	{ "unit's list missing", GATE, 0, "vsd-none", MUST, "john qn", 0, CHAIN_NO_CRL, SAME, 0,
		0 },
	{ "organisation's list missing", GATE, "qn", "qn-none", MUST, "john qn", 0, CHAIN_NO_CRL,
		SAME, 0, 0 },
	{ "unit's list outdated", GATE, "qn", "vsd-none qn-old", MUST, "john qn", 0, CHAIN_NO_CRL,
		SAME, 0, 0 },
	{ "outdated, and it revokes", GATE, "qn", "vsd-none qn-old", MUST, "srv qn", 0,
		CHAIN_REVOKED, SAME, 0, 0 },
	{ "list of tomorrow", GATE, 0, "vsd-early", MUST, "boss", 0, CHAIN_NO_CRL, SAME, 0, 0 },
	{ "list just ended", GATE, 0, "vsd-none", MUST, "boss", PKI_SOON_MS, CHAIN_NO_CRL, SAME, 0,
		0 },
	{ "list about to end", GATE, 0, "vsd-none", MUST, "boss", PKI_SOON_MS - 1000, CHAIN_OK,
		SAME, 0, 0 },
	{ "cross-certificate revoked", GATE, "acme-by-vsd", "vsd-cross", IF, "carl", 0,
		CHAIN_REVOKED, UNASKED, 0, 0 },
	{ "one person's revoked", GATE, "bob-by-vsd", "vsd-cross", IF, "bob", 0, CHAIN_REVOKED,
		UNASKED, 0, 0 },
	{ "below a rollover of it", GATE, "acme-by-vsd acme2-by-1", "vsd-cross", IF, "carl2", 0,
		CHAIN_REVOKED, UNASKED, 0, 0 },
	{ "foreign lists there", GATE, "acme-by-vsd r", "vsd-none acme-none r-none", MUST, "bob r",
		0, CHAIN_OK, SAME, 0, 0 },
	{ "foreign unit revoked", GATE, "acme-by-vsd r", "vsd-none acme-r r-none", MUST, "bob r", 0,
		CHAIN_REVOKED, SAME, 0, 0 },
	{ "foreign list missing", GATE, "acme-by-vsd", "vsd-none", MUST, "carl", 0, CHAIN_NO_CRL,
		SAME, 0, 0 },
	{ "by a person no list is asked", BOSS, "bob-by-boss", 0, MUST, "bob", 0, CHAIN_OK, UNASKED,
		0, 0 },
	{ "expired before revoked", GATE, "qn", "qn-john", IF, "john qn", PKI_END_MS, CHAIN_EXPIRED,
		UNASKED, 0, 0 },
};
#undef GATE
#undef BOSS
#undef OFF
#undef IF
#undef MUST

#define SCENARIO_COUNT (sizeof(scenarios) / sizeof(scenarios[0]))

#endif
