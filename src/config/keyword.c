/*
 * Every keyword of postern.conf, once: name, type, bounds, default, field and manual text. The parser,
 * the checks, the printed effective configuration and the manual page are all driven from here.
 */

#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#include "config/internal.h"

#define DAY 86400u

static const char *const key_check_choices[] = { "off", "listed", "all", NULL };
static const char *const journal_log_choices[] = { "none", "syslog", "journald", NULL };
static const char *const crl_choices[] = { "off", "if-present", "require", NULL };
static const char *const capture_choices[] = { "pcap", "nflog", "log", NULL };
static const char *const open_choices[] = { "once", "window", "times", NULL };
static const char *const bind_choices[] = { "no", "required", NULL };
static const char *const backend_choices[] = { "nft", "script", NULL };
static const char *const message_choices[] = { "none", "optional", "required", NULL };

static const struct config_keyword server_keywords[] = {
	{ .name = "id",
		.type = CONFIG_TYPE_PATH,
		.is_required = true,
		CONFIG_FIELD(config_server, id),
		.manual = "ID file of this server." },
	{ .name = "id-key",
		.type = CONFIG_TYPE_SECRET,
		CONFIG_FIELD(config_server, id_key),
		.manual = "File of 32 bytes that opens the ID file without a password." },
	{ .name = "stealth",
		.type = CONFIG_TYPE_PATH,
		CONFIG_FIELD(config_server, stealth),
		.manual =
			"File of 32 secret bytes that the server cards hold too: then a packet from\n"
			"anybody without such a card is dropped at the price of one short hash." },
	{ .name = "trust",
		.type = CONFIG_TYPE_PATHS,
		CONFIG_FIELD(config_server, trust),
		.manual =
			"Cross-certificates, and certificates by which a certifier vouches for its other\n"
			"key, beside what is in the ID file." },
	{ .name = "crl-files",
		.type = CONFIG_TYPE_PATHS,
		CONFIG_FIELD(config_server, crl_files),
		.manual = "Certificate revocation lists." },
	{ .name = "crl",
		.type = CONFIG_TYPE_CHOICE,
		.choices = crl_choices,
		.initial = "if-present",
		CONFIG_FIELD(config_server, crl),
		.manual =
			"Which lists a certificate must pass: none, those that are there, or one of\n"
			"every certifier above it, not past its next update." },
	{ .name = "directory",
		.type = CONFIG_TYPE_PATH,
		.is_required = true,
		CONFIG_FIELD(config_server, directory),
		.manual = "File of those who are known, see\n.Xr postern-directory 5 ." },
	{ .name = "store",
		.type = CONFIG_TYPE_PATH,
		.initial = "/var/lib/postern/postern.db",
		CONFIG_FIELD(config_server, store),
		.manual = "Database of replay memory, gates and journal." },
	{ .name = "control",
		.type = CONFIG_TYPE_SOCKET,
		.initial = "/run/postern/control",
		CONFIG_FIELD(config_server, control),
		.manual = "Socket on which\n.Xr posternctl 8\nis heard." },
	{ .name = "user",
		.type = CONFIG_TYPE_USER,
		.initial = "postern",
		CONFIG_FIELD(config_server, user),
		.manual = "User of the process that decodes knocks." },
	{ .name = "backend",
		.type = CONFIG_TYPE_CHOICE,
		.choices = backend_choices,
		.initial = "nft",
		CONFIG_FIELD(config_server, backend),
		.manual =
			"What opens and closes: the nftables of this machine, or a program that\n"
			"speaks to another firewall.\nA program cannot let one connection in and no\n"
			"other, nor end one: services need\n.Ic open\n=\n.Cm window ." },
	{ .name = "script",
		.type = CONFIG_TYPE_PATH,
		CONFIG_FIELD(config_server, script),
		.manual = "That program.\nIt belongs to root, and nobody else may change it." },
	{ .name = "script-user",
		.type = CONFIG_TYPE_USER,
		.initial = "root",
		CONFIG_FIELD(config_server, script_user),
		.manual =
			"User that it runs as.\nA firewall of this machine needs root, one that is\n"
			"reached by the network does not." },
	{ .name = "script-timeout",
		.type = CONFIG_TYPE_DURATION,
		.min = 1,
		.max = 60,
		.initial = "5s",
		CONFIG_FIELD(config_server, script_timeout_s),
		.manual = "How long it may take; then it is killed, and has failed." },
	{ .name = "allow",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_server, allow),
		.manual = "Who may use this server at all." },
	{ .name = "deny",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_server, deny),
		.manual = "Who may not, whatever else allows it." },
	{ .name = "key-check",
		.type = CONFIG_TYPE_CHOICE,
		.choices = key_check_choices,
		.initial = "all",
		CONFIG_FIELD(config_server, key_check),
		.manual = "Whose key must be the one in the directory: nobody's, that of names\n"
			  "which are listed there, or everybody's." },
	{ .name = "key-check-log",
		.type = CONFIG_TYPE_CHOICE,
		.choices = key_check_choices,
		.initial = "off",
		CONFIG_FIELD(config_server, key_check_log),
		.manual =
			"Whose key that is not the one in the directory is noted in the journal,\n"
			"granted or not: nobody's, that of names which are listed there, or\n"
			"everybody's." },
	{ .name = "reveal",
		.type = CONFIG_TYPE_BOOL,
		.initial = "no",
		CONFIG_FIELD(config_server, reveal),
		.manual = "Say why a knock was refused also to identities that are not listed." },
	{ .name = "compat-open-lists",
		.type = CONFIG_TYPE_BOOL,
		.initial = "no",
		CONFIG_FIELD(config_server, compat_open_lists),
		.manual =
			"Let a service without an\n.Ic allow\nlist admit everybody who is not denied." },
	{ .name = "retention",
		.type = CONFIG_TYPE_DURATION,
		.min = DAY,
		.max = 3650 * DAY,
		.initial = "90d",
		CONFIG_FIELD(config_server, retention_s),
		.manual = "How long the journal is kept." },
	{ .name = "journal-log",
		.type = CONFIG_TYPE_CHOICE,
		.choices = journal_log_choices,
		.initial = "none",
		CONFIG_FIELD(config_server, journal_log),
		.manual =
			"Where each record of the journal goes as well, when it is written: nowhere,\n"
			"to syslog as a line of words, or to\n.Xr systemd-journald.service 8\nwith a "
			"field for each fact." },
	{ .name = "metrics",
		.type = CONFIG_TYPE_LOOPBACK,
		CONFIG_FIELD(config_server, metrics),
		.manual =
			"Where a collector on this machine finds\n.Pa /metrics\nby HTTP, in the "
			"OpenMetrics text form, see\n.Xr posternctl 8 .\nEverybody on this machine can "
			"read it.\nNot changed by a reload." },
	{ .name = "gates-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "4096",
		CONFIG_FIELD(config_server, gates_max),
		.manual = "Live gates in total." },
	{ .name = "identity-gates-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "16",
		CONFIG_FIELD(config_server, identity_gates_max),
		.manual = "Live gates of one identity." },
	{ .name = "identity-rate",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 10000,
		.initial = "10",
		CONFIG_FIELD(config_server, identity_rate),
		.manual = "Knocks a second of one identity, after its signature was verified." },
	{ .name = "mark-base",
		.type = CONFIG_TYPE_MARK,
		.initial = "0x50000000",
		CONFIG_FIELD(config_server, mark_base),
		.manual =
			"High eight bits of the mark on every connection that came through a gate." },
	{ .name = "log-group",
		.type = CONFIG_TYPE_NUMBER,
		.min = 0,
		.max = 65535,
		.initial = "7",
		CONFIG_FIELD(config_server, log_group),
		.manual = "Log group on which the kernel reports that a gate was used." },
	{ .name = "relay-id",
		.type = CONFIG_TYPE_PATH,
		CONFIG_FIELD(config_server, relay_id),
		.manual = "ID file by which passthrus prove who they are: of the same name as\n"
			  ".Ic id ,\nwith another key." },
	{ .name = "relay-key",
		.type = CONFIG_TYPE_SECRET,
		CONFIG_FIELD(config_server, relay_key),
		.manual = "File of 32 bytes that opens it without a password." },
	{ .name = "relay-connections-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "1024",
		CONFIG_FIELD(config_server, relay_connections_max),
		.manual = "Connections of all passthrus at one time." },
	{ .name = "relay-grace",
		.type = CONFIG_TYPE_DURATION,
		.min = 0,
		.max = 3600,
		.initial = "30s",
		CONFIG_FIELD(config_server, relay_grace_s),
		.manual = "How long they may go on when the daemon is stopped." },
	{ .name = "lockdown",
		.type = CONFIG_TYPE_BOOL,
		.initial = "no",
		CONFIG_FIELD(config_server, lockdown),
		.manual = "Close every other port of this machine as well, without an answer." },
	{ .name = "lockdown-allow",
		.type = CONFIG_TYPE_OPENINGS,
		CONFIG_FIELD(config_server, lockdown_allow),
		.manual = "What a lockdown leaves to everybody.\nAt most 64 ports." },
};

