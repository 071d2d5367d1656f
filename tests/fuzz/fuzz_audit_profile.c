/* A profile from any text: refused with a sentence, or all of it within bounds. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "audit/profile.h"

static void need(bool ok)
{
	if (!ok)
		abort();
}

static void need_printable(const char *text)
{
	for (; *text != '\0'; text++)
		need(*text >= ' ' && *text <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fault f = { "" };
	struct audit_profile *p = audit_profile_parse("p.json", (const char *)data, size, &f);
	if (p == NULL) {
		need(strncmp(f.text, "p.json:", 7) == 0);
		return 0;
	}
	need(p->name[0] != '\0');
	need_printable(p->name);
	need_printable(p->note);
	need(p->suite_count <= AUDIT_SUITES_MAX && p->group_count <= AUDIT_PROFILE_LIST_MAX &&
		p->signature_count <= AUDIT_PROFILE_LIST_MAX);
	for (size_t i = 0; i < audit_check_count(); i++) {
		need(audit_profile_severity(p, i) < AUDIT_SEVERITY_COUNT);
		need_printable(audit_profile_advice(p, i));
	}
	audit_profile_free(p);
	return 0;
}
