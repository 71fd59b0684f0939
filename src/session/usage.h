/*
 * What sessions use of the host, and what was promised to them; and whether
 * one more fits.
 */
#ifndef QWD_SESSION_USAGE_H
#define QWD_SESSION_USAGE_H

#include "session/admission.h"

/* What is in use: by everybody, and by the one who asks. */
struct usage {
	long long now_ms;
	long long sessions;
	long long user_sessions;
	long long user_cpu;
	long long user_memory_mb;
	long long claimed_cpu;	    /* of sessions that the load does not show yet */
	long long waiting_cpu; /* of those that a cluster gave no place yet */
	long long claimed_mb;	    /* promised memory that is not used yet */
	long long claimed_disk_mb;  /* the same of the disk for overlays */
	long long next_end_ms;	    /* boot clock of the earliest end; 0 = none */
	long long user_next_end_ms; /* of the user's own sessions */
};

/* Count the living sessions of `all`, with `user` as the one who asks. */
void usage_count(const struct store *st, const struct session_list *all,
		 const char *user, struct usage *ret);

/*
 * Does *s fit?  ERR_BUSY if not, with sentences for the visitor: which limit,
 * how much of it is used, and when the next session ends (of the user's own,
 * for a limit of the user's); retry_after is that time, from a minute to a
 * day.
 */
MUST_CHECK int usage_check_user(const struct limits *l, const struct usage *u,
				const struct session *s, struct err *e);
MUST_CHECK int usage_check_host(const struct config *c, const struct limits *l,
				const struct hostload *host,
				const struct usage *u, const struct session *s,
				struct err *e);

/* What is left of the host by these figures; on a cluster what one session may
 * have, as struct room says. */
void usage_room(const struct config *c, const struct limits *l,
		const struct hostload *host, const struct usage *u,
		struct room *ret);

/* Add that time to another refusal of the host's, *e.  Returns -1. */
int usage_refuse(const struct usage *u, struct err *e);

#endif
