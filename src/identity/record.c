/*
 * What signed records of people have in common: a name, and a signature that says in its first bytes
 * what it is one of. Invariant: no two kinds of record share a label, so none passes for another.
 */

#include <assert.h>
#include <sodium.h>
#include <string.h>

#include "identity/internal.h"
#include "identity/name.h"

static struct writer signed_bytes(const char *label, struct span body, uint8_t *to)
{
	struct writer w = writer_init(to, RECORD_SIGNED_MAX);
	writer_put(&w, label, strlen(label) + 1);
	writer_put(&w, body.data, body.len);
	return w;
}

void record_sign(const char *label, struct span body, const uint8_t sk[64], uint8_t ret[64])
{
	uint8_t bytes[RECORD_SIGNED_MAX];
	struct writer w = signed_bytes(label, body, bytes);
	assert(!w.is_full);
	crypto_sign_detached(ret, NULL, bytes, w.len, sk);
}

bool record_verify(
	const char *label, struct span body, const uint8_t pk[32], const uint8_t signature[64])
{
	uint8_t bytes[RECORD_SIGNED_MAX];
	struct writer w = signed_bytes(label, body, bytes);
	return !w.is_full && crypto_sign_verify_detached(signature, bytes, w.len, pk) == 0;
}

static bool is_name(const char *text)
{
	struct name n;
	return name_parse(text, false, &n) == NAME_OK || name_parse(text, true, &n) == NAME_OK;
}

bool record_take_name(struct reader *r, char ret[IDFILE_NAME_MAX + 1])
{
	struct span name = reader_take(r, reader_u16(r));
	if (name.len == 0 || name.len > IDFILE_NAME_MAX || memchr(name.data, 0, name.len) != NULL)
		return false;
	memcpy(ret, name.data, name.len);
	ret[name.len] = '\0';
	return is_name(ret);
}

bool record_put_name(struct writer *w, const char name[IDFILE_NAME_MAX + 1])
{
	size_t len = strnlen(name, IDFILE_NAME_MAX + 1);
	if (len > IDFILE_NAME_MAX || !is_name(name))
		return false;
	writer_u16(w, (uint16_t)len);
	writer_put(w, name, len);
	return true;
}
