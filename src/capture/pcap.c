/*
 * A door on a network interface or a saved capture, through libpcap. Invariant: once open it needs no
 * privilege, opens nothing by name and allocates nothing, and a sighting is something it was asked for.
 */

#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "capture/internal.h"

/*
 * The kernel keeps what comes while we are busy, which recording a knock on a disk can be for tens of
 * milliseconds, and gives each packet a place as long as the snap length allows. Where knocks are
 * attempts anybody can send 100,000 a second: the room is for a tenth of a second of them at least.
 * Places for attempts alone need not be long; headers fit.
 */
#define BUFFER_LEN (4 * 1024 * 1024)
#define BUFFER_ATTEMPTS_LEN (8 * 1024 * 1024)
#define BUFFER_BOTH_LEN (24 * 1024 * 1024)
#define SNAPLEN_ATTEMPTS 256

struct capture_pcap {
	pcap_t *pcap;
	bool is_live;
	char name[IFNAMSIZ]; /* of the interface when it was opened; empty: no one interface */
	int link;
	uint16_t door;
	unsigned interface; /* index; of a file 0 */
	struct capture_want want;
	u_int kernel_dropped; /* as last read; wraps */
	struct capture_counts counts;
};

/* One delivery: what the callback of libpcap has to know. */
struct delivery {
	struct capture_pcap *door;
	capture_seen *seen;
	void *arg;
};

static int set_filter(struct capture_pcap *p, const char *name, struct fault *f)
{
	char text[CAPTURE_FILTER_MAX];
	struct bpf_program program = { 0 };
	int rc = 0;

	capture_want_filter(&p->want, p->link, text);
	if (pcap_compile(p->pcap, &program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
		fault_set(f, "%s: no filter can be made for it: %s", name, pcap_geterr(p->pcap));
		return -EPROTONOSUPPORT;
	}
	if (pcap_setfilter(p->pcap, &program) != 0) {
		fault_set(f, "%s: its filter cannot be set: %s", name, pcap_geterr(p->pcap));
		rc = -EIO;
	}
	pcap_freecode(&program);
	return rc;
}

/* What holds for interfaces and files alike: the link layer must be known, the filter set. */
static int prepare(struct capture_pcap *p, const char *name, struct fault *f)
{
	p->link = pcap_datalink(p->pcap);
	if (!capture_link_is_known(p->link)) {
		const char *link = pcap_datalink_val_to_name(p->link);
		fault_set(f,
			"%s: packets come with link layer %s, which is not understood; name an "
			"Ethernet or IP interface",
			name, link != NULL ? link : "unknown");
		return -EPROTONOSUPPORT;
	}
	return set_filter(p, name, f);
}

static int activation_failed(int status, const char *interface, pcap_t *pcap, struct fault *f)
{
	switch (status) {
	case PCAP_ERROR_NO_SUCH_DEVICE:
		fault_set(f, "%s: there is no such interface; it may appear later", interface);
		return -ENODEV;
	case PCAP_ERROR_IFACE_NOT_UP:
		fault_set(f, "%s: the interface is down; it may come up later", interface);
		return -ENODEV;
	case PCAP_ERROR_PERM_DENIED:
	case PCAP_ERROR_PROMISC_PERM_DENIED:
		fault_set(f, "%s: capturing is not permitted; it takes CAP_NET_RAW", interface);
		return -EPERM;
	default:
		fault_set(f, "%s: capturing cannot begin: %s: %s", interface,
			pcap_statustostr(status), pcap_geterr(pcap));
		return -EIO;
	}
}

/* Snap length and buffer for what is wanted. These fail only on a handle that is active already. */
static int set_room(pcap_t *pcap, const struct capture_want *w)
{
	bool has_whole = w->udp[0] != 0 || w->tcp_data[0] != 0 || w->icmp;
	bool has_attempts = w->syns || w->all_udp;
	int snaplen = has_whole || !has_attempts ? CAPTURE_SNAPLEN : SNAPLEN_ATTEMPTS;
	int buffer = !has_attempts ? BUFFER_LEN : has_whole ? BUFFER_BOTH_LEN : BUFFER_ATTEMPTS_LEN;

	if (pcap_set_snaplen(pcap, snaplen) != 0 || pcap_set_buffer_size(pcap, buffer) != 0)
		return -EINVAL;
	return 0;
}

static int activate(
	pcap_t *pcap, const char *interface, const struct capture_want *want, struct fault *f)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	int on = 1;

	int rc = set_room(pcap, want);
	if (rc < 0 || pcap_set_promisc(pcap, 0) != 0 || pcap_set_immediate_mode(pcap, 1) != 0)
		return -EINVAL;
	int status = pcap_activate(pcap); /* above 0: a warning */
	if (status < 0)
		return activation_failed(status, interface, pcap, f);
	if (pcap_setdirection(pcap, PCAP_D_IN) != 0) {
		fault_set(f, "%s: inbound packets cannot be told from outbound ones: %s", interface,
			pcap_geterr(pcap));
		return -EIO;
	}
	/* libpcap drops what goes out, but only here; since Linux 4.20 the kernel need not show it to us. */
	(void)setsockopt(pcap_fileno(pcap), SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
	if (pcap_setnonblock(pcap, 1, text) != 0) {
		fault_set(f, "%s: capturing cannot be made non-blocking: %s", interface, text);
		return -EIO;
	}
	return 0;
}

/* A process that loses itself to a packet must not widen what it can see. */
static int lock_filter(const struct capture_pcap *p, const char *interface, struct fault *f)
{
	int on = 1;

	if (setsockopt(pcap_fileno(p->pcap), SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on)) == 0)
		return 0;
	int rc = -errno;
	fault_set(f, "%s: the filter cannot be locked: %s", interface, strerror(-rc));
	return rc;
}

