/*
 * A visit, step by step. Invariant: what can fail without the password fails before it is asked for; but
 * whether the card is to be trusted only the opened ID can say.
 */

#include "cmd/visit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "cmd/client_memory.h"
#include "cmd/client_trust.h"
#include "cmd/commands.h"
#include "cmd/password.h"
#include "cmd/say.h"
#include "identity/cert.h"
#include "identity/idfile.h"

#define AGENT_WORDS "SSH agent"

const char *visit_peer_text(const struct exchange_peer *p, char to[ADDR_TEXT_MAX])
{
	struct addr a;
	uint16_t port;
	if (!addr_from_sockaddr(&p->addr, &a, &port))
		return "?";
	return addr_format(&a, to);
}

const char *visit_service(const struct visit *v, char to[VISIT_SERVICE_MAX])
{
	const struct postern_request *r = &v->request;
	if (r->service != NULL)
		return r->service;
	if (r->port == 0)
		return "";
	int n = snprintf(to, VISIT_SERVICE_MAX, "%s/%u", r->proto == IPPROTO_UDP ? "udp" : "tcp",
		(unsigned)r->port);
	if (r->port_last != 0)
		snprintf(to + n, VISIT_SERVICE_MAX - (size_t)n, "-%u", (unsigned)r->port_last);
	return to;
}

const char *visit_place(const struct visit *v, size_t peer, char to[VISIT_PLACE_MAX])
{
	char address[ADDR_TEXT_MAX];
	const char *text = visit_peer_text(&v->peers[peer], address);
	bool is_same = strcmp(text, v->args->host) == 0;
	snprintf(to, VISIT_PLACE_MAX, "%.255s (%s%sudp/%u)", v->args->host, is_same ? "" : text,
		is_same ? "" : ", ", (unsigned)v->udp_port);
	return to;
}

static int open_card(struct visit *v)
{
	struct postern_error e = { { 0 } };
	struct fault f;
	/* With an agent no ID file is looked for; these words stand where its name would. */
	const char *id = v->args->is_agent ? AGENT_WORDS : v->args->id;
	int rc = client_home_find(v->args->host, v->args->card, id, &v->files, &f);
	if (rc < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	if (postern_card_load(v->files.card, &v->card, &e) < 0) {
		say_trouble("%s", e.text);
		return EXIT_LOCAL;
	}
	v->server = postern_card_name(v->card);
	v->udp_port = v->args->udp_port != 0 ? v->args->udp_port : postern_card_port(v->card);
	return EXIT_DONE;
}

/* The text of --message, or standard input to its end, less one line end: what echo adds is not meant. */
static int read_message(struct visit *v)
{
	const char *text = v->args->message;
	size_t cap = sizeof(v->message) - 1;
	if (text == NULL)
		return EXIT_DONE;
	if (strcmp(text, "-") != 0) {
		v->message_len = strnlen(text, cap);
		memcpy(v->message, text, v->message_len);
	} else {
		v->message_len = fread(v->message, 1, cap, stdin);
		if (ferror(stdin) != 0) {
			say_trouble("the message cannot be read from standard input");
			return EXIT_LOCAL;
		}
		if (v->message_len > 0 && v->message_len < cap &&
			v->message[v->message_len - 1] == '\n')
			v->message_len--;
	}
	if (v->message_len > POSTERN_MESSAGE_MAX) {
		say_trouble("--message: longer than %d bytes; shorten it", POSTERN_MESSAGE_MAX);
		return EXIT_USAGE;
	}
	v->request.message = v->message;
	v->request.message_len = v->message_len;
	return EXIT_DONE;
}

static enum postern_op op_of(const struct knock_args *a)
{
	if (a->command == KNOCK_CLOSE)
		return POSTERN_CLOSE;
	if (a->command == KNOCK_SEND)
		return POSTERN_ACTION;
	return a->is_probe ? POSTERN_PROBE : POSTERN_OPEN;
}

static int build_request(struct visit *v)
{
	const struct knock_args *a = v->args;
	v->request = (struct postern_request){
		.op = op_of(a),
		.service = a->service,
		.proto = a->proto,
		.port = a->service_port,
		.seconds = a->for_s,
		.address = a->address,
		.source_port = a->source_port,
		.identity = a->identity,
		.port_last = a->service_port_last,
		.prefix = a->prefix,
	};
	/* One request, whichever of the server's addresses hears it: it is not to be done twice. */
	randombytes_buf(v->request.action_id, sizeof(v->request.action_id));
	int rc = read_message(v);
	if (rc != EXIT_DONE)
		return rc;
	/* A probe is about no service. */
	if (a->service != NULL || a->service_port != 0 || a->is_probe)
		return EXIT_DONE;
	v->request.service = postern_card_service(v->card);
	if (v->request.service[0] != '\0')
		return EXIT_DONE;
	say_trouble("%s: this card names no default service; say which SERVICE", v->files.card);
	return EXIT_USAGE;
}

/* The first address of each family. Returns getaddrinfo's verdict. */
static int resolve(struct visit *v, const char *host)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM };
	struct addrinfo *list = NULL;
	char port[8];

	snprintf(port, sizeof(port), "%u", (unsigned)v->udp_port);
	int rc = getaddrinfo(host, port, &hints, &list);
	if (rc != 0)
		return rc;
	v->peer_count = 0;
	for (const struct addrinfo *ai = list; ai != NULL && v->peer_count < 2; ai = ai->ai_next) {
		struct exchange_peer *p = &v->peers[v->peer_count];
		if (ai->ai_family != AF_INET && ai->ai_family != AF_INET6)
			continue;
		if (v->peer_count == 1 && v->peers[0].addr.ss_family == ai->ai_family)
			continue;
		memcpy(&p->addr, ai->ai_addr, ai->ai_addrlen);
		p->len = ai->ai_addrlen;
		v->peer_count++;
	}
	freeaddrinfo(list);
	return v->peer_count > 0 ? 0 : EAI_NONAME;
}

