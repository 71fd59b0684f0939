#include "ctl/program.h"

#include <limits.h>
#include <string.h>

#include "sys/child.h"

char *program_find(struct err *e)
{
	static const char *const places[] = { "qemu-web-desktop",
					      "../cgi-bin/qemu-web-desktop" };
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self));
	const char *slash = len > 0 ? memrchr(self, '/', (size_t)len) : NULL;

	for (size_t i = 0; slash && i < ARRAY_LEN(places); i++) {
		char *path;

		if (asprintf(&path, "%.*s%s", (int)(slash - self + 1), self,
			     places[i]) < 0)
			break;
		if (access(path, X_OK) == 0)
			return path;
		free(path);
	}
	return child_find_program("qemu-web-desktop", e);
}
