/*
 * Profiles of the fake server, from text. Invariant: a profile that was read is whole; anything else ends the
 * program, as a test with a wrong ground truth is worse than none.
 */

#include <err.h>
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

const unsigned fake_version_code[FAKE_VERSIONS] = { 0x0002, 0x0300, 0x0301, 0x0302, 0x0303,
	0x0304 };

static const char *const version_names[FAKE_VERSIONS] = { "SSLv2", "SSLv3", "TLSv1", "TLSv1.1",
	"TLSv1.2", "TLSv1.3" };
static const char *const kx_names[FAKE_KX_COUNT] = { "rsa", "export", "dhe", "adh", "ecdhe",
	"ecdsa", "aecdh", "ecdh", "krb5", "any" };

#define FLAG(name, field)                                                                          \
	{                                                                                          \
		name, offsetof(struct fake_profile, field)                                         \
	}
static const struct {
	const char *name;
	size_t at;
} flags[] = {
	FLAG("client-order", is_client_order),
	FLAG("dh-reuse", is_dh_reused),
	FLAG("ecdh-reuse", is_ecdh_reused),
	FLAG("compression", has_compression),
	FLAG("renegotiation", has_renegotiation),
	FLAG("ems", has_ems),
	FLAG("etm", has_etm),
	FLAG("ticket", has_ticket),
	FLAG("session-id", has_session_id),
	FLAG("scsv", has_scsv),
	FLAG("client-cert", wants_certificate),
	FLAG("ccs-injection", is_ccs_open),
	FLAG("robot", is_robot),
	FLAG("needs-name", needs_name),
	FLAG("clock", has_clock),
	FLAG("grease-fatal", is_grease_fatal),
	FLAG("extensions-fatal", is_extension_fatal),
	FLAG("smtp", is_smtp),
	FLAG("no-starttls", has_no_starttls),
	FLAG("mute", is_mute),
	FLAG("garbage", is_garbage),
};
static const struct {
	const char *name;
	size_t at;
} numbers[] = {
	FLAG("export-bits", export_bits),
	FLAG("staple", staple_len),
	FLAG("size-from", size_from),
	FLAG("size-to", size_to),
	FLAG("first-suites", first_suites),
	FLAG("segment", segment),
	FLAG("at-once", at_once),
	FLAG("drop-each", drop_each),
	FLAG("per-minute", per_minute),
	FLAG("greylist", greylist),
	FLAG("limit-after", limit_after),
	FLAG("limit-ms", limit_ms),
	FLAG("drip", drip_ms),
	FLAG("greeting-delay", greeting_delay_ms),
};
#undef FLAG

static unsigned number(const char *text, int base)
{
	char *end;
	errno = 0;
	unsigned long v = strtoul(text, &end, base);
	if (end == text || *end != '\0' || errno != 0 || v > UINT32_MAX)
		errx(2, "%s: not a number", text);
	return (unsigned)v;
}

static size_t take_numbers(char *words, uint16_t *to)
{
	size_t n = 0;
	for (char *w = strtok(words, " \n"); w != NULL && n < FAKE_LIST_MAX;
		w = strtok(NULL, " \n"))
		to[n++] = (uint16_t)number(w, 16);
	return n;
}

/* "ecdhe:c02f rsa:002f", in the server's order. */
static void take_suites(struct fake_profile *p, enum fake_version v, char *words)
{
	for (char *w = strtok(words, " \n"); w != NULL; w = strtok(NULL, " \n")) {
		char *colon = strchr(w, ':');
		struct fake_suite s = { .kx = FAKE_ANY };
		if (p->suite_count[v] == FAKE_LIST_MAX)
			errx(2, "too many suites");
		if (colon != NULL) {
			*colon = '\0';
			unsigned k = 0;
			while (k < FAKE_KX_COUNT && strcmp(w, kx_names[k]) != 0)
				k++;
			if (k == FAKE_KX_COUNT)
				errx(2, "%s: no key exchange", w);
			s.kx = (enum fake_kx)k;
			w = colon + 1;
		}
		s.id = number(w, 16);
		p->suites[v][p->suite_count[v]++] = s;
	}
}

