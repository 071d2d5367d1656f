/*
 * The journal as it is asked for and as it grows. Invariant: a record that was written while we look is
 * shown once, in its order, whatever becomes of the daemon.
 */

#include "cmd/control_journal.h"

#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/commands.h"
#include "cmd/control_client.h"
#include "cmd/control_show.h"
#include "cmd/say.h"
#include "daemon/advice.h"
#include "daemon/control.h"
#include "daemon/report.h"

#define LOOK_EVERY_MS 250
#define ALL UINT32_MAX

struct showing {
	bool is_json, is_later;
	uint64_t last_id;
};

static void show(void *arg, const struct store_record *r)
{
	struct showing *s = arg;
	json_t *o = report_record(r);
	if (s->is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		control_show_record(o, !s->is_later);
	}
	s->is_later = true;
	s->last_id = r->id;
	json_decref(o);
}

static int read_opened(const struct journal_wish *w, struct store *store)
{
	struct showing s = { .is_json = w->is_json };
	int rc = store_journal(store, &w->query, show, &s);
	store_close(store);
	if (rc < 0) {
		say_trouble("%s: cannot be read: %s", w->store, strerror(-rc));
		return EXIT_LOCAL;
	}
	return EXIT_DONE;
}

static int read_store(const struct journal_wish *w)
{
	struct store *store = NULL;
	struct fault f;
	if (store_open_reader(w->store, &store, &f) == 0)
		return read_opened(w, store);
	say_trouble("no daemon answers, and %s", f.text);
	return CONTROL_NO_DAEMON;
}

int control_journal_show(const struct journal_wish *w)
{
	const struct store_query *q = &w->query;
	struct store *store = NULL;
	struct fault f;
	/* More than the daemon would keep in memory. */
	if (q->limit > CONTROL_JOURNAL_MAX && store_open_reader(w->store, &store, &f) == 0)
		return read_opened(w, store);
	json_t *o = json_pack("{s:s, s:I, s:I, s:s, s:s, s:s, s:s, s:I}", "command", "journal",
		"since_ms", (json_int_t)q->since_ms, "until_ms", (json_int_t)q->until_ms, "name",
		q->name, "address", w->address, "service", q->service, "event",
		q->event != 0 ? store_event_name(q->event) : "", "limit", (json_int_t)q->limit);
	if (o == NULL)
		return say_usage("", "journal: the name or the service is no UTF-8");
	int status = control_ask(w->socket, o, w->is_json, control_show_record);
	return status == CONTROL_NO_DAEMON ? read_store(w) : status;
}

static void show_last(void *arg, const struct store_record *r)
{
	struct showing *s = arg;
	json_t *o = advice_report(r);
	if (s->is_json) {
		json_dumpf(o, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		control_show_last(o, !s->is_later);
	}
	s->is_later = true;
	json_decref(o);
}

static int read_last(const struct journal_wish *w, const char *what)
{
	struct showing s = { .is_json = w->is_json };
	struct store *store = NULL;
	struct fault f;
	if (store_open_reader(w->store, &store, &f) < 0) {
		say_trouble("no daemon answers, and %s", f.text);
		return CONTROL_NO_DAEMON;
	}
	int rc = store_journal(store, &w->query, show_last, &s);
	store_close(store);
	if (rc < 0) {
		say_trouble("%s: cannot be read: %s", w->store, strerror(-rc));
		return EXIT_LOCAL;
	}
	if (!s.is_later && !w->is_json)
		printf("nothing is known of %s; counters of datagrams are the daemon's, and none "
		       "answers\n",
			what);
	return EXIT_DONE;
}

int control_journal_last(const struct journal_wish *w, const char *what)
{
	json_t *o = json_pack("{s:s, s:s, s:I}", "command", "why", "name", what, "limit",
		(json_int_t)w->query.limit);
	if (o == NULL)
		return say_usage("", "why: the name is no UTF-8");
	int status = control_ask(w->socket, o, w->is_json, control_show_last);
	return status == CONTROL_NO_DAEMON ? read_last(w, what) : status;
}

/* The store that is followed. It may be moved away and made anew under our eyes. */
struct followed {
	const struct journal_wish *wish;
	struct store *store; /* NULL: to be opened */
	struct stat st;
	struct store_query query;
	struct showing showing;
	bool is_silent; /* its trouble was said */
};

static bool is_replaced(const struct followed *f)
{
	struct stat st;
	return stat(f->wish->store, &st) == 0 &&
		(st.st_ino != f->st.st_ino || st.st_dev != f->st.st_dev);
}

static int open_followed(struct followed *f, struct fault *why)
{
	uint64_t last = 0;
	bool is_another = f->st.st_ino != 0 && is_replaced(f);
	int rc = store_open_reader(f->wish->store, &f->store, why);
	if (rc < 0)
		return rc;
	if (stat(f->wish->store, &f->st) < 0)
		f->st.st_ino = 0;
	rc = store_last_id(f->store, &last);
	if (rc == 0 && (is_another || last < f->query.after_id))
		f->query.after_id = 0;
	return rc;
}

/* What is there already: the newest few. */
static int show_past(struct followed *f)
{
	struct store_query past = f->wish->query;
	uint64_t last = 0;
	int rc = store_last_id(f->store, &last);
	if (rc == 0)
		rc = store_journal(f->store, &past, show, &f->showing);
	f->query = past;
	f->query.limit = ALL;
	f->query.after_id = f->showing.last_id > last ? f->showing.last_id : last;
	return rc;
}

static void leave(struct followed *f)
{
	store_close(f->store);
	f->store = NULL;
}

static void look(struct followed *f)
{
	struct fault why = { "" };
	if (f->store != NULL && is_replaced(f))
		leave(f);
	int rc = f->store == NULL ? open_followed(f, &why) : 0;
	uint64_t last = 0;
	if (rc == 0)
		rc = store_last_id(f->store, &last);
	if (rc == 0 && last > f->query.after_id) {
		f->showing.last_id = 0;
		rc = store_journal(f->store, &f->query, show, &f->showing);
		if (rc == 0)
			f->query.after_id = f->showing.last_id > last ? f->showing.last_id : last;
	}
	if (rc < 0 && rc != -EBUSY) {
		if (!f->is_silent)
			say_trouble("%s; waiting for it",
				why.text[0] != '\0' ? why.text : strerror(-rc));
		f->is_silent = true;
		leave(f);
	} else if (rc == 0) {
		f->is_silent = false;
	}
}

/* Until a signal, or the reader of stdout, says that it is enough. */
static bool goes_on(int signals)
{
	struct pollfd p[] = { { .fd = signals, .events = POLLIN }, { .fd = STDOUT_FILENO } };
	if (fflush(stdout) != 0)
		return false;
	if (poll(p, 2, LOOK_EVERY_MS) < 0)
		return errno == EINTR;
	return p[0].revents == 0 && p[1].revents == 0;
}

static int take_signals(void)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int control_journal_follow(const struct journal_wish *w)
{
	struct followed f = { .wish = w, .showing = { .is_json = w->is_json } };
	struct fault why = { "" };
	int signals = take_signals();
	int rc = signals < 0 ? -errno : open_followed(&f, &why);
	if (rc == 0)
		rc = show_past(&f);
	if (rc < 0)
		say_trouble("%s", why.text[0] != '\0' ? why.text : strerror(-rc));
	while (rc == 0 && goes_on(signals))
		look(&f);
	leave(&f);
	if (signals >= 0)
		close(signals);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}
