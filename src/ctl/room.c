#include "ctl/room.h"

#include <sys/statvfs.h>

enum { DISK_RESERVE = 100 * 1000 * 1000 };

int room_find(int fd, long long *ret, struct err *e)
{
	struct statvfs disk;

	if (fstatvfs(fd, &disk) < 0)
		return err_sys(e, "cannot find the free space");
	*ret = (long long)(disk.f_bavail * disk.f_frsize) - DISK_RESERVE;
	return *ret > 0 ? 0 : err_set(e, ERR_TOO_LARGE, "the disk is full");
}
