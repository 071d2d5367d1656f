/*
 * Looking at what stands in the kernel. Invariant: no rule set is another one afterwards: commands are only
 * ever checked, and the one question that needs a table makes and removes an empty one in one transaction.
 * libnftables is run in a child, as everywhere.
 */

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gate/internal.h"

#define RULES_MAX ((size_t)64 << 20)

static int ask(const struct config *c, struct gate_nl *nl, struct gate_look *ret)
{
	char version[GATE_VERSION_MAX];
	struct gate_table t = { 0 }, cover = { 0 };
	int refusal = 0;
	int rc = gate_table_find(nl, GATE_TABLE, &t, &refusal);
	if (rc == 0 && refusal == 0)
		rc = gate_table_find(nl, GATE_TABLE_COVER, &cover, &refusal);
	if (rc == 0 && refusal == 0)
		rc = gate_table_can_persist(nl, &ret->can_persist);
	if (rc < 0 || refusal < 0)
		return rc < 0 ? rc : refusal;
	ret->is_there = t.is_there;
	ret->is_current =
		c == NULL || (gate_ruleset_version(c, version) && strcmp(version, t.version) == 0);
	ret->is_owned = (t.flags & GATE_TABLE_OWNER) != 0;
	ret->is_lasting = (t.flags & GATE_TABLE_PERSIST) != 0 || !ret->is_owned;
	ret->is_covered = cover.is_there;
	return 0;
}

int gate_look(const struct config *c, struct gate_look *ret, struct fault *f)
{
	struct gate_look look = { 0 };
	struct gate_nl *nl = calloc(1, sizeof(*nl));
	if (nl == NULL) {
		fault_set(f, "no memory to look at nftables");
		return -ENOMEM;
	}
	int rc = gate_nl_open(nl);
	if (rc == 0)
		rc = ask(c, nl, &look);
	gate_nl_close(nl);
	free(nl);
	if (rc < 0)
		fault_set(f, "nftables cannot be asked: %s", strerror(-rc));
	else
		*ret = look;
	return rc;
}

int gate_look_try(const char *commands, struct fault *f)
{
	static const char make[] = "add table inet " GATE_TABLE_TRIAL "\n";
	char *text = malloc(sizeof(make) + strlen(commands));
	if (text == NULL) {
		fault_set(f, "no memory to ask nftables");
		return -ENOMEM;
	}
	strcpy(text, make);
	strcat(text, commands);
	int rc = gate_child_run(text, true, f);
	free(text);
	return rc;
}

__attribute__((noreturn)) static void list_rules(int fd)
{
	struct nft_ctx *nft = NULL;
	if (dup2(fd, STDOUT_FILENO) >= 0)
		nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (nft == NULL)
		_exit(1);
	nft_ctx_output_set_flags(nft, NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_TERSE);
	nft_ctx_buffer_output(nft);
	nft_ctx_buffer_error(nft);
	if (nft_run_cmd_from_buffer(nft, "list ruleset") != 0)
		_exit(1);
	const char *text = nft_ctx_get_output_buffer(nft);
	for (size_t left = strlen(text); left > 0;) {
		ssize_t n = write(STDOUT_FILENO, text, left);
		if (n <= 0)
			_exit(1);
		text += n;
		left -= (size_t)n;
	}
	_exit(0);
}

/* All of it, terminated. NULL when memory is short or it is longer than anybody's rules. */
static char *read_whole(int fd)
{
	char *text = NULL;
	size_t len = 0, cap = 0;
	for (;;) {
		if (len + 1 >= cap) {
			char *more = cap < RULES_MAX ? realloc(text, cap = cap * 2 + 65536) : NULL;
			if (more == NULL)
				break;
			text = more;
		}
		ssize_t n = read(fd, text + len, cap - len - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		if (n == 0) {
			text[len] = '\0';
			return text;
		}
		len += (size_t)n;
	}
	free(text);
	return NULL;
}

int gate_look_rules(char **ret, struct fault *f)
{
	int fds[2], status = 0;
	if (pipe(fds) < 0) {
		int rc = -errno;
		fault_set(f, "no pipe to a child: %s", strerror(-rc));
		return rc;
	}
	pid_t pid = fork();
	if (pid == 0)
		list_rules(fds[1]);
	close(fds[1]);
	char *text = pid > 0 ? read_whole(fds[0]) : NULL;
	close(fds[0]);
	if (pid > 0)
		waitpid(pid, &status, 0);
	if (text == NULL || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
		free(text);
		fault_set(f, "the rules of this machine cannot be listed");
		return -EREMOTEIO;
	}
	*ret = text;
	return 0;
}
