/*
 * An entry back to its line. Invariant: what is written reads back as the same entry, all fields
 * but the line number.
 */

#include <sodium.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "identity/directory.h"

#define BLOB_MAX (4 + 26 + 4 + 32 + 4 + DIRECTORY_APPLICATION_MAX)

static void put_text(struct writer *w, const char *text)
{
	writer_put(w, text, strlen(text));
}

static void put_quoted(struct writer *w, const char *text)
{
	writer_u8(w, '"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\')
			writer_u8(w, '\\');
		writer_u8(w, (uint8_t)*text);
	}
	writer_u8(w, '"');
}

static void put_key_id(struct writer *w, const uint8_t id[32])
{
	char hex[65];
	put_text(w, "sha256:");
	put_text(w, text_hex(span_of(id, 32), hex));
}

/* expires_ms is the first ms after the day that is written. */
static void put_expires(struct writer *w, uint64_t expires_ms)
{
	char text[32];
	time_t t = (time_t)((expires_ms - DIRECTORY_DAY_MS) / 1000);
	struct tm tm;
	put_text(w, ",expires=");
	if (gmtime_r(&t, &tm) == NULL || strftime(text, sizeof(text), "%Y-%m-%d", &tm) != 10)
		w->is_full =
			true; /* no date of ours: refuse the line rather than write another day */
	else
		put_text(w, text);
}

static void put_from(struct writer *w, const struct directory_entry *e)
{
	char text[PREFIX_TEXT_MAX];
	for (size_t i = 0; i < e->from_count && i < DIRECTORY_FROM_MAX; i++) {
		put_text(w, i == 0 ? ",from=\"" : ",");
		put_text(w, prefix_format(&e->from[i], text));
	}
	if (e->from_count > 0)
		writer_u8(w, '"');
}

static void put_options(struct writer *w, const struct directory_entry *e)
{
	char name[NAME_TEXT_MAX], hex[65];
	put_text(w, "name=");
	put_quoted(w, name_format(&e->name, name));
	put_text(w, e->kind == DIRECTORY_SERVER ? ",kind=server" : ",kind=user");
	if (e->expires_ms != UINT64_MAX)
		put_expires(w, e->expires_ms);
	put_from(w, e);
	if (e->is_disabled)
		put_text(w, ",disabled");
	if (e->is_locked)
		put_text(w, ",locked");
	if (e->has_next) {
		put_text(w, ",key-next=");
		put_key_id(w, e->key_next);
	}
	if (e->key == DIRECTORY_SK_ED25519)
		put_text(w, e->requires_uv ? ",require=\"up,uv\"" : ",require=\"up\"");
	if (e->is_certified_equivalent)
		put_text(w, ",certified-equivalent");
	if (e->has_document_key) {
		put_text(w, ",document-key=x25519:");
		put_text(w, text_hex(SPAN_OF(e->document_key), hex));
	}
}

static void put_string(struct writer *w, const void *data, size_t len)
{
	writer_u32(w, (uint32_t)len);
	writer_put(w, data, len);
}

static void put_ssh_key(struct writer *w, const char *type, const struct directory_entry *e)
{
	uint8_t blob[BLOB_MAX];
	char text[sodium_base64_ENCODED_LEN(BLOB_MAX, sodium_base64_VARIANT_ORIGINAL)];
	struct writer b = writer_init(blob, sizeof(blob));
	put_string(&b, type, strlen(type));
	put_string(&b, e->pk, sizeof(e->pk));
	if (e->key == DIRECTORY_SK_ED25519)
		put_string(&b, e->application, e->application_len);
	if (b.is_full)
		w->is_full = true;
	put_text(w, type);
	writer_u8(w, ' ');
	put_text(w,
		sodium_bin2base64(text, sizeof(text), blob, b.len, sodium_base64_VARIANT_ORIGINAL));
}

static void put_key(struct writer *w, const struct directory_entry *e)
{
	switch (e->key) {
	case DIRECTORY_ED25519:
		put_ssh_key(w, "ssh-ed25519", e);
		break;
	case DIRECTORY_SK_ED25519:
		put_ssh_key(w, "sk-ssh-ed25519@openssh.com", e);
		break;
	case DIRECTORY_KEY_ID_ONLY:
		put_text(w, "postern-key ");
		put_key_id(w, e->key_id);
		break;
	}
}

static bool comment_is_good(const char *comment)
{
	for (; *comment != '\0'; comment++)
		if (((unsigned char)*comment < 0x20 && *comment != '\t') || *comment == 0x7f)
			return false;
	return true;
}

size_t directory_line_format(
	const struct directory_entry *e, const char *comment, char *to, size_t cap)
{
	/* One byte of the line is its LF, which directory_line_parse does not see. */
	size_t max = DIRECTORY_LINE_MAX + 2;
	struct writer w = writer_init(to, cap < max ? cap : max);
	put_options(&w, e);
	writer_u8(&w, ' ');
	put_key(&w, e);
	if (comment != NULL && comment[0] != '\0') {
		if (!comment_is_good(comment))
			return 0;
		writer_u8(&w, ' ');
		put_text(&w, comment);
	}
	writer_u8(&w, '\n');
	writer_u8(&w, '\0');
	return w.is_full ? 0 : w.len - 1;
}
