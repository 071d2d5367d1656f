/*
 * A door on a real kernel: two ends of a veth pair in a network namespace of our own, hand-made frames
 * in at one, sightings out at the other. Waits are for the descriptor, with a bound that only a failure
 * reaches.
 */

#include <errno.h>
#include <grp.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/frames.h"

#define WAIT_MS 5000
#define GROUP 7
#define NOBODY 65534

/* What came, oldest first. Payloads are copied. */
struct seen {
	size_t count;
	struct {
		struct sighting s;
		uint8_t payload[FRAME_LEN_MAX];
		char prefix[64];
	} at[FRAMES_MAX];
};

static struct seen seen;
static bool is_root; /* and may make namespaces */
static const struct capture_want knocks = { .udp = { FRAMES_PORT } };
static const struct capture_group group = { .group = GROUP, .copy_len = 64, .is_all = true };
static const struct capture_group other_group = {
	.group = GROUP + 1, .copy_len = 64, .is_all = true
};

static void keep(void *arg, const struct sighting *s)
{
	struct seen *to = arg;

	assert_in_range(to->count, 0, FRAMES_MAX - 1);
	assert_in_range(s->payload.len, 0, FRAME_LEN_MAX);
	to->at[to->count].s = *s;
	if (s->payload.len != 0)
		memcpy(to->at[to->count].payload, s->payload.data, s->payload.len);
	to->at[to->count].s.payload.data = to->at[to->count].payload;
	assert_in_range(s->prefix.len, 0, sizeof(to->at[0].prefix) - 1);
	memcpy(to->at[to->count].prefix, s->prefix.len != 0 ? (const char *)s->prefix.data : "",
		s->prefix.len);
	to->count++;
}

static void run(char *const argv[])
{
	pid_t pid;
	int status;

	assert_int_equal(posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status != 0)
		fail_msg("%s %s %s failed", argv[0], argv[1], argv[2]);
}

#define RUN(...) run((char *const[]){ __VA_ARGS__, NULL })

/* One of its own for each test; the last one goes with its last socket. */
static int enter_namespace(void **state)
{
	(void)state;
	is_root = geteuid() == 0 && unshare(CLONE_NEWNET) == 0;
	memset(&seen, 0, sizeof(seen));
	return 0;
}

static void need_root(void)
{
	if (!is_root)
		skip();
}

/* Only what a test sends comes in at the door: the kernel's own IPv6 chatter stays off the street. */
static void silence(const char *interface)
{
	char path[128];

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", interface);
	FILE *f = fopen(path, "we");
	if (f == NULL) /* a kernel without IPv6 is silent */
		return;
	assert_true(fputs("1", f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void make_pair(void)
{
	RUN("ip", "link", "add", "door", "address", "02:00:00:00:00:02", "type", "veth", "peer",
		"name", "street");
	silence("street");
	RUN("ip", "link", "set", "street", "up");
	RUN("ip", "link", "set", "door", "up");
}

static void remove_pair(void)
{
	RUN("ip", "link", "del", "street");
}

/*
 * Past the queue of the interface, which drops what it is given until the kernel has noticed, some time
 * later, that the other end is up.
 */
static void send_bytes(const uint8_t *bytes, size_t len)
{
	int on = 1;
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };

	to.sll_ifindex = (int)if_nametoindex("street");
	assert_int_not_equal(to.sll_ifindex, 0);
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)), 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(send(fd, bytes, len, 0), len);
	close(fd);
}

static void send_frame(const char *name)
{
	const struct frame *f = frames_find(name);

	send_bytes(f->bytes, f->len);
}

static struct capture_pcap *must_open(void)
{
	struct capture_pcap *p = NULL;
	struct fault f = { "" };

	if (capture_pcap_open("door", 3, &knocks, &p, &f) != 0)
		fail_msg("%s", f.text);
	return p;
}

/* Poll, once; any event is worth a read. */
static bool wait_fd(int fd)
{
	struct pollfd at = { .fd = fd, .events = POLLIN };

	return poll(&at, 1, WAIT_MS) == 1;
}

static bool read_until(struct capture_pcap *p, size_t count)
{
	while (seen.count < count) {
		int n = capture_pcap_read(p, 16, keep, &seen);
		if (n < 0)
			fail_msg("capture_pcap_read: %s", strerror(-n));
		if (n == 0 && !wait_fd(capture_pcap_fd(p)))
			return false;
	}
	return true;
}

