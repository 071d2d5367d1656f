/*
 * The rule set as text. Whatever changes while postern runs is an element of a set, so the text is loaded
 * once, and the digest of it tells whether a table found in the kernel is this one. Of the configuration
 * it has the log group and the prefix lengths that some service allows.
 * Everything is dropped for want of an element, never admitted for want of one.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "gate/internal.h"

#define DIGEST_SHOWN 6

/*
 * "%T" stands for the table, "%G" for the log group, "%M" for the high bits of marks; in what is repeated for each family, "%A" for the
 * family's word and "%N" for the end of a set's name; "%S" and "%K" for a key's types and where a packet
 * has it. Commands, not a block: a block would send table flags, and the table exists already with flags
 * that libnftables does not know.
 */
static const char *const sets[] = {
	"# Ports that answer only who came through a gate; the knock ports, where nothing ever answers.",
	"add set inet %T guarded { type inet_proto . inet_service; size 2048; }",
	"add set inet %T knock { type inet_service; size 64; }",

	"# The service that a guarded port belongs to, as a number: its protocol and its first port. In the",
	"# keys below that number stands for all its ports, so that a gate is one element however many ports",
	"# it opens. The mark of a connection which nobody has let in yet is where a packet carries it.",
	"add map inet %T place { type inet_proto . inet_service : mark; size 2048; }",

	"# Marks whose connections may go on. They outlive their gates by hours, hence the larger size.",
	"add set inet %T lease { type mark; flags timeout; gc-interval 1s; size 1048576; }",
	"# Those that may go on until they end: each packet renews the time, so that only what connection",
	"# tracking has given up, or would, leaves the set. Packets on their way at the moment of a cut could",
	"# renew what was just taken out, therefore a cut also says that it is over.",
	"add set inet %T kept { type mark; flags timeout,dynamic; timeout 5d; size 1048576; }",
	"add set inet %T ended { type mark; flags timeout; timeout 6d; size 1048576; }",

	"# Those whose cut was told a moment ago: one message a grant, however many packets are refused.",
	("add set inet %T told { type mark; flags timeout,dynamic; timeout 1m; gc-interval 1s;"
	 " size 65536; }"),

	"add counter inet %T c_open",
	"add counter inet %T c_drop",
	"add counter inet %T c_cut",
};

static const char *const sets_of_form[] = {
	"# Tickets for one connection. Each element has its own limit, which the kernel takes under a lock:",
	"# of two first packets on two processors exactly one finds it. The delete in the rule alone would",
	"# let both in now and then.",
	"add set inet %T once%N { type %S; flags timeout,dynamic;"
	" gc-interval 1s; size 65536; limit rate 1/week burst 1 packets; }",
	"# Tickets for several: an element comes with a limit of its own in the place of this one.",
	"add set inet %T times%N { type %S; flags timeout,dynamic;"
	" gc-interval 1s; size 65536; limit rate 1/week burst 1 packets; }",
	"# Gates for any number of connections until their time is over.",
	"add set inet %T window%N { type %S; flags timeout; gc-interval 1s; size 65536; }",
	"# The connection mark that a gate gives, a number of its own for every grant.",
	"add map inet %T mark%N { type %S : mark; flags timeout; size 65536; }",
};

/*
 * What the end of a lease cuts, for the journal: the packet with its connection's mark in the place of its own,
 * which nobody reads any more, since it goes no further. The prefix says which of its addresses is the guest's.
 */
static const char *const cut_template[] = {
	"# The first packet that the end of a lease stops, once a minute at most for each grant. The numbers of",
	"# services have no high bits.",
	"add chain inet %T cut",
	"add rule inet %T cut ct mark @told return",
	("add rule inet %T cut ct direction original ct mark and 0xff000000 != 0"
	 " add @told { ct mark } meta mark set ct mark"
	 " log prefix \"" GATE_CUT_ARRIVING "\" group %G snaplen 64 queue-threshold 1"),
	("add rule inet %T cut ct direction reply ct mark and 0xff000000 != 0"
	 " add @told { ct mark } meta mark set ct mark"
	 " log prefix \"" GATE_CUT_LEAVING "\" group %G snaplen 64 queue-threshold 1"),
};

