/*
 * The table of options, and how each text becomes a field. Invariant: a text means the same on the command
 * line and in a profile; only what is said of a wrong one differs, for it stands elsewhere.
 */

#include "cmd/knock_option.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/say.h"
#include "knock/structured.h"

#define DELAY_MAX_MS 10000
#define CIPHER_MINUTES_MAX 254
#define CIPHER_PORTS 256

int knock_option_bad(const struct knock_value *v, const char *fmt, ...)
{
	char why[FAULT_MAX];
	va_list ap;
	bool is_flag = v->option->kind == KNOCK_TAKES_NOTHING;
	const char *space = is_flag ? "" : " ", *text = is_flag ? "" : v->text;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (v->file == NULL)
		return say_usage(knock_command_name(v->command), "--%s%s%s: %s", v->option->name,
			space, text, why);
	say_trouble("%s:%u: %s%s%s: %s", v->file, v->line, v->option->name, space, text, why);
	return EXIT_LOCAL;
}

static int take_time(const struct knock_value *v, struct knock_args *a)
{
	uint32_t s = 0;
	int rc = duration_parse(v->text, &s);
	if (rc == -ERANGE)
		return knock_option_bad(v, "longer than ten years");
	if (rc < 0)
		return knock_option_bad(v, "not a time; write 30s, 5m, 8h or 2d");
	if (s == 0)
		return knock_option_bad(v, "not even a second");
	if (a->scheme == KNOCK_FWKNOP && s > FWKNOP_TIMEOUT_MAX)
		return knock_option_bad(
			v, "longer than the %d seconds fwknop can say", FWKNOP_TIMEOUT_MAX);
	a->for_s = s;
	return EXIT_DONE;
}

static int bad_port(const struct knock_value *v)
{
	return knock_option_bad(v, "not a port; write a number from 1 to 65535");
}

/* Where there is one packet, its port; where the knocks name the service, the service's. */
static int take_port(const struct knock_value *v, struct knock_args *a)
{
	bool is_service = a->scheme == KNOCK_STRUCTURED || a->scheme == KNOCK_CIPHER;
	if (!say_parse_port(v->text, is_service ? &a->service_port : &a->udp_port))
		return bad_port(v);
	if (is_service)
		a->proto = IPPROTO_TCP;
	return EXIT_DONE;
}

static int take_source_port(const struct knock_value *v, struct knock_args *a)
{
	return say_parse_port(v->text, &a->source_port) ? EXIT_DONE : bad_port(v);
}

static int take_address(const struct knock_value *v, struct knock_args *a)
{
	struct addr address;
	a->address = NULL;
	if (strcmp(v->text, "observed") == 0)
		return EXIT_DONE;
	if (!addr_parse(v->text, &address))
		return knock_option_bad(v, "neither \"observed\" nor an address in numbers");
	a->address = v->text;
	return EXIT_DONE;
}

/* A port is a number of the same shape. */
static int take_prefix(const struct knock_value *v, struct knock_args *a)
{
	uint16_t bits = 0;
	if (!say_parse_port(v->text, &bits) || bits > 128)
		return knock_option_bad(v, "not a prefix length; write a number from 1 to 128");
	a->prefix = (uint8_t)bits;
	return EXIT_DONE;
}

/* The place of text among words, or -1. */
static int find_word(const char *text, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (words[i] != NULL && strcmp(text, words[i]) == 0)
			return (int)i;
	return -1;
}

#define FIND_WORD(text, words) find_word(text, words, sizeof(words) / sizeof((words)[0]))

static int take_identity(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = {
		[POSTERN_IDENTITY_AUTO] = "auto",
		[POSTERN_IDENTITY_KEY] = "key",
		[POSTERN_IDENTITY_CHAIN] = "chain",
	};
	int i = FIND_WORD(v->text, words);
	if (i < 0)
		return knock_option_bad(v, "neither auto nor key nor chain");
	a->identity = (enum postern_identity)i;
	return EXIT_DONE;
}

static const char *const scheme_words[] = { "spa", "sequence", "structured", "cipher", "tagged",
	"fwknop" };

