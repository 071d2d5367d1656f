/*
 * Commands that people let knockd run: the ones that add or remove one firewall rule for the source of
 * the knocks are understood, of five programs. Invariant: a word that is not known makes the whole
 * command not understood; nothing that could narrow or widen a rule is passed over without being named.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"

#define WORDS_MAX 64
#define SOURCE_WORD "%IP%"

struct words {
	size_t count, at;
	char *word[WORDS_MAX + 1];
	char text[IMPORT_VALUE_MAX];
};

struct parser {
	struct words w;
	struct import_rule rule;
	bool has_verb, has_source, has_port, has_accept;
	const char *why;
};

/* Words between blanks, quotes taken off. False for what only a shell could read. */
static bool split(const char *command, struct words *ret)
{
	size_t len = 0;

	*ret = (struct words){ 0 };
	if (strpbrk(command, ";|&<>`$\\()") != NULL || strlen(command) >= sizeof(ret->text))
		return false;
	while (*(command += strspn(command, " \t")) != '\0') {
		if (ret->count == WORDS_MAX)
			return false;
		ret->word[ret->count++] = ret->text + len;
		for (char quote = '\0'; *command != '\0'; command++) {
			if (quote == '\0' && (*command == ' ' || *command == '\t'))
				break;
			if (quote == '\0' && (*command == '\'' || *command == '"'))
				quote = *command;
			else if (*command == quote)
				quote = '\0';
			else
				ret->text[len++] = *command;
		}
		/* No longer than the command: each word ends at a blank or the end. */
		ret->text[len++] = '\0';
	}
	return ret->count > 0;
}

static const char *next(struct parser *p)
{
	return p->w.at < p->w.count ? p->w.word[p->w.at++] : "";
}

static bool is_next(struct parser *p, const char *word)
{
	if (p->w.at >= p->w.count || strcmp(p->w.word[p->w.at], word) != 0)
		return false;
	p->w.at++;
	return true;
}

static void skip_number(struct parser *p)
{
	unsigned long n;
	if (p->w.at < p->w.count && import_number(p->w.word[p->w.at], 0, 1000000, &n))
		p->w.at++;
}

static bool is_any(const char *word, const char *const *of)
{
	for (; *of != NULL; of++)
		if (strcmp(word, *of) == 0)
			return true;
	return false;
}

static bool refuse(struct parser *p, const char *why)
{
	p->why = why;
	return false;
}

/* What the rule says beyond protocol, port and source. */
static void leave_out(struct parser *p, const char *option, const char *value)
{
	size_t len = strlen(p->rule.left_out);
	char text[IMPORT_QUOTED_MAX];
	import_quoted(span_of(value, strlen(value)), text);
	snprintf(p->rule.left_out + len, sizeof(p->rule.left_out) - len, "%s%s %s",
		len > 0 ? ", " : "", option, text);
}

static bool take_verb(struct parser *p, bool is_remove)
{
	if (p->has_verb)
		return refuse(p, "it changes two rules");
	p->has_verb = true;
	p->rule.is_remove = is_remove;
	return true;
}

static bool take_source(struct parser *p, const char *word)
{
	if (strcmp(word, SOURCE_WORD) != 0 && strcmp(word, SOURCE_WORD "/32") != 0 &&
		strcmp(word, SOURCE_WORD "/128") != 0)
		return refuse(p, "its source is not " SOURCE_WORD);
	p->has_source = true;
	return true;
}

static bool take_proto(struct parser *p, const char *word)
{
	if (strcmp(word, "tcp") == 0)
		p->rule.proto = IPPROTO_TCP;
	else if (strcmp(word, "udp") == 0)
		p->rule.proto = IPPROTO_UDP;
	else
		return refuse(p, "its protocol is neither tcp nor udp");
	return true;
}

/* "22", "6000:6010" or "6000-6010". */
static bool take_port(struct parser *p, const char *word)
{
	char text[16];
	unsigned long first, last;
	size_t len = strcspn(word, ":-");

	if (p->has_port || strlen(word) >= sizeof(text))
		return refuse(p, "it has not one port, or one range of ports, in numbers");
	snprintf(text, sizeof(text), "%.*s", (int)len, word);
	if (!import_number(text, 1, 65535, &first) ||
		(word[len] != '\0' && !import_number(word + len + 1, first, 65535, &last)))
		return refuse(p, "it has not one port, or one range of ports, in numbers");
	p->rule.port = (uint16_t)first;
	p->rule.port_last = (uint16_t)(word[len] != '\0' ? last : first);
	p->has_port = true;
	return true;
}

