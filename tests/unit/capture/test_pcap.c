/* Saved captures: the filter on each link layer, the file formats, damaged files. */

#include <errno.h>
#include <unistd.h>

#include "capture/frames.h"

struct seen {
	size_t count;
	size_t want; /* index of the next vector that must come */
	uint64_t wall_ms;
};

static char path[64];

static int make_path(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "/tmp/postern-pcap-XXXXXX");
	int fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	return unlink(path);
}

static void put_frame(pcap_dumper_t *to, const uint8_t *bytes, size_t len)
{
	struct pcap_pkthdr h = { .caplen = (bpf_u_int32)len, .len = (bpf_u_int32)len };

	h.ts.tv_sec = 1700000000;
	h.ts.tv_usec = 123456;
	pcap_dump((u_char *)to, &h, bytes);
}

/* All vectors of one link layer, and a frame of noise between them. */
static size_t save_vectors(int link)
{
	static const uint8_t noise[64] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 8, 6 };
	const struct frames *fs = frames_load();
	size_t count = 0;

	pcap_t *p = pcap_open_dead(link, CAPTURE_SNAPLEN);
	assert_non_null(p);
	pcap_dumper_t *to = pcap_dump_open(p, path);
	assert_non_null(to);
	for (size_t i = 0; i < fs->count; i++) {
		if (fs->at[i].link != link)
			continue;
		put_frame(to, fs->at[i].bytes, fs->at[i].len);
		put_frame(to, noise, sizeof(noise));
		count++;
	}
	pcap_dump_close(to);
	pcap_close(p);
	return count;
}

static bool is_knock(const struct frame *f, int link)
{
	return f->link == link && f->want.proto == 17 && f->want.dst_port == FRAMES_PORT;
}

static void check_next(void *arg, const struct sighting *s)
{
	const struct frames *fs = frames_load();
	struct seen *seen = arg;

	while (seen->want < fs->count && !is_knock(&fs->at[seen->want], DLT_EN10MB))
		seen->want++;
	assert_in_range(seen->want, 0, fs->count - 1);
	const struct frame *f = &fs->at[seen->want++];
	frames_check(f->name, s, &f->want);
	TEST_CASE(f->name, s->door == 5);
	TEST_CASE(f->name, s->wall_ms == 1700000000123u);
	seen->count++;
}

static void count_only(void *arg, const struct sighting *s)
{
	struct seen *seen = arg;

	assert_int_equal(s->dst_port, FRAMES_PORT);
	assert_int_equal(s->proto, 17);
	seen->wall_ms = s->wall_ms;
	seen->count++;
}

static struct capture_pcap *must_open(uint16_t port)
{
	const struct capture_want want = { .udp = { port } };
	struct capture_pcap *p = NULL;
	struct fault f = { "" };

	if (capture_pcap_open_file(path, 5, &want, &p, &f) != 0)
		fail_msg("%s", f.text);
	assert_int_equal(capture_pcap_fd(p), -1);
	return p;
}

static size_t knocks_of(int link)
{
	const struct frames *fs = frames_load();
	size_t n = 0;

	for (size_t i = 0; i < fs->count; i++)
		n += is_knock(&fs->at[i], link);
	return n;
}

/* Every Ethernet vector for the port, and no other, in order, with what the header says of time. */
static void ethernet(void **state)
{
	struct seen seen = { 0 };
	int n, frames = 0;

	(void)state;
	save_vectors(DLT_EN10MB);
	struct capture_pcap *p = must_open(FRAMES_PORT);
	while ((n = capture_pcap_read(p, 7, check_next, &seen)) > 0) {
		assert_in_range(n, 1, 7);
		frames += n;
	}
	assert_int_equal(n, 0);
	assert_int_equal(seen.count, knocks_of(DLT_EN10MB));
	const struct capture_counts *c = capture_pcap_counts(p);
	assert_int_equal(c->seen, frames);
	/* TCP twice and another port, behind a hop-by-hop header; the noise met the filter. */
	assert_int_equal(c->other, 3);
	assert_int_equal(c->seen, seen.count + c->other);
	assert_int_equal(c->dropped, 0);
	for (int i = 0; i < CAPTURE_REJECT_COUNT; i++)
		assert_int_equal(c->rejected[i], 0);
	capture_pcap_close(p);
}

