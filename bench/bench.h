#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/*
 * What the benchmark tools share: time, the client's many source addresses, packets with a chosen source.
 *
 * Every knock comes from an address of its own, so that an older gate never helps a newer try. The client's
 * namespace holds the whole range as local (ip route add local 10.78.0.0/15 dev lo).
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BENCH_SOURCES 131072u       /* addresses in 10.78.0.0/15 */
#define BENCH_GARBAGE_FIRST 130816u /* the last 256 are the garbage's */
#define BENCH_MS 1000000ull         /* in ns */
#define BENCH_S 1000000000ull

/* A tool that cannot go on ends at once with a sentence: no figure is better than a wrong one. */
__attribute__((format(printf, 1, 2))) _Noreturn void bench_die(const char *fmt, ...);

/* malloc'd zeros, or the end. */
void *bench_new(size_t count, size_t size);

uint64_t bench_now_ns(void); /* CLOCK_MONOTONIC */
void bench_sleep_until(uint64_t ns);

struct in_addr bench_source(uint32_t i);
uint32_t bench_source_index(struct in_addr a); /* UINT32_MAX: none of ours */

/* "10.77.0.1" and a port to an address, a number between min and max, or the end. */
struct sockaddr_in bench_address(const char *text, uint16_t port);
unsigned long bench_number(const char *text, unsigned long min, unsigned long max);

/* A non-blocking UDP socket on any port that can send from each source, and says which one an answer came to. */
int bench_udp(void);

/* Send from source i. False when it did not go out. */
bool bench_send(int fd, uint32_t i, const struct sockaddr_in *to, const void *data, size_t len);

/* Receive at most cap bytes; returns their number, or -1 when there is nothing. */
ssize_t bench_receive(int fd, void *to, size_t cap, uint32_t *ret_source);

/* A raw socket, and one TCP SYN through it from source i: connect() would keep sending by itself. */
int bench_raw(void);
bool bench_send_syn(int fd, uint32_t i, const struct sockaddr_in *to, uint16_t source_port);

/* Read path whole, malloc'd and terminated, or the end. */
uint8_t *bench_read(const char *path, size_t *ret_len);

#endif
