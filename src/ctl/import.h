/*
 * The settings of the Perl service on their way to ours.
 */
#ifndef QWD_CTL_IMPORT_H
#define QWD_CTL_IMPORT_H

#include "base/buf.h"
#include "ctl/command.h"

struct import {
	const struct given *given;
	const char *from;     /* config.pl */
	const char *list;     /* the Perl service's machines.conf, or NULL */
	const char *page;     /* its machines.html, or NULL */
	const char *form;     /* its index.html, or NULL */
	char *output;         /* directory */
	bool replace;
	struct buf config;    /* what is to be written */
	struct buf machines;
	struct buf lost;      /* what could not be carried over, a line each */
	char *mail_password;  /* NULL if there is none */
	struct config ours;   /* what was set so far */
	json_t *written;      /* paths; not owned */
};

/* Write the files into im->output, and note which in im->written.  A file that
 * is there is ERR_CONFLICT, unless im->replace; then it is kept beside. */
MUST_CHECK int import_write(struct import *im, struct err *e);

/* Tell what was carried over, and what not.  The exit status. */
int import_tell(struct import *im);

#endif
