/*
 * libcurl by name. Invariant: it is loaded at most once and stays; either every function of the table was
 * found, or there is no table.
 */

#include "audit/fetch_curl.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY "libcurl.so.4" /* the interface of curl/curl.h */

#define FUNCTION(name)                                                                             \
	{                                                                                          \
		"curl_" #name, offsetof(struct audit_curl, name)                                   \
	}
static const struct {
	const char *name;
	size_t at;
} functions[] = {
	FUNCTION(global_init),
	FUNCTION(global_cleanup),
	FUNCTION(easy_init),
	FUNCTION(easy_cleanup),
	FUNCTION(easy_setopt),
	FUNCTION(easy_getinfo),
	FUNCTION(easy_strerror),
	FUNCTION(slist_append),
	FUNCTION(slist_free_all),
	FUNCTION(multi_init),
	FUNCTION(multi_cleanup),
	FUNCTION(multi_setopt),
	FUNCTION(multi_add_handle),
	FUNCTION(multi_remove_handle),
	FUNCTION(multi_info_read),
	FUNCTION(multi_socket_action),
	FUNCTION(multi_assign),
};
#undef FUNCTION

_Static_assert(
	sizeof(struct audit_curl) == sizeof(functions) / sizeof(functions[0]) * sizeof(void *),
	"a function of the table has no name here");

static struct audit_curl curl;
static bool is_loaded;

const struct audit_curl *audit_curl_load(char why[256])
{
	if (is_loaded)
		return &curl;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
	if (library == NULL) {
		snprintf(why, 256, "policies are fetched by libcurl: install it (%.180s)",
			dlerror());
		return NULL;
	}
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *f = dlsym(library, functions[i].name);
		if (f == NULL) {
			snprintf(why, 256, "%s is too old: it has no %s", LIBRARY,
				functions[i].name);
			dlclose(library);
			return NULL;
		}
		/* POSIX: functions and data have pointers of one kind. */
		memcpy((char *)&curl + functions[i].at, &f, sizeof(f));
	}
	is_loaded = true;
	return &curl;
}
