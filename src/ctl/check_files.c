#include "ctl/check.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "conf/catalogue.h"
#include "conf/machines.h"
#include "sys/file.h"

/* Less room than this for overlays is a warning. */
enum { ROOM_LEAST = 2000000000 };

/* The mode bits that say what the service's user may do with it. */
static unsigned rights(const struct check *k, const struct stat *st)
{
	if (k->user == 0)
		return 7;
	if (st->st_uid == k->user)
		return st->st_mode >> 6 & 7;
	return (st->st_gid == k->group ? st->st_mode >> 3 : st->st_mode) & 7;
}

/* ---- Machines ---- */

static void check_missing(struct check *k, const struct machine *m)
{
	if (*m->url)
		check_say(k, CHECK_WARNING,
			  "machine %s is not here; run qwdctl download %s",
			  m->name, m->name);
	else
		check_say(k, CHECK_WARNING,
			  "machine %s is not here and has no url; copy it into "
			  "%s and run qwdctl refresh",
			  m->name, k->config->dir_machines);
}

/* True if sessions can start on it. */
static bool check_machine(struct check *k, const struct machine *m,
			  const struct catalogue *cat)
{
	const struct catalogue_entry *entry = catalogue_find(cat, m->name);
	AUTO_FREE char *path = file_join(k->config->dir_machines, m->name);
	struct stat st;

	if (!path || stat(path, &st) < 0) {
		check_missing(k, m);
		return false;
	}
	if (!(rights(k, &st) & 4)) {
		check_say(k, CHECK_ERROR,
			  "%s cannot be read by user %s; chmod a+r %s", path,
			  k->user_name, path);
		return false;
	}
	if (!entry || catalogue_is_stale(k->config, entry)) {
		check_say(k, CHECK_WARNING,
			  "machine %s is new or changed; run qwdctl refresh",
			  m->name);
		return entry && entry->usable;
	}
	if (!entry->usable)
		check_say(k, CHECK_WARNING,
			  "machine %s %s; replace it, or take it off the list",
			  m->name, entry->reason);
	return entry->usable;
}

/* Images that nobody is offered. */
static void check_unlisted(struct check *k, const struct machines *m)
{
	DIR *dir = opendir(k->config->dir_machines);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && !machines_find(m, entry->d_name))
			check_say(k, CHECK_NOTE,
				  "%s/%s is not offered; add [%s] to %s",
				  k->config->dir_machines, entry->d_name,
				  entry->d_name, k->config->machines_conf);
	if (dir)
		closedir(dir);
}

static void check_catalogue(struct check *k, const struct machines *m)
{
	AUTO_CATALOGUE struct catalogue cat = { .list = NULL };
	struct err e = ERR_INIT;
	size_t usable = 0;

	if (catalogue_load(k->config, &cat, &e) < 0)
		check_say(k, CHECK_ERROR, "%s; run qwdctl refresh", e.msg);
	for (size_t i = 0; i < m->count; i++)
		usable += check_machine(k, &m->list[i], &cat);
	if (usable)
		check_say(k, CHECK_OK, "%zu of %zu machines can be started",
			  usable, m->count);
	else
		check_say(k, CHECK_ERROR,
			  "no machine can be started; list one in %s and run "
			  "qwdctl download",
			  k->config->machines_conf);
}

static void check_machines(struct check *k)
{
	AUTO_MACHINES struct machines m = { .list = NULL };
	struct err e = ERR_INIT;

	if (machines_read(k->config->machines_conf, &m, &e) < 0) {
		check_say(k, CHECK_ERROR, "%s; mend it", e.msg);
		return;
	}
	check_catalogue(k, &m);
	check_unlisted(k, &m);
	check_settings(k, &m);
	check_machine_networks(k, &m);
}

/* ---- Directories ---- */

static bool is_dir(struct check *k, const char *option, const char *path,
		   struct stat *ret)
{
	if (stat(path, ret) == 0 && S_ISDIR(ret->st_mode))
		return true;
	check_say(k, CHECK_ERROR,
		  "%s: %s is no directory; make it, owned by "
		  "user %s",
		  option, path, k->user_name);
	return false;
}

