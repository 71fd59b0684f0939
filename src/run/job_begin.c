#include "run/job_state.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/text.h"
#include "run/control.h"
#include "session/admission.h"
#include "sys/file.h"
#include "sys/news.h"

static void fail(struct job *j, const char *sentence, const struct err *e)
{
	struct session *s = &j->order.session;

	log_error("job", e);
	s->state = SESSION_FAILED;
	snprintf(s->reason, sizeof(s->reason), "%s", sentence);
	job_say(j, s);
}

static int option(struct job *j, struct err *e, const char *name,
		  const char *value)
{
	char *text;

	if (asprintf(&text, "--%s=%s", name, value) < 0)
		return err_set(e, ERR_SYSTEM, "no memory");
	j->options[j->option_count++] = text;
	return 0;
}

/* The configuration that the job was given, with this node's own places. */
static int configure(struct job *j, struct err *e)
{
	AUTO_FREE char *file = file_join(j->path, "config");
	struct config *c = &j->config;
	AUTO_FREE char *store = NULL;
	AUTO_FREE char *history = NULL;

	if (!file)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (config_init(c, e) < 0 || config_read(c, file, true, e) < 0)
		return -1;
	if (asprintf(&store, "%s/%s-node-%u", c->slurm_scratch, c->service,
		     (unsigned)geteuid()) < 0)
		store = NULL;
	/* Not in the job's directory, which it would make anew after the end;
	 * the one that counts is the web host's. */
	history = store ? file_join(store, "history") : NULL;
	if (!history)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (option(j, e, "config", file) < 0 ||
	    option(j, e, "dir_cfg", store) < 0 ||
	    option(j, e, "dir_history", history) < 0 ||
	    option(j, e, "launcher", "fork") < 0)
		return -1;
	if (config_set(c, "dir_cfg", store, e) < 0 ||
	    config_set(c, "dir_history", history, e) < 0 ||
	    /* Here it is to run, and other jobs are none of our business. */
	    config_set(c, "launcher", "fork", e) < 0)
		return -1;
	return config_finish(c, e);
}

/*
 * Ours is the directory of that name, and none within another's of that name,
 * which store_open() would make: whoever has made that could exchange what is
 * in it, also the configuration of our stunnels.
 */
static int open_store(struct job *j, struct err *e)
{
	const char *scratch = j->config.slurm_scratch;
	AUTO_CLOSE int own = -1;
	struct stat st;

	if (stat(scratch, &st) < 0)
		return err_sys(e, "cannot look at %s", scratch);
	if ((st.st_mode & S_IWOTH) && !(st.st_mode & S_ISVTX))
		return err_set(e, ERR_CONFIG,
			       "slurm_scratch: in %s anybody may exchange "
			       "what is another's; chmod +t %s",
			       scratch, scratch);
	own = file_private_dir(AT_FDCWD, j->config.dir_cfg, e);
	return own < 0 ? err_prefix(e, "slurm_scratch") :
			 store_open(&j->config, &j->st, e);
}

/* Where the disk is made: beside us, or on the node. */
static int choose_disk(struct job *j, struct err *e)
{
	bool shared = strcmp(j->config.slurm_overlay, "shared") == 0;
	AUTO_CLOSE int dir = file_private_dir(shared ? j->dir : j->st.dir,
					      "disk", e);
	AUTO_FREE char *path = file_join(shared ? j->path : j->st.path,
					 "disk");

	if (dir < 0)
		return -1;
	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	return config_set(&j->config, "dir_snapshots", path, e) < 0 ?
		       -1 :
		       option(j, e, "dir_snapshots", path);
}

static int start_owner(struct job *j, int lock, struct err *e)
{
	const char *name = j->order.session.name;
	AUTO_CLOSE int control = control_listen(&j->st, name, e);
	AUTO_CLOSE int script = -1;
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;
	int keep[3] = { lock, control };

	if (control < 0 || (script = job_dir_open_script(j->dir, e)) < 0)
		return -1;
	if (script == 0)
		script = -1;
	argv_add(&argv, "/proc/self/exe");
	argv_add(&argv, "--session-owner");
	argv_add(&argv, name);
	argv_addf(&argv, "%d", lock);
	argv_addf(&argv, "%d", control);
	argv_addf(&argv, "%d", script < 0 ? 0 : script);
	for (size_t i = 0; i < j->option_count; i++)
		argv_add(&argv, j->options[i]);
	keep[2] = script;
	c.argv = &argv;
	c.err = STDERR_FILENO;
	c.keep = keep;
	c.keep_count = script < 0 ? 2 : 3;
	j->owner = child_start(&c, e);
	if (j->owner > 0)
		return 0;
	j->owner = 0;
	return -1;
}

