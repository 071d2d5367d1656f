/*
 * The statements about each format. What is said is what the formats' headers in knock/ prove: numbers are
 * those of a blind guess, for an attacker who knows the form and not the secret. Nothing here decides.
 */

#include "daemon/threats.h"

#include <string.h>

#define KNOCKS_A_SECOND 10000.0
#define NARROW 16 /* adjacent ports */
#define YEAR_S (365.25 * 86400)

static const char neighbour[] =
	"uses the gate while it is open, as the address is the same; open = once leaves one connection, "
	"to whoever is first";
static const char neighbour_knocks[] =
	"uses the gate while it is open; his own attempts count as those of that address and can spoil "
	"a sequence";

/* 2^bits without the mathematics library. */
static double power(unsigned bits)
{
	double n = 1;
	while (bits-- > 0)
		n *= 2;
	return n;
}

/* "65 hours", "446 years": how long for that many knocks. */
static const char *how_long(double knocks, char to[48])
{
	double s = knocks / KNOCKS_A_SECOND;
	if (s < 3600)
		snprintf(to, 48, "%.0f seconds", s < 1 ? 1 : s);
	else if (s < 2 * YEAR_S)
		snprintf(to, 48, "%.0f hours", s / 3600);
	else if (s < 1e6 * YEAR_S)
		snprintf(to, 48, "%.0f years", s / YEAR_S);
	else
		snprintf(to, 48, "more than a million years");
	return to;
}

struct threats threats_spa(void)
{
	struct threats t = {
		.observer =
			"sees that it is a knock, not whose nor for what; a knock that names no address "
			"can be held back and sent from another one, once (bind = required ends that)",
		.scanner = "sees nothing: no answer to what is not signed",
		.spoofer = "makes the server compute, within its rates; opens nothing",
		.replayer = "nothing: every knock counts once, also after a crash",
		.neighbour = neighbour,
	};
	snprintf(t.stranger, sizeof(t.stranger),
		"must forge a signature of a listed key: about 2^128 tries");
	return t;
}

/* ------------------------------------------------------------------ simple sequences */

static bool is_monotone(const struct config_sequence *q)
{
	bool rises = false, falls = false;
	for (size_t i = 1; i < q->step_count; i++) {
		rises |= q->steps[i].port > q->steps[i - 1].port;
		falls |= q->steps[i].port < q->steps[i - 1].port;
	}
	return !rises || !falls;
}

static bool is_narrow(const struct config_sequence *q)
{
	unsigned low = UINT16_MAX, high = 0;
	for (size_t i = 0; i < q->step_count; i++) {
		low = q->steps[i].port < low ? q->steps[i].port : low;
		high = q->steps[i].port > high ? q->steps[i].port : high;
	}
	return high - low < NARROW;
}

static const char *sweep_of(const struct config_sequence *q)
{
	bool is_known = q->one_time == NULL;
	if (!q->strict && is_known && is_monotone(q))
		return "walks through it with one sweep of all ports in order";
	if (!q->strict)
		return "cannot be kept out for sure: other ports do not count, so a scan in chance order "
		       "meets n knocks rightly once in n! tries, repeated sweeps perhaps";
	if (is_known && is_monotone(q) && is_narrow(q))
		return "may walk through it: its ports lie side by side in the order of a sweep";
	return "ends an attempt of his own with each other closed port; a sweep does not walk through it";
}

