/*
 * Issuing identities. Invariant: a private key exists only in a struct issue (guarded memory, wiped when
 * freed) and inside a sealed ID file.
 */

#include "cmd/issue.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/pem.h"
#include "cmd/id.h"
#include "knock/hpke.h"
#include "knock/prekey.h"

#define DAY_MS UINT64_C(86400000)
#define PREKEY_YEARS 10

_Static_assert(
	ISSUE_CERTS_MAX <= CARD_CERTS_MAX, "a card has room for every certificate of a server");
_Static_assert(CERT_LEN_MAX <= CARD_CERT_LEN_MAX, "and each of them fits");

uint64_t issue_end_ms(uint64_t now_ms, unsigned years, unsigned days)
{
	time_t t = (time_t)(now_ms / 1000);
	struct tm tm = { 0 };
	gmtime_r(&t, &tm);
	tm.tm_year += (int)years;
	tm.tm_mday += (int)days + 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	return (uint64_t)timegm(&tm) * 1000;
}

static struct span own_cert(const struct issue *i, size_t n)
{
	return span_of(i->certs[n], i->cert_len[n]);
}

static void make_keys(struct issue *i)
{
	uint8_t sk[crypto_sign_SECRETKEYBYTES];
	randombytes_buf(i->secrets.seed, sizeof(i->secrets.seed));
	crypto_sign_seed_keypair(i->pk, sk, i->secrets.seed);
	sodium_memzero(sk, sizeof(sk));
	if (i->kind == CERT_SERVER) {
		i->secrets.has_x25519 = true;
		randombytes_buf(i->secrets.x25519, sizeof(i->secrets.x25519));
	}
}

struct issue_signer issue_signer(const struct issue *i)
{
	return (struct issue_signer){ &i->name, i->pk, i->secrets.seed };
}

uint64_t issue_last_ms(uint64_t end_ms, uint64_t issuer_not_after_ms)
{
	/* RFC 5280 4.1.2.5: the last second counts, so midnight itself must not be in it. */
	uint64_t last_ms = end_ms - 1000;
	return issuer_not_after_ms != 0 && last_ms > issuer_not_after_ms ? issuer_not_after_ms
									 : last_ms;
}

int issue_certify(const struct issue_signer *by, const struct issue_grant *g, uint8_t *der,
	size_t *ret_len, struct fault *f)
{
	struct cert_order order = {
		.role = g->role,
		.subject = *g->name,
		.kind = g->kind,
		.not_before_ms = g->now_ms - g->now_ms % DAY_MS,
		.not_after_ms = g->not_after_ms,
		.issuer = *by->name,
		.issuer_seed = by->seed,
	};
	memcpy(order.pk, g->pk, sizeof(order.pk));
	memcpy(order.issuer_pk, by->pk, sizeof(order.issuer_pk));
	return cert_issue(&order, der, ret_len, f);
}

static int certify(struct issue *i, const struct issue_order *o, struct fault *f)
{
	struct issue_signer by = issue_signer(o->by != NULL ? o->by : i);
	struct issue_grant g = { CERT_BELOW, &i->name, i->kind, i->pk, o->now_ms, i->not_after_ms };
	int rc = issue_certify(&by, &g, i->certs[0], &i->cert_len[0], f);
	if (rc < 0)
		return rc;
	i->cert_count = 1;
	for (size_t n = 0; o->by != NULL && n < o->by->cert_count; n++) {
		if (i->cert_count == ISSUE_CERTS_MAX)
			break;
		memcpy(i->certs[i->cert_count], o->by->certs[n], o->by->cert_len[n]);
		i->cert_len[i->cert_count++] = o->by->cert_len[n];
	}
	return 0;
}

static struct issue *allocate(struct fault *f)
{
	struct issue *i = sodium_malloc(sizeof(*i));
	if (i == NULL)
		fault_set(f, "there is not enough memory");
	else
		memset(i, 0, sizeof(*i));
	return i;
}

int issue_new(const struct issue_order *o, struct issue **ret, struct fault *f)
{
	struct issue *i = allocate(f);
	if (i == NULL)
		return -ENOMEM;
	i->name = *o->name;
	i->kind = o->kind;
	i->not_after_ms = issue_last_ms(o->not_after_ms, o->by != NULL ? o->by->not_after_ms : 0);
	make_keys(i);
	int rc = certify(i, o, f);
	if (rc < 0)
		issue_free(i);
	else
		*ret = i;
	return rc;
}

