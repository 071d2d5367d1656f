/*
 * The libraries that run inside the sandboxes, as the daemon uses them: a libuv loop made before,
 * with timers, a channel and visitors of the control socket; a libpcap capture opened before, on
 * loopback.
 */

#include <arpa/inet.h>
#include <pcap/pcap.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <uv.h>

#include "child.h"
#include "test.h"

struct seen {
	uv_loop_t loop;
	uv_timer_t timer;
	uv_poll_t poll;
	uv_signal_t signal;
	uv_pipe_t listener, visitor;
	int channel[2];
	int ticks, messages, visits, bytes;
};

static int enter(int (*sandbox)(int *, struct fault *))
{
	int landlock;
	struct fault f;
	return child_drop(0) < 0 || sandbox(&landlock, &f) < 0 ? -1 : 0;
}

static void on_timer(uv_timer_t *t)
{
	struct seen *s = t->data;
	const struct msg m = { .type = MSG_BEAT };
	if (msg_send(s->channel[0], &m) == 0)
		s->ticks++;
	if (s->ticks == 5)
		uv_stop(&s->loop);
}

static void on_channel(uv_poll_t *p, int status, int events)
{
	struct seen *s = p->data;
	struct msg m;
	(void)events;
	if (status == 0 && msg_receive(s->channel[1], MSG_FROM_KNOCK, MSG_FROM_GATE, &m) == 1)
		s->messages++;
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *ret)
{
	static char space[64];
	(void)h;
	(void)suggested;
	*ret = uv_buf_init(space, sizeof(space));
}

static void on_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct seen *s = stream->data;
	(void)buf;
	if (n > 0)
		s->bytes += (int)n;
	else if (n < 0)
		uv_close((uv_handle_t *)stream, NULL);
}

static void on_visitor(uv_stream_t *listener, int status)
{
	struct seen *s = listener->data;
	if (status != 0 || uv_pipe_init(&s->loop, &s->visitor, 0) != 0)
		return;
	s->visitor.data = s;
	if (uv_accept(listener, (uv_stream_t *)&s->visitor) == 0)
		s->visits++;
	uv_read_start((uv_stream_t *)&s->visitor, on_alloc, on_bytes);
}

static void on_signal(uv_signal_t *h, int signum)
{
	(void)h;
	(void)signum;
}

/* The loop and its handles; nothing of this is made after the sandbox closed. */
static bool make_loop(struct seen *s)
{
	if (uv_loop_init(&s->loop) != 0 || priv_channel(s->channel) < 0)
		return false;
	s->timer.data = s;
	s->poll.data = s;
	return uv_timer_init(&s->loop, &s->timer) == 0 &&
		uv_timer_start(&s->timer, on_timer, 5, 5) == 0 &&
		uv_poll_init(&s->loop, &s->poll, s->channel[1]) == 0 &&
		uv_poll_start(&s->poll, UV_READABLE, on_channel) == 0 &&
		uv_signal_init(&s->loop, &s->signal) == 0 &&
		uv_signal_start(&s->signal, on_signal, SIGHUP) == 0;
}

/* A listening socket with a visitor that has written and left already. */
static bool make_listener(struct seen *s)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	socklen_t len = sizeof(un);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	int client = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(fd, (struct sockaddr *)&un, sizeof(sa_family_t)) < 0 ||
		getsockname(fd, (struct sockaddr *)&un, &len) < 0)
		return false;
	s->listener.data = s;
	if (uv_pipe_init(&s->loop, &s->listener, 0) != 0 || uv_pipe_open(&s->listener, fd) != 0 ||
		uv_listen((uv_stream_t *)&s->listener, 4, on_visitor) != 0)
		return false;
	bool is_sent = connect(client, (struct sockaddr *)&un, len) == 0 &&
		write(client, "status\n", 7) == 7;
	close(client);
	return is_sent;
}

static int run_loop(struct seen *s)
{
	uv_run(&s->loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&s->timer, NULL);
	uv_close((uv_handle_t *)&s->poll, NULL);
	uv_close((uv_handle_t *)&s->signal, NULL);
	uv_run(&s->loop, UV_RUN_NOWAIT);
	return s->ticks == 5 && s->messages >= 4 ? 0 : 3;
}

static int knock_loop(void *arg)
{
	static struct seen s;
	(void)arg;
	if (!make_loop(&s) || !make_listener(&s))
		return 1;
	if (enter(priv_sandbox_knock) < 0)
		return 2;
	int rc = run_loop(&s);
	return rc != 0 ? rc : s.visits == 1 && s.bytes == 7 ? 0 : 4;
}

static int gate_loop(void *arg)
{
	static struct seen s;
	(void)arg;
	if (!make_loop(&s))
		return 1;
	return enter(priv_sandbox_gate) < 0 ? 2 : run_loop(&s);
}

static void test_uv(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child_run(knock_loop, NULL), 0);
	assert_int_equal(child_run(gate_loop, NULL), 0);
}

static void on_packet(unsigned char *arg, const struct pcap_pkthdr *h, const unsigned char *data)
{
	int *count = (int *)(void *)arg;
	(void)data;
	if (h->caplen > 0)
		++*count;
}

static bool set_filter(pcap_t *p, const char *text)
{
	struct bpf_program program;
	if (pcap_compile(p, &program, text, 1, PCAP_NETMASK_UNKNOWN) < 0)
		return false;
	bool is_set = pcap_setfilter(p, &program) == 0;
	pcap_freecode(&program);
	return is_set;
}

static int capture(void *arg)
{
	struct sockaddr_in to = {
		.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) }
	};
	char why[PCAP_ERRBUF_SIZE];
	struct pcap_stat stat;
	int count = 0;

	(void)arg;
	pcap_t *p = pcap_create("lo", why);
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	if (p == NULL || pcap_set_immediate_mode(p, 1) != 0 || pcap_set_timeout(p, 10) != 0 ||
		pcap_activate(p) < 0 || pcap_setnonblock(p, 1, why) < 0 ||
		!set_filter(p, "udp dst port 9"))
		return 1;
	if (enter(priv_sandbox_knock) < 0)
		return 2;
	for (int i = 0; i < 100 && count < 3; i++) {
		if (sendto(udp, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) != 1)
			return 3;
		struct timespec pause = { 0, 2000000 };
		nanosleep(&pause, NULL);
		if (pcap_dispatch(p, 16, on_packet, (unsigned char *)&count) < 0)
			return 4;
	}
	if (count < 3 || pcap_stats(p, &stat) < 0)
		return 5;
	/* Another filter, for other ports. */
	if (!set_filter(p, "udp dst port 10"))
		return 6;
	pcap_close(p);
	return 0;
}

static void test_pcap(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(child_run(capture, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_uv),
		cmocka_unit_test(test_pcap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
