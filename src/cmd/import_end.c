/*
 * The end of an import: what may not stand beside each other in one configuration, whichever files it came
 * from. Invariant: what is left would be taken by posternd --check, and names only what is left.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <string.h>

#include "cmd/import.h"

/* The service that guards a port, by name; NULL when none does. */
static const char *guard_of(const struct import *im, uint8_t proto, uint16_t port)
{
	for (size_t i = 0; i < im->service_count; i++) {
		const struct import_service *s = &im->services[i];
		if (s->is_used && s->proto == proto && port >= s->port &&
			port <= (s->port_last != 0 ? s->port_last : s->port))
			return s->name;
	}
	const struct config_service *c =
		im->config != NULL ? config_service_by_port(im->config, proto, port) : NULL;
	return c != NULL ? c->name : NULL;
}

/* Services and people that something left over needs. */
static void mark_used(struct import *im)
{
	for (size_t i = 0; i < im->service_count; i++)
		im->services[i].is_used = false;
	for (size_t i = 0; i < im->person_count; i++)
		im->people[i].is_used = false;
	for (size_t i = 0; i < im->sequence_count; i++) {
		im->services[im->sequences[i].service].is_used |= !im->sequences[i].is_close;
		im->people[im->sequences[i].person].is_used = true;
	}
	for (size_t i = 0; i < im->fwknop_count; i++) {
		im->people[im->fwknops[i].person].is_used = true;
		for (size_t k = 0; k < im->service_count; k++)
			im->services[k].is_used |= im->fwknops[i].is_for[k];
	}
}

/* ------------------------------------------------------------------ sequences */

static bool is_at(const struct sequence *q, const struct sequence *other, size_t off)
{
	for (size_t i = 0; i < q->count; i++)
		if (q->steps[i].port != other->steps[off + i].port ||
			q->steps[i].proto != other->steps[off + i].proto)
			return false;
	return true;
}

static bool is_inside(const struct sequence *q, const struct sequence *other)
{
	for (size_t off = 0; q->count > 0 && off + q->count <= other->count; off++)
		if (is_at(q, other, off))
			return true;
	return false;
}

/* Who makes sequence n makes another one on the way. Of two that are the same the second goes. */
static bool meets_another(const struct import *im, size_t n)
{
	const struct sequence *q = &im->sequences[n].sequence;
	for (size_t i = 0; i < im->sequence_count; i++) {
		const struct sequence *o = &im->sequences[i].sequence;
		if (i != n && is_inside(o, q) && (i < n || !is_inside(q, o)))
			return true;
	}
	return false;
}

static bool has_opener(const struct import *im, size_t service)
{
	for (size_t i = 0; i < im->sequence_count; i++)
		if (im->sequences[i].service == service && !im->sequences[i].is_close)
			return true;
	return false;
}

/* A knock must be nothing else as well. */
static bool knocks_elsewhere(struct import *im, const struct import_sequence *q)
{
	for (size_t i = 0; i < q->sequence.count; i++) {
		const struct sequence_step *s = &q->sequence.steps[i];
		const char *guard = guard_of(im, s->proto, s->port);
		if (guard == NULL)
			continue;
		import_note(im, IMPORT_LOST, q->at,
			"it knocks on port %u, which service %s guards; choose another port",
			s->port, guard);
		return false;
	}
	return true;
}

static bool may_stay(struct import *im, size_t n)
{
	const struct import_sequence *q = &im->sequences[n];

	if (q->one_time[0] == '\0' && q->sequence.count < 2)
		import_note(im, IMPORT_LOST, q->at, "a sequence has at least two knocks");
	else if (meets_another(im, n))
		import_note(im, IMPORT_LOST, q->at,
			"who knocks so makes another sequence on the way; change one of them");
	else if (q->is_close && !has_opener(im, q->service))
		import_note(im, IMPORT_LOST, q->at, "it closes what nothing opens any more");
	else
		return knocks_elsewhere(im, q);
	return false;
}

/* Until nothing has to go: with an opener a closer may go, and with a service a guard. */
static void end_sequences(struct import *im)
{
	for (size_t i = 0; i < im->sequence_count;) {
		mark_used(im);
		if (may_stay(im, i)) {
			i++;
			continue;
		}
		memmove(&im->sequences[i], &im->sequences[i + 1],
			(im->sequence_count - i - 1) * sizeof(im->sequences[0]));
		im->sequence_count--;
		i = 0;
	}
}

/* ------------------------------------------------------------------ fwknop */

/* Knocks come in on a port that some stanza would guard. */
static void free_port(struct import *im)
{
	for (size_t i = 0; i < im->service_count && im->fwknop_count > 0; i++) {
		const struct import_service *s = &im->services[i];
		if (s->proto != IPPROTO_UDP || im->udp < s->port ||
			im->udp > (s->port_last != 0 ? s->port_last : s->port))
			continue;
		import_note(im, IMPORT_LOST, im->fwknops[0].at,
			"service %s: the knocks come in on port %u; it cannot be a service",
			s->name, im->udp);
		for (size_t k = 0; k < im->fwknop_count; k++)
			im->fwknops[k].is_for[i] = false;
	}
}

static bool opens_any(const struct import *im, const struct import_fwknop *q)
{
	for (size_t i = 0; i < im->service_count; i++)
		if (q->is_for[i])
			return true;
	return false;
}

static void end_fwknops(struct import *im)
{
	size_t kept = 0;

	import_fwknop_everything(im);
	free_port(im);
	for (size_t i = 0; i < im->fwknop_count; i++) {
		if (!opens_any(im, &im->fwknops[i]))
			import_note(im, IMPORT_LOST, im->fwknops[i].at,
				"the stanza opens nothing that is left");
		else
			im->fwknops[kept++] = im->fwknops[i];
	}
	sodium_memzero(&im->fwknops[kept], (im->fwknop_count - kept) * sizeof(im->fwknops[0]));
	im->fwknop_count = kept;
	mark_used(im);
	const char *guard = im->tcp != 0 ? guard_of(im, IPPROTO_TCP, im->tcp) : NULL;
	if (kept == 0 || guard == NULL)
		return;
	import_note(im, IMPORT_LOST, im->fwknops[0].at,
		"tcp = %u: service %s guards it, so no stranger's connection brings a text",
		im->tcp, guard);
	im->tcp = 0;
}

void import_end(struct import *im)
{
	end_fwknops(im);
	end_sequences(im);
	mark_used(im);
}
