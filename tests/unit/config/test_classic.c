/* The blocks of the classic knocks: what is right becomes fields, and prints as what reads back. */

#include <netinet/in.h>

#include "helper.h"

static const char full[] = SERVER SERVICE
	"service wiki { port = tcp/8443 allow = {\"*\"} }\n"
	"door wan {\n"
	"  capture = pcap interface = eth0 sources = 100\n"
	"  sequence { name = ops ports = {7000, \"8000/udp\", 9000:udp, 1500/tcp}\n"
	"    open = ssh as = \"Ops/VSD\" within = 5s strict = no }\n"
	"  sequence { one-time = /seq close = ssh as = \"Ops/VSD\" accept-weak = yes }\n"
	"  structured { base = 200 services = {ssh, wiki} as = \"Ops/VSD\" within = 2m }\n"
	"  structured { services = {ssh} as = \"Ops/VSD\" }\n"
	"  cipher { key-file = /k iv = \"01234567\" services = {ssh} as = \"Ops/VSD\" }\n"
	"  cipher { ports = 2000-2255 key-file = /k iv = 0x00ff112233445566 services = {ssh}\n"
	"    as = \"Ops/VSD\" within = 30s wide = yes one-time = yes third-party = yes }\n"
	"  cipher { ports = \"3000-3255\" key-file = /k random-iv = yes one-time = yes services = {ssh} as = a/b }\n"
	"  cipher { ports = 4000-4255 pad = /p services = {wiki} as = a/b }\n"
	"  tagged { keys = /tags services = {wiki, ssh} hash = blake2b tag = counter\n"
	"    window = 1m observed = no third-party = yes base = 50000 }\n"
	"  spa { }\n"
	"  fwknop { key-base64 = \"AAECAwQ=\" hmac-key-base64 = \"QEFCQ0RF\" services = {ssh}\n"
	"    as = a/b user = alice hmac = sha3-512 mode = ctr max-age = 5s udp = off tcp = 80\n"
	"    icmp = yes third-party = yes }\n"
	"  fwknop { key-file = /f services = {ssh} as = a/b }\n"
	"}\n"
	"door fire { capture = nflog group = 5 spa { udp = 7 }\n"
	"  sequence { ports = {1000, 300, 2000} open = ssh as = a/b } }\n"
	"door old { capture = log file = /var/log/kern.log interface = eth1\n"
	"  sequence { ports = {2000, 300, 1000} open = wiki as = c/d } }\n";

static struct config *parse_full(void)
{
	struct config_report r = { 0 };
	struct config *c = parse(full, &r);
	print_report(&r);
	assert_non_null(c);
	return c;
}

static void test_doors(void **state)
{
	(void)state;
	struct config *c = parse_full();
	assert_int_equal(c->door_count, 3);
	const struct config_door *wan = &c->doors[0], *fire = &c->doors[1], *old = &c->doors[2];
	assert_int_equal(wan->capture, CONFIG_CAPTURE_PCAP);
	assert_int_equal(wan->group, CONFIG_NO_GROUP);
	assert_null(wan->file);
	assert_int_equal(wan->sources, 100);
	assert_true(wan->spa.is_on);
	assert_int_equal(wan->spa.port, 62201);
	assert_int_equal(fire->capture, CONFIG_CAPTURE_NFLOG);
	assert_int_equal(fire->group, 5);
	assert_null(fire->interface);
	assert_int_equal(fire->sources, 4096);
	assert_int_equal(fire->spa.port, 7);
	assert_int_equal(fire->sequence_count, 1);
	assert_int_equal(fire->sequences[0].steps[0].port, 1000);
	assert_int_equal(old->capture, CONFIG_CAPTURE_LOG);
	assert_string_equal(old->file, "/var/log/kern.log");
	assert_string_equal(old->interface, "eth1");
	assert_false(old->spa.is_on);
	assert_false(old->tagged.is_on);
	assert_string_equal(old->sequences[0].open, "wiki");
	assert_int_equal(old->sequences[0].at.line, 27);
	config_free(c);
}

