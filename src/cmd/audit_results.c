/*
 * What an audit has found so far. Invariant: a gateway is judged once everything is known that others say about
 * it, except where lines are written as they come.
 */

#include "cmd/audit_results.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"

static struct audit_profile *load(const char *name)
{
	struct fault f;
	struct audit_profile *p = audit_profile_load(name, &f);
	if (p == NULL)
		say_trouble("%s", f.text);
	return p;
}

int audit_results_init(struct audit_results *r, const struct audit_args *args)
{
	char why[256];
	*r = (struct audit_results){ .args = args };
	r->mail = load(args->profile != NULL ? args->profile : "mail");
	if (r->mail == NULL)
		return -1;
	r->web = args->profile != NULL ? r->mail : load("web");
	if (r->web == NULL)
		return -1;
	r->anchors = audit_anchors_new(args->ca, why);
	if (r->anchors == NULL) {
		say_trouble("%s", why);
		return -1;
	}
	return 0;
}

void audit_results_deinit(struct audit_results *r)
{
	for (size_t i = 0; i < r->count; i++) {
		free(r->kept[i].dane);
		free(r->kept[i].findings);
		audit_facts_free(r->kept[i].facts);
	}
	free(r->kept);
	for (size_t i = 0; i < r->domain_count; i++) {
		free(r->domains[i]);
		free(r->domain_findings[i]);
	}
	free(r->domains);
	free(r->domain_findings);
	audit_anchors_free(r->anchors);
	if (r->web != r->mail)
		audit_profile_free(r->web);
	audit_profile_free(r->mail);
}

static bool is_same(const struct audit_target *a, const struct audit_target *b)
{
	return addr_equal(&a->addr, &b->addr) && a->port == b->port && a->starttls == b->starttls &&
		strcmp(a->host, b->host) == 0 && strcmp(a->domain, b->domain) == 0;
}

static struct audit_kept *find(struct audit_results *r, const struct audit_target *t)
{
	for (size_t i = 0; i < r->count; i++)
		if (is_same(&r->kept[i].target, t))
			return &r->kept[i];
	return NULL;
}

static bool keep_target(struct audit_results *r, size_t order, const struct audit_target *t,
	const struct audit_dane *dane)
{
	if (find(r, t) != NULL)
		return true;
	if (r->count == r->cap) {
		size_t cap = r->cap == 0 ? 16 : 2 * r->cap;
		struct audit_kept *more = reallocarray(r->kept, cap, sizeof(*more));
		if (more == NULL)
			return false;
		r->kept = more;
		r->cap = cap;
	}
	struct audit_kept k = { .order = order, .target = *t };
	if (dane != NULL && (dane->count > 0 || dane->is_secure != AUDIT_UNKNOWN)) {
		k.dane = malloc(sizeof(*k.dane));
		if (k.dane == NULL)
			return false;
		*k.dane = *dane;
	}
	r->kept[r->count++] = k;
	return true;
}

static bool keep_domain(struct audit_results *r, const struct audit_domain *d)
{
	for (size_t i = 0; i < r->domain_count; i++)
		if (strcmp(r->domains[i]->name, d->name) == 0)
			return true;
	if (r->domain_count == r->domain_cap) {
		size_t cap = r->domain_cap == 0 ? 16 : 2 * r->domain_cap;
		struct audit_domain **more =
			reallocarray(r->domains, cap, sizeof(struct audit_domain *));
		if (more == NULL)
			return false;
		r->domains = more;
		struct audit_findings **findings =
			reallocarray(r->domain_findings, cap, sizeof(struct audit_findings *));
		if (findings == NULL)
			return false;
		r->domain_findings = findings;
		r->domain_cap = cap;
	}
	struct audit_domain *copy = malloc(sizeof(*copy));
	struct audit_findings *f = calloc(1, sizeof(*f));
	if (copy == NULL || f == NULL) {
		free(copy);
		free(f);
		return false;
	}
	*copy = *d;
	audit_find_domain(r->mail, copy, f);
	r->domains[r->domain_count] = copy;
	r->domain_findings[r->domain_count++] = f;
	return true;
}

bool audit_results_resolved(struct audit_results *r, size_t order, const struct audit_resolved *in)
{
	if (in->domain != NULL && !keep_domain(r, in->domain))
		return false;
	for (size_t i = 0; i < in->target_count; i++)
		if (!keep_target(r, order, &in->targets[i], in->dane != NULL ? &in->dane[i] : NULL))
			return false;
	return true;
}