/* ------------------------------------------------------------------ iptables */

/* One option that is not the verb. */
static bool take_iptables_option(struct parser *p, const char *word)
{
	static const char *const source[] = { "-s", "--source", "--src", NULL };
	static const char *const proto[] = { "-p", "--protocol", "--proto", NULL };
	static const char *const port[] = { "--dport", "--destination-port", "--dports", NULL };
	static const char *const jump[] = { "-j", "--jump", NULL };
	static const char *const plain[] = { "-m", "--match", "--state", "--ctstate", "--comment",
		NULL };
	static const char *const narrow[] = { "-i", "--in-interface", "-d", "--destination", NULL };

	if (is_any(word, source))
		return take_source(p, next(p));
	if (is_any(word, proto))
		return take_proto(p, next(p));
	if (is_any(word, port))
		return take_port(p, next(p));
	if (is_any(word, jump)) {
		p->has_accept = strcmp(next(p), "ACCEPT") == 0;
		return p->has_accept || refuse(p, "it does not jump to ACCEPT");
	}
	if (is_any(word, narrow)) {
		leave_out(p, word, next(p));
		return true;
	}
	if (strcmp(word, "-t") == 0 || strcmp(word, "--table") == 0)
		return strcmp(next(p), "filter") == 0 ||
			refuse(p,
				"its table is not filter; for another machine write forward = ...");
	if (strcmp(word, "-w") == 0 || strcmp(word, "--wait") == 0) {
		skip_number(p);
		return true;
	}
	if (!is_any(word, plain))
		return refuse(p, "it has an option that is not known here");
	next(p);
	return true;
}

static bool parse_iptables(struct parser *p)
{
	static const char *const add[] = { "-A", "--append", "-I", "--insert", NULL };
	static const char *const remove_[] = { "-D", "--delete", NULL };

	while (p->w.at < p->w.count) {
		const char *word = next(p);
		bool is_remove = is_any(word, remove_);
		if (!is_remove && !is_any(word, add)) {
			if (!take_iptables_option(p, word))
				return false;
			continue;
		}
		if (!take_verb(p, is_remove))
			return false;
		next(p); /* the chain */
		skip_number(p);
	}
	return true;
}

/* ------------------------------------------------------------------ nft */

static bool take_nft_word(struct parser *p, const char *word)
{
	bool is_ip = strcmp(word, "ip") == 0 || strcmp(word, "ip6") == 0;

	if (is_ip && is_next(p, "saddr"))
		return take_source(p, next(p));
	if ((strcmp(word, "tcp") == 0 || strcmp(word, "udp") == 0) && is_next(p, "dport"))
		return take_proto(p, word) && take_port(p, next(p));
	if (strcmp(word, "iif") == 0 || strcmp(word, "iifname") == 0) {
		leave_out(p, word, next(p));
		return true;
	}
	if (strcmp(word, "ct") == 0 && is_next(p, "state")) {
		next(p);
		return true;
	}
	if (strcmp(word, "counter") == 0)
		return true;
	if (strcmp(word, "accept") != 0)
		return refuse(p, "it has a word that is not known here");
	p->has_accept = true;
	return true;
}

static bool parse_nft(struct parser *p)
{
	static const char *const families[] = { "ip", "ip6", "inet", NULL };
	const char *verb = next(p);
	bool is_remove = strcmp(verb, "delete") == 0;

	if ((!is_remove && strcmp(verb, "add") != 0 && strcmp(verb, "insert") != 0) ||
		!is_next(p, "rule"))
		return refuse(p, "it adds or deletes no rule");
	take_verb(p, is_remove);
	if (p->w.at < p->w.count && is_any(p->w.word[p->w.at], families))
		p->w.at++;
	next(p); /* table and chain */
	next(p);
	if (is_next(p, "position") || is_next(p, "index"))
		next(p);
	while (p->w.at < p->w.count)
		if (!take_nft_word(p, next(p)))
			return false;
	return true;
}

/* ------------------------------------------------------------------ ufw, firewall-cmd */