static const struct config_keyword door_keywords[] = {
	{ .name = "capture",
		.type = CONFIG_TYPE_CHOICE,
		.choices = capture_choices,
		.initial = "pcap",
		CONFIG_FIELD(config_door, capture),
		.manual =
			"How packets are seen: on an interface, as a rule of the firewall sends them to a\n"
			"log group, or in the lines that one writes to a log file." },
	{ .name = "interface",
		.type = CONFIG_TYPE_INTERFACE,
		CONFIG_FIELD(config_door, interface),
		.manual =
			"Network interface, or\n.Cm any .\nNeeded with\n.Cm pcap ;\nelse it leaves out "
			"what came in elsewhere." },
	{ .name = "group",
		.type = CONFIG_TYPE_NUMBER,
		.min = 0,
		.max = 65535,
		CONFIG_FIELD(config_door, group),
		.manual =
			"With\n.Cm nflog :\nthe log group, another than\n.Ic log-group\nof the server." },
	{ .name = "file",
		.type = CONFIG_TYPE_PATH,
		CONFIG_FIELD(config_door, file),
		.manual = "With\n.Cm log :\nthe file that is followed, also when it is rotated." },
	{ .name = "sources",
		.type = CONFIG_TYPE_NUMBER,
		.min = 64,
		.max = 1048576,
		.initial = "4096",
		CONFIG_FIELD(config_door, sources),
		.manual =
			"How many addresses are remembered with the classic knocks they have made so\n"
			"far; one more makes room by chance." },
	{ .name = "allow",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_door, allow),
		.manual = "Who may knock here." },
	{ .name = "deny",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_door, deny),
		.manual = "Who may not, whatever else allows it." },
};

