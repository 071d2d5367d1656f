/*
 * Classic knocks from sightings to outcomes, with a clock of the test's own and a store in a folder of its own.
 */

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/internal.h"
#include "daemon/classic.h"
#include "daemon/classic_lines.h"
#include "daemon/judge.h"
#include "knock/pad.h"
#include "knock/structured.h"
#include "people.h"
#include "test.h"

#define MONO 5000000ull
#define AGAIN_MS 1000

static const char conf[] =
	"server { id = \"/x/server.id\" id-key = \"/x/server.key\" directory = \"/x/directory\"\n"
	"  allow = {\"*/VSD\"} identity-rate = 1000 }\n"
	"door wan { interface = \"eth0\" spa { udp = 62201 }\n"
	" sequence { name = ops ports = {7000, \"9000/udp\", 8000} open = ssh as = \"Ann/VSD\" }\n"
	" sequence { ports = {8000, 9000, 7000} close = ssh as = \"Ann/VSD\" }\n"
	" sequence { one-time = \"@/lines\" open = ssh as = \"Ann/VSD\" }\n"
	" structured { base = 100 services = {ssh} as = \"Ann/VSD\" }\n"
	" cipher { ports = \"745-1000\" key-file = \"@/cipher\" iv = \"01234567\" services = {ssh, bound}"
	"  as = \"Ann/VSD\" one-time = yes wide = yes }\n"
	" cipher { ports = \"2000-2255\" pad = \"@/pad\" services = {ssh} as = \"Ann/VSD\" }\n"
	" tagged { keys = \"@/tagged\" services = {ssh, bound} }\n"
	" fwknop { key-base64 = \"AAEC\" hmac-key-base64 = \"QEFC\" services = {ssh, bound, inner}"
	"  as = \"Ann/VSD\" third-party = yes icmp = yes tcp = 8080 } }\n"
	"service ssh { port = tcp/22 allow = {\"Ann/VSD\"} open = once wait = 2h lease = 3h }\n"
	"service bound { port = tcp/2200-2210 allow = {\"Ann/VSD\"} bind = required open = window wait = 30s }\n"
	"service inner { port = tcp/81 allow = {\"Ann/VSD\"} open = once forward = {\"10.0.0.9:80\"} }\n";

struct bench {
	char folder[64];
	struct boot boot;
	struct server_keys keys;
	struct store *store;
	struct judge judge;
	struct judge_case *judged;
	struct classic *classic;
	struct sighting seen;
	uint64_t wall, mono;
	unsigned told;
	size_t count; /* of the last sighting's wishes */
	const struct judge_wish *wishes;
};

