/* Passthrus: where they lead, what is spoken there, and what makes no sense. */

#include <netinet/in.h>

#include "helper.h"

#define EDGE "server { id = /s.id directory = /dir relay-id = /r.id }\n"
#define BLOCK(rest) "passthru notes { listen = tcp/1352 allow = {\"*\"} " rest " }\n"
#define NOTES(rest) EDGE DOOR BLOCK(rest)
#define TO "to = 10.0.0.8:1352 "
#define NOT_A_PLACE                                                                                \
	" is not a host and a port; write mail.example:25, 10.0.0.8:25 or [2001:db8::8]:25\n"
#define NOT_A_HOST " names no host; write a host name or an address\n"
#define NOT_REACHED " is not the address of a machine; name one that can be connected to\n"
#define NOT_HEX                                                                                    \
	" is not the first bytes of both sides; write hex:0f00/1a, at most 64 bytes a side\n"
#define HEX32 "00112233445566778899aabbccddeeff"
#define LABEL63 "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

static void expect_place(const char *to, const char *want)
{
	char text[1024], line[512];
	snprintf(text, sizeof(text), EDGE DOOR "passthru n { listen = tcp/1 to = \"%s\" }\n", to);
	line[0] = '\0';
	if (want[0] != '\0')
		snprintf(line, sizeof(line), "t.conf:3: to: \"%s\"%s", to, want);
	expect_mistakes(to, text, line);
}

