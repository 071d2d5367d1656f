/*
 * The doors of the knock process: interfaces, log groups of the kernel, log files. Invariant: whatever a
 * door is, what it sees goes through turn_seen, and one that has nothing to see is waited for and says so.
 */

#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/door_want.h"
#include "daemon/knockd_internal.h"

bool door_is_watching(const struct door *d)
{
	return d->pcap != NULL || d->nflog != NULL ||
		(d->log != NULL && capture_logfile_is_open(d->log));
}

const struct capture_counts *door_counts(const struct door *d)
{
	if (d->pcap != NULL)
		return capture_pcap_counts(d->pcap);
	if (d->nflog != NULL)
		return capture_nflog_counts(d->nflog);
	return d->log != NULL ? capture_logfile_counts(d->log) : &d->last;
}

static uint16_t index_of(const struct door *d)
{
	return (uint16_t)(d - d->owner->doors);
}

static int open_interface(struct door *d)
{
	struct capture_want want = door_want(d->config);
	struct fault f;
	int rc = capture_pcap_open(d->config->interface, index_of(d), &want, &d->pcap, &f);
	if (rc == -ENODEV) {
		log_warn("door %s: interface %s is not there or down; waiting for it",
			d->config->name, d->config->interface);
		return 0;
	}
	if (rc < 0)
		log_error("door %s: %s", d->config->name, f.text);
	return rc;
}

/* The monitor hands over what there is to be read. */
static int prepare_log(struct door *d)
{
	const struct capture_log log = {
		.door = index_of(d),
		.interface = d->config->interface,
		.interface_index = d->interface,
		.want = door_want(d->config),
	};
	d->log = capture_logfile_new(&log);
	if (d->log == NULL)
		log_error("door %s: no memory to read its log", d->config->name);
	return d->log == NULL ? -ENOMEM : 0;
}

int doors_open(struct knockd *k)
{
	int rc = 0;
	for (size_t i = 0; i < k->config->door_count && rc == 0; i++) {
		struct door *d = &k->doors[i];
		d->owner = k;
		d->config = &k->config->doors[i];
		if (d->config->interface != NULL)
			d->interface = if_nametoindex(d->config->interface);
		if (d->config->capture == CONFIG_CAPTURE_PCAP)
			rc = open_interface(d);
		else if (d->config->capture == CONFIG_CAPTURE_LOG)
			rc = prepare_log(d);
	}
	return rc;
}

/* One that cannot be had is no reason to keep the others shut. */
static void open_group(struct door *d)
{
	const struct capture_group g = {
		.group = (uint16_t)d->config->group,
		.door = index_of(d),
		.copy_len = CAPTURE_SNAPLEN,
		.interface = d->config->interface,
		.want = door_want(d->config),
	};
	struct fault f;
	int rc = capture_nflog_open(&g, &d->nflog, &f);
	if (rc < 0)
		log_error("door %s: %s; waiting for it", d->config->name, f.text);
}

void doors_open_groups(struct knockd *k)
{
	for (size_t i = 0; i < k->config->door_count; i++)
		if (k->doors[i].config->capture == CONFIG_CAPTURE_NFLOG)
			open_group(&k->doors[i]);
}

static void tell_lost(struct door *d)
{
	struct msg m = { .type = MSG_DOOR_LOST, .door = index_of(d) };
	if (msg_send(d->owner->start->monitor, &m) < 0)
		log_warn("the monitor could not be told that a door is gone");
}

void doors_tell_lost(struct knockd *k)
{
	for (size_t i = 0; i < k->config->door_count; i++)
		if (k->doors[i].log == NULL && !door_is_watching(&k->doors[i]))
			tell_lost(&k->doors[i]);
}

static void lose_door(struct knockd *k, struct door *d)
{
	if (d->config->interface != NULL)
		log_warn("door %s: interface %s is gone, or has another name now; waiting for it",
			d->config->name, d->config->interface);
	else
		log_warn("door %s: log group %u cannot be heard any more; waiting for it",
			d->config->name, (unsigned)d->config->group);
	uv_poll_stop(&d->poll);
	d->is_polled = false;
	d->last = *door_counts(d);
	capture_pcap_close(d->pcap);
	capture_nflog_close(d->nflog);
	d->pcap = NULL;
	d->nflog = NULL;
	struct store_record *r = events_record(k, STORE_DOOR);
	snprintf(r->door, sizeof(r->door), "%s", d->config->name);
	snprintf(r->reason, sizeof(r->reason), "%s",
		d->config->interface != NULL ? "interface-gone" : "group-gone");
	events_write(k);
	tell_lost(d);
}

static void seen(void *arg, const struct sighting *s)
{
	struct door *d = arg;
	d->sightings++;
	turn_seen(d, s);
}

static void on_packets(uv_poll_t *poll, int status, int events);

static void read_door(struct door *d, bool is_stopped)
{
	struct knockd *k = d->owner;
	int rc = d->pcap != NULL ? capture_pcap_read(d->pcap, READ_MAX, seen, d)
				 : capture_nflog_read(d->nflog, seen, d);
	turn_flush(k);
	if (rc == 0 && is_stopped)
		rc = uv_poll_start(&d->poll, UV_READABLE, on_packets);
	if (rc < 0)
		lose_door(k, d);
}

