/* From options to a plan: whom to open for, and which scheme says it. */

#include "cmd/scheme.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "knock/fwknop.h"

/* Schemes that say an address need ours when no other was given. */
bool scheme_needs_route(const struct knock_args *a)
{
	bool has_address =
		a->scheme == KNOCK_CIPHER || a->scheme == KNOCK_TAGGED || a->scheme == KNOCK_FWKNOP;
	return has_address && a->classic.allow == KNOCK_ALLOW_OURS;
}

int scheme_plan_make(const struct knock_args *a, const struct scheme_world *w,
	struct scheme_plan *ret, struct fault *f)
{
	struct addr allow = { 0 };
	if (a->classic.allow == KNOCK_ALLOW_GIVEN)
		allow = a->classic.allowed;
	else if (scheme_needs_route(a))
		allow = w->route->source;
	*ret = (struct scheme_plan){ 0 };
	switch (a->scheme) {
	case KNOCK_SEQUENCE:
		return scheme_sequence(a, ret, f);
	case KNOCK_STRUCTURED:
		return scheme_structured(a, ret, f);
	case KNOCK_CIPHER:
		return scheme_cipher(a, &allow, ret, f);
	case KNOCK_TAGGED:
		return scheme_tagged(a, &allow, w->wall_ms, ret, f);
	case KNOCK_FWKNOP:
		return scheme_fwknop(a, &allow, w->wall_ms, ret, f);
	case KNOCK_SPA:
		break;
	}
	fault_set(f, "this is no classic scheme");
	return -EINVAL;
}

char *scheme_plan_format(const struct scheme_plan *p)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	if (out == NULL)
		return NULL;
	for (size_t i = 0; i < p->count; i++)
		fprintf(out, "%s%u%s", i > 0 ? " " : "", (unsigned)p->knocks[i].port,
			p->knocks[i].proto == IPPROTO_UDP ? ":udp" : "");
	fwrite(p->text.text, 1, p->text.len, out);
	int bad = ferror(out);
	if (fclose(out) == 0 && bad == 0)
		return text;
	free(text);
	return NULL;
}
