#include "ctl/conf_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/machines.h"
#include "sys/file.h"

int conf_file_read(const char *path, struct buf *out, struct err *e)
{
	struct err failure = ERR_INIT;

	if (file_read(AT_FDCWD, path, true, out, &failure) == 0 ||
	    failure.code == ERR_NOT_FOUND)
		return 0;
	*e = failure;
	return err_prefix(e, "%s", path);
}

/* The directory that the file is in, whatever links lead to it, and its name
 * there, which lies in `real`. */
static int open_dir(const char *path, char real[PATH_MAX],
		    const char **ret_name, struct err *e)
{
	char *slash;
	int dir;

	if (!realpath(path, real)) {
		if (errno != ENOENT || strlen(path) >= PATH_MAX)
			return err_sys(e, "cannot find %s", path);
		memcpy(real, path, strlen(path) + 1);
	}
	slash = strrchr(real, '/');
	if (!slash)
		return err_set(e, ERR_CONFIG, "%s is no absolute path", path);
	*slash = '\0';
	dir = open(*real ? real : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_sys(e, "cannot open %s", real);
	*ret_name = slash + 1;
	return dir;
}

int conf_file_write(const char *path, const char *text, size_t len,
		    struct err *e)
{
	char real[PATH_MAX];
	const char *name = NULL;
	AUTO_CLOSE int dir = open_dir(path, real, &name, e);
	struct stat st;

	if (dir < 0 || !name)
		return -1;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return file_replace(dir, name, text, len, 0644, true, e);
	if (file_replace(dir, name, text, len, st.st_mode & 07777, true, e) < 0)
		return -1;
	if (geteuid() == 0 &&
	    fchownat(dir, name, st.st_uid, st.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return err_sys(e, "cannot give %s to its owner", path);
	return 0;
}

int conf_file_lock(const char *path, struct err *e)
{
	char real[PATH_MAX];
	const char *name = NULL;
	AUTO_CLOSE int dir = open_dir(path, real, &name, e);
	int result;

	if (dir < 0)
		return -1;
	do {
		result = flock(dir, LOCK_EX);
	} while (result < 0 && errno == EINTR);
	return result < 0 ? err_sys(e, "cannot lock %s", real) : TAKE_FD(dir);
}

/* True if this line of a section is about the file, not the machine. */
static bool is_of_file(const char *line)
{
	static const char *const keys[] = { "description", "url", "sha256" };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		size_t len = strlen(keys[i]);

		if (strncmp(line, keys[i], len) == 0 &&
		    strchr(" \t=", line[len]))
			return true;
	}
	return false;
}

/* The lines of section `name` that are about the machine. */
static int copy_section(const char *text, const char *name, struct buf *out,
			struct err *e)
{
	AUTO_FREE char *copy = strdup(text);
	char *rest = copy;
	bool inside = false;
	char *line;

	if (!copy)
		return err_set(e, ERR_SYSTEM, "no memory");
	while ((line = strsep(&rest, "\n")) != NULL) {
		const char *clean = text_trim(line);
		size_t len = strlen(clean);

		if (*clean == '[')
			inside = len == strlen(name) + 2 &&
				 strncmp(clean + 1, name, len - 2) == 0;
		else if (inside && *clean && *clean != '#' && *clean != ';' &&
			 !is_of_file(clean))
			buf_printf(out, "%s\n", clean);
	}
	return 0;
}

int conf_file_append_machine(const char *path, const char *name,
			     const char *description, const char *url,
			     const char *like, struct buf *ret, struct err *e)
{
	AUTO_BUF struct buf more = BUF_INIT(CONF_FILE_MAX);
	AUTO_MACHINES struct machines m = { .list = NULL };

	if (conf_file_read(path, ret, e) < 0 ||
	    (like && copy_section(buf_str(ret), like, &more, e) < 0))
		return -1;
	if (ret->len && ret->data[ret->len - 1] != '\n')
		buf_putc(ret, '\n');
	buf_printf(ret, "%s[%s]\n", ret->len ? "\n" : "", name);
	if (description)
		buf_printf(ret, "description = %s\n", description);
	if (url)
		buf_printf(ret, "url = %s\n", url);
	buf_puts(ret, buf_str(&more));
	if (buf_failed(ret) || buf_failed(&more))
		return err_set(e, ERR_TOO_LARGE, "%s is too long", path);
	return machines_parse(path, ret->data, ret->len, &m, e);
}
