/*
 * Property: whatever the bytes are, every text of a certificate is printable and cut, its name matches are
 * answers, and a chain of it is verified, matched with TLSA records and its staple read without harm.
 * The input is a certificate; from "|" on, where there is one behind its end, a staple.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void must_be_text(const char *text, size_t cap)
{
	must(strnlen(text, cap) < cap);
	for (; *text != '\0'; text++)
		must(*text >= ' ' && *text < 0x7f);
}

static void read_facts(struct span der)
{
	static struct audit_cert_facts c;
	audit_cert_read(der, &c);
	must_be_text(c.subject, sizeof(c.subject));
	must_be_text(c.issuer, sizeof(c.issuer));
	must_be_text(c.serial, sizeof(c.serial));
	must_be_text(c.signature, sizeof(c.signature));
	must_be_text(c.key, sizeof(c.key));
	must_be_text(c.curve, sizeof(c.curve));
	must(c.is_readable || (c.version == 0 && c.subject[0] == '\0'));
	must((audit_cert_names(der, "mail.example.org") == AUDIT_UNKNOWN) == !c.is_readable);
}

static void print(struct span der)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return;
	audit_cert_print(der, out);
	fclose(out);
	for (size_t i = 0; i < len; i++)
		must(text[i] == '\n' || (text[i] >= ' ' && text[i] < 0x7f));
	free(text);
}

/* The chain of the certificate and itself, without a store of the system. */
static void judge(struct span der, struct span staple)
{
	static struct audit_facts f;
	static uint8_t copy[65536], stapled[65536];
	if (der.len == 0 || der.len > sizeof(copy) || staple.len > sizeof(stapled))
		return;
	memcpy(copy, der.data, der.len);
	if (staple.len > 0)
		memcpy(stapled, staple.data, staple.len);
	memset(&f, 0, sizeof(f));
	snprintf(f.target.host, sizeof(f.target.host), "mail.example.org");
	f.chain_count = 1;
	f.chains[0].count = 2;
	f.chains[0].certs[0] = f.chains[0].certs[1] =
		(struct audit_cert){ .len = der.len, .der = copy };
	f.chains[0].staple = stapled;
	f.chains[0].staple_len = staple.len;
	f.dane.count = 2;
	f.dane.records[0] =
		(struct audit_tlsa){ .usage = 3, .selector = 1, .matching = 1, .len = 32 };
	f.dane.records[1] =
		(struct audit_tlsa){ .usage = 2, .selector = 0, .matching = 2, .len = 64 };
	audit_dane_match(&f);
	for (size_t i = 0; i < f.dane.count; i++)
		must(f.dane.records[i].state == AUDIT_TLSA_MISMATCH);
	must((audit_staple_read(&f.chains[0]) == AUDIT_STAPLE_NONE) == (staple.len == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct span der = span_of(data, len), staple = span_of(NULL, 0);
	for (size_t i = len; i > 0; i--) {
		if (data[i - 1] == '|') {
			der.len = i - 1;
			staple = span_of(data + i, len - i);
			break;
		}
	}
	read_facts(span_of(data, len));
	print(der);
	judge(der, staple);
	return 0;
}
