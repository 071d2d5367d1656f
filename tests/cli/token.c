/*
 * A FIDO token in software, for tests: an sk-ssh-ed25519@openssh.com key of a fixed seed behind the agent
 * protocol. What a token signs is put together here anew, not with the code that is tested.
 *
 *   token pub                        its public key, as in a .pub file
 *   token serve SOCKET [WORD=VALUE]  an agent that holds it. flags=1 counter=1 step=1: what its
 *                                    signatures say, and by how much the counter grows;
 *                                    namespace=NAME: sign for NAME (13 letters) whatever is asked;
 *                                    answer=HEX: answer this to whatever is asked; name=NAME: be called
 *                                    NAME while listening; keys=2: list the key twice
 *   token sshsig FILE                an SSH signature over FILE, framed by our own code
 */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/text.h"
#include "knock/sshsig.h"

#define LIFE_S 300
#define MESSAGE_MAX 4096
#define TYPE "sk-ssh-ed25519@openssh.com"
#define COMMENT "software token"

struct token {
	uint8_t pk[32], sk[64];
	uint8_t blob[74];
	uint8_t flags;
	uint32_t counter, step, keys;
	const char *namespace;
	const char *name;
	uint8_t answer[64];
	size_t answer_len;
};

__attribute__((noreturn)) static void die(const char *why)
{
	fprintf(stderr, "token: %s\n", why);
	exit(1);
}

static void put_string(struct writer *w, const void *data, size_t len)
{
	writer_u32(w, (uint32_t)len);
	writer_put(w, data, len);
}

static void put_text(struct writer *w, const char *text)
{
	put_string(w, text, strlen(text));
}

static void token_init(struct token *t)
{
	uint8_t seed[32];
	struct writer w = writer_init(t->blob, sizeof(t->blob));

	memset(seed, 0x33, sizeof(seed));
	crypto_sign_seed_keypair(t->pk, t->sk, seed);
	put_text(&w, TYPE);
	put_string(&w, t->pk, sizeof(t->pk));
	put_text(&w, "ssh:");
	if (w.len != sizeof(t->blob))
		die("the blob is not of its length");
	t->flags = 1;
	t->counter = t->step = t->keys = 1;
}

static void print_pub(const struct token *t)
{
	char text[128];
	printf("%s %s %s\n", TYPE,
		sodium_bin2base64(text, sizeof(text), t->blob, sizeof(t->blob),
			sodium_base64_VARIANT_ORIGINAL),
		COMMENT);
}

/* ------------------------------------------------------------------ signing */

static void put_signature(struct token *t, struct span data, struct writer *to)
{
	uint8_t message[32 + 1 + 4 + 32], signature[64], inner[128];
	struct writer m = writer_init(message, sizeof(message));
	struct writer w = writer_init(inner, sizeof(inner));

	crypto_hash_sha256(message, (const uint8_t *)"ssh:", 4);
	m.len = 32;
	writer_u8(&m, t->flags);
	writer_u32(&m, t->counter);
	crypto_hash_sha256(message + 37, data.data, data.len);
	crypto_sign_detached(signature, NULL, message, sizeof(message), t->sk);
	put_text(&w, TYPE);
	put_string(&w, signature, sizeof(signature));
	writer_u8(&w, t->flags);
	writer_u32(&w, t->counter);
	put_string(to, inner, w.len);
	t->counter += t->step;
}

static void print_armored(struct span s)
{
	char text[2048];
	sodium_bin2base64(text, sizeof(text), s.data, s.len, sodium_base64_VARIANT_ORIGINAL);
	puts("-----BEGIN SSH SIGNATURE-----");
	for (size_t at = 0; at < strlen(text); at += 70)
		printf("%.70s\n", text + at);
	puts("-----END SSH SIGNATURE-----");
}

static void sshsig(struct token *t, const char *path)
{
	static uint8_t message[1 << 16];
	uint8_t data[SSHSIG_DATA_LEN], file[1024];
	struct writer w = writer_init(file, sizeof(file));
	FILE *f = fopen(path, "rb");
	if (f == NULL)
		die("the message cannot be read");
	sshsig_data(span_of(message, fread(message, 1, sizeof(message), f)), data);
	fclose(f);
	writer_put(&w, "SSHSIG", 6);
	writer_u32(&w, 1);
	put_string(&w, t->blob, sizeof(t->blob));
	put_text(&w, SSHSIG_NAMESPACE);
	put_text(&w, "");
	put_text(&w, "sha512");
	put_signature(t, SPAN_OF(data), &w);
	print_armored(writer_span(&w));
}

/* ------------------------------------------------------------------ the agent */

