/*
 * The directory that a session's owner on the web host and its Slurm job on a
 * node share: DIR_SLURM/NAME on the cluster's shared file system, private to
 * the service's user.  Each file has one writer, and is replaced atomically.
 *
 * With slurm_user = visitor it is the visitor's own (farm/visitor.h): mode
 * 2750, its group the service's by the set-group-ID bit of dir_slurm, so that
 * the service reads `mark` and `output`, and nobody else anything.  All in it
 * is written by the visitor's processes then, also in the service's place.
 *
 *     host     whose it is: the web host's name and its store
 *     config   the owner's configuration, as the job's processes read it
 *     order    what is to run: the session, its lifetime, the web host's
 *              certificate
 *     script   what boot scripts need of the request; only if there is such
 *     wish     what the owner wants since: an end, or more time
 *     claim    made by the job, once: who finds it there does not start, so
 *              that never two machines write to one disk
 *     mark     what the job says: node, port and certificate of the display,
 *              and the session's record there
 *     output   standard output and error of the job
 *     disk/    the overlay, with slurm_overlay = shared
 *
 * The directory comes before the job, so that whoever finds one without a
 * living session knows that a job of that name may be left (run/leftover.h).
 * A job whose directory is gone ends: nobody waits for it any more.
 */
#ifndef QWD_FARM_JOB_DIR_H
#define QWD_FARM_JOB_DIR_H

#include <sys/types.h>

#include "base/buf.h"
#include "conf/options.h"
#include "session/session.h"

enum { JOB_CERTIFICATE_SIZE = 4096 };

struct job_order {
	struct session session;
	long long lifetime_s; /* from the job's start; 0: without an end */
	char certificate[JOB_CERTIFICATE_SIZE]; /* PEM, the web host's */
};

struct job_wish {
	bool stop;
	bool now;	       /* without asking the guest */
	char who[SESSION_USER_SIZE]; /* who wants it stopped */
	long long ends; /* wall clock, 0: as the order says */
};

struct job_mark {
	long long job;
	char node[SESSION_NODE_SIZE];
	long long port; /* of its display; 0: none yet */
	long long left_ms; /* of its lifetime; 0: without an end */
	char certificate[JOB_CERTIFICATE_SIZE]; /* "" none yet */
	struct session session;
};

/* Make DIR_SLURM/NAME, for the store at `store` of this host.  Returns its descriptor and its path (caller frees);
 * -1 with ERR_CONFLICT if it is there already. */
MUST_CHECK int job_dir_make(const struct config *c, const char *store,
			    const char *name, char **ret_path, struct err *e);

/*
 * Make NAME in the directory behind `jobs`, for the service to read, by the
 * visitor whose job it will be; with an empty output.  That directory must be
 * one in which nobody can move it away: root's, with the sticky bit.
 */
MUST_CHECK int job_dir_make_own(int jobs, const char *name, struct err *e);

/* Remove it, as that visitor.  What has its name, and is another's, stays, and
 * is no failure. */
MUST_CHECK int job_dir_remove_own(int jobs, const char *name, struct err *e);

/* True if it was made so. */
bool job_dir_is_ours(int dir, const char *store);

/* Open one that must be there, of user `user`, and private to him, or to him
 * and his reader as above.  ERR_NOT_FOUND, ERR_DAMAGED. */
MUST_CHECK int job_dir_open(const char *path, uid_t user, struct err *e);

/* "HOST:STORE\n", this host's. */
void job_dir_whose(const char *store, struct buf *ret);

/* Remove NAME and all in it from the directory behind `jobs`, although its job
 * may write there until it has noticed.  Where not all can be removed now, it
 * still says whose it is. */
MUST_CHECK int job_dir_remove(int jobs, const char *name, struct err *e);

/* True if the directory behind `dir` is still in its place.  An error that is
 * not that it is gone counts as there. */
bool job_dir_is_there(const char *path, int dir);

/* `script` is the request's order for boot scripts, -1 without. */
MUST_CHECK int job_dir_write_order(int dir, const struct config *c,
				   const struct job_order *order, int script,
				   struct err *e);
MUST_CHECK int job_dir_read_order(int dir, struct job_order *ret,
				  struct err *e);

/* Both as JSON, and read strictly.  The caller owns the value; NULL. */
json_t *job_order_value(const struct job_order *order);
MUST_CHECK int job_order_read(const json_t *value, struct job_order *ret,
			      struct err *e);
json_t *job_wish_value(const struct job_wish *wish);
MUST_CHECK int job_wish_read(const json_t *value, struct job_wish *ret,
			     struct err *e);

/* The boot scripts' part as an anonymous descriptor; 0 if there is none; -1. */
MUST_CHECK int job_dir_open_script(int dir, struct err *e);

/* Copy it, from its beginning, to where `to` stands; of at most 128 kB. */
MUST_CHECK int job_dir_copy_script(int from, int to, struct err *e);

MUST_CHECK int job_dir_write_wish(int dir, const struct job_wish *wish,
				  struct err *e);
MUST_CHECK int job_dir_read_wish(int dir, struct job_wish *ret, struct err *e);

/* ERR_CONFLICT if a job has claimed it before. */
MUST_CHECK int job_dir_claim(int dir, long long job, const char *node,
			     struct err *e);

MUST_CHECK int job_dir_write_mark(int dir, const struct job_mark *mark,
				  struct err *e);

/* ERR_NOT_FOUND if there is none yet, ERR_DAMAGED. */
MUST_CHECK int job_dir_read_mark(int dir, struct job_mark *ret,
				 struct err *e);

/* Read a mark's text, strictly: also its sentences are without control
 * characters. */
MUST_CHECK int job_mark_parse(const char *text, size_t len,
			      struct job_mark *ret, struct err *e);

#endif
