/*
 * This server among others: its id, what it has heard already, and whom it
 * does not ask for a while.  All of it is in the folder farm of the store:
 *
 *     id            160 random bits, which tell this server from the others
 *     nonces/T/N    an assertion that ended in minute T, with nonce N, was used
 *     skip          who did not answer, and until when that counts (this
 *                   boot's clock); written under the lock `lock`
 */
#ifndef QWD_FARM_PEER_H
#define QWD_FARM_PEER_H

#include "farm/assertion.h"
#include "session/store.h"

enum {
	FARM_NONCES_MAX = 8192, /* of one minute */
	FARM_SELF_S = 3600,     /* that a server which is ourselves is skipped */
	PEER_REASON_SIZE = 32,
};

/* The id, made at its first use. */
MUST_CHECK int peer_id(const struct store *st, char ret[FARM_ID_SIZE],
		       struct err *e);

/*
 * Note that this assertion is used: of several at the same time, one is.
 * ERR_FORBIDDEN if it was used before, ERR_BUSY if there were too many in its
 * minute.  Old ones are forgotten on the way.
 */
MUST_CHECK int peer_use_nonce(const struct store *st,
			      const struct assertion *a, struct err *e);

/* Is this server not to be asked now?  Then why goes to `ret_reason`. */
bool peer_is_skipped(const struct store *st, const char *origin,
		     char ret_reason[PEER_REASON_SIZE]);

/* Do not ask it for so many seconds; 0: it has answered. */
MUST_CHECK int peer_skip(const struct store *st, const char *origin,
			 const char *reason, long long seconds,
			 struct err *e);

#endif
