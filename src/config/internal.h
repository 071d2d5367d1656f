#ifndef POSTERN_CONFIG_INTERNAL_H
#define POSTERN_CONFIG_INTERNAL_H

/*
 * What only this folder needs. A file goes lex -> scan -> libconfuse -> value -> check:
 *
 *   lex    the text of one file to words, strings and punctuation; refuses what has no plain meaning
 *   scan   statements against the keyword table: unknown, twice, misplaced; where each one stands;
 *          what is left is written out again, one token a line, for libconfuse
 *   load   libconfuse's tree to struct config through the keyword table
 *   check  what two options say together
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/span.h"
#include "config/config.h"
#include "config/lex.h"

#define CONFIG_FILE_MAX ((size_t)4 << 20) /* bytes of one file */
#define CONFIG_TOTAL_MAX ((size_t)16 << 20)
#define CONFIG_INCLUDE_DEPTH_MAX 8
#define CONFIG_GROUP_NAME_MAX 62
#define CONFIG_WHY_MAX 256
#define CONFIG_WORDS_MAX 1024

/* Memory that lives as long as the config. */
struct config_arena {
	struct config_chunk *chunks;
};

void *config_arena_zalloc(struct config_arena *a, size_t len); /* NULL when memory is short */
const char *config_arena_keep(struct config_arena *a, const char *text, size_t len);
void config_arena_deinit(struct config_arena *a);

/* Make room for one item more in a vector of items of the given size. */
__attribute__((warn_unused_result)) bool config_grow(
	void **items, size_t *cap, size_t len, size_t item);

/* Where something stands. order rises through the text, included files at their place. */
struct config_place {
	const char *file;
	unsigned line; /* 0: the file as a whole */
	size_t order;
};

/* Mistakes on their way to a report, to be put in the order of the text. */
struct config_notes {
	struct config_note *items;
	size_t len, cap;
	bool is_short; /* memory ran out */
};

__attribute__((format(printf, 3, 4))) void config_note(
	struct config_notes *n, const struct config_place *at, const char *fmt, ...);
void config_notes_flush(struct config_notes *n, struct config_report *r);

/* The keyword table. */
enum config_block {
	CONFIG_BLOCK_ROOT,
	CONFIG_BLOCK_SERVER,
	CONFIG_BLOCK_DOOR,
	CONFIG_BLOCK_SPA,
	CONFIG_BLOCK_SEQUENCE,
	CONFIG_BLOCK_STRUCTURED,
	CONFIG_BLOCK_CIPHER,
	CONFIG_BLOCK_TAGGED,
	CONFIG_BLOCK_FWKNOP,
	CONFIG_BLOCK_SERVICE,
	CONFIG_BLOCK_PASSTHRU,
	CONFIG_BLOCK_ACTION,
	CONFIG_BLOCK_GROUP,
	CONFIG_BLOCK_RESCUE,
	CONFIG_BLOCK_COUNT,
};

enum config_type {
	CONFIG_TYPE_PATH,
	CONFIG_TYPE_SECRET, /* a path, or "credential:NAME" */
	CONFIG_TYPE_SOCKET, /* a path short enough for a socket address */
	CONFIG_TYPE_USER,
	CONFIG_TYPE_INTERFACE,
	CONFIG_TYPE_BOOL,
	CONFIG_TYPE_NUMBER,
	CONFIG_TYPE_DURATION,
	CONFIG_TYPE_CHOICE,
	CONFIG_TYPE_MARK,
	CONFIG_TYPE_LEASE,    /* a duration, or "none" */
	CONFIG_TYPE_PORT,     /* "tcp/22", "udp/6000-6010"; the target is a struct config_service */
	CONFIG_TYPE_LOOPBACK, /* a loopback address and a port */
	CONFIG_TYPE_NAMES,
	CONFIG_TYPE_PATHS,
	CONFIG_TYPE_COMMAND,  /* a program and its arguments */
	CONFIG_TYPE_ENDPOINT, /* "tcp/22"; the field is a struct config_endpoint */
	CONFIG_TYPE_PREFIXES,
	CONFIG_TYPE_OPENINGS,     /* "tcp/80", or the word CONFIG_ECHO */
	CONFIG_TYPE_TARGETS,      /* "10.0.0.8:443"; one may stand without braces */
	CONFIG_TYPE_NAME,         /* one name as people have it; the directory gives it meaning */
	CONFIG_TYPE_LABEL,        /* 1 to 63 of a-z, 0-9 and -, as services are named */
	CONFIG_TYPE_SERVICES,     /* a list of such */
	CONFIG_TYPE_STEPS,        /* "100", "100/udp", "100:udp" */
	CONFIG_TYPE_OPTPORT,      /* a port, or "off" */
	CONFIG_TYPE_CIPHER_RANGE, /* "745-1000"; the target is a struct config_cipher */
	CONFIG_TYPE_IV,           /* eight bytes; the target is a struct config_cipher */
	CONFIG_TYPE_KEY,          /* secret: base64 of min to max bytes */
	CONFIG_TYPE_AES,          /* an enum config_aes */
	CONFIG_TYPE_TCP_PORT,     /* "tcp/1352" */
	CONFIG_TYPE_UDP_PORT,     /* "udp/62201" */
	CONFIG_TYPE_PLACE,        /* "mail.example:25"; the field is a struct config_passthru */
	CONFIG_TYPE_SPEAKS,       /* the same */
};

