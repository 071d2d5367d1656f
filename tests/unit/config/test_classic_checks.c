/* What the keywords of the classic knocks say together: each contradiction, and what is none. */

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "helper.h"

struct mistake {
	const char *name, *text, *want;
};

#define WAN(x) SERVER SERVICE "door wan { interface = eth0 spa { }\n" x " }\n"
#define SEQ(x) "sequence { open = ssh as = a/b " x " }\n"
#define STRONG "ports = {7000, 100, 9000}"
#define CIPHER(x) "cipher { services = {ssh} as = a/b " x " }\n"
#define KEY " key-file = /k iv = \"01234567\" "
#define FWKNOP(x) "fwknop { services = {ssh} as = a/b " x " }\n"

static void check_all(const struct mistake *m, size_t count)
{
	for (size_t i = 0; i < count; i++)
		expect_mistakes(m[i].name, m[i].text, m[i].want);
}

static void test_doors(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "no interface", SERVER SERVICE "door wan { " SEQ(STRONG) " }",
			"t.conf:3: interface: missing; capture = pcap needs it\n" },
		{ "log without a file", SERVER SERVICE "door d { capture = log\n" SEQ(STRONG) " }",
			"t.conf:3: file: missing; capture = log needs it\n" },
		{ "group for a file",
			SERVER SERVICE
			"door d { capture = log file = /f\ngroup = 3 " SEQ(STRONG) " }",
			"t.conf:4: group: means nothing with capture = log; remove it\n" },
		{ "one group, two doors",
			SERVER SERVICE "door a { capture = nflog group = 3 spa { } }\n"
				       "door b { capture = nflog group = 4 spa { } }\n"
				       "door c { capture = nflog\ngroup = 3 spa { } }\n",
			"t.conf:6: group: door a hears group 3 already; choose another\n" },
		{ "content of a log",
			SERVER SERVICE
			"door d { capture = log file = /f\nspa { }\n" FWKNOP("key-file = /f") " }",
			"t.conf:4: spa: a log line has no content of packets; use capture = pcap or nflog\n"
			"t.conf:5: fwknop: a log line has no content of packets; use capture = pcap or nflog\n" },
		{ "sequences alone", SERVER SERVICE "door d { interface = e\n" SEQ(STRONG) " }",
			"" },
		{ "nothing", SERVER SERVICE "door d { capture = nflog group = 1 }",
			"t.conf:3: door d: nothing is heard there; add spa { }\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

static void test_sequences(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "no ports", WAN(SEQ("")),
			"t.conf:4: sequence: neither ports nor one-time; add one\n" },
		{ "both", WAN(SEQ("one-time = /f\n" STRONG)),
			"t.conf:4: one-time: goes without ports; remove one\n" },
		{ "neither", WAN("sequence { as = a/b\n" STRONG " }"),
			"t.conf:4: sequence: neither open nor close; add one\n" },
		{ "open and close", WAN(SEQ(STRONG "\nclose = ssh")),
			"t.conf:5: close: goes without open; remove one\n" },
		{ "unknown", WAN("sequence { as = a/b\nopen = shh " STRONG " }"),
			"t.conf:5: open: there is no service shh; name one that there is\n" },
		{ "unknown", WAN("sequence { as = a/b\nclose = shh " STRONG " }"),
			"t.conf:5: close: there is no service shh; name one that there is\n" },
		{ "one", WAN(SEQ("accept-weak = yes\nports = {7000}")),
			"t.conf:5: ports: a sequence has at least two knocks; add some\n" },
		{ "none", WAN(SEQ("accept-weak = yes\nports = {}")),
			"t.conf:5: ports: a sequence has at least two knocks; add some\n" },
		{ "two", WAN(SEQ("ports = {7000, 100}")),
			"t.conf:4: ports: weak: fewer than 3 knocks; add some, or accept-weak = yes\n" },
		{ "two after all", WAN(SEQ("ports = {7000, 100} accept-weak = yes")), "" },
		{ "narrow", WAN(SEQ("ports = {100, 115, 100, 102}")),
			"t.conf:4: ports: weak: all inside 16 adjacent ports; spread them, or add "
			"accept-weak = yes\n" },
		{ "less narrow", WAN(SEQ("ports = {100, 116, 100, 102}")), "" },
		{ "narrow after all", WAN(SEQ("ports = {100, 115, 100, 102} accept-weak = yes")),
			"" },
		{ "rising", WAN(SEQ("ports = {100, 100, 9000}")),
			"t.conf:4: ports: weak: they only rise or only fall*\n" },
		{ "falling", WAN(SEQ("ports = {9000, 200, 100}")),
			"t.conf:4: ports: weak: they only rise or only fall*\n" },
		{ "rising after all", WAN(SEQ("ports = {100, 200, 9000} accept-weak = yes")), "" },
		{ "32", WAN(SEQ("ports = {1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,99}")),
			"" },
		{ "33",
			WAN(SEQ("ports = "
				"{1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,1,9,99}")),
			"t.conf:4: ports: more than 32 knocks; name fewer\n" },
		{ "bind",
			SERVER
			"service ssh { port = tcp/22 allow = {} bind = required }\n"
			"door d { interface = e\n" SEQ(
				STRONG) "sequence { close = ssh as = a/b ports = {1, 99, 2} } }",
			"t.conf:4: open: service ssh wants an address in the knock (bind), which this one "
			"has not\n" },
		{ "guarded", WAN(SEQ("ports = {7000, 22, 9000}")),
			"t.conf:4: ports: service ssh guards 22; knock where nothing else is meant\n" },
		{ "guarded, other protocol", WAN(SEQ("ports = {7000, 22/udp, 9000}")), "" },
		{ "taken", WAN(SEQ("ports = {7000, 100, 62201:udp}")),
			"t.conf:4: ports: 62201 takes packets at this door; knock where nothing else is "
			"meant\n" },
		{ "not taken", WAN(SEQ("ports = {7000, 100, 62201}")), "" },
		{ "taken by fwknop",
			WAN(SEQ("ports = {7000, 77/udp, 9000}") FWKNOP("udp = 77 key-file = /f")),
			"t.conf:4: ports: 77 takes packets at this door; knock where nothing else is "
			"meant\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

#define NTH(x) SEQ("accept-weak = yes " x)

static void test_inside(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "mirrored", WAN(SEQ(STRONG) SEQ("ports = {9000, 100, 7000}")), "" },
		{ "the same", WAN(SEQ(STRONG) SEQ(STRONG)),
			"t.conf:5: ports: on the way they meet the sequence of t.conf:4; change one of "
			"them\n" },
		{ "the same, other protocol", WAN(SEQ(STRONG) SEQ("ports = {7000, 100/udp, 9000}")),
			"" },
		{ "a tail", WAN(SEQ("ports = {1, 7000, 100, 9000}") SEQ(STRONG)),
			"t.conf:4: ports: on the way they meet the sequence of t.conf:5; change one of "
			"them\n" },
		{ "a head", WAN(SEQ(STRONG) SEQ("ports = {7000, 100, 9000, 1}")),
			"t.conf:5: ports: on the way they meet the sequence of t.conf:4; change one of "
			"them\n" },
		{ "in the middle", WAN(SEQ(STRONG) SEQ("ports = {1, 7000, 100, 9000, 1}")),
			"t.conf:5: ports: on the way they meet the sequence of t.conf:4; change one of "
			"them\n" },
		{ "scattered in a strict one",
			WAN(NTH("ports = {7, 9}") SEQ("ports = {7, 8, 99, 9}")), "" },
		{ "scattered", WAN(NTH("ports = {7, 9} strict = no") SEQ("ports = {7, 8, 99, 9}")),
			"t.conf:5: ports: on the way they meet the sequence of t.conf:4; change one of "
			"them\n" },
		{ "scattered, in another order",
			WAN(NTH("ports = {7, 9} strict = no") SEQ("ports = {9, 8, 99, 7}")), "" },
		{ "in two doors",
			SERVER SERVICE "door a { interface = e\n" SEQ(
				STRONG) "}\ndoor b { interface = f\n" SEQ(STRONG) "}\n",
			"" },
		{ "unknown ones", WAN(SEQ("one-time = /a") SEQ("one-time = /b") SEQ(STRONG)), "" },
	};
	check_all(cases, TEST_LEN(cases));
}

