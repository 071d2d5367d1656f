/*
 * postern audit: names are resolved, gateways asked, all in one loop; then it is written down. Invariant: the
 * loop ends by itself, by its deadline, or by the first signal; a second signal ends the program.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "cmd/audit_args.h"
#include "cmd/audit_results.h"
#include "cmd/commands.h"
#include "cmd/say.h"

#define RESOLVING_MAX 64

struct audit;

struct question {
	struct audit *audit;
	size_t order;
};

struct audit {
	struct audit_args args;
	struct audit_results results;
	uv_loop_t loop;
	uv_signal_t interrupt, terminate;
	uv_timer_t deadline;
	struct audit_resolver *resolver;
	struct audit_run *run;
	size_t next, resolving; /* inputs */
	struct question questions[RESOLVING_MAX];
	bool is_closed, is_stopped, has_line;
};

static void clear_line(struct audit *a)
{
	if (a->has_line)
		fputs("\r\033[K", stderr);
	a->has_line = false;
}

static void on_progress(void *arg, const struct audit_progress *p)
{
	struct audit *a = arg;
	if (a->args.is_quiet || !isatty(STDERR_FILENO))
		return;
	fprintf(stderr, "\r\033[K%zu of %zu gateways, %llu connections", p->done, p->targets,
		(unsigned long long)p->connections);
	if (p->left_s != UINT32_MAX)
		fprintf(stderr, ", about %u s left", (unsigned)p->left_s);
	fflush(stderr);
	a->has_line = true;
}

static void on_gateway(void *arg, struct audit_facts *f)
{
	struct audit *a = arg;
	if (a->args.form == AUDIT_FORM_JSONL)
		clear_line(a);
	audit_results_gateway(&a->results, f);
}

static void close_handle(uv_handle_t *h)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

static void on_end(void *arg)
{
	struct audit *a = arg;
	/* Its timer for the deadline would keep the loop alive. */
	audit_run_free(a->run);
	a->run = NULL;
	audit_resolver_free(a->resolver);
	a->resolver = NULL;
	close_handle((uv_handle_t *)&a->interrupt);
	close_handle((uv_handle_t *)&a->terminate);
	close_handle((uv_handle_t *)&a->deadline);
}

static void close_run(struct audit *a)
{
	if (a->is_closed)
		return;
	a->is_closed = true;
	audit_run_close(a->run);
}

static void ask_next(struct audit *a);

static void on_resolved(void *arg, const struct audit_resolved *in)
{
	struct question *q = arg;
	struct audit *a = q->audit;
	size_t order = q->order;
	q->audit = NULL;
	a->resolving--;
	if (in->error != NULL) {
		clear_line(a);
		audit_args_unresolved(in->input->given, in->error);
		a->results.unresolved++;
	}
	bool is_kept = audit_results_resolved(&a->results, order, in);
	for (size_t i = 0; is_kept && i < in->target_count; i++)
		is_kept = audit_run_add(a->run, &in->targets[i]) == 0;
	a->results.is_short = a->results.is_short || !is_kept;
	ask_next(a);
}

static struct question *free_question(struct audit *a)
{
	for (size_t i = 0; i < RESOLVING_MAX; i++)
		if (a->questions[i].audit == NULL)
			return &a->questions[i];
	return NULL;
}

/* As many names as may be asked for at a time; the run is closed behind the last. */
static void ask_next(struct audit *a)
{
	while (!a->is_stopped && a->next < a->args.input_count) {
		struct question *q = free_question(a);
		if (q == NULL)
			return;
		*q = (struct question){ a, a->next++ };
		a->resolving++;
		if (audit_resolve(a->resolver, &a->args.inputs[q->order], on_resolved, q) == 0)
			continue;
		q->audit = NULL;
		a->resolving--;
		a->results.is_short = true;
	}
	if (a->resolving == 0)
		close_run(a);
}

