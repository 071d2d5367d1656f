/*
 * Any bytes, as an OpenSSH private key file and as what is inside one. What is read gives a seed that
 * is read again from what is written of it.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/keyfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check(const uint8_t seed[KEYFILE_SEED_LEN])
{
	uint8_t body[KEYFILE_SSH_LEN_MAX], again[KEYFILE_SEED_LEN];
	size_t n = keyfile_ssh_encode(seed, "fuzz", 1, body);
	if (n == 0 || keyfile_ssh_decode(span_of(body, n), again) != KEYFILE_OK ||
		memcmp(seed, again, sizeof(again)) != 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t untouched[KEYFILE_SEED_LEN] = { 1, 2, 3 };
	uint8_t seed[KEYFILE_SEED_LEN];
	struct span in = span_of(data, len);

	memcpy(seed, untouched, sizeof(seed));
	if (keyfile_ssh_decode(in, seed) == KEYFILE_OK || keyfile_ssh_read(in, seed) == KEYFILE_OK)
		check(seed);
	else if (memcmp(seed, untouched, sizeof(seed)) != 0)
		abort();
	return 0;
}
