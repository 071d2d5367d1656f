/* The effective configuration reads back as itself. */

#include <netinet/in.h>

#include "helper.h"

static const char all_set[] =
	"server { id = /a id-key = /b trust = {/c, \"/d e\"} directory = '/f\"g\\\\h${i}'\n"
	"store = /j control = /k user = nobody allow = {\"*\"} deny = {} key-check = listed\n"
	"crl-files = {/l} crl = require key-check-log = all\n"
	"relay-id = /r relay-key = 'credential:r' relay-connections-max = 5 relay-grace = 0\n"
	"reveal = yes compat-open-lists = yes retention = 2d journal-log = journald metrics = '[::1]:9462' gates-max = 10\n"
	"identity-gates-max = 9 identity-rate = 8 mark-base = 0xAB000000 log-group = 0\n"
	"lockdown = yes lockdown-allow = {tcp/80, icmp-echo} }\n"
	"door wan { interface = eth0 allow = {Admins} deny = {\"x/VSD\"}\n"
	"spa { udp = 7 window = 61s source-rate = 3 no-epoch-rate = 4 } }\n"
	"door lan { interface = eth1 spa { } }\n"
	"service ssh { port = tcp/22 allow = {\"J\xc3\xbcrgen O'Neil/VSD\"} deny = {}\n"
	"open = window wait = 2m lease = 3h bind = required gates-max = 5 }\n"
	"passthru notes { listen = tcp/1352 to = 'mail.inner:1352' knock = udp/7 idle = 10\n"
	"speaks = 'hex:0F00/1a' connections-max = 4 name-connections-max = 3 allow = {\"*\"} deny = {x}\n"
	"open = times times = 3 wait = 1m lease = none bind = required gates-max = 2 }\n"
	"passthru mute { listen = tcp/23 to = '[2001:db8::8]:1' encrypt = no speaks = ssh }\n"
	"service wg { port = udp/51820 }\n"
	"group Admins { members = {\"a/VSD\", \"On call\"} }\n"
	"group \"On call\" { members = {} }\n";

