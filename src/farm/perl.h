/*
 * Servers of the Perl program.  They know no assertions: a form goes to them
 * with the user's password, as their own visitors send it, and a page comes
 * back, of which one thing is taken: where the display is.
 */
#ifndef QWD_FARM_PERL_H
#define QWD_FARM_PERL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "conf/servers.h"

enum { PERL_URL_SIZE = 1024 };

/*
 * Find the first link to a display in a page of that server's: http(s) at the
 * same host, at any port, to noVNC's vnc.html or its like.  False if there is
 * none: then the server has no place, or it is not one.  Nothing else of the
 * page is looked at.
 */
MUST_CHECK bool perl_find_display(const char *page,
				  const struct server *server,
				  char ret[PERL_URL_SIZE]);

#endif
