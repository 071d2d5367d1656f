/*
 * What the look at a host comes to, and how it is told. Invariant: a port is called silent only when nothing
 * came back for it, and silence that differs from its neighbours' answers is said to differ.
 */

#include <string.h>

#include "audit/stealth.h"

const char *audit_sight_name(enum audit_sight s)
{
	static const char *const names[AUDIT_SIGHT_COUNT] = { "silent", "open", "refuses",
		"unreachable", "untried" };
	return s < AUDIT_SIGHT_COUNT ? names[s] : "unknown";
}

static bool has_port(const struct audit_stealth_view *v, uint16_t port)
{
	for (size_t i = 0; i < v->port_count; i++)
		if (v->ports[i].port == port)
			return true;
	return false;
}

/* Between 30000 and 60999, where hardly anything listens; the step keeps them apart. */
void audit_stealth_add_others(struct audit_stealth_view *v, uint32_t seed)
{
	bool has_udp = false;
	for (size_t i = 0; i < v->port_count; i++)
		has_udp = has_udp || v->ports[i].is_udp;
	for (unsigned n = 0; n < AUDIT_STEALTH_OTHERS; n++) {
		uint16_t port;
		do {
			port = (uint16_t)(30000 + seed % 31000);
			seed += 7919;
		} while (has_port(v, port));
		for (unsigned udp = 0; udp <= (has_udp ? 1U : 0U); udp++)
			if (v->port_count < AUDIT_STEALTH_PORTS_MAX)
				v->ports[v->port_count++] = (struct audit_stealth_port){
					.port = port, .is_udp = udp == 1, .is_other = true
				};
	}
}

static bool answers(enum audit_sight s)
{
	return s == AUDIT_SIGHT_OPEN || s == AUDIT_SIGHT_REFUSES || s == AUDIT_SIGHT_UNREACHABLE;
}

struct audit_stealth_verdict audit_stealth_judge(const struct audit_stealth_view *v)
{
	struct audit_stealth_verdict ret = { .is_silent = true };
	bool is_kind_silent[2] = { false, false }, do_others_answer[2] = { false, false };
	for (size_t i = 0; i < v->port_count; i++) {
		const struct audit_stealth_port *p = &v->ports[i];
		if (p->is_other) {
			do_others_answer[p->is_udp] =
				do_others_answer[p->is_udp] || answers(p->sight);
			continue;
		}
		ret.counts[p->sight]++;
		ret.is_silent = ret.is_silent && p->sight == AUDIT_SIGHT_SILENT;
		ret.is_untried = ret.is_untried || p->sight == AUDIT_SIGHT_FAILED;
		if (p->sight == AUDIT_SIGHT_SILENT)
			is_kind_silent[p->is_udp] = true;
	}
	if (is_kind_silent[0] || is_kind_silent[1])
		ret.stands_out = (is_kind_silent[0] && do_others_answer[0]) ||
				(is_kind_silent[1] && do_others_answer[1])
			? AUDIT_YES
			: AUDIT_NO;
	return ret;
}

static void put_icmp(const struct audit_stealth_port *p, const char *name, char to[256])
{
	char from[ADDR_TEXT_MAX];
	snprintf(to, 256,
		"%s: unreachable: ICMP type %u code %u from %s: somebody filters it, and says so",
		name, (unsigned)p->icmp_type, (unsigned)p->icmp_code,
		addr_format(&p->icmp_from, from));
}