static void test_sequences(void **state)
{
	(void)state;
	struct config *c = parse_full();
	const struct config_door *d = &c->doors[0];
	assert_int_equal(d->sequence_count, 2);
	const struct config_sequence *a = &d->sequences[0], *b = &d->sequences[1];
	assert_string_equal(a->name, "ops");
	assert_int_equal(a->step_count, 4);
	assert_int_equal(a->steps[0].port, 7000);
	assert_int_equal(a->steps[0].proto, IPPROTO_TCP);
	assert_int_equal(a->steps[1].proto, IPPROTO_UDP);
	assert_int_equal(a->steps[2].proto, IPPROTO_UDP);
	assert_int_equal(a->steps[3].proto, IPPROTO_TCP);
	assert_int_equal(a->steps[3].port, 1500);
	assert_string_equal(a->open, "ssh");
	assert_null(a->close);
	assert_null(a->one_time);
	assert_string_equal(a->as, "Ops/VSD");
	assert_int_equal(a->within_s, 5);
	assert_false(a->strict);
	assert_false(a->accept_weak);
	assert_int_equal(a->at.line, 6);
	assert_int_equal(a->as_at.line, 7);
	assert_string_equal(a->as_at.file, "t.conf");
	assert_null(b->name);
	assert_string_equal(b->one_time, "/seq");
	assert_string_equal(b->close, "ssh");
	assert_int_equal(b->step_count, 0);
	assert_int_equal(b->within_s, 10);
	assert_true(b->strict);
	assert_true(b->accept_weak);

	assert_int_equal(d->structured_count, 2);
	assert_int_equal(d->structured[0].base, 200);
	assert_int_equal(d->structured[0].services.len, 2);
	assert_string_equal(d->structured[0].services.items[1].text, "wiki");
	assert_int_equal(d->structured[0].within_s, 120);
	assert_int_equal(d->structured[1].base, 100);
	assert_int_equal(d->structured[1].within_s, 60);
	assert_int_equal(d->structured[1].at.line, 10);
	config_free(c);
}

static void test_ciphers(void **state)
{
	(void)state;
	static const uint8_t hex[8] = { 0x00, 0xff, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66 };
	struct config *c = parse_full();
	const struct config_door *d = &c->doors[0];
	assert_int_equal(d->cipher_count, 4);
	const struct config_cipher *x = d->ciphers;
	assert_int_equal(x[0].port_first, 745);
	assert_int_equal(x[0].port_last, 1000);
	assert_true(x[0].has_iv);
	assert_memory_equal(x[0].iv, "01234567", 8);
	assert_false(x[0].wide || x[0].random_iv || x[0].one_time || x[0].third_party);
	assert_int_equal(x[1].port_first, 2000);
	assert_memory_equal(x[1].iv, hex, 8);
	assert_true(x[1].wide && x[1].one_time && x[1].third_party);
	assert_int_equal(x[1].within_s, 30);
	assert_true(x[2].random_iv);
	assert_false(x[2].has_iv);
	assert_string_equal(x[3].pad, "/p");
	assert_null(x[3].key_file);

	const struct config_tagged *t = &d->tagged;
	assert_true(t->is_on);
	assert_int_equal(t->at.line, 16);
	assert_int_equal(t->base, 50000);
	assert_int_equal(t->hash, CONFIG_TAG_BLAKE2B);
	assert_int_equal(t->tag, CONFIG_TAG_COUNTER);
	assert_int_equal(t->window_s, 60);
	assert_false(t->observed);
	assert_true(t->third_party);
	assert_string_equal(t->keys, "/tags");
	assert_string_equal(t->services.items[0].text, "wiki");
	config_free(c);
}

