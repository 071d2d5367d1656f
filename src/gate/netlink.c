/*
 * One netlink socket to nftables and the batch being built for it. The kernel works a batch off inside
 * sendmsg(), so every answer is there when that returns and nothing here ever waits. Only the last
 * message of a batch asks for an acknowledgement: errors come unasked, whichever message they are for.
 */

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/internal.h"

#define SOCKET_BUFFER (4 * 1024 * 1024)

int gate_nl_open(struct gate_nl *nl)
{
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int size = SOCKET_BUFFER;
	int on = 1;

	nl->seq = 0;
	nl->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
	if (nl->fd < 0)
		return -errno;
	/* Connected, the kernel is the only one who can send to it. */
	if (bind(nl->fd, (struct sockaddr *)&self, sizeof(self)) < 0 ||
		connect(nl->fd, (struct sockaddr *)&kernel, sizeof(kernel)) < 0) {
		int rc = -errno;
		gate_nl_close(nl);
		return rc;
	}
	/* Room for the errors of a whole batch. Refused in some containers: the defaults then do for
	 * all but the worst case, which is noticed (-ENOBUFS). */
	setsockopt(nl->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	setsockopt(nl->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
	setsockopt(nl->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	return 0;
}

void gate_nl_close(struct gate_nl *nl)
{
	if (nl->fd >= 0)
		close(nl->fd);
	nl->fd = -1;
}

/* Count the last message in and start the next one behind it. */
static struct nlmsghdr *append(
	struct gate_nl *nl, uint16_t type, uint16_t flags, uint8_t family, uint16_t res_id)
{
	if (nl->end != NULL)
		nl->len += (nl->end->nlmsg_len + 3u) & ~(size_t)3;
	assert(nl->len + GATE_NL_MESSAGE_LEN <= sizeof(nl->batch));
	nl->end = mnl_nlmsg_put_header(nl->batch + nl->len);
	nl->end->nlmsg_type = type;
	nl->end->nlmsg_flags = NLM_F_REQUEST | flags;
	nl->end->nlmsg_seq = ++nl->seq;
	struct nfgenmsg *nfg = mnl_nlmsg_put_extra_header(nl->end, sizeof(*nfg));
	nfg->nfgen_family = family;
	nfg->version = NFNETLINK_V0;
	nfg->res_id = htons(res_id);
	return nl->end;
}

void gate_nl_begin(struct gate_nl *nl)
{
	nl->len = 0;
	nl->end = NULL;
	append(nl, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);
	nl->first_seq = nl->seq;
}

struct nlmsghdr *gate_nl_message(struct gate_nl *nl, uint16_t type, uint16_t flags)
{
	return append(nl, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | type), flags, NFPROTO_INET, 0);
}

static int send_all(struct gate_nl *nl, uint8_t *data, size_t len)
{
	struct iovec iov = { .iov_base = data, .iov_len = len };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	do {
		n = sendmsg(nl->fd, &m, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EIO;
}

/* One datagram that is already there: its length, or -errno. */
static ssize_t receive(struct gate_nl *nl, void *to, size_t cap)
{
	struct iovec iov = { .iov_base = to, .iov_len = cap };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;
	do {
		n = recvmsg(nl->fd, &m, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? -ENOMSG : -errno;
	return (m.msg_flags & MSG_TRUNC) != 0 ? -EMSGSIZE : n;
}

/* Throw away what waits, so that the next question does not read the last one's answers. */
static void drain(struct gate_nl *nl)
{
	char buf[64];
	ssize_t n;
	do {
		n = receive(nl, buf, sizeof(buf));
	} while (n >= 0 || n == -EMSGSIZE || n == -ENOBUFS);
}

/* 0 for an acknowledgement, or the -errno in it. */
static int error_of(const struct nlmsghdr *h)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(h);
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*e) || e->error > 0)
		return -EPROTO;
	return e->error;
}

struct answers {
	uint32_t first_seq, last_seq;
	int refusal;
	bool is_done;
	gate_nl_answer *fn;
	void *arg;
};

static void read_answer(struct answers *a, const struct nlmsghdr *h)
{
	if (h->nlmsg_seq - a->first_seq > a->last_seq - a->first_seq)
		return; /* an answer to something older */
	if (h->nlmsg_type != NLMSG_ERROR) {
		if (a->fn != NULL) {
			a->fn(a->arg, h);
			a->is_done = true;
		}
		return;
	}
	int e = error_of(h);
	if (a->refusal == 0)
		a->refusal = e;
	/* An error of the first message is about the whole batch, and nothing comes after it. */
	if (h->nlmsg_seq == a->last_seq || (h->nlmsg_seq == a->first_seq && e != 0))
		a->is_done = true;
}

static int read_answers(struct gate_nl *nl, struct answers *a)
{
	_Alignas(8) char buf[4096];

	while (!a->is_done) {
		ssize_t n = receive(nl, buf, sizeof(buf));
		if (n < 0) {
			drain(nl);
			return (int)n;
		}
		int left = (int)n;
		const struct nlmsghdr *h = (const void *)buf;
		for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			read_answer(a, h);
	}
	return 0;
}

int gate_nl_commit(struct gate_nl *nl, int *ret_refusal)
{
	nl->end->nlmsg_flags |= NLM_F_ACK;
	struct answers a = { .first_seq = nl->first_seq, .last_seq = nl->seq };
	append(nl, NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES);

	int rc = send_all(nl, nl->batch, nl->len + nl->end->nlmsg_len);
	if (rc == 0)
		rc = read_answers(nl, &a);
	if (rc == 0)
		*ret_refusal = a.refusal;
	return rc;
}

int gate_nl_ask(struct gate_nl *nl, gate_nl_answer *fn, void *arg, int *ret_refusal)
{
	/* A question goes alone, without the batch header in front of it. */
	struct answers a = { .first_seq = nl->seq, .last_seq = nl->seq, .fn = fn, .arg = arg };
	int rc = send_all(nl, nl->batch + nl->len, nl->end->nlmsg_len);
	if (rc == 0)
		rc = read_answers(nl, &a);
	if (rc == 0)
		*ret_refusal = a.refusal;
	return rc;
}
