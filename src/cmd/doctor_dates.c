/* The clock, and everything that ends within thirty days: known in time, none of it locks anybody out. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pem.h"
#include "cmd/doctor.h"
#include "identity/crl.h"
#include "store/store.h"

#define SOON_MS (30ull * 86400 * 1000)
#define LISTED_MAX 20

static void check_clock(struct doctor *d)
{
	struct timex t = { 0 };
	int state = adjtimex(&t);
	if (state < 0)
		doctor_note(d, DOCTOR_WARN, "clock", "the kernel does not say whether it is right");
	else if (state == TIME_ERROR || (t.status & STA_UNSYNC) != 0)
		doctor_note(d, DOCTOR_WARN, "clock",
			"nothing keeps the clock right: clients correct themselves, but certificates "
			"and times go by it; run chrony or systemd-timesyncd");
	else
		doctor_note(d, DOCTOR_OK, "clock", "is kept right, to %ld ms", t.maxerror / 1000);
}

/* Ended, or ends soon: says so and is true. */
static bool ends(struct doctor *d, enum doctor_level past, uint64_t end_ms, const char *what,
	const char *then)
{
	char when[TIME_TEXT_MAX];
	if (end_ms == UINT64_MAX || end_ms > d->wall_ms + SOON_MS)
		return false;
	bool is_past = end_ms <= d->wall_ms;
	doctor_note(d, is_past ? past : DOCTOR_WARN, "dates", "%s %s on %.10s; %s", what,
		is_past ? "ended" : "ends", time_format_utc(end_ms, when), then);
	return true;
}

static size_t check_anchors(struct doctor *d)
{
	static const char *const roles[] = { [TRUST_OWN] = "the certificate of certifier",
		[TRUST_ROLLOVER] = "the rollover of",
		[TRUST_CROSS] = "the cross-certificate of" };
	size_t n = 0;
	for (size_t i = 0; d->boot->trust != NULL && i < trust_count(d->boot->trust); i++) {
		const struct trust_anchor *a = trust_at(d->boot->trust, i);
		char name[NAME_TEXT_MAX], what[NAME_TEXT_MAX + 64];
		snprintf(what, sizeof(what), "%s %s", roles[a->role],
			name_format(&a->cert.subject, name));
		n += ends(d, DOCTOR_FAIL, a->not_after_ms, what,
			"whom it certifies cannot come in by a certificate then; renew it");
	}
	return n;
}

static size_t check_list(struct doctor *d, const char *path, const struct pem_block *b)
{
	char issuer[NAME_TEXT_MAX], what[NAME_TEXT_MAX + PATH_MAX];
	struct crl crl;
	size_t n = 0, len = 0;
	uint8_t *der = malloc(CRL_LEN_MAX);
	bool is_required = d->boot->config->server.crl == CONFIG_CRL_REQUIRE;
	if (der != NULL && pem_decode(b, der, CRL_LEN_MAX, &len) &&
		crl_decode(span_of(der, len), &crl) == CERT_OK) {
		snprintf(what, sizeof(what), "%s: the revocation list of %s", path,
			name_format(&crl.issuer, issuer));
		n = ends(d, is_required ? DOCTOR_FAIL : DOCTOR_WARN, crl.next_update_ms, what,
			is_required
				? "nobody comes in by a certificate of it then; fetch a newer one"
				: "who was revoked later is not known; fetch a newer one");
	}
	free(der);
	return n;
}

static size_t check_lists(struct doctor *d)
{
	const struct config_list *files = &d->boot->config->server.crl_files;
	size_t n = 0;
	for (size_t i = 0; i < files->len; i++) {
		uint8_t *text = NULL;
		size_t len = 0;
		struct fault f;
		struct pem_block b;
		const char *path = files->items[i].text;
		if (file_read(path, FILE_TRUSTED, CRL_LEN_MAX * 2, &text, &len, &f) < 0)
			continue;
		struct pem_reader r = pem_reader_init(span_of(text, len));
		while (pem_next(&r, &b) == PEM_BLOCK)
			n += check_list(d, path, &b);
		free(text);
	}
	return n;
}

static size_t check_people(struct doctor *d)
{
	const struct directory *dir = d->boot->directory;
	size_t n = 0;
	for (size_t i = 0; i < directory_count(dir); i++) {
		const struct directory_entry *e = directory_at(dir, i);
		char name[NAME_TEXT_MAX], what[NAME_TEXT_MAX + 64];
		if (e->expires_ms > d->wall_ms + SOON_MS || n++ >= LISTED_MAX)
			continue;
		snprintf(what, sizeof(what), "line %u of the directory, %s,", e->line,
			name_format(&e->name, name));
		ends(d, DOCTOR_WARN, e->expires_ms, what,
			"who comes by it is refused then; set a later expires= or remove the line");
	}
	if (n > LISTED_MAX)
		doctor_note(d, DOCTOR_WARN, "dates", "%zu more lines of the directory end soon",
			n - LISTED_MAX);
	return n;
}

static void newest(void *arg, const struct store_prekey *p)
{
	uint64_t *end = arg;
	if (p->not_after_ms > *end)
		*end = p->not_after_ms;
}

/* They are renewed every twelve hours by a daemon that runs. */
static void check_prekeys(struct doctor *d)
{
	struct store *s = NULL;
	struct fault f;
	uint64_t end = 0;
	if (d->status == NULL || store_open_reader(d->boot->config->server.store, &s, &f) < 0)
		return;
	if (store_prekeys(s, newest, &end) == 0 && end <= d->wall_ms)
		doctor_note(d, DOCTOR_WARN, "dates",
			"the server makes no new prekeys, old knocks can be read by who steals its "
			"key; look into the log");
	store_close(s);
}

static void check_certifier(struct doctor *d)
{
	char folder[PATH_MAX], path[PATH_MAX + 16];
	const char *id = d->boot->config->server.id;
	const char *slash = strrchr(id, '/');
	snprintf(folder, sizeof(folder), "%.*s", (int)(slash != NULL ? slash - id : 0), id);
	snprintf(path, sizeof(path), "%s/certifier.id", folder);
	if (access(path, F_OK) == 0)
		doctor_note(d, DOCTOR_WARN, "keys",
			"%s lies on this machine, which does not need it: who has it and its password "
			"makes names; move it away",
			path);
}

void doctor_dates(struct doctor *d)
{
	check_clock(d);
	if (d->boot == NULL)
		return;
	size_t n = ends(d, DOCTOR_WARN, d->boot->keys->not_after_ms, "the server's certificate",
		"knocks still come in, but clients warn; renew it and reload");
	if (d->boot->relay != NULL)
		n += ends(d, DOCTOR_WARN, d->boot->relay->not_after_ms,
			"the certificate of relay-id",
			"clients do not go through passthrus then; renew it and reload");
	n += check_anchors(d) + check_lists(d) + check_people(d);
	if (n == 0)
		doctor_note(d, DOCTOR_OK, "dates", "nothing ends within 30 days");
	check_prekeys(d);
	check_certifier(d);
}
