/*
 * What a command costs some processes: "cost PID,PID -- COMMAND" runs the command, then prints how much
 * CPU time each of those processes (and the children it waited for) used meanwhile, the sum, and the memory
 * they hold.
 * Living processes are read to the nanosecond, their dead children in clock ticks: the kernel has no finer
 * figure.
 */

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench.h"

#define PIDS_MAX 16

extern char **environ;

struct memory {
	unsigned long rss_kib, pss_kib;
};

static FILE *open_proc(pid_t pid, const char *name)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		bench_die("%s: %s", path, strerror(errno));
	return f;
}

/* cutime and cstime, proc(5). The name in parentheses may hold anything but NUL. */
static uint64_t children_ns(pid_t pid)
{
	char line[1024];
	unsigned long user = 0, system = 0;
	FILE *f = open_proc(pid, "stat");
	size_t n = fread(line, 1, sizeof(line) - 1, f);
	fclose(f);
	line[n] = '\0';
	const char *at = strrchr(line, ')');
	if (at == NULL ||
		sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu",
			&user, &system) != 2)
		bench_die("/proc/%d/stat: not as expected", (int)pid);
	return (user + system) * (BENCH_S / (uint64_t)sysconf(_SC_CLK_TCK));
}

static uint64_t cpu_ns(pid_t pid)
{
	clockid_t clock;
	struct timespec t;
	if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &t) != 0)
		bench_die("process %d is gone", (int)pid);
	return (uint64_t)t.tv_sec * BENCH_S + (uint64_t)t.tv_nsec + children_ns(pid);
}

static void add_memory(pid_t pid, struct memory *m)
{
	char line[256];
	unsigned long v;
	FILE *f = open_proc(pid, "smaps_rollup");
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "Rss: %lu kB", &v) == 1)
			m->rss_kib += v;
		if (sscanf(line, "Pss: %lu kB", &v) == 1)
			m->pss_kib += v;
	}
	fclose(f);
}

static size_t read_pids(char *text, pid_t to[PIDS_MAX])
{
	size_t n = 0;
	for (char *save, *p = strtok_r(text, ",", &save); p != NULL && n < PIDS_MAX;
		p = strtok_r(NULL, ",", &save))
		to[n++] = (pid_t)bench_number(p, 1, 1u << 22);
	return n;
}

static int run(char **argv)
{
	pid_t pid;
	int status = 0;
	int rc = posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ);
	if (rc != 0)
		bench_die("%s: %s", argv[0], strerror(rc));
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

int main(int argc, char **argv)
{
	pid_t pids[PIDS_MAX];
	uint64_t before[PIDS_MAX];
	struct memory m = { 0, 0 };
	if (argc < 4 || strcmp(argv[2], "--") != 0)
		bench_die("usage: cost PID[,PID...] -- COMMAND...");
	size_t n = read_pids(argv[1], pids);
	for (size_t i = 0; i < n; i++)
		before[i] = cpu_ns(pids[i]);
	uint64_t began = bench_now_ns();
	int status = run(argv + 3);
	uint64_t took = bench_now_ns() - began, sum = 0;
	for (size_t i = 0; i < n; i++) {
		uint64_t used = cpu_ns(pids[i]) - before[i];
		sum += used;
		printf("cpu%zu_us=%llu ", i, (unsigned long long)(used / 1000));
		add_memory(pids[i], &m);
	}
	printf("cpu_us=%llu wall_us=%llu rss_kib=%lu pss_kib=%lu\n",
		(unsigned long long)(sum / 1000), (unsigned long long)(took / 1000), m.rss_kib,
		m.pss_kib);
	return status;
}
