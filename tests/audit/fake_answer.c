/* What the fake server answers to a ClientHello: version, suite, group and signature by its profile, then the flight. */

#include <openssl/rand.h>
#include <string.h>
#include <time.h>

#include "base/span.h"
#include "fake.h"

#define SIGNATURE_LEN 256
#define FLIGHT_MAX FAKE_OUT_MAX

static const uint8_t retry_random[32] = { 0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE,
	0x1D, 0x8C, 0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB, 0x8C, 0x5E,
	0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C };

struct choice {
	enum fake_version version;
	struct fake_suite suite;
	uint16_t group, signature;
	bool has_share;
};

static uint8_t flight[FLIGHT_MAX];

static bool has16(const uint16_t *list, size_t n, uint16_t v)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == v)
			return true;
	return false;
}

/* The first of the leader's list that the other has as well; 0: none. */
static uint16_t common(
	const uint16_t *mine, size_t n, const uint16_t *theirs, size_t m, bool is_theirs_first)
{
	const uint16_t *lead = is_theirs_first ? theirs : mine,
		       *other = is_theirs_first ? mine : theirs;
	size_t lead_len = is_theirs_first ? m : n, other_len = is_theirs_first ? n : m;
	for (size_t i = 0; i < lead_len; i++)
		if (has16(other, other_len, lead[i]))
			return lead[i];
	return 0;
}

static bool is_ecdsa(uint16_t signature)
{
	return (signature & 0xff) == 3 && signature >> 8 <= 6;
}

/* An algorithm of the certificate that such a suite needs. 0: none. */
static uint16_t choose_signature(const struct fake_profile *p, const struct fake_hello *h,
	enum fake_kx kx, enum fake_version v)
{
	for (size_t i = 0; i < p->signature_count; i++) {
		uint16_t s = p->signatures[i];
		if (h->has_signatures && !has16(h->signatures, h->signature_count, s))
			continue;
		if (v == FAKE_TLS13 && (s & 0xff) == 1 && s >> 8 <= 6)
			continue; /* RFC 8446 4.2.3: PKCS#1 v1.5 is for certificates alone */
		bool wants_ecdsa = kx == FAKE_ECDHE_ECDSA;
		if (v == FAKE_TLS13 ? (is_ecdsa(s) ? p->ecdsa.count > 0 : p->rsa.count > 0)
				    : is_ecdsa(s) == wants_ecdsa)
			return s;
	}
	return 0;
}

static bool is_ec(enum fake_kx kx)
{
	return kx == FAKE_ECDHE_RSA || kx == FAKE_ECDHE_ECDSA || kx == FAKE_ECDH_ANON;
}

static bool is_signed(enum fake_kx kx)
{
	return kx == FAKE_ECDHE_RSA || kx == FAKE_ECDHE_ECDSA || kx == FAKE_DHE_RSA ||
		kx == FAKE_EXPORT_RSA;
}

/* Groups of curves of TLS 1.2: no hybrids, no finite fields. */
static bool is_curve(uint16_t g)
{
	return g < 0x100;
}

static uint16_t choose_group(const struct fake_profile *p, const struct fake_hello *h, bool is_13)
{
	uint16_t mine[FAKE_LIST_MAX];
	size_t n = 0;
	for (size_t i = 0; i < p->group_count; i++)
		if (is_13 || is_curve(p->groups[i]))
			mine[n++] = p->groups[i];
	if (!h->has_groups)
		return n > 0 && !is_13 ? mine[0] : 0;
	return common(mine, n, h->groups, h->group_count, p->is_client_order);
}

/* Can this suite be had with what else was offered? */
static bool suits(const struct fake_profile *p, const struct fake_hello *h, struct choice *c)
{
	bool is_13 = c->version == FAKE_TLS13;
	if (is_13 || is_ec(c->suite.kx)) {
		c->group = choose_group(p, h, is_13);
		if (c->group == 0)
			return false;
		c->has_share = has16(h->shares, h->share_count, c->group);
	}
	if (is_13 || (c->version == FAKE_TLS12 && is_signed(c->suite.kx))) {
		c->signature = choose_signature(p, h, c->suite.kx, c->version);
		if (c->signature == 0)
			return false;
	}
	return true;
}

static bool offers_suite(const struct fake_profile *p, const struct fake_hello *h, uint32_t id)
{
	size_t n = h->suite_count;
	if (p->first_suites > 0 && n > p->first_suites)
		n = p->first_suites;
	for (size_t i = 0; i < n; i++)
		if (h->suites[i] == id)
			return true;
	return false;
}

