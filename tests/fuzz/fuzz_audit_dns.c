/*
 * Property: an answer that is read has its records inside the message, names within the bounds of DNS and
 * printable, and the same bytes are read the same way twice. The first byte says which question was asked.
 */

#include <stdlib.h>
#include <string.h>

#include "audit/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_name(const char *name)
{
	size_t len = strlen(name), label = 0;
	must(len <= AUDIT_HOST_MAX);
	for (size_t i = 0; i < len; i++) {
		must(name[i] > ' ' && name[i] < 0x7f && !(name[i] >= 'A' && name[i] <= 'Z'));
		label = name[i] == '.' ? 0 : label + 1;
		must(label <= 63);
	}
}

static void read_record(const struct audit_dns *d, size_t i)
{
	struct audit_mx mx;
	struct addr a;
	struct audit_tlsa t;
	char text[256], tag[16], value[AUDIT_HOST_MAX + 1];
	uint8_t flags = 0;
	size_t len = 0;

	if (audit_dns_mx(d, i, &mx))
		must_be_name(mx.host);
	if (audit_dns_address(d, i, &a))
		must(addr_is_v4(&a) == (d->type == AUDIT_DNS_A));
	if (audit_dns_tlsa(d, i, &t))
		must(t.len <= sizeof(t.data));
	if (audit_dns_txt(d, i, text, sizeof(text), &len))
		must(len <= sizeof(text) && len <= d->records[i].len);
	if (audit_dns_caa(d, i, &flags, tag, value))
		must(strlen(tag) < sizeof(tag) && strlen(value) < sizeof(value));
}

static bool is_same(const struct audit_dns *a, const struct audit_dns *b)
{
	return a->count == b->count && strcmp(a->name, b->name) == 0 && a->rcode == b->rcode &&
		memcmp(a->records, b->records, a->count * sizeof(a->records[0])) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const enum audit_dns_type types[] = { AUDIT_DNS_A, AUDIT_DNS_CNAME, AUDIT_DNS_MX,
		AUDIT_DNS_TXT, AUDIT_DNS_AAAA, AUDIT_DNS_TLSA, AUDIT_DNS_CAA };
	static struct audit_dns d, again;
	if (len == 0)
		return 0;
	struct span message = span_of(data + 1, len - 1);
	enum audit_dns_type type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
	if (!audit_dns_parse(message, "mail.example.org", type, &d))
		return 0;
	must_be_name(d.name);
	must(d.count <= AUDIT_DNS_RECORDS_MAX);
	for (size_t i = 0; i < d.count; i++) {
		must(d.records[i].at <= message.len &&
			d.records[i].len <= message.len - d.records[i].at);
		read_record(&d, i);
	}
	must(audit_dns_parse(message, "mail.example.org", type, &again) && is_same(&d, &again));
	return 0;
}
