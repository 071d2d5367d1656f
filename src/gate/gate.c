/*
 * Taking the gate over, and giving it up. Invariant: from the first look at the table to gate_settle(), a
 * port that is to be guarded is never less guarded than before.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gate/internal.h"

static int socket_fault(int rc, struct fault *f)
{
	if (rc == -EPROTONOSUPPORT || rc == -EAFNOSUPPORT)
		fault_set(f,
			"this kernel has no netfilter netlink; load the module nfnetlink or use a kernel with nf_tables");
	else if (rc == -EPERM || rc == -EACCES)
		fault_set(f, "nftables may not be spoken to; start posternd as root");
	else
		fault_set(f, "the netlink socket to nftables failed: %s", strerror(-rc));
	return rc;
}

static int refusal_fault(int refusal, struct fault *f)
{
	if (refusal == -EPERM)
		fault_set(
			f, "table inet " GATE_TABLE " belongs to another running process; stop it");
	else
		fault_set(f, "table inet " GATE_TABLE " was refused by the kernel: %s",
			strerror(-refusal));
	return refusal;
}

/* The first question asked: here it shows whether there is an nftables, and whether we may. */
static int find(struct gate *g, const char *name, struct gate_table *ret, struct fault *f)
{
	int refusal;
	int rc = gate_table_find(&g->nl, name, ret, &refusal);
	if (rc < 0)
		return socket_fault(rc, f);
	switch (-refusal) {
	case 0:
		return 0;
	case EPERM:
		fault_set(f,
			"changing nftables needs CAP_NET_ADMIN in this network namespace; start posternd as root");
		break;
	case EINVAL:
	case EOPNOTSUPP:
	case EAFNOSUPPORT:
		fault_set(f,
			"this kernel has no nf_tables with the inet family; load the module nf_tables or use a kernel with CONFIG_NF_TABLES_INET");
		break;
	default:
		fault_set(f, "nftables cannot be asked for its tables: %s", strerror(-refusal));
		break;
	}
	return refusal;
}

/* Run text that may be NULL for want of memory, and free it. */
static int run(char *text, bool is_trial, const char *what, struct fault *f)
{
	struct fault why;
	if (text == NULL) {
		fault_set(f, "no memory for the rule set");
		return -ENOMEM;
	}
	int rc = gate_child_run(text, is_trial, &why);
	if (rc < 0)
		fault_set(f,
			"%s cannot be loaded: %.300s; nf_tables of Linux 5.7 or later is needed, with ct, fib, limit, log and reject",
			what, why.text);
	free(text);
	return rc;
}

/* The same text in a table of another name, checked by the kernel and then forgotten. */
static int rehearse(const struct config *c, struct fault *f)
{
	static const char make[] = "add table inet " GATE_TABLE_TRIAL "\n";
	char *all = NULL;
	char *text = gate_ruleset_text(GATE_TABLE_TRIAL, c);
	if (text != NULL)
		all = malloc(sizeof(make) + strlen(text));
	if (all != NULL) {
		strcpy(all, make);
		strcat(all, text);
	}
	free(text);
	return run(all, true, "the rule set", f);
}

/*
 * Make the table, or make it anew. Owner and content cannot come in one transaction, since libnftables
 * has a socket of its own; so for the moment between them a cover drops all that is to be guarded.
 * It stays until gate_settle(), so that nobody is cut while the caller puts the leases back.
 */
static int make(struct gate *g, const struct config *c, const struct gate_table *old,
	const char *version, uint32_t flags, struct fault *f)
{
	int refusal;

	/* What would fail fails here, while the old table still stands. */
	int rc = rehearse(c, f);
	if (rc < 0)
		return rc;
	rc = run(gate_ruleset_cover(c), false, "the table " GATE_TABLE_COVER, f);
	if (rc < 0)
		return rc;
	rc = gate_table_replace(&g->nl, old->is_there, version, flags, &refusal);
	if (rc < 0)
		return socket_fault(rc, f);
	if (refusal < 0)
		return refusal_fault(refusal, f);
	rc = run(gate_ruleset_text(GATE_TABLE, c), false, "the rule set", f);
	if (rc < 0)
		return rc;
	rc = gate_table_adopt(&g->nl, c, flags, &refusal);
	if (rc < 0)
		return socket_fault(rc, f);
	return refusal < 0 ? refusal_fault(refusal, f) : 0;
}

