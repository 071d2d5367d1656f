/*
 * A kernel log group: which packet went through a gate, or what a rule says was attempted. The messages
 * are the kernel's, the packets in them are strangers'. Invariant: after it is open it only receives,
 * without privilege, into one buffer of its own.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <libnetfilter_log/libnetfilter_log.h>
#include <linux/if_packet.h>
#include <linux/netfilter/nfnetlink_log.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/internal.h"

#define MESSAGE_MAX 8192        /* the kernel's own buffers for a group are smaller */
#define QUEUE_LEN (1024 * 1024) /* bytes that may wait in the socket */
#define DATAGRAMS_A_READ 64     /* then others get their turn; the descriptor stays readable */
#define REPLY_S 2               /* the kernel answers at once, or something is very wrong */

/* libmnl aligns what it parses by the start of the message. */
union message {
	struct nlmsghdr header;
	char bytes[MESSAGE_MAX];
};

struct capture_nflog {
	struct mnl_socket *socket;
	struct capture_group group; /* its interface is not read after opening */
	unsigned interface;         /* index; 0: any */
	int presence;               /* bound to the interface, hears nothing; -1 */
	struct capture_counts counts;
	capture_seen *seen; /* of the read that is going on */
	void *arg;
	union message in;
};

static size_t configure(union message *m, const struct capture_group *g)
{
	struct nlmsghdr *h =
		nflog_nlmsg_put_header(m->bytes, NFULNL_MSG_CONFIG, AF_UNSPEC, g->group);

	/* One message, so that no packet is logged with the settings of a new group. */
	h->nlmsg_flags |= NLM_F_ACK;
	if (nflog_attr_put_cfg_cmd(h, NFULNL_CFG_CMD_BIND) < 0 ||
		nflog_attr_put_cfg_mode(h, NFULNL_COPY_PACKET, g->copy_len) < 0)
		return 0;
	mnl_attr_put_u32(h, NFULA_CFG_QTHRESH, htonl(1));
	return h->nlmsg_len;
}

/* The kernel's answer to what was configured; packets that are logged meanwhile are skipped. */
static int await_reply(struct capture_nflog *n)
{
	for (;;) {
		ssize_t len = mnl_socket_recvfrom(n->socket, n->in.bytes, sizeof(n->in.bytes));
		/* Packets that did not fit; the answer is short and stands behind them. */
		if (len < 0 && (errno == ENOSPC || errno == ENOBUFS || errno == EINTR))
			continue;
		if (len < 0)
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		if (!mnl_nlmsg_ok(&n->in.header, (int)len) ||
			n->in.header.nlmsg_type != NLMSG_ERROR)
			continue;
		if (mnl_nlmsg_get_payload_len(&n->in.header) < sizeof(struct nlmsgerr))
			return -EPROTO;
		const struct nlmsgerr *e = mnl_nlmsg_get_payload(&n->in.header);
		return e->error;
	}
}

static int set_socket(int fd)
{
	struct timeval limit = { .tv_sec = REPLY_S };
	int len = QUEUE_LEN;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0)
		return -errno;
	/* The first takes CAP_NET_ADMIN of the first user namespace, which a container lacks. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &len, sizeof(len)) != 0 &&
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &len, sizeof(len)) != 0)
		return -errno;
	return 0;
}

static int bind_group(struct capture_nflog *n)
{
	int fd = mnl_socket_get_fd(n->socket);

	int rc = set_socket(fd);
	if (rc < 0)
		return rc;
	if (mnl_socket_bind(n->socket, 0, MNL_SOCKET_AUTOPID) != 0)
		return -errno;
	size_t len = configure(&n->in, &n->group);
	if (len == 0)
		return -EMSGSIZE;
	if (mnl_socket_sendto(n->socket, &n->in, len) < 0)
		return -errno;
	rc = await_reply(n);
	if (rc < 0)
		return rc;
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		return -errno;
	return 0;
}

static void say_why(int rc, uint16_t group, struct fault *f)
{
	/* The kernel does not tell the two apart. */
	if (rc == -EPERM)
		fault_set(f,
			"log group %u: listening is not permitted; it takes CAP_NET_ADMIN, and a "
			"group that no other process listens to",
			group);
	else
		fault_set(f, "log group %u: cannot be listened to: %s", group, strerror(-rc));
}

