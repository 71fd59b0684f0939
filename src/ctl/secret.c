/* qwdctl secret: makes the service's secret, once, at installation; with --farm
 * the one that all servers of a farm have. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "auth/secret.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "farm/assertion.h"
#include "sys/file.h"

enum { SECRET_BYTES = 64 };

/* Whole or not at all: made under another name, linked when it is ready. */
static int make(const char *path, const struct check *k, struct err *e)
{
	unsigned char bytes[SECRET_BYTES];
	AUTO_FREE char *link = NULL;
	AUTO_FREE char *copy = strdup(path);
	AUTO_CLOSE int fd = -1;
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (!slash)
		return err_set(e, ERR_SYSTEM, "no memory");
	slash[slash == copy] = '\0';
	fd = open(copy, O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot make a file in %s", copy);
	if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes) ||
	    file_write_all(fd, bytes, sizeof(bytes)) < 0 ||
	    fchmod(fd, 0600) < 0 || fsync(fd) < 0)
		return err_sys(e, "cannot write %s", path);
	explicit_bzero(bytes, sizeof(bytes));
	if (geteuid() == 0 && fchown(fd, k->user, k->group) < 0)
		return err_sys(e, "cannot give %s to %s", path, k->user_name);
	if (asprintf(&link, "/proc/self/fd/%d", fd) < 0) {
		link = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	if (linkat(AT_FDCWD, link, AT_FDCWD, path, AT_SYMLINK_FOLLOW) < 0 &&
	    errno != EEXIST)
		return err_sys(e, "cannot make %s", path);
	return 0;
}

int ctl_secret(const struct config *c, const struct given *g)
{
	AUTO_SECRET struct secret secret = { .key = { 0 } };
	bool farm = given_has(g, "farm");
	const char *path = farm ? c->farm_secret : c->service_secret;
	struct check k = { .config = c };
	const char *said = "made";
	struct err e = ERR_INIT;
	struct stat st;

	check_find_user(&k);
	if (lstat(path, &st) == 0) {
		if (!g->quiet)
			printf("%s is there\n", path);
		return CTL_DONE; /* as wished */
	}
	if (g->dry_run)
		said = "would make";
	else if (make(path, &k, &e) < 0 ||
		 (geteuid() == k.user &&
		  (farm ? farm_secret_read(c, &secret, &e) :
			  secret_read(c, &secret, &e)) < 0))
		return command_fail(g, &e);
	if (g->quiet)
		return CTL_DONE;
	printf("%s %s\n", said, path);
	if (farm)
		puts("Copy it to the other servers of the farm, by a way that "
		     "nobody can read.");
	return CTL_DONE;
}
