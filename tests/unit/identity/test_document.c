/*
 * Files for named people: the vector, all sizes about the length of a piece, who can open them, and
 * every way of changing, cutting and mixing them.
 */

#include <errno.h>
#include <sodium.h>

#include "identity/document.h"
#include "knock/hpke.h"
#include "knock/spa.h"
#include "knock/vector.h"
#include "test.h"

#define WIRE_MAX (DOCUMENT_HEAD_MAX + 5 * DOCUMENT_WIRE_MAX)

static struct idfile_secrets ann, bob, stranger; /* what opens, by document keys */
static uint8_t ann_pk[32], bob_pk[32];           /* of their newest document keys */
static struct document_sender sender = { .name = "Sam Sender/VSD" };
static uint8_t sender_sk[64];

static struct vector value(const char *name)
{
	return vector_get("../identity/document.txt", name);
}

static void public_of(const uint8_t secret[32], uint8_t pk[32])
{
	struct hpke_secret s;
	memcpy(s.b, secret, sizeof(s.b));
	hpke_public_key(&s, pk);
}

static void set_up(void)
{
	ann.document_count = 2;
	memset(ann.documents[0].seed, 0x30, 32); /* an older one */
	memset(ann.documents[1].seed, 0x31, 32);
	bob.document_count = 1;
	memset(bob.documents[0].seed, 0x32, 32);
	stranger.document_count = IDFILE_DOCUMENTS_MAX;
	for (size_t i = 0; i < IDFILE_DOCUMENTS_MAX; i++)
		memset(stranger.documents[i].seed, (int)(0x40 + i), 32);
	public_of(ann.documents[1].seed, ann_pk);
	public_of(bob.documents[0].seed, bob_pk);
	crypto_sign_seed_keypair(sender.pk, sender_sk, (const uint8_t[32]){ 0x51 });
}

/* Encrypt data in pieces of at most size bytes. Where the first piece begins is the head's length. */
struct wire {
	size_t len, head_len, pieces;
	size_t ends[8]; /* of the pieces */
	uint8_t b[WIRE_MAX];
};

static struct wire *wire_of(
	const struct document_recipient *recipients, size_t count, struct span data, size_t size)
{
	struct wire *w = calloc(1, sizeof(*w));
	struct document_writer *d;
	struct span head;
	struct fault f = { "" };
	size_t at = 0;
	assert_non_null(w);
	if (document_writer_new(recipients, count, &sender, sender_sk, &d, &head, &f) != 0)
		fail_msg("%s", f.text);
	assert_true(head.len <= DOCUMENT_HEAD_MAX);
	memcpy(w->b, head.data, head.len);
	w->len = w->head_len = head.len;
	do {
		struct span piece = span_slice(data, at, size);
		at += piece.len;
		size_t len = document_write(d, piece, at == data.len, w->b + w->len);
		assert_int_equal(len, piece.len + 21 + (at == data.len ? 64 : 0));
		w->len += len;
		w->ends[w->pieces++] = w->len;
	} while (at < data.len);
	document_writer_free(d);
	return w;
}

struct plain {
	int rc; /* of the first call that was not 0, or -ENODATA without a last piece */
	size_t len, left;
	struct document_sender from;
	uint8_t b[4 * DOCUMENT_PIECE_MAX];
};

static struct plain *plain_of(struct span wire, const struct idfile_secrets *secrets)
{
	static struct plain p;
	struct document_reader *d = NULL;
	struct fault f = { "" };
	size_t at, used, len;
	bool is_last = false;
	p.len = p.left = 0;
	p.rc = document_reader_new(wire, secrets, &d, &p.from, &at, &f);
	if (p.rc != 0 && f.text[0] == '\0')
		fail_msg("%d without a word", p.rc);
	while (p.rc == 0 && !is_last) {
		uint8_t to[DOCUMENT_ROOM_MAX];
		struct span rest = span_slice(wire, at, wire.len);
		p.rc = document_read(d, rest, &used, to, &len, &is_last);
		if (p.rc != 0)
			break;
		memcpy(p.b + p.len, to, len);
		p.len += len;
		at += used;
	}
	if (p.rc == 0) {
		p.left = wire.len - at;
		assert_int_equal(
			document_read(d, span_of(wire.data, 40), &used, p.b, &len, &is_last),
			-EBADMSG);
	}
	document_reader_free(d);
	return &p;
}

