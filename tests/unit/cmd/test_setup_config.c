/* The configuration setup writes is one config_load takes, whatever the names in it. */

#include <errno.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/setup.h"
#include "config/config.h"
#include "test.h"

static struct setup_plan plan_of(const char *organisation, const char *admin, const char *folder)
{
	struct setup_plan p = { .user = "nobody", .now_ms = UINT64_C(1795000000000) };
	struct fault f;
	assert_int_equal(name_parse(organisation, true, &p.organisation), NAME_OK);
	assert_int_equal(name_append(&p.organisation, NAME_CN, admin, &p.admin), NAME_OK);
	assert_int_equal(name_append(&p.organisation, NAME_CN, "gw", &p.server), NAME_OK);
	assert_int_equal(setup_guard_parse("tcp/22=ssh", &p.guards[p.guard_count++], &f), 0);
	assert_int_equal(setup_guard_parse("udp/51820=wg", &p.guards[p.guard_count++], &f), 0);
	snprintf(p.folder, sizeof(p.folder), "%s", folder);
	snprintf(p.apart, sizeof(p.apart), "%s", folder);
	const struct name_part *o = &p.organisation.parts[p.organisation.count - 1];
	setup_file_name(o->value, o->len, ".pem", p.trust, sizeof(p.trust));
	snprintf(p.interface, sizeof(p.interface), "eth0");
	return p;
}

static struct config *load(const struct setup_plan *p, struct config_report *r)
{
	char path[] = "/tmp/setup-config-XXXXXX";
	char *text = setup_config_format(p);
	assert_non_null(text);
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	struct config *c = config_load(path, r);
	for (size_t i = 0; i < r->kept; i++)
		print_message("%s\n", r->lines[i]);
	unlink(path);
	free(text);
	return c;
}

static void loads_stealth(void **state)
{
	struct config_report r = { 0 };
	struct setup_plan p = plan_of("VSD", "Admin", "/srv/my keys");
	(void)state;
	p.is_stealth = true;
	struct config *c = load(&p, &r);
	assert_non_null(c);
	assert_string_equal(c->server.stealth, "/srv/my keys/server.stealth");
	config_free(c);
	config_report_deinit(&r);
}

