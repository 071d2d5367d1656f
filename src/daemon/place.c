/* What the monitor needs of the machine. Everything here happens before a child runs or with fixed names. */

#include "daemon/place.h"

#include <errno.h>
#include <limits.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config/config.h"

static char *title_start;
static size_t title_len;

int place_make_folder(const char *path, mode_t mode, struct fault *f)
{
	char folder[PATH_MAX];
	snprintf(folder, sizeof(folder), "%s", path);
	for (char *p = strchr(folder + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(folder, mode) < 0 && errno != EEXIST) {
			int rc = -errno;
			fault_set(f, "%s: the folder cannot be made: %s", folder, strerror(-rc));
			return rc;
		}
		*p = '/';
	}
	return 0;
}

static bool is_answered(const struct sockaddr_un *sun)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool yes = fd >= 0 && connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) == 0;
	if (fd >= 0)
		close(fd);
	return yes;
}

/* Only a socket may be replaced: a wrong path must not cost anybody a file. */
static bool is_other_file(const char *path)
{
	struct stat st;
	return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode);
}

int place_listen(const char *path, int *ret_fd, struct fault *f)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	if (is_other_file(path)) {
		fault_set(
			f, "%s: is there and is not a socket; name another path as control", path);
		return -EEXIST;
	}
	if (strlen(path) >= sizeof(sun.sun_path)) {
		fault_set(f, "%s: too long for a socket's name; choose a shorter one", path);
		return -ENAMETOOLONG;
	}
	memcpy(sun.sun_path, path, strlen(path));
	if (is_answered(&sun)) {
		fault_set(f, "%s: another posternd answers there; stop it first", path);
		return -EADDRINUSE;
	}
	int rc = 0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		rc = -errno;
	unlink(path);
	mode_t old = umask(0177);
	if (rc == 0 && bind(fd, (const struct sockaddr *)&sun, sizeof(sun)) < 0)
		rc = -errno;
	umask(old);
	if (rc == 0 && listen(fd, 16) < 0)
		rc = -errno;
	if (rc < 0) {
		fault_set(f, "%s: cannot listen there: %s", path, strerror(-rc));
		if (fd >= 0)
			close(fd);
		return rc;
	}
	*ret_fd = fd;
	return 0;
}

int place_listen_tcp(const char *endpoint, int *ret_fd, struct fault *f)
{
	const int on = 1;
	struct sockaddr_storage ss;
	struct addr a;
	uint16_t port = 0;
	if (!config_loopback_parse(endpoint, &a, &port)) {
		fault_set(f, "metrics: \"%s\" is not a loopback address and port", endpoint);
		return -EINVAL;
	}
	socklen_t len = addr_to_sockaddr(&a, port, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		bind(fd, (const struct sockaddr *)&ss, len) == 0 && listen(fd, 16) == 0) {
		*ret_fd = fd;
		return 0;
	}
	int rc = -errno;
	fault_set(f, "metrics: cannot listen on %s: %s", endpoint, strerror(-rc));
	if (fd >= 0)
		close(fd);
	return rc;
}

bool place_interface_is_up(const char *name)
{
	struct ifreq req = { 0 };
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool up = ioctl(fd, SIOCGIFFLAGS, &req) == 0 && (req.ifr_flags & IFF_UP) != 0;
	close(fd);
	return up;
}

void place_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	if (path == NULL || (path[0] != '/' && path[0] != '@') ||
		strlen(path) >= sizeof(sun.sun_path))
		return;
	memcpy(sun.sun_path, path, strlen(path));
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	ssize_t ignored =
		sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)&sun, len);
	(void)ignored;
	close(fd);
}

/* The environment lies behind the arguments: a child that needs none of it has room for a longer title. */
void place_keep_argv(int argc, char **argv)
{
	char *end = argv[0];
	for (int i = 0; i < argc && argv[i] == end; i++)
		end = argv[i] + strlen(argv[i]) + 1;
	for (char **e = environ; *e == end; e++)
		end = *e + strlen(*e) + 1;
	title_start = argv[0];
	title_len = (size_t)(end - argv[0]);
}

void place_set_title(const char *title)
{
	if (title_start == NULL)
		return;
	clearenv();
	memset(title_start, 0, title_len);
	snprintf(title_start, title_len, "%s", title);
}
