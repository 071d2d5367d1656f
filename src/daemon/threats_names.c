/* The names that classic knocks are taken for: can they be names, and would anything open for them? */

#include <string.h>

#include "daemon/threats.h"
#include "identity/name.h"

/* Who a block's knocks are taken for, and what they may ask for. */
struct block {
	uint16_t door;
	const struct config_text *as;
	const struct config_list *services;
	const char *service; /* when services is NULL; NULL: it opens none */
};

typedef void block_fn(void *arg, const struct block *b);

static void for_blocks(const struct config *c, block_fn *f, void *arg)
{
	for (uint16_t i = 0; i < c->door_count; i++) {
		const struct config_door *d = &c->doors[i];
		for (size_t n = 0; n < d->sequence_count; n++)
			f(arg,
				&(struct block){
					i, &d->sequences[n].as_at, NULL, d->sequences[n].open });
		for (size_t n = 0; n < d->structured_count; n++)
			f(arg,
				&(struct block){ i, &d->structured[n].as_at,
					&d->structured[n].services, NULL });
		for (size_t n = 0; n < d->cipher_count; n++)
			f(arg,
				&(struct block){
					i, &d->ciphers[n].as_at, &d->ciphers[n].services, NULL });
		for (size_t n = 0; n < d->fwknop_count; n++)
			f(arg,
				&(struct block){
					i, &d->fwknops[n].as_at, &d->fwknops[n].services, NULL });
	}
}

static void check_name(void *arg, const struct block *b)
{
	struct name name;
	enum name_reject why = name_parse(b->as->text, false, &name);
	if (why != NAME_OK)
		config_report_add(arg, b->as, "as: this is no name: %s", name_reject_text(why));
}

void threats_check_names(const struct config *c, struct config_report *r)
{
	for_blocks(c, check_name, r);
}

struct asking {
	const struct config *config;
	const struct directory *directory;
	const struct policy *policy;
	uint64_t wall_ms;
	FILE *out;
};

/* From where it will come nobody knows, so an entry's from is not held against it. */
static void warn_service(const struct asking *a, const struct block *b,
	const struct directory_entry *e, const struct config_service *service)
{
	char text[NAME_TEXT_MAX];
	struct claim claim = {
		.entry = e,
		.name = e->name,
		.is_authenticated = true,
		.is_certified = e->is_certified_equivalent,
		.not_after_ms = e->expires_ms,
		.service = service,
		.door = b->door,
	};
	memcpy(claim.key_id, e->key_id, sizeof(claim.key_id));
	struct verdict v = policy_decide(a->policy, &claim, a->wall_ms);
	if (v.reason == POLICY_GRANT || v.reason == POLICY_FROM)
		return;
	fprintf(a->out,
		"warning: %s:%u: as: %s may not use %s, so these knocks are refused: %s%s%s%s%s%s; change the "
		"list, or the name\n",
		b->as->file, b->as->line, name_format(&e->name, text), service->name, v.text,
		v.list[0] != '\0' ? " (" : "", v.list, v.entry[0] != '\0' ? ": " : "", v.entry,
		v.list[0] != '\0' ? ")" : "");
}

static void warn_name(void *arg, const struct block *b)
{
	const struct asking *a = arg;
	struct name name;
	char text[NAME_TEXT_MAX];
	if (name_parse(b->as->text, false, &name) != NAME_OK)
		return;
	const struct directory_entry *e = directory_find_name(a->directory, &name);
	if (e == NULL) {
		fprintf(a->out,
			"warning: %s:%u: as: the directory does not list %s, so these knocks are refused; "
			"list the name, or change it\n",
			b->as->file, b->as->line, name_format(&name, text));
		return;
	}
	size_t n = b->services != NULL ? b->services->len : b->service != NULL;
	for (size_t i = 0; i < n; i++) {
		const char *s = b->services != NULL ? b->services->items[i].text : b->service;
		const struct config_service *service = config_service_by_name(a->config, s);
		if (service != NULL)
			warn_service(a, b, e, service);
	}
}

void threats_warn_names(const struct config *c, const struct directory *d, const struct policy *p,
	uint64_t wall_ms, FILE *out)
{
	struct asking a = { c, d, p, wall_ms, out };
	for_blocks(c, warn_name, &a);
}
