/* Certifiers as commands use them: nobody is asked for a password before the rest is known to be good. */

#include "cmd/id_certifier.h"

#include <errno.h>
#include <string.h>

#include "cmd/id.h"

int id_certifier_load(const char *path, struct id_certifier *ret, struct fault *f)
{
	struct cert c;
	struct fault why;
	*ret = (struct id_certifier){ .path = path };
	int rc = id_file_load(path, FILE_SECRET, &ret->file, f);
	if (rc < 0)
		return rc;
	if (idfile_cert_count(ret->file) > 0 &&
		cert_read(idfile_cert(ret->file, 0), &c, &why) == 0 && c.kind == CERT_CERTIFIER) {
		ret->name = c.subject;
		return 0;
	}
	fault_set(f, "%s: not the ID file of a certifier", path);
	id_certifier_deinit(ret);
	return -EINVAL;
}

void id_certifier_deinit(struct id_certifier *c)
{
	idfile_free(c->file);
	c->file = NULL;
}

int id_certifier_check(const struct id_certifier *c, const struct name *name, struct fault *f)
{
	char text[NAME_TEXT_MAX], above[NAME_TEXT_MAX];
	if (name_is_child(name, &c->name))
		return 0;
	fault_set(f,
		"\"%.120s\" is not directly below %.120s, the certifier in %.120s; take that name's own "
		"certifier, or change the name",
		name_format(name, text), name_format(&c->name, above), c->path);
	return -EDOM;
}

int id_certifier_settle(const struct id_certifier *c, const char *text, enum name_type leaf,
	struct name *ret, struct fault *f)
{
	bool is_full = strpbrk(text, "/=") != NULL;
	enum name_reject r = is_full ? name_parse(text, leaf != NAME_CN, ret)
				     : name_append(&c->name, leaf, text, ret);
	if (r == NAME_OK)
		return id_certifier_check(c, ret, f);
	fault_set(f, "the name \"%s\" is refused: %s", text, name_reject_text(r));
	return -EDOM;
}

int id_certifier_open(const struct id_certifier *c, const char *password_file, struct issue **ret,
	struct fault *f)
{
	struct password_source from = { .file = password_file, .line = 1 };
	struct password password;

	int rc = password_get(&from, idfile_header(c->file)->name, &password, f);
	if (rc < 0)
		return rc;
	rc = issue_load(c->path, c->file, &password, ret, f);
	password_wipe(&password);
	return rc;
}