/* A nickname stands for the host its card names; a host that is unknown here may be one as well. */
static int look_up(struct visit *v, bool *ret_has_other)
{
	const char *given = v->args->host;
	const char *named = postern_card_host(v->card);
	bool has_other = named[0] != '\0' && strcasecmp(named, given) != 0;
	struct addr a;

	*ret_has_other = has_other;
	const char *first =
		has_other && v->files.is_nickname && !addr_parse(given, &a) ? named : given;
	int rc = resolve(v, first);
	if (rc != 0 && has_other)
		rc = resolve(v, first == given ? named : given);
	return rc;
}

static int find_address(struct visit *v)
{
	const char *given = v->args->host;
	bool has_other;
	int rc = look_up(v, &has_other);
	if (rc == 0)
		return EXIT_DONE;
	if (has_other)
		say_trouble("neither %s nor %s, which its card names, can be looked up: %s; "
			    "use its address",
			given, postern_card_host(v->card), gai_strerror(rc));
	else
		say_trouble("%s cannot be looked up: %s; use its address or correct the name",
			given, gai_strerror(rc));
	return EXIT_LOCAL;
}

void visit_relocate(struct visit *v)
{
	struct exchange_peer before[2] = { v->peers[0], v->peers[1] };
	size_t count = v->peer_count;
	bool has_other;
	if (look_up(v, &has_other) == 0)
		return;
	v->peer_count = count;
	memcpy(v->peers, before, sizeof(before));
}

/* A certificate that has run out by this clock is worth a warning; the server, with its clock, decides. */
static void warn_expired(const struct idfile *id, const char *path)
{
	struct cert c;
	struct fault f;
	char when[TIME_TEXT_MAX];
	if (idfile_cert_count(id) == 0 || cert_read(idfile_cert(id, 0), &c, &f) < 0)
		return;
	if (c.not_after_ms < clock_wall_ms())
		say_trouble("warning: the certificate in %s ended on %.10s by this machine's "
			    "clock; knocking all the same",
			path, time_format_utc(c.not_after_ms, when));
}

/* The name in the ID file, for the question, and the warning; trouble is told by the loading proper. */
static void look_at_id(const struct visit *v, char what[FAULT_MAX])
{
	struct idfile *id = NULL;
	struct fault f;
	uint8_t *text = NULL;
	size_t len = 0;

	snprintf(what, FAULT_MAX, "%.400s", v->files.id);
	if (file_read(v->files.id, FILE_ANY, IDFILE_MAX, &text, &len, &f) < 0)
		return;
	if (idfile_parse(span_of(text, len), &id, &f) == IDFILE_OK) {
		snprintf(what, FAULT_MAX, "%.400s", idfile_header(id)->name);
		warn_expired(id, v->files.id);
	}
	idfile_free(id);
	free(text);
}

/* Nothing on the screen moves while a token waits for its owner. */
static void say_touch(const struct visit *v)
{
	if (postern_id_wants_touch(v->id) && !v->args->is_quiet && isatty(STDERR_FILENO))
		say_trouble("touch the token when it blinks");
}