int issue_own_cert(const char *path, const struct idfile *id, bool is_certifier, struct cert *ret,
	struct fault *f)
{
	struct cert c;
	struct fault why;
	uint8_t key_id[32];
	if (idfile_cert_count(id) > 0 && cert_read(idfile_cert(id, 0), &c, &why) == 0) {
		spa_key_id(c.pk, key_id);
		if (memcmp(key_id, idfile_header(id)->key_id, sizeof(key_id)) == 0 &&
			(!is_certifier || c.kind == CERT_CERTIFIER)) {
			*ret = c;
			return 0;
		}
	}
	if (is_certifier)
		fault_set(f, "%s: not the ID file of a certifier", path);
	else
		fault_set(f, "%s: holds no certificate of its own key; have it certified first",
			path);
	return -EINVAL;
}

/* Its ancestors' certificates, and a rollover's of its own key: what proves it to others. */
static bool is_passed_on(const struct issue *i, const struct cert *c)
{
	return name_is_below(&i->name, &c->subject) ||
		(name_equal(&i->name, &c->subject) && memcmp(i->pk, c->pk, sizeof(i->pk)) == 0);
}

/* Others, which are cross-certificates, are not passed on. */
static void take_certs(const struct idfile *id, const struct cert *own, struct issue *i)
{
	struct fault why;
	i->name = own->subject;
	i->kind = own->kind;
	i->not_after_ms = own->not_after_ms;
	memcpy(i->pk, own->pk, sizeof(i->pk));
	for (size_t n = 0; n < idfile_cert_count(id) && i->cert_count < ISSUE_CERTS_MAX; n++) {
		struct span der = idfile_cert(id, n);
		struct cert c;
		if (der.len > CERT_LEN_MAX || cert_read(der, &c, &why) < 0 || !is_passed_on(i, &c))
			continue;
		memcpy(i->certs[i->cert_count], der.data, der.len);
		i->cert_len[i->cert_count++] = der.len;
	}
}

/* All of it but the secrets. */
static int load_public(const char *path, const struct idfile *id, bool is_certifier,
	struct issue **ret, struct fault *f)
{
	struct cert own;
	int rc = issue_own_cert(path, id, is_certifier, &own, f);
	if (rc < 0)
		return rc;
	struct issue *i = allocate(f);
	if (i == NULL)
		return -ENOMEM;
	take_certs(id, &own, i);
	*ret = i;
	return 0;
}

int issue_of_open(const char *path, const struct idfile *id, const struct idfile_secrets *secrets,
	struct issue **ret, struct fault *f)
{
	int rc = load_public(path, id, false, ret, f);
	if (rc == 0)
		(*ret)->secrets = *secrets;
	return rc;
}

static int load(const char *path, const struct idfile *id, bool is_certifier,
	const struct password *password, struct issue **ret, struct fault *f)
{
	struct issue *i = NULL;
	int rc = load_public(path, id, is_certifier, &i, f);
	if (rc < 0)
		return rc;
	rc = id_unlock_fault(
		path, idfile_unlock_password(id, password_span(password), &i->secrets, NULL), f);
	if (rc < 0)
		issue_free(i);
	else
		*ret = i;
	return rc;
}

int issue_load(const char *path, const struct idfile *id, const struct password *password,
	struct issue **ret, struct fault *f)
{
	return load(path, id, true, password, ret, f);
}

int issue_load_any(const char *path, const struct idfile *id, const struct password *password,
	struct issue **ret, struct fault *f)
{
	return load(path, id, false, password, ret, f);
}

void issue_free(struct issue *i)
{
	/* sodium_free wipes. */
	sodium_free(i);
}

static enum idfile_kind file_kind(enum cert_kind kind)
{
	switch (kind) {
	case CERT_CERTIFIER:
		return IDFILE_CERTIFIER;
	case CERT_SERVER:
		return IDFILE_SERVER;
	case CERT_USER:
		break;
	}
	return IDFILE_USER;
}

char *issue_idfile(const struct issue *i, const struct issue_lock *lock, uint64_t now_ms)
{
	char name[NAME_TEXT_MAX];
	struct idfile_new n = {
		.header = { .kind = file_kind(i->kind),
			.created_ms = now_ms,
			.quality_min = lock->quality_min },
		.cert_count = i->cert_count,
		.secrets = &i->secrets,
		.mem_kib = lock->mem_kib,
		.raw_key = lock->raw_key,
	};
	spa_key_id(i->pk, n.header.key_id);
	snprintf(n.header.name, sizeof(n.header.name), "%s", name_format(&i->name, name));
	for (size_t c = 0; c < i->cert_count; c++)
		n.certs[c] = own_cert(i, c);
	if (lock->password != NULL) {
		n.has_password = true;
		n.password = password_span(lock->password);
	}
	return idfile_format(&n);
}

