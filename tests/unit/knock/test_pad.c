/*
 * Sequences under a one-time pad: vectors both ways, damage, spoofed knocks, and the two copies on disk with
 * whatever a crash leaves behind.
 */

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "classic.h"
#include "knock/pad.h"

#define FILE_NAME "pad.txt"

static const char *const vectors[] = { "v4", "v6", "close" };

struct example {
	struct pad_message message;
	struct pad_how how;
	struct pad_wish wish;
	size_t count;
	uint16_t ports[CLASSIC_PORTS_MAX];
};

static struct example example(const char *which)
{
	struct example x = { 0 };
	struct vector m = classic_get(FILE_NAME, which, "message");
	memcpy(x.message.mask, m.b, PAD_MASK_LEN);
	memcpy(x.message.key, m.b + PAD_MASK_LEN, PAD_KEY_LEN);
	x.how.port_first = classic_u16(FILE_NAME, which, "first");
	x.how.within_ms = 60000;
	x.wish.address = classic_addr(FILE_NAME, which);
	x.wish.port = classic_u16(FILE_NAME, which, "port");
	x.wish.time = classic_get(FILE_NAME, which, "time").b[0];
	x.count = classic_ports(FILE_NAME, which, x.ports);
	return x;
}

/* 64 messages of which the one at index is m, the others of no use. */
static void fill(struct pad_message *ahead, const struct pad_message *m, size_t index)
{
	memset(ahead, 0x5a, PAD_AHEAD * sizeof(*ahead));
	ahead[index] = *m;
}

static void test_vectors(void **state)
{
	(void)state;
	static const size_t places[] = { 0, 1, 63 };
	struct pad_message ahead[PAD_AHEAD];
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i]);
		uint16_t ports[PAD_KNOCKS];
		struct pad_wish got = { 0 };
		TEST_CASE(vectors[i], x.count == PAD_KNOCKS);
		pad_write(&x.message, &x.wish, x.how.port_first, ports);
		assert_memory_equal(ports, x.ports, sizeof(ports));
		struct track t = classic_track(&x.wish.address, x.ports, x.count);
		for (size_t k = 0; k < TEST_LEN(places); k++) {
			fill(ahead, &x.message, places[k]);
			TEST_CASE(
				vectors[i], pad_read(ahead, PAD_AHEAD, &x.how, &t, &got) == PAD_OK);
			TEST_CASE(vectors[i], got.index == places[k]);
			TEST_CASE(vectors[i], addr_equal(&got.address, &x.wish.address));
			TEST_CASE(vectors[i], got.port == x.wish.port && got.time == x.wish.time);
		}
		TEST_CASE(vectors[i], pad_read(ahead, 63, &x.how, &t, &got) == PAD_TAG);
		TEST_CASE(vectors[i], pad_read(ahead, 0, &x.how, &t, &got) == PAD_SPENT);
		for (size_t n = 1; n < x.count; n++) {
			t = classic_track(&x.wish.address, x.ports, n);
			TEST_CASE(vectors[i], pad_read(&x.message, 1, &x.how, &t, &got) == PAD_FEW);
		}
		classic_knock(&t, (uint16_t)(x.how.port_first - 1), 99);
		TEST_CASE(vectors[i], pad_read(&x.message, 1, &x.how, &t, &got) == PAD_OTHER);
	}
}

static void test_flips(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i]);
		for (size_t bit = 0; bit < 8 * x.count; bit++) {
			uint16_t first = x.how.port_first;
			struct pad_wish got;
			struct track t = classic_track(&x.wish.address, x.ports, x.count);
			uint16_t *port = &t.marks[bit / 8].port;
			*port = (uint16_t)(first + ((*port - first) ^ (1 << bit % 8)));
			TEST_CASE(vectors[i], pad_read(&x.message, 1, &x.how, &t, &got) == PAD_TAG);
		}
	}
}

