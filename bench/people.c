/*
 * Many identities at once for the flood: directory lines on standard output, secret seeds (32 bytes each,
 * in the same order) into a file. They come without ID files, so that nobody waits for password hashing.
 */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "bench.h"
#include "identity/directory.h"
#include "knock/spa.h"

static void print_person(unsigned long i, const uint8_t pk[32])
{
	struct directory_entry e = {
		.kind = DIRECTORY_USER,
		.key = DIRECTORY_ED25519,
		.is_certified_equivalent = true,
		.expires_ms = UINT64_MAX,
	};
	char name[64], line[DIRECTORY_LINE_MAX];
	snprintf(name, sizeof(name), "Bench %lu/VSD", i);
	if (name_parse(name, false, &e.name) != NAME_OK)
		bench_die("%s: not a name", name);
	memcpy(e.pk, pk, sizeof(e.pk));
	spa_key_id(pk, e.key_id);
	if (directory_line_format(&e, "benchmark", line, sizeof(line)) == 0)
		bench_die("%s: does not make a directory line", name);
	fputs(line, stdout);
}

int main(int argc, char **argv)
{
	struct fault f;
	if (argc != 3 || sodium_init() < 0)
		bench_die("usage: people COUNT SEED-FILE");
	unsigned long n = bench_number(argv[1], 1, 65536);
	uint8_t *seeds = bench_new(n, crypto_sign_SEEDBYTES);
	for (unsigned long i = 0; i < n; i++) {
		uint8_t *seed = seeds + i * crypto_sign_SEEDBYTES;
		uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
		randombytes_buf(seed, crypto_sign_SEEDBYTES);
		crypto_sign_seed_keypair(pk, sk, seed);
		sodium_memzero(sk, sizeof(sk));
		print_person(i, pk);
	}
	if (file_write(argv[2], seeds, n * crypto_sign_SEEDBYTES, 0600, true, &f) < 0)
		bench_die("%s", f.text);
	sodium_memzero(seeds, n * crypto_sign_SEEDBYTES);
	free(seeds);
	return 0;
}
