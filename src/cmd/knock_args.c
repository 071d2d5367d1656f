/*
 * From argv and a profile to struct knock_args: both give texts of the same options, the command line goes
 * first, and only then texts become fields. Invariant: a text that the effective scheme has no use for is
 * a mistake, unless the command line chose another scheme than the profile.
 */

#include "cmd/knock_args.h"

#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/knock_check.h"
#include "cmd/knock_option.h"
#include "cmd/say.h"

#define SERVICE_NAME_MAX 63
#define CIPHER_PORT_FIRST 745
#define LONG_OPTION 256

struct words {
	struct knock_value of[KNOCK_OPTION_COUNT];
};

static const char *const command_names[] = {
	[KNOCK_OPEN] = "knock",
	[KNOCK_CLOSE] = "close",
	[KNOCK_CONNECT] = "connect",
	[KNOCK_SEND] = "send",
	[KNOCK_TUNNEL] = "tunnel",
};

const char *knock_command_name(enum knock_command command)
{
	return command_names[command];
}

static bool is_given(const struct words *w, enum knock_option_id id)
{
	return w->of[id].text != NULL;
}

static bool is_on_line(const struct words *w, enum knock_option_id id)
{
	return is_given(w, id) && w->of[id].file == NULL;
}

/* ------------------------------------------------------------------ the command line */

static const struct option end_options[] = {
	{ "ipv4", no_argument, NULL, '4' },
	{ "ipv6", no_argument, NULL, '6' },
	{ "local", required_argument, NULL, 'L' },
	{ "help", no_argument, NULL, 'h' },
};

#define END_OPTIONS (sizeof(end_options) / sizeof(end_options[0]))

static bool has_letter(enum knock_command command, int letter)
{
	if (letter == 'L')
		return command == KNOCK_TUNNEL;
	return letter == 'h' || (command != KNOCK_SEND && command != KNOCK_TUNNEL);
}

static void make_options(
	enum knock_command command, struct option to[KNOCK_OPTION_COUNT + END_OPTIONS + 1])
{
	size_t count = 0;
	for (int i = 0; i < KNOCK_OPTION_COUNT; i++) {
		const struct knock_option *o = knock_option_row((enum knock_option_id)i);
		bool is_lettered = i == KNOCK_OPTION_IPV4 || i == KNOCK_OPTION_IPV6;
		if ((o->commands & command) == 0 || is_lettered)
			continue;
		to[count++] = (struct option){
			.name = o->name,
			.has_arg = o->kind == KNOCK_TAKES_NOTHING ? no_argument : required_argument,
			.val = LONG_OPTION + i,
		};
	}
	for (size_t i = 0; i < END_OPTIONS; i++)
		if (has_letter(command, end_options[i].val))
			to[count++] = end_options[i];
}

static int add_tunnel(const char *text, struct knock_args *a)
{
	struct fault f;
	if (a->tunnel_count == TUNNELS_MAX)
		return say_usage("tunnel", "more than %d tunnels; start another postern tunnel",
			TUNNELS_MAX);
	if (!through_parse_tunnel(text, &a->tunnels[a->tunnel_count], &f))
		return say_usage("tunnel", "-L %s: %s", text, f.text);
	a->tunnel_count++;
	return EXIT_DONE;
}

/* Said again it means the next edge. */
static int add_edge(const char *text, struct knock_args *a)
{
	size_t len = strlen(a->through_text), cap = sizeof(a->through_text) - len;
	int n = snprintf(a->through_text + len, cap, "%s%s", len > 0 ? "," : "", text);
	if (n < 0 || (size_t)n >= cap)
		return say_usage(command_names[a->command], "--through: the names are too long");
	return EXIT_DONE;
}

/* What may be said several times, c. EXIT_DONE, or EXIT_USAGE after saying why. */
static int add_repeated(int c, struct knock_args *a)
{
	return c == 'L' ? add_tunnel(optarg, a) : add_edge(optarg, a);
}

static int read_line(enum knock_command command, int argc, char **argv, struct words *w,
	struct knock_args *a, bool *ret_is_help)
{
	struct option options[KNOCK_OPTION_COUNT + END_OPTIONS + 1] = { 0 };
	int c;

	make_options(command, options);
	while ((c = say_next_option(command_names[command], argc, argv, options)) != -1) {
		if (c == SAY_BAD_OPTION)
			return EXIT_USAGE;
		if (c == 'h') {
			knock_help_print(command);
			*ret_is_help = true;
			return EXIT_DONE;
		}
		bool is_edge = c == LONG_OPTION + KNOCK_OPTION_THROUGH;
		if ((is_edge || c == 'L') && add_repeated(c, a) != EXIT_DONE)
			return EXIT_USAGE;
		if (c == 'L')
			continue;
		int id = c == '4' ? KNOCK_OPTION_IPV4
				  : (c == '6' ? KNOCK_OPTION_IPV6 : c - LONG_OPTION);
		w->of[id] = (struct knock_value){
			.option = knock_option_row((enum knock_option_id)id),
			.text = is_edge          ? a->through_text
				: optarg != NULL ? optarg
						 : "yes",
			.command = command,
		};
	}
	return EXIT_DONE;
}

