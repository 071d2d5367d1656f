/* The daemon's judgement without the daemon: a configuration or a capture in, words out. */

#include "daemon/offline.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/classic.h"
#include "daemon/door_want.h"
#include "daemon/ground.h"
#include "daemon/judge.h"
#include "daemon/threats.h"

#define EXIT_TROUBLE 4

struct reading {
	struct judge judge;
	struct judge_case judged;
	struct classic *classic;
	uint64_t began_ms, mono_ms; /* of this pass */
	bool is_spa_done;           /* by a pass for an earlier door with the same port */
	uint64_t count, granted, refused, ignored;
	bool is_json;
};

static struct boot *load(const char *path)
{
	struct config_report r = { 0 };
	struct boot *b = boot_load(path, &r);
	for (size_t i = 0; i < r.kept; i++)
		fprintf(stderr, "%s\n", r.lines[i]);
	if (r.count > r.kept)
		fprintf(stderr, "%s: %zu more mistakes\n", path, r.count - r.kept);
	config_report_deinit(&r);
	return b;
}

static const char *outcome_word(enum judge_outcome o, const struct judge_case *c)
{
	switch (o) {
	case JUDGE_IGNORE:
		return "ignored";
	case JUDGE_RESEND:
		return "repeated";
	case JUDGE_OPEN:
	case JUDGE_RUN:
		return "granted";
	case JUDGE_CLOSE:
		return "closed";
	case JUDGE_ANSWER:
	case JUDGE_RECORD:
		break;
	}
	return c->status == SPA_STATUS_OK ? "answered" : "refused";
}

static void say_json(const struct reading *r, enum judge_outcome o, const struct sighting *s)
{
	const struct judge_case *c = &r->judged;
	char when[TIME_TEXT_MAX], from[ADDR_TEXT_MAX], name[NAME_TEXT_MAX];
	json_t *j =
		json_pack("{s:s, s:s, s:i, s:s, s:s}", "time", time_format_utc(s->wall_ms, when),
			"address", addr_format(&s->src, from), "port", (int)s->src_port, "door",
			r->judge.boot->config->doors[s->door].name, "outcome", outcome_word(o, c));
	if (o == JUDGE_IGNORE)
		json_object_set_new(j, "reason", json_string(judge_drop_name(c->drop)));
	if (o != JUDGE_IGNORE && o != JUDGE_RESEND) {
		json_object_set_new(j, "name", json_string(name_format(&c->claim.name, name)));
		json_object_set_new(j, "status", json_string(spa_status_name(c->status)));
		json_object_set_new(j, "reason", json_string(c->reason));
		if (c->service[0] != '\0')
			json_object_set_new(j, "service", json_string(c->service));
		if (c->verdict.list[0] != '\0')
			json_object_set_new(j, "list", json_string(c->verdict.list));
		if (c->verdict.entry[0] != '\0')
			json_object_set_new(j, "entry", json_string(c->verdict.entry));
		if (c->scheme[0] != '\0')
			json_object_set_new(j, "scheme", json_string(c->scheme));
		if (o == JUDGE_OPEN)
			json_object_set_new(j, "granted_s", json_integer(c->verdict.granted_s));
	}
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(j);
}

static void say_text(const struct reading *r, enum judge_outcome o, const struct sighting *s)
{
	const struct judge_case *c = &r->judged;
	char when[TIME_TEXT_MAX], from[ADDR_TEXT_MAX], name[NAME_TEXT_MAX], duration[TIME_TEXT_MAX];
	printf("%s %s:%u %s: ", time_format_utc(s->wall_ms, when), addr_format(&s->src, from),
		s->src_port, r->judge.boot->config->doors[s->door].name);
	if (o == JUDGE_IGNORE) {
		printf("ignored, %s\n", judge_drop_name(c->drop));
		return;
	}
	if (o == JUDGE_RESEND) {
		printf("repeated, the same answer again\n");
		return;
	}
	printf("%s %s", outcome_word(o, c), name_format(&c->claim.name, name));
	if (c->service[0] != '\0')
		printf(" %s", c->service);
	if (o == JUDGE_OPEN)
		printf(" for %s", duration_format(c->verdict.granted_s, duration));
	else if (o != JUDGE_CLOSE && o != JUDGE_RUN)
		printf(", %s", c->reason);
	if (c->scheme[0] != '\0')
		printf(", by %s", c->scheme);
	putchar('\n');
	if (c->verdict.list[0] != '\0')
		printf("%20s by %s: %s\n", "", c->verdict.list,
			c->verdict.entry[0] != '\0' ? c->verdict.entry : "no entry fits");
}