static void test_spoofed(void **state)
{
	(void)state;
	for (size_t i = 0; i < TEST_LEN(vectors); i++) {
		struct example x = example(vectors[i]);
		struct pad_message ahead[PAD_AHEAD];
		fill(ahead, &x.message, 9);
		for (size_t a = 1; a < x.count; a++)
			for (size_t b = a; b < x.count; b++) {
				struct track t = { .source = x.wish.address };
				struct pad_wish got;
				for (size_t k = 0; k < x.count; k++) {
					if (k == a)
						classic_knock(&t, x.how.port_first, 1);
					if (k == b)
						classic_knock(&t, x.how.port_first, 1);
					classic_knock(&t, x.ports[k], 1);
				}
				TEST_CASE(vectors[i],
					pad_read(ahead, PAD_AHEAD, &x.how, &t, &got) == PAD_OK);
				TEST_CASE(vectors[i], got.index == 9);
			}
	}
}

/* For whom: the source alone, whichever family; another IPv4 address where that is allowed. */
static void test_address(void **state)
{
	(void)state;
	static const struct {
		const char *name, *which, *source;
		bool third_party;
		enum pad_reject want;
	} cases[] = {
		{ "another v4", "v4", "198.51.100.9", false, PAD_ADDRESS },
		{ "another v4, allowed", "v4", "198.51.100.9", true, PAD_OK },
		{ "v4 from v6", "v4", "2001:db8::17", true, PAD_TAG },
		{ "another v6", "v6", "2001:db8::18", false, PAD_TAG },
		{ "another v6, third party", "v6", "2001:db8::18", true, PAD_TAG },
		{ "v6 from v4", "v6", "142.103.205.1", true, PAD_TAG },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct example x = example(cases[i].which);
		struct addr source;
		struct pad_wish got;
		assert_true(addr_parse(cases[i].source, &source));
		struct track t = classic_track(&source, x.ports, x.count);
		x.how.third_party = cases[i].third_party;
		TEST_CASE(
			cases[i].name, pad_read(&x.message, 1, &x.how, &t, &got) == cases[i].want);
	}
}

/* Under overwritten bytes anybody could make a tag: they are never tried. */
static void test_spent_is_dead(void **state)
{
	(void)state;
	struct example x = example("v4");
	const struct pad_message zero = { 0 };
	struct pad_message part = x.message;
	struct pad_wish got;
	uint16_t ports[PAD_KNOCKS];

	assert_true(pad_is_spent(&zero));
	assert_false(pad_is_spent(&x.message));
	pad_write(&zero, &x.wish, x.how.port_first, ports);
	struct track t = classic_track(&x.wish.address, ports, PAD_KNOCKS);
	assert_int_equal(pad_read(&zero, 1, &x.how, &t, &got), PAD_TAG);
	for (size_t at = 0; at < PAD_MESSAGE_LEN; at += 8) {
		part = x.message;
		memset(at == 0 ? part.mask : part.key + at - 8, 0, 8);
		assert_true(pad_is_spent(&part));
		pad_write(&part, &x.wish, x.how.port_first, ports);
		t = classic_track(&x.wish.address, ports, PAD_KNOCKS);
		assert_int_equal(pad_read(&part, 1, &x.how, &t, &got), PAD_TAG);
	}
}