/* All certificates of a PEM file as the list of a Certificate message; its private key, if there is one. */
static void take_cert(struct fake_cert *c, const char *path)
{
	FILE *f = fopen(path, "r");
	X509 *x;
	if (f == NULL)
		err(2, "%s", path);
	while ((x = PEM_read_X509(f, NULL, NULL, NULL)) != NULL) {
		unsigned char *der = NULL;
		int n = i2d_X509(x, &der);
		X509_free(x);
		uint8_t *more = n > 0 ? realloc(c->list, c->len + 3 + (size_t)n) : NULL;
		if (more == NULL)
			errx(2, "%s: cannot be read", path);
		c->list = more;
		c->list[c->len] = (uint8_t)(n >> 16);
		c->list[c->len + 1] = (uint8_t)(n >> 8);
		c->list[c->len + 2] = (uint8_t)n;
		memcpy(c->list + c->len + 3, der, (size_t)n);
		OPENSSL_free(der);
		c->len += 3 + (size_t)n;
		if (c->count++ == 0)
			c->first_len = (size_t)n;
	}
	rewind(f);
	c->key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
	fclose(f);
	if (c->count == 0)
		errx(2, "%s: holds no certificate", path);
}

static void take_prime(struct fake_profile *p, const char *hex)
{
	p->dh_len = strlen(hex) / 2;
	if (p->dh_len == 0 || p->dh_len > sizeof(p->dh))
		errx(2, "a prime of that length");
	for (size_t i = 0; i < p->dh_len; i++) {
		char two[3] = { hex[2 * i], hex[2 * i + 1], '\0' };
		p->dh[i] = (uint8_t)number(two, 16);
	}
}

static bool take_simple(struct fake_profile *p, const char *key, const char *words)
{
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (strcmp(key, flags[i].name) == 0) {
			*(bool *)(void *)((char *)p + flags[i].at) = true;
			return true;
		}
	}
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		if (strcmp(key, numbers[i].name) == 0) {
			*(unsigned *)(void *)((char *)p + numbers[i].at) = number(words, 10);
			return true;
		}
	}
	for (unsigned v = 0; v < FAKE_VERSIONS; v++)
		if (strcmp(key, version_names[v]) == 0) {
			char copy[8192];
			snprintf(copy, sizeof(copy), "%s", words);
			take_suites(p, (enum fake_version)v, copy);
			return true;
		}
	return false;
}

static void take_line(struct fake_profile *p, const char *key, char *words)
{
	if (take_simple(p, key, words))
		return;
	if (strcmp(key, "groups") == 0)
		p->group_count = take_numbers(words, p->groups);
	else if (strcmp(key, "signatures") == 0)
		p->signature_count = take_numbers(words, p->signatures);
	else if (strcmp(key, "rsa-cert") == 0)
		take_cert(&p->rsa, words);
	else if (strcmp(key, "ecdsa-cert") == 0)
		take_cert(&p->ecdsa, words);
	else if (strcmp(key, "other-cert") == 0)
		take_cert(&p->other, words);
	else if (strcmp(key, "dh") == 0)
		take_prime(p, words);
	else if (strcmp(key, "alpn") == 0)
		snprintf(p->alpn, sizeof(p->alpn), "%s", words);
	else if (strcmp(key, "heartbeat") == 0)
		p->heartbeat = strcmp(words, "bleed") == 0 ? FAKE_HEARTBLEED : FAKE_HEARTBEAT;
	else if (strcmp(key, "refuse") == 0)
		p->refusal = strcmp(words, "close") == 0 ? FAKE_REFUSE_CLOSE
			: strcmp(words, "silent") == 0   ? FAKE_REFUSE_SILENT
							 : FAKE_REFUSE_ALERT;
	else if (strcmp(key, "version-max-borne") == 0)
		p->version_max_borne = number(words, 16);
	else if (strcmp(key, "greeting") == 0)
		snprintf(p->greeting, sizeof(p->greeting), "%s", words);
	else if (strcmp(key, "starttls-reply") == 0)
		snprintf(p->starttls_reply, sizeof(p->starttls_reply), "%s", words);
	else
		errx(2, "%s: no such key", key);
}

size_t fake_profiles_read(const char *path, struct fake_profile *to, size_t cap)
{
	static char line[16384];
	size_t n = 0;
	FILE *f = fopen(path, "r");
	if (f == NULL)
		err(2, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		char *words = line + strcspn(line, " ");
		if (line[0] == '\0' || line[0] == '#')
			continue;
		if (*words != '\0')
			*words++ = '\0';
		if (strcmp(line, "listen") == 0) {
			if (n == cap)
				errx(2, "more servers than %zu", cap);
			memset(&to[n], 0, sizeof(to[n]));
			RAND_bytes(to[n].reused, sizeof(to[n].reused));
			to[n++].port = (uint16_t)number(words, 10);
		} else if (n == 0) {
			errx(2, "%s: before the first listen", line);
		} else {
			take_line(&to[n - 1], line, words);
		}
	}
	fclose(f);
	return n;
}
