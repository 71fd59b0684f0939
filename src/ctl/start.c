/* qwdctl start: sessions by hand, followed until they are over. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "base/text.h"
#include "conf/catalogue.h"
#include "ctl/ctl.h"
#include "ctl/program.h"
#include "ctl/service_store.h"
#include "run/control.h"
#include "sys/child.h"

enum {
	COUNT_MAX = 100,
	START_MS = 90 * 1000,
	LOOK_MS = 500,
	END_LOOKS = 60, /* of LOOK_MS: how long the end is waited for */
	WORDS_MAX = 16384,
};

struct order {
	const char *machine;
	char *file; /* name of a file that was given by its path; else NULL */
	long long count;
	bool keep;
	bool quiet;
	struct argv options; /* --name=value, for the program */
};

/* What was started. */
struct started {
	char names[COUNT_MAX][SESSION_NAME_SIZE];
	bool over[COUNT_MAX];
	size_t count;
};

static int usage(const char *what)
{
	fprintf(stderr,
		"qwdctl start: %s\n"
		"Usage: qwdctl start MACHINE|FILE [--OPTION=VALUE...] "
		"[--count=N] [--keep] [--quiet]\n",
		what);
	return CTL_USAGE;
}

static int read_arguments(int argc, char **argv, struct order *o)
{
	static const char count[] = "--count=";

	o->count = 1;
	for (int i = 1; i < argc; i++) {
		const char *arg = argv[i];

		/* The Perl program's users write the number as a word. */
		if (strcmp(arg, "--count") == 0 && i + 1 < argc) {
			if (!text_long(argv[++i], 1, COUNT_MAX, &o->count))
				return usage("--count is a number from 1 to "
					     "100");
		} else if (text_starts(arg, count)) {
			if (!text_long(arg + strlen(count), 1, COUNT_MAX,
				       &o->count))
				return usage("--count is a number from 1 to "
					     "100");
		} else if (strcmp(arg, "--keep") == 0) {
			o->keep = true;
		} else if (strcmp(arg, "--quiet") == 0) {
			o->quiet = true;
		} else if (text_starts(arg, "--") && strchr(arg, '=')) {
			argv_add(&o->options, arg);
		} else if (arg[0] == '-' || o->machine) {
			return usage("name one machine, or one file");
		} else {
			o->machine = arg;
		}
	}
	return o->machine ? CTL_DONE : usage("name a machine, or a file");
}

/* A file by its path, where it is no machine of ours. */
static int resolve(const struct config *c, struct order *o, struct err *e)
{
	AUTO_CATALOGUE struct catalogue known = { .list = NULL };
	struct err ignored = ERR_INIT;
	char path[PATH_MAX];
	char *slash;

	if (catalogue_load(c, &known, &ignored) == 0 &&
	    catalogue_find(&known, o->machine))
		return 0;
	if (!realpath(o->machine, path))
		return strchr(o->machine, '/') ?
			       err_sys(e, "cannot open %s", o->machine) :
			       err_set(e, ERR_NOT_FOUND,
				       "%s is neither a machine ('qwdctl "
				       "status' lists them) nor a file here",
				       o->machine);
	slash = strrchr(path, '/');
	*slash = '\0';
	if (!text_is_file_name(slash + 1))
		return err_set(e, ERR_CONFIG,
			       "the file's name may have letters, digits and "
			       "._+@=,- only");
	argv_addf(&o->options, "--dir_machines=%s", path);
	o->file = strdup(slash + 1);
	if (!o->file)
		return err_set(e, ERR_SYSTEM, "no memory");
	o->machine = o->file;
	return 0;
}

/* "Session: NAME" of what the program prints; the rest is for the user. */
static void take_answer(char *text, bool quiet, struct started *s)
{
	static const char session[] = "Session: ";
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (text_starts(line, session) && s->count < COUNT_MAX &&
		    session_name_ok(line + strlen(session)))
			snprintf(s->names[s->count++], SESSION_NAME_SIZE, "%s",
				 line + strlen(session));
		/* We follow it, and say how to stop it. */
		if (*line && !text_starts(line, "Stop it with") &&
		    (!quiet || text_starts(line, "URL: ")))
			printf("%s\n", line);
	}
	fflush(stdout);
}

