#ifndef POSTERN_TEST_MUTATE_H
#define POSTERN_TEST_MUTATE_H

/*
 * Mutants of DER, the same ones for one seed. Most changes of bytes break a length at once and say little
 * of what lies deeper; so eleven in twelve are changes of the tree: an item is changed, dropped, doubled,
 * exchanged with its neighbour or with one of another sample, and the lengths around it are put right.
 * Values that stay near what they were, and items from the same place of another sample, often stay good.
 * OCTET STRINGs with DER inside, as extensions have, are part of the tree.
 */

#include "base/span.h"
#include "identity/der.h"
#include "test.h"

#define MUTANT_MAX 4096
#define MUTANT_NODES_MAX 1024
#define MUTANT_NONE SIZE_MAX

struct mutant {
	size_t len;
	uint8_t b[MUTANT_MAX];
};

struct mutant_node {
	size_t at, header_len, len; /* len: of the value */
	size_t parent;
};

struct mutant_tree {
	size_t count;
	struct mutant_node nodes[MUTANT_NODES_MAX];
};

/* splitmix64 */
static inline uint64_t mutate_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static inline size_t mutate_below(uint64_t *state, size_t end)
{
	return (size_t)(mutate_random(state) % end);
}

/* False when it is not DER to its end; the nodes of what was DER stay in the tree. */
static inline bool mutate_grow(
	struct mutant_tree *t, const struct mutant *m, size_t at, size_t len, size_t parent)
{
	struct reader r = reader_init(span_of(m->b + at, len));
	while (r.left > 0) {
		struct der_item item;
		if (t->count == MUTANT_NODES_MAX || der_next(&r, &item) != CERT_OK)
			return false;
		size_t header_len = item.whole.len - item.value.len, self = t->count++;
		t->nodes[self] = (struct mutant_node){ at, header_len, item.value.len, parent };
		if ((item.tag & 0x20) != 0 || item.tag == DER_OCTET_STRING) {
			bool is_der = mutate_grow(t, m, at + header_len, item.value.len, self);
			if (!is_der && item.tag == DER_OCTET_STRING)
				t->count = self + 1;
		}
		at += item.whole.len;
	}
	return true;
}

static inline void mutate_tree(struct mutant_tree *t, const struct mutant *m)
{
	t->count = 0;
	mutate_grow(t, m, 0, m->len, MUTANT_NONE);
}

static inline void mutate_put_header(struct writer *w, uint8_t tag, size_t len)
{
	writer_u8(w, tag);
	if (len >= 0x100)
		writer_u8(w, 0x82);
	else if (len >= 0x80)
		writer_u8(w, 0x81);
	if (len >= 0x100)
		writer_u16(w, (uint16_t)len);
	else
		writer_u8(w, (uint8_t)len);
}

/* del bytes at at, which lie in the value of parent, become ins; the lengths around them follow. */
static inline void mutate_edit(struct mutant *m, const struct mutant_tree *t, size_t parent,
	size_t at, size_t del, struct span ins)
{
	uint8_t out[MUTANT_MAX], headers[32][4];
	size_t chain[32], header_lens[32], count = 0, done = 0, more = ins.len;
	struct writer w = writer_init(out, sizeof(out));
	size_t less = del;
	for (size_t i = parent; i != MUTANT_NONE && count < 32; i = t->nodes[i].parent) {
		const struct mutant_node *n = &t->nodes[i];
		struct writer h = writer_init(headers[count], sizeof(headers[count]));
		mutate_put_header(&h, m->b[n->at], n->len - less + more);
		header_lens[count] = h.len;
		chain[count++] = i;
		less += n->header_len;
		more += h.len;
	}
	for (size_t i = count; i > 0; i--) {
		const struct mutant_node *n = &t->nodes[chain[i - 1]];
		writer_put(&w, m->b + done, n->at - done);
		writer_put(&w, headers[i - 1], header_lens[i - 1]);
		done = n->at + n->header_len;
	}
	writer_put(&w, m->b + done, at - done);
	writer_put(&w, ins.data, ins.len);
	writer_put(&w, m->b + at + del, m->len - at - del);
	if (w.is_full)
		return;
	memcpy(m->b, out, w.len);
	m->len = w.len;
}

