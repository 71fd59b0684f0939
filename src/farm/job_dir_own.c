/* The directory of a visitor's own job: job_dir_make_own() and _remove_own() of
 * farm/job_dir.h. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "farm/job_dir.h"

/* Nobody but root may rename what another has made there. */
static int check_place(int jobs, struct stat *ret, struct err *e)
{
	if (fstat(jobs, ret) < 0)
		return err_sys(e, "cannot look at dir_slurm");
	if (ret->st_uid == 0 && (ret->st_mode & S_ISVTX) &&
	    (ret->st_mode & S_ISGID))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "dir_slurm must be root's, with mode 3733");
}

static int check_made(int fd, const struct stat *place, struct err *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "cannot look at the job's directory");
	if (st.st_uid == geteuid() && st.st_gid == place->st_gid &&
	    (st.st_mode & 07777) == (S_ISGID | 0750))
		return 0;
	return err_set(e, ERR_DAMAGED,
		       "the job's directory did not become what it should; "
		       "dir_slurm must be root's, with mode 3733");
}

int job_dir_make_own(int jobs, const char *name, struct err *e)
{
	AUTO_CLOSE int output = -1;
	AUTO_CLOSE int fd = -1;
	struct stat place;
	mode_t mask;
	int result;

	if (check_place(jobs, &place, e) < 0)
		return -1;
	/* The set-group-ID bit comes from the place. */
	mask = umask(0);
	result = mkdirat(jobs, name, 0750);
	umask(mask);
	if (result < 0)
		return errno == EEXIST ?
			       err_set(e, ERR_CONFLICT, "%s is there already",
				       name) :
			       err_sys(e, "cannot make %s", name);
	fd = openat(jobs, name,
		    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_sys(e, "cannot open %s", name);
	if (check_made(fd, &place, e) < 0)
		return -1;
	output = openat(fd, "output",
			O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
			0640);
	if (output < 0 || fchmod(output, 0640) < 0)
		return err_sys(e, "cannot make the job's output");
	return TAKE_FD(fd);
}

/* The other would choose what is removed: he may move into it what is the
 * visitor's, where both may write. */
int job_dir_remove_own(int jobs, const char *name, struct err *e)
{
	struct stat st;

	if (fstatat(jobs, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 :
					 err_sys(e, "cannot look at %s", name);
	return st.st_uid == geteuid() ? job_dir_remove(jobs, name, e) : 0;
}
