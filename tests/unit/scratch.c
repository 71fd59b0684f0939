#include "scratch.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "sys/file.h"

char scratch_path[4096];
int scratch_fd = -1;

int scratch_make(void **state)
{
	const char *base = getenv("TMPDIR");

	(void)state;
	snprintf(scratch_path, sizeof(scratch_path), "%s/qwd-unit-XXXXXX",
		 base && *base ? base : "/tmp");
	if (!mkdtemp(scratch_path))
		return -1;
	scratch_fd = open(scratch_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return scratch_fd < 0 ? -1 : 0;
}

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *where)
{
	(void)st;
	(void)type;
	(void)where;
	return remove(path);
}

int scratch_remove(void **state)
{
	(void)state;
	if (scratch_fd >= 0)
		close(scratch_fd);
	scratch_fd = -1;
	return nftw(scratch_path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

void scratch_write(const char *name, const void *bytes, size_t len)
{
	int fd = openat(scratch_fd, name,
			O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_true(write(fd, bytes, len) == (ssize_t)len);
	close(fd);
}

void scratch_puts(const char *name, const char *text)
{
	scratch_write(name, text, strlen(text));
}

size_t scratch_count(int dirfd, const char *path)
{
	DIR *dir = file_entries(
		openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	const struct dirent *entry;
	size_t count = 0;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}
