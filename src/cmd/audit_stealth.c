/* postern audit stealth: each address of a host, each port of the lists, as a stranger sees them. */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "audit/stealth.h"
#include "base/clock.h"
#include "cmd/audit_args.h"
#include "cmd/commands.h"
#include "cmd/say.h"

#define NAME "audit stealth"
#define ADDRESSES_MAX 32
#define PUBLIC_MAX 64

static const char help[] =
	"usage: postern audit stealth HOST --ports LIST [--udp LIST] [options]\n"
	"\n"
	"Says what a stranger sees of ports that should not be seen, at every address of\n"
	"HOST: silent, open, refuses (a reset) or unreachable (ICMP). Ports that nobody\n"
	"uses are tried as well: a silence that stands out is none. Needs no privilege;\n"
	"takes about five seconds.\n"
	"\n"
	"  --ports LIST        TCP ports: 22,8000-8010\n"
	"  --udp LIST          UDP ports\n"
	"  --public LIST       ports that may be open: the names in their certificates\n"
	"                      are listed, as they may tell of what is guarded\n"
	"  --wait TIME         how long to wait for an answer, twice (default 2s)\n"
	"  --resolver ADDR     name server to ask (default: the system's)\n"
	"  -4, -6              only addresses of this kind\n"
	"  --json              print JSON\n"
	"\n"
	"Exit codes: 0 every port is silent, 1 some are not, 2 usage, 3 the name does not\n"
	"resolve, 4 trouble on this machine.\n";

enum { OPT_PORTS = 256, OPT_UDP, OPT_PUBLIC, OPT_WAIT, OPT_RESOLVER, OPT_JSON };