/* An interface that goes down shows as an error, on which libuv stops polling; it may come up again. */
static void on_packets(uv_poll_t *poll, int status, int events)
{
	(void)events;
	read_door(poll->data, status < 0);
}

static void on_more(uv_idle_t *idle);

/* A long backlog is read in portions, between which everybody else gets his turn. */
static void read_log(struct door *d)
{
	struct knockd *k = d->owner;
	int rc = capture_logfile_read(d->log, clock_wall_ms(), seen, d);
	turn_flush(k);
	if (rc < 0 && !d->is_log_bad)
		log_warn("door %s: %s cannot be read: %s", d->config->name, d->config->file,
			strerror(-rc));
	d->is_log_bad = rc < 0;
	d->has_more = rc > 0;
	if (d->has_more)
		uv_idle_start(&k->more, on_more);
}

static void on_more(uv_idle_t *idle)
{
	struct knockd *k = idle->data;
	uv_idle_stop(idle);
	for (size_t i = 0; i < k->config->door_count; i++)
		if (k->doors[i].has_more && !k->is_stopping)
			read_log(&k->doors[i]);
}

/* What is written is read in any case; of a file that went somewhere else the monitor knows more. */
static void drain_inotify(struct door *d)
{
	union {
		struct inotify_event event;
		char bytes[4096];
	} in;
	bool has_moved = false;
	ssize_t n;
	while ((n = read(d->inotify, in.bytes, sizeof(in.bytes))) > 0)
		for (size_t at = 0; at + sizeof(in.event) <= (size_t)n;) {
			struct inotify_event e;
			memcpy(&e, in.bytes + at, sizeof(e));
			has_moved = has_moved || (e.mask & (IN_MOVE_SELF | IN_DELETE_SELF)) != 0;
			at += sizeof(e) + e.len;
		}
	if (has_moved)
		tell_lost(d);
}

static void on_log(uv_poll_t *poll, int status, int events)
{
	struct door *d = poll->data;
	(void)status;
	(void)events;
	drain_inotify(d);
	read_log(d);
}

static int watch_log(struct door *d, int inotify)
{
	d->inotify = inotify;
	int rc = uv_poll_init(&d->owner->loop, &d->poll, inotify);
	d->poll.data = d;
	if (rc == 0)
		rc = uv_poll_start(&d->poll, UV_READABLE, on_log);
	d->is_polled = rc == 0;
	return rc;
}

void doors_take_log(struct knockd *k, const struct msg *m, struct msg_fds *fds)
{
	struct door *d = m->door < k->config->door_count ? &k->doors[m->door] : NULL;
	if (d == NULL || d->log == NULL) {
		msg_fds_close(fds);
		return;
	}
	/* Without a word of each change the tick finds out. */
	if (fds->count > 1 && d->inotify >= 0)
		close(fds->fd[1]);
	else if (fds->count > 1 && watch_log(d, fds->fd[1]) < 0)
		log_warn("door %s: its log is looked at once a second only", d->config->name);
	int rc = capture_logfile_hand_over(d->log, fds->fd[0], m->is_new == 0);
	fds->count = 0;
	if (rc < 0)
		log_warn("door %s: %s cannot be read: %s", d->config->name, d->config->file,
			strerror(-rc));
	else
		read_log(d);
}

int doors_watch(struct knockd *k)
{
	int rc = uv_idle_init(&k->loop, &k->more);
	k->more.data = k;
	for (size_t i = 0; rc == 0 && i < k->config->door_count; i++) {
		struct door *d = &k->doors[i];
		d->inotify = -1;
		if (d->log != NULL || !door_is_watching(d))
			continue;
		int fd = d->pcap != NULL ? capture_pcap_fd(d->pcap) : capture_nflog_fd(d->nflog);
		rc = uv_poll_init(&k->loop, &d->poll, fd);
		d->poll.data = d;
		if (rc == 0)
			rc = uv_poll_start(&d->poll, UV_READABLE, on_packets);
		d->is_polled = rc == 0;
	}
	return rc;
}

void doors_unwatch(struct knockd *k)
{
	uv_idle_stop(&k->more);
	for (size_t i = 0; i < k->config->door_count; i++)
		if (k->doors[i].is_polled)
			uv_poll_stop(&k->doors[i].poll);
}

/* The removal of an interface that was down wakes no descriptor: look at each door once a tick as well. */
void doors_tick(struct knockd *k)
{
	for (size_t i = 0; i < k->config->door_count; i++) {
		struct door *d = &k->doors[i];
		if (d->log != NULL)
			read_log(d);
		else if (d->is_polled)
			read_door(d, !uv_is_active((const uv_handle_t *)&d->poll));
	}
}

void doors_close(struct knockd *k)
{
	for (size_t i = 0; i < k->config->door_count; i++) {
		capture_pcap_close(k->doors[i].pcap);
		capture_nflog_close(k->doors[i].nflog);
		capture_logfile_free(k->doors[i].log);
	}
}
