/*
 * Where an image came from: ".NAME.url" beside it, lines of text.  The first
 * is the url; then "KEY VALUE" lines: "etag" of what was fetched, "sha256" of
 * it where it was packed and the image's own sum is another, "image" with
 * size and time of the image that this is about.
 */
#ifndef QWD_CTL_ORIGIN_H
#define QWD_CTL_ORIGIN_H

#include <sys/stat.h>

#include "conf/url.h"
#include "ctl/fetch.h"

struct origin {
	char url[URL_MAX + 1];
	char etag[FETCH_TAG_SIZE];
	char sha256[SHA256_HEX + 1];
};

/* Read the note of `image` if there is one, and if it is about the file that
 * is there now, which `st` describes; else all is "". */
void origin_read(int dirfd, const char *image, const struct stat *st,
		 struct origin *ret);

/* Write it.  Call origin_forget() before the image is replaced: then a note
 * never tells of another file. */
MUST_CHECK int origin_write(int dirfd, const char *image,
			    const struct origin *o, const struct stat *st,
			    struct err *e);
MUST_CHECK int origin_forget(int dirfd, const char *image, struct err *e);

/* Remove what a writer that was killed has left beside the note. */
void origin_clean(int dirfd, const char *image);

#endif
