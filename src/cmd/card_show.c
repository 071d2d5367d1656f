/*
 * Server cards for people. Invariant: the stealth secret is said to be there, and nothing more of it; and
 * trust is asked of libpostern, so that the answer is the one a knock would get.
 */

#include "cmd/card_show.h"

#include <postern/postern.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "cmd/client_trust.h"
#include "cmd/id.h"
#include "cmd/password.h"

static const char *or_none(const char *text)
{
	return text[0] != '\0' ? text : "(none named)";
}

static const char *sid_hex(const struct card *c, char hex[65])
{
	uint8_t sid[SPA_SID_LEN];
	spa_key_id(c->identity_pk, sid);
	return text_hex(SPAN_OF(sid), hex);
}

static void tell_prekey(const struct prekey *k, uint64_t now_ms)
{
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	printf("  prekey %-3u    %.10s to %.10s%s", (unsigned)k->id,
		time_format_utc(k->not_before_ms, from), time_format_utc(k->not_after_ms, to),
		k->not_after_ms < now_ms ? " (ended)" : "");
	if (k->psk_slot != 0)
		printf(", with pre-shared key %u", (unsigned)k->psk_slot);
	putchar('\n');
}

void card_show_tell(const struct card *c, uint64_t now_ms)
{
	char hex[65];
	printf("card of %s, server\n", c->name);
	printf("  host          %s\n", or_none(c->host));
	printf("  port          udp/%u\n", (unsigned)c->port);
	printf("  service       %s\n", or_none(c->service));
	printf("  server id     %.32s\n", sid_hex(c, hex));
	printf("                %s\n", hex + 32);
	printf("  stealth       %s\n", c->has_stealth ? "yes: the card is secret" : "no");
	for (size_t i = 0; i < c->prekey_count; i++)
		tell_prekey(&c->prekeys[i], now_ms);
}

static json_t *prekeys_json(const struct card *c)
{
	char from[TIME_TEXT_MAX], to[TIME_TEXT_MAX];
	json_t *list = json_array();
	for (size_t i = 0; i < c->prekey_count; i++) {
		const struct prekey *k = &c->prekeys[i];
		json_array_append_new(list,
			json_pack("{s:i, s:i, s:s, s:s}", "id", (int)k->id, "psk_slot",
				(int)k->psk_slot, "not_before",
				time_format_utc(k->not_before_ms, from), "not_after",
				time_format_utc(k->not_after_ms, to)));
	}
	return list;
}

json_t *card_show_json(const struct card *c)
{
	char hex[65];
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s, s:b, s:o}", "type", "card", "name",
		c->name, "host", c->host, "port", (int)c->port, "service", c->service, "sid",
		sid_hex(c, hex), "stealth", (int)c->has_stealth, "prekeys", prekeys_json(c));
}

/* ------------------------------------------------------------------ trust */

static int open_id(const struct card_show_id *id, struct postern_id **ret, struct fault *f)
{
	struct password_source from = { .file = id->password_file, .line = 1 };
	struct postern_error e = { { 0 } };
	struct password password;
	struct idfile *file = NULL;

	int rc = id_file_load(id->path, FILE_SECRET, &file, f);
	if (rc < 0)
		return rc;
	rc = password_get(&from, idfile_header(file)->name, &password, f);
	idfile_free(file);
	if (rc < 0)
		return rc;
	rc = postern_id_load(id->path, password.b, password.len, ret, &e);
	password_wipe(&password);
	if (rc < 0)
		fault_set(f, "%s", e.text);
	return rc;
}

int card_show_ask(const char *card_path, const struct card_show_id *id, uint64_t now_ms,
	struct card_show_trust *ret, struct fault *f)
{
	struct postern_error e = { { 0 } };
	struct postern_card *card = NULL;
	struct postern_id *me = NULL;

	int rc = postern_card_load(card_path, &card, &e);
	if (rc < 0)
		fault_set(f, "%s", e.text);
	else
		rc = open_id(id, &me, f);
	if (rc == 0) {
		client_trust_load(me, false);
		int verdict = postern_card_verify(card, me, now_ms, &e);
		ret->is_trusted = verdict >= 0;
		snprintf(ret->why, sizeof(ret->why), "%s", verdict != 0 ? e.text : "");
	}
	postern_id_free(me);
	postern_card_free(card);
	return rc;
}