#define SCHEME_COUNT (sizeof(scheme_words) / sizeof(scheme_words[0]))

static int take_scheme(const struct knock_value *v, struct knock_args *a)
{
	char all[KNOCK_SCHEME_TEXT_MAX];
	int i = FIND_WORD(v->text, scheme_words);
	if (i < 0)
		return knock_option_bad(v, "not a scheme; write %s",
			knock_scheme_text(KNOCK_SPA | KNOCK_CLASSIC, all));
	a->scheme = (enum knock_scheme)(1U << i);
	return EXIT_DONE;
}

const char *knock_scheme_text(unsigned schemes, char to[KNOCK_SCHEME_TEXT_MAX])
{
	size_t len = 0;
	to[0] = '\0';
	for (unsigned i = 0; i < SCHEME_COUNT; i++) {
		unsigned bit = 1U << i;
		if ((schemes & bit) == 0)
			continue;
		bool is_last = schemes < 2 * bit;
		const char *between = len == 0 ? "" : is_last ? " or " : ", ";
		int n = snprintf(
			to + len, KNOCK_SCHEME_TEXT_MAX - len, "%s%s", between, scheme_words[i]);
		len += (size_t)n;
	}
	return to;
}

/* 0..max from decimal text. */
static bool parse_count(const char *text, unsigned long max, unsigned long *ret)
{
	*ret = 0;
	return strcmp(text, "0") == 0 || say_parse_number(text, max, ret);
}

static int take_base(const struct knock_value *v, struct knock_args *a)
{
	bool is_structured = a->scheme == KNOCK_STRUCTURED;
	unsigned long n, ports = is_structured ? STRUCTURED_PORTS : TAGGED_PORTS;
	if (!say_parse_number(v->text, 65536 - ports, &n))
		return knock_option_bad(v,
			"not where %lu ports can begin; write a number from 1 to %lu", ports,
			65536 - ports);
	a->classic.base = (uint16_t)n;
	return EXIT_DONE;
}

static int take_minutes(const struct knock_value *v, struct knock_args *a)
{
	unsigned long n;
	bool is_structured = a->scheme == KNOCK_STRUCTURED;
	if (strcmp(v->text, "close") == 0) {
		a->classic.is_close = true;
		return EXIT_DONE;
	}
	if (!parse_count(v->text, CIPHER_MINUTES_MAX, &n) ||
		(is_structured && (n % 10 != 0 || n > 80)))
		return knock_option_bad(v, "not what %s can say; write %s",
			is_structured ? "a structured sequence" : "an enciphered sequence",
			is_structured ? "0, 10, 20 .. 80 or close" : "0 to 254 or close");
	a->classic.minutes = (uint16_t)n;
	a->classic.has_minutes = true;
	return EXIT_DONE;
}

static int take_iv(const struct knock_value *v, struct knock_args *a)
{
	uint8_t *iv = a->classic.iv;
	size_t cap = sizeof(a->classic.iv);
	a->classic.has_iv = true;
	if (strlen(v->text) == cap) {
		memcpy(iv, v->text, cap);
		return EXIT_DONE;
	}
	if (strncmp(v->text, "0x", 2) == 0 && text_unhex(v->text + 2, iv, cap))
		return EXIT_DONE;
	return knock_option_bad(v, "not eight characters, nor 0x and sixteen hexadecimal digits");
}

static int take_ports(const struct knock_value *v, struct knock_args *a)
{
	char first[8] = "";
	const char *dash = strchr(v->text, '-');
	size_t len = dash != NULL ? (size_t)(dash - v->text) : 0;
	struct knock_classic *c = &a->classic;
	if (len < sizeof(first))
		memcpy(first, v->text, len);
	if (!say_parse_port(first, &c->port_first) || !say_parse_port(dash + 1, &c->port_last) ||
		c->port_last != c->port_first + CIPHER_PORTS - 1)
		return knock_option_bad(v, "not 256 ports; write FIRST-LAST, such as 745-1000");
	return EXIT_DONE;
}

