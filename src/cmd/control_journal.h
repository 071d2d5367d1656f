#ifndef POSTERN_CMD_CONTROL_JOURNAL_H
#define POSTERN_CMD_CONTROL_JOURNAL_H

/* The journal as posternctl shows it: some of it, as it grows, checked, or whole in a file. */

#include <stdbool.h>

#include "store/store.h"

struct journal_wish {
	const char *socket, *store;
	struct store_query query;
	const char *address; /* query.source as text; "": any */
	bool is_json;
	const char *from; /* file that an export of before wrote; NULL: none */
};

/* From the daemon, or from the store when none answers. Each returns an exit status. */
int control_journal_show(const struct journal_wish *w);

/* The last decisions about what, a name or an address (in the query as well), each with what to do. */
int control_journal_last(const struct journal_wish *w, const char *what);

/* What there is, then every new record as it comes, until a signal or the reader of stdout goes. From the
 * store, so that it goes on while the daemon is started anew. */
int control_journal_follow(const struct journal_wish *w);

/* Walk the chain of the whole store. */
int control_journal_verify(const struct journal_wish *w);

/* Every record as a line of JSON into a new file ("-": stdout), with the chain's ends around them. */
int control_journal_export(const struct journal_wish *w, const char *path);

#endif
