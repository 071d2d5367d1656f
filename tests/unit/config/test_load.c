/* Whole files: what is right becomes fields, what is wrong is reported, all of it. */

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

static const char example[] =
	"server {\n"
	"  id        = \"/etc/postern/server.id\"\n"
	"  trust     = {\"/etc/postern/trust/VSD.pem\"}\n"
	"  directory = \"/etc/postern/directory\"\n"
	"  allow     = {\"*/VSD\"}   deny = {\"Terminations\"}        # the server access list\n"
	"  key-check = all                                        # off | listed | all\n"
	"}\n"
	"door wan {\n"
	"  capture = pcap   interface = \"eth0\"                    # pcap | nflog | log\n"
	"  allow = {\"*\"}   deny = {}                              # Allow_Access_<port>\n"
	"  spa { udp = 62201   window = 30s }\n"
	"  # cipher { ports = \"745-1000\"  iv = \"01234567\"  services = {ssh} }\n"
	"}\n"
	"service ssh {\n"
	"  port = tcp/22   allow = {\"Admins\", \"*/NN/VSD\"}   deny = {\"Contractors\"}\n"
	"  open = once   wait = 30s   lease = 8h                  # one connection\n"
	"}\n"
	"service wiki { port = tcp/8443   allow = {}   open = window   wait = 10m }\n";

static void test_example(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct config *c = parse(example, &r);
	print_report(&r);
	assert_non_null(c);
	assert_int_equal(r.count, 0);

	assert_string_equal(c->file, "t.conf");
	assert_string_equal(c->server.id, "/etc/postern/server.id");
	assert_null(c->server.id_key);
	assert_string_equal(c->server.directory, "/etc/postern/directory");
	assert_string_equal(c->server.store, "/var/lib/postern/postern.db");
	assert_string_equal(c->server.control, "/run/postern/control");
	assert_string_equal(c->server.user, "postern");
	assert_int_equal(c->server.trust.len, 1);
	assert_string_equal(c->server.trust.items[0].text, "/etc/postern/trust/VSD.pem");
	assert_string_equal(c->server.allow.items[0].text, "*/VSD");
	assert_string_equal(c->server.deny.items[0].text, "Terminations");
	assert_string_equal(c->server.deny.at.text, "deny");
	assert_int_equal(c->server.deny.at.line, 5);
	assert_int_equal(c->server.key_check, CONFIG_KEY_CHECK_ALL);
	assert_false(c->server.reveal);
	assert_false(c->server.compat_open_lists);
	assert_int_equal(c->server.retention_s, 90 * 86400);
	assert_int_equal(c->server.gates_max, 4096);
	assert_int_equal(c->server.identity_gates_max, 16);
	assert_int_equal(c->server.identity_rate, 10);
	assert_int_equal(c->server.mark_base, 0x50000000);
	assert_int_equal(c->server.log_group, 7);

	assert_int_equal(c->door_count, 1);
	assert_string_equal(c->doors[0].name, "wan");
	assert_int_equal(c->doors[0].at.line, 8);
	assert_string_equal(c->doors[0].interface, "eth0");
	assert_true(c->doors[0].allow.is_set);
	assert_true(c->doors[0].deny.is_set);
	assert_int_equal(c->doors[0].deny.len, 0);
	assert_true(c->doors[0].spa.is_on);
	assert_int_equal(c->doors[0].spa.port, 62201);
	assert_int_equal(c->doors[0].spa.window_s, 30);
	assert_int_equal(c->doors[0].spa.source_rate, 20);
	assert_int_equal(c->doors[0].spa.no_epoch_rate, 20);

	assert_int_equal(c->service_count, 2);
	assert_int_equal(c->services[0].proto, IPPROTO_TCP);
	assert_int_equal(c->services[0].port, 22);
	assert_int_equal(c->services[0].allow.len, 2);
	assert_string_equal(c->services[0].allow.items[1].text, "*/NN/VSD");
	assert_int_equal(c->services[0].allow.items[1].line, 15);
	assert_string_equal(c->services[0].allow.items[1].file, "t.conf");
	assert_int_equal(c->services[0].open, CONFIG_OPEN_ONCE);
	assert_int_equal(c->services[0].lease_s, 8 * 3600);
	assert_int_equal(c->services[0].bind, CONFIG_BIND_NO);
	assert_int_equal(c->services[0].gates_max, 1024);
	assert_int_equal(c->services[1].open, CONFIG_OPEN_WINDOW);
	assert_int_equal(c->services[1].wait_s, 600);
	assert_false(c->services[1].deny.is_set);

	assert_ptr_equal(config_service_by_name(c, "wiki"), &c->services[1]);
	assert_null(config_service_by_name(c, "wik"));
	assert_ptr_equal(config_service_by_port(c, IPPROTO_TCP, 22), &c->services[0]);
	assert_null(config_service_by_port(c, IPPROTO_UDP, 22));
	config_free(c);
	config_free(NULL);
}

