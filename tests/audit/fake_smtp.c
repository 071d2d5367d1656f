/* SMTP as far as STARTTLS, with the manners of the profile. */

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fake.h"

void fake_greet(struct fake_conn *c)
{
	const struct fake_profile *p = c->profile;
	c->speak_at_ms = 0;
	if (p->is_mute) {
		c->state = FAKE_DEAD;
		return;
	}
	c->state = FAKE_SMTP;
	fake_say(c, p->greeting[0] != '\0' ? p->greeting : "220 mail.example.org ESMTP");
	if (p->greeting[0] == '4' || p->greeting[0] == '5')
		c->is_closing = true;
}

static void starttls(struct fake_conn *c)
{
	const struct fake_profile *p = c->profile;
	if (p->has_no_starttls) {
		fake_say(c, "502 5.5.1 Error: command not implemented");
		return;
	}
	fake_say(c,
		p->starttls_reply[0] != '\0' ? p->starttls_reply : "220 2.0.0 Ready to start TLS");
	if (p->starttls_reply[0] != '\0' && p->starttls_reply[0] != '2')
		return;
	c->in_len = 0;
	c->state = FAKE_HELLO;
}

static void command(struct fake_conn *c, const char *line)
{
	if (strncasecmp(line, "EHLO ", 5) == 0) {
		if (c->profile->greylist > 0) {
			c->profile->greylist--;
			fake_say(c, "421 4.7.1 Greylisted, come again");
			c->is_closing = true;
			return;
		}
		fake_say(c, "250-mail.example.org");
		fake_say(c, "250-PIPELINING");
		fake_say(c, c->profile->has_no_starttls ? "250-8BITMIME" : "250-STARTTLS");
		fake_say(c, "250 SIZE 10240000");
	} else if (strncasecmp(line, "HELO ", 5) == 0) {
		fake_say(c, "250 mail.example.org");
	} else if (strcasecmp(line, "STARTTLS") == 0) {
		starttls(c);
	} else if (strcasecmp(line, "QUIT") == 0) {
		fake_say(c, "221 2.0.0 Bye");
		c->is_closing = true;
	} else {
		fake_say(c, "502 5.5.2 Error: command not recognized");
	}
}

void fake_smtp(struct fake_conn *c)
{
	char line[512];
	uint8_t *end;
	while (c->state == FAKE_SMTP && !c->is_closing &&
		(end = memchr(c->in, '\n', c->in_len)) != NULL) {
		size_t n = (size_t)(end - c->in);
		snprintf(line, sizeof(line), "%.*s", (int)n, (const char *)c->in);
		line[strcspn(line, "\r")] = '\0';
		fake_consume(c, n + 1);
		command(c, line);
	}
}
