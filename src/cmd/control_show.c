/* Facts to lines. Everything comes from the daemon, whose texts are quoted before they were stored. */

#include "cmd/control_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define WIDTH 80
#define INDENT 20
#define INDENT_TEXT "                    "

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

/* "cookie 12, short 3", on as many lines as it takes. */
static void show_counts(const char *label, json_t *counts)
{
	const char *key;
	json_t *v;
	int at = printf("  %-10s", label), margin = at;
	json_object_foreach(counts, key, v)
	{
		char one[80];
		int len = snprintf(
			one, sizeof(one), "%s %lld", key, (long long)json_integer_value(v));
		if (at > margin && at + len + 3 > WIDTH)
			at = printf(",\n%*s", margin, "") - 2;
		else if (at > margin)
			at += printf(", ");
		at += printf("%s", one);
	}
	puts(at == margin ? "nothing" : "");
}

/* "26h", "3d": nobody wants to know it to the second. */
static const char *show_age(long long s, char to[TIME_TEXT_MAX])
{
	static const struct {
		long long s;
		char unit;
	} units[] = { { 86400, 'd' }, { 3600, 'h' }, { 60, 'm' }, { 1, 's' } };
	size_t i = 0;
	while (units[i].s > 1 && s < 2 * units[i].s)
		i++;
	snprintf(to, TIME_TEXT_MAX, "%lld%c", s / units[i].s, units[i].unit);
	return to;
}

static const char *door_place(const json_t *d, char *to, size_t cap)
{
	const char *kind = text(d, "capture");
	if (strcmp(kind, "log") == 0)
		snprintf(to, cap, "%s", text(d, "file"));
	else if (strcmp(kind, "nflog") == 0)
		snprintf(to, cap, "log group %lld", number(d, "group"));
	else if (json_object_get(d, "port") != NULL)
		snprintf(to, cap, "%s, udp %lld", text(d, "interface"), number(d, "port"));
	else
		snprintf(to, cap, "%s", text(d, "interface"));
	return to;
}

static void show_doors(const json_t *doors)
{
	size_t i;
	json_t *d;
	json_array_foreach(doors, i, d)
	{
		char where[512];
		printf("  %-10s%s on %s%s, %lld %s", i == 0 ? "doors" : "", text(d, "name"),
			door_place(d, where, sizeof(where)),
			json_is_true(json_object_get(d, "watching")) ? ", watching"
								     : ", WAITING FOR IT",
			number(d, "packets"),
			strcmp(text(d, "capture"), "log") == 0 ? "lines" : "packets");
		if (json_object_get(d, "port") == NULL)
			printf(", %lld attempts", number(d, "sightings"));
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
		text(o, "server"), show_age(number(o, "uptime_s"), up), number(o, "generation"),
		text(o, "config"));
	if (json_object_get(o, "trial_left_s") != NULL)
		printf("  TRIAL     rolled back in %lld s without posternctl trial --confirm\n",
			number(o, "trial_left_s"));
	if (json_is_true(json_object_get(o, "fallback")))
		puts("  FALLBACK  the last confirmed configuration runs; mend the file, then reload");
	show_doors(json_object_get(o, "doors"));
	printf("  %-10s%lld guarded, %lld gates open now, %lld people known\n", "services",
		number(o, "services"), number(o, "gates"), number(o, "people"));
	printf("  %-10s%lld connections admitted, %lld packets dropped, %lld packets cut\n",
		"kernel", number(kernel, "admitted"), number(kernel, "dropped"),
		number(kernel, "cut"));
	show_counts("answered", json_object_get(o, "answered"));
	if (json_object_size(json_object_get(o, "classic")) > 0)
		show_counts("classic", json_object_get(o, "classic"));
	show_counts("ignored", json_object_get(o, "ignored"));
	if (!json_is_true(json_object_get(o, "store_ok")))
		printf("  STORE     %s; nothing opens until it is mended\n",
			text(o, "store_error"));
	if (number(o, "not_closed") > 0)
		printf("  SCRIPT    gates whose time is over and that %s did not close: %lld;\n"
		       "            tried again, see the log\n",
			text(o, "script"), number(o, "not_closed"));
	if (*text(o, "script") == '\0' && !json_is_true(json_object_get(o, "gate_uses_heard")))
		puts("  NOTE      another program has the log group: used gates are not noticed");
}

void control_show_metrics(const json_t *o, bool first)
{
	(void)first;
	fputs(text(o, "metrics"), stdout);
}

static const char *show_bytes(long long n, char to[32])
{
	static const char *const units[] = { "B", "kB", "MB", "GB", "TB" };
	size_t u = 0;
	for (; u + 1 < sizeof(units) / sizeof(units[0]) && n >= 10000; n /= 1000)
		u++;
	snprintf(to, 32, "%lld %s", n, units[u]);
	return to;
}

