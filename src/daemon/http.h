#ifndef POSTERN_DAEMON_HTTP_H
#define POSTERN_DAEMON_HTTP_H

/* One request of HTTP/1.1 (RFC 9112), as far as a page of counters needs it: GET of one target, no body. */

#include <stddef.h>

#include "base/span.h"

#define HTTP_REQUEST_MAX 4096

enum http_request {
	HTTP_MORE,      /* not whole yet */
	HTTP_METRICS,   /* GET /metrics */
	HTTP_NOT_FOUND, /* GET of anything else */
	HTTP_METHOD,    /* not GET */
	HTTP_HOST,      /* Host names no address: a page of a browser that was led here */
	HTTP_BAD,       /* no request */
};

/* What the bytes so far are. Pure. A request that is not whole at HTTP_REQUEST_MAX is bad. */
enum http_request http_read(struct span bytes);

/* "200 OK" and so on; "" for HTTP_MORE. */
const char *http_status(enum http_request r);

#endif
