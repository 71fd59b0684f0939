#include "ctl/download_machine.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/text.h"
#include "conf/image.h"
#include "ctl/fetch.h"
#include "ctl/origin.h"
#include "ctl/part.h"
#include "ctl/sums.h"
#include "ctl/unpack.h"
#include "sys/file.h"

/* What an image may not take of the disk: room for the service itself. */
enum { DISK_RESERVE = 100 * 1000 * 1000 };

/* One download. */
struct job {
	const struct download *d;
	const struct machine *machine;
	struct part part;
	char *fresh; /* ".NAME.new": what is unpacked from the part */
	enum packing packing;
	int bar;
	/* Of the file that is there: */
	long long newer_than; /* only a newer one is worth fetching; 0 = any */
	struct origin origin; /* where it came from */
};

/* ---- What is there ---- */

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

/* Look at the file that is there.  *ret_present: it is the wanted one. */
static int look(struct job *j, bool *ret_present, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err failure = ERR_INIT;
	struct image image;
	struct stat st;

	fd = image_open(j->d->dirfd, j->machine->name, &failure);
	if (j->d->force || fd < 0 || fstat(fd, &st) < 0 ||
	    image_identify(fd, j->machine->name, &image, &failure) < 0)
		return 0;
	origin_read(j->d->dirfd, j->machine->name, &st, &j->origin);
	if (*j->machine->sha256) {
		/* What was packed had another sum, which was noted. */
		if (j->packing == PACKED_NOT)
			return has_sum(j, fd, ret_present, e);
		*ret_present = strcmp(j->origin.sha256, j->machine->sha256) ==
			       0;
		return 0;
	}
	if (strcmp(j->origin.url, j->machine->url) == 0)
		j->newer_than = st.st_mtime;
	else
		j->origin.etag[0] = '\0';
	return 0;
}

static int find_room(const struct job *j, long long *ret, struct err *e)
{
	struct statvfs disk;

	if (fstatvfs(j->d->dirfd, &disk) < 0)
		return err_sys(e, "cannot find the free space");
	*ret = (long long)(disk.f_bavail * disk.f_frsize) - DISK_RESERVE;
	if (*ret <= 0)
		return err_set(e, ERR_TOO_LARGE, "the disk is full");
	return 0;
}

/* ---- Fetching ---- */

static void on_progress(void *arg, long long done, long long total)
{
	struct job *j = arg;

	progress_set(j->d->progress, j->bar, done, total);
}

static void on_begin(void *arg, const char *validator)
{
	struct job *j = arg;

	part_note(&j->part, j->machine->url, validator);
}

static int fetch_part(struct job *j, struct fetched *ret, struct err *e)
{
	struct fetch f = {
		.url = j->machine->url,
		.proxy = j->d->proxy,
		.may_leave_https = *j->machine->sha256 != '\0',
		.newer_than = j->newer_than,
		.etag = j->newer_than ? j->origin.etag : "",
		.fd = j->part.fd,
		.have = j->part.have,
		.validator = j->part.validator,
		.stop = j->d->stop,
		.progress = on_progress,
		.begin = on_begin,
		.arg = j,
	};

	if (find_room(j, &f.max, e) < 0)
		return -1;
	f.max += f.have;
	if (fetch_url(&f, ret, e) < 0)
		return -1;
	if (!ret->stale)
		return 0;
	f.have = 0;
	return fetch_url(&f, ret, e);
}

static int check_sum(const struct job *j, const struct fetched *fetched,
		     struct err *e)
{
	char wanted[SHA256_HEX + 1];

	if (*j->machine->sha256)
		memcpy(wanted, j->machine->sha256, sizeof(wanted));
	else if (sums_fetch(j->machine->url, j->d->proxy, j->d->stop, wanted,
			    e) < 0)
		return err_prefix(e, "its list SHA256SUMS");
	if (*wanted && strcmp(fetched->sha256, wanted) != 0)
		return err_set(e, ERR_CONFIG,
			       "is not the wanted file: its sha256 is %s",
			       fetched->sha256);
	return 0;
}

/* ---- Unpacking ---- */

