/* What is counted, by name. Invariant: a name is an interface; none depends on what a packet brought. */

#include <stdio.h>

#include "daemon/classic_internal.h"

struct counting {
	classic_count_fn *fn;
	void *arg;
};

static void tell(const struct counting *c, const char *scheme, const char *reason, uint64_t n)
{
	char name[64];
	snprintf(name, sizeof(name), "%s-%s", scheme, reason);
	c->fn(c->arg, name, n);
}

static void each_scheme(const struct classic_counts *n, const struct counting *c)
{
	/* What is no knock of a format, or not yet a whole one, was not ignored. */
	for (unsigned i = STRUCTURED_FRAME; i < STRUCTURED_REJECT_COUNT; i++)
		tell(c, "structured", structured_reject_name((enum structured_reject)i),
			n->structured[i]);
	for (unsigned i = CIPHER_PADDING; i < CIPHER_REJECT_COUNT; i++)
		tell(c, "cipher", cipher_reject_name((enum cipher_reject)i), n->cipher[i]);
	for (unsigned i = PAD_TAG; i < PAD_REJECT_COUNT; i++)
		tell(c, "pad", pad_reject_name((enum pad_reject)i), n->pad[i]);
	for (unsigned i = TAGGED_KEY; i < TAGGED_REJECT_COUNT; i++)
		tell(c, "tagged", tagged_reject_name((enum tagged_reject)i), n->tagged[i]);
	for (unsigned i = FWKNOP_OK + 1; i < FWKNOP_REJECT_COUNT; i++)
		tell(c, "fwknop", fwknop_reject_name((enum fwknop_reject)i), n->fwknop[i]);
}

static struct track_counts all_tracks(const struct classic *x)
{
	struct track_counts all = { 0 };
	for (size_t i = 0; i < CONFIG_DOORS_MAX; i++) {
		if (x->doors[i].tracks == NULL)
			continue;
		const struct track_counts *n = track_table_counts(x->doors[i].tracks);
		all.knocks += n->knocks;
		all.repeated += n->repeated;
		all.crowded += n->crowded;
		all.displaced += n->displaced;
	}
	return all;
}

void classic_each_ignored(const struct classic *x, classic_count_fn *fn, void *arg)
{
	static const char *const replays[] = {
		[CLASSIC_REPLAY_CIPHER] = "cipher",
		[CLASSIC_REPLAY_PAD] = "pad",
		[CLASSIC_REPLAY_TAGGED] = "tagged",
		[CLASSIC_REPLAY_FWKNOP] = "fwknop",
		[CLASSIC_REPLAY_SEQUENCE] = "sequence",
	};
	const struct classic_counts *n = &x->counts;
	struct counting c = { fn, arg };
	struct track_counts t = all_tracks(x);
	tell(&c, "knock", "repeated", t.repeated);
	tell(&c, "knock", "crowded", t.crowded);
	tell(&c, "knock", "displaced", t.displaced);
	each_scheme(n, &c);
	for (unsigned i = 0; i < CLASSIC_REPLAY_COUNT; i++)
		tell(&c, replays[i], "replay", n->replay[i]);
	tell(&c, "knock", "service", n->service);
	tell(&c, "fwknop", "rate", n->rate);
	tell(&c, "knock", "rate", n->knock_rate);
	tell(&c, "knock", "disk", n->disk);
}

void classic_each_seen(const struct classic *x, classic_count_fn *fn, void *arg)
{
	fn(arg, "knocks", all_tracks(x).knocks);
	fn(arg, "texts", x->counts.texts);
	fn(arg, "understood", x->counts.understood);
}
