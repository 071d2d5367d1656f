/*
 * Loaded before the C library: a kernel before 6.9, as far as nftables goes. A request for a table that
 * persists asks for a flag that no kernel knows instead, and is refused as an old one would refuse it.
 */

#include <arpa/inet.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PERSIST 0x4u
#define UNKNOWN 0x80000000u
#define ALIGNED(n) (((n) + 3u) & ~3u)

ssize_t sendmsg(int fd, const struct msghdr *m, int flags);

static void spoil_attributes(uint8_t *at, size_t len)
{
	struct nlattr a;
	for (; len >= sizeof(a); at += ALIGNED(a.nla_len), len -= ALIGNED(a.nla_len)) {
		uint32_t value;
		memcpy(&a, at, sizeof(a));
		if (a.nla_len < sizeof(a) || ALIGNED(a.nla_len) > len)
			return;
		if (a.nla_type != NFTA_TABLE_FLAGS || a.nla_len != sizeof(a) + sizeof(value))
			continue;
		memcpy(&value, at + sizeof(a), sizeof(value));
		if ((ntohl(value) & PERSIST) != 0)
			value = htonl(UNKNOWN);
		memcpy(at + sizeof(a), &value, sizeof(value));
	}
}

static void spoil(uint8_t *at, size_t len)
{
	const size_t head = sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg);
	struct nlmsghdr h;
	for (; len >= head; at += ALIGNED(h.nlmsg_len), len -= ALIGNED(h.nlmsg_len)) {
		memcpy(&h, at, sizeof(h));
		if (h.nlmsg_len < head || ALIGNED(h.nlmsg_len) > len)
			return;
		if (h.nlmsg_type == (NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWTABLE))
			spoil_attributes(at + head, h.nlmsg_len - head);
	}
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	int protocol = -1;
	socklen_t len = sizeof(protocol);
	if (m->msg_iovlen == 1 && getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
		protocol == NETLINK_NETFILTER)
		spoil(m->msg_iov[0].iov_base, m->msg_iov[0].iov_len);
	return syscall(SYS_sendmsg, fd, m, flags);
}
