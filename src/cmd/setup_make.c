/*
 * A first server from a plan. Everything is made in memory, then written at once or not at all; private
 * keys stand in guarded memory and in sealed ID files only. The firewall is never touched.
 */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/certifier.h"
#include "cmd/commands.h"
#include "cmd/fileset.h"
#include "cmd/id_make.h"
#include "cmd/issue.h"
#include "cmd/password.h"
#include "cmd/say.h"
#include "cmd/setup.h"

#define YEARS_CERTIFIER 100
#define YEARS_SERVER 10
#define YEARS_USER 2
#define YEARS_CROSS 10
#define SECRET_KEY "secret: opens server.id and relay.id"

struct people {
	struct issue *organisation, *unit;    /* unit: NULL without one */
	struct issue *server, *relay, *admin; /* relay: the same name, another key */
	struct password certifier_password, admin_password;
	uint8_t stealth[ISSUE_STEALTH_LEN];
};

static void people_free(struct people *m)
{
	if (m == NULL)
		return;
	issue_free(m->organisation);
	issue_free(m->unit);
	issue_free(m->server);
	issue_free(m->relay);
	issue_free(m->admin);
	sodium_free(m);
}

static int choose_passwords(
	const char *password_file, const struct setup_plan *p, struct people *m, struct fault *f)
{
	struct password_source first = { .file = password_file, .line = 1 };
	struct password_source second = { password_file, 2, true };
	char what[NAME_TEXT_MAX + 32], name[NAME_TEXT_MAX];

	snprintf(what, sizeof(what), "the certifier %s", name_format(&p->organisation, name));
	int rc = password_choose(
		&first, what, PASSWORD_QUALITY_CERTIFIER, &m->certifier_password, f);
	if (rc < 0)
		return rc;
	return password_choose(&second, name_format(&p->admin, name), PASSWORD_QUALITY_USER,
		&m->admin_password, f);
}

static int make_one(const struct setup_plan *p, const struct name *name, enum cert_kind kind,
	unsigned years, const struct issue *by, struct issue **ret, struct fault *f)
{
	struct issue_order o = {
		.name = name,
		.kind = kind,
		.now_ms = p->now_ms,
		.not_after_ms = issue_end_ms(p->now_ms, years, 0),
		.by = by,
	};
	return issue_new(&o, ret, f);
}

static int make_people(const struct setup_plan *p, struct people *m, struct fault *f)
{
	int rc = make_one(
		p, &p->organisation, CERT_CERTIFIER, YEARS_CERTIFIER, NULL, &m->organisation, f);
	if (rc == 0 && p->has_unit)
		rc = make_one(
			p, &p->unit, CERT_CERTIFIER, YEARS_CERTIFIER, m->organisation, &m->unit, f);
	const struct issue *by = p->has_unit ? m->unit : m->organisation;
	if (rc == 0)
		rc = make_one(p, &p->server, CERT_SERVER, YEARS_SERVER, by, &m->server, f);
	if (rc == 0)
		rc = make_one(p, &p->server, CERT_SERVER, YEARS_SERVER, by, &m->relay, f);
	if (rc == 0)
		rc = make_one(p, &p->admin, CERT_USER, YEARS_USER, by, &m->admin, f);
	return rc;
}

static void add_text(struct fileset *s, const char *folder, const char *name, char *text,
	mode_t mode, const char *note)
{
	fileset_add(s, folder, name, text, text != NULL ? strlen(text) : 0, mode, note);
}

