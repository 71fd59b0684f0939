/*
 * The offer: what one machine may be given on this host, from machines.conf
 * (conf/machines.h), the configuration and the limits of a user.
 */
#ifndef QWD_SESSION_OFFER_H
#define QWD_SESSION_OFFER_H

#include "conf/catalogue.h"
#include "session/admission.h"

enum { OFFER_MEMORY_MIN_MB = 64 };

/* What is given where nothing is asked for, and the limits of asking. */
struct amount {
	long long standard;
	long long min, max;
};

/* A graphics card: never, for who asks, for each session. */
enum offer_gpu { OFFER_GPU_NO, OFFER_GPU_YES, OFFER_GPU_ALWAYS };

struct offer {
	struct amount cpu;
	struct amount memory_mb;
	/* Of the disk as the guest sees it; min = max where there is no
	 * choice. */
	struct amount disk_mb;
	enum offer_gpu gpu;
	long long image_mb; /* of the image itself, rounded up; 0 for an ISO */
};

/*
 * What this machine may be given.  Its limits only narrow those of the site;
 * where the machine needs more than there is, min is above max and nothing
 * can be asked for: offer_shortage() says so.
 */
void offer_of(const struct config *c, const struct limits *l,
	      const struct catalogue_entry *machine, struct offer *ret);

/* ERR_BUSY with a sentence if the machine needs more than a user may have
 * here. */
MUST_CHECK int offer_shortage(const struct offer *offer, struct err *e);

/* disk_mb of a session (session/session.h) whose disk shall have `mb`. */
long long offer_disk(const struct offer *offer, long long mb);

/*
 * MB of a number of GB that text_milli() has read, which rounds down: the next
 * whole one, so that 0.0625 GB are 64 MB.
 */
long long offer_mb(long long milli_gb);

#endif
