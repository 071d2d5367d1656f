/*
 * The POSTERN ID block: one header, one encoding. Invariant: what decodes encodes to the same
 * bytes, and its name is one that name_parse accepts.
 */

#include <string.h>

#include "identity/internal.h"
#include "identity/name.h"

#define QUALITY_MAX 16
#define RECOVERY_MAX 16

bool idfile_header_is_good(const struct idfile_header *h)
{
	struct name n;
	if (h->kind < IDFILE_USER || h->kind > IDFILE_CERTIFIER || h->quality_min > QUALITY_MAX)
		return false;
	if (name_parse(h->name, h->kind == IDFILE_CERTIFIER, &n) != NAME_OK)
		return false;
	if (h->recovery_m == 0)
		return h->recovery_n == 0;
	return h->recovery_m <= h->recovery_n && h->recovery_n <= RECOVERY_MAX;
}

bool idfile_header_decode(struct span body, struct idfile_header *ret)
{
	struct reader r = reader_init(body);
	struct idfile_header h = { 0 };
	uint8_t version = reader_u8(&r);
	h.kind = (enum idfile_kind)reader_u8(&r);
	reader_copy(&r, h.key_id, sizeof(h.key_id));
	struct span name = reader_take(&r, reader_u16(&r));
	h.created_ms = reader_u64(&r);
	h.quality_min = reader_u8(&r);
	h.recovery_m = reader_u8(&r);
	h.recovery_n = reader_u8(&r);
	if (!reader_done(&r) || version != 1 || name.len == 0 || name.len > IDFILE_NAME_MAX)
		return false;
	memcpy(h.name, name.data, name.len);
	/* A NUL inside would hide what follows it. */
	if (strlen(h.name) != name.len || !idfile_header_is_good(&h))
		return false;
	*ret = h;
	return true;
}

size_t idfile_header_encode(const struct idfile_header *h, uint8_t to[IDFILE_HEADER_LEN_MAX])
{
	struct writer w = writer_init(to, IDFILE_HEADER_LEN_MAX);
	size_t name_len = strlen(h->name);
	writer_u8(&w, 1);
	writer_u8(&w, (uint8_t)h->kind);
	writer_put(&w, h->key_id, sizeof(h->key_id));
	writer_u16(&w, (uint16_t)name_len);
	writer_put(&w, h->name, name_len);
	writer_u64(&w, h->created_ms);
	writer_u8(&w, h->quality_min);
	writer_u8(&w, h->recovery_m);
	writer_u8(&w, h->recovery_n);
	return w.len;
}