static int make_file(const struct job *j, const char *name, struct err *e)
{
	int fd;

	if (unlinkat(j->d->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", name);
	fd = openat(j->d->dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "cannot make %s", name) : fd;
}

/* The disk of an appliance into `disk`, and from there into `to`. */
static int unpack_disk(struct job *j, int disk, int to, long long room,
		       struct err *e)
{
	struct image image;
	struct stat st;

	if (unpack_file(PACKED_OVA, j->part.fd, disk, room, j->d->stop, e) < 0)
		return -1;
	if (image_identify(disk, "disk.vmdk", &image, e) < 0)
		return err_prefix(e, "its disk is refused");
	if (fstat(disk, &st) < 0)
		return err_sys(e, "cannot be read");
	progress_word(j->d->progress, j->bar, "converting");
	return unpack_convert(disk, to, room - st.st_size, j->d->stop, e);
}

static int unpack_appliance(struct job *j, int to, long long room,
			    struct err *e)
{
	AUTO_FREE char *name = NULL;
	AUTO_CLOSE int disk = -1;
	int result;

	/* Named, since the sandbox binds it by its path. */
	if (asprintf(&name, "%s.vmdk", j->fresh) < 0) {
		name = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	disk = make_file(j, name, e);
	if (disk < 0)
		return -1;
	result = unpack_disk(j, disk, to, room, e);
	(void)unlinkat(j->d->dirfd, name, 0);
	return result;
}

/* The image out of the part: returns its descriptor, its name in *ret. */
static int unpack(struct job *j, const char **ret, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	long long room;
	int result;

	*ret = j->part.name;
	if (j->packing == PACKED_NOT)
		return fcntl(j->part.fd, F_DUPFD_CLOEXEC, 0);
	*ret = j->fresh;
	if (j->packing == PACKED_OVA && !text_ends(j->machine->name, ".qcow2"))
		return err_set(e, ERR_CONFIG,
			       "comes from an appliance (.ova): its name in "
			       "machines.conf must end with .qcow2");
	progress_word(j->d->progress, j->bar, "unpacking");
	fd = make_file(j, j->fresh, e);
	if (fd < 0 || find_room(j, &room, e) < 0)
		return -1;
	result = j->packing == PACKED_OVA ?
			 unpack_appliance(j, fd, room, e) :
			 unpack_file(PACKED_STREAM, j->part.fd, fd, room,
				     j->d->stop, e);
	return result < 0 ? -1 : TAKE_FD(fd);
}

/* ---- The new image ---- */

/* Give the file `name`, which is open as `fd`, the image's name, for good. */
static int publish(struct job *j, int fd, const char *name,
		   const struct fetched *fetched, struct err *e)
{
	struct timespec times[2] = { { .tv_nsec = UTIME_NOW },
				     { .tv_sec = fetched->time } };
	struct origin origin = { .url = "" };
	struct stat st;

	if (fetched->time == 0)
		times[1].tv_nsec = UTIME_NOW;
	if (fchmod(fd, 0644) < 0 || futimens(fd, times) < 0 || fsync(fd) < 0 ||
	    fstat(fd, &st) < 0)
		return err_sys(e, "cannot be written");
	if (origin_forget(j->d->dirfd, j->machine->name, e) < 0)
		return -1;
	if (renameat(j->d->dirfd, name, j->d->dirfd, j->machine->name) < 0 ||
	    fsync(j->d->dirfd) < 0)
		return err_sys(e, "cannot be written");
	snprintf(origin.url, sizeof(origin.url), "%s", j->machine->url);
	memcpy(origin.etag, fetched->etag, sizeof(origin.etag));
	if (j->packing != PACKED_NOT)
		memcpy(origin.sha256, fetched->sha256, sizeof(origin.sha256));
	return origin_write(j->d->dirfd, j->machine->name, &origin, &st, e);
}

/* What is in the part becomes the image. */
static int install(struct job *j, const struct fetched *fetched, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct image image;
	const char *name;

	if (check_sum(j, fetched, e) < 0)
		return -1;
	fd = unpack(j, &name, e);
	if (fd < 0)
		return -1;
	if (image_identify(fd, j->machine->name, &image, e) < 0)
		return err_prefix(e, "what was fetched is refused");
	return publish(j, fd, name, fetched, e);
}

static int fetch_and_install(struct job *j, enum download_result *ret,
			     long long *ret_size, struct err *e)
{
	struct fetched fetched;

	if (fetch_part(j, &fetched, e) < 0) {
		/* What came does not belong to what is there, or there is no
		 * such file any more. */
		if (e->code == ERR_DAMAGED || e->code == ERR_NOT_FOUND)
			part_drop(&j->part);
		else
			part_keep(&j->part);
		return -1;
	}
	if (!fetched.unchanged) {
		if (install(j, &fetched, e) < 0) {
			/* Whole, but interrupted in what comes after. */
			if (e->code == ERR_CONFLICT)
				part_keep(&j->part);
			else
				part_drop(&j->part);
			return -1;
		}
		*ret = DOWNLOAD_FETCHED;
		*ret_size = fetched.size;
	}
	part_drop(&j->part);
	return 0;
}

static int begin(struct job *j, enum download_result *ret,
		 long long *ret_size, struct err *e)
{
	bool present = false;
	long long room;

	*ret = DOWNLOAD_UNCHANGED;
	if (look(j, &present, e) < 0)
		return -1;
	if (present)
		return 0;
	if (j->d->dry_run) {
		*ret = DOWNLOAD_WOULD_ASK;
		return 0;
	}
	if (find_room(j, &room, e) < 0 ||
	    part_open(j->d->dirfd, j->machine->name, j->machine->url,
		      &j->part, e) < 0)
		return -1;
	return fetch_and_install(j, ret, ret_size, e);
}

int download_machine(const struct download *d, const struct machine *machine,
		     enum download_result *ret, long long *ret_size,
		     struct err *e)
{
	struct job j = { .d = d, .machine = machine, .part = PART_INIT };
	int result = -1;

	j.packing = unpack_kind(machine->url, machine->name);
	if (asprintf(&j.fresh, ".%s.new", machine->name) < 0) {
		j.fresh = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	j.bar = progress_begin(d->progress, machine->name);
	result = begin(&j, ret, ret_size, e);
	progress_end(d->progress, j.bar);
	/* Gone already if it has got its name. */
	if (j.packing != PACKED_NOT && !d->dry_run)
		(void)unlinkat(d->dirfd, j.fresh, 0);
	part_release(&j.part);
	free(j.fresh);
	return result;
}
