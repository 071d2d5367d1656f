/*
 * What one knock costs the process that judges it, by how the sender says who he is, and what one
 * certificate costs to read. No network, store or limit: from the datagram to the outcome and no further.
 *
 * People take turns, and a cache that is smaller than their number has always forgotten the next one:
 * that is "new". The cases take turns too, so that a busy moment of the machine falls on all of them;
 * what counts of each is the median of its rounds, in CPU time.
 */

#include "daemon/judge.h"

#include <netinet/in.h>
#include <openssl/x509.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "config/internal.h"
#include "crowd.h"
#include "identity/cert_decode.h"
#include "identity/template.h"

#define WALL UINT64_C(1795000000000)
#define YEAR_MS (UINT64_C(365) * 86400000)
#define PEOPLE 8 /* who take turns: more than SMALL_CACHE holds */
#define DEPTHS 5 /* below the organisation itself, and below one to four units */
#define ROUNDS 7
#define TURNS 120 /* of one case in one round */
#define STRANGERS 512
#define SMALL_CACHE 4
#define READS 400

static const char conf[] =
	"server { id = \"/x/server.id\" id-key = \"/x/server.key\" directory = \"/x/directory\"\n"
	"  allow = {\"*/VSD\"} key-check = off }\n"
	"door wan { interface = \"eth0\" spa { udp = 62201 } }\n"
	"service ssh { port = tcp/22 allow = {\"*/VSD\"} open = once wait = 30s lease = 1h }\n";

static const char *const units[DEPTHS] = { "VSD", "East/VSD", "Sales/East/VSD",
	"Team/Sales/East/VSD", "Desk/Team/Sales/East/VSD" };

struct party {
	struct name name;
	uint8_t seed[32], pk[32], sk[64];
	size_t len;
	uint8_t der[CERT_LEN_MAX];
};

struct world {
	struct party certifiers[DEPTHS];
	struct party people[DEPTHS][PEOPLE];
	struct party server;
	struct boot boot;
	struct judge judge;
	struct chain_cache *large, *small;
	struct judge_case judged;
	struct spa_target target;
};

struct packet {
	size_t len;
	uint8_t b[SPA_LARGE_LEN];
};

/* ------------------------------------------------------------------ who there is */

static void make_party(
	struct party *p, const char *name, enum cert_kind kind, const struct party *by)
{
	struct fault f;
	randombytes_buf(p->seed, sizeof(p->seed));
	crypto_sign_seed_keypair(p->pk, p->sk, p->seed);
	if (name_parse(name, kind == CERT_CERTIFIER, &p->name) != NAME_OK)
		bench_die("%s: not a name", name);
	struct cert_order o = {
		.subject = p->name,
		.kind = kind,
		.not_before_ms = WALL - WALL % 86400000 - YEAR_MS,
		.not_after_ms = WALL - WALL % 86400000 + YEAR_MS,
		.issuer = by->name,
		.issuer_seed = by->seed,
	};
	memcpy(o.pk, p->pk, sizeof(o.pk));
	memcpy(o.issuer_pk, by->pk, sizeof(o.issuer_pk));
	if (cert_issue(&o, p->der, &p->len, &f) < 0)
		bench_die("%s: %s", name, f.text);
}

static void make_parties(struct world *w)
{
	char name[128];
	for (size_t d = 0; d < DEPTHS; d++) {
		make_party(&w->certifiers[d], units[d], CERT_CERTIFIER,
			&w->certifiers[d == 0 ? 0 : d - 1]);
		for (size_t i = 0; i < PEOPLE; i++) {
			snprintf(name, sizeof(name), "Person %zu/%s", i, units[d]);
			make_party(&w->people[d][i], name, CERT_USER, &w->certifiers[d]);
		}
	}
	make_party(&w->server, "Gate/VSD", CERT_SERVER, &w->certifiers[0]);
}

static struct trust *make_trust(const struct world *w)
{
	static struct trust_faults faults;
	const struct party *vsd = &w->certifiers[0];
	const struct trust_item own[] = { { span_of(w->server.der, w->server.len), "server.id" },
		{ span_of(vsd->der, vsd->len), "server.id" } };
	const struct trust_material m = { .own_count = 2, .own = own };
	struct trust *t = trust_new(&m, &faults);
	if (t == NULL)
		bench_die("%s", faults.items[0].text);
	return t;
}

static size_t person_line(const struct party *p, char *to, size_t cap)
{
	struct directory_entry e = { .name = p->name,
		.kind = DIRECTORY_USER,
		.key = DIRECTORY_ED25519,
		.is_certified_equivalent = true,
		.expires_ms = UINT64_MAX };
	memcpy(e.pk, p->pk, sizeof(e.pk));
	spa_key_id(p->pk, e.key_id);
	size_t n = directory_line_format(&e, NULL, to, cap);
	if (n == 0)
		bench_die("a person does not make a directory line");
	return n;
}

