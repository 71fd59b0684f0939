/* What changes machines ends with. */
#ifndef QWD_CTL_REFRESH_H
#define QWD_CTL_REFRESH_H

#include "ctl/command.h"

/*
 * Examine the images, write the catalogue (unless g->dry_run) and tell of each
 * machine, as g->quiet and g->json say.  CTL_DONE, or CTL_FAILED with a
 * complaint.
 */
MUST_CHECK int refresh_and_print(const struct config *c,
				 const struct given *g);

#endif