static void test_places(void **state)
{
	(void)state;
	static const struct {
		const char *to, *want;
	} cases[] = {
		{ "mail.inner:1352", "" },
		{ "mail:1", "" },
		{ "Mail-2.inner_net.example:65535", "" },
		{ "10.0.0.8:25", "" },
		{ "127.0.0.1:25", "" },
		{ "[2001:db8::8]:25", "" },
		{ "[::1]:25", "" },
		{ LABEL63 ".example:1", "" },
		{ "3com.example:1", "" },
		{ "mail.inner", NOT_A_PLACE },
		{ "mail.inner:", NOT_A_PLACE },
		{ "mail.inner:0", NOT_A_PLACE },
		{ "mail.inner:65536", NOT_A_PLACE },
		{ "mail.inner:000022", NOT_A_PLACE },
		{ "mail.inner:smtp", NOT_A_PLACE },
		{ ":25", NOT_A_PLACE },
		{ "[]:25", NOT_A_PLACE },
		{ "[2001:db8::8:25", NOT_A_PLACE },
		{ "[", NOT_A_PLACE },
		{ ":", NOT_A_PLACE },
		{ "[:1", NOT_A_PLACE },
		{ "2001:db8::8:25",
			" is not clear; write IPv6, and only that, as [2001:db8::8]:25\n" },
		{ "[10.0.0.8]:25",
			" is not clear; write IPv6, and only that, as [2001:db8::8]:25\n" },
		{ "[mail.inner]:25", NOT_A_HOST },
		{ "mail..inner:25", NOT_A_HOST },
		{ ".inner:25", NOT_A_HOST },
		{ "mail.:25", NOT_A_HOST },
		{ "-mail:25", NOT_A_HOST },
		{ "mail-.inner:25", NOT_A_HOST },
		{ "mail inner:25", NOT_A_HOST },
		{ "m/n:25", NOT_A_HOST },
		{ "10.0.0.300:25", NOT_A_HOST },
		{ "10.0.0:25", NOT_A_HOST },
		{ "7:25", NOT_A_HOST },
		{ LABEL63 "g.example:1", NOT_A_HOST },
		{ "0.0.0.0:25", NOT_REACHED },
		{ "224.0.0.1:25", NOT_REACHED },
		{ "[::]:25", NOT_REACHED },
		{ "[ff02::1]:25", NOT_REACHED },
		{ "[fe80::1]:25", NOT_REACHED },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_place(cases[i].to, cases[i].want);
}

static void test_speaks(void **state)
{
	(void)state;
	static const struct {
		const char *speaks, *want;
	} cases[] = {
		{ "any", "" },
		{ "ssh", "" },
		{ "tls", "" },
		{ "smtp", "" },
		{ "imap", "" },
		{ "http", "" },
		{ "postgres", "" },
		{ "hex:0f00/1a", "" },
		{ "hex:0F/", "" },
		{ "hex:/1a", "" },
		{ "hex:" HEX32 HEX32 HEX32 HEX32 "/", "" },
		{ "telnet",
			" is not supported; choose from: any, ssh, tls, smtp, imap, http, postgres, "
			"hex:CLIENT/SERVER\n" },
		{ "hex", " is not supported; *\n" },
		{ "hex:", NOT_HEX },
		{ "hex:0f", NOT_HEX },
		{ "hex:0/1a", NOT_HEX },
		{ "hex:0f/1", NOT_HEX },
		{ "hex:0g/", NOT_HEX },
		{ "hex:0f/1a/2b", NOT_HEX },
		{ "hex: 0f/", NOT_HEX },
		{ "hex:" HEX32 HEX32 HEX32 HEX32 "00/", "*\n" },
		{ "hex:/", " says nothing of either side; write any\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char text[1024], line[512];
		const char *speaks = cases[i].speaks, *want = cases[i].want;
		snprintf(text, sizeof(text), NOTES(TO "speaks = \"%s\""), speaks);
		line[0] = '\0';
		if (want[0] == '*')
			snprintf(line, sizeof(line), "t.conf:3: speaks: *\n");
		else if (want[0] != '\0')
			snprintf(line, sizeof(line), "t.conf:3: speaks: \"%s\"%s", speaks, want);
		expect_mistakes(speaks, text, line);
	}
}

static void test_mistakes(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "good", NOTES(TO), "" },
		{ "also with a list that is left out",
			EDGE DOOR "passthru n { listen = tcp/1 " TO "}\n", "" },
		{ "beside a service", NOTES(TO) SERVICE, "" },
		{ "nothing behind", NOTES(""), "t.conf:3: to: missing; this block needs it\n" },
		{ "no port", EDGE DOOR "passthru n {\n" TO "}\n",
			"t.conf:3: listen: missing; this block needs it\n" },
		{ "udp", EDGE DOOR "passthru n {\n listen = udp/53 " TO "}\n",
			"t.conf:4: listen: \"udp/53\" is not a TCP port; write one like tcp/1352\n" },
		{ "range", EDGE DOOR "passthru n {\n listen = tcp/5-6 " TO "}\n",
			"t.conf:4: listen: \"tcp/5-6\" is not a TCP port; write one like tcp/1352\n" },
		{ "port 0", EDGE DOOR "passthru n {\n listen = tcp/0 " TO "}\n",
			"t.conf:4: listen: \"tcp/0\" is not a TCP port; write one like tcp/1352\n" },
		{ "knock by tcp", NOTES(TO "\nknock = tcp/62201"),
			"t.conf:4: knock: \"tcp/62201\" is not a UDP port; write one like udp/62201\n" },
		{ "same port as a service",
			SERVER DOOR SERVICE "passthru n { to = \"a:1\"\n"
					    "listen = tcp/22 encrypt = no }\n",
			"t.conf:5: listen: service ssh guards it already, t.conf:3; choose another\n" },
		{ "in a range",
			SERVER DOOR "service r { port = tcp/20-30 open = window allow = {a} }\n"
				    "passthru n { to = \"a:1\" listen = tcp/22 encrypt = no }\n",
			"t.conf:4: listen: service r guards it already, t.conf:3; choose another\n" },
		{ "same port as a passthru",
			NOTES(TO) "passthru n { to = \"a:1\" listen = tcp/1352 }\n",
			"t.conf:4: listen: passthru notes guards it already, t.conf:3; choose another\n" },
		{ "same name as a service",
			NOTES(TO) "service notes { port = tcp/22 allow = {\"*\"} }\n",
			"t.conf:3: passthru notes: a service has this name already, t.conf:4; choose "
			"another\n" },
		{ "same name as a passthru", NOTES(TO) BLOCK(TO),
			"t.conf:4: passthru notes: given twice, first on line 3; join them\n" },
		{ "same port as a forwarded service",
			NOTES(TO) "service x { port = tcp/1352 forward = 10.0.0.9:1 allow = {a} }\n",
			"t.conf:3: listen: service x guards it already, t.conf:4; choose another\n" },
		{ "no certificate", SERVER DOOR BLOCK(TO),
			"t.conf:3: passthru notes: encrypt = yes needs a certificate for the relay; "
			"add relay-id = \"/...\" to the server block, or write encrypt = no\n" },
		{ "no certificate, and said so", SERVER DOOR BLOCK(TO "\nencrypt = yes"),
			"t.conf:4: passthru notes: encrypt = yes needs *\n" },
		{ "a certificate is not needed", SERVER DOOR BLOCK(TO "encrypt = no"), "" },
		{ "knock without TLS", NOTES(TO "encrypt = no\nknock = udp/7"),
			"t.conf:4: knock: only a client that speaks TLS brings knocks along; remove it, "
			"or write encrypt = yes\n" },
		{ "the server's own ID",
			"server { id = /s.id directory = /dir\nrelay-id = /s.id }\n" DOOR BLOCK(TO),
			"t.conf:2: relay-id: this is the server's own ID file; the relay needs one "
			"with another key\n" },
		{ "a key alone",
			"server { id = /s.id directory = /dir\nrelay-key = /k }\n" DOOR SERVICE,
			"t.conf:2: relay-key: opens nothing; add relay-id\n" },
		{ "to itself", NOTES("\nto = \"127.0.0.1:1352\""),
			"t.conf:4: to: this is where passthru notes listens; name the machine behind\n" },
		{ "to itself by name", NOTES("\nto = \"localhost:1352\""),
			"t.conf:4: to: this is where passthru notes listens; name the machine behind\n" },
		{ "to another port here", NOTES("to = \"[::1]:22\""), "" },
		{ "limits",
			NOTES(TO "\nconnections-max = 0\nname-connections-max = 65537\nidle = 9s"),
			"t.conf:4: connections-max: 0 is below 1\n"
			"t.conf:5: name-connections-max: 65537 is above 65536\n"
			"t.conf:6: idle: 9s is below 10s\n" },
		{ "limits of the server",
			"server { id = /s.id directory = /dir relay-id = /r.id\n"
			"relay-connections-max = 65537\nrelay-grace = 61m }\n" DOOR BLOCK(TO),
			"t.conf:2: relay-connections-max: 65537 is above 65536\n"
			"t.conf:3: relay-grace: 61m is above 1h\n" },
		{ "as of a service", NOTES(TO "open = once wait = 2m\nlease = 1m"),
			"t.conf:3: wait: 2m is longer than the lease of 1m\n" },
		{ "times", NOTES(TO "open = once\ntimes = 3"),
			"t.conf:4: times: means nothing here; add open = times or leave it out\n" },
		{ "network", NOTES(TO "open = once\nprefix-v4 = 24"),
			"t.conf:4: prefix-v4: a network is let in for a time only; add open = window\n" },
		{ "forward", NOTES(TO "\nforward = 10.0.0.8:1"),
			"t.conf:4: forward: unknown in a passthru block; known are listen, to, *\n" },
		{ "not left open",
			"server { id = /s.id directory = /dir relay-id = /r.id lockdown = yes\n"
			"lockdown-allow = {tcp/1352} }\n" DOOR BLOCK(TO),
			"t.conf:2: lockdown-allow: service notes guards tcp/1352, which stays closed; "
			"remove one of them\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

static void test_script(void **state)
{
	(void)state;
	static const char script[] =
		"server { id = /s.id directory = /dir relay-id = /r.id backend = script script = /x }\n";
	char text[1024];
	snprintf(text, sizeof(text), "%s%s", script, DOOR BLOCK(TO));
	expect_mistakes("script", text, "");
	snprintf(text, sizeof(text), "%s%s", script, DOOR SERVICE BLOCK(TO "\nlease = none"));
	expect_mistakes("script and a lease", text,
		"t.conf:3: service ssh: a script cannot promise one connection; write open = window\n"
		"t.conf:5: lease: a script does not see connections end; give it a length\n");
}

static void test_fields(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct addr v4;
	struct config *c = parse(EDGE DOOR SERVICE
		"passthru a { listen = tcp/1352 to = 'mail.inner:25' speaks = smtp knock = udp/7 }\n"
		"passthru b { listen = tcp/1353 to = '10.0.0.8:22' speaks = 'hex:0a0b/ff' }\n",
		&r);
	print_report(&r);
	assert_non_null(c);
	assert_true(addr_parse("10.0.0.8", &v4));
	assert_int_equal(c->service_count, 3);
	assert_int_equal(c->passthru_count, 2);
	const struct config_passthru *a = &c->passthrus[0], *b = &c->passthrus[1];
	assert_ptr_equal(a->service, &c->services[1]);
	assert_ptr_equal(b->service->passthru, b);
	assert_null(c->services[0].passthru);
	assert_string_equal(a->host, "mail.inner");
	assert_true(addr_is_zero(&a->addr) && a->port == 25 && a->knock == 7 && a->encrypt);
	assert_int_equal(a->speaks, CONFIG_SPEAKS_SMTP);
	assert_int_equal(a->connections_max, 256);
	assert_int_equal(a->name_connections_max, 16);
	assert_int_equal(a->idle_s, 3600);
	assert_int_equal(a->to_at.line, 4);
	assert_int_equal(a->service->proto, IPPROTO_TCP);
	assert_int_equal(a->service->port, 1352);
	assert_int_equal(a->service->open, CONFIG_OPEN_WINDOW);
	assert_true(a->service->allow.is_set && a->service->allow.len == 0);
	assert_true(addr_equal(&b->addr, &v4));
	assert_true(b->client.len == 2 && b->client.b[1] == 0x0b);
	assert_true(b->inner.len == 1 && b->inner.b[0] == 0xff);
	assert_ptr_equal(config_service_by_name(c, "b"), b->service);
	assert_ptr_equal(config_service_by_port(c, IPPROTO_TCP, 1352), a->service);
	assert_int_equal(c->server.relay_connections_max, 1024);
	assert_int_equal(c->server.relay_grace_s, 30);
	config_free(c);
	config_report_deinit(&r);
}

/* Services and passthrus share one table. */
static void test_many(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	assert_non_null(f);
	fputs(EDGE DOOR, f);
	for (unsigned i = 0; i < CONFIG_SERVICES_MAX; i++)
		fprintf(f, "service s%u { port = tcp/%u allow = {a} }\n", i, 2000 + i);
	fputs(BLOCK(TO), f);
	fclose(f);
	struct config *c = parse(text, &r);
	assert_null(c);
	assert_int_equal(r.count, 1);
	assert_string_equal(r.lines[0],
		"t.conf:259: passthru: more than 256 services and passthrus together; guard fewer");
	config_report_deinit(&r);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_speaks),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_script),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
