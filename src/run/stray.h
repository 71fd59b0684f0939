/*
 * Processes that have outlived their session's owner.
 *
 * bubblewrap dies with its parent, but the process that it starts, which
 * becomes QEMU, does not until it has asked for that, late in its set-up: if
 * bubblewrap is killed before, the other one waits for it for ever, or goes on
 * to run QEMU.  So who cleans up after a session looks for them.
 */
#ifndef QWD_RUN_STRAY_H
#define QWD_RUN_STRAY_H

#include "session/store.h"

/*
 * Kill (SIGKILL) each process of our user that holds the guest of session
 * `name`, of which the caller holds the lock; or, if `name` is NULL, of any
 * session of this store whose lock is held by nobody.  Waits for their ends; a
 * guest ends with the first process of its namespace.  A process is known by
 * STORE/run/NAME/vm among its arguments, as sandbox_command() makes them, read
 * again after its handle was opened (child_handle()), so that nobody else is
 * ever hit, nor a session of another store of the same user.  Returns how
 * many were killed, or -1.
 */
MUST_CHECK int stray_end(const struct store *st, const char *name,
			 struct err *e);

/* True if process `pid` is one of our user whose arguments are those of the
 * owner of session `name`. */
bool stray_is_owner(pid_t pid, const char *name);

#endif
