#ifndef POSTERN_RELAY_INTERNAL_H
#define POSTERN_RELAY_INTERNAL_H

/*
 * What the files of the relay process share. relayd.c has the loop and the monitor's channel, setup.c takes up
 * a configuration, listen.c accepts, connection.c is the life of one connection, client.c its client, talk.c
 * its frames, inner.c the way to the machine behind, pump.c what is carried, report.c the channel to the knock
 * process, verdict.c what that says, stranger.c who was refused without proof.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "relay/frame.h"
#include "relay/message.h"
#include "relay/speaks.h"
#include "relay/tls.h"

#define UNPROVEN_MAX 256
#define UNPROVEN_SOURCE_MAX 16
#define HANDSHAKE_MS 10000
#define OPEN_MS 30000    /* from the grant until the client has said where to */
#define CONNECT_MS 10000 /* for each address */
#define FAREWELL_MS 2000 /* for the last words to a client that is refused */
#define RECORDS_MAX 1024 /* connections that ended while nobody could be told */
#define BUFFER_LEN (64u << 10)
#define READ_MIN (16u << 10)    /* nothing is read into less room */
#define TURN_BYTES (512u << 10) /* that one connection moves before the others' turn */
#define READ_COST (4u << 10)    /* what a read counts at least: bytes may come one by one */

/* Bytes on their way. Memory is there only while there are some. */
struct buffer {
	uint8_t *data;
	size_t start, len;
	size_t held; /* the last of them that may not go on yet */
};

/* Room for more: at least READ_MIN bytes, or NULL with *ret_len 0 when it is full (or there is no memory). */
uint8_t *buffer_room(struct buffer *b, size_t *ret_len);
bool buffer_has_room(const struct buffer *b);
void buffer_added(struct buffer *b, size_t len);
void buffer_put(struct buffer *b, const void *data, size_t len); /* that is known to fit */
struct span buffer_front(const struct buffer *b);                /* what may go on */
struct span buffer_held(const struct buffer *b);
void buffer_drop(struct buffer *b, size_t len); /* from the front */
/* After reading or dropping: memory without bytes is given back. */
void buffer_rest(struct buffer *b);
void buffer_clear(struct buffer *b);
/* Give back what buffers keep for their next use. */
void buffer_forget(void);

/* One passthru of the configuration: all that a message tells of it. */
struct rules {
	char name[CONFIG_NAME_MAX + 1];
	char host[CONFIG_HOST_MAX + 1];
	uint16_t port;
	bool encrypt;
	enum config_speaks speaks;
	struct config_first_bytes client, inner;
	uint16_t knock;
	uint32_t connections_max, name_connections_max, idle_s;
	size_t addr_count;
	struct addr addrs[RELAY_ADDRS_MAX];
};

struct listener {
	uv_poll_t poll;
	int fd;
	struct passthru *passthru; /* NULL: closing */
};

/* Lives as long as it is named by the configuration or a connection came by it. */
struct passthru {
	struct passthru *next;
	struct relay *relay;
	struct rules rules;
	bool is_named;
	struct listener *listener; /* NULL: takes no more */
	size_t granted;            /* connections */
	size_t users;              /* structs that point here */
};

enum state {
	STATE_HANDSHAKE,
	STATE_ASKING,     /* the knock process judges */
	STATE_TALKING,    /* frames */
	STATE_CONNECTING, /* to the inner machine */
	STATE_RECORDING,  /* until the knock process has been told, or has answered again */
	STATE_CARRYING,
	STATE_FAREWELL, /* refused: the client is told */
	STATE_ENDED,    /* nothing of it is left but what the knock process is to hear */
};

/* What the knock process is to be told, in this order. */
enum owed {
	OWED_ASK = 1,
	OWED_HELD = 2,
	OWED_THROUGH = 4,
	OWED_CAUGHT = 8,
	OWED_ENDED = 16,
};

struct side;

/* A watched descriptor; it outlives its side until the loop has let go of it. */
struct handle {
	uv_poll_t poll;
	struct connection *connection;
	struct side *side; /* NULL: closing */
};

