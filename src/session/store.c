#include "session/store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "session/store_parts.h"
#include "sys/file.h"

enum { LOG_MAX_BYTES = 1 << 20 };

/* What is at `path`: 1 a directory of ours that nobody else may enter, 0 what
 * others may, or nothing; -1 with errno if that cannot be found out. */
static int is_private(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT || errno == ENOTDIR ? 0 : -1;
	return S_ISDIR(st.st_mode) && st.st_uid == geteuid() &&
	       (st.st_mode & 077) == 0;
}

static bool is_missing(const char *path)
{
	return access(path, F_OK) < 0 && errno == ENOENT;
}

/* The path of the store's own directory (caller frees).  Never one for
 * another: there would be two stores, each with places of its own. */
static char *choose_path(const struct config *c, struct err *e)
{
	const char *base = c->dir_cfg[0] ? c->dir_cfg : "/tmp";
	int private = c->dir_cfg[0] ? is_private(base) : 0;
	char *path = NULL;

	if (private < 0) {
		err_sys(e, "dir_cfg: cannot look at %s", base);
		return NULL;
	}
	if (c->dir_cfg[0] && (private || is_missing(base)))
		path = strdup(base);
	else if (asprintf(&path, "%s/%s-%u", base, c->service,
			  (unsigned)geteuid()) < 0)
		path = NULL;
	if (!path)
		err_set(e, ERR_SYSTEM, "no memory");
	return path;
}

int store_open(const struct config *config, struct store *ret, struct err *e)
{
	struct store st = STORE_INIT;

	st.config = config;
	st.path = choose_path(config, e);
	if (!st.path)
		return -1;
	st.dir = file_private_dir(AT_FDCWD, st.path, e);
	if (st.dir >= 0)
		st.locks = file_private_dir(st.dir, "locks", e);
	if (st.locks >= 0)
		st.run = file_private_dir(st.dir, "run", e);
	if (st.run < 0) {
		store_release(&st);
		return err_prefix(e, "dir_cfg");
	}
	*ret = st;
	return 0;
}

/* Is it the log still?  Another may have moved it since it was opened: the new
 * one must not take the place of the old one at once. */
static bool is_log(const struct store *st, const struct stat *log)
{
	struct stat now;

	return fstatat(st->dir, "log", &now, AT_SYMLINK_NOFOLLOW) == 0 &&
	       now.st_dev == log->st_dev && now.st_ino == log->st_ino;
}

int store_open_log(const struct store *st)
{
	struct err ignored = ERR_INIT;
	struct stat stat;
	int fd = file_open(st->dir, "log",
			   O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW,
			   &ignored);

	if (fd >= 0 && fstat(fd, &stat) == 0 &&
	    stat.st_size > LOG_MAX_BYTES && is_log(st, &stat))
		(void)!renameat(st->dir, "log", st->dir, "log.1");
	return fd;
}

void store_follow_log(const struct store *st, int fd)
{
	AUTO_CLOSE int now = -1;
	struct stat stat;

	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) || stat.st_nlink)
		return;
	now = store_open_log(st);
	if (now >= 0)
		(void)!dup2(now, fd);
}

void store_release(struct store *st)
{
	free(st->path);
	if (st->dir >= 0)
		close(st->dir);
	if (st->locks >= 0)
		close(st->locks);
	if (st->run >= 0)
		close(st->run);
	*st = (struct store)STORE_INIT;
}

/*
 * Try a session's lock: its descriptor; -1 with EWOULDBLOCK if it is held,
 * ENOENT if there is none, or what else kept us from finding out.  Who only
 * looks takes it shared (LOCK_SH), so that two lookers do not take each other
 * for the owner.
 */
static int try_lock(const struct store *st, const char *name, int how)
{
	struct stat stat;
	int fd = openat(st->locks, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (flock(fd, how | LOCK_NB) < 0 || fstat(fd, &stat) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	if (stat.st_nlink != 1) {
		close(fd);
		errno = ENOENT;
		return -1;
	}
	return fd;
}

bool store_is_alive(const struct store *st, const char *name)
{
	int fd = try_lock(st, name, LOCK_SH);

	if (fd >= 0) {
		close(fd);
		return false;
	}
	/* Who cannot find out (no descriptor, no memory) says nobody dead. */
	return errno != ENOENT && errno != ELOOP && errno != EISDIR &&
	       errno != ENXIO;
}

int store_lock(const struct store *st, struct err *e)
{
	int fd = openat(st->dir, "lock",
			O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	int result;

	if (fd < 0)
		return err_sys(e, "cannot open the store's lock");
	do {
		result = flock(fd, LOCK_EX);
	} while (result < 0 && errno == EINTR);
	if (result < 0) {
		err_sys(e, "cannot take the store's lock");
		close(fd);
		return -1;
	}
	return fd;
}

int store_take_lock(const struct store *st, const char *name, struct err *e)
{
	int fd = try_lock(st, name, LOCK_EX);

	if (fd >= 0)
		return fd;
	if (errno == EWOULDBLOCK)
		return err_set(e, ERR_CONFLICT, "session %s lives", name);
	if (errno == ENOENT)
		return err_set(e, ERR_NOT_FOUND, "session %s has no lock",
			       name);
	return err_sys(e, "cannot lock session %s", name);
}

int store_forget(const struct store *st, const char *name, struct err *e)
{
	struct record_name file = store_record_name(name);
	int result = file_remove_tree(st->run, name, e);

	if (unlinkat(st->dir, file.text, 0) < 0 && errno != ENOENT)
		result = err_sys(e, "cannot remove record %s", name);
	if (result == 0 && unlinkat(st->locks, name, 0) < 0 &&
	    errno != ENOENT)
		result = err_sys(e, "cannot remove lock %s", name);
	return result;
}

char *store_overlay_path(const struct store *st, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s.qcow2", st->config->dir_snapshots,
		     name) < 0)
		return NULL;
	return path;
}
