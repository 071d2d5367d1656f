/*
 * Recovery authorities and the lists of them that certifiers sign. Invariant: what decodes was signed
 * by the keys it names, every record in a list by its own authority too; whether those keys are
 * anybody's is asked elsewhere.
 */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "identity/internal.h"
#include "identity/recovery.h"

#define VERSION 1
#define SIGNATURE_LEN 64

static const char authority_label[] = "postern recovery authority v1";
static const char list_label[] = "postern recovery list v1";

/* The public half stands behind the seed in libsodium's secret key. */
static bool is_pair(const uint8_t pk[32], const uint8_t sk[64])
{
	return sodium_memcmp(pk, sk + 32, 32) == 0;
}

/* Sign all that was written and write the signature. The length, 0 when it did not fit. */
static size_t finish(struct writer *w, const char *label, const uint8_t sk[64])
{
	uint8_t signature[SIGNATURE_LEN];
	if (w->is_full)
		return 0;
	record_sign(label, writer_span(w), sk, signature);
	writer_put(w, signature, sizeof(signature));
	return w->is_full ? 0 : w->len;
}

static int refuse(struct fault *f, const char *why)
{
	fault_set(f, "%s", why);
	return -EINVAL;
}

/* ------------------------------------------------------------------ one authority */

size_t recovery_authority_encode(const struct recovery_authority *a, const uint8_t sk[64],
	uint8_t to[RECOVERY_AUTHORITY_LEN_MAX])
{
	struct writer w = writer_init(to, RECOVERY_AUTHORITY_LEN_MAX);
	writer_u8(&w, VERSION);
	if (!is_pair(a->pk, sk) || !record_put_name(&w, a->name))
		return 0;
	writer_put(&w, a->pk, sizeof(a->pk));
	writer_put(&w, a->x25519, sizeof(a->x25519));
	writer_u64(&w, a->created_ms);
	return finish(&w, authority_label, sk);
}

int recovery_authority_decode(struct span s, struct recovery_authority *ret, struct fault *f)
{
	struct recovery_authority a = { 0 };
	struct reader r = reader_init(s);
	uint8_t version = reader_u8(&r);
	bool is_name = record_take_name(&r, a.name);
	reader_copy(&r, a.pk, sizeof(a.pk));
	reader_copy(&r, a.x25519, sizeof(a.x25519));
	a.created_ms = reader_u64(&r);
	struct span signature = reader_take(&r, SIGNATURE_LEN);
	if (!reader_done(&r) || version != VERSION || !is_name)
		return refuse(f, "the record of a recovery authority is malformed; get it again");
	if (!record_verify(
		    authority_label, span_slice(s, 0, s.len - SIGNATURE_LEN), a.pk, signature.data))
		return refuse(f,
			"the signature of a recovery authority's record does not hold; get the "
			"record again");
	*ret = a;
	return 0;
}

/* ------------------------------------------------------------------ the list */

static bool numbers_are_good(uint8_t m, uint8_t n)
{
	return m >= 1 && m <= n && n <= RECOVERY_AUTHORITIES_MAX;
}

/* The last one added has a key of its own. */
static bool is_new(const struct recovery_list *l, size_t count)
{
	for (size_t i = 0; i + 1 < count; i++)
		if (memcmp(l->authorities[i].pk, l->authorities[count - 1].pk, 32) == 0)
			return false;
	return true;
}

static bool put_records(struct writer *w, const struct span *records, size_t count)
{
	struct recovery_list *seen = calloc(1, sizeof(*seen));
	struct fault f;
	bool is_good = seen != NULL;
	for (size_t i = 0; is_good && i < count; i++) {
		is_good = recovery_authority_decode(records[i], &seen->authorities[i], &f) == 0 &&
			is_new(seen, i + 1);
		writer_u16(w, (uint16_t)records[i].len);
		writer_put(w, records[i].data, records[i].len);
	}
	free(seen);
	return is_good;
}

size_t recovery_list_encode(const struct recovery_list *l, const struct span *records,
	const uint8_t certifier_sk[64], uint8_t to[RECOVERY_LIST_LEN_MAX])
{
	struct writer w = writer_init(to, RECOVERY_LIST_LEN_MAX);
	writer_u8(&w, VERSION);
	if (!numbers_are_good(l->m, l->n) || !is_pair(l->certifier_pk, certifier_sk) ||
		!record_put_name(&w, l->certifier))
		return 0;
	writer_put(&w, l->certifier_pk, sizeof(l->certifier_pk));
	writer_u64(&w, l->created_ms);
	writer_u8(&w, l->m);
	writer_u8(&w, l->n);
	if (!put_records(&w, records, l->n))
		return 0;
	return finish(&w, list_label, certifier_sk);
}

static int take_records(struct reader *r, struct recovery_list *l, struct fault *f)
{
	for (size_t i = 0; i < l->n; i++) {
		struct span record = reader_take(r, reader_u16(r));
		int rc = recovery_authority_decode(record, &l->authorities[i], f);
		if (rc < 0)
			return rc;
		if (!is_new(l, i + 1))
			return refuse(f,
				"the list names one recovery authority twice; let the certifier "
				"make another");
	}
	return 0;
}

static int decode_list(struct span s, struct recovery_list *l, struct fault *f)
{
	static const char malformed[] =
		"the list of recovery authorities is malformed; get it again";
	struct reader r = reader_init(s);
	uint8_t version = reader_u8(&r);
	bool is_name = record_take_name(&r, l->certifier);
	reader_copy(&r, l->certifier_pk, sizeof(l->certifier_pk));
	l->created_ms = reader_u64(&r);
	l->m = reader_u8(&r);
	l->n = reader_u8(&r);
	if (r.is_short || version != VERSION || !is_name || !numbers_are_good(l->m, l->n))
		return refuse(f, malformed);
	int rc = take_records(&r, l, f);
	if (rc < 0)
		return rc;
	struct span signature = reader_take(&r, SIGNATURE_LEN);
	if (!reader_done(&r))
		return refuse(f, malformed);
	if (!record_verify(list_label, span_slice(s, 0, s.len - SIGNATURE_LEN), l->certifier_pk,
		    signature.data))
		return refuse(f,
			"the signature of the list of recovery authorities does not hold; get the "
			"list again");
	return 0;
}

int recovery_list_decode(struct span s, struct recovery_list *ret, struct fault *f)
{
	struct recovery_list *l = calloc(1, sizeof(*l));
	if (l == NULL)
		return refuse(f, "no memory for a list of recovery authorities; free some");
	int rc = decode_list(s, l, f);
	if (rc == 0)
		*ret = *l;
	free(l);
	return rc;
}
