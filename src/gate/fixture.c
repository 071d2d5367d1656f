/*
 * Elements of the configuration. They change at a start or a reload only, in one transaction with the
 * emptying of their set, so that there is no moment without them.
 */

#include <arpa/inet.h>
#include <endian.h>
#include <linux/netfilter/nf_tables.h>
#include <string.h>

#include "gate/internal.h"

/* NFT_MSG_DESTROYSETELEM and NFTA_SET_ELEM_KEY_END, not in the headers of older systems */
#define DESTROY_SET_ELEMENT 30
#define SET_ELEM_KEY_END 10

static struct nlmsghdr *message(struct gate_nl *nl, uint16_t type, const char *set)
{
	struct nlmsghdr *h =
		gate_nl_message(nl, type, type == NFT_MSG_NEWSETELEM ? NLM_F_CREATE : 0);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_TABLE, GATE_TABLE);
	mnl_attr_put_strz(h, NFTA_SET_ELEM_LIST_SET, set);
	return h;
}

static void put_data(struct nlmsghdr *h, uint16_t type, const uint8_t *data, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);
	mnl_attr_put(h, NFTA_DATA_VALUE, len, data);
	mnl_attr_nest_end(h, nest);
}

static void put(struct gate_nl *nl, uint16_t type, const struct gate_fixture *x)
{
	struct nlmsghdr *h = message(nl, type, x->set);
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_SET_ELEM_LIST_ELEMENTS);
	struct nlattr *nest = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	put_data(h, NFTA_SET_ELEM_KEY, x->key, x->key_len);
	if (x->is_range)
		put_data(h, SET_ELEM_KEY_END, x->key_end, x->key_len);
	if (x->timeout_ms != 0 && type == NFT_MSG_NEWSETELEM)
		mnl_attr_put_u64(h, NFTA_SET_ELEM_TIMEOUT, htobe64(x->timeout_ms));
	if (x->value_len != 0 && type == NFT_MSG_NEWSETELEM)
		put_data(h, NFTA_SET_ELEM_DATA, x->value, x->value_len);
	mnl_attr_nest_end(h, nest);
	mnl_attr_nest_end(h, list);
}

uint16_t gate_fixture_endpoint(uint8_t *key, uint16_t at, const struct config_endpoint *e)
{
	/* Each field is padded to four bytes. */
	uint16_t port = htons(e->port);
	key[at] = e->proto;
	memcpy(key + at + 4, &port, sizeof(port));
	return (uint16_t)(at + 8);
}

void gate_fixture_flush(struct gate_nl *nl, const char *set)
{
	message(nl, NFT_MSG_DELSETELEM, set);
}

void gate_fixture_add(struct gate_nl *nl, const struct gate_fixture *x)
{
	put(nl, NFT_MSG_NEWSETELEM, x);
}

/* Adding alone keeps the old time, and says that all is well. */
void gate_fixture_renew(struct gate_nl *nl, const struct gate_fixture *x, enum gate_how how)
{
	if (how == GATE_DESTROY) {
		put(nl, DESTROY_SET_ELEMENT, x);
	} else {
		put(nl, NFT_MSG_NEWSETELEM, x);
		put(nl, NFT_MSG_DELSETELEM, x);
	}
	put(nl, NFT_MSG_NEWSETELEM, x);
}
