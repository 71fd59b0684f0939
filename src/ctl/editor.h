/* The administrator's editor. */
#ifndef QWD_CTL_EDITOR_H
#define QWD_CTL_EDITOR_H

#include "base/err.h"

/*
 * Run VISUAL, EDITOR or Debian's `editor` on `file`, on our own terminal, for
 * as long as it takes.  Their values are words with blanks between; no shell
 * sees them.  ERR_CONFIG if there is no such program, ERR_CONFLICT if it did
 * not end with status 0.
 */
MUST_CHECK int editor_run(const char *file, struct err *e);

#endif
