/*
 * What the parts of a session's job share (run/job.h): its state, and how it
 * begins.  Private to src/run.
 */
#ifndef QWD_RUN_JOB_STATE_H
#define QWD_RUN_JOB_STATE_H

#include "farm/job_dir.h"
#include "farm/tunnel.h"
#include "session/store.h"

struct job {
	const char *path; /* the job's directory */
	int dir;
	struct job_order order;
	struct job_mark mark; /* what was said last */
	bool said;
	struct config config;
	struct store st;
	char *options[5]; /* of the owner, beside those of its role */
	size_t option_count;
	int run;	/* the session's run/NAME */
	char *run_path;
	char *key_program;
	struct tunnel tunnel;
	int signals;
	int news; /* of its record and its socket, until it runs; -1 */
	pid_t owner;
	pid_t key; /* openssl */
	bool stopping, stopping_now;
	long long extended; /* wall clock, the wish that was obeyed */
};

/* Take the job's directory, once only, and what it orders; signals come to
 * j->signals from now on.  0: it may begin; 1: nobody wants it any more; -1:
 * refused, as outside of Slurm. */
int job_adopt(struct job *j, struct err *e);

/* A place in the node's store, the way to the display, and the owner.  -1: it
 * has said in the mark and in the log what went wrong, and nothing is left. */
int job_begin(struct job *j);

/* Say in the mark what the session is now. */
void job_say(struct job *j, const struct session *s);

#endif