static const struct audit_profile *profile_of(
	const struct audit_results *r, const struct audit_target *t)
{
	return t->starttls != AUDIT_DIRECT || t->domain[0] != '\0' ? r->mail : r->web;
}

/* Those beside it with which it may share a key. */
static void judge(struct audit_results *r, struct audit_kept *k)
{
	const struct audit_facts **others = calloc(r->count + 1, sizeof(*others));
	size_t n = 0;
	free(k->findings);
	k->findings = calloc(1, sizeof(*k->findings));
	if (k->findings == NULL || others == NULL) {
		r->is_short = true;
		free(others);
		return;
	}
	for (size_t i = 0; i < r->count; i++)
		if (r->kept[i].facts != NULL && &r->kept[i] != k)
			others[n++] = r->kept[i].facts;
	audit_find(profile_of(r, &k->target), k->facts, others, n, k->findings);
	free(others);
	/* Few of the many that there could be: the rest of the room is not kept for each gateway. */
	size_t used = offsetof(struct audit_findings, items) +
		k->findings->count * sizeof(k->findings->items[0]);
	struct audit_findings *shrunk = realloc(k->findings, used);
	k->findings = shrunk != NULL ? shrunk : k->findings;
}

static void write_line(json_t *o)
{
	if (o == NULL || json_dumpf(o, stdout, JSON_COMPACT) < 0)
		say_trouble("no memory for a line of the report");
	else
		fputc('\n', stdout);
	fflush(stdout);
	json_decref(o);
}

void audit_results_gateway(struct audit_results *r, struct audit_facts *f)
{
	struct audit_kept *k = find(r, &f->target);
	if (k == NULL || k->facts != NULL) {
		audit_facts_free(f);
		return;
	}
	k->facts = f;
	if (k->dane != NULL)
		f->dane = *k->dane;
	if (f->chain_count > 0) {
		audit_verify(f, r->anchors, (int64_t)(clock_wall_ms() / 1000));
		audit_dane_match(f);
	}
	if (r->args->form != AUDIT_FORM_JSONL)
		return;
	judge(r, k);
	struct audit_entry e = { k->facts, k->findings };
	if (k->findings != NULL)
		write_line(audit_json_gateway(&e));
}

static int compare(const void *left, const void *right)
{
	const struct audit_kept *a = left, *b = right;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	if (a->target.preference != b->target.preference)
		return a->target.preference < b->target.preference ? -1 : 1;
	int by_name = strcmp(a->target.host, b->target.host);
	return by_name != 0 ? by_name
			    : memcmp(a->target.addr.b, b->target.addr.b, sizeof(a->target.addr.b));
}

/* -- writing ---------------------------------------------------------------------------------------- */

static void write_text(const struct audit_results *r, const struct audit_report *report)
{
	struct audit_text_options o = { .is_classic = r->args->is_classic,
		.has_colour = isatty(STDOUT_FILENO) && getenv("NO_COLOR") == NULL };
	for (size_t i = 0; i < report->domain_count; i++)
		audit_text_domain(stdout, &report->domains[i], &o);
	for (size_t i = 0; i < report->entry_count; i++)
		audit_text_gateway(stdout, &report->entries[i], &o);
	audit_text_summary(stdout, report, &o);
}

static int write_json(const struct audit_report *report)
{
	int rc = audit_json_write(stdout, report) ? EXIT_DONE : EXIT_LOCAL;
	if (rc != EXIT_DONE)
		say_trouble("standard output: the report could not be written");
	fputc('\n', stdout);
	return rc;
}

static int write_html(const char *path, const struct audit_report *report)
{
	struct fault f;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int rc = -1;
	if (out != NULL) {
		audit_html(out, report);
		rc = fclose(out);
	}
	fault_set(&f, "%s: no memory for the page", path);
	if (rc == 0)
		rc = file_write(path, text, len, 0644, false, &f);
	free(text);
	if (rc == 0)
		return EXIT_DONE;
	say_trouble("%s", f.text);
	return EXIT_LOCAL;
}

