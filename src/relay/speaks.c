/*
 * Which look is for which side, and what holds for all of them: a limit, an end that came too early, and who
 * has to speak first. What has fitted once goes on fitting.
 */

#include <string.h>

#include "relay/speaks_internal.h"

typedef enum speaks_verdict look_fn(struct span s, const char **flaw);

static const struct {
	look_fn *looks[2];     /* by enum speaks_side; NULL: anything fits */
	bool is_greeted;       /* the client waits for the server's first words */
	const char *not_words; /* of a side whose bytes were too few or too many to say */
} protocols[] = {
	[CONFIG_SPEAKS_ANY] = { .not_words = "" },
	[CONFIG_SPEAKS_SSH] = { { speaks_ssh_client, speaks_ssh_server }, false,
		"there is no version of SSH in it" },
	[CONFIG_SPEAKS_TLS] = { { speaks_tls_client, speaks_tls_server }, false,
		"there is no whole TLS message in it" },
	[CONFIG_SPEAKS_SMTP] = { { speaks_smtp_client, speaks_smtp_server }, true,
		"there is no whole line of SMTP in it" },
	[CONFIG_SPEAKS_IMAP] = { { speaks_imap_client, speaks_imap_server }, true,
		"there is no whole line of IMAP in it" },
	[CONFIG_SPEAKS_HTTP] = { { speaks_http_client, speaks_http_server }, false,
		"there is no whole line of HTTP in it" },
	[CONFIG_SPEAKS_POSTGRES] = { { speaks_postgres_client, speaks_postgres_server }, false,
		"there is no whole message of PostgreSQL in it" },
	[CONFIG_SPEAKS_HEX] = { .not_words = "not all of the configured first bytes are there" },
};

enum speaks_verdict speaks_misfit(const char **flaw, const char *why)
{
	*flaw = why;
	return SPEAKS_MISFIT;
}

static enum speaks_verdict look_hex(
	const struct config_first_bytes *want, struct span s, const char **flaw)
{
	size_t n = s.len < want->len ? s.len : want->len;
	if (n > 0 && memcmp(s.data, want->b, n) != 0)
		return speaks_misfit(flaw, "its first bytes are not the configured ones");
	return s.len < want->len ? SPEAKS_MORE : SPEAKS_FITS;
}

static enum speaks_verdict look(struct speaks *s, enum speaks_side side, struct span bytes)
{
	if (s->kind == CONFIG_SPEAKS_HEX)
		return look_hex(s->hex[side], bytes, &s->flaw);
	look_fn *fn = protocols[s->kind].looks[side];
	return fn == NULL ? SPEAKS_FITS : fn(bytes, &s->flaw);
}

void speaks_init(struct speaks *s, enum config_speaks kind, const struct config_first_bytes *client,
	const struct config_first_bytes *inner)
{
	*s = (struct speaks){ .kind = kind, .hex = { client, inner } };
}

enum speaks_verdict speaks_look(
	struct speaks *s, enum speaks_side side, struct span bytes, bool is_end)
{
	bool is_whole = bytes.len >= SPEAKS_MAX || is_end;
	if (s->has_fitted[side])
		return SPEAKS_FITS;
	if (bytes.len == 0) {
		s->has_fitted[side] = is_end;
		return is_end ? SPEAKS_FITS : SPEAKS_MORE;
	}
	if (side == SPEAKS_CLIENT && protocols[s->kind].is_greeted && !s->has_fitted[SPEAKS_INNER])
		return speaks_misfit(&s->flaw, "it spoke before the server's greeting");
	if (bytes.len > SPEAKS_MAX)
		bytes.len = SPEAKS_MAX;
	enum speaks_verdict v = look(s, side, bytes);
	if (v == SPEAKS_MORE && is_whole)
		return speaks_misfit(&s->flaw, protocols[s->kind].not_words);
	s->has_fitted[side] = v == SPEAKS_FITS;
	return v;
}

const char *speaks_name(enum config_speaks kind)
{
	return config_speaks_name(kind);
}
