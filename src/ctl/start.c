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
#include "sys/json.h"

enum {
	COUNT_MAX = 100,
	START_MS = 90 * 1000,
	LOOK_MS = 500,
	END_LOOKS = 60, /* of LOOK_MS: how long the end is waited for */
	WORDS_MAX = 16384,
};

struct order {
	const struct given *given;
	const char *machine;
	char *file; /* name of a file that was given by its path; else NULL */
	long long count;
	struct argv options; /* --name=value, for the program */
};

/* What was started. */
struct started {
	char names[COUNT_MAX][SESSION_NAME_SIZE];
	bool over[COUNT_MAX];
	size_t count;
	json_t *told; /* with --json: [{"name", "url"}] */
};

static int read_arguments(const struct given *g, struct order *o)
{
	const char *count = given_value(g, "count");

	o->given = g;
	o->count = 1;
	if (count && !text_long(count, 1, COUNT_MAX, &o->count))
		return command_usage(g->command,
				     "--count is a number from 1 to %d",
				     COUNT_MAX);
	for (size_t i = 0; i < g->count; i++) {
		if (text_starts(g->words[i], "--"))
			argv_add(&o->options, g->words[i]);
		else if (o->machine)
			return command_usage(g->command, "%s",
					     g->command->wanted);
		else
			o->machine = g->words[i];
	}
	if (o->machine)
		return CTL_DONE;
	command_usage(g->command, "%s", g->command->wanted);
	return CTL_USAGE;
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

/* "Session: NAME" and "URL: ADDRESS" of what the program prints; the rest is
 * for the user. */
static void take_answer(const struct given *g, char *text, struct started *s)
{
	static const char session[] = "Session: ";
	static const char url[] = "URL: ";
	const char *name = "";
	char *line;

	while ((line = strsep(&text, "\n")) != NULL) {
		if (text_starts(line, session) && s->count < COUNT_MAX &&
		    session_name_ok(line + strlen(session))) {
			name = line + strlen(session);
			snprintf(s->names[s->count++], SESSION_NAME_SIZE, "%s",
				 name);
		}
		if (g->json && text_starts(line, url))
			json_array_append_new(
				s->told, json_pack("{ss ss}", "name", name,
						   "url", line + strlen(url)));
		/* We follow it, and say how to stop it. */
		if (!g->json && *line && !text_starts(line, "Stop it with") &&
		    (!g->quiet || text_starts(line, url)))
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
		take_answer(o->given, out.data, s);
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
static bool look(const struct store *st, const struct given *g,
		 struct started *s)
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
		if (s->over[i] && !g->json)
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
static void follow(const struct store *st, const struct given *g,
		   struct started *s, int signals)
{
	struct pollfd p = { .fd = signals, .events = POLLIN };
	bool stopped = false;
	int looks = 0;

	while (!look(st, g, s) && looks < END_LOOKS) {
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

/* What was started, and how it ends. */
static int tell(const struct given *g, const struct started *s)
{
	if (g->json)
		return command_print_json(g, json_pack("{sO}", "sessions",
						       s->told));
	if (g->quiet || !s->count)
		return CTL_DONE;
	if (!given_has(g, "keep"))
		printf("Ctrl-C ends %s.\n", s->count == 1 ? "it" : "them");
	else
		for (size_t i = 0; i < s->count; i++)
			printf("Stop it with: qwdctl stop %s\n", s->names[i]);
	return fflush(stdout) == EOF ? CTL_FAILED : CTL_DONE;
}

static int start_all(const struct config *c, const struct order *o,
		     const struct store *st, struct started *s)
{
	AUTO_CLOSE int signals = open_signals();
	const struct given *g = o->given;
	struct err e = ERR_INIT;
	int status = CTL_DONE;

	if (signals < 0) {
		err_sys(&e, "signalfd");
		return command_fail(g, &e);
	}
	for (long long i = 0; i < o->count && status == CTL_DONE; i++)
		if (start_one(c, o, s, &e) < 0)
			status = command_fail(g, &e);
	if (tell(g, s) != CTL_DONE)
		status = CTL_FAILED;
	if (s->count && !given_has(g, "keep"))
		follow(st, g, s, signals);
	return status;
}

static int start(const struct config *c, const struct order *o,
		 const struct store *st)
{
	AUTO_FREE struct started *s = calloc(1, sizeof(*s));
	AUTO_JSON json_t *told = json_array();
	struct err e = ERR_INIT;

	if (o->given->dry_run) {
		if (!o->given->quiet && !o->given->json)
			printf("would start %lld of %s\n", o->count,
			       o->machine);
		return o->given->json ?
			       command_print_json(o->given,
						  json_pack("{sO}", "sessions",
							    told)) :
			       CTL_DONE;
	}
	if (!s || !told) {
		err_set(&e, ERR_SYSTEM, "no memory");
		return command_fail(o->given, &e);
	}
	s->told = told;
	return start_all(c, o, st, s);
}

int ctl_start(const struct config *c, const struct given *g)
{
	AUTO_STORE struct store st = STORE_INIT;
	struct order o = { .machine = NULL };
	struct err e = ERR_INIT;
	int status = read_arguments(g, &o);

	if (status == CTL_DONE && (resolve(c, &o, &e) < 0 ||
				   service_store_open(c, &st, &e) < 0))
		status = command_fail(g, &e);
	else if (status == CTL_DONE)
		status = start(c, &o, &st);
	argv_release(&o.options);
	free(o.file);
	return status;
}
