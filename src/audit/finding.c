/*
 * From facts to findings: every check of every table is asked, and a profile says how much its answer counts.
 * Invariant: a check that cannot know says nothing.
 */

#include "audit/finding.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "audit/finding_internal.h"

#define MORE_LEN 24 /* " and 512 more" */

const char *audit_severity_name(enum audit_severity s)
{
	static const char *const names[AUDIT_SEVERITY_COUNT] = { "off", "info", "low", "medium",
		"high", "critical" };
	return s < AUDIT_SEVERITY_COUNT ? names[s] : "unknown";
}

bool audit_severity_parse(const char *name, enum audit_severity *ret)
{
	for (int s = 0; s < AUDIT_SEVERITY_COUNT; s++) {
		if (strcmp(audit_severity_name((enum audit_severity)s), name) == 0) {
			*ret = (enum audit_severity)s;
			return true;
		}
	}
	return false;
}

void audit_list_add(struct audit_list *l, const char *word)
{
	size_t need = strlen(word) + (l->len > 0 ? 2 : 0);
	if (l->left_out > 0 || l->len + need + MORE_LEN > AUDIT_DETAIL_MAX) {
		l->left_out++;
		return;
	}
	l->len += (size_t)snprintf(
		l->to + l->len, AUDIT_DETAIL_MAX - l->len, "%s%s", l->len > 0 ? ", " : "", word);
}

bool audit_list_end(struct audit_list *l)
{
	if (l->left_out > 0)
		snprintf(l->to + l->len, AUDIT_DETAIL_MAX - l->len, " and %zu more", l->left_out);
	return l->len > 0;
}

bool audit_detail(char to[AUDIT_DETAIL_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(to, AUDIT_DETAIL_MAX, fmt, ap);
	va_end(ap);
	return true;
}

bool audit_offers(const struct audit_facts *f, enum audit_version v)
{
	return f->protocols[v].offered == AUDIT_YES;
}

bool audit_is_refusing_all(const struct audit_facts *f)
{
	bool is_one_offered = false;
	for (int v = 0; v < AUDIT_VERSION_COUNT; v++)
		is_one_offered = is_one_offered || audit_offers(f, (enum audit_version)v);
	return f->end == AUDIT_END_COMPLETE && !is_one_offered &&
		f->protocols[AUDIT_TLS12].offered == AUDIT_NO &&
		f->protocols[AUDIT_TLS13].offered == AUDIT_NO;
}

const char *audit_host_text(const struct audit_target *t, char to[AUDIT_HOST_MAX + 1])
{
	char address[ADDR_TEXT_MAX];
	snprintf(to, AUDIT_HOST_MAX + 1, "%s",
		t->host[0] != '\0' ? t->host : addr_format(&t->addr, address));
	return to;
}

struct table {
	const struct audit_row *rows;
	size_t count;
};

#define TABLES 4

static struct table table_at(size_t i)
{
	struct table tables[TABLES] = {
		{ audit_suite_rows, audit_suite_row_count },
		{ audit_key_rows, audit_key_row_count },
		{ audit_cert_rows, audit_cert_row_count },
		{ audit_end_rows, audit_end_row_count },
	};
	return tables[i];
}

/* The i-th check of gateways; NULL behind the last. */
static const struct audit_row *row_at(size_t i)
{
	for (size_t k = 0; k < TABLES; k++) {
		struct table t = table_at(k);
		if (i < t.count)
			return &t.rows[i];
		i -= t.count;
	}
	return NULL;
}

static size_t row_count(void)
{
	size_t n = 0;
	for (size_t k = 0; k < TABLES; k++)
		n += table_at(k).count;
	return n;
}

size_t audit_check_count(void)
{
	return row_count() + audit_domain_row_count;
}

const struct audit_check *audit_check_at(size_t i)
{
	const struct audit_row *row = row_at(i);
	if (row != NULL)
		return &row->check;
	i -= row_count();
	return i < audit_domain_row_count ? &audit_domain_rows[i].check : NULL;
}

size_t audit_check_find(const char *id)
{
	for (size_t i = 0; i < audit_check_count(); i++)
		if (strcmp(audit_check_at(i)->id, id) == 0)
			return i;
	return AUDIT_FINDINGS_MAX;
}

static int by_severity(const void *a, const void *b)
{
	const struct audit_finding *x = a, *y = b;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return strcmp(x->id, y->id);
}

static void add(
	struct audit_findings *to, const struct audit_profile *p, size_t check, const char *detail)
{
	struct audit_finding *f = &to->items[to->count];
	enum audit_severity s = audit_profile_severity(p, check);
	if (s == AUDIT_OFF || to->count == AUDIT_FINDINGS_MAX)
		return;
	*f = (struct audit_finding){ .id = audit_check_at(check)->id,
		.severity = s,
		.advice = audit_profile_advice(p, check) };
	snprintf(f->detail, sizeof(f->detail), "%s", detail);
	to->count++;
}

void audit_find_at(const struct audit_profile *p, const struct audit_facts *f,
	const struct audit_others *others, int64_t now_s, struct audit_findings *ret)
{
	struct context c = { .profile = p,
		.facts = f,
		.others = others->facts,
		.other_count = others->count,
		.now_s = now_s };
	size_t count = row_count();
	ret->count = 0;
	ret->profile = p->name;
	if (f->chain_count > 0)
		audit_cert_read(
			span_of(f->chains[0].certs[0].der, f->chains[0].certs[0].len), &c.leaf);
	for (size_t i = 0; i < count; i++) {
		const struct audit_row *row = row_at(i);
		char detail[AUDIT_DETAIL_MAX] = "";
		if (row->find(&c, detail, row->how))
			add(ret, p, i, detail);
	}
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_severity);
}

void audit_find(const struct audit_profile *p, const struct audit_facts *f,
	const struct audit_facts *const *others, size_t other_count, struct audit_findings *ret)
{
	struct audit_others o = { others, other_count };
	audit_find_at(p, f, &o, (int64_t)time(NULL), ret);
}

void audit_find_domain(
	const struct audit_profile *p, const struct audit_domain *d, struct audit_findings *ret)
{
	size_t first = row_count();
	ret->count = 0;
	ret->profile = p->name;
	for (size_t i = 0; i < audit_domain_row_count; i++) {
		char detail[AUDIT_DETAIL_MAX] = "";
		if (audit_domain_rows[i].find(d, detail))
			add(ret, p, first + i, detail);
	}
	qsort(ret->items, ret->count, sizeof(ret->items[0]), by_severity);
}

enum audit_severity audit_findings_worst(const struct audit_findings *f)
{
	return f->count > 0 ? f->items[0].severity : AUDIT_OFF;
}
