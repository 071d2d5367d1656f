#ifndef POSTERN_POSTERN_H
#define POSTERN_POSTERN_H

/*
 * libpostern: the client half of postern. Build a knock, read the answer. No input or output of its own
 * but reading the files it is given and, for an ID of postern_id_agent, talking to the SSH agent; the
 * caller owns the UDP socket and the clock. Depends on libsodium only. Not thread-safe for one object; different objects are independent.
 *
 * Wire format: doc/protocol.md. All times are milliseconds since 1970 UTC unless a name says otherwise.
 *
 * One knock, with fd a UDP socket connected to the server, wall() and mono() clocks in milliseconds:
 *
 *	postern_card_load("gw.card", &card, &err);
 *	postern_id_load("me.id", password, strlen(password), &id, &err);
 *	if (postern_card_verify(card, id, wall(), &err) == 1)
 *		fprintf(stderr, "%s\n", err.text);
 *	struct postern_request request = { .op = POSTERN_OPEN, .service = "ssh" };
 *	postern_session_new(card, id, &request, &memory, &session, &err);
 *	while ((step = postern_session_next(session, wall(), mono(), &datagram, &len, &wait_ms)) !=
 *			POSTERN_DONE && step != POSTERN_SILENT) {
 *		if (step == POSTERN_SEND)
 *			send(fd, datagram, len, 0);
 *		else if (poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, (int)wait_ms) > 0 &&
 *			(n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
 *			postern_session_offer(session, buffer, (size_t)n, wall());
 *	}
 *	if (step == POSTERN_DONE)
 *		postern_session_answer(session, &answer);
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define POSTERN_DATAGRAM_MAX 1232
#define POSTERN_ERROR_MAX 512

/* A sentence for a person: what, where, what to do. */
struct postern_error {
	char text[POSTERN_ERROR_MAX];
};

/* 0 on success; on failure a negative errno, with the sentence in *err (which may be NULL). */

struct postern_card; /* what a client needs to know of a server */
struct postern_id; /* who knocks: an unlocked secret key, wiped by postern_id_free, or an agent's */

int postern_card_load(const char *path, struct postern_card **ret, struct postern_error *err);
void postern_card_free(struct postern_card *card);
const char *postern_card_host(const struct postern_card *card); /* "" when the card names none */
uint16_t postern_card_port(const struct postern_card *card);    /* UDP */
const char *postern_card_service(
	const struct postern_card *card);                         /* default service, "" for none */
const char *postern_card_name(const struct postern_card *card);   /* the server's name */
const uint8_t *postern_card_sid(const struct postern_card *card); /* 32 bytes */

/*
 * Unlock an ID file with its password (len bytes, no line end). -EACCES: wrong password. Takes memory and
 * most of a second by design.
 */
int postern_id_load(const char *path, const char *password, size_t len, struct postern_id **ret,
	struct postern_error *err);

/*
 * Trust what the certificates and revocation lists in a PEM file say as well: cross-certificates, which an
 * ID or its certifiers issued for other organisations, units or servers, and new keys of its certifiers. An
 * ID that was loaded trusts its own certifiers anyway. -ENOKEY: something in the file says nothing to this
 * ID, since nobody it trusts signed it; the rest counts.
 */
int postern_trust_add(struct postern_id *id, const char *path, struct postern_error *err);

/*
 * Is the card of a server that the ID trusts? 0: yes. 1: yes, but its certificate is not valid at wall_ms,
 * *err says which way; this does not keep anybody from knocking, since it may be our clock that is wrong.
 * -EKEYREJECTED: no. postern_session_new asks this, all but the dates, by itself. An ID without certificates,
 * such as an agent's, trusts every card: then who gave you the card decides.
 */
int postern_card_verify(const struct postern_card *card, const struct postern_id *id,
	uint64_t wall_ms, struct postern_error *err);

