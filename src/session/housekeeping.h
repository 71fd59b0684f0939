/*
 * Housekeeping: what `qwdctl purge`, a timer and every new session do.
 */
#ifndef QWD_SESSION_HOUSEKEEPING_H
#define QWD_SESSION_HOUSEKEEPING_H

#include "session/store.h"

struct purge_result {
	size_t failed;  /* sessions whose owner had died: marked failed */
	size_t removed; /* records forgotten */
	size_t overlays;
	size_t files; /* sockets, logins, tokens, set-aside records */
};

/*
 * Remove what no living session owns: marks sessions without an owner as
 * failed and removes their overlay and sockets, forgets ended sessions after
 * STORE_KEEP_ENDED_S, removes ownerless overlays of ours in dir_snapshots,
 * expired logins and tokens.  Touches nothing that lives or is not ours.
 */
MUST_CHECK int housekeeping_purge(const struct store *st,
				  struct purge_result *ret, struct err *e);

#endif
