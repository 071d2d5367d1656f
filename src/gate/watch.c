/*
 * Who else changes our table. Where the kernel knows owners, nobody can while this process lives; on
 * others this is how a flush is noticed. Invariant: of changes that others made to tables, chains, rules,
 * sets and objects of ours none goes unnoticed, and what was missed for want of room is asked for.
 *
 * Elements are not looked at here: they change with every knock. A filter keeps datagrams that begin with
 * one from waking this process; what else such a datagram holds is found by gate_check() at the next beat.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gate/internal.h"

#define EVENT_MAX 16384
#define READS_MAX 64

/* Of a datagram, the low byte of its first message's type: whatever the machine's order, the type is one
 * of ours, whose high byte is NFNL_SUBSYS_NFTABLES. */
static int filter(int fd)
{
	const unsigned low = 4 + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, low),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NFT_MSG_NEWSETELEM, 3, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NFT_MSG_DELSETELEM, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NFT_MSG_NEWGEN, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = { sizeof(code) / sizeof(code[0]), code };
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

int gate_watch_open(void)
{
	const int group = NFNLGRP_NFTABLES;
	struct sockaddr_nl self = { .nl_family = AF_NETLINK };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 || filter(fd) < 0 ||
		setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) < 0) {
		int rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

enum change { CHANGE_NONE, CHANGE_FLAGS, CHANGE_CONTENT };

/* An attribute of this number names the table in every type of message here. */
static int read_name(const struct nlattr *attr, void *arg)
{
	bool *is_ours = arg;
	if (mnl_attr_get_type(attr) == NFTA_TABLE_NAME &&
		mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0)
		*is_ours = strcmp(mnl_attr_get_str(attr), GATE_TABLE) == 0;
	return MNL_CB_OK;
}

/* What a message is about. */
static enum change change_of(const struct nlmsghdr *h)
{
	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
		mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
		return CHANGE_NONE;
	bool is_ours = false;
	mnl_attr_parse(h, sizeof(struct nfgenmsg), read_name, &is_ours);
	if (!is_ours)
		return CHANGE_NONE;
	switch (h->nlmsg_type & 0xff) {
	case NFT_MSG_NEWTABLE:
		return CHANGE_FLAGS;
	case NFT_MSG_NEWSETELEM:
	case NFT_MSG_DELSETELEM:
		return CHANGE_NONE;
	default:
		return CHANGE_CONTENT;
	}
}

/* The gravest change in one datagram. -errno when there is none. */
static int read_one(int fd, enum change *ret)
{
	_Alignas(8) uint8_t buf[EVENT_MAX];
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = buf, .iov_len = sizeof(buf) };
	struct msghdr m = {
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = &iov, .msg_iovlen = 1
	};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT);
	if (n < 0)
		return -errno;
	if (from.nl_pid != 0)
		return 0; /* the kernel alone is heard */
	if ((m.msg_flags & MSG_TRUNC) != 0)
		*ret = *ret > CHANGE_FLAGS ? *ret : CHANGE_FLAGS;
	int left = (int)n;
	const struct nlmsghdr *h = (const void *)buf;
	for (; mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left)) {
		enum change c = change_of(h);
		*ret = c > *ret ? c : *ret;
	}
	return 0;
}

int gate_watch_fd(const struct gate *g)
{
	return g->watch;
}

bool gate_watch_read(struct gate *g, const struct config *c)
{
	enum change change = CHANGE_NONE;
	bool is_lost = false;
	for (int i = 0; i < READS_MAX && change != CHANGE_CONTENT; i++) {
		int rc = read_one(g->watch, &change);
		if (rc == -EAGAIN)
			break;
		if (rc == -ENOBUFS && change == CHANGE_NONE)
			change = CHANGE_FLAGS;
	}
	if (change == CHANGE_CONTENT)
		return true;
	if (change == CHANGE_FLAGS && gate_check(g, c, &is_lost) < 0)
		return false;
	return is_lost;
}

int gate_check(struct gate *g, const struct config *c, bool *ret_is_lost)
{
	struct gate_table t = { 0 };
	int refusal;
	int rc = gate_table_find(&g->nl, GATE_TABLE, &t, &refusal);
	if (rc < 0 || refusal < 0)
		return rc < 0 ? rc : refusal;
	bool is_lost = !t.is_there || (t.flags & GATE_TABLE_DORMANT) != 0 ||
		strcmp(t.version, g->version) != 0;
	if (!is_lost && !g->is_owned) {
		gate_nl_begin(&g->nl);
		gate_elements_guard(&g->nl, c);
		rc = gate_nl_commit(&g->nl, &refusal);
		if (rc < 0)
			return rc;
		is_lost = refusal == -ENOENT;
	}
	*ret_is_lost = is_lost;
	return 0;
}
