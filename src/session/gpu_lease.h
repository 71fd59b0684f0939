/*
 * Who has a graphics card: an flock(2) on the file gpus/ADDRESS of the store,
 * held by the session's owner as long as it lives, beside the address in its
 * record.  The kernel itself hands a card out once (/dev/vfio/GROUP), whatever
 * other services of this host believe.
 */
#ifndef QWD_SESSION_GPU_LEASE_H
#define QWD_SESSION_GPU_LEASE_H

#include "session/store.h"

/* Take the lease.  Returns the descriptor that holds it, or -1: ERR_BUSY if
 * another session has the card. */
MUST_CHECK int gpu_lease_take(const struct store *st, const char *address,
			      struct err *e);

bool gpu_lease_is_held(const struct store *st, const char *address);

#endif
