/*
 * Tagged sequences: the key file, the server's id, and the tag, which is the time or a counter. Invariant:
 * a counter is raised on disk before its value goes out.
 */

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <postern/postern.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/text.h"
#include "cmd/client_home.h"
#include "cmd/scheme.h"
#include "knock/legacy.h"
#include "knock/tagged.h"

#define KEY_FILE_MAX 65536
#define TAGGED_BASE 40000
#define COUNTER_TEXT_MAX 16

/* The one key of the file, or the one in the slot that was named. */
static int pick_key(const struct knock_args *a, const struct tagged_keys *keys, uint8_t *ret_slot,
	struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	if (c->has_slot && !keys->slot[c->slot].is_set) {
		fault_set(f, "%s: has no key in slot %u", c->key_file, (unsigned)c->slot);
		return -ENOENT;
	}
	if (!c->has_slot && keys->count != 1) {
		fault_set(f, "%s: has %zu keys; say which with --slot", c->key_file, keys->count);
		return -ENOENT;
	}
	*ret_slot = c->slot;
	for (unsigned i = 0; !c->has_slot && i < TAGGED_SLOTS; i++)
		if (keys->slot[i].is_set)
			*ret_slot = (uint8_t)i;
	return 0;
}

static int read_keys(const char *path, struct tagged_keys *ret, struct fault *f)
{
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_SECRET, KEY_FILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	rc = tagged_keys_parse(path, span_of(text, len), ret, f);
	sodium_memzero(text, len);
	free(text);
	return rc;
}

/* The id itself, a card, or the card of the host in the client folder. */
static int find_sid(const struct knock_args *a, uint8_t sid[TAGGED_SID_LEN], struct fault *f)
{
	const char *server = a->classic.server;
	struct client_files files;
	struct postern_card *card = NULL;
	struct postern_error e = { { 0 } };
	if (server != NULL && text_unhex(server, sid, TAGGED_SID_LEN))
		return 0;
	/* No ID file is needed: the last argument but two stands where its name would. */
	int rc = client_home_find(a->host, server, "", &files, f);
	if (rc == -ENOENT)
		fault_set(f,
			"the server's id is needed: name its card, or the id in hexadecimal, "
			"with --server");
	if (rc < 0)
		return rc;
	rc = postern_card_load(files.card, &card, &e);
	if (rc < 0) {
		fault_set(f, "%.500s", e.text);
		return rc;
	}
	memcpy(sid, postern_card_sid(card), TAGGED_SID_LEN);
	postern_card_free(card);
	return 0;
}

/* A number in decimal, alone; an empty file is 0. */
static int read_counter(int fd, uint32_t *ret)
{
	char text[COUNTER_TEXT_MAX + 1] = "";
	char *end = text;
	ssize_t n = pread(fd, text, COUNTER_TEXT_MAX, 0);
	if (n < 0)
		return -errno;
	unsigned long v = n > 0 ? strtoul(text, &end, 10) : 0;
	if (*end == '\n')
		end++;
	if (*end != '\0' || v >= UINT32_MAX || (n > 0 && (text[0] < '0' || text[0] > '9')))
		return -EINVAL;
	*ret = (uint32_t)v;
	return 0;
}

static int raise_counter(int fd, bool is_dry, uint32_t *ret)
{
	char text[COUNTER_TEXT_MAX];
	int rc = flock(fd, LOCK_EX) < 0 ? -errno : read_counter(fd, ret);
	if (rc < 0)
		return rc;
	(*ret)++;
	int len = snprintf(text, sizeof(text), "%" PRIu32 "\n", *ret);
	if (!is_dry && (pwrite(fd, text, (size_t)len, 0) != len || fsync(fd) < 0))
		return errno != 0 ? -errno : -EIO;
	return 0;
}

static int take_counter(const char *path, bool is_dry, uint32_t *ret, struct fault *f)
{
	int make = is_dry ? 0 : O_CREAT;
	int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | make, 0600);
	if (fd < 0 && is_dry && errno == ENOENT) {
		*ret = 1;
		return 0;
	}
	int rc = fd < 0 ? -errno : raise_counter(fd, is_dry, ret);
	if (rc == -EINVAL)
		fault_set(f, "%s: not a counter; it holds one number below %" PRIu32, path,
			UINT32_MAX);
	else if (rc < 0)
		fault_set(f, "%s: the counter cannot be raised: %s; nothing was sent", path,
			strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

static int write_ports(const struct tagged *g, const uint8_t *key, const struct tagged_wish *w,
	const struct addr *allow, struct scheme_plan *ret, struct fault *f)
{
	uint16_t ports[TAGGED_KNOCKS];
	if (!tagged_write(g, key, w, allow, ports)) {
		fault_set(f, "OpenSSL failed to make the tag");
		return -EIO;
	}
	for (size_t i = 0; i < TAGGED_KNOCKS; i++)
		ret->knocks[ret->count++] = (struct sequence_step){ ports[i], IPPROTO_TCP };
	return 0;
}

static int make_tagged(const struct knock_args *a, const struct addr *allow, uint64_t wall_ms,
	struct tagged_keys *keys, struct scheme_plan *ret, struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	struct legacy *md5 = NULL;
	struct tagged g = {
		.hash = c->hash,
		.base = c->base != 0 ? c->base : TAGGED_BASE,
		.keys = keys,
	};
	struct tagged_wish w = {
		.tag = (uint32_t)(wall_ms / 1000),
		.service = c->is_close ? TAGGED_SERVICE_CLOSE : c->service_slot,
		.is_observed = c->allow == KNOCK_ALLOW_OBSERVED,
	};
	int rc = read_keys(c->key_file, keys, f);
	if (rc == 0)
		rc = pick_key(a, keys, &w.slot, f);
	if (rc == 0)
		rc = find_sid(a, g.sid, f);
	if (rc == 0 && c->hash == TAGGED_MD5)
		rc = legacy_open(&md5, f);
	g.md5 = md5;
	if (rc == 0 && c->counter != NULL)
		rc = take_counter(c->counter, a->is_dry_run, &w.tag, f);
	if (rc == 0)
		rc = write_ports(&g, keys->slot[w.slot].key, &w, allow, ret, f);
	if (md5 != NULL)
		legacy_close(md5);
	return rc;
}

int scheme_tagged(const struct knock_args *a, const struct addr *allow, uint64_t wall_ms,
	struct scheme_plan *ret, struct fault *f)
{
	struct tagged_keys *keys = calloc(1, sizeof(*keys));
	if (keys == NULL) {
		fault_set(f, "no memory for the keys");
		return -ENOMEM;
	}
	int rc = make_tagged(a, allow, wall_ms, keys, ret, f);
	sodium_memzero(keys, sizeof(*keys));
	free(keys);
	return rc;
}
