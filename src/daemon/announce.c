/*
 * One datagram a record. Invariant: a value cannot be taken for another field or line, whatever bytes a
 * name has: for journald those with control characters go with their length before them, for syslog each
 * value is quoted.
 */

#include "daemon/announce.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

#define PROGRAM "posternd"
#define FACILITY_AUTHPRIV 10
#define VALUE_MAX (STORE_NOTE_MAX + 1024)
#define FACTS_MAX 12

static const char *const paths[] = {
	[CONFIG_LOG_SYSLOG] = "/dev/log",
	[CONFIG_LOG_JOURNALD] = "/run/systemd/journal/socket",
};

/* What there is to say of a record, by the name of journald's field and the word in a line of syslog. */
struct fact {
	const char *field, *word, *value;
};

struct facts {
	size_t count;
	struct fact items[FACTS_MAX];
	char address[ADDR_TEXT_MAX], port[8], grant[24];
};

static void add(struct facts *f, const char *field, const char *word, const char *value)
{
	if (value[0] != '\0' && f->count < FACTS_MAX)
		f->items[f->count++] = (struct fact){ field, word, value };
}

static void collect(const struct store_record *r, struct facts *f)
{
	f->count = 0;
	f->address[0] = f->port[0] = f->grant[0] = '\0';
	if (!addr_is_zero(&r->source))
		addr_format(&r->source, f->address);
	if (r->source_port != 0)
		snprintf(f->port, sizeof(f->port), "%u", (unsigned)r->source_port);
	if (r->grant_id != 0)
		snprintf(f->grant, sizeof(f->grant), "%llu", (unsigned long long)r->grant_id);
	add(f, "POSTERN_EVENT", "event", store_event_name(r->event));
	add(f, "POSTERN_REASON", "reason", r->reason);
	add(f, "POSTERN_NAME", "name", r->name);
	add(f, "POSTERN_ADDRESS", "address", f->address);
	add(f, "POSTERN_PORT", "port", f->port);
	add(f, "POSTERN_SERVICE", "service", r->service);
	add(f, "POSTERN_DOOR", "door", r->door);
	add(f, "POSTERN_GRANT", "grant", f->grant);
	add(f, "POSTERN_LIST", "list", r->list);
	add(f, "POSTERN_ENTRY", "entry", r->entry);
	add(f, "POSTERN_TEXT", "text", r->text);
}

/* syslog(3): 4 warning, 5 notice, 6 informational. */
static unsigned priority(const struct store_record *r)
{
	if (r->event == STORE_FAILED || r->event == STORE_KEY_MISMATCH || r->event == STORE_DOOR)
		return 4;
	return r->event == STORE_REFUSED || r->event == STORE_REVOKED || r->event == STORE_ENDING ||
			r->event == STORE_CUT || r->event == STORE_RELAY_ENDED
		? 5
		: 6;
}

static bool is_plain(const char *value)
{
	for (; *value != '\0'; value++)
		if ((unsigned char)*value < 0x20)
			return false;
	return true;
}

/* "FIELD=value", or "FIELD", the length in 8 bytes little-endian, and the value. */
static void put_field(struct writer *w, const char *field, const char *value)
{
	size_t len = strlen(value);
	writer_put(w, field, strlen(field));
	if (is_plain(value)) {
		writer_u8(w, '=');
	} else {
		writer_u8(w, '\n');
		for (unsigned i = 0; i < 8; i++)
			writer_u8(w, (uint8_t)((uint64_t)len >> 8 * i));
	}
	writer_put(w, value, len);
	writer_u8(w, '\n');
}

/* "granted Ann/VSD ssh from 192.0.2.7: one connection for 30s" */
static void sentence(const struct store_record *r, const struct facts *f, char to[VALUE_MAX])
{
	const char *note = r->text[0] != '\0' ? r->text : r->reason;
	snprintf(to, VALUE_MAX, "%s%s%s%s%s%s%s%s%s", store_event_name(r->event),
		r->name[0] != '\0' ? " " : "", r->name, r->service[0] != '\0' ? " " : "",
		r->service, f->address[0] != '\0' ? " from " : "", f->address,
		note[0] != '\0' ? ": " : "", note);
}

size_t announce_encode_journald(const struct store_record *r, uint8_t to[ANNOUNCE_LEN_MAX])
{
	struct writer w = writer_init(to, ANNOUNCE_LEN_MAX);
	struct facts f;
	char text[VALUE_MAX], level[4];
	collect(r, &f);
	sentence(r, &f, text);
	snprintf(level, sizeof(level), "%u", priority(r));
	put_field(&w, "MESSAGE", text);
	put_field(&w, "PRIORITY", level);
	put_field(&w, "SYSLOG_IDENTIFIER", PROGRAM);
	for (size_t i = 0; i < f.count; i++)
		put_field(&w, f.items[i].field, f.items[i].value);
	return w.is_full ? 0 : w.len;
}

size_t announce_encode_syslog(
	const struct store_record *r, const char *at, uint8_t to[ANNOUNCE_LEN_MAX])
{
	struct facts f;
	char quoted[VALUE_MAX];
	collect(r, &f);
	int n = snprintf((char *)to, ANNOUNCE_LEN_MAX,
		"<%u>%s " PROGRAM "[%d]:", FACILITY_AUTHPRIV * 8 + priority(r), at, (int)getpid());
	for (size_t i = 0; i < f.count && n > 0 && n < ANNOUNCE_LEN_MAX; i++) {
		const char *v = f.items[i].value;
		n += snprintf((char *)to + n, (size_t)(ANNOUNCE_LEN_MAX - n), " %s=\"%s\"",
			f.items[i].word, text_quote(span_of(v, strlen(v)), quoted, sizeof(quoted)));
	}
	if (n < 0)
		return 0;
	return n < ANNOUNCE_LEN_MAX ? (size_t)n : ANNOUNCE_LEN_MAX - 1;
}

int announce_open(enum config_journal_log to, struct announcer *ret, struct fault *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	*ret = (struct announcer){ .to = to, .fd = -1 };
	if (to == CONFIG_LOG_NONE)
		return 0;
	tzset(); /* reads a file, which cannot be done later */
	memcpy(sun.sun_path, paths[to], strlen(paths[to]));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sun, sizeof(sun)) == 0) {
		ret->fd = fd;
		return 0;
	}
	int rc = -errno;
	if (fd >= 0)
		close(fd);
	fault_set(f, "%s: cannot be reached (%s); decisions go to the journal alone", paths[to],
		strerror(-rc));
	return rc;
}

void announce_close(struct announcer *a)
{
	if (a->fd >= 0)
		close(a->fd);
	a->fd = -1;
}

/* "Nov 22 10:04:05", as syslog has it since 1980: the names of months are English everywhere. */
static const char *syslog_time(uint64_t wall_ms, char to[32])
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t t = (time_t)(wall_ms / 1000);
	struct tm tm = { 0 };
	localtime_r(&t, &tm);
	snprintf(to, 32, "%.3s %2d %02d:%02d:%02d", months + 3 * tm.tm_mon, tm.tm_mday, tm.tm_hour,
		tm.tm_min, tm.tm_sec);
	return to;
}

void announce(struct announcer *a, const struct store_record *r)
{
	uint8_t bytes[ANNOUNCE_LEN_MAX];
	char at[32];
	if (a->fd < 0)
		return;
	size_t len = a->to == CONFIG_LOG_JOURNALD
		? announce_encode_journald(r, bytes)
		: announce_encode_syslog(r, syslog_time(r->wall_ms, at), bytes);
	if (len == 0 || send(a->fd, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
		a->lost++;
}
