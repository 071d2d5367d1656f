/* The frame decoder: good frames of each link layer, then each of them with one thing wrong. */

#include "capture/frames.h"
#include "capture/internal.h"

/* A heap copy of the exact size, so that a sanitizer sees one byte too many. */
static enum capture_reject decode(
	const uint8_t *bytes, size_t len, int link, bool check_sums, struct sighting *ret)
{
	uint8_t *copy = malloc(len + 1);
	assert_non_null(copy);
	memcpy(copy, bytes, len);
	copy = realloc(copy, len == 0 ? 1 : len);
	assert_non_null(copy);
	enum capture_reject reason =
		capture_packet_decode(span_of(copy, len), link, check_sums, ret);
	if (reason == CAPTURE_OK && ret->payload.len != 0) {
		/* The caller keeps the frame, not our copy of it. */
		assert_true(ret->payload.data >= copy);
		ret->payload.data = bytes + (ret->payload.data - copy);
	}
	free(copy);
	return reason;
}

static void good_frames(void **state)
{
	(void)state;
	const struct frames *fs = frames_load();
	assert_true(fs->count > 40);
	for (size_t i = 0; i < fs->count; i++) {
		const struct frame *f = &fs->at[i];
		for (int sums = 0; sums < 2; sums++) {
			struct sighting s = { .door = 7, .wall_ms = 99 };
			TEST_CASE(f->name,
				decode(f->bytes, f->len, f->link, sums != 0, &s) == CAPTURE_OK);
			frames_check(f->name, &s, &f->want);
			TEST_CASE(f->name, s.door == 7 && s.wall_ms == 99);
		}
	}
}

