/*
 * What the parts of the store share (session/store.h).  Private to them.
 */
#ifndef QWD_SESSION_STORE_PARTS_H
#define QWD_SESSION_STORE_PARTS_H

#include "session/store.h"

/* NAME.json; names are at most SESSION_NAME_SIZE - 1 bytes. */
struct record_name {
	char text[SESSION_NAME_SIZE + 8];
};

struct record_name store_record_name(const char *name);

/*
 * store_read_true() for a list of one user's sessions: `needle` is the user's
 * name as a JSON string, and a record that cannot be of that user gives
 * ERR_FORBIDDEN without being parsed.  NULL for anybody's.
 */
MUST_CHECK int store_read_true_of(const struct store *st, const char *name,
				  const char *needle, struct session *ret,
				  struct err *e);

#endif
