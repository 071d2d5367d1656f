/*
 * DER. Invariant: an item that is returned lies wholly within what its reader covered, and there is one
 * encoding of its header only.
 */

#include "identity/der.h"

#define LENGTH_OCTETS_MAX 3 /* 16 MiB: more than any list */

static enum cert_reject read_length(struct reader *r, size_t *ret)
{
	uint8_t first = reader_u8(r);
	if (r->is_short)
		return CERT_SHORT;
	*ret = first;
	if (first < 0x80)
		return CERT_OK;
	size_t octets = first & 0x7fu, len = 0;
	if (octets == 0 || octets > LENGTH_OCTETS_MAX) /* 0: the indefinite form */
		return CERT_LENGTH;
	for (size_t i = 0; i < octets; i++)
		len = len << 8 | reader_u8(r);
	if (r->is_short)
		return CERT_SHORT;
	/* X.690 10.1: the shortest form. */
	if (len < 0x80 || len >> 8 * (octets - 1) == 0)
		return CERT_LENGTH;
	*ret = len;
	return CERT_OK;
}

enum cert_reject der_next(struct reader *r, struct der_item *ret)
{
	struct reader in = *r;
	size_t len;
	uint8_t tag = reader_u8(&in);
	if (in.is_short)
		return CERT_SHORT;
	enum cert_reject reason = read_length(&in, &len);
	if (reason != CERT_OK)
		return reason;
	struct span value = reader_take(&in, len);
	if (in.is_short)
		return CERT_SHORT;
	ret->tag = tag;
	ret->value = value;
	ret->whole = span_of(r->at, r->left - in.left);
	*r = in;
	return CERT_OK;
}

enum cert_reject der_item(struct reader *r, uint8_t tag, struct der_item *ret)
{
	if (r->left == 0)
		return CERT_SHORT;
	return der_is_next(r, tag) ? der_next(r, ret) : CERT_TAG;
}

enum cert_reject der_value(struct reader *r, uint8_t tag, struct span *ret)
{
	struct der_item item;
	enum cert_reject reason = der_item(r, tag, &item);
	if (reason == CERT_OK)
		*ret = item.value;
	return reason;
}

enum cert_reject der_enter(struct reader *r, uint8_t tag, struct reader *ret)
{
	struct span value;
	enum cert_reject reason = der_value(r, tag, &value);
	if (reason == CERT_OK)
		*ret = reader_init(value);
	return reason;
}

bool der_is_next(const struct reader *r, uint8_t tag)
{
	return r->left > 0 && *r->at == tag;
}

enum cert_reject der_end(const struct reader *r)
{
	return reader_done(r) ? CERT_OK : CERT_TRAILING;
}

/* Decimal digits to *ret; false when one is none, or the text ends. */
static bool read_digits(struct reader *r, size_t count, unsigned *ret)
{
	unsigned v = 0;
	for (size_t i = 0; i < count; i++) {
		uint8_t c = reader_u8(r);
		if (c < '0' || c > '9')
			return false;
		v = 10 * v + (unsigned)(c - '0');
	}
	*ret = v;
	return true;
}

static bool is_leap(unsigned year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

struct moment {
	unsigned year, month, day, hour, minute, second;
};

static bool is_moment(const struct moment *m)
{
	static const uint8_t days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (m->year < 1970 || m->month < 1 || m->month > 12)
		return false;
	unsigned last = days[m->month - 1] + (m->month == 2 && is_leap(m->year) ? 1u : 0u);
	return m->day >= 1 && m->day <= last && m->hour < 24 && m->minute < 60 && m->second < 60;
}

static uint64_t moment_ms(const struct moment *m)
{
	static const uint16_t before[] = { 0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334 };
	uint64_t past = m->year - 1; /* whole years since the year 1 */
	/* 719162 days lie between the beginnings of the years 1 and 1970. */
	uint64_t day = past * 365 + past / 4 - past / 100 + past / 400 - 719162;
	day += before[m->month - 1] + (m->month > 2 && is_leap(m->year) ? 1u : 0u) + m->day - 1;
	return (((day * 24 + m->hour) * 60 + m->minute) * 60 + m->second) * 1000;
}

/* RFC 5280 4.1.2.5.1: two digits from 50 on are of the 20th century, which this profile ends in 1970. */
static bool read_year(struct reader *r, uint8_t tag, unsigned *ret)
{
	if (tag == DER_GENERALIZED_TIME)
		return read_digits(r, 4, ret) && *ret >= 2050;
	if (!read_digits(r, 2, ret))
		return false;
	*ret += *ret < 50 ? 2000 : 1900;
	return true;
}

enum cert_reject der_time(struct reader *r, uint64_t *ret_ms)
{
	struct moment m = { 0 };
	struct der_item item;
	enum cert_reject reason = der_next(r, &item);
	if (reason != CERT_OK)
		return reason;
	if (item.tag != DER_UTC_TIME && item.tag != DER_GENERALIZED_TIME)
		return CERT_TAG;
	struct reader in = reader_init(item.value);
	bool is_good = read_year(&in, item.tag, &m.year) && read_digits(&in, 2, &m.month) &&
		read_digits(&in, 2, &m.day) && read_digits(&in, 2, &m.hour) &&
		read_digits(&in, 2, &m.minute) && read_digits(&in, 2, &m.second);
	if (!is_good || reader_u8(&in) != 'Z' || !reader_done(&in) || !is_moment(&m))
		return CERT_TIME;
	*ret_ms = moment_ms(&m);
	return CERT_OK;
}
