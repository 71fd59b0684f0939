/*
 * The lint of the page templates: template_check() over each file named.
 *
 * usage: templates FILE...
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/macros.h"
#include "web/template.h"

static int check(const char *path)
{
	struct err e = ERR_INIT;
	const char *slash = strrchr(path, '/');
	AUTO_FREE char *dir =
		slash ? strndup(path, (size_t)(slash - path)) : strdup(".");
	AUTO_CLOSE int dirfd = -1;

	if (!dir)
		return err_sys(&e, "%s", path);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0) {
		fprintf(stderr, "%s: %s\n", dir, strerror(errno));
		return -1;
	}
	if (template_check(-1, dirfd, slash ? slash + 1 : path, &e) < 0) {
		fprintf(stderr, "%s: %s\n", path, e.msg);
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= check(argv[i]) < 0;
	return failed;
}
