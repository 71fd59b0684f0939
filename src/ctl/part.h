/*
 * The part of a file that has been fetched so far: ".NAME.part" beside the
 * image, and ".NAME.part.url" with the url and the validator (ctl/fetch.h)
 * that it is of, by which a later download goes on.  A part without the
 * second is worth nothing.
 *
 * The part of another url stands until there is something of this one: what
 * is new is in ".NAME.part.next" before.
 */
#ifndef QWD_CTL_PART_H
#define QWD_CTL_PART_H

#include <stdbool.h>

#include "ctl/fetch.h"

struct part {
	int dirfd;  /* not owned */
	char *name; /* of the part */
	char *next; /* where it begins */
	char *note;
	bool moved;      /* it is at `name` */
	int fd;          /* read and written; -1 while closed */
	long long have;  /* bytes to go on behind; 0 = none */
	char validator[FETCH_TAG_SIZE];
};

#define PART_INIT { .dirfd = -1, .fd = -1 }
#define AUTO_PART __attribute__((cleanup(part_release)))

/*
 * Open the part of `image` in `dirfd`, of which the caller has the lock: what
 * an earlier download of `url` left, or an empty one.  No link is followed.
 */
MUST_CHECK int part_open(int dirfd, const char *image, const char *url,
			 struct part *ret, struct err *e);

/* True if an earlier download of `url` left a part of `image`. */
bool part_is_of(int dirfd, const char *image, const char *url);

/* Note what is about to be written.  Where that fails, or the validator is "",
 * nobody will go on with it. */
void part_note(struct part *p, const char *url, const char *validator);

/* Where it is now, in `dirfd`. */
const char *part_name(const struct part *p);

/* Remove what could not be gone on with: all of it if no validator is noted. */
void part_keep(struct part *p);

/* Remove it; that of another url stands. */
void part_drop(struct part *p);

/* The image is there: remove this part (unless it has got the image's name),
 * its note, and what there is of another url. */
void part_clear(struct part *p);

/* Remove whatever parts of `image` there are. */
void part_forget(int dirfd, const char *image);

/* Close and free; removes nothing. */
void part_release(struct part *p);

#endif