struct threats threats_sequence(const struct config_sequence *q)
{
	char when[48];
	double knocks = 0.5; /* half of all there are */
	struct threats t = {
		.observer = "knows the sequence from then on and can knock from any address",
		.scanner = sweep_of(q),
		.spoofer = q->strict
			? "ends the attempt of an address he knows, with one packet to any closed port each time"
			: "ends the attempt of an address he knows only if he knows a port of the sequence",
		.replayer = "can play it again, from any address, until it is changed",
		.neighbour = neighbour_knocks,
	};
	if (q->one_time != NULL) {
		snprintf(t.stranger, sizeof(t.stranger),
			"has 16 bits to guess for each knock of the line that is next (65535 ports): give a "
			"line four or more");
		t.observer =
			"sees a sequence that never works again; who can stop it on its way can use "
			"it himself, from any address, once";
		t.replayer = "nothing: a line is marked as used before the gate opens";
		return t;
	}
	for (size_t i = 0; i < q->step_count; i++)
		knocks *= 65535;
	snprintf(t.stranger, sizeof(t.stranger),
		"has %zu bits to guess when the ports were drawn by lot (%zu knocks, 16 bits each): on "
		"average %.1e packets, %s at 10000 a second; ports that somebody thought up are worth less",
		16 * q->step_count, q->step_count, knocks, how_long(knocks, when));
	return t;
}

/* ------------------------------------------------------------------ structured, enciphered */

struct threats threats_structured(const struct config_structured *s)
{
	struct threats t = {
		.observer = "can make any such knock, from any address",
		.scanner = "does not make one by a sweep: its knocks go up and down",
		.spoofer =
			"spoils an attempt of an address he knows with one knock on the ten ports",
		.replayer = "can play it again, from any address",
		.neighbour = neighbour_knocks,
		.warning = "keeps out nothing but blind scans: it has no secret",
	};
	snprintf(t.stranger, sizeof(t.stranger), "has 0 bits to guess: the form is public%s",
		s->base == 100 ? ", and 100 is where it usually begins"
			       : "; only where its ports begin he must try out, 16 bits at most");
	return t;
}

static void cipher_stranger(const struct config_cipher *p, struct threats *t)
{
	char when[48];
	if (p->pad != NULL) {
		snprintf(t->stranger, sizeof(t->stranger),
			"has 64 bits to guess, those of the code; for each knock at most 136 windows of "
			"knocks are compared with 64 messages ahead");
		return;
	}
	if (p->wide && p->third_party) {
		snprintf(t->stranger, sizeof(t->stranger),
			"has 40 bits to guess (4 bytes of padding, checksum); up to %d windows of knocks are "
			"tried for each knock, which leaves 31: %s at 10000 a second, for an address and port "
			"that nobody chose",
			p->random_iv ? 528 : 300, how_long(power(30), when));
		return;
	}
	if (p->wide) {
		snprintf(t->stranger, sizeof(t->stranger),
			"has 104 bits to guess (padding and checksum 72, his address 32); with IPv6 more");
		return;
	}
	if (p->third_party)
		snprintf(t->stranger, sizeof(t->stranger),
			"has 16 bits to guess (one byte of padding, checksum): about one in %d knocks of "
			"noise is taken for a request, for an address and port that nobody chose",
			p->random_iv ? 480 : 1800);
	else
		snprintf(t->stranger, sizeof(t->stranger),
			"has 48 bits to guess (padding 8, checksum 8, his address 32); up to %d windows of "
			"knocks are tried for each knock, which leaves %d: %s at 10000 a second",
			p->random_iv ? 136 : 36, p->random_iv ? 41 : 43,
			how_long(power(p->random_iv ? 40 : 42), when));
}

struct threats threats_cipher(const struct config_cipher *p)
{
	struct threats t = {
		.observer =
			"can try passphrases at home, fast, until one fits: take a long one; equal "
			"requests look equal",
		.scanner = "makes noise, with the odds of the stranger",
		.spoofer =
			"spoils an attempt of an address he knows with three packets on its ports; two "
			"are left out",
		.replayer = p->third_party
			? "can play it again, from any address, for the address in it"
			: "can play it again from the same address",
		.neighbour = neighbour_knocks,
	};
	cipher_stranger(p, &t);
	if (p->one_time || p->pad != NULL)
		t.replayer = "nothing: what was taken once is never taken again";
	if (p->random_iv)
		t.observer =
			"can try passphrases at home, fast, until one fits: take a long one; who can "
			"stop a knock on its way can change address and port in it";
	if (p->pad != NULL)
		t.observer =
			"learns nothing, whatever he can compute; but both ends must keep their copy "
			"of the pad secret";
	else if (p->one_time && !p->random_iv)
		t.warning =
			"one-time = yes with an iv: the same request (address, port, minutes) works once and "
			"never again; random-iv = yes makes each another";
	else if (p->third_party && !p->wide)
		t.warning =
			"third-party = yes lets noise open gates: without wide = yes two bytes must fit";
	return t;
}

