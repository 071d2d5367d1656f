/*
 * The keywords of a passthru block. It is two things at once, a guarded port like that of a service and what
 * lies behind it, so its fields are read into one struct and go to two from there.
 */

#include "config/internal.h"

#define DAY 86400u

static const char *const open_choices[] = { "once", "window", "times", NULL };
static const char *const bind_choices[] = { "no", "required", NULL };

static const struct config_keyword keywords[] = {
	{ .name = "listen",
		.type = CONFIG_TYPE_TCP_PORT,
		.is_required = true,
		CONFIG_FIELD(config_passthru_block, service.port),
		.manual = "The guarded port of this machine on which connections are taken." },
	{ .name = "to",
		.type = CONFIG_TYPE_PLACE,
		.is_required = true,
		CONFIG_FIELD(config_passthru_block, passthru),
		.manual =
			"The machine that they are carried on to, and its TCP port.\n"
			"A name is looked up when the configuration is loaded, and every minute." },
	{ .name = "encrypt",
		.type = CONFIG_TYPE_BOOL,
		.initial = "yes",
		CONFIG_FIELD(config_passthru_block, passthru.encrypt),
		.manual =
			"Whether the connection is TLS 1.3 with certificates of both sides, which\n"
			".Xr postern 1\n.Cm connect --through\nspeaks; then\n.Ic relay-id\n"
			"of the server is needed.\nWith\n.Cm no\n"
			"whoever has the address of somebody who knocked is let through." },
	{ .name = "speaks",
		.type = CONFIG_TYPE_SPEAKS,
		.initial = "any",
		CONFIG_FIELD(config_passthru_block, passthru),
		.manual = "What the first bytes of both sides must be; if they are not, the\n"
			  "connection is cut." },
	{ .name = "knock",
		.type = CONFIG_TYPE_UDP_PORT,
		CONFIG_FIELD(config_passthru_block, passthru.knock),
		.manual = "Where the other machine takes knocks, when it is guarded\n"
			  "by postern as well: knocks that a client brings along go there." },
	{ .name = "connections-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "256",
		CONFIG_FIELD(config_passthru_block, passthru.connections_max),
		.manual = "Connections at one time." },
	{ .name = "name-connections-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "16",
		CONFIG_FIELD(config_passthru_block, passthru.name_connections_max),
		.manual = "Connections of one name at one time." },
	{ .name = "idle",
		.type = CONFIG_TYPE_DURATION,
		.min = 10,
		.max = CONFIG_LEASE_MAX,
		.initial = "1h",
		CONFIG_FIELD(config_passthru_block, passthru.idle_s),
		.manual = "How long a connection may be silent in both directions." },
	{ .name = "allow",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_passthru_block, service.allow),
		.manual = "Who may through.\nWithout it nobody, whatever\n.Ic compat-open-lists\n"
			  "says.\nAsked for the knock, and again for the certificate." },
	{ .name = "deny",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_passthru_block, service.deny),
		.manual = "Who may not, whatever else allows it." },
	{ .name = "open",
		.type = CONFIG_TYPE_CHOICE,
		.choices = open_choices,
		.initial = "window",
		CONFIG_FIELD(config_passthru_block, service.open),
		.manual = "As of a service." },
	{ .name = "times",
		.type = CONFIG_TYPE_NUMBER,
		.min = 2,
		.max = CONFIG_TIMES_MAX,
		CONFIG_FIELD(config_passthru_block, service.times),
		.manual = "How many connections a gate is for, with\n.Ic open Li = Cm times ." },
	{ .name = "wait",
		.type = CONFIG_TYPE_DURATION,
		.min = 1,
		.max = DAY,
		.initial = "30s",
		CONFIG_FIELD(config_passthru_block, service.wait_s),
		.manual = "How long a gate stays open." },
	{ .name = "lease",
		.type = CONFIG_TYPE_LEASE,
		.min = 1,
		.max = CONFIG_LEASE_MAX,
		.initial = "8h",
		CONFIG_FIELD(config_passthru_block, service.lease_s),
		.manual = "How long after the grant a connection may live.\nNot shorter than\n"
			  ".Ic wait ." },
	{ .name = "prefix-v4",
		.type = CONFIG_TYPE_NUMBER,
		.min = 24,
		.max = CONFIG_PREFIX_V4_HOST,
		.initial = "32",
		CONFIG_FIELD(config_passthru_block, service.prefix_v4),
		.manual = "As of a service." },
	{ .name = "prefix-v6",
		.type = CONFIG_TYPE_NUMBER,
		.min = 48,
		.max = CONFIG_PREFIX_V6_HOST,
		.initial = "128",
		CONFIG_FIELD(config_passthru_block, service.prefix_v6),
		.manual = "As of a service." },
	{ .name = "bind",
		.type = CONFIG_TYPE_CHOICE,
		.choices = bind_choices,
		.initial = "no",
		CONFIG_FIELD(config_passthru_block, service.bind),
		.manual =
			"Whether a knock must name, under its signature, the address to be opened." },
	{ .name = "gates-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "1024",
		CONFIG_FIELD(config_passthru_block, service.gates_max),
		.manual = "Live gates of this port." },
};

const struct config_block_def *config_block_def_passthru(void)
{
	static const struct config_block_def def = { .name = "passthru",
		.has_title = true,
		.max = CONFIG_PASSTHRUS_MAX,
		CONFIG_KEYWORDS(keywords),
		.manual =
			"One guarded port from which people are let through to a port of another\n"
			"machine.\nIt opens by a knock for its name, as that of a service does." };
	return &def;
}
