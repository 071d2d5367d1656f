#ifndef POSTERN_CONFIG_CONFIG_H
#define POSTERN_CONFIG_CONFIG_H

/*
 * postern.conf, parsed by libconfuse, checked, and turned once into typed, const fields
 * (doc/man/postern.conf.5). Every mistake is reported with file and line, all of them at once.
 *
 * Names, groups and wildcards stay text here, with the line they stood on: identity/ and policy/ give
 * them meaning and report their mistakes through struct config_report as well.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

#define CONFIG_DOORS_MAX 16
#define CONFIG_SERVICES_MAX 256
#define CONFIG_GROUPS_MAX 256
#define CONFIG_ACTIONS_MAX 64
#define CONFIG_PASSTHRUS_MAX 64
#define CONFIG_HOST_MAX 253      /* of a host name */
#define CONFIG_SPEAKS_HEX_MAX 64 /* first bytes of one side */
#define CONFIG_COMMAND_MAX 32    /* words of a program's command line */
#define CONFIG_OPENINGS_MAX 64   /* ports that a lockdown leaves open */
#define CONFIG_RESCUE_MAX 16     /* prefixes */
#define CONFIG_LIST_MAX 1024     /* entries in one list */
#define CONFIG_NAME_MAX 63       /* service and door names: [a-z0-9-], as the wire has it */
#define CONFIG_PORTS_MAX 1024    /* ports of all services together */
#define CONFIG_RANGE_MAX 256     /* ports of one service */
#define CONFIG_TIMES_MAX 1000
#define CONFIG_LEASE_MAX (30 * 86400)
#define CONFIG_LEASE_NONE UINT32_MAX
#define CONFIG_PREFIX_V4_HOST 32
#define CONFIG_PREFIX_V6_HOST 128
/* What begins a secret that systemd passes on; its name follows. */
#define CONFIG_CREDENTIAL "credential:"
#define CONFIG_NO_GROUP UINT32_MAX
#define CONFIG_STEPS_MAX 32 /* knocks of one simple sequence */
#define CONFIG_SEQUENCES_MAX 64
#define CONFIG_STRUCTURED_MAX 4
#define CONFIG_CIPHERS_MAX 16
#define CONFIG_FWKNOPS_MAX 32
#define CONFIG_REPORT_MAX 100 /* mistakes kept; more are counted */

struct config_text {
	const char *text;
	const char *file;
	unsigned line;
};

/* A list option. "Not set" and "set but empty" differ: identity.md 1.5, doc/design.md. */
struct config_list {
	bool is_set;
	size_t len;
	struct config_text *items;
	struct config_text at; /* where the list itself stands; text is the option's name */
};

enum config_key_check { CONFIG_KEY_CHECK_OFF, CONFIG_KEY_CHECK_LISTED, CONFIG_KEY_CHECK_ALL };
enum config_crl { CONFIG_CRL_OFF, CONFIG_CRL_IF_PRESENT, CONFIG_CRL_REQUIRE };
enum config_open { CONFIG_OPEN_ONCE, CONFIG_OPEN_WINDOW, CONFIG_OPEN_TIMES };
enum config_bind { CONFIG_BIND_NO, CONFIG_BIND_REQUIRED };
enum config_backend { CONFIG_BACKEND_NFT, CONFIG_BACKEND_SCRIPT };
enum config_message { CONFIG_MESSAGE_NONE, CONFIG_MESSAGE_OPTIONAL, CONFIG_MESSAGE_REQUIRED };

enum config_journal_log { CONFIG_LOG_NONE, CONFIG_LOG_SYSLOG, CONFIG_LOG_JOURNALD };

/* A protocol and a port as one value. */
struct config_endpoint {
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
};

