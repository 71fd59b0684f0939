#include "farm/slurm_run.h"

#include "farm/slurm.h"
#include "sys/child.h"

enum { CANCEL_MS = 15 * 1000, WORDS_MAX = 4096 };

void slurm_env(const struct config *c, struct slurm_env *ret)
{
	size_t count = 0;

	ret->list[count++] = SLURM_TIME_ENV;
	if (*c->slurm_conf) {
		snprintf(ret->conf, sizeof(ret->conf), "SLURM_CONF=%s",
			 c->slurm_conf);
		ret->list[count++] = ret->conf;
	}
	ret->list[count] = NULL;
}

int slurm_run(const struct config *c, const struct argv *argv, int ms,
	      struct buf *out, struct buf *errors, int *ret_status,
	      struct err *e)
{
	struct child child = CHILD_INIT;
	struct slurm_env env;

	slurm_env(c, &env);
	child.argv = argv;
	child.env = env.list;
	return child_run(&child, NULL, out, errors, ms, ret_status, e);
}

int slurm_refused(const char *name, const struct buf *errors, struct err *e)
{
	char why[256];

	slurm_refusal(buf_str(errors), why, sizeof(why));
	return err_set(e, ERR_SYSTEM, "%s: %s", name, why);
}

int slurm_cancel(const struct config *c, long long job, const char *name,
		 struct err *e)
{
	AUTO_FREE char *scancel = child_find_program("scancel", e);
	AUTO_BUF struct buf errors = BUF_INIT(WORDS_MAX);
	AUTO_ARGV struct argv argv = { 0 };
	int status;

	if (!scancel)
		return -1;
	if (job)
		slurm_cancel_command(scancel, job, &argv);
	else
		slurm_cancel_named_command(scancel, name, &argv);
	if (slurm_run(c, &argv, CANCEL_MS, NULL, &errors, &status, e) < 0)
		return -1;
	if (status == 0 || slurm_says_over(buf_str(&errors)))
		return 0;
	return slurm_refused("scancel", &errors, e);
}
