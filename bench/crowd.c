/* Directories for benchmarks. The same count gives the same text, whoever asks. */

#include "crowd.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "bench.h"
#include "identity/directory.h"
#include "knock/spa.h"

static void make_entry(unsigned long i, struct directory_entry *e)
{
	char name[64];
	*e = (struct directory_entry){
		.kind = DIRECTORY_USER,
		.key = DIRECTORY_ED25519,
		.is_certified_equivalent = true,
		.expires_ms = UINT64_C(1858550400000),
	};
	snprintf(name, sizeof(name), "Jane Doe %lu/Sales %lu/East/VSD", i, i % 97);
	if (name_parse(name, false, &e->name) != NAME_OK)
		bench_die("%s: not a name", name);
	crypto_generichash(e->pk, sizeof(e->pk), (const uint8_t *)name, strlen(name), NULL, 0);
	spa_key_id(e->pk, e->key_id);
}

char *crowd_text(unsigned long count, size_t *ret_len)
{
	char *text = bench_new(count, CROWD_LINE_MAX);
	size_t len = 0;
	for (unsigned long i = 0; i < count; i++) {
		struct directory_entry e;
		make_entry(i, &e);
		size_t n = directory_line_format(&e, "benchmark", text + len, CROWD_LINE_MAX);
		if (n == 0)
			bench_die("person %lu does not make a directory line", i);
		len += n;
	}
	*ret_len = len;
	return text;
}