static int take_allow(const struct knock_value *v, struct knock_args *a)
{
	struct knock_classic *c = &a->classic;
	bool can_observe = a->scheme != KNOCK_CIPHER;
	bool is_observed = strcmp(v->text, "observed") == 0 || strcmp(v->text, "source") == 0;
	c->allow = is_observed ? KNOCK_ALLOW_OBSERVED : KNOCK_ALLOW_GIVEN;
	if (is_observed && can_observe)
		return EXIT_DONE;
	if (!is_observed && addr_parse(v->text, &c->allowed))
		return EXIT_DONE;
	return knock_option_bad(v, "%s",
		can_observe ? "neither \"observed\" nor an address in numbers"
			    : "not an address in numbers");
}

static int take_slot(const struct knock_value *v, struct knock_args *a)
{
	unsigned long n;
	bool is_service = v->option == knock_option_row(KNOCK_OPTION_SERVICE_SLOT);
	unsigned long max = is_service ? 254 : 255;
	if (!parse_count(v->text, max, &n))
		return knock_option_bad(v, "not a slot; write a number from 0 to %lu", max);
	if (is_service) {
		a->classic.service_slot = (uint8_t)n;
		a->classic.has_service_slot = true;
	} else {
		a->classic.slot = (uint8_t)n;
		a->classic.has_slot = true;
	}
	return EXIT_DONE;
}

static int take_hash(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = {
		[TAGGED_SHA256] = "sha256",
		[TAGGED_BLAKE2B] = "blake2b",
		[TAGGED_MD5] = "md5",
	};
	int i = FIND_WORD(v->text, words);
	if (i < 0)
		return knock_option_bad(v, "neither sha256 nor blake2b nor md5");
	a->classic.hash = (enum tagged_hash)i;
	return EXIT_DONE;
}

static int take_hmac(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = {
		[CONFIG_HMAC_MD5] = "md5",
		[CONFIG_HMAC_SHA1] = "sha1",
		[CONFIG_HMAC_SHA256] = "sha256",
		[CONFIG_HMAC_SHA384] = "sha384",
		[CONFIG_HMAC_SHA512] = "sha512",
		[CONFIG_HMAC_SHA3_256] = "sha3-256",
		[CONFIG_HMAC_SHA3_512] = "sha3-512",
	};
	int i = FIND_WORD(v->text, words);
	if (i < 0)
		return knock_option_bad(v,
			"not a hash; write md5, sha1, sha256, sha384, sha512, sha3-256 or sha3-512");
	a->classic.hmac = (enum config_hmac)i;
	return EXIT_DONE;
}

static int take_mode(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = {
		[CONFIG_AES_ECB] = "ecb",
		[CONFIG_AES_CBC] = "cbc",
		[CONFIG_AES_CFB] = "cfb",
		[CONFIG_AES_OFB] = "ofb",
		[CONFIG_AES_CTR] = "ctr",
	};
	int i = FIND_WORD(v->text, words);
	if (i < 0)
		return knock_option_bad(v, "not a mode; write cbc, cfb, ofb, ctr or ecb");
	a->classic.mode = (enum config_aes)i;
	return EXIT_DONE;
}

static int take_carrier(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = {
		[KNOCK_BY_UDP] = "udp",
		[KNOCK_BY_TCP] = "tcp",
		[KNOCK_BY_HTTP] = "http",
		[KNOCK_BY_ICMP] = "icmp",
	};
	int i = FIND_WORD(v->text, words);
	if (i < 0)
		return knock_option_bad(v, "not a carrier; write udp, tcp, http or icmp");
	a->classic.carrier = (enum knock_carrier)i;
	return EXIT_DONE;
}

