/*
 * Configuration by arguments: for roles that are started with --config=FILE
 * and --name=value, never for a web request.
 */
#ifndef QWD_CONF_ARGUMENTS_H
#define QWD_CONF_ARGUMENTS_H

#include "conf/options.h"

/*
 * Defaults, then the file of the last --config=FILE (or the default file,
 * which may be missing), then each other --name=value of argv[first...], then
 * config_finish().  ERR_CONFIG naming the argument that is none.
 */
MUST_CHECK int arguments_config(int argc, char **argv, int first,
				struct config *ret, struct err *e);

#endif
