/*
 * The keyword table read the other way: a config as text, and the table itself as a manual. What
 * config_format prints loads again as the same configuration.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"

/* Where to, and whether with what nobody else may know. */
struct printer {
	FILE *out;
	enum config_secrets secrets;
};

static void print_keywords(
	const struct printer *p, enum config_block b, const void *base, const char *indent)
{
	const struct config_block_def *def = config_block_def(b);
	for (size_t i = 0; i < def->keyword_count; i++) {
		char *value = NULL;
		size_t len = 0;
		FILE *f = open_memstream(&value, &len);
		if (f == NULL)
			return;
		bool is_set = config_value_print(&def->keywords[i], base, f);
		bool is_hidden = def->keywords[i].type == CONFIG_TYPE_KEY &&
			p->secrets == CONFIG_SECRETS_HIDDEN;
		if (fclose(f) == 0 && is_set && is_hidden)
			fprintf(p->out, "%s# %s is set and not shown\n", indent,
				def->keywords[i].name);
		else if (value != NULL && is_set)
			fprintf(p->out, "%s%s = %s\n", indent, def->keywords[i].name, value);
		if (value != NULL)
			sodium_memzero(value, len);
		free(value);
	}
}

static void print_inner(const struct printer *p, enum config_block b, const void *base)
{
	fprintf(p->out, "\t%s {\n", config_block_def(b)->name);
	print_keywords(p, b, base, "\t\t");
	fprintf(p->out, "\t}\n");
}

static void print_door(const struct printer *p, const struct config_door *d)
{
	fprintf(p->out, "\ndoor %s {\n", d->name);
	print_keywords(p, CONFIG_BLOCK_DOOR, d, "\t");
	if (d->spa.is_on)
		print_inner(p, CONFIG_BLOCK_SPA, &d->spa);
	for (size_t i = 0; i < d->sequence_count; i++)
		print_inner(p, CONFIG_BLOCK_SEQUENCE, &d->sequences[i]);
	for (size_t i = 0; i < d->structured_count; i++)
		print_inner(p, CONFIG_BLOCK_STRUCTURED, &d->structured[i]);
	for (size_t i = 0; i < d->cipher_count; i++)
		print_inner(p, CONFIG_BLOCK_CIPHER, &d->ciphers[i]);
	if (d->tagged.is_on)
		print_inner(p, CONFIG_BLOCK_TAGGED, &d->tagged);
	for (size_t i = 0; i < d->fwknop_count; i++)
		print_inner(p, CONFIG_BLOCK_FWKNOP, &d->fwknops[i]);
	fprintf(p->out, "}\n");
}

static void print_service(const struct printer *p, const struct config_service *s)
{
	if (s->passthru == NULL) {
		fprintf(p->out, "\nservice %s {\n", s->name);
		print_keywords(p, CONFIG_BLOCK_SERVICE, s, "\t");
	} else {
		const struct config_passthru_block b = { *s->passthru, *s };
		fprintf(p->out, "\npassthru %s {\n", s->name);
		print_keywords(p, CONFIG_BLOCK_PASSTHRU, &b, "\t");
	}
	fprintf(p->out, "}\n");
}

static void print_config(const struct printer *p, const struct config *c)
{
	FILE *out = p->out;
	fprintf(out, "server {\n");
	print_keywords(p, CONFIG_BLOCK_SERVER, &c->server, "\t");
	fprintf(out, "}\n");
	for (size_t i = 0; i < c->door_count; i++)
		print_door(p, &c->doors[i]);
	for (size_t i = 0; i < c->service_count; i++)
		print_service(p, &c->services[i]);
	for (size_t i = 0; i < c->action_count; i++) {
		fprintf(out, "\naction %s {\n", c->actions[i].name);
		print_keywords(p, CONFIG_BLOCK_ACTION, &c->actions[i], "\t");
		fprintf(out, "}\n");
	}
	if (c->rescue.is_on) {
		fprintf(out, "\nrescue {\n");
		print_keywords(p, CONFIG_BLOCK_RESCUE, &c->rescue, "\t");
		fprintf(out, "}\n");
	}
	for (size_t i = 0; i < c->group_count; i++) {
		fprintf(out, "\ngroup \"%s\" {\n", c->groups[i].name);
		print_keywords(p, CONFIG_BLOCK_GROUP, &c->groups[i], "\t");
		fprintf(out, "}\n");
	}
}

char *config_format(const struct config *c, enum config_secrets secrets)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	const struct printer p = { out, secrets };
	print_config(&p, c);
	bool is_bad = ferror(out) != 0;
	if (fclose(out) != 0 || is_bad) {
		free(text);
		return NULL;
	}
	return text;
}

static void manual_choices(const struct config_keyword *k, FILE *out)
{
	for (size_t i = 0; k->choices[i] != NULL; i++)
		fprintf(out, "%s\n.Cm %s", i == 0 ? "One of" : " ,", k->choices[i]);
	fprintf(out, " .\n");
}

