/*
 * The statements about passthrus: with TLS an address is worth nothing without the key, without it the
 * address is all that is asked for.
 */

#include <string.h>

#include "daemon/threats.h"

static struct threats encrypted(void)
{
	struct threats t = {
		.observer =
			"sees which address talks to this port, when and how much, neither names nor "
			"content; who is on the path can cut a connection, not enter it",
		.scanner = "sees a closed port",
		.spoofer = "gets no further than the handshake",
		.replayer = "nothing: every handshake is signed anew",
		.neighbour =
			"reaches the port while a gate is open, and fails at the handshake: he has the "
			"address and not the key",
	};
	snprintf(t.stranger, sizeof(t.stranger),
		"must forge a signature of a listed key, for the knock and again for the connection: "
		"about 2^128 tries each");
	return t;
}

struct threats threats_passthru(const struct config_passthru *p)
{
	if (p->encrypt)
		return encrypted();
	struct threats t = {
		.observer =
			"reads everything that the protocol itself does not hide; who is on the path "
			"can change it, and take a connection over",
		.scanner = "sees a closed port",
		.spoofer = "gets no answers, as for any TCP connection",
		.replayer = "nothing: every knock counts once",
		.neighbour = p->service->open == CONFIG_OPEN_ONCE
			? "can be let through first, in the name of whoever knocked, as the address is "
			  "the same; then that person's own connection fails"
			: "is let through while a gate is open, in the name of whoever knocked, as the "
			  "address is the same, and as often as he likes; so is a hijacker of the address",
		.warning =
			"encrypt = no: the gate that a knock opened is the only proof here; clients "
			"that can use postern connect --through do not need it",
	};
	snprintf(t.stranger, sizeof(t.stranger),
		"must knock first; what it takes is said of each door");
	return t;
}

void threats_warn_passthrus(const struct config *c, FILE *out)
{
	for (size_t i = 0; i < c->passthru_count; i++) {
		const struct config_passthru *p = &c->passthrus[i];
		if (p->service->allow.len == 0)
			fprintf(out,
				"warning: %s:%u: passthru %s: nobody may through; add allow = {...}\n",
				p->at.file, p->at.line, p->name);
	}
}