/* "tcp/22,udp/1194" */
static int take_access(const struct knock_value *v, struct knock_args *a)
{
	struct knock_classic *c = &a->classic;
	const char *at = v->text;
	char port[8];
	c->access_count = 0;
	for (;;) {
		size_t len = strcspn(at, ",");
		bool is_udp = strncmp(at, "udp/", 4) == 0;
		struct fwknop_access x = { .proto = is_udp ? IPPROTO_UDP : IPPROTO_TCP };
		if (c->access_count == FWKNOP_ACCESS_MAX)
			return knock_option_bad(v, "more than %d ports", FWKNOP_ACCESS_MAX);
		if ((!is_udp && strncmp(at, "tcp/", 4) != 0) || len - 4 >= sizeof(port))
			return knock_option_bad(v, "not ports; write tcp/22 or tcp/22,udp/1194");
		memcpy(port, at + 4, len - 4);
		port[len - 4] = '\0';
		if (!say_parse_port(port, &x.port))
			return knock_option_bad(v, "not ports; write tcp/22 or tcp/22,udp/1194");
		c->accesses[c->access_count++] = x;
		if (at[len] == '\0')
			return EXIT_DONE;
		at += len + 1;
	}
}

/* "10.1.1.2:55000" */
static int take_nat(const struct knock_value *v, struct knock_args *a)
{
	struct knock_classic *c = &a->classic;
	const char *colon = strrchr(v->text, ':');
	size_t len = colon != NULL ? (size_t)(colon - v->text) : 0;
	if (len == 0 || len > FWKNOP_HOST_MAX || !say_parse_port(colon + 1, &c->nat_port))
		return knock_option_bad(v, "not an inner host; write HOST:PORT");
	memcpy(c->nat_host, v->text, len);
	c->nat_host[len] = '\0';
	return EXIT_DONE;
}

static int take_delay(const struct knock_value *v, struct knock_args *a)
{
	unsigned long ms;
	if (!parse_count(v->text, DELAY_MAX_MS, &ms))
		return knock_option_bad(
			v, "not a time in milliseconds; write a number from 0 to %d", DELAY_MAX_MS);
	a->classic.delay_ms = (uint32_t)ms;
	return EXIT_DONE;
}

static int take_through(const struct knock_value *v, struct knock_args *a)
{
	struct fault f;
	if (through_parse_path(v->text, &a->through, &f))
		return EXIT_DONE;
	return knock_option_bad(v, "%s", f.text);
}

static int take_save(const struct knock_value *v, struct knock_args *a)
{
	a->save = v->text;
	if (profile_name_is_good(v->text))
		return EXIT_DONE;
	return knock_option_bad(
		v, "not a name; write 1 to %d of letters, digits, . _ and -", PROFILE_NAME_MAX);
}

#define ONCE (KNOCK_OPEN | KNOCK_CLOSE | KNOCK_CONNECT | KNOCK_SEND)
#define ALL (ONCE | KNOCK_TUNNEL)
#define REPORTING (KNOCK_OPEN | KNOCK_CLOSE | KNOCK_SEND)
#define OPENING (KNOCK_OPEN | KNOCK_CONNECT)
#define STAYING (OPENING | KNOCK_TUNNEL)
#define SCHEMING (KNOCK_OPEN | KNOCK_CLOSE | KNOCK_CONNECT)
#define ANY (KNOCK_SPA | KNOCK_CLASSIC)
#define BY_PORTS (KNOCK_CLASSIC & ~KNOCK_FWKNOP)
#define NUMBERED (KNOCK_STRUCTURED | KNOCK_CIPHER) /* they say the service's port */
#define KEYED (KNOCK_CIPHER | KNOCK_TAGGED | KNOCK_FWKNOP)
#define TAKEN(n, c, s, f)                                                                          \
	{                                                                                          \
		.name = (n), .kind = KNOCK_TAKES_TEXT, .commands = (c), .schemes = (s),            \
		.take = (f)                                                                        \
	}
#define AT(k, n, c, s, f)                                                                          \
	{                                                                                          \
		.name = (n), .kind = (k), .commands = (c), .schemes = (s),                         \
		.offset = offsetof(struct knock_args, f)                                           \
	}
#define TEXT(n, c, s, f) AT(KNOCK_TAKES_TEXT, n, c, s, f)
#define NAME(n, c, s, f) AT(KNOCK_TAKES_FILE, n, c, s, f)
#define FLAG(n, c, s, f) AT(KNOCK_TAKES_NOTHING, n, c, s, f)

