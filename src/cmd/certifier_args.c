/*
 * The command lines of postern certifier. Every part has a table of the options it knows; what an option
 * means is the same in all of them and written here once.
 */

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "cmd/certifier.h"
#include "cmd/commands.h"

/* Hex digits as people copy them: spaces and colons between them mean nothing. */
static bool take_hex(const char *text, uint8_t *ret, size_t len)
{
	char hex[2 * 32 + 1];
	size_t n = 0;
	for (; *text != '\0'; text++) {
		if (*text == ' ' || *text == ':')
			continue;
		if (n == 2 * len)
			return false;
		hex[n++] = *text >= 'A' && *text <= 'F' ? (char)(*text - 'A' + 'a') : *text;
	}
	hex[n] = '\0';
	return text_unhex(hex, ret, len);
}

static int take_fingerprint(
	const struct certifier_command *c, const char *text, struct certifier_args *a)
{
	a->has_fingerprint = true;
	if (take_hex(text, a->fingerprint, sizeof(a->fingerprint)))
		return EXIT_DONE;
	return say_usage(c->name, "--fingerprint %s: not 64 hex digits", text);
}

static int take_for(const struct certifier_command *c, const char *text, struct certifier_args *a)
{
	static const struct {
		const char *text;
		enum certifier_for value;
	} words[] = { { "organisation", CERTIFIER_FOR_ORG }, { "unit", CERTIFIER_FOR_UNIT },
		{ "name", CERTIFIER_FOR_NAME } };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcmp(text, words[i].text) == 0) {
			a->for_whom = words[i].value;
			return EXIT_DONE;
		}
	}
	return say_usage(c->name, "--for %s: it is organisation, unit or name", text);
}

static int take_number(const struct certifier_command *c, const char *option, const char *text,
	unsigned long max, unsigned *ret)
{
	unsigned long v;
	if (!say_parse_number(text, max, &v))
		return say_usage(c->name, "--%s %s: not a number from 1 to %lu", option, text, max);
	*ret = (unsigned)v;
	return EXIT_DONE;
}

static int take_revoke(
	const struct certifier_command *c, int val, const char *text, struct certifier_args *a)
{
	if (a->revoke_count == CERTIFIER_REVOKE_MAX)
		return say_usage(c->name, "more than %d at a time", CERTIFIER_REVOKE_MAX);
	size_t i = a->revoke_count++;
	if (val == CERTIFIER_OPT_CERTIFICATE)
		a->revoke[i].certificate = text;
	else if (!take_hex(text, a->revoke[i].serial, sizeof(a->revoke[i].serial)))
		return say_usage(c->name, "--serial %s: not 16 hex digits", text);
	return EXIT_DONE;
}

/* The options that need no more than a place. */
static void take_plain(int val, const char *text, struct certifier_args *a)
{
	switch (val) {
	case CERTIFIER_OPT_CERTIFIER:
		a->certifier = text;
		break;
	case CERTIFIER_OPT_NAME:
		a->name = text;
		break;
	case CERTIFIER_OPT_YES:
		a->is_yes = true;
		break;
	case CERTIFIER_OPT_CRL:
		a->crl = text;
		break;
	case CERTIFIER_OPT_JSON:
		a->is_json = true;
		break;
	case CERTIFIER_OPT_PASSWORD_FILE:
		a->password_file = text;
		break;
	case CERTIFIER_OPT_CERTIFIER_PASSWORD_FILE:
		a->certifier_password_file = text;
		break;
	case CERTIFIER_OPT_KEY_FILE:
		a->key_file = text;
		break;
	case 'o':
		a->out = text;
		break;
	case 'h':
		a->is_help = true;
		break;
	default:
		break;
	}
}

static int take_option(const struct certifier_command *c, int val, struct certifier_args *a)
{
	switch (val) {
	case SAY_BAD_OPTION:
		return EXIT_USAGE;
	case CERTIFIER_OPT_YEARS:
		return take_number(c, "years", optarg, 100, &a->years);
	case CERTIFIER_OPT_DAYS:
		return take_number(c, "days", optarg, 3650, &a->days);
	case CERTIFIER_OPT_FOR:
		return take_for(c, optarg, a);
	case CERTIFIER_OPT_FINGERPRINT:
		return take_fingerprint(c, optarg, a);
	case CERTIFIER_OPT_CERTIFICATE:
	case CERTIFIER_OPT_SERIAL:
		return take_revoke(c, val, optarg, a);
	case CERTIFIER_OPT_KDF_MEM:
		if (!say_parse_mem(optarg, &a->mem_kib))
			return say_usage(c->name,
				"--kdf-mem %s: not a number of MiB from 1 to 4096", optarg);
		return EXIT_DONE;
	default:
		take_plain(val, optarg, a);
		return EXIT_DONE;
	}
}

int certifier_parse(
	const struct certifier_command *c, int argc, char **argv, struct certifier_args *ret)
{
	int val, operands = c->operand != NULL ? 1 : 0;
	while ((val = say_next_option(c->name, argc, argv, c->options)) != -1) {
		int rc = take_option(c, val, ret);
		if (rc != EXIT_DONE)
			return rc;
		if (ret->is_help) {
			fputs(c->help, stdout);
			return EXIT_DONE;
		}
	}
	if (argc - optind < operands)
		return say_usage(c->name, "which %s?", c->operand);
	if (argc - optind > operands)
		return say_usage(c->name, "%s: one argument too many", argv[optind + operands]);
	if (operands == 1)
		ret->operand = argv[optind];
	if (c->needs_certifier && ret->certifier == NULL)
		return say_usage(c->name, "who certifies? Say --certifier FILE");
	return EXIT_DONE;
}
