/*
 * Values of the classic knocks: a step of a sequence, the ports and first block of a cipher, keys in the
 * file. As with the others a field is written only after its text passed every check.
 */

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/internal.h"

#define QUOTED_MAX 80
#define PORT_DIGITS_MAX 5
#define CIPHER_PORTS 256
#define IV_LEN sizeof(((struct config_cipher *)NULL)->iv)
#define IV_HEX_LEN (2 + 2 * IV_LEN)
#define NAME_LEN_MAX 512

__attribute__((format(printf, 2, 3))) static bool refuse(
	char why[CONFIG_WHY_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(why, CONFIG_WHY_MAX, fmt, ap);
	va_end(ap);
	return false;
}

static const char *quoted(const char *text, char to[QUOTED_MAX])
{
	return text_quote(span_of(text, strlen(text)), to, QUOTED_MAX);
}

/* The digits at the start of text as a port; their number, 0 when it is none. */
static size_t port_take(const char *text, uint16_t *ret)
{
	size_t len = strspn(text, "0123456789");
	unsigned long v = len >= 1 && len <= PORT_DIGITS_MAX ? strtoul(text, NULL, 10) : 0;
	if (v < 1 || v > 65535)
		return 0;
	*ret = (uint16_t)v;
	return len;
}

bool config_step_parse(const char *text, struct config_endpoint *ret)
{
	uint16_t port = 0;
	size_t len = port_take(text, &port);
	const char *proto = text + len;
	if (len == 0)
		return false;
	if (*proto == '/' || *proto == ':')
		proto++;
	else if (*proto != '\0')
		return false;
	bool is_udp = strcmp(proto, "udp") == 0;
	if (!is_udp && strcmp(proto, "tcp") != 0 && text[len] != '\0')
		return false;
	*ret = (struct config_endpoint){ is_udp ? IPPROTO_UDP : IPPROTO_TCP, port };
	return true;
}

static bool set_optport(
	const struct config_keyword *k, const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	uint16_t port = 0;
	size_t len = port_take(text, &port);
	if (strcmp(text, "off") != 0 && (len == 0 || text[len] != '\0'))
		return refuse(why, "\"%s\" is neither a port nor off", quoted(text, q));
	if (base != NULL)
		memcpy((char *)base + k->offset, &port, sizeof(port));
	return true;
}

static bool set_range(const char *text, struct config_cipher *to, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	uint16_t first = 0, last = 0;
	size_t len = port_take(text, &first);
	size_t last_len = len > 0 && text[len] == '-' ? port_take(text + len + 1, &last) : 0;
	if (last_len == 0 || text[len + 1 + last_len] != '\0')
		return refuse(why, "\"%s\" is not a range of ports; write one like 745-1000",
			quoted(text, q));
	if (last - first + 1 != CIPHER_PORTS)
		return refuse(why, "a cipher needs %d ports, not %d; write %u-%u", CIPHER_PORTS,
			last < first ? 0 : last - first + 1, (unsigned)first,
			(unsigned)first + CIPHER_PORTS - 1);
	if (to != NULL) {
		to->port_first = first;
		to->port_last = last;
	}
	return true;
}

static bool iv_is_plain(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)text[i] < 0x20 || (uint8_t)text[i] > 0x7e)
			return false;
	return true;
}

static bool set_iv(const char *text, struct config_cipher *to, char why[CONFIG_WHY_MAX])
{
	size_t len = strlen(text), bytes = 0;
	uint8_t iv[IV_LEN];
	if (len == IV_LEN && iv_is_plain(text, len)) {
		memcpy(iv, text, sizeof(iv));
	} else if (len != IV_HEX_LEN || strncmp(text, "0x", 2) != 0 ||
		sodium_hex2bin(iv, sizeof(iv), text + 2, len - 2, NULL, &bytes, NULL) != 0 ||
		bytes != sizeof(iv)) {
		return refuse(
			why, "is neither eight characters nor 16 hexadecimal digits after 0x");
	}
	if (to != NULL) {
		memcpy(to->iv, iv, sizeof(iv));
		to->has_iv = true;
	}
	return true;
}

