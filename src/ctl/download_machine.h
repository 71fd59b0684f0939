/*
 * One machine's image, from its url into dir_machines.
 *
 * The image is written to ".NAME.part" beside, and takes its name when it is
 * whole: its length, its sha256 and its header have been checked, it is on the
 * disk (fsync), readable by everybody (0644) and has the server's time.  Before
 * that the old file stands; after a failure there is no part left.
 *
 * ".NAME.url" beside holds the url that the file came from.
 */
#ifndef QWD_CTL_DOWNLOAD_MACHINE_H
#define QWD_CTL_DOWNLOAD_MACHINE_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "conf/machines.h"

struct download {
	int dirfd;         /* dir_machines, locked by the caller */
	const char *proxy; /* service_proxy */
	bool force;        /* fetch what is there already, too */
	bool show;         /* progress, on standard error */
	const volatile sig_atomic_t *stop;
};

/*
 * Fetch the image unless it is there: its sha256 is the wanted one, or (where
 * none is given) it came from this url, is usable, and the server has nothing
 * newer.  *ret_size gets its size in bytes, or -1 if there was nothing to
 * fetch.  ERR_CONFLICT if it was stopped; else the reason as the end of a
 * sentence that begins with the machine's name.
 */
MUST_CHECK int download_machine(const struct download *d,
				const struct machine *machine,
				long long *ret_size, struct err *e);

#endif
