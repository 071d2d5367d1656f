/*
 * postern id pad, tag-key, sequences and fwknop-key: the secrets of classic knocks, for both ends.
 * Invariant: all bytes are random, and no file that is there already is written over.
 */

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/commands.h"
#include "cmd/id.h"
#include "cmd/id_make.h"
#include "cmd/say.h"
#include "identity/name.h"
#include "knock/fwknop.h"
#include "knock/pad.h"
#include "knock/sequence.h"
#include "knock/tagged.h"

#define SEQUENCES_MAX 10000
#define SEQUENCE_LENGTH_MIN 3
#define SEQUENCE_LENGTH_USUAL 6
#define PORT_MIN 1024 /* below it services are likely to listen, and an open port answers */
#define HMAC_KEY_LEN 64
#define BASE64_MAX 96 /* of the longest key */

static const char help_pad[] =
	"usage: postern id pad --messages N [--out FOLDER]\n"
	"\n"
	"Makes the two copies of a one-time pad for enciphered sequences: server.pad,\n"
	"which the block cipher of postern.conf names, and client.pad for postern knock\n"
	"--pad. Each knock uses up its part of both. Never copy client.pad: two clients\n"
	"with one pad would use a part twice.\n"
	"\n"
	"  --messages N        for so many knocks, 1 to 100000\n"
	"  -o, --out FOLDER    where to put them (default: here)\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 trouble with a file.\n";

static const char help_tag_key[] =
	"usage: postern id tag-key NAME --slot N [-o FILE]\n"
	"\n"
	"Makes a key for tagged sequences and prints its line for the file that keys\n"
	"names in the block tagged of postern.conf. The same line is the client's file,\n"
	"for postern knock --key-file. NAME is whom the directory lists, \"Ops/VSD\".\n"
	"\n"
	"  --slot N            its place in the server's file, 0 to 255, free so far\n"
	"  -o, --out FILE      the client's file (default: made of NAME, such as ops.tag)\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 trouble with a file.\n";

static const char help_sequences[] =
	"usage: postern id sequences --count N [--length N] [-o FILE]\n"
	"\n"
	"Makes a file of random sequences that work once each. Server and client have\n"
	"the same file: one-time in the block sequence of postern.conf, and postern knock\n"
	"--one-time. Each side marks the lines it has used.\n"
	"\n"
	"  --count N           so many, 1 to 10000\n"
	"  --length N          knocks of each, 3 to 32 (default: 6)\n"
	"  -o, --out FILE      the file (default: one-time.sequences)\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 trouble with a file.\n";

static const char help_fwknop_key[] =
	"usage: postern id fwknop-key NAME [-o FILE]\n"
	"\n"
	"Makes the two keys of fwknop packets, prints the block of postern.conf that\n"
	"takes them, and writes the client's file for postern knock --key-file; its lines\n"
	"are those of fwknop's access.conf. NAME is whom the directory lists, \"Ops/VSD\".\n"
	"\n"
	"  -o, --out FILE      the client's file (default: made of NAME, such as\n"
	"                      ops.fwknop)\n"
	"\n"
	"Exit codes: 0 done, 2 usage, 4 trouble with a file.\n";

enum { OPT_MESSAGES = 256, OPT_SLOT, OPT_COUNT, OPT_LENGTH };

struct words {
	const char *command, *help;
	const struct option *options;
	bool wants_name;
	/* what was said */
	struct name name;
	const char *out;
	unsigned long messages, count, length, slot;
	bool has_slot, is_help;
};

/* ------------------------------------------------------------------ the command line */

static int take_number(const struct words *w, const char *option, unsigned long min,
	unsigned long max, unsigned long *ret)
{
	if (say_parse_number(optarg, max, ret) && *ret >= min)
		return EXIT_DONE;
	if (min == 0 && strcmp(optarg, "0") == 0) {
		*ret = 0;
		return EXIT_DONE;
	}
	return say_usage(
		w->command, "--%s %s: not a number from %lu to %lu", option, optarg, min, max);
}

static int take_option(int c, struct words *w)
{
	switch (c) {
	case OPT_MESSAGES:
		return take_number(w, "messages", 1, PAD_MESSAGES_MAX, &w->messages);
	case OPT_COUNT:
		return take_number(w, "count", 1, SEQUENCES_MAX, &w->count);
	case OPT_LENGTH:
		return take_number(
			w, "length", SEQUENCE_LENGTH_MIN, SEQUENCE_STEPS_MAX, &w->length);
	case OPT_SLOT:
		w->has_slot = true;
		return take_number(w, "slot", 0, TAGGED_SLOTS - 1, &w->slot);
	case 'o':
		w->out = optarg;
		return EXIT_DONE;
	case 'h':
		fputs(w->help, stdout);
		w->is_help = true;
		return EXIT_DONE;
	default:
		return EXIT_USAGE;
	}
}

