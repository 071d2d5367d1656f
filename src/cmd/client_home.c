/* Finding the client's files. Nothing is opened here but cards, to see which host they name. */

#include "cmd/client_home.h"

#include <dirent.h>
#include <errno.h>
#include <postern/postern.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"

#define ROOT_CARD "/etc/postern/server.card"
#define ROOT_ID "/etc/postern/admin.id"

__attribute__((format(printf, 2, 3))) static bool put_path(char to[PATH_MAX], const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(to, PATH_MAX, fmt, ap);
	va_end(ap);
	return n >= 0 && n < PATH_MAX;
}

static int too_long(struct fault *f)
{
	fault_set(f, "the name of a file would be longer than %d bytes", PATH_MAX);
	return -ENAMETOOLONG;
}

static const char *set_variable(const char *name)
{
	const char *v = getenv(name);
	return v != NULL && v[0] != '\0' ? v : NULL;
}

static const char *home_folder(void)
{
	const char *home = set_variable("HOME");
	if (home != NULL)
		return home;
	const struct passwd *pw = getpwuid(geteuid());
	return pw != NULL ? pw->pw_dir : "/";
}

/* The XDG rule: a relative path in the variable counts as unset. */
static bool base_folder(const char *variable, const char *fallback, char to[PATH_MAX])
{
	const char *base = set_variable(variable);
	if (base != NULL && base[0] == '/')
		return put_path(to, "%s/postern", base);
	return put_path(to, "%s/%s/postern", home_folder(), fallback);
}

static bool client_folder(char to[PATH_MAX])
{
	const char *own = set_variable("POSTERN_HOME");
	if (own != NULL)
		return put_path(to, "%s", own);
	return base_folder("XDG_CONFIG_HOME", ".config", to);
}

static bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

static bool names_host(const char *path, const char *host)
{
	struct postern_card *card = NULL;
	if (postern_card_load(path, &card, NULL) < 0)
		return false;
	bool is_same = strcasecmp(postern_card_host(card), host) == 0;
	postern_card_free(card);
	return is_same;
}

/* The one card in folder that names host. 0, -ENOENT, or -EEXIST with *f when there are two. */
static int search_cards(const char *folder, const char *host, char to[PATH_MAX], struct fault *f)
{
	char found[PATH_MAX] = "", path[PATH_MAX];
	const struct dirent *e;
	int rc = 0;

	DIR *d = opendir(folder);
	if (d == NULL)
		return -ENOENT;
	while (rc == 0 && (e = readdir(d)) != NULL) {
		size_t len = strlen(e->d_name);
		if (len <= 5 || strcmp(e->d_name + len - 5, ".card") != 0)
			continue;
		if (!put_path(path, "%s/%s", folder, e->d_name) || !names_host(path, host))
			continue;
		if (found[0] != '\0') {
			fault_set(f, "two cards name %s: %s and %s; say which with --card", host,
				found, path);
			rc = -EEXIST;
		}
		put_path(found, "%s", path);
	}
	closedir(d);
	if (rc == 0 && found[0] == '\0')
		return -ENOENT;
	if (rc == 0)
		put_path(to, "%s", found);
	return rc;
}

static int find_card(
	const char *folder, const char *host, struct client_files *ret, struct fault *f)
{
	char own[PATH_MAX];
	bool is_root = geteuid() == 0;

	ret->is_nickname = false;
	if (!put_path(own, "%s/%s.card", folder, host))
		return too_long(f);
	/* A host is no path: "../x" must not lead out of the folder. */
	if (strchr(host, '/') == NULL && exists(own)) {
		ret->is_nickname = true;
		return put_path(ret->card, "%s", own) ? 0 : too_long(f);
	}
	int rc = search_cards(folder, host, ret->card, f);
	if (rc != -ENOENT)
		return rc;
	if (is_root && exists(ROOT_CARD))
		return put_path(ret->card, ROOT_CARD) ? 0 : too_long(f);
	fault_set(f,
		"no server card for %s: neither %s nor another card there that names it%s; "
		"copy the server's server.card there, or name it with --card",
		host, own, is_root ? ", nor " ROOT_CARD : "");
	return -ENOENT;
}

int client_home_id(char to[PATH_MAX], struct fault *f)
{
	char folder[PATH_MAX];
	bool is_root = geteuid() == 0;
	if (!client_folder(folder) || !put_path(to, "%s/default.id", folder))
		return too_long(f);
	if (exists(to))
		return 0;
	if (is_root && exists(ROOT_ID))
		return put_path(to, ROOT_ID) ? 0 : too_long(f);
	fault_set(f, "no ID file: %s%s is not there; copy your ID file there, or name it with --id",
		to, is_root ? " or " ROOT_ID : "");
	return -ENOENT;
}

int client_home_find(const char *host, const char *card, const char *id, struct client_files *ret,
	struct fault *f)
{
	char folder[PATH_MAX];
	int rc = 0;

	if (!client_folder(folder))
		return too_long(f);
	ret->is_nickname = false;
	if (card == NULL)
		rc = find_card(folder, host, ret, f);
	else if (!put_path(ret->card, "%s", card))
		rc = too_long(f);
	if (rc < 0)
		return rc;
	if (id == NULL)
		return client_home_id(ret->id, f);
	return put_path(ret->id, "%s", id) ? 0 : too_long(f);
}

/* mkdir -p, every new folder 0700. */
static int make_folders(const char *path)
{
	char part[PATH_MAX];
	put_path(part, "%s", path);
	for (char *p = part + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char was = *p;
		*p = '\0';
		if (mkdir(part, 0700) < 0 && errno != EEXIST)
			return -errno;
		if (was == '\0')
			return 0;
		*p = was;
	}
}

/* A folder of our own. 0, or -errno with *f. */
static int make_own(const char *folder, struct fault *f)
{
	int rc = make_folders(folder);
	if (rc < 0)
		fault_set(f, "%s: the folder cannot be made: %s", folder, strerror(-rc));
	return rc;
}

int client_home_state(const uint8_t sid[32], bool is_made, char to[PATH_MAX], struct fault *f)
{
	char folder[PATH_MAX], hex[65];

	if (!base_folder("XDG_STATE_HOME", ".local/state", folder))
		return too_long(f);
	int rc = is_made ? make_own(folder, f) : 0;
	if (rc < 0)
		return rc;
	return put_path(to, "%s/%s", folder, text_hex(span_of(sid, 32), hex)) ? 0 : too_long(f);
}

int client_home_trust(bool is_made, char to[PATH_MAX], struct fault *f)
{
	char folder[PATH_MAX];

	if (!client_folder(folder) || !put_path(to, "%s/trust", folder))
		return too_long(f);
	return is_made ? make_own(to, f) : 0;
}

int client_home_profiles(bool is_made, char to[PATH_MAX], struct fault *f)
{
	char folder[PATH_MAX];

	if (!client_folder(folder) || !put_path(to, "%s/profiles", folder))
		return too_long(f);
	return is_made ? make_own(folder, f) : 0;
}
