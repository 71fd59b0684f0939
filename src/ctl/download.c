/* qwdctl download: which machines, one after the other, then refresh. */
#include "ctl/ctl.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>

#include "base/text.h"
#include "conf/machines.h"
#include "ctl/download_machine.h"
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

static int complain(const char *name, const char *problem)
{
	fprintf(stderr, "qwdctl download: %s: %s\n", name, problem);
	return CTL_FAILED;
}

static int one(const struct download *d, const struct machine *machine)
{
	struct err e = ERR_INIT;
	long long size;

	if (text_starts(machine->url, "http:") && !*machine->sha256)
		fprintf(stderr,
			"qwdctl download: %s: warning: http without a sha256: "
			"whoever is between can change it\n",
			machine->name);
	if (download_machine(d, machine, &size, &e) < 0)
		return complain(machine->name, e.msg);
	if (size < 0)
		printf("%s: unchanged\n", machine->name);
	else
		printf("%s: fetched, %lld MB\n", machine->name,
		       (size + 500000) / 1000000);
	fflush(stdout);
	return CTL_DONE;
}

/* The machines that have a url, and whether there is any. */
static int all(const struct download *d, const struct machines *m)
{
	int result = CTL_DONE;
	bool any = false;

	for (size_t i = 0; i < m->count && !stop; i++) {
		if (!*m->list[i].url)
			continue;
		any = true;
		if (one(d, &m->list[i]) != CTL_DONE)
			result = CTL_FAILED;
	}
	if (!any && !stop)
		printf("no machine has a url: nothing to download\n");
	return result;
}

static int named(const struct download *d, const struct machines *m,
		 char *const *names)
{
	int result = CTL_DONE;

	for (; *names && !stop; names++) {
		const struct machine *machine = machines_find(m, *names);
		int done;

		if (!machine)
			done = complain(*names, "is not in machines.conf");
		else if (!*machine->url)
			done = complain(*names, "has no url in machines.conf");
		else
			done = one(d, machine);
		if (done != CTL_DONE)
			result = CTL_FAILED;
	}
	return result;
}

/* Take the options off; the names remain.  False if one is unknown. */
static bool options(char **argv, bool *force, char *const **names)
{
	*force = false;
	for (argv++; *argv && text_starts(*argv, "-"); argv++) {
		if (strcmp(*argv, "--force") != 0) {
			fprintf(stderr,
				"qwdctl download: %s: unknown option; "
				"usage: qwdctl download [--force] [NAME...]\n",
				*argv);
			return false;
		}
		*force = true;
	}
	*names = argv;
	return true;
}

static int download(const struct config *c, const struct machines *m,
		    bool force, char *const *names, struct err *e)
{
	AUTO_CLOSE int dirfd = lock_dir(c, e);
	const struct download d = {
		.dirfd = dirfd,
		.proxy = c->service_proxy,
		.force = force,
		.show = isatty(STDERR_FILENO) != 0,
		.stop = &stop,
	};

	if (dirfd < 0)
		return -1;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		return err_set(e, ERR_SYSTEM, "libcurl does not start");
	return *names ? named(&d, m, names) : all(&d, m);
}

int ctl_download(const struct config *c, int argc, char **argv)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;
	char *const *names;
	int result;
	bool force;

	(void)argc;
	if (!options(argv, &force, &names))
		return CTL_USAGE;
	catch_signals();
	if (machines_read(c->machines_conf, &m, &e) < 0)
		result = -1;
	else
		result = download(c, &m, force, names, &e);
	if (result < 0) {
		fprintf(stderr, "qwdctl download: %s\n", e.msg);
		return CTL_FAILED;
	}
	curl_global_cleanup();
	if (refresh_and_print(c) != CTL_DONE)
		result = CTL_FAILED;
	return stop ? CTL_FAILED : result;
}
