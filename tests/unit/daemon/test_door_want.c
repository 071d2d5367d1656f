/* What a door asks to be shown, by its blocks. */

#include <netinet/in.h>

#include "daemon/door_want.h"
#include "test.h"

#define TCP(p)                                                                                     \
	{                                                                                          \
		IPPROTO_TCP, p                                                                     \
	}
#define UDP(p)                                                                                     \
	{                                                                                          \
		IPPROTO_UDP, p                                                                     \
	}

static struct config_sequence plain = { .step_count = 3, .steps = { TCP(1), TCP(2), TCP(3) } };
static struct config_sequence mixed = { .step_count = 3, .steps = { TCP(1), UDP(2), TCP(3) } };
static struct config_sequence one_time = { .one_time = "/x" };
static struct config_structured structured = { .base = 100 };
static struct config_cipher cipher = { .port_first = 745, .port_last = 1000 };
static struct config_fwknop fwknops[] = {
	{ .udp = 62201 },
	{ .udp = 62201, .tcp = 80 },
	{ .udp = 0, .tcp = 80, .icmp = true },
	{ .udp = 62300, .tcp = 8080 },
};

static void wants(void **state)
{
	const struct {
		const char *name;
		struct config_door door;
		struct capture_want want;
		bool attempts;
	} cases[] = {
		{ "spa", { .spa = { true, .port = 62201 } }, { .udp = { 62201 } }, false },
		{ "spa that is off", { .spa = { false, .port = 62201 } }, { .syns = false },
			false },
		{ "sequence", { .sequence_count = 1, .sequences = &plain }, { .syns = true },
			true },
		{ "udp step", { .sequence_count = 1, .sequences = &mixed },
			{ .syns = true, .all_udp = true }, true },
		{ "one-time", { .sequence_count = 1, .sequences = &one_time },
			{ .syns = true, .all_udp = true }, true },
		{ "structured", { .structured_count = 1, .structured = &structured },
			{ .syns = true }, true },
		{ "cipher", { .cipher_count = 1, .ciphers = &cipher }, { .syns = true }, true },
		{ "tagged", { .tagged = { .is_on = true } }, { .syns = true }, true },
		{ "fwknop", { .fwknop_count = 1, .fwknops = fwknops }, { .udp = { 62201 } },
			false },
		{ "fwknops", { .fwknop_count = 4, .fwknops = fwknops },
			{ .udp = { 62201, 62300 }, .tcp_data = { 80, 8080 }, .icmp = true },
			false },
		{ "spa and fwknop on one port",
			{ .spa = { true, .port = 62201 }, .fwknop_count = 2, .fwknops = fwknops },
			{ .udp = { 62201 }, .tcp_data = { 80 } }, false },
		{ "spa and a sequence",
			{ .spa = { true, .port = 62201 },
				.sequence_count = 1,
				.sequences = &plain },
			{ .udp = { 62201 }, .syns = true }, true },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct capture_want got = door_want(&cases[i].door), want = cases[i].want;
		TEST_CASE(cases[i].name, memcmp(got.udp, want.udp, sizeof(want.udp)) == 0);
		TEST_CASE(cases[i].name,
			memcmp(got.tcp_data, want.tcp_data, sizeof(want.tcp_data)) == 0);
		TEST_CASE(cases[i].name, got.syns == want.syns && got.all_udp == want.all_udp);
		TEST_CASE(cases[i].name, got.icmp == want.icmp);
		TEST_CASE(cases[i].name, door_wants_attempts(&cases[i].door) == cases[i].attempts);
	}
}

/* As many blocks as may be, each with ports of its own. */
static void all_ports(void **state)
{
	static struct config_fwknop many[CONFIG_FWKNOPS_MAX];
	struct config_door door = {
		.spa = { true, .port = 1 }, .fwknop_count = CONFIG_FWKNOPS_MAX, .fwknops = many
	};

	(void)state;
	for (uint16_t i = 0; i < CONFIG_FWKNOPS_MAX; i++)
		many[i] = (struct config_fwknop){ .udp = (uint16_t)(100 + i),
			.tcp = (uint16_t)(200 + i) };
	struct capture_want w = door_want(&door);
	assert_int_equal(w.udp[0], 1);
	assert_int_equal(w.udp[CONFIG_FWKNOPS_MAX], 100 + CONFIG_FWKNOPS_MAX - 1);
	assert_int_equal(w.tcp_data[CONFIG_FWKNOPS_MAX - 1], 200 + CONFIG_FWKNOPS_MAX - 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(wants),
		cmocka_unit_test(all_ports),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
