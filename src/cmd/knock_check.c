/* What must be said in each scheme, and what must not be said together. */

#include "cmd/knock_check.h"

#include <netinet/in.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/say.h"
#include "knock/structured.h"

#define CIPHER_PORT_MAX 255 /* one byte says it */
#define MINUTES 10          /* the least a structured sequence can ask for */

/*
 * Between the knocks of a sequence. Their order is the message, and each may take another way through the
 * network (routers choose by the ports): ways differ by a few milliseconds, a wireless hop that sends
 * again by some ten.
 */
#define DELAY_MS 50

/* An ID is a file with a password, or a key in an agent. */
static int check_spa(struct knock_args *a)
{
	const char *name = knock_command_name(a->command);
	if (a->prefix != 0 && a->address == NULL)
		return say_usage(name, "--prefix is of an address; say --address ADDR as well");
	if (a->prefix != 0 && a->source_port != 0)
		return say_usage(name, "a network has no one port; leave --source-port out");
	if (a->is_agent && a->id != NULL)
		return say_usage(name, "--agent and --id are two identities; choose one");
	if (a->is_agent && a->password_file != NULL)
		return say_usage(name, "--agent needs no password; leave --password-file out");
	if (a->is_agent && a->identity == POSTERN_IDENTITY_CHAIN)
		return say_usage(
			name, "a key in an agent has no certificates; leave --identity out");
	if (!a->is_agent && (a->agent_key != NULL || a->may_forward))
		return say_usage(name, "%s is about an agent; say --agent as well",
			a->agent_key != NULL ? "--agent-key" : "--allow-forwarded");
	return EXIT_DONE;
}

static int check_sequence(struct knock_args *a)
{
	const struct knock_classic *c = &a->classic;
	const char *name = knock_command_name(a->command);
	if (c->sequence == NULL && c->one_time == NULL)
		return say_usage(name, "which sequence? say --sequence PORTS or --one-time FILE");
	if (c->sequence != NULL && c->one_time != NULL)
		return say_usage(name, "--sequence and --one-time are two; choose one");
	return EXIT_DONE;
}

static int check_numbered(struct knock_args *a, unsigned max)
{
	const char *name = knock_command_name(a->command);
	if (a->service_port == 0)
		return say_usage(name, "which service? say its --port");
	if (a->proto != IPPROTO_TCP)
		return say_usage(name,
			"a sequence cannot say udp; leave the protocol to the server "
			"and say --port");
	if (a->service_port > max)
		return say_usage(name, "port %u: such a sequence can say ports up to %u%s",
			(unsigned)a->service_port, max,
			a->scheme == KNOCK_CIPHER ? "; --wide says all, if the server has it too"
						  : "");
	if (a->classic.is_close && a->classic.has_minutes)
		return say_usage(name, "--close and --minutes are two; choose one");
	if (!a->classic.has_minutes)
		a->classic.minutes = MINUTES;
	return EXIT_DONE;
}

static int check_structured(struct knock_args *a)
{
	return check_numbered(a, STRUCTURED_PORT_MAX);
}

static int check_cipher(struct knock_args *a)
{
	const struct knock_classic *c = &a->classic;
	const char *name = knock_command_name(a->command);
	bool is_wide = c->is_wide || c->pad != NULL;
	if (c->key_file == NULL && c->pad == NULL)
		return say_usage(name, "which key? say --key-file FILE or --pad FILE");
	if (c->key_file != NULL && c->pad != NULL)
		return say_usage(name, "--key-file and --pad are two; choose one");
	if (c->pad != NULL && (c->has_iv || c->is_random_iv || c->is_wide))
		return say_usage(name, "a pad has no %s; leave it out",
			c->is_wide ? "--wide: it is so already" : "IV");
	if (c->has_iv && c->is_random_iv)
		return say_usage(name, "--iv and --random-iv are two; choose one");
	if (c->pad == NULL && !c->has_iv && !c->is_random_iv)
		return say_usage(name, "which IV? say --iv, the server's, or --random-iv");
	if (c->pad != NULL && a->is_dry_run)
		return say_usage(name,
			"to show a knock is to use up its part of the pad; leave "
			"--dry-run out");
	if (c->allow == KNOCK_ALLOW_GIVEN && !addr_is_v4(&c->allowed) && !c->is_wide)
		return say_usage(name, "such a sequence can say IPv4 addresses only%s",
			c->pad == NULL ? "; --wide says IPv6 too, if the server has it" : "");
	return check_numbered(a, is_wide ? UINT16_MAX : CIPHER_PORT_MAX);
}

