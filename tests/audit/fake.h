#ifndef POSTERN_TESTS_FAKE_H
#define POSTERN_TESTS_FAKE_H

/*
 * A server for tests that answers ClientHellos as a profile says, so that what an audit finds can be compared
 * with what is there by definition. It knows nothing of src/audit: two readers of the same standards who
 * agree are more likely right than one who agrees with himself. No key is ever agreed.
 */

#include <openssl/evp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FAKE_LIST_MAX 512
#define FAKE_SERVERS_MAX 256
#define FAKE_TEXT_MAX 200
#define FAKE_IN_MAX 40000
#define FAKE_OUT_MAX (1400 * 1024)

enum fake_version {
	FAKE_SSL2,
	FAKE_SSL3,
	FAKE_TLS10,
	FAKE_TLS11,
	FAKE_TLS12,
	FAKE_TLS13,
	FAKE_VERSIONS
};

enum fake_kx {
	FAKE_RSA,
	FAKE_EXPORT_RSA,
	FAKE_DHE_RSA,
	FAKE_DH_ANON,
	FAKE_ECDHE_RSA,
	FAKE_ECDHE_ECDSA,
	FAKE_ECDH_ANON,
	FAKE_ECDH, /* static: the key is in the ECDSA certificate */
	FAKE_KRB5, /* a ticket of the client: no certificate, no key of the server */
	FAKE_ANY,  /* TLS 1.3, SSLv2 */
	FAKE_KX_COUNT,
};

struct fake_suite {
	uint32_t id;
	enum fake_kx kx;
};

struct fake_cert {
	size_t len,
		count; /* of the whole list as it stands in the message, 3-byte lengths included */
	uint8_t *list;
	size_t first_len; /* of the first certificate, at list + 3 */
	EVP_PKEY *key;    /* NULL: none was given */
};

enum fake_refusal { FAKE_REFUSE_ALERT, FAKE_REFUSE_CLOSE, FAKE_REFUSE_SILENT };
enum fake_heartbeat { FAKE_NO_HEARTBEAT, FAKE_HEARTBEAT, FAKE_HEARTBLEED };

struct fake_profile {
	uint16_t port;
	bool is_put_off; /* who wants in waits until the others were heard */
	/* TLS */
	size_t suite_count[FAKE_VERSIONS];
	struct fake_suite suites[FAKE_VERSIONS][FAKE_LIST_MAX];
	bool is_client_order;
	size_t group_count, signature_count;
	uint16_t groups[FAKE_LIST_MAX], signatures[FAKE_LIST_MAX];
	struct fake_cert rsa, ecdsa, other; /* other: without server name */
	size_t dh_len;
	uint8_t dh[2048];
	bool is_dh_reused, is_ecdh_reused;
	uint8_t reused[2048];
	unsigned export_bits;
	unsigned staple_len;
	bool has_compression, has_renegotiation, has_ems, has_etm, has_ticket, has_session_id,
		has_scsv, wants_certificate;
	char alpn[32];
	enum fake_heartbeat heartbeat;
	bool is_ccs_open, is_robot;
	bool needs_name;
	bool has_clock; /* the time in the random */
	enum fake_refusal refusal;
	/* what it does not bear */
	unsigned version_max_borne;  /* newest version code in a hello; 0: any */
	unsigned size_from, size_to; /* lengths of a hello */
	unsigned first_suites;       /* only so many are looked at */
	bool is_grease_fatal;
	bool is_extension_fatal; /* any extension at all */
	/* how it behaves */
	unsigned segment;   /* bytes in one write; 0: as they come */
	unsigned at_once;   /* connections; 0: any */
	unsigned drop_each; /* every n-th connection is reset */
	unsigned per_minute;
	unsigned greylist; /* so many connections are turned away first */
	unsigned limit_after,
		limit_ms; /* so many hellos, then refusals for that long; 0: for ever */
	unsigned drip_ms; /* a byte each, for ever; 0: no */
	/* before TLS */
	bool is_smtp;
	char greeting[FAKE_TEXT_MAX], starttls_reply[FAKE_TEXT_MAX];
	bool has_no_starttls, is_mute, is_garbage;
	unsigned greeting_delay_ms;
	/* counted */
	unsigned connections, hellos, open, peak, refused;
	uint64_t minute_ms, limit_at_ms;
	unsigned in_minute;
};

/* What a client offered. */
struct fake_hello {
	bool is_ssl2;
	size_t len;
	unsigned legacy, newest;
	bool is_offered[FAKE_VERSIONS];
	size_t suite_count, group_count, signature_count, share_count;
	uint32_t suites[2 * FAKE_LIST_MAX];
	uint16_t groups[FAKE_LIST_MAX], signatures[FAKE_LIST_MAX], shares[16];
	size_t session_id_len;
	uint8_t session_id[32];
	bool has_versions, has_groups, has_signatures, has_name, has_deflate, has_ems, has_etm,
		has_ticket, has_status, has_renegotiation, has_heartbeat, has_alpn, has_unknown,
		has_extensions, has_scsv, has_shares;
};

enum fake_state { FAKE_GREET, FAKE_SMTP, FAKE_HELLO, FAKE_AFTER, FAKE_DEAD };

struct fake_conn {
	int fd;
	struct fake_profile *profile;
	enum fake_state state;
	bool is_counted, is_closing, is_reset;
	uint64_t speak_at_ms; /* greeting, or the next drop, is due then; 0: it was said */
	size_t drops;
	size_t in_len, out_len, out_at;
	uint8_t in[FAKE_IN_MAX];
	uint8_t *out;
	size_t out_cap;
	/* of the handshake */
	struct fake_suite suite;
	enum fake_version version;
	unsigned changes; /* ChangeCipherSpec seen behind the flight */
	struct fake_conn *next;
};

/* fake_profile.c: "key words" lines; "listen PORT" begins the next. Exits with a sentence when a line is wrong. */
size_t fake_profiles_read(const char *path, struct fake_profile *to, size_t cap);
extern const unsigned fake_version_code[FAKE_VERSIONS];

/* fake_hello.c: 1 a whole hello (its bytes are *used), 0 more is needed, -1 none. */
int fake_hello_read(const uint8_t *in, size_t len, struct fake_hello *ret, size_t *used);

/* fake_answer.c */
void fake_answer(struct fake_conn *c, const struct fake_hello *h);

/* fake_attack.c: what comes behind the flight; c->in is consumed. */
void fake_after(struct fake_conn *c);

/* fake_smtp.c: lines before TLS; c->in is consumed. */
void fake_greet(struct fake_conn *c);
void fake_smtp(struct fake_conn *c);

/* fake.c */
void fake_send(struct fake_conn *c, const void *bytes, size_t len);
void fake_say(struct fake_conn *c, const char *line);
void fake_alert(struct fake_conn *c, unsigned code); /* and close */
void fake_consume(struct fake_conn *c, size_t len);

#endif