static void write_file(const struct bench *b, const char *name, const char *text, mode_t mode)
{
	char path[96];
	snprintf(path, sizeof(path), "%s/%s", b->folder, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void tell(void *arg, const char *text)
{
	struct bench *b = arg;
	(void)text;
	b->told++;
}

static bool is_closed(void *arg, uint8_t proto, uint16_t port)
{
	(void)arg;
	/* Somebody listens on 443, and on each port of the cipher. */
	return proto != IPPROTO_TCP || (port != 443 && (port < 745 || port > 1000));
}

static int start(struct bench *b)
{
	const struct classic_how how = {
		.boot = &b->boot,
		.store = b->store,
		.tell = tell,
		.tell_arg = b,
		.is_closed = is_closed,
	};
	struct fault f;
	int rc = classic_new(&how, &b->classic, &f);
	if (rc < 0)
		print_error("%s\n", f.text);
	return rc;
}

/* The configuration with the folder in the place of each @. */
static char *place_conf(const struct bench *b)
{
	static char text[4096];
	size_t len = 0;
	for (const char *p = conf; *p != '\0'; p++) {
		if (*p == '@')
			len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", b->folder);
		else
			text[len++] = *p;
	}
	text[len] = '\0';
	return text;
}

static int setup(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));
	char directory[512] = "", path[96], spare[96];
	struct config_report r = { 0 };
	struct fault f;

	snprintf(b->folder, sizeof(b->folder), "/tmp/postern-classic-XXXXXX");
	assert_non_null(mkdtemp(b->folder));
	people_line(directory, sizeof(directory), "certified-equivalent", "Ann/VSD", 0xaa);
	b->boot = people_boot(place_conf(b), directory);
	write_file(b, "lines", "# first\n5000 4000 6000\n5000,6000:udp,4000\n", 0600);
	write_file(b, "cipher", "knock\n", 0600);
	write_file(b, "tagged", "7 AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= Ann/VSD\n", 0600);
	snprintf(path, sizeof(path), "%s/pad", b->folder);
	snprintf(spare, sizeof(spare), "%s/pad.client", b->folder);
	assert_int_equal(pad_make(path, spare, 70, &f), 0);
	b->boot.keys = &b->keys;
	b->boot.classic = classic_keys_load(b->boot.config, b->boot.directory, &r);
	for (size_t i = 0; i < r.kept; i++)
		print_error("%s\n", r.lines[i]);
	assert_non_null(b->boot.classic);
	snprintf(path, sizeof(path), "%s/db", b->folder);
	assert_int_equal(store_open(path, &b->store, &f), 0);
	assert_int_equal(judge_init(&b->judge, &b->boot, MONO), 0);
	b->judge.store = b->store;
	b->judged = calloc(1, sizeof(*b->judged));
	b->wall = PEOPLE_WALL;
	b->mono = MONO;
	assert_true(addr_parse("192.0.2.7", &b->seen.src));
	assert_int_equal(start(b), 0);
	*state = b;
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "lines", "cipher", "tagged", "pad", "pad.client", "db",
		"db-wal", "db-shm" };
	struct bench *b = *state;
	char path[128];
	classic_free(b->classic);
	judge_deinit(&b->judge);
	store_close(b->store);
	classic_keys_free(b->boot.classic);
	b->boot.keys = NULL;
	people_free(&b->boot);
	for (size_t i = 0; i < TEST_LEN(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", b->folder, names[i]);
		unlink(path);
	}
	rmdir(b->folder);
	free(b->judged);
	free(b);
	return 0;
}

static size_t see(struct bench *b, uint8_t proto, uint16_t port, struct span payload)
{
	static uint32_t seq;
	b->mono += 100;
	b->seen.proto = proto;
	b->seen.dst_port = port;
	b->seen.src_port = (uint16_t)(1024 + seq % 60000);
	b->seen.tcp_flags = payload.len > 0 ? SIGHTING_ACK : SIGHTING_SYN;
	b->seen.has_seq = true;
	b->seen.tcp_seq = ++seq;
	b->seen.payload = payload;
	b->wishes = classic_seen(b->classic, &b->seen, b->wall, b->mono, &b->count);
	return b->count;
}

static size_t knock(struct bench *b, const uint16_t *ports, size_t count)
{
	size_t n = 0;
	for (size_t i = 0; i < count; i++)
		n += see(b, IPPROTO_TCP, ports[i], span_of(NULL, 0));
	return n;
}

struct found {
	const char *name;
	uint64_t n;
};

static void find(void *arg, const char *name, uint64_t n)
{
	struct found *f = arg;
	if (strcmp(name, f->name) == 0)
		f->n = n;
}

static uint64_t ignored(const struct bench *b, const char *name)
{
	struct found f = { name, UINT64_MAX };
	classic_each_ignored(b->classic, find, &f);
	assert_true(f.n != UINT64_MAX);
	return f.n;
}

static enum judge_outcome judge(struct bench *b, size_t i)
{
	return judge_wish(&b->judge, &b->seen, &b->wishes[i], b->wall, b->mono, b->judged);
}

/* As the store has it once a wish was judged. */
static void remember(struct bench *b, const struct judge_wish *w)
{
	struct store_claim c = { .replay_until_ms = w->replay_until_ms };
	enum store_answer a;
	memcpy(c.replay_key, w->replay_key, sizeof(c.replay_key));
	c.counter_id = w->has_counter ? w->counter_id : NULL;
	c.counter = w->counter;
	assert_int_equal(store_claim_batch(b->store, &c, 1, &a), 0);
	assert_int_equal(a, STORE_ACCEPTED);
}