/* Whole, by this reader, with nothing behind it. */
static bool opens(struct span wire, const struct idfile_secrets *secrets, struct span data)
{
	struct plain *p = plain_of(wire, secrets);
	return p->rc == 0 && p->left == 0 && span_equal(span_of(p->b, p->len), data);
}

static void test_vector(void **state)
{
	(void)state;
	struct vector v = value("document"), data = value("plain");
	assert_true(opens(vector_span(&v), &ann, vector_span(&data)));
	assert_true(opens(vector_span(&v), &bob, vector_span(&data)));
	struct plain *p = plain_of(vector_span(&v), &bob);
	uint8_t pk[32], sk[64], seed[32];
	memset(seed, 0x21, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
	assert_string_equal(p->from.name, "Ann/VSD");
	assert_memory_equal(p->from.pk, pk, 32);
	assert_int_equal(plain_of(vector_span(&v), &stranger)->rc, -EACCES);
}

static void test_key(void **state)
{
	(void)state;
	struct vector v = value("key");
	struct document_key k, got;
	uint8_t pk[32], sk[64], seed[32], again[DOCUMENT_KEY_LEN];
	memset(seed, 0x51, sizeof(seed));
	crypto_sign_seed_keypair(pk, sk, seed);
	assert_int_equal(v.len, DOCUMENT_KEY_LEN);
	assert_true(document_key_decode(vector_span(&v), pk, &k));
	assert_true(k.created_ms == UINT64_C(1770000000000));
	assert_memory_equal(k.x25519, ann_pk, 32);
	document_key_encode(&k, sk, again);
	assert_memory_equal(again, v.b, sizeof(again));
	for (size_t n = 0; n < sizeof(again); n++)
		assert_false(document_key_decode(span_of(again, n), pk, &got));
	assert_false(document_key_decode(span_of(v.b, v.len + 1), pk, &got));
	for (size_t bit = 0; bit < 8 * sizeof(again); bit++) {
		again[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(document_key_decode(SPAN_OF(again), pk, &got));
		again[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	pk[0] ^= 1;
	assert_false(document_key_decode(SPAN_OF(again), pk, &got));
	pk[0] ^= 1;
	k.key_id[0] ^= 1; /* well signed, but of another key id */
	document_key_encode(&k, sk, again);
	assert_false(document_key_decode(SPAN_OF(again), pk, &got));
}

static void test_sizes(void **state)
{
	(void)state;
	static const size_t sizes[] = { 0, 1, 65535, 65536, 65537, 200000 };
	static uint8_t data[200000];
	struct document_recipient to[2];
	memcpy(to[0].x25519, ann_pk, 32);
	memcpy(to[1].x25519, bob_pk, 32);
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31 + i / 251);
	for (size_t i = 0; i < TEST_LEN(sizes); i++) {
		struct span plain = span_of(data, sizes[i]);
		struct wire *w = wire_of(to, 2, plain, DOCUMENT_PIECE_MAX);
		if (!opens(span_of(w->b, w->len), &ann, plain) ||
			!opens(span_of(w->b, w->len), &bob, plain))
			fail_msg("%zu bytes", sizes[i]);
		assert_string_equal(plain_of(span_of(w->b, w->len), &ann)->from.name, sender.name);
		free(w);
	}
}

static void test_recipients(void **state)
{
	(void)state;
	struct document_recipient to[DOCUMENT_RECIPIENTS_MAX + 1];
	struct document_writer *d;
	struct span head, data = span_of("for all", 7);
	struct fault f;
	for (size_t i = 0; i < TEST_LEN(to); i++) {
		uint8_t secret[32] = { 0x90, (uint8_t)i };
		public_of(secret, to[i].x25519);
	}
	memcpy(to[DOCUMENT_RECIPIENTS_MAX - 1].x25519, ann_pk, 32);
	struct wire *w = wire_of(to, DOCUMENT_RECIPIENTS_MAX, data, 7);
	assert_true(opens(span_of(w->b, w->len), &ann, data));
	assert_int_equal(plain_of(span_of(w->b, w->len), &bob)->rc, -EACCES);
	free(w);

	assert_int_equal(document_writer_new(to, 0, &sender, sender_sk, &d, &head, &f), -EINVAL);
	assert_int_equal(
		document_writer_new(to, TEST_LEN(to), &sender, sender_sk, &d, &head, &f), -EINVAL);
	memset(to[1].x25519, 0, 32);
	assert_int_equal(document_writer_new(to, 2, &sender, sender_sk, &d, &head, &f), -EINVAL);
	assert_string_equal(f.text, "the document key of recipient 2 is of low order; get another");
	struct document_sender other = sender;
	other.pk[0] ^= 1;
	assert_int_equal(document_writer_new(to, 1, &other, sender_sk, &d, &head, &f), -EINVAL);
	other = sender;
	strcpy(other.name, "no=name");
	assert_int_equal(document_writer_new(to, 1, &other, sender_sk, &d, &head, &f), -EINVAL);
}

static void test_old_key_still_opens(void **state)
{
	(void)state;
	struct document_recipient to[1];
	struct span data = span_of("of long ago", 11);
	struct idfile_secrets none = { 0 };
	public_of(ann.documents[0].seed, to[0].x25519);
	struct wire *w = wire_of(to, 1, data, 100);
	assert_true(opens(span_of(w->b, w->len), &ann, data));
	assert_int_equal(plain_of(span_of(w->b, w->len), &bob)->rc, -EACCES);
	assert_int_equal(plain_of(span_of(w->b, w->len), &none)->rc, -EACCES);
	free(w);
}

static struct wire *small(void)
{
	struct document_recipient to[2];
	memcpy(to[0].x25519, ann_pk, 32);
	memcpy(to[1].x25519, bob_pk, 32);
	return wire_of(to, 2, span_of("one two three", 13), 5);
}

static void test_every_bit_counts(void **state)
{
	(void)state;
	struct wire *w = small();
	struct span all = span_of(w->b, w->len);
	for (size_t bit = 0; bit < 8 * w->len; bit++) {
		w->b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		struct plain *p = plain_of(all, &ann);
		if (p->rc == 0 || (bit / 8 < w->head_len && p->len > 0))
			fail_msg("bit %zu of %zu bytes, head %zu", bit, w->len, w->head_len);
		w->b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	assert_int_equal(plain_of(all, &ann)->rc, 0);
	free(w);
}

static void test_cut(void **state)
{
	(void)state;
	struct wire *w = small();
	assert_int_equal(w->pieces, 3);
	for (size_t n = 0; n < w->len; n++) {
		struct plain *p = plain_of(span_of(w->b, n), &bob);
		if (p->rc != -EAGAIN)
			fail_msg("cut at %zu: %d", n, p->rc);
		/* What comes of it are the whole pieces before the cut. */
		size_t whole = 0;
		while (whole < 3 && w->ends[whole] <= n)
			whole++;
		assert_int_equal(p->len, n < w->head_len ? 0 : 5 * whole);
	}
	free(w);
}

static void test_not_a_document(void **state)
{
	(void)state;
	static uint8_t big[DOCUMENT_HEAD_MAX + 1] = "postern document v1\n\x40";
	assert_int_equal(plain_of(span_of("p", 1), &ann)->rc, -EAGAIN);
	assert_int_equal(plain_of(span_of("q", 1), &ann)->rc, -EINVAL);
	assert_int_equal(plain_of(span_of("postern document v2\n", 20), &ann)->rc, -EINVAL);
	assert_int_equal(plain_of(span_of("postern document v1\n\0", 21), &ann)->rc, -EINVAL);
	assert_int_equal(plain_of(span_of("postern document v1\n\x41", 21), &ann)->rc, -EINVAL);
	/* A name of 65535 bytes does not make the caller read for ever. */
	memset(big + 21, 0xff, sizeof(big) - 21);
	assert_int_equal(plain_of(SPAN_OF(big), &ann)->rc, -EINVAL);
	assert_int_equal(plain_of(span_of(big, DOCUMENT_HEAD_MAX), &ann)->rc, -EINVAL);
	assert_int_equal(plain_of(span_of(big, DOCUMENT_HEAD_MAX - 1), &ann)->rc, -EAGAIN);
}

/* The pieces of w in another order, by number; 9 ends it. */
static int rc_of_order(const struct wire *w, const uint8_t order[4])
{
	static uint8_t mixed[WIRE_MAX];
	struct writer to = writer_init(mixed, sizeof(mixed));
	writer_put(&to, w->b, w->head_len);
	for (size_t i = 0; i < 4 && order[i] != 9; i++) {
		size_t start = order[i] == 0 ? w->head_len : w->ends[order[i] - 1];
		writer_put(&to, w->b + start, w->ends[order[i]] - start);
	}
	return plain_of(writer_span(&to), &ann)->rc;
}

static void test_pieces_mixed(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		uint8_t order[4];
		int expected;
	} cases[] = {
		{ "as written", { 0, 1, 2, 9 }, 0 },
		{ "the first two swapped", { 1, 0, 2, 9 }, -EBADMSG },
		{ "the last two swapped", { 0, 2, 1, 9 }, -EBADMSG },
		{ "the first one missing", { 1, 2, 9, 9 }, -EBADMSG },
		{ "the second one missing", { 0, 2, 9, 9 }, -EBADMSG },
		{ "the second one twice", { 0, 1, 1, 2 }, -EBADMSG },
		{ "the last one missing", { 0, 1, 9, 9 }, -EAGAIN },
		{ "none", { 9, 9, 9, 9 }, -EAGAIN },
	};
	struct wire *w = small(), *other = small();
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(cases[i].name, rc_of_order(w, cases[i].order) == cases[i].expected);

	/* The body of one under the head of another. */
	assert_int_equal(w->head_len, other->head_len);
	memcpy(other->b, w->b, w->head_len);
	assert_int_equal(plain_of(span_of(other->b, other->len), &ann)->rc, -EBADMSG);
	free(w);
	free(other);
}

/* Another recipient has the file key, and puts a text of its own under the sender's head. */
static void test_forged_by_a_recipient(void **state)
{
	(void)state;
	struct vector v = value("forged");
	struct plain *p = plain_of(vector_span(&v), &ann);
	assert_int_equal(p->rc, -EBADMSG);
	assert_int_equal(p->len, 0);
}

static void test_trailing_bytes_are_left(void **state)
{
	(void)state;
	struct wire *w = small();
	w->b[w->len] = 0;
	struct plain *p = plain_of(span_of(w->b, w->len + 1), &ann);
	assert_int_equal(p->rc, 0);
	assert_int_equal(p->left, 1);
	free(w);
}

/* What the pieces of somebody who has the file key may be like: they have the key, not the rules. */
static void test_other_tags_and_lengths(void **state)
{
	(void)state;
	struct wire *w = small();
	/* Longer than a piece may be: refused before more of it is asked for. */
	w->b[w->head_len] = 0;
	w->b[w->head_len + 1] = 1;
	w->b[w->head_len + 2] = 0;
	w->b[w->head_len + 3] = 82;
	assert_int_equal(plain_of(span_of(w->b, w->len), &ann)->rc, -EBADMSG);
	w->b[w->head_len + 3] = 81; /* 65536 bytes and a signature: there could be more to come */
	assert_int_equal(plain_of(span_of(w->b, w->len), &ann)->rc, -EAGAIN);
	w->b[w->head_len + 1] = 0;
	w->b[w->head_len + 3] = 16;
	assert_int_equal(plain_of(span_of(w->b, w->len), &ann)->rc, -EBADMSG);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vector),
		cmocka_unit_test(test_key),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_old_key_still_opens),
		cmocka_unit_test(test_every_bit_counts),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_not_a_document),
		cmocka_unit_test(test_pieces_mixed),
		cmocka_unit_test(test_forged_by_a_recipient),
		cmocka_unit_test(test_trailing_bytes_are_left),
		cmocka_unit_test(test_other_tags_and_lengths),
	};
	set_up();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
