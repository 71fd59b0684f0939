/*
 * Admission: decide and reserve in one step, under one lock.
 */
#ifndef QWD_SESSION_ADMISSION_H
#define QWD_SESSION_ADMISSION_H

#include "session/store.h"
#include "sys/hostload.h"

/* What one user may have on this host; a default session always fits.  With
 * launcher = slurm only sessions are counted here, and one has at most what
 * slurm_max_cpu and slurm_max_memory say. */
struct limits {
	long long default_cpu; /* shrunk to the host */
	long long default_memory_mb;
	long long session_cpu; /* cores of one session: never above the host's */
	long long user_cpu;    /* cores, all sessions of a user together */
	long long user_memory_mb;
	long long user_sessions;
	long long sessions;
	bool cluster; /* cores, memory, load and disk are Slurm's to count */
};

void limits_of(const struct config *c, const struct hostload *host,
	       struct limits *ret);

/* What a user has on other hosts, where it counts as well: for the limits of a
 * user. */
struct elsewhere {
	long long sessions;
	long long cpu;
	long long memory_mb;
};

/* How much room there is, and what a user has here.  With launcher = slurm
 * nothing is known here of load, cores and memory of the cluster (busy_milli is
 * 0): they are what one session may have, and farm/room.h asks for the rest. */
struct room {
	long long sessions;
	long long cpu;
	long long memory_mb;
	/* The load with the cores of young sessions, as a share of all cores in
	 * thousandths. */
	long long busy_milli;
	long long waiting_cpu; /* of sessions that have no place on a cluster */
	struct elsewhere user;
};

/*
 * Reserve a place for *s, whose user, machine, format, iso, virtual_size,
 * cpu, memory_mb, disk_mb, oneshot, master, origin and lifetime are set: gives
 * it a name, a token, its times, a graphics card if it wants one (gpu =
 * "any"), takes its lock and writes its record in state starting.
 * lifetime_s 0: without an end.
 *
 * What is promised to living sessions and not used yet counts as used: memory
 * that they have not touched, disk that they have not written, and the cores
 * of those that are younger than the load average.  ERR_BUSY if a limit is
 * reached, with sentences that say which, how much of it is used, and when the
 * next session ends; retry_after is that time, from a minute to a day; and
 * whether another host may have room (err.elsewhere): not if it is a limit of
 * the user that is reached.
 * Returns the descriptor of the lock, or -1.
 */
MUST_CHECK int admission_reserve(const struct store *st, struct session *s,
				 long long lifetime_s, struct err *e);

/* The same, where its user has `more` (may be NULL) on other hosts. */
MUST_CHECK int admission_reserve_with(const struct store *st,
				      struct session *s, long long lifetime_s,
				      const struct elsewhere *more,
				      struct err *e);

/* Would it find a place now?  0, or the same error.  Nothing is reserved. */
MUST_CHECK int admission_check(const struct store *st, const struct session *s,
			       struct err *e);

MUST_CHECK int admission_room(const struct store *st, const char *user,
			      struct room *ret, struct err *e);

/*
 * A session that was reserved on another host, whose name and secrets it
 * keeps, has its place here: a graphics card if it wants one, its times, its
 * lock, its record in state starting.  Returns the descriptor of the lock, or
 * -1: ERR_BUSY without a card, ERR_SYSTEM if it is here already.
 */
MUST_CHECK int admission_adopt(const struct store *st, struct session *s,
			       long long lifetime_s, struct err *e);

#endif
