#include "vm/overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "sys/file.h"

int overlay_reserve(const struct store *st, const struct session *s,
		    struct err *e)
{
	AUTO_FREE char *path = store_overlay_path(st, s->name);
	struct stat stat;
	int fd;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		  0600);
	if (fd < 0)
		return err_sys(e, "cannot make %s", path);
	if (file_hold(fd, true) < 0) {
		err_sys(e, "cannot lock %s", path);
		unlink(path);
		close(fd);
		return -1;
	}
	/* A purge of another service may have been faster than the lock. */
	if (fstat(fd, &stat) < 0 || stat.st_nlink != 1) {
		close(fd);
		return err_set(e, ERR_SYSTEM, "%s was taken away", path);
	}
	return fd;
}

int overlay_lock_image(const struct session *s, const char *image,
		       struct err *e)
{
	int fd = open(image, (s->master ? O_RDWR : O_RDONLY) | O_NONBLOCK |
				     O_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot open %s", image);
	if (file_hold(fd, s->master) == 0)
		return fd;
	if (errno == EWOULDBLOCK)
		err_set(e, ERR_CONFLICT, "%s is in use", image);
	else
		err_sys(e, "cannot lock %s", image);
	close(fd);
	return -1;
}

void overlay_command(const char *qemu_img, const struct session *s,
		     const char *image, const char *overlay, struct argv *ret)
{
	argv_add(ret, qemu_img);
	argv_add(ret, "create");
	argv_add(ret, "-q");
	argv_add(ret, "-f");
	argv_add(ret, "qcow2");
	if (!s->iso) {
		argv_add(ret, "-u"); /* the size is known: open nothing */
		argv_add(ret, "-F");
		argv_add(ret, s->format);
		argv_add(ret, "-b");
		argv_add(ret, image);
	}
	argv_add(ret, overlay);
	if (s->disk_mb)
		argv_addf(ret, "%lldM", s->disk_mb);
	else
		argv_addf(ret, "%lld", s->virtual_size);
}

int overlay_remove(const struct store *st, const struct session *s,
		   struct err *e)
{
	AUTO_FREE char *path = store_overlay_path(st, s->name);

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (unlink(path) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", path);
	return 0;
}

unsigned long long overlay_max_bytes(const struct session *s)
{
	unsigned long long disk = s->disk_mb ?
			(unsigned long long)s->disk_mb * 1048576 :
			(unsigned long long)s->virtual_size;

	/* qcow2's tables take 1/8192 for L2 and about as much for refcounts;
	 * 64 MiB more serve small disks. */
	return disk + disk / 1024 + (64ULL << 20);
}