static void loads(void **state)
{
	static const struct {
		const char *organisation, *admin, *folder, *allow, *who;
	} cases[] = {
		{ "VSD", "Admin", "/etc/postern", "*/VSD", "Admin/VSD" },
		{ "VSD/CA", "Zo\xc3\xab", "/srv/my keys", "*/VSD/CA", "Zo\xc3\xab/VSD/CA" },
		{ "it's \"b\" \\ ${HOME}", "Q\"\\$", "/srv/${HOME}/\"x\"",
			"*/it's \"b\" \\ ${HOME}", "Q\"\\$/it's \"b\" \\ ${HOME}" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct config_report r = { 0 };
		struct setup_plan p =
			plan_of(cases[i].organisation, cases[i].admin, cases[i].folder);
		char id[256];
		struct config *c = load(&p, &r);
		TEST_CASE(cases[i].organisation, c != NULL && r.count == 0);
		snprintf(id, sizeof(id), "%s/server.id", cases[i].folder);
		assert_string_equal(c->server.id, id);
		assert_null(c->server.stealth);
		assert_string_equal(c->server.user, "nobody");
		assert_string_equal(c->server.allow.items[0].text, cases[i].allow);
		assert_int_equal(c->door_count, 1);
		assert_string_equal(c->doors[0].interface, "eth0");
		assert_int_equal(c->service_count, 2);
		const struct config_service *s = config_service_by_port(c, IPPROTO_TCP, 22);
		assert_non_null(s);
		assert_string_equal(s->name, "ssh");
		assert_string_equal(s->allow.items[0].text, cases[i].who);
		assert_int_equal(s->open, CONFIG_OPEN_ONCE);
		assert_int_equal(s->wait_s, 30);
		assert_int_equal(s->lease_s, 8 * 3600);
		assert_non_null(config_service_by_name(c, "wg"));
		config_free(c);
		config_report_deinit(&r);
	}
}

/* Every list is there, also with names that need quoting. */
static void loads_edge(void **state)
{
	static const char *const inners[] = { "Sales/VSD", "R \"D\" $/it's" };
	struct config_report r = { 0 };
	struct setup_plan p = plan_of("VSD-EDGE", "Admin", "/etc/postern");
	struct fault f;
	(void)state;
	p.is_edge = true;
	for (size_t i = 0; i < TEST_LEN(inners); i++) {
		struct setup_inner *in = &p.inners[p.inner_count++];
		assert_int_equal(name_parse(inners[i], true, &in->name), NAME_OK);
		snprintf(in->file, sizeof(in->file), "%zu-cross.pem", i);
	}
	assert_int_equal(setup_passthru_parse("tcp/1352=notes=mail.inner:1352",
				 &p.passthrus[p.passthru_count++], &f),
		0);
	struct config *c = load(&p, &r);
	assert_non_null(c);
	assert_int_equal(c->server.key_check, CONFIG_KEY_CHECK_LISTED);
	assert_int_equal(c->server.trust.len, 3);
	assert_string_equal(c->server.trust.items[2].text, "/etc/postern/trust/1-cross.pem");
	assert_string_equal(c->server.relay_id, "/etc/postern/relay.id");
	assert_string_equal(c->server.relay_key, "/etc/postern/server.key");
	assert_int_equal(c->server.allow.len, 3);
	assert_true(c->server.deny.is_set && c->doors[0].deny.is_set);
	assert_int_equal(c->doors[0].allow.len, 3);
	for (size_t i = 0; i < c->service_count; i++)
		assert_true(c->services[i].deny.is_set);
	assert_int_equal(c->passthru_count, 1);
	assert_string_equal(c->passthrus[0].host, "mail.inner");
	const struct config_list *allow = &c->passthrus[0].service->allow;
	assert_int_equal(allow->len, 2);
	assert_string_equal(allow->items[0].text, "*/Sales/VSD");
	assert_string_equal(allow->items[1].text, "*/R \"D\" $/it's");
	config_free(c);
	config_report_deinit(&r);
}

static void passthrus(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: good */
	} cases[] = {
		{ "tcp/1=a=b:1", NULL },
		{ "tcp/1=a=[::1]:1", NULL },
		{ "tcp/1=a", "tcp/1=a: not a passthru; write tcp/1352=notes=mail.inner:1352" },
		{ "", ": not a passthru; write tcp/1352=notes=mail.inner:1352" },
		{ "==", "=: not a port to guard; write tcp/22=ssh" },
		{ "tcp/1==b:1", "tcp/1=: not a port to guard; write tcp/22=ssh" },
		{ "tcp/1=a=",
			": is not a host and a port; write mail.example:25, 10.0.0.8:25 or "
			"[2001:db8::8]:25" },
		{ "tcp/1=a=b:1=c",
			"b:1=c: is not a host and a port; write mail.example:25, "
			"10.0.0.8:25 or [2001:db8::8]:25" },
		{ "udp/1=a=b:1", "udp/1=a=b:1: only TCP is let through; write tcp/1" },
		{ "tcp/1=a=10.0.0:1", "10.0.0:1: names no host; write a host name or an address" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct setup_passthru t;
		struct fault f = { { 0 } };
		int rc = setup_passthru_parse(cases[i].text, &t, &f);
		TEST_CASE(cases[i].text, rc == (cases[i].expected == NULL ? 0 : -EINVAL));
		if (cases[i].expected != NULL)
			assert_string_equal(f.text, cases[i].expected);
	}
}

static void folders(void **state)
{
	static const struct {
		const char *a, *b;
		bool is_within;
	} cases[] = {
		{ "/srv/pg", "/srv/pg", true },
		{ "/srv/pg/a/b", "/srv/pg", true },
		{ "/srv/pg-certifier", "/srv/pg", false },
		{ "/srv", "/srv/pg", false },
		{ "/x", "/", true },
		/* /proc/self leads elsewhere than it says. */
		{ "/proc/self/root/srv/pg/x", "/srv/pg", true },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++)
		TEST_CASE(
			cases[i].a, setup_is_within(cases[i].a, cases[i].b) == cases[i].is_within);
}

static void guards(void **state)
{
	static const struct {
		const char *text, *expected; /* NULL: good */
	} cases[] = {
		{ "tcp/22=ssh", NULL },
		{ "udp/65535=a-1", NULL },
		{ "tcp/22", "tcp/22: not a port to guard; write tcp/22=ssh" },
		{ "tcp/22=", "tcp/22=: not a port to guard; write tcp/22=ssh" },
		{ "22=ssh", "22=ssh: not a port to guard; write tcp/22=ssh" },
		{ "sctp/22=ssh", "sctp/22=ssh: not a port to guard; write tcp/22=ssh" },
		{ "tcp/123456789=ssh", "tcp/123456789=ssh: not a port to guard; write tcp/22=ssh" },
		{ "tcp/=ssh", "tcp/=ssh: the port is not a number from 1 to 65535" },
		{ "tcp/0=ssh", "tcp/0=ssh: the port is not a number from 1 to 65535" },
		{ "tcp/65536=ssh", "tcp/65536=ssh: the port is not a number from 1 to 65535" },
		{ "tcp/2x=ssh", "tcp/2x=ssh: the port is not a number from 1 to 65535" },
		{ "tcp/22=SSH",
			"tcp/22=SSH: the name of a service has a-z, 0-9 and -, at most 63" },
		{ "udp/62201=x",
			"udp/62201=x: this is the port knocks come in on; it guards "
			"itself" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		struct setup_guard g;
		struct fault f = { { 0 } };
		int rc = setup_guard_parse(cases[i].text, &g, &f);
		TEST_CASE(cases[i].text, rc == (cases[i].expected == NULL ? 0 : -EINVAL));
		if (cases[i].expected != NULL)
			assert_string_equal(f.text, cases[i].expected);
	}
}

static void file_names(void **state)
{
	static const struct {
		const char *value, *expected;
	} cases[] = {
		{ "VSD", "VSD.pem" },
		{ "A & B", "A---B.pem" },
		{ "...", "_...pem" },
		{ "-x-", "_x-.pem" },
		{ "Zo\xc3\xab", "Zo\xc3\xab.pem" },
	};
	(void)state;
	for (size_t i = 0; i < TEST_LEN(cases); i++) {
		char to[80];
		setup_file_name(cases[i].value, strlen(cases[i].value), ".pem", to, sizeof(to));
		assert_string_equal(to, cases[i].expected);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads),
		cmocka_unit_test(loads_stealth),
		cmocka_unit_test(loads_edge),
		cmocka_unit_test(passthrus),
		cmocka_unit_test(folders),
		cmocka_unit_test(guards),
		cmocka_unit_test(file_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
