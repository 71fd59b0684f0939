/*
 * The service's store, for the administrator: records belong to the user that
 * the web server runs the service as, and only that user may change them.
 */
#ifndef QWD_CTL_SERVICE_STORE_H
#define QWD_CTL_SERVICE_STORE_H

#include "session/store.h"

/*
 * Open the store.  Root becomes the owner of dir_cfg for good first, if that
 * is a private directory of somebody else, so call this last of all that
 * needs root.  `c` must outlive the store.
 */
MUST_CHECK int service_store_open(const struct config *c, struct store *ret,
				  struct err *e);

#endif