static void make_prekey(
	const struct issue *server, uint64_t now_ms, const uint8_t sk[64], struct prekey *ret)
{
	struct hpke_secret secret;
	*ret = (struct prekey){
		.not_before_ms = now_ms - DAY_MS,
		.not_after_ms = issue_end_ms(now_ms, PREKEY_YEARS, 0),
	};
	memcpy(secret.b, server->secrets.x25519, sizeof(secret.b));
	hpke_public_key(&secret, ret->pk);
	sodium_memzero(&secret, sizeof(secret));
	prekey_sign(ret, sk);
}

char *issue_server_card(const struct issue *server, const struct issue_card *c, struct fault *f)
{
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES];
	char name[NAME_TEXT_MAX], *text = NULL;

	name_format(&server->name, name);
	if (strlen(name) > CARD_NAME_MAX || strlen(c->host) > CARD_HOST_MAX) {
		fault_set(f, "the name of the server or of its host is too long for a server card");
		return NULL;
	}
	struct card *card = calloc(1, sizeof(*card));
	if (card == NULL) {
		fault_set(f, "there is not enough memory");
		return NULL;
	}
	card->port = c->port;
	memcpy(card->identity_pk, server->pk, sizeof(card->identity_pk));
	snprintf(card->name, sizeof(card->name), "%s", name);
	snprintf(card->service, sizeof(card->service), "%s", c->service);
	snprintf(card->host, sizeof(card->host), "%s", c->host);
	card->has_stealth = c->stealth != NULL;
	if (card->has_stealth)
		memcpy(card->stealth, c->stealth, sizeof(card->stealth));
	crypto_sign_seed_keypair(pk, sk, server->secrets.seed);
	make_prekey(server, c->now_ms, sk, &card->prekeys[card->prekey_count++]);
	for (size_t i = 0; i < server->cert_count; i++) {
		memcpy(card->certs[i], server->certs[i], server->cert_len[i]);
		card->cert_len[i] = server->cert_len[i];
		card->cert_count++;
	}
	text = card_format(card, sk);
	if (text == NULL)
		fault_set(
			f, "%s: no server card can be made of this host name and service", c->host);
	sodium_memzero(sk, sizeof(sk));
	sodium_memzero(card->stealth, sizeof(card->stealth));
	free(card);
	return text;
}

int issue_read_stealth(const char *path, uint8_t to[ISSUE_STEALTH_LEN], struct fault *f)
{
	uint8_t *data = NULL;
	size_t len = 0;
	/* More than it holds, so that a wrong file is told by its length. */
	int rc = file_read(path, FILE_SECRET, 2 * (size_t)ISSUE_STEALTH_LEN, &data, &len, f);
	if (rc < 0)
		return rc;
	if (len == ISSUE_STEALTH_LEN) {
		memcpy(to, data, ISSUE_STEALTH_LEN);
	} else {
		fault_set(f,
			"%s: holds %zu bytes, a stealth secret holds %d; name the file that stealth "
			"names in postern.conf",
			path, len, ISSUE_STEALTH_LEN);
		rc = -EINVAL;
	}
	sodium_memzero(data, len);
	free(data);
	return rc;
}

mode_t issue_card_mode(bool has_stealth)
{
	return has_stealth ? 0600 : 0644;
}

char *issue_certificate_pem(const struct issue *i)
{
	size_t cap = pem_written_len("CERTIFICATE", i->cert_len[0]) + 1;
	char *text = malloc(cap);
	if (text == NULL)
		return NULL;
	struct writer w = writer_init(text, cap);
	pem_write(&w, "CERTIFICATE", own_cert(i, 0));
	writer_u8(&w, '\0');
	return text;
}

void issue_entry_of_cert(const struct cert *c, struct directory_entry *ret)
{
	/* Up to the last midnight the certificate covers: the entry must never outlive it. */
	uint64_t end_ms = c->not_after_ms + 1000;
	*ret = (struct directory_entry){
		.name = c->subject,
		.kind = c->kind == CERT_SERVER ? DIRECTORY_SERVER : DIRECTORY_USER,
		.key = DIRECTORY_ED25519,
		.is_certified_equivalent = true,
		.expires_ms = end_ms - end_ms % DAY_MS,
	};
	memcpy(ret->pk, c->pk, sizeof(ret->pk));
	spa_key_id(c->pk, ret->key_id);
}

void issue_entry(const struct issue *i, struct directory_entry *ret)
{
	struct cert c = { .subject = i->name, .kind = i->kind, .not_after_ms = i->not_after_ms };
	memcpy(c.pk, i->pk, sizeof(c.pk));
	issue_entry_of_cert(&c, ret);
}
