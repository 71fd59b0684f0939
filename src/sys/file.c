#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* QEMU's are from 100 on and from 200 on, one for each of its permissions
 * (block/file-posix.c). */
enum { HOLD_BYTE = 1000 };

int file_open(int dirfd, const char *name, int how, struct err *e)
{
	/* O_NONBLOCK: a fifo that somebody planted must not hang us. */
	int fd = openat(dirfd, name, how | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
			0600);
	struct stat st;

	if (fd < 0 && errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "%s does not exist", name);
	if (fd < 0 && errno == ELOOP)
		return err_set(e, ERR_DAMAGED, "%s is a symbolic link", name);
	/* A socket, or a fifo that nobody reads; a directory to be written. */
	if (fd < 0 && (errno == ENXIO || errno == EISDIR))
		return err_set(e, ERR_DAMAGED, "%s is no regular file", name);
	if (fd < 0)
		return err_sys(e, "cannot open %s", name);
	if (fstat(fd, &st) < 0)
		err_sys(e, "cannot look at %s", name);
	else if (!S_ISREG(st.st_mode))
		err_set(e, ERR_DAMAGED, "%s is no regular file", name);
	else
		return fd;
	close(fd);
	return -1;
}

int file_read(int dirfd, const char *name, bool follow, struct buf *out,
	      struct err *e)
{
	AUTO_CLOSE int fd = file_open(
		dirfd, name, O_RDONLY | (follow ? 0 : O_NOFOLLOW), e);

	if (fd < 0)
		return -1;
	for (;;) {
		char piece[4096];
		ssize_t got = read(fd, piece, sizeof(piece));

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_sys(e, "cannot read %s", name);
		if (got == 0)
			return 0;
		if ((size_t)got > out->max - out->len)
			return err_set(e, ERR_TOO_LARGE, "%s is too large",
				       name);
		buf_add(out, piece, (size_t)got);
		if (buf_failed(out))
			return err_set(e, ERR_SYSTEM, "no memory");
	}
}

int file_write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t put = write(fd, p, len);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -1;
		p += put;
		len -= (size_t)put;
	}
	return 0;
}

int file_replace(int dirfd, const char *name, const void *bytes, size_t len,
		 unsigned mode, bool durable, struct err *e)
{
	AUTO_FREE char *temporary = NULL;
	AUTO_CLOSE int fd = -1;

	/* The writer of a file is alone (it holds the file's lock), so a
	 * temporary of that name is what a crash left behind. */
	if (asprintf(&temporary, "%s.tmp", name) < 0) {
		temporary = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", temporary);
	fd = openat(dirfd, temporary,
		    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	if (fd < 0)
		return err_sys(e, "cannot make %s", temporary);
	if (file_write_all(fd, bytes, len) < 0 ||
	    fchmod(fd, mode) < 0 || (durable && fsync(fd) < 0) ||
	    renameat(dirfd, temporary, dirfd, name) < 0) {
		err_sys(e, "cannot write %s", name);
		unlinkat(dirfd, temporary, 0);
		return -1;
	}
	if (durable) {
		AUTO_FREE char *copy = strdup(name);
		AUTO_CLOSE int parent = -1;
		char *slash = copy ? strrchr(copy, '/') : NULL;

		if (slash)
			slash[slash == copy] = '\0';
		parent = openat(dirfd, slash ? copy : ".",
				O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (parent < 0 || fsync(parent) < 0)
			return err_sys(e, "cannot sync the directory of %s",
				       name);
	}
	return 0;
}

int file_make_dirs(const char *path, unsigned mode, struct err *e)
{
	AUTO_FREE char *copy = strdup(path);
	struct stat st;

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (char *slash = copy; slash && *slash;) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = '\0';
		if (mkdir(copy, mode) < 0 && errno != EEXIST)
			return err_sys(e, "cannot make directory %s", copy);
		if (slash)
			*slash = '/';
	}
	if (stat(path, &st) < 0)
		return err_sys(e, "cannot make directory %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(e, ERR_DAMAGED, "%s is no directory", path);
	return 0;
}

int file_private_dir(int dirfd, const char *name, struct err *e)
{
	struct stat st;
	int fd;

	if (mkdirat(dirfd, name, 0700) < 0 && errno != EEXIST)
		return err_sys(e, "cannot make directory %s", name);
	fd = openat(dirfd, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && (errno == ELOOP || errno == ENOTDIR))
		return err_set(e, ERR_DAMAGED, "%s is no real directory", name);
	if (fd < 0)
		return err_sys(e, "cannot open directory %s", name);
	if (fstat(fd, &st) < 0) {
		err_sys(e, "cannot stat %s", name);
		close(fd);
		return -1;
	}
	if (st.st_uid != geteuid() || (st.st_mode & 077)) {
		close(fd);
		return err_set(e, ERR_DAMAGED,
			       "%s must belong to user %u with mode 0700", name,
			       (unsigned)geteuid());
	}
	return fd;
}

static int hold_byte(int fd, bool alone)
{
	/* Of the open file, like an flock, not of the process (fcntl(2)). */
	struct flock lock = { .l_type = (short)(alone ? F_WRLCK : F_RDLCK),
			      .l_whence = SEEK_SET,
			      .l_start = HOLD_BYTE,
			      .l_len = 1 };

	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EACCES || errno == EAGAIN)
		errno = EWOULDBLOCK;
	return -1;
}

int file_hold(int fd, bool alone)
{
	struct statfs fs;

	if (fstatfs(fd, &fs) < 0)
		return -1;
	return fs.f_type == NFS_SUPER_MAGIC ?
		       hold_byte(fd, alone) :
		       flock(fd, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB);
}

DIR *file_entries(int fd)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int saved = errno;

	if (!dir && fd >= 0)
		close(fd);
	errno = saved;
	return dir;
}

char *file_join(const char *a, const char *b)
{
	char *path;

	if (asprintf(&path, "%s/%s", a, b) < 0)
		return NULL;
	return path;
}