const char *audit_stealth_text(const struct audit_stealth_port *p, char to[256])
{
	char name[32];
	snprintf(name, sizeof(name), "%s/%u", p->is_udp ? "udp" : "tcp", (unsigned)p->port);
	switch (p->sight) {
	case AUDIT_SIGHT_SILENT:
		snprintf(to, 256, "%s: silent after %u tries%s", name, p->tries,
			p->is_udp
				? "; an open port that does not care for our datagrams looks the same"
				: "");
		break;
	case AUDIT_SIGHT_OPEN:
		snprintf(to, 256, "%s: open: %s after %u.%u ms", name,
			p->is_udp ? "an answer came" : "a connection was made", p->rtt_us / 1000,
			p->rtt_us % 1000 / 100);
		break;
	case AUDIT_SIGHT_REFUSES:
		snprintf(to, 256, "%s: refuses: visible as closed, by %s", name,
			p->is_udp ? "ICMP port unreachable" : "a reset");
		break;
	case AUDIT_SIGHT_UNREACHABLE:
		put_icmp(p, name, to);
		break;
	case AUDIT_SIGHT_FAILED:
	case AUDIT_SIGHT_COUNT:
		snprintf(to, 256, "%s: could not be tried from here: %s", name, strerror(p->error));
		break;
	}
	return to;
}

static const char *verdict_text(const struct audit_stealth_verdict *d)
{
	if (d->is_untried)
		return "some ports could not be tried: nothing is said about them";
	if (!d->is_silent)
		return "NOT silent: strangers see some of these ports";
	if (d->stands_out == AUDIT_YES)
		return "silent, but others of this machine answer: a filter is seen to be there. Let it "
		       "drop what is for closed ports as well";
	return "silent, and so is everything beside it: nothing tells these ports from ports of a machine "
	       "that is not there";
}

void audit_stealth_print(FILE *out, const char *host, const struct audit_stealth_view *v)
{
	struct audit_stealth_verdict d = audit_stealth_judge(v);
	char line[256], address[ADDR_TEXT_MAX];
	fprintf(out, "%s (%s)\n", host, addr_format(&v->addr, address));
	for (size_t i = 0; i < v->port_count; i++)
		if (!v->ports[i].is_other)
			fprintf(out, "  %s\n", audit_stealth_text(&v->ports[i], line));
	for (size_t i = 0; i < v->port_count; i++)
		if (v->ports[i].is_other && answers(v->ports[i].sight))
			fprintf(out, "  for comparison %s\n",
				audit_stealth_text(&v->ports[i], line));
	fprintf(out, "  %s\n", verdict_text(&d));
}

static json_t *port_json(const struct audit_stealth_port *p)
{
	char from[ADDR_TEXT_MAX];
	json_t *o = json_pack("{s:s, s:i, s:b, s:s, s:i}", "protocol", p->is_udp ? "udp" : "tcp",
		"port", (int)p->port, "comparison", p->is_other, "sight",
		audit_sight_name(p->sight), "tries", (int)p->tries);
	if (o != NULL && p->has_icmp)
		json_object_set_new(o, "icmp",
			json_pack("{s:i, s:i, s:s}", "type", p->icmp_type, "code", p->icmp_code,
				"from", addr_format(&p->icmp_from, from)));
	if (o != NULL && answers(p->sight))
		json_object_set_new(o, "rtt_us", json_integer(p->rtt_us));
	if (o != NULL && p->ttl != 0)
		json_object_set_new(o, "ttl", json_integer(p->ttl));
	if (o != NULL && p->sight == AUDIT_SIGHT_FAILED)
		json_object_set_new(o, "error", json_string(strerror(p->error)));
	return o;
}

json_t *audit_stealth_json(const char *host, const struct audit_stealth_view *v)
{
	static const char *const words[] = { "unknown", "no", "yes" };
	struct audit_stealth_verdict d = audit_stealth_judge(v);
	char address[ADDR_TEXT_MAX];
	json_t *ports = json_array();
	for (size_t i = 0; ports != NULL && i < v->port_count; i++)
		if (json_array_append_new(ports, port_json(&v->ports[i])) < 0) {
			json_decref(ports);
			return NULL;
		}
	return json_pack("{s:s, s:s, s:b, s:s, s:o}", "host", host, "address",
		addr_format(&v->addr, address), "silent", d.is_silent, "stands_out",
		words[d.stands_out], "ports", ports);
}
