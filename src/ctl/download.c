/* qwdctl download: which machines, several at a time, then refresh. */
#include "ctl/ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/download_machine.h"
#include "ctl/interrupt.h"
#include "ctl/progress.h"
#include "ctl/refresh.h"
#include "sys/file.h"
#include "sys/json.h"

/* dir_machines, made if it is missing, for this process alone. */
static int lock_dir(const struct config *c, struct err *e)
{
	int fd;

	if (file_make_dirs(c->dir_machines, 0755, e) < 0)
		return -1;
	fd = open(c->dir_machines, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open %s", c->dir_machines);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK)
			err_set(e, ERR_BUSY, "another download is running");
		else
			err_sys(e, "cannot lock %s", c->dir_machines);
		close(fd);
		return -1;
	}
	return fd;
}

/* What was asked for, and the machines that are to be fetched. */
struct order {
	const struct given *given;
	long long jobs;
	const struct machine *list[MACHINES_MAX];
	size_t count;
};

/* Several machines at a time, each by one thread. */
struct pool {
	const struct order *order;
	const struct download *download;
	pthread_mutex_t lock;
	size_t next;
	int result;
	json_t *told; /* with --json: of each machine */
};

static int complain(struct progress *p, const char *name, const char *problem)
{
	progress_say(p, stderr, "qwdctl download: %s: %s\n", name, problem);
	return CTL_FAILED;
}

/* ---- Telling ---- */

static json_t *value_of(const struct machine *machine,
			const struct downloaded *done, const struct err *e)
{
	static const char *const words[] = { "unchanged", "fetched",
					     "would be asked for" };

	if (e)
		return json_pack("{ss ss ss}", "name", machine->name, "result",
				 "failed", "message", e->msg);
	return json_pack("{ss ss sI ss}", "name", machine->name, "result",
			 words[done->result], "size", (json_int_t)done->size,
			 "url", done->url);
}

static void tell(const struct download *d, const struct machine *machine,
		 const struct downloaded *done)
{
	const char *name = machine->name;
	bool several = strcmp(machine->url, done->url) != 0;

	switch (done->result) {
	case DOWNLOAD_UNCHANGED:
		progress_say(d->progress, stdout, "%s: unchanged\n", name);
		break;
	case DOWNLOAD_WOULD_ASK:
		progress_say(d->progress, stdout, "%s: would come from %s\n",
			     name, done->url);
		break;
	case DOWNLOAD_FETCHED:
		progress_say(d->progress, stdout, "%s: fetched, %lld MB%s%s\n",
			     name, (done->size + 500000) / 1000000,
			     several ? ", from " : "",
			     several ? done->url : "");
		break;
	}
}

static int one(struct pool *pool, const struct machine *machine)
{
	const struct given *g = pool->order->given;
	const struct download *d = pool->download;
	struct err e = ERR_INIT;
	struct downloaded done;
	int result;

	result = download_machine(d, machine, &done, &e);
	if (g->json) {
		pthread_mutex_lock(&pool->lock);
		json_array_append_new(pool->told,
				      value_of(machine, &done,
					       result < 0 ? &e : NULL));
		pthread_mutex_unlock(&pool->lock);
	}
	if (result < 0)
		return complain(d->progress, machine->name, e.msg);
	if (!g->quiet && !g->json)
		tell(d, machine, &done);
	return CTL_DONE;
}

static void *work(void *arg)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (pool->next < pool->order->count && !interrupt_stop) {
		const struct machine *machine =
			pool->order->list[pool->next++];
		int result;

		pthread_mutex_unlock(&pool->lock);
		result = one(pool, machine);
		pthread_mutex_lock(&pool->lock);
		if (result != CTL_DONE)
			pool->result = result;
	}
	pthread_mutex_unlock(&pool->lock);
	return NULL;
}

