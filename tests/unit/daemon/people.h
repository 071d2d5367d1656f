#ifndef POSTERN_TEST_PEOPLE_H
#define POSTERN_TEST_PEOPLE_H

/* A configuration and a directory from text, as the processes of the daemon have them, and gates in it. */

#include "config/internal.h"
#include "daemon/boot.h"
#include "store/store.h"
#include "test.h"

#define PEOPLE_WALL 1795000000000ull /* November 2026 */

static inline struct boot people_boot(const char *config, const char *directory)
{
	static struct directory_faults faults;
	struct config_report r = { 0 };
	struct boot b = { .config = config_parse_text(
				  "t.conf", span_of(config, strlen(config)), &r) };
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b.config);
	b.directory = directory_parse(span_of(directory, strlen(directory)), &faults);
	if (faults.count > 0)
		print_error("%s\n", faults.items[0].text);
	assert_non_null(b.directory);
	b.policy = policy_new(b.config, b.directory, &r);
	if (r.kept > 0)
		print_error("%s\n", r.lines[0]);
	assert_non_null(b.policy);
	config_report_deinit(&r);
	return b;
}

static inline void people_free(struct boot *b)
{
	policy_free(b->policy);
	trust_free(b->trust);
	directory_free(b->directory);
	config_free(b->config);
}

/* A directory's line; the key id is 32 times the byte. */
static inline void people_line(char *to, size_t cap, const char *options, const char *name, int key)
{
	char hex[65] = "";
	for (size_t i = 0; i < 32; i++)
		snprintf(hex + 2 * i, 3, "%02x", (unsigned)key);
	size_t len = strlen(to);
	snprintf(to + len, cap - len, "%s%sname=\"%s\" postern-key sha256:%s\n", options,
		options[0] != '\0' ? "," : "", name, hex);
}

/* A gate of a minute, opened just now. */
static inline struct store_gate people_gate(
	uint64_t grant_id, const char *name, int key, const struct config_service *s)
{
	struct store_gate g = {
		.grant_id = grant_id,
		.mark = 0x50000000u | (uint32_t)grant_id,
		.state = STORE_GATE_OPEN,
		.proto = s->proto,
		.port = s->port,
		.port_last = s->port_last,
		.kind = (uint8_t)s->open,
		.times = (uint16_t)s->times,
		.bits = 128,
		.opened_ms = PEOPLE_WALL,
		.until_ms = PEOPLE_WALL + 60000,
		.lease_until_ms = PEOPLE_WALL + 3600000,
		.door = "wan",
		.not_after_ms = UINT64_MAX,
	};
	snprintf(g.name, sizeof(g.name), "%s", name);
	snprintf(g.service, sizeof(g.service), "%s", s->name);
	memset(g.key_id, key, sizeof(g.key_id));
	assert_true(addr_parse("192.0.2.7", &g.source));
	g.source.b[15] = (uint8_t)grant_id;
	return g;
}

#endif
