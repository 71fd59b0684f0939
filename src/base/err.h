/*
 * Errors: a value on the caller's stack, nothing to free.
 *
 * A function that can fail returns 0 or -1 and takes `struct err *` last.  On
 * failure it has filled *e; on success *e is untouched.  The code decides the
 * HTTP status and the exit status.  `msg` of ERR_INPUT, ERR_BUSY, ERR_CONFIG,
 * ERR_THROTTLED and ERR_CONFLICT is a sentence that a person may read; the `msg` of other
 * codes goes to the log only, once, where the error ends.
 */
#ifndef QWD_BASE_ERR_H
#define QWD_BASE_ERR_H

#include <stdbool.h>

#include "base/macros.h"

enum err_code {
	ERR_NONE,
	ERR_INPUT,     /* a value from outside is wrong; `field` names it */
	ERR_LOGIN,     /* who asks is unknown */
	ERR_FORBIDDEN, /* known, and not allowed */
	ERR_NOT_FOUND,
	ERR_METHOD,    /* not by this HTTP method */
	ERR_TOO_LARGE, /* more bytes than we read */
	ERR_CONFLICT,  /* not in this state */
	ERR_BUSY,      /* a limit is reached: later, perhaps */
	ERR_THROTTLED, /* asked too often: not before retry_after */
	ERR_CONFIG,    /* the administrator's files are wrong */
	ERR_DAMAGED,   /* a file of ours does not hold what it should */
	ERR_TIMEOUT,
	ERR_SYSTEM, /* the kernel or a program refused; `sys` is errno or 0 */
};

struct err {
	enum err_code code;
	int sys;
	long retry_after; /* seconds, with ERR_BUSY, ERR_THROTTLED; 0 = unknown */
	bool elsewhere;	  /* another host may have room for what this one has not */
	char field[32];
	char msg[512];
};

#define ERR_INIT { .code = ERR_NONE }

/* Fill *e with code and message (cut if too long).  Always returns -1. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* ERR_SYSTEM with the current errno and its text appended.  Returns -1. */
int err_sys(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ERR_INPUT about `field`.  Returns -1. */
int err_field(struct err *e, const char *field, const char *fmt, ...)
	PRINTF_LIKE(3, 4);

/* Put "where: " in front of the message.  Returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Stable word for a code, as programs see it: "bad-field", "busy", ... */
const char *err_name(enum err_code code);

#endif
