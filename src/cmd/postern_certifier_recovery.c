/*
 * postern certifier recovery: the list of recovery authorities, signed. Invariant: every record in it
 * holds and was shown by name and key id before the certifier signs.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/id_open.h"
#include "cmd/record_file.h"
#include "cmd/say.h"
#include "identity/recovery.h"
#include "knock/spa.h"

static const char command[] = "certifier recovery";

static const char help[] =
	"usage: postern certifier recovery --certifier FILE --authority RECORD .. -m M\n"
	"\n"
	"Signs a list: who can help people of this certifier whose password is lost, and\n"
	"how many of them it takes. Each gave you a record (postern id authority);\n"
	"compare its key id with them before you hand the list out. postern id protect\n"
	"puts the list to use.\n"
	"\n"
	"  --certifier FILE     the ID file of the certifier\n"
	"  --authority RECORD   the record of one of them; say it for each, 1 to 16\n"
	"  -m, --needed M       how many are needed; fewer learn nothing\n"
	"  --i-know             one alone shall be enough\n"
	"  -o, --out OUT        the list (default: standard output)\n"
	"  --certifier-password-file F  read the certifier's password from F, line 1\n"
	"\n"
	"Exit codes: 0 done, 1 a record does not hold, 2 usage, 4 wrong password or\n"
	"trouble with a file.\n";

enum { OPT_CERTIFIER = 256, OPT_AUTHORITY, OPT_I_KNOW, OPT_CERTIFIER_PASSWORD_FILE };

static const struct option options[] = {
	{ "certifier", required_argument, NULL, OPT_CERTIFIER },
	{ "authority", required_argument, NULL, OPT_AUTHORITY },
	{ "needed", required_argument, NULL, 'm' },
	{ "i-know", no_argument, NULL, OPT_I_KNOW },
	{ "out", required_argument, NULL, 'o' },
	{ "certifier-password-file", required_argument, NULL, OPT_CERTIFIER_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct words {
	const char *certifier, *out;
	size_t count;
	const char *records[RECOVERY_AUTHORITIES_MAX];
	unsigned long m;
	bool is_sure, is_help;
	struct id_way way;
};

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_CERTIFIER:
		w->certifier = optarg;
		break;
	case OPT_AUTHORITY:
		if (w->count == RECOVERY_AUTHORITIES_MAX)
			return say_usage(command, "more than %d times --authority",
				RECOVERY_AUTHORITIES_MAX);
		w->records[w->count++] = optarg;
		break;
	case 'm':
		if (!say_parse_number(optarg, RECOVERY_AUTHORITIES_MAX, &w->m))
			return say_usage(command, "-m %s: not a number from 1 to %d", optarg,
				RECOVERY_AUTHORITIES_MAX);
		break;
	case OPT_I_KNOW:
		w->is_sure = true;
		break;
	case 'o':
		w->out = optarg;
		break;
	case OPT_CERTIFIER_PASSWORD_FILE:
		w->way.password_file = optarg;
		break;
	case 'h':
		w->is_help = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse(int argc, char **argv, struct words *w)
{
	int c;
	while ((c = say_next_option(command, argc, argv, options)) != -1) {
		int code = take_option(c, w);
		if (code != EXIT_DONE || w->is_help)
			return code;
	}
	if (argc != optind)
		return say_usage(command, "%s: put --authority before it", argv[optind]);
	if (w->certifier == NULL)
		return say_usage(command, "who signs? Say --certifier FILE");
	if (w->count == 0)
		return say_usage(command, "who are they? Say --authority RECORD for each");
	if (w->m == 0)
		return say_usage(command, "how many of them are needed? Say -m M");
	if (w->m > w->count)
		return say_usage(command, "-m %lu: there are only %zu authorities", w->m, w->count);
	if (w->m == 1 && !w->is_sure)
		return say_usage(command,
			"-m 1: one stolen ID would open all the others; take 2 or more, or say "
			"--i-know");
	return EXIT_DONE;
}

/* The list while it is put together. */
struct work {
	struct recovery_list l;
	size_t record_lens[RECOVERY_AUTHORITIES_MAX];
	uint8_t records[RECOVERY_AUTHORITIES_MAX][RECOVERY_AUTHORITY_LEN_MAX];
	uint8_t list[RECOVERY_LIST_LEN_MAX];
};

