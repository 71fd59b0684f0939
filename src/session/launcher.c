#include "session/launcher.h"

#include <string.h>
#include <sys/stat.h>

#include "conf/options_slurm.h"
#include "sys/file.h"
#include "sys/handover.h"

static int start_here(struct child *c, struct err *e)
{
	c->detach = true;
	return child_start(c, e) < 0 ? -1 : 0;
}

/* Another user's socket is of another service, or of root's. */
static bool is_ours(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISSOCK(st.st_mode) &&
	       st.st_uid == geteuid();
}

int launcher_start(const struct config *config, const char *socket,
		   struct child *c, int wait_ms, struct err *e)
{
	AUTO_FREE char *path = file_join(config->dir_launcher, socket);
	bool automatic = strcmp(config->launcher, "auto") == 0 ||
			 config_has_slurm(config);
	struct err silent = ERR_INIT;
	AUTO_CLOSE int fd = -1;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (strcmp(config->launcher, "fork") == 0 ||
	    (automatic && !is_ours(path)))
		return start_here(c, e);
	fd = handover_connect(path, automatic ? &silent : e);
	if (fd >= 0)
		return handover_send(fd, c, wait_ms, e);
	/* A socket whose unit has been stopped. */
	return automatic ? start_here(c, e) : -1;
}
