/*
 * No core file of this process: it holds passwords or the secret of a display.
 */
#ifndef QWD_SYS_CORE_H
#define QWD_SYS_CORE_H

#include "base/err.h"

/*
 * No core file, neither by the kernel (RLIMIT_CORE 0, which children inherit)
 * nor by a program of core(5)'s core_pattern, which that limit does not bind
 * (PR_SET_DUMPABLE 0, until exec); nor may other processes of this user trace
 * this one, or read its memory and environment.
 */
MUST_CHECK int core_forbid(struct err *e);

#endif
