/*
 * The catalogue made anew, and told.
 */
#ifndef QWD_CTL_REFRESH_H
#define QWD_CTL_REFRESH_H

#include "conf/options.h"

/*
 * catalogue_refresh(), then a line for each machine of machines.conf on
 * standard output: what it is, why it is refused, or how to get it.  Returns
 * CTL_DONE also when machines are refused, CTL_FAILED with a complaint if the
 * catalogue could not be made.
 */
MUST_CHECK int refresh_and_print(const struct config *c);

#endif
