/*
 * A stranger's program: nothing but the public header and the shared library. It fails to load a
 * card, looks names up, and sees none of the library's insides.
 */

#include <dlfcn.h>
#include <errno.h>
#include <postern/postern.h>
#include <stdio.h>
#include <string.h>

static int failures;

static void expect(bool holds, const char *what)
{
	if (holds)
		return;
	failures++;
	fprintf(stderr, "not so: %s\n", what);
}

int main(void)
{
	struct postern_card *card = NULL;
	struct postern_id *id = NULL;
	struct postern_error err = { "" };

	expect(postern_card_load("/nonexistent/gate.card", &card, &err) == -ENOENT, "no card");
	expect(card == NULL, "card untouched");
	expect(strncmp(err.text, "/nonexistent/gate.card: ", 24) == 0, "the file is named");
	expect(postern_card_load("/dev/null", &card, NULL) < 0, "no sentence wanted");
	expect(postern_id_load("/nonexistent/me.id", "x", 1, &id, &err) == -ENOENT, "no ID");
	postern_card_free(card);
	postern_id_free(id);
	postern_session_free(NULL);
	expect(strcmp(postern_status_name(POSTERN_LIMIT), "LIMIT") == 0, "name of LIMIT");
	for (int i = POSTERN_OK; i <= POSTERN_LIMIT; i++)
		expect(strlen(postern_status_advice((enum postern_status)i)) > 20, "advice");
	expect(dlsym(RTLD_DEFAULT, "postern_session_new") != NULL, "public name visible");
	expect(dlsym(RTLD_DEFAULT, "spa_open") == NULL, "inner name hidden");
	expect(dlsym(RTLD_DEFAULT, "span_equal") == NULL, "inner name hidden");
	return failures == 0 ? 0 : 1;
}
