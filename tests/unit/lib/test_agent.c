/* An agent at the other end of a socket: late, rude, gone, or another process than it seems. */

#include <errno.h>
#include <signal.h>
#include <sodium.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/agent_socket.h"
#include "lib/internal.h"
#include "test.h"

static char folder[] = "/tmp/postern-agent-XXXXXX";
static char path[64];

/* ------------------------------------------------------------------ one question */

static void test_ask(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		const char *answer;
		size_t len;
		bool hangs_up;
		int want;
	} cases[] = {
		{ "an answer", "\0\0\0\1\5", 5, false, 0 },
		{ "more comes behind it", "\0\0\0\1\5\5\5", 7, false, 0 },
		{ "no length", "\0\0", 2, true, -EPIPE },
		{ "nothing", "", 0, true, -EPIPE },
		{ "half of it", "\0\0\0\2\5", 5, true, -EPIPE },
		{ "length 0", "\0\0\0\0", 4, false, -EMSGSIZE },
		{ "one past the bound", "\0\4\0\1", 4, false, -EMSGSIZE },
		{ "4 GiB", "\377\377\377\377", 4, false, -EMSGSIZE },
		{ "silence", "", 0, false, -ETIMEDOUT },
		{ "silence in the middle", "\0\0\0\2\5", 5, false, -ETIMEDOUT },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		uint8_t *answer = NULL, seen[16];
		size_t len = 0;
		struct fault f = { "" };
		int fd[2];
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
		assert_int_equal(
			send(fd[1], cases[i].answer, cases[i].len, 0), (ssize_t)cases[i].len);
		if (cases[i].hangs_up)
			shutdown(fd[1], SHUT_WR);
		int rc = agent_ask(fd[0], span_of("ask", 3), 30, &answer, &len, &f);
		TEST_CASE(cases[i].name, rc == cases[i].want);
		TEST_CASE(cases[i].name, (rc == 0) == (f.text[0] == '\0'));
		TEST_CASE(cases[i].name, rc != 0 || (len == 1 && answer[0] == 5));
		TEST_CASE(cases[i].name, recv(fd[1], seen, sizeof(seen), 0) == 7);
		TEST_CASE(cases[i].name, memcmp(seen, "\0\0\0\3ask", 7) == 0);
		free(answer);
		close(fd[0]);
		close(fd[1]);
	}
}

/* A peer that takes nothing does not hold us up either, and one that is gone raises no signal. */
static void test_ask_who_does_not_listen(void **state)
{
	(void)state;
	static uint8_t much[1 << 22];
	uint8_t *answer = NULL;
	size_t len = 0;
	struct fault f;
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(agent_ask(fd[0], SPAN_OF(much), 30, &answer, &len, &f), -ETIMEDOUT);
	close(fd[1]);
	assert_int_equal(agent_ask(fd[0], span_of("ask", 3), 30, &answer, &len, &f), -EPIPE);
	close(fd[0]);
	assert_null(answer);
}

/* ------------------------------------------------------------------ who listens */

/* A process of this name; -1 ends it. */
static pid_t process(const char *name)
{
	int ready[2];
	char byte;
	assert_int_equal(pipe(ready), 0);
	pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, name);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void finish(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void test_places(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		enum agent_place want;
	} cases[] = {
		{ "sshd", AGENT_FORWARDED },
		{ "sshd-session", AGENT_FORWARDED },
		{ "dropbear", AGENT_FORWARDED },
		{ "ssh", AGENT_FORWARDED },
		{ "ssh-agent", AGENT_LOCAL },
		{ "gpg-agent", AGENT_LOCAL },
		{ "sshd2", AGENT_LOCAL },
		{ "", AGENT_LOCAL },
	};
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		pid_t pid = process(cases[i].name);
		TEST_CASE(cases[i].name, agent_place_of(pid) == cases[i].want);
		finish(pid);
		/* It has ended: ssh-agent's parent, when the agent is in the background. */
		TEST_CASE(cases[i].name, agent_place_of(pid) == AGENT_LOCAL);
	}
	assert_int_equal(agent_place_of(0), AGENT_HIDDEN);
	assert_int_equal(agent_place_of(-1), AGENT_HIDDEN);
}

/* ------------------------------------------------------------------ an agent */

static int listen_here(void)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	memcpy(here.sun_path, path, strlen(path));
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&here, sizeof(here)), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

struct agent {
	uint8_t pk[32], sk[64];
	bool is_signing_wrong, is_refusing;
};

static void put_string(struct writer *w, const void *data, size_t len)
{
	writer_u32(w, (uint32_t)len);
	writer_put(w, data, len);
}

static void put_blob(const struct agent *a, struct writer *w)
{
	writer_u32(w, 51);
	put_string(w, "ssh-ed25519", 11);
	put_string(w, a->pk, 32);
}

static void respond(const struct agent *a, const uint8_t *question, size_t len, struct writer *w)
{
	uint8_t signature[64];
	if (question[4] == 11) {
		writer_u8(w, 12);
		writer_u32(w, 1);
		put_blob(a, w);
		put_string(w, "a\tb", 3);
		return;
	}
	if (a->is_refusing) {
		writer_u8(w, 5);
		return;
	}
	/* length 4, type 1, blob 4 + 51, then data and flags 4 */
	size_t data_len = len - 64 - 4;
	crypto_sign_detached(signature, NULL, question + 64, data_len, a->sk);
	signature[5] ^= a->is_signing_wrong;
	writer_u8(w, 14);
	writer_u32(w, 83);
	put_string(w, "ssh-ed25519", 11);
	put_string(w, signature, 64);
}

