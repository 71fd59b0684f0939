/*
 * The sessions that a page shows: those that are not over, and the newest of
 * the others.
 */
#ifndef QWD_SESSION_NEWEST_H
#define QWD_SESSION_NEWEST_H

#include "session/store.h"

/*
 * store_list(), cut: sessions that are not over are all in *ret, of the others
 * the newest, so that there are `limit` in all if there are as many.
 * *ret_older is how many are left out.  Those cost one look at their record's
 * text each, and are not parsed.
 */
MUST_CHECK int newest_list(const struct store *st, const char *user,
			   size_t limit, struct session_list *ret,
			   size_t *ret_older, struct err *e);

#endif
