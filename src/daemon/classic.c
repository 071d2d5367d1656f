/*
 * Classic knocks in the daemon: which format looks at what. Invariant: a wish leaves here only after what it
 * may use once was used up, or with what the store will remember it by.
 */

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/classic_internal.h"

#define TEXT_SLOTS 4096
#define TEXTS_A_SECOND 20   /* of one source: each may cost as many MACs as the door has keys */
#define KNOCKS_A_SECOND 100 /* the same of those on ports of a cipher or of tagged sequences */
#define REPLAY_MIN_MS 1000

int classic_new(const struct classic_how *how, struct classic **ret, struct fault *f)
{
	const struct config *c = how->boot->config;
	struct classic *x = calloc(1, sizeof(*x));
	uint8_t seed[16];
	int rc = 0;
	randombytes_buf(seed, sizeof(seed));
	if (x != NULL) {
		x->how = *how;
		x->texts = limiter_new(TEXT_SLOTS, TEXTS_A_SECOND, TEXTS_A_SECOND, seed);
		x->knocks = limiter_new(TEXT_SLOTS, KNOCKS_A_SECOND, KNOCKS_A_SECOND, seed);
	}
	if (x == NULL || x->texts == NULL || x->knocks == NULL) {
		fault_set(f, "no memory for the tables of classic knocks");
		rc = -ENOMEM;
	}
	for (size_t i = 0; rc == 0 && i < c->door_count; i++) {
		struct classic_door *d = &x->doors[i];
		d->config = &c->doors[i];
		d->keys = &how->boot->classic->doors[i];
		rc = classic_track_init(x, d, f);
	}
	if (rc < 0) {
		classic_free(x);
		return rc;
	}
	*ret = x;
	return 0;
}

void classic_free(struct classic *x)
{
	if (x == NULL)
		return;
	for (size_t i = 0; i < CONFIG_DOORS_MAX; i++)
		classic_track_deinit(&x->doors[i]);
	limiter_free(x->texts);
	limiter_free(x->knocks);
	sodium_memzero(x, sizeof(*x));
	free(x);
}

static bool is_for_spa(const struct config_door *d, const struct sighting *s)
{
	return d->spa.is_on && s->proto == IPPROTO_UDP && s->dst_port == d->spa.port;
}

bool classic_owns(const struct classic *x, const struct sighting *s)
{
	const struct config_door *d = x->doors[s->door].config;
	if (!is_for_spa(d, s))
		return true;
	struct fwknop_text text;
	return classic_fwknop_owns(d, s) &&
		fwknop_text_take(FWKNOP_BY_UDP, s->payload, &text) == FWKNOP_OK;
}

/*
 * An attempt is one thing whichever door saw it, and in whichever process: at a reload both see what comes in
 * between, and a copy that the network or the sender's kernel makes may come after it. The sequence number
 * of its last knock tells it from the next; a datagram has none.
 */
static void recognise(const struct sighting *s, uint64_t wall_ms, struct judge_wish *w)
{
	uint8_t knock[sizeof(s->src.b) + 8];
	char what[sizeof(w->scheme) + CONFIG_NAME_MAX + NAME_TEXT_MAX + 3], name[NAME_TEXT_MAX];
	struct writer to = writer_init(knock, sizeof(knock));
	writer_put(&to, s->src.b, sizeof(s->src.b));
	writer_u16(&to, s->src_port);
	writer_u16(&to, s->dst_port);
	writer_u32(&to, s->tcp_seq);
	name_format(w->name, name);
	int len = snprintf(what, sizeof(what), "%s/%s/%s", w->scheme,
		w->service != NULL ? w->service->name : "", name);
	classic_replay_key("attempt", span_of(what, len > 0 ? (size_t)len : 0), SPAN_OF(knock),
		w->is_close, w->replay_key);
	w->replay_until_ms = wall_ms + TRACK_SAME_MS;
}

const struct judge_wish *classic_seen(struct classic *x, const struct sighting *s, uint64_t wall_ms,
	uint64_t mono_ms, size_t *ret_count)
{
	struct classic_door *d = &x->doors[s->door];
	struct classic_moment m = { x, d, s, wall_ms, mono_ms };
	x->wish_count = 0;
	if (classic_fwknop_owns(d->config, s))
		classic_fwknop_seen(&m);
	else if (d->tracks != NULL && !is_for_spa(d->config, s))
		classic_track_seen(&m);
	for (size_t i = 0; s->has_seq && i < x->wish_count; i++)
		if (!x->wishes[i].is_once)
			recognise(s, wall_ms, &x->wishes[i]);
	x->counts.understood += x->wish_count;
	*ret_count = x->wish_count;
	return x->wishes;
}

struct judge_wish *classic_wish(
	const struct classic_moment *m, const struct classic_who *who, const char *scheme, ...)
{
	struct classic *x = m->x;
	if (x->wish_count == CLASSIC_WISHES_MAX)
		return NULL;
	struct judge_wish *w = &x->wishes[x->wish_count++];
	va_list ap;
	*w = (struct judge_wish){ .name = &who->name, .entry = who->entry };
	va_start(ap, scheme);
	vsnprintf(w->scheme, sizeof(w->scheme), scheme, ap);
	va_end(ap);
	randombytes_buf(w->replay_key, sizeof(w->replay_key));
	w->replay_until_ms = m->wall_ms + REPLAY_MIN_MS;
	return w;
}

const struct config_service *classic_service(
	const struct config *c, const struct config_list *services, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < services->len; i++) {
		const struct config_service *s = config_service_by_name(c, services->items[i].text);
		if (s != NULL && (proto == 0 || s->proto == proto) && port >= s->port &&
			port <= config_service_last_port(s))
			return s;
	}
	return NULL;
}

void classic_replay_key(const char *label, struct span id, struct span content, unsigned index,
	uint8_t ret[STORE_REPLAY_KEY_LEN])
{
	crypto_generichash_state st;
	uint8_t n = (uint8_t)index;
	crypto_generichash_init(&st, NULL, 0, STORE_REPLAY_KEY_LEN);
	/* The label with its end, so that none is the beginning of another. */
	crypto_generichash_update(&st, (const uint8_t *)label, strlen(label) + 1);
	crypto_generichash_update(&st, id.data, id.len);
	crypto_generichash_update(&st, content.data, content.len);
	crypto_generichash_update(&st, &n, 1);
	crypto_generichash_final(&st, ret, STORE_REPLAY_KEY_LEN);
}

/* A store that cannot say is asked again by the claim, which then fails. */
bool classic_is_replay(const struct classic *x, const uint8_t key[STORE_REPLAY_KEY_LEN])
{
	return x->how.store != NULL && store_replay_known(x->how.store, key) == 1;
}

void classic_say(const struct classic *x, const char *fmt, ...)
{
	char text[512];
	va_list ap;
	if (x->how.tell == NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	x->how.tell(x->how.tell_arg, text);
}
