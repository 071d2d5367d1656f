/*
 * Answers of a server that says anything at all, in any order, to a whole scan. Property: the scan ends
 * within a bounded number of questions, every list stays within its bounds, no suite is listed that was not
 * chosen in that version, and an end is given.
 */

#include <stdlib.h>
#include <string.h>

#include "audit/enumerate.h"
#include "audit/suite.h"
#include "base/span.h"

#define ASKS_MAX 4000
#define AIR_MAX 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
	if (!holds)
		abort();
}

static uint8_t chosen[AUDIT_VERSION_COUNT][1 << 16];

/* One byte of a suite from the table, or two bytes of any number. */
static uint32_t pick_suite(struct reader *r)
{
	uint8_t n = reader_u8(r);
	if (n == 0xff)
		return reader_u16(r);
	return audit_suite_at((n * 7U + reader_u8(r)) % audit_suite_count())->id & 0xffff;
}

static void fill_flight(struct reader *r, struct audit_flight *f)
{
	static const uint8_t cert[] = { 0x30, 0x03, 1, 2, 3 };
	uint8_t kind = reader_u8(r), flags = reader_u8(r);
	memset(f, 0, sizeof(*f));
	f->end = (enum audit_flight_end)(kind % (AUDIT_FLIGHT_BROKEN + 1));
	f->has_alert = f->end == AUDIT_FLIGHT_ALERT;
	f->alert_code = f->has_alert ? reader_u8(r) : 0;
	f->has_hello = f->end == AUDIT_FLIGHT_HELLO || f->end == AUDIT_FLIGHT_RETRY ||
		f->end == AUDIT_FLIGHT_SSL2;
	if (!f->has_hello)
		return;
	f->version = (enum audit_version)(kind / 8 % AUDIT_VERSION_COUNT);
	f->suite = pick_suite(r);
	chosen[f->version][f->suite] = 1;
	f->group = reader_u16(r) % 600;
	f->dh.bits = flags & 1 ? reader_u16(r) : 0;
	f->dh.len = f->dh.bits / 16;
	f->has_public = flags & 2;
	f->public_hash[0] = flags >> 6;
	f->compression = flags >> 5 & 1;
	f->has_heartbeat = flags & 4;
	if (flags & 8) {
		f->certs[0] = span_of(cert, 3 + flags % 3U);
		f->cert_count = 1;
	}
	for (size_t i = 0; f->end == AUDIT_FLIGHT_SSL2 && i < flags; i++) {
		f->ssl2_suites[f->ssl2_suite_count++] = (uint32_t)i;
		chosen[AUDIT_SSL2][i] = 1;
	}
}

static void fill_result(struct reader *r, struct audit_probe_result *ret, struct audit_flight *f)
{
	static const struct audit_words words = { .code = 421, .text = "421 no" };
	uint8_t how = reader_u8(r);
	*ret = (struct audit_probe_result){ .end = (enum audit_probe_end)(how % 7),
		.stage = how & 0x80 ? (enum audit_stage)(how >> 3 & 1) : AUDIT_STAGE_HELLO,
		.dialogue_end = AUDIT_END_RATE,
		.is_temporary = how & 0x40,
		.words = &words };
	if (ret->stage != AUDIT_STAGE_HELLO)
		return;
	fill_flight(r, f);
	ret->flight = how & 0x20 ? NULL : f;
}

static void check(const struct audit_facts *f)
{
	must(f->end != AUDIT_END_NONE);
	must(f->group_count <= AUDIT_GROUPS_MAX && f->signature_count <= AUDIT_SIGNATURES_MAX);
	must(f->extension_count <= AUDIT_EXTENSIONS_MAX && f->chain_count <= AUDIT_CHAINS_MAX);
	for (size_t v = 0; v < AUDIT_VERSION_COUNT; v++) {
		const struct audit_protocol *p = &f->protocols[v];
		must(p->suite_count <= AUDIT_SUITES_MAX);
		must(p->suite_count == 0 || p->offered == AUDIT_YES);
		for (size_t i = 0; i < p->suite_count; i++) {
			must(chosen[v][p->suites[i].suite & 0xffff]);
			for (size_t k = 0; k < i; k++)
				must(p->suites[k].suite != p->suites[i].suite);
		}
		/* A list that may be short is never part of a complete end. */
		must(!p->is_incomplete || f->end != AUDIT_END_COMPLETE);
	}
}

static void answer(struct audit_scan *s, struct reader *r, const struct audit_ask *ask)
{
	static struct audit_flight flight;
	struct audit_probe_result result;
	fill_result(r, &result, &flight);
	if (ask->kind == AUDIT_ASK_HELLO)
		audit_scan_result(s, ask->id, &result, 1795000000);
	else
		audit_scan_verdict(s, ask->id, (enum audit_answer)(flight.alert_code % 3), &result);
	if (audit_scan_is_refused_for_now(s) && reader_u8(r) & 1)
		audit_scan_try_again(s);
}

static void scan(struct reader *r, struct audit_facts *f, unsigned w)
{
	static struct audit_ask air[AIR_MAX];
	struct audit_scan_options o = { .has_probes = true };
	struct audit_scan *s = audit_scan_new(f, &o);
	unsigned n = 0, asks = 0;
	must(s != NULL);
	for (;;) {
		enum audit_next next = AUDIT_NEXT_WAIT;
		while (n < w && (next = audit_scan_next(s, &air[n])) == AUDIT_NEXT_ASK) {
			n++;
			must(++asks < ASKS_MAX);
		}
		if (next == AUDIT_NEXT_DONE)
			break;
		must(n > 0);
		uint8_t i = reader_u8(r);
		if (i == 0xfe)
			audit_scan_shorten(s);
		if (i == 0xfd)
			audit_scan_stop(s, "stopped");
		struct audit_ask one = air[i % n];
		n--;
		air[i % (n + 1)] = air[n];
		answer(s, r, &one);
	}
	must(asks == f->connections);
	must(audit_scan_rounds_left(s, w) == 0);
	audit_scan_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader r = reader_init(span_of(data, len));
	uint8_t setup = reader_u8(&r);
	struct audit_target t = { .port = 443,
		.starttls = (enum audit_starttls)(setup / 16 % AUDIT_STARTTLS_COUNT) };
	if (setup & 8)
		strcpy(t.host, "mx.example.org");
	struct audit_facts *f = audit_facts_new(&t);
	must(f != NULL);
	memset(chosen, 0, sizeof(chosen));
	scan(&r, f, 1 + setup % AIR_MAX);
	check(f);
	audit_facts_free(f);
	return 0;
}