static bool choose_suite(const struct fake_profile *p, const struct fake_hello *h, struct choice *c)
{
	size_t n = p->suite_count[c->version], outer = p->is_client_order ? h->suite_count : 1;
	for (size_t j = 0; j < outer; j++) {
		for (size_t i = 0; i < n; i++) {
			c->suite = p->suites[c->version][i];
			if (p->is_client_order && c->suite.id != h->suites[j])
				continue;
			if (offers_suite(p, h, c->suite.id) && suits(p, h, c))
				return true;
		}
	}
	return false;
}

static bool choose_version(
	const struct fake_profile *p, const struct fake_hello *h, struct choice *c)
{
	for (int v = FAKE_TLS13; v >= FAKE_SSL3; v--) {
		if (p->suite_count[v] > 0 && h->is_offered[v]) {
			c->version = (enum fake_version)v;
			return true;
		}
	}
	return false;
}

/* -- messages -------------------------------------------------------------------------------------- */

struct message {
	struct writer *w;
	size_t start;
};

static struct message begin(struct writer *w, uint8_t type)
{
	struct message m = { w, w->len };
	writer_u32(w, (uint32_t)type << 24);
	return m;
}

static void end(struct message m)
{
	size_t n = m.w->len - m.start - 4;
	m.w->start[m.start + 1] = (uint8_t)(n >> 16);
	m.w->start[m.start + 2] = (uint8_t)(n >> 8);
	m.w->start[m.start + 3] = (uint8_t)n;
}

static void put_random(struct writer *w, size_t n)
{
	uint8_t bytes[2048];
	RAND_bytes(bytes, (int)n);
	bytes[0] &= 0x7f;
	writer_put(w, bytes, n);
}

static void put_u24(struct writer *w, size_t n)
{
	writer_u8(w, (uint8_t)(n >> 16));
	writer_u16(w, (uint16_t)n);
}

static void put_ext(struct writer *w, uint16_t type, const void *body, size_t len)
{
	writer_u16(w, type);
	writer_u16(w, (uint16_t)len);
	writer_put(w, body, len);
}

static size_t public_len(uint16_t group)
{
	switch (group) {
	case 23:
		return 65;
	case 24:
		return 97;
	case 25:
		return 133;
	case 30:
		return 56;
	case 0x11ec:
		return 1088 + 32;
	case 0x11eb:
		return 1088 + 65;
	default:
		return group >= 0x100 && group < 0x105
			? (size_t[]){ 256, 384, 512, 768, 1024 }[group - 0x100]
			: 32;
	}
}

static void put_public(struct writer *w, const struct fake_profile *p, bool is_reused, size_t len)
{
	size_t at = w->len;
	if (is_reused)
		writer_put(w, p->reused, len);
	else
		put_random(w, len);
	if (len == 65 || len == 97 || len == 133)
		w->start[at] = 4;
	else if (is_reused)
		w->start[at] &= 0x7f;
}

static void put_extensions_13(
	struct writer *w, const struct fake_profile *p, const struct choice *c)
{
	writer_u16(w, 43);
	writer_u16(w, 2);
	writer_u16(w, 0x0304);
	size_t len = public_len(c->group);
	writer_u16(w, 51);
	writer_u16(w, (uint16_t)(c->has_share ? 4 + len : 2));
	writer_u16(w, c->group);
	if (c->has_share) {
		writer_u16(w, (uint16_t)len);
		put_public(w, p, p->is_ecdh_reused, len);
	}
}

static void put_extensions(struct writer *w, const struct fake_profile *p,
	const struct fake_hello *h, const struct choice *c)
{
	size_t n = strlen(p->alpn);
	if (p->has_renegotiation && h->has_renegotiation)
		put_ext(w, 0xff01, "\0", 1);
	if (is_ec(c->suite.kx) && h->has_groups)
		put_ext(w, 11, "\1\0", 2);
	if (p->has_ems && h->has_ems)
		put_ext(w, 23, NULL, 0);
	if (p->has_etm && h->has_etm)
		put_ext(w, 22, NULL, 0);
	if (p->has_ticket && h->has_ticket)
		put_ext(w, 35, NULL, 0);
	if (p->staple_len > 0 && h->has_status)
		put_ext(w, 5, NULL, 0);
	if (p->heartbeat != FAKE_NO_HEARTBEAT && h->has_heartbeat)
		put_ext(w, 15, "\1", 1);
	if (n > 0 && h->has_alpn) {
		writer_u16(w, 16);
		writer_u16(w, (uint16_t)(3 + n));
		writer_u16(w, (uint16_t)(1 + n));
		writer_u8(w, (uint8_t)n);
		writer_put(w, p->alpn, n);
	}
}

