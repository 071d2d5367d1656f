#ifndef POSTERN_CMD_IMPORT_H
#define POSTERN_CMD_IMPORT_H

/*
 * posternctl import: what other knock daemons are configured to do, put into blocks of postern.conf and lines
 * of the directory. A file is read into a plan (import_knockd.c, import_fwknop.c), the plan is written
 * (import_write.c). Whatever the plan cannot hold is a note with file and line; nothing is dropped silently.
 */

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/addr.h"
#include "base/file.h"
#include "base/span.h"
#include "config/config.h"
#include "identity/directory.h"
#include "identity/name.h"
#include "knock/fwknop.h"
#include "knock/sequence.h"

#define IMPORT_FILE_MAX ((size_t)4 << 20)
#define IMPORT_SERVICES_MAX 64
#define IMPORT_PEOPLE_MAX (CONFIG_SEQUENCES_MAX + CONFIG_FWKNOPS_MAX)
#define IMPORT_NOTES_MAX 1000
#define IMPORT_FILES_MAX 64
#define IMPORT_VALUE_MAX 512
#define IMPORT_NONE SIZE_MAX

/* The name is kept by the plan. */
struct import_place {
	const char *file;
	unsigned line; /* 0: of no line */
};

enum import_note_kind {
	IMPORT_LOST,    /* a line that means nothing in what is written */
	IMPORT_ASSUMED, /* what had to be decided without being told */
	IMPORT_TODO,    /* what the administrator has to do by hand */
	IMPORT_KINDS,
};

struct import_note {
	enum import_note_kind kind;
	struct import_place at;
	char *text; /* owned */
};

/* Who has the secret; one entry of the directory. */
struct import_person {
	char name[NAME_TEXT_MAX];
	struct directory_entry entry;
	bool is_used; /* by what is left in the end */
};

struct import_service {
	char name[CONFIG_NAME_MAX + 1];
	uint8_t proto;
	uint16_t port, port_last; /* port_last 0: one port */
	uint32_t wait_s;          /* 0: nobody said */
	char forward[32];         /* "10.0.0.8:443", or empty */
	bool masquerade;
	bool is_there; /* the configuration has it already */
	bool is_used;  /* by what is left in the end */
	bool is_for[IMPORT_PEOPLE_MAX];
};

struct import_sequence {
	char label[CONFIG_NAME_MAX + 1];
	struct sequence sequence;
	char one_time[IMPORT_VALUE_MAX]; /* or empty */
	size_t service, person;
	struct import_place at;
	bool is_close;
	uint32_t within_s;
};

struct import_fwknop {
	struct fwknop_secret secret;
	enum config_hmac hmac;
	enum config_aes mode;
	bool is_for[IMPORT_SERVICES_MAX];
	size_t person;
	char user[FWKNOP_USER_MAX + 1]; /* or empty: any */
	struct import_place at;
	bool opens_everything;             /* no OPEN_PORTS */
	char restricted[IMPORT_VALUE_MAX]; /* RESTRICT_PORTS */
	uint32_t wait_s;
};

struct import {
	/* given */
	struct name organisation;
	const struct config *config; /* what is there already, borrowed; NULL: nothing */
	bool reads_others;           /* files that a file includes are read */

	/* found */
	char interface[IF_NAMESIZE]; /* empty: nobody said */
	uint16_t udp, tcp;           /* of fwknop; tcp 0: none */
	uint32_t max_age_s;
	size_t service_count, sequence_count, fwknop_count, person_count;
	struct import_service services[IMPORT_SERVICES_MAX];
	struct import_sequence sequences[CONFIG_SEQUENCES_MAX];
	struct import_fwknop fwknops[CONFIG_FWKNOPS_MAX];
	struct import_person people[IMPORT_PEOPLE_MAX];
	size_t note_count, notes_unkept;
	struct import_note notes[IMPORT_NOTES_MAX];
	size_t file_count;
	char *files[IMPORT_FILES_MAX]; /* names, owned */
};

/* NULL without memory. */
struct import *import_new(const struct name *organisation, const struct config *config);
void import_free(struct import *im);

/* A name that lives as long as the plan, or NULL: a file that was read before, or one too many. */
const char *import_file_name(struct import *im, const char *name);