static int take_name(struct words *w, int count, char **operands)
{
	if (!w->wants_name && count > 0)
		return say_usage(w->command, "%s: one argument too many", operands[0]);
	if (!w->wants_name)
		return EXIT_DONE;
	if (count < 1)
		return say_usage(w->command, "which NAME?");
	if (count > 1)
		return say_usage(w->command, "%s: one argument too many", operands[1]);
	enum name_reject why = name_parse(operands[0], false, &w->name);
	if (why != NAME_OK)
		return say_usage(w->command, "%s: %s", operands[0], name_reject_text(why));
	return EXIT_DONE;
}

static int parse(struct words *w, int argc, char **argv)
{
	int c;
	while ((c = say_next_option(w->command, argc, argv, w->options)) != -1) {
		int rc = c == SAY_BAD_OPTION ? EXIT_USAGE : take_option(c, w);
		if (rc != EXIT_DONE || w->is_help)
			return rc;
	}
	return take_name(w, argc - optind, argv + optind);
}

static int trouble(const struct fault *f)
{
	say_trouble("%s", f->text);
	return EXIT_LOCAL;
}

/* ------------------------------------------------------------------ pad */

static int make_pad(const struct words *w)
{
	char server[PATH_MAX], client[PATH_MAX];
	const char *folder = w->out != NULL ? w->out : ".";
	struct fault f;
	int n = snprintf(server, sizeof(server), "%s/server.pad", folder);
	int m = snprintf(client, sizeof(client), "%s/client.pad", folder);
	if (n >= PATH_MAX || m >= PATH_MAX) {
		say_trouble("--out: longer than a file name may be");
		return EXIT_LOCAL;
	}
	if (pad_make(server, client, (uint32_t)w->messages, &f) < 0)
		return trouble(&f);
	printf("wrote %s, to be moved to the server, and %s for the client: %lu knocks\n", server,
		client, w->messages);
	return EXIT_DONE;
}

