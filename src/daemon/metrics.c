/*
 * What the knock process counts, as text for a collector. Invariant: the number of lines is bounded by the
 * configuration: no label has a value that a packet brought.
 */

#include "daemon/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "daemon/knockd_internal.h"

static const struct {
	uint64_t us;
	const char *text;
} bounds[HISTOGRAM_BUCKETS] = {
	{ 100, "0.0001" },
	{ 250, "0.00025" },
	{ 500, "0.0005" },
	{ 1000, "0.001" },
	{ 2500, "0.0025" },
	{ 5000, "0.005" },
	{ 10000, "0.01" },
	{ 25000, "0.025" },
	{ 50000, "0.05" },
	{ 100000, "0.1" },
	{ 250000, "0.25" },
	{ 1000000, "1.0" },
	{ 5000000, "5.0" },
};

void histogram_add(struct histogram *h, uint64_t us)
{
	size_t i = 0;
	while (i < HISTOGRAM_BUCKETS && us > bounds[i].us)
		i++;
	h->counts[i]++;
	h->sum_us += us;
}

struct page {
	char *text;
	size_t len;
};

__attribute__((format(printf, 2, 3))) static void put(struct page *p, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(p->text + p->len, METRICS_TEXT_MAX - p->len, fmt, ap);
	va_end(ap);
	if (n > 0 && (size_t)n < METRICS_TEXT_MAX - p->len)
		p->len += (size_t)n;
	else
		p->text[p->len] = '\0';
}

static void family(struct page *p, const char *name, const char *type, const char *text)
{
	put(p, "# TYPE postern_%s %s\n# HELP postern_%s %s\n", name, type, name, text);
}

static void counter(struct page *p, const char *name, const char *text, uint64_t v)
{
	family(p, name, "counter", text);
	put(p, "postern_%s_total %" PRIu64 "\n", name, v);
}

static void gauge(struct page *p, const char *name, const char *text, uint64_t v)
{
	family(p, name, "gauge", text);
	put(p, "postern_%s %" PRIu64 "\n", name, v);
}

