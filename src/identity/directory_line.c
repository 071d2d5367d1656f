/*
 * One line of the directory. Invariant: whatever is not understood is a mistake with a sentence of
 * its own; nothing is skipped, since a misread restriction would let somebody in.
 */

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "identity/directory.h"
#include "identity/internal.h"
#include "knock/spa.h"

#define QUOTED_MAX 80
#define BLOB_MAX (4 + 26 + 4 + 32 + 4 + DIRECTORY_APPLICATION_MAX)

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

/* The next byte without taking it; 0 at the end, which no line contains. */
static uint8_t peek(const struct reader *r)
{
	return r->left == 0 ? 0 : *r->at;
}

static bool skip_blanks(struct reader *r)
{
	bool any = false;
	for (; is_blank(peek(r)); any = true)
		reader_u8(r);
	return any;
}

static struct span take_word(struct reader *r)
{
	size_t len = 0;
	while (len < r->left && !is_blank(r->at[len]))
		len++;
	return reader_take(r, len);
}

static bool word_is(struct span word, const char *text)
{
	return span_equal(word, span_of(text, strlen(text)));
}

/* For a sentence: short, and printable whatever it was. */
static const char *quote(struct span s, char to[QUOTED_MAX])
{
	return text_quote(s, to, QUOTED_MAX);
}

/* How far the next quote or backslash is; all that is left when there is none. */
static size_t plain_len(const struct reader *r)
{
	size_t len = 0;
	while (len < r->left && r->at[len] != '"' && r->at[len] != '\\')
		len++;
	return len;
}

static int read_quoted(struct reader *r, struct directory_option *o, struct fault *f)
{
	struct writer w = writer_init(o->value, DIRECTORY_OPTION_VALUE_MAX);
	reader_u8(r);
	for (;;) {
		struct span plain = reader_take(r, plain_len(r));
		writer_put(&w, plain.data, plain.len);
		if (w.is_full) {
			fault_set(f, "the value of %s is longer than %d bytes; shorten it", o->name,
				DIRECTORY_OPTION_VALUE_MAX);
			return -EINVAL;
		}
		if (r->left == 0) {
			fault_set(f, "the value of %s has no closing quote; add one", o->name);
			return -EINVAL;
		}
		if (reader_u8(r) == '"')
			break;
		uint8_t c = reader_u8(r);
		if (c != '"' && c != '\\') {
			fault_set(f, "the value of %s has a lone backslash; write two", o->name);
			return -EINVAL;
		}
		writer_u8(&w, c);
	}
	o->value[w.len] = '\0';
	return 0;
}

static int read_bare(struct reader *r, struct directory_option *o, struct fault *f)
{
	size_t len = 0;
	for (; r->left > 0 && !is_blank(peek(r)) && peek(r) != ','; len++) {
		uint8_t c = reader_u8(r);
		if (c == '"' || c == '\\' || len == DIRECTORY_OPTION_VALUE_MAX) {
			fault_set(f, "the value of %s needs quotes; write %s=\"...\"", o->name,
				o->name);
			return -EINVAL;
		}
		o->value[len] = (char)c;
	}
	o->value[len] = '\0';
	return 0;
}

/* Letters and hyphens, so that the name can stand in a sentence as it is. */
static bool is_option_name(struct span name)
{
	for (size_t i = 0; i < name.len; i++)
		if ((name.data[i] < 'a' || name.data[i] > 'z') && name.data[i] != '-')
			return false;
	return true;
}

static int read_option_name(struct reader *r, struct directory_option *o, struct fault *f)
{
	size_t len = 0;
	char q[QUOTED_MAX];
	while (len < r->left && !is_blank(r->at[len]) && r->at[len] != ',' && r->at[len] != '=')
		len++;
	struct span name = reader_take(r, len);
	if (len == 0) {
		fault_set(f, "an option is empty; options are separated by one comma, no space");
		return -EINVAL;
	}
	if (word_is(name, "ssh-ed25519") || word_is(name, "sk-ssh-ed25519@openssh.com") ||
		word_is(name, "postern-key")) {
		fault_set(f, "no options before the key; begin the line with name=\"...\"");
		return -EINVAL;
	}
	if (len >= sizeof(o->name) || !is_option_name(name)) {
		fault_set(f, "option \"%s\" is unknown; correct or remove it", quote(name, q));
		return -EINVAL;
	}
	memcpy(o->name, name.data, len);
	o->name[len] = '\0';
	return 0;
}

