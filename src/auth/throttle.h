/*
 * The throttle: failed logins are counted for each user and each address, so
 * that nobody guesses passwords, and no login server is asked past the limit.
 *
 * There is no daemon.  A place is reserved BEFORE a server is asked and given
 * back unless the guess was wrong, so that however many requests come at once,
 * at most the limit gets through within login_failures_window seconds:
 * login_failures_user for one user, login_failures_address for one address.
 * An IPv6 address counts as its /64.  A user counts without regard to case
 * (ASCII's), blanks and what comes behind an '@', since login servers are like
 * that: to many a mail server ann, ann@lab.example and ann@x are one.
 *
 * What is kept is throttle/ABC in the store, one of 4,096 files of at most
 * 32 KiB, so that nobody fills the disk with names.  ABC and the line
 * "KEY MILLISECONDS" come from an HMAC with the service's secret: no name and
 * no address can be read there, and nobody can aim at another's file.  Where
 * a file is full, its oldest line goes.  The time is this boot's
 * (CLOCK_BOOTTIME); what another boot has written does not count.
 */
#ifndef QWD_AUTH_THROTTLE_H
#define QWD_AUTH_THROTTLE_H

#include "auth/secret.h"
#include "session/store.h"

enum {
	THROTTLE_FILE_SIZE = 4,
	THROTTLE_KEY_SIZE = 17,
	THROTTLE_NETWORK_SIZE = 512,
};

/* What `address` counts as: itself, or its /64; cut if it is no address and
 * longer than that. */
void throttle_network(const char *address, char ret[THROTTLE_NETWORK_SIZE]);

/* One name's place in a file. */
struct throttle_place {
	char file[THROTTLE_FILE_SIZE];
	char key[THROTTLE_KEY_SIZE];
	long long ms;
};

/* What one attempt has reserved; plain values. */
struct throttle {
	struct throttle_place user;
	struct throttle_place address;
};

/*
 * Reserve a place for one attempt.  ERR_THROTTLED with a sentence and
 * retry_after if the user or the address has none left: then nothing is
 * reserved.  ERR_SYSTEM, ERR_DAMAGED if it cannot be counted: then no server
 * may be asked either.
 */
MUST_CHECK int throttle_reserve(const struct store *st,
				const struct secret *secret, const char *user,
				const char *address, struct throttle *ret,
				struct err *e);

/* Give the places back: the attempt was no wrong guess. */
MUST_CHECK int throttle_return(const struct store *st,
			       const struct throttle *t, struct err *e);

/* Remove files in which nothing counts any more; their number goes to
 * *removed. */
MUST_CHECK int throttle_purge(const struct store *st, size_t *removed,
			      struct err *e);

#endif
