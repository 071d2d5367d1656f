/*
 * Configurations of other knock daemons: the first byte says of which. Property: whatever the file says, what
 * is written is a configuration and a directory that posternd takes, and notes name lines that there are.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/import.h"
#include "config/internal.h"
#include "policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char server[] =
	"server {\n\tid = \"/p/server.id\"\n\tid-key = \"/p/server.key\"\n\ttrust = {\"/p/vsd.pem\"}\n"
	"\tdirectory = \"/p/directory\"\n\tallow = {\"*/VSD\"}\n\tkey-check = all\n}\n";

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_notes(const struct import *im, struct span text)
{
	unsigned lines = 1;
	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	for (size_t i = 0; i < im->note_count; i++) {
		must(im->notes[i].at.line <= lines);
		for (const char *p = im->notes[i].text; *p != '\0'; p++)
			must(*p >= 0x20 && *p < 0x7f);
	}
}

static void check_policy(const struct config *c, const char *lines)
{
	static struct directory_faults faults;
	struct config_report r = { 0 };
	struct directory *d = directory_parse(span_of(lines, strlen(lines)), &faults);
	must(d != NULL);
	struct policy *p = policy_new(c, d, &r);
	must(p != NULL && r.count == 0);
	policy_free(p);
	config_report_deinit(&r);
	directory_free(d);
}

static void check_written(const struct import *im)
{
	struct config_report r = { 0 };
	char *conf = import_format(im, "imported"), *lines = import_format_directory(im);
	must(conf != NULL && lines != NULL);
	size_t len = strlen(server) + strlen(conf);
	char *all = malloc(len + 1);
	must(all != NULL);
	memcpy(all, server, strlen(server));
	memcpy(all + strlen(server), conf, strlen(conf) + 1);
	struct config *c = config_parse_text("/nonexistent/import.conf", span_of(all, len), &r);
	if (c == NULL && getenv("IMPORT_SHOW") != NULL)
		fprintf(stderr, "%s\n%s\n", r.lines[0], all);
	must(c != NULL);
	must(c->door_count == 1 && c->doors[0].sequence_count == im->sequence_count &&
		c->doors[0].fwknop_count == im->fwknop_count);
	check_policy(c, lines);
	config_free(c);
	config_report_deinit(&r);
	free(all);
	free(conf);
	free(lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct name organisation;

	if (size == 0 || sodium_init() < 0)
		return 0;
	must(name_parse("VSD", true, &organisation) == NAME_OK);
	struct import *im = import_new(&organisation, NULL);
	must(im != NULL);
	struct span text = span_of(data + 1, size - 1);
	if (data[0] % 2 == 0)
		import_knockd(im, "knockd.conf", text);
	else
		import_fwknop(im, "access.conf", text);
	import_end(im);
	check_notes(im, text);
	if (!import_is_empty(im))
		check_written(im);
	import_free(im);
	return 0;
}
