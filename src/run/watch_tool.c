/* Slurm's commands, one at a time: run/watch.h. */
#include <string.h>
#include <sys/mman.h>

#include "base/log.h"
#include "base/text.h"
#include "farm/slurm_run.h"
#include "farm/slurm_words.h"
#include "farm/visitor.h"
#include "run/watch.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	TOOL_MS = 30 * 1000,
	LIMIT_MS = 4 * 1000, /* who asked waits for 5 s */
	WORDS_MAX = 4096,
};

static const char *const names[] = {
	[TOOL_NONE] = "",	  [TOOL_KEY] = "openssl",
	[TOOL_SUBMIT] = "sbatch", [TOOL_LOOK] = "squeue",
	[TOOL_ADDRESS] = "sinfo", [TOOL_KNOCK] = "scancel",
	[TOOL_CANCEL] = "scancel", [TOOL_LIMIT] = "scontrol",
};

static int start(struct owner *o, enum tool tool, const struct argv *argv,
		 int in, struct err *e)
{
	struct watch *w = o->watch;
	struct child c = CHILD_INIT;
	struct slurm_env env;

	slurm_env(&o->config, &env);
	w->tool_out = memfd_create("said", MFD_CLOEXEC);
	w->tool_err = memfd_create("errors", MFD_CLOEXEC);
	if (w->tool_out < 0 || w->tool_err < 0)
		return err_sys(e, "memfd_create");
	c.argv = argv;
	c.in = in;
	c.out = w->tool_out;
	c.err = w->tool_err;
	c.env = env.list;
	c.dir = tool == TOOL_KEY ? o->dir_path : NULL;
	w->tool_pid = child_start(&c, e);
	if (w->tool_pid <= 0) {
		w->tool_pid = 0;
		return -1;
	}
	w->tool = tool;
	w->tool_until = clock_boot_ms() +
			(tool == TOOL_LIMIT ? LIMIT_MS : TOOL_MS);
	return 0;
}

void watch_tool_end(struct owner *o)
{
	struct watch *w = o->watch;

	child_end(&w->tool_pid, false);
	w->tool = TOOL_NONE;
	w->tool_until = 0;
	if (w->tool_out >= 0)
		close(TAKE_FD(w->tool_out));
	if (w->tool_err >= 0)
		close(TAKE_FD(w->tool_err));
}

static void read_words(int fd, struct buf *ret)
{
	char piece[1024];
	off_t at = 0;
	ssize_t got;

	/* A visitor's process may have made it as long as it likes. */
	while (!buf_failed(ret) &&
	       (got = pread(fd, piece, sizeof(piece), at)) > 0) {
		buf_add(ret, piece, (size_t)got);
		at += got;
	}
}

/* ---- What is wanted ---- */