static bool take_ufw_word(struct parser *p, const char *word)
{
	if (strcmp(word, "proto") == 0)
		return take_proto(p, next(p));
	if (strcmp(word, "from") == 0)
		return take_source(p, next(p));
	if (strcmp(word, "port") == 0)
		return take_port(p, next(p));
	if (strcmp(word, "to") == 0) {
		const char *to = next(p);
		if (strcmp(to, "any") != 0)
			leave_out(p, word, to);
		return true;
	}
	if (strcmp(word, "in") == 0 && is_next(p, "on")) {
		leave_out(p, "in on", next(p));
		return true;
	}
	if (strcmp(word, "comment") != 0)
		return refuse(p, "it has a word that is not known here");
	next(p);
	return true;
}

static bool parse_ufw(struct parser *p)
{
	is_next(p, "--force");
	take_verb(p, is_next(p, "delete"));
	if (is_next(p, "insert"))
		next(p);
	else
		is_next(p, "prepend");
	if (!is_next(p, "allow"))
		return refuse(p, "it allows nothing");
	p->has_accept = true;
	while (p->w.at < p->w.count)
		if (!take_ufw_word(p, next(p)))
			return false;
	if (p->rule.proto == 0) {
		p->rule.proto = IPPROTO_TCP;
		leave_out(p, "proto", "udp");
	}
	return true;
}

/* The words of a rich rule. */
static bool parse_rich_rule(struct parser *p, const char *text)
{
	struct words w;

	if (!split(text, &w))
		return refuse(p, "its rich rule is not understood");
	for (size_t i = 0; i < w.count; i++) {
		const char *word = w.word[i];
		bool is_good = strcmp(word, "rule") == 0 || strcmp(word, "source") == 0 ||
			strcmp(word, "port") == 0 || strncmp(word, "family=", 7) == 0;
		if (strncmp(word, "address=", 8) == 0)
			is_good = take_source(p, word + 8);
		else if (strncmp(word, "port=", 5) == 0)
			is_good = take_port(p, word + 5);
		else if (strncmp(word, "protocol=", 9) == 0)
			is_good = take_proto(p, word + 9);
		else if (strcmp(word, "accept") == 0)
			is_good = p->has_accept = true;
		if (!is_good)
			return p->why != NULL
				? false
				: refuse(p, "its rich rule has a word that is not known");
	}
	return true;
}

/* The value of --NAME=VALUE or --NAME VALUE; NULL when word is another option. */
static const char *option_value(struct parser *p, const char *word, const char *name)
{
	size_t len = strlen(name);
	if (strncmp(word, name, len) != 0)
		return NULL;
	if (word[len] == '=')
		return word + len + 1;
	return word[len] == '\0' ? next(p) : NULL;
}

static bool parse_firewall_cmd(struct parser *p)
{
	while (p->w.at < p->w.count) {
		const char *word = next(p), *value;
		if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0)
			continue;
		if ((value = option_value(p, word, "--zone")) != NULL) {
			leave_out(p, "--zone", value);
			continue;
		}
		bool is_remove = false;
		value = option_value(p, word, "--add-rich-rule");
		if (value == NULL) {
			value = option_value(p, word, "--remove-rich-rule");
			is_remove = true;
		}
		if (value == NULL)
			return refuse(p, "it has an option that is not known here");
		if (!take_verb(p, is_remove) || !parse_rich_rule(p, value))
			return false;
	}
	return true;
}

/* ------------------------------------------------------------------ all */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash != NULL ? slash + 1 : path;
}

static bool parse(struct parser *p)
{
	static const struct {
		const char *name;
		bool (*parse)(struct parser *p);
	} programs[] = {
		{ "iptables", parse_iptables },
		{ "ip6tables", parse_iptables },
		{ "nft", parse_nft },
		{ "ufw", parse_ufw },
		{ "firewall-cmd", parse_firewall_cmd },
	};
	is_next(p, "sudo");
	const char *program = base_name(next(p));
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++)
		if (strcmp(program, programs[i].name) == 0)
			return programs[i].parse(p);
	return refuse(p, "it runs a program that changes no firewall rule we know");
}

bool import_rule_parse(const char *command, struct import_rule *ret, const char **why)
{
	struct parser p = { 0 };

	if (!split(command, &p.w)) {
		*why = "it is more than one command, or needs a shell";
		return false;
	}
	bool is_good = parse(&p);
	if (is_good &&
		(!p.has_verb || !p.has_source || !p.has_port || p.rule.proto == 0 ||
			(!p.has_accept && !p.rule.is_remove)))
		is_good = refuse(&p, "it does not let " SOURCE_WORD " in on a port");
	if (is_good)
		*ret = p.rule;
	else
		*why = p.why;
	return is_good;
}
