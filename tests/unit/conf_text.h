/*
 * The text of a config.conf, which lies in the scratch directory, and what is
 * said of it.  Whatever fails in here fails the test.
 */
#ifndef QWD_TESTS_UNIT_CONF_TEXT_H
#define QWD_TESTS_UNIT_CONF_TEXT_H

#include "conf/options.h"

/* A text, and a part of why it is refused. */
struct refusal {
	const char *text;
	const char *message;
};

/* The path of a file in the scratch directory; the caller frees. */
char *conf_text_path(const char *name);

/* The defaults. */
void conf_text_init(struct config *c);

/* Write it, and read it over the defaults. */
int conf_text_read(struct config *c, const char *text, struct err *e);

/* `e` must be ERR_CONFIG about that file, with this part. */
void conf_text_check(const struct err *e, const char *file, const char *part);

#endif
