/* Load and check everything before any process starts, so that a mistake is found while the old one runs. */

#include "daemon/boot.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/anchors.h"
#include "daemon/threats.h"

#define WARN_EXPIRY_MS (30ull * 86400 * 1000)

static struct directory *load_directory(const char *path, struct config_report *r)
{
	uint8_t *text = NULL;
	size_t len = 0;
	struct fault f;
	if (file_read(path, FILE_TRUSTED, DIRECTORY_FILE_MAX, &text, &len, &f) < 0) {
		config_report_add(r, NULL, "%s", f.text);
		return NULL;
	}
	struct directory_faults *faults = calloc(1, sizeof(*faults));
	struct directory *d = faults != NULL ? directory_parse(span_of(text, len), faults) : NULL;
	if (d == NULL && (faults == NULL || faults->count == 0))
		config_report_add(r, NULL, "%s: no memory to load it", path);
	for (size_t i = 0; d == NULL && faults != NULL && i < faults->kept; i++) {
		struct config_text at = { "", path, faults->items[i].line };
		config_report_add(r, &at, "%s", faults->items[i].text);
	}
	free(faults);
	free(text);
	return d;
}

static void note_expiry(struct boot *b)
{
	uint64_t now = clock_wall_ms(), end = b->keys->not_after_ms;
	bool is_relay = b->relay != NULL && b->relay->not_after_ms < end;
	char when[TIME_TEXT_MAX];
	if (is_relay)
		end = b->relay->not_after_ms;
	if (end > now + WARN_EXPIRY_MS)
		return;
	snprintf(b->warning, sizeof(b->warning), "the certificate of %s%s %s on %s; renew it",
		b->keys->name, is_relay ? ", relay-id," : "", end <= now ? "expired" : "expires",
		time_format_utc(end, when));
}

static void load_relay(struct boot *b, struct config_report *r)
{
	struct fault f;
	if (b->keys == NULL || b->trust == NULL || !relay_keys_are_needed(b->config))
		return;
	b->relay = relay_keys_load(b->config, b->keys, b->trust, clock_wall_ms(), &f);
	if (b->relay == NULL)
		config_report_add(r, NULL, "%s", f.text);
}

struct boot *boot_load(const char *path, struct config_report *r)
{
	struct boot *b = calloc(1, sizeof(*b));
	if (b == NULL) {
		config_report_add(r, NULL, "%s: no memory to load it", path);
		return NULL;
	}
	size_t before = r->count;
	b->config = config_load(path, r);
	if (b->config == NULL)
		goto fail;
	b->directory = load_directory(b->config->server.directory, r);
	threats_check_names(b->config, r);
	if (b->directory != NULL)
		b->policy = policy_new(b->config, b->directory, r);
	if (b->directory != NULL)
		b->classic = classic_keys_load(b->config, b->directory, r);
	struct fault f;
	b->keys = keys_load(
		b->config->server.id, b->config->server.id_key, b->config->server.stealth, &f);
	if (b->keys == NULL)
		config_report_add(r, NULL, "%s", f.text);
	else
		b->trust = anchors_load(b->config, &b->keys->own, r);
	load_relay(b, r);
	if (r->count != before || b->policy == NULL || b->trust == NULL)
		goto fail;
	note_expiry(b);
	if (b->warning[0] == '\0')
		snprintf(b->warning, sizeof(b->warning), "%s", b->classic->warning);
	return b;
fail:
	boot_free(b);
	return NULL;
}

void boot_forget_relay(struct boot *b)
{
	relay_keys_free(b->relay);
	b->relay = NULL;
}

void boot_forget_keys(struct boot *b)
{
	boot_forget_relay(b);
	keys_free(b->keys);
	b->keys = NULL;
	classic_keys_free(b->classic);
	b->classic = NULL;
	if (b->config != NULL)
		config_forget_secrets(b->config);
}

void boot_free(struct boot *b)
{
	if (b == NULL)
		return;
	boot_forget_keys(b);
	policy_free(b->policy);
	trust_free(b->trust);
	directory_free(b->directory);
	config_free(b->config);
	free(b);
}