static void put_histogram(
	struct page *p, const char *name, const char *text, const struct histogram *h)
{
	uint64_t all = 0;
	family(p, name, "histogram", text);
	put(p, "# UNIT postern_%s seconds\n", name);
	for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
		all += h->counts[i];
		put(p, "postern_%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bounds[i].text, all);
	}
	all += h->counts[HISTOGRAM_BUCKETS];
	put(p, "postern_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, all);
	put(p, "postern_%s_sum %" PRIu64 ".%06" PRIu64 "\n", name, h->sum_us / 1000000,
		h->sum_us % 1000000);
	put(p, "postern_%s_count %" PRIu64 "\n", name, all);
}

static void put_reasons(struct page *p, const struct knockd *k)
{
	counter(p, "datagrams", "Datagrams on knock ports.", k->datagrams);
	family(p, "ignored", "counter", "Datagrams that got no answer, by reason.");
	for (unsigned i = 1; i < JUDGE_DROP_COUNT; i++)
		if (i != JUDGE_DROP_NONE)
			put(p, "postern_ignored_total{reason=\"%s\"} %" PRIu64 "\n",
				judge_drop_name(i), k->drops[i]);
	family(p, "answers", "counter", "Answers, by status.");
	for (unsigned i = 0; i < SPA_STATUS_COUNT; i++)
		put(p, "postern_answers_total{status=\"%s\"} %" PRIu64 "\n",
			spa_status_name((enum spa_status)i), k->statuses[i]);
	counter(p, "answers_failed", "Answers that could not be sent.", k->answers_failed);
}

struct labelled {
	struct page *page;
	const char *family, *label;
};

static void put_labelled(void *arg, const char *name, uint64_t n)
{
	const struct labelled *l = arg;
	put(l->page, "postern_%s_total{%s=\"%s\"} %" PRIu64 "\n", l->family, l->label, name, n);
}

static void put_classic(struct page *p, const struct knockd *k)
{
	struct labelled seen = { p, "classic_seen", "what" };
	struct labelled ignored = { p, "classic_ignored", "reason" };
	family(p, "classic_seen", "counter",
		"Knocks on ports, texts, and what was understood of them.");
	classic_each_seen(k->classic, put_labelled, &seen);
	family(p, "classic_ignored", "counter",
		"What came of classic knocks and led to nothing, by reason.");
	classic_each_ignored(k->classic, put_labelled, &ignored);
}

static void put_doors(struct page *p, const struct knockd *k)
{
	size_t n = k->config->door_count;
	family(p, "door_watching", "gauge", "Is there something that the door sees?");
	for (size_t i = 0; i < n; i++)
		put(p, "postern_door_watching{door=\"%s\"} %d\n", k->doors[i].config->name,
			door_is_watching(&k->doors[i]));
	family(p, "door_packets", "counter", "Packets or log lines that a door saw.");
	for (size_t i = 0; i < n; i++)
		put(p, "postern_door_packets_total{door=\"%s\"} %" PRIu64 "\n",
			k->doors[i].config->name, door_counts(&k->doors[i])->seen);
	family(p, "door_sightings", "counter", "Packets that were what a door asks for.");
	for (size_t i = 0; i < n; i++)
		put(p, "postern_door_sightings_total{door=\"%s\"} %" PRIu64 "\n",
			k->doors[i].config->name, k->doors[i].sightings);
	family(p, "door_dropped", "counter", "Packets that the capture lost.");
	for (size_t i = 0; i < n; i++)
		put(p, "postern_door_dropped_total{door=\"%s\"} %" PRIu64 "\n",
			k->doors[i].config->name, door_counts(&k->doors[i])->dropped);
}

static void put_gates(struct page *p, const struct knockd *k)
{
	uint64_t open[CONFIG_SERVICES_MAX] = { 0 }, used[CONFIG_SERVICES_MAX] = { 0 };
	for (size_t i = 0; i < live_count(k->live); i++) {
		const struct live_gate *g = live_at(k->live, i);
		if (g->is_used)
			used[g->place.service]++;
		else
			open[g->place.service]++;
	}
	family(p, "gates", "gauge",
		"Gates that are open, by service; used: somebody came through.");
	for (size_t i = 0; i < k->config->service_count; i++) {
		const char *name = k->config->services[i].name;
		put(p, "postern_gates{service=\"%s\",state=\"open\"} %" PRIu64 "\n", name, open[i]);
		put(p, "postern_gates{service=\"%s\",state=\"used\"} %" PRIu64 "\n", name, used[i]);
	}
}

static void put_kernel(struct page *p, const struct knockd *k)
{
	counter(p, "kernel_admitted", "Connections that came through a gate.", k->kernel[1]);
	counter(p, "kernel_dropped", "Packets to guarded ports that were dropped.", k->kernel[2]);
	counter(p, "kernel_cut", "Packets of connections that were cut.", k->kernel[3]);
}

static void put_relays(struct page *p, const struct knockd *k)
{
	struct relays_counts n;
	if (k->config->passthru_count == 0)
		return;
	relays_counts(k, &n);
	gauge(p, "relayed_now", "Connections through passthrus.", relays_count(k));
	family(p, "relayed", "counter", "Connections that were let through, by passthru.");
	for (size_t i = 0; i < k->config->passthru_count; i++)
		put(p, "postern_relayed_total{passthru=\"%s\"} %" PRIu64 "\n",
			k->config->passthrus[i].name, n.through[i]);
	family(p, "relay_refused", "counter",
		"Connections that were not let through, or ended before, by reason.");
	for (size_t i = 0; i < n.reason_count; i++)
		put(p, "postern_relay_refused_total{reason=\"%s\"} %" PRIu64 "\n",
			n.refused[i].word, n.refused[i].count);
	family(p, "relay_bytes", "counter", "Bytes through passthrus.");
	put(p, "postern_relay_bytes_total{to=\"inner\"} %" PRIu64 "\n", n.to_inner);
	put(p, "postern_relay_bytes_total{to=\"client\"} %" PRIu64 "\n", n.to_client);
}

static void put_process(struct page *p, const struct knockd *k)
{
	put_histogram(p, "answer_seconds", "From the sighting of a knock to its answer.",
		&k->answer_time);
	put_histogram(p, "store_seconds", "A transaction of the store on the packet path.",
		&k->store_time);
	gauge(p, "store_writable", "Could the store be written last?", k->store_error == 0);
	gauge(p, "locked_out", "Names that are locked out.", lockout_count(k->lockout));
	counter(p, "records_untold", "Records that the log of journal-log did not take.",
		k->announcer.lost);
	counter(p, "reloads", "Reloads of the configuration since the monitor began.",
		k->start->reloads);
	counter(p, "process_starts", "Starts of the knock process since the monitor began.",
		k->start->generation);
	gauge(p, "start_time_seconds", "When this knock process began, since 1970.",
		k->started_wall_ms / 1000);
	family(p, "build", "info", "The version.");
	put(p, "postern_build_info{version=\"%s\"} 1\n", POSTERN_VERSION);
}

char *metrics_text(const struct knockd *k)
{
	struct page p = { malloc(METRICS_TEXT_MAX), 0 };
	if (p.text == NULL)
		return NULL;
	put_reasons(&p, k);
	put_classic(&p, k);
	put_doors(&p, k);
	put_gates(&p, k);
	put_kernel(&p, k);
	put_relays(&p, k);
	put_process(&p, k);
	put(&p, "# EOF\n");
	return p.text;
}