struct side {
	struct handle *handle;    /* NULL: none */
	int fd;                   /* -1: none */
	int events;               /* that are watched */
	bool can_read, can_write; /* as far as is known: the last attempt did not say otherwise */
	bool wants_write;         /* TLS has something to say before it reads on */
	bool is_ended;            /* it sends no more */
	bool is_told;             /* we send no more to it */
};

struct connection {
	struct connection *next, *prev; /* of all, oldest first */
	struct connection *again_next;  /* of those whose turn was over */
	bool is_again;
	struct connection *owing_next;
	struct connection *id_next; /* of those whose numbers share a place */
	bool is_owing;
	struct relay *relay;
	struct passthru *passthru;
	uint32_t id;
	enum state state;
	unsigned handles; /* that are not closed yet */
	struct addr source;
	uint16_t source_port;
	struct side client, inner, knock; /* knock: UDP to the machine behind */
	SSL *ssl;                         /* NULL: not encrypted */
	struct tls_flaw flaw;
	bool is_shaken; /* the handshake is done */
	bool has_frames;
	bool is_unproven; /* counts as one */
	bool is_granted;  /* was; counts for the limits */
	bool is_asked;    /* the knock process that is there now was, and has not answered */
	bool is_known;    /* the knock process refused it, so it need not be told */
	bool is_through;
	unsigned owed;
	uint64_t deadline_ms; /* of the state; UINT64_MAX: none */
	uint64_t lease_until_ms, used_ms, through_ms, ended_ms;
	struct relay_who who;
	uint64_t name_hash;
	unsigned knocks;
	size_t addr_at; /* which of the passthru's addresses is tried */
	size_t addr_count;
	struct addr addrs[RELAY_ADDRS_MAX]; /* as they were when it was opened, */
	uint16_t inner_port;                /* and this */
	int inner_errno;
	struct addr inner_addr;
	struct buffer up, down; /* to the inner machine, to the client */
	size_t down_frames;     /* of down, bytes that are ours */
	struct speaks speaks;
	uint64_t to_inner, to_client, rate_inner, rate_client, last_inner, last_client;
	char reason[RELAY_REASON_MAX + 1];
	char text[RELAY_TEXT_MAX + 1];
};

#define IDS 4096 /* places for numbers, a power of two */
#define CAUGHT_MAX 64

/* Refused strangers of one source, passthru and reason, of whom one is told at a time. */
struct caught {
	struct relay_msg last; /* id 0: free */
	uint64_t told_ms;
};

/* A configuration that is being told. */
struct draft {
	uint32_t connections_max;
	bool has_identity;
	uint8_t seed[32];
	uint8_t *chain; /* RELAY_CHAIN_MAX */
	size_t chain_len;
	size_t count;
	struct rules rules[CONFIG_PASSTHRUS_MAX];
	int fds[CONFIG_PASSTHRUS_MAX];
};

/* A channel to a knock process. */
struct judge {
	uv_poll_t poll;
	int fd;
	struct relay *relay;
	bool is_full; /* it takes nothing at the moment */
};

struct relay {
	uv_loop_t loop;
	uv_poll_t monitor_poll;
	uv_timer_t tick;
	uv_idle_t idle; /* runs while somebody is in again */
	int monitor;
	struct judge *judge; /* the channel to the knock process; NULL: there is none */
	struct draft *draft;
	uint32_t connections_max;
	SSL_CTX *tls; /* NULL: nothing is encrypted */
	struct passthru *passthrus;
	struct connection *first, *last;
	struct connection *by_id[IDS];
	struct connection *again, *owing, *owing_last;
	size_t connections, unproven, granted, records;
	uint32_t next_id;
	uint64_t now_ms;
	uint64_t rates_ms;
	bool is_listing;
	uint32_t listed_id; /* the last one that was */
	struct caught caught[CAUGHT_MAX];
	uint64_t caught_ms; /* when tokens were last given */
	unsigned caught_tokens;
	uint8_t hash_key[16];
	bool is_paused; /* no descriptors: accepts nothing for a moment */
	bool is_stopping;
	uint64_t stop_ms;
	int exit_status;
	uint8_t buffer[RELAY_LEN_MAX];
	uint8_t chain[RELAY_CHAIN_MAX];
};

