/*
 * Whose process this is.
 */
#ifndef QWD_SYS_USER_H
#define QWD_SYS_USER_H

#include <stdbool.h>

#include "base/err.h"

/* Was this program started set-user-id or set-group-id? */
bool user_is_borrowed(void);

/*
 * Become the effective user and group wholly, real and saved ids too, so that
 * nothing of the caller's is left but supplementary groups, and so that our
 * children, and the programs among them that look (bwrap(1)), are that user's.
 * secure_getenv(3) goes on to give nothing.
 */
MUST_CHECK int user_settle(struct err *e);

#endif
