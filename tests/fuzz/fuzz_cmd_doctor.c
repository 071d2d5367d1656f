/*
 * What the doctor reads: the first byte chooses. A listing of rules is walked to an end, and who drops has a
 * name; only such a rule set may drop that has a chain with a drop in it. A line of a socket table or a
 * session is refused or gives a port.
 */

#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cmd/doctor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_rules(const char *text, size_t len)
{
	char where[64] = "", marks[64] = "";
	json_error_t err;
	json_t *o = json_loadb(text, len, 0, &err);
	enum doctor_flow flow =
		doctor_rules_judge(o, IPPROTO_TCP, 22, "eth0", where, sizeof(where));
	if (strnlen(where, sizeof(where)) == sizeof(where))
		abort();
	if ((flow != DOCTOR_PASSES) != (where[0] != '\0'))
		abort();
	if (flow != DOCTOR_PASSES && (o == NULL || memmem(text, len, "chain", 5) == NULL))
		abort();
	if (doctor_rules_marks(o, 0x50000000, marks, sizeof(marks)) != (marks[0] != '\0'))
		abort();
	json_decref(o);
}

static void check_line(const char *line)
{
	struct doctor_session s;
	struct doctor_listener l;
	for (unsigned i = 0; i < 4; i++)
		if (doctor_listener_parse(
			    line, i / 2 == 0 ? IPPROTO_TCP : IPPROTO_UDP, i % 2 == 1, &l) &&
			l.port == 0)
			abort();
	if (doctor_session_parse(line, &s) && s.port == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	if (len == 0)
		return 0;
	char *text = malloc(len);
	if (text == NULL)
		return 0;
	memcpy(text, data + 1, len - 1);
	text[len - 1] = '\0';
	if (data[0] == 'r')
		check_rules(text, len - 1);
	else
		check_line(text);
	free(text);
	return 0;
}