__attribute__((format(printf, 4, 5))) void import_note(struct import *im,
	enum import_note_kind kind, struct import_place at, const char *fmt, ...);

/* Bytes of a file made fit for a sentence; to holds IMPORT_QUOTED_MAX. Returns to. */
#define IMPORT_QUOTED_MAX 100
const char *import_quoted(struct span s, char to[IMPORT_QUOTED_MAX]);

/*
 * The service that guards these ports, the configuration's, or a new one; IMPORT_NONE with a note when it
 * cannot be.
 */
size_t import_service(
	struct import *im, struct import_place at, uint8_t proto, uint16_t first, uint16_t last);

/* How long its gates stay open; a note when somebody said something else before. */
void import_service_wait(
	struct import *im, struct import_place at, size_t service, uint32_t wait_s);

/*
 * A new person: text becomes the common name, as far as names allow, with a number where it is taken. id
 * is made of what they alone know. IMPORT_NONE when there are too many.
 */
size_t import_person(struct import *im, struct import_place at, const char *text, struct span id);

void import_allow(struct import *im, size_t service, size_t person);

/* A name that a block or service may have, of any text: a-z, 0-9 and -. Returns to. */
const char *import_label(const char *text, char to[CONFIG_NAME_MAX + 1]);

bool import_is_ascii(const char *text); /* printable */
bool import_is_interface(const char *text);

/* The interface of the door; a note when it is none, or not the first. */
void import_interface(struct import *im, struct import_place at, const char *text);

/* Decimal number from min to max. */
bool import_number(const char *text, unsigned long min, unsigned long max, unsigned long *ret);

/* Next line of text, trimmed, without a line end; false at the end. */
bool import_line(struct span *text, struct span *ret, unsigned *line);
struct span import_trim(struct span s);

/* s as a string; false when it is too long or has a zero byte or control character. */
bool import_text(struct span s, char to[IMPORT_VALUE_MAX]);

/*
 * A firewall command: what it lets in, or no longer. left_out is what the rule says beyond that, "" when
 * nothing. On false *why says what is not understood.
 */
struct import_rule {
	bool is_remove;
	uint8_t proto;
	uint16_t port, port_last;
	char left_out[IMPORT_QUOTED_MAX];
};
bool import_rule_parse(const char *command, struct import_rule *ret, const char **why);

/* Read a file's text into the plan. file is the name that notes give it. */
void import_knockd(struct import *im, const char *file, struct span text);
void import_fwknop(struct import *im, const char *file, struct span text);

/* Who may open everything, may open what is there by now. A step of import_end. */
void import_fwknop_everything(struct import *im);

/* After the last file: take out what cannot stand beside the rest, with a note for each. */
void import_end(struct import *im);

/* One stanza's values, by number; secret. */
enum import_key {
	IMPORT_SOURCE,
	IMPORT_OPEN_PORTS,
	IMPORT_RESTRICT_PORTS,
	IMPORT_KEY,
	IMPORT_KEY_BASE64,
	IMPORT_HMAC_KEY,
	IMPORT_HMAC_KEY_BASE64,
	IMPORT_HMAC_TYPE,
	IMPORT_MODE,
	IMPORT_TIMEOUT,
	IMPORT_MAX_TIMEOUT,
	IMPORT_EXPIRE,
	IMPORT_EXPIRE_EPOCH,
	IMPORT_USERNAME,
	IMPORT_REQUIRE_SOURCE,
	IMPORT_FORCE_NAT,
	IMPORT_MASQUERADE,
	IMPORT_KEYS,
};
struct import_stanza {
	struct import_place at;
	struct import_place places[IMPORT_KEYS];
	char values[IMPORT_KEYS][IMPORT_VALUE_MAX]; /* empty: not there */
};
void import_stanza(struct import *im, const struct import_stanza *s);

/* Is there anything to be written? */
bool import_is_empty(const struct import *im);

/* Blocks of postern.conf, with the notes in front, and the lines of the directory. malloc'd, or NULL. */
char *import_format(const struct import *im, const char *door);
char *import_format_directory(const struct import *im);

/* The notes, a line each. */
void import_print_notes(const struct import *im, const char *before, FILE *out);

int cmd_import(int argc, char **argv);

#endif