/*
 * An ID whose key stays in an SSH agent: ssh-ed25519, or sk-ssh-ed25519@openssh.com on a token. socket
 * NULL: the one that SSH_AUTH_SOCK names. key: a fingerprint as "ssh-add -l" prints it, the key's comment,
 * or a .pub file; NULL: the first key that will do. Connects to the agent here, which takes at most 10
 * seconds, and for every signature (postern_session_next) again, at most 60 seconds each: the agent may
 * ask a person, or wait for the token to be touched.
 *
 * Whoever controls a machine to which an agent is forwarded can have it sign. Unless may_forward, an
 * agent is refused (-EPERM) when the process that listens is an SSH server or client, or cannot be
 * seen. That is told by the name of the process: it keeps nobody out who controls this machine.
 */
int postern_id_agent(const char *socket, const char *key, bool may_forward, struct postern_id **ret,
	struct postern_error *err);

/* True for a token: somebody has to touch it for each signature. */
bool postern_id_wants_touch(const struct postern_id *id);

void postern_id_free(struct postern_id *id);
const char *postern_id_name(const struct postern_id *id);

/* POSTERN_ACTION: have the server run what it knows by the name in service, perhaps with a message. */
enum postern_op {
	POSTERN_OPEN = 0,
	POSTERN_RENEW = 1,
	POSTERN_CLOSE = 2,
	POSTERN_PROBE = 3,
	POSTERN_ACTION = 4,
};

#define POSTERN_MESSAGE_MAX 900 /* bytes */
#define POSTERN_ACTION_ID_LEN 16

enum postern_status {
	POSTERN_OK = 0,
	POSTERN_STALE = 1,
	POSTERN_RETRY = 2,
	POSTERN_BIND = 3,
	POSTERN_DENIED = 4,
	POSTERN_EXPIRED = 5,
	POSTERN_BUSY = 6,
	POSTERN_UNKNOWN_SERVICE = 7,
	POSTERN_LIMIT = 8,
};

/* How a server is told who knocks. */
enum postern_identity {
	POSTERN_IDENTITY_AUTO,  /* whichever it answers, see struct postern_session */
	POSTERN_IDENTITY_KEY,   /* by key id: the server's directory has the key */
	POSTERN_IDENTITY_CHAIN, /* by certificates: the server trusts the certifier */
};

struct postern_request {
	enum postern_op op;
	const char *service; /* by name; or NULL and proto and port */
	uint8_t proto;       /* 6 or 17 */
	uint16_t port;
	uint32_t seconds; /* 0: as long as the service gives */
	const char *
		address; /* NULL: the address the server observes; else a numeric address to be signed */
	uint16_t source_port; /* 0: any */
	enum postern_identity identity;
	uint16_t port_last; /* of a range that begins with port; 0: that port alone */
	uint8_t prefix; /* with address: its network of so many bits (/24, /64); 0: the address alone */
	/* Of POSTERN_ACTION. UTF-8 without control characters but line ends; NULL: none. */
	const char *message;
	size_t message_len;
	/*
	 * Names the request, so that it is done once although it is sent more than once: sessions with the
	 * same 16 bytes are one request. All zero: the session takes random ones.
	 */
	uint8_t action_id[POSTERN_ACTION_ID_LEN];
};

/* What became of an action. */
enum postern_result {
	POSTERN_RESULT_NONE = 0,    /* there was none, or the server did not say */
	POSTERN_RESULT_EXIT = 1,    /* it ended, with the exit status in result_detail */
	POSTERN_RESULT_SIGNAL = 2,  /* it was ended by the signal in result_detail */
	POSTERN_RESULT_TIMEOUT = 3, /* it was ended at its time limit */
	POSTERN_RESULT_TROUBLE = 4, /* it could not be started */
	POSTERN_RESULT_NOTED = 5,   /* the message is in the server's journal */
	POSTERN_RESULT_RUNNING = 6, /* it was running when the server was last heard of */
};