static void test_header(void **state)
{
	(void)state;
	struct pad_header h = { .role = PAD_CLIENT, .messages = 1000, .id = { 1, 2 } }, got;
	uint8_t b[PAD_HEADER_LEN + 1] = { 0 };
	pad_header_encode(&h, b);
	assert_true(pad_header_decode(span_of(b, PAD_HEADER_LEN), &got));
	assert_int_equal(got.role, PAD_CLIENT);
	assert_int_equal(got.messages, 1000);
	assert_memory_equal(got.id, h.id, sizeof(h.id));
	for (size_t n = 0; n < PAD_HEADER_LEN; n++)
		assert_false(pad_header_decode(span_of(b, n), &got));
	assert_false(pad_header_decode(SPAN_OF(b), &got));
	for (size_t bit = 0; bit < 8 * PAD_HEADER_LEN; bit++) {
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
		assert_false(pad_header_decode(span_of(b, PAD_HEADER_LEN), &got));
		b[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	static const struct pad_header bad[] = {
		{ .role = PAD_SERVER, .messages = 0 },
		{ .role = PAD_SERVER, .messages = PAD_MESSAGES_MAX + 1 },
		{ .role = (enum pad_role)3, .messages = 1 },
	};
	for (size_t i = 0; i < TEST_LEN(bad); i++) {
		pad_header_encode(&bad[i], b);
		assert_false(pad_header_decode(span_of(b, PAD_HEADER_LEN), &got));
	}
}

/* ------------------------------------------------------------------ files */

struct copies {
	char folder[64], server[96], client[96];
};

static struct copies make(uint32_t messages)
{
	struct copies c = { .folder = "/tmp/postern-pad-XXXXXX" };
	struct fault f = { "" };
	assert_non_null(mkdtemp(c.folder));
	snprintf(c.server, sizeof(c.server), "%s/server.pad", c.folder);
	snprintf(c.client, sizeof(c.client), "%s/client.pad", c.folder);
	if (messages != 0)
		assert_int_equal(pad_make(c.server, c.client, messages, &f), 0);
	return c;
}

static void unmake(const struct copies *c)
{
	unlink(c->server);
	unlink(c->client);
	assert_int_equal(rmdir(c->folder), 0);
}

static void peek(const char *path, uint32_t message, uint8_t to[PAD_MESSAGE_LEN])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(
		pread(fd, to, PAD_MESSAGE_LEN, PAD_HEADER_LEN + (off_t)message * PAD_MESSAGE_LEN),
		PAD_MESSAGE_LEN);
	close(fd);
}

static void poke(const char *path, off_t at, const void *from, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, from, len, at), len);
	close(fd);
}

static void copy(const char *from, const char *to)
{
	struct fault f;
	uint8_t *b;
	size_t len;
	assert_int_equal(file_read(from, FILE_SECRET, 1 << 20, &b, &len, &f), 0);
	assert_int_equal(file_write(to, b, len, 0600, false, &f), 0);
	free(b);
}

/* The knocks of the client's next message; the track they make. */
static struct track knock(const struct copies *c, uint32_t want_left)
{
	const struct pad_wish w = { .address = example("v4").wish.address, .port = 22, .time = 5 };
	struct pad_message m;
	struct fault f = { "" };
	uint16_t ports[PAD_KNOCKS];
	uint32_t left;
	assert_int_equal(pad_take(c->client, &m, &left, &f), 0);
	assert_int_equal(left, want_left);
	pad_write(&m, &w, 745, ports);
	return classic_track(&w.address, ports, PAD_KNOCKS);
}

static const struct pad_how how = { .port_first = 745, .within_ms = 60000 };

static void test_both_ends(void **state)
{
	(void)state;
	struct copies c = make(200);
	struct fault f = { "" };
	struct pad *p = NULL;
	struct pad_wish got;
	uint8_t b[PAD_MESSAGE_LEN];

	assert_int_equal(pad_open(c.server, &p, &f), 0);
	assert_int_equal(pad_left(p), 200);
	struct track first = knock(&c, 199);
	peek(c.client, 0, b);
	assert_true(span_is_zero(SPAN_OF(b)));
	assert_int_equal(pad_find(p, &how, &first, &got), PAD_OK);
	assert_int_equal(got.index, 0);
	assert_int_equal(pad_spend(p, got.index), 0);
	peek(c.server, 0, b);
	assert_true(span_is_zero(SPAN_OF(b)));
	assert_int_equal(pad_find(p, &how, &first, &got), PAD_TAG);

	/* Sixty-three that never arrive are passed over, a sixty-fourth would be too many. */
	struct track lost = first, t = first;
	for (uint32_t i = 1; i <= 64; i++) {
		lost = t;
		t = knock(&c, 199 - i);
	}
	assert_int_equal(pad_find(p, &how, &t, &got), PAD_OK);
	assert_int_equal(got.index, 63);
	assert_int_equal(pad_spend(p, 63), 0);
	assert_int_equal(pad_left(p), 135);
	assert_int_equal(pad_find(p, &how, &lost, &got), PAD_TAG);
	for (uint32_t i = 0; i < 64; i++)
		(void)knock(&c, 134 - i);
	t = knock(&c, 70);
	assert_int_equal(pad_find(p, &how, &t, &got), PAD_TAG);

	/* Across a restart: what was used stays used, the rest goes on. */
	pad_close(p);
	assert_int_equal(pad_open(c.server, &p, &f), 0);
	assert_int_equal(pad_left(p), 135);
	assert_int_equal(pad_find(p, &how, &first, &got), PAD_TAG);
	pad_close(p);
	pad_close(NULL);
	unmake(&c);
}