struct config_keyword {
	const char *name;
	enum config_type type;
	bool is_required;
	uint32_t min, max;          /* of a choice min is the number of the first */
	const char *const *choices; /* in the order of the enum, NULL at the end */
	const char *initial;        /* the default as text; NULL: stays unset */
	size_t offset, size;        /* of the field in the block's struct; size 0: no field */
	const char *manual;         /* mdoc text */
};

struct config_block_def {
	const char *name;
	bool has_title;
	enum config_block parent;
	size_t max; /* blocks of this kind in its parent */
	const struct config_keyword *keywords;
	size_t keyword_count;
	const char *manual;
};

/* For tables of keywords. */
#define CONFIG_FIELD(type, member)                                                                 \
	.offset = offsetof(struct type, member), .size = sizeof(((struct type *)NULL)->member)
#define CONFIG_KEYWORDS(array)                                                                     \
	.keywords = (array), .keyword_count = sizeof(array) / sizeof((array)[0])

const struct config_block_def *config_block_def(enum config_block b);

/* Those of the classic knocks, from CONFIG_BLOCK_SEQUENCE to CONFIG_BLOCK_FWKNOP. */
const struct config_block_def *config_block_def_classic(enum config_block b);

/* That of CONFIG_BLOCK_PASSTHRU, and what such a block is read into: its parts go to their places from there. */
const struct config_block_def *config_block_def_passthru(void);

struct config_passthru_block {
	struct config_passthru passthru;
	struct config_service service;
};

/* CONFIG_BLOCK_ROOT when parent has no block of that name. */
enum config_block config_block_find(enum config_block parent, const char *name);
const struct config_keyword *config_keyword_find(enum config_block b, const char *name);
bool config_keyword_is_list(const struct config_keyword *k);

/* "port, allow, deny": what may stand in a block. to holds CONFIG_WORDS_MAX bytes. Returns to. */
const char *config_block_words(enum config_block b, char to[CONFIG_WORDS_MAX]);

/* 1 to 63 of a-z, 0-9 and -. */
bool config_is_label(const char *text);

/* The name of a block, checked. False with *why, a clause. */
bool config_title_check(enum config_block b, const char *title, const char **why);

/*
 * Set the field of a scalar keyword in base from text; base NULL only checks. False with a clause in
 * why ("0 is below 1"), the field untouched. Strings are kept in arena.
 */
__attribute__((warn_unused_result)) bool config_value_set(const struct config_keyword *k,
	const char *text, void *base, struct config_arena *arena, char why[CONFIG_WHY_MAX]);

/* Check one item of a list keyword. */
__attribute__((warn_unused_result)) bool config_value_check_item(
	const struct config_keyword *k, const char *text, char why[CONFIG_WHY_MAX]);

/* The field of k in base as config text. False when it is not set. */
bool config_value_print(const struct config_keyword *k, const void *base, FILE *out);

/* One bound of a number or duration as people write it. Returns to. */
const char *config_bound_format(
	const struct config_keyword *k, uint32_t v, char to[CONFIG_WHY_MAX]);

/* A statement: the opening of a block (keyword NULL) or one assignment, and where its values stand. */
struct config_statement {
	enum config_block block;
	size_t ordinal; /* of the block among those of its kind */
	size_t parent;  /* ordinal of the block that it stands in; of a file, none */
	const struct config_keyword *keyword;
	const char *title;
	struct config_place at;
	size_t first_value, value_count;
	bool is_bad; /* refused already and not written out */
};

