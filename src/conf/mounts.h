/*
 * Volumes: directories of this host that guests may mount, as the option
 * dir_mounts and the key `mounts` of machines.conf name them:
 *
 *     /srv/data, /srv/homes/@USER@:rw
 *
 * Each is an absolute path of letters, digits, blanks, "._+@=-" and '/',
 * without "." and "..", then :ro (the default) or :rw.  @USER@ stands for the
 * user's name.  The guest finds it by the tag host_ and the last word of the
 * path that is not @USER@: host_data, host_homes.
 */
#ifndef QWD_CONF_MOUNTS_H
#define QWD_CONF_MOUNTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum {
	MOUNTS_MAX = 8,
	MOUNT_TAG_SIZE = 32, /* 9p's tag is at most 31 bytes */
	MOUNT_PATH_SIZE = 640,
};

struct mount {
	char path[MOUNT_PATH_SIZE];
	size_t fixed; /* so many bytes of it come before the user's name: its
			 directory's, with '/'; 0 if that is not in it */
	char tag[MOUNT_TAG_SIZE];
	bool writable;
	int fd; /* of the directory, once somebody has opened it; else -1 */
};

struct mounts {
	struct mount list[MOUNTS_MAX];
	size_t count;
};

/* What is wrong with such a list, as the end of a sentence that begins with
 * it; NULL if nothing is.  "" is fine. */
const char *mounts_problem(const char *text);

/*
 * Read a list, with `user` for @USER@.  ERR_CONFIG with a sentence if it is
 * wrong; nothing is looked up.
 */
MUST_CHECK int mounts_parse(const char *text, const char *user,
			    struct mounts *ret, struct err *e);

#endif
