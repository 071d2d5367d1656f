/* What an import understands of a firewall command, one line a case, and the names that it makes. */

#include <netinet/in.h>
#include <sodium.h>

#include "cmd/import.h"
#include "test.h"

#define REMOVE 0x100 /* beside the protocol */

static void test_rules(void **state)
{
	(void)state;
	static const struct {
		const char *command;
		int what; /* 0: not understood */
		uint16_t port, last;
		const char *left_out;
	} cases[] = {
		{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", 6, 22, 22, "" },
		{ "/sbin/iptables -I INPUT 1 -s %IP%/32 -p udp --dport 53 -j ACCEPT", 17, 53, 53,
			"" },
		{ "sudo ip6tables -w 5 -A IN -s %IP% -p tcp -m tcp --dport 1:9 -j ACCEPT", 6, 1, 9,
			"" },
		{ "iptables -A INPUT -i eth0 -s %IP% -p tcp --dport 22 -j ACCEPT", 6, 22, 22,
			"-i eth0" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -m comment --comment 'a b' -j ACCEPT",
			6, 22, 22, "" },
		{ "iptables -D INPUT -s %IP% -p tcp --dport 22 -j ACCEPT", 6 | REMOVE, 22, 22, "" },
		{ "iptables -D INPUT -s %IP% -p tcp --dport 22", 6 | REMOVE, 22, 22, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport 22", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport 22 -j DROP", 0, 0, 0, "" },
		{ "iptables -A INPUT -s 0/0 -p tcp --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -p tcp --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT ! -s %IP% -p tcp --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p all --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport ssh -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dports 22,80 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport 0 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -s %IP% -p tcp --dport 9:1 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -t nat -A X -s %IP% -p tcp --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A INPUT -A X -s %IP% -p tcp --dport 22 -j ACCEPT", 0, 0, 0, "" },
		{ "iptables -A", 0, 0, 0, "" },
		{ "iptables -A X -s %IP% -p tcp --dport 22 -j ACCEPT; rm x", 0, 0, 0, "" },
		{ "iptables -A X -s %IP% -p tcp --dport 22 -j ACCEPT && true", 0, 0, 0, "" },
		{ "iptables -A X -s %IP% -p tcp --dport $(id) -j ACCEPT", 0, 0, 0, "" },
		{ "nft add rule inet filter input ip saddr %IP% tcp dport 22 accept", 6, 22, 22,
			"" },
		{ "nft insert rule filter input iifname eth0 ip6 saddr %IP% udp dport 5-9 counter accept",
			17, 5, 9, "iifname eth0" },
		{ "nft delete rule ip f i ip saddr %IP% tcp dport 22", 6 | REMOVE, 22, 22, "" },
		{ "nft add rule inet filter input ip saddr %IP% tcp dport 22 drop", 0, 0, 0, "" },
		{ "nft add element inet filter admitted { %IP% }", 0, 0, 0, "" },
		{ "nft add rule inet", 0, 0, 0, "" },
		{ "ufw allow from %IP% to any port 22 proto tcp", 6, 22, 22, "" },
		{ "ufw allow proto udp from %IP% to any port 53", 17, 53, 53, "" },
		{ "ufw insert 1 allow from %IP% to any port 22", 6, 22, 22, "proto udp" },
		{ "ufw --force delete allow from %IP% to any port 22 proto tcp", 6 | REMOVE, 22, 22,
			"" },
		{ "ufw allow from %IP%", 0, 0, 0, "" },
		{ "ufw deny from %IP% to any port 22", 0, 0, 0, "" },
		{ "firewall-cmd --add-rich-rule='rule family=\"ipv4\" source address=\"%IP%\" port "
		  "port=\"22\" protocol=\"tcp\" accept'",
			6, 22, 22, "" },
		{ "firewall-cmd -q --remove-rich-rule 'rule source address=%IP% port port=22 "
		  "protocol=udp accept'",
			17 | REMOVE, 22, 22, "" },
		{ "firewall-cmd --zone=home --add-rich-rule='rule source address=%IP% port port=1 "
		  "protocol=tcp accept'",
			6, 1, 1, "--zone home" },
		{ "firewall-cmd --add-rich-rule='rule source address=%IP% service name=ssh accept'",
			0, 0, 0, "" },
		{ "firewall-cmd --reload", 0, 0, 0, "" },
		{ "echo %IP%", 0, 0, 0, "" },
		{ "sudo", 0, 0, 0, "" },
		{ "", 0, 0, 0, "" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct import_rule r = { 0 };
		const char *why = NULL;
		bool is_good = import_rule_parse(cases[i].command, &r, &why);
		TEST_CASE(cases[i].command, is_good == (cases[i].what != 0));
		TEST_CASE(cases[i].command, is_good || why != NULL);
		if (!is_good)
			continue;
		TEST_CASE(
			cases[i].command, (r.proto | (r.is_remove ? REMOVE : 0)) == cases[i].what);
		TEST_CASE(
			cases[i].command, r.port == cases[i].port && r.port_last == cases[i].last);
		TEST_CASE(cases[i].command, strcmp(r.left_out, cases[i].left_out) == 0);
	}
}

/* Words as long and as many as a line may have. */
static void test_long_commands(void **state)
{
	(void)state;
	struct import_rule r;
	const char *why;
	char text[2 * IMPORT_VALUE_MAX];
	for (size_t len = IMPORT_VALUE_MAX - 4; len < IMPORT_VALUE_MAX + 4; len++) {
		memset(text, 'x', len);
		text[len] = '\0';
		assert_false(import_rule_parse(text, &r, &why));
		for (size_t i = 1; i < len; i += 2)
			text[i] = ' ';
		assert_false(import_rule_parse(text, &r, &why));
	}
}

static void test_people(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want; /* NULL: none */
	} cases[] = {
		{ "Knockd openSSH", "Knockd openSSH/QN/VSD" },
		{ "Knockd openSSH", "Knockd openSSH 2/QN/VSD" },
		{ "knockd OPENssh", "knockd OPENssh 3/QN/VSD" },
		{ "a/b=c,d+e*f", "a b c d e f/QN/VSD" },
		{ "  -x  y ", "x y/QN/VSD" },
		{ "\xc3\x96l \x1b[2J", "l 2J/QN/VSD" },
		{ "a@b.org", "a@b.org/QN/VSD" },
		{ "", NULL },
		{ "///", NULL },
	};
	struct name organisation;
	struct import_place at = { "x", 1 };
	assert_int_equal(name_parse("QN/VSD", true, &organisation), NAME_OK);
	struct import *im = import_new(&organisation, NULL);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t n = import_person(im, at, cases[i].text, span_of("secret", 6));
		TEST_CASE(cases[i].text, (n != IMPORT_NONE) == (cases[i].want != NULL));
		TEST_CASE(cases[i].text,
			n == IMPORT_NONE || strcmp(im->people[n].name, cases[i].want) == 0);
	}
	assert_int_equal(im->note_count, 2);
	/* Another secret or another name is another key id. */
	size_t a = import_person(im, at, "zoe", span_of("secret", 6));
	assert_memory_not_equal(im->people[a].entry.key_id, im->people[0].entry.key_id, 32);
	import_free(im);
}

