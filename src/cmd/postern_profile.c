/* postern profile: what is in the file of profiles, one more, or one less. */

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/knock_args.h"
#include "cmd/knock_option.h"
#include "cmd/say.h"

static const char help[] =
	"usage: postern profile list [--json]\n"
	"       postern profile show NAME\n"
	"       postern profile add NAME HOST [SERVICE] [options of knock]\n"
	"       postern profile remove NAME\n"
	"\n"
	"Profiles are options of knock under a name, in the file profiles of the client\n"
	"folder. postern knock, close and connect take a profile's name as HOST.\n"
	"\n"
	"  list                name, scheme and host of each\n"
	"  show                one, as it stands in the file\n"
	"  add                 check the options as knock would, and keep them\n"
	"  remove              take one out; all else in the file stays as it is\n"
	"\n"
	"Exit codes: 0 done, 1 there is none of that name, 2 usage, 4 trouble with the\n"
	"file.\n";

static int load(struct profiles **ret)
{
	struct fault f;
	int rc = profiles_load(knock_option_keys(), ret, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static const char *get(const struct profile *p, const char *key, const char *otherwise)
{
	const struct profile_value *v = profile_find(p, key);
	return v != NULL ? v->text : otherwise;
}

static int list_json(const struct profiles *p)
{
	json_t *all = json_array();
	for (size_t i = 0; p != NULL && i < p->count; i++) {
		const struct profile *one = p->items[i];
		json_array_append_new(all,
			json_pack("{s:s, s:s, s:s}", "name", one->name, "scheme",
				get(one, "scheme", "spa"), "host", get(one, "host", one->name)));
	}
	int rc = all == NULL ? -1 : json_dumpf(all, stdout, JSON_INDENT(2));
	json_decref(all);
	if (rc < 0) {
		say_trouble("no memory for the JSON output");
		return EXIT_LOCAL;
	}
	putchar('\n');
	return EXIT_DONE;
}

static int list(const struct profiles *p, bool is_json)
{
	if (is_json)
		return list_json(p);
	for (size_t i = 0; p != NULL && i < p->count; i++)
		printf("%-16s %-10s %s\n", p->items[i]->name, get(p->items[i], "scheme", "spa"),
			get(p->items[i], "host", p->items[i]->name));
	return EXIT_DONE;
}

static int run_list(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct profiles *p = NULL;
	bool is_json = false;
	int c;
	while ((c = say_next_option("profile list", argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h') {
			fputs(help, stdout);
			return EXIT_DONE;
		}
		is_json = true;
	}
	if (optind < argc)
		return say_usage("profile list", "%s: one argument too many", argv[optind]);
	int rc = load(&p);
	if (rc == EXIT_DONE)
		rc = list(p, is_json);
	profiles_free(p);
	return rc;
}

/* The one NAME after a part of the command. */
static int take_name(const char *command, int argc, char **argv)
{
	if (argc < 2)
		return say_usage(command, "which NAME?");
	if (argc > 2)
		return say_usage(command, "%s: one argument too many", argv[2]);
	return EXIT_DONE;
}

static int show(const struct profiles *all, const char *name)
{
	const struct profile *p = profiles_find(all, name);
	char *text = p != NULL ? profile_format(p) : NULL;
	if (p == NULL) {
		say_trouble(
			"there is no profile %s; postern profile list shows what there is", name);
		return EXIT_REFUSED;
	}
	if (text == NULL) {
		say_trouble("no memory for the profile");
		return EXIT_LOCAL;
	}
	fputs(text, stdout);
	free(text);
	return EXIT_DONE;
}

static int run_show(int argc, char **argv)
{
	struct profiles *p = NULL;
	int rc = take_name("profile show", argc, argv);
	if (rc == EXIT_DONE)
		rc = load(&p);
	if (rc == EXIT_DONE)
		rc = show(p, argv[1]);
	profiles_free(p);
	return rc;
}

/* The options are those of knock, and so are the mistakes that can be made in them. */
static int run_add(int argc, char **argv)
{
	struct knock_args args;
	bool is_help;
	if (argc < 2)
		return say_usage("profile add", "which NAME?");
	const char *name = argv[1];
	if (!profile_name_is_good(name))
		return say_usage("profile add",
			"%s: not a name; write 1 to %d of letters, digits, . _ and -", name,
			PROFILE_NAME_MAX);
	int rc = knock_args_parse(KNOCK_OPEN, argc - 1, argv + 1, &args, &is_help);
	if (rc == EXIT_DONE && !is_help) {
		args.saved.name = args.save = name;
		rc = knock_args_save(&args);
	}
	knock_args_free(&args);
	return rc;
}

static int run_remove(int argc, char **argv)
{
	struct profiles *p = NULL;
	struct fault f;
	int rc = take_name("profile remove", argc, argv);
	if (rc == EXIT_DONE)
		rc = load(&p);
	if (rc == EXIT_DONE && profiles_find(p, argv[1]) == NULL)
		rc = show(p, argv[1]);
	else if (rc == EXIT_DONE && profile_file_remove(argv[1], knock_option_keys(), &f) < 0) {
		say_trouble("%s", f.text);
		rc = EXIT_LOCAL;
	}
	profiles_free(p);
	return rc;
}

int cmd_profile(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(int argc, char **argv);
	} parts[] = {
		{ "list", run_list },
		{ "show", run_show },
		{ "add", run_add },
		{ "remove", run_remove },
	};
	if (argc < 2)
		return say_usage("profile", "what with profiles? list, show, add or remove");
	bool is_help = argc > 2 && strcmp(argv[2], "--help") == 0;
	if (is_help || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcmp(argv[1], parts[i].name) == 0)
			return parts[i].run(argc - 1, argv + 1);
	return say_usage("profile", "there is no %s", argv[1]);
}
