/*
 * One file from a web server into an open descriptor, by libcurl.
 *
 * Only http and https; certificates are verified; at most five redirects, and
 * from https only to https unless the content is checked otherwise; no byte
 * more than `max`; ends when the server sends less than 1 kB/s for a minute,
 * and a second after *stop becomes true.
 */
#ifndef QWD_CTL_FETCH_H
#define QWD_CTL_FETCH_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "ctl/sha256.h"

struct fetch {
	const char *url;
	const char *proxy;    /* "": what the environment says, or none */
	bool may_leave_https; /* the caller checks the content's sum */
	long long newer_than; /* seconds; 0: whatever its age */
	long long max;        /* bytes that may be written */
	int fd;               /* written from its offset on */
	const volatile sig_atomic_t *stop;
	/* Called several times a second; total is 0 while unknown. */
	void (*progress)(void *arg, long long done, long long total);
	void *arg;
};

struct fetched {
	bool unchanged; /* nothing newer than newer_than; nothing written */
	long long size; /* bytes written */
	long long time; /* of the last change, in seconds; 0 = unknown */
	char sha256[SHA256_HEX + 1];
};

/*
 * Fetch.  ERR_SYSTEM with the reason if it fails, ERR_TOO_LARGE if it is
 * longer than `max`, ERR_CONFLICT if it was stopped; the descriptor's content
 * is to be thrown away then.
 */
MUST_CHECK int fetch_url(const struct fetch *f, struct fetched *ret,
			 struct err *e);

#endif