static void check_public(struct check *k, const char *option, const char *path)
{
	struct stat st;

	if (!is_dir(k, option, path, &st))
		return;
	if (st.st_mode & 022)
		check_say(k, CHECK_ERROR,
			  "%s: others can write to %s; chmod go-w %s", option,
			  path, path);
	else if ((rights(k, &st) & 5) != 5)
		check_say(k, CHECK_ERROR,
			  "%s: user %s cannot read %s; chmod a+rx %s", option,
			  k->user_name, path, path);
	else
		check_say(k, CHECK_OK, "%s %s", option, path);
}

static void check_private(struct check *k, const char *option, const char *path)
{
	struct stat st;

	if (!is_dir(k, option, path, &st))
		return;
	if ((rights(k, &st) & 7) != 7)
		check_say(k, CHECK_ERROR,
			  "%s: user %s cannot write to %s; chown %s %s", option,
			  k->user_name, path, k->user_name, path);
	else if (st.st_mode & 077)
		check_say(k, CHECK_WARNING,
			  "%s: other users can enter %s; chmod 700 %s", option,
			  path, path);
	else
		check_say(k, CHECK_OK, "%s %s", option, path);
}

static void check_room(struct check *k)
{
	const char *path = k->config->dir_snapshots;
	struct statvfs disk;
	unsigned long long room;

	if (statvfs(path, &disk) < 0)
		return;
	room = (unsigned long long)disk.f_bavail * disk.f_frsize;
	if (room < ROOM_LEAST)
		check_say(k, CHECK_WARNING,
			  "only %llu MB are free in %s, where the disks of "
			  "running machines grow; make room",
			  room / 1000000, path);
}

/* Could the service's user make this directory? */
static bool can_be_made(struct check *k, const char *path)
{
	AUTO_FREE char *parent = strdup(path);
	char *slash = parent ? strrchr(parent, '/') : NULL;
	struct stat st;

	if (!slash)
		return false;
	slash[slash == parent] = '\0';
	return stat(parent, &st) == 0 && (rights(k, &st) & 3) == 3;
}

/* The first session makes dir_cfg, if it may. */
static void check_parent(struct check *k, const char *path)
{
	if (can_be_made(k, path))
		check_say(k, CHECK_OK,
			  "dir_cfg %s (the first session makes it)", path);
	else
		check_say(k, CHECK_ERROR,
			  "dir_cfg: user %s cannot make %s; mkdir -p %s and "
			  "chown %s %s",
			  k->user_name, path, path, k->user_name, path);
}

/* A shared dir_cfg gets a private directory below it, which is no affair of
 * ours; a private one must be the service's. */
static void check_records(struct check *k)
{
	const char *path = k->config->dir_cfg;
	struct stat st;

	if (!*path) {
		check_say(k, CHECK_NOTE,
			  "session records are kept below /tmp, which a web "
			  "server with PrivateTmp has for itself; set dir_cfg");
		return;
	}
	if (lstat(path, &st) < 0 && errno == ENOENT)
		check_parent(k, path);
	else if (st.st_mode & S_ISVTX)
		check_say(k, CHECK_OK, "dir_cfg %s (shared)", path);
	else
		check_private(k, "dir_cfg", path);
}

/* The end of the first session makes it; without it there is no report. */
static void check_history(struct check *k)
{
	const char *path = k->config->dir_history;
	struct stat st;

	if (lstat(path, &st) == 0)
		check_private(k, "dir_history", path);
	else if (can_be_made(k, path))
		check_say(k, CHECK_OK,
			  "dir_history %s (the first session makes it)", path);
	else
		check_say(k, CHECK_WARNING,
			  "dir_history: user %s cannot make %s, so that qwdctl "
			  "report knows of no session; install -d -m 700 -o %s "
			  "%s",
			  k->user_name, path, k->user_name, path);
}

void check_files(struct check *k)
{
	check_machines(k);
	check_public(k, "dir_service", k->config->dir_service);
	check_public(k, "dir_machines", k->config->dir_machines);
	check_private(k, "dir_snapshots", k->config->dir_snapshots);
	check_room(k);
	check_records(k);
	check_history(k);
}
