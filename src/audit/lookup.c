/*
 * Name server questions by c-ares. Its sockets are poll handles of the loop, its time-outs one timer.
 * Invariant: the timer runs exactly while a question is in the air, so it alone holds the loop.
 */

#include "audit/lookup.h"

#include <ares.h>
#include <netdb.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "audit/domain.h"

#define TRIES 2
#define EDNS_LEN 1232 /* an answer that crosses any path unfragmented */
#define CLASS_IN 1

struct socket_poll {
	uv_poll_t poll; /* first: what is closed is freed */
	struct audit_lookup *owner;
	ares_socket_t fd;
	struct socket_poll *next;
};

struct question {
	struct audit_lookup *owner;
	audit_lookup_fn *fn;
	void *arg;
	enum audit_dns_type type;
	char host[AUDIT_HOST_MAX + 1];
};

struct audit_lookup {
	uv_timer_t timer; /* first: what is closed is freed */
	ares_channel channel;
	struct socket_poll *polls;
	bool is_closing, is_system;
	char doubt[256];
};

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void on_timer(uv_timer_t *t);

/* Until the next of its time-outs; stopped when nothing is asked. */
static void set_timer(struct audit_lookup *l)
{
	struct timeval tv;
	if (l->is_closing)
		return;
	if (ares_timeout(l->channel, NULL, &tv) == NULL)
		uv_timer_stop(&l->timer);
	else
		uv_timer_start(&l->timer, on_timer,
			(uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1, 0);
}

static void on_timer(uv_timer_t *t)
{
	struct audit_lookup *l = t->data;
	ares_process_fd(l->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(l);
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct socket_poll *s = p->data;
	struct audit_lookup *l = s->owner;
	ares_socket_t fd = s->fd; /* s may be gone after this */
	bool is_in = status < 0 || (events & UV_READABLE) != 0;
	bool is_out = status < 0 || (events & UV_WRITABLE) != 0;
	ares_process_fd(l->channel, is_in ? fd : ARES_SOCKET_BAD, is_out ? fd : ARES_SOCKET_BAD);
	set_timer(l);
}

static struct socket_poll *find_poll(struct audit_lookup *l, ares_socket_t fd)
{
	struct socket_poll *s = l->polls;
	while (s != NULL && s->fd != fd)
		s = s->next;
	return s;
}

static struct socket_poll *add_poll(struct audit_lookup *l, ares_socket_t fd)
{
	struct socket_poll *s = calloc(1, sizeof(*s));
	if (s == NULL)
		return NULL;
	if (uv_poll_init(l->timer.loop, &s->poll, fd) != 0) {
		free(s);
		return NULL;
	}
	uv_unref((uv_handle_t *)&s->poll);
	s->poll.data = s;
	s->owner = l;
	s->fd = fd;
	s->next = l->polls;
	l->polls = s;
	return s;
}

static void drop_poll(struct audit_lookup *l, struct socket_poll *s)
{
	struct socket_poll **at = &l->polls;
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	uv_close((uv_handle_t *)&s->poll, on_closed);
}

/* c-ares wants a socket watched, or is about to close it. Without memory the time-out ends the question. */
static void on_socket(void *arg, ares_socket_t fd, int is_in, int is_out)
{
	struct audit_lookup *l = arg;
	struct socket_poll *s = find_poll(l, fd);
	if (is_in == 0 && is_out == 0) {
		if (s != NULL)
			drop_poll(l, s);
		return;
	}
	if (s == NULL)
		s = add_poll(l, fd);
	if (s != NULL)
		uv_poll_start(
			&s->poll, (is_in ? UV_READABLE : 0) | (is_out ? UV_WRITABLE : 0), on_poll);
}

static bool is_loopback(const struct addr *a)
{
	static const struct addr one = { { [15] = 1 } };
	return addr_is_v4(a) ? a->b[12] == 127 : addr_equal(a, &one);
}

static void doubt(struct audit_lookup *l, const struct addr *a)
{
	char text[ADDR_TEXT_MAX];
	snprintf(l->doubt, sizeof(l->doubt),
		"the name server %s is not on this machine, so its word on DNSSEC is not believed; "
		"run a validating resolver here or name one with --resolver",
		addr_format(a, text));
}

/* Are all the system's name servers on this machine? */
static int look_at_servers(struct audit_lookup *l)
{
	struct ares_addr_port_node *all = NULL;
	int rc = ares_get_servers_ports(l->channel, &all);
	for (struct ares_addr_port_node *s = all; rc == ARES_SUCCESS && s != NULL; s = s->next) {
		struct addr a = s->family == AF_INET6 ? addr_v6((const uint8_t *)&s->addr)
						      : addr_v4((const uint8_t *)&s->addr.addr4);
		if (!is_loopback(&a))
			doubt(l, &a);
	}
	ares_free_data(all);
	return rc;
}

static bool parse_server(const char *text, struct addr *ret, uint16_t *ret_port)
{
	struct audit_input in;
	char why[256];
	*ret_port = 53;
	if (addr_parse(text, ret))
		return true;
	if (!audit_input_parse(text, &in, why) || !in.is_address || strstr(text, "://") != NULL)
		return false;
	*ret = in.addr;
	if (text[strlen(text) - 1] != ']')
		*ret_port = in.port;
	return true;
}

static int name_server(struct audit_lookup *l, const struct addr *a, uint16_t port)
{
	struct ares_addr_port_node node = { .udp_port = port, .tcp_port = port };
	if (addr_is_v4(a)) {
		node.family = AF_INET;
		memcpy(&node.addr, a->b + 12, 4);
	} else {
		node.family = AF_INET6;
		memcpy(&node.addr, a->b, 16);
	}
	return ares_set_servers_ports(l->channel, &node);
}

static int open_channel(struct audit_lookup *l, uint32_t timeout_ms)
{
	struct ares_options o = {
		/* Answers unchecked: a failure because of DNSSEC is to be told from a server that is not there. */
		.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES | ARES_FLAG_EDNS |
			ARES_FLAG_NOCHECKRESP,
		.timeout = (int)timeout_ms,
		.tries = TRIES,
		.ednspsz = EDNS_LEN,
		.sock_state_cb = on_socket,
		.sock_state_cb_data = l,
	};
	int rc = ares_library_init(ARES_LIB_INIT_ALL);
	if (rc != ARES_SUCCESS)
		return rc;
	rc = ares_init_options(&l->channel, &o,
		ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_EDNSPSZ |
			ARES_OPT_SOCK_STATE_CB);
	if (rc != ARES_SUCCESS)
		ares_library_cleanup();
	return rc;
}

struct audit_lookup *audit_lookup_new(
	uv_loop_t *loop, const char *resolver, uint32_t timeout_ms, char why[256])
{
	struct addr a;
	uint16_t port = 0;
	struct audit_lookup *l = NULL;
	if (resolver != NULL && !parse_server(resolver, &a, &port)) {
		snprintf(why, 256, "%.100s: a resolver is an address, or address:port", resolver);
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	int rc = l != NULL ? open_channel(l, timeout_ms) : ARES_ENOMEM;
	if (rc != ARES_SUCCESS) {
		snprintf(why, 256, "cannot ask name servers: %s", ares_strerror(rc));
		free(l);
		return NULL;
	}
	uv_timer_init(loop, &l->timer);
	l->timer.data = l;
	l->is_system = resolver == NULL;
	rc = resolver == NULL ? look_at_servers(l) : name_server(l, &a, port);
	if (rc == ARES_SUCCESS)
		return l;
	snprintf(why, 256, "cannot ask name servers: %s", ares_strerror(rc));
	audit_lookup_free(l);
	return NULL;
}

void audit_lookup_free(struct audit_lookup *l)
{
	if (l == NULL)
		return;
	l->is_closing = true;
	ares_destroy(l->channel);
	ares_library_cleanup();
	while (l->polls != NULL)
		drop_poll(l, l->polls);
	uv_close((uv_handle_t *)&l->timer, on_closed);
}

const char *audit_lookup_doubt(const struct audit_lookup *l)
{
	return l->doubt[0] != '\0' ? l->doubt : NULL;
}

static const char *explain(int error)
{
	switch (error) {
	case ARES_ETIMEOUT:
		return "the name server did not answer in time";
	case ARES_ECONNREFUSED:
		return "no name server can be reached";
	case ARES_ESERVFAIL:
		return "the name server failed; perhaps DNSSEC signatures are wrong";
	case ARES_EREFUSED:
		return "the name server refused to answer";
	case ARES_EBADRESP:
		return "the name server's answer is broken";
	case ARES_ENOMEM:
		return "no memory";
	default:
		return ares_strerror(error);
	}
}

static void fail(struct question *q, int error)
{
	struct audit_lookup_reply r = { .error = error, .why = explain(error) };
	q->fn(q->arg, &r);
}

/* What the name server said of the whole question. */
static int error_of(const struct audit_dns *d)
{
	static const int of_rcode[] = { ARES_SUCCESS, ARES_EFORMERR, ARES_ESERVFAIL, ARES_SUCCESS,
		ARES_ENOTIMP, ARES_EREFUSED };
	return d->rcode < sizeof(of_rcode) / sizeof(of_rcode[0]) ? of_rcode[d->rcode]
								 : ARES_EBADRESP;
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *bytes, int len)
{
	struct question *q = arg;
	struct audit_lookup *l = q->owner;
	struct audit_dns dns;
	(void)timeouts;
	if (l->is_closing)
		goto out;
	if (status == ARES_ENODATA || status == ARES_ENOTFOUND)
		status = ARES_SUCCESS; /* the answer itself says it */
	if (status == ARES_SUCCESS &&
		(bytes == NULL || len <= 0 ||
			!audit_dns_parse(span_of(bytes, (size_t)len), q->host, q->type, &dns)))
		status = ARES_EBADRESP;
	if (status == ARES_SUCCESS)
		status = error_of(&dns);
	if (status != ARES_SUCCESS) {
		fail(q, status);
		goto out;
	}
	enum audit_answer said = dns.is_authenticated ? AUDIT_YES : AUDIT_NO;
	struct audit_lookup_reply r = { .dns = &dns,
		.is_secure = l->doubt[0] == '\0' ? said : AUDIT_UNKNOWN };
	q->fn(q->arg, &r);
out:
	free(q);
}

void audit_lookup_ask(struct audit_lookup *l, const char *host, enum audit_dns_type type,
	audit_lookup_fn *fn, void *arg)
{
	struct question *q = calloc(1, sizeof(*q));
	unsigned char *query = NULL;
	int len = 0;
	if (q == NULL) {
		struct question none = { .owner = l, .fn = fn, .arg = arg };
		fail(&none, ARES_ENOMEM);
		return;
	}
	*q = (struct question){ .owner = l, .fn = fn, .arg = arg, .type = type };
	snprintf(q->host, sizeof(q->host), "%s", host);
	int rc = ares_create_query(q->host, CLASS_IN, (int)type,
		(unsigned short)randombytes_uniform(65536), 1, &query, &len, EDNS_LEN);
	if (rc != ARES_SUCCESS || len < 4) {
		fail(q, rc != ARES_SUCCESS ? rc : ARES_EBADQUERY);
		free(q);
		return;
	}
	query[3] |= 0x20; /* RFC 6840 5.7: AD in a question asks for it in the answer */
	ares_send(l->channel, query, len, on_answer, q);
	ares_free_string(query);
	set_timer(l);
}

static size_t from_hosts(
	struct audit_lookup *l, const char *host, int family, struct addr *to, size_t max)
{
	struct hostent *h = NULL;
	size_t n = 0;
	if (ares_gethostbyname_file(l->channel, host, family, &h) != ARES_SUCCESS)
		return 0;
	for (char **at = h->h_addr_list; *at != NULL && n < max; at++) {
		const uint8_t *bytes = (const uint8_t *)*at;
		to[n++] = h->h_addrtype == AF_INET6 ? addr_v6(bytes) : addr_v4(bytes);
	}
	ares_free_hostent(h);
	return n;
}

size_t audit_lookup_hosts(struct audit_lookup *l, const char *host, struct addr *to, size_t max)
{
	if (!l->is_system)
		return 0;
	size_t n = from_hosts(l, host, AF_INET, to, max);
	return n + from_hosts(l, host, AF_INET6, to + n, max - n);
}
