/*
 * Slurm's commands (sbatch, squeue, scancel, scontrol, sinfo of Slurm 22.05):
 * their argument vectors and the reading of what they say.  All of it is pure;
 * who runs them is run/watch.c.
 *
 * The commands, and neither libslurm nor slurmrestd: they are the interface
 * that stays the same from release to release.  What they say is read
 * strictly: words that are not known are ERR_DAMAGED, never a guess.
 */
#ifndef QWD_FARM_SLURM_H
#define QWD_FARM_SLURM_H

#include <stdbool.h>

#include "conf/options.h"
#include "session/session.h"
#include "sys/child.h"

enum { SLURM_JOB_MAX = 2147483647 }; /* the greatest number of a job */

/* Slurm's states of a job (squeue(1), JOB STATE CODES). */
enum slurm_state {
	SLURM_PENDING,
	SLURM_CONFIGURING, /* its node is being made ready */
	SLURM_RUNNING,
	SLURM_SUSPENDED,
	SLURM_COMPLETING,
	SLURM_REQUEUED, /* or about to be; we never let it be */
	/* From here on it has ended. */
	SLURM_COMPLETED,
	SLURM_FAILED,
	SLURM_CANCELLED,
	SLURM_TIMEOUT,
	SLURM_DEADLINE,
	SLURM_NODE_FAIL,
	SLURM_BOOT_FAIL,
	SLURM_PREEMPTED,
	SLURM_REVOKED,
	SLURM_OUT_OF_MEMORY,
	SLURM_MISSING, /* Slurm knows no such job (any more) */
};

struct slurm_job {
	enum slurm_state state;
	char reason[SESSION_JOB_REASON_SIZE]; /* Slurm's word; "" for none */
	char node[SESSION_NODE_SIZE];	 /* of the batch script; "" for none */
	char user[SESSION_USER_SIZE];	 /* whose it is */
	char name[SESSION_NAME_SIZE];	 /* the session's, if it is ours */
	/* What it has; "" where Slurm says nothing, or no name of these. */
	char account[SESSION_CLUSTER_SIZE];
	char partition[SESSION_CLUSTER_SIZE];
	char qos[SESSION_CLUSTER_SIZE];
	long long start; /* wall clock; of a job that waits, expected; 0 =
			    not known */
};

/* Slurm's word for it: "PENDING", ...; "MISSING". */
const char *slurm_state_word(enum slurm_state state);

/* True for the states in which nothing of the job runs any more. */
bool slurm_has_ended(enum slurm_state state);

/*
 * What has ended a job of which Slurm says `state`: `spoke`, it has said
 * something; `words`, the end of its output, where slurmstepd writes as well.
 * Slurm 22.05 says FAILED when it has killed a job for its memory itself
 * (JobAcctGatherParams=OverMemoryKill) and OUT_OF_MEMORY only when the kernel
 * has; and NODE_FAIL also of a node that has not come up.
 */
enum slurm_state slurm_cause(enum slurm_state state, bool spoke,
			     const char *words);

/* What a job asks for beside what its session has. */
struct slurm_order {
	const char *program; /* ours, absolute, the same on all nodes */
	const char *dir;     /* the job's directory */
	long long lifetime_s; /* of the session; 0: without an end */
};

/*
 * `sbatch`, which reads slurm_script() on its standard input.  The limit of
 * time is the session's lifetime and what ending takes, so that the session
 * ends by itself before Slurm ends it; memory is the guest's and
 * slurm_memory_overhead.
 */
void slurm_submit_command(const char *sbatch, const struct config *c,
			  const struct session *s,
			  const struct slurm_order *order, struct argv *ret);

/* The batch script: becomes `program --session-job DIR`. */
void slurm_script(const struct slurm_order *order, struct buf *ret);

/* Minutes of a job whose session lives `seconds` from its job's start. */
long long slurm_minutes(const struct config *c, long long seconds);

/* The job's number from `sbatch --parsable`: "ID\n" or "ID;CLUSTER\n". */
MUST_CHECK int slurm_read_submitted(const char *text, long long *ret_job,
				    struct err *e);

/*
 * Why a command refused, from its standard error: its last line without
 * "sbatch: error: " and what else stands in front of the reason; or the line
 * before it, where the last one says only that there is a reason: the name of
 * a limit, or what a site's own plugin says.  Control characters become
 * blanks; "" if it said nothing.
 */
void slurm_refusal(const char *text, char *ret, size_t size);

/* `squeue` of one job; its environment wants SLURM_TIME_ENV. */
#define SLURM_TIME_ENV "SLURM_TIME_FORMAT=%s"
void slurm_look_command(const char *squeue, long long job, struct argv *ret);

/* Read its answer about `job`; no line is SLURM_MISSING.  ERR_DAMAGED. */
MUST_CHECK int slurm_read_look(const char *text, long long job,
			       struct slurm_job *ret, struct err *e);

/* Did squeue fail because there is no such job (any more)?  Did scancel, for
 * that reason or because it ends already? */
bool slurm_says_missing(const char *errors);
bool slurm_says_over(const char *errors);

/* scancel by number; by session's name where the number was never learnt;
 * and as a knock, by which a job looks at its orders at once. */
void slurm_cancel_command(const char *scancel, long long job,
			  struct argv *ret);
void slurm_cancel_named_command(const char *scancel, const char *name,
				struct argv *ret);
void slurm_knock_command(const char *scancel, long long job,
			 struct argv *ret);
void slurm_knock_named_command(const char *scancel, const char *name,
			       struct argv *ret);

/* scontrol: the job's limit of time, counted from its start. */
void slurm_limit_command(const char *scontrol, long long job,
			 long long minutes, struct argv *ret);

/* sinfo: the node's address on the cluster's network; and its reader. */
void slurm_address_command(const char *sinfo, const char *node,
			   struct argv *ret);
MUST_CHECK int slurm_read_address(const char *text,
				  char ret[SESSION_NODE_SIZE], struct err *e);

/* A sentence about why a job ended, for the session's user; `failed` says
 * whether that is a failure.  Only for slurm_has_ended(). */
const char *slurm_end_sentence(enum slurm_state state, bool *failed);

#endif
