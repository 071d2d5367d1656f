/*
 * Property: a policy is good exactly when nothing is said against it, a good one written out anew is read as
 * the same, and what is taken of a record is printable and within its bounds.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/domain.h"
#include "audit/sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_text(const char *text)
{
	for (; *text != '\0'; text++)
		must(*text >= ' ' && *text < 0x7f);
}

static void write_and_read(const struct audit_domain *d)
{
	static const char *const modes[] = { [AUDIT_STS_TESTING] = "testing",
		[AUDIT_STS_ENFORCE] = "enforce",
		[AUDIT_STS_OFF] = "none" };
	static char text[AUDIT_MX_MAX * (AUDIT_HOST_MAX + 8) + 128];
	static struct audit_domain again;
	int n = snprintf(text, sizeof(text), "version: STSv1\nmode: %s\nmax_age: %u\n",
		modes[d->sts], d->sts_max_age_s);
	for (size_t i = 0; i < d->sts_mx_count; i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, "mx: %s\n", d->sts_mx[i]);
	memset(&again, 0, sizeof(again));
	must(audit_sts_parse(text, (size_t)n, &again));
	must(again.sts == d->sts && again.sts_max_age_s == d->sts_max_age_s &&
		again.sts_mx_count == d->sts_mx_count &&
		memcmp(again.sts_mx, d->sts_mx, d->sts_mx_count * sizeof(d->sts_mx[0])) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct audit_domain d;
	char id[33], rua[AUDIT_WORDS_MAX + 1];

	memset(&d, 0, sizeof(d));
	bool is_good = audit_sts_parse((const char *)data, len, &d);
	must(is_good == (d.sts != AUDIT_STS_BROKEN) && is_good == (d.sts_text[0] == '\0'));
	must_be_text(d.sts_text);
	for (size_t i = 0; i < d.sts_mx_count; i++)
		must_be_text(d.sts_mx[i]);
	if (is_good)
		write_and_read(&d);
	if (audit_sts_record(span_of(data, len), id))
		must(strlen(id) >= 1 && strlen(id) <= 32);
	if (audit_tls_rpt_record(span_of(data, len), rua))
		must_be_text(rua);
	return 0;
}
