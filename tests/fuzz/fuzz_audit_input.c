/*
 * Property: a target that is taken has a name of host characters within bounds or an address, and is taken
 * the same way again when written as its parts; a refused one has a printable sentence. As a list, each line
 * comes out once at most.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/domain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_hold(const struct audit_input *in)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-_.";
	struct addr a;
	size_t len = strlen(in->host);
	must(len > 0 && len <= AUDIT_HOST_MAX);
	must(in->is_address ? addr_parse(in->host, &a)
			    : in->host[strspn(in->host, letters)] == '\0');
	must(in->is_address || (in->host[0] != '.' && in->host[len - 1] != '.'));
	must((in->kind == AUDIT_INPUT_SERVICE) == (in->port != 0));
	must(in->starttls < AUDIT_STARTTLS_COUNT);
}

static void write_and_read(const struct audit_input *in)
{
	char text[AUDIT_HOST_MAX + 32], why[256];
	struct audit_input again;
	if (in->kind == AUDIT_INPUT_SERVICE)
		snprintf(text, sizeof(text), in->is_address ? "%s://[%s]:%u" : "%s://%s:%u",
			audit_starttls_name(in->starttls), in->host, in->port);
	else
		snprintf(
			text, sizeof(text), in->kind == AUDIT_INPUT_MAIL ? "a@%s" : "%s", in->host);
	must(audit_input_parse(text, &again, why));
	must(again.kind == in->kind && strcmp(again.host, in->host) == 0 &&
		again.port == in->port && again.starttls == in->starttls &&
		again.is_address == in->is_address);
}

static void on_input(void *arg, const struct audit_input *in)
{
	++*(size_t *)arg;
	must_hold(in);
	write_and_read(in);
}

static void on_wrong(void *arg, const char *why)
{
	++*(size_t *)arg;
	for (; *why != '\0'; why++)
		must(*why >= ' ' && *why < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	size_t told = 0, lines = 1;
	const struct audit_input_calls calls = { on_input, on_wrong, &told };
	for (size_t i = 0; i < len; i++)
		lines += data[i] == '\n';
	must(audit_input_list("list", span_of(data, len), &calls) <= told && told <= lines);
	return 0;
}