struct config_value {
	struct config_place at;
	bool is_bad; /* refused already; what libconfuse sees is a stand-in */
};

struct config_scan {
	struct config_notes *notes;
	struct config_arena *arena;
	struct config_statement *statements;
	size_t statement_len, statement_cap;
	struct config_value *values;
	size_t value_len, value_cap;
	struct config_place *lines; /* of each line of out */
	size_t line_len, line_cap;
	FILE *out;
	char *text; /* what libconfuse is given, after config_scan_run */
	size_t text_len;
	size_t counts[CONFIG_BLOCK_COUNT];
	enum config_block block; /* where the scan stands */
	size_t order, bytes;
	bool is_muted; /* read on for mistakes, but keep nothing */
	bool is_lost;  /* a brace or value is missing: what follows has no sure meaning */
	bool is_short; /* memory ran out */
};

/* Scan text that stands in file. s->notes and s->arena are set, all else zero. */
void config_scan_run(struct config_scan *s, const char *file, struct span text);
void config_scan_deinit(struct config_scan *s);

/* The statement of a keyword (NULL: the opening) of one block, or NULL. */
const struct config_statement *config_scan_find(const struct config_scan *s, enum config_block b,
	size_t ordinal, const struct config_keyword *k);

/* The opening of the nth block b in the block of that ordinal, from 0; NULL when there are fewer. */
const struct config_statement *config_scan_child(
	const struct config_scan *s, enum config_block b, size_t parent, size_t nth);

/* Where a keyword of a block stands, or the block when it was left out. */
struct config_place config_scan_place(
	const struct config_scan *s, enum config_block b, size_t ordinal, const char *keyword);
bool config_scan_has(
	const struct config_scan *s, enum config_block b, size_t ordinal, const char *keyword);

/*
 * The same for the nth service of c, which may be that of a passthru; its port is written "listen" there, and
 * config_port_word says which.
 */
struct config_place config_service_place(
	const struct config_scan *s, const struct config *c, size_t nth, const char *keyword);
bool config_service_has(
	const struct config_scan *s, const struct config *c, size_t nth, const char *keyword);
const char *config_port_word(const struct config_service *s);

/* Contradictions between options of c, whose statements are in s. */
void config_check(const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The host of "HOST:PORT" or "[ADDRESS]:PORT" without its brackets, and the port. False: it is neither. */
bool config_place_split(
	const char *text, char host[CONFIG_HOST_MAX + 1], bool *ret_bracketed, uint16_t *ret_port);

/* "10.0.0.8:443" or "[2001:db8::8]:443". False: anything else. */
bool config_target_parse(const char *text, struct config_target *ret);

/* "100", "100/udp" or "100:udp". False: anything else. */
bool config_step_parse(const char *text, struct config_endpoint *ret);

/* Scalars of the classic knocks, for config_value_set and config_value_print. */
bool config_classic_set(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX]);
bool config_classic_print(const struct config_keyword *k, const void *base, FILE *out);

/* The same for what only a passthru has. */
bool config_passthru_set(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX]);
bool config_passthru_print(const struct config_keyword *k, const void *base, FILE *out);

/* Keep text at the field of k; a pointer to it, or with base NULL nothing. */
bool config_value_keep(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX]);
void config_quoted_print(const char *text, FILE *out);

#define CONFIG_ECHO "icmp-echo"

/* "tcp/22". False: anything else. */
bool config_endpoint_parse(const char *text, struct config_endpoint *ret);

/* The same for how doors see packets, and what that excludes. */
void config_check_doors(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for simple sequences, for the ports of all formats, and for what the formats name and need. */
void config_check_sequences(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);
void config_check_ranges(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);
void config_check_classic(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for the lockdown. */
void config_check_lockdown(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for where services are forwarded to. */
void config_check_forward(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for passthrus. */
void config_check_passthrus(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for what a script cannot do in the place of nftables. */
void config_check_script(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* The same for what concerns the rescue. */
void config_check_rescue(
	const struct config *c, const struct config_scan *s, struct config_notes *notes);

/* config_load without the file: text stands for the content of file. */
struct config *config_parse_text(const char *file, struct span text, struct config_report *r);

#endif
