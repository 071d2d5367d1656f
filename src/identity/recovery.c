/*
 * The recovery block of an ID file: a secret in shares, each sealed to its authority, and the file key
 * under that secret. Invariant: neither the secret nor a share leaves this file unsealed but through
 * recovery_open_share, whose caller is the authority itself.
 */

#include "identity/recovery.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/internal.h"
#include "knock/spa.h"

#define VERSION 1
#define SIGNATURE_LEN 64
#define SHARE_SEALED_LEN (RECOVERY_SECRET_LEN + HPKE_TAG_LEN)

static const char block_label[] = "postern recovery v1";
static const char share_label[] = "postern share v1";
static const char wrap_label[] = "postern recovery wrap v1";

#define INFO_LEN (sizeof(block_label) - 1 + 32 + 3)

/* What binds a sealed share to its place. */
static void make_info(
	const uint8_t key_id[32], const struct recovery_list *l, uint8_t x, uint8_t to[INFO_LEN])
{
	struct writer w = writer_init(to, INFO_LEN);
	writer_put(&w, block_label, sizeof(block_label) - 1);
	writer_put(&w, key_id, 32);
	writer_u8(&w, l->m);
	writer_u8(&w, l->n);
	writer_u8(&w, x);
}

static void commit(const struct recovery_share *s, uint8_t ret[32])
{
	crypto_hash_sha256_state state;
	crypto_hash_sha256_init(&state);
	crypto_hash_sha256_update(&state, (const uint8_t *)share_label, sizeof(share_label) - 1);
	crypto_hash_sha256_update(&state, &s->x, 1);
	crypto_hash_sha256_update(&state, s->b, sizeof(s->b));
	crypto_hash_sha256_final(&state, ret);
	sodium_memzero(&state, sizeof(state));
}

static void wrap_key(const uint8_t secret[RECOVERY_SECRET_LEN], uint8_t ret[32])
{
	uint8_t prk[32];
	hkdf_extract(span_of(NULL, 0), span_of(secret, RECOVERY_SECRET_LEN), prk);
	hkdf_expand(prk, span_of(wrap_label, sizeof(wrap_label) - 1), ret, 32);
	sodium_memzero(prk, sizeof(prk));
}

/* ------------------------------------------------------------------ making */

/* What is known while a block is made. Secret. */
struct making {
	struct recovery_list list;
	uint8_t secret[RECOVERY_SECRET_LEN];
	uint8_t coefficients[(RECOVERY_AUTHORITIES_MAX - 1) * RECOVERY_SECRET_LEN];
	struct recovery_share shares[RECOVERY_AUTHORITIES_MAX];
};

/* False for an authority whose key is of low order. */
static bool put_share(struct writer *w, const uint8_t key_id[32], const struct recovery_list *l,
	const struct recovery_share *s)
{
	uint8_t info[INFO_LEN], commitment[32], enc[HPKE_KEY_LEN], cipher[SHARE_SEALED_LEN];
	struct hpke_secret eph;
	struct hpke_context c;
	make_info(key_id, l, s->x, info);
	randombytes_buf(eph.b, sizeof(eph.b));
	bool is_good =
		hpke_sender(l->authorities[s->x - 1].x25519, &eph, SPAN_OF(info), NULL, enc, &c);
	sodium_memzero(&eph, sizeof(eph));
	if (!is_good)
		return false;
	hpke_seal(&c, span_of(NULL, 0), SPAN_OF(s->b), cipher);
	hpke_context_wipe(&c);
	commit(s, commitment);
	writer_put(w, commitment, sizeof(commitment));
	writer_put(w, enc, sizeof(enc));
	writer_put(w, cipher, sizeof(cipher));
	return true;
}