static inline struct span mutate_whole(const struct mutant *m, const struct mutant_node *n)
{
	return span_of(m->b + n->at, n->header_len + n->len);
}

static inline void mutate_replace(
	struct mutant *m, const struct mutant_tree *t, size_t node, struct span ins)
{
	const struct mutant_node *n = &t->nodes[node];
	mutate_edit(m, t, n->parent, n->at, n->header_len + n->len, ins);
}

/* The same item with another tag or value. */
static inline void mutate_rewrite(
	struct mutant *m, const struct mutant_tree *t, size_t node, uint8_t tag, struct span value)
{
	uint8_t item[MUTANT_MAX];
	struct writer w = writer_init(item, sizeof(item));
	mutate_put_header(&w, tag, value.len);
	writer_put(&w, value.data, value.len);
	if (!w.is_full)
		mutate_replace(m, t, node, writer_span(&w));
}

/* Bytes anywhere, lengths not put right. */
static inline void mutate_bytes(struct mutant *m, uint64_t *rng)
{
	struct mutant_tree none = { .count = 0 };
	size_t at = mutate_below(rng, m->len);
	uint8_t byte = (uint8_t)mutate_random(rng);
	switch (mutate_below(rng, 6)) {
	case 0:
		m->b[at] = byte;
		break;
	case 1:
	case 2:
		m->b[at] ^= (uint8_t)(1u << byte % 8);
		break;
	case 3:
		mutate_edit(m, &none, MUTANT_NONE, at, 0, span_of(&byte, 1));
		break;
	case 4:
		mutate_edit(m, &none, MUTANT_NONE, at, 1, span_of(NULL, 0));
		break;
	default:
		m->len = at + 1;
	}
}

/* One length: off by a little, in a longer form, or indefinite. What lies around it fits again. */
static inline void mutate_length(struct mutant *m, const struct mutant_tree *t, uint64_t *rng)
{
	size_t node = mutate_below(rng, t->count);
	struct span whole = mutate_whole(m, &t->nodes[node]);
	size_t len = t->nodes[node].len, header_len = t->nodes[node].header_len;
	uint8_t item[MUTANT_MAX];
	struct writer w = writer_init(item, sizeof(item));
	switch (mutate_below(rng, 4)) {
	case 0:
		mutate_put_header(&w, whole.data[0], len + 1);
		break;
	case 1:
		mutate_put_header(&w, whole.data[0], len == 0 ? 0 : len - 1);
		break;
	case 2:
		writer_u8(&w, whole.data[0]);
		writer_u8(&w, 0x80);
		break;
	default:
		writer_u8(&w, whole.data[0]);
		writer_u8(&w, 0x82);
		writer_u16(&w, (uint16_t)len);
	}
	writer_put(&w, whole.data + header_len, len);
	if (!w.is_full)
		mutate_replace(m, t, node, writer_span(&w));
}

