/*
 * postern directory: edit and check the list of those a server knows. Edits hold a lock on the folder,
 * so that two at once do not lose one of them, and replace the file whole.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/directory_order.h"
#include "cmd/issue.h"
#include "cmd/say.h"
#include "identity/document.h"

#define DEFAULT_PATH "/etc/postern/directory"
#define COMMENT_MAX 256

static const char help[] =
	"usage: postern directory add FILE [options]\n"
	"       postern directory remove NAME\n"
	"       postern directory list [--json]\n"
	"       postern directory check [--json]\n"
	"\n"
	"Edits or checks the directory of a server, one line for each person or server it\n"
	"knows. Comments and all other lines stay as they are. A running posternd sees a\n"
	"change after \"posternctl reload\".\n"
	"\n"
	"  --directory FILE    the directory (default: /etc/postern/directory)\n"
	"  --json              print what is listed or found as JSON\n"
	"\n"
	"add takes the key from an ID file (with name and last day from its certificate)\n"
	"or from an OpenSSH .pub file (ssh-ed25519, sk-ssh-ed25519):\n"
	"  --name NAME         the name, \"Jane Doe/VSD\" (a .pub file needs it)\n"
	"  --kind user|server  what it is (default: what its certificate says, or user)\n"
	"  --expires DATE      the last day, 2028-11-22\n"
	"  --from PREFIX,...   only from these addresses\n"
	"  --require up|up,uv  what a token must prove: touch (always), or touch and PIN\n"
	"  --certified-equivalent\n"
	"                      count the key of a .pub file like a certified one, so that\n"
	"                      lists like */VSD cover it\n"
	"  --comment TEXT      put TEXT at the end of the line\n"
	"\n"
	"Exit codes: 0 done, 1 refused (there already, not there, mistakes found), 2\n"
	"usage, 4 trouble with a file.\n";

enum {
	OPT_DIRECTORY = 256,
	OPT_NAME,
	OPT_KIND,
	OPT_EXPIRES,
	OPT_FROM,
	OPT_REQUIRE,
	OPT_CERTIFIED,
	OPT_COMMENT,
	OPT_JSON,
};

/* ------------------------------------------------------------------ file to file */