static void put_wrapped(struct writer *w, const uint8_t key_id[32], const uint8_t secret[32],
	const struct idfile_key *key)
{
	uint8_t wrap[32], nonce[24], cipher[48];
	wrap_key(secret, wrap);
	randombytes_buf(nonce, sizeof(nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt(
		cipher, NULL, key->b, sizeof(key->b), key_id, 32, NULL, nonce, wrap);
	sodium_memzero(wrap, sizeof(wrap));
	writer_put(w, nonce, sizeof(nonce));
	writer_put(w, cipher, sizeof(cipher));
}

static size_t make_block(struct making *k, struct span list, const uint8_t key_id[32],
	const struct idfile_key *key, const uint8_t sk[64], uint8_t to[RECOVERY_LEN_MAX])
{
	struct writer w = writer_init(to, RECOVERY_LEN_MAX);
	uint8_t signature[SIGNATURE_LEN];
	randombytes_buf(k->secret, sizeof(k->secret));
	randombytes_buf(k->coefficients, sizeof(k->coefficients));
	recovery_split(k->secret, k->coefficients, k->list.m, k->list.n, k->shares);
	writer_u8(&w, VERSION);
	writer_put(&w, key_id, 32);
	writer_u16(&w, (uint16_t)list.len);
	writer_put(&w, list.data, list.len);
	for (size_t i = 0; i < k->list.n; i++)
		if (!put_share(&w, key_id, &k->list, &k->shares[i]))
			return 0;
	put_wrapped(&w, key_id, k->secret, key);
	if (w.is_full)
		return 0;
	record_sign(block_label, writer_span(&w), sk, signature);
	writer_put(&w, signature, sizeof(signature));
	return w.is_full ? 0 : w.len;
}

size_t recovery_make(struct span list, const uint8_t key_id[32], const struct idfile_key *key,
	const uint8_t sk[64], uint8_t to[RECOVERY_LEN_MAX])
{
	uint8_t own[32];
	struct fault f;
	size_t len = 0;
	struct making *k = calloc(1, sizeof(*k));
	if (k == NULL)
		return 0;
	spa_key_id(sk + 32, own);
	if (memcmp(own, key_id, sizeof(own)) == 0 && list.len <= RECOVERY_LIST_LEN_MAX &&
		recovery_list_decode(list, &k->list, &f) == 0)
		len = make_block(k, list, key_id, key, sk, to);
	sodium_memzero(k, sizeof(*k));
	free(k);
	return len;
}

/* ------------------------------------------------------------------ reading */

static int refuse(struct fault *f, const char *why)
{
	fault_set(f, "%s", why);
	return -EINVAL;
}

static int decode(struct span s, const uint8_t pk[32], struct recovery *v, struct fault *f)
{
	static const char malformed[] =
		"the recovery block is malformed; take the file from a backup";
	struct reader r = reader_init(s);
	uint8_t own[32];
	uint8_t version = reader_u8(&r);
	reader_copy(&r, v->key_id, sizeof(v->key_id));
	v->list_der = reader_take(&r, reader_u16(&r));
	if (r.is_short || version != VERSION)
		return refuse(f, malformed);
	int rc = recovery_list_decode(v->list_der, &v->list, f);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < v->list.n; i++) {
		reader_copy(&r, v->shares[i].commitment, sizeof(v->shares[i].commitment));
		reader_copy(&r, v->shares[i].enc, sizeof(v->shares[i].enc));
		reader_copy(&r, v->shares[i].cipher, sizeof(v->shares[i].cipher));
	}
	reader_copy(&r, v->nonce, sizeof(v->nonce));
	reader_copy(&r, v->wrapped, sizeof(v->wrapped));
	struct span signature = reader_take(&r, SIGNATURE_LEN);
	if (!reader_done(&r))
		return refuse(f, malformed);
	spa_key_id(pk, own);
	if (memcmp(own, v->key_id, sizeof(own)) != 0)
		return refuse(
			f, "the recovery block is of another ID; take the file from a backup");
	if (!record_verify(
		    block_label, span_slice(s, 0, s.len - SIGNATURE_LEN), pk, signature.data))
		return refuse(f,
			"the signature of the recovery block does not hold; take the file from a "
			"backup");
	return 0;
}

int recovery_decode(struct span s, const uint8_t pk[32], struct recovery *ret, struct fault *f)
{
	struct recovery *v = calloc(1, sizeof(*v));
	if (v == NULL)
		return refuse(f, "no memory for a recovery block; free some");
	int rc = decode(s, pk, v, f);
	if (rc == 0)
		*ret = *v;
	free(v);
	return rc;
}

/* ------------------------------------------------------------------ recovering */

bool recovery_share_is_good(const struct recovery *r, const struct recovery_share *s)
{
	uint8_t commitment[32];
	if (s->x == 0 || s->x > r->list.n)
		return false;
	commit(s, commitment);
	return sodium_memcmp(commitment, r->shares[s->x - 1].commitment, sizeof(commitment)) == 0;
}

static bool unseal_share(
	const struct recovery *r, const struct hpke_secret *x25519, struct recovery_share *s)
{
	uint8_t info[INFO_LEN];
	struct hpke_context c;
	make_info(r->key_id, &r->list, s->x, info);
	if (!hpke_receiver(r->shares[s->x - 1].enc, x25519, SPAN_OF(info), NULL, &c))
		return false;
	bool is_good = hpke_open(&c, span_of(NULL, 0), SPAN_OF(r->shares[s->x - 1].cipher), s->b);
	hpke_context_wipe(&c);
	return is_good && recovery_share_is_good(r, s);
}

int recovery_open_share(const struct recovery *r, const uint8_t authority_pk[32],
	const struct hpke_secret *x25519, struct recovery_share *ret, struct fault *f)
{
	struct recovery_share s = { 0 };
	uint8_t i = 0;
	while (i < r->list.n && memcmp(r->list.authorities[i].pk, authority_pk, 32) != 0)
		i++;
	if (i == r->list.n) {
		fault_set(f, "this ID is none of the %u recovery authorities of the file",
			(unsigned)r->list.n);
		return -ENOENT;
	}
	s.x = (uint8_t)(i + 1);
	bool is_good = unseal_share(r, x25519, &s);
	if (is_good)
		*ret = s;
	else
		fault_set(f,
			"the share of this authority does not open: it was sealed to another key "
			"of the authority, or damaged; use the ID file the record was made from");
	sodium_memzero(&s, sizeof(s));
	return is_good ? 0 : -EBADMSG;
}

/* Enough of them, each of this file, none twice. */
static int check_shares(const struct recovery *r, const struct recovery_share *shares, size_t count,
	struct fault *f)
{
	if (count < r->list.m || count > r->list.n) {
		fault_set(f, "there are %zu shares; between %u and %u are needed", count,
			(unsigned)r->list.m, (unsigned)r->list.n);
		return -EINVAL;
	}
	for (size_t i = 0; i < count; i++) {
		if (!recovery_share_is_good(r, &shares[i])) {
			fault_set(f, "share %zu is not of this file; ask for it again", i + 1);
			return -EINVAL;
		}
		for (size_t j = 0; j < i; j++)
			if (shares[j].x == shares[i].x) {
				fault_set(f, "shares %zu and %zu are the same one", j + 1, i + 1);
				return -EINVAL;
			}
	}
	return 0;
}

int recovery_combine(const struct recovery *r, const struct recovery_share *shares, size_t count,
	struct idfile_key *ret, struct fault *f)
{
	uint8_t secret[RECOVERY_SECRET_LEN], wrap[32];
	struct idfile_key key;
	int rc = check_shares(r, shares, count, f);
	if (rc < 0)
		return rc;
	if (!recovery_join(shares, r->list.m, secret))
		return refuse(f, "the shares do not fit together; ask for them again");
	wrap_key(secret, wrap);
	bool is_good = crypto_aead_xchacha20poly1305_ietf_decrypt(key.b, NULL, NULL, r->wrapped,
			       sizeof(r->wrapped), r->key_id, 32, r->nonce, wrap) == 0;
	if (is_good)
		*ret = key;
	else
		fault_set(f,
			"the shares do not open the recovery block; take another copy of the file");
	sodium_memzero(secret, sizeof(secret));
	sodium_memzero(wrap, sizeof(wrap));
	sodium_memzero(&key, sizeof(key));
	return is_good ? 0 : -EBADMSG;
}
