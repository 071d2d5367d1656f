#ifndef POSTERN_TEST_GATE_NETNS_H
#define POSTERN_TEST_GATE_NETNS_H

/*
 * Two network namespaces and a wire between them, made by the test and gone with its descriptors. The
 * process stands in "server" (10.99.0.1, fd99::1); peers are made in "client" (.2 to .5, ::2 to ::5).
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "test.h"

#define NET_PEER_FIRST 2
#define NET_PEER_LAST 5

/* A test on the wire, and what it begins with: only root may make the namespaces. */
#define NET_TEST(f) cmocka_unit_test_setup_teardown(f, net_setup, net_teardown)
#define NEED_ROOT(state)                                                                           \
	do {                                                                                       \
		if (*(state) == NULL)                                                              \
			skip();                                                                    \
	} while (0)

struct net {
	int home;
	int server;
	int client;
};

static inline int net_here(void)
{
	int fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static inline void net_enter(int ns)
{
	assert_int_equal(setns(ns, CLONE_NEWNET), 0);
}

/* Send one rtnetlink request and insist that it is done. */
static inline void net_request(struct nlmsghdr *h)
{
	char buf[1024];
	struct mnl_socket *s = mnl_socket_open(NETLINK_ROUTE);
	assert_non_null(s);
	assert_int_equal(mnl_socket_bind(s, 0, MNL_SOCKET_AUTOPID), 0);
	h->nlmsg_seq = 1;
	h->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	assert_true(mnl_socket_sendto(s, h, h->nlmsg_len) > 0);
	ssize_t n = mnl_socket_recvfrom(s, buf, sizeof(buf));
	assert_true(n > 0);
	if (mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(s), NULL, NULL) < 0)
		fail_msg("rtnetlink request %u refused", h->nlmsg_type);
	mnl_socket_close(s);
}

static inline void net_up(const char *name)
{
	struct ifreq r = { 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	strcpy(r.ifr_name, name);
	assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &r), 0);
	r.ifr_flags = (short)(r.ifr_flags | IFF_UP);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &r), 0);
	close(fd);
}

static inline void net_add_veth(const char *name, const char *peer, int peer_ns)
{
	_Alignas(8) char buf[1024];
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = RTM_NEWLINK;
	h->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	struct nlattr *info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "veth");
	struct nlattr *data = mnl_attr_nest_start(h, IFLA_INFO_DATA);
	struct nlattr *other = mnl_attr_nest_start(h, VETH_INFO_PEER);
	mnl_nlmsg_put_extra_header(h, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(h, IFLA_IFNAME, peer);
	mnl_attr_put_u32(h, IFLA_NET_NS_FD, (uint32_t)peer_ns);
	mnl_attr_nest_end(h, other);
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, info);
	net_request(h);
}

static inline void net_add_address(const char *name, int family, unsigned host)
{
	_Alignas(8) char buf[256];
	char text[INET6_ADDRSTRLEN];
	uint8_t address[16];
	size_t len = family == AF_INET ? 4 : 16;

	snprintf(text, sizeof(text), family == AF_INET ? "10.99.0.%u" : "fd99::%x", host);
	assert_int_equal(inet_pton(family, text, address), 1);
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	h->nlmsg_type = RTM_NEWADDR;
	h->nlmsg_flags = NLM_F_CREATE | NLM_F_EXCL;
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->ifa_family = (uint8_t)family;
	m->ifa_prefixlen = family == AF_INET ? 24 : 64;
	m->ifa_flags = IFA_F_NODAD;
	m->ifa_index = if_nametoindex(name);
	mnl_attr_put(h, IFA_LOCAL, len, address);
	mnl_attr_put(h, IFA_ADDRESS, len, address);
	net_request(h);
}

static inline void net_add_addresses(const char *name, unsigned first, unsigned last)
{
	for (unsigned host = first; host <= last; host++) {
		net_add_address(name, AF_INET, host);
		net_add_address(name, AF_INET6, host);
	}
}

/* A wire is alive when what is sent at one end is refused at the other. */
static inline void net_wait_for_wire(const struct net *n)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(9) };
	assert_int_equal(inet_pton(AF_INET6, "fd99::1", &to.sin6_addr), 1);
	net_enter(n->client);
	int rc = -1;
	for (int i = 0; i < 50 && !(rc < 0 && errno == ECONNREFUSED); i++) {
		int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
		struct timeval patience = { .tv_usec = 300000 };
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
		rc = connect(fd, (struct sockaddr *)&to, sizeof(to));
		int error = errno;
		close(fd);
		errno = error;
	}
	assert_int_equal(errno, ECONNREFUSED);
	net_enter(n->server);
}

/* For cmocka: *state becomes a struct net, or NULL when the caller is not root. */
static inline int net_setup(void **state)
{
	static struct net n;
	*state = NULL;
	if (geteuid() != 0)
		return 0;
	n.home = net_here();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	n.client = net_here();
	assert_int_equal(unshare(CLONE_NEWNET), 0);
	n.server = net_here();
	net_add_veth("srv", "cli", n.client);
	net_up("lo");
	net_up("srv");
	net_add_addresses("srv", 1, 1);
	net_enter(n.client);
	net_up("lo");
	net_up("cli");
	net_add_addresses("cli", NET_PEER_FIRST, NET_PEER_LAST);
	net_wait_for_wire(&n);
	*state = &n;
	return 0;
}

static inline int net_teardown(void **state)
{
	struct net *n = *state;
	if (n == NULL)
		return 0;
	net_enter(n->home);
	close(n->home);
	close(n->server);
	close(n->client);
	return 0;
}

#endif