/* The index of the interface that the socket is bound to; 0: all of them, -1: one that is gone. */
static int bound_to(const struct capture_pcap *p)
{
	struct sockaddr_ll at = { 0 };
	struct sockaddr_storage ss = { 0 };
	socklen_t len = sizeof(ss);

	if (getsockname(pcap_fileno(p->pcap), (struct sockaddr *)&ss, &len) != 0)
		return 0;
	memcpy(&at, &ss, sizeof(at));
	return at.sll_ifindex;
}

/* Empty where there is no one name. */
static void name_now(const struct capture_pcap *p, char to[IFNAMSIZ])
{
	struct ifreq r = { .ifr_ifindex = bound_to(p) };

	to[0] = '\0';
	if (r.ifr_ifindex > 0 && ioctl(pcap_fileno(p->pcap), SIOCGIFNAME, &r) == 0)
		memcpy(to, r.ifr_name, IFNAMSIZ);
}

static struct capture_pcap *door_new(uint16_t door, const struct capture_want *want, bool is_live)
{
	struct capture_pcap *p = calloc(1, sizeof(*p));

	if (p == NULL)
		return NULL;
	p->door = door;
	p->want = *want;
	p->is_live = is_live;
	return p;
}

int capture_pcap_open(const char *interface, uint16_t door, const struct capture_want *want,
	struct capture_pcap **ret, struct fault *f)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	int rc;

	struct capture_pcap *p = door_new(door, want, true);
	if (p == NULL) {
		fault_set(f, "%s: no memory to capture from it", interface);
		return -ENOMEM;
	}
	p->pcap = pcap_create(interface, text);
	if (p->pcap == NULL) {
		rc = -EIO;
		fault_set(f, "%s: cannot be captured from: %s", interface, text);
		goto out;
	}
	rc = activate(p->pcap, interface, want, f);
	if (rc < 0)
		goto out;
	rc = prepare(p, interface, f);
	if (rc < 0)
		goto out;
	rc = lock_filter(p, interface, f);
	if (rc < 0)
		goto out;
	/* Not what it was opened by: interfaces have other names beside their own. */
	name_now(p, p->name);
	p->interface = if_nametoindex(interface);
	*ret = p;
	p = NULL;
out:
	capture_pcap_close(p);
	return rc;
}

int capture_pcap_open_file(const char *path, uint16_t door, const struct capture_want *want,
	struct capture_pcap **ret, struct fault *f)
{
	char text[PCAP_ERRBUF_SIZE] = "";
	int rc;

