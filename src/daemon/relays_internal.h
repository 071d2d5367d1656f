#ifndef POSTERN_DAEMON_RELAYS_INTERNAL_H
#define POSTERN_DAEMON_RELAYS_INTERNAL_H

/* What the files of the relayed connections share: relays.c has the channel and the answers, relays_table.c who
 * is through and what the journal says of it, relays_judge.c decides. */

#include "daemon/knockd_internal.h"

#define RELAYS_BATCH_MAX 32 /* answers in one transaction */

struct channel;

struct relayed {
	uint32_t id;
	bool is_through, is_cutting;
	char passthru[CONFIG_NAME_MAX + 1];
	char name[STORE_NAME_MAX + 1], door[STORE_SERVICE_MAX + 1];
	/* why it is put out, and what said so; "": it is not */
	char reason[RELAY_REASON_MAX + 1];
	char list[STORE_LIST_MAX + 1], entry[STORE_LIST_MAX + 1];
	uint8_t key_id[32];
	uint64_t grant_id;
	struct addr source, inner;
	uint16_t source_port;
	uint64_t took_ms, to_inner, to_client, to_inner_rate, to_client_rate;
};

struct relays {
	struct knockd *k;
	struct channel *channel; /* NULL: there is no relay process */
	struct limiter *strangers, *identities;
	struct limiter *crowd; /* of all together of whom only the relay says that they came */
	size_t held;           /* connections that the relay has presented */
	size_t cap, count;
	uint32_t *ids; /* of entries, side by side for a quick look */
	struct relayed *entries;
	size_t batch_count;
	struct relay_msg answers[RELAYS_BATCH_MAX];
	bool has_record[RELAYS_BATCH_MAX];
	struct store_record records[RELAYS_BATCH_MAX];
	uint64_t list_asked_mono_ms; /* 0: not asked */
	unsigned ticks;
	uint64_t unsaid; /* refusals of strangers without a line, since the last one with */
	struct relays_counts counts;
	uint8_t buffer[RELAY_LEN_MAX];
};

/* Index of a connection, or SIZE_MAX. */
size_t relays_find(const struct relays *r, uint32_t id);
void relays_take_out(struct relays *r, size_t i);

/* NULL: the table is full. */
struct relayed *relays_put_in(
	struct relays *r, const struct relay_msg *m, const struct relays_decision *d);

struct relays_line relays_line_of(const struct relays *r, const struct relayed *e);

/* Lines of the journal. e NULL: the connection is not in the table. */
void relays_note_ended(struct relays *r, const struct relay_msg *m, const struct relayed *e);
void relays_note_caught(struct relays *r, const struct relay_msg *m, const struct relayed *e);

/* That of a decision, for the batch. */
void relays_record(struct relays *r, const struct relay_msg *m, const struct relays_decision *d,
	struct store_record *rec);

void relays_count_refusal(struct relays *r, const char *reason);

#endif
