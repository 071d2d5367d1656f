/* Server cards, errors and the words for answers: the part of libpostern without secrets of the
 * user. */

#include "postern/postern.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "lib/internal.h"

int lib_fail(struct postern_error *err, int rc, const char *path, const struct fault *f)
{
	struct fault whole;
	_Static_assert(sizeof(whole.text) == sizeof(err->text), "one sentence fits into the other");

	if (path != NULL)
		fault_set(&whole, "%s: %s", path, f->text);
	else
		fault_set(&whole, "%s", f->text);
	if (err != NULL)
		memcpy(err->text, whole.text, sizeof(err->text));
	return rc;
}

int postern_card_load(const char *path, struct postern_card **ret, struct postern_error *err)
{
	struct fault f = { "" };
	struct postern_card *c = NULL;
	uint8_t *text = NULL;
	size_t len = 0;

	/* What a card says is trusted, so nobody else may have written it. */
	int rc = file_read(path, FILE_TRUSTED, CARD_FILE_MAX, &text, &len, &f);
	if (rc < 0)
		return lib_fail(err, rc, NULL, &f);
	c = calloc(1, sizeof(*c));
	if (c == NULL || sodium_init() < 0) {
		rc = -ENOMEM;
		fault_set(&f, "no memory to read it; close something and try again");
		goto out;
	}
	rc = card_parse(span_of(text, len), &c->card, &f);
	if (rc < 0)
		goto out;
	spa_key_id(c->card.identity_pk, c->sid);
	*ret = c;
	c = NULL;
out:
	sodium_memzero(text, len); /* it may hold the stealth secret */
	free(text);
	free(c);
	return rc < 0 ? lib_fail(err, rc, path, &f) : 0;
}

void postern_card_free(struct postern_card *card)
{
	if (card == NULL)
		return;
	sodium_memzero(card, sizeof(*card));
	free(card);
}

const char *postern_card_host(const struct postern_card *card)
{
	return card->card.host;
}

uint16_t postern_card_port(const struct postern_card *card)
{
	return card->card.port;
}

const char *postern_card_service(const struct postern_card *card)
{
	return card->card.service;
}

const char *postern_card_name(const struct postern_card *card)
{
	return card->card.name;
}

const uint8_t *postern_card_sid(const struct postern_card *card)
{
	return card->sid;
}

const char *postern_status_name(enum postern_status status)
{
	return spa_status_name((enum spa_status)status);
}

const char *postern_status_advice(enum postern_status status)
{
	switch (status) {
	case POSTERN_OK:
		return "granted; connect now, before the time that was given runs out";
	case POSTERN_STALE:
		return "the server's clock and this computer's differ too much and change while we knock; "
		       "set this computer's clock and knock again";
	case POSTERN_RETRY:
		return "the server has just started and does not take our knock yet; "
		       "wait a minute and knock again";
	case POSTERN_BIND:
		return "the service opens only to an address that the knock signs, and the server did not "
		       "take ours; knock again and name the address that the server sees you come from";
	case POSTERN_DENIED:
		return "the server knows who you are, but its lists do not allow you this service, or it "
		       "has none of that name; ask its administrator, who finds the reason in the "
		       "server's journal";
	case POSTERN_EXPIRED:
		return "your ID has expired; have your certifier renew it and knock again";
	case POSTERN_BUSY:
		return "the server can grant nothing at the moment; wait a little and knock again, or ask its "
		       "administrator, who finds the reason in its log";
	case POSTERN_UNKNOWN_SERVICE:
		return "the server has no service of that name or port; "
		       "check the spelling or ask its administrator what it is called";
	case POSTERN_LIMIT:
		return "you or the service have as many openings as the server allows, or you knock too fast; "
		       "wait until one ends, then knock again";
	}
	return "the server gave an answer that this version does not know; update postern";
}
