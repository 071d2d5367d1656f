/* One voice for all commands: a sentence begins with the program's name and ends without a stop. */

#include "cmd/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"

#define OPTIONS_MAX 32

static const char *program = "postern";

void say_as(const char *name)
{
	program = name;
}

void say_trouble(const char *fmt, ...)
{
	va_list ap;
	/* What was already reported stands before the trouble that ended it. */
	fflush(stdout);
	fprintf(stderr, "%s: ", program);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int say_usage(const char *command, const char *fmt, ...)
{
	va_list ap;
	const char *space = command[0] != '\0' ? " " : "";
	fprintf(stderr, "%s%s%s: ", program, space, command);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; see %s%s%s --help\n", program, space, command);
	return EXIT_USAGE;
}

/* A report that did not reach its reader is trouble: the disk behind stdout may be full. */
int say_end(int rc)
{
	if ((fflush(stdout) == 0 && ferror(stdout) == 0) || rc != EXIT_DONE)
		return rc;
	say_trouble("standard output: not everything could be written");
	return EXIT_LOCAL;
}

static const char *name_of(const struct option *options, int val)
{
	for (; options->name != NULL; options++)
		if (options->val == val)
			return options->name;
	return "?";
}

int say_next_option(const char *command, int argc, char **argv, const struct option *options)
{
	char letters[2 * OPTIONS_MAX + 2] = ":";
	size_t n = 1;
	for (const struct option *o = options; o->name != NULL && n < 2 * OPTIONS_MAX; o++) {
		if (o->val >= 256)
			continue;
		letters[n++] = (char)o->val;
		if (o->has_arg == required_argument)
			letters[n++] = ':';
	}
	opterr = 0;
	int c = getopt_long(argc, argv, letters, options, NULL);
	if (c == ':') {
		say_usage(command, "--%s needs a value", name_of(options, optopt));
		return SAY_BAD_OPTION;
	}
	if (c != '?')
		return c;
	const char *text = argv[optind - 1];
	if (optopt != 0 && strchr(text, '=') != NULL)
		say_usage(command, "--%s takes no value", name_of(options, optopt));
	else if (optopt != 0)
		say_usage(command, "there is no option -%c", optopt);
	else
		say_usage(command, "there is no option %.*s", (int)strcspn(text, "="), text);
	return SAY_BAD_OPTION;
}

bool say_parse_number(const char *text, unsigned long max, unsigned long *ret)
{
	char *end = NULL;
	if (*text < '0' || *text > '9' || strlen(text) > 9)
		return false;
	unsigned long v = strtoul(text, &end, 10);
	if (*end != '\0' || v == 0 || v > max)
		return false;
	*ret = v;
	return true;
}

bool say_parse_port(const char *text, uint16_t *ret)
{
	unsigned long v;
	if (!say_parse_number(text, 65535, &v))
		return false;
	*ret = (uint16_t)v;
	return true;
}

bool say_parse_mem(const char *text, uint32_t *ret_kib)
{
	unsigned long v;
	if (!say_parse_number(text, 4096, &v))
		return false;
	*ret_kib = (uint32_t)v * 1024;
	return true;
}
