#ifndef POSTERN_CMD_PROFILE_H
#define POSTERN_CMD_PROFILE_H

/*
 * Profiles: options of a knock under a name, in the file "profiles" of the client folder, in the syntax of
 * postern.conf. A key is the long name of an option without its dashes, besides "host" and "service":
 *
 *     profile gw { host = "gw.example.org"  scheme = tagged  key-file = "gw.tag"  service-slot = 0 }
 *
 * The names of files are taken from the client folder unless they begin with a slash. The file is only
 * added to, or cut by one whole profile: all else in it stays byte for byte.
 */

#include <stdbool.h>
#include <stddef.h>

#include "base/file.h"
#include "base/span.h"

#define PROFILE_VALUES_MAX 64
#define PROFILE_NAME_MAX 63 /* A-Z a-z 0-9 . _ -, no '-' or '.' in front */
#define PROFILE_FILE_MAX ((size_t)256 << 10)

struct profile_value {
	const char *key, *text;
	unsigned line; /* 0: not from a file */
};

struct profile {
	const char *name;
	size_t count;
	struct profile_value values[PROFILE_VALUES_MAX];
};

struct profiles {
	const char *path;
	size_t count;
	struct profile **items;
	struct profile_text *texts; /* all that the others point to */
};

/* What a key may be. */
struct profile_key {
	const char *name;
	bool is_secret; /* its value itself: nobody else may read the file then */
	bool is_file;   /* the name of one, or 64 hexadecimal digits, which are none */
};

struct profile_keys {
	const struct profile_key *keys;
	size_t count;
};

bool profile_name_is_good(const char *name);

/* The value of an is_file key: a name that folder, with its slash, is to be put before? */
bool profile_is_relative(const char *text);

/*
 * The text of a file. 0, or -errno with *f, which is "PATH:LINE: what is wrong": -EINVAL for a mistake.
 * *ret is freed with profiles_free.
 */
__attribute__((warn_unused_result)) int profiles_parse(const char *path, struct span text,
	const struct profile_keys *keys, struct profiles **ret, struct fault *f);

/* The same of the client folder's file. *ret is NULL with 0 when there is no such file. */
__attribute__((warn_unused_result)) int profiles_load(
	const struct profile_keys *keys, struct profiles **ret, struct fault *f);
void profiles_free(struct profiles *p);

const struct profile *profiles_find(const struct profiles *p, const char *name); /* NULL: none */
const struct profile_value *profile_find(
	const struct profile *p, const char *key); /* NULL: not said */

/* The profile as it stands in a file, malloc'd; NULL without memory. Pure. */
char *profile_format(const struct profile *p);

/*
 * The text with p at its end, or without the profile of that name; malloc'd. -EEXIST, -ENOENT; -EINVAL when the text
 * would then mean anything else than it should; -ENOMEM. With *f. Pure but for the memory.
 */
__attribute__((warn_unused_result)) int profile_text_add(struct span text, const struct profile *p,
	const struct profile_keys *keys, char **ret, struct fault *f);
__attribute__((warn_unused_result)) int profile_text_remove(struct span text, const char *name,
	const struct profile_keys *keys, char **ret, struct fault *f);

/*
 * The same with the client folder's file, which is made (0600) when there is none; names of files in p are
 * taken from the working folder. 0, or -errno with *f.
 */
__attribute__((warn_unused_result)) int profile_file_add(
	const struct profile *p, const struct profile_keys *keys, struct fault *f);
__attribute__((warn_unused_result)) int profile_file_remove(
	const char *name, const struct profile_keys *keys, struct fault *f);

#endif
