#include "session/housekeeping.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "session/history.h"
#include "sys/clock.h"
#include "sys/file.h"

/*
 * Call `visit` for each entry of directory `path` in `from`.  A failure of one
 * entry does not keep the others from their turn; the first one is reported.
 */
typedef int visit_fn(const struct store *st, int dirfd, const char *name,
		     struct purge_result *ret, struct err *e);

static int for_each(const struct store *st, int from, const char *path,
		    visit_fn *visit, struct purge_result *ret, struct err *e)
{
	DIR *dir = file_entries(
		openat(from, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int result = 0;

	if (!dir)
		return errno == ENOENT ? 0 :
					 err_sys(e, "cannot read %s", path);
	while ((entry = readdir(dir)) != NULL) {
		struct err one = ERR_INIT;

		if (visit(st, dirfd(dir), entry->d_name, ret, &one) < 0 &&
		    result == 0) {
			*e = one;
			result = -1;
		}
	}
	closedir(dir);
	return result;
}

/* True if the ended session has been shown for long enough. */
static bool is_old(const struct session *s)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];
	long long age_ms;

	clock_boot_id(boot_id);
	if (strcmp(boot_id, s->boot_id) != 0)
		return clock_wall() - s->ended >= STORE_KEEP_ENDED_S ||
		       clock_wall() < s->ended;
	age_ms = clock_boot_ms() - s->ended_boot_ms;
	return age_ms >= STORE_KEEP_ENDED_S * 1000LL;
}

/*
 * Remove a disk that nobody holds: besides the session's lock an overlay has
 * one of its own (vm/overlay.h), and what is captured has, since services with
 * records of their own may share a directory of overlays.  Others may write to
 * that, too (/tmp): what is not a file of ours is theirs.
 */
static int remove_disk(int dirfd, const char *file, size_t *count,
		       struct err *e)
{
	/* Who would hold it alone on NFS must be able to write. */
	AUTO_CLOSE int fd = openat(dirfd, file,
				   O_RDWR | O_NOFOLLOW | O_NONBLOCK |
					   O_CLOEXEC);
	struct stat stat;

	if (fd < 0) {
		int saved = errno;

		if (saved == EISDIR ||
		    fstatat(dirfd, file, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
		    stat.st_uid != geteuid())
			return 0;
		errno = saved;
		return err_sys(e, "cannot open %s", file);
	}
	if (fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode) ||
	    stat.st_uid != geteuid() || file_hold(fd, true) < 0)
		return 0;
	if (unlinkat(dirfd, file, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", file);
	++*count;
	return 0;
}

static int remove_overlay(const struct store *st, const char *name,
			  struct purge_result *ret, struct err *e)
{
	AUTO_FREE char *path = store_overlay_path(st, name);

	return path ? remove_disk(AT_FDCWD, path, &ret->overlays, e) :
		      err_set(e, ERR_SYSTEM, "no memory");
}

/* What is left of a session whose lock we hold, and its record that is there
 * (or *s is NULL). */
static int settle(const struct store *st, const char *name,
		  const struct session *s, struct purge_result *ret,
		  struct err *e)
{
	if (remove_overlay(st, name, ret, e) < 0 ||
	    file_remove_tree(st->run, name, e) < 0)
		return -1;
	if (s && !is_old(s))
		return 0;
	ret->removed++;
	return store_forget(st, name, e);
}

/* Its owner has died: say so in its record, if nobody has yet, and in the
 * history. */
static int mark_dead(const struct store *st, struct session *s,
		     struct purge_result *ret, struct err *e)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];

	if (s->ended)
		return 0;
	if (!session_is_final(s))
		store_show_dead(s);
	clock_boot_id(boot_id);
	if (strcmp(boot_id, s->boot_id) != 0)
		s->started_boot_ms = 0; /* on another boot's clock */
	memcpy(s->boot_id, boot_id, sizeof(s->boot_id));
	s->ended = clock_wall();
	s->ended_boot_ms = clock_boot_ms();
	if (store_write(st, s, e) < 0)
		return -1;
	ret->failed++;
	/* Not before: the next pass would tell it once more. */
	return history_append(st->config, s, e);
}

/*
 * Under the store's lock only until the session's own is ours and its record
 * final, so that it takes no place any more: a big overlay that goes away must
 * not keep others waiting.
 */
static int visit_lock(const struct store *st, int dirfd, const char *name,
		      struct purge_result *ret, struct err *e)
{
	AUTO_CLOSE int gate = -1;
	AUTO_CLOSE int lock = -1;
	struct err unread = ERR_INIT;
	struct session s;
	bool known;

