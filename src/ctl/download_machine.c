#include "ctl/download_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "conf/image.h"
#include "conf/url.h"
#include "ctl/fetch.h"
#include "sys/clock.h"
#include "sys/file.h"

/* What an image may not take of the disk: room for the service itself. */
enum { DISK_RESERVE = 100 * 1000 * 1000 };

/* One download: the names beside the image, and when it was shown last. */
struct job {
	const struct download *d;
	const struct machine *machine;
	char *part;
	char *origin;
	long long shown_ms;
};

static void job_release(struct job *j)
{
	free(j->part);
	free(j->origin);
}

static int job_init(struct job *j, const struct download *d,
		    const struct machine *machine, struct err *e)
{
	*j = (struct job){ .d = d, .machine = machine };
	if (asprintf(&j->part, ".%s.part", machine->name) < 0)
		j->part = NULL;
	if (asprintf(&j->origin, ".%s.url", machine->name) < 0)
		j->origin = NULL;
	if (!j->part || !j->origin) {
		job_release(j);
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	return 0;
}

static void show(void *arg, long long done, long long total)
{
	struct job *j = arg;
	long long now = clock_boot_ms();

	if (!j->d->show || now - j->shown_ms < 200)
		return;
	j->shown_ms = now;
	if (total > 0)
		fprintf(stderr, "\r\033[K%s: %lld of %lld MB, %d %%",
			j->machine->name, done / 1000000, total / 1000000,
			(int)((double)done * 100 / (double)total));
	else
		fprintf(stderr, "\r\033[K%s: %lld MB", j->machine->name,
			done / 1000000);
}

static void show_end(const struct job *j)
{
	if (j->shown_ms)
		fprintf(stderr, "\r\033[K");
}

/* True if the file's sum is the wanted one. */
static int has_sum(const struct job *j, int fd, bool *ret, struct err *e)
{
	AUTO_SHA256 struct sha256 sum = { .context = NULL };
	char hex[SHA256_HEX + 1];
	char piece[65536];
	ssize_t got;

	if (sha256_begin(&sum, e) < 0)
		return -1;
	while ((got = read(fd, piece, sizeof(piece))) > 0) {
		if (*j->d->stop)
			return err_set(e, ERR_CONFLICT, "interrupted");
		sha256_add(&sum, piece, (size_t)got);
	}
	if (got < 0)
		return err_sys(e, "cannot be read");
	if (sha256_end(&sum, hex, e) < 0)
		return -1;
	*ret = strcmp(hex, j->machine->sha256) == 0;
	return 0;
}

/* True if the file that is there did not come from another url. */
static bool same_origin(const struct job *j)
{
	AUTO_BUF struct buf url = BUF_INIT(URL_MAX + 1);
	struct err e;

	if (file_read(j->d->dirfd, j->origin, false, &url, &e) < 0)
		return e.code == ERR_NOT_FOUND;
	return url.len > 0 && url.data[url.len - 1] == '\n' &&
	       strlen(j->machine->url) == url.len - 1 &&
	       memcmp(j->machine->url, url.data, url.len - 1) == 0;
}

/*
 * Look at the file that is there.  *ret_present: it is the wanted one.
 * *ret_newer_than: only a newer one is worth fetching; 0 = any.
 */
static int look(const struct job *j, bool *ret_present,
		long long *ret_newer_than, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err failure = ERR_INIT;
	struct image image;
	struct stat st;

	if (j->d->force)
		return 0;
	fd = image_open(j->d->dirfd, j->machine->name, &failure);
	if (fd < 0 || fstat(fd, &st) < 0 ||
	    image_identify(fd, j->machine->name, &image, &failure) < 0)
		return 0;
	if (*j->machine->sha256)
		return has_sum(j, fd, ret_present, e);
	if (same_origin(j))
		*ret_newer_than = st.st_mtime;
	return 0;
}

static int open_part(const struct job *j, long long *ret_room, struct err *e)
{
	struct statvfs disk;
	int fd;

	if (fstatvfs(j->d->dirfd, &disk) < 0)
		return err_sys(e, "cannot find the free space");
	*ret_room = (long long)(disk.f_bavail * disk.f_frsize) - DISK_RESERVE;
	if (*ret_room <= 0)
		return err_set(e, ERR_TOO_LARGE, "the disk is full");
	/* The caller has the lock: what is there a killed one left. */
	if (unlinkat(j->d->dirfd, j->part, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", j->part);
	fd = openat(j->d->dirfd, j->part,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_sys(e, "cannot make %s", j->part);
	return fd;
}

static int check_content(const struct job *j, int fd,
			 const struct fetched *fetched, struct err *e)
{
	const char *wanted = j->machine->sha256;
	struct image image;

	if (*wanted && strcmp(fetched->sha256, wanted) != 0)
		return err_set(e, ERR_CONFIG,
			       "is not the wanted file: its sha256 is %s",
			       fetched->sha256);
	if (image_identify(fd, j->machine->name, &image, e) < 0)
		return err_prefix(e, "what was fetched is refused");
	return 0;
}

/* Give the part its name, for good. */
static int publish(const struct job *j, int fd, const struct fetched *fetched,
		   struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
				     { .tv_sec = fetched->time } };
	AUTO_BUF struct buf url = BUF_INIT(URL_MAX + 1);

	if (fetched->time == 0)
		times[1].tv_nsec = UTIME_NOW;
	if (fchmod(fd, 0644) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0)
		return err_sys(e, "cannot be written");
	/* Forgotten first: then it never tells of another file. */
	if (unlinkat(j->d->dirfd, j->origin, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", j->origin);
	if (renameat(j->d->dirfd, j->part, j->d->dirfd, j->machine->name) < 0 ||
	    fsync(j->d->dirfd) < 0)
		return err_sys(e, "cannot be written");
	buf_printf(&url, "%s\n", j->machine->url);
	return file_replace(j->d->dirfd, j->origin, buf_str(&url), url.len,
			    0644, false, e);
}

/* Into the part, which is open as `fd`, and from there to its name. */
static int fetch(struct job *j, int fd, long long room, long long newer_than,
		 long long *ret_size, struct err *e)
{
	const struct fetch f = {
		.url = j->machine->url,
		.proxy = j->d->proxy,
		.may_leave_https = *j->machine->sha256 != '\0',
		.newer_than = newer_than,
		.max = room,
		.fd = fd,
		.stop = j->d->stop,
		.progress = show,
		.arg = j,
	};
	struct fetched fetched;
	int result = fetch_url(&f, &fetched, e);

	show_end(j);
	if (result < 0)
		return -1;
	if (fetched.unchanged) {
		*ret_size = -1;
		return 0;
	}
	if (check_content(j, fd, &fetched, e) < 0 ||
	    publish(j, fd, &fetched, e) < 0)
		return -1;
	*ret_size = fetched.size;
	return 0;
}

int download_machine(const struct download *d, const struct machine *machine,
		     long long *ret_size, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	long long newer_than = 0;
	long long room = 0;
	bool present = false;
	struct job j;
	int result;

	if (job_init(&j, d, machine, e) < 0)
		return -1;
	result = look(&j, &present, &newer_than, e);
	if (result == 0 && present) {
		*ret_size = -1;
	} else if (result == 0) {
		fd = open_part(&j, &room, e);
		result = fd < 0 ? -1
				: fetch(&j, fd, room, newer_than, ret_size, e);
		/* Gone already if it has got its name. */
		unlinkat(d->dirfd, j.part, 0);
	}
	job_release(&j);
	return result;
}
