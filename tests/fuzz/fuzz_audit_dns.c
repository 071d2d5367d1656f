/* Any bytes as an answer of a name server, to any of the questions that are asked. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_name(const char *name)
{
	if (strlen(name) > AUDIT_HOST_MAX)
		abort();
	for (; *name != '\0'; name++)
		if (*name <= ' ' || *name > '~' || (*name >= 'A' && *name <= 'Z'))
			abort();
}

static void read_record(const struct audit_dns *d, size_t i)
{
	static char text[4096];
	struct audit_mx mx;
	struct audit_tlsa tlsa;
	struct addr a;
	uint8_t flags;
	char tag[16], value[AUDIT_HOST_MAX + 1];
	size_t n = 0;
	if (d->records[i].at + d->records[i].len > d->message.len)
		abort();
	if (audit_dns_mx(d, i, &mx))
		check_name(mx.host);
	if (audit_dns_tlsa(d, i, &tlsa) && tlsa.len > sizeof(tlsa.data))
		abort();
	if (audit_dns_txt(d, i, text, sizeof(text), &n) && n > sizeof(text))
		abort();
	if (audit_dns_caa(d, i, &flags, tag, value) && strlen(tag) > 15)
		abort();
	audit_dns_address(d, i, &a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum audit_dns_type types[] = { AUDIT_DNS_A, AUDIT_DNS_MX, AUDIT_DNS_TXT,
		AUDIT_DNS_AAAA, AUDIT_DNS_TLSA, AUDIT_DNS_CAA };
	static struct audit_dns d;
	char host[AUDIT_HOST_MAX + 1];
	size_t at = 12;
	struct span message = span_of(data, len);
	/* Ask what the answer says was asked. */
	if (!audit_dns_name(message, &at, host))
		return 0;
	check_name(host);
	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		if (!audit_dns_parse(message, host, types[t], &d))
			continue;
		check_name(d.name);
		if (d.count > AUDIT_DNS_RECORDS_MAX)
			abort();
		for (size_t i = 0; i < d.count; i++)
			read_record(&d, i);
	}
	return 0;
}