/* count people that nobody hears of, and those directly below the organisation. */
static struct directory *make_directory(const struct world *w, unsigned long count)
{
	static struct directory_faults faults;
	size_t len = 0;
	char *crowd = crowd_text(count, &len);
	char *text = bench_new(len + PEOPLE * CROWD_LINE_MAX, 1);
	memcpy(text, crowd, len);
	free(crowd);
	for (size_t i = 0; i < PEOPLE; i++)
		len += person_line(&w->people[0][i], text + len, CROWD_LINE_MAX);
	struct directory *d = directory_parse(span_of(text, len), &faults);
	if (d == NULL)
		bench_die("line %u: %s", faults.items[0].line, faults.items[0].text);
	free(text);
	return d;
}

static struct server_keys *make_keys(const struct party *server)
{
	struct server_keys *k = bench_new(1, sizeof(*k));
	memcpy(k->pk, server->pk, sizeof(k->pk));
	memcpy(k->sk, server->sk, sizeof(k->sk));
	spa_key_id(k->pk, k->sid);
	memcpy(k->cookie_secret, k->sid, sizeof(k->cookie_secret));
	randombytes_buf(k->fallback.sk.b, sizeof(k->fallback.sk.b));
	k->fallback.record = (struct prekey){ .id = 0, .not_after_ms = UINT64_MAX };
	hpke_public_key(&k->fallback.sk, k->fallback.record.pk);
	prekey_sign(&k->fallback.record, k->sk);
	return k;
}

static struct world *make_world(unsigned long count)
{
	struct world *w = bench_new(1, sizeof(*w));
	struct config_report r = { 0 };
	uint8_t seed[16];
	make_parties(w);
	w->boot.config = config_parse_text("postern.conf", span_of(conf, sizeof(conf) - 1), &r);
	if (w->boot.config == NULL)
		bench_die("%s", r.lines[0]);
	w->boot.directory = make_directory(w, count);
	w->boot.policy = policy_new(w->boot.config, w->boot.directory, &r);
	w->boot.trust = make_trust(w);
	w->boot.keys = make_keys(&w->server);
	if (w->boot.policy == NULL || judge_init(&w->judge, &w->boot, 1) < 0)
		bench_die("no judge");
	w->judge.is_offline = true; /* no limits: they would be what is measured */
	randombytes_buf(seed, sizeof(seed));
	w->large = w->judge.identify.cache;
	w->small = chain_cache_new(SMALL_CACHE, seed);
	if (w->small == NULL)
		bench_die("no cache");
	memcpy(w->target.sid, w->boot.keys->sid, sizeof(w->target.sid));
	memcpy(w->target.prekey, w->boot.keys->fallback.record.pk, sizeof(w->target.prekey));
	w->target.cookie_secret = SPAN_OF(w->boot.keys->cookie_secret);
	return w;
}

static void free_world(struct world *w)
{
	w->judge.identify.cache = w->large;
	chain_cache_free(w->small);
	judge_deinit(&w->judge);
	keys_free(w->boot.keys);
	trust_free(w->boot.trust);
	policy_free(w->boot.policy);
	directory_free(w->boot.directory);
	config_free(w->boot.config);
	free(w);
}

/* ------------------------------------------------------------------ knocks */

static size_t make_identity(const struct world *w, size_t depth, size_t who, enum spa_identity type,
	uint8_t *to, size_t cap)
{
	const struct party *p = &w->people[depth][who];
	struct chain c = { .count = 1, .der = { span_of(p->der, p->len) } };
	for (size_t d = depth; d > 0; d--)
		c.der[c.count++] = span_of(w->certifiers[d].der, w->certifiers[d].len);
	struct writer out = writer_init(to, cap);
	switch (type) {
	case SPA_ID_KEY:
	case SPA_ID_SSH:
		spa_key_id(p->pk, to);
		return SPA_KEY_ID_LEN;
	case SPA_ID_TEMPLATE:
		return template_encode(&c, to, cap);
	case SPA_ID_CHAIN:
		break;
	}
	for (size_t i = 0; i < c.count; i++) {
		writer_u16(&out, (uint16_t)c.der[i].len);
		writer_put(&out, c.der[i].data, c.der[i].len);
	}
	return out.is_full ? 0 : out.len;
}