static void test_sequences(void **state)
{
	struct bench *b = *state;
	/* Above 65535: a datagram. */
	enum { UDP = 0x10000, END = 0 };
	static const struct {
		const char *name;
		uint32_t knocks[8];
		size_t want;
		bool is_close;
	} cases[] = {
		{ "right", { 7000, UDP + 9000, 8000 }, 1, false },
		{ "close", { 8000, 9000, 7000 }, 1, true },
		{ "TCP for UDP", { 7000, 9000, 8000 }, 0, false },
		{ "another order", { 8000, 7000, UDP + 9000 }, 0, false },
		{ "a closed port between", { 7000, 1, UDP + 9000, 8000 }, 0, false },
		{ "an open port between", { 7000, 443, UDP + 9000, 8000 }, 1, false },
		{ "begun anew", { 7000, 7000, UDP + 9000, 8000 }, 1, false },
		{ "our own port", { 7000, UDP + 62201, UDP + 9000, 8000 }, 1, false },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		size_t n = 0;
		b->mono += 60000;
		for (size_t k = 0; k < 8 && cases[i].knocks[k] != END; k++)
			n += see(b, cases[i].knocks[k] >= UDP ? IPPROTO_UDP : IPPROTO_TCP,
				(uint16_t)cases[i].knocks[k], span_of(NULL, 0));
		TEST_CASE(cases[i].name, n == cases[i].want);
		TEST_CASE(cases[i].name,
			n == 0 || b->count == 0 || b->wishes[0].is_close == cases[i].is_close);
		TEST_CASE(cases[i].name,
			b->count == 0 ||
				strcmp(b->wishes[0].scheme,
					cases[i].is_close ? "sequence" : "sequence ops") == 0);
	}
	b->mono += 60000;
	assert_int_equal(see(b, IPPROTO_TCP, 8000, span_of(NULL, 0)), 0);
	assert_int_equal(see(b, IPPROTO_TCP, 9000, span_of(NULL, 0)), 0);
	b->mono += 11000;
	assert_int_equal(see(b, IPPROTO_TCP, 7000, span_of(NULL, 0)), 0);
	/* A segment that is no attempt. */
	b->seen.tcp_flags = SIGHTING_SYN | SIGHTING_ACK;
	classic_seen(b->classic, &b->seen, b->wall, b->mono, &b->count);
	assert_int_equal(b->count, 0);
}

/* As a second door sees it, or the next process: the same attempt. */
static void test_seen_twice(void **state)
{
	struct bench *b = *state;
	static const uint16_t ports[] = { 8000, 9000, 7000 };
	struct sighting last;
	struct judge_wish first;
	struct store_claim c = { 0 };
	enum store_answer a;
	assert_int_equal(knock(b, ports, 3), 1);
	last = b->seen;
	first = b->wishes[0];
	assert_true(first.replay_until_ms >= b->wall + TRACK_SAME_MS);
	remember(b, &first);
	classic_free(b->classic);
	assert_int_equal(start(b), 0);
	assert_int_equal(knock(b, ports, 2), 0);
	b->mono += 100;
	b->wishes = classic_seen(b->classic, &last, b->wall, b->mono, &b->count);
	assert_int_equal(b->count, 1);
	memcpy(c.replay_key, b->wishes[0].replay_key, sizeof(c.replay_key));
	c.owner[0] = 1;
	assert_int_equal(store_claim_batch(b->store, &c, 1, &a), 0);
	assert_int_equal(a, STORE_REPLAY);
	assert_int_equal(knock(b, ports, 3), 1);
	assert_memory_not_equal(first.replay_key, b->wishes[0].replay_key, STORE_REPLAY_KEY_LEN);
}

