/*
 * The fields of a fwknop packet's plaintext. Property: what is taken keeps its bounds, and its texts hold
 * nothing that a terminal, a log line or a list could be misled by.
 */

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "knock/fwknop.h"

static void must(bool is_so)
{
	if (!is_so)
		abort();
}

static void check_text(const char *s, size_t cap, const char *without)
{
	size_t len = strnlen(s, cap);
	must(len < cap && strcspn(s, without) == len);
	for (size_t i = 0; i < len; i++)
		must(s[i] >= 0x20 && s[i] < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fwknop_message m = { 0 };

	if (fwknop_fields_decode(span_of(data, size), &m) != FWKNOP_OK)
		return 0;
	must(m.type >= FWKNOP_TYPE_ACCESS && m.type <= FWKNOP_TYPE_LOCAL_NAT_TIMEOUT);
	bool has_nat = m.type != FWKNOP_TYPE_ACCESS && m.type != FWKNOP_TYPE_ACCESS_TIMEOUT;
	must(has_nat == (m.nat_port != 0) && has_nat == (m.nat_host[0] != '\0'));
	must(m.user[0] != '\0');
	must(addr_is_zero(&m.address) || addr_is_v4(&m.address));
	must(m.access_count >= 1 && m.access_count <= FWKNOP_ACCESS_MAX);
	for (size_t i = 0; i < m.access_count; i++)
		must(m.accesses[i].port != 0 &&
			(m.accesses[i].proto == IPPROTO_TCP || m.accesses[i].proto == IPPROTO_UDP ||
				m.accesses[i].proto == IPPROTO_ICMP || m.accesses[i].proto == 0));
	must(m.timeout_s <= FWKNOP_TIMEOUT_MAX);
	check_text(m.user, sizeof(m.user), "\"/\\[]:;|=,+*?<>");
	check_text(m.nat_host, sizeof(m.nat_host), " /?\"'\\,");
	return 0;
}
