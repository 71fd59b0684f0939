#include "run/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/log.h"
#include "conf/options_slurm.h"
#include "farm/job_dir.h"
#include "farm/slurm_run.h"
#include "sys/file.h"

/* 1 if it was left over, and is gone; 0 if it is somebody's. */
static int end_one(const struct store *st, int dir, const char *name,
		   struct err *e)
{
	AUTO_FREE char *path = file_join(st->config->dir_slurm, name);
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int job = -1;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (!session_name_ok(name) || store_is_alive(st, name))
		return 0;
	job = job_dir_open(path, &ignored);
	if (job < 0 || !job_dir_is_ours(job, st->path))
		return 0;
	if (slurm_cancel(st->config, 0, name, e) < 0 ||
	    job_dir_remove(dir, name, e) < 0)
		return -1;
	log_event("slurm", "session", name, "result", "left-over", NULL);
	return 1;
}

int leftover_end(const struct store *st, struct err *e)
{
	const char *path = st->config->dir_slurm;
	struct err one = ERR_INIT;
	struct dirent *entry;
	int count = 0;
	DIR *entries;
	int dir;

	if (!config_has_slurm(st->config))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	entries = file_entries(dir);
	if (!entries)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", path);
	while ((entry = readdir(entries)) != NULL) {
		int result = end_one(st, dirfd(entries), entry->d_name, &one);

		/* The others would wait as long for the same answer. */
		if (result < 0)
			break;
		count += result;
	}
	closedir(entries);
	if (one.code == ERR_NONE)
		return count;
	*e = one;
	return -1;
}
