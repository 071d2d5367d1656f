/*
 * Knocks on the ports of an enciphered sequence; or, when the first bit of the first byte is set, a message
 * that is written and then spoofed into. Property: what is accepted is for the source unless it need not be,
 * and is written again as the same ciphertext; and a written message is read again, whatever two knocks
 * come in between.
 */

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "knock/cipher.h"

#define FIRST 745
#define IS_MADE 0x80
#define IS_WIDE 1
#define IS_RANDOM 2
#define IS_THIRD 4
#define IS_V6 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct cipher *cipher_of(uint8_t flags)
{
	static struct legacy *legacy;
	static struct cipher *made[8];
	struct fault f;
	if (legacy == NULL)
		must(legacy_open(&legacy, &f) == 0);
	const struct cipher_how how = {
		.passphrase = span_of("knock", 5),
		.iv = { '0', '1', '2', '3', '4', '5', '6', '7' },
		.port_first = FIRST,
		.within_ms = 60000,
		.wide = (flags & IS_WIDE) != 0,
		.random_iv = (flags & IS_RANDOM) != 0,
		.third_party = (flags & IS_THIRD) != 0,
	};
	if (made[flags & 7] == NULL)
		must(cipher_new(legacy, &how, &made[flags & 7], &f) == 0);
	return made[flags & 7];
}

static void knock(struct track *t, uint16_t port)
{
	if (t->count == TRACK_MARKS) {
		memmove(t->marks, t->marks + 1, sizeof(t->marks) - sizeof(t->marks[0]));
		t->count--;
	}
	t->marks[t->count++] = (struct track_mark){ .at_ms = 1, .port = port };
}

static void check(uint8_t flags, const struct track *t, const struct cipher_wish *got)
{
	static const uint8_t iv[CIPHER_IV_LEN];
	uint16_t ports[CIPHER_PORTS_MAX];
	size_t count = 0;
	must((flags & IS_THIRD) != 0 || addr_equal(&got->address, &t->source));
	must(got->content_len == 8 || got->content_len == 16 || got->content_len == 24);
	if (got->port == 0)
		return;
	must(cipher_write(cipher_of(flags), got, iv, ports, &count) == 0);
	must(count == got->content_len + ((flags & IS_RANDOM) != 0 ? CIPHER_IV_LEN : 0));
	if ((flags & IS_RANDOM) != 0)
		return;
	for (size_t i = 0; i < count; i++)
		must(ports[i] == FIRST + got->content[i]);
}

static void read_raw(uint8_t flags, struct reader *r)
{
	static const uint8_t v4[] = { 142, 103, 205, 1 };
	static const uint8_t v6[16] = { 0x20, 0x01, 0x0d, 0xb8, [15] = 0x17 };
	struct track t = { .source = (flags & IS_V6) != 0 ? addr_v6(v6) : addr_v4(v4) };
	while (r->left > 0) {
		struct cipher_wish got = { .port = 77 };
		knock(&t, (uint16_t)(FIRST + reader_u8(r)));
		if (cipher_read(cipher_of(flags), &t, &got) == CIPHER_OK)
			check(flags, &t, &got);
		else
			must(got.port == 77);
	}
}

static void read_made(uint8_t flags, struct reader *r)
{
	struct cipher_wish wish = { 0 }, got;
	struct track t = { 0 };
	uint8_t iv[CIPHER_IV_LEN];
	uint16_t ports[CIPHER_PORTS_MAX];
	size_t count;

	reader_copy(r, iv, sizeof(iv));
	reader_copy(r, wish.address.b, sizeof(wish.address.b));
	wish.port = reader_u16(r);
	wish.time = reader_u8(r);
	t.source = wish.address;
	if (cipher_write(cipher_of(flags), &wish, iv, ports, &count) != 0)
		return;
	size_t place[] = { 1 + reader_u8(r) % (count - 1), 1 + reader_u8(r) % (count - 1) };
	uint8_t value[] = { reader_u8(r), reader_u8(r) };
	for (size_t i = 0; i < count; i++) {
		for (size_t k = 0; k < 2; k++)
			if (place[k] == i)
				knock(&t, (uint16_t)(FIRST + value[k]));
		knock(&t, ports[i]);
	}
	must(cipher_read(cipher_of(flags), &t, &got) == CIPHER_OK);
	check(flags, &t, &got);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	uint8_t flags = reader_u8(&r);
	if ((flags & IS_MADE) != 0)
		read_made(flags, &r);
	else
		read_raw(flags, &r);
	return 0;
}