static const char *const chains[] = {
	"# Before connection tracking: a knock leaves no state and gets no ICMP. Only on its way to this",
	"# machine: what is forwarded to that port of others is theirs.",
	"add chain inet %T early { type filter hook prerouting priority -301; policy accept; }",
	"add rule inet %T early udp dport @knock fib daddr type local drop",

	"# After the filters of others (0), so that a packet which they drop spends no ticket. What is not",
	"# guarded is left to them: an accept here decides nothing for them, nor theirs for us.",
	"add chain inet %T newcomer4",
	"add chain inet %T newcomer6",
	"add chain inet %T arriving",
	"add chain inet %T leaving",
	"add chain inet %T input { type filter hook input priority 50; policy accept; }",
	"add rule inet %T input iifname \"lo\" accept",
	"add rule inet %T input meta l4proto . th dport @guarded jump arriving",
	"add rule inet %T input meta nfproto @lockdown jump locked",
	"add chain inet %T output { type filter hook output priority 50; policy accept; }",
	"add rule inet %T output oifname \"lo\" accept",
	"add rule inet %T output ct direction original accept",
	"add rule inet %T output meta l4proto . th sport @guarded jump leaving",

	"# What this machine began itself, from a port that happens to be guarded.",
	"add rule inet %T arriving ct direction reply ct state established,related accept",
	"# Admitted: also a first packet sent again, which connection tracking still calls new.",
	"add rule inet %T arriving ct mark @lease accept",
	"add rule inet %T arriving ct mark != @ended ct mark @kept"
	" update @kept { ct mark timeout 5d } accept",
	"# Established without ever having had a mark: it is older than the guard.",
	"add rule inet %T arriving ct mark 0 ct state established accept",
	"# Postern has been dead for a while: the rescuers come in, and no other.",
	"add rule inet %T arriving meta l4proto . th dport @rescue_at"
	" meta l4proto . th dport != @alive jump rescued",
	"# Admitted once, and the lease is over.",
	"add rule inet %T arriving ct state established jump cut",
	"add rule inet %T arriving meta l4proto tcp ct state established"
	" counter name c_cut reject with tcp reset",
	"# A stray packet spends no ticket.",
	"add rule inet %T arriving meta l4proto tcp tcp flags & (fin|syn|rst|ack) != syn"
	" counter name c_drop drop",
	"# Which service is it for? Datagrams between the same two ports are one connection for as long as",
	"# somebody sends them: after the end of its lease it may come in again like a new one.",
	"add rule inet %T arriving ct state new,established"
	" ct mark set meta l4proto . th dport map @place",
	"add rule inet %T arriving ct state new,established meta nfproto ipv4 jump newcomer4",
	"add rule inet %T arriving ct state new,established meta nfproto ipv6 jump newcomer6",
	"# Everybody else hears nothing.",
	"add rule inet %T arriving counter name c_drop drop",

	"# The same lease the other way, so that nothing flows after its end; first the reset itself.",
	"add rule inet %T leaving tcp flags & rst == rst accept",
	"add rule inet %T leaving ct mark @lease accept",
	"add rule inet %T leaving ct mark != @ended ct mark @kept"
	" update @kept { ct mark timeout 5d } accept",
	"add rule inet %T leaving ct mark 0 ct state established accept",
	"add rule inet %T leaving meta l4proto . th sport @rescue_at"
	" meta l4proto . th sport != @alive jump rescued_out",
	"add rule inet %T leaving jump cut",
	"add rule inet %T leaving meta l4proto tcp counter name c_cut reject with tcp reset",
	"add rule inet %T leaving counter name c_cut drop",
};

/*
 * The rescue: whom `alive`, which is kept alive from outside, has kept out no longer. Loaded before the
 * chains that jump here.
 */
