#include "session/gpu_lease.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "sys/file.h"

int gpu_lease_take(const struct store *st, const char *address, struct err *e)
{
	AUTO_CLOSE int dir = file_private_dir(st->dir, "gpus", e);
	int fd;

	if (dir < 0)
		return -1;
	fd = openat(dir, address, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return err_sys(e, "cannot make the lease of %s", address);
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_BUSY, "the graphics card %s is taken", address);
	else
		err_sys(e, "cannot take the lease of %s", address);
	close(fd);
	return -1;
}

bool gpu_lease_is_held(const struct store *st, const char *address)
{
	struct err e = ERR_INIT;
	int fd = gpu_lease_take(st, address, &e);

	if (fd >= 0)
		close(fd);
	return fd < 0 && e.code == ERR_BUSY;
}
