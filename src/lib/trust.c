/*
 * Trust from an ID file and trust files. Invariant: built holds at any time exactly the items marked as
 * taken; whether one may be taken, identity/trust.c alone decides.
 */

#include "lib/trust.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "identity/crl.h"

struct item {
	uint8_t *der;
	struct trust_item item; /* borrows der and where */
	bool is_list;           /* a revocation list */
	bool is_taken;
	char where[FAULT_MAX / 2];
};

struct lib_trust {
	struct trust *built;
	size_t own_count;
	uint8_t *own_der[IDFILE_CERTS_MAX];
	struct trust_item own[IDFILE_CERTS_MAX]; /* borrows own_der and own_where */
	char own_where[IDFILE_CERTS_MAX][24];
	size_t count;
	struct item items[LIB_TRUST_ITEMS_MAX];
};

/* ------------------------------------------------------------------ building */

static void tell(const struct trust_faults *faults, struct fault *f)
{
	if (faults->kept > 0)
		*f = faults->items[0];
	else
		fault_set(f, "no memory for its certificates; close something and try again");
}

/* Of what is taken, and of more (which may be NULL). NULL with *f. */
static struct trust *build(const struct lib_trust *t, const struct item *more, struct fault *f)
{
	struct trust_item certs[LIB_TRUST_ITEMS_MAX], lists[LIB_TRUST_ITEMS_MAX];
	struct trust_material m = {
		.own_count = t->own_count,
		.own = t->own,
		.items = certs,
		.crls = lists,
		.crl_policy = TRUST_CRL_IF_PRESENT,
	};
	struct trust_faults *faults = calloc(1, sizeof(*faults));

	for (size_t i = 0; i < t->count; i++) {
		const struct item *it = &t->items[i];
		if (!it->is_taken && it != more)
			continue;
		if (it->is_list)
			lists[m.crl_count++] = it->item;
		else
			certs[m.count++] = it->item;
	}
	struct trust *built = faults != NULL ? trust_new(&m, faults) : NULL;
	if (built == NULL && faults != NULL)
		tell(faults, f);
	else if (built == NULL)
		fault_set(f, "no memory for its certificates; close something and try again");
	free(faults);
	return built;
}

static bool try_item(struct lib_trust *t, struct item *it, struct fault *f)
{
	struct trust *built = build(t, it, f);
	if (built == NULL)
		return false;
	trust_free(t->built);
	t->built = built;
	it->is_taken = true;
	return true;
}

/*
 * Take what can be taken, first of those from the given one on. One may make another good, in whatever
 * order they came; each round takes one at least.
 */
static void settle(struct lib_trust *t, size_t from)
{
	struct fault f;
	bool is_changed;
	do {
		is_changed = false;
		for (size_t i = from; i < t->count; i++)
			if (!t->items[i].is_taken && try_item(t, &t->items[i], &f))
				is_changed = true;
		from = 0;
	} while (is_changed);
}

/* ------------------------------------------------------------------ the ID's own */

static int copy_own(struct lib_trust *t, const struct idfile *file, struct fault *f)
{
	for (size_t i = 0; i < idfile_cert_count(file); i++) {
		struct span der = idfile_cert(file, i);
		uint8_t *copy = malloc(der.len + 1);
		if (copy == NULL) {
			fault_set(
				f, "no memory for its certificates; close something and try again");
			return -ENOMEM;
		}
		memcpy(copy, der.data, der.len);
		t->own_der[i] = copy;
		snprintf(t->own_where[i], sizeof(t->own_where[i]), "certificate %zu", i + 1);
		t->own[i] = (struct trust_item){ span_of(copy, der.len), t->own_where[i] };
		t->own_count++;
	}
	return 0;
}

int lib_trust_new(const struct idfile *file, struct lib_trust **ret, struct fault *f)
{
	struct lib_trust *t = calloc(1, sizeof(*t));
	if (t == NULL) {
		fault_set(f, "no memory for its certificates; close something and try again");
		return -ENOMEM;
	}
	int rc = copy_own(t, file, f);
	if (rc == 0) {
		t->built = build(t, NULL, f);
		rc = t->built != NULL ? 0 : -EINVAL;
	}
	if (rc < 0) {
		lib_trust_free(t);
		return rc;
	}
	*ret = t;
	return 0;
}

