/* Requests for the page of counters: whole, cut at each byte, with each bit flipped. */

#include <string.h>

#include "daemon/http.h"
#include "test.h"

#define HOST "Host: 127.0.0.1:9462\r\n"
#define GOOD "GET /metrics HTTP/1.1\r\n" HOST "Accept: */*\r\n\r\n"

static enum http_request read_text(const char *text)
{
	return http_read(span_of(text, strlen(text)));
}

static void test_requests(void **state)
{
	static const struct {
		const char *text;
		enum http_request what;
	} cases[] = {
		{ GOOD, HTTP_METRICS },
		{ "GET /metrics HTTP/1.0\r\n" HOST "\r\n", HTTP_METRICS },
		{ "GET /metrics HTTP/1.1\r\nhost:[::1]:9462\r\n\r\n", HTTP_METRICS },
		{ "GET /metrics HTTP/1.1\r\nHOST: \tlocalhost \r\n\r\n", HTTP_METRICS },
		{ "GET /metrics HTTP/1.1\r\nHost: [::1]\r\n\r\n", HTTP_METRICS },
		{ GOOD "more", HTTP_METRICS },
		{ "", HTTP_MORE },
		{ "GET /metrics HTTP/1.1\r\n", HTTP_MORE },
		{ "GET / HTTP/1.1\r\n" HOST "\r\n", HTTP_NOT_FOUND },
		{ "GET /metrics?x HTTP/1.1\r\n" HOST "\r\n", HTTP_NOT_FOUND },
		{ "GET http://127.0.0.1/metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_NOT_FOUND },
		{ "POST /metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_METHOD },
		{ "get /metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_METHOD },
		{ "GET /metrics HTTP/1.1\r\nHost: example.org\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1.example.org\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost:port\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost: localhost:\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost: [::1]x\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost: [::1\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\nHost:\r\n\r\n", HTTP_HOST },
		{ "GET /metrics HTTP/1.1\r\n\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1\r\n" HOST HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/2\r\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics\r\n" HOST "\r\n", HTTP_BAD },
		{ "GET  /metrics HTTP/1.1\r\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1 \r\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1\r\nno colon\r\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1\r\n folded: x\r\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1\n" HOST "\r\n", HTTP_BAD },
		{ "GET /metrics HTTP/1.1\r\nX: a\rb\r\n" HOST "\r\n", HTTP_BAD },
		{ "\r\n\r\n", HTTP_BAD },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].text, read_text(cases[i].text) == cases[i].what);
}

static void test_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < strlen(GOOD); i++)
		assert_int_equal(http_read(span_of(GOOD, i)), HTTP_MORE);
}

/* A flipped bit may still be a request; it is never more than one, and nothing is read past the end. */
static void test_flips(void **state)
{
	uint8_t bytes[sizeof(GOOD) - 1];
	(void)state;
	for (size_t i = 0; i < 8 * sizeof(bytes); i++) {
		memcpy(bytes, GOOD, sizeof(bytes));
		bytes[i / 8] ^= (uint8_t)(1u << i % 8);
		enum http_request what = http_read(SPAN_OF(bytes));
		assert_in_range(what, HTTP_MORE, HTTP_BAD);
		/* The first line decides what is asked for. */
		if (i / 8 < strlen("GET /metrics HTTP/1.1\r\n"))
			assert_true(what != HTTP_METRICS || bytes[20] == '0');
	}
}

static void test_longest(void **state)
{
	static uint8_t bytes[HTTP_REQUEST_MAX + 1];
	(void)state;
	memset(bytes, 'a', sizeof(bytes));
	assert_int_equal(http_read(span_of(bytes, HTTP_REQUEST_MAX - 1)), HTTP_MORE);
	assert_int_equal(http_read(span_of(bytes, HTTP_REQUEST_MAX)), HTTP_BAD);
	assert_int_equal(http_read(span_of(bytes, HTTP_REQUEST_MAX + 1)), HTTP_BAD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