struct config_server {
	const char *id; /* server ID file */
	const char *
		id_key; /* 32-byte key file that opens it, or "credential:NAME"; NULL: the ID has no key-file slot in use */
	const char *stealth; /* 32-byte file that keys cookies; NULL: the server's public id does */
	const char *directory;
	const char *store;           /* SQLite file; default /var/lib/postern/postern.db */
	const char *control;         /* Unix socket; default /run/postern/control */
	const char *user;            /* unprivileged user of the knock process; default "postern" */
	enum config_backend backend; /* what opens and closes; default nft */
	const char *script;          /* program of the back end; NULL unless backend = script */
	const char *script_user;     /* as whom it runs; default root */
	uint32_t script_timeout_s;   /* default 5s, 1s..1m */
	struct config_list trust;    /* certifier certificate files */
	struct config_list allow;
	struct config_list deny;
	struct config_list crl_files; /* certificate revocation lists */
	enum config_crl crl;
	enum config_key_check key_check;
	enum config_key_check
		key_check_log; /* whose other or missing key is noted in the journal */
	bool reveal; /* answer DENIED and UNKNOWN_SERVICE also to identities that are not listed */
	bool compat_open_lists;      /* a service without an allow list admits, as Domino would */
	uint32_t retention_s;        /* journal kept this long; default 90d */
	uint32_t gates_max;          /* live gates in total; default 4096, 1..65536 */
	uint32_t identity_gates_max; /* live gates of one identity; default 16 */
	uint32_t identity_rate; /* authenticated knocks a second for one identity; default 10 */
	uint32_t mark_base;     /* high 8 bits of every connection mark; default 0x50000000 */
	const char *metrics;    /* loopback address and port of the page of metrics; NULL: none */
	enum config_journal_log journal_log; /* where decisions go beside the journal */
	uint16_t log_group;    /* nflog group on which the kernel reports a used gate; default 7 */
	const char *relay_id;  /* server ID file of the relay; NULL: no passthru encrypts */
	const char *relay_key; /* as id_key */
	uint32_t relay_connections_max; /* of all passthrus; default 1024, 1..65536 */
	uint32_t
		relay_grace_s; /* how long connections may go on when the daemon stops; default 30s, 0s..1h */
	bool lockdown; /* what nobody guards is closed and silent as well, but for: */
	struct config_list lockdown_allow;
	size_t opening_count;
	struct config_endpoint openings[CONFIG_OPENINGS_MAX]; /* of lockdown_allow */
	bool allows_echo;                                     /* and "icmp-echo" */
};

struct config_spa {
	bool is_on;
	uint16_t port;     /* udp = 62201 */
	uint32_t window_s; /* window = 30s, 5s..300s */
	uint32_t
		source_rate; /* packets with a good cookie a second per source /32 or /64; default 20 */
	uint32_t no_epoch_rate; /* the same for hint 0, all sources together; default 20 */
};

/*
 * The classic formats, doc/protocol.md "Classic knocks": what each is, stands there. as names whom the
 * directory lists; services are those that may be asked for, in their order. All off unless written.
 */
struct config_sequence {
	struct config_text at;
	const char *name; /* for the journal; NULL: none */
	size_t step_count;
	struct config_endpoint steps[CONFIG_STEPS_MAX]; /* of ports */
	struct config_list ports;
	const char *one_time; /* file of sequences, in the place of ports; NULL */
	const char *open;     /* a service; or */
	const char *close;
	const char *as;
	struct config_text as_at; /* where as stands */
	uint32_t within_s;        /* from the first knock; default 10s, 1s..5m */
	bool strict;              /* default yes: any other closed port ends the attempt */
	bool accept_weak;
};

struct config_structured {
	struct config_text at;
	uint16_t base; /* default 100; base..base+9 */
	struct config_list services;
	const char *as;
	struct config_text as_at; /* where as stands */
	uint32_t within_s;        /* default 60s, 1s..10m */
};

struct config_cipher {
	struct config_text at;
	uint16_t port_first, port_last; /* ports = "745-1000": 256 of them */
	const char *key_file;           /* a passphrase; NULL with a pad */
	uint8_t iv[8]; /* iv = "01234567": eight characters, or 16 hexadecimal digits after "0x" */
	bool has_iv;   /* none with random-iv or a pad */
	struct config_list services;
	const char *as;
	struct config_text as_at;                    /* where as stands */
	uint32_t within_s;                           /* default 60s, 1s..10m */
	bool wide, random_iv, one_time, third_party; /* wide with a pad; one_time with random_iv */
	const char *pad;                             /* file; NULL */
};

enum config_tag_hash { CONFIG_TAG_SHA256, CONFIG_TAG_BLAKE2B, CONFIG_TAG_MD5 };
enum config_tag { CONFIG_TAG_CLOCK, CONFIG_TAG_COUNTER };

struct config_tagged {
	bool is_on;
	struct config_text at;
	uint16_t base; /* default 40000; base..base+4095 */
	enum config_tag_hash hash;
	enum config_tag tag;
	uint32_t window_s;           /* default 30s, 5s..5m */
	bool observed;               /* default yes: address zero means the source */
	bool third_party;            /* default no */
	const char *keys;            /* file: a line a key, "SLOT BASE64 NAME" */
	struct config_list services; /* service slot 0 is the first; at most 255 */
};

enum config_hmac {
	CONFIG_HMAC_MD5 = 1, /* the numbers of fwknop's digests */
	CONFIG_HMAC_SHA1,
	CONFIG_HMAC_SHA256,
	CONFIG_HMAC_SHA384,
	CONFIG_HMAC_SHA512,
	CONFIG_HMAC_SHA3_256,
	CONFIG_HMAC_SHA3_512,
};
enum config_aes {
	CONFIG_AES_ECB = 1, /* the numbers of fwknop's modes */
	CONFIG_AES_CBC,
	CONFIG_AES_CFB,
	CONFIG_AES_PCBC, /* not offered */
	CONFIG_AES_OFB,
	CONFIG_AES_CTR,
	CONFIG_AES_LEGACY = 8, /* not offered: it goes with no HMAC */
};

