/*
 * The history: a line for each session that has ended, for `qwdctl report`.
 *
 *     DIR/history      the newest lines, a JSON object each; appended
 *     DIR/history.1    those before; history becomes it at history_size
 *     DIR/lock         held while a line is appended
 *
 * DIR is dir_history, private to the service (0700).  A line tells who had
 * which machine, with which resources, from when until when, why it ended, and
 * of a job on a cluster which it was and what it counts for there:
 *
 *     session user machine cpu memory_mb started ended seconds state reason
 *     job account partition qos
 *
 * started and ended are the wall clock's (RFC 3339, UTC); seconds is how long
 * it lived, whatever was done to that clock, and 0 if it never got further than
 * being accepted, as in a cluster's queue.  The second row has null where there
 * is none; lines of before it may lack it.  A session whose owner was killed
 * while it wrote may be there twice: the first line counts.
 */
#ifndef QWD_SESSION_HISTORY_H
#define QWD_SESSION_HISTORY_H

#include <jansson.h>

#include "conf/options.h"
#include "session/session.h"

enum {
	HISTORY_LINE_MAX = 5120,
	HISTORY_WAIT_MS = 5000,
};

/* A session that has ended, as the history tells it. */
struct history_line {
	char session[SESSION_NAME_SIZE];
	char user[SESSION_USER_SIZE];
	char machine[SESSION_MACHINE_SIZE];
	long long cpu;
	long long memory_mb;
	long long started; /* wall clock, seconds */
	long long ended;
	long long seconds;
	char state[16];
	char reason[SESSION_REASON_SIZE];
	long long job; /* Slurm's number; 0: none, as the three are "" */
	char account[SESSION_CLUSTER_SIZE];
	char partition[SESSION_CLUSTER_SIZE];
	char qos[SESSION_CLUSTER_SIZE];
};

/*
 * Append the line of *s, which has ended.  It is on disk, whole, on success,
 * and nothing of it is there on failure.  Makes DIR where it is missing.
 * ERR_TIMEOUT if the lock was others' for HISTORY_WAIT_MS in which none of them
 * wrote: a line that is missing is better than a session that does not end.
 */
MUST_CHECK int history_append(const struct config *c, const struct session *s,
			      struct err *e);

/* Called for each line; -1 with *e ends the reading. */
typedef int history_visit(const struct history_line *line, void *arg,
			  struct err *e);

/*
 * Read all lines, the oldest first, each session once.  Lines that are none
 * are left out and counted in *ret_damaged.  No history is an empty one.
 */
MUST_CHECK int history_read(const struct config *c, history_visit *visit,
			    void *arg, size_t *ret_damaged, struct err *e);

/* The line as a JSON object (caller owns); NULL if no memory. */
json_t *history_line_value(const struct history_line *line);

#endif
