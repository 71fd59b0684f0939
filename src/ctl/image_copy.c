#include "ctl/image_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "sys/file.h"

/* All bytes; the file system may share them (copy_file_range(2)). */
static int copy_bytes(int from, int to, struct err *e)
{
	ssize_t got;

	do {
		got = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got == 0)
		return 0;
	if (errno != EXDEV && errno != EINVAL && errno != EOPNOTSUPP)
		return err_sys(e, "cannot copy");
	for (;;) {
		char piece[65536];

		got = read(from, piece, sizeof(piece));
		if (got == 0)
			return 0;
		if (got < 0 || file_write_all(to, piece, (size_t)got) < 0)
			return err_sys(e, "cannot copy");
	}
}

static int copy_to(int from, int dir, const char *part, const char *name,
		   struct err *e)
{
	AUTO_CLOSE int to = openat(dir, part,
				   O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW |
					   O_CLOEXEC,
				   0600);

	if (to < 0)
		return err_sys(e, "cannot make %s", part);
	if (copy_bytes(from, to, e) < 0)
		return -1;
	if (fchmod(to, 0644) < 0 || fsync(to) < 0)
		return err_sys(e, "cannot write %s", part);
	/* Not over a file that is there, whatever it is. */
	if (linkat(dir, part, dir, name, 0) < 0)
		return errno == EEXIST ?
			       err_set(e, ERR_CONFLICT,
				       "a file %s is in dir_machines already",
				       name) :
			       err_sys(e, "cannot make %s", name);
	return 0;
}

int image_copy(int from, int dir, const char *name, struct err *e)
{
	AUTO_FREE char *part = NULL;
	int result;

	if (asprintf(&part, ".%s.new", name) < 0) {
		part = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (lseek(from, 0, SEEK_SET) < 0)
		return err_sys(e, "cannot be read");
	(void)unlinkat(dir, part, 0);
	result = copy_to(from, dir, part, name, e);
	(void)unlinkat(dir, part, 0);
	return result;
}
