/* Which jobs are ours: see farm/visitor.h. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "farm/visitor.h"
#include "sys/file.h"

int visitor_register_open(const struct config *c, struct err *e)
{
	/* Nobody but root may list what is in dir_slurm, or needs to. */
	AUTO_CLOSE int jobs = open(c->dir_slurm,
				   O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (jobs < 0)
		return err_sys(e, "cannot open %s", c->dir_slurm);
	return file_private_dir(jobs, "register", e);
}

/* How many entries; -1. */
static long long count_entries(int reg, const char *user)
{
	DIR *entries = file_entries(openat(reg, user,
					   O_RDONLY | O_DIRECTORY |
						   O_NOFOLLOW | O_CLOEXEC));
	const struct dirent *entry;
	long long count = 0;

	if (!entries)
		return -1;
	while ((entry = readdir(entries)) != NULL)
		count += session_name_ok(entry->d_name);
	closedir(entries);
	return count;
}

int visitor_enter(const struct config *c, const char *store,
		  const char *user, const char *name, long long most,
		  struct err *e)
{
	AUTO_CLOSE int reg = visitor_register_open(c, e);
	AUTO_CLOSE int own = -1;
	AUTO_BUF struct buf whose = BUF_INIT(8192);
	long long count;

	if (reg < 0)
		return -1;
	own = file_private_dir(reg, user, e);
	if (own < 0)
		return -1;
	count = count_entries(reg, user);
	if (count < 0)
		return err_sys(e, "cannot read the register of jobs");
	if (count >= most)
		return err_set(e, ERR_BUSY,
			       "Earlier jobs of yours could not be removed "
			       "from the cluster yet. Try again later.");
	job_dir_whose(store, &whose);
	return file_replace(own, name, buf_str(&whose), whose.len, 0600, false,
			    e);
}

void visitor_strike(int reg, const char *user, const char *name)
{
	AUTO_CLOSE int own = openat(reg, user,
				    O_RDONLY | O_DIRECTORY | O_NOFOLLOW |
					    O_CLOEXEC);

	/* His directory stays: somebody may be about to enter another one. */
	if (own >= 0)
		(void)!unlinkat(own, name, 0);
}