static const struct config_keyword spa_keywords[] = {
	{ .name = "udp",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65535,
		.initial = "62201",
		CONFIG_FIELD(config_spa, port),
		.manual = "UDP port that knocks are sent to.\nNothing listens on it." },
	{ .name = "window",
		.type = CONFIG_TYPE_DURATION,
		.min = 5,
		.max = 300,
		.initial = "30s",
		CONFIG_FIELD(config_spa, window_s),
		.manual = "How far the clock of a knock may be from ours." },
	{ .name = "source-rate",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 10000,
		.initial = "20",
		CONFIG_FIELD(config_spa, source_rate),
		.manual = "Packets a second of one source (IPv4 address or IPv6 /64)." },
	{ .name = "no-epoch-rate",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 10000,
		.initial = "20",
		CONFIG_FIELD(config_spa, no_epoch_rate),
		.manual =
			"Packets a second, from all sources together, of clients that do not know\n"
			"the current epoch." },
};

static const struct config_keyword service_keywords[] = {
	{ .name = "port",
		.type = CONFIG_TYPE_PORT,
		.is_required = true,
		.manual =
			"The guarded port, or the guarded ports: a gate opens all of a range, which\n"
			"needs\n.Ic open Li = Cm window ." },
	{ .name = "allow",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_service, allow),
		.manual =
			"Who may use the service.\nNeeded, unless\n.Ic compat-open-lists\nis set." },
	{ .name = "deny",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_service, deny),
		.manual = "Who may not, whatever else allows it." },
	{ .name = "open",
		.type = CONFIG_TYPE_CHOICE,
		.choices = open_choices,
		.initial = "once",
		CONFIG_FIELD(config_service, open),
		.manual =
			"For one connection, for any number while the gate is open, or for as many as\n"
			".Ic times\nsays." },
	{ .name = "times",
		.type = CONFIG_TYPE_NUMBER,
		.min = 2,
		.max = CONFIG_TIMES_MAX,
		CONFIG_FIELD(config_service, times),
		.manual = "How many connections a gate is for, with\n.Ic open Li = Cm times ." },
	{ .name = "wait",
		.type = CONFIG_TYPE_DURATION,
		.min = 1,
		.max = DAY,
		.initial = "30s",
		CONFIG_FIELD(config_service, wait_s),
		.manual = "How long a gate stays open." },
	{ .name = "lease",
		.type = CONFIG_TYPE_LEASE,
		.min = 1,
		.max = CONFIG_LEASE_MAX,
		.initial = "8h",
		CONFIG_FIELD(config_service, lease_s),
		.manual =
			"How long after the grant a connection may live.\nNot shorter than\n.Ic wait .\n"
			"With\n.Cm none\nuntil it ends, is silent for five days, or its owner may no more." },
	{ .name = "prefix-v4",
		.type = CONFIG_TYPE_NUMBER,
		.min = 24,
		.max = CONFIG_PREFIX_V4_HOST,
		.initial = "32",
		CONFIG_FIELD(config_service, prefix_v4),
		.manual =
			"The shortest IPv4 prefix of a network that a knock may ask to open to; below\n"
			"32 it needs\n.Ic open Li = Cm window ." },
	{ .name = "prefix-v6",
		.type = CONFIG_TYPE_NUMBER,
		.min = 48,
		.max = CONFIG_PREFIX_V6_HOST,
		.initial = "128",
		CONFIG_FIELD(config_service, prefix_v6),
		.manual = "The same for IPv6." },
	{ .name = "bind",
		.type = CONFIG_TYPE_CHOICE,
		.choices = bind_choices,
		.initial = "no",
		CONFIG_FIELD(config_service, bind),
		.manual =
			"Whether a knock must name, under its signature, the address to be opened." },
	{ .name = "gates-max",
		.type = CONFIG_TYPE_NUMBER,
		.min = 1,
		.max = 65536,
		.initial = "1024",
		CONFIG_FIELD(config_service, gates_max),
		.manual = "Live gates of this service." },
	{ .name = "forward",
		.type = CONFIG_TYPE_TARGETS,
		CONFIG_FIELD(config_service, forward),
		.manual =
			"Another machine that the connections are sent on to; for IPv4, for IPv6 or\n"
			"one for each.\n"
			"The kernel must forward packets (net.ipv4.ip_forward)." },
	{ .name = "masquerade",
		.type = CONFIG_TYPE_BOOL,
		.initial = "no",
		CONFIG_FIELD(config_service, masquerade),
		.manual = "With\n.Ic forward :\nlet that machine see this one as the source." },
};