static const char want[] = "server {\n"
			   "\tid = \"/a\"\n"
			   "\tid-key = \"/b\"\n"
			   "\ttrust = {\"/c\", \"/d e\"}\n"
			   "\tcrl-files = {\"/l\"}\n"
			   "\tcrl = require\n"
			   "\tdirectory = '/f\"g\\\\h${i}'\n"
			   "\tstore = \"/j\"\n"
			   "\tcontrol = \"/k\"\n"
			   "\tuser = \"nobody\"\n"
			   "\tbackend = nft\n"
			   "\tscript-user = \"root\"\n"
			   "\tscript-timeout = 5s\n"
			   "\tallow = {\"*\"}\n"
			   "\tdeny = {}\n"
			   "\tkey-check = listed\n"
			   "\tkey-check-log = all\n"
			   "\treveal = yes\n"
			   "\tcompat-open-lists = yes\n"
			   "\tretention = 2d\n"
			   "\tjournal-log = journald\n"
			   "\tmetrics = \"[::1]:9462\"\n"
			   "\tgates-max = 10\n"
			   "\tidentity-gates-max = 9\n"
			   "\tidentity-rate = 8\n"
			   "\tmark-base = 0xab000000\n"
			   "\tlog-group = 0\n"
			   "\trelay-id = \"/r\"\n"
			   "\trelay-key = \"credential:r\"\n"
			   "\trelay-connections-max = 5\n"
			   "\trelay-grace = 0s\n"
			   "\tlockdown = yes\n"
			   "\tlockdown-allow = {\"tcp/80\", \"icmp-echo\"}\n"
			   "}\n"
			   "\n"
			   "door wan {\n"
			   "\tcapture = pcap\n"
			   "\tinterface = \"eth0\"\n"
			   "\tsources = 4096\n"
			   "\tallow = {\"Admins\"}\n"
			   "\tdeny = {\"x/VSD\"}\n"
			   "\tspa {\n"
			   "\t\tudp = 7\n"
			   "\t\twindow = 61s\n"
			   "\t\tsource-rate = 3\n"
			   "\t\tno-epoch-rate = 4\n"
			   "\t}\n"
			   "}\n"
			   "\n"
			   "door lan {\n"
			   "\tcapture = pcap\n"
			   "\tinterface = \"eth1\"\n"
			   "\tsources = 4096\n"
			   "\tspa {\n"
			   "\t\tudp = 62201\n"
			   "\t\twindow = 30s\n"
			   "\t\tsource-rate = 20\n"
			   "\t\tno-epoch-rate = 20\n"
			   "\t}\n"
			   "}\n"
			   "\n"
			   "service ssh {\n"
			   "\tport = tcp/22\n"
			   "\tallow = {\"J\xc3\xbcrgen O'Neil/VSD\"}\n"
			   "\tdeny = {}\n"
			   "\topen = window\n"
			   "\twait = 2m\n"
			   "\tlease = 3h\n"
			   "\tprefix-v4 = 32\n"
			   "\tprefix-v6 = 128\n"
			   "\tbind = required\n"
			   "\tgates-max = 5\n"
			   "\tmasquerade = no\n"
			   "}\n"
			   "\n"
			   "service wg {\n"
			   "\tport = udp/51820\n"
			   "\topen = once\n"
			   "\twait = 30s\n"
			   "\tlease = 8h\n"
			   "\tprefix-v4 = 32\n"
			   "\tprefix-v6 = 128\n"
			   "\tbind = no\n"
			   "\tgates-max = 1024\n"
			   "\tmasquerade = no\n"
			   "}\n"
			   "\n"
			   "passthru notes {\n"
			   "\tlisten = tcp/1352\n"
			   "\tto = \"mail.inner:1352\"\n"
			   "\tencrypt = yes\n"
			   "\tspeaks = \"hex:0f00/1a\"\n"
			   "\tknock = udp/7\n"
			   "\tconnections-max = 4\n"
			   "\tname-connections-max = 3\n"
			   "\tidle = 10s\n"
			   "\tallow = {\"*\"}\n"
			   "\tdeny = {\"x\"}\n"
			   "\topen = times\n"
			   "\ttimes = 3\n"
			   "\twait = 1m\n"
			   "\tlease = none\n"
			   "\tprefix-v4 = 32\n"
			   "\tprefix-v6 = 128\n"
			   "\tbind = required\n"
			   "\tgates-max = 2\n"
			   "}\n"
			   "\n"
			   "passthru mute {\n"
			   "\tlisten = tcp/23\n"
			   "\tto = \"[2001:db8::8]:1\"\n"
			   "\tencrypt = no\n"
			   "\tspeaks = ssh\n"
			   "\tconnections-max = 256\n"
			   "\tname-connections-max = 16\n"
			   "\tidle = 1h\n"
			   "\tallow = {}\n"
			   "\topen = window\n"
			   "\twait = 30s\n"
			   "\tlease = 8h\n"
			   "\tprefix-v4 = 32\n"
			   "\tprefix-v6 = 128\n"
			   "\tbind = no\n"
			   "\tgates-max = 1024\n"
			   "}\n"
			   "\n"
			   "group \"Admins\" {\n"
			   "\tmembers = {\"a/VSD\", \"On call\"}\n"
			   "}\n"
			   "\n"
			   "group \"On call\" {\n"
			   "\tmembers = {}\n"
			   "}\n";

static void test_format(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct config *c = parse(all_set, &r);
	print_report(&r);
	assert_non_null(c);
	char *text = config_format(c, CONFIG_SECRETS_SHOWN);
	assert_string_equal(text, want);
	config_free(c);

	c = parse(text, &r);
	print_report(&r);
	assert_non_null(c);
	assert_string_equal(c->server.directory, "/f\"g\\h${i}");
	assert_int_equal(c->server.mark_base, 0xab000000);
	assert_int_equal(c->server.key_check, CONFIG_KEY_CHECK_LISTED);
	assert_int_equal(c->services[0].bind, CONFIG_BIND_REQUIRED);
	assert_int_equal(c->services[1].proto, IPPROTO_UDP);
	assert_true(c->services[0].deny.is_set);
	assert_false(c->services[1].deny.is_set);
	char *again = config_format(c, CONFIG_SECRETS_SHOWN);
	assert_string_equal(again, text);
	free(again);
	free(text);
	config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_format),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
