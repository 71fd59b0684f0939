/*
 * This server among others: its id, and whom it does not ask for a while.  In
 * the folder farm of the store:
 *
 *     id            160 random bits, which tell this server from the others
 *     skip          who did not answer, and until when that counts (this
 *                   boot's clock); written under the lock `lock`
 */
#ifndef QWD_FARM_PEER_H
#define QWD_FARM_PEER_H

#include "farm/assertion.h"
#include "session/store.h"

enum {
	FARM_SELF_S = 3600,     /* that a server which is ourselves is skipped */
	PEER_REASON_SIZE = 32,
};

/* The id, made at its first use. */
MUST_CHECK int peer_id(const struct store *st, char ret[FARM_ID_SIZE],
		       struct err *e);

/* Is this server not to be asked now?  Then why goes to `ret_reason`. */
bool peer_is_skipped(const struct store *st, const char *origin,
		     char ret_reason[PEER_REASON_SIZE]);

/* Do not ask it for so many seconds; 0: it has answered. */
MUST_CHECK int peer_skip(const struct store *st, const char *origin,
			 const char *reason, long long seconds,
			 struct err *e);

#endif