static void each_frame(void **state)
{
	static const char *const sent[] = { "udp4", "udp6", "udp4-padded", "udp4-empty",
		"udp4-options", "udp4-largest", "udp6-largest", "udp6-hop", "udp6-dst",
		"udp6-route", "udp6-atomic", "udp6-ah", "udp6-all" };
	/* For the doors of their VLANs. */
	static const char *const tagged[] = { "udp4-vlan", "udp6-vlan", "udp4-qinq", "udp6-qinq",
		"udp4-qinq-old", "udp6-vlan-hop", "udp6-qinq-dst" };

	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	uint64_t before = clock_wall_ms();
	for (size_t i = 0; i < TEST_LEN(sent); i++) {
		/* What is not for the port must not arrive between. */
		send_frame("udp4-other-port");
		send_frame("tcp4-syn");
		send_frame(tagged[i % TEST_LEN(tagged)]);
		send_frame(sent[i]);
		if (!read_until(p, i + 1))
			fail_msg("%s was not seen", sent[i]);
		frames_check(sent[i], &seen.at[i].s, &frames_find(sent[i])->want);
		TEST_CASE(sent[i], seen.at[i].s.door == 3);
		/* The kernel's clock may be behind the precise one by a tick. */
		TEST_CASE(sent[i], seen.at[i].s.wall_ms + 20 >= before);
		TEST_CASE(sent[i], seen.at[i].s.wall_ms <= clock_wall_ms() + 20);
	}
	assert_int_equal(capture_pcap_counts(p)->dropped, 0);
	capture_pcap_close(p);
}

/* Attempts, each of the first ones too; what goes out of the door is none. */
static void each_attempt(void **state)
{
	static const struct capture_want want = {
		.syns = true, .all_udp = true, .icmp = true, .tcp_data = { FRAMES_PORT }
	};
	static const char *const sent[] = { "tcp4-syn", "tcp6-syn", "udp4-other-port", "udp4",
		"tcp4-syn-options", "tcp4-push", "tcp6-push", "tcp6-hop-syn", "icmp4-echo",
		"icmp6-echo" };
	static const char *const unwanted[] = { "tcp4-syn-ack", "tcp6-ack", "tcp4-ack-padded",
		"icmp4-echo-bare", "icmp6-echo-bare", "tcp4-vlan-syn" };
	struct capture_pcap *p = NULL;
	struct fault f = { "" };

	(void)state;
	need_root();
	make_pair();
	if (capture_pcap_open("door", 3, &want, &p, &f) != 0)
		fail_msg("%s", f.text);
	for (size_t i = 0; i < TEST_LEN(sent); i++) {
		send_frame(sent[i]);
		send_frame(unwanted[i % TEST_LEN(unwanted)]);
		if (!read_until(p, i + 1))
			fail_msg("%s was not seen", sent[i]);
		frames_check(sent[i], &seen.at[i].s, &frames_find(sent[i])->want);
		TEST_CASE(sent[i], seen.at[i].s.interface == if_nametoindex("door"));
	}
	while (capture_pcap_read(p, 16, keep, &seen) > 0)
		;
	assert_int_equal(seen.count, TEST_LEN(sent));
	capture_pcap_close(p);
}

static void only_inbound(void **state)
{
	const struct frame *f = frames_find("udp4");
	struct capture_pcap *p = NULL;
	struct fault fault = { "" };

	(void)state;
	need_root();
	make_pair();
	/* Seen from the sending end the frame goes out. */
	if (capture_pcap_open("street", 0, &knocks, &p, &fault) != 0)
		fail_msg("%s", fault.text);
	struct capture_pcap *in = must_open();
	send_bytes(f->bytes, f->len);
	assert_true(read_until(in, 1));
	/* The other end is not silent, but what it says is no knock. */
	int n;
	while ((n = capture_pcap_read(p, 16, keep, &seen)) > 0)
		;
	assert_int_equal(n, 0);
	assert_int_equal(seen.count, 1);
	capture_pcap_close(in);
	capture_pcap_close(p);
}

