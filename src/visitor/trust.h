/*
 * What only root can have written: files and directories that decide what
 * qwd-visitor does.
 */
#ifndef QWD_VISITOR_TRUST_H
#define QWD_VISITOR_TRUST_H

#include "base/err.h"

/*
 * Is the file or directory at this absolute path root's, with all directories
 * above it, and may nobody else write to them, but for directories with the
 * sticky bit, in which nobody moves what is root's?  Where links lead, too.
 * ERR_CONFIG naming what is not; ERR_NOT_FOUND if it is missing, and nobody but
 * root can make it.
 */
MUST_CHECK int trust_path(const char *path, struct err *e);

/* The same of all that lies in that directory, if there is one. */
MUST_CHECK int trust_directory(const char *path, struct err *e);

#endif
