/* The checked reader and writer: short stays short, full stays full, nothing outside is touched. */

#include "base/span.h"
#include "test.h"

static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 };

static void integers(void **state)
{
	struct reader r = reader_init(SPAN_OF(bytes));

	(void)state;
	assert_int_equal(reader_u8(&r), 0x01);
	assert_int_equal(reader_u16(&r), 0x0203);
	assert_int_equal(reader_u32(&r), 0x04050607);
	assert_int_equal(r.left, 3);
	assert_false(r.is_short);
	r = reader_init(SPAN_OF(bytes));
	assert_true(reader_u64(&r) == 0x0102030405060708u);
	assert_false(reader_done(&r));
	assert_int_equal(reader_u16(&r), 0x090a);
	assert_true(reader_done(&r));
}

/* Each read, with one byte too few: a zero, and nothing more to be had. */
static void short_reads(void **state)
{
	(void)state;
	for (int which = 0; which < 6; which++) {
		static const size_t need[] = { 1, 2, 4, 8, 5, 5 };
		struct reader r = reader_init(span_of(bytes, need[which] - 1));
		uint8_t copy[5] = { 9, 9, 9, 9, 9 };
		uint64_t v = 0;
		switch (which) {
		case 0:
			v = reader_u8(&r);
			break;
		case 1:
			v = reader_u16(&r);
			break;
		case 2:
			v = reader_u32(&r);
			break;
		case 3:
			v = reader_u64(&r);
			break;
		case 4:
			reader_copy(&r, copy, sizeof(copy));
			assert_true(span_is_zero(SPAN_OF(copy)));
			break;
		default:
			assert_null(reader_take(&r, 5).data);
			break;
		}
		assert_true(v == 0);
		assert_true(r.is_short);
		assert_int_equal(r.left, 0);
		assert_int_equal(reader_u8(&r), 0);
		assert_int_equal(reader_rest(&r).len, 0);
		assert_int_equal(reader_take(&r, 0).len, 0);
		assert_true(r.is_short);
		assert_false(reader_done(&r));
	}
}

static void takes(void **state)
{
	struct reader r = reader_init(SPAN_OF(bytes));
	uint8_t copy[3];

	(void)state;
	struct span s = reader_take(&r, 4);
	assert_ptr_equal(s.data, bytes);
	assert_int_equal(s.len, 4);
	reader_copy(&r, copy, sizeof(copy));
	assert_memory_equal(copy, bytes + 4, 3);
	reader_copy(&r, copy, 0);
	s = reader_rest(&r);
	assert_ptr_equal(s.data, bytes + 7);
	assert_int_equal(s.len, 3);
	assert_true(reader_done(&r));
	assert_int_equal(reader_rest(&r).len, 0);
	/* A length from a peer as large as it gets. */
	r = reader_init(SPAN_OF(bytes));
	reader_u8(&r);
	assert_null(reader_take(&r, SIZE_MAX).data);
	assert_true(r.is_short);
}

static void empty(void **state)
{
	struct span none = { NULL, 0 };
	struct reader r = reader_init(none);

	(void)state;
	assert_true(reader_done(&r));
	assert_int_equal(reader_take(&r, 0).len, 0);
	assert_false(r.is_short);
	assert_int_equal(reader_u8(&r), 0);
	assert_true(r.is_short);
	assert_true(span_equal(none, span_of(bytes, 0)));
	assert_true(span_is_zero(none));
	assert_null(span_slice(none, 0, 9).data);
}

static void slices(void **state)
{
	static const struct {
		size_t off, len, want_off, want_len;
	} cases[] = {
		{ 0, 10, 0, 10 },
		{ 0, 99, 0, 10 },
		{ 3, 4, 3, 4 },
		{ 9, SIZE_MAX, 9, 1 },
		{ 10, 1, 0, 0 },
		{ 11, 1, 0, 0 },
		{ SIZE_MAX, SIZE_MAX, 0, 0 },
		{ 5, 0, 5, 0 },
	};

	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct span s = span_slice(SPAN_OF(bytes), cases[i].off, cases[i].len);
		assert_int_equal(s.len, cases[i].want_len);
		if (s.len != 0)
			assert_ptr_equal(s.data, bytes + cases[i].want_off);
	}
}

static void compares(void **state)
{
	static const uint8_t zeros[4] = { 0 }, almost[4] = { 0, 0, 0, 1 };

	(void)state;
	assert_true(span_equal(span_of(bytes, 4), span_of(bytes, 4)));
	assert_false(span_equal(span_of(bytes, 4), span_of(bytes, 3)));
	assert_false(span_equal(span_of(bytes, 4), span_of(bytes + 1, 4)));
	assert_true(span_is_zero(SPAN_OF(zeros)));
	assert_false(span_is_zero(SPAN_OF(almost)));
}

static void writes(void **state)
{
	static const uint8_t want[] = { 1, 2, 3, 4, 5, 6, 7, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 9, 10 };
	uint8_t to[sizeof(want)];
	struct writer w = writer_init(to, sizeof(to));

	(void)state;
	memset(to, 0xee, sizeof(to));
	writer_u8(&w, 1);
	writer_u16(&w, 0x0203);
	writer_u32(&w, 0x04050607);
	writer_u64(&w, 0x0102030405060708u);
	writer_zero(&w, 2);
	writer_put(&w, bytes + 8, 2);
	assert_false(w.is_full);
	struct span s = writer_span(&w);
	assert_true(span_equal(s, SPAN_OF(want)));
	writer_put(&w, NULL, 0);
	writer_zero(&w, 0);
	assert_false(w.is_full);
}

/* Each write, with one byte too little: nothing is written, then or later. */
static void full_writes(void **state)
{
	(void)state;
	for (int which = 0; which < 6; which++) {
		static const size_t need[] = { 1, 2, 4, 8, 5, 5 };
		uint8_t to[9];
		memset(to, 0xee, sizeof(to));
		struct writer w = writer_init(to, need[which] - 1);
		switch (which) {
		case 0:
			writer_u8(&w, 1);
			break;
		case 1:
			writer_u16(&w, 1);
			break;
		case 2:
			writer_u32(&w, 1);
			break;
		case 3:
			writer_u64(&w, 1);
			break;
		case 4:
			writer_put(&w, bytes, 5);
			break;
		default:
			writer_zero(&w, 5);
			break;
		}
		assert_true(w.is_full);
		writer_u8(&w, 1);
		writer_put(&w, bytes, SIZE_MAX);
		assert_int_equal(w.len, 0);
		for (size_t i = 0; i < sizeof(to); i++)
			assert_int_equal(to[i], 0xee);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers),
		cmocka_unit_test(short_reads),
		cmocka_unit_test(takes),
		cmocka_unit_test(empty),
		cmocka_unit_test(slices),
		cmocka_unit_test(compares),
		cmocka_unit_test(writes),
		cmocka_unit_test(full_writes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
