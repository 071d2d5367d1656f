/* Whose the table is: made, adopted, replaced, defended, and what is said when it cannot be had. */

#include <grp.h>
#include <sys/wait.h>

#include "gate/internal.h"
#include "gate/traffic.h"

#define SSH 22
#define WEB 443
#define MARK 0x50000000u

static const int services[] = { SSH, WEB };

static int nft(const char *text)
{
	struct fault f;
	return gate_child_run(text, false, &f);
}

/* Run fn in a process of its own, which then dies without cleaning up. */
static void in_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_owned(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct gate *g = start_gate(services, 1);
	if (!gate_is_owned(g)) {
		gate_free(g);
		skip();
	}
	int s = serve(host(AF_INET, 1), SSH);
	assert_int_equal(nft("add table inet other\n"), 0);
	assert_int_equal(nft("flush ruleset\n"), 0);
	assert_int_equal(nft("delete table inet other\n"), -EREMOTEIO);
	expect_out(n, g, host(AF_INET, 2), SSH);
	assert_int_equal(nft("insert rule inet postern arriving accept\n"), -EREMOTEIO);
	assert_int_equal(nft("flush set inet postern guarded\n"), -EREMOTEIO);
	assert_int_equal(nft("delete table inet postern\n"), -EREMOTEIO);
	expect_out(n, g, host(AF_INET, 2), SSH);

	/* A second daemon is told so, and changes nothing. */
	struct gate *second = NULL;
	struct config *c = configure(services + 1, 1);
	bool is_new = true;
	struct fault f;
	assert_int_equal(gate_new(c, &second, &is_new, &f), -EPERM);
	assert_string_equal(
		f.text, "table inet postern belongs to another running process; stop it");
	assert_null(second);
	assert_true(is_new);
	assert_int_equal(gate_remove(&f), -EPERM);
	expect_out(n, g, host(AF_INET, 2), SSH);
	free(c);
	close(s);
	gate_free(g);
	assert_int_equal(gate_remove(&f), 0);
	assert_int_equal(gate_remove(&f), 0);
	assert_int_equal(nft("add rule inet postern arriving accept\n"), -EREMOTEIO);
}

static void open_and_die(void)
{
	struct gate *g = start_gate(services, 1);
	apply(g, opening(GATE_WINDOW, host(AF_INET, 2), SSH, MARK + 1));
	apply(g, opening(GATE_ONCE, host(AF_INET6, 2), SSH, MARK + 2));
}

/* The next process finds every gate as it was, and guards what its own configuration says. */
static void test_adopted(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *both = configure(services, 2), *web = configure(services + 1, 1);
	int ssh4 = serve(host(AF_INET, 1), SSH), web4 = serve(host(AF_INET, 1), WEB);
	int ssh6 = serve(host(AF_INET6, 1), SSH);
	bool is_new = true;

	in_child(open_and_die);
	struct gate *g = take_gate(both, &is_new);
	assert_false(is_new);
	expect_in(n, host(AF_INET, 2), SSH);
	expect_in(n, host(AF_INET, 2), SSH);
	expect_in(n, host(AF_INET6, 2), SSH);
	expect_out(n, g, host(AF_INET6, 2), SSH);
	expect_out(n, g, host(AF_INET, 3), SSH);
	expect_out(n, g, host(AF_INET, 2), WEB);
	gate_free(g);

	/* ssh is public now, and the knock port is another. */
	web->doors[0].spa.port = 1000;
	g = take_gate(web, &is_new);
	assert_false(is_new);
	expect_in(n, host(AF_INET, 3), SSH);
	expect_out(n, g, host(AF_INET, 3), WEB);
	int fd = call(n, host(AF_INET, 2), -KNOCK_PORT);
	assert_int_equal(send(fd, "x", 1, 0), 1);
	assert_true(is_ready(fd, POLLERR, PATIENCE_MS));
	assert_int_equal(outcome(fd), -ECONNREFUSED);
	close(fd);
	gate_free(g);

	/* Nothing at all is guarded, and there is no door. */
	web->service_count = 0;
	web->door_count = 0;
	g = take_gate(web, &is_new);
	assert_false(is_new);
	expect_in(n, host(AF_INET, 3), WEB);
	gate_free(g);
	free(both);
	free(web);
	close(ssh4);
	close(ssh6);
	close(web4);
}

