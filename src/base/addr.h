#ifndef POSTERN_BASE_ADDR_H
#define POSTERN_BASE_ADDR_H

/*
 * Addresses are 16 bytes everywhere; an IPv4 address a.b.c.d is ::ffff:a.b.c.d (doc/protocol.md,
 * section 1). A prefix length is over the 16-byte form, so 10.0.0.0/8 has 104 bits.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDR_TEXT_MAX 46   /* INET6_ADDRSTRLEN, NUL included */
#define PREFIX_TEXT_MAX 50 /* with "/128" */

struct addr {
	uint8_t b[16];
};

struct prefix {
	struct addr addr;
	uint8_t bits; /* 0..128 over the 16-byte form */
};

struct addr addr_v4(const uint8_t b[4]);
struct addr addr_v6(const uint8_t b[16]);
bool addr_is_v4(const struct addr *a);
bool addr_is_zero(const struct addr *a);
/* Not loopback, multicast, broadcast or unspecified: one host may have it as its own on a wire. */
bool addr_is_host(const struct addr *a);
bool addr_equal(const struct addr *a, const struct addr *b);

/* Numeric text to address. Returns false (ret untouched) for anything but one numeric address. */
bool addr_parse(const char *text, struct addr *ret);

/* Canonical text, IPv4 dotted; to holds ADDR_TEXT_MAX bytes. Returns to. */
const char *addr_format(const struct addr *a, char to[ADDR_TEXT_MAX]);

/* "10.0.0.0/8", "2001:db8::/32" or a bare address (one host). Bits beyond the length must be 0. */
bool prefix_parse(const char *text, struct prefix *ret);
const char *prefix_format(const struct prefix *p, char to[PREFIX_TEXT_MAX]);
bool prefix_contains(const struct prefix *p, const struct addr *a);

/* Socket address of a and port (host order) in the family of a; returns its length. */
socklen_t addr_to_sockaddr(const struct addr *a, uint16_t port, struct sockaddr_storage *ret);

/* The reverse; false when the family is neither AF_INET nor AF_INET6. */
bool addr_from_sockaddr(const struct sockaddr_storage *ss, struct addr *ret, uint16_t *ret_port);

#endif
