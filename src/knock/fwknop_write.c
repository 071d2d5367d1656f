/*
 * Writing a fwknop packet for a client: fields, inner digest, padding, AES, MAC. Invariant: what is
 * written is what the reader in this folder takes, or nothing is.
 */

#include <inttypes.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "knock/fwknop_internal.h"

#define VERSION_TEXT "3.0.0"
/* Salt and at least one byte of padding go with it. */
#define PLAIN_MAX (FWKNOP_BLOB_MAX - FWKNOP_MARK_LEN - FWKNOP_SALT_LEN - 1)
#define MESSAGE_CHARS_MAX 256

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *fmt, ...)
{
	char text[MESSAGE_CHARS_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(text))
		w->is_full = true;
	else
		writer_put(w, text, (size_t)n);
}

static void put_base64(struct writer *w, struct span s)
{
	char text[MESSAGE_CHARS_MAX * 4 / 3 + 4];

	if (s.len > MESSAGE_CHARS_MAX) {
		w->is_full = true;
		return;
	}
	sodium_bin2base64(
		text, sizeof(text), s.data, s.len, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	writer_put(w, text, strlen(text));
}

static const char *proto_name(uint8_t proto)
{
	switch (proto) {
	case IPPROTO_TCP:
		return "tcp";
	case IPPROTO_UDP:
		return "udp";
	case IPPROTO_ICMP:
		return "icmp";
	default:
		return "none";
	}
}

/* The message proper, and the nat field of the types that have it. */
static void put_message(struct writer *w, const struct fwknop_message *m)
{
	char text[MESSAGE_CHARS_MAX], address[ADDR_TEXT_MAX];
	struct writer t = writer_init(text, sizeof(text));

	put(&t, "%s", addr_is_zero(&m->address) ? "0.0.0.0" : addr_format(&m->address, address));
	for (size_t i = 0; i < m->access_count && i < FWKNOP_ACCESS_MAX; i++)
		put(&t, ",%s/%u", proto_name(m->accesses[i].proto), m->accesses[i].port);
	put_base64(w, writer_span(&t));
	w->is_full |= t.is_full;
	if (m->nat_port == 0)
		return;
	t = writer_init(text, sizeof(text));
	put(&t, "%.*s,%u", FWKNOP_HOST_MAX, m->nat_host, m->nat_port);
	put(w, ":");
	put_base64(w, writer_span(&t));
	w->is_full |= t.is_full;
}

static void put_fields(
	struct writer *w, const struct fwknop_message *m, const struct fwknop_dice *dice)
{
	for (size_t i = 0; i < FWKNOP_RANDOM_LEN; i++)
		put(w, "%u", dice->random[i] % 10);
	put(w, ":");
	put_base64(w, span_of(m->user, strnlen(m->user, sizeof(m->user))));
	put(w, ":%" PRIu32 ":" VERSION_TEXT ":%u:", m->time_s, (unsigned)m->type);
	put_message(w, m);
	if (m->type == FWKNOP_TYPE_ACCESS_TIMEOUT || m->type == FWKNOP_TYPE_NAT_TIMEOUT ||
		m->type == FWKNOP_TYPE_LOCAL_NAT_TIMEOUT)
		put(w, ":%" PRIu32, m->timeout_s);
}

static bool is_same(const struct fwknop_message *a, const struct fwknop_message *b)
{
	if (a->type != b->type || a->time_s != b->time_s || strcmp(a->user, b->user) != 0 ||
		!addr_equal(&a->address, &b->address) || a->access_count != b->access_count ||
		strcmp(a->nat_host, b->nat_host) != 0 || a->nat_port != b->nat_port ||
		a->timeout_s != b->timeout_s)
		return false;
	for (size_t i = 0; i < a->access_count; i++)
		if (a->accesses[i].proto != b->accesses[i].proto ||
			a->accesses[i].port != b->accesses[i].port)
			return false;
	return true;
}

/* The plaintext with digest and padding; its length, or 0. */
static size_t write_plain(struct fwknop_key *k, const struct fwknop_message *m,
	const struct fwknop_dice *dice, uint8_t to[FWKNOP_BLOB_MAX])
{
	char digest[FWKNOP_HASH_TEXT_MAX + 1];
	struct fwknop_message back;
	struct writer w = writer_init(to, PLAIN_MAX);

	put_fields(&w, m, dice);
	if (w.is_full || fwknop_fields_decode(writer_span(&w), &back) != FWKNOP_OK ||
		!is_same(m, &back))
		return 0;
	size_t len = fwknop_hash_text(k, dice->digest, writer_span(&w), digest);
	put(&w, ":");
	writer_put(&w, digest, len);
	uint8_t pad = (uint8_t)(FWKNOP_BLOCK - w.len % FWKNOP_BLOCK);
	w.cap = FWKNOP_BLOB_MAX - FWKNOP_MARK_LEN - FWKNOP_SALT_LEN;
	for (size_t i = 0; i < pad; i++)
		writer_u8(&w, pad);
	return w.is_full || len == 0 ? 0 : w.len;
}

/* Salt and ciphertext in base64, without the part that is not sent. */
static size_t write_body(struct fwknop_key *k, struct span plain,
	const uint8_t salt[FWKNOP_SALT_LEN], char to[FWKNOP_TEXT_MAX])
{
	uint8_t blob[FWKNOP_BLOB_MAX];
	char text[FWKNOP_PREFIX_LEN + FWKNOP_BODY_MAX + 1];
	struct writer w = writer_init(blob, sizeof(blob));

	writer_put(&w, FWKNOP_SALT_MARK, FWKNOP_MARK_LEN);
	writer_put(&w, salt, FWKNOP_SALT_LEN);
	if (!fwknop_encrypt(k, salt, plain, blob + w.len))
		return 0;
	size_t len = w.len + plain.len;
	if (sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL_NO_PADDING) >
		sizeof(text))
		return 0;
	sodium_bin2base64(text, sizeof(text), blob, len, sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	len = strlen(text) - FWKNOP_PREFIX_LEN;
	memcpy(to, text + FWKNOP_PREFIX_LEN, len);
	return len;
}

bool fwknop_write(struct fwknop_key *k, const struct fwknop_message *m,
	const struct fwknop_dice *dice, struct fwknop_text *ret)
{
	uint8_t plain[FWKNOP_BLOB_MAX];
	char tag[FWKNOP_HASH_TEXT_MAX + 1];
	struct fwknop_text t = { 0 };

	*ret = t;
	size_t len = write_plain(k, m, dice, plain);
	if (len != 0)
		t.len = write_body(k, span_of(plain, len), dice->salt, t.text);
	sodium_memzero(plain, sizeof(plain));
	len = t.len != 0 ? fwknop_mac_text(k, span_of(t.text, t.len), tag) : 0;
	if (len == 0)
		return false;
	memcpy(t.text + t.len, tag, len);
	t.len += len;
	return fwknop_text_take(FWKNOP_BY_UDP, span_of(t.text, t.len), ret) == FWKNOP_OK;
}
