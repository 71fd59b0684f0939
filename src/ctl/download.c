/* qwdctl download: which machines, several at a time, then refresh. */
#include "ctl/ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/download_machine.h"
#include "ctl/progress.h"
#include "ctl/refresh.h"
#include "sys/file.h"

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

/* What would end us asks to stop in place of it: the part is removed. */
static void catch_signals(void)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct sigaction action = { .sa_handler = on_signal };

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		struct sigaction old;

		/* nohup's choice stays. */
		if (sigaction(signals[i], NULL, &old) == 0 &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
	}
}

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
	bool force;
	bool dry_run;
	bool quiet;
	long long jobs;
	char *const *names; /* none: all that have a url */
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
};

static int complain(struct progress *p, const char *name, const char *problem)
{
	progress_say(p, stderr, "qwdctl download: %s: %s\n", name, problem);
	return CTL_FAILED;
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

static bool is_unprotected(const struct machine *machine)
{
	char url[URL_MAX + 1];

	for (size_t i = 0; machine_url(machine, i, url); i++)
		if (!*machine->sha256 && text_starts(url, "http:"))
			return true;
	return false;
}

static int one(const struct pool *pool, const struct machine *machine)
{
	const struct download *d = pool->download;
	struct err e = ERR_INIT;
	struct downloaded done;

	if (is_unprotected(machine))
		progress_say(d->progress, stderr,
			     "qwdctl download: %s: warning: http without a "
			     "sha256: whoever is between can change it\n",
			     machine->name);
	if (download_machine(d, machine, &done, &e) < 0)
		return complain(d->progress, machine->name, e.msg);
	if (!pool->order->quiet)
		tell(d, machine, &done);
	return CTL_DONE;
}

static void *work(void *arg)
{
	struct pool *pool = arg;

	pthread_mutex_lock(&pool->lock);
	while (pool->next < pool->order->count && !stop) {
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
static int fetch_all(const struct order *o, const struct download *d)
{
	struct pool pool = { .order = o, .download = d, .result = CTL_DONE };
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

	for (char *const *name = o->names; *name; name++) {
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
	if (*o->names)
		return choose_named(o, m, p);
	for (size_t i = 0; i < m->count; i++)
		if (*m->list[i].url)
			o->list[o->count++] = &m->list[i];
	if (!o->count && !o->quiet)
		printf("no machine has a url: nothing to download\n");
	return CTL_DONE;
}

static int usage(const char *option)
{
	fprintf(stderr,
		"qwdctl download: %s: unknown option; usage: qwdctl download "
		"[--force] [--jobs=1..8] [--dry-run] [--quiet] [NAME...]\n",
		option);
	return CTL_USAGE;
}

/* Take the options off; the names remain. */
static int read_arguments(char **argv, struct order *o)
{
	static const char jobs[] = "--jobs=";

	for (argv++; *argv && text_starts(*argv, "-"); argv++) {
		if (strcmp(*argv, "--force") == 0)
			o->force = true;
		else if (strcmp(*argv, "--dry-run") == 0)
			o->dry_run = true;
		else if (strcmp(*argv, "--quiet") == 0)
			o->quiet = true;
		else if (!text_starts(*argv, jobs) ||
			 !text_long(*argv + strlen(jobs), 1, PROGRESS_BARS,
				    &o->jobs))
			return usage(*argv);
	}
	o->names = argv;
	return CTL_DONE;
}

static int download(const struct config *c, const struct machines *m,
		    struct order *o, struct err *e)
{
	AUTO_CLOSE int dirfd = lock_dir(c, e);
	struct progress progress;
	const struct download d = {
		.dirfd = dirfd,
		.proxy = c->service_proxy,
		.force = o->force,
		.dry_run = o->dry_run,
		.progress = &progress,
		.stop = &stop,
	};
	int result;

	if (dirfd < 0)
		return -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl does not start");
	progress_init(&progress, !o->quiet && isatty(STDERR_FILENO));
	result = choose(o, m, &progress);
	if (fetch_all(o, &d) != CTL_DONE)
		result = CTL_FAILED;
	progress_release(&progress);
	curl_global_cleanup();
	return result;
}

int ctl_download(const struct config *c, int argc, char **argv)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct order o = { .jobs = 3 };
	struct err e = ERR_INIT;
	int result = read_arguments(argv, &o);

	(void)argc;
	if (result != CTL_DONE)
		return result;
	catch_signals();
	if (machines_read(c->machines_conf, &m, &e) < 0)
		result = -1;
	else
		result = download(c, &m, &o, &e);
	if (result < 0) {
		fprintf(stderr, "qwdctl download: %s\n", e.msg);
		return CTL_FAILED;
	}
	if (o.dry_run)
		return result;
	if (refresh_and_print(c) != CTL_DONE)
		result = CTL_FAILED;
	return stop ? CTL_FAILED : result;
}