/* What is wrong is never quoted: most of it may be the key. */
static bool check_key(const struct config_keyword *k, const char *text, char why[CONFIG_WHY_MAX])
{
	uint8_t key[CONFIG_VALUE_MAX];
	size_t len = 0;
	const char *end = NULL;
	bool is_padded = strchr(text, '=') != NULL;
	int rc = sodium_base642bin(key, sizeof(key), text, strlen(text), NULL, &len, &end,
		is_padded ? sodium_base64_VARIANT_ORIGINAL
			  : sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
	sodium_memzero(key, sizeof(key));
	if (rc != 0 || end == NULL || *end != '\0')
		return refuse(why, "is not base64");
	if (len > k->max)
		return refuse(why, "the key is longer than %u bytes", (unsigned)k->max);
	if (len < k->min)
		return refuse(why, "the key is shorter than %u bytes", (unsigned)k->min);
	return true;
}

static const struct {
	const char *name;
	enum config_aes mode;
	const char *refusal;
} modes[] = {
	{ "ecb", CONFIG_AES_ECB, NULL },
	{ "cbc", CONFIG_AES_CBC, NULL },
	{ "cfb", CONFIG_AES_CFB, NULL },
	{ "ofb", CONFIG_AES_OFB, NULL },
	{ "ctr", CONFIG_AES_CTR, NULL },
	{ "pcbc", CONFIG_AES_PCBC, "pcbc is not offered: no library that is kept up has it" },
	{ "gpg", 0, "gpg is not offered: its packets go without an HMAC key of ours" },
	{ "legacy", CONFIG_AES_LEGACY,
		"legacy is not offered: it fills short keys with zeros and goes without an HMAC" },
};

static bool set_aes(
	const struct config_keyword *k, const char *text, void *base, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(modes[i].name, text) != 0)
			continue;
		if (modes[i].refusal != NULL)
			return refuse(why, "%s; write cbc", modes[i].refusal);
		if (base != NULL)
			memcpy((char *)base + k->offset, &modes[i].mode, sizeof(modes[i].mode));
		return true;
	}
	return refuse(why, "\"%s\" is not supported; choose from: ecb, cbc, cfb, ofb, ctr",
		quoted(text, q));
}

static bool check_name(const char *text, char why[CONFIG_WHY_MAX])
{
	if (strlen(text) > NAME_LEN_MAX)
		return refuse(why, "is longer than %d bytes", NAME_LEN_MAX);
	return true;
}

bool config_classic_set(const struct config_keyword *k, const char *text, void *base,
	struct config_arena *arena, char why[CONFIG_WHY_MAX])
{
	char q[QUOTED_MAX];
	if (k->type == CONFIG_TYPE_OPTPORT)
		return set_optport(k, text, base, why);
	if (k->type == CONFIG_TYPE_CIPHER_RANGE)
		return set_range(text, base, why);
	if (k->type == CONFIG_TYPE_IV)
		return set_iv(text, base, why);
	if (k->type == CONFIG_TYPE_AES)
		return set_aes(k, text, base, why);
	if (k->type == CONFIG_TYPE_KEY && !check_key(k, text, why))
		return false;
	if (k->type == CONFIG_TYPE_NAME && !check_name(text, why))
		return false;
	if (k->type == CONFIG_TYPE_LABEL && !config_is_label(text))
		return refuse(
			why, "\"%s\" is no name of 1 to 63 of a-z, 0-9 and -", quoted(text, q));
	return config_value_keep(k, text, base, arena, why);
}

static bool print_iv(const struct config_cipher *c, FILE *out)
{
	char text[IV_LEN + 1] = { 0 }, hex[IV_HEX_LEN + 1];
	if (!c->has_iv)
		return false;
	memcpy(text, c->iv, IV_LEN);
	if (iv_is_plain(text, IV_LEN))
		config_quoted_print(text, out);
	else
		fprintf(out, "0x%s", sodium_bin2hex(hex, sizeof(hex), c->iv, IV_LEN));
	return true;
}

static void print_aes(const struct config_keyword *k, const void *base, FILE *out)
{
	enum config_aes mode;
	memcpy(&mode, (const char *)base + k->offset, sizeof(mode));
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (modes[i].mode == mode)
			fputs(modes[i].name, out);
}

bool config_classic_print(const struct config_keyword *k, const void *base, FILE *out)
{
	const struct config_cipher *c = base;
	uint16_t port = 0;
	if (k->type == CONFIG_TYPE_IV)
		return print_iv(c, out);
	if (k->type == CONFIG_TYPE_CIPHER_RANGE) {
		fprintf(out, "%u-%u", c->port_first, c->port_last);
	} else if (k->type == CONFIG_TYPE_AES) {
		print_aes(k, base, out);
	} else {
		memcpy(&port, (const char *)base + k->offset, sizeof(port));
		if (port == 0)
			fputs("off", out);
		else
			fprintf(out, "%u", port);
	}
	return true;
}
