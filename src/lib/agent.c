/*
 * IDs whose key stays in an SSH agent. Invariant: a signature leaves this file only when it holds
 * under the key that was chosen, so an agent that errs or lies costs a sentence and no packet.
 */

#include "lib/agent.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "knock/sshsig.h"
#include "lib/agent_socket.h"
#include "lib/internal.h"

#define PUB_FILE_MAX 16384
#define COMMENT_SHOWN 80

/* "SHA256:" and base64 without padding, as ssh-add -l prints it. */
#define FINGERPRINT_LEN (7 + 43)
static const char *fingerprint(struct span blob, char to[FINGERPRINT_LEN + 1])
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(hash, blob.data, blob.len);
	memcpy(to, "SHA256:", 7);
	sodium_bin2base64(
		to + 7, 44, hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	return to;
}

/* ------------------------------------------------------------------ choosing a key */

/* Which key is meant: any, or the one of this text or blob. */
struct choice {
	enum { CHOOSE_FIRST, CHOOSE_FINGERPRINT, CHOOSE_COMMENT, CHOOSE_BLOB } by;
	struct span what;
	uint8_t blob[AGENT_BLOB_MAX];
};

static bool is_chosen(const struct agent_key *k, const struct choice *c)
{
	char text[FINGERPRINT_LEN + 1];
	switch (c->by) {
	case CHOOSE_FIRST:
		return true;
	case CHOOSE_FINGERPRINT:
		return span_equal(c->what, span_of(fingerprint(k->blob, text), FINGERPRINT_LEN));
	case CHOOSE_COMMENT:
		return span_equal(c->what, k->comment);
	case CHOOSE_BLOB:
		return span_equal(c->what, k->blob);
	}
	return false;
}

/* How many keys are meant; *ret is the first of them. l is left as it was. */
static size_t choose(struct agent_list l, const struct choice *c, struct agent_key *ret)
{
	struct agent_key k;
	size_t count = 0;
	while (agent_list_next(&l, &k)) {
		if (k.kind == AGENT_OTHER || !is_chosen(&k, c))
			continue;
		if (count == 0)
			*ret = k;
		count++;
	}
	return count;
}

