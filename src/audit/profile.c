/*
 * Profiles by name or path, and what they say of a finding. Invariant: a name is one word, so that it cannot
 * lead out of the folder of profiles; anything else is a path.
 */

#include "audit/profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROFILE_LEN_MAX (1 << 20)
#define PATH_LEN_MAX 4096

/* Beside the program first, as in a tree that was moved or not installed: prefix/bin/../share. */
static bool path_beside(const char *name, char *to, size_t cap)
{
	char self[PATH_LEN_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n <= 0)
		return false;
	self[n] = '\0';
	char *slash = strrchr(self, '/');
	if (slash == NULL)
		return false;
	*slash = '\0';
	int need = snprintf(to, cap, "%s/../share/postern/profiles/%s.json", self, name);
	return need > 0 && (size_t)need < cap && access(to, R_OK) == 0;
}

static bool is_name(const char *text)
{
	size_t len = strlen(text);
	return len > 0 && len < 64 && strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

struct audit_profile *audit_profile_load(const char *name_or_path, struct fault *f)
{
	char path[PATH_LEN_MAX + 128];
	struct audit_profile *p = NULL;
	uint8_t *text = NULL;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s", name_or_path);
	if (is_name(name_or_path) && !path_beside(name_or_path, path, sizeof(path)))
		snprintf(path, sizeof(path), "%s/postern/profiles/%s.json", POSTERN_DATADIR,
			name_or_path);
	if (is_name(name_or_path) && access(path, R_OK) != 0) {
		fault_set(f,
			"%s: there is no profile of this name; name one of those in %s/postern/profiles, "
			"or a file as ./FILE",
			name_or_path, POSTERN_DATADIR);
		return NULL;
	}
	if (file_read(path, FILE_ANY, PROFILE_LEN_MAX, &text, &len, f) == 0)
		p = audit_profile_parse(path, (const char *)text, len, f);
	free(text);
	return p;
}

void audit_profile_free(struct audit_profile *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < AUDIT_FINDINGS_MAX; i++)
		free(p->advice[i]);
	free(p);
}

const char *audit_profile_name(const struct audit_profile *p)
{
	return p->name;
}

const char *audit_profile_note(const struct audit_profile *p)
{
	return p->note;
}

enum audit_severity audit_profile_severity(const struct audit_profile *p, size_t check)
{
	return p->severity[check] < AUDIT_SEVERITY_COUNT ? p->severity[check]
							 : audit_check_at(check)->severity;
}

const char *audit_profile_advice(const struct audit_profile *p, size_t check)
{
	return p->advice[check] != NULL ? p->advice[check] : audit_check_at(check)->advice;
}