/* What a client remembers of one server between knocks. Zero at first; the caller stores it. */
struct postern_memory {
	uint64_t instance;
	int64_t offset_ms; /* server clock minus ours */
	uint8_t prekey_id; /* 0 with prekey_not_after 0: use the card's */
	uint8_t prekey[32];
	uint64_t prekey_not_after_ms;
	uint8_t last_address[16]; /* observed by the server, ::ffff: form for IPv4; zero: never */
	uint8_t identity;         /* enum postern_identity that it last answered; AUTO: none yet */
};

struct postern_answer {
	enum postern_status status;
	uint64_t server_time_ms;
	uint32_t granted_s;
	uint16_t retry_after_s;
	uint16_t granted_port;
	uint64_t grant_id;
	uint8_t observed[16];
	uint16_t observed_port;
	bool is_address_new;  /* differs from memory.last_address, or is the first one ever */
	unsigned round_trips; /* answers taken, this one included */
	enum postern_result result;
	uint8_t result_detail;
};

/*
 * One knock from first packet to final answer: identical retransmissions after 1, 2 and 4 s, then one try
 * with epoch hint 0; after STALE, RETRY or BIND a corrected request, each at most once.
 *
 * An action is answered when it has ended. Until then the server says, to each copy of the request, that
 * it runs and for how long it may; the session waits so long, asking every 2 s. When nothing more comes
 * it ends with POSTERN_DONE and POSTERN_RESULT_RUNNING. All requests of the session are one and the same
 * to the server, which runs the action once.
 *
 * POSTERN_IDENTITY_AUTO: a server says nothing to those it does not know, so both ways are tried. The one
 * that memory names goes first, the key id when it names none; after 1 s of silence the other joins it (in
 * its place that one time, when nothing is remembered). The one that is answered is the only one from then
 * on, and is remembered. An ID without certificates, or of an agent, has its key id alone.
 */
struct postern_session;

/*
 * -EKEYREJECTED when the ID does not trust the card.
 * card, id and memory are borrowed until postern_session_free; request is not. memory is updated as answers
 * arrive; NULL: nothing is remembered.
 */
int postern_session_new(const struct postern_card *card, const struct postern_id *id,
	const struct postern_request *request, struct postern_memory *memory,
	struct postern_session **ret, struct postern_error *err);
void postern_session_free(struct postern_session *s);

enum postern_step {
	POSTERN_SEND,   /* send *datagram now, then ask again */
	POSTERN_WAIT,   /* wait for a datagram or for *wait_ms, then ask again */
	POSTERN_DONE,   /* the answer is there */
	POSTERN_SILENT, /* given up: nothing was answered */
	POSTERN_FAILED, /* given up: the agent did not sign, postern_session_error says why */
};

/*
 * What to do at wall_ms (for timestamps) and mono_ms (for waiting; any monotonic clock). The datagram is
 * borrowed until the next call. Returns at once, but with the ID of an agent waits for its signature;
 * then POSTERN_WAIT with *wait_ms 0 follows, so that the time is taken again.
 */
enum postern_step postern_session_next(struct postern_session *s, uint64_t wall_ms,
	uint64_t mono_ms, const uint8_t **datagram, size_t *len, uint32_t *wait_ms);

/* Offer a received datagram; anything that is not an answer to an outstanding request is ignored. Returns true when
 * it was one. */
bool postern_session_offer(
	struct postern_session *s, const uint8_t *datagram, size_t len, uint64_t wall_ms);

/* After POSTERN_FAILED: one sentence. Borrowed from s. */
const char *postern_session_error(const struct postern_session *s);

/* After POSTERN_DONE. */
void postern_session_answer(const struct postern_session *s, struct postern_answer *ret);

const char *postern_status_name(enum postern_status status);

/* "opened"/refusal in one sentence with what to do, for status. Static text. */
const char *postern_status_advice(enum postern_status status);

#ifdef __cplusplus
}
#endif

#endif
