#ifndef POSTERN_AUDIT_FACTS_H
#define POSTERN_AUDIT_FACTS_H

/*
 * What the audit knows of one gateway (an address, a port and how TLS begins there) and of one domain:
 * facts alone. What is good or bad about them is audit/finding.h's; how they are shown audit/report.h's.
 * Filled by audit/enumerate.c and audit/domain.c, read by everybody to their right. Fixed bounds: a server
 * can make a list end early (then it is marked), never make it longer.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define AUDIT_HOST_MAX 253
#define AUDIT_WORDS_MAX 512  /* of a server, quoted: printable, one line, cut */
#define AUDIT_SUITES_MAX 512 /* of one version */
#define AUDIT_GROUPS_MAX 64
#define AUDIT_SIGNATURES_MAX 64
#define AUDIT_EXTENSIONS_MAX 64
#define AUDIT_CHAIN_MAX 16 /* certificates of one chain */
#define AUDIT_CHAINS_MAX 4 /* chains of one gateway: RSA, ECDSA, without server name, ... */
#define AUDIT_CERT_LEN_MAX (1 << 20)
#define AUDIT_CHAINS_LEN_MAX (AUDIT_CERT_LEN_MAX + 65536) /* all chains, with staples: one flight */
#define AUDIT_DH_LEN_MAX 2048                             /* bytes of a prime */
#define AUDIT_TLSA_MAX 32
#define AUDIT_MX_MAX 64
#define AUDIT_CAA_MAX 32

enum audit_version {
	AUDIT_SSL2,
	AUDIT_SSL3,
	AUDIT_TLS10,
	AUDIT_TLS11,
	AUDIT_TLS12,
	AUDIT_TLS13,
	AUDIT_VERSION_COUNT,
};

const char *audit_version_name(
	enum audit_version v);                     /* "SSLv2", "SSLv3", "TLSv1", "TLSv1.1", ... */
uint16_t audit_version_code(enum audit_version v); /* 0x0002, 0x0300 ... 0x0304 */

/* How TLS begins. */
enum audit_starttls {
	AUDIT_DIRECT,
	AUDIT_SMTP,
	AUDIT_LMTP,
	AUDIT_IMAP,
	AUDIT_POP3,
	AUDIT_FTP,
	AUDIT_LDAP,
	AUDIT_XMPP_CLIENT,
	AUDIT_XMPP_SERVER,
	AUDIT_POSTGRES,
	AUDIT_MYSQL,
	AUDIT_NNTP,
	AUDIT_SIEVE,
	AUDIT_IRC,
	AUDIT_STARTTLS_COUNT,
};

const char *audit_starttls_name(
	enum audit_starttls s); /* "direct", "smtp", ..., "xmpp", "xmpp-server" */
const char *audit_starttls_service(enum audit_starttls s); /* "SMTP", as people write it */
bool audit_starttls_parse(const char *name, enum audit_starttls *ret); /* a name or URL scheme */
uint16_t audit_starttls_port(enum audit_starttls s);       /* the usual one: 25, 24, 143, ... 443 */
enum audit_starttls audit_starttls_of_port(uint16_t port); /* by port; AUDIT_DIRECT for any other */

/* Three answers, for whatever a probe asks. */
enum audit_answer { AUDIT_UNKNOWN, AUDIT_NO, AUDIT_YES };

/* Where a scan of one gateway ended. */
enum audit_end {
	AUDIT_END_NONE, /* not looked at */
	AUDIT_END_COMPLETE,
	AUDIT_END_INCOMPLETE,  /* some lists may be short: words says why */
	AUDIT_END_NO_CONNECT,  /* nobody there: refused, unreachable, no answer */
	AUDIT_END_NO_STARTTLS, /* the dialogue never offers it */
	AUDIT_END_REFUSED, /* offered and refused, or the greeting is a refusal; code and words */
	AUDIT_END_RATE,    /* rate limited, to the end of the budget */
	AUDIT_END_MUTE,    /* connected, nothing said in time */
	AUDIT_END_NOT_TLS, /* other bytes than TLS came */
	AUDIT_END_COUNT,
};

struct audit_target {
	char given[AUDIT_HOST_MAX + 16]; /* what the user wrote */
	char domain[AUDIT_HOST_MAX + 1]; /* of whose mail it is a gateway; "" */
	char host[AUDIT_HOST_MAX +
		1]; /* name, for SNI and certificate; "" when only an address is known */
	struct addr addr;
	uint16_t port;
	enum audit_starttls starttls;
	uint16_t preference; /* of the MX record */
};

