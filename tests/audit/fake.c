/*
 * fake-tls PROFILES: listens on every port of the file, answers as its profile says, and on SIGUSR1 and at its
 * end prints what it counted, one JSON object a port. One epoll loop.
 */

#include "fake.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS 256

static struct fake_profile profiles[FAKE_SERVERS_MAX];
static size_t profile_count;
static struct fake_conn *waiting; /* for their greeting */
static int poller;

static uint64_t now_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

void fake_send(struct fake_conn *c, const void *bytes, size_t len)
{
	if (len == 0)
		return;
	if (c->out_len + len > c->out_cap) {
		size_t cap = c->out_len + len + 4096;
		uint8_t *more = realloc(c->out, cap);
		if (more == NULL)
			errx(1, "no memory");
		c->out = more;
		c->out_cap = cap;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += len;
}

void fake_say(struct fake_conn *c, const char *line)
{
	fake_send(c, line, strlen(line));
	fake_send(c, "\r\n", 2);
}

void fake_alert(struct fake_conn *c, unsigned code)
{
	uint8_t alert[7] = { 21, 3, 1, 0, 2, 2, (uint8_t)code };
	fake_send(c, alert, sizeof(alert));
	c->is_closing = true;
}

void fake_consume(struct fake_conn *c, size_t len)
{
	c->in_len -= len;
	memmove(c->in, c->in + len, c->in_len);
}

static void forget(struct fake_conn *c)
{
	for (struct fake_conn **at = &waiting; *at != NULL; at = &(*at)->next) {
		if (*at == c) {
			*at = c->next;
			return;
		}
	}
}

static void drop(struct fake_conn *c)
{
	struct linger hard = { .l_onoff = 1, .l_linger = 0 };
	if (c->is_reset)
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	forget(c);
	if (c->is_counted)
		c->profile->open--;
	close(c->fd);
	free(c->out);
	free(c);
}

static void watch(const struct fake_conn *c)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLRDHUP |
			(c->out_at < c->out_len ? (unsigned)EPOLLOUT : 0),
		.data.ptr = (void *)(uintptr_t)c };
	epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
}

/* False when the connection is over. */
static bool flush(struct fake_conn *c)
{
	while (c->out_at < c->out_len) {
		size_t n = c->out_len - c->out_at;
		if (c->profile->segment > 0 && n > c->profile->segment)
			n = c->profile->segment;
		ssize_t rc = send(c->fd, c->out + c->out_at, n, MSG_NOSIGNAL);
		if (rc < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			watch(c);
			return true;
		}
		if (rc < 0)
			return false;
		c->out_at += (size_t)rc;
	}
	c->out_at = c->out_len = 0;
	watch(c);
	/* The end is seen behind the words, not instead of them. */
	if (c->is_closing && !c->is_reset)
		shutdown(c->fd, SHUT_WR);
	return true;
}

/* Hellos are met with the end of the connection, as refusals are elsewhere. */
static bool is_limited(struct fake_profile *p)
{
	if (p->limit_after == 0 || p->hellos <= p->limit_after)
		return false;
	if (p->limit_at_ms == 0)
		p->limit_at_ms = now_ms();
	return p->limit_ms == 0 || now_ms() < p->limit_at_ms + p->limit_ms;
}

static void work(struct fake_conn *c)
{
	struct fake_hello h;
	size_t used = 0;
	if (c->state == FAKE_SMTP)
		fake_smtp(c);
	if (c->state == FAKE_HELLO && c->profile->is_garbage && c->in_len > 0) {
		fake_say(c, "SSH-2.0-fake: this is no TLS, whatever was asked for");
		c->is_closing = true;
	}
	if (c->state == FAKE_HELLO && !c->is_closing) {
		int rc = fake_hello_read(c->in, c->in_len, &h, &used);
		if (rc < 0) {
			fake_alert(c, 50);
		} else if (rc > 0) {
			c->profile->hellos++;
			fake_consume(c, used);
			if (is_limited(c->profile)) {
				c->profile->refused++;
				c->is_closing = true;
				c->state = FAKE_DEAD;
			} else {
				fake_answer(c, &h);
			}
		}
	}
	if (c->state == FAKE_AFTER && !c->is_closing && !c->is_reset)
		fake_after(c);
	if (c->state == FAKE_DEAD)
		c->in_len = 0;
}

static void on_data(struct fake_conn *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - c->in_len, 0);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return;
	if (n <= 0) {
		drop(c);
		return;
	}
	c->in_len += (size_t)n;
	if (c->is_closing) {
		c->in_len = 0;
		return;
	}
	work(c);
	if (c->is_reset || !flush(c))
		drop(c);
}

/* Turned away before a word is heard. */
static void turn_away(struct fake_conn *c)
{
	c->profile->refused++;
	c->state = FAKE_DEAD;
	if (c->profile->is_smtp) {
		fake_say(c, "421 4.7.0 Error: too many connections from you");
		c->is_closing = true;
	} else {
		c->is_reset = true;
	}
}

