/*
 * The relay process: born when a configuration has a passthru, told each configuration anew, and given a
 * channel to each knock process. Invariant: it outlives generations and reloads; its own death is nobody
 * else's.
 */

#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/monitor_internal.h"
#include "daemon/place.h"
#include "daemon/resolve.h"
#include "relay/relayd.h"

#define RESOLVE_EVERY_MS 60000
#define RESOLVE_AGAIN_MS 5000 /* while a host has no address: at boot the network comes after us */
#define RESOLVE_WAIT_MS 2000  /* at a start: connections may come at once */
#define LEAVE_MS 2000         /* for the last connections to be judged, and cut */
#define STOP_MARGIN_MS 3000
#define DESCRIPTORS_LEAST 16384

static uint8_t buffer[RELAY_LEN_MAX];

/* ------------------------------------------------------------------ addresses */

static struct monitor_host *find_host(struct monitor *m, const char *host)
{
	for (size_t i = 0; i < m->relay.host_count; i++)
		if (strcasecmp(m->relay.hosts[i].host, host) == 0)
			return &m->relay.hosts[i];
	return NULL;
}

static void fill_addresses(struct monitor *m, const struct config_passthru *p, struct relay_msg *to)
{
	const struct monitor_host *h = find_host(m, p->host);
	if (!resolve_is_needed(p)) {
		to->addr_count = 1;
		to->addrs[0] = p->addr;
	} else if (h != NULL) {
		to->addr_count = h->count;
		memcpy(to->addrs, h->addrs, sizeof(to->addrs));
	}
}

static void resolver_end(struct monitor *m)
{
	struct child *c = &m->relay.resolver;
	if (c->pid != 0) {
		kill(c->pid, SIGKILL);
		waitpid(c->pid, NULL, 0);
	}
	monitor_child_forget(c);
}

/* Those of the configuration stay, so that a reload need not wait for their addresses. */
static void trim_hosts(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	const struct config *c = m->boot->config;
	struct monitor_host kept[CONFIG_PASSTHRUS_MAX];
	size_t n = 0;
	for (size_t i = 0; i < r->host_count; i++) {
		bool is_named = false;
		for (size_t j = 0; j < c->passthru_count; j++)
			is_named =
				is_named || strcasecmp(c->passthrus[j].host, r->hosts[i].host) == 0;
		if (is_named)
			kept[n++] = r->hosts[i];
	}
	memcpy(r->hosts, kept, n * sizeof(kept[0]));
	r->host_count = n;
}

void monitor_relay_resolve(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	const struct config *c = m->boot->config;
	struct priv_user user;
	struct fault f;
	int fd = -1;
	resolver_end(m);
	r->asked = m->boot;
	trim_hosts(m);
	r->resolve_at_mono_ms = 0;
	if (!resolve_is_needed_for_any(c))
		return;
	r->resolve_at_mono_ms = clock_mono_ms() + RESOLVE_EVERY_MS;
	int rc = priv_user_find(c->server.user, &user, &f);
	if (rc == 0)
		rc = monitor_fork_child(&r->resolver, &fd);
	if (rc < 0)
		log_warn("hosts of passthrus cannot be looked up now: %s", strerror(-rc));
	if (rc != 0)
		return;
	const int keep[] = { fd };
	boot_forget_keys(m->boot);
	monitor_child_settle(m, "posternd: resolve", keep, 1);
	monitor_name_process("posternd: resolve");
	_exit(resolve_run(c, &user, fd));
}

/* The relay process hears of what changed. One that cannot be told has died, or is about to. */
static void tell_target(struct monitor *m, const struct config_passthru *p)
{
	struct relay_msg msg = { .type = RELAY_TARGET };
	if (m->relay.child.pid == 0 || m->relay.told != m->boot)
		return;
	snprintf(msg.passthru, sizeof(msg.passthru), "%s", p->name);
	fill_addresses(m, p, &msg);
	int rc = relay_msg_send(m->relay.child.fd, &msg, -1);
	if (rc < 0)
		log_warn("passthru %s: the relay process was not told its addresses: %s", p->name,
			strerror(-rc));
}