/* The blob in a .pub file: the second word of its first line. False when there is none. */
static bool read_pub(const char *path, struct choice *c)
{
	uint8_t *text = NULL;
	size_t len = 0, blob_len = 0;
	struct fault ignored;

	if (file_read(path, FILE_ANY, PUB_FILE_MAX, &text, &len, &ignored) < 0)
		return false;
	const char *word = (const char *)text;
	word += strcspn(word, " \t\n");
	word += strspn(word, " \t");
	bool is_blob = sodium_base642bin(c->blob, sizeof(c->blob), word, strcspn(word, " \t\r\n"),
			       NULL, &blob_len, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		agent_key_read(span_of(c->blob, blob_len)).kind != AGENT_OTHER;
	free(text);
	c->by = CHOOSE_BLOB;
	c->what = span_of(c->blob, blob_len);
	return is_blob;
}

/* The key that text means: a fingerprint, a comment, or else a .pub file. */
static size_t find(struct agent_list l, const char *text, struct agent_key *ret)
{
	struct choice c = { .by = CHOOSE_FIRST };
	if (text == NULL)
		return choose(l, &c, ret) > 0 ? 1 : 0;
	c.what = span_of(text, strlen(text));
	c.by = strncmp(text, "SHA256:", 7) == 0 ? CHOOSE_FINGERPRINT : CHOOSE_COMMENT;
	size_t count = choose(l, &c, ret);
	return count == 0 && read_pub(text, &c) ? choose(l, &c, ret) : count;
}

static int find_one(struct agent_list l, const char *text, struct agent_key *ret, struct fault *f)
{
	char quoted[COMMENT_SHOWN];
	size_t count = find(l, text, ret);
	if (count == 1)
		return 0;
	if (text == NULL) {
		fault_set(f,
			"the agent holds no ssh-ed25519 or sk-ssh-ed25519 key; add one with "
			"ssh-add");
		return -ENOENT;
	}
	text_quote(span_of(text, strlen(text)), quoted, sizeof(quoted));
	if (count == 0)
		fault_set(f,
			"the agent holds no ssh-ed25519 or sk-ssh-ed25519 key with the fingerprint, "
			"comment or file \"%s\"; see what it holds with ssh-add -l",
			quoted);
	else
		fault_set(f,
			"the agent holds %zu keys with the comment \"%s\"; name one by its "
			"fingerprint, which ssh-add -l prints",
			count, quoted);
	return count == 0 ? -ENOENT : -EEXIST;
}

/* ------------------------------------------------------------------ talking */

static int ask(const struct lib_agent *a, struct span question, uint32_t timeout_ms, uint8_t **ret,
	size_t *ret_len, struct fault *f)
{
	int fd = -1;
	int rc = agent_connect(a->path, a->may_forward, &fd, f);
	if (rc < 0)
		return rc;
	rc = agent_ask(fd, question, timeout_ms, ret, ret_len, f);
	close(fd);
	return rc;
}

static int malformed(struct fault *f)
{
	fault_set(f, "what answers there is not understood; is that socket an agent's?");
	return -EPROTO;
}

/* Take the key that text means into *a. */
static int pick(struct lib_agent *a, const char *text, struct span *ret_comment, uint8_t **answer,
	struct fault *f)
{
	uint8_t question[AGENT_QUESTION_MAX];
	struct writer w = writer_init(question, sizeof(question));
	struct agent_list l;
	struct agent_key k;
	size_t len = 0;

	agent_list_write(&w);
	int rc = ask(a, writer_span(&w), AGENT_LIST_MS, answer, &len, f);
	if (rc < 0)
		return rc;
	enum agent_answer said = agent_list_read(span_of(*answer, len), &l);
	if (said == AGENT_REFUSED) {
		fault_set(f, "the agent does not list its keys; is it locked?");
		return -EACCES;
	}
	if (said != AGENT_OK)
		return malformed(f);
	rc = find_one(l, text, &k, f);
	if (rc < 0)
		return rc;
	a->kind = k.kind;
	a->blob_len = k.blob.len; /* AGENT_BLOB_MAX at most: its parts are bounded */
	memcpy(a->blob, k.blob.data, k.blob.len);
	*ret_comment = k.comment;
	return 0;
}

static bool holds(const struct agent_key *k, struct span data, const struct spa_proof *p)
{
	const struct sshsig_token t = {
		.application = k->application,
		.flags = p->fido_flags,
		.counter = p->fido_counter,
	};
	if (k->kind == AGENT_TOKEN)
		return sshsig_verify_token(k->pk.data, &t, data, p->signature);
	return crypto_sign_verify_detached(p->signature, data.data, data.len, k->pk.data) == 0;
}

static int sign(const struct lib_agent *a, struct span data, struct spa_proof *ret, struct fault *f)
{
	uint8_t question[AGENT_QUESTION_MAX];
	struct writer w = writer_init(question, sizeof(question));
	const struct agent_key k = agent_key_read(span_of(a->blob, a->blob_len));
	struct spa_proof p;
	uint8_t *answer = NULL;
	size_t len = 0;

	agent_sign_write(&w, k.blob, data);
	if (w.is_full) {
		fault_set(f, "this is more than an agent is asked to sign");
		return -EINVAL;
	}
	int rc = ask(a, writer_span(&w), AGENT_SIGN_MS, &answer, &len, f);
	if (rc < 0)
		return rc;
	enum agent_answer said = agent_sign_read(span_of(answer, len), k.kind, &p);
	free(answer);
	if (said == AGENT_REFUSED) {
		fault_set(f,
			"the agent did not sign: it was not confirmed or touched, the key is gone, "
			"or its rules forbid it; try again");
		return -EACCES;
	}
	if (said != AGENT_OK)
		return malformed(f);
	if (!holds(&k, data, &p)) {
		fault_set(f,
			"the agent's signature is not by this key over this knock; do not "
			"trust that agent");
		return -EBADMSG;
	}
	*ret = p;
	return 0;
}

int lib_agent_sign(
	const struct lib_agent *a, struct span data, struct spa_proof *ret, struct fault *f)
{
	struct fault why = { "" };
	int rc = sign(a, data, ret, &why);
	if (rc < 0)
		fault_set(f, "%s: %.*s", a->path, FAULT_MAX - 120, why.text);
	return rc;
}

/* ------------------------------------------------------------------ the ID */

/* Who it is, as far as an agent can tell. */
static void set_name(struct postern_id *id, struct span comment)
{
	char key[FINGERPRINT_LEN + 1], quoted[COMMENT_SHOWN];
	fingerprint(span_of(id->agent.blob, id->agent.blob_len), key);
	snprintf(id->name, sizeof(id->name), "%s (%s)", key,
		text_quote(comment, quoted, sizeof(quoted)));
}

static void set_key(struct postern_id *id)
{
	const struct agent_key k = agent_key_read(span_of(id->agent.blob, id->agent.blob_len));
	bool is_token = k.kind == AGENT_TOKEN;
	id->identity_type = SPA_ID_SSH;
	id->signature_type = is_token ? SPA_SIG_SK : SPA_SIG_SSHSIG;
	if (is_token)
		crypto_hash_sha256(id->key_id, k.blob.data, k.blob.len);
	else
		spa_key_id(k.pk.data, id->key_id);
}

static int fill(struct postern_id *id, const char *key, struct fault *f)
{
	uint8_t *answer = NULL;
	struct span comment;
	int rc = pick(&id->agent, key, &comment, &answer, f);
	if (rc == 0) {
		set_key(id);
		set_name(id, comment);
	}
	free(answer);
	return rc;
}

int postern_id_agent(const char *socket, const char *key, bool may_forward, struct postern_id **ret,
	struct postern_error *err)
{
	struct fault f = { "" };
	struct postern_id *id = NULL;
	const char *path = socket != NULL ? socket : getenv("SSH_AUTH_SOCK");

	if (path == NULL || path[0] == '\0') {
		fault_set(&f, "SSH_AUTH_SOCK is not set, so no SSH agent can be found; start one");
		return lib_fail(err, -ENOENT, NULL, &f);
	}
	id = sodium_init() < 0 ? NULL : sodium_malloc(sizeof(*id));
	if (id == NULL) {
		fault_set(&f, "too little memory; close something and try again");
		return lib_fail(err, -ENOMEM, NULL, &f);
	}
	memset(id, 0, sizeof(*id));
	id->is_agent = true;
	id->agent.may_forward = may_forward;
	int rc = -ENAMETOOLONG;
	if (strlen(path) < sizeof(id->agent.path)) {
		strcpy(id->agent.path, path);
		rc = fill(id, key, &f);
	} else {
		fault_set(&f, "this is longer than the name of a socket can be; correct it");
	}
	if (rc < 0) {
		postern_id_free(id);
		return lib_fail(err, rc, path, &f);
	}
	*ret = id;
	return 0;
}
