/* A packet of fwknop: keys out of a file, one message, one text. */

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd/scheme.h"
#include "knock/fwknop.h"

#define KEY_FILE_MAX 65536
#define USER_DEFAULT "postern"

static int read_secret(const char *path, struct fwknop_secret *ret, struct fault *f)
{
	struct fault why;
	uint8_t *text = NULL;
	size_t len = 0;
	int rc = file_read(path, FILE_SECRET, KEY_FILE_MAX, &text, &len, f);
	if (rc < 0)
		return rc;
	bool is_good = fwknop_secret_parse(span_of(text, len), ret, &why);
	if (!is_good)
		fault_set(f, "%s: %.300s", path, why.text);
	sodium_memzero(text, len);
	free(text);
	return is_good ? 0 : -EINVAL;
}

static enum fwknop_type type_of(const struct knock_args *a)
{
	bool has_nat = a->classic.nat_port != 0;
	if (a->for_s != 0)
		return has_nat ? FWKNOP_TYPE_NAT_TIMEOUT : FWKNOP_TYPE_ACCESS_TIMEOUT;
	return has_nat ? FWKNOP_TYPE_NAT : FWKNOP_TYPE_ACCESS;
}

static int write_text(const struct knock_args *a, const struct addr *allow, uint64_t wall_ms,
	const struct fwknop_secret *secret, struct scheme_plan *ret, struct fault *f)
{
	const struct knock_classic *c = &a->classic;
	struct fwknop_settings settings = { .secret = secret, .hmac = c->hmac, .mode = c->mode };
	struct fwknop_message m = {
		.type = type_of(a),
		.time_s = (uint32_t)(wall_ms / 1000),
		.address = *allow,
		.access_count = c->access_count,
		.nat_port = c->nat_port,
		.timeout_s = a->for_s,
	};
	struct fwknop_dice dice = { .digest = CONFIG_HMAC_SHA256 };
	snprintf(m.user, sizeof(m.user), "%s", c->user != NULL ? c->user : USER_DEFAULT);
	memcpy(m.accesses, c->accesses, sizeof(m.accesses));
	memcpy(m.nat_host, c->nat_host, sizeof(m.nat_host));
	randombytes_buf(dice.random, sizeof(dice.random));
	randombytes_buf(dice.salt, sizeof(dice.salt));

	struct fwknop_key *key = fwknop_key_new(&settings, f);
	if (key == NULL)
		return -EINVAL;
	bool is_good = fwknop_write(key, &m, &dice, &ret->text);
	fwknop_key_free(key);
	if (!is_good)
		fault_set(f,
			"a fwknop packet cannot say this: the name of the user or of the inner "
			"host is too long or has characters it may not have, or there are too "
			"many ports");
	return is_good ? 0 : -EINVAL;
}

int scheme_fwknop(const struct knock_args *a, const struct addr *allow, uint64_t wall_ms,
	struct scheme_plan *ret, struct fault *f)
{
	struct fwknop_secret secret;
	if (a->classic.user != NULL && strlen(a->classic.user) > FWKNOP_USER_MAX) {
		fault_set(f, "--user: longer than %d bytes", FWKNOP_USER_MAX);
		return -EINVAL;
	}
	if (!addr_is_zero(allow) && !addr_is_v4(allow)) {
		fault_set(f,
			"fwknop packets can say IPv4 addresses only: use --ipv4, name one with "
			"--allow, or say --allow source");
		return -EINVAL;
	}
	int rc = read_secret(a->classic.key_file, &secret, f);
	if (rc == 0)
		rc = write_text(a, allow, wall_ms, &secret, ret, f);
	sodium_memzero(&secret, sizeof(secret));
	return rc;
}