/* Values at the edge of what something accepts. */
static inline struct span mutate_interesting(uint64_t *rng)
{
	static const struct {
		const char *bytes;
		size_t len;
	} values[] = {
#define VALUE(s) { s, sizeof(s) - 1 }
		VALUE(""),
		VALUE("\0"),
		VALUE("\xff"),
		VALUE("\x01"),
		VALUE("\x7f"),
		VALUE("\0\x80"),
		VALUE("\x05"),
		VALUE("\x06\xc0"),
		VALUE("491231235959Z"),
		VALUE("500101000000Z"),
		VALUE("700101000000Z"),
		VALUE("691231235959Z"),
		VALUE("240229000000Z"),
		VALUE("250229000000Z"),
		VALUE("261131000000Z"),
		VALUE("260101000060Z"),
		VALUE("260101240000Z"),
		VALUE("2601010000Z"),
		VALUE("260101000000+0000"),
		VALUE("20500101000000Z"),
		VALUE("20491231235959Z"),
		VALUE("21000229000000Z"),
		VALUE("99991231235959Z"),
		VALUE("20600101000000.0Z"),
		VALUE("DE"),
		VALUE("VSD"),
		VALUE("vsd"),
		VALUE("QN"),
		VALUE("John"),
		VALUE("J@hn"),
		VALUE("J  n"),
		VALUE(" J"),
		VALUE("J "),
		VALUE("J/N"),
		VALUE("J\xc3\xb6rg"),
		VALUE("J\xc0\xaf"),
		VALUE("J\xed\xa0\x80"),
		VALUE("\xf0\x9f\x94\x91\xf0\x9f"),
		VALUE("\xf0\x9f\x94\x91"),
		VALUE("\xf4\x90\x80\x80"),
		VALUE("\xef\xbf\xbe"),
		VALUE("J\xc2\x85"),
		VALUE("J\x7f"),
		VALUE("\xe2\x80\xae"),
		VALUE("a'b (c).:?-"),
		VALUE("\x55\x04\x03"),
		VALUE("\x55\x04\x06"),
		VALUE("\x55\x04\x0a"),
		VALUE("\x55\x04\x0b"),
		VALUE("\x55\x1d\x13"),
		VALUE("\x55\x1d\x14"),
		VALUE("\x2b\x65\x71"),
		VALUE("\x2b\x06\x01\x05\x05\x07\x03\x01"),
		VALUE("\x01\x02\x03\x04\x05\x06\x07\x08"),
		VALUE("\x00\x82\x03\x04\x05\x06\x07\x08"),
		VALUE("\x7f\xff\xff\xff\xff\xff\xff\xff"),
		VALUE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		VALUE("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
#undef VALUE
	};
	size_t i = mutate_below(rng, TEST_LEN(values));
	return span_of(values[i].bytes, values[i].len);
}

/* A byte of a value with nothing inside: another one, one more, one less. */
static inline void mutate_value(struct mutant *m, const struct mutant_tree *t, uint64_t *rng)
{
	size_t node = mutate_below(rng, t->count);
	/* A leaf of the tree: what comes next in it is not inside. */
	for (; node + 1 < t->count && t->nodes[node + 1].parent == node; node++)
		;
	const struct mutant_node *n = &t->nodes[node];
	if (n->len == 0)
		return;
	size_t at = n->at + n->header_len + mutate_below(rng, n->len);
	uint8_t byte = (uint8_t)mutate_random(rng);
	switch (mutate_below(rng, 8)) {
	case 0:
		mutate_edit(m, t, node, at, 0, span_of(&byte, 1));
		break;
	case 1:
		mutate_edit(m, t, node, at, 1, span_of(NULL, 0));
		break;
	case 2:
	case 3: /* a digit or a letter may well stay good */
		m->b[at] = (uint8_t)((m->b[at] & 0xe0) | (byte & 0x1f));
		break;
	case 4:
	case 5:
		mutate_rewrite(m, t, node, m->b[n->at], mutate_interesting(rng));
		break;
	default:
		m->b[at] ^= (uint8_t)(1u << byte % 8);
	}
}

/* Any item of another sample, preferably of the same type. */
static inline void mutate_splice(struct mutant *m, const struct mutant_tree *t, size_t node,
	const struct mutant *other, uint64_t *rng)
{
	struct mutant_tree theirs;
	mutate_tree(&theirs, other);
	size_t from = mutate_below(rng, theirs.count);
	for (size_t i = 0; i < 16 && other->b[theirs.nodes[from].at] != m->b[t->nodes[node].at];
		i++)
		from = mutate_below(rng, theirs.count);
	mutate_replace(m, t, node, mutate_whole(other, &theirs.nodes[from]));
}

/* The index-th item right inside node, or MUTANT_NONE. */
static inline size_t mutate_child(const struct mutant_tree *t, size_t node, size_t index)
{
	for (size_t i = node + 1; node != MUTANT_NONE && i < t->count; i++)
		if (t->nodes[i].parent == node && index-- == 0)
			return i;
	return MUTANT_NONE;
}

/* The item at the same place of another tree, or MUTANT_NONE. Both are of one certificate each. */
static inline size_t mutate_counterpart(
	const struct mutant_tree *t, size_t node, const struct mutant_tree *theirs)
{
	size_t index = 0, parent = t->nodes[node].parent;
	if (parent == MUTANT_NONE)
		return 0;
	for (size_t i = parent + 1; i < node; i++)
		index += t->nodes[i].parent == parent ? 1 : 0;
	return mutate_child(theirs, mutate_counterpart(t, parent, theirs), index);
}

/* An item as another sample has it at the same place: its dates, issuer, extensions ... */
static inline void mutate_exchange(
	struct mutant *m, const struct mutant_tree *t, const struct mutant *other, uint64_t *rng)
{
	struct mutant_tree theirs;
	mutate_tree(&theirs, other);
	size_t node = mutate_below(rng, t->count);
	/* Most items are parts of names; some fields are all there is of their kind. */
	while (t->nodes[node].parent != MUTANT_NONE && mutate_below(rng, 2) == 0)
		node = t->nodes[node].parent;
	size_t from = mutate_counterpart(t, node, &theirs);
	if (from != MUTANT_NONE)
		mutate_replace(m, t, node, mutate_whole(other, &theirs.nodes[from]));
}

/* The item and the one after it change places. */
static inline void mutate_swap(struct mutant *m, const struct mutant_tree *t, size_t node)
{
	uint8_t both[MUTANT_MAX];
	struct writer w = writer_init(both, sizeof(both));
	struct span first = mutate_whole(m, &t->nodes[node]);
	for (size_t i = node + 1; i < t->count; i++) {
		if (t->nodes[i].parent != t->nodes[node].parent)
			continue;
		struct span second = mutate_whole(m, &t->nodes[i]);
		writer_put(&w, second.data, second.len);
		writer_put(&w, first.data, first.len);
		mutate_edit(m, t, t->nodes[node].parent, t->nodes[node].at, w.len, writer_span(&w));
		return;
	}
}

static inline void mutate_node(
	struct mutant *m, const struct mutant_tree *t, const struct mutant *other, uint64_t *rng)
{
	static const uint8_t tags[] = { 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0c, 0x13, 0x13, 0x0c,
		0x14, 0x16, 0x17, 0x18, 0x1e, 0x30, 0x31, 0x80, 0x81, 0xa0, 0xa1, 0xa3, 0xa4 };
	size_t node = mutate_below(rng, t->count);
	const struct mutant_node *n = &t->nodes[node];
	struct mutant copy;
	switch (mutate_below(rng, 6)) {
	case 0:
		mutate_replace(m, t, node, span_of(NULL, 0));
		break;
	case 1:
		copy = *m;
		mutate_edit(m, t, n->parent, n->at, 0, mutate_whole(&copy, n));
		break;
	case 2:
		mutate_swap(m, t, node);
		break;
	case 3:
		m->b[n->at] = tags[mutate_below(rng, sizeof(tags))];
		break;
	default:
		mutate_splice(m, t, node, other, rng);
	}
}

/* One mutant of one of the samples, one to three changes away. */
static inline void mutate(
	struct mutant *m, const struct mutant *samples, size_t sample_count, uint64_t *rng)
{
	struct mutant_tree t;
	*m = samples[mutate_below(rng, sample_count)];
	/* One change more often than two, two more often than three. */
	size_t changes = 1;
	while (changes < 3 && mutate_below(rng, 5) < 2)
		changes++;
	for (; changes > 0 && m->len > 0; changes--) {
		const struct mutant *other = &samples[mutate_below(rng, sample_count)];
		mutate_tree(&t, m);
		size_t kind = t.count == 0 ? 0 : mutate_below(rng, 12);
		if (kind < 1)
			mutate_bytes(m, rng);
		else if (kind < 2)
			mutate_length(m, &t, rng);
		else if (kind < 7)
			mutate_value(m, &t, rng);
		else if (kind < 8)
			mutate_exchange(m, &t, other, rng);
		else
			mutate_node(m, &t, other, rng);
	}
}

/* How many: POSTERN_MUTANTS, or what is said here. */
static inline size_t mutate_count(size_t otherwise)
{
	const char *text = getenv("POSTERN_MUTANTS");
	return text == NULL ? otherwise : (size_t)strtoull(text, NULL, 10);
}

/* The one that failed, to be kept as a case. */
static inline void mutate_fail(const struct mutant *m, size_t number, const char *what)
{
	print_error("mutant %zu: ", number);
	for (size_t i = 0; i < m->len; i++)
		print_error("%02x", m->b[i]);
	print_error("\n");
	fail_msg("%s", what);
}

#endif
