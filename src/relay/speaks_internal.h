#ifndef POSTERN_RELAY_SPEAKS_INTERNAL_H
#define POSTERN_RELAY_SPEAKS_INTERNAL_H

/*
 * One function a protocol and side: what the first bytes are, by themselves. Each is steady: once it says
 * SPEAKS_FITS or SPEAKS_MISFIT of some bytes, it says the same of all longer ones that begin with them, so it
 * does not matter in what pieces they came. flaw is written with SPEAKS_MISFIT.
 */

#include "relay/speaks.h"

enum speaks_verdict speaks_misfit(const char **flaw, const char *why);

enum speaks_verdict speaks_ssh_client(struct span s, const char **flaw);
enum speaks_verdict speaks_ssh_server(struct span s, const char **flaw);
enum speaks_verdict speaks_smtp_client(struct span s, const char **flaw);
enum speaks_verdict speaks_smtp_server(struct span s, const char **flaw);
enum speaks_verdict speaks_imap_client(struct span s, const char **flaw);
enum speaks_verdict speaks_imap_server(struct span s, const char **flaw);
enum speaks_verdict speaks_http_client(struct span s, const char **flaw);
enum speaks_verdict speaks_http_server(struct span s, const char **flaw);
enum speaks_verdict speaks_tls_client(struct span s, const char **flaw);
enum speaks_verdict speaks_tls_server(struct span s, const char **flaw);
enum speaks_verdict speaks_postgres_client(struct span s, const char **flaw);
enum speaks_verdict speaks_postgres_server(struct span s, const char **flaw);

#endif