static void build(const struct world *w, enum spa_identity type, struct span identity,
	const uint8_t sk[64], struct packet *to)
{
	struct hpke_secret eph;
	struct hpke_context context;
	struct spa_request q = {
		.op = SPA_OPEN,
		.time_ms = WALL,
		.prefix_bits = 128,
		.selector_type = SPA_SELECT_NAME,
		.selector = span_of("ssh", 3),
		.identity_type = type,
		.identity = identity,
		.signature_type = SPA_SIG_ED25519,
	};
	randombytes_buf(q.nonce, sizeof(q.nonce));
	randombytes_buf(eph.b, sizeof(eph.b));
	to->len = spa_request_build(&w->target, &q, sk, &eph, WALL, to->b, &context);
	if (to->len == 0)
		bench_die("a knock cannot be built");
}

static void judge(struct world *w, const struct packet *p, enum judge_outcome want, unsigned drop)
{
	struct sighting s = { .proto = IPPROTO_UDP,
		.src_port = 4000,
		.dst_port = 62201,
		.payload = span_of(p->b, p->len) };
	memcpy(s.src.b + 10, (const uint8_t[]){ 255, 255, 192, 0, 2, 7 }, 6);
	memcpy(s.dst.b + 10, (const uint8_t[]){ 255, 255, 192, 0, 2, 1 }, 6);
	enum judge_outcome got = judge_sighting(&w->judge, &s, WALL, 1000000, &w->judged);
	if (got != want || (got == JUDGE_IGNORE && w->judged.drop != drop))
		bench_die("a knock was judged %d (%s), %d was expected", (int)got,
			judge_drop_name(w->judged.drop), (int)want);
	judge_case_wipe(&w->judged);
}

/* ------------------------------------------------------------------ the cases */

/* What the server remembers of the certificates: nothing, those of certifiers, all. */
enum memory { COLD, NEW, KNOWN };

/* Each under a good seal. */
enum lie {
	HONEST,
	STOLEN, /* somebody's key id or certificates, which are no secret, under another's signature */
	INVENTED, /* a certificate of the sender's own making below genuine ones, rightly signed */
};

struct kind {
	const char *name;
	size_t depth;
	enum spa_identity type;
	enum memory memory;
	enum lie lie;
};

