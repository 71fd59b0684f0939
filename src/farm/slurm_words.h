/*
 * What Slurm's words about a job mean, in sentences for its session's user:
 * why it waits (squeue(1), JOB REASON CODES), and why sbatch refused it (Slurm
 * 22.05).  A limit's name says whose it is (Assoc, QOS), of what, and counted
 * how: those are told one by one, since what helps differs.
 */
#ifndef QWD_FARM_SLURM_WORDS_H
#define QWD_FARM_SLURM_WORDS_H

#include <stdbool.h>

#include "session/session.h"

/* Why a job waits; `reason` is Slurm's word, "" for none.  One that is not
 * known gives a sentence that is true of all that wait. */
void slurm_wait_sentence(const char *reason,
			 char ret[SESSION_REASON_SIZE]);

/* Why sbatch refused the job of *s: `why` is what slurm_refusal() gave; it
 * stands behind the sentence, for who asks an administrator. */
void slurm_refusal_sentence(const struct session *s, const char *why,
			    char ret[SESSION_REASON_SIZE]);

/* True if `why`, from slurm_refusal(), is a limit: what was refused may be
 * taken another time. */
bool slurm_is_limit(const char *why);

#endif