static void test_services(void **state)
{
	(void)state;
	static const struct {
		uint8_t proto;
		uint16_t first, last;
		const char *want; /* NULL: none */
	} cases[] = {
		{ 6, 22, 22, "ssh" },
		{ 6, 22, 22, "ssh" },
		{ 17, 53, 53, "dns" },
		{ 6, 53, 53, "tcp-53" },
		{ 6, 2222, 2222, "tcp-2222" },
		{ 6, 8000, 8010, "tcp-8000-8010" },
		{ 6, 8005, 8005, NULL },
		{ 6, 7990, 8000, NULL },
		{ 17, 8005, 8005, "udp-8005" },
		{ 17, 62201, 62201, "udp-62201" },
		{ 6, 62201, 62201, "tcp-62201" },
		{ 6, 0, 0, NULL },
		{ 6, 1000, 1255, "tcp-1000-1255" },
		{ 6, 2000, 2256, NULL },
	};
	struct name organisation;
	struct import_place at = { "x", 1 };
	assert_int_equal(name_parse("VSD", true, &organisation), NAME_OK);
	struct import *im = import_new(&organisation, NULL);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t notes = im->note_count;
		size_t n = import_service(im, at, cases[i].proto, cases[i].first, cases[i].last);
		const char *got = n == IMPORT_NONE ? NULL : im->services[n].name;
		if ((got == NULL) != (cases[i].want == NULL) ||
			(got != NULL && strcmp(got, cases[i].want) != 0))
			fail_msg("ports %u to %u: %s", cases[i].first, cases[i].last,
				got != NULL ? got : "none");
		assert_true((n == IMPORT_NONE) == (im->note_count > notes));
	}
	import_free(im);
}

static void test_labels(void **state)
{
	(void)state;
	static const struct {
		const char *text, *want;
	} cases[] = {
		{ "openSSH", "openssh" },
		{ "Web Server", "web-server" },
		{ " -- a__b!! ", "a-b" },
		{ "\xc3\x96", "" },
		{ "", "" },
	};
	char to[CONFIG_NAME_MAX + 1];
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(
			cases[i].text, strcmp(import_label(cases[i].text, to), cases[i].want) == 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),
		cmocka_unit_test(test_long_commands),
		cmocka_unit_test(test_people),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_labels),
	};
	return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