static const struct kind kinds[] = {
	{ "key", 0, SPA_ID_KEY, NEW, HONEST },
	{ "template1_cold", 1, SPA_ID_TEMPLATE, COLD, HONEST },
	{ "template1", 1, SPA_ID_TEMPLATE, NEW, HONEST },
	{ "template1_cached", 1, SPA_ID_TEMPLATE, KNOWN, HONEST },
	{ "template2_cold", 2, SPA_ID_TEMPLATE, COLD, HONEST },
	{ "template2", 2, SPA_ID_TEMPLATE, NEW, HONEST },
	{ "template2_cached", 2, SPA_ID_TEMPLATE, KNOWN, HONEST },
	{ "template4_cold", 4, SPA_ID_TEMPLATE, COLD, HONEST },
	{ "template4", 4, SPA_ID_TEMPLATE, NEW, HONEST },
	{ "template4_cached", 4, SPA_ID_TEMPLATE, KNOWN, HONEST },
	{ "der1_cold", 1, SPA_ID_CHAIN, COLD, HONEST },
	{ "der1", 1, SPA_ID_CHAIN, NEW, HONEST },
	{ "der1_cached", 1, SPA_ID_CHAIN, KNOWN, HONEST },
	{ "stolen_key", 0, SPA_ID_KEY, NEW, STOLEN },
	{ "stolen4", 4, SPA_ID_TEMPLATE, NEW, STOLEN },
	{ "invented1", 1, SPA_ID_TEMPLATE, NEW, INVENTED },
	{ "invented4", 4, SPA_ID_TEMPLATE, NEW, INVENTED },
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static uint64_t cpu_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * BENCH_S + (uint64_t)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double median(double v[ROUNDS])
{
	qsort(v, ROUNDS, sizeof(v[0]), compare);
	return v[ROUNDS / 2];
}

/* In a template the public key and the certifier's signature come last. */
static void put_key(uint8_t *identity, size_t len, const uint8_t pk[32])
{
	memcpy(identity + len - 96, pk, 32);
}

static void make_packets(const struct world *w, const struct kind *k, struct packet to[PEOPLE])
{
	uint8_t identity[SPA_INNER_LARGE_LEN];
	for (size_t i = 0; i < PEOPLE; i++) {
		const struct party *other = &w->people[k->depth][(i + 1) % PEOPLE];
		size_t len = make_identity(w, k->depth, i, k->type, identity, sizeof(identity));
		if (k->lie == INVENTED)
			put_key(identity, len, other->pk);
		build(w, k->type, span_of(identity, len),
			k->lie == HONEST ? w->people[k->depth][i].sk : other->sk, &to[i]);
	}
}

static void judge_turns(
	struct world *w, const struct kind *k, const struct packet packets[PEOPLE], size_t turns)
{
	struct identify *known = &w->judge.identify;
	known->cache = k->memory == KNOWN ? w->large : w->small;
	for (size_t i = 0; i < turns; i++) {
		if (k->memory == COLD)
			memset(known->certifiers, 0, sizeof(known->certifiers));
		judge(w, &packets[i % PEOPLE], k->lie == HONEST ? JUDGE_OPEN : JUDGE_IGNORE,
			k->lie == STOLEN ? JUDGE_DROP_SIGNATURE : JUDGE_DROP_IDENTITY);
	}
}

static double time_kind(struct world *w, const struct kind *k, const struct packet packets[PEOPLE])
{
	judge_turns(w, k, packets, PEOPLE); /* what a cache shall know, it knows now */
	uint64_t began = cpu_ns();
	judge_turns(w, k, packets, TURNS);
	return (double)(cpu_ns() - began) / TURNS;
}

static void measure_kinds(struct world *w)
{
	static struct packet packets[KINDS][PEOPLE];
	static double took[KINDS][ROUNDS];
	for (size_t k = 0; k < KINDS; k++)
		make_packets(w, &kinds[k], packets[k]);
	for (size_t r = 0; r < ROUNDS; r++)
		for (size_t k = 0; k < KINDS; k++)
			took[k][r] = time_kind(w, &kinds[k], packets[k]);
	for (size_t k = 0; k < KINDS; k++)
		printf("%s_ns=%.0f ", kinds[k].name, median(took[k]));
}

/* ------------------------------------------------------------------ certificates alone */

static double time_strict(const struct party *p)
{
	struct cert c;
	struct cert_parts parts;
	uint64_t began = cpu_ns();
	for (size_t i = 0; i < READS; i++)
		if (cert_decode(span_of(p->der, p->len), &c, &parts) != CERT_OK)
			bench_die("a certificate is refused");
	return (double)(cpu_ns() - began) / READS;
}

static double time_openssl(const struct party *p)
{
	uint64_t began = cpu_ns();
	for (size_t i = 0; i < READS; i++) {
		const uint8_t *at = p->der;
		X509 *x = d2i_X509(NULL, &at, (long)p->len);
		if (x == NULL)
			bench_die("OpenSSL refuses a certificate");
		X509_free(x);
	}
	return (double)(cpu_ns() - began) / READS;
}

static void measure_reading(const struct world *w)
{
	const struct party *const what[] = { &w->people[1][0], &w->certifiers[1] };
	static const char *const names[] = { "leaf", "unit" };
	static double strict[2][ROUNDS], openssl[2][ROUNDS];
	for (size_t r = 0; r < ROUNDS; r++)
		for (size_t i = 0; i < 2; i++) {
			strict[i][r] = time_strict(what[i]);
			openssl[i][r] = time_openssl(what[i]);
		}
	for (size_t i = 0; i < 2; i++)
		printf("read_%s_ns=%.0f openssl_%s_ns=%.0f ", names[i], median(strict[i]), names[i],
			median(openssl[i]));
}

/* ------------------------------------------------------------------ strangers */

/* Each with a key id of his own, so that the directory is met as cold as it would be. */
static void measure_strangers(struct world *w)
{
	struct packet *packets = bench_new(STRANGERS, sizeof(*packets));
	static double took[ROUNDS];
	uint8_t identity[SPA_KEY_ID_LEN];
	for (size_t i = 0; i < STRANGERS; i++) {
		randombytes_buf(identity, sizeof(identity));
		build(w, SPA_ID_KEY, SPAN_OF(identity), w->people[0][0].sk, &packets[i]);
	}
	for (size_t r = 0; r < ROUNDS; r++) {
		uint64_t began = cpu_ns();
		for (size_t i = 0; i < STRANGERS; i++)
			judge(w, &packets[i], JUDGE_IGNORE, JUDGE_DROP_IDENTITY);
		took[r] = (double)(cpu_ns() - began) / STRANGERS;
	}
	printf("unknown_ns=%.0f", median(took));
	free(packets);
}

int main(int argc, char **argv)
{
	if (argc != 2 || sodium_init() < 0)
		bench_die("usage: judge PEOPLE-IN-DIRECTORY");
	unsigned long count = bench_number(argv[1], 1, 2000000);
	struct world *w = make_world(count);
	printf("people=%lu ", count);
	if (count == 1) {
		measure_kinds(w);
		measure_reading(w);
	}
	measure_strangers(w);
	putchar('\n');
	free_world(w);
	return 0;
}