static int read_record(const char *path, struct work *k, struct fault *f)
{
	struct fault why;
	size_t i = k->l.n;
	struct recovery_authority *a = &k->l.authorities[i];
	int rc = record_file_read(path, RECOVERY_LABEL_AUTHORITY, k->records[i],
		sizeof(k->records[i]), &k->record_lens[i], f);
	if (rc < 0)
		return rc;
	rc = recovery_authority_decode(span_of(k->records[i], k->record_lens[i]), a, &why);
	if (rc < 0) {
		fault_set(f, "%s: %.400s", path, why.text);
		return -EDOM;
	}
	for (size_t j = 0; j < i; j++)
		if (memcmp(k->l.authorities[j].pk, a->pk, sizeof(a->pk)) == 0) {
			fault_set(f, "%s: %s is in the list already; name it once", path, a->name);
			return -EDOM;
		}
	k->l.n++;
	return 0;
}

static void show(const struct words *w, const struct recovery_list *l)
{
	FILE *to = w->out == NULL ? stderr : stdout;
	char hex[65];
	fprintf(to, "%u of these %u authorities:\n", (unsigned)l->m, (unsigned)l->n);
	for (size_t i = 0; i < l->n; i++) {
		uint8_t key_id[32];
		spa_key_id(l->authorities[i].pk, key_id);
		fprintf(to, "  %s\n    key id %s\n", l->authorities[i].name,
			text_hex(SPAN_OF(key_id), hex));
	}
	fflush(to);
}

static int sign(const struct words *w, struct work *k, const struct id_open *o, struct fault *f)
{
	struct span records[RECOVERY_AUTHORITIES_MAX];
	const struct cert *own = id_open_own(o);
	if (own == NULL || own->kind != CERT_CERTIFIER) {
		fault_set(f, "%s: not the ID file of a certifier", w->certifier);
		return -EINVAL;
	}
	memcpy(k->l.certifier, idfile_header(o->file)->name, sizeof(k->l.certifier));
	memcpy(k->l.certifier_pk, o->pk, sizeof(k->l.certifier_pk));
	k->l.created_ms = clock_wall_ms();
	for (size_t i = 0; i < k->l.n; i++)
		records[i] = span_of(k->records[i], k->record_lens[i]);
	size_t len = recovery_list_encode(&k->l, records, o->sk, k->list);
	if (len == 0) {
		fault_set(f, "the list cannot be made: memory is short");
		return -ENOMEM;
	}
	return record_file_write(w->out, RECOVERY_LABEL_LIST, span_of(k->list, len), f);
}

static int make(const struct words *w, struct work *k, struct fault *f)
{
	struct id_open *o = NULL;
	int rc = 0;
	for (size_t i = 0; i < w->count && rc == 0; i++)
		rc = read_record(w->records[i], k, f);
	if (rc < 0)
		return rc;
	k->l.m = (uint8_t)w->m;
	show(w, &k->l);
	rc = id_open_file(w->certifier, &w->way, &o, f);
	if (rc == 0)
		rc = sign(w, k, o, f);
	if (rc == 0 && w->out != NULL)
		printf("%s signed the list in %s\n", k->l.certifier, w->out);
	id_open_free(o);
	return rc;
}

int certifier_recovery(int argc, char **argv)
{
	struct words w = { 0 };
	struct fault f;
	int code = parse(argc, argv, &w);
	if (code != EXIT_DONE)
		return code;
	if (w.is_help) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	struct work *k = calloc(1, sizeof(*k));
	if (k == NULL) {
		say_trouble("there is not enough memory");
		return EXIT_LOCAL;
	}
	int rc = make(&w, k, &f);
	free(k);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc == 0 ? EXIT_DONE : rc == -EDOM ? EXIT_REFUSED : EXIT_LOCAL;
}