static const struct option options[] = {
	{ "ports", required_argument, NULL, OPT_PORTS },
	{ "udp", required_argument, NULL, OPT_UDP },
	{ "public", required_argument, NULL, OPT_PUBLIC },
	{ "wait", required_argument, NULL, OPT_WAIT },
	{ "resolver", required_argument, NULL, OPT_RESOLVER },
	{ "4", no_argument, NULL, '4' },
	{ "6", no_argument, NULL, '6' },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

struct stealth {
	struct audit_domain_options domain;
	struct audit_stealth_options look;
	uv_loop_t *loop; /* while the name is looked up */
	struct audit_input input;
	bool is_json;
	struct audit_stealth_view *ports; /* the ports asked for, as a form for each address */
	size_t public_count;
	uint16_t public[PUBLIC_MAX];
	size_t target_count;
	struct audit_target targets[ADDRESSES_MAX];
	char error[AUDIT_WORDS_MAX + 1];
};

static int take_ports(struct stealth *s, const char *option, bool is_udp)
{
	uint16_t ports[AUDIT_STEALTH_PORTS_MAX];
	struct audit_stealth_view *v = s->ports;
	size_t room = AUDIT_STEALTH_PORTS_MAX - 2 * AUDIT_STEALTH_OTHERS - v->port_count;
	size_t n = audit_args_ports(optarg, ports, room);
	if (n == 0)
		return say_usage(NAME,
			"--%s %s: not a list of ports like 22,8000-8010, or more than %zu", option,
			optarg, room);
	for (size_t i = 0; i < n; i++)
		v->ports[v->port_count++] =
			(struct audit_stealth_port){ .port = ports[i], .is_udp = is_udp };
	return EXIT_DONE;
}

static int take_option(struct stealth *s, int c)
{
	uint32_t wait_s = 0;
	switch (c) {
	case OPT_PORTS:
		return take_ports(s, "ports", false);
	case OPT_UDP:
		return take_ports(s, "udp", true);
	case OPT_PUBLIC:
		s->public_count = audit_args_ports(optarg, s->public, PUBLIC_MAX);
		if (s->public_count == 0)
			return say_usage(NAME, "--public %s: not a list of ports", optarg);
		break;
	case OPT_WAIT:
		if (duration_parse(optarg, &wait_s) != 0 || wait_s == 0 || wait_s > 60)
			return say_usage(NAME, "--wait %s: write 1s to 60s", optarg);
		s->look.wait_ms = wait_s * 1000;
		break;
	case OPT_RESOLVER:
		s->domain.resolver = optarg;
		break;
	case '4':
		s->domain.is_v4_only = true;
		break;
	case '6':
		s->domain.is_v6_only = true;
		break;
	case OPT_JSON:
		s->is_json = true;
		break;
	default:
		return EXIT_USAGE;
	}
	return EXIT_DONE;
}

static int parse(struct stealth *s, int argc, char **argv, bool *ret_is_help)
{
	int c, rc = EXIT_DONE;
	char why[256];
	while (rc == EXIT_DONE && (c = say_next_option(NAME, argc, argv, options)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			*ret_is_help = true;
			return EXIT_DONE;
		}
		rc = c == SAY_BAD_OPTION ? EXIT_USAGE : take_option(s, c);
	}
	if (rc != EXIT_DONE)
		return rc;
	if (argc - optind != 1)
		return say_usage(NAME, argc == optind ? "which HOST?" : "one HOST, no more");
	if (s->ports->port_count == 0)
		return say_usage(NAME, "which ports? Say --ports LIST or --udp LIST");
	if (!audit_input_parse(argv[optind], &s->input, why))
		return say_usage(NAME, "%s", why);
	/* Its own addresses, not those of its mail. */
	s->input.kind = AUDIT_INPUT_SERVICE;
	s->input.starttls = AUDIT_DIRECT;
	if (s->input.port == 0)
		s->input.port = 443;
	return EXIT_DONE;
}

static void on_resolved(void *arg, const struct audit_resolved *r)
{
	struct stealth *s = arg;
	if (r->error != NULL)
		snprintf(s->error, sizeof(s->error), "%s", r->error);
	for (size_t i = 0; i < r->target_count && s->target_count < ADDRESSES_MAX; i++)
		s->targets[s->target_count++] = r->targets[i];
	uv_stop(s->loop);
}

static int resolve(struct stealth *s)
{
	uv_loop_t loop;
	char why[256];
	if (uv_loop_init(&loop) < 0) {
		say_trouble("no event loop: out of descriptors or memory");
		return EXIT_LOCAL;
	}
	s->loop = &loop;
	int rc = EXIT_LOCAL;
	struct audit_resolver *resolver = audit_resolver_new(&loop, &s->domain, why);
	if (resolver == NULL) {
		say_trouble("%s", why);
	} else if (audit_resolve(resolver, &s->input, on_resolved, s) < 0) {
		say_trouble("no memory to look up %s", s->input.host);
	} else {
		uv_run(&loop, UV_RUN_DEFAULT);
		rc = s->target_count > 0 ? EXIT_DONE : EXIT_SILENT;
		if (rc == EXIT_SILENT)
			audit_args_unresolved(s->input.given,
				s->error[0] != '\0' ? s->error : "it has no address");
	}
	audit_resolver_free(resolver);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	return rc;
}

/* The names in the certificates of one address. Those that it was asked by are no news. */
static int read_names(const struct stealth *s, const struct audit_stealth_view *v,
	struct audit_stealth_names **ret, size_t *ret_count)
{
	uint16_t ports[PUBLIC_MAX];
	struct audit_target targets[PUBLIC_MAX];
	size_t n = 0;
	for (size_t i = 0; i < s->public_count; i++)
		ports[n++] = s->public[i];
	for (size_t i = 0; i < v->port_count && n < PUBLIC_MAX; i++)
		if (!v->ports[i].is_udp && v->ports[i].sight == AUDIT_SIGHT_OPEN)
			ports[n++] = v->ports[i].port;
	for (size_t i = 0; i < n; i++) {
		targets[i] = (struct audit_target){ .addr = v->addr,
			.port = ports[i],
			.starttls = audit_starttls_of_port(ports[i]) };
		if (!s->input.is_address)
			snprintf(targets[i].host, sizeof(targets[i].host), "%s", s->input.host);
	}
	*ret_count = n;
	*ret = calloc(n + 1, sizeof(**ret));
	return *ret != NULL ? audit_stealth_read_names(targets, n, *ret) : -ENOMEM;
}

static void print_names(const struct audit_stealth_names *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i].count == 0)
			continue;
		printf("  the certificate of tcp/%u names", (unsigned)names[i].port);
		for (size_t k = 0; k < names[i].count; k++)
			printf("%s %s", k > 0 ? "," : "", names[i].names[k]);
		putchar('\n');
	}
}

