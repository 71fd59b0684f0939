/*
 * The boot scripts of one session, from their descriptions to what the guest
 * gets: programs for a NoCloud seed or for virt-customize, and lines for
 * virt-customize.
 */
#ifndef QWD_SCRIPT_WORK_H
#define QWD_SCRIPT_WORK_H

#include "session/store.h"
#include "sys/child.h"
#include "vm/script.h"

struct work {
	struct config config;
	struct store store;
	struct session session;
	bool cloud_init; /* the machine takes a seed */
	struct script_facts facts;
	struct buf *programs; /* to run in the guest at its boot, in order */
	size_t count;
	struct buf lines; /* of virt-customize, in order */
	struct argv files; /* that they read */
	bool secret; /* the password is in one of them or in a program */
	struct buf notice; /* the first thing that went wrong, a sentence */
	bool failed;       /* and that a script was to be had */
};

enum { WORK_LINES_MAX = 4 * 1024 * 1024 };

/* Collect the scripts of the configuration, the machine and the visitor
 * (`script`, "" for none) whose conditions hold.  -1 if the session must not
 * start: work->notice says why then. */
MUST_CHECK int work_collect(struct work *w, const char *script);

/* Something went wrong with `what` ("Boot script 2 of this service"): to the
 * log as `e` has it, and for people.  Returns -1 if scripts are required. */
int work_complain(struct work *w, const char *what, const char *where,
		  const struct err *e);

/* The seed of the programs, to descriptor `fd`. */
MUST_CHECK int work_seed(struct work *w, int fd, struct err *e);

/* script/customize.c: run virt-customize on the overlay.  ERR_INPUT with the
 * end of a sentence that begins "The boot scripts". */
MUST_CHECK int work_customize(struct work *w, struct err *e);

#endif
