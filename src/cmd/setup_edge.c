/*
 * What an edge has that another server has not: certifiers of inner organisations that its own trusts, and
 * ports that lead inside. Invariant: of an inner certificate only name and key are taken; what is above it
 * stays unknown here.
 */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cmd/certifier.h"
#include "cmd/setup.h"
#include "config/config.h"

int setup_passthru_parse(const char *text, struct setup_passthru *ret, struct fault *f)
{
	struct setup_passthru p = { .to = "" };
	char guard[96];
	const char *first = strchr(text, '='),
		   *second = first != NULL ? strchr(first + 1, '=') : NULL;

	if (second == NULL || (size_t)(second - text) >= sizeof(guard)) {
		fault_set(f, "%s: not a passthru; write tcp/1352=notes=mail.inner:1352", text);
		return -EINVAL;
	}
	snprintf(guard, sizeof(guard), "%.*s", (int)(second - text), text);
	int rc = setup_guard_parse(guard, &p.at, f);
	if (rc < 0)
		return rc;
	if (p.at.proto != IPPROTO_TCP) {
		fault_set(
			f, "%s: only TCP is let through; write tcp/%u", text, (unsigned)p.at.port);
		return -EINVAL;
	}
	const char *why = config_place_refusal(second + 1);
	if (why != NULL || strlen(second + 1) > SETUP_TO_MAX) {
		fault_set(f, "%s: %s", second + 1, why != NULL ? why : "is too long");
		return -EINVAL;
	}
	memcpy(p.to, second + 1, strlen(second + 1) + 1);
	*ret = p;
	return 0;
}

/* ------------------------------------------------------------------ inner certifiers */

static int check_inner(
	const char *path, const struct cert *c, const struct setup_plan *p, struct fault *f)
{
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	const char *who = name_format(&c->subject, name);
	if (c->kind != CERT_CERTIFIER || certifier_is_cross(c))
		fault_set(f,
			"%s: its first certificate is of %s, which is no certifier; name that of the unit "
			"whose people are to be let through",
			path, who);
	else if (name_equal(&c->subject, &p->organisation) ||
		name_is_below(&c->subject, &p->organisation))
		fault_set(f,
			"%s: %s is of the edge's own organisation; give the edge one of its own, such as "
			"VSD-EDGE",
			path, who);
	else if (c->not_after_ms < p->now_ms)
		fault_set(f, "%s: the certificate of %s ended on %.10s; ask for the present one",
			path, who, time_format_utc(c->not_after_ms, when));
	else if (p->inner_count == SETUP_INNERS_MAX)
		fault_set(f,
			"%s: more than %d inner certifiers; take one that is above some of them",
			path, SETUP_INNERS_MAX);
	else
		return 0;
	return -EDOM;
}

int setup_inner_read(const char *path, struct setup_plan *p, struct fault *f)
{
	struct certifier_certs *certs = NULL;
	char text[NAME_TEXT_MAX];
	int rc = certifier_read_certs(path, &certs, f);
	if (rc == 0)
		rc = check_inner(path, &certs->items[0].c, p, f);
	if (rc < 0) {
		free(certs);
		return rc;
	}
	const struct cert *c = &certs->items[0].c;
	struct setup_inner *in = &p->inners[p->inner_count];
	in->name = c->subject;
	memcpy(in->pk, c->pk, sizeof(in->pk));
	cert_fingerprint(span_of(certs->items[0].der, certs->items[0].len), in->fingerprint);
	name_format(&c->subject, text);
	setup_file_name(text, strlen(text), "-cross.pem", in->file, sizeof(in->file));
	free(certs);
	for (size_t i = 0; i < p->inner_count; i++) {
		if (strcmp(p->inners[i].file, in->file) != 0)
			continue;
		fault_set(f, "%s: %s is named twice; remove one", path, text);
		return -EDOM;
	}
	p->inner_count++;
	return 0;
}

/* ------------------------------------------------------------------ apart */

static bool begins_with_folder(const char *a, const char *b)
{
	size_t len = strlen(b);
	return strncmp(a, b, len) == 0 && (a[len] == '\0' || a[len] == '/' || b[len - 1] == '/');
}

/* The folder that is there, nearest to path, by its real name, and what follows it. */
static void resolve(const char *path, char to[2 * PATH_MAX])
{
	char above[PATH_MAX], real[PATH_MAX];
	snprintf(above, sizeof(above), "%s", path);
	for (size_t len = strlen(above); len > 0; len--) {
		above[len] = '\0';
		if ((path[len] == '/' || path[len] == '\0') && realpath(above, real) != NULL) {
			snprintf(to, 2 * PATH_MAX, "%s%s", real, path + len);
			return;
		}
	}
	snprintf(to, 2 * PATH_MAX, "%s", path);
}

bool setup_is_within(const char *a, const char *b)
{
	char real_a[2 * PATH_MAX], real_b[2 * PATH_MAX];
	resolve(a, real_a);
	resolve(b, real_b);
	return begins_with_folder(a, b) || begins_with_folder(real_a, real_b);
}
