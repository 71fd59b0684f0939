/*
 * A new image in dir_machines, whole or not at all.
 */
#ifndef QWD_CTL_IMAGE_COPY_H
#define QWD_CTL_IMAGE_COPY_H

#include "base/err.h"

/*
 * Copy all of the file `from` to `name` in directory `dir`, 0644 and on the
 * disk (fsync).  ERR_CONFLICT if there is a file of that name: it stays.
 */
MUST_CHECK int image_copy(int from, int dir, const char *name, struct err *e);

#endif