static void test_fwknops(void **state)
{
	(void)state;
	struct config *c = parse_full();
	const struct config_door *d = &c->doors[0];
	assert_int_equal(d->fwknop_count, 2);
	const struct config_fwknop *f = d->fwknops;
	assert_string_equal(f[0].key_base64, "AAECAwQ=");
	assert_string_equal(f[0].hmac_key_base64, "QEFCQ0RF");
	assert_null(f[0].key_file);
	assert_string_equal(f[0].user, "alice");
	assert_int_equal(f[0].hmac, CONFIG_HMAC_SHA3_512);
	assert_int_equal(f[0].mode, CONFIG_AES_CTR);
	assert_int_equal(f[0].max_age_s, 5);
	assert_int_equal(f[0].udp, 0);
	assert_int_equal(f[0].tcp, 80);
	assert_true(f[0].icmp && f[0].third_party);
	assert_string_equal(f[1].key_file, "/f");
	assert_int_equal(f[1].hmac, CONFIG_HMAC_SHA256);
	assert_int_equal(f[1].mode, CONFIG_AES_CBC);
	assert_int_equal(f[1].max_age_s, 120);
	assert_int_equal(f[1].udp, 62201);
	assert_int_equal(f[1].tcp, 0);
	assert_false(f[1].icmp || f[1].third_party);
	config_forget_secrets(c);
	assert_string_equal(f[0].key_base64, "");
	assert_string_equal(f[0].hmac_key_base64, "");
	config_free(c);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct config_report r = { 0 };
	struct config *c = parse_full();
	char *text = config_format(c, CONFIG_SECRETS_SHOWN);
	assert_non_null(strstr(text, "\t\tiv = 0x00ff112233445566\n"));
	assert_non_null(strstr(text, "\t\tiv = \"01234567\"\n"));
	assert_non_null(strstr(text, "\t\tports = 2000-2255\n"));
	assert_non_null(strstr(text, "\t\tudp = off\n"));
	assert_non_null(strstr(text, "\t\thmac = sha3-512\n"));
	assert_non_null(strstr(text, "\t\tkey-base64 = \"AAECAwQ=\"\n"));
	assert_non_null(strstr(text, "\tgroup = 5\n"));
	struct config *d = parse(text, &r);
	print_report(&r);
	assert_non_null(d);
	char *again = config_format(d, CONFIG_SECRETS_SHOWN);
	assert_string_equal(again, text);
	free(again);
	free(text);

	text = config_format(d, CONFIG_SECRETS_HIDDEN);
	assert_null(strstr(text, "AAECAwQ"));
	assert_null(strstr(text, "QEFCQ0RF"));
	assert_non_null(strstr(text, "\t\t# key-base64 is set and not shown\n"));
	assert_non_null(strstr(text, "\t\t# hmac-key-base64 is set and not shown\n"));
	free(text);
	config_free(c);
	config_free(d);
}

#define WAN(x) SERVER SERVICE "door wan { interface = eth0 spa { }\n" x " }\n"
#define SEQ(x) WAN("sequence { ports = {7000, 100, 9000} open = ssh as = a/b " x " }")

