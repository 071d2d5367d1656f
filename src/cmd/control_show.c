/* Facts to lines. Everything comes from the daemon, whose texts are quoted before they were stored. */

#include "cmd/control_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

static long long number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *when(const json_t *o, const char *key, char to[TIME_TEXT_MAX])
{
	time_t t = (time_t)(number(o, key) / 1000);
	struct tm tm;
	if (t == 0 || localtime_r(&t, &tm) == NULL ||
		strftime(to, TIME_TEXT_MAX, "%Y-%m-%d %H:%M:%S", &tm) == 0)
		snprintf(to, TIME_TEXT_MAX, "-");
	return to;
}

void control_show_nothing(const json_t *o, bool first)
{
	(void)o;
	(void)first;
}

/* "cookie 12, short 3" */
static void show_counts(const char *label, json_t *counts)
{
	const char *key;
	json_t *v;
	const char *comma = "";
	printf("  %-10s", label);
	json_object_foreach(counts, key, v)
	{
		printf("%s%s %lld", comma, key, (long long)json_integer_value(v));
		comma = ", ";
	}
	puts(*comma == '\0' ? "nothing" : "");
}

static void show_doors(const json_t *doors)
{
	size_t i;
	json_t *d;
	json_array_foreach(doors, i, d)
	{
		printf("  %-10s%s on %s, udp %lld, %s, %lld packets", i == 0 ? "doors" : "",
			text(d, "name"), text(d, "interface"), number(d, "port"),
			json_is_true(json_object_get(d, "watching")) ? "watching"
								     : "WAITING FOR THE INTERFACE",
			number(d, "packets"));
		if (number(d, "dropped") > 0)
			printf(", %lld lost", number(d, "dropped"));
		putchar('\n');
	}
}

void control_show_status(const json_t *o, bool first)
{
	char up[TIME_TEXT_MAX];
	const json_t *kernel = json_object_get(o, "kernel");
	(void)first;
	printf("posternd %s, %s, up %s, configuration %lld of %s\n", text(o, "version"),
		text(o, "server"), duration_format((uint64_t)number(o, "uptime_s"), up),
		number(o, "generation"), text(o, "config"));
	show_doors(json_object_get(o, "doors"));
	printf("  %-10s%lld guarded, %lld gates open now, %lld people known\n", "services",
		number(o, "services"), number(o, "gates"), number(o, "people"));
	printf("  %-10s%lld connections admitted, %lld packets dropped, %lld packets cut\n",
		"kernel", number(kernel, "admitted"), number(kernel, "dropped"),
		number(kernel, "cut"));
	show_counts("answered", json_object_get(o, "answered"));
	show_counts("ignored", json_object_get(o, "ignored"));
	if (!json_is_true(json_object_get(o, "store_ok")))
		puts("  STORE     trouble in the last minute; no gate opens until it is mended: see the log");
	if (!json_is_true(json_object_get(o, "gate_uses_heard")))
		puts("  NOTE      the kernel does not tell when a gate is used: the log group is taken");
}

void control_show_gate(const json_t *o, bool first)
{
	char until[TIME_TEXT_MAX];
	if (first)
		printf("%-6s %-10s %-22s %-18s %-6s  %s\n", "GRANT", "SERVICE", "FOR", "FROM",
			"KIND", "UNTIL");
	printf("%-6lld %-10s %-22s %-18s %-6s  %s%s\n", number(o, "grant"), text(o, "service"),
		text(o, "name"), text(o, "address"), text(o, "kind"),
		when(o, "until_ms", until) + 11,
		json_is_true(json_object_get(o, "used")) ? ", used" : "");
}

/* The date on a line of its own when it changes, then one line a record, and who decided below it. */
void control_show_record(const json_t *o, bool first)
{
	static char day[TIME_TEXT_MAX];
	char at[TIME_TEXT_MAX];
	when(o, "time_ms", at);
	if (first || strncmp(day, at, 10) != 0)
		printf("%.10s\n", at);
	snprintf(day, sizeof(day), "%s", at);

	bool is_granted = strcmp(text(o, "event"), "granted") == 0;
	const char *who = text(o, "name"), *what = text(o, "service"), *from = text(o, "address");
	const char *why = is_granted ? "" : text(o, "reason"), *note = text(o, "text");
	printf("%s  %-9s", strlen(at) > 11 ? at + 11 : at, text(o, "event"));
	if (*who != '\0')
		printf(" %s", who);
	if (*what != '\0')
		printf(" %s", what);
	if (*from != '\0')
		printf(" from %s", from);
	else if (*text(o, "door") != '\0')
		printf(" %s", text(o, "door"));
	/* The port a knock came from says nothing; that of a connection finds it in other logs. */
	if (strcmp(text(o, "event"), "connected") == 0)
		printf(":%lld", number(o, "port"));
	printf("%s%s", *why != '\0' ? ": " : "", why);
	if (*note != '\0')
		printf("%s%s", *why != '\0' || *who != '\0' ? ", " : " ", note);
	putchar('\n');
	if (*text(o, "list") != '\0')
		printf("%20sby %s: %s\n", "", text(o, "list"),
			*text(o, "entry") != '\0' ? text(o, "entry") : "no entry fits");
}
