/* See sender.h. One struct for three kinds; each uses its part. */

#include "sender.h"

#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bench.h"
#include "postern/postern.h"

#define SYN_PORTS_MAX 8
#define PROBE_LIMIT_MS 5000

struct sender {
	int fd; /* UDP or raw */
	struct sockaddr_in to;
	const uint8_t *data; /* of the next sending; NULL: SYNs */
	size_t len;

	struct postern_card *card;
	struct postern_id *id;
	struct postern_memory memory;
	struct postern_request request;
	uint8_t datagram[POSTERN_DATAGRAM_MAX];

	char *text; /* of the packet file */
	char **lines;
	size_t line_count;

	uint16_t ports[SYN_PORTS_MAX];
	size_t port_count;
};

static struct postern_session *session(struct sender *s, const struct postern_request *r)
{
	struct postern_session *ret = NULL;
	struct postern_error err;
	if (postern_session_new(s->card, s->id, r, &s->memory, &ret, &err) < 0)
		bench_die("%s", err.text);
	return ret;
}

/* One step of a session that is being waited on: send, or receive what is there. */
static bool probe_step(struct sender *s, struct postern_session *p, uint32_t source)
{
	const uint8_t *data;
	size_t len;
	uint32_t wait_ms = 0, from;
	uint8_t answer[POSTERN_DATAGRAM_MAX];
	switch (postern_session_next(p, clock_wall_ms(), clock_mono_ms(), &data, &len, &wait_ms)) {
	case POSTERN_SEND:
		if (!bench_send(s->fd, source, &s->to, data, len))
			bench_die("sending: %s", strerror(errno));
		return false;
	case POSTERN_WAIT:
		poll(&(struct pollfd){ s->fd, POLLIN, 0 }, 1, wait_ms < 100 ? (int)wait_ms : 100);
		ssize_t n = bench_receive(s->fd, answer, sizeof(answer), &from);
		if (n > 0)
			postern_session_offer(p, answer, (size_t)n, clock_wall_ms());
		return false;
	case POSTERN_DONE:
		return true;
	case POSTERN_SILENT:
	case POSTERN_FAILED:
		break;
	}
	bench_die("the server does not answer a probe");
}

/* What a client that was here before knows: the server's instance id. */
static void learn(struct sender *s)
{
	struct postern_request r = { .op = POSTERN_PROBE, .service = s->request.service };
	struct postern_session *p = session(s, &r);
	struct postern_answer a;
	uint64_t end = bench_now_ns() + PROBE_LIMIT_MS * BENCH_MS;
	while (!probe_step(s, p, BENCH_GARBAGE_FIRST - 1))
		if (bench_now_ns() > end)
			bench_die("the server does not answer a probe");
	postern_session_answer(p, &a);
	if (a.status != POSTERN_OK)
		bench_die("probe: %s", postern_status_name(a.status));
	postern_session_free(p);
}

static void new_postern(struct sender *s, char **argv)
{
	struct postern_error err;
	size_t len = 0;
	char *password = (char *)bench_read(argv[2], &len);
	size_t password_len = strcspn(password, "\n");
	if (sodium_init() < 0 || postern_card_load(argv[0], &s->card, &err) < 0 ||
		postern_id_load(argv[1], password, password_len, &s->id, &err) < 0)
		bench_die("%s", err.text);
	sodium_memzero(password, len);
	free(password);
	s->request = (struct postern_request){ .op = POSTERN_OPEN, .service = argv[3] };
	s->fd = bench_udp();
	learn(s);
}

static void new_file(struct sender *s, const char *path)
{
	size_t len = 0, cap = 0;
	s->text = (char *)bench_read(path, &len);
	for (const char *p = s->text; *p != '\0'; p++)
		cap += *p == '\n';
	s->lines = bench_new(cap + 1, sizeof(s->lines[0]));
	for (char *save, *l = strtok_r(s->text, "\n", &save); l != NULL && s->line_count <= cap;
		l = strtok_r(NULL, "\n", &save))
		s->lines[s->line_count++] = l;
	s->fd = bench_udp();
}

static void new_syn(struct sender *s, char *ports)
{
	for (char *save, *p = strtok_r(ports, ",", &save);
		p != NULL && s->port_count < SYN_PORTS_MAX; p = strtok_r(NULL, ",", &save))
		s->ports[s->port_count++] = (uint16_t)bench_number(p, 1, 65535);
	s->fd = bench_raw();
}

struct sender *sender_new(const char *kind, char **argv, int argc, const struct sockaddr_in *to)
{
	struct sender *s = bench_new(1, sizeof(*s));
	s->to = *to;
	if (strcmp(kind, "postern") == 0 && argc == 4)
		new_postern(s, argv);
	else if (strcmp(kind, "file") == 0 && argc == 1)
		new_file(s, argv[0]);
	else if (strcmp(kind, "syn") == 0 && argc == 1)
		new_syn(s, argv[0]);
	else
		bench_die("%s: not a kind of knock, or not its arguments", kind);
	return s;
}

void sender_free(struct sender *s)
{
	close(s->fd);
	postern_id_free(s->id);
	postern_card_free(s->card);
	free(s->lines);
	free(s->text);
	free(s);
}

static void prepare_postern(struct sender *s)
{
	const uint8_t *data;
	uint32_t wait_ms;
	struct postern_session *p = session(s, &s->request);
	if (postern_session_next(p, clock_wall_ms(), clock_mono_ms(), &data, &s->len, &wait_ms) !=
			POSTERN_SEND ||
		s->len > sizeof(s->datagram))
		bench_die("libpostern made no knock");
	memcpy(s->datagram, data, s->len);
	s->data = s->datagram;
	postern_session_free(p);
}

void sender_prepare(struct sender *s, uint32_t i)
{
	uint8_t sink[POSTERN_DATAGRAM_MAX];
	uint32_t from;
	if (s->card != NULL) {
		while (bench_receive(s->fd, sink, sizeof(sink), &from) >= 0)
			; /* answers to earlier knocks: the connection was the answer we timed */
		prepare_postern(s);
	} else if (s->lines != NULL) {
		if (i >= s->line_count)
			bench_die("only %zu packets were made beforehand", s->line_count);
		s->data = (const uint8_t *)s->lines[i];
		s->len = strlen(s->lines[i]);
	}
}

void sender_send(struct sender *s, uint32_t source)
{
	bool ok = true;
	if (s->data != NULL)
		ok = bench_send(s->fd, source, &s->to, s->data, s->len);
	for (size_t i = 0; i < s->port_count && ok; i++) {
		struct sockaddr_in to = s->to;
		to.sin_port = htons(s->ports[i]);
		ok = bench_send_syn(s->fd, source, &to, (uint16_t)(40000 + i));
	}
	if (!ok)
		bench_die("sending: %s", strerror(errno));
}
