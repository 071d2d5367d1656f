/*
 * Any bytes as a request. What is taken for one begins as one, is whole, and stays the same when more comes
 * after it; what is not whole is asked for more.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_prefixes(const uint8_t *data, size_t len, enum http_request whole)
{
	/* Once decided, decided: no prefix says something else than "more" or the same. */
	for (size_t i = 0; i < len; i++) {
		enum http_request r = http_read(span_of(data, i));
		if (r != HTTP_MORE && r != whole)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum http_request r = http_read(span_of(data, len));
	if (r == HTTP_METRICS &&
		(len < 14 || memcmp(data, "GET /metrics H", 14) != 0 || len > HTTP_REQUEST_MAX))
		abort();
	if (r == HTTP_MORE && len >= HTTP_REQUEST_MAX)
		abort();
	if (len <= 512)
		check_prefixes(data, len, r);
	return 0;
}
