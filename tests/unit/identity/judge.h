#ifndef TEST_IDENTITY_JUDGE_H
#define TEST_IDENTITY_JUDGE_H

/* OpenSSL's opinion of a chain. */

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "pki.h"

struct judge {
	const struct span *anchors;
	size_t anchor_count;
	const struct span *untrusted;
	size_t untrusted_count;
	const struct span *lists; /* not NULL: every certifier's list is asked for */
	size_t list_count;
	struct span target;
	uint64_t at_ms;
	int purpose; /* X509_PURPOSE_*, 0 none */
	unsigned long less_flags;
};

static inline X509 *judge_read(struct span der)
{
	const unsigned char *at = der.data;
	X509 *x = d2i_X509(NULL, &at, (long)der.len);
	ERR_clear_error();
	return x;
}

static inline void judge_fill(const struct judge *j, X509_STORE *store, STACK_OF(X509) * untrusted)
{
	for (size_t i = 0; i < j->anchor_count; i++) {
		X509 *x = judge_read(j->anchors[i]);
		if (x == NULL || X509_STORE_add_cert(store, x) != 1)
			abort();
		X509_free(x);
	}
	for (size_t i = 0; i < j->untrusted_count; i++) {
		X509 *x = judge_read(j->untrusted[i]);
		if (x != NULL && sk_X509_push(untrusted, x) <= 0)
			abort();
	}
	for (size_t i = 0; j->lists != NULL && i < j->list_count; i++) {
		const unsigned char *at = j->lists[i].data;
		X509_CRL *x = d2i_X509_CRL(NULL, &at, (long)j->lists[i].len);
		if (x == NULL || X509_STORE_add_crl(store, x) != 1)
			abort();
		X509_CRL_free(x);
	}
}

/* X509_V_OK or why not. An anchor need not be self-signed. */
static inline int judge(const struct judge *j)
{
	X509 *target = judge_read(j->target);
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	STACK_OF(X509) *untrusted = sk_X509_new_null();
	unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_X509_STRICT;
	int result = X509_V_ERR_UNSPECIFIED;
	if (target == NULL)
		goto out;
	judge_fill(j, store, untrusted);
	if (X509_STORE_CTX_init(ctx, store, target, untrusted) != 1)
		abort();
	if (j->lists != NULL)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	X509_STORE_CTX_set_flags(ctx, flags & ~j->less_flags);
	X509_STORE_CTX_set_time(ctx, 0, (time_t)(j->at_ms / 1000));
	X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(ctx), 20);
	if (j->purpose != 0)
		X509_STORE_CTX_set_purpose(ctx, j->purpose);
	if (X509_verify_cert(ctx) == 1)
		result = X509_V_OK;
	else if (X509_STORE_CTX_get_error(ctx) != X509_V_OK)
		result = X509_STORE_CTX_get_error(ctx);
out:
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	sk_X509_pop_free(untrusted, X509_free);
	X509_free(target);
	ERR_clear_error();
	return result;
}

#endif
