/*
 * What a knock costs the table of tracks, and who survives a flood: "track" prints knocks a second for
 * one source and for a million spoofed ones, and how many of 100 sequences of eight knocks are still whole
 * at their end while packets with spoofed sources hit their first port. The flood's clock is simulated,
 * so its figures do not depend on the machine; the seed is random.
 */

#include "knock/track.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define SOURCES 4096 /* the default of a door */
#define SPOOFED 1000000u
#define ONE_SOURCE 10000000u
#define MAX_AGE 10000
#define PEOPLE 100
#define STEPS 8
#define FIRST_PORT 7000

static struct track_table *make_table(void)
{
	uint8_t seed[16];
	randombytes_buf(seed, sizeof(seed));
	struct track_table *t = track_table_new(SOURCES, seed);
	if (t == NULL)
		bench_die("no memory");
	return t;
}

/* Millions of them: a generator of our own, begun at random. */
static struct addr random_source(void)
{
	static uint64_t state;
	if (state == 0)
		randombytes_buf(&state, sizeof(state));
	state = state * 6364136223846793005u + 1442695040888963407u;
	const uint32_t r = (uint32_t)(state >> 32);
	return addr_v4((const uint8_t[4]){
		(uint8_t)(r >> 24), (uint8_t)(r >> 16), (uint8_t)(r >> 8), (uint8_t)r });
}

/* A knock with a source port and sequence number of its own. */
static struct track *knock(
	struct track_table *t, const struct addr *from, uint16_t port, uint64_t now_ms)
{
	static uint32_t serial;
	serial++;
	const struct track_knock k = {
		.source = *from,
		.proto = IPPROTO_TCP,
		.port = port,
		.src_port = (uint16_t)serial,
		.has_seq = true,
		.seq = serial,
	};
	return track_note(t, &k, now_ms, MAX_AGE);
}

static double per_second(uint64_t count, uint64_t began_ns)
{
	return (double)count * BENCH_S / (double)(bench_now_ns() - began_ns);
}

/* ------------------------------------------------------------------ knocks a second */

static void measure_one(void)
{
	struct track_table *t = make_table();
	const struct addr from = random_source();
	uint64_t began = bench_now_ns();
	for (uint32_t i = 0; i < ONE_SOURCE; i++)
		knock(t, &from, FIRST_PORT, i >> 10);
	printf("one_source=%.0f ", per_second(ONE_SOURCE, began));
	track_table_free(t);
}

/* Round after round, so that the memory is met as it is in a long flood; the last round counts. */
static void measure_spoofed(unsigned packets, const char *name)
{
	struct track_table *t = make_table();
	struct addr *from = bench_new(SPOOFED, sizeof(*from));
	double rate = 0;
	for (uint64_t round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < SPOOFED; i++)
			from[i] = random_source();
		uint64_t began = bench_now_ns();
		for (uint32_t i = 0; i < SPOOFED; i++)
			for (unsigned j = 0; j < packets; j++)
				knock(t, &from[i], FIRST_PORT, 1000 + round * 1000);
		rate = per_second((uint64_t)SPOOFED * packets, began);
	}
	printf("%s=%.0f ", name, rate);
	free(from);
	track_table_free(t);
}

/* ------------------------------------------------------------------ survival */

struct person {
	struct addr from;
	uint64_t next_ms;
	uint16_t steps;
	bool is_whole;
};

/* The marks at the end are all eight, in order. */
static bool is_complete(const struct track *t)
{
	if (t == NULL || t->count != STEPS)
		return false;
	for (uint16_t i = 0; i < STEPS; i++)
		if (t->marks[i].port != FIRST_PORT + i)
			return false;
	return true;
}

static void step(struct track_table *t, struct person *p, uint64_t now_ms, uint64_t pause_ms)
{
	struct track *track = knock(t, &p->from, (uint16_t)(FIRST_PORT + p->steps), now_ms);
	p->is_whole = ++p->steps == STEPS && is_complete(track);
	p->next_ms = now_ms + pause_ms;
}

/* Everybody begins within the same second of a flood that has been going on for one. */
static unsigned survive(uint32_t flood_per_ms, unsigned packets, uint64_t pause_ms)
{
	static struct person people[PEOPLE];
	struct track_table *t = make_table();
	const uint64_t end_ms = 3000 + STEPS * pause_ms;
	unsigned whole = 0;
	for (uint32_t i = 0; i < PEOPLE; i++)
		people[i] = (struct person){ .from = random_source(), .next_ms = 2000 + i * 10 };
	for (uint64_t now = 1000; now < end_ms; now++) {
		for (uint32_t i = 0; i < flood_per_ms / packets; i++) {
			const struct addr from = random_source();
			for (unsigned j = 0; j < packets; j++)
				knock(t, &from, FIRST_PORT, now);
		}
		for (uint32_t i = 0; i < PEOPLE; i++)
			if (people[i].steps < STEPS && people[i].next_ms == now)
				step(t, &people[i], now, pause_ms);
	}
	for (uint32_t i = 0; i < PEOPLE; i++)
		whole += people[i].is_whole;
	track_table_free(t);
	return whole;
}

static void measure_survival(unsigned packets)
{
	static const uint32_t floods[] = { 100, 1000 }; /* a millisecond */
	static const uint64_t pauses[] = { 50, 500 };
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++)
			printf("survive_%uk_%ums_by_%u=%u ", floods[i], (unsigned)pauses[j],
				packets, survive(floods[i], packets, pauses[j]));
}

int main(void)
{
	if (sodium_init() < 0)
		bench_die("no randomness");
	measure_one();
	measure_spoofed(1, "spoofed_once");
	measure_spoofed(2, "spoofed_twice");
	fflush(stdout);
	measure_survival(1);
	measure_survival(2);
	putchar('\n');
	return 0;
}