/* What was heard last stays when nobody answers: a name server that is down must not end passthrus. */
static void take_answer(struct monitor *m, const struct resolve_answer *a)
{
	struct monitor_relay *r = &m->relay;
	const struct config_passthru *p = &m->boot->config->passthrus[a->index];
	struct monitor_host *h = find_host(m, p->host);
	if (h == NULL) {
		h = &r->hosts[r->host_count++];
		*h = (struct monitor_host){ .count = 0 };
		snprintf(h->host, sizeof(h->host), "%s", p->host);
	}
	if (a->count == 0) {
		if (!h->is_told)
			log_warn("passthru %s: no address of %s can be found%s", p->name, p->host,
				h->count > 0 ? "; those known before are used"
					     : "; nobody is let through until there is one");
		h->is_told = true;
		if (h->count == 0)
			r->resolve_at_mono_ms = clock_mono_ms() + RESOLVE_AGAIN_MS;
		return;
	}
	if (h->is_told)
		log_info("passthru %s: %s has an address again", p->name, p->host);
	h->is_told = false;
	if (a->count == h->count && memcmp(a->addrs, h->addrs, sizeof(h->addrs)) == 0)
		return;
	h->count = a->count;
	memcpy(h->addrs, a->addrs, sizeof(h->addrs));
	for (size_t i = 0; i < m->boot->config->passthru_count; i++)
		if (strcasecmp(m->boot->config->passthrus[i].host, h->host) == 0)
			tell_target(m, &m->boot->config->passthrus[i]);
}

void monitor_relay_resolved(struct monitor *m)
{
	uint8_t data[RESOLVE_ANSWER_MAX + 1];
	struct resolve_answer a;
	ssize_t n;
	/* After a roll-back its numbers mean other hosts. */
	if (m->relay.asked != m->boot) {
		resolver_end(m);
		return;
	}
	while ((n = read(m->relay.resolver.fd, data, sizeof(data))) > 0) {
		if (!resolve_decode(span_of(data, (size_t)n), m->boot->config, &a)) {
			log_error("what looks up hosts of passthrus said what is no answer");
			n = 0;
			break;
		}
		take_answer(m, &a);
	}
	if (n == 0 || errno != EAGAIN)
		resolver_end(m);
}

/* ------------------------------------------------------------------ the process */

static uint32_t descriptors_max(const struct config *c)
{
	/* Two sockets a connection, and one for knocks that it brings along. */
	uint32_t n = 3 * c->server.relay_connections_max + 1024;
	struct rlimit limit;
	if (n < DESCRIPTORS_LEAST)
		n = DESCRIPTORS_LEAST;
	if (!priv_has_caps(1ull << CAP_SYS_RESOURCE) && getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
		limit.rlim_max < n)
		n = (uint32_t)limit.rlim_max;
	return n;
}

static int fork_relay(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	struct relayd_start s = { .descriptors_max = descriptors_max(m->boot->config) };
	struct fault f;
	int rc = priv_user_find(m->boot->config->server.user, &s.user, &f);
	if (rc == 0)
		rc = monitor_fork_child(&r->child, &s.monitor);
	if (rc < 0)
		return rc;
	if (rc > 0) {
		r->began_mono_ms = clock_mono_ms();
		return 0;
	}
	const int keep[] = { s.monitor };
	monitor_child_settle(m, "posternd: relay", keep, 1);
	/* It is told what it has to know; nothing else of the configuration is its business. */
	boot_free(m->boot);
	m->boot = NULL;
	monitor_name_process("posternd: relay");
	_exit(relayd_run(&s));
}

static void retry_later(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	uint64_t now = clock_mono_ms();
	if (r->backoff_ms == 0 || now - r->began_mono_ms > HEALTHY_MS)
		r->backoff_ms = BACKOFF_MIN_MS;
	else
		r->backoff_ms =
			r->backoff_ms * 2 < BACKOFF_MAX_MS ? r->backoff_ms * 2 : BACKOFF_MAX_MS;
	r->retry_at_mono_ms = now + r->backoff_ms;
}

static void end_child(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	if (r->child.pid != 0) {
		kill(r->child.pid, SIGKILL);
		waitpid(r->child.pid, NULL, 0);
	}
	monitor_child_forget(&r->child);
	r->told = NULL;
	r->is_leaving = false;
}

/* It is dead, or must be. */
static void lost(struct monitor *m)
{
	bool was_leaving = m->relay.is_leaving;
	end_child(m);
	if (was_leaving)
		return;
	log_error("the relay process ended unexpectedly, and with it the connections through "
		  "passthrus; starting it anew");
	retry_later(m);
}

