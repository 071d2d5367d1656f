/*
 * Protocols whose first bytes are a line. A verdict comes with the byte that settles it, so an impostor is not
 * waited for.
 */

#include <string.h>

#include "relay/speaks_internal.h"

#define METHOD_MAX 32
#define TAG_MAX 64

static const char not_ssh[] = "it does not begin as SSH does";
static const char not_smtp_client[] = "it does not begin with a command of SMTP";
static const char not_smtp_server[] = "it does not begin with a greeting of SMTP";
static const char not_imap_client[] = "it does not begin with a command of IMAP";
static const char not_imap_server[] = "it does not begin with a greeting of IMAP";
static const char not_http_client[] = "it does not begin with a request of HTTP";
static const char not_http_server[] = "it does not begin with an answer of HTTP";

static struct span after(struct span s, size_t n)
{
	return span_of(s.data + n, s.len - n);
}

/* Letters only, ASCII. */
static uint8_t upper(uint8_t c)
{
	return c >= 'a' && c <= 'z' ? (uint8_t)(c - 'a' + 'A') : c;
}

/* Does s begin with these bytes? */
static enum speaks_verdict begins(struct span s, const char *with, size_t len)
{
	size_t n = s.len < len ? s.len : len;
	if (n > 0 && memcmp(s.data, with, n) != 0)
		return SPEAKS_MISFIT;
	return s.len < len ? SPEAKS_MORE : SPEAKS_FITS;
}

/* How much of s is made of bytes that fit. */
static size_t run(struct span s, bool (*fits)(uint8_t c))
{
	size_t n = 0;
	while (n < s.len && fits(s.data[n]))
		n++;
	return n;
}

static bool is_letter(uint8_t c)
{
	return upper(c) >= 'A' && upper(c) <= 'Z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_line_end(uint8_t c)
{
	return c == '\r' || c == '\n';
}

/* Does s begin with one of these words (upper case, NULL at the end), in whatever case, and then its end? */
static enum speaks_verdict begins_with_word(struct span s, const char *const *words)
{
	size_t len = run(s, is_letter);
	bool is_whole = len < s.len;
	if (is_whole && s.data[len] != ' ' && !is_line_end(s.data[len]))
		return SPEAKS_MISFIT;
	for (size_t w = 0; words[w] != NULL; w++) {
		size_t word_len = strlen(words[w]), same = 0;
		while (same < len && same < word_len &&
			upper(s.data[same]) == (uint8_t)words[w][same])
			same++;
		if (same == len && (is_whole ? len == word_len : len <= word_len))
			return is_whole ? SPEAKS_FITS : SPEAKS_MORE;
	}
	return SPEAKS_MISFIT;
}

/* ------------------------------------------------------------------ SSH, RFC 4253 4.2 */

/* The version, once a line begins with "SSH-". */
static enum speaks_verdict ssh_version(struct span s, const char **flaw)
{
	enum speaks_verdict two = begins(s, "SSH-2.0-", 8), both = begins(s, "SSH-1.99-", 9);
	if (two == SPEAKS_FITS || both == SPEAKS_FITS)
		return SPEAKS_FITS;
	if (two == SPEAKS_MORE || both == SPEAKS_MORE)
		return SPEAKS_MORE;
	return speaks_misfit(flaw,
		begins(s, "SSH-", 4) == SPEAKS_FITS ? "it is a version of SSH before 2" : not_ssh);
}

enum speaks_verdict speaks_ssh_client(struct span s, const char **flaw)
{
	return ssh_version(s, flaw);
}

enum speaks_verdict speaks_ssh_server(struct span s, const char **flaw)
{
	/* 4.2: lines of other text may come first; they do not begin with "SSH-". */
	while (begins(s, "SSH-", 4) == SPEAKS_MISFIT) {
		const uint8_t *lf = memchr(s.data, '\n', s.len);
		size_t len = lf == NULL ? s.len : (size_t)(lf - s.data);
		if (memchr(s.data, '\0', len) != NULL)
			return speaks_misfit(flaw, not_ssh);
		if (lf == NULL)
			return SPEAKS_MORE;
		s = after(s, len + 1);
	}
	return ssh_version(s, flaw);
}

/* ------------------------------------------------------------------ SMTP, RFC 5321 */

enum speaks_verdict speaks_smtp_client(struct span s, const char **flaw)
{
	/* 4.1.4: these may come before, or in the place of, EHLO and HELO. */
	static const char *const words[] = { "EHLO", "HELO", "QUIT", "NOOP", "RSET", "HELP", "VRFY",
		"EXPN", NULL };
	enum speaks_verdict v = begins_with_word(s, words);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_smtp_client) : v;
}

enum speaks_verdict speaks_smtp_server(struct span s, const char **flaw)
{
	/* 4.3.1: service ready, or no service here; 3.8: shutting down. */
	static const char *const codes[] = { "220", "554", "421" };
	enum speaks_verdict best = SPEAKS_MISFIT;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		enum speaks_verdict v = begins(s, codes[i], 3);
		if (v != SPEAKS_MISFIT)
			best = v;
	}
	if (best == SPEAKS_FITS && s.len == 3)
		return SPEAKS_MORE;
	if (best == SPEAKS_FITS && s.data[3] != ' ' && s.data[3] != '-' && !is_line_end(s.data[3]))
		best = SPEAKS_MISFIT;
	return best == SPEAKS_MISFIT ? speaks_misfit(flaw, not_smtp_server) : best;
}