static void receive(struct fake_conn *c)
{
	struct fake_profile *p = c->profile;
	uint64_t now = now_ms();
	p->connections++;
	p->open++;
	c->is_counted = true;
	if (p->open > p->peak)
		p->peak = p->open;
	if (now - p->minute_ms >= 60000) {
		p->minute_ms = now;
		p->in_minute = 0;
	}
	p->in_minute++;
	if ((p->at_once > 0 && p->open > p->at_once) ||
		(p->per_minute > 0 && p->in_minute > p->per_minute)) {
		turn_away(c);
	} else if (p->drop_each > 0 && p->connections % p->drop_each == 0) {
		p->refused++;
		c->is_reset = true;
	} else if (p->drip_ms > 0) {
		c->state = FAKE_DEAD;
		c->speak_at_ms = now;
		c->next = waiting;
		waiting = c;
	} else if (p->is_smtp) {
		c->speak_at_ms = now + p->greeting_delay_ms;
		if (p->greeting_delay_ms == 0) {
			fake_greet(c);
		} else {
			c->next = waiting;
			waiting = c;
		}
	} else {
		c->state = p->is_mute ? FAKE_DEAD : FAKE_HELLO;
	}
	if (c->is_reset || !flush(c))
		drop(c);
}

static void on_connection(int listener, struct fake_profile *p)
{
	int one = 1;
	int fd;
	if ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct fake_conn *c = calloc(1, sizeof(*c));
		if (c == NULL)
			errx(1, "no memory");
		c->fd = fd;
		c->profile = p;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
		epoll_ctl(poller, EPOLL_CTL_ADD, fd, &e);
		receive(c);
	}
}

static int listen_at(uint16_t port)
{
	int one = 1, zero = 0, fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero));
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(fd, 4096) < 0)
		err(1, "port %u", port);
	return fd;
}

static void print_counts(void)
{
	struct rusage u;
	getrusage(RUSAGE_SELF, &u);
	for (size_t i = 0; i < profile_count; i++) {
		const struct fake_profile *p = &profiles[i];
		printf("{\"port\": %u, \"connections\": %u, \"hellos\": %u, \"peak\": %u, \"refused\": %u}\n",
			p->port, p->connections, p->hellos, p->peak, p->refused);
	}
	fflush(stdout);
}

/* The next byte of a greeting, or of a long ServerHello, that never comes to its end. */
static void drip(struct fake_conn *c)
{
	static const uint8_t hello[] = { 22, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc }, words[] = "220-";
	uint8_t byte = c->profile->is_smtp ? 'x' : 0;
	if (c->profile->is_smtp && c->drops < sizeof(words) - 1)
		byte = words[c->drops];
	else if (!c->profile->is_smtp && c->drops < sizeof(hello))
		byte = hello[c->drops];
	c->drops++;
	fake_send(c, &byte, 1);
}

static void greet_those_due(void)
{
	uint64_t now = now_ms();
	struct fake_conn *next;
	for (struct fake_conn *c = waiting; c != NULL; c = next) {
		next = c->next;
		if (c->speak_at_ms > now)
			continue;
		if (c->profile->drip_ms > 0) {
			drip(c);
			c->speak_at_ms = now + c->profile->drip_ms;
		} else {
			forget(c);
			fake_greet(c);
		}
		if (!flush(c))
			drop(c);
	}
}

static int watch_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static bool on_signal(int signals)
{
	struct signalfd_siginfo info;
	if (read(signals, &info, sizeof(info)) != sizeof(info))
		return true;
	print_counts();
	return info.ssi_signo == SIGUSR1;
}

/* What an event is of is told by its pointer: a listener's index, the signals, or a connection. */
static bool handle(const struct epoll_event *e, const int *listeners, int signals)
{
	if (e->data.ptr == NULL)
		return on_signal(signals);
	if ((struct fake_profile *)e->data.ptr >= profiles &&
		(struct fake_profile *)e->data.ptr < profiles + FAKE_SERVERS_MAX) {
		struct fake_profile *p = e->data.ptr;
		/* Those that are over first, or they would count as open beside this one. */
		p->is_put_off = !p->is_put_off;
		if (p->is_put_off)
			return true;
		on_connection(listeners[p - profiles], p);
		return true;
	}
	struct fake_conn *c = e->data.ptr;
	if ((e->events & EPOLLOUT) != 0 && !flush(c)) {
		drop(c);
		return true;
	}
	if ((e->events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
		on_data(c);
	return true;
}

int main(int argc, char **argv)
{
	static int listeners[FAKE_SERVERS_MAX];
	struct epoll_event events[EVENTS];
	bool goes_on = true;
	if (argc != 2)
		errx(2, "usage: fake-tls PROFILES");
	profile_count = fake_profiles_read(argv[1], profiles, FAKE_SERVERS_MAX);
	int signals = watch_signals();
	poller = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(poller, EPOLL_CTL_ADD, signals, &e);
	for (size_t i = 0; i < profile_count; i++) {
		listeners[i] = listen_at(profiles[i].port);
		e.data.ptr = &profiles[i];
		epoll_ctl(poller, EPOLL_CTL_ADD, listeners[i], &e);
	}
	puts("ready");
	fflush(stdout);
	while (goes_on) {
		/* One event at a time: a connection that was dropped must not be met again in the same batch. */
		int n = epoll_wait(poller, events, 1, waiting != NULL ? 20 : 1000);
		for (int i = 0; i < n && goes_on; i++)
			goes_on = handle(&events[i], listeners, signals);
		greet_those_due();
	}
	return 0;
}
