/*
 * What boot scripts need of the request that creates a session: the password
 * that was typed with it and the visitor's own script.  It travels from the
 * request to the session's owner and on to qwd-script as a descriptor of
 * anonymous memory (memfd_create(2)): never in arguments, the environment or a
 * file.
 */
#ifndef QWD_VM_SCRIPT_ORDER_H
#define QWD_VM_SCRIPT_ORDER_H

#include "base/buf.h"
#include "base/err.h"

/* Make it; either may be "".  Returns the descriptor, or -1. */
MUST_CHECK int script_order_make(const char *password, const char *script,
				 struct err *e);

struct script_order {
	struct buf bytes;
	const char *password; /* within it */
	const char *script;
};

#define SCRIPT_ORDER_MAX (128 * 1024)
#define SCRIPT_ORDER_INIT                                                      \
	{ .bytes = BUF_INIT(SCRIPT_ORDER_MAX), .password = "", .script = "" }
#define AUTO_SCRIPT_ORDER __attribute__((cleanup(script_order_release)))

/* Read it.  ERR_DAMAGED if it is none. */
MUST_CHECK int script_order_read(int fd, struct script_order *ret,
				 struct err *e);

/* Overwrites what it frees. */
void script_order_release(struct script_order *o);

#endif
