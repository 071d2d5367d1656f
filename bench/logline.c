/*
 * How fast a log is read: lines like those of a busy machine, of which every fourth is an attempt.
 *
 *   bench-logline make FILE LINES    write them
 *   bench-logline read FILE          follow the file from its beginning, as a log door does
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "capture/logfile.h"

static const char *const lines[] = {
	"Jan  5 12:34:56 mail kernel: [12345.678901] KNOCK: IN=eth0 OUT= "
	"MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 SRC=203.0.113.%u DST=198.51.100.2 LEN=60 "
	"TOS=0x00 PREC=0x00 TTL=52 ID=54321 DF PROTO=TCP SPT=40001 DPT=%u WINDOW=64240 RES=0x00 SYN "
	"URGP=0 \n",
	"Jan  5 12:34:56 mail sshd[7000]: Failed password for invalid user admin from 203.0.113.%u "
	"port %u ssh2\n",
	"Jan  5 12:34:56 mail kernel: [12345.678901] KNOCK: IN=eth0 OUT= "
	"MAC=02:00:00:00:00:02:02:00:00:00:00:01:08:00 SRC=203.0.113.%u DST=198.51.100.2 LEN=84 "
	"TOS=0x00 PREC=0x00 TTL=52 ID=%u DF PROTO=ICMP TYPE=8 CODE=0 ID=7 SEQ=1 \n",
	"Jan  5 12:34:56 mail postfix/smtpd[7001]: connect from unknown[203.0.113.%u] %u\n",
};

static void count(void *arg, const struct sighting *s)
{
	(void)s;
	++*(uint64_t *)arg;
}

static int make(const char *path, unsigned long n)
{
	FILE *f = fopen(path, "we");
	if (f == NULL)
		bench_die("%s: cannot be written", path);
	for (unsigned long i = 0; i < n; i++) {
		/* Each of them takes an address and a number, by its own text. */
		const char *text = lines[i % 4];
		const char *first = strstr(text, "%u"), *second = strstr(first + 2, "%u");
		fprintf(f, "%.*s%lu%.*s%lu%s", (int)(first - text), text, i % 254 + 1,
			(int)(second - first - 2), first + 2, 1024 + i % 60000, second + 2);
	}
	return fclose(f) == 0 ? 0 : 1;
}

static int follow(const char *path)
{
	const struct capture_log log = { .want = { .syns = true, .all_udp = true } };
	struct capture_logfile *l = capture_logfile_new(&log);
	uint64_t attempts = 0, began;
	int rc;

	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (l == NULL || fd < 0 || capture_logfile_hand_over(l, fd, false) < 0)
		bench_die("%s: cannot be followed", path);
	began = bench_now_ns();
	while ((rc = capture_logfile_read(l, 1, count, &attempts)) > 0)
		;
	uint64_t took = (bench_now_ns() - began) / 1000;
	uint64_t seen = capture_logfile_counts(l)->seen;
	printf("lines=%" PRIu64 " attempts=%" PRIu64 " took_us=%" PRIu64 " a_second=%.0f\n", seen,
		attempts, took, took > 0 ? (double)seen / (double)took * 1e6 : 0);
	capture_logfile_free(l);
	return rc < 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "make") == 0)
		return make(argv[2], bench_number(argv[3], 1, 100000000));
	if (argc == 3 && strcmp(argv[1], "read") == 0)
		return follow(argv[2]);
	fputs("usage: bench-logline make FILE LINES | read FILE\n", stderr);
	return 2;
}