struct config_fwknop {
	struct config_text at;
	/* Both inside the file, which nobody but its owner may then read, or both in key-file. */
	const char *key_base64, *hmac_key_base64;
	const char *
		key_file; /* lines KEY or KEY_BASE64 and HMAC_KEY or HMAC_KEY_BASE64, as in access.conf */
	enum config_hmac hmac; /* default sha256 */
	enum config_aes mode;  /* default cbc */
	struct config_list services;
	const char *as;
	struct config_text as_at; /* where as stands */
	const char *user;         /* the user name that the packet must claim; NULL: any */
	uint32_t max_age_s;       /* default 120s, 5s..1h */
	uint16_t udp; /* default 62201; 0 (written "off"): not by UDP. May be the port of spa */
	uint16_t tcp; /* the port on whose segments the text may come, also as HTTP; 0: none */
	bool icmp;    /* default no: in echo requests and the like */
	bool third_party;
};

enum config_capture { CONFIG_CAPTURE_PCAP, CONFIG_CAPTURE_NFLOG, CONFIG_CAPTURE_LOG };

struct config_door {
	const char *name;
	struct config_text at;
	enum config_capture capture;
	const char *interface; /* pcap; of nflog and log NULL: any */
	uint32_t
		group; /* nflog: the log group, which is not server.log-group; else CONFIG_NO_GROUP */
	const char *file; /* log: the file to be followed */
	size_t sequence_count, structured_count, cipher_count, fwknop_count;
	struct config_sequence *sequences;
	struct config_structured *structured;
	struct config_cipher *ciphers;
	struct config_fwknop *fwknops;
	struct config_tagged tagged;
	uint32_t sources; /* of classic knocks that are remembered; default 4096, 64..1048576 */
	struct config_list allow; /* Allow_Access_<port> */
	struct config_list deny;  /* Deny_Access_<port> */
	struct config_spa spa;
};

/* Where a service is forwarded to; port 0: nowhere. */
struct config_target {
	struct addr addr;
	uint16_t port;
};

struct config_service {
	const char *name;
	struct config_text at;
	uint8_t proto; /* IPPROTO_TCP or IPPROTO_UDP */
	uint16_t port;
	uint16_t port_last; /* of a range, above port; 0: one port */
	struct config_list allow;
	struct config_list deny;
	enum config_open open;
	uint32_t times;     /* CONFIG_OPEN_TIMES: connections, 2..CONFIG_TIMES_MAX; else 0 */
	uint32_t wait_s;    /* how long a gate stays open; default 30s, 1s..1d */
	uint32_t lease_s;   /* how long after the grant an admitted connection may live; default 8h,
			  * 1s..30d, or CONFIG_LEASE_NONE: until it ends */
	uint32_t prefix_v4; /* the widest network that a knock may ask for; default 32, one host */
	uint32_t prefix_v6; /* default 128 */
	enum config_bind bind;
	uint32_t gates_max; /* live gates of this service; default 1024 */
	const struct config_passthru
		*passthru; /* it is the listening port of this one; NULL: it is none */
	struct config_list forward;
	struct config_target forward4, forward6; /* of forward: one of each family at most */
	bool masquerade;
};

enum config_speaks {
	CONFIG_SPEAKS_ANY,
	CONFIG_SPEAKS_SSH,
	CONFIG_SPEAKS_TLS,
	CONFIG_SPEAKS_SMTP,
	CONFIG_SPEAKS_IMAP,
	CONFIG_SPEAKS_HTTP,
	CONFIG_SPEAKS_POSTGRES,
	CONFIG_SPEAKS_HEX, /* the bytes that stand in the configuration */
};

const char *config_speaks_name(enum config_speaks s); /* "ssh" */

/* First bytes of one side; len 0: anything. */
struct config_first_bytes {
	uint8_t len;
	uint8_t b[CONFIG_SPEAKS_HEX_MAX];
};

/*
 * A port of this machine from which people are let through to a port of another one. Its port is guarded
 * like a service's: the parser makes a service of the same name, port and lists, open as that (window unless
 * said otherwise: who comes through is proved by certificate, not by address).
 */
