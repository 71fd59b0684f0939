/* Room for an image on a disk. */
#ifndef QWD_CTL_ROOM_H
#define QWD_CTL_ROOM_H

#include "base/err.h"

/* How many bytes an image may take of the disk that `fd` is on: what is free,
 * but for some that the service keeps for itself.  ERR_TOO_LARGE if it is
 * full. */
MUST_CHECK int room_find(int fd, long long *ret, struct err *e);

#endif