static int open_agent(struct visit *v)
{
	struct postern_error e = { { 0 } };
	int rc = postern_id_agent(NULL, v->args->agent_key, v->args->may_forward, &v->id, &e);
	if (rc == 0)
		say_touch(v);
	else if (rc == -EPERM)
		say_trouble("%s (--allow-forwarded)", e.text);
	else
		say_trouble("%s", e.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

static int open_id(struct visit *v)
{
	struct password_source from = { .file = v->args->password_file, .line = 1 };
	struct postern_error e = { { 0 } };
	struct password password;
	char what[FAULT_MAX];
	struct fault f;

	look_at_id(v, what);
	int rc = password_get(&from, what, &password, &f);
	if (rc < 0) {
		say_trouble("%s", f.text);
		return EXIT_LOCAL;
	}
	rc = postern_id_load(v->files.id, password.b, password.len, &v->id, &e);
	password_wipe(&password);
	if (rc < 0)
		say_trouble("%s", e.text);
	return rc < 0 ? EXIT_LOCAL : EXIT_DONE;
}

/* Nothing is sent to a server that the ID does not trust, and nothing said to it about who we are. */
static int check_card(const struct visit *v)
{
	struct postern_error e = { { 0 } };
	int rc = postern_card_verify(v->card, v->id, clock_wall_ms(), &e);
	if (rc != 0)
		say_trouble("%s%s: %s", rc > 0 ? "warning: " : "", v->files.card, e.text);
	return rc < 0 ? EXIT_REFUSED : EXIT_DONE;
}

void visit_recall(struct visit *v)
{
	char path[PATH_MAX];
	struct fault f;
	memset(&v->memory, 0, sizeof(v->memory));
	if (client_home_state(postern_card_sid(v->card), false, path, &f) < 0 ||
		client_memory_load(path, &v->memory, &f) < 0)
		say_trouble("%s; ignoring it", f.text);
	v->last_address = addr_v6(v->memory.last_address);
}

/* Nothing depends on it, so trouble here is a warning. */
static void remember(const struct visit *v)
{
	char path[PATH_MAX];
	struct fault f;
	if (client_home_state(postern_card_sid(v->card), true, path, &f) < 0 ||
		client_memory_store(path, v->server, &v->memory, &f) < 0)
		say_trouble("warning: %s; the next knock may take one packet more", f.text);
}

int visit_open(const struct knock_args *args, struct visit *v)
{
	memset(v, 0, sizeof(*v));
	v->args = args;
	int rc = open_card(v);
	if (rc == EXIT_DONE)
		rc = build_request(v);
	if (rc == EXIT_DONE)
		rc = find_address(v);
	if (rc == EXIT_DONE)
		rc = v->args->is_agent ? open_agent(v) : open_id(v);
	/* An agent's key has no certificates: it trusts the card as the file it is. */
	if (rc == EXIT_DONE && !v->args->is_agent)
		client_trust_load(v->id, v->args->is_verbose);
	if (rc == EXIT_DONE)
		rc = check_card(v);
	if (rc == EXIT_DONE)
		visit_recall(v);
	return rc;
}

int visit_open_behind(const struct knock_args *args, struct postern_id *id, struct visit *v)
{
	memset(v, 0, sizeof(*v));
	v->args = args;
	v->id = id;
	v->is_borrowed = true;
	int rc = open_card(v);
	if (rc == EXIT_DONE)
		rc = build_request(v);
	if (rc == EXIT_DONE)
		rc = check_card(v);
	if (rc == EXIT_DONE)
		visit_recall(v);
	return rc;
}

static int say_silence(const struct visit *v)
{
	char place[VISIT_PLACE_MAX];
	say_trouble("%s did not answer: perhaps the packets are lost or filtered on "
		    "the way, its postern is not running, %s is not in its directory, or %s is "
		    "not its card (any more)%s",
		visit_place(v, v->peer, place), postern_id_name(v->id), v->files.card,
		v->request.op == POSTERN_ACTION ? "; whether it was run, its journal says" : "");
	return EXIT_SILENT;
}

int visit_knock(struct visit *v)
{
	struct exchange x = {
		.card = v->card,
		.id = v->id,
		.request = &v->request,
		.memory = &v->memory,
	};
	char place[VISIT_PLACE_MAX];
	struct fault f;
	int rc = -ETIMEDOUT;

	for (v->peer = 0; v->peer < v->peer_count; v->peer++) {
		rc = exchange_run(&x, &v->peers[v->peer], &v->answer, &v->took_us, &f);
		if (rc == 0) {
			remember(v);
			return EXIT_DONE;
		}
		/* It is no better at the server's other address, and may need a touch again. */
		if (rc == -ECANCELED) {
			say_trouble("%s", f.text);
			return EXIT_LOCAL;
		}
		if (rc != -ETIMEDOUT)
			say_trouble("%s: %s", visit_place(v, v->peer, place), f.text);
	}
	v->peer = v->peer_count - 1;
	if (rc == -ETIMEDOUT)
		return say_silence(v);
	return rc == -EHOSTUNREACH || rc == -ENETUNREACH ? EXIT_SILENT : EXIT_LOCAL;
}

int visit_knock_by(struct visit *v, const struct exchange_carrier *c, int *ret_broken)
{
	struct exchange x = {
		.card = v->card,
		.id = v->id,
		.request = &v->request,
		.memory = &v->memory,
	};
	struct fault f;

	*ret_broken = 0;
	int rc = exchange_by(&x, c, &v->answer, &v->took_us, &f);
	if (rc == 0) {
		remember(v);
		return EXIT_DONE;
	}
	if (rc == -ETIMEDOUT)
		return EXIT_SILENT;
	if (f.text[0] != '\0')
		say_trouble("%s: %s", v->args->host, f.text);
	else
		*ret_broken = rc;
	return EXIT_LOCAL;
}

void visit_close(struct visit *v)
{
	if (!v->is_borrowed)
		postern_id_free(v->id);
	postern_card_free(v->card);
	v->id = NULL;
	v->card = NULL;
}
