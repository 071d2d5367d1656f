/*
 * What changed between two reports, gateway by gateway. Invariant: the older one is a file of a person, so
 * anything in it may be missing or of another kind; then it is as if it were empty.
 */

#include <jansson.h>
#include <string.h>

#include "audit/dialogue.h"
#include "audit/report.h"

#define NAME_MAX_LEN 512

static const char *string_of(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));
	return s != NULL ? s : "";
}

struct comparison {
	FILE *out;
	const char *title; /* of the gateway or domain; told once */
	bool is_told;
	bool is_whole; /* what is not in the newer one is gone, not only unseen */
	size_t changes;
};

static void tell(struct comparison *c, const char *what, const char *name, const char *more)
{
	char safe[NAME_MAX_LEN], about[NAME_MAX_LEN];
	if (!c->is_told)
		fprintf(c->out, "%s\n", c->title);
	c->is_told = true;
	c->changes++;
	audit_quote(span_of(name, strlen(name)), safe, sizeof(safe));
	audit_quote(span_of(more, strlen(more)), about, sizeof(about));
	fprintf(c->out, "  %s: %s%s%s\n", what, safe, about[0] != '\0' ? ", " : "", about);
}

/* One item of a list by the value of a key; NULL: it is not there. */
static const json_t *item_with(const json_t *list, const char *key, const char *value)
{
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t)list, i,
		item) if (strcmp(string_of(item, key), value) == 0) return item;
	return NULL;
}

static void compare_findings(struct comparison *c, const json_t *before, const json_t *now)
{
	const json_t *old = json_object_get(before, "findings");
	const json_t *new = json_object_get(now, "findings");
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t) new, i, item)
	{
		const char *id = string_of(item, "id"), *severity = string_of(item, "severity");
		const json_t *was = item_with(old, "id", id);
		if (was == NULL)
			tell(c, "new finding", id, severity);
		else if (strcmp(string_of(was, "severity"), severity) != 0)
			tell(c, "severity", id, severity);
		else if (strcmp(string_of(was, "detail"), string_of(item, "detail")) != 0)
			tell(c, "changed finding", id, string_of(item, "detail"));
	}
	json_array_foreach((json_t *)(uintptr_t)old, i, item)
	{
		const char *id = string_of(item, "id");
		if (c->is_whole && item_with(new, "id", id) == NULL)
			tell(c, "gone finding", id, "");
	}
}

static void compare_suites(
	struct comparison *c, const char *version, const json_t *before, const json_t *now)
{
	const json_t *old = json_object_get(before, "suites");
	const json_t *new = json_object_get(now, "suites");
	bool is_whole = !json_is_true(json_object_get(now, "incomplete"));
	size_t i;
	json_t *item;
	json_array_foreach((json_t *)(uintptr_t) new, i, item)
	{
		if (item_with(old, "id", string_of(item, "id")) == NULL)
			tell(c, "new suite", string_of(item, "name"), version);
	}
	json_array_foreach((json_t *)(uintptr_t)old, i, item)
	{
		if (is_whole && item_with(new, "id", string_of(item, "id")) == NULL)
			tell(c, "gone suite", string_of(item, "name"), version);
	}
}

static void compare_protocols(struct comparison *c, const json_t *before, const json_t *now)
{
	const json_t *old = json_object_get(before, "protocols");
	const json_t *new = json_object_get(now, "protocols");
	const char *version;
	json_t *protocol;
	json_object_foreach((json_t *)(uintptr_t) new, version, protocol)
	{
		const json_t *was = json_object_get(old, version);
		const char *offered = string_of(protocol, "offered");
		bool is_new = strcmp(offered, "yes") == 0, is_old;
		is_old = strcmp(string_of(was, "offered"), "yes") == 0;
		if (is_new && !is_old)
			tell(c, "new protocol", version, "");
		else if (is_old && strcmp(offered, "no") == 0)
			tell(c, "gone protocol", version, "");
		else if (is_old && is_new)
			compare_suites(c, version, was, protocol);
	}
}