/* ------------------------------------------------------------------ tagged, fwknop */

struct threats threats_tagged(const struct config_tagged *g)
{
	struct threats t = {
		.observer =
			"sees key slot, time and service slot, and cannot use them; a knock that names no "
			"address can be stopped on its way and sent from another one, once",
		.scanner = "fills places with noise, which is left out",
		.spoofer =
			"spoils an attempt of an address he knows only with three packets for one place, "
			"between its first knock and its last",
		.replayer =
			"nothing: each knock of a key must be later than the last that was taken",
		.neighbour = neighbour,
	};
	snprintf(t.stranger, sizeof(t.stranger),
		"has 80 bits to guess, those of the code; with three values at each place and 64 tries for "
		"each knock it is still 2^-59 a knock");
	if (!g->observed)
		t.observer = "sees key slot, time and service slot, and cannot use them";
	if (g->tag == CONFIG_TAG_COUNTER)
		t.replayer =
			"nothing that was taken; but a knock that was stopped on its way stays good "
			"until a later one is taken, as there is no clock";
	if (g->hash == CONFIG_TAG_MD5)
		t.warning =
			"hash = md5: nobody has broken HMAC-MD5, but is there a client that cannot do "
			"better?";
	return t;
}

static unsigned hash_bits(enum config_hmac h)
{
	static const unsigned bits[] = { [CONFIG_HMAC_MD5] = 128,
		[CONFIG_HMAC_SHA1] = 160,
		[CONFIG_HMAC_SHA256] = 256,
		[CONFIG_HMAC_SHA384] = 384,
		[CONFIG_HMAC_SHA512] = 512,
		[CONFIG_HMAC_SHA3_256] = 256,
		[CONFIG_HMAC_SHA3_512] = 512 };
	return bits[h];
}

/* Bits of a key of that text: three bytes for four characters, less the padding. */
static unsigned key_bits(const char *base64)
{
	size_t len = strcspn(base64, "=");
	return (unsigned)(len * 3 / 4 * 8);
}

struct threats threats_fwknop(const struct config_fwknop *f)
{
	unsigned hash = hash_bits(f->hmac);
	struct threats t = {
		.observer =
			"sees that it is a knock, not its content; one that is for the address it comes "
			"from can be stopped on its way and sent from another one, once",
		.scanner = "sees nothing: nothing is answered",
		.spoofer = "makes the server compute a short code for each packet; opens nothing",
		.replayer = "nothing: what was taken once is never taken again",
		.neighbour = neighbour,
	};
	if (f->key_file != NULL || f->hmac_key_base64 == NULL) {
		snprintf(t.stranger, sizeof(t.stranger),
			"has to guess the HMAC key: as many bits as it has, at most %u; whoever reads it on the "
			"server or a client can knock as everybody who shares it",
			hash);
		return t;
	}
	unsigned key = key_bits(f->hmac_key_base64), bits = key < hash ? key : hash;
	snprintf(t.stranger, sizeof(t.stranger),
		"has %u bits to guess (HMAC key of %u bits, code of %u); whoever reads it on the server or a "
		"client can knock as everybody who shares it",
		bits, key, hash);
	if (bits < 128)
		t.warning = "the HMAC key is short; make one of 32 bytes or more";
	return t;
}