/*
 * Another version: the connection that is there hears nothing until its lease is back, and then goes on;
 * a gate that was not restored is gone.
 */
static void test_replaced(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = configure(services, 1);
	int s = serve(host(AF_INET, 1), SSH);
	bool is_new = false;
	char byte;

	struct gate *g = start_gate(services, 1);
	apply(g, opening(GATE_ONCE, host(AF_INET, 2), SSH, MARK + 1));
	apply(g, opening(GATE_ONCE, host(AF_INET, 3), SSH, MARK + 2));
	int fd = call(n, host(AF_INET, 2), SSH);
	assert_int_equal(outcome(fd), 0);
	int peer = accept(s, NULL, NULL);
	gate_free(g);

	c->server.log_group = 8;
	g = take_gate(c, &is_new);
	assert_true(is_new);
	int ear = listen_to_wire(n);
	assert_int_equal(send(fd, "a", 1, 0), 1);
	assert_int_equal(send(peer, "b", 1, 0), 1);
	int stranger = call(n, host(AF_INET, 3), SSH);
	assert_false(is_ready(stranger, POLLOUT, 100));
	assert_false(is_ready(fd, POLLIN, 0));
	assert_int_equal(heard(ear), 0);
	assert_int_equal(counts(g).cut, 0);

	struct gate_order keep = { .verb = GATE_LEASE, .mark = MARK + 1, .lease_ms = 10000 };
	apply(g, keep);
	assert_int_equal(gate_settle(g), 0);
	assert_true(is_ready(fd, POLLIN, PATIENCE_MS));
	assert_true(is_ready(peer, POLLIN, PATIENCE_MS));
	assert_int_equal(recv(fd, &byte, 1, 0), 1);
	assert_int_equal(recv(peer, &byte, 1, 0), 1);
	expect_out(n, g, host(AF_INET, 3), SSH);
	expect_out(n, g, host(AF_INET, 2), SSH);
	assert_int_equal(gate_settle(g), 0);
	close(stranger);
	close(ear);
	close(fd);
	close(peer);
	close(s);
	free(c);
	gate_free(g);
}

static void make_and_die(void)
{
	bool is_new;
	struct config *c = configure(services, 1);
	struct gate *g = take_gate(c, &is_new);
	assert_true(is_new);
	assert_non_null(g);
}

/* Whoever dies before what was live is restored leaves that to the next, and the ports closed. */
static void test_unsettled(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = configure(services, 1);
	int s = serve(host(AF_INET, 1), SSH);
	bool is_new = false;
	in_child(make_and_die);
	int fd = call(n, host(AF_INET, 2), SSH);
	assert_false(is_ready(fd, POLLOUT, 100));
	close(fd);
	struct gate *g = take_gate(c, &is_new);
	assert_true(is_new);
	assert_int_equal(gate_settle(g), 0);
	expect_out(n, g, host(AF_INET, 2), SSH);
	gate_free(g);
	g = take_gate(c, &is_new);
	assert_false(is_new);
	gate_free(g);
	free(c);
	close(s);
}

static void leave_empty(const char *version)
{
	static struct gate_nl nl;
	int refusal;
	assert_int_equal(gate_nl_open(&nl), 0);
	bool can_persist = false;
	assert_int_equal(gate_table_can_persist(&nl, &can_persist), 0);
	assert_int_equal(gate_table_replace(&nl, false, version,
				 can_persist ? GATE_TABLE_PERSIST : 0, &refusal),
		0);
	assert_int_equal(refusal, 0);
	gate_nl_close(&nl);
}