static void test_values(void **state)
{
	(void)state;
	static const struct {
		const char *name, *text, *want;
	} cases[] = {
		{ "steps",
			WAN("sequence { open = ssh as = a/b ports = {0, 70000, x, 1/sctp, '1-2', 00022, "
			    "''} }"),
			"t.conf:4: ports: \"0\" is not a knock; write 7000 or 7000/udp\n"
			"t.conf:4: ports: \"70000\" is not a knock; write 7000 or 7000/udp\n"
			"t.conf:4: ports: \"x\" is not a knock; write 7000 or 7000/udp\n"
			"t.conf:4: ports: \"1/sctp\" is not a knock; write 7000 or 7000/udp\n"
			"t.conf:4: ports: \"1-2\" is not a knock; write 7000 or 7000/udp\n"
			"t.conf:4: ports: an entry is empty; remove it\n" },
		{ "within", SEQ("within = 0"), "t.conf:4: within: 0 is below 1s\n" },
		{ "within", SEQ("within = 301"), "t.conf:4: within: 301 is above 5m\n" },
		{ "who", SEQ("name = Ops"),
			"t.conf:4: name: \"Ops\" is no name of 1 to 63 of a-z, 0-9 and -\n" },
		{ "unknown", SEQ("as = c/d tll = 3"),
			"t.conf:4: as: given twice in this block, first on line 4; remove one\n"
			"t.conf:4: tll: unknown in a sequence block; known are name, ports, one-time, open, "
			"close, as, within, strict, accept-weak, include\n" },
		{ "base",
			WAN("structured { base = 65527 services = {ssh} as = a/b }\n"
			    "structured { base = 0 services = {SSH} as = a/b }"),
			"t.conf:4: base: 65527 is above 65526\n"
			"t.conf:5: base: 0 is below 1\n"
			"t.conf:5: services: \"SSH\" is not the name of a service\n" },
		{ "nothing",
			WAN("structured { }\ncipher { key-file = /k iv = \"01234567\" }\ntagged { }"),
			"t.conf:4: services: missing; this block needs it\n"
			"t.conf:4: as: missing; this block needs it\n"
			"t.conf:5: services: missing; this block needs it\n"
			"t.conf:5: as: missing; this block needs it\n"
			"t.conf:6: keys: missing; this block needs it\n"
			"t.conf:6: services: missing; this block needs it\n" },
		{ "cipher range",
			WAN("cipher { key-file = /k iv = \"01234567\" services = {ssh} as = a/b\n"
			    "ports = 745-999 }"),
			"t.conf:5: ports: a cipher needs 256 ports, not 255; write 745-1000\n" },
		{ "cipher range",
			WAN("cipher { key-file = /k iv = \"01234567\" services = {ssh} as = a/b\n"
			    "ports = 65280-65536 }"),
			"t.conf:5: ports: \"65280-65536\" is not a range of ports; write one like "
			"745-1000\n" },
		{ "iv", WAN("cipher { key-file = /k services = {ssh} as = a/b\niv = \"0123456\" }"),
			"t.conf:5: iv: is neither eight characters nor 16 hexadecimal digits after 0x\n" },
		{ "iv",
			WAN("cipher { key-file = /k services = {ssh} as = a/b\n"
			    "iv = \"0x001122334455667g\" }"),
			"t.conf:5: iv: is neither eight characters nor 16 hexadecimal digits after 0x\n" },
		{ "iv like a number",
			WAN("cipher { key-file = /k services = {ssh} as = a/b iv = 0x001122 }"),
			"" },
		{ "tagged",
			WAN("tagged { keys = k services = {ssh}\nbase = 61441 hash = sha1\n"
			    "window = 301s tag = none }\ntagged { }"),
			"t.conf:4: keys: \"k\" is not an absolute path; begin it with /\n"
			"t.conf:5: base: 61441 is above 61440\n"
			"t.conf:5: hash: \"sha1\" is not supported; choose from: sha256, blake2b, md5\n"
			"t.conf:6: window: 301s is above 5m\n"
			"t.conf:6: tag: \"none\" is not supported; choose from: clock, counter\n"
			"t.conf:7: tagged: given twice, first on line 4; join them\n" },
		{ "modes",
			WAN("fwknop { key-file = /f services = {ssh} as = a/b mode = pcbc }\n"
			    "fwknop { key-file = /f services = {ssh} as = a/b mode = gpg }\n"
			    "fwknop { key-file = /f services = {ssh} as = a/b mode = legacy }\n"
			    "fwknop { key-file = /f services = {ssh} as = a/b mode = gcm }\n"
			    "fwknop { key-file = /f services = {ssh} as = a/b hmac = none }\n"
			    "fwknop { key-file = /f services = {ssh} as = a/b udp = 0 tcp = on }"),
			"t.conf:4: mode: pcbc is not offered*\n"
			"t.conf:5: mode: gpg is not offered*\n"
			"t.conf:6: mode: legacy is not offered*\n"
			"t.conf:7: mode: \"gcm\" is not supported; choose from: ecb, cbc, cfb, ofb, ctr\n"
			"t.conf:8: hmac: \"none\" is not supported; choose from: md5, sha1, sha256, "
			"sha384, sha512, sha3-256, sha3-512\n"
			"t.conf:9: udp: \"0\" is neither a port nor off\n"
			"t.conf:9: tcp: \"on\" is neither a port nor off\n" },
		{ "keys",
			WAN("fwknop { services = {ssh} as = a/b hmac-key-base64 = \"AA==\"\n"
			    "key-base64 = "
			    "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\" }\n"
			    "fwknop { services = {ssh} as = a/b hmac-key-base64 = \"A-==\"\n"
			    "key-base64 = "
			    "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\" }\n"
			    "fwknop { services = {ssh} as = a/b hmac-key-base64 = \"AA== x\"\n"
			    "key-base64 = \"A\" }"),
			"t.conf:6: hmac-key-base64: is not base64\n"
			"t.conf:7: key-base64: the key is longer than 32 bytes\n"
			"t.conf:8: hmac-key-base64: is not base64\n"
			"t.conf:9: key-base64: is not base64\n" },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		expect_mistakes(cases[i].name, cases[i].text, cases[i].want);
}

/* More blocks of a kind than a door may have. */
static void test_counts(void **state)
{
	(void)state;
	char text[4096];
	size_t at = (size_t)snprintf(
		text, sizeof(text), SERVER SERVICE "door wan { interface = eth0\n");
	for (int i = 0; i <= CONFIG_STRUCTURED_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at,
			"structured { base = %d services = {ssh} as = a/b }\n", 100 * (i + 1));
	snprintf(text + at, sizeof(text) - at, "}\n");
	expect_mistakes("structured", text, "t.conf:8: structured: more than 4 of them\n");
}

static void test_truncated(void **state)
{
	(void)state;
	char *text = strdup(full);
	for (size_t len = sizeof(full) - 2; len > 0; len--) {
		struct config_report r = { 0 };
		text[len] = '\0';
		struct config *c = parse(text, &r);
		assert_true((c == NULL) == (r.count > 0));
		config_free(c);
		config_report_deinit(&r);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doors),
		cmocka_unit_test(test_sequences),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_fwknops),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_counts),
		cmocka_unit_test(test_truncated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