static void test_lines(void **state)
{
	struct bench *b = *state;
	static const uint16_t first[] = { 5000, 4000, 6000 };
	uint8_t *text = NULL;
	size_t len;
	char path[96];
	struct fault f;

	assert_int_equal(knock(b, first, 3), 1);
	assert_int_equal(judge(b, 0), JUDGE_OPEN);
	assert_true(b->wishes[0].replay_until_ms == UINT64_MAX);
	remember(b, &b->wishes[0]);
	snprintf(path, sizeof(path), "%s/lines", b->folder);
	assert_int_equal(file_read(path, FILE_SECRET, 1000, &text, &len, &f), 0);
	assert_string_equal((char *)text, "# first\n#000 4000 6000\n5000,6000:udp,4000\n");
	free(text);
	assert_int_equal(knock(b, first, 3), 0);
	/* The file as it was, after a restart: the line is met and used up again, and nothing comes of it. */
	write_file(b, "lines", "# first\n5000 4000 6000\n5000,6000:udp,4000\n", 0600);
	classic_free(b->classic);
	assert_int_equal(start(b), 0);
	assert_int_equal(store_expire(b->store, b->wall + 1000ull * 86400 * 365, 1), 0);
	assert_int_equal(knock(b, first, 3), 0);
	assert_int_equal(ignored(b, "sequence-replay"), 1);
	assert_int_equal(see(b, IPPROTO_TCP, 5000, span_of(NULL, 0)), 0);
	assert_int_equal(see(b, IPPROTO_UDP, 6000, span_of(NULL, 0)), 0);
	assert_int_equal(b->told, 0);
	assert_int_equal(see(b, IPPROTO_TCP, 4000, span_of(NULL, 0)), 1);
	assert_int_equal(b->told, 1); /* none is left */
}

static void test_lines_files(void **state)
{
	static const struct {
		const char *name, *text;
		mode_t mode;
		size_t mistakes;
		int open;
	} cases[] = {
		{ "good", "1,500,3\n", 0600, 0, 0 },
		{ "empty", "", 0600, 0, 0 },
		{ "used", "#,2,3\n", 0600, 0, 0 },
		{ "no sequence", "1,500,3\nhello\n", 0600, 1, 0 },
		{ "weak", "1,2,3\n4,5\n", 0600, 2, 0 },
		{ "others read it", "1,500,3\n", 0644, 1, -EPERM },
	};
	struct bench *b = *state;
	struct config_sequence q = b->boot.config->doors[0].sequences[2];
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct config_report r = { 0 };
		struct classic_lines *l = NULL;
		struct fault f;
		write_file(b, "lines", cases[i].text, cases[i].mode);
		classic_lines_check(&q, &r);
		TEST_CASE(cases[i].name, r.count == cases[i].mistakes);
		TEST_CASE(cases[i].name, classic_lines_open(&q, false, &l, &f) == cases[i].open);
		classic_lines_close(l);
		config_report_deinit(&r);
	}
}

static void test_structured(void **state)
{
	static const struct {
		const char *name;
		struct structured s;
		size_t want;
		uint32_t asked_s;
		bool is_close;
	} cases[] = {
		{ "open", { 22, 0 }, 1, 0, false },
		{ "ten minutes", { 22, 1 }, 1, 600, false },
		{ "eighty", { 22, 8 }, 1, 4800, false },
		{ "close", { 22, 9 }, 1, 0, true },
		{ "no service", { 23, 0 }, 0, 0, false },
		{ "one that is not listed", { 2200, 0 }, 0, 0, false },
	};
	struct bench *b = *state;
	uint16_t ports[STRUCTURED_KNOCKS];
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		assert_true(structured_write(100, &cases[i].s, ports));
		TEST_CASE(cases[i].name, knock(b, ports, STRUCTURED_KNOCKS) == cases[i].want);
		if (cases[i].want == 0)
			continue;
		TEST_CASE(cases[i].name, b->wishes[0].asked_s == cases[i].asked_s);
		TEST_CASE(cases[i].name, b->wishes[0].is_close == cases[i].is_close);
		TEST_CASE(cases[i].name,
			judge(b, 0) == (cases[i].is_close ? JUDGE_CLOSE : JUDGE_OPEN));
		TEST_CASE(cases[i].name, b->judged->is_silent);
	}
	assert_int_equal(ignored(b, "knock-service"), 2);
	ports[8] = ports[8] == 100 ? 101 : 100;
	assert_int_equal(knock(b, ports, STRUCTURED_KNOCKS), 0);
	assert_int_equal(ignored(b, "structured-checksum"), 1);
}