static void say(struct reading *r, enum judge_outcome o, const struct sighting *s)
{
	r->count++;
	if (o == JUDGE_IGNORE)
		r->ignored++;
	else if (o == JUDGE_OPEN || o == JUDGE_CLOSE || o == JUDGE_RUN)
		r->granted++;
	else
		r->refused++;
	if (r->is_json)
		say_json(r, o, s);
	else
		say_text(r, o, s);
}

/* An attempt on a port that completes nothing is one of very many: it has no line. */
static void seen_classic(struct reading *r, const struct sighting *s)
{
	size_t n = 0;
	if (r->began_ms == 0)
		r->began_ms = s->wall_ms;
	/* Monotonic time begins with the file and does not go back with a clock that did. */
	if (s->wall_ms > r->began_ms && s->wall_ms - r->began_ms > r->mono_ms)
		r->mono_ms = s->wall_ms - r->began_ms;
	const struct judge_wish *w = classic_seen(r->classic, s, s->wall_ms, r->mono_ms, &n);
	for (size_t i = 0; i < n; i++)
		say(r, judge_wish(&r->judge, s, &w[i], s->wall_ms, s->wall_ms, &r->judged), s);
}

static void seen(void *arg, const struct sighting *s)
{
	struct reading *r = arg;
	uint8_t answer[SPA_SMALL_LEN];
	if (classic_owns(r->classic, s)) {
		seen_classic(r, s);
		return;
	}
	if (r->is_spa_done)
		return;
	enum judge_outcome o = judge_sighting(&r->judge, s, s->wall_ms, s->wall_ms, &r->judged);
	/* So that its copies further on are known. */
	if (o != JUDGE_IGNORE && o != JUDGE_RESEND)
		judge_answer(&r->judge, &r->judged, 0, s->wall_ms, s->wall_ms, answer);
	say(r, o, s);
	judge_case_wipe(&r->judged);
}

static void say_count(void *arg, const char *name, uint64_t n)
{
	const struct reading *r = arg;
	if (n == 0)
		return;
	if (r->is_json)
		printf("{\"ignored\":\"%s\",\"count\":%" PRIu64 "}\n", name, n);
	else
		printf("%20s %" PRIu64 " %s\n", "", n, name);
}

static void restore_prekeys(struct boot *b)
{
	struct store *s = NULL;
	struct fault f;
	/* Without the store only knocks to prekey 0 can be opened: they are said to be "prekey". */
	if (store_open_reader(b->config->server.store, &s, &f) < 0) {
		fprintf(stderr, "%s; knocks to rotated prekeys cannot be read\n", f.text);
		return;
	}
	if (keys_restore(b->keys, s, 0) < 0)
		fprintf(stderr, "%s: the prekeys cannot be read back\n", b->config->server.store);
	store_close(s);
}

static bool is_spa_done(const struct config *c, size_t door)
{
	for (size_t i = 0; i < door; i++)
		if (c->doors[i].spa.is_on && c->doors[i].spa.port == c->doors[door].spa.port)
			return true;
	return !c->doors[door].spa.is_on;
}

/* One pass for each door; knocks of section 4 on a port that doors share are judged as the first of them. */
static int read_doors(struct reading *r, const char *path)
{
	const struct config *c = r->judge.boot->config;
	for (size_t i = 0; i < c->door_count; i++) {
		struct capture_pcap *p = NULL;
		const struct capture_want want = door_want(&c->doors[i]);
		struct fault f;
		r->is_spa_done = is_spa_done(c, i);
		r->began_ms = r->mono_ms = 0;
		if (r->is_spa_done && !door_wants_attempts(&c->doors[i]) &&
			c->doors[i].fwknop_count == 0)
			continue;
		int rc = capture_pcap_open_file(path, (uint16_t)i, &want, &p, &f);
		if (rc < 0) {
			fprintf(stderr, "%s\n", f.text);
			return EXIT_TROUBLE;
		}
		do
			rc = capture_pcap_read(p, 1024, seen, r);
		while (rc > 0);
		capture_pcap_close(p);
		if (rc < 0) {
			fprintf(stderr, "%s: broken off: %s\n", path, strerror(-rc));
			return EXIT_TROUBLE;
		}
	}
	classic_each_ignored(r->classic, say_count, r);
	return 0;
}

