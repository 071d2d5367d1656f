/*
 * postern directory export-edge: what an exposed server needs of an inner directory, and no more. Invariant:
 * an entry gets out only when a list of that server can match it, and of an entry only what deciding needs:
 * name, kind, key ids, last day, addresses, locked, disabled; a public key where there is no certificate
 * to bring one.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/text.h"
#include "cmd/commands.h"
#include "cmd/directory_order.h"
#include "cmd/say.h"
#include "config/config.h"
#include "policy/policy.h"

#define LIST_LEN_MAX ((size_t)16 << 20)

enum wild { WILD_ALL, WILD_USERS, WILD_SERVERS, WILD_SSH, WILDS };

static const char *const wild_texts[WILDS] = {
	[WILD_ALL] = "*",
	[WILD_USERS] = "*(users)",
	[WILD_SERVERS] = "*(servers)",
	[WILD_SSH] = "*(ssh)",
};

/* Who is named by the lists. */
struct scope {
	bool wild[WILDS];
	struct name *below; /* certifiers */
	size_t below_count, below_cap;
	bool *by_line; /* named exactly: by line of the directory */
	bool has_group[CONFIG_GROUPS_MAX];
	char why_all[128]; /* which list has a wildcard that takes everybody; "" none */
};

struct count {
	size_t exported, left_out, keys, comments, document_keys;
};

struct job {
	const struct directory_order *order;
	const char *path; /* of the directory */
	struct config *config;
	uint8_t *text;
	size_t len;
	struct directory *directory;
	struct scope scope;
	struct count count;
};

/* ------------------------------------------------------------------ what the lists name */

static bool add_below(struct scope *s, const struct name *n)
{
	for (size_t i = 0; i < s->below_count; i++)
		if (name_equal(&s->below[i], n))
			return true;
	if (s->below_count == s->below_cap) {
		size_t cap = 2 * s->below_cap + 16;
		struct name *grown = reallocarray(s->below, cap, sizeof(*grown));
		if (grown == NULL)
			return false;
		s->below = grown;
		s->below_cap = cap;
	}
	s->below[s->below_count++] = *n;
	return true;
}

/* One entry of a list that is no group: 0; -EINVAL when it is no name; -ENOMEM. */
static int add_text(struct job *j, const char *text, const char *where)
{
	struct scope *s = &j->scope;
	struct name n;
	for (int w = 0; w < WILDS; w++) {
		if (strcmp(text, wild_texts[w]) != 0)
			continue;
		s->wild[w] = true;
		if (s->why_all[0] == '\0')
			snprintf(s->why_all, sizeof(s->why_all), "%.90s has %s", where, text);
		return 0;
	}
	if (strncmp(text, "*/", 2) == 0) {
		if (name_parse(text + 2, true, &n) != NAME_OK)
			return -EINVAL;
		return add_below(s, &n) ? 0 : -ENOMEM;
	}
	if (name_parse(text, false, &n) != NAME_OK)
		return -EINVAL;
	const struct directory_entry *e = directory_find_name(j->directory, &n);
	if (e != NULL)
		s->by_line[e->line] = true;
	return 0;
}

static int add_list(struct job *j, const struct config_list *l);

/* A group once; policy_new has seen that they nest in no circle. */
static int add_item(struct job *j, const struct config_text *item)
{
	char where[100];
	for (size_t g = 0; g < j->config->group_count; g++) {
		if (strcasecmp(j->config->groups[g].name, item->text) != 0)
			continue;
		if (j->scope.has_group[g])
			return 0;
		j->scope.has_group[g] = true;
		return add_list(j, &j->config->groups[g].members);
	}
	snprintf(where, sizeof(where), "%.80s:%u", item->file, item->line);
	return add_text(j, item->text, where);
}

static int add_list(struct job *j, const struct config_list *l)
{
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < l->len; i++)
		rc = add_item(j, &l->items[i]);
	return rc;
}

static int add_config(struct job *j)
{
	const struct config *c = j->config;
	int rc = add_list(j, &c->server.allow);
	if (rc == 0)
		rc = add_list(j, &c->server.deny);
	for (size_t i = 0; rc == 0 && i < c->door_count; i++) {
		rc = add_list(j, &c->doors[i].allow);
		if (rc == 0)
			rc = add_list(j, &c->doors[i].deny);
	}
	for (size_t i = 0; rc == 0 && i < c->service_count; i++) {
		rc = add_list(j, &c->services[i].allow);
		if (rc == 0)
			rc = add_list(j, &c->services[i].deny);
	}
	return rc;
}