/* The filter compiles and finds its packets on each link layer. */
static void each_link(void **state)
{
	static const int links[] = { DLT_EN10MB, DLT_RAW, DLT_IPV4, DLT_IPV6, DLT_LINUX_SLL,
		DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP };

	(void)state;
	for (size_t i = 0; i < TEST_LEN(links); i++) {
		const char *name = pcap_datalink_val_to_name(links[i]);
		struct seen seen = { 0 };
		TEST_CASE(name, save_vectors(links[i]) > 0);
		struct capture_pcap *p = must_open(FRAMES_PORT);
		while (capture_pcap_read(p, 100, count_only, &seen) > 0)
			;
		if (seen.count != knocks_of(links[i]))
			fail_msg("%s: %zu of %zu", name, seen.count, knocks_of(links[i]));
		capture_pcap_close(p);
	}
}

static void other_port(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	save_vectors(DLT_EN10MB);
	struct capture_pcap *p = must_open(54321);
	while (capture_pcap_read(p, 100, count_only, &seen) > 0)
		;
	assert_int_equal(seen.count, 0);
	capture_pcap_close(p);
}

/* What the filter lets pass and the decoder refuses is counted by reason. */
static void counts(void **state)
{
	const struct frame *udp4 = frames_find("udp4"), *hop = frames_find("udp6-hop");
	uint8_t bytes[FRAME_LEN_MAX];
	struct seen seen = { 0 };

	(void)state;
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, CAPTURE_SNAPLEN);
	pcap_dumper_t *to = pcap_dump_open(dead, path);
	assert_non_null(to);
	memcpy(bytes, udp4->bytes, udp4->len);
	bytes[39]++; /* UDP length */
	put_frame(to, bytes, udp4->len);
	bytes[39]--;
	bytes[20] |= 0x20; /* more fragments */
	put_frame(to, bytes, udp4->len);
	bytes[20] &= 0xdf;
	bytes[26] = 127;
	put_frame(to, bytes, udp4->len);
	put_frame(to, udp4->bytes, udp4->len - 1);
	memcpy(bytes, hop->bytes, hop->len);
	bytes[54] = 50; /* ESP */
	put_frame(to, bytes, hop->len);
	/* No checksum is asked for: the last byte of the payload changed. */
	memcpy(bytes, udp4->bytes, udp4->len);
	bytes[udp4->len - 1] ^= 1;
	put_frame(to, bytes, udp4->len);
	pcap_dump_close(to);
	pcap_close(dead);

	struct capture_pcap *p = must_open(FRAMES_PORT);
	assert_int_equal(capture_pcap_read(p, 100, count_only, &seen), 6);
	assert_int_equal(capture_pcap_read(p, 100, count_only, &seen), 0);
	const struct capture_counts *c = capture_pcap_counts(p);
	assert_int_equal(seen.count, 1);
	assert_int_equal(c->seen, 6);
	assert_int_equal(c->rejected[CAPTURE_LENGTH], 1);
	assert_int_equal(c->rejected[CAPTURE_FRAGMENT], 1);
	assert_int_equal(c->rejected[CAPTURE_SOURCE], 1);
	assert_int_equal(c->rejected[CAPTURE_SHORT], 1);
	assert_int_equal(c->rejected[CAPTURE_PROTOCOL], 1);
	capture_pcap_close(p);
}

/* Names of vectors that were delivered, in their order, each with a space behind it. */
struct names {
	size_t next;
	char text[2048];
};

static void note_name(void *arg, const struct sighting *s)
{
	const struct frames *fs = frames_load();
	struct names *n = arg;

	for (; n->next < fs->count; n->next++) {
		const struct frame *f = &fs->at[n->next];
		struct sighting is = { 0 };
		if (f->link == DLT_EN10MB &&
			capture_packet_decode(span_of(f->bytes, f->len), f->link, true, &is) ==
				CAPTURE_OK &&
			is.proto == s->proto && is.tcp_flags == s->tcp_flags &&
			is.dst_port == s->dst_port && addr_equal(&is.src, &s->src) &&
			span_equal(is.payload, s->payload))
			break;
	}
	assert_in_range(n->next, 0, fs->count - 1);
	size_t len = strlen(n->text);
	snprintf(n->text + len, sizeof(n->text) - len, "%s ", fs->at[n->next++].name);
}