static int read_option(struct reader *r, struct directory_option *o, struct fault *f)
{
	int rc = read_option_name(r, o, f);
	o->has_value = peek(r) == '=';
	if (rc < 0 || !o->has_value)
		return rc;
	reader_u8(r);
	if (peek(r) != '"')
		return read_bare(r, o, f);
	rc = read_quoted(r, o, f);
	if (rc == 0 && r->left > 0 && peek(r) != ',' && !is_blank(peek(r))) {
		fault_set(f, "something follows the closing quote of %s; put a comma or a space",
			o->name);
		return -EINVAL;
	}
	return rc;
}

static int read_options(struct reader *r, struct directory_entry *e, struct fault *f)
{
	struct directory_option o;
	unsigned seen = 0;
	for (;;) {
		int rc = read_option(r, &o, f);
		if (rc == 0)
			rc = directory_option_apply(e, &o, &seen, f);
		if (rc < 0)
			return rc;
		if (peek(r) != ',')
			break;
		reader_u8(r);
	}
	if (e->name.count == 0) {
		fault_set(f, "no name; every entry has name=\"...\" among its options");
		return -EINVAL;
	}
	if (!skip_blanks(r) || r->left == 0) {
		fault_set(f, "no key; after the options stand a space, a key type and a key");
		return -EINVAL;
	}
	return 0;
}

/* RFC 4251 5 "string" */
static struct span take_string(struct reader *r)
{
	uint32_t len = reader_u32(r);
	return reader_take(r, len);
}

static bool application_is_good(struct span s)
{
	if (s.len == 0 || s.len > DIRECTORY_APPLICATION_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] < 0x21 || s.data[i] > 0x7e)
			return false;
	return true;
}

static int read_blob(struct span type, struct span blob, struct directory_entry *e, struct fault *f)
{
	char q[QUOTED_MAX];
	struct reader r = reader_init(blob);
	struct span inner_type = take_string(&r), pk = take_string(&r), application = { NULL, 0 };
	if (e->key == DIRECTORY_SK_ED25519)
		application = take_string(&r);
	if (!span_equal(inner_type, type) || pk.len != 32 || !reader_done(&r)) {
		fault_set(f, "the key is not of type %s; copy the whole line of the .pub file",
			quote(type, q));
		return -EINVAL;
	}
	memcpy(e->pk, pk.data, 32);
	if (e->key == DIRECTORY_ED25519) {
		spa_key_id(e->pk, e->key_id);
		return 0;
	}
	if (!application_is_good(application)) {
		fault_set(f,
			"the application of the token's key is not 1 to %d printable characters; "
			"make the key with ssh-keygen's default application",
			DIRECTORY_APPLICATION_MAX);
		return -EINVAL;
	}
	e->application_len = (uint8_t)application.len;
	memcpy(e->application, application.data, application.len);
	/* The application is part of what the token signs, so it is part of the id. */
	crypto_hash_sha256(e->key_id, blob.data, blob.len);
	return 0;
}

static int read_ssh_key(
	struct span type, struct span word, struct directory_entry *e, struct fault *f)
{
	uint8_t blob[BLOB_MAX];
	size_t len;
	if (sodium_base642bin(blob, sizeof(blob), (const char *)word.data, word.len, NULL, &len,
		    NULL, sodium_base64_VARIANT_ORIGINAL) != 0) {
		fault_set(f,
			"the key is no base64 of its length; copy the whole line of the .pub "
			"file");
		return -EINVAL;
	}
	return read_blob(type, span_of(blob, len), e, f);
}

static int read_postern_key(struct span word, struct directory_entry *e, struct fault *f)
{
	char text[7 + 64 + 1];
	char q[QUOTED_MAX];
	bool fits = word.len == sizeof(text) - 1;
	if (fits) {
		memcpy(text, word.data, word.len);
		text[word.len] = '\0';
	}
	if (fits && directory_key_id_parse(text, e->key_id))
		return 0;
	fault_set(
		f, "\"%s\" is no key id; write sha256: and 64 hexadecimal digits", quote(word, q));
	return -EINVAL;
}