static int start_one(const struct config *c, const struct order *o,
		     struct started *s, struct err *e)
{
	AUTO_FREE char *program = program_find(e);
	AUTO_BUF struct buf out = BUF_INIT(WORDS_MAX);
	AUTO_BUF struct buf err = BUF_INIT(WORDS_MAX);
	AUTO_FREE char *here = getcwd(NULL, 0);
	AUTO_ARGV struct argv argv = { 0 };
	struct child child = CHILD_INIT;
	int status;

	if (!program)
		return -1;
	argv_add(&argv, program);
	if (c->file[0])
		argv_addf(&argv, "--config=%s", c->file);
	for (size_t i = 0; i < o->options.count; i++)
		argv_add(&argv, o->options.list[i]);
	argv_addf(&argv, "--machine=%s", o->machine);
	child.argv = &argv;
	child.dir = here;
	if (child_run(&child, NULL, &out, &err, START_MS, &status, e) < 0)
		return -1;
	if (out.len)
		take_answer(out.data, o->quiet, s);
	if (status == 0)
		return 0;
	return err_set(e, ERR_CONFLICT, "%.400s",
		       err.len ? text_trim(err.data) :
				 "the machine did not start");
}

/* ---- Following ---- */

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Tell of those that are over; true if all are. */
static bool look(const struct store *st, struct started *s)
{
	bool all = true;

	for (size_t i = 0; i < s->count; i++) {
		struct err ignored = ERR_INIT;
		struct session now;

		if (s->over[i])
			continue;
		if (store_read_true(st, s->names[i], &now, &ignored) < 0) {
			s->over[i] = true;
			continue;
		}
		s->over[i] = session_is_final(&now);
		all = all && s->over[i];
		if (s->over[i])
			printf("%s: %s: %s\n", now.name,
			       session_state_name(now.state), now.reason);
		fflush(stdout);
	}
	return all;
}

static void stop_all(const struct store *st, const struct started *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct err e = ERR_INIT;
		struct session now;

		if (!s->over[i] &&
		    control_stop(st, s->names[i], true, "the administrator",
				 &now, &e) < 0)
			fprintf(stderr, "qwdctl start: %s: %s\n", s->names[i],
				e.msg);
	}
}

/* Until all are over; a signal ends them first. */
static void follow(const struct store *st, struct started *s, int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };
	bool stopped = false;
	int looks = 0;

	while (!look(st, s) && looks < END_LOOKS) {
		struct signalfd_siginfo info;

		if (stopped)
			looks++;
		if (poll(&p, 1, LOOK_MS) > 0 &&
		    read(signals, &info, sizeof(info)) > 0) {
			stop_all(st, s);
			stopped = true;
		}
	}
}

static int start_all(const struct config *c, const struct order *o,
		     struct store *st)
{
	struct started *s = calloc(1, sizeof(*s));
	AUTO_CLOSE int signals = open_signals();
	struct err e = ERR_INIT;
	int status = CTL_DONE;

	if (!s || signals < 0) {
		fprintf(stderr, "qwdctl start: no memory\n");
		free(s);
		return CTL_FAILED;
	}
	for (long long i = 0; i < o->count && status == CTL_DONE; i++) {
		if (start_one(c, o, s, &e) < 0) {
			fprintf(stderr, "qwdctl start: %s\n", e.msg);
			status = CTL_FAILED;
		}
	}
	if (s->count && o->keep) {
		if (!o->quiet)
			for (size_t i = 0; i < s->count; i++)
				printf("Stop it with: qwdctl stop %s\n",
				       s->names[i]);
	} else if (s->count) {
		if (!o->quiet)
			printf("Ctrl-C ends %s.\n",
			       s->count == 1 ? "it" : "them");
		fflush(stdout);
		follow(st, s, signals);
	}
	free(s);
	return status;
}

int ctl_start(const struct config *c, int argc, char **argv)
{
	AUTO_STORE struct store st = STORE_INIT;
	struct order o = { .machine = NULL };
	struct err e = ERR_INIT;
	int status = read_arguments(argc, argv, &o);

	if (status == CTL_DONE && (resolve(c, &o, &e) < 0 ||
				   service_store_open(c, &st, &e) < 0)) {
		fprintf(stderr, "qwdctl start: %s\n", e.msg);
		status = CTL_FAILED;
	} else if (status == CTL_DONE) {
		status = start_all(c, &o, &st);
	}
	argv_release(&o.options);
	free(o.file);
	return status;
}