	(void)dirfd;
	if (!session_name_ok(name) || store_is_alive(st, name))
		return 0;
	gate = store_lock(st, e);
	if (gate < 0)
		return -1;
	lock = store_take_lock(st, name, e);
	if (lock < 0)
		return e->code == ERR_SYSTEM ? -1 : 0;
	known = store_read(st, name, &s, &unread) == 0;
	/* Of what cannot be read now, the next pass may know more. */
	if (!known && unread.code != ERR_DAMAGED &&
	    unread.code != ERR_NOT_FOUND) {
		*e = unread;
		return -1;
	}
	/* A record that cannot be replaced (no room on the disk) keeps nothing
	 * else from going. */
	if (known && mark_dead(st, &s, ret, &unread) < 0) {
		(void)!settle(st, name, &s, ret, e);
		*e = unread;
		return -1;
	}
	close(TAKE_FD(gate));
	return settle(st, name, known ? &s : NULL, ret, e);
}

/* "NAME" + suffix -> NAME of a session that has no lock any more. */
static bool is_stray(const struct store *st, const char *file,
		     const char *suffix, char name[SESSION_NAME_SIZE])
{
	size_t len = strlen(file) - strlen(suffix);

	if (!text_ends(file, suffix) || len >= SESSION_NAME_SIZE)
		return false;
	memcpy(name, file, len);
	name[len] = '\0';
	return session_name_ok(name) &&
	       faccessat(st->locks, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
	       errno == ENOENT;
}

static int visit_record(const struct store *st, int dirfd, const char *file,
			struct purge_result *ret, struct err *e)
{
	char name[SESSION_NAME_SIZE];
	struct session s;

	if (is_stray(st, file, ".json", name)) {
		ret->files++;
		/* One that cannot be read is set aside by the attempt. */
		if (store_read(st, name, &s, e) < 0 && e->code == ERR_DAMAGED)
			return 0;
		return file_remove_tree(dirfd, file, e);
	}
	if (!is_stray(st, file, ".json.tmp", name))
		return 0;
	ret->files++;
	return file_remove_tree(dirfd, file, e);
}

static int visit_run(const struct store *st, int dirfd, const char *file,
		     struct purge_result *ret, struct err *e)
{
	char name[SESSION_NAME_SIZE];

	if (!is_stray(st, file, "", name))
		return 0;
	ret->files++;
	return file_remove_tree(dirfd, file, e);
}

/* True if `name` was made by this service: SERVICE-, 20 characters. */
static bool is_our_name(const struct store *st, const char *name)
{
	size_t prefix = strlen(st->config->service);

	return strncmp(name, st->config->service, prefix) == 0 &&
	       name[prefix] == '-' && strlen(name + prefix + 1) == 20;
}

static int visit_overlay(const struct store *st, int dirfd, const char *file,
			 struct purge_result *ret, struct err *e)
{
	char name[SESSION_NAME_SIZE];

	if (is_stray(st, file, STORE_CAPTURE, name) && is_our_name(st, name))
		return remove_disk(dirfd, file, &ret->files, e);
	if (!is_stray(st, file, ".qcow2", name) || !is_our_name(st, name))
		return 0;
	return remove_disk(dirfd, file, &ret->overlays, e);
}

/* A record that was set aside, for long enough that somebody could look. */
static int visit_damaged(const struct store *st, int dirfd, const char *file,
			 struct purge_result *ret, struct err *e)
{
	struct stat stat;

	(void)st;
	if (strcmp(file, ".") == 0 || strcmp(file, "..") == 0 ||
	    fstatat(dirfd, file, &stat, AT_SYMLINK_NOFOLLOW) < 0 ||
	    clock_wall() - stat.st_ctim.tv_sec < STORE_KEEP_DAMAGED_S)
		return 0;
	ret->files++;
	return file_remove_tree(dirfd, file, e);
}

int housekeeping_purge(const struct store *st, struct purge_result *ret,
		       struct err *e)
{
	int result = 0;

	/* What has no lock is nobody's: a session's lock comes first and goes
	 * last.  So but for the locks nothing here needs the store's lock. */
	*ret = (struct purge_result){ 0 };
	if (for_each(st, st->locks, ".", visit_lock, ret, e) < 0)
		result = -1;
	if (for_each(st, st->dir, ".", visit_record, ret, e) < 0)
		result = -1;
	if (for_each(st, st->run, ".", visit_run, ret, e) < 0)
		result = -1;
	if (for_each(st, st->dir, "damaged", visit_damaged, ret, e) < 0)
		result = -1;
	if (for_each(st, AT_FDCWD, st->config->dir_snapshots, visit_overlay,
		     ret, e) < 0)
		result = -1;
	return result;
}