static int submit(struct owner *o, struct err *e)
{
	AUTO_FREE char *sbatch = child_find_program("sbatch", e);
	AUTO_FREE char *program = realpath("/proc/self/exe", NULL);
	const struct slurm_order order = { .program = program,
					   .dir = o->watch->path,
					   .lifetime_s = o->watch->lifetime_s };
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_BUF struct buf script = BUF_INIT(8192);
	AUTO_CLOSE int in = memfd_create("script", MFD_CLOEXEC);

	if (!sbatch)
		return -1;
	if (!program || in < 0)
		return err_sys(e, "cannot prepare the batch script");
	slurm_submit_command(sbatch, &o->config, &o->s, &order, &argv);
	slurm_script(&order, &script);
	if (buf_failed(&script) ||
	    file_write_all(in, buf_str(&script), script.len) < 0 ||
	    lseek(in, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot write the batch script");
	return start(o, TOOL_SUBMIT, &argv, in, e);
}

/* `order` only for TOOL_SUBMIT. */
static int run_helper(struct owner *o, enum tool tool,
		      const struct job_order *order, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int in = -1;

	if (watch_visitor_command(o, tool, order, &argv, &in, e) < 0)
		return -1;
	return start(o, tool, &argv, in, e);
}

static int run_tool(struct owner *o, enum tool tool, struct err *e)
{
	struct watch *w = o->watch;
	AUTO_FREE char *program = child_find_program(names[tool], e);
	AUTO_ARGV struct argv argv = { 0 };

	if (!program)
		return -1;
	if (w->visitor && (tool == TOOL_KNOCK || tool == TOOL_CANCEL))
		return run_helper(o, tool, NULL, e);
	if (tool == TOOL_LOOK)
		slurm_look_command(program, o->s.job, &argv);
	else if (tool == TOOL_ADDRESS)
		slurm_address_command(program, w->mark.node, &argv);
	else if (tool == TOOL_KNOCK)
		slurm_knock_command(program, o->s.job, &argv);
	else if (tool == TOOL_CANCEL)
		slurm_cancel_command(program, o->s.job, &argv);
	else if (tool == TOOL_KEY)
		tunnel_key_command(program, &argv);
	else
		slurm_limit_command(
			program, o->s.job,
			slurm_minutes(&o->config,
				      (w->client_ends_ms -
				       o->s.started_boot_ms + 999) /
					      1000),
			&argv);
	return start(o, tool, &argv, -1, e);
}

/* One of the wishes; it is none any more. */
static bool take(bool *want)
{
	bool was = *want;

	*want = false;
	return was;
}

static enum tool choose(struct owner *o)
{
	struct watch *w = o->watch;

	if (!o->s.job || w->over)
		return TOOL_NONE;
	if (take(&w->want_cancel))
		return TOOL_CANCEL;
	if (take(&w->want_knock))
		return TOOL_KNOCK;
	if (take(&w->want_limit))
		return TOOL_LIMIT;
	if (take(&w->want_address))
		return TOOL_ADDRESS;
	if (clock_boot_ms() >= w->look_at)
		return TOOL_LOOK;
	return TOOL_NONE;
}

void watch_start_key(struct owner *o)
{
	struct err e = ERR_INIT;

	if (run_tool(o, TOOL_KEY, &e) == 0)
		return;
	log_error("slurm", &e);
	owner_fail(o, "The way to the display could not be made.");
}

void watch_next_tool(struct owner *o)
{
	struct err e = ERR_INIT;
	enum tool tool;

	if (o->watch->tool != TOOL_NONE || o->finished)
		return;
	tool = choose(o);
	if (tool == TOOL_NONE || run_tool(o, tool, &e) == 0)
		return;
	watch_tool_end(o);
	watch_on_away(o, e.msg);
}

/* ---- What they have said ---- */

static void on_key(struct owner *o, int status)
{
	struct job_order order = { .session = o->s,
				   .lifetime_s = o->watch->lifetime_s };
	struct err e = ERR_INIT;

	order.session.remote = true;
	order.session.token[0] = '\0';
	if (status != 0)
		err_set(&e, ERR_SYSTEM, "openssl made no key");
	if (status != 0 ||
	    tunnel_read_certificate(o->dir, order.certificate,
				    sizeof(order.certificate), &e) < 0 ||
	    (!o->watch->visitor &&
	     job_dir_write_order(o->watch->dir, &o->config, &order, o->order,
				 &e) < 0)) {
		log_error("slurm", &e);
		owner_fail(o, "The server could not prepare this machine.");
	} else if (o->watch->visitor ?
			   run_helper(o, TOOL_SUBMIT, &order, &e) < 0 :
			   submit(o, &e) < 0) {
		log_error("slurm", &e);
		owner_fail(o, "The server could not ask the cluster for a "
			      "place.");
	}
}

/* Who wanted it stopped meanwhile is told that it is. */
static void submit_failed(struct owner *o, const char *sentence)
{
	if (o->s.state >= SESSION_STOPPING)
		owner_end(o, "Stopped.");
	else
		owner_fail(o, sentence);
}

static bool is_unreachable(const char *errors)
{
	return strstr(errors, "Unable to contact") ||
	       strstr(errors, "Unable to establish") ||
	       strstr(errors, "Connection refused") ||
	       strstr(errors, "timed out") || strstr(errors, "authentication");
}

static void on_submit(struct owner *o, int status, const char *said,
		      const char *errors)
{
	char sentence[SESSION_REASON_SIZE];
	struct err e = ERR_INIT;
	bool hindered;
	long long job;
	char why[256];

	if (status == 0 && slurm_read_submitted(said, &job, &e) == 0) {
		watch_submitted(o, job);
		return;
	}
	hindered = o->watch->visitor && visitor_is_hindered(errors);
	if (hindered)
		snprintf(why, sizeof(why),
			 "sudo is kept from working by NoNewPrivileges or "
			 "nosuid: see examples/slurm-visitor.conf");
	else
		slurm_refusal(errors, why, sizeof(why));
	log_event("slurm", "session", o->s.name, "command", "sbatch", "result",
		  "refused", "message", status == 0 ? e.msg : why, NULL);
	if (o->watch->visitor && visitor_is_refused(errors)) {
		watch_visitor_strike(o);
		submit_failed(o, "Your account may not have machines on the "
				 "cluster. Ask the administrator.");
		return;
	}
	if (hindered) {
		watch_visitor_strike(o);
		submit_failed(o, "This server is not set up to start machines "
				 "on the cluster for you. Tell the "
				 "administrator.");
		return;
	}
	if (status == 0 || is_unreachable(errors)) {
		o->watch->unsure = true;
		submit_failed(o, status == 0 ?
					 "The cluster's answer was not "
					 "understood. The administrator finds "
					 "it in the log." :
					 "The cluster's control does not "
					 "answer. Try again later.");
		return;
	}
	slurm_refusal_sentence(&o->s, why, sentence);
	submit_failed(o, sentence);
}

static void on_look(struct owner *o, int status, const char *said,
		    const char *errors)
{
	struct slurm_job job = { .state = SLURM_MISSING };
	struct err e = ERR_INIT;
	char why[256];

	if (status == 0 ? slurm_read_look(said, o->s.job, &job, &e) == 0 :
			  slurm_says_missing(errors)) {
		watch_on_job(o, &job);
		return;
	}
	slurm_refusal(errors, why, sizeof(why));
	watch_on_away(o, status == 0 ? e.msg : why);
}

static void on_address(struct owner *o, int status, const char *said)
{
	struct watch *w = o->watch;
	struct err e = ERR_INIT;

	/* The mark may have told meanwhile that somebody may set out. */
	watch_soon(o);
	if (status == 0 && slurm_read_address(said, w->address, &e) == 0)
		return;
	/* Its name, which the web host may know as well. */
	log_event("slurm", "session", o->s.name, "command", "sinfo", "result",
		  "failed", "message", e.msg, NULL);
	memcpy(w->address, w->mark.node, sizeof(w->address));
}

static void on_cancel(struct owner *o, int status, const char *errors)
{
	char why[256];

	o->watch->look_at = clock_boot_ms();
	o->watch->look_wait = 0;
	if (status == 0 || slurm_says_over(errors))
		return;
	slurm_refusal(errors, why, sizeof(why));
	watch_on_away(o, why);
	o->watch->want_cancel = true;
	owner_deadline(o, DEADLINE_STOP, 0);
}

static void on_limit(struct owner *o, int status, const char *errors)
{
	struct err e = ERR_INIT;
	char why[256];

	slurm_refusal(errors, why, sizeof(why));
	if (status != 0)
		err_set(&e, ERR_CONFLICT,
			"The cluster does not give it more time: %s.",
			*why ? why : "it did not say why");
	watch_answer(o, status == 0 ? 0 : -1, &e);
}

void watch_tool_ended(struct owner *o, int status)
{
	struct watch *w = o->watch;
	AUTO_BUF struct buf said = BUF_INIT(WORDS_MAX);
	AUTO_BUF struct buf errors = BUF_INIT(WORDS_MAX);
	enum tool tool = w->tool;

	w->tool_pid = 0;
	read_words(w->tool_out, &said);
	read_words(w->tool_err, &errors);
	watch_tool_end(o);
	/* What is cut would be misread, and nothing is an answer, too. */
	if (buf_failed(&said)) {
		buf_reset(&said);
		buf_puts(&said, "too much\n");
	}
	if (tool == TOOL_KEY)
		on_key(o, status);
	else if (tool == TOOL_SUBMIT)
		on_submit(o, status, buf_str(&said), buf_str(&errors));
	else if (tool == TOOL_LOOK)
		on_look(o, status, buf_str(&said), buf_str(&errors));
	else if (tool == TOOL_ADDRESS)
		on_address(o, status, buf_str(&said));
	else if (tool == TOOL_CANCEL)
		on_cancel(o, status, buf_str(&errors));
	else if (tool == TOOL_LIMIT)
		on_limit(o, status, buf_str(&errors));
}

void watch_tool_late(struct owner *o)
{
	struct watch *w = o->watch;
	enum tool tool = w->tool;
	struct err e = ERR_INIT;

	if (tool == TOOL_NONE || clock_boot_ms() < w->tool_until)
		return;
	log_event("slurm", "session", o->s.name, "command", names[tool],
		  "result", "timeout", NULL);
	watch_tool_end(o);
	if (tool == TOOL_SUBMIT) {
		w->unsure = true;
		submit_failed(o, "The cluster's control does not answer. Try "
				 "again later.");
	} else if (tool == TOOL_KEY) {
		owner_fail(o, "The way to the display could not be made.");
	} else if (tool == TOOL_LIMIT) {
		err_set(&e, ERR_CONFLICT,
			"The cluster's control does not answer, so this "
			"desktop cannot be given more time now. Try again "
			"later.");
		watch_answer(o, -1, &e);
	} else {
		w->want_cancel = w->want_cancel || tool == TOOL_CANCEL;
		watch_on_away(o, "it does not answer");
	}
}
