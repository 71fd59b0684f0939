/*
 * One machine's image, from its url into dir_machines.
 *
 * What comes is written to ".NAME.part" beside (ctl/part.h), which a later
 * download goes on with if this one breaks off and the server tells versions
 * of the file apart; a packed one is unpacked into ".NAME.new".  The image
 * takes its name when it is whole: its length, its sha256 and its header have
 * been checked, it is on the disk (fsync), readable by everybody (0644) and
 * has the server's time.  Before that the old file stands.
 *
 * The sha256 is that of the file at the url.  Where machines.conf gives none,
 * a list SHA256SUMS beside it counts.
 *
 * What comes by http from another host, and of which machines.conf gives no
 * sha256, could be anybody's: it is refused, unless `insecure` says otherwise.
 *
 * Of several urls, mirrors of one file, each is tried until one has it: first
 * that of which there is a part to go on with, then that from which the image
 * came that is there, then all in their order.
 */
#ifndef QWD_CTL_DOWNLOAD_MACHINE_H
#define QWD_CTL_DOWNLOAD_MACHINE_H

#include <signal.h>
#include <stdbool.h>

#include "base/err.h"
#include "conf/machines.h"
#include "ctl/progress.h"

struct download {
	int dirfd;         /* dir_machines, locked by the caller */
	const char *proxy; /* service_proxy */
	bool force;        /* fetch what is there already, too */
	bool insecure;     /* take what nothing protects, see below */
	bool dry_run;      /* fetch nothing */
	struct progress *progress;
	const volatile sig_atomic_t *stop;
};

enum download_result {
	DOWNLOAD_UNCHANGED,
	DOWNLOAD_FETCHED,
	DOWNLOAD_WOULD_ASK, /* dry_run: the server is to be asked */
};

struct downloaded {
	enum download_result result;
	long long size;        /* bytes of what was fetched */
	char url[URL_MAX + 1]; /* from where it came, or would come first */
};

/*
 * Fetch the image unless it is there: the wanted sum is its own, or it came
 * from one of the urls, is usable, and the server has nothing newer.  That a
 * mirror failed and another one is tried is said by progress_say().
 * ERR_CONFLICT if it was stopped; else the reason as the end of a sentence that
 * begins with the machine's name.
 */
MUST_CHECK int download_machine(const struct download *d,
				const struct machine *machine,
				struct downloaded *ret, struct err *e);

#endif