static const struct config_keyword action_keywords[] = {
	{ .name = "run",
		.type = CONFIG_TYPE_COMMAND,
		CONFIG_FIELD(config_action, run),
		.manual = "The program and its arguments, always these; no shell reads them.\n"
			  "Whoever sends has no part in them." },
	{ .name = "user",
		.type = CONFIG_TYPE_USER,
		CONFIG_FIELD(config_action, user),
		.manual = "User that it runs as, in no other group than that user's first.\n"
			  "Needed with\n.Ic run ;\nroot only when it is written here." },
	{ .name = "allow",
		.type = CONFIG_TYPE_NAMES,
		.is_required = true,
		CONFIG_FIELD(config_action, allow),
		.manual = "Who may send it." },
	{ .name = "deny",
		.type = CONFIG_TYPE_NAMES,
		CONFIG_FIELD(config_action, deny),
		.manual = "Who may not, whatever else allows it." },
	{ .name = "timeout",
		.type = CONFIG_TYPE_DURATION,
		.min = 1,
		.max = 3600,
		.initial = "30s",
		CONFIG_FIELD(config_action, timeout_s),
		.manual = "How long it may run; then it is killed with all that it started." },
	{ .name = "message",
		.type = CONFIG_TYPE_CHOICE,
		.choices = message_choices,
		.initial = "none",
		CONFIG_FIELD(config_action, message),
		.manual = "Whether a text comes with it, which the program reads on its standard\n"
			  "input." },
	{ .name = "journal-only",
		.type = CONFIG_TYPE_BOOL,
		.initial = "no",
		CONFIG_FIELD(config_action, is_journal_only),
		.manual =
			"Run nothing: the message is a note to the administrator, in the journal.\n"
			"In the place of\n.Ic run ." },
};