/* What each sort of want delivers of all Ethernet vectors, and nothing else. */
static void wants(void **state)
{
	static const struct {
		struct capture_want want;
		const char *names;
	} cases[] = {
		{ { .udp = { 53 } }, "udp4-other-port udp6-hop-other-port " },
		{ { .udp = { 1, 53 } }, "udp4-other-port udp6-hop-other-port " },
		{ { .syns = true },
			"tcp4-syn tcp6-syn tcp4-data tcp6-hop tcp4-syn-options tcp4-syn-data "
			"tcp6-syn-ece tcp6-hop-syn tcp4-vlan-syn tcp6-vlan-syn " },
		{ { .tcp_data = { FRAMES_PORT } }, "tcp4-syn-data tcp4-push tcp6-push " },
		{ { .tcp_data = { 7000, 22 } }, "tcp4-data " },
		{ { .icmp = true }, "icmp4-echo icmp6-echo " },
		{ { .udp = { 53 }, .tcp_data = { 22 }, .icmp = true },
			"tcp4-data udp4-other-port udp6-hop-other-port icmp4-echo icmp6-echo " },
	};

	(void)state;
	save_vectors(DLT_EN10MB);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct names names = { 0 };
		struct capture_pcap *p = NULL;
		struct fault f = { "" };
		if (capture_pcap_open_file(path, 5, &cases[i].want, &p, &f) != 0)
			fail_msg("%s", f.text);
		while (capture_pcap_read(p, 100, note_name, &names) > 0)
			;
		if (strcmp(names.text, cases[i].names) != 0)
			fail_msg("case %zu: %s", i, names.text);
		capture_pcap_close(p);
	}
}

static void count_any(void *arg, const struct sighting *s)
{
	(void)s;
	++*(size_t *)arg;
}

/* Everything at once, all ports in use: the filter compiles on each link layer and finds its packets. */
static void all_wants(void **state)
{
	static const int links[] = { DLT_EN10MB, DLT_RAW, DLT_IPV4, DLT_IPV6, DLT_LINUX_SLL,
		DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP };
	const struct frames *fs = frames_load();
	struct capture_want all = { .syns = true, .icmp = true };

	(void)state;
	for (uint16_t i = 0; i < CAPTURE_PORTS_MAX; i++)
		all.udp[i] = all.tcp_data[i] = (uint16_t)(FRAMES_PORT - CAPTURE_PORTS_MAX + 1 + i);
	for (size_t i = 0; i < 2 * TEST_LEN(links); i++) {
		int link = links[i / 2];
		size_t want = 0, got = 0;
		struct capture_pcap *p = NULL;
		struct fault f = { "" };
		all.all_udp = i % 2 != 0;
		save_vectors(link);
		for (size_t k = 0; k < fs->count; k++) {
			struct sighting s = { 0 };
			const struct frame *v = &fs->at[k];
			if (v->link != link)
				continue;
			assert_int_equal(
				capture_packet_decode(span_of(v->bytes, v->len), link, true, &s),
				CAPTURE_OK);
			want += capture_is_wanted(&all, &s);
		}
		if (capture_pcap_open_file(path, 5, &all, &p, &f) != 0)
			fail_msg("%s", f.text);
		while (capture_pcap_read(p, 100, count_any, &got) > 0)
			;
		assert_int_equal(got, want);
		assert_true(got > 0);
		capture_pcap_close(p);
	}
}

/* Longer than what is kept of a frame: no knock, but an attempt where any is asked for. */
static void too_long(void **state)
{
	static uint8_t bytes[CAPTURE_SNAPLEN];
	static const struct {
		struct capture_want want;
		size_t count;
		uint64_t rejected;
	} cases[] = {
		{ { .udp = { FRAMES_PORT } }, 0, 1 },
		{ { .all_udp = true }, 1, 0 },
		{ { .udp = { FRAMES_PORT }, .all_udp = true }, 0, 1 },
		{ { .udp = { 53 }, .all_udp = true }, 1, 0 },
	};
	const struct frame *udp4 = frames_find("udp4");
	struct pcap_pkthdr h = { .caplen = sizeof(bytes), .len = 14 + 3000 };

	(void)state;
	memcpy(bytes, udp4->bytes, 42);
	bytes[16] = 3000 >> 8;
	bytes[17] = 3000 & 0xff;
	bytes[38] = (3000 - 20) >> 8;
	bytes[39] = (3000 - 20) & 0xff;
	pcap_t *dead = pcap_open_dead(DLT_EN10MB, CAPTURE_SNAPLEN);
	pcap_dumper_t *to = pcap_dump_open(dead, path);
	assert_non_null(to);
	pcap_dump((u_char *)to, &h, bytes);
	pcap_dump_close(to);
	pcap_close(dead);
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct capture_pcap *p = NULL;
		struct fault f = { "" };
		size_t got = 0;
		assert_int_equal(capture_pcap_open_file(path, 5, &cases[i].want, &p, &f), 0);
		assert_int_equal(capture_pcap_read(p, 100, count_any, &got), 1);
		assert_int_equal(got, cases[i].count);
		assert_int_equal(
			capture_pcap_counts(p)->rejected[CAPTURE_SHORT], cases[i].rejected);
		capture_pcap_close(p);
	}
}

