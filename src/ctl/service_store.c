#include "ctl/service_store.h"

#include <grp.h>
#include <sys/stat.h>

static int become(const struct stat *owner, struct err *e)
{
	if (setgroups(0, NULL) < 0 ||
	    setresgid(owner->st_gid, owner->st_gid, owner->st_gid) < 0 ||
	    setresuid(owner->st_uid, owner->st_uid, owner->st_uid) < 0)
		return err_sys(e, "cannot become user %u",
			       (unsigned)owner->st_uid);
	return 0;
}

int service_store_open(const struct config *c, struct store *ret,
		       struct err *e)
{
	struct stat stat;

	if (geteuid() == 0 && c->dir_cfg[0] && lstat(c->dir_cfg, &stat) == 0 &&
	    S_ISDIR(stat.st_mode) && stat.st_uid != 0 &&
	    (stat.st_mode & 077) == 0 && become(&stat, e) < 0)
		return -1;
	return store_open(c, ret, e);
}
