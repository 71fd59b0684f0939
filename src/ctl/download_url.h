/*
 * One try to fetch a machine's image, from one address: what
 * ctl/download_machine.h promises, but for the choice between mirrors.
 */
#ifndef QWD_CTL_DOWNLOAD_URL_H
#define QWD_CTL_DOWNLOAD_URL_H

#include "ctl/download_machine.h"
#include "ctl/origin.h"
#include "ctl/part.h"
#include "ctl/unpack.h"

/* The download of one machine. */
struct download_job {
	const struct download *d;
	const struct machine *machine;
	char *fresh; /* ".NAME.new": what is unpacked from the part */
	int bar;
	/* Of the file that is there: */
	long long newer_than; /* only a newer one is worth fetching; 0 = any */
	struct origin origin; /* where it came from */
	/* Of the mirror that is tried: */
	char url[URL_MAX + 1];
	enum packing packing;
	struct part part;
};

/* An image has come into being at `url`, or what is there is as new as that
 * one: 0, with *ret->result and size.  What can be gone on with is kept. */
MUST_CHECK int download_url(struct download_job *j, const char *url,
			    struct downloaded *ret, struct err *e);

#endif
