#ifndef POSTERN_AUDIT_PROBE_H
#define POSTERN_AUDIT_PROBE_H

/*
 * One connection: connect, the dialogue before TLS, bytes of ours, the server's answer, end. Over libuv;
 * hundreds of them run in one loop. Each ends within its times and reads a bounded number of bytes. The
 * process ignores SIGPIPE: servers leave while we write.
 */

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "audit/dialogue.h"
#include "audit/facts.h"
#include "audit/flight.h"

struct audit_times {
	uint32_t connect_ms; /* default 5000 */
	/*
	 * Until the server's greeting is whole, or its first answer where we speak first: default 30000; RFC
	 * 5321 4.5.3.2.1 allows five minutes.
	 */
	uint32_t greeting_ms;
	/*
	 * Default 10000: between two pieces of an answer, which as a whole has no longer than a greeting; and for
	 * the flight, which has a second more for every 8000 bytes.
	 */
	uint32_t step_ms;
	uint32_t total_ms; /* default 60000 */
};

/* How a connection ended. */
enum audit_probe_end {
	AUDIT_PROBE_FLIGHT,    /* flight->end says what; or more wanted no more */
	AUDIT_PROBE_DIALOGUE,  /* no TLS: end and words */
	AUDIT_PROBE_CONNECT,   /* no connection; error is a libuv error */
	AUDIT_PROBE_CLOSED,    /* a clean end where more was to come, behind the dialogue */
	AUDIT_PROBE_RESET,     /* at any stage; error is a libuv error */
	AUDIT_PROBE_TIMEOUT,   /* also of what talks without an end: error is UV_E2BIG */
	AUDIT_PROBE_CANCELLED, /* also without memory: error is UV_ENOMEM */
};

enum audit_stage { AUDIT_STAGE_CONNECT, AUDIT_STAGE_DIALOGUE, AUDIT_STAGE_HELLO };

struct audit_probe_result {
	enum audit_probe_end end;
	enum audit_stage stage; /* where it was then */
	int error;
	bool is_temporary;
	bool is_asked; /* TLS was asked for */
	enum audit_end dialogue_end;
	const struct audit_words *words;   /* borrowed for the callback; NULL: no dialogue */
	const struct audit_flight *flight; /* borrowed; NULL: no byte of ours was sent */
	size_t leftover_len;               /* plain bytes behind the go-ahead */
	uint32_t connect_ms, greeting_ms,
		total_ms;       /* greeting: when it was whole; 0: never or at once */
	uint64_t read, written; /* bytes */
};

struct audit_probe;

typedef void audit_probe_done(void *arg, const struct audit_probe_result *r);

/*
 * After a whole flight (or an alert): more bytes to send, then what comes is given again, until it returns
 * false. For single probes (Heartbleed and the like). bytes: what came since the last call; is_closed: the
 * connection has ended, nothing can be sent. Each thing to send starts the step time anew, what comes does not.
 */
typedef bool audit_probe_more(void *arg, const struct audit_flight *f, struct span bytes,
	bool is_closed, uint8_t *to, size_t cap, size_t *ret_len);

struct audit_probe_ask {
	const struct audit_target *target; /* borrowed until done */
	const char *ehlo;                  /* our name; borrowed */
	const uint8_t *hello;              /* copied */
	size_t hello_len;
	bool is_ssl2;
	bool is_polite;           /* QUIT where TLS never began */
	struct audit_times times; /* 0: the default */
	const char *injected; /* behind the request for TLS, audit_dialogue_inject; NULL: nothing */
	bool is_raw;          /* no flight is read: more is given every byte behind the dialogue */
	audit_probe_more *more; /* NULL: end with the flight */
	void *more_arg;
	audit_probe_done *done; /* called once, never from within audit_probe_start */
	void *arg;
};

/*
 * NULL without memory, or when the hello is too long. It frees itself after done was called; that there was
 * no descriptor is told by done.
 */
struct audit_probe *audit_probe_start(uv_loop_t *loop, const struct audit_probe_ask *ask);

/* done is called with CANCELLED, soon. */
void audit_probe_cancel(struct audit_probe *p);

#endif
