/*
 * What a directory of COUNT people costs: time to load it, memory while and after loading, and one
 * lookup by key, by name, and of a key that nobody has. Lookups go through the entries in random order,
 * so that each meets memory as cold as a stranger's knock does.
 */

#include "identity/directory.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"
#include "crowd.h"

#define LOOKUPS 1000000ul

static long resident_kib(void)
{
	long pages = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (f == NULL || fscanf(f, "%*d %ld", &pages) != 1)
		bench_die("/proc/self/statm: not as expected");
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long peak_kib(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	return u.ru_maxrss;
}

/* The entries' indices in random order, and what is asked for. */
static const struct directory_entry **make_order(const struct directory *d)
{
	size_t count = directory_count(d);
	const struct directory_entry **order = bench_new(LOOKUPS, sizeof(const void *));
	uint64_t *random = bench_new(LOOKUPS, sizeof(*random));
	randombytes_buf(random, LOOKUPS * sizeof(*random));
	for (size_t i = 0; i < LOOKUPS; i++)
		order[i] = directory_at(d, random[i] % count);
	free(random);
	return order;
}

static double find_keys(const struct directory *d, uint8_t (*ids)[32], size_t want)
{
	size_t found = 0;
	uint64_t began = bench_now_ns();
	for (size_t i = 0; i < LOOKUPS; i++)
		found += directory_find(d, ids[i]) != NULL;
	uint64_t took = bench_now_ns() - began;
	if (found != want)
		bench_die("%zu of %zu keys were found", found, want);
	return (double)took / (double)LOOKUPS;
}

static double find_names(const struct directory *d, const struct directory_entry **order)
{
	size_t count = LOOKUPS / 8; /* the names are copied out first, and are large */
	struct name *names = bench_new(count, sizeof(*names));
	for (size_t i = 0; i < count; i++)
		names[i] = order[i]->name;
	uint64_t began = bench_now_ns();
	for (size_t i = 0; i < count; i++)
		if (directory_find_name(d, &names[i]) == NULL)
			bench_die("a name was not found");
	uint64_t took = bench_now_ns() - began;
	free(names);
	return (double)took / (double)count;
}

static void measure_lookups(const struct directory *d)
{
	uint8_t(*ids)[32] = bench_new(LOOKUPS, 32);
	const struct directory_entry **order = make_order(d);
	for (size_t i = 0; i < LOOKUPS; i++)
		memcpy(ids[i], order[i]->key_id, 32);
	double hit = find_keys(d, ids, LOOKUPS);
	double name = find_names(d, order);
	randombytes_buf(ids, LOOKUPS * 32);
	double miss = find_keys(d, ids, 0);
	printf("find_ns=%.0f miss_ns=%.0f name_ns=%.0f\n", hit, miss, name);
	free(order);
	free(ids);
}

static uint64_t cpu_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	static struct directory_faults faults;
	size_t len;
	if (argc != 2 || sodium_init() < 0)
		bench_die("usage: directory COUNT");
	unsigned long count = bench_number(argv[1], 1, 2000000);
	char *made = crowd_text(count, &len);
	/* As the daemon has it: the text as long as the file, and no longer than the loading. */
	char *text = bench_new(len, 1);
	memcpy(text, made, len);
	free(made);
	long before = resident_kib();
	uint64_t began = bench_now_ns(), cpu = cpu_us();
	struct directory *d = directory_parse(span_of(text, len), &faults);
	uint64_t took = bench_now_ns() - began;
	if (d == NULL)
		bench_die("line %u: %s", faults.items[0].line, faults.items[0].text);
	printf("people=%lu text_kib=%zu load_us=%llu load_cpu_us=%llu held_kib=%ld peak_kib=%ld ",
		count, len / 1024, (unsigned long long)(took / 1000),
		(unsigned long long)(cpu_us() - cpu), resident_kib() - before, peak_kib());
	free(text);
	measure_lookups(d);
	directory_free(d);
	return 0;
}