static void test_kinds(void **state)
{
	(void)state;
	static const char text[] = SERVER DOOR
		"service x { port = tcp/6000-6010 allow = {} open = window prefix-v4 = 28 "
		"prefix-v6 = 64 lease = none }\n"
		"service y { port = udp/53 allow = {} open = times times = 1000 }\n" SERVICE;
	struct config_report r = { 0 };
	struct config *c = parse(text, &r);
	assert_non_null(c);
	const struct config_service *x = &c->services[0], *y = &c->services[1];
	assert_int_equal(x->port, 6000);
	assert_int_equal(x->port_last, 6010);
	assert_int_equal(config_service_last_port(x), 6010);
	assert_int_equal(x->prefix_v4, 28);
	assert_int_equal(x->prefix_v6, 64);
	assert_int_equal(x->lease_s, CONFIG_LEASE_NONE);
	assert_int_equal(x->times, 0);
	assert_int_equal(y->open, CONFIG_OPEN_TIMES);
	assert_int_equal(y->times, 1000);
	assert_int_equal(y->port_last, 0);
	assert_int_equal(config_service_last_port(y), 53);
	assert_int_equal(y->prefix_v4, 32);
	assert_int_equal(y->prefix_v6, 128);
	assert_ptr_equal(config_service_by_port(c, IPPROTO_TCP, 6000), x);
	assert_ptr_equal(config_service_by_port(c, IPPROTO_TCP, 6010), x);
	assert_null(config_service_by_port(c, IPPROTO_TCP, 5999));
	assert_null(config_service_by_port(c, IPPROTO_TCP, 6011));
	assert_null(config_service_by_port(c, IPPROTO_UDP, 6005));

	char *again = config_format(c, CONFIG_SECRETS_SHOWN);
	assert_non_null(again);
	assert_non_null(strstr(again, "port = tcp/6000-6010\n"));
	assert_non_null(strstr(again, "lease = none\n"));
	assert_non_null(strstr(again, "times = 1000\n"));
	struct config *d = parse(again, &r);
	assert_non_null(d);
	assert_int_equal(d->services[0].lease_s, CONFIG_LEASE_NONE);
	assert_int_equal(d->services[0].port_last, 6010);
	free(again);
	config_free(c);
	config_free(d);
}

#define ACTION(x) SERVER DOOR SERVICE "action reboot { allow = {a/b} " x " }\n"

struct mistake {
	const char *name, *text, *want;
};

