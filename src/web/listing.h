/*
 * The host and its sessions as JSON: what the manage page, `qwdctl status
 * --json` and --service_monitor show alike.
 *
 * All json_t results are the caller's; NULL means no memory.
 */
#ifndef QWD_WEB_LISTING_H
#define QWD_WEB_LISTING_H

#include <jansson.h>

#include "base/err.h"
#include "conf/options.h"
#include "session/store.h"

/*
 * {"name", "cpus", "memory_mb", "sessions_max"}, and for who may oversee the
 * host also {"load", "load_percent", "memory_available_mb", "memory_percent",
 * "sessions"}: load is the 1-minute average, load_percent its share of the
 * cores, memory_percent what is in use, sessions those of `list` that live.
 * NULL with *e if the host does not tell.
 */
json_t *listing_host(const struct config *c, const struct session_list *list,
		     bool oversee, struct err *e);

/*
 * The public face of each session, in the list's order.  A URL opens the
 * display, so it is shown only for the sessions of `user` (NULL: for all).
 */
json_t *listing_sessions(const struct config *c,
			 const struct session_list *list, const char *user);

#endif