static void test_to_the_end(void **state)
{
	(void)state;
	struct copies c = make(70);
	struct fault f = { "" };
	struct pad *p = NULL;
	struct pad_wish got;
	struct pad_message m;
	struct track t = { 0 };
	uint32_t left;

	assert_int_equal(pad_open(c.server, &p, &f), 0);
	for (uint32_t i = 0; i < 70; i++) {
		t = knock(&c, 69 - i);
		assert_int_equal(pad_find(p, &how, &t, &got), PAD_OK);
		assert_int_equal(pad_spend(p, got.index), 0);
		assert_int_equal(pad_left(p), 69 - i);
	}
	assert_int_equal(pad_find(p, &how, &t, &got), PAD_SPENT);
	assert_int_equal(pad_take(c.client, &m, &left, &f), -ENODATA);
	assert_non_null(strstr(f.text, "all 70 messages are used"));
	pad_close(p);
	assert_int_equal(pad_open(c.server, &p, &f), 0);
	assert_int_equal(pad_left(p), 0);
	pad_close(p);
	unmake(&c);
}

/* A crash in the middle of overwriting messages 0 to 2 leaves any of these behind. */
static void test_crash(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t at, len; /* bytes that reached the disk */
		size_t want_left;
	} cases[] = {
		{ "nothing", 0, 0, 10 },
		{ "the first sector", 0, 56, 8 },
		{ "the last bytes", 2 * PAD_MESSAGE_LEN + 32, 8, 7 },
		{ "the last message", 2 * PAD_MESSAGE_LEN, PAD_MESSAGE_LEN, 7 },
		{ "the middle", PAD_MESSAGE_LEN + 8, 8, 8 },
	};
	static const uint8_t zeros[3 * PAD_MESSAGE_LEN];
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct copies c = make(10);
		struct fault f = { "" };
		struct pad *p = NULL;
		uint8_t b[PAD_MESSAGE_LEN];
		poke(c.server, (off_t)(PAD_HEADER_LEN + cases[i].at), zeros, cases[i].len);
		assert_int_equal(pad_open(c.server, &p, &f), 0);
		TEST_CASE(cases[i].name, pad_left(p) == cases[i].want_left);
		for (uint32_t k = 0; k < 10 - cases[i].want_left; k++) {
			peek(c.server, k, b);
			TEST_CASE(cases[i].name, span_is_zero(SPAN_OF(b)));
		}
		pad_close(p);
		/* The client's copy heals in the same way. */
		poke(c.client, (off_t)(PAD_HEADER_LEN + cases[i].at), zeros, cases[i].len);
		(void)knock(&c, (uint32_t)cases[i].want_left - 1);
		unmake(&c);
	}
}

/* Two that have the same copy open: a message works for the first who uses it up. */
static void test_twice_open(void **state)
{
	(void)state;
	struct copies c = make(10);
	struct fault f = { "" };
	struct pad *one = NULL, *two = NULL;
	struct pad_wish got;

	assert_int_equal(pad_open(c.server, &one, &f), 0);
	assert_int_equal(pad_open(c.server, &two, &f), 0);
	struct track t = knock(&c, 9);
	assert_int_equal(pad_find(one, &how, &t, &got), PAD_OK);
	assert_int_equal(pad_spend(one, got.index), 0);
	assert_int_equal(pad_find(two, &how, &t, &got), PAD_OK);
	assert_int_equal(pad_spend(two, got.index), -EALREADY);
	assert_int_equal(pad_find(two, &how, &t, &got), PAD_TAG);
	t = knock(&c, 8);
	assert_int_equal(pad_find(two, &how, &t, &got), PAD_OK);
	assert_int_equal(pad_spend(two, got.index), 0);
	pad_close(one);
	pad_close(two);
	unmake(&c);
}

