/*
 * The table itself: found, made, owned, removed. Where the kernel can (6.9), it is made with PERSIST and
 * taken over with OWNER as well: then `nft flush ruleset` passes it by, nobody but this socket changes
 * it, and it stays when this socket closes, without an owner, for the next to take over.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>

#include "base/span.h"
#include "gate/internal.h"

/* A table's user data is type, length, value; type 0 is the comment that nft shows. */
#define UDATA_COMMENT 0
#define UDATA_MAX 256

static void read_version(const struct nlattr *attr, char to[GATE_VERSION_MAX])
{
	struct reader r =
		reader_init(span_of(mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr)));
	while (r.left > 0) {
		uint8_t type = reader_u8(&r);
		struct span value = reader_take(&r, reader_u8(&r));
		if (type != UDATA_COMMENT || r.is_short || value.len == 0)
			continue;
		if (value.len <= GATE_VERSION_MAX && value.data[value.len - 1] == '\0')
			memcpy(to, value.data, value.len);
	}
}

static int read_attr(const struct nlattr *attr, void *arg)
{
	struct gate_table *t = arg;
	uint16_t type = mnl_attr_get_type(attr);
	if (type == NFTA_TABLE_FLAGS && mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
		t->flags = ntohl(mnl_attr_get_u32(attr));
	else if (type == NFTA_TABLE_USERDATA)
		read_version(attr, t->version);
	return MNL_CB_OK;
}

static void read_table(void *arg, const struct nlmsghdr *h)
{
	struct gate_table *t = arg;
	t->is_there = true;
	mnl_attr_parse(h, sizeof(struct nfgenmsg), read_attr, t);
}

int gate_table_find(struct gate_nl *nl, const char *name, struct gate_table *ret, int *ret_refusal)
{
	struct gate_table t = { 0 };
	gate_nl_begin(nl);
	struct nlmsghdr *h = gate_nl_message(nl, NFT_MSG_GETTABLE, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
	int rc = gate_nl_ask(nl, read_table, &t, ret_refusal);
	if (rc < 0)
		return rc;
	if (*ret_refusal == -ENOENT)
		*ret_refusal = 0;
	if (*ret_refusal == 0)
		*ret = t;
	return 0;
}

static void put_table(struct gate_nl *nl, const char *name, uint32_t flags, const char *version)
{
	struct nlmsghdr *h = gate_nl_message(nl, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
	mnl_attr_put_u32(h, NFTA_TABLE_FLAGS, htonl(flags));
	if (version == NULL)
		return;
	uint8_t udata[UDATA_MAX];
	struct writer w = writer_init(udata, sizeof(udata));
	writer_u8(&w, UDATA_COMMENT);
	writer_u8(&w, (uint8_t)(strlen(version) + 1));
	writer_put(&w, version, strlen(version) + 1);
	mnl_attr_put(h, NFTA_TABLE_USERDATA, w.len, udata);
}

static void put_delete(struct gate_nl *nl, const char *name)
{
	struct nlmsghdr *h = gate_nl_message(nl, NFT_MSG_DELTABLE, 0);
	mnl_attr_put_strz(h, NFTA_TABLE_NAME, name);
}

int gate_table_can_persist(struct gate_nl *nl, bool *ret)
{
	int refusal;
	gate_nl_begin(nl);
	put_table(nl, GATE_TABLE_TRIAL, GATE_TABLE_PERSIST, NULL);
	put_delete(nl, GATE_TABLE_TRIAL);
	int rc = gate_nl_commit(nl, &refusal);
	if (rc == 0)
		*ret = refusal == 0;
	return rc;
}

int gate_table_replace(
	struct gate_nl *nl, bool is_there, const char *version, uint32_t flags, int *ret_refusal)
{
	gate_nl_begin(nl);
	if (is_there)
		put_delete(nl, GATE_TABLE);
	/* Not OWNER yet: libnftables fills it through a socket of its own. */
	put_table(nl, GATE_TABLE, flags & ~(uint32_t)GATE_TABLE_OWNER, version);
	return gate_nl_commit(nl, ret_refusal);
}

int gate_table_adopt(struct gate_nl *nl, const struct config *c, uint32_t flags, int *ret_refusal)
{
	gate_nl_begin(nl);
	put_table(nl, GATE_TABLE, flags, NULL);
	gate_elements_guard(nl, c);
	gate_lockdown_elements(nl, c);
	if (gate_forward_is_on(c))
		gate_forward_elements(nl, c);
	return gate_nl_commit(nl, ret_refusal);
}

int gate_table_remove(struct gate_nl *nl, const char *name, int *ret_refusal)
{
	gate_nl_begin(nl);
	put_delete(nl, name);
	int rc = gate_nl_commit(nl, ret_refusal);
	if (rc == 0 && *ret_refusal == -ENOENT)
		*ret_refusal = 0;
	return rc;
}
