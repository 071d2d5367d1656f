/*
 * Password quality. Invariant: the password is read in place; nothing of it is copied, stored or
 * logged. A walk over the password takes at each place the longest thing an attacker would guess as
 * one: a common word, something that stood before, a row of the alphabet or keyboard. It counts as
 * one or two characters.
 */

#include <string.h>

#include "identity/idfile.h"

#define RATING_MAX 16
#define LEN_MAX 128 /* what lies beyond is not looked at: the work is quadratic */
#define PIECE_MIN 3
#define WORD_SHORT 5 /* up to this length a word counts as one character, beyond as two */

static const char *const words[] = { "abc123", "account", "admin", "administrator", "alpha",
	"amanda", "america", "andrea", "andrew", "angel", "animal", "apple", "april", "arsenal",
	"august", "autumn", "baby", "banana", "baseball", "basket", "batman", "beach", "beauty",
	"beer", "berlin", "black", "blue", "boss", "boston", "bridge", "brother", "buster",
	"butter", "camera", "captain", "castle", "change", "changeme", "charlie", "cheese",
	"chelsea", "chicken", "chocolate", "client", "coffee", "computer", "cookie", "correct",
	"dallas", "daniel", "database", "david", "december", "default", "demo", "diamond", "doctor",
	"dolphin", "door", "dragon", "eagle", "easy", "enter", "family", "february", "firewall",
	"fire", "flower", "football", "forever", "forest", "forget", "freedom", "friday", "friend",
	"gate", "ginger", "gold", "google", "green", "guest", "hallo", "hammer", "happy", "harley",
	"heart", "heaven", "hello", "hockey", "holiday", "home", "horse", "house", "hunter",
	"iloveyou", "internet", "january", "jennifer", "jessica", "jesus", "jordan", "joshua",
	"july", "june", "killer", "king", "kitten", "letmein", "linux", "liverpool", "login",
	"london", "love", "lucky", "maggie", "magic", "manager", "march", "martin", "master",
	"matrix", "michael", "michelle", "monday", "money", "monkey", "monster", "mother", "music",
	"mustang", "nicole", "ninja", "november", "october", "office", "orange", "pass",
	"passphrase", "passw0rd", "password", "passwort", "pepper", "phoenix", "please", "postern",
	"power", "prince", "princess", "private", "purple", "qazwsx", "queen", "rabbit", "rainbow",
	"ranger", "robert", "root", "saturday", "schatz", "school", "secret", "secure", "security",
	"september", "server", "shadow", "silver", "soccer", "sommer", "sparky", "spring", "staple",
	"starwars", "star", "summer", "sunday", "sunshine", "super", "superman", "system", "taylor",
	"teacher", "test", "thomas", "thunder", "thursday", "tiger", "trustno1", "tuesday", "user",
	"wednesday", "welcome", "whatever", "white", "william", "willkommen", "window", "winter",
	"wizard", "world", "yellow" };

/* Neighbours in any of these, in either direction, are a row. */
static const char *const rows[] = { "abcdefghijklmnopqrstuvwxyz", "01234567890", "qwertyuiop",
	"qwertzuiop", "asdfghjkl", "zxcvbnm", "yxcvbnm", "azerty" };

static char lower(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

static bool starts_with_word(struct span s, const char *word, size_t len)
{
	if (len > s.len)
		return false;
	for (size_t i = 0; i < len; i++)
		if (lower(s.data[i]) != word[i])
			return false;
	return true;
}

static size_t word_len(struct span s)
{
	size_t best = 0;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);
		if (len > best && starts_with_word(s, words[i], len))
			best = len;
	}
	return best;
}

static bool are_neighbours(uint8_t a, uint8_t b)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (const char *p = rows[i]; p[1] != '\0'; p++)
			if ((p[0] == lower(a) && p[1] == lower(b)) ||
				(p[1] == lower(a) && p[0] == lower(b)))
				return true;
	return false;
}

/* "aaaa", "abcd", "4321", "qwer": how far it goes on from the start. */
static size_t row_len(struct span s)
{
	size_t same = 1, row = 1;
	while (same < s.len && s.data[same] == s.data[0])
		same++;
	while (row < s.len && are_neighbours(s.data[row - 1], s.data[row]))
		row++;
	return same > row ? same : row;
}

/* The longest piece at at that also begins earlier; the two may overlap ("ababab"). */
static size_t repeat_len(struct span s, size_t at)
{
	size_t best = 0;
	for (size_t from = 0; from < at; from++) {
		size_t len = 0;
		while (at + len < s.len && lower(s.data[from + len]) == lower(s.data[at + len]))
			len++;
		if (len > best)
			best = len;
	}
	return best;
}

/* Characters an attacker has to guess, in about that many. */
static size_t effective_len(struct span s)
{
	size_t count = 0;
	for (size_t at = 0; at < s.len;) {
		struct span rest = span_slice(s, at, s.len);
		size_t word = word_len(rest), row = row_len(rest), repeat = repeat_len(s, at);
		size_t piece = row > repeat ? row : repeat;
		if (word > 0 && word >= piece) {
			count += word > WORD_SHORT ? 2 : 1;
			at += word;
		} else if (piece >= PIECE_MIN) {
			count++;
			at += piece;
		} else {
			/* Of a character of several bytes only the first counts. */
			count += (s.data[at] & 0xc0) != 0x80 ? 1 : 0;
			at++;
		}
	}
	return count;
}

/* How many of mixed case, digits beside others, punctuation beside others. */
static unsigned variety(struct span s)
{
	bool has_lower = false, has_upper = false, has_digit = false, has_other = false;
	for (size_t i = 0; i < s.len; i++) {
		uint8_t c = s.data[i];
		if (c >= 'a' && c <= 'z')
			has_lower = true;
		else if (c >= 'A' && c <= 'Z')
			has_upper = true;
		else if (c >= '0' && c <= '9')
			has_digit = true;
		else
			has_other = true;
	}
	unsigned kinds = has_lower && has_upper ? 1 : 0;
	kinds += has_digit && (has_lower || has_upper || has_other) ? 1 : 0;
	kinds += has_other && (has_lower || has_upper || has_digit) ? 1 : 0;
	return kinds;
}

unsigned idfile_password_quality(struct span password)
{
	struct span s = span_slice(password, 0, LEN_MAX);
	if (s.len == 0)
		return 0;
	size_t count = effective_len(s);
	unsigned kinds = variety(s);
	size_t rating = count * (kinds >= 2 ? 6 : kinds == 1 ? 5 : 4) / 4;
	if (rating == 0)
		rating = 1;
	return rating < RATING_MAX ? (unsigned)rating : RATING_MAX;
}