static const char *const rescue_template[] = {
	"# The rescue: who may come in, and where, once nobody has kept the port alive for its time.",
	"add set inet %T rescue4 { type ipv4_addr . inet_proto . inet_service; flags interval;"
	" size 64; }",
	"add set inet %T rescue6 { type ipv6_addr . inet_proto . inet_service; flags interval;"
	" size 64; }",
	"# Where at all: most packets need not be looked up among ranges, which takes its time.",
	"add set inet %T rescue_at { type inet_proto . inet_service; size 16; }",
	"add set inet %T alive { type inet_proto . inet_service; flags timeout; gc-interval 1s;"
	" size 16; }",
	"add counter inet %T c_rescue",
	"add chain inet %T rescued",
	"add rule inet %T rescued ip saddr . meta l4proto . th dport @rescue4"
	" counter name c_rescue accept",
	"add rule inet %T rescued ip6 saddr . meta l4proto . th dport @rescue6"
	" counter name c_rescue accept",
	"add chain inet %T rescued_out",
	"add rule inet %T rescued_out ip daddr . meta l4proto . th sport @rescue4 accept",
	"add rule inet %T rescued_out ip6 daddr . meta l4proto . th sport @rescue6 accept",
};

/*
 * The lockdown: what nobody guards is dropped as well, but for what keeps a machine on its network. On and
 * off by elements, so that neither replaces the rule set. Loaded before the chain that jumps here.
 */
static const char *const lockdown_template[] = {
	"# The lockdown: for which versions of IP it is on, and what it leaves to everybody.",
	"add set inet %T lockdown { type nf_proto; size 2; }",
	"add set inet %T allowed { type inet_proto . inet_service; size 64; }",
	"add set inet %T echo { type nf_proto; size 2; }",
	"add counter inet %T c_locked",
	"add chain inet %T locked",
	"# What this machine began, what was there before, and errors about either.",
	"add rule inet %T locked ct state established,related accept",
	"# Who the neighbours are, which way is out, and how large a packet may be.",
	"add rule inet %T locked icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert,"
	" nd-router-solicit, nd-router-advert, nd-redirect, mld-listener-query,"
	" destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept",
	"add rule inet %T locked icmp type destination-unreachable accept",
	"add rule inet %T locked icmp type { time-exceeded, parameter-problem } accept",
	"add rule inet %T locked ip protocol igmp accept",
	"# Answers of a DHCP server, which come from another address than was asked.",
	"add rule inet %T locked udp sport 67 udp dport 68 accept",
	"add rule inet %T locked ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept",
	"add rule inet %T locked meta nfproto @echo icmp type echo-request accept",
	"add rule inet %T locked meta nfproto @echo icmpv6 type echo-request accept",
	"add rule inet %T locked meta l4proto . th dport @allowed accept",
	"add rule inet %T locked counter name c_locked drop",
};

/*
 * Forwarded services, only where there are any: chains of type nat are not loaded without need. The outer
 * port is judged before the address is changed, by the same chain as every other. What is sent on, and its
 * replies, meet the same lease; what others send on is theirs.
 */
