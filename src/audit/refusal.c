/*
 * Refusals of mail servers by family: what the words of the server mean and what helps. Data: a line a
 * family, the first whose words all occur is it.
 */

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "audit/report.h"

#define WORDS_MAX 2

static const struct {
	const char *words[WORDS_MAX];
	const char *meaning;
} families[] = {
	/* Outlook.com and Hotmail, as their postmaster pages explain them. */
	{ { "RP-001" },
		"this address may send little because of its reputation; wait, and look it up in the operator's sender pages" },
	{ { "RP-002" }, "this connection has used up what it may send; wait, then go more slowly" },
	{ { "RP-003" },
		"too many connections at once from this address; open fewer at a time (--polite)" },
	{ { "SC-001" },
		"refused by policy, for the content or the reputation of this address; ask the operator's support" },
	{ { "SC-002" },
		"refused for namespace mining: this address asked for many recipients who do not exist" },
	{ { "SC-003" }, "refused as an open proxy or relay; close it, then ask for removal" },
	{ { "SC-004" },
		"blocked after complaints of recipients; join the operator's complaint reports and ask for removal" },
	{ { "DY-001" },
		"refused as a dynamic address; send through your provider's server or from a fixed address" },
	{ { "DY-002" },
		"refused as a host that is probably infected; clean it, then ask for removal" },
	{ { "OU-001" },
		"this address is on a blocklist that the operator uses; ask that list for removal" },
	{ { "OU-002" },
		"refused for the reputation of this address; ask the operator's support for removal" },
	/* What many servers say. */
	{ { "greylist" }, "greylisted: a stranger is asked to come again in some minutes" },
	{ { "graylist" }, "greylisted: a stranger is asked to come again in some minutes" },
	{ { "spamhaus" },
		"this address is on a Spamhaus list; ask there for removal, or audit from another address" },
	{ { "spamcop" },
		"this address is on the SpamCop list; it leaves by itself when the reports end" },
	{ { "blocklist" }, "this address is on a blocklist; ask that list for removal" },
	{ { "blacklist" }, "this address is on a blocklist; ask that list for removal" },
	{ { "too many", "connections" },
		"too many connections from this address; open fewer at a time (--polite)" },
	{ { "connection rate" },
		"too many connections in a short time; open them more slowly (--rate)" },
	{ { "rate limit" }, "too much in a short time; go more slowly (--rate)" },
	{ { "too many", "concurrent" },
		"too many connections at once; open fewer at a time (--polite)" },
	{ { "reverse", "DNS" },
		"this address has no name that leads back to it; set its PTR record" },
	{ { "PTR" }, "this address has no name that leads back to it; set its PTR record" },
	{ { "HELO", "name" }, "the server dislikes our name; give a full one with --ehlo NAME" },
	{ { "EHLO", "name" }, "the server dislikes our name; give a full one with --ehlo NAME" },
	{ { "fully", "qualified" },
		"the server wants a full host name; give one with --ehlo NAME" },
	{ { "<host-unknown" },
		"this server speaks for other domains; ask for one of them, which may have another name than the server" },
	{ { "TLS not available" },
		"the server offers TLS but cannot begin it now: often its certificate or key cannot be read" },
};

const char *audit_refusal_meaning(const char *words)
{
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		bool is_it = true;
		for (size_t k = 0; k < WORDS_MAX && families[i].words[k] != NULL; k++)
			is_it = is_it && strcasestr(words, families[i].words[k]) != NULL;
		if (is_it)
			return families[i].meaning;
	}
	return NULL;
}