static int check_tagged(struct knock_args *a)
{
	const struct knock_classic *c = &a->classic;
	const char *name = knock_command_name(a->command);
	if (c->key_file == NULL)
		return say_usage(name, "which key? say --key-file FILE");
	if (!c->is_close && !c->has_service_slot)
		return say_usage(name,
			"which service? say --service-slot N, its place in the "
			"server's list, from 0");
	return EXIT_DONE;
}

static int check_fwknop(struct knock_args *a)
{
	struct knock_classic *c = &a->classic;
	const char *name = knock_command_name(a->command);
	if (a->command == KNOCK_CLOSE)
		return say_usage(
			name, "scheme fwknop cannot close; what it opened closes by itself");
	if (c->key_file == NULL)
		return say_usage(name, "which keys? say --key-file FILE");
	if (c->access_count == 0 && a->service_port != 0)
		c->accesses[c->access_count++] =
			(struct fwknop_access){ .proto = a->proto, .port = a->service_port };
	if (c->access_count == 0)
		return say_usage(name, "which service? say --access tcp/PORT");
	if (c->allow == KNOCK_ALLOW_GIVEN && !addr_is_v4(&c->allowed))
		return say_usage(name, "fwknop packets can say IPv4 addresses only");
	if (a->service_port == 0) {
		a->proto = c->accesses[0].proto;
		a->service_port = c->accesses[0].port;
	}
	return EXIT_DONE;
}

/* Does the knock itself say the port? */
static bool says_port(const struct knock_args *a)
{
	return a->scheme == KNOCK_STRUCTURED || a->scheme == KNOCK_CIPHER ||
		a->scheme == KNOCK_FWKNOP;
}

static int check_classic(struct knock_args *a, const char *operand)
{
	struct knock_classic *c = &a->classic;
	const char *name = knock_command_name(a->command);
	char scheme[KNOCK_SCHEME_TEXT_MAX];

	knock_scheme_text(a->scheme, scheme);
	if (a->service != NULL)
		return say_usage(name, "%s: scheme %s knows no names of services; write tcp/PORT",
			a->service, scheme);
	if (a->service_port_last != 0)
		return say_usage(name, "scheme %s knows no ranges of ports; write one", scheme);
	if (operand != NULL && a->command != KNOCK_CONNECT && !c->is_waiting && !says_port(a))
		return say_usage(name,
			"%s: scheme %s does not say it by its port; leave it out, or "
			"say --wait to try it",
			operand, scheme);
	if (c->is_v4 && c->is_v6)
		return say_usage(name, "--ipv4 and --ipv6 are two; choose one");
	/* The order of tagged knocks means nothing. */
	if (c->delay_ms == KNOCK_DELAY_USUAL)
		c->delay_ms = a->scheme == KNOCK_TAGGED ? 0 : DELAY_MS;
	return EXIT_DONE;
}

/* To wait is to try the service. */
static int check_wait(const struct knock_args *a)
{
	const char *name = knock_command_name(a->command);
	if (!a->classic.is_waiting || a->command == KNOCK_CONNECT)
		return EXIT_DONE;
	if (a->classic.is_close)
		return say_usage(name, "--wait waits for what opens; leave it out to close");
	if (a->service_port == 0)
		return say_usage(name, "--wait for what? name the service as tcp/PORT");
	if (a->proto != IPPROTO_TCP)
		return say_usage(name, "--wait can try TCP only; leave it out");
	return EXIT_DONE;
}

int knock_check(struct knock_args *a, const char *operand)
{
	int rc = EXIT_DONE;
	if (a->scheme == KNOCK_SPA)
		return check_spa(a);
	if (a->command == KNOCK_CLOSE)
		a->classic.is_close = true;
	rc = check_classic(a, operand);
	if (rc != EXIT_DONE)
		return rc;
	switch (a->scheme) {
	case KNOCK_SEQUENCE:
		rc = check_sequence(a);
		break;
	case KNOCK_STRUCTURED:
		rc = check_structured(a);
		break;
	case KNOCK_CIPHER:
		rc = check_cipher(a);
		break;
	case KNOCK_TAGGED:
		rc = check_tagged(a);
		break;
	case KNOCK_FWKNOP:
		rc = check_fwknop(a);
		break;
	case KNOCK_SPA:
		break;
	}
	return rc == EXIT_DONE ? check_wait(a) : rc;
}
