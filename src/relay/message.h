#ifndef POSTERN_RELAY_MESSAGE_H
#define POSTERN_RELAY_MESSAGE_H

/*
 * The words between the relay process and the two that it obeys: the monitor, which gives it ports,
 * destinations and its certificate, and the knock process, which judges who may through and keeps the journal.
 * One datagram each on a channel (priv_channel). Unknown, out of turn, of the wrong length or not wholly
 * consumed means the sender is broken or hostile: the receiver stops trusting it.
 *
 *   monitor -> relay
 *     BEGIN     a new configuration follows: limits
 *     IDENTITY  the relay's certificates and key (only when a passthru encrypts)
 *     PASSTHRU  one passthru; with one descriptor, its listening socket. Of one that stays it is a duplicate of
 *               the same socket, which takes the place of the one before: nobody who waits in it is lost
 *     TARGET    the addresses of a passthru's host, now
 *     COMMIT    it is whole: from here on it counts. Ports that are no longer named are closed; their
 *               connections, like all others, are presented to the next knock process, which judges
 *     CHANNEL   with one descriptor: the channel to the knock process, in the place of the one before
 *     STOP      take no more; end when the last connection has, or after grace_ms
 *   relay -> monitor
 *     TAKEN     after COMMIT: result
 *   relay -> knock
 *     ASK       somebody is there: by certificates, or (passthru without encryption) by address alone. Asked
 *               again of a new knock process while it is not through, also when the last one granted it
 *     HELD      a connection that another knock process let through, for judgement; also one that has ended
 *               since, when nobody was told: then ENDED follows
 *     THROUGH   it was let through and the inner machine has answered: bytes flow
 *     CAUGHT    a connection ended before it was through: why. Not sent for one that an ANSWER refused, but
 *               for one that CUT ended. Of those that were never granted never more than a few a second: count
 *               says how many of the same source, passthru and reason there were since the last one; a zero
 *               source stands for several
 *     ENDED     one that was let through ended: why, bytes, time
 *     LISTED    one connection; after the last one LISTED with id 0
 *   knock -> relay
 *     ANSWER    to ASK and HELD. A later lease may end a connection sooner than the first, never later
 *     CUT       end this connection
 *     LIST      tell what there is
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/span.h"
#include "config/config.h"
#include "identity/chain.h"

#define RELAY_CHAIN_MAX (CHAIN_CERTS_MAX * CERT_LEN_MAX)
#define RELAY_LEN_MAX (RELAY_CHAIN_MAX + 2048)
#define RELAY_NAME_MAX 512
#define RELAY_REASON_MAX 31
#define RELAY_TEXT_MAX 255
#define RELAY_ADDRS_MAX 8

enum relay_msg_type {
	RELAY_NONE = 0,
	RELAY_BEGIN,
	RELAY_IDENTITY,
	RELAY_PASSTHRU,
	RELAY_TARGET,
	RELAY_COMMIT,
	RELAY_CHANNEL,
	RELAY_STOP,
	RELAY_TAKEN,
	RELAY_ASK,
	RELAY_HELD,
	RELAY_THROUGH,
	RELAY_CAUGHT,
	RELAY_ENDED,
	RELAY_LISTED,
	RELAY_ANSWER,
	RELAY_CUT,
	RELAY_LIST,
	RELAY_MSG_COUNT,
};

enum relay_peer { RELAY_MONITOR, RELAY_KNOCK, RELAY_RELAY };

/* Who was let through, as the knock process knows it; the relay only keeps it, for HELD. */
struct relay_who {
	char name[RELAY_NAME_MAX + 1]; /* abbreviated */
	uint8_t key_id[32];
	char door[CONFIG_NAME_MAX + 1]; /* "": not known */
	bool is_certified;
	uint64_t not_after_ms; /* UINT64_MAX: no end */
	uint8_t path_count;    /* 0: known by the directory alone */
	struct chain_step path[CHAIN_STEPS_MAX];
	uint64_t grant_id; /* of the gate that it came by; 0: none was found */
};

struct relay_msg {
	enum relay_msg_type type;
	uint32_t
		id; /* of a connection, chosen by the relay, never 0, not used twice within a process */
	char passthru[CONFIG_NAME_MAX +
		1]; /* PASSTHRU, TARGET, ASK, HELD, THROUGH, CAUGHT, ENDED, LISTED */
	/* BEGIN */
	uint32_t connections_max;
	/* IDENTITY */
	uint8_t seed[32];  /* secret: relay_msg_wipe */
	struct span chain; /* DER, leaf first; also ASK (empty: none). Borrowed */
	/* PASSTHRU */
	char host[CONFIG_HOST_MAX + 1];
	uint16_t port; /* of the inner machine */
	bool encrypt;
	uint8_t speaks; /* enum config_speaks */
	struct config_first_bytes client, inner;
	uint16_t knock;
	uint32_t passthru_connections_max, name_connections_max, idle_s;
	/* PASSTHRU, TARGET: in the order to be tried; none: the host has no address now */
	uint8_t addr_count;
	struct addr addrs[RELAY_ADDRS_MAX];
	/* STOP */
	uint32_t grace_ms;
	/* TAKEN: 0 or -errno; text says what */
	int32_t result;
	/* ASK, HELD, CAUGHT, ENDED, LISTED */
	struct addr source;
	uint16_t source_port;
	struct relay_who who;              /* HELD, ANSWER */
	bool is_granted;                   /* ANSWER */
	uint64_t lease_ms;                 /* ANSWER: from now; UINT64_MAX: no end */
	char reason[RELAY_REASON_MAX + 1]; /* ANSWER, CAUGHT, ENDED, CUT: word for the journal */
	char text[RELAY_TEXT_MAX + 1];     /* the same for people; also TAKEN */
	uint32_t count;                    /* CAUGHT: 1 or more */
	struct addr inner_addr;            /* THROUGH, LISTED */
	uint64_t took_ms;                  /* ENDED, LISTED: since it was let through */
	uint64_t to_inner, to_client;      /* ENDED, LISTED: bytes */
	uint64_t to_inner_rate, to_client_rate; /* LISTED: bytes a second of late */
};

void relay_msg_wipe(struct relay_msg *m);

/* Encode into to (RELAY_LEN_MAX bytes); returns the length. Of texts, what is not printable ASCII is sent as
 * '?', but names as they are. */
size_t relay_msg_encode(const struct relay_msg *m, uint8_t *to);

/* Decode a datagram from a sender to a receiver. False when it is not exactly one allowed message; *ret
 * borrows from s. Pure. */
bool relay_msg_decode(
	struct span s, enum relay_peer from, enum relay_peer to, struct relay_msg *ret);

/* Send one, with a descriptor (fd_sent; -1: none), which stays the caller's. 0, -EAGAIN when the channel is full, or -errno. */
__attribute__((warn_unused_result)) int relay_msg_send(
	int channel, const struct relay_msg *m, int fd_sent);

/*
 * Receive one into buffer (RELAY_LEN_MAX bytes), from which *ret borrows: 1 and *ret, 0 end of file, -EAGAIN,
 * -EPROTO broken peer, or -errno. *ret_fd is the descriptor that came with PASSTHRU or CHANNEL, the caller's, else
 * -1; one with any other message, none or more than one with those, is -EPROTO.
 */
__attribute__((warn_unused_result)) int relay_msg_receive(int channel, enum relay_peer from,
	enum relay_peer to, uint8_t *buffer, struct relay_msg *ret, int *ret_fd);

#endif