static int tell_passthru(struct monitor *m, const struct config_passthru *p)
{
	struct relay_msg msg = {
		.type = RELAY_PASSTHRU,
		.port = p->port,
		.encrypt = p->encrypt,
		.speaks = (uint8_t)p->speaks,
		.client = p->client,
		.inner = p->inner,
		.knock = p->knock,
		.passthru_connections_max = p->connections_max,
		.name_connections_max = p->name_connections_max,
		.idle_s = p->idle_s,
	};
	int fd = monitor_listen_on(m, p);
	if (fd < 0)
		return 0;
	snprintf(msg.passthru, sizeof(msg.passthru), "%s", p->name);
	snprintf(msg.host, sizeof(msg.host), "%s", p->host);
	fill_addresses(m, p, &msg);
	return relay_msg_send(m->relay.child.fd, &msg, fd);
}

static int tell_identity(struct monitor *m)
{
	const struct relay_keys *k = m->boot->relay;
	struct relay_msg msg = { .type = RELAY_IDENTITY };
	if (k == NULL)
		return 0;
	memcpy(msg.seed, k->seed, sizeof(msg.seed));
	msg.chain = span_of(k->chain, k->chain_len);
	int rc = relay_msg_send(m->relay.child.fd, &msg, -1);
	relay_msg_wipe(&msg);
	return rc;
}

static int tell_all(struct monitor *m)
{
	const struct config *c = m->boot->config;
	struct relay_msg begin = { .type = RELAY_BEGIN,
		.connections_max = c->server.relay_connections_max };
	struct relay_msg commit = { .type = RELAY_COMMIT };
	int rc = relay_msg_send(m->relay.child.fd, &begin, -1);
	if (rc == 0)
		rc = tell_identity(m);
	for (size_t i = 0; i < c->passthru_count && rc == 0; i++)
		rc = tell_passthru(m, &c->passthrus[i]);
	return rc == 0 ? relay_msg_send(m->relay.child.fd, &commit, -1) : rc;
}

/* Addresses that are on their way, for a moment. */
static void await_addresses(struct monitor *m)
{
	uint64_t until = clock_mono_ms() + RESOLVE_WAIT_MS;
	while (m->relay.resolver.pid != 0) {
		uint64_t now = clock_mono_ms();
		struct pollfd p = { .fd = m->relay.resolver.fd, .events = POLLIN };
		if (now >= until || poll(&p, 1, (int)(until - now)) <= 0)
			return;
		monitor_relay_resolved(m);
	}
}

void monitor_relay_begin(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	bool is_needed = m->boot->config->passthru_count > 0;
	struct fault f;
	int rc = 0;
	if (is_needed && r->is_leaving)
		end_child(m);
	if ((!is_needed && r->child.pid == 0) || clock_mono_ms() < r->retry_at_mono_ms ||
		(r->child.pid != 0 && r->told == m->boot))
		goto out;
	r->retry_at_mono_ms = 0;
	/* A configuration that comes back after a trial was not asked whether its ports are free. */
	if (monitor_listen_bind(m, m->boot->config, &f) < 0)
		log_error("%s", f.text);
	if (r->child.pid == 0)
		rc = fork_relay(m);
	await_addresses(m);
	if (rc == 0)
		rc = tell_all(m);
	r->told = m->boot;
	if (rc < 0) {
		log_error("the relay process did not start: %s; trying again", strerror(-rc));
		end_child(m);
		retry_later(m);
	}
out:
	if (!is_needed)
		r->retry_at_mono_ms = 0;
	monitor_listen_trim(m);
}

void monitor_relay_connect(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	struct relay_msg channel = { .type = RELAY_CHANNEL };
	struct relay_msg stop = { .type = RELAY_STOP, .grace_ms = LEAVE_MS };
	struct msg relay = { .type = MSG_RELAY };
	int pair[2];
	if (r->child.pid == 0 || r->is_leaving)
		return;
	int rc = priv_channel(pair);
	if (rc == 0) {
		rc = relay_msg_send(r->child.fd, &channel, pair[0]);
		if (rc == 0)
			rc = msg_send_with(m->now.knock.fd, &relay, &pair[1], 1);
		close(pair[0]);
		close(pair[1]);
	}
	if (rc < 0)
		log_error("knock and relay process were not connected: %s", strerror(-rc));
	if (m->boot->config->passthru_count > 0)
		return;
	r->is_leaving = true;
	if (relay_msg_send(r->child.fd, &stop, -1) < 0)
		end_child(m);
}

