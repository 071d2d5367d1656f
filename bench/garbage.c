/*
 * Garbage at an even rate from 256 addresses. Each kind is what a sender of that knowledge can do: nothing
 * known (random bytes), the format known (right shape), the server card known (right cookie, but no knock
 * inside the seal).
 */

#include <errno.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "bench.h"
#include "knock/prekey.h"
#include "knock/spa.h"

#define PACKETS 1024u /* different ones; the same again is as wrong as before */
#define TEXT_LEN 204u /* an fwknop packet for one port, with HMAC */
#define TICK_NS BENCH_MS

struct packets {
	uint8_t bytes[PACKETS][SPA_SMALL_LEN];
	size_t len; /* 0: SYNs */
};

static void make_random(struct packets *p)
{
	p->len = SPA_SMALL_LEN;
	randombytes_buf(p->bytes, sizeof(p->bytes));
	/* Not by chance the type of a knock. */
	for (uint32_t i = 0; i < PACKETS; i++)
		p->bytes[i][0] |= 0x80;
}

static void make_text(struct packets *p)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				       "0123456789+/";
	p->len = TEXT_LEN;
	randombytes_buf(p->bytes, sizeof(p->bytes));
	for (uint32_t i = 0; i < PACKETS; i++)
		for (size_t j = 0; j < TEXT_LEN; j++)
			p->bytes[i][j] = (uint8_t)alphabet[p->bytes[i][j] & 63];
}

static void set_header(uint8_t *to, uint64_t wall_ms, uint8_t prekey_id)
{
	struct writer w = writer_init(to, 8);
	writer_u8(&w, SPA_TYPE_REQUEST);
	writer_u8(&w, spa_epoch_hint(wall_ms / 1000 / SPA_EPOCH_S));
	writer_u8(&w, SPA_SUITE);
	writer_u8(&w, prekey_id);
	writer_u16(&w, SPA_SMALL_LEN);
	writer_u16(&w, 0);
	memset(to + 16, 0, 16); /* retry token */
}

static void make_shape(struct packets *p)
{
	make_random(p);
	for (uint32_t i = 0; i < PACKETS; i++)
		set_header(p->bytes[i], clock_wall_ms(), 0);
}

static void make_card(struct packets *p, const char *path)
{
	static struct card card;
	struct fault f;
	struct spa_cookie_keys keys = { 0 };
	uint8_t sid[SPA_SID_LEN];
	size_t len = 0;
	uint8_t *text = bench_read(path, &len);
	if (card_parse(span_of(text, len), &card, &f) < 0)
		bench_die("%s: %s", path, f.text);
	free(text);
	const struct prekey *k = card_prekey(&card, clock_wall_ms());
	if (k == NULL)
		bench_die("%s: no prekey", path);
	spa_key_id(card.identity_pk, sid);
	spa_cookie_keys_update(
		&keys, card.has_stealth ? SPAN_OF(card.stealth) : SPAN_OF(sid), clock_wall_ms());
	make_random(p);
	for (uint32_t i = 0; i < PACKETS; i++) {
		struct writer w = writer_init(p->bytes[i] + 8, 8);
		set_header(p->bytes[i], keys.epoch * SPA_EPOCH_S * 1000, k->id);
		writer_u64(&w, spa_cookie(keys.key[2], SPAN_OF(p->bytes[i])));
	}
}

static void send_one(const struct packets *p, int fd, const struct sockaddr_in *to, uint32_t i)
{
	uint32_t source = BENCH_GARBAGE_FIRST + i % (BENCH_SOURCES - BENCH_GARBAGE_FIRST);
	bool ok = p->len == 0 ? bench_send_syn(fd, source, to, (uint16_t)(1024 + i % 60000))
			      : bench_send(fd, source, to, p->bytes[i % PACKETS], p->len);
	if (!ok && errno != EAGAIN && errno != ENOBUFS)
		bench_die("sending: %s", strerror(errno));
}

static const char usage[] =
	"usage: garbage [-n COUNT] [-r PER-SECOND] SERVER PORT random|shape|card CARD|text|syn";

int main(int argc, char **argv)
{
	static struct packets p;
	unsigned long count = 1000, rate = 1000;
	int c;
	while ((c = getopt(argc, argv, "n:r:")) != -1) {
		unsigned long v = bench_number(optarg != NULL ? optarg : "", 1, 100000000);
		if (c == 'n')
			count = v;
		else if (c == 'r')
			rate = v;
		else
			bench_die("%s", usage);
	}
	if (argc - optind < 3 || sodium_init() < 0)
		bench_die("%s", usage);
	char **a = argv + optind;
	const char *kind = a[2];
	struct sockaddr_in to = bench_address(a[0], (uint16_t)bench_number(a[1], 1, 65535));
	if (strcmp(kind, "random") == 0)
		make_random(&p);
	else if (strcmp(kind, "text") == 0)
		make_text(&p);
	else if (strcmp(kind, "shape") == 0)
		make_shape(&p);
	else if (strcmp(kind, "card") == 0 && argc - optind == 4)
		make_card(&p, a[3]);
	else if (strcmp(kind, "syn") != 0)
		bench_die("%s", usage);
	int fd = p.len == 0 ? bench_raw() : bench_udp();

	uint64_t began = bench_now_ns();
	unsigned long sent = 0;
	for (uint64_t tick = 1; sent < count; tick++) {
		unsigned long due = (unsigned long)(tick * TICK_NS * rate / BENCH_S);
		for (; sent < due && sent < count; sent++)
			send_one(&p, fd, &to, (uint32_t)sent);
		bench_sleep_until(began + tick * TICK_NS);
	}
	printf("sent=%lu took_us=%llu\n", sent,
		(unsigned long long)(bench_now_ns() - began) / 1000);
	close(fd);
	return 0;
}
