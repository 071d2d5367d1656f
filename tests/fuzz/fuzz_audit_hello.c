/*
 * A ClientHello of any description, out of the input's bytes: either it is refused, or a strict reader finds
 * in it what was described, to the byte.
 */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/audit/hello_check.h"
#include "audit/hello.h"
#include "base/span.h"

#define LIST_MAX 600

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t read_list(struct reader *r, uint16_t list[LIST_MAX])
{
	size_t n = reader_u8(r);
	for (size_t i = 0; i < n; i++)
		list[i] = reader_u16(r);
	return n;
}

/* An empty one is none. */
static const char *read_name(struct reader *r, char *to, size_t cap)
{
	struct span s = reader_take(r, reader_u16(r) % cap);
	if (s.len > 0)
		memcpy(to, s.data, s.len);
	to[s.len] = '\0';
	return to[0] != '\0' ? to : NULL;
}

static void read_switches(struct audit_hello *h, unsigned bits)
{
	h->deflate = bits & 1;
	h->fallback_scsv = bits >> 1 & 1;
	h->renegotiation_scsv = bits >> 2 & 1;
	h->heartbeat = bits >> 3 & 1;
	h->ems = bits >> 4 & 1;
	h->etm = bits >> 5 & 1;
	h->ticket = bits >> 6 & 1;
	h->status_request = bits >> 7 & 1;
	h->grease = bits >> 8 & 1;
	h->is_bare = bits >> 9 & 1;
	h->share_group = bits >> 10 & 1 ? 29 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static uint32_t suites[LIST_MAX];
	static uint16_t groups[LIST_MAX], signatures[LIST_MAX];
	static char name[300], alpn[300];
	static uint8_t out[AUDIT_HELLO_MAX + 64];
	struct reader r = reader_init(span_of(data, len));
	struct audit_hello h = { .suites = suites, .groups = groups, .signatures = signatures };
	h.max = (enum audit_version)(reader_u8(&r) % AUDIT_VERSION_COUNT);
	h.min = (enum audit_version)(reader_u8(&r) % AUDIT_VERSION_COUNT);
	read_switches(&h, reader_u16(&r));
	h.session_id_len = reader_u8(&r) % 40;
	h.pad_to = reader_u16(&r);
	size_t cap = reader_u16(&r) % (sizeof(out) + 1);
	h.server_name = read_name(&r, name, sizeof(name));
	h.alpn = read_name(&r, alpn, sizeof(alpn));
	h.group_count = read_list(&r, groups);
	h.signature_count = read_list(&r, signatures);
	h.suite_count = reader_u16(&r) % LIST_MAX;
	for (size_t i = 0; i < h.suite_count; i++)
		suites[i] = h.max == AUDIT_SSL2 ? reader_u32(&r) >> 8 : reader_u16(&r);
	reader_copy(&r, h.random, sizeof(h.random));
	size_t n = audit_hello_write(&h, out, cap);
	if (n > cap || (n > 0 && hello_check(&h, out, n) != NULL))
		abort();
	return 0;
}
