/*
 * One file from a web server into an open descriptor, by libcurl.
 *
 * Only http and https; certificates are verified; at most five redirects, and
 * from https only to https unless the content is checked otherwise; no byte
 * more than `max`; ends when the server sends less than 1 kB/s for a minute,
 * and a second after *stop becomes true.
 *
 * A file that is there in part is gone on with (RFC 9110, 14.2 Range and
 * 13.1.5 If-Range): the server sends the rest only if the file is still the
 * one that `validator` names, and all of it otherwise.
 */
#ifndef QWD_CTL_FETCH_H
#define QWD_CTL_FETCH_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "ctl/sha256.h"

/* Room for an entity tag (RFC 9110, 8.8.3) with its quotes, or for a date;
 * a longer one counts as none. */
enum { FETCH_TAG_SIZE = 200 };

struct fetch {
	const char *url;
	const char *proxy;    /* "": what the environment says, or none */
	bool may_leave_https; /* the caller checks the content's sum */
	long long newer_than; /* seconds; 0: whatever its age */
	const char *etag;     /* unchanged if it is still this one; "": ask not */
	long long max;        /* bytes that the file may have */
	int fd;               /* read and written */
	long long have;       /* bytes of the file that are in `fd` already */
	const char *validator; /* what they are of; needed where have > 0 */
	const volatile sig_atomic_t *stop;
	/* Called several times a second; total is 0 while unknown. */
	void (*progress)(void *arg, long long done, long long total);
	/* Called as the body begins, with what a later fetch can go on by (a
	 * strong entity tag or a date), or "" (may be NULL). */
	void (*begin)(void *arg, const char *validator);
	void *arg;
};

struct fetched {
	bool unchanged; /* nothing newer; nothing written */
	bool stale;     /* there is nothing to go on with: begin anew */
	bool is_page;   /* the server calls it text/html */
	long long size; /* bytes of the file */
	long long time; /* of the last change, in seconds; 0 = unknown */
	char etag[FETCH_TAG_SIZE]; /* "" if none */
	char sha256[SHA256_HEX + 1]; /* of all of it */
};

/*
 * Fetch.  ERR_SYSTEM with the reason if it fails, ERR_NOT_FOUND if the server
 * has no such file (404, 410), ERR_TOO_LARGE if it is longer than `max`,
 * ERR_CONFLICT if it was stopped, ERR_DAMAGED if what came does not belong
 * to what is there; with the latter the descriptor's content is to be thrown
 * away.
 */
MUST_CHECK int fetch_url(const struct fetch *f, struct fetched *ret,
			 struct err *e);

#endif
