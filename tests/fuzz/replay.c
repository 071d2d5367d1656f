/*
 * Run a fuzz target over every file of a folder, each truncation of small files and each single-bit flip
 * of them: the corpus as an ordinary test, with any compiler.
 */

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_LEN (1u << 20)
#define SMALL 2048

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* A heap copy of the exact size, so that sanitizers see one byte too many. */
static void run(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len == 0 ? 1 : len);
	if (copy == NULL)
		abort();
	if (len != 0)
		memcpy(copy, data, len);
	LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void run_around(uint8_t *data, size_t len)
{
	run(data, len);
	if (len > SMALL)
		return;
	for (size_t n = 0; n < len; n++)
		run(data, n);
	for (size_t bit = 0; bit < 8 * len; bit++) {
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
		run(data, len);
		data[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
}

static int run_file(const char *folder, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *f = fopen(path, "rb");
	uint8_t *data = malloc(FILE_MAX_LEN);
	if (f == NULL || data == NULL) {
		perror(path);
		exit(2);
	}
	size_t len = fread(data, 1, FILE_MAX_LEN, f);
	fclose(f);
	run_around(data, len);
	free(data);
	return 1;
}

int main(int argc, char **argv)
{
	int files = 0;
	for (int i = 1; i < argc; i++) {
		DIR *d = opendir(argv[i]);
		if (d == NULL) {
			perror(argv[i]);
			return 2;
		}
		for (struct dirent *e = readdir(d); e != NULL; e = readdir(d))
			if (e->d_name[0] != '.')
				files += run_file(argv[i], e->d_name);
		closedir(d);
	}
	printf("%d files replayed\n", files);
	return files > 0 ? 0 : 1;
}