static void test_ranges(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "apart",
			WAN("structured { services = {ssh} as = a/b }\n" CIPHER(KEY)
					SEQ(STRONG) "tagged { keys = /t services = {ssh} }\n"),
			"t.conf:6: ports: 100 is among those of the structured block, 100-109; knock "
			"elsewhere\n" },
		{ "in a cipher", WAN(CIPHER(KEY) SEQ("ports = {7000, 745, 9000}")),
			"t.conf:5: ports: 745 is among those of the cipher block, 745-1000; knock "
			"elsewhere\n" },
		{ "beside a cipher", WAN(CIPHER(KEY) SEQ("ports = {7000, 744, 1001}")), "" },
		{ "udp in a cipher", WAN(CIPHER(KEY) SEQ("ports = {7000, 745/udp, 9000}")), "" },
		{ "in tagged",
			WAN("tagged { keys = /t services = {ssh} }\n" SEQ(
				"ports = {7000, 44095, 9000}")),
			"t.conf:5: ports: 44095 is among those of the tagged block, 40000-44095; knock "
			"elsewhere\n" },
		{ "ciphers share", WAN(CIPHER(KEY) CIPHER(KEY)), "" },
		{ "cipher and tagged",
			WAN(CIPHER(
				"ports = 44095-44350" KEY) "tagged { keys = /t services = {ssh} }\n"),
			"t.conf:5: base: 40000-44095 has ports of the cipher block, 44095-44350, t.conf:4; "
			"move one of them\n" },
		{ "cipher and structured",
			WAN(CIPHER(KEY) "structured { services = {ssh} as = a/b base = 736 }\n"),
			"t.conf:4: ports: 745-1000 has ports of the structured block, 736-745, t.conf:5; "
			"move one of them\n" },
		{ "structured twice",
			WAN("structured { services = {ssh} as = a/b }\n"
			    "structured { services = {ssh} as = a/b base = 109 }\n"
			    "structured { services = {ssh} as = a/b base = 119 }\n"),
			"t.conf:5: base: 109-118 has ports of the structured block, 100-109, t.conf:4; "
			"move one of them\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

static void test_services(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "none", WAN("structured { services = {} as = a/b }"),
			"t.conf:4: services: empty, so it can ask for nothing; name some\n" },
		{ "unknown",
			WAN(CIPHER("wide = yes" KEY) "cipher { as = a/b" KEY
						     "services = {ssh,\nwiki} }"),
			"t.conf:6: services: there is no service wiki; name one that there is\n" },
		{ "unknown to all",
			WAN("tagged { keys = /t services = {x} }\n"
			    "fwknop { key-file = /f as = a/b services = {y} }\n"
			    "structured { as = a/b services = {z} }"),
			"t.conf:4: services: there is no service x; name one that there is\n"
			"t.conf:5: services: there is no service y; name one that there is\n"
			"t.conf:6: services: there is no service z; name one that there is\n" },
		{ "number of a byte",
			WAN("cipher { services = {w} as = a/b" KEY
			    "}") "service w { port = tcp/256 allow = {} }",
			"t.conf:4: services: port 256 of w does not fit one byte; add wide = yes\n" },
		{ "number of two bytes",
			WAN("cipher { services = {w} as = a/b wide = yes" KEY "}\n"
			    "cipher { services = {w} as = a/b pad = /p }") "service w { port = tcp/256 allow = {} }",
			"" },
		{ "number of four digits",
			WAN("structured { services = {w, v} as = a/b }") "service w { port = tcp/10000 allow = {} }\n"
									 "service v { port = tcp/9999 allow = {} }",
			"t.conf:4: services: port 10000 of w has more than four digits; leave it out\n" },
		{ "same number",
			WAN("structured { services = {w, v} as = a/b }\n"
			    "fwknop { services = {w, v} as = a/b key-file = /f }") "service w { port = tcp/53 allow = {} }\n"
										   "service v { port = udp/53 allow = {} }",
			"t.conf:4: services: w and v have the same number, which is all that a knock says; "
			"leave one out\n" },
		{ "bind",
			SERVER "service ssh { port = tcp/22 allow = {} bind = required }\n"
			       "door d { interface = e\nstructured { services = {ssh} as = a/b } }",
			"t.conf:4: services: service ssh wants an address in the knock (bind), which this "
			"one has not\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

/* 256 times the same service: one slot more than there are. */
static void test_tagged(void **state)
{
	(void)state;
	for (int count = 255; count <= 256; count++) {
		char text[4096];
		size_t at = (size_t)snprintf(text, sizeof(text), "%s%s%s", SERVER, SERVICE,
			"door wan { interface = eth0\ntagged { keys = /t\nservices = {ssh");
		for (int i = 1; i < count; i++)
			at += (size_t)snprintf(text + at, sizeof(text) - at, ",ssh");
		snprintf(text + at, sizeof(text) - at, "} } }\n");
		expect_mistakes("services", text,
			count == 255
				? ""
				: "t.conf:5: services: more than 255, which a knock can say; name fewer\n");
	}
}

static void test_ciphers(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "no key", WAN(CIPHER("iv = \"01234567\"")),
			"t.conf:4: cipher: no key; add key-file, or pad\n" },
		{ "no iv", WAN(CIPHER("key-file = /k")),
			"t.conf:4: cipher: no first block; add iv, or random-iv = yes\n" },
		{ "two ivs", WAN(CIPHER(KEY "random-iv = yes one-time = yes")),
			"t.conf:4: iv: goes without random-iv; remove one\n" },
		{ "random", WAN(CIPHER("key-file = /k random-iv = yes one-time = yes")), "" },
		{ "random and again", WAN(CIPHER("key-file = /k\nrandom-iv = yes")),
			"t.conf:5: random-iv: whoever saw one could change its address and port; add "
			"one-time = yes\n" },
		{ "pad", WAN(CIPHER("pad = /p wide = yes")), "" },
		{ "pad and all",
			WAN(CIPHER("pad = /p\nkey-file = /k\niv = \"01234567\"\nrandom-iv = yes\n"
				   "one-time = yes")),
			"t.conf:5: key-file: goes without pad; remove one\n"
			"t.conf:6: iv: goes without pad; remove one\n"
			"t.conf:7: random-iv: goes without pad; remove one\n"
			"t.conf:8: one-time: a pad is that already; remove it\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

#define KEYS "key-base64 = \"AAEC\" hmac-key-base64 = \"AAEC\" "

static void test_fwknop(void **state)
{
	(void)state;
	static const struct mistake cases[] = {
		{ "in the file", WAN(FWKNOP(KEYS)), "" },
		{ "without padding", WAN(FWKNOP("key-base64 = \"AA\" hmac-key-base64 = \"AAE\"")),
			"" },
		{ "no key", WAN(FWKNOP("")),
			"t.conf:4: fwknop: no key; add key-base64, or key-file\n" },
		{ "no hmac", WAN(FWKNOP("key-base64 = \"AAEC\"")),
			"t.conf:4: fwknop: no HMAC key, without which nothing is believed; add "
			"hmac-key-base64\n" },
		{ "no key but an hmac", WAN(FWKNOP("hmac-key-base64 = \"AAEC\"")),
			"t.conf:4: fwknop: no key; add key-base64, or key-file\n" },
		{ "both", WAN(FWKNOP("key-base64 = \"AAEC\"\nkey-file = /f")),
			"t.conf:5: key-file: both keys stand in it; remove it, or the others\n" },
		{ "nowhere", WAN(FWKNOP("key-file = /f\nudp = off")),
			"t.conf:5: udp: off, and nothing else is on; write a port, or icmp = yes\n" },
		{ "icmp", WAN(FWKNOP("key-file = /f udp = off icmp = yes")), "" },
		{ "guarded", WAN(FWKNOP("key-file = /f udp = off\ntcp = 22")),
			"t.conf:5: tcp: service ssh guards 22, so no stranger's connection brings a text; "
			"choose another\n" },
		{ "guarded datagrams",
			WAN(FWKNOP(
				"key-file = /f udp = 53")) "service dns { port = udp/53 allow = {} }",
			"t.conf:4: udp: service dns guards 53; choose another for one of them\n" },
		{ "locked down",
			"server { id = /a directory = /b lockdown = yes lockdown-allow = {tcp/80} "
			"}\n" SERVICE "door d { interface = e\n" FWKNOP("key-file = /f tcp = 80")
				FWKNOP("key-file = /f\ntcp = 80") "}",
			"" },
		{ "locked out",
			"server { id = /a directory = /b lockdown = yes lockdown-allow = {udp/81} "
			"}\n" SERVICE
			"door d { interface = e\n" FWKNOP("key-file = /f\ntcp = 81") "}",
			"t.conf:5: tcp: the lockdown closes 81, so no connection brings a text; add tcp/81 "
			"to lockdown-allow\n" },
		{ "two udp ports",
			WAN(FWKNOP("key-file = /f") FWKNOP("key-file = /f udp = 7")
					FWKNOP("key-file = /f udp = 7")),
			"" },
		{ "three udp ports",
			WAN(FWKNOP("key-file = /f udp = 7") FWKNOP("key-file = /f udp = 8")),
			"t.conf:5: udp: a door takes packets on two ports at most; use one of them\n" },
		{ "two tcp ports",
			WAN(FWKNOP("key-file = /f tcp = 7") FWKNOP("key-file = /f tcp = 8")),
			"t.conf:5: tcp: a door takes texts on one port only; use the same\n" },
	};
	check_all(cases, TEST_LEN(cases));
}

/* Keys in a file are for its owner alone, also in one that is included. */
static void test_secrecy(void **state)
{
	(void)state;
	char folder[] = "/tmp/postern-classic-XXXXXX", path[64], inner[64], want[512];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/a.conf", folder);
	snprintf(inner, sizeof(inner), "%s/b.conf", folder);
	static const char text[] = SERVER SERVICE "door d { interface = e include(\"b.conf\") }\n";
	static const char keys[] = "fwknop { services = {ssh} as = a/b\n" KEYS "}\n";
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	f = fopen(inner, "we");
	assert_non_null(f);
	fputs(keys, f);
	fclose(f);
	assert_int_equal(chmod(path, 0644), 0);

	struct config_report r = { 0 };
	assert_int_equal(chmod(inner, 0600), 0);
	struct config *c = config_load(path, &r);
	print_report(&r);
	assert_non_null(c);
	config_free(c);

	assert_int_equal(chmod(inner, 0640), 0);
	assert_null(config_load(path, &r));
	char *got = join_report(&r);
	snprintf(want, sizeof(want),
		"%s:2: key-base64: others can read this file; chmod 0600 it, or put the keys into a "
		"key-file\n"
		"%s:2: hmac-key-base64: others can read this file; chmod 0600 it, or put the keys into "
		"a key-file\n",
		inner, inner);
	assert_string_equal(got, want);
	free(got);
	config_report_deinit(&r);
	unlink(path);
	unlink(inner);
	rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_inside),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_services),
		cmocka_unit_test(test_tagged),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_fwknop),
		cmocka_unit_test(test_secrecy),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
