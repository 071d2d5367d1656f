/* The memory file: "key value" lines in any order, each at most once, and # comments. */

#include "cmd/client_memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/addr.h"
#include "base/text.h"

#define OFFSET_MAX_MS ((int64_t)100 * 366 * 86400 * 1000)
#define LINE_MAX_LEN 200

static bool parse_u64(const char *text, uint64_t max, uint64_t *ret)
{
	char *end = NULL;
	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	unsigned long long v = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || v > max)
		return false;
	*ret = v;
	return true;
}

static bool take_instance(char *value, struct postern_memory *m)
{
	uint8_t b[8];
	if (!text_unhex(value, b, sizeof(b)))
		return false;
	struct reader r = reader_init(SPAN_OF(b));
	m->instance = reader_u64(&r);
	return true;
}

static bool take_offset(char *value, struct postern_memory *m)
{
	uint64_t v;
	bool is_negative = value[0] == '-';
	if (!parse_u64(value + is_negative, (uint64_t)OFFSET_MAX_MS, &v))
		return false;
	m->offset_ms = is_negative ? -(int64_t)v : (int64_t)v;
	return true;
}

/* "prekey ID NOT-AFTER KEY" */
static bool take_prekey(char *value, struct postern_memory *m)
{
	char *rest = NULL;
	uint64_t id, not_after;
	const char *id_text = strtok_r(value, " ", &rest);
	const char *end_text = strtok_r(NULL, " ", &rest);
	const char *key = strtok_r(NULL, " ", &rest);

	if (key == NULL || strtok_r(NULL, " ", &rest) != NULL)
		return false;
	if (!parse_u64(id_text, UINT8_MAX, &id) || !parse_u64(end_text, UINT64_MAX, &not_after))
		return false;
	if (!text_unhex(key, m->prekey, sizeof(m->prekey)))
		return false;
	m->prekey_id = (uint8_t)id;
	m->prekey_not_after_ms = not_after;
	return true;
}

static bool take_address(char *value, struct postern_memory *m)
{
	struct addr a;
	if (!addr_parse(value, &a))
		return false;
	memcpy(m->last_address, a.b, sizeof(a.b));
	return true;
}

/* By the value it has in struct postern_memory. */
static const char *const identity_words[] = {
	[POSTERN_IDENTITY_KEY] = "key",
	[POSTERN_IDENTITY_CHAIN] = "chain",
};

static bool take_identity(char *value, struct postern_memory *m)
{
	for (uint8_t i = POSTERN_IDENTITY_KEY; i <= POSTERN_IDENTITY_CHAIN; i++) {
		if (strcmp(value, identity_words[i]) != 0)
			continue;
		m->identity = i;
		return true;
	}
	return false;
}

static const struct {
	const char *key;
	bool (*take)(char *value, struct postern_memory *m);
} lines[] = {
	{ "instance ", take_instance },
	{ "offset-ms ", take_offset },
	{ "prekey ", take_prekey },
	{ "address ", take_address },
	{ "identity ", take_identity },
};

static bool parse_line(struct span line, struct postern_memory *m, unsigned *seen)
{
	char text[LINE_MAX_LEN + 1];
	if (line.len == 0 || line.data[0] == '#')
		return true;
	if (line.len > LINE_MAX_LEN || memchr(line.data, '\0', line.len) != NULL)
		return false;
	memcpy(text, line.data, line.len);
	text[line.len] = '\0';
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		size_t len = strlen(lines[i].key);
		if (strncmp(text, lines[i].key, len) != 0)
			continue;
		if ((*seen & 1u << i) != 0)
			return false;
		*seen |= 1u << i;
		return lines[i].take(text + len, m);
	}
	return false;
}

bool client_memory_parse(struct span text, struct postern_memory *ret)
{
	struct postern_memory m = { 0 };
	unsigned seen = 0;
	for (size_t at = 0; at < text.len;) {
		const uint8_t *start = text.data + at;
		const uint8_t *lf = memchr(start, '\n', text.len - at);
		if (lf == NULL)
			return false;
		if (!parse_line(span_of(start, (size_t)(lf - start)), &m, &seen))
			return false;
		at += (size_t)(lf - start) + 1;
	}
	*ret = m;
	return true;
}

size_t client_memory_format(
	const char *server, const struct postern_memory *m, char to[CLIENT_MEMORY_LEN_MAX])
{
	char key[65], address[ADDR_TEXT_MAX];
	struct addr last = addr_v6(m->last_address);
	int n = snprintf(to, CLIENT_MEMORY_LEN_MAX,
		"# What postern remembers of the server %.300s.\n"
		"# May be deleted: the next knock then takes one packet more.\n"
		"instance %016" PRIx64 "\noffset-ms %" PRId64 "\n",
		server, m->instance, m->offset_ms);
	size_t at = (size_t)n;
	if (m->prekey_not_after_ms != 0)
		at += (size_t)snprintf(to + at, CLIENT_MEMORY_LEN_MAX - at,
			"prekey %u %" PRIu64 " %s\n", (unsigned)m->prekey_id,
			m->prekey_not_after_ms, text_hex(SPAN_OF(m->prekey), key));
	if (!addr_is_zero(&last))
		at += (size_t)snprintf(to + at, CLIENT_MEMORY_LEN_MAX - at, "address %s\n",
			addr_format(&last, address));
	if (m->identity == POSTERN_IDENTITY_KEY || m->identity == POSTERN_IDENTITY_CHAIN)
		at += (size_t)snprintf(to + at, CLIENT_MEMORY_LEN_MAX - at, "identity %s\n",
			identity_words[m->identity]);
	return at;
}

int client_memory_load(const char *path, struct postern_memory *ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;

	memset(ret, 0, sizeof(*ret));
	int rc = file_read(path, FILE_TRUSTED, CLIENT_MEMORY_LEN_MAX, &text, &len, f);
	if (rc == -ENOENT)
		return 0;
	if (rc == 0 && !client_memory_parse(span_of(text, len), ret)) {
		fault_set(f, "%s: not a memory file", path);
		rc = -EINVAL;
	}
	free(text);
	return rc;
}

int client_memory_store(
	const char *path, const char *server, const struct postern_memory *m, struct fault *f)
{
	char text[CLIENT_MEMORY_LEN_MAX];
	size_t len = client_memory_format(server, m, text);
	return file_write(path, text, len, 0600, false, f);
}