void monitor_relay_heard(struct monitor *m)
{
	struct relay_msg msg;
	int fd = -1;
	int rc =
		relay_msg_receive(m->relay.child.fd, RELAY_RELAY, RELAY_MONITOR, buffer, &msg, &fd);
	if (rc == -EAGAIN)
		return;
	if (rc <= 0) {
		lost(m);
	} else if (msg.type == RELAY_TAKEN && msg.result < 0) {
		log_error("the relay process did not take the configuration: %s", msg.text);
		lost(m);
	}
}

void monitor_relay_broken(struct monitor *m)
{
	if (m->relay.child.pid == 0)
		return;
	log_error("the relay process says what is no message");
	lost(m);
}

void monitor_relay_reap(struct monitor *m)
{
	int ignored = 0;
	if (monitor_child_ended(&m->relay.child, &ignored))
		lost(m);
	/* What it said before it ended waits to be read. */
	struct child *c = &m->relay.resolver;
	if (c->pid != 0 && waitpid(c->pid, NULL, WNOHANG) == c->pid) {
		c->pid = 0;
		monitor_relay_resolved(m);
		monitor_child_forget(c);
	}
}

uint64_t monitor_relay_due_mono_ms(const struct monitor *m)
{
	const struct monitor_relay *r = &m->relay;
	uint64_t retry = m->now.knock.pid != 0 ? r->retry_at_mono_ms : 0;
	if (retry == 0 || r->resolve_at_mono_ms == 0)
		return retry != 0 ? retry : r->resolve_at_mono_ms;
	return retry < r->resolve_at_mono_ms ? retry : r->resolve_at_mono_ms;
}

void monitor_relay_look(struct monitor *m, uint64_t now_mono_ms)
{
	struct monitor_relay *r = &m->relay;
	if (r->retry_at_mono_ms != 0 && now_mono_ms >= r->retry_at_mono_ms &&
		m->now.knock.pid != 0) {
		monitor_relay_begin(m);
		monitor_relay_connect(m);
	}
	if (r->resolve_at_mono_ms != 0 && now_mono_ms >= r->resolve_at_mono_ms)
		monitor_relay_resolve(m);
}

/* ------------------------------------------------------------------ the end */

/* True when somebody wants it to be over now. */
static bool is_hurried(const struct monitor *m)
{
	struct signalfd_siginfo info;
	while (read(m->signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			return true;
	return false;
}

/* systemd's own limit may be shorter. */
static void ask_for_time(uint64_t ms)
{
	char text[96];
	snprintf(text, sizeof(text), "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu",
		(unsigned long long)ms * 1000);
	place_notify(text);
}

static void await_end(struct monitor *m, uint64_t grace_ms)
{
	struct child *c = &m->relay.child;
	uint64_t until = clock_mono_ms() + grace_ms + STOP_MARGIN_MS;
	for (;;) {
		uint64_t now = clock_mono_ms();
		struct pollfd p[] = { { .fd = m->signals, .events = POLLIN },
			{ .fd = c->fd, .events = POLLIN } };
		if (waitpid(c->pid, NULL, WNOHANG) == c->pid) {
			c->pid = 0;
			return;
		}
		if (now >= until || poll(p, 2, (int)(until - now)) < 0)
			return;
		if (p[0].revents != 0 && is_hurried(m))
			return;
		/* Its last words; at their end it is about to be gone. */
		if (p[1].revents != 0 && read(c->fd, buffer, sizeof(buffer)) <= 0)
			poll(NULL, 0, 1);
	}
}

void monitor_relay_stop(struct monitor *m)
{
	struct monitor_relay *r = &m->relay;
	struct relay_msg stop = { .type = RELAY_STOP };
	resolver_end(m);
	r->resolve_at_mono_ms = 0;
	if (r->child.pid == 0)
		return;
	uint64_t grace_ms = m->boot->config->server.relay_grace_s * 1000ull;
	stop.grace_ms = (uint32_t)grace_ms;
	ask_for_time(grace_ms + 2ull * STOP_MARGIN_MS + BACKOFF_MAX_MS);
	/* No more come. */
	monitor_listen_end(m);
	if (relay_msg_send(r->child.fd, &stop, -1) == 0)
		await_end(m, grace_ms);
	end_child(m);
}
