/*
 * What the form offers to choose from: JSON arrays of {"value", "text",
 * "selected"}, in the fields' units, for the page's lists.
 */
#ifndef QWD_WEB_CHOICES_H
#define QWD_WEB_CHOICES_H

#include <jansson.h>

#include "base/buf.h"
#include "conf/options_slurm.h"
#include "session/offer.h"

/*
 * The usual values up to a->max, that one, and the chosen one (cores; MB).
 * With `standard` the first choice is "", what is usual for the machine, and
 * chosen = 0 is that one.  NULL if no memory; the caller owns the result.
 */
json_t *choices_cpus(const struct amount *a, long long chosen, bool standard);
json_t *choices_memories(const struct amount *a, long long chosen,
			 bool standard);

/* Likewise, from a->min on, always with the standard (MB). */
json_t *choices_disks(const struct amount *a, long long chosen);

/* Up to `max` seconds; with `no_end` the last choice is "0", without an end. */
json_t *choices_lifetimes(long long max, long long chosen, bool no_end);

/* The names as they are listed.  The first, which is the usual one, has the
 * value "", so that an order without a wish fits other servers as well. */
json_t *choices_names(const struct slurm_names *names, const char *chosen);

/* "1 to 8 processors, 2 to 16 GB of memory, 20 GB of disk" */
void choices_sentence(const struct offer *offer, struct buf *out);

#endif
