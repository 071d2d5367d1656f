/*
 * Protocols whose first bytes are a message with lengths. A field is judged when all of it is there, a first
 * byte at once.
 */

#include "relay/speaks_internal.h"

/* RFC 8446 4, 5.1, 6 */
#define TLS_ALERT 21
#define TLS_HANDSHAKE 22
#define TLS_RECORD_MAX 16384
#define TLS_CLIENT_HELLO 1
#define TLS_SERVER_HELLO 2
#define TLS_HELLO_MIN 38 /* version, random, and an empty field of each kind */

/* Lengths of PostgreSQL's first messages, with themselves. */
#define POSTGRES_ASK_LEN 8
#define POSTGRES_CANCEL_MIN 16
#define POSTGRES_CANCEL_MAX 268
#define POSTGRES_STARTUP_MIN 9
#define POSTGRES_STARTUP_MAX 10000
#define POSTGRES_CANCEL 80877102
#define POSTGRES_SSL 80877103
#define POSTGRES_GSSENC 80877104
#define POSTGRES_MAJOR 3

static const char not_tls[] = "it does not begin with a record of TLS";
static const char not_client_hello[] = "it does not begin with a ClientHello";
static const char not_server_hello[] = "it does not begin with a ServerHello or an alert";
static const char not_postgres[] = "it does not begin as PostgreSQL does";

struct record {
	uint8_t type;
	uint16_t len;
};

/* The header of a plaintext record. */
static enum speaks_verdict read_record(struct reader *r, struct record *ret)
{
	ret->type = reader_u8(r);
	uint8_t major = reader_u8(r), minor = reader_u8(r);
	bool is_short = r->is_short;
	ret->len = reader_u16(r);
	if (ret->type != TLS_HANDSHAKE && ret->type != TLS_ALERT)
		return SPEAKS_MISFIT;
	if (is_short)
		return major == 0 || major == 3 ? SPEAKS_MORE : SPEAKS_MISFIT;
	if (major != 3 || minor > 4)
		return SPEAKS_MISFIT;
	if (r->is_short)
		return SPEAKS_MORE;
	return ret->len >= 1 && ret->len <= TLS_RECORD_MAX ? SPEAKS_FITS : SPEAKS_MISFIT;
}

/*
 * The beginning of a handshake message. A record may end within it, and then it is not followed: the type is
 * enough, as nobody but an experimenter sends it so.
 */
static enum speaks_verdict read_hello(struct reader *r, const struct record *record, uint8_t type)
{
	uint8_t got = reader_u8(r);
	if (r->is_short)
		return SPEAKS_MORE;
	if (got != type)
		return SPEAKS_MISFIT;
	if (record->len < 6)
		return SPEAKS_FITS;
	uint8_t high = reader_u8(r);
	uint16_t low = reader_u16(r);
	if (r->is_short)
		return SPEAKS_MORE;
	/* Longer than 128 KiB is no hello that anybody reads. */
	if (high > 1 || (high == 0 && low < TLS_HELLO_MIN))
		return SPEAKS_MISFIT;
	uint8_t major = reader_u8(r), minor = reader_u8(r);
	if (r->is_short)
		return SPEAKS_MORE;
	return major == 3 && minor <= 4 ? SPEAKS_FITS : SPEAKS_MISFIT;
}

enum speaks_verdict speaks_tls_client(struct span s, const char **flaw)
{
	struct reader r = reader_init(s);
	struct record record;
	enum speaks_verdict v = read_record(&r, &record);
	if (v == SPEAKS_MISFIT || record.type != TLS_HANDSHAKE)
		return speaks_misfit(flaw, not_tls);
	if (v == SPEAKS_FITS)
		v = read_hello(&r, &record, TLS_CLIENT_HELLO);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_client_hello) : v;
}

/* Level and description, not encrypted yet. */
static enum speaks_verdict read_alert(struct reader *r, const struct record *record)
{
	uint8_t level = reader_u8(r);
	if (record->len != 2)
		return SPEAKS_MISFIT;
	if (r->is_short)
		return SPEAKS_MORE;
	return level == 1 || level == 2 ? SPEAKS_FITS : SPEAKS_MISFIT;
}

enum speaks_verdict speaks_tls_server(struct span s, const char **flaw)
{
	struct reader r = reader_init(s);
	struct record record;
	enum speaks_verdict v = read_record(&r, &record);
	if (v == SPEAKS_MISFIT)
		return speaks_misfit(flaw, not_tls);
	if (v == SPEAKS_FITS)
		v = record.type == TLS_ALERT ? read_alert(&r, &record)
					     : read_hello(&r, &record, TLS_SERVER_HELLO);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_server_hello) : v;
}

/* ------------------------------------------------------------------ PostgreSQL, protocol 3 */

static bool is_first_message(uint32_t len, uint32_t code)
{
	switch (code) {
	case POSTGRES_SSL:
	case POSTGRES_GSSENC:
		return len == POSTGRES_ASK_LEN;
	case POSTGRES_CANCEL:
		return len >= POSTGRES_CANCEL_MIN && len <= POSTGRES_CANCEL_MAX;
	default:
		return code >> 16 == POSTGRES_MAJOR && len >= POSTGRES_STARTUP_MIN &&
			len <= POSTGRES_STARTUP_MAX;
	}
}

enum speaks_verdict speaks_postgres_client(struct span s, const char **flaw)
{
	struct reader r = reader_init(s);
	/* No such message is longer than 64 KiB. */
	uint16_t high = reader_u16(&r), low = reader_u16(&r);
	uint32_t code = reader_u32(&r);
	if (high != 0 || (s.len > 0 && s.data[0] != 0))
		return speaks_misfit(flaw, not_postgres);
	if (r.is_short)
		return SPEAKS_MORE;
	return is_first_message(low, code) ? SPEAKS_FITS : speaks_misfit(flaw, not_postgres);
}

enum speaks_verdict speaks_postgres_server(struct span s, const char **flaw)
{
	if (s.len == 0)
		return SPEAKS_MORE;
	/* An answer to a question about encryption, an error, or the first of the protocol itself. */
	switch (s.data[0]) {
	case 'S':
	case 'N':
	case 'G':
	case 'E':
	case 'R':
	case 'v':
		return SPEAKS_FITS;
	default:
		return speaks_misfit(flaw, not_postgres);
	}
}
