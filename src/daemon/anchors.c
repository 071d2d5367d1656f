/*
 * Trust from files. Invariant: nothing is trusted here because it lies in a file; the files only bring
 * certificates and lists to identity/trust.c, which decides.
 */

#include "daemon/anchors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"
#include "identity/crl.h"

#define TRUST_FILE_MAX ((size_t)1 << 20)
#define CRL_FILE_MAX (CRL_LEN_MAX / 2 * 3)
#define WHERE_MAX 320

struct pile {
	size_t count, cap;
	struct trust_item *items;
	uint8_t **owned; /* the bytes behind each item */
	char (*where)[WHERE_MAX];
};

static bool pile_init(struct pile *p, size_t cap)
{
	p->cap = cap;
	p->items = calloc(cap, sizeof(p->items[0]));
	p->owned = calloc(cap, sizeof(p->owned[0]));
	p->where = calloc(cap, sizeof(p->where[0]));
	return p->items != NULL && p->owned != NULL && p->where != NULL;
}

static void pile_deinit(struct pile *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->owned[i]);
	free(p->items);
	free(p->owned);
	free(p->where);
}

/* One block of a file, decoded, onto the pile. */
static bool pile_add(struct pile *p, const struct config_text *file, const struct pem_block *b,
	size_t max, struct config_report *r)
{
	size_t len = 0;
	if (p->count == p->cap) {
		config_report_add(r, file,
			"%s: more than %zu in all the files together; take away "
			"what is not needed",
			file->text, p->cap);
		return false;
	}
	uint8_t *der = malloc(max);
	if (der == NULL || !pem_decode(b, der, max, &len)) {
		config_report_add(r, file,
			"%s:%u: no base64, or longer than %zu bytes; make it anew", file->text,
			b->line, max);
		free(der);
		return false;
	}
	snprintf(p->where[p->count], WHERE_MAX, "%s:%u", file->text, b->line);
	p->owned[p->count] = der;
	p->items[p->count] = (struct trust_item){ span_of(der, len), p->where[p->count] };
	p->count++;
	return true;
}

static void read_blocks(struct pile *p, const struct config_text *file, struct span text,
	const char *label, size_t max, struct config_report *r)
{
	struct pem_reader reader = pem_reader_init(text);
	struct pem_block b;
	enum pem_result result;
	size_t found = 0;
	while ((result = pem_next(&reader, &b)) == PEM_BLOCK) {
		if (strcmp(b.label, label) != 0)
			continue;
		found++;
		if (!pile_add(p, file, &b, max, r))
			return;
	}
	if (result == PEM_BAD)
		config_report_add(r, file, "%s:%u: %s; make the file anew", file->text, reader.line,
			reader.why);
	else if (found == 0)
		config_report_add(
			r, file, "%s: holds no %s; name a file that does", file->text, label);
}

static void read_files(struct pile *p, const struct config_list *files, const char *label,
	size_t file_max, size_t max, struct config_report *r)
{
	for (size_t i = 0; i < files->len; i++) {
		const struct config_text *t = &files->items[i];
		uint8_t *text = NULL;
		size_t len = 0;
		struct fault f;
		if (file_read(t->text, FILE_TRUSTED, file_max, &text, &len, &f) < 0)
			config_report_add(r, t, "%s: %s", files->at.text, f.text);
		else
			read_blocks(p, t, span_of(text, len), label, max, r);
		free(text);
	}
}

static enum trust_crl crl_policy(const struct config_server *s)
{
	switch (s->crl) {
	case CONFIG_CRL_OFF:
		return TRUST_CRL_OFF;
	case CONFIG_CRL_REQUIRE:
		return TRUST_CRL_REQUIRE;
	case CONFIG_CRL_IF_PRESENT:
		break;
	}
	return TRUST_CRL_IF_PRESENT;
}

static struct trust *build(const struct config *c, const struct anchors_own *own,
	const struct pile *certs, const struct pile *crls, struct config_report *r)
{
	struct trust_item items[IDFILE_CERTS_MAX];
	struct trust_faults *faults = calloc(1, sizeof(*faults));
	struct trust *t = NULL;
	if (faults == NULL) {
		config_report_add(r, NULL, "%s: no memory to load it", c->file);
		return NULL;
	}
	for (size_t i = 0; i < own->count; i++)
		items[i] = (struct trust_item){ span_of(own->der[i], own->len[i]), c->server.id };
	struct trust_material m = {
		.own_count = own->count,
		.own = items,
		.count = certs->count,
		.items = certs->items,
		.crl_count = crls->count,
		.crls = crls->items,
		.crl_policy = crl_policy(&c->server),
	};
	t = trust_new(&m, faults);
	for (size_t i = 0; t == NULL && i < faults->kept; i++)
		config_report_add(r, NULL, "%s", faults->items[i].text);
	if (t == NULL && faults->count == 0)
		config_report_add(r, NULL, "%s: no memory to load it", c->file);
	free(faults);
	return t;
}

struct trust *anchors_load(
	const struct config *c, const struct anchors_own *own, struct config_report *r)
{
	struct pile certs = { 0 }, crls = { 0 };
	struct trust *t = NULL;
	size_t before = r->count;
	if (!pile_init(&certs, TRUST_ITEMS_MAX) || !pile_init(&crls, TRUST_CRLS_MAX)) {
		config_report_add(r, NULL, "%s: no memory to load it", c->file);
		goto out;
	}
	read_files(&certs, &c->server.trust, "CERTIFICATE", TRUST_FILE_MAX, CERT_LEN_MAX, r);
	read_files(&crls, &c->server.crl_files, "X509 CRL", CRL_FILE_MAX, CRL_LEN_MAX, r);
	if (r->count == before)
		t = build(c, own, &certs, &crls, r);
out:
	pile_deinit(&certs);
	pile_deinit(&crls);
	return t;
}
