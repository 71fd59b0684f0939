/* qwdctl capture: a session's disk becomes a machine. */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/text.h"
#include "conf/image.h"
#include "ctl/conf_file.h"
#include "ctl/ctl.h"
#include "ctl/image_copy.h"
#include "ctl/interrupt.h"
#include "ctl/refresh.h"
#include "ctl/room.h"
#include "ctl/service_store.h"
#include "ctl/unpack.h"
#include "run/control.h"
#include "sys/child.h"
#include "sys/file.h"

enum { WORDS_MAX = 4096 };

struct order {
	const char *session;
	const char *name; /* of the new machine */
	const char *description;
};

static int read_arguments(const struct given *g, struct order *o)
{
	o->session = g->words[0];
	o->name = g->words[1];
	o->description = given_value(g, "description");
	if (!session_name_ok(o->session))
		return command_usage(g->command, "%s", g->command->wanted);
	if (!text_is_file_name(o->name) || !text_ends(o->name, ".qcow2"))
		return command_usage(g->command, "the machine's name must end "
						 "with .qcow2");
	return CTL_DONE;
}

/* ---- As the service's user: the disk as one file ---- */

static char *capture_path(const struct store *st, const char *session)
{
	char *path;

	if (asprintf(&path, "%s/%s" STORE_CAPTURE, st->config->dir_snapshots,
		     session) < 0)
		return NULL;
	return path;
}

static int open_disk(const struct store *st, const struct session *s,
		     struct unpack_disk *ret, struct err *e)
{
	AUTO_FREE char *overlay = store_overlay_path(st, s->name);
	AUTO_FREE char *image =
		file_join(st->config->dir_machines, s->machine);

	if (!overlay || !image)
		return err_set(e, ERR_SYSTEM, "no memory");
	ret->format = s->format;
	ret->overlay = open(overlay, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (ret->overlay < 0)
		return err_sys(e, "cannot open %s", overlay);
	/* The disk beside a CD is on nothing. */
	if (!s->iso)
		ret->image = open(image, O_RDONLY | O_CLOEXEC);
	return s->iso || ret->image >= 0 ? 0 :
					   err_sys(e, "cannot open %s", image);
}

/* `frozen` is the guest's standstill, which ends with the session. */
static int flatten(const struct store *st, const struct session *s,
		   int frozen, struct err *e)
{
	struct unpack_disk disk = { .overlay = -1, .image = -1,
				    .held = frozen };
	AUTO_FREE char *path = capture_path(st, s->name);
	AUTO_CLOSE int to = -1;
	long long room = 0;
	int result;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	(void)unlink(path);
	to = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	/* Held, as long as it is being made: another service's purge may see
	 * it (session/housekeeping.h). */
	if (to < 0 || file_hold(to, true) < 0)
		return err_sys(e, "cannot make %s", path);
	result = open_disk(st, s, &disk, e);
	if (result == 0)
		result = room_find(to, &room, e);
	if (result == 0)
		result = unpack_flatten(&disk, to, room, &interrupt_stop, e);
	if (result < 0)
		(void)unlink(path);
	if (disk.overlay >= 0)
		close(disk.overlay);
	if (disk.image >= 0)
		close(disk.image);
	return result;
}

/* The wish to die with `parent` is forgotten where the user changes
 * (PR_SET_PDEATHSIG(2const)). */
static int end_with(pid_t parent, struct err *e)
{
	if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
		return err_sys(e, "prctl");
	return getppid() == parent ? 0 :
				     err_set(e, ERR_CONFLICT, "interrupted");
}

static int check_runs_here(const struct session *s, struct err *e)
{
	if (s->job)
		return err_set(e, ERR_CONFLICT,
			       "it is a job of a cluster, and its disk cannot "
			       "be copied from here; a stop would erase it");
	return s->state == SESSION_RUNNING ?
		       0 :
		       err_set(e, ERR_CONFLICT, "it does not run");
}

/* The guest stands still until this process ends, whatever ends it. */
int ctl_flatten(const struct config *c, const struct given *g)
{
	AUTO_STORE struct store st = STORE_INIT;
	AUTO_CLOSE int frozen = -1;
	struct err e = ERR_INIT;
	pid_t parent = getppid();
	struct session s;

	interrupt_catch();
	if (service_store_open(c, &st, &e) < 0 || end_with(parent, &e) < 0 ||
	    store_read_true(&st, g->words[0], &s, &e) < 0 ||
	    check_runs_here(&s, &e) < 0 ||
	    (frozen = control_freeze(&st, s.name, &e)) < 0 ||
	    flatten(&st, &s, frozen, &e) < 0) {
		fprintf(stderr, "%s\n",
			e.code == ERR_NOT_FOUND ? "no such session" : e.msg);
		return CTL_FAILED;
	}
	/* What machine it is of. */
	return puts(s.machine) == EOF || fflush(stdout) == EOF ? CTL_FAILED :
								  CTL_DONE;
}

/* ---- As whoever may write machines ---- */

/* Is it a session that runs?  The last thing of a dry run, since root becomes
 * the service's user. */
static int look(const struct config *c, const char *session, struct err *e)
{
	AUTO_STORE struct store st = STORE_INIT;
	struct session s;

	if (service_store_open(c, &st, e) < 0)
		return -1;
	if (store_read_true(&st, session, &s, e) < 0)
		return e->code != ERR_NOT_FOUND ?
			       -1 :
			       err_set(e, ERR_NOT_FOUND, "%s: no such session",
				       session);
	return check_runs_here(&s, e) < 0 ? err_prefix(e, "%s", session) : 0;
}

/* *machine gets the name of the session's machine. */
static int run_flatten(const struct config *c, const char *session,
		       struct buf *machine, struct err *e)
{
	AUTO_BUF struct buf said = BUF_INIT(WORDS_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	struct child child = CHILD_INIT;
	int status = 0;

	argv_add(&argv, "/proc/self/exe");
	if (c->file[0])
		argv_addf(&argv, "--config=%s", c->file);
	argv_add(&argv, "flatten");
	argv_add(&argv, session);
	child.argv = &argv;
	/* As long as it takes; a signal ends us, and it with us. */
	if (child_run(&child, NULL, machine, &said, INT_MAX, &status, e) < 0)
		return -1;
	return status == 0 ? 0 :
			     err_set(e, ERR_CONFLICT, "%s: %.300s", session,
				     said.len ? text_trim(said.data) :
						"its disk cannot be had");
}

/* What the service's user has made: a disk that names no other file. */
static int open_flat(const struct config *c, const char *session,
		     struct err *e)
{
	struct store st = { .config = c };
	AUTO_FREE char *path = capture_path(&st, session);
	AUTO_CLOSE int fd = -1;
	struct image image;

	fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) :
		    -1;
	if (fd < 0)
		return err_sys(e, "cannot open the session's disk");
	(void)unlink(path);
	if (image_identify(fd, "disk.qcow2", &image, e) < 0)
		return err_prefix(e, "the session's disk");
	return TAKE_FD(fd);
}

static int check_place(int dir, const struct order *o, struct err *e)
{
	if (faccessat(dir, o->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return err_set(e, ERR_CONFLICT,
			       "a file %s is in dir_machines already", o->name);
	return 0;
}

static int take_disk(const struct config *c, const struct order *o, int dir,
		     struct buf *machine, struct err *e)
{
	AUTO_CLOSE int flat = -1;

	if (run_flatten(c, o->session, machine, e) < 0)
		return -1;
	flat = open_flat(c, o->session, e);
	return flat < 0 ? -1 : image_copy(flat, dir, o->name, e);
}

/* Whoever may not use that machine gets no copy of it either. */
static int offer(const struct config *c, const struct order *o,
		 struct buf *machine, struct err *e)
{
	AUTO_CLOSE int lock = conf_file_lock(c->machines_conf, e);
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);

	if (lock < 0 ||
	    conf_file_append_machine(
		    c->machines_conf, o->name, o->description, NULL,
		    machine->len ? text_trim(machine->data) : NULL, &text,
		    e) < 0)
		return -1;
	return conf_file_write(c->machines_conf, text.data, text.len, e);
}

/* A name that cannot be had is told before anything is done. */
static int capture(const struct config *c, const struct order *o, bool dry_run,
		   struct err *e)
{
	AUTO_BUF struct buf machine = BUF_INIT(WORDS_MAX);
	AUTO_BUF struct buf text = BUF_INIT(CONF_FILE_MAX);
	AUTO_CLOSE int dir = open(c->dir_machines,
				  O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_sys(e, "cannot open %s", c->dir_machines);
	if (conf_file_append_machine(c->machines_conf, o->name, o->description,
				     NULL, NULL, &text, e) < 0 ||
	    check_place(dir, o, e) < 0)
		return -1;
	if (dry_run)
		return look(c, o->session, e);
	return take_disk(c, o, dir, &machine, e) < 0 ?
		       -1 :
		       offer(c, o, &machine, e);
}

int ctl_capture(const struct config *c, const struct given *g)
{
	struct order o = { .session = NULL };
	struct err e = ERR_INIT;
	int status = read_arguments(g, &o);

	if (status != CTL_DONE)
		return status;
	if (capture(c, &o, g->dry_run, &e) < 0)
		return command_fail(g, &e);
	if (!g->dry_run)
		return refresh_and_print(c, g);
	if (!g->quiet)
		printf("%s: would become %s\n", o.session, o.name);
	return CTL_DONE;
}