static const struct mistake mistakes[] = {
	{ "right", SERVER DOOR SERVICE, "" },
	{ "empty", "",
		"t.conf: no server block; add server { id = ... }\n"
		"t.conf: no door, so no knock is seen; add door NAME { interface = ... spa { } }\n"
		"t.conf: no service, so nothing is guarded; add service NAME { port = ... }\n" },
	{ "unknown block", SERVER DOOR SERVICE "rescues { from = {a} }\n",
		"t.conf:4: rescues: unknown; the blocks are server, door, service, passthru, action, group, rescue, "
		"include\n" },
	{ "unknown block with name and blocks",
		SERVER DOOR SERVICE "relay x { y { z = {1} } }\nw = 1",
		"t.conf:4: relay: unknown; the blocks are server, door, service, passthru, action, group, rescue, include\n"
		"t.conf:5: w: unknown; the blocks are server, door, service, passthru, action, group, rescue, include\n" },
	{ "script",
		"server { id = /a directory = /b backend = script script = /s script-user = x }\n" DOOR
		"service ssh { port = tcp/22 allow = {} open = window }",
		"" },
	{ "script that promises",
		"server { id = /a directory = /b backend = script script = /s }\n" DOOR
		"service ssh { port = tcp/22 allow = {} open = window }\n"
		"service a { port = tcp/1 allow = {}\nopen = once }\n"
		"service b { port = tcp/2 allow = {} }",
		"t.conf:5: service a: a script cannot promise one connection; write open = window\n"
		"t.conf:6: service b: a script cannot promise one connection; write open = window\n" },
	{ "which script",
		"server { id = /a directory = /b\nbackend = script }\n" DOOR
		"service ssh { port = tcp/22 allow = {} open = window }",
		"t.conf:2: backend: which program? add script = \"/...\"\n" },
	{ "idle script",
		"server { id = /a directory = /b\nscript = /s script-timeout = 61s }\n" DOOR
			SERVICE,
		"t.conf:2: script: nothing runs it; add backend = script\n"
		"t.conf:2: script-timeout: 61s is above 1m\n" },
	{ "action", ACTION("run = {/bin/x, \"-y\"} user = nobody timeout = 1h message = optional"),
		"" },
	{ "note", ACTION("journal-only = yes message = required"), "" },
	{ "action without anything", ACTION(""),
		"t.conf:4: action reboot: nothing to do; add run = {...} or journal-only = yes\n" },
	{ "action for nobody",
		SERVER DOOR SERVICE "action a { journal-only = yes message = required }",
		"t.conf:4: allow: missing; this block needs it\n" },
	{ "action as nobody", ACTION("run = {/bin/x}"),
		"t.conf:4: action reboot: user: missing; name the user that it runs as\n" },
	{ "action in the path", ACTION("user = nobody\nrun = {x}"),
		"t.conf:5: action reboot: run: begins with no absolute path of a program\n" },
	{ "action of no words", ACTION("user = nobody run = {}"),
		"t.conf:4: action reboot: run: begins with no absolute path of a program\n" },
	{ "note that runs", ACTION("run = {/x} user = x\njournal-only = yes message = required"),
		"t.conf:5: action reboot: journal-only goes without run; remove one\n" },
	{ "note without words", ACTION("journal-only = yes"),
		"t.conf:4: action reboot: a note without a message says nothing; write message = "
		"required\n" },
	{ "action's values",
		ACTION("run = {/x, \"\"} user = \"a b\"\ntimeout = 61m message = perhaps"),
		"t.conf:4: run: an entry is empty; remove it\n"
		"t.conf:4: user: \"a b\" is not a user name\n"
		"t.conf:5: timeout: 61m is above 1h\n"
		"t.conf:5: message: \"perhaps\" is not supported; choose from: none, optional, "
		"required\n" },
	{ "action twice", ACTION("run = {/x} user = x") "action reboot { }\n",
		"t.conf:5: action reboot: given twice, first on line 4; join them\n" },
	{ "unknown keys",
		SERVER "door wan { interface = eth0\ntll = 0\nspa { upd = 1\nf(x, y) } }\n" SERVICE,
		"t.conf:3: tll: unknown in a door block; known are capture, interface, group, "
		"file, sources, allow, deny, spa, sequence, structured, cipher, tagged, fwknop, include\n"
		"t.conf:4: upd: unknown in a spa block; known are udp, window, source-rate, "
		"no-epoch-rate, include\n"
		"t.conf:5: f: unknown in a spa block; known are udp, window, source-rate, "
		"no-epoch-rate, include\n" },
	{ "unknown key without value", SERVER DOOR "service ssh { huh port = tcp/22 allow={} }",
		"t.conf:3: huh: unknown in a service block; known are port, allow, *\n" },
	{ "key of another block", "server { id = /a directory = /b port = tcp/22 }\n" DOOR SERVICE,
		"t.conf:1: port: unknown in a server block; known are id, id-key, *\n" },
	{ "twice", SERVER DOOR "service ssh {\nport = tcp/22\nallow = {}\nport = tcp/23\n}\n",
		"t.conf:6: port: given twice in this block, first on line 4; remove one\n" },
	{ "list twice", SERVER DOOR "service ssh { port = tcp/22\nallow = {}\nallow = {\"*\"} }\n",
		"t.conf:5: allow: given twice in this block, first on line 4; remove one\n" },
	{ "append", SERVER DOOR "service ssh { port = tcp/22 allow += {\"*\"} }\n",
		"t.conf:3: allow: += is not supported; write the whole value once\n" },
	{ "server twice", SERVER DOOR SERVICE SERVER,
		"t.conf:4: server: given twice, first on line 1; join them\n" },
	{ "door twice", SERVER DOOR SERVICE DOOR,
		"t.conf:4: door wan: given twice, first on line 2; join them\n" },
	{ "service twice", SERVER DOOR SERVICE SERVICE,
		"t.conf:4: service ssh: given twice, first on line 3; join them\n" },
	{ "group twice in other case",
		SERVER DOOR SERVICE "group A { members = {} }\ngroup a { members = {} }\n",
		"t.conf:5: group a: given twice, first on line 4; join them\n" },
	{ "spa twice", SERVER SERVICE "door w { interface = e\nspa { }\nspa { } }",
		"t.conf:5: spa: given twice, first on line 4; join them\n" },
	{ "two doors, a spa each",
		SERVER SERVICE "door a { interface = e spa { } } door b { spa { } interface = f }",
		"" },
	{ "missing", "server { }\ndoor wan { spa { } }\nservice ssh { }\ngroup g { }\n",
		"t.conf:1: id: missing; this block needs it\n"
		"t.conf:1: directory: missing; this block needs it\n"
		"t.conf:2: interface: missing; capture = pcap needs it\n"
		"t.conf:3: port: missing; this block needs it\n"
		"t.conf:3: service ssh: nobody could ever use it; add allow = {...}\n"
		"t.conf:4: members: missing; this block needs it\n" },
	{ "door deaf", SERVER SERVICE "door wan { interface = eth0 }",
		"t.conf:3: door wan: nothing is heard there; add spa { }\n" },
	{ "no allow", SERVER DOOR "service ssh {\nport = tcp/22 }",
		"t.conf:3: service ssh: nobody could ever use it; add allow = {...}\n" },
	{ "no allow, compat",
		"server { id = /a directory = /b compat-open-lists = yes }\n" DOOR
		"service ssh { port = tcp/22 }",
		"" },
	{ "same port", SERVER DOOR SERVICE "service two {\nport = tcp/22\nallow = {} }",
		"t.conf:5: port: service ssh guards it already, t.conf:3; choose another\n" },
	{ "range over a port",
		SERVER DOOR SERVICE "service two {\nport = tcp/20-30\nallow = {} open = window }",
		"t.conf:5: port: service ssh guards some of it already, t.conf:3; choose another\n" },
	{ "port in a range",
		SERVER DOOR "service x {\nport = tcp/20-30\nallow = {} open = window }\n" SERVICE,
		"t.conf:6: port: service x guards it already, t.conf:4; choose another\n" },
	{ "ranges side by side",
		SERVER DOOR "service x { port = tcp/20-30 allow = {} open = window }\n"
			    "service y { port = tcp/31-40 allow = {} open = window }\n"
			    "service z { port = udp/20-40 allow = {} open = window }\n",
		"" },
	{ "a range once", SERVER DOOR "service x {\nport = tcp/20-30\nallow = {} }\n",
		"t.conf:4: port: several ports are open for a time only; add open = window\n" },
	{ "a range times",
		SERVER DOOR "service x {\nport = tcp/20-30\nallow = {} open = times times = 2 }\n",
		"t.conf:4: port: several ports are open for a time only; add open = window\n" },
	{ "a range sent on",
		SERVER DOOR "service x {\nport = tcp/20-30\nallow = {} open = window "
			    "forward = {\"10.0.0.8:443\"} }\n",
		"t.conf:4: port: a range cannot be sent on; make each port a service of its own\n" },
	{ "knock port in a range",
		SERVER DOOR "service x { port = udp/62200-62210 allow = {} open = window }\n",
		"t.conf:3: port: door wan takes knocks on udp/62201; choose another for one of "
		"them\n" },
	{ "more ports than there is room for",
		SERVER DOOR "service a { port = tcp/1000-1255 allow = {} open = window }\n"
			    "service b { port = tcp/2000-2255 allow = {} open = window }\n"
			    "service c { port = tcp/3000-3255 allow = {} open = window }\n"
			    "service d { port = tcp/4000-4255 allow = {} open = window }\n"
			    "service e { port = tcp/5000 allow = {} }\n",
		"t.conf:7: port: with these more than 1024 ports are guarded; guard fewer\n" },
	{ "times", SERVER DOOR "service x { port = tcp/22 allow = {} open = times times = 2 }\n",
		"" },
	{ "times without a number",
		SERVER DOOR "service x {\nport = tcp/22 allow = {}\nopen = times }\n",
		"t.conf:3: service x: open = times needs a number; add times = N\n" },
	{ "a number without times",
		SERVER DOOR "service x {\nport = tcp/22 allow = {}\ntimes = 3 }\n",
		"t.conf:5: times: means nothing here; add open = times or leave it out\n" },
	{ "a refused number is not missed",
		SERVER DOOR "service x {\nport = tcp/22 allow = {} open = times\ntimes = 1 }\n",
		"t.conf:5: times: 1 is below 2\n" },
	{ "networks",
		SERVER DOOR "service x { port = tcp/22 allow = {} open = window prefix-v4 = 24 "
			    "prefix-v6 = 48 }\n",
		"" },
	{ "networks once",
		SERVER DOOR "service x { port = tcp/22 allow = {}\nprefix-v4 = 24\n"
			    "prefix-v6 = 48 }\n",
		"t.conf:4: prefix-v4: a network is let in for a time only; add open = window\n"
		"t.conf:5: prefix-v6: a network is let in for a time only; add open = window\n" },
	{ "a lease without an end",
		SERVER DOOR "service x { port = tcp/22 allow = {} lease = none wait = 1d }\n", "" },
	{ "same number, other protocol",
		SERVER DOOR SERVICE "service two { port = udp/22 allow = {} }", "" },
	{ "knock port guarded", SERVER DOOR SERVICE "service two { port = udp/62201 allow = {} }",
		"t.conf:4: port: door wan takes knocks on udp/62201; choose another for one of "
		"them\n" },
	{ "knock port number on tcp",
		SERVER DOOR SERVICE "service two { port = tcp/62201 allow = {} }", "" },
	{ "doors collide", SERVER DOOR SERVICE "door lan { interface = eth0\nspa { udp = 62201 } }",
		"t.conf:5: udp: door wan sees port 62201 of this interface already; choose "
		"another\n" },
	{ "doors collide in any", SERVER DOOR SERVICE "door lan { interface = any spa { } }",
		"t.conf:4: udp: door wan sees port 62201 of this interface already; choose "
		"another\n" },
	{ "doors apart",
		SERVER DOOR SERVICE "door a { interface = eth0 spa { udp = 7 } }"
				    "door b { interface = eth1 spa { } }",
		"" },
	{ "wait past lease", SERVER DOOR "service s { port = tcp/1 allow = {}\nwait = 9h }",
		"t.conf:4: wait: 9h is longer than the lease of 8h\n" },
	{ "unquoted star", SERVER DOOR "service ssh { port = tcp/22 allow = {*, */VSD} }",
		"t.conf:3: * has a character that needs quotes; write it as \"...\"\n"
		"t.conf:3: */VSD has a character that needs quotes; write it as \"...\"\n" },
	{ "variable", "server { id = \"${HOME}/id\" directory = /d }\n" DOOR SERVICE,
		"t.conf:1: \\\"${HOME}/id\\\" names a variable; write the value itself, or ${ in "
		"'...'\n" },
	{ "open string", "server { id = \"/a\ndirectory = /d }\n" DOOR SERVICE,
		"t.conf:1: \\\"/a does not end on its line; close the quote\n" },
	{ "open comment", SERVER DOOR SERVICE "/* more",
		"t.conf:4: this comment does not end; close it with */\n" },
	{ "stray close", SERVER "}\n" DOOR,
		"t.conf:2: this } closes nothing that was opened in this file\n" },
	{ "block not closed", SERVER DOOR "service ssh { port = tcp/22 allow = {}\n",
		"t.conf:4: the file ends inside a block; a } is missing\n" },
	{ "no title", SERVER DOOR "service { port = tcp/22 }\n",
		"t.conf:3: service: it needs a name; write service NAME { ... }\n" },
	{ "no brace", SERVER DOOR "service ssh\nport = tcp/22\n",
		"t.conf:4: service: an opening brace must follow\n" },
	{ "title on server", "server main { }\n",
		"t.conf:1: server: an opening brace must follow\n" },
	{ "bad titles",
		SERVER DOOR SERVICE "service SSH { port = tcp/22 }\nservice \"\" { port = x }\n"
				    "door a_b { }\ngroup \"a/b\" { }\ngroup \" a\" { }\n"
				    "group \"\" { }\n",
		"t.conf:4: service: a name has 1 to 63 of a-z, 0-9 and -\n"
		"t.conf:5: service: a name has 1 to 63 of a-z, 0-9 and -\n"
		"t.conf:6: door: a name has 1 to 63 of a-z, 0-9 and -\n"
		"t.conf:7: group: a group name has none of / = * + , @ $ \\ or quotes in it\n"
		"t.conf:8: group: a group name has no blank at its ends\n"
		"t.conf:9: group: a group name has 1 to 62 bytes\n" },
	{ "group with a blank", SERVER DOOR SERVICE "group \"On call\" { members = {a} }", "" },
	{ "no equals", "server { id /a directory = /d }\n" DOOR SERVICE,
		"t.conf:1: id: no equals sign after it\n" },
	{ "no value", "server { directory = /d id = }\n" DOOR SERVICE,
		"t.conf:1: id: no value after the equals sign\n" },
	{ "list for value", "server { id = {/a} directory = /d }\n" DOOR SERVICE,
		"t.conf:1: id: a list; write one value without braces\n" },
	{ "value for list", SERVER DOOR "service ssh { port = tcp/22 allow = \"*\" }",
		"t.conf:3: allow: not a list; write {\"...\", \"...\"}\n" },
	{ "list without comma", SERVER DOOR "service ssh { port = tcp/22\nallow = {a b} }",
		"t.conf:4: a comma or } is missing in the list\n" },
	{ "list not closed", SERVER DOOR "service ssh { port = tcp/22\nallow = {a,\n",
		"t.conf:5: a list holds values with commas between them, and ends with }\n" },
	{ "comma at the end", SERVER DOOR "service ssh { port = tcp/22 allow = {a,} }", "" },
	{ "quoted keyword", "\"server\" { }", "t.conf:1: a keyword must stand here\n" },
	{ "CRLF", "server {\r\nid = /a\r\ndirectory = /d\r\n}\r\n" DOOR SERVICE, "" },
	{ "C comment keeps lines right", "/* a\n b */ server { id = x /* c */ }\n",
		"t.conf:2: directory: missing; this block needs it\n"
		"t.conf:2: id: \"x\" is not an absolute path; begin it with /\n"
		"t.conf: no door, so no knock is seen; add door NAME { interface = ... spa { } }\n"
		"t.conf: no service, so nothing is guarded; add service NAME { port = ... }\n" },
	{ "five at once",
		"server {\n  id = server.id\n  directory = /d\n  colour = red\n}\n"
		"door wan { interface = eth0 spa { window = 1s } }\n"
		"service ssh {\n  port = tcp/70000\n  allow = {\"*\"}\n  wait = 2h lease = 1h\n}\n",
		"t.conf:2: id: \"server.id\" is not an absolute path; begin it with /\n"
		"t.conf:4: colour: unknown in a server block; known are id, id-key, *\n"
		"t.conf:6: window: 1s is below 5s\n"
		"t.conf:8: port: 70000 is above 65535\n"
		"t.conf:10: wait: 2h is longer than the lease of 1h\n" },
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(mistakes); i++)
		expect_mistakes(mistakes[i].name, mistakes[i].text, mistakes[i].want);
}