/* What stays without a name has no place in the report: it is said here, or nobody would miss it. */
static void say_unresolved(struct audit *a, const char *why)
{
	for (size_t i = 0; i < RESOLVING_MAX; i++) {
		if (a->questions[i].audit == NULL)
			continue;
		a->questions[i].audit = NULL;
		say_trouble("%s: not looked at: %s while its name was asked for",
			a->args.inputs[a->questions[i].order].given, why);
		a->results.unresolved++;
	}
	for (; a->next < a->args.input_count; a->next++) {
		say_trouble("%s: not looked at: %s before its turn came",
			a->args.inputs[a->next].given, why);
		a->results.unresolved++;
	}
	a->resolving = 0;
}

static void stop(struct audit *a, const char *why)
{
	if (a->is_stopped)
		return;
	a->is_stopped = true;
	a->results.is_incomplete = true;
	clear_line(a);
	say_unresolved(a, why);
	/* Names that are still asked for are given up without a call. */
	audit_resolver_free(a->resolver);
	a->resolver = NULL;
	close_run(a);
	if (a->run != NULL)
		audit_run_stop(a->run, why);
}

static void on_signal(uv_signal_t *s, int number)
{
	struct audit *a = s->data;
	(void)number;
	clear_line(a);
	uv_signal_stop(&a->interrupt);
	uv_signal_stop(&a->terminate);
	fputs("postern: interrupted; this is what is known so far\n", stderr);
	stop(a, "interrupted");
}

/* The run keeps its own deadline; this is for names that nobody answers. */
static void on_deadline(uv_timer_t *t)
{
	struct audit *a = t->data;
	if (a->resolving > 0 || a->next < a->args.input_count)
		stop(a, "the deadline has passed");
}

static void start_handles(struct audit *a)
{
	/* These fail only for numbers that are no signals. */
	uv_signal_init(&a->loop, &a->interrupt);
	uv_signal_init(&a->loop, &a->terminate);
	uv_timer_init(&a->loop, &a->deadline);
	a->interrupt.data = a->terminate.data = a->deadline.data = a;
	uv_signal_start(&a->interrupt, on_signal, SIGINT);
	uv_signal_start(&a->terminate, on_signal, SIGTERM);
	if (a->args.run.deadline_s != 0)
		uv_timer_start(
			&a->deadline, on_deadline, (uint64_t)a->args.run.deadline_s * 1000, 0);
	uv_unref((uv_handle_t *)&a->interrupt);
	uv_unref((uv_handle_t *)&a->terminate);
	uv_unref((uv_handle_t *)&a->deadline);
}

static int run(struct audit *a)
{
	char why[256];
	struct audit_run_calls calls = {
		.gateway = on_gateway, .progress = on_progress, .end = on_end, .arg = a
	};
	int rc = EXIT_LOCAL;
	if (uv_loop_init(&a->loop) < 0) {
		say_trouble("no event loop: out of descriptors or memory");
		return EXIT_LOCAL;
	}
	start_handles(a);
	a->resolver = audit_resolver_new(&a->loop, &a->args.domain, why);
	if (a->resolver == NULL) {
		say_trouble("%s", why);
		goto out;
	}
	a->run = audit_run_new(&a->loop, &a->args.run, &calls);
	if (a->run == NULL) {
		say_trouble("no memory for the audit");
		audit_resolver_free(a->resolver);
		a->resolver = NULL;
		goto out;
	}
	ask_next(a);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	rc = EXIT_DONE;
out:
	close_handle((uv_handle_t *)&a->interrupt);
	close_handle((uv_handle_t *)&a->terminate);
	close_handle((uv_handle_t *)&a->deadline);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	audit_run_free(a->run);
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
	clear_line(a);
	return rc;
}

int cmd_audit(int argc, char **argv)
{
	static struct audit a;
	bool is_help;
	if (argc > 1 && strcmp(argv[1], "stealth") == 0)
		return audit_stealth_command(argc - 1, argv + 1);
	a = (struct audit){ 0 };
	int rc = audit_args_parse(argc, argv, &a.args, &is_help);
	if (rc == EXIT_DONE && !is_help) {
		rc = audit_results_init(&a.results, &a.args) == 0 ? run(&a) : EXIT_LOCAL;
		if (rc == EXIT_DONE)
			rc = audit_results_write(&a.results);
		audit_results_deinit(&a.results);
	}
	audit_args_deinit(&a.args);
	return rc;
}