	struct capture_pcap *p = door_new(door, want, false);
	if (p == NULL) {
		fault_set(f, "%s: no memory to read it", path);
		return -ENOMEM;
	}
	/* Opened here: libpcap would take "-" for standard input and hides the reason of a failure. */
	FILE *file = fopen(path, "rbe");
	if (file == NULL) {
		rc = -errno;
		fault_set(f, "%s: cannot be read: %s", path, strerror(-rc));
		goto out;
	}
	p->pcap = pcap_fopen_offline(file, text);
	if (p->pcap == NULL) {
		rc = -EBADMSG;
		fault_set(f, "%s: not a saved capture: %s", path, text);
		goto out;
	}
	file = NULL; /* belongs to the handle now */
	rc = prepare(p, path, f);
	if (rc < 0)
		goto out;
	*ret = p;
	p = NULL;
out:
	if (file != NULL)
		fclose(file);
	capture_pcap_close(p);
	return rc;
}

void capture_pcap_close(struct capture_pcap *p)
{
	if (p == NULL)
		return;
	if (p->pcap != NULL)
		pcap_close(p->pcap);
	free(p);
}

int capture_pcap_fd(const struct capture_pcap *p)
{
	return p->is_live ? pcap_get_selectable_fd(p->pcap) : -1;
}

static uint64_t to_ms(const struct timeval *tv)
{
	if (tv->tv_sec < 0 || tv->tv_usec < 0)
		return 0;
	return (uint64_t)tv->tv_sec * 1000 + (uint64_t)tv->tv_usec / 1000;
}

/*
 * Checksums are left alone, for files too: where sender and capture share a machine, as on veth pairs
 * or in a capture taken on the client, the card that fills them in never came to it. Nothing is lost:
 * what a knock says is authenticated, and whatever a flipped bit makes of it is refused for that.
 */
static enum capture_reject decode(const struct capture_pcap *p, const struct pcap_pkthdr *header,
	struct span frame, struct sighting *ret)
{
	/* What is longer than the snap length is no knock with bytes in it, but may be an attempt. */
	struct capture_rules rules = { .is_cut = header->caplen < header->len };
	struct sighting s = *ret;

	enum capture_reject reason = capture_packet_decode_by(frame, p->link, &rules, &s);
	if (reason != CAPTURE_OK)
		return reason;
	if (rules.is_cut && capture_is_wanted_whole(&p->want, &s))
		return CAPTURE_SHORT;
	*ret = s;
	return CAPTURE_OK;
}

static void deliver(u_char *arg, const struct pcap_pkthdr *header, const u_char *bytes)
{
	struct delivery *to = (struct delivery *)(void *)arg;
	struct capture_pcap *p = to->door;
	struct span frame = span_of(bytes, header->caplen);
	struct sighting s = {
		.door = p->door, .interface = p->interface, .wall_ms = to_ms(&header->ts)
	};

	p->counts.seen++;
	if (p->is_live && capture_link_is_tagged(frame, p->link)) {
		p->counts.other++;
		return;
	}
	enum capture_reject reason = decode(p, header, frame, &s);
	if (reason != CAPTURE_OK)
		p->counts.rejected[reason]++;
	else if (!capture_is_wanted(&p->want, &s))
		p->counts.other++;
	else
		to->seen(to->arg, &s);
}

/*
 * An interface that was taken down comes back on the same socket; one that was removed, or moved to
 * another namespace, leaves the socket bound to no interface for ever. One that was renamed is another
 * door's, or none's: who comes in where is decided by the name, after a restart as well.
 */
static bool is_gone(const struct capture_pcap *p)
{
	char name[IFNAMSIZ];

	if (bound_to(p) == -1)
		return true;
	name_now(p, name);
	return name[0] != '\0' && strncmp(name, p->name, sizeof(name)) != 0;
}

int capture_pcap_read(struct capture_pcap *p, int max, capture_seen *seen, void *arg)
{
	struct delivery to = { .door = p, .seen = seen, .arg = arg };

	assert(max > 0); /* to libpcap anything else means "no limit" */
	int n = pcap_dispatch(p->pcap, max, deliver, (u_char *)&to);
	if (n > 0)
		return n;
	if (p->is_live && is_gone(p))
		return -ENODEV;
	if (n < 0)
		return p->is_live ? -EIO : -EBADMSG;
	return 0;
}

const struct capture_counts *capture_pcap_counts(struct capture_pcap *p)
{
	struct pcap_stat stat = { 0 };

	if (p->is_live && pcap_stats(p->pcap, &stat) == 0) {
		p->counts.dropped += stat.ps_drop - p->kernel_dropped;
		p->kernel_dropped = stat.ps_drop;
	}
	return &p->counts;
}
