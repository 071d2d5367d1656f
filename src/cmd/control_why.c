/* Why somebody is let in or not, as text for people; and the same from a configuration alone. */

#include "cmd/control_why.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

static bool is_true(const json_t *o, const char *key)
{
	return json_is_true(json_object_get(o, key));
}

static void show_verdict(const json_t *o)
{
	char duration[TIME_TEXT_MAX];
	bool is_granted = strcmp(text(o, "verdict"), "grant") == 0;
	printf("%s, %s through %s: ", text(o, "name"), text(o, "service"), text(o, "door"));
	if (is_granted)
		printf("granted for %s\n",
			duration_format(
				(uint64_t)json_integer_value(json_object_get(o, "granted_s")),
				duration));
	else
		printf("refused, %s\n", text(o, "text"));
	if (*text(o, "list") != '\0')
		printf("  by        %s: %s\n", text(o, "list"),
			*text(o, "entry") != '\0' ? text(o, "entry") : "no entry fits");
}

static void show_identity(const json_t *identity)
{
	if (!is_true(identity, "listed")) {
		puts("  who       not in the directory");
		return;
	}
	printf("  who       line %lld of the directory, %s, %s, %s",
		(long long)json_integer_value(json_object_get(identity, "line")),
		text(identity, "kind"), text(identity, "key"),
		is_true(identity, "certified") ? "certified" : "not certified");
	printf("%s%s", is_true(identity, "locked") ? ", locked" : "",
		is_true(identity, "disabled") ? ", disabled" : "");
	if (*text(identity, "expires") != '\0')
		printf(", until %s", text(identity, "expires"));
	putchar('\n');
}

static void show_lockout(const json_t *l)
{
	if (l == NULL)
		return;
	printf("  locked    out since %s%s%s%s%s\n", text(l, "since"),
		*text(l, "by") != '\0' ? " by " : "", text(l, "by"),
		*text(l, "text") != '\0' ? ": " : "", text(l, "text"));
}

static void show_lists(const json_t *lists)
{
	size_t i;
	json_t *s;
	json_array_foreach(lists, i, s)
	{
		printf("  %-10s%s: ", i == 0 ? "asked" : "", text(s, "list"));
		if (!is_true(s, "set"))
			fputs("not set", stdout);
		else
			fputs(*text(s, "entry") != '\0' ? text(s, "entry") : "no entry fits",
				stdout);
		if (*text(s, "at") != '\0')
			printf(" (%s)", text(s, "at"));
		puts(is_true(s, "refuses") ? ", refuses" : "");
	}
}

void control_show_why(const json_t *o, bool first)
{
	size_t i;
	json_t *v;
	if (!first)
		putchar('\n');
	show_verdict(o);
	show_identity(json_object_get(o, "identity"));
	show_lockout(json_object_get(o, "locked_out"));
	json_array_foreach(json_object_get(o, "assumes"), i, v)
		printf("  %-10s%s\n", i == 0 ? "if" : "", json_string_value(v));
	show_lists(json_object_get(o, "lists"));
	json_array_foreach(json_object_get(o, "refusals"), i, v) printf(
		"  %-10s%s: %s\n", i == 0 ? "to change" : "", text(v, "reason"), text(v, "change"));
}

struct showing {
	bool is_json, is_later;
};

static void show(void *arg, json_t *o)
{
	struct showing *s = arg;
	if (s->is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		control_show_why(o, !s->is_later);
	}
	s->is_later = true;
	json_decref(o);
}

static struct boot *load(const char *path)
{
	struct config_report r = { 0 };
	struct boot *b = boot_load(path, &r);
	for (size_t i = 0; i < r.kept; i++)
		say_trouble("%s", r.lines[i]);
	if (r.count > r.kept)
		say_trouble("%s: %zu more mistakes", path, r.count - r.kept);
	config_report_deinit(&r);
	return b;
}

int control_answer_why(const char *path, const struct why_question *q, bool is_json)
{
	struct showing s = { .is_json = is_json };
	struct store *store = NULL;
	struct fault f;
	int status = EXIT_DONE;
	struct boot *b = load(path);
	if (b == NULL)
		return EXIT_LOCAL;
	/* Without a store nobody was ever locked out, or it cannot be known: the answer says so. */
	int rc = store_open_reader(b->config->server.store, &store, &f);
	if (rc < 0)
		store = NULL;
	if (why_answer(b, store, q, clock_wall_ms(), show, &s, &f) < 0) {
		say_trouble("%s", f.text);
		status = EXIT_REFUSED;
	}
	store_close(store);
	boot_free(b);
	return status;
}