static void test_cipher(void **state)
{
	struct bench *b = *state;
	struct cipher *c = b->boot.classic->doors[0].cipher[0];
	struct cipher_wish w = { .address = b->seen.src, .port = 2205, .time = 3 };
	uint16_t ports[CIPHER_PORTS_MAX];
	size_t n = 0;
	assert_int_equal(cipher_write(c, &w, NULL, ports, &n), 0);
	assert_int_equal(knock(b, ports, n), 1);
	assert_int_equal(judge(b, 0), JUDGE_OPEN);
	assert_string_equal(b->judged->service, "bound");
	assert_int_equal(b->wishes[0].asked_s, 180);
	remember(b, &b->wishes[0]);
	assert_int_equal(knock(b, ports, n), 0);
	assert_int_equal(ignored(b, "cipher-replay"), 1);
	w.port = 2211;
	assert_int_equal(cipher_write(c, &w, NULL, ports, &n), 0);
	assert_int_equal(knock(b, ports, n), 1);
	assert_int_equal(judge(b, 0), JUDGE_RECORD);
	assert_string_equal(b->judged->reason, "unknown-service");
	assert_string_equal(b->judged->service, "port-2211");
	/* A flood of them is not tried, and ends with the flood. */
	for (size_t i = 0; i < 300; i++) {
		b->mono -= 100;
		assert_int_equal(see(b, IPPROTO_TCP, (uint16_t)(745 + i % 2), span_of(NULL, 0)), 0);
	}
	assert_true(ignored(b, "knock-rate") >= 150);
	b->mono += 60000;
	assert_int_equal(knock(b, ports, n), 1);
}

static void test_pad(void **state)
{
	struct bench *b = *state;
	struct pad_wish w = { .address = b->seen.src, .port = 22, .time = 255 };
	struct pad_message m;
	char path[96];
	uint16_t ports[PAD_KNOCKS];
	uint32_t left;
	struct fault f;
	uint8_t *copy = NULL;
	size_t copy_len;
	snprintf(path, sizeof(path), "%s/pad", b->folder);
	assert_int_equal(file_read(path, FILE_SECRET, 10000, &copy, &copy_len, &f), 0);
	snprintf(path, sizeof(path), "%s/pad.client", b->folder);
	assert_int_equal(pad_take(path, &m, &left, &f), 0);
	pad_write(&m, &w, 2000, ports);
	assert_int_equal(knock(b, ports, PAD_KNOCKS), 1);
	assert_true(b->wishes[0].is_close);
	remember(b, &b->wishes[0]);
	assert_int_equal(knock(b, ports, PAD_KNOCKS), 0);
	/* As after kill -9 before the claim came to the store: used up all the same. */
	classic_free(b->classic);
	assert_int_equal(start(b), 0);
	assert_int_equal(knock(b, ports, PAD_KNOCKS), 0);
	assert_int_equal(ignored(b, "pad-tag"), 1);
	/* A copy of the pad from before, put in its place. */
	classic_free(b->classic);
	snprintf(path, sizeof(path), "%s/pad", b->folder);
	assert_int_equal(file_write(path, copy, copy_len, 0600, false, &f), 0);
	free(copy);
	assert_int_equal(start(b), 0);
	assert_int_equal(store_expire(b->store, b->wall + 1000ull * 86400 * 365, 1), 0);
	assert_int_equal(knock(b, ports, PAD_KNOCKS), 0);
	assert_int_equal(ignored(b, "pad-replay"), 1);
}

static size_t tag(struct bench *b, uint32_t number, uint8_t service, bool is_observed)
{
	struct tagged g = {
		.hash = TAGGED_SHA256, .base = 40000, .service_count = 2, .observed = true
	};
	struct tagged_wish w = {
		.slot = 7, .tag = number, .service = service, .is_observed = is_observed
	};
	uint16_t ports[TAGGED_KNOCKS];
	assert_true(tagged_write(
		&g, b->boot.classic->doors[0].tagged->slot[7].key, &w, &b->seen.src, ports));
	return knock(b, ports, TAGGED_KNOCKS);
}

static void test_tagged(void **state)
{
	struct bench *b = *state;
	uint32_t now = (uint32_t)(b->wall / 1000);
	assert_int_equal(tag(b, now, 0, true), 1);
	assert_int_equal(judge(b, 0), JUDGE_OPEN);
	remember(b, &b->wishes[0]);
	assert_int_equal(tag(b, now, 0, true), 0);
	assert_int_equal(tag(b, now - 1, 0, true), 0);
	assert_int_equal(ignored(b, "tagged-replay"), 2);
	assert_int_equal(tag(b, now + 31, 0, true), 0);
	b->mono += TAGGED_LIFE_MS;
	assert_int_equal(tag(b, now + 30, 1, true), 1);
	assert_int_equal(judge(b, 0), JUDGE_RECORD);
	assert_string_equal(b->judged->reason, "bind");
	assert_int_equal(tag(b, now + 30, 1, false), 1);
	assert_int_equal(judge(b, 0), JUDGE_OPEN);
	assert_int_equal(tag(b, now + 30, TAGGED_SERVICE_CLOSE, true), 1);
	assert_int_equal(judge(b, 0), JUDGE_CLOSE);
	assert_true(b->judged->is_all);
}

