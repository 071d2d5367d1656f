/*
 * Enciphered sequences, with a passphrase or a pad. Invariant: a message of a pad is overwritten on disk
 * before it is used; the passphrase is wiped.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/scheme.h"
#include "knock/cipher.h"
#include "knock/pad.h"

#define PASSPHRASE_FILE_MAX 4096

static void put(const uint16_t *ports, size_t count, struct scheme_plan *ret)
{
	_Static_assert(CIPHER_PORTS_MAX <= SCHEME_KNOCKS_MAX, "every sequence fits");
	for (size_t i = 0; i < count; i++)
		ret->knocks[ret->count++] = (struct sequence_step){ ports[i], IPPROTO_TCP };
}

static uint8_t time_of(const struct knock_classic *c)
{
	return c->is_close ? CIPHER_TIME_CLOSE : (uint8_t)c->minutes;
}

static int take_pad(const struct knock_args *a, const struct addr *allow, struct scheme_plan *ret,
	struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	struct pad_message m;
	uint16_t ports[PAD_KNOCKS];
	uint32_t left;
	struct pad_wish wish = {
		.address = *allow,
		.port = a->service_port,
		.time = time_of(c),
	};
	int rc = pad_take(c->pad, &m, &left, f);
	if (rc < 0)
		return rc;
	pad_write(&m, &wish, c->port_first, ports);
	sodium_memzero(&m, sizeof(m));
	put(ports, PAD_KNOCKS, ret);
	ret->left = left;
	ret->has_left = true;
	return 0;
}

/* The first line is the passphrase; more than it, or none, is not meant. */
static int read_passphrase(
	const char *path, uint8_t **ret, size_t *ret_cap, struct span *ret_phrase, struct fault *f)
{
	int rc = file_read(path, FILE_SECRET, PASSPHRASE_FILE_MAX, ret, ret_cap, f);
	if (rc < 0)
		return rc;
	const uint8_t *end = *ret_cap > 0 ? memchr(*ret, '\n', *ret_cap) : NULL;
	size_t len = end != NULL ? (size_t)(end - *ret) : *ret_cap;
	bool is_alone = len + 1 >= *ret_cap;
	if (end != NULL && len > 0 && (*ret)[len - 1] == '\r')
		len--;
	*ret_phrase = span_of(*ret, len);
	if (len > 0 && is_alone)
		return 0;
	fault_set(f, "%s: not a passphrase; write it as the only line", path);
	return -EINVAL;
}

static int encipher(struct cipher *cipher, const struct knock_args *a, const struct addr *allow,
	struct scheme_plan *ret, struct fault *f)
{
	uint16_t ports[CIPHER_PORTS_MAX];
	uint8_t iv[CIPHER_IV_LEN];
	size_t count = 0;
	struct cipher_wish wish = {
		.address = *allow,
		.port = a->service_port,
		.time = time_of(&a->classic),
	};
	randombytes_buf(iv, sizeof(iv));
	int rc = cipher_write(cipher, &wish, iv, ports, &count);
	if (rc == 0)
		put(ports, count, ret);
	else if (rc == -EINVAL)
		fault_set(f,
			"such a sequence can say IPv4 addresses only: use --ipv4, name one with "
			"--allow, or say --wide if the server has it too");
	else
		fault_set(f, "OpenSSL failed to encipher: %s", strerror(-rc));
	return rc;
}

int scheme_cipher(const struct knock_args *a, const struct addr *allow, struct scheme_plan *ret,
	struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	struct legacy *legacy = NULL;
	struct cipher *cipher = NULL;
	uint8_t *text = NULL;
	size_t cap = 0;
	struct cipher_how how = {
		.port_first = c->port_first,
		.wide = c->is_wide,
		.random_iv = c->is_random_iv,
		.third_party = true,
	};

	if (c->pad != NULL)
		return take_pad(a, allow, ret, f);
	memcpy(how.iv, c->iv, sizeof(how.iv));
	int rc = read_passphrase(c->key_file, &text, &cap, &how.passphrase, f);
	if (rc == 0)
		rc = legacy_open(&legacy, f);
	if (rc == 0)
		rc = cipher_new(legacy, &how, &cipher, f);
	if (rc == 0)
		rc = encipher(cipher, a, allow, ret, f);
	cipher_free(cipher);
	if (legacy != NULL)
		legacy_close(legacy);
	if (text != NULL)
		sodium_memzero(text, cap);
	free(text);
	return rc;
}