static json_t *names_json(const struct audit_stealth_names *names, size_t count)
{
	json_t *all = json_array();
	for (size_t i = 0; all != NULL && i < count; i++) {
		json_t *list = json_array();
		for (size_t k = 0; list != NULL && k < names[i].count; k++)
			json_array_append_new(list, json_string(names[i].names[k]));
		json_array_append_new(
			all, json_pack("{s:i, s:o}", "port", (int)names[i].port, "names", list));
	}
	return all;
}

/* One address. Returns an exit code. */
static int look(struct stealth *s, const struct addr *at, json_t *all)
{
	struct audit_stealth_names *names = NULL;
	size_t name_count = 0;
	int rc = EXIT_LOCAL;
	struct audit_stealth_view *v = malloc(sizeof(*v));
	if (v == NULL)
		goto out;
	*v = *s->ports;
	v->addr = *at;
	audit_stealth_add_others(v, randombytes_uniform(31000));
	int error = audit_stealth_look(at, v->ports, v->port_count, &s->look);
	if (error < 0) {
		say_trouble("%s", strerror(-error));
		goto out;
	}
	if (read_names(s, v, &names, &name_count) < 0)
		goto out;
	if (all != NULL) {
		json_t *o = audit_stealth_json(s->input.given, v);
		json_object_set_new(o, "certificates", names_json(names, name_count));
		json_array_append_new(all, o);
	} else {
		audit_stealth_print(stdout, s->input.given, v);
		print_names(names, name_count);
	}
	struct audit_stealth_verdict d = audit_stealth_judge(v);
	rc = d.is_untried ? EXIT_LOCAL : d.is_silent ? EXIT_DONE : EXIT_REFUSED;
	for (size_t i = AUDIT_SIGHT_OPEN; i <= AUDIT_SIGHT_UNREACHABLE; i++)
		if (d.counts[i] > 0)
			rc = EXIT_REFUSED;
out:
	free(names);
	free(v);
	return rc;
}

/* What is worst over all addresses: seen, then not tried. */
static int look_at_all(struct stealth *s)
{
	int worst = EXIT_DONE;
	json_t *all = s->is_json ? json_array() : NULL;
	for (size_t i = 0; i < s->target_count; i++) {
		int rc = look(s, &s->targets[i].addr, all);
		if (rc == EXIT_REFUSED || (rc == EXIT_LOCAL && worst == EXIT_DONE))
			worst = rc;
	}
	if (all != NULL) {
		json_dumpf(all, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(all);
	}
	return worst;
}

int audit_stealth_command(int argc, char **argv)
{
	struct stealth *s = calloc(1, sizeof(*s));
	bool is_help = false;
	int rc = EXIT_LOCAL;
	if (s == NULL || (s->ports = calloc(1, sizeof(*s->ports))) == NULL) {
		say_trouble("no memory");
		goto out;
	}
	s->look.wait_ms = 2000;
	rc = parse(s, argc, argv, &is_help);
	if (rc == EXIT_DONE && !is_help)
		rc = resolve(s);
	if (rc == EXIT_DONE && !is_help)
		rc = look_at_all(s);
out:
	if (s != NULL)
		free(s->ports);
	free(s);
	return rc;
}