/* A disk that takes nothing: the gate stays shut and the message is not tried again. */
static void test_cannot_overwrite(void **state)
{
	(void)state;
	struct copies c = make(10);
	struct fault f = { "" };
	struct pad *p = NULL;
	struct pad_wish got;

	/* A descriptor for reading alone: a new pad has nothing to be overwritten at the start. */
	assert_int_equal(pad_adopt(open(c.server, O_RDONLY | O_CLOEXEC), c.server, &p, &f), 0);
	struct track t = knock(&c, 9);
	assert_int_equal(pad_find(p, &how, &t, &got), PAD_OK);
	assert_int_equal(pad_spend(p, got.index), -EBADF);
	assert_int_equal(pad_find(p, &how, &t, &got), PAD_TAG);
	pad_close(p);
	unmake(&c);
}

static void test_refused(void **state)
{
	(void)state;
	struct copies c = make(3);
	char spare[128];
	struct fault f = { "" };
	struct pad *p = NULL;
	struct pad_message m;
	uint32_t left;

	snprintf(spare, sizeof(spare), "%s/spare", c.folder);
	assert_int_equal(pad_open(c.client, &p, &f), -EBADMSG);
	assert_non_null(strstr(f.text, "is the copy of the client; name that of the server"));
	assert_int_equal(pad_take(c.server, &m, &left, &f), -EBADMSG);
	assert_non_null(strstr(f.text, "is the copy of the server; name that of the client"));
	assert_int_equal(pad_open(spare, &p, &f), -ENOENT);
	assert_int_equal(pad_open(c.folder, &p, &f), -EISDIR);
	assert_int_equal(pad_make(c.server, spare, 3, &f), -EEXIST);
	assert_int_equal(access(spare, F_OK), -1);
	assert_int_equal(pad_make(spare, c.client, 3, &f), -EEXIST);
	assert_int_equal(access(spare, F_OK), -1);
	assert_int_equal(pad_make(spare, spare, 0, &f), -ERANGE);
	assert_int_equal(pad_make(spare, spare, PAD_MESSAGES_MAX + 1, &f), -ERANGE);

	copy(c.server, spare);
	assert_int_equal(truncate(spare, PAD_HEADER_LEN + 3 * PAD_MESSAGE_LEN - 1), 0);
	assert_int_equal(pad_open(spare, &p, &f), -EBADMSG);
	assert_int_equal(truncate(spare, PAD_HEADER_LEN - 1), 0);
	assert_int_equal(pad_open(spare, &p, &f), -EBADMSG);
	copy(c.server, spare);
	poke(spare, 19, "\x02", 1);
	assert_int_equal(pad_open(spare, &p, &f), -EBADMSG);
	copy(c.server, spare);
	assert_int_equal(chmod(spare, 0640), 0);
	assert_int_equal(pad_open(spare, &p, &f), -EPERM);
	assert_null(p);
	unlink(spare);
	unmake(&c);
	for (unsigned r = 0; r < PAD_REJECT_COUNT; r++)
		assert_non_null(pad_reject_name((enum pad_reject)r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_flips),
		cmocka_unit_test(test_spoofed),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_spent_is_dead),
		cmocka_unit_test(test_header),
		cmocka_unit_test(test_both_ends),
		cmocka_unit_test(test_to_the_end),
		cmocka_unit_test(test_crash),
		cmocka_unit_test(test_twice_open),
		cmocka_unit_test(test_cannot_overwrite),
		cmocka_unit_test(test_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
