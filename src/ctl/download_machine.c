#include "ctl/download_machine.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "conf/image.h"
#include "ctl/download_url.h"

/* ---- What is there ---- */

/* True if the file's sum is the wanted one. */
static int has_sum(const struct download_job *j, int fd, bool *ret,
		   struct err *e)
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

static bool is_mirror(const struct machine *machine, const char *wanted)
{
	char url[URL_MAX + 1];

	for (size_t i = 0; machine_url(machine, i, url); i++)
		if (strcmp(url, wanted) == 0)
			return true;
	return false;
}

/* Look at the file that is there.  *ret_present: it is the wanted one. */
static int look(struct download_job *j, bool *ret_present, struct err *e)
{
	AUTO_CLOSE int fd = -1;
	struct err failure = ERR_INIT;
	struct image image;
	struct stat st;

	origin_clean(j->d->dirfd, j->machine->name);
	fd = image_open(j->d->dirfd, j->machine->name, &failure);
	if (j->d->force || fd < 0 || fstat(fd, &st) < 0 ||
	    image_identify(fd, j->machine->name, &image, &failure) < 0)
		return 0;
	origin_read(j->d->dirfd, j->machine->name, &st, &j->origin);
	if (*j->machine->sha256) {
		/* What was packed had another sum, which was noted. */
		*ret_present = strcmp(j->origin.sha256, j->machine->sha256) ==
			       0;
		return *ret_present || j->packing != PACKED_NOT ?
			       0 :
			       has_sum(j, fd, ret_present, e);
	}
	if (is_mirror(j->machine, j->origin.url))
		j->newer_than = st.st_mtime;
	return 0;
}

/* ---- Mirrors ---- */

/* The number of the mirror to begin with. */
static size_t find_first(const struct download_job *j)
{
	char url[URL_MAX + 1];

	for (size_t i = 0; machine_url(j->machine, i, url); i++)
		if (part_is_of(j->d->dirfd, j->machine->name, url))
			return i;
	for (size_t i = 0; machine_url(j->machine, i, url); i++)
		if (strcmp(url, j->origin.url) == 0)
			return i;
	return 0;
}

/* The next one that has not been tried, in *ret. */
static bool find_next(const struct download_job *j, size_t first, size_t *next,
		      char ret[URL_MAX + 1])
{
	if (*next == first)
		++*next;
	return machine_url(j->machine, (*next)++, ret);
}

static int try_all(struct download_job *j, size_t first, struct downloaded *ret,
		   struct err *e)
{
	size_t next = 0;
	bool several = false;

	while (download_url(j, ret->url, ret, e) < 0) {
		char other[URL_MAX + 1];

		if (e->code == ERR_CONFLICT)
			return -1;
		if (!find_next(j, first, &next, other))
			return several ? err_prefix(e, "%.100s", ret->url) : -1;
		progress_say(j->d->progress, stderr,
			     "qwdctl download: %s: %s: %s; trying %s\n",
			     j->machine->name, ret->url, e->msg, other);
		several = true;
		memcpy(ret->url, other, sizeof(other));
		*e = (struct err)ERR_INIT;
	}
	return 0;
}

/* What a download left that was killed when the image had its name. */
static void tidy(const struct download_job *j)
{
	part_forget(j->d->dirfd, j->machine->name);
	(void)unlinkat(j->d->dirfd, j->fresh, 0);
}

static int begin(struct download_job *j, struct downloaded *ret, struct err *e)
{
	bool present = false;
	size_t first;

	*ret = (struct downloaded){ .result = DOWNLOAD_UNCHANGED };
	if (!machine_url(j->machine, 0, ret->url))
		return err_set(e, ERR_CONFIG, "has no url in machines.conf");
	j->packing = unpack_kind(ret->url, j->machine->name);
	if (look(j, &present, e) < 0)
		return -1;
	if (present) {
		if (!j->d->dry_run)
			tidy(j);
		return 0;
	}
	first = find_first(j);
	if (!machine_url(j->machine, first, ret->url))
		return err_set(e, ERR_CONFIG, "has no url in machines.conf");
	if (j->d->dry_run) {
		ret->result = DOWNLOAD_WOULD_ASK;
		return 0;
	}
	return try_all(j, first, ret, e);
}

int download_machine(const struct download *d, const struct machine *machine,
		     struct downloaded *ret, struct err *e)
{
	struct download_job j = { .d = d, .machine = machine, .part = PART_INIT };
	int result;

	if (asprintf(&j.fresh, ".%s.new", machine->name) < 0) {
		j.fresh = NULL;
		return err_set(e, ERR_SYSTEM, "no memory");
	}
	j.bar = progress_begin(d->progress, machine->name);
	result = begin(&j, ret, e);
	progress_end(d->progress, j.bar);
	free(j.fresh);
	return result;
}
