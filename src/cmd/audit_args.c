/* Options of postern audit. Invariant: what is parsed here can be run; a wrong word ends it before any packet. */

#include "cmd/audit_args.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "cmd/commands.h"
#include "cmd/say.h"

#define NAME "audit"
#define LIST_LEN_MAX ((size_t)64 << 20)
#define CONCURRENCY_MAX 64
#define RATE_MAX 10000

static const char help[] =
	"usage: postern audit TARGET... [options]\n"
	"       postern audit stealth HOST --ports LIST [options]\n"
	"\n"
	"Says which protocols and suites TLS and STARTTLS servers accept, with which\n"
	"certificates, what is weak about it, and what their mail domains promise.\n"
	"A TARGET is a host (its mail gateways, else port 443), host:port, smtp://host\n"
	"(imap, pop3, ftp, ldap, xmpp, ...), or a mail address.\n"
	"\n"
	"  --file LIST         targets, one a line; - reads them from standard input\n"
	"  --profile P         what counts as wrong: mail, web, rfc9325, bsi-tr-02102-2,\n"
	"                      ncsc-nl-2025, mozilla-intermediate, pci-dss-4, or a file\n"
	"                      (default: mail where STARTTLS is, else web)\n"
	"  --ca FILE           whom to believe (default: the system's certifiers)\n"
	"  --json, --jsonl, --csv\n"
	"                      print that instead of text\n"
	"  --html FILE         write a page as well\n"
	"  --compare OLD.json  say what has changed since that report\n"
	"  --fail-on SEVERITY  exit with 1 from this on: info, low, medium, high (the\n"
	"                      default), critical, off\n"
	"  --deadline TIME     give up what is not done then (default 60s; 0: never)\n"
	"  --rate N            at most N new connections a second to one service\n"
	"  --concurrency N     at most N connections at a time to one service (default 8)\n"
	"  --polite            fewer at a time, and say QUIT\n"
	"  --ehlo NAME         our name for SMTP (default: this host's)\n"
	"  --starttls PROTO    how TLS begins at targets that do not say: smtp, imap, ...\n"
	"  --order             ask for the full order of suites, also where it costs much\n"
	"  --no-probes         only handshakes: no Heartbleed, CCS, ROBOT and injection\n"
	"  --no-policy         no DANE, MTA-STS, TLS-RPT and CAA look-ups\n"
	"  --resolver ADDR     name server to ask (default: the system's)\n"
	"  -4, -6              only addresses of this kind\n"
	"  --classic           spell as in 2011: Prefered\n"
	"  --quiet             no progress line\n"
	"\n"
	"Exit codes: 0 done, 1 a finding reaches --fail-on, 2 usage, 3 nothing answered,\n"
	"4 trouble on this machine.\n";

enum {
	OPT_FILE = 256,
	OPT_PROFILE,
	OPT_CA,
	OPT_JSON,
	OPT_JSONL,
	OPT_CSV,
	OPT_HTML,
	OPT_COMPARE,
	OPT_FAIL_ON,
	OPT_DEADLINE,
	OPT_RATE,
	OPT_CONCURRENCY,
	OPT_POLITE,
	OPT_EHLO,
	OPT_STARTTLS,
	OPT_ORDER,
	OPT_NO_PROBES,
	OPT_NO_POLICY,
	OPT_RESOLVER,
	OPT_CLASSIC,
	OPT_QUIET,
};

