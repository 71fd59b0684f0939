/*
 * The version, as pages, --version and `qwdctl version` show it.  The build
 * may define it.
 */
#ifndef QWD_BASE_VERSION_H
#define QWD_BASE_VERSION_H

#ifndef QWD_VERSION
#define QWD_VERSION "0.1.0"
#endif

#endif