static void at_most_max(void **state)
{
	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	for (int i = 0; i < 5; i++)
		send_frame("udp4");
	/* veth delivers before send() returns. */
	assert_true(wait_fd(capture_pcap_fd(p)));
	assert_int_equal(capture_pcap_read(p, 2, keep, &seen), 2);
	assert_int_equal(seen.count, 2);
	assert_true(read_until(p, 5));
	assert_int_equal(capture_pcap_read(p, 2, keep, &seen), 0);
	assert_int_equal(capture_pcap_counts(p)->seen, 5);
	capture_pcap_close(p);
}

static void cannot_open(void **state)
{
	struct capture_pcap *p = NULL;
	struct fault f = { "" };

	(void)state;
	need_root();
	make_pair();
	assert_int_equal(capture_pcap_open("nowhere", 0, &knocks, &p, &f), -ENODEV);
	assert_non_null(strstr(f.text, "nowhere"));
	RUN("ip", "link", "set", "door", "down");
	assert_int_equal(capture_pcap_open("door", 0, &knocks, &p, &f), -ENODEV);
	assert_non_null(strstr(f.text, "down"));
	assert_null(p);
}

/* Down and up again: nothing comes, then all goes on, on the same descriptor. */
static void down_and_up(void **state)
{
	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	for (size_t i = 1; i <= 3; i++) {
		RUN("ip", "link", "set", "door", "down");
		assert_true(wait_fd(capture_pcap_fd(p)));
		for (int k = 0; k < 3; k++)
			assert_int_equal(capture_pcap_read(p, 16, keep, &seen), 0);
		RUN("ip", "link", "set", "door", "up");
		send_frame("udp6");
		assert_true(read_until(p, i));
	}
	capture_pcap_close(p);
}

/* A packet that came before the interface went is delivered before the bad news. */
static void removed(void **state)
{
	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	send_frame("udp4");
	remove_pair();
	assert_true(wait_fd(capture_pcap_fd(p)));
	assert_int_equal(capture_pcap_read(p, 16, keep, &seen), 1);
	assert_int_equal(seen.count, 1);
	int rc = 0;
	for (int i = 0; i < 3; i++) {
		rc = capture_pcap_read(p, 16, keep, &seen);
		assert_int_equal(rc, -ENODEV);
	}
	capture_pcap_close(p);
}

/* Read between down and gone: nothing wakes the descriptor a second time, but a read finds out. */
static void down_then_removed(void **state)
{
	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	RUN("ip", "link", "set", "door", "down");
	assert_true(wait_fd(capture_pcap_fd(p)));
	assert_int_equal(capture_pcap_read(p, 16, keep, &seen), 0);
	remove_pair();
	assert_int_equal(capture_pcap_read(p, 16, keep, &seen), -ENODEV);
	/* Another of the same name is not the one that was opened. */
	make_pair();
	assert_int_equal(capture_pcap_read(p, 16, keep, &seen), -ENODEV);
	capture_pcap_close(p);
}

static void drop_privilege(void)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
}