static const struct option options[] = {
	{ "file", required_argument, NULL, OPT_FILE },
	{ "profile", required_argument, NULL, OPT_PROFILE },
	{ "ca", required_argument, NULL, OPT_CA },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "jsonl", no_argument, NULL, OPT_JSONL },
	{ "csv", no_argument, NULL, OPT_CSV },
	{ "html", required_argument, NULL, OPT_HTML },
	{ "compare", required_argument, NULL, OPT_COMPARE },
	{ "fail-on", required_argument, NULL, OPT_FAIL_ON },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "concurrency", required_argument, NULL, OPT_CONCURRENCY },
	{ "polite", no_argument, NULL, OPT_POLITE },
	{ "ehlo", required_argument, NULL, OPT_EHLO },
	{ "starttls", required_argument, NULL, OPT_STARTTLS },
	{ "order", no_argument, NULL, OPT_ORDER },
	{ "no-probes", no_argument, NULL, OPT_NO_PROBES },
	{ "no-policy", no_argument, NULL, OPT_NO_POLICY },
	{ "resolver", required_argument, NULL, OPT_RESOLVER },
	{ "classic", no_argument, NULL, OPT_CLASSIC },
	{ "quiet", no_argument, NULL, OPT_QUIET },
	{ "4", no_argument, NULL, '4' },
	{ "6", no_argument, NULL, '6' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static bool add_input(struct audit_args *a, const struct audit_input *in)
{
	if (a->input_count == a->input_cap) {
		size_t cap = a->input_cap == 0 ? 16 : 2 * a->input_cap;
		struct audit_input *more = reallocarray(a->inputs, cap, sizeof(*more));
		if (more == NULL)
			return false;
		a->inputs = more;
		a->input_cap = cap;
	}
	a->inputs[a->input_count++] = *in;
	return true;
}

/* A bare host is that service when --starttls says which. */
static void use_starttls(struct audit_args *a)
{
	for (size_t i = 0; a->has_starttls && i < a->input_count; i++) {
		struct audit_input *in = &a->inputs[i];
		if (in->kind == AUDIT_INPUT_MAIL || strstr(in->given, "://") != NULL)
			continue;
		if (in->kind == AUDIT_INPUT_HOST || strstr(in->given, ":") == NULL)
			in->port = audit_starttls_port(a->starttls);
		in->kind = AUDIT_INPUT_SERVICE;
		in->starttls = a->starttls;
	}
}

static void on_input(void *arg, const struct audit_input *in)
{
	struct audit_args *a = arg;
	if (!add_input(a, in))
		a->wrong++;
}

static void on_wrong(void *arg, const char *why)
{
	struct audit_args *a = arg;
	a->wrong++;
	say_trouble("%s", why);
}

static int take_file(struct audit_args *a, const char *path)
{
	struct audit_input_calls calls = { .input = on_input, .wrong = on_wrong, .arg = a };
	struct fault f;
	uint8_t *text = NULL;
	size_t len = 0;
	const char *name = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
	if (file_read(name, FILE_ANY, LIST_LEN_MAX, &text, &len, &f) < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	audit_input_list(path, span_of(text, len), &calls);
	free(text);
	return a->wrong == 0 ? EXIT_DONE : EXIT_USAGE;
}

static int take_form(struct audit_args *a, enum audit_form form)
{
	if (a->form != AUDIT_FORM_TEXT && a->form != form)
		return say_usage(NAME, "--json, --jsonl and --csv are three forms; choose one");
	a->form = form;
	return EXIT_DONE;
}

static int take_number(const char *option, unsigned long max, uint32_t *ret)
{
	unsigned long v = 0;
	if (!say_parse_number(optarg, max, &v))
		return say_usage(NAME, "%s %s: not a number from 1 to %lu", option, optarg, max);
	*ret = (uint32_t)v;
	return EXIT_DONE;
}

static bool is_ehlo(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len <= AUDIT_HOST_MAX &&
		strspn(text,
			"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.:[]_") ==
		len;
}

static int take_word(struct audit_args *a, int c)
{
	switch (c) {
	case OPT_FAIL_ON:
		if (!audit_severity_parse(optarg, &a->fail_on))
			return say_usage(NAME,
				"--fail-on %s: write info, low, medium, high, critical or off",
				optarg);
		return EXIT_DONE;
	case OPT_DEADLINE:
		if (duration_parse(optarg, &a->run.deadline_s) != 0)
			return say_usage(
				NAME, "--deadline %s: not a time; write 60s or 5m", optarg);
		return EXIT_DONE;
	case OPT_EHLO:
		if (!is_ehlo(optarg))
			return say_usage(NAME, "--ehlo %s: not a host name", optarg);
		snprintf(a->ehlo, sizeof(a->ehlo), "%s", optarg);
		return EXIT_DONE;
	case OPT_STARTTLS:
		if (!audit_starttls_parse(optarg, &a->starttls))
			return say_usage(NAME,
				"--starttls %s: write smtp, lmtp, imap, pop3, ftp, ldap, xmpp, "
				"xmpp-server, postgres, mysql, nntp, sieve, irc or direct",
				optarg);
		a->has_starttls = true;
		return EXIT_DONE;
	default:
		return EXIT_USAGE;
	}
}

static int take_option(struct audit_args *a, int c)
{
	switch (c) {
	case OPT_FILE:
		return take_file(a, optarg);
	case OPT_PROFILE:
		a->profile = optarg;
		break;
	case OPT_CA:
		a->ca = a->domain.sts_ca = optarg;
		break;
	case OPT_JSON:
		return take_form(a, AUDIT_FORM_JSON);
	case OPT_JSONL:
		return take_form(a, AUDIT_FORM_JSONL);
	case OPT_CSV:
		return take_form(a, AUDIT_FORM_CSV);
	case OPT_HTML:
		a->html = optarg;
		break;
	case OPT_COMPARE:
		a->compare = optarg;
		break;
	case OPT_RATE:
		return take_number("--rate", RATE_MAX, &a->run.rate);
	case OPT_CONCURRENCY:
		return take_number("--concurrency", CONCURRENCY_MAX, &a->run.concurrency_max);
	case OPT_POLITE:
		a->run.is_polite = true;
		break;
	case OPT_ORDER:
		a->run.wants_order = true;
		break;
	case OPT_NO_PROBES:
		a->run.has_probes = false;
		break;
	case OPT_NO_POLICY:
		a->domain.has_policy = false;
		break;
	case OPT_RESOLVER:
		a->domain.resolver = optarg;
		break;
	case '4':
		a->domain.is_v4_only = true;
		break;
	case '6':
		a->domain.is_v6_only = true;
		break;
	case OPT_CLASSIC:
		a->is_classic = true;
		break;
	case OPT_QUIET:
		a->is_quiet = true;
		break;
	default:
		return take_word(a, c);
	}
	return EXIT_DONE;
}

/*
 * Servers want a name with a dot. The hosts file may know it; name servers are not asked, as that may take
 * longer than the audit.
 */
static void set_ehlo(struct audit_args *a)
{
	char name[AUDIT_HOST_MAX + 1] = "";
	struct hostent *h;
	a->run.ehlo = a->ehlo;
	if (a->ehlo[0] != '\0')
		return;
	if (gethostname(name, sizeof(name) - 1) < 0 || !is_ehlo(name))
		snprintf(name, sizeof(name), "localhost");
	sethostent(0);
	while (strchr(name, '.') == NULL && (h = gethostent()) != NULL) {
		bool is_ours = strcmp(h->h_name, name) == 0;
		for (char **alias = h->h_aliases; *alias != NULL; alias++)
			is_ours = is_ours || strcmp(*alias, name) == 0;
		if (is_ours && strchr(h->h_name, '.') != NULL && is_ehlo(h->h_name))
			snprintf(name, sizeof(name), "%s", h->h_name);
	}
	endhostent();
	if (strchr(name, '.') != NULL)
		snprintf(a->ehlo, sizeof(a->ehlo), "%s", name);
	else
		snprintf(a->ehlo, sizeof(a->ehlo), "%.200s.localdomain", name);
}

static int take_operands(struct audit_args *a, int count, char **operands)
{
	char why[256];
	struct audit_input in;
	for (int i = 0; i < count; i++) {
		if (!audit_input_parse(operands[i], &in, why))
			return say_usage(NAME, "%s", why);
		if (!add_input(a, &in)) {
			say_trouble("no memory for so many targets");
			return EXIT_LOCAL;
		}
	}
	if (a->input_count == 0)
		return say_usage(NAME, "which TARGET?");
	if (a->domain.is_v4_only && a->domain.is_v6_only)
		return say_usage(NAME, "-4 and -6 leave nothing; choose one");
	return EXIT_DONE;
}

int audit_args_parse(int argc, char **argv, struct audit_args *ret, bool *ret_is_help)
{
	int c, rc = EXIT_DONE;
	*ret = (struct audit_args){
		.run = audit_run_defaults(), .domain.has_policy = true, .fail_on = AUDIT_HIGH
	};
	*ret_is_help = false;
	while (rc == EXIT_DONE && (c = say_next_option(NAME, argc, argv, options)) != -1) {
		if (c == 'h') {
			fputs(help, stdout);
			*ret_is_help = true;
			return EXIT_DONE;
		}
		rc = c == SAY_BAD_OPTION ? EXIT_USAGE : take_option(ret, c);
	}
	if (rc == EXIT_DONE)
		rc = take_operands(ret, argc - optind, argv + optind);
	if (rc == EXIT_DONE) {
		use_starttls(ret);
		set_ehlo(ret);
	}
	return rc;
}

void audit_args_deinit(struct audit_args *a)
{
	free(a->inputs);
	a->inputs = NULL;
}

size_t audit_args_ports(const char *text, uint16_t *to, size_t cap)
{
	size_t n = 0;
	while (*text != '\0') {
		char word[16], *dash;
		size_t len = strcspn(text, ",");
		uint16_t first, last;
		if (len == 0 || len >= sizeof(word))
			return 0;
		memcpy(word, text, len);
		word[len] = '\0';
		dash = strchr(word, '-');
		if (dash != NULL)
			*dash = '\0';
		if (!say_parse_port(word, &first))
			return 0;
		last = first;
		if (dash != NULL && (!say_parse_port(dash + 1, &last) || last < first))
			return 0;
		for (unsigned p = first; p <= last; p++) {
			if (n == cap)
				return 0;
			to[n++] = (uint16_t)p;
		}
		text += len;
		if (*text == ',' && *++text == '\0')
			return 0;
	}
	return n;
}

void audit_args_unresolved(const char *given, const char *error)
{
	size_t len = strlen(given);
	if (strncmp(error, given, len) == 0 && error[len] == ':')
		say_trouble("%s", error);
	else
		say_trouble("%s: %s", given, error);
}