/* Below its gate: "through  Ann/VSD from 192.0.2.7:50014 to 10.0.0.8:1352, 12 kB in (3 kB/s), ..." */
static void show_relayed(const json_t *o)
{
	char in[32], out[32], in_rate[32], out_rate[32], age[TIME_TEXT_MAX],
		inner[64] = "the inner host";
	if (*text(o, "inner") != '\0')
		snprintf(inner, sizeof(inner), "%s port %lld", text(o, "inner"),
			number(o, "inner_port"));
	printf("  through %s: %s from %s:%lld to %s,\n", text(o, "service"), text(o, "name"),
		text(o, "address"), number(o, "port"), inner);
	printf("          %s in (%s/s), %s out (%s/s), for %s%s\n",
		show_bytes(number(o, "to_inner"), in),
		show_bytes(number(o, "to_inner_rate"), in_rate),
		show_bytes(number(o, "to_client"), out),
		show_bytes(number(o, "to_client_rate"), out_rate),
		show_age(number(o, "seconds"), age),
		json_is_true(json_object_get(o, "through")) ? "" : ", not connected yet");
}

void control_show_gate(const json_t *o, bool first)
{
	if (json_object_get(o, "connection") != NULL) {
		show_relayed(o);
		return;
	}
	char left[40], port[40];
	char until[TIME_TEXT_MAX];
	if (first)
		printf("%-6s %-10s %-22s %-18s %-6s  %s\n", "GRANT", "SERVICE", "FOR", "FROM",
			"KIND", "UNTIL");
	snprintf(left, sizeof(left), ", %lld left", number(o, "left"));
	snprintf(port, sizeof(port), ", from port %lld", number(o, "source_port"));
	printf("%-6lld %-10s %-22s %-18s %-6s  %s%s%s%s\n", number(o, "grant"), text(o, "service"),
		text(o, "name"), text(o, "address"), text(o, "kind"),
		when(o, "until_ms", until) + 11,
		json_is_true(json_object_get(o, "used")) ? ", used" : "",
		json_object_get(o, "left") != NULL ? left : "",
		json_object_get(o, "source_port") != NULL ? port : "");
}

void control_show_lockout(const json_t *o, bool first)
{
	char since[TIME_TEXT_MAX];
	const char *by = text(o, "by"), *why = text(o, "text");
	(void)first;
	printf("%s  %s%s%s%s%s\n", when(o, "since_ms", since), text(o, "name"),
		*by != '\0' ? ", by " : "", by, *why != '\0' ? ": " : "", why);
}

/* Columns that UTF-8 text takes, near enough. */
static size_t columns(const char *s)
{
	size_t n = 0;
	for (; *s != '\0'; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

/* Is the record about one connection, rather than about a knock or a gate? */
static bool has_connection(const char *event)
{
	return strcmp(event, "connected") == 0 || strcmp(event, "relayed") == 0 ||
		strcmp(event, "ended") == 0;
}

/* Who and what: "Admin/VSD ssh from 192.0.2.7:50014"; "" when a record is about nobody. */
static void describe(const json_t *o, char *to, size_t cap)
{
	const char *who = text(o, "name"), *what = text(o, "service"), *from = text(o, "address");
	char port[24] = "";
	/* The port a knock came from says nothing; that of a connection finds it in other logs. */
	if (json_object_get(o, "port") != NULL && has_connection(text(o, "event")))
		snprintf(port, sizeof(port), ":%lld", number(o, "port"));
	if (*from == '\0')
		from = text(o, "door");
	const char *space = *who != '\0' && *what != '\0' ? " " : "";
	const char *word = (*who != '\0' || *what != '\0') && *from != '\0' ? " from " : "";
	snprintf(to, cap, "%s%s%s%s%s%s", who, space, what, word, from, port);
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

	char about[1024];
	/* The word for programs stands in where there is no clause for people. */
	const char *note = *text(o, "text") != '\0' ? text(o, "text") : text(o, "reason");
	describe(o, about, sizeof(about));
	printf("%s  %-9s %s", strlen(at) > 11 ? at + 11 : at, text(o, "event"), about);
	if (*about != '\0' && *note != '\0')
		fputs(INDENT + columns(about) + 2 + columns(note) > WIDTH ? ",\n" INDENT_TEXT
									  : ", ",
			stdout);
	puts(note);
	if (*text(o, "list") != '\0')
		printf(INDENT_TEXT "by %s: %s\n", text(o, "list"),
			*text(o, "entry") != '\0' ? text(o, "entry") : "no entry fits");
}

/* A record and what to do about it; or, of what no record is of, what the daemon counted. */
void control_show_last(const json_t *o, bool first)
{
	const char *key;
	json_t *v, *ignored = json_object_get(o, "ignored");
	if (ignored == NULL) {
		control_show_record(o, first);
		if (*text(o, "change") != '\0')
			printf(INDENT_TEXT "to change: %s\n", text(o, "change"));
		return;
	}
	printf("no authenticated knock of %s is known; datagrams ignored since the start, from "
	       "anywhere:\n",
		text(o, "unknown"));
	json_object_foreach(ignored, key, v)
		printf("  %-18s%lld\n", key, (long long)json_integer_value(v));
	if (json_object_size(ignored) == 0)
		puts("  none");
}
