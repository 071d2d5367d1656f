/*
 * Recovery records, blocks and shares. The first byte says what the rest is: 0 an authority, 1 a list,
 * 2 a block, 3 a share as text; 4 to 6 the first three with their signature made anew by the keys of the
 * vectors, so that damage in front of it is not always found by it. What decodes is within its bounds,
 * refers to what was given, and encodes to the same bytes.
 */

#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "identity/recovery.h"
#include "knock/spa.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define INPUT_MAX 16384

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void keys_of(uint8_t fill, uint8_t pk[32], uint8_t sk[64])
{
	uint8_t seed[32];
	memset(seed, fill, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
}

/* Sign all but the last 64 bytes and put the signature there. */
static void sign_again(const char *label, uint8_t fill, uint8_t *body, size_t len)
{
	static uint8_t bytes[64 + INPUT_MAX];
	uint8_t pk[32], sk[64];
	size_t label_len = strlen(label) + 1;
	if (len < 64)
		return;
	keys_of(fill, pk, sk);
	memcpy(bytes, label, label_len);
	memcpy(bytes + label_len, body, len - 64);
	crypto_sign_detached(body + len - 64, NULL, bytes, label_len + len - 64, sk);
}

static void check_authority_fields(const struct recovery_authority *a)
{
	size_t n = strnlen(a->name, sizeof(a->name));
	must(n > 0 && n <= IDFILE_NAME_MAX);
}

static void check_authority(struct span s)
{
	struct recovery_authority a;
	struct fault f = { "" };
	uint8_t pk[32], sk[64], again[RECOVERY_AUTHORITY_LEN_MAX];
	if (recovery_authority_decode(s, &a, &f) != 0) {
		must(f.text[0] != '\0');
		return;
	}
	check_authority_fields(&a);
	keys_of(0x21, pk, sk);
	if (memcmp(pk, a.pk, 32) != 0)
		return;
	size_t len = recovery_authority_encode(&a, sk, again);
	/* A signature has one form, so all bytes are the same. */
	must(span_equal(span_of(again, len), s));
}

static void check_list_fields(const struct recovery_list *l)
{
	must(l->m >= 1 && l->m <= l->n && l->n <= RECOVERY_AUTHORITIES_MAX);
	for (size_t i = 0; i < l->n; i++) {
		check_authority_fields(&l->authorities[i]);
		for (size_t k = 0; k < i; k++)
			must(memcmp(l->authorities[i].pk, l->authorities[k].pk, 32) != 0);
	}
}

static void check_list(struct span s)
{
	static struct recovery_list l;
	struct fault f = { "" };
	if (recovery_list_decode(s, &l, &f) == 0)
		check_list_fields(&l);
	else
		must(f.text[0] != '\0');
}

static void check_block(struct span s)
{
	static struct recovery r;
	struct fault f = { "" };
	uint8_t pk[32], sk[64], key_id[32];
	keys_of(0x51, pk, sk);
	if (recovery_decode(s, pk, &r, &f) != 0) {
		must(f.text[0] != '\0');
		return;
	}
	check_list_fields(&r.list);
	spa_key_id(pk, key_id);
	must(memcmp(key_id, r.key_id, 32) == 0);
	must(r.list_der.data >= s.data && r.list_der.len < s.len);
	for (size_t i = 0; i < r.list.n; i++) {
		struct recovery_share share;
		struct hpke_secret x25519;
		memset(x25519.b, 0x31, sizeof(x25519.b));
		int rc = recovery_open_share(&r, r.list.authorities[i].pk, &x25519, &share, &f);
		must(rc != 0 || (share.x == i + 1 && recovery_share_is_good(&r, &share)));
	}
}

static void check_share(struct span s)
{
	struct recovery_share share, again;
	struct fault f = { "" };
	char text[RECOVERY_TEXT_MAX];
	if (recovery_share_parse(s, &share, &f) != 0) {
		must(f.text[0] != '\0');
		return;
	}
	must(share.x >= 1 && share.x <= RECOVERY_AUTHORITIES_MAX);
	recovery_share_format(&share, text);
	must(strlen(text) == RECOVERY_TEXT_MAX - 1);
	must(recovery_share_parse(span_of(text, strlen(text)), &again, &f) == 0);
	must(memcmp(&share, &again, sizeof(share)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const char *const labels[] = { "postern recovery authority v1",
		"postern recovery list v1", "postern recovery v1" };
	static const uint8_t signers[] = { 0x21, 0x41, 0x51 };
	static uint8_t body[INPUT_MAX];
	if (len < 1 || len > INPUT_MAX || data[0] > 6)
		return 0;
	unsigned what = data[0];
	memcpy(body, data + 1, len - 1);
	struct span s = span_of(body, len - 1);
	if (what >= 4) {
		what -= 4;
		sign_again(labels[what], signers[what], body, s.len);
	}
	if (what == 0)
		check_authority(s);
	else if (what == 1)
		check_list(s);
	else if (what == 2)
		check_block(s);
	else
		check_share(s);
	return 0;
}
