/* Trust files found and handed over; libpostern judges them. Always in the order of their names. */

#include "cmd/client_trust.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/client_home.h"
#include "cmd/say.h"

static int is_trust_file(const struct dirent *e)
{
	size_t len = strlen(e->d_name);
	return len > 4 && e->d_name[0] != '.' && strcmp(e->d_name + len - 4, ".pem") == 0;
}

static void add(struct postern_id *id, const char *path, bool is_verbose)
{
	struct postern_error e = { { 0 } };
	int rc = postern_trust_add(id, path, &e);
	if (rc < 0 && (rc != -ENOKEY || is_verbose))
		say_trouble("%s; ignoring it", e.text);
}

void client_trust_load(struct postern_id *id, bool is_verbose)
{
	char folder[PATH_MAX], path[PATH_MAX];
	struct dirent **list = NULL;
	struct fault f;

	if (client_home_trust(false, folder, &f) < 0) {
		say_trouble("%s; ignoring it", f.text);
		return;
	}
	int count = scandir(folder, &list, is_trust_file, alphasort);
	if (count < 0 && errno != ENOENT)
		say_trouble("%s: cannot be read: %s; ignoring it", folder, strerror(errno));
	for (int i = 0; i < count; i++) {
		int n = snprintf(path, sizeof(path), "%s/%s", folder, list[i]->d_name);
		if (n > 0 && (size_t)n < sizeof(path))
			add(id, path, is_verbose);
		free(list[i]);
	}
	free(list);
}