/* After a mistake, the next load starts afresh: libconfuse keeps state in globals. */
static void test_good_after_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(mistakes); i++) {
		struct config_report r = { 0 };
		config_free(parse(mistakes[i].text, &r));
		config_report_deinit(&r);
		struct config *c = parse(example, &r);
		TEST_CASE(mistakes[i].name, c != NULL && r.count == 0);
		config_free(c);
	}
}

/* Every prefix and every single-bit flip: a config or at least one mistake, never both or neither. */
static void test_truncated_and_flipped(void **state)
{
	(void)state;
	char text[sizeof(example)];
	for (size_t n = 0; n < sizeof(example) - 1; n++) {
		struct config_report r = { 0 };
		struct config *c = config_parse_text("t.conf", span_of(example, n), &r);
		assert_true((c == NULL) == (r.count > 0));
		config_free(c);
		config_report_deinit(&r);
	}
	for (size_t bit = 0; bit < 8 * (sizeof(example) - 1); bit++) {
		struct config_report r = { 0 };
		memcpy(text, example, sizeof(text));
		text[bit / 8] = (char)(text[bit / 8] ^ 1 << bit % 8);
		struct config *c = config_parse_text("t.conf", span_of(text, sizeof(text) - 1), &r);
		assert_true((c == NULL) == (r.count > 0));
		config_free(c);
		config_report_deinit(&r);
	}
}

