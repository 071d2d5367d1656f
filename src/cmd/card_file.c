/* Server cards as files. Invariant: a stealth secret stands in a struct that card_file_free wipes. */

#include "cmd/card_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/pem.h"

bool card_file_is(struct span text)
{
	struct pem_reader r = pem_reader_init(text);
	struct pem_block b;
	return pem_next(&r, &b) == PEM_BLOCK && strcmp(b.label, "POSTERN CARD") == 0;
}

static int parse(const char *path, struct span text, struct card **ret, struct fault *f)
{
	struct fault why;
	struct card *c = calloc(1, sizeof(*c));
	if (c == NULL) {
		fault_set(f, "%s: there is not enough memory to read it", path);
		return -ENOMEM;
	}
	int rc = card_parse(text, c, &why);
	if (rc == 0) {
		*ret = c;
		return 0;
	}
	fault_set(f, "%s: %.400s", path, why.text);
	card_file_free(c);
	return rc;
}

int card_file_load(const char *path, enum file_need need, struct card **ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(path, need, CARD_FILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = parse(path, span_of(text, len), ret, f);
	sodium_memzero(text, len);
	free(text);
	return rc;
}

void card_file_free(struct card *c)
{
	if (c != NULL)
		sodium_memzero(c, sizeof(*c));
	free(c);
}
