/*
 * Names and secrets from getrandom(2).
 */
#ifndef QWD_SYS_RANDOM_H
#define QWD_SYS_RANDOM_H

#include <stddef.h>

#include "base/err.h"

/*
 * `count` characters of [a-z2-7], five random bits each, and a NUL into
 * `ret`, which has count + 1 bytes.
 */
MUST_CHECK int random_text(char *ret, size_t count, struct err *e);

#endif
