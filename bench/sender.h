#ifndef BENCH_SENDER_H
#define BENCH_SENDER_H

/*
 * The knocks of each daemon, ready to be sent: what can be made beforehand is, so that the clock sees only
 * the daemon and never the start of a client program.
 */

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender;

/*
 * postern CARD ID PASSWORD-FILE SERVICE   built by libpostern in prepare(), the ID unlocked once
 * file FILE                               line i is the packet of try i, as fwknop --save-packet wrote it
 * syn PORT,PORT,...                       one TCP SYN to each port in turn
 *
 * to is the server, with the UDP port for the first two. argv borrowed. Ends the program on any fault.
 */
struct sender *sender_new(const char *kind, char **argv, int argc, const struct sockaddr_in *to);
void sender_free(struct sender *s);

/* Everything about try i that may happen before the clock starts. */
void sender_prepare(struct sender *s, uint32_t i);

/* The sending itself. */
void sender_send(struct sender *s, uint32_t source);

#endif
