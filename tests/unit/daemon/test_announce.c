/* Records as journald and syslog get them, byte for byte; hostile names stay values. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "daemon/announce.h"
#include "test.h"

static struct store_record granted(const char *name)
{
	static const uint8_t v4[4] = { 192, 0, 2, 7 };
	struct store_record r = { .event = STORE_GRANTED,
		.reason = "grant",
		.service = "ssh",
		.door = "wan",
		.source = addr_v4(v4),
		.source_port = 50014,
		.grant_id = 17,
		.list = "service ssh allow",
		.entry = "Admins",
		.text = "one connection for 30s" };
	snprintf(r.name, sizeof(r.name), "%s", name);
	return r;
}

static void test_journald(void **state)
{
	static const char want[] =
		"MESSAGE=granted Ann/VSD ssh from 192.0.2.7: one connection for 30s\n"
		"PRIORITY=6\nSYSLOG_IDENTIFIER=posternd\nPOSTERN_EVENT=granted\n"
		"POSTERN_REASON=grant\nPOSTERN_NAME=Ann/VSD\nPOSTERN_ADDRESS=192.0.2.7\n"
		"POSTERN_PORT=50014\nPOSTERN_SERVICE=ssh\nPOSTERN_DOOR=wan\nPOSTERN_GRANT=17\n"
		"POSTERN_LIST=service ssh allow\nPOSTERN_ENTRY=Admins\n"
		"POSTERN_TEXT=one connection for 30s\n";
	struct store_record r = granted("Ann/VSD"), started = { .event = STORE_STARTED };
	uint8_t got[ANNOUNCE_LEN_MAX];
	(void)state;
	size_t len = announce_encode_journald(&r, got);
	assert_int_equal(len, strlen(want));
	assert_memory_equal(got, want, len);
	len = announce_encode_journald(&started, got);
	static const char bare[] = "MESSAGE=started\nPRIORITY=6\nSYSLOG_IDENTIFIER=posternd\n"
				   "POSTERN_EVENT=started\n";
	assert_int_equal(len, strlen(bare));
	assert_memory_equal(got, bare, len);
}

/* A value with a line end goes by its length. */
static void test_journald_hostile(void **state)
{
	static const uint8_t want[] = "POSTERN_NAME\n\x0d\0\0\0\0\0\0\0A\nPRIORITY=0\x07\n"
				      "POSTERN_ADDRESS=";
	struct store_record r = granted("A\nPRIORITY=0\x07");
	uint8_t got[ANNOUNCE_LEN_MAX];
	bool is_there = false;
	(void)state;
	size_t len = announce_encode_journald(&r, got);
	for (size_t i = 0; i + sizeof(want) - 1 <= len; i++)
		is_there |= memcmp(got + i, want, sizeof(want) - 1) == 0;
	assert_true(is_there);
}

static void test_syslog(void **state)
{
	char want[512];
	struct store_record r = granted("A \"x\"\n\xc3\xbc/VSD");
	uint8_t got[ANNOUNCE_LEN_MAX];
	(void)state;
	r.event = STORE_REFUSED;
	size_t len = announce_encode_syslog(&r, "Nov 22 10:04:05", got);
	snprintf(want, sizeof(want),
		"<85>Nov 22 10:04:05 posternd[%d]: event=\"refused\" reason=\"grant\" "
		"name=\"A \\\"x\\\"\\x0a\\xc3\\xbc/VSD\" address=\"192.0.2.7\" port=\"50014\" "
		"service=\"ssh\" door=\"wan\" grant=\"17\" list=\"service ssh allow\" "
		"entry=\"Admins\" text=\"one connection for 30s\"",
		(int)getpid());
	assert_int_equal(len, strlen(want));
	assert_memory_equal(got, want, len);
}

/* The longest record there can be is told whole to journald and not past the end to syslog. */
static void test_longest(void **state)
{
	struct store_record r = granted("");
	uint8_t got[ANNOUNCE_LEN_MAX];
	(void)state;
	memset(r.reason, '\1', sizeof(r.reason) - 1);
	memset(r.name, '\1', sizeof(r.name) - 1);
	memset(r.service, '\1', sizeof(r.service) - 1);
	memset(r.door, '\1', sizeof(r.door) - 1);
	memset(r.list, '\1', sizeof(r.list) - 1);
	memset(r.entry, '\1', sizeof(r.entry) - 1);
	memset(r.text, '\1', sizeof(r.text) - 1);
	size_t len = announce_encode_journald(&r, got);
	assert_in_range(len, STORE_NAME_MAX, ANNOUNCE_LEN_MAX);
	len = announce_encode_syslog(&r, "Nov 22 10:04:05", got);
	assert_in_range(len, STORE_NAME_MAX, ANNOUNCE_LEN_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_journald),
		cmocka_unit_test(test_journald_hostile),
		cmocka_unit_test(test_syslog),
		cmocka_unit_test(test_longest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
