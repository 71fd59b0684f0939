#include "visitor/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "sys/file.h"

/* `made`: what is asked for in this directory is there; who may write to it
 * could make it otherwise, also where the sticky bit is. */
static int trust_one(const char *path, bool made, struct err *e)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return errno == ENOENT ?
			       err_set(e, ERR_NOT_FOUND, "there is no %s",
				       path) :
			       err_sys(e, "cannot look at %s", path);
	if (st.st_uid == 0 &&
	    (!(st.st_mode & 022) ||
	     (made && S_ISDIR(st.st_mode) && (st.st_mode & S_ISVTX))))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "%s must be root's, and nobody else's to write", path);
}

static int trust_way(const char *path, struct err *e)
{
	AUTO_FREE char *copy = strdup(path);
	struct err missing = ERR_INIT;
	struct err why = ERR_INIT;
	bool made = true;

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	for (char *slash = strrchr(copy, '/'); slash;
	     slash = strrchr(copy, '/')) {
		made = trust_one(copy, made, &why) == 0;
		if (!made && why.code != ERR_NOT_FOUND) {
			*e = why;
			return -1;
		}
		if (!made && missing.code == ERR_NONE)
			missing = why;
		*slash = '\0';
	}
	if (trust_one("/", made, e) < 0)
		return -1;
	if (missing.code == ERR_NONE)
		return 0;
	*e = missing;
	return -1;
}

int trust_path(const char *path, struct err *e)
{
	AUTO_FREE char *real = NULL;

	if (path[0] != '/')
		return err_set(e, ERR_CONFIG, "%s is not an absolute path",
			       path);
	if (trust_way(path, e) < 0)
		return -1;
	real = realpath(path, NULL);
	if (!real)
		return err_sys(e, "cannot follow %s", path);
	return trust_way(real, e);
}

int trust_directory(const char *path, struct err *e)
{
	DIR *entries = file_entries(
		open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	int result;

	if (!entries)
		return errno == ENOENT ? 0 : err_sys(e, "cannot read %s", path);
	result = trust_path(path, e);
	while (result == 0 && (entry = readdir(entries)) != NULL) {
		AUTO_FREE char *file = file_join(path, entry->d_name);

		if (entry->d_name[0] == '.')
			continue;
		result = file ? trust_path(file, e) :
				err_set(e, ERR_SYSTEM, "no memory");
	}
	closedir(entries);
	return result;
}