/* Waits for a child that does its part without privilege; it says 0 for good. */
static void must_succeed(pid_t child)
{
	int status = -1;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void without_privilege(void **state)
{
	(void)state;
	need_root();
	make_pair();
	struct capture_pcap *p = must_open();
	send_frame("udp4");
	pid_t child = fork();
	if (child == 0) {
		struct capture_pcap *other = NULL;
		struct fault f = { "" };
		drop_privilege();
		bool ok = capture_pcap_open("door", 0, &knocks, &other, &f) == -EPERM;
		ok = ok && read_until(p, 1) && capture_pcap_counts(p)->seen == 1;
		/* What the door can see is fixed. */
		int off = 0;
		ok = ok &&
			setsockopt(capture_pcap_fd(p), SOL_SOCKET, SO_DETACH_FILTER, &off,
				sizeof(off)) == -1;
		_exit(ok ? 0 : 1);
	}
	must_succeed(child);
	capture_pcap_close(p);
}

static void log_rule(void)
{
	RUN("nft",
		"add table inet t; add chain inet t c { type filter hook prerouting priority "
		"-301; }; add rule inet t c udp dport 62201 log group 7 snaplen 64 "
		"queue-threshold 1; add rule inet t c tcp dport 22 log group 7 snaplen 64 "
		"queue-threshold 1");
}

static bool read_log_until(struct capture_nflog *n, size_t count)
{
	while (seen.count < count) {
		int rc = capture_nflog_read(n, keep, &seen);
		if (rc < 0)
			fail_msg("capture_nflog_read: %s", strerror(-rc));
		if (seen.count < count && !wait_fd(capture_nflog_fd(n)))
			return false;
	}
	return true;
}

static struct capture_nflog *must_listen(void)
{
	struct capture_nflog *n = NULL;
	struct fault f = { "" };

	if (capture_nflog_open(&group, &n, &f) != 0)
		fail_msg("%s", f.text);
	return n;
}

/* Ports and addresses arrive; of the payload what 64 bytes hold. */
static void logged(void **state)
{
	static const struct {
		const char *name;
		size_t payload_len;
	} sent[] = {
		{ "udp4", 25 },
		{ "udp6", 16 },
		{ "udp4-largest", 36 },
		{ "tcp4-syn", 0 },
		{ "tcp6-syn", 0 },
		{ "udp6-hop", 8 },
	};

	(void)state;
	need_root();
	make_pair();
	log_rule();
	struct capture_nflog *n = must_listen();
	uint64_t before = clock_wall_ms();
	for (size_t i = 0; i < TEST_LEN(sent); i++) {
		const struct frame *f = frames_find(sent[i].name);
		struct sighting want = f->want;
		send_frame("udp4-other-port");
		send_frame(sent[i].name);
		if (!read_log_until(n, i + 1))
			fail_msg("%s was not logged", sent[i].name);
		want.payload = span_slice(want.payload, 0, sent[i].payload_len);
		frames_check(sent[i].name, &seen.at[i].s, &want);
		TEST_CASE(sent[i].name, seen.at[i].s.wall_ms + 20 >= before);
		TEST_CASE(sent[i].name, seen.at[i].s.wall_ms <= clock_wall_ms() + 20);
	}
	assert_int_equal(capture_nflog_read(n, keep, &seen), 0);
	assert_int_equal(capture_nflog_counts(n)->dropped, 0);
	capture_nflog_close(n);
}

/* A door: whole packets, only what is wanted, only from one interface, until that goes. */
static void logged_for_a_door(void **state)
{
	const struct capture_group door = { .group = GROUP,
		.door = 5,
		.copy_len = CAPTURE_SNAPLEN,
		.interface = "door",
		.want = { .udp = { FRAMES_PORT }, .syns = true } };
	struct capture_group nowhere = door, elsewhere = door;
	struct capture_nflog *n = NULL;
	struct fault f = { "" };

	(void)state;
	need_root();
	make_pair();
	RUN("nft",
		"add table inet t; add chain inet t c { type filter hook prerouting priority -301; }; "
		"add rule inet t c log group 7");
	nowhere.interface = "nowhere";
	assert_int_equal(capture_nflog_open(&nowhere, &n, &f), -ENODEV);
	if (capture_nflog_open(&door, &n, &f) != 0)
		fail_msg("%s", f.text);
	send_frame("udp4-other-port");
	send_frame("tcp4-syn");
	send_frame("udp4-largest");
	send_frame("tcp4-push");
	send_frame("icmp4-echo");
	send_frame("tcp6-syn");
	assert_true(read_log_until(n, 3));
	frames_check("tcp4-syn", &seen.at[0].s, &frames_find("tcp4-syn")->want);
	frames_check("udp4-largest", &seen.at[1].s, &frames_find("udp4-largest")->want);
	frames_check("tcp6-syn", &seen.at[2].s, &frames_find("tcp6-syn")->want);
	assert_int_equal(seen.at[0].s.door, 5);
	assert_int_equal(seen.at[0].s.interface, if_nametoindex("door"));
	assert_true(seen.at[0].s.tcp_flags == SIGHTING_SYN && seen.at[0].s.has_seq);
	assert_int_equal(capture_nflog_counts(n)->seen, 6);
	assert_int_equal(capture_nflog_counts(n)->other, 3);
	capture_nflog_close(n);
	/* The other end is an interface too, from which nothing comes here. */
	elsewhere.interface = "street";
	assert_int_equal(capture_nflog_open(&elsewhere, &n, &f), 0);
	send_frame("tcp4-syn");
	assert_true(wait_fd(capture_nflog_fd(n)));
	assert_int_equal(capture_nflog_read(n, keep, &seen), 0);
	assert_int_equal(seen.count, 3);
	remove_pair();
	assert_int_equal(capture_nflog_read(n, keep, &seen), -ENODEV);
	capture_nflog_close(n);
}

/* What the rule says of a packet, and its mark. */
static void logged_with(void **state)
{
	static const struct {
		const char *rule, *prefix;
		uint32_t mark;
	} cases[] = {
		{ "log group 7 queue-threshold 1", "", 0 },
		{ "meta mark set 0x50000007 log prefix \"cut\" group 7 queue-threshold 1", "cut",
			0x50000007 },
		{ "meta mark set 0xffffffff log group 7 queue-threshold 1", "", UINT32_MAX },
	};
	char text[256];

	(void)state;
	need_root();
	make_pair();
	struct capture_nflog *n = must_listen();
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		snprintf(text, sizeof(text),
			"add table inet t; delete table inet t; add table inet t; add chain inet t c "
			"{ type filter hook prerouting priority -301; }; add rule inet t c udp dport "
			"62201 %s",
			cases[i].rule);
		RUN("nft", text);
		send_frame("udp4");
		if (!read_log_until(n, i + 1))
			fail_msg("%s: was not logged", cases[i].rule);
		TEST_CASE(cases[i].rule, seen.at[i].s.mark == cases[i].mark);
		TEST_CASE(cases[i].rule, strcmp(seen.at[i].prefix, cases[i].prefix) == 0);
	}
	capture_nflog_close(n);
}