static void put_hello_random(struct writer *w, const struct fake_profile *p, const struct choice *c)
{
	if (c->version == FAKE_TLS13 && !c->has_share) {
		writer_put(w, retry_random, sizeof(retry_random));
		return;
	}
	if (p->has_clock)
		writer_u32(w, (uint32_t)time(NULL));
	put_random(w, p->has_clock ? 28 : 32);
}

static void put_server_hello(struct writer *w, const struct fake_profile *p,
	const struct fake_hello *h, const struct choice *c)
{
	struct message m = begin(w, 2);
	bool is_13 = c->version == FAKE_TLS13;
	writer_u16(w, is_13 ? 0x0303 : (uint16_t)fake_version_code[c->version]);
	put_hello_random(w, p, c);
	if (is_13) {
		writer_u8(w, (uint8_t)h->session_id_len);
		writer_put(w, h->session_id, h->session_id_len);
	} else {
		writer_u8(w, p->has_session_id ? 32 : 0);
		if (p->has_session_id)
			put_random(w, 32);
	}
	writer_u16(w, (uint16_t)c->suite.id);
	writer_u8(w, !is_13 && p->has_compression && h->has_deflate ? 1 : 0);
	size_t at = w->len;
	if (h->has_extensions || h->has_renegotiation) {
		writer_u16(w, 0);
		if (is_13)
			put_extensions_13(w, p, c);
		else
			put_extensions(w, p, h, c);
		size_t n = w->len - at - 2;
		w->start[at] = (uint8_t)(n >> 8);
		w->start[at + 1] = (uint8_t)n;
		if (n == 0)
			w->len = at;
	}
	end(m);
}

static const struct fake_cert *choose_cert(
	const struct fake_profile *p, const struct fake_hello *h, const struct choice *c)
{
	if (!h->has_name && p->other.count > 0)
		return &p->other;
	bool is_ec = c->suite.kx == FAKE_ECDHE_ECDSA || c->suite.kx == FAKE_ECDH;
	return is_ec ? &p->ecdsa : &p->rsa;
}

static void put_signature(struct writer *w, const struct choice *c)
{
	if (!is_signed(c->suite.kx))
		return;
	if (c->version == FAKE_TLS12)
		writer_u16(w, c->signature);
	writer_u16(w, SIGNATURE_LEN);
	put_random(w, SIGNATURE_LEN);
}

static void put_key_exchange(struct writer *w, const struct fake_profile *p, const struct choice *c)
{
	if (c->suite.kx == FAKE_RSA || c->suite.kx == FAKE_ECDH || c->suite.kx == FAKE_KRB5)
		return;
	struct message m = begin(w, 12);
	if (is_ec(c->suite.kx)) {
		size_t len = public_len(c->group);
		writer_u8(w, 3);
		writer_u16(w, c->group);
		writer_u8(w, (uint8_t)len);
		put_public(w, p, p->is_ecdh_reused, len);
	} else if (c->suite.kx == FAKE_EXPORT_RSA) {
		size_t len = (p->export_bits != 0 ? p->export_bits : 512) / 8;
		writer_u16(w, (uint16_t)len);
		size_t at = w->len;
		put_random(w, len);
		w->start[at] |= 0x80;
		writer_u16(w, 3);
		put_u24(w, 65537);
	} else {
		writer_u16(w, (uint16_t)p->dh_len);
		writer_put(w, p->dh, p->dh_len);
		writer_u16(w, 1);
		writer_u8(w, 2);
		writer_u16(w, (uint16_t)p->dh_len);
		put_public(w, p, p->is_dh_reused, p->dh_len);
	}
	put_signature(w, c);
	end(m);
}

static void put_rest(struct writer *w, const struct fake_profile *p, const struct fake_hello *h,
	const struct choice *c)
{
	bool is_nameless = c->suite.kx == FAKE_DH_ANON || c->suite.kx == FAKE_ECDH_ANON ||
		c->suite.kx == FAKE_KRB5;
	if (!is_nameless) {
		const struct fake_cert *cert = choose_cert(p, h, c);
		struct message m = begin(w, 11);
		put_u24(w, cert->len);
		writer_put(w, cert->list, cert->len);
		end(m);
		if (p->staple_len > 0 && h->has_status) {
			m = begin(w, 22);
			writer_u8(w, 1);
			put_u24(w, p->staple_len);
			put_random(w, p->staple_len);
			end(m);
		}
	}
	put_key_exchange(w, p, c);
	if (p->wants_certificate) {
		struct message m = begin(w, 13);
		writer_put(w, "\2\1\x40", 3);
		if (c->version == FAKE_TLS12)
			writer_put(w, "\0\2\4\1", 4);
		writer_u16(w, 0);
		end(m);
	}
	end(begin(w, 14));
}

