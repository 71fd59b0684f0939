/*
 * Jobs under the visitor's own account on the cluster (slurm_user = visitor).
 *
 * What only the visitor may do is done by a helper program, qwd-visitor
 * (visitor/main.c), that sudo(8) starts as him: make the job's directory,
 * submit the job, tell it a wish, cancel it, remove the directory.  The rule
 * of sudo names the helper and its one argument, the configuration, exactly;
 * what is wanted comes as JSON on its standard input.  So the web service
 * chooses among these five things, and says neither which program runs as the
 * visitor nor where: both are in the configuration, which is root's.
 *
 * The service's user only reads what is in the directory (farm/job_dir.h), and
 * believes none of it: all of it may be the visitor's own writing.
 *
 * A job's directory cannot say that it is ours, then: anybody may make one in
 * dir_slurm.  The register does, DIR_SLURM/register/ACCOUNT/NAME, which is
 * private to the service's user.  An entry is there before the directory, and
 * goes after it.  ACCOUNT/.late is there if one of his could not be removed, or
 * took long, when that was tried last; its time is when.
 */
#ifndef QWD_FARM_VISITOR_H
#define QWD_FARM_VISITOR_H

#include <dirent.h>
#include <sys/types.h>
#include <time.h>

#include "farm/job_dir.h"
#include "sys/child.h"

enum visitor_verb {
	VISITOR_START,	/* make the directory, write the order, submit */
	VISITOR_KNOCK,	/* write the wish, and knock */
	VISITOR_CANCEL, /* cancel jobs of that name */
	VISITOR_REMOVE, /* the same, and remove the directory */
};

enum {
	VISITOR_REQUEST_MAX = 64 * 1024, /* its line */
	VISITOR_SCRIPT_MAX = 128 * 1024,
	VISITOR_FIRST_UID = 1000, /* below are the system's own users */
	VISITOR_NOBODY_UID = 65534,
	/* The helper's own end, also where the visitor's processes cannot be
	 * killed by who waits for it; and that one's patience. */
	VISITOR_ALARM_S = 25,
	VISITOR_MS = 28 * 1000,
};

struct visitor_request {
	enum visitor_verb verb;
	char name[SESSION_NAME_SIZE];
	struct job_order order; /* of VISITOR_START */
	struct job_wish wish;	/* of VISITOR_KNOCK */
};

/*
 * May this user have jobs: is `user` exactly the name of an account of a
 * person here?  Root, the system's own users, the service's and nobody are
 * none.  ERR_FORBIDDEN with a sentence for him, which is logged.
 */
MUST_CHECK int visitor_check(const char *user, uid_t *ret_uid, struct err *e);

/* The command that runs the helper as `user`; its standard input is a request. */
MUST_CHECK int visitor_command(const struct config *c, const char *user,
			       struct argv *ret, struct err *e);

/* The request as an anonymous descriptor, from its beginning: a line of JSON;
 * behind it what boot scripts need, of `script` (-1: nothing).  -1. */
MUST_CHECK int visitor_request(const struct visitor_request *r, int script,
			       struct err *e);

/*
 * Read one, strictly; *ret_script is where the rest begins, within `text`.
 * ERR_DAMAGED.
 */
MUST_CHECK int visitor_read(const char *text, size_t len,
			    struct visitor_request *ret,
			    const char **ret_script, struct err *e);

/*
 * May the job of this order run as `account`?  Asked by the helper, of whom
 * the web service may be another's by now: what decides about programs, host
 * paths and networks must be what the configuration `c` and its machines.conf
 * say of that machine.  ERR_FORBIDDEN with what is wrong.
 */
MUST_CHECK int visitor_check_order(const struct config *c,
				   const char *account,
				   const struct job_order *order,
				   struct err *e);

/* Cancel and remove his job, and wait for it, at most VISITOR_MS. */
MUST_CHECK int visitor_remove(const struct config *c, const char *user,
			      const char *name, struct err *e);

/* Did sudo refuse, and not Slurm? */
bool visitor_is_refused(const char *errors);

/* Can sudo do nothing at all, where we run (NoNewPrivileges)? */
bool visitor_is_hindered(const char *errors);

/* ---- The register ---- */

/* Its directory, made if it is missing.  -1. */
MUST_CHECK int visitor_register_open(const struct config *c, struct err *e);

/* Enter a job for the store at `store`.  ERR_BUSY with a sentence if he has
 * `most` that could not be removed yet, his living ones counted. */
MUST_CHECK int visitor_enter(const struct config *c, const char *store,
			     const char *user, const char *name,
			     long long most, struct err *e);

/* Strike it out.  What is not there is fine. */
void visitor_strike(int reg, const char *user, const char *name);

/* One of his could not be removed just now, or took long, or (not late) neither:
 * for his turn.  That this cannot be noted is no harm. */
void visitor_note_late(int reg, const char *user, bool late);

/*
 * Who is in the register, in the order in which their jobs are to be removed:
 * those who were not late the last time, then those who were, the longest ago
 * first.  So who has kept a purge waiting comes behind all whom
 * he kept waiting.  Release with visitor_turns_release(), also after an error.
 */
struct visitor_turn {
	char *user;
	struct timespec late; /* 0: not */
};

struct visitor_turns {
	struct visitor_turn *list;
	size_t count;
};

#define AUTO_TURNS __attribute__((cleanup(visitor_turns_release)))
MUST_CHECK int visitor_turns(int reg, struct visitor_turns *ret,
			     struct err *e);
void visitor_turns_release(struct visitor_turns *t);

#endif