static void put(FILE *to, const void *data, size_t len)
{
	if (len != 0)
		assert_int_equal(fwrite(data, 1, len, to), len);
}

/* pcapng: section header, one interface, one enhanced packet block a frame, all in host order. */
static void save_pcapng(const struct frame *f)
{
	static const uint32_t section[] = { 0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff,
		28 };
	uint32_t interface[] = { 1, 20, 1 /* Ethernet */, CAPTURE_SNAPLEN, 20 };
	uint64_t us = 1700000000123456u;
	size_t pad = (4 - f->len % 4) % 4;
	uint32_t total = (uint32_t)(32 + f->len + pad);
	uint32_t packet[] = { 6, total, 0, (uint32_t)(us >> 32), (uint32_t)us, (uint32_t)f->len,
		(uint32_t)f->len };

	FILE *to = fopen(path, "we");
	assert_non_null(to);
	put(to, section, sizeof(section));
	put(to, interface, sizeof(interface));
	put(to, packet, sizeof(packet));
	put(to, f->bytes, f->len);
	put(to, "\0\0\0", pad);
	put(to, &total, sizeof(total));
	fclose(to);
}

static void pcapng(void **state)
{
	struct seen seen = { 0 };

	(void)state;
	save_pcapng(frames_find("udp6-qinq"));
	struct capture_pcap *p = must_open(FRAMES_PORT);
	assert_int_equal(capture_pcap_read(p, 100, count_only, &seen), 1);
	assert_int_equal(seen.count, 1);
	assert_true(seen.wall_ms == 1700000000123u);
	assert_int_equal(capture_pcap_read(p, 100, count_only, &seen), 0);
	capture_pcap_close(p);
}

static void write_bytes(const void *data, size_t len)
{
	FILE *to = fopen(path, "we");
	assert_non_null(to);
	put(to, data, len);
	fclose(to);
}

static void refused_files(void **state)
{
	const struct capture_want any = { .udp = { 1 } };
	struct capture_pcap *p = NULL;
	struct fault f = { "" };

	(void)state;
	assert_int_equal(capture_pcap_open_file("/nonexistent/x", 0, &any, &p, &f), -ENOENT);
	assert_string_equal(f.text, "/nonexistent/x: cannot be read: No such file or directory");
	assert_int_equal(capture_pcap_open_file("/tmp", 0, &any, &p, &f), -EBADMSG);
	write_bytes("", 0);
	assert_int_equal(capture_pcap_open_file(path, 0, &any, &p, &f), -EBADMSG);
	write_bytes("# a text, no capture\n", 21);
	assert_int_equal(capture_pcap_open_file(path, 0, &any, &p, &f), -EBADMSG);
	assert_non_null(strstr(f.text, "not a saved capture"));
	pcap_t *dead = pcap_open_dead(DLT_IEEE802_11, CAPTURE_SNAPLEN);
	pcap_dump_close(pcap_dump_open(dead, path));
	pcap_close(dead);
	assert_int_equal(capture_pcap_open_file(path, 0, &any, &p, &f), -EPROTONOSUPPORT);
	assert_non_null(strstr(f.text, "IEEE802_11"));
	assert_null(p);
	capture_pcap_close(NULL);
}

/* A file that ends in the middle of a frame: what came before is delivered, then the error. */
static void cut_file(void **state)
{
	struct seen seen = { 0 };
	int n;

	(void)state;
	save_vectors(DLT_RAW);
	assert_int_equal(truncate(path, 24 + 16 + 53 + 16 + 64 + 16 + 10), 0);
	struct capture_pcap *p = must_open(FRAMES_PORT);
	while ((n = capture_pcap_read(p, 1, count_only, &seen)) > 0)
		;
	assert_int_equal(n, -EBADMSG);
	assert_int_equal(seen.count, 1);
	capture_pcap_close(p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ethernet, make_path, remove_path),
		cmocka_unit_test_setup_teardown(each_link, make_path, remove_path),
		cmocka_unit_test_setup_teardown(other_port, make_path, remove_path),
		cmocka_unit_test_setup_teardown(counts, make_path, remove_path),
		cmocka_unit_test_setup_teardown(wants, make_path, remove_path),
		cmocka_unit_test_setup_teardown(all_wants, make_path, remove_path),
		cmocka_unit_test_setup_teardown(too_long, make_path, remove_path),
		cmocka_unit_test_setup_teardown(pcapng, make_path, remove_path),
		cmocka_unit_test_setup_teardown(refused_files, make_path, remove_path),
		cmocka_unit_test_setup_teardown(cut_file, make_path, remove_path),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
