/*
 * qwd-visitor: does for a visitor's job what only the visitor may do.
 *
 *     sudo -n -u ACCOUNT qwd-visitor CONFIG      (farm/visitor.h)
 *
 * Runs as the visitor, who may do all of it himself: no right is won by it.
 * What it must withstand is the other side: a web service that was taken over
 * sends the request.  So the configuration is an argument, which sudo's rule
 * fixes, and must be root's; the account is the one that sudo has made it,
 * and must be a person's; and of the request nothing is believed that names a
 * program or a path (visitor_check_order()).
 *
 * Standard output, standard error and exit status are those of the command of
 * Slurm's that it becomes.  Status 1 with a sentence on standard error where
 * it does not come so far.
 */
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/options_slurm.h"
#include "farm/slurm.h"
#include "farm/slurm_run.h"
#include "farm/visitor.h"
#include "sys/core.h"
#include "sys/file.h"
#include "sys/user.h"
#include "visitor/trust.h"

enum { RANDOM_LEN = 20 }; /* of a session's name, behind the service's */

struct helper {
	struct config config;
	char account[SESSION_USER_SIZE];
	struct buf input;
	struct visitor_request request;
	const char *script; /* within input */
	int jobs;	    /* dir_slurm */
	char *path;	    /* of the job's directory */
};

/* ---- Who and with what ---- */

static int identify(struct helper *h, struct err *e)
{
	const struct passwd *p = getpwuid(getuid());

	if (user_is_borrowed())
		return err_set(e, ERR_FORBIDDEN,
			       "this program is installed set-user-id, which "
			       "it must not be");
	if (!p || strlen(p->pw_name) >= sizeof(h->account) ||
	    p->pw_uid < VISITOR_FIRST_UID || p->pw_uid == VISITOR_NOBODY_UID)
		return err_set(e, ERR_FORBIDDEN,
			       "user %u is no account of a person, and has no "
			       "jobs here",
			       (unsigned)getuid());
	memcpy(h->account, p->pw_name, strlen(p->pw_name) + 1);
	return 0;
}

/* The rule names it, but who may write to it has the last word; to what is
 * read with it, too (conf/options.h). */
static int trust_config(const char *file, struct err *e)
{
	AUTO_FREE char *more = strdup(file);
	AUTO_FREE char *directory = NULL;
	char *slash = more ? strrchr(more, '/') : NULL;

	if (trust_path(file, e) < 0)
		return -1;
	if (!slash)
		return err_set(e, ERR_SYSTEM, "no memory");
	*slash = '\0';
	directory = file_join(more, "config.d");
	return directory ? trust_directory(directory, e) :
			   err_set(e, ERR_SYSTEM, "no memory");
}

/* What need not be here must not be another's to make. */
static int trust_perhaps(const char *path, struct err *e)
{
	struct err why = ERR_INIT;

	if (trust_path(path, &why) == 0 || why.code == ERR_NOT_FOUND)
		return 0;
	*e = why;
	return -1;
}

/* Where jobs' directories are, where machines are described, and, where nodes
 * have them from a file system that they share, what is run there. */
static int trust_places(const struct config *c, struct err *e)
{
	if (trust_path(c->dir_slurm, e) < 0 ||
	    trust_perhaps(c->machines_conf, e) < 0 ||
	    trust_perhaps(c->slurm_program, e) < 0)
		return -1;
	return trust_perhaps(c->dir_libexec, e);
}

