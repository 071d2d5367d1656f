#ifndef POSTERN_CMD_THROUGH_ARGS_H
#define POSTERN_CMD_THROUGH_ARGS_H

/* Texts that name edges and what tunnels lead to. Pure; of a bad one *f says what it should be. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/file.h"
#include "relay/frame.h"

#define THROUGH_MAX 4
#define THROUGH_TEXT_MAX 1100 /* THROUGH_MAX edges with ports, and commas */
#define TUNNELS_MAX 16

struct through_edge {
	char host[FRAME_HOST_MAX + 1];
	uint16_t port; /* 0: not said */
};

struct through_path {
	size_t count;
	struct through_edge edges[THROUGH_MAX];
};

/* "EDGE", "EDGE:PORT", "[ADDR6]:PORT", "ADDR6", several with commas between, the nearest first. */
bool through_parse_path(const char *text, struct through_path *ret, struct fault *f);

struct through_tunnel {
	char bind[FRAME_HOST_MAX + 1]; /* "localhost" when nothing was said; "*": all addresses */
	uint16_t listen;
	char host[FRAME_HOST_MAX + 1];
	uint16_t port;
};

/* "[BIND:]PORT:HOST:PORT", addresses of IPv6 in brackets. */
bool through_parse_tunnel(const char *text, struct through_tunnel *ret, struct fault *f);

/* May it stand in a frame? */
bool through_is_host(const char *text);

#endif