static const struct knock_option table[KNOCK_OPTION_COUNT] = {
	[KNOCK_OPTION_SCHEME] = TAKEN("scheme", SCHEMING, ANY, take_scheme),
	[KNOCK_OPTION_HOST] = TEXT("host", 0, ANY, host),
	[KNOCK_OPTION_SERVICE] = TEXT("service", 0, ANY, service),
	[KNOCK_OPTION_FOR] = TAKEN("for", STAYING, KNOCK_SPA | KNOCK_FWKNOP, take_time),
	[KNOCK_OPTION_ADDRESS] = TAKEN("address", ALL, KNOCK_SPA, take_address),
	[KNOCK_OPTION_ID] = NAME("id", ALL, KNOCK_SPA, id),
	[KNOCK_OPTION_AGENT] = FLAG("agent", ONCE, KNOCK_SPA, is_agent),
	[KNOCK_OPTION_AGENT_KEY] = TEXT("agent-key", ONCE, KNOCK_SPA, agent_key),
	[KNOCK_OPTION_ALLOW_FORWARDED] = FLAG("allow-forwarded", ONCE, KNOCK_SPA, may_forward),
	[KNOCK_OPTION_IDENTITY] = TAKEN("identity", ALL, KNOCK_SPA, take_identity),
	[KNOCK_OPTION_CARD] = NAME("card", ALL, KNOCK_SPA, card),
	[KNOCK_OPTION_PASSWORD_FILE] = NAME("password-file", ALL, KNOCK_SPA, password_file),
	[KNOCK_OPTION_PORT] = TAKEN("port", ALL, KNOCK_SPA | NUMBERED | KNOCK_FWKNOP, take_port),
	[KNOCK_OPTION_SOURCE_PORT] = TAKEN("source-port", ONCE, KNOCK_SPA, take_source_port),
	[KNOCK_OPTION_THROUGH] =
		TAKEN("through", KNOCK_CONNECT | KNOCK_TUNNEL, KNOCK_SPA, take_through),
	[KNOCK_OPTION_PREFIX] = TAKEN("prefix", STAYING, KNOCK_SPA, take_prefix),
	[KNOCK_OPTION_SEQUENCE] = TEXT("sequence", SCHEMING, KNOCK_SEQUENCE, classic.sequence),
	[KNOCK_OPTION_ONE_TIME] = NAME("one-time", SCHEMING, KNOCK_SEQUENCE, classic.one_time),
	[KNOCK_OPTION_BASE] = TAKEN("base", SCHEMING, KNOCK_STRUCTURED | KNOCK_TAGGED, take_base),
	[KNOCK_OPTION_MINUTES] = TAKEN("minutes", OPENING, NUMBERED, take_minutes),
	[KNOCK_OPTION_KEY_FILE] = NAME("key-file", SCHEMING, KEYED, classic.key_file),
	[KNOCK_OPTION_IV] = TAKEN("iv", SCHEMING, KNOCK_CIPHER, take_iv),
	[KNOCK_OPTION_PORTS] = TAKEN("ports", SCHEMING, KNOCK_CIPHER, take_ports),
	[KNOCK_OPTION_WIDE] = FLAG("wide", SCHEMING, KNOCK_CIPHER, classic.is_wide),
	[KNOCK_OPTION_RANDOM_IV] = FLAG("random-iv", SCHEMING, KNOCK_CIPHER, classic.is_random_iv),
	[KNOCK_OPTION_PAD] = NAME("pad", SCHEMING, KNOCK_CIPHER, classic.pad),
	[KNOCK_OPTION_ALLOW] = TAKEN("allow", SCHEMING, KEYED, take_allow),
	[KNOCK_OPTION_SLOT] = TAKEN("slot", SCHEMING, KNOCK_TAGGED, take_slot),
	[KNOCK_OPTION_SERVICE_SLOT] = TAKEN("service-slot", SCHEMING, KNOCK_TAGGED, take_slot),
	[KNOCK_OPTION_HASH] = TAKEN("hash", SCHEMING, KNOCK_TAGGED, take_hash),
	[KNOCK_OPTION_SERVER] = NAME("server", SCHEMING, KNOCK_TAGGED, classic.server),
	[KNOCK_OPTION_COUNTER] = NAME("counter", SCHEMING, KNOCK_TAGGED, classic.counter),
	[KNOCK_OPTION_ACCESS] = TAKEN("access", OPENING, KNOCK_FWKNOP, take_access),
	[KNOCK_OPTION_HMAC] = TAKEN("hmac", OPENING, KNOCK_FWKNOP, take_hmac),
	[KNOCK_OPTION_MODE] = TAKEN("mode", OPENING, KNOCK_FWKNOP, take_mode),
	[KNOCK_OPTION_CARRIER] = TAKEN("carrier", OPENING, KNOCK_FWKNOP, take_carrier),
	[KNOCK_OPTION_USER] = TEXT("user", OPENING, KNOCK_FWKNOP, classic.user),
	[KNOCK_OPTION_NAT] = TAKEN("nat", OPENING, KNOCK_FWKNOP, take_nat),
	[KNOCK_OPTION_DELAY] = TAKEN("delay", SCHEMING, BY_PORTS, take_delay),
	[KNOCK_OPTION_IPV4] = FLAG("ipv4", SCHEMING, KNOCK_CLASSIC, classic.is_v4),
	[KNOCK_OPTION_IPV6] = FLAG("ipv6", SCHEMING, KNOCK_CLASSIC, classic.is_v6),
	[KNOCK_OPTION_WAIT] = FLAG("wait", KNOCK_OPEN, KNOCK_CLASSIC, classic.is_waiting),
	[KNOCK_OPTION_CLOSE] = FLAG("close", KNOCK_OPEN, NUMBERED | KNOCK_TAGGED, classic.is_close),
	[KNOCK_OPTION_MESSAGE] = TEXT("message", KNOCK_SEND, KNOCK_SPA, message),
	[KNOCK_OPTION_PROBE] = FLAG("probe", KNOCK_OPEN, KNOCK_SPA, is_probe),
	[KNOCK_OPTION_SAVE] = TAKEN("save", KNOCK_OPEN, ANY, take_save),
	[KNOCK_OPTION_DRY_RUN] = FLAG("dry-run", REPORTING, ANY, is_dry_run),
	[KNOCK_OPTION_JSON] = FLAG("json", REPORTING | KNOCK_TUNNEL, ANY, is_json),
	[KNOCK_OPTION_QUIET] = FLAG("quiet", REPORTING | KNOCK_TUNNEL, ANY, is_quiet),
	[KNOCK_OPTION_VERBOSE] = FLAG("verbose", ALL, ANY, is_verbose),
};