/* Serve in a child: every connection asks one question, in one segment or two. */
static pid_t serve(const struct agent *a)
{
	int fd = listen_here();
	pid_t pid = fork();
	if (pid != 0) {
		close(fd);
		return pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		uint8_t question[1024], answer[1024];
		int peer = accept(fd, NULL, NULL);
		ssize_t n = recv(peer, question, 4, MSG_WAITALL);
		struct reader r = reader_init(SPAN_OF(question));
		uint32_t len = reader_u32(&r);
		if (n == 4 && len <= sizeof(question) - 4 &&
			recv(peer, question + 4, len, MSG_WAITALL) == (ssize_t)len) {
			struct writer w = writer_init(answer, sizeof(answer));
			writer_u32(&w, 0);
			respond(a, question, len + 4, &w);
			struct writer p = writer_init(answer, 4);
			writer_u32(&p, (uint32_t)w.len - 4);
			if (send(peer, answer, w.len, MSG_NOSIGNAL) < 0)
				_exit(1);
		}
		close(peer);
	}
}

static void agent_init(struct agent *a)
{
	uint8_t seed[32] = { 7 };
	memset(a, 0, sizeof(*a));
	crypto_sign_seed_keypair(a->pk, a->sk, seed);
}

static void test_id(void **state)
{
	(void)state;
	struct agent a;
	struct postern_id *id = NULL;
	struct postern_error err = { "" };
	uint8_t key_id[32];
	agent_init(&a);
	pid_t pid = serve(&a);

	assert_int_equal(postern_id_agent(path, NULL, false, &id, &err), 0);
	spa_key_id(a.pk, key_id);
	assert_memory_equal(id->key_id, key_id, 32);
	assert_int_equal(id->identity_type, SPA_ID_SSH);
	assert_int_equal(id->signature_type, SPA_SIG_SSHSIG);
	assert_false(postern_id_wants_touch(id));
	assert_memory_equal(postern_id_name(id), "SHA256:", 7);
	assert_non_null(strstr(postern_id_name(id), " (a\\x09b)"));
	postern_id_free(id);
	id = NULL;

	/* The environment names the same one. */
	setenv("SSH_AUTH_SOCK", path, 1);
	assert_int_equal(postern_id_agent(NULL, "a\tb", false, &id, NULL), 0);
	postern_id_free(id);
	id = NULL;
	assert_int_equal(postern_id_agent(NULL, "x", false, &id, &err), -ENOENT);
	assert_memory_equal(err.text, path, strlen(path));
	unsetenv("SSH_AUTH_SOCK");
	assert_int_equal(postern_id_agent(NULL, NULL, false, &id, &err), -ENOENT);
	assert_int_equal(postern_id_agent("", NULL, false, &id, &err), -ENOENT);
	finish(pid);
	assert_int_equal(postern_id_agent(path, NULL, false, &id, &err), -ECONNREFUSED);
	assert_null(id);
}

/* A session whose key signs elsewhere: the waiting begins when it has signed. */
static void test_session(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		bool is_signing_wrong, is_refusing;
		enum postern_step want;
	} cases[] = {
		{ "signs", false, false, POSTERN_WAIT },
		{ "signs wrongly", true, false, POSTERN_FAILED },
		{ "refuses", false, true, POSTERN_FAILED },
	};
	struct postern_card *card = calloc(1, sizeof(*card));
	struct postern_request q = { .op = POSTERN_OPEN, .service = "ssh" };
	struct hpke_secret prekey = { { 3 } };
	hpke_public_key(&prekey, card->card.prekeys[0].pk);
	card->card.prekeys[0].not_after_ms = UINT64_MAX;
	card->card.prekey_count = 1;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct postern_id *id = NULL;
		struct postern_session *s = NULL;
		const uint8_t *datagram = NULL;
		size_t len = 0;
		uint32_t wait_ms = 77;
		struct agent a;
		agent_init(&a);
		a.is_signing_wrong = cases[i].is_signing_wrong;
		a.is_refusing = cases[i].is_refusing;
		pid_t pid = serve(&a);
		assert_int_equal(postern_id_agent(path, NULL, false, &id, NULL), 0);
		assert_int_equal(postern_session_new(card, id, &q, NULL, &s, NULL), 0);
		TEST_CASE(cases[i].name,
			postern_session_next(s, 1700000000000, 1000, &datagram, &len, &wait_ms) ==
				cases[i].want);
		if (cases[i].want == POSTERN_WAIT) {
			TEST_CASE(cases[i].name, wait_ms == 0);
			/* Twenty seconds later: sent now, and again in one. */
			assert_int_equal(postern_session_next(s, 1700000020000, 21000, &datagram,
						 &len, &wait_ms),
				POSTERN_SEND);
			assert_int_equal(postern_session_next(s, 1700000020000, 21000, &datagram,
						 &len, &wait_ms),
				POSTERN_WAIT);
			assert_int_equal(wait_ms, 1000);
		} else {
			TEST_CASE(cases[i].name,
				postern_session_next(s, 1700000000000, 1000, &datagram, &len,
					&wait_ms) == POSTERN_FAILED);
			TEST_CASE(cases[i].name,
				strncmp(postern_session_error(s), path, strlen(path)) == 0);
		}
		postern_session_free(s);
		postern_id_free(id);
		finish(pid);
	}
	free(card);
}

static int set_up(void **state)
{
	(void)state;
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/agent", folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ask),
		cmocka_unit_test(test_ask_who_does_not_listen),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_session),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