static const char *const forward_template[] = {
	"# Services that stand on other machines, and where.",
	"add set inet %T forwarded { type inet_proto . inet_service; size 512; }",
	"add map inet %T to4 { type inet_proto . inet_service : ipv4_addr . inet_service; size 512; }",
	"add map inet %T to6 { type inet_proto . inet_service : ipv6_addr . inet_service; size 512; }",
	"# Targets that see this machine as the source.",
	"add set inet %T masked4 { type ipv4_addr . inet_proto . inet_service; size 512; }",
	"add set inet %T masked6 { type ipv6_addr . inet_proto . inet_service; size 512; }",
	"# After connection tracking, before any translation of addresses.",
	"add chain inet %T outside { type filter hook prerouting priority -110; policy accept; }",
	"add rule inet %T outside iifname \"lo\" accept",
	"add rule inet %T outside fib daddr type local ct direction original"
	" meta l4proto . th dport @forwarded jump arriving",
	"# Before the translations of others.",
	"add chain inet %T sent_on { type nat hook prerouting priority -105; policy accept; }",
	"add rule inet %T sent_on ct mark @lease fib daddr type local"
	" dnat ip to meta l4proto . th dport map @to4",
	"add rule inet %T sent_on ct mark @lease fib daddr type local"
	" dnat ip6 to meta l4proto . th dport map @to6",
	"add rule inet %T sent_on ct mark @kept fib daddr type local"
	" dnat ip to meta l4proto . th dport map @to4",
	"add rule inet %T sent_on ct mark @kept fib daddr type local"
	" dnat ip6 to meta l4proto . th dport map @to6",
	"add chain inet %T masked { type nat hook postrouting priority 95; policy accept; }",
	"add rule inet %T masked ct mark @lease ct status dnat"
	" ip daddr . meta l4proto . th dport @masked4 masquerade",
	"add rule inet %T masked ct mark @lease ct status dnat"
	" ip6 daddr . meta l4proto . th dport @masked6 masquerade",
	"add rule inet %T masked ct mark @kept ct status dnat"
	" ip daddr . meta l4proto . th dport @masked4 masquerade",
	"add rule inet %T masked ct mark @kept ct status dnat"
	" ip6 daddr . meta l4proto . th dport @masked6 masquerade",
	"# Both ways: nothing flows after the end of the lease.",
	"add chain inet %T passing",
	"add chain inet %T forward { type filter hook forward priority 50; policy accept; }",
	"add rule inet %T forward ct status dnat ct mark and 0xff000000 == %M jump passing",
	"add rule inet %T passing tcp flags & rst == rst accept",
	"add rule inet %T passing ct mark @lease accept",
	"add rule inet %T passing ct mark != @ended ct mark @kept"
	" update @kept { ct mark timeout 5d } accept",
	"add rule inet %T passing jump cut",
	"add rule inet %T passing meta l4proto tcp counter name c_cut reject with tcp reset",
	"add rule inet %T passing counter name c_cut drop",
};

#define ADMIT " counter name c_open log group %G snaplen 64 queue-threshold 1 accept"

static const char *const rules_of_form[] = {
	"# The ticket for one connection: spent by the set's limit, then removed.",
	"add rule inet %T newcomer%A %K @once%N delete @once%N { %K }"
	" ct mark set %K map @mark%N" ADMIT,
	"# The ticket for several: spent by its limit.",
	"add rule inet %T newcomer%A %K @times%N ct mark set %K map @mark%N" ADMIT,
	"# The window.",
	"add rule inet %T newcomer%A %K @window%N ct mark set %K map @mark%N" ADMIT,
};

/* A window for a network needs no set beside its map: nobody spends it. */
static const char *const net_of_form[] = {
	"# A window for a network of one prefix length.",
	"add map inet %T net%N { type %S : mark; flags timeout; size 65536; }",
	("add rule inet %T newcomer%A ct mark set %K map @net%N" ADMIT),
};

/* What a key is made of. The narrower one first: a gate for one source port is spent by that port. */
struct form {
	const char *family, *name, *types, *key;
};

static const struct form forms[] = {
	{ "4", "4p", "ipv4_addr . inet_service . mark", "ip saddr . th sport . ct mark" },
	{ "6", "6p", "ipv6_addr . inet_service . mark", "ip6 saddr . th sport . ct mark" },
	{ "4", "4", "ipv4_addr . mark", "ip saddr . ct mark" },
	{ "6", "6", "ipv6_addr . mark", "ip6 saddr . ct mark" },
};

#define FORM_COUNT (sizeof(forms) / sizeof(forms[0]))
#define LEN(array) (sizeof(array) / sizeof((array)[0]))

/* Everything that the signs in a line stand for. */
struct expansion {
	FILE *out;
	const char *table;
	const struct config *config;
	const struct form *form;
};

static void expand_sign(const struct expansion *e, char sign)
{
	static const struct form none = { "", "", "", "" };
	const struct form *f = e->form != NULL ? e->form : &none;
	if (sign == 'T')
		fputs(e->table, e->out);
	else if (sign == 'G')
		fprintf(e->out, "%u", (unsigned)e->config->server.log_group);
	else if (sign == 'M')
		fprintf(e->out, "0x%08x", (unsigned)e->config->server.mark_base);
	else if (sign == 'A')
		fputs(f->family, e->out);
	else if (sign == 'N')
		fputs(f->name, e->out);
	else if (sign == 'S')
		fputs(f->types, e->out);
	else if (sign == 'K')
		fputs(f->key, e->out);
}