static int take(struct gate *g, const struct config *c, const struct gate_wish *wish,
	bool *ret_is_new, struct fault *f)
{
	struct gate_table table, cover;
	bool can_persist;
	int refusal;

	int rc = find(g, GATE_TABLE, &table, f);
	if (rc == 0)
		rc = find(g, GATE_TABLE_COVER, &cover, f);
	if (rc < 0)
		return rc;
	if ((table.flags & GATE_TABLE_OWNER) != 0)
		return refusal_fault(-EPERM, f);
	rc = gate_table_can_persist(&g->nl, &can_persist);
	if (rc < 0)
		return socket_fault(rc, f);
	can_persist = can_persist && !wish->is_unowned;
	if (!gate_ruleset_version(c, g->version))
		return run(NULL, false, "", f);

	uint32_t flags = can_persist ? GATE_TABLE_OWNER | GATE_TABLE_PERSIST : 0;
	/* A table of our text without PERSIST comes from a saved listing, where we could have had it. */
	if (!wish->is_anew && table.is_there && strcmp(table.version, g->version) == 0 &&
		(table.flags & GATE_TABLE_DORMANT) == 0 &&
		(table.flags & GATE_TABLE_PERSIST) == (flags & GATE_TABLE_PERSIST)) {
		rc = gate_table_adopt(&g->nl, c, flags, &refusal);
		if (rc < 0)
			return socket_fault(rc, f);
		/* A cover means that its maker died before it had put the leases back. */
		if (refusal == 0)
			*ret_is_new = cover.is_there;
		/* ENOENT: its maker died before the table was filled. */
		if (refusal != -ENOENT) {
			g->is_owned = can_persist;
			return refusal < 0 ? refusal_fault(refusal, f) : 0;
		}
	}
	rc = make(g, c, &table, g->version, flags, f);
	if (rc < 0)
		return rc;
	g->is_owned = can_persist;
	g->is_made = true;
	*ret_is_new = true;
	return 0;
}

static int choose_how(struct gate *g, struct fault *f)
{
	bool can_destroy;
	int rc = gate_elements_can_destroy(&g->nl, &can_destroy);
	if (rc < 0)
		return socket_fault(rc, f);
	g->how = can_destroy ? GATE_DESTROY : GATE_ADD_FIRST;
	return 0;
}

/* Only now, so that it hears of others and not of what was done here. */
static int watch(struct gate *g, struct fault *f)
{
	g->watch = gate_watch_open();
	return g->watch < 0 ? socket_fault(g->watch, f) : 0;
}

int gate_take(const struct config *c, const struct gate_wish *wish, struct gate **ret,
	bool *ret_is_new, struct fault *f)
{
	bool is_new = false;
	struct gate *g = calloc(1, sizeof(*g));
	if (g == NULL) {
		fault_set(f, "no memory for the gate");
		return -ENOMEM;
	}
	g->watch = -1;
	int rc = gate_nl_open(&g->nl);
	if (rc < 0)
		socket_fault(rc, f);
	else
		rc = take(g, c, wish, &is_new, f);
	if (rc == 0)
		rc = choose_how(g, f);
	if (rc == 0)
		rc = watch(g, f);
	if (rc < 0) {
		gate_free(g);
		return rc;
	}
	*ret = g;
	*ret_is_new = is_new;
	return 0;
}

int gate_new(const struct config *c, struct gate **ret, bool *ret_is_new, struct fault *f)
{
	const struct gate_wish wish = { 0 };
	return gate_take(c, &wish, ret, ret_is_new, f);
}

int gate_new_anew(const struct config *c, struct gate **ret, struct fault *f)
{
	const struct gate_wish wish = { .is_anew = true };
	bool is_new;
	return gate_take(c, &wish, ret, &is_new, f);
}

void gate_free(struct gate *g)
{
	if (g == NULL)
		return;
	if (g->watch >= 0)
		close(g->watch);
	gate_nl_close(&g->nl);
	free(g);
}

bool gate_is_owned(const struct gate *g)
{
	return g->is_owned;
}

int gate_settle(struct gate *g)
{
	int refusal;
	int rc = gate_table_remove(&g->nl, GATE_TABLE_COVER, &refusal);
	return rc < 0 ? rc : refusal;
}

int gate_remove(struct fault *f)
{
	struct gate g = { 0 };
	struct gate_table t;
	int refusal = 0;

	int rc = gate_nl_open(&g.nl);
	if (rc < 0)
		return socket_fault(rc, f);
	rc = find(&g, GATE_TABLE, &t, f);
	if (rc < 0)
		goto out;
	rc = gate_table_remove(&g.nl, GATE_TABLE, &refusal);
	if (rc == 0 && refusal == 0)
		rc = gate_table_remove(&g.nl, GATE_TABLE_COVER, &refusal);
	if (rc < 0)
		socket_fault(rc, f);
	else if (refusal < 0)
		rc = refusal_fault(refusal, f);
out:
	gate_nl_close(&g.nl);
	return rc;
}
