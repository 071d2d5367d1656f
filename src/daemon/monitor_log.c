/*
 * Log files for the knock process, which can open nothing by name: each is opened here and handed over, and
 * again when another file stands at its path. Invariant: the knock process gets a file from its end only
 * when it begins to watch, or when everybody could write to it until now; every other one is read from its
 * beginning, so that no line is lost.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/monitor_internal.h"

#define LOOK_EVERY_MS 1000
#define WATCHED (IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF | IN_ATTRIB)

static bool is_log(const struct config_door *d)
{
	return d->capture == CONFIG_CAPTURE_LOG;
}

/* Said once, until something else is to be said. */
static void complain(struct monitor_log *l, const struct config_door *d, enum monitor_log_trouble t)
{
	if (l->told == t)
		return;
	l->told = t;
	if (t == MONITOR_LOG_MISSING)
		log_warn("door %s: %s is not there; waiting for it", d->name, d->file);
	else if (t == MONITOR_LOG_NO_FILE)
		log_warn("door %s: %s is no regular file; name the file that the log goes to",
			d->name, d->file);
	else if (t == MONITOR_LOG_WRITABLE)
		log_warn("door %s: %s can be written by everybody, who could then knock for "
			 "anybody; waiting until it cannot, what is in it then is passed over",
			d->name, d->file);
	else if (t == MONITOR_LOG_UNREADABLE)
		log_warn("door %s: %s cannot be opened; waiting for it", d->name, d->file);
}

/* Open what stands at the path, when it may be believed. Below 0: not now, and why was said. */
static int open_file(struct monitor_log *l, const struct config_door *d, struct stat *ret)
{
	int fd = open(d->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		complain(l, d, errno == ENOENT ? MONITOR_LOG_MISSING : MONITOR_LOG_UNREADABLE);
		return -1;
	}
	enum monitor_log_trouble t = MONITOR_LOG_FINE;
	if (fstat(fd, ret) < 0)
		t = MONITOR_LOG_UNREADABLE;
	else if (!S_ISREG(ret->st_mode))
		t = MONITOR_LOG_NO_FILE;
	else if ((ret->st_mode & S_IWOTH) != 0)
		t = MONITOR_LOG_WRITABLE;
	if (t == MONITOR_LOG_FINE)
		return fd;
	complain(l, d, t);
	close(fd);
	return -1;
}

/*
 * The descriptor that tells of changes is shared with the knock process, which reads it; here it only gets
 * the next file to watch. Without one the knock process looks once a second.
 */
static bool watch_file(struct monitor_log *l, int fd)
{
	char path[32];
	bool is_new = !l->has_inotify;
	if (is_new)
		l->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	l->has_inotify = l->inotify >= 0;
	if (!l->has_inotify)
		return false;
	/* By its descriptor: the name may be another file's by now. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (inotify_add_watch(l->inotify, path, WATCHED) < 0)
		log_warn("a log cannot be watched: %s; it is looked at once a second",
			strerror(errno));
	return is_new;
}

static void hand_over(struct monitor *m, size_t door, bool from_end)
{
	struct monitor_log *l = &m->logs[door];
	const struct config_door *d = &m->boot->config->doors[door];
	/* Anybody may have written what stands in it until it was no longer everybody's. */
	bool is_tainted = l->told == MONITOR_LOG_WRITABLE;
	struct msg msg = {
		.type = MSG_LOG, .door = (uint16_t)door, .is_new = !from_end && !is_tainted
	};
	struct stat st;
	int fd = open_file(l, d, &st);
	if (fd < 0)
		return;
	size_t n = watch_file(l, fd) ? 2 : 1;
	int fds[MSG_FDS_MAX] = { fd, l->inotify };
	int rc = msg_send_with(m->now.knock.fd, &msg, fds, n);
	close(fd);
	if (rc < 0) {
		log_warn("door %s: its log could not be handed over: %s", d->name, strerror(-rc));
		return;
	}
	if (l->told != MONITOR_LOG_FINE)
		log_info("door %s: %s is there", d->name, d->file);
	l->told = MONITOR_LOG_FINE;
	l->is_open = true;
	l->dev = st.st_dev;
	l->ino = st.st_ino;
}

void monitor_log_end(struct monitor *m)
{
	for (size_t i = 0; i < CONFIG_DOORS_MAX; i++) {
		if (m->logs[i].has_inotify)
			close(m->logs[i].inotify);
		m->logs[i] = (struct monitor_log){ 0 };
	}
	m->log_look_at_mono_ms = 0;
}

void monitor_log_begin(struct monitor *m)
{
	monitor_log_end(m);
	for (size_t i = 0; i < m->boot->config->door_count; i++) {
		if (!is_log(&m->boot->config->doors[i]))
			continue;
		hand_over(m, i, true);
		m->log_look_at_mono_ms = clock_mono_ms() + LOOK_EVERY_MS;
	}
}

/* A file that is gone is still read: another one may be on its way. */
static bool is_another(const struct monitor_log *l, const struct config_door *d)
{
	struct stat st;
	if (!l->is_open)
		return true;
	return stat(d->file, &st) == 0 && (st.st_dev != l->dev || st.st_ino != l->ino);
}

void monitor_log_look(struct monitor *m, uint64_t now_mono_ms)
{
	if (m->log_look_at_mono_ms == 0 || now_mono_ms < m->log_look_at_mono_ms ||
		m->now.knock.pid == 0)
		return;
	m->log_look_at_mono_ms = now_mono_ms + LOOK_EVERY_MS;
	for (size_t i = 0; i < m->boot->config->door_count; i++) {
		const struct config_door *d = &m->boot->config->doors[i];
		if (is_log(d) && is_another(&m->logs[i], d))
			hand_over(m, i, false);
	}
}

void monitor_log_moved(struct monitor *m, uint16_t door)
{
	if (is_log(&m->boot->config->doors[door]) && m->log_look_at_mono_ms != 0)
		m->log_look_at_mono_ms = clock_mono_ms();
}
