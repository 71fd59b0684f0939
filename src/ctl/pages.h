/*
 * The templates that the pages are made of, and those of the site's own that
 * stand in for them.
 */
#ifndef QWD_CTL_PAGES_H
#define QWD_CTL_PAGES_H

#include <stdbool.h>

#include "base/err.h"
#include "conf/options.h"

/* Those that must be there, NULL-terminated. */
extern const char *const pages_shipped[];

/* By its name: page, style, or text of a mail. */
bool pages_is_template(const char *name);

/* Open dir_html/desktop. */
MUST_CHECK int pages_open_shipped(const struct config *c, struct err *e);

/*
 * The lint of `file` in the directory `site`, whose templates stand in for
 * those of `shipped`; or, where `site` is -1, of `shipped` itself.  ERR_DAMAGED
 * or ERR_SYSTEM with "FILE:LINE: what".
 */
MUST_CHECK int pages_check(int site, int shipped, const char *file,
			   struct err *e);

#endif
