/*
 * Half a server for tests of the client: answers every knock that opens and verifies, on loopback, with
 * the status it is told. Prints its port, then one line for each request. Opens nothing.
 *
 *   responder server.id server.key STATUS[,STATUS...]    the last one repeats; "none" answers nothing
 */

#include <arpa/inet.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "identity/idfile.h"
#include "knock/spa.h"

#define LIFE_S 60
#define CLOCK_AHEAD_MS 95000
#define INSTANCE UINT64_C(0x0123456789abcdef)

struct server {
	uint8_t sid[SPA_SID_LEN];
	struct hpke_secret x25519;
	const char *plan; /* statuses still to come */
};

__attribute__((noreturn)) static void die(const char *why)
{
	fprintf(stderr, "responder: %s\n", why);
	exit(1);
}

static uint8_t *slurp(const char *path, size_t *ret_len)
{
	struct fault f;
	uint8_t *data = NULL;
	if (file_read(path, FILE_SECRET, IDFILE_MAX, &data, ret_len, &f) < 0)
		die(f.text);
	return data;
}

static void load(struct server *s, const char *id_path, const char *key_path)
{
	struct idfile *id = NULL;
	static struct idfile_secrets secrets;
	struct fault f;
	size_t id_len, key_len;
	uint8_t *text = slurp(id_path, &id_len);
	uint8_t *key = slurp(key_path, &key_len);

	if (key_len != IDFILE_KEY_LEN || idfile_parse(span_of(text, id_len), &id, &f) != IDFILE_OK)
		die("not an ID file and its key");
	if (idfile_unlock_key(id, key, &secrets, NULL) != IDFILE_OK || !secrets.has_x25519)
		die("the key does not open the ID file, or it is no server's");
	memcpy(s->sid, idfile_header(id)->key_id, sizeof(s->sid));
	memcpy(s->x25519.b, secrets.x25519, sizeof(s->x25519.b));
	idfile_free(id);
	free(text);
	free(key);
}

static enum spa_status next_status(struct server *s)
{
	size_t len = strcspn(s->plan, ",");
	enum spa_status found = SPA_STATUS_COUNT;
	for (unsigned i = 0; i < SPA_STATUS_COUNT; i++)
		if (strlen(spa_status_name((enum spa_status)i)) == len &&
			strncmp(spa_status_name((enum spa_status)i), s->plan, len) == 0)
			found = (enum spa_status)i;
	if (s->plan[len] == ',')
		s->plan += len + 1;
	return found;
}

static void tell(const struct spa_request *r)
{
	char address[ADDR_TEXT_MAX];
	printf("op %d ", (int)r->op);
	if (r->selector_type == SPA_SELECT_NAME)
		printf("service %.*s", (int)r->selector.len, (const char *)r->selector.data);
	else
		printf("proto %u port %u", (unsigned)r->selector.data[0],
			(unsigned)(r->selector.data[1] << 8 | r->selector.data[2]));
	if (r->selector_type == SPA_SELECT_RANGE)
		printf("-%u", (unsigned)(r->selector.data[3] << 8 | r->selector.data[4]));
	if (r->prefix_bits != 128)
		printf(" prefix %u", (unsigned)r->prefix_bits);
	printf(" seconds %u source-port %u address %s\n", (unsigned)r->seconds,
		(unsigned)r->source_port,
		r->address_mode == 0 ? "observed" : addr_format(&r->address, address));
	fflush(stdout);
}

static void answer(int fd, struct server *s, struct span datagram, const struct sockaddr_in *from)
{
	uint8_t plain[SPA_INNER_LARGE_LEN], nonce[32], out[SPA_SMALL_LEN];
	struct sockaddr_storage ss = { 0 };
	struct spa_reply reply = { .instance = INSTANCE, .observed_family = 4 };
	struct spa_header h;
	struct spa_request r;
	struct hpke_context ctx;
	size_t len;

	if (spa_header_decode(datagram, &h) != SPA_OK ||
		spa_open(&h, s->sid, &s->x25519, NULL, plain, &len, &ctx) != SPA_OK ||
		spa_request_decode(span_of(plain, len), &r) != SPA_OK)
		return;
	tell(&r);
	reply.status = next_status(s);
	if (reply.status == SPA_STATUS_COUNT)
		return;
	reply.time_ms = clock_wall_ms();
	if (reply.status == SPA_STATUS_STALE || (r.flags & SPA_FLAG_AFTER_STALE) != 0)
		reply.time_ms += CLOCK_AHEAD_MS;
	memcpy(&ss, from, sizeof(*from));
	addr_from_sockaddr(&ss, &reply.observed, &reply.observed_port);
	if (reply.status == SPA_STATUS_OK && r.op == SPA_OPEN) {
		reply.granted_s = r.seconds != 0 ? r.seconds : 30;
		reply.granted_port = 22;
		reply.grant_id = 0x1122334455667788;
	}
	if (reply.status == SPA_STATUS_BUSY)
		reply.retry_after_s = 120;
	randombytes_buf(nonce, sizeof(nonce));
	len = spa_reply_build(&reply, &h, &ctx, nonce, out);
	if (sendto(fd, out, len, 0, (const struct sockaddr *)from, sizeof(*from)) < 0)
		die("the answer cannot be sent");
}

int main(int argc, char **argv)
{
	struct sockaddr_in here = { .sin_family = AF_INET };
	socklen_t len = sizeof(here);
	struct server s = { 0 };

	if (argc != 4 || sodium_init() < 0)
		die("usage: responder server.id server.key STATUS[,STATUS...]");
	load(&s, argv[1], argv[2]);
	s.plan = argv[3];
	alarm(LIFE_S);
	here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 ||
		getsockname(fd, (struct sockaddr *)&here, &len) < 0)
		die("no socket");
	printf("%u\n", (unsigned)ntohs(here.sin_port));
	fflush(stdout);
	for (;;) {
		uint8_t datagram[SPA_LARGE_LEN + 1];
		struct sockaddr_in from;
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(
			fd, datagram, sizeof(datagram), 0, (struct sockaddr *)&from, &from_len);
		if (n > 0)
			answer(fd, &s, span_of(datagram, (size_t)n), &from);
	}
}