/*
 * An interface that comes back has another index, and without privilege nobody tells us. A packet socket
 * that asks for no protocol hears nothing, but forgets its interface when that goes.
 */
static int bind_presence(struct capture_nflog *n, struct fault *f)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET };
	const char *interface = n->group.interface;

	n->interface = if_nametoindex(interface);
	if (n->interface == 0) {
		fault_set(f, "%s: there is no such interface; it may appear later", interface);
		return -ENODEV;
	}
	at.sll_ifindex = (int)n->interface;
	n->presence = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (n->presence >= 0 && bind(n->presence, (struct sockaddr *)&at, sizeof(at)) == 0)
		return 0;
	int rc = -errno;
	fault_set(f, "%s: it cannot be seen whether the interface stays: %s", interface,
		strerror(-rc));
	return rc;
}

int capture_nflog_open(const struct capture_group *g, struct capture_nflog **ret, struct fault *f)
{
	int rc = 0;

	struct capture_nflog *n = calloc(1, sizeof(*n));
	if (n == NULL) {
		fault_set(f, "log group %u: no memory to listen to it", g->group);
		return -ENOMEM;
	}
	n->group = *g;
	n->presence = -1;
	if (g->interface != NULL)
		rc = bind_presence(n, f);
	if (rc < 0)
		goto out;
	n->socket = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	rc = n->socket == NULL ? -errno : bind_group(n);
	if (rc < 0) {
		say_why(rc, g->group, f);
		goto out;
	}
	*ret = n;
	n = NULL;
out:
	capture_nflog_close(n);
	return rc;
}

/* Closing the socket also ends the binding, which by then we may not be allowed to end ourselves. */
void capture_nflog_close(struct capture_nflog *n)
{
	if (n == NULL)
		return;
	if (n->socket != NULL)
		mnl_socket_close(n->socket);
	if (n->presence >= 0)
		close(n->presence);
	free(n);
}

int capture_nflog_fd(const struct capture_nflog *n)
{
	return mnl_socket_get_fd(n->socket);
}

/* The kernel's time of the packet where it gives one, else now: it was logged a moment ago. */
static uint64_t logged_ms(const struct nlattr *stamp)
{
	struct nfulnl_msg_packet_timestamp at;

	if (stamp == NULL || mnl_attr_get_payload_len(stamp) < sizeof(at))
		return clock_wall_ms();
	struct reader r = reader_init(span_of(mnl_attr_get_payload(stamp), sizeof(at)));
	uint64_t s = reader_u64(&r);
	return s * 1000 + reader_u64(&r) / 1000;
}

/* The attributes of one packet message that matter here. */
struct logged {
	const struct nlattr *payload;
	const struct nlattr *stamp;
	const struct nlattr *mark;
	const struct nlattr *prefix;
	unsigned interface;
};

static int on_attribute(const struct nlattr *a, void *arg)
{
	struct logged *l = arg;

	if (mnl_attr_get_type(a) == NFULA_PAYLOAD)
		l->payload = a;
	else if (mnl_attr_get_type(a) == NFULA_TIMESTAMP)
		l->stamp = a;
	else if (mnl_attr_get_type(a) == NFULA_MARK)
		l->mark = a;
	else if (mnl_attr_get_type(a) == NFULA_PREFIX)
		l->prefix = a;
	else if (mnl_attr_get_type(a) == NFULA_IFINDEX_INDEV &&
		mnl_attr_get_payload_len(a) >= sizeof(uint32_t))
		l->interface = ntohl(mnl_attr_get_u32(a));
	return MNL_CB_OK;
}

