/* Names that are locked out: one line each however written, with its journal line, over a new start. */

#include <errno.h>

#include "place.h"
#include "test.h"

static struct store_lockout lockout_of(const char *text, uint64_t since_ms, const char *why)
{
	struct store_lockout l = { .since_ms = since_ms, .by = "alice" };
	struct name n;
	assert_int_equal(name_parse(text, false, &n), NAME_OK);
	l.key_len = name_fold(&n, l.key);
	snprintf(l.name, sizeof(l.name), "%s", text);
	snprintf(l.text, sizeof(l.text), "%s", why);
	return l;
}

static struct name name_of(const char *text)
{
	struct name n;
	assert_int_equal(name_parse(text, false, &n), NAME_OK);
	return n;
}

struct list {
	size_t len;
	struct store_lockout items[8];
};

static void keep(void *arg, const struct store_lockout *l)
{
	struct list *list = arg;
	assert_true(list->len < TEST_LEN(list->items));
	list->items[list->len++] = *l;
}

static struct list list_of(struct store *s)
{
	struct list list = { 0 };
	assert_int_equal(store_lockouts(s, keep, &list), 0);
	return list;
}

static void test_put_and_remove(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	const struct store_record record = place_record(5);
	const struct store_lockout ann = lockout_of("Ann/NN/VSD", 10, "left"),
				   bob = lockout_of("bob/VSD/US", 20, ""),
				   again = lockout_of("CN=ANN/OU=nn/O=VSD", 30, "really left");
	assert_non_null(s);
	assert_int_equal(list_of(s).len, 0);
	assert_int_equal(store_lockout_put(s, &bob, &record), 0);
	assert_int_equal(store_lockout_put(s, &ann, &record), 0);
	assert_int_equal(store_lockout_put(s, &again, NULL), 0);
	store_close(s);

	s = place_open_reader(p->path);
	struct list list = list_of(s);
	assert_int_equal(list.len, 2);
	assert_string_equal(list.items[0].name, "Ann/NN/VSD");
	assert_string_equal(list.items[0].text, "really left");
	assert_string_equal(list.items[0].by, "alice");
	assert_int_equal(list.items[0].since_ms, 10);
	assert_int_equal(list.items[0].key_len, ann.key_len);
	assert_memory_equal(list.items[0].key, ann.key, ann.key_len);
	assert_string_equal(list.items[1].name, "bob/VSD/US");
	assert_int_equal(store_lockout_put(s, &bob, NULL), -EROFS);
	store_close(s);

	s = place_open(p->path);
	struct name ann_name = name_of("ann/nn/vsd"), nobody = name_of("nobody/VSD");
	assert_int_equal(store_lockout_remove(s, &nobody, &record), -ENOENT);
	assert_int_equal(place_journal_len(s), 2);
	assert_int_equal(store_lockout_remove(s, &ann_name, &record), 0);
	assert_int_equal(store_lockout_remove(s, &ann_name, &record), -ENOENT);
	assert_int_equal(place_journal_len(s), 3);
	list = list_of(s);
	assert_int_equal(list.len, 1);
	assert_string_equal(list.items[0].name, "bob/VSD/US");
	store_close(s);
}

static void test_longest(void **state)
{
	struct place *p = *state;
	struct store *s = place_open(p->path);
	struct store_lockout l = lockout_of("Ann/VSD", UINT64_MAX, "");
	l.key_len = sizeof(l.key);
	memset(l.key, 0xff, sizeof(l.key));
	memset(l.name, 'n', STORE_NAME_MAX);
	memset(l.by, 'b', STORE_SERVICE_MAX);
	memset(l.text, 't', STORE_TEXT_MAX);
	assert_int_equal(store_lockout_put(s, &l, NULL), 0);
	struct list list = list_of(s);
	l.since_ms = INT64_MAX;
	assert_int_equal(list.len, 1);
	assert_int_equal(list.items[0].key_len, sizeof(l.key));
	assert_memory_equal(list.items[0].key, l.key, sizeof(l.key));
	assert_string_equal(list.items[0].name, l.name);
	assert_string_equal(list.items[0].by, l.by);
	assert_string_equal(list.items[0].text, l.text);
	assert_int_equal(list.items[0].since_ms, l.since_ms);
	l.key_len = 0;
	assert_int_equal(store_lockout_put(s, &l, NULL), -EINVAL);
	l.key_len = sizeof(l.key) + 1;
	assert_int_equal(store_lockout_put(s, &l, NULL), -EINVAL);
	store_close(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_put_and_remove, place_make, place_remove),
		cmocka_unit_test_setup_teardown(test_longest, place_make, place_remove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