static struct fwknop_message asks(const char *address, uint16_t port)
{
	struct fwknop_message m = { .type = FWKNOP_TYPE_ACCESS,
		.time_s = (uint32_t)(PEOPLE_WALL / 1000),
		.user = "ann",
		.access_count = 1,
		.accesses = { { IPPROTO_TCP, port } } };
	assert_true(addr_parse(address, &m.address));
	if (strcmp(address, "0.0.0.0") == 0)
		m.address = (struct addr){ { 0 } };
	return m;
}

static size_t send_text(
	struct bench *b, const struct fwknop_message *m, uint8_t proto, uint16_t port)
{
	static struct fwknop_text text;
	struct fwknop_dice dice = { .digest = CONFIG_HMAC_SHA256 };
	randombytes_buf(dice.random, sizeof(dice.random));
	randombytes_buf(dice.salt, sizeof(dice.salt));
	assert_true(fwknop_write(b->boot.classic->doors[0].fwknop[0], m, &dice, &text));
	return see(b, proto, port, span_of(text.text, text.len));
}

static void test_fwknop(void **state)
{
	static const struct {
		const char *name, *address;
		uint16_t port;
		enum fwknop_type type;
		const char *host;
		uint16_t nat;
		enum judge_outcome want;
		const char *reason;
	} cases[] = {
		{ "open", "192.0.2.7", 22, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_OPEN, "grant" },
		{ "the source", "0.0.0.0", 22, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_OPEN, "grant" },
		{ "bound", "192.0.2.7", 2201, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_OPEN, "grant" },
		{ "not bound", "0.0.0.0", 2201, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_RECORD, "bind" },
		{ "for another", "192.0.2.9", 22, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_OPEN, "grant" },
		{ "for many", "224.0.0.1", 22, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_RECORD, "address" },
		{ "nothing there", "192.0.2.7", 23, FWKNOP_TYPE_ACCESS, "", 0, JUDGE_RECORD,
			"unknown-service" },
		{ "NAT", "192.0.2.7", 81, FWKNOP_TYPE_NAT, "10.0.0.9", 80, JUDGE_OPEN, "grant" },
		{ "to another host", "192.0.2.7", 81, FWKNOP_TYPE_NAT, "10.0.0.8", 80, JUDGE_RECORD,
			"not-offered" },
		{ "to a name", "192.0.2.7", 81, FWKNOP_TYPE_NAT, "inner", 80, JUDGE_RECORD,
			"not-offered" },
		{ "to itself", "192.0.2.7", 22, FWKNOP_TYPE_LOCAL_NAT, "127.0.0.1", 22, JUDGE_OPEN,
			"grant" },
		{ "to another port", "192.0.2.7", 22, FWKNOP_TYPE_LOCAL_NAT, "127.0.0.1", 25,
			JUDGE_RECORD, "not-offered" },
	};
	struct bench *b = *state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct fwknop_message m = asks(cases[i].address, cases[i].port);
		m.type = cases[i].type;
		snprintf(m.nat_host, sizeof(m.nat_host), "%s", cases[i].host);
		m.nat_port = cases[i].nat;
		TEST_CASE(cases[i].name, send_text(b, &m, IPPROTO_UDP, 62201) == 1);
		TEST_CASE(cases[i].name, classic_owns(b->classic, &b->seen));
		TEST_CASE(cases[i].name, judge(b, 0) == cases[i].want);
		TEST_CASE(cases[i].name, strcmp(b->judged->reason, cases[i].reason) == 0);
	}
	struct fwknop_message m = asks("192.0.2.7", 22);
	assert_int_equal(send_text(b, &m, IPPROTO_TCP, 8080), 1);
	assert_int_equal(send_text(b, &m, IPPROTO_ICMP, 0x0800), 1);
	struct judge_wish first = b->wishes[0];
	remember(b, &first);
	assert_int_equal(see(b, IPPROTO_ICMP, 0x0800, b->seen.payload), 0);
	assert_int_equal(ignored(b, "fwknop-replay"), 1);
	/* Ports of one service are one wish, those of two are two. */
	m.access_count = 3;
	m.accesses[1] = (struct fwknop_access){ IPPROTO_TCP, 2201 };
	m.accesses[2] = (struct fwknop_access){ IPPROTO_TCP, 2202 };
	assert_int_equal(send_text(b, &m, IPPROTO_UDP, 62201), 2);
	assert_memory_not_equal(
		b->wishes[0].replay_key, b->wishes[1].replay_key, STORE_REPLAY_KEY_LEN);
	/* Many texts of one source, all at once. */
	b->mono += AGAIN_MS * 60;
	for (size_t i = 0; i < 40; i++) {
		b->mono -= 100;
		(void)send_text(b, &m, IPPROTO_UDP, 62201);
	}
	assert_true(ignored(b, "fwknop-rate") > 0);
}