static char *many(const char *head, const char *fmt, size_t from, size_t to, const char *tail)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	fputs(head, f);
	for (size_t i = from; i <= to; i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		fprintf(f, fmt, i, i, i);
#pragma GCC diagnostic pop
	}
	fputs(tail, f);
	fclose(f);
	return text;
}

static void test_counts(void **state)
{
	(void)state;
	static const struct {
		const char *name, *head, *fmt, *tail;
		size_t max;
		const char *want;
	} cases[] = {
		{ "doors", SERVER SERVICE, "door d%zu { interface = e spa { udp = %zu } }\n", "",
			CONFIG_DOORS_MAX, "t.conf:19: door: more than 16 of them\n" },
		{ "services", SERVER DOOR, "service d%zu { port = tcp/%zu allow = {} }\n", "",
			CONFIG_SERVICES_MAX, "t.conf:259: service: more than 256 of them\n" },
		{ "groups", SERVER DOOR SERVICE, "group d%zu { members = {} }\n", "",
			CONFIG_GROUPS_MAX, "t.conf:260: group: more than 256 of them\n" },
		{ "entries", SERVER DOOR SERVICE "group d { members = {\n", "e%zu,\n", "} }",
			CONFIG_LIST_MAX,
			"t.conf:1029: members: more than 1024 entries; use groups\n" },
	};

	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		for (size_t more = 0; more <= 1; more++) {
			char *text = many(
				cases[i].head, cases[i].fmt, 1, cases[i].max + more, cases[i].tail);
			expect_mistakes(cases[i].name, text, more == 0 ? "" : cases[i].want);
			free(text);
		}
	}
}

