/*
 * The Cookie header (RFC 6265, section 4.2), of which we read one cookie.
 */
#ifndef QWD_WEB_COOKIE_H
#define QWD_WEB_COOKIE_H

#include <stdbool.h>

#include "base/macros.h"

enum { COOKIE_VALUE_MAX = 128 };

/*
 * Copy the value of cookie `name` (compared exactly) into `ret_value`.
 * False, with `ret_value` untouched, if `header` is NULL, or has no such
 * cookie, or more than one (who sent which cannot be told apart), or its
 * value is not 1 to COOKIE_VALUE_MAX letters, digits, '-' and '_'.  Other
 * cookies may look as they like.
 */
MUST_CHECK bool cookie_get(const char *header, const char *name,
			   char ret_value[COOKIE_VALUE_MAX + 1]);

#endif