/* One accepted suite, in the order in which the server would choose, where that is known. */
struct audit_accepted {
	uint32_t suite;    /* 16 bits; of SSLv2 24 */
	uint16_t group;    /* of its key exchange when seen; 0 */
	uint16_t dh_bits;  /* of a finite field, 0 */
	uint16_t rsa_bits; /* of an export key, 0 */
};

struct audit_protocol {
	enum audit_answer offered;
	bool is_incomplete; /* there may be more suites than these */
	size_t suite_count, suite_room;
	struct audit_accepted *suites;  /* owned by the facts; audit_facts_accept adds to it */
	uint32_t preferred;             /* chosen from everything offered at once; 0: not known */
	enum audit_answer server_order; /* the server's preference decides, not the client's */
	bool is_order_known;            /* suites[] is in that order */
};

struct audit_cert {
	size_t len;
	uint8_t *der; /* owned by the facts */
};

struct audit_chain {
	uint8_t is_without_name; /* seen when no server name was sent */
	enum audit_version version;
	bool is_cut; /* more was sent than is here: certificates beyond the bounds, and all behind them */
	size_t count;
	struct audit_cert certs[AUDIT_CHAIN_MAX];
	size_t staple_len; /* OCSP response; 0: none */
	uint8_t *staple;   /* owned */
};

struct audit_dh {
	uint16_t bits;
	size_t len;
	uint8_t prime[AUDIT_DH_LEN_MAX];
	uint16_t generator;
	enum audit_answer is_reused; /* the same public value twice */
};

/* What single probes say. */
struct audit_probes {
	enum audit_answer secure_renegotiation;
	enum audit_answer compression;   /* DEFLATE was chosen */
	enum audit_answer fallback_scsv; /* a downgrade with the signal is refused */
	enum audit_answer extended_master_secret;
	enum audit_answer encrypt_then_mac;
	enum audit_answer session_ticket;
	enum audit_answer session_id;
	enum audit_answer ecdh_reuse;
	enum audit_answer heartbeat;     /* the extension */
	enum audit_answer heartbleed;    /* CVE-2014-0160 */
	enum audit_answer ccs_injection; /* CVE-2014-0224 */
	enum audit_answer robot;         /* CVE-2017-13099 and its like; YES: an oracle answers */
	enum audit_answer starttls_injection; /* CVE-2011-0411 */
	enum audit_answer early_plain;        /* plain bytes came behind the go-ahead for TLS */
	enum audit_answer grease;             /* unknown values are tolerated */
	enum audit_answer alpn;
	enum audit_answer needs_name; /* refuses without server name */
	int32_t clock_skew_s;         /* of the time in the server random; INT32_MAX: not known */
};

/* The first words of a server before TLS. */
struct audit_words {
	int code;                       /* of the reply; 0: none */
	char text[AUDIT_WORDS_MAX + 1]; /* in the server's own words */
	char greeting[AUDIT_WORDS_MAX + 1];
	char keywords[AUDIT_WORDS_MAX + 1]; /* EHLO or CAPABILITY, blanks between */
	uint32_t greeting_ms;               /* how long it took to come */
};

enum audit_tlsa_state {
	AUDIT_TLSA_NONE,
	AUDIT_TLSA_MATCH,
	AUDIT_TLSA_MISMATCH,
	AUDIT_TLSA_UNUSABLE
};

struct audit_tlsa {
	uint8_t usage, selector, matching;
	size_t len;
	uint8_t data[512];
	enum audit_tlsa_state state;
};

/* What DNS says of one gateway's host. */
struct audit_dane {
	enum audit_answer is_secure;      /* the answer for the TLSA records was validated (AD) */
	enum audit_answer is_host_secure; /* and that for the addresses */
	bool is_asked;                    /* for TLSA records at all */
	bool is_failed; /* no answer for TLSA: a sender with DANE does not deliver, RFC 7672 2.1.1 */
	size_t count;
	struct audit_tlsa records[AUDIT_TLSA_MAX];
};