/* The folder of path, locked until the descriptor is closed; or -errno with *f. */
static int lock_folder(const char *path, struct fault *f)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	int n = slash == NULL
		? snprintf(folder, sizeof(folder), ".")
		: snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path) + 1, path);
	int rc = n < 0 || (size_t)n >= sizeof(folder) ? -ENAMETOOLONG : 0;
	int fd = rc < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (rc == 0 && fd < 0)
		rc = -errno;
	if (rc == 0 && flock(fd, LOCK_EX) < 0)
		rc = -errno;
	if (rc == 0)
		return fd;
	fault_set(f, "%s: its folder cannot be locked: %s", path, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

struct change {
	const struct directory_order *order;
	const struct directory_entry *entry; /* to add; or NULL and name */
	const char *comment;
	const struct name *name; /* to remove */
};

static int edit(const struct change *c, struct fault *f)
{
	const char *path = c->order->path;
	struct directory_text new = { 0 };
	uint8_t *text = NULL;
	size_t len = 0;
	struct stat st;
	struct fault why;

	int fd = lock_folder(path, f);
	if (fd < 0)
		return fd;
	int rc = file_read(path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, f);
	if (rc < 0)
		goto out;
	if (c->entry != NULL)
		rc = directory_edit_add(span_of(text, len), c->entry, c->comment, &new, &why);
	else
		rc = directory_edit_remove(span_of(text, len), c->name, &new, &why);
	if (rc < 0) {
		fault_set(f, "%s: %.480s", path, why.text);
		goto out;
	}
	if (stat(path, &st) < 0) {
		rc = -errno;
		fault_set(f, "%s: cannot be examined: %s", path, strerror(-rc));
		goto out;
	}
	rc = file_write(path, new.data, new.len, st.st_mode & 0777, false, f);
out:
	free(new.data);
	free(text);
	close(fd);
	return rc;
}

static int code_of(int rc)
{
	return rc == 0                                            ? EXIT_DONE
		: rc == -EEXIST || rc == -EINVAL || rc == -ENOENT ? EXIT_REFUSED
								  : EXIT_LOCAL;
}

/* ------------------------------------------------------------------ add */

static int entry_of_id(const struct idfile *id, const struct directory_order *o,
	struct directory_entry *ret, struct fault *f)
{
	struct cert c;
	struct fault why;
	if (idfile_cert_count(id) == 0) {
		fault_set(f, "this ID file has no certificate, so no public key to add");
		return -EINVAL;
	}
	if (cert_read(idfile_cert(id, 0), &c, &why) < 0) {
		fault_set(f, "its certificate cannot be used: %.400s", why.text);
		return -EINVAL;
	}
	if (c.kind == CERT_CERTIFIER) {
		fault_set(f, "this is the ID of a certifier; it certifies, it does not knock");
		return -EINVAL;
	}
	issue_entry_of_cert(&c, ret);
	/* A block that its own key did not sign is nobody's. */
	struct document_key k;
	ret->has_document_key = document_key_decode(idfile_block(id, DOCUMENT_KEY_LABEL), c.pk, &k);
	if (ret->has_document_key)
		memcpy(ret->document_key, k.x25519, sizeof(ret->document_key));
	return directory_edit_apply(&o->words, ret, f);
}

/* From an ID file or a .pub file, whichever the text is. comment holds COMMENT_MAX bytes. */
static int make_entry(const struct directory_order *o, struct span text,
	struct directory_entry *ret, char *comment, struct fault *f)
{
	static const char pem[] = "-----BEGIN ";
	struct idfile *id = NULL;
	struct fault why;
	struct span key_comment = { 0 };
	int rc;

	comment[0] = '\0';
	if (text.len >= sizeof(pem) - 1 && memcmp(text.data, pem, sizeof(pem) - 1) == 0) {
		if (idfile_parse(text, &id, &why) != IDFILE_OK) {
			fault_set(f, "not an ID file: %.400s", why.text);
			return -EINVAL;
		}
		rc = entry_of_id(id, o, ret, f);
		idfile_free(id);
	} else {
		rc = directory_edit_entry(text, &o->words, ret, &key_comment, f);
		if (rc == 0 && key_comment.len < COMMENT_MAX)
			snprintf(comment, COMMENT_MAX, "%.*s", (int)key_comment.len,
				(const char *)key_comment.data);
	}
	if (o->comment != NULL)
		snprintf(comment, COMMENT_MAX, "%s", o->comment);
	return rc;
}

static bool is_id(struct span text)
{
	return text.len > 0 && text.data[0] == '-';
}

static int add(const struct directory_order *o)
{
	char comment[COMMENT_MAX], name[NAME_TEXT_MAX];
	struct directory_entry e;
	struct fault f, why;
	uint8_t *text = NULL;
	size_t len = 0;

	if (file_read(o->operand, FILE_ANY, IDFILE_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (o->words.name == NULL && !is_id(span_of(text, len))) {
		free(text);
		return say_usage(
			"directory", "%s: a public key has no name; say --name NAME", o->operand);
	}
	int rc = make_entry(o, span_of(text, len), &e, comment, &why);
	free(text);
	if (rc < 0) {
		say_trouble("%s: %s", o->operand, why.text);
		return EXIT_REFUSED;
	}
	struct change c = { .order = o, .entry = &e, .comment = comment };
	rc = edit(&c, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	else
		printf("added %s to %s\n", name_format(&e.name, name), o->path);
	return rc == -ENOENT ? EXIT_LOCAL : code_of(rc);
}

/* ------------------------------------------------------------------ remove */

static int remove_name(const struct directory_order *o)
{
	char text[NAME_TEXT_MAX];
	struct name name;
	struct fault f;

	enum name_reject r = name_parse(o->operand, false, &name);
	if (r != NAME_OK)
		return say_usage("directory", "\"%s\": %s", o->operand, name_reject_text(r));
	if (access(o->path, F_OK) < 0) {
		say_trouble("%s: cannot be read: %s", o->path, strerror(errno));
		return EXIT_LOCAL;
	}
	struct change c = { .order = o, .name = &name };
	int rc = edit(&c, &f);
	if (rc < 0)
		say_trouble("%s", f.text);
	else
		printf("removed %s from %s\n", name_format(&name, text), o->path);
	return code_of(rc);
}

/* ------------------------------------------------------------------ the command line */

static const struct action {
	const char *name;
	const char *command; /* for messages */
	int (*run)(const struct directory_order *o);
	const char *operand; /* NULL: takes none */
	bool is_add, has_json;
} actions[] = {
	{ "add", "directory add", add, "FILE", true, false },
	{ "remove", "directory remove", remove_name, "NAME", false, false },
	{ "list", "directory list", directory_list, NULL, false, true },
	{ "check", "directory check", directory_check, NULL, false, true },
};

static void take_option(int c, struct directory_order *o)
{
	switch (c) {
	case OPT_DIRECTORY:
		o->path = optarg;
		break;
	case OPT_NAME:
		o->words.name = optarg;
		break;
	case OPT_KIND:
		o->words.kind = optarg;
		break;
	case OPT_EXPIRES:
		o->words.expires = optarg;
		break;
	case OPT_FROM:
		o->words.from = optarg;
		break;
	case OPT_REQUIRE:
		o->words.require = optarg;
		break;
	case OPT_CERTIFIED:
		o->words.is_certified_equivalent = true;
		break;
	case OPT_COMMENT:
		o->comment = optarg;
		break;
	case OPT_JSON:
		o->is_json = true;
		break;
	default:
		o->is_help = true;
		break;
	}
}

static int parse(const struct action *a, int argc, char **argv, struct directory_order *o)
{
	static const struct option common[] = {
		{ "directory", required_argument, NULL, OPT_DIRECTORY },
		{ "help", no_argument, NULL, 'h' },
	};
	static const struct option for_add[] = {
		{ "name", required_argument, NULL, OPT_NAME },
		{ "kind", required_argument, NULL, OPT_KIND },
		{ "expires", required_argument, NULL, OPT_EXPIRES },
		{ "from", required_argument, NULL, OPT_FROM },
		{ "require", required_argument, NULL, OPT_REQUIRE },
		{ "certified-equivalent", no_argument, NULL, OPT_CERTIFIED },
		{ "comment", required_argument, NULL, OPT_COMMENT },
	};
	struct option options[11] = { common[0], common[1] };
	int c;

	if (a->is_add)
		memcpy(options + 2, for_add, sizeof(for_add));
	if (a->has_json)
		options[2] = (struct option){ "json", no_argument, NULL, OPT_JSON };
	while ((c = say_next_option(a->command, argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		take_option(c, o);
	}
	int wanted = a->operand != NULL ? 1 : 0, given = argc - optind;
	if (o->is_help)
		return EXIT_DONE;
	if (given < wanted)
		return say_usage(a->command, "which %s?", a->operand);
	if (given > wanted)
		return say_usage(a->command, "%s: one argument too many", argv[optind + wanted]);
	o->operand = wanted == 1 ? argv[optind] : NULL;
	return EXIT_DONE;
}

int cmd_directory(int argc, char **argv)
{
	if (argc < 2)
		return say_usage("directory", "add, remove, list or check?");
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
		fputs(help, stdout);
		return EXIT_DONE;
	}
	for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		struct directory_order o = { .path = DEFAULT_PATH };
		if (strcmp(argv[1], actions[i].name) != 0)
			continue;
		int rc = parse(&actions[i], argc - 1, argv + 1, &o);
		if (rc == EXIT_DONE && o.is_help)
			fputs(help, stdout);
		else if (rc == EXIT_DONE)
			rc = actions[i].run(&o);
		return rc;
	}
	return say_usage("directory", "there is no %s; it is add, remove, list or check", argv[1]);
}
