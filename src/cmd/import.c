/*
 * posternctl import: the command line, the files, and where the result goes. Invariant: nothing that exists
 * is written over, and what is written may be secret, so only its owner may read it.
 */

#include "cmd/import.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/fileset.h"
#include "cmd/say.h"

static const char help[] =
	"usage: posternctl import knockd|fwknop --org NAME [options] FILE...\n"
	"\n"
	"Reads what another knock daemon is configured to do (knockd.conf; access.conf\n"
	"and fwknopd.conf) and writes it as blocks of postern.conf and lines of the\n"
	"directory. Every line that means nothing there is named, and everything that was\n"
	"assumed, on standard error and in comments. Changes nothing.\n"
	"\n"
	"  --org NAME         the organisation that the names are to be in\n"
	"  --interface NAME   where knocks come in (default: what the files or the\n"
	"                     configuration say, else eth0)\n"
	"  -c, --config FILE  a postern.conf that is there: its services are used\n"
	"  -o, --output DIR   write DIR/KIND.conf and DIR/KIND.directory, new files, not\n"
	"                     to standard output\n"
	"\n"
	"Exit codes: 0 done, 1 nothing could be carried over, 2 usage, 4 trouble with a\n"
	"file. More: man posternctl\n";

enum { OPT_ORG = 256, OPT_INTERFACE };

static const struct option options[] = {
	{ "org", required_argument, NULL, OPT_ORG },
	{ "interface", required_argument, NULL, OPT_INTERFACE },
	{ "config", required_argument, NULL, 'c' },
	{ "output", required_argument, NULL, 'o' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

struct request {
	const char *kind, *org, *interface, *config, *output;
	struct name organisation;
	int file_count;
	char **files;
};

static int parse(int argc, char **argv, struct request *q)
{
	int c;
	while ((c = say_next_option("import", argc, argv, options)) != -1) {
		switch (c) {
		case OPT_ORG:
			q->org = optarg;
			break;
		case OPT_INTERFACE:
			q->interface = optarg;
			break;
		case 'c':
			q->config = optarg;
			break;
		case 'o':
			q->output = optarg;
			break;
		case 'h':
			fputs(help, stdout);
			return EXIT_DONE;
		default:
			return EXIT_USAGE;
		}
	}
	q->kind = optind < argc ? argv[optind] : "";
	if (strcmp(q->kind, "knockd") != 0 && strcmp(q->kind, "fwknop") != 0)
		return say_usage("import", "name knockd or fwknop first");
	q->files = argv + optind + 1;
	q->file_count = argc - optind - 1;
	if (q->file_count == 0)
		return say_usage("import", "no file was named");
	if (q->org == NULL)
		return say_usage("import", "the organisation is missing; say --org NAME");
	enum name_reject reason = name_parse(q->org, true, &q->organisation);
	if (reason != NAME_OK)
		return say_usage("import", "--org \"%s\": %s", q->org, name_reject_text(reason));
	if (q->interface != NULL &&
		(q->interface[0] == '\0' || strlen(q->interface) >= IF_NAMESIZE ||
			strpbrk(q->interface, " /\"'\\\t\n") != NULL))
		return say_usage(
			"import", "--interface %s: not the name of an interface", q->interface);
	return -1;
}

static int read_file(struct import *im, const struct request *q, const char *path)
{
	struct fault f;
	uint8_t *data = NULL;
	size_t len = 0;

	if (file_read(path, FILE_ANY, IMPORT_FILE_MAX, &data, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (strcmp(q->kind, "knockd") == 0)
		import_knockd(im, path, span_of(data, len));
	else
		import_fwknop(im, path, span_of(data, len));
	sodium_memzero(data, len);
	free(data);
	return EXIT_DONE;
}

static void wipe_text(char *text)
{
	if (text != NULL)
		sodium_memzero(text, strlen(text));
	free(text);
}

/* The lines of the directory as comments, where everything goes one way. */
static void print(const char *conf, const char *directory)
{
	fputs(conf, stdout);
	fputs("\n# Lines of the directory, without the \"# \":\n", stdout);
	while (*directory != '\0') {
		size_t len = strcspn(directory, "\n");
		printf("# %.*s\n", (int)len, directory);
		directory += len + (directory[len] == '\n');
	}
}

static int save(const struct request *q, char *conf, char *directory)
{
	struct fileset s = { 0 };
	struct fault f;
	char name[32], names[32];

	fileset_folder(&s, q->output);
	snprintf(name, sizeof(name), "%s.conf", q->kind);
	snprintf(names, sizeof(names), "%s.directory", q->kind);
	fileset_add(&s, q->output, name, conf, conf != NULL ? strlen(conf) : 0, 0600, "blocks");
	fileset_add(&s, q->output, names, directory, directory != NULL ? strlen(directory) : 0,
		0600, "lines of the directory");
	int rc = fileset_check(&s, &f);
	if (rc == 0)
		rc = fileset_write(&s, &f);
	if (rc == 0)
		printf("Made %s/%s and %s/%s.\n", q->output, name, q->output, names);
	else
		say_trouble("%s", f.text);
	fileset_deinit(&s);
	return rc == 0 ? EXIT_DONE : EXIT_LOCAL;
}

static int write_out(const struct import *im, const struct request *q)
{
	import_print_notes(im, "posternctl: ", stderr);
	if (import_is_empty(im)) {
		say_trouble("nothing could be carried over");
		return EXIT_REFUSED;
	}
	char *conf = import_format(im, q->kind);
	char *directory = import_format_directory(im);
	if (conf != NULL && directory != NULL && q->output != NULL)
		return save(q, conf, directory); /* which owns them from now on */
	int rc = conf != NULL && directory != NULL ? EXIT_DONE : EXIT_LOCAL;
	if (rc == EXIT_DONE)
		print(conf, directory);
	else
		say_trouble("out of memory");
	wipe_text(conf);
	wipe_text(directory);
	return rc;
}

static int import_all(const struct request *q, const struct config *config)
{
	struct import *im = import_new(&q->organisation, config);
	int rc = EXIT_DONE;

	if (im == NULL) {
		say_trouble("out of memory");
		return EXIT_LOCAL;
	}
	im->reads_others = true;
	if (q->interface != NULL)
		memcpy(im->interface, q->interface, strlen(q->interface) + 1);
	for (int i = 0; i < q->file_count && rc == EXIT_DONE; i++)
		rc = read_file(im, q, q->files[i]);
	import_end(im);
	if (im->interface[0] == '\0' && config == NULL)
		import_note(im, IMPORT_ASSUMED, (struct import_place){ q->files[0], 0 },
			"no interface is named: it is eth0");
	if (rc == EXIT_DONE)
		rc = write_out(im, q);
	import_free(im);
	return rc;
}

int cmd_import(int argc, char **argv)
{
	struct request q = { 0 };
	struct config_report report = { 0 };
	struct config *config = NULL;

	int rc = parse(argc, argv, &q);
	if (rc >= 0)
		return rc;
	if (q.config != NULL && (config = config_load(q.config, &report)) == NULL) {
		say_trouble(
			"%s", report.kept > 0 ? report.lines[0] : "the configuration is refused");
		config_report_deinit(&report);
		return EXIT_LOCAL;
	}
	rc = import_all(&q, config);
	config_free(config);
	return rc;
}