static void expand(struct expansion *e, const struct form *form, const char *const *lines, size_t n)
{
	e->form = form;
	for (size_t i = 0; i < n; i++) {
		for (const char *p = lines[i]; *p != '\0'; p++) {
			if (*p == '%' && p[1] != '\0')
				expand_sign(e, *++p);
			else
				fputc(*p, e->out);
		}
		fputc('\n', e->out);
	}
}

/* The first bits of an address of len bytes, as an address. */
static struct addr mask_of(size_t len, unsigned bits)
{
	uint8_t b[16] = { 0 };
	for (unsigned i = 0; i < bits; i++)
		b[i / 8] = (uint8_t)(b[i / 8] | 0x80u >> i % 8);
	return len == 4 ? addr_v4(b) : addr_v6(b);
}

/* Narrower networks first, so that the closest gate is the one that is used. */
static void expand_nets(struct expansion *e, bool is_v4, unsigned widest)
{
	char name[8], key[ADDR_TEXT_MAX + 32], mask[ADDR_TEXT_MAX];
	for (unsigned bits = is_v4 ? 31 : 127; bits >= widest; bits--) {
		struct addr m = mask_of(is_v4 ? 4 : 16, bits);
		snprintf(name, sizeof(name), is_v4 ? "4_%u" : "6_%u", bits);
		snprintf(key, sizeof(key),
			is_v4 ? "ip saddr & %s . ct mark" : "ip6 saddr & %s . ct mark",
			addr_format(&m, mask));
		const struct form net = { is_v4 ? "4" : "6", name,
			is_v4 ? "ipv4_addr . mark" : "ipv6_addr . mark", key };
		expand(e, &net, net_of_form, LEN(net_of_form));
	}
}

/* The widest network that a gate may be for; a host's bits when no service allows any. */
static unsigned widest_prefix(const struct config *c, bool is_v4)
{
	unsigned widest = is_v4 ? CONFIG_PREFIX_V4_HOST : CONFIG_PREFIX_V6_HOST;
	for (size_t i = 0; i < c->service_count; i++) {
		const struct config_service *s = &c->services[i];
		unsigned bits = is_v4 ? s->prefix_v4 : s->prefix_v6;
		if (bits != 0 && bits < widest)
			widest = bits;
	}
	return widest;
}

static void expand_all(struct expansion *e)
{
	expand(e, NULL, rescue_template, LEN(rescue_template));
	expand(e, NULL, lockdown_template, LEN(lockdown_template));
	expand(e, NULL, sets, LEN(sets));
	for (size_t i = 0; i < FORM_COUNT; i++)
		expand(e, &forms[i], sets_of_form, LEN(sets_of_form));
	expand(e, NULL, cut_template, LEN(cut_template));
	expand(e, NULL, chains, LEN(chains));
	for (size_t i = 0; i < FORM_COUNT; i++)
		expand(e, &forms[i], rules_of_form, LEN(rules_of_form));
	expand_nets(e, true, widest_prefix(e->config, true));
	expand_nets(e, false, widest_prefix(e->config, false));
	if (gate_forward_is_on(e->config))
		expand(e, NULL, forward_template, LEN(forward_template));
}

