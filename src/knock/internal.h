#ifndef POSTERN_KNOCK_INTERNAL_H
#define POSTERN_KNOCK_INTERNAL_H

/* What the files of this folder share and nobody else needs. */

#include "base/span.h"
#include "knock/spa.h"

/* Characters of a string literal: without its NUL, and with it (the labels of signatures end in
 * one). */
#define KNOCK_TEXT(literal) span_of((literal), sizeof(literal) - 1)
#define KNOCK_LABEL(literal) span_of((literal), sizeof(literal))

/* FIDO flags and counter, before a signature of type 3. */
#define KNOCK_FIDO_LEN 5

/*
 * The tail of a plaintext, doc/protocol.md sections 3 and 5: TLVs (type u8, length u8, value), then
 * zero padding to the end; a zero where a type would stand starts the padding. Types under 128 are
 * critical: each is offered to fn, which refuses what it does not know or does not want there. SPA_OK,
 * SPA_TLV or SPA_RESERVED.
 */
typedef bool knock_tlv(void *arg, uint8_t type, struct span value);
enum spa_reject knock_tail_check(struct span tail, knock_tlv *fn, void *arg);

/* HPKE info of a request, "postern req v1\0" || sid. */
#define KNOCK_INFO_LEN (15 + SPA_SID_LEN)
struct span knock_info(const uint8_t sid[SPA_SID_LEN], uint8_t to[KNOCK_INFO_LEN]);

#endif
