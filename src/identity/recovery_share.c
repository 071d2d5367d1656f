/*
 * Shares of a secret: Shamir's scheme over GF(2^8), and the text in which people carry one. Invariant:
 * no table is indexed and no branch taken by a byte of a secret or a share.
 */

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "base/text.h"
#include "identity/recovery.h"

#define TEXT_CHARS 60
#define TEXT_GROUP 5
#define CHECK_LEN 4
#define BINARY_LEN (1 + RECOVERY_SECRET_LEN + CHECK_LEN)

/* ------------------------------------------------------------------ GF(2^8), modulus 0x11b */

static uint8_t mul(uint8_t a, uint8_t b)
{
	unsigned r = 0, u = a;
	for (unsigned i = 0; i < 8; i++) {
		r ^= u & (0u - (b >> i & 1u));
		u = u << 1 ^ (0x11b & (0u - (u >> 7 & 1u)));
	}
	return (uint8_t)r;
}

/* a^254; 0 of 0. */
static uint8_t inverse(uint8_t a)
{
	uint8_t square = a, r = 1;
	for (unsigned i = 0; i < 7; i++) {
		square = mul(square, square);
		r = mul(r, square);
	}
	return r;
}

void recovery_split(const uint8_t secret[RECOVERY_SECRET_LEN], const uint8_t *coefficients,
	uint8_t m, uint8_t n, struct recovery_share *ret)
{
	assert(m >= 1 && m <= n && n <= RECOVERY_AUTHORITIES_MAX);
	for (uint8_t x = 1; x <= n; x++) {
		struct recovery_share *s = &ret[x - 1];
		s->x = x;
		for (size_t i = 0; i < RECOVERY_SECRET_LEN; i++) {
			uint8_t y = 0;
			for (size_t k = m - 1u; k > 0; k--)
				y = mul(y ^ coefficients[(k - 1) * RECOVERY_SECRET_LEN + i], x);
			s->b[i] = y ^ secret[i];
		}
	}
}

static bool are_distinct(const struct recovery_share *shares, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (shares[i].x == 0)
			return false;
		for (size_t j = 0; j < i; j++)
			if (shares[i].x == shares[j].x)
				return false;
	}
	return true;
}

/* What share i contributes at 0: the product of x_j / (x_j - x_i) over all others. */
static uint8_t weight(const struct recovery_share *shares, size_t count, size_t i)
{
	uint8_t r = 1;
	for (size_t j = 0; j < count; j++)
		if (j != i)
			r = mul(r, mul(shares[j].x, inverse(shares[j].x ^ shares[i].x)));
	return r;
}

bool recovery_join(
	const struct recovery_share *shares, size_t count, uint8_t ret[RECOVERY_SECRET_LEN])
{
	if (count == 0 || count > RECOVERY_AUTHORITIES_MAX || !are_distinct(shares, count))
		return false;
	memset(ret, 0, RECOVERY_SECRET_LEN);
	for (size_t i = 0; i < count; i++) {
		uint8_t by = weight(shares, count, i);
		for (size_t k = 0; k < RECOVERY_SECRET_LEN; k++)
			ret[k] ^= mul(by, shares[i].b[k]);
	}
	return true;
}

/* ------------------------------------------------------------------ text */

static void add_check(const uint8_t bytes[1 + RECOVERY_SECRET_LEN], uint8_t ret[CHECK_LEN])
{
	uint8_t hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(hash, bytes, 1 + RECOVERY_SECRET_LEN);
	memcpy(ret, hash, CHECK_LEN);
	sodium_memzero(hash, sizeof(hash));
}

/* Five bits: A to Z, 2 to 7. */
static char digit_of(unsigned v)
{
	unsigned is_number = (25u - v) >> 31;
	return (char)('A' + v - is_number * ('A' + 26 - '2'));
}

