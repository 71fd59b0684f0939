#include "ctl/download_url.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/image.h"
#include "ctl/room.h"
#include "ctl/sums.h"
#include "sys/file.h"

/* ---- Fetching ---- */

static void on_progress(void *arg, long long done, long long total)
{
	struct download_job *j = arg;

	progress_set(j->d->progress, j->bar, done, total);
}

static void on_begin(void *arg, const char *validator)
{
	struct download_job *j = arg;

	part_note(&j->part, j->url, validator);
}

static int fetch_part(struct download_job *j, struct fetched *ret,
		      struct err *e)
{
	struct fetch f = {
		.url = j->url,
		.proxy = j->d->proxy,
		.may_leave_https = *j->machine->sha256 != '\0',
		.newer_than = j->newer_than,
		/* Each mirror has tags of its own. */
		.etag = j->newer_than && strcmp(j->url, j->origin.url) == 0 ?
				j->origin.etag :
				"",
		.fd = j->part.fd,
		.have = j->part.have,
		.validator = j->part.validator,
		.stop = j->d->stop,
		.progress = on_progress,
		.begin = on_begin,
		.arg = j,
	};

	if (room_find(j->d->dirfd, &f.max, e) < 0)
		return -1;
	f.max += f.have;
	if (fetch_url(&f, ret, e) < 0)
		return -1;
	if (!ret->stale)
		return 0;
	f.have = 0;
	return fetch_url(&f, ret, e);
}

static int check_sum(const struct download_job *j,
		     const struct fetched *fetched, struct err *e)
{
	char wanted[SHA256_HEX + 1];

	if (*j->machine->sha256)
		memcpy(wanted, j->machine->sha256, sizeof(wanted));
	else if (fetched->is_page)
		return err_set(e, ERR_CONFIG, "is a web page, no image");
	else if (sums_fetch(j->url, j->d->proxy, j->d->stop, wanted,
			    e) < 0)
		return err_prefix(e, "its list SHA256SUMS");
	if (*wanted && strcmp(fetched->sha256, wanted) != 0)
		return err_set(e, ERR_CONFIG,
			       "is not the wanted file: its sha256 is %s",
			       fetched->sha256);
	return 0;
}

/* ---- Unpacking ---- */

static int make_file(const struct download_job *j, const char *name,
		     struct err *e)
{
	int fd;

	if (unlinkat(j->d->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", name);
	fd = openat(j->d->dirfd, name,
		    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	return fd < 0 ? err_sys(e, "cannot make %s", name) : fd;
}

/* The disk of an appliance into `disk`, and from there into `to`. */
static int unpack_disk(struct download_job *j, int disk, int to, long long room,
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

static int unpack_appliance(struct download_job *j, int to, long long room,
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
static int unpack(struct download_job *j, const char **ret, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	long long room = 0;
	int result;

	*ret = part_name(&j->part);
	if (j->packing == PACKED_NOT)
		return fcntl(j->part.fd, F_DUPFD_CLOEXEC, 0);
	*ret = j->fresh;
	if (j->packing == PACKED_OVA && !text_ends(j->machine->name, ".qcow2"))
		return err_set(e, ERR_CONFIG,
			       "comes from an appliance (.ova): its name in "
			       "machines.conf must end with .qcow2");
	progress_word(j->d->progress, j->bar, "unpacking");
	fd = make_file(j, j->fresh, e);
	if (fd < 0 || room_find(j->d->dirfd, &room, e) < 0)
		return -1;
	result = j->packing == PACKED_OVA ?
			 unpack_appliance(j, fd, room, e) :
			 unpack_file(PACKED_STREAM, j->part.fd, fd, room,
				     j->d->stop, e);
	return result < 0 ? -1 : TAKE_FD(fd);
}

/* ---- The new image ---- */

/* Give the file `name`, which is open as `fd`, the image's name, for good. */
static int publish(struct download_job *j, int fd, const char *name,
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
	snprintf(origin.url, sizeof(origin.url), "%s", j->url);
	memcpy(origin.etag, fetched->etag, sizeof(origin.etag));
	if (j->packing != PACKED_NOT)
		memcpy(origin.sha256, fetched->sha256, sizeof(origin.sha256));
	return origin_write(j->d->dirfd, j->machine->name, &origin, &st, e);
}

/* What is in the part becomes the image. */
static int install(struct download_job *j, const struct fetched *fetched,
		   struct err *e)
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

static int fetch_and_install(struct download_job *j, struct downloaded *ret,
			     struct err *e)
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
		ret->result = DOWNLOAD_FETCHED;
		ret->size = fetched.size;
	}
	part_clear(&j->part);
	return 0;
}

/* ---- One address ---- */

/* By http from this host itself: nobody is between. */
static bool is_local(const char *url)
{
	static const char *const hosts[] = { "127.0.0.1", "[::1]",
					     "localhost" };

	url += strlen("http://");
	for (size_t i = 0; i < ARRAY_LEN(hosts); i++)
		if (text_starts(url, hosts[i]) &&
		    strchr(":/", url[strlen(hosts[i])]))
			return true;
	return false;
}

static int check_url(const struct download_job *j, struct err *e)
{
	if (j->d->insecure || *j->machine->sha256 ||
	    text_starts(j->url, "https:") || is_local(j->url))
		return 0;
	return err_set(e, ERR_CONFIG,
		       "is not fetched by http without a sha256, since whoever "
		       "is between could change it: give its sha256, or say "
		       "--insecure");
}

int download_url(struct download_job *j, const char *url,
		 struct downloaded *ret, struct err *e)
{
	long long room;
	int result = -1;

	snprintf(j->url, sizeof(j->url), "%s", url);
	j->packing = unpack_kind(url, j->machine->name);
	if (check_url(j, e) == 0 && room_find(j->d->dirfd, &room, e) == 0 &&
	    part_open(j->d->dirfd, j->machine->name, url, &j->part, e) == 0)
		result = fetch_and_install(j, ret, e);
	/* Gone already if it has got its name. */
	if (j->packing != PACKED_NOT)
		(void)unlinkat(j->d->dirfd, j->fresh, 0);
	part_release(&j->part);
	return result;
}
