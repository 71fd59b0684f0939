/* What a job is submitted with: farm/slurm.h. */
#include "farm/slurm.h"

#include <string.h>

#include "base/text.h"

enum {
	END_S = 60, /* for the job to clean up behind its guest */
	WARNING_S = 30, /* before Slurm's limit: the guest is powered off */
};

long long slurm_minutes(const struct config *c, long long seconds)
{
	return (seconds + c->service_stop_grace + END_S + WARNING_S + 59) / 60;
}

void slurm_submit_command(const char *sbatch, const struct config *c,
			  const struct session *s,
			  const struct slurm_order *order, struct argv *ret)
{
	argv_add(ret, sbatch);
	argv_add(ret, "--parsable");
	argv_add(ret, "--no-requeue");
	argv_addf(ret, "--job-name=%s", s->name);
	argv_add(ret, "--nodes=1");
	argv_add(ret, "--ntasks=1");
	argv_addf(ret, "--cpus-per-task=%lld", s->cpu);
	argv_addf(ret, "--mem=%lldM", s->memory_mb + c->slurm_memory_overhead);
	if (order->lifetime_s)
		argv_addf(ret, "--time=%lld",
			  slurm_minutes(c, order->lifetime_s));
	else
		argv_add(ret, "--time=UNLIMITED");
	argv_addf(ret, "--signal=B:USR1@%d", WARNING_S);
	/* What sbatch has is built from nothing (sys/child.h).  With any other
	 * word the node asks a login shell of the user's for more, which takes
	 * its time, and which not every user has. */
	argv_add(ret, "--export=ALL");
	argv_add(ret, "--chdir=/");
	argv_addf(ret, "--output=%s/output", order->dir);
	argv_add(ret, "--open-mode=append");
	if (s->gpu[0])
		argv_addf(ret, "--gres=%s", c->slurm_gres);
	if (s->account[0])
		argv_addf(ret, "--account=%s", s->account);
	if (s->partition[0])
		argv_addf(ret, "--partition=%s", s->partition);
	if (s->qos[0])
		argv_addf(ret, "--qos=%s", s->qos);
}

/* A word of sh(1): everything but ' stands for itself between two of them. */
static void add_quoted(struct buf *out, const char *text)
{
	buf_putc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_puts(out, "'\\''");
		else
			buf_putc(out, *text);
	}
	buf_putc(out, '\'');
}

void slurm_script(const struct slurm_order *order, struct buf *ret)
{
	buf_puts(ret, "#!/bin/sh\nexec ");
	add_quoted(ret, order->program);
	buf_puts(ret, " --session-job ");
	add_quoted(ret, order->dir);
	buf_putc(ret, '\n');
}

int slurm_read_submitted(const char *text, long long *ret_job, struct err *e)
{
	char number[16];
	size_t len = strspn(text, "0123456789");
	const char *rest = text + len;

	if (*rest == ';')
		rest += 1 + strspn(rest + 1, "abcdefghijklmnopqrstuvwxyz"
					     "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					     "0123456789_-.");
	if (len >= sizeof(number) || strcmp(rest, "\n") != 0)
		return err_set(e, ERR_DAMAGED, "sbatch did not say the number "
					       "of a job");
	memcpy(number, text, len);
	number[len] = '\0';
	if (!text_long(number, 1, SLURM_JOB_MAX, ret_job))
		return err_set(e, ERR_DAMAGED, "sbatch did not say the number "
					       "of a job");
	return 0;
}