int directory_key_read(struct reader *r, struct directory_entry *e, struct fault *f)
{
	char q[QUOTED_MAX];
	struct span type = take_word(r);
	skip_blanks(r);
	struct span word = take_word(r);
	if (word.len == 0) {
		fault_set(f, "nothing stands after the key type; copy the whole key");
		return -EINVAL;
	}
	if (word_is(type, "postern-key")) {
		e->key = DIRECTORY_KEY_ID_ONLY;
		return read_postern_key(word, e, f);
	}
	if (word_is(type, "ssh-ed25519")) {
		e->key = DIRECTORY_ED25519;
		return read_ssh_key(type, word, e, f);
	}
	if (word_is(type, "sk-ssh-ed25519@openssh.com")) {
		e->key = DIRECTORY_SK_ED25519;
		return read_ssh_key(type, word, e, f);
	}
	fault_set(f,
		"key type \"%s\" is not accepted; use ssh-ed25519, sk-ssh-ed25519@openssh.com or "
		"postern-key, and no space inside the options",
		quote(type, q));
	return -EINVAL;
}

int directory_entry_check(struct directory_entry *e, struct fault *f)
{
	if (e->requires_up && e->key != DIRECTORY_SK_ED25519) {
		fault_set(f,
			"require is only for sk-ssh-ed25519@openssh.com keys, others cannot "
			"show a touch; remove it");
		return -EINVAL;
	}
	if (e->has_next && memcmp(e->key_id, e->key_next, 32) == 0) {
		fault_set(f, "key-next is the key itself; remove key-next");
		return -EINVAL;
	}
	/* A token that is asked for nothing could be used by any program while it is plugged in. */
	if (e->key == DIRECTORY_SK_ED25519)
		e->requires_up = true;
	return 0;
}

static bool is_control(uint8_t c)
{
	return (c < 0x20 && c != '\t') || c == 0x7f;
}

/* All bytes looked at, whatever they are: so the compiler takes many at a time, line after line. */
static bool has_control(struct span line)
{
	unsigned any = 0;
	for (size_t i = 0; i < line.len; i++)
		any |= (unsigned)is_control(line.data[i]);
	return any != 0;
}

static int check_bytes(struct span line, struct fault *f)
{
	if (line.len > DIRECTORY_LINE_MAX) {
		fault_set(f, "the line is longer than %d bytes; shorten it", DIRECTORY_LINE_MAX);
		return -EINVAL;
	}
	if (line.data[line.len - 1] == '\r') {
		fault_set(f,
			"the line ends with a carriage return; save the file with LF line "
			"ends");
		return -EINVAL;
	}
	if (!has_control(line))
		return 0;
	size_t at = 0;
	while (!is_control(line.data[at]))
		at++;
	fault_set(f, "byte %zu is a control character; remove it", at + 1);
	return -EINVAL;
}

int directory_line_parse(struct span line, struct directory_entry *ret, struct fault *f)
{
	struct reader r = reader_init(line);
	struct directory_entry e = { .expires_ms = UINT64_MAX };

	skip_blanks(&r);
	if (r.left == 0 || peek(&r) == '#')
		return 0;
	int rc = check_bytes(line, f);
	if (rc == 0)
		rc = read_options(&r, &e, f);
	if (rc == 0)
		rc = directory_key_read(&r, &e, f);
	if (rc == 0)
		rc = directory_entry_check(&e, f);
	if (rc < 0)
		return rc;
	*ret = e;
	return 1;
}

struct span directory_line_comment(struct span line)
{
	struct reader r = reader_init(line);
	bool is_quoted = false;

	skip_blanks(&r);
	while (r.left > 0 && (is_quoted || !is_blank(peek(&r)))) {
		uint8_t c = reader_u8(&r);
		if (c == '"')
			is_quoted = !is_quoted;
		else if (c == '\\')
			reader_u8(&r);
	}
	for (int word = 0; word < 2; word++) {
		skip_blanks(&r);
		take_word(&r);
	}
	skip_blanks(&r);
	return reader_rest(&r);
}