/* What the values of a type are, as mdoc sentences; NULL: it hangs on the keyword. */
static const char *const manual_fixed[] = {
	[CONFIG_TYPE_PATH] = "An absolute path.\n",
	[CONFIG_TYPE_SOCKET] = "An absolute path.\n",
	[CONFIG_TYPE_SECRET] =
		"An absolute path, or\n.Cm credential: Ns Ar NAME :\nwhat systemd passes "
		"on under that name, see\n.Xr systemd.exec 5 .\n",
	[CONFIG_TYPE_PATHS] = "A list of absolute paths.\n",
	[CONFIG_TYPE_COMMAND] = "A list: the absolute path of a program, then its arguments.\n",
	[CONFIG_TYPE_NAMES] = "A list of names, wildcards and groups.\n",
	[CONFIG_TYPE_USER] = "A name.\n",
	[CONFIG_TYPE_INTERFACE] = "A name.\n",
	[CONFIG_TYPE_BOOL] = "One of\n.Cm yes ,\n.Cm no .\n",
	[CONFIG_TYPE_LOOPBACK] = "A loopback address and a port, like\n.Cm 127.0.0.1:9462\nor\n.Cm "
				 "[::1]:9462 .\n",
	[CONFIG_TYPE_MARK] = "A hexadecimal number of which only the high eight bits are set.\n",
	[CONFIG_TYPE_PREFIXES] = "A list of addresses and prefixes, IPv4 or IPv6.\n",
	[CONFIG_TYPE_OPENINGS] =
		"A list of ports like\n.Cm tcp/80\nor\n.Cm udp/53 ,\nand\n.Cm " CONFIG_ECHO " .\n",
	[CONFIG_TYPE_TARGETS] = "Written\n.Qq 10.0.0.8:443\nor\n.Qq [2001:db8::8]:443 ,\n"
				"or a list of both.\n",
	[CONFIG_TYPE_ENDPOINT] = "Written\n.Cm tcp/ Ns Ar N\nor\n.Cm udp/ Ns Ar N ,\n1 to 65535.\n",
	[CONFIG_TYPE_PLACE] = "Written\n.Qq mail.example:25 ,\n.Qq 10.0.0.8:25\nor\n"
			      ".Qq [2001:db8::8]:25 .\n",
	[CONFIG_TYPE_NAME] = "A name, like\n.Qq Ops/VSD .\n",
	[CONFIG_TYPE_LABEL] = "1 to 63 of\n.Cm a-z ,\n.Cm 0-9\nand\n.Cm - .\n",
	[CONFIG_TYPE_SERVICES] = "A list of names of services.\n",
	[CONFIG_TYPE_OPTPORT] = "From 1 to 65535, or\n.Cm off .\n",
	[CONFIG_TYPE_CIPHER_RANGE] = "Two numbers like\n.Cm 745-1000\nfor 256 ports.\n",
	[CONFIG_TYPE_IV] = "Eight characters, or 16 hexadecimal digits after\n.Cm 0x .\n",
	[CONFIG_TYPE_TCP_PORT] = "Written\n.Cm tcp/ Ns Ar N ,\n1 to 65535.\n",
	[CONFIG_TYPE_UDP_PORT] = "Written\n.Cm udp/ Ns Ar N ,\n1 to 65535.\n",
};

/* The values a keyword takes, where its type alone does not say. */
static void manual_computed(const struct config_keyword *k, FILE *out)
{
	char low[CONFIG_WHY_MAX], high[CONFIG_WHY_MAX];
	if (k->type == CONFIG_TYPE_CHOICE || k->type == CONFIG_TYPE_AES)
		manual_choices(k, out);
	else if (k->type == CONFIG_TYPE_PORT)
		fprintf(out,
			"Written\n.Cm tcp/ Ns Ar N\nor\n.Cm udp/ Ns Ar N ,\n1 to 65535, or with two numbers as\n"
			".Cm tcp/ Ns Ar N Ns - Ns Ar M\nfor at most %d ports.\n",
			CONFIG_RANGE_MAX);
	else if (k->type == CONFIG_TYPE_SPEAKS)
		fprintf(out,
			"One of\n.Cm any ,\n.Cm ssh ,\n.Cm tls ,\n.Cm smtp ,\n.Cm imap ,\n"
			".Cm http ,\n.Cm postgres ,\nor\n"
			".Cm hex: Ns Ar CLIENT Ns / Ns Ar SERVER :\n"
			"the first bytes of each side in hexadecimal, at most %d; either may be\n"
			"empty.\n",
			CONFIG_SPEAKS_HEX_MAX);
	else if (k->type == CONFIG_TYPE_STEPS)
		fprintf(out,
			"A list of ports like\n.Cm 7000\nfor TCP and\n.Cm 7000/udp\nor\n.Cm 7000:udp ,\n"
			"at most %d.\n",
			CONFIG_STEPS_MAX);
	else if (k->type == CONFIG_TYPE_KEY)
		fprintf(out, "Base64 of %u to %u bytes.\n", (unsigned)k->min, (unsigned)k->max);
	else
		fprintf(out,
			k->type == CONFIG_TYPE_LEASE ? "From %s to %s, or\n.Cm none .\n"
						     : "From %s to %s.\n",
			config_bound_format(k, k->min, low), config_bound_format(k, k->max, high));
}

static void manual_values(const struct config_keyword *k, FILE *out)
{
	const char *fixed = (size_t)k->type < sizeof(manual_fixed) / sizeof(manual_fixed[0])
		? manual_fixed[k->type]
		: NULL;
	if (fixed != NULL)
		fputs(fixed, out);
	else
		manual_computed(k, out);
}

static void manual_keyword(const struct config_keyword *k, FILE *out)
{
	fprintf(out, ".It Ic %s\n%s\n", k->name, k->manual);
	manual_values(k, out);
	if (k->is_required)
		fprintf(out, "Required.\n");
	else if (k->initial != NULL)
		fprintf(out, "Default:\n.Cm %s .\n", k->initial);
}

char *config_format_manual(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	for (int b = CONFIG_BLOCK_ROOT + 1; b < CONFIG_BLOCK_COUNT; b++) {
		const struct config_block_def *def = config_block_def((enum config_block)b);
		fprintf(out, ".Ss %s%s\n%s\n.Bl -tag -width Ds\n", def->name,
			def->has_title ? " NAME" : "", def->manual);
		for (size_t i = 0; i < def->keyword_count; i++)
			manual_keyword(&def->keywords[i], out);
		fprintf(out, ".El\n");
	}
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