/* relayd.c. The loop alone, without dropping or sandbox; returns the exit status. */
int relay_serve(int monitor);
void relay_stop(struct relay *r, int exit_status);
void relay_wake(struct relay
		*r); /* somebody is in again or in owing: their turn comes before the next wait */
uint32_t relay_next_id(struct relay *r);
void relay_tick_on(struct relay *r); /* the clock goes while there is something to watch */

/* setup.c: 0, or -EPROTO for what is out of turn. */
int setup_begin(struct relay *r, const struct relay_msg *m);
int setup_identity(struct relay *r, const struct relay_msg *m);
int setup_passthru(struct relay *r, const struct relay_msg *m, int fd); /* takes fd over */
int setup_target(struct relay *r, const struct relay_msg *m);
int setup_commit(struct relay *r);
void setup_forget(struct relay *r);      /* the draft */
void passthru_leave(struct passthru *p); /* a user less */

/* listen.c */
int listen_start(struct passthru *p, int fd); /* takes fd over */
void listen_stop(struct passthru *p);
void listen_resume(struct relay *r);

/* connection.c */
struct connection *connection_new(
	struct passthru *p, int fd, const struct addr *source, uint16_t port);
void connection_step(struct connection *c); /* as far as it goes; c may be gone afterwards */
void connection_watch(struct connection *c);
void connection_again(struct connection *c);
struct connection *connection_find(struct relay *r, uint32_t id);
/* Not let through: the client is told, the knock process as well unless it said so itself. */
void connection_refuse(
	struct connection *c, enum frame_status status, const char *reason, const char *text);
/* The end of one in any state. is_clean: both sides were told all; else both are reset. */
void connection_end(struct connection *c, const char *reason, const char *text, bool is_clean);
void connection_check_time(struct connection *c);
void connection_put_frame(struct connection *c, const struct frame *f);
void connection_settle(struct connection *c); /* free it when nothing is left to be done */
__attribute__((warn_unused_result)) int connection_watch_side(
	struct connection *c, struct side *s, int fd);
void connection_close_side(struct side *s, bool is_reset);

/* client.c. Bytes from the client into up: TLS_OK when there were some, TLS_WANT_READ, TLS_END, TLS_CUT or TLS_BROKEN. */
enum tls_result client_read(struct connection *c);
/* Bytes of down that may go to the client; false when it is gone. *ret_any: there was progress. */
bool client_write(struct connection *c, bool *ret_any);
/* Tell the client that no more comes; false when that must be tried again. */
bool client_finish(struct connection *c);

/* talk.c, inner.c, pump.c: steps of a state. True: the state has changed, step again. */
bool talk_step(struct connection *c);
void talk_hear(struct connection *c); /* datagrams from the machine behind */
void inner_begin(struct connection *c);
bool inner_step(struct connection *c);
void inner_next(struct connection *c); /* this address is too slow */
void pump_begin(struct connection *c);
void pump_step(struct connection *c);
bool pump_wants_client(const struct connection *c);
bool pump_wants_inner(const struct connection *c);

/* verdict.c: ANSWER has come (c may be gone afterwards); and THROUGH was sent */
void connection_answer(struct connection *c, const struct relay_msg *m);
void connection_recorded(struct connection *c);

/* report.c */
void report_owe(struct connection *c, unsigned what);
void report_disown(struct connection *c); /* nothing is to be told of it any more */
void report_flush(struct relay *r);
void report_channel(struct relay *r, int fd); /* takes fd over */
void report_close(struct relay *r);
void report_list(struct relay *r);

/* stranger.c: one that was never granted; c is NULL for one that was not even taken */
void report_stranger(const struct passthru *p, const struct connection *c,
	const struct addr *source, uint16_t port, const char *reason, const char *text);
void report_tick(struct relay *r);

#endif
