/*
 * Log lines. What is accepted says the same each time, is said by the bytes of the line (interface and ports
 * stand in it), has a possible source, and cannot have been written by another program than the kernel: with a
 * syslog tag of another program in front it is refused, with text in front of a bare form too. Then the same
 * bytes as a file that is followed, in pieces: what comes of them does not depend on where they were cut.
 */

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/logfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static bool is_in(struct span line, const char *text)
{
	return memmem(line.data, line.len, text, strlen(text)) != NULL;
}

static void check_behind(struct span line, const char *front)
{
	static uint8_t copy[CAPTURE_LOGLINE_MAX + 256];
	size_t len = strlen(front);
	struct logline l;

	if (line.len > CAPTURE_LOGLINE_MAX)
		return;
	memcpy(copy, front, len);
	memcpy(copy + len, line.data, line.len);
	must(capture_logline_decode(span_of(copy, len + line.len), &l) != CAPTURE_OK);
}

static void check_accepted(struct span line, const struct logline *l)
{
	const struct sighting *s = &l->seen;
	struct logline again;
	char port[16];

	must(s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP);
	must(s->proto == IPPROTO_TCP || (s->tcp_flags == 0 && !s->has_seq));
	must(s->payload.len == 0 && s->door == 0 && s->wall_ms == 0 && s->interface == 0);
	must(l->interface.len > 0 && l->interface.len <= CAPTURE_LOGLINE_NAME_MAX);
	must(l->interface.data >= line.data &&
		l->interface.data + l->interface.len <= line.data + line.len);
	must(!addr_is_zero(&s->src) && addr_is_v4(&s->src) == addr_is_v4(&s->dst));
	snprintf(port, sizeof(port), "%u", (unsigned)s->dst_port);
	must(is_in(line, port));
	must(capture_logline_decode(line, &again) == CAPTURE_OK);
	must(again.seen.dst_port == s->dst_port && addr_equal(&again.seen.src, &s->src));
	check_behind(line, "Jan  5 12:34:56 mail sshd[7]: ");
	check_behind(line, "Invalid user ");
	check_behind(line, "2026-01-05T12:34:56Z mail httpd: ");
}

struct sum {
	uint64_t count, ports;
};

static void add(void *arg, const struct sighting *s)
{
	struct sum *to = arg;

	to->count++;
	to->ports = to->ports * 31 + s->dst_port;
}

/* The sum of what a file of these bytes says when it grows by step at a time. */
static struct sum follow(const uint8_t *data, size_t len, size_t step)
{
	const struct capture_log log = { .want = { .syns = true, .all_udp = true } };
	struct capture_logfile *l = capture_logfile_new(&log);
	struct sum sum = { 0 };
	int rc;

	int fd = memfd_create("log", MFD_CLOEXEC);
	if (l == NULL || fd < 0)
		exit(1); /* the machine's trouble, not a finding */
	int reading = dup(fd);
	must(reading >= 0);
	must(capture_logfile_hand_over(l, reading, true) == 0);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		must(write(fd, data + at, n) == (ssize_t)n);
		while ((rc = capture_logfile_read(l, 1, add, &sum)) > 0)
			;
		must(rc == 0);
	}
	const struct capture_counts *c = capture_logfile_counts(l);
	uint64_t all = sum.count + c->other;
	for (size_t i = 0; i < CAPTURE_REJECT_COUNT; i++)
		all += c->rejected[i];
	must(all == c->seen);
	capture_logfile_free(l);
	close(fd);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct logline l, before;
	size_t step = len > 0 ? data[0] + 1u : 1;

	memset(&l, 0x5a, sizeof(l));
	before = l;
	enum capture_reject reason = capture_logline_decode(span_of(data, len), &l);
	must(reason < CAPTURE_REJECT_COUNT);
	if (reason == CAPTURE_OK)
		check_accepted(span_of(data, len), &l);
	else
		must(memcmp(&l, &before, sizeof(l)) == 0);
	struct sum whole = follow(data, len, len + 1), pieces = follow(data, len, step);
	must(whole.count == pieces.count && whole.ports == pieces.ports);
	return 0;
}
