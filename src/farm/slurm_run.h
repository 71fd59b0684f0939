/*
 * Running Slurm's commands (farm/slurm.h).
 */
#ifndef QWD_FARM_SLURM_RUN_H
#define QWD_FARM_SLURM_RUN_H

#include "conf/options.h"
#include "sys/child.h"

enum { SLURM_ENV_MAX = 4 };

/* The environment of a command beside what each child has: times in seconds,
 * and slurm_conf if that is set.  `conf` is room for it. */
struct slurm_env {
	char conf[1100];
	const char *list[SLURM_ENV_MAX]; /* NULL-terminated; for child.env */
};

void slurm_env(const struct config *c, struct slurm_env *ret);

/*
 * Run one and wait for it, at most `ms`: *ret_status is its exit status (of a
 * signal 128 + its number, as child_run() has it), `out` (may be NULL) and
 * `errors` what it said.  Fails only where it did not run to its end.
 */
MUST_CHECK int slurm_run(const struct config *c, const struct argv *argv,
			 int ms, struct buf *out, struct buf *errors,
			 int *ret_status, struct err *e);

/* ERR_SYSTEM with the words of a command, `name`, that refused. */
MUST_CHECK int slurm_refused(const char *name, const struct buf *errors,
			     struct err *e);

/*
 * Run scancel for job number `job`, or where that is 0 for the jobs of that
 * name, and wait for it, for at most 15 s.  A job that there is not is no
 * error.
 */
MUST_CHECK int slurm_cancel(const struct config *c, long long job,
			    const char *name, struct err *e);

#endif
