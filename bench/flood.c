/*
 * Grants per second: many identities, each knock from an address of its own, all of them built before
 * the clock starts. A window of unanswered knocks is kept full, so the server is never without work and
 * never beyond its queue. A grant counts when its sealed answer opens and says OK, which the server sends
 * after the claim was on disk and the gate in the kernel.
 */

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "knock/prekey.h"
#include "knock/spa.h"

#define LOST_NS BENCH_S /* unanswered for so long: lost, its place in the window is free again */

struct person {
	uint8_t key_id[SPA_KEY_ID_LEN];
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
};

struct knock {
	uint8_t datagram[SPA_LARGE_LEN];
	size_t len;
	struct hpke_context context;
	uint64_t sent_ns;
	bool is_answered;
};

struct flood {
	int fd;
	struct sockaddr_in to;
	struct spa_target target;
	uint8_t cookie_secret[SPA_SID_LEN];
	const char *service;
	uint64_t instance;
	struct person *people;
	size_t person_count;
	struct knock *knocks;
	uint32_t first, count, window;
	uint64_t limit_ns;
	uint32_t sent, waiting, oldest; /* oldest: the first that may still be waiting */
	uint32_t statuses[SPA_STATUS_COUNT], lost;
};

static void load_card(struct flood *f, const char *path)
{
	struct card *card = bench_new(1, sizeof(*card));
	struct fault fault;
	size_t len = 0;
	uint8_t *text = bench_read(path, &len);
	if (card_parse(span_of(text, len), card, &fault) < 0)
		bench_die("%s: %s", path, fault.text);
	const struct prekey *k = card_prekey(card, clock_wall_ms());
	if (k == NULL)
		bench_die("%s: no prekey", path);
	spa_key_id(card->identity_pk, f->target.sid);
	f->target.prekey_id = k->id;
	memcpy(f->target.prekey, k->pk, sizeof(f->target.prekey));
	memcpy(f->cookie_secret, card->has_stealth ? card->stealth : f->target.sid, SPA_SID_LEN);
	f->target.cookie_secret = SPAN_OF(f->cookie_secret);
	free(text);
	free(card);
}

static void load_people(struct flood *f, const char *path)
{
	size_t len = 0;
	uint8_t *seeds = bench_read(path, &len);
	uint8_t pk[crypto_sign_PUBLICKEYBYTES];
	f->person_count = len / crypto_sign_SEEDBYTES;
	if (f->person_count == 0)
		bench_die("%s: nobody", path);
	f->people = bench_new(f->person_count, sizeof(f->people[0]));
	for (size_t i = 0; i < f->person_count; i++) {
		crypto_sign_seed_keypair(pk, f->people[i].sk, seeds + i * crypto_sign_SEEDBYTES);
		spa_key_id(pk, f->people[i].key_id);
	}
	sodium_memzero(seeds, len);
	free(seeds);
}

static void build(struct flood *f, struct knock *k, enum spa_op op, const struct person *p)
{
	struct hpke_secret eph;
	uint64_t now = clock_wall_ms();
	struct spa_request r = {
		.op = op,
		.time_ms = now,
		.instance = f->instance,
		.prefix_bits = 128,
		.selector_type = SPA_SELECT_NAME,
		.selector = span_of(f->service, strlen(f->service)),
		.identity_type = SPA_ID_KEY,
		.identity = SPAN_OF(p->key_id),
		.signature_type = SPA_SIG_ED25519,
	};
	randombytes_buf(r.nonce, sizeof(r.nonce));
	randombytes_buf(eph.b, sizeof(eph.b));
	k->len = spa_request_build(&f->target, &r, p->sk, &eph, now, k->datagram, &k->context);
	sodium_memzero(&eph, sizeof(eph));
	if (k->len == 0)
		bench_die("a knock does not fit its format");
}

static bool open_answer(const struct knock *k, struct span answer, struct spa_reply *ret)
{
	return spa_reply_open(answer, k->datagram + SPA_HEADER_LEN - HPKE_KEY_LEN, k->datagram[2],
		       &k->context, ret) == SPA_OK;
}

