/*
 * When a session ends, and how far its end may be moved.
 *
 * All of it is on this boot's clock (clock_boot_ms()), which nobody can set
 * and which runs on while the host sleeps.  The wall clock's times in the
 * record are for people.  Pure functions but for that clock's value, which
 * the caller passes as `now_ms`, and for the wall clock that is written down.
 */
#ifndef QWD_SESSION_LIFETIME_H
#define QWD_SESSION_LIFETIME_H

#include "conf/options.h"
#include "session/session.h"

enum { LIFETIME_MIN_S = 60 };

/* The session starts now and lives `seconds`; 0: without an end. */
void lifetime_begin(const struct config *c, struct session *s, long long now_ms,
		    long long seconds);

/* It ends at `ends_boot_ms` (0: never), and its user is warned before: in
 * time, as snapshot_warning says, but not in the first half of what is left. */
void lifetime_end_at(const struct config *c, struct session *s,
		     long long now_ms, long long ends_boot_ms);

/* Seconds that are left, rounded up, not below 0; for a session with an end. */
long long lifetime_left_s(const struct session *s, long long now_ms);

/* No end was said: as late as may be. */
enum { LIFETIME_LONGEST = -1 };

/*
 * The new end of a session that is to live `seconds` from now on, 0 for
 * without an end, LIFETIME_LONGEST for as long as may be: snapshot_lifetime at
 * most, and not past snapshot_lifetime_total from its start, unless
 * snapshot_unlimited.  It never becomes earlier.  ERR_INPUT for field
 * snapshot_lifetime if that is too short, too long or not allowed;
 * ERR_CONFLICT if the session is ending or has no end.  Each is a sentence
 * for people.
 */
MUST_CHECK int lifetime_extended(const struct config *c,
				 const struct session *s, long long now_ms,
				 long long seconds, long long *ret_ends_boot_ms,
				 struct err *e);

/* The seconds from now that LIFETIME_LONGEST would give; 0 if that is hardly
 * more than what is left. */
long long lifetime_offer_s(const struct config *c, const struct session *s,
			   long long now_ms);

#endif
