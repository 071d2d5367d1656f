/*
 * postern id merge: what a certifier sent back goes into the ID file. Invariant: nothing is written
 * before its owner saw what changes, and agreed when it is another organisation.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/ask.h"
#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_make.h"
#include "cmd/id_open.h"
#include "cmd/id_path.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern id merge FILE CHAIN [options]\n"
	"\n"
	"Puts certificates into an ID file: the one that a certifier sent back with\n"
	"those of the certifiers above it, and cross-certificates this ID issued. A\n"
	"certificate for the next key (see postern id rollover) makes that the active\n"
	"key. All copies of the old ID file are out of date then.\n"
	"\n"
	"  --password-file F   read the password from F, line 1\n"
	"  --key-file F        open the ID with this key file (a server's)\n"
	"  --yes               take another organisation, or the first, without asking\n"
	"\n"
	"Exit codes: 0 done, 1 refused, 2 usage, 4 wrong password or trouble with a\n"
	"file; after any but 0 the ID file is as it was.\n";

enum { OPT_PASSWORD_FILE = 256, OPT_KEY_FILE, OPT_YES };

struct words {
	const char *file, *chain;
	struct id_way way;
	bool is_yes, is_help;
	uint64_t now_ms;
};

static int parse(int argc, char **argv, struct words *w)
{
	static const struct option options[] = {
		{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
		{ "key-file", required_argument, NULL, OPT_KEY_FILE },
		{ "yes", no_argument, NULL, OPT_YES },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c;
	while ((c = say_next_option("id merge", argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h')
			w->is_help = true;
		else if (c == OPT_PASSWORD_FILE)
			w->way.password_file = optarg;
		else if (c == OPT_KEY_FILE)
			w->way.key_file = optarg;
		else if (c == OPT_YES)
			w->is_yes = true;
	}
	if (w->is_help)
		return EXIT_DONE;
	if (argc - optind != 2)
		return say_usage("id merge", "two files: the ID file, and what came back");
	w->file = argv[optind];
	w->chain = argv[optind + 1];
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ what changes */

/* The organisation the ID has been below so far; NULL when it is not certified. */
static const struct cert *old_organisation(const struct id_open *o)
{
	const struct cert *own = id_open_own(o);
	for (size_t i = 0; own != NULL && i < o->cert_count; i++) {
		const struct cert *c = &o->certs[i].c;
		bool is_above = o->certs[i].is_good && name_equal(&c->subject, &c->issuer) &&
			(i == 0 || name_is_below(&own->subject, &c->subject));
		if (is_above && cert_signed_by(o->certs[i].der, c->pk))
			return c;
	}
	return NULL;
}

static void show(const struct id_open *o, const struct id_path *p)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	const struct cert *old = id_open_own(o);
	if (p->count > 0) {
		const struct cert *c = &p->certs[0].c;
		printf("name   %s", idfile_header(o->file)->name);
		if (strcmp(idfile_header(o->file)->name, name_format(&c->subject, name)) != 0)
			printf(" becomes %s", name);
		printf("\nvalid  to %.10s",
			old == NULL ? "never" : time_format_utc(old->not_after_ms, when));
		printf(" becomes %.10s\n", time_format_utc(c->not_after_ms, when));
		printf("key    %s\n",
			p->is_pending ? "the next one becomes the active one" : "stays");
	}
	for (size_t i = 0; i < p->cross_count; i++)
		printf("cross  %s, to %.10s\n", name_format(&p->cross[i].c.subject, name),
			time_format_utc(p->cross[i].c.not_after_ms, when));
}

/* The organisation there was, under the key it had or one that this key vouches for. */
static bool is_same_organisation(const struct cert *old, const struct id_path *p)
{
	if (old == NULL || !name_equal(&old->subject, &p->certs[p->top].c.subject))
		return false;
	if (memcmp(old->pk, p->certs[p->top].c.pk, sizeof(old->pk)) == 0)
		return true;
	for (size_t i = p->top + 1; i < p->count; i++)
		if (cert_signed_by(span_of(p->certs[i].der, p->certs[i].len), old->pk))
			return true;
	return false;
}

/* Who stands at the top decides whom this ID believes. */
static int agree(
	const struct words *w, const struct id_open *o, const struct id_path *p, struct fault *f)
{
	char name[NAME_TEXT_MAX], print[80];
	struct fault why;
	const struct cert *old = old_organisation(o);
	if (p->count == 0)
		return 0;
	const struct id_path_cert *top = &p->certs[p->top];
	if (is_same_organisation(old, p))
		return 0;
	printf("\n%s is below %s: %s.\nIts certificate has the fingerprint\n\n"
	       "  %.39s\n",
		w->file,
		old == NULL ? "an organisation from now on" : "another organisation from now on",
		name_format(&top->c.subject, name),
		cert_fingerprint(span_of(top->der, top->len), print));
	printf("  %s\n\nCompare it with what they tell you by another way.\n", print + 40);
	if (w->is_yes)
		return 0;
	fflush(stdout);
	int rc = ask_yes("Is that right?", &why);
	if (rc == 0)
		return 0;
	if (rc != -ENXIO) {
		fault_set(f, "%s: nothing was changed", w->file);
		return -EDOM;
	}
	fault_set(f,
		"%s: is to be below %.190s, which is new to it; compare the fingerprint, then "
		"say --yes",
		w->file, name);
	return -EDOM;
}

static int check_dates(const struct words *w, const struct id_path *p, struct fault *f)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	for (size_t i = 0; i < p->count; i++) {
		const struct cert *c = &p->certs[i].c;
		if (c->not_after_ms >= w->now_ms)
			continue;
		fault_set(f, "%s: the certificate of %.190s ended on %.10s; ask for a new one",
			w->chain, name_format(&c->subject, name),
			time_format_utc(c->not_after_ms, when));
		return -EDOM;
	}
	return 0;
}

/* ------------------------------------------------------------------ the command */

static void report(const struct words *w, const struct id_open *o, const struct id_path *p)
{
	printf("\nput into %s%s\n", w->file,
		p->is_pending ? "; copies of the old file have a key that is retired now" : "");
	if (p->count == 0)
		return;
	if (idfile_header(o->file)->kind == IDFILE_SERVER)
		id_make_print_server(w->file, p->is_pending);
	id_make_print_line(&p->certs[0].c);
}

static int merge_path(
	const struct words *w, struct id_open *o, const struct id_path *p, struct fault *f)
{
	int rc = check_dates(w, p, f);
	if (rc < 0)
		return rc;
	show(o, p);
	rc = agree(w, o, p, f);
	/* All slots are made anew for a new key, so all that opens them is needed. */
	if (rc == 0 && p->is_pending)
		rc = id_open_more(o, &w->way, f);
	return rc == 0 ? id_path_apply(o, p, w->now_ms, f) : rc;
}

static int merge(const struct words *w, struct fault *f)
{
	struct id_open *o = NULL;
	struct id_path *p = NULL;

	int rc = id_open_file(w->file, &w->way, &o, f);
	if (rc == 0)
		rc = id_path_read(w->chain, o, &p, f);
	if (rc == 0)
		rc = merge_path(w, o, p, f);
	if (rc == 0)
		report(w, o, p);
	free(p);
	id_open_free(o);
	return rc;
}

int id_merge(int argc, char **argv)
{
	struct words w = { .now_ms = clock_wall_ms() };
	struct fault f;

	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	int rc = merge(&w, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc == 0 ? EXIT_DONE : rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
}