/* ------------------------------------------------------------------ IMAP, RFC 3501 */

/* 9: tag, which is ASTRING-CHAR without '+'. */
static bool is_tag_char(uint8_t c)
{
	return c > ' ' && c < 0x7f && strchr("(){%*\"\\+", c) == NULL;
}

enum speaks_verdict speaks_imap_client(struct span s, const char **flaw)
{
	static const char *const words[] = { "CAPABILITY", "NOOP", "LOGOUT", "STARTTLS",
		"AUTHENTICATE", "LOGIN", "ID", "ENABLE", "COMPRESS", "NAMESPACE", "SELECT",
		"EXAMINE", "LIST", "LSUB", "XLIST", "STATUS", "IDLE", "CREATE", "DELETE", "RENAME",
		"SUBSCRIBE", "UNSUBSCRIBE", "APPEND", "GETQUOTA", "GETQUOTAROOT", NULL };
	size_t len = run(s, is_tag_char);
	if (len > TAG_MAX || (len < s.len && (len == 0 || s.data[len] != ' ')))
		return speaks_misfit(flaw, not_imap_client);
	if (len == s.len)
		return SPEAKS_MORE;
	enum speaks_verdict v = begins_with_word(after(s, len + 1), words);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_imap_client) : v;
}

enum speaks_verdict speaks_imap_server(struct span s, const char **flaw)
{
	static const char *const words[] = { "OK", "PREAUTH", "BYE", NULL }; /* 7.1 */
	enum speaks_verdict v = begins(s, "* ", 2);
	if (v == SPEAKS_FITS)
		v = begins_with_word(after(s, 2), words);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_imap_server) : v;
}

/* ------------------------------------------------------------------ HTTP, RFC 9112, RFC 9113 */

/* RFC 9110 5.6.2: tchar. */
static bool is_method_char(uint8_t c)
{
	return is_letter(c) || is_digit(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool is_target_char(uint8_t c)
{
	return c > ' ' && c != 0x7f;
}

/* "HTTP/1.1" */
static enum speaks_verdict http_version(struct span s)
{
	enum speaks_verdict v = begins(s, "HTTP/1.", 7);
	if (v != SPEAKS_FITS)
		return v;
	if (s.len == 7)
		return SPEAKS_MORE;
	return is_digit(s.data[7]) ? SPEAKS_FITS : SPEAKS_MISFIT;
}

/* RFC 9112 3: method SP target SP version line end. */
static enum speaks_verdict request_line(struct span s)
{
	size_t len = run(s, is_method_char);
	if (len > METHOD_MAX || (len < s.len && (len == 0 || s.data[len] != ' ')))
		return SPEAKS_MISFIT;
	if (len == s.len)
		return SPEAKS_MORE;
	s = after(s, len + 1);
	len = run(s, is_target_char);
	if (len < s.len && (len == 0 || s.data[len] != ' '))
		return SPEAKS_MISFIT;
	if (len == s.len)
		return SPEAKS_MORE;
	s = after(s, len + 1);
	enum speaks_verdict v = http_version(s);
	if (v != SPEAKS_FITS)
		return v;
	if (s.len == 8)
		return SPEAKS_MORE;
	return is_line_end(s.data[8]) ? SPEAKS_FITS : SPEAKS_MISFIT;
}

enum speaks_verdict speaks_http_client(struct span s, const char **flaw)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"; /* RFC 9113 3.4 */
	enum speaks_verdict v = begins(s, preface, sizeof(preface) - 1);
	if (v == SPEAKS_MISFIT)
		v = request_line(s);
	return v == SPEAKS_MISFIT ? speaks_misfit(flaw, not_http_client) : v;
}

/* RFC 9112 4: version SP status, three digits. */
static enum speaks_verdict status_line(struct span s)
{
	enum speaks_verdict v = http_version(s);
	if (v != SPEAKS_FITS)
		return v;
	for (size_t i = 8; i < 12; i++) {
		if (i == s.len)
			return SPEAKS_MORE;
		if (i == 8 ? s.data[i] != ' ' : !is_digit(s.data[i]))
			return SPEAKS_MISFIT;
	}
	return s.data[9] >= '1' && s.data[9] <= '5' ? SPEAKS_FITS : SPEAKS_MISFIT;
}

/* RFC 9113 3.4, 6.5: a SETTINGS frame, no acknowledgement, of stream 0, of whole settings; 4.2: its length. */
static enum speaks_verdict settings_frame(struct span s)
{
	static const uint8_t rest[] = { 4, 0, 0, 0, 0, 0 };
	struct reader r = reader_init(s);
	uint32_t high = reader_u8(&r), low = reader_u16(&r);
	if (s.len > 0 && high != 0)
		return SPEAKS_MISFIT;
	if (s.len < 3)
		return SPEAKS_MORE;
	if (low % 6 != 0 || low > 16384)
		return SPEAKS_MISFIT;
	for (size_t i = 0; i < sizeof(rest); i++) {
		if (r.left == 0)
			return SPEAKS_MORE;
		if (reader_u8(&r) != rest[i])
			return SPEAKS_MISFIT;
	}
	return SPEAKS_FITS;
}

enum speaks_verdict speaks_http_server(struct span s, const char **flaw)
{
	enum speaks_verdict one = status_line(s), two = settings_frame(s);
	if (one == SPEAKS_MISFIT && two == SPEAKS_MISFIT)
		return speaks_misfit(flaw, not_http_server);
	return one == SPEAKS_MISFIT ? two : one;
}