static int write_changes(const char *path, FILE *out, const struct audit_report *report)
{
	struct fault f;
	int rc = EXIT_LOCAL;
	json_t *before = audit_json_load(path, &f), *now = NULL;
	if (before == NULL) {
		say_trouble("%s", f.text);
		return rc;
	}
	now = audit_json(report);
	if (now != NULL) {
		if (audit_compare(out, before, now) == 0)
			fprintf(out, "nothing has changed since %s\n", path);
		rc = EXIT_DONE;
	}
	json_decref(before);
	json_decref(now);
	return rc;
}

static int write_form(struct audit_results *r, const struct audit_report *report)
{
	switch (r->args->form) {
	case AUDIT_FORM_TEXT:
		write_text(r, report);
		break;
	case AUDIT_FORM_JSON:
		return write_json(report);
	case AUDIT_FORM_JSONL:
		for (size_t i = 0; i < report->domain_count; i++)
			write_line(audit_json_domain(&report->domains[i]));
		break;
	case AUDIT_FORM_CSV:
		audit_csv_header(stdout);
		for (size_t i = 0; i < report->entry_count; i++)
			audit_csv_gateway(stdout, &report->entries[i]);
		break;
	}
	return EXIT_DONE;
}

static int write_all(struct audit_results *r, const struct audit_report *report)
{
	int rc = write_form(r, report);
	if (rc == EXIT_DONE && r->args->html != NULL)
		rc = write_html(r->args->html, report);
	if (rc == EXIT_DONE && r->args->compare != NULL)
		rc = write_changes(r->args->compare,
			r->args->form == AUDIT_FORM_TEXT ? stdout : stderr, report);
	return rc;
}

/* The names of the profiles that judged, and what is to be known of them. */
static void name_profiles(const struct audit_results *r, struct audit_report *report, char to[160])
{
	bool has_mail = report->domain_count > 0, has_web = false;
	for (size_t i = 0; i < r->count; i++) {
		bool is_mail = profile_of(r, &r->kept[i].target) == r->mail;
		has_mail = has_mail || is_mail;
		has_web = has_web || !is_mail;
	}
	if (has_mail && has_web && r->mail != r->web)
		snprintf(
			to, 160, "%s, %s", audit_profile_name(r->mail), audit_profile_name(r->web));
	else
		snprintf(to, 160, "%s", audit_profile_name(has_web ? r->web : r->mail));
	const char *note = audit_profile_note(has_web && !has_mail ? r->web : r->mail);
	report->profile = to;
	report->note = note[0] != '\0' ? note : NULL;
}

static bool did_answer(const struct audit_facts *f)
{
	return f->end != AUDIT_END_NONE && f->end != AUDIT_END_NO_CONNECT &&
		f->end != AUDIT_END_MUTE;
}

int audit_results_write(struct audit_results *r)
{
	struct audit_entry *entries = calloc(r->count + 1, sizeof(*entries));
	struct audit_domain_entry *domains = calloc(r->domain_count + 1, sizeof(*domains));
	struct audit_report report = { .entries = entries,
		.domains = domains,
		.is_incomplete = r->is_incomplete,
		.at_s = (int64_t)(clock_wall_ms() / 1000) };
	char profiles[160];
	bool is_answered = false;
	int rc = EXIT_LOCAL;
	if (entries == NULL || domains == NULL)
		goto out;
	if (r->count > 0)
		qsort(r->kept, r->count, sizeof(*r->kept), compare);
	for (size_t i = 0; i < r->count; i++) {
		struct audit_kept *k = &r->kept[i];
		if (k->facts == NULL)
			continue;
		judge(r, k);
		is_answered = is_answered || did_answer(k->facts);
		if (k->findings != NULL)
			entries[report.entry_count++] =
				(struct audit_entry){ k->facts, k->findings };
	}
	for (size_t i = 0; i < r->domain_count; i++)
		domains[report.domain_count++] =
			(struct audit_domain_entry){ r->domains[i], r->domain_findings[i] };
	name_profiles(r, &report, profiles);
	rc = write_all(r, &report);
	if (rc != EXIT_DONE)
		goto out;
	if (r->args->fail_on != AUDIT_OFF && audit_report_worst(&report) >= r->args->fail_on)
		rc = EXIT_REFUSED;
	else if (!is_answered && (report.domain_count == 0 || r->unresolved > 0))
		rc = EXIT_SILENT;
out:
	if (r->is_short || entries == NULL || domains == NULL) {
		say_trouble("no memory: the report is not whole");
		rc = EXIT_LOCAL;
	}
	free(entries);
	free(domains);
	return rc;
}