static void test_report_is_bounded(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	char *text = many(SERVER DOOR SERVICE, "x%zu = 1\n", 1, 150, "");
	assert_null(parse(text, &r));
	assert_int_equal(r.count, 150);
	assert_int_equal(r.kept, CONFIG_REPORT_MAX);
	config_report_deinit(&r);
	assert_int_equal(r.kept, 0);
	free(text);
}

static void test_report_place(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	const struct config_text at = { "deny", "a.conf", 7 };
	config_report_add(&r, &at, "%s: %d", "deny", 3);
	config_report_add(&r, NULL, "alone");
	assert_string_equal(r.lines[0], "a.conf:7: deny: 3");
	assert_string_equal(r.lines[1], "alone");
	config_report_deinit(&r);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void test_load_file(void **state)
{
	(void)state;
	char path[] = "/tmp/postern-conf-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);

	struct config_report r = { 0 };
	write_file(path, example, 0640);
	struct config *c = config_load(path, &r);
	assert_non_null(c);
	assert_string_equal(c->file, path);
	config_free(c);

	write_file(path, example, 0660);
	assert_null(config_load(path, &r));
	char want[256];
	snprintf(want, sizeof(want), "%s: others may write it; chmod go-w it", path);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.lines[0], want);
	config_report_deinit(&r);

	write_file(path, "\xff", 0600);
	assert_null(config_load(path, &r));
	snprintf(want, sizeof(want), "%s: is not UTF-8 text", path);
	assert_string_equal(r.lines[0], want);
	config_report_deinit(&r);

	unlink(path);
	assert_null(config_load(path, &r));
	assert_int_equal(r.count, 1);
	config_report_deinit(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_example),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_good_after_bad),
		cmocka_unit_test(test_truncated_and_flipped),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_report_is_bounded),
		cmocka_unit_test(test_report_place),
		cmocka_unit_test(test_load_file),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
