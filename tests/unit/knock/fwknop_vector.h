#ifndef POSTERN_TEST_FWKNOP_VECTOR_H
#define POSTERN_TEST_FWKNOP_VECTOR_H

/* tests/vectors/knock/fwknop.txt: one packet a line, eight columns, see its head. */

#include "knock/fwknop.h"
#include "test.h"

#define FWKNOP_VECTORS_MAX 64

struct fwknop_vector {
	char name[32], mode[8], hmac[16], digest[16], key[256], hmac_key[256];
	char wire[FWKNOP_TEXT_MAX + 1], plain[FWKNOP_TEXT_MAX + 1];
};

static struct fwknop_vector vectors[FWKNOP_VECTORS_MAX];
static size_t vector_count;

static inline void fwknop_vectors_load(void)
{
	char line[4096];
	FILE *f = fopen(TEST_VECTORS "/knock/fwknop.txt", "r");
	assert_non_null(f);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		struct fwknop_vector *v = &vectors[vector_count];
		if (line[0] == '#')
			continue;
		assert_true(vector_count < FWKNOP_VECTORS_MAX);
		assert_int_equal(sscanf(line, "%31s %7s %15s %15s %255s %255s %1500s %1500s",
					 v->name, v->mode, v->hmac, v->digest, v->key, v->hmac_key,
					 v->wire, v->plain),
			8);
		vector_count++;
	}
	fclose(f);
}

static inline const struct fwknop_vector *fwknop_vector(const char *name)
{
	for (size_t i = 0; i < vector_count; i++)
		if (strcmp(vectors[i].name, name) == 0)
			return &vectors[i];
	fail_msg("no vector %s", name);
	return NULL;
}

static inline enum config_hmac fwknop_hash(const char *name)
{
	static const char *const names[] = { "none", "md5", "sha1", "sha256", "sha384", "sha512",
		"sha3_256", "sha3_512" };
	size_t i = 0;
	while (i < TEST_LEN(names) && strcmp(names[i], name) != 0)
		i++;
	assert_true(i < TEST_LEN(names));
	return (enum config_hmac)i;
}

static inline enum config_aes fwknop_mode(const char *name)
{
	static const char *const names[] = { "", "ecb", "cbc", "cfb", "", "ofb", "ctr" };
	size_t i = 0;
	while (i < TEST_LEN(names) && strcmp(names[i], name) != 0)
		i++;
	assert_true(i < TEST_LEN(names));
	return (enum config_aes)i;
}

static inline uint64_t fwknop_vector_time(const struct fwknop_vector *v)
{
	const char *p = strchr(strchr(v->plain, ':') + 1, ':') + 1;
	return strtoull(p, NULL, 10);
}

static inline struct fwknop_text fwknop_text_of(const char *wire)
{
	struct fwknop_text t = { 0 };
	assert_int_equal(
		fwknop_text_take(FWKNOP_BY_UDP, span_of(wire, strlen(wire)), &t), FWKNOP_OK);
	return t;
}

/* The key of a vector; one without a MAC gets the MAC key of the first. */
static inline struct fwknop_key *fwknop_vector_key(const struct fwknop_vector *v)
{
	struct fwknop_secret secret;
	struct fault f = { "" };
	bool has_mac = strcmp(v->hmac_key, "-") != 0;
	struct fwknop_settings s = { .secret = &secret,
		.hmac = has_mac ? fwknop_hash(v->hmac) : CONFIG_HMAC_SHA256,
		.mode = fwknop_mode(v->mode),
		.max_age_s = 120 };
	assert_true(fwknop_secret_from_base64(
		v->key, has_mac ? v->hmac_key : vectors[0].hmac_key, &secret, &f));
	struct fwknop_key *k = fwknop_key_new(&s, &f);
	if (k == NULL)
		fail_msg("%s: %s", v->name, f.text);
	return k;
}

#endif