static void log_group_taken(void **state)
{
	struct capture_nflog *n, *second = NULL;
	struct fault f = { "" };

	(void)state;
	need_root();
	n = must_listen();
	assert_int_equal(capture_nflog_open(&group, &second, &f), -EPERM);
	assert_non_null(strstr(f.text, "log group 7"));
	assert_null(second);
	capture_nflog_close(n);
	/* Closing gave it back. */
	capture_nflog_close(must_listen());
	capture_nflog_close(NULL);
}

static void logged_without_privilege(void **state)
{
	(void)state;
	need_root();
	make_pair();
	log_rule();
	struct capture_nflog *n = must_listen();
	pid_t child = fork();
	if (child == 0) {
		struct capture_nflog *second = NULL;
		struct fault f = { "" };
		drop_privilege();
		bool ok = capture_nflog_open(&other_group, &second, &f) == -EPERM;
		ok = ok && read_log_until(n, 1);
		capture_nflog_close(n);
		_exit(ok ? 0 : 1);
	}
	send_frame("udp4");
	must_succeed(child);
	capture_nflog_close(n);
}

/* More than the socket holds: what was lost is counted and the rest still comes. */
static void log_overflow(void **state)
{
	const struct frame *f = frames_find("udp4");
	int small = 4096;

	(void)state;
	need_root();
	make_pair();
	log_rule();
	struct capture_nflog *n = must_listen();
	assert_int_equal(
		setsockopt(capture_nflog_fd(n), SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)), 0);
	for (int i = 0; i < 200; i++)
		send_bytes(f->bytes, f->len);
	assert_true(read_log_until(n, 1));
	while (capture_nflog_counts(n)->dropped == 0 && wait_fd(capture_nflog_fd(n)))
		assert_int_equal(capture_nflog_read(n, keep, &seen), 0);
	assert_true(capture_nflog_counts(n)->dropped > 0);
	size_t count = seen.count;
	send_bytes(f->bytes, f->len);
	assert_true(read_log_until(n, count + 1));
	capture_nflog_close(n);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(each_frame, enter_namespace),
		cmocka_unit_test_setup(each_attempt, enter_namespace),
		cmocka_unit_test_setup(only_inbound, enter_namespace),
		cmocka_unit_test_setup(at_most_max, enter_namespace),
		cmocka_unit_test_setup(cannot_open, enter_namespace),
		cmocka_unit_test_setup(down_and_up, enter_namespace),
		cmocka_unit_test_setup(removed, enter_namespace),
		cmocka_unit_test_setup(down_then_removed, enter_namespace),
		cmocka_unit_test_setup(without_privilege, enter_namespace),
		cmocka_unit_test_setup(logged, enter_namespace),
		cmocka_unit_test_setup(logged_with, enter_namespace),
		cmocka_unit_test_setup(logged_for_a_door, enter_namespace),
		cmocka_unit_test_setup(log_group_taken, enter_namespace),
		cmocka_unit_test_setup(logged_without_privilege, enter_namespace),
		cmocka_unit_test_setup(log_overflow, enter_namespace),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