static void put_list(const struct token *t, struct writer *w)
{
	writer_u8(w, 12);
	writer_u32(w, t->keys);
	for (uint32_t i = 0; i < t->keys; i++) {
		put_string(w, t->blob, sizeof(t->blob));
		put_text(w, COMMENT);
	}
}

/* The data as asked, with another namespace in the place of ours when we are told to cheat. */
static struct span cheated(const struct token *t, struct span data, uint8_t copy[MESSAGE_MAX])
{
	if (t->namespace == NULL || data.len < 23)
		return data;
	memcpy(copy, data.data, data.len);
	memcpy(copy + 10, t->namespace, 13);
	return span_of(copy, data.len);
}

static void respond(struct token *t, struct span question, struct writer *w)
{
	uint8_t copy[MESSAGE_MAX];
	struct reader r = reader_init(question);
	uint8_t type = reader_u8(&r);

	if (t->answer_len > 0) {
		writer_put(w, t->answer, t->answer_len);
	} else if (type == 11) {
		put_list(t, w);
	} else if (type == 13) {
		uint32_t blob_len = reader_u32(&r);
		struct span blob = reader_take(&r, blob_len);
		uint32_t data_len = reader_u32(&r);
		struct span data = reader_take(&r, data_len);
		bool is_ours = span_equal(blob, SPAN_OF(t->blob)) && reader_u32(&r) == 0;
		writer_u8(w, is_ours && reader_done(&r) ? 14 : 5);
		if (is_ours)
			put_signature(t, cheated(t, data, copy), w);
	} else {
		writer_u8(w, 5);
	}
}

static bool receive(int fd, void *to, size_t len)
{
	return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

static void serve_one(struct token *t, int fd)
{
	uint8_t question[MESSAGE_MAX], answer[MESSAGE_MAX], prefix[4];
	while (receive(fd, prefix, 4)) {
		struct reader r = reader_init(SPAN_OF(prefix));
		uint32_t len = reader_u32(&r);
		if (len > sizeof(question) || !receive(fd, question, len))
			return;
		struct writer w = writer_init(answer, sizeof(answer));
		writer_u32(&w, 0);
		respond(t, span_of(question, len), &w);
		struct writer p = writer_init(answer, 4);
		writer_u32(&p, (uint32_t)w.len - 4);
		if (send(fd, answer, w.len, MSG_NOSIGNAL) < 0)
			return;
	}
}

static void take_word(struct token *t, const char *word)
{
	const char *value = strchr(word, '=');
	size_t len = value == NULL ? 0 : (size_t)(value++ - word);
	if (len == 5 && strncmp(word, "flags", len) == 0) {
		t->flags = (uint8_t)atoi(value);
	} else if (len == 7 && strncmp(word, "counter", len) == 0) {
		t->counter = (uint32_t)strtoul(value, NULL, 10);
	} else if (len == 4 && strncmp(word, "step", len) == 0) {
		t->step = (uint32_t)atoi(value);
	} else if (len == 4 && strncmp(word, "keys", len) == 0) {
		t->keys = (uint32_t)atoi(value);
	} else if (len == 4 && strncmp(word, "name", len) == 0) {
		t->name = value;
	} else if (len == 9 && strncmp(word, "namespace", len) == 0 && strlen(value) == 13) {
		t->namespace = value;
	} else if (len == 6 && strncmp(word, "answer", len) == 0 && strlen(value) <= 128) {
		t->answer_len = strlen(value) / 2;
		if (!text_unhex(value, t->answer, t->answer_len))
			die("answer= is not hexadecimal");
	} else {
		die(word);
	}
}

__attribute__((noreturn)) static void serve(struct token *t, const char *path)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	snprintf(here.sun_path, sizeof(here.sun_path), "%s", path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (t->name != NULL)
		prctl(PR_SET_NAME, t->name);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&here, sizeof(here)) < 0 || listen(fd, 8) < 0)
		die("the socket cannot be made");
	puts("ready");
	fflush(stdout);
	alarm(LIFE_S);
	for (;;) {
		int peer = accept(fd, NULL, NULL);
		if (peer < 0)
			continue;
		serve_one(t, peer);
		close(peer);
	}
}

int main(int argc, char **argv)
{
	struct token t = { 0 };
	if (argc < 2 || sodium_init() < 0)
		die("usage: token pub | serve SOCKET [WORD=VALUE...] | sshsig FILE");
	token_init(&t);
	if (strcmp(argv[1], "pub") == 0) {
		print_pub(&t);
	} else if (strcmp(argv[1], "sshsig") == 0 && argc == 3) {
		sshsig(&t, argv[2]);
	} else if (strcmp(argv[1], "serve") == 0 && argc >= 3) {
		for (int i = 3; i < argc; i++)
			take_word(&t, argv[i]);
		serve(&t, argv[2]);
	} else {
		die("there is no such command");
	}
	return 0;
}
