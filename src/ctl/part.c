#include "ctl/part.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "conf/url.h"
#include "sys/file.h"

/* The noted validator if the note is of `url`; else "". */
static void read_note(const struct part *p, const char *url,
		      char ret[FETCH_TAG_SIZE])
{
	AUTO_BUF struct buf text = BUF_INIT(URL_MAX + FETCH_TAG_SIZE + 2);
	struct err ignored = ERR_INIT;
	size_t len = strlen(url);
	const char *rest;

	ret[0] = '\0';
	if (file_read(p->dirfd, p->note, false, &text, &ignored) < 0 ||
	    !text_starts(buf_str(&text), url) || text.data[len] != '\n')
		return;
	rest = text.data + len + 1;
	len = strcspn(rest, "\n");
	if (rest[len] != '\n' || len >= FETCH_TAG_SIZE)
		return;
	memcpy(ret, rest, len);
	ret[len] = '\0';
}

static int remove_file(const struct part *p, const char *name, struct err *e)
{
	if (unlinkat(p->dirfd, name, 0) < 0 && errno != ENOENT)
		return err_sys(e, "cannot remove %s", name);
	return 0;
}

/* What is there, if it can be gone on with. */
static bool reopen(struct part *p, const char *url)
{
	struct stat st;

	read_note(p, url, p->validator);
	if (!p->validator[0])
		return false;
	p->fd = openat(p->dirfd, p->name,
		       O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (p->fd < 0)
		return false;
	if (fstat(p->fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    st.st_nlink == 1) {
		p->have = st.st_size;
		p->moved = true;
		return true;
	}
	close(TAKE_FD(p->fd));
	return false;
}

static int make(struct part *p, struct err *e)
{
	p->have = 0;
	p->validator[0] = '\0';
	if (remove_file(p, p->next, e) < 0)
		return -1;
	p->fd = openat(p->dirfd, p->next,
		       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		       0600);
	if (p->fd < 0)
		return err_sys(e, "cannot make %s", p->next);
	return 0;
}

static int find_names(struct part *p, int dirfd, const char *image,
		      struct err *e)
{
	p->dirfd = dirfd;
	if (asprintf(&p->name, ".%s.part", image) < 0)
		p->name = NULL;
	if (asprintf(&p->next, ".%s.part.next", image) < 0)
		p->next = NULL;
	if (asprintf(&p->note, ".%s.part.url", image) < 0)
		p->note = NULL;
	if (p->name && p->next && p->note)
		return 0;
	err_set(e, ERR_SYSTEM, "no memory");
	return -1;
}

int part_open(int dirfd, const char *image, const char *url, struct part *ret,
	      struct err *e)
{
	struct part p = PART_INIT;

	if (find_names(&p, dirfd, image, e) < 0 ||
	    (!reopen(&p, url) && make(&p, e) < 0)) {
		part_release(&p);
		return -1;
	}
	*ret = p;
	return 0;
}

bool part_is_of(int dirfd, const char *image, const char *url)
{
	AUTO_PART struct part p = PART_INIT;
	struct err ignored = ERR_INIT;

	return find_names(&p, dirfd, image, &ignored) == 0 && reopen(&p, url);
}

/* Take the place of what was there, whose note is gone. */
static int move(struct part *p)
{
	if (!p->moved &&
	    renameat(p->dirfd, p->next, p->dirfd, p->name) < 0)
		return -1;
	p->moved = true;
	return 0;
}

void part_note(struct part *p, const char *url, const char *validator)
{
	AUTO_BUF struct buf text = BUF_INIT(URL_MAX + FETCH_TAG_SIZE + 2);
	struct err ignored = ERR_INIT;

	if (p->moved && strcmp(validator, p->validator) == 0)
		return;
	p->validator[0] = '\0';
	if (remove_file(p, p->note, &ignored) < 0 || move(p) < 0 ||
	    !*validator)
		return;
	buf_printf(&text, "%s\n%s\n", url, validator);
	if (!buf_failed(&text) &&
	    file_replace(p->dirfd, p->note, text.data, text.len, 0600, false,
			 &ignored) == 0)
		snprintf(p->validator, sizeof(p->validator), "%s", validator);
}

const char *part_name(const struct part *p)
{
	return p->moved ? p->name : p->next;
}

void part_keep(struct part *p)
{
	struct stat st;

	if (!p->validator[0] || fstat(p->fd, &st) < 0 || st.st_size == 0)
		part_drop(p);
}

void part_drop(struct part *p)
{
	(void)unlinkat(p->dirfd, part_name(p), 0);
	if (p->moved)
		(void)unlinkat(p->dirfd, p->note, 0);
}

void part_clear(struct part *p)
{
	(void)unlinkat(p->dirfd, p->next, 0);
	(void)unlinkat(p->dirfd, p->name, 0);
	(void)unlinkat(p->dirfd, p->note, 0);
}

void part_forget(int dirfd, const char *image)
{
	AUTO_PART struct part p = PART_INIT;
	struct err ignored = ERR_INIT;

	if (find_names(&p, dirfd, image, &ignored) == 0)
		part_clear(&p);
}

void part_release(struct part *p)
{
	free(p->name);
	free(p->next);
	free(p->note);
	if (p->fd >= 0)
		close(p->fd);
	*p = (struct part)PART_INIT;
}