struct config_passthru {
	const char *name;
	struct config_text at;
	const struct config_service *service;
	struct config_text to_at;
	const char *host; /* a name or a numeric address */
	struct addr addr; /* of host, when that is numeric; else zero */
	uint16_t port;
	bool encrypt;              /* default yes: TLS 1.3 with certificates of both sides */
	enum config_speaks speaks; /* default any */
	struct config_first_bytes client,
		inner;  /* CONFIG_SPEAKS_HEX: "hex:0f00/1a", either may be empty */
	uint16_t knock; /* knock = udp/62201: where the other machine takes knocks that clients
				    * bring along for it; 0: nowhere */
	uint32_t connections_max;      /* default 256, 1..65536 */
	uint32_t name_connections_max; /* of one name; default 16 */
	uint32_t idle_s;               /* without a byte either way; default 1h, 10s..30d */
};

/* Who gets in, without a knock, when postern has been dead for a while. */
struct config_rescue {
	bool is_on;
	struct config_text at;
	struct config_list from;
	size_t prefix_count; /* of from: none is everybody, loopback or within another */
	struct prefix prefixes[CONFIG_RESCUE_MAX];
	struct config_endpoint to; /* a guarded port */
	uint32_t after_s;          /* default 60s, 10s..1d */
};

/* What postern send may ask for by name. */
struct config_action {
	const char *name;
	struct config_text at;
	struct config_list run; /* program, absolute, and its arguments; not set: journal only */
	const char *user;       /* NULL only when nothing is run; "root" only when written so */
	struct config_list allow;
	struct config_list deny;
	uint32_t timeout_s; /* default 30s, 1s..1h */
	enum config_message message;
	bool is_journal_only;
};

struct config_group {
	const char *name;
	struct config_text at;
	struct config_list members;
};

struct config {
	const char *file;
	struct config_server server;
	size_t door_count;
	struct config_door doors[CONFIG_DOORS_MAX];
	size_t service_count;
	struct config_service services[CONFIG_SERVICES_MAX];
	size_t passthru_count;
	struct config_passthru passthrus[CONFIG_PASSTHRUS_MAX];
	size_t action_count;
	struct config_action actions[CONFIG_ACTIONS_MAX];
	size_t group_count;
	struct config_group groups[CONFIG_GROUPS_MAX];
	struct config_rescue rescue;
};

/* Mistakes found, in the order found; each is "FILE:LINE: what is wrong; what to do". */
struct config_report {
	size_t count;                   /* all mistakes */
	size_t kept;                    /* of these in lines[] */
	char *lines[CONFIG_REPORT_MAX]; /* owned */
};

void config_report_deinit(struct config_report *r);

/* Add one mistake at a place. at may be NULL (then the line has no place). */
__attribute__((format(printf, 3, 4))) void config_report_add(
	struct config_report *r, const struct config_text *at, const char *fmt, ...);

/*
 * Parse and check path (include("...") is followed). Returns a config owned by the caller, or NULL with
 * at least one mistake in r. With mistakes found in a file that could be parsed, NULL all the same.
 */
struct config *config_load(const char *path, struct config_report *r);

void config_free(struct config *c);

/* Keys that stand in the file itself: as they are, or a comment in the place of each, for people to read. */
enum config_secrets { CONFIG_SECRETS_SHOWN, CONFIG_SECRETS_HIDDEN };

/*
 * The effective configuration as postern.conf text, defaults included. It loads again as the same
 * configuration, but for hidden secrets, which are then missing. malloc'd, or NULL; with secrets shown the
 * caller wipes it.
 */
char *config_format(const struct config *c, enum config_secrets secrets);

/* Wipe the keys that stood in the file, in a process that must not have them; they are "" then. */
void config_forget_secrets(struct config *c);

/*
 * The keyword table as mdoc for postern.conf(5): a subsection with a list for each block, one item
 * (.It Ic) a keyword with its values, bounds and default. malloc'd, or NULL. A test compares it with the manual page.
 */
char *config_format_manual(void);

/* Does the service stand on another machine, for all address families it has? */
bool config_is_forwarded(const struct config_service *s);

/* Its last port, which for most is the only one. */
static inline uint16_t config_service_last_port(const struct config_service *s)
{
	return s->port_last > s->port ? s->port_last : s->port;
}

/* "127.0.0.1:9462" or "[::1]:9462"; false (nothing written) unless it is a loopback address and a port. */
bool config_loopback_parse(const char *text, struct addr *ret, uint16_t *ret_port);

/* "mail.example:25" as in to of a passthru: NULL when it is such a place, else why not, a clause. */
const char *config_place_refusal(const char *text);

/* The service with this name, or that guards this port of a protocol; NULL when there is none. */
const struct config_service *config_service_by_name(const struct config *c, const char *name);
const struct config_action *config_action_by_name(const struct config *c, const char *name);
const struct config_service *config_service_by_port(
	const struct config *c, uint8_t proto, uint16_t port);

#endif