static const struct config_keyword group_keywords[] = {
	{ .name = "members",
		.type = CONFIG_TYPE_NAMES,
		.is_required = true,
		CONFIG_FIELD(config_group, members),
		.manual = "Names, wildcards and other groups." },
};

static const struct config_keyword rescue_keywords[] = {
	{ .name = "from",
		.type = CONFIG_TYPE_PREFIXES,
		.is_required = true,
		CONFIG_FIELD(config_rescue, from),
		.manual =
			"Where the rescuers come from.\nAt most 16, and together not everybody." },
	{ .name = "port",
		.type = CONFIG_TYPE_ENDPOINT,
		.is_required = true,
		CONFIG_FIELD(config_rescue, to),
		.manual = "The port they may use.\nIt must be a guarded one." },
	{ .name = "after",
		.type = CONFIG_TYPE_DURATION,
		.min = 10,
		.max = DAY,
		.initial = "60s",
		CONFIG_FIELD(config_rescue, after_s),
		.manual = "How long postern must have been dead." },
};

static const struct config_block_def blocks[CONFIG_BLOCK_COUNT] = {
	[CONFIG_BLOCK_ROOT] = { .name = "file" },
	[CONFIG_BLOCK_SERVER] = { .name = "server",
		.max = 1,
		CONFIG_KEYWORDS(server_keywords),
		.manual = "This server: its identity, its files and what holds for all of it." },
	[CONFIG_BLOCK_DOOR] = { .name = "door",
		.has_title = true,
		.max = CONFIG_DOORS_MAX,
		CONFIG_KEYWORDS(door_keywords),
		.manual = "A place where knocks are seen." },
	[CONFIG_BLOCK_SPA] = { .name = "spa",
		.parent = CONFIG_BLOCK_DOOR,
		.max = 1,
		CONFIG_KEYWORDS(spa_keywords),
		.manual = "Inside a door: take one-packet knocks there." },
	[CONFIG_BLOCK_SERVICE] = { .name = "service",
		.has_title = true,
		.max = CONFIG_SERVICES_MAX,
		CONFIG_KEYWORDS(service_keywords),
		.manual = "One guarded port." },
	[CONFIG_BLOCK_ACTION] = { .name = "action",
		.has_title = true,
		.max = CONFIG_ACTIONS_MAX,
		CONFIG_KEYWORDS(action_keywords),
		.manual = "What\n.Xr postern 1\n.Cm send\nmay ask for by this name." },
	[CONFIG_BLOCK_GROUP] = { .name = "group",
		.has_title = true,
		.max = CONFIG_GROUPS_MAX,
		CONFIG_KEYWORDS(group_keywords),
		.manual = "A name for many names." },
	[CONFIG_BLOCK_RESCUE] = { .name = "rescue",
		.max = 1,
		CONFIG_KEYWORDS(rescue_keywords),
		.manual = "Who gets in without a knock when the daemon is dead, or hangs.\n"
			  "While it lives these addresses are as closed out as any other." },
};

