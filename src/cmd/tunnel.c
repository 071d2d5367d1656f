/*
 * One process listens, one more for each connection. Invariant: what goes wrong in a connection ends that
 * connection and nothing else; what they share is only until when gates are open.
 */

#include "cmd/tunnel.h"

#include <errno.h>
#include <jansson.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/commands.h"
#include "cmd/say.h"
#include "cmd/through_carry.h"

struct connection {
	pid_t pid; /* 0: none */
	size_t tunnel;
	char from[NI_MAXHOST + 16];
	uint64_t began_ms;
};

struct tunnel {
	struct through *way;
	struct tunnel_listeners *listeners;
	const struct knock_args *args;
	struct through_gates *gates; /* one a tunnel, shared with the connections' processes */
	int signals;
	sigset_t before; /* signal mask */
	bool is_stopped;
	size_t count;
	struct connection connections[TUNNEL_CONNECTIONS_MAX];
};

/* ------------------------------------------------------------------ what people hear */

static void tell(const struct tunnel *t, const struct connection *c, const char *event, int code)
{
	const struct through_tunnel *to = &t->args->tunnels[c->tunnel];
	char length[TIME_TEXT_MAX];
	uint32_t took_s = (uint32_t)((clock_mono_ms() - c->began_ms) / 1000);
	bool is_end = strcmp(event, "ended") == 0;

	if (t->args->is_json) {
		json_t *line = json_pack("{s:s, s:s, s:s, s:i}", "event", event, "from", c->from,
			"host", to->host, "host_port", (int)to->port);
		if (line != NULL && is_end) {
			json_object_set_new(line, "seconds", json_integer(took_s));
			json_object_set_new(line, "code", json_integer(code));
		}
		if (line != NULL)
			json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
		fflush(stdout);
		json_decref(line);
	} else if (t->args->is_verbose && is_end) {
		say_trouble("connection of %s to %s port %u ended after %s%s", c->from, to->host,
			(unsigned)to->port, duration_format(took_s, length),
			code != EXIT_DONE ? ", in trouble" : "");
	} else if (t->args->is_verbose) {
		say_trouble(
			"connection of %s to %s port %u", c->from, to->host, (unsigned)to->port);
	}
}

/* ------------------------------------------------------------------ one connection */

static int carry(const struct tunnel *t, size_t tunnel, int fd)
{
	const struct through_tunnel *to = &t->args->tunnels[tunnel];
	struct through_way way = { .fd = -1 };
	struct fault f;

	int rc = through_go(t->way, to->host, to->port, &t->gates[tunnel], &way);
	if (rc == EXIT_DONE && through_carry(&way, fd, fd, &f) < 0) {
		say_trouble("%s port %u: %s", to->host, (unsigned)to->port, f.text);
		rc = EXIT_LOCAL;
	}
	through_way_close(&way);
	return rc;
}

/* The process of one connection. It has nothing of the listening one's to clean up. */
static int be_connection(struct tunnel *t, size_t tunnel, int fd, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		return EXIT_LOCAL;
	close(t->signals);
	tunnel_close(t->listeners);
	sigprocmask(SIG_SETMASK, &t->before, NULL);
	return carry(t, tunnel, fd);
}

static struct connection *find(struct tunnel *t, pid_t pid)
{
	for (size_t i = 0; i < TUNNEL_CONNECTIONS_MAX; i++)
		if (t->connections[i].pid == pid)
			return &t->connections[i];
	return NULL;
}