/* This thread works too, so that it goes on where none other starts. */
static int fetch_all(const struct order *o, const struct download *d,
		     json_t *told)
{
	struct pool pool = { .order = o, .download = d, .result = CTL_DONE,
			     .told = told };
	pthread_t threads[PROGRESS_BARS];
	size_t started = 0;

	pthread_mutex_init(&pool.lock, NULL);
	while ((long long)started + 1 < o->jobs && started + 1 < o->count &&
	       pthread_create(&threads[started], NULL, work, &pool) == 0)
		started++;
	work(&pool);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&pool.lock);
	return pool.result;
}

/* ---- Choosing ---- */

static bool is_chosen(const struct order *o, const struct machine *machine)
{
	for (size_t i = 0; i < o->count; i++)
		if (o->list[i] == machine)
			return true;
	return false;
}

/* The machines by their names; a wrong one is told, and fails in the end. */
static int choose_named(struct order *o, const struct machines *m,
			struct progress *p)
{
	int result = CTL_DONE;

	for (char *const *name = o->given->words; *name; name++) {
		const struct machine *machine = machines_find(m, *name);

		if (!machine)
			result = complain(p, *name, "is not in machines.conf");
		else if (!*machine->url)
			result = complain(p, *name,
					  "has no url in machines.conf");
		else if (!is_chosen(o, machine))
			o->list[o->count++] = machine;
	}
	return result;
}

static int choose(struct order *o, const struct machines *m,
		  struct progress *p)
{
	if (o->given->count)
		return choose_named(o, m, p);
	for (size_t i = 0; i < m->count; i++)
		if (*m->list[i].url)
			o->list[o->count++] = &m->list[i];
	if (!o->count && !o->given->quiet && !o->given->json)
		printf("no machine has a url: nothing to download\n");
	return CTL_DONE;
}

/* *ret_result: CTL_DONE, or CTL_FAILED where a machine failed. */
static int download(const struct config *c, const struct machines *m,
		    struct order *o, json_t *told, int *ret_result,
		    struct err *e)
{
	const struct given *g = o->given;
	AUTO_CLOSE int dirfd = lock_dir(c, e);
	struct progress progress;
	const struct download d = {
		.dirfd = dirfd,
		.proxy = c->service_proxy,
		.force = given_has(g, "force"),
		.insecure = given_has(g, "insecure"),
		.dry_run = g->dry_run,
		.progress = &progress,
		.stop = &interrupt_stop,
	};

	if (dirfd < 0)
		return -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl does not start");
	progress_init(&progress, !g->quiet && isatty(STDERR_FILENO));
	*ret_result = choose(o, m, &progress);
	if (fetch_all(o, &d, told) != CTL_DONE)
		*ret_result = CTL_FAILED;
	progress_release(&progress);
	curl_global_cleanup();
	return 0;
}

int ctl_download(const struct config *c, const struct given *g)
{
	AUTO_JSON json_t *told = g->json ? json_array() : NULL;
	AUTO_MACHINES struct machines m = { .list = NULL };
	const char *jobs = given_value(g, "jobs");
	struct order o = { .given = g, .jobs = 3 };
	/* Its own telling is enough. */
	struct given quiet = { .command = g->command, .quiet = true };
	struct err e = ERR_INIT;
	int result = CTL_DONE;

	if (jobs && !text_long(jobs, 1, PROGRESS_BARS, &o.jobs))
		return command_usage(g->command,
				     "--jobs is a number from 1 to %d",
				     PROGRESS_BARS);
	interrupt_catch();
	if (machines_read(c->machines_conf, &m, &e) < 0 ||
	    download(c, &m, &o, told, &result, &e) < 0)
		return command_fail(g, &e);
	if (!g->dry_run &&
	    refresh_and_print(c, g->json ? &quiet : g) != CTL_DONE)
		result = CTL_FAILED;
	if (g->json &&
	    command_print_json(g, json_pack("{sO}", "machines", told)) !=
		    CTL_DONE)
		return CTL_FAILED;
	return interrupt_stop ? CTL_FAILED : result;
}
