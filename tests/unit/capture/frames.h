#ifndef POSTERN_TEST_CAPTURE_FRAMES_H
#define POSTERN_TEST_CAPTURE_FRAMES_H

/* tests/vectors/capture_packet.txt: frames by name, with what must come out of them. */

#include <pcap/pcap.h>

#include "base/text.h"
#include "capture/capture.h"
#include "test.h"

#define FRAMES_MAX 96
#define FRAMES_PORT 62201
#define FRAME_LEN_MAX 1500

struct frame {
	char name[40];
	int link;
	uint8_t bytes[FRAME_LEN_MAX];
	size_t len;
	uint8_t payload[FRAME_LEN_MAX];
	struct sighting want;
};

struct frames {
	size_t count;
	struct frame at[FRAMES_MAX];
};

static inline size_t frames_bytes(const char *hex, uint8_t to[FRAME_LEN_MAX])
{
	if (strcmp(hex, "-") == 0)
		return 0;
	size_t len = strlen(hex) / 2;
	if (len > FRAME_LEN_MAX || !text_unhex(hex, to, len))
		fail_msg("bad hexadecimal in the vectors: %.40s", hex);
	return len;
}

static inline void frames_add(struct frames *fs, char *line)
{
	char *word[9], *save = NULL;
	struct frame *f = &fs->at[fs->count];

	for (size_t i = 0; i < TEST_LEN(word); i++) {
		word[i] = strtok_r(i == 0 ? line : NULL, " \n", &save);
		assert_non_null(word[i]);
	}
	snprintf(f->name, sizeof(f->name), "%s", word[0]);
	f->link = pcap_datalink_name_to_val(word[1]);
	TEST_CASE(word[1], f->link >= 0);
	f->want.proto = (uint8_t)atoi(word[2]);
	assert_true(addr_parse(word[3], &f->want.src));
	f->want.src_port = (uint16_t)atoi(word[4]);
	assert_true(addr_parse(word[5], &f->want.dst));
	f->want.dst_port = (uint16_t)atoi(word[6]);
	f->want.payload = span_of(f->payload, frames_bytes(word[7], f->payload));
	f->len = frames_bytes(word[8], f->bytes);
	fs->count++;
}

/* Read once, kept for the whole program. */
static inline const struct frames *frames_load(void)
{
	static struct frames fs;
	static char line[4 * FRAME_LEN_MAX + 512];

	if (fs.count != 0)
		return &fs;
	FILE *in = fopen(TEST_VECTORS "/capture_packet.txt", "re");
	assert_non_null(in);
	while (fgets(line, sizeof(line), in) != NULL) {
		assert_non_null(strchr(line, '\n'));
		assert_in_range(fs.count, 0, FRAMES_MAX - 1);
		if (line[0] != '#')
			frames_add(&fs, line);
	}
	fclose(in);
	return &fs;
}

static inline const struct frame *frames_find(const char *name)
{
	const struct frames *fs = frames_load();

	for (size_t i = 0; i < fs->count; i++)
		if (strcmp(fs->at[i].name, name) == 0)
			return &fs->at[i];
	fail_msg("no vector is called \"%s\"", name);
	return NULL;
}

static inline void frames_check(
	const char *name, const struct sighting *got, const struct sighting *want)
{
	TEST_CASE(name, got->proto == want->proto);
	TEST_CASE(name, addr_equal(&got->src, &want->src));
	TEST_CASE(name, addr_equal(&got->dst, &want->dst));
	TEST_CASE(name, got->src_port == want->src_port);
	TEST_CASE(name, got->dst_port == want->dst_port);
	TEST_CASE(name, span_equal(got->payload, want->payload));
}

#endif