static char *directory_text(const struct people *m)
{
	static const char head[] =
		"# Who is known here. Edit with \"postern directory add\" and \"remove\".\n";
	char *text = malloc(sizeof(head) + DIRECTORY_LINE_MAX + 2);
	struct directory_entry e;
	if (text == NULL)
		return NULL;
	memcpy(text, head, sizeof(head));
	issue_entry(m->admin, &e);
	if (directory_line_format(
		    &e, "made by setup", text + sizeof(head) - 1, DIRECTORY_LINE_MAX + 2) == 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void add_locked(struct fileset *s, const struct setup_plan *p, const char *name,
	const struct issue *i, const struct password *password, uint8_t quality_min,
	const char *note)
{
	struct issue_lock lock = {
		.password = password,
		.quality_min = quality_min,
		.mem_kib = p->mem_kib,
	};
	add_text(s, p->apart, name, issue_idfile(i, &lock, p->now_ms), 0600, note);
}

static void add_key(struct fileset *s, const struct setup_plan *p, char *raw)
{
	switch (p->key) {
	case SETUP_KEY_FILE:
		fileset_add(s, p->folder, "server.key", raw, IDFILE_KEY_LEN, 0600, SECRET_KEY);
		break;
	case SETUP_KEY_CREDENTIAL:
		fileset_add(s, p->folder, SETUP_CREDENTIAL_FILE, raw, IDFILE_KEY_LEN, 0600,
			SECRET_KEY "; to be encrypted, see below");
		break;
	case SETUP_KEY_ELSEWHERE:
		fileset_add(s, NULL, p->key_path, raw, IDFILE_KEY_LEN, 0600, SECRET_KEY);
		break;
	}
}

static void add_server(struct fileset *s, const struct setup_plan *p, const struct people *m)
{
	char *raw = malloc(IDFILE_KEY_LEN);
	if (raw == NULL) {
		s->is_short = true;
		return;
	}
	randombytes_buf(raw, IDFILE_KEY_LEN);
	struct issue_lock lock = { .raw_key = (const uint8_t *)raw };
	char *id = issue_idfile(m->server, &lock, p->now_ms);
	add_text(s, p->folder, "server.id", id, 0600, "the server's keys and certificate");
	id = issue_idfile(m->relay, &lock, p->now_ms);
	add_text(s, p->folder, "relay.id", id, 0600,
		"the same name with another key, for passthrus");
	add_key(s, p, raw);
}

/* It is all that opens the ear of the server, so a copy of the card is as secret. */
static void add_card(
	struct fileset *s, const struct setup_plan *p, const struct people *m, char *card_text)
{
	add_text(s, p->folder, "server.card", card_text, issue_card_mode(p->is_stealth),
		p->is_stealth ? "secret: what a client needs; give it to no one else"
			      : "what a client needs; give it to them");
	if (!p->is_stealth)
		return;
	char *raw = malloc(sizeof(m->stealth));
	if (raw == NULL) {
		s->is_short = true;
		return;
	}
	memcpy(raw, m->stealth, sizeof(m->stealth));
	fileset_add(s, p->folder, "server.stealth", raw, sizeof(m->stealth), 0600,
		"secret: what the cards hold");
}

/* Only the names: enough to refuse before a password is asked for. */
static int check_free(const struct setup_plan *p, struct fault *f)
{
	static const char *const names[] = { "server.id", "relay.id", "server.key",
		"server.stealth", SETUP_CREDENTIAL_FILE, "server.card", "directory",
		"postern.conf" };
	static const char *const apart[] = { "certifier.id", "unit.id", "admin.id" };
	struct fileset s = { 0 };
	char folder[PATH_MAX + 16];

	for (size_t i = 0; i < sizeof(apart) / sizeof(apart[0]); i++)
		add_text(&s, p->apart, apart[i], strdup(""), 0600, NULL);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		add_text(&s, p->folder, names[i], strdup(""), 0600, NULL);
	snprintf(folder, sizeof(folder), "%s/trust", p->folder);
	add_text(&s, folder, p->trust, strdup(""), 0600, NULL);
	for (size_t i = 0; i < p->inner_count; i++)
		add_text(&s, folder, p->inners[i].file, strdup(""), 0600, NULL);
	if (p->key == SETUP_KEY_ELSEWHERE)
		id_make_add_text(&s, p->key_path, strdup(""), 0600, NULL);
	int rc = fileset_check(&s, f);
	fileset_deinit(&s);
	return rc;
}

/* What the edge's organisation says of those that it lets in: each unit, and nothing above it. */
static char *cross_pem(
	const struct setup_plan *p, const struct issue *by, const struct setup_inner *inner)
{
	struct fault f;
	uint8_t bytes[CERT_LEN_MAX];
	size_t len = 0;
	struct issue_signer signer = issue_signer(by);
	struct issue_grant g = { CERT_CROSS, &inner->name, CERT_CERTIFIER, inner->pk, p->now_ms,
		issue_last_ms(issue_end_ms(p->now_ms, YEARS_CROSS, 0), by->not_after_ms) };
	if (issue_certify(&signer, &g, bytes, &len, &f) < 0)
		return NULL;
	struct span der = span_of(bytes, len);
	return certifier_pem("CERTIFICATE", &der, 1);
}

static int make_files(
	const struct setup_plan *p, struct people *m, struct fileset *s, struct fault *f)
{
	struct issue_card card = { p->host, p->guards[0].name, SETUP_KNOCK_PORT, p->now_ms, NULL };
	char trust[PATH_MAX + 16];

	if (p->is_stealth) {
		randombytes_buf(m->stealth, sizeof(m->stealth));
		card.stealth = m->stealth;
	}
	/* The cheap part that can be refused first, Argon2id after it. */
	char *card_text = issue_server_card(m->server, &card, f);
	if (card_text == NULL)
		return -EINVAL;
	snprintf(trust, sizeof(trust), "%s/trust", p->folder);
	fileset_folder(s, p->folder);
	fileset_folder(s, trust);
	if (p->is_edge)
		fileset_folder(s, p->apart);
	add_locked(s, p, "certifier.id", m->organisation, &m->certifier_password,
		PASSWORD_QUALITY_CERTIFIER, "secret: certifies; keep it offline");
	if (p->has_unit)
		add_locked(s, p, "unit.id", m->unit, &m->certifier_password,
			PASSWORD_QUALITY_CERTIFIER, "secret: certifies for the unit; offline too");
	add_locked(s, p, "admin.id", m->admin, &m->admin_password, PASSWORD_QUALITY_USER,
		"secret: the administrator's; take it along");
	add_server(s, p, m);
	add_card(s, p, m, card_text);
	add_text(s, p->folder, "directory", directory_text(m), 0644, "who is known here");
	add_text(s, trust, p->trust, issue_certificate_pem(m->organisation), 0644,
		"the organisation's certificate");
	for (size_t i = 0; i < p->inner_count; i++)
		add_text(s, trust, p->inners[i].file, cross_pem(p, m->organisation, &p->inners[i]),
			0644, "trust in those who come from inside");
	add_text(s, p->folder, "postern.conf", setup_config_format(p), 0644, "the configuration");
	return s->is_short ? -ENOMEM : 0;
}

/* ------------------------------------------------------------------ the report */

/* What the kind of key means when the disk is stolen, and what is still to be done for it. */
static void report_key(const struct setup_plan *p)
{
	switch (p->key) {
	case SETUP_KEY_FILE:
		puts("Whoever has this disk is this server, as server.key lies beside server.id:\n"
		     "if it is stolen, revoke the server and make a new one.\n");
		break;
	case SETUP_KEY_CREDENTIAL:
		printf("Where a TPM seals the credential, a stolen disk alone is not this server; without a\n"
		       "TPM whoever has the disk is. Encrypt the key now, and delete it:\n\n"
		       "  mkdir -p /etc/credstore.encrypted /etc/systemd/system/posternd.service.d\n"
		       "  systemd-creds encrypt --name=" SETUP_CREDENTIAL
		       " %s/" SETUP_CREDENTIAL_FILE " \\\n"
		       "      /etc/credstore.encrypted/" SETUP_CREDENTIAL "\n"
		       "  shred -u %s/" SETUP_CREDENTIAL_FILE "\n\n"
		       "and write into /etc/systemd/system/posternd.service.d/credential.conf:\n\n"
		       "  [Service]\n"
		       "  LoadCredentialEncrypted=" SETUP_CREDENTIAL
		       ":/etc/credstore.encrypted/" SETUP_CREDENTIAL "\n\n",
			p->folder, p->folder);
		break;
	case SETUP_KEY_ELSEWHERE:
		printf("Whoever has this disk but not %s is not this server; nor does\n"
		       "the server start without it: keep a copy.\n\n",
			p->key_path);
		break;
	}
}

/* The name below the folder, or all of it for a file that is not there. */
static const char *file_below(const struct setup_plan *p, const char *path)
{
	size_t len = strlen(p->folder);
	return strncmp(path, p->folder, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

/* How the first of its passthrus is gone through. */
static void report_way(const struct setup_plan *p)
{
	const struct setup_passthru *t = &p->passthrus[0];
	const char *port = strrchr(t->to, ':'), *host = t->to;
	size_t len = (size_t)(port - host);
	if (host[0] == '[') {
		host++;
		len -= 2;
	}
	printf("  postern connect --through %s%s%s:%u %.*s %s\n\n",
		strchr(p->host, ':') != NULL ? "[" : "", p->host,
		strchr(p->host, ':') != NULL ? "]" : "", (unsigned)t->at.port, (int)len, host,
		port + 1);
}

/* The commands that leave nothing of it on the disk, and what the inner organisation has to do. */
static void report_edge(const struct setup_plan *p)
{
	char name[NAME_TEXT_MAX];
	printf("Take %s away from this machine, which is the one that may be stolen.\n"
	       "If it lies on this disk, copy it to a stick and leave nothing of it:\n\n"
	       "  cp -rp %s /media/STICK && sync\n"
	       "  find %s -type f -exec shred -u {} + && rm -r %s\n\n",
		p->apart, p->apart, p->apart, p->apart);
	if (p->inner_count > 0) {
		puts("Trusted to certify who comes from inside; compare what the owners read out:\n");
		for (size_t i = 0; i < p->inner_count; i++)
			printf("  %s\n    %s\n", name_format(&p->inners[i].name, name),
				p->inners[i].fingerprint);
		putchar('\n');
	}
	printf("Inside, let people trust this edge, and write the directory that it needs; with a\n"
	       "copy of %s/postern.conf and of server.card there:\n\n"
	       "  postern certifier cross server.card --for organisation --certifier certifier.id\n"
	       "  postern directory export-edge --config postern.conf \\\n"
	       "      --directory /etc/postern/directory -o edge-directory\n\n"
	       "and put edge-directory in the place of %s/directory.\n"
	       "The cross-certificate goes into the folder trust of each client's folder,\n"
	       "server.card beside it as %s.card. They then go through it:\n\n",
		p->folder, p->folder, p->host);
	if (p->passthru_count > 0)
		report_way(p);
	else
		printf("  postern connect --through %s:PORT HOST PORT\n\n", p->host);
	puts("Nothing is guarded yet. Next:\n");
}

static void report(const struct setup_plan *p, const struct fileset *s)
{
	char server[NAME_TEXT_MAX], admin[NAME_TEXT_MAX];
	size_t width = 16;

	printf("Made %sserver %s and administrator %s in %s:\n\n", p->is_edge ? "edge " : "",
		name_format(&p->server, server), name_format(&p->admin, admin), p->folder);
	for (size_t i = 0; i < s->count; i++) {
		size_t len = strlen(file_below(p, s->items[i].path));
		width = len > width ? len : width;
	}
	for (size_t i = 0; i < s->count; i++)
		printf("  %-*s %s\n", (int)width, file_below(p, s->items[i].path),
			s->items[i].note);
	putchar('\n');
	report_key(p);
	if (p->is_edge)
		report_edge(p);
	else
		printf("Move certifier.id%s to a place that is not on a network; it is needed only to\n"
		       "certify more people and servers. Nothing is guarded yet. Next:\n\n",
			p->has_unit ? " and unit.id" : "");
	if (p->key == SETUP_KEY_CREDENTIAL)
		puts("  systemctl daemon-reload && systemctl restart posternd");
	else
		printf("  posternd -c %s/postern.conf\n", p->folder);
	printf("  postern knock %s %s --id %s/admin.id \\\n      --card %s/server.card\n", p->host,
		p->guards[0].name, p->apart, p->folder);
}

static int fail(int rc, const struct fault *f)
{
	say_trouble("%s", f->text);
	return rc == -EKEYREJECTED || rc == -EINVAL ? EXIT_REFUSED : EXIT_LOCAL;
}

int setup_make(const struct setup_plan *p, const char *password_file)
{
	struct fileset s = { 0 };
	struct fault f;

	struct people *m = sodium_malloc(sizeof(*m));
	if (m == NULL) {
		say_trouble("there is not enough memory");
		return EXIT_LOCAL;
	}
	memset(m, 0, sizeof(*m));
	int rc = check_free(p, &f);
	if (rc == 0)
		rc = choose_passwords(password_file, p, m, &f);
	if (rc == 0)
		rc = make_people(p, m, &f);
	if (rc == 0) {
		rc = make_files(p, m, &s, &f);
		if (rc == -ENOMEM)
			fault_set(&f,
				"there is not enough memory to lock the ID files; take less "
				"with --kdf-mem 64");
	}
	if (rc == 0)
		rc = fileset_write(&s, &f);
	if (rc == 0)
		report(p, &s);
	int code = rc == 0 ? EXIT_DONE : fail(rc, &f);
	fileset_deinit(&s);
	people_free(m);
	return code;
}