static uint32_t marked(const struct nlattr *mark)
{
	if (mark == NULL || mnl_attr_get_payload_len(mark) < sizeof(uint32_t))
		return 0;
	return ntohl(mnl_attr_get_u32(mark));
}

/* Without the zero at its end. */
static struct span prefixed(const struct nlattr *prefix)
{
	if (prefix == NULL)
		return span_of(NULL, 0);
	size_t len = mnl_attr_get_payload_len(prefix);
	return span_of(mnl_attr_get_payload(prefix), strnlen(mnl_attr_get_payload(prefix), len));
}

static void deliver(struct capture_nflog *n, const struct logged *l)
{
	struct sighting s = { .door = n->group.door,
		.interface = l->interface,
		.wall_ms = logged_ms(l->stamp),
		.mark = marked(l->mark),
		.prefix = prefixed(l->prefix) };
	struct span packet =
		span_of(mnl_attr_get_payload(l->payload), mnl_attr_get_payload_len(l->payload));

	n->counts.seen++;
	enum capture_reject reason = capture_ip_decode(packet, true, &s);
	if (reason != CAPTURE_OK)
		n->counts.rejected[reason]++;
	else if ((n->interface != 0 && s.interface != n->interface) ||
		(!n->group.is_all && !capture_is_wanted(&n->group.want, &s)))
		n->counts.other++;
	else
		n->seen(n->arg, &s);
}

static int on_message(const struct nlmsghdr *h, void *arg)
{
	struct logged l = { 0 };

	if (h->nlmsg_type != (NFNL_SUBSYS_ULOG << 8 | NFULNL_MSG_PACKET))
		return MNL_CB_OK;
	if (mnl_attr_parse(h, sizeof(struct nfgenmsg), on_attribute, &l) == MNL_CB_OK &&
		l.payload != NULL)
		deliver(arg, &l);
	return MNL_CB_OK;
}

/* One datagram into n->in; its length, 0 when none waits, or -errno. */
static ssize_t receive(struct capture_nflog *n)
{
	struct sockaddr_nl from = { 0 };
	socklen_t from_len = sizeof(from);
	ssize_t len;

	len = recvfrom(mnl_socket_get_fd(n->socket), n->in.bytes, sizeof(n->in.bytes), MSG_TRUNC,
		(struct sockaddr *)&from, &from_len);
	if (len < 0)
		return -errno;
	/* Only the kernel speaks here. */
	if (from.nl_pid != 0)
		return 0;
	return len;
}

static bool is_gone(const struct capture_nflog *n)
{
	struct sockaddr_ll at = { 0 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (n->presence < 0 || getsockname(n->presence, (struct sockaddr *)&ss, &len) != 0)
		return false;
	memcpy(&at, &ss, sizeof(at));
	return at.sll_ifindex == -1;
}

/* All that waits, or a bound. 0 or -errno. */
static int drain(struct capture_nflog *n)
{
	for (int i = 0; i < DATAGRAMS_A_READ; i++) {
		ssize_t len = receive(n);
		if (len == -EAGAIN)
			return 0;
		if (len == -EINTR)
			continue;
		if (len < 0 && len != -ENOBUFS)
			return (int)len;
		/* No room in the socket, or a datagram longer than the kernel makes them. */
		if (len < 0 || (size_t)len > sizeof(n->in.bytes)) {
			n->counts.dropped++;
			continue;
		}
		if (mnl_cb_run(n->in.bytes, (size_t)len, 0, 0, on_message, n) < 0)
			return -errno;
	}
	return 0;
}

int capture_nflog_read(struct capture_nflog *n, capture_seen *seen, void *arg)
{
	n->seen = seen;
	n->arg = arg;
	int rc = drain(n);
	return rc == 0 && is_gone(n) ? -ENODEV : rc;
}

const struct capture_counts *capture_nflog_counts(const struct capture_nflog *n)
{
	return &n->counts;
}