/* One name or wildcard a line; blank lines and those that begin with # mean nothing. */
static int add_names(struct job *j, char *text)
{
	const char *path = j->order->names_from;
	unsigned line = 0;
	int bad = 0;
	for (char *next, *at = text; at != NULL; at = next) {
		char where[100], q[100];
		next = strchr(at, '\n');
		if (next != NULL)
			*next++ = '\0';
		line++;
		at[strcspn(at, "\r")] = '\0';
		if (at[0] == '\0' || at[0] == '#')
			continue;
		snprintf(where, sizeof(where), "%.80s:%u", path, line);
		int rc = add_text(j, at, where);
		if (rc == -ENOMEM)
			return rc;
		if (rc < 0)
			fprintf(stderr,
				"%s:%u: \"%s\" is neither a whole name nor */UNIT/ORGANISATION\n",
				path, line, text_quote(span_of(at, strlen(at)), q, sizeof(q)));
		bad += rc < 0;
	}
	return bad > 0 ? -EINVAL : 0;
}

/* By the rules of policy/: who is no more than an SSH key is below no certifier. */
static bool is_wanted(const struct scope *s, const struct directory_entry *e)
{
	bool may_be_certified = e->is_certified_equivalent || e->key == DIRECTORY_KEY_ID_ONLY;
	if (s->by_line[e->line] || s->wild[WILD_ALL] ||
		(s->wild[WILD_USERS] && e->kind == DIRECTORY_USER) ||
		(s->wild[WILD_SERVERS] && e->kind == DIRECTORY_SERVER) ||
		(s->wild[WILD_SSH] && !may_be_certified))
		return true;
	for (size_t i = 0; may_be_certified && i < s->below_count; i++)
		if (name_is_below(&e->name, &s->below[i]))
			return true;
	return false;
}

/* ------------------------------------------------------------------ what gets out */

/* A token's key is in no certificate, so it stays. */
static bool needs_key(const struct job *j, const struct directory_entry *e)
{
	return e->key == DIRECTORY_SK_ED25519 || !e->is_certified_equivalent ||
		j->order->keeps_keys;
}

static void reduce(struct job *j, const struct directory_entry *e, struct directory_entry *ret)
{
	*ret = *e;
	ret->has_document_key = false;
	j->count.document_keys += e->has_document_key;
	if (e->key == DIRECTORY_KEY_ID_ONLY || needs_key(j, e))
		return;
	ret->key = DIRECTORY_KEY_ID_ONLY;
	ret->is_certified_equivalent = false;
	j->count.keys++;
}

static bool write_entry(struct job *j, const struct directory_entry *e, FILE *out)
{
	char line[DIRECTORY_LINE_MAX + 2];
	struct directory_entry reduced;
	reduce(j, e, &reduced);
	size_t len = directory_line_format(&reduced, NULL, line, sizeof(line));
	j->count.exported++;
	return len > 0 && fwrite(line, 1, len, out) == len;
}

/* Entries and lines are in one order. */
static bool write_entries(struct job *j, FILE *out)
{
	size_t i = 0;
	unsigned line = 0;
	for (struct reader r = reader_init(span_of(j->text, j->len)); r.left > 0;) {
		const uint8_t *lf = memchr(r.at, '\n', r.left);
		struct span s = reader_take(&r, lf == NULL ? r.left : (size_t)(lf - r.at));
		const struct directory_entry *e = directory_at(j->directory, i);
		reader_take(&r, lf == NULL ? 0 : 1);
		line++;
		if (e == NULL || e->line != line)
			continue;
		i++;
		if (!is_wanted(&j->scope, e))
			j->count.left_out++;
		else if (!write_entry(j, e, out))
			return false;
		else
			j->count.comments += directory_line_comment(s).len > 0;
	}
	return true;
}

