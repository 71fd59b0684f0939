/*
 * qwdctl edit: an editor works on a copy, which takes the file's place if the
 * service could read it.
 */
#ifndef QWD_CTL_EDIT_H
#define QWD_CTL_EDIT_H

#include "base/buf.h"
#include "ctl/command.h"

struct edit {
	const struct given *given;
	struct config *config; /* not owned */
	char *path;            /* what is to be changed */
	char *copy;            /* what the editor gets */
	struct buf before;     /* the content of both */
	struct buf after;
	/* Would the service read the copy? */
	int (*check)(const struct edit *edit, struct err *e);
	/* Of edit_web.c. */
	const char *page;
	char *stage; /* directory of the copy */
	bool is_new; /* the site had none of its own */
};

/*
 * Prepare the change of the page, style or mail g->words[1] in dir_html_site:
 * fills path, copy, before, check.  edit_web_end() is called in any case.
 */
MUST_CHECK int edit_web_begin(struct edit *edit, struct err *e);
void edit_web_end(struct edit *edit);

/* After a change: keeps the one before, and says how to undo it. */
MUST_CHECK int edit_web_keep(const struct edit *edit, struct err *e);
void edit_web_tell(const struct edit *edit);

#endif