const struct config_block_def *config_block_def(enum config_block b)
{
	if (b >= CONFIG_BLOCK_SEQUENCE && b <= CONFIG_BLOCK_FWKNOP)
		return config_block_def_classic(b);
	if (b == CONFIG_BLOCK_PASSTHRU)
		return config_block_def_passthru();
	return &blocks[b];
}

static const struct config_block_def *def_of(int b)
{
	return config_block_def((enum config_block)b);
}

static bool is_in(int b, enum config_block parent)
{
	return def_of(b)->parent == parent;
}

enum config_block config_block_find(enum config_block parent, const char *name)
{
	for (int b = CONFIG_BLOCK_ROOT + 1; b < CONFIG_BLOCK_COUNT; b++)
		if (is_in(b, parent) && strcmp(def_of(b)->name, name) == 0)
			return (enum config_block)b;
	return CONFIG_BLOCK_ROOT;
}

const struct config_keyword *config_keyword_find(enum config_block b, const char *name)
{
	const struct config_block_def *def = config_block_def(b);
	for (size_t i = 0; i < def->keyword_count; i++)
		if (strcmp(def->keywords[i].name, name) == 0)
			return &def->keywords[i];
	return NULL;
}

bool config_keyword_is_list(const struct config_keyword *k)
{
	return k->type == CONFIG_TYPE_NAMES || k->type == CONFIG_TYPE_PATHS ||
		k->type == CONFIG_TYPE_COMMAND || k->type == CONFIG_TYPE_PREFIXES ||
		k->type == CONFIG_TYPE_TARGETS || k->type == CONFIG_TYPE_OPENINGS ||
		k->type == CONFIG_TYPE_SERVICES || k->type == CONFIG_TYPE_STEPS;
}

static void append(char to[CONFIG_WORDS_MAX], const char *word)
{
	size_t at = strlen(to);
	snprintf(to + at, CONFIG_WORDS_MAX - at, "%s%s", at == 0 ? "" : ", ", word);
}

const char *config_block_words(enum config_block b, char to[CONFIG_WORDS_MAX])
{
	const struct config_block_def *def = config_block_def(b);
	to[0] = '\0';
	for (size_t i = 0; i < def->keyword_count; i++)
		append(to, def->keywords[i].name);
	for (int c = CONFIG_BLOCK_ROOT + 1; c < CONFIG_BLOCK_COUNT; c++)
		if (is_in(c, b))
			append(to, def_of(c)->name);
	append(to, "include");
	return to;
}

static bool is_group_name(const char *title, const char **why)
{
	size_t len = strlen(title);
	*why = "a group name has 1 to 62 bytes";
	if (len < 1 || len > CONFIG_GROUP_NAME_MAX)
		return false;
	*why = "a group name has none of / = * + , @ $ \\ or quotes in it";
	if (strpbrk(title, "/=*+,@$\\\"'") != NULL)
		return false;
	*why = "a group name has no blank at its ends";
	return title[0] != ' ' && title[len - 1] != ' ';
}

bool config_title_check(enum config_block b, const char *title, const char **why)
{
	if (b == CONFIG_BLOCK_GROUP)
		return is_group_name(title, why);
	*why = "a name has 1 to 63 of a-z, 0-9 and -";
	return config_is_label(title);
}

bool config_is_label(const char *text)
{
	size_t len = strlen(text);
	return len >= 1 && len <= CONFIG_NAME_MAX &&
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}
