/* ID files as the commands meet them: by name, with a sentence for whoever named them. */

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "cmd/id.h"

int id_file_load(const char *path, enum file_need need, struct idfile **ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault why;

	int rc = file_read(path, need, IDFILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	if (idfile_parse(span_of(text, len), ret, &why) != IDFILE_OK) {
		fault_set(f, "%s: not an ID file: %.400s", path, why.text);
		rc = -EINVAL;
	}
	free(text);
	return rc;
}

static const char *unlock_text(enum idfile_result r)
{
	switch (r) {
	case IDFILE_OK:
		break;
	case IDFILE_WRONG_PASSWORD:
		return "the password is wrong; try again";
	case IDFILE_WRONG_KEY:
		return "the key file does not open it; name the right one";
	case IDFILE_NO_SLOT:
		return "it has no password: it opens with a key file only";
	case IDFILE_TAMPERED:
		return "it was changed after it was sealed; take a good copy";
	case IDFILE_NO_MEMORY:
		return "there is not enough memory to open it";
	case IDFILE_BAD_FORMAT:
		return "what is sealed in it is not understood by this version";
	}
	return "";
}

int id_unlock_fault(const char *path, enum idfile_result r, struct fault *f)
{
	if (r == IDFILE_OK)
		return 0;
	fault_set(f, "%s: %s", path, unlock_text(r));
	return r == IDFILE_NO_MEMORY ? -ENOMEM : -EACCES;
}
