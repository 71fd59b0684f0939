/* Removing a tree that may be of any depth: see sys/file.h. */
#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

/* A handle on a directory, to which its maker may have left us no right, with
 * all of them.  -1 with errno. */
static int unlock(int dirfd, const char *name)
{
	int handle = openat(dirfd, name,
			    O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	char path[64];

	if (handle < 0)
		return -1;
	/* By its handle: chmod(2) by name would follow a link. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	(void)!chmod(path, 0700);
	return handle;
}

static int open_any(int dirfd, const char *name)
{
	AUTO_CLOSE int handle = unlock(dirfd, name);

	return handle < 0 ? -1 :
			    openat(handle, ".",
				   O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static bool is_self(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Move a directory that is not empty up into the top one, under a name that
 * is free there.  -1 with errno. */
static int lift(int from, const char *name, int top, unsigned long *serial)
{
	char free_name[32];
	int handle = unlock(from, name); /* its ".." changes: a write to it */

	if (handle < 0)
		return -1;
	close(handle);
	do {
		snprintf(free_name, sizeof(free_name), ".%lu", ++*serial);
		if (renameat(from, name, top, free_name) == 0)
			return 0;
	} while (errno == EEXIST || errno == ENOTEMPTY || errno == ENOTDIR);
	return -1;
}

/* Remove one entry, or lift it into the top directory.  -1 with errno. */
static int remove_entry(int from, const char *name, int top,
			unsigned long *serial)
{
	if (unlinkat(from, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return -1;
	if (unlinkat(from, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return 0;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return -1;
	return lift(from, name, top, serial);
}

/* Empty directory `name` of `top`, lifting its directories.  -1 with errno. */
static int flatten(int top, const char *name, unsigned long *serial)
{
	DIR *dir = file_entries(open_any(top, name));
	const struct dirent *entry;
	int result = 0;
	int saved;

	if (!dir)
		return -1;
	while (result == 0 && (entry = readdir(dir)) != NULL)
		if (!is_self(entry->d_name))
			result = remove_entry(dirfd(dir), entry->d_name, top,
					      serial);
	saved = errno;
	closedir(dir);
	errno = saved;
	return result;
}

/* One pass over the top directory: removes its files and its directories,
 * whose own directories come up.  -1 with errno, or how many it has seen. */
static int pass(int top, unsigned long *serial)
{
	DIR *dir = file_entries(
		openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int seen = 0;
	int saved;

	if (!dir)
		return -1;
	while (seen >= 0 && (entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (is_self(name))
			continue;
		seen = 1;
		if (unlinkat(top, name, 0) == 0 || errno == ENOENT)
			continue;
		if ((errno != EISDIR && errno != EPERM) ||
		    flatten(top, name, serial) < 0 ||
		    (unlinkat(top, name, AT_REMOVEDIR) < 0 && errno != ENOENT))
			seen = -1;
	}
	saved = errno;
	closedir(dir);
	errno = saved;
	return seen;
}

int file_remove_tree(int dirfd, const char *name, struct err *e)
{
	AUTO_CLOSE int top = -1;
	unsigned long serial = 0;
	int seen;

	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_sys(e, "cannot remove %s", name);
	top = open_any(dirfd, name);
	if (top < 0)
		return err_sys(e, "cannot open %s", name);
	do {
		seen = pass(top, &serial);
	} while (seen > 0);
	if (seen < 0 ||
	    (unlinkat(dirfd, name, AT_REMOVEDIR) < 0 && errno != ENOENT))
		return err_sys(e, "cannot remove %s", name);
	return 0;
}

int file_remove_those(int fd,
		      bool (*is_one)(int dirfd, const char *name,
				     const void *arg),
		      const void *arg, size_t *ret_removed, struct err *e)
{
	DIR *dir = file_entries(fd);
	const struct dirent *entry;
	int result = 0;

	*ret_removed = 0;
	if (!dir)
		return err_sys(e, "cannot read a directory");
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 ||
		    !is_one(dirfd(dir), name, arg))
			continue;
		if (file_remove_tree(dirfd(dir), name, e) < 0)
			result = -1;
		else
			++*ret_removed;
	}
	closedir(dir);
	return result;
}
