/*
 * The arguments of the command by hand.
 */
#ifndef QWD_WEB_BYHAND_ARGUMENTS_H
#define QWD_WEB_BYHAND_ARGUMENTS_H

#include "base/err.h"
#include "conf/options.h"
#include "sys/child.h"

/* Exit statuses. */
enum { BY_HAND_DONE = 0, BY_HAND_FAILED = 1, BY_HAND_USAGE = 2 };

enum task { TASK_START, TASK_STOP, TASK_PURGE, TASK_MONITOR, TASK_SHOW };

/* The arguments, sorted; release with by_hand_release(). */
struct by_hand {
	enum task task;
	const char *session;   /* of TASK_STOP */
	struct argv arguments; /* --config=FILE, which arguments_config() reads,
				  and --name=value */
	struct config config;
};

/*
 * Read them into *b, which is all zero before, and the configuration.
 * --help and --version are answered here, and leave TASK_SHOW.  Returns
 * BY_HAND_DONE, or the exit status after a complaint.
 */
MUST_CHECK int by_hand_arguments(int argc, char **argv, struct by_hand *b);
void by_hand_release(struct by_hand *b);

/* Print what is wrong to standard error; the exit status. */
int by_hand_complain(const struct err *e);
int by_hand_usage(const char *arg, const char *why);

#endif
