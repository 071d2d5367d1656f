#ifndef POSTERN_CMD_VISIT_H
#define POSTERN_CMD_VISIT_H

/*
 * One visit to a server: its card and our ID found and opened, its address looked up, one knock, one
 * answer, and what was learnt written down for the next time. knock, close and connect are visits that
 * differ in what they ask and in what they do with the answer.
 */

#include <limits.h>
#include <postern/postern.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"
#include "cmd/client_home.h"
#include "cmd/exchange.h"
#include "cmd/knock_args.h"

struct visit {
	const struct knock_args *args; /* borrowed */
	struct client_files files;
	struct postern_card *card;
	struct postern_id *id;
	bool is_borrowed; /* the ID is another visit's */
	struct postern_request request;
	struct postern_memory memory;
	struct addr last_address; /* as remembered before this visit; zero: never */
	const char *server;       /* the card's name for it */
	uint16_t udp_port;
	size_t peer_count; /* the first address of each family, in the resolver's order */
	struct exchange_peer peers[2];
	/* after visit_knock */
	size_t peer;
	struct postern_answer answer;
	uint64_t took_us;
	size_t message_len;
	char message[POSTERN_MESSAGE_MAX + 3]; /* with room to see that there was more */
};

/* Everything up to the first packet. Returns EXIT_DONE, or another exit code after saying why. */
int visit_open(const struct knock_args *args, struct visit *v);

/* What is remembered of the server, read again: another process may have learnt more. */
void visit_recall(struct visit *v);

/* Look its address up again; what was found before stays when that fails. */
void visit_relocate(struct visit *v);

/* The knock. EXIT_DONE when there is an answer of whatever status, or another exit code after saying why. */
int visit_knock(struct visit *v);

/*
 * visit_open for a server that only another one reaches, with the ID that an earlier visit has opened and
 * keeps open for as long. No address is looked up.
 */
int visit_open_behind(const struct knock_args *args, struct postern_id *id, struct visit *v);

/*
 * visit_knock by a carrier. EXIT_SILENT is left to the caller to say, and so is *ret_broken, -errno when the
 * carrier ended (EXIT_LOCAL), else 0.
 */
int visit_knock_by(struct visit *v, const struct exchange_carrier *c, int *ret_broken);

void visit_close(struct visit *v);

/* What is asked for: "ssh", "tcp/22"; "" for a probe, which is about no service. */
#define VISIT_SERVICE_MAX 64
const char *visit_service(const struct visit *v, char to[VISIT_SERVICE_MAX]);

/* The server in words: "gw (192.0.2.1, udp/62201)". */
#define VISIT_PLACE_MAX 330
const char *visit_place(const struct visit *v, size_t peer, char to[VISIT_PLACE_MAX]);

/* Numeric text of a peer's address, without port. */
const char *visit_peer_text(const struct exchange_peer *p, char to[ADDR_TEXT_MAX]);

#endif
