/*
 * Files: directory descriptors and *at calls, O_NOFOLLOW | O_CLOEXEC, 0600 in
 * 0700.  A file that is replaced is whole at every instant.
 */
#ifndef QWD_SYS_FILE_H
#define QWD_SYS_FILE_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * Open the regular file `name` in `dirfd` (AT_FDCWD for a path), with the
 * flags `how` of open(2), mode 0600 where it is made, and close-on-exec.
 * Whatever lies in its place, a fifo say, hangs nobody: ERR_DAMAGED if it is
 * no regular file (with O_NOFOLLOW also for a symbolic link), ERR_NOT_FOUND if
 * there is none.  Returns the descriptor, or -1.
 */
MUST_CHECK int file_open(int dirfd, const char *name, int how, struct err *e);

/*
 * Read the regular file `name` in `dirfd` (AT_FDCWD for a path) into `out`.
 * ERR_NOT_FOUND if there is none, ERR_TOO_LARGE if it is longer than the
 * buffer's ceiling, ERR_DAMAGED if it is no regular file.  A symbolic link as
 * the last component is ERR_DAMAGED unless `follow`.
 */
MUST_CHECK int file_read(int dirfd, const char *name, bool follow,
			 struct buf *out, struct err *e);

/*
 * Replace or make `name` in `dirfd` with these bytes and `mode`, by a
 * temporary beside it and rename(2).  With `durable` the bytes and the
 * directory are fsynced.  On failure the old file stands and no temporary is
 * left.
 */
MUST_CHECK int file_replace(int dirfd, const char *name, const void *bytes,
			    size_t len, unsigned mode, bool durable,
			    struct err *e);

/* Make `path` and its missing parents, each with `mode`. */
MUST_CHECK int file_make_dirs(const char *path, unsigned mode, struct err *e);

/*
 * Open directory `name` in `dirfd`, made with mode 0700 if it is missing.
 * ERR_DAMAGED unless it is a real directory of the effective user that nobody
 * else may enter.  Returns the descriptor, or -1.
 */
MUST_CHECK int file_private_dir(int dirfd, const char *name, struct err *e);

/*
 * Remove `name` in `dirfd` with everything in it, following no link and
 * crossing into nothing that is no directory.  What is missing is fine.  A
 * tree that somebody else has made may be of any depth and its directories of
 * any mode: it takes three descriptors, and no deeper stack.
 */
MUST_CHECK int file_remove_tree(int dirfd, const char *name, struct err *e);

/*
 * Remove those entries of the directory behind `fd`, which is taken over, of
 * which `is_one` says so.  One that cannot be removed keeps no other: the
 * error is the last one's.  *ret_removed counts the others, in any case.
 */
MUST_CHECK int file_remove_those(int fd,
				 bool (*is_one)(int dirfd, const char *name,
						const void *arg),
				 const void *arg, size_t *ret_removed,
				 struct err *e);

/*
 * Hold the file behind `fd`, with others who do, or `alone`, which wants a
 * descriptor that may write.  It is held until the last copy of the descriptor
 * is closed.  Waits for nobody: -1 with errno, EWOULDBLOCK if others hold it.
 *
 * By flock(2), which does not meet the locks of bytes that QEMU puts on its
 * disks.  On NFS it would: there it is a lock of all bytes, on the server
 * (flock(2), NOTES), so one byte that QEMU does not use is locked instead.
 */
MUST_CHECK int file_hold(int fd, bool alone);

/*
 * The entries of the directory behind `fd`, which is taken over, also where
 * that fails; -1 stands for one that could not be opened.  The caller closes
 * the result; NULL with errno.
 */
MUST_CHECK DIR *file_entries(int fd);

/* `a/b` in allocated memory (caller frees); NULL if no memory. */
char *file_join(const char *a, const char *b);

/* Write all bytes; -1 with errno set if that cannot be done. */
MUST_CHECK int file_write_all(int fd, const void *bytes, size_t len);

#endif