struct audit_verify {
	bool is_done;
	int error;                      /* X509_V_*, 0: the chain leads to an anchor */
	char text[128];                 /* "self signed certificate" */
	enum audit_answer name_matches; /* of the host, or what the domain's policy wants */
	enum audit_answer order_right;
	enum audit_answer lacks_intermediate;
};

struct audit_facts {
	struct audit_target target;
	enum audit_end end;
	struct audit_words words;
	struct audit_protocol protocols[AUDIT_VERSION_COUNT];
	size_t group_count;
	uint16_t groups[AUDIT_GROUPS_MAX]; /* in the order found; TLS 1.2 and 1.3 together */
	bool is_group_list_incomplete;
	size_t signature_count;
	uint16_t signatures[AUDIT_SIGNATURES_MAX];
	size_t extension_count;
	uint16_t extensions[AUDIT_EXTENSIONS_MAX]; /* that the server answered with */
	size_t chain_count;
	struct audit_chain chains[AUDIT_CHAINS_MAX];
	bool is_chain_list_cut;     /* more chains were sent than there is room for */
	struct audit_verify verify; /* of chains[0] */
	struct audit_dh dh;         /* the weakest seen; bits 0: none */
	struct audit_probes probes;
	struct audit_dane dane;
	uint32_t connections, lost, retried; /* probes */
	uint32_t wall_ms;
	char incomplete[AUDIT_WORDS_MAX + 1]; /* why a list may be short; "" */
};

struct audit_facts *audit_facts_new(const struct audit_target *t);
void audit_facts_free(struct audit_facts *f);

/* The same facts of another target (the same server under another domain). NULL without memory. */
struct audit_facts *audit_facts_copy(const struct audit_facts *f, const struct audit_target *t);

/* Put a suite behind the others. False without memory, or when there are AUDIT_SUITES_MAX. */
bool audit_facts_accept(struct audit_protocol *p, const struct audit_accepted *a);

/*
 * Keep a chain unless the same stands there. False without room or memory, and then the list is marked as cut.
 * der is copied.
 */
bool audit_facts_add_chain(struct audit_facts *f, const struct audit_chain *c);

enum audit_sts {
	AUDIT_STS_NONE,
	AUDIT_STS_TESTING,
	AUDIT_STS_ENFORCE,
	AUDIT_STS_OFF,
	AUDIT_STS_BROKEN
};

/* What became of a question to DNS. */
enum audit_look {
	AUDIT_LOOK_NONE, /* not asked */
	AUDIT_LOOK_DONE, /* answered; there may be nothing */
	AUDIT_LOOK_FAILED,
	AUDIT_LOOK_BROKEN, /* answered, with something that cannot be used */
	AUDIT_LOOK_COUNT,
};

struct audit_mx {
	uint16_t preference;
	char host[AUDIT_HOST_MAX + 1];
	bool is_cname, is_address; /* neither may be, RFC 5321 5.1 */
	bool has_v4, has_v6;
	bool is_v6_failed; /* IPv6 addresses could not be looked up */
	enum audit_answer matches_sts;
};

/* What a domain promises. */
struct audit_domain {
	char name[AUDIT_HOST_MAX + 1];
	bool is_null_mx, is_implicit_mx;
	enum audit_answer is_mx_secure;        /* DNSSEC state of the MX answer */
	int dns_error;                         /* 0, or of c-ares: no MX records were had */
	char text[AUDIT_WORDS_MAX + 1];        /* what was amiss on the way, "; " between */
	char dnssec_text[AUDIT_WORDS_MAX + 1]; /* why the DNSSEC states are not known; "" */
	enum audit_look mx_look, sts_look, tls_rpt_look, caa_look;
	size_t mx_count;
	struct audit_mx mx[AUDIT_MX_MAX];
	enum audit_sts sts; /* NONE means none only where sts_look is DONE */
	char sts_id[33];
	uint32_t sts_max_age_s;
	char sts_text[AUDIT_WORDS_MAX + 1]; /* what is wrong with it */
	size_t sts_mx_count;
	char sts_mx[AUDIT_MX_MAX][AUDIT_HOST_MAX + 1];
	char tls_rpt[AUDIT_WORDS_MAX + 1]; /* rua of TLS-RPT; "" none */
	size_t caa_count;
	struct {
		uint8_t flags;
		char tag[16];
		char value[AUDIT_HOST_MAX + 1];
	} caa[AUDIT_CAA_MAX];
};

#endif
