/*
 * First bytes of both sides. What is said of them does not depend on the pieces they come in, holds for all
 * that begins with them, and comes at the limit or the end at the latest; a client that has to wait for the
 * server's greeting is never let through before it.
 */

#include <stdlib.h>
#include <string.h>

#include "relay/speaks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define STEP_BY_BYTE 256 /* up to here; then by more */

struct input {
	enum config_speaks kind;
	struct config_first_bytes hex[2];
	struct span bytes[2]; /* by side */
};

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

static void take_hex(struct reader *r, uint8_t len, struct config_first_bytes *ret)
{
	ret->len = len % (CONFIG_SPEAKS_HEX_MAX + 1);
	reader_copy(r, ret->b, ret->len);
}

static struct input take_input(struct reader *r)
{
	struct input in = { .kind = (enum config_speaks)(reader_u8(r) % (CONFIG_SPEAKS_HEX + 1)) };
	uint8_t client = reader_u8(r), inner = reader_u8(r);
	take_hex(r, client, &in.hex[SPEAKS_CLIENT]);
	take_hex(r, inner, &in.hex[SPEAKS_INNER]);
	size_t n = reader_u16(r);
	in.bytes[SPEAKS_CLIENT] = reader_take(r, n < r->left ? n : r->left);
	in.bytes[SPEAKS_INNER] = reader_rest(r);
	return in;
}

/* In a heap block of its own size, so that sanitizers see one byte too many. */
static enum speaks_verdict look(
	struct speaks *s, enum speaks_side side, struct span bytes, bool is_end)
{
	uint8_t *copy = malloc(bytes.len == 0 ? 1 : bytes.len);
	require(copy != NULL);
	if (bytes.len > 0)
		memcpy(copy, bytes.data, bytes.len);
	enum speaks_verdict v = speaks_look(s, side, span_of(copy, bytes.len), is_end);
	free(copy);
	require(v != SPEAKS_MISFIT || s->flaw[0] != '\0');
	return v;
}

/* All that begins with some of them, up to all of them: their verdict stands once it is there. */
static void check_pieces(const struct input *in, const struct speaks *before, enum speaks_side side,
	enum speaks_verdict whole)
{
	struct speaks growing = *before;
	enum speaks_verdict settled = SPEAKS_MORE;
	size_t len = in->bytes[side].len;
	for (size_t n = 0; n <= len; n += n < STEP_BY_BYTE ? 1 : n / 8) {
		struct speaks alone = *before;
		struct span s = span_of(in->bytes[side].data, n);
		enum speaks_verdict v = look(&alone, side, s, false);
		if (settled == SPEAKS_MORE)
			require(look(&growing, side, s, false) == v);
		else
			require(v == settled);
		settled = v;
		require(n < SPEAKS_MAX || v != SPEAKS_MORE);
	}
	require(settled == SPEAKS_MORE || settled == whole);
}

static enum speaks_verdict check_side(
	const struct input *in, struct speaks *s, enum speaks_side side)
{
	struct speaks before = *s;
	enum speaks_verdict v = look(s, side, in->bytes[side], true);
	require(v != SPEAKS_MORE);
	require(in->bytes[side].len > 0 || v == SPEAKS_FITS);
	check_pieces(in, &before, side, v);
	if (v == SPEAKS_FITS)
		require(look(s, side, span_of("\0", 1), false) == SPEAKS_FITS);
	return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	struct input in = take_input(&r);
	struct speaks s, early;
	bool is_greeted = in.kind == CONFIG_SPEAKS_SMTP || in.kind == CONFIG_SPEAKS_IMAP;

	speaks_init(&s, in.kind, &in.hex[SPEAKS_CLIENT], &in.hex[SPEAKS_INNER]);
	early = s;
	if (check_side(&in, &s, SPEAKS_INNER) == SPEAKS_FITS)
		check_side(&in, &s, SPEAKS_CLIENT);
	enum speaks_verdict v = check_side(&in, &early, SPEAKS_CLIENT);
	require(!is_greeted || in.bytes[SPEAKS_CLIENT].len == 0 || v == SPEAKS_MISFIT);
	return 0;
}
