#include "run/leftover.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "conf/options_slurm.h"
#include "farm/job_dir.h"
#include "farm/slurm_run.h"
#include "farm/visitor.h"
#include "sys/clock.h"
#include "sys/file.h"

enum {
	BUDGET_MS = 120 * 1000, /* for all visitors' of one purge */
	SLOW_MS = 5 * 1000, /* of one: others' turn comes first, then */
	GIVE_UP_S = 86400,
	WHOSE_MAX = 8192,
};

/* 1 if it was left over, and is gone; 0 if it is somebody's, or, with a reason,
 * stays for now; -1 if none can be ended. */
static int end_one(const struct store *st, int dir, const char *name,
		   struct err *ret_stays, struct err *e)
{
	AUTO_FREE char *path = file_join(st->config->dir_slurm, name);
	struct err ignored = ERR_INIT;
	AUTO_CLOSE int job = -1;

	if (!path)
		return err_set(e, ERR_SYSTEM, "no memory");
	if (!session_name_ok(name) || store_is_alive(st, name))
		return 0;
	job = job_dir_open(path, geteuid(), &ignored);
	if (job < 0 || !job_dir_is_ours(job, st->path))
		return 0;
	if (slurm_cancel(st->config, 0, name, e) < 0)
		return -1;
	/* On NFS what a process has open stays until it has closed it. */
	if (job_dir_remove(dir, name, ret_stays) < 0)
		return 0;
	log_event("slurm", "session", name, "result", "left-over", NULL);
	return 1;
}

/* ---- Under the visitors' accounts ---- */

struct visit_all {
	const struct store *st;
	int reg;
	long long until;
	int count;
	struct err first; /* failure */
};

static bool is_entry_of(const struct store *st, int own, const char *name)
{
	AUTO_BUF struct buf text = BUF_INIT(WHOSE_MAX);
	AUTO_BUF struct buf ours = BUF_INIT(WHOSE_MAX);
	struct err ignored = ERR_INIT;

	job_dir_whose(st->path, &ours);
	return session_name_ok(name) && !store_is_alive(st, name) &&
	       file_read(own, name, false, &text, &ignored) == 0 &&
	       strcmp(buf_str(&text), buf_str(&ours)) == 0;
}

static bool is_old(int own, const char *name)
{
	struct stat file;

	return fstatat(own, name, &file, AT_SYMLINK_NOFOLLOW) == 0 &&
	       clock_wall() - file.st_mtime > GIVE_UP_S;
}

/* False if his others would not do better now, or keep everybody waiting. */
static bool end_visitors(struct visit_all *all, int own, const char *user,
			 const char *name)
{
	const char *result = "left-over";
	long long begun = clock_boot_ms();
	struct err e = ERR_INIT;
	bool failed;
	bool slow;

	if (!is_entry_of(all->st, own, name))
		return true;
	failed = visitor_remove(all->st->config, user, name, &e) < 0;
	slow = clock_boot_ms() - begun > SLOW_MS;
	visitor_note_late(all->reg, user, failed || slow);
	if (failed) {
		if (all->first.code == ERR_NONE)
			all->first = e;
		if (!is_old(own, name))
			return false;
		result = "given up";
	}
	visitor_strike(all->reg, user, name);
	log_event("slurm", "session", name, "user", user, "result", result,
		  NULL);
	all->count++;
	return !slow;
}

static void end_of_visitor(struct visit_all *all, const char *user)
{
	int own = openat(all->reg, user,
			 O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *entries = file_entries(own);
	const struct dirent *entry;

	while (entries && clock_boot_ms() < all->until &&
	       (entry = readdir(entries)) != NULL)
		if (!end_visitors(all, dirfd(entries), user, entry->d_name))
			break;
	if (entries)
		closedir(entries);
}

int leftover_end_visitors(const struct store *st, struct err *e)
{
	struct visit_all all = { .st = st,
				 .until = clock_boot_ms() + BUDGET_MS };
	AUTO_TURNS struct visitor_turns turns = { .list = NULL };
	AUTO_CLOSE int reg = -1;

	if (!config_has_visitors(st->config))
		return 0;
	reg = visitor_register_open(st->config, e);
	if (reg < 0 || visitor_turns(reg, &turns, e) < 0)
		return -1;
	all.reg = reg;
	for (size_t i = 0; i < turns.count; i++)
		end_of_visitor(&all, turns.list[i].user);
	if (all.first.code == ERR_NONE)
		return all.count;
	*e = all.first;
	return -1;
}

int leftover_end(const struct store *st, struct err *e)
{
	const char *path = st->config->dir_slurm;
	struct err stays = ERR_INIT;
	struct err one = ERR_INIT;
	struct dirent *entry;
	int count = 0;
	DIR *entries;
	int dir;

	if (!config_has_slurm(st->config) || config_has_visitors(st->config))
		return 0;
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	entries = file_entries(dir);
	if (!entries)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", path);
	while ((entry = readdir(entries)) != NULL) {
		int result = end_one(st, dirfd(entries), entry->d_name, &stays,
				     &one);

		/* The others would wait as long for the same answer. */
		if (result < 0)
			break;
		count += result;
	}
	closedir(entries);
	if (one.code == ERR_NONE && stays.code == ERR_NONE)
		return count;
	*e = one.code == ERR_NONE ? stays : one;
	return -1;
}