int id_pad(int argc, char **argv)
{
	static const struct option options[] = {
		{ "messages", required_argument, NULL, OPT_MESSAGES },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = { .command = "id pad", .help = help_pad, .options = options };
	int rc = parse(&w, argc, argv);
	if (rc != EXIT_DONE || w.is_help)
		return rc;
	if (w.messages == 0)
		return say_usage(w.command, "for how many knocks? say --messages N");
	return make_pad(&w);
}

/* ------------------------------------------------------------------ keys */

/* len random bytes in base64, padded. */
static void random_base64(size_t len, char to[BASE64_MAX])
{
	uint8_t raw[HMAC_KEY_LEN];
	randombytes_buf(raw, len);
	sodium_bin2base64(to, BASE64_MAX, raw, len, sodium_base64_VARIANT_ORIGINAL);
	sodium_memzero(raw, sizeof(raw));
}

static void make_out(const struct words *w, const char *suffix, char to[PATH_MAX])
{
	char id[PATH_MAX];
	if (w->out != NULL) {
		snprintf(to, PATH_MAX, "%s", w->out);
		return;
	}
	id_make_file_name(&w->name, id, sizeof(id));
	id_make_beside(id, suffix, to, PATH_MAX);
}

int id_tag_key(int argc, char **argv)
{
	static const struct option options[] = {
		{ "slot", required_argument, NULL, OPT_SLOT },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = {
		.command = "id tag-key",
		.help = help_tag_key,
		.options = options,
		.wants_name = true,
	};
	char path[PATH_MAX], key[BASE64_MAX], name[NAME_TEXT_MAX];
	char line[BASE64_MAX + NAME_TEXT_MAX + 16];
	struct fault f;

	int rc = parse(&w, argc, argv);
	if (rc != EXIT_DONE || w.is_help)
		return rc;
	if (!w.has_slot)
		return say_usage(w.command, "which slot of the server's file? say --slot N");
	make_out(&w, ".tag", path);
	random_base64(TAGGED_KEY_LEN, key);
	int len = snprintf(
		line, sizeof(line), "%lu %s %s\n", w.slot, key, name_format(&w.name, name));
	rc = file_write(path, line, (size_t)len, 0600, true, &f);
	if (rc == 0)
		fputs(line, stdout);
	sodium_memzero(line, sizeof(line));
	sodium_memzero(key, sizeof(key));
	return rc < 0 ? trouble(&f) : EXIT_DONE;
}

static void print_block(const struct words *w, const char *key, const char *hmac_key)
{
	char name[NAME_TEXT_MAX];
	printf("    fwknop {\n"
	       "        key-base64 = \"%s\"\n"
	       "        hmac-key-base64 = \"%s\"\n"
	       "        as = \"%s\"\n"
	       "        services = {ssh}    # those this key may ask for\n"
	       "    }\n",
		key, hmac_key, name_format(&w->name, name));
}

int id_fwknop_key(int argc, char **argv)
{
	static const struct option options[] = {
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = {
		.command = "id fwknop-key",
		.help = help_fwknop_key,
		.options = options,
		.wants_name = true,
	};
	char path[PATH_MAX], key[BASE64_MAX], hmac_key[BASE64_MAX], text[3 * BASE64_MAX];
	struct fault f;

	int rc = parse(&w, argc, argv);
	if (rc != EXIT_DONE || w.is_help)
		return rc;
	make_out(&w, ".fwknop", path);
	random_base64(FWKNOP_KEY_MAX, key);
	random_base64(HMAC_KEY_LEN, hmac_key);
	int len =
		snprintf(text, sizeof(text), "KEY_BASE64 %s\nHMAC_KEY_BASE64 %s\n", key, hmac_key);
	rc = file_write(path, text, (size_t)len, 0600, true, &f);
	if (rc == 0)
		print_block(&w, key, hmac_key);
	sodium_memzero(text, sizeof(text));
	sodium_memzero(key, sizeof(key));
	sodium_memzero(hmac_key, sizeof(hmac_key));
	return rc < 0 ? trouble(&f) : EXIT_DONE;
}

/* ------------------------------------------------------------------ sequences */

/* Drawn again until it is none of the weak ones; of three ports one in three is. */
static void draw_sequence(struct sequence *s, size_t length)
{
	do {
		s->count = length;
		for (size_t i = 0; i < length; i++)
			s->steps[i] = (struct sequence_step){
				.port = (uint16_t)(PORT_MIN +
					randombytes_uniform(UINT16_MAX + 1 - PORT_MIN)),
				.proto = IPPROTO_TCP,
			};
	} while (sequence_weakness(s) != SEQUENCE_STRONG);
}

/* The whole file, malloc'd; NULL without memory. */
static char *make_sequences(const struct words *w, size_t *ret_len)
{
	char line[SEQUENCE_TEXT_MAX], *text = NULL;
	struct sequence s = { 0 };
	FILE *out = open_memstream(&text, ret_len);
	if (out == NULL)
		return NULL;
	fputs("# each works once, on the server and on the client; # is put before a used one\n",
		out);
	for (unsigned long i = 0; i < w->count; i++) {
		draw_sequence(&s, w->length);
		fprintf(out, "%s\n", sequence_format(&s, line));
	}
	sodium_memzero(line, sizeof(line));
	sodium_memzero(&s, sizeof(s));
	int bad = ferror(out);
	if (fclose(out) == 0 && bad == 0)
		return text;
	free(text);
	return NULL;
}

int id_sequences(int argc, char **argv)
{
	static const struct option options[] = {
		{ "count", required_argument, NULL, OPT_COUNT },
		{ "length", required_argument, NULL, OPT_LENGTH },
		{ "out", required_argument, NULL, 'o' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct words w = {
		.command = "id sequences",
		.help = help_sequences,
		.options = options,
		.length = SEQUENCE_LENGTH_USUAL,
	};
	size_t len = 0;
	struct fault f;

	int rc = parse(&w, argc, argv);
	if (rc != EXIT_DONE || w.is_help)
		return rc;
	if (w.count == 0)
		return say_usage(w.command, "how many? say --count N");
	const char *path = w.out != NULL ? w.out : "one-time.sequences";
	char *text = make_sequences(&w, &len);
	if (text == NULL) {
		say_trouble("no memory for the sequences");
		return EXIT_LOCAL;
	}
	rc = file_write(path, text, len, 0600, true, &f);
	sodium_memzero(text, len);
	free(text);
	if (rc < 0)
		return trouble(&f);
	printf("wrote %s with %lu sequences; copy it to the server, which marks its own\n", path,
		w.count);
	return EXIT_DONE;
}