static int write_out(struct job *j)
{
	char *data = NULL;
	size_t len = 0;
	struct fault f;
	FILE *out = open_memstream(&data, &len);
	bool is_good = out != NULL && write_entries(j, out);
	if (out != NULL && fclose(out) != 0)
		is_good = false;
	int rc = is_good ? file_write(j->order->out, data, len, 0644, false, &f) : -ENOMEM;
	free(data);
	if (!is_good)
		say_trouble("not enough memory");
	else if (rc < 0)
		say_trouble("%s", f.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static void say_count(const struct job *j)
{
	const struct count *c = &j->count;
	printf("exported %zu of %zu entries to %s\n", c->exported, c->exported + c->left_out,
		j->order->out);
	printf("left out: entries that no list can match %zu, public keys of certified people %zu, "
	       "comments %zu, document keys %zu\n",
		c->left_out, c->keys, c->comments, c->document_keys);
}

/* ------------------------------------------------------------------ the command */

static int load_config(struct job *j)
{
	struct config_report report = { 0 };
	if (j->order->config == NULL)
		return EXIT_DONE;
	j->config = config_load(j->order->config, &report);
	for (size_t i = 0; i < report.kept; i++)
		fprintf(stderr, "%s\n", report.lines[i]);
	config_report_deinit(&report);
	if (j->config == NULL)
		return EXIT_REFUSED;
	if (j->path == NULL)
		j->path = j->config->server.directory;
	return EXIT_DONE;
}

static int load_directory(struct job *j)
{
	struct fault f;
	if (file_read(j->path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &j->text, &j->len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	struct directory_faults *faults = calloc(1, sizeof(*faults));
	if (faults != NULL)
		j->directory = directory_parse(span_of(j->text, j->len), faults);
	if (faults != NULL && j->directory == NULL)
		directory_say_faults(j->path, faults);
	size_t count = j->directory == NULL ? 0 : directory_count(j->directory);
	unsigned last = count == 0 ? 0 : directory_at(j->directory, count - 1)->line;
	j->scope.by_line = calloc((size_t)last + 1, sizeof(bool));
	free(faults);
	return j->directory == NULL || j->scope.by_line == NULL ? EXIT_REFUSED : EXIT_DONE;
}

/* The lists as posternd would read them; their mistakes are told as it tells them. */
static int check_policy(const struct job *j)
{
	struct config_report report = { 0 };
	if (j->config == NULL)
		return EXIT_DONE;
	struct policy *p = policy_new(j->config, j->directory, &report);
	int rc = p != NULL ? EXIT_DONE : EXIT_REFUSED;
	for (size_t i = 0; i < report.kept; i++)
		fprintf(stderr, "%s\n", report.lines[i]);
	config_report_deinit(&report);
	policy_free(p);
	return rc;
}

static int read_scope(struct job *j)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	int rc = check_policy(j);
	if (rc != EXIT_DONE)
		return rc;
	if (j->order->names_from != NULL &&
		file_read(j->order->names_from, FILE_ANY, LIST_LEN_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	rc = text != NULL ? add_names(j, (char *)text) : add_config(j);
	free(text);
	if (rc == -ENOMEM)
		say_trouble("not enough memory");
	if (rc < 0)
		return rc == -ENOMEM ? EXIT_LOCAL : EXIT_REFUSED;
	if (j->scope.why_all[0] == '\0' || j->order->is_all)
		return EXIT_DONE;
	say_trouble("%s, which takes in everybody and would export the whole directory; name the "
		    "people or units, or say --all",
		j->scope.why_all);
	return EXIT_REFUSED;
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat p, q;
	return stat(a, &p) == 0 && stat(b, &q) == 0 && p.st_dev == q.st_dev && p.st_ino == q.st_ino;
}

int directory_export_edge(const struct directory_order *o)
{
	struct job j = { .order = o, .path = o->path };
	if ((o->config == NULL) == (o->names_from == NULL))
		return say_usage(
			"directory export-edge", "say either --config FILE or --names-from FILE");
	if (o->config == NULL && o->path == NULL)
		return say_usage("directory export-edge", "--names-from needs --directory FILE");
	if (o->out == NULL)
		return say_usage("directory export-edge", "where to? say -o FILE");
	int rc = load_config(&j);
	if (rc == EXIT_DONE && is_same_file(j.path, o->out))
		rc = say_usage("directory export-edge", "%s is the directory itself", o->out);
	if (rc == EXIT_DONE)
		rc = load_directory(&j);
	if (rc == EXIT_DONE)
		rc = read_scope(&j);
	if (rc == EXIT_DONE)
		rc = write_out(&j);
	if (rc == EXIT_DONE)
		say_count(&j);
	free(j.scope.below);
	free(j.scope.by_line);
	directory_free(j.directory);
	free(j.text);
	config_free(j.config);
	return rc;
}
