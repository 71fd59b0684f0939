/*
 * Child processes: the only module that forks, execs or kills.
 *
 * A child gets an argument vector and never a shell, an absolute program, an
 * environment built from nothing (PATH, LANG=C.UTF-8, HOME=/nonexistent
 * unless child.home is set, and what child.env adds), descriptors 0-2 set
 * (/dev/null unless said otherwise), the descriptors of `keep` at their own
 * numbers and all others closed, default signals, an empty signal mask,
 * RLIMIT_CORE 0, and dies with its parent (PR_SET_PDEATHSIG, SIGKILL) unless
 * it is detached.  A failure of exec comes back to the caller as an error.
 */
#ifndef QWD_SYS_CHILD_H
#define QWD_SYS_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/*
 * An argument vector that grows.  The setters cannot fail: a failure (no
 * memory, too many) is reported when the vector is run.
 */
struct argv {
	char **list; /* NULL-terminated */
	size_t count;
	bool failed;
};

#define AUTO_ARGV __attribute__((cleanup(argv_release)))

void argv_add(struct argv *a, const char *arg);
void argv_addf(struct argv *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
void argv_release(struct argv *a);

struct child {
	const struct argv *argv; /* argv->list[0] is the program, absolute */
	int in, out, err;        /* descriptors for 0, 1, 2; -1 = /dev/null */
	const int *keep;         /* further descriptors that it inherits */
	size_t keep_count;
	const char *home;         /* HOME, or NULL */
	const char *const *env;   /* further NAME=value, NULL-terminated, or NULL */
	const char *dir;          /* working directory, NULL = / */
	bool detach;              /* own session; outlives the caller */
	bool group;               /* leads a process group of its own */
	unsigned long long max_file; /* RLIMIT_FSIZE in bytes, 0 = none */
};

#define CHILD_INIT { .in = -1, .out = -1, .err = -1 }

/*
 * Start the child.  Returns its pid, to be reaped by the caller; with
 * `detach` it is nobody's child of ours and the result is 0.  -1 on failure.
 */
MUST_CHECK pid_t child_start(const struct child *c, struct err *e);

/*
 * Become that program instead, in this process (execve(2)), with all that is
 * said above but the parent's death.  Returns only where it cannot be begun;
 * if the program cannot be run, the process ends with status 127.
 */
MUST_CHECK int child_become(const struct child *c, struct err *e);

/*
 * Start, feed `input` (may be NULL) to its standard input, collect standard
 * output into `output` and standard error into `errors` (each may be NULL),
 * and wait at most `deadline_ms`; then SIGKILL.  *ret_status is 0..255, or
 * 128 + signal.  ERR_TIMEOUT if the deadline passed.  Of a child that leads a
 * group nothing is left then.  Output past a buffer's ceiling is dropped: ask
 * buf_failed().
 */
MUST_CHECK int child_run(const struct child *c, const char *input,
			 struct buf *output, struct buf *errors,
			 int deadline_ms, int *ret_status, struct err *e);

/* Send a signal to a child that has not been reaped; pid 0 is refused.  With
 * `group` to all of the process group that it leads. */
void child_signal(pid_t pid, bool group, int signal);

/* Kill and reap a child (with `group` its group too), waiting for it.  One that
 * we may not kill, since sudo(8) has made it another user's, is left to end by
 * itself, and is reaped when we end.  *pid becomes 0. */
void child_end(pid_t *pid, bool group);

/*
 * Reap `pid` if it has ended: true, with *ret_status as in child_run().  With
 * `group` what is left of the process group that it led is killed first.
 */
bool child_reaped(pid_t pid, bool group, int *ret_status);

/*
 * A handle (pidfd_open(2)) on a process that need not be a child of ours: it
 * never comes to mean another one, also when the number is used again.  So
 * open it first, then make sure whose process it is, then end it.  Returns the
 * descriptor, or -1 with errno.
 */
MUST_CHECK int child_handle(pid_t pid);

/* SIGKILL to the process behind the handle; waits at most `deadline_ms` for
 * its end.  ERR_TIMEOUT if it has not come. */
MUST_CHECK int child_handle_end(int handle, int deadline_ms, struct err *e);

/*
 * Find a program: an absolute path is itself, a bare name is looked up in
 * /usr/local/bin, /usr/bin, /bin, /usr/sbin, /sbin.  The caller frees; NULL
 * with ERR_CONFIG naming it if it is not there.
 */
MUST_CHECK char *child_find_program(const char *name, struct err *e);

#endif