static void name_peer(const struct sockaddr_storage *ss, socklen_t len, char to[NI_MAXHOST + 16])
{
	char host[NI_MAXHOST], port[8];
	bool is_known = getnameinfo((const struct sockaddr *)ss, len, host, sizeof(host), port,
				sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0;
	snprintf(to, NI_MAXHOST + 16, "%s port %s", is_known ? host : "?", is_known ? port : "?");
}

static void take(struct tunnel *t, const struct tunnel_listener *l)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);
	struct connection *c = find(t, 0);

	if (c == NULL)
		return;
	int fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_CLOEXEC);
	if (fd < 0) {
		/* Without descriptors the next one waits in the kernel, and we do not spin. */
		if (errno != EAGAIN)
			poll(NULL, 0, 100);
		return;
	}
	*c = (struct connection){ .tunnel = l->tunnel, .began_ms = clock_mono_ms() };
	name_peer(&ss, len, c->from);
	fflush(stdout);
	pid_t parent = getpid();
	pid_t pid = fork();
	if (pid == 0)
		_exit(be_connection(t, l->tunnel, fd, parent));
	if (pid < 0)
		say_trouble(
			"no process for another connection: %s; close something", strerror(errno));
	close(fd);
	if (pid < 0)
		return;
	c->pid = pid;
	t->count++;
	tell(t, c, "began", 0);
}

/* ------------------------------------------------------------------ all of them */

static void reap(struct tunnel *t)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct connection *c = find(t, pid);
		if (c == NULL)
			continue;
		tell(t, c, "ended", WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_LOCAL);
		c->pid = 0;
		t->count--;
	}
}

static void end_all(struct tunnel *t)
{
	for (size_t i = 0; i < TUNNEL_CONNECTIONS_MAX; i++)
		if (t->connections[i].pid > 0)
			kill(t->connections[i].pid, SIGTERM);
	for (size_t i = 0; i < t->args->tunnel_count; i++) {
		atomic_store(&t->gates[i].misses, 0);
		for (size_t k = 0; k < THROUGH_MAX; k++)
			atomic_store(&t->gates[i].until_ms[k], 0);
	}
}

static void take_signal(struct tunnel *t)
{
	struct signalfd_siginfo info;
	if (read(t->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	if (info.ssi_signo == SIGCHLD) {
		reap(t);
		return;
	}
	end_all(t);
	t->is_stopped |= info.ssi_signo != SIGHUP;
}

static int step(struct tunnel *t)
{
	struct pollfd p[TUNNEL_LISTENERS_MAX + 1];
	bool is_full = t->count == TUNNEL_CONNECTIONS_MAX;
	size_t count = t->listeners->count;

	/* When there are as many as may be, the next ones wait in the kernel. */
	for (size_t i = 0; i < count; i++)
		p[i] = (struct pollfd){
			.fd = is_full ? -1 : t->listeners->of[i].fd,
			.events = POLLIN,
		};
	p[count] = (struct pollfd){ .fd = t->signals, .events = POLLIN };
	if (poll(p, count + 1, -1) < 0)
		return errno == EINTR ? 0 : -errno;
	if (p[count].revents != 0)
		take_signal(t);
	for (size_t i = 0; i < count && !t->is_stopped; i++)
		if (p[i].revents != 0)
			take(t, &t->listeners->of[i]);
	return 0;
}

static int begin(struct tunnel *t)
{
	sigset_t set;
	size_t len = t->args->tunnel_count * sizeof(*t->gates);

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, &t->before) < 0)
		return -errno;
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (t->signals < 0)
		return -errno;
	void *gates = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (gates == MAP_FAILED)
		return -errno;
	t->gates = gates;
	return 0;
}

int tunnel_run(struct through *way, struct tunnel_listeners *l)
{
	struct tunnel t = { .way = way, .listeners = l, .args = way->args, .signals = -1 };

	int rc = begin(&t);
	while (rc == 0 && !t.is_stopped)
		rc = step(&t);
	if (rc < 0)
		say_trouble("the tunnel cannot go on: %s", strerror(-rc));
	if (t.gates != NULL) {
		end_all(&t);
		munmap(t.gates, t.args->tunnel_count * sizeof(*t.gates));
	}
	if (t.signals >= 0)
		close(t.signals);
	sigprocmask(SIG_SETMASK, &t.before, NULL);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}
