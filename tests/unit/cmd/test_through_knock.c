/* The carrier of knocks inside TLS, against a layer that is a script: its functions are those below. */

#include <errno.h>

#include "cmd/through_knock.h"
#include "test.h"

/* What the layer does at each call for a frame: 1, -EAGAIN or -EIO. */
static struct script {
	size_t at, count;
	struct {
		int rc;
		struct frame frame;
	} steps[8];
	unsigned sent, waits;
	int send_rc;
} script;

int through_tls_frame(struct through_tls *t, struct frame *ret)
{
	(void)t;
	if (script.at == script.count)
		return -EAGAIN;
	*ret = script.steps[script.at].frame;
	return script.steps[script.at++].rc;
}

int through_tls_send(struct through_tls *t, const struct frame *f, int timeout_ms)
{
	(void)t;
	(void)timeout_ms;
	assert_int_equal(f->type, FRAME_KNOCK);
	script.sent++;
	return script.send_rc;
}

/* Time is over when the script is. */
int through_tls_wait(const struct through_tls *t, uint64_t deadline_ms)
{
	(void)t;
	(void)deadline_ms;
	script.waits++;
	return script.at < script.count;
}

static void add(int rc, enum frame_type type, const char *datagram)
{
	struct frame f = { .type = type };
	if (datagram != NULL)
		f.datagram = span_of(datagram, strlen(datagram));
	script.steps[script.count].rc = rc;
	script.steps[script.count++].frame = f;
}

static struct exchange_carrier begin(struct through_knock *k, struct through_tls *t)
{
	script = (struct script){ .at = 0 };
	*t = (struct through_tls){ .fd = -1 };
	return through_knock_carrier(k, t);
}

static void test_answers(void **state)
{
	struct through_knock k;
	static struct through_tls t;
	uint8_t to[FRAME_DATAGRAM_MAX];
	struct exchange_carrier c = begin(&k, &t);
	(void)state;
	add(1, FRAME_KNOCKED, "one");
	add(1, FRAME_KNOCKED, "other");
	add(-EAGAIN, FRAME_KNOCKED, NULL);
	add(1, FRAME_KNOCKED, "late");
	assert_int_equal(c.wait(c.of, 1000), 1);
	assert_int_equal(c.wait(c.of, 1000), 1);
	assert_int_equal(c.receive(c.of, to, sizeof(to)), 3);
	assert_memory_equal(to, "one", 3);
	assert_int_equal(c.receive(c.of, to, 2), 2);
	assert_int_equal(c.receive(c.of, to, sizeof(to)), -EAGAIN);
	assert_int_equal(script.waits, 0);
	assert_int_equal(c.wait(c.of, 1000), 1);
	assert_int_equal(c.receive(c.of, to, sizeof(to)), 4);
	assert_int_equal(c.wait(c.of, 1000), 0);
}

static void test_refused(void **state)
{
	struct through_knock k;
	static struct through_tls t;
	uint8_t to[FRAME_DATAGRAM_MAX];
	struct exchange_carrier c = begin(&k, &t);
	(void)state;
	add(-EAGAIN, FRAME_KNOCKED, NULL);
	add(1, FRAME_OPENED, NULL);
	script.steps[1].frame.status = FRAME_DENIED;
	assert_int_equal(c.wait(c.of, 1000), -ECONNREFUSED);
	assert_true(k.is_refused);
	assert_int_equal(k.refusal.status, FRAME_DENIED);
	assert_int_equal(c.receive(c.of, to, sizeof(to)), -EAGAIN);
	assert_int_equal(c.wait(c.of, 1000), -ECONNREFUSED);
}

static void test_broken(void **state)
{
	struct through_knock k;
	static struct through_tls t;
	struct exchange_carrier c = begin(&k, &t);
	(void)state;
	add(-EIO, FRAME_KNOCKED, NULL);
	assert_int_equal(c.wait(c.of, 1000), -EIO);
	assert_false(k.is_refused);
}

/* As many as the relay takes, counted for the layer and not for the knock. */
static void test_limit(void **state)
{
	struct through_knock k;
	static struct through_tls t;
	struct exchange_carrier c = begin(&k, &t);
	(void)state;
	for (unsigned i = 0; i < FRAME_KNOCKS_MAX; i++) {
		if (i == FRAME_KNOCKS_MAX / 2)
			c = through_knock_carrier(&k, &t);
		assert_int_equal(c.send(c.of, (const uint8_t *)"x", 1), 0);
	}
	assert_int_equal(c.send(c.of, (const uint8_t *)"x", 1), -EAGAIN);
	assert_int_equal(script.sent, FRAME_KNOCKS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_broken),
		cmocka_unit_test(test_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