static int configure(struct helper *h, const char *file, struct err *e)
{
	struct config *c = &h->config;

	if (trust_config(file, e) < 0 || config_read(c, file, true, e) < 0 ||
	    config_finish(c, e) < 0)
		return -1;
	if (!config_has_visitors(c))
		return err_set(e, ERR_CONFIG,
			       "%s does not let visitors have jobs of their "
			       "own (slurm_user = visitor)",
			       file);
	if (trust_places(c, e) < 0)
		return -1;
	h->jobs = open(c->dir_slurm, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return h->jobs < 0 ? err_sys(e, "cannot open %s", c->dir_slurm) : 0;
}

/* He may have other jobs, whose names are none of the service's business. */
static bool is_of_service(const struct config *c, const char *name)
{
	size_t len = strlen(c->service);

	return text_starts(name, c->service) && name[len] == '-' &&
	       strlen(name + len + 1) == RANDOM_LEN;
}

static int read_request(struct helper *h, struct err *e)
{
	char piece[4096];
	ssize_t got;

	while ((got = read(STDIN_FILENO, piece, sizeof(piece))) > 0)
		buf_add(&h->input, piece, (size_t)got);
	if (got < 0)
		return err_sys(e, "cannot read the request");
	if (buf_failed(&h->input))
		return err_set(e, ERR_TOO_LARGE, "the request is too large");
	if (visitor_read(buf_str(&h->input), h->input.len, &h->request,
			 &h->script, e) < 0)
		return -1;
	if (!is_of_service(&h->config, h->request.name))
		return err_set(e, ERR_FORBIDDEN,
			       "%s is not a name of this service's sessions",
			       h->request.name);
	h->path = file_join(h->config.dir_slurm, h->request.name);
	return h->path ? 0 : err_set(e, ERR_SYSTEM, "no memory");
}

/* ---- What it does ---- */

/* Become one of Slurm's commands.  Returns only where that fails. */
static int become(const struct helper *h, const struct argv *argv, int in,
		  struct err *e)
{
	struct child c = CHILD_INIT;
	struct slurm_env env;

	slurm_env(&h->config, &env);
	c.argv = argv;
	c.in = in;
	c.out = STDOUT_FILENO;
	c.err = STDERR_FILENO;
	c.env = env.list;
	return child_become(&c, e);
}

/* Bytes in memory, to be read from their beginning. */
static int in_memory(const char *bytes, size_t len, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("bytes", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "memfd_create");
	if (file_write_all(fd, bytes, len) < 0 || lseek(fd, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot write to memory");
	return TAKE_FD(fd);
}

static int write_all(const struct helper *h, int dir, struct err *e)
{
	size_t len = h->input.len - (size_t)(h->script - buf_str(&h->input));
	const struct job_wish none = { .stop = false };
	AUTO_CLOSE int script = -1;

	if (len && (script = in_memory(h->script, len, e)) < 0)
		return -1;
	if (job_dir_write_wish(dir, &none, e) < 0)
		return -1;
	return job_dir_write_order(dir, &h->config, &h->request.order, script,
				   e);
}

static int submit(const struct helper *h, struct err *e)
{
	const struct job_order *o = &h->request.order;
	const struct slurm_order order = { .program = h->config.slurm_program,
					   .dir = h->path,
					   .lifetime_s = o->lifetime_s };
	AUTO_FREE char *sbatch = child_find_program("sbatch", e);
	AUTO_BUF struct buf text = BUF_INIT(8192);
	AUTO_ARGV struct argv argv = { 0 };
	AUTO_CLOSE int in = -1;

	if (!sbatch)
		return -1;
	slurm_submit_command(sbatch, &h->config, &o->session, &order, &argv);
	slurm_script(&order, &text);
	if (buf_failed(&text))
		return err_set(e, ERR_SYSTEM, "no memory");
	in = in_memory(buf_str(&text), text.len, e);
	return in < 0 ? -1 : become(h, &argv, in, e);
}

/* An image may be anybody's, but not where it is, nor where a link to it leads:
 * who may write there could put a link to a file of the visitor's. */
static int trust_image(const struct helper *h, struct err *e)
{
	AUTO_FREE char *path = file_join(h->config.dir_machines,
					 h->request.order.session.machine);
	AUTO_FREE char *real = path ? realpath(path, NULL) : NULL;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (!real)
		return err_sys(e, "cannot find %s", path);
	*strrchr(real, '/') = '\0';
	return trust_path(h->config.dir_machines, e) < 0 ?
		       -1 :
		       trust_path(*real ? real : "/", e);
}

static int start(const struct helper *h, struct err *e)
{
	AUTO_CLOSE int dir = -1;
	struct err ignored = ERR_INIT;

	if (visitor_check_order(&h->config, h->account, &h->request.order,
				e) < 0 ||
	    trust_image(h, e) < 0)
		return -1;
	dir = job_dir_make_own(h->jobs, h->request.name, e);
	if (dir < 0)
		return -1;
	if (write_all(h, dir, e) == 0 && submit(h, e) == 0)
		return 0;
	(void)!file_remove_tree(h->jobs, h->request.name, &ignored);
	return -1;
}

static int write_wish(const struct helper *h, const struct job_wish *wish,
		      struct err *e)
{
	AUTO_CLOSE int dir = job_dir_open(h->path, geteuid(), e);

	return dir < 0 ? -1 : job_dir_write_wish(dir, wish, e);
}

static int become_scancel(const struct helper *h, bool knock, struct err *e)
{
	AUTO_FREE char *scancel = child_find_program("scancel", e);
	AUTO_ARGV struct argv argv = { 0 };

	if (!scancel)
		return -1;
	if (knock)
		slurm_knock_named_command(scancel, h->request.name, &argv);
	else
		slurm_cancel_named_command(scancel, h->request.name, &argv);
	return become(h, &argv, -1, e);
}

/* A job that Slurm has lost sight of ends by the wish, or when its directory
 * is gone; one that may still be started finds the wish. */
static int remove_all(const struct helper *h, struct err *e)
{
	const struct job_wish end = { .stop = true, .now = true };
	struct err ignored = ERR_INIT;

	(void)!write_wish(h, &end, &ignored);
	if (slurm_cancel(&h->config, 0, h->request.name, e) < 0)
		return -1;
	return job_dir_remove_own(h->jobs, h->request.name, e);
}

static int run(const struct helper *h, struct err *e)
{
	switch (h->request.verb) {
	case VISITOR_START:
		return start(h, e);
	case VISITOR_KNOCK:
		return write_wish(h, &h->request.wish, e) < 0 ?
			       -1 :
			       become_scancel(h, true, e);
	case VISITOR_CANCEL:
		return become_scancel(h, false, e);
	case VISITOR_REMOVE:
		return remove_all(h, e);
	}
	return err_set(e, ERR_INPUT, "nothing to do");
}

int main(int argc, char **argv)
{
	struct helper h = {
		.input = BUF_INIT(VISITOR_REQUEST_MAX + VISITOR_SCRIPT_MAX),
		.jobs = -1,
	};
	struct err e = ERR_INIT;
	int result = 1;

	if (argc != 2) {
		fputs("usage: qwd-visitor CONFIG\n"
		      "A helper of qemu-web-desktop, which starts it by sudo.\n",
		      stderr);
		return 2;
	}
	umask(077);
	/* Who waits for us cannot end us. */
	alarm(VISITOR_ALARM_S);
	if (core_forbid(&e) == 0 && identify(&h, &e) == 0 &&
	    config_init(&h.config, &e) == 0) {
		if (configure(&h, argv[1], &e) == 0 &&
		    read_request(&h, &e) == 0)
			result = run(&h, &e) == 0 ? 0 : 1;
		config_release(&h.config);
	}
	if (result)
		fprintf(stderr, "%s\n", e.msg);
	buf_release(&h.input);
	free(h.path);
	return result;
}