/* HOST, and what is in the place of SERVICE, PORT or ACTION; NULL without. */
static int count_operands(enum knock_command command, int count, char **operands)
{
	const char *name = command_names[command];
	if (command == KNOCK_TUNNEL && count > 0)
		return say_usage(name, "%s: no argument is taken beside options", operands[0]);
	if (command == KNOCK_TUNNEL)
		return EXIT_DONE;
	if (count < 1)
		return say_usage(name, "which HOST?");
	if (command == KNOCK_CONNECT && count < 2)
		return say_usage(name, "which PORT of %s?", operands[0]);
	if (command == KNOCK_SEND && count < 2)
		return say_usage(name, "which ACTION of %s?", operands[0]);
	if (count > 2)
		return say_usage(name, "%s: one argument too many", operands[2]);
	if (operands[0][0] == '\0')
		return say_usage(name, "the name of the HOST is empty");
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ the profile */

/* What the command line says in another way is not taken from a profile. */
static const struct {
	enum knock_option_id said, instead;
} rivals[] = {
	{ KNOCK_OPTION_AGENT, KNOCK_OPTION_ID },
	{ KNOCK_OPTION_AGENT, KNOCK_OPTION_PASSWORD_FILE },
	{ KNOCK_OPTION_ID, KNOCK_OPTION_AGENT },
	{ KNOCK_OPTION_ID, KNOCK_OPTION_AGENT_KEY },
	{ KNOCK_OPTION_ID, KNOCK_OPTION_ALLOW_FORWARDED },
	{ KNOCK_OPTION_SEQUENCE, KNOCK_OPTION_ONE_TIME },
	{ KNOCK_OPTION_ONE_TIME, KNOCK_OPTION_SEQUENCE },
	{ KNOCK_OPTION_PAD, KNOCK_OPTION_KEY_FILE },
	{ KNOCK_OPTION_PAD, KNOCK_OPTION_IV },
	{ KNOCK_OPTION_PAD, KNOCK_OPTION_WIDE },
	{ KNOCK_OPTION_PAD, KNOCK_OPTION_RANDOM_IV },
	{ KNOCK_OPTION_KEY_FILE, KNOCK_OPTION_PAD },
	{ KNOCK_OPTION_IV, KNOCK_OPTION_RANDOM_IV },
	{ KNOCK_OPTION_RANDOM_IV, KNOCK_OPTION_IV },
	{ KNOCK_OPTION_CLOSE, KNOCK_OPTION_MINUTES },
	{ KNOCK_OPTION_CLOSE, KNOCK_OPTION_WAIT },
	{ KNOCK_OPTION_IPV4, KNOCK_OPTION_IPV6 },
	{ KNOCK_OPTION_IPV6, KNOCK_OPTION_IPV4 },
};

static bool is_replaced(const struct words *line, enum knock_option_id id)
{
	if (is_given(line, id))
		return true;
	for (size_t i = 0; i < sizeof(rivals) / sizeof(rivals[0]); i++)
		if (rivals[i].instead == id && is_given(line, rivals[i].said))
			return true;
	return false;
}

/* host and service are operands on the command line. */
static bool is_for(enum knock_option_id id, enum knock_command command)
{
	if (id == KNOCK_OPTION_HOST)
		return true;
	if (id == KNOCK_OPTION_SERVICE)
		return command == KNOCK_OPEN || command == KNOCK_CLOSE;
	/* send has no other scheme, but must see that the profile has. */
	return id == KNOCK_OPTION_SCHEME || (knock_option_row(id)->commands & command) != 0;
}

static void add_profile(const struct profile *p, const char *path, const struct words *line,
	struct words *w, enum knock_command command)
{
	for (int i = 0; i < KNOCK_OPTION_KEPT; i++) {
		enum knock_option_id id = (enum knock_option_id)i;
		const struct knock_option *o = knock_option_row(id);
		const struct profile_value *v = profile_find(p, o->name);
		if (v != NULL && is_for(id, command) && !is_replaced(line, id))
			w->of[id] = (struct knock_value){ o, v->text, path, v->line, command };
	}
}

static int read_profile(struct words *w, struct knock_args *a)
{
	struct words line = *w;
	struct fault f;
	if (profiles_load(knock_option_keys(), &a->profiles, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	const struct profile *p = profiles_find(a->profiles, a->host);
	if (p != NULL)
		add_profile(p, a->profiles->path, &line, w, a->command);
	return EXIT_DONE;
}

/* ------------------------------------------------------------------ texts to fields */

static int refuse_scheme(const struct knock_value *v, const struct knock_args *a)
{
	char for_these[KNOCK_SCHEME_TEXT_MAX], this[KNOCK_SCHEME_TEXT_MAX];
	const char *name = v->option->name;
	knock_scheme_text(v->option->schemes, for_these);
	knock_scheme_text(a->scheme, this);
	if (v->file == NULL)
		return say_usage(command_names[a->command], "--%s is for scheme %s, not for %s",
			name, for_these, this);
	say_trouble(
		"%s:%u: %s is for scheme %s, not for %s", v->file, v->line, name, for_these, this);
	return EXIT_LOCAL;
}

static int take_all(struct words *w, struct knock_args *a)
{
	bool is_other = is_on_line(w, KNOCK_OPTION_SCHEME);
	for (int i = 0; i < KNOCK_OPTION_COUNT; i++) {
		struct knock_value *v = &w->of[i];
		if (v->text == NULL)
			continue;
		bool is_fit = (v->option->schemes & a->scheme) != 0;
		if (!is_fit && v->file != NULL && is_other) {
			v->text = NULL;
			continue;
		}
		int rc = is_fit ? knock_option_take(v, a) : refuse_scheme(v, a);
		if (rc != EXIT_DONE)
			return rc;
		if (i == KNOCK_OPTION_SCHEME && a->command == KNOCK_SEND && a->scheme != KNOCK_SPA)
			return say_usage("send",
				"%s is a profile of scheme %s, in which nothing "
				"can be sent; name the host itself",
				a->host, v->text);
	}
	return EXIT_DONE;
}

/* The sequence that a profile keeps opens; sent by close it would open once more. */
static int check_closing(const struct words *w, const struct knock_args *a)
{
	if (a->command != KNOCK_CLOSE || a->scheme != KNOCK_SEQUENCE ||
		is_on_line(w, KNOCK_OPTION_SEQUENCE) || is_on_line(w, KNOCK_OPTION_ONE_TIME))
		return EXIT_DONE;
	return say_usage("close",
		"which sequence closes? that of a profile opens; say --sequence, or knock a "
		"profile of its own for closing");
}

/* ------------------------------------------------------------------ the service */

__attribute__((format(printf, 2, 3))) static int bad_operand(
	const struct knock_value *v, const char *fmt, ...)
{
	char why[FAULT_MAX];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (v->file == NULL)
		return say_usage(command_names[v->command], "%s", why);
	say_trouble("%s:%u: service: %s", v->file, v->line, why);
	return EXIT_LOCAL;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= SERVICE_NAME_MAX &&
		strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

static int take_action(const struct knock_value *v, struct knock_args *a)
{
	if (!is_name(v->text))
		return bad_operand(
			v, "%s: not an action; its name has 1 to 63 of a-z, 0-9 and -", v->text);
	a->service = v->text;
	return EXIT_DONE;
}

static int take_port(
	const struct knock_value *v, const char *proto, const char *text, uint16_t *ret)
{
	if (say_parse_port(text, ret))
		return EXIT_DONE;
	return bad_operand(v, "%s%s: not a port; write a number from 1 to 65535", proto, text);
}

/* "6000", or "6000-6010" for all of these. */
static int take_ports(
	const struct knock_value *v, const char *proto, const char *text, struct knock_args *a)
{
	char first[8];
	const char *dash = strchr(text, '-');
	size_t len = dash != NULL ? (size_t)(dash - text) : 0;
	if (dash == NULL || len >= sizeof(first))
		return take_port(v, proto, text, &a->service_port);
	memcpy(first, text, len);
	first[len] = '\0';
	int rc = take_port(v, proto, first, &a->service_port);
	if (rc == EXIT_DONE)
		rc = take_port(v, proto, dash + 1, &a->service_port_last);
	if (rc == EXIT_DONE && a->service_port_last <= a->service_port)
		return bad_operand(v, "%s%s: write the lower port first", proto, text);
	return rc;
}

/* "ssh", or "tcp/22" for a port whatever its name. */
static int take_service(const struct knock_value *v, struct knock_args *a)
{
	const char *text = v->text;
	a->service = NULL;
	if (strncmp(text, "tcp/", 4) == 0 || strncmp(text, "udp/", 4) == 0) {
		a->proto = text[0] == 't' ? IPPROTO_TCP : IPPROTO_UDP;
		return take_ports(v, text[0] == 't' ? "tcp/" : "udp/", text + 4, a);
	}
	if (!is_name(text))
		return bad_operand(
			v, "%s: not a service; write its name (a-z, 0-9 and -) or tcp/PORT", text);
	a->service = text;
	return EXIT_DONE;
}

/* The operand, or what the profile has instead of it. */
static int take_wanted(struct words *w, const char *operand, struct knock_args *a)
{
	struct knock_value v = { .text = operand, .command = a->command };
	bool is_numbered = a->scheme == KNOCK_STRUCTURED || a->scheme == KNOCK_CIPHER;
	bool has_port = is_numbered && is_given(w, KNOCK_OPTION_PORT);

	if (operand == NULL) {
		/* The port is said already. */
		if (!is_given(w, KNOCK_OPTION_SERVICE) || has_port) {
			a->service = NULL;
			return EXIT_DONE;
		}
		return a->is_probe ? EXIT_DONE : take_service(&w->of[KNOCK_OPTION_SERVICE], a);
	}
	if (a->command == KNOCK_SEND)
		return take_action(&v, a);
	if (is_numbered && is_on_line(w, KNOCK_OPTION_PORT))
		return bad_operand(&v, "--port says which service; leave %s out", operand);
	if (a->command == KNOCK_CONNECT) {
		a->proto = IPPROTO_TCP;
		return take_port(&v, "", operand, &a->service_port);
	}
	if (a->is_probe)
		return bad_operand(&v, "--probe asks for no service; leave %s out", operand);
	return take_service(&v, a);
}

/* ------------------------------------------------------------------ the whole */

/* What a profile is made of that --save writes. Files keep the names they were given, until then. */
static void note_saved(const struct words *w, const char *service, struct knock_args *a)
{
	struct profile *p = &a->saved;
	_Static_assert(KNOCK_OPTION_KEPT <= PROFILE_VALUES_MAX, "every option fits a profile");
	p->name = a->save;
	p->values[p->count++] = (struct profile_value){ "host", a->host, 0 };
	for (int i = 0; i < KNOCK_OPTION_KEPT; i++) {
		const struct knock_value *v = &w->of[i];
		const char *text = i == KNOCK_OPTION_SERVICE && service != NULL ? service : v->text;
		if (text == NULL || i == KNOCK_OPTION_HOST)
			continue;
		const char *key = knock_option_row((enum knock_option_id)i)->name;
		p->values[p->count++] = (struct profile_value){ key, text, 0 };
	}
}

int knock_args_save(const struct knock_args *a)
{
	struct fault f;
	if (a->save == NULL || profile_file_add(&a->saved, knock_option_keys(), &f) == 0)
		return EXIT_DONE;
	say_trouble("%s", f.text);
	return EXIT_LOCAL;
}

/* Tunnels have no operands, and with them no profile. */
static int parse_tunnels(struct words *w, struct knock_args *a)
{
	int rc = take_all(w, a);
	if (rc == EXIT_DONE)
		rc = knock_check(a, NULL);
	if (rc == EXIT_DONE && a->through.count == 0)
		return say_usage("tunnel", "through which edge? say --through EDGE");
	if (rc == EXIT_DONE && a->tunnel_count == 0)
		return say_usage("tunnel", "from where to where? say -L PORT:HOST:PORT");
	a->host = a->through.edges[0].host;
	return rc;
}

int knock_args_parse(enum knock_command command, int argc, char **argv, struct knock_args *ret,
	bool *ret_is_help)
{
	struct words w = { 0 };

	*ret = (struct knock_args){
		.command = command,
		.scheme = KNOCK_SPA,
		.classic = {
			.port_first = CIPHER_PORT_FIRST,
			.hmac = CONFIG_HMAC_SHA256,
			.mode = CONFIG_AES_CBC,
			.delay_ms = KNOCK_DELAY_USUAL,
		},
	};
	*ret_is_help = false;
	int rc = read_line(command, argc, argv, &w, ret, ret_is_help);
	if (rc != EXIT_DONE || *ret_is_help)
		return rc;
	rc = count_operands(command, argc - optind, argv + optind);
	if (rc != EXIT_DONE)
		return rc;
	if (command == KNOCK_TUNNEL)
		return parse_tunnels(&w, ret);
	ret->host = argv[optind];
	const char *second = argc - optind == 2 ? argv[optind + 1] : NULL;
	rc = read_profile(&w, ret);
	if (rc == EXIT_DONE)
		rc = take_all(&w, ret);
	if (rc == EXIT_DONE)
		rc = check_closing(&w, ret);
	if (rc == EXIT_DONE)
		rc = take_wanted(&w, second, ret);
	if (rc == EXIT_DONE)
		rc = knock_check(ret, second);
	if (rc == EXIT_DONE)
		note_saved(&w, second, ret);
	return rc;
}

void knock_args_free(struct knock_args *a)
{
	profiles_free(a->profiles);
	a->profiles = NULL;
}