/* Tables in our place that are not what they seem are replaced. */
static void test_impostors(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	struct config *c = configure(services, 1);
	char version[GATE_VERSION_MAX], text[256], huge[250];
	struct fault f;
	int s = serve(host(AF_INET, 1), SSH);

	assert_true(gate_ruleset_version(c, version));
	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	for (int i = 0; i < 5; i++) {
		bool is_new = false;
		switch (i) {
		case 0: /* its maker died before it was filled */
			leave_empty(version);
			break;
		case 1:
			leave_empty("postern rule set 0");
			break;
		case 2:
			leave_empty(huge);
			break;
		case 3:
			assert_int_equal(nft("add table inet postern\n"
					     "add chain inet postern arriving\n"),
				0);
			break;
		case 4: /* from a saved listing: the mark is there, the flags are not */
			snprintf(text, sizeof(text), "add table inet postern { comment \"%s\"; }\n",
				version);
			assert_int_equal(nft(text), 0);
			break;
		}
		struct gate *g = take_gate(c, &is_new);
		assert_true(is_new);
		assert_int_equal(gate_settle(g), 0);
		expect_out(n, g, host(AF_INET, 2), SSH);
		gate_free(g);
		assert_int_equal(gate_remove(&f), 0);
	}
	close(s);
	free(c);
}

/* As on a kernel without PERSIST: the same table, adopted again and again, only nobody's own. */
static void test_plain(void **state)
{
	NEED_ROOT(state);
	struct net *n = *state;
	static struct gate_nl nl;
	struct config *c = configure(services, 1);
	struct gate_table t;
	struct fault f;
	int refusal = 1;
	int s = serve(host(AF_INET, 1), SSH);

	assert_int_equal(gate_nl_open(&nl), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(gate_table_replace(&nl, again, "some version", 0, &refusal), 0);
		assert_int_equal(refusal, 0);
		char *text = gate_ruleset_text(GATE_TABLE, c);
		assert_int_equal(gate_child_run(text, false, &f), 0);
		free(text);
		for (int i = 0; i < 2; i++) {
			assert_int_equal(gate_table_adopt(&nl, c, 0, &refusal), 0);
			assert_int_equal(refusal, 0);
		}
	}
	assert_int_equal(gate_table_find(&nl, GATE_TABLE, &t, &refusal), 0);
	assert_true(t.is_there && t.flags == 0);
	assert_string_equal(t.version, "some version");
	gate_nl_begin(&nl);
	struct gate_order o = opening(GATE_ONCE, host(AF_INET, 2), SSH, MARK + 1);
	gate_elements_order(&nl, &o, GATE_ADD_FIRST);
	assert_int_equal(gate_nl_commit(&nl, &refusal), 0);
	assert_int_equal(refusal, 0);
	expect_in(n, o.addr, SSH);
	int fd = call(n, o.addr, SSH);
	assert_false(is_ready(fd, POLLOUT, 100));
	close(fd);
	gate_nl_close(&nl);
	close(s);
	free(c);
}

static void without_privilege(void)
{
	struct config *c = configure(services, 1);
	struct gate *g = NULL;
	bool is_new;
	struct fault f = { "" };
	if (setgroups(0, NULL) < 0 || setresgid(65534, 65534, 65534) < 0 ||
		setresuid(65534, 65534, 65534) < 0)
		_exit(1);
	int rc = gate_new(c, &g, &is_new, &f);
	free(c);
	_exit(rc == -EPERM && g == NULL && strstr(f.text, "CAP_NET_ADMIN") != NULL ? 0 : 2);
}

static void test_unprivileged(void **state)
{
	NEED_ROOT(state);
	in_child(without_privilege);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NET_TEST(test_owned),
		NET_TEST(test_adopted),
		NET_TEST(test_replaced),
		NET_TEST(test_unsettled),
		NET_TEST(test_impostors),
		NET_TEST(test_plain),
		NET_TEST(test_unprivileged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