char *gate_ruleset_text(const char *table, const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	struct expansion e = { .out = f, .table = table, .config = c };
	expand_all(&e);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* A better comment is no reason to replace the table of a living machine. */
static void digest(const char *text, uint8_t to[crypto_generichash_BYTES])
{
	crypto_generichash_state state;
	crypto_generichash_init(&state, NULL, 0, crypto_generichash_BYTES);
	for (const char *line = text; *line != '\0';) {
		size_t len = strcspn(line, "\n");
		if (line[len] == '\n')
			len++;
		if (line[0] != '#')
			crypto_generichash_update(&state, (const uint8_t *)line, len);
		line += len;
	}
	crypto_generichash_final(&state, to, crypto_generichash_BYTES);
}

bool gate_ruleset_version(const struct config *c, char to[GATE_VERSION_MAX])
{
	uint8_t sum[crypto_generichash_BYTES];
	char hex[2 * DIGEST_SHOWN + 1];

	char *text = gate_ruleset_text(GATE_TABLE, c);
	if (text == NULL)
		return false;
	digest(text, sum);
	free(text);
	snprintf(to, GATE_VERSION_MAX, "postern rule set 1 %s",
		text_hex(span_of(sum, DIGEST_SHOWN), hex));
	return true;
}

/*
 * One priority before ours, so that nothing is reset while the leases are not back yet: whoever is
 * connected waits and sends again. Time-outs, so that a death half way locks nobody out.
 */
static const char cover[] =
	"add chain inet " GATE_TABLE_COVER " input { type filter hook input priority 49; }\n"
	"add rule inet " GATE_TABLE_COVER " input iifname \"lo\" accept\n"
	"add rule inet " GATE_TABLE_COVER
	" input ct direction reply ct state established,related accept\n"
	"add rule inet " GATE_TABLE_COVER " input meta l4proto . th dport @guarded drop\n"
	"add chain inet " GATE_TABLE_COVER " output { type filter hook output priority 49; }\n"
	"add rule inet " GATE_TABLE_COVER " output oifname \"lo\" accept\n"
	"add rule inet " GATE_TABLE_COVER " output ct direction original accept\n"
	"add rule inet " GATE_TABLE_COVER " output meta l4proto . th sport @guarded drop\n";

/* The same for what is sent on, in either direction. */
static const char forward_cover[] =
	"add chain inet " GATE_TABLE_COVER
	" outside { type filter hook prerouting priority -111; }\n"
	"add rule inet " GATE_TABLE_COVER " outside iifname \"lo\" accept\n"
	"add rule inet " GATE_TABLE_COVER " outside fib daddr type local ct direction original"
	" meta l4proto . th dport @guarded drop\n"
	"add chain inet " GATE_TABLE_COVER " forward { type filter hook forward priority 49; }\n"
	"add set inet " GATE_TABLE_COVER " ours { type mark; flags interval,timeout; }\n"
	"add rule inet " GATE_TABLE_COVER " forward ct status dnat ct mark @ours drop\n";

static void put_forward_cover(FILE *f, const struct config *c)
{
	unsigned base = c->server.mark_base;
	fputs(forward_cover, f);
	fprintf(f, "add element inet " GATE_TABLE_COVER " ours { 0x%08x-0x%08x timeout %us }\n",
		base, base | 0xffffffu, (unsigned)GATE_COVER_S);
}

static void cover_service(FILE *f, const struct config_service *s)
{
	for (unsigned port = s->port; port <= config_service_last_port(s); port++)
		fprintf(f,
			"add element inet " GATE_TABLE_COVER " guarded { %s . %u timeout %us }\n",
			s->proto == IPPROTO_TCP ? "tcp" : "udp", port, (unsigned)GATE_COVER_S);
}

/* Whoever begins something now, waits and tries again. */
static void put_lockdown_cover(FILE *f)
{
	fprintf(f,
		"add set inet " GATE_TABLE_COVER " lockdown { type nf_proto; flags timeout; }\n"
		"add element inet " GATE_TABLE_COVER
		" lockdown { ipv4 timeout %us, ipv6 timeout %us }\n"
		"add rule inet " GATE_TABLE_COVER " input meta nfproto @lockdown"
		" meta l4proto { tcp, udp } ct state new drop\n",
		(unsigned)GATE_COVER_S, (unsigned)GATE_COVER_S);
}

char *gate_ruleset_cover(const struct config *c)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	if (f == NULL)
		return NULL;
	fputs("add table inet " GATE_TABLE_COVER "\ndelete table inet " GATE_TABLE_COVER
	      "\nadd table inet " GATE_TABLE_COVER "\nadd set inet " GATE_TABLE_COVER
	      " guarded { type inet_proto . inet_service; flags timeout; }\n",
		f);
	for (size_t i = 0; i < c->service_count; i++)
		cover_service(f, &c->services[i]);
	fputs(cover, f);
	if (gate_forward_is_on(c))
		put_forward_cover(f, c);
	if (c->server.lockdown)
		put_lockdown_cover(f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