static void send_records(struct fake_conn *c, uint8_t type, enum fake_version v, struct span all)
{
	for (size_t at = 0; at < all.len; at += 16384) {
		struct span part = span_slice(all, at, 16384);
		unsigned code = v == FAKE_TLS13 ? 0x0303 : fake_version_code[v];
		uint8_t head[5] = { type, (uint8_t)(code >> 8), (uint8_t)code,
			(uint8_t)(part.len >> 8), (uint8_t)part.len };
		fake_send(c, head, sizeof(head));
		fake_send(c, part.data, part.len);
	}
}

static void answer_ssl2(struct fake_conn *c, const struct fake_hello *h)
{
	const struct fake_profile *p = c->profile;
	struct writer w = writer_init(flight, sizeof(flight));
	size_t n = 0;
	for (size_t i = 0; i < p->suite_count[FAKE_SSL2]; i++)
		n += offers_suite(p, h, p->suites[FAKE_SSL2][i].id) ? 3 : 0;
	size_t len = 11 + p->rsa.first_len + n + 16;
	writer_u16(&w, (uint16_t)(0x8000 | len));
	writer_put(&w, "\4\0\1\0\2", 5);
	writer_u16(&w, (uint16_t)p->rsa.first_len);
	writer_u16(&w, (uint16_t)n);
	writer_u16(&w, 16);
	writer_put(&w, p->rsa.list + 3, p->rsa.first_len);
	for (size_t i = 0; i < p->suite_count[FAKE_SSL2]; i++)
		if (offers_suite(p, h, p->suites[FAKE_SSL2][i].id))
			put_u24(&w, p->suites[FAKE_SSL2][i].id);
	put_random(&w, 16);
	fake_send(c, w.start, w.len);
}

static void answer(struct fake_conn *c, const struct fake_hello *h, const struct choice *choice)
{
	const struct fake_profile *p = c->profile;
	struct writer w = writer_init(flight, sizeof(flight));
	put_server_hello(&w, p, h, choice);
	if (choice->version != FAKE_TLS13) {
		put_rest(&w, p, h, choice);
		send_records(c, 22, choice->version, writer_span(&w));
		return;
	}
	send_records(c, 22, choice->version, writer_span(&w));
	send_records(c, 20, FAKE_TLS12, span_of("\1", 1));
	if (choice->has_share) {
		w = writer_init(flight, sizeof(flight));
		put_random(&w, 900); /* stands for what is encrypted */
		send_records(c, 23, FAKE_TLS12, writer_span(&w));
	}
}

static void refuse(struct fake_conn *c, unsigned code)
{
	switch (c->profile->refusal) {
	case FAKE_REFUSE_ALERT:
		fake_alert(c, code);
		break;
	case FAKE_REFUSE_CLOSE:
		c->is_closing = true;
		c->state = FAKE_DEAD;
		break;
	case FAKE_REFUSE_SILENT:
		c->state = FAKE_DEAD;
		break;
	}
}

/* A fault of its own: the connection is dropped without a word. */
static bool is_choked(const struct fake_profile *p, const struct fake_hello *h)
{
	return (p->version_max_borne != 0 &&
		       (h->newest > p->version_max_borne || h->legacy > p->version_max_borne)) ||
		(p->size_to != 0 && h->len >= p->size_from && h->len <= p->size_to) ||
		(p->is_grease_fatal && h->has_unknown) ||
		(p->is_extension_fatal && h->has_extensions);
}

static bool has_newer(const struct fake_profile *p, const struct fake_hello *h, enum fake_version v)
{
	for (unsigned n = v + 1; n < FAKE_VERSIONS; n++)
		if (p->suite_count[n] > 0 && !h->is_offered[n])
			return true;
	return false;
}

void fake_answer(struct fake_conn *c, const struct fake_hello *h)
{
	const struct fake_profile *p = c->profile;
	struct choice choice = { 0 };
	c->state = FAKE_AFTER;
	if (is_choked(p, h)) {
		c->is_reset = true;
		return;
	}
	if (h->is_ssl2 && p->suite_count[FAKE_SSL2] > 0 && h->legacy == 2) {
		answer_ssl2(c, h);
		return;
	}
	if (!choose_version(p, h, &choice)) {
		refuse(c, 70);
		return;
	}
	if (p->has_scsv && h->has_scsv && has_newer(p, h, choice.version)) {
		refuse(c, 86);
		return;
	}
	if (p->needs_name && !h->has_name) {
		refuse(c, 112);
		return;
	}
	if (!choose_suite(p, h, &choice)) {
		refuse(c, 40);
		return;
	}
	c->version = choice.version;
	c->suite = choice.suite;
	answer(c, h, &choice);
}
