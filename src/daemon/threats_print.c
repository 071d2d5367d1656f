/* The statements of a whole configuration. */

#include <string.h>

#include "daemon/threats.h"

#define WIDTH 78 /* of a sentence, beside who it is about */

/* The length of what fits on one line. */
static size_t line_len(const char *text)
{
	size_t len = strlen(text);
	if (len <= WIDTH)
		return len;
	for (len = WIDTH; len > 0 && text[len] != ' ';)
		len--;
	return len > 0 ? len : WIDTH;
}

static void say(FILE *out, const char *who, const char *what)
{
	while (*what != '\0') {
		size_t len = line_len(what);
		fprintf(out, "#   %-16s %.*s\n", who, (int)len, what);
		what += len;
		what += strspn(what, " ");
		who = "";
	}
}

static void print(const struct threats *t, FILE *out)
{
	say(out, "a blind stranger", t->stranger);
	say(out, "an observer", t->observer);
	say(out, "a scanner", t->scanner);
	say(out, "a spoofer", t->spoofer);
	say(out, "a replayer", t->replayer);
	say(out, "a neighbour", t->neighbour);
	if (t->warning != NULL)
		say(out, "think over", t->warning);
}

static void title(const struct config_door *d, const char *what, const struct config_text *at,
	const char *as, FILE *out)
{
	fprintf(out, "\n# door %s: %s", d->name, what);
	if (at != NULL)
		fprintf(out, " of %s:%u", at->file, at->line);
	if (as != NULL)
		fprintf(out, ", as %s", as);
	fputs("\n", out);
}

static void print_sequences(const struct config_door *d, FILE *out)
{
	for (size_t i = 0; i < d->sequence_count; i++) {
		struct threats t = threats_sequence(&d->sequences[i]);
		title(d, "sequence", &d->sequences[i].at, d->sequences[i].as, out);
		print(&t, out);
	}
	for (size_t i = 0; i < d->structured_count; i++) {
		struct threats t = threats_structured(&d->structured[i]);
		title(d, "structured", &d->structured[i].at, d->structured[i].as, out);
		print(&t, out);
	}
}

static void print_door(const struct config_door *d, FILE *out)
{
	struct threats t;
	if (d->spa.is_on) {
		t = threats_spa();
		title(d, "spa", NULL, NULL, out);
		print(&t, out);
	}
	print_sequences(d, out);
	for (size_t i = 0; i < d->cipher_count; i++) {
		t = threats_cipher(&d->ciphers[i]);
		title(d, "cipher", &d->ciphers[i].at, d->ciphers[i].as, out);
		print(&t, out);
	}
	if (d->tagged.is_on) {
		t = threats_tagged(&d->tagged);
		title(d, "tagged", &d->tagged.at, NULL, out);
		print(&t, out);
	}
	for (size_t i = 0; i < d->fwknop_count; i++) {
		t = threats_fwknop(&d->fwknops[i]);
		title(d, "fwknop", &d->fwknops[i].at, d->fwknops[i].as, out);
		print(&t, out);
	}
}

void threats_print(const struct config *c, FILE *out)
{
	for (size_t i = 0; i < c->door_count; i++)
		print_door(&c->doors[i], out);
	for (size_t i = 0; i < c->passthru_count; i++) {
		const struct config_passthru *p = &c->passthrus[i];
		struct threats t = threats_passthru(p);
		fprintf(out, "\n# passthru %s of %s:%u, %s\n", p->name, p->at.file, p->at.line,
			p->encrypt ? "encrypted" : "not encrypted");
		print(&t, out);
	}
}