void lib_trust_free(struct lib_trust *t)
{
	if (t == NULL)
		return;
	trust_free(t->built);
	for (size_t i = 0; i < t->own_count; i++)
		free(t->own_der[i]);
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i].der);
	free(t);
}

const struct trust *lib_trust_get(const struct lib_trust *t)
{
	return t->built;
}

void lib_trust_own(const struct lib_trust *t, struct lib_certs *ret)
{
	ret->count = t->own_count;
	for (size_t i = 0; i < t->own_count; i++)
		ret->der[i] = t->own[i].der;
}

/* ------------------------------------------------------------------ trust files */

/* Why it is not what its label says; NULL: it is. */
static const char *unsound(struct span der, bool is_list)
{
	struct cert c;
	struct cert_parts parts;
	struct crl list;
	enum cert_reject r = is_list ? crl_decode(der, &list) : cert_decode(der, &c, &parts);
	return r == CERT_OK ? NULL : cert_reject_text(r);
}

static int add_block(
	struct lib_trust *t, const char *path, const struct pem_block *b, struct fault *f)
{
	struct item *it = &t->items[t->count];
	const char *why = NULL;
	size_t len = 0;

	if (strcmp(b->label, "CERTIFICATE") != 0 && strcmp(b->label, "X509 CRL") != 0) {
		fault_set(f, "%s:%u: neither a certificate nor a revocation list; take it out",
			path, b->line);
		return -EINVAL;
	}
	if (t->count == LIB_TRUST_ITEMS_MAX) {
		fault_set(f,
			"%s: more than %d certificates in all trust files; take out what is "
			"not needed",
			path, LIB_TRUST_ITEMS_MAX);
		return -EINVAL;
	}
	uint8_t *der = malloc(b->body.len + 1);
	if (der == NULL) {
		fault_set(f, "%s: no memory to read it; close something and try again", path);
		return -ENOMEM;
	}
	*it = (struct item){ .der = der, .is_list = b->label[0] == 'X' };
	snprintf(it->where, sizeof(it->where), "%s:%u", path, b->line);
	if (!pem_decode(b, der, b->body.len, &len))
		why = "it is not base64";
	else
		why = unsound(span_of(der, len), it->is_list);
	if (why != NULL) {
		fault_set(f, "%s: %s; ask for it again", it->where, why);
		free(der);
		return -EINVAL;
	}
	it->item = (struct trust_item){ span_of(der, len), it->where };
	t->count++;
	return 0;
}

static int add_blocks(struct lib_trust *t, const char *path, struct span text, struct fault *f)
{
	struct pem_reader pem = pem_reader_init(text);
	struct pem_block b;
	enum pem_result result;
	size_t before = t->count;

	while ((result = pem_next(&pem, &b)) == PEM_BLOCK) {
		int rc = add_block(t, path, &b, f);
		if (rc < 0)
			return rc;
	}
	if (result == PEM_BAD)
		fault_set(f, "%s:%u: %s; ask for the file again", path, pem.line, pem.why);
	else if (t->count == before)
		fault_set(f, "%s: holds no certificate; take it away", path);
	else
		return 0;
	return -EINVAL;
}

int lib_trust_add(struct lib_trust *t, const char *path, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0, before = t->count;
	struct fault why;

	int rc = file_read(path, FILE_TRUSTED, LIB_TRUST_FILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = add_blocks(t, path, span_of(text, len), f);
	free(text);
	if (rc < 0) {
		while (t->count > before)
			free(t->items[--t->count].der);
		return rc;
	}
	settle(t, before);
	for (size_t i = before; i < t->count; i++)
		if (!t->items[i].is_taken && !try_item(t, &t->items[i], &why)) {
			*f = why;
			rc = -ENOKEY;
		}
	return rc;
}