/* A probe's answer, granted or "try again with this", names the server's instance. */
static void learn_instance(struct flood *f)
{
	struct knock k = { 0 };
	uint8_t buffer[SPA_LARGE_LEN];
	struct spa_reply reply;
	uint32_t source = f->first + f->count, from;
	build(f, &k, SPA_PROBE, &f->people[0]);
	if (!bench_send(f->fd, source, &f->to, k.datagram, k.len))
		bench_die("sending: %s", strerror(errno));
	uint64_t end = bench_now_ns() + 3 * BENCH_S;
	while (bench_now_ns() < end) {
		poll(&(struct pollfd){ f->fd, POLLIN, 0 }, 1, 100);
		ssize_t n = bench_receive(f->fd, buffer, sizeof(buffer), &from);
		if (n > 0 && open_answer(&k, span_of(buffer, (size_t)n), &reply)) {
			f->instance = reply.instance;
			return;
		}
	}
	bench_die("the server does not answer a probe");
}

static void take_answers(struct flood *f)
{
	uint8_t buffer[SPA_LARGE_LEN];
	struct spa_reply reply;
	uint32_t from;
	ssize_t n;
	while ((n = bench_receive(f->fd, buffer, sizeof(buffer), &from)) >= 0) {
		uint32_t i = from - f->first;
		if (from == UINT32_MAX || i >= f->sent || f->knocks[i].is_answered ||
			!open_answer(&f->knocks[i], span_of(buffer, (size_t)n), &reply))
			continue;
		f->knocks[i].is_answered = true;
		f->waiting--;
		f->statuses[reply.status]++;
	}
}

static void give_up(struct flood *f, uint64_t now)
{
	for (; f->oldest < f->sent; f->oldest++) {
		struct knock *k = &f->knocks[f->oldest];
		if (!k->is_answered && now - k->sent_ns < LOST_NS)
			return;
		if (!k->is_answered) {
			k->is_answered = true;
			f->waiting--;
			f->lost++;
		}
	}
}

/* Keeps the window full until the time or the knocks are over; returns the time it took. */
static uint64_t flood_run(struct flood *f)
{
	uint64_t began = bench_now_ns(), now = began;
	while (now - began < f->limit_ns && f->sent < f->count) {
		while (f->waiting < f->window && f->sent < f->count) {
			struct knock *k = &f->knocks[f->sent];
			k->sent_ns = bench_now_ns();
			if (!bench_send(f->fd, f->first + f->sent, &f->to, k->datagram, k->len))
				bench_die("sending: %s", strerror(errno));
			f->sent++;
			f->waiting++;
		}
		poll(&(struct pollfd){ f->fd, POLLIN, 0 }, 1, 10);
		take_answers(f);
		now = bench_now_ns();
		give_up(f, now);
	}
	return now - began;
}

static void report(const struct flood *f, uint64_t took_ns)
{
	uint32_t refused = 0;
	for (size_t i = 1; i < SPA_STATUS_COUNT; i++)
		refused += f->statuses[i];
	printf("granted=%u refused=%u lost=%u took_us=%llu\n", f->statuses[SPA_STATUS_OK], refused,
		f->lost, (unsigned long long)(took_ns / 1000));
}

static const char usage[] =
	"usage: flood [-n KNOCKS] [-w WINDOW] [-l LIMIT-MS] [-f FIRST] SERVER PORT CARD SEEDS SERVICE";

int main(int argc, char **argv)
{
	struct flood f = { .count = 10000, .window = 64, .limit_ns = 5 * BENCH_S };
	int c;
	while ((c = getopt(argc, argv, "n:w:l:f:")) != -1) {
		uint32_t v = (uint32_t)bench_number(optarg != NULL ? optarg : "", 0, 1000000);
		switch (c) {
		case 'n':
			f.count = v;
			break;
		case 'w':
			f.window = v;
			break;
		case 'l':
			f.limit_ns = v * BENCH_MS;
			break;
		case 'f':
			f.first = v;
			break;
		default:
			bench_die("%s", usage);
		}
	}
	if (argc - optind != 5 || f.count == 0 || f.first + f.count >= BENCH_GARBAGE_FIRST ||
		sodium_init() < 0)
		bench_die("%s", usage);
	char **a = argv + optind;
	f.to = bench_address(a[0], (uint16_t)bench_number(a[1], 1, 65535));
	f.service = a[4];
	f.fd = bench_udp();
	load_card(&f, a[2]);
	load_people(&f, a[3]);
	learn_instance(&f);
	f.knocks = bench_new(f.count, sizeof(f.knocks[0]));
	for (uint32_t i = 0; i < f.count; i++)
		build(&f, &f.knocks[i], SPA_OPEN, &f.people[i % f.person_count]);
	report(&f, flood_run(&f));
	sodium_memzero(f.people, f.person_count * sizeof(f.people[0]));
	free(f.people);
	free(f.knocks);
	close(f.fd);
	return 0;
}