/* Certificates by hash, over all chains. */
static bool has_cert(const json_t *gateway, const char *sha256)
{
	size_t i;
	json_t *chain;
	json_array_foreach(json_object_get(gateway, "chains"), i, chain)
	{
		const json_t *certs = json_object_get(chain, "certificates");
		if (item_with(certs, "sha256", sha256) != NULL)
			return true;
	}
	return false;
}

static void compare_certs(
	struct comparison *c, const char *what, const json_t *in, const json_t *other)
{
	size_t i, k;
	json_t *chain, *cert;
	json_array_foreach(json_object_get(in, "chains"), i, chain)
	{
		json_array_foreach(json_object_get(chain, "certificates"), k, cert)
		{
			const char *hash = string_of(cert, "sha256");
			if (hash[0] != '\0' && !has_cert(other, hash))
				tell(c, what, string_of(cert, "subject"),
					string_of(cert, "not_after"));
		}
	}
}

static void gateway_key(const json_t *g, char to[NAME_MAX_LEN])
{
	char host[256];
	const char *name = string_of(g, "host");
	audit_quote(span_of(name, strlen(name)), host, sizeof(host));
	snprintf(to, NAME_MAX_LEN, "%s port %d, %.64s", host[0] != '\0' ? host : "server",
		(int)json_integer_value(json_object_get(g, "port")), string_of(g, "address"));
}

static const json_t *gateway_like(const json_t *report, const json_t *g)
{
	char key[NAME_MAX_LEN], other[NAME_MAX_LEN];
	size_t i;
	json_t *item;
	gateway_key(g, key);
	json_array_foreach(json_object_get(report, "gateways"), i, item)
	{
		gateway_key(item, other);
		if (strcmp(key, other) == 0)
			return item;
	}
	return NULL;
}

static size_t compare_gateway(FILE *out, const json_t *before, const json_t *now)
{
	char title[NAME_MAX_LEN], safe[NAME_MAX_LEN];
	struct comparison c = { .out = out, .title = safe };
	gateway_key(now, title);
	audit_quote(span_of(title, strlen(title)), safe, sizeof(safe));
	if (before == NULL) {
		tell(&c, "new gateway", string_of(now, "end"), "");
		return c.changes;
	}
	const char *end = string_of(now, "end");
	bool is_same_end = strcmp(string_of(before, "end"), end) == 0;
	c.is_whole = is_same_end || strcmp(end, "complete") == 0;
	if (!is_same_end)
		tell(&c, "end", end, string_of(before, "end"));
	compare_findings(&c, before, now);
	compare_protocols(&c, before, now);
	compare_certs(&c, "new certificate", now, before);
	if (c.is_whole)
		compare_certs(&c, "gone certificate", before, now);
	return c.changes;
}

static size_t compare_domain(FILE *out, const json_t *before, const json_t *now)
{
	char safe[NAME_MAX_LEN];
	const char *name = string_of(now, "name");
	struct comparison c = { .out = out, .title = safe, .is_whole = true };
	audit_quote(span_of(name, strlen(name)), safe, sizeof(safe));
	if (before == NULL)
		tell(&c, "new domain", name, "");
	else
		compare_findings(&c, before, now);
	return c.changes;
}

size_t audit_compare(FILE *out, const json_t *before, const json_t *now)
{
	size_t i, changes = 0;
	json_t *item;
	json_array_foreach(json_object_get(now, "gateways"), i, item)
	{
		changes += compare_gateway(out, gateway_like(before, item), item);
	}
	json_array_foreach(json_object_get(before, "gateways"), i, item)
	{
		char title[NAME_MAX_LEN], safe[NAME_MAX_LEN];
		struct comparison c = { .out = out, .title = safe };
		if (gateway_like(now, item) != NULL)
			continue;
		gateway_key(item, title);
		audit_quote(span_of(title, strlen(title)), safe, sizeof(safe));
		tell(&c, "gone gateway", "not looked at this time", "");
		changes += c.changes;
	}
	const json_t *domains = json_object_get(before, "domains");
	json_array_foreach(json_object_get(now, "domains"), i, item)
	{
		changes += compare_domain(
			out, item_with(domains, "name", string_of(item, "name")), item);
	}
	return changes;
}