static int open_classic(struct reading *r, const struct boot *b)
{
	const struct classic_how how = { .boot = b, .is_offline = true };
	struct fault f;
	int rc = classic_new(&how, &r->classic, &f);
	if (rc < 0)
		fprintf(stderr, "%s\n", f.text);
	return rc;
}

int offline_read(const char *config_path, const char *capture_path, bool is_json)
{
	struct boot *b = load(config_path);
	struct reading *r = calloc(1, sizeof(*r));
	int status = EXIT_TROUBLE;
	if (b == NULL || r == NULL || judge_init(&r->judge, b, 0) < 0)
		goto out;
	r->judge.is_offline = true;
	r->is_json = is_json;
	if (open_classic(r, b) < 0)
		goto out;
	restore_prekeys(b);
	status = read_doors(r, capture_path);
	if (!is_json)
		printf("%" PRIu64 " datagrams: %" PRIu64 " granted, %" PRIu64
		       " only answered, %" PRIu64 " ignored; nothing was opened\n",
			r->count, r->granted, r->refused, r->ignored);
out:
	if (r != NULL) {
		judge_deinit(&r->judge);
		classic_free(r->classic);
	}
	free(r);
	boot_free(b);
	return status;
}

/* As comments below the configuration: what it leads to. */
static void say_trust(const struct trust *t)
{
	static const char *const roles[] = {
		[TRUST_OWN] = "above this server",
		[TRUST_ROLLOVER] = "another key of a certifier above this server",
		[TRUST_CROSS] = "cross-certified",
	};
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	puts("\n# trusted certifiers and names");
	for (size_t i = 0; i < trust_count(t); i++) {
		const struct trust_anchor *a = trust_at(t, i);
		printf("#   %s: %s, until %.10s\n", name_format(&a->cert.subject, name),
			roles[a->role], time_format_utc(a->not_after_ms, when));
	}
}

static void say_rescue(const struct config_rescue *r)
{
	char p[PREFIX_TEXT_MAX], d[TIME_TEXT_MAX];
	if (!r->is_on)
		return;
	printf("\n# rescue: when postern has been dead for %s, these reach %s/%u without a knock\n",
		duration_format(r->after_s, d), r->to.proto == IPPROTO_TCP ? "tcp" : "udp",
		(unsigned)r->to.port);
	for (size_t i = 0; i < r->prefix_count; i++)
		printf("#   %s\n", prefix_format(&r->prefixes[i], p));
}

/* A daemon starts with it all the same, for the sake of its other ports. */
static bool has_expired_relay(const struct boot *b)
{
	char when[TIME_TEXT_MAX];
	if (b->relay == NULL || b->relay->not_after_ms > clock_wall_ms())
		return false;
	fprintf(stderr, "%s: relay-id: its certificate expired on %s; certify it anew\n",
		b->config->server.relay_id, time_format_utc(b->relay->not_after_ms, when));
	return true;
}

int offline_check(const char *config_path)
{
	struct boot *b = load(config_path);
	if (b == NULL || has_expired_relay(b)) {
		boot_free(b);
		return EXIT_TROUBLE;
	}
	char *text = config_format(b->config, CONFIG_SECRETS_HIDDEN);
	if (text != NULL)
		fputs(text, stdout);
	say_trust(b->trust);
	say_rescue(&b->config->rescue);
	threats_print(b->config, stdout);
	threats_warn_names(b->config, b->directory, b->policy, clock_wall_ms(), stderr);
	threats_warn_passthrus(b->config, stderr);
	if (b->warning[0] != '\0')
		fprintf(stderr, "warning: %s\n", b->warning);
	struct fault f[GROUND_WARNINGS_MAX];
	size_t n = ground_warn(b->config, f);
	for (size_t i = 0; i < n; i++)
		fprintf(stderr, "warning: %s\n", f[i].text);
	fprintf(stderr, "%s is good; doors: %zu, services: %zu, people: %zu\n", config_path,
		b->config->door_count, b->config->service_count, directory_count(b->directory));
	free(text);
	boot_free(b);
	return text == NULL ? EXIT_TROUBLE : 0;
}