/* From the IP header on, whole and cut, as a log group delivers them. */
static void good_packets(void **state)
{
	static const struct {
		const char *name;
		size_t cut; /* bytes that are there; 0 for all */
		enum capture_reject want, want_cut;
		size_t payload_len; /* with is_cut */
	} cases[] = {
		{ "raw4", 0, CAPTURE_OK, CAPTURE_OK, 25 },
		{ "raw6", 0, CAPTURE_OK, CAPTURE_OK, 25 },
		{ "raw4", 52, CAPTURE_SHORT, CAPTURE_OK, 24 },
		{ "raw4", 28, CAPTURE_SHORT, CAPTURE_OK, 0 },
		{ "raw4", 24, CAPTURE_SHORT, CAPTURE_OK, 0 },
		{ "raw4", 23, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
		{ "raw4", 20, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
		{ "raw4", 19, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
		{ "raw6", 64, CAPTURE_SHORT, CAPTURE_OK, 16 },
		{ "raw6", 44, CAPTURE_SHORT, CAPTURE_OK, 0 },
		{ "raw6", 43, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
		{ "raw6", 39, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
		{ "raw6", 1, CAPTURE_SHORT, CAPTURE_SHORT, 0 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct frame *f = frames_find(cases[i].name);
		struct span packet = span_of(f->bytes, cases[i].cut == 0 ? f->len : cases[i].cut);
		struct sighting s = { 0 };
		TEST_CASE(f->name, capture_ip_decode(packet, false, &s) == cases[i].want);
		s = (struct sighting){ 0 };
		TEST_CASE(f->name, capture_ip_decode(packet, true, &s) == cases[i].want_cut);
		if (cases[i].want_cut != CAPTURE_OK)
			continue;
		TEST_CASE(f->name, s.payload.len == cases[i].payload_len);
		s.payload = f->want.payload;
		frames_check(f->name, &s, &f->want);
	}
}

/* What tells an attempt from its repetition, and from the rest of a connection. */
static void segments(void **state)
{
	static const struct {
		const char *name;
		uint8_t flags;
		uint32_t seq;
	} cases[] = {
		{ "tcp4-syn", SIGHTING_SYN, 1000 },
		{ "tcp6-syn", SIGHTING_SYN, 1000 },
		{ "tcp4-syn-options", SIGHTING_SYN, 0xdeadbeef },
		{ "tcp4-syn-data", SIGHTING_SYN, 0xdeadbeef },
		{ "tcp4-syn-ack", SIGHTING_SYN | SIGHTING_ACK, 0xdeadbeef },
		{ "tcp4-push", SIGHTING_PSH | SIGHTING_ACK, 0xdeadbeef },
		{ "tcp6-syn-ece", 0xc0 | SIGHTING_SYN, 0xdeadbeef },
		{ "tcp6-hop-syn", SIGHTING_SYN, 0xdeadbeef },
		{ "tcp4-vlan-syn", SIGHTING_SYN, 0xdeadbeef },
		{ "raw6-syn", SIGHTING_SYN, 0xdeadbeef },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct frame *f = frames_find(cases[i].name);
		struct sighting s = { 0 };
		TEST_CASE(f->name, decode(f->bytes, f->len, f->link, true, &s) == CAPTURE_OK);
		TEST_CASE(f->name, s.tcp_flags == cases[i].flags);
		TEST_CASE(f->name, s.has_seq && s.tcp_seq == cases[i].seq);
	}
	/* Others leave nothing of the segment before them. */
	const struct frame *f = frames_find("icmp4-echo");
	struct sighting s = { .tcp_flags = 0xff, .has_seq = true, .tcp_seq = 7, .src_port = 9 };
	assert_int_equal(decode(f->bytes, f->len, f->link, true, &s), CAPTURE_OK);
	assert_true(s.tcp_flags == 0 && !s.has_seq && s.tcp_seq == 0 && s.src_port == 0);
}

/* A cut TCP or UDP packet is as good as its ports. */
static void cut_inner(void **state)
{
	static const struct {
		const char *name;
		size_t off, len; /* of the IP packet in the frame */
		enum capture_reject want;
	} cases[] = {
		{ "tcp4-syn", 14, 44, CAPTURE_OK },
		{ "tcp4-syn", 14, 30, CAPTURE_OK },
		{ "tcp4-syn", 14, 24, CAPTURE_OK },
		{ "tcp4-syn", 14, 23, CAPTURE_SHORT },
		{ "tcp6-syn", 14, 44, CAPTURE_OK },
		{ "udp4-options-40", 14, 64, CAPTURE_OK },
		{ "udp4-options-40", 14, 63, CAPTURE_SHORT },
		{ "udp4-options-40", 14, 59, CAPTURE_SHORT },
		{ "udp6-hop", 14, 64, CAPTURE_OK },
		{ "udp6-hop", 14, 51, CAPTURE_SHORT },
		{ "udp6-hop", 14, 47, CAPTURE_SHORT },
		{ "udp6-hop", 14, 41, CAPTURE_SHORT },
		{ "udp6-all", 14, 64, CAPTURE_SHORT },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct frame *f = frames_find(cases[i].name);
		struct sighting s = { 0 };
		enum capture_reject reason =
			capture_ip_decode(span_of(f->bytes + cases[i].off, cases[i].len), true, &s);
		TEST_CASE(f->name, reason == cases[i].want);
		if (reason != CAPTURE_OK)
			continue;
		TEST_CASE(f->name, s.src_port == f->want.src_port);
		TEST_CASE(f->name, s.dst_port == f->want.dst_port);
		TEST_CASE(f->name, addr_equal(&s.src, &f->want.src));
	}
}

/* Bytes put over a good frame from an offset on. */
struct patch {
	size_t off;
	const char *hex;
};

struct wrong {
	const char *name;
	const char *frame;
	struct patch patch[3];
	enum capture_reject want; /* without checksums */
};

/* Ethernet 0-13; IPv4 14-33, UDP 34-41; IPv6 14-53, UDP 54-61. */
static const struct wrong wrongs[] = {
	{ "arp", "udp4", { { 12, "0806" } }, CAPTURE_LINK },
	{ "802.3 length", "udp4", { { 12, "0035" } }, CAPTURE_LINK },
	{ "type says 6", "udp4", { { 12, "86dd" } }, CAPTURE_VERSION },
	{ "type says 4", "udp6", { { 12, "0800" } }, CAPTURE_VERSION },
	{ "version 5", "udp4", { { 14, "55" } }, CAPTURE_VERSION },
	{ "version 0", "raw4", { { 0, "05" } }, CAPTURE_VERSION },
	{ "link says 4", "ipv4", { { 0, "65" } }, CAPTURE_VERSION },
	{ "link says 6", "ipv6", { { 0, "40" } }, CAPTURE_VERSION },
	{ "tag in tag in tag", "udp4-qinq", { { 20, "8100" } }, CAPTURE_LINK },
	{ "tag of nothing", "udp4-vlan", { { 16, "0806" } }, CAPTURE_LINK },
	{ "cooked arp", "sll4", { { 14, "0806" } }, CAPTURE_LINK },
	{ "cooked arp 2", "sll2-4", { { 0, "0806" } }, CAPTURE_LINK },
	{ "family apple talk", "null4-little", { { 0, "10000000" } }, CAPTURE_LINK },
	{ "family in the middle", "null4-little", { { 0, "00020000" } }, CAPTURE_LINK },
	{ "loop in host order", "loop4", { { 0, "02000000" } }, CAPTURE_LINK },
	{ "family says 6", "null4-big", { { 0, "0000001e" } }, CAPTURE_VERSION },

	{ "header of 16", "udp4", { { 14, "44" } }, CAPTURE_LENGTH },
	{ "header of 0", "udp4", { { 14, "40" } }, CAPTURE_LENGTH },
	{ "header past the end", "udp4", { { 14, "4f" } }, CAPTURE_LENGTH },
	{ "header past the total", "udp4-options", { { 14, "4f" }, { 16, "0038" } },
		CAPTURE_LENGTH },
	{ "total 0", "udp4", { { 16, "0000" } }, CAPTURE_LENGTH },
	{ "total 19", "udp4", { { 16, "0013" } }, CAPTURE_LENGTH },
	{ "total 20: no UDP", "udp4", { { 16, "0014" } }, CAPTURE_SHORT },
	{ "total 27", "udp4", { { 16, "001b" } }, CAPTURE_SHORT },
	{ "total one less", "udp4", { { 16, "0034" } }, CAPTURE_LENGTH },
	{ "total one more", "udp4", { { 16, "0036" } }, CAPTURE_SHORT },
	{ "total 65535", "udp4", { { 16, "ffff" } }, CAPTURE_SHORT },
	{ "total into the padding", "udp4-padded", { { 16, "001e" } }, CAPTURE_LENGTH },
	{ "more fragments", "udp4", { { 20, "2000" } }, CAPTURE_FRAGMENT },
	{ "last fragment", "udp4", { { 20, "0001" } }, CAPTURE_FRAGMENT },
	{ "fragment and do not", "udp4", { { 20, "5000" } }, CAPTURE_FRAGMENT },
	{ "igmp", "udp4", { { 23, "02" } }, CAPTURE_PROTOCOL },
	{ "icmp6 in 4", "udp4", { { 23, "3a" } }, CAPTURE_PROTOCOL },
	{ "udp-lite", "udp4", { { 23, "88" } }, CAPTURE_PROTOCOL },
	{ "extension in 4", "udp4", { { 23, "3c" } }, CAPTURE_PROTOCOL },

	{ "from any", "udp4", { { 26, "00000000" } }, CAPTURE_SOURCE },
	{ "from 127.0.0.1", "udp4", { { 26, "7f000001" } }, CAPTURE_SOURCE },
	{ "from 127.255.255.255", "udp4", { { 26, "7fffffff" } }, CAPTURE_SOURCE },
	{ "from 224.0.0.0", "udp4", { { 26, "e0000000" } }, CAPTURE_SOURCE },
	{ "from 239.255.255.255", "udp4", { { 26, "efffffff" } }, CAPTURE_SOURCE },
	{ "from broadcast", "udp4", { { 26, "ffffffff" } }, CAPTURE_SOURCE },
	{ "from ::", "udp6", { { 22, "00000000000000000000000000000000" } }, CAPTURE_SOURCE },
	{ "from ::1", "udp6", { { 22, "00000000000000000000000000000001" } }, CAPTURE_SOURCE },
	{ "from ff02::1", "udp6", { { 22, "ff020000000000000000000000000001" } }, CAPTURE_SOURCE },
	{ "from mapped", "udp6", { { 22, "00000000000000000000ffffcb007107" } }, CAPTURE_SOURCE },
	{ "to mapped", "udp6", { { 38, "00000000000000000000ffffcb007107" } }, CAPTURE_SOURCE },
	{ "from mapped, hidden", "udp6-hop", { { 22, "00000000000000000000ffff7f000001" } },
		CAPTURE_SOURCE },

	{ "udp length 0", "udp4", { { 38, "0000" } }, CAPTURE_LENGTH },
	{ "udp length 7", "udp4", { { 38, "0007" } }, CAPTURE_LENGTH },
	{ "udp length one less", "udp4", { { 38, "0020" } }, CAPTURE_LENGTH },
	{ "udp length one more", "udp4", { { 38, "0022" } }, CAPTURE_LENGTH },
	{ "udp length 65535", "udp4", { { 38, "ffff" } }, CAPTURE_LENGTH },
	{ "udp length 0 over 6", "udp6", { { 58, "0000" } }, CAPTURE_LENGTH },
	{ "udp length in padding", "udp6-padded", { { 58, "000c" } }, CAPTURE_LENGTH },

	{ "payload 0", "udp6", { { 18, "0000" } }, CAPTURE_SHORT },
	{ "payload 7", "udp6", { { 18, "0007" } }, CAPTURE_SHORT },
	{ "payload one less", "udp6", { { 18, "0020" } }, CAPTURE_LENGTH },
	{ "payload one more", "udp6", { { 18, "0022" } }, CAPTURE_SHORT },
	{ "jumbogram", "udp6-hop", { { 18, "0000" } }, CAPTURE_LENGTH },
	{ "no next header", "udp6", { { 20, "3b" } }, CAPTURE_PROTOCOL },
	{ "icmp in 6", "udp6-hop", { { 54, "01" } }, CAPTURE_PROTOCOL },
	{ "icmp of 7", "icmp4-echo", { { 16, "001b" } }, CAPTURE_SHORT },
	{ "esp", "udp6-hop", { { 54, "32" } }, CAPTURE_PROTOCOL },
	{ "mobility", "udp6-hop", { { 54, "87" } }, CAPTURE_PROTOCOL },
	{ "hop-by-hop second", "udp6-all", { { 54, "00" } }, CAPTURE_PROTOCOL },
	{ "extension too long", "udp6-hop", { { 55, "ff" } }, CAPTURE_LENGTH },
	{ "extension eats UDP", "udp6-hop", { { 55, "03" } }, CAPTURE_LENGTH },
	{ "ah too long", "udp6-ah", { { 55, "ff" } }, CAPTURE_LENGTH },
	{ "payload ends in extension", "udp6-hop", { { 18, "0003" } }, CAPTURE_SHORT },
	{ "payload ends with extension", "udp6-hop", { { 18, "0008" } }, CAPTURE_SHORT },
	{ "nine extensions", "udp6-eight", { { 54 + 7 * 16, "3c" }, { 54 + 8 * 16, "1100" } },
		CAPTURE_PROTOCOL },
	{ "segments left", "udp6-route", { { 57, "01" } }, CAPTURE_PROTOCOL },
	{ "first fragment", "udp6-atomic", { { 56, "0001" } }, CAPTURE_FRAGMENT },
	{ "later fragment", "udp6-atomic", { { 56, "0008" } }, CAPTURE_FRAGMENT },
	{ "last fragment 6", "udp6-atomic", { { 56, "fff8" } }, CAPTURE_FRAGMENT },
	{ "reserved in fragment", "udp6-atomic", { { 56, "0006" } }, CAPTURE_OK },
	{ "extension in fragment", "udp6-atomic", { { 54, "00" } }, CAPTURE_PROTOCOL },

	{ "tcp header 16", "tcp4-syn", { { 46, "40" } }, CAPTURE_LENGTH },
	{ "tcp header 0", "tcp4-syn", { { 46, "00" } }, CAPTURE_LENGTH },
	{ "tcp header past the end", "tcp4-syn", { { 46, "70" } }, CAPTURE_LENGTH },
	{ "tcp header 60", "tcp6-syn", { { 66, "f0" } }, CAPTURE_LENGTH },
	{ "tcp of 19", "tcp4-syn", { { 16, "0027" } }, CAPTURE_SHORT },
};

static size_t patched(const struct frame *f, const struct patch *patch, size_t patches, uint8_t *to)
{
	memcpy(to, f->bytes, f->len);
	for (size_t i = 0; i < patches && patch[i].hex != NULL; i++) {
		size_t len = strlen(patch[i].hex) / 2;
		assert_true(patch[i].off + len <= f->len);
		assert_true(text_unhex(patch[i].hex, to + patch[i].off, len));
	}
	return f->len;
}

static void one_thing_wrong(void **state)
{
	uint8_t bytes[FRAME_LEN_MAX];

	(void)state;
	for (size_t i = 0; i < TEST_LEN(wrongs); i++) {
		const struct wrong *w = &wrongs[i];
		const struct frame *f = frames_find(w->frame);
		size_t len = patched(f, w->patch, TEST_LEN(w->patch), bytes);
		struct sighting s, before;
		memset(&s, 0xa5, sizeof(s));
		before = s;
		enum capture_reject got = decode(bytes, len, f->link, false, &s);
		if (got != w->want)
			fail_msg("case \"%s\": %s, not %s", w->name, capture_reject_name(got),
				capture_reject_name(w->want));
		if (got != CAPTURE_OK)
			TEST_CASE(w->name, memcmp(&s, &before, sizeof(s)) == 0);
	}
}

static void checksums(void **state)
{
	static const struct {
		const char *name;
		const char *frame;
		struct patch patch[2];
		enum capture_reject want;
	} cases[] = {
		{ "ipv4 header", "udp4", { { 24, "0000" } }, CAPTURE_CHECKSUM },
		{ "time to live", "udp4", { { 22, "3f" } }, CAPTURE_CHECKSUM },
		{ "option", "udp4-options", { { 40, "00" } }, CAPTURE_CHECKSUM },
		{ "udp sum", "udp4", { { 40, "1234" } }, CAPTURE_CHECKSUM },
		{ "udp port", "udp4", { { 34, "0001" } }, CAPTURE_CHECKSUM },
		{ "payload", "udp4", { { 50, "00" } }, CAPTURE_CHECKSUM },
		{ "last byte", "udp4", { { 66, "00" } }, CAPTURE_CHECKSUM },
		{ "none over 4", "udp4", { { 40, "0000" } }, CAPTURE_OK },
		{ "none over 6", "udp6", { { 60, "0000" } }, CAPTURE_CHECKSUM },
		{ "source 6", "udp6", { { 37, "08" } }, CAPTURE_CHECKSUM },
		{ "destination 6", "udp6", { { 53, "03" } }, CAPTURE_CHECKSUM },
		{ "behind extensions", "udp6-all", { { 54 + 96 + 6, "1234" } }, CAPTURE_CHECKSUM },
		{ "of TCP is not ours", "tcp4-syn", { { 50, "0000" } }, CAPTURE_OK },
		{ "padding is not summed", "udp4-padded", { { 43, "ff" } }, CAPTURE_OK },
	};
	uint8_t bytes[FRAME_LEN_MAX];

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct frame *f = frames_find(cases[i].frame);
		size_t len = patched(f, cases[i].patch, TEST_LEN(cases[i].patch), bytes);
		struct sighting s = { 0 };
		enum capture_reject got = decode(bytes, len, f->link, true, &s);
		if (got != cases[i].want)
			fail_msg("case \"%s\": %s", cases[i].name, capture_reject_name(got));
		TEST_CASE(cases[i].name, decode(bytes, len, f->link, false, &s) == CAPTURE_OK);
	}
}

/* Padding behind the IP packet, which may go without harm. */
static size_t padding_of(const struct frame *f)
{
	if (strcmp(f->name, "udp4-padded") == 0)
		return 17;
	if (strcmp(f->name, "tcp4-ack-padded") == 0)
		return 6;
	return strcmp(f->name, "udp6-padded") == 0 ? 4 : 0;
}

static void truncations(void **state)
{
	const struct frames *fs = frames_load();

	(void)state;
	for (size_t i = 0; i < fs->count; i++) {
		const struct frame *f = &fs->at[i];
		for (size_t len = 0; len < f->len; len++) {
			struct sighting s = { 0 };
			enum capture_reject got = decode(f->bytes, len, f->link, true, &s);
			if (len + padding_of(f) >= f->len)
				TEST_CASE(f->name, got == CAPTURE_OK);
			else
				TEST_CASE(f->name, got == CAPTURE_SHORT || got == CAPTURE_LINK);
		}
	}
}

/* Whatever one flipped bit behind the link layer does to a checked frame, it is not believed. */
static void bit_flips(void **state)
{
	static const struct {
		const char *name;
		size_t from;
	} cases[] = {
		{ "udp4", 14 }, { "udp4-vlan", 18 }, { "udp4-options", 14 },
		{ "udp6", 18 }, /* nothing protects traffic class and flow label, */
	};
	uint8_t bytes[FRAME_LEN_MAX];

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		const struct frame *f = frames_find(cases[i].name);
		memcpy(bytes, f->bytes, f->len);
		for (size_t bit = 8 * cases[i].from; bit < 8 * f->len; bit++) {
			struct sighting s = { 0 };
			if (strcmp(f->name, "udp6") == 0 && bit / 8 == 21)
				continue; /* nor the hop limit */
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
			TEST_CASE(f->name, decode(bytes, f->len, f->link, true, &s) != CAPTURE_OK);
			bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
		}
	}
}

static void links(void **state)
{
	const struct frame *f = frames_find("udp4");
	struct sighting s = { 0 };

	(void)state;
	for (int link = -1; link < 400; link++) {
		enum capture_reject got = decode(f->bytes, f->len, link, false, &s);
		if (!capture_link_is_known(link))
			assert_int_equal(got, CAPTURE_LINK);
	}
	assert_true(capture_link_is_known(DLT_EN10MB));
	assert_false(capture_link_is_known(DLT_IEEE802_11));
}

static void names(void **state)
{
	(void)state;
	for (int i = 0; i < CAPTURE_REJECT_COUNT; i++)
		assert_non_null(capture_reject_name((enum capture_reject)i));
	assert_string_equal(capture_reject_name(CAPTURE_SHORT), "short");
	assert_string_equal(capture_reject_name((enum capture_reject)99), "unknown");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_frames),
		cmocka_unit_test(good_packets),
		cmocka_unit_test(segments),
		cmocka_unit_test(cut_inner),
		cmocka_unit_test(one_thing_wrong),
		cmocka_unit_test(checksums),
		cmocka_unit_test(truncations),
		cmocka_unit_test(bit_flips),
		cmocka_unit_test(links),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
