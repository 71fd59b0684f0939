/*
 * An administrator's file that a command of ours changes: read whole, and
 * replaced atomically with the mode and owner that it had, on the disk (fsync)
 * then.
 */
#ifndef QWD_CTL_CONF_FILE_H
#define QWD_CTL_CONF_FILE_H

#include "base/buf.h"
#include "base/err.h"

/* Larger files are no configuration. */
enum { CONF_FILE_MAX = 1 << 20 };

/* Read `path`; one that does not exist is empty. */
MUST_CHECK int conf_file_read(const char *path, struct buf *out,
			      struct err *e);

/* Replace `path`, an absolute one (0644 if it is new).  A symbolic link stays
 * one: what it points to is replaced. */
MUST_CHECK int conf_file_write(const char *path, const char *text, size_t len,
			       struct err *e);

/*
 * Between reading the file and replacing it nobody else of us does: waits.
 * Returns a descriptor, whose close ends that, or -1.
 */
MUST_CHECK int conf_file_lock(const char *path, struct err *e);

/*
 * machines.conf `path` with one section more into *ret, checked as the service
 * reads it; `description`, `url` and `like` may be NULL.  With `like`, the name
 * of a machine, the section has what that one's has (who may use it, firmware,
 * ...) but for description, url and sha256.  Nothing is written.
 */
MUST_CHECK int conf_file_append_machine(const char *path, const char *name,
					const char *description,
					const char *url, const char *like,
					struct buf *ret,
					struct err *e);

#endif