const struct knock_option *knock_option_row(enum knock_option_id id)
{
	return &table[id];
}

/* On a command line a flag is there or not; a profile writes yes or no. */
static int take_flag(const struct knock_value *v, struct knock_args *a)
{
	static const char *const words[] = { "no", "yes", "false", "true", "off", "on" };
	int i = FIND_WORD(v->text, words);
	if (i < 0) {
		say_trouble("%s:%u: %s: %s: neither yes nor no", v->file, v->line, v->option->name,
			v->text);
		return EXIT_LOCAL;
	}
	*(bool *)(void *)((char *)a + v->option->offset) = i % 2 == 1;
	return EXIT_DONE;
}

int knock_option_take(const struct knock_value *v, struct knock_args *a)
{
	const struct knock_option *o = v->option;
	if (o->take != NULL)
		return o->take(v, a);
	if (o->kind == KNOCK_TAKES_NOTHING)
		return take_flag(v, a);
	*(const char **)(void *)((char *)a + o->offset) = v->text;
	return EXIT_DONE;
}

const struct profile_keys *knock_option_keys(void)
{
	static struct profile_key keys[KNOCK_OPTION_KEPT];
	static const struct profile_keys all = { .keys = keys, .count = KNOCK_OPTION_KEPT };
	for (size_t i = 0; i < KNOCK_OPTION_KEPT; i++)
		keys[i] = (struct profile_key){
			.name = table[i].name,
			/* What is secret about a sequence is itself. */
			.is_secret = i == KNOCK_OPTION_SEQUENCE,
			.is_file = table[i].kind == KNOCK_TAKES_FILE,
		};
	return &all;
}
