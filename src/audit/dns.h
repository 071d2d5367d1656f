#ifndef POSTERN_AUDIT_DNS_H
#define POSTERN_AUDIT_DNS_H

/*
 * Answers of name servers, RFC 1035 4: hostile bytes like any other. Names are bounded, compression only
 * points backwards, records that do not belong to the question or to its aliases are left out.
 */

#include <stdbool.h>
#include <stdint.h>

#include "audit/facts.h"
#include "base/span.h"

#define AUDIT_DNS_RECORDS_MAX 256
#define AUDIT_DNS_ALIASES_MAX 16

enum audit_dns_type {
	AUDIT_DNS_A = 1,
	AUDIT_DNS_CNAME = 5,
	AUDIT_DNS_MX = 15,
	AUDIT_DNS_TXT = 16,
	AUDIT_DNS_AAAA = 28,
	AUDIT_DNS_TLSA = 52,
	AUDIT_DNS_CAA = 257,
};

struct audit_dns {
	unsigned rcode;                /* 0 no error, 3 no such name */
	bool is_authenticated;         /* AD: the resolver says that it validated all of it */
	bool is_cut;                   /* TC, or more records than we take */
	bool is_alias;                 /* the name asked for is one */
	char name[AUDIT_HOST_MAX + 1]; /* at the end of its aliases */
	enum audit_dns_type type;
	struct span message;
	size_t count; /* records of the type asked for, of that name */
	struct audit_dns_record {
		size_t at; /* of the data, in message */
		size_t len;
	} records[AUDIT_DNS_RECORDS_MAX];
};

/* False when the message is broken or answers something else than host and type. Borrows message. */
bool audit_dns_parse(
	struct span message, const char *host, enum audit_dns_type type, struct audit_dns *ret);

/* A name in message at *at, which is moved behind it; in lower case, without the last dot; "." is "". */
bool audit_dns_name(struct span message, size_t *at, char to[AUDIT_HOST_MAX + 1]);

/* One record's data. False when it is not of its form. */
bool audit_dns_mx(const struct audit_dns *d, size_t i, struct audit_mx *ret);
bool audit_dns_address(const struct audit_dns *d, size_t i, struct addr *ret);
bool audit_dns_tlsa(const struct audit_dns *d, size_t i, struct audit_tlsa *ret);
/* All strings of the record put together, RFC 8461 3.1. to holds cap bytes; *ret_len of them are it. */
bool audit_dns_txt(const struct audit_dns *d, size_t i, char *to, size_t cap, size_t *ret_len);
bool audit_dns_caa(const struct audit_dns *d, size_t i, uint8_t *ret_flags, char tag[16],
	char value[AUDIT_HOST_MAX + 1]);

#endif