const char *recovery_share_format(const struct recovery_share *s, char to[RECOVERY_TEXT_MAX])
{
	uint8_t b[BINARY_LEN + 1] = { s->x }; /* one zero byte fills the last group of bits */
	size_t at = 0;
	memcpy(b + 1, s->b, RECOVERY_SECRET_LEN);
	add_check(b, b + 1 + RECOVERY_SECRET_LEN);
	for (size_t i = 0; i < TEXT_CHARS; i++) {
		size_t bit = 5 * i;
		unsigned two = (unsigned)b[bit / 8] << 8 | b[bit / 8 + 1];
		if (i > 0 && i % TEXT_GROUP == 0)
			to[at++] = '-';
		to[at++] = digit_of(two >> (11 - bit % 8) & 31);
	}
	to[at] = '\0';
	sodium_memzero(b, sizeof(b));
	return to;
}

static bool is_between(uint8_t c, uint8_t low, uint8_t high)
{
	return c >= low && c <= high;
}

/*
 * Five bits of a character, 32 for one that stands between them, 33 for what cannot be. This one
 * branches: its time tells a neighbour on the machine hardly more than the keyboard's own rhythm.
 */
static unsigned value_of(uint8_t c)
{
	if (is_between(c, 'a', 'z'))
		c = (uint8_t)(c - 'a' + 'A');
	if (c == '0')
		c = 'O';
	if (c == '1')
		c = 'I';
	if (c == '8')
		c = 'B';
	if (is_between(c, 'A', 'Z'))
		return c - (unsigned)'A';
	if (is_between(c, '2', '7'))
		return c - (unsigned)'2' + 26;
	if (c == ' ' || c == '-' || c == '\t' || c == '\r' || c == '\n')
		return 32;
	return 33;
}

static int refuse_character(uint8_t c, size_t count, struct fault *f)
{
	char shown[8];
	fault_set(f,
		"\"%s\" in group %zu is no character of a share; they are A to Z and 2 to 7, read "
		"that group again",
		text_quote(span_of(&c, 1), shown, sizeof(shown)), count / TEXT_GROUP + 1);
	return -EINVAL;
}

/* Text to 60 groups of five bits. */
static int read_digits(struct span text, uint8_t to[BINARY_LEN + 1], struct fault *f)
{
	struct reader r = reader_init(text);
	size_t count = 0;
	while (r.left > 0) {
		uint8_t c = reader_u8(&r);
		unsigned v = value_of(c);
		if (v == 33)
			return refuse_character(c, count, f);
		if (v == 32)
			continue;
		if (count < TEXT_CHARS) {
			size_t bit = 5 * count;
			unsigned two = v << (11 - bit % 8);
			to[bit / 8] |= (uint8_t)(two >> 8);
			to[bit / 8 + 1] |= (uint8_t)two;
		}
		count++;
	}
	if (count == TEXT_CHARS)
		return 0;
	fault_set(f, "it has %zu characters, a share has 60 in twelve groups; compare the groups",
		count);
	return -EINVAL;
}

int recovery_share_parse(struct span text, struct recovery_share *ret, struct fault *f)
{
	uint8_t b[BINARY_LEN + 1] = { 0 }, check[CHECK_LEN];
	int rc = read_digits(text, b, f);
	if (rc < 0)
		goto out;
	add_check(b, check);
	/* The last character has four bits to spare. */
	if (sodium_memcmp(check, b + 1 + RECOVERY_SECRET_LEN, CHECK_LEN) != 0 ||
		b[BINARY_LEN] != 0) {
		rc = -EBADMSG;
		fault_set(f, "a character is wrong or two groups are swapped; read it again");
	} else if (b[0] == 0 || b[0] > RECOVERY_AUTHORITIES_MAX) {
		rc = -EINVAL;
		fault_set(f, "it is of no authority; ask for another share");
	} else {
		ret->x = b[0];
		memcpy(ret->b, b + 1, RECOVERY_SECRET_LEN);
	}
out:
	sodium_memzero(b, sizeof(b));
	return rc;
}
