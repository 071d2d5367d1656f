/*
 * The kernel's lists of sockets. Whole lines are taken and nothing of the last one without its end; what is
 * marked does not depend on where the text was cut, and never more ports than there are lines.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/closed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static size_t count_bits(const uint8_t *map)
{
	size_t n = 0;
	for (size_t i = 0; i < CLOSED_MAP_LEN; i++)
		n += (size_t)__builtin_popcount(map[i]);
	return n;
}

static void check(struct span text, uint8_t proto, size_t cut)
{
	uint8_t whole[CLOSED_MAP_LEN] = { 0 }, pieces[CLOSED_MAP_LEN] = { 0 };
	bool is_over = false, is_over_pieces = false;
	size_t lines = 0;

	for (size_t i = 0; i < text.len; i++)
		lines += text.data[i] == '\n';
	size_t used = closed_parse(text, proto, whole, &is_over);
	must(used <= text.len && (used == 0 || text.data[used - 1] == '\n'));
	must(count_bits(whole) <= lines);
	must(is_over || memchr(text.data + used, '\n', text.len - used) == NULL);
	size_t first = closed_parse(span_slice(text, 0, cut), proto, pieces, &is_over_pieces);
	if (!is_over_pieces)
		closed_parse(span_slice(text, first, text.len), proto, pieces, &is_over_pieces);
	must(is_over == is_over_pieces && memcmp(whole, pieces, sizeof(whole)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	check(span_of(data, len), IPPROTO_TCP, data[0] % (len + 1));
	check(span_of(data, len), IPPROTO_UDP, data[0] % (len + 1));
	return 0;
}