static int start_key(struct job *j, struct err *e)
{
	AUTO_ARGV struct argv argv = { 0 };
	struct child c = CHILD_INIT;

	j->key_program = child_find_program("openssl", e);
	if (!j->key_program)
		return -1;
	tunnel_key_command(j->key_program, &argv);
	c.argv = &argv;
	c.dir = j->run_path;
	j->key = child_start(&c, e);
	if (j->key > 0)
		return 0;
	j->key = 0;
	return -1;
}

static int open_tunnel(struct job *j, struct err *e)
{
	char target[64];
	struct tunnel *t = &j->tunnel;

	if (asprintf(&j->run_path, "%s/run/%s", j->st.path,
		     j->order.session.name) < 0) {
		j->run_path = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	j->run = file_private_dir(j->st.run, j->order.session.name, e);
	if (j->run < 0)
		return -1;
	news_add(j->news, j->run, IN_CREATE);
	t->dir = j->run;
	t->path = j->run_path;
	t->inherited = j->run;
	t->program = child_find_program("stunnel", e);
	/* By the descriptor: the path may be longer than unix(7) allows. */
	snprintf(target, sizeof(target), "/proc/self/fd/%d/vnc", j->run);
	if (!t->program ||
	    tunnel_configure(t, false, target, j->order.certificate, e) < 0 ||
	    start_key(j, e) < 0)
		return -1;
	return tunnel_listen_tcp(t, j->config.slurm_port, e);
}

static int open_signals(struct job *j, struct err *e)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return err_sys(e, "sigprocmask");
	signal(SIGPIPE, SIG_IGN);
	j->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return j->signals < 0 ? err_sys(e, "signalfd") : 0;
}

int job_begin(struct job *j)
{
	struct session *s = &j->order.session;
	AUTO_CLOSE int lock = -1;
	struct err e = ERR_INIT;

	if (configure(j, &e) < 0 || open_store(j, &e) < 0 ||
	    choose_disk(j, &e) < 0) {
		fail(j, "The cluster's computer is not ready for machines.",
		     &e);
		return -1;
	}
	lock = admission_adopt(&j->st, s, j->order.lifetime_s, &e);
	if (lock < 0) {
		fail(j, e.code == ERR_BUSY ?
				e.msg :
				"The cluster's computer could not give this "
				"machine a place.",
		     &e);
		return -1;
	}
	job_say(j, s);
	j->news = news_of(j->st.dir, IN_MOVED_TO);
	if (open_tunnel(j, &e) == 0 && start_owner(j, lock, &e) == 0)
		return 0;
	fail(j, "The cluster's computer could not start a process for this "
		"machine.",
	     &e);
	child_end(&j->key, false);
	(void)!store_forget(&j->st, s->name, &e);
	return -1;
}

/* Whose job it is: Slurm's word for it, in the environment of each job. */
static int identify(struct job *j, struct err *e)
{
	const char *number = getenv("SLURM_JOB_ID");
	const char *node = getenv("SLURMD_NODENAME");

	if (!number || !text_long(number, 1, 1LL << 31, &j->mark.job) ||
	    !node || strlen(node) >= sizeof(j->mark.node) ||
	    !text_only(node, "-._"))
		return err_set(e, ERR_FORBIDDEN,
			       "only Slurm starts the job of a session");
	memcpy(j->mark.node, node, strlen(node) + 1);
	return 0;
}

int job_adopt(struct job *j, struct err *e)
{
	struct job_wish wish;

	if (identify(j, e) < 0)
		return -1;
	j->dir = job_dir_open(j->path, geteuid(), e);
	if (j->dir < 0 ||
	    job_dir_claim(j->dir, j->mark.job, j->mark.node, e) < 0 ||
	    job_dir_read_wish(j->dir, &wish, e) < 0 ||
	    job_dir_read_order(j->dir, &j->order, e) < 0 ||
	    open_signals(j, e) < 0)
		return -1;
	return wish.stop;
}