/* A datagram of our own is left to itself. */
static void test_shared_port(void **state)
{
	struct bench *b = *state;
	uint8_t other[320] = { 1 };
	struct sighting s = b->seen;
	s.proto = IPPROTO_UDP;
	s.dst_port = 62201;
	s.payload = SPAN_OF(other);
	assert_false(classic_owns(b->classic, &s));
	s.dst_port = 62202;
	assert_true(classic_owns(b->classic, &s));
}

static void test_who(void **state)
{
	struct bench *b = *state;
	struct judge_wish w = { .scheme = "sequence",
		.service = &b->boot.config->services[0],
		.replay_until_ms = b->wall };
	struct name nobody;
	assert_int_equal(name_parse("Nobody/VSD", false, &nobody), NAME_OK);
	w.name = &nobody;
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_RECORD);
	assert_string_equal(b->judged->reason, "key-check");
	assert_true(b->judged->is_silent);

	const struct directory_entry *ann = directory_at(b->boot.directory, 0);
	struct lockout *l = lockout_new();
	uint8_t folded[NAME_FOLDED_MAX];
	w.name = &ann->name;
	w.entry = ann;
	b->judge.lockout = l;
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_OPEN);
	assert_memory_equal(b->judged->claim.key_id, ann->key_id, 32);
	assert_true(lockout_put(l, folded, name_fold(&ann->name, folded)));
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_RECORD);
	assert_string_equal(b->judged->reason, "locked");
	b->judge.lockout = NULL;
	lockout_free(l);
	/* No sequence of ports touches a token. */
	struct directory_entry token = *ann;
	token.key = DIRECTORY_SK_ED25519;
	w.entry = &token;
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_RECORD);
	assert_string_equal(b->judged->reason, "token");
	w.entry = ann;
	/* Nobody is told when there are too many: it is not even a line. */
	enum judge_outcome o = JUDGE_OPEN;
	for (size_t i = 0; i < 1001 && o == JUDGE_OPEN; i++)
		o = judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged);
	assert_int_equal(o, JUDGE_IGNORE);
	assert_string_equal(judge_drop_name(b->judged->drop), "identity-rate");
	/* What works once is used up all the same. */
	w.is_once = true;
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_RECORD);
	assert_int_equal(b->judged->drop, JUDGE_DROP_IDENTITY_RATE);
	w.is_once = false;
	/* Which takes nothing from what he does in another way, nor from a knock with his key. */
	snprintf(w.scheme, sizeof(w.scheme), "fwknop");
	assert_int_equal(
		judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged), JUDGE_OPEN);
	assert_true(limiter_take(b->judge.identity, ann->key_id, b->mono));
	w.entry = NULL;
	o = JUDGE_RECORD;
	for (size_t i = 0; i < 1001 && o == JUDGE_RECORD; i++)
		o = judge_wish(&b->judge, &b->seen, &w, b->wall, b->mono, b->judged);
	assert_int_equal(o, JUDGE_IGNORE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sequences, setup, teardown),
		cmocka_unit_test_setup_teardown(test_seen_twice, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lines_files, setup, teardown),
		cmocka_unit_test_setup_teardown(test_structured, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cipher, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pad, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tagged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fwknop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
